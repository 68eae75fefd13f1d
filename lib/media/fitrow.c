/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted sums and colour conversion on rows of samples. */
#include "media/fitrow.h"

#include <string.h>
#if defined __x86_64__
#include <immintrin.h>
#endif

#define ALONG_ROUND 8192	/* 1/(128 * 16384) to 1/128 */
#define ALONG_SHIFT 14
#define FLOAT_SHIFT 6		/* 1/(128 * 8192) to 1/16384: what a float holds exactly */
#define FLOAT_MAX (255 << 14)
#define FLOAT_UNIT (1.0f / FLOAT_MAX)
#define U8_ROUND (1 << 19)
#define U8_SHIFT 20

static void down_c(int16_t *out, const uint8_t *const *row, const int8_t *weight, size_t taps,
		      size_t n)
{
	memset(out, 0, n * sizeof *out);
	for (size_t k = 0; k < taps; k++) {
		const uint8_t *p = row[k];
		int16_t w = weight[k];

		/* no sum exceeds 255 * 128 */
		for (size_t i = 0; w && i < n; i++)
			out[i] = (int16_t)(out[i] + w * p[i]);
	}
}

static void along_c(int16_t *out, const int16_t *in, const uint32_t *start, const int16_t *weight,
		    size_t taps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const int16_t *p = in + start[i], *w = weight + cb_fit_at(i, 0, taps);
		int32_t sum = ALONG_ROUND;

		for (size_t k = 0; k < taps; k += 8, w += 64, p += 8)
			for (size_t j = 0; j < 8; j++)
				sum += w[j] * p[j];
		out[i] = (int16_t)(sum >> ALONG_SHIFT);
	}
}

static int32_t clamp(int32_t v, int32_t max)
{
	return v < 0 ? 0 : v > max ? max : v;
}

static void float_from(float *r, float *g, float *b, const int16_t *y, const int16_t *u,
		       const int16_t *v, const struct cb_fit_matrix *m, size_t i, size_t n)
{
	for (; i < n; i++) {
		int32_t l = y[i] * m->y;

		r[i] = (float)clamp((l + v[i] * m->rv + m->r0) >> FLOAT_SHIFT, FLOAT_MAX) * FLOAT_UNIT;
		g[i] = (float)clamp((l + u[i] * m->gu + v[i] * m->gv + m->g0) >> FLOAT_SHIFT, FLOAT_MAX) *
		       FLOAT_UNIT;
		b[i] = (float)clamp((l + u[i] * m->bu + m->b0) >> FLOAT_SHIFT, FLOAT_MAX) * FLOAT_UNIT;
	}
}

static void u8_from(uint8_t *r, uint8_t *g, uint8_t *b, const int16_t *y, const int16_t *u,
		    const int16_t *v, const struct cb_fit_matrix *m, size_t i, size_t n)
{
	for (; i < n; i++) {
		int32_t l = y[i] * m->y + U8_ROUND;

		r[i] = (uint8_t)clamp((l + v[i] * m->rv + m->r0) >> U8_SHIFT, 255);
		g[i] = (uint8_t)clamp((l + u[i] * m->gu + v[i] * m->gv + m->g0) >> U8_SHIFT, 255);
		b[i] = (uint8_t)clamp((l + u[i] * m->bu + m->b0) >> U8_SHIFT, 255);
	}
}

static void gray_from(uint8_t *out, const int16_t *y, const struct cb_fit_matrix *m, size_t i, size_t n)
{
	for (; i < n; i++)
		out[i] = (uint8_t)clamp((y[i] * m->y + m->y0 + U8_ROUND) >> U8_SHIFT, 255);
}

static void float_c(float *r, float *g, float *b, const int16_t *y, const int16_t *u, const int16_t *v,
		    const struct cb_fit_matrix *m, size_t n)
{
	float_from(r, g, b, y, u, v, m, 0, n);
}

static void u8_c(uint8_t *r, uint8_t *g, uint8_t *b, const int16_t *y, const int16_t *u,
		 const int16_t *v, const struct cb_fit_matrix *m, size_t n)
{
	u8_from(r, g, b, y, u, v, m, 0, n);
}

