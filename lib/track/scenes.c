/* SPDX-License-Identifier: Apache-2.0 */
/* Scenes: reading cb.detection, one tracker each, writing cb.track. */
#include "track/scenes.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "wire/event.h"

#define RUN_EVERY_US 60000000
#define PATH_MAX_POINTS 32	/* of an update */
#define OBJECTS_READ 1500	/* more do not fit in a line */

struct teller {			/* what was said of a track, by slot */
	int64_t said_us;
	uint64_t points;
};

struct scene {
	struct cb_scene s;	/* first */
	struct scene *next;	/* used longer ago */
	uint32_t hash;
	int64_t run_us;		/* of the last cb.run */
	bool has_pts;		/* its pictures do */
	struct teller told[CB_TRACKS_MAX];
};

struct cb_scenes {
	struct cb_scenes_opts o;
	struct cb_scenes_hook hook;
	cb_scenes_emit *emit;
	void *emit_ctx;
	char config_sha256[CB_SHA256_HEX];
	struct scene *newest;
	uint32_t n, room;	/* scenes, and tracks that there is room for in them */
	struct cb_scenes_stats stats;
	struct cb_buf line;
	/* of the event just parsed */
	bool event, detection;
	struct cb_event ev;
	struct cb_scene_picture at;
	char camera[CB_SCENE_CAMERA], of[CB_SCENE_RUN];
	int stream;
	int64_t width, height;
	uint32_t objects;	/* token */
	struct cb_track_det det[OBJECTS_READ];
	float *look;		/* appearances, one after another; room for all that a line can hold */
	uint32_t looks;
	struct cb_json json;
	char text[CB_EVENT_LINE_MAX];	/* a string unescaped */
};

/* --- life ---------------------------------------------------------------------------------------- */

static void digest_config(struct cb_scenes *s)
{
	const struct cb_track_opts *t = &s->o.track;
	uint8_t sum[CB_SHA256_LEN];
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "high=%d low=%d start=%d overlap=%d confirm=%u lost_us=%lld gap_us=%lld update_us=%lld\n",
			 (int)(t->high * 10000 + 0.5), (int)(t->low * 10000 + 0.5),
			 (int)(t->start * 10000 + 0.5), (int)(t->overlap * 10000 + 0.5), t->confirm,
			 (long long)t->lost_us, (long long)t->gap_us, (long long)s->o.update_us);
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, text, (size_t)n);
	if (s->o.config)
		cb_sha256_update(&h, s->o.config, strlen(s->o.config));
	cb_sha256_final(&h, sum);
	cb_hex(s->config_sha256, sum, sizeof(sum));
}

int cb_scenes_new(struct cb_scenes **ret, const struct cb_scenes_opts *opts,
		  const struct cb_scenes_hook *hook, cb_scenes_emit *emit, void *emit_ctx,
		  struct cb_err *err)
{
	struct cb_scenes *s = calloc(1, sizeof(*s));

	if (!s)
		return cb_err_nomem(err);
	s->o = *opts;
	if (hook)
		s->hook = *hook;
	s->emit = emit;
	s->emit_ctx = emit_ctx;
	digest_config(s);
	s->o.config = NULL;
	*ret = s;
	return 0;
}

static void scene_free(struct scene *c)
{
	cb_tracker_free(c->s.tracker);
	free(c);
}

void cb_scenes_free(struct cb_scenes *s)
{
	struct scene *c, *next;

	if (!s)
		return;
	for (c = s->newest; c; c = next) {
		next = c->next;
		scene_free(c);
	}
	free(s->look);
	cb_buf_release(&s->line);
	free(s);
}

/* --- writing --------------------------------------------------------------------------------------- */

