/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: items that wait, alerts that last. */
#include "alert/notify-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

/* --- items ------------------------------------------------------------------------------------------- */

void cb_nt_item_free(struct item *i)
{
	free(i->title);
	free(i->line);
}

int cb_nt_item_make(struct item *it, const char *id, enum what what, uint32_t level, int64_t t_us,
		    const char *title, const void *line, size_t len, struct cb_err *err)
{
	*it = (struct item){ .what = what, .level = level, .t_us = t_us, .title = strndup(title, CB_TEXT_MAX),
			     .line = line ? strndup(line, len) : NULL };
	snprintf(it->id, sizeof(it->id), "%s", id);
	if (it->title && (it->line || !line))
		return 0;
	cb_nt_item_free(it);
	return cb_err_nomem(err);
}

int cb_nt_item_put(struct group *g, const struct item *it, struct cb_err *err)
{
	if (g->items == g->cap) {
		uint32_t cap = g->cap ? 2 * g->cap : 4;
		struct item *v = reallocarray(g->item, cap, sizeof(*v));

		if (!v)
			return cb_err_nomem(err);
		g->item = v;
		g->cap = cap;
	}
	if (!g->items) {
		memcpy(g->first, it->id, sizeof(g->first));
		g->first_what = it->what;
	}
	g->item[g->items++] = *it;
	return 0;
}

void cb_nt_items_drop(struct group *g, uint32_t from)
{
	for (uint32_t i = from; i < g->items; i++)
		cb_nt_item_free(&g->item[i]);
	g->items = from;
	if (from)
		return;
	g->deferred = g->early = false;
	g->due_us = INT64_MAX;
}

/* --- what lasts -------------------------------------------------------------------------------------- */

int cb_nt_active_add(struct group *g, const char *id, uint32_t level, int64_t t_us, const char *title,
		     struct cb_err *err)
{
	if (g->actives == ACTIVE_MAX)
		return 0;
	if (g->actives == g->active_cap) {
		uint32_t cap = g->active_cap ? 2 * g->active_cap : 4;
		struct lasting *v = reallocarray(g->active, cap, sizeof(*v));

		if (!v)
			return cb_err_nomem(err);
		g->active = v;
		g->active_cap = cap;
	}
	g->active[g->actives] = (struct lasting){ .level = level, .t_us = t_us, .title = strndup(title, CB_TEXT_MAX) };
	if (!g->active[g->actives].title)
		return cb_err_nomem(err);
	snprintf(g->active[g->actives++].id, sizeof(g->active->id), "%s", id);
	return 0;
}

bool cb_nt_active_drop(struct group *g, const char *id)
{
	for (uint32_t i = 0; i < g->actives; i++)
		if (strcmp(g->active[i].id, id) == 0) {
			free(g->active[i].title);
			memmove(&g->active[i], &g->active[i + 1], (g->actives - i - 1) * sizeof(*g->active));
			g->actives--;
			return true;
		}
	return false;
}

/* --- groups ------------------------------------------------------------------------------------------ */

void cb_nt_group_free(struct group *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < g->items; i++)
		cb_nt_item_free(&g->item[i]);
	for (uint32_t i = 0; i < g->actives; i++)
		free(g->active[i].title);
	free(g->item);
	free(g->active);
	free(g->key);
	free(g);
}

static uint32_t *bucket_of(struct cb_notify *n, const uint8_t *digest)
{
	return &n->bucket[cb_le32(digest) % BUCKETS];
}

static void unlink_use(struct cb_notify *n, struct group *g)
{
	if (g->newer != NONE)
		n->group[g->newer]->older = g->older;
	else
		n->newest = g->older;
	if (g->older != NONE)
		n->group[g->older]->newer = g->newer;
	else
		n->oldest = g->newer;
}

static void link_use(struct cb_notify *n, struct group *g)
{
	g->newer = NONE;
	g->older = n->newest;
	if (n->newest != NONE)
		n->group[n->newest]->newer = g->number;
	else
		n->oldest = g->number;
	n->newest = g->number;
}

void cb_nt_group_use(struct cb_notify *n, struct group *g)
{
	unlink_use(n, g);
	link_use(n, g);
}

