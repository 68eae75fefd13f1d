/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, detections and pictures of cb-draw brought together. */
#include "draw/draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw/burn.h"
#include "draw/reel.h"
#include "wire/event.h"

/* one video stream and what becomes of it */
struct cb_channel {
	struct cb_film *film;
	struct cb_reel reel;
};

static const char *caption(const struct cb_draw *d, const struct cb_shot *shot,
			   char buf[static CB_CAPTION_LEN])
{
	cb_shot_caption(buf, shot, d->hello.camera);
	return d->o->caption ? buf : NULL;
}

static int keep_picture(struct cb_draw *d, const struct cb_shot *shot, struct cb_err *err)
{
	struct cb_channel *c = d->channel[shot->stream];
	char text[CB_CAPTION_LEN];
	const uint8_t *rgb;
	uint32_t w, h;

	cb_shot_size(shot, &w, &h);
	d->image.len = 0;
	return cb_burn(&c->reel.burner, shot, CB_PIXELS_RGB24, w, h, &d->o->paint,
		       caption(d, shot, text), &rgb, err) < 0 ? -1 :
		cb_image_encode(&d->image, d->o->format, rgb, w, h,
				d->o->quality, err);
}

/* cb_film_opts.show for --picture */
static int choose(void *ctx, const struct cb_shot *shot, struct cb_err *err)
{
	struct cb_draw *d = ctx;
	double interest = cb_shot_interest(shot, d->o->paint.threshold);
	bool better = !d->image.len || interest > d->interest;

	switch (d->o->at) {
	case CB_AT_BEST: break;
	case CB_AT_FIRST: d->done = interest > 0; break;
	case CB_AT_NUMBER: better = d->done = shot->number >= (uint64_t)d->o->when; break;
	case CB_AT_OFFSET: better = d->done = shot->offset_ns >= d->o->when; break;
	case CB_AT_TIME:
		better = d->done = shot->at.wall_source != CB_WALL_NONE &&
			shot->at.wall_ns >= d->o->when;
		break;
	}
	if (better) {
		d->interest = interest;
		if (keep_picture(d, shot, err) < 0)
			return -1;
	}
	return d->done;
}

/* cb_film_opts.show for video */
static int film(void *ctx, const struct cb_shot *shot, struct cb_err *err)
{
	struct cb_draw *d = ctx;
	char text[CB_CAPTION_LEN];

	return cb_reel_show(&d->channel[shot->stream]->reel, shot, &d->o->paint,
			    caption(d, shot, text), err);
}

int cb_draw_init(struct cb_draw *d, const struct cb_draw_opts *o, struct cb_writer *out,
		 struct cb_err *err)
{
	*d = (struct cb_draw){ .o = o, .out = out };
	d->film = (struct cb_film_opts){ .dets = &d->dets, .marks = &d->marks, .loose = o->loose, .hold_ns = o->hold_ns,
					 .show = o->picture ? choose : film, .ctx = d };
	d->json = malloc(sizeof(*d->json));
	return d->json ? 0 : cb_err_nomem(err);
}

static int stream_frame(struct cb_draw *d, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_channel *c;
	struct cb_stream p;

	if (cb_stream_parse(&p, f, err) < 0)
		return -1;
	c = d->channel[f->stream];
	if (p.kind != CB_VIDEO || (d->o->stream >= 0 && f->stream != d->o->stream))
		return d->o->picture ? 0 : cb_writer_forward(d->out, f, err);
	if (c)
		return cb_film_params(c->film, &p, err);
	c = d->channel[f->stream] = calloc(1, sizeof(*c));
	if (!c)
		return cb_err_nomem(err);
	c->reel = (struct cb_reel){ .out = d->out, .stream = f->stream, .codec = d->o->codec,
				    .quality = d->o->quality };
	if (cb_film_open(&c->film, f->stream, &p, &d->film, err) < 0)
		return cb_err_prefix(err, "stream %u", f->stream);
	return d->o->picture ? 0 : cb_reel_announce(&c->reel, &p, err);
}

static int detection(struct cb_draw *d, const char *line, size_t len, bool whole, struct cb_err *err)
{
	struct cb_det *det;
	int r = cb_det_parse(&det, d->json, line, len, err);

	if (r == 0 && !d->o->paint.no_tracks)
		return cb_marks_event(&d->marks, d->json, line, len, whole, err);
	return r <= 0 ? r : cb_dets_add(&d->dets, det, whole, err);
}

int cb_draw_frame(struct cb_draw *d, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_packet p;

	switch (f->type) {
	case CB_FRAME_HELLO:
		if (cb_hello_parse(&d->hello, f, err) < 0)
			return -1;
		snprintf(d->hello.producer, sizeof(d->hello.producer), "cb-draw %s", CB_VERSION);
		return d->o->picture ? 0 : cb_writer_hello(d->out, &d->hello, err);
	case CB_FRAME_STREAM:
		return stream_frame(d, f, err);
	case CB_FRAME_PACKET:
		if (cb_packet_parse(&p, f, err) < 0)
			return -1;
		if (!d->channel[f->stream])
			break;
		return cb_film_packet(d->channel[f->stream]->film, &p, err);
	case CB_FRAME_EVENT:
		if (!d->own_events &&
		    detection(d, (const char *)f->payload, f->len, false, err) < 0)
			return cb_err_prefix(err, "frame %ju", (uintmax_t)f->seq);
		break;
	case CB_FRAME_END:
		return 0;
	}
	return d->o->picture ? 0 : cb_writer_forward(d->out, f, err);
}

int cb_draw_events(struct cb_draw *d, int fd, struct cb_err *err)
{
	struct cb_evin in;
	struct cb_frame f;
	const char *line;
	size_t len;
	int r;

	d->own_events = true;
	cb_evin_init(&in, fd);
	while ((r = cb_evin_next(&in, &line, &len, &f, err)) > 0)
		if (line && detection(d, line, len, true, err) < 0) {
			r = cb_err_prefix(err, "%s %ju", in.frames ? "frame" : "line",
					  (uintmax_t)in.line);
			break;
		}
	if (r == 0)
		r = cb_evin_finish(&in, err);
	cb_evin_release(&in);
	cb_dets_sort(&d->dets);
	cb_marks_sort(&d->marks);
	return r < 0 ? -1 : 0;
}

int cb_draw_finish(struct cb_draw *d, struct cb_err *err)
{
	int r = 0;

	for (int i = 0; i < CB_STREAMS_MAX; i++)
		if (d->channel[i]) {
			if (r == 0 && !d->done)
				r = cb_film_finish(d->channel[i]->film, err);
			d->bad += cb_film_bad(d->channel[i]->film);
		}
	return r < 0 ? -1 : 0;
}

void cb_draw_release(struct cb_draw *d)
{
	for (int i = 0; i < CB_STREAMS_MAX; i++)
		if (d->channel[i]) {
			cb_film_free(d->channel[i]->film);
			cb_reel_release(&d->channel[i]->reel);
			free(d->channel[i]);
		}
	cb_dets_release(&d->dets);
	cb_marks_release(&d->marks);
	cb_buf_release(&d->image);
	free(d->json);
	*d = (struct cb_draw){ 0 };
}
