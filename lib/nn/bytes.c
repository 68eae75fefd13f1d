/* SPDX-License-Identifier: Apache-2.0 */
/* Planning in 8 bits: convolutions on bytes, and the layers between them that only move or
 * choose values. Everything else is planned in floats, with a step between the two.
 *
 * What a convolution adds up, sum, is s_in s_w (q_in - z_in) q_w. oneDNN gives
 * post(scale (sum + bias)) + z_out, rounded and cut to 0..255, so with
 *   scale = s_in s_w / s_out   for activations that a factor may pass through, else
 *   scale = s_in s_w           and a last post-op 1 / s_out
 * the bytes of the next layer come out. A shortcut is added in the unit of its own bytes. */
#include "nn/planner.h"

#include <stdlib.h>
#include <string.h>

#include "nn/depthwise.h"

bool cb_nn_has_vnni(void)
{
	dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();

	return (isa & dnnl_cpu_isa_avx512_core_vnni) == dnnl_cpu_isa_avx512_core_vnni ||
		isa == dnnl_cpu_isa_avx2_vnni;
}

/* act(k x) = k act(x) for k > 0 */
static bool homogeneous(enum cb_nn_act a)
{
	return a == CB_NN_LINEAR || a == CB_NN_LEAKY || a == CB_NN_RELU || a == CB_NN_RELIE;
}

static void md_bytes(dnnl_memory_desc_t *md, uint32_t c, uint32_t h, uint32_t w)
{
	dnnl_dims_t d = { 1, c, h, w };

	dnnl_memory_desc_init_by_tag(md, 4, d, dnnl_u8, dnnl_nhwc);
}

int cb_nn_tensor_bytes(struct cb_nn_planner *p, uint32_t c, uint32_t h, uint32_t w, struct cb_nn_q q)
{
	int t = cb_nn_tensor_new(p, c, h, w, c);

	if (t >= 0) {
		p->n->tensor[t].u8 = true;
		p->n->tensor[t].q = q;
		p->n->tensor[t].bytes = (size_t)c * h * w;
	}
	return t;
}

void cb_nn_range(struct cb_nn_planner *p, int i)
{
	const struct cb_nn_qlayer *l = &p->q->layer[i];
	int t = p->n->out[i];

	if (t >= 0 && !p->n->tensor[t].u8 && p->n->tensor[t].q.scale == 0 && l->hi > l->lo)
		p->n->tensor[t].q = cb_nn_q_of(l->lo, l->hi);
}

static dnnl_status_t scaling(dnnl_primitive_attr_t *ret, const float *scale, int n, int mask,
			     int32_t src_zero, int32_t dst_zero)
{
	dnnl_status_t s = dnnl_primitive_attr_create(ret);

	if (!s)
		s = dnnl_primitive_attr_set_scratchpad_mode(*ret, dnnl_scratchpad_mode_user);
	if (!s)
		s = dnnl_primitive_attr_set_output_scales(*ret, n, mask, scale);
	if (!s && src_zero)
		s = dnnl_primitive_attr_set_zero_points(*ret, DNNL_ARG_SRC, 1, 0, &src_zero);
	if (!s && dst_zero)
		s = dnnl_primitive_attr_set_zero_points(*ret, DNNL_ARG_DST, 1, 0, &dst_zero);
	return s;
}

