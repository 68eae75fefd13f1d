/* SPDX-License-Identifier: Apache-2.0 */
/* Every root, inclusion proof and consistency proof of trees of up to N leaves, as lib/log makes
 * them, for tests/t/2400-audit.t to compare with an independent reader's: lines of hashes. Leaf i
 * is i in decimal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "log/merkle.h"
#include "log/tile.h"

#define MAX 1024

static uint8_t leaf[MAX][CB_HASH_LEN];

static int give(void *ctx, unsigned level, uint64_t first, unsigned n, uint8_t *out, struct cb_err *err)
{
	struct cb_frontier f = { 0 };

	(void)ctx, (void)err;
	if (level == 0) {
		memcpy(out, leaf[first], n * CB_HASH_LEN);
		return 0;
	}
	for (unsigned i = 0; i < n; i++, f.size = 0) {
		for (unsigned k = 0; k < CB_TILE_WIDTH; k++)
			cb_frontier_push(&f, leaf[(first + i) * CB_TILE_WIDTH + k]);
		cb_frontier_root(&f, out + i * CB_HASH_LEN);
	}
	return level > 1;
}

static void put(const uint8_t *h, unsigned n)
{
	char hex[2 * CB_HASH_LEN + 1];

	for (unsigned i = 0; i < n; i++) {
		cb_hex(hex, h + i * CB_HASH_LEN, CB_HASH_LEN);
		printf(" %s", hex);
	}
	putchar('\n');
}

int main(int argc, char **argv)
{
	unsigned max = argc > 1 ? (unsigned)atoi(argv[1]) : 130, n;
	uint8_t root[MAX + 1][CB_HASH_LEN], path[CB_PROOF_MAX * CB_HASH_LEN];
	struct cb_frontier f = { 0 }, g;
	char text[16];

	if (max > MAX)
		return 64;
	for (unsigned i = 0; i <= max; i++) {
		cb_frontier_root(&f, root[i]);
		printf("root %u", i);
		put(root[i], 1);
		snprintf(text, sizeof(text), "%u", i);
		if (i < max) {
			cb_merkle_leaf(leaf[i], text, strlen(text));
			cb_frontier_push(&f, leaf[i]);
		}
	}
	for (unsigned size = 0; size <= max; size++) {
		if (cb_tile_frontier(give, NULL, size, &g, NULL) < 0)
			return 70;
		cb_frontier_root(&g, path);
		if (memcmp(path, root[size], CB_HASH_LEN) != 0)
			return 1;
		for (unsigned i = 0; i < size; i++) {
			if (cb_tile_inclusion(give, NULL, i, size, path, &n, NULL) < 0 ||
			    !cb_merkle_included(i, size, leaf[i], path, n, root[size]))
				return 1;
			printf("inclusion %u %u", i, size);
			put(path, n);
		}
		for (unsigned from = 0; from <= size; from++) {
			if (cb_tile_consistency(give, NULL, from, size, path, &n, NULL) < 0 ||
			    !cb_merkle_consistent(from, size, root[from], root[size], path, n))
				return 1;
			printf("consistency %u %u", from, size);
			put(path, n);
		}
	}
	return fflush(stdout) ? 74 : 0;
}
