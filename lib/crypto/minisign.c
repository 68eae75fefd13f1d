/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of minisign's signatures. */
#include "crypto/minisign.h"

#include <stdbool.h>
#include <string.h>

#include <sodium.h>

/* On disk: a key is alg[2] id[8] key[32], a signature alg[2] id[8] signature[64]. */
#define ID 2
#define BODY 10
#define KEY_LEN (BODY + crypto_sign_PUBLICKEYBYTES)
#define SIG_LEN (BODY + crypto_sign_BYTES)

struct text {
	const char *p;
	size_t n;
};

/* The next line, without its end; false where there is none. */
static bool line(struct text *t, struct text *ret)
{
	const char *lf = memchr(t->p, '\n', t->n);
	size_t n = lf ? (size_t)(lf - t->p) : t->n;

	if (!t->n)
		return false;
	*ret = (struct text){ t->p, n };
	if (n && t->p[n - 1] == '\r')
		ret->n--;
	t->p += n + (lf != NULL);
	t->n -= n + (lf != NULL);
	return true;
}

static bool comment(struct text *t, const char *prefix, struct text *ret)
{
	size_t n = strlen(prefix);

	if (!line(t, ret) || ret->n < n || memcmp(ret->p, prefix, n))
		return false;
	ret->p += n;
	ret->n -= n;
	return true;
}

/* A line of base64 that is exactly len bytes. */
static bool binary(struct text *t, uint8_t *ret, size_t len)
{
	const char *end;
	struct text l;
	size_t n;

	return line(t, &l) && !sodium_base642bin(ret, len, l.p, l.n, NULL, &n, &end,
						 sodium_base64_VARIANT_ORIGINAL) &&
		n == len && end == l.p + l.n;
}

int cb_minisign_verify(const char *key, size_t key_len, const char *sig, size_t sig_len,
		       const uint8_t *data, size_t n, struct cb_err *err)
{
	uint8_t k[KEY_LEN], s[SIG_LEN], global[crypto_sign_BYTES], hash[crypto_generichash_BYTES_MAX];
	uint8_t covered[crypto_sign_BYTES + CB_MINISIGN_SIG_MAX];
	struct text kt = { key, key_len }, st = { sig, sig_len }, ignored, trusted;

	if (sodium_init() < 0)
		return cb_err_set(err, CB_E_OS, "libsodium does not start");
	if (key_len > CB_MINISIGN_KEY_MAX || !comment(&kt, "untrusted comment: ", &ignored) ||
	    !binary(&kt, k, sizeof(k)) || kt.n || memcmp(k, "Ed", 2))
		return cb_err_set(err, CB_E_DATA, "key: not a public key of minisign");
	if (sig_len > CB_MINISIGN_SIG_MAX || !comment(&st, "untrusted comment: ", &ignored) ||
	    !binary(&st, s, sizeof(s)) || !comment(&st, "trusted comment: ", &trusted) ||
	    !binary(&st, global, sizeof(global)) || st.n)
		return cb_err_set(err, CB_E_DATA, "signature: not one of minisign");
	if (memcmp(s, "ED", 2))
		return cb_err_set(err, CB_E_DATA, "signature: of an old kind, not over a hash");
	if (memcmp(s + ID, k + ID, BODY - ID))
		return cb_err_set(err, CB_E_NO, "signed with another key");
	crypto_generichash(hash, sizeof(hash), data, n, NULL, 0);
	if (crypto_sign_verify_detached(s + BODY, hash, sizeof(hash), k + BODY))
		return cb_err_set(err, CB_E_NO, "its signature is false");
	memcpy(covered, s + BODY, crypto_sign_BYTES);
	memcpy(covered + crypto_sign_BYTES, trusted.p, trusted.n);
	if (crypto_sign_verify_detached(global, covered, crypto_sign_BYTES + trusted.n, k + BODY))
		return cb_err_set(err, CB_E_NO, "its signature's comment was changed");
	return 0;
}
