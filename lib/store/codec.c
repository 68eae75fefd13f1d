/* SPDX-License-Identifier: Apache-2.0 */
/* Sample entries: what a player must know of a codec, from a STREAM's parameters. */
#include <string.h>

#include "base/num.h"
#include "store/mp4.h"

static bool is(const struct cb_stream *s, const char *codec)
{
	return strcmp(s->codec, codec) == 0;
}

static void zeros(struct cb_buf *b, size_t n)
{
	while (n--)
		cb_buf_byte(b, 0);
}

/* --- video -------------------------------------------------------------------------------- */

static size_t video_begin(struct cb_buf *b, const char type[static 4], const struct cb_stream *s)
{
	size_t at = cb_box_begin(b, type);

	zeros(b, 6);
	cb_buf_be16(b, 1);
	zeros(b, 16);
	cb_buf_be16(b, (uint16_t)s->width);
	cb_buf_be16(b, (uint16_t)s->height);
	cb_buf_be32(b, 0x480000);
	cb_buf_be32(b, 0x480000);
	zeros(b, 4);
	cb_buf_be16(b, 1);
	zeros(b, 32);
	cb_buf_be16(b, 24);
	cb_buf_be16(b, 0xffff);
	return at;
}

static bool specified(uint8_t v)
{
	return v != 0 && v != 2;
}

static bool video_end(struct cb_buf *b, size_t at, const struct cb_stream *s)
{
	size_t box;

	if (s->sar_num && s->sar_den && s->sar_num != s->sar_den) {
		box = cb_box_begin(b, "pasp");
		cb_buf_be32(b, s->sar_num);
		cb_buf_be32(b, s->sar_den);
		cb_box_end(b, box);
	}
	if (specified(s->color_primaries) && specified(s->color_trc) && s->color_space != 2) {
		box = cb_box_begin(b, "colr");
		cb_buf_add(b, "nclx", 4);
		cb_buf_be16(b, s->color_primaries);
		cb_buf_be16(b, s->color_trc);
		cb_buf_be16(b, s->color_space);
		cb_buf_byte(b, s->color_range == 2 ? 0x80 : 0);
		cb_box_end(b, box);
	}
	cb_box_end(b, at);
	return true;
}

static bool config(struct cb_buf *b, const char type[static 4], const void *p, size_t n)
{
	size_t at = cb_box_begin(b, type);

	cb_buf_add(b, p, n);
	cb_box_end(b, at);
	return true;
}

static bool avc(struct cb_buf *b, const struct cb_stream *s)
{
	uint8_t none[7] = { 1, (uint8_t)s->profile, 0, (uint8_t)s->level,
			    (uint8_t)(0xfc | (s->nal_length - 1)), 0xe0, 0 };
	size_t at;

	if (!s->nal_length)
		return false;
	at = video_begin(b, s->in_band ? "avc3" : "avc1", s);
	if (s->extradata_len >= 7 && s->extradata[0] == 1)
		config(b, "avcC", s->extradata, s->extradata_len);
	else
		config(b, "avcC", none, sizeof(none));
	return video_end(b, at, s);
}

static bool hevc(struct cb_buf *b, const struct cb_stream *s)
{
	uint8_t none[23] = { 1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xf0, 0, 0xfc, 0xfd,
			     0xf8, 0xf8, 0, 0, (uint8_t)(0x0c | (s->nal_length - 1)), 0 };
	size_t at;

	if (!s->nal_length)
		return false;
	at = video_begin(b, s->in_band ? "hev1" : "hvc1", s);
	if (s->extradata_len >= 23 && s->extradata[0] == 1)
		config(b, "hvcC", s->extradata, s->extradata_len);
	else
		config(b, "hvcC", none, sizeof(none));
	return video_end(b, at, s);
}

static bool av1(struct cb_buf *b, const struct cb_stream *s)
{
	uint8_t none[4] = { 0x81, (uint8_t)((s->profile & 7) << 5 | (s->level & 31)), 0x0c, 0 };
	size_t at = video_begin(b, "av01", s);

	if (s->profile > 2)
		none[1] &= 31;
	if (s->extradata_len >= 4 && s->extradata[0] == 0x81)
		config(b, "av1C", s->extradata, s->extradata_len);
	else
		config(b, "av1C", none, sizeof(none));
	return video_end(b, at, s);
}

