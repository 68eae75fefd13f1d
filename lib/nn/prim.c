/* SPDX-License-Identifier: Apache-2.0 */
/* What planning is made of: lists that grow, layouts, oneDNN primitives as steps. */
#include "nn/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LAST INT32_MAX
#define ONEDNN_ROOM (16u << 20)

int cb_nn_failed(struct cb_nn_planner *p, int layer, const char *what, dnnl_status_t s)
{
	const struct cb_nn_layer *l = &p->n->g.layer[layer];

	return cb_err_set(p->err, s == dnnl_out_of_memory ? CB_E_OS : CB_E_BUG,
			  "layer %d %s: %s: oneDNN status %d", layer, l->name, what, (int)s);
}

/* oneDNN 2.6 dies where it finds no room for the code that it makes. So see first whether there
 * is much more than that. */
int cb_nn_room(struct cb_nn_planner *p)
{
	void *m = mmap(NULL, ONEDNN_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return cb_err_nomem(p->err);
	munmap(m, ONEDNN_ROOM);
	return 0;
}

int cb_nn_too_large(struct cb_nn_planner *p)
{
	return cb_err_set(p->err, CB_E_DATA, "needs more than %u MiB of memory",
			  (unsigned)(CB_NN_BYTES_MAX >> 20));
}

/* --- growing lists ------------------------------------------------------------------------- */

static void *grow(void *list, int used, int *cap, size_t each)
{
	void *more;

	if (used < *cap)
		return list;
	more = realloc(list, (size_t)(*cap + 64) * each);
	if (more)
		*cap += 64;
	return more;
}

int cb_nn_tensor_new(struct cb_nn_planner *p, uint32_t c, uint32_t h, uint32_t w, uint32_t b)
{
	struct cb_nn_plan *n = p->n;
	struct cb_nn_tensor *t = grow(n->tensor, n->ntensors, &n->ctensors, sizeof(*t));

	if (!t)
		return cb_err_nomem(p->err);
	n->tensor = t;
	t[n->ntensors] = (struct cb_nn_tensor){
		.v = { c, h, w, b, NULL },
		.bytes = cb_nn_view_floats(c, h, w, b) * sizeof(float),
		.first = LAST, .last = -1, .parent = -1, .twin = -1,
	};
	return n->ntensors++;
}

struct cb_nn_step *cb_nn_step_new(struct cb_nn_planner *p, enum cb_nn_op op, int layer)
{
	struct cb_nn_plan *n = p->n;
	struct cb_nn_step *s = grow(n->step, n->nsteps, &n->csteps, sizeof(*s));

	if (!s) {
		cb_err_nomem(p->err);
		return NULL;
	}
	n->step = s;
	s += n->nsteps++;
	*s = (struct cb_nn_step){ .op = op, .layer = layer, .impl = "c",
				  .dst = -1, .src = -1, .src2 = -1 };
	return s;
}

void *cb_nn_constant(struct cb_nn_planner *p, size_t bytes)
{
	struct cb_nn_plan *n = p->n;
	void **list = grow(n->constant, n->nconstants, &n->cconstants, sizeof(*list)), *c;

	if (!list) {
		cb_err_nomem(p->err);
		return NULL;
	}
	n->constant = list;
	if (bytes > CB_NN_BYTES_MAX || n->constant_bytes + bytes > CB_NN_BYTES_MAX) {
		cb_nn_too_large(p);
		return NULL;
	}
	c = cb_nn_alloc(bytes);
	if (!c) {
		cb_err_nomem(p->err);
		return NULL;
	}
	n->constant_bytes += bytes;
	return n->constant[n->nconstants++] = c;
}

/* Note that the newest step reads or writes a tensor. */
void cb_nn_touch(struct cb_nn_planner *p, int tensor)
{
	int at = p->n->nsteps - 1;

	for (int t = tensor; t >= 0; t = p->n->tensor[t].parent) {
		if (at < p->n->tensor[t].first)
			p->n->tensor[t].first = at;
		if (at > p->n->tensor[t].last)
			p->n->tensor[t].last = at;
	}
}

/* --- layouts ------------------------------------------------------------------------------- */

dnnl_format_tag_t cb_nn_tag(uint32_t b)
{
	switch (b) {
	case 1: return dnnl_nchw;
	case 4: return dnnl_nChw4c;
	case 8: return dnnl_nChw8c;
	case 16: return dnnl_nChw16c;
	default: return dnnl_nhwc;
	}
}

void cb_nn_md(dnnl_memory_desc_t *md, uint32_t c, uint32_t h, uint32_t w,
		    dnnl_format_tag_t tag)
{
	dnnl_dims_t d = { 1, c, h, w };

	dnnl_memory_desc_init_by_tag(md, 4, d, dnnl_f32, tag);
}

void cb_nn_md_of(dnnl_memory_desc_t *md, const struct cb_nn_view *v)
{
	cb_nn_md(md, v->c, v->h, v->w, cb_nn_tag(v->b));
}

/* Not channels last, whose "block" is all channels. */
bool cb_nn_is_block(uint32_t b)
{
	return b == 1 || b == 4 || b == 8 || b == 16;
}

/* The block of a layout, or 0 if it is none of ours. */
uint32_t cb_nn_block_of(const dnnl_memory_desc_t *md)
{
	static const uint32_t blocks[] = { 1, 16, 8, 4, 0 };
	uint32_t c = (uint32_t)md->dims[1], h = (uint32_t)md->dims[2], w = (uint32_t)md->dims[3];

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		dnnl_memory_desc_t want;

		cb_nn_md(&want, c, h, w, cb_nn_tag(blocks[i]));
		if (dnnl_memory_desc_equal(md, &want))
			return blocks[i] ? blocks[i] : c;
	}
	return 0;
}

