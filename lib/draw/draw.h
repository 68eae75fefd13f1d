/* SPDX-License-Identifier: Apache-2.0 */
/* The work of cb-draw: a frame stream in, drawn video or one chosen picture out.
 *
 * Use: init; cb_draw_events for a file of them; cb_draw_frame for every frame until it
 * returns 1 or the stream ends; cb_draw_finish; release.
 */
#ifndef CB_DRAW_DRAW_H
#define CB_DRAW_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "draw/dets.h"
#include "draw/film.h"
#include "draw/paint.h"
#include "media/encode.h"
#include "wire/frame.h"

enum cb_draw_at {
	CB_AT_BEST,		/* most to be seen */
	CB_AT_FIRST,		/* the first in which something is seen */
	CB_AT_NUMBER,		/* the picture of this number, from 1 */
	CB_AT_OFFSET,		/* ns since the stream's first picture */
	CB_AT_TIME,		/* wall time, ns */
};

struct cb_draw_opts {
	bool picture;			/* one picture instead of video */
	enum cb_image format;		/* of that picture */
	enum cb_draw_at at;
	int64_t when;
	const char *codec;		/* of video, as in cb_encoder_opts */
	int quality;			/* 1..100 */
	int stream;			/* draw on this elementary stream only; -1: all */
	int64_t hold_ns;
	bool caption, loose;
	struct cb_paint_opts paint;
};

struct cb_draw {
	/* after finish */
	struct cb_buf image;		/* the picture, in its format; empty: there was none */
	double interest;		/* of the picture: nothing was seen in it if not above 0 */
	uint64_t bad;			/* packets that could not be decoded */
	struct cb_dets dets;		/* with its counters */
	struct cb_marks marks;
	/* private */
	const struct cb_draw_opts *o;
	struct cb_writer *out;
	struct cb_film_opts film;
	struct cb_json *json;
	struct cb_hello hello;
	struct cb_channel *channel[CB_STREAMS_MAX];
	bool own_events, done;
};

/* o and out must outlive d; out is not used for a picture. */
int cb_draw_init(struct cb_draw *d, const struct cb_draw_opts *o, struct cb_writer *out,
		 struct cb_err *err);
/* Read detections from fd (NDJSON or frames), and none from the frames that follow. */
int cb_draw_events(struct cb_draw *d, int fd, struct cb_err *err);
/* 0: go on; 1: the picture is found; -1. END is for the caller. */
int cb_draw_frame(struct cb_draw *d, const struct cb_frame *f, struct cb_err *err);
/* Draw what is left. */
int cb_draw_finish(struct cb_draw *d, struct cb_err *err);
void cb_draw_release(struct cb_draw *d);

#endif
