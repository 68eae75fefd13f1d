/* SPDX-License-Identifier: Apache-2.0 */
/* ONVIF's and Frigate's words. */
#include "track/convert.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "wire/event.h"

#define NAME_LEN 256
#define ZONES_EACH 16

struct camera {			/* the size of its pictures */
	char name[NAME_LEN];
	int64_t width, height;
};
struct known {			/* a track, for Frigate */
	char id[33];
	uint64_t used;
	struct cb_buf after;	/* what was said of it last */
	char zone[ZONES_EACH][65], entered[ZONES_EACH][65];
	unsigned zones, enters;
	bool stationary;
	/* as of its last cb.track */
	bool seen;
	char label[65];
	double box[4], score, top, speed_mps;
	int64_t t_us, since_us, pictures;
	uint32_t camera;
};

struct cb_convert {
	enum cb_convert_as as;
	int (*fn)(void *ctx, const struct cb_buf *line, struct cb_err *err);
	void *ctx;
	struct camera camera[CB_CONVERT_CAMERAS];
	uint32_t cameras;
	struct known **known;	/* CB_CONVERT_TRACKS slots */
	uint32_t n;
	uint64_t clock;
	struct cb_buf line, objects, gone;
	bool frame;		/* objects, gone: of a picture that is not written yet */
	char of[NAME_LEN];
	int64_t t_us;
	/* the event at hand */
	struct cb_event ev;
	char type[64], subject[NAME_LEN];
	struct cb_json json;
};

/* --- members of the event ------------------------------------------------------------------------ */

static uint32_t member(const struct cb_convert *c, const char *key)
{
	return cb_json_get(&c->json, c->ev.data, key);
}

static bool text(const struct cb_convert *c, const char *key, char *out, size_t cap)
{
	uint32_t t = member(c, key);

	out[0] = '\0';
	return t != CB_JSON_NONE && c->json.tok[t].type == CB_JSON_STRING && cb_json_str(&c->json, t, out, cap) >= 0;
}

static int64_t whole(const struct cb_convert *c, const char *key, int64_t other)
{
	int64_t v;

	return cb_json_i64(&c->json, member(c, key), &v) ? v : other;
}

static double real(const struct cb_convert *c, const char *key)
{
	double v;

	return cb_json_double(&c->json, member(c, key), &v) ? v : 0;
}

static bool box_of(const struct cb_convert *c, double box[4])
{
	static const char *const part[] = { "box.0", "box.1", "box.2", "box.3" };

	for (int i = 0; i < 4; i++)
		if (!cb_json_double(&c->json, cb_json_path(&c->json, c->ev.data, part[i]), &box[i]) ||
		    !(box[i] >= 0 && box[i] <= 1))
			return false;
	return true;
}

static int tell(struct cb_convert *c, struct cb_jw *w, struct cb_err *err)
{
	return cb_jw_done(w, err) < 0 ? -1 : c->fn(c->ctx, &c->line, err);
}

/* --- ONVIF ------------------------------------------------------------------------------------------ */

