/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes, labels and captions. */
#include "draw/paint.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Light enough to carry dark text, far enough apart to be told from one another. */
static const struct cb_rgba palette[] = {
	{ 255, 176, 0, 255 },	/* amber */
	{ 64, 196, 255, 255 },	/* sky */
	{ 255, 99, 132, 255 },	/* rose */
	{ 105, 219, 124, 255 },	/* green */
	{ 186, 140, 255, 255 },	/* violet */
	{ 255, 233, 92, 255 },	/* lemon */
	{ 38, 214, 189, 255 },	/* teal */
	{ 255, 138, 76, 255 },	/* orange */
	{ 247, 131, 216, 255 },	/* pink */
	{ 168, 224, 60, 255 },	/* lime */
	{ 116, 162, 255, 255 },	/* blue */
	{ 222, 184, 150, 255 },	/* sand */
	{ 129, 236, 255, 255 },	/* ice */
	{ 255, 112, 96, 255 },	/* coral */
	{ 204, 190, 255, 255 },	/* lilac */
	{ 158, 201, 161, 255 },	/* sage */
};

/* What cameras see most: each of these has a colour that none of the others has. */
static const char *const common[] = {
	"person", "car", "bicycle", "dog", "motorbike", "face", "truck", "bus", "cat", "bird",
	"boat", "backpack", "train", "head",
};

static const struct cb_rgba dark = { 12, 14, 18, 255 }, white = { 255, 255, 255, 255 };

struct cb_rgba cb_class_colour(const char *name)
{
	uint32_t h = 2166136261u;

	if (strcmp(name, "motorcycle") == 0)	/* the same thing in other lists */
		name = "motorbike";
	for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
		if (strcmp(name, common[i]) == 0)
			return palette[i];
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return palette[(h ^ h >> 15) % (sizeof(palette) / sizeof(*palette))];
}

static struct cb_rgba faded(struct cb_rgba c, double strength)
{
	c.a = (uint8_t)(c.a * (strength < 0 ? 0 : strength > 1 ? 1 : strength));
	return c;
}

int cb_painter_init(struct cb_painter *p, uint32_t width, uint32_t height, struct cb_err *err)
{
	double side = width < height ? width : height;
	struct cb_painter n = { .line = floor(side / 270 + 0.5) };

	if (cb_overlay_init(&n.sheet, width, height, err) < 0)
		return -1;
	if (n.line < 2)
		n.line = 2;
	cb_font_init(&n.font, side / 56 < 8 ? 8 : side / 56);
	*p = n;
	return 0;
}

void cb_painter_release(struct cb_painter *p)
{
	cb_overlay_release(&p->sheet);
	cb_font_release(&p->font);
}

struct rect {
	double x, y, w, h;
};

/* in pixels, inside the sheet by half a line so that no side is lost at the border */
static struct rect place(const struct cb_painter *p, const struct cb_area *a, double margin)
{
	double w = p->sheet.width, h = p->sheet.height;
	double x0 = a->x * w, y0 = a->y * h, x1 = (a->x + a->w) * w, y1 = (a->y + a->h) * h;

	x0 = x0 < margin ? margin : x0 > w - margin ? w - margin : x0;
	y0 = y0 < margin ? margin : y0 > h - margin ? h - margin : y0;
	x1 = x1 > w - margin ? w - margin : x1 < x0 + 1 ? x0 + 1 : x1;
	y1 = y1 > h - margin ? h - margin : y1 < y0 + 1 ? y0 + 1 : y1;
	return (struct rect){ x0, y0, x1 - x0, y1 - y0 };
}

static void box(struct cb_painter *p, const struct cb_area *a, double line, struct cb_rgba c,
		double strength)
{
	struct rect r = place(p, a, line / 2 + 1);
	double round = line * 1.6, middle = fmod(line, 2) / 2;
	double x1 = floor(r.x + r.w) + middle, y1 = floor(r.y + r.h) + middle;

	/* whole pixels, so that the line is sharp */
	r.x = floor(r.x) + middle;
	r.y = floor(r.y) + middle;
	r.w = x1 - r.x;
	r.h = y1 - r.y;
	cb_overlay_stroke(&p->sheet, r.x, r.y, r.w, r.h, round, line + 2.4,
			  faded((struct cb_rgba){ 0, 0, 0, 130 }, strength));
	cb_overlay_stroke(&p->sheet, r.x, r.y, r.w, r.h, round, line, faded(c, strength));
}

