/* SPDX-License-Identifier: Apache-2.0 */
/* age files: headers, keys, and both directions. */
#include "crypto/age.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/io.h"
#include "base/newfile.h"
#include "base/num.h"
#include "base/time.h"
#include "crypto/agearmor.h"
#include "crypto/agepump.h"
#include "crypto/base64.h"
#include "crypto/bech32.h"

#define VERSION "age-encryption.org/v1\n"
#define X25519 "age-encryption.org/v1/X25519"
#define SCRYPT "age-encryption.org/v1/scrypt"
#define COLUMNS 64u
#define FILE_KEY 16u
#define BODY (FILE_KEY + CB_AGE_TAG)
#define NONCE 16u
#define SALT 16u
#define MAC 32u
#define SECRET_NAME "age-secret-key-"
#define SECRET_SIZE CB_BECH32_SIZE(15, 32)

_Static_assert(CB_AGE_RECIPIENT_SIZE == CB_BECH32_SIZE(3, 32), "");

struct identity {
	uint8_t secret[32], public[32];
};

struct cb_age_ids {
	size_t n;
	bool exposed;
	struct identity *id;	/* sodium_malloc'ed, room for all that may be */
};

/* What a key passes through on its way; sodium_malloc'ed. */
struct scratch {
	uint8_t file_key[FILE_KEY], wrap[32], shared[32], secret[32], payload[32], mac[MAC];
	char pass[CB_PASS_MAX];
	char text[512];
};

static void *secret_new(size_t n, struct cb_err *err)
{
	void *p;

	if (sodium_init() < 0) {
		cb_err_set(err, CB_E_OS, "libsodium does not start");
		return NULL;
	}
	p = sodium_malloc(n);
	if (!p)
		cb_err_nomem(err);
	else
		memset(p, 0, n);
	return p;
}

/* HKDF-SHA-256 (RFC 5869) to 32 bytes: one round of its expansion. */
static void hkdf(uint8_t out[static 32], const uint8_t *ikm, size_t ikm_n, const uint8_t *salt, size_t salt_n,
		 const char *info)
{
	crypto_auth_hmacsha256_state h;
	uint8_t prk[32];
	static const uint8_t one = 1;

	crypto_auth_hmacsha256_init(&h, salt, salt_n);
	crypto_auth_hmacsha256_update(&h, ikm, ikm_n);
	crypto_auth_hmacsha256_final(&h, prk);
	crypto_auth_hmacsha256_init(&h, prk, sizeof(prk));
	crypto_auth_hmacsha256_update(&h, (const uint8_t *)info, strlen(info));
	crypto_auth_hmacsha256_update(&h, &one, 1);
	crypto_auth_hmacsha256_final(&h, out);
	sodium_memzero(prk, sizeof(prk));
	sodium_memzero(&h, sizeof(h));
}

static void header_mac(uint8_t out[static MAC], struct scratch *s, const uint8_t *p, size_t n)
{
	crypto_auth_hmacsha256_state h;

	hkdf(s->wrap, s->file_key, FILE_KEY, (const uint8_t *)"", 0, "header");
	crypto_auth_hmacsha256_init(&h, s->wrap, 32);
	crypto_auth_hmacsha256_update(&h, p, n);
	crypto_auth_hmacsha256_final(&h, out);
	sodium_memzero(&h, sizeof(h));
}

static void wrap_key_x25519(struct scratch *s, const uint8_t share[static 32], const uint8_t to[static 32])
{
	uint8_t salt[64];

	memcpy(salt, share, 32);
	memcpy(salt + 32, to, 32);
	hkdf(s->wrap, s->shared, 32, salt, sizeof(salt), X25519);
}

static int wrap_key_scrypt(struct scratch *s, size_t pass_n, const uint8_t salt[static SALT], int work,
			   struct cb_err *err)
{
	uint8_t all[sizeof(SCRYPT) - 1 + SALT];

	memcpy(all, SCRYPT, sizeof(SCRYPT) - 1);
	memcpy(all + sizeof(SCRYPT) - 1, salt, SALT);
	if (crypto_pwhash_scryptsalsa208sha256_ll((uint8_t *)s->pass, pass_n, all, sizeof(all),
						  UINT64_C(1) << work, 8, 1, s->wrap, 32))
		return cb_err_set(err, CB_E_OS, "no memory (%u MiB) for its passphrase", (1u << work) >> 10);
	return 0;
}

static const uint8_t zero_nonce[12];

static bool unwrap(struct scratch *s, const uint8_t body[static BODY])
{
	return !crypto_aead_chacha20poly1305_ietf_decrypt(s->file_key, NULL, NULL, body, BODY, NULL, 0,
							  zero_nonce, s->wrap);
}

/* --- recipients and identities --------------------------------------------------------------------- */

