/* SPDX-License-Identifier: Apache-2.0 */
/* What cb-alert(1) counts itself, for Prometheus (text exposition format 0.0.4), beside the figures
 * of the sinks (deliver/status.h). Counters begin at 0 with the process. */
#ifndef CB_TELL_METRICS_H
#define CB_TELL_METRICS_H

#include <stdint.h>

#include "alert/notify.h"
#include "base/buf.h"
#include "base/err.h"

struct cb_tell_counts {
	uint64_t events, bad;		/* read; of them no events */
	uint64_t alerts, hooks, hooks_failed;
	struct cb_notify_sum items;
};
/* Appended to b. */
int cb_tell_metrics(struct cb_buf *b, const struct cb_tell_counts *c, struct cb_err *err);

#endif
