/* SPDX-License-Identifier: Apache-2.0 */
/* Points, polygons and polylines of a picture, decided exactly.
 *
 * Coordinates are millionths of the picture's width and height from its top left corner, y
 * downwards, so that the questions "inside?", "which side?" and "crossed?" are whole-number
 * arithmetic, the same on every machine, and do not depend on the picture's shape. Distances
 * do: they are in picture heights, and take `aspect`, the picture's width over its height.
 */
#ifndef CB_TRACK_GEOM_H
#define CB_TRACK_GEOM_H

#include <stdbool.h>
#include <stdint.h>

#define CB_PT_ONE 1000000
#define CB_POLY_POINTS 64

struct cb_pt {
	int32_t x, y;
};

/* A polygon (closed by itself, three points or more) or a polyline (two or more). */
struct cb_poly {
	uint32_t n;
	bool closed;
	struct cb_pt p[CB_POLY_POINTS];
	struct cb_pt lo, hi;		/* set by cb_poly_bound */
};

/* Parts of the picture to a point; what is far outside is brought to four pictures away. */
struct cb_pt cb_pt_of(double x, double y);

/* > 0: p is on the right of the way from a to b as one sees it on the picture; < 0: on the
 * left; 0: on the line through them. */
int64_t cb_side(struct cb_pt a, struct cb_pt b, struct cb_pt p);

void cb_poly_bound(struct cb_poly *g);
/* Inside a polygon; its edge belongs to it. */
bool cb_poly_has(const struct cb_poly *g, struct cb_pt p);
/* From p to the nearest edge or segment. */
double cb_poly_distance(const struct cb_poly *g, struct cb_pt p, double aspect);
/* Of a polygon, as a part of the picture. */
double cb_poly_area(const struct cb_poly *g);
/* The part of the picture that a rectangle and a polygon without crossing edges share. */
double cb_poly_cover(const struct cb_poly *g, double x, double y, double w, double h);
/* NULL, or why this is no simple polygon or polyline: two points that follow each other are the
 * same, edges that cross or touch, a polygon without area. *ret_at: the point at fault. */
const char *cb_poly_fault(const struct cb_poly *g, uint32_t *ret_at);

/* How often the straight way from p to q crosses a polyline: each crossing from its left to its
 * right counts +1, from right to left -1. Ways that touch a corner or run along a segment
 * are decided as if all of the way were moved by the same vector too small to matter
 * (Edelsbrunner and Muecke, "Simulation of Simplicity", 1990), so that the sum over
 * a way of many parts never depends on where its parts begin. */
int cb_line_crossings(const struct cb_poly *line, struct cb_pt p, struct cb_pt q);

/* In picture heights. */
double cb_pt_distance(struct cb_pt a, struct cb_pt b, double aspect);

#endif