/* tt:ObjectType, tt:VehicleType; other classes keep their name */
static const char *onvif_class(const char *class)
{
	static const char *const table[][2] = {
		{ "person", "Human" }, { "face", "HumanFace" }, { "car", "Car" }, { "truck", "Truck" },
		{ "bus", "Bus" }, { "bicycle", "Bicycle" }, { "motorcycle", "Motorcycle" },
		{ "motorbike", "Motorcycle" }, { "vehicle", "Vehicle" }, { "plate", "LicensePlate" },
		{ "license-plate", "LicensePlate" }, { "bird", "Animal" }, { "cat", "Animal" },
		{ "dog", "Animal" }, { "horse", "Animal" }, { "sheep", "Animal" }, { "cow", "Animal" },
		{ "elephant", "Animal" }, { "bear", "Animal" }, { "zebra", "Animal" }, { "giraffe", "Animal" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(class, table[i][0]) == 0)
			return table[i][1];
	return class;
}

/* A level of a topic: what MQTT and ONVIF keep for themselves goes. */
static void level(struct cb_buf *b, const char *before, const char *s)
{
	cb_buf_str(b, before);
	for (; *s; s++)
		cb_buf_byte(b, strchr("/#+&", *s) ? '_' : (uint8_t)*s);
}

/* rule: of an event, whose sources follow "&" */
static void topic(struct cb_jw *w, const char *what, const char *camera, const char *rule)
{
	struct cb_buf b = { 0 };

	cb_buf_str(&b, what);
	level(&b, rule ? "/&" : "/", *camera ? camera : "camera");
	level(&b, "/", "cb-track");
	if (rule)
		level(&b, "/", rule);
	cb_jw_key(w, "topic");
	cb_jw_strn(w, (const char *)b.data, b.len);
	w->failed |= !b.data;
	cb_buf_release(&b);
}

static void onvif_time(struct cb_jw *w, const char *key, int64_t t_us)
{
	char at[CB_TIME_LEN];

	cb_time_format_us(at, t_us);
	cb_jw_kstr(w, key, at);
}

int cb_convert_flush(struct cb_convert *c, struct cb_err *err)
{
	struct cb_jw w;

	if (!c->frame)
		return 0;
	c->frame = false;
	c->line.len = 0;
	cb_jw_init(&w, &c->line);
	cb_jw_obj(&w);
	topic(&w, "cb/onvif-mj/VideoAnalytics", c->of, NULL);
	cb_jw_key(&w, "payload");
	cb_jw_obj(&w);
	cb_jw_key(&w, "Frame");
	cb_jw_arr(&w);
	cb_jw_obj(&w);
	onvif_time(&w, "@UtcTime", c->t_us);
	cb_jw_kstr(&w, "@Source", "cb-track");
	if (c->objects.len) {
		cb_jw_key(&w, "Object");
		cb_jw_arr(&w);
		cb_jw_raw(&w, (const char *)c->objects.data, c->objects.len);
		cb_jw_arr_end(&w);
	}
	if (c->gone.len) {
		cb_jw_key(&w, "ObjectTree");
		cb_jw_obj(&w);
		cb_jw_key(&w, "Delete");
		cb_jw_arr(&w);
		cb_jw_raw(&w, (const char *)c->gone.data, c->gone.len);
		cb_jw_arr_end(&w);
		cb_jw_obj_end(&w);
	}
	cb_jw_obj_end(&w);
	cb_jw_arr_end(&w);
	cb_jw_obj_end(&w);
	cb_jw_obj_end(&w);
	c->objects.len = c->gone.len = 0;
	return tell(c, &w, err);
}

static void onvif_id(const struct cb_convert *c, struct cb_jw *w)
{
	char id[33];

	cb_jw_ki64(w, "@ObjectId", whole(c, "number", 0));
	if (text(c, "track", id, sizeof(id)))
		cb_jw_kstr(w, "@UUID", id);
}

static void onvif_object(const struct cb_convert *c, struct cb_jw *w, const double box[4])
{
	char class[65];
	double l = 2 * box[0] - 1, r = 2 * (box[0] + box[2]) - 1, t = 1 - 2 * box[1], b = 1 - 2 * (box[1] + box[3]);

	cb_jw_obj(w);
	onvif_id(c, w);
	cb_jw_key(w, "Appearance");
	cb_jw_obj(w);
	cb_jw_key(w, "Shape");
	cb_jw_obj(w);
	cb_jw_key(w, "BoundingBox");
	cb_jw_obj(w);
	cb_jw_kfixed(w, "@left", l, 4);
	cb_jw_kfixed(w, "@top", t, 4);
	cb_jw_kfixed(w, "@right", r, 4);
	cb_jw_kfixed(w, "@bottom", b, 4);
	cb_jw_obj_end(w);
	cb_jw_key(w, "CenterOfGravity");
	cb_jw_obj(w);
	cb_jw_kfixed(w, "@x", (l + r) / 2, 4);
	cb_jw_kfixed(w, "@y", (t + b) / 2, 4);
	cb_jw_obj_end(w);
	cb_jw_obj_end(w);
	if (text(c, "class", class, sizeof(class))) {
		cb_jw_key(w, "Class");
		cb_jw_obj(w);
		cb_jw_key(w, "Type");
		cb_jw_arr(w);
		cb_jw_obj(w);
		cb_jw_kfixed(w, "@Likelihood", real(c, "score"), 4);
		cb_jw_kstr(w, "#text", onvif_class(class));
		cb_jw_obj_end(w);
		cb_jw_arr_end(w);
		cb_jw_obj_end(w);
	}
	cb_jw_obj_end(w);
	if (member(c, "speed_mps") != CB_JSON_NONE) {
		cb_jw_key(w, "Behaviour");
		cb_jw_obj(w);
		cb_jw_kfixed(w, "Speed", real(c, "speed_mps"), 2);
		cb_jw_obj_end(w);
	}
	cb_jw_obj_end(w);
}

/* Tracks of one picture are one frame. */
static int onvif_track(struct cb_convert *c, struct cb_err *err)
{
	struct cb_buf *to;
	struct cb_jw w;
	double box[4];
	char state[16];

	if (c->frame && (c->t_us != c->ev.t_us || strcmp(c->of, c->subject) != 0) && cb_convert_flush(c, err) < 0)
		return -1;
	if (!text(c, "state", state, sizeof(state)) || !box_of(c, box))
		return 0;
	c->frame = true;
	c->t_us = c->ev.t_us;
	memcpy(c->of, c->subject, sizeof(c->of));
	to = strcmp(state, "end") == 0 ? &c->gone : &c->objects;
	if (to->len && cb_buf_byte(to, ',') < 0)
		return cb_err_nomem(err);
	cb_jw_init(&w, to);
	if (to == &c->gone) {
		cb_jw_obj(&w);
		onvif_id(c, &w);
		cb_jw_obj_end(&w);
	} else {
		onvif_object(c, &w, box);
	}
	return cb_jw_done(&w, err);
}

static int onvif_rule(struct cb_convert *c, const char *onvif, const char *count, const char *key,
		      struct cb_err *err)
{
	char rule[65], class[65], path[128], id[24];
	struct cb_jw w;

	if (!text(c, "rule", rule, sizeof(rule)))
		return 0;
	/* tns1:RuleEngine/... */
	snprintf(path, sizeof(path), "cb/onvif-ej/%s", onvif + strcspn(onvif, ":") + (strchr(onvif, ':') != NULL));
	c->line.len = 0;
	cb_jw_init(&w, &c->line);
	cb_jw_obj(&w);
	topic(&w, path, c->subject, rule);
	cb_jw_key(&w, "payload");
	cb_jw_obj(&w);
	onvif_time(&w, "UtcTime", c->ev.t_us);
	cb_jw_key(&w, "Source");
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "VideoSource", c->subject);
	cb_jw_kstr(&w, "AnalyticsConfiguration", "cb-track");
	cb_jw_kstr(&w, "Rule", rule);
	cb_jw_obj_end(&w);
	cb_jw_key(&w, "Data");
	cb_jw_obj(&w);
	if (count) {
		cb_jw_ki64(&w, "Count", whole(c, count, 0));
	} else if (member(c, "number") != CB_JSON_NONE) {
		snprintf(id, sizeof(id), "%lld", (long long)whole(c, "number", 0));
		cb_jw_kstr(&w, "ObjectId", id);
		if (text(c, "class", class, sizeof(class)))
			cb_jw_kstr(&w, "ClassTypes", onvif_class(class));
	}
	if (key && strcmp(key, "Since") == 0)
		onvif_time(&w, key, whole(c, "since_us", c->ev.t_us));
	else if (key)
		cb_jw_kbool(&w, "IsInside", strcmp(c->type, "cb.zone.enter") == 0);
	cb_jw_obj_end(&w);
	cb_jw_obj_end(&w);
	cb_jw_obj_end(&w);
	return tell(c, &w, err);
}

