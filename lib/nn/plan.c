/* SPDX-License-Identifier: Apache-2.0 */
/* From a graph to oneDNN primitives: layouts, fusions, weights, and who lives where when.
 *
 * Convolutions choose the layout; everything else follows what it is given. With one picture
 * at a time a tensor of whole channel blocks is one contiguous range, so a route costs
 * nothing: its parts are written where it stands. A shortcut is added by the convolution
 * before it (as a binary post-op: sum after leaky has no vector code on AVX2). */
#include "nn/planner.h"

#include <stdlib.h>

#define LAST INT32_MAX

/* maxpool and local_avgpool */
static int plan_pool(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
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
	int dst = cb_nn_tensor_new(p, l->c, l->h, l->w, sv.b);

	if (dst < 0)
		return -1;
	cb_nn_md_of(&smd, &sv);
	cb_nn_md_of(&dmd, &n->tensor[dst].v);
	st = dnnl_pooling_forward_desc_init(&d, dnnl_forward_inference, l->type == CB_NN_MAXPOOL ?
					    dnnl_pooling_max : dnnl_pooling_avg_exclude_padding,
					    &smd, &dmd, stride, kernel, left, right);
	if (!st)
		st = cb_nn_attr(&attr, 0, NULL, 0);
	if (!st)
		st = dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	n->out[i] = dst;
	if (st || !cb_nn_rank(cb_nn_impl(pd))) {
		dnnl_primitive_desc_destroy(st ? NULL : pd);
		return cb_nn_plain(p, CB_NN_OP_POOL, i, dst, src, -1) ? i : -1;
	}
	s = cb_nn_prim(p, i, pd);
	if (!s)
		return -1;
	cb_nn_arg_tensor(p, s, DNNL_ARG_SRC, &smd, src);
	cb_nn_arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	return i;
}

/* dst = act(a op b), b of a's shape or of one value a channel. 0: planned, 1: oneDNN has
 * nothing good for it, -1: error.
 *
 * Where shapes are equal all three are taken as flat rows: with post-ops oneDNN 2.6 computes
 * wrong values in layouts whose block is narrower than the vectors (nChw8c on AVX-512). For
 * the same reason there is no activation where b is broadcast, and none that would write to
 * the channels which only fill up a block. */
static int plan_binary(struct cb_nn_planner *p, int i, dnnl_alg_kind_t alg, int a, int b, int dst,
		       enum cb_nn_act act)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_view *av = &n->tensor[a].v, *bv = &n->tensor[b].v;
	bool flat = n->tensor[a].bytes == n->tensor[b].bytes;
	dnnl_dims_t row = { 1, (dnnl_dim_t)(n->tensor[a].bytes / sizeof(float)) };
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
		cb_nn_md_of(&amd, av);
		/* a's tag, also where b's block differs in name only (1 x 1) */
		cb_nn_md(&bmd, bv->c, bv->h, bv->w, cb_nn_tag(av->b));
		cb_nn_md_of(&dmd, &n->tensor[dst].v);
	}
	st = dnnl_binary_desc_init(&d, alg, &amd, &bmd, &dmd);
	if (!st)
		st = cb_nn_attr(&attr, act, NULL, 0);
	if (!st)
		st = dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	if (st)
		return 1;
	if (!cb_nn_rank(cb_nn_impl(pd))) {
		dnnl_primitive_desc_destroy(pd);
		return 1;
	}
	s = cb_nn_prim(p, i, pd);
	if (!s)
		return -1;
	cb_nn_arg_tensor(p, s, DNNL_ARG_SRC_0, &amd, a);
	cb_nn_arg_tensor(p, s, DNNL_ARG_SRC_1, &bmd, b);
	cb_nn_arg_tensor(p, s, DNNL_ARG_DST, &dmd, dst);
	return 0;
}

/* A step that applies an activation in place, unless there is none. */
static int plan_act(struct cb_nn_planner *p, int i, int tensor)
{
	struct cb_nn_step *s;

	if (p->n->g.layer[i].act == CB_NN_LINEAR)
		return i;
	s = cb_nn_plain(p, CB_NN_OP_ACT, i, tensor, tensor, -1);
	if (!s)
		return -1;
	s->act = p->n->g.layer[i].act;
	return i;
}

/* dst = k * src + add, or that added to dst. */
static int plan_affine(struct cb_nn_planner *p, int i, int dst, int src, const float *k,
		       const float *add, bool more)
{
	struct cb_nn_step *s = cb_nn_plain(p, CB_NN_OP_AFFINE, i, dst, src, -1);

	if (!s)
		return -1;
	s->k = k;
	s->add = add;
	s->more = more;
	return i;
}

