/* SPDX-License-Identifier: Apache-2.0 */
/* Standard base64 with padding (RFC 4648, section 4), in its one form only: no blanks, no
 * missing padding, no bits set behind the last byte. Not for secrets: see sodium's own. */
#ifndef CB_CRYPTO_BASE64_H
#define CB_CRYPTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Decode exactly n characters into at most cap bytes. False, and *ret_len untouched, where
 * the text is no such base64 or does not fit. No characters are no bytes. */
bool cb_base64_decode(uint8_t *out, size_t cap, const char *p, size_t n, size_t *ret_len);
/* Append the text of n bytes; -1: no memory. */
int cb_base64_put(struct cb_buf *b, const void *p, size_t n);

#endif
