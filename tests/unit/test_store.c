/* SPDX-License-Identifier: Apache-2.0 */
/* lib/store: what is written is read back the same, and what is not right is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/time.h"
#include "store/box.h"
#include "store/manifest.h"
#include "store/mp4.h"
#include "store/once.h"
#include "store/recorder.h"
#include "store/store.h"
#include "tap.h"
#include "wire/frame-priv.h"

static struct cb_err err;

static const uint8_t avcc[] = { 1, 66, 0, 10, 0xff, 0xe1, 0, 2, 0x67, 0x42, 1, 0, 2, 0x68, 0xce };
static const uint8_t asc[] = { 0x15, 0x88 };

static struct cb_stream video(const char *codec)
{
	struct cb_stream s = { .kind = CB_VIDEO, .nal_length = 4, .tb_num = 1, .tb_den = 90000,
			       .width = 64, .height = 48, .profile = 66, .level = 10 };

	strcpy(s.codec, codec);
	if (strcmp(codec, "h264") == 0) {
		s.extradata = avcc;
		s.extradata_len = sizeof(avcc);
	}
	return s;
}

static struct cb_stream audio(const char *codec)
{
	struct cb_stream s = { .kind = CB_AUDIO, .tb_num = 1, .tb_den = 8000, .sample_rate = 8000,
			       .channels = 1, .frame_size = 1024, .level = UINT32_MAX };

	strcpy(s.codec, codec);
	if (strcmp(codec, "aac") == 0) {
		s.extradata = asc;
		s.extradata_len = sizeof(asc);
	}
	return s;
}

/* --- manifests ------------------------------------------------------------------------------------ */

#define HEAD "cb-manifest 1\ncamera front\nsegment 0123456789ab\nrecording 0123456789abcdef 3 -5\n" \
	"start 1767225600000000000\nproducer p\nrecorder r\n"
#define SUM "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define LINE0 "0 0 100 " SUM " - 0 0 - 0 0\n"
#define LINE1 "1 100 50 " SUM " -90 3600 7 KP 2 9\n"

static int parse(struct cb_manifest *m, const char *text)
{
	err = (struct cb_err)CB_ERR_INIT;
	return cb_manifest_parse(m, text, strlen(text), &err);
}

