/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, and times as people and events write them. Calendar arithmetic is the proleptic
 * Gregorian calendar, without time zones other than the offset written. */
#include "base/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * CB_NS_PER_S + ts.tv_nsec;
}

int64_t cb_now_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t cb_now_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#define MIN_S INT64_C(-62135596800)	/* 0001-01-01T00:00:00Z */
#define MAX_S INT64_C(253402300799)	/* 9999-12-31T23:59:59Z */

static struct tm civil(int64_t s)
{
	time_t t = (time_t)(s < MIN_S ? MIN_S : s > MAX_S ? MAX_S : s);
	struct tm tm;

	gmtime_r(&t, &tm);
	return tm;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void cb_time_format_us(char out[static CB_TIME_LEN], int64_t us)
{
	int64_t s = floor_div(us, 1000000);
	struct tm tm = civil(s);
	char text[80];

	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(us - s * 1000000));
	memcpy(out, text, CB_TIME_LEN - 1);
	out[CB_TIME_LEN - 1] = '\0';
}

void cb_time_format_day(char out[static 11], int64_t ns)
{
	struct tm tm = civil(floor_div(ns, CB_NS_PER_S));

	strftime(out, 11, "%Y-%m-%d", &tm);
}

void cb_time_format_hms(char out[static 7], int64_t ns)
{
	struct tm tm = civil(floor_div(ns, CB_NS_PER_S));

	strftime(out, 7, "%H%M%S", &tm);
}

/* n digits at *s as a number in min..max. */
static bool field(const char **s, int n, int min, int max, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return v >= min && v <= max;
}

static bool one_of(const char **s, const char *set)
{
	if (!**s || !strchr(set, **s))
		return false;
	(*s)++;
	return true;
}

/* ".123" at *s, up to nine digits, as nanoseconds; nothing there is 0. */
static bool fraction(const char **s, int64_t *ret)
{
	int64_t v = 0, unit = CB_NS_PER_S;

	if (**s == '.') {
		(*s)++;
		do {
			if (**s < '0' || **s > '9' || unit == 1)
				return false;
			unit /= 10;
			v += unit * (**s - '0');
			(*s)++;
		} while (**s >= '0' && **s <= '9');
	}
	*ret = v;
	return true;
}

static bool seconds_to_ns(int64_t s, int64_t frac, int64_t *ret)
{
	int64_t v;

	if (__builtin_mul_overflow(s, CB_NS_PER_S, &v) || __builtin_add_overflow(v, frac, &v))
		return false;
	*ret = v;
	return true;
}

bool cb_parse_time(const char *s, int64_t *ret_ns)
{
	static const char days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct tm tm = { 0 };
	int year, offset = 0, oh, om;
	int64_t frac = 0, back;
	bool leap;

	if (strncmp(s, "now", 3) == 0) {
		if (!s[3]) {
			*ret_ns = cb_now_wall_ns();
			return true;
		}
		if (s[3] != '-' || !cb_parse_duration(s + 4, &back))
			return false;
		*ret_ns = cb_now_wall_ns() - back;
		return true;
	}
	if (*s == '@') {
		int64_t sec = 0;

		s++;
		if (*s < '0' || *s > '9')
			return false;
		for (; *s >= '0' && *s <= '9'; s++)
			if (sec > MAX_S || (sec = sec * 10 + (*s - '0')) > MAX_S)
				return false;
		return fraction(&s, &frac) && !*s && seconds_to_ns(sec, frac, ret_ns);
	}
	if (!field(&s, 4, 1, 9999, &year) || !one_of(&s, "-") ||
	    !field(&s, 2, 1, 12, &tm.tm_mon) || !one_of(&s, "-") ||
	    !field(&s, 2, 1, days[tm.tm_mon - 1], &tm.tm_mday))
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (tm.tm_mon == 2 && tm.tm_mday == 29 && !leap)
		return false;
	if (*s) {
		if (!one_of(&s, "Tt ") || !field(&s, 2, 0, 23, &tm.tm_hour) ||
		    !one_of(&s, ":") || !field(&s, 2, 0, 59, &tm.tm_min) || !one_of(&s, ":") ||
		    !field(&s, 2, 0, 60, &tm.tm_sec) || !fraction(&s, &frac))
			return false;
		if (*s == '+' || *s == '-') {
			int sign = *s++ == '+' ? 1 : -1;

			if (!field(&s, 2, 0, 23, &oh) || !one_of(&s, ":") ||
			    !field(&s, 2, 0, 59, &om))
				return false;
			offset = sign * (oh * 3600 + om * 60);
		} else if (!one_of(&s, "Zz")) {
			return false;
		}
		if (*s)
			return false;
	}
	tm.tm_year = year - 1900;
	tm.tm_mon--;
	return seconds_to_ns((int64_t)timegm(&tm) - offset, frac, ret_ns);
}

bool cb_parse_duration(const char *s, int64_t *ret_ns)
{
	static const struct { const char *unit; int64_t ns; } units[] = {
		{ "", CB_NS_PER_S }, { "s", CB_NS_PER_S }, { "ms", 1000000 }, { "us", 1000 },
		{ "ns", 1 }, { "m", 60 * CB_NS_PER_S }, { "h", 3600 * CB_NS_PER_S },
		{ "d", 86400 * CB_NS_PER_S },
	};
	int64_t whole = 0, frac, v, part[3];
	int parts = 0;

	if (strchr(s, ':')) {		/* [H:]MM:SS[.fraction] */
		for (;;) {
			int64_t n = 0;

			if (*s < '0' || *s > '9')
				return false;
			for (; *s >= '0' && *s <= '9'; s++)
				if ((n = n * 10 + (*s - '0')) > 1000000)
					return false;
			part[parts++] = n;
			if (*s != ':' || parts == 3)
				break;
			s++;
		}
		if (parts < 2 || !fraction(&s, &frac) || *s || part[parts - 1] > 59 ||
		    (parts == 3 && part[1] > 59))
			return false;
		for (int i = 0; i < parts; i++)
			whole = whole * 60 + part[i];
		return seconds_to_ns(whole, frac, ret_ns);
	}
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *s - '0', &whole))
			return false;
	if (!fraction(&s, &frac))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(s, units[i].unit) != 0)
			continue;
		if (__builtin_mul_overflow(whole, units[i].ns, &v))
			return false;
		v += cb_rescale(frac, units[i].ns, CB_NS_PER_S);
		if (v < 0)
			return false;
		*ret_ns = v;
		return true;
	}
	return false;
}
