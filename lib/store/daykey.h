/* SPDX-License-Identifier: Apache-2.0 */
/* Day keys (cb-store(5), "Encryption"): random keys that the segments of one camera and day are
 * encrypted with, wrapped with age(1) for the recipients in keys/cameras/<camera>/<name>.age. Who records
 * makes them and cannot read one that he did not make; who reads needs an identity.
 *
 * Keys lie in memory for secrets (crypto/seal.h). */
#ifndef CB_STORE_DAYKEY_H
#define CB_STORE_DAYKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/age.h"
#include "crypto/seal.h"
#include "store/manifest.h"

struct cb_store;

struct cb_day_key {
	char name[CB_DAY_KEY_NAME];	/* "2026-11-21-" and 32 hexadecimal digits */
	uint8_t key[CB_SEAL_KEY];
};
/* Its name: the day, and what belongs to no other key. */
void cb_day_key_name(struct cb_day_key *k, const char *day);
bool cb_day_key_name_ok(const char *s);

/* --- recording ----------------------------------------------------------------------------------- */

struct cb_sealer;
/* For these recipients; where there are none, for those in the store's keys/recipients. *ret is
 * NULL where there is no such file either: then nothing is to be encrypted. The store stays the
 * caller's, and outlives it. Errors: DATA (keys/recipients is no list of them), those of reading. */
int cb_sealer_new(struct cb_sealer **ret, const struct cb_store *s, const struct cb_age_to *to,
		  struct cb_err *err);
/* The key for segments that begin on this day: the one it has made, as long as it is still there,
 * or a new one, which is on the disk when this returns 0. It lasts until the next call. Until
 * cb_sealer_settle nobody destroys it: call that when the segment's file is there, or failed.
 * Errors: those of writing in a store. */
int cb_sealer_day(struct cb_sealer *k, const char *camera, const char *day,
		  const struct cb_day_key **ret, struct cb_err *err);
void cb_sealer_settle(struct cb_sealer *k);
/* NULL is fine, of each. */
void cb_sealer_free(struct cb_sealer *k);

/* --- reading ------------------------------------------------------------------------------------- */

enum cb_day_key_state {
	CB_DAY_KEY_THERE,
	CB_DAY_KEY_DESTROYED,	/* and somebody has said so */
	CB_DAY_KEY_MISSING,
	CB_DAY_KEY_UNKNOWN,	/* the directory cannot be read just now */
};
enum cb_day_key_state cb_day_key_state(const struct cb_store *s, const char *camera, const char *name);

/* What was encrypted with a key. */
struct cb_key_use {
	char name[CB_DAY_KEY_NAME];
	uint64_t segments, bytes;
	int64_t from_ns, to_ns;
};
/* The keys of these segments, in the order in which they come; free *ret. Errors: OS. */
struct cb_segments;
int cb_key_uses(const struct cb_segments *l, struct cb_key_use **ret, size_t *ret_n, struct cb_err *err);

/* Identities, and the last few keys that they have opened. A store to which it is given (s.keys)
 * gives back encrypted footage as it was. */
struct cb_keyring;
/* Those of n files (crypto/age.h), at most CB_KEYRING_FILES; *ret is NULL where n is 0. */
#define CB_KEYRING_FILES 16
int cb_keyring_new(struct cb_keyring **ret, const char *const *path, size_t n, const struct cb_pass *pass,
		   struct cb_err *err);
/* May others than the owner read one of the files? */
bool cb_keyring_exposed(const struct cb_keyring *keys);
/* The key of this name; it lasts until the next call. keys may be NULL: nobody has identities.
 * Errors: NO (it was destroyed), PERM (no identity opens it), DATA (it is missing, or damaged,
 * or another key), IO. */
int cb_keyring_get(struct cb_keyring *keys, const struct cb_store *s, const char *camera, const char *name,
		   const struct cb_day_key **ret, struct cb_err *err);
void cb_keyring_free(struct cb_keyring *keys);

/* --- destroying ----------------------------------------------------------------------------------- */

/* Names of keys of a camera's day, also of those that were destroyed; sorted. */
struct cb_names;
int cb_day_keys(const struct cb_store *s, const char *camera, const char *day, struct cb_names *ret,
		struct cb_err *err);
/* Nobody begins a segment with a key of this camera until the descriptor is closed. TEMP where a
 * recorder is just doing that for a long time; NOINPUT where the camera has no keys. */
int cb_day_keys_lock(const struct cb_store *s, const char *camera, struct cb_err *err);
/* From now on it counts as destroyed: a line, that of the event that says so, stands in
 * keys/cameras/<camera>/<name>.destroyed. */
int cb_day_key_condemn(const struct cb_store *s, const char *camera, const char *name, const struct cb_buf *said,
		       struct cb_err *err);
/* Overwrite and delete a key file. No such file is no error. */
int cb_day_key_destroy(const struct cb_store *s, const char *camera, const char *name, struct cb_err *err);
/* A day that has no footage left: nor does it need the word of its keys. */
int cb_day_keys_clear(const struct cb_store *s, const char *camera, const char *day, struct cb_err *err);

#endif
