/* SPDX-License-Identifier: Apache-2.0 */
/* A whole log (cb-log(5)) against whom the verifier believes: every file that a reader can be
 * given, every entry, every seal, the tree, its checkpoint, and what older checkpoints said.
 *
 * Two kinds of answer are kept apart: what was checked and is false, and what could not be
 * checked. A log is read once, from its first entry to its last, in memory that does not grow
 * with it. Nothing in the log itself is a reason to believe it: whose checkpoints count comes
 * from the policy. */
#ifndef CB_LOG_CHECK_H
#define CB_LOG_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "log/merkle.h"
#include "log/note.h"
#include "log/proof.h"
#include "log/tile.h"

enum cb_found {
	CB_FOUND_FALSE,		/* checked, and not true */
	CB_FOUND_UNCHECKED,	/* could not be checked */
	CB_FOUND_NOTE,		/* true, and worth knowing */
};

#define CB_NO_ENTRY UINT64_MAX
#define CB_NO_EPOCH (-1)

/* One thing found. code is a word for programs, of those in cb-verify(1); text is for people. */
struct cb_log_finding {
	enum cb_found kind;
	const char *code, *text;
	const char *file;		/* relative to the log, or NULL */
	int64_t byte;			/* in the file, or -1 */
	uint64_t from, to;		/* entries, from <= i < to, or CB_NO_ENTRY */
	int64_t epoch;			/* or CB_NO_EPOCH */
	int64_t recorded_us;		/* of the (first) entry, or INT64_MIN */
};
typedef int cb_log_finding_fn(void *ctx, const struct cb_log_finding *f, struct cb_err *err);

/* An older checkpoint that somebody kept. */
struct cb_log_older {
	const char *name;		/* for messages */
	const char *text;		/* the note */
	size_t len;
};

struct cb_log_check {
	/* whom to believe; NULL: nobody, and then the signatures are not looked at */
	const struct cb_policy *policy;
	/* the log must go on from these; at most CB_LOG_OLDER_MAX */
	const struct cb_log_older *older;
	size_t n_older;
	/* the checkpoint must also be signed by its epoch's key */
	bool forward_secure;
	/* this organisation's key, of 32 bytes, must have signed the enrolment; or NULL */
	const uint8_t *org;
	/* the last entry must not be older than this at now_us; 0: any age will do */
	int64_t now_us, max_age_us;
	/* if set: sees every entry that is what the tree says, in order; signed_ is false for one
	 * behind the checkpoint. Its failure ends the check. */
	int (*entry)(void *ctx, uint64_t index, const uint8_t *entry, size_t n, bool signed_,
		     struct cb_err *err);
	cb_log_finding_fn *found;
	void *ctx;			/* of both */
};
#define CB_LOG_OLDER_MAX 64

struct cb_log_checked {
	uint64_t entries;		/* read and compared */
	uint64_t pruned;		/* before them, known by their hashes alone */
	uint64_t seals;
	uint64_t bytes;			/* read */
	uint64_t findings, unchecked;	/* CB_FOUND_FALSE, CB_FOUND_UNCHECKED */
	struct cb_policy_view view;	/* of the checkpoint; view.c is not to be believed where
					 * view.log is NULL. view.c.extra is NULL */
	bool has_checkpoint;
	bool enrolled;			/* it begins with an enrolment */
	int64_t epoch;			/* the last one sealed, or CB_NO_EPOCH */
	int64_t first_us, last_us;	/* recordedtime of the first and the last entry read */
};
/* -1: no memory, a file that cannot be read, found or entry failed, or a request to stop
 * (CB_E_TEMP). Everything else is a finding. */
int cb_log_check(struct cb_tiles *t, const struct cb_log_check *c, struct cb_log_checked *ret,
		 struct cb_err *err);

#endif
