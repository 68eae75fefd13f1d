/* SPDX-License-Identifier: Apache-2.0 */
/* SSH signatures, read and verified. */
#include "crypto/sshsig.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "crypto/base64.h"
#include "crypto/sshsig_wire.h"

#define COLUMNS_MAX 76u		/* PROTOCOL.sshsig, section 1 */

/* A cursor; once bad, everything is empty. */
struct wire {
	const uint8_t *p;
	size_t n;
	bool bad;
};

static struct wire string(struct wire *w)
{
	struct wire s = { 0 };
	uint32_t n;

	if (w->bad || w->n < 4 || (n = cb_be32(w->p)) > w->n - 4) {
		w->bad = true;
		return s;
	}
	s = (struct wire){ w->p + 4, n, false };
	w->p += 4 + n;
	w->n -= 4 + n;
	return s;
}

static bool is(const struct wire *w, const char *text)
{
	return w->n == strlen(text) && !memcmp(w->p, text, w->n);
}

/* "kind" of a key or signature that is not ours, made fit to show. */
static int other_kind(const struct wire *kind, struct cb_err *err)
{
	char name[48];
	size_t n = 0;

	for (; n < kind->n && n < sizeof(name) - 1 && kind->p[n] > 32 && kind->p[n] < 127; n++)
		name[n] = (char)kind->p[n];
	name[n] = '\0';
	return cb_err_set(err, CB_E_DATA, "made with a key of kind %s, which is not checked here: "
			  "ssh-keygen -Y verify does", name);
}

/* An Ed25519 key's or signature's blob: its kind, then the bytes. */
static int ed25519(struct wire w, uint8_t *out, size_t len, bool *ret_other, struct wire *ret_kind)
{
	struct wire kind = string(&w), body = string(&w);

	*ret_other = false;
	if (!w.bad && is(&kind, CB_SSH_ED25519)) {
		if (w.n || body.n != len)
			return -1;
		memcpy(out, body.p, len);
		return 0;
	}
	*ret_other = kind.n > 0;
	*ret_kind = kind;
	return -1;
}

static int parse_blob(struct cb_sshsig *ret, struct wire w, struct cb_err *err)
{
	struct wire key, namespace, reserved, hash, sig, kind;
	bool other;

	if (w.n < 10 || memcmp(w.p, CB_SSHSIG_MAGIC, 6))
		return cb_err_set(err, CB_E_DATA, "not an SSH signature");
	if (cb_be32(w.p + 6) != 1)
		return cb_err_set(err, CB_E_DATA, "an SSH signature of a version that is not known here");
	w.p += 10;
	w.n -= 10;
	key = string(&w);
	namespace = string(&w);
	reserved = string(&w);
	hash = string(&w);
	sig = string(&w);
	if (w.bad || w.n)
		return cb_err_set(err, CB_E_DATA, "a damaged SSH signature");
	if (ed25519(key, ret->pk, sizeof(ret->pk), &other, &kind) < 0 ||
	    ed25519(sig, ret->sig, sizeof(ret->sig), &other, &kind) < 0)
		return other ? other_kind(&kind, err) : cb_err_set(err, CB_E_DATA, "a damaged SSH signature");
	/* what is reserved is ignored by the protocol; but it is signed, and nobody writes any */
	if (reserved.n)
		return cb_err_set(err, CB_E_DATA, "an SSH signature with parts that are not known here");
	if (!is(&hash, "sha512") && !is(&hash, "sha256"))
		return cb_err_set(err, CB_E_DATA, "an SSH signature over an unknown hash");
	ret->sha512 = is(&hash, "sha512");
	if (namespace.n > CB_SSHSIG_NAMESPACE_MAX || memchr(namespace.p, '\0', namespace.n))
		return cb_err_set(err, CB_E_DATA, "an SSH signature without a usable namespace");
	memcpy(ret->namespace, namespace.p, namespace.n);
	ret->namespace[namespace.n] = '\0';
	if (!cb_sshsig_namespace_ok(ret->namespace))
		return cb_err_set(err, CB_E_DATA, "an SSH signature without a usable namespace");
	return 0;
}

/* The next line, without its end. */
static bool line(const char **p, size_t *n, const char **ret, size_t *ret_n)
{
	const char *lf = *n ? memchr(*p, '\n', *n) : NULL;
	size_t k = lf ? (size_t)(lf - *p) : *n;

	if (!*n)
		return false;
	*ret = *p;
	*ret_n = k && (*p)[k - 1] == '\r' ? k - 1 : k;
	*p += k + (lf != NULL);
	*n -= k + (lf != NULL);
	return true;
}