static void drop_group(struct cb_notify *n, struct group *g)
{
	uint32_t *b = bucket_of(n, g->digest);

	while (*b != g->number)
		b = &n->group[*b]->chain;
	*b = g->chain;
	unlink_use(n, g);
	n->group[g->number] = NULL;
	n->free_place = g->number;
	n->used--;
	cb_nt_group_free(g);
}

struct group *cb_nt_group_find(struct cb_notify *n, const uint8_t digest[static 16])
{
	for (uint32_t i = *bucket_of(n, digest); i != NONE; i = n->group[i]->chain)
		if (memcmp(n->group[i]->digest, digest, 16) == 0)
			return n->group[i];
	return NULL;
}

int cb_nt_group_make(struct cb_notify *n, const uint8_t digest[static 16], uint32_t route, int64_t t_us,
		     struct group **ret, struct cb_err *err)
{
	struct group *g;
	uint32_t *b;

	if (n->used == CB_NOTIFY_GROUPS) {
		g = n->group[n->oldest];
		g->early = true;
		if (g->items && cb_nt_tell(n, g, t_us, "too many groups", err) < 0)
			return -1;
		drop_group(n, g);
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return cb_err_nomem(err);
	memcpy(g->digest, digest, 16);
	g->age = ++n->ages;
	g->route = route;
	g->due_us = g->timer_us = INT64_MAX;
	g->told_us = INT64_MIN;
	for (g->number = n->free_place; n->group[g->number];)
		g->number = (g->number + 1) % CB_NOTIFY_GROUPS;
	n->group[g->number] = g;
	n->free_place = (g->number + 1) % CB_NOTIFY_GROUPS;
	n->used++;
	b = bucket_of(n, digest);
	g->chain = *b;
	*b = g->number;
	link_use(n, g);
	*ret = g;
	return 0;
}

int cb_nt_group_of(struct cb_notify *n, uint32_t route, const struct cb_alert_out *o, const struct about *a,
		   bool make, struct group **ret, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[route];
	uint8_t digest[16], seed[32];
	struct cb_by own = { .name = { "rule" }, .n = 1 };
	struct cb_buf key = { 0 };
	struct cb_jw w;

	memcpy(seed, c->shape, 16);
	memcpy(seed + 16, o->digest, 16);
	if (!c->grouped && cb_rule_lasts(o->rule))
		cb_nt_by_digest(digest, seed, sizeof(seed), &own, a);
	else
		cb_nt_by_digest(digest, c->shape, sizeof(c->shape), &c->by, a);
	*ret = cb_nt_group_find(n, digest);
	if (*ret || !make)
		return 0;
	cb_jw_init(&w, &key);
	cb_jw_obj(&w);
	for (uint32_t i = 0; i < c->by.n; i++)
		cb_jw_kstr(&w, c->by.name[i], cb_nt_by_value(c->by.name[i], a));
	cb_jw_obj_end(&w);
	if (cb_jw_done(&w, err) < 0 || cb_buf_byte(&key, 0) < 0 ||
	    cb_nt_group_make(n, digest, route, o->t_us, ret, err) < 0) {
		cb_buf_release(&key);
		return err && err->code ? -1 : cb_err_nomem(err);
	}
	(*ret)->key = (char *)key.data;
	return 0;
}

/* --- time -------------------------------------------------------------------------------------------- */

/* A route's summary, or a group that is still there. */
static bool meant(void *ctx, const struct cb_timer *t)
{
	struct cb_notify *n = ctx;
	const struct group *g = t->entry == NONE ? NULL : n->group[t->entry];

	return t->entry == NONE ? n->route[t->rule].due_us == t->at_us :
				  g && g->age == t->age && g->timer_us == t->at_us;
}

int cb_nt_group_wake(struct cb_notify *n, struct group *g, int64_t at_us, struct cb_err *err)
{
	if (g->timer_us <= at_us)
		return 0;
	g->timer_us = at_us;
	cb_timers_tidy(&n->timers, meant, n);
	return cb_timers_add(&n->timers, (struct cb_timer){ .at_us = at_us, .rule = g->route,
			     .entry = g->number, .age = g->age, .tie = cb_le32(g->digest) }, err);
}
