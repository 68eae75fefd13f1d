/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: networks in Debian's libdarknet (package darknet, of September 2018), which
 * runs in a process of its own, cb-darknet, because it prints, exits and brings OpenCV along.
 *
 * That library takes any text for a cfg and believes all of it. So it never sees the model's
 * files: the cfg is read by our own parser, held against what the library can do, and written
 * again for it; the weights are checked as for our own engine and handed over as they are. What
 * it makes of each layer is compared with what the cfg says.
 *
 * The helper may die, hang or talk nonsense: that is an error of the call that notices it
 * (CB_E_UNAVAIL; CB_E_PROTOCOL for nonsense), after which every further run fails. It is killed
 * when the thread that opened it ends: open it in one that lasts. It may be run in another.
 *
 * What it does otherwise than newer darknets: it ignores scale_x_y (said, see `say`). Refused by
 * name is what it lacks (layers, activations and options that are younger than it) or has and
 * cannot be used: batchnorm (it crashes), softmax in front of other layers (they see no input), strides of convolutions of size 1 (it forgets them),
 * and a last layer that detects nothing (it takes the number of classes from there). */
#ifndef CB_NN_DARKNET_H
#define CB_NN_DARKNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "nn/graph.h"
#include "nn/nn.h"

struct cb_darknet_opts {
	/* cb-darknet; NULL: in the directory $CB_LIBEXEC, else where it is installed, which is
	 * looked up relative to the running program */
	const char *helper;
	/* How long loading or one picture may take. 0: 30 s, and a second for every 50 million
	 * multiplications. */
	int64_t limit_ns;
	/* as of struct cb_net_opts */
	void (*seen)(void *ctx, const void *p, size_t n);
	void *ctx;
	const struct cb_pack *pack;
	/* Told what differs (warning), and with prints every line that the library prints, as
	 * it is; else its prints go nowhere. NULL: nobody is told. */
	void (*say)(void *ctx, bool warning, const char *text);
	void *say_ctx;
	bool prints;
};

struct cb_darknet;
/* cfg and weights as of cb_net_open. Errors as cb_net_open; also CB_E_DATA for what the library cannot do, CB_E_UNAVAIL where the
 * helper or the library is not there. */
int cb_darknet_open(struct cb_darknet **ret, const char *cfg, const char *weights,
		    const struct cb_darknet_opts *o, struct cb_err *err);
void cb_darknet_free(struct cb_darknet *d);

uint32_t cb_darknet_width(const struct cb_darknet *d);
uint32_t cb_darknet_height(const struct cb_darknet *d);
uint32_t cb_darknet_channels(const struct cb_darknet *d);
int cb_darknet_classes(const struct cb_darknet *d);
/* "darknet sha256:0123456789abcdef": the library has no version, so its file's digest tells it. */
const char *cb_darknet_library_version(const struct cb_darknet *d);

/* As cb_net_names and cb_net_input. */
const char *cb_darknet_names(const struct cb_darknet *d, size_t *ret_len);
float *cb_darknet_input(struct cb_darknet *d);
/* Run it, and get the boxes with score > threshold, none suppressed, best first: how many, at
 * most max and CB_NET_BOXES_MAX; or -1. */
int cb_darknet_run(struct cb_darknet *d, float threshold, struct cb_box *ret, int max,
		   struct cb_err *err);

/* For tests: the graph as the library's cfg. CB_E_DATA "line N: [type]: ..." for what it
 * cannot do. */
int cb_darknet_cfg(const struct cb_nn_graph *g, struct cb_buf *out, struct cb_err *err);

#endif