bool cb_nn_same_layout(const struct cb_nn_view *v, uint32_t b)
{
	return v->b == b || (v->h * v->w == 1 && v->c % v->b == 0 && v->c % b == 0);
}

/* --- primitives ---------------------------------------------------------------------------- */

const dnnl_memory_desc_t *cb_nn_query_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
	return dnnl_primitive_desc_query_md(pd, what, 0);
}

const char *cb_nn_impl(const_dnnl_primitive_desc_t pd)
{
	const char *s = "";

	dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &s);
	return s;
}

/* 0: reference code, to be avoided; 1: a general method; 2: made for it. */
int cb_nn_rank(const char *impl)
{
	return strstr(impl, "ref") ? 0 : strstr(impl, "gemm") ? 1 : 2;
}

int cb_nn_act_ops(enum cb_nn_act a, struct cb_nn_eltwise ret[static 2])
{
#define ONE(...) do { ret[0] = (struct cb_nn_eltwise){ __VA_ARGS__ }; return 1; } while (0)
	switch (a) {
	case CB_NN_LINEAR: return 0;
	case CB_NN_LEAKY: ONE(dnnl_eltwise_relu, .1f, 0);
	case CB_NN_RELU: ONE(dnnl_eltwise_relu, 0, 0);
	case CB_NN_RELU6: ONE(dnnl_eltwise_clip, 0, 6);
	case CB_NN_LOGISTIC: ONE(dnnl_eltwise_logistic, 0, 0);
	case CB_NN_MISH: ONE(dnnl_eltwise_mish, 0, 0);
	case CB_NN_SWISH: ONE(dnnl_eltwise_swish, 1, 0);
	case CB_NN_TANH: ONE(dnnl_eltwise_tanh, 0, 0);
	case CB_NN_ELU: ONE(dnnl_eltwise_elu, 1, 0);
	case CB_NN_GELU: ONE(dnnl_eltwise_gelu_tanh, 0, 0);
	case CB_NN_RELIE: ONE(dnnl_eltwise_relu, .01f, 0);
	case CB_NN_HARDTAN: ONE(dnnl_eltwise_clip, -1, 1);
	case CB_NN_SELU:
		ret[0] = (struct cb_nn_eltwise){ dnnl_eltwise_elu, 1.6732f, 0 };
		ret[1] = (struct cb_nn_eltwise){ dnnl_eltwise_linear, 1.0507f, 0 };
		return 2;
	case CB_NN_RAMP:
		ret[0] = (struct cb_nn_eltwise){ dnnl_eltwise_relu, .1f / 1.1f, 0 };
		ret[1] = (struct cb_nn_eltwise){ dnnl_eltwise_linear, 1.1f, 0 };
		return 2;
	case CB_NN_LOGGY:
		ret[0] = (struct cb_nn_eltwise){ dnnl_eltwise_logistic, 0, 0 };
		ret[1] = (struct cb_nn_eltwise){ dnnl_eltwise_linear, 2, -1 };
		return 2;
	case CB_NN_LHTAN:
	case CB_NN_PLSE:
	case CB_NN_STAIR:
	case CB_NN_HARD_MISH:
	case CB_NN_NORM_CHAN:
	case CB_NN_NORM_CHAN_SOFTMAX:
	case CB_NN_NORM_CHAN_SOFTMAX_MAX: break;
	}
#undef ONE
	return -1;
}

