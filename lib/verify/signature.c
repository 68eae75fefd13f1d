/* SPDX-License-Identifier: Apache-2.0 */
/* Who signed a file. */
#include "verify/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "crypto/sshsig.h"

#define BLOCK (256u << 10)

struct hashes {
	unsigned which;
	struct cb_minisign_hash blake2b;
	struct cb_sha512 sha512;
	struct cb_sha256 sha256;
};

static void begin(struct hashes *h, unsigned which)
{
	h->which = which;
	cb_minisign_hash_init(&h->blake2b);
	cb_sha512_init(&h->sha512);
	cb_sha256_init(&h->sha256);
}

static void update(struct hashes *h, const void *p, size_t n)
{
	if (h->which & CB_VERIFY_BLAKE2B)
		cb_minisign_hash_update(&h->blake2b, p, n);
	if (h->which & CB_VERIFY_SHA512)
		cb_sha512_update(&h->sha512, p, n);
	if (h->which & CB_VERIFY_SHA256)
		cb_sha256_update(&h->sha256, p, n);
}

static void end(struct hashes *h, struct cb_verify_digests *ret)
{
	cb_minisign_hash_final(&h->blake2b, ret->blake2b);
	cb_sha512_final(&h->sha512, ret->sha512);
	cb_sha256_final(&h->sha256, ret->sha256);
}

void cb_verify_digests(struct cb_verify_digests *ret, const void *p, size_t n)
{
	struct hashes h;

	begin(&h, CB_VERIFY_BLAKE2B | CB_VERIFY_SHA512 | CB_VERIFY_SHA256);
	update(&h, p, n);
	end(&h, ret);
}

unsigned cb_verify_digests_of(const char *text, size_t n)
{
	struct cb_sshsig ssh;

	if (n >= 10 && memcmp(text, "untrusted ", 10) == 0)
		return CB_VERIFY_BLAKE2B;
	return cb_sshsig_parse(&ssh, text, n, NULL) < 0 ? 0 : ssh.sha512 ? CB_VERIFY_SHA512 : CB_VERIFY_SHA256;
}

int cb_verify_digests_fd(struct cb_verify_digests *ret, unsigned which, int fd, uint64_t *ret_size,
			 struct cb_err *err)
{
	uint8_t *buf = malloc(BLOCK);
	struct hashes h;
	uint64_t size = 0;
	ssize_t k;

	if (!buf)
		return cb_err_nomem(err);
	begin(&h, which);
	while ((k = read(fd, buf, BLOCK)) != 0) {
		if (cb_stop_wanted()) {
			free(buf);
			return cb_err_set(err, CB_E_TEMP, "stopped");
		}
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			free(buf);
			return cb_err_sys(err, CB_E_IO, errno, "read");
		}
		update(&h, buf, (size_t)k);
		size += (uint64_t)k;
	}
	end(&h, ret);
	free(buf);
	*ret_size = size;
	return 0;
}