/* Between floats and bytes. */
static int convert(struct cb_nn_planner *p, int layer, int from, int to)
{
	const struct cb_nn_tensor *a = &p->n->tensor[from], *b = &p->n->tensor[to];
	float scale = b->u8 ? 1 / b->q.scale : a->q.scale;
	dnnl_memory_desc_t amd, bmd;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_engine_t e = p->n->engine;
	struct cb_nn_step *s;
	dnnl_status_t st;

	md_bytes(a->u8 ? &amd : &bmd, a->v.c, a->v.h, a->v.w);
	cb_nn_md_of(a->u8 ? &bmd : &amd, a->u8 ? &b->v : &a->v);
	st = scaling(&attr, &scale, 1, 0, a->u8 ? a->q.zero : 0, b->u8 ? b->q.zero : 0);
	if (!st)
		st = dnnl_reorder_primitive_desc_create(&pd, &amd, e, &bmd, e, attr);
	dnnl_primitive_attr_destroy(attr);
	if (st)
		return cb_nn_failed(p, layer, "no such conversion", st);
	s = cb_nn_prim(p, layer, pd);
	if (!s)
		return -1;
	cb_nn_arg_tensor(p, s, DNNL_ARG_FROM, &amd, from);
	cb_nn_arg_tensor(p, s, DNNL_ARG_TO, &bmd, to);
	p->n->tensor[from].twin = to;
	p->n->tensor[to].twin = from;
	return to;
}

int cb_nn_as_floats(struct cb_nn_planner *p, int layer, int tensor)
{
	const struct cb_nn_tensor *t = &p->n->tensor[tensor];
	struct cb_nn_q q = t->q;
	int to;

	if (!t->u8)
		return tensor;
	if (t->twin >= 0)
		return t->twin;
	/* channels last, as the bytes are; what follows copies where it wants another layout */
	to = cb_nn_tensor_new(p, t->v.c, t->v.h, t->v.w, t->v.c);
	if (to < 0)
		return -1;
	p->n->tensor[to].q = q;
	return convert(p, layer, tensor, to);
}

int cb_nn_as_bytes(struct cb_nn_planner *p, int layer, int tensor)
{
	const struct cb_nn_tensor *t = &p->n->tensor[tensor];
	int to;

	if (t->u8)
		return tensor;
	if (t->twin >= 0)
		return t->twin;
	if (t->q.scale == 0)
		return -2;
	to = cb_nn_tensor_bytes(p, t->v.c, t->v.h, t->v.w, t->q);
	return to < 0 ? -1 : convert(p, layer, tensor, to);
}

void cb_nn_wants(struct cb_nn_planner *p)
{
	const struct cb_nn_graph *g = &p->n->g;

	for (int i = g->n - 1; i >= 0; i--) {
		const struct cb_nn_layer *l = &g->layer[i];
		bool follows = p->wants[i] && (l->type == CB_NN_MAXPOOL || l->type == CB_NN_ROUTE ||
			l->type == CB_NN_UPSAMPLE || l->type == CB_NN_PASS || l->type == CB_NN_SHORTCUT);

		if (i && l->type != CB_NN_ROUTE)
			p->wants[i - 1] |= follows || (l->type == CB_NN_CONV && p->q->layer[i].int8);
		for (int k = 0; k < l->nfrom; k++)
			p->wants[l->from[k]] |= follows;
	}
}

/* --- convolution -------------------------------------------------------------------------------- */

struct conv {
	int layer, last;		/* last: the shortcut that is added, or layer */
	int src, add, dst;		/* tensors; add may be -1 */
	dnnl_memory_desc_t wmd, bmd, amd;
	int add_at;			/* the post-op that adds */
};

static dnnl_status_t linear(dnnl_post_ops_t ops, float alpha, float beta)
{
	return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, alpha, beta);
}

