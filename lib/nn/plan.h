/* SPDX-License-Identifier: Apache-2.0 */
/* A graph compiled, and what runs it. Internal to lib/nn.
 *
 * The plan (steps, weights, where tensors lie) is made once and then only read; it may be run
 * by many at a time. Each runner has memory of its own: activations, scratch, oneDNN's handles. */
#ifndef CB_NN_PLAN_H
#define CB_NN_PLAN_H

#include <dnnl.h>

#include "nn/graph.h"
#include "nn/ops.h"
#include "nn/quant.h"
#include "nn/weights.h"

#define CB_NN_ARGS_MAX 6	/* of a primitive */
#define CB_NN_FOLDED (-1)

struct cb_nn_tensor {
	struct cb_nn_view v;	/* its p is NULL: see cb_nn_view_of */
	bool u8;		/* bytes, channels last; else floats */
	struct cb_nn_q q;	/* what the bytes mean, or would */
	int twin;		/* the same values as floats or bytes, or -1 */
	size_t bytes;
	int first, last;	/* steps that write and read it */
	int parent;		/* part of another tensor, at poff; or -1 */
	size_t poff;
	size_t off;		/* in a runner's arena, once everything is placed */
};

enum cb_nn_op {
	CB_NN_OP_PRIM = 1,	/* a oneDNN primitive */
	CB_NN_OP_COPY,		/* n channels of src from s to dst from d */
	CB_NN_OP_PAD,
	CB_NN_OP_ACT,
	CB_NN_OP_UPSAMPLE,
	CB_NN_OP_SHORTCUT,
	CB_NN_OP_AFFINE,
	CB_NN_OP_CROP,
	CB_NN_OP_AVGPOOL,
	CB_NN_OP_POOL,
	CB_NN_OP_MAXDEPTH,
	CB_NN_OP_BLUR,
	CB_NN_OP_SCALE,
	CB_NN_OP_SAM,
	CB_NN_OP_REORG,
	CB_NN_OP_REORG3D,
	CB_NN_OP_SOFTMAX,
	CB_NN_OP_BYTES_COPY,	/* as COPY, of bytes; q may differ */
	CB_NN_OP_BYTES_UPSAMPLE,
	CB_NN_OP_BYTES_MAXPOOL,
	CB_NN_OP_DEPTHWISE,
};

struct cb_nn_arg {
	int what;		/* DNNL_ARG_... */
	int tensor;		/* or -1: ptr */
	dnnl_memory_desc_t md;
	void *ptr;		/* a constant */
};

struct cb_nn_step {
	enum cb_nn_op op;
	int layer;
	char impl[48];		/* oneDNN's name of the implementation, or "c" */
	/* primitives */
	dnnl_primitive_t prim;
	struct cb_nn_arg *arg;
	int nargs, at;		/* at: where in a runner's list of arguments its own begin */
	/* others */
	int dst, src, src2;
	uint32_t d, s, n;
	enum cb_nn_act act;
	float alpha, beta;
	const void *constant;
	const float *k, *add;	/* affine: constants of a value for each channel */
	bool more;
};

struct cb_nn_plan {
	struct cb_nn_graph g;
	unsigned users;			/* runners; atomic */
	int threads;			/* that each run uses */
	bool keep, apart;		/* apart: no layer is folded into another */
	dnnl_engine_t engine;
	int input;			/* tensor of the picture */
	int *out;			/* tensor of each layer's output, or CB_NN_FOLDED */
	struct cb_nn_tensor *tensor;
	int ntensors, ctensors;
	struct cb_nn_step *step;
	int nsteps, csteps, nargs;
	void **constant;		/* weights and biases as the primitives want them */
	int nconstants, cconstants;
	size_t constant_bytes, arena_bytes, scratch_bytes;
	char *names;			/* of a model in one file; its user's to free */
	size_t names_len;
};

struct cb_nn_runner {
	const struct cb_nn_plan *plan;
	dnnl_stream_t stream;
	dnnl_exec_arg_t *arg;		/* of all steps */
	uint8_t *arena;
	void *scratch;
};

/* Make the steps and lay out the arena; reads the weights. n has its graph and engine. Weights
 * in 8 bits are used as such where the processor multiplies bytes (VNNI), else as floats. With
 * n->keep no tensor's room is used again, so that every layer's output can be looked at. */
int cb_nn_plan(struct cb_nn_plan *n, struct cb_nn_weights *f, struct cb_err *err);
/* All that it holds, graph and engine too. */
void cb_nn_plan_release(struct cb_nn_plan *n);

int cb_nn_runner_init(struct cb_nn_runner *ret, const struct cb_nn_plan *n, struct cb_err *err);
void cb_nn_runner_release(struct cb_nn_runner *r);
/* Run all steps. took_ns: what each took, or NULL. */
int cb_nn_run(const struct cb_nn_runner *r, int64_t *took_ns, struct cb_err *err);
/* A tensor where this runner has it. */
struct cb_nn_view cb_nn_view_of(const struct cb_nn_runner *r, int tensor);

/* Aligned to a cache line, zeroed. */
void *cb_nn_alloc(size_t bytes);

#endif
