/* SPDX-License-Identifier: Apache-2.0 */
/* Darknet networks on the CPU: .cfg and .weights compiled to oneDNN primitives.
 *
 * Shapes are channels x height x width, planar float, values 0..1, R G B. A network is not
 * shared between threads. A cfg can ask for 1 GiB at most of weights, activations and scratch
 * memory together; while it loads, one layer's weights come on top.
 *
 * Once a net has run, cb_net_run and cb_net_boxes allocate nothing of their own and nobody
 * takes a lock. oneDNN makes a table of the arguments of each primitive and frees it with it,
 * six to eight pieces of some 50 bytes, which malloc has at hand in the thread. With one
 * thread a run makes no system call; with more, OpenMP's threads wait for each other (futex)
 * where a primitive ends.
 *
 * Layers: convolutional (groups, dilation, share_index, antialiasing), connected, batchnorm,
 * activation, crop, maxpool (antialiasing, maxpool_depth), avgpool, local_avgpool, route
 * (groups), shortcut (weights_type), upsample, reorg, reorg3d, scale_channels, sam, softmax,
 * yolo (scale_x_y, new_coords), Gaussian_yolo, region; dropout, cost, contrastive and empty
 * change nothing here. An option that would change the result and that is not supported is an
 * error: binary and xnor convolutions, recurrent and local layers, trees of classes among them.
 * nms_kind is not looked at: see cb_net_boxes.
 *
 * Threads: one is one: nothing runs but the calling thread. The setting is made for each run
 * and given back after it.
 */
#ifndef CB_NN_NN_H
#define CB_NN_NN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cb_net;
struct cb_pack;

enum cb_isa { CB_ISA_AUTO = 0, CB_ISA_SSE41, CB_ISA_AVX2, CB_ISA_AVX512 };

#define CB_NET_THREADS_MAX 64

struct cb_net_opts {
	int threads;		/* 1..CB_NET_THREADS_MAX; 0: one */
	enum cb_isa isa;	/* never use more than this; process-wide, the first net decides */
	uint32_t width, height;	/* override the cfg's input size, 0: as it says */
	bool keep;		/* for tests: keep every layer's output (more memory) */
	bool apart;		/* fold no layer into another, so that each has an output */
	/* told every byte that was read: the cfg's and then the weights', in their order, or
	 * those of a model in one file */
	void (*seen)(void *ctx, const void *p, size_t n);
	void *ctx;
	/* the model is in memory: nothing is opened, nothing seen, cfg only names it in errors;
	 * needed until the net is open */
	const struct cb_pack *pack;
};

/* A box, normalised to the network's input picture (0..1, origin top left), not clipped to it. */
struct cb_box {
	float x, y, w, h;	/* x, y: the top left corner */
	float score;		/* objectness x class probability */
	int class_id;
};

/* cfg is darknet's .cfg, or a model in one file (cb-model(5), nn/pack.h), which has its weights
 * in it: others beside it are CB_E_USAGE. weights NULL: the cfg's name with .weights for .cfg.
 * A model in one file is in memory as a whole (1 GiB at most) while it loads.
 *
 * Errors name the file and the cfg's line ("yolo.cfg: line 12: [convolutional]: filters=0")
 * or the layer where the weights end ("yolo.weights: layer 17 [convolutional]: 4096 bytes
 * missing"). Missing files are CB_E_NOINPUT, wrong ones CB_E_DATA. The cfg may be a pipe; the
 * weights must be a regular file. Threads or memory that are not to be had are CB_E_OS. */
int cb_net_open(struct cb_net **ret, const char *cfg, const char *weights,
		const struct cb_net_opts *o, struct cb_err *err);
/* Another net with the weights and the compiled code of this one and activations of its own.
 * Both may run at a time, each in a thread of its own; they are freed in any order. So a batch
 * of N pictures, or N inputs, is N nets that share: with one thread each they use N cores
 * better than N threads on one picture do. */
int cb_net_share(struct cb_net **ret, struct cb_net *of, struct cb_err *err);
void cb_net_free(struct cb_net *n);

/* "dir/x.cfg" and ".names" to "dir/x.names", as malloc gives it; NULL: no memory. */
char *cb_net_sibling(const char *cfg, const char *ext);
/* The names that came with a model in one file, NUL-terminated, of *ret_len bytes; NULL where
 * the model was none. They live as long as the net. */
const char *cb_net_names(const struct cb_net *n, size_t *ret_len);

uint32_t cb_net_width(const struct cb_net *n);
uint32_t cb_net_height(const struct cb_net *n);
uint32_t cb_net_channels(const struct cb_net *n);
int cb_net_classes(const struct cb_net *n);
/* The instruction set that the primitives run with: "sse41", "avx2", "avx512_core", ... */
const char *cb_net_isa(const struct cb_net *n);
const char *cb_nn_library_version(void);	/* "oneDNN 2.6.3" */

/* Where the input picture goes: 3*h*w floats, planar, filled by the caller before a run. */
float *cb_net_input(struct cb_net *n);
/* The same as 3*h*w bytes, 0..255, RGBRGB..., of a network that takes them (a model in 8 bits,
 * on a processor that can); else NULL. Which of the two was asked for last is what is run on. */
uint8_t *cb_net_input_bytes(struct cb_net *n);
int cb_net_run(struct cb_net *n, struct cb_err *err);
/* The same; took_ns has room for cb_net_steps and is told how long each took. */
int cb_net_run_timed(struct cb_net *n, int64_t *took_ns, struct cb_err *err);

/* The boxes that one picture can give before suppression are kept up to this many, best first. */
#define CB_NET_BOXES_MAX 8192

/* After a run: boxes with score > threshold, non-maximum suppression a class at IoU > nms
 * (0: none) as darknet's do_nms_sort does, best first; ties by class, y, x. Returns how many,
 * at most max, the best ones. */
int cb_net_boxes(const struct cb_net *n, float threshold, float nms, struct cb_box *ret, int max);

/* For tests and people: layers, and a layer's output after a run as planar float (its length;
 * copies at most max values). -1 as length: the layer was folded into another, or its room was
 * used again (see keep). */
int cb_net_layers(const struct cb_net *n);
int64_t cb_net_layer_output(const struct cb_net *n, int layer, float *ret, size_t max);

/* A layer: its type ("[convolutional]"), its output's shape, numbers in the weights file, multiply-adds
 * of a run where it is a convolution or connected, and the name of the code that does most of
 * it, NULL where that was folded into another layer. */
struct cb_net_layer {
	const char *type, *impl;
	uint32_t c, h, w;
	uint64_t weights, macs;
};
void cb_net_layer(const struct cb_net *n, int layer, struct cb_net_layer *ret);

/* What a run consists of: number of steps, and of a step the layer ("[convolutional]"), its
 * number and the name of the code that does it ("jit:avx2", "c" for our own). */
struct cb_net_step {
	int layer;
	const char *type, *impl;
};
int cb_net_steps(const struct cb_net *n);
void cb_net_step(const struct cb_net *n, int step, struct cb_net_step *ret);
/* Bytes of weights, and of the activations and scratch memory of one net. */
size_t cb_net_bytes(const struct cb_net *n);

#endif