static int emit_run(struct cb_scenes *s, struct scene *c, int64_t t_us, struct cb_err *err)
{
	const struct cb_tracker_stats *st = cb_tracker_stats(c->s.tracker);
	char id[CB_EVENT_ID_LEN];
	struct cb_jw w;

	cb_event_id(id, "cb.run", c->s.camera, NULL, t_us, c->s.run, (uint32_t)c->s.stream);
	cb_event_begin(&w, &s->line, "cb-track", "cb.run", c->s.camera, t_us * 1000, id);
	cb_jw_kstr(&w, "tool", "cb-track");
	cb_jw_kstr(&w, "version", CB_VERSION);
	cb_jw_kstr(&w, "run", c->s.run);
	if (c->s.of[0])
		cb_jw_kstr(&w, "of", c->s.of);
	cb_jw_kstr(&w, "config_sha256", s->config_sha256);
	cb_jw_key(&w, "libraries");
	cb_jw_obj(&w);
	cb_jw_obj_end(&w);
	cb_jw_ku64(&w, "analysed", st->pictures);
	cb_jw_ku64(&w, "tracks", st->tracks);
	c->run_us = t_us;
	if (cb_event_end(&w, err) < 0)
		return -1;
	return s->emit(s->emit_ctx, &s->line, err);
}

static double within(double v)
{
	return v < 0 ? 0 : v > 1 ? 1 : v;
}

/* A box cut to the picture. */
static void put_box(struct cb_jw *w, const struct cb_rect *b)
{
	double x = within(b->x), y = within(b->y);

	cb_jw_key(w, "box");
	cb_jw_arr(w);
	cb_jw_fixed(w, x, 4);
	cb_jw_fixed(w, y, 4);
	cb_jw_fixed(w, within(b->x + b->w) - x, 4);
	cb_jw_fixed(w, within(b->y + b->h) - y, 4);
	cb_jw_arr_end(w);
}

static void put_point(struct cb_jw *w, const struct cb_track *t, const struct cb_track_point *p)
{
	double x, y;

	cb_anchor_of(CB_ANCHOR_BOTTOM, &p->box, &x, &y);
	cb_jw_arr(w);
	cb_jw_i64(w, p->t_us - t->born_us);
	cb_jw_fixed(w, within(x), 4);
	cb_jw_fixed(w, within(y), 4);
	cb_jw_arr_end(w);
}

/* Points since the last event, thinned; of an end the whole life. The newest is always there. */
static void put_path(struct cb_jw *w, const struct cb_track *t, uint64_t since, bool whole)
{
	cb_jw_key(w, "path");
	cb_jw_arr(w);
	if (whole) {
		const struct cb_track_point *last = cb_track_point(t, 0);

		for (uint32_t i = 0; i < t->trails; i++)
			put_point(w, t, &t->trail[i]);
		if (last && t->trail[t->trails - 1].t_us != last->t_us)
			put_point(w, t, last);
	} else {
		uint64_t n = t->points - since, step;

		if (n > CB_TRACK_PAST)
			n = CB_TRACK_PAST;
		step = (n + PATH_MAX_POINTS - 1) / PATH_MAX_POINTS;
		for (uint64_t i = n; i-- > 0; )
			if (i % step == 0)
				put_point(w, t, cb_track_point(t, i));
	}
	cb_jw_arr_end(w);
}

void cb_scene_place(struct cb_jw *w, const struct cb_scene *s, const struct cb_scene_picture *p)
{
	char hex[CB_SHA256_HEX];

	cb_jw_ki64(w, "stream", s->stream);
	cb_jw_key(w, "pts");
	if (p->has_pts)
		cb_jw_i64(w, p->pts);
	else
		cb_jw_null(w);
	if (p->has_packet) {
		cb_hex(hex, p->packet, sizeof(p->packet));
		cb_jw_kstr(w, "packet", hex);
	}
	cb_jw_kstr(w, "run", s->run);
}

enum { SAY_NEW, SAY_UPDATE, SAY_END };

