/* SPDX-License-Identifier: Apache-2.0 */
/* Camera health on pictures made here: each condition begins once and ends once, at any rate of
 * pictures, and what is no tampering gives nothing. */
#include "tap.h"

#include "detect/health.h"
#include "detect/motion.h"

enum { FW = 704, FH = 396, W = 176, H = 99, S = 1000000 };

static uint32_t seed;

static int rnd(int n)
{
	seed = seed * 1664525 + 1013904223;
	return (int)(seed >> 8) % n;
}

static void fill(uint8_t *p, int x0, int y0, int w, int h, int v)
{
	int x1 = x0 + w > FW ? FW : x0 + w;

	if (x0 < 0)
		x0 = 0;
	for (int y = y0 < 0 ? 0 : y0; x0 < x1 && y < y0 + h && y < FH; y++)
		memset(p + y * FW + x0, v, (size_t)(x1 - x0));
}

/* A place full of boxes, seen from so far to the left and above. */
static void view(uint8_t *p, uint32_t place, int dx, int dy)
{
	seed = place;
	fill(p, 0, 0, FW, FH, 90 + rnd(60));
	for (int i = 0; i < 300; i++) {
		int x = rnd(FW + 400) - 200, y = rnd(FH + 400) - 200, w = 12 + rnd(90), h = 12 + rnd(90);

		fill(p, x + dx, y + dy, w, h, 40 + rnd(160));
	}
}

static void blur(uint8_t *p, int r)
{
	static uint8_t t[FW * FH];

	for (int pass = 0; pass < 4; pass++) {
		memcpy(t, p, sizeof t);
		for (int y = 0; y < FH; y++)
			for (int x = 0; x < FW; x++) {
				int sum = 0, n = 0;

				for (int k = -r; k <= r; k++) {
					int xx = x + (pass & 1 ? k : 0), yy = y + (pass & 1 ? 0 : k);

					if (xx >= 0 && yy >= 0 && xx < FW && yy < FH) {
						sum += t[yy * FW + xx];
						n++;
					}
				}
				p[y * FW + x] = (uint8_t)(sum / n);
			}
	}
}

