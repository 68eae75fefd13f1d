/* SPDX-License-Identifier: Apache-2.0 */
/* Compares lib/nn, layer by layer, with the plain reference and with libdarknet.
 *
 *   nn-conform gen DIR                   random networks of each kind (fixed seeds) into DIR,
 *                                        and DIR/jobs, lines for nn-darknet
 *   nn-conform kinds                     what kinds there are
 *   nn-conform check DIR KIND ISA        run those of a kind, compare every layer
 *   nn-conform gen-shapes DIR | shapes | check-shape DIR KIND ISA
 *                                        the same for networks built as public ones are
 *   nn-conform input W H C FILE          a random picture
 *   nn-conform boxes FILE                random sets of boxes for nn-darknet boxes
 *   nn-conform suppress FILE FILE        suppress those, compare with what libdarknet left
 *   nn-conform model CFG WEIGHTS INPUT ISA [DARKNET]   the same for one network on disk
 *
 * Exit 1 when a value differs by more than 0.001 (relative above 1), when a layer was done by
 * one of oneDNN's reference implementations, or when nothing was compared. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "nn/boxes.h"
#include "nn/nn.h"
#include "kinds.h"
#include "ref.h"

static int die(const char *what, const char *why)
{
	fprintf(stderr, "nn-conform: %s: %s\n", what, why);
	return 1;
}

static int write_floats(FILE *f, size_t n, float (*value)(void))
{
	for (size_t i = 0; i < n; i++) {
		float v = value();

		fwrite(&v, sizeof(v), 1, f);
	}
	return ferror(f);
}
static float variance(void) { return .5f + unit(); }
static float scale_value(void) { return .6f + .8f * unit(); }
static float weight_k = 1;
static float weight(void) { return weight_k * gauss(); }
static float bias_value(void) { return .3f * gauss(); }

static int write_input(const char *path, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f)
		return die(path, "cannot create");
	write_floats(f, n, unit);
	return fclose(f) ? die(path, "cannot write") : 0;
}

/* Weights that keep values near one, whatever the layer's size. */
static int write_weights(const char *path, const struct cb_nn_graph *g, int version)
{
	FILE *f = fopen(path, "wb");
	int32_t head[3] = { 0, version, 0 };
	uint64_t seen = 32013312;

	if (!f)
		return die(path, "cannot create");
	fwrite(head, sizeof(head), 1, f);
	fwrite(&seen, version >= 2 ? 8 : 4, 1, f);
	for (int i = 0; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i];
		size_t n;

		if (!l->weights)
			continue;
		if (l->type == CB_NN_SHORTCUT) {
			write_floats(f, l->weights, scale_value);
			continue;
		}
		write_floats(f, l->c, bias_value);
		n = l->type == CB_NN_BATCHNORM ? 0 : (size_t)l->weights - (l->bn ? 4 : 1) * l->c;
		weight_k = sqrtf(2.f * (float)l->c / (float)n);
		for (int k = 0; k < 2; k++) {
			if (l->type == CB_NN_BATCHNORM ? !k : l->bn && k == (l->type == CB_NN_CONNECTED)) {
				write_floats(f, l->c, scale_value);
				write_floats(f, l->c, bias_value);
				write_floats(f, l->c, variance);
			}
			if (k == (l->type == CB_NN_CONV))
				write_floats(f, n, weight);
		}
	}
	return ferror(f) | fclose(f) ? die(path, "cannot write") : 0;
}

