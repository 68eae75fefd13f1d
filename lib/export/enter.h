/* SPDX-License-Identifier: Apache-2.0 */
/* The entry that an export leaves in the log: cb.export of cb-event(5). */
#ifndef CB_EXPORT_ENTER_H
#define CB_EXPORT_ENTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What was given away, and nothing of why or by whom, which may be about people. */
struct cb_export_entry {
	const char *camera;
	int64_t asked_from, asked_to;	/* ns; INT64_MIN, INT64_MAX: without limit */
	int64_t from_ns, to_ns;
	uint64_t segments, fragments, bytes;
	const uint8_t *list;		/* SHA-256 of SHA256SUMS, 32 bytes */
	const char *const *key;		/* numbers of the keys */
	size_t keys;
	bool encrypted;
};
/* It is on the disk when this returns 0. Errors are those of log/log.h;
 * TEMP where somebody else has held the log for half a minute. */
int cb_export_enter(const char *log, const struct cb_export_entry *e, struct cb_err *err);

#endif
