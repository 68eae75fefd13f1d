/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures as ssh-keygen -Y makes them (OpenSSH's PROTOCOL.sshsig), read and verified: those by
 * Ed25519 keys, over SHA-512 or SHA-256 of the data. Those of other keys are told from false ones.
 * A signature belongs to a namespace, which says what it is for; ours is "cb-evidence".
 *
 * Nothing here knows a secret: those are crypto/sshsig_sign.h's. */
#ifndef CB_CRYPTO_SSHSIG_H
#define CB_CRYPTO_SSHSIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"

#define CB_SSHSIG_MAX 16384u		/* bytes of a signature file */
#define CB_SSHSIG_NAMESPACE_MAX 127u
#define CB_SSH_KEYS_MAX (1u << 16)	/* bytes of a file of public keys */
#define CB_SSHSIG_EVIDENCE "cb-evidence"

struct cb_sshsig {
	uint8_t pk[CB_ED25519_KEY_LEN], sig[CB_ED25519_SIG_LEN];
	char namespace[CB_SSHSIG_NAMESPACE_MAX + 1];	/* printable */
	bool sha512;					/* else SHA-256 */
};

/* CB_E_DATA: no SSH signature, or "made with a key of kind ssh-rsa, which is not checked here". */
int cb_sshsig_parse(struct cb_sshsig *ret, const char *text, size_t n, struct cb_err *err);
/* Is it a signature, in this namespace and by this key, of data with these digests? 0: yes.
 * CB_E_NO: made with another key, for another namespace, changed data. sha256 may be NULL where
 * the signature is over SHA-512. */
int cb_sshsig_check(const struct cb_sshsig *s, const uint8_t pk[static CB_ED25519_KEY_LEN], const char *namespace,
		    const uint8_t sha512[static CB_SHA512_LEN], const uint8_t *sha256, struct cb_err *err);
/* What is signed: the bytes of PROTOCOL.sshsig's section 3. */
int cb_sshsig_signed(struct cb_buf *out, const char *namespace, bool is_sha512, const uint8_t *digest, struct cb_err *err);

/* Visible characters without blanks, commas and quotes: one of them, at most 127. */
bool cb_sshsig_namespace_ok(const char *s);

/* --- public keys in OpenSSH's text ------------------------------------------------------------- */

/* One line of authorized_keys' form, "ssh-ed25519 AAAA... [comment]", or of allowed_signers',
 * "WHO [namespaces="..."] ssh-ed25519 AAAA...". */
struct cb_ssh_key {
	uint8_t pk[CB_ED25519_KEY_LEN];
	char namespaces[CB_SSHSIG_NAMESPACE_MAX + 1];	/* "": any; else a list, by commas */
};
/* 1: a key; 0: an empty line or a comment; CB_E_DATA: a key of another kind, an option that is
 * not known here (valid-after, cert-authority), no key at all. */
int cb_ssh_key_parse(struct cb_ssh_key *ret, const char *line, size_t n, struct cb_err *err);
/* Does it sign for the namespace? */
bool cb_ssh_key_signs(const struct cb_ssh_key *k, const char *namespace);
/* The line without its end: who is NULL: authorized_keys' form; else allowed_signers', for the
 * namespace. CB_E_USAGE where who is not a name that can stand there. */
int cb_ssh_key_text(const uint8_t pk[static CB_ED25519_KEY_LEN], const char *who, const char *namespace,
		    struct cb_buf *out, struct cb_err *err);

#endif
