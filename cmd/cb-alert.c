/* SPDX-License-Identifier: Apache-2.0 */
/* cb-alert: match events with rules, emit alerts, run hooks, tell sinks. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "alert/desk.h"
#include "alert/hook.h"
#include "alert/programs.h"
#include "base/io.h"
#include "base/launch.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "deliver/deliver.h"
#include "deliver/status.h"
#include "log/logbook.h"
#include "wire/event.h"

#define TOLD_MAX 8		/* bad lines named one by one */
#define LOOK_MS 200		/* hooks and the log are looked after so often */
#define RELOAD_EVERY 1024	/* events between two looks at SIGHUP where input never waits */

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
	{ "metrics", OPT_METRICS, "FILE", 0, "write metrics of the sinks here, for Prometheus", 0 },
	{ "sink", OPT_SINK, "NAME", 0, "dead, replay, drop: of this sink", 0 },
	{ "id", OPT_ID, "ID", 0, "dead, replay, drop: this notice", 0 },
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

struct state {
	const struct opts *o;
	struct cb_sink sink;
	bool mute;			/* stdout belongs to a sink */
	bool sent;			/* notices since the last sync */
	struct cb_desk *desk;
	struct cb_hooks *hooks;
	struct cb_logbook *log;
	struct cb_conf *conf;		/* of deliver, on its own */
	struct cb_deliver_conf *sinks;
	struct cb_deliver *deliver;
	int hup;			/* signalfd */
	int64_t seen_mono_ns, seen_us;	/* --live: when time was last told by an event, and what it was */
	struct cb_err late;		/* of what runs while input is awaited */
	uint64_t events, bad, alerts;
};

static void tell(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_warn("%s", text);
}

/* What is said is kept before it is heard: the spool, then the state, then stdout. */
static int sync_all(struct state *s, bool hard, struct cb_err *err)
{
	/* what is gone from the state must be in the spool */
	if (s->deliver && (hard || s->sent) && cb_deliver_sync(s->deliver, err) < 0)
		return -1;
	s->sent = false;
	if (cb_desk_sync(s->desk, hard, err) < 0)
		return -1;
	return s->sink.ndjson ? cb_out_flush(s->sink.ndjson, err) : 0;
}

/* An event of ours. */
static int put(struct state *s, const struct cb_buf *line, struct cb_err *err)
{
	struct cb_out *out = s->sink.ndjson;

	cb_logbook_say(s->log, line);
	if (s->mute)
		return 0;
	if (out && s->desk && out->len + line->len + 1 > sizeof(out->buf) && sync_all(s, false, err) < 0)
		return -1;
	return cb_sink_event(&s->sink, line, err);
}

static int on_alert(void *ctx, const struct cb_alert_out *a, struct cb_err *err)
{
	struct state *s = ctx;

	s->alerts += !a->resolved;
	if (put(s, a->line, err) < 0)
		return -1;
	if (!a->argv || s->o->test)
		return 0;
	/* it may wait: what it speaks of must be out before */
	if (s->sink.ndjson && cb_out_flush(s->sink.ndjson, err) < 0)
		return -1;
	return cb_hooks_run(s->hooks, a->rule->name, a->argv, a->line->data, a->line->len, a->rule->timeout_ns,
			    err);
}

static int on_decision(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	return put(ctx, line, err);
}

static int on_notice(void *ctx, const struct cb_notice *n, struct cb_err *err)
{
	struct state *s = ctx;
	struct cb_note_out o = { .id = n->id, .sink = n->sink, .group = n->group, .severity = n->severity,
				 .title = n->title, .text = n->text, .line = (const char *)n->line->data,
				 .len = n->line->len, .t_us = n->t_us };

	s->sent = true;
	if (!s->o->test)
		return cb_deliver_put(s->deliver, &o, err);
	/* the alert's own event is there already */
	return memmem(n->line->data, n->line->len, "\"type\":\"cb.alert.notice\"", 24) ? put(s, n->line, err) : 0;
}

/* What became of a notice at its sink. */
static int on_fate(void *ctx, const struct cb_decision *d, struct cb_err *err)
{
	struct state *s = ctx;
	struct cb_fate f = { .decision = cb_decided_name(d->what), .note = d->id, .sink = d->sink, .reason = d->reason,
			     .attempt = d->attempts, .t_us = d->t_us, .next_us = d->next_us, .number = d->number };

	return cb_notify_fate(cb_desk_notify(s->desk), &f, err);
}

