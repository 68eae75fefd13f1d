/* SPDX-License-Identifier: Apache-2.0 */
/* Findings and verdicts in words: events (cb-event(5)) for programs, sentences for people. */
#ifndef CB_VERIFY_REPORT_H
#define CB_VERIFY_REPORT_H

#include "base/buf.h"
#include "verify/verify.h"

/* "true", "false", "unchecked": what it comes to. failed: verifying ended before its end. */
const char *cb_verdict_name(const struct cb_verified *r, bool failed);
/* The exit status: 0, CB_E_NO, or a code that says that something could not be checked. */
enum cb_errc cb_verdict_code(const struct cb_verified *r);

/* A line without LF, in line (emptied first). path: what is verified, as it was named; n makes
 * events' ids different. -1: no memory. */
int cb_report_finding(struct cb_buf *line, uint32_t n, const char *path, const struct cb_finding *f,
		      struct cb_err *err);
/* why: NULL, or why it could not be verified to its end. */
int cb_report_verdict(struct cb_buf *line, uint32_t n, const char *path, const struct cb_verified *r,
		      const char *why, struct cb_err *err);
/* The same as text: a finding is one line, a verdict several, each with LF. */
int cb_tell_finding(struct cb_buf *text, const char *path, const struct cb_finding *f, struct cb_err *err);
int cb_tell_verdict(struct cb_buf *text, const char *path, const struct cb_verified *r, const char *why,
		    struct cb_err *err);

#endif
