/* SPDX-License-Identifier: Apache-2.0 */
/* Exact predicates on whole numbers, distances in floating point. */
#include "track/geom.h"

#include <math.h>
#include <stddef.h>

#define FAR 4	/* pictures */

static int32_t part(double v)
{
	if (!(v > -FAR))
		return -FAR * CB_PT_ONE;
	if (v > FAR)
		return FAR * CB_PT_ONE;
	return (int32_t)floor(v * CB_PT_ONE + 0.5);
}

struct cb_pt cb_pt_of(double x, double y)
{
	return (struct cb_pt){ part(x), part(y) };
}

/* of two ways from a */
static int64_t cross(struct cb_pt a, struct cb_pt b, struct cb_pt p)
{
	return ((int64_t)b.x - a.x) * ((int64_t)p.y - a.y) - ((int64_t)b.y - a.y) * ((int64_t)p.x - a.x);
}

int64_t cb_side(struct cb_pt a, struct cb_pt b, struct cb_pt p)
{
	return cross(a, b, p);
}

void cb_poly_bound(struct cb_poly *g)
{
	g->lo = g->hi = g->p[0];
	for (uint32_t i = 1; i < g->n; i++) {
		g->lo.x = g->p[i].x < g->lo.x ? g->p[i].x : g->lo.x;
		g->lo.y = g->p[i].y < g->lo.y ? g->p[i].y : g->lo.y;
		g->hi.x = g->p[i].x > g->hi.x ? g->p[i].x : g->hi.x;
		g->hi.y = g->p[i].y > g->hi.y ? g->p[i].y : g->hi.y;
	}
}

static bool between(int32_t a, int32_t b, int32_t v)
{
	return a < b ? a <= v && v <= b : b <= v && v <= a;
}

static bool on_segment(struct cb_pt a, struct cb_pt b, struct cb_pt p)
{
	return between(a.x, b.x, p.x) && between(a.y, b.y, p.y) && cross(a, b, p) == 0;
}

bool cb_poly_has(const struct cb_poly *g, struct cb_pt p)
{
	bool in = false;

	if (p.x < g->lo.x || p.x > g->hi.x || p.y < g->lo.y || p.y > g->hi.y)
		return false;
	for (uint32_t i = 0, k = g->n - 1; i < g->n; k = i++) {
		struct cb_pt a = g->p[k], b = g->p[i];

		if (on_segment(a, b, p))
			return true;
		/* a ray to the left; an edge has its upper end, not its lower one */
		if ((a.y > p.y) != (b.y > p.y) && (cross(a, b, p) > 0) == (a.y > b.y))
			in = !in;
	}
	return in;
}

double cb_pt_distance(struct cb_pt a, struct cb_pt b, double aspect)
{
	double x = (a.x - b.x) * aspect, y = a.y - b.y;

	return sqrt(x * x + y * y) / CB_PT_ONE;
}

static double segment_distance2(struct cb_pt a, struct cb_pt b, struct cb_pt p, double aspect)
{
	double dx = (b.x - a.x) * aspect, dy = b.y - a.y;
	double px = (p.x - a.x) * aspect, py = p.y - a.y;
	double len2 = dx * dx + dy * dy, t = len2 > 0 ? (px * dx + py * dy) / len2 : 0;

	t = t < 0 ? 0 : t > 1 ? 1 : t;
	px -= t * dx;
	py -= t * dy;
	return px * px + py * py;
}

double cb_poly_distance(const struct cb_poly *g, struct cb_pt p, double aspect)
{
	double best = INFINITY;

	for (uint32_t i = g->closed ? 0 : 1, k = g->closed ? g->n - 1 : 0; i < g->n; k = i++) {
		double d = segment_distance2(g->p[k], g->p[i], p, aspect);

		best = d < best ? d : best;
	}
	return sqrt(best) / CB_PT_ONE;
}

static int64_t twice_area(const struct cb_poly *g)
{
	int64_t sum = 0;

	for (uint32_t i = 0, k = g->n - 1; i < g->n; k = i++)
		sum += (int64_t)g->p[k].x * g->p[i].y - (int64_t)g->p[i].x * g->p[k].y;
	return sum < 0 ? -sum : sum;
}

double cb_poly_area(const struct cb_poly *g)
{
	return (double)twice_area(g) / 2 / CB_PT_ONE / CB_PT_ONE;
}

/* Sutherland and Hodgman, "Reentrant polygon clipping", 1974: one side of the rectangle after
 * another. Where the polygon falls apart its parts stay joined along the side, which has no area. */
struct corner {
	double x, y;
};

