/* SPDX-License-Identifier: Apache-2.0 */
/* The payloads of the frame stream: every field checked on the way in. */
#include "wire/frame.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "wire/frame-priv.h"

static int bad(struct cb_err *err, const char *type, const char *why)
{
	return cb_err_set(err, CB_E_DATA, "%s: %s", type, why);
}

bool cb_camera_name_ok(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > CB_NAME_MAX || *s == '.' || *s == '-')
		return false;
	for (; *s; s++)
		if (!((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') ||
		      (*s >= '0' && *s <= '9') || *s == '.' || *s == '_' || *s == '-'))
			return false;
	return true;
}

const char *cb_gap_reason_name(unsigned reason)
{
	static const char *const names[] = {
		[CB_GAP_OVERFLOW] = "overflow", [CB_GAP_SOURCE] = "source",
		[CB_GAP_DAMAGE] = "damage", [CB_GAP_CUT] = "cut", [CB_GAP_STORE] = "store",
		[CB_GAP_SUSPENDED] = "suspended",
	};

	if (reason < sizeof(names) / sizeof(names[0]) && names[reason])
		return names[reason];
	return "unknown";
}

size_t cb_picture_bytes(const char *format, uint32_t width, uint32_t height)
{
	size_t luma = (size_t)width * height;

	if (!width || !height || width > 16384 || height > 16384)
		return 0;
	if (strcmp(format, "gray") == 0)
		return luma;
	if (strcmp(format, "rgb24") == 0)
		return luma * 3;
	if (strcmp(format, "yuv420p") == 0)
		return luma + 2 * (size_t)((width + 1) / 2) * ((height + 1) / 2);
	return 0;
}

/* Printable ASCII, NUL-padded, in a field of cap bytes. */
static bool name_field(const uint8_t *p, size_t cap, bool empty_ok)
{
	size_t n = strnlen((const char *)p, cap);

	if (n == cap || (!n && !empty_ok))
		return false;
	for (size_t i = 0; i < cap; i++)
		if (i < n ? p[i] <= ' ' || p[i] > '~' : p[i])
			return false;
	return true;
}

/* --- HELLO ------------------------------------------------------------------------------- */

void cb_hello_put(uint8_t out[static CB_HELLO_LEN], const struct cb_hello *h)
{
	memset(out, 0, CB_HELLO_LEN);
	cb_put_le64(out, (uint64_t)h->wall_ns);
	cb_put_le64(out + 8, h->mono_ns);
	out[16] = h->wall_source;
	out[17] = h->sync;
	memcpy(out + 24, h->producer, strnlen(h->producer, CB_NAME_MAX));
	memcpy(out + 24 + CB_NAME_MAX + 1, h->camera, strnlen(h->camera, CB_NAME_MAX));
}

int cb_hello_parse(struct cb_hello *ret, const struct cb_frame *f, struct cb_err *err)
{
	const uint8_t *p = f->payload;
	struct cb_hello h = { 0 };

	if (f->len != CB_HELLO_LEN)
		return bad(err, "HELLO", "wrong length");
	h.live = f->flags & CB_F_LIVE;
	h.wall_ns = (int64_t)cb_le64(p);
	h.mono_ns = cb_le64(p + 8);
	h.wall_source = p[16];
	h.sync = p[17];
	if (h.wall_source > CB_WALL_RTCP || h.sync > CB_SYNC_NO)
		return bad(err, "HELLO", "unknown clock");
	for (int i = 0; i < CB_NAME_MAX + 1; i++)	/* the producer may have a blank in it */
		h.producer[i] = (char)(p[24 + i] == ' ' ? '_' : p[24 + i]);
	if (!name_field((const uint8_t *)h.producer, CB_NAME_MAX + 1, true))
		return bad(err, "HELLO", "producer is not printable text");
	memcpy(h.producer, p + 24, CB_NAME_MAX + 1);
	if (!name_field(p + 24 + CB_NAME_MAX + 1, CB_NAME_MAX + 1, false))
		return bad(err, "HELLO", "camera is not printable text");
	memcpy(h.camera, p + 24 + CB_NAME_MAX + 1, CB_NAME_MAX + 1);
	if (!cb_camera_name_ok(h.camera))
		return bad(err, "HELLO", "not a camera name");
	*ret = h;
	return 0;
}

/* --- STREAM ------------------------------------------------------------------------------ */