static void light(uint8_t *p, int percent, int offset)
{
	for (int i = 0; i < FW * FH; i++) {
		int v = p[i] * percent / 100 + offset;

		p[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
	}
}

/* What a camera that watches has said. */
struct seen {
	int starts[CB_CONDITIONS], ends[CB_CONDITIONS], open, all;
	int64_t start_us, since_us, duration_us;	/* of the last */
	struct cb_health_change last;
};

#define NOISE 100003
static int8_t noise[8][NOISE];	/* by its strength */
static struct cb_health *health;
static struct seen seen;
static uint32_t grain;

static void take(const struct cb_health_result *r, int64_t t)
{
	for (int i = 0; i < r->n; i++) {
		const struct cb_health_change *c = &r->change[i];

		seen.all++;
		if (c->start) {
			seen.starts[c->condition]++;
			seen.open++;
			seen.start_us = t;
			seen.since_us = t - c->ago_us;
			seen.last = *c;
		} else {
			seen.ends[c->condition]++;
			seen.open--;
			seen.duration_us = c->duration_us;
			seen.last.end = c->end;
		}
	}
}

static uint8_t small[W * H];

static void shrink(const uint8_t *full)
{
	for (int i = 0; i < W * H; i++) {
		const uint8_t *q = full + i / W * 4 * FW + i % W * 4;
		int sum = 8;

		for (int j = 0; j < 16; j++)
			sum += q[j / 4 * FW + j % 4];
		small[i] = (uint8_t)(sum / 16);
	}
}

/* One picture, made small already, with the noise of a sensor unless n is 0. */
static void again(const uint8_t *full, int64_t t, int n)
{
	static uint8_t gray[W * H], lines[CB_HEALTH_LINES * CB_HEALTH_LINE_MAX];
	struct cb_health_result r;
	uint32_t x, y, k = 0;

	const int8_t *g = noise[n];

	if (n)
		g += ++grain * 7919 % (NOISE - sizeof lines);
	for (int i = 0; i < W * H; i++) {
		int v = small[i] + g[i] / 4;

		gray[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
	}
	for (int i = 0; cb_health_due(health, t) && i < CB_HEALTH_LINES; i++) {
		k = cb_health_line(health, i, &x, &y);
		for (uint32_t j = 0; j < k; j++) {
			int v = full[y * FW + x + j] + g[(uint32_t)i * k + j];

			lines[(uint32_t)i * k + j] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
	}
	cb_health_run(health, gray, lines, t, &r);
	take(&r, t);
}

static void show(const uint8_t *full, int64_t t, int n)
{
	shrink(full);
	again(full, t, n);
}

static void begin(void)
{
	struct cb_err err;

	cb_health_free(health);
	health = NULL;
	memset(&seen, 0, sizeof seen);
	if (cb_health_new(&health, W, H, FW, FH, CB_HEALTH_FROZEN_US, &err) < 0)
		exit(1);
}

static void finish(void)
{
	struct cb_health_result r;

	cb_health_finish(health, &r);
	take(&r, 0);
}

/* From t to until, a picture each step. */
static int64_t watch(const uint8_t *full, int64_t t, int64_t until, int64_t step, int n)
{
	shrink(full);
	for (; t < until; t += step)
		again(full, t, n);
	return t;
}

static uint8_t usual[FW * FH], odd[FW * FH], between[FW * FH];

/* 20 seconds of the usual, 20 of what is odd, 20 of the usual again. */
static void episode(int64_t step, int n_odd, bool slowly)
{
	int64_t t;

	begin();
	t = watch(usual, 0, 20 * S, step, 4);
	for (int i = 0; slowly && i < 4; i++, t += step) {
		/* a pan: other places go by, blurred */
		view(between, 100 + (uint32_t)i, 0, 0);
		blur(between, 12);
		show(between, t, 4);
	}
	t = watch(odd, t, t + 20 * S, step, n_odd);
	watch(usual, t, t + 20 * S, step, 4);
	finish();
}

static int others(enum cb_condition c)
{
	return seen.all - seen.starts[c] - seen.ends[c];
}

static void each(enum cb_condition c, const char *what, bool slowly)
{
	static const int64_t steps[] = { S / 25, S / 10, S / 2, 2 * S, 4 * S };
	char name[100];

	/* the fastest of them for one is enough */
	for (size_t i = c != CB_COVERED; i < sizeof steps / sizeof *steps; i++) {
		episode(steps[i], 4, slowly && steps[i] < S / 2);
		snprintf(name, sizeof name, "%s, a picture each %d ms", what, (int)(steps[i] / 1000));
		if (!OK_NAMED(seen.starts[c] == 1 && seen.ends[c] == 1 && !others(c), name) ||
		    !OK_NAMED(seen.since_us >= 20 * S && seen.since_us <= 21500000 + 2 * steps[i] &&
			      seen.start_us - seen.since_us <= 6500000 + 3 * steps[i] &&
			      seen.last.end == CB_HEALTH_OVER && seen.duration_us > 17 * S &&
			      seen.duration_us < 21500000 + 2 * steps[i], name))
			NOTE("%d %d, %d others, since %lld known %lld duration %lld end %d", seen.starts[c],
			     seen.ends[c], others(c), (long long)seen.since_us, (long long)seen.start_us,
			     (long long)seen.duration_us, seen.last.end);
	}
}

static void conditions(void)
{
	view(usual, 1, 0, 0);

	memset(odd, 120, sizeof odd);
	each(CB_COVERED, "covered by one colour", false);
	memcpy(odd, usual, sizeof odd);
	fill(odd, 0, 0, FW * 9 / 10, FH, 70);
	for (int y = 0; y < FH; y++)	/* a hand: no colour is even */
		for (int x = 0; x < FW * 9 / 10; x++)
			odd[y * FW + x] = (uint8_t)(60 + x / 16 + y / 20);
	each(CB_COVERED, "covered by a near object", false);

	memcpy(odd, usual, sizeof odd);
	blur(odd, 3);
	each(CB_DEFOCUSED, "defocused", false);
	blur(odd, 9);
	each(CB_DEFOCUSED, "far defocused", false);
	light(odd, 60, 0);
	each(CB_DEFOCUSED, "defocused and darker", false);

	view(odd, 1, -20, 12);
	each(CB_MOVED, "moved a little", false);
	OK(seen.last.shifted && seen.last.dx == -5 * CB_UNIT / W && seen.last.dy == 3 * CB_UNIT / H);
	view(odd, 1, 140, -40);
	each(CB_MOVED, "moved far", true);
	OK(seen.last.shifted && seen.last.dx == 35 * CB_UNIT / W && seen.last.dy == -10 * CB_UNIT / H);
	view(odd, 2, 0, 0);
	each(CB_MOVED, "turned away", true);
	OK(!seen.last.shifted);

	memset(odd, 245, sizeof odd);
	each(CB_BRIGHT, "blinded", false);

	/* black at once is a cover as well; faded, only dark */
	memset(odd, 5, sizeof odd);
	episode(S / 10, 4, false);
	OK(seen.starts[CB_COVERED] == 1 && seen.ends[CB_COVERED] == 1 && seen.starts[CB_DARK] == 1 &&
	   seen.ends[CB_DARK] == 1 && seen.all == 4);
}

static void fades(void)
{
	int64_t t = 0;

	begin();
	view(usual, 1, 0, 0);
	t = watch(usual, t, 20 * S, S / 5, 4);
	/* dusk, night, dawn: down to a fifth */
	for (int i = 0; i < 600; i++, t += S / 5) {
		view(odd, 1, 0, 0);
		light(odd, 20 + 80 * abs(300 - i) / 300, 0);
		show(odd, t, 4);
	}
	OK_INT(seen.all, 0);
	/* and to black within four seconds */
	for (int i = 20; i >= 0; i--, t += S / 5) {
		view(odd, 1, 0, 0);
		light(odd, 5 * i, 0);
		show(odd, t, 2);
	}
	t = watch(odd, t, t + 10 * S, S / 5, 2);
	t = watch(usual, t, t + 10 * S, S / 5, 4);
	finish();
	OK(seen.starts[CB_DARK] == 1 && seen.ends[CB_DARK] == 1 && seen.all == 2);
}

static void nothing(void)
{
	int64_t t = 0;

	begin();
	view(usual, 3, 0, 0);
	t = watch(usual, t, 15 * S, S / 10, 6);
	/* a lorry: two thirds of the picture, hardly any structure; it stops for seven seconds */
	for (int i = 0; i < 130; i++, t += S / 10) {
		int x = i < 30 ? -FW + i * FW / 25 : i < 100 ? FW / 5 : FW / 5 + (i - 100) * FW / 25;

		memcpy(odd, usual, sizeof odd);
		fill(odd, x, 60, FW * 7 / 10, FH, 130);
		show(odd, t, 6);
	}
	OK_INT(seen.all, 0);
	/* lamps on, infrared, off */
	memcpy(odd, usual, sizeof odd);
	light(odd, 70, 60);
	t = watch(odd, t, t + 15 * S, S / 10, 6);
	for (int i = 0; i < FW * FH; i++)
		odd[i] = (uint8_t)(220 - usual[i] * 3 / 4);
	t = watch(odd, t, t + 15 * S, S / 10, 6);
	t = watch(usual, t, t + 15 * S, S / 10, 6);
	OK_INT(seen.all, 0);
	/* two seconds of a hand, a flash, a moth */
	memset(odd, 90, sizeof odd);
	t = watch(odd, t, t + 2 * S, S / 10, 6);
	t = watch(usual, t, t + 5 * S, S / 10, 6);
	memset(odd, 255, sizeof odd);
	t = watch(odd, t, t + 3 * S, S / 10, 6);
	t = watch(usual, t, t + 5 * S, S / 10, 6);
	OK_INT(seen.all, 0);

	/* a cut in a film, and what comes after it is watched as well */
	view(odd, 4, 0, 0);
	t = watch(odd, t, t + 20 * S, S / 10, 6);
	OK_INT(seen.all, 0);
	memset(odd, 100, sizeof odd);
	t = watch(odd, t, t + 8 * S, S / 10, 6);
	OK(seen.starts[CB_COVERED] == 1 && seen.all == 1);
	finish();
	OK(seen.ends[CB_COVERED] == 1 && seen.all == 2 && seen.last.end == CB_HEALTH_STREAM);

	/* a film of short scenes, a camera that never rests */
	begin();
	t = 0;
	for (uint32_t i = 0; i < 20; i++) {
		view(odd, 10 + i, 0, 0);
		t = watch(odd, t, t + 6 * S, S / 5, 4);
	}
	for (int i = 0; i < 300; i++, t += S / 5) {
		view(odd, 40, -4 * (i % 50), 0);
		show(odd, t, 4);
	}
	finish();
	OK_INT(seen.all, 0);
	/* nothing to see from the start is no cover, but dark or bright it may be */
	begin();
	memset(odd, 100, sizeof odd);
	t = watch(odd, 0, 60 * S, S / 5, 4);
	OK_INT(seen.all, 0);
	memset(odd, 3, sizeof odd);
	watch(odd, t, t + 10 * S, S / 5, 2);
	OK(seen.starts[CB_DARK] == 1 && seen.all == 1);
}

static void slowly(void)
{
	int64_t t;

	/* sagging for twenty seconds, then staying: found, and after a minute accepted */
	begin();
	view(usual, 5, 0, 0);
	t = watch(usual, 0, 20 * S, S / 5, 4);
	for (int i = 0; i < 100; i++, t += S / 5) {
		view(odd, 5, 0, -i * 40 / 100);
		show(odd, t, 4);
	}
	t = watch(odd, t, t + 20 * S, S / 5, 4);
	OK(seen.starts[CB_MOVED] == 1 && seen.all == 1 && seen.last.shifted && seen.last.dx == 0 && seen.last.dy < 0);
	t = watch(odd, t, t + 60 * S, S / 5, 4);
	OK(seen.ends[CB_MOVED] == 1 && seen.all == 2 && seen.last.end == CB_HEALTH_ACCEPTED);
	t = watch(odd, t, t + 20 * S, S / 5, 4);
	OK_INT(seen.all, 2);
	/* now that is the usual view, and the old one another */
	watch(usual, t, t + 10 * S, S / 5, 4);
	OK(seen.starts[CB_MOVED] == 2 && seen.all == 3 && seen.last.dy > 0);
}

static void frozen(void)
{
	static const int64_t steps[] = { S / 10, S, 5 * S };
	int64_t t;

	view(usual, 6, 0, 0);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		begin();
		t = watch(usual, 0, 20 * S, steps[i], 4);
		t = watch(usual, t, t + 28 * S, steps[i], 0);	/* not long enough */
		t = watch(usual, t, t + 10 * S, steps[i], 4);
		OK_INT(seen.all, 0);
		t = watch(usual, t, t + 60 * S, steps[i], 0);
		OK(seen.starts[CB_FROZEN] == 1 && seen.all == 1 && seen.last.value >= 30 * CB_UNIT);
		watch(usual, t, t + 15 * S, steps[i], 4);
		OK(seen.ends[CB_FROZEN] == 1 && seen.all == 2 && seen.duration_us >= 60 * S - steps[i] &&
		   seen.duration_us <= 60 * S + S / 5 + 2 * steps[i]);
		finish();
		OK_INT(seen.all, 2);
	}
	/* the same few pictures from keyframe to keyframe */
	begin();
	for (int i = 0; i < 300; i++)
		show(usual, i * (S / 5), i % 10 == 0 ? (grain = 1, 3) : i % 10 == 1 ? (grain = 2, 2) : 0);
	OK(seen.starts[CB_FROZEN] == 1 && seen.all == 1);
	/* skipped blocks between keyframes that differ are a still scene */
	begin();
	for (int i = 0; i < 600; i++)
		show(usual, i * (S / 5), i % 100 == 0 ? 3 : 0);
	OK_INT(seen.all, 0);
}

static void odds(void)
{
	static const int64_t times[] = { 0, 0, -5000000, INT64_MAX / 4, INT64_MIN / 4, 7, INT64_MAX / 4, 8, 9000000 };
	static const uint32_t sizes[][4] = { { 8, 8, 8, 8 }, { 176, 8, 2000, 16 }, { 8, 176, 1, 16384 },
					     { 176, 99, 16384, 4096 }, { 9, 13, 9, 13 }, { 176, 176, 100, 30 } };
	static uint8_t gray[CB_MOTION_SIDE * CB_MOTION_SIDE], lines[CB_HEALTH_LINES * CB_HEALTH_LINE_MAX];
	struct cb_health *a = NULL, *b = NULL;
	struct cb_health_result r, s;
	struct cb_err err;

	OK(cb_health_new(&a, 7, 99, 100, 100, 0, &err) < 0 && err.code == CB_E_BUG);
	OK(cb_health_new(&a, 177, 99, 100, 100, 0, &err) < 0);
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		const uint32_t *z = sizes[k];
		bool inside = true, same = true;
		int depth[CB_CONDITIONS] = { 0 };

		if (!OK(cb_health_new(&a, z[0], z[1], z[2], z[3], 5 * S, &err) == 0 &&
			cb_health_new(&b, z[0], z[1], z[2], z[3], 5 * S, &err) == 0))
			return;
		for (int i = 0; i < CB_HEALTH_LINES; i++) {
			uint32_t x, y, n = cb_health_line(a, i, &x, &y);

			inside &= n <= CB_HEALTH_LINE_MAX && (!n || (x + n <= z[2] && y < z[3]));
		}
		OK(inside);
		seed = 9;
		for (int i = 0; i < 700; i++) {
			int64_t t = i % 100 < 9 ? times[i % 100] : i * INT64_C(300000);
			int kind = i / 40 % 5, v = kind == 1 ? 0 : 255;

			for (size_t j = 0; j < sizeof gray; j++)
				gray[j] = (uint8_t)(kind == 0 ? (unsigned)rnd(256) : kind == 3 ? (j / 7 + j / 999) * 40 :
						    kind == 4 ? j % 97 * 2 : (unsigned)v);
			for (size_t j = 0; j < sizeof lines; j += 3)
				lines[j] = (uint8_t)rnd(256);
			cb_health_run(a, gray, i % 3 ? lines : NULL, t, &r);
			cb_health_run(b, gray, i % 3 ? lines : NULL, t, &s);
			same &= r.n == s.n;
			for (int j = 0; j < r.n && j < s.n; j++) {
				const struct cb_health_change *c = &r.change[j];

				same &= c->condition == s.change[j].condition && c->value == s.change[j].value &&
					c->ago_us == s.change[j].ago_us && c->start == s.change[j].start &&
					c->dx == s.change[j].dx && c->dy == s.change[j].dy;
				depth[c->condition] += c->start ? 1 : -1;
				same &= depth[c->condition] == c->start && c->ago_us >= 0 && c->duration_us >= 0 &&
					c->value >= 0;
			}
		}
		cb_health_finish(a, &r);
		for (int j = 0; j < r.n; j++)
			depth[r.change[j].condition]--;
		for (int j = 0; j < CB_CONDITIONS; j++)
			same &= !depth[j];
		cb_health_finish(a, &r);
		OK_NAMED(same && !r.n, "odd times, odd pictures: the same twice, starts and ends in pairs");
		cb_health_free(a);
		cb_health_free(b);
	}
}

int main(void)
{
	for (int n = 1; n < 8; n++)
		for (int i = 0; i < NOISE; i++)
			noise[n][i] = (int8_t)(rnd(2 * n + 1) - n);
	conditions();
	fades();
	nothing();
	slowly();
	frozen();
	odds();
	cb_health_free(health);
	return done();
}
