/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6962's tree, and the proofs of RFC 9162. */
#include "log/merkle.h"

#include <string.h>

#include "crypto/hash.h"

void cb_merkle_leaf(uint8_t out[static CB_HASH_LEN], const void *entry, size_t n)
{
	const uint8_t tag = 0;
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, &tag, 1);
	cb_sha256_update(&h, entry, n);
	cb_sha256_final(&h, out);
}

void cb_merkle_node(uint8_t out[static CB_HASH_LEN], const uint8_t left[static CB_HASH_LEN],
		    const uint8_t right[static CB_HASH_LEN])
{
	uint8_t both[1 + 2 * CB_HASH_LEN] = { 1 };

	memcpy(both + 1, left, CB_HASH_LEN);
	memcpy(both + 1 + CB_HASH_LEN, right, CB_HASH_LEN);
	cb_sha256(out, both, sizeof(both));
}

void cb_frontier_push_full(struct cb_frontier *f, unsigned level, const uint8_t root[static CB_HASH_LEN])
{
	uint8_t h[CB_HASH_LEN];
	unsigned i = level;

	memcpy(h, root, CB_HASH_LEN);
	for (; i < 63 && f->size >> i & 1; i++)
		cb_merkle_node(h, f->node[i], h);
	memcpy(f->node[i], h, CB_HASH_LEN);
	f->size += (uint64_t)1 << level;
}

void cb_frontier_push(struct cb_frontier *f, const uint8_t leaf[static CB_HASH_LEN])
{
	cb_frontier_push_full(f, 0, leaf);
}

void cb_frontier_root(const struct cb_frontier *f, uint8_t out[static CB_HASH_LEN])
{
	bool any = false;

	for (unsigned i = 0; i < 64; i++) {
		if (!(f->size >> i & 1))
			continue;
		if (any)
			cb_merkle_node(out, f->node[i], out);
		else
			memcpy(out, f->node[i], CB_HASH_LEN);
		any = true;
	}
	if (!any)
		cb_sha256(out, "", 0);
}

/* --- proofs ---------------------------------------------------------------------------------- */

static unsigned bits(uint64_t v)
{
	return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

unsigned cb_merkle_inclusion_len(uint64_t index, uint64_t size)
{
	/* below the place where the ways to this leaf and to the last one part, a sibling on each
	 * level; above it only where the way comes from the right */
	unsigned part = bits(index ^ (size - 1));

	return part + (unsigned)__builtin_popcountll(part < 64 ? index >> part : 0);
}

unsigned cb_merkle_consistency_len(uint64_t from, uint64_t to)
{
	unsigned drop;

	if (!from || from >= to)
		return 0;
	/* the way to the last full subtree of the old tree, and that subtree itself, which is
	 * the old root where the old tree is full */
	drop = (unsigned)__builtin_ctzll(from);
	return cb_merkle_inclusion_len((from - 1) >> drop, ((to - 1) >> drop) + 1) +
	       ((from & (from - 1)) != 0);
}

bool cb_merkle_climb(uint64_t index, uint64_t size, const uint8_t leaf[static CB_HASH_LEN],
		     const uint8_t *path, size_t n, uint8_t ret_root[static CB_HASH_LEN])
{
	uint64_t at = index, last = size - 1;
	uint8_t h[CB_HASH_LEN];

	if (size > CB_TREE_MAX || index >= size || n != cb_merkle_inclusion_len(index, size))
		return false;
	memcpy(h, leaf, CB_HASH_LEN);
	for (size_t i = 0; i < n; i++, path += CB_HASH_LEN) {
		if (!(at & 1) && at == last) {	/* no sibling up to here */
			unsigned up = at ? (unsigned)__builtin_ctzll(at) : 63;

			at >>= up;
			last >>= up;
		}
		if (at & 1)
			cb_merkle_node(h, path, h);
		else
			cb_merkle_node(h, h, path);
		at >>= 1;
		last >>= 1;
	}
	memcpy(ret_root, h, CB_HASH_LEN);
	return true;
}

bool cb_merkle_included(uint64_t index, uint64_t size, const uint8_t leaf[static CB_HASH_LEN],
			const uint8_t *path, size_t n, const uint8_t root[static CB_HASH_LEN])
{
	uint8_t sum[CB_HASH_LEN];

	return cb_merkle_climb(index, size, leaf, path, n, sum) &&
	       memcmp(sum, root, CB_HASH_LEN) == 0;
}

bool cb_merkle_consistent(uint64_t from, uint64_t to, const uint8_t from_root[static CB_HASH_LEN],
			  const uint8_t to_root[static CB_HASH_LEN], const uint8_t *path, size_t n)
{
	uint8_t was[CB_HASH_LEN], is[CB_HASH_LEN];
	uint64_t at, last;
	unsigned drop;
	size_t i = 0;

	if (from > to || to > CB_TREE_MAX || n != cb_merkle_consistency_len(from, to))
		return false;
	if (from == 0) {
		cb_sha256(was, "", 0);
		return memcmp(was, from_root, CB_HASH_LEN) == 0 &&
		       (to || memcmp(was, to_root, CB_HASH_LEN) == 0);
	}
	if (from == to)
		return memcmp(from_root, to_root, CB_HASH_LEN) == 0;
	drop = (unsigned)__builtin_ctzll(from);
	at = (from - 1) >> drop;
	last = (to - 1) >> drop;
	if ((from & (from - 1)) == 0) {
		memcpy(was, from_root, CB_HASH_LEN);
	} else {
		memcpy(was, path, CB_HASH_LEN);
		i = 1;
	}
	memcpy(is, was, CB_HASH_LEN);
	for (; i < n; i++) {
		const uint8_t *c = path + i * CB_HASH_LEN;

		if (!(at & 1) && at == last) {
			unsigned up = at ? (unsigned)__builtin_ctzll(at) : 63;

			at >>= up;
			last >>= up;
		}
		if (at & 1) {
			cb_merkle_node(was, c, was);
			cb_merkle_node(is, c, is);
		} else {
			cb_merkle_node(is, is, c);
		}
		at >>= 1;
		last >>= 1;
	}
	return memcmp(was, from_root, CB_HASH_LEN) == 0 && memcmp(is, to_root, CB_HASH_LEN) == 0;
}
