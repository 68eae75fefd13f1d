/* SPDX-License-Identifier: Apache-2.0 */
/* cb-alert: match events with rules, emit alerts, run hooks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alert/alert.h"
#include "alert/hook.h"
#include "alert/rules.h"
#include "base/io.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "log/logbook.h"
#include "wire/event.h"

#define TOLD_MAX 8	/* bad lines named one by one */

struct opts {
	const char *config, *log;
	bool check, pass, tee;
};

enum { OPT_CHECK = CB_OPT_BASE, OPT_PASS, OPT_TEE, OPT_LOG };

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "the rules, a YAML file", 0 },
	{ "check", OPT_CHECK, NULL, 0, "check the rules, read nothing", 0 },
	{ "pass", OPT_PASS, NULL, 0, "write the events that come in, too", 0 },
	{ "tee", OPT_TEE, NULL, 0, "pass the frame stream on, with the alerts in it", 0 },
	{ "log", OPT_LOG, "DIR", 0, "log the rules' digest and the alerts here", 0 },
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
	case ARGP_KEY_ARG:
		argp_error(st, "no operands are taken: events come from stdin");
		return 0;
	case ARGP_KEY_END:
		if (!o->config)
			argp_error(st, "--config is needed");
		if (o->pass && o->tee)
			argp_error(st, "--tee passes everything on: --pass is not needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "",
	.doc = "Match events with rules and emit alerts.\v"
	       "Events come from stdin, as lines or in a frame stream.",
	.children = cb_cli_children,
};

struct state {
	const struct opts *o;
	struct cb_sink sink;
	struct cb_hooks *hooks;
	struct cb_logbook *log;
	uint64_t events, bad, alerts;
};

static void tell(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_warn("%s", text);
}

static int on_alert(void *ctx, const struct cb_alert_out *a, struct cb_err *err)
{
	struct state *s = ctx;

	s->alerts += !a->resolved;
	cb_logbook_say(s->log, a->line);
	if (cb_sink_event(&s->sink, a->line, err) < 0)
		return -1;
	if (!a->argv)
		return 0;
	/* it may wait: what it speaks of must be out before */
	if (s->sink.ndjson && cb_out_flush(s->sink.ndjson, err) < 0)
		return -1;
	return cb_hooks_run(s->hooks, a->rule->name, a->argv, a->line->data, a->line->len, a->rule->timeout_ns,
			    err);
}

static void before_block(void *ctx)
{
	struct state *s = ctx;

	cb_sink_flush(&s->sink);
	cb_logbook_tick(s->log);
	cb_hooks_idle(s->hooks, STDIN_FILENO);
}

static void bad_line(struct state *s, const char *kind, uint64_t number, const struct cb_err *why)
{
	if (++s->bad > TOLD_MAX)
		return;
	if (kind)
		cb_cli_warn("%s %" PRIu64 ": %s", kind, number, why->msg);
	else
		cb_cli_warn("%s", why->msg);
	if (s->bad == TOLD_MAX)
		cb_cli_warn("further lines like these are only counted");
}

/* One event of the input; lines that are none are told, counted and not passed on. */
static int event(struct state *s, struct cb_alert *a, struct cb_evin *in, const char *line,
		 size_t len, struct cb_frame *f, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_buf in_line = { .data = (uint8_t *)line, .len = len, .cap = len };

	cb_hooks_poll(s->hooks);
	/* the event first, its alerts after it */
	if (s->o->tee && cb_sink_frame(&s->sink, f, err) < 0)
		return -1;
	s->events++;
	if (cb_alert_parse(a, line, len, &why) < 0) {
		bad_line(s, in->frames ? "frame" : "line", in->line, &why);
		return 0;
	}
	if (cb_alert_until(a, cb_alert_now(a, NULL) - 1, err) < 0)
		return -1;
	if (s->o->pass && cb_sink_event(&s->sink, &in_line, err) < 0)
		return -1;
	return cb_alert_apply(a, err);
}

