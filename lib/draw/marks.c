/* SPDX-License-Identifier: Apache-2.0 */
/* Reading cb-track's events, and the state that they add up to. */
#include "draw/marks.h"

#include <stdlib.h>
#include <string.h>

#include "wire/event.h"

enum kind { ZONES, TRACK, RULE };

/* an event that waits, as text: few are, and most are short */
struct cb_mark {
	uint8_t kind;
	uint16_t stream;
	int64_t pts, t_us;
	uint64_t order;
	uint32_t len;
	char line[];
};

static uint32_t get(const struct cb_json *j, uint32_t obj, const char *key)
{
	return obj == CB_JSON_NONE || j->tok[obj].type != CB_JSON_OBJECT ? CB_JSON_NONE : cb_json_get(j, obj, key);
}

static bool text(const struct cb_json *j, uint32_t obj, const char *key, char *out, size_t cap)
{
	uint32_t t = get(j, obj, key);

	out[0] = '\0';
	return t != CB_JSON_NONE && j->tok[t].type == CB_JSON_STRING && cb_json_str(j, t, out, cap) >= 0;
}

static bool unit(const struct cb_json *j, uint32_t t, float *ret)
{
	double v;

	if (t == CB_JSON_NONE || !cb_json_double(j, t, &v) || !(v >= 0 && v <= 1))
		return false;
	*ret = (float)v;
	return true;
}

/* --- waiting ------------------------------------------------------------------------------------------ */

static int add(struct cb_marks *m, const struct cb_mark *like, const char *line, size_t len, bool whole,
	       struct cb_err *err)
{
	struct cb_mark *e;

	if (whole && m->bytes + sizeof(*e) + len > CB_MARKS_BYTES_MAX)
		return cb_err_set(err, CB_E_DATA, "more than %zu events of tracks", m->n);
	if (!whole && m->n == CB_MARKS_WAITING) {
		free(m->v[0]);
		memmove(m->v, m->v + 1, --m->n * sizeof(*m->v));
	}
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct cb_mark **v = reallocarray(m->v, cap, sizeof(*v));

		if (!v)
			return cb_err_nomem(err);
		m->v = v;
		m->cap = cap;
	}
	e = malloc(sizeof(*e) + len);
	if (!e)
		return cb_err_nomem(err);
	*e = *like;
	e->order = m->order++;
	e->len = (uint32_t)len;
	memcpy(e->line, line, len);
	m->v[m->n++] = e;
	m->bytes += sizeof(*e) + len;
	return 0;
}

int cb_marks_event(struct cb_marks *m, struct cb_json *j, const char *line, size_t len, bool whole,
		   struct cb_err *err)
{
	struct cb_mark e = { .pts = INT64_MIN };
	struct cb_err why = CB_ERR_INIT;
	struct cb_event ev;
	int64_t stream;

	/* most lines are not ours: not even parsed */
	if (!memmem(line, len, "/cb-track", 9) || cb_event_parse(&ev, j, line, len, &why) < 0)
		return 0;
	if (cb_json_eq(j, ev.type, "cb.track"))
		e.kind = TRACK;
	else if (cb_json_eq(j, ev.type, "cb.zones"))
		e.kind = ZONES;
	else if (get(j, ev.data, "rule") != CB_JSON_NONE)
		e.kind = RULE;
	else
		return 0;
	if (!cb_json_i64(j, get(j, ev.data, "stream"), &stream) || stream < 0 || stream >= CB_STREAMS_MAX ||
	    ev.t_us <= CB_MARK_NEVER || ev.t_us >= -CB_MARK_NEVER)
		return 0;
	e.stream = (uint16_t)stream;
	e.t_us = ev.t_us;
	if (!cb_json_i64(j, get(j, ev.data, "pts"), &e.pts))
		e.pts = INT64_MIN;
	return add(m, &e, line, len, whole, err);
}

static int by_picture(const void *a, const void *b)
{
	const struct cb_mark *x = *(struct cb_mark *const *)a, *y = *(struct cb_mark *const *)b;

	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	if (x->pts != y->pts)
		return x->pts < y->pts ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void cb_marks_sort(struct cb_marks *m)
{
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_picture);
	m->sorted = true;
}

/* --- what they add up to --------------------------------------------------------------------------------- */

