/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a log by time, type and camera. What is given is what lies there; nobody has
 * checked it. */
#ifndef CB_LOG_QUERY_H
#define CB_LOG_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/seal.h"
#include "log/tile.h"
#include "wire/siem.h"

struct cb_log_query {
	uint64_t from, to;		/* indices, from <= i < to */
	int64_t from_us, to_us;		/* recordedtime, the same; INT64_MIN, INT64_MAX: any */
	const char *type;		/* this type, or those that begin with it and a dot; NULL: any */
	const char *camera;		/* subject; NULL: any */
};
#define CB_LOG_QUERY_ALL { 0, UINT64_MAX, INT64_MIN, INT64_MAX, NULL, NULL }

/* Each in order. e->json lives until the next. -1 ends it. */
typedef int cb_log_entry_fn(void *ctx, uint64_t index, const struct cb_entry *e, const uint8_t *p, size_t n,
			    struct cb_err *err);
/* Pruned entries are passed over. *ret_next: the index after the last one looked at (may be
 * NULL). CB_E_DATA: an entry that is none. */
int cb_log_query(struct cb_tiles *t, const struct cb_log_query *q, cb_log_entry_fn *fn, void *ctx,
		 uint64_t *ret_next, struct cb_err *err);

/* Append an entry as a line for a SIEM, without LF: as the event that it is, or, where it is
 * none, as an event of type cb.log.entry with it as data. j is for parsing. */
int cb_log_siem(struct cb_buf *out, enum cb_siem format, struct cb_json *j, const uint8_t *p, size_t n,
		const struct cb_siem_about *about, struct cb_err *err);

#endif
