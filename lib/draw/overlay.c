/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes by their distance functions, composed in premultiplied alpha. */
#include "draw/overlay.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static unsigned div255(unsigned v)
{
	v += 128;
	return (v + (v >> 8)) >> 8;
}

int cb_overlay_init(struct cb_overlay *o, uint32_t width, uint32_t height, struct cb_err *err)
{
	struct cb_overlay n = { .width = width, .height = height };

	if (!width || !height || width > CB_OVERLAY_SIDE_MAX || height > CB_OVERLAY_SIDE_MAX ||
	    (uint64_t)width * height > CB_OVERLAY_PIXELS_MAX)
		return cb_err_set(err, CB_E_DATA, "cannot draw on a picture of %ux%u",
				  width, height);
	n.px = calloc((size_t)width * height, 4);
	n.lo = malloc(height * sizeof(*n.lo));
	n.hi = calloc(height, sizeof(*n.hi));
	if (!n.px || !n.lo || !n.hi) {
		cb_overlay_release(&n);
		return cb_err_nomem(err);
	}
	for (uint32_t y = 0; y < height; y++)
		n.lo[y] = width;
	*o = n;
	return 0;
}

void cb_overlay_clear(struct cb_overlay *o)
{
	for (uint32_t y = 0; y < o->height; y++) {
		if (o->lo[y] < o->hi[y])
			memset(o->px + 4 * ((size_t)y * o->width + o->lo[y]), 0,
			       4 * (size_t)(o->hi[y] - o->lo[y]));
		o->lo[y] = o->width;
		o->hi[y] = 0;
	}
}

void cb_overlay_release(struct cb_overlay *o)
{
	free(o->px);
	free(o->lo);
	free(o->hi);
	*o = (struct cb_overlay){ 0 };
}

void cb_overlay_dot(struct cb_overlay *o, int x, int y, struct cb_rgba c, unsigned coverage)
{
	unsigned a, rest;
	uint8_t *p;

	if (x < 0 || y < 0 || (uint32_t)x >= o->width || (uint32_t)y >= o->height)
		return;
	a = div255(c.a * (coverage > 255 ? 255 : coverage));
	if (!a)
		return;
	rest = 255 - a;
	p = o->px + 4 * ((size_t)y * o->width + (size_t)x);
	p[0] = (uint8_t)(div255(c.r * a) + div255(p[0] * rest));
	p[1] = (uint8_t)(div255(c.g * a) + div255(p[1] * rest));
	p[2] = (uint8_t)(div255(c.b * a) + div255(p[2] * rest));
	p[3] = (uint8_t)(a + div255(p[3] * rest));
	if ((uint32_t)x < o->lo[y])
		o->lo[y] = (uint32_t)x;
	if ((uint32_t)x >= o->hi[y])
		o->hi[y] = (uint32_t)x + 1;
}

/* signed distance from a rounded rectangle's edge, negative inside */
static double edge(double px, double py, double cx, double cy, double hw, double hh, double r)
{
	double dx = fabs(px - cx) - (hw - r), dy = fabs(py - cy) - (hh - r);
	double ox = dx > 0 ? dx : 0, oy = dy > 0 ? dy : 0;
	double in = dx > dy ? dx : dy;

	return (ox > 0 && oy > 0 ? sqrt(ox * ox + oy * oy) : ox + oy) + (in < 0 ? in : 0) - r;
}

static unsigned cover(double inside)
{
	double v = (inside + 0.5) * 255;

	return v <= 0 ? 0 : v >= 255 ? 255 : (unsigned)(v + 0.5);
}

static int clampi(double v, int lo, int hi)
{
	return v < lo ? lo : v > hi ? hi : (int)v;
}

/* half: half the line's thickness, or negative to fill */
static void shape(struct cb_overlay *o, double x, double y, double w, double h, double radius,
		  double half, struct cb_rgba c)
{
	double hw = w / 2, hh = h / 2, cx = x + hw, cy = y + hh;
	double grow = (half > 0 ? half : 0) + 1, skip = half > 0 ? half + radius + 2 : 0;
	int x0, x1, y0, y1;

	if (!isfinite(x) || !isfinite(y) || !(w > 0) || !(h > 0) || !isfinite(w) || !isfinite(h))
		return;
	if (radius > hw)
		radius = hw;
	if (radius > hh)
		radius = hh;
	if (radius < 0)
		radius = 0;
	x0 = clampi(floor(x - grow), 0, (int)o->width);
	x1 = clampi(ceil(x + w + grow), 0, (int)o->width);
	y0 = clampi(floor(y - grow), 0, (int)o->height);
	y1 = clampi(ceil(y + h + grow), 0, (int)o->height);
	for (int py = y0; py < y1; py++) {
		bool middle = half > 0 && py > y + skip && py + 1 < y + h - skip;
		/* between its two sides the outline of a tall box is empty */
		int from = middle ? clampi(ceil(x + skip), x0, x1) : x1;
		int to = middle ? clampi(floor(x + w - skip), from, x1) : x1;

		for (int px = x0; px < x1; px++) {
			double d;

			if (px == from)
				px = to;
			if (px >= x1)
				break;
			d = edge(px + 0.5, py + 0.5, cx, cy, hw, hh, radius);
			cb_overlay_dot(o, px, py, c, cover(half > 0 ? half - fabs(d) : -d));
		}
	}
}

