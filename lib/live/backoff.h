/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before something is tried again: 1, 2, 4, 8, 16 and then 30 times as long, each
 * shortened by up to half at random, so that cameras behind one switch are not asked all at once. */
#ifndef CB_LIVE_BACKOFF_H
#define CB_LIVE_BACKOFF_H

#include <stdint.h>

#define CB_BACKOFF_LAST 5	/* from so many failures on it is the longest */

struct cb_backoff {
	int64_t first_ns;
	unsigned failed;	/* attempts in a row */
};

/* Another attempt failed: how long to wait; chance is any number. */
int64_t cb_backoff_next_ns(struct cb_backoff *b, uint64_t chance);

#endif