static bool starts(const char *s, size_t n, const char *prefix)
{
	return n >= strlen(prefix) && !memcmp(s, prefix, strlen(prefix));
}

/* What it is that is no recipient of ours. */
static const char *what(const char *s, size_t n)
{
	if (starts(s, n, "ssh-") || starts(s, n, "ecdsa-"))
		return "an ssh key: only age1... recipients are known here";
	if (starts(s, n, "AGE-SECRET-KEY-"))
		return "a secret key, not a recipient";
	if (starts(s, n, "age1pq1") || starts(s, n, "age1tag") || (starts(s, n, "age1") && n > 80))
		return "a recipient of another kind than X25519";
	if (starts(s, n, "age1"))
		return "a damaged recipient";
	return "not a recipient (age1...)";
}

static int to_add(struct cb_age_to *to, const char *text, size_t n, enum cb_errc code, struct cb_err *err)
{
	static const uint8_t secret_one[32] = { 1 };
	uint8_t key[32], probe[32];
	void *p;

	/* scalar multiplication fails for points of small order, with which nobody has a secret */
	if (!cb_bech32_decode(key, sizeof(key), "age", false, text, n) ||
	    crypto_scalarmult(probe, secret_one, key))
		return cb_err_set(err, code, "%s", what(text, n));
	if (to->n == CB_AGE_RECIPIENTS_MAX)
		return cb_err_set(err, code, "more than %u recipients", CB_AGE_RECIPIENTS_MAX);
	for (size_t i = 0; i < to->n; i++)
		if (!memcmp(to->key[i], key, sizeof(key)))
			return 0;
	p = realloc(to->key, (to->n + 1) * sizeof(*to->key));
	if (!p)
		return cb_err_nomem(err);
	to->key = p;
	memcpy(to->key[to->n++], key, sizeof(key));
	return 0;
}

int cb_age_to_add(struct cb_age_to *to, const char *text, struct cb_err *err)
{
	if (sodium_init() < 0)
		return cb_err_set(err, CB_E_OS, "libsodium does not start");
	return to_add(to, text, strlen(text), CB_E_USAGE, err);
}

/* The lines of a file of keys that say something; fn's error gets the line's number. */
static int lines(const char *text, size_t n, int (*fn)(void *ctx, const char *s, size_t n, struct cb_err *err),
		 void *ctx, struct cb_err *err)
{
	unsigned number = 0;
	size_t found = 0;

	while (n) {
		const char *lf = memchr(text, '\n', n), *s = text;
		size_t k = lf ? (size_t)(lf - text) : n;

		text += k + (lf != NULL);
		n -= k + (lf != NULL);
		number++;
		if (k && s[k - 1] == '\r')
			k--;
		if (!k || *s == '#')
			continue;
		found++;
		if (fn(ctx, s, k, err) < 0)
			return cb_err_prefix(err, "line %u", number);
	}
	return found ? 0 : cb_err_set(err, CB_E_DATA, "no keys in it");
}

static int add_recipient(void *ctx, const char *s, size_t n, struct cb_err *err)
{
	return to_add(ctx, s, n, CB_E_DATA, err);
}

