/* SPDX-License-Identifier: Apache-2.0 */
/* Files encrypted as age(1) does it: the format "age-encryption.org/v1", https://c2sp.org/age,
 * for X25519 recipients ("age1...") and passphrases (scrypt), binary or in ASCII armor. Other
 * kinds of recipients (ssh keys, plugins, the hybrid with ML-KEM) are not written, and named
 * where a file has no other.
 *
 * Both ways go in a stream, in constant memory (about 5 MiB), on all processors but at most four.
 * What decryption gives out has been verified, 64 KiB at a time; the end is only known to be
 * the end when the call returns 0, so a file is to be kept (base/newfile.h) only then. */
#ifndef CB_CRYPTO_AGE_H
#define CB_CRYPTO_AGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/minisign_sign.h"

#define CB_AGE_RECIPIENT_SIZE 63	/* "age1..." with its NUL */
#define CB_AGE_RECIPIENTS_MAX 1000u	/* of one file */
#define CB_AGE_IDENTITIES_MAX 1000u
#define CB_AGE_KEYS_MAX (1u << 20)	/* bytes of a file of recipients, */
#define CB_AGE_IDENTITIES_BYTES (1u << 17)	/* of one of identities */
#define CB_AGE_HEADER_MAX (1u << 20)	/* bytes of an encrypted file's header */
#define CB_AGE_WORK 18			/* log2 of scrypt's N in what we write: 256 MiB, a second */
#define CB_AGE_WORK_MAX 20		/* and in what we read: 1 GiB */

/* --- whom to encrypt for ------------------------------------------------------------------- */

/* All zero is a valid empty list. */
struct cb_age_to {
	uint8_t (*key)[32];
	size_t n;
};
/* "age1...": CB_E_USAGE where it is something else, which is named ("an ssh key"). */
int cb_age_to_add(struct cb_age_to *to, const char *text, struct cb_err *err);
/* A file of them, one a line, with comments (#) and empty lines. CB_E_DATA, with the line. */
int cb_age_to_file(struct cb_age_to *to, const char *path, struct cb_err *err);
/* The text of such a file. */
int cb_age_to_text(struct cb_age_to *to, const char *text, size_t n, struct cb_err *err);
void cb_age_to_release(struct cb_age_to *to);

/* --- what opens it ---------------------------------------------------------------------------- */

struct cb_age_ids;
/* Secrets: an empty list of identities. */
int cb_age_ids_new(struct cb_age_ids **ret, struct cb_err *err);
void cb_age_ids_free(struct cb_age_ids *ids);
/* Add those of a file as age-keygen writes it; it may be encrypted with a passphrase, which
 * pass (NULL: nobody) is asked for. CB_E_DATA, with the line. */
int cb_age_ids_file(struct cb_age_ids *ids, const char *path, const struct cb_pass *pass, struct cb_err *err);
/* Did one come from an unprotected file that others than its owner may read? */
bool cb_age_ids_exposed(const struct cb_age_ids *ids);
/* Make an identity and write its file, as age-keygen does, encrypted where pass is not NULL:
 * 0600, new or not there at all. recipient gets its public half. */
int cb_age_ids_generate(const char *path, const struct cb_pass *pass,
			char recipient[static CB_AGE_RECIPIENT_SIZE], struct cb_err *err);

/* --- encrypting -------------------------------------------------------------------------------- */

/* For every recipient in to; or, where it is empty, for a passphrase that pass is asked for. */
struct cb_age_writer;
int cb_age_writer_new(struct cb_age_writer **ret, const struct cb_age_to *to, const struct cb_pass *pass,
		      bool armor, int fd, struct cb_err *err);
int cb_age_write(struct cb_age_writer *w, const void *p, size_t n, struct cb_err *err);
/* The end: without it, what was written is refused as truncated. */
int cb_age_writer_finish(struct cb_age_writer *w, struct cb_err *err);
/* NULL is fine. */
void cb_age_writer_free(struct cb_age_writer *w);
/* All that in gives. */
int cb_age_encrypt_fd(const struct cb_age_to *to, const struct cb_pass *pass, bool armor, int in, int out,
		      struct cb_err *err);

/* --- decrypting -------------------------------------------------------------------------------- */

/* All that in gives, decrypted, to out. CB_E_DATA: no age file, or damaged, cut off or added to;
 * CB_E_PERM: none of the identities, nor the passphrase, opens it. */
int cb_age_decrypt_fd(const struct cb_age_ids *ids, const struct cb_pass *pass, int in, int out,
		      struct cb_err *err);

/* --- small things ------------------------------------------------------------------------------- */

#define CB_AGE_SMALL 4096	/* bytes, at most */
/* The same without descriptors, threads and their memory, for keys and the like. What is encrypted
 * is appended to b. */
int cb_age_wrap(const struct cb_age_to *to, const void *p, size_t n, struct cb_buf *b, struct cb_err *err);
/* Into out, which is to be memory for secrets and has room for cap bytes. Errors as of
 * cb_age_decrypt_fd; also DATA where it is larger. */
int cb_age_unwrap(const struct cb_age_ids *ids, const void *p, size_t n, uint8_t *out, size_t cap,
		  size_t *ret_n, struct cb_err *err);

/* --- looking at one ----------------------------------------------------------------------------- */

struct cb_age_info {
	bool armor;
	uint32_t x25519, scrypt, other;
	int work;		/* of scrypt */
	char kinds[128];	/* of the others, each once, ", " between them */
	uint64_t header_bytes;
};
/* The header alone, which nothing proves genuine. CB_E_DATA. */
int cb_age_inspect_fd(int in, struct cb_age_info *ret, struct cb_err *err);
/* The same of bytes; for decryption of small things and for tests. */
int cb_age_inspect(const void *p, size_t n, struct cb_age_info *ret, struct cb_err *err);

#endif
