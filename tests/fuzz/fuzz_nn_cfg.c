/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: darknet's .cfg. What parses must keep its own bounds; what is small enough is
 * compiled with weights made here, and run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nn/graph.h"
#include "nn/nn.h"

#define VALUES_MAX 200000	/* values of all layers of what is run, */
#define WORK_MAX 3000000	/* multiplications, */
#define WEIGHTS_MAX 20000	/* and weights */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct cb_nn_graph *g)
{
	uint64_t weights = 0;

	if (g->n < 1 || g->n > CB_NN_LAYERS_MAX)
		abort();
	for (int i = 0; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i];

		if (!l->c || !l->h || !l->w || (uint64_t)l->c * l->h * l->w > CB_NN_FLOATS_MAX ||
		    l->nfrom < 0 || l->nfrom > CB_NN_FROM_MAX || l->n > CB_NN_ANCHORS_MAX)
			abort();
		for (int k = 0; k < l->nfrom; k++)
			if (l->from[k] < 0 || l->from[k] >= i)
				abort();
		if (l->share >= i || (l->share >= 0 && (l->weights || !g->layer[l->share].weights)))
			abort();
		weights += l->weights;
	}
	if (weights != g->weights || weights > CB_NN_BYTES_MAX / sizeof(float))
		abort();
}

static bool small(const struct cb_nn_graph *g)
{
	uint64_t values = (uint64_t)g->c * g->h * g->w, work = 0;

	for (int i = 0; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i];
		uint64_t n = (uint64_t)l->c * l->h * l->w;

		values += n;
		work += n * (1 + (uint64_t)l->nfrom);
		if (l->type == CB_NN_CONV)
			work += n * (l->ic / l->groups) * l->size * l->size;
		else if (l->type == CB_NN_CONNECTED)
			work += l->weights;
		else if (l->size)	/* pools and blurs */
			work += n * l->size * l->size;
		if (l->type == CB_NN_MAXDEPTH)
			work += (uint64_t)l->ic * l->h * l->w;
	}
	return g->n < 100 && values < VALUES_MAX && work < WORK_MAX && g->weights < WEIGHTS_MAX;
}

/* A file in memory, and its name. */
static int file(char name[static 32], const void *p, size_t n)
{
	int fd = memfd_create("nn", MFD_CLOEXEC);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	snprintf(name, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static void run(const struct cb_nn_graph *g, const uint8_t *data, size_t size)
{
	static uint8_t weights[20 + 4 * WEIGHTS_MAX];
	char cfg_name[32], weights_name[32];
	struct cb_err err = CB_ERR_INIT;
	struct cb_net *net = NULL;
	struct cb_box box[16];
	int cfg, w;

	memset(weights, 0, 20);
	weights[4] = 2;
	for (size_t i = 0; i < g->weights; i++) {
		float v = .25f + (float)(i * 37 % 64) / 256;

		memcpy(weights + 20 + 4 * i, &v, 4);
	}
	cfg = file(cfg_name, data, size);
	w = file(weights_name, weights, 20 + 4 * g->weights);
	if (cb_net_open(&net, cfg_name, weights_name, NULL, &err)) {
		/* what parses, and has its weights, is run: only memory may be short */
		if (err.code != CB_E_OS && !strstr(err.msg, "MiB"))
			abort();
	} else {
		size_t n = (size_t)cb_net_width(net) * cb_net_height(net) * cb_net_channels(net);

		for (size_t i = 0; i < n; i++)
			cb_net_input(net)[i] = (float)(i % 29) / 29;
		if (cb_net_run(net, &err))
			abort();
		for (int i = cb_net_boxes(net, .1f, .4f, box, 16); i-- > 0;)
			if (!isfinite(box[i].x) || !isfinite(box[i].w) || box[i].class_id < 0 ||
			    box[i].class_id >= cb_net_classes(net))
				abort();
	}
	cb_net_free(net);
	close(cfg);
	close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g;

	if (cb_nn_graph_parse(&g, (const char *)data, size, 0, 0, &err)) {
		if (err.code != CB_E_DATA || !err.msg[0])
			abort();
		return 0;
	}
	check(&g);
	if (small(&g))
		run(&g, data, size);
	cb_nn_graph_release(&g);
	return 0;
}
