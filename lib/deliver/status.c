/* SPDX-License-Identifier: Apache-2.0 */
/* A spool, told. */
#include "deliver/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/newfile.h"
#include "base/time.h"
#include "wire/json.h"

struct teller {
	struct cb_spool *s;
	struct cb_out *out;
	struct cb_buf *b;
	const char *sink, *id, *format;
	size_t member;
	bool unbalanced;
};

/* --- status ------------------------------------------------------------------------------------- */

static int line(struct cb_out *out, const char *name, const struct cb_spool_sum *m, struct cb_err *err)
{
	return cb_out_printf(out, err, "%-20s %10" PRIu64 " %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64,
			     name, m->in, m->delivered, m->dead, m->queued, m->dropped);
}

static int status_sink(void *ctx, const char *sink, struct cb_err *err)
{
	struct teller *t = ctx;
	struct cb_spool_sum m;
	char since[CB_TIME_LEN], why[256];

	if (cb_spool_sum(t->s, sink, &m, err) < 0 || line(t->out, sink, &m, err) < 0)
		return -1;
	t->unbalanced |= m.in != m.delivered + m.dead + m.queued + m.dropped;
	if (m.queued) {
		cb_time_format_us(since, m.oldest_us);
		cb_text_safe(why, sizeof(why), m.reason, strlen(m.reason), false);
		if (cb_out_printf(t->out, err, "  since %s", since) < 0 ||
		    (m.attempts && cb_out_printf(t->out, err, ", tried %u times: %s", m.attempts, why) < 0))
			return -1;
	}
	return cb_out_printf(t->out, err, "\n");
}

static int status(struct teller *t, struct cb_err *err)
{
	struct cb_spool_sum m;

	if (cb_out_printf(t->out, err, "%-20s %10s %10s %8s %8s %8s\n", "sink", "in", "delivered", "dead", "queued",
			  "dropped") < 0 || cb_spool_sinks(t->s, status_sink, t, err) < 0 ||
	    cb_spool_sum(t->s, NULL, &m, err) < 0 || line(t->out, "all", &m, err) < 0 ||
	    cb_out_printf(t->out, err, "\n") < 0)
		return -1;
	/* while others deliver, the sums of sinks are each of a moment of their own; one sink's are not */
	if (t->unbalanced)
		return cb_err_set(err, CB_E_NO, "the account does not balance: in is not delivered + dead + queued + dropped");
	return 0;
}

/* --- dead ones ---------------------------------------------------------------------------------------- */

static int dead_sink(void *ctx, const char *sink, struct cb_err *err)
{
	struct teller *t = ctx;
	struct cb_spooled *o;
	uint64_t after = 0;
	struct cb_jw w;
	int r = 0;

	if (t->sink && strcmp(t->sink, sink) != 0)
		return 0;
	while (r == 0) {
		if (cb_spool_next(t->s, sink, after, true, &o, err) < 0)
			return -1;
		if (!o)
			return 0;
		after = o->number;
		if (!t->id || strcmp(t->id, o->note.id) == 0) {
			t->b->len = 0;
			cb_jw_init(&w, t->b);
			cb_jw_obj(&w);
			cb_jw_kstr(&w, "id", o->note.id);
			cb_jw_kstr(&w, "sink", sink);
			cb_jw_ku64(&w, "attempts", o->attempts);
			cb_jw_ki64(&w, "put_us", o->put_us);
			cb_jw_kstr(&w, "reason", o->reason);
			cb_jw_ku64(&w, "thumbnail_bytes", o->note.jpeg_len);
			cb_jw_key(&w, "event");
			cb_jw_raw(&w, o->note.line, o->note.len);
			cb_jw_obj_end(&w);
			r = cb_jw_done(&w, err) < 0 || cb_out_write(t->out, t->b->data, t->b->len, err) < 0 ||
				cb_out_write(t->out, "\n", 1, err) < 0 ? -1 : 0;
		}
		free(o);
	}
	return r;
}

/* --- metrics ------------------------------------------------------------------------------------------- */

