/* SPDX-License-Identifier: Apache-2.0 */
/* From a graph to oneDNN primitives: layouts, fusions, weights, and who lives where when.
 *
 * Convolutions choose the layout; everything else follows what it is given. With one picture
 * at a time a tensor of whole channel blocks is one contiguous range, so a route costs
 * nothing: its parts are written where it stands. A shortcut is added by the convolution
 * before it (as a binary post-op: sum after leaky has no vector code on AVX2). */
#include "nn/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define LAST INT32_MAX
#define ONEDNN_ROOM (16u << 20)

struct plan {
	struct cb_net *n;
	struct cb_nn_weights *f;
	int *uses;		/* how many layers read each layer's output */

	struct cb_err *err;
};

void *cb_nn_alloc(size_t bytes)
{
	void *p;

	bytes = (bytes + 63) / 64 * 64;
	if (!bytes)
		bytes = 64;
	p = aligned_alloc(64, bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

static int failed(struct plan *p, int layer, const char *what, dnnl_status_t s)
{
	const struct cb_nn_layer *l = &p->n->g.layer[layer];

	return cb_err_set(p->err, s == dnnl_out_of_memory ? CB_E_OS : CB_E_BUG,
			  "layer %d %s: %s: oneDNN status %d", layer, l->name, what, (int)s);
}

/* oneDNN 2.6 dies where it finds no room for the code that it makes. So see first whether there
 * is much more than that. */
static int room(struct plan *p)
{
	void *m = mmap(NULL, ONEDNN_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return cb_err_nomem(p->err);
	munmap(m, ONEDNN_ROOM);
	return 0;
}

static int too_large(struct plan *p)
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

static int tensor_new(struct plan *p, uint32_t c, uint32_t h, uint32_t w, uint32_t b)
{
	struct cb_net *n = p->n;
	struct cb_nn_tensor *t = grow(n->tensor, n->ntensors, &n->ctensors, sizeof(*t));

	if (!t)
		return cb_err_nomem(p->err);
	n->tensor = t;
	t[n->ntensors] = (struct cb_nn_tensor){
		.v = { c, h, w, b, NULL }, .floats = cb_nn_view_floats(c, h, w, b),
		.first = LAST, .last = -1, .parent = -1,
	};
	return n->ntensors++;
}

static struct cb_nn_step *step_new(struct plan *p, enum cb_nn_op op, int layer)
{
	struct cb_net *n = p->n;
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

static float *constant_new(struct plan *p, size_t bytes)
{
	struct cb_net *n = p->n;
	float **list = grow(n->constant, n->nconstants, &n->cconstants, sizeof(*list)), *c;

	if (!list) {
		cb_err_nomem(p->err);
		return NULL;
	}
	n->constant = list;
	if (bytes > CB_NN_BYTES_MAX || n->constant_bytes + bytes > CB_NN_BYTES_MAX) {
		too_large(p);
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
static void touch(struct plan *p, int tensor)
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

static dnnl_format_tag_t tag_of(uint32_t b)
{
	switch (b) {
	case 1: return dnnl_nchw;
	case 4: return dnnl_nChw4c;
	case 8: return dnnl_nChw8c;
	case 16: return dnnl_nChw16c;
	default: return dnnl_nhwc;
	}
}

static void md_init(dnnl_memory_desc_t *md, uint32_t c, uint32_t h, uint32_t w,
		    dnnl_format_tag_t tag)
{
	dnnl_dims_t d = { 1, c, h, w };

	dnnl_memory_desc_init_by_tag(md, 4, d, dnnl_f32, tag);
}

static void md_of(dnnl_memory_desc_t *md, const struct cb_nn_view *v)
{
	md_init(md, v->c, v->h, v->w, tag_of(v->b));
}

/* Not channels last, whose "block" is all channels. */
static bool is_block(uint32_t b)
{
	return b == 1 || b == 4 || b == 8 || b == 16;
}

/* The block of a layout, or 0 if it is none of ours. */
static uint32_t block_of(const dnnl_memory_desc_t *md)
{
	static const uint32_t blocks[] = { 1, 16, 8, 4, 0 };
	uint32_t c = (uint32_t)md->dims[1], h = (uint32_t)md->dims[2], w = (uint32_t)md->dims[3];

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		dnnl_memory_desc_t want;

		md_init(&want, c, h, w, tag_of(blocks[i]));
		if (dnnl_memory_desc_equal(md, &want))
			return blocks[i] ? blocks[i] : c;
	}
	return 0;
}

static bool same_layout(const struct cb_nn_view *v, uint32_t b)
{
	return v->b == b || (v->h * v->w == 1 && v->c % v->b == 0 && v->c % b == 0);
}

/* --- primitives ---------------------------------------------------------------------------- */

static const dnnl_memory_desc_t *query_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
	return dnnl_primitive_desc_query_md(pd, what, 0);
}

static const char *impl_of(const_dnnl_primitive_desc_t pd)
{
	const char *s = "";

	dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &s);
	return s;
}

/* 0: reference code, to be avoided; 1: a general method; 2: made for it. */
static int rank_of(const char *impl)
{
	return strstr(impl, "ref") ? 0 : strstr(impl, "gemm") ? 1 : 2;
}

/* What one eltwise post-op, or two, make of an activation. Returns how many. */
struct eltwise { dnnl_alg_kind_t alg; float alpha, beta; };
static int act_ops(enum cb_nn_act a, struct eltwise ret[static 2])
{
#define ONE(...) do { ret[0] = (struct eltwise){ __VA_ARGS__ }; return 1; } while (0)
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
		ret[0] = (struct eltwise){ dnnl_eltwise_elu, 1.6732f, 0 };
		ret[1] = (struct eltwise){ dnnl_eltwise_linear, 1.0507f, 0 };
		return 2;
	case CB_NN_RAMP:
		ret[0] = (struct eltwise){ dnnl_eltwise_relu, .1f / 1.1f, 0 };
		ret[1] = (struct eltwise){ dnnl_eltwise_linear, 1.1f, 0 };
		return 2;
	case CB_NN_LOGGY:
		ret[0] = (struct eltwise){ dnnl_eltwise_logistic, 0, 0 };
		ret[1] = (struct eltwise){ dnnl_eltwise_linear, 2, -1 };
		return 2;
	}
#undef ONE
	return 0;
}

static dnnl_status_t add_act(dnnl_post_ops_t ops, enum cb_nn_act a)
{
	struct eltwise e[2];
	int k = act_ops(a, e);
	dnnl_status_t s = dnnl_success;

	for (int i = 0; i < k && !s; i++)
		s = dnnl_post_ops_append_eltwise(ops, 1, e[i].alg, e[i].alpha, e[i].beta);
	return s;
}

/* Our scratch memory, exact float arithmetic whatever the environment says, and post-ops:
 * act, then where add is given the addition of that tensor and then act2. */
static dnnl_status_t attr_make(dnnl_primitive_attr_t *ret, enum cb_nn_act act,
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
		s = add_act(ops, act);
	if (!s && add)
		s = dnnl_post_ops_append_binary(ops, dnnl_binary_add, add);
	if (!s && add)
		s = add_act(ops, act2);
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
static struct cb_nn_step *prim_step(struct plan *p, int layer, dnnl_primitive_desc_t pd)
{
	struct cb_nn_step *s = step_new(p, CB_NN_OP_PRIM, layer);
	const dnnl_memory_desc_t *scratch = query_md(pd, dnnl_query_scratchpad_md);
	dnnl_status_t st;

	if (!s)
		goto bad;
	s->arg = calloc(CB_NN_ARGS_MAX, sizeof(*s->arg));
	if (!s->arg) {
		cb_err_nomem(p->err);
		goto bad;
	}
	snprintf(s->impl, sizeof(s->impl), "%s", impl_of(pd));
	if (room(p))
		goto bad;
	st = dnnl_primitive_create(&s->prim, pd);
	if (st) {
		failed(p, layer, "compiling", st);
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

static void arg_tensor(struct plan *p, struct cb_nn_step *s, int what,
		       const dnnl_memory_desc_t *md, int tensor)
{
	s->arg[s->nargs++] = (struct cb_nn_arg){ what, tensor, *md, NULL };
	touch(p, tensor);
}

static void arg_const(struct cb_nn_step *s, int what, const dnnl_memory_desc_t *md, float *c)
{
	s->arg[s->nargs++] = (struct cb_nn_arg){ what, -1, *md, c };
}

/* Run a reorder now (weights). */
static int reorder_now(struct plan *p, int layer, const dnnl_memory_desc_t *from, float *src,
		       const dnnl_memory_desc_t *to, float *dst)
{
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_t prim = NULL;
	dnnl_memory_t a = NULL, b = NULL;
	dnnl_engine_t e = p->n->engine;
	dnnl_status_t s;

	if (room(p))
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

		s = dnnl_primitive_execute(prim, p->n->stream, 2, args);
	}
	if (!s)
		s = dnnl_stream_wait(p->n->stream);
	dnnl_memory_destroy(a);
	dnnl_memory_destroy(b);
	dnnl_primitive_destroy(prim);
	dnnl_primitive_desc_destroy(pd);
	return s ? failed(p, layer, "weights", s) : 0;
}

/* The tensor in a layout: itself, or a copy made by a step. Returns the tensor. */
static int in_layout(struct plan *p, int layer, int tensor, uint32_t b)
{
	const struct cb_nn_view v = p->n->tensor[tensor].v;
	dnnl_engine_t e = p->n->engine;
	dnnl_memory_desc_t from, to;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_attr_t attr = NULL;
	struct cb_nn_step *s;
	dnnl_status_t st;
	int t;

	if (same_layout(&v, b))
		return tensor;
	t = tensor_new(p, v.c, v.h, v.w, b);
	if (t < 0)
		return -1;
	md_of(&from, &v);
	md_of(&to, &p->n->tensor[t].v);
	st = attr_make(&attr, CB_NN_LINEAR, NULL, CB_NN_LINEAR);
	if (!st)
		st = dnnl_reorder_primitive_desc_create(&pd, &from, e, &to, e, attr);
	dnnl_primitive_attr_destroy(attr);
	if (!st && rank_of(impl_of(pd))) {
		s = prim_step(p, layer, pd);
		if (!s)
			return -1;
		arg_tensor(p, s, DNNL_ARG_FROM, &from, tensor);
		arg_tensor(p, s, DNNL_ARG_TO, &to, t);
		return t;
	}
	dnnl_primitive_desc_destroy(pd);
	s = step_new(p, CB_NN_OP_COPY, layer);
	if (!s)
		return -1;
	s->src = tensor;
	s->dst = t;
	s->n = v.c;
	touch(p, tensor);
	touch(p, t);
	return t;
}

/* A step in plain C. src2 may be -1. */
static struct cb_nn_step *plain(struct plan *p, enum cb_nn_op op, int layer, int dst, int src,
				int src2)
{
	struct cb_nn_step *s = step_new(p, op, layer);

	if (!s)
		return NULL;
	s->dst = dst;
	s->src = src;
	s->src2 = src2;
	touch(p, dst);
	if (src >= 0)
		touch(p, src);
	if (src2 >= 0)
		touch(p, src2);
	return s;
}

/* --- convolution ---------------------------------------------------------------------------- */

/* A descriptor for l with src and dst in these blocks (0: as oneDNN likes), and the addition
 * of a tensor laid out as dst. NULL where oneDNN has none. */
static dnnl_primitive_desc_t conv_pd(struct plan *p, const struct cb_nn_layer *l, uint32_t src_b,
				     uint32_t dst_b, enum cb_nn_act act, bool add,
				     enum cb_nn_act act2)
{
	uint32_t g = l->groups;
	dnnl_dims_t wd = { g, l->c / g, l->ic / g, l->size, l->size };
	dnnl_dims_t wd1 = { l->c, l->ic, l->size, l->size }, bd = { l->c };
	dnnl_dims_t stride = { l->stride_y, l->stride_x };
	dnnl_dims_t dil = { l->dilation - 1, l->dilation - 1 }, pad = { l->pad, l->pad };
	dnnl_memory_desc_t smd, wmd, bmd, dmd;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_convolution_desc_t d;
	dnnl_status_t s;

	md_init(&smd, l->ic, l->ih, l->iw, src_b ? tag_of(src_b) : dnnl_format_tag_any);
	md_init(&dmd, l->c, l->h, l->w, dst_b ? tag_of(dst_b) : dnnl_format_tag_any);
	if (g > 1)
		dnnl_memory_desc_init_by_tag(&wmd, 5, wd, dnnl_f32, dnnl_format_tag_any);
	else
		dnnl_memory_desc_init_by_tag(&wmd, 4, wd1, dnnl_f32, dnnl_format_tag_any);
	dnnl_memory_desc_init_by_tag(&bmd, 1, bd, dnnl_f32, dnnl_x);
	s = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference,
		dnnl_convolution_direct, &smd, &wmd, &bmd, &dmd, stride, dil, pad, pad);
	if (!s)
		s = attr_make(&attr, act, add ? &dmd : NULL, act2);
	if (!s)
		s = dnnl_primitive_desc_create(&pd, &d, attr, p->n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	return s ? NULL : pd;
}

static int rank_pd(dnnl_primitive_desc_t pd)
{
	if (!pd || !block_of(query_md(pd, dnnl_query_src_md)) ||
	    !block_of(query_md(pd, dnnl_query_dst_md)))
		return -1;
	return rank_of(impl_of(pd));
}

/* Read, fold and lay out the weights of a convolution or connected layer. */
static int load_weights(struct plan *p, int layer, const dnnl_memory_desc_t *plain_md,
			const dnnl_memory_desc_t *want, float **ret_w, float **ret_b)
{
	const struct cb_nn_layer *l = &p->n->g.layer[layer];
	size_t nw = (size_t)(l->weights - (l->bn ? 4 : 1) * (uint64_t)l->c);
	float *tmp = NULL, *w, *b;
	int rc = -1;

	w = constant_new(p, dnnl_memory_desc_get_size(want));
	b = w ? constant_new(p, (l->c + 63) / 64 * 64 * sizeof(float)) : NULL;
	if (!b)
		return -1;
	tmp = cb_nn_alloc(nw * sizeof(float));
	if (!tmp)
		return cb_err_nomem(p->err);
	if (cb_nn_weights_layer(p->f, &p->n->g, layer, tmp, b, p->err))
		goto out;
	if (dnnl_memory_desc_equal(plain_md, want))
		memcpy(w, tmp, nw * sizeof(float));
	else if (reorder_now(p, layer, plain_md, tmp, want, w))
		goto out;
	*ret_w = w;
	*ret_b = b;
	rc = 0;
out:
	free(tmp);
	return rc;
}

/* The shortcut that the convolution i can add itself, or -1. */
static int fusible(struct plan *p, int i)
{
	const struct cb_nn_graph *g = &p->n->g;
	int j = i + 1;

	while (j < g->n && g->layer[j].type == CB_NN_PASS && p->uses[j - 1] == 1)
		j++;
	if (j >= g->n || g->layer[j].type != CB_NN_SHORTCUT || p->uses[j - 1] != 1 ||
	    g->layer[j].nfrom != 1 || g->layer[j].alpha != 1 || g->layer[j].beta != 1)
		return -1;
	if (g->layer[j].from[0] >= i || p->n->out[g->layer[j].from[0]] < 0)
		return -1;
	/* of two relu with different slopes oneDNN 2.6 takes one slope for both */
	if (g->layer[i].act != CB_NN_LINEAR && g->layer[j].act != CB_NN_LINEAR)
		return -1;
	const struct cb_nn_layer *f = &g->layer[g->layer[j].from[0]];

	return f->c == g->layer[i].c && f->h == g->layer[i].h && f->w == g->layer[i].w ? j : -1;
}

/* With AVX-512 oneDNN prefers blocks of 16, and few channels are then mostly filling. Are
 * blocks of 8 (and AVX2) less work? Counts the vector products of a pixel. */
static bool blocks_of_8(const struct cb_nn_layer *l, uint32_t b)
{
	uint64_t by16 = (uint64_t)((l->ic + 15) / 16 * 16) * ((l->c + 15) / 16);
	uint64_t by8 = (uint64_t)((l->ic + 7) / 8 * 8) * ((l->c + 7) / 8);

	return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core &&
		l->groups == 1 && (b == 8 || (b == 16 && l->ic <= 8)) && by8 < by16;
}

/* And back: what came in blocks of 8 goes on in blocks of 16. */
static bool blocks_of_16(const struct cb_nn_layer *l, uint32_t b)
{
	return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core &&
		l->groups == 1 && b == 8 && !blocks_of_8(l, b);
}

/* The best descriptor for l: first with what comes in, then with copies of it. */
static dnnl_primitive_desc_t conv_best(struct plan *p, const struct cb_nn_layer *l, uint32_t b,
				       enum cb_nn_act act, int *ret_rank)
{
	uint32_t first = blocks_of_8(l, b) ? 8 : blocks_of_16(l, b) ? 16 : b;
	const uint32_t tries[][2] = {
		{ first, first == b ? 0 : first }, { b, 0 }, { b, is_block(b) ? b : l->c }, { 0, 0 }, { 16, 16 }, { 8, 8 }, { l->ic, l->c },
	};
	dnnl_primitive_desc_t best = NULL;

	*ret_rank = -1;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]) && *ret_rank < 2; i++) {
		dnnl_primitive_desc_t pd = conv_pd(p, l, tries[i][0], tries[i][1], act, false, 0);
		int rank = rank_pd(pd);

		if (rank > *ret_rank) {
			dnnl_primitive_desc_destroy(best);
			best = pd;
			*ret_rank = rank;
		} else {
			dnnl_primitive_desc_destroy(pd);
		}
	}
	return best;
}

static int plan_conv(struct plan *p, int i, int src)
{
	struct cb_net *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	enum cb_nn_act act = l->act;
	int join, from = -1, dst, rank;
	dnnl_primitive_desc_t pd = conv_best(p, l, n->tensor[src].v.b, act, &rank);
	dnnl_memory_desc_t smd, dmd, wmd, bmd, wplain, fmd;
	dnnl_dims_t wd = { l->groups, l->c / l->groups, l->ic / l->groups, l->size, l->size };
	dnnl_dims_t wd1 = { l->c, l->ic, l->size, l->size }, bd = { l->c };
	struct cb_nn_step *s;
	float *w, *b;

	if (rank <= 0 && act != CB_NN_LINEAR) {
		/* the activation may be what vector code cannot do: as a step of its own, then */
		dnnl_primitive_desc_t bare;
		int r;

		bare = conv_best(p, l, n->tensor[src].v.b, CB_NN_LINEAR, &r);
		if (r > rank) {
			dnnl_primitive_desc_destroy(pd);
			pd = bare;
			rank = r;
			act = CB_NN_LINEAR;
		} else {
			dnnl_primitive_desc_destroy(bare);
		}
	}
	if (rank < 0) {
		dnnl_primitive_desc_destroy(pd);
		return failed(p, i, "no such convolution", dnnl_unimplemented);
	}
	/* the general method adds wrong values where there are few channels (SSE4.1) */
	join = rank == 2 && act == l->act ? fusible(p, i) : -1;
	if (join >= 0) {
		uint32_t sb = block_of(query_md(pd, dnnl_query_src_md));
		uint32_t db = block_of(query_md(pd, dnnl_query_dst_md));
		dnnl_primitive_desc_t with = NULL;

		from = n->out[n->g.layer[join].from[0]];
		if (same_layout(&n->tensor[from].v, db))
			with = conv_pd(p, l, sb, db, act, true, n->g.layer[join].act);
		if (rank_pd(with) < rank) {
			dnnl_primitive_desc_destroy(with);
			join = -1;
		} else {
			dnnl_primitive_desc_destroy(pd);
			pd = with;
		}
	}
	smd = *query_md(pd, dnnl_query_src_md);
	dmd = *query_md(pd, dnnl_query_dst_md);
	wmd = *query_md(pd, dnnl_query_weights_md);
	if (l->groups > 1)
		dnnl_memory_desc_init_by_tag(&wplain, 5, wd, dnnl_f32, dnnl_goihw);
	else
		dnnl_memory_desc_init_by_tag(&wplain, 4, wd1, dnnl_f32, dnnl_oihw);
	dnnl_memory_desc_init_by_tag(&bmd, 1, bd, dnnl_f32, dnnl_x);
	if (load_weights(p, i, &wplain, &wmd, &w, &b))
		goto bad;
	src = in_layout(p, i, src, block_of(&smd));
	dst = src < 0 ? -1 : tensor_new(p, l->c, l->h, l->w, block_of(&dmd));
	if (dst < 0)
		goto bad;
	s = prim_step(p, i, pd);
	if (!s)
		return -1;
	arg_tensor(p, s, DNNL_ARG_SRC, &smd, src);
	arg_const(s, DNNL_ARG_WEIGHTS, &wmd, w);
	arg_const(s, DNNL_ARG_BIAS, &bmd, b);
	arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	if (join >= 0) {
		struct eltwise e[2];
		int at = act_ops(l->act, e);

		md_init(&fmd, l->c, l->h, l->w, tag_of(block_of(&dmd)));
		arg_tensor(p, s, DNNL_ARG_ATTR_MULTIPLE_POST_OP(at) | DNNL_ARG_SRC_1, &fmd, from);
		for (int k = i; k < join; k++)
			n->out[k] = CB_NN_FOLDED;
		n->out[join] = dst;
		return join;
	}
	n->out[i] = dst;
	if (act != l->act) {
		s = plain(p, CB_NN_OP_ACT, i, dst, dst, -1);
		if (!s)
			return -1;
		s->act = l->act;
	}
	return i;
bad:
	dnnl_primitive_desc_destroy(pd);
	return -1;
}

static int plan_connected(struct plan *p, int i, int src)
{
	struct cb_net *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	dnnl_dims_t wd = { l->c, l->ic, l->ih, l->iw }, bd = { l->c }, dd = { 1, l->c };
	dnnl_memory_desc_t smd, wmd, bmd, dmd, wplain;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_inner_product_desc_t d;
	struct cb_nn_step *s;
	dnnl_status_t st;
	float *w, *b;
	int dst;

	md_init(&smd, l->ic, l->ih, l->iw, tag_of(n->tensor[src].v.b));
	dnnl_memory_desc_init_by_tag(&wmd, 4, wd, dnnl_f32, dnnl_format_tag_any);
	dnnl_memory_desc_init_by_tag(&wplain, 4, wd, dnnl_f32, dnnl_oihw);
	dnnl_memory_desc_init_by_tag(&bmd, 1, bd, dnnl_f32, dnnl_x);
	dnnl_memory_desc_init_by_tag(&dmd, 2, dd, dnnl_f32, dnnl_nc);
	st = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &smd, &wmd, &bmd, &dmd);
	if (!st)
		st = attr_make(&attr, l->act, NULL, 0);
	if (!st)
		st = dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	if (st)
		return failed(p, i, "no such product", st);
	wmd = *query_md(pd, dnnl_query_weights_md);
	dst = tensor_new(p, l->c, 1, 1, 1);
	if (dst < 0 || load_weights(p, i, &wplain, &wmd, &w, &b)) {
		dnnl_primitive_desc_destroy(pd);
		return -1;
	}
	s = prim_step(p, i, pd);
	if (!s)
		return -1;
	arg_tensor(p, s, DNNL_ARG_SRC, &smd, src);
	arg_const(s, DNNL_ARG_WEIGHTS, &wmd, w);
	arg_const(s, DNNL_ARG_BIAS, &bmd, b);
	arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	n->out[i] = dst;
	return i;
}

