/* SPDX-License-Identifier: Apache-2.0 */
/* Challenges taken apart, and answered. */
#include "rtsp/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/num.h"
#include "crypto/base64.h"
#include "crypto/hash.h"

/* --- challenges -------------------------------------------------------------------------------- */

struct scan {
	const char *p, *end;
};

static bool token_char(char c)
{
	return (uint8_t)c > ' ' && c != 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static void skip(struct scan *s, const char *set)
{
	while (s->p < s->end && *s->p && strchr(set, *s->p))
		s->p++;
}

/* The value of a parameter: in quotes, with what is escaped in it, or up to a comma or a blank.
 * false: too long or not for sending back; the scan gets on all the same. */
static bool value(struct scan *s, char out[static CB_AUTH_TEXT])
{
	bool quoted = s->p < s->end && *s->p == '"', fits = true;
	size_t n = 0;

	if (quoted)
		s->p++;
	for (; s->p < s->end; s->p++) {
		char c = *s->p;

		if (quoted && c == '"')
			break;
		if (quoted && c == '\\' && s->end - s->p > 1)
			c = *++s->p;
		else if (!quoted && (c == ',' || c == ' ' || c == '\t'))
			break;
		if ((uint8_t)c < ' ' || c == 0x7f || n + 1 >= CB_AUTH_TEXT) {
			fits = false;
			continue;
		}
		out[n++] = c;
	}
	if (quoted && s->p < s->end)
		s->p++;
	out[n] = '\0';
	return fits;
}

/* What has been read of one challenge so far. */
struct reading {
	struct cb_auth a;
	bool basic, digest, bad, has_realm, has_nonce;
};

static void done(struct cb_auth *best, struct reading *r)
{
	if (r->basic && !r->bad)
		r->a.scheme = CB_AUTH_BASIC;
	else if (r->digest && !r->bad && r->has_realm && r->has_nonce) {
		if (r->a.scheme == CB_AUTH_NONE)
			r->a.scheme = CB_AUTH_DIGEST_MD5;
	} else {
		r->a.scheme = CB_AUTH_NONE;
	}
	if (r->a.scheme > best->scheme)
		*best = r->a;
	memset(r, 0, sizeof(*r));
}

static bool lists(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ", \t");

		if (len == n && strncasecmp(p, word, n) == 0)
			return true;
		p += len;
		p += strspn(p, ", \t");
	}
	return false;
}

static void parameter(struct reading *r, const char *name, size_t n, const char *v)
{
#define IS(word) (n == sizeof(word) - 1 && strncasecmp(name, word, n) == 0)
	if (IS("realm")) {
		r->has_realm = true;
		strcpy(r->a.realm, v);
	} else if (IS("nonce")) {
		r->has_nonce = true;
		strcpy(r->a.nonce, v);
	} else if (IS("opaque")) {
		r->a.has_opaque = true;
		strcpy(r->a.opaque, v);
	} else if (IS("stale")) {
		r->a.stale = strcasecmp(v, "true") == 0;
	} else if (IS("userhash")) {
		r->a.userhash = strcasecmp(v, "true") == 0;
	} else if (IS("qop")) {
		r->a.qop = lists(v, "auth")       ? CB_QOP_AUTH
			   : lists(v, "auth-int") ? CB_QOP_AUTH_INT
						  : CB_QOP_NONE;
		/* one that wants something else could not be answered; an empty one wants nothing */
		if (*v && r->a.qop == CB_QOP_NONE)
			r->bad = true;
	} else if (IS("algorithm")) {
		size_t len = strlen(v);

		r->a.sess = len > 5 && strcasecmp(v + len - 5, "-sess") == 0;
		if (r->a.sess)
			len -= 5;
		r->a.has_algorithm = true;
		if (len == 3 && strncasecmp(v, "MD5", 3) == 0)
			r->a.scheme = CB_AUTH_DIGEST_MD5;
		else if (len == 7 && strncasecmp(v, "SHA-256", 7) == 0)
			r->a.scheme = CB_AUTH_DIGEST_SHA256;
		else
			r->bad = true;
	}
#undef IS
}

void cb_auth_offer(struct cb_auth *a, const char *text, size_t n)
{
	struct scan s = { text, text + n };
	struct reading r = { 0 };
	char v[CB_AUTH_TEXT];

	for (;;) {
		const char *word;
		size_t len;

		skip(&s, ", \t");
		if (s.p == s.end)
			break;
		word = s.p;
		while (s.p < s.end && token_char(*s.p))
			s.p++;
		len = (size_t)(s.p - word);
		if (!len) {	/* not the beginning of anything */
			s.p++;
			continue;
		}
		skip(&s, " \t");
		if (s.p < s.end && *s.p == '=') {
			s.p++;
			skip(&s, " \t");
			if (!value(&s, v))
				r.bad = true;
			else
				parameter(&r, word, len, v);
			continue;
		}
		done(a, &r);
		r.basic = len == 5 && strncasecmp(word, "Basic", 5) == 0;
		r.digest = len == 6 && strncasecmp(word, "Digest", 6) == 0;
	}
	done(a, &r);
}

/* --- answers ----------------------------------------------------------------------------------- */

#define HEX_MAX 65