static int gen(const char *dir, const struct kind *list, int kinds_n, int each)
{
	char base[512], path[600];
	FILE *jobs, *f;

	snprintf(path, sizeof(path), "%s/jobs", dir);
	jobs = fopen(path, "w");
	if (!jobs)
		return die(path, "cannot create");
	for (int k = 0; k < kinds_n; k++) {
		for (int i = 0; i < each; i++) {
			struct cb_err err = CB_ERR_INIT;
			struct cb_nn_graph g;

			state = (uint64_t)k * 1000 + (uint64_t)i + 12345;
			for (int r = 0; r < 8; r++)
				rnd();
			cfg_len = 0;
			list[k].make(i);
			snprintf(base, sizeof(base), "%s/%s-%d", dir, list[k].name, i);
			if (cb_nn_graph_parse(&g, cfg, cfg_len, 0, 0, &err))
				return die(base, err.msg);
			snprintf(path, sizeof(path), "%s.cfg", base);
			f = fopen(path, "w");
			if (!f || fwrite(cfg, 1, cfg_len, f) != cfg_len || fclose(f))
				return die(path, "cannot write");
			snprintf(path, sizeof(path), "%s.weights", base);
			if (write_weights(path, &g, 1 + i % 2))
				return 1;
			snprintf(path, sizeof(path), "%s.in", base);
			if (write_input(path, (size_t)g.c * g.h * g.w))
				return 1;
			if (list[k].darknet)
				fprintf(jobs, "%s.cfg %s.weights %s.in %s.dk\n", base, base, base, base);
			cb_nn_graph_release(&g);
		}
	}
	return fclose(jobs) ? die("jobs", "cannot write") : 0;
}

static int list_kinds(const struct kind *list, int n, int each)
{
	for (int i = 0; i < n; i++)
		printf("%s %d\n", list[i].name, list[i].darknet ? each : 0);
	return 0;
}

/* --- comparing --------------------------------------------------------------------------------- */

struct sums {
	int nets, layers, folded, with_darknet, boxes;
	double worst;
};

static bool differ(const char *what, int layer, const char *name, const float *ours,
		   const float *theirs, size_t n, double *worst)
{
	size_t bad = 0, first = 0;

	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)ours[i] - theirs[i]) / fmax(1, fabs((double)theirs[i]));

		if (!(d <= 1e-3)) {
			if (!bad++)
				first = i;
		} else if (d > *worst) {
			*worst = d;
		}
	}
	if (bad)
		printf("%s: layer %d %s: %zu of %zu values differ, the first at %zu: %g, not %g\n", what,
		       layer, name, bad, n, first, (double)ours[first], (double)theirs[first]);
	return bad;
}

static float *read_floats(const char *path, size_t n)
{
	FILE *f = fopen(path, "rb");
	float *v = malloc(n * sizeof(*v) + 1);

	if (!f || !v || fread(v, sizeof(*v), n, f) != n) {
		free(v);
		v = NULL;
	}
	if (f)
		fclose(f);
	return v;
}

/* The same boxes as libdarknet: each of theirs must be among ours and the other way round. */
static int compare_boxes(const char *what, const struct cb_net *net, FILE *f, struct sums *s)
{
	static struct cb_box ours[8192];
	static float theirs[8192][6];
	static bool used[8192];
	uint32_t n = 0;
	int m = cb_net_boxes(net, .4f, .45f, ours, 8192), near = 0;

	if (fread(&n, sizeof(n), 1, f) != 1 || n > 8192 || fread(theirs, sizeof(theirs[0]), n, f) != n)
		return die(what, "boxes cut off");
	memset(used, 0, sizeof(used));
	for (int i = 0; i < m; i++) {
		const struct cb_box *b = &ours[i];
		bool hit = false;

		if (i && ours[i - 1].score < b->score)
			return die(what, "boxes are not sorted");
		for (uint32_t k = 0; k < n && !hit; k++) {
			const float *t = theirs[k];

			hit = !used[k] && (int)t[0] == b->class_id && fabsf(t[1] - b->score) < 1e-3f &&
				fabsf(t[2] - (b->x + b->w / 2)) < 1e-3f && fabsf(t[3] - (b->y + b->h / 2)) < 1e-3f &&
				fabsf(t[4] - b->w) < 1e-3f * fmaxf(1, b->w) &&
				fabsf(t[5] - b->h) < 1e-3f * fmaxf(1, b->h);
			if (hit)
				used[k] = true;
		}
		if (!hit && b->score > .401f)
			near++;
	}
	for (uint32_t k = 0; k < n; k++)
		if (!used[k] && theirs[k][1] > .401f)
			near++;
	/* a box whose overlap is the limit's last digit may fall on either side, and free another */
	near = near > 2 ? near : 0;
	if (near)
		printf("%s: %d boxes, libdarknet has %u, %d have no partner\n", what, m, n, near);
	s->boxes += m;
	return near != 0;
}