/* --- the other layers -------------------------------------------------------------------------- */

static int plan_maxpool(struct plan *p, int i, int src)
{
	struct cb_net *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	const struct cb_nn_view sv = n->tensor[src].v;
	dnnl_dims_t stride = { l->stride_y, l->stride_x }, kernel = { l->size, l->size };
	dnnl_dims_t left = { l->pad / 2, l->pad / 2 };
	dnnl_dims_t right = { l->pad - l->pad / 2, l->pad - l->pad / 2 };
	dnnl_memory_desc_t smd, dmd;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_pooling_desc_t d;
	struct cb_nn_step *s;
	dnnl_status_t st;
	int dst = tensor_new(p, l->c, l->h, l->w, sv.b);

	if (dst < 0)
		return -1;
	md_of(&smd, &sv);
	md_of(&dmd, &n->tensor[dst].v);
	st = dnnl_pooling_forward_desc_init(&d, dnnl_forward_inference, dnnl_pooling_max, &smd, &dmd,
					    stride, kernel, left, right);
	if (!st)
		st = attr_make(&attr, 0, NULL, 0);
	if (!st)
		st = dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	n->out[i] = dst;
	if (st || !rank_of(impl_of(pd))) {
		dnnl_primitive_desc_destroy(st ? NULL : pd);
		return plain(p, CB_NN_OP_MAXPOOL, i, dst, src, -1) ? i : -1;
	}
	s = prim_step(p, i, pd);
	if (!s)
		return -1;
	arg_tensor(p, s, DNNL_ARG_SRC, &smd, src);
	arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	return i;
}