static void manifest_round_trip(void)
{
	struct cb_manifest m = { .camera = "front", .id = "0123456789ab", .recording = "0123456789abcdef",
				 .index = 7, .start_ns = -3, .recording_ns = INT64_MAX }, back;
	struct cb_fragment f[3] = {
		{ .number = 0, .length = 100, .pts = CB_NOPTS },
		{ .number = 1, .packets = 2, .offset = 100, .length = 1, .pts = CB_NOPTS + 1, .duration = 5,
		  .wall_ns = -7, .wall_to_ns = 8, .flags = CB_FRAG_KEY | CB_FRAG_PARTIAL },
		{ .number = 2, .packets = UINT32_MAX, .offset = 101, .length = CB_FRAGMENT_MAX,
		  .pts = INT64_MAX, .duration = INT64_MAX, .wall_ns = INT64_MAX, .wall_to_ns = INT64_MIN,
		  .flags = CB_FRAG_CLOCK },
	};
	struct cb_manifest_gap g[2] = {
		{ .after = 0, .stream = 0, .g = { .reason = CB_GAP_CUT, .text = "" } },
		{ .after = 2, .stream = 65535, .g = { .reason = 65535, .from_ns = INT64_MIN,
		  .to_ns = INT64_MAX, .packets = UINT64_MAX, .bytes = UINT64_MAX,
		  .text = "100 % \xc3\xa4\n\x1b[2J" } },
	};
	struct cb_manifest_end e = { .reason = "recovered", .fragments = 2, .gaps = 2,
				     .packets = 2 + (uint64_t)UINT32_MAX, .bytes = 101 + CB_FRAGMENT_MAX,
				     .from_ns = INT64_MIN, .to_ns = INT64_MAX, .lost = 12 };
	struct cb_stream s = video("h264");
	uint8_t digest[CB_SHA256_LEN], sum[CB_SHA256_LEN];
	struct cb_buf b = { 0 };
	struct cb_sha256 h;
	int wrong = 0, lines;
	size_t before;

	memset(f[1].sha256, 0xa5, CB_SHA256_LEN);
	OK(cb_manifest_put_head(&b, &m, "some producer 1.0", "-") == 0);
	OK(cb_manifest_put_stream(&b, 3, &s, true) == 0);
	OK(cb_manifest_put_fragment(&b, &f[0]) == 0 && cb_manifest_put_gap(&b, &g[0]) == 0 &&
	   cb_manifest_put_fragment(&b, &f[1]) == 0 && cb_manifest_put_fragment(&b, &f[2]) == 0 &&
	   cb_manifest_put_gap(&b, &g[1]) == 0);
	OK(!memchr(b.data, 0x1b, b.len) && !memchr(b.data, 0xc3, b.len));
	before = b.len;

	/* while it is open: every cut is understood to its last whole line */
	for (size_t n = 0; n <= b.len; n++) {
		const char *lf = n ? memrchr(b.data, '\n', n) : NULL;
		size_t good = lf ? (size_t)(lf - (const char *)b.data) + 1 : 0;
		int k = cb_manifest_parse(&back, (const char *)b.data, n, &err);

		lines = 0;
		for (size_t i = 0; i < good; i++)
			lines += b.data[i] == '\n';
		wrong += back.good != good || back.ended || (k < 0) != (lines < 7);
		cb_manifest_release(&back);
	}
	OK_NAMED(wrong == 0, "cut anywhere: understood to the last whole line");

	cb_sha256_init(&h);
	cb_sha256_update(&h, b.data, b.len);
	OK(cb_manifest_put_end(&b, &e, &h, digest) == 0);
	OK(cb_manifest_parse(&back, (const char *)b.data, b.len, &err) == 0);
	OK(back.ended && back.digest_ok && back.good == b.len && back.n == 3 && back.n_gaps == 2);
	OK_STR(back.camera, m.camera);
	OK_STR(back.id, m.id);
	OK(back.index == 7 && back.start_ns == -3 && back.recording_ns == INT64_MAX);
	for (int i = 0; i < 3; i++)
		OK(back.frag[i].number == f[i].number && back.frag[i].offset == f[i].offset &&
		   back.frag[i].length == f[i].length && back.frag[i].pts == f[i].pts &&
		   back.frag[i].duration == f[i].duration && back.frag[i].wall_ns == f[i].wall_ns &&
		   back.frag[i].wall_to_ns == f[i].wall_to_ns && back.frag[i].flags == f[i].flags &&
		   back.frag[i].packets == f[i].packets &&
		   memcmp(back.frag[i].sha256, f[i].sha256, CB_SHA256_LEN) == 0);
	OK(back.gap[0].after == 0 && back.gap[1].after == 2 && back.gap[1].stream == 65535);
	OK(back.gap[1].g.from_ns == INT64_MIN && back.gap[1].g.packets == UINT64_MAX);
	OK_STR(back.gap[0].g.text, "");
	OK_STR(back.gap[1].g.text, g[1].g.text);
	OK(back.end.lost == 12 && back.end.packets == e.packets && back.end.from_ns == INT64_MIN);
	/* the digest covers everything before its own line */
	cb_sha256(sum, b.data, b.len - 72);
	OK(memcmp(sum, digest, CB_SHA256_LEN) == 0 && memcmp(back.digest, digest, CB_SHA256_LEN) == 0);
	cb_manifest_release(&back);
	OK(cb_manifest_peek(&back, (const char *)b.data, b.len, (const char *)b.data + before, b.len - before) == false);
	OK(cb_manifest_peek(&back, (const char *)b.data, b.len, (const char *)b.data + before - 1,
			    b.len - before + 1) && back.end.lost == 12);
	/* a changed byte: refused, or its digest is wrong */
	wrong = 0;
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		if (cb_manifest_parse(&back, (const char *)b.data, b.len, NULL) == 0 && back.ended &&
		    back.digest_ok)
			wrong++;
		cb_manifest_release(&back);
		b.data[i] ^= 1;
	}
	OK_NAMED(wrong == 0, "no changed bit goes unnoticed");
	cb_buf_release(&b);
}