/* H(a:b:c...), in hexadecimal; NULL ends the list. */
static void digest(const struct cb_auth *a, char out[static HEX_MAX], const char *const part[])
{
	struct cb_sha256 sha;
	struct cb_md5 md5;
	uint8_t sum[32];

	cb_sha256_init(&sha);
	cb_md5_init(&md5);
	for (size_t i = 0; part[i]; i++) {
		if (a->scheme == CB_AUTH_DIGEST_SHA256) {
			cb_sha256_update(&sha, ":", i ? 1 : 0);
			cb_sha256_update(&sha, part[i], strlen(part[i]));
		} else {
			cb_md5_update(&md5, ":", i ? 1 : 0);
			cb_md5_update(&md5, part[i], strlen(part[i]));
		}
	}
	if (a->scheme == CB_AUTH_DIGEST_SHA256) {
		cb_sha256_final(&sha, sum);
		cb_hex(out, sum, CB_SHA256_LEN);
	} else {
		cb_md5_final(&md5, sum);
		cb_hex(out, sum, CB_MD5_LEN);
	}
	explicit_bzero(&sha, sizeof(sha));
	explicit_bzero(&md5, sizeof(md5));
}
#define H(a, out, ...) digest(a, out, (const char *const[]){ __VA_ARGS__, NULL })

static void digest_bytes(const struct cb_auth *a, char out[static HEX_MAX], const void *p, size_t n)
{
	uint8_t sum[32];

	if (a->scheme == CB_AUTH_DIGEST_SHA256) {
		cb_sha256(sum, p, n);
		cb_hex(out, sum, CB_SHA256_LEN);
	} else {
		struct cb_md5 md5;

		cb_md5_init(&md5);
		cb_md5_update(&md5, p, n);
		cb_md5_final(&md5, sum);
		cb_hex(out, sum, CB_MD5_LEN);
	}
}

/* NAME="VALUE", escaped. */
static int put(struct cb_buf *b, const char *name, const char *v)
{
	int r = cb_buf_printf(b, "%s=\"", name);

	for (; !r && *v; v++) {
		if (*v == '"' || *v == '\\')
			r = cb_buf_byte(b, '\\');
		if (!r)
			r = cb_buf_byte(b, (uint8_t)*v);
	}
	return r ? r : cb_buf_byte(b, '"');
}

static int basic(struct cb_buf *out, const char *user, const char *password, struct cb_err *err)
{
	char both[600];
	int n = snprintf(both, sizeof(both), "%s:%s", user, password), r = -1;

	/* no colon can stand in a name: RFC 7617 2 */
	if (n < 0 || (size_t)n >= sizeof(both) || strchr(user, ':'))
		r = cb_err_set(err, CB_E_PERM, "user and password cannot be sent");
	else if (cb_buf_str(out, "Authorization: Basic ") < 0 ||
		 cb_base64_put(out, both, (size_t)n) < 0 || cb_buf_str(out, "\r\n") < 0)
		r = cb_err_nomem(err);
	else
		r = 0;
	explicit_bzero(both, sizeof(both));
	return r;
}

int cb_auth_answer(struct cb_auth *a, struct cb_buf *out, const char *user, const char *password,
		   const char *method, const char *uri, const void *body, size_t body_len,
		   struct cb_err *err)
{
	static const char *const qops[] = { "", "auth", "auth-int" };
	char a1[HEX_MAX], a2[HEX_MAX], hash[HEX_MAX], response[HEX_MAX], nc[9];
	uint8_t random[16];

	if (a->scheme == CB_AUTH_NONE)
		return cb_err_set(err, CB_E_PERM,
				  "it wants a kind of authentication that is not known here");
	if (a->scheme == CB_AUTH_BASIC)
		return basic(out, user, password, err);
	if (!*a->cnonce) {
		if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return cb_err_set(err, CB_E_OS, "no random bytes");
		cb_hex(a->cnonce, random, sizeof(random));
	}
	snprintf(nc, sizeof(nc), "%08x", ++a->nc);
	H(a, a1, user, a->realm, password);
	if (a->sess)
		H(a, a1, a1, a->nonce, a->cnonce);
	if (a->qop == CB_QOP_AUTH_INT) {
		digest_bytes(a, hash, body, body_len);
		H(a, a2, method, uri, hash);
	} else {
		H(a, a2, method, uri);
	}
	if (a->qop)
		H(a, response, a1, a->nonce, nc, a->cnonce, qops[a->qop], a2);
	else
		H(a, response, a1, a->nonce, a2);
	explicit_bzero(a1, sizeof(a1));
	if (a->userhash)
		H(a, hash, user, a->realm);

	if (cb_buf_str(out, "Authorization: Digest ") < 0 ||
	    put(out, "username", a->userhash ? hash : user) < 0 ||
	    put(out, ", realm", a->realm) < 0 || put(out, ", nonce", a->nonce) < 0 ||
	    put(out, ", uri", uri) < 0 || put(out, ", response", response) < 0 ||
	    (a->has_algorithm && cb_buf_printf(out, ", algorithm=%s%s",
					       a->scheme == CB_AUTH_DIGEST_SHA256 ? "SHA-256" : "MD5",
					       a->sess ? "-sess" : "") < 0) ||
	    (a->has_opaque && put(out, ", opaque", a->opaque) < 0) ||
	    ((a->qop || a->sess) && put(out, ", cnonce", a->cnonce) < 0) ||
	    (a->qop && cb_buf_printf(out, ", qop=%s, nc=%s", qops[a->qop], nc) < 0) ||
	    (a->userhash && cb_buf_str(out, ", userhash=true") < 0) || cb_buf_str(out, "\r\n") < 0)
		return cb_err_nomem(err);
	return 0;
}

const char *cb_auth_name(const struct cb_auth *a)
{
	switch (a->scheme) {
	case CB_AUTH_NONE: break;
	case CB_AUTH_BASIC: return "Basic";
	case CB_AUTH_DIGEST_MD5: return "Digest MD5";
	case CB_AUTH_DIGEST_SHA256: return "Digest SHA-256";
	}
	return "no authentication";
}
