/* SPDX-License-Identifier: Apache-2.0 */
/* Watch-lists: is a text, as a camera has read it, on a list of plates? Both sides are reduced
 * to what counts: ASCII letters in upper case, digits, and bytes from 0x80 on as they are; blanks
 * and punctuation are nothing. With a tolerance of 1 a text is also met that differs in one
 * character: another one, one too many or one too few (Levenshtein distance 1); entries of fewer
 * than CB_LISTED_NEAR characters are still met exactly, as nearly everything is near to those.
 *
 * The index holds every entry with each one character left out, so that a look-up costs the
 * length of the text and not the length of the list (symmetric deletion). */
#ifndef CB_ALERT_LISTED_H
#define CB_ALERT_LISTED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CB_LISTED_MAX 65536	/* entries */
#define CB_LISTED_LEN 32	/* of an entry, as it counts */
#define CB_LISTED_NEAR 4

struct cb_listed;

/* tolerance: 0 or 1 */
int cb_listed_new(struct cb_listed **ret, int tolerance, struct cb_err *err);
void cb_listed_free(struct cb_listed *l);
/* NULL, or what is wrong with the entry ("no memory" included). The text is copied. */
const char *cb_listed_add(struct cb_listed *l, const char *text, size_t len);
/* After the last entry. */
int cb_listed_done(struct cb_listed *l, struct cb_err *err);
uint32_t cb_listed_size(const struct cb_listed *l);
/* A text to be looked up, in any number of lists. */
struct cb_listed_key {
	int n;					/* what counts of it; <= 0: it is in no list */
	char s[CB_LISTED_LEN];
	uint32_t hash[CB_LISTED_LEN + 1];	/* without one character each; last: of all */
};
void cb_listed_key(struct cb_listed_key *ret, const char *text, size_t len);
/* The entry that a text meets, as it was written: the same one, else the first near one. */
const char *cb_listed_find(const struct cb_listed *l, const struct cb_listed_key *k);

#endif
