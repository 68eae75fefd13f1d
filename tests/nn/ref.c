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
	case CB_NN_LHTAN:
		if (x < 0)
			return .001f * x;
		return x > 1 ? .001f * (x - 1) + 1 : x;
	case CB_NN_PLSE:
		if (x < -4)
			return .01f * (x + 4);
		return x > 4 ? .01f * (x - 4) + 1 : .125f * x + .5f;
	case CB_NN_STAIR: {
		int n = (int)floor(x);

		return (float)(n % 2 ? x - n + floor(x / 2.) : floor(x / 2.));
	}
	case CB_NN_HARD_MISH:
		if (x > 0)
			return x;
		return x > -2 ? x * x / 2 + x : 0;
	case CB_NN_NORM_CHAN:
	case CB_NN_NORM_CHAN_SOFTMAX:
	case CB_NN_NORM_CHAN_SOFTMAX_MAX:
	case CB_NN_LINEAR: break;
	}
	return x;
}

/* The activations over the channels of a pixel. */
static void activate_channels(const struct cb_nn_layer *l, float *out)
{
	size_t hw = (size_t)l->h * l->w;

	for (size_t i = 0; i < hw; i++) {
		double sum = .0001, max = 0;

		if (l->act == CB_NN_NORM_CHAN_SOFTMAX_MAX) {
			max = out[i];
			for (uint32_t c = 1; c < l->c; c++)
				max = fmax(max, out[c * hw + i]);
		}
		for (uint32_t c = 0; c < l->c; c++)
			sum += l->act == CB_NN_NORM_CHAN ? fmax(out[c * hw + i], 0) :
							   exp(out[c * hw + i] - max);
		for (uint32_t c = 0; c < l->c; c++)
			out[c * hw + i] = (float)((l->act == CB_NN_NORM_CHAN ? fmax(out[c * hw + i], 0) :
						   exp(out[c * hw + i] - max)) / sum);
	}
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
	if (l->act >= CB_NN_NORM_CHAN)
		activate_channels(l, out);
}