int cb_age_to_file(struct cb_age_to *to, const char *path, struct cb_err *err)
{
	uint8_t *text;
	size_t n;
	int r;

	if (sodium_init() < 0)
		return cb_err_set(err, CB_E_OS, "libsodium does not start");
	if (cb_file_read(path, CB_AGE_KEYS_MAX, &text, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	r = lines((char *)text, n, add_recipient, to, err);
	free(text);
	return r < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int cb_age_to_text(struct cb_age_to *to, const char *text, size_t n, struct cb_err *err)
{
	if (sodium_init() < 0)
		return cb_err_set(err, CB_E_OS, "libsodium does not start");
	return lines(text, n, add_recipient, to, err);
}

void cb_age_to_release(struct cb_age_to *to)
{
	free(to->key);
	*to = (struct cb_age_to){ 0 };
}

int cb_age_ids_new(struct cb_age_ids **ret, struct cb_err *err)
{
	struct cb_age_ids *ids = calloc(1, sizeof(*ids));

	if (!ids)
		return cb_err_nomem(err);
	*ret = ids;
	return 0;
}

void cb_age_ids_free(struct cb_age_ids *ids)
{
	if (!ids)
		return;
	if (ids->id)
		sodium_free(ids->id);
	free(ids);
}

bool cb_age_ids_exposed(const struct cb_age_ids *ids)
{
	return ids->exposed;
}

static int add_identity(void *ctx, const char *s, size_t n, struct cb_err *err)
{
	struct cb_age_ids *ids = ctx;
	struct identity *id;

	/* whatever goes wrong: not a word of what the line says */
	if (ids->n == CB_AGE_IDENTITIES_MAX)
		return cb_err_set(err, CB_E_DATA, "more than %u identities", CB_AGE_IDENTITIES_MAX);
	if (!ids->id && !(ids->id = secret_new(CB_AGE_IDENTITIES_MAX * sizeof(*id), err)))
		return -1;
	id = &ids->id[ids->n];
	if (!cb_bech32_decode(id->secret, 32, SECRET_NAME, true, s, n))
		return cb_err_set(err, CB_E_DATA, "%s", starts(s, n, "AGE-SECRET-KEY-1") ? "a damaged identity" :
				  starts(s, n, "AGE-PLUGIN-") ? "an identity of a plugin: not known here" :
				  starts(s, n, "AGE-SECRET-KEY-") ? "an identity of another kind than X25519" :
				  starts(s, n, "age1") ? "a recipient, not an identity" :
				  starts(s, n, "-----BEGIN ") ? "not an age identity (an ssh key?)" :
				  "not an identity (AGE-SECRET-KEY-1...)");
	crypto_scalarmult_base(id->public, id->secret);
	ids->n++;
	return 0;
}

/* --- headers ----------------------------------------------------------------------------------------- */

enum kind { OTHER, IS_X25519, IS_SCRYPT };

struct stanza {
	enum kind kind;
	const char *name;		/* not NUL-terminated */
	size_t name_n;
	uint8_t arg[32], body[BODY];	/* share or salt; of ours */
	int work;
};

struct header {
	struct stanza *stanza;
	size_t n, cap;
	uint8_t mac[MAC];
	size_t covered;			/* bytes that the MAC covers */
};

struct text {
	const char *p;
	size_t n;
};

static int bad(struct cb_err *err, const char *why)
{
	return cb_err_set(err, CB_E_DATA, "header: %s", why);
}

/* A line that ends, without its end. */
static bool line(struct text *t, struct text *ret)
{
	const char *lf = t->n ? memchr(t->p, '\n', t->n) : NULL;

	if (!lf)
		return false;
	*ret = (struct text){ t->p, (size_t)(lf - t->p) };
	t->n -= ret->n + 1;
	t->p = lf + 1;
	return true;
}

/* Up to the next blank. Arguments are of one visible character or more, a single blank between them. */
static bool argument(struct text *t, struct text *ret)
{
	size_t n = 0;

	while (n < t->n && t->p[n] > 32 && t->p[n] < 127)
		n++;
	if (!n || (n < t->n && (t->p[n] != ' ' || n + 1 == t->n)))
		return false;
	*ret = (struct text){ t->p, n };
	n += n < t->n;
	t->p += n;
	t->n -= n;
	return true;
}

static int ours(struct stanza *s, const struct text *arg, size_t args, size_t body_n, struct cb_err *err)
{
	size_t n;

	if (s->kind == IS_X25519 &&
	    (args != 1 || !cb_base64_decode_raw(s->arg, 32, arg[0].p, arg[0].n, &n) || n != 32))
		return bad(err, "an X25519 recipient is damaged");
	if (s->kind == IS_SCRYPT) {
		char work[4];
		uint64_t w;

		if (args != 2 || !cb_base64_decode_raw(s->arg, SALT, arg[0].p, arg[0].n, &n) || n != SALT ||
		    arg[1].n >= sizeof(work) || *arg[1].p == '0')
			return bad(err, "the passphrase's recipient is damaged");
		memcpy(work, arg[1].p, arg[1].n);
		work[arg[1].n] = '\0';
		if (!cb_parse_u64(work, 1, 999, &w))
			return bad(err, "the passphrase's recipient is damaged");
		if (w > CB_AGE_WORK_MAX)
			return cb_err_set(err, CB_E_DATA, "header: its passphrase takes more work (2^%d) than "
					  "is done here (2^%d)", (int)w, CB_AGE_WORK_MAX);
		s->work = (int)w;
	}
	if (s->kind != OTHER && body_n != BODY)
		return bad(err, "a recipient's key has the wrong length");
	return 0;
}

/* From its "-> " line, which is taken, to the end of its body. */
static int stanza(struct stanza *s, struct text *t, struct text head, struct cb_err *err)
{
	struct text name, arg[3], l, more;
	uint8_t part[48];
	size_t args = 0, body_n = 0, k;

	head.p += 3;
	head.n -= 3;
	if (!argument(&head, &name))
		return bad(err, "a recipient's line is damaged");
	*s = (struct stanza){ .kind = name.n == 6 && !memcmp(name.p, "X25519", 6) ? IS_X25519 :
			      name.n == 6 && !memcmp(name.p, "scrypt", 6) ? IS_SCRYPT : OTHER,
			      .name = name.p, .name_n = name.n };
	while (head.n) {
		if (!argument(&head, &more))
			return bad(err, "a recipient's line is damaged");
		if (args < 3)
			arg[args++] = more;
	}
	do {
		if (!line(t, &l))
			return bad(err, "cut off");
		if (l.n > COLUMNS || !cb_base64_decode_raw(part, sizeof(part), l.p, l.n, &k))
			return bad(err, "a recipient's key is not base64 in lines of 64 characters");
		if (s->kind != OTHER && body_n + k <= BODY)
			memcpy(s->body + body_n, part, k);
		body_n += k;
	} while (l.n == COLUMNS);
	return ours(s, arg, args, body_n, err);
}

static int parse_header(struct header *h, const char *p, size_t n, struct cb_err *err)
{
	struct text t = { p, n }, l = { NULL, 0 };
	size_t got, scrypts = 0;

	if (n < strlen(VERSION) || memcmp(p, VERSION, strlen(VERSION)))
		return starts(p, n, "age-encryption.org/") ? bad(err, "of a version that is not known here") :
			cb_err_set(err, CB_E_DATA, "not an age file");
	t.p += strlen(VERSION);
	t.n -= strlen(VERSION);
	while (line(&t, &l) && starts(l.p, l.n, "-> ")) {
		if (h->n == h->cap) {
			size_t cap = h->cap ? 2 * h->cap : 8;
			void *q = realloc(h->stanza, cap * sizeof(*h->stanza));

			if (!q)
				return cb_err_nomem(err);
			h->stanza = q;
			h->cap = cap;
		}
		if (stanza(&h->stanza[h->n], &t, l, err) < 0)
			return -1;
		scrypts += h->stanza[h->n++].kind == IS_SCRYPT;
	}
	/* what ended the loop is the MAC, and nothing follows it */
	if (t.n || !starts(l.p, l.n, "--- ") || !cb_base64_decode_raw(h->mac, MAC, l.p + 4, l.n - 4, &got) ||
	    got != MAC)
		return bad(err, "damaged");
	h->covered = (size_t)(l.p - p) + 3;
	if (!h->n)
		return bad(err, "no recipients");
	if (scrypts && h->n != 1)
		return bad(err, "a passphrase beside other recipients");
	return 0;
}

static void header_release(struct header *h)
{
	free(h->stanza);
	*h = (struct header){ 0 };
}

/* Everything up to the end of the MAC's line. */
static int read_header(struct cb_age_src *src, struct cb_buf *b, struct cb_err *err)
{
	size_t start = 0;
	uint8_t c;
	ssize_t k;

	for (;;) {
		k = cb_age_src_read(src, &c, 1, err);
		if (k < 0)
			return -1;
		if (k == 0)
			return b->len < strlen(VERSION) ? cb_err_set(err, CB_E_DATA, "not an age file") :
				bad(err, "cut off");
		if (b->len == CB_AGE_HEADER_MAX)
			return bad(err, "too long");
		if (cb_buf_byte(b, c) < 0)
			return cb_err_nomem(err);
		/* a big file of another kind is not read to its end, or for its first line feed */
		if (b->len <= strlen(VERSION) && c != VERSION[b->len - 1])
			return starts((char *)b->data, b->len, "age-encryption.org/") ?
				bad(err, "of a version that is not known here") :
				cb_err_set(err, CB_E_DATA, "not an age file");
		if (c != '\n')
			continue;
		if (starts((char *)b->data + start, b->len - start, "---"))
			return 0;
		start = b->len;
	}
}

static void fill_info(struct cb_age_info *info, const struct header *h, bool armor, size_t n)
{
	*info = (struct cb_age_info){ .armor = armor, .header_bytes = n };
	for (size_t i = 0; i < h->n; i++) {
		const struct stanza *s = &h->stanza[i];
		size_t k = strlen(info->kinds);
		char name[64];

		info->x25519 += s->kind == IS_X25519;
		info->scrypt += s->kind == IS_SCRYPT;
		if (s->kind == IS_SCRYPT)
			info->work = s->work;
		if (s->kind != OTHER)
			continue;
		info->other++;
		snprintf(name, sizeof(name), "%.*s", (int)(s->name_n < 40 ? s->name_n : 40), s->name);
		/* a name that is within another is not said again */
		if (!strstr(info->kinds, name) && k + strlen(name) + 3 < sizeof(info->kinds))
			snprintf(info->kinds + k, sizeof(info->kinds) - k, "%s%s", k ? ", " : "", name);
	}
}

/* --- encrypting -------------------------------------------------------------------------------------- */

struct cb_age_writer {
	struct cb_age_pump *pump;
	struct cb_age_dst dst;
};

static int put_stanza(struct cb_buf *b, struct scratch *s, struct cb_err *err)
{
	char text[CB_BASE64_SIZE(BODY)];
	uint8_t body[BODY];

	crypto_aead_chacha20poly1305_ietf_encrypt(body, NULL, s->file_key, FILE_KEY, NULL, 0, NULL,
						  zero_nonce, s->wrap);
	cb_base64_raw(text, body, sizeof(body));
	return cb_buf_printf(b, "%s\n", text) < 0 ? cb_err_nomem(err) : 0;
}

static int put_x25519(struct cb_buf *b, struct scratch *s, const uint8_t to[static 32], struct cb_err *err)
{
	char text[CB_BASE64_SIZE(32)];
	uint8_t share[32];

	randombytes_buf(s->secret, 32);
	if (crypto_scalarmult_base(share, s->secret) || crypto_scalarmult(s->shared, s->secret, to))
		return cb_err_set(err, CB_E_DATA, "a recipient that nobody can have the secret of");
	wrap_key_x25519(s, share, to);
	cb_base64_raw(text, share, sizeof(share));
	return cb_buf_printf(b, "-> X25519 %s\n", text) < 0 ? cb_err_nomem(err) : put_stanza(b, s, err);
}

static int put_scrypt(struct cb_buf *b, struct scratch *s, const char *subject, const struct cb_pass *pass,
		      struct cb_err *err)
{
	char text[CB_BASE64_SIZE(SALT)];
	uint8_t salt[SALT];
	int n = pass->get(pass->ctx, subject, true, s->pass, err);

	if (n < 0)
		return -1;
	randombytes_buf(salt, sizeof(salt));
	if (wrap_key_scrypt(s, (size_t)n, salt, CB_AGE_WORK, err) < 0)
		return -1;
	cb_base64_raw(text, salt, sizeof(salt));
	return cb_buf_printf(b, "-> scrypt %s %d\n", text, CB_AGE_WORK) < 0 ? cb_err_nomem(err) :
		put_stanza(b, s, err);
}

/* The header and the nonce; s gets the payload's key. */
static int make_header(struct cb_buf *b, struct scratch *s, const struct cb_age_to *to, const char *subject,
		       const struct cb_pass *pass, struct cb_err *err)
{
	char text[CB_BASE64_SIZE(MAC)];
	uint8_t nonce[NONCE];

	randombytes_buf(s->file_key, FILE_KEY);
	if (cb_buf_str(b, VERSION) < 0)
		return cb_err_nomem(err);
	for (size_t i = 0; to && i < to->n; i++)
		if (put_x25519(b, s, to->key[i], err) < 0)
			return -1;
	if (!to || !to->n) {
		if (!pass)
			return cb_err_set(err, CB_E_USAGE, "no recipients, and no passphrase");
		if (put_scrypt(b, s, subject, pass, err) < 0)
			return -1;
	}
	if (cb_buf_str(b, "---") < 0)
		return cb_err_nomem(err);
	header_mac(s->mac, s, b->data, b->len);
	cb_base64_raw(text, s->mac, MAC);
	randombytes_buf(nonce, NONCE);
	if (cb_buf_printf(b, " %s\n", text) < 0 || cb_buf_add(b, nonce, NONCE) < 0)
		return cb_err_nomem(err);
	hkdf(s->payload, s->file_key, FILE_KEY, nonce, NONCE, "payload");
	return 0;
}

static int writer_new(struct cb_age_writer **ret, const struct cb_age_to *to, const char *subject,
		      const struct cb_pass *pass, bool armor, int fd, struct cb_err *err)
{
	struct scratch *s = secret_new(sizeof(*s), err);
	struct cb_age_writer *w = NULL;
	struct cb_buf b = { 0 };
	int r = -1;

	if (!s || make_header(&b, s, to, subject, pass, err) < 0)
		goto out;
	w = calloc(1, sizeof(*w));
	if (!w) {
		cb_err_nomem(err);
		goto out;
	}
	if (cb_age_pump_new(&w->pump, true, s->payload, cb_age_dst_put, &w->dst, err) < 0 ||
	    cb_age_dst_init(&w->dst, fd, armor, err) < 0 || cb_age_dst_put(&w->dst, b.data, b.len, err) < 0)
		goto out;
	*ret = w;
	w = NULL;
	r = 0;
out:
	cb_age_writer_free(w);
	cb_buf_release(&b);
	if (s)
		sodium_free(s);
	return r;
}

int cb_age_writer_new(struct cb_age_writer **ret, const struct cb_age_to *to, const struct cb_pass *pass,
		      bool armor, int fd, struct cb_err *err)
{
	return writer_new(ret, to, "the encrypted file", pass, armor, fd, err);
}

int cb_age_write(struct cb_age_writer *w, const void *p, size_t n, struct cb_err *err)
{
	const uint8_t *from = p;

	while (n) {
		size_t k;
		uint8_t *into = cb_age_pump_space(w->pump, &k);

		if (k > n)
			k = n;
		memcpy(into, from, k);
		from += k;
		n -= k;
		if (cb_age_pump_filled(w->pump, k, err) < 0)
			return -1;
	}
	return 0;
}

int cb_age_writer_finish(struct cb_age_writer *w, struct cb_err *err)
{
	return cb_age_pump_end(w->pump, err) < 0 ? -1 : cb_age_dst_end(&w->dst, err);
}

void cb_age_writer_free(struct cb_age_writer *w)
{
	if (!w)
		return;
	cb_age_pump_free(w->pump);
	sodium_memzero(&w->dst, sizeof(w->dst));
	free(w);
}

/* Everything from src through the pump. */
static int pump_all(struct cb_age_pump *pump, struct cb_age_src *src, struct cb_err *err)
{
	for (;;) {
		size_t room;
		uint8_t *p = cb_age_pump_space(pump, &room);
		ssize_t k;

		if (cb_age_src_waits(src)) {
			if (cb_age_pump_flush(pump, err) < 0)
				return -1;
			p = cb_age_pump_space(pump, &room);
		}
		k = cb_age_src_read(src, p, room, err);
		if (k < 0)
			return -1;
		if (k == 0)
			return cb_age_pump_end(pump, err);
		if (cb_age_pump_filled(pump, (size_t)k, err) < 0)
			return -1;
	}
}

int cb_age_encrypt_fd(const struct cb_age_to *to, const struct cb_pass *pass, bool armor, int in, int out,
		      struct cb_err *err)
{
	struct cb_age_src src = { .fd = in };	/* as it is: what is armored is not looked into */
	struct cb_age_writer *w = NULL;
	int r = -1;

	if (cb_age_writer_new(&w, to, pass, armor, out, err) == 0 && pump_all(w->pump, &src, err) == 0)
		r = cb_age_dst_end(&w->dst, err);
	cb_age_writer_free(w);
	return r;
}

/* --- decrypting -------------------------------------------------------------------------------------- */

static int open_x25519(const struct header *h, struct scratch *s, const struct cb_age_ids *ids, struct cb_err *err)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct stanza *st = &h->stanza[i];

		if (st->kind != IS_X25519)
			continue;
		for (size_t j = 0; j < ids->n; j++) {
			if (crypto_scalarmult(s->shared, ids->id[j].secret, st->arg))
				return bad(err, "an X25519 recipient is a point of small order");
			wrap_key_x25519(s, st->arg, ids->id[j].public);
			if (unwrap(s, st->body))
				return 1;
		}
	}
	return 0;
}

static int open_header(const struct header *h, struct scratch *s, const struct cb_age_ids *ids,
		       const char *subject, const struct cb_pass *pass, struct cb_err *err)
{
	const struct stanza *st = h->stanza;
	struct cb_age_info info;
	int n;

	if (st->kind == IS_SCRYPT) {
		if (!pass)
			return cb_err_set(err, CB_E_PERM, "encrypted with a passphrase");
		n = pass->get(pass->ctx, subject, false, s->pass, err);
		if (n < 0 || wrap_key_scrypt(s, (size_t)n, st->arg, st->work, err) < 0)
			return -1;
		return unwrap(s, st->body) ? 0 : cb_err_set(err, CB_E_PERM, "wrong passphrase");
	}
	if (ids && ids->n && (n = open_x25519(h, s, ids, err)) != 0)
		return n < 0 ? -1 : 0;
	fill_info(&info, h, false, 0);
	if (!ids || !ids->n)
		return cb_err_set(err, CB_E_PERM, "encrypted for %zu recipient%s: an identity is needed", h->n,
				  h->n == 1 ? "" : "s");
	if (info.other)
		return cb_err_set(err, CB_E_PERM, "no identity opens it: encrypted for %u of X25519, and others "
				  "that are not known here: %s", info.x25519, info.kinds);
	return cb_err_set(err, CB_E_PERM, "no identity opens it: encrypted for others");
}

static int decrypt(const struct cb_age_ids *ids, const char *subject, const struct cb_pass *pass,
		   struct cb_age_src *src, int (*put)(void *, const uint8_t *, size_t, struct cb_err *), void *ctx,
		   struct cb_err *err)
{
	struct scratch *s = secret_new(sizeof(*s), err);
	struct cb_age_pump *pump = NULL;
	uint8_t mac[MAC], nonce[NONCE];
	struct cb_buf b = { 0 };
	struct header h = { 0 };
	size_t n = 0;
	ssize_t k;
	int r = -1;

	if (!s || read_header(src, &b, err) < 0 || parse_header(&h, (char *)b.data, b.len, err) < 0)
		goto out;
	/* before anybody is asked for a passphrase */
	while (n < NONCE && (k = cb_age_src_read(src, nonce + n, NONCE - n, err)) != 0) {
		if (k < 0)
			goto out;
		n += (size_t)k;
	}
	if (n < NONCE) {
		bad(err, "cut off");
		goto out;
	}
	if (open_header(&h, s, ids, subject, pass, err) < 0)
		goto out;
	header_mac(mac, s, b.data, h.covered);
	if (sodium_memcmp(mac, h.mac, MAC)) {
		bad(err, "changed after it was made");
		goto out;
	}
	hkdf(s->payload, s->file_key, FILE_KEY, nonce, NONCE, "payload");
	if (cb_age_pump_new(&pump, false, s->payload, put, ctx, err) < 0)
		goto out;
	sodium_memzero(s, sizeof(*s));
	r = pump_all(pump, src, err);
out:
	cb_age_pump_free(pump);
	header_release(&h);
	cb_buf_release(&b);
	if (s)
		sodium_free(s);
	return r;
}

int cb_age_decrypt_fd(const struct cb_age_ids *ids, const struct cb_pass *pass, int in, int out,
		      struct cb_err *err)
{
	struct cb_age_dst dst = { .fd = out };
	struct cb_age_src src;

	return cb_age_src_fd(&src, in, err) < 0 ? -1 :
		decrypt(ids, "the encrypted file", pass, &src, cb_age_dst_put, &dst, err);
}

/* --- small things ----------------------------------------------------------------------------------- */

/* The nonce of a payload's only chunk: number 0, and the last one. */
static const uint8_t only_chunk[12] = { [11] = 1 };

int cb_age_wrap(const struct cb_age_to *to, const void *p, size_t n, struct cb_buf *b, struct cb_err *err)
{
	struct scratch *s = secret_new(sizeof(*s), err);
	size_t before = b->len;
	int r = -1;

	if (!s || n > CB_AGE_SMALL || make_header(b, s, to, NULL, NULL, err) < 0)
		goto out;
	if (cb_buf_reserve(b, n + CB_AGE_TAG) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	crypto_aead_chacha20poly1305_ietf_encrypt(b->data + b->len, NULL, p, n, NULL, 0, NULL, only_chunk, s->payload);
	b->len += n + CB_AGE_TAG;
	r = 0;
out:
	if (r < 0)
		b->len = before;
	if (s)
		sodium_free(s);
	return r;
}

static int unwrap_small(const struct cb_age_ids *ids, struct scratch *s, struct header *h, struct cb_age_src *src,
			uint8_t *text, uint8_t *out, size_t cap, size_t *ret_n, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	uint8_t mac[MAC];
	size_t n = 0;
	ssize_t k;
	int r = -1;

	if (read_header(src, &b, err) < 0 || parse_header(h, (char *)b.data, b.len, err) < 0)
		goto out;
	while ((k = cb_age_src_read(src, text + n, NONCE + CB_AGE_SMALL + CB_AGE_TAG + 1 - n, err)) > 0)
		n += (size_t)k;
	if (k < 0)
		goto out;
	if (n < NONCE + CB_AGE_TAG) {
		bad(err, "cut off");
		goto out;
	}
	if (n - NONCE - CB_AGE_TAG > cap) {
		cb_err_set(err, CB_E_DATA, "too large");
		goto out;
	}
	if (open_header(h, s, ids, NULL, NULL, err) < 0)
		goto out;
	header_mac(mac, s, b.data, h->covered);
	if (sodium_memcmp(mac, h->mac, MAC)) {
		bad(err, "changed after it was made");
		goto out;
	}
	hkdf(s->payload, s->file_key, FILE_KEY, text, NONCE, "payload");
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, text + NONCE, n - NONCE, NULL, 0, only_chunk,
						      s->payload)) {
		cb_err_set(err, CB_E_DATA, "damaged");
		goto out;
	}
	*ret_n = n - NONCE - CB_AGE_TAG;
	r = 0;
out:
	cb_buf_release(&b);
	return r;
}