static int emit_track(struct cb_scenes *s, struct scene *c, const struct cb_track *t,
		      const struct cb_scene_picture *p, int what, struct cb_err *err)
{
	static const char *const state[] = { "new", "update", "end" };
	struct teller *told = &c->told[t->slot];
	const struct cb_class *class = &c->s.class[t->class];
	/* of an end: where it was seen last, not where it would be by now */
	const struct cb_rect *box = &cb_track_point(t, 0)->box;
	double aspect = c->s.width && c->s.height ? (double)c->s.width / c->s.height : 1;
	double vx = t->vx * aspect, vy = t->vy, x, y, e, n;
	char id[CB_EVENT_ID_LEN];
	struct cb_jw w;

	cb_event_id(id, "cb.track", c->s.camera, t->packet, t->pts, c->s.run,
		    t->det_index * 4 + (uint32_t)what);
	cb_event_begin(&w, &s->line, "cb-track", "cb.track", c->s.camera, t->seen_us * 1000, id);
	cb_scene_place(&w, &c->s, p);
	cb_jw_kstr(&w, "state", state[what]);
	cb_jw_kstr(&w, "track", t->id);
	cb_jw_ku64(&w, "number", t->number);
	cb_jw_kstr(&w, "class", class->name);
	if (class->id >= 0)
		cb_jw_ki64(&w, "class_id", class->id);
	cb_jw_kfixed(&w, "score", t->score, 4);
	cb_jw_kfixed(&w, "top_score", t->top, 4);
	put_box(&w, box);
	cb_jw_ki64(&w, "since_us", t->born_us);
	cb_jw_ku64(&w, "seen", t->seen);
	cb_jw_key(&w, "velocity");
	cb_jw_arr(&w);
	cb_jw_fixed(&w, t->vx, 4);
	cb_jw_fixed(&w, t->vy, 4);
	cb_jw_arr_end(&w);
	cb_jw_kfixed(&w, "speed", sqrt(vx * vx + vy * vy), 4);
	cb_anchor_of(CB_ANCHOR_BOTTOM, box, &x, &y);
	if (c->s.ground && cb_ground_at(c->s.ground, x, y, &e, &n)) {
		cb_jw_key(&w, "ground_m");
		cb_jw_arr(&w);
		cb_jw_fixed(&w, e, 2);
		cb_jw_fixed(&w, n, 2);
		cb_jw_arr_end(&w);
		if (cb_ground_speed(c->s.ground, x, y, t->vx, t->vy, &e, &n))
			cb_jw_kfixed(&w, "speed_mps", sqrt(e * e + n * n), 2);
	}
	put_path(&w, t, what == SAY_NEW ? 0 : told->points, what == SAY_END);
	if (what == SAY_END) {
		cb_jw_ki64(&w, "duration_us", t->seen_us - t->born_us);
		cb_jw_kstr(&w, "reason", cb_track_why_name(t->why));
	}
	told->said_us = t->seen_us;
	told->points = t->points;
	if (cb_event_end(&w, err) < 0)
		return -1;
	return s->emit(s->emit_ctx, &s->line, err);
}

/* The picture in which a track was seen last, as far as the track knows it. */
static struct cb_scene_picture seen_in(const struct cb_track *t, const struct cb_scene_picture *now)
{
	static const uint8_t none[CB_SHA256_LEN];
	struct cb_scene_picture p = *now;

	p.t_us = t->seen_us;
	p.pts = t->pts;
	memcpy(p.packet, t->packet, sizeof(p.packet));
	p.has_packet = memcmp(p.packet, none, sizeof(none)) != 0;
	return p;
}

static int emit_ended(struct cb_scenes *s, struct scene *c, const struct cb_scene_picture *at,
		      struct cb_err *err)
{
	uint32_t n;
	struct cb_track *const *t = cb_tracker_ended(c->s.tracker, &n);

	for (uint32_t i = 0; i < n; i++) {
		struct cb_scene_picture p = seen_in(t[i], at);

		if (emit_track(s, c, t[i], &p, SAY_END, err) < 0)
			return -1;
	}
	return 0;
}

/* --- scenes ---------------------------------------------------------------------------------------- */

