/* SPDX-License-Identifier: Apache-2.0 */
/* Layers in plain C: those that move values, and those too rare for a primitive. */
#include "nn/ops.h"

#include <float.h>
#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

float cb_nn_logistic(float x)
{
	return 1.f / (1.f + expf(-x));
}

float cb_nn_act_value(enum cb_nn_act a, float x)
{
	switch (a) {
	case CB_NN_LINEAR: return x;
	case CB_NN_LEAKY: return x > 0 ? x : .1f * x;
	case CB_NN_RELU: return x > 0 ? x : 0;
	case CB_NN_RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
	case CB_NN_LOGISTIC: return cb_nn_logistic(x);
	case CB_NN_MISH: return x > 20 ? x : x * tanhf(log1pf(expf(x)));
	case CB_NN_SWISH: return x * cb_nn_logistic(x);
	case CB_NN_TANH: return tanhf(x);
	case CB_NN_ELU: return x >= 0 ? x : expm1f(x);
	case CB_NN_SELU: return x >= 0 ? 1.0507f * x : 1.0507f * 1.6732f * expm1f(x);
	case CB_NN_GELU: return .5f * x * (1 + tanhf(.797885f * x + .035677f * x * x * x));
	case CB_NN_RELIE: return x > 0 ? x : .01f * x;
	case CB_NN_RAMP: return x > 0 ? 1.1f * x : .1f * x;
	case CB_NN_LOGGY: return 2 * cb_nn_logistic(x) - 1;
	case CB_NN_HARDTAN: return x < -1 ? -1 : x > 1 ? 1 : x;
	case CB_NN_LHTAN: return x < 0 ? .001f * x : x > 1 ? .001f * (x - 1) + 1 : x;
	case CB_NN_PLSE: return x < -4 ? .01f * (x + 4) : x > 4 ? .01f * (x - 4) + 1 : .125f * x + .5f;
	/* a step up every other unit, a slope between them */
	case CB_NN_STAIR: return floorf(x / 2) + (fmodf(floorf(x), 2) == 0 ? 0 : x - floorf(x));
	case CB_NN_HARD_MISH: return x > 0 ? x : x > -2 ? x * x / 2 + x : 0;
	case CB_NN_NORM_CHAN:
	case CB_NN_NORM_CHAN_SOFTMAX:
	case CB_NN_NORM_CHAN_SOFTMAX_MAX: break;
	}
	return x;
}

void cb_nn_pad(const struct cb_nn_view *v)
{
	uint32_t used = v->c % v->b;
	float *p;

	if (!used)
		return;
	p = v->p + (size_t)(v->c / v->b) * v->h * v->w * v->b;
	for (size_t i = 0; i < (size_t)v->h * v->w; i++)
		memset(p + i * v->b + used, 0, (v->b - used) * sizeof(float));
}

void cb_nn_copy(const struct cb_nn_view *dst, uint32_t d, const struct cb_nn_view *src, uint32_t s,
		uint32_t n)
{
	size_t hw = (size_t)src->h * src->w;

	while (n) {
		/* a run of channels that lie together on both sides */
		uint32_t run = src->b - s % src->b, free_ = dst->b - d % dst->b;
		float *to = dst->p + cb_nn_at(dst, d, 0);
		const float *from = src->p + cb_nn_at(src, s, 0);

		if (run > free_)
			run = free_;
		if (run > n)
			run = n;
		if (run == src->b && run == dst->b)
			memcpy(to, from, hw * run * sizeof(float));
		else if (run % 8 == 0)
			for (size_t i = 0; i < hw; i++)
				memcpy(to + i * dst->b, from + i * src->b, run * sizeof(float));
		else
			for (size_t i = 0; i < hw; i++)
				for (uint32_t k = 0; k < run; k++)
					to[i * dst->b + k] = from[i * src->b + k];
		d += run;
		s += run;
		n -= run;
	}
}

static void act_values(float *dst, const float *src, size_t n, enum cb_nn_act a)
{
	float below;

	switch (a) {
	case CB_NN_LINEAR: below = 1; break;
	case CB_NN_LEAKY: below = .1f; break;
	case CB_NN_RELU: below = 0; break;
	case CB_NN_RELIE: below = .01f; break;
	default:
		for (size_t i = 0; i < n; i++)
			dst[i] = cb_nn_act_value(a, src[i]);
		return;
	}
	for (size_t i = 0; i < n; i++)
		dst[i] = src[i] > 0 ? src[i] : below * src[i];
}

