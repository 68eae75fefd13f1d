/* SPDX-License-Identifier: Apache-2.0 */
/* Rules applied to events: events in, alerts out, in event time only, so that the same events
 * and rules give the same alerts, bytes and ids included.
 *
 * Time is the latest moment of any event so far. It does not go back for an event that is late;
 * after CB_LATE_EVENTS events in a row that are more than an hour behind, the clock was set back
 * and so is time, with all that waits for it. */
#ifndef CB_ALERT_ALERT_H
#define CB_ALERT_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/rules.h"
#include "base/buf.h"
#include "base/err.h"

#define CB_LATE_EVENTS 100

struct cb_alert;

/* An alert, or that one is over. All of it lasts until the callback returns. */
struct cb_alert_out {
	const struct cb_rule *rule;
	bool resolved;
	const struct cb_buf *line;	/* a cb.alert or cb.alert.resolved event */
	char *const *argv;		/* the hook with its fields filled in; NULL: none */
	const char *id;			/* of the line */
	const char *over;		/* resolved: id of the alert that is over */
	const char *subject, *title, *text;
	const char *label[CB_LABELS_MAX];	/* values, in the order of the rule's names */
	const char *group;		/* JSON object, or "" */
	uint8_t digest[16];		/* of the group's values */
	int64_t t_us;
};
/* Return -1 with err set to stop. */
typedef int cb_alert_fn(void *ctx, const struct cb_alert_out *o, struct cb_err *err);

/* rules are the caller's and outlive this. */
int cb_alert_new(struct cb_alert **ret, const struct cb_rules *rules, cb_alert_fn *fn, void *ctx,
		 struct cb_err *err);
void cb_alert_free(struct cb_alert *a);
/* One event line. -1 and CB_E_DATA where it is no event (go on with the next one). */
int cb_alert_parse(struct cb_alert *a, const char *line, size_t len, struct cb_err *err);
/* Apply the rules to the event just parsed; its line must still be there. */
int cb_alert_apply(struct cb_alert *a, struct cb_err *err);

/* Time, with the event just parsed; INT64_MIN before there was any. *ret_back: set back by so
 * much just now (0: not), which whoever else waits for a time must be told. */
int64_t cb_alert_now(const struct cb_alert *a, int64_t *ret_back);
/* Time goes on without an event. */
void cb_alert_pass(struct cb_alert *a, int64_t t_us);
/* When something is due without an event (INT64_MAX: nothing), and doing what is due until then.
 * What is due at an event's own time is done after it. */
int64_t cb_alert_next(const struct cb_alert *a);
int cb_alert_until(struct cb_alert *a, int64_t t_us, struct cb_err *err);

/* Groups that rule number i has forgotten because it may not remember more. */
uint64_t cb_alert_forgotten(const struct cb_alert *a, uint32_t i);

/* All that is remembered, as lines of JSON; and such a line read again, before the first event.
 * What belongs to a rule that is not there, or is another one by now, is left. CB_E_DATA: it is
 * no such line. */
int cb_alert_save(struct cb_alert *a, struct cb_buf *out, struct cb_err *err);
int cb_alert_load(struct cb_alert *a, const struct cb_json *j, struct cb_err *err);

#endif
