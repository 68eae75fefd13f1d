/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a spool, for people and for programs. */
#ifndef CB_DELIVER_STATUS_H
#define CB_DELIVER_STATUS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "deliver/spool.h"

/* The verbs of cb-alert(1), on the spool in dir, which another process may have open:
 *   status   a line a sink and one of sums, with the account; CB_E_NO where it does not balance
 *   dead     the dead notes, an object a line: id, sink, attempts, put_us, reason, event
 *   replay   dead ones back into the queue; how many, as text
 *   drop     dead ones away; the same
 *   metrics  the text of Prometheus (exposition format 0.0.4)
 * sink and id, where not NULL, choose for dead, replay and drop. */
enum cb_status_verb { CB_STATUS, CB_STATUS_DEAD, CB_STATUS_REPLAY, CB_STATUS_DROP, CB_STATUS_METRICS };
#define CB_STATUS_VERBS "status|dead|replay|drop|metrics"
int cb_status(enum cb_status_verb verb, const char *dir, const char *sink, const char *id, struct cb_out *out,
	      struct cb_err *err);

/* The metrics of an open spool, appended; and as a file, which appears whole, behind the text in
 * b, which grows by them. */
int cb_status_metrics(struct cb_spool *s, struct cb_buf *b, struct cb_err *err);
int cb_status_metrics_file(struct cb_spool *s, const char *path, struct cb_buf *b, struct cb_err *err);

#endif