/* the area that two rectangles share */
static double overlap(const struct rect *a, const struct rect *b)
{
	double x0 = a->x > b->x ? a->x : b->x, y0 = a->y > b->y ? a->y : b->y;
	double x1 = a->x + a->w < b->x + b->w ? a->x + a->w : b->x + b->w;
	double y1 = a->y + a->h < b->y + b->h ? a->y + a->h : b->y + b->h;

	return x1 > x0 && y1 > y0 ? (x1 - x0) * (y1 - y0) : 0;
}

#define OBJECTS_MAX 512		/* drawn in a picture, the surest */
#define LABEL_LEN 64

static void label_text(char out[static LABEL_LEN], const struct cb_object *o)
{
	snprintf(out, LABEL_LEN, "%s %.2f", o->name, (double)o->score);
}

/* Where a label goes: at its box, the usual places first; where no other label stands if there
 * is such a place, else where it hides least of another. */
static struct rect label_place(const struct cb_painter *p, const struct rect *r, double w,
			       double h, const struct rect *others, int n)
{
	double half = p->line / 2, W = p->sheet.width, H = p->sheet.height;
	double left = r->x - half, right = r->x + r->w + half - w;
	double above = r->y - h - half, below = r->y + r->h + half;
	const struct rect places[] = {
		{ left, above, w, h }, { right, above, w, h }, { r->x + p->line, r->y + p->line, w, h },
		{ left, below, w, h }, { right, below, w, h },
		{ r->x + r->w + 2 * half, r->y, w, h }, { r->x - w - 2 * half, r->y, w, h },
		{ left, above - h, w, h }, { left, below + h, w, h },
	};
	struct rect best = { 1, 1, w, h };
	double least = -1;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct rect c = places[i];
		double hidden = 0;

		c.x = c.x + w > W - 1 ? W - 1 - w : c.x;
		c.x = c.x < 1 ? 1 : c.x;
		if (c.y < 1 || c.y + h > H - 1)
			continue;
		for (int k = 0; k < n; k++)
			hidden += overlap(&c, &others[k]);
		if (least < 0 || hidden < least) {
			least = hidden;
			best = c;
		}
		if (hidden <= 0)
			break;
	}
	return best;
}

static void label(struct cb_painter *p, const struct cb_object *o, double strength,
		  const struct rect *at)
{
	struct cb_rgba c = cb_class_colour(o->name);
	double pad = p->font.px * 0.45;
	char text[LABEL_LEN];

	label_text(text, o);
	cb_overlay_fill(&p->sheet, at->x - 1, at->y - 1, at->w + 2, at->h + 2, pad * 0.7 + 1,
			faded((struct cb_rgba){ 0, 0, 0, 110 }, strength));
	c.a = 242;
	cb_overlay_fill(&p->sheet, at->x, at->y, at->w, at->h, pad * 0.7, faded(c, strength));
	cb_font_draw(&p->font, &p->sheet, at->x + 1.15 * pad, at->y + pad + p->font.px, text,
		     faded(dark, strength));
}

/* the surest, last in order, chooses its place first and lies on top */
static void labels(struct cb_painter *p, const struct cb_object *const *order, int n,
		   double strength)
{
	struct rect at[OBJECTS_MAX];
	double pad = p->font.px * 0.45;
	char text[LABEL_LEN];

	for (int i = n - 1; i >= 0; i--) {
		struct rect r = place(p, &order[i]->at, p->line / 2 + 1);

		label_text(text, order[i]);
		at[n - 1 - i] = label_place(p, &r, cb_font_width(&p->font, text) + 2.3 * pad,
					    p->font.px + 2 * pad, at, n - 1 - i);
	}
	for (int i = 0; i < n; i++)
		label(p, order[i], strength, &at[n - 1 - i]);
}

static void caption_draw(struct cb_painter *p, const char *text)
{
	double pad = p->font.px * 0.6, gap = p->font.px * 0.7;
	double w = cb_font_width(&p->font, text) + 2.2 * pad, h = p->font.px + 2 * pad;
	double y = p->sheet.height - gap - h;

	cb_overlay_fill(&p->sheet, gap, y, w, h, pad * 0.8, (struct cb_rgba){ 8, 10, 14, 165 });
	cb_font_draw(&p->font, &p->sheet, gap + 1.1 * pad, y + pad + p->font.px, text, white);
}