int cb_age_unwrap(const struct cb_age_ids *ids, const void *p, size_t n, uint8_t *out, size_t cap,
		  size_t *ret_n, struct cb_err *err)
{
	struct scratch *s = secret_new(sizeof(*s), err);
	uint8_t text[NONCE + CB_AGE_SMALL + CB_AGE_TAG + 1];
	struct header h = { 0 };
	struct cb_age_src src;
	int r = -1;

	if (s && cb_age_src_mem(&src, p, n, err) == 0)
		r = unwrap_small(ids, s, &h, &src, text, out, cap < CB_AGE_SMALL ? cap : CB_AGE_SMALL, ret_n, err);
	header_release(&h);
	if (s)
		sodium_free(s);
	return r;
}

/* --- files of identities -------------------------------------------------------------------------------- */

struct keep {		/* sodium_malloc'ed */
	size_t n;
	uint8_t data[CB_AGE_IDENTITIES_BYTES];
};

static int keep_put(void *ctx, const uint8_t *p, size_t n, struct cb_err *err)
{
	struct keep *k = ctx;

	if (n > sizeof(k->data) - k->n)
		return cb_err_set(err, CB_E_DATA, "too large for a file of identities");
	memcpy(k->data + k->n, p, n);
	k->n += n;
	return 0;
}

