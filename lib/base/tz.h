/* SPDX-License-Identifier: Apache-2.0 */
/* Local time of a named time zone, for schedules and resets: from the system's time zone files
 * (TZif, RFC 9636, with the POSIX TZ rule at their end for times after the last change), the
 * same whatever zone the process runs in. Nothing here is global.
 */
#ifndef CB_BASE_TZ_H
#define CB_BASE_TZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cb_tz;

/* "UTC", an offset "+01:00", or a name such as "Europe/Paris". CB_E_NOINPUT where there is no such
 * zone here, CB_E_DATA where its file is damaged. */
int cb_tz_load(struct cb_tz **ret, const char *name, struct cb_err *err);
/* A file's bytes. */
int cb_tz_parse(struct cb_tz **ret, const void *p, size_t n, struct cb_err *err);
void cb_tz_free(struct cb_tz *tz);

/* Seconds that local time is ahead of UTC at a moment (seconds since 1970). */
int32_t cb_tz_offset(const struct cb_tz *tz, int64_t utc_s);

#endif
