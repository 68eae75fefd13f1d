/* SPDX-License-Identifier: Apache-2.0 */
/* From the picture to the ground, in metres: the plane homography that four points fix (Hartley,
 * Zisserman, Multiple View Geometry, 2nd edition, 2004, section 2.3).
 *
 * It holds for points on the ground (where a box stands: CB_ANCHOR_BOTTOM), for a camera that does
 * not move and a lens without much distortion. */
#ifndef CB_TRACK_GROUND_H
#define CB_TRACK_GROUND_H

#include <stdbool.h>

#include "base/err.h"

struct cb_ground_point {
	double x, y;		/* in the picture: parts of its width and height */
	double east, north;	/* on the ground: metres from any origin, along any two axes */
};

struct cb_ground {
	double m[9];		/* [east*w, north*w, w] = m [x, y, 1]; w > 0 on this side of the horizon */
};

/* Errors: CB_E_CONFIG where three of the points lie on a line (nearly) or two are the same, in the
 * picture or on the ground, where the corners come in another order on the ground than in the
 * picture (mirrored is fine, crossed is not), where a number is not finite, or where one of the
 * points would lie beyond the horizon. */
int cb_ground_make(struct cb_ground *ret, const struct cb_ground_point p[static 4], struct cb_err *err);

/* Where is that on the ground? false, and outputs untouched, at the horizon and beyond. */
bool cb_ground_at(const struct cb_ground *g, double x, double y, double *ret_east, double *ret_north);
/* The same the other way round, to draw a grid: where on the picture is this point of the ground?
 * false where it is not in front of the camera. */
bool cb_ground_back(const struct cb_ground *g, double east, double north, double *ret_x, double *ret_y);
/* What the speed (vx, vy) at a point of the picture is on the ground, in m/s. */
bool cb_ground_speed(const struct cb_ground *g, double x, double y, double vx, double vy,
		     double *ret_east, double *ret_north);

#endif
