/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorder says: events, into the store and out. */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "store/recorder-priv.h"

#define TOOL "cb-record"
#define OFTEN_NS (60 * CB_NS_PER_S)	/* what comes often is told so often */
#define LATE_MAX (1u << 20)	/* bytes of lines that wait for the store */
#define SAME_NS (10 * CB_NS_PER_S)	/* a step that two streams see within so long is one */

static void begin_event(struct cb_recorder *r, struct cb_jw *w, struct cb_buf *b, const char *type,
			const uint8_t *digest, int64_t ns, uint64_t index)
{
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, r->camera, digest, ns, r->recording, (uint32_t)index);
	cb_event_begin(w, b, TOOL, type, r->camera, ns, id);
}

/* Into the store, then out. A store that cannot take it does not silence the event; a live
 * recording keeps it until the store can. */
static int say(struct cb_recorder *r, struct cb_jw *w, struct cb_err *err)
{
	struct cb_err first = CB_ERR_INIT;

	if (cb_event_end(w, err) < 0)
		return -1;
	if (r->o.log && !r->logged)
		r->o.log(r->o.ctx, w->b);
	r->logged = false;
	cb_rec_late(r, false, NULL);	/* so that they are stored in order */
	if (r->late.len)
		cb_err_set(&first, CB_E_IO, "another event waits");
	else if (cb_events_add(r->events, r->camera, (const char *)w->b->data, w->b->len, &first) == 0)
		cb_events_flush(r->events, &first);
	if (first.code && r->live) {
		if (r->late.len + w->b->len >= LATE_MAX || cb_buf_reserve(&r->late, w->b->len + 1) < 0) {
			r->late_lost++;
		} else {
			cb_buf_add(&r->late, w->b->data, w->b->len);
			cb_buf_byte(&r->late, '\n');
		}
		first = (struct cb_err)CB_ERR_INIT;
	}
	if (r->o.event && r->o.event(r->o.ctx, w->b, err) < 0)
		return -1;
	if (first.code) {
		if (err)
			*err = first;
		return -1;
	}
	return 0;
}

int cb_rec_late(struct cb_recorder *r, bool now, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	int64_t mono = cb_now_mono_ns();

	if (r->late.len && (now || mono - r->late_mono >= CB_NS_PER_S)) {
		const char *p = (const char *)r->late.data, *end = p + r->late.len;

		r->late_mono = mono;
		for (; p < end && !why.code; p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1)
			cb_events_add(r->events, r->camera, p,
				      (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p), &why);
		cb_events_flush(r->events, &why);
		/* a line that is stored already may come twice: cb-store(5) */
		if (!why.code)
			r->late.len = 0;
	}
	if (now && (why.code || r->late_lost)) {
		if (!why.code)
			cb_err_set(&why, CB_E_IO, "%llu events were not stored",
				   (unsigned long long)r->late_lost);
		if (err)
			*err = why;
		return -1;
	}
	return 0;
}

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

/* A time that an event can carry: 0, unknown, for what no calendar has. */
static int64_t sane(int64_t ns)
{
	return ns < 0 ? 0 : ns;
}

