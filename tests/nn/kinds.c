/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks of each kind, as cfg. */
#include "kinds.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- random numbers ------------------------------------------------------------------------------ */

uint64_t state;

uint32_t rnd(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}
int pick(int lo, int hi) { return lo + (int)(rnd() % (uint32_t)(hi - lo + 1)); }
float unit(void) { return (float)(rnd() >> 7) / (1 << 24); }
float gauss(void) { return (unit() + unit() + unit() + unit() - 2) * 1.7f; }

/* --- making networks ------------------------------------------------------------------------------ */

char cfg[65536];
size_t cfg_len;

void put(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cfg_len += (size_t)vsnprintf(cfg + cfg_len, sizeof(cfg) - cfg_len, fmt, ap);
	va_end(ap);
}

static const char *const acts[] = { "linear", "leaky", "relu", "logistic", "tanh", "elu", "selu",
				    "relie", "ramp", "loggy", "hardtan" };
static const char *const new_acts[] = { "relu6", "mish", "swish", "gelu" };

static const char *act(void) { return acts[pick(0, 10)]; }

static void conv(int filters, int size, int stride, int groups, const char *a)
{
	put("[convolutional]\n%sfilters=%d\nsize=%d\nstride=%d\npad=%d\n", pick(0, 1) ?
	    "batch_normalize=1\n" : "", filters, size, stride, size > 1 ? 1 : pick(0, 1));
	if (groups > 1)
		put("groups=%d\n", groups);
	put("activation=%s\n\n", a);
}
static void net(int w, int h, int c) { put("[net]\nbatch=1\nsubdivisions=1\nwidth=%d\nheight=%d\n"
					   "channels=%d\n\n", w, h, c); }

