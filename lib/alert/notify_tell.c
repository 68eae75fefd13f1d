/* SPDX-License-Identifier: Apache-2.0 */
/* When the items of a group are told, and whether. */
#include "alert/notify-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- limits ------------------------------------------------------------------------------------------ */

/* Were so many notices told within the time already? */
static bool over_limit(const struct cb_route *c, const struct route *r, int64_t t_us)
{
	/* told[at] is the oldest where the ring is full */
	return c->limit && r->n == c->limit && t_us - r->told[r->at] < c->limit_us;
}

void cb_nt_count_told(const struct cb_route *c, struct route *r, int64_t t_us)
{
	if (!c->limit)
		return;
	r->told[r->at] = t_us;
	r->at = (r->at + 1) % c->limit;
	if (r->n < c->limit)
		r->n++;
}

static void count_rule(struct route *r, const char *rule)
{
	for (uint32_t i = 0; i < RULES_NAMED; i++) {
		if (!r->rule[i].n)
			snprintf(r->rule[i].name, sizeof(r->rule[i].name), "%s", rule);
		if (strcmp(r->rule[i].name, rule) == 0) {
			r->rule[i].n++;
			return;
		}
	}
}

/* The items of a notice are too many: what is said later is how many they were. */
static int limited(struct cb_notify *n, struct group *g, uint32_t from, uint32_t count, int64_t t_us,
		   struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct route *r = &n->route[g->route];
	struct decision d = { .what = "limited", .route = g->route + 1, .alerts = count, .t_us = t_us };
	char id[CB_EVENT_ID_LEN];
	struct about a;

	for (uint32_t i = from; i < from + count; i++) {
		if (g->item[i].level > r->level)
			r->level = g->item[i].level;
		if (g->item[i].line && cb_nt_about_line(n, g->item[i].line, &a, NULL) == 0)
			count_rule(r, a.rule);
	}
	if (!r->limited) {
		r->since_us = t_us;
		memcpy(r->first, g->item[from].id, sizeof(r->first));
		r->due_us = r->told[r->at] + c->limit_us;
		if (cb_timers_add(&n->timers, (struct cb_timer){ .at_us = r->due_us, .rule = g->route, .entry = NONE },
				  err) < 0)
			return -1;
	}
	r->limited += count;
	d.until_us = r->due_us;
	d.item = count == 1 ? g->item[from].id : NULL;
	for (uint32_t i = 0; i < c->sinks; i++) {
		n->sum.limited += count;
		cb_nt_note_of(n, g, from, c->sink[i], id);
		d.sink = c->sink[i];
		d.note = id;
		if (cb_nt_decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

/* A notice of these items, unless there were too many. */
static int tell_some(struct cb_notify *n, struct group *g, uint32_t from, uint32_t count, int64_t t_us,
		     const char *reason, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct route *r = &n->route[g->route];
	uint32_t level = 0;

	for (uint32_t i = from; i < from + count; i++)
		if (g->item[i].level > level)
			level = g->item[i].level;
	if (level < c->urgent && over_limit(c, r, t_us))
		return limited(n, g, from, count, t_us, err);
	cb_nt_count_told(c, r, t_us);
	for (uint32_t i = 0; i < c->sinks; i++)
		if (cb_nt_send(n, g, c->sink[i], from, count, t_us, reason, err) < 0)
			return -1;
	g->told_us = t_us;
	return 0;
}

/* --- telling ----------------------------------------------------------------------------------------- */

/* Take out of a group, from an item on, what another alert mutes. */
static int sift(struct cb_notify *n, struct group *g, uint32_t from, int64_t t_us, struct cb_err *err)
{
	uint32_t to = from;

	for (uint32_t i = from; n->rules->inhibits && i < g->items; i++) {
		struct item *it = &g->item[i];
		const char *by = NULL;
		struct about a;

		if (it->what == W_ALERT && it->line && cb_nt_about_line(n, it->line, &a, err) < 0)
			return -1;
		if (it->what == W_ALERT && it->line && cb_nt_inhibited(n, &a, it->id, t_us, &by)) {
			struct decision d = { .what = "inhibited", .rule = a.rule, .subject = a.subject, .reason = by,
					      .t_us = t_us };

			n->sum.inhibited += n->rules->route[g->route].sinks;
			if (cb_nt_each_sink(n, g, i, d, err) < 0)
				return -1;
			cb_nt_item_free(it);
			continue;
		}
		g->item[to++] = *it;
	}
	if (n->rules->inhibits)
		g->items = to;
	return 0;
}

static bool urgent(const struct cb_route *c, const struct group *g)
{
	for (uint32_t i = 0; i < g->items; i++)
		if (g->item[i].level >= c->urgent)
			return true;
	return false;
}

/* In quiet hours: until when; else t_us. */
static int64_t quiet_until(const struct cb_notify *n, const struct cb_route *c, int64_t t_us)
{
	int64_t until;

	if (!c->quiet || !cb_schedule_open(c->quiet, n->rules->tz, t_us))
		return t_us;
	until = cb_schedule_closes(c->quiet, n->rules->tz, t_us);
	return until == INT64_MAX ? t_us + 8 * DAY_US : until;
}

/* Quiet hours: not now, but when they are over. */
static int defer(struct cb_notify *n, struct group *g, uint32_t from, int64_t t_us, int64_t until_us,
		 struct cb_err *err)
{
	struct decision d = { .what = "deferred", .t_us = t_us, .until_us = until_us };
	const struct cb_route *c = &n->rules->route[g->route];
	char id[CB_EVENT_ID_LEN];

	g->deferred = true;
	g->due_us = until_us;
	for (uint32_t i = from; !c->grouped && i < g->items; i++)
		if (cb_nt_each_sink(n, g, i, d, err) < 0)
			return -1;
	d.route = g->route + 1;
	d.alerts = g->items;
	for (uint32_t k = 0; c->grouped && k < c->sinks; k++) {
		cb_nt_note_of(n, g, 0, c->sink[k], id);
		d.sink = c->sink[k];
		d.note = id;
		if (cb_nt_decide(n, &d, err) < 0)
			return -1;
	}
	return cb_nt_group_wake(n, g, until_us, err);
}

int cb_nt_tell(struct cb_notify *n, struct group *g, int64_t t_us, const char *reason, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	int64_t until;

	if (sift(n, g, 0, t_us, err) < 0)
		return -1;
	until = quiet_until(n, c, t_us);
	if (g->items && until > t_us && !g->early && !urgent(c, g))
		return defer(n, g, 0, t_us, until, err);
	if (g->deferred && !g->early)
		reason = "quiet hours are over";
	for (uint32_t at = 0; at < g->items; at += c->grouped ? g->items : 1)
		if (tell_some(n, g, at, c->grouped ? g->items : 1, t_us, reason, err) < 0)
			return -1;
	cb_nt_items_drop(g, 0);
	if (cb_nt_journal_gone(n, g, err) < 0)
		return -1;
	return c->repeat_us && g->actives && g->told_us != INT64_MIN ?
		cb_nt_group_wake(n, g, g->told_us + c->repeat_us, err) : 0;
}

/* --- items ------------------------------------------------------------------------------------------- */

/* Where a route does not group, items only wait for the end of quiet hours. */
static int add_alone(struct cb_notify *n, struct group *g, int64_t t_us, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	uint32_t at = g->items - 1;
	int64_t until = quiet_until(n, c, t_us);

	if (sift(n, g, at, t_us, err) < 0)
		return -1;
	if (at == g->items)
		return 0;
	if (until > t_us && g->item[at].level < c->urgent) {
		if (defer(n, g, at, t_us, until, err) < 0 ||
		    cb_nt_journal_item(n, g, &g->item[at], &n->journal, err) < 0)
			return -1;
		if (g->items < CB_ITEMS_MAX)
			return 0;
		g->early = true;
		return cb_nt_tell(n, g, t_us, "full", err);
	}
	if (tell_some(n, g, at, 1, t_us, NULL, err) < 0)
		return -1;
	cb_nt_items_drop(g, at);
	return c->repeat_us && g->actives ? cb_nt_group_wake(n, g, g->told_us + c->repeat_us, err) : 0;
}

int cb_nt_add(struct cb_notify *n, struct group *g, struct item *it, const struct about *a, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct decision d = { .what = "grouped", .rule = a->rule, .subject = a->subject, .t_us = it->t_us };
	int64_t t_us = it->t_us, due = t_us + c->wait_us, next;

	cb_nt_group_use(n, g);
	/* of many that come together it is enough to know how many */
	if (c->grouped && g->items >= CB_ITEMS_NAMED && !n->rules->inhibits && !c->limit) {
		free(it->line);
		it->line = NULL;
	}
	it->number = ++n->numbers;
	if (cb_nt_item_put(g, it, err) < 0) {
		cb_nt_item_free(it);
		return -1;
	}
	if (!c->grouped)
		return add_alone(n, g, t_us, err);
	if (g->told_us != INT64_MIN) {
		next = g->told_us + c->interval_us;
		due = next > due ? next : t_us > next ? due : next;
	}
	if (g->items == 1)
		g->due_us = due;
	else if (g->deferred && it->level >= c->urgent)
		g->due_us = t_us;
	if (g->due_us > t_us) {
		d.until_us = g->due_us;
		if (cb_nt_each_sink(n, g, g->items - 1, d, err) < 0 || cb_nt_group_wake(n, g, g->due_us, err) < 0 ||
		    cb_nt_journal_item(n, g, &g->item[g->items - 1], &n->journal, err) < 0)
			return -1;
		if (g->items < CB_ITEMS_MAX)
			return 0;
		g->early = true;
		return cb_nt_tell(n, g, t_us, "full", err);
	}
	if (quiet_until(n, c, t_us) > t_us && !urgent(c, g)) {
		if (cb_nt_tell(n, g, t_us, "", err) < 0)
			return -1;
		return g->items ? cb_nt_journal_item(n, g, &g->item[g->items - 1], &n->journal, err) : 0;
	}
	return cb_nt_tell(n, g, t_us, "at once", err);
}

/* --- again ------------------------------------------------------------------------------------------- */

int cb_nt_summary(struct cb_notify *n, uint32_t route, int64_t t_us, bool now, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[route];
	struct route *r = &n->route[route];
	char key[] = "{}", title[512];
	struct group g = { .route = route, .key = key, .told_us = INT64_MIN, .due_us = INT64_MAX };
	int64_t until = quiet_until(n, c, t_us);
	size_t at;
	struct item it;
	int k = -1;

	if (!r->limited || (!now && t_us < r->due_us))
		return 0;
	if (!now && until > t_us && r->level < c->urgent) {
		r->due_us = until;
		return cb_timers_add(&n->timers, (struct cb_timer){ .at_us = until, .rule = route, .entry = NONE },
				     err);
	}
	at = (size_t)snprintf(title, sizeof(title), "and %ju more", (uintmax_t)r->limited);
	for (uint32_t i = 0; i < RULES_NAMED && r->rule[i].n; i++)
		at += (size_t)snprintf(title + at, sizeof(title) - at, "%s%.40s %ju", i ? ", " : ": ", r->rule[i].name,
				       (uintmax_t)r->rule[i].n);
	memcpy(g.digest, c->shape, sizeof(g.digest));
	if (cb_nt_item_make(&it, r->first, W_SUMMARY, r->level, t_us, title, NULL, 0, err) < 0)
		return -1;
	if (cb_nt_item_put(&g, &it, err) < 0) {
		cb_nt_item_free(&it);
		return -1;
	}
	k = cb_nt_fire(n, c, route, &it, NULL, err);
	for (uint32_t i = 0; i < c->sinks && k == 0; i++)
		k = cb_nt_send(n, &g, c->sink[i], 0, 1, t_us, "summary", err);
	cb_nt_items_drop(&g, 0);
	free(g.item);
	r->limited = 0;
	r->level = 0;
	r->due_us = INT64_MAX;
	memset(r->rule, 0, sizeof(r->rule));
	return k;
}

int cb_nt_repeat(struct cb_notify *n, struct group *g, int64_t t_us, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct item it;

	/* of several that were due before the next event the last one is enough */
	if (n->horizon_us > t_us && (n->horizon_us - t_us) / c->repeat_us > 0) {
		g->told_us += (n->horizon_us - t_us) / c->repeat_us * c->repeat_us;
		return cb_nt_group_wake(n, g, g->told_us + c->repeat_us, err);
	}
	/* whatever becomes of it, the next one is that much later */
	g->told_us = t_us;
	for (uint32_t i = 0; i < g->actives; i++) {
		const struct lasting *l = &g->active[i];

		if (cb_nt_item_make(&it, l->id, W_REPEAT, l->level, t_us, l->title, NULL, 0, err) < 0)
			return -1;
		it.number = ++n->numbers;
		if (cb_nt_fire(n, c, g->route, &it, NULL, err) < 0 || cb_nt_item_put(g, &it, err) < 0) {
			cb_nt_item_free(&it);
			return -1;
		}
	}
	g->due_us = t_us;
	return cb_nt_tell(n, g, t_us, "repeat", err);
}
