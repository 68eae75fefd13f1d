/* SPDX-License-Identifier: Apache-2.0 */
/* Scaling and colour conversion with libswscale, with the flags that make it exact. */
#include "media/scale.h"

#include <stdio.h>
#include <stdlib.h>

#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#define FLAGS (SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT)

struct cb_scaler {
	struct SwsContext *sws;
	uint32_t width, height;
	enum cb_pixels to;
};

int cb_scaler_new(struct cb_scaler **ret, uint32_t width, uint32_t height, enum cb_pixels to,
		  struct cb_err *err)
{
	struct cb_scaler *s;

	if (!width || !height || width > CB_PICTURE_SIDE_MAX || height > CB_PICTURE_SIDE_MAX)
		return cb_err_set(err, CB_E_DATA, "cannot scale to %u x %u", width, height);
	s = calloc(1, sizeof *s);
	if (!s)
		return cb_err_nomem(err);
	s->width = width;
	s->height = height;
	s->to = to;
	*ret = s;
	return 0;
}

/* The old "J" formats are the plain ones with full range. */
static enum AVPixelFormat plain_format(enum AVPixelFormat f, int *full)
{
	switch (f) {
	case AV_PIX_FMT_YUVJ420P: *full = 1; return AV_PIX_FMT_YUV420P;
	case AV_PIX_FMT_YUVJ422P: *full = 1; return AV_PIX_FMT_YUV422P;
	case AV_PIX_FMT_YUVJ444P: *full = 1; return AV_PIX_FMT_YUV444P;
	case AV_PIX_FMT_YUVJ440P: *full = 1; return AV_PIX_FMT_YUV440P;
	case AV_PIX_FMT_YUVJ411P: *full = 1; return AV_PIX_FMT_YUV411P;
	default: return f;
	}
}

/* Which matrix: what the stream says, else by size as players do. */
static int matrix_of(const AVFrame *f, const struct cb_picture *in)
{
	switch (f ? f->colorspace : AVCOL_SPC_UNSPECIFIED) {
	case AVCOL_SPC_BT709: return SWS_CS_ITU709;
	case AVCOL_SPC_FCC: return SWS_CS_FCC;
	case AVCOL_SPC_BT470BG: case AVCOL_SPC_SMPTE170M: return SWS_CS_ITU601;
	case AVCOL_SPC_SMPTE240M: return SWS_CS_SMPTE240M;
	case AVCOL_SPC_BT2020_NCL: case AVCOL_SPC_BT2020_CL: return SWS_CS_BT2020;
	default: return in->height >= 720 && f && f->color_range != AVCOL_RANGE_JPEG ?
		SWS_CS_ITU709 : SWS_CS_ITU601;
	}
}

int cb_scaler_run(struct cb_scaler *s, const struct cb_picture *in, uint8_t *out, struct cb_err *err)
{
	const AVFrame *f = in->priv;
	const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get((enum AVPixelFormat)in->format);
	int full = f && f->color_range == AVCOL_RANGE_JPEG, w = (int)s->width, h = (int)s->height;
	size_t cw = (s->width + 1) / 2, ch = (s->height + 1) / 2, n = (size_t)s->width * s->height;
	uint8_t *dst[4] = { out };
	int stride[4] = { w };
	enum AVPixelFormat from, to = AV_PIX_FMT_GRAY8;
	const int *matrix;
	int to_full = 1;

	if (!in->width || !in->height || in->width > CB_PICTURE_SIDE_MAX ||
	    in->height > CB_PICTURE_SIDE_MAX || !desc || (desc->flags & AV_PIX_FMT_FLAG_HWACCEL) ||
	    !in->plane[0])
		return cb_err_set(err, CB_E_DATA, "cannot scale a picture of %u x %u in format %d",
				  in->width, in->height, in->format);
	from = plain_format((enum AVPixelFormat)in->format, &full);
	if (s->to == CB_PIXELS_RGB24) {
		to = AV_PIX_FMT_RGB24;
		stride[0] = w * 3;
	} else if (s->to == CB_PIXELS_YUV420P) {
		to = AV_PIX_FMT_YUV420P;
		stride[1] = stride[2] = (int)cw;
		dst[1] = out + n;
		dst[2] = out + n + cw * ch;
		to_full = full;
	}
	if (desc->flags & AV_PIX_FMT_FLAG_RGB)
		full = 1;
	s->sws = sws_getCachedContext(s->sws, (int)in->width, (int)in->height, from, w, h, to,
				      FLAGS, NULL, NULL, NULL);
	if (!s->sws)
		return cb_err_set(err, CB_E_DATA, "cannot convert pixel format %s", desc->name);
	matrix = sws_getCoefficients(matrix_of(f, in));
	sws_setColorspaceDetails(s->sws, matrix, full, matrix, to_full, 0, 1 << 16, 1 << 16);
	if (sws_scale(s->sws, in->plane, in->stride, 0, (int)in->height, dst, stride) != h)
		return cb_err_set(err, CB_E_DATA, "cannot scale a picture of %u x %u to %d x %d",
				  in->width, in->height, w, h);
	return 0;
}

void cb_scaler_free(struct cb_scaler *s)
{
	if (!s)
		return;
	sws_freeContext(s->sws);
	free(s);
}

const char *cb_scaler_library_version(void)
{
	static char text[48];
	unsigned v = swscale_version();

	snprintf(text, sizeof text, "libswscale %u.%u.%u", v >> 16, v >> 8 & 255, v & 255);
	return text;
}