static int compare(const char *cfg_path, const char *weights, const char *input, const char *darknet,
		   enum cb_isa isa, struct sums *s)
{
	struct cb_net_opts o = { .threads = 1, .isa = isa, .keep = true };
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g = { 0 };
	struct cb_net *net = NULL, *lean = NULL;
	float **ref = NULL, *in = NULL, *mine = NULL, *theirs = NULL;
	uint8_t *text = NULL;
	size_t len, most = 0;
	bool scaled = false;
	FILE *dk = NULL;
	int rc = 1;

	if (cb_file_read(cfg_path, CB_NN_CFG_MAX, &text, &len, &err) ||
	    cb_nn_graph_parse(&g, (char *)text, len, 0, 0, &err) ||
	    cb_net_open(&net, cfg_path, weights, &o, &err)) {
		die(cfg_path, err.msg);
		goto out;
	}
	for (int i = 0; i < g.n; i++)
		if ((size_t)g.layer[i].c * g.layer[i].h * g.layer[i].w > most)
			most = (size_t)g.layer[i].c * g.layer[i].h * g.layer[i].w;
	in = read_floats(input, (size_t)g.c * g.h * g.w);
	ref = calloc((size_t)g.n, sizeof(*ref));
	mine = malloc(most * sizeof(float));
	theirs = malloc(most * sizeof(float));
	if (!in || !ref || !mine || !theirs || ref_run(&g, weights, in, ref)) {
		die(cfg_path, "cannot run the reference");
		goto out;
	}
	memcpy(cb_net_input(net), in, (size_t)g.c * g.h * g.w * sizeof(float));
	/* twice: what the first run leaves behind must not change the second */
	if (cb_net_run(net, &err) || cb_net_run(net, &err)) {
		die(cfg_path, err.msg);
		goto out;
	}
	for (int i = 0; i < cb_net_steps(net); i++) {
		struct cb_net_step step;

		cb_net_step(net, i, &step);
		if (strstr(step.impl, "ref")) {
			printf("%s: layer %d %s is done by %s\n", cfg_path, step.layer, step.type, step.impl);
			goto out;
		}
	}
	dk = darknet ? fopen(darknet, "rb") : NULL;
	rc = 0;
	for (int i = 0; i < g.n; i++) {
		const struct cb_nn_layer *l = &g.layer[i];
		size_t n = (size_t)l->c * l->h * l->w;
		int64_t got = cb_net_layer_output(net, i, mine, n);
		uint32_t count = 0;

		if (dk && (fread(&count, sizeof(count), 1, dk) != 1 || count != n ||
			   fread(theirs, sizeof(float), n, dk) != n)) {
			printf("%s: layer %d %s: libdarknet has another shape\n", cfg_path, i, l->name);
			rc = 1;
			break;
		}
		if (got < 0) {
			s->folded++;
			continue;
		}
		if (got != (int64_t)n)
			rc = die(cfg_path, "wrong length");
		rc |= differ(cfg_path, i, l->name, mine, ref[i], n, &s->worst);
		/* libdarknet does not know scale_x_y */
		if (dk && l->scale_x_y == 1)
			rc |= differ(darknet, i, l->name, mine, theirs, n, &s->worst);
		s->layers++;
	}
	for (int i = 0; i < g.n; i++)
		scaled |= g.layer[i].scale_x_y != 1;
	if (dk && !rc && g.classes && !scaled)
		rc = compare_boxes(cfg_path, net, dk, s);
	/* the same in as little memory as usual: the last layer, and bit for bit */
	o.keep = false;
	if (cb_net_open(&lean, cfg_path, weights, &o, &err) ||
	    (memcpy(cb_net_input(lean), in, (size_t)g.c * g.h * g.w * sizeof(float)),
	     cb_net_run(lean, &err)) || cb_net_run(lean, &err)) {
		rc = die(cfg_path, err.msg);
		goto out;
	}
	for (int i = 0; i < g.n; i++) {
		const struct cb_nn_layer *l = &g.layer[i];
		size_t n = (size_t)l->c * l->h * l->w;

		if (i < g.n - 1 && !cb_nn_is_detector(l->type))
			continue;
		if (cb_net_layer_output(lean, i, theirs, n) != (int64_t)n ||
		    cb_net_layer_output(net, i, mine, n) != (int64_t)n || memcmp(mine, theirs, n * sizeof(float)))
			rc = die(cfg_path, "reusing memory changes the result");
	}
	s->nets++;
	s->with_darknet += dk != NULL;
out:
	for (int i = 0; ref && i < g.n; i++)
		free(ref[i]);
	if (dk)
		fclose(dk);
	free(ref);
	free(in);
	free(mine);
	free(theirs);
	free(text);
	cb_nn_graph_release(&g);
	cb_net_free(net);
	cb_net_free(lean);
	return rc;
}

