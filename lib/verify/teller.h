/* SPDX-License-Identifier: Apache-2.0 */
/* Writing down what verifying finds, as it is found: findings and verdicts (report.h) to an
 * output, as events or as text. What cb-verify and cb-audit verify say is made here.
 *
 * Set out, text and path, zero the rest; one object serves one path after another. */
#ifndef CB_VERIFY_TELLER_H
#define CB_VERIFY_TELLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "verify/verify.h"

struct cb_teller {
	struct cb_out *out;
	bool text;		/* for people; else events, a line each */
	const char *path;	/* what is verified, as it was named */
	uint32_t n;		/* lines so far: makes events' ids different */
	struct cb_buf line;
};
void cb_teller_release(struct cb_teller *t);
/* struct cb_verify's found, with the teller as its ctx. */
int cb_teller_finding(void *teller, const struct cb_finding *f, struct cb_err *err);
/* Write the verdict, and turn *why into what it comes to, with the path: CB_E_NO where something
 * is false, which outdoes all else; where it failed (verifying ended before its end) the error
 * that it failed with; CB_E_DATA where something could not be checked; untouched where it is
 * true. -1: out failed, no memory. */
int cb_teller_verdict(struct cb_teller *t, const struct cb_verified *r, bool failed, struct cb_err *why,
		      struct cb_err *err);

/* Verify the log in path and write all of it to out (as text to a terminal). policy: a file that
 * says whom to believe; NULL: the log's own, and a finding of its own says so. older: a file with
 * a checkpoint that it must go on from; NULL: none. 0: true; CB_E_NO: false; others: it could
 * not be checked, or written. */
int cb_tell_log(const char *path, const char *policy, const char *older, struct cb_out *out, struct cb_err *err);

#endif
