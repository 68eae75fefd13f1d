/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing, by libsodium. */
#include "crypto/seal.h"

#include <string.h>

#include <sodium.h>

_Static_assert(CB_SEAL_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "");
_Static_assert(CB_SEAL_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "");
_Static_assert(CB_SEAL_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES, "");

void *cb_secret_new(size_t n, struct cb_err *err)
{
	void *p;

	if (sodium_init() < 0) {
		cb_err_set(err, CB_E_OS, "libsodium does not start");
		return NULL;
	}
	p = sodium_malloc(n);
	if (p)
		memset(p, 0, n);
	else
		cb_err_nomem(err);
	return p;
}

void cb_secret_free(void *p)
{
	sodium_free(p);
}

void cb_secret_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

void cb_random(void *p, size_t n)
{
	randombytes_buf(p, n);
}

void cb_seal(uint8_t *p, size_t n, const void *with, size_t with_n, const uint8_t nonce[static CB_SEAL_NONCE],
	     const uint8_t key[static CB_SEAL_KEY])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(p, p + n, NULL, p, n, with, with_n, NULL, nonce, key);
}

bool cb_unseal(uint8_t *p, size_t n, const void *with, size_t with_n, const uint8_t nonce[static CB_SEAL_NONCE],
	       const uint8_t key[static CB_SEAL_KEY])
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(p, NULL, p, n, p + n, with, with_n, nonce,
								   key) == 0;
}
