/* SPDX-License-Identifier: Apache-2.0 */
/* Replay: segments in the order of recording, holes between them as GAPs. */
#include "store/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "base/time.h"
#include "store/box.h"
#include "store/events.h"
#include "store/segment.h"

struct replay {
	const struct cb_store *s;
	const struct cb_replay_opts *o;
	struct cb_writer *w;
	struct cb_replay_totals *t;
	struct cb_buf scratch;
	struct cb_init *init;
	bool hello;
	const struct cb_segment *last;	/* emitted to its end; NULL: not, or none */
	int64_t events_from;
};

static int put_gap(struct replay *r, uint16_t reason, int64_t from, int64_t to, uint64_t packets,
		   uint64_t bytes, const char *text, struct cb_err *err)
{
	struct cb_gap g = { .reason = reason, .from_ns = from, .to_ns = to, .packets = packets,
			    .bytes = bytes };

	snprintf(g.text, sizeof(g.text), "%.255s", text);
	return cb_writer_gap(r->w, 0, &g, err);
}

/* Something is not as its manifest says: remember the first, go on. */
static void damaged(struct replay *r, const struct cb_segment *g, const struct cb_err *why)
{
	char path[CB_SEGMENT_PATH];

	if (!r->t->damaged++) {
		r->t->first = *why;
		cb_segment_path(path, g);
		cb_err_prefix(&r->t->first, "%s", path);
	}
}

static int put_hello(struct replay *r, const struct cb_init *in, struct cb_err *err)
{
	struct cb_frame f = { .type = CB_FRAME_HELLO };
	struct cb_hello h = { .wall_source = CB_WALL_NONE, .producer = "cb-replay " CB_VERSION };

	if (r->hello)
		return 0;
	r->hello = true;
	if (!in) {
		snprintf(h.camera, sizeof(h.camera), "%s", r->o->camera);
		return cb_writer_hello(r->w, &h, err);
	}
	/* the recording's own, but nothing in a store is live */
	f.flags = in->hello_flags & (uint16_t)~CB_F_LIVE;
	f.payload = in->hello;
	f.len = in->hello_len;
	return cb_writer_forward(r->w, &f, err);
}

static int put_streams(struct replay *r, const struct cb_init *in, bool all, struct cb_err *err)
{
	for (uint32_t i = 0; i < in->n; i++) {
		struct cb_frame f = { .type = CB_FRAME_STREAM, .stream = in->stream[i].stream,
				      .payload = in->stream[i].payload, .len = in->stream[i].len };

		if ((all || in->stream[i].fresh) && cb_writer_forward(r->w, &f, err) < 0)
			return -1;
	}
	return 0;
}

/* Does the init segment name the stream of every packet? */
static int streams_known(const struct cb_init *in, struct cb_fragment_view v, struct cb_err *err)
{
	bool known[CB_STREAMS_MAX] = { false };
	struct cb_table_entry e;

	for (uint32_t i = 0; i < in->n; i++)
		known[in->stream[i].stream] = true;
	while (cb_fragment_next(&v, &e))
		if (!known[e.stream])
			return cb_err_set(err, CB_E_DATA, "fragment %u: a packet of stream %u, which the "
					  "init segment does not name", v.number, e.stream);
	return 0;
}

static int put_fragment(struct replay *r, struct cb_fragment_view *v, struct cb_err *err)
{
	struct cb_table_entry e;
	struct cb_frame f;

	while (cb_fragment_next(v, &e)) {
		if (cb_table_entry_frame(&e, &r->scratch, &f) < 0)
			return cb_err_nomem(err);
		if (cb_writer_forward(r->w, &f, err) < 0)
			return -1;
		r->t->packets++;
	}
	r->t->fragments++;
	return 0;
}

static int put_event(void *ctx, const char *file, uint64_t line_no, const struct cb_event *ev,
		     const char *line, size_t len, struct cb_err *err)
{
	struct replay *r = ctx;

	(void)file;
	(void)line_no;
	if (!ev)
		return 0;
	r->t->events++;
	return cb_writer_event(r->w, line, len, err);
}

static int put_events(struct replay *r, int64_t to, struct cb_err *err)
{
	if (!r->o->events)
		return 0;
	if (to > r->o->to_ns)
		to = r->o->to_ns;
	if (to <= r->events_from)
		return 0;
	if (cb_events_read(r->s, r->o->camera, r->events_from, to, put_event, r, err) < 0)
		return -1;
	r->events_from = to;
	return 0;
}