/* --- what cb-track says ------------------------------------------------------------------------------ */

static const struct cb_rgba zone_colour = { 64, 196, 255, 255 }, line_colour = { 255, 176, 0, 255 };
static const struct cb_rgba lit_colour = { 255, 72, 72, 255 };

static bool lit(const struct cb_view *v, int64_t when_us)
{
	return when_us > CB_MARK_NEVER && v->now_us >= when_us && v->now_us - when_us < CB_MARK_LIT_US;
}

/* text on a dark field, its left edge at x and its middle at y, inside the sheet */
static void tag(struct cb_painter *p, double x, double y, const char *text, struct cb_rgba c)
{
	double pad = p->font.px * 0.45, w = cb_font_width(&p->font, text) + 2.2 * pad, h = p->font.px + 2 * pad;

	x = x + w > p->sheet.width - 1 ? p->sheet.width - 1 - w : x;
	x = x < 1 ? 1 : x;
	y = y - h / 2 < 1 ? 1 + h / 2 : y + h / 2 > p->sheet.height - 1 ? p->sheet.height - 1 - h / 2 : y;
	cb_overlay_fill(&p->sheet, x, y - h / 2, w, h, pad * 0.7, (struct cb_rgba){ 8, 10, 14, 175 });
	cb_font_draw(&p->font, &p->sheet, x + 1.1 * pad, y + p->font.px / 2, text, c);
}

static void outline(struct cb_painter *p, const struct cb_mark_shape *s, bool closed, double thick,
		    struct cb_rgba c)
{
	double W = p->sheet.width, H = p->sheet.height;

	for (int dark_too = 1; dark_too >= 0; dark_too--)
		for (uint32_t i = closed ? 0 : 1, k = closed ? s->n - 1 : 0; i < s->n; k = i++)
			cb_overlay_line(&p->sheet, (double)s->p[k].x * W, (double)s->p[k].y * H, (double)s->p[i].x * W,
					(double)s->p[i].y * H, thick + 2.4 * dark_too,
					dark_too ? (struct cb_rgba){ 0, 0, 0, 110 } : c);
}

/* a small head on the right of a line's middle: to there is "right" */
static void arrow(struct cb_painter *p, const struct cb_mark_shape *s, struct cb_rgba c)
{
	uint32_t k = (s->n - 1) / 2;
	double W = p->sheet.width, H = p->sheet.height, size = 5 * p->line;
	double ax = (double)s->p[k].x * W, ay = (double)s->p[k].y * H;
	double dx = (double)s->p[k + 1].x * W - ax, dy = (double)s->p[k + 1].y * H - ay, len = sqrt(dx * dx + dy * dy);

	if (!(len > 0))
		return;
	ax += dx / 2;
	ay += dy / 2;
	dx /= len;
	dy /= len;
	cb_overlay_polygon(&p->sheet, (const double[]){ ax + dx * size, ay + dy * size, ax - dx * size,
			   ay - dy * size, ax - dy * 1.6 * size, ay + dx * 1.6 * size }, 3, c);
}

void cb_paint_shapes(struct cb_painter *p, const struct cb_view *v)
{
	double W = p->sheet.width, H = p->sheet.height;

	for (uint32_t i = 0; i < v->zones; i++) {
		const struct cb_mark_shape *s = &v->zone[i];
		struct cb_rgba c = lit(v, s->lit_us) ? lit_colour : zone_colour, pale = c;
		double xy[2 * CB_MARK_POINTS];

		pale.a = 36;
		for (uint32_t k = 0; k < s->n; k++) {
			xy[2 * k] = (double)s->p[k].x * W;
			xy[2 * k + 1] = (double)s->p[k].y * H;
		}
		cb_overlay_polygon(&p->sheet, xy, s->n, pale);
		outline(p, s, true, p->line * 0.75, c);
	}
	for (uint32_t i = 0; i < v->lines; i++) {
		struct cb_rgba c = lit(v, v->line[i].lit_us) ? lit_colour : line_colour;

		outline(p, &v->line[i], false, p->line, c);
		arrow(p, &v->line[i], c);
	}
	/* names last, so that no shape lies over one */
	for (uint32_t i = 0; i < v->zones; i++)
		tag(p, (double)v->zone[i].p[0].x * W, (double)v->zone[i].p[0].y * H, v->zone[i].name,
		    lit(v, v->zone[i].lit_us) ? lit_colour : zone_colour);
	for (uint32_t i = 0; i < v->lines; i++)
		tag(p, (double)v->line[i].p[0].x * W, (double)v->line[i].p[0].y * H, v->line[i].name,
		    lit(v, v->line[i].lit_us) ? lit_colour : line_colour);
}

