/* SPDX-License-Identifier: Apache-2.0 */
/* A graph compiled: steps over tensors in one arena. Internal to lib/nn. */
#ifndef CB_NN_PLAN_H
#define CB_NN_PLAN_H

#include <dnnl.h>

#include "nn/graph.h"
#include "nn/ops.h"
#include "nn/weights.h"

#define CB_NN_ARGS_MAX 6
#define CB_NN_FOLDED (-1)

struct cb_nn_tensor {
	struct cb_nn_view v;	/* v.p is set when the arena is laid out */
	size_t floats;
	int first, last;	/* steps that write and read it */
	int parent;		/* part of another tensor, at poff; or -1 */
	size_t poff;
	size_t off;		/* in the arena */
};

enum cb_nn_op {
	CB_NN_OP_PRIM = 1,	/* a oneDNN primitive */
	CB_NN_OP_COPY,		/* n channels of src from s to dst from d */
	CB_NN_OP_PAD,
	CB_NN_OP_ACT,
	CB_NN_OP_UPSAMPLE,
	CB_NN_OP_SHORTCUT,
	CB_NN_OP_AVGPOOL,
	CB_NN_OP_MAXPOOL,
	CB_NN_OP_SCALE,
	CB_NN_OP_REORG,
	CB_NN_OP_SOFTMAX,
};

struct cb_nn_arg {
	int what;		/* DNNL_ARG_... */
	int tensor;		/* or -1: ptr */
	dnnl_memory_desc_t md;
	float *ptr;
};

struct cb_nn_step {
	enum cb_nn_op op;
	int layer;
	char impl[48];		/* oneDNN's name of the implementation, or "c" */
	/* primitives */
	dnnl_primitive_t prim;
	struct cb_nn_arg *arg;	/* until the memories are made */
	dnnl_exec_arg_t exec[CB_NN_ARGS_MAX];
	int nargs;
	/* others */
	int dst, src, src2;
	uint32_t d, s, n;
	enum cb_nn_act act;
	float alpha, beta;
};

struct cb_net {
	struct cb_nn_graph g;
	int threads;
	bool keep;
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	int input;			/* tensor of the picture */
	int *out;			/* tensor of each layer's output, or CB_NN_FOLDED */
	struct cb_nn_tensor *tensor;
	int ntensors, ctensors;
	struct cb_nn_step *step;
	int nsteps, csteps;
	float **constant;		/* weights and biases as the primitives want them */
	int nconstants, cconstants;
	size_t constant_bytes;
	float *arena;
	size_t arena_floats;
	void *scratch;
	size_t scratch_bytes;
	struct cb_nn_found *found;	/* room for boxes before suppression */
	size_t found_cap;
};

/* Make the steps and lay out the arena; reads the weights. With n->keep no tensor's room is used
 * again, so that every layer's output can be looked at. */
int cb_nn_plan(struct cb_net *n, struct cb_nn_weights *f, struct cb_err *err);
void cb_nn_plan_release(struct cb_net *n);
/* Run all steps. */
int cb_nn_plan_run(const struct cb_net *n, struct cb_err *err);
/* Aligned to a cache line, zeroed. */
void *cb_nn_alloc(size_t bytes);

#endif