static void refused(const char *text, const char *message)
{
	struct cb_manifest m;
	int k = parse(&m, text);

	if (!OK_NAMED(k < 0 && err.code == CB_E_DATA && strcmp(err.msg, message) == 0, message))
		NOTE("got: %s", k < 0 ? err.msg : "a manifest");
	cb_manifest_release(&m);
}

static void manifest_refusals(void)
{
	struct cb_manifest m;
	char wide[3000];

	OK(parse(&m, HEAD LINE0 LINE1) == 0 && m.n == 2 && !m.ended && m.frag[1].pts == -90);
	cb_manifest_release(&m);
	refused("", "line 1: ends in its header");
	refused("cb-manifest 1\ncamera front\nsegm", "line 3: ends in its header");
	refused("cb-manifest 3\n", "line 1: a manifest of another version");
	refused("hello\n", "line 1: not a manifest");
	refused("cb-manifest 1\ncamera ../x\n", "line 2: not a camera name");
	refused("cb-manifest 1\ncamera front\nsegment 0123456789AB\n", "line 3: not a segment's id");
	refused("cb-manifest 1\nsegment 0123456789ab\n", "line 2: a header line is missing");
	refused(HEAD "0 1 100 " SUM " - 0 0 - 0 0\n", "line 8: fragment does not follow the one before");
	refused(HEAD LINE0 "2 100 50 " SUM " - 0 0 - 0 0\n", "line 9: fragment out of turn");
	refused(HEAD LINE0 "1 100 0 " SUM " - 0 0 - 0 0\n", "line 9: not a fragment");
	refused(HEAD LINE0 "1 100 99999999999 " SUM " - 0 0 - 0 0\n", "line 9: not a fragment");
	refused(HEAD LINE0 "1 100 50 abc - 0 0 - 0 0\n", "line 9: not a fragment");
	refused(HEAD LINE0 "1 100 50 " SUM " - -1 0 - 0 0\n", "line 9: not a fragment");
	refused(HEAD LINE0 "1 100 50 " SUM " - 0 0 KX 0 0\n", "line 9: unknown flag");
	refused(HEAD LINE0 "1  100 50 " SUM " - 0 0 K 0 0\n", "line 9: not words between single blanks");
	refused(HEAD LINE0 "1 100 50\t" SUM " - 0 0 K 0 0\n", "line 9: not words between single blanks");
	refused(HEAD LINE0 "gap 1 0 1 0 0 0 0 x\n", "line 9: gap out of turn");
	refused(HEAD "gap 0 0 1 0 0 0 0 x\n", "line 8: gap out of turn");
	refused(HEAD LINE0 "gap 0 0 1 0 0 0 0 %zz\n", "line 9: not a gap");
	refused(HEAD LINE0 "gap 0 0 1 0 0 0 0 %00\n", "line 9: not a gap");
	refused(HEAD LINE0 "stream 0 video h264 1/1 track\n", "line 9: a stream out of turn");
	refused(HEAD LINE0 LINE1 "end end 2 2 150 0 0 0 0\n",
		"line 10: the end line's totals are not those of the lines before");
	refused(HEAD LINE0 LINE1 "end END 1 2 150 0 0 0 0\n", "line 10: not an end line");
	refused(HEAD LINE0 LINE1 "end end 1 2 150 0 0 0 0\n" LINE1, "line 11: not a digest");
	/* the digest's line is the one that no digest covers: it has one form */
	refused(HEAD LINE0 LINE1 "end end 1 2 150 0 0 0 0\ndigest "
		"E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n", "line 11: not a digest");
	refused(HEAD LINE0 LINE1 "end end 1 2 150 0 0 0 0\ndigest " SUM "\n" LINE1,
		"line 12: a line after the digest");
	OK(parse(&m, HEAD LINE0 LINE1 "end end 1 2 150 0 0 0 0\ndigest " SUM "\n") == 0 && m.ended &&
	   !m.digest_ok);
	cb_manifest_release(&m);
	memset(wide, 'x', sizeof(wide));
	wide[sizeof(wide) - 2] = '\n';
	wide[sizeof(wide) - 1] = '\0';
	refused(wide, "line 1: longer than any line, or has a NUL");
	err = (struct cb_err)CB_ERR_INIT;
	OK(cb_manifest_parse(&m, "cb-manifest 1\0\n", 15, &err) < 0);
	cb_manifest_release(&m);
}