static bool encrypted(const struct keep *k)
{
	size_t i = 0;

	while (i < k->n && strchr(" \t\r\n", k->data[i]) && k->data[i])
		i++;
	return starts((char *)k->data, k->n, "age-encryption.org/") ||
		starts((char *)k->data + i, k->n - i, "-----BEGIN AGE ");
}

static int ids_file(struct cb_age_ids *ids, const char *path, int fd, struct keep *text, struct keep *plain,
		    const struct cb_pass *pass, struct cb_err *err)
{
	struct cb_age_src src;
	struct stat st;

	for (;;) {
		ssize_t k = read(fd, text->data + text->n, sizeof(text->data) - text->n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
		if (k == 0)
			break;
		text->n += (size_t)k;
		if (text->n == sizeof(text->data))
			return cb_err_set(err, CB_E_DATA, "too large for a file of identities");
	}
	if (!encrypted(text)) {
		if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 077))
			ids->exposed = true;
		return lines((char *)text->data, text->n, add_identity, ids, err);
	}
	if (cb_age_src_mem(&src, text->data, text->n, err) < 0 ||
	    decrypt(NULL, path, pass, &src, keep_put, plain, err) < 0)
		return -1;
	return lines((char *)plain->data, plain->n, add_identity, ids, err);
}

