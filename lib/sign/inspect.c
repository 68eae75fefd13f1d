/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is. */
#include "sign/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "crypto/age.h"
#include "crypto/minisign.h"
#include "crypto/minisign_sign.h"
#include "crypto/sshsig.h"
#include "log/note.h"

/* What a look is for: bytes, and where its two tellings go. */
struct look {
	const char *p;
	size_t n;
	struct cb_jw *w;
	struct cb_buf *text;
};

static bool begins(const struct look *l, const char *with)
{
	return l->n >= strlen(with) && !memcmp(l->p, with, strlen(with));
}

/* Is it so at the start of a line that says something? */
static bool line_begins(const struct look *l, const char *with)
{
	const char *p = l->p, *end = p + l->n;

	while (p < end && (*p == '#' || *p == '\n' || *p == '\r')) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		p = lf ? lf + 1 : end;
	}
	return (size_t)(end - p) >= strlen(with) && !memcmp(p, with, strlen(with));
}

static void kind(struct look *l, const char *word, const char *people)
{
	cb_jw_kstr(l->w, "kind", word);
	cb_buf_printf(l->text, "%s\n", people);
}

static void fact(struct look *l, const char *key, const char *value, const char *people)
{
	cb_jw_kstr(l->w, key, value);
	cb_buf_printf(l->text, "%s: %s\n", people, value);
}

static int minisign_public(struct look *l, struct cb_err *err)
{
	char id[CB_MINISIGN_ID_HEX];
	struct cb_minisign_key k;
	struct cb_buf ssh = { 0 };

	if (cb_minisign_key_parse(&k, l->p, l->n, err) < 0)
		return -1;
	kind(l, "minisign-public-key", "public key of minisign, to verify signatures with");
	cb_jw_kstr(l->w, "algorithm", "Ed25519");
	cb_minisign_id_text(id, k.id);
	fact(l, "key", id, "key id");
	if (cb_ssh_key_text(k.pk, NULL, NULL, &ssh, err) < 0)
		return -1;
	fact(l, "openssh", (char *)ssh.data, "the same key for OpenSSH");
	cb_buf_release(&ssh);
	return 0;
}

static int minisign_secret(struct look *l, const struct cb_seckey_info *k)
{
	char id[CB_MINISIGN_ID_HEX];

	kind(l, "minisign-secret-key", "SECRET key of minisign, to sign with");
	cb_jw_kstr(l->w, "algorithm", "Ed25519");
	cb_jw_kbool(l->w, "protected", k->is_protected);
	if (k->is_protected) {
		cb_buf_printf(l->text, "protected by a passphrase (scrypt, %" PRIu64 " MiB)\n", k->memory >> 20);
		return 0;
	}
	cb_buf_str(l->text, "NOT protected by a passphrase\n");
	cb_minisign_id_text(id, k->id);
	fact(l, "key", id, "key id");
	return 0;
}

static int minisign_signature(struct look *l, struct cb_err *err)
{
	char id[CB_MINISIGN_ID_HEX];
	struct cb_minisign_sig s;

	if (cb_minisign_sig_parse(&s, l->p, l->n, err) < 0)
		return -1;
	kind(l, "minisign-signature", "signature of minisign; nothing of it is verified here");
	cb_jw_kstr(l->w, "algorithm", "Ed25519 over BLAKE2b-512");
	cb_minisign_id_text(id, s.id);
	fact(l, "key", id, "made by the key with this id, as it says");
	cb_jw_key(l->w, "unverified_comment");
	cb_jw_strn(l->w, s.trusted, s.trusted_len);
	cb_buf_printf(l->text, "trusted comment, not verified: %.*s\n", (int)s.trusted_len, s.trusted);
	return 0;
}

static int ssh_signature(struct look *l, struct cb_err *err)
{
	struct cb_sshsig s;
	struct cb_buf key = { 0 };

	if (cb_sshsig_parse(&s, l->p, l->n, err) < 0 || cb_ssh_key_text(s.pk, NULL, NULL, &key, err) < 0)
		return -1;
	kind(l, "ssh-signature", "SSH signature; nothing of it is verified here");
	cb_jw_kstr(l->w, "algorithm", s.sha512 ? "Ed25519 over SHA-512" : "Ed25519 over SHA-256");
	fact(l, "namespace", s.namespace, "made for (namespace)");
	fact(l, "openssh", (char *)key.data, "made by, as it says");
	cb_buf_release(&key);
	return 0;
}

/* Lines of a text; each gets those that say something. CB_E_DATA from each stops. */
static int each_line(const struct look *l, int (*each)(void *ctx, const char *s, size_t n, struct cb_err *err),
		     void *ctx, struct cb_err *err)
{
	const char *p = l->p;
	size_t n = l->n;

	for (unsigned number = 1; n; number++) {
		const char *lf = memchr(p, '\n', n);
		size_t k = lf ? (size_t)(lf - p) : n, len = k && p[k - 1] == '\r' ? k - 1 : k;

		if (len && *p != '#' && each(ctx, p, len, err) < 0)
			return cb_err_prefix(err, "line %u", number);
		p += k + (lf != NULL);
		n -= k + (lf != NULL);
	}
	return 0;
}

static int one_ssh_key(void *ctx, const char *s, size_t n, struct cb_err *err)
{
	struct cb_ssh_key k;

	if (cb_ssh_key_parse(&k, s, n, err) < 0)
		return -1;
	++*(uint64_t *)ctx;
	return 0;
}

static int ssh_keys(struct look *l, struct cb_err *err)
{
	uint64_t keys = 0;

	if (each_line(l, one_ssh_key, &keys, err) < 0)
		return -1;
	kind(l, "openssh-public-keys", "public keys of OpenSSH (.pub or allowed_signers)");
	cb_jw_kstr(l->w, "algorithm", "Ed25519");
	cb_jw_ku64(l->w, "keys", keys);
	cb_buf_printf(l->text, "keys: %" PRIu64 "\n", keys);
	return 0;
}

