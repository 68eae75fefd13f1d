/* SPDX-License-Identifier: Apache-2.0 */
/* What a watch tells, as events of cb-event(5). */
#ifndef CB_TRACK_WATCHLINE_H
#define CB_TRACK_WATCHLINE_H

#include "track/watch.h"

/* index: of the event in its picture, for its id. */
int cb_watch_line(struct cb_buf *out, const struct cb_track_rules *r, const struct cb_scene *s,
		  const struct cb_scene_picture *p, const struct cb_watch_event *e, uint32_t index,
		  struct cb_err *err);
/* cb.zones: the zones and lines that concern the scene's camera. */
int cb_watch_zones_line(struct cb_buf *out, const struct cb_track_rules *r, const struct cb_scene *s,
			const struct cb_scene_picture *p, struct cb_err *err);
/* Does a zone or line concern a camera: does a rule for it use it, or none at all? */
bool cb_zone_for(const struct cb_track_rules *r, uint32_t zone, const char *camera);
bool cb_line_for(const struct cb_track_rules *r, uint32_t line, const char *camera);

#endif
