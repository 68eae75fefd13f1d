/* SPDX-License-Identifier: Apache-2.0 */
/* Where footage comes from, by the look of its name, and what of the name may be shown. */
#ifndef CB_WIRE_SOURCE_H
#define CB_WIRE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "wire/frame.h"

enum cb_source_kind {
	CB_SOURCE_FILE,		/* a path: a regular file, a FIFO */
	CB_SOURCE_STDIN,	/* "-" */
	CB_SOURCE_HTTP, CB_SOURCE_HTTPS, CB_SOURCE_RTSP, CB_SOURCE_RTSPS,
	CB_SOURCE_V4L2,		/* /dev/video* */
};

/* CB_E_USAGE for addresses that are no source. */
int cb_source_kind(enum cb_source_kind *ret, const char *source, struct cb_err *err);

/* Copy text with the user:password part of every address in it replaced by "***". */
void cb_url_redact(char *out, size_t cap, const char *text);
/* The host of an address, without the brackets of an IPv6 one. False: it has none, or a longer one. */
bool cb_url_host(char *out, size_t cap, const char *url);
/* Does it carry a user:password part? */
bool cb_url_has_userinfo(const char *url);
/* The address with this user:password, percent-encoded, in the place of its own. malloc'ed. */
char *cb_url_with_userinfo(const char *url, const char *userinfo);

/* A camera's name from a file name (without its ending), a host or a device, with what a
 * name may not have replaced by '-'; "camera" where nothing is left. */
void cb_source_camera(char out[static CB_NAME_MAX + 1], const char *source);

/* "user:password" from the first line of a file, or of descriptor N ("fd:N"), into a
 * malloc'ed string. CB_E_PERM where others may read the file, CB_E_DATA without a colon,
 * CB_E_NOINPUT where it cannot be opened. */
int cb_credentials_read(char **ret, const char *from, struct cb_err *err);

#endif
