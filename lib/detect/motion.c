/* SPDX-License-Identifier: Apache-2.0 */
/* The background model, its foreground's components, and the scene-change test. */
#include "detect/motion.h"

#include <stdlib.h>
#include <string.h>

enum {
	DIFF_MIN = 14,		/* least difference from the background that counts, grey levels */
	DIFF_MAX = 40,		/* and what counts however restless a pixel is */
	STEP_MIN = 10,		/* difference from the picture before that counts as change */
	WARM = 12,		/* pictures over which a new background is averaged */
	LEARN_US = 8000000,	/* time constant of the background */
	HOLD_US = 45000000,	/* the same under what moves */
	ABSORB_US = 2000000,	/* the same under what stands still */
	STILL_US = 4000000,	/* so long without change: it stands still */
	FRESH_US = 1500000,	/* a component with change in this time moves */
	GLOBAL = 5500,		/* share of the picture that is no object any more, 1/10000 */
	LIT = 2000,		/* share that, explained by another light, is one, 1/10000 */
	SCENE_AREA = 4000,	/* share of the picture that another scene changes, 1/10000 */
	SCENE = 6000,		/* loss of structure that makes it another scene, 1/10000 */
	QUIET_US = 2000000,	/* so long without motion: it has ended */
	EDGE = 14,		/* gradients below are noise */
};

struct part {		/* a connected component */
	uint32_t area, fresh;
	uint16_t x0, y0, x1, y1;
	int64_t sg, sm, sgg, smm, sgm;	/* sums over its pixels: grey, background, products */
	bool drop;
};

struct cb_motion {
	uint32_t w, h, n, watched;
	int64_t t_us, last_us, start_us;
	uint32_t pictures;	/* since the background began, up to WARM */
	bool any, moving, unsettled;
	int recent;		/* bits: motion in the last pictures */
	int32_t peak;
	uint32_t *mean;		/* Q16 */
	uint32_t *var;		/* Q8 */
	uint32_t *still;	/* us without change */
	uint8_t *prev, *mask, *fg, *tmp, *thr;
	uint16_t *label;
	struct part *part;
	uint16_t *parent;
};

#define PARTS_MAX 4096

void cb_motion_size(uint32_t width, uint32_t height, uint32_t *ret_w, uint32_t *ret_h)
{
	uint32_t side = width > height ? width : height;
	uint32_t w = width, h = height;

	if (side > CB_MOTION_SIDE) {
		w = (uint32_t)(((uint64_t)width * CB_MOTION_SIDE + side / 2) / side);
		h = (uint32_t)(((uint64_t)height * CB_MOTION_SIDE + side / 2) / side);
	}
	*ret_w = w < 8 ? 8 : w;
	*ret_h = h < 8 ? 8 : h;
}

int cb_motion_new(struct cb_motion **ret, uint32_t width, uint32_t height, const uint8_t *watched,
		  struct cb_err *err)
{
	struct cb_motion *m;
	size_t n = (size_t)width * height;

	if (width < 8 || height < 8 || width > CB_MOTION_SIDE || height > CB_MOTION_SIDE)
		return cb_err_set(err, CB_E_BUG, "motion at %u x %u", width, height);
	m = calloc(1, sizeof *m);
	if (!m)
		return cb_err_nomem(err);
	m->w = width;
	m->h = height;
	m->n = (uint32_t)n;
	m->mean = calloc(n, sizeof *m->mean);
	m->var = calloc(n, sizeof *m->var);
	m->still = calloc(n, sizeof *m->still);
	m->label = calloc(n, sizeof *m->label);
	m->prev = calloc(n, 5);
	m->part = calloc(PARTS_MAX, sizeof *m->part);
	m->parent = calloc(PARTS_MAX, sizeof *m->parent);
	if (!m->mean || !m->var || !m->still || !m->label || !m->prev || !m->part || !m->parent) {
		cb_motion_free(m);
		return cb_err_nomem(err);
	}
	m->mask = m->prev + n;
	m->fg = m->mask + n;
	m->tmp = m->fg + n;
	m->thr = m->tmp + n;
	for (size_t i = 0; i < n; i++) {
		m->mask[i] = !watched || watched[i];
		m->watched += m->mask[i];
	}
	*ret = m;
	return 0;
}