static bool vp(struct cb_buf *b, const struct cb_stream *s, const char type[static 4])
{
	size_t at = video_begin(b, type, s), box;

	box = cb_box_begin_full(b, "vpcC", 1, 0);
	cb_buf_byte(b, s->profile > 3 ? 0 : (uint8_t)s->profile);
	cb_buf_byte(b, s->level > 62 ? 0 : (uint8_t)s->level);
	cb_buf_byte(b, (uint8_t)((s->profile == 2 || s->profile == 3 ? 10 : 8) << 4 | 1 << 1 |
				 (s->color_range == 2)));
	cb_buf_byte(b, s->color_primaries ? s->color_primaries : 2);
	cb_buf_byte(b, s->color_trc ? s->color_trc : 2);
	cb_buf_byte(b, s->color_space);
	cb_buf_be16(b, 0);
	cb_box_end(b, box);
	return video_end(b, at, s);
}

/* An MPEG-4 descriptor's tag and its length in the long form. */
static void descriptor(struct cb_buf *b, uint8_t tag, size_t n)
{
	cb_buf_byte(b, tag);
	cb_buf_byte(b, (uint8_t)(0x80 | (n >> 21 & 127)));
	cb_buf_byte(b, (uint8_t)(0x80 | (n >> 14 & 127)));
	cb_buf_byte(b, (uint8_t)(0x80 | (n >> 7 & 127)));
	cb_buf_byte(b, n & 127);
}

static void esds(struct cb_buf *b, const struct cb_stream *s, uint8_t type)
{
	size_t at = cb_box_begin_full(b, "esds", 0, 0), dsi = s->extradata_len;
	uint32_t rate = s->bit_rate > UINT32_MAX ? 0 : (uint32_t)s->bit_rate;

	descriptor(b, 3, 3 + 5 + 13 + (dsi ? 5 + dsi : 0) + 5 + 1);
	zeros(b, 3);
	descriptor(b, 4, 13 + (dsi ? 5 + dsi : 0));
	cb_buf_byte(b, type);
	cb_buf_byte(b, s->kind == CB_VIDEO ? 0x11 : 0x15);
	zeros(b, 3);
	cb_buf_be32(b, rate);
	cb_buf_be32(b, rate);
	if (dsi) {
		descriptor(b, 5, dsi);
		cb_buf_add(b, s->extradata, dsi);
	}
	descriptor(b, 6, 1);
	cb_buf_byte(b, 2);
	cb_box_end(b, at);
}

static bool mp4v(struct cb_buf *b, const struct cb_stream *s, uint8_t type)
{
	size_t at = video_begin(b, "mp4v", s);

	esds(b, s, type);
	return video_end(b, at, s);
}

/* --- audio -------------------------------------------------------------------------------- */

static size_t audio_begin(struct cb_buf *b, const char type[static 4], const struct cb_stream *s,
			  uint16_t bits)
{
	size_t at = cb_box_begin(b, type);

	zeros(b, 6);
	cb_buf_be16(b, 1);
	zeros(b, 8);
	cb_buf_be16(b, s->channels);
	cb_buf_be16(b, bits);
	zeros(b, 4);
	cb_buf_be32(b, s->sample_rate > 65535 ? 0 : s->sample_rate << 16);
	return at;
}

static bool mp4a(struct cb_buf *b, const struct cb_stream *s, uint8_t type)
{
	size_t at = audio_begin(b, "mp4a", s, 16);

	esds(b, s, type);
	cb_box_end(b, at);
	return true;
}

static bool opus(struct cb_buf *b, const struct cb_stream *s)
{
	const uint8_t *h = s->extradata;
	size_t at = audio_begin(b, "Opus", s, 16), box = cb_box_begin(b, "dOps");

	cb_buf_byte(b, 0);
	if (s->extradata_len >= 19 && memcmp(h, "OpusHead", 8) == 0) {
		cb_buf_byte(b, h[9]);
		cb_buf_be16(b, cb_le16(h + 10));
		cb_buf_be32(b, cb_le32(h + 12));
		cb_buf_be16(b, cb_le16(h + 16));
		cb_buf_add(b, h + 18, s->extradata_len - 18);
	} else {
		cb_buf_byte(b, (uint8_t)s->channels);
		cb_buf_be16(b, (uint16_t)s->initial_padding);
		cb_buf_be32(b, s->sample_rate);
		cb_buf_be16(b, 0);
		cb_buf_byte(b, 0);
	}
	cb_box_end(b, box);
	cb_box_end(b, at);
	return true;
}

/* QuickTime's layout of channels, for one and two: without it players say that they guess. */
static void channels(struct cb_buf *b, const struct cb_stream *s)
{
	size_t at;

	if ((s->channels != 1 || (s->channel_layout && s->channel_layout != 4)) &&
	    (s->channels != 2 || (s->channel_layout && s->channel_layout != 3)))
		return;
	at = cb_box_begin_full(b, "chan", 0, 0);
	cb_buf_be32(b, (99u + s->channels) << 16 | s->channels);	/* mono: 100, stereo: 101 */
	zeros(b, 8);
	cb_box_end(b, at);
}

