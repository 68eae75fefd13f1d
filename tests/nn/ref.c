/* SPDX-License-Identifier: Apache-2.0 */
/* The plain reference: no folding, no fusion, no layouts, one loop a dimension. */
#include "ref.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float activate(enum cb_nn_act a, float x)
{
	switch (a) {
	case CB_NN_LEAKY: return x > 0 ? x : .1f * x;
	case CB_NN_RELU: return x * (x > 0);
	case CB_NN_RELU6: return fminf(fmaxf(x, 0), 6);
	case CB_NN_LOGISTIC: return (float)(1. / (1. + exp(-x)));
	case CB_NN_MISH: return (float)(x * tanh(log(1 + exp(x))));
	case CB_NN_SWISH: return (float)(x / (1. + exp(-x)));
	case CB_NN_TANH: return (float)((exp(2 * x) - 1) / (exp(2 * x) + 1));
	case CB_NN_ELU: return (float)((x >= 0) * x + (x < 0) * (exp(x) - 1));
	case CB_NN_SELU: return (float)((x >= 0) * 1.0507 * x + (x < 0) * 1.0507 * 1.6732 * (exp(x) - 1));
	case CB_NN_GELU: return (float)(0.5 * x * (1 + tanh(0.797885 * x + 0.035677 * pow(x, 3))));
	case CB_NN_RELIE: return x > 0 ? x : .01f * x;
	case CB_NN_RAMP: return x * (x > 0) + .1f * x;
	case CB_NN_LOGGY: return (float)(2. / (1. + exp(-x)) - 1);
	case CB_NN_HARDTAN: return x < -1 ? -1 : x > 1 ? 1 : x;
	case CB_NN_LINEAR: break;
	}
	return x;
}

static float *take(FILE *f, size_t n)
{
	float *v = malloc(n * sizeof(*v) + 1);

	if (v && fread(v, sizeof(*v), n, f) != n) {
		free(v);
		return NULL;
	}
	return v;
}

/* Normalise, add the bias, activate. */
static void finish(const struct cb_nn_layer *l, float *out, const float *bias, const float *bn)
{
	size_t hw = (size_t)l->h * l->w;

	for (uint32_t c = 0; c < l->c; c++) {
		for (size_t i = 0; i < hw; i++) {
			float *x = &out[c * hw + i];

			if (bn) {
				float var = bn[2 * l->c + c] < 0 ? 0 : bn[2 * l->c + c];

				*x = (float)((*x - bn[l->c + c]) / (sqrt(var) + .000001f)) * bn[c];
			}
			*x = activate(l->act, *x + bias[c]);
		}
	}
}

static int conv(const struct cb_nn_layer *l, FILE *f, const float *in, float *out)
{
	uint32_t ipg = l->ic / l->groups, opg = l->c / l->groups;
	float *bias = take(f, l->c), *bn = l->bn ? take(f, 3 * (size_t)l->c) : NULL;
	float *w = take(f, (size_t)l->c * ipg * l->size * l->size);
	int rc = -1;

	if (!bias || !w || (l->bn && !bn))
		goto out;
	memset(out, 0, sizeof(*out) * l->c * l->h * l->w);
	for (uint32_t o = 0; o < l->c; o++) {
		for (uint32_t i = 0; i < ipg; i++) {
			const float *src = in + ((size_t)(o / opg) * ipg + i) * l->ih * l->iw;

			for (uint32_t ky = 0; ky < l->size; ky++) {
				for (uint32_t kx = 0; kx < l->size; kx++) {
					float k = w[(((size_t)o * ipg + i) * l->size + ky) * l->size + kx];

					for (uint32_t y = 0; y < l->h; y++) {
						int64_t sy = (int64_t)y * l->stride_y + ky * l->dilation - l->pad;

						if (sy < 0 || sy >= l->ih)
							continue;
						for (uint32_t x = 0; x < l->w; x++) {
							int64_t sx = (int64_t)x * l->stride_x + kx * l->dilation - l->pad;

							if (sx >= 0 && sx < l->iw)
								out[((size_t)o * l->h + y) * l->w + x] +=
									k * src[sy * l->iw + sx];
						}
					}
				}
			}
		}
	}
	finish(l, out, bias, bn);
	rc = 0;
out:
	free(bias);
	free(bn);
	free(w);
	return rc;
}

