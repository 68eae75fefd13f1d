/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as their users see them: open, run, look at the result. */
#include "nn/nn.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/boxes.h"
#include "nn/pack.h"
#include "nn/plan.h"

/* Debian's oneDNN runs on OpenMP, whose number of threads belongs to the calling thread. It is
 * in the process with oneDNN; asking for it by name spares us a dependency. Asking takes the
 * linker's lock: once a net is enough. */
struct omp {
	void (*set)(int);
	int (*get)(void);
};

static struct omp omp_find(void)
{
	return (struct omp){
		(void (*)(int))(uintptr_t)dlsym(RTLD_DEFAULT, "omp_set_num_threads"),
		(int (*)(void))(uintptr_t)dlsym(RTLD_DEFAULT, "omp_get_max_threads"),
	};
}

static int threads_swap(const struct omp *o, int want)
{
	int had = o->get ? o->get() : 1;

	if (o->set && had != want)
		o->set(want);
	return had;
}

static void *wait_for(void *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
	return NULL;
}

/* OpenMP ends the process where it cannot have its threads. See first whether there are so many
 * to be had, all at once. */
static int threads_try(int want, struct cb_err *err)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t t[CB_NET_THREADS_MAX];
	int n = 0, e = 0;

	pthread_mutex_lock(&lock);
	while (n < want - 1 && !(e = pthread_create(&t[n], NULL, wait_for, &lock)))
		n++;
	pthread_mutex_unlock(&lock);
	while (n)
		pthread_join(t[--n], NULL);
	pthread_mutex_destroy(&lock);
	return e ? cb_err_sys(err, CB_E_OS, e, "%d threads", want) : 0;
}

static void isa_limit(enum cb_isa isa)
{
	static const dnnl_cpu_isa_t limits[] = {
		[CB_ISA_AUTO] = dnnl_cpu_isa_all,
		[CB_ISA_SSE41] = dnnl_cpu_isa_sse41,
		[CB_ISA_AVX2] = dnnl_cpu_isa_avx2,
		[CB_ISA_AVX512] = dnnl_cpu_isa_avx512_core,
	};

	/* too late once a primitive was made: then the first network has decided */
	if (isa != CB_ISA_AUTO && (unsigned)isa < sizeof(limits) / sizeof(limits[0]))
		dnnl_set_max_cpu_isa(limits[isa]);
}

/* A network to run: what was compiled, with memory of its own. */
struct cb_net {
	struct cb_nn_plan *plan;	/* shared */
	struct cb_nn_runner run;
	struct omp omp;
	int threads;
	float *floats;			/* of a network that takes bytes: the input as floats, */
	bool from_floats;		/* and whether that is what counts */
	struct cb_nn_found *found;	/* room for boxes before suppression */
	size_t found_cap;
};

static void let_go(struct cb_nn_plan *n)
{
	if (!n || __atomic_sub_fetch(&n->users, 1, __ATOMIC_ACQ_REL))
		return;
	cb_nn_plan_release(n);
	free(n->names);
	free(n);
}

char *cb_net_sibling(const char *cfg, const char *ext)
{
	size_t n = strlen(cfg);
	char *s = malloc(n + strlen(ext) + 1);

	if (!s)
		return NULL;
	if (n > 4 && !strcmp(cfg + n - 4, ".cfg"))
		n -= 4;
	memcpy(s, cfg, n);
	memcpy(s + n, ext, strlen(ext) + 1);
	return s;
}

static int load_cfg(struct cb_nn_plan *n, const uint8_t *text, size_t len, const struct cb_net_opts *o,
		    struct cb_err *err)
{
	return cb_nn_graph_parse(&n->g, (const char *)text, len, o->width, o->height, err);
}

static int load_pack(struct cb_nn_plan *n, const struct cb_pack *p, const struct cb_net_opts *o,
		     struct cb_err *err)
{
	struct cb_nn_weights f = { .fd = -1 };

