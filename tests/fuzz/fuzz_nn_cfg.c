/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the parser of darknet's .cfg. What parses must keep its own bounds. */
#include <stdlib.h>

#include "nn/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g;
	uint64_t weights = 0;

	if (cb_nn_graph_parse(&g, (const char *)data, size, 0, 0, &err)) {
		if (err.code != CB_E_DATA || !err.msg[0])
			abort();
		return 0;
	}
	if (g.n < 1 || g.n > CB_NN_LAYERS_MAX)
		abort();
	for (int i = 0; i < g.n; i++) {
		const struct cb_nn_layer *l = &g.layer[i];

		if (!l->c || !l->h || !l->w || (uint64_t)l->c * l->h * l->w > CB_NN_FLOATS_MAX ||
		    l->nfrom < 0 || l->nfrom > CB_NN_FROM_MAX || l->n > CB_NN_ANCHORS_MAX)
			abort();
		for (int k = 0; k < l->nfrom; k++)
			if (l->from[k] < 0 || l->from[k] >= i)
				abort();
		weights += l->weights;
	}
	if (weights != g.weights || weights > CB_NN_BYTES_MAX / sizeof(float))
		abort();
	cb_nn_graph_release(&g);
	return 0;
}
