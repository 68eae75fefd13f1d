/* SPDX-License-Identifier: Apache-2.0 */
/* A runner's memory, and its steps one after another. */
#include "nn/plan.h"

#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "base/time.h"
#include "nn/depthwise.h"

#define BEYOND 256	/* some kernels read a vector beyond the last value */

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

static int handles(struct cb_nn_runner *r, const struct cb_nn_step *s, struct cb_err *err)
{
	for (int k = 0; k < s->nargs; k++) {
		const struct cb_nn_arg *a = &s->arg[k];
		dnnl_exec_arg_t *to = &r->arg[s->at + k];
		void *ptr = a->what == DNNL_ARG_SCRATCHPAD ? r->scratch :
			a->tensor >= 0 ? r->arena + r->plan->tensor[a->tensor].off : a->ptr;

		to->arg = a->what;
		if (dnnl_memory_create(&to->memory, &a->md, r->plan->engine, ptr))
			return cb_err_set(err, CB_E_OS, "layer %d %s: no handle of its memory", s->layer,
					  r->plan->g.layer[s->layer].name);
	}
	return 0;
}

int cb_nn_runner_init(struct cb_nn_runner *ret, const struct cb_nn_plan *n, struct cb_err *err)
{
	*ret = (struct cb_nn_runner){ .plan = n };
	ret->arg = calloc((size_t)n->nargs + 1, sizeof(*ret->arg));
	ret->arena = cb_nn_alloc(n->arena_bytes + BEYOND);
	ret->scratch = cb_nn_alloc(n->scratch_bytes);
	if (!ret->arg || !ret->arena || !ret->scratch)
		return cb_err_nomem(err);
	if (dnnl_stream_create(&ret->stream, n->engine, dnnl_stream_default_flags))
		return cb_err_set(err, CB_E_OS, "oneDNN has no stream");
	for (int i = 0; i < n->nsteps; i++)
		if (handles(ret, &n->step[i], err))
			return -1;
	return 0;
}

void cb_nn_runner_release(struct cb_nn_runner *r)
{
	for (int i = 0; r->arg && i < r->plan->nargs; i++)
		dnnl_memory_destroy(r->arg[i].memory);
	dnnl_stream_destroy(r->stream);
	free(r->arg);
	free(r->arena);
	free(r->scratch);
}

struct cb_nn_view cb_nn_view_of(const struct cb_nn_runner *r, int tensor)
{
	struct cb_nn_view v = { 0 };

	if (tensor >= 0) {
		v = r->plan->tensor[tensor].v;
		v.p = (float *)(void *)(r->arena + r->plan->tensor[tensor].off);
	}
	return v;
}

static void run_plain(const struct cb_nn_runner *r, const struct cb_nn_step *s)
{
	const struct cb_nn_layer *l = &r->plan->g.layer[s->layer];
	const struct cb_nn_view dv = cb_nn_view_of(r, s->dst), av = cb_nn_view_of(r, s->src),
		bv = cb_nn_view_of(r, s->src2), *d = &dv, *a = &av, *b = &bv;

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
	case CB_NN_OP_AFFINE: cb_nn_affine(d, a, s->k, s->add, s->more); break;
	case CB_NN_OP_CROP: cb_nn_crop(d, a, l->alpha, l->beta); break;
	case CB_NN_OP_AVGPOOL: cb_nn_avgpool(d, a); break;
	case CB_NN_OP_POOL: cb_nn_pool(d, a, l); break;
	case CB_NN_OP_MAXDEPTH: cb_nn_maxdepth(d, a); break;
	case CB_NN_OP_BLUR: cb_nn_blur(d, a, l); break;
	case CB_NN_OP_SCALE: cb_nn_scale(d, a, b, l->scale_wh, s->act); break;
	case CB_NN_OP_SAM: cb_nn_sam(d, a, b, s->act); break;
	case CB_NN_OP_REORG3D: cb_nn_reorg3d(d, a, l->stride_x); break;
	case CB_NN_OP_REORG: cb_nn_reorg(d, a, l->stride_x); break;
	case CB_NN_OP_BYTES_COPY: {
		const struct cb_nn_tensor *t = r->plan->tensor;

		cb_nn_bytes_copy((uint8_t *)d->p + s->d, d->c, t[s->dst].q, (uint8_t *)a->p + s->s, a->c,
				 t[s->src].q, s->n, (size_t)d->h * d->w);
		break;
	}
	case CB_NN_OP_DEPTHWISE:
		cb_nn_depthwise_run(s->constant, (uint8_t *)d->p, (const uint8_t *)a->p);
		break;
	case CB_NN_OP_BYTES_MAXPOOL:
		cb_nn_bytes_maxpool((uint8_t *)d->p, (const uint8_t *)a->p, l);
		break;
	case CB_NN_OP_BYTES_UPSAMPLE:
		cb_nn_bytes_upsample((uint8_t *)d->p, (uint8_t *)a->p, a->c, a->h, a->w, l->stride_x);
		break;
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

static int run_steps(const struct cb_nn_runner *r, int64_t *took_ns, struct cb_err *err)
{
	const struct cb_nn_plan *n = r->plan;
	int64_t t = took_ns ? cb_now_mono_ns() : 0;

	for (int i = 0; i < n->nsteps; i++) {
		const struct cb_nn_step *s = &n->step[i];
		dnnl_status_t st;

		if (took_ns && i) {
			int64_t now = cb_now_mono_ns();

			took_ns[i - 1] = now - t;
			t = now;
		}
		if (s->op != CB_NN_OP_PRIM) {
			run_plain(r, s);
			continue;
		}
		st = dnnl_primitive_execute(s->prim, r->stream, s->nargs, r->arg + s->at);
		if (st)
			return cb_err_set(err, CB_E_BUG, "layer %d %s: oneDNN status %d", s->layer,
					  n->g.layer[s->layer].name, (int)st);
	}
	if (took_ns && n->nsteps)
		took_ns[n->nsteps - 1] = cb_now_mono_ns() - t;
	return 0;
}

int cb_nn_run(const struct cb_nn_runner *r, int64_t *took_ns, struct cb_err *err)
{
	unsigned had = denormals_off();
	int rc = run_steps(r, took_ns, err);

	denormals_back(had);
	return rc;
}
