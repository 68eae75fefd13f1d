/* SPDX-License-Identifier: Apache-2.0 */
/* Post-training quantisation: ranges, weights, biases, and what stays float. */
#include "nn/quantize.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/planner.h"
#include "wire/json.h"

#define BINS 4096		/* of a histogram, half of them below 0 */
#define LEVELS 256
#define SHRINKS 96		/* ranges that the entropy is measured for */
#define MEASURED 16		/* pictures that errors are measured with */
#define MEASURED_ONE 4		/* and those of one layer alone */
#define EVEN 64			/* how much smaller or larger a channel may be made */

/* What a layer's output has been. Counts of values in -reach..reach. */
struct seen {
	double reach;
	float least, most;
	uint64_t bin[BINS];
	double *mean;		/* of each channel: sum, and in the end mean */
	float *largest;		/* of each channel: the largest absolute value */
	uint64_t pixels;
};

struct cb_quantizer {
	const struct cb_pack *model;
	struct cb_pack even;	/* the same with channels of even range; its body is ours */
	uint8_t *body;
	struct cb_quantize_opts o;
	struct cb_nn_graph g;
	float *input;
	uint8_t **picture;	/* planar, 0..255 */
	int pictures, room;
	/* of each layer, and of the input at [layers] */
	struct seen *seen;
	float *lo, *hi;
	/* of each layer */
	int8_t **w;
	float **scale, **bias;
	size_t *raw_at;		/* in the model's body */
	bool *int8;
	/* what the float network makes of the pictures that errors are measured with */
	float *heads[MEASURED];
	size_t head_floats;
	struct cb_quantize_layer *result;
	int results;
	double error;
};

static size_t picture_size(const struct cb_quantizer *q)
{
	return (size_t)q->g.c * q->g.h * q->g.w;
}

int cb_quantizer_open(struct cb_quantizer **ret, const struct cb_pack *model,
		      const struct cb_quantize_opts *o, struct cb_err *err)
{
	struct cb_quantizer *q = calloc(1, sizeof *q);
	unsigned n;

	if (!q)
		return cb_err_nomem(err);
	q->model = model;
	q->o = *o;
	if (!q->o.percentile)
		q->o.percentile = 99.99;
	if (!(q->o.loss > 0))
		q->o.loss = CB_QUANTIZE_LOSS;
	if (model->kind != CB_PACK_FLOAT) {
		cb_err_set(err, CB_E_DATA, "the model is in 8 bits already");
		goto bad;
	}
	if (cb_nn_graph_parse(&q->g, (const char *)model->cfg.p, model->cfg.n, 0, 0, err))
		goto bad;
	n = (unsigned)q->g.n;
	q->input = calloc(picture_size(q), sizeof *q->input);
	q->seen = calloc(n + 1, sizeof *q->seen);
	q->lo = calloc(n + 1, sizeof *q->lo);
	q->hi = calloc(n + 1, sizeof *q->hi);
	q->w = calloc(n, sizeof *q->w);
	q->scale = calloc(n, sizeof *q->scale);
	q->bias = calloc(n, sizeof *q->bias);
	q->raw_at = calloc(n, sizeof *q->raw_at);
	q->int8 = calloc(n, sizeof *q->int8);
	q->result = calloc(n, sizeof *q->result);
	if (!q->input || !q->seen || !q->lo || !q->hi || !q->w || !q->scale || !q->bias || !q->raw_at ||
	    !q->int8 || !q->result)
		goto nomem;
	for (unsigned i = 0; i <= n; i++) {
		uint32_t c = i < n ? q->g.layer[i].c : q->g.c;

		q->seen[i].mean = calloc(c, sizeof(double));
		q->seen[i].largest = calloc(c, sizeof(float));
		if (!q->seen[i].mean || !q->seen[i].largest)
			goto nomem;
		if (i && i < n && cb_nn_is_detector(q->g.layer[i].type))
			q->head_floats += (size_t)q->g.layer[i - 1].c * q->g.layer[i - 1].h *
				q->g.layer[i - 1].w;
	}
	if (!q->head_floats)
		q->head_floats = (size_t)q->g.layer[n - 1].c * q->g.layer[n - 1].h * q->g.layer[n - 1].w;
	*ret = q;
	return 0;
nomem:
	cb_err_nomem(err);
bad:
	cb_quantizer_free(q);
	return -1;
}

