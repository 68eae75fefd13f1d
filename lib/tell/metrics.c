/* SPDX-License-Identifier: Apache-2.0 */
/* cb-alert's own counts, for Prometheus. */
#include "tell/metrics.h"

#include <inttypes.h>

static int head(struct cb_buf *b, const char *name, const char *kind, const char *help)
{
	return cb_buf_printf(b, "# HELP cb_alert_%s %s\n# TYPE cb_alert_%s %s\n", name, help, name, kind);
}

static int one(struct cb_buf *b, const char *name, const char *kind, const char *help, uint64_t v)
{
	return head(b, name, kind, help) < 0 ? -1 : cb_buf_printf(b, "cb_alert_%s %" PRIu64 "\n", name, v);
}

int cb_tell_metrics(struct cb_buf *b, const struct cb_tell_counts *c, struct cb_err *err)
{
	const struct cb_notify_sum *s = &c->items;
	const struct { const char *name; uint64_t n; } of[] = {
		{ "fired", s->fired }, { "silenced", s->silenced }, { "inhibited", s->inhibited },
		{ "limited", s->limited }, { "unrouted", s->unrouted }, { "queued", s->queued },
	};
	int k = one(b, "events_total", "counter", "Events read.", c->events) |
		one(b, "bad_events_total", "counter", "Of them, those that were no events.", c->bad) |
		one(b, "alerts_total", "counter", "Alerts that rules have made.", c->alerts) |
		one(b, "hooks_total", "counter", "Hooks that were started.", c->hooks) |
		one(b, "failed_hooks_total", "counter", "Hooks that did not exit with 0.", c->hooks_failed) |
		head(b, "decisions_total", "counter", "What was decided about alerts, each once for a sink.");

	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
		k |= cb_buf_printf(b, "cb_alert_decisions_total{decision=\"%s\"} %" PRIu64 "\n", of[i].name, of[i].n);
	k |= one(b, "notices_total", "counter", "Notices given to sinks.", s->notices) |
	     one(b, "waiting", "gauge", "Alerts that wait for their notice, each once for a sink.", s->waiting);
	return k < 0 ? cb_err_nomem(err) : 0;
}
