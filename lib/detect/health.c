/* SPDX-License-Identifier: Apache-2.0 */
/* What is usual, how a picture differs from it, and for how long that must last. */
#include "detect/health.h"

#include <stdlib.h>
#include <string.h>

#include "detect/motion.h"

enum {
	TX = 8, TY = 6, TILES = TX * TY,
	TILE_LINES = CB_HEALTH_LINES / TILES,
	CELL = 8,			/* side of a coarse cell */
	CELLS = (CB_MOTION_SIDE / CELL) * (CB_MOTION_SIDE / CELL),

	SAMPLE_US = 180000,		/* pictures nearer to the last are not looked at */
	STEP_US = 200000,		/* a jump of the clock counts as so much */
	LEARN_US = 10000000,		/* of one view, then it is the usual one */
	SETTLE_US = 2000000,		/* of that, before it is asked whether it is one view */
	FOLLOW_US = 300000000,		/* time constant with which the usual follows */
	BLEND_US = 600000,		/* time constant of the picture now */
	SEARCH_US = 1000000,		/* how often other places are tried */
	ACCEPT_US = 60000000,		/* a new view becomes the usual one */
	CUT_US = 250000,		/* pictures so near to each other can show a cut */
	CUT_SEEN_US = 3000000,		/* so much later it is asked whether one was */
	SUDDEN_US = 10000000,		/* a cover comes in less */

	EDGE = 14,			/* gradients below are noise */
	STRUCTURED = 4,			/* a tile with an edge in so many per cent of its pixels */
	TILES_MIN = 6,			/* fewer such tiles: nothing to compare */
	GONE = 4,			/* a tile with less than 1/4 of its edges has lost them */
	STANDS = 3500,			/* match of a tile that is where it was */
	BETTER = 1000,			/* match elsewhere that is better by so much counts */
	STEEP = 16,			/* steepness from which sharpness can be told */

	RELATED = 4500,			/* views so similar in light and dark are of one place */
	SAME_MIN = 6000,		/* less: something else is seen in most of the picture */
	SAME = 7000,			/* more: the same is seen */
	GAIN_MIN = 4000,		/* less: what fades */

	NEAR = 2,			/* places tried: pixels; */
	WIDE_X = 24, WIDE_Y = 12,	/* where that finds none, pairs of pixels */
	PAD = 2 * WIDE_X + NEAR + 2,
	DIGESTS = 64,			/* different pictures remembered */
	BLACK = 20, WHITE = 235,	/* at most and at least */
};

/* Begins beyond `start`, lasts `hold`, ends beyond `end` for `release`. */
static const struct rule {
	const char *name, *topic;
	int64_t start, end, hold, release;
} rules[CB_CONDITIONS] = {
	[CB_COVERED] = { "covered", "tns1:VideoSource/GlobalSceneChange/AnalyticsService",
			 8000, 5000, 3000000, 2000000 },
	[CB_DEFOCUSED] = { "defocused", "tns1:VideoSource/ImageTooBlurry/AnalyticsService",
			   5000, 7000, 5000000, 2000000 },
	[CB_MOVED] = { "moved", "tns1:VideoSource/GlobalSceneChange/AnalyticsService",
		       2500, 6000, 5000000, 2000000 },
	[CB_DARK] = { "dark", "tns1:VideoSource/ImageTooDark/AnalyticsService",
		      9800, 9000, 5000000, 2000000 },
	[CB_BRIGHT] = { "bright", "tns1:VideoSource/ImageTooBright/AnalyticsService",
			8500, 7000, 5000000, 2000000 },
	[CB_FROZEN] = { "frozen", NULL, 0, 0, 0, 2000000 },
};

struct state {
	bool on, turning;	/* turning: beyond the other threshold since turn_us */
	int64_t since_us, turn_us;
	int64_t value;
};

/* An edge of the usual view. */
struct edge {
	uint16_t x, y;
	int8_t c, s;		/* cosine and sine of twice its direction, 1/64 */
	uint8_t tile;
};

/* Edge directions of a picture in a frame of PAD zeros, so that it can be read beside itself. */
struct field {
	uint32_t w, h, stride, n;	/* n: edges */
	int8_t *c, *s;
};

struct cb_health {
	uint32_t w, h, n, full_w, full_h, line_n;
	int64_t frozen_us;
	bool any;
	int64_t t_us, now, step;	/* now: the stream's time without its jumps */
	uint8_t *tile;			/* of each pixel */
	uint8_t eighth[128][128];
	uint32_t pixels[TILES];

