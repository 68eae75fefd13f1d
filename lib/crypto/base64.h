/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4), in its one canonical spelling: with padding as section 3.2 has
 * it, or without (age); no blanks, no line ends, no bits set that encode nothing (section 3.5).
 * Without tables, so that a secret's bytes do not show in the cache. (libsodium 1.0.18's
 * decoder takes every byte from 0x80 on for a slash.) */
#ifndef CB_CRYPTO_BASE64_H
#define CB_CRYPTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Characters of n bytes, and those with a NUL. */
#define CB_BASE64_LEN(n) (((n) + 2) / 3 * 4)
#define CB_BASE64_SIZE(n) (CB_BASE64_LEN(n) + 1)
#define CB_BASE64_RAW_LEN(n) ((n) / 3 * 4 + ((n) % 3 ? (n) % 3 + 1 : 0))

/* Write CB_BASE64_LEN(n) characters (CB_BASE64_RAW_LEN without padding) and a NUL to out.
 * Returns how many, the NUL not counted. */
size_t cb_base64(char *out, const void *p, size_t n);
size_t cb_base64_raw(char *out, const void *p, size_t n);

/* Append the same, padded, to a buffer; -1: no memory. */
int cb_base64_put(struct cb_buf *b, const void *p, size_t n);

/* Decode exactly n characters into at most cap bytes. False, and *ret_len untouched, where the
 * text is no such base64 or does not fit; what is in out then means nothing. No characters are
 * no bytes. */
bool cb_base64_decode(uint8_t *out, size_t cap, const char *p, size_t n, size_t *ret_len);
bool cb_base64_decode_raw(uint8_t *out, size_t cap, const char *p, size_t n, size_t *ret_len);
/* The same where exactly len bytes are wanted. */
bool cb_base64_decode_exact(uint8_t *out, size_t len, const char *p, size_t n);

#endif
