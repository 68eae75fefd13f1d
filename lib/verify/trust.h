/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the verifier believes. All of it comes from outside of what is verified: keys that lie in
 * a bundle or beside a log are never taken from there. */
#ifndef CB_VERIFY_TRUST_H
#define CB_VERIFY_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/minisign.h"
#include "crypto/sshsig.h"
#include "log/proof.h"

#define CB_TRUST_KEYS 64
#define CB_TRUST_FILE_MAX (64u << 10)	/* bytes of a file with keys */

/* A key that signs files: minisign's, or OpenSSH's; the same raw key may be both. */
struct cb_trust_key {
	uint8_t pk[32];
	bool has_id;			/* a minisign key: */
	uint8_t id[CB_MINISIGN_ID];
	char namespaces[CB_SSHSIG_NAMESPACE_MAX + 1];	/* of an OpenSSH key: "", or what alone it signs for */
	char name[256];			/* what people call it: the file it came from */
};
struct cb_trust {
	struct cb_policy *policy;	/* NULL: no log is believed */
	struct cb_trust_key key[CB_TRUST_KEYS];
	size_t keys;
	unsigned need;			/* so many different keys must have signed; at least 1 */
};
void cb_trust_init(struct cb_trust *t);
void cb_trust_release(struct cb_trust *t);

/* Add the keys of a file: a minisign public key, or lines of ssh-ed25519 keys, alone or as in
 * allowed_signers: of options there namespaces is known, and others, such as cert-authority, are
 * refused. CB_E_DATA, NOINPUT, with the path. */
int cb_trust_add_file(struct cb_trust *t, const char *path, struct cb_err *err);
/* Add a log: a verifier key "NAME+HASH+KEY", or a file with such lines. */
int cb_trust_add_log(struct cb_trust *t, const char *arg, struct cb_err *err);
/* Take a policy (C2SP tlog-policy) from a file; logs that were added before stay. */
int cb_trust_policy(struct cb_trust *t, const char *path, struct cb_err *err);

/* The same from text that is in memory; name is for messages. */
int cb_trust_add_text(struct cb_trust *t, const char *name, const char *text, size_t n, struct cb_err *err);
int cb_trust_add_log_text(struct cb_trust *t, const char *text, size_t n, struct cb_err *err);

#endif
