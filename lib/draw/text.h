/* SPDX-License-Identifier: Apache-2.0 */
/* Text on an overlay, in the project's own stroke font: ASCII 32..126, smooth at every size.
 * Other characters, and bytes that are no UTF-8, show as an empty frame. */
#ifndef CB_DRAW_TEXT_H
#define CB_DRAW_TEXT_H

#include "base/err.h"
#include "draw/overlay.h"

#define CB_FONT_GLYPHS 96		/* 32..126 and the frame */
#define CB_FONT_PX_MAX 512		/* largest height of a capital */

/* A font at one size. Glyphs are made when first used; a glyph for which there is no memory
 * is left blank. */
struct cb_font {
	double px;			/* height of a capital letter */
	double weight;			/* of its lines, pixels */
	struct cb_glyph {
		uint8_t *cover;		/* w * h coverage, or NULL: not made yet */
		int w, h, left, top;	/* from the pen on the baseline to the first pixel */
	} glyph[CB_FONT_GLYPHS];
};

/* px is brought into 5..CB_FONT_PX_MAX. */
void cb_font_init(struct cb_font *f, double px);
void cb_font_release(struct cb_font *f);
/* How far the text reaches, from its first glyph's left edge to its last one's right. */
double cb_font_width(const struct cb_font *f, const char *s);
/* Draw with the left edge at x and the baseline (the lower edge of capitals) at y. */
void cb_font_draw(struct cb_font *f, struct cb_overlay *o, double x, double y, const char *s,
		  struct cb_rgba c);

#endif
