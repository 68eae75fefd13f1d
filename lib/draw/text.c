/* SPDX-License-Identifier: Apache-2.0 */
/* The stroke font: glyphs as lines and quarter ellipses, drawn by their distance. */
#include "draw/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Units: the baseline is 0, capitals are 14 high, small letters 10, descenders reach -4.
 * M x y: move;  L x y: line;  h x y: a quarter ellipse that leaves level and arrives upright;
 * v x y: one that leaves upright and arrives level;  q cx cy x y: a quadratic curve. */
#define CAP 14.0
#define GAP 4.2		/* between glyphs */
#define SEGMENTS_MAX 96

static const struct {
	double width;
	const char *path;
} font[CB_FONT_GLYPHS] = {
	{ 3.5, "" },
	/* ! */ { 0, "M0 14L0 4.5M0 0.1L0 0.3" },
	/* " */ { 4, "M0 14L0 10M4 14L4 10" },
	/* # */ { 10, "M3.2 13L1.6 1M8.6 13L7 1M0 9.2L10 9.2M0 4.8L10 4.8" },
	/* $ */ { 9, "M8.5 11.2v4.5 13h0.3 10.2v4.5 7.2h9 3.9v4.5 1h0 3.4M4.5 15.5L4.5 -1.5" },
	/* % */ { 12, "M10 14L2 0M2.6 14h0 11v2.6 8h5.2 11v2.6 14M9.4 6h6.8 3v9.4 0h12 3v9.4 6" },
	/* & */ { 10.5, "M10.5 0L1.8 9.3q1 10.4 1 11.4v3.9 14h6.8 11.4q6.8 9.4 3.6 7.7q0 6 0 3.6v4 0q8 0 9.8 6" },
	/* ' */ { 0, "M0 14L0 10" },
	/* ( */ { 3.5, "M3.5 16q0 12 0 6.5q0 1 3.5 -3" },
	/* ) */ { 3.5, "M0 16q3.5 12 3.5 6.5q3.5 1 0 -3" },
	/* * */ { 6.2, "M3.1 14L3.1 7M0 12.3L6.2 8.7M6.2 12.3L0 8.7" },
	/* + */ { 8, "M4 10.5L4 2.5M0 6.5L8 6.5" },
	/* , */ { 1, "M1 0.5L0 -2.6" },
	/* - */ { 5, "M0 6L5 6" },
	/* . */ { 0, "M0 0.1L0 0.3" },
	/* / */ { 6, "M0 -2L6 15" },
	/* 0 */ { 8.5, "M4.25 14h0 9.5L0 4.5v4.25 0h8.5 4.5L8.5 9.5v4.25 14" },
	/* 1 */ { 8.5, "M1.5 11L5 14L5 0" },
	/* 2 */ { 8.5, "M0.3 11v4.2 14h8.2 10.4q8.2 8.2 5.6 5.6L0 0L8.5 0" },
	/* 3 */ { 8.5, "M0.4 11.3v4 14h8 10.7v4.2 7.5L2.8 7.5M4.2 7.5h8.5 3.7v4.2 0h0 2.8" },
	/* 4 */ { 8.5, "M6.5 0L6.5 14L0 4L8.5 4" },
	/* 5 */ { 8.5, "M7.6 14L1.1 14L0.7 7.8q2.2 9 4.3 9h8.5 4.5v4.3 0h0 2.5" },
	/* 6 */ { 8.5, "M7.9 11.8v4.6 14h0 6.5L0 4.4v4.2 0h8.5 4.4v4.2 8.6h0 4.4" },
	/* 7 */ { 8.5, "M0 14L8.5 14L3 0" },
	/* 8 */ { 8.5, "M4.25 14h0.6 10.8v4.25 7.6h7.9 10.8v4.25 14M4.25 7.6h0 3.8v4.25 0h8.5 3.8v4.25 7.6" },
	/* 9 */ { 8.5, "M0.6 2.2v3.9 0h8.5 7.5L8.5 9.6v4.3 14h0 9.6v4.3 5.4h8.5 9.6" },
	/* : */ { 0, "M0 8.8L0 9M0 0.1L0 0.3" },
	/* ; */ { 1, "M1 8.8L1 9M1 0.5L0 -2.6" },
	/* < */ { 7, "M7 11.5L0 6.5L7 1.5" },
	/* = */ { 8, "M0 8.7L8 8.7M0 4.3L8 4.3" },
	/* > */ { 7, "M0 11.5L7 6.5L0 1.5" },
	/* ? */ { 7.4, "M0 11.2v3.7 14h7.4 10.6q7.4 8.6 5.4 7.3q3.7 6.2 3.7 4.4M3.7 0.1L3.7 0.3" },
	/* @ */ { 13, "M9.4 6v6.4 9.3h3.4 6v6.4 2.7h9.4 6M9.4 9.3L9.4 5.2v11.2 2.8h13 6.5q13 13 6.6 13q0 13 0 5.6q0 -2 7 -2q9.2 -2 10.6 -1.2" },
	/* A */ { 10, "M0 0L5 14L10 0M1.9 4.8L8.1 4.8" },
	/* B */ { 9.2, "M0 0L0 14L5 14h8.6 10.7v5 7.5L0 7.5M5 7.5h9.2 3.7v5 0L0 0" },
	/* C */ { 9.6, "M9.6 11.2v5.5 14h0 8.5L0 5.5v5.5 0h9.6 2.8" },
	/* D */ { 10, "M0 0L0 14L4.5 14h10 8L10 6v4.5 0L0 0" },
	/* E */ { 7.8, "M7.8 14L0 14L0 0L7.8 0M0 7.3L6.8 7.3" },
	/* F */ { 7.6, "M7.6 14L0 14L0 0M0 7.3L6.6 7.3" },
	/* G */ { 10, "M9.6 11.2v5.4 14h0 8.5L0 5.5v5.4 0h10 4.6L10 6.6L6 6.6" },
	/* H */ { 9.5, "M0 0L0 14M9.5 0L9.5 14M0 7.3L9.5 7.3" },
	/* I */ { 0, "M0 0L0 14" },
	/* J */ { 6.5, "M6.5 14L6.5 4v3.2 0h0 3" },
	/* K */ { 9, "M0 0L0 14M8.7 14L0 5.3M3.4 8.6L9 0" },
	/* L */ { 7.4, "M0 14L0 0L7.4 0" },
	/* M */ { 12, "M0 0L0 14L6 4.5L12 14L12 0" },
	/* N */ { 10, "M0 0L0 14L10 0L10 14" },
	/* O */ { 11, "M5.5 14h0 8.3L0 5.7v5.5 0h11 5.7L11 8.3v5.5 14" },
	/* P */ { 9, "M0 0L0 14L5 14h9 10.2v5 6.4L0 6.4" },
	/* Q */ { 11, "M5.5 14h0 8.3L0 5.7v5.5 0h11 5.7L11 8.3v5.5 14M7 3.6L11.2 -1" },
	/* R */ { 9.4, "M0 0L0 14L5 14h9 10.2v5 6.4L0 6.4M4.8 6.4L9.4 0" },
	/* S */ { 9, "M8.5 11.4v4.5 14h0.3 10.7v4.5 7.3h9 3.6v4.5 0h0 2.8" },
	/* T */ { 10, "M0 14L10 14M5 14L5 0" },
	/* U */ { 9.8, "M0 14L0 5v4.9 0h9.8 5L9.8 14" },
	/* V */ { 10, "M0 14L5 0L10 14" },
	/* W */ { 14, "M0 14L3.5 0L7 12L10.5 0L14 14" },
	/* X */ { 9.4, "M0 14L9.4 0M9.4 14L0 0" },
	/* Y */ { 10, "M0 14L5 6.8L10 14M5 6.8L5 0" },
	/* Z */ { 9, "M0.2 14L9 14L0 0L9 0" },
	/* [ */ { 3.5, "M3.5 16L0 16L0 -3L3.5 -3" },
	/* \ */ { 6, "M0 15L6 -2" },
	/* ] */ { 3.5, "M0 16L3.5 16L3.5 -3L0 -3" },
	/* ^ */ { 7, "M0 8.5L3.5 14L7 8.5" },
	/* _ */ { 9, "M0 -2L9 -2" },
	/* ` */ { 2.5, "M0 14.5L2.5 11.8" },
	/* a */ { 7.6, "M0.9 8.2v4.1 10h7.6 6.5L7.6 0M7.6 5.9L4 5.9h0 2.9v3.4 0h7.6 3.4" },
	/* b */ { 8.2, "M0 14L0 0M0 5v4.1 10h8.2 5v4.1 0h0 5" },
	/* c */ { 7.4, "M7.4 7.8v4.2 10h0 5v4.2 0h7.4 2.2" },
	/* d */ { 8.2, "M8.2 14L8.2 0M8.2 5v4.1 10h0 5v4.1 0h8.2 5" },
	/* e */ { 8.2, "M0 5.2L8.2 5.2v4.1 10h0 5v4.2 0h7.6 2.1" },
	/* f */ { 5.2, "M5.2 14L5 14h2 11L2 0M0 9.6L4.8 9.6" },
	/* g */ { 8.2, "M8.2 10L8.2 -0.4v4.1 -4h0.6 -2.4M8.2 5v4.1 10h0 5v4.1 0h8.2 5" },
	/* h */ { 7.5, "M0 14L0 0M0 6v3.8 10h7.5 6L7.5 0" },
	/* i */ { 0, "M0 10L0 0M0 13.5L0 13.8" },
	/* j */ { 2, "M2 10L2 -1.4v-0.6 -4M2 13.5L2 13.8" },
	/* k */ { 7.4, "M0 14L0 0M7 10L0 3.6M2.8 6.1L7.4 0" },
	/* l */ { 2.2, "M0 14L0 2.5v2.2 0" },
	/* m */ { 12, "M0 10L0 0M0 6.5v3 10h6 6.5L6 0M6 6.5v9 10h12 6.5L12 0" },
	/* n */ { 7.5, "M0 10L0 0M0 6v3.8 10h7.5 6L7.5 0" },
	/* o */ { 8.6, "M4.3 10h0 5v4.3 0h8.6 5v4.3 10" },
	/* p */ { 8.2, "M0 10L0 -4M0 5v4.1 10h8.2 5v4.1 0h0 5" },
	/* q */ { 8.2, "M8.2 10L8.2 -4M8.2 5v4.1 10h0 5v4.1 0h8.2 5" },
	/* r */ { 4.8, "M0 10L0 0M0 6v3.8 10L4.8 10" },
	/* s */ { 7, "M6.6 8.1v3.5 10h0.2 7.5v3.5 5.2h7 2.6v3.5 0h0 2.1" },
	/* t */ { 5.2, "M2 13.4L2 2.8v4.6 0L5.2 0M0 9.6L5 9.6" },
	/* u */ { 7.5, "M0 10L0 4v3.7 0h7.5 4M7.5 10L7.5 0" },
	/* v */ { 7.8, "M0 10L3.9 0L7.8 10" },
	/* w */ { 12, "M0 10L3 0L6 9.2L9 0L12 10" },
	/* x */ { 7.4, "M0 10L7.4 0M7.4 10L0 0" },
	/* y */ { 7.8, "M0 10L3.9 0.2M7.8 10L3.4 -1.3v0.4 -4" },
	/* z */ { 7, "M0.2 10L7 10L0 0L7 0" },
	/* { */ { 4.5, "M4.5 16q2 16 2 13.5L2 9q2 6.5 0 6.5q2 6.5 2 4L2 -0.5q2 -3 4.5 -3" },
	/* | */ { 0, "M0 16L0 -3" },
	/* } */ { 4.5, "M0 16q2.5 16 2.5 13.5L2.5 9q2.5 6.5 4.5 6.5q2.5 6.5 2.5 4L2.5 -0.5q2.5 -3 0 -3" },
	/* ~ */ { 9, "M0 5q0 8 2.3 8q3.6 8 4.8 6.5q6 5 7 5q9 5 9 8" },
	/* other */ { 7, "M0 0L0 13L7 13L7 0L0 0" },
};

