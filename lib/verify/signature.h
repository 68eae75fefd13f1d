/* SPDX-License-Identifier: Apache-2.0 */
/* Signature files, minisign's and OpenSSH's, against the keys that are believed. */
#ifndef CB_VERIFY_SIGNATURE_H
#define CB_VERIFY_SIGNATURE_H

#include "crypto/hash.h"
#include "crypto/minisign.h"
#include "verify/verify.h"

#define CB_VERIFY_SIG_MAX 16384u	/* bytes of a signature file */

/* What is signed, by every digest that a signature can be over. */
struct cb_verify_digests {
	uint8_t blake2b[CB_MINISIGN_HASH], sha512[CB_SHA512_LEN], sha256[CB_SHA256_LEN];
};
/* Of n bytes, all of them. Of what fd still gives, in constant memory, those in which (CB_E_IO). */
enum { CB_VERIFY_BLAKE2B = 1, CB_VERIFY_SHA512 = 2, CB_VERIFY_SHA256 = 4 };
void cb_verify_digests(struct cb_verify_digests *ret, const void *p, size_t n);
int cb_verify_digests_fd(struct cb_verify_digests *ret, unsigned which, int fd, uint64_t *ret_size,
			 struct cb_err *err);
/* Those that a signature file needs. */
unsigned cb_verify_digests_of(const char *text, size_t n);

/* Who has signed so far. */
struct cb_verify_signers {
	bool by[CB_TRUST_KEYS];		/* of trust->key */
	unsigned n;			/* different raw keys among them */
	unsigned others;		/* signatures by keys that are not believed */
	unsigned damaged;		/* and files that are no signatures */
};
/* One signature file, path for findings. A key that is believed and whose signature is not true
 * is found false; what is no signature of either kind is found unchecked. own: NULL, or keys that
 * came with what is verified, which are told from unknown ones and believed as little. */
int cb_verify_signature(const struct cb_verify *v, struct cb_verified *r, const char *path, const char *text,
			size_t n, const struct cb_verify_digests *d, const struct cb_trust *own,
			struct cb_verify_signers *s, struct cb_err *err);
/* After the last one: have enough signed? path: what is signed. any: there was a signature file. */
int cb_verify_signed(const struct cb_verify *v, struct cb_verified *r, const char *path, bool any,
		     const struct cb_verify_signers *s, struct cb_err *err);

#endif
