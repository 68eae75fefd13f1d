/* SPDX-License-Identifier: Apache-2.0 */
/* lib/track/watch: every rule on scripted tracks, at several picture rates: it fires once, in the
 * right picture, and not where it should not. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"
#include "track/watch.h"
#include "wire/event.h"

#define LOG_MAX 512
#define S INT64_C(1000000)
#define T0 (INT64_C(1795251282) * S)	/* 2026-11-21T08:54:42Z, a Saturday */

static struct cb_err err;

static struct {
	char type[32], rule[64], track[33], text[2048];
	struct cb_watch_event e;
} told[LOG_MAX];
static int n_told;
static bool bad_json;

static struct {
	struct cb_track_rules *rules;
	struct cb_scene scene;
	struct cb_watch *w;
	struct cb_track tr[8];
	struct cb_track *now[8], *ended[8];
	uint32_t n, over;
	uint64_t number;
	int64_t t_us;
} v;

static int on_event(void *ctx, const struct cb_watch_event *e, const struct cb_buf *line, struct cb_err *why)
{
	static struct cb_json j;
	struct cb_event ev;

	(void)ctx;
	if (cb_event_parse(&ev, &j, (const char *)line->data, line->len, why) < 0 || line->len >= 60000)
		bad_json = true;
	if (!e || n_told == LOG_MAX)
		return 0;
	told[n_told].e = *e;
	snprintf(told[n_told].type, sizeof(told[0].type), "%s", cb_track_kinds[e->rule->kind].type);
	snprintf(told[n_told].rule, sizeof(told[0].rule), "%s", e->rule->name);
	snprintf(told[n_told].track, sizeof(told[0].track), "%s", e->track ? e->track : "");
	snprintf(told[n_told].text, sizeof(told[0].text), "%.*s", (int)line->len, (const char *)line->data);
	n_told++;
	return 0;
}

static void stop(void)
{
	cb_watch_free(v.w);
	cb_track_rules_free(v.rules);
	memset(&v, 0, sizeof(v));
}

static bool start(const char *text)
{
	stop();
	n_told = 0;
	err = (struct cb_err)CB_ERR_INIT;
	if (cb_track_rules_parse(&v.rules, "f", text, strlen(text), &err) < 0) {
		NOTE("%s", err.msg);
		return OK(!"rules");
	}
	strcpy(v.scene.camera, "front");
	strcpy(v.scene.run, "0123456789abcdef");
	v.scene.width = 1000;
	v.scene.height = 1000;
	v.scene.classes = 4;
	strcpy(v.scene.class[0].name, "person");
	strcpy(v.scene.class[1].name, "car");
	strcpy(v.scene.class[2].name, "suitcase");
	strcpy(v.scene.class[3].name, "dog");
	v.t_us = T0;
	return cb_watch_new(&v.w, v.rules, "front", on_event, NULL, &err) == 0;
}

/* Track k stands with the middle of its lower edge at x, y in the picture to come. */
static struct cb_track *sized(int k, uint32_t class, double x, double y, double w, double h)
{
	struct cb_track *t = &v.tr[k];

	if (!t->number) {
		*t = (struct cb_track){ .slot = (uint32_t)k, .number = ++v.number, .born_us = v.t_us, .class = class,
					.score = 0.9, .top = 0.9 };
		snprintf(t->id, sizeof(t->id), "%032" PRIx64, t->number);
	}
	t->box = (struct cb_rect){ x - w / 2, y - h, w, h };
	t->state = CB_TRACK_SEEN;
	t->seen_us = v.t_us;
	t->past[t->points++ % CB_TRACK_PAST] = (struct cb_track_point){ v.t_us, t->box };
	v.now[v.n++] = t;
	return t;
}

static struct cb_track *at(int k, uint32_t class, double x, double y)
{
	return sized(k, class, x, y, 0.1, 0.2);
}

/* still followed, not seen */
static void lost(int k)
{
	v.tr[k].state = CB_TRACK_LOST;
	v.now[v.n++] = &v.tr[k];
}

static void ends(int k)
{
	v.tr[k].state = CB_TRACK_OVER;
	v.ended[v.over++] = &v.tr[k];
}

static void picture(int64_t step_us)
{
	struct cb_scene_picture p = { .t_us = v.t_us, .has_pts = true, .pts = v.t_us / 10, .has_packet = true };

	if (cb_watch_picture(v.w, &v.scene, &p, v.now, v.n, v.ended, v.over, &err) < 0)
		OK(!"cb_watch_picture");
	for (uint32_t i = 0; i < v.over; i++)
		v.ended[i]->number = 0, v.ended[i]->points = 0;
	v.n = v.over = 0;
	v.t_us += step_us;
}

