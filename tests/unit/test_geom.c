/* SPDX-License-Identifier: Apache-2.0 */
/* lib/track/geom: known answers, and properties on many small random shapes whose points lie on a
 * coarse grid, so that touching, collinear and coinciding points are common. */
#include <math.h>
#include <string.h>

#include "tap.h"
#include "track/geom.h"

static uint64_t seed = 1;

static uint32_t dice(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static struct cb_poly poly(bool closed, uint32_t n, const int32_t *xy)
{
	struct cb_poly g = { .n = n, .closed = closed };

	for (uint32_t i = 0; i < n; i++)
		g.p[i] = (struct cb_pt){ xy[2 * i], xy[2 * i + 1] };
	cb_poly_bound(&g);
	return g;
}

static const char *fault(bool closed, uint32_t n, const int32_t *xy)
{
	struct cb_poly g = poly(closed, n, xy);
	uint32_t at;
	const char *why = cb_poly_fault(&g, &at);

	return why ? why : "none";
}

#define P(closed, ...) poly(closed, sizeof((int32_t[]){ __VA_ARGS__ }) / 8, (int32_t[]){ __VA_ARGS__ })
#define FAULT(closed, ...) \
	fault(closed, sizeof((int32_t[]){ __VA_ARGS__ }) / 8, (int32_t[]){ __VA_ARGS__ })

static bool has(const struct cb_poly *g, int32_t x, int32_t y)
{
	return cb_poly_has(g, (struct cb_pt){ x, y });
}

static void known(void)
{
	struct cb_poly square = P(true, 0, 0, 10, 0, 10, 10, 0, 10);
	/* a C, open to the right */
	struct cb_poly c = P(true, 0, 0, 10, 0, 10, 2, 2, 2, 2, 8, 10, 8, 10, 10, 0, 10);
	struct cb_poly up = P(false, 5, 10, 5, 0);
	struct cb_pt left = { 0, 5 }, on = { 5, 5 }, right = { 9, 5 };

	OK(has(&square, 5, 5) && has(&square, 0, 0) && has(&square, 10, 5) && has(&square, 3, 10));
	OK(!has(&square, 11, 5) && !has(&square, 5, -1) && !has(&square, -1, 0));
	OK(has(&c, 1, 5) && has(&c, 5, 1) && has(&c, 9, 9) && has(&c, 2, 5));
	OK(!has(&c, 5, 5) && !has(&c, 9, 3) && !has(&c, 11, 1));
	/* walking up, what is further along x is on the right */
	OK(cb_side(up.p[0], up.p[1], right) > 0 && cb_side(up.p[0], up.p[1], left) < 0);
	OK_INT(cb_line_crossings(&up, left, right), 1);
	OK_INT(cb_line_crossings(&up, right, left), -1);
	OK_INT(cb_line_crossings(&up, left, on) + cb_line_crossings(&up, on, right), 1);
	OK_INT(cb_line_crossings(&up, left, on) + cb_line_crossings(&up, on, left), 0);
	OK_INT(cb_line_crossings(&up, left, left), 0);
	OK_INT(cb_line_crossings(&up, (struct cb_pt){ 0, 20 }, (struct cb_pt){ 9, 20 }), 0);
	OK(fabs(cb_poly_distance(&up, (struct cb_pt){ 5 + CB_PT_ONE / 2, 5 }, 2) - 1) < 1e-9);
	OK(fabs(cb_poly_distance(&square, (struct cb_pt){ 5, 5 }, 1) * CB_PT_ONE - 5) < 1e-9);
	OK_STR(FAULT(true, 0, 0, 10, 0, 10, 10, 0, 10), "none");
	OK_STR(FAULT(true, 0, 0, 10, 10, 10, 0, 0, 10), "the sides cross or touch");
	OK_STR(FAULT(true, 0, 0, 5, 0, 10, 0), "the sides cross or touch");
	OK_STR(FAULT(true, 0, 0, 0, 0, 10, 0), "the same point twice");
	OK_STR(FAULT(true, 0, 0, 10, 0, 0, 0), "the same point twice");
	OK_STR(FAULT(true, 0, 0, 10, 0, 5, 0, 5, 5), "the sides cross or touch");
	OK_STR(FAULT(true, 0, 0, 10, 0, 5, 0, 5, 5, 0, 5), "the sides cross or touch");
	OK_STR(FAULT(true, 0, 0, 10, 0, 10, 10, 5, 0, 0, 10), "the sides cross or touch");
	OK_STR(FAULT(false, 0, 0, 10, 0), "none");
	OK_STR(FAULT(false, 0, 0, 10, 0, 5, 0), "the sides cross or touch");
	OK_STR(FAULT(false, 0, 0, 10, 0, 10, 10, 5, -5), "the sides cross or touch");
	OK_INT(cb_pt_of(NAN, 1e300).x, -4 * CB_PT_ONE);
	OK_INT(cb_pt_of(NAN, 1e300).y, 4 * CB_PT_ONE);
	OK_INT(cb_pt_of(0.1234567, 0).x, 123457);
}

static void areas(void)
{
	int32_t half = CB_PT_ONE / 2;
	struct cb_poly c = P(true, 0, 0, half, 0, half, half, 0, half);

	OK(fabs(cb_poly_area(&c) - 0.25) < 1e-12);
	OK(fabs(cb_poly_cover(&c, 0, 0, 1, 1) - 0.25) < 1e-12);
	OK(fabs(cb_poly_cover(&c, 0.25, 0.25, 0.5, 0.5) - 0.0625) < 1e-12);
	OK(cb_poly_cover(&c, 0.6, 0.6, 0.1, 0.1) == 0);
	OK(cb_poly_cover(&c, 0.1, 0.1, 0, 0) == 0);
}

/* a star around a middle, so without crossings unless rounding makes some */
static struct cb_poly star(uint32_t n, int32_t size)
{
	struct cb_poly g = { .n = n, .closed = true };

	for (uint32_t i = 0; i < n; i++) {
		double a = 2 * M_PI * i / n, r = size * (0.2 + dice(80) / 100.0);

		g.p[i] = (struct cb_pt){ (int32_t)lrint(r * cos(a)), (int32_t)lrint(r * sin(a)) };
	}
	cb_poly_bound(&g);
	return g;
}

/* inside, the long way: the sum of the angles (no point on an edge) */
static bool winds(const struct cb_poly *g, struct cb_pt p)
{
	double sum = 0;

	for (uint32_t i = 0; i < g->n; i++) {
		struct cb_pt a = g->p[i], b = g->p[(i + 1) % g->n];
		double ax = a.x - p.x, ay = a.y - p.y, bx = b.x - p.x, by = b.y - p.y;

		sum += atan2(ax * by - ay * bx, ax * bx + ay * by);
	}
	return fabs(sum) > M_PI;
}

static void inside(void)
{
	unsigned wrong = 0, edge = 0, tried = 0, ins = 0;
	uint32_t at;

	for (int k = 0; k < 4000; k++) {
		struct cb_poly g = star(3 + dice(12), 3 + (int32_t)dice(12));

		if (cb_poly_fault(&g, &at))
			continue;
		for (int i = 0; i < 60; i++) {
			struct cb_pt p = { (int32_t)dice(31) - 15, (int32_t)dice(31) - 15 };

			if (cb_poly_distance(&g, p, 1) < 1e-9) {
				edge++;
				wrong += !cb_poly_has(&g, p);
				continue;
			}
			tried++;
			ins += winds(&g, p);
			wrong += cb_poly_has(&g, p) != winds(&g, p);
		}
	}
	NOTE("%u points, %u inside, %u on an edge", tried, ins, edge);
	OK(tried > 100000 && ins > 10000 && edge > 1000);
	OK_INT(wrong, 0);
}

/* Around a closed ring what was crossed depends on the ends alone, however the way bends, and
 * however many of its points lie on corners and sides. */
static void crossings(void)
{
	unsigned wrong = 0, crossed = 0;
	uint32_t at;

	for (int k = 0; k < 20000; k++) {
		struct cb_poly g = star(3 + dice(8), 3 + (int32_t)dice(5)), line;
		struct cb_pt p[4];
		int direct, bent;

		if (cb_poly_fault(&g, &at))
			continue;
		line = g;
		line.closed = false;
		line.p[line.n++] = g.p[0];
		for (int i = 0; i < 4; i++)
			p[i] = dice(3) ? (struct cb_pt){ (int32_t)dice(17) - 8, (int32_t)dice(17) - 8 } :
				g.p[dice(g.n)];
		direct = cb_line_crossings(&line, p[0], p[3]);
		bent = cb_line_crossings(&line, p[0], p[1]) + cb_line_crossings(&line, p[1], p[2]) +
			cb_line_crossings(&line, p[2], p[3]);
		wrong += direct != bent || abs(direct) > 1;
		wrong += cb_line_crossings(&line, p[3], p[0]) != -direct;
		crossed += direct != 0;
		if (cb_poly_distance(&g, p[0], 1) > 1e-9 && cb_poly_distance(&g, p[3], 1) > 1e-9)
			wrong += (direct != 0) != (cb_poly_has(&g, p[0]) != cb_poly_has(&g, p[3]));
	}
	OK(crossed > 1000);
	OK_INT(wrong, 0);
}

/* parts of a cut rectangle are the whole */
static void covers(void)
{
	unsigned wrong = 0;
	uint32_t at;

	for (int k = 0; k < 3000; k++) {
		struct cb_poly g = star(3 + dice(20), CB_PT_ONE / 2);
		double x = dice(1000) / 1000.0 - 0.5, y = dice(1000) / 1000.0 - 0.5;
		double sum;

		if (cb_poly_fault(&g, &at))
			continue;
		sum = cb_poly_cover(&g, -1, -1, 1 + x, 1 + y) + cb_poly_cover(&g, x, -1, 1 - x, 1 + y) +
			cb_poly_cover(&g, -1, y, 1 + x, 1 - y) + cb_poly_cover(&g, x, y, 1 - x, 1 - y);
		wrong += fabs(sum - cb_poly_area(&g)) > 1e-9;
	}
	OK_INT(wrong, 0);
}

/* what is called simple has no two sides that cross, by brute force in floating point */
static void faults(void)
{
	unsigned wrong = 0, good = 0;
	uint32_t at;

	for (int k = 0; k < 30000; k++) {
		struct cb_poly g = { .n = 3 + dice(4), .closed = dice(2) };
		uint32_t edges = g.closed ? g.n : g.n - 1;

		for (uint32_t i = 0; i < g.n; i++)
			g.p[i] = (struct cb_pt){ (int32_t)dice(6), (int32_t)dice(6) };
		cb_poly_bound(&g);
		if (cb_poly_fault(&g, &at)) {
			wrong += at >= g.n;
			continue;
		}
		good++;
		for (uint32_t i = 0; i < edges; i++)
			for (uint32_t h = 0; h < edges; h++)
				for (double t = 0.01; t < 1 && h != i; t += 0.0625) {
					struct cb_pt a = g.p[i], b = g.p[(i + 1) % g.n];
					struct cb_poly s = { .n = 2, .p = { g.p[h], g.p[(h + 1) % g.n] } };
					/* grid units of 1000 so that t's points are whole */
					struct cb_pt m = { (int32_t)(1000 * a.x + 1000 * t * (b.x - a.x)),
							   (int32_t)(1000 * a.y + 1000 * t * (b.y - a.y)) };

					for (int c = 0; c < 2; c++) {
						s.p[c].x *= 1000;
						s.p[c].y *= 1000;
					}
					wrong += cb_poly_distance(&s, m, 1) * CB_PT_ONE < 1e-3;
				}
	}
	OK(good > 500);
	OK_INT(wrong, 0);
}

int main(void)
{
	known();
	areas();
	inside();
	crossings();
	covers();
	faults();
	return done();
}