static uint32_t clip(const struct corner *in, uint32_t n, struct corner *out, bool vertical, double at,
		     bool keep_above)
{
	uint32_t m = 0;

	for (uint32_t i = 0, k = n - 1; i < n; k = i++) {
		double a = vertical ? in[k].x : in[k].y, b = vertical ? in[i].x : in[i].y;
		bool ia = keep_above ? a >= at : a <= at, ib = keep_above ? b >= at : b <= at;

		if (ia != ib) {
			double t = (at - a) / (b - a);

			out[m].x = in[k].x + t * (in[i].x - in[k].x);
			out[m++].y = in[k].y + t * (in[i].y - in[k].y);
		}
		if (ib)
			out[m++] = in[i];
	}
	return m;
}

double cb_poly_cover(const struct cb_poly *g, double x, double y, double w, double h)
{
	/* each of four cuts adds a point at every second edge at most */
	struct corner a[CB_POLY_POINTS * 6], b[CB_POLY_POINTS * 6];
	uint32_t n = g->n;
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		a[i] = (struct corner){ (double)g->p[i].x / CB_PT_ONE, (double)g->p[i].y / CB_PT_ONE };
	n = clip(a, n, b, true, x, true);
	n = n ? clip(b, n, a, true, x + w, false) : 0;
	n = n ? clip(a, n, b, false, y, true) : 0;
	n = n ? clip(b, n, a, false, y + h, false) : 0;
	for (uint32_t i = 0, k = n - 1; i < n; k = i++)
		sum += a[k].x * a[i].y - a[i].x * a[k].y;
	return fabs(sum) / 2;
}

/* do they share a point? */
static bool touch(struct cb_pt a, struct cb_pt b, struct cb_pt c, struct cb_pt d)
{
	int64_t c1 = cross(a, b, c), c2 = cross(a, b, d), c3 = cross(c, d, a), c4 = cross(c, d, b);

	if (((c1 > 0 && c2 < 0) || (c1 < 0 && c2 > 0)) && ((c3 > 0 && c4 < 0) || (c3 < 0 && c4 > 0)))
		return true;
	return on_segment(a, b, c) || on_segment(a, b, d) || on_segment(c, d, a) || on_segment(c, d, b);
}

static bool same(struct cb_pt a, struct cb_pt b)
{
	return a.x == b.x && a.y == b.y;
}

const char *cb_poly_fault(const struct cb_poly *g, uint32_t *ret_at)
{
	uint32_t edges = g->closed ? g->n : g->n - 1;

	for (uint32_t i = 0; i < edges; i++) {
		*ret_at = (i + 1) % g->n;
		if (same(g->p[i], g->p[(i + 1) % g->n]))
			return "the same point twice";
	}
	for (uint32_t i = 0; i < edges; i++)
		for (uint32_t k = i + 1; k < edges; k++) {
			struct cb_pt a = g->p[i], b = g->p[i + 1], c = g->p[k], d = g->p[(k + 1) % g->n];
			bool wrap = g->closed && i == 0 && k == edges - 1;

			*ret_at = k;
			/* neighbours share a corner, and must not lie on one another */
			if (k == i + 1 ? on_segment(a, b, d) || on_segment(c, d, a) :
			    wrap ? on_segment(a, b, c) || on_segment(c, d, b) : touch(a, b, c, d))
				return "the sides cross or touch";
		}
	*ret_at = 0;
	return g->closed && twice_area(g) == 0 ? "no area" : NULL;
}

static int sign(int64_t v)
{
	return (v > 0) - (v < 0);
}

int cb_line_crossings(const struct cb_poly *line, struct cb_pt p, struct cb_pt q)
{
	int64_t ux = (int64_t)q.x - p.x, uy = (int64_t)q.y - p.y;
	int net = 0;

	if (ux == 0 && uy == 0)
		return 0;
	for (uint32_t i = 0; i + 1 < line->n; i++) {
		struct cb_pt a = line->p[i], b = line->p[i + 1];
		int64_t dx = (int64_t)b.x - a.x, dy = (int64_t)b.y - a.y;
		/* p and q moved by (e, e*e), e going to 0: where a product is 0 this decides */
		int tie_d = dy ? -sign(dy) : sign(dx), tie_u = uy ? sign(uy) : -sign(ux);
		int sp = sign(cross(a, b, p)), sq = sign(cross(a, b, q));
		int sa, sb;

		sp = sp ? sp : tie_d;
		sq = sq ? sq : tie_d;
		if (sp == sq)
			continue;
		sa = sign(cross(p, q, a));
		sb = sign(cross(p, q, b));
		if ((sa ? sa : tie_u) != (sb ? sb : tie_u))
			net += sq;
	}
	return net;
}
