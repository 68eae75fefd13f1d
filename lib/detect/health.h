/* SPDX-License-Identifier: Apache-2.0 */
/* Is the camera still looking at what it was put up to look at, and can it see? By integer
 * arithmetic alone: the same pictures and times give the same answers on every machine.
 *
 * The conditions are those for which ONVIF has tamper events (Imaging Service Specification,
 * "Tampering"), and a picture that no longer changes. Each has a threshold to begin, one to
 * end, and a time that it must last, all in stream time, so that the rate of pictures does not
 * matter; at most five pictures a second are looked at. Each gives one start and one end.
 *
 * What is usual is learnt from the first ten seconds of one and the same view, and then over
 * minutes: a small grey picture, and how steep the edges are at full resolution in each of 48
 * tiles. Against it are held, of the picture now,
 *
 * - the brightness of coarse cells (correlation and gain): the same light and dark places?
 * - the direction of edges, modulo half a turn, so that another light or infrared changes
 *   little, tile by tile and at other places nearby: the same structure, and where?
 * - the steepness of edges: the same details?
 *
 *	covered		hardly a tile with structure has any left, the light and dark places are
 *			others, and that came at once
 *	defocused	the same light and dark places, but edges are less than half as steep
 *	moved		hardly a tile has its structure where it was: it is elsewhere, or another
 *	dark, bright	nearly all pixels are black, or white
 *	frozen		no picture is new
 *
 * A single cut from one still view to an unrelated one is no camera that moved: that takes
 * longer than a picture. What is usual is then learnt anew. */
#ifndef CB_DETECT_HEALTH_H
#define CB_DETECT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CB_HEALTH_FROZEN_US 30000000	/* the default of frozen_us */
#define CB_HEALTH_LINES 288		/* pieces of lines at full resolution */
#define CB_HEALTH_LINE_MAX 160		/* samples in each */

enum cb_condition { CB_COVERED, CB_DEFOCUSED, CB_MOVED, CB_DARK, CB_BRIGHT, CB_FROZEN, CB_CONDITIONS };

/* "covered" and so on; the ONVIF topic for it, or NULL. */
const char *cb_condition_name(enum cb_condition c);
const char *cb_condition_topic(enum cb_condition c);

/* Why a condition ended: it is over; the new view has been taken for the usual one; or the
 * stream ended first. */
enum cb_health_end { CB_HEALTH_OVER, CB_HEALTH_ACCEPTED, CB_HEALTH_STREAM };

struct cb_health_change {
	enum cb_condition condition;
	bool start;
	enum cb_health_end end;		/* where it is no start */
	int64_t ago_us;			/* it began so long before this picture */
	int64_t duration_us;		/* of one that ended: until it was first seen gone */
	/* what was measured in this picture, and what it was held against, in 1/10000: the
	 * share of tiles whose structure is gone (covered), sharpness as a share of the usual
	 * (defocused), the share of tiles whose structure is where it was (moved), the share
	 * of black or white pixels, seconds without a new picture (frozen) */
	int64_t value, threshold;
	bool shifted;			/* moved: the view is the same, and so far off: */
	int32_t dx, dy;			/* 1/10000 of the picture; where what was at 0,0 is now */
};

struct cb_health_result {
	int n;
	struct cb_health_change change[2 * CB_CONDITIONS];
};

struct cb_health;

/* For grey pictures of width x height (cb_motion_size), made of pictures of full_w x full_h.
 * frozen_us: so long without a new picture is frozen; 0 for never. */
int cb_health_new(struct cb_health **ret, uint32_t width, uint32_t height, uint32_t full_w, uint32_t full_h,
		  int64_t frozen_us, struct cb_err *err);
void cb_health_free(struct cb_health *h);
/* Will a picture of this time be looked at closely? Then its lines are wanted. */
bool cb_health_due(const struct cb_health *h, int64_t t_us);
/* Where piece i of CB_HEALTH_LINES begins at full resolution; its number of samples, the same
 * for all, or 0: the picture is too small for sharpness. */
uint32_t cb_health_line(const struct cb_health *h, int i, uint32_t *ret_x, uint32_t *ret_y);
/* Every picture: grey, and the samples of all pieces one after the other, or NULL. Damaged
 * pictures are not for it. */
void cb_health_run(struct cb_health *h, const uint8_t *gray, const uint8_t *lines, int64_t t_us,
		   struct cb_health_result *ret);
/* The end of the stream: what was going on ends. */
void cb_health_finish(struct cb_health *h, struct cb_health_result *ret);

#endif