/* Share of a channel in the sum over the channels of its pixel. */
static void norm_channels(const struct cb_nn_view *dst, const struct cb_nn_view *src,
			  enum cb_nn_act a)
{
	for (size_t i = 0; i < (size_t)src->h * src->w; i++) {
		float sum = .0001f, largest = a == CB_NN_NORM_CHAN_SOFTMAX_MAX ? -FLT_MAX : 0;

		for (uint32_t c = 0; c < src->c && a == CB_NN_NORM_CHAN_SOFTMAX_MAX; c++)
			largest = fmaxf(largest, src->p[cb_nn_at(src, c, i)]);
		for (uint32_t c = 0; c < src->c; c++) {
			float x = src->p[cb_nn_at(src, c, i)], *to = &dst->p[cb_nn_at(dst, c, i)];

			*to = a == CB_NN_NORM_CHAN ? (x > 0 ? x : 0) : expf(x - largest);
			sum += *to;
		}
		for (uint32_t c = 0; c < src->c; c++)
			dst->p[cb_nn_at(dst, c, i)] /= sum;
	}
}

void cb_nn_act(const struct cb_nn_view *dst, const struct cb_nn_view *src, enum cb_nn_act a)
{
	if (cb_nn_act_is_plain(a))
		act_values(dst->p, src->p, cb_nn_view_floats(src->c, src->h, src->w, src->b), a);
	else
		norm_channels(dst, src, a);
	cb_nn_pad(dst);
}

/* Both in the same layout. */
void cb_nn_upsample(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride,
		    float scale)
{
	size_t row = (size_t)dst->w * dst->b;
	uint32_t blocks = (src->c + src->b - 1) / src->b;

	for (uint32_t c = 0; c < blocks; c++) {
		for (uint32_t y = 0; y < src->h; y++) {
			const float *from = src->p + ((size_t)c * src->h + y) * src->w * src->b;
			float *first = dst->p + ((size_t)c * dst->h + (size_t)y * stride) * row;
			float *to = first;

			for (uint32_t x = 0; x < src->w; x++, from += src->b)
				for (uint32_t k = 0; k < stride; k++, to += src->b)
					memcpy(to, from, src->b * sizeof(float));
			if (scale != 1)
				for (size_t i = 0; i < row; i++)
					first[i] *= scale;
			for (uint32_t k = 1; k < stride; k++)
				memcpy(first + k * row, first, row * sizeof(float));
		}
	}
}

void cb_nn_shortcut(const struct cb_nn_view *dst, const struct cb_nn_view *from, float alpha,
		    float beta)
{
	uint32_t stride = from->w / dst->w, sample = dst->w / from->w;
	uint32_t c = from->c < dst->c ? from->c : dst->c;
	uint32_t h = from->h < dst->h ? from->h : dst->h;
	uint32_t w = from->w < dst->w ? from->w : dst->w, k = 0;

	if (!stride)
		stride = 1;
	if (!sample)
		sample = 1;
	if (stride == 1 && sample == 1 && dst->b == from->b) {
		/* whole blocks lie together in both */
		uint32_t blocks = c / dst->b;
		size_t n = (size_t)blocks * dst->b * h * w;

		for (size_t i = 0; i < n; i++)
			dst->p[i] = alpha * dst->p[i] + beta * from->p[i];
		k = blocks * dst->b;
	}
	for (; k < c; k++) {
		for (uint32_t y = 0; y < h; y++) {
			for (uint32_t x = 0; x < w; x++) {
				size_t d = (size_t)y * sample * dst->w + (size_t)x * sample;
				size_t f = (size_t)y * stride * from->w + (size_t)x * stride;
				float *to = dst->p + cb_nn_at(dst, k, d);

				*to = alpha * *to + beta * from->p[cb_nn_at(from, k, f)];
			}
		}
	}
}