void cb_quantizer_free(struct cb_quantizer *q)
{
	if (!q)
		return;
	for (int i = 0; i <= q->g.n && q->seen; i++) {
		free(q->seen[i].mean);
		free(q->seen[i].largest);
	}
	for (int i = 0; i < q->g.n && q->result; i++) {
		free(q->w[i]);
		free(q->scale[i]);
		free(q->bias[i]);
	}
	for (int i = 0; i < q->pictures; i++)
		free(q->picture[i]);
	for (int i = 0; i < MEASURED; i++)
		free(q->heads[i]);
	cb_nn_graph_release(&q->g);
	free(q->body);
	free(q->input);
	free(q->picture);
	free(q->seen);
	free(q->lo);
	free(q->hi);
	free(q->w);
	free(q->scale);
	free(q->bias);
	free(q->raw_at);
	free(q->int8);
	free(q->result);
	free(q);
}

float *cb_quantizer_input(struct cb_quantizer *q) { return q->input; }
uint32_t cb_quantizer_width(const struct cb_quantizer *q) { return q->g.w; }
uint32_t cb_quantizer_height(const struct cb_quantizer *q) { return q->g.h; }
double cb_quantizer_error(const struct cb_quantizer *q) { return q->error; }

int cb_quantizer_layers(const struct cb_quantizer *q, const struct cb_quantize_layer **ret)
{
	*ret = q->result;
	return q->results;
}

/* --- watching the float network ------------------------------------------------------------------ */

static void watch(struct seen *s, const float *v, uint32_t c, size_t hw)
{
	float least = s->least, most = s->most;
	size_t n = c * hw;
	double k;

	for (size_t i = 0; i < n; i++) {
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
	}
	s->least = least;
	s->most = most;
	if (!s->reach)
		s->reach = 1e-6;
	/* too narrow: two bins become one, as often as needed */
	while (s->reach < -least || s->reach < most) {
		for (int i = 0; i < BINS / 4; i++) {
			int up = BINS / 2 + i, down = BINS / 2 - 1 - i;

			s->bin[up] = s->bin[BINS / 2 + 2 * i] + s->bin[BINS / 2 + 2 * i + 1];
			s->bin[down] = s->bin[BINS / 2 - 1 - 2 * i] + s->bin[BINS / 2 - 2 - 2 * i];
		}
		memset(s->bin, 0, BINS / 4 * sizeof *s->bin);
		memset(s->bin + BINS * 3 / 4, 0, BINS / 4 * sizeof *s->bin);
		s->reach *= 2;
	}
	k = BINS / 2 / s->reach;
	for (uint32_t ch = 0; ch < c; ch++) {
		float largest = s->largest[ch];
		double sum = 0;

		for (size_t i = 0; i < hw; i++, v++) {
			int b = (int)floor(*v * k) + BINS / 2;

			s->bin[b < 0 ? 0 : b >= BINS ? BINS - 1 : b]++;
			sum += *v;
			largest = fmaxf(largest, fabsf(*v));
		}
		s->mean[ch] += sum;
		s->largest[ch] = largest;
	}
	s->pixels += hw;
}

/* The inputs of the detecting layers, one after another; without any the last output. */
static void read_heads(const struct cb_net *net, const struct cb_nn_graph *g, float *to)
{
	bool any = false;

	for (int i = 1; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i - 1];
		size_t floats = (size_t)l->c * l->h * l->w;

		if (!cb_nn_is_detector(g->layer[i].type))
			continue;
		any = true;
		cb_net_layer_output(net, i - 1, to, floats);
		to += floats;
	}
	if (!any)
		cb_net_layer_output(net, g->n - 1, to, SIZE_MAX);
}

int cb_quantizer_add(struct cb_quantizer *q, struct cb_err *err)
{
	size_t n = picture_size(q);
	uint8_t *p;

	if ((size_t)(q->pictures + 1) * n > CB_QUANTIZE_BYTES_MAX)
		return cb_err_set(err, CB_E_USAGE, "%d pictures of %u x %u are the most", q->pictures, q->g.w,
				  q->g.h);
	if (q->pictures == q->room) {
		uint8_t **more = realloc(q->picture, (size_t)(q->room + 256) * sizeof *more);

		if (!more)
			return cb_err_nomem(err);
		q->picture = more;
		q->room += 256;
	}
	p = malloc(n);
	if (!p)
		return cb_err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		float v = rintf(q->input[i] * 255);

		p[i] = v >= 0 ? v <= 255 ? (uint8_t)v : 255 : 0;
	}
	q->picture[q->pictures++] = p;
	return 0;
}