	/* the usual */
	bool known;
	int64_t learn_us;		/* since when it is learnt */
	uint32_t learnt;		/* pictures */
	uint32_t *mean;			/* Q16 */
	int32_t steep[TILES];		/* Q8 */
	uint8_t *gray;			/* mean, rounded, as of */
	int64_t gray_us;
	uint32_t cells, cell[CELLS];	/* sums of brightness */
	uint32_t edges[TILES], structured;
	struct edge *edge, *edge2;	/* at full and at half size */
	uint32_t n_edge, n_edge2;

	/* now */
	uint32_t *blend;		/* Q16 */
	uint8_t *blended, *half;
	struct field field, field2;
	int64_t search_us;
	int dx, dy;			/* the best place */

	/* cuts */
	uint32_t cell_now[CELLS], cell_prev[CELLS];
	int64_t last_us, cut_us;	/* last_us: time of the picture before */
	bool pair, still, jumped, cut;

	/* covers */
	int64_t same_us, other_us;	/* when the light and dark places were last the same, and
					 * since when they are not */
	int32_t same_gain;
	bool sudden;

	/* frozen */
	uint64_t digest[DIGESTS];
	uint32_t digests, digest_at;
	int64_t new_us;

	struct state state[CB_CONDITIONS];
};

const char *cb_condition_name(enum cb_condition c)
{
	return rules[c].name;
}

const char *cb_condition_topic(enum cb_condition c)
{
	return rules[c].topic;
}

/* Directions of gradients are taken in eighths of half a turn: the eighth, by half the
 * gradient's parts without their signs. */
static uint8_t eighth(int ax, int ay)
{
	/* tangents of 11.25, 33.75, 56.25 and 78.75 degrees */
	return ay * 1000 < ax * 199 ? 0 : ay * 1000 < ax * 668 ? 1 : ay * 668 < ax * 1000 ? 2 :
	       ay * 199 < ax * 1000 ? 3 : 4;
}

/* --- set-up -------------------------------------------------------------------------------------- */

static int field_new(struct field *f, uint32_t w, uint32_t h)
{
	size_t n = (size_t)(w + 2 * PAD) * (h + 2 * PAD);

	f->w = w;
	f->h = h;
	f->stride = w + 2 * PAD;
	f->c = calloc(n, 1);
	f->s = calloc(n, 1);
	return f->c && f->s ? 0 : -1;
}

int cb_health_new(struct cb_health **ret, uint32_t width, uint32_t height, uint32_t full_w, uint32_t full_h,
		  int64_t frozen_us, struct cb_err *err)
{
	struct cb_health *h;
	size_t n = (size_t)width * height;

	if (width < 8 || height < 8 || width > CB_MOTION_SIDE || height > CB_MOTION_SIDE)
		return cb_err_set(err, CB_E_BUG, "health at %u x %u", width, height);
	h = calloc(1, sizeof *h);
	if (!h)
		return cb_err_nomem(err);
	h->w = width;
	h->h = height;
	h->n = (uint32_t)n;
	h->full_w = full_w;
	h->full_h = full_h;
	h->line_n = full_w / TX > CB_HEALTH_LINE_MAX ? CB_HEALTH_LINE_MAX : full_w / TX;
	if (h->line_n < 8 || full_h < TY * TILE_LINES)
		h->line_n = 0;
	h->frozen_us = frozen_us;
	h->tile = malloc(n);
	h->gray = calloc(n, 3);
	h->mean = calloc(n, sizeof *h->mean);
	h->blend = calloc(n, sizeof *h->blend);
	h->edge = calloc(n, sizeof *h->edge);
	h->edge2 = calloc(n / 4 + 1, sizeof *h->edge2);
	if (!h->tile || !h->gray || !h->mean || !h->blend || !h->edge || !h->edge2 ||
	    field_new(&h->field, width, height) < 0 || field_new(&h->field2, width / 2, height / 2) < 0) {
		cb_health_free(h);
		return cb_err_nomem(err);
	}
	h->blended = h->gray + n;
	h->half = h->blended + n;
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < width; x++) {
			uint8_t t = (uint8_t)(y * TY / height * TX + x * TX / width);

			h->tile[(size_t)y * width + x] = t;
			h->pixels[t]++;
		}
	for (int x = 0; x < 128; x++)
		for (int y = 0; y < 128; y++)
			h->eighth[x][y] = eighth(x, y);
	h->cells = (width / CELL) * (height / CELL);
	*ret = h;
	return 0;
}

