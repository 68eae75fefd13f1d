/* SPDX-License-Identifier: Apache-2.0 */
/* A darknet network as its .cfg states it: layers with shapes, before anything is compiled.
 * Internal to lib/nn and its tests. */
#ifndef CB_NN_GRAPH_H
#define CB_NN_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bounds on what a cfg may ask for; all are checked before anything is allocated. */
#define CB_NN_CFG_MAX (1u << 20)		/* bytes of a cfg */
#define CB_NN_LAYERS_MAX 1024
#define CB_NN_FROM_MAX 32			/* inputs of a route or shortcut */
#define CB_NN_ANCHORS_MAX 64
#define CB_NN_SIDE_MAX 16384u			/* width, height of any layer */
#define CB_NN_CHANNELS_MAX 65536u
#define CB_NN_FLOATS_MAX (UINT64_C(1) << 26)	/* values of one layer's output */
#define CB_NN_MACS_MAX (UINT64_C(1) << 40)	/* work of one run, in multiply-adds */
#define CB_NN_BYTES_MAX (UINT64_C(1) << 30)	/* weights, activations and scratch together */

enum cb_nn_type {
	CB_NN_CONV = 1,
	CB_NN_CONNECTED,
	CB_NN_ACTIVATION,
	CB_NN_BATCHNORM,
	CB_NN_CROP,
	CB_NN_MAXPOOL,
	CB_NN_MAXDEPTH,		/* maxpool_depth: the largest of every c-th channel */
	CB_NN_LOCAL_AVGPOOL,
	CB_NN_AVGPOOL,
	CB_NN_BLUR,		/* the second half of a layer with antialiasing */
	CB_NN_ROUTE,
	CB_NN_SHORTCUT,
	CB_NN_UPSAMPLE,
	CB_NN_REORG,
	CB_NN_REORG3D,
	CB_NN_SCALE_CHANNELS,
	CB_NN_SAM,
	CB_NN_SOFTMAX,
	CB_NN_PASS,		/* dropout, cost, ...: the input as it is */
	CB_NN_YOLO,
	CB_NN_GAUSSIAN,		/* yolo with the deviation of each coordinate */
	CB_NN_REGION,
};

enum cb_nn_act {
	CB_NN_LINEAR = 0, CB_NN_LEAKY, CB_NN_RELU, CB_NN_RELU6, CB_NN_LOGISTIC, CB_NN_MISH,
	CB_NN_SWISH, CB_NN_TANH, CB_NN_ELU, CB_NN_SELU, CB_NN_GELU, CB_NN_RELIE, CB_NN_RAMP,
	CB_NN_LOGGY, CB_NN_HARDTAN, CB_NN_LHTAN, CB_NN_PLSE, CB_NN_STAIR, CB_NN_HARD_MISH,
	/* over the channels of a pixel: positive values, exponentials, those of the largest */
	CB_NN_NORM_CHAN, CB_NN_NORM_CHAN_SOFTMAX, CB_NN_NORM_CHAN_SOFTMAX_MAX,
};

/* A shortcut with a weight for each of its inputs (or each channel of them), and what the
 * weights are divided by. */
enum cb_nn_mix { CB_NN_MIX_NONE = 0, CB_NN_MIX_INPUT, CB_NN_MIX_CHANNEL };
enum cb_nn_mix_norm { CB_NN_MIX_AS_IS = 0, CB_NN_MIX_RELU, CB_NN_MIX_SOFTMAX };

/* Which point of a box a Gaussian yolo layer locates. */
enum cb_nn_point { CB_NN_CENTER = 0, CB_NN_LEFT_TOP, CB_NN_RIGHT_BOTTOM };

struct cb_nn_layer {
	enum cb_nn_type type;
	const char *name;		/* "[convolutional]": for messages; static */
	uint32_t line;			/* of the section in the cfg */
	uint32_t ic, ih, iw;		/* shape of the layer before */
	uint32_t c, h, w;		/* own shape */
	uint32_t size, stride_x, stride_y, pad, dilation;
	uint32_t groups, group_id;
	bool bn;
	int share;			/* convolution: the layer whose weights it uses, or -1 */
	enum cb_nn_act act;
	float alpha, beta;		/* shortcut: alpha * input + beta * from; crop */
	enum cb_nn_mix mix;		/* shortcut */
	enum cb_nn_mix_norm mix_norm;
	float scale;			/* upsample */
	bool scale_wh;			/* scale_channels */
	float temperature;		/* softmax */
	int from[CB_NN_FROM_MAX];	/* route, shortcut, scale_channels, sam: layer numbers */
	int nfrom;
	/* yolo, Gaussian yolo, region */
	uint32_t n;			/* boxes a cell */
	uint32_t classes, coords;
	bool background, softmax, new_coords;
	float scale_x_y;
	enum cb_nn_point point;
	float anchor[2 * CB_NN_ANCHORS_MAX];	/* width, height of each of the n boxes */
	uint64_t weights;		/* floats in the .weights file */
};

struct cb_nn_graph {
	uint32_t c, h, w;		/* the input picture */
	int n;
	uint32_t classes;		/* of the detecting layers, 0: none */
	uint64_t weights;		/* floats of all layers */
	struct cb_nn_layer *layer;
};

/* Parse a cfg of len bytes. width and height override the input size unless 0. Errors:
 * CB_E_DATA "line N: [type]: reason". On failure ret is untouched.
 *
 * Layers have the numbers that darknet gives them, but for those behind a layer with
 * antialiasing: it becomes two, itself without its stride and a blur with it. */
int cb_nn_graph_parse(struct cb_nn_graph *ret, const char *text, size_t len,
		      uint32_t width, uint32_t height, struct cb_err *err);
void cb_nn_graph_release(struct cb_nn_graph *g);

/* Is the type one whose output is boxes? */
static inline bool cb_nn_is_detector(enum cb_nn_type t)
{
	return t == CB_NN_YOLO || t == CB_NN_GAUSSIAN || t == CB_NN_REGION;
}
/* Does the activation look at one value at a time? */
static inline bool cb_nn_act_is_plain(enum cb_nn_act a)
{
	return a < CB_NN_NORM_CHAN;
}

#endif