static int of(const char *rule)
{
	int n = 0;

	for (int i = 0; i < n_told; i++)
		n += strcmp(told[i].rule, rule) == 0;
	return n;
}

static const struct cb_watch_event *first(const char *rule)
{
	static const struct cb_watch_event none;

	for (int i = 0; i < n_told; i++)
		if (strcmp(told[i].rule, rule) == 0)
			return &told[i].e;
	return &none;
}

static bool says(int i, const char *what)
{
	return i < n_told && strstr(told[i].text, what) != NULL;
}

static void show(void)
{
	for (int i = 0; i < n_told; i++)
		NOTE("%s", told[i].text);
}

static const int rates[] = { 1, 5, 10, 25, 30, 60 };
#define RATES (sizeof(rates) / sizeof(*rates))

/* --- lines ----------------------------------------------------------------------------------------- */

#define DOOR "lines: {door: {points: [[0.5, 1], [0.5, 0]], band: 0.01}}\n"	/* walking up: left is left */

/* One that walks from x0 to x1 within two seconds, then leaves. */
static void pass(int fps, double x0, double x1)
{
	int n = 2 * fps;

	for (int i = 0; i <= n; i++) {
		at(0, 0, x0 + (x1 - x0) * i / n, 0.5);
		picture(S / fps);
	}
	ends(0);
	picture(S / fps);
}

/* One that steps onto the line and back, over and over. */
static void jitter(int fps, int k)
{
	static const double way[] = { 0.4, 0.497, 0.503, 0.4995, 0.508, 0.492, 0.5, 0.5, 0.501, 0.499, 0.505, 0.4 };

	for (size_t i = 0; i < sizeof(way) / sizeof(*way); i++) {
		at(0, 0, k & 1 ? 1 - way[i] : way[i], 0.5 + 0.003 * (double)(i % 3));
		picture(S / fps);
	}
	ends(0);
	picture(S / fps);
}

static void ten_seven_five(void)
{
	for (size_t r = 0; r < RATES; r++) {
		int a = 10, b = 7, c = 5, left = 0, right = 0;

		if (!start(DOOR "rules:\n"
			   "  - {name: c, type: cross, line: door}\n"
			   "  - {name: n, type: count, line: door}\n"))
			return;
		while (a || b || c) {
			if (a)
				a--, pass(rates[r], 0.2, 0.8);
			if (b)
				b--, pass(rates[r], 0.8, 0.2);
			if (c)
				jitter(rates[r], --c);
		}
		for (int i = 0; i < n_told; i++)
			if (strcmp(told[i].rule, "c") == 0)
				*(told[i].e.turn == CB_TURN_RIGHT ? &right : &left) += 1;
		NOTE("%d pictures a second", rates[r]);
		OK_INT(right, 10);
		OK_INT(left, 7);
		OK_INT(of("n"), 17);
		OK_INT(n_told ? (int)told[n_told - 1].e.in : -1, 10);
		OK_INT(n_told ? (int)told[n_told - 1].e.out : -1, 7);
		OK_INT(n_told ? (int)told[n_told - 1].e.occupancy : -1, 3);
	}
}