void cb_stream_put(uint8_t out[static CB_STREAM_FIXED], const struct cb_stream *s)
{
	memset(out, 0, CB_STREAM_FIXED);
	memcpy(out, s->codec, strnlen(s->codec, sizeof(s->codec) - 1));
	out[24] = s->kind;
	out[25] = s->nal_length;
	out[26] = (uint8_t)((s->in_band ? 1 : 0) | (s->has_matrix ? 2 : 0));
	cb_put_le32(out + 28, s->tb_num);
	cb_put_le32(out + 32, s->tb_den);
	cb_put_le32(out + 36, s->width);
	cb_put_le32(out + 40, s->height);
	cb_put_le32(out + 44, s->sar_num);
	cb_put_le32(out + 48, s->sar_den);
	cb_put_le32(out + 52, s->fr_num);
	cb_put_le32(out + 56, s->fr_den);
	cb_put_le32(out + 60, s->sample_rate);
	cb_put_le16(out + 64, s->channels);
	cb_put_le16(out + 66, s->bits);
	cb_put_le32(out + 68, s->block_align);
	cb_put_le32(out + 72, s->frame_size);
	cb_put_le32(out + 76, s->initial_padding);
	cb_put_le32(out + 80, s->trailing_padding);
	cb_put_le32(out + 84, s->seek_preroll);
	cb_put_le32(out + 88, s->profile);
	cb_put_le32(out + 92, s->level);
	cb_put_le64(out + 96, s->channel_layout);
	cb_put_le64(out + 104, s->bit_rate);
	cb_put_le32(out + 112, s->codec_tag);
	out[116] = s->color_range;
	out[117] = s->color_primaries;
	out[118] = s->color_trc;
	out[119] = s->color_space;
	out[120] = s->chroma_location;
	out[121] = s->field_order;
	for (int i = 0; i < 9; i++)
		cb_put_le32(out + 124 + 4 * i, s->has_matrix ? (uint32_t)s->matrix[i] : 0);
	cb_put_le32(out + 188, s->extradata_len);
}

int cb_stream_parse(struct cb_stream *ret, const struct cb_frame *f, struct cb_err *err)
{
	const uint8_t *p = f->payload;
	struct cb_stream s = { 0 };

	if (f->stream >= CB_STREAMS_MAX)
		return bad(err, "STREAM", "number out of range");
	if (f->len < CB_STREAM_FIXED)
		return bad(err, "STREAM", "too short");
	if (!name_field(p, sizeof(s.codec), false))
		return bad(err, "STREAM", "no codec name");
	memcpy(s.codec, p, sizeof(s.codec));
	s.kind = p[24];
	s.nal_length = p[25];
	s.in_band = p[26] & 1;
	s.has_matrix = p[26] & 2;
	s.tb_num = cb_le32(p + 28);
	s.tb_den = cb_le32(p + 32);
	s.width = cb_le32(p + 36);
	s.height = cb_le32(p + 40);
	s.sar_num = cb_le32(p + 44);
	s.sar_den = cb_le32(p + 48);
	s.fr_num = cb_le32(p + 52);
	s.fr_den = cb_le32(p + 56);
	s.sample_rate = cb_le32(p + 60);
	s.channels = cb_le16(p + 64);
	s.bits = cb_le16(p + 66);
	s.block_align = cb_le32(p + 68);
	s.frame_size = cb_le32(p + 72);
	s.initial_padding = cb_le32(p + 76);
	s.trailing_padding = cb_le32(p + 80);
	s.seek_preroll = cb_le32(p + 84);
	s.profile = cb_le32(p + 88);
	s.level = cb_le32(p + 92);
	s.channel_layout = cb_le64(p + 96);
	s.bit_rate = cb_le64(p + 104);
	s.codec_tag = cb_le32(p + 112);
	s.color_range = p[116];
	s.color_primaries = p[117];
	s.color_trc = p[118];
	s.color_space = p[119];
	s.chroma_location = p[120];
	s.field_order = p[121];
	for (int i = 0; i < 9; i++)
		s.matrix[i] = (int32_t)cb_le32(p + 124 + 4 * i);
	s.extradata_len = cb_le32(p + 188);
	if (s.kind < CB_VIDEO || s.kind > CB_DATA)
		return bad(err, "STREAM", "unknown kind");
	if (s.nal_length > 4)
		return bad(err, "STREAM", "NAL length size out of range");
	if (!s.tb_num || !s.tb_den || s.tb_num > INT32_MAX || s.tb_den > INT32_MAX)
		return bad(err, "STREAM", "time base out of range");
	if (s.width > 65535 || s.height > 65535)
		return bad(err, "STREAM", "picture size out of range");
	if (s.sample_rate > INT32_MAX || s.channels > 255 || s.block_align > INT32_MAX ||
	    s.frame_size > INT32_MAX || s.initial_padding > INT32_MAX ||
	    s.trailing_padding > INT32_MAX || s.seek_preroll > INT32_MAX ||
	    s.sar_num > INT32_MAX || s.sar_den > INT32_MAX || s.fr_num > INT32_MAX ||
	    s.fr_den > INT32_MAX || s.bit_rate > INT64_MAX)
		return bad(err, "STREAM", "a parameter is out of range");
	if (s.extradata_len > CB_EXTRADATA_MAX || s.extradata_len != f->len - CB_STREAM_FIXED)
		return bad(err, "STREAM", "extradata does not fit its length");
	s.extradata = s.extradata_len ? p + CB_STREAM_FIXED : NULL;
	*ret = s;
	return 0;
}

