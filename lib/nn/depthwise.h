/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution on bytes: every channel by itself, 3 x 3 or 5 x 5. Internal to lib/nn.
 *
 * oneDNN 2.6 has none that is faster on bytes than on floats. Here four taps of a column are
 * one byte product (VPDPBUSD), and a column serves every output that it belongs to. */
#ifndef CB_NN_DEPTHWISE_H
#define CB_NN_DEPTHWISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/quant.h"

/* What a layer needs beside its input and output, as one block of memory: see _bytes. */
struct cb_nn_depthwise;

/* Can this layer be run so, on this processor? */
bool cb_nn_depthwise_fits(const struct cb_nn_layer *l);
/* Bytes of the block, which must be aligned to 64. */
size_t cb_nn_depthwise_bytes(const struct cb_nn_layer *l);
/* Fill the block for a layer, its input stored as in and its output as out. */
void cb_nn_depthwise_init(struct cb_nn_depthwise *d, const struct cb_nn_layer *l,
			  const struct cb_nn_qlayer *q, struct cb_nn_q in, struct cb_nn_q out);
/* Channels last on both sides. */
void cb_nn_depthwise_run(const struct cb_nn_depthwise *d, uint8_t *dst, const uint8_t *src);
/* The same bytes, in plain C. */
void cb_nn_depthwise_plain(const struct cb_nn_depthwise *d, uint8_t *dst, const uint8_t *src);

#endif