/* --- the uuid boxes ------------------------------------------------------------------------------- */

static void put_stream(uint8_t *out, const struct cb_stream *s, uint32_t *len)
{
	cb_stream_put(out, s);
	if (s->extradata_len)
		memcpy(out + CB_STREAM_FIXED, s->extradata, s->extradata_len);
	*len = CB_STREAM_FIXED + s->extradata_len;
}

static void init_box(void)
{
	struct cb_hello hello = { .producer = "p", .camera = "front" };
	struct cb_stream s[2] = { video("h264"), audio("aac") };
	uint8_t h[256], p0[300], p1[300];
	struct cb_init in = { .hello_flags = 1, .hello = h, .hello_len = CB_HELLO_LEN, .n = 2 };
	struct cb_init *back = malloc(sizeof(*back));
	struct cb_track t[2];
	struct cb_buf b = { 0 };
	uint8_t *copy;
	int wrong = 0;
	size_t box;

	cb_hello_put(h, &hello);
	in.stream[0].payload = p0;
	put_stream(p0, &s[0], &in.stream[0].len);
	in.stream[1].payload = p1;
	put_stream(p1, &s[1], &in.stream[1].len);
	in.stream[0].fresh = true;
	in.stream[1].stream = 5;
	cb_track_init(&t[0], 0, &s[0]);
	cb_track_init(&t[1], 5, &s[1]);
	OK(back && t[0].playable && t[1].playable);
	OK(cb_mp4_init(&b, t, 2) == 0);
	box = b.len;
	OK(cb_init_put(&b, &in) == 0);
	err = (struct cb_err)CB_ERR_INIT;
	if (!OK(back && cb_init_parse(back, b.data, b.len, &err) == 0)) {
		NOTE("%s", err.msg);
		goto out;
	}
	OK(back->n == 2 && back->hello_flags == 1 && back->hello_len == in.hello_len &&
	   memcmp(back->hello, h, in.hello_len) == 0);
	OK(back->stream[0].fresh && !back->stream[1].fresh && back->stream[1].stream == 5 &&
	   back->stream[1].len == in.stream[1].len &&
	   memcmp(back->stream[1].payload, p1, in.stream[1].len) == 0);
	/* cut anywhere, in an allocation of that size: refused, and nothing of it is given */
	for (size_t n = 0; n < b.len; n++) {
		copy = malloc(n ? n : 1);
		memcpy(copy, b.data, n);
		wrong += cb_init_parse(back, copy, n, NULL) == 0 || back->n != 0;
		free(copy);
	}
	OK_NAMED(wrong == 0, "an init segment cut anywhere is refused");
	cb_buf_byte(&b, 0);
	OK(cb_init_parse(back, b.data, b.len, NULL) < 0);
	b.len--;
	/* more streams than the table has, or than there are */
	for (uint32_t n = 3; n; n = n == 3 ? 257 : n == 257 ? UINT32_MAX : 0) {
		cb_put_le32(b.data + box + 24 + 8, n);
		err = (struct cb_err)CB_ERR_INIT;
		OK(cb_init_parse(back, b.data, b.len, &err) < 0 && err.code == CB_E_DATA && back->n == 0);
	}
	cb_put_le32(b.data + box + 24 + 8, 2);
	cb_put_le16(b.data + box + 24, 2);
	OK(cb_init_parse(back, b.data, b.len, &err) < 0);
	OK_STR(err.msg, "init segment: its uuid box is of another version");
out:
	free(back);
	cb_buf_release(&b);
}