void cb_motion_free(struct cb_motion *m)
{
	if (!m)
		return;
	free(m->mean);
	free(m->var);
	free(m->still);
	free(m->label);
	free(m->prev);
	free(m->part);
	free(m->parent);
	free(m);
}

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

static int mean_at(const struct cb_motion *m, size_t i)
{
	return (int)((m->mean[i] + 0x8000) >> 16);
}

/* Start the background from this picture. */
static void reset(struct cb_motion *m, const uint8_t *gray)
{
	for (size_t i = 0; i < m->n; i++) {
		m->mean[i] = (uint32_t)gray[i] << 16;
		m->var[i] = 4 * 4 << 8;
		m->still[i] = 0;
	}
	memcpy(m->prev, gray, m->n);
	m->pictures = 1;
}

/* --- the picture as a whole ------------------------------------------------------------------ */

struct light {
	int gain;	/* Q12 */
	int offset;
};

static int under(const struct light *l, int mean)
{
	int v = (mean * l->gain + 2048) >> 12;

	v += l->offset;
	return v < 0 ? 0 : v > 255 ? 255 : v;
}

static int quantile(const uint32_t hist[static 256], uint32_t rank)
{
	uint32_t sum = 0;

	for (int v = 0; v < 256; v++) {
		sum += hist[v];
		if (sum > rank)
			return v;
	}
	return 255;
}

/* How the whole picture's brightness moved against the background's. */
static struct light fit(const struct cb_motion *m, const uint8_t *gray)
{
	uint32_t hg[256] = { 0 }, hm[256] = { 0 };
	struct light l = { 4096, 0 };
	int g0, g2, m0, m2;

	for (size_t i = 0; i < m->n; i++) {
		hg[gray[i]]++;
		hm[mean_at(m, i)]++;
	}
	g0 = quantile(hg, m->n / 5);
	g2 = quantile(hg, m->n * 4 / 5);
	m0 = quantile(hm, m->n / 5);
	m2 = quantile(hm, m->n * 4 / 5);
	if (m2 - m0 >= 8 && g2 - g0 >= 4) {
		l.gain = (g2 - g0) * 4096 / (m2 - m0);
		if (l.gain < 1024)
			l.gain = 1024;
		if (l.gain > 16384)
			l.gain = 16384;
	}
	l.offset = quantile(hg, m->n / 2) - ((quantile(hm, m->n / 2) * l.gain + 2048) >> 12);
	return l;
}

/* Mark what differs from the background; the number of pixels. */
static uint32_t differing(struct cb_motion *m, const uint8_t *gray, const struct light *l, uint8_t *out)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < m->n; i++) {
		out[i] = absi(gray[i] - under(l, mean_at(m, i))) > m->thr[i];
		sum += out[i];
	}
	return sum;
}

static int edge_at(const struct cb_motion *m, const uint8_t *p, size_t i)
{
	int v = absi(p[i + 1] - p[i - 1]) + absi(p[i + m->w] - p[i - m->w]);

	return v < EDGE ? 0 : v > 255 ? 255 : v;
}

/* 1 - correlation of the edges of two pictures, 1/10000; 0 where neither has any. */
static int32_t restructured(const struct cb_motion *m, const uint8_t *a, const uint8_t *b)
{
	int64_t n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0, va, vb, cov;
	unsigned __int128 q;

	for (uint32_t y = 1; y + 1 < m->h; y++)
		for (uint32_t x = 1; x + 1 < m->w; x++) {
			size_t i = (size_t)y * m->w + x;
			int ea = edge_at(m, a, i), eb = edge_at(m, b, i);

			n++;
			sa += ea;
			sb += eb;
			saa += ea * ea;
			sbb += eb * eb;
			sab += ea * eb;
		}
	/* fewer than 1 pixel in 100 on an edge, weak ones: nothing to compare */
	if (sa < n * EDGE / 100 && sb < n * EDGE / 100)
		return 0;
	va = n * saa - sa * sa;
	vb = n * sbb - sb * sb;
	cov = n * sab - sa * sb;
	if (va <= 0 || vb <= 0 || cov <= 0)
		return CB_UNIT;
	q = (unsigned __int128)cov * (unsigned __int128)cov;
	q = q / ((unsigned __int128)va * (unsigned __int128)vb / 100000000 + 1);
	q = isqrt((uint64_t)q);
	return q > CB_UNIT ? 0 : CB_UNIT - (int32_t)q;
}

