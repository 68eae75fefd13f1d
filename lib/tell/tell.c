/* SPDX-License-Identifier: Apache-2.0 */
/* cb-alert at work. */
#include "tell/tell.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "alert/desk.h"
#include "alert/hook.h"
#include "base/io.h"
#include "base/newfile.h"
#include "base/stop.h"
#include "base/time.h"
#include "deliver/deliver.h"
#include "log/logbook.h"
#include "tell/metrics.h"
#include "wire/event.h"

#define TOLD_MAX 8		/* bad lines named one by one */
#define SAID_MANY (48u << 10)	/* bytes that wait to be said: then they are, between two events, at once */
#define SAID_MAX (4u << 20)	/* and within one */
#define NOTES_MANY (2u << 20)
#define LOOK_MS 200		/* hooks and the log are looked after so often */
#define RELOAD_EVERY 1024	/* events between two looks at SIGHUP where input never waits */

struct state {
	const struct cb_tell_opts *o;
	struct cb_sink sink;
	bool mute;			/* stdout belongs to a sink */
	bool sent;			/* notices since the last sync */
	bool spooled;			/* there are sinks: said is used */
	struct cb_buf said;		/* what is to be said once it is kept: an enum kind, a line, LF */
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
	int64_t metrics_mono_ns;	/* when they are written, where there are no sinks */
	bool metrics_told;
};