void cb_health_free(struct cb_health *h)
{
	if (!h)
		return;
	free(h->tile);
	free(h->gray);
	free(h->mean);
	free(h->blend);
	free(h->edge);
	free(h->edge2);
	free(h->field.c);
	free(h->field.s);
	free(h->field2.c);
	free(h->field2.s);
	free(h);
}

uint32_t cb_health_line(const struct cb_health *h, int i, uint32_t *ret_x, uint32_t *ret_y)
{
	uint32_t t = (uint32_t)(i / TILE_LINES), k = (uint32_t)(i % TILE_LINES);
	uint32_t x0 = t % TX * h->full_w / TX, x1 = (t % TX + 1) * h->full_w / TX;

	/* in the middle of the tile's width, evenly over its height */
	*ret_x = x0 + (x1 - x0 - h->line_n) / 2;
	*ret_y = (t / TX * TILE_LINES * 2 + 2 * k + 1) * h->full_h / (TY * TILE_LINES * 2);
	return h->line_n;
}

bool cb_health_due(const struct cb_health *h, int64_t t_us)
{
	return !h->any || t_us < h->t_us || t_us - h->t_us >= SAMPLE_US;
}

/* --- measures ------------------------------------------------------------------------------------- */

static int absi(int v)
{
	return v < 0 ? -v : v;
}

static uint32_t isqrt(uint64_t v)
{
	uint64_t r = 0, bit = UINT64_C(1) << 62;

	while (bit > v)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		if (v >= r + bit) {
			v -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	}
	return (uint32_t)r;
}

static void sum_cells(const struct cb_health *h, const uint8_t *gray, uint32_t *out)
{
	uint32_t cw = h->w / CELL, ch = h->h / CELL;

	memset(out, 0, h->cells * sizeof *out);
	for (uint32_t y = 0; y < ch * CELL; y++)
		for (uint32_t x = 0; x < cw; x++) {
			const uint8_t *p = gray + (size_t)y * h->w + x * CELL;
			uint32_t sum = 0;

			for (int i = 0; i < CELL; i++)
				sum += p[i];
			out[y / CELL * cw + x] += sum;
		}
}

/* Correlation of the cells of two pictures, 1/10000, and how b's contrast compares to a's;
 * 0 where b has no contrast. */
static int32_t correlate(const struct cb_health *h, const uint32_t *a, const uint32_t *b, int32_t *ret_gain)
{
	int64_t n = h->cells, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0, va, vb, cov;
	int64_t flat = n * n * (CELL * CELL) * (CELL * CELL);	/* a deviation of one grey level */

	for (uint32_t i = 0; i < h->cells; i++) {
		sa += a[i];
		sb += b[i];
		saa += (int64_t)a[i] * a[i];
		sbb += (int64_t)b[i] * b[i];
		sab += (int64_t)a[i] * b[i];
	}
	va = n * saa - sa * sa;
	vb = n * sbb - sb * sb;
	cov = n * sab - sa * sb;
	*ret_gain = va > 0 && cov > 0 ? (int32_t)((__int128)cov * CB_UNIT / va > 16 * CB_UNIT ? 16 * CB_UNIT :
						  (__int128)cov * CB_UNIT / va) : 0;
	if (va < flat || vb < flat / 16 || cov <= 0)
		return 0;
	return (int32_t)isqrt((uint64_t)((__int128)cov * cov / ((__int128)va * vb / (CB_UNIT * CB_UNIT) + 1)));
}

/* Cosine and sine of twice a direction, 1/64; those from 8 on are mirrored. */
static const int8_t twice[16][2] = {
	{ 64, 0 }, { 45, 45 }, { 0, 64 }, { -45, 45 }, { -64, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 },
	{ 64, 0 }, { 45, -45 }, { 0, -64 }, { -45, -45 }, { -64, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 },
};

