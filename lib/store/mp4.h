/* SPDX-License-Identifier: Apache-2.0 */
/* Writing fragmented ISO-BMFF (ISO/IEC 14496-12): an init segment, and fragments of samples
 * that lie in the order in which they came. Equal input gives equal bytes: no clock and no
 * random number goes in.
 *
 * A stream whose codec has no sample entry here gets no track: its packets lie in the mdat
 * with the others, where players pass over them and the packet table (store/box.h) finds them.
 */
#ifndef CB_STORE_MP4_H
#define CB_STORE_MP4_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/frame.h"

/* One elementary stream in a segment. */
struct cb_track {
	uint16_t stream;	/* its track id is stream + 1 */
	bool playable;		/* has a track */
	struct cb_stream s;	/* extradata is the caller's */
	uint32_t timescale;	/* ticks a second in the file: s.tb_den */
	/* the file's timeline, kept by cb_mp4_fragment */
	bool begun;
	int64_t base;		/* media time at which the file's time is 0, ticks */
	int64_t last_t, last_delta, last_dts;
};

/* Fill *t. */
void cb_track_init(struct cb_track *t, uint16_t stream, const struct cb_stream *s);

/* ftyp and moov appended to b. -1: no memory. */
int cb_mp4_init(struct cb_buf *b, const struct cb_track *t, size_t n);

/* A sample of a fragment; len bytes each, one after another in the mdat. */
struct cb_sample {
	uint16_t track;		/* index into the tracks */
	uint16_t flags;		/* CB_F_* */
	uint32_t len;
	int64_t pts, dts, duration;
	bool jump;		/* media time jumped ahead here, and no time passed */
};

/* The origin of the file's time, common to its tracks. */
struct cb_mp4_clock {
	bool set;
	int64_t ticks;
	uint32_t timescale;
};

/* moof and the header of the mdat, appended to b; the samples' bytes follow. Times that go
 * backwards, jump ahead or are missing are made good in the file only. number counts from 1.
 * -1: no memory, or more than 4 GiB. */
int cb_mp4_fragment(struct cb_buf *b, uint32_t number, struct cb_track *t, size_t nt,
		    const struct cb_sample *s, size_t ns, struct cb_mp4_clock *clock);

/* --- private to lib/store: boxes ----------------------------------------------------------- */

/* Begin a box; returns where, for cb_box_end. */
size_t cb_box_begin(struct cb_buf *b, const char type[static 4]);
size_t cb_box_begin_full(struct cb_buf *b, const char type[static 4], uint8_t version, uint32_t flags);
void cb_box_end(struct cb_buf *b, size_t at);
/* The stsd entry of a stream; false where there is none for its codec. */
bool cb_sample_entry(struct cb_buf *b, const struct cb_stream *s);
/* Does the codec want a QuickTime file? */
bool cb_codec_quicktime(const struct cb_stream *s);

#endif
