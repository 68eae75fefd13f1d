/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of alerts on their own: watch-lists, timers, groups, when schedules close. */
#include <stdlib.h>
#include <string.h>

#include "alert/group.h"
#include "alert/listed.h"
#include "alert/timer.h"
#include "conf/schedule.h"
#include "tap.h"

static const char *find(const struct cb_listed *l, const char *s)
{
	struct cb_listed_key k;

	cb_listed_key(&k, s, strlen(s));
	return cb_listed_find(l, &k);
}

static bool finds(const struct cb_listed *l, const char *s, const char *want)
{
	const char *got = find(l, s);

	return want ? got && strcmp(got, want) == 0 : !got;
}

static void listed(void)
{
	char longest[CB_LISTED_LEN + 2];
	struct cb_listed *l = NULL, *exact = NULL;

	OK_NAMED(cb_listed_new(&l, 1, NULL) == 0 && cb_listed_new(&exact, 0, NULL) == 0, "lists");
	OK_NAMED(!cb_listed_add(l, "AB-123 cd", 9) && !cb_listed_add(l, "AB124CD", 7) && !cb_listed_add(l, "xy1", 3) &&
	   !cb_listed_add(l, "\xc3\x84" "B123", 6) && !cb_listed_add(exact, "AB123CD", 7), "entries");
	memset(longest, 'A', sizeof(longest));
	OK_NAMED(cb_listed_add(l, "- -", 3) && cb_listed_add(l, "", 0) && cb_listed_add(l, longest, CB_LISTED_LEN + 1) &&
	   !cb_listed_add(l, longest, CB_LISTED_LEN), "what is none, and the longest");
	OK_NAMED(cb_listed_done(l, NULL) == 0 && cb_listed_done(exact, NULL) == 0 && cb_listed_size(l) == 5, "indexed");
	OK_NAMED(finds(l, "ab123CD", "AB-123 cd"), "as it was written, whatever stands between");
	OK_NAMED(finds(l, "AB124CD", "AB124CD"), "the same one before a near one that comes first");
	OK_NAMED(finds(l, "AB12XCD", "AB-123 cd"), "the first of two near ones");
	OK_NAMED(finds(l, "AB12CD", "AB-123 cd") && finds(l, "AB123CDE", "AB-123 cd") && finds(l, "XAB123CD", "AB-123 cd"),
	   "one missing, one too many at either end");
	OK_NAMED(finds(l, "BA123CD", NULL) && finds(l, "AB12", NULL) && finds(l, "XAB123CDX", NULL), "two are too many");
	OK_NAMED(finds(l, "xy1", "xy1") && finds(l, "xy2", NULL) && finds(l, "xy", NULL), "short ones exactly");
	OK_NAMED(finds(l, "\xc3\x84" "B12", "\xc3\x84" "B123"), "bytes beyond ASCII count as they are");
	OK_NAMED(finds(l, "", NULL) && finds(l, "--", NULL), "nothing is on no list");
	longest[CB_LISTED_LEN - 1] = '\0';
	OK_NAMED(find(l, longest) != NULL, "the longest without one");
	memset(longest, 'A', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	OK_NAMED(finds(l, longest, NULL), "what is longer than any is on none");
	OK_NAMED(finds(exact, "AB123CD", "AB123CD") && finds(exact, "AB123C", NULL), "without tolerance");
	cb_listed_free(l);
	cb_listed_free(exact);
	cb_listed_free(NULL);
}

static bool odd(void *ctx, const struct cb_timer *t)
{
	(void)ctx;
	return t->entry;
}

static void timers(void)
{
	struct cb_timers h = { 0 };
	struct cb_timer t;
	int64_t last = INT64_MIN;
	uint32_t x = 1, n = 0;
	bool sorted = true;

	OK_NAMED(cb_timers_next(&h) == INT64_MAX && !cb_timers_due(&h, INT64_MAX, &t), "none");
	for (int i = 0; i < 2000; i++) {
		x = x * 1664525 + 1013904223;
		cb_timers_add(&h, (struct cb_timer){ .at_us = x >> 12 & 0xff, .rule = x >> 8 & 3, .tie = x & 7 }, NULL);
	}
	while (cb_timers_due(&h, 99, &t)) {
		sorted = sorted && t.at_us >= last && t.at_us <= 99;
		last = t.at_us;
		n++;
	}
	OK_NAMED(sorted && h.n + n == 2000 && cb_timers_next(&h) > 99, "those that are due, in order");
	last = cb_timers_next(&h);
	cb_timers_shift(&h, 50);
	OK_NAMED(cb_timers_next(&h) == last - 50, "all of them earlier");
	cb_timers_release(&h);
	for (uint32_t i = 0; i < 100000; i++) {
		cb_timers_tidy(&h, odd, NULL);
		cb_timers_add(&h, (struct cb_timer){ .at_us = i * 7919 % 100003, .entry = i % 100 == 0 }, NULL);
	}
	OK_NAMED(h.n < 9000 && h.n >= 1000, "what means nothing is thrown out");
	cb_timers_tidy(&h, odd, NULL);
	for (n = 0, last = -1; cb_timers_due(&h, INT64_MAX, &t); last = t.at_us) {
		sorted = sorted && t.at_us >= last;
		n += t.entry;
	}
	OK_NAMED(sorted && n == 1000, "and all else is there, in order");
	cb_timers_release(&h);
	for (uint32_t i = 0; i < 8; i++)
		cb_timers_add(&h, (struct cb_timer){ .at_us = 5, .rule = 7 - i / 2, .tie = i % 2, .entry = i }, NULL);
	for (n = 0; cb_timers_due(&h, 5, &t); n++)
		sorted = sorted && t.rule == 4 + n / 2 && t.tie == n % 2;
	OK_NAMED(sorted && n == 8, "at one moment by rule and tie, whenever they came");
	cb_timers_release(&h);
}

static void groups(void)
{
	struct cb_groups *g = NULL;
	struct cb_group *e, *first;
	uint8_t d[16] = { 0 };
	uint64_t age;
	bool fresh;

	OK_NAMED(cb_groups_new(&g, 3, 2, NULL) == 0 && !cb_groups_find(g, d) && !cb_groups_next(g, NULL), "no group yet");
	first = cb_groups_get(g, d, &fresh);
	age = first->age;
	OK_NAMED(fresh && first->timer_us == INT64_MAX && !cb_groups_values(g, first)[1], "a new one is empty");
	first->text = strdup("x");
	for (uint8_t i = 1; i < 3; i++) {
		d[0] = i;
		cb_groups_get(g, d, &fresh);
	}
	d[0] = 0;
	e = cb_groups_get(g, d, &fresh);
	OK_NAMED(!fresh && e->age == age && strcmp(e->text, "x") == 0, "it is still there");
	OK_NAMED(cb_groups_at(g, cb_groups_number(g, e), age) == e && !cb_groups_at(g, 99, age), "by its number");
	d[0] = 9;
	e = cb_groups_get(g, d, &fresh);
	d[0] = 1;
	OK_NAMED(fresh && !cb_groups_find(g, d) && cb_groups_forgotten(g) == 1, "the one unused for longest goes");
	OK_NAMED(!cb_groups_at(g, cb_groups_number(g, e), age + 1), "and another one has its place, not its age");
	d[0] = 2;
	e = cb_groups_next(g, NULL);
	OK_NAMED(e && memcmp(e->digest, d, 16) == 0, "from the one unused for longest on");
	cb_groups_free(g);
	cb_groups_free(NULL);
}

static void schedules(void)
{
	static const char text[] = "a: {from: '22:00', to: '06:00'}\nb: [{days: mon-fri}, {days: sat, to: '12:00'}]\n"
		"c: {from: '00:00', to: '24:00'}\nd: {from: '10:00:10', to: '10:00:20'}\n";
	const int64_t h = INT64_C(3600000000), day = 24 * h;
	struct cb_conf *c = NULL;
	struct cb_schedule *s = NULL;
	uint32_t n = 0;

	OK_NAMED(cb_conf_parse(&c, "t", text, sizeof(text) - 1, NULL) == 0 &&
	   cb_schedules_parse(c, cb_conf_root(c), &s, &n, NULL) == 0 && n == 4, "schedules");
	OK_NAMED(cb_schedule_closes(&s[0], NULL, 23 * h) == day + 6 * h && cb_schedule_closes(&s[0], NULL, 5 * h + 1) == 6 * h,
	   "over midnight");
	OK_NAMED(cb_schedule_closes(&s[0], NULL, 7 * h) == 7 * h, "closed it is already");
	/* 1970-01-01 was a Thursday */
	OK_NAMED(cb_schedule_closes(&s[1], NULL, h) == 2 * day + 12 * h, "through days that follow each other");
	OK_NAMED(cb_schedule_closes(&s[2], NULL, h) == INT64_MAX, "never");
	OK_NAMED(cb_schedule_closes(&s[3], NULL, 10 * h + 12345678) == 10 * h + 20000000, "to the second");
	OK_NAMED(cb_schedule_closes(&s[0], NULL, -h) == 6 * h, "before 1970");
	OK_NAMED(cb_schedule_closes(NULL, NULL, 5) == INT64_MAX && cb_schedule_open(NULL, NULL, 5), "none is always open");
	OK_NAMED(cb_schedule_opens(&s[0], NULL, 7 * h) == 22 * h && cb_schedule_opens(&s[0], NULL, 23 * h) == 23 * h &&
		 cb_schedule_opens(&s[1], NULL, 3 * day) == 4 * day, "and when it opens");
	free(s);
	cb_conf_free(c);
}

int main(void)
{
	listed();
	timers();
	groups();
	schedules();
	return done();
}
