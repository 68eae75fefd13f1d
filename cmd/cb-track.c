/* SPDX-License-Identifier: Apache-2.0 */
/* cb-track: follow what was detected from picture to picture. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "log/logbook.h"
#include "track/convert.h"
#include "track/plot.h"
#include "track/rules.h"
#include "track/scenes.h"
#include "track/watch.h"
#include "wire/badlines.h"
#include "wire/event.h"

struct opts {
	const char *config, *log, *plot, *picture;
	bool calibrate, check, only, tee;
	int as;			/* enum cb_convert_as, or -1 */
	struct cb_scenes_opts scenes;
};

enum { OPT_AS = CB_OPT_BASE, OPT_CHECK, OPT_CONFIRM, OPT_GAP, OPT_HIGH, OPT_LOG, OPT_LOST, OPT_LOW, OPT_ONLY, OPT_OVERLAP,
       OPT_PICTURE, OPT_PLOT, OPT_START, OPT_TEE, OPT_UPDATE };

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "zones, lines and rules, a YAML file", 0 },
	{ "check", OPT_CHECK, NULL, 0, "check the rules, read nothing", 0 },
	{ "as", OPT_AS, "onvif-mj|frigate", 0, "write tracks and rules in the words of others", 0 },
	{ "only", OPT_ONLY, NULL, 0, "write own events only, not those that come in", 0 },
	{ "tee", OPT_TEE, NULL, 0, "pass the frame stream on, with the events in it", 0 },
	{ "log", OPT_LOG, "DIR", 0, "log the rules' digest and the run here", 0 },
	{ "plot", OPT_PLOT, "FILE", 0, "draw tracks, zones and counts (.svg)", 0 },
	{ "picture", OPT_PICTURE, "FILE", 0, "on this picture (.jpg, .png)", 0 },
	{ "update", OPT_UPDATE, "DURATION", 0, "tell of a track so often (default 1s; 0: every picture)", 0 },
	{ "high", OPT_HIGH, "N", 0, "score from which on a box is a detection (default 0.5)", 0 },
	{ "low", OPT_LOW, "N", 0, "score from which on it may keep a track (default 0.1)", 0 },
	{ "start", OPT_START, "N", 0, "score from which on it starts a track (default 0.5)", 0 },
	{ "overlap", OPT_OVERLAP, "N", 0, "least overlap of box and track (default 0.2)", 0 },
	{ "confirm", OPT_CONFIRM, "N", 0, "pictures until a track counts (default 2)", 0 },
	{ "lost", OPT_LOST, "DURATION", 0, "end a track not seen for so long (default 2s)", 0 },
	{ "gap", OPT_GAP, "DURATION", 0, "end all after so long without a picture (default 10s)", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;
	struct cb_track_opts *t = &o->scenes.track;

	switch (key) {
	case ARGP_KEY_INIT:
		st->child_inputs[0] = NULL;
		return 0;
	case 'c': o->config = arg; return 0;
	case OPT_AS: o->as = cb_cli_word(st, "as", "onvif-mj|frigate", arg); return 0;
	case OPT_CHECK: o->check = true; return 0;
	case OPT_LOG: o->log = arg; return 0;
	case OPT_PLOT: o->plot = arg; return 0;
	case OPT_PICTURE: o->picture = arg; return 0;
	case OPT_ONLY: o->only = true; return 0;
	case OPT_TEE: o->tee = true; return 0;
	case OPT_UPDATE: o->scenes.update_us = cb_cli_duration_ns(st, "update", arg) / 1000; return 0;
	case OPT_HIGH: t->high = cb_cli_double(st, "high", arg, 0, 1); return 0;
	case OPT_LOW: t->low = cb_cli_double(st, "low", arg, 0, 1); return 0;
	case OPT_START: t->start = cb_cli_double(st, "start", arg, 0, 1); return 0;
	case OPT_OVERLAP: t->overlap = cb_cli_double(st, "overlap", arg, 0, 1); return 0;
	case OPT_CONFIRM: t->confirm = (uint32_t)cb_cli_u64(st, "confirm", arg, 1, 1000); return 0;
	case OPT_LOST: t->lost_us = cb_cli_duration_ns(st, "lost", arg) / 1000; return 0;
	case OPT_GAP: t->gap_us = cb_cli_duration_ns(st, "gap", arg) / 1000; return 0;
	case ARGP_KEY_ARG:
		if (strcmp(arg, "calibrate") != 0 || o->calibrate)
			argp_error(st, "no operand but calibrate is taken: events come from stdin");
		o->calibrate = true;
		return 0;
	case ARGP_KEY_END:
		if (o->only && o->tee)
			argp_error(st, "--tee passes everything on: --only goes without it");
		if (o->as >= 0 && o->tee)
			argp_error(st, "--as writes lines: --tee goes without it");
		if (o->picture && !o->plot && !o->calibrate)
			argp_error(st, "--picture goes with --plot or calibrate");
		if (o->calibrate && (o->plot || o->check))
			argp_error(st, "calibrate writes its drawing to stdout: --plot and --check go without it");
		if (o->check && !o->config)
			argp_error(st, "--check needs --config");
		if (t->low > t->high)
			argp_error(st, "--low is above --high");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "[calibrate]",
	.doc = "Follow detected objects from picture to picture.\v"
	       "Events come from stdin, as lines or in a frame stream.",
	.children = cb_cli_children,
};

struct state {
	const struct opts *o;
	struct cb_sink sink;
	struct cb_logbook_tap tap;
	struct cb_scenes *scenes;
	struct cb_watches watches;
	struct cb_convert *convert;
	struct cb_plot *plot;
	struct cb_bad_lines bad;
	uint64_t events, told;
};

static int put(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	struct state *s = ctx;

	return cb_sink_event(&s->sink, line, err);
}

static int emit(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	struct state *s = ctx;

	cb_logbook_tap(&s->tap, (const char *)line->data, line->len);
	if (s->plot && cb_plot_event(s->plot, (const char *)line->data, line->len, err) < 0)
		return -1;
	return s->convert ? cb_convert_event(s->convert, (const char *)line->data, line->len, err) :
		put(s, line, err);
}

static int on_rule(void *ctx, const struct cb_watch_event *e, const struct cb_buf *line, struct cb_err *err)
{
	struct state *s = ctx;

	s->told += e != NULL;
	return emit(s, line, err);
}

/* One event of the input: passed on, then what follows from it. Lines that are none are told,
 * counted and not passed on. */
static int event(struct state *s, struct cb_evin *in, const char *line, size_t len,
		 struct cb_frame *f, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_buf in_line = { .data = (uint8_t *)line, .len = len, .cap = len };
	int k;

	s->events++;
	k = cb_scenes_parse(s->scenes, line, len, &why);
	if (k < 0)
		cb_bad_line(&s->bad, in->frames ? "frame" : "line", in->line, &why);
	if (s->plot && (k > 0 || !s->o->only) && cb_plot_event(s->plot, line, len, err) < 0)
		return -1;
	if (s->convert) {	/* of pictures it wants to know the size */
		if ((k > 0 || !s->o->only) && cb_convert_event(s->convert, line, len, err) < 0)
			return -1;
	} else if (s->o->tee) {
		if (cb_sink_frame(&s->sink, f, err) < 0)
			return -1;
	} else if (!s->o->only && cb_scenes_was_event(s->scenes) &&
		   cb_sink_event(&s->sink, &in_line, err) < 0) {
		return -1;
	}
	return k < 0 ? 0 : cb_scenes_apply(s->scenes, err);
}

static int read_all(struct state *s, struct cb_evin *in, struct cb_err *err)
{
	struct cb_frame f;
	const char *line;
	size_t len;
	int k;

	for (;;) {
		k = cb_evin_next(in, &line, &len, &f, err);
		if (k < 0 && err->code == CB_E_DATA && !in->frames) {
			s->events++;
			cb_bad_line(&s->bad, NULL, 0, err);
			*err = (struct cb_err)CB_ERR_INIT;
			continue;
		}
		if (k <= 0)
			break;
		if (s->o->tee && !in->frames)
			return cb_err_set(err, CB_E_DATA, "stdin: --tee takes a frame stream, not lines");
		if (line ? event(s, in, line, len, &f, err) < 0 :
			   s->o->tee && cb_sink_frame(&s->sink, &f, err) < 0)
			return -1;
	}
	if (k < 0)
		return cb_err_prefix(err, "stdin");
	if (cb_evin_finish(in, err) < 0)
		return cb_err_prefix(err, "stdin");
	return 0;
}

static void tell_stats(const struct state *s)
{
	struct cb_scenes_stats st;

	cb_scenes_stats(s->scenes, &st);
	cb_scenes_tell(&st, cb_cli_warn_text, NULL);
	if (s->watches.misfit_w)
		cb_cli_warn("%s: size %ux%u is of another shape than the pictures, %ux%u", s->o->config,
			    s->watches.rules->width, s->watches.rules->height, s->watches.misfit_w,
			    s->watches.misfit_h);
	cb_cli_note("%" PRIu64 " pictures, %" PRIu64 " boxes, %" PRIu64 " tracks, %" PRIu64 " events of rules",
		    st.sum.pictures, st.sum.boxes, st.sum.tracks, s->told);
}

static void before_block(void *ctx)
{
	struct state *s = ctx;

	if (s->convert)
		(void)cb_convert_flush(s->convert, NULL);
	cb_sink_flush(&s->sink);
}

static int run(const struct opts *o, const struct cb_track_rules *rules, struct cb_plot *plot, int pfd,
	       int ofd, struct cb_err *err)
{
	static struct cb_out out;
	static struct cb_writer tee;
	struct state s = { .o = o, .plot = plot, .watches = { .rules = rules, .fn = on_rule, .ctx = &s },
			   .bad = { .warn = cb_cli_warn_text } };
	struct cb_scenes_hook hook = { 0 };
	struct cb_err late = CB_ERR_INIT;
	struct cb_evin in;
	int ret = -1;

	if (o->tee) {
		cb_writer_init(&tee, ofd);
		s.sink.tee = &tee;
	} else {
		cb_out_init(&out, ofd);
		s.sink.ndjson = &out;
	}
	cb_evin_init(&in, STDIN_FILENO);
	in.before_block = before_block;
	in.ctx = &s;
	if (rules)
		cb_watches_hook(&s.watches, &hook);
	if (cb_logbook_open(&s.tap.log, o->log, cb_cli_warn_text, NULL, err) == 0 &&
	    (!o->config || cb_logbook_config(s.tap.log, "cb-track", o->config, err) == 0) &&
	    (o->as < 0 || cb_convert_new(&s.convert, (enum cb_convert_as)o->as, put, &s, err) == 0) &&
	    cb_scenes_new(&s.scenes, &o->scenes, &hook, emit, &s, err) == 0) {
		ret = read_all(&s, &in, err);
		/* what was followed until the input broke off is told all the same */
		if ((ret == 0 || err->code == CB_E_DATA) &&
		    cb_scenes_finish(s.scenes, ret == 0 ? err : &late) < 0)
			ret = -1;
		if (s.convert && cb_convert_flush(s.convert, ret == 0 ? err : &late) < 0)
			ret = -1;
		tell_stats(&s);
	}
	if (plot && cb_plot_save(plot, false, pfd, o->plot, ret == 0 ? err : &late) < 0)
		ret = -1;
	if (cb_sink_close(&s.sink, ret == 0, cb_stop_wanted() ? CB_END_STOPPED : CB_END_EOF,
			  ret == 0 ? err : &late) < 0)
		ret = -1;
	if (ret == 0 && s.bad.n)
		ret = cb_err_set(err, CB_E_DATA, "stdin: %" PRIu64 " of %" PRIu64 " lines are no events that can be followed",
				 s.bad.n, s.events);
	if (cb_logbook_close(s.tap.log, ret == 0 ? err : &late) < 0)
		ret = -1;
	cb_evin_release(&in);
	cb_scenes_free(s.scenes);
	cb_watches_release(&s.watches);
	cb_convert_free(s.convert);
	return ret;
}

int main(int argc, char **argv)
{
	struct opts o = { .as = -1, .scenes = { .track = cb_track_defaults, .update_us = 1000000 } };
	struct cb_err err = CB_ERR_INIT;
	struct cb_track_rules *rules = NULL;
	struct cb_plot *plot = NULL;
	int ofd, pfd = -1;

	cb_cli_parse("cb-track", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (o.config && cb_track_rules_load(&rules, o.config, &err) < 0)
		goto out;
	if (o.check) {
		cb_cli_note("%s: %u zones, %u lines, %u rules", o.config, rules->zones, rules->lines, rules->n);
		goto out;
	}
	o.scenes.config = rules ? rules->sha256 : NULL;
	if ((o.plot || o.calibrate) && cb_plot_open(&plot, rules, o.config, o.picture, &err) < 0)
		goto out;
	if (o.plot && (pfd = open(o.plot, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0) {
		cb_err_sys(&err, CB_E_CANTCREAT, errno, "%s", o.plot);
		goto out;
	}
	if (o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		goto out;
	ofd = cb_stdout_take(&err);
	if (ofd < 0 || cb_cli_sandbox(&(struct cb_sandbox){ .may = o.tee ? CB_MAY_THREAD : 0, .read = { o.config },
						 .write = { o.log } }, &err) < 0)
		goto out;
	if (o.calibrate)
		cb_plot_save(plot, true, ofd, "stdout", &err);
	else
		run(&o, rules, plot, pfd, ofd, &err);
out:
	cb_plot_free(plot);
	cb_track_rules_free(rules);
	return cb_cli_finish(&err);
}
