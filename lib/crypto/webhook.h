/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of webhooks as Standard Webhooks 1.0.0 has them: over "ID.TIMESTAMP.BODY",
 *   v1   HMAC-SHA256 (RFC 2104, FIPS 198-1) with a shared secret, "whsec_" and its base64
 *   v1a  Ed25519 (RFC 8032) with a secret key, "whsk_" and the base64 of its seed (32 bytes) or
 *        of seed and public key (64); who verifies has "whpk_" and the public key's
 * A key without a prefix is a shared secret. Secrets have 24 to 64 bytes. */
#ifndef CB_CRYPTO_WEBHOOK_H
#define CB_CRYPTO_WEBHOOK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct cb_webhook_key {
	uint8_t kind;			/* 1: v1, 2: v1a */
	uint8_t len;
	uint8_t bytes[64];
};

/* CB_E_DATA where the text is no key; no part of it is in the message. */
int cb_webhook_key_parse(struct cb_webhook_key *ret, const char *text, struct cb_err *err);
void cb_webhook_key_wipe(struct cb_webhook_key *k);
/* Append "v1,BASE64" or "v1a,BASE64"; head is "ID.TIMESTAMP.". */
int cb_webhook_sign(struct cb_buf *b, const struct cb_webhook_key *k, const char *head, const void *body,
		    size_t len, struct cb_err *err);

/* HMAC-SHA256, for a key of any length. */
void cb_hmac_sha256(uint8_t out[static 32], const void *key, size_t key_len, const void *a, size_t a_len,
		    const void *b, size_t b_len);

#endif