/* A [batchnorm] layer. */
static int batchnorm(const struct cb_nn_layer *l, FILE *f, const float *in, float *out)
{
	float *bias = take(f, l->c), *bn = take(f, 3 * (size_t)l->c);
	int rc = -1;

	if (bias && bn) {
		memcpy(out, in, sizeof(*out) * l->c * l->h * l->w);
		finish(l, out, bias, bn);
		rc = 0;
	}
	free(bias);
	free(bn);
	return rc;
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

/* The largest of a window, or the mean of what is in the picture. */
static void pool(const struct cb_nn_layer *l, const float *in, float *out)
{
	int off = -(int)l->pad / 2;

	for (uint32_t c = 0; c < l->c; c++) {
		for (int y = 0; y < (int)l->h; y++) {
			for (int x = 0; x < (int)l->w; x++) {
				float max = -FLT_MAX;
				double sum = 0;
				int n = 0;

				for (int j = 0; j < (int)l->size; j++) {
					for (int i = 0; i < (int)l->size; i++) {
						int sy = off + y * (int)l->stride_y + j, sx = off + x * (int)l->stride_x + i;

						if (sy >= 0 && sy < (int)l->ih && sx >= 0 && sx < (int)l->iw) {
							max = fmaxf(max, in[((size_t)c * l->ih + sy) * l->iw + sx]);
							sum += in[((size_t)c * l->ih + sy) * l->iw + sx];
							n++;
						}
					}
				}
				out[((size_t)c * l->h + y) * l->w + x] =
					l->type == CB_NN_MAXPOOL ? max : (float)(sum / n);
			}
		}
	}
}

/* Antialiasing: a depthwise convolution with 1 2 1 / 2 4 2 / 1 2 1 over 16, or four quarters. */
static void blur(const struct cb_nn_layer *l, const float *in, float *out)
{
	static const int three[3][3] = { { 1, 2, 1 }, { 2, 4, 2 }, { 1, 2, 1 } };

	for (uint32_t c = 0; c < l->c; c++) {
		for (int y = 0; y < (int)l->h; y++) {
			for (int x = 0; x < (int)l->w; x++) {
				double sum = 0;

				for (int j = 0; j < (int)l->size; j++) {
					for (int i = 0; i < (int)l->size; i++) {
						int sy = y * (int)l->stride_y + j - (l->size == 3);
						int sx = x * (int)l->stride_x + i - (l->size == 3);

						if (sy >= 0 && sy < (int)l->ih && sx >= 0 && sx < (int)l->iw)
							sum += in[((size_t)c * l->ih + sy) * l->iw + sx] *
								(l->size == 3 ? three[j][i] / 16. : 1 / 4.);
					}
				}
				out[((size_t)c * l->h + y) * l->w + x] = (float)sum;
			}
		}
	}
}

static void crop(const struct cb_nn_layer *l, const float *in, float *out)
{
	uint32_t top = (l->ih - l->h) / 2, left = (l->iw - l->w) / 2;

	for (uint32_t c = 0; c < l->c; c++)
		for (uint32_t y = 0; y < l->h; y++)
			for (uint32_t x = 0; x < l->w; x++)
				*out++ = in[((size_t)c * l->ih + y + top) * l->iw + x + left] * l->alpha + l->beta;
}

static void maxdepth(const struct cb_nn_layer *l, const float *in, float *out)
{
	size_t hw = (size_t)l->h * l->w;

	for (uint32_t g = 0; g < l->c; g++) {
		for (size_t i = 0; i < hw; i++) {
			float max = -FLT_MAX;

			for (uint32_t k = g; k < l->ic; k += l->c)
				max = fmaxf(max, in[k * hw + i]);
			out[g * hw + i] = max;
		}
	}
}

/* A shortcut whose inputs have weights. */
static int mixed(const struct cb_nn_graph *g, const struct cb_nn_layer *l, FILE *f, const float *in,
		 float **outs, float *out)
{
	size_t hw = (size_t)l->h * l->w, each = l->mix == CB_NN_MIX_CHANNEL ? l->c : 1;
	int n = l->nfrom + 1;
	float *w = take(f, n * each);

	if (!w)
		return -1;
	for (uint32_t c = 0; c < l->c; c++) {
		size_t at = each == 1 ? 0 : c;
		double max = w[at], sum = .0001, k[CB_NN_FROM_MAX + 1];

		for (int i = 0; i < n; i++)
			max = fmax(max, w[i * each + at]);
		for (int i = 0; i < n; i++) {
			k[i] = w[i * each + at];
			if (l->mix_norm == CB_NN_MIX_SOFTMAX)
				k[i] = exp(k[i] - max);
			if (l->mix_norm == CB_NN_MIX_RELU)
				k[i] = k[i] > .001 ? k[i] : .001;
			sum += k[i];
		}
		for (size_t p = 0; p < hw; p++) {
			double v = 0;

			for (int i = 0; i < n; i++) {
				const float *from = i ? outs[l->from[i - 1]] : in;

				if (!i || c < g->layer[l->from[i - 1]].c)
					v += (l->mix_norm ? k[i] / sum : k[i]) * from[c * hw + p];
			}
			out[c * hw + p] = activate(l->act, (float)v);
		}
	}
	free(w);
	return 0;
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

/* Each coordinate and its deviation, objectness, classes. */
static void gaussian(const struct cb_nn_layer *l, const float *in, float *out)
{
	size_t hw = (size_t)l->h * l->w;
	uint32_t each = 9 + l->classes;

	for (uint32_t k = 0; k < l->n * each; k++) {
		for (size_t i = 0; i < hw; i++) {
			uint32_t what = k % each;
			float v = in[k * hw + i];

			if (what != 4 && what != 6)
				v = activate(CB_NN_LOGISTIC, v);
			if (what == 0 || what == 2)
				v = v * l->scale_x_y - .5f * (l->scale_x_y - 1);
			out[k * hw + i] = v;
		}
	}
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

/* One run. */
struct run {
	const struct cb_nn_graph *g;
	FILE *f;
	long where[CB_NN_LAYERS_MAX];	/* of a layer's weights */
};

/* A convolution with the weights of an earlier one. */
static int shared(struct run *r, const struct cb_nn_layer *l, const float *in, float *out)
{
	long back = ftell(r->f);
	int rc;

	fseek(r->f, r->where[l->share], SEEK_SET);
	rc = conv(l, r->f, in, out);
	fseek(r->f, back, SEEK_SET);
	return rc;
}

static int layer(struct run *r, int at, const float *in, float **outs)
{
	const struct cb_nn_graph *g = r->g;
	FILE *f = r->f;
	const struct cb_nn_layer *l = &g->layer[at];
	size_t hw = (size_t)l->h * l->w, ihw = (size_t)l->ih * l->iw, n = l->c * hw;
	float *out = outs[at];

	r->where[at] = ftell(f);
	switch (l->type) {
	case CB_NN_CONV: return l->share >= 0 ? shared(r, l, in, out) : conv(l, f, in, out);
	case CB_NN_BATCHNORM: return batchnorm(l, f, in, out);
	case CB_NN_CROP: crop(l, in, out); return 0;
	case CB_NN_BLUR: blur(l, in, out); return 0;
	case CB_NN_MAXDEPTH: maxdepth(l, in, out); return 0;
	case CB_NN_SAM:
		for (size_t i = 0; i < n; i++)
			out[i] = activate(l->act, in[i] * outs[l->from[0]][i]);
		return 0;
	case CB_NN_CONNECTED: return connected(l, f, in, out);
	case CB_NN_ACTIVATION:
		for (size_t i = 0; i < n; i++)
			out[i] = activate(l->act, in[i]);
		return 0;
	case CB_NN_MAXPOOL:
	case CB_NN_LOCAL_AVGPOOL: pool(l, in, out); return 0;
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
	case CB_NN_SHORTCUT:
		if (l->mix)
			return mixed(g, l, f, in, outs, out);
		shortcut(g, l, in, outs, out);
		return 0;
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
	case CB_NN_REORG3D: {
		uint32_t s = l->stride_x;

		/* each channel s * s times, once for each place in a square */
		for (uint32_t dy = 0; dy < s; dy++)
			for (uint32_t dx = 0; dx < s; dx++)
				for (uint32_t c = 0; c < l->ic; c++)
					for (uint32_t y = 0; y < l->h; y++)
						for (uint32_t x = 0; x < l->w; x++)
							*out++ = in[(c * (size_t)l->ih + y * s + dy) * l->iw + x * s + dx];
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
	case CB_NN_GAUSSIAN: gaussian(l, in, out); return 0;
	case CB_NN_YOLO:
	case CB_NN_REGION: detector(l, in, out); return 0;
	}
	return -1;
}

int ref_run(const struct cb_nn_graph *g, const char *weights, const float *input, float **out)
{
	struct run r = { .g = g, .f = fopen(weights, "rb") };
	int32_t head[3] = { 0 };
	char seen[8];
	size_t n;
	int rc = -1;

	if (!r.f || fread(head, sizeof(head), 1, r.f) != 1)
		goto out;
	n = head[0] * 10 + head[1] >= 2 ? 8 : 4;
	if (fread(seen, 1, n, r.f) != n)
		goto out;
	for (int i = 0; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i];

		out[i] = malloc(((size_t)l->c * l->h * l->w + 1) * sizeof(float));
		if (!out[i] || layer(&r, i, i ? out[i - 1] : input, out))
			goto out;
	}
	rc = 0;
out:
	if (r.f)
		fclose(r.f);
	return rc;
}
