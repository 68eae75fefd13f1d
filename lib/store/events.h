/* SPDX-License-Identifier: Apache-2.0 */
/* The event files of a store: cameras/<camera>/<day>/<HH>.events, NDJSON, append-only. The
 * camera is the event's subject, the hour that of data.t_us (else time, else now). Events
 * without a subject that can be a camera's name lie under "_other". */
#ifndef CB_STORE_EVENTS_H
#define CB_STORE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"
#include "wire/event.h"

#define CB_EVENTS_OTHER "_other"

/* Appends lines; several programs may append to one file at a time. once: an event that its
 * hour's file holds already, whoever stored it (the same source and id), is not stored again.
 * That is known of the first CB_ONCE_MAX events of a file, and of fewer where that would take
 * more than CB_ONCE_ALL slots for the files written at a time. */
struct cb_events;
int cb_events_open(struct cb_events **ret, const struct cb_store *s, bool once, struct cb_err *err);
/* One line without its LF. Kept in memory until flush; what a torn line of an earlier crash
 * left is closed with an LF first. camera: NULL, or where to put it whatever its subject.
 * CB_E_DATA: no event (nothing is kept of it). */
int cb_events_add(struct cb_events *e, const char *camera, const char *line, size_t len,
		  struct cb_err *err);
/* Write what was added, and have it on the disk. Errors: IO, PERM, CANTCREAT; lines of files
 * that failed are dropped. */
int cb_events_flush(struct cb_events *e, struct cb_err *err);
struct cb_events_totals {
	uint64_t stored;
	uint64_t known;		/* not stored: they were there */
	uint64_t unwatched;	/* stored beyond what can be known: they may come twice */
};
/* Of what was flushed. */
void cb_events_totals(const struct cb_events *e, struct cb_events_totals *ret);
/* Bytes waiting for a flush. */
size_t cb_events_pending(const struct cb_events *e);
void cb_events_free(struct cb_events *e);

/* Call fn for each line of a camera in a range, in the order in which they were stored.
 * ev is NULL for a line that is no event (given whatever the range). line_no counts from 1;
 * file is relative to the store. fn's failure ends it; a request to stop ends it early, with 0. */
typedef int cb_event_fn(void *ctx, const char *file, uint64_t line_no, const struct cb_event *ev,
			const char *line, size_t len, struct cb_err *err);
int cb_events_read(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		   cb_event_fn *fn, void *ctx, struct cb_err *err);

#endif
