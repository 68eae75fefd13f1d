/* SPDX-License-Identifier: Apache-2.0 */
/* cb-query: what a store holds, as NDJSON or as a table. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "cli/rows.h"
#include "store/describe.h"
#include "store/events.h"
#include "store/hold.h"
#include "store/index.h"
#include "store/store.h"

enum verb { CAMERAS, SEGMENTS, GAPS, EVENTS, HOLDS, KEYS, VERBS };
#define WHAT "cameras|segments|gaps|events|holds|keys"

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
		o->table = cb_cli_word(st, "format", "ndjson|table", arg);
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
		o->verb = cb_cli_word(st, NULL, WHAT, arg);
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
	.options = options, .parser = parse_opt, .args_doc = "STORE [" WHAT "]",
	.doc = "Say what a store holds. Nothing in it is changed.",
	.children = cb_cli_children,
};

/* The columns of each table, by the fields of the NDJSON line that they show. */
static const struct cb_cli_column columns[VERBS][CB_CLI_TABLE_COLUMNS] = {
	[CAMERAS] = { { "camera", "CAMERA", 0 }, { "from_us", "FROM", 't' }, { "to_us", "TO", 't' },
		      { "segments", "SEGMENTS", 'n' }, { "bytes", "BYTES", 'n' }, { "state", "STATE", 0 } },
	[SEGMENTS] = { { "camera", "CAMERA", 0 }, { "from_us", "FROM", 't' }, { "to_us", "TO", 't' },
		       { "fragments", "FRAGS", 'n' }, { "packets", "PACKETS", 'n' },
		       { "bytes", "BYTES", 'n' }, { "state", "STATE", 0 }, { "reason", "REASON", 0 },
		       { "segment", "SEGMENT", 0 } },
	[GAPS] = { { "camera", "CAMERA", 0 }, { "from_us", "FROM", 't' }, { "to_us", "TO", 't' },
		   { "reason", "REASON", 0 }, { "packets", "PACKETS", 'n' }, { "text", "TEXT", 0 } },
	[EVENTS] = { { "data.t_us", "TIME", 't' }, { "subject", "CAMERA", 0 }, { "type", "TYPE", 0 },
		     { "data", "DATA", 0 } },
	[KEYS] = { { "camera", "CAMERA", 0 }, { "from_us", "FROM", 't' }, { "to_us", "TO", 't' },
		   { "segments", "SEGMENTS", 'n' }, { "bytes", "BYTES", 'n' }, { "state", "STATE", 0 }, { "key", "KEY", 0 } },
	[HOLDS] = { { "holder", "HOLDER", 0 }, { "camera", "CAMERA", 0 }, { "from_us", "FROM", 't' },
		    { "to_us", "TO", 't' }, { "set_us", "SET", 't' }, { "reason", "REASON", 0 } },
};

struct query {
	const struct opts *o;
	const struct cb_store *s;
	const struct cb_index *index;
	struct cb_cli_rows rows;
};

static int put_hole(void *ctx, const char *camera, const struct cb_hole *h, struct cb_err *err)
{
	struct query *q = ctx;

	return cb_describe_hole(&q->rows.line, camera, h, err) < 0 ? -1 : cb_cli_rows_put(&q->rows, err);
}

static bool type_wanted(const struct query *q, const struct cb_event *ev)
{
	const char *want = q->o->type;
	size_t n = want ? strlen(want) : 0;
	char type[1024];

	if (!n)
		return true;
	/* one that is too long for us is none that was asked for */
	if (cb_json_str(ev->json, ev->type, type, sizeof(type)) < 0)
		return false;
	return strncmp(type, want, n) == 0 && (!type[n] || type[n] == '.');
}

static int put_event(void *ctx, const char *file, uint64_t line_no, const struct cb_event *ev,
		     const char *line, size_t len, struct cb_err *err)
{
	struct query *q = ctx;
	struct cb_cli_rows *r = &q->rows;

	if (!ev) {	/* cb-store check says more */
		cb_cli_warn("%s: line %" PRIu64 " is no event", file, line_no);
		return 0;
	}
	if (!type_wanted(q, ev))
		return 0;
	if (!r->as_table)
		return cb_out_write(r->out, line, len, err) < 0 || cb_out_write(r->out, "\n", 1, err) < 0 ? -1 : 0;
	if (ev->t_us != INT64_MIN)	/* `time`, where data has none */
		cb_cli_table_time(&r->table, r->column, ev->t_us);
	cb_cli_rows_cells(r, ev->json, r->column + 1);
	return cb_cli_table_row(&r->table, err);
}

static int put_keys(struct query *q, const char *camera, const struct cb_segments *l, struct cb_err *err)
{
	struct cb_key_use *u;
	size_t n;
	int ret = cb_key_uses(l, &u, &n, err);

	if (ret < 0)
		return -1;
	for (size_t i = 0; i < n && ret == 0; i++)
		ret = cb_describe_key(&q->rows.line, camera, &u[i], cb_day_key_state(q->s, camera, u[i].name), err) < 0 ? -1 :
		      cb_cli_rows_put(&q->rows, err);
	free(u);
	return ret;
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
		ret = cb_describe_camera(&q->rows.line, camera, &l, err) < 0 ? -1 : cb_cli_rows_put(&q->rows, err);
		goto out;
	}
	if (o->verb == KEYS) {
		ret = put_keys(q, camera, &l, err);
		goto out;
	}
	for (size_t i = 0; i < l.n && !cb_stop_wanted(); i++)
		if (cb_describe_segment(&q->rows.line, &l.v[i], err) < 0 || cb_cli_rows_put(&q->rows, err) < 0)
			goto out;
	ret = 0;
out:
	cb_segments_release(&l);
	return ret;
}

static int query_holds(struct query *q, struct cb_err *err)
{
	const struct opts *o = q->o;
	struct cb_holds l;
	int ret = cb_holds_read(q->s, &l, err);

	for (size_t i = 0; ret == 0 && i < l.n; i++) {
		const struct cb_hold *h = &l.v[i];

		if (o->camera && *h->camera && strcmp(h->camera, o->camera) != 0)
			continue;
		if (h->to_ns > o->from_ns && h->from_ns < o->to_ns &&
		    (cb_describe_hold(&q->rows.line, h, err) < 0 || cb_cli_rows_put(&q->rows, err) < 0))
			ret = -1;
	}
	cb_holds_release(&l);
	return ret;
}

static int run(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct cb_store s = { .fd = -1, .cameras = -1 };
	struct query q = { .o = o, .s = &s };
	struct cb_index *index = NULL;
	struct cb_names cameras = { 0 };
	bool seen = false;
	int ret = -1;

	if (cb_store_open(&s, o->store, err) < 0)
		return -1;
	if (cb_cli_sandbox(&(struct cb_sandbox){ .read = { o->store } }, err) < 0) {
		cb_store_close(&s);
		return -1;
	}
	if (cb_cli_rows_open(&q.rows, out, columns[o->verb], o->table, err) < 0)
		goto out;
	if (o->verb == HOLDS) {
		ret = query_holds(&q, err);
		goto out;
	}
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
	ret = cb_cli_rows_end(&q.rows, ret, err);
	if (ret < 0)
		cb_err_prefix(err, "%s", o->store);
	cb_index_close(index);
	cb_names_release(&cameras);
	cb_cli_rows_release(&q.rows);
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
	ofd = cb_stdout_take(&err);
	if (ofd >= 0) {
		cb_out_init(&out, ofd);
		run(&o, &out, &err);
		if (cb_out_close(&out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
