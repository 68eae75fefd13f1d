/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 by libsodium, which needs no set-up to verify. */
#include "crypto/ed25519.h"

#include <sodium.h>

bool cb_ed25519_verify(const uint8_t sig[static CB_ED25519_SIG_LEN], const void *msg, size_t n,
		       const uint8_t key[static CB_ED25519_KEY_LEN])
{
	return crypto_sign_verify_detached(sig, msg, n, key) == 0;
}
