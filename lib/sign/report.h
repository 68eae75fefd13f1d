/* SPDX-License-Identifier: Apache-2.0 */
/* What cb-sign says of signatures and files: events (cb-event(5): cb.signature,
 * cb.signature.checked, cb.file.inspected) or lines for people. */
#ifndef CB_SIGN_REPORT_H
#define CB_SIGN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "sign/files.h"

struct cb_sign_report {
	struct cb_out *out;
	bool text;			/* for people */
	uint32_t n;			/* events so far */
	struct cb_buf line;
};
void cb_sign_report_release(struct cb_sign_report *r);

/* One signature: a struct cb_verifying's each, with a struct cb_sign_report. */
int cb_report_signature(void *report, const struct cb_signature *s, struct cb_err *err);
/* All of a file's: what cb_verify_file said. */
int cb_report_checked(struct cb_sign_report *r, const char *path, unsigned signers, unsigned threshold,
		      int result, const struct cb_err *why, struct cb_err *err);
/* Look at a file, or at stdin ("-"), and say what it is. */
int cb_report_inspect(struct cb_sign_report *r, const char *path, struct cb_err *err);

#endif
