/* SPDX-License-Identifier: Apache-2.0 */
/* cb-query: what a store holds, as NDJSON or as a table. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "store/events.h"
#include "store/index.h"
#include "store/store.h"

enum verb { CAMERAS, SEGMENTS, GAPS, EVENTS, VERBS };
static const char *const verb_name[] = { "cameras", "segments", "gaps", "events" };

struct opts {
	const char *store, *camera, *type;
	int verb;
	int64_t from_ns, to_ns;
	int table;		/* -1: as the output is */
	bool no_index;
};

enum { OPT_CAMERA = CB_OPT_BASE, OPT_FROM, OPT_TO, OPT_TYPE, OPT_FORMAT, OPT_NO_INDEX };

static const struct argp_option options[] = {
	{ "camera", OPT_CAMERA, "NAME", 0, "Only this camera", 0 },
	{ "from", OPT_FROM, "TIME", 0, "Only what touches the time from here on", 0 },
	{ "to", OPT_TO, "TIME", 0, "Only what touches the time before this", 0 },
	{ "type", OPT_TYPE, "TYPE", 0, "events: only this type, or types that begin with TYPE and a dot", 0 },
	{ "format", OPT_FORMAT, "TYPE", 0, "ndjson or table (table on a terminal)", 0 },
	{ "no-index", OPT_NO_INDEX, NULL, 0, "Do not use the index; the answer is the same", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .verb = -1, .table = -1, .from_ns = INT64_MIN, .to_ns = INT64_MAX };
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		o->camera = arg;
		return 0;
	case OPT_FROM:
		o->from_ns = cb_cli_time_ns(st, "from", arg);
		return 0;
	case OPT_TO:
		o->to_ns = cb_cli_time_ns(st, "to", arg);
		return 0;
	case OPT_TYPE:
		o->type = arg;
		return 0;
	case OPT_FORMAT:
		if (strcmp(arg, "table") != 0 && strcmp(arg, "ndjson") != 0)
			argp_error(st, "--format: ndjson or table");
		o->table = strcmp(arg, "table") == 0;
		return 0;
	case OPT_NO_INDEX:
		o->no_index = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!o->store) {
			o->store = arg;
			return 0;
		}
		if (o->verb >= 0)
			argp_error(st, "too many operands");
		for (int v = 0; v < VERBS; v++)
			if (strcmp(arg, verb_name[v]) == 0)
				o->verb = v;
		if (o->verb < 0)
			argp_error(st, "'%s' is none of cameras, segments, gaps, events", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->store)
			argp_error(st, "no STORE");
		if (o->verb < 0)
			o->verb = CAMERAS;
		if (o->type && o->verb != EVENTS)
			argp_error(st, "--type goes with events");
		if (o->from_ns >= o->to_ns)
			argp_error(st, "--from is not before --to");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "STORE [cameras|segments|gaps|events]",
	.doc = "Say what a store holds. Nothing in it is changed.",
	.children = cb_cli_children,
};

struct query {
	const struct opts *o;
	const struct cb_store *s;
	const struct cb_index *index;
	struct cb_out *out;
	struct cb_buf line;
	bool head;		/* the table's first line is out */
	uint64_t rows;
};

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

static int put_line(struct query *q, struct cb_jw *w, struct cb_err *err)
{
	cb_jw_obj_end(w);
	if (cb_jw_done(w, err) < 0 || cb_buf_byte(&q->line, '\n') < 0)
		return cb_err_nomem(err);
	q->rows++;
	return cb_out_write(q->out, q->line.data, q->line.len, err);
}

