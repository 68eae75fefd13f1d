/* SPDX-License-Identifier: Apache-2.0 */
/* cb-record: a frame stream into a store, append-only, hash-listed, crash-safe. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "log/logbook.h"
#include "store/pulse.h"
#include "store/recorder.h"
#include "wire/event.h"

struct opts {
	const char *store, *camera, *log, *metrics;
	bool tee;
	int64_t segment_ns, sync_ns;
	struct cb_age_to to;
};

enum { OPT_TEE = CB_OPT_BASE, OPT_SEGMENT, OPT_CAMERA, OPT_SYNC, OPT_LOG, OPT_METRICS };

static const struct argp_option options[] = {
	{ "tee", OPT_TEE, NULL, 0, "Pass the frame stream on, events inside it", 0 },
	{ "segment", OPT_SEGMENT, "DURATION", 0,
	  "Cut at the first keyframe after so long (60s; 1s to 24h)", 0 },
	{ "camera", OPT_CAMERA, "NAME", 0, "Store under this name, not the stream's", 0 },
	{ "sync-interval", OPT_SYNC, "DURATION", 0,
	  "Have everything on the disk at least so often (1s; 0: each fragment)", 0 },
	{ "recipient", 'r', "TEXT", 0, "Encrypt the footage for this age1... key; may be repeated", 0 },
	{ "recipients-file", 'R', "FILE", 0, "Encrypt it for those in this file", 0 },
	{ "log", OPT_LOG, "DIR", 0, "Log what is recorded here, see cb-audit(1)", 0 },
	{ "metrics", OPT_METRICS, "FILE", 0, "Keep FILE up to date for Prometheus", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;
	struct cb_err err = CB_ERR_INIT;

	switch (key) {
	case ARGP_KEY_INIT:
		o->segment_ns = 60 * CB_NS_PER_S;
		o->sync_ns = CB_NS_PER_S;
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_TEE: o->tee = true; return 0;
	case OPT_SEGMENT:
		o->segment_ns = cb_cli_duration_in(st, "segment", arg, CB_NS_PER_S, CB_SEGMENT_NS_MAX, "from 1s to 24h");
		return 0;
	case OPT_SYNC:
		o->sync_ns = cb_cli_duration_in(st, "sync-interval", arg, 0, 3600 * CB_NS_PER_S, "at most 1h");
		return 0;
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		o->camera = arg;
		return 0;
	case 'r':
		if (cb_age_to_add(&o->to, arg, &err) < 0)
			argp_error(st, "--recipient: %s", err.msg);
		return 0;
	case 'R':
		if (cb_age_to_file(&o->to, arg, &err) < 0)
			exit(cb_cli_finish(&err));
		return 0;
	case OPT_LOG: o->log = arg; return 0;
	case OPT_METRICS: o->metrics = arg; return 0;
	case ARGP_KEY_ARG:
		if (o->store)
			argp_error(st, "too many operands");
		o->store = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->store)
			argp_error(st, "no STORE");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "STORE",
	.doc = "Record the frame stream on standard input into STORE.\v"
	       "STORE is made where there is none. Events about the recording go to standard\n"
	       "output, or into the stream with --tee, and into the store.",
	.children = cb_cli_children,
};

struct state {
	struct cb_sink *sink;
	struct cb_recorder *rec;
	struct cb_sealer *seal;
	struct cb_logbook *log;
	struct cb_pulse pulse;
	int in;
	bool begun;			/* HELLO was passed on */
	bool closed;			/* our reader is gone; the recording goes on */
	bool told;			/* so we have said that of a tee */
	struct cb_err out, idle;	/* first failure of the output; of work done while waiting */
	struct cb_err damage;		/* first damage in the input */
	uint64_t damages;
	bool pictures;
};

/* The output failed: that must not cost footage. */
static void output_failed(struct state *s, struct cb_err *err)
{
	bool gone = err->sys == EPIPE;

	if (!s->closed) {
		s->out = *err;
		cb_cli_warn("%s; recording goes on", gone ? "nobody reads the output any more" : err->msg);
	}
	s->closed = true;
	*err = (struct cb_err)CB_ERR_INIT;
}