void cb_nn_avgpool(const struct cb_nn_view *dst, const struct cb_nn_view *src)
{
	size_t hw = (size_t)src->h * src->w;
	uint32_t b = src->b;

	for (uint32_t c = 0; c < src->c; c += b) {
		const float *p = src->p + (size_t)c * hw;
		uint32_t n = src->c - c < b ? src->c - c : b;

		for (uint32_t k0 = 0; k0 < n; k0 += 16) {
			uint32_t kn = n - k0 < 16 ? n - k0 : 16;
			float sum[16] = { 0 };

			if (kn == 16)
				for (size_t i = 0; i < hw; i++)
					for (uint32_t k = 0; k < 16; k++)
						sum[k] += p[i * b + k0 + k];
			else
				for (size_t i = 0; i < hw; i++)
					for (uint32_t k = 0; k < kn; k++)
						sum[k] += p[i * b + k0 + k];
			for (uint32_t k = 0; k < kn; k++)
				dst->p[cb_nn_at(dst, c + k0 + k, 0)] = sum[k] / (float)hw;
		}
	}
	cb_nn_pad(dst);
}

/* n pixels of w <= 8 channels, b apart. */
static void affine_row(float *restrict d, const float *restrict f, size_t n, uint32_t b, uint32_t w,
		       const float *k, const float *add, bool more)
{
	float by[8] = { 0 }, plus[8] = { 0 };

	for (uint32_t j = 0; j < w; j++) {
		by[j] = k[j];
		plus[j] = add ? add[j] : 0;
	}
	if (b == 1)
		for (size_t i = 0; i < n; i++)
			d[i] = (more ? d[i] : plus[0]) + by[0] * f[i];
	else if (w == 8 && more)
		for (size_t i = 0; i < n; i++)
			for (uint32_t j = 0; j < 8; j++)
				d[i * b + j] += by[j] * f[i * b + j];
	else if (w == 8)
		for (size_t i = 0; i < n; i++)
			for (uint32_t j = 0; j < 8; j++)
				d[i * b + j] = plus[j] + by[j] * f[i * b + j];
	else
		for (size_t i = 0; i < n; i++)
			for (uint32_t j = 0; j < w; j++)
				d[i * b + j] = (more ? d[i * b + j] : plus[j]) + by[j] * f[i * b + j];
}

void cb_nn_affine(const struct cb_nn_view *dst, const struct cb_nn_view *src, const float *k,
		  const float *add, bool more)
{
	uint32_t n = src->c < dst->c ? src->c : dst->c, run;
	size_t hw = (size_t)dst->h * dst->w;

	for (uint32_t c = 0; c < n; c += run) {
		const float *f = src->p + cb_nn_at(src, c, 0);
		float *d = dst->p + cb_nn_at(dst, c, 0);

		run = 1;
		if (src->b == dst->b && src->b > 1) {
			run = src->b - c % src->b < 8 ? src->b - c % src->b : 8;
			run = n - c < run ? n - c : run;
		}
		if (src->b == dst->b)
			affine_row(d, f, hw, src->b, run, k + c, add ? add + c : NULL, more);
		else
			for (size_t i = 0; i < hw; i++, d += dst->b, f += src->b)
				*d = (more ? *d : add ? add[c] : 0) + k[c] * *f;
	}
	cb_nn_pad(dst);
}

void cb_nn_crop(const struct cb_nn_view *dst, const struct cb_nn_view *src, float k, float add)
{
	uint32_t top = (src->h - dst->h) / 2, left = (src->w - dst->w) / 2;
	uint32_t blocks = (src->c + src->b - 1) / src->b;
	size_t row = (size_t)dst->w * dst->b;

	for (uint32_t c = 0; c < blocks; c++) {
		for (uint32_t y = 0; y < dst->h; y++) {
			const float *from = src->p +
				(((size_t)c * src->h + y + top) * src->w + left) * src->b;
			float *to = dst->p + ((size_t)c * dst->h + y) * row;

			for (size_t i = 0; i < row; i++)
				to[i] = k * from[i] + add;
		}
	}
	cb_nn_pad(dst);
}

/* A window: rows y0..y1, columns x0..x1 of the picture, as far as they are in it. */
struct window {
	uint32_t y0, y1, x0, x1;
};

static struct window window_at(const struct cb_nn_view *src, const struct cb_nn_layer *l,
			       uint32_t left, uint32_t y, uint32_t x)
{
	int64_t y0 = (int64_t)y * l->stride_y - left, x0 = (int64_t)x * l->stride_x - left;
	int64_t y1 = y0 + l->size, x1 = x0 + l->size;

	return (struct window){
		(uint32_t)(y0 < 0 ? 0 : y0), (uint32_t)(y1 > src->h ? src->h : y1),
		(uint32_t)(x0 < 0 ? 0 : x0), (uint32_t)(x1 > src->w ? src->w : x1),
	};
}

