/* SPDX-License-Identifier: Apache-2.0 */
/* A recorder's signs of life: metrics for Prometheus, and what a service manager wants to hear
 * (base/notify.h). Both are fed from the loop that records, so that they stop when it does. */
#ifndef CB_STORE_PULSE_H
#define CB_STORE_PULSE_H

#include <stdint.h>

#include "base/err.h"
#include "base/notify.h"
#include "store/recorder.h"

#define CB_PULSE_NS (10 * INT64_C(1000000000))	/* metrics are written so often */

struct cb_pulse {
	struct cb_notify notify;
	const char *path;		/* of the metrics; NULL: none */
	int64_t written_ns;		/* monotonic */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
	bool warned;
};

/* Begin; path may be NULL. A file that cannot be written is an error now, and later said once
 * with warn. Nothing is recorded yet: that is what the first metrics say. */
int cb_pulse_open(struct cb_pulse *p, const char *path, void (*warn)(void *ctx, const char *text),
		  void *ctx, struct cb_err *err);
/* The loop turned; r is NULL before there is a recorder. Returns the milliseconds until the next
 * call is due, -1 for never. */
int cb_pulse_beat(struct cb_pulse *p, const struct cb_recorder *r);
/* The last metrics, STOPPING=1. r as above. */
void cb_pulse_close(struct cb_pulse *p, const struct cb_recorder *r);

#endif
