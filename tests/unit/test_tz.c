/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base/tz beside the C library's own idea of local time, and files that are none. */
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/tz.h"
#include "tap.h"

static struct cb_err err;

/* 1900 to 2140 in steps that fall on all times of the day, and every hour of three years */
static void beside(const char *name)
{
	struct cb_tz *tz = NULL;
	unsigned wrong = 0, tried = 0;
	char what[80];

	err = (struct cb_err)CB_ERR_INIT;
	if (cb_tz_load(&tz, name, &err) < 0) {
		SKIP("no such time zone here");
		return;
	}
	setenv("TZ", name, 1);
	tzset();
	for (int64_t t = INT64_C(-2208988800); t < INT64_C(5364662400); t += t >= 1767225600 && t < 1861920000 ? 3600 : 86400 * 5 + 3607) {
		time_t at = (time_t)t;
		struct tm tm;

		localtime_r(&at, &tm);
		tried++;
		if (tm.tm_gmtoff != cb_tz_offset(tz, t) && wrong++ < 3)
			NOTE("%s: at %lld %ld, not %d", name, (long long)t, tm.tm_gmtoff, cb_tz_offset(tz, t));
	}
	snprintf(what, sizeof(what), "%s: as the C library has it, %u times", name, tried);
	OK_NAMED(!wrong && tried > 30000, what);
	/* no calendar goes so far; it must end, and be the same each time */
	OK(cb_tz_offset(tz, INT64_MAX) == cb_tz_offset(tz, INT64_MAX) && cb_tz_offset(tz, INT64_MIN) > -100000);
	cb_tz_free(tz);
}

static bool loads(const char *name, int32_t *ret)
{
	struct cb_tz *tz = NULL;

	err = (struct cb_err)CB_ERR_INIT;
	if (cb_tz_load(&tz, name, &err) < 0)
		return false;
	*ret = cb_tz_offset(tz, 0);
	cb_tz_free(tz);
	return true;
}

/* Every cut and many flips of a real file: an answer or an error, nothing else. */
static void damaged(void)
{
	uint8_t *p = NULL, *m;
	struct cb_tz *tz;
	size_t n = 0;

	if (cb_file_read("/usr/share/zoneinfo/Europe/Paris", 100000, &p, &n, &err) < 0) {
		SKIP("no such time zone here");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		m = malloc(i ? i : 1);
		if (!m)
			break;
		memcpy(m, p, i);
		tz = NULL;
		if (cb_tz_parse(&tz, m, i, NULL) == 0)
			(void)cb_tz_offset(tz, 1795251282);
		cb_tz_free(tz);
		free(m);
	}
	for (size_t i = 0; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			p[i] ^= (uint8_t)(1 << bit);
			tz = NULL;
			if (cb_tz_parse(&tz, p, n, NULL) == 0)
				for (int64_t t = -4000000000; t < 8000000000; t += 2000000001)
					(void)cb_tz_offset(tz, t);
			cb_tz_free(tz);
			p[i] ^= (uint8_t)(1 << bit);
		}
	tz = NULL;
	OK(cb_tz_parse(&tz, p, n, NULL) == 0);
	cb_tz_free(tz);
	free(p);
}

int main(void)
{
	static const char *const zones[] = {
		"Europe/Paris", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe",
		"Australia/Sydney", "Asia/Kolkata", "Asia/Gaza", "Africa/Casablanca", "America/St_Johns",
		"Pacific/Apia", "Antarctica/Troll", "Asia/Tehran", "Pacific/Chatham", "UTC",
	};
	int32_t s = 0;

	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++)
		beside(zones[i]);
	OK(loads("+05:30", &s) && s == 19800);
	OK(loads("-03:00", &s) && s == -10800);
	OK(!loads("+25:00", &s) && !loads("+5:3x", &s) && !loads("", &s) && !loads("/etc/passwd", &s));
	OK(!loads("../zoneinfo/UTC", &s) && !loads("No/Where", &s));
	OK_STR(err.msg, "there is no time zone 'No/Where' here");
	damaged();
	return done();
}