/* Of n <= 16 channels, src's at p, what a window gives. */
static void pool_window(float *dst, const float *p, const struct cb_nn_view *src,
			const struct window *v, uint32_t n, bool mean)
{
	float k = 1 / (float)((v->y1 - v->y0) * (v->x1 - v->x0)), acc[16];

	for (uint32_t m = 0; m < n; m++)
		acc[m] = mean ? 0 : -FLT_MAX;
	for (uint32_t y = v->y0; y < v->y1; y++) {
		const float *f = p + ((size_t)y * src->w + v->x0) * src->b;

		for (uint32_t x = v->x0; x < v->x1; x++, f += src->b) {
			if (mean)
				for (uint32_t m = 0; m < n; m++)
					acc[m] += f[m];
			else
				for (uint32_t m = 0; m < n; m++)
					acc[m] = f[m] > acc[m] ? f[m] : acc[m];
		}
	}
	for (uint32_t m = 0; m < n; m++)
		dst[m] = mean ? acc[m] * k : acc[m];
}

void cb_nn_pool(const struct cb_nn_view *dst, const struct cb_nn_view *src,
		const struct cb_nn_layer *l)
{
	bool mean = l->type == CB_NN_LOCAL_AVGPOOL;
	uint32_t b = src->b;

	for (uint32_t y = 0; y < dst->h; y++) {
		for (uint32_t x = 0; x < dst->w; x++) {
			struct window v = window_at(src, l, l->pad / 2, y, x);

			for (uint32_t c = 0; c < dst->c; c += b)
				for (uint32_t k = 0; k < b; k += 16)
					pool_window(dst->p + cb_nn_at(dst, c, (size_t)y * dst->w + x) + k,
						    src->p + (size_t)c * src->h * src->w + k, src, &v,
						    b - k < 16 ? b - k : 16, mean);
		}
	}
	cb_nn_pad(dst);
}

void cb_nn_maxdepth(const struct cb_nn_view *dst, const struct cb_nn_view *src)
{
	size_t hw = (size_t)src->h * src->w;

	for (uint32_t c = 0; c < src->c; c++) {
		const float *f = src->p + cb_nn_at(src, c, 0);
		float *d = dst->p + cb_nn_at(dst, c % dst->c, 0);

		for (size_t i = 0; i < hw; i++, f += src->b, d += dst->b)
			if (c < dst->c || *f > *d)
				*d = *f;
	}
	cb_nn_pad(dst);
}

void cb_nn_blur(const struct cb_nn_view *dst, const struct cb_nn_view *src,
		const struct cb_nn_layer *l)
{
	uint32_t b = src->b;

	for (uint32_t c = 0; c < dst->c; c += b) {
		const float *p = src->p + (size_t)c * src->h * src->w;
		float *to = dst->p + (size_t)c * dst->h * dst->w;

		for (uint32_t y = 0; y < dst->h; y++) {
			for (uint32_t x = 0; x < dst->w; x++, to += b) {
				struct window v = window_at(src, l, l->pad, y, x);

				memset(to, 0, b * sizeof(*to));
				for (uint32_t j = v.y0; j < v.y1; j++) {
					for (uint32_t i = v.x0; i < v.x1; i++) {
						/* 1 2 1: twice where the window has its middle */
						bool my = j == y * l->stride_y, mx = i == x * l->stride_x;
						float k = l->size == 2 ? .25f : .0625f * (float)((1 + my) * (1 + mx));
						const float *f = p + ((size_t)j * src->w + i) * b;

						for (uint32_t m = 0; m < b; m++)
							to[m] += k * f[m];
					}
				}
			}
		}
	}
}

