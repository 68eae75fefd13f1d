/* SPDX-License-Identifier: Apache-2.0 */
/* tree: proofs that somebody else made, one a line on stdin, hashes in hexadecimal:
 *
 *   C FROM TO FROM-ROOT TO-ROOT HASH...        I INDEX SIZE LEAF ROOT HASH...
 *
 * Each must hold, and with any one bit of a hash or a root changed, a hash more or less, or a
 * size beside the true one, must not. Prints how many did; exits 1 where one did not. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "log/merkle.h"

static uint8_t a[CB_HASH_LEN], b[CB_HASH_LEN], path[(CB_PROOF_MAX + 1) * CB_HASH_LEN];
static size_t n;

static bool holds(char kind, uint64_t x, uint64_t y, size_t len)
{
	return kind == 'C' ? cb_merkle_consistent(x, y, a, b, path, len) : cb_merkle_included(x, y, a, path, len, b);
}

static unsigned wrong(char kind, uint64_t x, uint64_t y)
{
	unsigned accepted = 0;

	for (size_t k = 0; k < n; k++) {
		path[k * CB_HASH_LEN + (x + k) % CB_HASH_LEN] ^= (uint8_t)(1u << y % 8);
		accepted += holds(kind, x, y, n);
		path[k * CB_HASH_LEN + (x + k) % CB_HASH_LEN] ^= (uint8_t)(1u << y % 8);
	}
	for (uint8_t *h = a;; h = b) {
		h[x % CB_HASH_LEN] ^= 1;
		/* everything goes on from nothing, whatever is behind it */
		accepted += holds(kind, x, y, n) && !(kind == 'C' && x == 0 && h == b);
		h[x % CB_HASH_LEN] ^= 1;
		if (h == b)
			break;
	}
	accepted += holds(kind, x, y, n + 1);
	accepted += n && holds(kind, x, y, n - 1);
	if (kind == 'C') {
		accepted += x && x < y && holds(kind, x - 1, y, n);
		accepted += x < y && holds(kind, y, x, n);
	} else {
		accepted += x + 1 < y && n && holds(kind, x + 1, y, n);
		accepted += holds(kind, y, y, n);
	}
	return accepted;
}

int main(void)
{
	unsigned count = 0, refused = 0, accepted = 0;
	static char *line;	/* reachable to the end */
	char *at, *word;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) > 0) {
		uint64_t num[2] = { 0 };
		char kind = line[0];
		int i = 0;

		n = 0;
		line[strcspn(line, "\n")] = '\0';
		strtok_r(line, " ", &at);
		while ((word = strtok_r(NULL, " ", &at))) {
			if (i < 2 ? !cb_parse_u64(word, 0, CB_TREE_MAX, &num[i]) :
			    !cb_unhex(i == 2 ? a : i == 3 ? b : path + n++ * CB_HASH_LEN, CB_HASH_LEN, word) || n > CB_PROOF_MAX)
				return 65;
			i++;
		}
		if (i < 4)
			return 65;
		count++;
		if (!holds(kind, num[0], num[1], n) && refused++ < 5)
			printf("refused: %c %" PRIu64 " %" PRIu64 "\n", kind, num[0], num[1]);
		i = (int)wrong(kind, num[0], num[1]);
		if (i && accepted < 5)
			printf("accepted: %c %" PRIu64 " %" PRIu64 ", %d of them changed\n", kind, num[0], num[1], i);
		accepted += (unsigned)i;
	}
	free(line);
	printf("%u proofs, %u refused, %u accepted with something changed\n", count, refused, accepted);
	return refused || accepted || !count;
}
