/* SPDX-License-Identifier: Apache-2.0 */
/* Channels are done in runs of 64, 32 and 16. Of a run, the bytes of four rows at one place are
 * interleaved twice, which gives four vectors, each with the four taps of every fourth group of
 * four channels; packing the sums puts channels in order again. */
#include "nn/depthwise.h"

#include <math.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define SIZE_MAX_K 5
#define GROUPS_MAX 2		/* of four rows, that a column has */

struct cb_nn_depthwise {
	uint32_t c, ih, iw, oh, ow, k, stride, pad;
	int32_t zero_in, zero_out;
	float slope;		/* below 0 */
	uint32_t padded;	/* channels, up to a multiple of 16 */
	size_t at_bias, at_zero, at_taps;	/* from the block's begin; scales come first */
};

static size_t round64(size_t n)
{
	return (n + 63) / 64 * 64;
}

/* Where the parts are: scale, bias: floats a channel; a pixel of zeros; taps: a byte for each
 * column, group of four rows, channel and row in it. */
static size_t lay_out(struct cb_nn_depthwise *d, const struct cb_nn_layer *l)
{
	size_t padded = (l->c + 15) / 16 * 16, at = round64(sizeof *d) + round64(padded * 4);

	d->padded = (uint32_t)padded;
	d->at_bias = at;
	at += round64(padded * 4);
	d->at_zero = at;
	at += round64(padded + 64);
	d->at_taps = at;
	return at + round64(padded * 4 * GROUPS_MAX * l->size + 64);
}

static const float *scales(const struct cb_nn_depthwise *d)
{
	return (const float *)(const void *)((const uint8_t *)d + round64(sizeof *d));
}
static const float *biases(const struct cb_nn_depthwise *d)
{
	return (const float *)(const void *)((const uint8_t *)d + d->at_bias);
}
static const uint8_t *zeros(const struct cb_nn_depthwise *d)
{
	return (const uint8_t *)d + d->at_zero;
}
static const int8_t *taps(const struct cb_nn_depthwise *d)
{
	return (const int8_t *)d + d->at_taps;
}
static uint32_t groups(const struct cb_nn_depthwise *d)
{
	return (d->k + 3) / 4;
}
/* The four rows of a group, of channel c, in column x of the taps. */
static size_t tap_at(const struct cb_nn_depthwise *d, uint32_t x, uint32_t group, uint32_t c)
{
	return ((size_t)(x * groups(d) + group) * d->padded + c) * 4;
}

bool cb_nn_depthwise_fits(const struct cb_nn_layer *l)
{
#ifdef __x86_64__
	if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512vl"))
		return false;
#else
	return false;
#endif
	return l->type == CB_NN_CONV && l->groups == l->ic && l->c == l->ic && l->dilation == 1 &&
		(l->size == 3 || l->size == 5) && l->stride_x == l->stride_y && l->stride_x <= 2 &&
		l->pad == l->size / 2 && l->iw >= l->size && l->ih >= l->size &&
		l->c >= 32 /* of fewer oneDNN makes more */ &&
		(l->act == CB_NN_LINEAR || l->act == CB_NN_LEAKY || l->act == CB_NN_RELU ||
		 l->act == CB_NN_RELIE);
}

size_t cb_nn_depthwise_bytes(const struct cb_nn_layer *l)
{
	struct cb_nn_depthwise d;

	return lay_out(&d, l);
}

void cb_nn_depthwise_init(struct cb_nn_depthwise *d, const struct cb_nn_layer *l,
			  const struct cb_nn_qlayer *q, struct cb_nn_q in, struct cb_nn_q out)
{
	uint32_t k2 = l->size * l->size;
	float *scale, *bias;
	int8_t *t;

	memset(d, 0, lay_out(d, l));
	lay_out(d, l);
	d->c = l->c;
	d->ih = l->ih;
	d->iw = l->iw;
	d->oh = l->h;
	d->ow = l->w;
	d->k = l->size;
	d->stride = l->stride_x;
	d->pad = l->pad;
	d->zero_in = in.zero;
	d->zero_out = out.zero;
	d->slope = l->act == CB_NN_LINEAR ? 1 : l->act == CB_NN_LEAKY ? .1f : l->act == CB_NN_RELIE ? .01f : 0;
	scale = (float *)(uintptr_t)scales(d);
	bias = (float *)(uintptr_t)biases(d);
	t = (int8_t *)(uintptr_t)taps(d);
	memset((uint8_t *)(uintptr_t)zeros(d), in.zero, d->padded + 64);
	for (uint32_t c = 0; c < d->c; c++) {
		float sw, b;
		int32_t sum = 0;

		memcpy(&sw, q->scale + 4 * (size_t)c, 4);
		memcpy(&b, q->bias + 4 * (size_t)c, 4);
		for (uint32_t y = 0; y < d->k; y++)
			for (uint32_t x = 0; x < d->k; x++) {
				int8_t w = (int8_t)q->w[c * k2 + y * d->k + x];

				t[tap_at(d, x, y / 4, c) + y % 4] = w;
				sum += w;
			}
		scale[c] = in.scale * sw / out.scale;
		bias[c] = b / out.scale - scale[c] * (float)(sum * in.zero);
	}
}

