/* SPDX-License-Identifier: Apache-2.0 */
/* Private to lib/store: where day keys lie (store/daykey.h). Apart from the rest, so that who looks
 * at a store without any secret, as cb-verify does, links nothing that could handle one. */
#ifndef CB_STORE_KEYFILE_H
#define CB_STORE_KEYFILE_H

#include <stdbool.h>

#include "base/err.h"

struct cb_store;

#define CB_KEYS "keys"
#define CB_KEYS_CAMERAS CB_KEYS "/cameras"
#define CB_KEY_AGE ".age"
#define CB_KEY_DESTROYED ".destroyed"

/* keys/cameras/<camera>, making it where asked. */
int cb_keys_open(const struct cb_store *s, const char *camera, bool make, struct cb_err *err);
/* Is there a file of this name and suffix? 1, 0, or -1 with errno where that cannot be told. */
int cb_key_file(int dir, const char *name, const char *suffix);

#endif
