/* SPDX-License-Identifier: Apache-2.0 */
/* ISO-BMFF writing: ftyp, moov, moof; the timeline that players see. */
#include "store/mp4.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static const int32_t unity[9] = { 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000 };

size_t cb_box_begin(struct cb_buf *b, const char type[static 4])
{
	size_t at = b->len;

	cb_buf_be32(b, 0);
	cb_buf_add(b, type, 4);
	return at;
}

size_t cb_box_begin_full(struct cb_buf *b, const char type[static 4], uint8_t version, uint32_t flags)
{
	size_t at = cb_box_begin(b, type);

	cb_buf_be32(b, (uint32_t)version << 24 | flags);
	return at;
}

void cb_box_end(struct cb_buf *b, size_t at)
{
	if (b->len >= at + 8)
		cb_put_be32(b->data + at, (uint32_t)(b->len - at));
}

static void zeros(struct cb_buf *b, size_t n)
{
	while (n--)
		cb_buf_byte(b, 0);
}

void cb_track_init(struct cb_track *t, uint16_t stream, const struct cb_stream *s)
{
	struct cb_buf probe = { 0 };

	*t = (struct cb_track){ .stream = stream, .s = *s, .timescale = s->tb_den };
	t->playable = s->kind != CB_DATA && cb_sample_entry(&probe, s);
	cb_buf_release(&probe);
}

/* --- init segment ---------------------------------------------------------------------------- */

static void put_matrix(struct cb_buf *b, const int32_t m[static 9])
{
	for (int i = 0; i < 9; i++)
		cb_buf_be32(b, (uint32_t)m[i]);
}

static void put_hdlr(struct cb_buf *b, bool qt, bool video)
{
	size_t at = cb_box_begin_full(b, "hdlr", 0, 0);

	cb_buf_add(b, qt ? "mhlr" : "\0\0\0\0", 4);
	cb_buf_add(b, video ? "vide" : "soun", 4);
	zeros(b, 12);
	if (qt)		/* a counted string there */
		cb_buf_add(b, video ? "\5Video" : "\5Sound", 6);
	else
		cb_buf_add(b, video ? "Video" : "Sound", 6);
	cb_box_end(b, at);
}

static void put_trak(struct cb_buf *b, const struct cb_track *t, bool qt)
{
	size_t trak = cb_box_begin(b, "trak"), mdia, minf, dinf, stbl, at;
	bool video = t->s.kind == CB_VIDEO;

	at = cb_box_begin_full(b, "tkhd", 0, 3);
	zeros(b, 8);
	cb_buf_be32(b, t->stream + 1u);
	zeros(b, 4 + 4 + 8 + 2 + 2);
	cb_buf_be16(b, video ? 0 : 0x100);
	zeros(b, 2);
	put_matrix(b, t->s.has_matrix ? t->s.matrix : unity);
	cb_buf_be32(b, video ? t->s.width << 16 : 0);
	cb_buf_be32(b, video ? t->s.height << 16 : 0);
	cb_box_end(b, at);

	mdia = cb_box_begin(b, "mdia");
	at = cb_box_begin_full(b, "mdhd", 0, 0);
	zeros(b, 8);
	cb_buf_be32(b, t->timescale);
	zeros(b, 4);
	cb_buf_be16(b, qt ? 0x7fff : 0x55c4);	/* unspecified, "und" */
	zeros(b, 2);
	cb_box_end(b, at);
	put_hdlr(b, qt, video);

	minf = cb_box_begin(b, "minf");
	if (video) {
		at = cb_box_begin_full(b, "vmhd", 0, 1);
		zeros(b, 8);
	} else {
		at = cb_box_begin_full(b, "smhd", 0, 0);
		zeros(b, 4);
	}
	cb_box_end(b, at);
	dinf = cb_box_begin(b, "dinf");
	at = cb_box_begin_full(b, "dref", 0, 0);
	cb_buf_be32(b, 1);
	cb_box_end(b, cb_box_begin_full(b, "url ", 0, 1));
	cb_box_end(b, at);
	cb_box_end(b, dinf);

	stbl = cb_box_begin(b, "stbl");
	at = cb_box_begin_full(b, "stsd", 0, 0);
	cb_buf_be32(b, 1);
	cb_sample_entry(b, &t->s);
	cb_box_end(b, at);
	for (int i = 0; i < 4; i++) {
		static const char types[4][4] = { "stts", "stsc", "stsz", "stco" };

		at = cb_box_begin_full(b, types[i], 0, 0);
		zeros(b, i == 2 ? 8 : 4);
		cb_box_end(b, at);
	}
	cb_box_end(b, stbl);
	cb_box_end(b, minf);
	cb_box_end(b, mdia);
	cb_box_end(b, trak);
}