static void fill(const struct cb_quantizer *q, float *in, int picture)
{
	for (size_t i = 0; i < picture_size(q); i++)
		in[i] = (float)q->picture[picture][i] / 255.f;
}

/* Which picture the k-th is that errors are measured with: from all over. */
static int measured(const struct cb_quantizer *q, int k, int of)
{
	return (int)((int64_t)k * q->pictures / of);
}

static void progress(struct cb_quantizer *q, const char *what, int done, int of)
{
	if (q->o.progress)
		q->o.progress(q->o.ctx, what, done, of);
}

/* Show a float network all pictures. last: note what comes out at the detecting layers. */
static int watch_all(struct cb_quantizer *q, const struct cb_pack *model, bool last, struct cb_err *err)
{
	struct cb_net_opts no = { .threads = q->o.threads, .keep = true, .apart = true, .pack = model };
	struct cb_net *net = NULL;
	size_t most = 1;
	float *room;
	int rc = -1;

	for (int i = 0; i < q->g.n; i++) {
		const struct cb_nn_layer *l = &q->g.layer[i];
		size_t floats = (size_t)l->c * l->h * l->w;

		most = floats > most ? floats : most;
	}
	room = malloc(most * sizeof *room);
	if (!room)
		return cb_err_nomem(err);
	if (cb_net_open(&net, "model", NULL, &no, err))
		goto out;
	for (int i = 0; i <= q->g.n; i++) {
		struct seen *s = &q->seen[i];
		uint32_t c = i < q->g.n ? q->g.layer[i].c : q->g.c;

		memset(s->mean, 0, c * sizeof *s->mean);
		memset(s->largest, 0, c * sizeof *s->largest);
		*s = (struct seen){ .mean = s->mean, .largest = s->largest };
	}
	for (int k = 0, at = 0; k < q->pictures; k++) {
		progress(q, last ? "ranges" : "channels", k, q->pictures);
		fill(q, cb_net_input(net), k);
		watch(&q->seen[q->g.n], cb_net_input(net), q->g.c, (size_t)q->g.h * q->g.w);
		if (cb_net_run(net, err))
			goto out;
		for (int i = 0; i < q->g.n; i++) {
			const struct cb_nn_layer *l = &q->g.layer[i];

			if (!cb_nn_is_detector(l->type) &&
			    cb_net_layer_output(net, i, room, SIZE_MAX) >= 0)
				watch(&q->seen[i], room, l->c, (size_t)l->h * l->w);
		}
		for (; last && at < MEASURED && measured(q, at, MEASURED) == k; at++) {
			q->heads[at] = malloc(q->head_floats * sizeof(float));
			if (!q->heads[at]) {
				cb_err_nomem(err);
				goto out;
			}
			read_heads(net, &q->g, q->heads[at]);
		}
	}
	rc = 0;
out:
	free(room);
	cb_net_free(net);
	return rc;
}

/* --- even channels --------------------------------------------------------------------------------- */

static bool homogeneous(enum cb_nn_act a)
{
	return a == CB_NN_LINEAR || a == CB_NN_LEAKY || a == CB_NN_RELU || a == CB_NN_RELIE;
}

/* The convolution that alone reads what convolution i gives, through layers that a factor may
 * pass, or -1. */
static int reader(const struct cb_quantizer *q, const int *uses, int i)
{
	const struct cb_nn_layer *l = &q->g.layer[i];

	if (l->type != CB_NN_CONV || l->share >= 0 || !homogeneous(l->act))
		return -1;
	for (; i + 1 < q->g.n && uses[i] == 1; i++) {
		l = &q->g.layer[i + 1];
		if (l->type == CB_NN_CONV && l->share < 0)
			return i + 1;
		if (l->type != CB_NN_MAXPOOL && l->type != CB_NN_PASS)
			return -1;
	}
	return -1;
}

/* Make channel c of convolution i smaller by s, and its weights in convolution j larger: in the
 * file's floats, where a normalised layer has bias, scale, mean, variance and then weights. */
