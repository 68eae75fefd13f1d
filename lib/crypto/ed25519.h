/* SPDX-License-Identifier: Apache-2.0 */
/* Is it an Ed25519 signature (RFC 8032) of these bytes by this key? Verifying alone: no code
 * that makes signatures or keeps secrets is linked through this header. */
#ifndef CB_CRYPTO_ED25519_H
#define CB_CRYPTO_ED25519_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CB_ED25519_KEY_LEN 32
#define CB_ED25519_SIG_LEN 64

/* Keys and signatures of small order, and those not in canonical form, are false. */
bool cb_ed25519_verify(const uint8_t sig[static CB_ED25519_SIG_LEN], const void *msg, size_t n,
		       const uint8_t key[static CB_ED25519_KEY_LEN]);

#endif