/* Room for a value of each channel, whole blocks of any width. */
static size_t per_channel(const struct cb_nn_layer *l)
{
	return ((size_t)l->c + 63) / 64 * 64;
}

static int plan_batchnorm(struct cb_nn_planner *p, int i, int src)
{
	const struct cb_nn_layer *l = &p->n->g.layer[i];
	size_t each = per_channel(l);
	float *k = cb_nn_constant(p, 2 * each * sizeof(*k));
	int dst = k ? cb_nn_tensor_new(p, l->c, l->h, l->w, p->n->tensor[src].v.b) : -1;

	if (dst < 0 || cb_nn_weights_affine(p->f, &p->n->g, i, k, k + each, p->err))
		return -1;
	p->n->out[i] = dst;
	return plan_affine(p, i, dst, src, k, k + each, false);
}

/* A shortcut with weights. */
static int plan_mix(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	size_t each = per_channel(l);
	float *k = cb_nn_constant(p, (size_t)(l->nfrom + 1) * each * sizeof(*k));
	int dst = k ? cb_nn_tensor_new(p, l->c, l->h, l->w, n->tensor[src].v.b) : -1;

	if (dst < 0 || cb_nn_weights_mix(p->f, &n->g, i, k, each, p->err) ||
	    plan_affine(p, i, dst, src, k, NULL, false) < 0)
		return -1;
	for (int j = 0; j < l->nfrom; j++)
		if (plan_affine(p, i, dst, n->out[l->from[j]], k + (j + 1) * each, NULL, true) < 0)
			return -1;
	n->out[i] = dst;
	return plan_act(p, i, dst);
}

static int plan_shortcut(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	const struct cb_nn_view sv = n->tensor[src].v;
	struct cb_nn_step *s;
	int dst, from;

	if (l->mix)
		return plan_mix(p, i, src);
	dst = cb_nn_tensor_new(p, l->c, l->h, l->w, sv.b);
	if (dst < 0)
		return -1;
	n->out[i] = dst;
	from = n->out[l->from[0]];
	const struct cb_nn_view fv = n->tensor[from].v;

	if (l->nfrom == 1 && l->alpha == 1 && l->beta == 1 && fv.c == l->c && fv.h == l->h &&
	    fv.w == l->w) {
		int rc;

		from = cb_nn_in_layout(p, i, from, sv.b);
		if (from < 0)
			return -1;
		rc = plan_binary(p, i, dnnl_binary_add, src, from, dst, l->act);
		if (rc <= 0)
			return rc ? -1 : i;
	}
	s = cb_nn_plain(p, CB_NN_OP_COPY, i, dst, src, -1);
	if (!s)
		return -1;
	s->n = l->c;
	for (int k = 0; k < l->nfrom; k++) {
		s = cb_nn_plain(p, CB_NN_OP_SHORTCUT, i, dst, n->out[l->from[k]], -1);
		if (!s)
			return -1;
		s->alpha = l->alpha;
		s->beta = l->beta;
	}
	return plan_act(p, i, dst);
}

static int plan_scale(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	int from = n->out[l->from[0]], dst;
	struct cb_nn_step *s;

	dst = cb_nn_tensor_new(p, l->c, l->h, l->w, n->tensor[from].v.b);
	if (dst < 0)
		return -1;
	n->out[i] = dst;
	if (!l->scale_wh) {
		int by = cb_nn_in_layout(p, i, src, n->tensor[from].v.b), rc;

		if (by < 0)
			return -1;
		rc = plan_binary(p, i, dnnl_binary_mul, from, by, dst, l->act);
		if (rc <= 0)
			return rc ? -1 : i;
	}
	s = cb_nn_plain(p, CB_NN_OP_SCALE, i, dst, from, src);
	if (!s)
		return -1;
	s->act = l->act;
	return i;
}

static int plan_sam(struct cb_nn_planner *p, int i, int src)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	uint32_t b = n->tensor[src].v.b;
	int by = cb_nn_in_layout(p, i, n->out[l->from[0]], b), dst, rc;
	struct cb_nn_step *s;

	dst = by < 0 ? -1 : cb_nn_tensor_new(p, l->c, l->h, l->w, b);
	if (dst < 0)
		return -1;
	n->out[i] = dst;
	rc = plan_binary(p, i, dnnl_binary_mul, src, by, dst, l->act);
	if (rc <= 0)
		return rc ? -1 : i;
	s = cb_nn_plain(p, CB_NN_OP_SAM, i, dst, src, by);
	if (!s)
		return -1;
	s->act = l->act;
	return i;
}