/* The gaps that stand after line i of the manifest. */
static int put_gaps(struct replay *r, const struct cb_manifest *m, size_t i, struct cb_err *err)
{
	for (size_t k = 0; k < m->n_gaps; k++)
		if (m->gap[k].after == i && cb_writer_gap(r->w, m->gap[k].stream, &m->gap[k].g, err) < 0)
			return -1;
	return 0;
}

/* -1: not readable (why) or, with *fatal, writing failed (err). */
static int put_segment(struct replay *r, const struct cb_segment *g, struct cb_segment_reader *sr,
		       bool follows, bool *fatal, struct cb_err *why, struct cb_err *err)
{
	struct cb_fragment_view v;
	const uint8_t *p;
	size_t len, start = 1, end;

	*fatal = false;
	/* the init segment stays in use while its streams are written, and no longer */
	if (cb_segment_reader_get(sr, 0, &p, &len, why) < 0 || cb_init_parse(r->init, p, len, why) < 0)
		return -1;
	for (size_t i = 1; i < sr->m.n; i++)
		if ((sr->m.frag[i].flags & CB_FRAG_KEY) && sr->m.frag[i].wall_ns <= r->o->from_ns)
			start = i;
	for (end = start; end < sr->m.n && sr->m.frag[end].wall_ns < r->o->to_ns; end++)
		;
	*fatal = true;
	if (put_hello(r, r->init, err) < 0 || put_events(r, g->end.to_ns, err) < 0 ||
	    put_streams(r, r->init, !follows, err) < 0)
		return -1;
	if (start == 1 && put_gaps(r, &sr->m, 0, err) < 0)
		return -1;
	for (size_t i = start; i < end && !cb_stop_wanted(); i++) {
		const struct cb_fragment *f = &sr->m.frag[i];

		if (cb_segment_reader_get(sr, i, &p, &len, why) < 0 ||
		    cb_fragment_parse(&v, p, len, why) < 0 || streams_known(r->init, v, why) < 0) {
			damaged(r, g, why);
			if (put_gap(r, CB_GAP_DAMAGE, f->wall_ns, f->wall_to_ns, f->packets, f->length,
				    why->msg, err) < 0)
				return -1;
			*why = (struct cb_err)CB_ERR_INIT;
		} else if (put_fragment(r, &v, err) < 0) {
			return -1;
		}
		if (put_gaps(r, &sr->m, i, err) < 0)
			return -1;
	}
	r->last = end == sr->m.n ? g : NULL;
	r->t->segments++;
	return 0;
}

static int one_segment(struct replay *r, const struct cb_segment *prev, const struct cb_segment *g,
		       struct cb_err *err)
{
	bool follows = r->last && r->last == prev && strcmp(prev->recording, g->recording) == 0 &&
		       g->index == prev->index + 1, fatal = false;
	struct cb_segment_reader sr = { .mp4 = -1 };
	struct cb_err why = CB_ERR_INIT;
	struct cb_hole h;
	bool opened;
	int ret;

	if (prev ? cb_segment_hole(prev, g, &h) :
	    r->o->from_ns == INT64_MIN && cb_segment_hole(NULL, g, &h)) {
		r->t->holes++;
		if (put_hello(r, NULL, err) < 0 ||
		    put_gap(r, h.reason, h.from_ns, h.to_ns, h.packets, h.bytes, h.text, err) < 0)
			return -1;
	}
	ret = cb_segment_reader_open_live(&sr, r->s, g, &why);
	opened = ret == 0;
	if (opened)
		ret = put_segment(r, g, &sr, follows, &fatal, &why, err);
	if (ret < 0 && !fatal && opened && why.code == CB_E_PERM) {	/* encrypted, and not for us */
		char path[CB_SEGMENT_PATH];

		cb_segment_path(path, g);
		*err = why;
		cb_err_prefix(err, "%s", path);
	} else if (ret < 0 && !fatal) {	/* the whole of it is lost */
		bool destroyed = why.code == CB_E_NO;

		r->last = NULL;
		if (destroyed)
			r->t->destroyed++;
		else
			damaged(r, g, &why);
		ret = put_hello(r, NULL, err) < 0 || put_events(r, g->end.to_ns, err) < 0 ||
		      put_gap(r, destroyed ? CB_GAP_STORE : CB_GAP_DAMAGE, g->end.from_ns, g->end.to_ns, g->end.packets,
			      g->end.bytes, why.msg, err) < 0 ? -1 : 0;
	} else if (ret == 0 && !sr.whole) {	/* its manifest says less than it did, or lies */
		damaged(r, g, &sr.why);
		ret = put_gap(r, CB_GAP_DAMAGE, 0, 0, 0, 0, sr.why.msg, err);
	}
	cb_segment_reader_close(&sr);
	return ret;
}