static void gray_c(uint8_t *out, const int16_t *y, const struct cb_fit_matrix *m, size_t n)
{
	gray_from(out, y, m, 0, n);
}

static const struct cb_fit_kernels plain = { "c", down_c, along_c, float_c, u8_c, gray_c };

#if defined __x86_64__

/* Two factors for each of two numbers side by side: one instruction makes both products and
 * their sum, of bytes of two rows by turns as of luma and chroma. */

static int32_t pair(int16_t a, int16_t b)
{
	return (int32_t)((uint32_t)(uint16_t)b << 16 | (uint16_t)a);
}

static int16_t byte_pair(const int8_t *w)
{
	return (int16_t)((uint8_t)w[1] << 8 | (uint8_t)w[0]);
}

/* --- SSE4.1 --- */

#define SSE __attribute__((target("sse4.1")))

/* 16 samples at i. No sum exceeds 255 * 128, so 16 bits hold it. */
SSE static inline void down16_sse(int16_t *out, const uint8_t *const *row, const int8_t *weight,
				  size_t taps, size_t i)
{
	__m128i a = _mm_setzero_si128(), b = a;

	for (size_t k = 0; k < taps; k += 2) {
		__m128i w = _mm_set1_epi16(byte_pair(weight + k));
		__m128i p = _mm_loadu_si128((const __m128i *)(row[k] + i));
		__m128i q = _mm_loadu_si128((const __m128i *)(row[k + 1] + i));

		a = _mm_add_epi16(a, _mm_maddubs_epi16(_mm_unpacklo_epi8(p, q), w));
		b = _mm_add_epi16(b, _mm_maddubs_epi16(_mm_unpackhi_epi8(p, q), w));
	}
	_mm_storeu_si128((__m128i *)(out + i), a);
	_mm_storeu_si128((__m128i *)(out + i + 8), b);
}

SSE static void down_sse(int16_t *out, const uint8_t *const *row, const int8_t *weight, size_t taps,
			 size_t n)
{
	size_t i = 0;

	if (n < 16) {
		down_c(out, row, weight, taps, n);
		return;
	}
	for (; i + 16 <= n; i += 16)
		down16_sse(out, row, weight, taps, i);
	if (i < n)	/* some of them twice, rather than one by one */
		down16_sse(out, row, weight, taps, n - 16);
}

/* The sum of eight taps, in four parts, on top of a. */
SSE static inline __m128i eight_sse(__m128i a, const int16_t *in, const int16_t *weight)
{
	return _mm_add_epi32(a, _mm_madd_epi16(_mm_loadu_si128((const __m128i *)in),
					       _mm_loadu_si128((const __m128i *)weight)));
}

SSE static void along_sse(int16_t *out, const int16_t *in, const uint32_t *start, const int16_t *weight,
			  size_t taps, size_t n)
{
	for (size_t i = 0; i < n; i += 4) {
		const int16_t *w = weight + cb_fit_at(i, 0, taps);
		__m128i a = _mm_setzero_si128(), b = a, c = a, d = a;

		for (size_t k = 0; k < taps; k += 8, w += 64) {
			a = eight_sse(a, in + start[i] + k, w);
			b = eight_sse(b, in + start[i + 1] + k, w + 16);
			c = eight_sse(c, in + start[i + 2] + k, w + 32);
			d = eight_sse(d, in + start[i + 3] + k, w + 48);
		}
		a = _mm_hadd_epi32(_mm_hadd_epi32(a, b), _mm_hadd_epi32(c, d));
		a = _mm_srai_epi32(_mm_add_epi32(a, _mm_set1_epi32(ALONG_ROUND)), ALONG_SHIFT);
		_mm_storel_epi64((__m128i *)(out + i), _mm_packs_epi32(a, a));
	}
}

struct rgb_sse {
	__m128i r, g, b;
};

