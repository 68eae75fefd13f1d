/* SPDX-License-Identifier: Apache-2.0 */
/* What a store says of a range beside the footage: its events, the runs that they are from, and the
 * stretches without footage. */
#ifndef CB_EXPORT_GATHER_H
#define CB_EXPORT_GATHER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#define CB_GATHER_RUNS 128	/* runs that are told apart; more are passed over */
#define CB_GATHER_MARKS 2000	/* marks on a timeline */
#define CB_RUN_ID 65		/* bytes of a run's id, with NUL */

struct cb_gathered_run {
	char id[CB_RUN_ID];
	bool used;		/* an event of the range is from it */
	char *line;		/* its cb.run event, or NULL where the store has none */
	size_t len;
};
struct cb_gathered {
	struct cb_buf events;	/* lines of the store, byte for byte, in its order, each with LF */
	struct cb_buf gaps;	/* lines as `cb-query gaps` gives them */
	struct cb_buf runs;	/* the cb.run events of the used runs, byte for byte */
	struct cb_buf marks;	/* "[t_us,type,text],": for a timeline, at most CB_GATHER_MARKS of them */
	uint64_t n_events, n_gaps, n_runs, n_marks;
	uint64_t unmarked;	/* events beyond those */
	uint64_t not_events;	/* lines that are none, left out */
	struct cb_gathered_run run[CB_GATHER_RUNS];
	size_t n_run;
};

/* Of a camera, from asked_from to asked_to, given the clip's own range, which may be wider.
 * Both ends may be INT64_MIN and INT64_MAX. Release in any case. Errors: IO, OS;
 * TEMP where somebody asked us to stop. */
int cb_gather(struct cb_gathered *ret, const struct cb_store *s, const char *camera, int64_t asked_from,
	      int64_t asked_to, int64_t given_from, int64_t given_to, struct cb_err *err);
void cb_gathered_release(struct cb_gathered *g);

#endif
