/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be looked at when event time reaches a moment: a heap. A timer is never moved nor
 * taken back: whoever gets it looks whether there is anything to do, and asks for another one
 * where it is too early. */
#ifndef CB_ALERT_TIMER_H
#define CB_ALERT_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct cb_timer {
	int64_t at_us;
	uint32_t rule, entry;	/* whose it is; what they mean is the owner's */
	uint32_t tie;		/* of those of one moment and rule the lower one comes first */
	uint64_t age;		/* of the entry: another one is there by now where it differs */
};
struct cb_timers {
	struct cb_timer *v;
	uint32_t n, cap, look;	/* look: so many, and those that mean nothing are thrown out */
};

int cb_timers_add(struct cb_timers *h, struct cb_timer t, struct cb_err *err);
/* Throw out those that keep says no to, when there are many more than the last time. Whoever adds
 * timers for what may be forgotten before they are due calls this now and then. */
void cb_timers_tidy(struct cb_timers *h, bool (*keep)(void *ctx, const struct cb_timer *t), void *ctx);
/* The earliest one, taken out, if it is due at now_us. */
bool cb_timers_due(struct cb_timers *h, int64_t now_us, struct cb_timer *ret);
/* When there is something to do; INT64_MAX: never. */
int64_t cb_timers_next(const struct cb_timers *h);
/* All of them earlier by so much: the clock was set back. */
void cb_timers_shift(struct cb_timers *h, int64_t by_us);
void cb_timers_release(struct cb_timers *h);

#endif