int cb_sshsig_parse(struct cb_sshsig *ret, const char *text, size_t n, struct cb_err *err)
{
	char b64[CB_SSHSIG_MAX];
	uint8_t blob[CB_SSHSIG_MAX];
	size_t k, b64_n = 0, blob_n, before = 0;
	struct cb_sshsig s;
	bool ended = false, shorter = false;
	const char *l;

	if (n > CB_SSHSIG_MAX || !line(&text, &n, &l, &k) || k != strlen(CB_SSHSIG_BEGIN) ||
	    memcmp(l, CB_SSHSIG_BEGIN, k))
		return cb_err_set(err, CB_E_DATA, "not an SSH signature");
	while (!ended && line(&text, &n, &l, &k)) {
		ended = k == strlen(CB_SSHSIG_END) && !memcmp(l, CB_SSHSIG_END, k);
		if (ended)
			break;
		/* all lines but the last are equally long */
		if (!k || k > COLUMNS_MAX || shorter || (before && k > before))
			return cb_err_set(err, CB_E_DATA, "a damaged SSH signature");
		shorter = before && k < before;
		before = k;
		memcpy(b64 + b64_n, l, k);
		b64_n += k;
	}
	if (!ended || n || !cb_base64_decode(blob, sizeof(blob), b64, b64_n, &blob_n))
		return cb_err_set(err, CB_E_DATA, "a damaged SSH signature");
	if (parse_blob(&s, (struct wire){ blob, blob_n, false }, err) < 0)
		return -1;
	*ret = s;
	return 0;
}

bool cb_sshsig_namespace_ok(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > CB_SSHSIG_NAMESPACE_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= 32 || s[i] >= 127 || strchr(",\"\\", s[i]))
			return false;
	return true;
}

int cb_sshsig_signed(struct cb_buf *out, const char *namespace, bool is_sha512, const uint8_t *digest, struct cb_err *err)
{
	if (!cb_sshsig_namespace_ok(namespace))
		return cb_err_set(err, CB_E_USAGE, "not a namespace for signatures");
	if (cb_buf_add(out, CB_SSHSIG_MAGIC, 6) < 0 || cb_ssh_put(out, namespace, strlen(namespace)) < 0 ||
	    cb_ssh_put(out, "", 0) < 0 || cb_ssh_put(out, is_sha512 ? "sha512" : "sha256", 6) < 0 ||
	    cb_ssh_put(out, digest, is_sha512 ? CB_SHA512_LEN : CB_SHA256_LEN) < 0)
		return cb_err_nomem(err);
	return 0;
}

int cb_sshsig_check(const struct cb_sshsig *s, const uint8_t pk[static CB_ED25519_KEY_LEN], const char *namespace,
		    const uint8_t sha512[static CB_SHA512_LEN], const uint8_t *sha256, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	int r = -1;

	if (memcmp(s->pk, pk, CB_ED25519_KEY_LEN))
		return cb_err_set(err, CB_E_NO, "signed with another key");
	if (strcmp(s->namespace, namespace))
		return cb_err_set(err, CB_E_NO, "signed for %s, not for %s", s->namespace, namespace);
	if (!s->sha512 && !sha256)
		return cb_err_set(err, CB_E_BUG, "no SHA-256 at hand");
	if (cb_sshsig_signed(&b, namespace, s->sha512, s->sha512 ? sha512 : sha256, err) == 0)
		r = cb_ed25519_verify(s->sig, b.data, b.len, pk) ? 0 :
			cb_err_set(err, CB_E_NO, "its signature is false");
	cb_buf_release(&b);
	return r;
}

/* --- public keys ----------------------------------------------------------------------------------- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word; blanks within quotes belong to it. */
static bool word(const char **p, size_t *n, const char **ret, size_t *ret_n)
{
	bool quoted = false;
	size_t k = 0;

	while (*n && blank(**p))
		(*p)++, (*n)--;
	for (; k < *n && (quoted || !blank((*p)[k])); k++)
		if ((*p)[k] == '"')
			quoted = !quoted;
	*ret = *p;
	*ret_n = k;
	*p += k;
	*n -= k;
	return k > 0 && !quoted;
}

static bool word_is(const char *w, size_t n, const char *text)
{
	return n == strlen(text) && !memcmp(w, text, n);
}