static int onvif_event(struct cb_convert *c, struct cb_err *err)
{
	char onvif[96], state[16];

	if (strcmp(c->type, "cb.track") == 0)
		return onvif_track(c, err);
	if (!text(c, "onvif", onvif, sizeof(onvif)) || strncmp(onvif, "tns1:RuleEngine/", 16) != 0 ||
	    (text(c, "state", state, sizeof(state)) && strcmp(state, "start") != 0))
		return 0;
	if (cb_convert_flush(c, err) < 0)
		return -1;
	if (strcmp(c->type, "cb.count") == 0)
		return onvif_rule(c, onvif, "in", NULL, err) < 0 ||
			onvif_rule(c, "tns1:RuleEngine/CountAggregation/OccupancyCounter", "occupancy", NULL,
				   err) < 0 ? -1 : 0;
	return onvif_rule(c, onvif, NULL, strcmp(c->type, "cb.zone.dwell") == 0 ? "Since" :
			  strncmp(c->type, "cb.zone.", 8) == 0 ? "IsInside" : NULL, err);
}

/* --- Frigate ------------------------------------------------------------------------------------------ */

static uint32_t camera_of(struct cb_convert *c)
{
	uint32_t i = 0;

	while (i < c->cameras && strcmp(c->camera[i].name, c->subject) != 0)
		i++;
	if (i == CB_CONVERT_CAMERAS)
		i = CB_CONVERT_CAMERAS - 1;	/* beyond so many: one after another */
	else if (i == c->cameras)
		c->cameras++;
	if (strcmp(c->camera[i].name, c->subject) != 0) {
		c->camera[i] = (struct camera){ 0 };
		memcpy(c->camera[i].name, c->subject, sizeof(c->subject));
	}
	return i;
}

