/* SPDX-License-Identifier: Apache-2.0 */
/* Weights for both directions, and rows from the planes to the result. */
#include "media/fit.h"

#include <stdlib.h>
#include <string.h>

#include "media/colour.h"
#include "media/fitrow.h"
#include "media/scale.h"

#define SLACK 64	/* libswscale stores whole vectors */
#define TWICE (1u << 31)	/* in a start: one row is everything */

/* What each result along an axis is made of: taps samples from start on. Of the two weights
 * one is used: bytes for columns, and for rows in the order of cb_fit_at. */
struct axis {
	size_t taps;
	uint32_t *start;
	int8_t *down;
	int16_t *along;
};

struct cb_fit {
	uint32_t w, h, room;	/* room: w to a multiple of CB_FIT_GROUP */
	enum cb_fit_to to;
	const struct cb_fit_kernels *k;

	/* what the tables are for */
	uint32_t in_w, in_h;
	unsigned shrunk;
	struct cb_colour colour;
	bool ready;
	struct axis luma_x, luma_y, chroma_x, chroma_y;
	struct cb_fit_matrix matrix;

	const uint8_t **row;		/* of the source, that one row is made of */
	int16_t *wide;			/* a row as wide as the source */
	int16_t *split[2];		/* its chroma, taken apart */
	int16_t *line[3];		/* Y, U and V of a row of the result */
	uint8_t *bytes;			/* three rows */

	struct cb_scaler *scaler;	/* for formats that are not read here */
	uint8_t *rgb;
};

int cb_fit_new(struct cb_fit **ret, uint32_t width, uint32_t height, enum cb_fit_to to,
	       struct cb_err *err)
{
	struct cb_fit *f;

	if (!width || !height || width > CB_PICTURE_SIDE_MAX || height > CB_PICTURE_SIDE_MAX)
		return cb_err_set(err, CB_E_DATA, "cannot fit to %u x %u", width, height);
	f = calloc(1, sizeof *f);
	if (!f)
		return cb_err_nomem(err);
	f->w = width;
	f->h = height;
	f->room = (width + CB_FIT_GROUP - 1) / CB_FIT_GROUP * CB_FIT_GROUP;
	f->to = to;
	f->k = cb_fit_kernels(0);
	*ret = f;
	return 0;
}

void cb_fit_use(struct cb_fit *f, unsigned kernels)
{
	f->k = cb_fit_kernels(kernels);
}

static void axis_free(struct axis *a)
{
	free(a->start);
	free(a->down);
	free(a->along);
	*a = (struct axis){ 0 };
}

static void forget(struct cb_fit *f)
{
	axis_free(&f->luma_x);
	axis_free(&f->luma_y);
	axis_free(&f->chroma_x);
	axis_free(&f->chroma_y);
	free(f->row);
	free(f->wide);
	free(f->split[0]);
	free(f->line[0]);
	free(f->bytes);
	f->row = NULL;
	f->wide = f->split[0] = f->line[0] = NULL;
	f->bytes = NULL;
	f->ready = false;
}

void cb_fit_free(struct cb_fit *f)
{
	if (!f)
		return;
	forget(f);
	cb_scaler_free(f->scaler);
	free(f->rgb);
	free(f);
}

/* --- weights ----------------------------------------------------------------------------------- */

/* Samples of a plane along an axis, in luma positions: sample j is at (j << spread) + at2 / 2. */
struct samples {
	uint32_t n;
	unsigned spread, at2;
};

