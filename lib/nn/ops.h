/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in blocked layouts, and the layers that are plain C on them. Internal to lib/nn.
 *
 * A tensor of c x h x w is stored in blocks of b channels: block after block, in it row after
 * row, in a row pixel after pixel, at a pixel the b channels. b = 1 is planar, b = c channels
 * last, 8 and 16 what vector code likes. Channels that fill up the last block are zero. */
#ifndef CB_NN_OPS_H
#define CB_NN_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "nn/graph.h"
#include "nn/quant.h"

struct cb_nn_view {
	uint32_t c, h, w, b;
	float *p;
};

static inline size_t cb_nn_view_floats(uint32_t c, uint32_t h, uint32_t w, uint32_t b)
{
	return ((size_t)c + b - 1) / b * b * h * w;
}
static inline size_t cb_nn_at(const struct cb_nn_view *v, uint32_t c, size_t pixel)
{
	return ((size_t)(c / v->b) * v->h * v->w + pixel) * v->b + c % v->b;
}

/* Of an activation that looks at one value at a time. */
float cb_nn_act_value(enum cb_nn_act a, float x);
/* Darknet's logistic. */
float cb_nn_logistic(float x);

/* n channels from src's channel s on to dst's channel d on. */
void cb_nn_copy(const struct cb_nn_view *dst, uint32_t d, const struct cb_nn_view *src, uint32_t s,
		uint32_t n);
/* Zero the channels that only fill up the last block. */
void cb_nn_pad(const struct cb_nn_view *v);
/* Both in the same layout, or the same. */
void cb_nn_act(const struct cb_nn_view *dst, const struct cb_nn_view *src, enum cb_nn_act a);
void cb_nn_upsample(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride,
		    float scale);
/* dst = act(alpha * in + beta * from), over the part that both have, as darknet does it. */
void cb_nn_shortcut(const struct cb_nn_view *dst, const struct cb_nn_view *from, float alpha,
		    float beta);
/* dst = k * src + add (may be NULL), or that added to dst, with a factor and a summand for each
 * channel: both with room for whole blocks of dst, zeros there. Over the channels that both
 * have. */
void cb_nn_affine(const struct cb_nn_view *dst, const struct cb_nn_view *src, const float *k,
		  const float *add, bool more);
/* dst = k * src + add: the middle of the picture. Both in the same layout. */
void cb_nn_crop(const struct cb_nn_view *dst, const struct cb_nn_view *src, float k, float add);
void cb_nn_avgpool(const struct cb_nn_view *dst, const struct cb_nn_view *src);
/* The largest value of l's windows or the mean of what of them is in the picture. Both in the
 * same layout. */
void cb_nn_pool(const struct cb_nn_view *dst, const struct cb_nn_view *src,
		const struct cb_nn_layer *l);
/* Channel c: the largest of src's channels c, c + dst->c, ... */
void cb_nn_maxdepth(const struct cb_nn_view *dst, const struct cb_nn_view *src);
/* Both in the same layout. */
void cb_nn_blur(const struct cb_nn_view *dst, const struct cb_nn_view *src,
		const struct cb_nn_layer *l);
/* dst = act(from * by), by of one value a channel, or one a pixel (wh). */
void cb_nn_scale(const struct cb_nn_view *dst, const struct cb_nn_view *from,
		 const struct cb_nn_view *by, bool wh, enum cb_nn_act a);
/* dst = act(a * b). */
void cb_nn_sam(const struct cb_nn_view *dst, const struct cb_nn_view *a,
	       const struct cb_nn_view *b, enum cb_nn_act act);
/* Darknet's [reorg], which mixes places and channels, and [reorg3d]: pixels to channels. */
void cb_nn_reorg(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride);
void cb_nn_reorg3d(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride);
/* Bytes, channels last: n of the src_c channels of each pixel to n of dst_c, from one way of
 * storing to the other. */
void cb_nn_bytes_copy(uint8_t *dst, uint32_t dst_c, struct cb_nn_q dst_q, const uint8_t *src,
		      uint32_t src_c, struct cb_nn_q src_q, uint32_t n, size_t pixels);
void cb_nn_bytes_upsample(uint8_t *dst, const uint8_t *src, uint32_t c, uint32_t h, uint32_t w,
			  uint32_t stride);
/* A window of at most this side. */
#define CB_NN_BYTES_WINDOW 32
void cb_nn_bytes_maxpool(uint8_t *dst, const uint8_t *src, const struct cb_nn_layer *l);
/* Softmax over n planar values. */
void cb_nn_softmax(float *dst, const float *src, size_t n, float temperature);

#endif