struct seg {
	double x0, y0, x1, y1;
};
struct segs {
	struct seg s[SEGMENTS_MAX];
	int n;
};

static double number(const char **p)
{
	double v = 0, unit = 1;
	int sign = 1;

	while (**p == ' ')
		(*p)++;
	if (**p == '-') {
		sign = -1;
		(*p)++;
	}
	for (; **p >= '0' && **p <= '9'; (*p)++)
		v = v * 10 + (**p - '0');
	if (**p == '.')
		for ((*p)++; **p >= '0' && **p <= '9'; (*p)++)
			v += (**p - '0') * (unit /= 10);
	return sign * v;
}

static void line_to(struct segs *g, double *x, double *y, double nx, double ny)
{
	if (g->n < SEGMENTS_MAX)
		g->s[g->n++] = (struct seg){ *x, *y, nx, ny };
	*x = nx;
	*y = ny;
}

static void flatten(struct segs *g, const char *p)
{
	double x = 0, y = 0;

	g->n = 0;
	while (*p) {
		char cmd = *p++;
		double cx = 0, cy = 0, sx = x, sy = y, nx, ny;

		if (cmd == 'q') {
			cx = number(&p);
			cy = number(&p);
		}
		nx = number(&p);
		ny = number(&p);
		if (cmd == 'M') {
			x = nx;
			y = ny;
			continue;
		}
		if (cmd == 'L') {
			line_to(g, &x, &y, nx, ny);
			continue;
		}
		for (int i = 1; i <= 6; i++) {
			double t = i / 6.0, a = t * M_PI / 2, u = 1 - t;

			if (cmd == 'h')
				line_to(g, &x, &y, sx + (nx - sx) * sin(a),
					sy + (ny - sy) * (1 - cos(a)));
			else if (cmd == 'v')
				line_to(g, &x, &y, sx + (nx - sx) * (1 - cos(a)),
					sy + (ny - sy) * sin(a));
			else
				line_to(g, &x, &y, u * u * sx + 2 * u * t * cx + t * t * nx,
					u * u * sy + 2 * u * t * cy + t * t * ny);
		}
	}
}