static uint32_t shapes(struct cb_mark_shape *to, const struct cb_mark_shape *old, uint32_t n_old,
		       const struct cb_json *j, uint32_t list, const char *key)
{
	uint32_t n = 0, t = list + 1;

	if (list == CB_JSON_NONE || j->tok[list].type != CB_JSON_ARRAY)
		return 0;
	for (uint32_t i = 0; i < j->tok[list].size && n < CB_MARK_SHAPES; i++, t = j->tok[t].next) {
		uint32_t points = get(j, t, key), p = points + 1;
		struct cb_mark_shape *s = &to[n];

		*s = (struct cb_mark_shape){ .lit_us = CB_MARK_NEVER };
		if (points == CB_JSON_NONE || j->tok[points].type != CB_JSON_ARRAY)
			continue;
		text(j, t, "name", s->name, sizeof(s->name));
		for (uint32_t k = 0; k < j->tok[points].size && k < CB_MARK_POINTS; k++, p = j->tok[p].next)
			if (j->tok[p].type == CB_JSON_ARRAY && j->tok[p].size == 2 &&
			    unit(j, cb_json_path(j, p, "0"), &s->p[s->n].x) &&
			    unit(j, cb_json_path(j, p, "1"), &s->p[s->n].y))
				s->n++;
		for (uint32_t k = 0; k < n_old; k++)
			if (strcmp(old[k].name, s->name) == 0)
				s->lit_us = old[k].lit_us;
		n += s->n >= 2;
	}
	return n;
}

static void zones_event(struct cb_view *v, const struct cb_json *j, uint32_t data)
{
	v->zones = shapes(v->spare, v->zone, v->zones, j, get(j, data, "zones"), "polygon");
	memcpy(v->zone, v->spare, v->zones * sizeof(*v->spare));
	v->lines = shapes(v->spare, v->line, v->lines, j, get(j, data, "lines"), "points");
	memcpy(v->line, v->spare, v->lines * sizeof(*v->spare));
}

static struct cb_tail *tail_of(struct cb_view *v, const char *id, bool make)
{
	struct cb_tail *old = &v->tail[0];

	for (uint32_t i = 0; i < v->tails; i++) {
		if (strcmp(v->tail[i].id, id) == 0)
			return &v->tail[i];
		if (v->tail[i].t_us < old->t_us)
			old = &v->tail[i];
	}
	if (!make)
		return NULL;
	if (v->tails < CB_MARK_TAILS)
		old = &v->tail[v->tails++];
	*old = (struct cb_tail){ .told_us = CB_MARK_NEVER, .t_us = CB_MARK_NEVER };
	memcpy(old->id, id, sizeof(old->id));
	return old;
}

static void track_event(struct cb_view *v, const struct cb_json *j, uint32_t data)
{
	uint32_t path = get(j, data, "path"), t = path + 1;
	char id[33], state[16];
	int64_t since, number;
	struct cb_tail *tail;

	if (!text(j, data, "track", id, sizeof(id)) || !cb_json_i64(j, get(j, data, "since_us"), &since))
		return;
	tail = tail_of(v, id, true);
	text(j, data, "class", tail->class, sizeof(tail->class));
	tail->number = cb_json_i64(j, get(j, data, "number"), &number) && number > 0 ? (uint64_t)number : 0;
	tail->over = text(j, data, "state", state, sizeof(state)) && strcmp(state, "end") == 0;
	/* the whole path of an end is known already */
	if (tail->over || path == CB_JSON_NONE || j->tok[path].type != CB_JSON_ARRAY)
		return;
	for (uint32_t i = 0; i < j->tok[path].size; i++, t = j->tok[t].next) {
		struct cb_mark_point p;
		int64_t after;

		if (j->tok[t].type != CB_JSON_ARRAY || !cb_json_i64(j, cb_json_path(j, t, "0"), &after) ||
		    !unit(j, cb_json_path(j, t, "1"), &p.x) || !unit(j, cb_json_path(j, t, "2"), &p.y) ||
		    __builtin_add_overflow(since, after, &p.t_us) || p.t_us <= tail->t_us || p.t_us >= -CB_MARK_NEVER)
			continue;
		tail->t_us = p.t_us;
		tail->p[tail->n++ % CB_MARK_TAIL] = p;
	}
}

static void light(struct cb_mark_shape *s, uint32_t n, const char *name, int64_t t_us)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(s[i].name, name) == 0)
			s[i].lit_us = t_us;
}