static int scene_close(struct cb_scenes *s, struct scene *c, struct cb_err *err)
{
	struct cb_scene_picture at = { .has_pts = c->has_pts };
	const struct cb_tracker_stats *st = cb_tracker_stats(c->s.tracker);

	cb_tracker_close(c->s.tracker);
	s->stats.sum.pictures += st->pictures;
	s->stats.sum.boxes += st->boxes;
	s->stats.sum.tracks += st->tracks;
	s->stats.sum.again += st->again;
	s->stats.sum.late += st->late;
	s->stats.sum.back += st->back;
	s->stats.sum.crowded += st->crowded;
	if (emit_ended(s, c, &at, err) < 0)
		return -1;
	return s->hook.close ? s->hook.close(s->hook.ctx, &c->s, err) : 0;
}

static uint32_t hash(const char *a, const char *b, int stream)
{
	uint32_t h = 2166136261u ^ (uint32_t)stream;	/* FNV-1a */

	for (; *a; a++)
		h = (h ^ (uint8_t)*a) * 16777619u;
	h = (h ^ 0xff) * 16777619u;
	for (; *b; b++)
		h = (h ^ (uint8_t)*b) * 16777619u;
	return h;
}

static int scene_new(struct cb_scenes *s, uint32_t h, struct scene **ret, struct cb_err *err)
{
	struct scene *c = calloc(1, sizeof(*c));
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 d;

	if (!c)
		return cb_err_nomem(err);
	c->hash = h;
	c->s.stream = s->stream;
	memcpy(c->s.camera, s->camera, sizeof(c->s.camera));
	memcpy(c->s.of, s->of, sizeof(c->s.of));
	cb_sha256_init(&d);
	cb_sha256_update(&d, "cb-track " CB_VERSION "\n", strlen("cb-track " CB_VERSION "\n"));
	cb_sha256_update(&d, s->config_sha256, strlen(s->config_sha256));
	cb_sha256_update(&d, s->of, strlen(s->of));
	cb_sha256_final(&d, sum);
	cb_hex(c->s.run, sum, 8);
	if (cb_tracker_new(&c->s.tracker, c->s.camera, c->s.run, &s->o.track, err) < 0) {
		free(c);
		return -1;
	}
	c->next = s->newest;
	s->newest = c;
	s->n++;
	s->stats.scenes++;
	*ret = c;
	if (s->hook.open && s->hook.open(s->hook.ctx, &c->s, err) < 0)
		return -1;
	return emit_run(s, c, s->at.t_us, err);
}

/* Close the scene unused for longest, but not the newest. */
static int forget(struct cb_scenes *s, struct cb_err *err)
{
	struct scene **at = &s->newest, *c;
	int ret;

	while ((*at)->next)
		at = &(*at)->next;
	c = *at;
	*at = NULL;
	s->n--;
	s->room -= cb_tracker_room(c->s.tracker);
	s->stats.forgotten++;
	ret = scene_close(s, c, err);
	scene_free(c);
	return ret;
}

/* The scene of the event just parsed, which is the newest from now on. */
static int scene_of(struct cb_scenes *s, struct scene **ret, struct cb_err *err)
{
	uint32_t h = hash(s->camera, s->of, s->stream);

	for (struct scene **at = &s->newest; *at; at = &(*at)->next) {
		struct scene *c = *at;

		if (c->hash == h && c->s.stream == s->stream && strcmp(c->s.camera, s->camera) == 0 &&
		    strcmp(c->s.of, s->of) == 0) {
			*at = c->next;
			c->next = s->newest;
			s->newest = c;
			*ret = c;
			return 0;
		}
	}
	if (s->n == CB_SCENES_MAX && forget(s, err) < 0)
		return -1;
	return scene_new(s, h, ret, err);
}

/* --- reading --------------------------------------------------------------------------------------- */