static void even_channel(struct cb_quantizer *q, int i, int j, uint32_t c, float s)
{
	const struct cb_nn_layer *a = &q->g.layer[i], *b = &q->g.layer[j];
	float *pa = (float *)(void *)(q->body + q->raw_at[i]), *pb = (float *)(void *)(q->body + q->raw_at[j]);
	size_t each = (size_t)(a->ic / a->groups) * a->size * a->size;
	size_t ics = b->ic / b->groups, ocs = b->c / b->groups, taps = (size_t)b->size * b->size;

	pa[c] /= s;
	if (a->bn)
		pa[a->c + c] /= s;
	for (size_t k = 0; k < each && !a->bn; k++)
		pa[a->c + c * each + k] /= s;
	pb += (b->bn ? 4 : 1) * (size_t)b->c;
	for (size_t oc = c / ics * ocs; oc < (c / ics + 1) * ocs; oc++)
		for (size_t k = 0; k < taps; k++)
			pb[(oc * ics + c % ics) * taps + k] *= s;
}

static float largest_weight(const struct cb_quantizer *q, int j, uint32_t c)
{
	const struct cb_nn_layer *b = &q->g.layer[j];
	const float *pb = (const float *)(const void *)(q->body + q->raw_at[j]);
	size_t ics = b->ic / b->groups, ocs = b->c / b->groups, taps = (size_t)b->size * b->size;
	float most = 0;

	for (size_t oc = c / ics * ocs; oc < (c / ics + 1) * ocs; oc++) {
		/* as large as it is among those of its output */
		const float *w = pb + (b->bn ? 4 : 1) * (size_t)b->c + oc * ics * taps;
		float all = 0, own = 0;

		for (size_t k = 0; k < ics * taps; k++)
			all = fmaxf(all, fabsf(w[k]));
		for (size_t k = c % ics * taps; k < (c % ics + 1) * taps; k++)
			own = fmaxf(own, fabsf(w[k]));
		if (all > 0)
			most = fmaxf(most, own / all);
	}
	return most;
}

/* Where one convolution alone reads another, a channel may be made smaller in the one and its
 * weights larger in the other: until all channels use their common range alike. */
static int even(struct cb_quantizer *q, struct cb_err *err)
{
	int *uses = calloc((unsigned)q->g.n, sizeof *uses);

	q->body = malloc(q->model->body.n);
	if (!uses || !q->body) {
		free(uses);
		return cb_err_nomem(err);
	}
	memcpy(q->body, q->model->body.p, q->model->body.n);
	q->even = *q->model;
	q->even.body.p = q->body;
	for (int i = 0; i < q->g.n; i++) {
		const struct cb_nn_layer *l = &q->g.layer[i];

		if (i && l->type != CB_NN_ROUTE)
			uses[i - 1]++;
		for (int k = 0; k < l->nfrom; k++)
			uses[l->from[k]]++;
		/* never a shared one: its weights are another's, too */
		if (l->type == CB_NN_CONV && l->share >= 0)
			uses[l->share] += 2;
	}
	for (int i = 0; i < q->g.n; i++) {
		int j = reader(q, uses, i);
		const struct seen *s = &q->seen[i];
		float most = 0;

		if (j < 0 || (j < q->g.n && uses[j] > 1 && q->g.layer[j].share >= 0))
			continue;
		for (uint32_t c = 0; c < q->g.layer[i].c; c++)
			most = fmaxf(most, s->largest[c]);
		for (uint32_t c = 0; c < q->g.layer[i].c && most > 0; c++) {
			float r = s->largest[c] / most, w = 1;

			/* of one input channel an output the factor is in the weights' scale */
			if (q->g.layer[j].groups != q->g.layer[j].ic) {
				w = largest_weight(q, j, c);
				r = r > 0 && w > 0 ? sqrtf(r / w) : 1;
			}
			even_channel(q, i, j, c, r > 0 ? fmaxf(1.f / EVEN, fminf(EVEN, r)) : 1);
		}
	}
	free(uses);
	return 0;
}

/* --- ranges ------------------------------------------------------------------------------------- */

static float edge(const struct seen *s, int bin)
{
	return (float)((bin - BINS / 2) * s->reach / (BINS / 2));
}