/* Can the route be nothing but a name for memory? Its parts become parts of one tensor. */
static bool route_by_name(struct cb_nn_planner *p, const struct cb_nn_layer *l)
{
	struct cb_nn_plan *n = p->n;
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
	return cb_nn_is_block(b);
}

static int plan_route(struct cb_nn_planner *p, int i)
{
	struct cb_nn_plan *n = p->n;
	const struct cb_nn_layer *l = &n->g.layer[i];
	const struct cb_nn_tensor *first = &n->tensor[n->out[l->from[0]]];
	uint32_t b = first->v.b, at = 0;
	int dst;

	if (l->nfrom == 1 && l->groups == 1) {
		n->out[i] = n->out[l->from[0]];
		return i;
	}
	if (l->nfrom == 1 && l->c % b == 0 && cb_nn_is_block(b)) {
		int whole = n->out[l->from[0]];

		dst = cb_nn_tensor_new(p, l->c, l->h, l->w, b);
		if (dst < 0)
			return -1;
		n->tensor[dst].parent = whole;
		n->tensor[dst].poff = (size_t)l->group_id * l->c * l->h * l->w * sizeof(float);
		n->out[i] = dst;
		return i;
	}
	if (!cb_nn_is_block(b))
		b = l->c;	/* channels last again, of all parts */
	dst = cb_nn_tensor_new(p, l->c, l->h, l->w, b);
	if (dst < 0)
		return -1;
	n->out[i] = dst;
	if (route_by_name(p, l)) {
		size_t off = 0;

		for (int k = 0; k < l->nfrom; k++) {
			struct cb_nn_tensor *t = &n->tensor[n->out[l->from[k]]];

			t->parent = dst;
			t->poff = off;
			off += t->bytes;
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
		struct cb_nn_step *s = cb_nn_plain(p, CB_NN_OP_COPY, i, dst, from, -1);

		if (!s)
			return -1;
		s->s = part * l->group_id;
		s->d = at;
		s->n = part;
		at += part;
	}
	if (l->c % b && !cb_nn_plain(p, CB_NN_OP_PAD, i, dst, -1, -1))
		return -1;
	return i;
}

/* A layer in plain C with an output of its own, in block b. */
static int plan_plain(struct cb_nn_planner *p, int i, int src, enum cb_nn_op op, uint32_t b)
{
	const struct cb_nn_layer *l = &p->n->g.layer[i];
	int dst = cb_nn_tensor_new(p, l->c, l->h, l->w, b);
	struct cb_nn_step *s;

	if (dst < 0)
		return -1;
	s = cb_nn_plain(p, op, i, dst, src, -1);
	if (!s)
		return -1;
	s->act = l->act;
	p->n->out[i] = dst;
	return i;
}

/* Plan layer i; returns the last layer that is done with it, or -1. */
static int plan_layer(struct cb_nn_planner *p, int i)
{
	struct cb_nn_plan *n = p->n;
	int src = i ? n->out[i - 1] : n->input;
	const struct cb_nn_layer *l = &n->g.layer[i];
	uint32_t b, new_b;

	if (p->q) {
		int done = cb_nn_plan_bytes(p, i, src);

		if (done != -2)
			return done;
		/* in floats, then, what it reads */
		if (l->type != CB_NN_PASS && l->type != CB_NN_ROUTE)
			src = cb_nn_as_floats(p, i, src);
		for (int k = 0; k < l->nfrom && src >= 0; k++) {
			int t = cb_nn_as_floats(p, i, n->out[l->from[k]]);

			if (t < 0)
				return -1;
			n->out[l->from[k]] = t;
		}
		if (src < 0)
			return -1;
	}
	b = n->tensor[src].v.b;
	/* of what comes out with other channels than went in */
	new_b = cb_nn_is_block(b) && l->c % b == 0 ? b : 1;
	switch (l->type) {
	case CB_NN_CONV: return cb_nn_plan_conv(p, i, src);
	case CB_NN_CONNECTED: return cb_nn_plan_connected(p, i, src);
	case CB_NN_BATCHNORM: return plan_batchnorm(p, i, src);
	case CB_NN_CROP: return plan_plain(p, i, src, CB_NN_OP_CROP, b);
	case CB_NN_MAXPOOL:
	case CB_NN_LOCAL_AVGPOOL: return plan_pool(p, i, src);
	case CB_NN_MAXDEPTH: return plan_plain(p, i, src, CB_NN_OP_MAXDEPTH, new_b);
	case CB_NN_BLUR: return plan_plain(p, i, src, CB_NN_OP_BLUR, b);
	case CB_NN_SHORTCUT: return plan_shortcut(p, i, src);
	case CB_NN_SCALE_CHANNELS: return plan_scale(p, i, src);
	case CB_NN_SAM: return plan_sam(p, i, src);
	case CB_NN_ROUTE: return plan_route(p, i);
	case CB_NN_AVGPOOL: return plan_plain(p, i, src, CB_NN_OP_AVGPOOL, b);
	case CB_NN_UPSAMPLE: return plan_plain(p, i, src, CB_NN_OP_UPSAMPLE, b);
	case CB_NN_ACTIVATION: return plan_plain(p, i, src, CB_NN_OP_ACT, b);
	case CB_NN_REORG: return plan_plain(p, i, src, CB_NN_OP_REORG, new_b);
	case CB_NN_REORG3D: return plan_plain(p, i, src, CB_NN_OP_REORG3D, new_b);
	case CB_NN_SOFTMAX:
		src = cb_nn_in_layout(p, i, src, 1);
		return src < 0 ? -1 : plan_plain(p, i, src, CB_NN_OP_SOFTMAX, 1);
	case CB_NN_PASS:
	case CB_NN_YOLO:
	case CB_NN_GAUSSIAN:
	case CB_NN_REGION:
		n->out[i] = src;
		return i;
	}
	return cb_err_set(p->err, CB_E_BUG, "layer %d: unknown type", i);
}

int cb_nn_plan(struct cb_nn_plan *n, struct cb_nn_weights *f, struct cb_err *err)
{
	struct cb_nn_planner p = { .n = n, .f = f, .err = err };
	const struct cb_nn_graph *g = &n->g;
	int rc = -1;

	n->out = malloc((size_t)g->n * sizeof(*n->out));
	p.uses = calloc((size_t)g->n, sizeof(*p.uses));
	p.wants = calloc((size_t)g->n, sizeof(*p.wants));
	if (!n->out || !p.uses || !p.wants) {
		cb_err_nomem(err);
		goto out;
	}
	if (dnnl_stream_create(&p.stream, n->engine, dnnl_stream_default_flags)) {
		cb_err_set(err, CB_E_OS, "oneDNN has no stream");
		goto out;
	}
	for (int i = 0; i < g->n; i++) {
		n->out[i] = CB_NN_FOLDED;
		if (i && g->layer[i].type != CB_NN_ROUTE)
			p.uses[i - 1]++;
		for (int k = 0; k < g->layer[i].nfrom; k++)
			p.uses[g->layer[i].from[k]]++;
	}
	if (f->q && cb_nn_has_vnni()) {
		p.q = f->q;
		cb_nn_wants(&p);
	}
	/* bytes as they come, where a convolution takes them */
	n->input = p.q && g->layer[0].type == CB_NN_CONV && p.q->layer[0].int8 ?
		cb_nn_tensor_bytes(&p, g->c, g->h, g->w, cb_nn_q_of(0, 1)) :
		cb_nn_tensor_new(&p, g->c, g->h, g->w, 1);
	if (n->input < 0)
		goto out;
	if (p.q)
		n->tensor[n->input].q = cb_nn_q_of(0, 1);
	n->tensor[n->input].first = 0;
	n->tensor[n->input].last = LAST;
	for (int i = 0; i < g->n; i++) {
		if (cb_nn_room(&p))
			goto out;
		int first = i;

		i = plan_layer(&p, i);
		if (i < 0)
			goto out;
		for (; p.q && first <= i; first++)
			cb_nn_range(&p, first);
	}
	/* what is looked at after the run */
	for (int i = 0; i < g->n; i++)
		if (cb_nn_is_detector(g->layer[i].type) || i == g->n - 1)
			n->tensor[n->out[i]].last = LAST;
	if (cb_nn_place(&p) || cb_nn_room(&p))
		goto out;
	if (n->constant_bytes + n->scratch_bytes + n->arena_bytes > CB_NN_BYTES_MAX) {
		cb_nn_too_large(&p);
		goto out;
	}
	for (int i = 0; i < n->nsteps; i++) {
		n->step[i].at = n->nargs;
		n->nargs += n->step[i].nargs;
	}
	rc = 0;
out:
	dnnl_stream_destroy(p.stream);
	free(p.uses);
	free(p.wants);
	return rc;
}

void cb_nn_plan_release(struct cb_nn_plan *n)
{
	for (int i = 0; i < n->nsteps; i++) {
		dnnl_primitive_destroy(n->step[i].prim);
		free(n->step[i].arg);
	}
	for (int i = 0; i < n->nconstants; i++)
		free(n->constant[i]);
	free(n->constant);
	free(n->step);
	free(n->tensor);
	free(n->out);
	cb_nn_graph_release(&n->g);
	dnnl_engine_destroy(n->engine);
}