/* What follows the sum; *ret_unit: what one of the scaled sums is worth. */
static dnnl_status_t post(struct cb_nn_planner *p, struct conv *c, dnnl_post_ops_t ops, float *ret_unit)
{
	const struct cb_nn_layer *l = &p->n->g.layer[c->layer], *j = &p->n->g.layer[c->last];
	const struct cb_nn_tensor *dst = &p->n->tensor[c->dst];
	float out = dst->u8 ? dst->q.scale : 1, unit = 1;
	dnnl_status_t s;

	if (c->add < 0) {
		if (homogeneous(l->act))
			unit = out;
		*ret_unit = unit;
		s = cb_nn_append_act(ops, l->act);
		return s || unit == out ? s : linear(ops, 1 / out, 0);
	}
	const struct cb_nn_q a = p->n->tensor[c->add].q;
	float rest = -(float)a.zero;

	if (homogeneous(l->act))
		unit = a.scale;
	*ret_unit = unit;
	s = cb_nn_append_act(ops, l->act);
	if (!s && unit != a.scale)
		s = linear(ops, 1 / a.scale, 0);
	c->add_at = dnnl_post_ops_len(ops);
	if (!s)
		s = dnnl_post_ops_append_binary(ops, dnnl_binary_add, &c->amd);
	if (!s && j->act != CB_NN_LINEAR) {
		s = linear(ops, homogeneous(j->act) ? 1 : a.scale,
			   homogeneous(j->act) ? rest : rest * a.scale);
		if (!s)
			s = cb_nn_append_act(ops, j->act);
		return s ? s : linear(ops, (homogeneous(j->act) ? a.scale : 1) / out, 0);
	}
	return s ? s : linear(ops, a.scale / out, rest * a.scale / out);
}

static dnnl_primitive_desc_t conv_pd(struct cb_nn_planner *p, struct conv *c, float *bias)
{
	const struct cb_nn_layer *l = &p->n->g.layer[c->layer];
	const struct cb_nn_qlayer *q = &p->q->layer[c->layer];
	const struct cb_nn_tensor *src = &p->n->tensor[c->src], *dst = &p->n->tensor[c->dst];
	uint32_t g = l->groups;
	dnnl_dims_t wd = { g, l->c / g, l->ic / g, l->size, l->size };
	dnnl_dims_t wd1 = { l->c, l->ic, l->size, l->size }, bd = { l->c };
	dnnl_dims_t stride = { l->stride_y, l->stride_x };
	dnnl_dims_t dil = { l->dilation - 1, l->dilation - 1 }, pad = { l->pad, l->pad };
	dnnl_memory_desc_t smd, dmd;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_post_ops_t ops = NULL;
	dnnl_convolution_desc_t d;
	float *scale = malloc(l->c * sizeof(*scale)), unit;
	dnnl_status_t s = scale ? dnnl_success : dnnl_out_of_memory;

	md_bytes(&smd, l->ic, l->ih, l->iw);
	md_bytes(&dmd, l->c, l->h, l->w);
	md_bytes(&c->amd, l->c, l->h, l->w);
	if (!dst->u8)
		cb_nn_md(&dmd, l->c, l->h, l->w, dnnl_nhwc);
	dnnl_memory_desc_init_by_tag(&c->wmd, g > 1 ? 5 : 4, g > 1 ? wd : wd1, dnnl_s8, dnnl_format_tag_any);
	dnnl_memory_desc_init_by_tag(&c->bmd, 1, bd, dnnl_f32, dnnl_x);
	if (!s)
		s = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference,
			dnnl_convolution_direct, &smd, &c->wmd, &c->bmd, &dmd, stride, dil, pad, pad);
	if (!s)
		s = dnnl_post_ops_create(&ops);
	if (!s)
		s = post(p, c, ops, &unit);
	for (uint32_t k = 0; k < l->c && !s; k++) {
		float sw, b;

		memcpy(&sw, q->scale + 4 * (size_t)k, 4);
		memcpy(&b, q->bias + 4 * (size_t)k, 4);
		scale[k] = src->q.scale * sw / unit;
		bias[k] = b / (src->q.scale * sw);
	}
	if (!s)
		s = scaling(&attr, scale, (int)l->c, 2, src->q.zero, dst->u8 ? dst->q.zero : 0);
	if (!s)
		s = dnnl_primitive_attr_set_post_ops(attr, ops);
	if (!s)
		s = dnnl_primitive_desc_create(&pd, &d, attr, p->n->engine, NULL);
	dnnl_post_ops_destroy(ops);
	dnnl_primitive_attr_destroy(attr);
	free(scale);
	if (s || !cb_nn_rank(cb_nn_impl(pd))) {
		dnnl_primitive_desc_destroy(pd);
		return NULL;
	}
	return pd;
}