static void lines(void)
{
	/* the picture in which it is first beyond the band, on the other side */
	start(DOOR "rules:\n  - {name: c, type: cross, line: door, direction: right}\n"
	      "  - {name: l, type: cross, line: door, direction: left}\n");
	at(0, 0, 0.40, 0.5), picture(S);
	at(0, 0, 0.505, 0.5), picture(S);
	OK_INT(n_told, 0);
	at(0, 0, 0.51, 0.5), picture(S);
	OK_INT(n_told, 0);
	at(0, 0, 0.511, 0.5), picture(S);
	OK_INT(of("c"), 1);
	OK(first("c")->t_us == T0 + 3 * S && first("c")->since_us == T0);
	at(0, 0, 0.6, 0.5), picture(S);
	OK_INT(n_told, 1);
	OK(says(0, "\"type\":\"cb.line.cross\"") && says(0, "\"line\":\"door\",\"direction\":\"right\"") &&
	   says(0, "\"onvif\":\"tns1:RuleEngine/LineDetector/Crossed\"") && says(0, "\"packet\":\"0000"));
	at(0, 0, 0.4, 0.5), picture(S);
	OK_INT(of("l"), 1);

	/* where the file says nothing, a tenth of the box is near */
	start("lines: {door: [[0.5, 1], [0.5, 0]]}\nrules:\n  - {name: c, type: cross, line: door}\n");
	at(0, 0, 0.40, 0.5), sized(1, 0, 0.4, 0.9, 0.2, 0.8), sized(2, 0, 0.48, 0.5, 0.01, 0.02), picture(S);
	at(0, 0, 0.52, 0.5), sized(1, 0, 0.57, 0.9, 0.2, 0.8), sized(2, 0, 0.509, 0.5, 0.01, 0.02), picture(S);
	OK_INT(n_told, 0);
	at(0, 0, 0.521, 0.5), sized(1, 0, 0.579, 0.9, 0.2, 0.8), sized(2, 0, 0.511, 0.5, 0.01, 0.02), picture(S);
	OK_INT(n_told, 2);
	sized(1, 0, 0.581, 0.9, 0.2, 0.8), picture(S);
	OK_INT(n_told, 3);

	/* who begins on the line takes the side that it leaves to */
	start(DOOR "rules:\n  - {name: c, type: cross, line: door}\n");
	at(0, 0, 0.495, 0.5), picture(S);
	at(0, 0, 0.505, 0.5), picture(S);
	at(0, 0, 0.6, 0.5), picture(S);
	OK_INT(n_told, 0);
	at(0, 0, 0.4, 0.5), picture(S);
	OK_INT(n_told, 1);

	/* past its end, the line is not crossed; exactly over a corner it is, once */
	start("lines: {l: [[0.5, 1], [0.5, 0.5], [0.6, 0.3]]}\nrules:\n  - {name: c, type: cross, line: l}\n");
	at(0, 0, 0.4, 0.2), picture(S);
	at(0, 0, 0.8, 0.2), picture(S);
	OK_INT(n_told, 0);
	at(0, 0, 0.8, 0.5), picture(S);
	at(0, 0, 0.2, 0.5), picture(S);
	OK_INT(n_told, 1);
	at(0, 0, 0.5, 0.5), picture(S);
	at(0, 0, 0.8, 0.5), picture(S);
	OK_INT(n_told, 2);

	/* a way through a gap is straight; what is not seen is nowhere */
	start(DOOR "rules:\n  - {name: c, type: cross, line: door}\n");
	at(0, 0, 0.4, 0.5), picture(S);
	for (int i = 0; i < 5; i++)
		lost(0), picture(S);
	OK_INT(n_told, 0);
	at(0, 0, 0.6, 0.5), picture(S);
	OK_INT(n_told, 1);
	OK(first("c")->since_us == T0);

	/* what a track did before it counted is not lost */
	start(DOOR "rules:\n  - {name: c, type: cross, line: door}\n");
	at(0, 0, 0.4, 0.5), v.n = 0;
	v.t_us += S;
	at(0, 0, 0.6, 0.5), picture(S);
	OK_INT(n_told, 1);

	/* two lines: both must be passed, in the same direction */
	start("lines: {a: [[0.3, 1], [0.3, 0]], b: [[0.6, 1], [0.6, 0]]}\n"
	      "rules:\n  - {name: n, type: count, line: [a, b], pass_all: true}\n"
	      "  - {name: each, type: count, line: [a, b]}\n");
	at(0, 0, 0.2, 0.5), picture(S);
	at(0, 0, 0.4, 0.5), picture(S);
	at(0, 0, 0.2, 0.5), picture(S);
	at(0, 0, 0.4, 0.5), picture(S);
	OK_INT(of("n"), 0);
	at(0, 0, 0.7, 0.5), picture(S);
	OK_INT(of("n"), 1);
	OK_INT(of("each"), 4);
	OK(first("n")->in == 1 && first("n")->out == 0);
}

static void tailgate(void)
{
	for (int late = 0; late < 2; late++) {
		start(DOOR "rules:\n  - {name: t, type: tailgate, line: door, within: 2s}\n");
		at(0, 0, 0.4, 0.5), at(1, 0, 0.3, 0.5), picture(S);
		at(0, 0, 0.6, 0.5), at(1, 0, 0.4, 0.5), picture(S);
		at(0, 0, 0.7, 0.5), at(1, 0, 0.45, 0.5), picture(S + late);
		at(0, 0, 0.8, 0.5), at(1, 0, 0.6, 0.5), picture(S);
		at(0, 0, 0.9, 0.5), at(1, 0, 0.7, 0.5), picture(S);
		OK_INT(n_told, !late);
	}
	start(DOOR "rules:\n  - {name: t, type: tailgate, line: door, within: 2s}\n");
	at(0, 0, 0.4, 0.5), at(1, 0, 0.6, 0.5), picture(S);
	at(0, 0, 0.6, 0.5), at(1, 0, 0.4, 0.5), picture(S);
	OK_INT(n_told, 0);	/* they pass one another */
	at(0, 0, 0.4, 0.5), at(1, 0, 0.3, 0.5), picture(S);
	OK_INT(n_told, 1);
	OK_STR(told[0].track, "00000000000000000000000000000001");
	OK(says(0, "\"first\":\"00000000000000000000000000000002\""));
}

