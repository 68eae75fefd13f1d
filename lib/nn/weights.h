/* SPDX-License-Identifier: Apache-2.0 */
/* Darknet's .weights: a header and the layers' floats, one layer after another. Internal to
 * lib/nn. */
#ifndef CB_NN_WEIGHTS_H
#define CB_NN_WEIGHTS_H

#include "nn/graph.h"
#include "nn/quant.h"

struct cb_nn_weights {
	int fd;
	const uint8_t *mem;	/* the file's bytes where they are in memory: not copied, not seen */
	uint64_t size, first, at;	/* bytes of the file, of its header, read so far */
	const struct cb_nn_quant *q;	/* or weights in 8 bits: then nothing else is set but fd -1 */
	void (*seen)(void *ctx, const void *p, size_t n);	/* told what is read, or NULL */
	void *ctx;
};

/* ret->seen and ctx are set before. Open and check the header and the size against what the
 * graph needs: shorter, longer and other files are CB_E_DATA and name the layer. The path is
 * not in the messages. */
int cb_nn_weights_open(struct cb_nn_weights *ret, const char *path,
		       const struct cb_nn_graph *g, struct cb_err *err);
/* The same of n bytes in memory, which must live as long. */
int cb_nn_weights_memory(struct cb_nn_weights *ret, const uint8_t *p, size_t n,
			 const struct cb_nn_graph *g, struct cb_err *err);
/* Of a convolution or connected layer: w as out x in/groups x size x size and one bias an output,
 * batch normalisation folded in. Layers with weights are read in their order, each once; after
 * that again where another layer uses its weights (and told to seen once). */
int cb_nn_weights_layer(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer,
			float *w, float *bias, struct cb_err *err);
/* Of a batchnorm layer: k * x + add, c values each. */
int cb_nn_weights_affine(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer,
			 float *k, float *add, struct cb_err *err);
/* Of a shortcut: c factors for each input, the layer's before first, rows of each values. */
int cb_nn_weights_mix(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer, float *k,
		      size_t each, struct cb_err *err);
void cb_nn_weights_close(struct cb_nn_weights *f);

#endif
