/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes (C2SP signed-note), what is signed in them: checkpoints (C2SP tlog-checkpoint),
 * and cosignatures over them (C2SP tlog-cosignature, cosignature/v1). Only verifying: no
 * secret key comes near this. A note is
 *
 *     text, whose last byte is LF
 *     (an empty line)
 *     EM-DASH SP key name SP base64(key id[4] || signature) LF          once or more
 *
 * Everything points into the caller's bytes. Errors are CB_E_DATA with the reason: what is
 * said there is "this is no note", not "its signature is false". */
#ifndef CB_LOG_NOTE_H
#define CB_LOG_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/merkle.h"

#define CB_NOTE_MAX (128u << 10)	/* bytes of a note */
#define CB_NOTE_SIGS 64			/* signatures in one */
#define CB_NOTE_NAME 256		/* of a key, with its NUL */

/* What a key signs: the byte before it in its id and in a vkey. */
enum {
	CB_KEY_ED25519 = 0x01,		/* the note's text */
	CB_KEY_COSIGNATURE = 0x04,	/* a checkpoint and a time, by a witness */
};

/* --- verifier keys: "name+hash+base64(type || key)" -------------------------------------------- */

struct cb_vkey {
	char name[CB_NOTE_NAME];
	uint32_t id;		/* first 4 bytes, big-endian, of SHA-256(name LF type key) */
	uint8_t type;
	uint8_t key[32];
	bool known;		/* a type whose signatures can be checked; else key is zero */
};
/* Exactly n bytes of text. A type that is not known here is no error, a false hash is. */
int cb_vkey_parse(struct cb_vkey *ret, const char *text, size_t n, struct cb_err *err);
/* Make one of a name and a raw key. CB_E_DATA: not a name. */
int cb_vkey_init(struct cb_vkey *ret, const char *name, uint8_t type, const uint8_t key[static 32],
		 struct cb_err *err);
/* Append its text without LF; of a known type only. -1: no memory. */
int cb_vkey_put(struct cb_buf *b, const struct cb_vkey *k);
/* Not empty, shorter than CB_NOTE_NAME, UTF-8 without blanks and control characters, no '+'. */
bool cb_key_name_ok(const char *s, size_t n);

/* --- notes ------------------------------------------------------------------------------------- */

struct cb_note_sig {
	const char *line;	/* the whole line with its LF, for copying */
	size_t line_len;
	const char *name, *blob;	/* the key's name; base64 */
	size_t name_len, blob_len;
	uint32_t id;
};
struct cb_note {
	const char *text;	/* what is signed, its last LF with it */
	size_t text_len, n;
	struct cb_note_sig sig[CB_NOTE_SIGS];
};
int cb_note_parse(struct cb_note *ret, const char *p, size_t n, struct cb_err *err);

enum cb_signed {
	CB_SIGNED_NOT,		/* no signature in the note names this key */
	CB_SIGNED_TRUE,
	CB_SIGNED_FALSE,	/* one does, and is not true: reject the whole note */
	CB_SIGNED_UNKNOWN,	/* one does, and is of a kind that cannot be checked here */
};
/* Is the note signed by k? ret_time: NULL, or seconds since 1970 of a cosignature (else 0).
 * Where several lines name the key all must be true, and the time is that of the latest. */
enum cb_signed cb_note_signed(const struct cb_note *n, const struct cb_vkey *k, uint64_t *ret_time);

/* Append a signature line for a note: 64 bytes by k; time only of a cosignature. -1: no memory. */
int cb_note_put_sig(struct cb_buf *b, const struct cb_vkey *k, const uint8_t sig[static 64],
		    uint64_t time);

/* --- checkpoints ------------------------------------------------------------------------------- */

struct cb_checkpoint {
	char origin[CB_NOTE_NAME];
	uint64_t size;
	uint8_t root[CB_HASH_LEN];
	const char *extra;	/* extension lines, with their LFs */
	size_t extra_len;
};
/* Of a note's text. */
int cb_checkpoint_parse(struct cb_checkpoint *ret, const char *text, size_t n, struct cb_err *err);
/* Append such a text. -1: no memory. */
int cb_checkpoint_put(struct cb_buf *b, const char *origin, uint64_t size,
		      const uint8_t root[static CB_HASH_LEN]);
/* Append what a witness signs for a checkpoint's text at a time. -1: no memory. */
int cb_cosignature_put(struct cb_buf *b, uint64_t time, const char *text, size_t n);

/* --- for the neighbours: hashes as text -------------------------------------------------------- */

/* 32 bytes of standard base64, exactly 44 characters in its one form. */
bool cb_hash_base64(uint8_t out[static CB_HASH_LEN], const char *p, size_t n);
/* A decimal number without leading zeros, at most CB_TREE_MAX. */
bool cb_size_text(uint64_t *ret, const char *p, size_t n);

#endif