/* --- zones ------------------------------------------------------------------------------------------ */

#define YARD "zones: {yard: {polygon: [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], margin: 0.01}}\n"

static void zones(void)
{
	for (size_t r = 0; r < RATES; r++) {
		int fps = rates[r];
		int64_t enter = 0, exit = 0, last = 0, dwell = 0;
		bool in = false;

		start(YARD "rules:\n"
		      "  - {name: enter, type: enter, zone: yard}\n"
		      "  - {name: exit, type: exit, zone: yard}\n"
		      "  - {name: dwell, type: dwell, zone: yard, for: 10s}\n"
		      "  - {name: longer, type: dwell, zone: yard, for: 10001ms}\n"
		      "  - {name: cars, type: enter, zone: yard, class: car}\n"
		      "  - {name: late, type: enter, zone: yard, for: 4s}\n");
		for (int i = 0; i <= 20 * fps; i++) {
			/* in at 5 s, out at 15 s, trembling by less than the margin on the edge */
			double x = i < 5 * fps ? 0.2 : i <= 15 * fps ? 0.4 + (i % 2 ? 0.005 : -0.005) : 0.2;

			if (i == 5 * fps)
				x = 0.41;
			if (x > 0.3 && !in)
				enter = v.t_us, in = true;
			if (x > 0.3)
				last = v.t_us;
			if (in && !dwell && v.t_us - enter >= 10 * S)
				dwell = v.t_us;
			if (x < 0.3 && in && !exit)
				exit = v.t_us;
			at(0, 0, x, 0.5), picture(S / fps);
		}
		OK_INT(of("enter"), 1);
		OK_INT(of("exit"), 1);
		OK_INT(of("dwell"), dwell && dwell < exit);
		OK_INT(of("longer"), 0);
		OK_INT(of("cars"), 0);
		OK_INT(of("late"), 1);
		OK(first("enter")->t_us == enter && first("enter")->since_us == enter);
		OK(first("late")->t_us - enter >= 4 * S && first("late")->t_us - enter < 4 * S + S / fps);
		OK(first("exit")->t_us == exit && first("exit")->since_us == enter && first("exit")->until_us == last);
		if (of("dwell"))
			OK(first("dwell")->t_us == dwell && first("dwell")->since_us == enter);
	}
	/* beginning inside; ending inside; a second stay */
	start(YARD "rules:\n  - {name: enter, type: enter, zone: yard}\n  - {name: exit, type: exit, zone: yard}\n");
	at(0, 0, 0.5, 0.5), picture(S);
	OK(of("enter") == 1 && first("enter")->began);
	at(0, 0, 0.2, 0.5), picture(S);
	at(0, 0, 0.5, 0.5), picture(S);
	OK(of("enter") == 2 && of("exit") == 1 && !told[n_told - 1].e.began);
	lost(0), picture(S);
	lost(0), picture(S);
	OK_INT(of("exit"), 1);
	ends(0), picture(S);
	OK(of("exit") == 2 && told[n_told - 1].e.gone && told[n_told - 1].e.until_us == T0 + 2 * S);
	/* dwell: a short way out does not end the stay, a long one does */
	start(YARD "rules:\n  - {name: d, type: dwell, zone: yard, for: 5s, grace: 1s}\n");
	for (int i = 0; i < 12; i++)
		at(0, 0, i == 3 ? 0.2 : 0.5, 0.5), picture(i == 2 || i == 3 ? S / 2 : S);
	OK_INT(of("d"), 1);
	OK(first("d")->t_us == T0 + 5 * S && first("d")->since_us == T0);
	start(YARD "rules:\n  - {name: d, type: dwell, zone: yard, for: 5s, grace: 1s}\n");
	for (int i = 0; i < 12; i++)
		at(0, 0, i == 3 || i == 4 ? 0.2 : 0.5, 0.5), picture(S);
	OK_INT(of("d"), 1);
	OK(first("d")->t_us == T0 + 10 * S && first("d")->since_us == T0 + 5 * S);
	/* pictures may be farther apart than the grace, and it may be hidden for longer */
	start(YARD "rules:\n  - {name: d, type: dwell, zone: yard, for: 20s, grace: 1s}\n");
	for (int i = 0; i < 8; i++)
		i == 2 ? lost(0) : (void)at(0, 0, 0.5, 0.5), picture(5 * S);
	OK_INT(of("d"), 1);
	OK(first("d")->t_us == T0 + 20 * S && first("d")->since_us == T0);
	start(YARD "rules:\n  - {name: d, type: dwell, zone: yard, for: 20s, grace: 1s}\n");
	for (int i = 0; i < 8; i++)
		at(0, 0, i == 2 ? 0.2 : 0.5, 0.5), picture(5 * S);
	OK_INT(of("d"), 1);
	OK(first("d")->t_us == T0 + 35 * S && first("d")->since_us == T0 + 15 * S);
	/* the anchor decides */
	start("zones: {z: {polygon: [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], anchor: centre, margin: 0}}\n"
	      "rules:\n  - {name: e, type: enter, zone: z}\n");
	at(0, 0, 0.5, 0.49), picture(S);
	OK_INT(n_told, 0);
	at(0, 0, 0.5, 0.50), picture(S);
	OK_INT(n_told, 1);
}

