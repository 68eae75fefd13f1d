/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing, at most half full; keys are digests, so their low bits will do. */
#include "store/once.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "crypto/hash.h"

#define FIRST 1024	/* slots of the smallest table */

static void add_bytes(struct cb_sha256 *h, const char *s, size_t n)
{
	uint8_t len[4];

	cb_put_le32(len, (uint32_t)n);
	cb_sha256_update(h, len, sizeof(len));
	cb_sha256_update(h, s, n);
}

/* "a" and its escaped spelling are one id. Apart, because its array is large and rarely needed. */
static __attribute__((noinline)) void add_escaped(struct cb_sha256 *h, const struct cb_json *j,
						  uint32_t tok)
{
	char plain[CB_EVENT_LINE_MAX] = "";

	cb_json_str(j, tok, plain, sizeof(plain));	/* shorter than its line */
	add_bytes(h, plain, strlen(plain));
}

static void add_string(struct cb_sha256 *h, const struct cb_json *j, uint32_t tok)
{
	const struct cb_json_tok *t = &j->tok[tok];

	if (t->escaped)
		add_escaped(h, j, tok);
	else
		add_bytes(h, j->text + t->start, t->end - t->start);
}

uint64_t cb_once_key(const struct cb_event *ev)
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;
	uint64_t key;

	cb_sha256_init(&h);
	add_string(&h, ev->json, ev->source);
	add_string(&h, ev->json, ev->id);
	cb_sha256_final(&h, sum);
	key = cb_le64(sum);
	return key ? key : 1;
}

static size_t find(const struct cb_once *o, uint64_t key)
{
	size_t i = (size_t)key & (o->slots - 1);

	while (o->slot[i] && o->slot[i] != key)
		i = (i + 1) & (o->slots - 1);
	return i;
}

bool cb_once_has(const struct cb_once *o, uint64_t key)
{
	return o->slots && o->slot[find(o, key)] == key;
}

static int grow(struct cb_once *o)
{
	struct cb_once big = { .slots = o->slots ? 2 * o->slots : FIRST, .n = o->n, .left = o->left };

	if (big.slots > 2 * (size_t)CB_ONCE_MAX || (o->left && *o->left < big.slots - o->slots))
		return -1;
	big.slot = calloc(big.slots, sizeof(*big.slot));
	if (!big.slot)
		return -1;
	for (size_t i = 0; i < o->slots; i++)
		if (o->slot[i])
			big.slot[find(&big, o->slot[i])] = o->slot[i];
	if (o->left)
		*o->left -= big.slots - o->slots;
	free(o->slot);
	*o = big;
	return 0;
}

int cb_once_add(struct cb_once *o, uint64_t key)
{
	size_t i;

	if (cb_once_has(o, key))
		return 0;
	if (2 * o->n >= o->slots && grow(o) < 0)
		return -1;
	i = find(o, key);
	o->slot[i] = key;
	o->n++;
	return 1;
}

void cb_once_release(struct cb_once *o)
{
	if (o->left)
		*o->left += o->slots;
	free(o->slot);
	*o = (struct cb_once){ .left = o->left };
}