static uint32_t class_of(struct cb_scenes *s, struct cb_scene *c, uint32_t tok, int64_t id)
{
	const struct cb_json *j = &s->json;
	const char *name = "";
	size_t n = 0;

	if (tok != CB_JSON_NONE && j->tok[tok].type == CB_JSON_STRING) {
		name = j->text + j->tok[tok].start;
		n = j->tok[tok].end - j->tok[tok].start;
		if (j->tok[tok].escaped) {
			cb_json_str(j, tok, s->text, sizeof(s->text));
			name = s->text;
			n = strlen(name);
		}
		if (n >= CB_CLASS_NAME)	/* cut at a character */
			for (n = CB_CLASS_NAME - 1; n && ((uint8_t)name[n] & 0xc0) == 0x80; n--)
				;
	}
	for (uint32_t i = 0; i < c->classes; i++)
		if (c->class[i].len == n && memcmp(c->class[i].name, name, n) == 0)
			return i;
	if (c->classes == CB_TRACK_CLASSES)	/* too many: the last one stands for all others */
		return CB_TRACK_CLASSES - 1;
	if (c->classes == CB_TRACK_CLASSES - 1) {
		name = "other";
		n = strlen(name);
		id = -1;
	}
	memcpy(c->class[c->classes].name, name, n);
	c->class[c->classes].name[n] = '\0';
	c->class[c->classes].len = (uint32_t)n;
	c->class[c->classes].id = id;
	return c->classes++;
}

static bool numbers(const struct cb_json *j, uint32_t tok, double *out, uint32_t n)
{
	if (tok == CB_JSON_NONE || j->tok[tok].type != CB_JSON_ARRAY || j->tok[tok].size != n)
		return false;
	tok++;
	for (uint32_t i = 0; i < n; i++, tok = j->tok[tok].next)
		if (!cb_json_double(j, tok, &out[i]))
			return false;
	return true;
}

static bool hex_digest(const struct cb_json *j, uint32_t tok, uint8_t out[static CB_SHA256_LEN])
{
	return tok != CB_JSON_NONE && j->tok[tok].type == CB_JSON_STRING &&
	       j->tok[tok].end - j->tok[tok].start == 2 * CB_SHA256_LEN &&
	       cb_unhex(out, CB_SHA256_LEN, j->text + j->tok[tok].start);
}

/* An appearance, if there is one. The numbers go into s->look, pointers are set when all are there. */
static int read_look(struct cb_scenes *s, uint32_t i, uint32_t tok, struct cb_err *err)
{
	const struct cb_json *j = &s->json;
	uint32_t n;

	if (tok == CB_JSON_NONE)
		return 0;
	n = j->tok[tok].size;
	if (j->tok[tok].type != CB_JSON_ARRAY || n < 1 || n > CB_TRACK_LOOK_MAX)
		return cb_err_set(err, CB_E_DATA, "cb.detection: object %u: embedding is not 1 to %d numbers", i,
				  CB_TRACK_LOOK_MAX);
	if (!s->look) {
		s->look = malloc(CB_JSON_TOKENS * sizeof(*s->look));
		if (!s->look)
			return cb_err_nomem(err);
	}
	tok++;
	s->det[i].look = s->look + s->looks;
	s->det[i].look_n = n;
	for (uint32_t k = 0; k < n; k++, tok = j->tok[tok].next) {
		double v;

		/* every number is a token: they fit */
		if (!cb_json_double(j, tok, &v) || v < -1e6 || v > 1e6)
			return cb_err_set(err, CB_E_DATA, "cb.detection: object %u: embedding is not 1 to %d numbers",
					  i, CB_TRACK_LOOK_MAX);
		s->look[s->looks++] = (float)v;
	}
	return 0;
}

