/* SPDX-License-Identifier: Apache-2.0 */
/* Watch-lists with a tolerance of one character. */
#include "alert/listed.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *text;			/* as written */
	uint8_t len;
	char plain[CB_LISTED_LEN];
};
struct key {
	uint32_t hash, entry;		/* entry + 1; 0: free */
};
struct cb_listed {
	int tolerance;
	struct entry *entry;
	uint32_t n, cap;
	struct key *key;
	uint32_t mask;
	uint64_t seen[16];		/* a bit for each hash: most texts are on no list */
};

static bool seen(const struct cb_listed *l, uint32_t hash)
{
	return l->seen[hash >> 28] >> (hash >> 22 & 63) & 1;
}

int cb_listed_new(struct cb_listed **ret, int tolerance, struct cb_err *err)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return cb_err_nomem(err);
	(*ret)->tolerance = tolerance;
	return 0;
}

void cb_listed_free(struct cb_listed *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->n; i++)
		free(l->entry[i].text);
	free(l->entry);
	free(l->key);
	free(l);
}

uint32_t cb_listed_size(const struct cb_listed *l)
{
	return l->n;
}

/* What counts of a text, or -1 where that is too long. */
static int reduce(char out[static CB_LISTED_LEN], const char *s, size_t n)
{
	int k = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		if (!(c >= 0x80 || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
			continue;
		if (k == CB_LISTED_LEN)
			return -1;
		out[k++] = (char)c;
	}
	return k;
}

const char *cb_listed_add(struct cb_listed *l, const char *text, size_t len)
{
	struct entry e = { 0 };
	int n = reduce(e.plain, text, len);

	if (n <= 0)
		return n < 0 ? "longer than 32 characters" : "no letter and no digit in it";
	if (l->n == CB_LISTED_MAX)
		return "more than 65536 entries";
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? 2 * l->cap : 16;
		struct entry *more = reallocarray(l->entry, cap, sizeof(*more));

		if (!more)
			return "no memory";
		l->entry = more;
		l->cap = cap;
	}
	e.len = (uint8_t)n;
	e.text = strndup(text, len);
	if (!e.text)
		return "no memory";
	l->entry[l->n++] = e;
	return NULL;
}

/* FNV-1a of a text without its character number skip (n: all of it). */
static uint32_t hash_without(const char *s, int n, int skip)
{
	uint32_t h = 2166136261u;

	for (int i = 0; i < n; i++)
		if (i != skip)
			h = (h ^ (uint8_t)s[i]) * 16777619u;
	return h ^ h >> 15;
}

static void put_key(struct cb_listed *l, uint32_t hash, uint32_t entry)
{
	uint32_t i = hash & l->mask;

	l->seen[hash >> 28] |= UINT64_C(1) << (hash >> 22 & 63);
	while (l->key[i].entry) {
		if (l->key[i].hash == hash && l->key[i].entry == entry + 1)
			return;
		i = (i + 1) & l->mask;
	}
	l->key[i] = (struct key){ hash, entry + 1 };
}

static bool loose(const struct cb_listed *l, int n)
{
	return l->tolerance && n >= CB_LISTED_NEAR;
}

int cb_listed_done(struct cb_listed *l, struct cb_err *err)
{
	uint32_t keys = 0, cap = 2;

	for (uint32_t i = 0; i < l->n; i++)
		keys += 1 + (loose(l, l->entry[i].len) ? l->entry[i].len : 0u);
	while (cap < 2 * keys)
		cap *= 2;
	l->key = calloc(cap, sizeof(*l->key));
	if (!l->key)
		return cb_err_nomem(err);
	l->mask = cap - 1;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct entry *e = &l->entry[i];

		put_key(l, hash_without(e->plain, e->len, e->len), i);
		for (int k = 0; loose(l, e->len) && k < e->len; k++)
			put_key(l, hash_without(e->plain, e->len, k), i);
	}
	return 0;
}

/* Equal but for at most one character? */
static bool near_to(const char *a, int n, const char *b, int m)
{
	int i = 0, j = 0;

	while (i < n && i < m && a[i] == b[i])
		i++;
	while (j < n - i && j < m - i && a[n - 1 - j] == b[m - 1 - j])
		j++;
	return n - i - j <= 1 && m - i - j <= 1;
}

/* The first entry under this key that is equal, or near; UINT32_MAX: none. */
static uint32_t look(const struct cb_listed *l, uint32_t hash, const char *s, int n, bool near)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = hash & l->mask; l->key[i].entry; i = (i + 1) & l->mask) {
		const struct entry *e = &l->entry[l->key[i].entry - 1];

		if (l->key[i].hash != hash || l->key[i].entry - 1 >= best)
			continue;
		if (near ? loose(l, e->len) && near_to(s, n, e->plain, e->len) :
			   n == e->len && memcmp(s, e->plain, e->len) == 0)
			best = l->key[i].entry - 1;
	}
	return best;
}

void cb_listed_key(struct cb_listed_key *k, const char *text, size_t len)
{
	k->n = reduce(k->s, text, len);
	for (int skip = 0; skip <= k->n; skip++)
		k->hash[skip] = hash_without(k->s, k->n, skip);
}

const char *cb_listed_find(const struct cb_listed *l, const struct cb_listed_key *k)
{
	uint32_t best = UINT32_MAX;

	if (k->n <= 0)
		return NULL;
	if (seen(l, k->hash[k->n]))
		best = look(l, k->hash[k->n], k->s, k->n, false);
	if (best == UINT32_MAX && l->tolerance)
		for (int skip = 0; skip <= k->n; skip++)
			if (seen(l, k->hash[skip])) {
				uint32_t at = look(l, k->hash[skip], k->s, k->n, true);

				if (at < best)
					best = at;
			}
	return best == UINT32_MAX ? NULL : l->entry[best].text;
}