static int parse_fragment(const struct cb_buf *b, struct cb_fragment_view *v)
{
	err = (struct cb_err)CB_ERR_INIT;
	return cb_fragment_parse(v, b->data, b->len, &err);
}

static void fragment_box(void)
{
	static const char *const data[3] = { "", "abc", "defgh" };
	struct cb_stream s = video("h264");
	struct cb_mp4_clock clock = { 0 };
	struct cb_sample sample[3];
	struct cb_fragment_view v;
	struct cb_buf b = { 0 }, scratch = { 0 };
	uint8_t head[CB_PACKET_FIXED] = { 0 }, digest[CB_SHA256_LEN], entry[CB_ENTRY_LEN], *copy;
	struct cb_track t;
	struct cb_table_entry e;
	struct cb_frame f;
	struct cb_packet p;
	size_t at, first;
	int wrong = 0, n = 0;

	cb_track_init(&t, 0, &s);
	OK(cb_table_begin(&b, 9, CB_FRAG_KEY, 3, &at) == 0);
	first = b.len;
	for (int i = 0; i < 3; i++) {
		cb_put_le64(head, (uint64_t)(1000 * i));
		cb_sha256(digest, data[i], strlen(data[i]));
		cb_table_entry_put(entry, &(struct cb_table_entry){ .seq = 40 + (uint64_t)i, .flags = (uint16_t)(1 << i),
			     .stream = 0, .len = (uint32_t)strlen(data[i]), .head = head, .digest = digest });
		cb_buf_add(&b, entry, sizeof(entry));
		sample[i] = (struct cb_sample){ .len = (uint32_t)strlen(data[i]), .pts = 1000 * i,
						.dts = 1000 * i, .duration = 1000 };
	}
	cb_table_end(&b, at);
	OK(cb_mp4_fragment(&b, 9, &t, 1, sample, 3, &clock) == 0);
	for (int i = 0; i < 3; i++)
		cb_buf_add(&b, data[i], strlen(data[i]));
	if (!OK(parse_fragment(&b, &v) == 0)) {
		NOTE("%s", err.msg);
		goto out;
	}
	OK(v.number == 9 && v.flags == CB_FRAG_KEY && v.n == 3 && v.data_len == 8);
	while (cb_fragment_next(&v, &e)) {
		cb_sha256(digest, data[n], strlen(data[n]));
		OK(e.seq == 40 + (uint64_t)n && e.flags == 1 << n && memcmp(e.digest, digest, sizeof(digest)) == 0);
		OK(cb_table_entry_frame(&e, &scratch, &f) == 0 && cb_packet_parse(&p, &f, &err) == 0 &&
		   p.pts == 1000 * n && p.len == strlen(data[n]) && memcmp(p.data, data[n], p.len) == 0);
		n++;
	}
	OK(n == 3);
	for (size_t k = 0; k < b.len; k++) {
		copy = malloc(k ? k : 1);
		memcpy(copy, b.data, k);
		wrong += cb_fragment_parse(&v, copy, k, NULL) == 0;
		free(copy);
	}
	OK_NAMED(wrong == 0, "a fragment cut anywhere is refused");
	/* heads that no reader of the stream would take */
	b.data[first + 10] = CB_STREAMS_MAX;
	OK(parse_fragment(&b, &v) < 0);
	OK_STR(err.msg, "fragment: PACKET: stream number out of range");
	b.data[first + 10] = 0;
	b.data[first + 16 + 40] = 4;
	OK(parse_fragment(&b, &v) < 0);
	OK_STR(err.msg, "fragment: PACKET: unknown clock");
	b.data[first + 16 + 40] = 0;
	cb_put_le32(b.data + first + 12, CB_FRAME_MAX);
	OK(parse_fragment(&b, &v) < 0);
	OK_STR(err.msg, "fragment: a packet is longer than any frame");
	cb_put_le32(b.data + first + 12, 1);
	OK(parse_fragment(&b, &v) < 0);
	OK_STR(err.msg, "fragment: the packets do not fill the mdat");
	cb_put_le32(b.data + first + 12, 0);
	cb_put_le32(b.data + first - 8, 4);
	OK(parse_fragment(&b, &v) < 0);
	OK_STR(err.msg, "fragment: the packet table's lengths do not fit");
	cb_put_le32(b.data + first - 8, 3);
	OK(parse_fragment(&b, &v) == 0);
out:
	cb_buf_release(&scratch);
	cb_buf_release(&b);
}