static double distance(const struct segs *g, double x, double y)
{
	double best = 1e9;

	for (int i = 0; i < g->n; i++) {
		const struct seg *s = &g->s[i];
		double dx = s->x1 - s->x0, dy = s->y1 - s->y0, len = dx * dx + dy * dy;
		double t = len > 0 ? ((x - s->x0) * dx + (y - s->y0) * dy) / len : 0;
		double ex, ey;

		t = t < 0 ? 0 : t > 1 ? 1 : t;
		ex = x - s->x0 - t * dx;
		ey = y - s->y0 - t * dy;
		if (ex * ex + ey * ey < best)
			best = ex * ex + ey * ey;
	}
	return sqrt(best);
}

void cb_font_init(struct cb_font *f, double px)
{
	*f = (struct cb_font){ .px = px >= 5 && px <= CB_FONT_PX_MAX ? floor(px + 0.5) :
				     px > 5 ? CB_FONT_PX_MAX : 5 };
	f->weight = f->px * 0.155;
	if (f->weight < 1.25)
		f->weight = 1.25;
}

void cb_font_release(struct cb_font *f)
{
	for (int i = 0; i < CB_FONT_GLYPHS; i++)
		free(f->glyph[i].cover);
	*f = (struct cb_font){ 0 };
}

/* the strokes' centres lie half a line inside the capital's height */
static double unit(const struct cb_font *f)
{
	return (f->px - f->weight) / CAP;
}

