/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts handed to sinks: at least once, in order a sink, across crashes of everybody.
 *
 * What is put goes into a spool (deliver/spool.h), a file that survives the process. A helper,
 * cb-deliver in libexec, reads the spool and delivers: it alone speaks to networks and starts
 * programs, and it may die without harm; it is started again. The one who puts never waits for
 * a sink, and a sink never waits for another.
 *
 *     conf = cb_deliver_conf(rules file)        sinks, checked; NULL: none
 *     cb_deliver_open -> cb_deliver_put ... cb_deliver_sync -> durable
 *                        cb_deliver_poll        decisions, as they come
 *     cb_deliver_drain -> cb_deliver_close
 *
 * One thread. Nothing here prints. SIGPIPE may come or be ignored: no pipe is written to.
 *
 * Accounting, for each sink, at any moment and over all restarts:
 *     in = delivered + dead + queued + dropped
 * dropped are those that the operator took out of the dead ones, and those for which the spool
 * had no room, each with a decision that says so. */
#ifndef CB_DELIVER_DELIVER_H
#define CB_DELIVER_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "deliver/conf.h"
#include "deliver/spool.h"

#define CB_METRICS_NS INT64_C(10000000000)

struct cb_deliver;

/* What happened to a note: deliver/spool.h has the struct. Called by cb_deliver_poll, sync and
 * drain alone; not from another thread. Told at least once: after a crash the last ones come
 * again, word for word. -1 with err set stops the poll, and it will come again. */
typedef int cb_deliver_fn(void *ctx, const struct cb_decision *d, struct cb_err *err);

struct cb_deliver_opts {
	const char *dir;	/* of the spool, made where it is not there (0700) */
	cb_deliver_fn *on_event;	/* may be NULL */
	void (*tell)(void *ctx, const char *text);	/* for people; may be NULL */
	void *ctx;		/* of all of them */
	int out_fd;		/* where sinks of type stdout write; -1: none */
	const char *metrics;	/* a file for Prometheus, written every CB_METRICS_NS and at the end; or NULL */
	/* What else is to stand in it, appended to b. May be NULL. */
	int (*measure)(void *ctx, struct cb_buf *b, struct cb_err *err);
	int sandbox;		/* enum cb_sandbox_mode, for the helper */
	const char *helper;	/* NULL: cb-deliver where it is installed */
};

/* conf is the caller's and outlives this. CB_E_TEMP: another process delivers from this spool.
 * The helper is started, and goes on with what is in the spool. */
int cb_deliver_open(struct cb_deliver **ret, const struct cb_deliver_conf *conf,
		    const struct cb_deliver_opts *opts, struct cb_err *err);
/* Take a note for its sink, copied. Durable after the next sync; this syncs by itself when much
 * has come together. A note that is not put well (no such sink, too long) is CB_E_BUG or
 * CB_E_DATA, and nothing is kept. Where jpeg is NULL and the configuration names a directory of
 * snapshots, one is looked for there. */
int cb_deliver_put(struct cb_deliver *d, const struct cb_note_out *n, struct cb_err *err);
/* Everything put so far is in the spool, and on the disk. Cheap when there is nothing. */
int cb_deliver_sync(struct cb_deliver *d, struct cb_err *err);
/* The same, together with what the caller will say about it: see cb_spool_put, cb_spool_said,
 * cb_spool_unsaid. Where there is something to say, it is written even if nothing was put. */
int cb_deliver_sync_saying(struct cb_deliver *d, const struct cb_buf *saying, struct cb_err *err);
void cb_deliver_said(struct cb_deliver *d);
int cb_deliver_unsaid(struct cb_deliver *d, struct cb_buf *ret, struct cb_err *err);
/* Bytes put since the last sync. */
size_t cb_deliver_unsynced(const struct cb_deliver *d);
/* Tell the decisions that have come, look after the helper. Cheap; call it often. */
int cb_deliver_poll(struct cb_deliver *d, struct cb_err *err);
/* A descriptor that can be read when there is something to poll for. */
int cb_deliver_fd(const struct cb_deliver *d);
/* Sync, and poll until nothing is queued for a sink of the configuration, the time is over (< 0: none) or a stop is asked a
 * second time. Returns 1: empty, 0: not, -1. */
int cb_deliver_drain(struct cb_deliver *d, int64_t timeout_ns, struct cb_err *err);
/* Sync, let attempts that are under way end (for at most their time), poll a last time. The
 * helper has ended. */
int cb_deliver_stop(struct cb_deliver *d, struct cb_err *err);
/* Stops, where that was not done. What is queued stays in the spool; decisions heard after the last
 * cb_deliver_said come again. */
int cb_deliver_close(struct cb_deliver *d, struct cb_err *err);

/* Sums and sinks: deliver/spool.h. Of the spool that is open here. */
struct cb_spool *cb_deliver_spool(const struct cb_deliver *d);

#endif
