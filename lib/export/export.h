/* SPDX-License-Identifier: Apache-2.0 */
/* An export: a clip of a camera's recording with all that is needed to show, without us, that it
 * is what was recorded (cb-bundle(5)). */
#ifndef CB_EXPORT_EXPORT_H
#define CB_EXPORT_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/minisign_sign.h"
#include "export/bundle.h"
#include "export/case.h"
#include "store/store.h"

struct cb_export_opts {
	const char *camera;
	int64_t from_ns, to_ns;		/* INT64_MIN, INT64_MAX: all */
	const char *purpose, *by;	/* NULL: none */
	int64_t now_ns;
	struct cb_seckey *const *key;	/* who signs */
	size_t keys;			/* at most CB_CASE_KEYS */
	const char *log;		/* directory of the log; NULL: none */
	bool enter;			/* the export itself into that log */
	bool require_proofs;		/* CB_E_NO unless all of the clip is proved */
	struct cb_bundle_opts out;	/* top and mtime_s are filled in */
};
struct cb_export_totals {
	uint64_t segments, fragments, bytes, events, gaps;
	bool log;			/* there is one */
	uint64_t unproved;		/* segments without a proof, */
	char why[200];			/* the first one's reason */
	uint64_t leading;		/* pictures that cannot be decoded */
	uint64_t not_events;		/* lines of the store that are none, left out */
	int64_t from_ns, to_ns;		/* what was given */
	uint8_t list[CB_SHA256_LEN];	/* SHA-256 of SHA256SUMS */
};

/* The log has the export's entry before anything is in its place; where it cannot be written, nothing
 * is exported. Errors: NO (nothing was recorded there; a proof is missing and required), DATA (footage is
 * damaged), IO, CANTCREAT, PERM, TEMP (stopped), USAGE (a key
 * is given twice). */
int cb_export(const struct cb_store *s, const struct cb_export_opts *o, struct cb_export_totals *ret,
	      struct cb_err *err);

#endif
