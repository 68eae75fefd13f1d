/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and connected layers: which method and layout, weights, what is fused. */
#include "nn/planner.h"

#include <stdlib.h>
#include <string.h>

/* A descriptor for l with src and dst in these blocks (0: as oneDNN likes), and the addition
 * of a tensor laid out as dst. NULL where oneDNN has none. */
static dnnl_primitive_desc_t conv_pd(struct cb_nn_planner *p, const struct cb_nn_layer *l, uint32_t src_b,
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

	cb_nn_md(&smd, l->ic, l->ih, l->iw, src_b ? cb_nn_tag(src_b) : dnnl_format_tag_any);
	cb_nn_md(&dmd, l->c, l->h, l->w, dst_b ? cb_nn_tag(dst_b) : dnnl_format_tag_any);
	if (g > 1)
		dnnl_memory_desc_init_by_tag(&wmd, 5, wd, dnnl_f32, dnnl_format_tag_any);
	else
		dnnl_memory_desc_init_by_tag(&wmd, 4, wd1, dnnl_f32, dnnl_format_tag_any);
	dnnl_memory_desc_init_by_tag(&bmd, 1, bd, dnnl_f32, dnnl_x);
	s = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference,
		dnnl_convolution_direct, &smd, &wmd, &bmd, &dmd, stride, dil, pad, pad);
	if (!s)
		s = cb_nn_attr(&attr, act, add ? &dmd : NULL, act2);
	if (!s)
		s = dnnl_primitive_desc_create(&pd, &d, attr, p->n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	return s ? NULL : pd;
}

static int rank_pd(dnnl_primitive_desc_t pd)
{
	if (!pd || !cb_nn_block_of(cb_nn_query_md(pd, dnnl_query_src_md)) ||
	    !cb_nn_block_of(cb_nn_query_md(pd, dnnl_query_dst_md)))
		return -1;
	return cb_nn_rank(cb_nn_impl(pd));
}

/* Read, fold and lay out the weights of a convolution or connected layer. */
static int load_weights(struct cb_nn_planner *p, int layer, const dnnl_memory_desc_t *plain_md,
			const dnnl_memory_desc_t *want, float **ret_w, float **ret_b)
{
	int share = p->n->g.layer[layer].share, from = share < 0 ? layer : share;
	const struct cb_nn_layer *l = &p->n->g.layer[from];
	size_t nw = (size_t)(l->weights - (l->bn ? 4 : 1) * (uint64_t)l->c);
	float *tmp = NULL, *w, *b;
	int rc = -1;

	w = cb_nn_constant(p, dnnl_memory_desc_get_size(want));
	b = w ? cb_nn_constant(p, (l->c + 63) / 64 * 64 * sizeof(float)) : NULL;
	if (!b)
		return -1;
	tmp = cb_nn_alloc(nw * sizeof(float));
	if (!tmp)
		return cb_err_nomem(p->err);
	if (cb_nn_weights_layer(p->f, &p->n->g, from, tmp, b, p->err))
		goto out;
	if (dnnl_memory_desc_equal(plain_md, want))
		memcpy(w, tmp, nw * sizeof(float));
	else if (cb_nn_reorder_now(p, layer, plain_md, tmp, want, w))
		goto out;
	*ret_w = w;
	*ret_b = b;
	rc = 0;
out:
	free(tmp);
	return rc;
}