/* Four pixels at i, in 1/(128 * 8192), plus add. */
SSE static inline struct rgb_sse rgb_sse(const int16_t *y, const int16_t *u, const int16_t *v,
					 const struct cb_fit_matrix *m, int32_t add, size_t i)
{
	__m128i l = _mm_loadl_epi64((const __m128i *)(y + i));
	__m128i lu = _mm_unpacklo_epi16(l, _mm_loadl_epi64((const __m128i *)(u + i)));
	__m128i lv = _mm_unpacklo_epi16(l, _mm_loadl_epi64((const __m128i *)(v + i)));

	return (struct rgb_sse){
		_mm_add_epi32(_mm_madd_epi16(lv, _mm_set1_epi32(pair(m->y, m->rv))), _mm_set1_epi32(m->r0 + add)),
		_mm_add_epi32(_mm_add_epi32(_mm_madd_epi16(lv, _mm_set1_epi32(pair(m->y, m->gv))),
					    _mm_madd_epi16(lu, _mm_set1_epi32(pair(0, m->gu)))),
			      _mm_set1_epi32(m->g0 + add)),
		_mm_add_epi32(_mm_madd_epi16(lu, _mm_set1_epi32(pair(m->y, m->bu))), _mm_set1_epi32(m->b0 + add)),
	};
}

SSE static inline void store_float_sse(float *out, __m128i v)
{
	v = _mm_srai_epi32(v, FLOAT_SHIFT);
	v = _mm_min_epi32(_mm_max_epi32(v, _mm_setzero_si128()), _mm_set1_epi32(FLOAT_MAX));
	_mm_storeu_ps(out, _mm_mul_ps(_mm_cvtepi32_ps(v), _mm_set1_ps(FLOAT_UNIT)));
}

SSE static inline void store_u8_sse(uint8_t *out, __m128i v)
{
	uint32_t four;

	v = _mm_srai_epi32(v, U8_SHIFT);
	v = _mm_packs_epi32(v, v);
	four = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
	memcpy(out, &four, sizeof four);
}

SSE static void float_sse(float *r, float *g, float *b, const int16_t *y, const int16_t *u,
			  const int16_t *v, const struct cb_fit_matrix *m, size_t n)
{
	const struct cb_fit_matrix own = *m;	/* not behind what is stored to */
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		struct rgb_sse c = rgb_sse(y, u, v, &own, 0, i);

		store_float_sse(r + i, c.r);
		store_float_sse(g + i, c.g);
		store_float_sse(b + i, c.b);
	}
	float_from(r, g, b, y, u, v, m, i, n);
}

SSE static void u8_sse(uint8_t *r, uint8_t *g, uint8_t *b, const int16_t *y, const int16_t *u,
		       const int16_t *v, const struct cb_fit_matrix *m, size_t n)
{
	const struct cb_fit_matrix own = *m;	/* not behind what is stored to */
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		struct rgb_sse c = rgb_sse(y, u, v, &own, U8_ROUND, i);

		store_u8_sse(r + i, c.r);
		store_u8_sse(g + i, c.g);
		store_u8_sse(b + i, c.b);
	}
	u8_from(r, g, b, y, u, v, m, i, n);
}

SSE static void gray_sse(uint8_t *out, const int16_t *y, const struct cb_fit_matrix *m, size_t n)
{
	__m128i by = _mm_set1_epi32(m->y), add = _mm_set1_epi32(m->y0 + U8_ROUND);
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		__m128i v = _mm_cvtepi16_epi32(_mm_loadl_epi64((const __m128i *)(y + i)));

		store_u8_sse(out + i, _mm_add_epi32(_mm_madd_epi16(v, by), add));
	}
	gray_from(out, y, m, i, n);
}

static const struct cb_fit_kernels sse = { "sse4.1", down_sse, along_sse, float_sse, u8_sse, gray_sse };

/* --- AVX2 --- */

#define AVX __attribute__((target("avx2")))

