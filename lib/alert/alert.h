/* SPDX-License-Identifier: Apache-2.0 */
/* Rules applied to events: events in, alerts out, in event time only, so that the same events
 * and rules give the same alerts, bytes and ids included. */
#ifndef CB_ALERT_ALERT_H
#define CB_ALERT_ALERT_H

#include <stddef.h>
#include <stdint.h>

#include "alert/rules.h"
#include "base/buf.h"
#include "base/err.h"

struct cb_alert;

/* An alert: its line, and the rule's hook with its fields filled in (argv NULL: none). Return
 * -1 with err set to stop. */
typedef int cb_alert_fn(void *ctx, const struct cb_rule *rule, const struct cb_buf *line,
			char *const argv[], struct cb_err *err);

/* rules are the caller's and outlive this. */
int cb_alert_new(struct cb_alert **ret, const struct cb_rules *rules, cb_alert_fn *fn, void *ctx,
		 struct cb_err *err);
void cb_alert_free(struct cb_alert *a);
/* One event line. -1 and CB_E_DATA where it is no event (go on with the next one). */
int cb_alert_parse(struct cb_alert *a, const char *line, size_t len, struct cb_err *err);
/* Apply the rules to the event just parsed; its line must still be there. */
int cb_alert_apply(struct cb_alert *a, struct cb_err *err);
/* Groups that rule number i has forgotten because it may not remember more. */
uint64_t cb_alert_forgotten(const struct cb_alert *a, uint32_t i);

#endif