/* dst = act(a op b), b of a's shape or of one value a channel. 0: planned, 1: oneDNN has
 * nothing good for it, -1: error.
 *
 * Where shapes are equal all three are taken as flat rows: with post-ops oneDNN 2.6 computes
 * wrong values in layouts whose block is narrower than the vectors (nChw8c on AVX-512). For
 * the same reason there is no activation where b is broadcast, and none that would write to
 * the channels which only fill up a block. */
static int plan_binary(struct plan *p, int i, dnnl_alg_kind_t alg, int a, int b, int dst,
		       enum cb_nn_act act)
{
	struct cb_net *n = p->n;
	const struct cb_nn_view *av = &n->tensor[a].v, *bv = &n->tensor[b].v;
	bool flat = n->tensor[a].floats == n->tensor[b].floats;
	dnnl_dims_t row = { 1, (dnnl_dim_t)n->tensor[a].floats };
	dnnl_memory_desc_t amd, bmd, dmd;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_binary_desc_t d;
	struct cb_nn_step *s;
	dnnl_status_t st;

	if (act != CB_NN_LINEAR && (!flat || av->c % av->b))
		return 1;
	if (flat) {
		dnnl_memory_desc_init_by_tag(&amd, 2, row, dnnl_f32, dnnl_nc);
		bmd = dmd = amd;
	} else {
		md_of(&amd, av);
		/* a's tag, also where b's block differs in name only (1 x 1) */
		md_init(&bmd, bv->c, bv->h, bv->w, tag_of(av->b));
		md_of(&dmd, &n->tensor[dst].v);
	}
	st = dnnl_binary_desc_init(&d, alg, &amd, &bmd, &dmd);
	if (!st)
		st = attr_make(&attr, act, NULL, 0);
	if (!st)
		st = dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	if (st)
		return 1;
	if (!rank_of(impl_of(pd))) {
		dnnl_primitive_desc_destroy(pd);
		return 1;
	}
	s = prim_step(p, i, pd);
	if (!s)
		return -1;
	arg_tensor(p, s, DNNL_ARG_SRC_0, &amd, a);
	arg_tensor(p, s, DNNL_ARG_SRC_1, &bmd, b);
	arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	return 0;
}

