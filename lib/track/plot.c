/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting and drawing. */
#include "track/plot.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "wire/event.h"

#define PATH_POINTS 66
#define COUNTS 8		/* rules that count, in the chart */
#define ROWS 24			/* rules with events, in the chart */
#define SHAPES (CB_ZONES_MAX + CB_LINES_MAX)
#define WIDE 1280.0		/* of the drawing */

struct spot {
	float x, y;
};
struct way {
	char class[33];
	uint64_t number;
	uint32_t n;
	struct spot p[PATH_POINTS];
};
struct told {			/* a rule did */
	int64_t t_us;
	uint32_t rule;
	bool placed;
	struct spot at;
};
struct step {
	int64_t t_us;
	uint32_t rule;
	int64_t in, out, occupancy;
};
struct shape {
	char name[65];
	bool closed;
	uint32_t n;
	struct spot p[CB_POLY_POINTS];
};

struct cb_plot {
	const struct cb_track_rules *rules;
	uint8_t *picture;
	size_t picture_len;
	bool png;
	uint32_t width, height;		/* of it */
	int64_t seen_w, seen_h;		/* as detections say */
	struct way *way;
	struct told *told;
	struct step *step;
	uint64_t ways, tolds, steps;	/* in all: the nth stands at n % its limit */
	char rule[COUNTS + ROWS][65];	/* names: those that count first */
	uint32_t counting, rows;
	struct shape shape[SHAPES];
	uint32_t shapes;
	bool any;
	int64_t from_us, to_us;
	char camera[65];
	struct cb_json json;
};

/* --- life -------------------------------------------------------------------------------------- */

int cb_plot_new(struct cb_plot **ret, struct cb_err *err)
{
	struct cb_plot *p = calloc(1, sizeof(*p));

	if (!p)
		return cb_err_nomem(err);
	p->way = calloc(CB_PLOT_WAYS, sizeof(*p->way));
	p->told = calloc(CB_PLOT_TOLD, sizeof(*p->told));
	p->step = calloc(CB_PLOT_STEPS, sizeof(*p->step));
	if (!p->way || !p->told || !p->step) {
		cb_plot_free(p);
		return cb_err_nomem(err);
	}
	*ret = p;
	return 0;
}

void cb_plot_free(struct cb_plot *p)
{
	if (!p)
		return;
	free(p->picture);
	free(p->way);
	free(p->told);
	free(p->step);
	free(p);
}

/* ISO 10918-1, B.2.2: the frame header says how large a picture is. */
static bool jpeg_size(const uint8_t *p, size_t n, uint32_t *w, uint32_t *h)
{
	size_t i = 2;

	if (n < 4 || p[0] != 0xff || p[1] != 0xd8)
		return false;
	while (i + 9 < n) {
		uint8_t m = p[i + 1];

		if (p[i] != 0xff)
			return false;
		if (m == 0xff || m == 0x01 || (m >= 0xd0 && m <= 0xd8)) {	/* filling, or without a length */
			i += m == 0xff ? 1 : 2;
			continue;
		}
		if (m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc) {
			*h = cb_be16(p + i + 5);
			*w = cb_be16(p + i + 7);
			return *w && *h;
		}
		i += 2 + cb_be16(p + i + 2);
	}
	return false;
}

