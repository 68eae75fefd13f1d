/* SPDX-License-Identifier: Apache-2.0 */
/* Times of the day on days of the week. */
#include "conf/schedule.h"

#include <stdlib.h>
#include <string.h>

bool cb_clock_parse(const char *s, int32_t *ret)
{
	int v[3] = { 0 }, n = 0;

	for (; n < 3; n++) {
		if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
			return false;
		v[n] = 10 * (s[0] - '0') + s[1] - '0';
		s += 2;
		if (*s != ':')
			break;
		s++;
	}
	*ret = 3600 * v[0] + 60 * v[1] + v[2];
	return n >= 1 && n <= 2 && !*s && v[0] <= 24 && v[1] <= 59 && v[2] <= 59 && *ret <= 86400;
}

static int clock_time(const struct cb_conf *c, const struct cb_conf_node *at, int32_t *ret, struct cb_err *err)
{
	const char *s;

	if (cb_conf_str(c, at, 64, &s, err) < 0)
		return -1;
	return cb_clock_parse(s, ret) ? 0 :
		cb_conf_fail(c, at, err, "'%.40s' is no time of the day (HH:MM)", s);
}

static int day_of(const char *s, size_t n)
{
	static const char *const day[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

	for (int i = 0; i < 7; i++)
		if (n == 3 && memcmp(s, day[i], 3) == 0)
			return i;
	return -1;
}

static int one_days(const struct cb_conf *c, const struct cb_conf_node *at, uint8_t *ret, struct cb_err *err)
{
	const char *s, *dash;
	int from, to;

	if (cb_conf_str(c, at, 32, &s, err) < 0)
		return -1;
	dash = strchr(s, '-');
	from = day_of(s, dash ? (size_t)(dash - s) : strlen(s));
	to = dash ? day_of(dash + 1, strlen(dash + 1)) : from;
	if (from < 0 || to < 0)
		return cb_conf_fail(c, at, err, "'%s' is none of mon, tue, wed, thu, fri, sat, sun, nor two of "
				    "them with '-' between", s);
	for (int d = from;; d = (d + 1) % 7) {
		*ret |= (uint8_t)(1 << d);
		if (d == to)
			break;
	}
	return 0;
}

static int days(const struct cb_conf *c, const struct cb_conf_node *at, uint8_t *ret, struct cb_err *err)
{
	*ret = 0;
	if (at->kind != CB_CONF_SEQ)
		return one_days(c, at, ret, err);
	for (const struct cb_conf_node *e = at->child; e; e = e->next)
		if (one_days(c, e, ret, err) < 0)
			return -1;
	return *ret ? 0 : cb_conf_fail(c, at, err, "days is an empty list");
}

static int span(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_schedule *s, struct cb_err *err)
{
	static const char *const keys[] = { "days", "from", "to", NULL };
	struct cb_span_of_day *p = &s->span[s->n];
	const struct cb_conf_node *n;

	if (cb_conf_only(c, at, "a schedule", keys, err) < 0)
		return -1;
	s->n++;
	*p = (struct cb_span_of_day){ .days = 0x7f, .to_s = 86400 };
	if ((n = cb_conf_get(at, "days")) && days(c, n, &p->days, err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "from")) && clock_time(c, n, &p->from_s, err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "to")) && clock_time(c, n, &p->to_s, err) < 0)
		return -1;
	if (p->from_s == p->to_s)
		return cb_conf_fail(c, at, err, "from and to are the same time");
	return 0;
}

int cb_schedule_parse(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_schedule *s,
		      struct cb_err *err)
{
	s->n = 0;
	if (at->kind != CB_CONF_SEQ)
		return span(c, at, s, err);
	for (const struct cb_conf_node *e = at->child; e; e = e->next) {
		if (s->n == CB_SCHEDULE_SPANS)
			return cb_conf_fail(c, e, err, "more than %d parts of a schedule", CB_SCHEDULE_SPANS);
		if (span(c, e, s, err) < 0)
			return -1;
	}
	return s->n ? 0 : cb_conf_fail(c, at, err, "a schedule that is never open");
}

static int name_ok(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_err *err)
{
	struct cb_conf_node key = { .line = at->key_line, .col = at->key_col };
	const char *name = at->key;

	if (*name && strlen(name) <= CB_SCHEDULE_NAME_MAX &&
	    !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")])
		return 0;
	return cb_conf_fail(c, &key, err, "a name is made of at most %d letters, digits, '.', '_', '-'",
			    CB_SCHEDULE_NAME_MAX);
}

int cb_schedules_parse(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_schedule **ret,
		       uint32_t *ret_n, struct cb_err *err)
{
	if (at->kind != CB_CONF_MAP || at->size > CB_SCHEDULES_MAX)
		return cb_conf_fail(c, at, err, "schedules is a map of at most %d names", CB_SCHEDULES_MAX);
	*ret = calloc(at->size + 1, sizeof(**ret));
	if (!*ret)
		return cb_err_nomem(err);
	for (const struct cb_conf_node *n = at->child; n; n = n->next) {
		struct cb_schedule *s = &(*ret)[(*ret_n)++];

		s->name = n->key;
		if (name_ok(c, n, err) < 0 || cb_schedule_parse(c, n, s, err) < 0)
			return -1;
	}
	return 0;
}

bool cb_schedule_open(const struct cb_schedule *s, const struct cb_tz *tz, int64_t t_us)
{
	int64_t utc, local, day;
	int32_t second;
	int weekday;

	if (!s)
		return true;
	utc = t_us / 1000000 - (t_us % 1000000 < 0);
	local = utc + (tz ? cb_tz_offset(tz, utc) : 0);
	day = local / 86400 - (local % 86400 < 0);
	second = (int32_t)(local - day * 86400);
	weekday = (int)(((day + 3) % 7 + 7) % 7);	/* 1970-01-01 was a Thursday */
	for (uint32_t i = 0; i < s->n; i++) {
		const struct cb_span_of_day *p = &s->span[i];
		bool today = p->days >> weekday & 1, before = p->days >> (weekday + 6) % 7 & 1;

		if (p->from_s < p->to_s ? today && second >= p->from_s && second < p->to_s :
		    (today && second >= p->from_s) || (before && second < p->to_s))
			return true;
	}
	return false;
}

/* When it is open, or not. By quarters of an hour, and by seconds through the one in which it
 * changes; what opens and closes within one quarter is passed over. */
static int64_t turns(const struct cb_schedule *s, const struct cb_tz *tz, int64_t t_us, bool open)
{
	const int64_t quarter = INT64_C(900000000), second = 1000000;
	int64_t t = t_us;

	if (t_us > INT64_MAX - 9 * 96 * quarter)
		return INT64_MAX;
	if (cb_schedule_open(s, tz, t) == open)
		return t;
	for (int i = 0; i < 8 * 96; i++, t += quarter)
		if (cb_schedule_open(s, tz, t + quarter) == open) {
			t -= (t % second + second) % second;
			do
				t += second;
			while (cb_schedule_open(s, tz, t) != open);
			return t;
		}
	return INT64_MAX;
}

int64_t cb_schedule_closes(const struct cb_schedule *s, const struct cb_tz *tz, int64_t t_us)
{
	return turns(s, tz, t_us, false);
}

int64_t cb_schedule_opens(const struct cb_schedule *s, const struct cb_tz *tz, int64_t t_us)
{
	return turns(s, tz, t_us, true);
}