/* --- where to begin ------------------------------------------------------------------------- */

enum lead { LEAD_KEY, LEAD_NONE, LEAD_BROKEN };

/* Is there a keyframe at or before from_ns, and everything from there to the end (or to from_ns)? */
static enum lead look_for_key(const struct cb_store *s, const struct cb_segment *g, int64_t from_ns,
			      int64_t *ret_key)
{
	struct cb_manifest m = { 0 };
	enum lead k = LEAD_BROKEN;
	char *text = NULL;
	size_t len, key = 0;

	if (cb_segment_manifest(s, g, &text, &len, NULL) < 0)
		return LEAD_BROKEN;
	if (cb_manifest_parse(&m, text, len, NULL) == 0) {
		for (size_t i = 1; i < m.n; i++)
			if ((m.frag[i].flags & CB_FRAG_KEY) && m.frag[i].wall_ns <= from_ns)
				key = i;
		k = key ? LEAD_KEY : LEAD_NONE;
		for (size_t i = 0; i < m.n_gaps; i++)
			if (m.gap[i].after >= key && m.frag[m.gap[i].after].wall_ns <= from_ns)
				k = key ? k : LEAD_BROKEN;
		if (key)
			*ret_key = m.frag[key].wall_ns;
	}
	cb_manifest_release(&m);
	free(text);
	return k;
}

int cb_replay_lead(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t *ret,
		   struct cb_err *err)
{
	struct cb_segments l = { 0 }, before = { 0 };
	const struct cb_segment *g = NULL;
	int64_t key = from_ns;
	enum lead k;

	*ret = from_ns;
	if (from_ns < INT64_MIN + 2 * CB_SEGMENT_NS_MAX || from_ns > INT64_MAX - CB_NS_PER_S)
		return 0;
	if (cb_store_segments(s, camera, from_ns, from_ns + 1, NULL, &l, err) < 0)
		return -1;
	/* the last that begins before it; most have a keyframe, and need no other */
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].end.from_ns <= from_ns && l.v[i].state != CB_SEGMENT_DAMAGED)
			g = &l.v[i];
	k = g ? look_for_key(s, g, from_ns, &key) : LEAD_BROKEN;
	if (k == LEAD_NONE && g->index &&
	    cb_store_segments(s, camera, from_ns - CB_SEGMENT_NS_MAX, from_ns + 1, NULL, &before, err) < 0) {
		cb_segments_release(&l);
		return -1;
	}
	for (size_t i = before.n; k == LEAD_NONE && i-- > 0;)
		if (before.v[i].index + 1 == g->index && strcmp(before.v[i].recording, g->recording) == 0) {
			g = &before.v[i];
			k = look_for_key(s, g, from_ns, &key);
			if (k == LEAD_KEY)
				*ret = key;
		}
	cb_segments_release(&before);
	cb_segments_release(&l);
	return 0;
}

/* --- all of it ------------------------------------------------------------------------------ */

int cb_replay(const struct cb_store *s, const struct cb_replay_opts *o, struct cb_writer *w,
	      struct cb_replay_totals *ret, struct cb_err *err)
{
	struct cb_replay_opts from_key = *o;
	struct replay r = { .s = s, .o = &from_key, .w = w, .t = ret, .events_from = o->from_ns };
	struct cb_segments l = { 0 };
	int k = -1;

	*ret = (struct cb_replay_totals){ 0 };
	if (cb_replay_lead(s, o->camera, o->from_ns, &from_key.from_ns, err) < 0)
		return -1;
	o = &from_key;
	r.init = malloc(sizeof(*r.init));
	if (!r.init)
		return cb_err_nomem(err);
	if (cb_store_segments(s, o->camera, o->from_ns, o->to_ns, NULL, &l, err) < 0)
		goto out;
	for (size_t i = 0; i < l.n && !cb_stop_wanted(); i++)
		if (one_segment(&r, i ? &l.v[i - 1] : NULL, &l.v[i], err) < 0)
			goto out;
	if (put_hello(&r, NULL, err) < 0 || put_events(&r, INT64_MAX, err) < 0)
		goto out;
	if (!l.n) {
		cb_err_set(err, CB_E_NO, "camera %s: nothing recorded there", o->camera);
		goto out;
	}
	k = 0;
out:
	cb_segments_release(&l);
	cb_buf_release(&r.scratch);
	free(r.init);
	return k;
}