static int connected(const struct cb_nn_layer *l, FILE *f, const float *in, float *out)
{
	size_t n = (size_t)l->ic * l->ih * l->iw;
	float *bias = take(f, l->c), *w = take(f, l->c * n);
	float *bn = l->bn ? take(f, 3 * (size_t)l->c) : NULL;
	int rc = -1;

	if (!bias || !w || (l->bn && !bn))
		goto out;
	for (uint32_t o = 0; o < l->c; o++) {
		double sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += (double)w[o * n + i] * in[i];
		out[o] = (float)sum;
	}
	finish(l, out, bias, bn);
	rc = 0;
out:
	free(bias);
	free(bn);
	free(w);
	return rc;
}

static void maxpool(const struct cb_nn_layer *l, const float *in, float *out)
{
	int off = -(int)l->pad / 2;

	for (uint32_t c = 0; c < l->c; c++) {
		for (int y = 0; y < (int)l->h; y++) {
			for (int x = 0; x < (int)l->w; x++) {
				float max = -FLT_MAX;

				for (int j = 0; j < (int)l->size; j++) {
					for (int i = 0; i < (int)l->size; i++) {
						int sy = off + y * (int)l->stride_y + j, sx = off + x * (int)l->stride_x + i;

						if (sy >= 0 && sy < (int)l->ih && sx >= 0 && sx < (int)l->iw)
							max = fmaxf(max, in[((size_t)c * l->ih + sy) * l->iw + sx]);
					}
				}
				out[((size_t)c * l->h + y) * l->w + x] = max;
			}
		}
	}
}

static void shortcut(const struct cb_nn_graph *g, const struct cb_nn_layer *l, const float *in,
		     float **outs, float *out)
{
	size_t n = (size_t)l->c * l->h * l->w;

	memcpy(out, in, n * sizeof(*out));
	for (int k = 0; k < l->nfrom; k++) {
		const struct cb_nn_layer *f = &g->layer[l->from[k]];
		const float *add = outs[l->from[k]];
		uint32_t stride = f->w / l->w ? f->w / l->w : 1, sample = l->w / f->w ? l->w / f->w : 1;

		for (uint32_t c = 0; c < l->c && c < f->c; c++)
			for (uint32_t y = 0; y < l->h && y < f->h; y++)
				for (uint32_t x = 0; x < l->w && x < f->w; x++) {
					float *o = &out[((size_t)c * l->h + y * sample) * l->w + x * sample];

					*o = l->alpha * *o +
						l->beta * add[((size_t)c * f->h + y * stride) * f->w + x * stride];
				}
	}
	for (size_t i = 0; i < n; i++)
		out[i] = activate(l->act, out[i]);
}

static void softmax(const float *in, float *out, uint32_t n, size_t step, float t)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += exp(in[i * step] / t);
	for (uint32_t i = 0; i < n; i++)
		out[i * step] = (float)(exp(in[i * step] / t) / sum);
}

static void detector(const struct cb_nn_layer *l, const float *in, float *out)
{
	size_t hw = (size_t)l->h * l->w;
	uint32_t each = l->coords + 1 + l->classes;

	memcpy(out, in, sizeof(*out) * l->c * hw);
	for (uint32_t n = 0; n < l->n; n++) {
		float *o = out + (size_t)n * each * hw;
		const float *x = in + (size_t)n * each * hw;

		for (size_t i = 0; i < hw; i++) {
			for (uint32_t k = 0; k < each && !l->new_coords; k++) {
				if (k >= 2 && k < l->coords)
					continue;
				if (k == l->coords && l->background)
					continue;
				if (k > l->coords && l->softmax)
					continue;
				o[k * hw + i] = activate(CB_NN_LOGISTIC, x[k * hw + i]);
			}
			if (l->softmax) {
				uint32_t first = l->coords + !l->background;

				softmax(x + first * hw + i, o + first * hw + i, l->classes + l->background, hw, 1);
			}
			for (uint32_t k = 0; k < 2; k++)
				o[k * hw + i] = o[k * hw + i] * l->scale_x_y - .5f * (l->scale_x_y - 1);
		}
	}
}