/* --- components ---------------------------------------------------------------------------------- */

static uint16_t root(struct cb_motion *m, uint16_t l)
{
	while (m->parent[l] != l) {
		m->parent[l] = m->parent[m->parent[l]];
		l = m->parent[l];
	}
	return l;
}

/* Keep a pixel that has at least three of its neighbours, fill one that has five. */
static void smooth(struct cb_motion *m)
{
	memset(m->tmp, 0, m->n);
	for (uint32_t y = 0; y < m->h; y++)
		for (uint32_t x = 0; x < m->w; x++) {
			size_t i = (size_t)y * m->w + x;
			int sum = 0;

			for (int dy = -1; dy <= 1; dy++)
				for (int dx = -1; dx <= 1; dx++) {
					int64_t xx = (int64_t)x + dx, yy = (int64_t)y + dy;

					if ((dx || dy) && xx >= 0 && yy >= 0 && xx < m->w && yy < m->h)
						sum += m->fg[yy * m->w + xx];
				}
			m->tmp[i] = m->mask[i] && (m->fg[i] ? sum >= 3 : sum >= 5);
		}
	memcpy(m->fg, m->tmp, m->n);
}

/* Label the foreground, joining across a gap of one pixel, so that a coat between a dark
 * head and dark legs does not make three of one; the number of labels used. */
static uint32_t label(struct cb_motion *m)
{
	uint32_t used = 1;

	for (uint32_t y = 0; y < m->h; y++)
		for (uint32_t x = 0; x < m->w; x++) {
			size_t i = (size_t)y * m->w + x;
			uint16_t best = 0;

			m->label[i] = 0;
			if (!m->fg[i])
				continue;
			for (int dy = -2; dy <= 0; dy++)
				for (int dx = -2; dx <= (dy ? 2 : -1); dx++) {
					int64_t xx = (int64_t)x + dx, yy = (int64_t)y + dy;
					uint16_t l;

					if (xx < 0 || yy < 0 || xx >= m->w)
						continue;
					l = m->label[yy * m->w + xx];
					if (!l)
						continue;
					l = root(m, l);
					if (!best)
						best = l;
					else if (l < best) {
						m->parent[best] = l;
						best = l;
					} else
						m->parent[l] = best;
				}
			if (!best) {
				if (used == PARTS_MAX)
					continue;	/* more specks than any scene has objects */
				best = (uint16_t)used++;
				m->parent[best] = best;
			}
			m->label[i] = best;
		}
	return used;
}

static void measure(struct cb_motion *m, const uint8_t *gray, uint32_t used)
{
	for (uint32_t l = 0; l < used; l++)
		m->part[l] = (struct part){ .x0 = UINT16_MAX, .y0 = UINT16_MAX };
	for (uint32_t y = 0; y < m->h; y++)
		for (uint32_t x = 0; x < m->w; x++) {
			size_t i = (size_t)y * m->w + x;
			struct part *p;
			int g = gray[i], b;

			if (!m->label[i])
				continue;
			m->label[i] = root(m, m->label[i]);
			p = &m->part[m->label[i]];
			b = mean_at(m, i);
			p->area++;
			p->fresh += m->still[i] <= FRESH_US;
			if (x < p->x0)
				p->x0 = (uint16_t)x;
			if (x + 1 > p->x1)
				p->x1 = (uint16_t)(x + 1);
			if (y < p->y0)
				p->y0 = (uint16_t)y;
			if (y + 1 > p->y1)
				p->y1 = (uint16_t)(y + 1);
			p->sg += g;
			p->sm += b;
			p->sgg += g * g;
			p->smm += b * b;
			p->sgm += g * b;
		}
}