static void on_log(void *ctx, const struct cb_buf *line)
{
	cb_logbook_say(((struct state *)ctx)->log, line);
}

static int on_event(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	struct state *s = ctx;

	if (!s->closed && cb_sink_event(s->sink, line, err) < 0)
		output_failed(s, err);
	return 0;
}

/* The next read would block: flush, and do what the recorder has to do by the clock. */
static void while_waiting(void *ctx)
{
	struct pollfd p = { .events = POLLIN };
	struct state *s = ctx;

	p.fd = s->in;
	for (;;) {
		int ms = s->rec ? cb_recorder_idle(s->rec, &s->idle) : -1;
		int beat = cb_pulse_beat(&s->pulse, s->rec);

		if (ms < 0 || (beat >= 0 && beat < ms))
			ms = beat;
		cb_logbook_tick(s->log);
		if (!s->closed)
			cb_sink_flush(s->sink);
		if (s->idle.code)	/* it is over: whoever starts us again shall not wait for a frame */
			cb_stop_ask();
		if (ms < 0 || cb_stop_wanted() || poll(&p, 1, ms) != 0)
			return;
	}
}

static void damage(struct state *s, const char *why)
{
	if (!s->damages++)
		cb_err_set(&s->damage, CB_E_DATA, "stdin: %s", why);
}

/* One frame after HELLO. -1: the recording is over. */
static int one_frame(struct state *s, const struct cb_reader *r, const struct cb_frame *f,
		     struct cb_err *err)
{
	struct cb_gap g;

	if (!s->closed && cb_sink_frame(s->sink, f, err) < 0)
		output_failed(s, err);
	if (s->sink->tee && s->sink->tee->broken && !s->told) {
		s->told = true;
		cb_cli_warn("nobody reads the output any more; recording goes on");
	}
	if (f->type == CB_FRAME_GAP && f->payload == r->gap && cb_gap_parse(&g, f, NULL) == 0)
		damage(s, g.text);
	if (f->type == CB_FRAME_PICTURE && !s->pictures) {
		s->pictures = true;
		cb_cli_warn("raw pictures are not recorded");
	}
	cb_logbook_tick(s->log);	/* also where the input never pauses */
	if (cb_recorder_frame(s->rec, f, err) < 0) {
		if (cb_recorder_dead(s->rec) || err->code != CB_E_DATA)
			return -1;
		damage(s, err->msg);	/* a frame that makes no sense; the next may */
		*err = (struct cb_err)CB_ERR_INIT;
	}
	if (s->idle.code) {
		*err = s->idle;
		return -1;
	}
	cb_pulse_beat(&s->pulse, s->rec);
	return 0;
}

static int record(const struct opts *o, struct state *s, struct cb_reader *r, const struct cb_store *store,
		  uint16_t *ret_end, struct cb_err *err)
{
	struct cb_recorder_opts ro = { .recorder = "cb-record " CB_VERSION, .camera = o->camera,
				       .segment_ns = o->segment_ns, .sync_ns = o->sync_ns, .seal = s->seal,
				       .log = on_log, .event = on_event, .warn = cb_cli_warn_text, .ctx = s };
	struct cb_recorder_totals t;
	const char *reason = "error";
	struct cb_end e = { 0 };
	struct cb_frame f;
	int k, ret = -1;

	k = cb_reader_next(r, &f, err);
	if (k <= 0) {
		if (k < 0 && err->code == CB_E_DATA)
			cb_err_prefix(err, "stdin");
		return k < 0 || cb_reader_finish(r, err) < 0 ? -1 : 0;
	}
	if (cb_recorder_open(&s->rec, store, &f, &ro, err) < 0)
		return cb_err_prefix(err, "%s", o->store);
	s->begun = true;
	if (cb_sink_frame(s->sink, &f, err) < 0)
		output_failed(s, err);
	r->resync = true;	/* from here on damage is a gap, and no reason to stop */
	while ((k = cb_reader_next(r, &f, err)) > 0) {
		if (f.type == CB_FRAME_END)
			cb_end_parse(&e, &f, NULL);
		if (one_frame(s, r, &f, err) < 0) {
			cb_err_prefix(err, "%s", o->store);
			goto out;
		}
	}
	if (s->idle.code) {
		*err = s->idle;
		cb_err_prefix(err, "%s", o->store);
		goto out;
	}
	if (k == 0)
		reason = r->ended ? "end" : cb_stop_wanted() ? "stopped" : "died";
	ret = k;
out:
	if (cb_recorder_close(s->rec, reason, ret < 0 ? NULL : err) < 0 && ret == 0)
		ret = cb_err_prefix(err, "%s", o->store);
	*ret_end = ret < 0 ? CB_END_ERROR : r->ended ? e.reason : CB_END_STOPPED;
	cb_recorder_totals(s->rec, &t);
	cb_cli_note("%" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " segments, %" PRIu64 " gaps",
		    t.packets, t.bytes, t.segments, t.gaps);
	cb_pulse_close(&s->pulse, s->rec);
	cb_recorder_free(s->rec);
	s->rec = NULL;
	if (ret < 0)
		return -1;
	if (r->damages && !s->damages)
		damage(s, r->trouble ? r->trouble : "damaged");
	if (s->damages) {
		*err = s->damage;
		return -1;
	}
	return cb_reader_finish(r, err) < 0 ? cb_err_prefix(err, "stdin") : 0;
}