static void filters(void)
{
	start(YARD "rules:\n"
	      "  - {name: person, type: enter, zone: yard, class: [person, dog]}\n"
	      "  - {name: nodog, type: enter, zone: yard, not_class: dog}\n"
	      "  - {name: sure, type: enter, zone: yard, min_score: 0.95}\n"
	      "  - {name: big, type: enter, zone: yard, size: {min_width: 0.15}}\n"
	      "  - {name: small, type: enter, zone: yard, size: {max_area: 0.02}}\n"
	      "  - {name: other, type: enter, zone: yard, cameras: [back]}\n"
	      "  - {name: here, type: enter, zone: yard, cameras: [back, front]}\n");
	sized(0, 3, 0.5, 0.5, 0.2, 0.2), picture(S);
	sized(1, 1, 0.5, 0.5, 0.1, 0.1), picture(S);
	OK_INT(of("person"), 1);
	OK_INT(of("nodog"), 1);
	OK_INT(of("sure"), 0);
	OK_INT(of("big"), 1);
	OK_INT(of("small"), 1);
	OK_INT(of("other"), 0);
	OK_INT(of("here"), 2);
}

static void schedule(void)
{
	/* T0 is Saturday 08:54:42 UTC, 09:54:42 in Paris */
	start("timezone: Europe/Paris\nschedules:\n  day: {days: sat, from: '09:55', to: '10:00'}\n"
	      "  night: [{days: [fri], from: '22:00', to: '09:55'}, {days: mon-tue}]\n"
	      "zones: {z: [[0, 0], [1, 0], [1, 1], [0, 1]]}\n"
	      "rules:\n  - {name: day, type: enter, zone: z, schedule: day}\n"
	      "  - {name: night, type: enter, zone: z, schedule: night}\n"
	      "  - {name: exit, type: exit, zone: z, schedule: night}\n");
	at(0, 0, 0.5, 0.5), picture(10 * S);
	OK(of("day") == 0 && of("night") == 1);
	at(0, 0, 0.5, 0.5), picture(7 * S);
	at(0, 0, 0.5, 0.5), picture(S);
	OK_INT(of("day"), 0);		/* 09:54:59 */
	at(0, 0, 0.5, 0.5), picture(S);
	OK_INT(of("day"), 1);		/* 09:55:00: who is there counts as entering */
	OK(first("day")->since_us == T0);
	ends(0), picture(S);
	OK_INT(of("exit"), 0);
}