	if (load_cfg(n, p->cfg.p, p->cfg.n, o, err))
		return p->file ? cb_err_prefix(err, "model.cfg") : -1;
	if (p->kind == CB_PACK_INT8) {
		struct cb_nn_quant q;
		int bad;

		if (cb_nn_quant_parse(&q, p->body.p, p->body.n, &n->g, err))
			return cb_err_prefix(err, "model.int8");
		f.q = &q;
		bad = cb_nn_plan(n, &f, err);
		cb_nn_quant_release(&q);
		if (bad)
			return cb_err_prefix(err, "model.int8");
	} else if (cb_nn_weights_memory(&f, p->body.p, p->body.n, &n->g, err) || cb_nn_plan(n, &f, err)) {
		return cb_err_prefix(err, p->file ? "model.weights" : "weights");
	}
	n->names = malloc(p->name_list.n + 1);
	if (!n->names)
		return cb_err_nomem(err);
	if (p->name_list.n)
		memcpy(n->names, p->name_list.p, p->name_list.n);
	n->names[p->name_list.n] = 0;
	n->names_len = p->name_list.n;
	return 0;
}

static int load_darknet(struct cb_nn_plan *n, const struct cb_pack *p, const char *cfg,
			const char *weights, const struct cb_net_opts *o, struct cb_err *err)
{
	struct cb_nn_weights f = { .fd = -1, .seen = o->seen, .ctx = o->ctx };
	char *beside = NULL;
	int rc = -1;

	if (load_cfg(n, p->file, p->file_bytes, o, err))
		return cb_err_prefix(err, "%s", cfg);
	if (!weights)
		weights = beside = cb_net_sibling(cfg, ".weights");
	if (!weights)
		return cb_err_nomem(err);
	if (cb_nn_weights_open(&f, weights, &n->g, err) || cb_nn_plan(n, &f, err))
		cb_err_prefix(err, "%s", weights);
	else
		rc = 0;
	cb_nn_weights_close(&f);
	free(beside);
	return rc;
}

static int load(struct cb_nn_plan *n, const char *cfg, const char *weights, const struct cb_net_opts *o,
		struct cb_err *err)
{
	struct cb_pack read = { 0 };
	const struct cb_pack *p = o->pack ? o->pack : &read;
	int rc = -1;

	if (dnnl_engine_create(&n->engine, dnnl_cpu, 0))
		return cb_err_set(err, CB_E_OS, "oneDNN has no engine for this processor");
	if (!o->pack && cb_pack_read(&read, cfg, CB_NN_CFG_MAX, err) < 0) {
		cb_err_prefix(err, "%s", cfg);
		goto out;
	}
	if (!o->pack && o->seen)
		o->seen(o->ctx, p->file, p->file_bytes);
	if (p->kind && weights) {
		cb_err_set(err, CB_E_USAGE, "%s: a model in one file has its own weights", cfg);
		goto out;
	}
	if (p->kind && load_pack(n, p, o, err)) {
		cb_err_prefix(err, "%s", cfg);
		goto out;
	}
	if (!p->kind && load_darknet(n, p, cfg, weights, o, err))
		goto out;
	rc = 0;
out:
	cb_pack_release(&read);
	return rc;
}

/* A runner for a plan, whose user it becomes. */
static struct cb_net *net_new(struct cb_nn_plan *plan, const struct omp *omp, int threads,
			      struct cb_err *err)
{
	struct cb_net *n = calloc(1, sizeof(*n));
	uint64_t room = 0;

	if (!n) {
		let_go(plan);
		cb_err_nomem(err);
		return NULL;
	}
	n->plan = plan;
	n->omp = *omp;
	n->threads = threads;
	for (int i = 0; i < plan->g.n; i++) {
		const struct cb_nn_layer *l = &plan->g.layer[i];

		room += (uint64_t)l->n * l->h * l->w * l->classes;
	}
	n->found_cap = room < CB_NET_BOXES_MAX ? (size_t)room : CB_NET_BOXES_MAX;
	n->found = calloc(n->found_cap + 1, sizeof(*n->found));
	if (plan->tensor[plan->input].u8)
		n->floats = calloc(plan->tensor[plan->input].bytes, sizeof(*n->floats));
	if (!n->found || (plan->tensor[plan->input].u8 && !n->floats))
		cb_err_nomem(err);
	else if (!cb_nn_runner_init(&n->run, plan, err))
		return n;
	cb_net_free(n);
	return NULL;
}

