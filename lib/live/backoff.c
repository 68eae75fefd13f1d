/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting longer after each failure, but not for ever. */
#include "live/backoff.h"

int64_t cb_backoff_next_ns(struct cb_backoff *b, uint64_t chance)
{
	int64_t ns = b->first_ns * (b->failed < CB_BACKOFF_LAST ? 1 << b->failed : 30);

	if (b->failed < 1u << 30)
		b->failed++;
	return ns - (int64_t)(chance % (uint64_t)(ns / 2 + 1));
}
