/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of lib/media/fit, once in plain C and once for each instruction set worth
 * it. All of them give the same bytes: everything up to the last conversion is integers, and
 * that conversion is one exact int-to-float and one product.
 *
 * Samples between the two directions are in 1/128 (0..32640). Weights are not negative, and
 * those of one result add up to CB_FIT_DOWN or CB_FIT_ALONG. */
#ifndef CB_MEDIA_FITROW_H
#define CB_MEDIA_FITROW_H

#include <stddef.h>
#include <stdint.h>

#define CB_FIT_DOWN 128
#define CB_FIT_ALONG 16384
#define CB_FIT_TAPS 8	/* taps along a row come in multiples of this */
#define CB_FIT_GROUP 8	/* and results too */

/* Y, U, V to R, G, B: coefficients in 1/8192, offsets in 1/(128 * 8192), half an 8-bit step
 * not included. */
struct cb_fit_matrix {
	int16_t y, rv, gu, gv, bu;
	int32_t y0, r0, g0, b0;
};

struct cb_fit_kernels {
	const char *name;
	/* out[i] = sum over k of weight[k] * row[k][i], i < n; taps even, weights at most 127.
	 * Reads and writes no more than n of anything. */
	void (*down)(int16_t *out, const uint8_t *const *row, const int8_t *weight, size_t taps,
		     size_t n);
	/* out[i] = sum over k of weight[cb_fit_at(i, k, taps)] * in[start[i] + k]; in[] must be
	 * readable (of any value) where weights are 0. taps a multiple of CB_FIT_TAPS, n of
	 * CB_FIT_GROUP. */
	void (*along)(int16_t *out, const int16_t *in, const uint32_t *start, const int16_t *weight,
		      size_t taps, size_t n);
	/* 0..1; n any number */
	void (*rgb_float)(float *r, float *g, float *b, const int16_t *y, const int16_t *u,
			  const int16_t *v, const struct cb_fit_matrix *m, size_t n);
	/* 0..255, rounded */
	void (*rgb_u8)(uint8_t *r, uint8_t *g, uint8_t *b, const int16_t *y, const int16_t *u,
		       const int16_t *v, const struct cb_fit_matrix *m, size_t n);
	/* the same of Y alone: m->y and m->y0 */
	void (*gray)(uint8_t *out, const int16_t *y, const struct cb_fit_matrix *m, size_t n);
};

/* Where the weight of tap k of result i stands: eight taps of results 0 and 4, then of 1 and
 * 5, of 2 and 6, of 3 and 7; then the next eight taps; then the next eight results. */
static inline size_t cb_fit_at(size_t i, size_t k, size_t taps)
{
	return i / 8 * 8 * taps + k / 8 * 64 + (i % 4 * 2 + i / 4 % 2) * 8 + k % 8;
}

/* What this processor can do, the best first, the plain one last; at index i, or NULL. */
const struct cb_fit_kernels *cb_fit_kernels(unsigned i);

#endif