/* Key i has signed: count it once, whatever files it came in. */
static void signed_by(const struct cb_verify *v, struct cb_verified *r, struct cb_verify_signers *s, size_t i)
{
	const struct cb_trust *t = v->trust;
	const char *name = t->key[i].name;
	size_t len = strlen(r->signers);

	if (s->by[i])
		return;
	s->by[i] = true;
	for (size_t k = 0; k < t->keys; k++)
		if (k != i && s->by[k] && memcmp(t->key[k].pk, t->key[i].pk, sizeof(t->key[i].pk)) == 0)
			return;
	s->n++;
	r->signatures++;
	snprintf(r->signers + len, sizeof(r->signers) - len, "%s%s", len ? ", " : "",
		 strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
}

/* Is it signed by this key? CB_OK, CB_E_NO (it says that it is, and is not), or CB_E_DATA: it
 * does not say so. */
static enum cb_errc minisigned(const struct cb_minisign_sig *m, const struct cb_trust_key *k,
			       const struct cb_verify_digests *d)
{
	struct cb_minisign_key key;

	memcpy(key.pk, k->pk, sizeof(key.pk));
	memcpy(key.id, k->has_id ? k->id : m->id, sizeof(key.id));
	if (memcmp(key.id, m->id, sizeof(key.id)) != 0)
		return CB_E_DATA;
	if (cb_minisign_check(m, &key, d->blake2b, NULL) == 0)
		return CB_OK;
	return k->has_id ? CB_E_NO : CB_E_DATA;
}

static enum cb_errc sshsigned(const struct cb_sshsig *m, const char *nspace, const struct cb_trust_key *k,
			      const struct cb_verify_digests *d)
{
	if (memcmp(m->pk, k->pk, sizeof(m->pk)) != 0)
		return CB_E_DATA;
	if (*k->namespaces) {	/* a key that is believed for other things alone is none here */
		struct cb_ssh_key ssh = { .namespaces = "" };

		memcpy(ssh.namespaces, k->namespaces, sizeof(ssh.namespaces));
		if (!cb_ssh_key_signs(&ssh, nspace))
			return CB_E_DATA;
	}
	return cb_sshsig_check(m, k->pk, nspace, d->sha512, d->sha256, NULL) == 0 ? CB_OK : CB_E_NO;
}

/* A signature by nobody who was named. OpenSSH's has the key in it, so whether it is one can be told;
 * minisign's has a number only, which nothing signs: of a key that is known it was changed. */
static bool altered(const struct cb_trust *t, bool mini, const struct cb_minisign_sig *m, const struct cb_sshsig *ssh,
		    const struct cb_verify_digests *d)
{
	struct cb_trust_key k = { .has_id = false };

	if (!mini) {
		memcpy(k.pk, ssh->pk, sizeof(k.pk));
		return sshsigned(ssh, ssh->namespace, &k, d) != CB_OK;
	}
	for (size_t i = 0; t && i < t->keys; i++) {
		memcpy(k.pk, t->key[i].pk, sizeof(k.pk));
		if (minisigned(m, &k, d) == CB_OK)
			return true;
	}
	return false;
}

int cb_verify_signature(const struct cb_verify *v, struct cb_verified *r, const char *path, const char *text,
			size_t n, const struct cb_verify_digests *d, const struct cb_trust *own,
			struct cb_verify_signers *s, struct cb_err *err)
{
	const char *nspace = v->nspace ? v->nspace : CB_SSHSIG_EVIDENCE;
	bool mini = n >= 10 && memcmp(text, "untrusted ", 10) == 0, known = false, its_own = false;
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_minisign_sig m = { .trusted = NULL };
	struct cb_sshsig ssh = { .sha512 = false };
	char id[CB_MINISIGN_ID_HEX] = "";

	f.path = path;
	f.kind = CB_FOUND_UNCHECKED;
	f.code = "signature-damaged";
	if ((mini ? cb_minisign_sig_parse(&m, text, n, &why) : cb_sshsig_parse(&ssh, text, n, &why)) < 0) {
		s->damaged++;
		return cb_verify_found(v, r, &f, err, "%s", why.msg);
	}
	if (mini)
		cb_minisign_id_text(id, m.id);
	for (size_t i = 0; i < v->trust->keys; i++) {
		const struct cb_trust_key *k = &v->trust->key[i];
		enum cb_errc e = mini ? minisigned(&m, k, d) : sshsigned(&ssh, nspace, k, d);

		if (e == CB_E_DATA)
			continue;
		known = true;
		if (e == CB_OK) {
			signed_by(v, r, s, i);
			continue;
		}
		f.kind = CB_FOUND_FALSE;
		f.code = "signature-false";
		if (!mini && strcmp(ssh.namespace, nspace) != 0)
			return cb_verify_found(v, r, &f, err, "signed by %s for \"%s\", and not for \"%s\"", k->name,
					       ssh.namespace, nspace);
		return cb_verify_found(v, r, &f, err, "its signature by %s is false: it, or what it signs, was changed",
				       k->name);
	}
	if (known)
		return 0;
	s->others++;
	for (size_t i = 0; own && i < own->keys && !its_own; i++)
		its_own = (mini ? minisigned(&m, &own->key[i], d) : sshsigned(&ssh, nspace, &own->key[i], d)) == CB_OK;
	if (altered(v->trust, mini, &m, &ssh, d) || (!its_own && mini && altered(own, mini, &m, &ssh, d))) {
		f.kind = CB_FOUND_FALSE;
		f.code = "signature-false";
		return cb_verify_found(v, r, &f, err, mini ? "the number of its key was changed" :
				       "its signature is false: it, or what it signs, was changed");
	}
	f.kind = CB_FOUND_NOTE;
	f.code = its_own ? "signed-by-own-key" : "signed-by-other-key";
	return its_own ? cb_verify_found(v, r, &f, err, "signed by a key that came with the bundle%s%s: anybody could "
					 "have put it there", mini ? ", " : "", id) :
	       cb_verify_found(v, r, &f, err, "signed by a key that was not given%s%s", mini ? ", " : "", id);
}

int cb_verify_signed(const struct cb_verify *v, struct cb_verified *r, const char *path, bool any,
		     const struct cb_verify_signers *s, struct cb_err *err)
{
	struct cb_finding f = CB_FINDING_NONE;

	f.path = path;
	/* what could not be read was found already, and might have been what is missing */
	if (s->n + s->damaged >= v->trust->need)
		return 0;
	if (!v->trust->keys) {
		f.kind = CB_FOUND_UNCHECKED;
		f.code = "nobody-trusted";
		return cb_verify_found(v, r, &f, err, any ? "no key was given: who signed it was not checked" :
				       "it is not signed, and no key was given");
	}
	f.kind = CB_FOUND_FALSE;
	f.code = "not-signed";
	if (!any)
		return cb_verify_found(v, r, &f, err, "it is not signed");
	return cb_verify_found(v, r, &f, err, v->trust->need > 1 ? "signed by %u of the keys given, and %u are needed" :
			       "signed by none of the keys given", s->n, v->trust->need);
}

/* --- a single file ------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

struct beside {
	char path[4200];
	uint8_t *text;		/* NULL: there is none */
	size_t n;
};