static void percentile(const struct seen *s, double percent, float *lo, float *hi)
{
	uint64_t total = 0, out, sum = 0;
	int a = 0, b = BINS - 1;

	for (int i = 0; i < BINS; i++)
		total += s->bin[i];
	out = (uint64_t)((double)total * (100 - percent) / 100);
	while (a < BINS / 2 && (sum += s->bin[a]) <= out)
		a++;
	sum = 0;
	while (b >= BINS / 2 && (sum += s->bin[b]) <= out)
		b--;
	*lo = edge(s, a);
	*hi = edge(s, b + 1);
}

/* Relative entropy of the bins a..b, with what lies outside in the outermost, after they were
 * thrown together to LEVELS and spread again over those that had something. */
static double entropy(const struct seen *s, int a, int b)
{
	double total = 0, below = 0, above = 0, sum = 0, per = (double)(b - a + 1) / LEVELS;

	for (int i = 0; i < BINS; i++) {
		total += (double)s->bin[i];
		below += i < a ? (double)s->bin[i] : 0;
		above += i > b ? (double)s->bin[i] : 0;
	}
	for (int level = 0; level < LEVELS; level++) {
		int from = a + (int)(level * per), to = a + (int)((level + 1) * per);
		double mass = 0, some = 0;

		if (level == LEVELS - 1)
			to = b + 1;
		for (int i = from; i < to; i++) {
			mass += (double)s->bin[i];
			some += s->bin[i] > 0;
		}
		for (int i = from; i < to; i++) {
			double p = (double)s->bin[i] + (i == a ? below : 0) + (i == b ? above : 0);
			double m = some > 0 && s->bin[i] ? mass / some : .5;

			if (p > 0)
				sum += p / total * log(p / m);
		}
	}
	return sum;
}

static void least_entropy(const struct seen *s, float *lo, float *hi)
{
	int first = 0, last = BINS - 1;
	double best = INFINITY;

	while (first < BINS / 2 - 1 && !s->bin[first])
		first++;
	while (last > BINS / 2 && !s->bin[last])
		last--;
	for (int k = SHRINKS; k >= SHRINKS / 8; k--) {
		int a = BINS / 2 - (BINS / 2 - first) * k / SHRINKS;
		int b = BINS / 2 - 1 + (last + 1 - BINS / 2) * k / SHRINKS;
		double e;

		if (b - a + 1 < LEVELS)
			break;
		e = entropy(s, a, b);
		if (e < best) {
			best = e;
			*lo = edge(s, a);
			*hi = edge(s, b + 1);
		}
	}
	if (best == INFINITY)
		percentile(s, 100, lo, hi);
}

/* What quantisation to the bins a..b costs: what is cut off, and a step's width everywhere. */
static double noise(const struct seen *s, int a, int b)
{
	double step = (double)(b - a + 1) / 255, sum = 0;

	for (int i = 0; i < BINS; i++) {
		double off = i < a ? a - i : i > b ? i - b : 0;

		sum += (double)s->bin[i] * (off ? off * off : step * step / 12);
	}
	return sum;
}

static void least_noise(const struct seen *s, float *lo, float *hi)
{
	int first = 0, last = BINS - 1, a, b;
	double best = INFINITY;

	while (first < BINS / 2 && !s->bin[first])
		first++;
	while (last >= BINS / 2 && !s->bin[last])
		last--;
	/* each side by itself, the other as found so far, twice */
	a = first;
	b = last;
	for (int round = 0; round < 4; round++) {
		for (int k = 0; k < SHRINKS; k++) {
			int ta = round % 2 ? BINS / 2 - (BINS / 2 - first) * (SHRINKS - k) / SHRINKS : a;
			int tb = round % 2 ? b : BINS / 2 - 1 + (last + 1 - BINS / 2) * (SHRINKS - k) / SHRINKS;
			double e = noise(s, ta, tb);

			if (e < best) {
				best = e;
				a = ta;
				b = tb;
			}
		}
	}
	*lo = edge(s, a);
	*hi = edge(s, b + 1);
}

static int find(int *of, int i)
{
	while (of[i] != i)
		i = of[i] = of[of[i]];
	return i;
}

/* One range for all that a route joins, and what it is made of by moving values only, so that
 * nothing is rounded twice. */
