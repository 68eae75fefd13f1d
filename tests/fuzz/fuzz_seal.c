/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed pieces: what was not sealed never opens, whatever its bytes; what was, does, to the same
 * bytes; and with one bit changed it does not. */
#include <stdlib.h>
#include <string.h>

#include "store/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_day_key key = { .name = "2026-11-21-48ea2b25ab49131b697445ba5862793c", .key = { 1, 2, 3 } };
	struct cb_sealed_at at = { "front", "aa4d9c7ba453", (uint32_t)n };
	uint8_t random[CB_SEALED_RANDOM] = { 9 }, commit[CB_SHA256_LEN] = { 0 }, *copy = malloc(n + 1);
	struct iovec iov[2] = { { (uint8_t *)p, n / 3 }, { (uint8_t *)p + n / 3, n - n / 3 } };
	struct cb_err err = CB_ERR_INIT;
	struct cb_buf b = { 0 };
	const uint8_t *text;
	size_t len;

	want(copy);
	memcpy(copy, p, n);
	want(cb_sealed_open(copy, n, &key, &at, commit, &text, &len, &err) < 0 && err.code == CB_E_DATA);
	want(cb_sealed_put_with(&b, &key, &at, iov, 2, random, commit, &err) == 0 && b.len == n + CB_SEALED_EXTRA);
	/* of those bytes, the one that the input points to */
	if (n >= 2) {
		size_t i = (p[0] | (size_t)p[1] << 8) % b.len;

		free(copy);
		copy = malloc(b.len);
		want(copy);
		memcpy(copy, b.data, b.len);
		copy[i] ^= (uint8_t)(1 << p[0] % 8);
		want(cb_sealed_open(copy, b.len, &key, &at, commit, &text, &len, &err) < 0);
	}
	want(cb_sealed_open(b.data, b.len, &key, &at, commit, &text, &len, &err) == 0 && len == n &&
	     (!n || memcmp(text, p, n) == 0));
	cb_buf_release(&b);
	free(copy);
	return 0;
}
