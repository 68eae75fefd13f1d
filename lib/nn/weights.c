/* SPDX-License-Identifier: Apache-2.0 */
/* Reading .weights, and folding batch normalisation into the weights as they come. */
#include "nn/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"

/* Where the file ends too early: the layer that misses bytes first. */
static int too_short(const struct cb_nn_graph *g, uint64_t have, uint64_t missing,
		     struct cb_err *err)
{
	int last = 0;

	for (int i = 0; i < g->n; i++) {
		uint64_t bytes = g->layer[i].weights * sizeof(float);

		if (!bytes)
			continue;
		last = i;
		if (bytes > have)
			break;
		have -= bytes;
	}
	return cb_err_set(err, CB_E_DATA, "layer %d %s: %" PRIu64 " bytes missing", last,
			  g->layer[last].name, missing);
}

static int read_all(struct cb_nn_weights *f, void *buf, size_t n, struct cb_err *err)
{
	uint8_t *p = buf;

	if (f->mem) {	/* the size was checked before */
		memcpy(p, f->mem + f->at, n);
		f->at += n;
		return 0;
	}
	while (n) {
		ssize_t got = read(f->fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cb_err_sys(err, CB_E_IO, errno, "byte %" PRIu64, f->at);
		if (!got)
			return cb_err_set(err, CB_E_DATA, "became shorter while it was read");
		if (f->seen)
			f->seen(f->ctx, p, (size_t)got);
		p += got;
		n -= (size_t)got;
		f->at += (uint64_t)got;
	}
	return 0;
}

/* The header, and whether the file is as long as the graph says. */
static int begin(struct cb_nn_weights *f, const struct cb_nn_graph *g, struct cb_err *err)
{
	uint64_t need = g->weights * sizeof(float);
	uint8_t head[20];
	int32_t major, minor;
	size_t seen;

	if (f->size < 16)
		return cb_err_set(err, CB_E_DATA, "%" PRIu64 " bytes: not a weights file", f->size);
	if (read_all(f, head, 12, err))
		return -1;
	major = (int32_t)cb_le32(head);
	minor = (int32_t)cb_le32(head + 4);
	if (major < 0 || major >= 1000 || minor < 0 || minor >= 1000)
		return cb_err_set(err, CB_E_DATA, "version %d.%d: not a weights file", major, minor);
	/* pictures seen in training: 32 bits in version 0.1, 64 from 0.2 on */
	seen = major * 10 + minor >= 2 ? 8 : 4;
	if (f->size < 12 + seen)
		return cb_err_set(err, CB_E_DATA, "%" PRIu64 " bytes: not a weights file", f->size);
	if (read_all(f, head, seen, err))
		return -1;
	f->first = f->at;
	if (f->size - f->at < need)
		return too_short(g, f->size - f->at, need - (f->size - f->at), err);
	if (f->size - f->at > need)
		return cb_err_set(err, CB_E_DATA, "%" PRIu64 " bytes too many after layer %d: "
				  "not the weights of this cfg", f->size - f->at - need, g->n - 1);
	return 0;
}

int cb_nn_weights_open(struct cb_nn_weights *ret, const char *path,
		       const struct cb_nn_graph *g, struct cb_err *err)
{
	struct cb_nn_weights f = { .fd = -1, .seen = ret->seen, .ctx = ret->ctx };
	struct stat st;

	f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (f.fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "cannot open");
	if (fstat(f.fd, &st)) {
		cb_err_sys(err, CB_E_IO, errno, "stat");
		goto bad;
	}
	if (!S_ISREG(st.st_mode)) {
		cb_err_set(err, CB_E_NOINPUT, "not a regular file");
		goto bad;
	}
	f.size = (uint64_t)st.st_size;
	if (begin(&f, g, err))
		goto bad;
	*ret = f;
	return 0;
bad:
	close(f.fd);
	return -1;
}

int cb_nn_weights_memory(struct cb_nn_weights *ret, const uint8_t *p, size_t n,
			 const struct cb_nn_graph *g, struct cb_err *err)
{
	struct cb_nn_weights f = { .fd = -1, .mem = p, .size = n };

	if (begin(&f, g, err))
		return -1;
	*ret = f;
	return 0;
}

static int check_finite(const float *v, uint64_t n, const char *what, struct cb_err *err)
{
	for (uint64_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return cb_err_set(err, CB_E_DATA, "%s %" PRIu64 " is not a finite number",
					  what, i);
	return 0;
}

/* scale * (x - mean) / deviation + bias as k * x + bias. */
static int fold(float *k, float *bias, float scale, float mean, float var, uint32_t at,
		struct cb_err *err)
{
	/* of dead channels some trainers leave a denormal just below zero */
	float v = var < 0 && var > -1e-30f ? 0 : var;

	if (!(v >= 0))
		return cb_err_set(err, CB_E_DATA, "variance %u is not a number above 0", at);
	*k = scale / (float)(sqrt(v) + .000001f);
	*bias -= mean * *k;
	return 0;
}

/* Where a layer's floats are: of a model in 8 bits each by itself. */
static struct cb_nn_weights *source(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer,
				    struct cb_nn_weights *own)
{
	if (!f->q)
		return f;
	*own = (struct cb_nn_weights){ .fd = -1, .mem = f->q->layer[layer].raw,
				       .size = g->layer[layer].weights * sizeof(float) };
	return own;
}

static int read_layer(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer,
		      float *w, float *bias, struct cb_err *err)
{
	const struct cb_nn_layer *l = &g->layer[layer];
	uint64_t nw = l->weights - (l->bn ? 4 : 1) * (uint64_t)l->c, each = nw / l->c;
	float *bn = NULL, *scale, *mean, *var;
	int rc = -1;

	if (l->bn) {
		bn = malloc(3 * sizeof(float) * l->c);
		if (!bn)
			return cb_err_nomem(err);
		scale = bn;
		mean = bn + l->c;
		var = mean + l->c;
	}
	if (read_all(f, bias, sizeof(float) * l->c, err))
		goto out;
	/* a connected layer has its normalisation after its weights */
	if (bn && l->type == CB_NN_CONV && read_all(f, bn, 3 * sizeof(float) * l->c, err))
		goto out;
	if (read_all(f, w, sizeof(float) * nw, err))
		goto out;
	if (bn && l->type != CB_NN_CONV && read_all(f, bn, 3 * sizeof(float) * l->c, err))
		goto out;
	for (uint32_t i = 0; bn && i < l->c; i++) {
		float k = 0;

		if (fold(&k, &bias[i], scale[i], mean[i], var[i], i, err))
			goto out;
		for (uint64_t j = 0; j < each; j++)
			w[i * each + j] *= k;
	}
	if (check_finite(bias, l->c, "bias", err) || check_finite(w, nw, "weight", err))
		goto out;
	rc = 0;
out:
	free(bn);
	return rc;
}

int cb_nn_weights_layer(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer,
			float *w, float *bias, struct cb_err *err)
{
	struct cb_nn_weights again = *f, own;
	int rc;

	if (f->q && f->q->layer[layer].int8) {
		cb_nn_quant_floats(f->q, g, layer, w, bias);
		return 0;
	}
	if (f->q)
		return read_layer(source(f, g, layer, &own), g, layer, w, bias, err);
	again.seen = NULL;
	again.at = f->first;
	for (int i = 0; i < layer; i++)
		again.at += g->layer[i].weights * sizeof(float);
	if (again.at == f->at) {
		rc = read_layer(f, g, layer, w, bias, err);
	} else if (f->mem) {
		rc = read_layer(&again, g, layer, w, bias, err);
	} else if (lseek(f->fd, (off_t)again.at, SEEK_SET) < 0) {
		rc = cb_err_sys(err, CB_E_IO, errno, "seek");
	} else {
		rc = read_layer(&again, g, layer, w, bias, err);
		if (!rc && lseek(f->fd, (off_t)f->at, SEEK_SET) < 0)
			rc = cb_err_sys(err, CB_E_IO, errno, "seek");
	}
	if (rc)
		cb_err_prefix(err, "layer %d %s", layer, g->layer[layer].name);
	return rc;
}

int cb_nn_weights_affine(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer,
			 float *k, float *add, struct cb_err *err)
{
	const struct cb_nn_layer *l = &g->layer[layer];
	float *bn = malloc(3 * sizeof(*bn) * l->c);
	struct cb_nn_weights own;
	int rc = -1;

	if (!bn)
		return cb_err_nomem(err);
	f = source(f, g, layer, &own);
	if (read_all(f, add, sizeof(*add) * l->c, err) ||
	    read_all(f, bn, 3 * sizeof(*bn) * l->c, err))
		goto out;
	for (uint32_t i = 0; i < l->c; i++)
		if (fold(&k[i], &add[i], bn[i], bn[l->c + i], bn[2 * l->c + i], i, err))
			goto out;
	if (check_finite(k, l->c, "scale", err) || check_finite(add, l->c, "bias", err))
		goto out;
	rc = 0;
out:
	free(bn);
	if (rc)
		cb_err_prefix(err, "layer %d %s", layer, l->name);
	return rc;
}

/* Of the n weights of a channel, step apart: each divided by their sum. */
static void normalise(float *w, int n, size_t step, enum cb_nn_mix_norm norm)
{
	float sum = .0001f, largest = -INFINITY;

	for (int i = 0; i < n; i++)
		largest = fmaxf(largest, w[i * step]);
	for (int i = 0; i < n; i++) {
		/* as small as darknet lets them be where it has folded them */
		w[i * step] = norm == CB_NN_MIX_RELU ? fmaxf(w[i * step], .001f) :
						       expf(w[i * step] - largest);
		sum += w[i * step];
	}
	for (int i = 0; i < n; i++)
		w[i * step] /= sum;
}

int cb_nn_weights_mix(struct cb_nn_weights *f, const struct cb_nn_graph *g, int layer, float *k,
		      size_t each, struct cb_err *err)
{
	const struct cb_nn_layer *l = &g->layer[layer];
	uint32_t n = l->mix == CB_NN_MIX_CHANNEL ? l->c : 1;
	struct cb_nn_weights own;
	int rc = 0;

	f = source(f, g, layer, &own);
	for (int i = 0; i <= l->nfrom && !rc; i++) {
		rc = read_all(f, k + i * each, sizeof(*k) * n, err);
		if (!rc)
			rc = check_finite(k + i * each, n, "weight", err);
	}
	if (rc)
		return cb_err_prefix(err, "layer %d %s", layer, l->name);
	for (uint32_t c = 0; c < n && l->mix_norm; c++)
		normalise(k + c, l->nfrom + 1, each, l->mix_norm);
	for (int i = 0; i <= l->nfrom; i++)
		for (uint32_t c = n; c < l->c; c++)
			k[i * each + c] = k[i * each];
	return 0;
}

void cb_nn_weights_close(struct cb_nn_weights *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