static int plan_conv(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	const struct cb_nn_qlayer *q = &p->q->layer[i];
	struct conv c = { .layer = i, .last = i, .add = -1, .dst = -1 };
	dnnl_dims_t wd = { l->groups, l->c / l->groups, l->ic / l->groups, l->size, l->size };
	dnnl_dims_t wd1 = { l->c, l->ic, l->size, l->size };
	dnnl_memory_desc_t plain;
	dnnl_primitive_desc_t pd;
	struct cb_nn_step *s;
	int join = cb_nn_fusible(p, i);
	const struct cb_nn_qlayer *out;
	void *w;
	float *b;

	c.src = cb_nn_as_bytes(p, i, src);
	if (c.src < 0)
		return c.src;
	if (join >= 0) {
		c.add = cb_nn_as_bytes(p, i, n->out[n->g.layer[join].from[0]]);
		if (c.add == -1)
			return -1;
		if (c.add >= 0)
			c.last = join;
		else
			c.add = -1;
	}
	out = &p->q->layer[c.last];
	c.dst = p->wants[c.last] && out->hi > out->lo ?
		cb_nn_tensor_bytes(p, l->c, l->h, l->w, cb_nn_q_of(out->lo, out->hi)) :
		cb_nn_tensor_new(p, l->c, l->h, l->w, l->c);
	if (c.dst >= 0 && n->tensor[c.dst].u8 && c.last == i && n->threads == 1 && cb_nn_depthwise_fits(l)) {
		struct cb_nn_depthwise *d = cb_nn_constant(p, cb_nn_depthwise_bytes(l));

		if (!d)
			return -1;
		cb_nn_depthwise_init(d, l, q, n->tensor[c.src].q, n->tensor[c.dst].q);
		s = cb_nn_plain(p, CB_NN_OP_DEPTHWISE, i, c.dst, c.src, -1);
		if (!s)
			return -1;
		s->constant = d;
		n->out[i] = c.dst;
		return i;
	}
	b = c.dst < 0 ? NULL : cb_nn_constant(p, (l->c + 63) / 64 * 64 * sizeof(float));
	if (!b)
		return -1;
	pd = conv_pd(p, &c, b);
	if (!pd && c.last != i) {
		/* the shortcut by itself, then */
		c.add = -1;
		c.last = i;
		c.dst = cb_nn_tensor_new(p, l->c, l->h, l->w, l->c);
		if (c.dst < 0)
			return -1;
		pd = conv_pd(p, &c, b);
	}
	if (!pd)
		return -2;
	c.wmd = *cb_nn_query_md(pd, dnnl_query_weights_md);
	dnnl_memory_desc_init_by_tag(&plain, l->groups > 1 ? 5 : 4, l->groups > 1 ? wd : wd1, dnnl_s8,
				     l->groups > 1 ? dnnl_goihw : dnnl_oihw);
	w = cb_nn_constant(p, dnnl_memory_desc_get_size(&c.wmd));
	if (!w || cb_nn_reorder_now(p, i, &plain, (void *)(uintptr_t)q->w, &c.wmd, w)) {
		dnnl_primitive_desc_destroy(pd);
		return -1;
	}
	dnnl_memory_desc_t smd = *cb_nn_query_md(pd, dnnl_query_src_md);
	dnnl_memory_desc_t dmd = *cb_nn_query_md(pd, dnnl_query_dst_md);

	s = cb_nn_prim(p, i, pd);
	if (!s)
		return -1;
	cb_nn_arg_tensor(p, s, DNNL_ARG_SRC, &smd, c.src);
	cb_nn_arg_const(s, DNNL_ARG_WEIGHTS, &c.wmd, w);
	cb_nn_arg_const(s, DNNL_ARG_BIAS, &c.bmd, b);
	cb_nn_arg_tensor(p, s, DNNL_ARG_DST, &dmd, c.dst);
	if (c.add >= 0)
		cb_nn_arg_tensor(p, s, DNNL_ARG_ATTR_MULTIPLE_POST_OP(c.add_at) | DNNL_ARG_SRC_1, &c.amd,
				 c.add);
	for (int k = i; k < c.last; k++)
		n->out[k] = CB_NN_FOLDED;
	n->out[c.last] = c.dst;
	return c.last;
}

