/* SPDX-License-Identifier: Apache-2.0 */
/* Where tensors lie: each as long as it is needed, none where another is alive. */
#include "nn/planner.h"

#include <stdlib.h>

/* --- memory ------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
	const struct cb_nn_tensor *const *x = a, *const *y = b;

	if ((*x)->bytes != (*y)->bytes)
		return (*x)->bytes < (*y)->bytes ? 1 : -1;
	return *x < *y ? -1 : *x > *y;
}

/* Give every tensor that is no part of another a place, large ones first, each the lowest
 * that no tensor alive at the same time has. */
int cb_nn_place(struct cb_nn_planner *p)
{
	struct cb_nn_plan *n = p->n;
	struct cb_nn_tensor **order = malloc((size_t)n->ntensors * sizeof(*order));
	int k = 0;

	if (!order)
		return cb_err_nomem(p->err);
	for (int i = 0; i < n->ntensors; i++) {
		struct cb_nn_tensor *t = &n->tensor[i];

		/* what reads or writes a part keeps the whole alive */
		for (int a = t->parent; a >= 0; a = n->tensor[a].parent) {
			if (t->first < n->tensor[a].first)
				n->tensor[a].first = t->first;
			if (t->last > n->tensor[a].last)
				n->tensor[a].last = t->last;
		}
	}
	for (int i = 0; i < n->ntensors; i++)
		if (n->tensor[i].parent < 0)
			order[k++] = &n->tensor[i];
	qsort(order, (size_t)k, sizeof(*order), by_size);
	for (int i = 0; i < k; i++) {
		struct cb_nn_tensor *t = order[i];
		bool moved = true;

		t->off = 0;
		while (moved) {
			moved = false;
			for (int j = 0; j < i; j++) {
				const struct cb_nn_tensor *o = order[j];
				size_t room = (o->bytes + 63) / 64 * 64;

				if (!n->keep && (o->last < t->first || t->last < o->first))
					continue;
				if (t->off < o->off + room && o->off < t->off + t->bytes) {
					t->off = o->off + room;
					moved = true;
				}
			}
		}
		if (t->off + t->bytes > n->arena_bytes)
			n->arena_bytes = t->off + t->bytes;
		if (n->arena_bytes > CB_NN_BYTES_MAX) {
			free(order);
			return cb_nn_too_large(p);
		}
	}
	free(order);
	/* parts, whose wholes may be parts again */
	for (int i = 0; i < n->ntensors; i++) {
		size_t off = 0;
		int a = i;

		for (; n->tensor[a].parent >= 0; a = n->tensor[a].parent)
			off += n->tensor[a].poff;
		if (a != i)
			n->tensor[i].off = off + n->tensor[a].off;
	}
	return 0;
}