/* G.711 in a QuickTime file. */
static bool g711(struct cb_buf *b, const struct cb_stream *s, const char type[static 4])
{
	size_t at = audio_begin(b, type, s, 16);

	channels(b, s);
	cb_box_end(b, at);
	return true;
}

/* Linear PCM of any width: QuickTime's sound description version 2. */
static const struct pcm { const char *codec; uint8_t bits; uint8_t flags; } pcm_codecs[] = {
	/* flags: 1 float, 2 big-endian, 4 signed, 8 packed */
	{ "pcm_u8", 8, 8 }, { "pcm_s8", 8, 4 | 8 },
	{ "pcm_s16le", 16, 4 | 8 }, { "pcm_s16be", 16, 2 | 4 | 8 },
	{ "pcm_s24le", 24, 4 | 8 }, { "pcm_s24be", 24, 2 | 4 | 8 },
	{ "pcm_s32le", 32, 4 | 8 }, { "pcm_s32be", 32, 2 | 4 | 8 },
	{ "pcm_f32le", 32, 1 | 8 }, { "pcm_f32be", 32, 1 | 2 | 8 },
	{ "pcm_f64le", 64, 1 | 8 }, { "pcm_f64be", 64, 1 | 2 | 8 },
};

static const struct pcm *pcm_find(const struct cb_stream *s)
{
	for (size_t i = 0; i < sizeof(pcm_codecs) / sizeof(pcm_codecs[0]); i++)
		if (is(s, pcm_codecs[i].codec))
			return &pcm_codecs[i];
	return NULL;
}

static bool lpcm(struct cb_buf *b, const struct cb_stream *s, const struct pcm *p)
{
	size_t at = cb_box_begin(b, "lpcm");
	double rate = s->sample_rate;
	uint64_t bits;

	memcpy(&bits, &rate, 8);
	zeros(b, 6);
	cb_buf_be16(b, 1);
	cb_buf_be16(b, 2);
	zeros(b, 6);
	cb_buf_be16(b, 3);
	cb_buf_be16(b, 16);
	cb_buf_be16(b, 0xfffe);
	cb_buf_be16(b, 0);
	cb_buf_be32(b, 0x10000);
	cb_buf_be32(b, 72);
	cb_buf_be64(b, bits);
	cb_buf_be32(b, s->channels);
	cb_buf_be32(b, 0x7f000000);
	cb_buf_be32(b, p->bits);
	cb_buf_be32(b, p->flags);
	cb_buf_be32(b, p->bits / 8u * s->channels);
	cb_buf_be32(b, 1);
	channels(b, s);
	cb_box_end(b, at);
	return true;
}

bool cb_codec_quicktime(const struct cb_stream *s)
{
	return s->kind == CB_AUDIO && (is(s, "pcm_alaw") || is(s, "pcm_mulaw") || pcm_find(s));
}

bool cb_sample_entry(struct cb_buf *b, const struct cb_stream *s)
{
	if (s->kind == CB_VIDEO) {
		if (!s->width || !s->height)
			return false;
		if (is(s, "h264"))
			return avc(b, s);
		if (is(s, "hevc"))
			return hevc(b, s);
		if (is(s, "av1"))
			return av1(b, s);
		if (is(s, "vp9"))
			return vp(b, s, "vp09");
		if (is(s, "vp8"))
			return vp(b, s, "vp08");
		if (is(s, "mjpeg"))
			return mp4v(b, s, 0x6c);
		if (is(s, "mpeg4"))
			return mp4v(b, s, 0x20);
		if (is(s, "mpeg2video"))
			return mp4v(b, s, 0x61);
		if (is(s, "mpeg1video"))
			return mp4v(b, s, 0x6a);
		return false;
	}
	if (s->kind != CB_AUDIO || !s->channels || !s->sample_rate)
		return false;
	if (is(s, "aac"))
		return s->extradata_len >= 2 && mp4a(b, s, 0x40);
	if (is(s, "mp3") || is(s, "mp2"))
		return mp4a(b, s, s->sample_rate < 32000 ? 0x69 : 0x6b);
	if (is(s, "opus"))
		return opus(b, s);
	if (is(s, "pcm_alaw"))
		return g711(b, s, "alaw");
	if (is(s, "pcm_mulaw"))
		return g711(b, s, "ulaw");
	return pcm_find(s) && lpcm(b, s, pcm_find(s));
}