static void say(const struct state *s, void (*to)(void *ctx, const char *text), const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(const struct state *s, void (*to)(void *ctx, const char *text), const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	to(s->o->ctx, text);
}

static void on_tell(void *ctx, const char *text)
{
	struct state *s = ctx;

	s->o->warn(s->o->ctx, text);
}

enum kind { LOUD = '!', ECHO = '=', STATE = '~' };	/* of ours; passed on; of the journal, not said */

/* All that waits to be said: into the log, and out. What stdout does not take is said by the next
 * process, but where there is a log, which has it. */
static int say_all(struct state *s, struct cb_err *err)
{
	uint8_t *p = s->said.data, *end = p + s->said.len, *eol;
	int k = 0;

	for (; p < end && (eol = memchr(p, '\n', (size_t)(end - p))); p = eol + 1) {
		struct cb_buf line = { .data = p + 1, .len = (size_t)(eol - p - 1) };

		if (*p == LOUD)
			cb_logbook_say(s->log, &line);
		if (!s->mute && k == 0 && *p != STATE)
			k = cb_sink_event(&s->sink, &line, err);
	}
	s->said.len = 0;
	if (k == 0 && s->sink.ndjson)
		k = cb_out_flush(s->sink.ndjson, err);
	if (s->deliver && (k == 0 || s->log))
		cb_deliver_said(s->deliver);
	return k;
}

static int add_said(struct state *s, enum kind kind, const void *p, size_t n, struct cb_err *err)
{
	if (cb_buf_byte(&s->said, (uint8_t)kind) < 0 || cb_buf_add(&s->said, p, n) < 0 || cb_buf_byte(&s->said, '\n') < 0)
		return cb_err_nomem(err);
	return 0;
}

/* The journal's lines along with what is said of them: all of it holds, or nothing. */
static int add_state(struct state *s, struct cb_err *err)
{
	const struct cb_buf *b = cb_desk_pending(s->desk);
	const uint8_t *p = b->data, *end = p + b->len, *eol;

	for (; p < end && (eol = memchr(p, '\n', (size_t)(end - p))); p = eol + 1)
		if (add_said(s, STATE, p, (size_t)(eol - p), err) < 0)
			return -1;
	return 0;
}

/* What is said is kept before it is heard: the spool, then the state, then stdout. */
static int sync_all(struct state *s, bool hard, struct cb_err *err)
{
	/* what is gone from the state must be in the spool */
	if (s->deliver && (s->sent || cb_desk_pending(s->desk)->len) &&
	    ((s->spooled && add_state(s, err) < 0) || cb_deliver_sync_saying(s->deliver, &s->said, err) < 0))
		return -1;
	s->sent = false;
	if (cb_desk_sync(s->desk, hard, err) < 0)
		return -1;
	return say_all(s, err);
}

static int say_later(struct state *s, enum kind kind, const struct cb_buf *line, struct cb_err *err)
{
	if (s->said.len + line->len > SAID_MAX && s->desk && sync_all(s, false, err) < 0)
		return -1;
	return add_said(s, kind, line->data, line->len, err);
}

/* Between two events: nothing is said in part. */
static int sync_much(struct state *s, struct cb_err *err)
{
	if (s->said.len < SAID_MANY && (!s->deliver || cb_deliver_unsynced(s->deliver) < NOTES_MANY))
		return 0;
	return sync_all(s, false, err);
}

/* An event of ours. */
static int put(struct state *s, const struct cb_buf *line, struct cb_err *err)
{
	struct cb_out *out = s->sink.ndjson;

	if (s->spooled)
		return say_later(s, LOUD, line, err);
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
	if (s->spooled ? sync_all(s, false, err) < 0 : s->sink.ndjson && cb_out_flush(s->sink.ndjson, err) < 0)
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

	if (cb_notify_fate(cb_desk_notify(s->desk), &f, err) < 0)
		return -1;
	return s->spooled ? sync_much(s, err) : 0;
}

/* --- metrics ---------------------------------------------------------------------------------------- */

static int measure(void *ctx, struct cb_buf *b, struct cb_err *err)
{
	const struct state *s = ctx;
	const struct cb_hooks_stats *h = cb_hooks_stats(s->hooks);
	struct cb_tell_counts c = { .events = s->events, .bad = s->bad, .alerts = s->alerts, .hooks = h->started,
				    .hooks_failed = h->failed };

	cb_notify_sum(cb_desk_notify(s->desk), &c.items);
	return cb_tell_metrics(b, &c, err);
}

/* Where there are sinks, they do it. */
static void metrics(struct state *s, bool now)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_buf b = { 0 };

	if (!s->o->metrics || s->o->test || s->deliver || (!now && cb_now_mono_ns() < s->metrics_mono_ns))
		return;
	s->metrics_mono_ns = cb_now_mono_ns() + CB_METRICS_NS;
	if (measure(s, &b, &err) == 0 && cb_newfile_write(s->o->metrics, 0644, true, b.data, b.len, &err) == 0) {
		s->metrics_told = false;
	} else if (!s->metrics_told) {
		s->metrics_told = true;
		say(s, s->o->warn, "%s", err.msg);
	}
	cb_buf_release(&b);
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
static int usable(const struct cb_tell_opts *o, const struct cb_deliver_conf *sinks, bool *ret_mute, struct cb_err *err)
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

/* What one who died was about to say comes before what is said now. */
static int say_unsaid(struct state *s, struct cb_err *err)
{
	struct cb_buf later = s->said, state = { 0 };
	uint8_t *p, *end, *eol;
	int k;

	s->said = (struct cb_buf){ 0 };
	k = cb_deliver_unsaid(s->deliver, &s->said, err);
	for (p = s->said.data, end = p + s->said.len; k == 0 && p < end && (eol = memchr(p, '\n', (size_t)(end - p)));
	     p = eol + 1)
		if (*p == STATE && cb_buf_add(&state, p + 1, (size_t)(eol - p)) < 0)
			k = cb_err_nomem(err);
	if (k == 0 && (k = cb_desk_recall(s->desk, &state, err)) < 0)
		cb_err_prefix(err, "spool: of the state");
	if (k == 0)
		k = say_all(s, err);
	cb_buf_release(&state);
	cb_buf_release(&s->said);
	s->said = later;
	return k;
}

static void set_spooled(struct state *s)
{
	s->spooled = s->sinks && !s->o->test && !s->o->tee;
}

static int open_sinks(struct state *s, struct cb_err *err)
{
	char dir[4096];
	struct cb_deliver_opts o = { .dir = dir, .on_event = on_fate, .tell = on_tell, .ctx = s,
				      .out_fd = s->o->tee ? -1 : s->o->out_fd,
				      .metrics = s->o->metrics, .measure = measure, .sandbox = s->o->sandbox };

	if (usable(s->o, s->sinks, &s->mute, err) < 0)
		return -1;
	if (!s->sinks || s->o->test)
		return 0;
	snprintf(dir, sizeof(dir), "%s/spool", s->o->state);
	if (cb_deliver_open(&s->deliver, s->sinks, &o, err) < 0)
		return -1;
	return s->spooled ? say_unsaid(s, err) : 0;
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
		say(s, s->o->warn, "%s: the rules from before go on", why.msg);
		cb_deliver_conf_free(sinks);
		cb_conf_free(conf);
		return 0;
	}
	say(s, s->o->note, "%s: read again, %u rules", s->o->config, cb_desk_rules(s->desk)->n);
	same = same_sinks(s->sinks, sinks);
	if (!same && s->deliver) {
		if (cb_deliver_stop(s->deliver, err) < 0 || say_all(s, err) < 0 || cb_deliver_close(s->deliver, err) < 0)
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
		set_spooled(s);
		if (open_sinks(s, err) < 0)
			return -1;
	}
	if (s->log && cb_logbook_config(s->log, "cb-alert", s->o->config, &why) < 0)
		say(s, s->o->warn, "%s", why.msg);
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
	struct pollfd p[3] = { { .fd = s->o->in_fd, .events = POLLIN }, { .fd = s->hup, .events = POLLIN },
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
	metrics(s, false);
	if (s->deliver || s->log || s->o->metrics || cb_hooks_running(s->hooks))
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
		say(s, s->o->warn, "%s %" PRIu64 ": %s", kind, number, why->msg);
	else
		say(s, s->o->warn, "%s", why->msg);
	if (s->bad == TOLD_MAX)
		say(s, s->o->warn, "further lines like these are only counted");
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
	if (++s->events % RELOAD_EVERY == 0)
		metrics(s, false);
	if (s->events % RELOAD_EVERY == 0 && (look_hup(s, err) < 0 || (s->deliver && cb_deliver_poll(s->deliver, err) < 0)))
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
	if (s->o->pass && (s->spooled ? say_later(s, ECHO, &in_line, err) : cb_sink_event(&s->sink, &in_line, err)) < 0)
		return -1;
	if (cb_desk_apply(s->desk, err) < 0)
		return -1;
	return s->spooled ? sync_much(s, err) : 0;
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

static int start(struct state *s, struct cb_err *err)
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
	if (read_sinks(s->o->config, &s->conf, &s->sinks, err) < 0)
		return -1;
	set_spooled(s);
	if (cb_logbook_open(&s->log, s->o->log, s->o->warn, s->o->ctx, err) < 0 ||
	    cb_logbook_config(s->log, "cb-alert", s->o->config, err) < 0 ||
	    cb_desk_open(&s->desk, &d, err) < 0 ||
	    cb_hooks_new(&s->hooks, cb_desk_rules(s->desk)->hooks_max, s->o->warn, s->o->ctx, err) < 0)
		return -1;
	/* while nobody listened time went on as well */
	if (cb_desk_now(s->desk) != INT64_MIN) {
		s->seen_us = cb_desk_now(s->desk) + cb_desk_slept_us(s->desk);
		s->seen_mono_ns = cb_now_mono_ns();
	}
	if (open_sinks(s, err) < 0)
		return -1;
	return s->o->ready ? s->o->ready(s->o->ctx, cb_desk_rules(s->desk), s->sinks, err) : 0;
}

/* All is read: what waits is told or kept, and sinks have their time. */
static int end(struct state *s, struct cb_err *err)
{
	static struct cb_buf line;
	int64_t now = cb_desk_now(s->desk);
	int k = 0;

	/* the state may forget what is in the spool, no earlier */
	if (now != INT64_MIN)
		k = cb_desk_pass(s->desk, now, err);
	if (k == 0)
		k = sync_all(s, true, err);
	if (k == 0)
		k = cb_desk_end(s->desk, err);
	if (s->deliver && k == 0)
		k = cb_deliver_drain(s->deliver, s->o->drain_ns, err) < 0 ? -1 : 0;
	now = cb_desk_now(s->desk);
	/* no event yet, but what waits from before */
	if (now == INT64_MIN)
		now = cb_desk_next(s->desk);
	if (k == 0 && cb_desk_rules(s->desk)->routes && now != INT64_MAX)
		k = cb_notify_account(cb_desk_notify(s->desk), now, &line, err) < 0 ? -1 : put(s, &line, err);
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
			say(s, s->o->warn, "rule %s: more than %u groups: %" PRIu64 " forgotten, longest unused first",
				    rules->rule[i].name, rules->rule[i].max_groups, n);
	}
	if (h->failed)
		say(s, s->o->warn, "%" PRIu64 " of %" PRIu64 " hooks failed", h->failed, h->started);
	say(s, s->o->note, "%" PRIu64 " events, %" PRIu64 " alerts, %" PRIu64 " hooks", s->events, s->alerts, h->started);
}

