/* SPDX-License-Identifier: Apache-2.0 */
/* Layers in plain C: those that move values, and those too rare for a primitive. */
#include "nn/ops.h"

#include <float.h>
#include <math.h>
#include <string.h>

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

void cb_nn_act(const struct cb_nn_view *dst, const struct cb_nn_view *src, enum cb_nn_act a)
{
	size_t hw = (size_t)src->h * src->w;

	for (uint32_t c = 0; c < src->c; c++)
		for (size_t i = 0; i < hw; i++)
			dst->p[cb_nn_at(dst, c, i)] = cb_nn_act_value(a, src->p[cb_nn_at(src, c, i)]);
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
	uint32_t w = from->w < dst->w ? from->w : dst->w;

	if (!stride)
		stride = 1;
	if (!sample)
		sample = 1;
	for (uint32_t k = 0; k < c; k++) {
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

void cb_nn_maxpool(const struct cb_nn_view *dst, const struct cb_nn_view *src,
		   const struct cb_nn_layer *l)
{
	int64_t left = l->pad / 2;

	for (uint32_t c = 0; c < dst->c; c++) {
		for (uint32_t y = 0; y < dst->h; y++) {
			for (uint32_t x = 0; x < dst->w; x++) {
				int64_t y0 = (int64_t)y * l->stride_y - left, x0 = (int64_t)x * l->stride_x - left;
				float max = -FLT_MAX;

				for (int64_t j = y0 < 0 ? 0 : y0; j < y0 + l->size && j < src->h; j++) {
					for (int64_t i = x0 < 0 ? 0 : x0; i < x0 + l->size && i < src->w; i++) {
						float v = src->p[cb_nn_at(src, c, (size_t)(j * src->w + i))];

						if (v > max)
							max = v;
					}
				}
				dst->p[cb_nn_at(dst, c, (size_t)y * dst->w + x)] = max;
			}
		}
	}
	cb_nn_pad(dst);
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
			for (uint32_t i = 0; i < src->w; i++) {
				size_t to = i + (size_t)src->w * (j + (size_t)src->h * k);
				size_t x = (size_t)i * stride + part % stride;
				size_t y = (size_t)j * stride + part / stride;
				size_t at = x + w2 * (y + (size_t)h2 * (k % oc));

				dst->p[cb_nn_at(dst, (uint32_t)(to / dhw), to % dhw)] =
					src->p[cb_nn_at(src, (uint32_t)(at / hw), at % hw)];
			}
		}
	}
	cb_nn_pad(dst);
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
