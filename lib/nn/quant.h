/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in 8 bits: model.int8 of a one-file model (cb-model(5)). Internal to lib/nn.
 *
 * A value r is stored as q = round(r / scale) + zero in 0..255 (activations, one scale a
 * tensor, zero so that r = 0 is exact) or as q = round(r / scale) in -127..127 (weights, one
 * scale an output channel, symmetric). Jacob et al., "Quantization and Training of Neural
 * Networks for Efficient Integer-Arithmetic-Only Inference", section 2.1.
 *
 * The bytes, little-endian:
 *
 *   0   8  "cbint8", 0, 1
 *   8   4  layers, as many as the cfg has
 *   then a record for each layer:
 *       1  kind: 0 as in darknet's weights file (or no weights), 1 in 8 bits
 *       1  1: has a range, else 0
 *       2  0
 *       8  lo, hi: float: range of the layer's output; 0, 0 without one
 *       kind 0: the layer's part of darknet's .weights
 *       kind 1: c floats scale, c floats bias, then the weights, one byte each, in darknet's
 *               order, batch normalisation folded in; 0 to 3 zero bytes up to a multiple of 4
 */
#ifndef CB_NN_QUANT_H
#define CB_NN_QUANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "nn/graph.h"

#define CB_NN_QUANT_MAGIC "cbint8\0\1"

/* How a tensor is stored. scale 0: it cannot be, in 8 bits. */
struct cb_nn_q {
	float scale;
	int32_t zero;
};

struct cb_nn_qlayer {
	bool int8;
	float lo, hi;
	uint64_t nw;			/* weights, without scales and biases */
	/* all unaligned, into the body */
	const uint8_t *raw;		/* kind 0 */
	const uint8_t *scale, *bias, *w;	/* kind 1 */
};

struct cb_nn_quant {
	int layers;
	struct cb_nn_qlayer *layer;
};

/* The scale for a range that has 0 in it. */
struct cb_nn_q cb_nn_q_of(float lo, float hi);

/* Take a body apart, which must live as long. Errors: CB_E_DATA "layer N [type]: reason". */
int cb_nn_quant_parse(struct cb_nn_quant *ret, const uint8_t *p, size_t n,
		      const struct cb_nn_graph *g, struct cb_err *err);
void cb_nn_quant_release(struct cb_nn_quant *q);
/* The weights of a layer of kind 1 as floats. */
void cb_nn_quant_floats(const struct cb_nn_quant *q, const struct cb_nn_graph *g, int layer,
			float *w, float *bias);

/* Writing: the head, and then every layer in its order. */
int cb_nn_quant_put_head(struct cb_buf *out, int layers);
/* kind 0; raw: l->weights floats as in darknet's file. has: with a range. */
int cb_nn_quant_put_raw(struct cb_buf *out, const struct cb_nn_layer *l, const void *raw, bool has,
			float lo, float hi);
/* kind 1, of folded weights w and biases. */
int cb_nn_quant_put(struct cb_buf *out, const struct cb_nn_layer *l, const int8_t *w,
		    const float *scale, const float *bias, bool has, float lo, float hi);

#endif
