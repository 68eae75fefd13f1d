/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: any bytes as the .weights of two small detectors. What is loaded is run: whatever
 * its numbers are, infinities and NaN too, a box is made of numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nn/nn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plain[] =
	"[net]\nwidth=16\nheight=16\nchannels=3\n"
	"[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=4\npad=1\nactivation=leaky\n"
	"[convolutional]\nfilters=14\nsize=1\nstride=1\npad=1\nactivation=linear\n"
	"[yolo]\nmask=0,1\nanchors=4,4, 8,8\nclasses=2\nnum=2\n";
/* everything else that has weights, and what uses them twice */
static const char others[] =
	"[net]\nwidth=16\nheight=16\nchannels=3\n"
	"[batchnorm]\n"
	"[convolutional]\nfilters=3\nsize=3\nstride=4\npad=1\nactivation=mish\n"
	"[convolutional]\nbatch_normalize=1\nfilters=3\nsize=3\npad=1\nactivation=normalize_channels\n"
	"[convolutional]\nshare_index=2\nfilters=3\nsize=3\npad=1\nactivation=hard_mish\n"
	"[shortcut]\nfrom=1,2\nweights_type=per_channel\nweights_normalization=softmax\n"
	"[shortcut]\nfrom=-1\nweights_type=per_feature\nweights_normalization=relu\n"
	"[convolutional]\nfilters=22\nsize=1\nactivation=linear\n"
	"[Gaussian_yolo]\nmask=0,1\nanchors=4,4, 8,8\nclasses=2\nnum=2\n";

static int file(char name[static 32], const void *p, size_t n)
{
	int fd = memfd_create("nn", MFD_CLOEXEC);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	snprintf(name, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static void run(const char *cfg, size_t len, const uint8_t *data, size_t size)
{
	char cfg_name[32], weights_name[32];
	int c = file(cfg_name, cfg, len), w = file(weights_name, data, size);
	struct cb_err err = CB_ERR_INIT;
	struct cb_net *net = NULL;
	struct cb_box box[64];

	if (cb_net_open(&net, cfg_name, weights_name, NULL, &err) < 0) {
		if (err.code != CB_E_DATA || !err.msg[0])
			abort();
	} else {
		for (int i = 0; i < 16 * 16 * 3; i++)
			cb_net_input(net)[i] = (float)(i % 29) / 29;
		if (cb_net_run(net, &err) < 0)
			abort();
		for (int i = cb_net_boxes(net, .05f, .4f, box, 64); i-- > 0;)
			if (!isfinite(box[i].x) || !isfinite(box[i].y) || !isfinite(box[i].w) ||
			    !isfinite(box[i].h) || !(box[i].score > 0 && box[i].score <= 1) ||
			    box[i].class_id < 0 || box[i].class_id > 1)
				abort();
	}
	cb_net_free(net);
	close(c);
	close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(plain, sizeof(plain) - 1, data, size);
	run(others, sizeof(others) - 1, data, size);
	return 0;
}
