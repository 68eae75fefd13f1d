/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures back into a stream. */
#include "draw/reel.h"

#include <string.h>

/* what packets and players go by beside the size */
static bool same_clock(const struct cb_stream *a, const struct cb_stream *b)
{
	return a->tb_num == b->tb_num && a->tb_den == b->tb_den && a->sar_num == b->sar_num &&
		a->sar_den == b->sar_den && a->has_matrix == b->has_matrix &&
		(!a->has_matrix || memcmp(a->matrix, b->matrix, sizeof(a->matrix)) == 0);
}

static int reopen(struct cb_reel *r, const struct cb_stream *like, uint32_t width, uint32_t height,
		  bool full, bool bt709, struct cb_err *err)
{
	struct cb_encoder_opts eo = {
		.codec = r->codec, .quality = r->quality, .full_range = full, .bt709 = bt709,
		/* 4:2:0 in H.264 is even; one row or column more is stretched, not lost */
		.width = width + (width & 1), .height = height + (height & 1),
	};

	if (r->enc && eo.width == r->eo.width && eo.height == r->eo.height &&
	    full == r->eo.full_range && bt709 == r->eo.bt709 &&
	    same_clock(cb_encoder_stream(r->enc), like))
		return 0;
	cb_encoder_free(r->enc);
	r->enc = NULL;
	if (cb_encoder_open(&r->enc, &eo, like, err) < 0)
		return cb_err_prefix(err, "stream %u", r->stream);
	r->eo = eo;
	return cb_writer_stream(r->out, r->stream, cb_encoder_stream(r->enc), err);
}

int cb_reel_announce(struct cb_reel *r, const struct cb_stream *like, struct cb_err *err)
{
	/* the numbers are those of ITU-T H.273, range 2 is full */
	bool full = like->color_range == 2 ||
		(like->color_range == 0 && strcmp(like->codec, "mjpeg") == 0);
	bool bt709 = like->color_space == 1 ||
		((like->color_space == 2 || like->color_space == 0) && like->height >= 720 && !full);

	if (!like->width || !like->height)
		return 0;
	return reopen(r, like, like->width, like->height, full, bt709, err);
}

int cb_reel_show(struct cb_reel *r, const struct cb_shot *shot, const struct cb_paint_opts *o,
		 const char *caption, struct cb_err *err)
{
	const struct cb_picture *p = shot->picture;
	struct cb_packet out;
	const uint8_t *yuv;

	if (reopen(r, shot->params, p->width, p->height, cb_picture_full_range(p),
		   cb_picture_bt709(p), err) < 0)
		return -1;
	if (cb_burn(&r->burner, shot, CB_PIXELS_YUV420P, r->eo.width, r->eo.height, o, caption,
		    &yuv, err) < 0 ||
	    cb_encoder_run(r->enc, yuv, &shot->at, &out, err) < 0)
		return cb_err_prefix(err, "stream %u", r->stream);
	return cb_writer_packet(r->out, r->stream, &out, err);
}

void cb_reel_release(struct cb_reel *r)
{
	cb_encoder_free(r->enc);
	cb_burner_release(&r->burner);
	r->enc = NULL;
}
