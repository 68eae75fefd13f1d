/* SPDX-License-Identifier: Apache-2.0 */
/* The one error idiom: a message and an exit status on the caller's stack.
 *
 * Functions that can fail take `struct cb_err *err` last and return 0 (or a count) on
 * success, -1 on failure. Nothing is allocated. NULL is allowed and discards the reason.
 * On failure outputs are untouched and the object can still be released.
 *
 * A message reads outside-in, each layer adding what it alone knows:
 *     cb-record: /srv/cb: segment 12: frame 881: short read: Input/output error
 *
 * The codes are exit statuses (cb(7), EXIT STATUS), so a tool's exit is its error's code.
 */
#ifndef CB_BASE_ERR_H
#define CB_BASE_ERR_H

#include <stddef.h>

enum cb_errc {
	CB_OK = 0,
	CB_E_NO = 1,		/* checked, and the answer is no */
	CB_E_USAGE = 64,	/* called wrongly */
	CB_E_DATA = 65,		/* input is damaged, truncated or not what it should be */
	CB_E_NOINPUT = 66,	/* an input cannot be opened */
	CB_E_UNAVAIL = 69,	/* a peer or camera cannot be reached; retry */
	CB_E_BUG = 70,		/* a defect in this program */
	CB_E_OS = 71,		/* no memory, descriptors, threads */
	CB_E_CANTCREAT = 73,	/* an output cannot be created */
	CB_E_IO = 74,		/* reading or writing failed, stdout included */
	CB_E_TEMP = 75,		/* somebody else holds it; retry */
	CB_E_PROTOCOL = 76,	/* a peer broke its protocol */
	CB_E_PERM = 77,		/* not permitted */
	CB_E_CONFIG = 78,	/* a configuration file is wrong */
};

struct cb_err {
	enum cb_errc code;
	int sys;		/* errno, or 0 */
	char msg[512];
};
#define CB_ERR_INIT { CB_OK, 0, "" }

/* Set a new error. Returns -1, so that a failure is one return line. */
int cb_err_set(struct cb_err *err, enum cb_errc code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, with ": " and strerror(errnum) after it. */
int cb_err_sys(struct cb_err *err, enum cb_errc code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Put "CONTEXT: " before the message. Returns -1. */
int cb_err_prefix(struct cb_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Out of memory, as CB_E_OS. Returns -1. */
int cb_err_nomem(struct cb_err *err);
/* The code for a failed open(2): NOINPUT or, for permission, PERM; OS and IO for what is not the
 * name's fault. */
enum cb_errc cb_errc_open(int errnum);

#endif
