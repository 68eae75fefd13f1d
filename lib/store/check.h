/* SPDX-License-Identifier: Apache-2.0 */
/* Everything in a store against what its manifests say: every digest, every packet, every
 * event line. */
#ifndef CB_STORE_CHECK_H
#define CB_STORE_CHECK_H

#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct cb_check_totals {
	uint64_t cameras, segments, open, fragments, packets, bytes, events;
	uint64_t encrypted, destroyed;	/* segments whose packets nobody could look at: for want of an
					 * identity; because their key was destroyed */
	uint64_t findings;
};
/* A thing that is false. path is relative to the store; fragment -1 where it is about more
 * than one. */
typedef int cb_finding_fn(void *ctx, const char *camera, const char *path, int64_t fragment,
			  const char *text, struct cb_err *err);
/* Of encrypted segments, what is stored is checked, and with s->keys what is in them as well. camera: NULL for all. -1: could not check (err), or fn failed. Ends early, with 0, on a
 * request to stop. */
int cb_check(const struct cb_store *s, const char *camera, cb_finding_fn *fn, void *ctx,
	     struct cb_check_totals *ret, struct cb_err *err);

#endif