int cb_net_open(struct cb_net **ret, const char *cfg, const char *weights,
		const struct cb_net_opts *o, struct cb_err *err)
{
	static const struct cb_net_opts none;
	const struct omp omp = omp_find();
	struct cb_nn_plan *plan;
	struct cb_net *n = NULL;
	int had, threads;

	if (!o)
		o = &none;
	threads = o->threads < 1 ? 1 : o->threads > CB_NET_THREADS_MAX ? CB_NET_THREADS_MAX : o->threads;
	if (threads_try(threads, err))
		return -1;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return cb_err_nomem(err);
	plan->threads = threads;
	plan->keep = o->keep;
	plan->apart = o->apart;
	plan->users = 1;
	had = threads_swap(&omp, threads);
	isa_limit(o->isa);
	if (load(plan, cfg, weights, o, err))
		let_go(plan);
	else
		n = net_new(plan, &omp, threads, err);
	threads_swap(&omp, had);
	if (!n)
		return -1;
	*ret = n;
	return 0;
}

int cb_net_share(struct cb_net **ret, struct cb_net *of, struct cb_err *err)
{
	struct cb_net *n;

	__atomic_add_fetch(&of->plan->users, 1, __ATOMIC_RELAXED);
	n = net_new(of->plan, &of->omp, of->threads, err);
	if (!n)
		return -1;
	*ret = n;
	return 0;
}

void cb_net_free(struct cb_net *n)
{
	if (!n)
		return;
	if (n->run.plan)
		cb_nn_runner_release(&n->run);
	let_go(n->plan);
	free(n->found);
	free(n->floats);
	free(n);
}

const char *cb_net_names(const struct cb_net *n, size_t *ret_len)
{
	if (n->plan->names)
		*ret_len = n->plan->names_len;
	return n->plan->names;
}

uint32_t cb_net_width(const struct cb_net *n) { return n->plan->g.w; }
uint32_t cb_net_height(const struct cb_net *n) { return n->plan->g.h; }
uint32_t cb_net_channels(const struct cb_net *n) { return n->plan->g.c; }
int cb_net_classes(const struct cb_net *n) { return (int)n->plan->g.classes; }
int cb_net_layers(const struct cb_net *n) { return n->plan->g.n; }
int cb_net_steps(const struct cb_net *n) { return n->plan->nsteps; }

size_t cb_net_bytes(const struct cb_net *n)
{
	return n->plan->constant_bytes + n->plan->scratch_bytes + n->plan->arena_bytes;
}

void cb_net_step(const struct cb_net *n, int step, struct cb_net_step *ret)
{
	const struct cb_nn_step *s = &n->plan->step[step];

	*ret = (struct cb_net_step){ s->layer, n->plan->g.layer[s->layer].name, s->impl };
}

void cb_net_layer(const struct cb_net *n, int layer, struct cb_net_layer *ret)
{
	const struct cb_nn_layer *l = &n->plan->g.layer[layer];
	uint64_t fan_in = l->type == CB_NN_CONV ? (uint64_t)l->ic / l->groups * l->size * l->size :
			  l->type == CB_NN_CONNECTED ? (uint64_t)l->ic * l->ih * l->iw : 0;

	*ret = (struct cb_net_layer){ .type = l->name, .c = l->c, .h = l->h, .w = l->w,
				      .weights = l->weights, .macs = fan_in * l->c * l->h * l->w };
	for (int i = 0; i < n->plan->nsteps; i++) {
		const struct cb_nn_step *s = &n->plan->step[i];

		/* one primitive and helpers of our own: the primitive */
		if (s->layer == layer && (!ret->impl || s->op == CB_NN_OP_PRIM))
			ret->impl = s->impl;
	}
}

const char *cb_net_isa(const struct cb_net *n)
{
	(void)n;
	switch (dnnl_get_effective_cpu_isa()) {
	case dnnl_cpu_isa_sse41: return "sse41";
	case dnnl_cpu_isa_avx: return "avx";
	case dnnl_cpu_isa_avx2: return "avx2";
	case dnnl_cpu_isa_avx2_vnni: return "avx2_vnni";
	case dnnl_cpu_isa_avx512_mic: return "avx512_mic";
	case dnnl_cpu_isa_avx512_mic_4ops: return "avx512_mic_4ops";
	case dnnl_cpu_isa_avx512_core: return "avx512_core";
	case dnnl_cpu_isa_avx512_core_vnni: return "avx512_core_vnni";
	case dnnl_cpu_isa_avx512_core_bf16: return "avx512_core_bf16";
	case dnnl_cpu_isa_avx512_core_amx: return "avx512_core_amx";
	default: return "generic";
	}
}

