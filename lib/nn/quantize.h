/* SPDX-License-Identifier: Apache-2.0 */
/* From a float model and pictures to a model in 8 bits (post-training quantisation).
 *
 * Channels that a convolution gives to one other convolution are made alike in range first
 * (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019,
 * section 4.1, with measured ranges). Weights get one symmetric scale an output channel,
 * activations one range a tensor, from what the float network does with the pictures. The mean error that rounded
 * weights make is put into the biases (the same, section 4.2, with measured means). Convolutions are then
 * turned to 8 bits one by one, the error that each makes at the detecting layers is measured,
 * and those that make most of it stay float until the rest is below a bound.
 *
 *   open; (fill the input, add) for each picture; finish; free */
#ifndef CB_NN_QUANTIZE_H
#define CB_NN_QUANTIZE_H

#include "base/buf.h"
#include "base/err.h"
#include "nn/nn.h"
#include "nn/pack.h"

enum cb_range_method {
	CB_RANGE_NOISE = 0,	/* least squared error */
	CB_RANGE_PERCENTILE,	/* leave out the outermost share of the values on both sides */
	CB_RANGE_ENTROPY,	/* least relative entropy between values before and after (Migacz,
				 * "8-bit Inference with TensorRT", 2017) */
};

#define CB_QUANTIZE_BYTES_MAX ((size_t)512 << 20)	/* of all pictures together */
#define CB_QUANTIZE_LOSS .005		/* see cb_quantize_opts.loss */

struct cb_quantize_opts {
	enum cb_range_method method;
	double percentile;	/* 50..100, 0: 99.99 */
	double loss;		/* error energy at the detecting layers, as a share of the energy
				 * there, that 8 bits may make; 0: CB_QUANTIZE_LOSS */
	const char *keep;	/* layers that stay float, as "0,5-7"; NULL: none but by measurement */
	int threads;
	/* told how far finish is; or NULL */
	void (*progress)(void *ctx, const char *what, int done, int of);
	void *ctx;
};

/* What became of one convolution. */
struct cb_quantize_layer {
	int layer;
	bool int8, asked;	/* asked: float because keep names it */
	double error;		/* share of the energy at the detecting layers, by this one alone */
};

struct cb_quantizer;
/* model: a float one, which must live as long. */
int cb_quantizer_open(struct cb_quantizer **ret, const struct cb_pack *model,
		      const struct cb_quantize_opts *o, struct cb_err *err);
/* As cb_net_input: to be filled with a picture, which cb_quantizer_add takes (as bytes). */
float *cb_quantizer_input(struct cb_quantizer *q);
uint32_t cb_quantizer_width(const struct cb_quantizer *q);
uint32_t cb_quantizer_height(const struct cb_quantizer *q);
int cb_quantizer_add(struct cb_quantizer *q, struct cb_err *err);
/* The body of the new model, and what its model.json says of calibration (a JSON object with a
 * NUL). CB_E_DATA where there were no pictures, or no convolution can be in 8 bits. On a
 * processor without VNNI nothing can be measured: CB_E_UNAVAILABLE. */
int cb_quantizer_finish(struct cb_quantizer *q, struct cb_buf *ret_body, struct cb_buf *ret_json,
			struct cb_err *err);
/* After finish: what became of the convolutions; how many. */
int cb_quantizer_layers(const struct cb_quantizer *q, const struct cb_quantize_layer **ret);
/* After finish: the error of the whole, as a share. */
double cb_quantizer_error(const struct cb_quantizer *q);
void cb_quantizer_free(struct cb_quantizer *q);

#endif