static void rule_event(struct cb_view *v, const struct cb_json *j, uint32_t data, int64_t t_us)
{
	char rule[65], name[65], id[33];
	int64_t in, out, occupancy;
	struct cb_tail *tail;
	uint32_t i = 0;

	text(j, data, "rule", rule, sizeof(rule));
	if (text(j, data, "zone", name, sizeof(name)))
		light(v->zone, v->zones, name, t_us);
	if (text(j, data, "line", name, sizeof(name)))
		light(v->line, v->lines, name, t_us);
	if (text(j, data, "track", id, sizeof(id)) && (tail = tail_of(v, id, false))) {
		tail->told_us = t_us;
		memcpy(tail->told, rule, sizeof(rule));
	}
	if (!cb_json_i64(j, get(j, data, "in"), &in) || !cb_json_i64(j, get(j, data, "out"), &out) ||
	    !cb_json_i64(j, get(j, data, "occupancy"), &occupancy))
		return;
	if (get(j, data, "reset") != CB_JSON_NONE)
		in = out = 0;
	while (i < v->counts && strcmp(v->count[i].rule, rule) != 0)
		i++;
	if (i == CB_MARK_COUNTS)
		return;
	v->counts += i == v->counts;
	memcpy(v->count[i].rule, rule, sizeof(rule));
	v->count[i].in = in;
	v->count[i].out = out;
	v->count[i].occupancy = occupancy;
}

static void apply(struct cb_view *v, struct cb_json *j, const struct cb_mark *e)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_event ev;

	if (cb_event_parse(&ev, j, e->line, e->len, &why) < 0)
		return;
	if (e->t_us > v->now_us || v->now_us - e->t_us > INT64_C(60000000))
		v->now_us = e->t_us;
	if (e->kind == ZONES)
		zones_event(v, j, ev.data);
	else if (e->kind == TRACK)
		track_event(v, j, ev.data);
	else
		rule_event(v, j, ev.data, e->t_us);
}

/* Tracks that were not heard of for a while. */
static void forget(struct cb_view *v)
{
	for (uint32_t i = 0; i < v->tails; )
		if (v->now_us - v->tail[i].t_us > CB_MARK_TAIL_US || v->tail[i].t_us > v->now_us + 60000000)
			v->tail[i] = v->tail[--v->tails];
		else
			i++;
}

static int view_of(struct cb_marks *m, uint16_t stream, struct cb_view **ret, struct cb_err *err)
{
	if (!m->json && !(m->json = malloc(sizeof(*m->json))))
		return cb_err_nomem(err);
	if (!m->view[stream]) {
		m->view[stream] = calloc(1, sizeof(**ret));
		if (!m->view[stream])
			return cb_err_nomem(err);
		m->view[stream]->now_us = CB_MARK_NEVER;
	}
	*ret = m->view[stream];
	return 0;
}

int cb_marks_at(struct cb_marks *m, uint16_t stream, int64_t pts, const struct cb_view **ret,
		struct cb_err *err)
{
	struct cb_view *v = NULL;
	size_t left = 0;

	*ret = NULL;
	if (stream >= CB_STREAMS_MAX || (!m->n && !m->view[stream]))
		return 0;
	if (view_of(m, stream, &v, err) < 0)
		return -1;
	if (m->sorted) {
		size_t *at = &m->at[stream];

		if (!m->begun[stream]) {
			m->begun[stream] = true;
			for (*at = 0; *at < m->n && m->v[*at]->stream < stream; )
				++*at;
		}
		while (*at < m->n && m->v[*at]->stream == stream && m->v[*at]->pts <= pts)
			apply(v, m->json, m->v[(*at)++]);
	} else {
		for (size_t i = 0; i < m->n; i++) {
			struct cb_mark *e = m->v[i];

			if (e->stream == stream && e->pts <= pts) {
				apply(v, m->json, e);
				free(e);
			} else {
				m->v[left++] = e;
			}
		}
		m->n = left;
	}
	if (v->now_us != CB_MARK_NEVER)
		forget(v);
	*ret = v;
	return 0;
}

void cb_marks_release(struct cb_marks *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i]);
	for (int i = 0; i < CB_STREAMS_MAX; i++)
		free(m->view[i]);
	free(m->json);
	free(m->v);
	*m = (struct cb_marks){ 0 };
}