static int64_t absl(int64_t v)
{
	return v < 0 ? -v : v;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* Result x of out lies at ((2x + 1) * size - out) / (2 * out) of size luma positions. All
 * positions here are times 2 * out, so that everything is an integer. */
struct place {
	int64_t step, first;	/* from sample to sample, and of the first */
	int64_t half;		/* of the triangle's base: the distance of samples, or of results if
				 * that is more */
};

/* The weights of result x, of which there are a->taps in t, and where they start. */
static void weigh(struct axis *a, uint32_t out, uint32_t size, const struct samples *s,
		  const struct place *p, uint32_t x, int64_t *t, int64_t one)
{
	int64_t c = (int64_t)(2 * (uint64_t)x + 1) * size - out - p->first, sum = 0, so_far = 0, last = 0;
	int64_t lo = floor_div(c - p->half, p->step) + 1, hi = floor_div(c + p->half - 1, p->step);
	int64_t start = lo < 0 ? 0 : lo < s->n ? lo : s->n - 1;

	memset(t, 0, a->taps * sizeof *t);
	for (int64_t j = lo; j <= hi; j++) {
		int64_t at = j < 0 ? 0 : j < s->n ? j : s->n - 1, v = p->half - absl(j * p->step - c);

		t[at - start] += v;
		sum += v;
	}
	/* each the difference of rounded sums, so that all of them are exactly one */
	for (size_t k = 0; k < a->taps; k++) {
		int64_t upto;

		so_far += t[k];
		upto = (2 * so_far * one + sum) / (2 * sum);
		t[k] = upto - last;
		last = upto;
	}
	a->start[x] = (uint32_t)start;
}

static int axis_make(struct axis *a, uint32_t out, uint32_t size, const struct samples *s, bool along,
		     struct cb_err *err)
{
	struct place p = { .step = (int64_t)2 * out << s->spread, .first = (int64_t)out * s->at2 };
	size_t unit = along ? CB_FIT_TAPS : 2, most, n = out;
	int64_t *t = NULL;

	p.half = p.step > 2 * (int64_t)size ? p.step : 2 * (int64_t)size;
	most = (size_t)(2 * p.half / p.step) + 2;
	a->taps = (most < s->n ? most : s->n) + unit - 1;
	a->taps -= a->taps % unit;
	n += CB_FIT_GROUP - 1;
	n -= n % CB_FIT_GROUP;
	a->start = calloc(n, sizeof *a->start);
	t = calloc(a->taps, sizeof *t);
	if (along)
		a->along = calloc(n * a->taps, sizeof *a->along);
	else
		a->down = calloc(n * a->taps, sizeof *a->down);
	if (!a->start || !t || (!a->along && !a->down)) {
		free(t);
		return cb_err_nomem(err);
	}
	for (uint32_t x = 0; x < out; x++) {
		weigh(a, out, size, s, &p, x, t, along ? CB_FIT_ALONG : CB_FIT_DOWN);
		for (size_t k = 0; k < a->taps; k++)
			if (along)
				a->along[cb_fit_at(x, k, a->taps)] = (int16_t)t[k];
			else if (t[k] < CB_FIT_DOWN)
				a->down[x * a->taps + k] = (int8_t)t[k];
			else	/* a byte does not hold it: half of it twice */
				a->start[x] = (a->start[x] + (uint32_t)k) | TWICE;
	}
	free(t);
	return 0;
}

static int32_t ratio(int64_t num, int64_t den)
{
	int64_t v = (2 * absl(num) + den) / (2 * den);

	return (int32_t)(num < 0 ? -v : v);
}

/* E' = Kr R + Kg G + Kb B (H.273 8.3), solved for R, G and B. */
static void matrix_make(struct cb_fit_matrix *m, enum cb_matrix which, bool full)
{
	static const int k[][2] = {	/* Kr and Kb, 1/10000 */
		[CB_MATRIX_BT601] = { 2990, 1140 }, [CB_MATRIX_BT709] = { 2126, 722 },
		[CB_MATRIX_FCC] = { 3000, 1100 }, [CB_MATRIX_SMPTE240M] = { 2120, 870 },
		[CB_MATRIX_BT2020] = { 2627, 593 },
	};
	int64_t r = k[which][0], b = k[which][1], g = 10000 - r - b, one = 8192;
	int64_t chroma = full ? 255 : 224, luma = full ? 255 : 219;

	m->y = (int16_t)ratio(one * 255, luma);
	m->rv = (int16_t)ratio(one * 255 * 2 * (10000 - r), chroma * 10000);
	m->bu = (int16_t)ratio(one * 255 * 2 * (10000 - b), chroma * 10000);
	m->gv = (int16_t)ratio(-one * 255 * 2 * (10000 - r) * r, chroma * 10000 * g);
	m->gu = (int16_t)ratio(-one * 255 * 2 * (10000 - b) * b, chroma * 10000 * g);
	m->y0 = full ? 0 : -128 * 16 * m->y;
	m->g0 = m->y0 - 128 * 128 * (m->gu + m->gv);
	m->r0 = m->y0 - 128 * 128 * m->rv;
	m->b0 = m->y0 - 128 * 128 * m->bu;
}

/* Where the samples of a plane lie that holds one for 1 << sub samples of the picture's
 * planes, which hold one for 1 << shrunk luma samples. */
static struct samples samples_of(uint32_t size, unsigned shrunk, unsigned sub, bool centre)
{
	unsigned all = shrunk + sub;

	return (struct samples){ (size + (1u << all) - 1) >> all, all,
				 centre ? (1u << all) - 1 : ((1u << shrunk) - 1) << sub };
}

static bool has_chroma(const struct cb_fit *f)
{
	return f->to != CB_FIT_GRAY && f->colour.layout != CB_LAYOUT_GRAY;
}

static int prepare(struct cb_fit *f, const struct cb_picture *in, const struct cb_colour *c,
		   struct cb_err *err)
{
	struct samples lx = samples_of(in->width, in->shrunk, 0, false), ly = samples_of(in->height, in->shrunk, 0, false);
	struct samples cx = samples_of(in->width, in->shrunk, c->chroma_x, c->centre_x);
	struct samples cy = samples_of(in->height, in->shrunk, c->chroma_y, c->centre_y);
	size_t rows, pad;

	if (f->ready && f->in_w == in->width && f->in_h == in->height && f->shrunk == in->shrunk &&
	    f->colour.format == c->format && f->colour.full == c->full && f->colour.matrix == c->matrix &&
	    f->colour.centre_x == c->centre_x && f->colour.centre_y == c->centre_y)
		return 0;
	forget(f);
	f->colour = *c;
	f->in_w = in->width;
	f->in_h = in->height;
	f->shrunk = in->shrunk;
	matrix_make(&f->matrix, c->matrix, c->full);
	if (axis_make(&f->luma_x, f->w, in->width, &lx, true, err) < 0 ||
	    axis_make(&f->luma_y, f->h, in->height, &ly, false, err) < 0)
		return -1;
	if (has_chroma(f) && (axis_make(&f->chroma_x, f->w, in->width, &cx, true, err) < 0 ||
			      axis_make(&f->chroma_y, f->h, in->height, &cy, false, err) < 0))
		return -1;
	rows = f->luma_y.taps > f->chroma_y.taps ? f->luma_y.taps : f->chroma_y.taps;
	/* taps of no weight reach beyond the last sample */
	pad = f->luma_x.taps > f->chroma_x.taps ? f->luma_x.taps : f->chroma_x.taps;
	f->row = calloc(rows, sizeof *f->row);
	f->wide = calloc(2 * (size_t)in->width + 2 + pad, sizeof *f->wide);
	f->split[0] = calloc(2 * (in->width + pad), sizeof **f->split);
	f->line[0] = calloc((size_t)f->room * 3, sizeof **f->line);
	f->bytes = malloc((size_t)f->w * 3);
	if (!f->row || !f->wide || !f->split[0] || !f->line[0] || !f->bytes)
		return cb_err_nomem(err);
	f->split[1] = f->split[0] + in->width + pad;
	f->line[1] = f->line[0] + f->room;
	f->line[2] = f->line[1] + f->room;
	/* no colour, where nothing else is written there */
	for (size_t i = 0; i < 2 * (size_t)f->room; i++)
		f->line[1][i] = 128 * 128;
	f->ready = true;
	return 0;
}

/* --- rows --------------------------------------------------------------------------------------- */

/* Row y of the result, as wide as the source, into f->wide. */
static void down(struct cb_fit *f, const struct axis *a, const uint8_t *plane, int stride, uint32_t rows,
		 uint32_t y, size_t n)
{
	static const int8_t halves[2] = { CB_FIT_DOWN / 2, CB_FIT_DOWN / 2 };
	uint32_t start = a->start[y] & ~TWICE;

	/* those beyond the last have no weight, but are read */
	for (uint32_t k = 0; k < a->taps; k++)
		f->row[k] = plane + (ptrdiff_t)(start + k < rows ? start + k : rows - 1) * stride;
	if (a->start[y] & TWICE) {
		f->row[1] = f->row[0];
		f->k->down(f->wide, f->row, halves, 2, n);
	} else {
		f->k->down(f->wide, f->row, a->down + y * a->taps, a->taps, n);
	}
}

static void along(struct cb_fit *f, const struct axis *a, const int16_t *in, int16_t *out)
{
	f->k->along(out, in, a->start, a->along, a->taps, f->room);
}

static void chroma(struct cb_fit *f, const struct cb_picture *in, uint32_t y)
{
	uint32_t rows = samples_of(in->height, in->shrunk, f->colour.chroma_y, false).n;
	size_t n = samples_of(in->width, in->shrunk, f->colour.chroma_x, false).n;

	if (f->colour.layout == CB_LAYOUT_PLANAR) {
		for (int i = 1; i < 3; i++) {
			down(f, &f->chroma_y, in->plane[i], in->stride[i], rows, y, n);
			along(f, &f->chroma_x, f->wide, f->line[i]);
		}
		return;
	}
	down(f, &f->chroma_y, in->plane[1], in->stride[1], rows, y, 2 * n);
	for (size_t i = 0; i < n; i++) {
		f->split[0][i] = f->wide[2 * i];
		f->split[1][i] = f->wide[2 * i + 1];
	}
	for (int i = 0; i < 2; i++)
		along(f, &f->chroma_x, f->split[f->colour.layout == CB_LAYOUT_VU ? !i : i], f->line[1 + i]);
}

static void pack(uint8_t *out, const uint8_t *r, const uint8_t *g, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		out[3 * i] = r[i];
		out[3 * i + 1] = g[i];
		out[3 * i + 2] = b[i];
	}
}