int cb_age_ids_file(struct cb_age_ids *ids, const char *path, const struct cb_pass *pass, struct cb_err *err)
{
	struct keep *text, *plain = NULL;
	int fd, r = -1;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	text = secret_new(sizeof(*text), err);
	if (text && (plain = secret_new(sizeof(*plain), err)))
		r = ids_file(ids, path, fd, text, plain, pass, err);
	if (text)
		sodium_free(text);
	if (plain)
		sodium_free(plain);
	close(fd);
	return r < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int cb_age_ids_generate(const char *path, const struct cb_pass *pass,
			char recipient[static CB_AGE_RECIPIENT_SIZE], struct cb_err *err)
{
	struct scratch *s = secret_new(sizeof(*s), err);
	struct cb_newfile f = CB_NEWFILE_INIT;
	struct cb_age_writer *w = NULL;
	char when[CB_TIME_LEN], key[CB_AGE_RECIPIENT_SIZE];
	uint8_t public[32];
	size_t n;
	int r = -1;

	if (!s || cb_newfile_open(&f, path, 0600, false, err) < 0)
		goto out;
	randombytes_buf(s->secret, 32);
	crypto_scalarmult_base(public, s->secret);
	cb_bech32(key, "age", public, 32, false);
	cb_time_format_us(when, cb_now_wall_ns() / CB_NS_PER_US);
	strcpy(when + 19, "Z");		/* to the second, as age-keygen */
	n = (size_t)snprintf(s->text, sizeof(s->text), "# created: %s\n# public key: %s\n", when, key);
	cb_bech32(s->text + n, SECRET_NAME, s->secret, 32, true);
	n += SECRET_SIZE - 1;
	s->text[n++] = '\n';
	if (pass ? writer_new(&w, NULL, path, pass, true, f.fd, err) < 0 || cb_age_write(w, s->text, n, err) < 0 ||
	    cb_age_writer_finish(w, err) < 0 :
	    cb_write_all(f.fd, s->text, n, err) < 0) {
		cb_err_prefix(err, "%s", path);
		goto out;
	}
	r = cb_newfile_commit(&f, err);
	if (r == 0)
		memcpy(recipient, key, sizeof(key));
out:
	cb_age_writer_free(w);
	cb_newfile_release(&f);
	if (s)
		sodium_free(s);
	return r;
}

/* --- looking at one --------------------------------------------------------------------------------------- */

static int inspect(struct cb_age_src *src, struct cb_age_info *ret, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct header h = { 0 };
	int r = -1;

	if (read_header(src, &b, err) == 0 && parse_header(&h, (char *)b.data, b.len, err) == 0) {
		fill_info(ret, &h, src->armor, b.len);
		r = 0;
	}
	header_release(&h);
	cb_buf_release(&b);
	return r;
}

int cb_age_inspect_fd(int in, struct cb_age_info *ret, struct cb_err *err)
{
	struct cb_age_src src;

	return cb_age_src_fd(&src, in, err) < 0 ? -1 : inspect(&src, ret, err);
}

int cb_age_inspect(const void *p, size_t n, struct cb_age_info *ret, struct cb_err *err)
{
	struct cb_age_src src;

	return cb_age_src_mem(&src, p, n, err) < 0 ? -1 : inspect(&src, ret, err);
}
