/* SPDX-License-Identifier: Apache-2.0 */
/* Files encrypted and decrypted, as cb-sign does it: age's format (crypto/age.h), from a file or
 * stdin to a file or stdout. A file that is written is there whole (base/newfile.h) or not at
 * all; what goes to stdout is whole only where 0 is returned. */
#ifndef CB_SIGN_CRYPT_H
#define CB_SIGN_CRYPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "crypto/minisign_sign.h"

struct cb_crypting {
	const char *in, *out;			/* paths; NULL or "-": stdin, stdout */
	bool force;				/* out takes the place of what is there */
	bool armor;				/* encrypting: as text */
	const char *const *recipient;		/* encrypting: "age1..." */
	size_t recipients;
	const char *const *key;			/* files: of recipients; decrypting: of identities */
	size_t keys;
	const struct cb_pass *pass;		/* asked where it is a passphrase that encrypts or opens */
	/* may this descriptor have binary data? It is stdout; asked before it is written to. NULL: yes */
	int (*binary)(int fd, struct cb_err *err);
	/* decrypting, never NULL: told the first identity's file where others than its owner can
	 * read an unprotected one of them */
	void (*exposed)(const char *path);
};
/* For all recipients; where there is none, for the passphrase. A new file is as the umask has it.
 * CB_E_USAGE: a recipient is none; CB_E_DATA: of a file. Else as crypto/age.h and base/newfile.h
 * have it, with in's name before it. */
int cb_encrypt_file(const struct cb_crypting *c, struct cb_err *err);
/* A new file is 0600. CB_E_PERM: nothing here opens it; CB_E_DATA: damaged, or not age's. */
int cb_decrypt_file(const struct cb_crypting *c, struct cb_err *err);

#endif
