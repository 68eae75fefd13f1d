/* SPDX-License-Identifier: Apache-2.0 */
/* Cameras, segments, holes and findings as JSON. */
#include "store/describe.h"

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "wire/event.h"

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

static void begin(struct cb_buf *line, struct cb_jw *w, const char *camera)
{
	line->len = 0;
	cb_jw_init(w, line);
	cb_jw_obj(w);
	cb_jw_kstr(w, "camera", camera);
}

static void times(struct cb_jw *w, int64_t from_ns, int64_t to_ns)
{
	char text[CB_TIME_LEN];

	cb_time_format_us(text, us(from_ns));
	cb_jw_kstr(w, "from", text);
	cb_time_format_us(text, us(to_ns));
	cb_jw_kstr(w, "to", text);
	cb_jw_ki64(w, "from_us", us(from_ns));
	cb_jw_ki64(w, "to_us", us(to_ns));
}

/* JSON's integers are exact below 2^53; what a damaged manifest says may be anything. */
static void count(struct cb_jw *w, const char *key, uint64_t v)
{
	cb_jw_ku64(w, key, v >> 53 ? (UINT64_C(1) << 53) - 1 : v);
}

static int end(struct cb_jw *w, struct cb_err *err)
{
	cb_jw_obj_end(w);
	return cb_jw_done(w, err);
}

int cb_describe_camera(struct cb_buf *line, const char *camera, const struct cb_segments *l,
		       struct cb_err *err)
{
	uint64_t bytes = 0, open = 0, damaged = 0, packets = 0;
	int64_t a = INT64_MAX, z = INT64_MIN;
	struct cb_jw w;

	for (size_t i = 0; i < l->n; i++) {
		const struct cb_segment *g = &l->v[i];

		a = g->end.from_ns < a ? g->end.from_ns : a;
		z = g->end.to_ns > z ? g->end.to_ns : z;
		bytes += g->end.bytes;
		packets += g->end.packets;
		open += g->state == CB_SEGMENT_OPEN;
		damaged += g->state == CB_SEGMENT_DAMAGED;
	}
	begin(line, &w, camera);
	if (l->n) {
		cb_jw_kstr(&w, "state", damaged ? "damaged" : open ? "open" : "sealed");
		times(&w, a, z);
	}
	count(&w, "segments", l->n);
	count(&w, "open", open);
	count(&w, "damaged", damaged);
	count(&w, "packets", packets);
	count(&w, "bytes", bytes);
	return end(&w, err);
}

int cb_describe_segment(struct cb_buf *line, const struct cb_segment *g, struct cb_err *err)
{
	char path[CB_SEGMENT_PATH], hex[CB_SHA256_HEX];
	struct cb_jw w;

	cb_segment_path(path, g);
	cb_hex(hex, g->digest, CB_SHA256_LEN);
	begin(line, &w, g->camera);
	cb_jw_kstr(&w, "segment", path);
	cb_jw_kstr(&w, "state", cb_segment_state_name(g->state));
	times(&w, g->end.from_ns, g->end.to_ns);
	cb_jw_kstr(&w, "recording", g->recording);
	count(&w, "index", g->index);
	count(&w, "fragments", g->end.fragments);
	count(&w, "packets", g->end.packets);
	count(&w, "bytes", g->end.bytes);
	count(&w, "gaps", g->end.gaps);
	cb_jw_kstr(&w, "reason", g->end.reason);
	if (*g->key)
		cb_jw_kstr(&w, "key", g->key);
	if (g->state == CB_SEGMENT_SEALED)
		cb_jw_kstr(&w, "manifest_sha256", hex);
	return end(&w, err);
}

int cb_describe_hole(struct cb_buf *line, const char *camera, const struct cb_hole *h, struct cb_err *err)
{
	struct cb_jw w;

	begin(line, &w, camera);
	cb_jw_kstr(&w, "reason", cb_gap_reason_name(h->reason));
	times(&w, h->from_ns, h->to_ns);
	count(&w, "packets", h->packets);
	count(&w, "bytes", h->bytes);
	cb_jw_kstr(&w, "text", h->text);
	return end(&w, err);
}