/* The same surface in another light? Its texture must be there, and the same. */
static bool only_light(const struct part *p)
{
	int64_t n = p->area;
	int64_t vg = n * p->sgg - p->sg * p->sg, vm = n * p->smm - p->sm * p->sm;
	int64_t cov = n * p->sgm - p->sg * p->sm;
	int64_t flat = n * n * 5 * 5;

	if (vm < flat || vg < flat || cov <= 0)
		return false;
	/* correlation above 0.92 */
	return (__int128)cov * cov * 10000 > (__int128)vg * vm * 8464;
}

static int by_area(const void *a, const void *b)
{
	const struct part *p = a, *q = b;

	if (p->area != q->area)
		return p->area < q->area ? 1 : -1;
	if (p->y0 != q->y0)
		return p->y0 > q->y0 ? 1 : -1;
	return p->x0 > q->x0 ? 1 : p->x0 < q->x0 ? -1 : 0;
}

static void boxes(struct cb_motion *m, const uint8_t *gray, struct cb_motion_result *ret)
{
	uint32_t used, kept = 0, min = m->n / 1400, area = 0;

	if (min < 6)
		min = 6;
	smooth(m);
	used = label(m);
	measure(m, gray, used);
	for (uint32_t l = 1; l < used; l++) {
		struct part *p = &m->part[l];

		if (p->area < min || p->fresh * 20 < p->area || only_light(p))
			p->drop = true;
	}
	/* what is only light is learnt at once */
	for (size_t i = 0; i < m->n; i++)
		if (m->label[i] && m->part[m->label[i]].drop && m->part[m->label[i]].area >= min &&
		    only_light(&m->part[m->label[i]]))
			m->still[i] = STILL_US;
	for (uint32_t l = 1; l < used; l++)
		if (!m->part[l].drop)
			m->part[kept++] = m->part[l];
	qsort(m->part, kept, sizeof *m->part, by_area);
	for (uint32_t k = 0; k < kept; k++) {
		const struct part *p = &m->part[k];
		struct cb_ubox *b;

		area += p->area;
		if (ret->n == CB_MOTION_BOXES)
			continue;
		b = &ret->box[ret->n++];
		b->x = (int32_t)((p->x0 * CB_UNIT + m->w / 2) / m->w);
		b->y = (int32_t)((p->y0 * CB_UNIT + m->h / 2) / m->h);
		b->w = (int32_t)((p->x1 * CB_UNIT + m->w / 2) / m->w) - b->x;
		b->h = (int32_t)((p->y1 * CB_UNIT + m->h / 2) / m->h) - b->y;
	}
	ret->score = (int32_t)(((uint64_t)area * CB_UNIT + m->watched / 2) / m->watched);
	if (kept && !ret->score)
		ret->score = 1;
}

/* --- over time ------------------------------------------------------------------------------------- */

/* Learn from this picture. changed: what differed from the background, before smoothing. */
static void learn(struct cb_motion *m, const uint8_t *gray, const uint8_t *changed, int64_t dt)
{
	/* shares of the new picture, Q16 */
	uint32_t slow = (uint32_t)(dt * 65536 / (HOLD_US + dt)), usual = (uint32_t)(dt * 65536 / (LEARN_US + dt)),
		 fast = (uint32_t)(dt * 65536 / (ABSORB_US + dt)), a, av;

	if (m->pictures < WARM) {
		uint32_t warm = 65536 / (m->pictures + 1);

		m->pictures++;
		slow = slow > warm / 2 ? slow : warm / 2;
		usual = usual > warm ? usual : warm;
	}
	for (size_t i = 0; i < m->n; i++) {
		int64_t d = ((int64_t)gray[i] << 16) - m->mean[i];
		int64_t dd = (d >> 8) * (d >> 8) >> 8;	/* Q8 */

		a = !changed[i] ? usual : m->still[i] >= STILL_US ? fast : slow;
		m->mean[i] = (uint32_t)(m->mean[i] + (d * a >> 16));
		av = !changed[i] ? usual : slow;
		if (dd > DIFF_MAX * DIFF_MAX << 8)
			dd = DIFF_MAX * DIFF_MAX << 8;
		m->var[i] = (uint32_t)(m->var[i] + ((dd - m->var[i]) * av >> 16));
	}
	memcpy(m->prev, gray, m->n);
}

