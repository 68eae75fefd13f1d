/* SPDX-License-Identifier: Apache-2.0 */
/* A shot's picture in memory with the drawing burnt in. */
#ifndef CB_DRAW_BURN_H
#define CB_DRAW_BURN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "draw/film.h"
#include "draw/paint.h"
#include "media/scale.h"

/* All zero is ready for use; release at the end. */
struct cb_burner {
	struct cb_painter painter;
	struct cb_scaler *scaler;
	enum cb_pixels pixels;
	uint8_t *buf;
	size_t bytes;
};

/* The shot's picture as width x height pixels (CB_PIXELS_RGB24 or _YUV420P, rows without
 * padding), with boxes, labels and, unless NULL, the caption. *ret lives until the next call. */
int cb_burn(struct cb_burner *b, const struct cb_shot *shot, enum cb_pixels pixels, uint32_t width,
	    uint32_t height, const struct cb_paint_opts *o, const char *caption,
	    const uint8_t **ret, struct cb_err *err);
void cb_burner_release(struct cb_burner *b);

/* The size with square pixels: a shot's width stretched by its sample aspect ratio. */
void cb_shot_size(const struct cb_shot *shot, uint32_t *ret_width, uint32_t *ret_height);

/* "front  2026-11-21 07:54:42.123 UTC", or the time since the stream's first picture where no
 * wall clock is known. */
#define CB_CAPTION_LEN 128
void cb_shot_caption(char out[static CB_CAPTION_LEN], const struct cb_shot *shot, const char *camera);

/* How much is to be seen in a shot, for the choice of one: by the sum of the scores of objects
 * at or above the threshold, then by motion; 0: nothing. Negative without a detection of its
 * own. */
double cb_shot_interest(const struct cb_shot *shot, double threshold);

#endif