static int age_file(struct look *l, struct cb_err *err)
{
	struct cb_age_info i;

	if (cb_age_inspect(l->p, l->n, &i, err) < 0)
		return -1;
	kind(l, "age-encrypted", "encrypted file of age; whether it is whole is not known");
	cb_jw_kbool(l->w, "armor", i.armor);
	cb_jw_ku64(l->w, "recipients", i.x25519 + i.other);
	cb_jw_kbool(l->w, "passphrase", i.scrypt > 0);
	if (i.scrypt)
		cb_buf_printf(l->text, "for whoever knows its passphrase (scrypt, %u MiB)\n", (1u << i.work) >> 10);
	else
		cb_buf_printf(l->text, "recipients: %" PRIu32 " of X25519, %" PRIu32 " of other kinds%s%s\n", i.x25519,
			      i.other, i.other ? ": " : "", i.kinds);
	if (i.armor)
		cb_buf_str(l->text, "in ASCII armor\n");
	return 0;
}

static int count_line(void *ctx, const char *s, size_t n, struct cb_err *err)
{
	(void)s, (void)n, (void)err;
	++*(uint64_t *)ctx;
	return 0;
}

static int age_identities(struct look *l, struct cb_err *err)
{
	uint64_t keys = 0;

	if (each_line(l, count_line, &keys, err) < 0)
		return -1;
	kind(l, "age-identity", "SECRET key of age (identity), to decrypt with");
	cb_jw_kbool(l->w, "protected", false);
	cb_jw_ku64(l->w, "keys", keys);
	cb_buf_printf(l->text, "NOT protected by a passphrase\nkeys: %" PRIu64 "\n", keys);
	return 0;
}

static int one_recipient(void *ctx, const char *s, size_t n, struct cb_err *err)
{
	char text[256];
	int r;

	if (n >= sizeof(text))
		return cb_err_set(err, CB_E_DATA, "not a recipient of age");
	memcpy(text, s, n);
	text[n] = '\0';
	r = cb_age_to_add(ctx, text, err);
	if (r < 0 && err)
		err->code = CB_E_DATA;
	return r;
}

static int age_recipients(struct look *l, struct cb_err *err)
{
	struct cb_age_to to = { 0 };
	int r = each_line(l, one_recipient, &to, err);

	if (r == 0) {
		kind(l, "age-recipients", "public keys of age (recipients), to encrypt for");
		cb_jw_ku64(l->w, "recipients", to.n);
		cb_buf_printf(l->text, "recipients: %zu\n", to.n);
	}
	cb_age_to_release(&to);
	return r;
}

static int note(struct look *l, const struct cb_note *n)
{
	struct cb_checkpoint c;
	char number[24];

	if (cb_checkpoint_parse(&c, n->text, n->text_len, NULL) == 0) {
		kind(l, "checkpoint", "checkpoint of a log (signed note); nothing of it is verified here");
		fact(l, "origin", c.origin, "log");
		snprintf(number, sizeof(number), "%" PRIu64, c.size);
		cb_jw_ku64(l->w, "size", c.size);
		cb_buf_printf(l->text, "entries: %s\n", number);
	} else {
		kind(l, "signed-note", "signed note; nothing of it is verified here");
	}
	cb_jw_key(l->w, "signed_by");
	cb_jw_arr(l->w);
	for (size_t i = 0; i < n->n; i++) {
		cb_jw_strn(l->w, n->sig[i].name, n->sig[i].name_len);
		cb_buf_printf(l->text, "signed by, as it says: %.*s (%08" PRIx32 ")\n", (int)n->sig[i].name_len,
			      n->sig[i].name, n->sig[i].id);
	}
	cb_jw_arr_end(l->w);
	return 0;
}

static int look(struct look *l, struct cb_err *err)
{
	struct cb_seckey_info secret;
	struct cb_note n;

	if (begins(l, "untrusted comment:")) {
		if (cb_seckey_describe(&secret, l->p, l->n, NULL) == 0)
			return minisign_secret(l, &secret);
		if (cb_minisign_key_parse(&(struct cb_minisign_key){ 0 }, l->p, l->n, NULL) == 0)
			return minisign_public(l, err);
		return minisign_signature(l, err);
	}
	if (begins(l, "-----BEGIN SSH SIGNATURE"))
		return ssh_signature(l, err);
	if (begins(l, "-----BEGIN OPENSSH PRIVATE KEY"))
		return cb_err_set(err, CB_E_DATA, "a secret key of OpenSSH, which is not read here");
	if (begins(l, "age-encryption.org/") || begins(l, "-----BEGIN AGE "))
		return age_file(l, err);
	if (line_begins(l, "AGE-SECRET-KEY-"))
		return age_identities(l, err);
	if (line_begins(l, "age1"))
		return age_recipients(l, err);
	if (cb_note_parse(&n, l->p, l->n, NULL) == 0)
		return note(l, &n);
	if (l->n <= CB_SSH_KEYS_MAX && (memmem(l->p, l->n, "ssh-", 4) || memmem(l->p, l->n, "ecdsa-", 6)))
		return ssh_keys(l, err);
	return cb_err_set(err, CB_E_DATA, "nothing that is known here");
}

int cb_inspect(uint8_t *p, size_t n, struct cb_jw *w, struct cb_buf *text, struct cb_err *err)
{
	struct look l = { (char *)p, n, w, text };
	int r = look(&l, err);

	explicit_bzero(p, n < CB_AGE_IDENTITIES_BYTES ? n : CB_AGE_IDENTITIES_BYTES);
	return r;
}