/* The edges of a picture into f; with list, also there; with count, in each tile. */
static void find_edges(const struct cb_health *h, const uint8_t *p, struct field *f, struct edge *list,
		       uint32_t *ret_n, uint32_t *count)
{
	uint32_t n = 0;
	bool full = f->w == h->w;

	if (count)
		memset(count, 0, TILES * sizeof *count);
	for (uint32_t y = 1; y + 1 < f->h; y++)
		for (uint32_t x = 1; x + 1 < f->w; x++) {
			const uint8_t *q = p + (size_t)y * f->w + x;
			size_t at = (size_t)(y + PAD) * f->stride + x + PAD;
			int gx = q[1] - q[-1], gy = q[f->w] - q[-(ptrdiff_t)f->w];
			int ax = absi(gx), ay = absi(gy);
			int8_t c = 0, s = 0;

			if (ax + ay >= EDGE) {
				const int8_t *d = twice[h->eighth[ax / 2][ay / 2] | ((gx ^ gy) < 0) << 3];
				uint8_t t = full ? h->tile[(size_t)y * h->w + x] : 0;

				c = d[0];
				s = d[1];
				if (list)
					list[n] = (struct edge){ (uint16_t)x, (uint16_t)y, c, s, t };
				if (count)
					count[t]++;
				n++;
			}
			if (!list) {
				f->c[at] = c;
				f->s[at] = s;
			}
		}
	if (ret_n)
		*ret_n = n;
	if (!list)
		f->n = n;
}

static void halve(const struct cb_health *h, const uint8_t *p, uint8_t *out)
{
	uint32_t w = h->w / 2;

	for (uint32_t y = 0; y < h->h / 2; y++)
		for (uint32_t x = 0; x < w; x++) {
			const uint8_t *q = p + (size_t)y * 2 * h->w + 2 * x;

			out[(size_t)y * w + x] = (uint8_t)((q[0] + q[1] + q[h->w] + q[h->w + 1] + 2) / 4);
		}
}

/* Sum of the agreement of the usual edges with those found so far to the right and below, in
 * 1/4096; by tile where that is not NULL. */
static int64_t agree(const struct edge *e, uint32_t n, const struct field *f, int dx, int dy, int32_t *by_tile)
{
	ptrdiff_t off = (ptrdiff_t)(PAD + dy) * f->stride + PAD + dx;
	int64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t at = (size_t)(e[i].y * (ptrdiff_t)f->stride + e[i].x + off);
		int v = e[i].c * f->c[at] + e[i].s * f->s[at];

		sum += v;
		if (by_tile)
			by_tile[e[i].tile] += v;
	}
	return sum;
}

/* The same, made comparable between places: of what is in both pictures. */
static int64_t match_at(const struct edge *e, uint32_t n, const struct field *f, int dx, int dy)
{
	int64_t all = (int64_t)f->w * f->h, both = (int64_t)(f->w - (uint32_t)absi(dx)) * (f->h - (uint32_t)absi(dy));

	if (absi(dx) >= (int)f->w || absi(dy) >= (int)f->h)
		return 0;
	return agree(e, n, f, dx, dy, NULL) * all / both;
}

/* Where the usual edges are now: first nearby, then up to a quarter of the picture away. */
static void search(struct cb_health *h)
{
	int64_t best = match_at(h->edge, h->n_edge, &h->field, 0, 0), here = best, v;
	int bx = 0, by = 0, cx = 0, cy = 0;
	uint32_t few = h->n_edge < h->field.n ? h->n_edge : h->field.n;

	for (int dy = -NEAR; dy <= NEAR; dy++)
		for (int dx = -NEAR; dx <= NEAR; dx++) {
			v = match_at(h->edge, h->n_edge, &h->field, dx, dy);
			if (v > best) {
				best = v;
				bx = dx;
				by = dy;
			}
		}
	/* a good match inside of what was tried is the place */
	if (best < few * INT64_C(4096) * 6 / 10 || absi(bx) == NEAR || absi(by) == NEAR) {
		int wx = (int)h->field2.w / 3 < WIDE_X ? (int)h->field2.w / 3 : WIDE_X;
		int wy = (int)h->field2.h / 3 < WIDE_Y ? (int)h->field2.h / 3 : WIDE_Y;
		int64_t best2 = 0;

		halve(h, h->blended, h->half);
		find_edges(h, h->half, &h->field2, NULL, NULL, NULL);
		for (int dy = -wy; dy <= wy; dy++)
			for (int dx = -wx; dx <= wx; dx++) {
				v = match_at(h->edge2, h->n_edge2, &h->field2, dx, dy);
				if (v > best2) {
					best2 = v;
					cx = dx * 2;
					cy = dy * 2;
				}
			}
		for (int dy = cy - NEAR; dy <= cy + NEAR; dy++)
			for (int dx = cx - NEAR; dx <= cx + NEAR; dx++) {
				v = match_at(h->edge, h->n_edge, &h->field, dx, dy);
				if (v > best) {
					best = v;
					bx = dx;
					by = dy;
				}
			}
	}
	/* one that is no better, or no good, is none */
	if (best - here < few * INT64_C(4096) / 10 || best < few * INT64_C(4096) * 45 / 100)
		bx = by = 0;
	h->dx = bx;
	h->dy = by;
}

