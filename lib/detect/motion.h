/* SPDX-License-Identifier: Apache-2.0 */
/* Motion and scene changes from small grey pictures, by integer arithmetic alone: the same
 * pictures and times give the same answers on every machine.
 *
 * Each pixel has a background (running mean and variance) that is learnt while the stream
 * runs. What differs from it, beyond what the picture as a whole got brighter or darker,
 * and not merely in brightness (a shadow, a headlight, a lamp), and has changed lately, is
 * motion. Where most of the picture differs at once the background starts anew: as a scene
 * change where the edges in the picture went elsewhere too (a cut, a camera turned or
 * covered), silently where they stayed (the lights). */
#ifndef CB_DETECT_MOTION_H
#define CB_DETECT_MOTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CB_MOTION_SIDE 176	/* longer side of the small picture */
#define CB_MOTION_BOXES 64
#define CB_UNIT 10000		/* shares and normalised coordinates are in 1/10000 */

/* A box in 1/10000 of the picture. */
struct cb_ubox {
	int32_t x, y, w, h;
};

struct cb_motion_result {
	int32_t score;			/* changed share of the watched area, 1/10000 */
	int n;
	struct cb_ubox box[CB_MOTION_BOXES];	/* the largest first */
	bool started, ended;		/* motion as a whole: confirmed, or over for a while */
	int64_t duration_us;		/* with ended: from the start to the last motion */
	int32_t peak;			/* with ended: highest score */
	bool scene;			/* a scene change, once for each */
	int32_t scene_score;		/* how much of the structure changed, 1/10000 */
	bool lights;			/* the background started anew, but the scene is the same */
};

struct cb_motion;

/* The small picture for one of width x height. */
void cb_motion_size(uint32_t width, uint32_t height, uint32_t *ret_w, uint32_t *ret_h);
/* watched: width * height bytes, not 0 where motion counts (copied), or NULL for everywhere. */
int cb_motion_new(struct cb_motion **ret, uint32_t width, uint32_t height, const uint8_t *watched,
		  struct cb_err *err);
void cb_motion_free(struct cb_motion *m);
/* One picture of width * height bytes at t_us of stream time. */
void cb_motion_run(struct cb_motion *m, const uint8_t *gray, int64_t t_us, struct cb_motion_result *ret);
/* The end of the stream: ended is set where motion was going on. */
void cb_motion_finish(struct cb_motion *m, struct cb_motion_result *ret);

#endif
