/* SPDX-License-Identifier: Apache-2.0 */
/* cb-store: put events into a store, check it, index it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "store/check.h"
#include "store/describe.h"
#include "store/events.h"
#include "store/index.h"
#include "store/store.h"

#define BATCH_BYTES (1u << 20)		/* events that share one sync */
#define BATCH_NS (CB_NS_PER_S / 4)

enum verb { PUT, CHECK, REINDEX };

struct opts {
	int verb;
	const char *store, *camera;
	bool tee;
};

enum { OPT_TEE = CB_OPT_BASE, OPT_CAMERA };

static const struct argp_option options[] = {
	{ "tee", OPT_TEE, NULL, 0, "put: pass a whole frame stream on, not its events alone", 0 },
	{ "camera", OPT_CAMERA, "NAME", 0, "check: only this camera", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case ARGP_KEY_INIT:
		o->verb = -1;
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_TEE:
		o->tee = true;
		return 0;
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		o->camera = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->verb < 0) {
			o->verb = cb_cli_word(st, NULL, "put|check|reindex", arg);
			return 0;
		}
		if (o->store)
			argp_error(st, "too many operands");
		o->store = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->verb < 0)
			argp_error(st, "one of put, check, reindex is needed");
		if (!o->store)
			argp_error(st, "no STORE");
		if (o->tee && o->verb != PUT)
			argp_error(st, "--tee goes with put");
		if (o->camera && o->verb != CHECK)
			argp_error(st, "--camera goes with check");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "put|check|reindex STORE",
	.doc = "Keep a store.\v"
	       "put appends the events on standard input to the store and passes them on;\n"
	       "check reads everything and compares it with its digests; reindex builds the\n"
	       "index that makes cb-query faster.",
	.children = cb_cli_children,
};

/* --- put ------------------------------------------------------------------------------------------ */

struct put {
	struct cb_events *events;
	struct cb_out *out;	/* lines; holds back what is not yet on the disk */
	struct cb_buf held;
	struct cb_writer *tee;
	int64_t last;
	uint64_t refused;
	bool closed;			/* nobody takes the lines any more: storing goes on */
	/* the first line refused; what failed while flushing; what closed the output */
	struct cb_err first, late, output;
};

static void output_gone(struct put *p, const struct cb_err *why)
{
	p->closed = true;
	if (why->sys != EPIPE)
		p->output = *why;
	cb_cli_warn("%s; storing goes on", why->sys == EPIPE ? "nobody reads the output any more" : why->msg);
	if (!cb_cli_quiet)	/* said once is enough; the exit status comes at the end */
		p->output.msg[0] = '\0';
}

/* On the disk first, then out: whoever sees a line knows that it is stored. */
static int settle(struct put *p, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;

	p->last = cb_now_mono_ns();
	if (cb_events_flush(p->events, err) < 0)
		return -1;
	if (!p->tee && !p->closed && (cb_out_write(p->out, p->held.data, p->held.len, &why) < 0 ||
				      cb_out_flush(p->out, &why) < 0))
		output_gone(p, &why);
	p->held.len = 0;
	return 0;
}

static void settle_idle(void *ctx)
{
	struct put *p = ctx;

	if (!p->late.code && (cb_events_pending(p->events) || p->held.len))
		settle(p, &p->late);
}

static void refuse(struct put *p, const char *why)
{
	if (!p->refused++)
		cb_err_set(&p->first, CB_E_DATA, "stdin: %.400s", why);
}

static int put_line(struct put *p, uint64_t number, const char *line, size_t len, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;

	if (cb_events_add(p->events, NULL, line, len, &why) < 0) {
		if (why.code != CB_E_DATA) {
			*err = why;
			return -1;
		}
		cb_err_prefix(&why, "line %" PRIu64, number);
		refuse(p, why.msg);
	}
	if (p->tee || p->closed)
		return 0;
	if (cb_buf_add(&p->held, line, len) < 0 || cb_buf_byte(&p->held, '\n') < 0)
		return cb_err_nomem(err);
	return 0;
}