static int join(struct cb_quantizer *q, struct cb_err *err)
{
	int *of = calloc((unsigned)q->g.n, sizeof *of);

	if (!of)
		return cb_err_nomem(err);
	for (int i = 0; i < q->g.n; i++)
		of[i] = i;
	for (int i = 0; i < q->g.n; i++) {
		const struct cb_nn_layer *l = &q->g.layer[i];

		if (i && (l->type == CB_NN_MAXPOOL || l->type == CB_NN_UPSAMPLE || l->type == CB_NN_PASS))
			of[find(of, i)] = find(of, i - 1);
		for (int k = 0; l->type == CB_NN_ROUTE && k < l->nfrom; k++)
			of[find(of, l->from[k])] = find(of, i);
	}
	for (int i = 0; i < q->g.n; i++) {
		int r = find(of, i);

		q->lo[r] = fminf(q->lo[r], q->lo[i]);
		q->hi[r] = fmaxf(q->hi[r], q->hi[i]);
	}
	for (int i = 0; i < q->g.n; i++) {
		q->lo[i] = q->lo[find(of, i)];
		q->hi[i] = q->hi[find(of, i)];
	}
	free(of);
	return 0;
}

static int ranges(struct cb_quantizer *q, struct cb_err *err)
{
	for (int i = 0; i <= q->g.n; i++) {
		struct seen *s = &q->seen[i];

		for (uint32_t c = 0; c < (i < q->g.n ? q->g.layer[i].c : q->g.c) && s->pixels; c++)
			s->mean[c] /= (double)s->pixels;
		if (!s->pixels || !(s->most > s->least))
			continue;
		if (q->o.method == CB_RANGE_NOISE)
			least_noise(s, &q->lo[i], &q->hi[i]);
		else if (q->o.method == CB_RANGE_ENTROPY)
			least_entropy(s, &q->lo[i], &q->hi[i]);
		else
			percentile(s, q->o.percentile, &q->lo[i], &q->hi[i]);
		q->lo[i] = fminf(q->lo[i], 0);
		q->hi[i] = fmaxf(q->hi[i], 0);
		if (!(q->hi[i] - q->lo[i] >= 1e-20f))
			q->lo[i] = q->hi[i] = 0;
	}
	return join(q, err);
}

/* --- weights ------------------------------------------------------------------------------------- */

/* The scale that leaves the least squared error: the largest weight's, or somewhat less. */
static float best_scale(const float *w, uint64_t n)
{
	float most = 0, best = 1;
	double least = INFINITY;

	for (uint64_t i = 0; i < n; i++)
		most = fmaxf(most, fabsf(w[i]));
	if (!(most >= 1e-20f))
		return 1e-20f;
	for (int k = 0; k <= 20; k++) {
		float s = most / 127 * (1 - (float)k * .02f);
		double sum = 0;

		for (uint64_t i = 0; i < n; i++) {
			float v = rintf(w[i] / s);
			float d = w[i] - s * fmaxf(-127, fminf(127, v));

			sum += (double)d * d;
		}
		if (sum < least) {
			least = sum;
			best = s;
		}
	}
	return best;
}

static int weights(struct cb_quantizer *q, int i, struct cb_nn_weights *f, struct cb_err *err)
{
	const struct cb_nn_layer *l = &q->g.layer[i];
	uint64_t nw = l->weights - (l->bn ? 4 : 1) * (uint64_t)l->c, each = nw / l->c;
	const struct seen *in = &q->seen[i ? i - 1 : q->g.n];
	uint64_t taps = (uint64_t)l->size * l->size, ics = l->ic / l->groups, ocs = l->c / l->groups;
	float *w = malloc(nw * sizeof *w);

	q->w[i] = malloc(nw);
	q->scale[i] = malloc(l->c * sizeof(float));
	q->bias[i] = malloc(l->c * sizeof(float));
	if (!w || !q->w[i] || !q->scale[i] || !q->bias[i]) {
		free(w);
		return cb_err_nomem(err);
	}
	if (cb_nn_weights_layer(f, &q->g, i, w, q->bias[i], err)) {
		free(w);
		return -1;
	}
	for (uint32_t c = 0; c < l->c; c++) {
		const float *from = w + c * each;
		double shift = 0;
		float s = best_scale(from, each);

		q->scale[i][c] = s;
		for (uint64_t k = 0; k < each; k++) {
			float v = fmaxf(-127, fminf(127, rintf(from[k] / s)));

			q->w[i][c * each + k] = (int8_t)v;
			shift += ((double)from[k] - (double)(s * v)) * in->mean[c / ocs * ics + k / taps];
		}
		q->bias[i][c] += (float)shift;
	}
	free(w);
	return 0;
}

