/* SPDX-License-Identifier: Apache-2.0 */
/* Networks built as public ones are, scaled down: a few channels, small pictures, each part
 * that makes the kind what it is once or twice. */
#include "kinds.h"

#include <string.h>

/* What the channels are multiples of: number i of a shape is wider than i - 1. */
static int unit_of(int i) { return (int[]){ 4, 8, 16 }[i % 3]; }

static void net(int side) { put("[net]\nbatch=1\nsubdivisions=1\nwidth=%d\nheight=%d\nchannels=3\n\n", side,
				side); }
static void conv(int filters, int size, int stride, const char *act)
{
	put("[convolutional]\nbatch_normalize=1\nfilters=%d\nsize=%d\nstride=%d\npad=1\nactivation=%s\n\n",
	    filters, size, stride, act);
}
static void grouped(int filters, int groups, int size, int stride, const char *act)
{
	put("[convolutional]\nbatch_normalize=1\nfilters=%d\ngroups=%d\nsize=%d\nstride=%d\npad=1\n"
	    "activation=%s\n\n", filters, groups, size, stride, act);
}
static void biased(int filters, const char *act)
{
	put("[convolutional]\nfilters=%d\nsize=1\nstride=1\npad=1\nactivation=%s\n\n", filters, act);
}
static void max(int size, int stride) { put("[maxpool]\nsize=%d\nstride=%d\n\n", size, stride); }
static void up(void) { put("[upsample]\nstride=2\n\n"); }
static void route(const char *layers) { put("[route]\nlayers=%s\n\n", layers); }
static void shortcut(int from, const char *act)
{
	put("[shortcut]\nfrom=%d\nactivation=%s\n\n", from, act);
}
/* A head for 5 classes, 3 boxes a cell. */
static void yolo(const char *mask, const char *more)
{
	biased(30, strstr(more, "new_coords") ? "logistic" : "linear");
	put("[yolo]\nmask=%s\nanchors=4,5, 8,9, 12,24, 30,20, 40,60, 90,80\nclasses=5\nnum=6\njitter=.3\n"
	    "ignore_thresh=.7\ntruth_thresh=1\n%s\n", mask, more);
}
static void spp(void)
{
	max(5, 1);
	route("-2");
	max(9, 1);
	route("-4");
	max(13, 1);
	route("-1,-3,-5,-6");
}

