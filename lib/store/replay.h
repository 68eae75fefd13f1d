/* SPDX-License-Identifier: Apache-2.0 */
/* From the store back into the frame stream. What is emitted was hashed first, and is the
 * bytes that were hashed. */
#ifndef CB_STORE_REPLAY_H
#define CB_STORE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"
#include "wire/frame.h"

struct cb_replay_opts {
	const char *camera;
	int64_t from_ns, to_ns;		/* INT64_MIN, INT64_MAX: everything */
	bool events;			/* stored events as EVENT frames, before their segment */
};
struct cb_replay_totals {
	uint64_t segments, fragments, packets, holes, events;
	uint64_t destroyed;		/* segments whose key was: left out, and said in a GAP */
	uint64_t damaged;		/* fragments or segments that were left out */
	struct cb_err first;		/* the first of them */
};
/* HELLO, STREAM, PACKET, GAP and EVENT frames to w; END is the caller's. It begins with the
 * last keyframe at or before from_ns and ends with the last fragment that begins before to_ns.
 * Damage is a GAP and counted. Encrypted footage that nobody has given an identity for is CB_E_PERM:
 * what was replayed until then was. Errors: those of reading the store and of writing; CB_E_NO
 * where the range holds nothing (HELLO was written then). Ends early, with 0, on a request
 * to stop. */
int cb_replay(const struct cb_store *s, const struct cb_replay_opts *o, struct cb_writer *w,
	      struct cb_replay_totals *ret, struct cb_err *err);

/* From where on to read so that footage can be decoded from from_ns on. That is from_ns, for a
 * segment begins with a keyframe; but not every one does: where one was cut short by a failure, or
 * after 24 hours, its group of pictures goes on in the next. Then it is the time of the keyframe. */
int cb_replay_lead(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t *ret,
		   struct cb_err *err);

#endif