/* --- what stays float ------------------------------------------------------------------------------ */

static int body(const struct cb_quantizer *q, const bool *int8, struct cb_buf *out, struct cb_err *err)
{
	int bad = cb_nn_quant_put_head(out, q->g.n);

	for (int i = 0; i < q->g.n && !bad; i++) {
		const struct cb_nn_layer *l = &q->g.layer[i];
		bool has = q->hi[i] > q->lo[i];

		bad = int8[i] ? cb_nn_quant_put(out, l, q->w[i], q->scale[i], q->bias[i], has, q->lo[i], q->hi[i]) :
			cb_nn_quant_put_raw(out, l, q->even.body.p + q->raw_at[i], has, q->lo[i], q->hi[i]);
	}
	return bad ? cb_err_nomem(err) : 0;
}

/* The share of the energy at the detecting layers that this choice gets wrong, over the first
 * n pictures; below 0: failed. */
static double measure(struct cb_quantizer *q, const bool *int8, int n, struct cb_err *err)
{
	struct cb_pack pack = q->even;
	struct cb_net_opts no = { .threads = q->o.threads, .pack = &pack };
	struct cb_net *net = NULL;
	struct cb_buf b = { 0 };
	double wrong = 0, all = 1e-30, ret = -1;
	float *got = malloc(q->head_floats * sizeof *got);

	if (!got) {
		cb_err_nomem(err);
		return -1;
	}
	if (body(q, int8, &b, err))
		goto out;
	pack.kind = CB_PACK_INT8;
	pack.body.p = b.data;
	pack.body.n = b.len;
	if (cb_net_open(&net, "model", NULL, &no, err))
		goto out;
	for (int i = 0; i < MEASURED; i += MEASURED / n) {
		const float *want = q->heads[i];
		double mean = 0;

		fill(q, cb_net_input(net), measured(q, i, MEASURED));
		if (cb_net_run(net, err))
			goto out;
		read_heads(net, &q->g, got);
		for (size_t k = 0; k < q->head_floats; k++)
			mean += want[k];
		mean /= (double)q->head_floats;
		for (size_t k = 0; k < q->head_floats; k++) {
			wrong += ((double)got[k] - want[k]) * ((double)got[k] - want[k]);
			all += (want[k] - mean) * (want[k] - mean);
		}
	}
	ret = wrong / all;
out:
	cb_net_free(net);
	cb_buf_release(&b);
	free(got);
	return ret;
}

/* "0,5-7" */
static int parse_keep(struct cb_quantizer *q, bool *keep, struct cb_err *err)
{
	const char *p = q->o.keep;

	while (p && *p) {
		char *end;
		long a = strtol(p, &end, 10), b = a;

		if (end == p)
			goto bad;
		if (*end == '-') {
			p = end + 1;
			b = strtol(p, &end, 10);
			if (end == p)
				goto bad;
		}
		if (a < 0 || b < a || b >= q->g.n || (*end && *end != ','))
			goto bad;
		for (; a <= b; a++)
			keep[a] = true;
		p = *end ? end + 1 : end;
	}
	return 0;
bad:
	return cb_err_set(err, CB_E_USAGE, "'%s' is not a list of layers 0 to %d", q->o.keep, q->g.n - 1);
}

static int by_error(const void *a, const void *b)
{
	const struct cb_quantize_layer *x = a, *y = b;

	if (x->error != y->error)
		return x->error < y->error ? 1 : -1;
	return x->layer - y->layer;
}

static int by_layer(const void *a, const void *b)
{
	return ((const struct cb_quantize_layer *)a)->layer - ((const struct cb_quantize_layer *)b)->layer;
}

static int choose(struct cb_quantizer *q, struct cb_err *err)
{
	bool *one = calloc((size_t)q->g.n, sizeof *one);
	int rc = -1, float_ = 0;

	if (!one)
		return cb_err_nomem(err);
	for (int k = 0; k < q->results; k++) {
		struct cb_quantize_layer *r = &q->result[k];

		progress(q, "layers", k, q->results);
		one[r->layer] = true;
		r->error = measure(q, one, MEASURED_ONE, err);
		one[r->layer] = false;
		if (r->error < 0)
			goto out;
	}
	qsort(q->result, (size_t)q->results, sizeof *q->result, by_error);
	for (int k = 0; k < q->results; k++)
		q->int8[q->result[k].layer] = q->result[k].int8 = !q->result[k].asked;
	for (;;) {
		q->error = measure(q, q->int8, MEASURED, err);
		if (q->error < 0)
			goto out;
		if (q->error <= q->o.loss)
			break;
		while (float_ < q->results && !q->result[float_].int8)
			float_++;
		if (float_ == q->results)
			break;
		q->int8[q->result[float_].layer] = q->result[float_].int8 = false;
	}
	progress(q, "layers", q->results, q->results);
	rc = 0;
out:
	qsort(q->result, (size_t)q->results, sizeof *q->result, by_layer);
	free(one);
	return rc;
}

