/* SPDX-License-Identifier: Apache-2.0 */
/* cb-alert: match events with rules, emit alerts, run hooks, tell sinks. */
#include <stdio.h>
#include <unistd.h>

#include "alert/programs.h"
#include "base/io.h"
#include "base/launch.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "deliver/status.h"
#include "tell/tell.h"

struct opts {
	const char *verb, *config, *log, *state, *metrics, *sink, *id;
	int spool;		/* enum cb_status_verb; -1: none */
	bool check, pass, tee, live, test;
	int64_t drain_ns;
};

enum { OPT_CHECK = CB_OPT_BASE, OPT_PASS, OPT_TEE, OPT_LOG, OPT_STATE, OPT_LIVE, OPT_DRAIN, OPT_METRICS,
       OPT_SINK, OPT_ID };

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "the rules, a YAML file", 0 },
	{ "check", OPT_CHECK, NULL, 0, "check the rules, read nothing", 0 },
	{ "pass", OPT_PASS, NULL, 0, "write the events that come in, too", 0 },
	{ "tee", OPT_TEE, NULL, 0, "pass the frame stream on, with the alerts in it", 0 },
	{ "log", OPT_LOG, "DIR", 0, "log the rules' digest, alerts and decisions here", 0 },
	{ "state", OPT_STATE, "DIR", 0, "remember here, and spool what sinks get", 0 },
	{ "live", OPT_LIVE, NULL, 0, "time goes on while no event comes", 0 },
	{ "drain", OPT_DRAIN, "DURATION", 0, "wait so long for sinks at the end (10s)", 0 },
	{ "metrics", OPT_METRICS, "FILE", 0, "write metrics here, for Prometheus", 0 },
	{ "sink", OPT_SINK, "NAME", 0, "dead, replay, drop: of this sink", 0 },
	{ "id", OPT_ID, "TEXT", 0, "dead, replay, drop: this notice", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case ARGP_KEY_INIT:
		st->child_inputs[0] = NULL;
		return 0;
	case 'c':
		o->config = arg;
		return 0;
	case OPT_CHECK:
		o->check = true;
		return 0;
	case OPT_PASS:
		o->pass = true;
		return 0;
	case OPT_TEE:
		o->tee = true;
		return 0;
	case OPT_LOG:
		o->log = arg;
		return 0;
	case OPT_STATE:
		o->state = arg;
		return 0;
	case OPT_LIVE:
		o->live = true;
		return 0;
	case OPT_DRAIN:
		o->drain_ns = cb_cli_duration_ns(st, "drain", arg);
		return 0;
	case OPT_METRICS:
		o->metrics = arg;
		return 0;
	case OPT_SINK:
		o->sink = arg;
		return 0;
	case OPT_ID:
		o->id = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!o->verb) {
			o->spool = cb_cli_word(st, NULL, "test|" CB_STATUS_VERBS, arg) - 1;
			o->verb = arg;
			o->test = o->spool < 0;
		} else if (o->spool >= 0) {
			argp_error(st, "%s: no operands are taken", o->verb);
		} else if (!o->config) {
			o->config = arg;
		} else {
			argp_error(st, "only one rules file is taken");
		}
		return 0;
	case ARGP_KEY_END:
		if (o->spool >= 0) {
			if (!o->state || o->config || o->check || o->pass || o->tee || o->live || o->log || o->metrics)
				argp_error(st, "%s: of a spool: --state is needed, and nothing of rules", o->verb);
			if ((o->sink || o->id) && (o->spool == CB_STATUS || o->spool == CB_STATUS_METRICS))
				argp_error(st, "%s: --sink and --id are for dead, replay and drop", o->verb);
			return 0;
		}
		if (o->sink || o->id)
			argp_error(st, "--sink and --id are for dead, replay and drop");
		if (!o->config)
			argp_error(st, o->verb ? "%s: a rules file is needed" : "--config is needed", o->verb);
		if (o->pass && o->tee)
			argp_error(st, "--tee passes everything on: --pass is not needed");
		if (o->test && (o->tee || o->log || o->state || o->live))
			argp_error(st, "test reads events and writes what would be done: no --tee, --log, --state, --live");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "[test RULES | status | dead | replay | drop | metrics]",
	.doc = "Match events with rules, emit alerts, tell sinks.\v"
	       "Events come from stdin, as lines or in a frame stream. test writes what would be sent, "
	       "and why, and sends nothing. The other verbs tell of the spool in --state, put its dead "
	       "notices back, or drop them.",
	.children = cb_cli_children,
};

