/* SPDX-License-Identifier: Apache-2.0 */
/* STREAM and PACKET frames into a standard container. Packets' data stay as they are, except
 * in MPEG-TS, which has start codes and ADTS headers of its own.
 *
 * Containers want a decoding time on every packet, rising. Where the frames have none it is
 * worked out from the presentation times; where they have no time at all, the wall clock is
 * taken; where they go back a little they are moved up as little as needed, and counted; where
 * they begin anew the wall clock says how much later the container goes on. */
#ifndef CB_MEDIA_MUX_H
#define CB_MEDIA_MUX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/frame.h"

enum cb_container { CB_MATROSKA, CB_MPEGTS, CB_MP4, CB_MOV };
/* "matroska", "mpegts", "mp4", "mov"; -1 for another name. */
int cb_container_find(const char *name);

struct cb_mux;

/* fd is the caller's, and written from its present position; with seekable, the container may
 * go back to complete its beginning (MP4 and MOV are fragmented otherwise). wall_ns: stated as
 * the time of creation, 0: none. warn gets what is worth telling, made safe. */
int cb_mux_new(struct cb_mux **ret, enum cb_container c, int fd, bool seekable, int64_t wall_ns,
	       void (*warn)(void *ctx, const char *text), void *ctx, struct cb_err *err);

/* New or changed parameters. CB_E_DATA where the container does not take the codec (the message
 * names one that does), or cannot hold a change in its middle. A stream that appears after
 * the first packet is left out, with a warning. */
int cb_mux_stream(struct cb_mux *m, uint16_t stream, const struct cb_stream *s, struct cb_err *err);
int cb_mux_packet(struct cb_mux *m, uint16_t stream, const struct cb_packet *p, struct cb_err *err);
/* Something is missing here: times may begin anew with the next packet. */
void cb_mux_gap(struct cb_mux *m);
/* For somebody who waits at the other end of a pipe: write what is ready. Errors show in the
 * next call. */
void cb_mux_flush(struct cb_mux *m);
/* Complete the container. CB_E_DATA where there was no packet. */
int cb_mux_finish(struct cb_mux *m, struct cb_err *err);
/* Has the container been begun, which the first packet does? */
bool cb_mux_begun(const struct cb_mux *m);
/* How many packets had their times moved. */
uint64_t cb_mux_moved(const struct cb_mux *m);
void cb_mux_free(struct cb_mux *m);

#endif