int cb_describe_key(struct cb_buf *line, const char *camera, const struct cb_key_use *u,
		    enum cb_day_key_state state, struct cb_err *err)
{
	struct cb_jw w;

	begin(line, &w, camera);
	cb_jw_key(&w, "day");
	cb_jw_strn(&w, u->name, 10);
	cb_jw_kstr(&w, "key", u->name);
	cb_jw_kstr(&w, "state", state == CB_DAY_KEY_THERE ? "there" : state == CB_DAY_KEY_DESTROYED ? "destroyed" : "missing");
	times(&w, u->from_ns, u->to_ns);
	count(&w, "segments", u->segments);
	count(&w, "bytes", u->bytes);
	return end(&w, err);
}

void cb_describe_time(struct cb_jw *w, const char *key, const char *key_us, int64_t ns)
{
	char text[CB_TIME_LEN];

	if (ns == INT64_MIN || ns == INT64_MAX)
		return;
	cb_time_format_us(text, us(ns));
	cb_jw_kstr(w, key, text);
	cb_jw_ki64(w, key_us, us(ns));
}

int cb_describe_hold(struct cb_buf *line, const struct cb_hold *h, struct cb_err *err)
{
	struct cb_jw w;

	line->len = 0;
	cb_jw_init(&w, line);
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "hold", h->id);
	cb_jw_kstr(&w, "holder", h->holder);
	if (*h->camera)
		cb_jw_kstr(&w, "camera", h->camera);
	cb_describe_time(&w, "from", "from_us", h->from_ns);
	cb_describe_time(&w, "to", "to_us", h->to_ns);
	cb_describe_time(&w, "set", "set_us", h->set_ns);
	cb_jw_kstr(&w, "reason", h->reason);
	return end(&w, err);
}

static void begin_event(struct cb_buf *line, struct cb_jw *w, const char *type, const char *camera,
			uint32_t n)
{
	int64_t now = cb_now_wall_ns();
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, camera, NULL, now, "", n);
	cb_event_begin(w, line, "cb-store", type, camera, now, id);
}

struct say {
	cb_line_fn *event;
	void *ctx;
	uint32_t n;
	struct cb_buf line;
};

static int say_finding(void *ctx, const char *camera, const char *path, int64_t fragment, const char *text,
		       struct cb_err *err)
{
	struct say *s = ctx;
	struct cb_jw w;

	begin_event(&s->line, &w, "cb.store.finding", camera, s->n++);
	cb_jw_kstr(&w, "path", path);
	if (fragment >= 0)
		cb_jw_ki64(&w, "fragment", fragment);
	cb_jw_kstr(&w, "text", text);
	return cb_event_end(&w, err) < 0 ? -1 : s->event(s->ctx, &s->line, err);
}

static int say_checked(struct say *s, const char *camera, const struct cb_check_totals *t, bool whole, struct cb_err *err)
{
	struct cb_jw w;

	begin_event(&s->line, &w, "cb.store.checked", camera ? camera : "", 0);
	count(&w, "cameras", t->cameras);
	count(&w, "segments", t->segments);
	count(&w, "open", t->open);
	count(&w, "fragments", t->fragments);
	count(&w, "packets", t->packets);
	count(&w, "bytes", t->bytes);
	count(&w, "events", t->events);
	if (t->encrypted)
		count(&w, "encrypted", t->encrypted);
	if (t->destroyed)
		count(&w, "destroyed", t->destroyed);
	count(&w, "findings", t->findings);
	cb_jw_kbool(&w, "whole", whole);
	return cb_event_end(&w, err) < 0 ? -1 : s->event(s->ctx, &s->line, err);
}

int cb_check_say(const struct cb_store *s, const char *camera, cb_line_fn *event, void *ctx,
		 struct cb_check_totals *ret, struct cb_err *err)
{
	struct say say = { .event = event, .ctx = ctx };
	int r = cb_check(s, camera, say_finding, &say, ret, err);

	if (r == 0)
		r = say_checked(&say, camera, ret, !cb_stop_wanted(), err);
	cb_buf_release(&say.line);
	return r;
}
