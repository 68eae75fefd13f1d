/* SPDX-License-Identifier: Apache-2.0 */
/* Runs networks in Debian's libdarknet, for comparison: reads lines "CFG WEIGHTS INPUT OUTPUT"
 * and writes each layer's output. A program of its own because that library prints, exits
 * and brings OpenCV along.
 *
 * "nn-darknet boxes IN OUT" runs its do_nms_sort on sets of boxes: IN has of each set the
 * number of boxes and of classes (uint32), the overlap (float), and of each box centre x, y,
 * w, h and the classes' scores (floats); OUT gets the same with what is left of the scores.
 *
 * OUTPUT: for each layer its number of values (uint32) and the values (float); then the
 * number of boxes above 0.4 after suppression at 0.45 and of each class, score, x, y, w, h
 * (six floats; the centre, normalised). */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* its header declares functions in the old way */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <darknet.h>
#pragma GCC diagnostic pop

static network *(*dk_load)(char *, char *, int);
static void (*dk_batch)(network *, int);
static float *(*dk_predict)(network *, float *);
static detection *(*dk_boxes)(network *, int, int, float, float, int *, int, int *);
static void (*dk_nms)(detection *, int, int, float);
static void (*dk_free)(network *);

static int die(const char *what, const char *why)
{
	fprintf(stderr, "nn-darknet: %s: %s\n", what, why);
	return 1;
}

/* The cfg with batch=1: libdarknet allocates for all pictures of a batch. */
static int one_picture(const char *from, const char *to)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	char line[8192];

	if (!in || !out)
		return die(from, "cannot copy");
	while (fgets(line, sizeof(line), in))
		fputs(!strncmp(line, "batch=", 6) ? "batch=1\n" :
		      !strncmp(line, "subdivisions=", 13) ? "subdivisions=1\n" : line, out);
	fclose(in);
	return fclose(out) ? die(to, "cannot write") : 0;
}

static int run(char *cfg, char *weights, const char *input, const char *output)
{
	char mine[4096];
	network *n;
	float *x;
	FILE *f;

	snprintf(mine, sizeof(mine), "%s.cfg", output);
	if (one_picture(cfg, mine))
		return 1;
	n = dk_load(mine, weights, 0);
	if (!n)
		return die(cfg, "cannot load");
	dk_batch(n, 1);
	x = calloc((size_t)n->inputs, sizeof(*x));
	f = fopen(input, "rb");
	if (!x || !f || fread(x, sizeof(*x), (size_t)n->inputs, f) != (size_t)n->inputs)
		return die(input, "too short");
	fclose(f);
	dk_predict(n, x);
	f = fopen(output, "wb");
	if (!f)
		return die(output, "cannot open");
	for (int i = 0; i < n->n; i++) {
		uint32_t count = (uint32_t)n->layers[i].outputs;

		fwrite(&count, sizeof(count), 1, f);
		fwrite(n->layers[i].output, sizeof(float), count, f);
	}
	layer last = n->layers[n->n - 1];
	uint32_t found = 0;
	long at = ftell(f);
	fwrite(&found, sizeof(found), 1, f);
	if (last.type == YOLO || last.type == REGION) {
		int total = 0;
		detection *d = dk_boxes(n, n->w, n->h, .4f, .5f, NULL, 1, &total);

		dk_nms(d, total, last.classes, .45f);
		for (int i = 0; i < total; i++) {
			for (int c = 0; c < last.classes; c++) {
				float v[6] = { (float)c, d[i].prob[c], d[i].bbox.x, d[i].bbox.y,
					       d[i].bbox.w, d[i].bbox.h };

				if (!(d[i].objectness > 0) || !(d[i].prob[c] > 0))
					continue;
				fwrite(v, sizeof(float), 6, f);
				found++;
			}
		}
	}
	fseek(f, at, SEEK_SET);
	fwrite(&found, sizeof(found), 1, f);
	free(x);
	dk_free(n);
	return ferror(f) | fclose(f) ? die(output, "cannot write") : 0;
}

static int suppress(const char *input, const char *output)
{
	FILE *in = fopen(input, "rb"), *out = fopen(output, "wb");
	uint32_t head[2];
	float nms;

	if (!in || !out)
		return die(input, "cannot open");
	while (fread(head, sizeof(head), 1, in) == 1 && fread(&nms, sizeof(nms), 1, in) == 1) {
		detection *d = calloc(head[0] + 1, sizeof(*d));

		for (uint32_t i = 0; i < head[0]; i++) {
			d[i].prob = calloc(head[1], sizeof(float));
			d[i].classes = (int)head[1];
			d[i].objectness = 1;
			if (fread(&d[i].bbox, sizeof(float), 4, in) != 4 ||
			    fread(d[i].prob, sizeof(float), head[1], in) != head[1])
				return die(input, "cut off");
		}
		dk_nms(d, (int)head[0], (int)head[1], nms);
		fwrite(head, sizeof(head), 1, out);
		fwrite(&nms, sizeof(nms), 1, out);
		for (uint32_t i = 0; i < head[0]; i++) {
			fwrite(&d[i].bbox, sizeof(float), 4, out);
			fwrite(d[i].prob, sizeof(float), head[1], out);
			free(d[i].prob);
		}
		free(d);
	}
	fclose(in);
	return ferror(out) | fclose(out) ? die(output, "cannot write") : 0;
}

int main(int argc, char **argv)
{
	char line[4096], cfg[1024], weights[1024], input[1024], output[1024];
	void *so = dlopen("/usr/lib/darknet/libdarknet.so", RTLD_NOW);

	if (!so)
		return die("libdarknet", dlerror());
	*(void **)&dk_load = dlsym(so, "load_network");
	*(void **)&dk_batch = dlsym(so, "set_batch_network");
	*(void **)&dk_predict = dlsym(so, "network_predict");
	*(void **)&dk_boxes = dlsym(so, "get_network_boxes");
	*(void **)&dk_nms = dlsym(so, "do_nms_sort");
	*(void **)&dk_free = dlsym(so, "free_network");
	if (!dk_load || !dk_batch || !dk_predict || !dk_boxes || !dk_nms || !dk_free)
		return die("libdarknet", "functions missing");
	if (argc == 4 && !strcmp(argv[1], "boxes"))
		return suppress(argv[2], argv[3]);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%1023s %1023s %1023s %1023s", cfg, weights, input, output) != 4)
			return die(line, "not four names");
		if (run(cfg, weights, input, output))
			return 1;
	}
	return 0;
}