static uint8_t finish(const struct cb_nn_depthwise *d, uint32_t c, int32_t sum)
{
	float v = fmaf((float)sum, scales(d)[c], biases(d)[c]), low = v * d->slope;

	v = fminf(v > low ? v : low, 1e6f);
	v = rintf(fmaxf(v, -1e6f)) + (float)d->zero_out;
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

void cb_nn_depthwise_plain(const struct cb_nn_depthwise *d, uint8_t *dst, const uint8_t *src)
{
	for (uint32_t y = 0; y < d->oh; y++)
		for (uint32_t x = 0; x < d->ow; x++)
			for (uint32_t c = 0; c < d->c; c++) {
				int32_t sum = 0;

				for (uint32_t ky = 0; ky < d->k; ky++)
					for (uint32_t kx = 0; kx < d->k; kx++) {
						int64_t sy = (int64_t)y * d->stride + ky - d->pad;
						int64_t sx = (int64_t)x * d->stride + kx - d->pad;
						bool in = sy >= 0 && sy < d->ih && sx >= 0 && sx < d->iw;

						sum += taps(d)[tap_at(d, kx, ky / 4, c) + ky % 4] *
							(in ? src[((size_t)sy * d->iw + (size_t)sx) * d->c + c] :
							 d->zero_in);
					}
				dst[((size_t)y * d->ow + x) * d->c + c] = finish(d, c, sum);
			}
}

#ifdef __x86_64__
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma"), always_inline))	\
	static inline

#define UNROLL _Pragma("GCC unroll 8")

/* One run of channels in one row of outputs: rows has k pointers to the run's first channel at
 * the first place, step what leads to the next place (0 in a row outside). The row's ends need
 * places outside: zero. */
struct run {
	const struct cb_nn_depthwise *d;
	const uint8_t *row[SIZE_MAX_K];
	size_t step[SIZE_MAX_K];
	const uint8_t *zero;
	uint8_t *dst;
	uint32_t c;		/* first channel */
	uint64_t mask;		/* of the channels that there are */
};

#define RUN(NAME, V, F, M, W, ZERO, LOAD, STORE, LO8, HI8, LO16, HI16, DP, CVT, FMA, MUL, MAX, MIN, SET1F, BACK,	\
	    ADD, SET1, PACK, PACKU)								\
VNNI void column_##NAME(const struct run *r, uint32_t rows, int64_t x, uint32_t g, V ret[4])	\
{												\
	bool in = x >= 0 && x < r->d->iw;							\
	V v[4], a, b, c, e;									\
												\
	UNROLL for (uint32_t k = 0; k < 4; k++) {						\
		uint32_t y = g * 4 + k;								\
												\
		v[k] = y >= rows ? ZERO() :							\
			LOAD((M)r->mask, in ? r->row[y] + (size_t)x * r->step[y] : r->zero);	\
	}											\
	a = LO8(v[0], v[1]);									\
	b = HI8(v[0], v[1]);									\
	c = LO8(v[2], v[3]);									\
	e = HI8(v[2], v[3]);									\
	ret[0] = LO16(a, c);									\
	ret[1] = HI16(a, c);									\
	ret[2] = LO16(b, e);									\
	ret[3] = HI16(b, e);									\
}												\
VNNI void row_##NAME(const struct run *r, uint32_t k, uint32_t groups_, uint32_t stride)	\
{												\
	V col[SIZE_MAX_K][GROUPS_MAX][4], tap[SIZE_MAX_K][GROUPS_MAX][4];			\
	F scale[4], bias[4], slope = SET1F(r->d->slope), top = SET1F(1e6f), floor_ = SET1F(-1e6f);	\
	V zero_out = SET1(r->d->zero_out);							\
	int64_t x = -(int64_t)r->d->pad;							\
												\
	/* lane j of vector q has the channels 16 j + 4 q and on */				\
	for (int q = 0; q < 4; q++)								\
		for (int j = 0; j < W / 16; j++) {						\
			uint32_t c = r->c + 16 * (uint32_t)j + 4 * (uint32_t)q;			\
												\
			memcpy((uint8_t *)&scale[q] + 16 * j, scales(r->d) + c, 16);		\
			memcpy((uint8_t *)&bias[q] + 16 * j, biases(r->d) + c, 16);		\
			for (uint32_t i = 0; i < k; i++)					\
				for (uint32_t g = 0; g < groups_; g++)				\
					memcpy((uint8_t *)&tap[i][g][q] + 16 * j,		\
					       taps(r->d) + tap_at(r->d, i, g, c), 16);		\
		}										\
	UNROLL for (uint32_t i = stride; i < k; i++)						\
		UNROLL for (uint32_t g = 0; g < groups_; g++)					\
			column_##NAME(r, k, x + i - stride, g, col[i][g]);			\
	for (uint32_t o = 0; o < r->d->ow; o++, x += stride) {					\
		V sum[4] = { ZERO(), ZERO(), ZERO(), ZERO() };					\
												\
		UNROLL for (uint32_t i = 0; i < k; i++)						\
			UNROLL for (uint32_t g = 0; g < groups_; g++) {				\
				if (i + stride < k)						\
					UNROLL for (int q = 0; q < 4; q++)			\
						col[i][g][q] = col[i + stride][g][q];		\
				else								\
					column_##NAME(r, k, x + i, g, col[i][g]);		\
				UNROLL for (int q = 0; q < 4; q++)				\
					sum[q] = DP(sum[q], col[i][g][q], tap[i][g][q]);	\
			}									\
		UNROLL for (int q = 0; q < 4; q++) {						\
			F v = FMA(CVT(sum[q]), scale[q], bias[q]);				\
												\
			v = MAX(MIN(MAX(v, MUL(v, slope)), top), floor_);			\
			sum[q] = ADD(BACK(v), zero_out);					\
		}										\
		STORE(r->dst + (size_t)o * r->d->c, (M)r->mask,					\
		      PACKU(PACK(sum[0], sum[1]), PACK(sum[2], sum[3])));			\
	}											\
}												\
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma")))			\
static void do_##NAME(const struct run *r)							\
{												\
	if (r->d->k == 3 && r->d->stride == 1)							\
		row_##NAME(r, 3, 1, 1);								\
	else if (r->d->k == 3)									\
		row_##NAME(r, 3, 1, 2);								\
	else if (r->d->stride == 1)								\
		row_##NAME(r, 5, 2, 1);								\
	else											\
		row_##NAME(r, 5, 2, 2);								\
}

