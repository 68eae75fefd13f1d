/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 by libsodium. */
#include "crypto/base64.h"

#include <sodium.h>

bool cb_base64_decode(uint8_t *out, size_t cap, const char *p, size_t n, size_t *ret_len)
{
	const char *end;
	size_t len;

	if (n % 4 || sodium_base642bin(out, cap, p, n, NULL, &len, &end,
				       sodium_base64_VARIANT_ORIGINAL) != 0 || end != p + n)
		return false;
	*ret_len = len;
	return true;
}

int cb_base64_put(struct cb_buf *b, const void *p, size_t n)
{
	size_t len = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);

	if (cb_buf_reserve(b, len) < 0)
		return -1;
	sodium_bin2base64((char *)b->data + b->len, len, p, n, sodium_base64_VARIANT_ORIGINAL);
	b->len += len - 1;	/* its NUL lies behind */
	return 0;
}
