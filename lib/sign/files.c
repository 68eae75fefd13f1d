/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of files, made and verified. */
#include "sign/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/newfile.h"
#include "base/time.h"
#include "crypto/sshsig_sign.h"

/* --- digests ----------------------------------------------------------------------------------- */

int cb_digests_fd(struct cb_digests *ret, int fd, unsigned want, struct cb_err *err)
{
	struct cb_minisign_hash m;
	struct cb_sha512 l;
	struct cb_sha256 s;
	uint8_t buf[131072];
	uint64_t size = 0;
	ssize_t n;

	cb_minisign_hash_init(&m);
	cb_sha512_init(&l);
	cb_sha256_init(&s);
	for (;;) {
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
		if (n == 0)
			break;
		size += (uint64_t)n;
		if (want & CB_DIGEST_MINISIGN)
			cb_minisign_hash_update(&m, buf, (size_t)n);
		if (want & CB_DIGEST_SHA512)
			cb_sha512_update(&l, buf, (size_t)n);
		if (want & CB_DIGEST_SHA256)
			cb_sha256_update(&s, buf, (size_t)n);
	}
	cb_minisign_hash_final(&m, ret->minisign);
	cb_sha512_final(&l, ret->sha512);
	cb_sha256_final(&s, ret->sha256);
	ret->have = want;
	ret->size = size;
	return 0;
}

int cb_digests_file(struct cb_digests *ret, const char *path, unsigned want, struct cb_err *err)
{
	bool in = !strcmp(path, "-");
	int r, fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r = cb_digests_fd(ret, fd, want, err);
	if (!in)
		close(fd);
	return r < 0 ? cb_err_prefix(err, "%s", in ? "stdin" : path) : 0;
}

char *cb_signature_name(const char *path, bool ssh, unsigned n)
{
	const char *end = ssh ? "sig" : "minisig";
	char *name;

	if ((n == 1 ? asprintf(&name, "%s.%s", path, end) : asprintf(&name, "%s.%u.%s", path, n, end)) < 0)
		return NULL;
	return name;
}

/* --- signing ------------------------------------------------------------------------------------- */

int cb_sign_text(const struct cb_signing *s, const struct cb_seckey *k, const struct cb_digests *d,
		 const char *name, struct cb_buf *out, struct cb_err *err)
{
	char comment[CB_MINISIGN_TRUSTED_MAX + 1];
	const char *slash = strrchr(name, '/');
	int n;

	if (s->ssh)
		return cb_sshsig_sign(k, s->namespace, d->sha512, out, err);
	if (s->comment) {
		if (!cb_comment_ok(s->comment, strlen(s->comment), CB_MINISIGN_TRUSTED_MAX, false))
			return cb_err_set(err, CB_E_USAGE, "the comment is not a line of printable UTF-8");
		return cb_minisign_sign(k, d->minisign, s->comment, out, err);
	}
	/* minisign's own: what it prints of them is known to many */
	n = snprintf(comment, sizeof(comment), "timestamp:%" PRId64 "\tfile:%s\thashed",
		     cb_now_wall_ns() / CB_NS_PER_S, slash ? slash + 1 : name);
	if (n < 0 || (size_t)n >= sizeof(comment) ||
	    strchr(slash ? slash + 1 : name, '\t') || !cb_comment_ok(comment, (size_t)n, sizeof(comment) - 1, true))
		return cb_err_set(err, CB_E_USAGE, "its name cannot stand in a signature: --comment says something else");
	return cb_minisign_sign(k, d->minisign, comment, out, err);
}

/* Write it under the first name that fits. */
static int put(const struct cb_signing *s, const char *path, unsigned *n, const struct cb_buf *text, struct cb_err *err)
{
	char *name = NULL;

	if (s->output && !strcmp(s->output, "-"))
		return cb_write_all(STDOUT_FILENO, text->data, text->len, err) < 0 ? cb_err_prefix(err, "stdout") : 0;
	for (;; ++*n) {
		struct cb_err why = CB_ERR_INIT;

		free(name);
		name = s->output ? strdup(s->output) : cb_signature_name(path, s->ssh, *n);
		if (!name)
			return cb_err_nomem(err);
		if (cb_newfile_write(name, 0666, s->force, text->data, text->len, &why) == 0)
			break;
		if (!s->add || s->output || why.sys != EEXIST || *n >= CB_SIGNATURES_MAX) {
			if (err)
				*err = why;
			free(name);
			return -1;
		}
	}
	++*n;
	free(name);
	return 0;
}