/* --- what moves and chooses ------------------------------------------------------------------------ */

static int plan_maxpool(struct cb_nn_planner *p, int i, int src)
{
	const struct cb_nn_layer *l = &p->n->g.layer[i];
	int dst;

	if (l->size > CB_NN_BYTES_WINDOW)
		return -2;
	dst = cb_nn_tensor_bytes(p, l->c, l->h, l->w, p->n->tensor[src].q);
	if (dst < 0 || !cb_nn_plain(p, CB_NN_OP_BYTES_MAXPOOL, i, dst, src, -1))
		return -1;
	p->n->out[i] = dst;
	return i;
}

static int plan_upsample(struct cb_nn_planner *p, int i, int src)
{
	const struct cb_nn_layer *l = &p->n->g.layer[i];
	int dst;

	if (l->scale != 1)
		return -2;
	dst = cb_nn_tensor_bytes(p, l->c, l->h, l->w, p->n->tensor[src].q);
	if (dst < 0 || !cb_nn_plain(p, CB_NN_OP_BYTES_UPSAMPLE, i, dst, src, -1))
		return -1;
	p->n->out[i] = dst;
	return i;
}

static int plan_route(struct cb_nn_planner *p, int i)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	const struct cb_nn_qlayer *q = &p->q->layer[i];
	uint32_t at = 0;
	int dst;

	for (int k = 0; k < l->nfrom; k++) {
		int t = n->out[l->from[k]];

		if (!n->tensor[t].u8 && n->tensor[t].twin < 0 && n->tensor[t].q.scale == 0)
			return -2;
	}
	if (l->nfrom == 1 && l->groups == 1) {
		n->out[i] = cb_nn_as_bytes(p, i, n->out[l->from[0]]);
		return n->out[i] < 0 ? -1 : i;
	}
	if (!(q->hi > q->lo))
		return -2;
	dst = cb_nn_tensor_bytes(p, l->c, l->h, l->w, cb_nn_q_of(q->lo, q->hi));
	if (dst < 0)
		return -1;
	for (int k = 0; k < l->nfrom; k++) {
		int from = cb_nn_as_bytes(p, i, n->out[l->from[k]]);
		uint32_t part;
		struct cb_nn_step *s;

		if (from < 0)
			return -1;
		part = n->tensor[from].v.c / l->groups;
		s = cb_nn_plain(p, CB_NN_OP_BYTES_COPY, i, dst, from, -1);
		if (!s)
			return -1;
		s->s = part * l->group_id;
		s->d = at;
		s->n = part;
		at += part;
	}
	n->out[i] = dst;
	return i;
}

int cb_nn_plan_bytes(struct cb_nn_planner *p, int i, int src)
{
	switch (p->n->g.layer[i].type) {
	case CB_NN_CONV:
		return p->q->layer[i].int8 ? plan_conv(p, i, src) : -2;
	case CB_NN_MAXPOOL:
		return p->n->tensor[src].u8 && p->wants[i] ? plan_maxpool(p, i, src) : -2;
	case CB_NN_UPSAMPLE:
		return p->n->tensor[src].u8 && p->wants[i] ? plan_upsample(p, i, src) : -2;
	case CB_NN_ROUTE:
		return p->wants[i] ? plan_route(p, i) : -2;
	default:
		return -2;
	}
}
