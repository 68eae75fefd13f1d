/* SPDX-License-Identifier: Apache-2.0 */
/* Standard Webhooks, by libsodium. */
#include "crypto/webhook.h"

#include <sodium.h>
#include <string.h>

#include "crypto/base64.h"

void cb_hmac_sha256(uint8_t out[static 32], const void *key, size_t key_len, const void *a, size_t a_len,
		    const void *b, size_t b_len)
{
	crypto_auth_hmacsha256_state s;

	crypto_auth_hmacsha256_init(&s, key, key_len);
	crypto_auth_hmacsha256_update(&s, a, a_len);
	crypto_auth_hmacsha256_update(&s, b, b_len);
	crypto_auth_hmacsha256_final(&s, out);
	sodium_memzero(&s, sizeof(s));
}

int cb_webhook_key_parse(struct cb_webhook_key *ret, const char *text, struct cb_err *err)
{
	struct cb_webhook_key k = { .kind = 1 };
	uint8_t pk[32];
	size_t n;

	if (strncmp(text, "whpk_", 5) == 0)
		return cb_err_set(err, CB_E_DATA, "a public key (whpk_): signing needs the secret one (whsk_)");
	if (strncmp(text, "whsec_", 6) == 0) {
		text += 6;
	} else if (strncmp(text, "whsk_", 5) == 0) {
		k.kind = 2;
		text += 5;
	}
	if (!cb_base64_decode(k.bytes, sizeof(k.bytes), text, strlen(text), &n)) {
		cb_webhook_key_wipe(&k);
		return cb_err_set(err, CB_E_DATA, "not base64 of at most 64 bytes");
	}
	if (k.kind == 1 && n < 24) {
		cb_webhook_key_wipe(&k);
		return cb_err_set(err, CB_E_DATA, "a secret of %zu bytes: 24 to 64 are asked for", n);
	}
	if (k.kind == 2) {
		uint8_t sk[64];

		if (n != 32 && n != 64) {
			cb_webhook_key_wipe(&k);
			return cb_err_set(err, CB_E_DATA, "an Ed25519 key of %zu bytes, not 32 or 64", n);
		}
		crypto_sign_seed_keypair(pk, sk, k.bytes);
		/* a public key that is not the seed's would give the secret away, signature by signature */
		if (n == 64 && memcmp(sk + 32, k.bytes + 32, 32) != 0) {
			sodium_memzero(sk, sizeof(sk));
			cb_webhook_key_wipe(&k);
			return cb_err_set(err, CB_E_DATA, "an Ed25519 key whose two halves do not belong together");
		}
		memcpy(k.bytes, sk, 64);
		sodium_memzero(sk, sizeof(sk));
		n = 64;
	}
	k.len = (uint8_t)n;
	*ret = k;
	sodium_memzero(&k, sizeof(k));
	return 0;
}

void cb_webhook_key_wipe(struct cb_webhook_key *k)
{
	sodium_memzero(k, sizeof(*k));
}

int cb_webhook_sign(struct cb_buf *b, const struct cb_webhook_key *k, const char *head, const void *body,
		    size_t len, struct cb_err *err)
{
	struct cb_buf all = { 0 };
	uint8_t sig[64];
	size_t n = 32;
	int r;

	if (k->kind == 1) {
		cb_hmac_sha256(sig, k->bytes, k->len, head, strlen(head), body, len);
	} else {
		/* Ed25519 reads its message twice: in one piece */
		if (cb_buf_str(&all, head) < 0 || cb_buf_add(&all, body, len) < 0) {
			cb_buf_release(&all);
			return cb_err_nomem(err);
		}
		crypto_sign_detached(sig, NULL, all.data, all.len, k->bytes);
		cb_buf_release(&all);
		n = 64;
	}
	r = cb_buf_str(b, k->kind == 1 ? "v1," : "v1a,") < 0 || cb_base64_put(b, sig, n) < 0;
	return r ? cb_err_nomem(err) : 0;
}
