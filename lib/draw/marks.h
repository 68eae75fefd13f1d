/* SPDX-License-Identifier: Apache-2.0 */
/* What cb-track(1) says, kept until the picture that it speaks of is drawn: zones and lines, where
 * objects went, counts, and what rules told. The events say it all, so that no rules file is needed
 * to draw, and yesterday's pictures show yesterday's zones.
 *
 * Memory: fixed limits below; beyond them the oldest, or what comes last, is left out. */
#ifndef CB_DRAW_MARKS_H
#define CB_DRAW_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/frame.h"
#include "wire/json.h"

#define CB_MARK_SHAPES 64		/* zones, and as many lines */
#define CB_MARK_POINTS 64		/* of each */
#define CB_MARK_TAILS 128		/* tracks at once */
#define CB_MARK_TAIL 64			/* points of each */
#define CB_MARK_COUNTS 8
#define CB_MARKS_WAITING 16384		/* events, while a stream flows */
#define CB_MARKS_BYTES_MAX ((size_t)1 << 29)	/* of a file */
#define CB_MARK_TAIL_US 4000000		/* so long is a tail */
#define CB_MARK_NEVER (-(INT64_C(1) << 60))
#define CB_MARK_LIT_US 1500000		/* so long is something lit */

struct cb_mark_point {
	float x, y;			/* 0..1 */
	int64_t t_us;			/* of a tail */
};
struct cb_mark_shape {
	char name[65];
	uint32_t n;
	struct cb_mark_point p[CB_MARK_POINTS];
	int64_t lit_us;			/* something happened there; CB_MARK_NEVER: nothing yet */
};
struct cb_tail {
	char id[33], class[48];
	uint64_t number;
	bool over;
	int64_t t_us, told_us;		/* last point; a rule spoke of it */
	char told[65];			/* which */
	uint32_t n;			/* points in all: the nth is p[n % CB_MARK_TAIL] */
	struct cb_mark_point p[CB_MARK_TAIL];
};
struct cb_mark_count {
	char rule[65];
	int64_t in, out, occupancy;
};

/* All that is to be seen in one picture of one stream. */
struct cb_view {
	int64_t now_us;			/* of the newest event that belongs here */
	uint32_t zones, lines, tails, counts;
	struct cb_mark_shape zone[CB_MARK_SHAPES], line[CB_MARK_SHAPES];
	struct cb_tail tail[CB_MARK_TAILS];
	struct cb_mark_count count[CB_MARK_COUNTS];
	struct cb_mark_shape spare[CB_MARK_SHAPES];	/* private */
};

struct cb_marks {
	struct cb_mark **v;		/* waiting */
	size_t n, cap, bytes;
	bool sorted;
	uint64_t order;
	struct cb_view *view[CB_STREAMS_MAX];
	size_t at[CB_STREAMS_MAX];	/* sorted: the next one of a stream */
	bool begun[CB_STREAMS_MAX];
	struct cb_json *json;
};

/* Look at one event line that is known to be JSON of cb-event(5); other types are passed over.
 * whole: it comes from a file that is read before any picture is drawn. CB_E_DATA where a
 * file has too many. */
int cb_marks_event(struct cb_marks *m, struct cb_json *j, const char *line, size_t len, bool whole,
		   struct cb_err *err);
/* After a whole file. */
void cb_marks_sort(struct cb_marks *m);
/* What is to be seen in the picture of this time, the pictures of a stream in their order; NULL:
 * nothing. It lives until the next call. */
int cb_marks_at(struct cb_marks *m, uint16_t stream, int64_t pts, const struct cb_view **ret,
		struct cb_err *err);
void cb_marks_release(struct cb_marks *m);

#endif
