/* SPDX-License-Identifier: Apache-2.0 */
/* Routes at work: alerts come in, time goes on. */
#include "alert/notify-priv.h"

#include <stdio.h>
#include <stdlib.h>

/* --- alerts ------------------------------------------------------------------------------------------ */

static int silenced(struct cb_notify *n, const struct cb_route *c, uint32_t route, const struct item *it,
		    const struct about *a, const struct cb_silence *s, struct cb_err *err)
{
	char reason[512];
	struct decision d = { .what = "silenced", .item = it->id, .rule = a->rule, .subject = a->subject,
			      .reason = reason, .route = route + 1, .alerts = 1, .t_us = it->t_us,
			      .until_us = s->until_us };

	snprintf(reason, sizeof(reason), "%.200s: %.200s", s->file, s->author);
	for (uint32_t i = 0; i < c->sinks; i++) {
		d.sink = c->sink[i];
		n->sum.silenced++;
		if (cb_nt_decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

/* At one route; *ret_stop: no further one sees it. */
static int at_route(struct cb_notify *n, uint32_t route, const struct cb_alert_out *o, const struct about *a,
		    const struct cb_silence *s, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[route];
	struct group *g;
	struct item it;
	int k;

	if (cb_nt_group_of(n, route, o, a, !o->resolved && !s, &g, err) < 0)
		return -1;
	/* that something is over is said to whom it was told, and who wants to know */
	if (o->resolved && (!g || !cb_nt_active_drop(g, o->over) || !c->resolved))
		return 0;
	if (cb_nt_item_make(&it, o->id, o->resolved ? W_RESOLVED : W_ALERT, o->rule->level, o->t_us, o->title,
			    o->line->data, o->line->len, err) < 0)
		return -1;
	if (cb_nt_fire(n, c, route, &it, a, err) < 0 || s) {
		k = s ? silenced(n, c, route, &it, a, s, err) : -1;
		cb_nt_item_free(&it);
		return k;
	}
	if (!o->resolved && cb_rule_lasts(o->rule) && (c->resolved || c->repeat_us) &&
	    cb_nt_active_add(g, o->id, o->rule->level, o->t_us, o->title, err) < 0) {
		cb_nt_item_free(&it);
		return -1;
	}
	return cb_nt_add(n, g, &it, a, err);
}

int cb_notify_alert(struct cb_notify *n, const struct cb_alert_out *o, struct cb_err *err)
{
	struct about a = cb_nt_about_of(o);
	const struct cb_silence *s = cb_nt_silence_of(n, &a, o->t_us);
	bool any = false;

	if (cb_nt_sources(n, o, &a, err) < 0)
		return -1;
	for (uint32_t i = 0; i < n->rules->routes; i++) {
		if (!cb_nt_who_met(&n->rules->route[i].who, &a))
			continue;
		any = true;
		if (at_route(n, i, o, &a, s, err) < 0)
			return -1;
		if (!n->rules->route[i].go_on)
			break;
	}
	if (!any && !o->resolved) {
		struct decision d = { .what = "fired", .item = o->id, .kind = cb_nt_whats[W_ALERT], .rule = a.rule,
				      .subject = a.subject, .alerts = 1, .t_us = o->t_us };

		n->sum.fired++;
		n->sum.unrouted++;
		if (cb_nt_decide(n, &d, err) < 0)
			return -1;
		d.what = "unrouted";
		d.kind = NULL;
		return cb_nt_decide(n, &d, err);
	}
	return 0;
}

/* --- time -------------------------------------------------------------------------------------------- */

int64_t cb_notify_next(const struct cb_notify *n)
{
	return cb_timers_next(&n->timers);
}

int cb_notify_until(struct cb_notify *n, int64_t t_us, int64_t horizon_us, struct cb_err *err)
{
	struct cb_timer t;

	n->horizon_us = horizon_us;

	while (cb_timers_due(&n->timers, t_us, &t)) {
		const struct cb_route *c = &n->rules->route[t.rule];
		struct group *g;

		if (t.entry == NONE) {
			if (cb_nt_summary(n, t.rule, t.at_us, false, err) < 0)
				return -1;
			continue;
		}
		g = n->group[t.entry];
		if (!g || g->age != t.age)
			continue;
		g->timer_us = INT64_MAX;
		if (g->items) {
			if (g->due_us > t.at_us ? cb_nt_group_wake(n, g, g->due_us, err) < 0 :
			    cb_nt_tell(n, g, t.at_us, c->grouped && g->told_us != INT64_MIN ?
				       "group_interval" : "group_wait", err) < 0)
				return -1;
		} else if (c->repeat_us && g->actives && g->told_us != INT64_MIN) {
			if (t.at_us < g->told_us + c->repeat_us ?
			    cb_nt_group_wake(n, g, g->told_us + c->repeat_us, err) < 0 :
			    cb_nt_repeat(n, g, t.at_us, err) < 0)
				return -1;
		}
	}
	return 0;
}

void cb_notify_back(struct cb_notify *n, int64_t by_us)
{
	cb_timers_shift(&n->timers, by_us);
	for (uint32_t i = 0; i < CB_NOTIFY_GROUPS; i++) {
		struct group *g = n->group[i];

		if (!g)
			continue;
		g->due_us -= g->due_us == INT64_MAX ? 0 : by_us;
		g->timer_us -= g->timer_us == INT64_MAX ? 0 : by_us;
		g->told_us -= g->told_us == INT64_MIN ? 0 : by_us;
	}
	for (uint32_t i = 0; i < n->rules->routes; i++) {
		struct route *r = &n->route[i];

		for (uint32_t k = 0; k < r->n; k++)
			r->told[k] -= by_us;
		r->due_us -= r->due_us == INT64_MAX ? 0 : by_us;
	}
	for (struct cb_group *s = NULL; (s = cb_groups_next(n->source, s));)
		s->seen_us -= s->seen_us == INT64_MAX ? 0 : by_us;
}

int cb_notify_flush(struct cb_notify *n, int64_t t_us, struct cb_err *err)
{
	for (uint32_t i = n->oldest; i != NONE; i = n->group[i]->newer) {
		struct group *g = n->group[i];

		if (!g->items)
			continue;
		g->early = true;
		if (cb_nt_tell(n, g, t_us, "end", err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < n->rules->routes; i++)
		if (cb_nt_summary(n, i, t_us, true, err) < 0)
			return -1;
	return 0;
}

/* --- life -------------------------------------------------------------------------------------------- */

int cb_notify_new(struct cb_notify **ret, const struct cb_rules *rules, const struct cb_silences *silences,
		  const struct cb_notify_ops *ops, struct cb_err *err)
{
	struct cb_notify *n = calloc(1, sizeof(*n));

	if (!n)
		return cb_err_nomem(err);
	n->rules = rules;
	n->silences = silences;
	n->ops = *ops;
	n->newest = n->oldest = NONE;
	for (uint32_t i = 0; i < BUCKETS; i++)
		n->bucket[i] = NONE;
	n->group = calloc(CB_NOTIFY_GROUPS, sizeof(*n->group));
	n->route = calloc(rules->routes + 1, sizeof(*n->route));
	if (!n->group || !n->route || cb_groups_new(&n->source, 65536, 0, err) < 0)
		goto nomem;
	for (uint32_t i = 0; i < rules->routes; i++) {
		n->route[i].due_us = INT64_MAX;
		n->route[i].told = calloc(rules->route[i].limit + 1, sizeof(int64_t));
		if (!n->route[i].told)
			goto nomem;
	}
	*ret = n;
	return 0;
nomem:
	cb_notify_free(n);
	return cb_err_nomem(err);
}

void cb_notify_free(struct cb_notify *n)
{
	if (!n)
		return;
	for (uint32_t i = 0; n->group && i < CB_NOTIFY_GROUPS; i++)
		cb_nt_group_free(n->group[i]);
	free(n->group);
	for (uint32_t i = 0; n->route && i < n->rules->routes; i++)
		free(n->route[i].told);
	free(n->route);
	if (n->source)
		cb_groups_free(n->source);
	cb_timers_release(&n->timers);
	cb_buf_release(&n->line);
	cb_buf_release(&n->text);
	cb_buf_release(&n->title);
	cb_buf_release(&n->journal);
	cb_buf_release(&n->about);
	free(n);
}
