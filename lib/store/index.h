/* SPDX-License-Identifier: Apache-2.0 */
/* The index: what the end lines of all sealed manifests say, in LMDB, so that a query need
 * not open them. Derived from the store, rebuilt by cb-store reindex, never repaired, and
 * never believed where file and entry differ. */
#ifndef CB_STORE_INDEX_H
#define CB_STORE_INDEX_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "store/store.h"

/* Fill a sealed segment from its entry, if the manifest is the file that was indexed. Called
 * through the object, so that a program that opens no index is linked without LMDB. */
struct cb_index {
	bool (*get)(const struct cb_index *x, struct cb_segment *g, const struct stat *manifest);
};
/* NULL where there is none, it is damaged, or of another version. Its bytes are checked
 * against a digest before LMDB sees them. */
struct cb_index *cb_index_open(const struct cb_store *s);
void cb_index_close(struct cb_index *x);

/* Build it anew and put it in the place of the old one. */
int cb_index_build(const struct cb_store *s, uint64_t *ret_segments, struct cb_err *err);

#endif