static int plan_shortcut(struct plan *p, int i, int src)
{
	struct cb_net *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	const struct cb_nn_view sv = n->tensor[src].v;
	int dst = tensor_new(p, l->c, l->h, l->w, sv.b), from;
	struct cb_nn_step *s;

	if (dst < 0)
		return -1;
	n->out[i] = dst;
	from = n->out[l->from[0]];
	const struct cb_nn_view fv = n->tensor[from].v;

	if (l->nfrom == 1 && l->alpha == 1 && l->beta == 1 && fv.c == l->c && fv.h == l->h &&
	    fv.w == l->w) {
		int rc;

		from = in_layout(p, i, from, sv.b);
		if (from < 0)
			return -1;
		rc = plan_binary(p, i, dnnl_binary_add, src, from, dst, l->act);
		if (rc <= 0)
			return rc ? -1 : i;
	}
	s = plain(p, CB_NN_OP_COPY, i, dst, src, -1);
	if (!s)
		return -1;
	s->n = l->c;
	for (int k = 0; k < l->nfrom; k++) {
		s = plain(p, CB_NN_OP_SHORTCUT, i, dst, n->out[l->from[k]], -1);
		if (!s)
			return -1;
		s->alpha = l->alpha;
		s->beta = l->beta;
	}
	s = plain(p, CB_NN_OP_ACT, i, dst, dst, -1);
	if (!s)
		return -1;
	s->act = l->act;
	return i;
}