/* Words that a key's text begins with, in any version of OpenSSH. */
static bool kind_of_key(const char *w, size_t n)
{
	return (n >= 4 && (!memcmp(w, "ssh-", 4))) || (n >= 6 && !memcmp(w, "ecdsa-", 6)) ||
		(n >= 3 && !memcmp(w, "sk-", 3));
}

static int options(struct cb_ssh_key *ret, const char *w, size_t n, struct cb_err *err)
{
	static const char name[] = "namespaces=\"";
	size_t k = strlen(name);

	if (n <= k || memcmp(w, name, k) || w[n - 1] != '"' || memchr(w + k, '"', n - k - 1) ||
	    n - k - 1 > CB_SSHSIG_NAMESPACE_MAX)
		return cb_err_set(err, CB_E_DATA, "an option that is not known here: ssh-keygen -Y verify knows it");
	memcpy(ret->namespaces, w + k, n - k - 1);
	ret->namespaces[n - k - 1] = '\0';
	return 0;
}

int cb_ssh_key_parse(struct cb_ssh_key *ret, const char *text, size_t n, struct cb_err *err)
{
	struct cb_ssh_key k = { 0 };
	uint8_t blob[512];
	struct wire kind;
	const char *w;
	size_t w_n, len;
	bool other;
	int i = 0;

	while (n && (text[n - 1] == '\r' || blank(text[n - 1])))
		n--;
	if (!n || *text == '#')
		return 0;
	/* the kind of key stands first, or after who, or after who's options */
	for (;; i++) {
		if (!word(&text, &n, &w, &w_n))
			return cb_err_set(err, CB_E_DATA, "not a public key of OpenSSH");
		if (kind_of_key(w, w_n) && (i != 0 || n))
			break;
		if (i == 1 && options(&k, w, w_n, err) < 0)
			return -1;
		if (i == 2)
			return cb_err_set(err, CB_E_DATA, "not a public key of OpenSSH");
	}
	if (!word_is(w, w_n, CB_SSH_ED25519))
		return cb_err_set(err, CB_E_DATA, "a key of kind %.*s, which is not checked here",
				  (int)(w_n < 40 ? w_n : 40), w);
	if (!word(&text, &n, &w, &w_n) || !cb_base64_decode(blob, sizeof(blob), w, w_n, &len) ||
	    ed25519((struct wire){ blob, len, false }, k.pk, sizeof(k.pk), &other, &kind) < 0)
		return cb_err_set(err, CB_E_DATA, "a damaged public key of OpenSSH");
	*ret = k;
	return 1;
}

bool cb_ssh_key_signs(const struct cb_ssh_key *k, const char *namespace)
{
	size_t n = strlen(namespace);
	const char *p = k->namespaces;

	if (!*p)
		return true;
	for (;;) {
		size_t m = strcspn(p, ",");

		if (m == n && !memcmp(p, namespace, n))
			return true;
		if (!p[m])
			return false;
		p += m + 1;
	}
}

int cb_ssh_key_text(const uint8_t pk[static CB_ED25519_KEY_LEN], const char *who, const char *namespace,
		    struct cb_buf *out, struct cb_err *err)
{
	struct cb_buf blob = { 0 };
	int r = -1;

	/* who is one pattern of ssh_config's kind; only one that is nothing but a name is written */
	if (who && (!cb_sshsig_namespace_ok(who) || strpbrk(who, "*?!") || *who == '#' || kind_of_key(who, strlen(who))))
		return cb_err_set(err, CB_E_USAGE, "'%.100s' cannot stand for a signer", who);
	if (who && namespace && !cb_sshsig_namespace_ok(namespace))
		return cb_err_set(err, CB_E_USAGE, "not a namespace for signatures");
	if (cb_ssh_put(&blob, CB_SSH_ED25519, strlen(CB_SSH_ED25519)) == 0 &&
	    cb_ssh_put(&blob, pk, CB_ED25519_KEY_LEN) == 0 &&
	    (!who || cb_buf_printf(out, "%s ", who) == 0) &&
	    (!who || !namespace || cb_buf_printf(out, "namespaces=\"%s\" ", namespace) == 0) &&
	    cb_buf_str(out, CB_SSH_ED25519 " ") == 0 && cb_base64_put(out, blob.data, blob.len) == 0)
		r = 0;
	else
		cb_err_nomem(err);
	cb_buf_release(&blob);
	return r;
}
