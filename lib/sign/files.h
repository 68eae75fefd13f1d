/* SPDX-License-Identifier: Apache-2.0 */
/* Signing files and verifying their signatures, as cb-sign does it: digests in one pass over a
 * file of any size, names of signature files, several signers of one file.
 *
 * The signatures of X are X.minisig, X.2.minisig, X.3.minisig ... (minisign) and X.sig, X.2.sig ...
 * (SSH). Each is a whole signature of its own, for the stock tools to verify. */
#ifndef CB_SIGN_FILES_H
#define CB_SIGN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/minisign.h"
#include "crypto/minisign_sign.h"
#include "crypto/sshsig.h"

#define CB_SIGNATURES_MAX 64u	/* of one file */
#define CB_SIGNERS_MAX 256u	/* keys to verify with */

enum { CB_DIGEST_MINISIGN = 1, CB_DIGEST_SHA512 = 2, CB_DIGEST_SHA256 = 4 };
struct cb_digests {
	unsigned have;		/* which of them were wanted */
	uint8_t minisign[CB_MINISIGN_HASH], sha512[CB_SHA512_LEN], sha256[CB_SHA256_LEN];
	uint64_t size;
};
/* Of all that fd gives. CB_E_IO. */
int cb_digests_fd(struct cb_digests *ret, int fd, unsigned want, struct cb_err *err);
/* Of a file, or of stdin where path is "-"; the path is in the message. */
int cb_digests_file(struct cb_digests *ret, const char *path, unsigned want, struct cb_err *err);

/* The name of the n-th (from 1) signature of path, malloc'ed; NULL: no memory. */
char *cb_signature_name(const char *path, bool ssh, unsigned n);

/* --- signing ---------------------------------------------------------------------------------- */

struct cb_signing {
	bool ssh;
	const char *namespace;		/* ssh: what it is for */
	const char *comment;		/* minisign: trusted; NULL: time and name, as minisign has it */
	const char *output;		/* the one file to write; NULL: names as above */
	bool add;			/* the first name that is free */
	bool force;			/* write over what has the name */
	/* if set: told of each signature before anybody can have it; its failure is ours */
	int (*use)(void *ctx, const struct cb_seckey *k, const struct cb_digests *d, struct cb_err *err);
	void *ctx;
};
/* Sign path with each key. Nothing is written where the data cannot be read to their end. */
int cb_sign_file(const struct cb_signing *s, struct cb_seckey *const *keys, size_t n, const char *path,
		 struct cb_err *err);
/* Just the text, of digests that are there. name: of the file, for the comment. */
int cb_sign_text(const struct cb_signing *s, const struct cb_seckey *k, const struct cb_digests *d,
		 const char *name, struct cb_buf *out, struct cb_err *err);

/* --- verifying ---------------------------------------------------------------------------------- */

struct cb_signer {
	uint8_t pk[CB_ED25519_KEY_LEN], id[CB_MINISIGN_ID];
	bool has_id;			/* a key of minisign */
	bool ssh_only;			/* from OpenSSH's files: with the namespaces it may sign for */
	struct cb_ssh_key ssh;
	const char *from;		/* the file it is of; the caller's */
};
/* All zero is a valid empty list. */
struct cb_signers {
	struct cb_signer *signer;
	size_t n;
};
/* Add those of a file: minisign's .pub, OpenSSH's .pub, or allowed_signers. path stays the
 * caller's for as long as the list. CB_E_DATA, CB_E_NOINPUT ... */
int cb_signers_load(struct cb_signers *s, const char *path, struct cb_err *err);
void cb_signers_release(struct cb_signers *s);

enum cb_sig_verdict { CB_SIG_TRUE, CB_SIG_FALSE, CB_SIG_STRANGER, CB_SIG_UNCHECKED };
/* One signature that was looked at. */
struct cb_signature {
	const char *path, *signature;	/* files */
	bool ssh;
	enum cb_sig_verdict verdict;		/* STRANGER: none of the signers has that key */
	const struct cb_signer *signer;	/* TRUE and FALSE */
	char key[CB_MINISIGN_ID_HEX];	/* minisign: the id it names; else "" */
	const char *comment;		/* TRUE of minisign: the trusted comment, the signer's word */
	size_t comment_len;
	const char *text;		/* what is wrong, or "" */
};

struct cb_verifying {
	const struct cb_signers *signers;
	const char *namespace;		/* of SSH signatures */
	unsigned threshold;		/* so many of the signers, each counted once; at least 1 */
	const char *const *signature;	/* the files; n 0: all that have the names above */
	size_t n;
	/* if set: told of each */
	int (*each)(void *ctx, const struct cb_signature *s, struct cb_err *err);
	void *ctx;
};
/* 0: threshold signers did, and no signature of theirs is false; *ret_signers of them. CB_E_NO:
 * a signature is false, or too few signed and everything could be checked. Else what kept it
 * from being checked (CB_E_NOINPUT: no signatures, CB_E_DATA: damaged ones). */
int cb_verify_file(const struct cb_verifying *v, const char *path, unsigned *ret_signers, struct cb_err *err);

#endif