static void convert(struct cb_fit *f, void *out, size_t at, size_t plane)
{
	int16_t *const *l = f->line;
	uint8_t *bytes = out, *b = f->bytes;
	float *floats = out;

	switch (f->to) {
	case CB_FIT_GRAY:
		f->k->gray(bytes + at, l[0], &f->matrix, f->w);
		break;
	case CB_FIT_FLOAT_PLANES:
		floats += at;
		f->k->rgb_float(floats, floats + plane, floats + 2 * plane, l[0], l[1], l[2], &f->matrix, f->w);
		break;
	case CB_FIT_U8_PLANES:
		bytes += at;
		f->k->rgb_u8(bytes, bytes + plane, bytes + 2 * plane, l[0], l[1], l[2], &f->matrix, f->w);
		break;
	case CB_FIT_U8_PACKED:
		f->k->rgb_u8(b, b + f->w, b + 2 * f->w, l[0], l[1], l[2], &f->matrix, f->w);
		pack(bytes + at, b, b + f->w, b + 2 * f->w, f->w);
		break;
	}
}

/* --- other formats ------------------------------------------------------------------------------ */

static int other(struct cb_fit *f, const struct cb_picture *in, void *out, size_t stride, size_t plane,
		 struct cb_err *err)
{
	enum cb_pixels pixels = f->to == CB_FIT_GRAY ? CB_PIXELS_GRAY : CB_PIXELS_RGB24;
	size_t row = f->to == CB_FIT_GRAY ? f->w : 3 * (size_t)f->w;
	uint8_t *bytes = out;
	float *floats = out;