/* 64 samples, a cache line of each row, at i. */
AVX static inline void down64_avx(int16_t *out, const uint8_t *const *row, const int8_t *weight,
				  size_t taps, size_t i)
{
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;

	for (size_t k = 0; k < taps; k += 2) {
		__m256i w = _mm256_set1_epi16(byte_pair(weight + k));
		__m256i p = _mm256_loadu_si256((const __m256i *)(row[k] + i));
		__m256i q = _mm256_loadu_si256((const __m256i *)(row[k + 1] + i));
		__m256i r = _mm256_loadu_si256((const __m256i *)(row[k] + i + 32));
		__m256i s = _mm256_loadu_si256((const __m256i *)(row[k + 1] + i + 32));

		a = _mm256_add_epi16(a, _mm256_maddubs_epi16(_mm256_unpacklo_epi8(p, q), w));
		b = _mm256_add_epi16(b, _mm256_maddubs_epi16(_mm256_unpackhi_epi8(p, q), w));
		c = _mm256_add_epi16(c, _mm256_maddubs_epi16(_mm256_unpacklo_epi8(r, s), w));
		d = _mm256_add_epi16(d, _mm256_maddubs_epi16(_mm256_unpackhi_epi8(r, s), w));
	}
	/* a: 0..7 and 16..23; b: 8..15 and 24..31 */
	_mm256_storeu_si256((__m256i *)(out + i), _mm256_permute2x128_si256(a, b, 0x20));
	_mm256_storeu_si256((__m256i *)(out + i + 16), _mm256_permute2x128_si256(a, b, 0x31));
	_mm256_storeu_si256((__m256i *)(out + i + 32), _mm256_permute2x128_si256(c, d, 0x20));
	_mm256_storeu_si256((__m256i *)(out + i + 48), _mm256_permute2x128_si256(c, d, 0x31));
}

AVX static void down_avx(int16_t *out, const uint8_t *const *row, const int8_t *weight, size_t taps,
			 size_t n)
{
	size_t i = 0;

	if (n < 64) {
		down_sse(out, row, weight, taps, n);
		return;
	}
	for (; i + 64 <= n; i += 64)
		down64_avx(out, row, weight, taps, i);
	if (i < n)
		down64_avx(out, row, weight, taps, n - 64);
}

/* Eight taps for one result in the lower half, for another in the upper. */
AVX static inline __m256i eight_avx(const int16_t *in, uint32_t lo, uint32_t hi, const int16_t *weight)
{
	__m256i p = _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(in + lo))),
		_mm_loadu_si128((const __m128i *)(in + hi)), 1);

	return _mm256_madd_epi16(p, _mm256_loadu_si256((const __m256i *)weight));
}

AVX static inline __attribute__((always_inline)) void
along_taps_avx(int16_t *out, const int16_t *in, const uint32_t *start, const int16_t *weight,
	       size_t taps, size_t n)
{
	const int16_t *w = weight;

	for (size_t i = 0; i < n; i += 8) {
		const uint32_t *s = start + i;
		__m256i a, b, c, d;

		a = eight_avx(in, s[0], s[4], w);
		b = eight_avx(in, s[1], s[5], w + 16);
		c = eight_avx(in, s[2], s[6], w + 32);
		d = eight_avx(in, s[3], s[7], w + 48);
		w += 64;
		for (size_t k = 8; k < taps; k += 8, w += 64) {
			a = _mm256_add_epi32(a, eight_avx(in + k, s[0], s[4], w));
			b = _mm256_add_epi32(b, eight_avx(in + k, s[1], s[5], w + 16));
			c = _mm256_add_epi32(c, eight_avx(in + k, s[2], s[6], w + 32));
			d = _mm256_add_epi32(d, eight_avx(in + k, s[3], s[7], w + 48));
		}
		a = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
		a = _mm256_srai_epi32(_mm256_add_epi32(a, _mm256_set1_epi32(ALONG_ROUND)), ALONG_SHIFT);
		_mm_storeu_si128((__m128i *)(out + i), _mm_packs_epi32(_mm256_castsi256_si128(a),
								       _mm256_extracti128_si256(a, 1)));
	}
}