RUN(64, __m512i, __m512, __mmask64, 64, _mm512_setzero_si512, _mm512_maskz_loadu_epi8,
    _mm512_mask_storeu_epi8, _mm512_unpacklo_epi8, _mm512_unpackhi_epi8, _mm512_unpacklo_epi16,
    _mm512_unpackhi_epi16, _mm512_dpbusd_epi32, _mm512_cvtepi32_ps, _mm512_fmadd_ps, _mm512_mul_ps,
    _mm512_max_ps, _mm512_min_ps, _mm512_set1_ps, _mm512_cvtps_epi32, _mm512_add_epi32,
    _mm512_set1_epi32, _mm512_packs_epi32, _mm512_packus_epi16)
RUN(32, __m256i, __m256, __mmask32, 32, _mm256_setzero_si256, _mm256_maskz_loadu_epi8,
    _mm256_mask_storeu_epi8, _mm256_unpacklo_epi8, _mm256_unpackhi_epi8, _mm256_unpacklo_epi16,
    _mm256_unpackhi_epi16, _mm256_dpbusd_epi32, _mm256_cvtepi32_ps, _mm256_fmadd_ps, _mm256_mul_ps,
    _mm256_max_ps, _mm256_min_ps, _mm256_set1_ps, _mm256_cvtps_epi32, _mm256_add_epi32,
    _mm256_set1_epi32, _mm256_packs_epi32, _mm256_packus_epi16)
RUN(16, __m128i, __m128, __mmask16, 16, _mm_setzero_si128, _mm_maskz_loadu_epi8,
    _mm_mask_storeu_epi8, _mm_unpacklo_epi8, _mm_unpackhi_epi8, _mm_unpacklo_epi16,
    _mm_unpackhi_epi16, _mm_dpbusd_epi32, _mm_cvtepi32_ps, _mm_fmadd_ps, _mm_mul_ps,
    _mm_max_ps, _mm_min_ps, _mm_set1_ps, _mm_cvtps_epi32, _mm_add_epi32,
    _mm_set1_epi32, _mm_packs_epi32, _mm_packus_epi16)

void cb_nn_depthwise_run(const struct cb_nn_depthwise *d, uint8_t *dst, const uint8_t *src)
{
	for (uint32_t y = 0; y < d->oh; y++)
		for (uint32_t c = 0, n; c < d->c; c += n) {
			struct run r = { .d = d, .zero = zeros(d) + c, .c = c };
			uint32_t left = d->c - c;

			n = left >= 64 ? 64 : left >= 32 ? 32 : 16;
			r.mask = left >= n ? UINT64_MAX >> (64 - n) : (UINT64_C(1) << left) - 1;
			r.dst = dst + (size_t)y * d->ow * d->c + c;
			for (uint32_t k = 0; k < d->k; k++) {
				int64_t sy = (int64_t)y * d->stride + k - d->pad;
				bool in = sy >= 0 && sy < d->ih;

				r.row[k] = in ? src + (size_t)sy * d->iw * d->c + c : zeros(d) + c;
				r.step[k] = in ? d->c : 0;
			}
			if (n == 64)
				do_64(&r);
			else if (n == 32)
				do_32(&r);
			else
				do_16(&r);
		}
}
#else
void cb_nn_depthwise_run(const struct cb_nn_depthwise *d, uint8_t *dst, const uint8_t *src)
{
	cb_nn_depthwise_plain(d, dst, src);
}
#endif