	if (!f->scaler && cb_scaler_new(&f->scaler, f->w, f->h, pixels, err) < 0)
		return -1;
	if (!f->rgb && !(f->rgb = malloc(row * f->h + SLACK)))
		return cb_err_nomem(err);
	if (cb_scaler_run(f->scaler, in, f->rgb, err) < 0)
		return -1;
	for (uint32_t y = 0; y < f->h; y++) {
		const uint8_t *p = f->rgb + y * row;
		size_t at = y * stride;

		if (f->to == CB_FIT_GRAY || f->to == CB_FIT_U8_PACKED) {
			memcpy(bytes + at, p, row);
			continue;
		}
		for (size_t i = 0; i < f->w; i++)
			for (size_t c = 0; c < 3; c++) {
				if (f->to == CB_FIT_U8_PLANES)
					bytes[c * plane + at + i] = p[3 * i + c];
				else
					floats[c * plane + at + i] = (float)(p[3 * i + c] << 14) *
								     (1.0f / (255 << 14));
			}
	}
	return 0;
}

int cb_fit_run(struct cb_fit *f, const struct cb_picture *in, void *out, size_t stride, size_t plane,
	       struct cb_err *err)
{
	struct cb_colour c;
	uint32_t rows;
	size_t n;

	if (!in->width || !in->height || in->width > CB_PICTURE_SIDE_MAX ||
	    in->height > CB_PICTURE_SIDE_MAX || in->shrunk > 3 || !in->plane[0])
		return cb_err_set(err, CB_E_DATA, "cannot fit a picture of %u x %u", in->width, in->height);
	cb_colour_of(&c, in);
	if ((c.layout >= CB_LAYOUT_PLANAR && !in->plane[1]) || (c.layout == CB_LAYOUT_PLANAR && !in->plane[2]))
		return cb_err_set(err, CB_E_DATA, "cannot fit a picture without its chroma");
	if (c.layout == CB_LAYOUT_OTHER)
		return other(f, in, out, stride, plane, err);
	if (prepare(f, in, &c, err) < 0)
		return -1;
	rows = samples_of(in->height, in->shrunk, 0, false).n;
	n = samples_of(in->width, in->shrunk, 0, false).n;
	for (uint32_t y = 0; y < f->h; y++) {
		down(f, &f->luma_y, in->plane[0], in->stride[0], rows, y, n);
		along(f, &f->luma_x, f->wide, f->line[0]);
		if (has_chroma(f))
			chroma(f, in, y);
		convert(f, out, y * stride, plane);
	}
	return 0;
}
