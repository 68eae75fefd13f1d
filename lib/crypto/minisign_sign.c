/* SPDX-License-Identifier: Apache-2.0 */
/* Secret keys in minisign's files, and what is signed with them. */
#include "crypto/minisign_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/io.h"
#include "base/newfile.h"
#include "base/num.h"
#include "crypto/base64.h"

/* On disk: alg[2] kdf[2] chk[2] salt[32] ops[8] mem[8], then, under the key stream, id[8] sk[64] sum[32]. */
#define KDF 2
#define CHK 4
#define SALT 6
#define OPS 38
#define MEM 46
#define HIDDEN 54
#define SK 62
#define SUM 126
#define ALL 158
#define HIDDEN_LEN (ALL - HIDDEN)

#define OPS_MAX crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE
#define MEM_MAX crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_SENSITIVE
#define MEM_MIN crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_MIN

/* Lies in sodium_malloc's memory, and so does everything that a secret passes through. */
struct cb_seckey {
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
	uint8_t id[CB_MINISIGN_ID];
	bool exposed;
};

struct scratch {
	char text[CB_MINISIGN_KEY_MAX + 1];
	char pass[CB_PASS_MAX];
	uint8_t raw[ALL], stream[HIDDEN_LEN];
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

static void checksum(uint8_t out[static 32], const uint8_t raw[static ALL])
{
	crypto_generichash_state h;

	crypto_generichash_init(&h, NULL, 0, 32);
	crypto_generichash_update(&h, raw, KDF);
	crypto_generichash_update(&h, raw + HIDDEN, SUM - HIDDEN);
	crypto_generichash_final(&h, out, 32);
	sodium_memzero(&h, sizeof(h));
}

int cb_seckey_generate(struct cb_seckey **ret, struct cb_err *err)
{
	struct cb_seckey *k = secret_new(sizeof(*k), err);
	uint8_t pk[CB_ED25519_KEY_LEN];

	if (!k)
		return -1;
	crypto_sign_keypair(pk, k->sk);
	randombytes_buf(k->id, sizeof(k->id));
	*ret = k;
	return 0;
}

/* The bytes of the one line of base64 after the comment. */
static bool decode(uint8_t raw[static ALL], const char *text, size_t n)
{
	static const char prefix[] = "untrusted comment: ";
	const char *lf = memchr(text, '\n', n), *b64;

	if (n < strlen(prefix) || memcmp(text, prefix, strlen(prefix)) || !lf ||
	    (size_t)(lf - text) > strlen(prefix) + CB_MINISIGN_UNTRUSTED_MAX)
		return false;
	b64 = lf + 1;
	n -= (size_t)(b64 - text);
	if (n && b64[n - 1] == '\n')
		n--;
	if (n && b64[n - 1] == '\r')
		n--;
	return cb_base64_decode_exact(raw, ALL, b64, n);
}

static int derive(struct scratch *s, const char *subject, bool make, uint64_t ops, uint64_t mem,
		  const struct cb_pass *pass, struct cb_err *err)
{
	int n = pass->get(pass->ctx, subject, make, s->pass, err);

	if (n < 0)
		return -1;
	/* false only for want of memory; newer limits cannot reach it */
	if (crypto_pwhash_scryptsalsa208sha256(s->stream, sizeof(s->stream), s->pass, (size_t)n,
					       s->raw + SALT, ops, mem))
		return cb_err_set(err, CB_E_OS, "no memory (%llu MiB) to derive its key",
				  (unsigned long long)(mem >> 20));
	for (size_t i = 0; i < HIDDEN_LEN; i++)
		s->raw[HIDDEN + i] ^= s->stream[i];
	return 0;
}

static int unprotect(struct scratch *s, const char *subject, const struct cb_pass *pass, struct cb_err *err)
{
	uint64_t ops = cb_le64(s->raw + OPS), mem = cb_le64(s->raw + MEM);

	/* a file must not make us work for hours */
	if (ops > OPS_MAX || mem > MEM_MAX)
		return cb_err_set(err, CB_E_DATA, "its passphrase takes more work than minisign's limit");
	if (!pass)
		return cb_err_set(err, CB_E_PERM, "is protected by a passphrase");
	return derive(s, subject, false, ops, mem, pass, err);
}

static int parse(struct cb_seckey **ret, struct scratch *s, size_t n, const char *subject,
		 const struct cb_pass *pass, struct cb_err *err)
{
	static const uint8_t none[32];
	uint8_t sum[32], pk[CB_ED25519_KEY_LEN], seed[crypto_sign_SEEDBYTES];
	struct cb_seckey *k;
	bool open;

	if (!decode(s->raw, s->text, n) || memcmp(s->raw, "Ed", 2) || memcmp(s->raw + CHK, "B2", 2))
		return cb_err_set(err, CB_E_DATA, "not a secret key of minisign");
	open = !memcmp(s->raw + KDF, none, 2);
	if (!open && memcmp(s->raw + KDF, "Sc", 2))
		return cb_err_set(err, CB_E_DATA, "not a secret key of minisign");
	if (!open && unprotect(s, subject, pass, err) < 0)
		return -1;
	checksum(sum, s->raw);
	/* minisign leaves the sum out where there is no passphrase */
	if (sodium_memcmp(sum, s->raw + SUM, sizeof(sum)) &&
	    !(open && !sodium_memcmp(none, s->raw + SUM, sizeof(none))))
		return open ? cb_err_set(err, CB_E_DATA, "a damaged secret key") :
			cb_err_set(err, CB_E_PERM, "wrong passphrase");
	k = secret_new(sizeof(*k), err);
	if (!k)
		return -1;
	memcpy(k->id, s->raw + HIDDEN, sizeof(k->id));
	/* signing with a public half that is not the secret's own would give the secret away */
	crypto_sign_ed25519_sk_to_seed(seed, s->raw + SK);
	crypto_sign_seed_keypair(pk, k->sk, seed);
	sodium_memzero(seed, sizeof(seed));
	if (sodium_memcmp(k->sk, s->raw + SK, sizeof(k->sk))) {
		cb_seckey_free(k);
		return cb_err_set(err, CB_E_DATA, "a damaged secret key");
	}
	k->exposed = open;
	*ret = k;
	return 0;
}

int cb_seckey_parse(struct cb_seckey **ret, const char *text, size_t n, const char *subject,
		    const struct cb_pass *pass, struct cb_err *err)
{
	struct scratch *s;
	int r;

	if (n > CB_MINISIGN_KEY_MAX)
		return cb_err_set(err, CB_E_DATA, "not a secret key of minisign");
	s = secret_new(sizeof(*s), err);
	if (!s)
		return -1;
	memcpy(s->text, text, n);
	r = parse(ret, s, n, subject, pass, err);
	sodium_free(s);
	return r;
}

/* The whole file, straight into memory of ours: a buffer that grows would leave copies behind. */
static int slurp(struct scratch *s, int fd, size_t *ret_n, struct cb_err *err)
{
	size_t n = 0;
	ssize_t k;

	for (;;) {
		k = read(fd, s->text + n, sizeof(s->text) - n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
		if (k == 0)
			break;
		n += (size_t)k;
		if (n > CB_MINISIGN_KEY_MAX)
			return cb_err_set(err, CB_E_DATA, "not a secret key of minisign");
	}
	*ret_n = n;
	return 0;
}

int cb_seckey_load(struct cb_seckey **ret, const char *path, const struct cb_pass *pass, struct cb_err *err)
{
	struct scratch *s = NULL;
	struct stat st;
	size_t n;
	int fd, r = -1;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	s = secret_new(sizeof(*s), err);
	if (s && !slurp(s, fd, &n, err))
		r = parse(ret, s, n, path, pass, err);
	if (r == 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 077)))
		(*ret)->exposed = false;
	if (s)
		sodium_free(s);
	close(fd);
	return r < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int cb_seckey_describe(struct cb_seckey_info *ret, const char *text, size_t n, struct cb_err *err)
{
	uint8_t raw[ALL];
	bool plain;
	int r = -1;

	if (n <= CB_MINISIGN_KEY_MAX && decode(raw, text, n) && !memcmp(raw, "Ed", 2) && !memcmp(raw + CHK, "B2", 2)) {
		plain = !memcmp(raw + KDF, "\0\0", 2);
		if (plain || !memcmp(raw + KDF, "Sc", 2)) {
			*ret = (struct cb_seckey_info){ .is_protected = !plain, .memory = plain ? 0 : cb_le64(raw + MEM) };
			if (plain)
				memcpy(ret->id, raw + HIDDEN, sizeof(ret->id));
			r = 0;
		}
	}
	sodium_memzero(raw, sizeof(raw));
	return r < 0 ? cb_err_set(err, CB_E_DATA, "not a secret key of minisign") : 0;
}

/* What minisign would take, halved until half of this machine's memory holds it. */
static void limits(uint64_t *ret_ops, uint64_t *ret_mem)
{
	uint64_t have = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	*ret_ops = OPS_MAX;
	*ret_mem = MEM_MAX;
	for (; *ret_mem > have / 2 && *ret_mem > MEM_MIN; *ret_ops /= 2)
		*ret_mem /= 2;
}

static int protect(struct scratch *s, const char *path, const struct cb_pass *pass, struct cb_err *err)
{
	uint64_t ops, mem;

	limits(&ops, &mem);
	memcpy(s->raw + KDF, "Sc", 2);
	randombytes_buf(s->raw + SALT, OPS - SALT);
	cb_put_le64(s->raw + OPS, ops);
	cb_put_le64(s->raw + MEM, mem);
	checksum(s->raw + SUM, s->raw);
	return derive(s, path, true, ops, mem, pass, err);
}

int cb_seckey_save(const struct cb_seckey *k, const char *path, const struct cb_pass *pass,
		   struct cb_err *err)
{
	struct cb_newfile f = CB_NEWFILE_INIT;
	struct scratch *s = secret_new(sizeof(*s), err);
	size_t n;
	int ret = -1;