static uint32_t hash(const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 16777619u;
	return h;
}

/* Its slot: one of eight by its name, that of the one not used for longest where all are taken. */
static struct known *known_of(struct cb_convert *c, const char *id, bool make)
{
	uint32_t base = hash(id) % (CB_CONVERT_TRACKS / 8) * 8, old = base;
	struct known *k;

	for (uint32_t i = base; i < base + 8; i++) {
		if (!c->known[i]) {
			old = i;
			break;
		}
		if (strcmp(c->known[i]->id, id) == 0) {
			c->known[i]->used = ++c->clock;
			return c->known[i];
		}
		if (c->known[i]->used < c->known[old]->used)
			old = i;
	}
	if (!make)
		return NULL;
	if (!c->known[old] && !(c->known[old] = calloc(1, sizeof(struct known))))
		return NULL;
	k = c->known[old];
	cb_buf_release(&k->after);
	*k = (struct known){ .used = ++c->clock };
	snprintf(k->id, sizeof(k->id), "%s", id);
	return k;
}

static void seconds(struct cb_jw *w, const char *key, int64_t us)
{
	cb_jw_kfixed(w, key, (double)us / 1e6, 6);
}

static void pixels(struct cb_jw *w, const char *key, const double v[4])
{
	cb_jw_key(w, key);
	cb_jw_arr(w);
	for (int i = 0; i < 4; i++)
		cb_jw_i64(w, (int64_t)floor(v[i] + 0.5));
	cb_jw_arr_end(w);
}

static void names(struct cb_jw *w, const char *key, char (*name)[65], unsigned n)
{
	cb_jw_key(w, key);
	cb_jw_arr(w);
	for (unsigned i = 0; i < n; i++)
		cb_jw_str(w, name[i]);
	cb_jw_arr_end(w);
}

