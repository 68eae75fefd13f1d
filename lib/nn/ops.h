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

float cb_nn_act_value(enum cb_nn_act a, float x);
/* Darknet's logistic. */
float cb_nn_logistic(float x);

/* n channels from src's channel s on to dst's channel d on. */
void cb_nn_copy(const struct cb_nn_view *dst, uint32_t d, const struct cb_nn_view *src, uint32_t s,
		uint32_t n);
/* Zero the channels that only fill up the last block. */
void cb_nn_pad(const struct cb_nn_view *v);
void cb_nn_act(const struct cb_nn_view *dst, const struct cb_nn_view *src, enum cb_nn_act a);
void cb_nn_upsample(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride,
		    float scale);
/* dst = act(alpha * in + beta * from), over the part that both have, as darknet does it. */
void cb_nn_shortcut(const struct cb_nn_view *dst, const struct cb_nn_view *from, float alpha,
		    float beta);
void cb_nn_avgpool(const struct cb_nn_view *dst, const struct cb_nn_view *src);
void cb_nn_maxpool(const struct cb_nn_view *dst, const struct cb_nn_view *src,
		   const struct cb_nn_layer *l);
/* dst = act(from * by), by of one value a channel, or one a pixel (wh). */
void cb_nn_scale(const struct cb_nn_view *dst, const struct cb_nn_view *from,
		 const struct cb_nn_view *by, bool wh, enum cb_nn_act a);
void cb_nn_reorg(const struct cb_nn_view *dst, const struct cb_nn_view *src, uint32_t stride);
/* Softmax over n planar values. */
void cb_nn_softmax(float *dst, const float *src, size_t n, float temperature);

#endif