/* --- PACKET and PICTURE -------------------------------------------------------------------- */

void cb_packet_put(uint8_t out[static CB_PACKET_FIXED], const struct cb_packet *k)
{
	cb_put_le64(out, (uint64_t)k->pts);
	cb_put_le64(out + 8, (uint64_t)k->dts);
	cb_put_le64(out + 16, (uint64_t)k->duration);
	cb_put_le64(out + 24, (uint64_t)k->wall_ns);
	cb_put_le64(out + 32, k->mono_ns);
	out[40] = k->wall_source;
	out[41] = k->sync;
	cb_put_le16(out + 42, 0);
	cb_put_le32(out + 44, k->skip_start);
	cb_put_le32(out + 48, k->skip_end);
	cb_put_le32(out + 52, 0);
}

static int times(struct cb_packet *ret, const struct cb_frame *f, const char *type,
		 uint32_t fixed, struct cb_err *err)
{
	const uint8_t *p = f->payload;
	struct cb_packet k = { .flags = f->flags };

	if (f->stream >= CB_STREAMS_MAX)
		return bad(err, type, "stream number out of range");
	if (f->len < fixed)
		return bad(err, type, "too short");
	k.pts = (int64_t)cb_le64(p);
	k.dts = (int64_t)cb_le64(p + 8);
	k.duration = (int64_t)cb_le64(p + 16);
	k.wall_ns = (int64_t)cb_le64(p + 24);
	k.mono_ns = cb_le64(p + 32);
	k.wall_source = p[40];
	k.sync = p[41];
	k.skip_start = cb_le32(p + 44);
	k.skip_end = cb_le32(p + 48);
	if (k.duration < 0)
		return bad(err, type, "negative duration");
	if (k.wall_source > CB_WALL_RTCP || k.sync > CB_SYNC_NO)
		return bad(err, type, "unknown clock");
	k.data = p + fixed;
	k.len = f->len - fixed;
	*ret = k;
	return 0;
}

int cb_packet_parse(struct cb_packet *ret, const struct cb_frame *f, struct cb_err *err)
{
	return times(ret, f, "PACKET", CB_PACKET_FIXED, err);
}

void cb_picture_put(uint8_t out[static CB_PICTURE_FIXED], const struct cb_picture_frame *p)
{
	memset(out, 0, CB_PICTURE_FIXED);
	cb_packet_put(out, &p->at);
	cb_put_le32(out + 56, p->width);
	cb_put_le32(out + 60, p->height);
	memcpy(out + 64, p->format, strnlen(p->format, sizeof(p->format) - 1));
}

int cb_picture_parse(struct cb_picture_frame *ret, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_picture_frame p = { 0 };
	size_t want;

	if (times(&p.at, f, "PICTURE", CB_PICTURE_FIXED, err) < 0)
		return -1;
	p.width = cb_le32(f->payload + 56);
	p.height = cb_le32(f->payload + 60);
	if (!name_field(f->payload + 64, sizeof(p.format), false))
		return bad(err, "PICTURE", "no pixel format");
	memcpy(p.format, f->payload + 64, sizeof(p.format));
	want = cb_picture_bytes(p.format, p.width, p.height);
	if (!want || want != p.at.len)
		return bad(err, "PICTURE", "format, size and length do not agree");
	*ret = p;
	return 0;
}

/* --- GAP and END --------------------------------------------------------------------------- */

size_t cb_gap_put(uint8_t out[static CB_GAP_LEN_MAX], const struct cb_gap *g)
{
	size_t n = strnlen(g->text, sizeof(g->text) - 1);

	cb_put_le16(out, g->reason);
	cb_put_le16(out + 2, (uint16_t)n);
	cb_put_le32(out + 4, 0);
	cb_put_le64(out + 8, (uint64_t)g->from_ns);
	cb_put_le64(out + 16, (uint64_t)g->to_ns);
	cb_put_le64(out + 24, g->packets);
	cb_put_le64(out + 32, g->bytes);
	memcpy(out + CB_GAP_FIXED, g->text, n);
	return CB_GAP_FIXED + n;
}