/* --- sample entries, and the timeline ------------------------------------------------------------- */

static void codecs(void)
{
	static const struct { const char *codec, *entry; bool video, qt; } list[] = {
		{ "h264", "avc1", true, false }, { "hevc", "hvc1", true, false },
		{ "av1", "av01", true, false }, { "vp8", "vp08", true, false },
		{ "vp9", "vp09", true, false }, { "mjpeg", "mp4v", true, false },
		{ "mpeg4", "mp4v", true, false }, { "mpeg2video", "mp4v", true, false },
		{ "aac", "mp4a", false, false }, { "mp3", "mp4a", false, false },
		{ "opus", "Opus", false, false }, { "pcm_alaw", "alaw", false, true },
		{ "pcm_mulaw", "ulaw", false, true }, { "pcm_s16le", "lpcm", false, true },
		{ "pcm_s24be", "lpcm", false, true }, { "pcm_f32le", "lpcm", false, true },
		{ "flac", NULL, false, false }, { "rawvideo", NULL, true, false },
	};
	struct cb_buf b = { 0 };
	struct cb_track t;
	struct cb_stream s;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		s = list[i].video ? video(list[i].codec) : audio(list[i].codec);
		b.len = 0;
		OK_NAMED(cb_sample_entry(&b, &s) == (list[i].entry != NULL) &&
			 (!list[i].entry || (cb_be32(b.data) == b.len &&
					     memcmp(b.data + 4, list[i].entry, 4) == 0)), list[i].codec);
		OK(cb_codec_quicktime(&s) == list[i].qt);
		cb_track_init(&t, 1, &s);
		b.len = 0;
		OK(t.playable == (list[i].entry != NULL) && cb_mp4_init(&b, &t, 1) == 0 &&
		   memcmp(b.data + 8, list[i].qt ? "qt  " : "iso6", 4) == 0);
	}
	/* in-band parameter sets have entries of their own; what says too little has none */
	s = video("h264");
	s.in_band = true;
	b.len = 0;
	OK(cb_sample_entry(&b, &s) && memcmp(b.data + 4, "avc3", 4) == 0);
	s = video("hevc");
	s.in_band = true;
	b.len = 0;
	OK(cb_sample_entry(&b, &s) && memcmp(b.data + 4, "hev1", 4) == 0);
	s.nal_length = 0;
	OK(!cb_sample_entry(&b, &s));
	s = video("mjpeg");
	s.width = 0;
	OK(!cb_sample_entry(&b, &s));
	s = audio("aac");
	s.extradata_len = 0;
	OK(!cb_sample_entry(&b, &s));
	s = audio("opus");
	s.channels = 0;
	OK(!cb_sample_entry(&b, &s));
	cb_buf_release(&b);
}

/* The only box of a type inside moof/traf; NULL. */
static const uint8_t *find(const uint8_t *p, size_t n, const char *type)
{
	for (size_t at = 0; at + 8 <= n; at += cb_be32(p + at)) {
		const uint8_t *in = NULL;

		if (memcmp(p + at + 4, type, 4) == 0)
			return p + at;
		if (memcmp(p + at + 4, "moof", 4) == 0 || memcmp(p + at + 4, "traf", 4) == 0)
			in = find(p + at + 8, cb_be32(p + at) - 8, type);
		if (in)
			return in;
		if (cb_be32(p + at) < 8)
			break;
	}
	return NULL;
}