static void crowd(void)
{
	start(YARD "rules:\n  - {name: c, type: crowd, zone: yard, count: 3, for: 2s}\n"
	      "  - {name: d, type: crowd, zone: yard, density: 0.5}\n");
	at(0, 0, 0.5, 0.5), at(1, 0, 0.5, 0.55), picture(S);
	OK_INT(of("c"), 0);
	OK_INT(of("d"), 1);	/* 0.1 x 0.1 and 0.1 x 0.15 of 0.2 x 0.2 */
	OK(fabs(first("d")->density - 0.625) < 1e-9);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 3; k++)
			at(k, 0, 0.5, 0.5);
		picture(S);
		OK_INT(of("c"), i >= 2);
	}
	OK(first("c")->since_us == T0 + S && first("c")->state == CB_WATCH_START && first("c")->count == 3);
	/* one hidden for a moment is still there; two pictures below end nothing */
	at(0, 0, 0.5, 0.5), at(1, 0, 0.5, 0.5), lost(2), picture(S);
	at(0, 0, 0.5, 0.5), at(1, 0, 0.5, 0.5), at(2, 0, 0.1, 0.5), picture(S);
	at(0, 0, 0.5, 0.5), at(1, 0, 0.5, 0.5), at(2, 0, 0.1, 0.5), picture(S);
	OK_INT(of("c"), 1);
	at(0, 0, 0.5, 0.5), at(1, 0, 0.5, 0.5), at(2, 0, 0.1, 0.5), picture(S);
	OK_INT(of("c"), 2);
	OK(told[n_told - 1].e.state == CB_WATCH_END && says(n_told - 1, "\"state\":\"end\""));
}

/* --- counting ------------------------------------------------------------------------------------------ */

static void counting(void)
{
	const struct cb_watch_event *e;

	start("timezone: Europe/Paris\n" DOOR "rules:\n"
	      "  - {name: n, type: count, line: door, every: 1m, reset: ['10:00']}\n"
	      "  - {name: z, type: count, line: door, in: left, reset: ['00:00', '10:00']}\n");
	/* 09:54:42; a report at each full minute, seen or not, before the picture's own crossings */
	at(0, 0, 0.4, 0.5), picture(S);
	at(0, 0, 0.6, 0.5), picture(17 * S);
	OK_INT(of("n"), 0);
	OK_INT(of("z"), 1);
	OK(told[0].e.in == 0 && told[0].e.out == 1 && told[0].e.occupancy == -1);
	at(0, 0, 0.4, 0.5), picture(S);		/* 09:55:00 */
	OK_INT(of("n"), 1);
	e = first("n");
	OK(e->interval && e->to_us == T0 + 18 * S && e->from_us == T0 && e->more_in == 1 && e->more_out == 0 &&
	   e->t_us == e->to_us);
	v.t_us = T0 + 18 * S + 150 * S;		/* 09:57:30: one report over the gap */
	picture(S);
	OK_INT(of("n"), 2);
	e = &told[n_told - 1].e;
	OK(e->from_us == T0 + 18 * S && e->to_us == T0 + (18 + 120) * S && e->more_out == 1 && e->out == 1);
	v.t_us = T0 + 18 * S + 330 * S;		/* 10:00:30: a report, then the reset */
	n_told = 0;
	picture(S);
	OK(of("n") == 2 && of("z") == 1);
	if (n_told == 3) {
		OK(told[0].e.interval && told[0].e.to_us == T0 + 318 * S && told[0].e.in == 1 && told[0].e.out == 1);
		OK(told[1].e.reset && told[1].e.t_us == T0 + 318 * S && told[1].e.in == 1);
		OK(told[2].e.reset && told[2].e.out == 1 && told[2].e.in == 1);
	}
	at(0, 0, 0.6, 0.5), picture(S);
	OK(told[n_told - 1].e.in == 0 && told[n_told - 1].e.out == 1);
	/* what is left at the end */
	n_told = 0;
	OK(cb_watch_close(v.w, &v.scene, NULL, 0, &err) == 0);
	OK(n_told == 1 && told[0].e.interval && told[0].e.more_in == 1);

	/* who is in a zone */
	start(YARD "rules:\n  - {name: n, type: count, zone: yard}\n");
	at(0, 0, 0.5, 0.5), at(1, 0, 0.1, 0.5), picture(S);
	at(0, 0, 0.5, 0.5), at(1, 0, 0.5, 0.5), picture(S);
	OK(n_told == 2 && told[1].e.occupancy == 2 && told[1].e.in == 2);
	ends(0), at(1, 0, 0.1, 0.5), picture(S);
	OK(n_told == 4 && told[3].e.occupancy == 0 && told[3].e.out == 2);
}

/* --- movement ---------------------------------------------------------------------------------------------- */

static void direction(void)
{
	for (size_t r = 0; r < RATES; r++) {
		int fps = rates[r];

		start("rules:\n  - {name: up, type: direction, heading: 0}\n"
		      "  - {name: right, type: direction, heading: 90, tolerance: 60, distance: 0.1}\n"
		      "  - {name: left, type: direction, heading: 270, tolerance: 60, distance: 0.1}\n");
		for (int i = 0; i <= 2 * fps; i++) {
			/* to the right, trembling up and down */
			at(0, 1, 0.2 + 0.3 * i / fps, 0.5 - 0.02 * i / fps - 0.002 * (i % 2)), picture(S / fps);
		}
		OK_INT(of("up"), 0);
		OK_INT(of("right"), 0);
		OK_INT(of("left"), 1);
		OK(fabs(first("left")->heading - 86) < 8);
	}
}

