/* SPDX-License-Identifier: Apache-2.0 */
/* Multi-object tracking: the boxes of one picture after another in, tracks out.
 *
 * A tracker follows the objects of one view. It is fed with the detections of a picture and its
 * camera time; between two calls any time may pass: what a track may do in it grows with the
 * time, not with the number of pictures, so that any and changing picture rates work, and gaps.
 *
 * Method: a Kalman filter for each side of a box (kalman.h), once steady, for where to look next, and
 * once quick, for what is said of it, so that somebody who stops does not overshoot; boxes and tracks are paired at the
 * least total cost (assign.h) in stages: boxes of a high score first, then those of a low one, so
 * that an object half hidden keeps its track (Zhang et al., ByteTrack, ECCV 2022, section 3); then
 * tracks that were seen once only; then what lies near enough, given the time that passed, where
 * the picture rate is low or a speed changed (boxes grown before they overlap: Yang et al., C-BIoU,
 * WACV 2023); then a box of another class in the same place, for detectors that cannot make up
 * their mind. Appearances, where the detector gives them, weigh in, and find again what was lost.
 *
 * Everything is computed with + - * / and square roots of doubles, which IEEE 754 defines to the
 * bit, and with integers: equal input gives equal tracks on every machine. lib/track is compiled
 * without contraction of products and sums (the Makefile sees to it).
 *
 * Units. Boxes are parts of the picture's width and height, origin top left; scores 0 to 1; times
 * are microseconds (t_us). Speeds are parts of the width and of the height a second. Aspect is
 * width / height of the picture in pixels.
 *
 * Memory: a tracker holds at most CB_TRACKS_MAX tracks, each of a fixed size with its newest
 * CB_TRACK_PAST points; nothing else grows. All is owned by the tracker.
 * One thread at a time a tracker.
 */
#ifndef CB_TRACK_TRACK_H
#define CB_TRACK_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/hash.h"

#define CB_TRACK_DETS_MAX 512	/* boxes of a picture that are looked at: the best */
#define CB_TRACKS_MAX 1024	/* tracks alive; with more, the one not seen for longest ends */
#define CB_TRACK_PAST 64	/* newest points that a track remembers */
#define CB_TRACK_TRAIL 64	/* points of its whole life, thinned out */
#define CB_TRACK_LOOK_MAX 512	/* numbers of an appearance */
#define CB_TRACK_TIME_MAX (INT64_C(1) << 60)
#define CB_TRACK_CLASSES 256	/* classes that are told apart by a tracker */

/* A box: left, top, width, height. Filtered ones may reach out of the picture. */
struct cb_rect {
	double x, y, w, h;
};

/* What a detector saw in a picture. */
struct cb_track_det {
	struct cb_rect box;
	double score;
	uint32_t class;		/* the caller's number, below CB_TRACK_CLASSES */
	uint32_t index;		/* in its event's list, for ids */
	const float *look;	/* appearance: look_n numbers, or NULL; compared by their angle */
	uint32_t look_n;
};

/* A picture that was analysed. Pointers last for the call only. */
struct cb_track_picture {
	int64_t t_us;		/* camera time, at most CB_TRACK_TIME_MAX before or after 1970 */
	double aspect;		/* > 0; 1 where unknown */
	const uint8_t *digest;	/* of the packet: 32 bytes, or NULL; it names new tracks */
	int64_t pts;		/* likewise; t_us where there is none */
	const struct cb_track_det *det;
	uint32_t dets;		/* beyond CB_TRACK_DETS_MAX: those of the lowest scores are left out */
};

struct cb_track_opts {
	double high, low;	/* scores: from high on a box is a detection, from low on it may keep a track */
	double start;		/* score from which on a box starts a track */
	double overlap;		/* least intersection over union, times the score, of a pair: 0 to 1 */
	uint32_t confirm;	/* pictures in which a track must be seen before it counts, >= 1; and while
				 * it only just scores `high`, more of them */
	int64_t lost_us;	/* a track not seen for longer, and in two pictures, ends */
	int64_t gap_us;		/* after so long without any picture all tracks end */
};
extern const struct cb_track_opts cb_track_defaults;

enum cb_track_state {
	CB_TRACK_TENTATIVE,	/* seen, but not often enough yet: nobody is told of it */
	CB_TRACK_SEEN,		/* seen in this picture */
	CB_TRACK_LOST,		/* not in this picture; box is where it would be */
	CB_TRACK_OVER,
};

enum cb_track_why {		/* why a track is over */
	CB_TRACK_WHY_LOST,	/* not seen for lost_us */
	CB_TRACK_WHY_GAP,	/* no picture for gap_us, or time went back */
	CB_TRACK_WHY_CLOSED,	/* cb_tracker_close: the stream ended */
	CB_TRACK_WHY_CROWD,	/* more than CB_TRACKS_MAX */
};
/* "lost", "gap", "closed", "crowd" */
const char *cb_track_why_name(enum cb_track_why why);

