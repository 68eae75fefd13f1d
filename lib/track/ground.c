/* SPDX-License-Identifier: Apache-2.0 */
/* The plane homography of four points. */
#include "track/ground.h"

#include <math.h>

#define FLAT 1e-6	/* least twice the area of three points, of the square of their extent */

/* Twice the area of a triangle; its sign says which way round. */
static double area(double ax, double ay, double bx, double by, double cx, double cy)
{
	return (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
}

/* The homography from the unit square (0,0) (1,0) (1,1) (0,1) to four points, in closed form. */
static void square_to(double m[static 9], const double x[static 4], const double y[static 4])
{
	double sx = x[0] - x[1] + x[2] - x[3], sy = y[0] - y[1] + y[2] - y[3];
	double ax = x[1] - x[2], ay = y[1] - y[2], bx = x[3] - x[2], by = y[3] - y[2];
	double det = ax * by - bx * ay;
	double g = (sx * by - bx * sy) / det, h = (ax * sy - sx * ay) / det;

	m[0] = x[1] - x[0] + g * x[1];
	m[1] = x[3] - x[0] + h * x[3];
	m[2] = x[0];
	m[3] = y[1] - y[0] + g * y[1];
	m[4] = y[3] - y[0] + h * y[3];
	m[5] = y[0];
	m[6] = g;
	m[7] = h;
	m[8] = 1;
}

static void adjugate(double r[static 9], const double m[static 9])
{
	r[0] = m[4] * m[8] - m[5] * m[7];
	r[1] = m[2] * m[7] - m[1] * m[8];
	r[2] = m[1] * m[5] - m[2] * m[4];
	r[3] = m[5] * m[6] - m[3] * m[8];
	r[4] = m[0] * m[8] - m[2] * m[6];
	r[5] = m[2] * m[3] - m[0] * m[5];
	r[6] = m[3] * m[7] - m[4] * m[6];
	r[7] = m[1] * m[6] - m[0] * m[7];
	r[8] = m[0] * m[4] - m[1] * m[3];
}

/* Do three of the points lie on a line, and which way round does each corner turn? */
static bool turns(const double x[static 4], const double y[static 4], int ret[static 4])
{
	double low = x[0], high = x[0], bottom = y[0], top = y[0], extent;

	for (int i = 1; i < 4; i++) {
		low = fmin(low, x[i]);
		high = fmax(high, x[i]);
		bottom = fmin(bottom, y[i]);
		top = fmax(top, y[i]);
	}
	extent = fmax(high - low, top - bottom);
	for (int i = 0; i < 4; i++) {
		int a = (i + 1) % 4, b = (i + 2) % 4;
		double t = area(x[i], y[i], x[a], y[a], x[b], y[b]);

		if (!(fabs(t) > FLAT * extent * extent))
			return false;
		ret[i] = t > 0 ? 1 : -1;
	}
	return true;
}

int cb_ground_make(struct cb_ground *ret, const struct cb_ground_point p[static 4], struct cb_err *err)
{
	double x[4], y[4], e[4], n[4], from[9], to[9], back[9], m[9], w;
	int a[4], b[4];

	for (int i = 0; i < 4; i++) {
		x[i] = p[i].x;
		y[i] = p[i].y;
		e[i] = p[i].east;
		n[i] = p[i].north;
		if (!isfinite(x[i]) || !isfinite(y[i]) || !isfinite(e[i]) || !isfinite(n[i]) ||
		    fabs(x[i]) > 100 || fabs(y[i]) > 100 || fabs(e[i]) > 1e7 || fabs(n[i]) > 1e7)
			return cb_err_set(err, CB_E_CONFIG, "ground point %d: a number out of range", i + 1);
	}
	if (!turns(x, y, a))
		return cb_err_set(err, CB_E_CONFIG, "ground points: three of them are on a line in the picture");
	if (!turns(e, n, b))
		return cb_err_set(err, CB_E_CONFIG, "ground points: three of them are on a line on the ground");
	for (int i = 1; i < 4; i++)
		if (a[i] * a[0] != b[i] * b[0])
			return cb_err_set(err, CB_E_CONFIG, "ground points: not in the same order around in the "
					  "picture and on the ground");
	square_to(from, x, y);
	square_to(to, e, n);
	adjugate(back, from);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++)
			m[3 * i + k] = to[3 * i] * back[k] + to[3 * i + 1] * back[3 + k] +
				       to[3 * i + 2] * back[6 + k];
	/* the points themselves are in front of the camera: that fixes the sign and the scale */
	w = m[6] * x[0] + m[7] * y[0] + m[8];
	for (int i = 0; i < 4; i++)
		if (!isfinite(w) || !((m[6] * x[i] + m[7] * y[i] + m[8]) / w > 0))
			return cb_err_set(err, CB_E_CONFIG, "ground points: point %d would be beyond the horizon", i + 1);
	for (int i = 0; i < 9; i++)
		ret->m[i] = m[i] / w;
	return 0;
}

#define NEAREST 1e-9	/* least w: nothing is that far away */

bool cb_ground_at(const struct cb_ground *g, double x, double y, double *ret_east, double *ret_north)
{
	const double *m = g->m;
	double w = m[6] * x + m[7] * y + m[8];

	if (!(w > NEAREST))
		return false;
	*ret_east = (m[0] * x + m[1] * y + m[2]) / w;
	*ret_north = (m[3] * x + m[4] * y + m[5]) / w;
	return true;
}

bool cb_ground_back(const struct cb_ground *g, double east, double north, double *ret_x, double *ret_y)
{
	double r[9], w, x, y, e, n;

	adjugate(r, g->m);
	w = r[6] * east + r[7] * north + r[8];
	if (w == 0)
		return false;
	x = (r[0] * east + r[1] * north + r[2]) / w;
	y = (r[3] * east + r[4] * north + r[5]) / w;
	if (!isfinite(x) || !isfinite(y) || !cb_ground_at(g, x, y, &e, &n))
		return false;
	*ret_x = x;
	*ret_y = y;
	return true;
}

bool cb_ground_speed(const struct cb_ground *g, double x, double y, double vx, double vy,
		     double *ret_east, double *ret_north)
{
	const double *m = g->m;
	double w = m[6] * x + m[7] * y + m[8], dw = m[6] * vx + m[7] * vy, e, n;

	if (!cb_ground_at(g, x, y, &e, &n))
		return false;
	*ret_east = (m[0] * vx + m[1] * vy - e * dw) / w;
	*ret_north = (m[3] * vx + m[4] * vy - n * dw) / w;
	return true;
}
