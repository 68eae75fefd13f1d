/* SPDX-License-Identifier: Apache-2.0 */
/* Picture, drawing and caption put together. */
#include "draw/burn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "media/encode.h"

static int prepare(struct cb_burner *b, enum cb_pixels pixels, uint32_t w, uint32_t h,
		   struct cb_err *err)
{
	size_t area = (size_t)w * h, chroma = ((size_t)w + 1) / 2 * (((size_t)h + 1) / 2);

	if (b->scaler && b->pixels == pixels && b->painter.sheet.width == w &&
	    b->painter.sheet.height == h)
		return 0;
	cb_burner_release(b);
	if (cb_painter_init(&b->painter, w, h, err) < 0)
		return -1;
	b->pixels = pixels;
	b->bytes = pixels == CB_PIXELS_RGB24 ? 3 * area : area + 2 * chroma;
	/* the scaler's inner loops may store a little beyond the last row */
	b->buf = malloc(b->bytes + 64);
	if (!b->buf) {
		cb_burner_release(b);
		return cb_err_nomem(err);
	}
	if (cb_scaler_new(&b->scaler, w, h, pixels, err) < 0) {
		cb_burner_release(b);
		return -1;
	}
	return 0;
}

int cb_burn(struct cb_burner *b, const struct cb_shot *shot, enum cb_pixels pixels, uint32_t width,
	    uint32_t height, const struct cb_paint_opts *o, const char *caption,
	    const uint8_t **ret, struct cb_err *err)
{
	size_t cw = ((size_t)width + 1) / 2, area = (size_t)width * height;

	if (prepare(b, pixels, width, height, err) < 0 ||
	    cb_scaler_run(b->scaler, shot->picture, b->buf, err) < 0)
		return -1;
	cb_paint(&b->painter, shot->det, shot->view, o, caption, shot->strength);
	if (pixels == CB_PIXELS_RGB24) {
		cb_overlay_lay_rgb24(&b->painter.sheet, b->buf, 3 * (size_t)width);
	} else {
		struct cb_yuv y = {
			.plane = { b->buf, b->buf + area, b->buf + area + cw * ((height + 1) / 2) },
			.stride = { width, cw, cw },
			.bt709 = cb_picture_bt709(shot->picture),
			.full = cb_picture_full_range(shot->picture),
		};

		cb_overlay_lay_yuv420p(&b->painter.sheet, &y);
	}
	*ret = b->buf;
	return 0;
}

void cb_burner_release(struct cb_burner *b)
{
	cb_painter_release(&b->painter);
	cb_scaler_free(b->scaler);
	free(b->buf);
	*b = (struct cb_burner){ 0 };
}

void cb_shot_size(const struct cb_shot *shot, uint32_t *ret_width, uint32_t *ret_height)
{
	uint64_t w = shot->picture->width, n = shot->params->sar_num, d = shot->params->sar_den;

	if (n && d && n <= 16 * d && d <= 16 * n)
		w = (w * n + d / 2) / d;
	*ret_width = w < 1 ? 1 : w > CB_OVERLAY_SIDE_MAX ? CB_OVERLAY_SIDE_MAX : (uint32_t)w;
	*ret_height = shot->picture->height;
}

void cb_shot_caption(char out[static CB_CAPTION_LEN], const struct cb_shot *shot, const char *camera)
{
	char when[CB_TIME_LEN];
	int64_t ms = shot->offset_ns / 1000000;

	if (shot->at.wall_source != CB_WALL_NONE) {
		cb_time_format_us(when, shot->at.wall_ns / 1000);
		snprintf(out, CB_CAPTION_LEN, "%s%s%.10s %.12s UTC", camera, *camera ? "  " : "",
			 when, when + 11);
		return;
	}
	if (ms < 0)
		ms = 0;
	snprintf(out, CB_CAPTION_LEN, "%s%s%02lld:%02lld:%02lld.%03lld", camera,
		 *camera ? "  " : "", (long long)(ms / 3600000), (long long)(ms / 60000 % 60),
		 (long long)(ms / 1000 % 60), (long long)(ms % 1000));
}

double cb_shot_interest(const struct cb_shot *shot, double threshold)
{
	double sum = 0;

	if (!shot->own)
		return -1;
	for (int i = 0; i < shot->det->n_objects; i++)
		if ((double)shot->det->objects[i].score >= threshold)
			sum += (double)shot->det->objects[i].score;
	if (shot->det->n_areas)
		sum = sum * 1e6 + 1e-6 + (shot->det->motion > 0 ? shot->det->motion : 0);
	else
		sum *= 1e6;
	return sum;
}
