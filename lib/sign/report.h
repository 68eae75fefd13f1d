/* SPDX-License-Identifier: Apache-2.0 */
/* What cb-sign says of signatures and files: events (cb-event(5): cb.signature,
 * cb.signature.checked, cb.file.inspected) or lines for people. */
#ifndef CB_SIGN_REPORT_H
#define CB_SIGN_REPORT_H

#include <stdbool.h>
#include <stddef.h>
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

/* Verify n files (cb_verify_file; v's each and ctx are not used) and say of each signature, and of
 * each file, what came of it. All are looked at, and -1 is the first false one (CB_E_NO), or,
 * where none is, the first that could not be checked; or that it could not be said. */
int cb_report_verify(struct cb_sign_report *r, const struct cb_verifying *v, const char *const *path, size_t n,
		     struct cb_err *err);
/* Look at a file, or at stdin ("-"), and say what it is. */
int cb_report_inspect(struct cb_sign_report *r, const char *path, struct cb_err *err);
/* The keys of n files (cb_signers_load) as lines of ssh's allowed_signers: principal may sign with
 * them for this namespace. */
int cb_report_signers(struct cb_sign_report *r, const char *const *path, size_t n, const char *principal,
		      const char *namespace, struct cb_err *err);

#endif
