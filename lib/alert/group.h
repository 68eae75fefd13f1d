/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule remembers, by group: when it alerted last and the times of its newest matches.
 * At most max groups; beyond that the one not used for longest is forgotten. */
#ifndef CB_ALERT_GROUP_H
#define CB_ALERT_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct cb_groups;

/* count: matches to remember a group. */
int cb_groups_new(struct cb_groups **ret, uint32_t max, uint32_t count, struct cb_err *err);
void cb_groups_free(struct cb_groups *g);
uint64_t cb_groups_forgotten(const struct cb_groups *g);

/* A match at t_us of the group with this digest. *ret_fire: count matches lie within window_us
 * and the last alert is cooldown_us away or more. -1: no memory. */
int cb_groups_match(struct cb_groups *g, const uint8_t digest[static 16], int64_t t_us,
		    int64_t window_us, int64_t cooldown_us, bool *ret_fire, struct cb_err *err);

#endif
