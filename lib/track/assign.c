/* SPDX-License-Identifier: Apache-2.0 */
/* Optimal assignment on sparse pairs. */
#include "track/assign.h"

#include <stdlib.h>
#include <string.h>

void cb_assign_clear(struct cb_assign *a)
{
	a->pairs = 0;
}

int cb_assign_add(struct cb_assign *a, uint32_t row, uint32_t col, int32_t cost, struct cb_err *err)
{
	if (a->pairs == a->cap) {
		uint32_t cap = a->cap ? 2 * a->cap : 256;
		struct cb_pair *p = cap < a->cap ? NULL : reallocarray(a->pair, cap, sizeof(*p));

		if (!p)
			return cb_err_nomem(err);
		a->pair = p;
		a->cap = cap;
	}
	a->pair[a->pairs++] = (struct cb_pair){ row, col, cost };
	return 0;
}

void cb_assign_release(struct cb_assign *a)
{
	free(a->pair);
	free(a->room);
	*a = (struct cb_assign){ 0 };
}

struct work {
	int64_t *u, *v;		/* prices of rows and columns */
	int64_t *dist;		/* of columns */
	uint32_t *first;	/* of a row's pairs; rows + 1 of them */
	uint32_t *owner;	/* of a column */
	uint32_t *from;		/* row from which a column was reached */
	uint32_t *reached;	/* columns of this search: done ones first */
	uint8_t *seen;		/* of columns: reached */
};

static int room(struct cb_assign *a, struct work *w, uint32_t rows, uint32_t cols, struct cb_err *err)
{
	size_t n = (size_t)rows * 8 + (size_t)cols * 16 + ((size_t)rows + 1) * 4 + (size_t)cols * 13;
	uint8_t *p;

	if (a->room_bytes < n) {
		p = realloc(a->room, n);
		if (!p)
			return cb_err_nomem(err);
		a->room = p;
		a->room_bytes = n;
	}
	p = a->room;
	memset(p, 0, n);
	w->u = (int64_t *)p;
	w->v = w->u + rows;
	w->dist = w->v + cols;
	w->first = (uint32_t *)(w->dist + cols);
	w->owner = w->first + rows + 1;
	w->from = w->owner + cols;
	w->reached = w->from + cols;
	w->seen = (uint8_t *)(w->reached + cols);
	for (uint32_t c = 0; c < cols; c++)
		w->owner[c] = CB_ASSIGN_NONE;
	return 0;
}

/* Give row start a column, or take another row's away, along the cheapest path. A path ends at
 * a free column, or at a row that is better left without one. */
static void augment(const struct cb_assign *a, struct work *w, uint32_t start, int32_t limit,
		    uint32_t *match)
{
	uint32_t n = 0, done = 0, row = start, end_col = CB_ASSIGN_NONE, end_row = start;
	int64_t base = 0, best = limit - w->u[start];	/* the path that ends at end_row without a column */

	for (;;) {
		uint32_t k = CB_ASSIGN_NONE;
		int64_t low = INT64_MAX;

		for (uint32_t i = w->first[row]; i < w->first[row + 1]; i++) {
			uint32_t c = a->pair[i].col;
			int64_t d = base + a->pair[i].cost - w->u[row] - w->v[c];

			if (!w->seen[c]) {
				w->seen[c] = 1;
				w->reached[n++] = c;
			} else if (d >= w->dist[c]) {
				continue;
			}
			w->dist[c] = d;
			w->from[c] = row;
		}
		/* the nearest column that is not done; of equals a free one, which ends the search */
		for (uint32_t i = done; i < n; i++) {
			uint32_t c = w->reached[i];

			if (w->dist[c] < low || (w->dist[c] == low && w->owner[c] == CB_ASSIGN_NONE &&
						 w->owner[w->reached[k]] != CB_ASSIGN_NONE)) {
				low = w->dist[c];
				k = i;
			}
		}
		if (k == CB_ASSIGN_NONE || low >= best)
			break;
		uint32_t c = w->reached[k];

		w->reached[k] = w->reached[done];
		w->reached[done++] = c;
		base = low;
		if (w->owner[c] == CB_ASSIGN_NONE) {
			best = low;
			end_col = c;
			break;
		}
		row = w->owner[c];
		if (base + limit - w->u[row] < best) {
			best = base + limit - w->u[row];
			end_row = row;
		}
	}

	/* new prices keep every reduced cost >= 0 and that of every pair formed 0 */
	w->u[start] += best;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t c = w->reached[i];

		w->seen[c] = 0;
		if (i >= done || w->dist[c] >= best)
			continue;
		w->v[c] -= best - w->dist[c];
		if (w->owner[c] != CB_ASSIGN_NONE)
			w->u[w->owner[c]] += best - w->dist[c];
	}

	/* the path backwards: each row takes the column by which the next one was reached */
	uint32_t c = end_col;

	if (c == CB_ASSIGN_NONE) {
		c = match[end_row];	/* NONE where it is start itself */
		match[end_row] = CB_ASSIGN_NONE;
	}
	while (c != CB_ASSIGN_NONE) {
		uint32_t r = w->from[c], next = match[r];

		w->owner[c] = r;
		match[r] = c;
		c = r == start ? CB_ASSIGN_NONE : next;
	}
}

int cb_assign_solve(struct cb_assign *a, uint32_t rows, uint32_t cols, int32_t limit,
		    uint32_t *ret_col, struct cb_err *err)
{
	struct work w = { 0 };

	for (uint32_t r = 0; r < rows; r++)
		ret_col[r] = CB_ASSIGN_NONE;
	if (a->pairs == 0)
		return 0;
	if (room(a, &w, rows, cols, err) < 0)
		return -1;
	for (uint32_t i = 0; i < a->pairs; i++)
		w.first[a->pair[i].row + 1]++;
	for (uint32_t r = 0; r < rows; r++)
		w.first[r + 1] += w.first[r];
	for (uint32_t r = 0; r < rows; r++)
		if (w.first[r] < w.first[r + 1])
			augment(a, &w, r, limit, ret_col);
	return 0;
}
