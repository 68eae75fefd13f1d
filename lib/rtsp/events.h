/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a live source (cb-event(5)): cb.clock, cb.stream.oddity, cb.camera.metadata.
 * Each fills out (emptied first) with one line without LF, made by /cb-ingest. */
#ifndef CB_RTSP_EVENTS_H
#define CB_RTSP_EVENTS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "rtsp/clock.h"
#include "rtsp/depay.h"
#include "rtsp/oddity.h"

int cb_rtsp_event_clock(struct cb_buf *out, const char *camera, uint16_t stream,
			const struct cb_clock_note *n, struct cb_err *err);

/* total: so many of that kind so far in this session; of a first one 1, which is not called a total. */
int cb_rtsp_event_oddity(struct cb_buf *out, const char *camera, int64_t wall_ns,
			 enum cb_oddity what, uint64_t total, struct cb_err *err);

/* An ONVIF metadata document (an access unit of VND.ONVIF.METADATA): whole where it fits in a
 * line, else its digest and size; and the notifications in it (topic and items), read without
 * an XML library by a small total scanner, at most CB_METADATA_NOTES. */
#define CB_METADATA_NOTES 32
int cb_rtsp_event_metadata(struct cb_buf *out, const char *camera, uint16_t stream, int64_t wall_ns,
			   const struct cb_au *u, struct cb_err *err);

#endif