static void k_convolutional(int i)
{
	net(pick(9, 40), pick(9, 40), i % 2 ? 3 : pick(1, 9));
	for (int k = pick(1, 4); k >= 0; k--) {
		int size = (int[]){ 1, 3, 5, 2 }[pick(0, 3)];

		/* libdarknet computes size=1 with a stride as if it had none */
		conv(pick(1, 40), size, size == 1 ? 1 : pick(1, 2), 1, act());
	}
}
static void k_groups(int i)
{
	int c = (int[]){ 8, 16, 24, 36, 6, 40 }[i % 6];

	net(pick(9, 33), pick(9, 33), 3);
	conv(c, 3, pick(1, 2), 1, "leaky");
	conv(c, (int[]){ 3, 5 }[pick(0, 1)], pick(1, 2), c, act());	/* depthwise */
	conv(c * 2, 1, 1, 2, act());
	conv(c * 4, 3, 1, c * 2, act());				/* with a multiplier */
	conv(c * 2, 3, 1, 2, act());
}
static void k_maxpool(int i)
{
	net(pick(12, 40), pick(12, 40), 3);
	conv(pick(1, 33), 3, 1, 1, act());
	put("[maxpool]\nsize=%d\nstride=%d\n\n", (int[]){ 2, 3, 5, 9, 2, 4 }[i % 6], i < 6 ? 1 : 2);
	put("[maxpool]\nsize=2\nstride=2\n%s\n", i % 3 ? "" : "padding=0\n");
	put("[maxpool]\nsize=%d\nstride=%d\n\n", pick(1, 3), pick(1, 2));
	conv(pick(1, 33), 1, 1, 1, act());
}
static void k_avgpool(int i)
{
	net(pick(7, 33), pick(7, 33), 3);
	conv(pick(1, 40), 3, 1, 1, act());
	put("[avgpool]\n\n");
	if (i % 2)
		conv(pick(1, 40), 1, 1, 1, act());
}
static void k_route(int i)
{
	bool round = i % 2;	/* whole channel blocks or any */

	net(pick(9, 33), pick(9, 33), 3);
	for (int k = 0; k < 4; k++)
		conv(round ? 8 * pick(1, 5) : pick(1, 40), 3, 1, 1, act());
	put("[route]\nlayers=-1,%d\n\n", pick(0, 2));
	conv(round ? 16 : pick(1, 20), 1, 1, 1, act());
	put("[route]\nlayers=%d\n\n", pick(0, 3));
	conv(round ? 32 : pick(1, 20), 1, 1, 1, act());
	put("[route]\nlayers=-1,-3,4,%d\n\n", pick(0, 3));
	conv(pick(1, 20), 3, 1, 1, act());
	put("[route]\nlayers=-1,-1,-3\n\n");
}
static void k_route_groups(int i)
{
	int c = 8 * pick(1, 6);

	net(pick(9, 33), pick(9, 33), 3);
	conv(i % 2 ? c : 2 * pick(1, 19), 3, 1, 1, act());
	put("[route]\nlayers=-1\ngroups=2\ngroup_id=1\n\n");
	conv(pick(1, 20), 3, 1, 1, act());
	conv(pick(1, 20), 3, 1, 1, act());
	put("[route]\nlayers=-1,-2\n\n");
	put("[route]\nlayers=0,0\ngroups=2\ngroup_id=%d\n\n", pick(0, 1));
	conv(pick(1, 20), 1, 1, 1, act());
}
static void k_shortcut(int i)
{
	int c = pick(1, 40);
	const char *a[] = { "linear", "leaky", "relu", "logistic" };

	net(2 * pick(5, 16), 2 * pick(5, 16), 3);
	conv(c, 3, 1, 1, act());
	conv(pick(1, 40), 1, 1, 1, act());
	conv(c, 3, 1, 1, act());
	if (i % 3 == 1)
		put("[dropout]\nprobability=.2\n\n");
	put("[shortcut]\nfrom=0\nactivation=%s\n\n", a[i % 4]);
	conv(pick(1, 40), 1, 1, 1, act());				/* other channels */
	put("[shortcut]\nfrom=-2\nactivation=%s\n\n", a[pick(0, 3)]);
	conv(pick(1, 40), 3, 2, 1, act());				/* from twice the size */
	put("[shortcut]\nfrom=0\nactivation=%s\n%s\n", a[pick(0, 3)], i % 2 ? "" : "alpha=.5\nbeta=2\n");
	put("[upsample]\nstride=2\n\n");
	put("[shortcut]\nfrom=-2\nactivation=linear\n\n");		/* from half the size */
	conv(c, 1, 1, 1, act());
	put("[maxpool]\nsize=3\nstride=1\n\n[shortcut]\nfrom=0\nactivation=leaky\n\n");
	conv(c, 1, 1, 1, act());
	conv(c, 3, 1, c, act());
	put("[shortcut]\nfrom=-2\nactivation=linear\n\n");
	conv(c, 1, 1, 1, act());
	put("[shortcut]\nfrom=-3\nactivation=linear\n\n");		/* used by others too */
	put("[route]\nlayers=-1,-2,-3\n\n");
}
/* The blocks that mobile networks are made of, with few channels and many pixels. */
static void k_bottleneck(int i)
{
	const char *a = i % 2 ? "leaky" : "relu";
	int c = 2 + i;

	net(2 * pick(10, 40), 2 * pick(10, 40), 3);
	conv(c, 3, 2, 1, a);
	for (int k = 0; k < 3; k++) {
		int wide = c * pick(2, 6);

		conv(wide, 1, 1, 1, a);
		conv(wide, (int[]){ 3, 5 }[pick(0, 1)], 1, wide, a);
		conv(c, 1, 1, 1, "linear");
		if (k)
			put("[dropout]\nprobability=.15\n\n");
		put("[shortcut]\nfrom=-%d\nactivation=%s\n\n", 4 + !!k, k == 2 ? a : "linear");
	}
}
static void k_upsample(int i)
{
	net(pick(3, 12), pick(3, 12), 3);
	conv(pick(1, 40), 3, 1, 1, act());
	put("[upsample]\nstride=%d\n%s\n", 1 + i % 4, i % 5 ? "" : "scale=.5\n");
	conv(pick(1, 40), 1, 1, 1, act());
}
static void k_reorg(int i)
{
	int s = 2 + i % 2;

	net(s * pick(2, 9), s * pick(2, 9), 3);
	conv(s * s * pick(1, 8), 3, 1, 1, act());
	put("[reorg]\nstride=%d\n\n", s);
	conv(pick(1, 40), 1, 1, 1, act());
}
static void k_dropout(int i)
{
	net(pick(5, 20), pick(5, 20), 3);
	conv(pick(1, 40), 3, 1, 1, act());
	put("[dropout]\nprobability=.%d\n\n", 1 + i % 9);
	conv(pick(1, 40), 1, 1, 1, act());
	put("[dropout]\nprobability=.5\n\n");
}
static void k_connected(int i)
{
	net(pick(3, 12), pick(3, 12), 3);
	conv(pick(1, 20), 3, 1, 1, act());
	if (i % 2)
		put("[avgpool]\n\n");
	put("[connected]\noutput=%d\n%sactivation=%s\n\n", pick(1, 40), i % 3 ? "" : "batch_normalize=1\n",
	    act());
	put("[connected]\noutput=%d\nactivation=%s\n\n", pick(1, 40), act());
	put("[softmax]\ngroups=1\ntemperature=%d\n\n", 1 + i % 2);
}
static void k_activation(int i)
{
	net(pick(5, 20), pick(5, 20), 3);
	conv(pick(1, 20), 3, 1, 1, "linear");
	put("[activation]\nactivation=%s\n\n", acts[i % 11]);
	conv(pick(1, 20), 3, 1, 1, acts[i % 11]);
	conv(pick(1, 20), 1, 1, 1, acts[(i + 1) % 11]);
}
static void k_new_activations(int i)
{
	net(pick(5, 20), pick(5, 20), 3);
	conv(16, 3, 1, 1, new_acts[i % 4]);
	conv(16, 3, 1, 16, new_acts[i % 4]);
	conv(pick(1, 20), 1, 1, 1, new_acts[(i + 1) % 4]);
	put("[activation]\nactivation=%s\n\n", new_acts[(i + 2) % 4]);
}
static void k_scale_channels(int i)
{
	int c = pick(1, 40);

	net(pick(5, 30), pick(5, 30), 3);
	conv(c, 3, pick(1, 2), 1, act());
	put("[avgpool]\n\n");
	conv(pick(1, 20), 1, 1, 1, "relu");
	conv(c, 1, 1, 1, "logistic");
	put("[scale_channels]\nfrom=0\n%s\n", i % 3 ? "" : "activation=leaky\n");
	conv(1, 1, 1, 1, "logistic");
	put("[scale_channels]\nfrom=-2\nscale_wh=1\n\n");
	conv(pick(1, 20), 1, 1, 1, act());
}
static void k_dilation(int i)
{
	net(pick(15, 30), pick(15, 30), 3);
	conv(pick(1, 20), 3, 1, 1, act());
	put("[convolutional]\nfilters=%d\nsize=3\npad=1\nstride=1\ndilation=%d\nactivation=leaky\n\n",
	    pick(1, 20), 1 + i % 3);
	put("[convolutional]\nfilters=%d\nsize=3\npad=1\nstride_x=%d\nstride_y=%d\nactivation=leaky\n\n",
	    pick(1, 20), 1 + i % 2, 2 - i % 2);
	put("[maxpool]\nsize=2\nstride_x=%d\nstride_y=%d\n\n", 2 - i % 2, 1 + i % 2);
	conv(pick(1, 20), 1, 2, 1, act());
	conv(8, 3, 1, 1, act());
	put("[shortcut]\nfrom=-2,-2\nactivation=linear\n\n");
}
static void yolo(int i, const char *more)
{
	int classes = pick(1, 20);

	net(32 * pick(2, 4), 32 * pick(2, 4), 3);
	conv(8, 3, 2, 1, "leaky");
	conv(16, 3, 2, 1, "leaky");
	conv(pick(8, 24), 3, 2, 1, "leaky");
	put("[convolutional]\nfilters=%d\nsize=1\nstride=1\npad=1\nactivation=%s\n\n", 3 * (classes + 5),
	    strstr(more, "new_coords") ? "logistic" : "linear");
	put("[yolo]\nmask=%s\nanchors=10,14, 23,27, 37,58, 81,82, 135,169, 344,319\nclasses=%d\nnum=6\n%s\n",
	    i % 2 ? "0,1,2" : "3,4,5", classes, more);
}
static void k_yolo(int i) { yolo(i, ""); }
static void k_yolo_scale_x_y(int i) { yolo(i, i % 3 ? "scale_x_y=1.05\n" : "scale_x_y=2\nnew_coords=1\n"); }
static void k_region(int i)
{
	int classes = pick(1, 20), num = pick(1, 5);

	net(32 * pick(2, 4), 32 * pick(2, 4), 3);
	conv(8, 3, 2, 1, "leaky");
	conv(16, 3, 2, 1, "leaky");
	conv(pick(8, 24), 3, 2, 1, "leaky");
	put("[convolutional]\nfilters=%d\nsize=1\nstride=1\npad=1\nactivation=linear\n\n",
	    num * (classes + 5));
	/* exactly 2 * num anchors: libdarknet writes all that are there */
	put("[region]\nanchors=1.08,1.19");
	for (int k = 1; k < num; k++)
		put(", %d.42,%d.41", 2 * k, 11 - 2 * k);
	put("\nclasses=%d\ncoords=4\nnum=%d\nsoftmax=%d\n%s\n", classes, num, i % 2,
	    i % 4 == 1 ? "background=1\n" : "");
}