static int put(const struct opts *o, const struct cb_store *s, int ofd, struct cb_err *err)
{
	static struct cb_out out;
	struct cb_writer w;
	struct cb_evin in;
	struct put p = { .out = &out, .last = cb_now_mono_ns() };
	struct cb_events_totals t;
	struct cb_sink sink = { 0 };
	struct cb_end end = { 0 };
	struct cb_frame f = { 0 };
	const char *line;
	size_t len;
	int k, ret = -1;

	cb_out_init(&out, ofd);
	cb_writer_init(&w, ofd);
	w.tolerant = true;
	cb_evin_init(&in, STDIN_FILENO);
	in.before_block = settle_idle;
	in.ctx = &p;
	if (cb_events_open(&p.events, s, true, err) < 0)
		goto out;
	sink.ndjson = &out;
	for (;;) {
		k = cb_evin_next(&in, &line, &len, &f, err);
		if (k < 0 && err->code == CB_E_DATA && !in.frames) {	/* the next line may do */
			refuse(&p, err->msg);
			*err = (struct cb_err)CB_ERR_INIT;
			continue;
		}
		if (k <= 0)
			break;
		if (o->tee && !in.frames) {
			cb_err_set(err, CB_E_DATA, "stdin: --tee needs a frame stream");
			goto out;
		}
		if (o->tee && !p.tee) {
			p.tee = sink.tee = &w;
			sink.ndjson = NULL;
		}
		if (line && put_line(&p, in.line, line, len, err) < 0)
			goto out;
		if (in.frames && f.type == CB_FRAME_END)
			cb_end_parse(&end, &f, NULL);
		else if (p.tee && !p.closed && cb_sink_frame(&sink, &f, err) < 0)
			goto out;
		if (w.broken && !p.closed)
			output_gone(&p, &(struct cb_err){ .sys = EPIPE });
		if (cb_events_pending(p.events) >= BATCH_BYTES || p.held.len >= BATCH_BYTES ||
		    (cb_events_pending(p.events) && cb_now_mono_ns() - p.last >= BATCH_NS))
			if (settle(&p, err) < 0)
				goto out;
		if (p.late.code)
			break;
	}
	if (p.late.code) {
		*err = p.late;
		goto out;
	}
	if (settle(&p, k < 0 ? NULL : err) < 0 || k < 0) {
		if (k < 0 && err->code == CB_E_DATA)
			cb_err_prefix(err, "stdin");
		goto out;
	}
	ret = cb_evin_finish(&in, err) < 0 ? cb_err_prefix(err, "stdin") : 0;
	cb_events_totals(p.events, &t);
	cb_cli_note("%" PRIu64 " events stored, %" PRIu64 " were there already", t.stored, t.known);
	if (t.unwatched)
		cb_cli_warn("%" PRIu64 " events were not compared, because their hours have so many; some "
			    "may be stored twice", t.unwatched);
	if (ret == 0 && p.refused) {
		*err = p.first;
		if (p.refused > 1)
			cb_cli_warn("%" PRIu64 " lines were not stored", p.refused);
		ret = -1;
	}
out:
	if (ret == 0 && p.output.code) {
		*err = p.output;
		ret = -1;
	}
	if (!p.closed && (sink.ndjson || sink.tee)) {
		struct cb_err late = CB_ERR_INIT;

		if (cb_sink_close(&sink, in.frames && (in.reader.ended || cb_stop_wanted()),
				  in.reader.ended ? end.reason : CB_END_STOPPED, &late) < 0 && ret == 0) {
			*err = late;
			ret = -1;
		}
	}
	cb_evin_release(&in);
	cb_events_free(p.events);
	cb_buf_release(&p.held);
	return ret;
}

/* --- check, reindex ------------------------------------------------------------------------------- */

struct report { struct cb_out *out; struct cb_buf line; uint32_t n; };

static int report_line(struct report *r, struct cb_err *err)
{
	if (cb_buf_byte(&r->line, '\n') < 0)
		return cb_err_nomem(err);
	return cb_out_write(r->out, r->line.data, r->line.len, err);
}

static int on_finding(void *ctx, const char *camera, const char *path, int64_t fragment,
		      const char *text, struct cb_err *err)
{
	struct report *r = ctx;

	if (cb_describe_finding(&r->line, r->n++, camera, path, fragment, text, err) < 0)
		return -1;
	return report_line(r, err);
}

static int check(const struct opts *o, const struct cb_store *s, int ofd, struct cb_err *err)
{
	static struct cb_out out;
	struct cb_err late = CB_ERR_INIT;
	struct report r = { .out = &out };
	struct cb_check_totals t;
	int ret;

	cb_out_init(&out, ofd);
	ret = cb_check(s, o->camera, on_finding, &r, &t, err);
	if (ret == 0)
		ret = cb_describe_checked(&r.line, o->camera, &t, !cb_stop_wanted(), err) < 0 ? -1 :
		      report_line(&r, err);
	if (cb_out_close(&out, &late) < 0 && ret == 0) {
		*err = late;
		ret = -1;
	}
	cb_buf_release(&r.line);
	if (ret == 0 && t.findings)
		ret = cb_err_set(err, CB_E_NO, "%" PRIu64 " things are not what they should be", t.findings);
	return ret;
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_store s = { -1, -1 };
	struct opts o = { 0 };
	uint64_t n = 0;
	int ofd, ret = -1;

	cb_cli_parse("cb-store", &argp, argc, argv, &o);
	cb_stop_install(o.verb == PUT);
	if (o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		return cb_cli_finish(&err);
	if ((o.verb == PUT ? cb_store_create(&s, o.store, &err) : cb_store_open(&s, o.store, &err)) < 0)
		return cb_cli_finish(&err);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0) {
		if (o.verb == PUT)
			ret = put(&o, &s, ofd, &err);
		else if (o.verb == CHECK)
			ret = check(&o, &s, ofd, &err);
		else if ((ret = cb_index_build(&s, &n, &err)) == 0)
			cb_cli_note("%" PRIu64 " segments", n);
		if (ret < 0 && err.code != CB_E_DATA && *err.msg)
			cb_err_prefix(&err, "%s", o.store);
	}
	cb_store_close(&s);
	return cb_cli_finish(&err);
}
