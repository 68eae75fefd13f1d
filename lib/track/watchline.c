/* SPDX-License-Identifier: Apache-2.0 */
/* Writing events of rules. */
#include "track/watchline.h"

#include <math.h>
#include <string.h>

#include "crypto/hash.h"
#include "wire/event.h"

static void begin(struct cb_jw *w, struct cb_buf *out, const char *type, const struct cb_scene *s,
		  const struct cb_scene_picture *p, int64_t t_us, uint32_t index)
{
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, s->camera, p->has_packet ? p->packet : NULL, p->has_pts ? p->pts : p->t_us, s->run,
		    index);
	cb_event_begin(w, out, "cb-track", type, s->camera, t_us * 1000, id);
	cb_scene_place(w, s, p);
}

static double unit(double v)
{
	return v > 0 ? v < 1 ? v : 1 : 0;
}

static void put_box(struct cb_jw *w, const struct cb_rect *b)
{
	double x = unit(b->x), y = unit(b->y);

	cb_jw_key(w, "box");
	cb_jw_arr(w);
	cb_jw_fixed(w, x, 4);
	cb_jw_fixed(w, y, 4);
	cb_jw_fixed(w, unit(b->x + b->w) - x, 4);
	cb_jw_fixed(w, unit(b->y + b->h) - y, 4);
	cb_jw_arr_end(w);
}

static void put_counts(struct cb_jw *w, const struct cb_watch_event *e)
{
	cb_jw_ku64(w, "in", e->in);
	cb_jw_ku64(w, "out", e->out);
	cb_jw_ki64(w, "occupancy", e->occupancy);
	if (e->reset)
		cb_jw_kbool(w, "reset", true);
	if (!e->interval)
		return;
	cb_jw_key(w, "interval");
	cb_jw_obj(w);
	cb_jw_ki64(w, "from_us", e->from_us);
	cb_jw_ki64(w, "to_us", e->to_us);
	cb_jw_ku64(w, "in", e->more_in);
	cb_jw_ku64(w, "out", e->more_out);
	cb_jw_obj_end(w);
}

static void put_details(struct cb_jw *w, const struct cb_track_rules *rules, const struct cb_watch_event *e)
{
	const struct cb_track_rule *r = e->rule;

	switch (r->kind) {
	case CB_RULE_ENTER:
		if (e->began)
			cb_jw_kbool(w, "began", true);
		break;
	case CB_RULE_EXIT:
		cb_jw_ki64(w, "until_us", e->until_us);
		cb_jw_ki64(w, "duration_us", e->until_us - e->since_us);
		break;
	case CB_RULE_DWELL:
		cb_jw_ki64(w, "duration_us", e->t_us - e->since_us);
		break;
	case CB_RULE_COUNT:
		put_counts(w, e);
		break;
	case CB_RULE_CROWD:
		cb_jw_ku64(w, "count", e->count);
		cb_jw_kfixed(w, "density", e->density, 4);
		break;
	case CB_RULE_DIRECTION:
		cb_jw_kfixed(w, "heading", e->heading < 359.95 ? e->heading : 0, 1);
		break;
	case CB_RULE_SPEED:
		cb_jw_kfixed(w, e->metric ? "speed_mps" : "speed", e->speed, e->metric ? 2 : 4);
		break;
	case CB_RULE_LEFT:
		if (e->other && *e->other)
			cb_jw_kstr(w, "owner", e->other);
		break;
	case CB_RULE_SEQUENCE:
		cb_jw_key(w, "steps");
		cb_jw_arr(w);
		for (uint32_t i = 0; i < r->steps; i++)
			cb_jw_str(w, rules->rule[r->step[i]].name);
		cb_jw_arr_end(w);
		break;
	case CB_RULE_TAILGATE:
		cb_jw_kstr(w, "first", e->other);
		break;
	case CB_RULE_CROSS:
	case CB_RULE_STOPPED:
	case CB_RULE_REMOVED:
	case CB_RULE_KINDS:
		break;
	}
	if (e->gone)
		cb_jw_kbool(w, "gone", true);
}

