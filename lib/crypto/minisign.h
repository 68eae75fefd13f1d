/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures as minisign(1) makes them, read and verified: Ed25519 (RFC 8032) over BLAKE2b-512
 * (RFC 7693) of the data, algorithm "ED"; a second signature covers the first and the trusted
 * comment. Legacy signatures, over the data itself ("Ed"), are refused. The format is that of
 * https://jedisct1.github.io/minisign/, "Signature format" and "Public key format"; what a file
 * holds is in cb-key(5).
 *
 * Reading is strict: base64 in its one spelling, exact lengths, nothing before or after, a
 * trusted comment of printable UTF-8 (and tabs, which minisign's own comments have). Nothing
 * here knows a secret: those are crypto/minisign_sign.h's. */
#ifndef CB_CRYPTO_MINISIGN_H
#define CB_CRYPTO_MINISIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/ed25519.h"

#define CB_MINISIGN_KEY_MAX 4096u	/* bytes of a key file, */
#define CB_MINISIGN_SIG_MAX 16384u	/* of a signature file, */
#define CB_MINISIGN_UNTRUSTED_MAX 1024u	/* and of the comments in it */
#define CB_MINISIGN_TRUSTED_MAX 8192u

#define CB_MINISIGN_HASH 64		/* bytes of BLAKE2b-512 */
#define CB_MINISIGN_ID 8
#define CB_MINISIGN_ID_HEX 17		/* an id in text, as minisign writes it, with its NUL */

/* A public key: its id is a label drawn at random, no digest of it. */
struct cb_minisign_key {
	uint8_t id[CB_MINISIGN_ID];
	uint8_t pk[CB_ED25519_KEY_LEN];
};

/* A signature file. trusted points into the text that was parsed, not NUL-terminated, and is
 * nobody's word before cb_minisign_check said 0. */
struct cb_minisign_sig {
	uint8_t id[CB_MINISIGN_ID];
	uint8_t sig[CB_ED25519_SIG_LEN], global[CB_ED25519_SIG_LEN];
	const char *trusted;
	size_t trusted_len;
};

/* CB_E_DATA, and the message has no subject: "not a public key of minisign". */
int cb_minisign_key_parse(struct cb_minisign_key *ret, const char *text, size_t n, struct cb_err *err);
/* The same of a file, its path in the message. */
int cb_minisign_key_load(struct cb_minisign_key *ret, const char *path, struct cb_err *err);
/* The text of a .pub file. */
int cb_minisign_key_text(const struct cb_minisign_key *k, struct cb_buf *out, struct cb_err *err);
void cb_minisign_id_text(char out[static CB_MINISIGN_ID_HEX], const uint8_t id[static CB_MINISIGN_ID]);

/* CB_E_DATA: not a signature of minisign, or a legacy one. */
int cb_minisign_sig_parse(struct cb_minisign_sig *ret, const char *text, size_t n, struct cb_err *err);

/* BLAKE2b-512 in pieces. */
struct cb_minisign_hash {
	_Alignas(64) uint8_t opaque[384];
};
void cb_minisign_hash_init(struct cb_minisign_hash *h);
void cb_minisign_hash_update(struct cb_minisign_hash *h, const void *p, size_t n);
void cb_minisign_hash_final(struct cb_minisign_hash *h, uint8_t out[static CB_MINISIGN_HASH]);
/* Of everything that fd still gives, in constant memory. CB_E_IO, "read: ...". */
int cb_minisign_hash_fd(int fd, uint8_t out[static CB_MINISIGN_HASH], uint64_t *ret_size,
			struct cb_err *err);

/* Is it a signature of data with this hash by this key? 0: yes, and its trusted comment is the
 * signer's. CB_E_NO: signed with another key, changed data, changed comment. */
int cb_minisign_check(const struct cb_minisign_sig *s, const struct cb_minisign_key *k,
		      const uint8_t hash[static CB_MINISIGN_HASH], struct cb_err *err);

/* Is the text a comment that a signature may carry: valid UTF-8 without controls (tabs only
 * with tab), at most max bytes? */
bool cb_comment_ok(const char *s, size_t n, size_t max, bool tab);

/* All of it in one: is sig, the text of X.minisig, a signature of the n bytes of X with the key
 * in the text of minisign.pub? 0: yes. -1: CB_E_NO where it was checked and is false, CB_E_DATA
 * "key: ..." or "signature: ..." where it could not be. */
int cb_minisign_verify(const char *key, size_t key_len, const char *sig, size_t sig_len,
		       const uint8_t *data, size_t n, struct cb_err *err);

#endif