static void k_batchnorm(int i)
{
	net(2 * pick(5, 20), 2 * pick(5, 20), i % 2 ? 3 : pick(1, 9));
	if (i % 3)
		conv(pick(1, 40), 3, 1, 1, act());
	put("[batchnorm]\n\n[maxpool]\nsize=2\nstride=2\n\n");
	conv(pick(1, 40), 1, 1, 1, act());
	put("[batchnorm]\n\n");
	conv(8 * pick(1, 5), 3, 1, 1, act());
	put("[batchnorm]\n\n");
	conv(pick(1, 40), 1, 1, 1, act());
}
static void k_crop(int i)
{
	int w = pick(9, 40), h = pick(9, 40);

	net(w, h, i % 2 ? 3 : pick(1, 4));
	put("[crop]\ncrop_width=%d\ncrop_height=%d\nflip=0\nangle=0\nsaturation=1\nexposure=1\n%s\n",
	    pick(5, w), pick(5, h), i % 3 ? "" : "noadjust=1\n");
	conv(pick(1, 40), 3, 1, 1, act());
}
static void k_rare_activations(int i)
{
	static const char *const rare[] = { "plse", "lhtan", "stair" };

	net(pick(5, 20), pick(5, 20), 3);
	conv(pick(1, 40), 3, 1, 1, rare[i % 3]);
	conv(pick(1, 40), 1, 1, 1, rare[(i + 1) % 3]);
	put("[activation]\nactivation=%s\n\n", rare[(i + 2) % 3]);
	put("[connected]\noutput=%d\nactivation=%s\n\n", pick(1, 40), rare[i % 3]);
}
static void k_channel_activations(int i)
{
	static const char *const over[] = { "hard_mish", "normalize_channels",
		"normalize_channels_softmax", "normalize_channels_softmax_maxval" };

	net(pick(5, 20), pick(5, 20), 3);
	conv(pick(1, 40), 3, 1, 1, over[i % 4]);
	conv(8 * pick(1, 5), 1, 1, 1, over[(i + 1) % 4]);
	conv(i % 2 ? 16 : pick(1, 40), 1, 1, 1, "revleaky");
	conv(16, 3, 1, i % 2 ? 16 : 1, over[(i + 2) % 4]);
}
static void k_local_avgpool(int i)
{
	net(pick(12, 40), pick(12, 40), 3);
	conv(i % 2 ? 8 * pick(1, 5) : pick(1, 33), 3, 1, 1, act());
	put("[local_avgpool]\nsize=%d\nstride=%d\n\n", (int[]){ 2, 3, 4, 5 }[i % 4], 1 + i % 2);
	put("[local_avgpool]\nsize=2\nstride=2\n%s\n", i % 3 ? "" : "padding=0\n");
	conv(pick(1, 33), 1, 1, 1, act());
	put("[local_avgpool]\nstride_x=1\nstride_y=2\nsize=3\n\n");
}
static void k_maxpool_depth(int i)
{
	int c = i % 2 ? 16 * pick(1, 4) : pick(4, 40);

	net(pick(9, 33), pick(9, 33), 3);
	conv(c, 3, 1, 1, act());
	put("[maxpool]\nmaxpool_depth=1\nout_channels=%d\n\n", i % 3 ? c / 2 : pick(1, c));
	conv(pick(1, 33), 1, 1, 1, act());
	put("[maxpool]\nmaxpool_depth=1\nsize=1\nstride=1\n\n[scale_channels]\nfrom=-2\nscale_wh=1\n\n");
	conv(pick(1, 33), 1, 1, 1, act());
}
static void k_antialiasing(int i)
{
	net(pick(12, 33), pick(12, 33), 3);
	put("[convolutional]\nbatch_normalize=1\nfilters=%d\nsize=3\nstride=2\npad=1\n"
	    "antialiasing=%d\nactivation=leaky\n\n", pick(1, 33), 1 + i % 2);
	conv(i % 2 ? 16 : pick(1, 33), 3, 1, 1, act());
	/* numbers of layers behind it are darknet's */
	put("[route]\nlayers=1,-1\n\n");
	put("[maxpool]\nsize=2\nstride_x=2\nstride_y=%d\nantialiasing=%d\n\n", 1 + i % 2, 1 + i / 2 % 2);
	conv(pick(1, 33), 1, 1, 1, act());
	put("[shortcut]\nfrom=-1\n\n");
}
static void k_sam(int i)
{
	int c = i % 2 ? 8 * pick(1, 5) : pick(1, 40);
	const char *a[] = { "linear", "linear", "leaky", "relu", "tanh" };

	net(pick(5, 30), pick(5, 30), 3);
	conv(c, 3, pick(1, 2), 1, act());
	conv(c, 1, 1, 1, "logistic");
	put("[sam]\nfrom=-2\nactivation=%s\n\n", a[pick(0, 4)]);
	conv(c, 3, 1, c, act());
	conv(c, 1, 1, 1, "logistic");
	put("[sam]\nfrom=%d\n\n", pick(0, 3));
	conv(pick(1, 20), 1, 1, 1, act());
}
static void k_reorg3d(int i)
{
	int s = 2 + i % 2;

	net(s * pick(3, 9), s * pick(3, 9), 3);
	conv(i % 3 ? 8 * pick(1, 4) : pick(1, 20), 3, 1, 1, act());
	put("[reorg3d]\nstride=%d\n\n", s);
	conv(pick(1, 40), 1, 1, 1, act());
	put("[route]\nlayers=-1,-2\n\n");
	conv(pick(1, 40), 1, 1, 1, act());
}
static void k_mix(int i)
{
	static const char *const norm[] = { "none", "relu", "softmax", "avg_relu" };
	int c = i % 2 ? 8 * pick(1, 5) : pick(1, 40);

	net(pick(5, 30), pick(5, 30), 3);
	conv(c, 3, 1, 1, act());
	conv(pick(1, 40), 3, 1, 1, act());
	conv(c, 1, 1, 1, act());
	put("[shortcut]\nfrom=-3\nweights_type=per_feature\nweights_normalization=%s\nactivation=linear\n\n",
	    norm[i % 4]);
	conv(c, 1, 1, 1, act());
	/* the second has other channels */
	put("[shortcut]\nfrom=-2,1,0\nweights_type=per_channel\nweights_normalization=%s\n"
	    "activation=leaky\n\n", norm[(i + 1) % 4]);
	conv(c, 1, 1, 1, act());
	put("[shortcut]\nfrom=-2,-4\nactivation=linear\n\n");
	conv(pick(1, 40), 1, 1, 1, act());
}
static void k_share(int i)
{
	int c = pick(1, 40), g = i % 3 ? 1 : c;

	net(pick(16, 30), pick(16, 30), 3);
	conv(c, 3, 1, 1, act());				/* 0 */
	conv(c, 3, 1, g, act());				/* 1 */
	conv(c, 1, 1, 1, act());				/* 2 */
	for (int k = 0; k < 3; k++) {				/* 3 5 7: 7 by way of 5 */
		put("[convolutional]\n%sfilters=%d\nsize=3\nstride=1\npad=1\ngroups=%d\ndilation=%d\n"
		    "share_index=%d\nactivation=%s\n\n", k == 1 ? "batch_normalize=1\n" : "", c, g, 1 + k,
		    k < 2 ? 1 : -2, act());
		conv(c, 1, 1, 1, act());			/* weights of its own between */
	}
}
static void k_gaussian(int i)
{
	static const char *const points[] = { "center", "left_top", "right_bottom" };
	int classes = pick(1, 20);

	net(32 * pick(2, 4), 32 * pick(2, 4), 3);
	conv(8, 3, 2, 1, "leaky");
	conv(16, 3, 2, 1, "leaky");
	conv(pick(8, 24), 3, 2, 1, "leaky");
	put("[convolutional]\nfilters=%d\nsize=1\nstride=1\npad=1\nactivation=linear\n\n",
	    3 * (classes + 9));
	put("[Gaussian_yolo]\nmask=%s\nanchors=10,14, 23,27, 37,58, 81,82, 135,169, 344,319\nclasses=%d\n"
	    "num=6\nscale_x_y=1.%d\nyolo_point=%s\nuc_normalizer=1.0\n\n", i % 2 ? "0,1,2" : "3,4,5",
	    classes, i % 2, points[i % 3]);
}