/* --- rules, again ------------------------------------------------------------------------------- */

static int read_sinks(const char *path, struct cb_conf **ret, struct cb_deliver_conf **ret_sinks, struct cb_err *err)
{
	if (cb_conf_load(ret, path, err) < 0)
		return -1;
	if (cb_deliver_conf_read(ret_sinks, *ret, cb_conf_root(*ret), err) == 0)
		return 0;
	cb_conf_free(*ret);
	*ret = NULL;
	return -1;
}

static void free_sinks(struct state *s)
{
	cb_deliver_conf_free(s->sinks);
	cb_conf_free(s->conf);
	s->sinks = NULL;
	s->conf = NULL;
}

/* Can these sinks be used with these options? *ret_mute: one of them has stdout. */
static int usable(const struct opts *o, const struct cb_deliver_conf *sinks, bool *ret_mute, struct cb_err *err)
{
	*ret_mute = false;
	if (!sinks || o->test)
		return 0;
	for (uint32_t i = 0; i < sinks->n; i++)
		*ret_mute = *ret_mute || sinks->outlet[i].kind == CB_OUT_STDOUT;
	if (!o->state)
		return cb_err_set(err, CB_E_USAGE, "%s has sinks: --state is needed", o->config);
	if (*ret_mute && (o->pass || o->tee))
		return cb_err_set(err, CB_E_USAGE, "a sink of %s has stdout: no --pass and --tee", o->config);
	return 0;
}

static int open_sinks(struct state *s, int ofd, struct cb_err *err)
{
	char dir[4096];
	struct cb_deliver_opts o = { .dir = dir, .on_event = on_fate, .tell = tell, .ctx = s, .out_fd = ofd,
				      .metrics = s->o->metrics, .sandbox = (int)cb_cli_sandbox_mode };

	if (usable(s->o, s->sinks, &s->mute, err) < 0)
		return -1;
	if (!s->sinks || s->o->test)
		return 0;
	snprintf(dir, sizeof(dir), "%s/spool", s->o->state);
	return cb_deliver_open(&s->deliver, s->sinks, &o, err);
}

static bool same_sinks(const struct cb_deliver_conf *a, const struct cb_deliver_conf *b)
{
	return a == b || (a && b && a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0);
}

/* The old rules go on where the new ones are wrong. */
static int reload(struct state *s, struct cb_err *err)
{
	struct cb_deliver_conf *sinks = NULL;
	struct cb_err why = CB_ERR_INIT;
	struct cb_conf *conf = NULL;
	bool same, mute;

	if (read_sinks(s->o->config, &conf, &sinks, &why) < 0 || usable(s->o, sinks, &mute, &why) < 0 || sync_all(s, true, &why) < 0 ||
	    cb_desk_reload(s->desk, &why) < 0) {
		cb_cli_warn("%s: the rules from before go on", why.msg);
		cb_deliver_conf_free(sinks);
		cb_conf_free(conf);
		return 0;
	}
	cb_cli_note("%s: read again, %u rules", s->o->config, cb_desk_rules(s->desk)->n);
	same = same_sinks(s->sinks, sinks);
	if (!same && s->deliver) {
		if (cb_deliver_close(s->deliver, err) < 0)
			return -1;
		s->deliver = NULL;
	}
	if (same) {
		cb_deliver_conf_free(sinks);
		cb_conf_free(conf);
	} else {
		free_sinks(s);
		s->sinks = sinks;
		s->conf = conf;
		if (open_sinks(s, s->sink.ndjson ? s->sink.ndjson->fd : -1, err) < 0)
			return -1;
	}
	if (s->log && cb_logbook_config(s->log, "cb-alert", s->o->config, &why) < 0)
		cb_cli_warn("%s", why.msg);
	return 0;
}

static int look_hup(struct state *s, struct cb_err *err)
{
	struct signalfd_siginfo si;

	return s->hup >= 0 && read(s->hup, &si, sizeof(si)) == sizeof(si) ? reload(s, err) : 0;
}

/* --- while input is awaited ----------------------------------------------------------------------- */

/* With --live, event time by our clock: as far as it was with the last event, and on since. */
static int64_t live_us(const struct state *s)
{
	return s->seen_us + (cb_now_mono_ns() - s->seen_mono_ns) / 1000;
}

