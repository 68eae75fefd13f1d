/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in Bech32, and base64: what is understood, written again, is the same text. */
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/bech32.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char text[CB_BECH32_SIZE(15, 32)];
	const char *s = (const char *)p;
	uint8_t key[32], *raw;
	size_t len;
	char *back;

	if (cb_bech32_decode(key, 32, "age", false, s, n)) {
		cb_bech32(text, "age", key, 32, false);
		want(strlen(text) == n && !memcmp(text, s, n));
	}
	if (cb_bech32_decode(key, 32, "age-secret-key-", true, s, n)) {
		cb_bech32(text, "age-secret-key-", key, 32, true);
		want(strlen(text) == n && !memcmp(text, s, n));
	}
	raw = malloc(n + 1);
	back = malloc(CB_BASE64_SIZE(n) + 4);
	want(raw && back);
	if (cb_base64_decode(raw, n, s, n, &len)) {
		want(cb_base64(back, raw, len) == n && !memcmp(back, s, n));
	}
	if (cb_base64_decode_raw(raw, n, s, n, &len)) {
		want(cb_base64_raw(back, raw, len) == n && !memcmp(back, s, n));
	}
	free(raw);
	free(back);
	return 0;
}