const struct kind kinds[] = {
	{ "convolutional", k_convolutional, true },
	{ "groups", k_groups, true },
	{ "maxpool", k_maxpool, true },
	{ "avgpool", k_avgpool, true },
	{ "route", k_route, true },
	{ "route-groups", k_route_groups, false },
	{ "shortcut", k_shortcut, true },
	{ "bottleneck", k_bottleneck, true },
	{ "upsample", k_upsample, true },
	{ "reorg", k_reorg, true },
	{ "dropout", k_dropout, true },
	{ "connected-softmax", k_connected, true },
	{ "activation", k_activation, true },
	{ "newer-activations", k_new_activations, false },
	{ "scale_channels", k_scale_channels, false },
	{ "dilation-strides", k_dilation, false },
	{ "yolo", k_yolo, true },
	{ "yolo-scale_x_y", k_yolo_scale_x_y, false },
	{ "region", k_region, true },
	{ "batchnorm", k_batchnorm, false },
	{ "crop", k_crop, true },
	{ "rare-activations", k_rare_activations, true },
	{ "channel-activations", k_channel_activations, false },
	{ "local_avgpool", k_local_avgpool, false },
	{ "maxpool_depth", k_maxpool_depth, false },
	{ "antialiasing", k_antialiasing, false },
	{ "sam", k_sam, false },
	{ "reorg3d", k_reorg3d, false },
	{ "shortcut-weights", k_mix, false },
	{ "share_index", k_share, false },
	{ "Gaussian_yolo", k_gaussian, false },
};
const int nkinds = sizeof(kinds) / sizeof(kinds[0]);