dnnl_status_t cb_nn_append_act(dnnl_post_ops_t ops, enum cb_nn_act a)
{
	struct cb_nn_eltwise e[2];
	int k = cb_nn_act_ops(a, e);
	dnnl_status_t s = k < 0 ? dnnl_unimplemented : dnnl_success;

	for (int i = 0; i < k && !s; i++)
		s = dnnl_post_ops_append_eltwise(ops, 1, e[i].alg, e[i].alpha, e[i].beta);
	return s;
}

/* Our scratch memory, exact float arithmetic whatever the environment says, and post-ops:
 * act, then where add is given the addition of that tensor and then act2. */
dnnl_status_t cb_nn_attr(dnnl_primitive_attr_t *ret, enum cb_nn_act act,
			       const dnnl_memory_desc_t *add, enum cb_nn_act act2)
{
	dnnl_primitive_attr_t attr = NULL;
	dnnl_post_ops_t ops = NULL;
	dnnl_status_t s = dnnl_primitive_attr_create(&attr);

	if (!s)
		s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
	if (!s)
		s = dnnl_primitive_attr_set_fpmath_mode(attr, dnnl_fpmath_mode_strict);
	if (!s)
		s = dnnl_post_ops_create(&ops);
	if (!s)
		s = cb_nn_append_act(ops, act);
	if (!s && add)
		s = dnnl_post_ops_append_binary(ops, dnnl_binary_add, add);
	if (!s && add)
		s = cb_nn_append_act(ops, act2);
	if (!s)
		s = dnnl_primitive_attr_set_post_ops(attr, ops);
	dnnl_post_ops_destroy(ops);
	if (s) {
		dnnl_primitive_attr_destroy(attr);
		return s;
	}
	*ret = attr;
	return dnnl_success;
}

/* Begin a step that executes pd. Takes pd over. */
struct cb_nn_step *cb_nn_prim(struct cb_nn_planner *p, int layer, dnnl_primitive_desc_t pd)
{
	struct cb_nn_step *s = cb_nn_step_new(p, CB_NN_OP_PRIM, layer);
	const dnnl_memory_desc_t *scratch = cb_nn_query_md(pd, dnnl_query_scratchpad_md);
	dnnl_status_t st;

	if (!s)
		goto bad;
	s->arg = calloc(CB_NN_ARGS_MAX, sizeof(*s->arg));
	if (!s->arg) {
		cb_err_nomem(p->err);
		goto bad;
	}
	snprintf(s->impl, sizeof(s->impl), "%s", cb_nn_impl(pd));
	if (cb_nn_room(p))
		goto bad;
	st = dnnl_primitive_create(&s->prim, pd);
	if (st) {
		cb_nn_failed(p, layer, "compiling", st);
		goto bad;
	}
	if (scratch && dnnl_memory_desc_get_size(scratch)) {
		size_t bytes = dnnl_memory_desc_get_size(scratch);

		s->arg[s->nargs++] = (struct cb_nn_arg){ DNNL_ARG_SCRATCHPAD, -1, *scratch, NULL };
		if (bytes > p->n->scratch_bytes)
			p->n->scratch_bytes = bytes;
	}
	dnnl_primitive_desc_destroy(pd);
	return s;
bad:
	dnnl_primitive_desc_destroy(pd);
	return NULL;
}

