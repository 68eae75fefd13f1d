/* SPDX-License-Identifier: Apache-2.0 */
/* Samples straight out of decoded pictures, whatever their format. */
#include "media/luma.h"

#include <string.h>

#include <libavutil/pixdesc.h>

#define AT_ONCE 256

bool cb_luma_line(const struct cb_picture *p, uint32_t x, uint32_t y, uint32_t n, uint8_t *out)
{
	const AVPixFmtDescriptor *f = av_pix_fmt_desc_get((enum AVPixelFormat)p->format);
	uint16_t wide[AT_ONCE];
	int c, depth;

	if (!f || f->flags & AV_PIX_FMT_FLAG_HWACCEL || p->shrunk || x > p->width || n > p->width - x ||
	    y >= p->height)
		return false;
	c = f->flags & AV_PIX_FMT_FLAG_RGB && f->nb_components > 2;
	depth = f->comp[c].depth;
	if (f->flags & (AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER) || depth < 1 || depth > 16)
		return false;
	if (depth == 8 && f->comp[c].step == 1 && !(f->flags & AV_PIX_FMT_FLAG_PAL)) {
		memcpy(out, p->plane[f->comp[c].plane] + f->comp[c].offset +
		       (ptrdiff_t)p->stride[f->comp[c].plane] * y + x, n);
		return true;
	}
	for (uint32_t at = 0; at < n; at += AT_ONCE) {
		uint32_t k = n - at < AT_ONCE ? n - at : AT_ONCE;

		av_read_image_line2(wide, (const uint8_t **)p->plane, p->stride, f, (int)(x + at), (int)y, c,
				    (int)k, !!(f->flags & AV_PIX_FMT_FLAG_PAL), 2);
		for (uint32_t i = 0; i < k; i++)
			out[at + i] = (uint8_t)(depth > 8 ? wide[i] >> (depth - 8) : wide[i] << (8 - depth));
	}
	return true;
}