int cb_rec_say_gap(struct cb_recorder *r, uint16_t stream, const struct cb_gap *g, struct cb_err *err)
{
	int64_t from = sane(g->from_ns), to = sane(g->to_ns);
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	begin_event(r, &w, &b, "cb.gap", NULL, from ? from : r->last_wall, r->total.gaps);
	cb_jw_ku64(&w, "stream", stream);
	cb_jw_kstr(&w, "reason", cb_gap_reason_name(g->reason));
	if (from)
		cb_jw_ki64(&w, "from_us", us(from));
	if (to)
		cb_jw_ki64(&w, "to_us", us(to));
	/* counts are integers of JSON, exact below 2^53 */
	cb_jw_ku64(&w, "packets", g->packets >> 53 ? (UINT64_C(1) << 53) - 1 : g->packets);
	cb_jw_ku64(&w, "bytes", g->bytes >> 53 ? (UINT64_C(1) << 53) - 1 : g->bytes);
	cb_jw_kstr(&w, "text", g->text);
	r->total.gaps++;
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

static void closed_fields(struct cb_jw *w, const struct cb_segment *g)
{
	char path[CB_SEGMENT_PATH], hex[CB_SHA256_HEX];
	struct cb_segment named = *g;

	if (named.state == CB_SEGMENT_OPEN)	/* the log is told before it has its name */
		named.state = CB_SEGMENT_SEALED;
	cb_segment_path(path, &named);
	cb_hex(hex, g->digest, CB_SHA256_LEN);
	cb_jw_kstr(w, "segment", path);
	cb_jw_kstr(w, "manifest_sha256", hex);
	cb_jw_ku64(w, "fragments", g->end.fragments);
	cb_jw_ku64(w, "packets", g->end.packets);
	cb_jw_ku64(w, "bytes", g->end.bytes);
	cb_jw_ki64(w, "from_us", us(g->end.from_ns));
	cb_jw_ki64(w, "to_us", us(g->end.to_ns));
	cb_jw_kstr(w, "reason", g->end.reason);
}

static void begin_closed(struct cb_recorder *r, struct cb_jw *w, struct cb_buf *b)
{
	const struct cb_segment *g = &r->w.seg;

	begin_event(r, w, b, "cb.segment.closed", g->digest, g->end.to_ns, g->index);
	closed_fields(w, g);
	if (r->w.unsynced)
		cb_jw_kstr(w, "durability", "unknown");
}

static void begin_recovered(struct cb_recorder *r, struct cb_jw *w, struct cb_buf *b, const struct cb_recovered *k)
{
	begin_event(r, w, b, "cb.recording.recovered", k->segment.digest, k->segment.end.to_ns, 0);
	closed_fields(w, &k->segment);
	cb_jw_ku64(w, "lost_bytes", k->lost_bytes);
	cb_jw_ku64(w, "lost_fragments", k->lost_fragments);
}

/* What is said later, logged now. */
static void log_now(struct cb_recorder *r, struct cb_jw *w)
{
	if (r->o.log && cb_event_end(w, NULL) == 0) {
		r->o.log(r->o.ctx, w->b);
		r->logged = true;
	}
	cb_buf_release(w->b);
}

void cb_rec_log_closed(void *ctx)
{
	struct cb_recorder *r = ctx;
	struct cb_buf b = { 0 };
	struct cb_jw w;

	begin_closed(r, &w, &b);
	log_now(r, &w);
}

int cb_rec_say_closed(struct cb_recorder *r, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	begin_closed(r, &w, &b);
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

int cb_rec_say_recovered(void *ctx, const struct cb_recovered *k, struct cb_err *err)
{
	struct cb_recorder *r = ctx;
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret = 0;

	begin_recovered(r, &w, &b, k);
	if (k->what == CB_RECOVER_NAMING) {
		log_now(r, &w);
		return 0;
	}
	if (k->what == CB_RECOVER_UNREAD) {
		r->left = true;		/* to be looked for by whoever comes next */
		if (r->o.warn)
			r->o.warn(r->o.ctx, k->why.msg);
	} else {
		ret = say(r, &w, err);
	}
	cb_buf_release(&b);
	return ret;
}

int cb_rec_say_state(struct cb_recorder *r, const char *type, const char *reason, const char *text,
		     struct cb_err *err)
{
	bool pause = strcmp(type, "cb.recording.suspended") == 0 || strcmp(type, "cb.recording.resumed") == 0;
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	/* several pauses may fall into one segment, and into one moment */
	begin_event(r, &w, &b, type, NULL, r->last_wall, pause ? r->total.suspensions : r->index);
	cb_jw_kstr(&w, "recording", r->recording);
	cb_jw_kbool(&w, "live", r->live);
	if (reason) {
		cb_jw_kstr(&w, "reason", reason);
		cb_jw_ku64(&w, "segments", r->total.segments);
		cb_jw_ku64(&w, "packets", r->total.packets);
		cb_jw_ku64(&w, "bytes", r->total.bytes);
		cb_jw_ku64(&w, "gaps", r->total.gaps);
		if (r->total.lost_packets)
			cb_jw_ku64(&w, "lost_packets", r->total.lost_packets);
	} else {
		cb_jw_kstr(&w, "producer", r->hello.producer);
	}
	if (text)
		cb_jw_kstr(&w, "text", text);
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

static int64_t apart(int64_t a, int64_t b)
{
	__int128 v = (__int128)a - b;

	v = v < 0 ? -v : v;
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static int clock_event(struct cb_recorder *r, struct cb_rec_often *o, bool followed, struct cb_err *err)
{
	bool step = o == &r->steps;
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	begin_event(r, &w, &b, "cb.clock", NULL, o->last, o->n * 2 + step);
	cb_jw_kstr(&w, "recording", r->recording);
	cb_jw_ku64(&w, "stream", o->stream);
	cb_jw_kstr(&w, "what", step ? "wall-step" : "media-jump");
	cb_jw_ki64(&w, "by_us", us(o->by));
	if (step) {
		cb_jw_kbool(&w, "followed", followed);
		cb_jw_ki64(&w, "offset_us", us(r->known[o->stream].wall.offset_ns));
	}
	cb_jw_ku64(&w, "count", o->n - o->told);
	o->told = o->n;
	o->at = o->last;
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

int cb_rec_say_clock(struct cb_recorder *r, struct cb_rec_often *o, uint16_t stream, int64_t at,
		     int64_t by, bool followed, struct cb_err *err)
{
	/* the streams of a camera step together */
	if (o->n && o->stream != stream && apart(o->by, by) < CB_WALL_STEP_NS && apart(o->last, at) < SAME_NS)
		return 0;
	o->n++;
	o->stream = stream;
	o->by = by;
	o->last = at;
	if (o == &r->steps)
		r->total.clock_steps++;
	else
		r->total.media_jumps++;
	if (o->n > 1 && at - o->at < OFTEN_NS)
		return 0;
	return clock_event(r, o, followed, err);
}

int cb_rec_say_rest(struct cb_recorder *r, struct cb_err *err)
{
	if ((r->steps.n > r->steps.told && clock_event(r, &r->steps, false, err) < 0) ||
	    (r->jumps.n > r->jumps.told && clock_event(r, &r->jumps, false, err) < 0))
		return -1;
	return cb_rec_say_hidden(r, true, err);
}

int cb_rec_say_hidden(struct cb_recorder *r, bool end, struct cb_err *err)
{
	for (size_t i = 0; i < r->n_tracks; i++) {
		const struct cb_track *t = &r->track[i];
		struct cb_rec_known *k = &r->known[t->stream];
		struct cb_buf b = { 0 };
		char text[200];
		struct cb_jw w;
		int ret;

		if (t->playable || t->s.kind == CB_DATA || (end ? !k->hidden : k->told))
			continue;
		snprintf(text, sizeof(text), "stream %u: players cannot see %s in the store's files; "
			 "it is recorded and replayed all the same", t->stream, t->s.codec);
		if (!k->told && r->o.warn)
			r->o.warn(r->o.ctx, text);
		k->told = true;
		begin_event(r, &w, &b, "cb.stream.oddity", NULL, r->last_wall, 2u * t->stream + end);
		cb_jw_ku64(&w, "stream", t->stream);
		cb_jw_kstr(&w, "oddity", "unplayable");
		cb_jw_kstr(&w, "codec", t->s.codec);
		cb_jw_ku64(&w, "count", end ? k->hidden : 1);
		cb_jw_kbool(&w, "total", end);
		cb_jw_kstr(&w, "text", text);
		ret = say(r, &w, err);
		cb_buf_release(&b);
		if (ret < 0)
			return -1;
	}
	return 0;
}
