/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 secret keys, kept in minisign's secret key files: one container for every use of such
 * a key: signatures of files (minisign), SSHSIG, checkpoints and cosignatures of logs. Format:
 * https://jedisct1.github.io/minisign/, "Secret key format"; cb-key(5) says what a file holds.
 *
 * A file is protected by a passphrase (scrypt, RFC 7914, as minisign calls it: N 2^20, r 8, p 1,
 * 1 GiB and some seconds; less where the machine has less than 2 GiB) or is not, as minisign -W
 * leaves it. Secrets lie in memory of their own, between guard pages, not in core dumps, locked
 * where the system lets us, and are wiped before it is given back. */
#ifndef CB_CRYPTO_MINISIGN_SIGN_H
#define CB_CRYPTO_MINISIGN_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/minisign.h"

struct cb_seckey;

/* Whoever is asked for a passphrase: a terminal, a file, a test. get writes it to buf
 * (CB_PASS_MAX bytes) and returns its length, or -1. subject names what it is for, a path; with
 * make a new one is chosen, which a person types twice. buf is wiped by whoever passed it.
 * lib/cli's pass.h has the one for tools. */
#define CB_PASS_MAX 1024u
struct cb_pass {
	int (*get)(void *ctx, const char *subject, bool make, char *buf, struct cb_err *err);
	void *ctx;
};

int cb_seckey_generate(struct cb_seckey **ret, struct cb_err *err);
/* From a file. pass may be NULL: then a protected key is CB_E_PERM. A wrong passphrase is
 * CB_E_PERM, too; what is no key is CB_E_DATA. Messages begin with the path. */
int cb_seckey_load(struct cb_seckey **ret, const char *path, const struct cb_pass *pass, struct cb_err *err);
/* From the text of a file; subject is for pass. */
int cb_seckey_parse(struct cb_seckey **ret, const char *text, size_t n, const char *subject,
		    const struct cb_pass *pass, struct cb_err *err);
/* What a file says of itself, without a passphrase: is it a secret key, a protected one, and
 * (of one that is not) which? CB_E_DATA. */
struct cb_seckey_info {
	bool is_protected;
	uint8_t id[CB_MINISIGN_ID];	/* zero where it is protected */
	uint64_t memory;		/* bytes that its passphrase takes */
};
int cb_seckey_describe(struct cb_seckey_info *ret, const char *text, size_t n, struct cb_err *err);
/* Create the file, 0600, protected where pass is not NULL. It is new (CB_E_CANTCREAT where
 * something has that name, a dangling link too), whole, and on disk, or not there. */
int cb_seckey_save(const struct cb_seckey *k, const char *path, const struct cb_pass *pass,
		   struct cb_err *err);
/* NULL is fine. */
void cb_seckey_free(struct cb_seckey *k);

/* Did it come from an unprotected file that others than its owner may read? */
bool cb_seckey_exposed(const struct cb_seckey *k);
void cb_seckey_public(const struct cb_seckey *k, uint8_t pk[static CB_ED25519_KEY_LEN]);
void cb_seckey_id(const struct cb_seckey *k, uint8_t id[static CB_MINISIGN_ID]);
/* Both, as a public key to verify with or to write down (cb_minisign_key_text). */
void cb_seckey_minisign(const struct cb_seckey *k, struct cb_minisign_key *ret);

/* Ed25519 (RFC 8032) over the n bytes. Cannot fail. */
void cb_seckey_sign(const struct cb_seckey *k, const void *p, size_t n, uint8_t sig[static CB_ED25519_SIG_LEN]);

/* The text of a signature file, over data with this BLAKE2b-512. trusted: CB_E_USAGE where it
 * cannot stand in one (cb_comment_ok). */
int cb_minisign_sign(const struct cb_seckey *k, const uint8_t hash[static CB_MINISIGN_HASH],
		     const char *trusted, struct cb_buf *out, struct cb_err *err);

#endif
