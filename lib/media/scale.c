/* SPDX-License-Identifier: Apache-2.0 */
/* Scaling and colour conversion with libswscale, with the flags that make it exact. */
#include "media/scale.h"

#include <stdio.h>
#include <stdlib.h>

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "media/colour.h"

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

static const int *coefficients(enum cb_matrix m)
{
	static const int of[] = {
		[CB_MATRIX_BT601] = SWS_CS_ITU601, [CB_MATRIX_BT709] = SWS_CS_ITU709,
		[CB_MATRIX_FCC] = SWS_CS_FCC, [CB_MATRIX_SMPTE240M] = SWS_CS_SMPTE240M,
		[CB_MATRIX_BT2020] = SWS_CS_BT2020,
	};

	return sws_getCoefficients(of[m]);
}

int cb_scaler_run(struct cb_scaler *s, const struct cb_picture *in, uint8_t *out, struct cb_err *err)
{
	const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get((enum AVPixelFormat)in->format);
	int in_w = AV_CEIL_RSHIFT((int)in->width, in->shrunk), in_h = AV_CEIL_RSHIFT((int)in->height, in->shrunk);
	int w = (int)s->width, h = (int)s->height, full, to_full = 1;
	size_t cw = (s->width + 1) / 2, ch = (s->height + 1) / 2, n = (size_t)s->width * s->height;
	uint8_t *dst[4] = { out };
	int stride[4] = { w };
	enum AVPixelFormat to = AV_PIX_FMT_GRAY8;
	struct cb_colour c;
	const int *matrix;

	if (!in->width || !in->height || in->width > CB_PICTURE_SIDE_MAX ||
	    in->height > CB_PICTURE_SIDE_MAX || in->shrunk > 3 || !desc || (desc->flags & AV_PIX_FMT_FLAG_HWACCEL) ||
	    !in->plane[0])
		return cb_err_set(err, CB_E_DATA, "cannot scale a picture of %u x %u in format %d",
				  in->width, in->height, in->format);
	cb_colour_of(&c, in);
	full = c.full || desc->flags & AV_PIX_FMT_FLAG_RGB;
	if (s->to == CB_PIXELS_RGB24) {
		to = AV_PIX_FMT_RGB24;
		stride[0] = w * 3;
	} else if (s->to == CB_PIXELS_YUV420P) {
		to = AV_PIX_FMT_YUV420P;
		stride[1] = stride[2] = (int)cw;
		dst[1] = out + n;
		dst[2] = out + n + cw * ch;
		to_full = c.full;
	}
	s->sws = sws_getCachedContext(s->sws, in_w, in_h,
				      (enum AVPixelFormat)c.format, w, h, to, FLAGS, NULL, NULL, NULL);
	if (!s->sws)
		return cb_err_set(err, CB_E_DATA, "cannot convert pixel format %s", desc->name);
	matrix = coefficients(c.matrix);
	sws_setColorspaceDetails(s->sws, matrix, full, matrix, to_full, 0, 1 << 16, 1 << 16);
	if (sws_scale(s->sws, in->plane, in->stride, 0, in_h, dst, stride) != h)
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
