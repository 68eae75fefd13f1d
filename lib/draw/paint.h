/* SPDX-License-Identifier: Apache-2.0 */
/* What was seen, as people like to look at it: boxes with labels in the class's colour,
 * thinner ones where something moved, a caption; sized with the picture. */
#ifndef CB_DRAW_PAINT_H
#define CB_DRAW_PAINT_H

#include <stdbool.h>

#include "base/err.h"
#include "draw/dets.h"
#include "draw/marks.h"
#include "draw/overlay.h"
#include "draw/text.h"

struct cb_paint_opts {
	bool labels, motion;
	bool no_tracks;			/* zones, lines, tails and counts are left out */
	double threshold;		/* objects with a lower score are left out */
};

struct cb_painter {
	struct cb_overlay sheet;	/* what cb_paint drew: lay it over the picture */
	struct cb_font font;
	double line;			/* thickness of an object's box, whole pixels */
};

/* For pictures of this size; errors as cb_overlay_init. */
int cb_painter_init(struct cb_painter *p, uint32_t width, uint32_t height, struct cb_err *err);
void cb_painter_release(struct cb_painter *p);

/* Draw anew on the sheet. d may be NULL (nothing seen), view too (no tracks), caption NULL or "" (none); strength
 * 0..1 fades boxes that belong to an earlier picture. */
void cb_paint(struct cb_painter *p, const struct cb_det *d, const struct cb_view *view,
	      const struct cb_paint_opts *o, const char *caption, double strength);

/* Zones and lines of a view alone, on what is there already. */
void cb_paint_shapes(struct cb_painter *p, const struct cb_view *v);

/* A class's colour: by its name alone, so that it is the same in every model and picture. */
struct cb_rgba cb_class_colour(const char *name);

#endif