static int plan_scale(struct plan *p, int i, int src)
{
	struct cb_net *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	int from = n->out[l->from[0]], dst;
	struct cb_nn_step *s;

	dst = tensor_new(p, l->c, l->h, l->w, n->tensor[from].v.b);
	if (dst < 0)
		return -1;
	n->out[i] = dst;
	if (!l->scale_wh) {
		int by = in_layout(p, i, src, n->tensor[from].v.b), rc;

		if (by < 0)
			return -1;
		rc = plan_binary(p, i, dnnl_binary_mul, from, by, dst, l->act);
		if (rc <= 0)
			return rc ? -1 : i;
	}
	s = plain(p, CB_NN_OP_SCALE, i, dst, from, src);
	if (!s)
		return -1;
	s->act = l->act;
	return i;
}

/* Can the route be nothing but a name for memory? Its parts become parts of one tensor. */
static bool route_by_name(struct plan *p, const struct cb_nn_layer *l)
{
	struct cb_net *n = p->n;
	uint32_t b = n->tensor[n->out[l->from[0]]].v.b;

	if (l->groups != 1)
		return false;
	for (int k = 0; k < l->nfrom; k++) {
		const struct cb_nn_tensor *t = &n->tensor[n->out[l->from[k]]];

		if (t->v.b != b || t->parent >= 0 || (k + 1 < l->nfrom && t->v.c % b))
			return false;
		for (int m = 0; m < k; m++)
			if (n->out[l->from[m]] == n->out[l->from[k]])
				return false;
	}
	/* channels last interleaves the parts: only the block layouts are ranges */
	return is_block(b);
}