static int layer(const struct cb_nn_graph *g, int at, FILE *f, const float *in, float **outs)
{
	const struct cb_nn_layer *l = &g->layer[at];
	size_t hw = (size_t)l->h * l->w, ihw = (size_t)l->ih * l->iw, n = l->c * hw;
	float *out = outs[at];

	switch (l->type) {
	case CB_NN_CONV: return conv(l, f, in, out);
	case CB_NN_CONNECTED: return connected(l, f, in, out);
	case CB_NN_ACTIVATION:
		for (size_t i = 0; i < n; i++)
			out[i] = activate(l->act, in[i]);
		return 0;
	case CB_NN_MAXPOOL: maxpool(l, in, out); return 0;
	case CB_NN_AVGPOOL:
		for (uint32_t c = 0; c < l->c; c++) {
			double sum = 0;

			for (size_t i = 0; i < ihw; i++)
				sum += in[c * ihw + i];
			out[c] = (float)(sum / (double)ihw);
		}
		return 0;
	case CB_NN_ROUTE:
		for (int k = 0; k < l->nfrom; k++) {
			size_t part = (size_t)g->layer[l->from[k]].c / l->groups * hw;

			memcpy(out, outs[l->from[k]] + part * l->group_id, part * sizeof(*out));
			out += part;
		}
		return 0;
	case CB_NN_SHORTCUT: shortcut(g, l, in, outs, out); return 0;
	case CB_NN_UPSAMPLE:
		for (uint32_t c = 0; c < l->c; c++)
			for (uint32_t y = 0; y < l->h; y++)
				for (uint32_t x = 0; x < l->w; x++)
					out[(c * (size_t)l->h + y) * l->w + x] = l->scale *
						in[(c * (size_t)l->ih + y / l->stride_y) * l->iw + x / l->stride_x];
		return 0;
	case CB_NN_REORG: {
		uint32_t s = l->stride_x, oc = l->ic / (s * s);

		for (uint32_t k = 0; k < l->ic; k++)
			for (uint32_t y = 0; y < l->ih; y++)
				for (uint32_t x = 0; x < l->iw; x++)
					out[(k * (size_t)l->ih + y) * l->iw + x] =
						in[(k % oc * (size_t)l->ih * s + y * s + k / oc / s) * l->iw * s +
						   x * s + k / oc % s];
		return 0;
	}
	case CB_NN_SCALE_CHANNELS:
		for (uint32_t c = 0; c < l->c; c++)
			for (size_t i = 0; i < hw; i++)
				out[c * hw + i] = activate(l->act, outs[l->from[0]][c * hw + i] *
							   (l->scale_wh ? in[i] : in[c]));
		return 0;
	case CB_NN_SOFTMAX:
		for (uint32_t k = 0; k < l->groups; k++)
			softmax(in + k * (n / l->groups), out + k * (n / l->groups),
				(uint32_t)(n / l->groups), 1, l->temperature);
		return 0;
	case CB_NN_PASS: memcpy(out, in, n * sizeof(*out)); return 0;
	case CB_NN_YOLO:
	case CB_NN_REGION: detector(l, in, out); return 0;
	}
	return -1;
}

int ref_run(const struct cb_nn_graph *g, const char *weights, const float *input, float **out)
{
	FILE *f = fopen(weights, "rb");
	int32_t head[3] = { 0 };
	char seen[8];
	size_t n;
	int rc = -1;

	if (!f || fread(head, sizeof(head), 1, f) != 1)
		goto out;
	n = head[0] * 10 + head[1] >= 2 ? 8 : 4;
	if (fread(seen, 1, n, f) != n)
		goto out;
	for (int i = 0; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i];

		out[i] = malloc(((size_t)l->c * l->h * l->w + 1) * sizeof(float));
		if (!out[i] || layer(g, i, f, i ? out[i - 1] : input, out))
			goto out;
	}
	rc = 0;
out:
	if (f)
		fclose(f);
	return rc;
}