static void over_time(struct cb_motion *m, int64_t t_us, int64_t dt, struct cb_motion_result *ret)
{
	m->recent = (m->recent << 1 | (ret->score > 0)) & 7;
	if (ret->score > 0) {
		m->last_us = t_us;
		if (ret->score > m->peak)
			m->peak = ret->score;
	}
	/* two of three pictures, or one where pictures are far apart */
	if (!m->moving && ret->score > 0 && (__builtin_popcount((unsigned)m->recent) >= 2 || dt >= 1000000)) {
		m->moving = ret->started = true;
		m->start_us = t_us;
		m->peak = ret->score;
	} else if (m->moving && t_us - m->last_us >= QUIET_US) {
		m->recent = 0;
		cb_motion_finish(m, ret);
	}
}

void cb_motion_finish(struct cb_motion *m, struct cb_motion_result *ret)
{
	if (!m->moving)
		return;
	m->moving = false;
	ret->ended = true;
	ret->duration_us = m->last_us - m->start_us;
	ret->peak = m->peak;
	m->peak = 0;
}

void cb_motion_run(struct cb_motion *m, const uint8_t *gray, int64_t t_us, struct cb_motion_result *ret)
{
	static const struct light same = { 4096, 0 };
	struct light l;
	uint32_t plain, lit;
	int32_t changed, rest, s;
	int64_t dt = t_us - m->t_us;

	memset(ret, 0, sizeof *ret);
	if (!m->any) {
		m->any = true;
		m->t_us = t_us;
		reset(m, gray);
		return;
	}
	if (dt <= 0 || dt > 3600000000) {	/* the clock jumped: keep going at a usual pace */
		m->last_us += dt - 40000;
		m->start_us += dt - 40000;
		dt = 40000;
	}
	m->t_us = t_us;

	for (size_t i = 0; i < m->n; i++) {
		uint32_t thr = isqrt(m->var[i] * 9) >> 4;	/* three deviations */

		m->thr[i] = (uint8_t)(thr < DIFF_MIN ? DIFF_MIN : thr > DIFF_MAX ? DIFF_MAX : thr);
		if (absi(gray[i] - m->prev[i]) >= STEP_MIN)
			m->still[i] = 0;
		else
			m->still[i] = m->still[i] + dt > 1000000000 ? 1000000000 : m->still[i] + (uint32_t)dt;
	}
	/* whichever explains more of the picture: the light as it was, or another */
	plain = differing(m, gray, &same, m->fg);
	l = fit(m, gray);
	lit = differing(m, gray, &l, m->tmp);
	changed = (int32_t)((uint64_t)plain * CB_UNIT / m->n);
	rest = (int32_t)((uint64_t)(lit < plain ? lit : plain) * CB_UNIT / m->n);
	s = restructured(m, gray, m->prev);
	ret->scene_score = s;

	if (rest >= GLOBAL || (changed >= SCENE_AREA && s >= SCENE)) {
		if (s >= SCENE) {
			ret->scene = !m->unsettled;
			m->unsettled = true;
		} else if (!m->unsettled) {
			ret->lights = true;
		}
		reset(m, gray);
		over_time(m, t_us, dt, ret);
		return;
	}
	if (lit < plain)
		memcpy(m->fg, m->tmp, m->n);
	if (changed >= LIT && lit * 3 < plain) {
		/* another light on the same scene: the background moves with it */
		for (size_t i = 0; i < m->n; i++) {
			m->mean[i] = (uint32_t)under(&l, mean_at(m, i)) << 16;
			m->still[i] = STILL_US;	/* what it does not explain is no motion */
		}
		ret->lights = true;
	}
	m->unsettled = m->unsettled && changed > GLOBAL / 2;
	/* the marks before smoothing, in thr, which has done its work for this picture */
	memcpy(m->thr, m->fg, m->n);
	if (m->pictures >= 3 && m->watched)
		boxes(m, gray, ret);
	learn(m, gray, m->thr, dt);
	over_time(m, t_us, dt, ret);
}