/* Is there room for it? Asked before its making is written down anywhere. */
static int room(const struct cb_signing *s, const char *path, struct cb_err *err)
{
	char *name;
	int r = 0;

	if (s->force || s->add || (s->output && !strcmp(s->output, "-")))
		return 0;
	name = s->output ? strdup(s->output) : cb_signature_name(path, s->ssh, 1);
	if (!name)
		return cb_err_nomem(err);
	if (!access(name, F_OK))
		r = cb_err_sys(err, CB_E_CANTCREAT, EEXIST, "%s", name);
	free(name);
	return r;
}

int cb_sign_file(const struct cb_signing *s, struct cb_seckey *const *keys, size_t n, const char *path,
		 struct cb_err *err)
{
	bool in = !strcmp(path, "-");
	struct cb_buf text = { 0 };
	unsigned number = 1;
	struct cb_digests d;
	int r = -1;

	if (in && !s->output)
		return cb_err_set(err, CB_E_USAGE, "stdin: a name for its signature is needed: --output");
	if (room(s, path, err) < 0 || cb_digests_file(&d, path, s->ssh ? CB_DIGEST_SHA512 : CB_DIGEST_MINISIGN, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		text.len = 0;
		if (cb_sign_text(s, keys[i], &d, in ? "stdin" : path, &text, err) < 0) {
			cb_err_prefix(err, "%s", path);
			goto out;
		}
		if ((s->use && s->use(s->ctx, keys[i], &d, err) < 0) || put(s, path, &number, &text, err) < 0)
			goto out;
	}
	r = 0;
out:
	cb_buf_release(&text);
	return r;
}

/* --- whom to believe -------------------------------------------------------------------------------- */

static int signer_add(struct cb_signers *s, const struct cb_signer *k, struct cb_err *err)
{
	void *p;

	if (s->n == CB_SIGNERS_MAX)
		return cb_err_set(err, CB_E_DATA, "more than %u keys", CB_SIGNERS_MAX);
	p = realloc(s->signer, (s->n + 1) * sizeof(*s->signer));
	if (!p)
		return cb_err_nomem(err);
	s->signer = p;
	s->signer[s->n++] = *k;
	return 0;
}

static int load_ssh(struct cb_signers *s, const char *path, const char *text, size_t n, struct cb_err *err)
{
	unsigned number = 0, found = 0;

	while (n) {
		const char *lf = memchr(text, '\n', n);
		size_t k = lf ? (size_t)(lf - text) : n;
		struct cb_signer key = { .ssh_only = true, .from = path };
		int r = cb_ssh_key_parse(&key.ssh, text, k, err);

		number++;
		if (r > 0) {
			memcpy(key.pk, key.ssh.pk, sizeof(key.pk));
			found++;
			r = signer_add(s, &key, err);
		}
		if (r < 0)
			return cb_err_prefix(err, "line %u", number);
		text += k + (lf != NULL);
		n -= k + (lf != NULL);
	}
	return found ? 0 : cb_err_set(err, CB_E_DATA, "no public keys in it");
}

int cb_signers_load(struct cb_signers *s, const char *path, struct cb_err *err)
{
	static const char mark[] = "untrusted comment:";
	struct cb_signer key = { .has_id = true, .from = path };
	struct cb_minisign_key m;
	uint8_t *text;
	size_t n;
	int r;

	if (cb_file_read(path, CB_SSH_KEYS_MAX, &text, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	if (n >= strlen(mark) && !memcmp(text, mark, strlen(mark))) {
		r = cb_minisign_key_parse(&m, (char *)text, n, err);
		if (r == 0) {
			memcpy(key.pk, m.pk, sizeof(key.pk));
			memcpy(key.id, m.id, sizeof(key.id));
			r = signer_add(s, &key, err);
		}
	} else {
		r = load_ssh(s, path, (char *)text, n, err);
	}
	free(text);
	return r < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

void cb_signers_release(struct cb_signers *s)
{
	free(s->signer);
	*s = (struct cb_signers){ 0 };
}

/* --- verifying ---------------------------------------------------------------------------------------- */

struct sig_file {
	char *name;
	char *text;			/* NULL: it could not be read */
	bool ssh, parsed;
	struct cb_err why;		/* where it could not be read or understood */
	struct cb_minisign_sig m;
	struct cb_sshsig s;
};

static void sig_read(struct sig_file *f)
{
	static const char mark[] = "-----BEGIN SSH";
	uint8_t *text;
	size_t n;

	if (cb_file_read(f->name, CB_MINISIGN_SIG_MAX, &text, &n, &f->why) < 0)
		return;
	f->text = (char *)text;
	f->ssh = n >= strlen(mark) && !memcmp(text, mark, strlen(mark));
	f->parsed = (f->ssh ? cb_sshsig_parse(&f->s, f->text, n, &f->why) :
		     cb_minisign_sig_parse(&f->m, f->text, n, &f->why)) == 0;
}

static int sig_add(struct sig_file *f, size_t *n, char *name, struct cb_err *err)
{
	if (!name)
		return cb_err_nomem(err);
	f[*n] = (struct sig_file){ .name = name };
	sig_read(&f[(*n)++]);
	return 0;
}

/* All that have a name that the n-th signature has, up to the first that is missing. */
static int find(const char *path, struct sig_file *f, size_t *n, struct cb_err *err)
{
	for (int ssh = 0; ssh < 2; ssh++)
		for (unsigned i = 1; i <= CB_SIGNATURES_MAX / 2; i++) {
			char *name = cb_signature_name(path, ssh, i);

			if (name && access(name, F_OK) < 0) {
				free(name);
				break;
			}
			if (sig_add(f, n, name, err) < 0)
				return -1;
		}
	if (!*n)
		return cb_err_set(err, CB_E_NOINPUT, "no signature: neither %s.minisig nor %s.sig is there", path, path);
	return 0;
}

static void check_minisign(const struct cb_verifying *v, const struct sig_file *f, const struct cb_digests *d,
			   struct cb_signature *s, struct cb_err *why)
{
	cb_minisign_id_text(s->key, f->m.id);
	for (size_t i = 0; i < v->signers->n; i++) {
		const struct cb_signer *k = &v->signers->signer[i];
		struct cb_minisign_key key;

		if (!k->has_id || memcmp(k->id, f->m.id, sizeof(k->id)))
			continue;
		memcpy(key.id, k->id, sizeof(key.id));
		memcpy(key.pk, k->pk, sizeof(key.pk));
		s->signer = k;
		if (cb_minisign_check(&f->m, &key, d->minisign, why) == 0) {
			s->verdict = CB_SIG_TRUE;
			s->comment = f->m.trusted;
			s->comment_len = f->m.trusted_len;
			return;
		}
		s->verdict = CB_SIG_FALSE;
	}
}

static void check_ssh(const struct cb_verifying *v, const struct sig_file *f, const struct cb_digests *d,
		      struct cb_signature *s, struct cb_err *why)
{
	for (size_t i = 0; i < v->signers->n; i++) {
		const struct cb_signer *k = &v->signers->signer[i];

		if (memcmp(k->pk, f->s.pk, sizeof(k->pk)))
			continue;
		s->signer = k;
		if (k->ssh_only && !cb_ssh_key_signs(&k->ssh, v->namespace)) {
			s->verdict = CB_SIG_FALSE;
			cb_err_set(why, CB_E_NO, "its signer may not sign for %s", v->namespace);
		} else if (cb_sshsig_check(&f->s, k->pk, v->namespace, d->sha512, d->sha256, why) == 0) {
			s->verdict = CB_SIG_TRUE;
			return;
		} else {
			s->verdict = CB_SIG_FALSE;
		}
	}
}

struct count {
	unsigned true_, false_, strangers, unchecked;
	struct cb_err first_false, first_unchecked;
	char false_name[256], unchecked_name[256];
	const uint8_t *pk[CB_SIGNATURES_MAX];
};

static void count(struct count *c, const struct cb_signature *s, const struct cb_err *why)
{
	unsigned i = 0;

	if (s->verdict == CB_SIG_FALSE && !c->false_++) {
		c->first_false = *why;
		snprintf(c->false_name, sizeof(c->false_name), "%s", s->signature);
	} else if (s->verdict == CB_SIG_UNCHECKED && !c->unchecked++) {
		c->first_unchecked = *why;
		snprintf(c->unchecked_name, sizeof(c->unchecked_name), "%s", s->signature);
	} else if (s->verdict == CB_SIG_STRANGER) {
		c->strangers++;
	} else if (s->verdict == CB_SIG_TRUE) {
		/* one key is one signer, whatever it signed and wherever it was written down */
		while (i < c->true_ && memcmp(c->pk[i], s->signer->pk, CB_ED25519_KEY_LEN))
			i++;
		if (i == c->true_)
			c->pk[c->true_++] = s->signer->pk;
	}
}

static int judge(const struct count *c, const struct cb_verifying *v, const char *path, struct cb_err *err)
{
	if (c->false_)
		return cb_err_set(err, CB_E_NO, "%s: %s: %s", path, c->false_name, c->first_false.msg);
	if (c->true_ >= v->threshold)
		return 0;
	if (c->unchecked)
		return cb_err_set(err, c->first_unchecked.code, "%s: %s", c->unchecked_name, c->first_unchecked.msg);
	if (v->threshold == 1)
		return cb_err_set(err, CB_E_NO, "%s: signed with another key", path);
	return cb_err_set(err, CB_E_NO, "%s: signed by %u of the %u that are needed", path, c->true_, v->threshold);
}

int cb_verify_file(const struct cb_verifying *v, const char *path, unsigned *ret_signers, struct cb_err *err)
{
	struct sig_file *f = calloc(CB_SIGNATURES_MAX, sizeof(*f));
	struct count c = { 0 };
	struct cb_digests d = { 0 };
	unsigned want = 0;
	size_t n = 0;
	int r = -1;

	if (!f)
		return cb_err_nomem(err);
	if (v->n > CB_SIGNATURES_MAX) {
		cb_err_set(err, CB_E_USAGE, "more than %u signatures", CB_SIGNATURES_MAX);
		goto out;
	}
	for (size_t i = 0; i < v->n; i++)
		if (sig_add(f, &n, strdup(v->signature[i]), err) < 0)
			goto out;
	if (!v->n && find(path, f, &n, err) < 0)
		goto out;
	for (size_t i = 0; i < n; i++)
		if (f[i].parsed)
			want |= !f[i].ssh ? CB_DIGEST_MINISIGN : f[i].s.sha512 ? CB_DIGEST_SHA512 : CB_DIGEST_SHA256;
	if (cb_digests_file(&d, path, want, err) < 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		struct cb_signature s = { .path = path, .signature = f[i].name, .ssh = f[i].ssh,
					  .verdict = f[i].parsed ? CB_SIG_STRANGER : CB_SIG_UNCHECKED };
		struct cb_err why = f[i].why;

		if (f[i].parsed)
			(f[i].ssh ? check_ssh : check_minisign)(v, &f[i], &d, &s, &why);
		s.text = s.verdict == CB_SIG_STRANGER ? "signed with another key" : s.verdict == CB_SIG_TRUE ? "" : why.msg;
		count(&c, &s, &why);
		if (v->each && v->each(v->ctx, &s, err) < 0)
			goto out;
	}
	*ret_signers = c.true_;
	r = judge(&c, v, path, err);
out:
	for (size_t i = 0; i < n; i++) {
		free(f[i].name);
		free(f[i].text);
	}
	free(f);
	return r;
}
