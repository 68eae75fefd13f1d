/* SPDX-License-Identifier: Apache-2.0 */
/* Reading TZif and the rule at its end. */
#include "base/tz.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"

#define FILE_MAX ((size_t)256 << 10)
#define CHANGES_MAX 8192
#define DAY INT64_C(86400)

/* when a POSIX rule changes to or from summer time, each year */
struct change {
	char kind;		/* 'M' month, week, day; 'J' day without 29 February; 'D' day from 0 */
	int month, week, day;
	int32_t time;		/* seconds after midnight, local time before the change */
};
struct cb_tz {
	uint32_t n;
	int64_t *at;		/* from at[i] on offset[i] holds; before at[0], first */
	int32_t *offset;
	int32_t first;
	bool rule, summer;	/* after the last change: a rule; one with summer time */
	int32_t std, dst;
	struct change start, end;
};

/* --- the rule: IEEE Std 1003.1, 8.3, with RFC 9636's times from -167 to 167 hours -------------- */

static bool number(const char **p, int max, int *ret)
{
	int v = 0, digits = 0;

	for (; **p >= '0' && **p <= '9' && digits < 4; digits++)
		v = 10 * v + *(*p)++ - '0';
	*ret = v;
	return digits && v <= max;
}

static bool name(const char **p)
{
	const char *s = *p;

	if (*s == '<') {
		s += strcspn(s, ">");
		if (*s != '>')
			return false;
		*p = s + 1;
		return true;
	}
	while ((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z'))
		s++;
	if (s - *p < 3)
		return false;
	*p = s;
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool clock_time(const char **p, int hours, int32_t *ret)
{
	int sign = **p == '-' ? -1 : 1, h, m = 0, s = 0;

	if (**p == '-' || **p == '+')
		++*p;
	if (!number(p, hours, &h))
		return false;
	if (**p == ':' && (++*p, !number(p, 59, &m)))
		return false;
	if (**p == ':' && (++*p, !number(p, 59, &s)))
		return false;
	*ret = sign * (3600 * h + 60 * m + s);
	return true;
}

static bool change(const char **p, struct change *c)
{
	*c = (struct change){ .kind = 'D', .time = 2 * 3600 };
	if (**p == 'M') {
		++*p;
		c->kind = 'M';
		if (!number(p, 12, &c->month) || c->month < 1 || *(*p)++ != '.' ||
		    !number(p, 5, &c->week) || c->week < 1 || *(*p)++ != '.' ||
		    !number(p, 6, &c->day))
			return false;
	} else {
		if (**p == 'J') {
			++*p;
			c->kind = 'J';
		}
		if (!number(p, 365, &c->day) || (c->kind == 'J' && c->day < 1))
			return false;
	}
	return **p != '/' || (++*p, clock_time(p, 167, &c->time));
}

static bool rule(struct cb_tz *tz, const char *p)
{
	if (!name(&p) || !clock_time(&p, 24, &tz->std))
		return false;
	tz->std = -tz->std;	/* POSIX counts to the west */
	tz->rule = true;
	if (!*p)
		return true;
	tz->summer = true;
	tz->dst = tz->std + 3600;
	if (!name(&p))
		return false;
	if (*p && *p != ',') {
		if (!clock_time(&p, 24, &tz->dst))
			return false;
		tz->dst = -tz->dst;
	}
	return *p++ == ',' && change(&p, &tz->start) && *p++ == ',' && change(&p, &tz->end) && !*p;
}

/* --- days -------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* days from 1970-01-01 to 1 January of a year */
static int64_t year_day(int64_t y)
{
	y--;
	return 365 * y + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 719162;
}

static int64_t year_of(int64_t day)
{
	int64_t y = 1970 + floor_div(day * 400, 146097);

	while (year_day(y) > day)
		y--;
	while (year_day(y + 1) <= day)
		y++;
	return y;
}

/* seconds from 1970-01-01, in local time */
static int64_t change_at(const struct change *c, int64_t y)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t day = year_day(y);
	int length, first;

	if (c->kind == 'D')
		return (day + c->day) * DAY + c->time;
	if (c->kind == 'J')
		return (day + c->day - 1 + (leap(y) && c->day >= 60)) * DAY + c->time;
	for (int m = 1; m < c->month; m++)
		day += days[m - 1] + (m == 2 && leap(y));
	length = days[c->month - 1] + (c->month == 2 && leap(y));
	/* 1970-01-01 was a Thursday, 4 */
	first = (int)((c->day - (day + 4) % 7 + 14) % 7) + 7 * (c->week - 1);
	while (first >= length)
		first -= 7;
	return (day + first) * DAY + c->time;
}

static int32_t by_rule(const struct cb_tz *tz, int64_t t)
{
	int64_t y, from, to;

	if (!tz->summer)
		return tz->std;
	y = year_of(floor_div(t + tz->std, DAY));
	from = change_at(&tz->start, y) - tz->std;
	to = change_at(&tz->end, y) - tz->dst;
	if (from < to)
		return t >= from && t < to ? tz->dst : tz->std;
	return t >= to && t < from ? tz->std : tz->dst;
}

/* --- the file ------------------------------------------------------------------------------------ */

struct head {
	uint32_t isut, isstd, leap, time, type, chars;
};

static bool head(const uint8_t *p, size_t n, struct head *h)
{
	if (n < 44 || memcmp(p, "TZif", 4) != 0)
		return false;
	*h = (struct head){ cb_be32(p + 20), cb_be32(p + 24), cb_be32(p + 28), cb_be32(p + 32),
			    cb_be32(p + 36), cb_be32(p + 40) };
	return h->isut <= 256 && h->isstd <= 256 && h->leap <= 1000 && h->time <= CHANGES_MAX &&
		h->type >= 1 && h->type <= 256 && h->chars <= 4096;
}

static size_t block(const struct head *h, size_t wide)
{
	return h->time * (wide + 1) + h->type * 6 + h->chars + h->leap * (wide + 4) + h->isstd + h->isut;
}

static bool times(struct cb_tz *tz, const uint8_t *p, const struct head *h, size_t wide)
{
	const uint8_t *index = p + h->time * wide, *type = index + h->time;

	tz->first = (int32_t)cb_be32(type);
	for (uint32_t i = 0; i < h->time; i++) {
		tz->at[i] = wide == 8 ? (int64_t)cb_be64(p + 8 * i) : (int32_t)cb_be32(p + 4 * i);
		if (index[i] >= h->type || (i && tz->at[i] <= tz->at[i - 1]))
			return false;
		tz->offset[i] = (int32_t)cb_be32(type + 6 * index[i]);
		if (tz->offset[i] < -93600 || tz->offset[i] > 93600)
			return false;
	}
	tz->n = h->time;
	return tz->first >= -93600 && tz->first <= 93600;
}

int cb_tz_parse(struct cb_tz **ret, const void *data, size_t n, struct cb_err *err)
{
	const uint8_t *p = data, *end = p + n;
	struct cb_tz *tz = NULL;
	char text[128];
	struct head h;
	size_t wide = 4;

	if (!head(p, n, &h) || block(&h, 4) > n - 44)
		goto bad;
	if (p[4] >= '2') {
		p += 44 + block(&h, 4);
		wide = 8;
		if (!head(p, (size_t)(end - p), &h) || block(&h, 8) > (size_t)(end - p) - 44)
			goto bad;
	}
	tz = calloc(1, sizeof(*tz));
	if (!tz)
		return cb_err_nomem(err);
	tz->at = calloc(h.time + 1, sizeof(*tz->at));
	tz->offset = calloc(h.time + 1, sizeof(*tz->offset));
	if (!tz->at || !tz->offset) {
		cb_tz_free(tz);
		return cb_err_nomem(err);
	}
	if (!times(tz, p + 44, &h, wide))
		goto bad;
	p += 44 + block(&h, wide);
	if (wide == 8 && end - p > 2) {
		const uint8_t *nl = memchr(p + 1, '\n', (size_t)(end - p) - 1);
		size_t len = nl ? (size_t)(nl - p) - 1 : sizeof(text);

		if (*p != '\n' || len >= sizeof(text))
			goto bad;
		memcpy(text, p + 1, len);
		text[len] = '\0';
		if (*text && !rule(tz, text))
			goto bad;
	}
	*ret = tz;
	return 0;
bad:
	cb_tz_free(tz);
	return cb_err_set(err, CB_E_DATA, "no time zone file");
}

static int fixed(struct cb_tz **ret, int32_t offset, struct cb_err *err)
{
	struct cb_tz *tz = calloc(1, sizeof(*tz));

	if (!tz)
		return cb_err_nomem(err);
	tz->first = offset;
	*ret = tz;
	return 0;
}

int cb_tz_load(struct cb_tz **ret, const char *zone, struct cb_err *err)
{
	char path[256];
	uint8_t *data;
	int32_t offset;
	size_t n;
	int r;

	if (strcmp(zone, "UTC") == 0 || strcmp(zone, "Z") == 0)
		return fixed(ret, 0, err);
	if (*zone == '+' || *zone == '-') {
		const char *p = zone;

		if (!clock_time(&p, 24, &offset) || *p)
			return cb_err_set(err, CB_E_NOINPUT, "time zone '%.60s': an offset is +HH:MM", zone);
		return fixed(ret, offset, err);
	}
	/* a name, not a way out of the directory */
	if (!*zone || strlen(zone) > 100 || strstr(zone, "..") || *zone == '/' ||
	    zone[strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/")])
		return cb_err_set(err, CB_E_NOINPUT, "'%.60s' is no time zone's name", zone);
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
	if (cb_file_read(path, FILE_MAX, &data, &n, err) < 0)
		return err && err->sys == ENOENT ?
			cb_err_set(err, CB_E_NOINPUT, "there is no time zone '%.60s' here", zone) :
			cb_err_prefix(err, "time zone '%.60s'", zone);
	r = cb_tz_parse(ret, data, n, err);
	free(data);
	return r < 0 ? cb_err_prefix(err, "time zone '%.60s'", zone) : 0;
}

void cb_tz_free(struct cb_tz *tz)
{
	if (!tz)
		return;
	free(tz->at);
	free(tz->offset);
	free(tz);
}

int32_t cb_tz_offset(const struct cb_tz *tz, int64_t t)
{
	uint32_t lo = 0, hi = tz->n;

	/* beyond any calendar nothing changes any more */
	if (t > INT64_C(1) << 40)
		t = INT64_C(1) << 40;
	if (t < -(INT64_C(1) << 40))
		t = -(INT64_C(1) << 40);
	if (tz->rule && (!tz->n || t >= tz->at[tz->n - 1]))
		return by_rule(tz, t);
	while (lo < hi) {	/* the first change after t */
		uint32_t mid = lo + (hi - lo) / 2;

		if (tz->at[mid] <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? tz->offset[lo - 1] : tz->first;
}
