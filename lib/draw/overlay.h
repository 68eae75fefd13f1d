/* SPDX-License-Identifier: Apache-2.0 */
/* A transparent sheet over a picture: shapes and text are drawn on it with smooth edges, then
 * it is laid over RGB24 or YUV420P pictures in memory. Only what was drawn costs time.
 *
 * Coordinates are pixels from the top left corner, fractions allowed; a shape may reach
 * beyond the sheet. Drawing cannot fail. Use: init once a picture size; for each picture
 * clear, draw, lay; release.
 */
#ifndef CB_DRAW_OVERLAY_H
#define CB_DRAW_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CB_OVERLAY_SIDE_MAX 16384u
#define CB_OVERLAY_CORNERS 256	/* of a polygon */
#define CB_OVERLAY_PIXELS_MAX (1u << 26)

struct cb_rgba {
	uint8_t r, g, b, a;	/* a: 0 transparent to 255 opaque; r, g, b not multiplied by it */
};

struct cb_overlay {
	uint32_t width, height;
	uint8_t *px;		/* RGBA, multiplied by alpha, 4 * width bytes a row */
	uint32_t *lo, *hi;	/* each row: columns lo..hi-1 may be non-empty */
};

/* Sizes beyond the maxima are CB_E_DATA. On failure there is nothing to release. */
int cb_overlay_init(struct cb_overlay *o, uint32_t width, uint32_t height, struct cb_err *err);
void cb_overlay_clear(struct cb_overlay *o);
void cb_overlay_release(struct cb_overlay *o);

/* Cover one pixel by colour c, coverage 0..255 on top of c.a. Outside the sheet: nothing. */
void cb_overlay_dot(struct cb_overlay *o, int x, int y, struct cb_rgba c, unsigned coverage);
/* A filled rectangle with round corners. */
void cb_overlay_fill(struct cb_overlay *o, double x, double y, double w, double h,
		     double radius, struct cb_rgba c);
/* Its outline: a line of the given thickness, centred on the edge. */
void cb_overlay_stroke(struct cb_overlay *o, double x, double y, double w, double h,
		       double radius, double thickness, struct cb_rgba c);

/* A straight line with round ends. */
void cb_overlay_line(struct cb_overlay *o, double x0, double y0, double x1, double y1,
		     double thickness, struct cb_rgba c);
/* The inside of a polygon of n corners (x, y, x, y, ...), even-odd; its sides are smooth across only,
 * for a line to be drawn over them. */
void cb_overlay_polygon(struct cb_overlay *o, const double *xy, unsigned n, struct cb_rgba c);

/* Lay the sheet over a picture of its size. Strides in bytes. */
void cb_overlay_lay_rgb24(const struct cb_overlay *o, uint8_t *rgb, size_t stride);

struct cb_yuv {
	uint8_t *plane[3];	/* Y, U, V; chroma (width+1)/2 x (height+1)/2 */
	size_t stride[3];
	int bt709;		/* colours by BT.709 instead of BT.601 */
	int full;		/* 0..255 instead of 16..235 */
};
void cb_overlay_lay_yuv420p(const struct cb_overlay *o, const struct cb_yuv *p);

#endif