/* As cb_range_method has them. */
static const char *const methods[] = { "noise", "percentile", "entropy" };

static int describe(struct cb_quantizer *q, struct cb_buf *out, struct cb_err *err)
{
	struct cb_jw w;
	int int8 = 0;

	for (int k = 0; k < q->results; k++)
		int8 += q->result[k].int8;
	cb_jw_init(&w, out);
	cb_jw_obj(&w);
	cb_jw_ku64(&w, "pictures", q->pictures);
	cb_jw_kstr(&w, "method", methods[q->o.method]);
	if (q->o.method == CB_RANGE_PERCENTILE)
		cb_jw_kfixed(&w, "percentile", q->o.percentile, 4);
	cb_jw_kfixed(&w, "loss", q->o.loss, 6);
	cb_jw_kfixed(&w, "error", q->error, 6);
	cb_jw_ki64(&w, "convolutions", q->results);
	cb_jw_ki64(&w, "int8", int8);
	cb_jw_key(&w, "float");
	cb_jw_arr(&w);
	for (int k = 0; k < q->results; k++)
		if (!q->result[k].int8)
			cb_jw_i64(&w, q->result[k].layer);
	cb_jw_arr_end(&w);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err);
}

int cb_quantizer_finish(struct cb_quantizer *q, struct cb_buf *ret_body, struct cb_buf *ret_json,
			struct cb_err *err)
{
	struct cb_nn_weights f = { .fd = -1 };
	bool *keep = calloc((size_t)q->g.n, sizeof *keep), *shared = calloc((size_t)q->g.n, sizeof *shared);
	bool any = false;
	int rc = -1;

	if (!keep || !shared) {
		cb_err_nomem(err);
		goto out;
	}
	if (!q->pictures) {
		cb_err_set(err, CB_E_DATA, "no pictures to calibrate with");
		goto out;
	}
	if (!cb_nn_has_vnni()) {
		cb_err_set(err, CB_E_UNAVAIL, "this processor has no byte products (VNNI) to measure with");
		goto out;
	}
	if (parse_keep(q, keep, err) ||
	    cb_nn_weights_memory(&f, q->model->body.p, q->model->body.n, &q->g, err))
		goto out;
	q->raw_at[0] = (size_t)f.at;
	for (int i = 1; i < q->g.n; i++)
		q->raw_at[i] = q->raw_at[i - 1] + (size_t)q->g.layer[i - 1].weights * sizeof(float);
	if (watch_all(q, q->model, false, err) || even(q, err) || watch_all(q, &q->even, true, err) ||
	    ranges(q, err) || cb_nn_weights_memory(&f, q->body, q->even.body.n, &q->g, err))
		goto out;
	for (int i = 0; i < q->g.n; i++)
		if (q->g.layer[i].type == CB_NN_CONV && q->g.layer[i].share >= 0)
			shared[i] = shared[q->g.layer[i].share] = true;
	for (int i = 0; i < q->g.n; i++) {
		if (q->g.layer[i].type != CB_NN_CONV || shared[i])
			continue;
		f.at = q->raw_at[i];
		if (weights(q, i, &f, err))
			goto out;
		q->result[q->results++] = (struct cb_quantize_layer){ .layer = i, .asked = keep[i] };
	}
	if (choose(q, err))
		goto out;
	for (int k = 0; k < q->results; k++)
		any |= q->result[k].int8;
	if (!any) {
		cb_err_set(err, CB_E_DATA, "no convolution can be in 8 bits within an error of %g", q->o.loss);
		goto out;
	}
	if (body(q, q->int8, ret_body, err) || describe(q, ret_json, err))
		goto out;
	rc = 0;
out:
	free(keep);
	free(shared);
	return rc;
}