/* The track as it is now, into `line`. */
static void frigate_state(struct cb_convert *c, const struct known *k, struct cb_jw *w, bool end)
{
	const struct camera *cam = &c->camera[k->camera];
	double W = cam->width ? (double)cam->width : 1, H = cam->height ? (double)cam->height : 1;
	double bw = floor(k->box[2] * W + 0.5), bh = floor(k->box[3] * H + 0.5);
	char id[64];

	snprintf(id, sizeof(id), "%lld.%06lld-%.6s", (long long)(k->since_us / 1000000),
		 (long long)(k->since_us % 1000000 < 0 ? 0 : k->since_us % 1000000), k->id);
	cb_jw_obj(w);
	cb_jw_kstr(w, "id", id);
	cb_jw_kstr(w, "camera", cam->name);
	seconds(w, "frame_time", k->t_us);
	cb_jw_kstr(w, "label", k->label);
	cb_jw_key(w, "sub_label");
	cb_jw_null(w);
	cb_jw_kfixed(w, "top_score", k->top, 4);
	cb_jw_kbool(w, "false_positive", false);
	seconds(w, "start_time", k->since_us);
	if (end) {
		seconds(w, "end_time", k->t_us);
	} else {
		cb_jw_key(w, "end_time");
		cb_jw_null(w);
	}
	cb_jw_kfixed(w, "score", k->score, 4);
	pixels(w, "box", (const double[]){ k->box[0] * W, k->box[1] * H, (k->box[0] + k->box[2]) * W,
					   (k->box[1] + k->box[3]) * H });
	cb_jw_ki64(w, "area", (int64_t)(bw * bh));
	cb_jw_kfixed(w, "ratio", bh > 0 ? bw / bh : 0, 2);
	pixels(w, "region", (const double[]){ 0, 0, W, H });
	cb_jw_kbool(w, "active", !k->stationary);
	cb_jw_kbool(w, "stationary", k->stationary);
	names(w, "current_zones", (char (*)[65])k->zone, k->zones);
	names(w, "entered_zones", (char (*)[65])k->entered, k->enters);
	cb_jw_key(w, "attributes");
	cb_jw_obj(w);
	cb_jw_obj_end(w);
	cb_jw_key(w, "current_attributes");
	cb_jw_arr(w);
	cb_jw_arr_end(w);
	cb_jw_kbool(w, "has_clip", false);
	cb_jw_kbool(w, "has_snapshot", false);
	cb_jw_kfixed(w, "current_estimated_speed", k->speed_mps * 3.6, 1);
	cb_jw_obj_end(w);
}

static int frigate_tell(struct cb_convert *c, struct known *k, const char *type, struct cb_err *err)
{
	struct cb_buf after = { 0 };
	struct cb_jw w;
	int r = -1;

	cb_jw_init(&w, &after);
	frigate_state(c, k, &w, strcmp(type, "end") == 0);
	if (cb_jw_done(&w, err) < 0)
		goto out;
	c->line.len = 0;
	cb_jw_init(&w, &c->line);
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "type", type);
	cb_jw_key(&w, "before");
	if (k->after.len)
		cb_jw_raw(&w, (const char *)k->after.data, k->after.len);
	else
		cb_jw_raw(&w, (const char *)after.data, after.len);
	cb_jw_key(&w, "after");
	cb_jw_raw(&w, (const char *)after.data, after.len);
	cb_jw_obj_end(&w);
	r = tell(c, &w, err);
out:
	cb_buf_release(&k->after);
	k->after = after;
	return r;
}

static void zone_enter(struct known *k, const char *zone)
{
	unsigned i = 0;

	while (i < k->zones && strcmp(k->zone[i], zone) != 0)
		i++;
	if (i == k->zones && i < ZONES_EACH)
		memcpy(k->zone[k->zones++], zone, 65);
	for (i = 0; i < k->enters && strcmp(k->entered[i], zone) != 0; i++)
		;
	if (i == k->enters && i < ZONES_EACH)
		memcpy(k->entered[k->enters++], zone, 65);
}

static void zone_exit(struct known *k, const char *zone)
{
	for (unsigned i = 0; i < k->zones; i++)
		if (strcmp(k->zone[i], zone) == 0) {
			memmove(k->zone[i], k->zone[i + 1], (ZONES_EACH - 1 - i) * sizeof(k->zone[0]));
			k->zones--;
			return;
		}
}

