/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of planning share (prim.c, conv.c, arena.c, plan.c). Internal to lib/nn.
 *
 * Functions that return int or a pointer say -1 or NULL and fill p->err where they fail. */
#ifndef CB_NN_PLANNER_H
#define CB_NN_PLANNER_H

#include "nn/plan.h"

struct cb_nn_planner {
	struct cb_nn_plan *n;
	struct cb_nn_weights *f;
	dnnl_stream_t stream;	/* for work on weights */
	int *uses;		/* how many layers read each layer's output */
	const struct cb_nn_quant *q;	/* what to do in 8 bits, or NULL */
	bool *wants;		/* does who reads this layer's output take bytes? */
	struct cb_err *err;
};

/* --- errors: all return -1 */
int cb_nn_failed(struct cb_nn_planner *p, int layer, const char *what, dnnl_status_t s);
int cb_nn_too_large(struct cb_nn_planner *p);
/* oneDNN 2.6 dies where it finds no room for the code that it makes: ask before. */
int cb_nn_room(struct cb_nn_planner *p);

/* --- tensors, steps, constants */
int cb_nn_tensor_new(struct cb_nn_planner *p, uint32_t c, uint32_t h, uint32_t w, uint32_t b);
struct cb_nn_step *cb_nn_step_new(struct cb_nn_planner *p, enum cb_nn_op op, int layer);
void *cb_nn_constant(struct cb_nn_planner *p, size_t bytes);
/* Note that the newest step reads or writes a tensor. */
void cb_nn_touch(struct cb_nn_planner *p, int tensor);
/* A step in plain C; src and src2 may be -1. */
struct cb_nn_step *cb_nn_plain(struct cb_nn_planner *p, enum cb_nn_op op, int layer, int dst,
			       int src, int src2);
/* The tensor in blocks of b: itself, or a copy made by a step. */
int cb_nn_in_layout(struct cb_nn_planner *p, int layer, int tensor, uint32_t b);

/* --- 8 bits (bytes.c) */
int cb_nn_tensor_bytes(struct cb_nn_planner *p, uint32_t c, uint32_t h, uint32_t w, struct cb_nn_q q);
/* The tensor as floats, or as bytes: itself, its twin, or a new twin made by a step. -2: it
 * has no range for bytes. */
int cb_nn_as_floats(struct cb_nn_planner *p, int layer, int tensor);
int cb_nn_as_bytes(struct cb_nn_planner *p, int layer, int tensor);
/* Does the processor multiply bytes without overflow (VNNI)? */
bool cb_nn_has_vnni(void);
/* Fill p->wants. */
void cb_nn_wants(struct cb_nn_planner *p);
/* Plan layer i in bytes; its last layer, or -2 where that cannot be. */
int cb_nn_plan_bytes(struct cb_nn_planner *p, int i, int src);
/* The range of layer i for its tensor. */
void cb_nn_range(struct cb_nn_planner *p, int i);

/* --- layouts: b as in ops.h */
dnnl_format_tag_t cb_nn_tag(uint32_t b);
void cb_nn_md(dnnl_memory_desc_t *md, uint32_t c, uint32_t h, uint32_t w, dnnl_format_tag_t tag);
void cb_nn_md_of(dnnl_memory_desc_t *md, const struct cb_nn_view *v);
/* Not channels last, whose "block" is all channels. */
bool cb_nn_is_block(uint32_t b);
/* The block of a descriptor, or 0 if it is none of ours. */
uint32_t cb_nn_block_of(const dnnl_memory_desc_t *md);
bool cb_nn_same_layout(const struct cb_nn_view *v, uint32_t b);

/* --- primitives */
const dnnl_memory_desc_t *cb_nn_query_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what);
const char *cb_nn_impl(const_dnnl_primitive_desc_t pd);
/* Of an implementation's name. 0: reference code, to be avoided; 1: a general method; 2: made
 * for it. */
int cb_nn_rank(const char *impl);
/* What one eltwise post-op, or two, make of an activation. Returns how many; -1: none do. */
struct cb_nn_eltwise { dnnl_alg_kind_t alg; float alpha, beta; };
int cb_nn_act_ops(enum cb_nn_act a, struct cb_nn_eltwise ret[static 2]);
/* Our scratch memory, exact float arithmetic whatever the environment says, and post-ops:
 * act, then where add is given the addition of that tensor and then act2. */
dnnl_status_t cb_nn_attr(dnnl_primitive_attr_t *ret, enum cb_nn_act act,
			 const dnnl_memory_desc_t *add, enum cb_nn_act act2);
/* Begin a step that executes pd. Takes pd over. */
struct cb_nn_step *cb_nn_prim(struct cb_nn_planner *p, int layer, dnnl_primitive_desc_t pd);
void cb_nn_arg_tensor(struct cb_nn_planner *p, struct cb_nn_step *s, int what,
		      const dnnl_memory_desc_t *md, int tensor);
void cb_nn_arg_const(struct cb_nn_step *s, int what, const dnnl_memory_desc_t *md, void *c);
dnnl_status_t cb_nn_append_act(dnnl_post_ops_t ops, enum cb_nn_act a);
/* Run a reorder now (weights). */
int cb_nn_reorder_now(struct cb_nn_planner *p, int layer, const dnnl_memory_desc_t *from, void *src,
		      const dnnl_memory_desc_t *to, void *dst);

/* --- layers: the last layer that is done with it */
/* The shortcut that the convolution i can add itself, or -1. */
int cb_nn_fusible(struct cb_nn_planner *p, int i);
int cb_nn_plan_conv(struct cb_nn_planner *p, int i, int src);
int cb_nn_plan_connected(struct cb_nn_planner *p, int i, int src);

/* Give every tensor its place in the arena. */
int cb_nn_place(struct cb_nn_planner *p);

#endif
