/* SPDX-License-Identifier: Apache-2.0 */
/* Networks run the plain way, layer by layer as darknet defines them, for comparison. */
#ifndef CB_TESTS_NN_REF_H
#define CB_TESTS_NN_REF_H

#include "nn/graph.h"

/* All layers' outputs (planar; out[i] of c*h*w values, malloc'ed). Returns 0, or -1 when the
 * weights do not suffice. */
int ref_run(const struct cb_nn_graph *g, const char *weights, const float *input, float **out);

#endif