int cb_plot_picture(struct cb_plot *p, const char *path, struct cb_err *err)
{
	uint8_t *data;
	uint32_t w = 0, h = 0;
	size_t n;
	bool png;

	if (cb_file_read(path, CB_PLOT_PICTURE, &data, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	png = n > 24 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0 && memcmp(data + 12, "IHDR", 4) == 0;
	if (png) {
		w = cb_be32(data + 16);
		h = cb_be32(data + 20);
	}
	if ((!png && !jpeg_size(data, n, &w, &h)) || !w || !h || w > 65535 || h > 65535) {
		free(data);
		return cb_err_set(err, CB_E_DATA, "%s: neither a JPEG nor a PNG picture", path);
	}
	free(p->picture);
	p->picture = data;
	p->picture_len = n;
	p->png = png;
	p->width = w;
	p->height = h;
	return 0;
}

void cb_plot_size(const struct cb_plot *p, uint32_t *ret_width, uint32_t *ret_height)
{
	*ret_width = p->width;
	*ret_height = p->height;
}

static void add_shape(struct cb_plot *p, const char *name, const struct cb_poly *g)
{
	struct shape *s = &p->shape[p->shapes++];

	snprintf(s->name, sizeof(s->name), "%s", name);
	s->closed = g->closed;
	s->n = g->n;
	for (uint32_t i = 0; i < g->n; i++)
		s->p[i] = (struct spot){ (float)g->p[i].x / CB_PT_ONE, (float)g->p[i].y / CB_PT_ONE };
}

void cb_plot_rules(struct cb_plot *p, const struct cb_track_rules *r)
{
	p->rules = r;
	p->shapes = 0;
	for (uint32_t i = 0; i < r->zones; i++)
		add_shape(p, r->zone[i].name, &r->zone[i].poly);
	for (uint32_t i = 0; i < r->lines; i++)
		add_shape(p, r->line[i].name, &r->line[i].poly);
}

/* --- events ---------------------------------------------------------------------------------------- */

static uint32_t get(const struct cb_plot *p, uint32_t obj, const char *key)
{
	const struct cb_json *j = &p->json;

	return obj == CB_JSON_NONE || j->tok[obj].type != CB_JSON_OBJECT ? CB_JSON_NONE : cb_json_get(j, obj, key);
}

static bool text(const struct cb_plot *p, uint32_t obj, const char *key, char *out, size_t cap)
{
	uint32_t t = get(p, obj, key);

	out[0] = '\0';
	return t != CB_JSON_NONE && p->json.tok[t].type == CB_JSON_STRING && cb_json_str(&p->json, t, out, cap) >= 0;
}

static bool spot(const struct cb_plot *p, uint32_t list, const char *x, const char *y, struct spot *ret)
{
	double a, b;

	if (!cb_json_double(&p->json, cb_json_path(&p->json, list, x), &a) ||
	    !cb_json_double(&p->json, cb_json_path(&p->json, list, y), &b) || !(a >= 0 && a <= 1 && b >= 0 && b <= 1))
		return false;
	*ret = (struct spot){ (float)a, (float)b };
	return true;
}

static void shapes(struct cb_plot *p, uint32_t list, const char *key, bool closed)
{
	const struct cb_json *j = &p->json;
	uint32_t t = list + 1;

	if (list == CB_JSON_NONE || j->tok[list].type != CB_JSON_ARRAY)
		return;
	for (uint32_t i = 0; i < j->tok[list].size && p->shapes < SHAPES; i++, t = j->tok[t].next) {
		uint32_t points = get(p, t, key), q = points + 1;
		struct shape *s = &p->shape[p->shapes];

		if (points == CB_JSON_NONE || j->tok[points].type != CB_JSON_ARRAY)
			continue;
		s->n = 0;
		s->closed = closed;
		text(p, t, "name", s->name, sizeof(s->name));
		for (uint32_t k = 0; k < j->tok[points].size && s->n < CB_POLY_POINTS; k++, q = j->tok[q].next)
			s->n += spot(p, q, "0", "1", &s->p[s->n]);
		p->shapes += s->n >= 2;
	}
}

static void track(struct cb_plot *p, uint32_t data)
{
	const struct cb_json *j = &p->json;
	uint32_t path = get(p, data, "path"), t = path + 1;
	struct way *w = &p->way[p->ways % CB_PLOT_WAYS];
	char state[16];
	int64_t number;

	if (!text(p, data, "state", state, sizeof(state)) || strcmp(state, "end") != 0 ||
	    path == CB_JSON_NONE || j->tok[path].type != CB_JSON_ARRAY)
		return;
	*w = (struct way){ 0 };
	text(p, data, "class", w->class, sizeof(w->class));
	if (cb_json_i64(j, get(p, data, "number"), &number) && number > 0)
		w->number = (uint64_t)number;
	for (uint32_t i = 0; i < j->tok[path].size && w->n < PATH_POINTS; i++, t = j->tok[t].next)
		w->n += spot(p, t, "1", "2", &w->p[w->n]);
	p->ways += w->n > 0;
}

/* The number of a rule: below COUNTS where it counts, behind them where it does not; or CB_NONE. */
static uint32_t rule_of(struct cb_plot *p, const char *name, bool counting)
{
	uint32_t from = counting ? 0 : COUNTS, *n = counting ? &p->counting : &p->rows;

	for (uint32_t i = from; i < from + *n; i++)
		if (strcmp(p->rule[i], name) == 0)
			return i;
	if (*n == (counting ? COUNTS : ROWS))
		return CB_NONE;
	snprintf(p->rule[from + *n], sizeof(p->rule[0]), "%s", name);
	return from + (*n)++;
}

static void rule(struct cb_plot *p, uint32_t data, const char *type, int64_t t_us)
{
	struct told *e = &p->told[p->tolds % CB_PLOT_TOLD];
	struct step *s = &p->step[p->steps % CB_PLOT_STEPS];
	bool counting = strcmp(type, "cb.count") == 0;
	struct spot size;
	char name[65];
	uint32_t r;

	if (!text(p, data, "rule", name, sizeof(name)) || (r = rule_of(p, name, counting)) == CB_NONE)
		return;
	if (counting) {
		*s = (struct step){ .t_us = t_us, .rule = r };
		p->steps += cb_json_i64(&p->json, get(p, data, "in"), &s->in) &&
			cb_json_i64(&p->json, get(p, data, "out"), &s->out) &&
			cb_json_i64(&p->json, get(p, data, "occupancy"), &s->occupancy);
		return;
	}
	*e = (struct told){ .t_us = t_us, .rule = r };
	if (spot(p, data, "box.0", "box.1", &e->at) && spot(p, data, "box.2", "box.3", &size)) {
		e->placed = true;
		e->at.x += size.x / 2;
		e->at.y += size.y;
	}
	p->tolds++;
}

int cb_plot_event(struct cb_plot *p, const char *line, size_t len, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_event ev;
	char type[32];
	int64_t w, h;

	(void)err;
	if (cb_event_parse(&ev, &p->json, line, len, &why) < 0 || ev.t_us < -(INT64_C(1) << 55) ||
	    ev.t_us > INT64_C(1) << 55 || cb_json_str(&p->json, ev.type, type, sizeof(type)) < 0)
		return 0;
	if (strcmp(type, "cb.detection") == 0) {
		if (cb_json_i64(&p->json, get(p, ev.data, "width"), &w) && w > 0 && w <= 65535 &&
		    cb_json_i64(&p->json, get(p, ev.data, "height"), &h) && h > 0 && h <= 65535) {
			p->seen_w = w;
			p->seen_h = h;
		}
	} else if (strcmp(type, "cb.zones") == 0 && !p->rules) {
		p->shapes = 0;
		shapes(p, get(p, ev.data, "zones"), "polygon", true);
		shapes(p, get(p, ev.data, "lines"), "points", false);
	} else if (strcmp(type, "cb.track") == 0) {
		track(p, ev.data);
	} else if (get(p, ev.data, "rule") != CB_JSON_NONE && cb_json_eq(&p->json, ev.source, "/cb-track")) {
		rule(p, ev.data, type, ev.t_us);
	} else {
		return 0;
	}
	if (ev.subject == CB_JSON_NONE || cb_json_str(&p->json, ev.subject, p->camera, sizeof(p->camera)) < 0)
		p->camera[0] = '\0';
	if (!p->any || ev.t_us < p->from_us)
		p->from_us = ev.t_us;
	if (!p->any || ev.t_us > p->to_us)
		p->to_us = ev.t_us;
	p->any = true;
	return 0;
}

/* --- drawing ------------------------------------------------------------------------------------------ */

/* dark on light and light on dark */
static const char *const palette[] = {
	"#e69f00", "#2a9df4", "#d6336c", "#2f9e44", "#845ef7", "#c2a500", "#0c9a87", "#e8590c",
	"#c2255c", "#5c940d", "#3b5bdb", "#8d6e50",
};

static const char *colour(const char *name)
{
	static const char *const common[] = { "person", "car", "bicycle", "dog", "motorbike", "face", "truck", "bus" };
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
		if (strcmp(name, common[i]) == 0)
			return palette[i];
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return palette[(h ^ h >> 15) % (sizeof(palette) / sizeof(*palette))];
}

struct pen {
	struct cb_buf *b;
	bool failed;
	double w, h;		/* of the picture in the drawing */
};

static void __attribute__((format(printf, 2, 3))) put(struct pen *n, const char *fmt, ...)
{
	char s[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	n->failed |= cb_buf_str(n->b, s) < 0;
}

/* Text as XML has it. */
static void put_text(struct pen *n, const char *s)
{
	char safe[256];

	cb_text_safe(safe, sizeof(safe), s, strlen(s), false);
	for (const char *p = safe; *p; p++)
		switch (*p) {
		case '&': put(n, "&amp;"); break;
		case '<': put(n, "&lt;"); break;
		case '>': put(n, "&gt;"); break;
		case '"': put(n, "&quot;"); break;
		default: n->failed |= cb_buf_byte(n->b, (uint8_t)*p) < 0;
		}
}

static void label(struct pen *n, double x, double y, const char *anchor, const char *class, const char *s)
{
	put(n, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
	put_text(n, s);
	put(n, "</text>\n");
}

static void embed(struct pen *n, const struct cb_plot *p)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char out[4];

	put(n, "<image width=\"%.0f\" height=\"%.1f\" preserveAspectRatio=\"none\" href=\"data:image/%s;base64,", n->w,
	    n->h, p->png ? "png" : "jpeg");
	n->failed |= cb_buf_reserve(n->b, p->picture_len / 3 * 4 + 8) < 0;
	for (size_t i = 0; i < p->picture_len && !n->failed; i += 3) {
		uint32_t left = p->picture_len - i > 2 ? 3 : (uint32_t)(p->picture_len - i);
		uint32_t v = (uint32_t)p->picture[i] << 16 | (left > 1 ? (uint32_t)p->picture[i + 1] << 8 : 0) |
			(left > 2 ? p->picture[i + 2] : 0);

		for (uint32_t k = 0; k < 4; k++)
			out[k] = k > left ? '=' : digit[v >> (18 - 6 * k) & 63];
		n->failed |= cb_buf_add(n->b, out, 4) < 0;
	}
	put(n, "\"/>\n");
}

static void points(struct pen *n, const struct spot *s, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		put(n, "%s%.1f,%.1f", i ? " " : "", (double)s[i].x * n->w, (double)s[i].y * n->h);
}

static void draw_shapes(struct pen *n, const struct cb_plot *p)
{
	for (uint32_t i = 0; i < p->shapes; i++) {
		const struct shape *s = &p->shape[i];
		uint32_t k = (s->n - 1) / 2;
		double ax, ay, dx, dy, len;

		put(n, "<%s class=\"%s\" points=\"", s->closed ? "polygon" : "polyline", s->closed ? "zone" : "line");
		points(n, s->p, s->n);
		put(n, "\"/>\n");
		if (s->closed)
			continue;
		/* to its right */
		ax = (double)s->p[k].x * n->w;
		ay = (double)s->p[k].y * n->h;
		dx = (double)s->p[k + 1].x * n->w - ax;
		dy = (double)s->p[k + 1].y * n->h - ay;
		len = sqrt(dx * dx + dy * dy);
		if (!(len > 0))
			continue;
		ax += dx / 2;
		ay += dy / 2;
		dx /= len;
		dy /= len;
		put(n, "<polygon class=\"arrow\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>\n", ax + 8 * dx, ay + 8 * dy,
		    ax - 8 * dx, ay - 8 * dy, ax - 14 * dy, ay + 14 * dx);
	}
	for (uint32_t i = 0; i < p->shapes; i++) {
		const struct shape *s = &p->shape[i];
		double x = (double)s->p[0].x * n->w + 5, y = (double)s->p[0].y * n->h - 6;

		label(n, x > n->w - 60 ? n->w - 5 : x, y < 14 ? 14 : y, x > n->w - 60 ? "end" : "start",
		      s->closed ? "zonename" : "linename", s->name);
	}
}

static void draw_ways(struct pen *n, const struct cb_plot *p)
{
	uint64_t from = p->ways > CB_PLOT_WAYS ? p->ways - CB_PLOT_WAYS : 0;

	for (uint64_t i = from; i < p->ways; i++) {
		const struct way *w = &p->way[i % CB_PLOT_WAYS];

		put(n, "<g stroke=\"%s\" fill=\"%s\"><title>%llu ", colour(w->class), colour(w->class),
		    (unsigned long long)w->number);
		put_text(n, w->class);
		put(n, "</title><polyline class=\"way\" points=\"");
		points(n, w->p, w->n);
		/* it began at the ring and ended at the dot */
		put(n, "\"/><circle class=\"from\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/></g>\n",
		    (double)w->p[0].x * n->w, (double)w->p[0].y * n->h, (double)w->p[w->n - 1].x * n->w,
		    (double)w->p[w->n - 1].y * n->h);
	}
}

static void draw_told(struct pen *n, const struct cb_plot *p)
{
	uint64_t from = p->tolds > CB_PLOT_TOLD ? p->tolds - CB_PLOT_TOLD : 0;

	for (uint64_t i = from; i < p->tolds; i++) {
		const struct told *e = &p->told[i % CB_PLOT_TOLD];
		double x = (double)e->at.x * n->w, y = (double)e->at.y * n->h;
		char when[CB_TIME_LEN];

		if (!e->placed)
			continue;
		cb_time_format_us(when, e->t_us);
		put(n, "<path class=\"told\" d=\"M%.1f %.1fl6 -9h-12z\"><title>", x, y);
		put_text(n, p->rule[e->rule]);
		put(n, " %.22sZ</title></path>\n", when);
	}
}

/* --- grid ------------------------------------------------------------------------------------------------- */

static void draw_ground(struct pen *n, const struct cb_ground *g)
{
	double lo[2] = { 1e9, 1e9 }, hi[2] = { -1e9, -1e9 }, step = 1;

	/* as much of the ground as the lower part of the picture shows */
	for (int i = 0; i <= 20; i++)
		for (int k = 0; k <= 20; k++) {
			double e, m;

			if (!cb_ground_at(g, i / 20.0, k / 20.0, &e, &m) || fabs(e) > 60 || fabs(m) > 60)
				continue;
			lo[0] = fmin(lo[0], e);
			hi[0] = fmax(hi[0], e);
			lo[1] = fmin(lo[1], m);
			hi[1] = fmax(hi[1], m);
		}
	while ((hi[0] - lo[0]) / step > 60 || (hi[1] - lo[1]) / step > 60)
		step *= 2;
	for (int axis = 0; axis < 2; axis++)
		for (double at = ceil(lo[axis] / step) * step; at <= hi[axis]; at += step) {
			bool open = false;

			put(n, "<path class=\"ground\" d=\"");
			for (int k = 0; k <= 60; k++) {
				double other = lo[!axis] + (hi[!axis] - lo[!axis]) * k / 60, x, y;
				bool seen = cb_ground_back(g, axis ? other : at, axis ? at : other, &x, &y) &&
					x > -0.2 && x < 1.2 && y > -0.2 && y < 1.2;

				if (seen)
					put(n, "%c%.1f %.1f", open ? 'L' : 'M', x * n->w, y * n->h);
				open = seen;
			}
			put(n, "\"><title>%s %g m</title></path>\n", axis ? "north" : "east", at);
		}
}

static void draw_grid(struct pen *n, const struct cb_plot *p, double w, double h)
{
	bool pixels = p->rules && p->rules->width;
	char text[32];

	for (int axis = 0; axis < 2; axis++)
		for (int i = 1; i < 20; i++) {
			double at = i / 20.0, size = axis ? h : w;
			double x = axis ? 0 : at * n->w, y = axis ? at * n->h : 0;

			put(n, "<path class=\"%s\" d=\"M%.1f %.1f%c%.1f\"/>\n", i % 2 ? "fine" : "coarse", x, y,
			    axis ? 'H' : 'V', axis ? n->w : n->h);
			if (i % 2)
				continue;
			if (pixels)
				snprintf(text, sizeof(text), "%.0f", at * size);
			else
				snprintf(text, sizeof(text), "%.1f", at);
			label(n, axis ? 4 : x + 3, axis ? y - 3 : 14, "start", "tick", text);
			label(n, axis ? n->w - 4 : x + 3, axis ? y - 3 : n->h - 5, axis ? "end" : "start", "tick", text);
		}
	if (p->rules && p->rules->has_ground)
		draw_ground(n, &p->rules->ground);
}

/* --- over time ------------------------------------------------------------------------------------------------ */

#define LEFT 120.0
#define CHART 120.0

static double across(const struct cb_plot *p, int64_t t_us)
{
	double whole = (double)(p->to_us - p->from_us);

	return LEFT + (whole > 0 ? (double)(t_us - p->from_us) / whole : 0) * (WIDE - LEFT - 20);
}

static void clock_labels(struct pen *n, const struct cb_plot *p, double y)
{
	for (int i = 0; i <= 6; i++) {
		int64_t t = p->from_us + (p->to_us - p->from_us) / 6 * i, s = t / 1000000 - (t % 1000000 < 0);
		char when[CB_TIME_LEN];

		if (p->rules && p->rules->tz)
			t += INT64_C(1000000) * cb_tz_offset(p->rules->tz, s);
		cb_time_format_us(when, t);
		when[19] = '\0';
		label(n, across(p, p->from_us + (p->to_us - p->from_us) / 6 * i), y, i == 0 ? "start" : i == 6 ? "end" : "middle",
		      "tick", when + (i ? 11 : 0));
	}
}

static int64_t value(const struct step *s, int what)
{
	return what == 0 ? s->in : what == 1 ? s->out : s->occupancy;
}

static void draw_count(struct pen *n, const struct cb_plot *p, uint32_t rule_no, double y)
{
	static const char *const name[] = { "in", "out", "inside" };
	uint64_t from = p->steps > CB_PLOT_STEPS ? p->steps - CB_PLOT_STEPS : 0;
	double lo = 0, hi = 1;
	char text[80];

	for (uint64_t i = from; i < p->steps; i++) {
		const struct step *s = &p->step[i % CB_PLOT_STEPS];

		for (int k = 0; k < 3 && s->rule == rule_no; k++) {
			lo = fmin(lo, (double)value(s, k));
			hi = fmax(hi, (double)value(s, k));
		}
	}
	put(n, "<rect class=\"chart\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", LEFT, y,
	    WIDE - LEFT - 20, CHART - 20);
	label(n, 10, y + 14, "start", "name", p->rule[rule_no]);
	snprintf(text, sizeof(text), "%.0f", hi);
	label(n, LEFT - 6, y + 12, "end", "tick", text);
	snprintf(text, sizeof(text), "%.0f", lo);
	label(n, LEFT - 6, y + CHART - 22, "end", "tick", text);
	for (int k = 0; k < 3; k++) {
		double base = y + CHART - 20 - (0 - lo) / (hi - lo) * (CHART - 24);
		int64_t last = 0;

		put(n, "<path class=\"count%d\" d=\"M%.1f %.1f", k, LEFT, base);
		for (uint64_t i = from; i < p->steps; i++) {
			const struct step *s = &p->step[i % CB_PLOT_STEPS];

			if (s->rule != rule_no)
				continue;
			last = value(s, k);
			put(n, "H%.1fV%.1f", across(p, s->t_us),
			    y + CHART - 20 - ((double)last - lo) / (hi - lo) * (CHART - 24));
		}
		put(n, "H%.1f\"><title>%s</title></path>\n", WIDE - 20, name[k]);
		snprintf(text, sizeof(text), "%s %lld", name[k], (long long)last);
		put(n, "<text x=\"10\" y=\"%.1f\" class=\"key%d\">%s</text>\n", y + 34 + 16 * k, k, text);
	}
}

static void draw_row(struct pen *n, const struct cb_plot *p, uint32_t rule_no, double y)
{
	uint64_t from = p->tolds > CB_PLOT_TOLD ? p->tolds - CB_PLOT_TOLD : 0;

	label(n, 10, y + 12, "start", "name", p->rule[rule_no]);
	put(n, "<path class=\"fine\" d=\"M%.1f %.1fH%.1f\"/>\n<path class=\"ticks\" d=\"", LEFT, y + 8, WIDE - 20);
	for (uint64_t i = from; i < p->tolds; i++)
		if (p->told[i % CB_PLOT_TOLD].rule == rule_no)
			put(n, "M%.1f %.1fv12", across(p, p->told[i % CB_PLOT_TOLD].t_us), y + 2);
	put(n, "\"/>\n");
}

static const char style[] =
	"<style>text{font:13px sans-serif;fill:#222}.zone{fill:#2a9df4;fill-opacity:.12;stroke:#2a9df4;stroke-width:2}"
	".line{fill:none;stroke:#e69f00;stroke-width:3}.arrow{fill:#e69f00}"
	".zonename,.linename{paint-order:stroke;stroke:#fff;stroke-width:3px;font-weight:bold}"
	".zonename{fill:#1471b8}.linename{fill:#a06a00}"
	".way{fill:none;stroke-width:1.6;stroke-opacity:.8;stroke-linejoin:round}.from{fill:none;stroke-width:1.5}"
	".told{fill:#e03131;stroke:#fff;stroke-width:.7}"
	".fine{fill:none;stroke:#888;stroke-opacity:.35}.coarse{fill:none;stroke:#fff;stroke-opacity:.75}"
	".ground{fill:none;stroke:#2f9e44;stroke-opacity:.7}"
	".tick{font-size:12px;fill:#222;paint-order:stroke;stroke:#fff;stroke-width:3px}.name{font-weight:bold}"
	".chart{fill:#f4f4f4;stroke:#ccc}.ticks{stroke:#e03131;stroke-width:1.5}"
	".count0,.count1,.count2{fill:none;stroke-width:2}.count0{stroke:#2f9e44}.count1{stroke:#d6336c}.count2{stroke:#3b5bdb}"
	".key0{fill:#2f9e44}.key1{fill:#d6336c}.key2{fill:#3b5bdb}</style>\n";

/* Whose ways, and of which kinds. */
static void heading(struct pen *n, const struct cb_plot *p, double y)
{
	uint64_t from = p->ways > CB_PLOT_WAYS ? p->ways - CB_PLOT_WAYS : 0;
	const char *seen[12];
	uint32_t kinds = 0, k;

	put(n, "<text x=\"10\" y=\"%.1f\" class=\"name\">", y);
	put_text(n, p->camera);
	put(n, "%s%llu tracks%s%s ", *p->camera ? ": " : "", (unsigned long long)p->ways,
	    from ? ", the latest are drawn" : "",
	    p->tolds > CB_PLOT_TOLD || p->steps > CB_PLOT_STEPS ? ", the latest events are drawn" : "");
	for (uint64_t i = from; i < p->ways && kinds < sizeof(seen) / sizeof(*seen); i++) {
		const char *class = p->way[i % CB_PLOT_WAYS].class;

		for (k = 0; k < kinds && strcmp(seen[k], class) != 0; k++)
			;
		if (k < kinds)
			continue;
		seen[kinds++] = class;
		put(n, "<tspan dx=\"12\" fill=\"%s\">", colour(class));
		put_text(n, class);
		put(n, "</tspan>");
	}
	put(n, "</text>\n");
	label(n, WIDE - 20, y, "end", "tick", p->rules && p->rules->tz ? "local time" : "UTC");
}

int cb_plot_write(const struct cb_plot *p, bool grid, struct cb_buf *out, struct cb_err *err)
{
	double w = p->width, h = p->height, y, all;
	struct pen n = { .b = out, .w = WIDE };

	if (!p->picture) {
		w = p->seen_w ? (double)p->seen_w : p->rules && p->rules->width ? p->rules->width : 16;
		h = p->seen_w ? (double)p->seen_h : p->rules && p->rules->width ? p->rules->height : 9;
	}
	if (p->rules && p->rules->width && grid) {	/* coordinates as the file has them */
		w = p->rules->width;
		h = p->rules->height;
	}
	n.h = WIDE * h / w;
	n.h = n.h > 8 * WIDE ? 8 * WIDE : n.h;
	all = n.h;
	if (!grid)
		all += 60 + p->counting * CHART + p->rows * 24;
	put(&n, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\">\n",
	    WIDE, all, WIDE, all);
	n.failed |= cb_buf_str(n.b, style) < 0;
	put(&n, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n<rect width=\"%.0f\" height=\"%.1f\" fill=\"#d9dde0\"/>\n",
	    WIDE, all, WIDE, n.h);
	if (p->picture)
		embed(&n, p);
	if (grid)
		draw_grid(&n, p, w, h);
	draw_shapes(&n, p);
	draw_ways(&n, p);
	draw_told(&n, p);
	y = n.h + 20;
	if (!grid) {
		heading(&n, p, y);
		y += 12;
		for (uint32_t i = 0; i < p->counting; i++, y += CHART)
			draw_count(&n, p, i, y);
		for (uint32_t i = 0; i < p->rows; i++, y += 24)
			draw_row(&n, p, COUNTS + i, y);
		if (p->any)
			clock_labels(&n, p, y + 14);
	}
	put(&n, "</svg>\n");
	return n.failed ? cb_err_nomem(err) : 0;
}

int cb_plot_open(struct cb_plot **ret, const struct cb_track_rules *rules, const char *config, const char *picture,
		 struct cb_err *err)
{
	struct cb_plot *p = NULL;
	uint32_t w, h;

	if (cb_plot_new(&p, err) < 0)
		return -1;
	if (rules)
		cb_plot_rules(p, rules);
	if (picture && cb_plot_picture(p, picture, err) < 0)
		goto fail;
	cb_plot_size(p, &w, &h);
	if (rules && cb_track_rules_misfit(rules, w, h)) {
		cb_err_set(err, CB_E_CONFIG, "%s: size %ux%u is of another shape than %s, %ux%u", config, rules->width,
			   rules->height, picture, w, h);
		goto fail;
	}
	*ret = p;
	return 0;
fail:
	cb_plot_free(p);
	return -1;
}

int cb_plot_save(const struct cb_plot *p, bool grid, int fd, const char *name, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	int r = cb_plot_write(p, grid, &b, err);

	if (r == 0 && (r = cb_write_all(fd, b.data, b.len, err)) < 0)
		cb_err_prefix(err, "%s", name);
	if (close(fd) < 0 && r == 0)
		r = cb_err_sys(err, CB_E_IO, errno, "%s", name);
	cb_buf_release(&b);
	return r;
}
