/* SPDX-License-Identifier: Apache-2.0 */
/* Pixel formats and colour properties of the library's frames, in our own terms. */
#include "media/colour.h"

#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>

/* The old "J" formats are the plain ones with full range. */
static enum AVPixelFormat plain_format(enum AVPixelFormat f, bool *full)
{
	switch (f) {
	case AV_PIX_FMT_YUVJ420P: *full = true; return AV_PIX_FMT_YUV420P;
	case AV_PIX_FMT_YUVJ422P: *full = true; return AV_PIX_FMT_YUV422P;
	case AV_PIX_FMT_YUVJ444P: *full = true; return AV_PIX_FMT_YUV444P;
	case AV_PIX_FMT_YUVJ440P: *full = true; return AV_PIX_FMT_YUV440P;
	case AV_PIX_FMT_YUVJ411P: *full = true; return AV_PIX_FMT_YUV411P;
	default: return f;
	}
}

static enum cb_matrix matrix_of(const AVFrame *f, const struct cb_picture *in)
{
	switch (f ? f->colorspace : AVCOL_SPC_UNSPECIFIED) {
	case AVCOL_SPC_BT709: return CB_MATRIX_BT709;
	case AVCOL_SPC_FCC: return CB_MATRIX_FCC;
	case AVCOL_SPC_BT470BG: case AVCOL_SPC_SMPTE170M: return CB_MATRIX_BT601;
	case AVCOL_SPC_SMPTE240M: return CB_MATRIX_SMPTE240M;
	case AVCOL_SPC_BT2020_NCL: case AVCOL_SPC_BT2020_CL: return CB_MATRIX_BT2020;
	default: return in->height >= 720 && f && f->color_range != AVCOL_RANGE_JPEG ?
		CB_MATRIX_BT709 : CB_MATRIX_BT601;
	}
}

static enum cb_layout layout_of(enum AVPixelFormat f)
{
	switch (f) {
	case AV_PIX_FMT_GRAY8: return CB_LAYOUT_GRAY;
	case AV_PIX_FMT_YUV420P: case AV_PIX_FMT_YUV422P: case AV_PIX_FMT_YUV444P:
	case AV_PIX_FMT_YUV440P: case AV_PIX_FMT_YUV411P: case AV_PIX_FMT_YUV410P:
		return CB_LAYOUT_PLANAR;
	case AV_PIX_FMT_NV12: case AV_PIX_FMT_NV16: case AV_PIX_FMT_NV24: return CB_LAYOUT_UV;
	case AV_PIX_FMT_NV21: case AV_PIX_FMT_NV42: return CB_LAYOUT_VU;
	default: return CB_LAYOUT_OTHER;
	}
}

void cb_colour_of(struct cb_colour *ret, const struct cb_picture *in)
{
	const AVFrame *f = in->priv;
	enum AVChromaLocation at = f ? f->chroma_location : AVCHROMA_LOC_UNSPECIFIED;
	bool full = f && f->color_range == AVCOL_RANGE_JPEG;
	enum AVPixelFormat format = plain_format((enum AVPixelFormat)in->format, &full);
	const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format);

	*ret = (struct cb_colour){
		.format = format,
		.full = full,
		.matrix = matrix_of(f, in),
		.layout = layout_of(format),
		.chroma_x = desc ? desc->log2_chroma_w : 0,
		.chroma_y = desc ? desc->log2_chroma_h : 0,
		.centre_x = at == AVCHROMA_LOC_CENTER || at == AVCHROMA_LOC_TOP || at == AVCHROMA_LOC_BOTTOM,
		/* a line of chroma at the bottom lies where one in the middle nearly does */
		.centre_y = at != AVCHROMA_LOC_TOPLEFT && at != AVCHROMA_LOC_TOP,
	};
}