void cb_nn_scale(const struct cb_nn_view *dst, const struct cb_nn_view *from,
		 const struct cb_nn_view *by, bool wh, enum cb_nn_act a)
{
	size_t hw = (size_t)dst->h * dst->w;
	bool slopes = a == CB_NN_LINEAR || a == CB_NN_RELU || a == CB_NN_LEAKY;

	if (!wh && slopes && dst->b == from->b && (dst->b == 8 || dst->b == 16)) {
		float below = a == CB_NN_LINEAR ? 1 : a == CB_NN_RELU ? 0 : .1f;

		for (uint32_t c = 0; c < dst->c; c += 8) {
			const float *f = from->p + cb_nn_at(from, c, 0);
			float *d = dst->p + cb_nn_at(dst, c, 0), k[8] = { 0 };

			for (uint32_t i = 0; i < 8 && c + i < dst->c; i++)
				k[i] = by->p[cb_nn_at(by, c + i, 0)];
			for (size_t i = 0; i < hw; i++, f += from->b, d += dst->b) {
				for (uint32_t j = 0; j < 8; j++) {
					float v = f[j] * k[j];

					d[j] = v > 0 ? v : below * v;
				}
			}
		}
		cb_nn_pad(dst);
		return;
	}
	for (uint32_t c = 0; c < dst->c; c++)
		for (size_t i = 0; i < hw; i++)
			dst->p[cb_nn_at(dst, c, i)] = cb_nn_act_value(a,
				from->p[cb_nn_at(from, c, i)] *
				by->p[wh ? cb_nn_at(by, 0, i) : cb_nn_at(by, c, 0)]);
	cb_nn_pad(dst);
}

/* Darknet's own order, which is not a space-to-depth of the picture: the input, read as if it
 * had c / stride^2 channels of stride times the size, is spread over the output. */
void cb_nn_reorg(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride)
{
	uint32_t oc = src->c / (stride * stride), w2 = src->w * stride, h2 = src->h * stride;
	size_t hw = (size_t)src->h * src->w, dhw = (size_t)dst->h * dst->w;

	for (uint32_t k = 0; k < src->c; k++) {
		uint32_t part = k / oc;

		for (uint32_t j = 0; j < src->h; j++) {
			size_t to = (size_t)src->w * (j + (size_t)src->h * k);
			size_t y = (size_t)j * stride + part / stride;
			size_t at = part % stride + w2 * (y + (size_t)h2 * (k % oc));
			/* channel and pixel of both: a channel ends within the row at times */
			uint32_t tc = (uint32_t)(to / dhw), fc = (uint32_t)(at / hw);
			size_t tp = to % dhw, fp = at % hw;

			for (uint32_t i = 0; i < src->w;) {
				float *d = dst->p + cb_nn_at(dst, tc, 0);
				const float *f = src->p + cb_nn_at(src, fc, 0);

				for (; i < src->w && tp < dhw && fp < hw; i++, tp++, fp += stride)
					d[tp * dst->b] = f[fp * src->b];
				if (tp == dhw) {
					tp = 0;
					tc++;
				}
				for (; fp >= hw; fp -= hw)
					fc++;
			}
		}
	}
	cb_nn_pad(dst);
}

/* Channel k of the result: pixel (k / c % stride, k / c / stride) of each square of stride x
 * stride, src's channel k % c. */
void cb_nn_reorg3d(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride)
{
	bool whole = src->b == dst->b && src->c % src->b == 0;
	uint32_t run = whole ? src->b : 1;

	for (uint32_t k = 0; k < dst->c; k += run) {
		uint32_t dx = k / src->c % stride, dy = k / src->c / stride;

		for (uint32_t y = 0; y < dst->h; y++) {
			const float *from = src->p + cb_nn_at(src, k % src->c,
				((size_t)y * stride + dy) * src->w + dx);
			float *to = dst->p + cb_nn_at(dst, k, (size_t)y * dst->w);

			for (uint32_t x = 0; x < dst->w; x++, from += (size_t)stride * src->b, to += dst->b) {
				if (run > 1)
					memcpy(to, from, run * sizeof(*to));
				else
					*to = *from;
			}
		}
	}
	cb_nn_pad(dst);
}

void cb_nn_sam(const struct cb_nn_view *dst, const struct cb_nn_view *a,
	       const struct cb_nn_view *b, enum cb_nn_act act)
{
	size_t hw = (size_t)dst->h * dst->w, n = cb_nn_view_floats(dst->c, dst->h, dst->w, dst->b);
	bool flat = a->b == dst->b && b->b == dst->b;

	for (size_t i = 0; i < n && flat; i++)
		dst->p[i] = a->p[i] * b->p[i];
	for (uint32_t c = 0; c < dst->c && !flat; c++) {
		const float *x = a->p + cb_nn_at(a, c, 0), *y = b->p + cb_nn_at(b, c, 0);
		float *d = dst->p + cb_nn_at(dst, c, 0);

		for (size_t i = 0; i < hw; i++)
			d[i * dst->b] = x[i * a->b] * y[i * b->b];
	}
	cb_nn_act(dst, dst, act);
}