static int plan_route(struct plan *p, int i)
{
	struct cb_net *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	const struct cb_nn_tensor *first = &n->tensor[n->out[l->from[0]]];
	uint32_t b = first->v.b, at = 0;
	int dst;

	if (l->nfrom == 1 && l->groups == 1) {
		n->out[i] = n->out[l->from[0]];
		return i;
	}
	if (l->nfrom == 1 && l->c % b == 0 && is_block(b)) {
		int whole = n->out[l->from[0]];

		dst = tensor_new(p, l->c, l->h, l->w, b);
		if (dst < 0)
			return -1;
		n->tensor[dst].parent = whole;
		n->tensor[dst].poff = (size_t)l->group_id * l->c * l->h * l->w;
		n->out[i] = dst;
		return i;
	}
	if (!is_block(b))
		b = l->c;	/* channels last again, of all parts */
	dst = tensor_new(p, l->c, l->h, l->w, b);
	if (dst < 0)
		return -1;
	n->out[i] = dst;
	if (route_by_name(p, l)) {
		size_t off = 0;

		for (int k = 0; k < l->nfrom; k++) {
			struct cb_nn_tensor *t = &n->tensor[n->out[l->from[k]]];

			t->parent = dst;
			t->poff = off;
			off += t->floats;
			if (t->first < n->tensor[dst].first)
				n->tensor[dst].first = t->first;
			if (t->last > n->tensor[dst].last)
				n->tensor[dst].last = t->last;
		}
		return i;
	}
	for (int k = 0; k < l->nfrom; k++) {
		int from = n->out[l->from[k]];
		uint32_t part = n->tensor[from].v.c / l->groups;
		struct cb_nn_step *s = plain(p, CB_NN_OP_COPY, i, dst, from, -1);

		if (!s)
			return -1;
		s->s = part * l->group_id;
		s->d = at;
		s->n = part;
		at += part;
	}
	if (l->c % b && !plain(p, CB_NN_OP_PAD, i, dst, -1, -1))
		return -1;
	return i;
}