/* The signatures to look at: the one given, or those beside the file. */
static int load(const struct cb_verify *v, const char *path, struct beside b[2], struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;

	if (v->signature) {
		snprintf(b[0].path, sizeof(b[0].path), "%s", v->signature);
		return cb_file_read(v->signature, CB_VERIFY_SIG_MAX, &b[0].text, &b[0].n, err) < 0 ?
		       cb_err_prefix(err, "the signature, %s", v->signature) : 0;
	}
	for (int i = 0; i < 2; i++) {
		if ((size_t)snprintf(b[i].path, sizeof(b[i].path), "%s%s", path, i ? ".sig" : ".minisig") >=
		    sizeof(b[i].path))
			continue;
		why = (struct cb_err)CB_ERR_INIT;
		if (cb_file_read(b[i].path, CB_VERIFY_SIG_MAX, &b[i].text, &b[i].n, &why) < 0 &&
		    why.code != CB_E_NOINPUT) {
			if (err)
				*err = why;
			return cb_err_prefix(err, "%s", b[i].path);
		}
	}
	return b[0].text || b[1].text ? 0 :
	       cb_err_set(err, CB_E_NOINPUT, "no signature beside it, neither .minisig nor .sig");
}

int cb_verify_file(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err)
{
	struct cb_verify_signers s = { .n = 0 };
	struct beside b[2] = { { .text = NULL }, { .text = NULL } };
	struct cb_verify_digests d = { .sha256 = { 0 } };
	unsigned which = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), k = -1;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "open");
	if (load(v, path, b, err) < 0) {
		if (cb_verify_encrypted(fd))
			cb_err_set(err, CB_E_DATA, "it is encrypted with age: decrypt it first (cb-sign decrypt)");
		goto out;
	}
	for (int i = 0; i < 2; i++)
		which |= b[i].text ? cb_verify_digests_of((char *)b[i].text, b[i].n) : 0;
	if (which && cb_verify_digests_fd(&d, which, fd, &ret->bytes, err) < 0)
		goto out;
	ret->files = 1;
	for (int i = 0; i < 2; i++)
		if (b[i].text && cb_verify_signature(v, ret, base_name(b[i].path), (char *)b[i].text, b[i].n, &d, NULL,
						     &s, err) < 0)
			goto out;
	k = cb_verify_signed(v, ret, base_name(path), true, &s, err);
out:
	free(b[0].text);
	free(b[1].text);
	close(fd);
	return k;
}
