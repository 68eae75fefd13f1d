/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as a line of text for people and for tests. */
#include "wire/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/time.h"

const char *cb_kind_name(uint8_t kind)
{
	return kind == CB_VIDEO ? "video" : kind == CB_AUDIO ? "audio" : "data";
}

static void pts_text(char out[static 24], int64_t v)
{
	if (v == CB_NOPTS)
		strcpy(out, "-");
	else
		snprintf(out, 24, "%" PRId64, v);
}

static void wall_text(char out[static CB_TIME_LEN], int64_t ns, unsigned source)
{
	if (source == CB_WALL_NONE)
		strcpy(out, "-");
	else
		cb_time_format_us(out, ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0));
}

static int packet_text(struct cb_buf *b, const struct cb_frame *f, const struct cb_packet *p,
		       const char *what)
{
	static const char *const source[] = { "none", "file", "arrival", "rtcp" };
	char pts[24], dts[24], wall[CB_TIME_LEN];

	pts_text(pts, p->pts);
	pts_text(dts, p->dts);
	wall_text(wall, p->wall_ns, p->wall_source);
	return cb_buf_printf(b,
			     "%" PRIu64 " %s stream=%u pts=%s dts=%s duration=%" PRId64
			     " wall=%s/%s mono=%" PRIu64 " flags=%s%s%s%s%s len=%u",
			     f->seq, what, f->stream, pts, dts, p->duration, wall,
			     source[p->wall_source], p->mono_ns, p->flags & CB_F_KEY ? "K" : "",
			     p->flags & CB_F_DISCARD ? "D" : "", p->flags & CB_F_CORRUPT ? "C" : "",
			     p->flags & CB_F_DISPOSABLE ? "d" : "", p->flags ? "" : "-", p->len);
}

static int frame_text(struct cb_buf *b, const struct cb_frame *f, struct cb_err *err)
{
	char wall[CB_TIME_LEN], wall2[CB_TIME_LEN], text[512];
	struct cb_picture_frame pic;
	struct cb_stream s;
	struct cb_hello h;
	struct cb_packet p;
	struct cb_gap g;
	struct cb_end e;

	switch (f->type) {
	case CB_FRAME_HELLO:
		if (cb_hello_parse(&h, f, err) < 0)
			return -1;
		wall_text(wall, h.wall_ns, h.wall_source);
		return cb_buf_printf(b,
				     "%" PRIu64 " HELLO producer=\"%s\" camera=%s live=%d wall=%s",
				     f->seq, h.producer, h.camera, h.live, wall);
	case CB_FRAME_STREAM:
		if (cb_stream_parse(&s, f, err) < 0)
			return -1;
		if (cb_buf_printf(b, "%" PRIu64 " STREAM stream=%u %s %s time_base=%u/%u",
				  f->seq, f->stream, cb_kind_name(s.kind), s.codec, s.tb_num,
				  s.tb_den) < 0)
			return -1;
		if (s.kind == CB_VIDEO &&
		    cb_buf_printf(b, " size=%ux%u rate=%u/%u nal_length=%u%s", s.width,
				  s.height, s.fr_num, s.fr_den, s.nal_length,
				  s.in_band ? " in_band" : "") < 0)
			return -1;
		if (s.kind == CB_AUDIO &&
		    cb_buf_printf(b, " rate=%u channels=%u", s.sample_rate,
				  s.channels) < 0)
			return -1;
		return cb_buf_printf(b, " extradata=%u", s.extradata_len);
	case CB_FRAME_PACKET:
		if (cb_packet_parse(&p, f, err) < 0)
			return -1;
		return packet_text(b, f, &p, "PACKET");
	case CB_FRAME_PICTURE:
		if (cb_picture_parse(&pic, f, err) < 0)
			return -1;
		snprintf(text, sizeof(text), "PICTURE %ux%u %s", pic.width, pic.height, pic.format);
		return packet_text(b, f, &pic.at, text);
	case CB_FRAME_EVENT:
		cb_text_safe(text, sizeof(text), (const char *)f->payload, f->len, false);
		return cb_buf_printf(b, "%" PRIu64 " EVENT len=%u %s%s", f->seq, f->len,
				     text, f->len >= sizeof(text) ? "..." : "");
	case CB_FRAME_GAP:
		if (cb_gap_parse(&g, f, err) < 0)
			return -1;
		wall_text(wall, g.from_ns, g.from_ns != 0);
		wall_text(wall2, g.to_ns, g.to_ns != 0);
		cb_text_safe(text, sizeof(text), g.text, strlen(g.text), false);
		return cb_buf_printf(b,
				     "%" PRIu64 " GAP stream=%u reason=%s from=%s to=%s packets=%" PRIu64
				     " bytes=%" PRIu64 " \"%s\"", f->seq, f->stream,
				     cb_gap_reason_name(g.reason), wall, wall2, g.packets, g.bytes,
				     text);
	case CB_FRAME_END:
		if (cb_end_parse(&e, f, err) < 0)
			return -1;
		return cb_buf_printf(b,
				     "%" PRIu64 " END reason=%s frames=%" PRIu64 " packets=%" PRIu64
				     " bytes=%" PRIu64 " digest=%08x", f->seq,
				     e.reason == CB_END_EOF ? "eof" :
				     e.reason == CB_END_STOPPED ? "stopped" : "error",
				     e.frames, e.packets, e.bytes, e.digest);
	}
	return cb_buf_printf(b, "%" PRIu64 " TYPE-%u stream=%u flags=%u len=%u", f->seq, f->type,
			     f->stream, f->flags, f->len);
}

int cb_frame_text(struct cb_buf *b, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	size_t len = b->len;

	if (frame_text(b, f, &why) == 0)
		return 0;
	b->len = len;
	if (!why.code)
		return cb_err_nomem(err);
	if (err)
		*err = why;
	return -1;
}