/* A layer in plain C with an output of its own, in block b. */
static int plan_plain(struct plan *p, int i, int src, enum cb_nn_op op, uint32_t b)
{
	const struct cb_nn_layer *l = &p->n->g.layer[i];
	int dst = tensor_new(p, l->c, l->h, l->w, b);
	struct cb_nn_step *s;

	if (dst < 0)
		return -1;
	s = plain(p, op, i, dst, src, -1);
	if (!s)
		return -1;
	s->act = l->act;
	p->n->out[i] = dst;
	return i;
}

/* Plan layer i; returns the last layer that is done with it, or -1. */
static int plan_layer(struct plan *p, int i)
{
	struct cb_net *n = p->n;
	int src = i ? n->out[i - 1] : n->input;
	uint32_t b = n->tensor[src].v.b;

	switch (n->g.layer[i].type) {
	case CB_NN_CONV: return plan_conv(p, i, src);
	case CB_NN_CONNECTED: return plan_connected(p, i, src);
	case CB_NN_MAXPOOL: return plan_maxpool(p, i, src);
	case CB_NN_SHORTCUT: return plan_shortcut(p, i, src);
	case CB_NN_SCALE_CHANNELS: return plan_scale(p, i, src);
	case CB_NN_ROUTE: return plan_route(p, i);
	case CB_NN_AVGPOOL: return plan_plain(p, i, src, CB_NN_OP_AVGPOOL, b);
	case CB_NN_UPSAMPLE: return plan_plain(p, i, src, CB_NN_OP_UPSAMPLE, b);
	case CB_NN_ACTIVATION: return plan_plain(p, i, src, CB_NN_OP_ACT, b);
	case CB_NN_REORG: return plan_plain(p, i, src, CB_NN_OP_REORG, 1);
	case CB_NN_SOFTMAX:
		src = in_layout(p, i, src, 1);
		return src < 0 ? -1 : plan_plain(p, i, src, CB_NN_OP_SOFTMAX, 1);
	case CB_NN_PASS:
	case CB_NN_YOLO:
	case CB_NN_REGION:
		n->out[i] = src;
		return i;
	}
	return cb_err_set(p->err, CB_E_BUG, "layer %d: unknown type", i);
}

/* --- memory ------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
	const struct cb_nn_tensor *const *x = a, *const *y = b;

	if ((*x)->floats != (*y)->floats)
		return (*x)->floats < (*y)->floats ? 1 : -1;
	return *x < *y ? -1 : *x > *y;
}

/* Give every tensor that is no part of another a place, large ones first, each the lowest
 * that no tensor alive at the same time has. */
static int place(struct plan *p)
{
	struct cb_net *n = p->n;
	struct cb_nn_tensor **order = malloc((size_t)n->ntensors * sizeof(*order));
	int k = 0;

	if (!order)
		return cb_err_nomem(p->err);
	for (int i = 0; i < n->ntensors; i++) {
		struct cb_nn_tensor *t = &n->tensor[i];

		/* what reads or writes a part keeps the whole alive */
		for (int a = t->parent; a >= 0; a = n->tensor[a].parent) {
			if (t->first < n->tensor[a].first)
				n->tensor[a].first = t->first;
			if (t->last > n->tensor[a].last)
				n->tensor[a].last = t->last;
		}
	}
	for (int i = 0; i < n->ntensors; i++)
		if (n->tensor[i].parent < 0)
			order[k++] = &n->tensor[i];
	qsort(order, (size_t)k, sizeof(*order), by_size);
	for (int i = 0; i < k; i++) {
		struct cb_nn_tensor *t = order[i];
		bool moved = true;

		t->off = 0;
		while (moved) {
			moved = false;
			for (int j = 0; j < i; j++) {
				const struct cb_nn_tensor *o = order[j];
				size_t room = (o->floats + 15) / 16 * 16;

				if (!n->keep && (o->last < t->first || t->last < o->first))
					continue;
				if (t->off < o->off + room && o->off < t->off + t->floats) {
					t->off = o->off + room;
					moved = true;
				}
			}
		}
		if (t->off + t->floats > n->arena_floats)
			n->arena_floats = t->off + t->floats;
		if (n->arena_floats > CB_NN_BYTES_MAX / sizeof(float)) {
			free(order);
			return too_large(p);
		}
	}
	free(order);
	return 0;
}

static size_t offset_of(const struct cb_net *n, int tensor)
{
	size_t off = 0;

	for (; n->tensor[tensor].parent >= 0; tensor = n->tensor[tensor].parent)
		off += n->tensor[tensor].poff;
	return off + n->tensor[tensor].off;
}

static int allocate(struct plan *p)
{
	struct cb_net *n = p->n;

	if (n->constant_bytes + n->scratch_bytes + n->arena_floats * sizeof(float) > CB_NN_BYTES_MAX)
		return too_large(p);
	/* some kernels read a vector beyond the last value */
	n->arena = cb_nn_alloc((n->arena_floats + 64) * sizeof(float));
	n->scratch = cb_nn_alloc(n->scratch_bytes);
	if (!n->arena || !n->scratch)
		return cb_err_nomem(p->err);
	for (int i = 0; i < n->ntensors; i++)
		n->tensor[i].v.p = n->arena + offset_of(n, i);
	for (int i = 0; i < n->nsteps; i++) {
		struct cb_nn_step *s = &n->step[i];

		for (int k = 0; k < s->nargs; k++) {
			struct cb_nn_arg *a = &s->arg[k];
			void *ptr = a->what == DNNL_ARG_SCRATCHPAD ? n->scratch :
				a->tensor >= 0 ? n->tensor[a->tensor].v.p : a->ptr;
			dnnl_status_t st;

			s->exec[k].arg = a->what;
			st = dnnl_memory_create(&s->exec[k].memory, &a->md, n->engine, ptr);
			if (st)
				return failed(p, s->layer, "memory", st);
		}
		free(s->arg);
		s->arg = NULL;
	}
	return 0;
}