/* For whom it is encrypted, if for anybody. */
static int keys(struct state *s, const struct cb_store *store, const struct opts *o, struct cb_err *err)
{
	return cb_sealer_new(&s->seal, store, &o->to, err) < 0 ? cb_err_prefix(err, "%s", o->store) : 0;
}

static int lock_in(const struct opts *o, struct cb_err *err)
{
	return cb_cli_sandbox(&(struct cb_sandbox){ .may = CB_MAY_THREAD, .write = { o->store, o->log }, .write_beside = { o->metrics },
						    .files = 1024 }, err);
}

int main(int argc, char **argv)
{
	static struct cb_out out;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	struct cb_store store = { .fd = -1, .cameras = -1 };
	struct cb_writer w;
	struct cb_sink sink = { 0 };
	struct state s = { .sink = &sink, .in = STDIN_FILENO, .pulse.notify.fd = -1 };
	struct opts o = { 0 };
	struct cb_reader r;
	uint16_t end = CB_END_ERROR;
	bool whole;
	int ofd;

	cb_cli_parse("cb-record", &argp, argc, argv, &o);
	cb_stop_install(true);
	if ((o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0) ||
	    cb_logbook_open(&s.log, o.log, cb_cli_warn_text, NULL, &err) < 0 ||
	    cb_store_create(&store, o.store, &err) < 0 || keys(&s, &store, &o, &err) < 0 ||
	    cb_pulse_open(&s.pulse, o.metrics, cb_cli_warn_text, NULL, &err) < 0 || (ofd = cb_stdout_take(&err)) < 0 ||
	    lock_in(&o, &err) < 0)
		goto out;
	if (o.tee) {
		cb_writer_init(&w, ofd);
		w.tolerant = true;
		sink.tee = &w;
	} else {
		cb_out_init(&out, ofd);
		sink.ndjson = &out;
	}
	cb_reader_init(&r, s.in);
	r.before_block = while_waiting;
	r.ctx = &s;
	record(&o, &s, &r, &store, &end, &err);
	/* a tee tells its reader of the end only where we were told of it, or made it ourselves */
	whole = r.ended || err.code == CB_OK || end == CB_END_ERROR;
	if (o.tee && (!s.begun || s.closed))
		whole = false;
	if (cb_sink_close(&sink, whole, end, &late) < 0 && !s.out.code)
		s.out = late;
	cb_reader_release(&r);
	if (s.out.code && !err.code && !(o.tee && s.out.sys == EPIPE))
		err = s.out;
out:
	late = (struct cb_err)CB_ERR_INIT;
	if (cb_logbook_close(s.log, &late) < 0) {
		if (err.code)
			cb_cli_warn("%s", late.msg);
		else
			err = late;
	}
	cb_pulse_close(&s.pulse, NULL);
	cb_sealer_free(s.seal);
	cb_age_to_release(&o.to);
	cb_store_close(&store);
	return cb_cli_finish(&err);
}
