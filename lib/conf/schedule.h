/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules as configuration files have them: times of the day on days of the week, in the
 * time of a zone (base/tz.h).
 *
 *   schedules:
 *     night: {from: "22:00", to: "06:00"}
 *     closed: [{days: mon-fri, from: "18:00", to: "08:00"}, {days: [sat, sun]}]
 *
 * A span whose end is not after its beginning ends on the next day. Errors are CB_E_CONFIG with
 * the place, as conf.h has them. */
#ifndef CB_CONF_SCHEDULE_H
#define CB_CONF_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/tz.h"
#include "conf/conf.h"

#define CB_SCHEDULE_SPANS 16
#define CB_SCHEDULES_MAX 64
#define CB_SCHEDULE_NAME_MAX 64

struct cb_schedule {
	const char *name;		/* the tree's */
	uint32_t n;
	struct cb_span_of_day {
		uint8_t days;		/* bit 0 is Monday: the day on which the span begins */
		int32_t from_s, to_s;	/* seconds after local midnight; to <= from: on the next day */
	} span[CB_SCHEDULE_SPANS];
};

/* The value of one: a span or a list of them; *s is the caller's. */
int cb_schedule_parse(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_schedule *s,
		      struct cb_err *err);
/* A map of names and schedules, malloc'ed even when it fails. */
int cb_schedules_parse(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_schedule **ret,
		       uint32_t *ret_n, struct cb_err *err);
/* "22:00" or "06:30:15", in seconds; 24:00 is the end of the day. */
bool cb_clock_parse(const char *s, int32_t *ret);
/* Is the schedule open at this moment? NULL is always open; tz NULL is UTC. */
bool cb_schedule_open(const struct cb_schedule *s, const struct cb_tz *tz, int64_t t_us);
/* The first full second after t_us at which it is closed; t_us where it is closed then, INT64_MAX
 * where it is never within eight days. */
int64_t cb_schedule_closes(const struct cb_schedule *s, const struct cb_tz *tz, int64_t t_us);
/* The same of when it is open. */
int64_t cb_schedule_opens(const struct cb_schedule *s, const struct cb_tz *tz, int64_t t_us);

#endif