int cb_nn_plan(struct cb_net *n, struct cb_nn_weights *f, struct cb_err *err)
{
	struct plan p = { n, f, NULL, err };
	const struct cb_nn_graph *g = &n->g;
	int rc = -1;

	n->out = malloc((size_t)g->n * sizeof(*n->out));
	p.uses = calloc((size_t)g->n, sizeof(*p.uses));
	if (!n->out || !p.uses) {
		cb_err_nomem(err);
		goto out;
	}
	for (int i = 0; i < g->n; i++) {
		n->out[i] = CB_NN_FOLDED;
		if (i && g->layer[i].type != CB_NN_ROUTE)
			p.uses[i - 1]++;
		for (int k = 0; k < g->layer[i].nfrom; k++)
			p.uses[g->layer[i].from[k]]++;
	}
	n->input = tensor_new(&p, g->c, g->h, g->w, 1);
	if (n->input < 0)
		goto out;
	n->tensor[n->input].first = 0;
	n->tensor[n->input].last = LAST;
	for (int i = 0; i < g->n; i++) {
		if (room(&p))
			goto out;
		i = plan_layer(&p, i);
		if (i < 0)
			goto out;
	}
	/* what is looked at after the run */
	for (int i = 0; i < g->n; i++)
		if (g->layer[i].type == CB_NN_YOLO || g->layer[i].type == CB_NN_REGION || i == g->n - 1)
			n->tensor[n->out[i]].last = LAST;
	if (place(&p) || allocate(&p) || room(&p))
		goto out;
	rc = 0;
out:
	free(p.uses);
	return rc;
}

void cb_nn_plan_release(struct cb_net *n)
{
	for (int i = 0; i < n->nsteps; i++) {
		struct cb_nn_step *s = &n->step[i];

		for (int k = 0; k < s->nargs; k++)
			dnnl_memory_destroy(s->exec[k].memory);
		dnnl_primitive_destroy(s->prim);
		free(s->arg);
	}
	for (int i = 0; i < n->nconstants; i++)
		free(n->constant[i]);
	free(n->constant);
	free(n->step);
	free(n->tensor);
	free(n->out);
	free(n->arena);
	free(n->scratch);
}

/* --- running -------------------------------------------------------------------------------------- */

static void run_plain(const struct cb_net *n, const struct cb_nn_step *s)
{
	const struct cb_nn_layer *l = &n->g.layer[s->layer];
	const struct cb_nn_view *d = &n->tensor[s->dst].v;
	const struct cb_nn_view *a = s->src >= 0 ? &n->tensor[s->src].v : NULL;
	const struct cb_nn_view *b = s->src2 >= 0 ? &n->tensor[s->src2].v : NULL;

	switch (s->op) {
	case CB_NN_OP_PRIM:
		break;
	case CB_NN_OP_COPY:
		cb_nn_copy(d, s->d, a, s->s, s->n);
		if (d->c == s->n)
			cb_nn_pad(d);
		break;
	case CB_NN_OP_PAD: cb_nn_pad(d); break;
	case CB_NN_OP_ACT: cb_nn_act(d, a, s->act); break;
	case CB_NN_OP_UPSAMPLE: cb_nn_upsample(d, a, l->stride_x, l->scale); break;
	case CB_NN_OP_SHORTCUT: cb_nn_shortcut(d, a, s->alpha, s->beta); break;
	case CB_NN_OP_AVGPOOL: cb_nn_avgpool(d, a); break;
	case CB_NN_OP_MAXPOOL: cb_nn_maxpool(d, a, l); break;
	case CB_NN_OP_SCALE: cb_nn_scale(d, a, b, l->scale_wh, s->act); break;
	case CB_NN_OP_REORG: cb_nn_reorg(d, a, l->stride_x); break;
	case CB_NN_OP_SOFTMAX: {
		size_t each = (size_t)d->c * d->h * d->w / l->groups;

		for (uint32_t k = 0; k < l->groups; k++)
			cb_nn_softmax(d->p + k * each, a->p + k * each, each, l->temperature);
		break;
	}
	}
}

/* Denormal numbers as zero (as libdarknet, too, has them): they slow some pictures down to
 * a tenth and change nothing. Returns what was set before. */
static unsigned denormals_off(void)
{
#ifdef __SSE__
	unsigned had = _mm_getcsr();

	_mm_setcsr(had | 0x8040);
	return had;
#else
	return 0;
#endif
}

static void denormals_back(unsigned had)
{
#ifdef __SSE__
	_mm_setcsr(had);
#else
	(void)had;
#endif
}

static int run_steps(const struct cb_net *n, struct cb_err *err)
{
	for (int i = 0; i < n->nsteps; i++) {
		const struct cb_nn_step *s = &n->step[i];
		dnnl_status_t st;

		if (s->op != CB_NN_OP_PRIM) {
			run_plain(n, s);
			continue;
		}
		st = dnnl_primitive_execute(s->prim, n->stream, s->nargs, s->exec);
		if (st)
			return cb_err_set(err, CB_E_BUG, "layer %d %s: oneDNN status %d", s->layer,
					  n->g.layer[s->layer].name, (int)st);
	}
	return 0;
}

int cb_nn_plan_run(const struct cb_net *n, struct cb_err *err)
{
	unsigned had = denormals_off();
	int rc = run_steps(n, err);

	denormals_back(had);
	return rc;
}
