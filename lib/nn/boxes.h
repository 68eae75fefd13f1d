/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes before suppression. Internal to lib/nn. */
#ifndef CB_NN_BOXES_H
#define CB_NN_BOXES_H

#include <stddef.h>

#include "nn/graph.h"
#include "nn/ops.h"

/* As darknet has them: x and y are the centre. */
struct cb_nn_found {
	float x, y, w, h, score;
	int class_id;
	bool gone;
};

/* A fixed room for the best boxes: a heap with the worst on top. */
struct cb_nn_heap {
	struct cb_nn_found *v;
	size_t n, cap;
};

/* The output of a detecting layer, as darknet gives it, planar. */
void cb_nn_detector_output(const struct cb_nn_layer *l, const struct cb_nn_view *in, float *ret);
/* All boxes of a layer with score > threshold. netw, neth: the network's input. */
void cb_nn_detector_boxes(struct cb_nn_heap *h, const struct cb_nn_layer *l,
			  const struct cb_nn_view *in, uint32_t netw, uint32_t neth,
			  float threshold);
/* Sort, best first, and drop what a better box of its class covers with IoU > nms (0: none). */
void cb_nn_suppress(struct cb_nn_heap *h, float nms);

#endif