/* How steep the steepest fiftieth of what is in each tile is. */
static void steepness(const struct cb_health *h, const uint8_t *lines, int32_t out[static TILES])
{
	uint32_t n = h->line_n, all = TILE_LINES * (n - 2);

	for (int t = 0; t < TILES; t++) {
		uint32_t hist[256] = { 0 }, left = all / 50;
		int v = 255;

		for (int k = 0; k < TILE_LINES; k++) {
			const uint8_t *p = lines + (size_t)(t * TILE_LINES + k) * n;

			for (uint32_t i = 0; i + 2 < n; i++)
				hist[absi(p[i + 2] - p[i])]++;
		}
		for (; v && hist[v] <= left; v--)
			left -= hist[v];
		out[t] = v;
	}
}

static int by_value(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return x < y ? -1 : x > y;
}

/* The median tile's steepness as a share of the usual, the contrast taken away; -1: cannot
 * be told. */
static int32_t sharpness(const struct cb_health *h, const int32_t steep[static TILES], int32_t gain)
{
	int32_t share[TILES];
	int n = 0;

	for (int t = 0; t < TILES; t++)
		if (h->steep[t] >= STEEP << 8)
			share[n++] = (int32_t)((int64_t)steep[t] * CB_UNIT * 256 / h->steep[t]);
	if (n < TILES_MIN || gain < CB_UNIT / 8)
		return -1;
	qsort(share, (size_t)n, sizeof *share, by_value);
	/* more contrast does not make blurred edges steeper than the scene was */
	return (int32_t)((int64_t)share[n / 2] * CB_UNIT / (gain > CB_UNIT ? CB_UNIT : gain));
}

/* --- what is usual ---------------------------------------------------------------------------------- */

static void forget(struct cb_health *h)
{
	h->known = false;
	h->learnt = 0;
	h->learn_us = h->now;
	h->dx = h->dy = 0;
	h->cut = h->jumped = false;
	h->same_us = h->other_us = INT64_MIN / 2;
}

static void learn(struct cb_health *h, const uint8_t *gray, const int32_t *steep)
{
	uint32_t a = (uint32_t)(h->step * 65536 / (FOLLOW_US + h->step));

	if (h->learnt < 0xffff)
		h->learnt++;
	if (!h->known || a < 1)
		a = h->known ? 1 : 65536 / h->learnt;
	for (size_t i = 0; i < h->n; i++)
		h->mean[i] = (uint32_t)(h->mean[i] + ((((int64_t)gray[i] << 16) - h->mean[i]) * a >> 16));
	if (steep)
		for (int t = 0; t < TILES; t++)
			h->steep[t] += (int32_t)(((int64_t)(steep[t] << 8) - h->steep[t]) * a >> 16);
}

/* The edges and cells of what is usual, from time to time. */
static void recall(struct cb_health *h)
{
	if (h->gray_us >= h->learn_us && h->known && h->now - h->gray_us < 5000000)
		return;
	h->gray_us = h->now;
	for (size_t i = 0; i < h->n; i++)
		h->gray[i] = (uint8_t)((h->mean[i] + 0x8000) >> 16);
	sum_cells(h, h->gray, h->cell);
	find_edges(h, h->gray, &h->field, h->edge, &h->n_edge, h->edges);
	halve(h, h->gray, h->half);
	find_edges(h, h->half, &h->field2, h->edge2, &h->n_edge2, NULL);
	h->structured = 0;
	for (int t = 0; t < TILES; t++) {
		if (h->edges[t] * 100 < h->pixels[t] * STRUCTURED)
			h->edges[t] = 0;
		h->structured += h->edges[t] > 0;
	}
}

/* --- over time ----------------------------------------------------------------------------------------- */