static int frigate_track(struct cb_convert *c, const char *id, struct cb_err *err)
{
	char state[16];
	double box[4];
	struct known *k;

	if (!text(c, "state", state, sizeof(state)) || !box_of(c, box))
		return 0;
	k = known_of(c, id, true);
	if (!k)
		return cb_err_nomem(err);
	k->seen = true;
	k->camera = camera_of(c);
	memcpy(k->box, box, sizeof(box));
	text(c, "class", k->label, sizeof(k->label));
	k->score = real(c, "score");
	k->top = real(c, "top_score");
	k->speed_mps = real(c, "speed_mps");
	k->t_us = c->ev.t_us;
	k->since_us = whole(c, "since_us", c->ev.t_us);
	if (frigate_tell(c, k, state, err) < 0)
		return -1;
	if (strcmp(state, "end") == 0) {	/* its slot is the next one to be used again */
		k->used = 0;
		k->id[0] = '\0';
	}
	return 0;
}

static int frigate_event(struct cb_convert *c, struct cb_err *err)
{
	char id[33], zone[65], state[16];
	struct known *k;
	double box[4];

	if (!text(c, "track", id, sizeof(id)) || !*id)
		return 0;
	if (strcmp(c->type, "cb.track") == 0)
		return frigate_track(c, id, err);
	k = known_of(c, id, false);
	if (!k || !k->seen)
		return 0;
	if (strcmp(c->type, "cb.stopped") == 0 && text(c, "state", state, sizeof(state)))
		k->stationary = strcmp(state, "start") == 0;
	else if (strcmp(c->type, "cb.zone.enter") == 0 && text(c, "zone", zone, sizeof(zone)))
		zone_enter(k, zone);
	else if (strcmp(c->type, "cb.zone.exit") == 0 && text(c, "zone", zone, sizeof(zone)))
		zone_exit(k, zone);
	else
		return 0;
	k->t_us = c->ev.t_us;
	if (box_of(c, box))
		memcpy(k->box, box, sizeof(box));
	return frigate_tell(c, k, "update", err);
}

/* --- both ---------------------------------------------------------------------------------------------- */

static int64_t side(int64_t v)
{
	return v < 0 ? 0 : v > 65536 ? 65536 : v;
}

int cb_convert_event(struct cb_convert *c, const char *line, size_t len, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint32_t cam;

	if (cb_event_parse(&c->ev, &c->json, line, len, &why) < 0 || c->ev.t_us == INT64_MIN ||
	    cb_json_str(&c->json, c->ev.type, c->type, sizeof(c->type)) < 0)
		return 0;
	if (c->ev.subject == CB_JSON_NONE || cb_json_str(&c->json, c->ev.subject, c->subject, sizeof(c->subject)) < 0)
		c->subject[0] = '\0';
	/* what stands after the end of a short name is compared and copied too */
	memset(c->subject + strlen(c->subject), 0, sizeof(c->subject) - strlen(c->subject));
	if (strcmp(c->type, "cb.detection") == 0) {
		if (c->as == CB_AS_FRIGATE) {
			cam = camera_of(c);
			c->camera[cam].width = side(whole(c, "width", 0));
			c->camera[cam].height = side(whole(c, "height", 0));
		}
		return 0;
	}
	return c->as == CB_AS_FRIGATE ? frigate_event(c, err) : onvif_event(c, err);
}

int cb_convert_new(struct cb_convert **ret, enum cb_convert_as as,
		   int (*fn)(void *ctx, const struct cb_buf *line, struct cb_err *err), void *ctx,
		   struct cb_err *err)
{
	struct cb_convert *c = calloc(1, sizeof(*c));

	if (!c)
		return cb_err_nomem(err);
	c->as = as;
	c->fn = fn;
	c->ctx = ctx;
	c->known = calloc(CB_CONVERT_TRACKS, sizeof(*c->known));
	if (!c->known) {
		cb_convert_free(c);
		return cb_err_nomem(err);
	}
	*ret = c;
	return 0;
}

void cb_convert_free(struct cb_convert *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; c->known && i < CB_CONVERT_TRACKS; i++) {
		if (c->known[i])
			cb_buf_release(&c->known[i]->after);
		free(c->known[i]);
	}
	free(c->known);
	cb_buf_release(&c->line);
	cb_buf_release(&c->objects);
	cb_buf_release(&c->gone);
	free(c);
}