static void warn(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_warn("%s", text);
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_note("%s", text);
}

/* The rules may be read again, from another file of their directory, and may name another time
 * zone; lists, from the directories that they were in; programs are started by the
 * launcher, as the rules name them, and are not locked in. */
static int lock_in(void *ctx, const struct cb_rules *r, const struct cb_deliver_conf *sinks, struct cb_err *err)
{
	const struct opts *o = ctx;

	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = CB_MAY_END | (o->tee ? CB_MAY_THREAD : 0),
		.read = { r->silences, sinks ? sinks->snapshots : NULL, "/usr/share/zoneinfo" },
		.read_beside = { o->config, r->list[0], r->list[1], r->list[2], r->list[3], r->list[4], r->list[5],
				 r->list[6], r->list[7] },
		.write = { o->state, o->log },
		.write_beside = { o->metrics },
		.files = 1024,
	}, err);
}

static int launcher(const struct opts *o, struct cb_err *err)
{
	static struct cb_programs known;
	static char *helper;

	if (o->test || cb_cli_sandbox_mode == CB_SANDBOX_OFF)
		return 0;
	if (cb_libexec_path(&helper, "cb-deliver", err) < 0)
		return -1;
	known = (struct cb_programs){ .config = o->config, .own = helper };
	return cb_launcher_begin(cb_programs_may, &known, err);
}

/* The spool of --state, which another process may have. */
static void tell_spool(const struct opts *o, int ofd, struct cb_err *err)
{
	struct cb_err late = CB_ERR_INIT;
	static struct cb_out out;
	char dir[4096];

	cb_out_init(&out, ofd);
	snprintf(dir, sizeof(dir), "%s/spool", o->state);
	if (cb_status((enum cb_status_verb)o->spool, dir, o->sink, o->id, &out, err) < 0)
		cb_out_close(&out, &late);
	else
		cb_out_close(&out, err);
}

int main(int argc, char **argv)
{
	struct opts o = { .drain_ns = INT64_C(10000000000), .spool = -1 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_tell_sizes n;
	int ofd;

	cb_cli_parse("cb-alert", &argp, argc, argv, &o);
	cb_stop_install(o.state != NULL);
	if (o.spool >= 0) {
		ofd = cb_stdout_take(&err);
		if (ofd >= 0)
			tell_spool(&o, ofd, &err);
		goto out;
	}
	if (cb_tell_check(o.config, &n, &err) < 0)
		goto out;
	cb_cli_note("%s: %u rules, %u routes, %u sinks, %u silences", o.config, n.rules, n.routes, n.sinks, n.silences);
	if (o.check)
		goto out;
	if (o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		goto out;
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && launcher(&o, &err) == 0)
		cb_tell_run(&(struct cb_tell_opts){ .config = o.config, .state = o.state, .log = o.log,
			    .metrics = o.metrics, .pass = o.pass, .tee = o.tee, .live = o.live, .test = o.test,
			    .drain_ns = o.drain_ns, .in_fd = STDIN_FILENO, .out_fd = ofd, .warn = warn, .note = note,
			    .sandbox = (int)cb_cli_sandbox_mode, .ready = lock_in, .ctx = &o }, &err);
out:
	return cb_cli_finish(&err);
}
