/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions about items, and their sums. */
#include "alert/notify-priv.h"

#include <string.h>

const char *const cb_nt_levels[] = CB_SEVERITY_NAMES;
const char *const cb_nt_whats[] = { "alert", "resolved", "repeat", "summary" };

int cb_nt_decide(struct cb_notify *n, const struct decision *d, struct cb_err *err)
{
	uint8_t sum[CB_SHA256_LEN];
	char id[CB_EVENT_ID_LEN];
	struct cb_sha256 h;
	struct cb_jw w;
	const char *const of[] = { d->what, d->sink, d->item, d->note, d->kind };

	cb_sha256_init(&h);
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
		cb_sha256_update(&h, of[i] ? of[i] : "", of[i] ? strlen(of[i]) + 1 : 1);
	cb_sha256_final(&h, sum);
	cb_event_id(id, "cb.alert.decision", d->subject ? d->subject : "", sum, d->t_us, "",
		    (uint32_t)d->number);
	cb_event_begin(&w, &n->line, "cb-alert", "cb.alert.decision", d->subject ? d->subject : "",
		       d->t_us * 1000, id);
	cb_jw_kstr(&w, "decision", d->what);
	if (d->sink)
		cb_jw_kstr(&w, "sink", d->sink);
	if (d->item)
		cb_jw_kstr(&w, "alert", d->item);
	if (d->note)
		cb_jw_kstr(&w, "note", d->note);
	if (d->kind)
		cb_jw_kstr(&w, "what", d->kind);
	if (d->rule)
		cb_jw_kstr(&w, "rule", d->rule);
	if (d->route)
		cb_jw_ku64(&w, "route", d->route);
	if (d->alerts)
		cb_jw_ku64(&w, "alerts", d->alerts);
	if (d->reason && *d->reason)
		cb_jw_kstr(&w, "reason", d->reason);
	if (d->until_us)
		cb_jw_ki64(&w, "until_us", d->until_us);
	if (d->attempt)
		cb_jw_ku64(&w, "attempt", d->attempt);
	if (d->next_us)
		cb_jw_ki64(&w, "next_us", d->next_us);
	if (cb_event_end(&w, err) < 0)
		return -1;
	return n->ops.decide(n->ops.ctx, &n->line, err);
}

int cb_notify_fate(struct cb_notify *n, const struct cb_fate *f, struct cb_err *err)
{
	struct decision d = { .what = f->decision, .sink = f->sink, .note = f->note, .reason = f->reason,
			      .attempt = f->attempt, .t_us = f->t_us, .next_us = f->next_us,
			      .number = f->number };

	return cb_nt_decide(n, &d, err);
}

int cb_nt_fire(struct cb_notify *n, const struct cb_route *c, uint32_t route, const struct item *it,
	       const struct about *a, struct cb_err *err)
{
	struct decision d = { .what = "fired", .item = it->id, .kind = cb_nt_whats[it->what], .route = route + 1,
			      .alerts = 1, .t_us = it->t_us };

	if (a) {
		d.rule = a->rule;
		d.subject = a->subject;
	}
	for (uint32_t i = 0; i < c->sinks; i++) {
		d.sink = c->sink[i];
		n->sum.fired++;
		if (cb_nt_decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

int cb_nt_each_sink(struct cb_notify *n, const struct group *g, uint32_t i, struct decision d, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	char id[CB_EVENT_ID_LEN];

	d.route = g->route + 1;
	d.item = g->item[i].id;
	d.alerts = 1;
	for (uint32_t k = 0; k < c->sinks; k++) {
		cb_nt_note_of(n, g, i, c->sink[k], id);
		d.sink = c->sink[k];
		d.note = id;
		if (cb_nt_decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

/* --- sums -------------------------------------------------------------------------------------------- */

void cb_notify_sum(const struct cb_notify *n, struct cb_notify_sum *ret)
{
	*ret = n->sum;
	ret->waiting = 0;
	for (uint32_t i = 0; i < CB_NOTIFY_GROUPS; i++)
		if (n->group[i])
			ret->waiting += (uint64_t)n->group[i]->items * n->rules->route[n->group[i]->route].sinks;
}

int cb_notify_account(struct cb_notify *n, int64_t t_us, struct cb_buf *out, struct cb_err *err)
{
	struct cb_notify_sum s;
	uint8_t digest[CB_SHA256_LEN];
	char id[CB_EVENT_ID_LEN];
	struct cb_jw w;

	cb_notify_sum(n, &s);
	cb_sha256(digest, &s, sizeof(s));
	cb_event_id(id, "cb.alert.account", "", digest, t_us, "", 0);
	cb_event_begin(&w, out, "cb-alert", "cb.alert.account", "", t_us * 1000, id);
	cb_jw_ku64(&w, "in", s.fired);
	cb_jw_ku64(&w, "silenced", s.silenced);
	cb_jw_ku64(&w, "inhibited", s.inhibited);
	cb_jw_ku64(&w, "limited", s.limited);
	cb_jw_ku64(&w, "unrouted", s.unrouted);
	cb_jw_ku64(&w, "queued", s.queued);
	cb_jw_ku64(&w, "notices", s.notices);
	cb_jw_ku64(&w, "waiting", s.waiting);
	return cb_event_end(&w, err);
}
