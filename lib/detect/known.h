/* SPDX-License-Identifier: Apache-2.0 */
/* The models that may be used: a list of digests in sha256sum's form, lines of 64 hexadecimal
 * digits, two blanks (or a blank and '*'), a name; lines that begin with '#' and empty ones are
 * passed over. The digests are those of cb_pack_digest; the names are for people.
 * Lines with digests of something else, of the models' files say, do no harm. */
#ifndef CB_DETECT_KNOWN_H
#define CB_DETECT_KNOWN_H

#include <stdbool.h>

#include "base/err.h"

#define CB_KNOWN_BYTES_MAX (1u << 20)

struct cb_known;
/* path NULL: the list that came with the programs (detect/shipped.h). With a key, minisign's public
 * key in a file, path.minisig must be its signature of the list: CB_E_NO where it is not. Other
 * errors: CB_E_NOINPUT, CB_E_DATA. */
int cb_known_open(struct cb_known **ret, const char *path, const char *key, struct cb_err *err);
/* 0 where the digest (hexadecimal) is listed, else CB_E_NO naming list and digest. */
int cb_known_check(const struct cb_known *k, const char *digest, struct cb_err *err);
void cb_known_free(struct cb_known *k);

#endif
