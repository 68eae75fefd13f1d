/* SPDX-License-Identifier: Apache-2.0 */
/* One video stream's packets to pictures with what was seen in them.
 *
 * A picture is shown once the next packet of its stream (or the end) arrives: by then the
 * EVENT frames that speak of it, which cb-detect --tee sends after its packet, have come.
 */
#ifndef CB_DRAW_FILM_H
#define CB_DRAW_FILM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "draw/dets.h"
#include "draw/marks.h"
#include "media/decode.h"
#include "wire/frame.h"

/* A picture and all that is known of it, for the time of the call. */
struct cb_shot {
	uint16_t stream;
	const struct cb_stream *params;
	const struct cb_picture *picture;
	struct cb_packet at;		/* times and flags of its packet; no data */
	uint64_t number;		/* of the picture in this stream, from 1 */
	int64_t offset_ns;		/* since this stream's first picture */
	const struct cb_det *det;	/* its own detection, or the last one, or NULL */
	const struct cb_view *view;	/* what cb-track says, or NULL */
	bool own;
	double strength;		/* 1 for its own; an older one fades towards 0 */
};

struct cb_film_opts {
	struct cb_dets *dets;
	struct cb_marks *marks;
	bool loose;			/* match by stream and pts alone */
	int64_t hold_ns;		/* show a detection so long on pictures without one */
	/* Return 0 to go on, 1 to see no more, -1. */
	int (*show)(void *ctx, const struct cb_shot *shot, struct cb_err *err);
	void *ctx;
};

struct cb_film;
/* o must outlive the film. Errors as cb_decoder_open. */
int cb_film_open(struct cb_film **ret, uint16_t stream, const struct cb_stream *params,
		 const struct cb_film_opts *o, struct cb_err *err);
/* New parameters: they hold from the next packet on. */
int cb_film_params(struct cb_film *f, const struct cb_stream *params, struct cb_err *err);
/* Show what waits, then decode this packet. What show returned, or 0. */
int cb_film_packet(struct cb_film *f, const struct cb_packet *p, struct cb_err *err);
/* Show everything that is left. */
int cb_film_finish(struct cb_film *f, struct cb_err *err);
/* Packets that could not be decoded, pictures shown. */
uint64_t cb_film_bad(const struct cb_film *f);
uint64_t cb_film_pictures(const struct cb_film *f);
void cb_film_free(struct cb_film *f);

#endif
