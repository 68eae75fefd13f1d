/* SPDX-License-Identifier: Apache-2.0 */
/* Optimal assignment: pairs of rows and columns of the least total cost.
 *
 * Each pair that may be formed has a cost below a limit; a row that gets no column costs the
 * limit. The total over all rows is the least possible, by shortest augmenting paths over reduced
 * costs (Jonker and Volgenant, Computing 38, 1987), on the pairs that are given only: rows and
 * columns without a pair in common never meet. Costs are integers, so the result does not hang on
 * rounding; of several best ones it is always the same one.
 */
#ifndef CB_TRACK_ASSIGN_H
#define CB_TRACK_ASSIGN_H

#include <stdint.h>

#include "base/err.h"

#define CB_ASSIGN_NONE UINT32_MAX

struct cb_pair {
	uint32_t row, col;
	int32_t cost;		/* 0 to below the limit */
};

/* Room for the work, kept between calls; all zero is empty. */
struct cb_assign {
	struct cb_pair *pair;	/* filled by cb_assign_add */
	uint32_t pairs, cap;
	void *room;		/* private */
	size_t room_bytes;
};

/* Begin anew. */
void cb_assign_clear(struct cb_assign *a);
/* Pairs come by ascending row, and of a row each column once. -1: no memory. */
int cb_assign_add(struct cb_assign *a, uint32_t row, uint32_t col, int32_t cost, struct cb_err *err);
/* ret_col[row] is its column or CB_ASSIGN_NONE, for rows 0 to rows - 1. Time: at worst
 * rows * (pairs + columns^2), in a street scene next to nothing. -1: no memory. */
int cb_assign_solve(struct cb_assign *a, uint32_t rows, uint32_t cols, int32_t limit,
		    uint32_t *ret_col, struct cb_err *err);
void cb_assign_release(struct cb_assign *a);

#endif