static int read_all(struct state *s, struct cb_alert *a, struct cb_evin *in, struct cb_err *err)
{
	struct cb_frame f;
	const char *line;
	size_t len;
	int k;

	for (;;) {
		k = cb_evin_next(in, &line, &len, &f, err);
		if (k < 0 && err->code == CB_E_DATA && !in->frames) {
			s->events++;
			bad_line(s, NULL, 0, err);
			*err = (struct cb_err)CB_ERR_INIT;
			continue;
		}
		if (k <= 0)
			break;
		if (s->o->tee && !in->frames)
			return cb_err_set(err, CB_E_DATA, "stdin: --tee takes a frame stream, not lines");
		if (line ? event(s, a, in, line, len, &f, err) < 0 :
			   s->o->tee && cb_sink_frame(&s->sink, &f, err) < 0)
			return -1;
	}
	if (k < 0)
		return cb_err_prefix(err, "stdin");
	if (cb_evin_finish(in, err) < 0)
		return cb_err_prefix(err, "stdin");
	return 0;
}

static int run(const struct opts *o, const struct cb_rules *rules, int ofd, struct cb_err *err)
{
	static struct cb_out out;
	static struct cb_writer tee;
	struct state s = { .o = o };
	struct cb_err late = CB_ERR_INIT;
	struct cb_alert *a = NULL;
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
	if (cb_logbook_open(&s.log, o->log, tell, NULL, err) < 0 || cb_logbook_config(s.log, "cb-alert", o->config, err) < 0 ||
	    cb_alert_new(&a, rules, on_alert, &s, err) < 0 ||
	    cb_hooks_new(&s.hooks, rules->hooks_max, tell, NULL, err) < 0)
		goto out;
	ret = read_all(&s, a, &in, err);
	if (s.sink.ndjson && cb_out_flush(s.sink.ndjson, &late) < 0 && ret == 0) {
		*err = late;
		ret = -1;
	}
	cb_hooks_drain(s.hooks);
	for (uint32_t i = 0; i < rules->n; i++)
		if (cb_alert_forgotten(a, i))
			cb_cli_warn("rule %s: more than %u groups: %" PRIu64 " forgotten, longest unused first",
				    rules->rule[i].name, rules->rule[i].max_groups, cb_alert_forgotten(a, i));
	if (cb_hooks_stats(s.hooks)->failed)
		cb_cli_warn("%" PRIu64 " of %" PRIu64 " hooks failed", cb_hooks_stats(s.hooks)->failed,
			    cb_hooks_stats(s.hooks)->started);
	cb_cli_note("%" PRIu64 " events, %" PRIu64 " alerts, %" PRIu64 " hooks", s.events, s.alerts,
		    cb_hooks_stats(s.hooks)->started);
out:
	if (cb_sink_close(&s.sink, ret == 0, cb_stop_wanted() ? CB_END_STOPPED : CB_END_EOF,
			  ret == 0 ? err : &late) < 0)
		ret = -1;
	if (ret == 0 && s.bad)
		ret = cb_err_set(err, CB_E_DATA, "stdin: %" PRIu64 " of %" PRIu64 " lines are no events",
				 s.bad, s.events);
	if (cb_logbook_close(s.log, ret == 0 ? err : &late) < 0)
		ret = -1;
	cb_hooks_free(s.hooks);
	cb_evin_release(&in);
	cb_alert_free(a);
	return ret;
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_rules *rules = NULL;
	struct opts o = { 0 };
	int ofd;

	cb_cli_parse("cb-alert", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (cb_rules_load(&rules, o.config, &err) < 0)
		goto out;
	if (o.check) {
		cb_cli_note("%s: %u rules", o.config, rules->n);
		goto out;
	}
	if (o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		goto out;
	ofd = cb_stdout_take(&err);
	if (ofd >= 0)
		run(&o, rules, ofd, &err);
out:
	cb_rules_free(rules);
	return cb_cli_finish(&err);
}