static int read_detection(struct cb_scenes *s, struct cb_err *err)
{
	const struct cb_json *j = &s->json;
	uint32_t data = s->ev.data, v;
	int64_t n;

	if (s->ev.t_us < -INT64_C(9000000000000000) || s->ev.t_us > INT64_C(9000000000000000))
		return cb_err_set(err, CB_E_DATA, "cb.detection: no time, or one out of range");
	s->at = (struct cb_scene_picture){ .t_us = s->ev.t_us };
	s->camera[0] = s->of[0] = '\0';
	if (s->ev.subject != CB_JSON_NONE &&
	    cb_json_str(j, s->ev.subject, s->camera, sizeof(s->camera)) < 0)
		return cb_err_set(err, CB_E_DATA, "cb.detection: the subject is no camera");
	v = cb_json_get(j, data, "run");
	if (v != CB_JSON_NONE && cb_json_str(j, v, s->of, sizeof(s->of)) < 0)
		return cb_err_set(err, CB_E_DATA, "cb.detection: data.run is no run");
	v = cb_json_get(j, data, "stream");
	n = 0;
	if (v != CB_JSON_NONE && (!cb_json_i64(j, v, &n) || n < 0 || n >= CB_STREAMS_MAX))
		return cb_err_set(err, CB_E_DATA, "cb.detection: data.stream is not 0 to %d", CB_STREAMS_MAX - 1);
	s->stream = (int)n;
	v = cb_json_get(j, data, "pts");
	s->at.has_pts = v != CB_JSON_NONE && cb_json_i64(j, v, &s->at.pts);
	if (!s->at.has_pts)
		s->at.pts = s->at.t_us;
	s->at.has_packet = hex_digest(j, cb_json_get(j, data, "packet"), s->at.packet);
	s->width = s->height = 0;
	v = cb_json_get(j, data, "width");
	if (v != CB_JSON_NONE && (!cb_json_i64(j, v, &s->width) || s->width < 1 || s->width > 1000000))
		return cb_err_set(err, CB_E_DATA, "cb.detection: data.width is no width");
	v = cb_json_get(j, data, "height");
	if (v != CB_JSON_NONE && (!cb_json_i64(j, v, &s->height) || s->height < 1 || s->height > 1000000))
		return cb_err_set(err, CB_E_DATA, "cb.detection: data.height is no height");
	s->objects = cb_json_get(j, data, "objects");
	if (s->objects == CB_JSON_NONE || j->tok[s->objects].type != CB_JSON_ARRAY)
		return cb_err_set(err, CB_E_DATA, "cb.detection: data.objects is no list");
	s->looks = 0;
	v = s->objects + 1;
	for (uint32_t i = 0; i < j->tok[s->objects].size; i++, v = j->tok[v].next) {
		double box[4], score;

		if (!numbers(j, cb_json_get(j, v, "box"), box, 4))
			return cb_err_set(err, CB_E_DATA, "cb.detection: object %u: box is not four numbers", i);
		if (!cb_json_double(j, cb_json_get(j, v, "score"), &score) || score < 0 || score > 1)
			return cb_err_set(err, CB_E_DATA, "cb.detection: object %u: score is not 0 to 1", i);
		if (i >= OBJECTS_READ)
			continue;
		s->det[i] = (struct cb_track_det){ .box = { box[0], box[1], box[2], box[3] },
						   .score = score, .index = i };
		if (read_look(s, i, cb_json_get(j, v, "embedding"), err) < 0)
			return -1;
	}
	return 0;
}

int cb_scenes_parse(struct cb_scenes *s, const char *line, size_t len, struct cb_err *err)
{
	s->event = s->detection = false;
	if (cb_event_parse(&s->ev, &s->json, line, len, err) < 0)
		return -1;
	s->event = true;
	if (!cb_json_eq(&s->json, s->ev.type, "cb.detection")) {
		s->stats.others++;
		return 0;
	}
	s->stats.detections++;
	if (read_detection(s, err) < 0)
		return -1;
	s->detection = true;
	return 1;
}

bool cb_scenes_was_event(const struct cb_scenes *s)
{
	return s->event;
}

static int tell_tracks(struct cb_scenes *s, struct scene *c, struct cb_err *err)
{
	uint32_t n;
	struct cb_track *const *t = cb_tracker_tracks(c->s.tracker, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (t[i]->seen_us != s->at.t_us)
			continue;
		if (!t[i]->fresh && s->at.t_us - c->told[t[i]->slot].said_us < s->o.update_us)
			continue;
		if (emit_track(s, c, t[i], &s->at, t[i]->fresh ? SAY_NEW : SAY_UPDATE, err) < 0)
			return -1;
	}
	return 0;
}