static void tails(struct cb_painter *p, const struct cb_view *v)
{
	double W = p->sheet.width, H = p->sheet.height;
	char text[160];

	for (uint32_t i = 0; i < v->tails; i++) {
		const struct cb_tail *t = &v->tail[i];
		uint32_t n = t->n < CB_MARK_TAIL ? t->n : CB_MARK_TAIL;
		struct cb_rgba c = cb_class_colour(t->class);
		const struct cb_mark_point *last = NULL;

		for (uint32_t k = 0; k < n; k++) {
			const struct cb_mark_point *q = &t->p[(t->n - n + k) % CB_MARK_TAIL];
			int64_t age = v->now_us - q->t_us;

			if (last && age >= 0 && age < CB_MARK_TAIL_US)
				cb_overlay_line(&p->sheet, (double)last->x * W, (double)last->y * H, (double)q->x * W,
						(double)q->y * H, p->line, faded(c, 1 - (double)age / CB_MARK_TAIL_US));
			last = q;
		}
		if (!last || v->now_us - t->t_us > CB_MARK_LIT_US)
			continue;
		if (lit(v, t->told_us))
			snprintf(text, sizeof(text), "%llu %s", (unsigned long long)t->number, t->told);
		else
			snprintf(text, sizeof(text), "%llu", (unsigned long long)t->number);
		tag(p, (double)last->x * W + p->font.px * 0.5, (double)last->y * H + p->font.px * 1.1, text,
		    lit(v, t->told_us) ? lit_colour : c);
	}
}

static void counts(struct cb_painter *p, const struct cb_view *v)
{
	double step = p->font.px * 2.2, y = p->font.px * 1.8;
	char text[160];

	for (uint32_t i = 0; i < v->counts; i++, y += step) {
		const struct cb_mark_count *c = &v->count[i];

		snprintf(text, sizeof(text), "%s  in %lld  out %lld  inside %lld", c->rule, (long long)c->in,
			 (long long)c->out, (long long)c->occupancy);
		tag(p, p->font.px * 0.7, y, text, white);
	}
}

static int by_score(const void *a, const void *b)
{
	const struct cb_object *x = *(const struct cb_object *const *)a;
	const struct cb_object *y = *(const struct cb_object *const *)b;

	return x->score != y->score ? (x->score < y->score ? -1 : 1) : (x < y ? -1 : x > y);
}

void cb_paint(struct cb_painter *p, const struct cb_det *d, const struct cb_view *view,
	      const struct cb_paint_opts *o, const char *caption, double strength)
{
	const struct cb_object *order[OBJECTS_MAX];
	int n = 0;

	cb_overlay_clear(&p->sheet);
	if (o->no_tracks)
		view = NULL;
	if (view) {
		cb_paint_shapes(p, view);
		tails(p, view);
	}
	for (int i = 0; d && o->motion && i < d->n_areas; i++)
		box(p, &d->areas[i], floor(p->line / 2),
		    (struct cb_rgba){ 255, 255, 255, 190 }, strength);
	for (int i = 0; d && i < d->n_objects; i++)	/* they come best first */
		if (n < OBJECTS_MAX && (double)d->objects[i].score >= o->threshold)
			order[n++] = &d->objects[i];
	qsort(order, (size_t)n, sizeof(*order), by_score);
	for (int i = 0; i < n; i++)
		box(p, &order[i]->at, p->line, cb_class_colour(order[i]->name), strength);
	if (o->labels)
		labels(p, order, n, strength);
	if (view)
		counts(p, view);
	if (caption && *caption)
		caption_draw(p, caption);
}