static void s_yolov2(int i)
{
	int u = unit_of(i);

	net(96);
	conv(u, 3, 1, "leaky");
	max(2, 2);
	conv(2 * u, 3, 1, "leaky");
	max(2, 2);
	conv(4 * u, 3, 1, "leaky");
	conv(2 * u, 1, 1, "leaky");
	conv(4 * u, 3, 1, "leaky");		/* 6 */
	max(2, 2);
	conv(8 * u, 3, 1, "leaky");		/* 8 */
	conv(8 * u, 3, 1, "leaky");
	route("-4");
	conv(u, 1, 1, "leaky");
	put("[reorg]\nstride=2\n\n");
	route("-1,-4");
	conv(8 * u, 3, 1, "leaky");
	biased(5 * 10, "linear");
	put("[region]\nanchors=1.3,1.7, 3.2,4.0, 5.0,8.1, 9.5,4.8, 11.2,10.0\nclasses=5\ncoords=4\nnum=5\n"
	    "softmax=1\nbias_match=1\njitter=.3\nrescore=1\nabsolute=1\nthresh=.6\nrandom=1\n\n");
}
static void s_yolov3_tiny(int i)
{
	int u = unit_of(i);

	net(96);
	for (int k = 0; k < 4; k++) {
		conv(u << k, 3, 1, "leaky");
		max(2, 2);
	}
	conv(16 * u, 3, 1, "leaky");		/* 8 */
	max(2, 2);
	conv(32 * u, 3, 1, "leaky");
	max(2, 1);
	conv(32 * u, 3, 1, "leaky");
	conv(16 * u, 1, 1, "leaky");		/* 13 */
	conv(32 * u, 3, 1, "leaky");
	yolo("3,4,5", "");			/* 16 */
	route("-4");
	conv(8 * u, 1, 1, "leaky");
	up();
	route("-1,8");
	conv(16 * u, 3, 1, "leaky");
	yolo("0,1,2", "");
}
static void residual(int c, const char *act)
{
	conv(c / 2, 1, 1, act);
	conv(c, 3, 1, act);
	shortcut(-3, "linear");
}
static void s_yolov3_spp(int i)
{
	int u = unit_of(i);

	net(96);
	conv(u, 3, 1, "leaky");
	conv(2 * u, 3, 2, "leaky");
	residual(2 * u, "leaky");
	conv(4 * u, 3, 2, "leaky");
	residual(4 * u, "leaky");
	residual(4 * u, "leaky");		/* 11 */
	conv(8 * u, 3, 2, "leaky");
	residual(8 * u, "leaky");		/* 15 */
	conv(4 * u, 1, 1, "leaky");
	spp();
	conv(4 * u, 1, 1, "leaky");
	conv(8 * u, 3, 1, "leaky");
	yolo("3,4,5", "");
	route("-4");
	conv(2 * u, 1, 1, "leaky");
	up();
	route("-1,11");
	conv(4 * u, 3, 1, "leaky");
	yolo("0,1,2", "");
}
static void s_gaussian(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 3, 2, "leaky");
	residual(u, "leaky");
	conv(2 * u, 3, 2, "leaky");
	residual(2 * u, "leaky");
	biased(3 * (9 + 5), "linear");
	put("[Gaussian_yolo]\nmask=0,1,2\nanchors=7,10, 14,24, 27,43\nclasses=5\nnum=3\njitter=.3\n"
	    "iou_loss=mse\nscale_x_y=1.0\nuc_normalizer=1.0\n\n");
}
/* A stage of half the channels beside a residual block, as in CSP networks. */
static void csp(int c, const char *act)
{
	conv(c, 3, 2, act);
	conv(c / 2, 1, 1, act);
	route("-2");
	conv(c / 2, 1, 1, act);
	conv(c / 2, 1, 1, act);
	conv(c / 2, 3, 1, act);
	shortcut(-3, "linear");
	conv(c / 2, 1, 1, act);
	route("-1,-7");
	conv(c, 1, 1, act);
}
static void path(const char *backbone, const char *act, const char *head_act, const char *head, int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 3, 1, backbone);
	csp(2 * u, backbone);
	csp(4 * u, backbone);			/* 20 */
	csp(8 * u, backbone);			/* 30 */
	conv(4 * u, 1, 1, act);
	spp();
	conv(4 * u, 1, 1, act);			/* 38 */
	conv(2 * u, 1, 1, act);
	up();
	route("20");
	conv(2 * u, 1, 1, act);
	route("-1,-3");
	conv(2 * u, 1, 1, act);			/* 44 */
	conv(4 * u, 3, 1, head_act);
	yolo("0,1,2", head);			/* 47 */
	route("-4");
	put("[convolutional]\nbatch_normalize=1\nsize=3\nstride=2\npad=1\nfilters=%d\nactivation=%s\n\n",
	    4 * u, act);
	route("-1,38");
	conv(4 * u, 1, 1, act);
	conv(8 * u, 3, 1, head_act);
	yolo("3,4,5", head);
}
static void s_yolov4(int i)
{
	path("mish", "leaky", "leaky", "scale_x_y=1.2\niou_thresh=0.213\nnms_kind=greedynms\nbeta_nms=0.6\n", i);
}
static void s_yolov4_csp_mish(int i)
{
	path("mish", "mish", "mish", "scale_x_y=2.0\nnew_coords=1\nobjectness_smooth=1\n", i);
}
static void s_yolov4_csp_swish(int i)
{
	path("swish", "swish", "swish", "scale_x_y=2.0\nnew_coords=1\nmax_delta=2\n", i);
}
static void tiny_csp(int c)
{
	conv(c, 3, 1, "leaky");
	put("[route]\nlayers=-1\ngroups=2\ngroup_id=1\n\n");
	conv(c / 2, 3, 1, "leaky");
	conv(c / 2, 3, 1, "leaky");
	route("-1,-2");
	conv(c, 1, 1, "leaky");
	route("-6,-1");
	max(2, 2);
}
static void s_yolov4_tiny(int i)
{
	int u = unit_of(i);

	net(96);
	conv(u, 3, 2, "leaky");
	conv(2 * u, 3, 2, "leaky");
	tiny_csp(2 * u);
	tiny_csp(4 * u);			/* 17 */
	conv(8 * u, 3, 1, "leaky");
	conv(4 * u, 1, 1, "leaky");
	conv(8 * u, 3, 1, "leaky");
	yolo("3,4,5", "scale_x_y=1.05\n");	/* 22 */
	route("-4");
	conv(2 * u, 1, 1, "leaky");
	up();
	route("-1,15");
	conv(4 * u, 3, 1, "leaky");
	yolo("1,2,3", "scale_x_y=1.05\n");
}
static void s_contrastive(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 3, 2, "leaky");
	conv(2 * u, 3, 2, "leaky");
	conv(4 * u, 3, 2, "leaky");
	route("0");
	put("[local_avgpool]\nsize=4\nstride=4\n\n");
	route("-1,-3");
	conv(4 * u, 3, 1, "leaky");
	biased(3 * 8, "linear");
	route("-2");
	yolo("0,1,2", "scale_x_y=1.05\nembedding_layer=7\n");
	route("-4");
	put("[contrastive]\nclasses=5\ntemperature=1.0\nyolo_layer=-2\n\n");
}
/* Four convolutions joined, with two, or four, of those between. */
static void elan(int c, const char *act, bool tiny)
{
	conv(c / 2, 1, 1, act);
	route("-2");
	conv(c / 2, 1, 1, act);
	conv(c / 2, 3, 1, act);
	conv(c / 2, 3, 1, act);
	if (!tiny) {
		conv(c / 2, 3, 1, act);
		conv(c / 2, 3, 1, act);
	}
	route(tiny ? "-5,-3,-2,-1" : "-1,-3,-5,-7");
	conv(c, 1, 1, act);
}
static void s_yolov7_tiny(int i)
{
	int u = unit_of(i);

	net(96);
	conv(u, 3, 2, "leaky");
	conv(2 * u, 3, 2, "leaky");
	elan(2 * u, "leaky", true);
	max(2, 2);
	elan(4 * u, "leaky", true);		/* 16 */
	max(2, 2);
	elan(8 * u, "leaky", true);		/* 24 */
	conv(4 * u, 1, 1, "leaky");
	route("-2");
	conv(4 * u, 1, 1, "leaky");
	spp();
	conv(4 * u, 1, 1, "leaky");
	route("-10,-1");
	conv(4 * u, 1, 1, "leaky");
	conv(2 * u, 1, 1, "leaky");
	up();
	route("16");
	conv(2 * u, 1, 1, "leaky");
	route("-1,-3");
	elan(4 * u, "leaky", true);
	yolo("0,1,2", "scale_x_y=2.0\nnew_coords=1\n");
}
static void s_yolov7(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 3, 1, "swish");
	conv(2 * u, 3, 2, "swish");
	elan(4 * u, "swish", false);
	max(2, 2);
	conv(2 * u, 1, 1, "swish");
	route("-3");
	conv(2 * u, 1, 1, "swish");
	conv(2 * u, 3, 2, "swish");
	route("-1,-4");
	elan(8 * u, "swish", false);
	yolo("0,1,2", "scale_x_y=2.0\nnew_coords=1\n");
}
/* A mobile block whose channels are scaled by what the whole picture says of them. */
static void squeeze(int wide, int c, int size, int stride, bool add)
{
	conv(wide, 1, 1, "swish");
	grouped(wide, wide, size, stride, "swish");
	put("[avgpool]\n\n");
	biased(wide / 8 + 1, "swish");
	biased(wide, "logistic");
	put("[scale_channels]\nfrom=-4\n\n");
	conv(c, 1, 1, "linear");
	if (add) {
		put("[dropout]\nprobability=.2\n\n");
		shortcut(-9, "linear");
	}
}
static void s_enet(int i)
{
	int u = unit_of(i);

	net(64);
	conv(2 * u, 3, 2, "swish");
	squeeze(4 * u, u, 3, 2, false);
	squeeze(6 * u, u, 3, 1, true);		/* 16 */
	squeeze(6 * u, 2 * u, 5, 2, false);
	squeeze(8 * u, 2 * u, 5, 1, true);	/* 32 */
	conv(4 * u, 1, 1, "leaky");
	yolo("3,4,5", "");
	route("-3");
	up();
	conv(u, 1, 1, "leaky");
	shortcut(16, "leaky");
	conv(4 * u, 3, 1, "leaky");
	yolo("0,1,2", "");
}
static void s_yolo_fastest(int i)
{
	int u = unit_of(i);

	net(96);
	conv(u, 3, 2, "leaky");
	for (int k = 0; k < 4; k++) {
		conv(3 * u, 1, 1, "leaky");
		grouped(3 * u, 3 * u, 3, 1 + (k == 2), "leaky");
		conv(u, 1, 1, "linear");
		if (k != 2) {
			put("[dropout]\nprobability=.15\n\n");
			shortcut(-5, "linear");
		}
	}
	spp();
	conv(3 * u, 1, 1, "leaky");
	grouped(3 * u, 3 * u, 5, 1, "leaky");
	conv(3 * u, 1, 1, "linear");
	yolo("0,1,2", "scale_x_y=1.0\n");
}
static void s_csresnext(int i)
{
	int u = unit_of(i), g = 4;

	net(64);
	conv(2 * u, 7, 2, "leaky");
	max(2, 2);
	conv(4 * u, 1, 1, "leaky");
	route("-2");
	conv(2 * u, 1, 1, "leaky");
	for (int k = 0; k < 2; k++) {
		conv(4 * u, 1, 1, "leaky");
		grouped(4 * u, g, 3, 1, "leaky");
		conv(4 * u, 1, 1, "linear");
		shortcut(k ? -4 : -3, "leaky");
	}
	route("-1,-11");
	conv(8 * u, 1, 1, "leaky");
	grouped(8 * u, g, 3, 2, "leaky");
	conv(8 * u, 1, 1, "linear");
	shortcut(-2, "leaky");
	yolo("0,1,2", "");
}
/* [sam] and [reorg3d], CSP and mish: the heads of the largest of the fourth generation. */
static void s_sam(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 3, 1, "mish");
	csp(2 * u, "mish");			/* 10 */
	csp(4 * u, "mish");			/* 20 */
	conv(2 * u, 1, 1, "mish");
	route("10");
	put("[reorg3d]\nstride=2\n\n");
	route("-1,-3");
	conv(4 * u, 1, 1, "mish");
	biased(4 * u, "logistic");
	put("[sam]\nfrom=-2\n\n");
	conv(4 * u, 3, 1, "mish");
	yolo("0,1,2", "scale_x_y=1.1\n");
	route("-4");
	put("[maxpool]\nmaxpool_depth=1\nout_channels=1\n\n");
	biased(1, "logistic");
	put("[scale_channels]\nfrom=-3\nscale_wh=1\n\n");
	conv(4 * u, 3, 1, "mish");
	yolo("3,4,5", "scale_x_y=1.1\n");
}
static void s_prn(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 3, 1, "leaky");
	max(2, 2);
	conv(2 * u, 3, 1, "leaky");
	max(2, 2);
	conv(4 * u, 3, 1, "leaky");
	conv(4 * u, 3, 1, "leaky");
	shortcut(-2, "leaky");
	conv(2 * u, 1, 1, "leaky");
	shortcut(-3, "leaky");			/* of more channels */
	yolo("3,4,5", "");
	route("-4");
	conv(u, 1, 1, "leaky");
	up();
	shortcut(2, "leaky");
	yolo("0,1,2", "");
}
static void s_trident(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 7, 2, "leaky");			/* 0 */
	conv(u, 1, 1, "leaky");			/* 1 */
	for (int k = 1; k <= 3; k++) {
		route("1");
		for (int j = 0; j < 2; j++) {
			put("[convolutional]\n");
			if (k > 1)
				put("share_index=%d\n", 3 + j);
			put("batch_normalize=1\nfilters=%d\nsize=3\nstride=1\npad=1\ndilation=%d\nactivation=leaky\n\n",
			    u, k);
		}
		shortcut(-3, "leaky");
		yolo(k > 1 ? "3,4,5" : "0,1,2", "");
	}
}
static void s_resnet(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 7, 2, "leaky");
	max(2, 2);
	for (int k = 0; k < 3; k++) {
		conv(u, 1, 1, "leaky");
		conv(u, 3, 1 + (k == 2), "leaky");
		conv(4 * u, 1, 1, "linear");
		shortcut(k == 1 ? -4 : -2, "leaky");
	}
	put("[avgpool]\n\n");
	biased(10, "linear");
	put("[softmax]\ngroups=1\n\n[cost]\ntype=sse\n\n");
}
static void s_densenet(int i)
{
	int u = unit_of(i);

	net(64);
	conv(u, 7, 2, "leaky");
	max(2, 2);
	for (int k = 0; k < 3; k++) {
		conv(2 * u, 1, 1, "leaky");
		conv(u, 3, 1, "leaky");
		put("[route]\nlayers=-1,-3\n\n");
	}
	conv(2 * u, 1, 1, "leaky");
	max(2, 2);
	put("[batchnorm]\n\n[avgpool]\n\n");
	biased(10, "linear");
	put("[softmax]\ngroups=2\ntemperature=2\n\n");
}
static void s_vgg(int i)
{
	int u = unit_of(i);

	net(64);
	put("[crop]\ncrop_height=56\ncrop_width=48\nflip=1\nexposure=1\nsaturation=1\nangle=0\n\n");
	conv(u, 3, 1, "relu");
	max(2, 2);
	conv(2 * u, 3, 1, "relu");
	max(2, 2);
	put("[connected]\noutput=%d\nactivation=relu\n\n[dropout]\nprobability=.5\n\n", 8 * u);
	put("[connected]\noutput=10\nactivation=linear\n\n[softmax]\ngroups=1\n\n[cost]\ntype=sse\n\n");
}

const struct kind shapes[] = {
	{ "yolov2", s_yolov2, false },
	{ "yolov3-tiny", s_yolov3_tiny, false },
	{ "yolov3-spp", s_yolov3_spp, false },
	{ "Gaussian_yolov3", s_gaussian, false },
	{ "yolov4", s_yolov4, false },
	{ "yolov4-tiny", s_yolov4_tiny, false },
	{ "yolov4-tiny_contrastive", s_contrastive, false },
	{ "yolov4-csp-mish", s_yolov4_csp_mish, false },
	{ "yolov4-csp-swish", s_yolov4_csp_swish, false },
	{ "yolov4-sam-reorg", s_sam, false },
	{ "yolov7-tiny", s_yolov7_tiny, false },
	{ "yolov7", s_yolov7, false },
	{ "enet", s_enet, false },
	{ "yolo-fastest", s_yolo_fastest, false },
	{ "csresnext", s_csresnext, false },
	{ "yolov3-tiny-prn", s_prn, false },
	{ "trident", s_trident, false },
	{ "resnet", s_resnet, false },
	{ "densenet", s_densenet, false },
	{ "vgg", s_vgg, false },
};
const int nshapes = sizeof(shapes) / sizeof(shapes[0]);