static const struct metric {
	const char *name, *kind, *help;
	size_t member;
} metrics[] = {
	{ "in_total", "counter", "Alerts given to a sink.", offsetof(struct cb_spool_sum, in) },
	{ "delivered_total", "counter", "Alerts that a sink has taken.", offsetof(struct cb_spool_sum, delivered) },
	{ "failed_attempts_total", "counter", "Attempts that failed.", offsetof(struct cb_spool_sum, failed) },
	{ "dropped_total", "counter", "Alerts dropped by the operator, or without room.", offsetof(struct cb_spool_sum, dropped) },
	{ "replayed_total", "counter", "Dead alerts put back into the queue.", offsetof(struct cb_spool_sum, replayed) },
	{ "queued", "gauge", "Alerts that wait.", offsetof(struct cb_spool_sum, queued) },
	{ "dead", "gauge", "Alerts that were given up.", offsetof(struct cb_spool_sum, dead) },
};
#define METRICS (sizeof(metrics) / sizeof(*metrics))

static int metric_sink(void *ctx, const char *sink, struct cb_err *err)
{
	struct teller *t = ctx;
	struct cb_spool_sum m;
	uint64_t v;

	if (cb_spool_sum(t->s, sink, &m, err) < 0)
		return -1;
	if (t->format) {
		int64_t age = m.queued ? cb_now_wall_ns() / 1000 - m.oldest_us : 0;

		return cb_buf_printf(t->b, "cb_alert_sink_oldest_seconds{sink=\"%s\"} %.3f\n", sink,
				     age > 0 ? (double)age / 1e6 : 0.0) < 0 ? cb_err_nomem(err) : 0;
	}
	memcpy(&v, (char *)&m + metrics[t->member].member, sizeof(v));
	return cb_buf_printf(t->b, "cb_alert_sink_%s{sink=\"%s\"} %" PRIu64 "\n", metrics[t->member].name, sink, v) < 0 ?
		cb_err_nomem(err) : 0;
}

int cb_status_metrics(struct cb_spool *s, struct cb_buf *b, struct cb_err *err)
{
	struct teller t = { .s = s, .b = b };

	for (; t.member < METRICS; t.member++) {
		const struct metric *m = &metrics[t.member];

		cb_buf_printf(b, "# HELP cb_alert_sink_%s %s\n# TYPE cb_alert_sink_%s %s\n", m->name, m->help, m->name,
			      m->kind);
		if (cb_spool_sinks(s, metric_sink, &t, err) < 0)
			return -1;
	}
	t.format = "age";
	cb_buf_printf(b, "# HELP cb_alert_sink_oldest_seconds How long the first alert waits.\n"
		      "# TYPE cb_alert_sink_oldest_seconds gauge\n");
	return cb_spool_sinks(s, metric_sink, &t, err);
}

int cb_status_metrics_file(struct cb_spool *s, const char *path, struct cb_buf *b, struct cb_err *err)
{
	return cb_status_metrics(s, b, err) < 0 ? -1 : cb_newfile_write(path, 0644, true, b->data, b->len, err);
}

/* --- verbs ------------------------------------------------------------------------------------------------ */

static int revive(struct teller *t, bool drop, struct cb_err *err)
{
	int64_t n = cb_spool_revive(t->s, t->sink, t->id, drop, cb_now_wall_ns() / 1000, err);

	if (n < 0)
		return -1;
	if (cb_out_printf(t->out, err, "%" PRId64 " %s\n", n, drop ? "dropped" : "replayed") < 0)
		return -1;
	return n || !t->id ? 0 : cb_err_set(err, CB_E_NO, "no dead alert %.64s", t->id);
}

int cb_status(enum cb_status_verb verb, const char *dir, const char *sink, const char *id, struct cb_out *out,
	      struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct teller t = { .out = out, .b = &b, .sink = sink, .id = id };
	int r = -1;

	if (cb_spool_open(&t.s, dir, 0, false, err) < 0)
		return -1;
	switch (verb) {
	case CB_STATUS:
		r = status(&t, err);
		break;
	case CB_STATUS_DEAD:
		r = cb_spool_sinks(t.s, dead_sink, &t, err);
		break;
	case CB_STATUS_REPLAY:
	case CB_STATUS_DROP:
		r = revive(&t, verb == CB_STATUS_DROP, err);
		break;
	case CB_STATUS_METRICS:
		r = cb_status_metrics(t.s, &b, err) < 0 ? -1 : cb_out_write(out, b.data, b.len, err);
		break;
	}
	cb_buf_release(&b);
	cb_spool_close(t.s);
	return r;
}