/* The usual numbers of taps as constants, so that there is no inner loop. */
AVX static void along_avx(int16_t *out, const int16_t *in, const uint32_t *start, const int16_t *weight,
			  size_t taps, size_t n)
{
	if (taps == 8)
		along_taps_avx(out, in, start, weight, 8, n);
	else if (taps == 16)
		along_taps_avx(out, in, start, weight, 16, n);
	else
		along_taps_avx(out, in, start, weight, taps, n);
}

struct rgb_avx {
	__m256i r, g, b;
};

AVX static inline __m256i sum_avx(__m256i acc, __m256i two, int32_t by)
{
	return _mm256_add_epi32(acc, _mm256_madd_epi16(two, _mm256_set1_epi32(by)));
}

AVX static inline __m256i wide_avx(const int16_t *p)
{
	return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}

/* Eight pixels at i. */
AVX static inline struct rgb_avx rgb_avx(const int16_t *y, const int16_t *u, const int16_t *v,
					 const struct cb_fit_matrix *m, int32_t add, size_t i)
{
	__m256i l = wide_avx(y + i);
	__m256i lu = _mm256_or_si256(l, _mm256_slli_epi32(wide_avx(u + i), 16));
	__m256i lv = _mm256_or_si256(l, _mm256_slli_epi32(wide_avx(v + i), 16));

	return (struct rgb_avx){
		sum_avx(_mm256_set1_epi32(m->r0 + add), lv, pair(m->y, m->rv)),
		sum_avx(sum_avx(_mm256_set1_epi32(m->g0 + add), lv, pair(m->y, m->gv)),
			lu, pair(0, m->gu)),
		sum_avx(_mm256_set1_epi32(m->b0 + add), lu, pair(m->y, m->bu)),
	};
}

AVX static inline void store_float_avx(float *out, __m256i v)
{
	v = _mm256_srai_epi32(v, FLOAT_SHIFT);
	v = _mm256_min_epi32(_mm256_max_epi32(v, _mm256_setzero_si256()), _mm256_set1_epi32(FLOAT_MAX));
	_mm256_storeu_ps(out, _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(FLOAT_UNIT)));
}

AVX static inline void store_u8_avx(uint8_t *out, __m256i v)
{
	__m128i s;

	v = _mm256_srai_epi32(v, U8_SHIFT);
	s = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
	_mm_storel_epi64((__m128i *)out, _mm_packus_epi16(s, s));
}

AVX static void float_avx(float *r, float *g, float *b, const int16_t *y, const int16_t *u,
			  const int16_t *v, const struct cb_fit_matrix *m, size_t n)
{
	const struct cb_fit_matrix own = *m;	/* not behind what is stored to */
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		struct rgb_avx c = rgb_avx(y, u, v, &own, 0, i);

		store_float_avx(r + i, c.r);
		store_float_avx(g + i, c.g);
		store_float_avx(b + i, c.b);
	}
	float_from(r, g, b, y, u, v, m, i, n);
}

AVX static void u8_avx(uint8_t *r, uint8_t *g, uint8_t *b, const int16_t *y, const int16_t *u,
		       const int16_t *v, const struct cb_fit_matrix *m, size_t n)
{
	const struct cb_fit_matrix own = *m;	/* not behind what is stored to */
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		struct rgb_avx c = rgb_avx(y, u, v, &own, U8_ROUND, i);

		store_u8_avx(r + i, c.r);
		store_u8_avx(g + i, c.g);
		store_u8_avx(b + i, c.b);
	}
	u8_from(r, g, b, y, u, v, m, i, n);
}

static const struct cb_fit_kernels avx = { "avx2", down_avx, along_avx, float_avx, u8_avx, gray_sse };

const struct cb_fit_kernels *cb_fit_kernels(unsigned i)
{
	const struct cb_fit_kernels *have[4] = { NULL };
	unsigned n = 0;

	if (__builtin_cpu_supports("avx2"))
		have[n++] = &avx;
	if (__builtin_cpu_supports("sse4.1"))
		have[n++] = &sse;
	have[n++] = &plain;
	return i < n ? have[i] : NULL;
}

#else

const struct cb_fit_kernels *cb_fit_kernels(unsigned i)
{
	return i ? NULL : &plain;
}

#endif