int cb_tell_run(const struct cb_tell_opts *o, struct cb_err *err)
{
	static struct cb_out out;
	static struct cb_writer tee;
	struct state s = { .o = o, .hup = -1 };
	struct cb_err late = CB_ERR_INIT;
	struct cb_evin in;
	bool listens;
	int ret = -1;

	if (o->tee) {
		cb_writer_init(&tee, o->out_fd);
		s.sink.tee = &tee;
	} else {
		cb_out_init(&out, o->out_fd);
		s.sink.ndjson = &out;
	}
	cb_evin_init(&in, o->in_fd);
	in.before_block = before_block;
	in.ctx = &s;
	if (start(&s, err) < 0)
		goto out;
	ret = read_all(&s, &in, err);
	listens = ret == 0 || (err->code != CB_E_IO && err->code != CB_E_OS);
	if (listens && end(&s, &late) < 0) {
		listens = false;
		if (ret == 0)
			*err = late;
		ret = -1;
	}
	/* where nobody listens any more nothing more is decided; what is known is kept */
	if (!listens && (!s.deliver || cb_deliver_sync_saying(s.deliver, s.spooled ? &s.said : NULL, &late) == 0))
		cb_desk_keep(s.desk, &late);
	if (say_all(&s, &late) < 0 && ret == 0) {
		*err = late;
		ret = -1;
	}
	cb_hooks_drain(s.hooks);
	report(&s);
	metrics(&s, true);
out:
	if (s.deliver && (cb_deliver_stop(s.deliver, ret == 0 ? err : &late) < 0 ||
			  say_all(&s, ret == 0 ? err : &late) < 0))
		ret = -1;
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
	cb_buf_release(&s.said);
	free_sinks(&s);
	return ret;
}

int cb_tell_check(const char *config, struct cb_tell_sizes *ret, struct cb_err *err)
{
	struct cb_silences *silences = NULL;
	struct cb_deliver_conf *sinks = NULL;
	struct cb_rules *rules = NULL;
	struct cb_conf *conf = NULL;
	int k = -1;

	if (cb_rules_load(&rules, config, err) < 0 || read_sinks(config, &conf, &sinks, err) < 0 ||
	    (rules->silences && cb_silences_load(&silences, rules->silences, err) < 0))
		goto out;
	*ret = (struct cb_tell_sizes){ rules->n, rules->routes, sinks ? sinks->n : 0, silences ? silences->n : 0 };
	k = 0;
out:
	cb_silences_free(silences);
	cb_deliver_conf_free(sinks);
	cb_conf_free(conf);
	cb_rules_free(rules);
	return k;
}
