/* SPDX-License-Identifier: Apache-2.0 */
/* Tracks and what rules tell of them in the words of others, a line of JSON each:
 *
 * onvif-mj: {"topic":...,"payload":...}, as a device publishes over MQTT: tracks as frames of metadata
 *   under PREFIX/onvif-mj/VideoAnalytics/... (ONVIF Analytics Service Specification, "JSON over
 *   MQTT"), events of rules that ONVIF has under PREFIX/onvif-ej/RuleEngine/... (ONVIF Core
 *   Specification, "JSON Event Payload"). Coordinates are ONVIF's: the origin in the middle, y up.
 * frigate: what Frigate publishes under frigate/events: type, before, after (its documentation,
 *   "MQTT"); boxes in pixels as left, top, right, bottom.
 *
 * Memory: of CB_CONVERT_TRACKS tracks at most is remembered what was said last; of more, the
 * oldest is forgotten.
 */
#ifndef CB_TRACK_CONVERT_H
#define CB_TRACK_CONVERT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define CB_CONVERT_TRACKS 4096
#define CB_CONVERT_CAMERAS 256

enum cb_convert_as { CB_AS_ONVIF_MJ, CB_AS_FRIGATE };

struct cb_convert;

/* fn: a line, without LF. */
int cb_convert_new(struct cb_convert **ret, enum cb_convert_as as,
		   int (*fn)(void *ctx, const struct cb_buf *line, struct cb_err *err), void *ctx,
		   struct cb_err *err);
void cb_convert_free(struct cb_convert *c);
/* An event, ours or from elsewhere; those that the format has no word for give nothing, and a
 * line that is no event neither. */
int cb_convert_event(struct cb_convert *c, const char *line, size_t len, struct cb_err *err);
/* Write what waits for more of the same picture. */
int cb_convert_flush(struct cb_convert *c, struct cb_err *err);

#endif