void cb_nn_arg_tensor(struct cb_nn_planner *p, struct cb_nn_step *s, int what,
		       const dnnl_memory_desc_t *md, int tensor)
{
	s->arg[s->nargs++] = (struct cb_nn_arg){ what, tensor, *md, NULL };
	cb_nn_touch(p, tensor);
}

void cb_nn_arg_const(struct cb_nn_step *s, int what, const dnnl_memory_desc_t *md, void *c)
{
	s->arg[s->nargs++] = (struct cb_nn_arg){ what, -1, *md, c };
}

/* Run a reorder now (weights). */
int cb_nn_reorder_now(struct cb_nn_planner *p, int layer, const dnnl_memory_desc_t *from, void *src,
		       const dnnl_memory_desc_t *to, void *dst)
{
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_t prim = NULL;
	dnnl_memory_t a = NULL, b = NULL;
	dnnl_engine_t e = p->n->engine;
	dnnl_status_t s;

	if (cb_nn_room(p))
		return -1;
	s = dnnl_reorder_primitive_desc_create(&pd, from, e, to, e, NULL);
	if (!s)
		s = dnnl_primitive_create(&prim, pd);
	if (!s)
		s = dnnl_memory_create(&a, from, e, src);
	if (!s)
		s = dnnl_memory_create(&b, to, e, dst);
	if (!s) {
		dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, a }, { DNNL_ARG_TO, b } };

		s = dnnl_primitive_execute(prim, p->stream, 2, args);
	}
	if (!s)
		s = dnnl_stream_wait(p->stream);
	dnnl_memory_destroy(a);
	dnnl_memory_destroy(b);
	dnnl_primitive_destroy(prim);
	dnnl_primitive_desc_destroy(pd);
	return s ? cb_nn_failed(p, layer, "weights", s) : 0;
}

/* The tensor in a layout: itself, or a copy made by a step. Returns the tensor. */
int cb_nn_in_layout(struct cb_nn_planner *p, int layer, int tensor, uint32_t b)
{
	const struct cb_nn_view v = p->n->tensor[tensor].v;
	dnnl_engine_t e = p->n->engine;
	dnnl_memory_desc_t from, to;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_attr_t attr = NULL;
	struct cb_nn_step *s;
	dnnl_status_t st;
	int t;

	if (cb_nn_same_layout(&v, b))
		return tensor;
	t = cb_nn_tensor_new(p, v.c, v.h, v.w, b);
	if (t < 0)
		return -1;
	cb_nn_md_of(&from, &v);
	cb_nn_md_of(&to, &p->n->tensor[t].v);
	st = cb_nn_attr(&attr, CB_NN_LINEAR, NULL, CB_NN_LINEAR);
	if (!st)
		st = dnnl_reorder_primitive_desc_create(&pd, &from, e, &to, e, attr);
	dnnl_primitive_attr_destroy(attr);
	if (!st && cb_nn_rank(cb_nn_impl(pd))) {
		s = cb_nn_prim(p, layer, pd);
		if (!s)
			return -1;
		cb_nn_arg_tensor(p, s, DNNL_ARG_FROM, &from, tensor);
		cb_nn_arg_tensor(p, s, DNNL_ARG_TO, &to, t);
		return t;
	}
	dnnl_primitive_desc_destroy(pd);
	s = cb_nn_step_new(p, CB_NN_OP_COPY, layer);
	if (!s)
		return -1;
	s->src = tensor;
	s->dst = t;
	s->n = v.c;
	cb_nn_touch(p, tensor);
	cb_nn_touch(p, t);
	return t;
}

/* A step in plain C. src2 may be -1. */
struct cb_nn_step *cb_nn_plain(struct cb_nn_planner *p, enum cb_nn_op op, int layer, int dst, int src,
				int src2)
{
	struct cb_nn_step *s = cb_nn_step_new(p, op, layer);

	if (!s)
		return NULL;
	s->dst = dst;
	s->src = src;
	s->src2 = src2;
	cb_nn_touch(p, dst);
	if (src >= 0)
		cb_nn_touch(p, src);
	if (src2 >= 0)
		cb_nn_touch(p, src2);
	return s;
}

