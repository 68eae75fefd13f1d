/* SPDX-License-Identifier: Apache-2.0 */
/* State by group: a hash table of fixed-size entries on a list by last use. */
#include "alert/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define NONE UINT32_MAX
/* A match older than this before the newest is no straggler: the clock was set back. */
#define SET_BACK_US INT64_C(3600000000)

struct entry {
	uint8_t digest[16];
	int64_t alert_us;
	bool alerted;
	uint32_t n;			/* times kept */
	uint32_t chain;			/* next in the bucket */
	uint32_t newer, older;		/* by last use */
};

struct cb_groups {
	uint32_t max, count, used, cap;
	uint32_t newest, oldest;
	struct entry *entry;
	int64_t *time;			/* count an entry, ascending */
	uint32_t *bucket;		/* cap of them, a power of two */
	uint64_t forgotten;
};

int cb_groups_new(struct cb_groups **ret, uint32_t max, uint32_t count, struct cb_err *err)
{
	struct cb_groups *g = calloc(1, sizeof(*g));

	if (!g)
		return cb_err_nomem(err);
	g->max = max;
	g->count = count;
	g->newest = g->oldest = NONE;
	*ret = g;
	return 0;
}

void cb_groups_free(struct cb_groups *g)
{
	if (!g)
		return;
	free(g->entry);
	free(g->time);
	free(g->bucket);
	free(g);
}

uint64_t cb_groups_forgotten(const struct cb_groups *g)
{
	return g->forgotten;
}

static uint32_t *bucket_of(struct cb_groups *g, const uint8_t *digest)
{
	return &g->bucket[cb_le32(digest) & (g->cap - 1)];
}

static int grow(struct cb_groups *g)
{
	uint32_t cap = g->cap ? g->cap * 2 : 1;
	uint32_t *bucket = malloc(cap * sizeof(*bucket));
	struct entry *entry = reallocarray(g->entry, cap, sizeof(*entry));
	int64_t *time;

	if (entry)
		g->entry = entry;
	time = reallocarray(g->time, (size_t)cap * g->count, sizeof(*time));
	if (time)
		g->time = time;
	if (!bucket || !entry || !time) {
		free(bucket);
		return -1;
	}
	free(g->bucket);
	g->bucket = bucket;
	g->cap = cap;
	for (uint32_t i = 0; i < cap; i++)
		bucket[i] = NONE;
	for (uint32_t i = 0; i < g->used; i++) {
		uint32_t *b = bucket_of(g, g->entry[i].digest);

		g->entry[i].chain = *b;
		*b = i;
	}
	return 0;
}

static void unlink_use(struct cb_groups *g, uint32_t i)
{
	struct entry *e = &g->entry[i];

	if (e->newer != NONE)
		g->entry[e->newer].older = e->older;
	else
		g->newest = e->older;
	if (e->older != NONE)
		g->entry[e->older].newer = e->newer;
	else
		g->oldest = e->newer;
}

static void link_use(struct cb_groups *g, uint32_t i)
{
	struct entry *e = &g->entry[i];

	e->newer = NONE;
	e->older = g->newest;
	if (g->newest != NONE)
		g->entry[g->newest].newer = i;
	else
		g->oldest = i;
	g->newest = i;
}

/* The group's entry, the newest of all now; NONE without memory. */
static uint32_t entry_of(struct cb_groups *g, const uint8_t *digest)
{
	uint32_t i, *b;

	if (g->cap) {
		for (i = *bucket_of(g, digest); i != NONE; i = g->entry[i].chain)
			if (memcmp(g->entry[i].digest, digest, 16) == 0) {
				if (g->newest != i) {
					unlink_use(g, i);
					link_use(g, i);
				}
				return i;
			}
	}
	if (g->used == g->max) {
		i = g->oldest;
		unlink_use(g, i);
		for (b = bucket_of(g, g->entry[i].digest); *b != i; b = &g->entry[*b].chain)
			;
		*b = g->entry[i].chain;
		g->forgotten++;
	} else {
		if (g->used == g->cap && grow(g) < 0)
			return NONE;
		i = g->used++;
	}
	g->entry[i] = (struct entry){ 0 };
	memcpy(g->entry[i].digest, digest, 16);
	b = bucket_of(g, digest);
	g->entry[i].chain = *b;
	*b = i;
	link_use(g, i);
	return i;
}

int cb_groups_match(struct cb_groups *g, const uint8_t digest[static 16], int64_t t_us,
		    int64_t window_us, int64_t cooldown_us, bool *ret_fire, struct cb_err *err)
{
	uint32_t i = entry_of(g, digest), k;
	struct entry *e;
	int64_t *t;

	if (i == NONE)
		return cb_err_nomem(err);
	e = &g->entry[i];
	t = &g->time[(size_t)i * g->count];
	*ret_fire = false;
	/* matches of the cooldown count for nothing; a time far before the alert is another
	 * recording or a clock set back, and no reason to keep silent */
	if (e->alerted && t_us < e->alert_us + cooldown_us && t_us > e->alert_us - cooldown_us)
		return 0;
	if (e->n && t_us < t[e->n - 1] - window_us) {
		if (t_us > t[e->n - 1] - window_us - SET_BACK_US)
			return 0;
		e->n = 0;
	}
	for (k = e->n; k > 0 && t[k - 1] > t_us; k--)
		;
	if (e->n < g->count) {
		memmove(t + k + 1, t + k, (e->n - k) * sizeof(*t));
		t[k] = t_us;
		e->n++;
	} else if (k > 0) {
		memmove(t, t + 1, (k - 1) * sizeof(*t));
		t[k - 1] = t_us;
	}
	if (e->n == g->count && t[e->n - 1] - t[0] <= window_us) {
		e->n = 0;
		e->alerted = true;
		e->alert_us = t_us;
		*ret_fire = true;
	}
	return 0;
}
