/* SPDX-License-Identifier: Apache-2.0 */
/* Stillness of the picture, and agreement of the model with itself. */
#include "detect/gate.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 4			/* pixels a side */
#define STIR (BLOCK * BLOCK * 5 / 2)	/* sum of differences in a block: two and a half levels */
#define AGREE 8			/* looks in a row that found the same */
#define QUIET (CB_GATE_LAG + AGREE)	/* pictures without motion */
#define LOOK_US 1000000
#define OVERLAP 9500		/* of boxes that are the same, 1/10000 */

struct result {
	uint64_t picture;
	int n;
	struct cb_object o[CB_OBJECTS_MAX];
};

struct cb_gate {
	uint32_t w, h;
	int32_t threshold;
	uint8_t *last;			/* the picture looked at last */
	uint64_t picture;		/* asked for, from 1 */
	int64_t looked_us;
	uint64_t quiet;			/* pictures */
	uint64_t due[CB_GATE_LAG + 1];	/* pictures whose results are to come, from `told` on */
	uint64_t looks, told, used;
	struct result result[CB_GATE_LAG + 1], before;
	int agree;
};

int cb_gate_new(struct cb_gate **ret, uint32_t width, uint32_t height, int32_t threshold, struct cb_err *err)
{
	struct cb_gate *g = calloc(1, sizeof *g);

	if (!g)
		return cb_err_nomem(err);
	g->w = width;
	g->h = height;
	g->threshold = threshold;
	g->last = malloc((size_t)width * height);
	if (!g->last) {
		free(g);
		return cb_err_nomem(err);
	}
	*ret = g;
	return 0;
}

void cb_gate_free(struct cb_gate *g)
{
	if (!g)
		return;
	free(g->last);
	free(g);
}

int32_t cb_gate_floor(int32_t threshold)
{
	return threshold / 2;
}

static bool stirs(const struct cb_gate *g, const uint8_t *gray)
{
	for (uint32_t y = 0; y < g->h; y += BLOCK)
		for (uint32_t x = 0; x < g->w; x += BLOCK) {
			int sum = 0;

			for (uint32_t i = y; i < y + BLOCK && i < g->h; i++)
				for (uint32_t k = x; k < x + BLOCK && k < g->w; k++)
					sum += abs(gray[i * g->w + k] - g->last[i * g->w + k]);
			if (sum > STIR)
				return true;
		}
	return false;
}

static bool same_box(const struct cb_ubox *a, const struct cb_ubox *b)
{
	int64_t x0 = a->x > b->x ? a->x : b->x, x1 = a->x + a->w < b->x + b->w ? a->x + a->w : b->x + b->w;
	int64_t y0 = a->y > b->y ? a->y : b->y, y1 = a->y + a->h < b->y + b->h ? a->y + a->h : b->y + b->h;
	int64_t both = x1 > x0 && y1 > y0 ? (x1 - x0) * (y1 - y0) : 0;

	return both * CB_UNIT >= ((int64_t)a->w * a->h + (int64_t)b->w * b->h - both) * OVERLAP;
}

/* Nothing near the threshold, and each object has one of its class where the other look had it. */
static bool agrees(const struct cb_gate *g, const struct result *a, const struct result *b)
{
	bool taken[CB_OBJECTS_MAX] = { 0 };

	if (a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++) {
		int k = 0;

		if (a->o[i].score < g->threshold + g->threshold / 2)
			return false;
		while (k < b->n && (taken[k] || b->o[k].class_id != a->o[i].class_id ||
				    !same_box(&a->o[i].box, &b->o[k].box)))
			k++;
		if (k == b->n)
			return false;
		taken[k] = true;
	}
	return true;
}

bool cb_gate_look(struct cb_gate *g, const uint8_t *gray, int64_t t_us, bool stirred)
{
	g->picture++;
	for (; g->used < g->told; g->used++) {
		const struct result *r = &g->result[g->used % (CB_GATE_LAG + 1)];

		if (r->picture + CB_GATE_LAG > g->picture)
			break;
		g->agree = g->used && agrees(g, r, &g->before) ? g->agree + 1 : 0;
		g->before = *r;
	}
	g->quiet = !stirred && g->looks && !stirs(g, gray) ? g->quiet + 1 : 0;
	if (!g->quiet)
		g->agree = 0;
	if (g->quiet >= QUIET && g->agree >= AGREE && t_us >= g->looked_us && t_us - g->looked_us < LOOK_US)
		return false;
	memcpy(g->last, gray, (size_t)g->w * g->h);
	g->looked_us = t_us;
	g->due[g->looks++ % (CB_GATE_LAG + 1)] = g->picture;
	return true;
}

void cb_gate_tell(struct cb_gate *g, const struct cb_object *o, int n)
{
	struct result *r = &g->result[g->told % (CB_GATE_LAG + 1)];

	r->picture = g->due[g->told++ % (CB_GATE_LAG + 1)];
	r->n = n;
	memcpy(r->o, o, (size_t)n * sizeof *o);
}