static void speeds(void)
{
	/* ground: 10 m a picture, both ways */
	start("ground:\n  - {at: [0, 0], metres: [0, 10]}\n  - {at: [1, 0], metres: [10, 10]}\n"
	      "  - {at: [1, 1], metres: [10, 0]}\n  - {at: [0, 1], metres: [0, 0]}\n"
	      "rules:\n  - {name: fast, type: speed, over: 7.2km/h, for: 1s}\n"
	      "  - {name: slow, type: speed, under: 1m/s, for: 1s}\n"
	      "  - {name: rel, type: speed, over: 0.25/s, for: 0s}\n");
	for (int i = 0; i < 5; i++) {
		struct cb_track *t = at(0, 1, 0.2 + 0.1 * i, 0.5);

		t->vx = i < 1 ? 0.19 : 0.21;
		picture(S / 2);
		OK_INT(of("fast"), i >= 3);
	}
	OK(first("fast")->since_us == T0 + S / 2 && fabs(first("fast")->speed - 2.1) < 1e-6 && first("fast")->metric);
	OK(of("slow") == 0 && of("rel") == 0);
	OK(says(0, "\"speed_mps\":2.1"));
	for (int i = 0; i < 5; i++) {
		struct cb_track *t = at(0, 1, 0.6, 0.5);

		t->vx = 0, t->vy = i == 4 ? -0.26 : 0.01;
		picture(S / 2);
	}
	OK(of("slow") == 1 && of("rel") == 1 && of("fast") == 1);
}

static void standing(void)
{
	for (size_t r = 0; r < RATES; r++) {
		int fps = rates[r];
		int64_t began = 0;

		start("rules:\n  - {name: s, type: stopped, for: 10s, class: car}\n"
		      "  - {name: m, type: stopped, for: 10s, moved: true}\n"
		      "  - {name: l, type: stopped, for: 11200ms, moved: true}\n");
		for (int i = 0; i <= 20 * fps; i++) {
			/* comes for a second, stands for 11 s, goes on */
			double x = i < fps ? 0.1 + 0.3 * i / fps : i <= 12 * fps ? 0.4 + 0.004 * (i % 3) :
				0.45 + 0.05 * (i - 12 * fps) / fps;

			at(0, 1, x, 0.5), at(1, 1, 0.8, 0.9), picture(S / fps);
			if (i == fps)
				began = v.t_us - S / fps;
		}
		OK_INT(of("s"), 3);	/* the parked one; the one that stops; that goes on */
		OK_INT(of("m"), 2);
		OK(first("m")->t_us - first("m")->since_us >= 10 * S);
		/* it stood from when it was within the radius of where it stands */
		OK(llabs(first("m")->since_us - began) <= S / 15 + S / fps);
		OK(first("m")->t_us - first("m")->since_us < 10 * S + S / fps);
		OK_INT(of("l"), 0);
		OK_INT(first("m")->state, CB_WATCH_START);
	}
}

static void left_behind(void)
{
	start("rules:\n  - {name: l, type: left, for: 10s}\n");
	for (int i = 0; i < 30; i++) {
		if (i >= 2)
			at(1, 2, 0.5, 0.5);	/* the suitcase */
		at(0, 0, i < 5 ? 0.5 : 0.9, 0.5);	/* its owner, gone after the picture at 4 s */
		picture(S);
		OK_INT(of("l"), i >= 14);
	}
	OK(first("l")->since_us == T0 + 4 * S && first("l")->state == CB_WATCH_START);
	OK(says(0, "\"owner\":\"00000000000000000000000000000001\"") && says(0, "\"class\":\"suitcase\""));
	at(1, 2, 0.6, 0.5), picture(S);
	OK(of("l") == 2 && told[1].e.state == CB_WATCH_END && !told[1].e.gone);
	/* somebody stays near it: never */
	start("rules:\n  - {name: l, type: left, for: 10s}\n");
	for (int i = 0; i < 30; i++)
		at(1, 2, 0.5, 0.5), at(0, 0, 0.6, 0.5), picture(S);
	OK_INT(n_told, 0);
}