static void begin(struct query *q, struct cb_jw *w, const char *camera)
{
	q->line.len = 0;
	cb_jw_init(w, &q->line);
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

/* A row of the table; the widths are the widest that each column can be. */
#define ROW_CAMERAS "%-20s %-27s %-27s %9s %14s %s\n"
#define ROW_SEGMENTS "%-20s %-27s %-27s %6s %8s %12s %-9s %s\n"
#define ROW_GAPS "%-20s %-27s %-27s %-9s %8s %s\n"
#define ROW_EVENTS "%-27s %-20s %-22s %s\n"

static int head(struct query *q, struct cb_err *err)
{
	if (q->head)
		return 0;
	q->head = true;
	switch (q->o->verb) {
	case CAMERAS:
		return cb_out_printf(q->out, err, ROW_CAMERAS, "CAMERA", "FROM", "TO", "SEGMENTS", "BYTES",
				     "STATE");
	case SEGMENTS:
		return cb_out_printf(q->out, err, ROW_SEGMENTS, "CAMERA", "FROM", "TO", "FRAGS",
				     "PACKETS", "BYTES", "STATE", "SEGMENT");
	case GAPS:
		return cb_out_printf(q->out, err, ROW_GAPS, "CAMERA", "FROM", "TO", "REASON", "PACKETS",
				     "TEXT");
	default:
		return cb_out_printf(q->out, err, ROW_EVENTS, "TIME", "CAMERA", "TYPE", "DATA");
	}
}

static void cell(char out[static 24], uint64_t v)
{
	snprintf(out, 24, "%" PRIu64, v);
}

static int put_camera(struct query *q, const char *camera, const struct cb_segments *l, struct cb_err *err)
{
	char from[CB_TIME_LEN], to[CB_TIME_LEN], n[24], b[24];
	int64_t a = INT64_MAX, z = INT64_MIN;
	uint64_t bytes = 0, open = 0, damaged = 0, packets = 0;
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
	if (!q->o->table) {
		begin(q, &w, camera);
		if (l->n)
			times(&w, a, z);
		cb_jw_ku64(&w, "segments", l->n);
		cb_jw_ku64(&w, "open", open);
		cb_jw_ku64(&w, "damaged", damaged);
		cb_jw_ku64(&w, "packets", packets);
		cb_jw_ku64(&w, "bytes", bytes);
		return put_line(q, &w, err);
	}
	cb_time_format_us(from, us(a));
	cb_time_format_us(to, us(z));
	cell(n, l->n);
	cell(b, bytes);
	q->rows++;
	return head(q, err) < 0 ||
	       cb_out_printf(q->out, err, ROW_CAMERAS, camera, l->n ? from : "-", l->n ? to : "-", n, b,
			     damaged ? "damaged" : open ? "open" : "sealed") < 0 ? -1 : 0;
}

static int put_segment(struct query *q, const struct cb_segment *g, struct cb_err *err)
{
	char path[CB_SEGMENT_PATH], hex[CB_SHA256_HEX], from[CB_TIME_LEN], to[CB_TIME_LEN];
	char f[24], p[24], b[24];
	struct cb_jw w;

	cb_segment_path(path, g);
	if (!q->o->table) {
		begin(q, &w, g->camera);
		cb_jw_kstr(&w, "segment", path);
		cb_jw_kstr(&w, "state", cb_segment_state_name(g->state));
		times(&w, g->end.from_ns, g->end.to_ns);
		cb_jw_kstr(&w, "recording", g->recording);
		cb_jw_ku64(&w, "index", g->index);
		cb_jw_ku64(&w, "fragments", g->end.fragments);
		cb_jw_ku64(&w, "packets", g->end.packets);
		cb_jw_ku64(&w, "bytes", g->end.bytes);
		cb_jw_ku64(&w, "gaps", g->end.gaps);
		cb_jw_kstr(&w, "reason", g->end.reason);
		cb_hex(hex, g->digest, CB_SHA256_LEN);
		if (g->state == CB_SEGMENT_SEALED)
			cb_jw_kstr(&w, "manifest_sha256", hex);
		return put_line(q, &w, err);
	}
	cb_time_format_us(from, us(g->end.from_ns));
	cb_time_format_us(to, us(g->end.to_ns));
	cell(f, g->end.fragments);
	cell(p, g->end.packets);
	cell(b, g->end.bytes);
	q->rows++;
	return head(q, err) < 0 ||
	       cb_out_printf(q->out, err, ROW_SEGMENTS, g->camera, from, to, f, p, b,
			     g->state == CB_SEGMENT_SEALED ? g->end.reason :
			     cb_segment_state_name(g->state), path) < 0 ? -1 : 0;
}

static int put_hole(void *ctx, const char *camera, const struct cb_hole *h, struct cb_err *err)
{
	char from[CB_TIME_LEN], to[CB_TIME_LEN], n[24], text[256];
	struct query *q = ctx;
	struct cb_jw w;

	if (!q->o->table) {
		begin(q, &w, camera);
		cb_jw_kstr(&w, "reason", cb_gap_reason_name(h->reason));
		times(&w, h->from_ns, h->to_ns);
		cb_jw_ku64(&w, "packets", h->packets);
		cb_jw_ku64(&w, "bytes", h->bytes);
		cb_jw_kstr(&w, "text", h->text);
		return put_line(q, &w, err);
	}
	cb_time_format_us(from, us(h->from_ns));
	cb_time_format_us(to, us(h->to_ns));
	cell(n, h->packets);
	cb_text_safe(text, sizeof(text), h->text, strlen(h->text), false);
	q->rows++;
	return head(q, err) < 0 ||
	       cb_out_printf(q->out, err, ROW_GAPS, camera, from, to, cb_gap_reason_name(h->reason), n,
			     text) < 0 ? -1 : 0;
}

static bool type_wanted(const struct query *q, const char *type)
{
	size_t n = q->o->type ? strlen(q->o->type) : 0;

	return !n || (strncmp(type, q->o->type, n) == 0 && (!type[n] || type[n] == '.'));
}

static int put_event(void *ctx, const char *file, uint64_t line_no, const struct cb_event *ev,
		     const char *line, size_t len, struct cb_err *err)
{
	char type[200] = "", time[CB_TIME_LEN] = "-", camera[100] = "-", data[400];
	struct query *q = ctx;
	size_t from, n;

	if (!ev) {	/* cb-store check says more */
		cb_cli_warn("%s: line %" PRIu64 " is no event", file, line_no);
		return 0;
	}
	if (cb_json_str(ev->json, ev->type, type, sizeof(type)) < 0 && q->o->type)
		return 0;
	if (!type_wanted(q, type))
		return 0;
	q->rows++;
	if (!q->o->table)
		return cb_out_write(q->out, line, len, err) < 0 || cb_out_write(q->out, "\n", 1, err) < 0 ?
		       -1 : 0;
	if (ev->t_us != INT64_MIN)
		cb_time_format_us(time, ev->t_us);
	if (ev->subject != CB_JSON_NONE)
		cb_json_str(ev->json, ev->subject, camera, sizeof(camera));
	from = ev->json->tok[ev->data].start;
	n = ev->json->tok[ev->data].end - from;
	cb_text_safe(data, sizeof(data), line + from, n, false);
	cb_text_safe(type, sizeof(type), type, strlen(type), false);
	cb_text_safe(camera, sizeof(camera), camera, strlen(camera), false);
	return head(q, err) < 0 ||
	       cb_out_printf(q->out, err, ROW_EVENTS, time, camera, type, data) < 0 ? -1 : 0;
}

static int query_camera(struct query *q, const char *camera, struct cb_err *err)
{
	const struct opts *o = q->o;
	struct cb_segments l = { 0 };
	int ret = -1;

	if (o->verb == EVENTS)
		return cb_events_read(q->s, camera, o->from_ns, o->to_ns, put_event, q, err);
	if (o->verb == GAPS)
		return cb_store_holes(q->s, camera, o->from_ns, o->to_ns, q->index, put_hole, q, err);
	if (cb_store_segments(q->s, camera, o->from_ns, o->to_ns, q->index, &l, err) < 0)
		return -1;
	if (o->verb == CAMERAS) {
		ret = put_camera(q, camera, &l, err);
		goto out;
	}
	for (size_t i = 0; i < l.n && !cb_stop_wanted(); i++)
		if (put_segment(q, &l.v[i], err) < 0)
			goto out;
	ret = 0;
out:
	cb_segments_release(&l);
	return ret;
}

static int run(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct query q = { .o = o, .out = out };
	struct cb_index *index = NULL;
	struct cb_names cameras = { 0 };
	struct cb_store s = { -1, -1 };
	bool seen = false;
	int ret = -1;

	if (cb_store_open(&s, o->store, err) < 0)
		return -1;
	q.s = &s;
	if (!o->no_index && o->verb != EVENTS)
		q.index = index = cb_index_open(&s);
	if (cb_store_cameras(&s, &cameras, err) < 0)
		goto out;
	for (size_t i = 0; i < cameras.n && !cb_stop_wanted(); i++) {
		if (o->camera && strcmp(o->camera, cameras.v[i]) != 0)
			continue;
		seen = true;
		if (query_camera(&q, cameras.v[i], err) < 0)
			goto out;
	}
	if (o->camera && !seen) {
		cb_err_set(err, CB_E_NOINPUT, "no camera %s in the store", o->camera);
		goto out;
	}
	ret = 0;
out:
	if (ret < 0)
		cb_err_prefix(err, "%s", o->store);
	cb_index_close(index);
	cb_names_release(&cameras);
	cb_buf_release(&q.line);
	cb_store_close(&s);
	return ret;
}

int main(int argc, char **argv)
{
	static struct cb_out out;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	struct opts o;
	int ofd;

	cb_cli_parse("cb-query", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (o.table < 0)
		o.table = isatty(STDOUT_FILENO);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0) {
		cb_out_init(&out, ofd);
		run(&o, &out, &err);
		if (cb_out_close(&out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
