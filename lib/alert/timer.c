/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap; what is due at the same moment comes in an order that does not depend on when
 * anything was put in, so that the same events give the same alerts in the same order. */
#include "alert/timer.h"

#include <stdlib.h>

#define TIDY_MIN 4096

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

static void sift(struct cb_timers *h, struct cb_timer t, uint32_t i)
{
	uint32_t k;

	while ((k = 2 * i + 1) < h->n) {
		if (k + 1 < h->n && before(&h->v[k + 1], &h->v[k]))
			k++;
		if (!before(&h->v[k], &t))
			break;
		h->v[i] = h->v[k];
		i = k;
	}
	h->v[i] = t;
}

void cb_timers_tidy(struct cb_timers *h, bool (*keep)(void *ctx, const struct cb_timer *t), void *ctx)
{
	uint32_t n = 0;

	if (h->n < TIDY_MIN || h->n < h->look)
		return;
	for (uint32_t i = 0; i < h->n; i++)
		if (keep(ctx, &h->v[i]))
			h->v[n++] = h->v[i];
	h->n = n;
	h->look = 2 * n;
	for (uint32_t i = n / 2; i-- > 0;)
		sift(h, h->v[i], i);
}

bool cb_timers_due(struct cb_timers *h, int64_t now_us, struct cb_timer *ret)
{
	if (!h->n || h->v[0].at_us > now_us)
		return false;
	*ret = h->v[0];
	h->n--;
	if (h->n)
		sift(h, h->v[h->n], 0);
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