static struct cb_health_change *change(struct cb_health *h, enum cb_condition c, struct cb_health_result *ret)
{
	struct cb_health_change *e = &ret->change[ret->n++];
	struct state *s = &h->state[c];

	*e = (struct cb_health_change){ .condition = c, .value = s->value, .ago_us = h->now - s->since_us };
	return e;
}

static void stop(struct cb_health *h, enum cb_condition c, enum cb_health_end why, int64_t until,
		 struct cb_health_result *ret)
{
	struct cb_health_change *e = change(h, c, ret);
	struct state *s = &h->state[c];

	e->end = why;
	e->duration_us = until - s->since_us;
	e->threshold = c == CB_FROZEN ? h->frozen_us / 100 : rules[c].end;
	s->on = s->turning = false;
}

/* bad, good: beyond the threshold to start, to end; neither where it cannot be told. True where
 * it began now. */
static bool over_time(struct cb_health *h, enum cb_condition c, int64_t value, bool bad, bool good, int64_t hold,
		      struct cb_health_result *ret)
{
	struct state *s = &h->state[c];
	struct cb_health_change *e;

	s->value = value;
	if (!(s->on ? good : bad)) {
		s->turning = false;
		return false;
	}
	if (!s->turning) {
		s->turning = true;
		s->turn_us = h->now;
		return false;
	}
	if (h->now - s->turn_us < (s->on ? rules[c].release : hold))
		return false;
	if (s->on) {
		stop(h, c, CB_HEALTH_OVER, s->turn_us, ret);
		return false;
	}
	s->on = true;
	s->turning = false;
	s->since_us = s->turn_us;
	/* those that look at the blend of the last pictures see it later than it was */
	if ((c == CB_COVERED || c == CB_MOVED) && h->other_us >= s->turn_us - 4 * BLEND_US &&
	    h->other_us < s->turn_us)
		s->since_us = h->other_us;
	e = change(h, c, ret);
	e->start = true;
	e->threshold = c == CB_FROZEN ? h->frozen_us / 100 : rules[c].start;
	return true;
}

static void run_light(struct cb_health *h, const uint8_t *gray, struct cb_health_result *ret)
{
	uint32_t black = 0, white = 0;
	int64_t d, b;

	for (size_t i = 0; i < h->n; i++) {
		black += gray[i] <= BLACK;
		white += gray[i] >= WHITE;
	}
	d = (int64_t)black * CB_UNIT / h->n;
	b = (int64_t)white * CB_UNIT / h->n;
	over_time(h, CB_DARK, d, d >= rules[CB_DARK].start, d < rules[CB_DARK].end, rules[CB_DARK].hold, ret);
	over_time(h, CB_BRIGHT, b, b >= rules[CB_BRIGHT].start, b < rules[CB_BRIGHT].end, rules[CB_BRIGHT].hold, ret);
}

