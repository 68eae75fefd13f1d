/* SPDX-License-Identifier: Apache-2.0 */
/* A Kalman filter of one coordinate: place and speed, driven by white noise on both (Bar-Shalom,
 * Li, Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, section 6.2).
 * The noise of a step grows with its length in time, so that two steps are one of their sum.
 *
 * The sides of a box do not move each other in this model: its covariance of 8 x 8 numbers is four
 * blocks of 2 x 2, so four of these are the whole filter. */
#ifndef CB_TRACK_KALMAN_H
#define CB_TRACK_KALMAN_H

struct cb_kalman {
	double p, v;		/* place; speed, a second */
	double pp, pv, vv;	/* covariance */
};

/* At place p with variance pp, at rest with variance vv. */
static inline void cb_kalman_init(struct cb_kalman *k, double p, double pp, double vv)
{
	*k = (struct cb_kalman){ .p = p, .pp = pp, .vv = vv };
}

/* dt seconds later; qp and qv are the variances that place and speed gain a second. */
static inline void cb_kalman_predict(struct cb_kalman *k, double dt, double qp, double qv)
{
	k->p += k->v * dt;
	k->pp += dt * (2 * k->pv + dt * k->vv) + qp * dt + qv * dt * dt * dt / 3;
	k->pv += dt * k->vv + qv * dt * dt / 2;
	k->vv += qv * dt;
}

/* It was seen at z, with variance r. */
static inline void cb_kalman_update(struct cb_kalman *k, double z, double r)
{
	double s = k->pp + r, gp = k->pp / s, gv = k->pv / s, e = z - k->p;

	k->p += gp * e;
	k->v += gv * e;
	k->vv -= gv * k->pv;
	k->pv -= gp * k->pv;
	k->pp -= gp * k->pp;
}

#endif
