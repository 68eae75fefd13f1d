/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule remembers, by group: at most max groups; beyond that the one not used for longest
 * is forgotten. */
#ifndef CB_ALERT_GROUP_H
#define CB_ALERT_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct cb_groups;

struct cb_group {
	uint8_t digest[16];
	uint64_t age;			/* no two groups ever have the same */
	int64_t alert_us;		/* of the last alert, where there was one: */
	bool alerted;
	bool active;			/* the alert is not resolved yet, */
	bool silent;			/* flatline: it is silent */
	bool began;			/* spike: cur counts from since_us */
	uint32_t n;			/* values in v */
	uint32_t cur;			/* spike: matches of this window */
	uint64_t hits;			/* matches of an active alert */
	int64_t seen_us, since_us;	/* last match; what the kind means by since */
	int64_t timer_us;		/* the earliest timer there is; INT64_MAX: none */
	char event[33];			/* flatline: the last one's id, "" where that is longer */
	char *text;			/* what is to be said of it later, malloc'ed; or NULL */
};

/* values: int64_t that a group has beside this. */
int cb_groups_new(struct cb_groups **ret, uint32_t max, uint32_t values, struct cb_err *err);
void cb_groups_free(struct cb_groups *g);
uint64_t cb_groups_forgotten(const struct cb_groups *g);
/* The group with this digest, the one used last from now on; a new one is all zero. It stays
 * where it is until the next call. NULL: no memory. */
struct cb_group *cb_groups_get(struct cb_groups *g, const uint8_t digest[static 16], bool *ret_new);
/* The same without making one: NULL where there is none. */
struct cb_group *cb_groups_find(struct cb_groups *g, const uint8_t digest[static 16]);
int64_t *cb_groups_values(struct cb_groups *g, const struct cb_group *e);
/* By number, which a group keeps: cb_groups_number. NULL where there is none of this age. */
struct cb_group *cb_groups_at(struct cb_groups *g, uint32_t i, uint64_t age);
uint32_t cb_groups_number(const struct cb_groups *g, const struct cb_group *e);
/* From the one unused for longest (after: NULL) on; NULL at the end. */
struct cb_group *cb_groups_next(struct cb_groups *g, const struct cb_group *after);

#endif
