/* SPDX-License-Identifier: Apache-2.0 */
/* From alerts to notices: who is told, when, of what together, and what is held back, in event
 * time as alerts are (alert/alert.h). Every step is a decision, an event of its own, so that
 *
 *     in = delivered + dead + suppressed + waiting
 *
 * can be shown from decisions alone. The unit is an item: an alert (or that one is over, a
 * repetition, a summary) for one sink.
 *
 *     fired ─┬─ silenced, inhibited, limited, unrouted           suppressed
 *            └─ [grouped] ─ [deferred] ─ queued in a notice ─ delivered | dead
 *
 * A notice is what a sink gets: the alert's own event where its route does not group, else a
 * cb.alert.notice of all that has come together. Its id is made of its sink and its first item,
 * so that one that is made again after a crash is known to be the same. */
#ifndef CB_ALERT_NOTIFY_H
#define CB_ALERT_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/alert.h"
#include "alert/route.h"
#include "base/buf.h"
#include "base/err.h"

#define CB_ITEMS_MAX 10000	/* that wait in a group; then it is told early */
#define CB_ITEMS_NAMED 20	/* of them stand in a notice, "and so many more" */
#define CB_NOTIFY_GROUPS 4096	/* with something to remember; then the oldest are told early */

struct cb_notify;

struct cb_notice {
	const char *id, *sink;
	const char *group;		/* what its items have in common, as text */
	const char *severity, *title, *text;
	const struct cb_buf *line;
	int64_t t_us;
	uint32_t alerts;		/* items in it */
};

/* All may be called from any function that takes err; -1 with err set stops. */
struct cb_notify_ops {
	int (*decide)(void *ctx, const struct cb_buf *line, struct cb_err *err);
	int (*send)(void *ctx, const struct cb_notice *n, struct cb_err *err);
	void *ctx;
};

/* rules and silences (or NULL) are the caller's and outlive this. */
int cb_notify_new(struct cb_notify **ret, const struct cb_rules *rules, const struct cb_silences *silences,
		  const struct cb_notify_ops *ops, struct cb_err *err);
void cb_notify_free(struct cb_notify *n);
int cb_notify_alert(struct cb_notify *n, const struct cb_alert_out *o, struct cb_err *err);

/* As cb_alert_next, cb_alert_until; and time set back. Time is known to go on until horizon_us: of
 * what would be repeated several times before that only the last repetition is told. */
int64_t cb_notify_next(const struct cb_notify *n);
int cb_notify_until(struct cb_notify *n, int64_t t_us, int64_t horizon_us, struct cb_err *err);
void cb_notify_back(struct cb_notify *n, int64_t by_us);
/* Tell all that waits, quiet hours or not: nothing will come that could. */
int cb_notify_flush(struct cb_notify *n, int64_t t_us, struct cb_err *err);

/* Write a decision that was made elsewhere: what became of a notice at its sink. */
struct cb_fate {
	const char *decision, *note, *sink, *reason;
	uint32_t attempt;		/* 0: nothing to say */
	int64_t t_us, next_us;		/* next: when it is tried again; 0: not */
	uint64_t number;		/* makes its id unique */
};
int cb_notify_fate(struct cb_notify *n, const struct cb_fate *f, struct cb_err *err);

struct cb_notify_sum {
	uint64_t fired, silenced, inhibited, limited, unrouted, queued, notices;
	uint64_t waiting;		/* counted, not subtracted */
};
void cb_notify_sum(const struct cb_notify *n, struct cb_notify_sum *ret);
/* The same as an event, cb.alert.account, in *out. */
int cb_notify_account(struct cb_notify *n, int64_t t_us, struct cb_buf *out, struct cb_err *err);

/* All that is remembered, as lines of JSON, and such a line read again, as cb_alert_save and
 * cb_alert_load. Items of a route that is no more are decided unrouted. */
int cb_notify_save(struct cb_notify *n, struct cb_buf *out, struct cb_err *err);
int cb_notify_load(struct cb_notify *n, const struct cb_json *j, struct cb_err *err);
/* Sums and what was not yet written down go on from those of another one, which this has loaded. */
void cb_notify_succeed(struct cb_notify *n, struct cb_notify *old);
/* What has come to wait, and gone, since the last call: lines for cb_notify_load, to be kept
 * where a crash cannot take them. */
int cb_notify_journal(struct cb_notify *n, struct cb_buf *out, struct cb_err *err);
/* The same lines, which stay. */
const struct cb_buf *cb_notify_pending(const struct cb_notify *n);

#endif
