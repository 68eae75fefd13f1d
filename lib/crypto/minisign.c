/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of minisign's signatures. */
#include "crypto/minisign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/io.h"
#include "crypto/base64.h"

/* On disk: a key is alg[2] id[8] key[32], a signature alg[2] id[8] signature[64]. */
#define ID 2
#define BODY 10
#define KEY_LEN (BODY + CB_ED25519_KEY_LEN)
#define SIG_LEN (BODY + CB_ED25519_SIG_LEN)

_Static_assert(CB_ED25519_KEY_LEN == crypto_sign_PUBLICKEYBYTES, "");
_Static_assert(CB_ED25519_SIG_LEN == crypto_sign_BYTES, "");
_Static_assert(CB_MINISIGN_HASH == crypto_generichash_BYTES_MAX, "");
_Static_assert(sizeof(crypto_generichash_state) <= sizeof(((struct cb_minisign_hash *)0)->opaque), "");

struct text {
	const char *p;
	size_t n;
};

/* The next line, without its end; false where there is none. */
static bool line(struct text *t, struct text *ret)
{
	const char *lf = t->n ? memchr(t->p, '\n', t->n) : NULL;
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

static bool comment(struct text *t, const char *prefix, size_t max, struct text *ret)
{
	size_t n = strlen(prefix);

	if (!line(t, ret) || ret->n < n || ret->n > n + max || memcmp(ret->p, prefix, n))
		return false;
	ret->p += n;
	ret->n -= n;
	return true;
}

/* A line of base64 that is exactly len bytes. */
static bool binary(struct text *t, uint8_t *ret, size_t len)
{
	struct text l;

	return line(t, &l) && cb_base64_decode_exact(ret, len, l.p, l.n);
}

int cb_minisign_key_parse(struct cb_minisign_key *ret, const char *text, size_t n, struct cb_err *err)
{
	struct text t = { text, n }, ignored;
	uint8_t k[KEY_LEN];

	if (n > CB_MINISIGN_KEY_MAX ||
	    !comment(&t, "untrusted comment: ", CB_MINISIGN_UNTRUSTED_MAX, &ignored) ||
	    !binary(&t, k, sizeof(k)) || t.n || memcmp(k, "Ed", ID))
		return cb_err_set(err, CB_E_DATA, "not a public key of minisign");
	memcpy(ret->id, k + ID, CB_MINISIGN_ID);
	memcpy(ret->pk, k + BODY, CB_ED25519_KEY_LEN);
	return 0;
}

int cb_minisign_key_load(struct cb_minisign_key *ret, const char *path, struct cb_err *err)
{
	uint8_t *text;
	size_t n;
	int r;

	if (cb_file_read(path, CB_MINISIGN_KEY_MAX, &text, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	r = cb_minisign_key_parse(ret, (char *)text, n, err);
	free(text);
	return r < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int cb_minisign_key_text(const struct cb_minisign_key *k, struct cb_buf *out, struct cb_err *err)
{
	char id[CB_MINISIGN_ID_HEX], b64[CB_BASE64_SIZE(KEY_LEN)];
	uint8_t raw[KEY_LEN] = "Ed";

	memcpy(raw + ID, k->id, CB_MINISIGN_ID);
	memcpy(raw + BODY, k->pk, CB_ED25519_KEY_LEN);
	cb_base64(b64, raw, sizeof(raw));
	cb_minisign_id_text(id, k->id);
	if (cb_buf_printf(out, "untrusted comment: minisign public key %s\n%s\n", id, b64) < 0)
		return cb_err_nomem(err);
	return 0;
}

void cb_minisign_id_text(char out[static CB_MINISIGN_ID_HEX], const uint8_t id[static CB_MINISIGN_ID])
{
	static const char digit[] = "0123456789ABCDEF";

	/* minisign shows the id as a little-endian number */
	for (int i = 0; i < CB_MINISIGN_ID; i++) {
		out[2 * i] = digit[id[CB_MINISIGN_ID - 1 - i] >> 4];
		out[2 * i + 1] = digit[id[CB_MINISIGN_ID - 1 - i] & 15];
	}
	out[2 * CB_MINISIGN_ID] = '\0';
}

bool cb_comment_ok(const char *s, size_t n, size_t max, bool tab)
{
	char safe[CB_MINISIGN_TRUSTED_MAX + 1];

	if (n > max || n >= sizeof(safe))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)s[i] < 0x20 && !(tab && s[i] == '\t'))
			return false;
	/* what cb_text_safe would not change; tabs it does */
	cb_text_safe(safe, sizeof(safe), s, n, false);
	for (size_t i = 0; i < n; i++)
		if (safe[i] != s[i] && s[i] != '\t')
			return false;
	return true;
}

int cb_minisign_sig_parse(struct cb_minisign_sig *ret, const char *text, size_t n, struct cb_err *err)
{
	struct text t = { text, n }, ignored, trusted;
	uint8_t s[SIG_LEN];

	if (n > CB_MINISIGN_SIG_MAX ||
	    !comment(&t, "untrusted comment: ", CB_MINISIGN_UNTRUSTED_MAX, &ignored) ||
	    !binary(&t, s, sizeof(s)) ||
	    !comment(&t, "trusted comment: ", CB_MINISIGN_TRUSTED_MAX, &trusted) ||
	    !binary(&t, ret->global, sizeof(ret->global)) || t.n)
		return cb_err_set(err, CB_E_DATA, "not a signature of minisign");
	if (!memcmp(s, "Ed", ID))
		return cb_err_set(err, CB_E_DATA, "of an old kind, not over a hash");
	if (memcmp(s, "ED", ID))
		return cb_err_set(err, CB_E_DATA, "not a signature of minisign");
	if (!cb_comment_ok(trusted.p, trusted.n, CB_MINISIGN_TRUSTED_MAX, true))
		return cb_err_set(err, CB_E_DATA, "its trusted comment is not printable text");
	memcpy(ret->id, s + ID, CB_MINISIGN_ID);
	memcpy(ret->sig, s + BODY, CB_ED25519_SIG_LEN);
	ret->trusted = trusted.p;
	ret->trusted_len = trusted.n;
	return 0;
}

void cb_minisign_hash_init(struct cb_minisign_hash *h)
{
	if (sodium_init() < 0)
		abort();
	crypto_generichash_init((crypto_generichash_state *)h->opaque, NULL, 0, CB_MINISIGN_HASH);
}

void cb_minisign_hash_update(struct cb_minisign_hash *h, const void *p, size_t n)
{
	crypto_generichash_update((crypto_generichash_state *)h->opaque, p, n);
}

void cb_minisign_hash_final(struct cb_minisign_hash *h, uint8_t out[static CB_MINISIGN_HASH])
{
	crypto_generichash_final((crypto_generichash_state *)h->opaque, out, CB_MINISIGN_HASH);
}

int cb_minisign_hash_fd(int fd, uint8_t out[static CB_MINISIGN_HASH], uint64_t *ret_size,
			struct cb_err *err)
{
	struct cb_minisign_hash h;
	uint8_t buf[65536];
	uint64_t size = 0;
	ssize_t n;

	cb_minisign_hash_init(&h);
	for (;;) {
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
		if (n == 0)
			break;
		cb_minisign_hash_update(&h, buf, (size_t)n);
		size += (uint64_t)n;
	}
	cb_minisign_hash_final(&h, out);
	if (ret_size)
		*ret_size = size;
	return 0;
}

int cb_minisign_check(const struct cb_minisign_sig *s, const struct cb_minisign_key *k,
		      const uint8_t hash[static CB_MINISIGN_HASH], struct cb_err *err)
{
	uint8_t covered[CB_ED25519_SIG_LEN + CB_MINISIGN_TRUSTED_MAX];

	if (memcmp(s->id, k->id, CB_MINISIGN_ID))
		return cb_err_set(err, CB_E_NO, "signed with another key");
	if (!cb_ed25519_verify(s->sig, hash, CB_MINISIGN_HASH, k->pk))
		return cb_err_set(err, CB_E_NO, "its signature is false");
	memcpy(covered, s->sig, CB_ED25519_SIG_LEN);
	memcpy(covered + CB_ED25519_SIG_LEN, s->trusted, s->trusted_len);
	if (!cb_ed25519_verify(s->global, covered, CB_ED25519_SIG_LEN + s->trusted_len, k->pk))
		return cb_err_set(err, CB_E_NO, "its signature's comment was changed");
	return 0;
}

int cb_minisign_verify(const char *key, size_t key_len, const char *sig, size_t sig_len,
		       const uint8_t *data, size_t n, struct cb_err *err)
{
	uint8_t hash[CB_MINISIGN_HASH];
	struct cb_minisign_hash h;
	struct cb_minisign_key k;
	struct cb_minisign_sig s;

	if (cb_minisign_key_parse(&k, key, key_len, err) < 0)
		return cb_err_prefix(err, "key");
	if (cb_minisign_sig_parse(&s, sig, sig_len, err) < 0)
		return cb_err_prefix(err, "signature");
	cb_minisign_hash_init(&h);
	cb_minisign_hash_update(&h, data, n);
	cb_minisign_hash_final(&h, hash);
	return cb_minisign_check(&s, &k, hash, err);
}
