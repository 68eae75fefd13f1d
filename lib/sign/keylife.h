/* SPDX-License-Identifier: Apache-2.0 */
/* The life of keys, told to a log (lib/log/log.h, cb-log(5)): cb.key.made, cb.key.used and
 * cb.key.retired of cb-event(5). No names of files go there, which may be of people: what was
 * signed is told by its digest. */
#ifndef CB_SIGN_KEYLIFE_H
#define CB_SIGN_KEYLIFE_H

#include "base/err.h"
#include "crypto/minisign.h"
#include "log/log.h"
#include "sign/files.h"

/* key: an id of minisign's, in text, or an age recipient. */
int cb_keylife_made(struct cb_log *log, const char *key, bool is_protected, struct cb_err *err);
int cb_keylife_retired(struct cb_log *log, const char *key, const char *reason, struct cb_err *err);
/* It is about to sign data with these digests: a struct cb_signing's use, with a struct cb_log. */
int cb_keylife_used(void *log, const struct cb_seckey *k, const struct cb_digests *d, struct cb_err *err);

#endif
