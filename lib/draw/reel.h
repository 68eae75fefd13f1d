/* SPDX-License-Identifier: Apache-2.0 */
/* Drawn pictures as video again: burnt, encoded and written as one elementary stream. */
#ifndef CB_DRAW_REEL_H
#define CB_DRAW_REEL_H

#include <stdint.h>

#include "base/err.h"
#include "draw/burn.h"
#include "media/encode.h"
#include "wire/frame.h"

/* All zero but for what the caller sets is ready for use. */
struct cb_reel {
	/* set by the caller */
	struct cb_writer *out;
	uint16_t stream;
	const char *codec;		/* as in cb_encoder_opts */
	int quality;
	/* private */
	struct cb_encoder *enc;
	struct cb_encoder_opts eo;
	struct cb_burner burner;
};

/* Announce the stream, by the parameters of the one that is drawn on, so that its STREAM
 * frame stands where readers expect it. Without a size there, the first picture does it. */
int cb_reel_announce(struct cb_reel *r, const struct cb_stream *like, struct cb_err *err);
/* Burn, encode, write; a STREAM frame comes before a picture of another size, colour or time base. */
int cb_reel_show(struct cb_reel *r, const struct cb_shot *shot, const struct cb_paint_opts *o,
		 const char *caption, struct cb_err *err);
void cb_reel_release(struct cb_reel *r);

#endif
