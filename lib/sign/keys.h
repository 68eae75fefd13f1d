/* SPDX-License-Identifier: Apache-2.0 */
/* Secret keys in files, as cb-sign handles them: made with their public halves beside them, loaded
 * to sign with, retired. The formats are those of minisign and age (cb-key(5)). */
#ifndef CB_SIGN_KEYS_H
#define CB_SIGN_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "crypto/minisign_sign.h"
#include "log/log.h"

struct cb_keygen {
	const char *name;		/* the files are NAME.key, 0600, and NAME.pub */
	bool encryption;		/* an identity of age, not a key of minisign */
	const struct cb_pass *pass;	/* what protects it; NULL: nothing */
	struct cb_log *log;		/* told before anybody can have the key; NULL: none */
	/* never NULL. There is a key at path: its id, or the age recipient */
	void (*made)(const char *path, bool encryption, const char *key);
};
/* Both files are new, whole and on disk; or neither is there, though made may have been called
 * and log told. CB_E_CANTCREAT: one of the names is taken, which is said of NAME.pub before pass
 * is asked. */
int cb_keygen(const struct cb_keygen *g, struct cb_err *err);

/* Keys to sign with. All zero is a valid empty list. */
struct cb_keys {
	struct cb_seckey **key;
	size_t n;
};
/* Add that of a file. exposed, never NULL, is told of an unprotected one that others than its
 * owner may read. As cb_seckey_load. */
int cb_keys_load(struct cb_keys *k, const char *path, const struct cb_pass *pass,
		 void (*exposed)(const char *path), struct cb_err *err);
/* The secrets are wiped. Any number of times. */
void cb_keys_release(struct cb_keys *k);

/* Tell the log that the keys of a public file are retired: the one of minisign's, or all that a
 * file of age recipients has. reason may be NULL. CB_E_DATA: neither. */
int cb_keys_retire(struct cb_log *log, const char *path, const char *reason, struct cb_err *err);

#endif