int cb_nn_fusible(struct cb_nn_planner *p, int i)
{
	const struct cb_nn_graph *g = &p->n->g;
	int j = i + 1;

	if (p->n->apart)
		return -1;
	while (j < g->n && g->layer[j].type == CB_NN_PASS && p->uses[j - 1] == 1)
		j++;
	if (j >= g->n || g->layer[j].type != CB_NN_SHORTCUT || p->uses[j - 1] != 1 ||
	    g->layer[j].nfrom != 1 || g->layer[j].alpha != 1 || g->layer[j].beta != 1 ||
	    g->layer[j].mix)
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
static dnnl_primitive_desc_t conv_best(struct cb_nn_planner *p, const struct cb_nn_layer *l, uint32_t b,
				       enum cb_nn_act act, int *ret_rank)
{
	uint32_t first = blocks_of_8(l, b) ? 8 : blocks_of_16(l, b) ? 16 : b;
	const uint32_t tries[][2] = {
		{ first, first == b ? 0 : first }, { b, 0 }, { b, cb_nn_is_block(b) ? b : l->c }, { 0, 0 }, { 16, 16 }, { 8, 8 }, { l->ic, l->c },
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

int cb_nn_plan_conv(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
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
		return cb_nn_failed(p, i, "no such convolution", dnnl_unimplemented);
	}
	/* the general method adds wrong values where there are few channels (SSE4.1) */
	join = rank == 2 && act == l->act ? cb_nn_fusible(p, i) : -1;
	if (join >= 0) {
		uint32_t sb = cb_nn_block_of(cb_nn_query_md(pd, dnnl_query_src_md));
		uint32_t db = cb_nn_block_of(cb_nn_query_md(pd, dnnl_query_dst_md));
		dnnl_primitive_desc_t with = NULL;

		from = cb_nn_as_floats(p, i, n->out[n->g.layer[join].from[0]]);
		if (from < 0) {
			dnnl_primitive_desc_destroy(pd);
			return -1;
		}
		if (cb_nn_same_layout(&n->tensor[from].v, db))
			with = conv_pd(p, l, sb, db, act, true, n->g.layer[join].act);
		if (rank_pd(with) < rank) {
			dnnl_primitive_desc_destroy(with);
			join = -1;
		} else {
			dnnl_primitive_desc_destroy(pd);
			pd = with;
		}
	}
	smd = *cb_nn_query_md(pd, dnnl_query_src_md);
	dmd = *cb_nn_query_md(pd, dnnl_query_dst_md);
	wmd = *cb_nn_query_md(pd, dnnl_query_weights_md);
	if (l->groups > 1)
		dnnl_memory_desc_init_by_tag(&wplain, 5, wd, dnnl_f32, dnnl_goihw);
	else
		dnnl_memory_desc_init_by_tag(&wplain, 4, wd1, dnnl_f32, dnnl_oihw);
	dnnl_memory_desc_init_by_tag(&bmd, 1, bd, dnnl_f32, dnnl_x);
	if (load_weights(p, i, &wplain, &wmd, &w, &b))
		goto bad;
	src = cb_nn_in_layout(p, i, src, cb_nn_block_of(&smd));
	dst = src < 0 ? -1 : cb_nn_tensor_new(p, l->c, l->h, l->w, cb_nn_block_of(&dmd));
	if (dst < 0)
		goto bad;
	s = cb_nn_prim(p, i, pd);
	if (!s)
		return -1;
	cb_nn_arg_tensor(p, s, DNNL_ARG_SRC, &smd, src);
	cb_nn_arg_const(s, DNNL_ARG_WEIGHTS, &wmd, w);
	cb_nn_arg_const(s, DNNL_ARG_BIAS, &bmd, b);
	cb_nn_arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	if (join >= 0) {
		struct cb_nn_eltwise e[2];
		int at = cb_nn_act_ops(l->act, e);

		cb_nn_md(&fmd, l->c, l->h, l->w, cb_nn_tag(cb_nn_block_of(&dmd)));
		cb_nn_arg_tensor(p, s, DNNL_ARG_ATTR_MULTIPLE_POST_OP(at) | DNNL_ARG_SRC_1, &fmd, from);
		for (int k = i; k < join; k++)
			n->out[k] = CB_NN_FOLDED;
		n->out[join] = dst;
		return join;
	}
	n->out[i] = dst;
	if (act != l->act) {
		s = cb_nn_plain(p, CB_NN_OP_ACT, i, dst, dst, -1);
		if (!s)
			return -1;
		s->act = l->act;
	}
	return i;
bad:
	dnnl_primitive_desc_destroy(pd);
	return -1;
}

int cb_nn_plan_connected(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	dnnl_dims_t wd = { l->c, l->ic, l->ih, l->iw }, bd = { l->c }, dd = { 1, l->c };
	dnnl_memory_desc_t smd, wmd, bmd, dmd, wplain;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_inner_product_desc_t d;
	struct cb_nn_eltwise e[2];
	bool apart = cb_nn_act_ops(l->act, e) < 0;
	struct cb_nn_step *s;
	dnnl_status_t st;
	float *w, *b;
	int dst;

	cb_nn_md(&smd, l->ic, l->ih, l->iw, cb_nn_tag(n->tensor[src].v.b));
	dnnl_memory_desc_init_by_tag(&wmd, 4, wd, dnnl_f32, dnnl_format_tag_any);
	dnnl_memory_desc_init_by_tag(&wplain, 4, wd, dnnl_f32, dnnl_oihw);
	dnnl_memory_desc_init_by_tag(&bmd, 1, bd, dnnl_f32, dnnl_x);
	dnnl_memory_desc_init_by_tag(&dmd, 2, dd, dnnl_f32, dnnl_nc);
	st = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &smd, &wmd, &bmd, &dmd);
	if (!st)
		st = cb_nn_attr(&attr, apart ? CB_NN_LINEAR : l->act, NULL, 0);
	if (!st)
		st = dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	if (st)
		return cb_nn_failed(p, i, "no such product", st);
	wmd = *cb_nn_query_md(pd, dnnl_query_weights_md);
	dst = cb_nn_tensor_new(p, l->c, 1, 1, 1);
	if (dst < 0 || load_weights(p, i, &wplain, &wmd, &w, &b)) {
		dnnl_primitive_desc_destroy(pd);
		return -1;
	}
	s = cb_nn_prim(p, i, pd);
	if (!s)
		return -1;
	cb_nn_arg_tensor(p, s, DNNL_ARG_SRC, &smd, src);
	cb_nn_arg_const(s, DNNL_ARG_WEIGHTS, &wmd, w);
	cb_nn_arg_const(s, DNNL_ARG_BIAS, &bmd, b);
	cb_nn_arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	n->out[i] = dst;
	if (apart) {
		s = cb_nn_plain(p, CB_NN_OP_ACT, i, dst, dst, -1);
		if (!s)
			return -1;
		s->act = l->act;
	}
	return i;
}