void cb_overlay_fill(struct cb_overlay *o, double x, double y, double w, double h,
		     double radius, struct cb_rgba c)
{
	shape(o, x, y, w, h, radius, -1, c);
}

void cb_overlay_stroke(struct cb_overlay *o, double x, double y, double w, double h,
		       double radius, double thickness, struct cb_rgba c)
{
	if (thickness > 0)
		shape(o, x, y, w, h, radius, thickness / 2, c);
}

void cb_overlay_line(struct cb_overlay *o, double x0, double y0, double x1, double y1,
		     double thickness, struct cb_rgba c)
{
	double dx = x1 - x0, dy = y1 - y0, len2 = dx * dx + dy * dy, half = thickness / 2, r = half + 1;
	int top, bottom;

	if (!isfinite(x0) || !isfinite(y0) || !isfinite(x1) || !isfinite(y1) || !(thickness > 0))
		return;
	top = clampi(floor((y0 < y1 ? y0 : y1) - r), 0, (int)o->height);
	bottom = clampi(ceil((y0 < y1 ? y1 : y0) + r), 0, (int)o->height);
	for (int y = top; y < bottom; y++) {
		/* what of the line is within reach of this row */
		double a = x0, b = x1, py = y + 0.5;

		if (fabs(dy) > 1e-9) {
			double t0 = (py - r - 1 - y0) / dy, t1 = (py + r + 1 - y0) / dy;

			t0 = t0 < 0 ? 0 : t0 > 1 ? 1 : t0;
			t1 = t1 < 0 ? 0 : t1 > 1 ? 1 : t1;
			a = x0 + t0 * dx;
			b = x0 + t1 * dx;
		}
		for (int x = clampi(floor((a < b ? a : b) - r), 0, (int)o->width),
		     end = clampi(ceil((a < b ? b : a) + r), 0, (int)o->width); x < end; x++) {
			double px = x + 0.5 - x0, qy = py - y0, t = len2 > 0 ? (px * dx + qy * dy) / len2 : 0;

			t = t < 0 ? 0 : t > 1 ? 1 : t;
			px -= t * dx;
			qy -= t * dy;
			cb_overlay_dot(o, x, y, c, cover(half - sqrt(px * px + qy * qy)));
		}
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void cb_overlay_polygon(struct cb_overlay *o, const double *xy, unsigned n, struct cb_rgba c)
{
	const uint8_t plain[] = { (uint8_t)div255(c.r * c.a), (uint8_t)div255(c.g * c.a),
				  (uint8_t)div255(c.b * c.a), c.a };
	double at[CB_OVERLAY_CORNERS];

	if (n < 3 || n > CB_OVERLAY_CORNERS)
		return;
	for (int y = 0; y < (int)o->height; y++) {
		double py = y + 0.5;
		unsigned m = 0;

		for (unsigned i = 0, k = n - 1; i < n; k = i++) {
			double ya = xy[2 * k + 1], yb = xy[2 * i + 1];

			if ((ya > py) != (yb > py))
				at[m++] = xy[2 * k] + (py - ya) / (yb - ya) * (xy[2 * i] - xy[2 * k]);
		}
		qsort(at, m, sizeof(*at), ascending);
		for (unsigned i = 0; i + 1 < m; i += 2) {
			int from = clampi(floor(at[i]), 0, (int)o->width);
			int to = clampi(ceil(at[i + 1]), 0, (int)o->width);

			for (int x = from; x < to; x++) {
				uint8_t *d = o->px + 4 * ((size_t)y * o->width + (size_t)x);
				double l, r;

				/* most of it lies inside, on nothing */
				if (x > from && x + 1 < to && !d[3]) {
					memcpy(d, plain, 4);
					continue;
				}
				l = at[i] > x ? at[i] : x;
				r = at[i + 1] < x + 1 ? at[i + 1] : x + 1;
				cb_overlay_dot(o, x, y, c, r > l ? (unsigned)((r - l) * 255 + 0.5) : 0);
			}
			if (from < to) {
				o->lo[y] = (uint32_t)from < o->lo[y] ? (uint32_t)from : o->lo[y];
				o->hi[y] = (uint32_t)to > o->hi[y] ? (uint32_t)to : o->hi[y];
			}
		}
	}
}

void cb_overlay_lay_rgb24(const struct cb_overlay *o, uint8_t *rgb, size_t stride)
{
	for (uint32_t y = 0; y < o->height; y++) {
		const uint8_t *s = o->px + 4 * ((size_t)y * o->width + o->lo[y]);
		uint8_t *d = rgb + y * stride + 3 * (size_t)o->lo[y];

		for (uint32_t x = o->lo[y]; x < o->hi[y]; x++, s += 4, d += 3) {
			unsigned rest = 255u - s[3];

			d[0] = (uint8_t)(s[0] + div255(d[0] * rest));
			d[1] = (uint8_t)(s[1] + div255(d[1] * rest));
			d[2] = (uint8_t)(s[2] + div255(d[2] * rest));
		}
	}
}

struct matrix {
	double y[3], u[3], v[3], y0, c0;	/* for premultiplied 0..255; y0, c0 times alpha */
};

static struct matrix matrix_of(const struct cb_yuv *p)
{
	double kr = p->bt709 ? 0.2126 : 0.299, kb = p->bt709 ? 0.0722 : 0.114, kg = 1 - kr - kb;
	double ys = p->full ? 1 : 219.0 / 255, cs = p->full ? 1 : 224.0 / 255;
	double us = cs / (2 * (1 - kb)), vs = cs / (2 * (1 - kr));

	return (struct matrix){
		.y = { kr * ys, kg * ys, kb * ys },
		.u = { -kr * us, -kg * us, (1 - kb) * us },
		.v = { (1 - kr) * vs, -kg * vs, -kb * vs },
		.y0 = p->full ? 0 : 16.0 / 255, .c0 = 128.0 / 255,
	};
}

static double dot3(const double m[3], const double *s)
{
	return m[0] * s[0] + m[1] * s[1] + m[2] * s[2];
}

static uint8_t byte(double v)
{
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)(v + 0.5);
}

static void lay_luma(const struct cb_overlay *o, const struct cb_yuv *p, const struct matrix *m)
{
	for (uint32_t y = 0; y < o->height; y++) {
		const uint8_t *s = o->px + 4 * ((size_t)y * o->width + o->lo[y]);
		uint8_t *d = p->plane[0] + y * p->stride[0] + o->lo[y];

		for (uint32_t x = o->lo[y]; x < o->hi[y]; x++, s += 4, d++) {
			double c[3] = { s[0], s[1], s[2] };

			if (s[3])
				*d = byte(dot3(m->y, c) + m->y0 * s[3] + *d * (255 - s[3]) / 255.0);
		}
	}
}

void cb_overlay_lay_yuv420p(const struct cb_overlay *o, const struct cb_yuv *p)
{
	struct matrix m = matrix_of(p);

	lay_luma(o, p, &m);
	for (uint32_t y = 0; y < o->height; y += 2) {
		uint32_t y2 = y + 1 < o->height ? y + 1 : y;
		uint32_t lo = o->lo[y] < o->lo[y2] ? o->lo[y] : o->lo[y2];
		uint32_t hi = o->hi[y] > o->hi[y2] ? o->hi[y] : o->hi[y2];

		for (uint32_t x = lo & ~1u; x < hi; x += 2) {
			uint32_t x2 = x + 1 < o->width ? x + 1 : x;
			const uint8_t *q[4] = {
				o->px + 4 * ((size_t)y * o->width + x),
				o->px + 4 * ((size_t)y * o->width + x2),
				o->px + 4 * ((size_t)y2 * o->width + x),
				o->px + 4 * ((size_t)y2 * o->width + x2),
			};
			uint8_t *u = p->plane[1] + y / 2 * p->stride[1] + x / 2;
			uint8_t *v = p->plane[2] + y / 2 * p->stride[2] + x / 2;
			double c[3] = { 0 }, a = 0, rest;

			for (int i = 0; i < 4; i++) {
				for (int k = 0; k < 3; k++)
					c[k] += q[i][k] / 4.0;
				a += q[i][3] / 4.0;
			}
			if (a <= 0)
				continue;
			rest = (255 - a) / 255;
			*u = byte(dot3(m.u, c) + m.c0 * a + *u * rest);
			*v = byte(dot3(m.v, c) + m.c0 * a + *v * rest);
		}
	}
}