static int idle(struct state *s, bool *ret_again, struct cb_err *err)
{
	struct pollfd p[3] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = s->hup, .events = POLLIN },
			       { .fd = s->deliver ? cb_deliver_fd(s->deliver) : -1, .events = POLLIN } };
	bool timed = s->o->live && cb_desk_now(s->desk) != INT64_MIN;
	int64_t wait_ms = -1, next;

	if (timed && cb_desk_pass(s->desk, live_us(s), err) < 0)
		return -1;
	if (s->deliver && cb_deliver_poll(s->deliver, err) < 0)
		return -1;
	if (sync_all(s, true, err) < 0)
		return -1;
	cb_sink_flush(&s->sink);
	cb_logbook_tick(s->log);
	cb_hooks_poll(s->hooks);
	if (s->deliver || s->log || cb_hooks_running(s->hooks))
		wait_ms = LOOK_MS;
	if (timed && (next = cb_desk_next(s->desk)) != INT64_MAX) {
		next = (next - live_us(s)) / 1000 + 1;
		next = next < 0 ? 0 : next > 60000 ? 60000 : next;
		wait_ms = wait_ms < 0 || next < wait_ms ? next : wait_ms;
	}
	*ret_again = poll(p, 3, (int)wait_ms) >= 0 && !p[0].revents && !cb_stop_wanted();
	return look_hup(s, err);
}

static void before_block(void *ctx)
{
	struct state *s = ctx;
	bool again = true;

	while (again && !s->late.code)
		if (idle(s, &again, &s->late) < 0)
			again = false;
}

/* --- events ----------------------------------------------------------------------------------------- */

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
static int event(struct state *s, struct cb_evin *in, const char *line, size_t len, struct cb_frame *f,
		 struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_buf in_line = { .data = (uint8_t *)line, .len = len, .cap = len };

	cb_hooks_poll(s->hooks);
	/* the event first, its alerts after it */
	if (s->o->tee && cb_sink_frame(&s->sink, f, err) < 0)
		return -1;
	if (++s->events % RELOAD_EVERY == 0 && (look_hup(s, err) < 0 || (s->deliver && cb_deliver_poll(s->deliver, err) < 0)))
		return -1;
	if (cb_desk_parse(s->desk, line, len, &why) < 0) {
		bad_line(s, in->frames ? "frame" : "line", in->line, &why);
		return 0;
	}
	if (s->o->live && cb_desk_now(s->desk) != s->seen_us) {
		s->seen_us = cb_desk_now(s->desk);
		s->seen_mono_ns = cb_now_mono_ns();
	}
	if (cb_desk_due(s->desk, err) < 0)
		return -1;
	if (s->o->pass && cb_sink_event(&s->sink, &in_line, err) < 0)
		return -1;
	return cb_desk_apply(s->desk, err);
}