/* Where a track was seen. */
struct cb_track_point {
	int64_t t_us;
	struct cb_rect box;	/* filtered */
};

struct cb_track {
	uint32_t slot;		/* below CB_TRACKS_MAX, its own while it lives: for a table of the caller's */
	uint64_t number;	/* 1, 2, … in the order in which tracks counted first; 0: tentative */
	char id[CB_EVENT_ID_LEN];	/* of "cb.track.id", camera, digest and pts of the picture of its first
				 * box, run, and that box's index: the same when the footage is analysed again */
	enum cb_track_state state;
	enum cb_track_why why;	/* with CB_TRACK_OVER */
	bool fresh;		/* it counts since this picture */
	uint32_t class;		/* the one seen most, by scores */
	struct cb_rect box;	/* filtered; of a lost one predicted, for the picture just fed */
	struct cb_rect det;	/* as detected last */
	uint32_t det_index;
	double score, top;	/* last and highest */
	double vx, vy;		/* of the centre */
	int64_t born_us, seen_us;	/* first and last time seen */
	uint64_t seen, missed;	/* pictures in which it was seen; since it was seen last */
	int64_t pts;		/* of the picture in which it was seen last */
	uint8_t packet[CB_SHA256_LEN];	/* digest of that packet; zeros where there is none */
	uint64_t points;	/* in all; the newest CB_TRACK_PAST of them are kept */
	struct cb_track_point past[CB_TRACK_PAST];	/* point n is past[n % CB_TRACK_PAST] */
	/* The whole life in few points: its first one, and from there every trail_step-th; the step
	 * doubles, and every second point goes, when there are CB_TRACK_TRAIL. The newest is past's. */
	uint32_t trails, trail_step;
	struct cb_track_point trail[CB_TRACK_TRAIL];
};
/* The nth newest point, 0 the newest, or NULL where it is no longer (or was never) there. The
 * first point of a track that is new is the one where it was born. */
const struct cb_track_point *cb_track_point(const struct cb_track *t, uint64_t n);

/* Points of a box that stand for it. */
enum cb_anchor {
	CB_ANCHOR_BOTTOM,	/* the middle of the lower edge: where it stands */
	CB_ANCHOR_CENTRE,
	CB_ANCHOR_TOP, CB_ANCHOR_LEFT, CB_ANCHOR_RIGHT,
	CB_ANCHOR_TOP_LEFT, CB_ANCHOR_TOP_RIGHT, CB_ANCHOR_BOTTOM_LEFT, CB_ANCHOR_BOTTOM_RIGHT,
};
void cb_anchor_of(enum cb_anchor a, const struct cb_rect *box, double *ret_x, double *ret_y);
double cb_rect_iou(const struct cb_rect *a, const struct cb_rect *b);

struct cb_tracker;

/* camera and run are for ids; they and opts are copied. */
int cb_tracker_new(struct cb_tracker **ret, const char *camera, const char *run,
		   const struct cb_track_opts *opts, struct cb_err *err);
void cb_tracker_free(struct cb_tracker *tr);

enum cb_track_fed {
	CB_TRACK_FED,		/* tracks are those of this picture */
	CB_TRACK_AGAIN,		/* the time of the picture before: nothing was done */
	CB_TRACK_LATE,		/* earlier than the picture before, by less than gap_us, or out of range: nothing
				 * was done */
	CB_TRACK_BACK,		/* earlier by more: all tracks ended, and this picture is the first of new ones */
};
/* One picture. Times ascend; what happens when they do not, the result says. Boxes that are
 * empty, not finite, far larger than the picture or wholly outside it, or score more than 1, are
 * passed over. -1: no memory. */
int cb_tracker_feed(struct cb_tracker *tr, const struct cb_track_picture *p, struct cb_err *err);
/* End all tracks that count: they are what cb_tracker_ended gives next. */
void cb_tracker_close(struct cb_tracker *tr);

/* After a feed that was FED or BACK, until the next call (else none): the tracks that count, seen
 * or lost, by ascending number; *ret_n of them. */
struct cb_track *const *cb_tracker_tracks(const struct cb_tracker *tr, uint32_t *ret_n);
/* After feed or close, until the next call: the tracks that ended with it (of those that
 * counted), by ascending number. Their slots are free afterwards. */
struct cb_track *const *cb_tracker_ended(const struct cb_tracker *tr, uint32_t *ret_n);

struct cb_tracker_stats {
	uint64_t pictures, boxes, tracks;	/* fed; seen; that counted */
	uint64_t again, late, back, crowded;	/* pictures; pictures; times; tracks ended for want of room */
};
const struct cb_tracker_stats *cb_tracker_stats(const struct cb_tracker *tr);
/* Room for so many tracks (some 6 KB each) is allocated; it never shrinks. */
uint32_t cb_tracker_room(const struct cb_tracker *tr);

#endif
