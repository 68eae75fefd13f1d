/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, routes and silences at work together, in one time, with a memory that may outlive the
 * process, and rules that can be exchanged.
 *
 * Memory is two files of a directory: memory.ndjson, all that is remembered, written whole every
 * CB_DESK_SAVE_NS and at the end; and waiting.ndjson, what has come to wait for its notice since
 * and what has been sent, appended and synced before anybody hears of it (cb_desk_sync). So what
 * waits survives a kill; what is merely counted may be CB_DESK_SAVE_NS old, which can tell a thing
 * twice that is new or changed, and can make a count begin later. */
#ifndef CB_ALERT_DESK_H
#define CB_ALERT_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/alert.h"
#include "alert/notify.h"
#include "base/err.h"

#define CB_DESK_SAVE_NS INT64_C(10000000000)	/* of the monotonic clock */

struct cb_desk;

struct cb_desk_opts {
	const char *config;
	const char *state;	/* directory, made where it is not there; NULL: none */
	cb_alert_fn *alert;	/* sees every alert, before its decisions */
	struct cb_notify_ops ops;	/* its ctx is the one of alert, too */
};

/* Errors of the rules and silences are CB_E_CONFIG with the place; CB_E_TEMP where another process
 * has the state; CB_E_DATA where that is damaged. */
int cb_desk_open(struct cb_desk **ret, const struct cb_desk_opts *o, struct cb_err *err);
void cb_desk_free(struct cb_desk *d);
const struct cb_rules *cb_desk_rules(const struct cb_desk *d);
struct cb_notify *cb_desk_notify(struct cb_desk *d);
const struct cb_alert *cb_desk_alerts(const struct cb_desk *d);

/* As cb_alert_parse and cb_alert_apply, after all that was due before this event. */
int cb_desk_parse(struct cb_desk *d, const char *line, size_t len, struct cb_err *err);
int cb_desk_due(struct cb_desk *d, struct cb_err *err);
int cb_desk_apply(struct cb_desk *d, struct cb_err *err);
/* Time is t_us now, without an event. */
int cb_desk_pass(struct cb_desk *d, int64_t t_us, struct cb_err *err);
/* Event time (INT64_MIN before there was any), and when something is due. */
int64_t cb_desk_now(const struct cb_desk *d);
/* By the wall clock, how long ago the memory that was loaded was written; 0: there was none. */
int64_t cb_desk_slept_us(const struct cb_desk *d);
int64_t cb_desk_next(const struct cb_desk *d);

/* Read rules and silences again. -1: they are wrong, and the old ones go on. What the old ones
 * remembered stays where a rule or route is still the same. */
int cb_desk_reload(struct cb_desk *d, struct cb_err *err);

/* What waits is in the journal when this returns, where the process' death does not take it; with
 * hard, and once a second without, it is on the disk. The rest now and then. */
int cb_desk_sync(struct cb_desk *d, bool hard, struct cb_err *err);
/* What the next sync writes into the journal, for who keeps it elsewhere before; and such lines from
 * a process that died, the last ones that it kept: whether they are in the journal or not, they hold,
 * and the state is written whole. */
const struct cb_buf *cb_desk_pending(const struct cb_desk *d);
int cb_desk_recall(struct cb_desk *d, const struct cb_buf *lines, struct cb_err *err);
/* Something has failed: keep what there is, and do nothing more. */
int cb_desk_keep(struct cb_desk *d, struct cb_err *err);
/* The end: with a state, all that waits is kept there; without one it is told now. */
int cb_desk_end(struct cb_desk *d, struct cb_err *err);

#endif
