/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing bytes with a key that only those who may read them have: XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha-03, the construction of RFC 8439 with a nonce of 24 bytes). Whoever
 * changes a byte of what was sealed, or of what goes with it in the clear, is found out. */
#ifndef CB_CRYPTO_SEAL_H
#define CB_CRYPTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CB_SEAL_KEY 32
#define CB_SEAL_NONCE 24	/* never twice with one key */
#define CB_SEAL_TAG 16

/* Memory for secrets: zeros, kept off the swap where that is allowed, wiped when it is freed.
 * NULL with CB_E_OS. Free takes NULL. */
void *cb_secret_new(size_t n, struct cb_err *err);
void cb_secret_free(void *p);
/* For secrets elsewhere. */
void cb_secret_wipe(void *p, size_t n);
/* Random bytes, of the quality that keys need. Only after one cb_secret_new that succeeded. */
void cb_random(void *p, size_t n);

/* Seal p[0..n-1] in place; the tag follows it, so p has room for n + CB_SEAL_TAG. */
void cb_seal(uint8_t *p, size_t n, const void *with, size_t with_n, const uint8_t nonce[static CB_SEAL_NONCE],
	     const uint8_t key[static CB_SEAL_KEY]);
/* Open what n bytes were sealed to, in place: p has n + CB_SEAL_TAG of them. False: that is not
 * what was sealed with this key, nonce and company, and p is worth nothing. */
bool cb_unseal(uint8_t *p, size_t n, const void *with, size_t with_n, const uint8_t nonce[static CB_SEAL_NONCE],
	       const uint8_t key[static CB_SEAL_KEY]);

#endif
