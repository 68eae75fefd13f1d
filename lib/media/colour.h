/* SPDX-License-Identifier: Apache-2.0 */
/* What the samples of a decoded picture mean: layout, range, matrix, where chroma lies. The
 * one place that decides it, for every conversion. */
#ifndef CB_MEDIA_COLOUR_H
#define CB_MEDIA_COLOUR_H

#include "media/decode.h"

enum cb_matrix { CB_MATRIX_BT601, CB_MATRIX_BT709, CB_MATRIX_FCC, CB_MATRIX_SMPTE240M, CB_MATRIX_BT2020 };

/* Layouts that lib/media reads itself; OTHER is left to libswscale. */
enum cb_layout {
	CB_LAYOUT_OTHER,
	CB_LAYOUT_GRAY,		/* 8 bit, plane 0 alone */
	CB_LAYOUT_PLANAR,	/* 8 bit, Y, U and V in a plane each */
	CB_LAYOUT_UV,		/* 8 bit, Y in a plane, U and V by turns in another */
	CB_LAYOUT_VU,
};

struct cb_colour {
	int format;		/* as the picture's, with full range taken out of it */
	bool full;		/* 0..255, not 16..235 and 16..240; RGB is full whatever this says */
	enum cb_matrix matrix;	/* the stream's own word, else BT.709 from 720 lines on unless
				 * full, and BT.601 below, as players do */
	enum cb_layout layout;
	unsigned chroma_x, chroma_y;	/* log2 of how many luma samples a chroma sample spans */
	bool centre_x, centre_y;	/* it lies in the middle of them, not on the first (Rec. ITU-T
					 * H.273 8.7, ChromaLocType) */
};

void cb_colour_of(struct cb_colour *ret, const struct cb_picture *in);

#endif
