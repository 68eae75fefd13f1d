/* SPDX-License-Identifier: Apache-2.0 */
/* model.int8: taken apart and put together. */
#include "nn/quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

struct cb_nn_q cb_nn_q_of(float lo, float hi)
{
	struct cb_nn_q q = { (hi - lo) / 255, 0 };

	q.zero = (int32_t)lrintf(-lo / q.scale);
	return q;
}

static float float_at(const uint8_t *p)
{
	float v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint64_t count_weights(const struct cb_nn_layer *l)
{
	return l->weights - (l->bn ? 4 : 1) * (uint64_t)l->c;
}

static int bad(struct cb_err *err, const struct cb_nn_graph *g, int layer, const char *why)
{
	return cb_err_set(err, CB_E_DATA, "layer %d %s: %s", layer, g->layer[layer].name, why);
}

/* The record at p of n bytes; returns its length, or 0 with err filled. */
static size_t record(struct cb_nn_qlayer *q, const uint8_t *p, size_t n, const struct cb_nn_graph *g,
		     int i, struct cb_err *err)
{
	const struct cb_nn_layer *l = &g->layer[i];
	uint64_t need;

	if (n < 12) {
		bad(err, g, i, "the file ends");
		return 0;
	}
	if (p[0] > 1 || p[1] > 1 || p[2] || p[3] ||
	    (p[0] && (l->type != CB_NN_CONV || l->share >= 0))) {
		bad(err, g, i, "no such record");
		return 0;
	}
	q->int8 = p[0];
	q->lo = float_at(p + 4);
	q->hi = float_at(p + 8);
	if (p[1] ? !(isfinite(q->lo) && isfinite(q->hi) && q->lo <= 0 && q->hi >= 0 &&
		     q->hi - q->lo >= 1e-30f && q->hi - q->lo <= 1e30f) : q->lo != 0 || q->hi != 0) {
		bad(err, g, i, "not a range");
		return 0;
	}
	q->nw = q->int8 ? count_weights(l) : 0;
	need = q->int8 ? 8 * (uint64_t)l->c + (q->nw + 3) / 4 * 4 : 4 * l->weights;
	if (n - 12 < need) {
		bad(err, g, i, "the file ends");
		return 0;
	}
	p += 12;
	if (!q->int8) {
		q->raw = p;
		return 12 + (size_t)need;
	}
	q->scale = p;
	q->bias = p + 4 * (size_t)l->c;
	q->w = p + 8 * (size_t)l->c;
	for (uint32_t c = 0; c < l->c; c++) {
		float s = float_at(q->scale + 4 * (size_t)c), b = float_at(q->bias + 4 * (size_t)c);

		if (!(s >= 1e-30f && s <= 1e30f) || !(fabsf(b) <= 1e30f)) {
			bad(err, g, i, "a scale or bias out of range");
			return 0;
		}
	}
	for (uint64_t k = 0; k < q->nw; k++)
		if (q->w[k] == 0x80) {
			bad(err, g, i, "a weight of -128");
			return 0;
		}
	for (uint64_t k = q->nw; k % 4; k++)
		if (q->w[k]) {
			bad(err, g, i, "filling that is not zero");
			return 0;
		}
	return 12 + (size_t)need;
}

int cb_nn_quant_parse(struct cb_nn_quant *ret, const uint8_t *p, size_t n, const struct cb_nn_graph *g,
		      struct cb_err *err)
{
	struct cb_nn_quant q = { .layers = g->n };
	size_t at = 12;

	if (n < 12 || memcmp(p, CB_NN_QUANT_MAGIC, 8))
		return cb_err_set(err, CB_E_DATA, "not weights in 8 bits");
	if (cb_le32(p + 8) != (uint32_t)g->n)
		return cb_err_set(err, CB_E_DATA, "%u layers, but the cfg has %d",
				  (unsigned)cb_le32(p + 8), g->n);
	q.layer = calloc((size_t)g->n + 1, sizeof(*q.layer));
	if (!q.layer)
		return cb_err_nomem(err);
	for (int i = 0; i < g->n; i++) {
		size_t used = record(&q.layer[i], p + at, n - at, g, i, err);

		if (!used)
			goto failed;
		at += used;
	}
	if (at != n) {
		cb_err_set(err, CB_E_DATA, "%zu bytes too many", n - at);
		goto failed;
	}
	*ret = q;
	return 0;
failed:
	free(q.layer);
	return -1;
}

void cb_nn_quant_release(struct cb_nn_quant *q)
{
	free(q->layer);
	q->layer = NULL;
}

void cb_nn_quant_floats(const struct cb_nn_quant *q, const struct cb_nn_graph *g, int layer,
			float *w, float *bias)
{
	const struct cb_nn_qlayer *l = &q->layer[layer];
	uint64_t each = l->nw / g->layer[layer].c;

	for (uint32_t c = 0; c < g->layer[layer].c; c++) {
		float s = float_at(l->scale + 4 * (size_t)c);

		bias[c] = float_at(l->bias + 4 * (size_t)c);
		for (uint64_t k = c * each; k < (c + 1) * each; k++)
			w[k] = s * (float)(int8_t)l->w[k];
	}
}

int cb_nn_quant_put_head(struct cb_buf *out, int layers)
{
	uint8_t head[12];

	memcpy(head, CB_NN_QUANT_MAGIC, 8);
	cb_put_le32(head + 8, (uint32_t)layers);
	return cb_buf_add(out, head, sizeof head);
}

static int put_record(struct cb_buf *out, bool int8, bool has, float lo, float hi)
{
	uint8_t head[12] = { int8, has };

	if (has) {
		memcpy(head + 4, &lo, 4);
		memcpy(head + 8, &hi, 4);
	}
	return cb_buf_add(out, head, sizeof head);
}

int cb_nn_quant_put_raw(struct cb_buf *out, const struct cb_nn_layer *l, const void *raw, bool has,
			float lo, float hi)
{
	if (put_record(out, false, has, lo, hi))
		return -1;
	return l->weights ? cb_buf_add(out, raw, (size_t)l->weights * 4) : 0;
}

int cb_nn_quant_put(struct cb_buf *out, const struct cb_nn_layer *l, const int8_t *w,
		    const float *scale, const float *bias, bool has, float lo, float hi)
{
	static const uint8_t zero[4];
	size_t nw = (size_t)count_weights(l);

	if (put_record(out, true, has, lo, hi) || cb_buf_add(out, scale, 4 * (size_t)l->c) ||
	    cb_buf_add(out, bias, 4 * (size_t)l->c) || cb_buf_add(out, w, nw))
		return -1;
	return nw % 4 ? cb_buf_add(out, zero, 4 - nw % 4) : 0;
}
