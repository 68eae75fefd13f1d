/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded queue between a live producer and a reader that may be slow: frames without
 * their headers, taken out by a thread that numbers and writes them. Private to lib/wire.
 *
 * When the queue is full (bytes), or its oldest packet too old (time), whole groups of
 * pictures leave it, the oldest first, and a GAP with their count and times takes their
 * place. Groups begin at the keys of the first stream of pictures; what another stream of
 * pictures loses with one costs it everything up to its own next key.
 * Only PACKET and PICTURE frames are ever dropped. The others have as many bytes of their
 * own; where these are full too, the reader is given up: every push fails from then on. */
#ifndef CB_WIRE_RING_H
#define CB_WIRE_RING_H

#include <sys/uio.h>

#include "wire/frame.h"

struct cb_ring;

/* The ring's thread calls write for every frame, in order; -1 with err ends it. */
typedef int cb_ring_write(struct cb_writer *w, uint8_t type, uint16_t flags, uint16_t stream,
			  struct iovec *parts, int n, struct cb_err *err);

int cb_ring_start(struct cb_ring **ret, struct cb_writer *w, cb_ring_write *write,
		  size_t max_bytes, int64_t max_ns, struct cb_err *err);
/* Copies the parts; never waits for the reader. -1: no memory, or what the thread met.
 * video: the stream is a picture stream, so its key packets begin groups. */
int cb_ring_push(struct cb_ring *r, uint8_t type, uint16_t flags, uint16_t stream, bool video,
		 const struct iovec *parts, int n, struct cb_err *err);
/* Wait until all is written, at most ns: 0; -1 with CB_E_TEMP when time is up. */
int cb_ring_drain(struct cb_ring *r, int64_t ns, struct cb_err *err);
/* End the thread, in the middle of a write if need be. */
void cb_ring_free(struct cb_ring *r);

#endif