int cb_gap_parse(struct cb_gap *ret, const struct cb_frame *f, struct cb_err *err)
{
	const uint8_t *p = f->payload;
	struct cb_gap g = { 0 };
	size_t n;

	if (f->len < CB_GAP_FIXED)
		return bad(err, "GAP", "too short");
	n = cb_le16(p + 2);
	if (n >= sizeof(g.text) || n != f->len - CB_GAP_FIXED)
		return bad(err, "GAP", "text does not fit its length");
	g.reason = cb_le16(p);
	g.from_ns = (int64_t)cb_le64(p + 8);
	g.to_ns = (int64_t)cb_le64(p + 16);
	g.packets = cb_le64(p + 24);
	g.bytes = cb_le64(p + 32);
	memcpy(g.text, p + CB_GAP_FIXED, n);
	*ret = g;
	return 0;
}

void cb_end_put(uint8_t out[static CB_END_LEN], const struct cb_end *e)
{
	memset(out, 0, CB_END_LEN);
	cb_put_le16(out, e->reason);
	cb_put_le32(out + 4, e->digest);
	cb_put_le64(out + 8, e->frames);
	cb_put_le64(out + 16, e->packets);
	cb_put_le64(out + 24, e->bytes);
}

int cb_end_parse(struct cb_end *ret, const struct cb_frame *f, struct cb_err *err)
{
	const uint8_t *p = f->payload;

	if (f->len != CB_END_LEN)
		return bad(err, "END", "wrong length");
	ret->reason = cb_le16(p);
	ret->digest = cb_le32(p + 4);
	ret->frames = cb_le64(p + 8);
	ret->packets = cb_le64(p + 16);
	ret->bytes = cb_le64(p + 24);
	return 0;
}

/* --- the header ------------------------------------------------------------------------------ */

void cb_header_put(uint8_t out[static CB_FRAME_HDR], uint8_t type, uint16_t flags, uint16_t stream,
		   uint32_t len, uint64_t seq, uint32_t payload_crc)
{
	memcpy(out, CB_FRAME_MAGIC, 4);
	out[4] = CB_FRAME_VERSION;
	out[5] = type;
	cb_put_le16(out + 6, flags);
	cb_put_le16(out + 8, stream);
	cb_put_le16(out + 10, 0);
	cb_put_le32(out + 12, len);
	cb_put_le64(out + 16, seq);
	cb_put_le32(out + 24, payload_crc);
	cb_put_le32(out + 28, cb_crc32c(0, out, 28));
}

/* Bytes of a payload, by type. Types that are not known yet may have any. */
static const struct { uint32_t least, most; } lengths[] = {
	[CB_FRAME_HELLO] = { CB_HELLO_LEN, CB_HELLO_LEN },
	[CB_FRAME_STREAM] = { CB_STREAM_FIXED, CB_STREAM_FIXED + CB_EXTRADATA_MAX },
	[CB_FRAME_PACKET] = { CB_PACKET_FIXED, CB_FRAME_MAX },
	[CB_FRAME_PICTURE] = { CB_PICTURE_FIXED, CB_FRAME_MAX },
	[CB_FRAME_EVENT] = { 1, CB_EVENT_LINE_MAX - 1 },
	[CB_FRAME_GAP] = { CB_GAP_FIXED, CB_GAP_LEN_MAX },
	[CB_FRAME_END] = { CB_END_LEN, CB_END_LEN },
	{ 0, CB_FRAME_MAX },
};

const char *cb_header_get(const uint8_t p[static CB_FRAME_HDR], struct cb_frame *f,
			  uint32_t *payload_crc)
{
	unsigned known;

	if (memcmp(p, CB_FRAME_MAGIC, 4) != 0)
		return "no frame starts here";
	if (cb_crc32c(0, p, 28) != cb_le32(p + 28))
		return "header checksum mismatch";
	if (p[4] != CB_FRAME_VERSION)
		return "version of the frame stream is not 1";
	f->type = p[5];
	f->flags = cb_le16(p + 6);
	f->stream = cb_le16(p + 8);
	f->len = cb_le32(p + 12);
	f->seq = cb_le64(p + 16);
	*payload_crc = cb_le32(p + 24);
	if (f->type < CB_FRAME_HELLO)
		return "frame of type 0";
	known = f->type <= CB_FRAME_END ? f->type : CB_FRAME_END + 1;
	if (f->len > lengths[known].most)
		return "payload longer than its type allows";
	if (f->len < lengths[known].least)
		return "payload shorter than its type needs";
	return NULL;
}
