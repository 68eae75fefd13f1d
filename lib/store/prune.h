/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: which sealed segments and event files go, and deleting them.
 *
 * Held footage (store/hold.h) stays whatever the rules say, open and damaged segments stay, and
 * so does one whose manifest somebody else holds a lock on (flock(2), shared, as cb-export
 * does). What goes is on the disk as an event before the first byte of it is gone, and is
 * remembered in cameras/<camera>/pruned, so that its absence is not taken for a loss. */
#ifndef CB_STORE_PRUNE_H
#define CB_STORE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/spans.h"
#include "store/store.h"

struct cb_prune_opts {
	const char *camera;		/* NULL: all, and then bytes is about the whole store */
	int64_t now_ns;
	int64_t older_ns;		/* segments that ended longer ago go; 0: no such rule */
	const struct cb_spans *around;	/* NULL, or: of these only what touches none of the spans */
	int64_t events_older_ns;	/* hours of events that ended longer ago go; 0: none */
	uint64_t bytes;			/* the oldest go until so many are left; UINT64_MAX: no rule */
	uint64_t free;			/* the oldest go until the file system has so many free; 0 */
	int64_t keep_ns;		/* what ended less long ago stays, whatever bytes and free say */
	bool dry_run;			/* change nothing */
	bool force;			/* also where more than half would go */
	/* Each event: cb.retention.deleted for each segment and event file before anything of it is
	 * deleted (so a failure here deletes nothing), cb.retention.short, and cb.retention.done as the last. */
	cb_line_fn *event;
	void *ctx;
};
struct cb_prune_totals {
	uint64_t segments, files, bytes;	/* deleted: segments, event files, bytes of both */
	uint64_t held, busy;			/* stayed for a hold; for a lock */
	uint64_t missing;			/* bytes that bytes and free want and did not get */
};
/* CB_E_NO: more than half of the segments would go; nothing was deleted. -1 otherwise: stopped
 * at what failed; what was deleted until then is deleted. Ends early, with 0, on a request to
 * stop. *ret is filled in either case. */
int cb_prune(const struct cb_store *s, const struct cb_prune_opts *o, struct cb_prune_totals *ret,
	     struct cb_err *err);

#endif