/* Only ever compared with others of this process. */
static uint64_t digest(uint64_t d, const uint8_t *p, size_t n)
{
	uint64_t w = 0;

	for (; n >= sizeof w; n -= sizeof w, p += sizeof w) {
		memcpy(&w, p, sizeof w);
		d = (d ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		d ^= d >> 29;
	}
	w = 0;
	memcpy(&w, p, n);
	d = (d ^ w) * UINT64_C(0x9e3779b97f4a7c15);
	return d ^ d >> 29;
}

/* Pictures that were there before: also the few that an encoder makes of one and the same
 * from keyframe to keyframe. */
static bool run_frozen(struct cb_health *h, const uint8_t *gray, const uint8_t *lines, struct cb_health_result *ret)
{
	uint64_t d = digest(UINT64_C(0xcbf29ce484222325), gray, h->n);
	struct state *s = &h->state[CB_FROZEN];
	bool seen = false;

	if (!h->frozen_us)
		return false;
	if (lines)
		d = digest(d, lines, (size_t)h->line_n * CB_HEALTH_LINES);
	for (uint32_t i = 0; i < h->digests; i++)
		seen |= h->digest[i] == d;
	if (!seen) {
		h->digest[h->digest_at++ % DIGESTS] = d;
		if (h->digests < DIGESTS)
			h->digests++;
		h->new_us = h->now;
	}
	/* since the last new picture, not since the first that was there before */
	if (!s->on && seen && !s->turning) {
		s->turning = true;
		s->turn_us = h->new_us;
	}
	over_time(h, CB_FROZEN, (h->now - h->new_us) / 100, seen, !seen, h->frozen_us, ret);
	return seen;
}

static void run_view(struct cb_health *h, const uint8_t *gray, const int32_t *steep, bool repeated,
		     struct cb_health_result *ret)
{
	uint32_t now_edges[TILES], cell[CELLS], gone = 0, left = 0, stand = 0;
	int32_t at_home[TILES] = { 0 }, away[TILES] = { 0 }, gain, same, sharp = -1;
	int64_t cover, place;
	struct state *moved = &h->state[CB_MOVED], *covered = &h->state[CB_COVERED];
	bool lost, shifted;

	find_edges(h, h->blended, &h->field, NULL, NULL, now_edges);
	sum_cells(h, gray, cell);
	same = correlate(h, h->cell, cell, &gain);
	if (steep)
		sharp = sharpness(h, steep, gain);
	if (h->now - h->search_us >= SEARCH_US) {
		h->search_us = h->now;
		search(h);
	}
	/* a pixel is not yet another place */
	shifted = absi(h->dx) > 1 || absi(h->dy) > 1;
	agree(h->edge, h->n_edge, &h->field, shifted ? 0 : h->dx, shifted ? 0 : h->dy, at_home);
	if (shifted)
		agree(h->edge, h->n_edge, &h->field, h->dx, h->dy, away);
	for (int t = 0; t < TILES; t++) {
		uint32_t few = now_edges[t] < h->edges[t] ? now_edges[t] : h->edges[t];
		int64_t m, f;

		if (!h->edges[t])
			continue;
		if (now_edges[t] * GONE < h->edges[t]) {
			gone++;
			continue;
		}
		left++;
		m = (int64_t)at_home[t] * CB_UNIT / (few * 4096);
		f = (int64_t)away[t] * CB_UNIT / (few * 4096);
		stand += m >= STANDS && f < m + BETTER;
	}
	cover = (int64_t)gone * CB_UNIT / h->structured;
	place = left ? (int64_t)stand * CB_UNIT / left : 0;

	lost = same < SAME_MIN;
	if (same >= SAME) {
		h->same_us = h->now;
		h->same_gain = gain;
		h->other_us = INT64_MIN / 2;
	} else if (h->other_us < h->same_us) {
		h->other_us = h->now;
	}
	/* what faded away in its place was dimmed, what is only blurred is there, and what is
	 * white is blinded */
	if (!covered->on && !covered->turning)
		h->sudden = h->now - h->same_us <= (h->step > SUDDEN_US ? h->step : SUDDEN_US) &&
			    h->same_gain >= GAIN_MIN;
	over_time(h, CB_COVERED, cover, cover >= rules[CB_COVERED].start && lost && h->sudden && !moved->on &&
		  !h->state[CB_BRIGHT].on && !h->state[CB_BRIGHT].turning,
		  cover < rules[CB_COVERED].end || (same >= SAME && gain >= GAIN_MIN), rules[CB_COVERED].hold, ret);

	over_time(h, CB_DEFOCUSED, sharp < 0 ? h->state[CB_DEFOCUSED].value : sharp, !lost && sharp >= 0 && sharp < rules[CB_DEFOCUSED].start &&
		  (place >= 5000 || gone > left), sharp >= rules[CB_DEFOCUSED].end, rules[CB_DEFOCUSED].hold, ret);

	/* only where enough is left to be elsewhere */
	lost = left * 2 >= h->structured && place < rules[CB_MOVED].start && !covered->on;
	if (lost && !moved->on && moved->turning && h->now - moved->turn_us >= CUT_SEEN_US && h->cut &&
	    h->cut_us >= moved->turn_us - CUT_SEEN_US && !shifted && same < RELATED) {
		forget(h);
		moved->turning = false;
		return;
	}
	if (over_time(h, CB_MOVED, place, lost, left * 2 >= h->structured && place >= rules[CB_MOVED].end,
		      rules[CB_MOVED].hold, ret)) {
		struct cb_health_change *e = &ret->change[ret->n - 1];

		e->shifted = shifted;
		e->dx = h->dx * CB_UNIT / (int32_t)h->w;
		e->dy = h->dy * CB_UNIT / (int32_t)h->h;
	}
	if (moved->on && h->now - moved->since_us >= ACCEPT_US) {
		stop(h, CB_MOVED, CB_HEALTH_ACCEPTED, h->now, ret);
		forget(h);
		return;
	}
	for (int c = 0; c < CB_FROZEN; c++)
		if (h->state[c].on || h->state[c].turning)
			return;
	if (!repeated)
		learn(h, gray, steep);
}

/* Learn a first view, as long as it stays one. */
static void run_first(struct cb_health *h, const uint8_t *gray, const int32_t *steep)
{
	int32_t by_tile[TILES] = { 0 };
	uint32_t now_edges[TILES], stand = 0;

	if (h->state[CB_DARK].on || h->state[CB_BRIGHT].on) {
		forget(h);
		return;
	}
	learn(h, gray, steep);
	if (h->now - h->learn_us < SETTLE_US || h->learnt < 3 ||
	    (h->gray_us >= h->learn_us && h->now - h->gray_us < SEARCH_US))
		return;
	recall(h);
	find_edges(h, h->blended, &h->field, NULL, NULL, now_edges);
	agree(h->edge, h->n_edge, &h->field, 0, 0, by_tile);
	for (int t = 0; t < TILES; t++) {
		uint32_t few = now_edges[t] < h->edges[t] ? now_edges[t] : h->edges[t];

		stand += h->edges[t] && now_edges[t] * GONE >= h->edges[t] &&
			 (int64_t)by_tile[t] * CB_UNIT / (few * 4096) >= STANDS;
	}
	if (h->structured < TILES_MIN || stand * 10 < h->structured * 6) {
		forget(h);
		return;
	}
	if (h->now - h->learn_us >= LEARN_US) {
		h->known = true;
		h->same_us = h->now;
		h->same_gain = CB_UNIT;
	}
}

/* Is one still view followed by another, with nothing between? Looks at every picture. */
static void watch_cuts(struct cb_health *h, const uint8_t *gray, int64_t t_us)
{
	int64_t step = t_us - h->last_us;
	int32_t gain, same;
	bool still;

	h->last_us = t_us;

	sum_cells(h, gray, h->cell_now);
	if (h->pair) {
		same = correlate(h, h->cell_prev, h->cell_now, &gain);
		still = same >= 9500;
		if (h->jumped && still) {
			h->cut = true;
			h->cut_us = h->now;
		}
		h->jumped = h->still && same < 7000 && step > 0 && step <= CUT_US;
		h->still = still;
	}
	h->pair = true;
	memcpy(h->cell_prev, h->cell_now, sizeof h->cell_prev);
}

void cb_health_run(struct cb_health *h, const uint8_t *gray, const uint8_t *lines, int64_t t_us,
		   struct cb_health_result *ret)
{
	int32_t steep[TILES];
	bool repeated, sharp = lines && h->line_n;
	uint32_t a;

	ret->n = 0;
	watch_cuts(h, gray, t_us);
	if (!cb_health_due(h, t_us))
		return;
	if (!h->any) {
		h->any = true;
		h->step = STEP_US;
		for (size_t i = 0; i < h->n; i++)
			h->blend[i] = (uint32_t)gray[i] << 16;
		forget(h);
	} else {
		h->step = t_us - h->t_us;
		if (h->step <= 0 || h->step > 3600000000)
			h->step = STEP_US;
		h->now += h->step;
	}
	h->t_us = t_us;
	a = (uint32_t)(h->step * 65536 / (BLEND_US + h->step));
	for (size_t i = 0; i < h->n; i++) {
		h->blend[i] = (uint32_t)(h->blend[i] + ((((int64_t)gray[i] << 16) - h->blend[i]) * a >> 16));
		h->blended[i] = (uint8_t)((h->blend[i] + 0x8000) >> 16);
	}
	if (sharp)
		steepness(h, lines, steep);
	run_light(h, gray, ret);
	repeated = run_frozen(h, gray, sharp ? lines : NULL, ret);
	if (h->known) {
		recall(h);
		run_view(h, gray, sharp ? steep : NULL, repeated, ret);
	} else {
		run_first(h, gray, sharp ? steep : NULL);
	}
}

void cb_health_finish(struct cb_health *h, struct cb_health_result *ret)
{
	ret->n = 0;
	for (int c = 0; c < CB_CONDITIONS; c++)
		if (h->state[c].on)
			stop(h, (enum cb_condition)c, CB_HEALTH_STREAM, h->now, ret);
}