static int read_all(struct state *s, struct cb_evin *in, struct cb_err *err)
{
	struct cb_frame f;
	const char *line;
	size_t len;
	int k;

	for (;;) {
		k = cb_evin_next(in, &line, &len, &f, err);
		if (s->late.code) {
			*err = s->late;
			return -1;
		}
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
		if (line ? event(s, in, line, len, &f, err) < 0 :
			   s->o->tee && cb_sink_frame(&s->sink, &f, err) < 0)
			return -1;
	}
	if (k < 0 || cb_evin_finish(in, err) < 0)
		return cb_err_prefix(err, "stdin");
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------------- */

/* The rules may be read again, from another file of their directory, and may name another time
 * zone; lists, from the directories that they were in; programs are started by the
 * launcher, as the rules name them, and are not locked in. */
static int lock_in(const struct state *s, struct cb_err *err)
{
	const struct cb_rules *r = cb_desk_rules(s->desk);

	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = CB_MAY_END | (s->o->tee ? CB_MAY_THREAD : 0),
		.read = { r->silences, s->sinks ? s->sinks->snapshots : NULL, "/usr/share/zoneinfo" },
		.read_beside = { s->o->config, r->list[0], r->list[1], r->list[2], r->list[3], r->list[4], r->list[5],
				 r->list[6], r->list[7] },
		.write = { s->o->state, s->o->log },
		.write_beside = { s->o->metrics },
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

static int start(struct state *s, int ofd, struct cb_err *err)
{
	struct cb_desk_opts d = { .config = s->o->config, .state = s->o->state, .alert = on_alert,
				  .ops = { .decide = on_decision, .send = on_notice, .ctx = s } };
	sigset_t hup;

	if (!s->o->test) {
		sigemptyset(&hup);
		sigaddset(&hup, SIGHUP);
		sigprocmask(SIG_BLOCK, &hup, NULL);
		s->hup = signalfd(-1, &hup, SFD_NONBLOCK | SFD_CLOEXEC);
	}
	if (read_sinks(s->o->config, &s->conf, &s->sinks, err) < 0 ||
	    cb_logbook_open(&s->log, s->o->log, tell, NULL, err) < 0 ||
	    cb_logbook_config(s->log, "cb-alert", s->o->config, err) < 0 ||
	    cb_desk_open(&s->desk, &d, err) < 0 ||
	    cb_hooks_new(&s->hooks, cb_desk_rules(s->desk)->hooks_max, tell, NULL, err) < 0)
		return -1;
	return open_sinks(s, ofd, err) < 0 ? -1 : lock_in(s, err);
}

/* All is read: what waits is told or kept, and sinks have their time. */
static int end(struct state *s, struct cb_err *err)
{
	static struct cb_buf line;
	int k = cb_desk_end(s->desk, err);

	if (s->deliver && k == 0)
		k = cb_deliver_drain(s->deliver, s->o->drain_ns, err) < 0 ? -1 : 0;
	if (k == 0 && cb_desk_rules(s->desk)->routes && cb_desk_now(s->desk) != INT64_MIN)
		k = cb_notify_account(cb_desk_notify(s->desk), cb_desk_now(s->desk), &line, err) < 0 ? -1 : put(s, &line, err);
	cb_buf_release(&line);
	return k;
}

static void report(struct state *s)
{
	const struct cb_rules *rules = cb_desk_rules(s->desk);
	const struct cb_hooks_stats *h = cb_hooks_stats(s->hooks);

	for (uint32_t i = 0; i < rules->n; i++) {
		uint64_t n = cb_alert_forgotten(cb_desk_alerts(s->desk), i);

		if (n)
			cb_cli_warn("rule %s: more than %u groups: %" PRIu64 " forgotten, longest unused first",
				    rules->rule[i].name, rules->rule[i].max_groups, n);
	}
	if (h->failed)
		cb_cli_warn("%" PRIu64 " of %" PRIu64 " hooks failed", h->failed, h->started);
	cb_cli_note("%" PRIu64 " events, %" PRIu64 " alerts, %" PRIu64 " hooks", s->events, s->alerts, h->started);
}

static int run(const struct opts *o, int ofd, struct cb_err *err)
{
	static struct cb_out out;
	static struct cb_writer tee;
	struct state s = { .o = o, .hup = -1 };
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
	if (start(&s, ofd, err) < 0)
		goto out;
	ret = read_all(&s, &in, err);
	if (end(&s, &late) < 0 && ret == 0) {
		*err = late;
		ret = -1;
	}
	if (s.sink.ndjson && cb_out_flush(s.sink.ndjson, &late) < 0 && ret == 0) {
		*err = late;
		ret = -1;
	}
	cb_hooks_drain(s.hooks);
	report(&s);
out:
	if (s.deliver && cb_deliver_close(s.deliver, ret == 0 ? err : &late) < 0)
		ret = -1;
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
	cb_desk_free(s.desk);
	free_sinks(&s);
	return ret;
}

/* Rules, sinks and silences. */
static int check(const struct opts *o, struct cb_err *err)
{
	struct cb_silences *silences = NULL;
	struct cb_deliver_conf *sinks = NULL;
	struct cb_rules *rules = NULL;
	struct cb_conf *conf = NULL;
	int ret = -1;

	if (cb_rules_load(&rules, o->config, err) < 0 || read_sinks(o->config, &conf, &sinks, err) < 0 ||
	    (rules->silences && cb_silences_load(&silences, rules->silences, err) < 0))
		goto out;
	cb_cli_note("%s: %u rules, %u routes, %u sinks, %u silences", o->config, rules->n, rules->routes,
		    sinks ? sinks->n : 0, silences ? silences->n : 0);
	ret = 0;
out:
	cb_silences_free(silences);
	cb_deliver_conf_free(sinks);
	cb_conf_free(conf);
	cb_rules_free(rules);
	return ret;
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
	int ofd;

	cb_cli_parse("cb-alert", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (o.spool >= 0) {
		ofd = cb_stdout_take(&err);
		if (ofd >= 0)
			tell_spool(&o, ofd, &err);
		goto out;
	}
	if (check(&o, &err) < 0 || o.check)
		goto out;
	if (o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		goto out;
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && launcher(&o, &err) == 0)
		run(&o, ofd, &err);
out:
	return cb_cli_finish(&err);
}
