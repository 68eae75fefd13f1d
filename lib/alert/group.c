/* SPDX-License-Identifier: Apache-2.0 */
/* State by group: a hash table of fixed-size entries on a list by last use. */
#include "alert/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define NONE UINT32_MAX

struct entry {
	struct cb_group group;		/* the first member */
	uint32_t chain;			/* next in the bucket */
	uint32_t newer, older;		/* by last use */
};

struct cb_groups {
	uint32_t max, values, used, cap;
	uint32_t newest, oldest;
	struct entry *entry;
	int64_t *value;			/* values an entry */
	uint32_t *bucket;		/* cap of them, a power of two */
	uint64_t forgotten, ages;
};

int cb_groups_new(struct cb_groups **ret, uint32_t max, uint32_t values, struct cb_err *err)
{
	struct cb_groups *g = calloc(1, sizeof(*g));

	if (!g)
		return cb_err_nomem(err);
	g->max = max;
	g->values = values;
	g->newest = g->oldest = NONE;
	*ret = g;
	return 0;
}

void cb_groups_free(struct cb_groups *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < g->used; i++)
		free(g->entry[i].group.text);
	free(g->entry);
	free(g->value);
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
	int64_t *value;

	if (entry)
		g->entry = entry;
	value = reallocarray(g->value, (size_t)cap * g->values + 1, sizeof(*value));
	if (value)
		g->value = value;
	if (!bucket || !entry || !value) {
		free(bucket);
		return -1;
	}
	free(g->bucket);
	g->bucket = bucket;
	g->cap = cap;
	for (uint32_t i = 0; i < cap; i++)
		bucket[i] = NONE;
	for (uint32_t i = 0; i < g->used; i++) {
		uint32_t *b = bucket_of(g, g->entry[i].group.digest);

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
			if (memcmp(g->entry[i].group.digest, digest, 16) == 0) {
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
		for (b = bucket_of(g, g->entry[i].group.digest); *b != i; b = &g->entry[*b].chain)
			;
		*b = g->entry[i].chain;
		free(g->entry[i].group.text);
		g->forgotten++;
	} else {
		if (g->used == g->cap && grow(g) < 0)
			return NONE;
		i = g->used++;
	}
	g->entry[i] = (struct entry){ .group = { .age = ++g->ages, .timer_us = INT64_MAX } };
	memcpy(g->entry[i].group.digest, digest, 16);
	if (g->values)
		memset(&g->value[(size_t)i * g->values], 0, g->values * sizeof(*g->value));
	b = bucket_of(g, digest);
	g->entry[i].chain = *b;
	*b = i;
	link_use(g, i);
	return i;
}

struct cb_group *cb_groups_get(struct cb_groups *g, const uint8_t digest[static 16], bool *ret_new)
{
	uint64_t ages = g->ages;
	uint32_t i = entry_of(g, digest);

	*ret_new = g->ages != ages;
	return i == NONE ? NULL : &g->entry[i].group;
}

struct cb_group *cb_groups_find(struct cb_groups *g, const uint8_t digest[static 16])
{
	for (uint32_t i = g->cap ? *bucket_of(g, digest) : NONE; i != NONE; i = g->entry[i].chain)
		if (memcmp(g->entry[i].group.digest, digest, 16) == 0)
			return &g->entry[i].group;
	return NULL;
}

uint32_t cb_groups_number(const struct cb_groups *g, const struct cb_group *e)
{
	return (uint32_t)((const struct entry *)e - g->entry);
}

int64_t *cb_groups_values(struct cb_groups *g, const struct cb_group *e)
{
	return &g->value[(size_t)cb_groups_number(g, e) * g->values];
}

struct cb_group *cb_groups_at(struct cb_groups *g, uint32_t i, uint64_t age)
{
	return i < g->used && g->entry[i].group.age == age ? &g->entry[i].group : NULL;
}

struct cb_group *cb_groups_next(struct cb_groups *g, const struct cb_group *after)
{
	uint32_t i = after ? ((const struct entry *)after)->newer : g->oldest;

	return i == NONE ? NULL : &g->entry[i].group;
}