static void timeline(void)
{
	struct cb_stream s = video("h264");
	struct cb_mp4_clock clock = { 0 }, clock2 = { 0 };
	/* B-frames, from a source whose time begins anywhere */
	struct cb_sample a[3] = {
		{ .flags = CB_F_KEY, .len = 10, .pts = 907200, .dts = 900000, .duration = 3600 },
		{ .len = 4, .pts = 918000, .dts = 903600, .duration = 3600 },
		{ .flags = CB_F_DISPOSABLE, .len = 3, .pts = 910800, .dts = 907200, .duration = 3600 },
	}, back = { .len = 1, .pts = 100, .dts = 100, .duration = 3600 },
	none = { .len = 1, .pts = CB_NOPTS, .dts = CB_NOPTS };
	struct cb_buf b = { 0 }, c = { 0 };
	const uint8_t *trun, *tfdt;
	struct cb_track t, t2;

	cb_track_init(&t, 0, &s);
	cb_track_init(&t2, 0, &s);
	OK(cb_mp4_fragment(&b, 1, &t, 1, a, 3, &clock) == 0);
	OK(cb_mp4_fragment(&c, 1, &t2, 1, a, 3, &clock2) == 0 && b.len == c.len &&
	   memcmp(b.data, c.data, b.len) == 0);
	tfdt = find(b.data, b.len, "tfdt");
	trun = find(b.data, b.len, "trun");
	if (!OK(tfdt && trun))
		goto out;
	OK(cb_be32(tfdt + 12) == 0 && cb_be32(tfdt + 16) == 0);	/* the file begins at 0 */
	OK(cb_be32(trun + 12) == 3 && cb_be32(trun + 16) == b.len);	/* the data follow the mdat's header */
	OK(cb_be32(trun + 20) == 3600 && cb_be32(trun + 24) == 10 && cb_be32(trun + 28) == 0x02000000 &&
	   cb_be32(trun + 32) == 7200);
	OK(cb_be32(trun + 48) == 14400 - 0 && cb_be32(trun + 60) == 0x01810000 && cb_be32(trun + 64) == 3600);
	OK(cb_be32(b.data + b.len - 8) == 17 + 8 && memcmp(b.data + b.len - 4, "mdat", 4) == 0);
	/* times that jump back, or are missing, go on in the file */
	b.len = 0;
	OK(cb_mp4_fragment(&b, 2, &t, 1, &back, 1, &clock) == 0 && (tfdt = find(b.data, b.len, "tfdt")));
	OK(cb_be32(tfdt + 16) == 10800);
	b.len = 0;
	OK(cb_mp4_fragment(&b, 3, &t, 1, &none, 1, &clock) == 0 && (tfdt = find(b.data, b.len, "tfdt")));
	OK(cb_be32(tfdt + 16) >= 10800);
out:
	cb_buf_release(&b);
	cb_buf_release(&c);
}

/* --- events stored once --------------------------------------------------------------------------- */

static void once(void)
{
	size_t left = 3072;
	struct cb_once o = { 0 }, p = { .left = &left }, q = { .left = &left };
	int wrong = 0, full = 0;

	OK(!cb_once_has(&o, 1) && cb_once_add(&o, 1) == 1 && cb_once_add(&o, 1) == 0 && cb_once_has(&o, 1));
	for (uint64_t i = 2; i <= CB_ONCE_MAX; i++)
		wrong += cb_once_add(&o, i * UINT64_C(0x9e3779b97f4a7c15)) != 1;
	OK(wrong == 0 && o.n == CB_ONCE_MAX);
	OK(cb_once_add(&o, 77) == -1 && cb_once_add(&o, 1) == 0 && !cb_once_has(&o, 77));
	for (uint64_t i = 2; i <= CB_ONCE_MAX; i++)
		wrong += cb_once_add(&o, i * UINT64_C(0x9e3779b97f4a7c15)) != 0;
	OK(wrong == 0);
	cb_once_release(&o);
	OK(!cb_once_has(&o, 1));
	/* two that share a limit: what one takes the other has not, until it is given back */
	for (uint64_t i = 1; i <= 2000; i++)
		full += cb_once_add(&p, i) < 0;
	OK(left == 1024 && full == 976);
	OK(cb_once_add(&q, 1) == 1 && left == 0);
	cb_once_release(&p);
	OK(left == 2048);
	cb_once_release(&q);
	OK(left == 3072);
}

