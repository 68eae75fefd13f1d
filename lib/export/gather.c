/* SPDX-License-Identifier: Apache-2.0 */
/* Events, runs and gaps of a range. */
#include "export/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "base/time.h"
#include "store/describe.h"
#include "store/events.h"
#include "store/index.h"

/* a run says what it is at its start and every minute */
#define RUN_AROUND_NS (150 * CB_NS_PER_S)
#define CLASSES 64

struct gather {
	struct cb_gathered *g;
	int64_t from_us, to_us;		/* of the events that count */
	struct cb_buf line;
	struct { char name[64]; int64_t second; } seen[CLASSES];
	int n_seen;
};

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

static int add_line(struct cb_buf *b, const char *line, size_t len, struct cb_err *err)
{
	return cb_buf_add(b, line, len) < 0 || cb_buf_byte(b, '\n') < 0 ? cb_err_nomem(err) : 0;
}

/* The run with this id, made where there is room for it; NULL where there is none. */
static struct cb_gathered_run *run_of(struct cb_gathered *g, const char *id)
{
	for (size_t i = 0; i < g->n_run; i++)
		if (strcmp(g->run[i].id, id) == 0)
			return &g->run[i];
	if (g->n_run == CB_GATHER_RUNS)
		return NULL;
	strcpy(g->run[g->n_run].id, id);
	return &g->run[g->n_run++];
}

/* --- marks -------------------------------------------------------------------------------------- */

static int put_mark(struct gather *q, int64_t t_us, const char *type, const char *text, struct cb_err *err)
{
	struct cb_gathered *g = q->g;
	struct cb_jw w;

	if (g->n_marks == CB_GATHER_MARKS) {
		g->unmarked++;
		return 0;
	}
	cb_jw_init(&w, &g->marks);
	cb_jw_arr(&w);
	cb_jw_i64(&w, t_us);
	cb_jw_str(&w, type);
	cb_jw_str(&w, text);
	cb_jw_arr_end(&w);
	if (cb_jw_done(&w, err) < 0)
		return -1;
	g->n_marks++;
	return cb_buf_byte(&g->marks, ',') < 0 ? cb_err_nomem(err) : 0;
}

/* Was this class marked in this second already? */
static bool marked(struct gather *q, const char *name, int64_t second)
{
	int i;

	for (i = 0; i < q->n_seen && strcmp(q->seen[i].name, name) != 0; i++)
		;
	if (i < q->n_seen && q->seen[i].second == second)
		return true;
	if (i == CLASSES)
		return false;
	if (i == q->n_seen)
		q->n_seen++;
	strcpy(q->seen[i].name, name);
	q->seen[i].second = second;
	return false;
}

/* One mark for each class of object and second. */
static int mark_objects(struct gather *q, const struct cb_event *ev, const char *type, struct cb_err *err)
{
	const struct cb_json *j = ev->json;
	uint32_t objects = cb_json_path(j, ev->data, "objects"), at;
	char name[64];

	if (objects == CB_JSON_NONE || j->tok[objects].type != CB_JSON_ARRAY)
		return 0;
	at = objects + 1;
	for (uint32_t i = 0; i < j->tok[objects].size; i++, at = j->tok[at].next)
		if (j->tok[at].type == CB_JSON_OBJECT &&
		    cb_json_str(j, cb_json_get(j, at, "class"), name, sizeof(name)) == 0 &&
		    !marked(q, name, ev->t_us / 1000000) && put_mark(q, ev->t_us, type, name, err) < 0)
			return -1;
	return 0;
}

static int mark(struct gather *q, const struct cb_event *ev, struct cb_err *err)
{
	static const char *const words[] = { "message", "class", "name", "zone", "line", "reason", "state", "text" };
	const struct cb_json *j = ev->json;
	char type[64], text[160] = "";

	if (cb_json_str(j, ev->type, type, sizeof(type)) < 0)
		return 0;
	if (strcmp(type, "cb.detection") == 0)
		return mark_objects(q, ev, type, err);
	if (strcmp(type, "cb.run") == 0 || strcmp(type, "cb.segment.closed") == 0)
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !text[0]; i++)
		if (cb_json_str(j, cb_json_get(j, ev->data, words[i]), text, sizeof(text)) < 0)
			text[0] = '\0';
	return put_mark(q, ev->t_us, type, text, err);
}

/* --- events ------------------------------------------------------------------------------------- */