	if (!s)
		return -1;
	/* the name is tried before anybody types a passphrase */
	if (cb_newfile_open(&f, path, 0600, false, err) < 0)
		goto out;
	memcpy(s->raw, "Ed", 2);
	memcpy(s->raw + CHK, "B2", 2);
	memcpy(s->raw + HIDDEN, k->id, sizeof(k->id));
	memcpy(s->raw + SK, k->sk, sizeof(k->sk));
	if (pass && protect(s, path, pass, err) < 0)
		goto out;
	n = (size_t)snprintf(s->text, sizeof(s->text), "untrusted comment: minisign %ssecret key\n",
			     pass ? "encrypted " : "");
	n += cb_base64(s->text + n, s->raw, ALL);
	s->text[n++] = '\n';
	if (cb_write_all(f.fd, s->text, n, err) < 0) {
		cb_err_prefix(err, "%s", path);
		goto out;
	}
	ret = cb_newfile_commit(&f, err);
out:
	cb_newfile_release(&f);
	sodium_free(s);
	return ret;
}

void cb_seckey_free(struct cb_seckey *k)
{
	if (k)
		sodium_free(k);
}

bool cb_seckey_exposed(const struct cb_seckey *k)
{
	return k->exposed;
}

void cb_seckey_public(const struct cb_seckey *k, uint8_t pk[static CB_ED25519_KEY_LEN])
{
	crypto_sign_ed25519_sk_to_pk(pk, k->sk);
}

void cb_seckey_id(const struct cb_seckey *k, uint8_t id[static CB_MINISIGN_ID])
{
	memcpy(id, k->id, CB_MINISIGN_ID);
}

void cb_seckey_minisign(const struct cb_seckey *k, struct cb_minisign_key *ret)
{
	cb_seckey_id(k, ret->id);
	cb_seckey_public(k, ret->pk);
}

void cb_seckey_sign(const struct cb_seckey *k, const void *p, size_t n, uint8_t sig[static CB_ED25519_SIG_LEN])
{
	crypto_sign_detached(sig, NULL, p, n, k->sk);
}

int cb_minisign_sign(const struct cb_seckey *k, const uint8_t hash[static CB_MINISIGN_HASH],
		     const char *trusted, struct cb_buf *out, struct cb_err *err)
{
	char b64[CB_BASE64_SIZE(10 + CB_ED25519_SIG_LEN)];
	char global64[CB_BASE64_SIZE(CB_ED25519_SIG_LEN)];
	uint8_t raw[10 + CB_ED25519_SIG_LEN] = "ED", global[CB_ED25519_SIG_LEN];
	uint8_t covered[CB_ED25519_SIG_LEN + CB_MINISIGN_TRUSTED_MAX];
	size_t n = strlen(trusted);

	if (!cb_comment_ok(trusted, n, CB_MINISIGN_TRUSTED_MAX, true))
		return cb_err_set(err, CB_E_USAGE, "a trusted comment is a line of printable UTF-8");
	memcpy(raw + 2, k->id, sizeof(k->id));
	cb_seckey_sign(k, hash, CB_MINISIGN_HASH, raw + 10);
	memcpy(covered, raw + 10, CB_ED25519_SIG_LEN);
	memcpy(covered + CB_ED25519_SIG_LEN, trusted, n);
	cb_seckey_sign(k, covered, CB_ED25519_SIG_LEN + n, global);
	cb_base64(b64, raw, sizeof(raw));
	cb_base64(global64, global, sizeof(global));
	if (cb_buf_printf(out, "untrusted comment: signature from minisign secret key\n%s\n"
			  "trusted comment: %s\n%s\n", b64, trusted, global64) < 0)
		return cb_err_nomem(err);
	return 0;
}