const char *cb_nn_library_version(void)
{
	static char text[32];
	const dnnl_version_t *v = dnnl_version();

	snprintf(text, sizeof(text), "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
	return text;
}

float *cb_net_input(struct cb_net *n)
{
	n->from_floats = true;
	return n->floats ? n->floats : cb_nn_view_of(&n->run, n->plan->input).p;
}

uint8_t *cb_net_input_bytes(struct cb_net *n)
{
	n->from_floats = false;
	return n->floats ? (uint8_t *)cb_nn_view_of(&n->run, n->plan->input).p : NULL;
}

static void floats_to_bytes(struct cb_net *n)
{
	const struct cb_nn_view v = cb_nn_view_of(&n->run, n->plan->input);
	size_t hw = (size_t)v.h * v.w;
	uint8_t *to = (uint8_t *)v.p;

	for (uint32_t c = 0; c < v.c; c++)
		for (size_t i = 0; i < hw; i++) {
			float f = n->floats[c * hw + i] * 255 + .5f;

			to[i * v.c + c] = f >= 0 ? f < 255 ? (uint8_t)f : 255 : 0;
		}
}

int cb_net_run_timed(struct cb_net *n, int64_t *took_ns, struct cb_err *err)
{
	int had = threads_swap(&n->omp, n->threads), rc;

	if (n->floats && n->from_floats)
		floats_to_bytes(n);
	rc = cb_nn_run(&n->run, took_ns, err);
	threads_swap(&n->omp, had);
	return rc;
}

int cb_net_run(struct cb_net *n, struct cb_err *err)
{
	return cb_net_run_timed(n, NULL, err);
}

int cb_net_boxes(const struct cb_net *n, float threshold, float nms, struct cb_box *ret, int max)
{
	struct cb_nn_heap h = { n->found, 0, n->found_cap };
	int k = 0;

	for (int i = 0; i < n->plan->g.n; i++) {
		const struct cb_nn_layer *l = &n->plan->g.layer[i];

		if (cb_nn_is_detector(l->type)) {
			const struct cb_nn_view v = cb_nn_view_of(&n->run, n->plan->out[i]);

			cb_nn_detector_boxes(&h, l, &v, n->plan->g.w, n->plan->g.h, threshold);
		}
	}
	cb_nn_suppress(&h, nms);
	for (; k < max && (size_t)k < h.n; k++) {
		const struct cb_nn_found *f = &h.v[k];

		ret[k] = (struct cb_box){ f->x - f->w / 2, f->y - f->h / 2, f->w, f->h, f->score,
					  f->class_id };
	}
	return k;
}

int64_t cb_net_layer_output(const struct cb_net *n, int layer, float *ret, size_t max)
{
	const struct cb_nn_plan *p = n->plan;
	const struct cb_nn_layer *l = &p->g.layer[layer];
	size_t hw = (size_t)l->h * l->w, floats = l->c * hw;
	struct cb_nn_view v;

	if (p->out[layer] < 0 || (!p->keep && p->tensor[p->out[layer]].last != INT32_MAX))
		return -1;
	v = cb_nn_view_of(&n->run, p->out[layer]);
	if (p->tensor[p->out[layer]].u8) {
		const struct cb_nn_q q = p->tensor[p->out[layer]].q;
		const uint8_t *from = (const uint8_t *)v.p;

		for (size_t i = 0; i < floats && i < max; i++)
			ret[i] = q.scale * (float)(from[i % hw * l->c + i / hw] - q.zero);
		return (int64_t)floats;
	}
	if (!cb_nn_is_detector(l->type))
		for (size_t i = 0; i < floats && i < max; i++)
			ret[i] = v.p[cb_nn_at(&v, (uint32_t)(i / hw), i % hw)];
	else if (max >= floats)
		cb_nn_detector_output(l, &v, ret);
	return (int64_t)floats;
}
