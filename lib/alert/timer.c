/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap; what is due at the same moment comes in an order that does not depend on when
 * anything was put in, so that the same events give the same alerts in the same order. */
#include "alert/timer.h"

#include <stdlib.h>

static bool before(const struct cb_timer *a, const struct cb_timer *b)
{
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us;
	if (a->rule != b->rule)
		return a->rule < b->rule;
	return a->tie != b->tie ? a->tie < b->tie : a->entry < b->entry;
}

int cb_timers_add(struct cb_timers *h, struct cb_timer t, struct cb_err *err)
{
	uint32_t i;

	if (h->n == h->cap) {
		uint32_t cap = h->cap ? 2 * h->cap : 64;
		struct cb_timer *v = reallocarray(h->v, cap, sizeof(*v));

		if (!v)
			return cb_err_nomem(err);
		h->v = v;
		h->cap = cap;
	}
	for (i = h->n++; i && before(&t, &h->v[(i - 1) / 2]); i = (i - 1) / 2)
		h->v[i] = h->v[(i - 1) / 2];
	h->v[i] = t;
	return 0;
}

bool cb_timers_due(struct cb_timers *h, int64_t now_us, struct cb_timer *ret)
{
	struct cb_timer t;
	uint32_t i = 0, k;

	if (!h->n || h->v[0].at_us > now_us)
		return false;
	*ret = h->v[0];
	t = h->v[--h->n];
	while ((k = 2 * i + 1) < h->n) {
		if (k + 1 < h->n && before(&h->v[k + 1], &h->v[k]))
			k++;
		if (!before(&h->v[k], &t))
			break;
		h->v[i] = h->v[k];
		i = k;
	}
	if (h->n)
		h->v[i] = t;
	return true;
}

int64_t cb_timers_next(const struct cb_timers *h)
{
	return h->n ? h->v[0].at_us : INT64_MAX;
}

void cb_timers_shift(struct cb_timers *h, int64_t by_us)
{
	for (uint32_t i = 0; i < h->n; i++)
		h->v[i].at_us -= by_us;
}

void cb_timers_release(struct cb_timers *h)
{
	free(h->v);
	*h = (struct cb_timers){ 0 };
}