int cb_watch_line(struct cb_buf *out, const struct cb_track_rules *rules, const struct cb_scene *s,
		  const struct cb_scene_picture *p, const struct cb_watch_event *e, uint32_t index,
		  struct cb_err *err)
{
	const struct cb_track_rule *r = e->rule;
	const struct cb_track_kind_info *k = &cb_track_kinds[r->kind];
	struct cb_jw w;

	begin(&w, out, k->type, s, p, e->t_us, index);
	cb_jw_kstr(&w, "rule", r->name);
	if (r->zone != CB_NONE)
		cb_jw_kstr(&w, "zone", rules->zone[r->zone].name);
	if (e->line != CB_NONE) {
		cb_jw_kstr(&w, "line", rules->line[e->line].name);
		cb_jw_kstr(&w, "direction", e->turn == CB_TURN_LEFT ? "left" : "right");
	}
	if (e->state)
		cb_jw_kstr(&w, "state", e->state == CB_WATCH_START ? "start" : "end");
	cb_jw_ki64(&w, "since_us", e->since_us);
	if (e->track) {
		cb_jw_kstr(&w, "track", e->track);
		cb_jw_ku64(&w, "number", e->number);
		cb_jw_kstr(&w, "class", e->class);
		cb_jw_kfixed(&w, "score", e->score, 4);
		put_box(&w, &e->box);
	}
	put_details(&w, rules, e);
	if (k->onvif)
		cb_jw_kstr(&w, "onvif", k->onvif);
	return cb_event_end(&w, err);
}

static bool uses(const struct cb_track_rule *r, bool zone, uint32_t k)
{
	if (zone)
		return r->zone == k;
	for (uint32_t i = 0; i < r->lines; i++)
		if (r->line[i] == k)
			return true;
	return false;
}

static bool concerns(const struct cb_track_rules *r, bool zone, uint32_t k, const char *camera)
{
	bool used = false;

	for (uint32_t i = 0; i < r->n; i++) {
		if (!uses(&r->rule[i], zone, k))
			continue;
		if (cb_track_rule_for(&r->rule[i], camera))
			return true;
		used = true;
	}
	return !used;
}

bool cb_zone_for(const struct cb_track_rules *r, uint32_t zone, const char *camera)
{
	return concerns(r, true, zone, camera);
}

bool cb_line_for(const struct cb_track_rules *r, uint32_t line, const char *camera)
{
	return concerns(r, false, line, camera);
}

static void put_shape(struct cb_jw *w, const char *name, const char *key, const struct cb_poly *g)
{
	cb_jw_obj(w);
	cb_jw_kstr(w, "name", name);
	cb_jw_key(w, key);
	cb_jw_arr(w);
	for (uint32_t i = 0; i < g->n; i++) {
		cb_jw_arr(w);
		cb_jw_fixed(w, (double)g->p[i].x / CB_PT_ONE, 6);
		cb_jw_fixed(w, (double)g->p[i].y / CB_PT_ONE, 6);
		cb_jw_arr_end(w);
	}
	cb_jw_arr_end(w);
	cb_jw_obj_end(w);
}

int cb_watch_zones_line(struct cb_buf *out, const struct cb_track_rules *r, const struct cb_scene *s,
			const struct cb_scene_picture *p, struct cb_err *err)
{
	struct cb_jw w;

	begin(&w, out, "cb.zones", s, p, p->t_us, 0);
	cb_jw_kstr(&w, "rules_sha256", r->sha256);
	cb_jw_key(&w, "zones");
	cb_jw_arr(&w);
	for (uint32_t i = 0; i < r->zones; i++)
		if (cb_zone_for(r, i, s->camera))
			put_shape(&w, r->zone[i].name, "polygon", &r->zone[i].poly);
	cb_jw_arr_end(&w);
	cb_jw_key(&w, "lines");
	cb_jw_arr(&w);
	for (uint32_t i = 0; i < r->lines; i++)
		if (cb_line_for(r, i, s->camera))
			put_shape(&w, r->line[i].name, "points", &r->line[i].poly);
	cb_jw_arr_end(&w);
	return cb_event_end(&w, err);
}