/* --- suppression ------------------------------------------------------------------------------- */

#define SETS 200
#define BOXES 120
#define CLASSES 3

static int make_boxes(const char *path)
{
	FILE *f = fopen(path, "wb");

	if (!f)
		return die(path, "cannot create");
	state = 4711;
	for (int s = 0; s < SETS; s++) {
		uint32_t head[2] = { (uint32_t)pick(s ? 1 : 0, BOXES), CLASSES };
		float nms = (float[]){ .45f, .213f, .77f, .001f, .999f }[s % 5];

		fwrite(head, sizeof(head), 1, f);
		fwrite(&nms, sizeof(nms), 1, f);
		for (uint32_t i = 0; i < head[0]; i++) {
			/* crowds: many lie on each other, some just beside, some partly outside */
			float v[4 + CLASSES] = { .2f * (float)pick(0, 5) + .05f * gauss(),
						 .5f + .1f * gauss(), .02f + .3f * unit(), .02f + .4f * unit() };

			for (int c = 0; c < CLASSES; c++)
				v[4 + c] = pick(0, 2) ? .05f + .9f * unit() : 0;
			fwrite(v, sizeof(v), 1, f);
		}
	}
	return ferror(f) | fclose(f) ? die(path, "cannot write") : 0;
}

/* Of each set, ours from the input must be exactly what libdarknet left (it sorts the boxes). */
static int compare_suppressed(const char *before, const char *after)
{
	static struct cb_nn_found v[BOXES * CLASSES];
	FILE *a = fopen(before, "rb"), *b = fopen(after, "rb");
	uint32_t head[2], head2[2];
	int sets = 0, boxes = 0, left = 0, bad = 0;
	float nms, x[4 + CLASSES];

	if (!a || !b)
		return die(before, "cannot open");
	while (fread(head, sizeof(head), 1, a) == 1) {
		struct cb_nn_heap h = { v, 0, BOXES * CLASSES };
		uint32_t theirs = 0;

		if (fread(&nms, sizeof(nms), 1, a) != 1)
			return die(before, "cut off");
		for (uint32_t i = 0; i < head[0]; i++) {
			if (fread(x, sizeof(x), 1, a) != 1)
				return die(before, "cut off");
			for (int c = 0; c < CLASSES; c++)
				if (x[4 + c] > 0)
					v[h.n++] = (struct cb_nn_found){ x[0], x[1], x[2], x[3], x[4 + c], c, false };
		}
		boxes += (int)h.n;
		cb_nn_suppress(&h, nms);
		if (fread(head2, sizeof(head2), 1, b) != 1 || fread(&nms, sizeof(nms), 1, b) != 1 ||
		    head2[0] != head[0])
			return die(after, "cut off");
		for (uint32_t i = 0; i < head[0]; i++) {
			if (fread(x, sizeof(x), 1, b) != 1)
				return die(after, "cut off");
			for (int c = 0; c < CLASSES; c++) {
				size_t k = 0;

				if (!(x[4 + c] > 0))
					continue;
				theirs++;
				while (k < h.n && !(v[k].class_id == c && v[k].score == x[4 + c] && v[k].x == x[0] &&
						    v[k].y == x[1] && v[k].w == x[2] && v[k].h == x[3]))
					k++;
				bad += k == h.n;
			}
		}
		bad += theirs != h.n;
		left += (int)theirs;
		sets++;
	}
	printf("suppression: %d sets, %d boxes, %d left, %d differ\n", sets, boxes, left, bad);
	return bad || sets != SETS || left == 0 || left == boxes;
}