static void removed(void)
{
	const char *rules = "zones: {z: [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]}\n"
		"rules:\n  - {name: r, type: removed, zone: z, present: 5s, for: 3s}\n";

	start(rules);
	for (int i = 0; i <= 6; i++)
		at(0, 2, 0.5, 0.5), picture(S);
	/* hidden for two seconds */
	lost(0), picture(S);
	lost(0), picture(S);
	at(0, 2, 0.5, 0.5), picture(S);
	OK_INT(n_told, 0);
	for (int i = 0; i < 4; i++) {	/* another track in the same place */
		if (i == 0)
			ends(0);
		else
			at(1, 2, 0.505, 0.5);
		picture(S);
	}
	OK_INT(n_told, 0);
	ends(1);
	for (int i = 0; i < 5; i++) {
		picture(S);
		OK_INT(n_told, i >= 3);
	}
	OK(says(0, "\"type\":\"cb.object.removed\"") && told[0].e.since_us == T0 + 13 * S);
	/* carried off; one that never settled is not missed */
	start(rules);
	for (int i = 0; i < 20; i++) {
		at(0, 2, i < 6 ? 0.5 : 0.5 + 0.05 * (i - 5), 0.5);
		if (i < 4)
			at(1, 2, 0.45, 0.45);
		if (i == 4)
			ends(1);
		picture(S);
	}
	OK_INT(n_told, 1);
	OK(told[0].e.since_us == T0 + 5 * S && told[0].e.t_us == T0 + 9 * S);
}

static void sequence(void)
{
	const char *rules = "zones:\n  a: [[0, 0], [0.4, 0], [0.4, 1], [0, 1]]\n"
		"  b: [[0.6, 0], [1, 0], [1, 1], [0.6, 1]]\nrules:\n"
		"  - {name: a, type: enter, zone: a, silent: true}\n  - {name: b, type: enter, zone: b, silent: true}\n"
		"  - {name: ab, type: sequence, steps: [a, b], within: 3s}\n"
		"  - {name: aba, type: sequence, steps: [a, b, a], within: 10s}\n"
		"  - {name: any, type: sequence, steps: [a, b], within: 3s, same: any}\n";

	start(rules);
	at(0, 0, 0.2, 0.5), picture(3 * S);
	at(0, 0, 0.8, 0.5), picture(S);
	OK(of("ab") == 1 && of("any") == 1 && of("a") == 0);
	OK(first("ab")->since_us == T0 && first("ab")->t_us == T0 + 3 * S);
	OK(says(0, "\"steps\":[\"a\",\"b\"]"));
	at(0, 0, 0.2, 0.5), picture(S);
	OK_INT(of("aba"), 1);
	start(rules);
	at(0, 0, 0.2, 0.5), picture(3 * S + 1);
	at(0, 0, 0.8, 0.5), picture(S);
	OK(of("ab") == 0 && of("any") == 0);
	start(rules);
	at(0, 0, 0.2, 0.5), at(1, 0, 0.5, 0.5), picture(S);
	at(0, 0, 0.2, 0.5), at(1, 0, 0.8, 0.5), picture(S);
	OK(of("ab") == 0 && of("any") == 1);
	start(rules);
	at(0, 0, 0.8, 0.5), picture(S);
	at(0, 0, 0.2, 0.5), picture(S);
	OK_INT(n_told, 0);
}

/* The clock set back: nothing that waited fires by it, nothing is lost for good. */
static void clock_back(void)
{
	start(YARD DOOR "rules:\n  - {name: d, type: dwell, zone: yard, for: 5s}\n"
	      "  - {name: n, type: count, line: door, every: 1m}\n  - {name: c, type: crowd, count: 1, for: 5s}\n"
	      "  - {name: r, type: removed, for: 5s, present: 1s}\n");
	for (int i = 0; i < 4; i++)
		at(0, 0, 0.45, 0.5), picture(S);
	v.t_us = T0 - 3600 * S;
	ends(0), picture(S);
	for (int i = 0; i < 10; i++)
		at(1, 0, 0.45, 0.5), picture(S);
	OK(of("d") == 1 && first("d")->since_us == T0 - 3599 * S);
	OK_INT(of("r"), 0);
	OK(of("c") == 1 && of("n") == 0);
}

int main(void)
{
	ten_seven_five();
	lines();
	tailgate();
	zones();
	filters();
	schedule();
	crowd();
	counting();
	direction();
	speeds();
	standing();
	left_behind();
	removed();
	sequence();
	clock_back();
	if (tap_failed)
		show();
	OK(!bad_json);
	stop();
	return done();
}