static int see_event(void *ctx, const char *file, uint64_t line_no, const struct cb_event *ev,
		     const char *line, size_t len, struct cb_err *err)
{
	struct gather *q = ctx;
	struct cb_gathered_run *r = NULL;
	char id[CB_RUN_ID];
	bool inside;

	(void)file;
	(void)line_no;
	if (!ev) {
		q->g->not_events++;
		return 0;
	}
	inside = ev->t_us >= q->from_us && ev->t_us < q->to_us;
	if (cb_json_str(ev->json, cb_json_get(ev->json, ev->data, "run"), id, sizeof(id)) == 0)
		r = run_of(q->g, id);
	if (r && !r->line && cb_json_eq(ev->json, ev->type, "cb.run")) {
		r->line = strndup(line, len);
		if (!r->line)
			return cb_err_nomem(err);
		r->len = len;
	}
	if (!inside)
		return 0;
	if (r)
		r->used = true;
	q->g->n_events++;
	return add_line(&q->g->events, line, len, err) < 0 ? -1 : mark(q, ev, err);
}

/* --- gaps --------------------------------------------------------------------------------------- */

static int see_hole(void *ctx, const char *camera, const struct cb_hole *h, struct cb_err *err)
{
	struct gather *q = ctx;

	if (cb_describe_hole(&q->line, camera, h, err) < 0)
		return -1;
	q->g->n_gaps++;
	return add_line(&q->g->gaps, (const char *)q->line.data, q->line.len, err);
}

/* The first and the last moment of which the store has footage. */
static int extent(const struct cb_store *s, const char *camera, const struct cb_index *index, int64_t *first,
		  int64_t *last, struct cb_err *err)
{
	struct cb_segments l = { 0 };

	if (cb_store_segments(s, camera, INT64_MIN, INT64_MAX, index, &l, err) < 0)
		return -1;
	*first = INT64_MAX;
	*last = INT64_MIN;
	for (size_t i = 0; i < l.n; i++) {
		*first = l.v[i].end.from_ns < *first ? l.v[i].end.from_ns : *first;
		*last = l.v[i].end.to_ns > *last ? l.v[i].end.to_ns : *last;
	}
	cb_segments_release(&l);
	return 0;
}

static int see_edge(struct gather *q, const char *camera, int64_t from, int64_t to, const char *text, struct cb_err *err)
{
	struct cb_hole h = { .reason = CB_GAP_STORE, .from_ns = from, .to_ns = to };

	strcpy(h.text, text);
	return see_hole(q, camera, &h, err);
}

int cb_gather(struct cb_gathered *ret, const struct cb_store *s, const char *camera, int64_t asked_from,
	      int64_t asked_to, int64_t given_from, int64_t given_to, struct cb_err *err)
{
	int64_t from = asked_from != INT64_MIN && asked_from < given_from ? asked_from : given_from;
	int64_t to = asked_to != INT64_MAX && asked_to > given_to ? asked_to : given_to;
	struct gather q = { .g = ret, .from_us = us(from), .to_us = us(to - 1) + 1 };
	struct cb_index *index = cb_index_open(s);
	int64_t first, last;
	int k = -1;

	memset(ret, 0, sizeof(*ret));
	if (cb_events_read(s, camera, from < INT64_MIN + RUN_AROUND_NS ? from : from - RUN_AROUND_NS,
			   to > INT64_MAX - RUN_AROUND_NS ? to : to + RUN_AROUND_NS, see_event, &q, err) < 0 ||
	    extent(s, camera, index, &first, &last, err) < 0)
		goto out;
	if (asked_from != INT64_MIN && asked_from < first &&
	    see_edge(&q, camera, asked_from, first, "before the first footage that the store has", err) < 0)
		goto out;
	if (cb_store_holes(s, camera, from, to, index, see_hole, &q, err) < 0)
		goto out;
	if (asked_to != INT64_MAX && asked_to > last &&
	    see_edge(&q, camera, last, asked_to, "after the last footage that the store has", err) < 0)
		goto out;
	/* the readers end early then, and say nothing */
	if (cb_stop_wanted()) {
		cb_err_set(err, CB_E_TEMP, "stopped");
		goto out;
	}
	for (size_t i = 0; i < ret->n_run; i++)
		if (ret->run[i].used && ret->run[i].line) {
			ret->n_runs++;
			if (add_line(&ret->runs, ret->run[i].line, ret->run[i].len, err) < 0)
				goto out;
		}
	k = 0;
out:
	cb_buf_release(&q.line);
	cb_index_close(index);
	return k;
}

void cb_gathered_release(struct cb_gathered *g)
{
	cb_buf_release(&g->events);
	cb_buf_release(&g->gaps);
	cb_buf_release(&g->runs);
	cb_buf_release(&g->marks);
	for (size_t i = 0; i < g->n_run; i++)
		free(g->run[i].line);
	memset(g, 0, sizeof(*g));
}