static int no_event(void *ctx, const struct cb_buf *line, struct cb_err *e)
{
	(void)ctx, (void)line, (void)e;
	return 0;
}

/* A live source that says nothing more: what it said before is on the disk soon. */
static void syncs_while_waiting(void)
{
	struct cb_recorder_opts o = { .recorder = "test", .segment_ns = 60 * CB_NS_PER_S,
				      .sync_ns = CB_NS_PER_S, .event = no_event };
	struct cb_hello h = { .live = true, .wall_ns = CB_NS_PER_S, .wall_source = CB_WALL_ARRIVAL,
			      .producer = "test", .camera = "cam" };
	struct cb_stream st = video("h264");
	struct cb_recorder_status before, after;
	char dir[] = "/tmp/cb-store.XXXXXX", rm[64];
	struct cb_store store = { .fd = -1, .cameras = -1 };
	struct cb_recorder *r = NULL;
	struct cb_writer w;
	struct cb_reader in;
	struct cb_frame f;
	int p[2], wait;

	if (!mkdtemp(dir) || pipe(p) < 0 || cb_store_create(&store, dir, &err) < 0) {
		OK_NAMED(false, "a store to record into");
		return;
	}
	cb_writer_init(&w, p[1]);
	OK(cb_writer_hello(&w, &h, &err) == 0 && cb_writer_stream(&w, 0, &st, &err) == 0);
	for (int i = 0; i < 5; i++) {	/* each a group, and far from the next */
		struct cb_packet k = { .flags = CB_F_KEY, .pts = i * 90000, .dts = i * 90000, .duration = 90000,
				       .wall_ns = (i + 1) * CB_NS_PER_S, .wall_source = CB_WALL_ARRIVAL,
				       .data = avcc, .len = sizeof(avcc) };

		OK(cb_writer_packet(&w, 0, &k, &err) == 0);
	}
	OK(cb_writer_end(&w, CB_END_EOF, &err) == 0);
	cb_writer_release(&w);
	close(p[1]);
	cb_reader_init(&in, p[0]);
	OK(cb_reader_next(&in, &f, &err) == 1 && cb_recorder_open(&r, &store, &f, &o, &err) == 0);
	while (r && cb_reader_next(&in, &f, &err) > 0)
		if (f.type != CB_FRAME_END)
			OK(cb_recorder_frame(r, &f, &err) == 0);
	cb_recorder_status(r, &before);
	OK_INT(before.totals.fragments, 4);
	wait = cb_recorder_idle(r, &err);
	OK_NAMED(wait > 0 && wait <= 1001, "it wants to be asked again within the interval");
	usleep(1100000);
	cb_recorder_idle(r, &err);
	cb_recorder_status(r, &after);
	/* the fifth still waits for its end */
	OK_INT(after.synced_wall_ns, 5 * CB_NS_PER_S);
	OK(after.syncs > before.syncs || before.synced_wall_ns == after.synced_wall_ns);
	OK(cb_recorder_close(r, "end", &err) == 0);
	cb_recorder_free(r);
	cb_reader_release(&in);
	cb_store_close(&store);
	close(p[0]);
	snprintf(rm, sizeof(rm), "rm -rf %s", dir);
	OK(system(rm) == 0);
}

int main(void)
{
	manifest_round_trip();
	manifest_refusals();
	init_box();
	fragment_box();
	codecs();
	timeline();
	once();
	syncs_while_waiting();
	return done();
}