int cb_mp4_init(struct cb_buf *b, const struct cb_track *t, size_t n)
{
	size_t at, moov, mvex, room = 1024;
	bool qt = false;

	/* room for everything first, so that no append below can fail */
	for (size_t i = 0; i < n; i++)
		room += 1024 + t[i].s.extradata_len;
	if (cb_buf_reserve(b, room) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		qt |= t[i].playable && cb_codec_quicktime(&t[i].s);
	at = cb_box_begin(b, "ftyp");
	if (qt) {
		cb_buf_add(b, "qt  \0\0\2\0qt  ", 12);
	} else {
		cb_buf_add(b, "iso6\0\0\0\1iso6isom", 16);
		cb_buf_add(b, "mp41", 4);
	}
	cb_box_end(b, at);

	moov = cb_box_begin(b, "moov");
	at = cb_box_begin_full(b, "mvhd", 0, 0);
	zeros(b, 8);
	cb_buf_be32(b, 1000);
	zeros(b, 4);
	cb_buf_be32(b, 0x10000);
	cb_buf_be16(b, 0x100);
	zeros(b, 10);
	put_matrix(b, unity);
	zeros(b, 24);
	cb_buf_be32(b, CB_STREAMS_MAX + 1);	/* next track id */
	cb_box_end(b, at);
	for (size_t i = 0; i < n; i++)
		if (t[i].playable)
			put_trak(b, &t[i], qt);
	mvex = cb_box_begin(b, "mvex");
	for (size_t i = 0; i < n; i++) {
		if (!t[i].playable)
			continue;
		at = cb_box_begin_full(b, "trex", 0, 0);
		cb_buf_be32(b, t[i].stream + 1u);
		cb_buf_be32(b, 1);
		zeros(b, 12);
		cb_box_end(b, at);
	}
	cb_box_end(b, mvex);
	cb_box_end(b, moov);
	return 0;
}

/* --- fragments ------------------------------------------------------------------------------- */

static int64_t clamp(__int128 v)
{
	const int64_t max = INT64_C(1) << 60;

	return v > max ? max : v < -max ? -max : (int64_t)v;
}

static int64_t ticks(const struct cb_track *t, int64_t v)
{
	return clamp((__int128)v * t->s.tb_num);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Make up the decoding times that a track's samples of this fragment lack. Players pass over
 * samples whose times do not rise, so presentation times do not do as they come. */
static void make_dts(uint16_t track, struct cb_sample *s, size_t ns, int64_t *pts)
{
	size_t stated = ns, n = 0, k = 0;

	for (size_t i = ns; i-- > 0;)
		if (s[i].track == track && s[i].dts != CB_NOPTS)
			stated = i;
	if (stated < ns) {	/* before the first one that is known: count back */
		int64_t d = s[stated].dts;

		for (size_t i = stated; i-- > 0;)
			if (s[i].track == track)
				s[i].dts = d = clamp((__int128)d - (s[i].duration > 0 ? s[i].duration : 1));
	}
	for (size_t i = 0; i < ns; i++)
		if (s[i].track == track && s[i].dts == CB_NOPTS && s[i].pts != CB_NOPTS)
			pts[n++] = s[i].pts;
	if (n)
		qsort(pts, n, sizeof(*pts), by_value);
	for (size_t i = 0; k < n && i < ns; i++)
		if (s[i].track == track && s[i].dts == CB_NOPTS && s[i].pts != CB_NOPTS)
			s[i].dts = pts[k++];
}

static int64_t dts_of(const struct cb_track *t, const struct cb_sample *s)
{
	if (s->dts != CB_NOPTS)
		return ticks(t, s->dts);
	return t->begun ? clamp((__int128)t->last_dts + t->last_delta) : 0;
}

/* Where the file's time begins: at the earliest first sample of its first fragment. */
static void set_clock(struct cb_mp4_clock *c, struct cb_track *t, size_t nt,
		      const struct cb_sample *s, size_t ns)
{
	bool seen[CB_STREAMS_MAX] = { false };

	for (size_t i = 0; i < ns; i++) {
		struct cb_track *k = &t[s[i].track];
		int64_t d;

		if (s[i].track >= nt || !k->playable || seen[s[i].track])
			continue;
		seen[s[i].track] = true;
		d = dts_of(k, &s[i]);
		if (!c->set || (__int128)d * c->timescale < (__int128)c->ticks * k->timescale)
			*c = (struct cb_mp4_clock){ true, d, k->timescale };
	}
}

/* The file's decoding time of the next sample of a track: behind the last one's. */
static int64_t file_time(struct cb_track *t, const struct cb_sample *s, const struct cb_mp4_clock *c)
{
	int64_t d = dts_of(t, s), v;
	__int128 base;

	if (!t->begun) {
		base = (__int128)c->ticks * t->timescale;
		/* floor, so that nothing starts before 0 */
		t->base = clamp(base >= 0 ? base / c->timescale :
				-((-base + c->timescale - 1) / c->timescale));
		t->begun = true;
		v = clamp((__int128)d - t->base);
		if (v < 0)
			v = 0;
	} else {
		v = clamp((__int128)d - t->base);
		/* a jump, back or ahead: go on from here */
		if (t->last_t - v > t->timescale || (s->jump && v > t->last_t)) {
			v = clamp((__int128)t->last_t + (t->last_delta ? t->last_delta : 1));
			t->base = clamp((__int128)d - v);
		} else if (v <= t->last_t) {
			v = t->last_t + 1;
		}
		t->last_delta = v - t->last_t;
	}
	if (v > INT64_C(1) << 61)
		v = INT64_C(1) << 61;
	t->last_t = v;
	t->last_dts = d;
	return v;
}

static uint32_t u32(int64_t v)
{
	return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (uint32_t)v;
}

static uint32_t sample_flags(uint16_t f)
{
	if (f & CB_F_KEY)
		return 0x02000000;
	return 0x01010000 | (f & CB_F_DISPOSABLE ? 0x00800000 : 0);
}

static int write_fragment(struct cb_buf *b, uint32_t number, struct cb_track *t, size_t nt,
			  const struct cb_sample *s, size_t ns, struct cb_mp4_clock *clock)
{
	size_t moof, at, start = b->len;
	uint64_t total = 0;

	for (size_t i = 0; i < ns; i++)
		total += s[i].len;
	if (total + 8 > UINT32_MAX || ns > (1u << 24) || cb_buf_reserve(b, 256 + nt * 64 + ns * 36) < 0)
		return -1;
	moof = cb_box_begin(b, "moof");
	if (!clock->set)
		set_clock(clock, t, nt, s, ns);
	at = cb_box_begin_full(b, "mfhd", 0, 0);
	cb_buf_be32(b, number);
	cb_box_end(b, at);
	for (size_t k = 0; k < nt; k++) {
		size_t traf = 0, trun = 0, count_at = 0, duration_at = 0, prev = ns;
		uint64_t offset = 0;
		uint32_t count = 0;
		int64_t last = 0;

		if (!t[k].playable)
			continue;
		for (size_t i = 0; i < ns; offset += s[i].len, i++) {
			int64_t v;

			if (s[i].track != k)
				continue;
			v = file_time(&t[k], &s[i], clock);
			if (prev == ns) {
				traf = cb_box_begin(b, "traf");
				at = cb_box_begin_full(b, "tfhd", 0, 0x020000);
				cb_buf_be32(b, t[k].stream + 1u);
				cb_box_end(b, at);
				at = cb_box_begin_full(b, "tfdt", 1, 0);
				cb_buf_be64(b, (uint64_t)v);
				cb_box_end(b, at);
			} else {
				cb_put_be32(b->data + duration_at, u32(v - last));
			}
			if (prev == ns || prev + 1 != i) {	/* a new run */
				if (prev != ns)
					cb_box_end(b, trun);
				trun = cb_box_begin_full(b, "trun", 1, 0xf01);
				count_at = b->len;
				count = 0;
				cb_buf_be32(b, 0);
				cb_buf_be32(b, (uint32_t)offset);	/* from the moof on; below */
			}
			duration_at = b->len;
			cb_buf_be32(b, u32(s[i].duration ? ticks(&t[k], s[i].duration) :
					   t[k].last_delta));
			cb_buf_be32(b, s[i].len);
			cb_buf_be32(b, sample_flags(s[i].flags));
			if (s[i].pts == CB_NOPTS) {
				cb_buf_be32(b, 0);
			} else {
				int64_t cts = clamp((__int128)ticks(&t[k], s[i].pts) - t[k].base - v);

				cb_buf_be32(b, (uint32_t)(cts > INT32_MAX ? INT32_MAX :
							  cts < -INT32_MAX ? -INT32_MAX : cts));
			}
			cb_put_be32(b->data + count_at, ++count);
			last = v;
			prev = i;
		}
		if (prev != ns) {
			cb_box_end(b, trun);
			cb_box_end(b, traf);
		}
	}
	cb_box_end(b, moof);

	/* now that its length is known, let each run point behind the mdat's header */
	for (size_t p = start + 8; p + 8 <= b->len; p += cb_be32(b->data + p)) {
		size_t end = p + cb_be32(b->data + p);

		if (memcmp(b->data + p + 4, "traf", 4) != 0)
			continue;
		for (size_t q = p + 8; q + 8 <= end; q += cb_be32(b->data + q))
			if (memcmp(b->data + q + 4, "trun", 4) == 0)
				cb_put_be32(b->data + q + 16, (uint32_t)(cb_be32(b->data + q + 16) +
									 (b->len - start) + 8));
	}
	cb_buf_be32(b, (uint32_t)(total + 8));
	return cb_buf_add(b, "mdat", 4);
}

int cb_mp4_fragment(struct cb_buf *b, uint32_t number, struct cb_track *t, size_t nt,
		    const struct cb_sample *s, size_t ns, struct cb_mp4_clock *clock)
{
	struct cb_sample *own = NULL;
	int64_t *pts = NULL;
	bool lacks = false;
	int ret = -1;

	for (size_t i = 0; i < ns; i++)
		lacks |= s[i].dts == CB_NOPTS;
	if (lacks) {
		own = calloc(ns, sizeof(*own));
		pts = calloc(ns, sizeof(*pts));
		if (!own || !pts)
			goto out;
		memcpy(own, s, ns * sizeof(*own));
		for (size_t k = 0; k < nt; k++)
			make_dts((uint16_t)k, own, ns, pts);
	}
	ret = write_fragment(b, number, t, nt, lacks ? own : s, ns, clock);
out:
	free(own);
	free(pts);
	return ret;
}