int cb_scenes_apply(struct cb_scenes *s, struct cb_err *err)
{
	const struct cb_json *j = &s->json;
	struct cb_track_picture p;
	struct scene *c = NULL;
	uint32_t v, n;
	int fed;

	if (!s->detection)
		return s->hook.other && s->event ? s->hook.other(s->hook.ctx, j, err) : 0;
	if (scene_of(s, &c, err) < 0)
		return -1;
	v = s->objects + 1;
	n = j->tok[s->objects].size < OBJECTS_READ ? j->tok[s->objects].size : OBJECTS_READ;
	for (uint32_t i = 0; i < n; i++, v = j->tok[v].next) {
		int64_t id = -1;

		if (!cb_json_i64(j, cb_json_get(j, v, "class_id"), &id) || id < 0)
			id = -1;
		s->det[i].class = class_of(s, &c->s, cb_json_get(j, v, "class"), id);
	}
	p = (struct cb_track_picture){
		.t_us = s->at.t_us, .aspect = s->width && s->height ? (double)s->width / (double)s->height : 1,
		.digest = s->at.has_packet ? s->at.packet : NULL, .pts = s->at.pts,
		.det = s->det, .dets = n,
	};
	c->s.width = (uint32_t)s->width;
	c->s.height = (uint32_t)s->height;
	c->has_pts = s->at.has_pts;
	s->room -= cb_tracker_room(c->s.tracker);
	fed = cb_tracker_feed(c->s.tracker, &p, err);
	s->room += cb_tracker_room(c->s.tracker);
	if (fed < 0)
		return -1;
	while (s->room > CB_SCENES_TRACKS && s->n > 1)
		if (forget(s, err) < 0)
			return -1;
	if (fed != CB_TRACK_FED && fed != CB_TRACK_BACK)
		return 0;
	s->at.fed = fed;
	if (emit_ended(s, c, &s->at, err) < 0)
		return -1;
	if ((fed == CB_TRACK_BACK || s->at.t_us - c->run_us >= RUN_EVERY_US) &&
	    emit_run(s, c, s->at.t_us, err) < 0)
		return -1;
	if (tell_tracks(s, c, err) < 0)
		return -1;
	return s->hook.picture ? s->hook.picture(s->hook.ctx, &c->s, &s->at, err) : 0;
}

int cb_scenes_finish(struct cb_scenes *s, struct cb_err *err)
{
	struct scene *c, *oldest_first = NULL, *next;
	int ret = 0;

	for (c = s->newest; c; c = next) {
		next = c->next;
		c->next = oldest_first;
		oldest_first = c;
	}
	s->newest = NULL;
	s->n = 0;
	for (c = oldest_first; c; c = next) {
		next = c->next;
		if (ret == 0)
			ret = scene_close(s, c, err);
		scene_free(c);
	}
	return ret;
}

void cb_scenes_stats(const struct cb_scenes *s, struct cb_scenes_stats *ret)
{
	*ret = s->stats;
}

static __attribute__((format(printf, 3, 4))) void tell(void (*warn)(void *ctx, const char *text), void *ctx,
							       const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	warn(ctx, text);
}

void cb_scenes_tell(const struct cb_scenes_stats *st, void (*warn)(void *ctx, const char *text), void *ctx)
{
	if (st->sum.again)
		tell(warn, ctx, "%" PRIu64 " detections of a time that was there already were left out", st->sum.again);
	if (st->sum.late)
		tell(warn, ctx, "%" PRIu64 " detections came after later ones and were left out", st->sum.late);
	if (st->sum.back)
		tell(warn, ctx, "time went back %" PRIu64 " times: all tracks were ended there", st->sum.back);
	if (st->sum.crowded)
		tell(warn, ctx, "more than %d tracks at once: %" PRIu64 " were ended", CB_TRACKS_MAX, st->sum.crowded);
	if (st->forgotten)
		tell(warn, ctx, "more than %d cameras and runs, or %d tracks in them: %" PRIu64
		     " were closed, longest unused first", CB_SCENES_MAX, CB_SCENES_TRACKS, st->forgotten);
}
