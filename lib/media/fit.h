/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded pictures into what looks at them, in one pass: resized, converted to RGB or grey,
 * and laid out as the reader wants it, inside a larger picture where there are bars.
 *
 * 8-bit Y'CbCr in planes (4:2:0, 4:2:2, 4:4:4, 4:4:0, 4:1:1), NV12 and its kin, and grey are
 * read here, in integer arithmetic: equal pictures give equal bytes on every machine and
 * instruction set. All other formats go through lib/media/scale, with 8 bits between.
 *
 * The filter is a triangle: bilinear interpolation where the picture grows; where it
 * shrinks, as wide as the pixels that fall on one (so that nothing is skipped and fine
 * patterns do not turn into coarse ones). Samples beyond the edges are the edges'. Chroma is
 * filtered from where it lies, not brought to the luma's size first. Columns are done first,
 * with weights in 1/128, then rows, with weights in 1/16384, of samples in 1/128; weights are
 * rounded so that their sums are right from either end, which leaves what is even or slopes
 * within a third of an 8-bit step of the definition. Range, matrix and chroma positions:
 * media/colour.h; the equations are those of Rec. ITU-T H.273 8.3. */
#ifndef CB_MEDIA_FIT_H
#define CB_MEDIA_FIT_H

#include <stddef.h>

#include "media/decode.h"

enum cb_fit_to {
	CB_FIT_GRAY,		/* uint8_t, luma alone, 0..255 */
	CB_FIT_FLOAT_PLANES,	/* float, R, then G, then B, 0..1, not rounded to 8 bits */
	CB_FIT_U8_PLANES,	/* uint8_t, the same */
	CB_FIT_U8_PACKED,	/* uint8_t, RGBRGB... */
};

struct cb_fit;
/* To width x height, 1..16384 each. */
int cb_fit_new(struct cb_fit **ret, uint32_t width, uint32_t height, enum cb_fit_to to,
	       struct cb_err *err);
/* out: the first sample of the rectangle, of the type that to says; stride: samples from row
 * to row; plane: samples from R to G to B (planes only). What lies around the rectangle is
 * not touched, nor read. The input's size and format may change from call to call.
 * Errors: CB_E_DATA for a picture that cannot be converted, CB_E_OS without memory. */
int cb_fit_run(struct cb_fit *f, const struct cb_picture *in, void *out, size_t stride, size_t plane,
	       struct cb_err *err);
void cb_fit_free(struct cb_fit *f);

/* For tests: use the kernels at this index of cb_fit_kernels (media/fitrow.h). */
void cb_fit_use(struct cb_fit *f, unsigned kernels);

#endif