static int summary(const char *what, const struct sums *s, int rc)
{
	printf("%s: %d networks, %d layers compared, %d folded away, %d with libdarknet, %d boxes, "
	       "largest difference %.2g\n", what, s->nets, s->layers, s->folded, s->with_darknet, s->boxes,
	       s->worst);
	return rc || !s->nets || !s->layers;
}

static enum cb_isa isa_of(const char *s)
{
	return !strcmp(s, "sse41") ? CB_ISA_SSE41 : !strcmp(s, "avx2") ? CB_ISA_AVX2 :
		!strcmp(s, "avx512") ? CB_ISA_AVX512 : CB_ISA_AUTO;
}

static int check(const char *dir, const char *kind, const char *isa, int each)
{
	char path[4][512];
	struct sums s = { 0 };
	int rc = 0;

	for (int i = 0; i < each; i++) {
		static const char *const ext[] = { "cfg", "weights", "in", "dk" };

		for (int k = 0; k < 4; k++)
			snprintf(path[k], sizeof(path[k]), "%s/%s-%d.%s", dir, kind, i, ext[k]);
		rc |= compare(path[0], path[1], path[2], path[3], isa_of(isa), &s);
	}
	return summary(kind, &s, rc);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "gen"))
		return gen(argv[2], kinds, nkinds, EACH);
	if (argc == 3 && !strcmp(argv[1], "gen-shapes"))
		return gen(argv[2], shapes, nshapes, EACH_SHAPE);
	if (argc == 2 && !strcmp(argv[1], "kinds"))
		return list_kinds(kinds, nkinds, EACH);
	if (argc == 2 && !strcmp(argv[1], "shapes"))
		return list_kinds(shapes, nshapes, EACH_SHAPE);
	if (argc == 5 && !strcmp(argv[1], "check"))
		return check(argv[2], argv[3], argv[4], EACH);
	if (argc == 5 && !strcmp(argv[1], "check-shape"))
		return check(argv[2], argv[3], argv[4], EACH_SHAPE);
	if (argc == 6 && !strcmp(argv[1], "input")) {
		state = 99;
		return write_input(argv[5], (size_t)(atoi(argv[2]) * atoi(argv[3]) * atoi(argv[4])));
	}
	if (argc == 3 && !strcmp(argv[1], "boxes"))
		return make_boxes(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "suppress"))
		return compare_suppressed(argv[2], argv[3]);
	if (argc >= 6 && !strcmp(argv[1], "model")) {
		struct sums s = { 0 };
		int rc = compare(argv[2], argv[3], argv[4], argc > 6 ? argv[6] : NULL, isa_of(argv[5]), &s);

		return summary(strrchr(argv[2], '/') ? strrchr(argv[2], '/') + 1 : argv[2], &s, rc);
	}
	return die("usage", "gen DIR | gen-shapes DIR | kinds | shapes | check DIR KIND ISA | "
		   "check-shape DIR KIND ISA | input W H C FILE | "
		   "boxes FILE | suppress FILE FILE | model CFG WEIGHTS INPUT ISA [DARKNET]");
}