static struct cb_glyph *glyph(struct cb_font *f, int i)
{
	struct cb_glyph *g = &f->glyph[i];
	double u = unit(f), r = f->weight / 2;
	struct segs segs;

	if (g->cover)
		return g;
	flatten(&segs, font[i].path);
	g->left = -1;
	g->top = -(int)ceil(17 * u + 2 * r) - 1;
	g->w = (int)ceil(font[i].width * u + 2 * r) + 3;
	g->h = -g->top + (int)ceil(5 * u + 2 * r) + 1;
	g->cover = calloc((size_t)g->w, (size_t)g->h);
	if (!g->cover)
		return NULL;
	if (!segs.n)
		return g;
	for (int y = 0; y < g->h; y++)
		for (int x = 0; x < g->w; x++) {
			/* the pixel's middle in font units */
			double px = (g->left + x + 0.5 - r) / u, py = -(g->top + y + 0.5 + r) / u;
			double c = r - distance(&segs, px, py) * u + 0.5;

			g->cover[y * g->w + x] = c <= 0 ? 0 : c >= 1 ? 255 : (uint8_t)(c * 255 + 0.5);
		}
	return g;
}

/* the next glyph's number; one frame for each character beyond ASCII */
static int next(const char **s)
{
	unsigned char c = (unsigned char)*(*s)++;

	if (c >= 32 && c < 127)
		return c - 32;
	if (c >= 0xc0)
		while (((unsigned char)**s & 0xc0) == 0x80)
			(*s)++;
	return CB_FONT_GLYPHS - 1;
}

double cb_font_width(const struct cb_font *f, const char *s)
{
	double u = unit(f), w = 0;

	if (!*s)
		return 0;
	while (*s)
		w += font[next(&s)].width * u + GAP * u;
	return w - GAP * u + f->weight;
}

void cb_font_draw(struct cb_font *f, struct cb_overlay *o, double x, double y, const char *s,
		  struct cb_rgba c)
{
	double u = unit(f);
	int base = (int)floor(y + 0.5);

	while (*s) {
		int i = next(&s), px = (int)floor(x + 0.5);
		const struct cb_glyph *g = glyph(f, i);

		for (int gy = 0; g && gy < g->h; gy++)
			for (int gx = 0; gx < g->w; gx++)
				if (g->cover[gy * g->w + gx])
					cb_overlay_dot(o, px + g->left + gx, base + g->top + gy, c,
						       g->cover[gy * g->w + gx]);
		x += (font[i].width + GAP) * u;
	}
}
