/* SPDX-License-Identifier: Apache-2.0 */
/* Errors on the caller's stack: build, prefix, translate errno. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int cb_err_set(struct cb_err *err, enum cb_errc code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->code = code;
	err->sys = 0;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

int cb_err_sys(struct cb_err *err, enum cb_errc code, int errnum, const char *fmt, ...)
{
	char why[128];
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	err->code = code;
	err->sys = errnum;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s",
		 strerror_r(errnum, why, sizeof(why)));
	return -1;
}

int cb_err_prefix(struct cb_err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	if (n + 3 < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %.*s",
			 (int)(sizeof(err->msg) - n - 3), old);
	return -1;
}

int cb_err_nomem(struct cb_err *err)
{
	return cb_err_set(err, CB_E_OS, "out of memory");
}

enum cb_errc cb_errc_open(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return CB_E_PERM;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return CB_E_OS;
	case EIO:
	case EINTR:
	case ENOSPC:
	case EDQUOT:
		return CB_E_IO;
	default:
		return CB_E_NOINPUT;
	}
}
