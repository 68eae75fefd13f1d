/* SPDX-License-Identifier: Apache-2.0 */
/* Where in time a packet is filed: the wall times of names, days and manifests.
 *
 * A packet keeps every time that it came with. But clocks are set, and timestamps jump; what is
 * filed by them would overlap, or lie where nobody looks. So the time to file by goes on as the
 * moments did. While the wall time that packets state goes on as the monotonic clock does, it is
 * just that. Where it steps, the step is told of and not followed: the stream is filed from
 * there on by its old time plus what has passed, which differs from what packets state by
 * offset_ns. A new recording begins with the clocks as they are then.
 *
 * Two steps are followed, ahead only, and begin a new segment: of a clock that was not
 * synchronised and now is; and of a file, whose times are all there is, by more than an hour.
 * But not where times have gone back before, and not one step right after another.
 *
 * What is no step: a network that stalls for less than a minute and then catches up, as media
 * time tells; drift (500 ppm); a change of the wall time's source by less than 5 s. */
#ifndef CB_STORE_WALLTIME_H
#define CB_STORE_WALLTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"

#define CB_WALL_STEP_NS (2 * INT64_C(1000000000))	/* of a live stream */
#define CB_WALL_ARRIVAL_NS (INT64_C(1000000000) / 2)	/* back, of this machine's clock, which has no jitter */
#define CB_WALL_BACK_NS (5 * INT64_C(1000000000))	/* of a file */
#define CB_WALL_AHEAD_NS (3600 * INT64_C(1000000000))

/* An elementary stream; begin with zeros. */
struct cb_walltime {
	bool begun;
	bool led;		/* lead below is set */
	bool back;		/* times went back once: no step is followed any more */
	uint8_t source, sync;
	uint32_t since;		/* packets since a step was followed */
	int64_t at;		/* the last packet is filed at */
	int64_t stated;		/* what it said, or at where it said nothing */
	int64_t ts;		/* dts, else pts, else CB_NOPTS */
	uint64_t mono;
	int64_t lead;		/* live: stated less monotonic, the most of late */
	int64_t offset_ns;	/* at less stated since the last step that was not followed */
};

enum cb_wall_what {
	CB_WALL_ON,		/* nothing */
	CB_WALL_STEPPED,	/* not followed: by_ns */
	CB_WALL_FOLLOWED,	/* by_ns; a new segment is due */
};
struct cb_wall_note {
	enum cb_wall_what what;
	int64_t by_ns;		/* what was stated, less what was to be expected */
	int64_t media_by_ns;	/* not 0: media time jumped against all that passed, by so much */
	bool own;		/* filed by the recorder's reckoning, not by what is stated */
};

/* The next packet of a stream. before: where to file a first one that states nothing. Times
 * that no calendar has are brought to the next one that is in it. */
int64_t cb_walltime_next(struct cb_walltime *t, const struct cb_stream *s, const struct cb_packet *p,
			 int64_t before, struct cb_wall_note *ret);

/* Ticks of a stream's time base in ns, saturating. */
int64_t cb_ticks_ns(const struct cb_stream *s, int64_t ticks);

#endif
