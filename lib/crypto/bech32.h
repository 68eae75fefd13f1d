/* SPDX-License-Identifier: Apache-2.0 */
/* Bech32 (BIP 173) as age writes its keys in: a name, "1", base 32 and a checksum; without the
 * BIP's limit of 90 characters. All lower or all upper case. In time that does not depend on
 * the data, because some of it is secret. */
#ifndef CB_CRYPTO_BECH32_H
#define CB_CRYPTO_BECH32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CB_BECH32_NAME_MAX 32u
#define CB_BECH32_DATA_MAX 64u
/* Characters of n bytes under a name of k characters, with a NUL. */
#define CB_BECH32_SIZE(k, n) ((k) + 1 + ((n) * 8 + 4) / 5 + 6 + 1)

/* name in lower case; with upper all of the text is in upper case. out has CB_BECH32_SIZE. */
void cb_bech32(char *out, const char *name, const uint8_t *p, size_t n, bool upper);
/* Exactly len bytes under this name, in this case. */
bool cb_bech32_decode(uint8_t *out, size_t len, const char *name, bool upper, const char *s, size_t n);

#endif
