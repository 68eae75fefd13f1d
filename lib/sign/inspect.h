/* SPDX-License-Identifier: Apache-2.0 */
/* What a file of keys, of signatures or of encrypted data is, and what it says of itself. Nothing
 * of that is verified, and no secret is shown. Known are minisign's keys and signatures, SSH
 * signatures and public keys of OpenSSH, age's encrypted files, identities and recipients, and
 * signed notes (checkpoints). */
#ifndef CB_SIGN_INSPECT_H
#define CB_SIGN_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/json.h"

#define CB_INSPECT_MAX (2u << 20)	/* bytes from a file's beginning that are looked at */

/* Of the first n bytes of a file (all of them, or CB_INSPECT_MAX): its facts as keys of the
 * object that w has begun, the first "kind"; and as lines for people, the first of them what it
 * is. p is changed: secrets in it are wiped. 0; CB_E_DATA: nothing that is known here, or a
 * damaged one. */
int cb_inspect(uint8_t *p, size_t n, struct cb_jw *w, struct cb_buf *text, struct cb_err *err);

#endif