void cb_nn_softmax(float *dst, const float *src, size_t n, float temperature)
{
	float sum = 0, largest = -FLT_MAX;

	for (size_t i = 0; i < n; i++)
		if (src[i] > largest)
			largest = src[i];
	for (size_t i = 0; i < n; i++) {
		dst[i] = expf((src[i] - largest) / temperature);
		sum += dst[i];
	}
	for (size_t i = 0; i < n; i++)
		dst[i] /= sum;
}

void cb_nn_bytes_copy(uint8_t *dst, uint32_t dst_c, struct cb_nn_q dst_q, const uint8_t *src,
		      uint32_t src_c, struct cb_nn_q src_q, uint32_t n, size_t pixels)
{
	bool same = dst_q.scale == src_q.scale && dst_q.zero == src_q.zero;
	uint8_t table[256];

	for (int i = 0; i < 256 && !same; i++) {
		float v = rintf((float)(i - src_q.zero) * src_q.scale / dst_q.scale) + (float)dst_q.zero;

		table[i] = v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
	}
	for (size_t i = 0; i < pixels; i++, dst += dst_c, src += src_c) {
		if (same)
			memcpy(dst, src, n);
		else
			for (uint32_t k = 0; k < n; k++)
				dst[k] = table[src[k]];
	}
}

void cb_nn_bytes_upsample(uint8_t *dst, const uint8_t *src, uint32_t c, uint32_t h, uint32_t w,
			  uint32_t stride)
{
	size_t row = (size_t)w * stride * c;

	for (uint32_t y = 0; y < h; y++, dst += row * stride) {
		uint8_t *to = dst;

		for (uint32_t x = 0; x < w; x++, src += c)
			for (uint32_t k = 0; k < stride; k++, to += c)
				memcpy(to, src, c);
		for (uint32_t k = 1; k < stride; k++)
			memcpy(dst + k * row, dst, row);
	}
}

/* The largest of n places, of c bytes each. */
static void largest(uint8_t *dst, const uint8_t *const *place, uint32_t n, uint32_t c)
{
	uint32_t i = 0;

#ifdef __SSE2__
	for (; i + 16 <= c; i += 16) {
		__m128i m = _mm_loadu_si128((const __m128i *)(const void *)(place[0] + i));

		for (uint32_t k = 1; k < n; k++)
			m = _mm_max_epu8(m, _mm_loadu_si128((const __m128i *)(const void *)(place[k] + i)));
		_mm_storeu_si128((__m128i *)(void *)(dst + i), m);
	}
#endif
	for (; i < c; i++) {
		uint8_t m = place[0][i];

		for (uint32_t k = 1; k < n; k++)
			m = m > place[k][i] ? m : place[k][i];
		dst[i] = m;
	}
}

void cb_nn_bytes_maxpool(uint8_t *dst, const uint8_t *src, const struct cb_nn_layer *l)
{
	const uint8_t *place[CB_NN_BYTES_WINDOW * CB_NN_BYTES_WINDOW];
	int64_t size = l->size, iw = l->iw, ih = l->ih;

	for (int64_t y = 0; y < l->h; y++) {
		int64_t sy = y * l->stride_y - l->pad / 2;
		int64_t top = sy < 0 ? 0 : sy, bottom = sy + size < ih ? sy + size : ih;

		for (int64_t x = 0; x < l->w; x++, dst += l->c) {
			int64_t sx = x * l->stride_x - l->pad / 2;
			int64_t left = sx < 0 ? 0 : sx, right = sx + size < iw ? sx + size : iw;
			uint32_t n = 0;

			for (int64_t r = top; r < bottom; r++)
				for (int64_t q = left; q < right; q++)
					place[n++] = src + (size_t)(r * iw + q) * l->c;
			if (n)
				largest(dst, place, n, l->c);
			else
				memset(dst, 0, l->c);
		}
	}
}
