/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of packets, as far as they say what depends on what. */
#include "media/need.h"

#include <string.h>

#include "codec/annexb.h"

enum { UNKNOWN_TOP = 7 };	/* H.265: no picture is in a sub-layer so high */

/* --- bits -------------------------------------------------------------------------------------- */

struct bits {
	const uint8_t *p;
	size_t n, at;		/* bytes; bits */
	bool bad;		/* read beyond the end */
};

static uint32_t get(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	for (; n; n--, b->at++) {
		if (b->at / 8 >= b->n) {
			b->bad = true;
			return 0;
		}
		v = v << 1 | (b->p[b->at / 8] >> (7 - b->at % 8) & 1);
	}
	return v;
}

/* A hash of headers, FNV-1a; 0: none. */
static void add(uint64_t *hash, const uint8_t *p, size_t n)
{
	uint64_t h = *hash ? *hash : UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	*hash = (h ^ n) * UINT64_C(0x100000001b3);
}

static bool changed(struct cb_needs *n, uint64_t hash)
{
	bool other = hash && hash != n->headers;

	if (hash)
		n->headers = hash;
	return other;
}

/* --- H.264 and H.265 ----------------------------------------------------------------------------- */

static void h264(const struct cb_nal *u, struct cb_need *r, uint64_t *hash, bool *any, bool *spare)
{
	unsigned type = u->p[0] & 31;

	if (type >= 1 && type <= 5) {
		r->anew |= type == 5;
		*any = true;
		*spare &= !(u->p[0] & 0x60);
	} else if (type == 7 || type == 8 || type == 13 || type == 15) {
		add(hash, u->p, u->n);
	} else if (type == 10 || type == 11) {
		*spare = false;		/* the end of a sequence says something of what follows */
	}
}

/* The highest sub-layer that sequence parameter sets allow, over all that were seen. */
static void h265_set(struct cb_needs *n, const uint8_t *p, size_t len)
{
	int top;

	if (len < 3 || (p[0] >> 1 & 63) != 33)
		return;
	top = p[2] >> 1 & 7;
	if (n->top == UNKNOWN_TOP || top > n->top)
		n->top = top;
}

static void h265(struct cb_needs *n, const struct cb_nal *u, struct cb_need *r, uint64_t *hash, bool *any,
		 bool *spare)
{
	unsigned type = u->p[0] >> 1 & 63, layer;
	int tid;

	if (u->n < 2) {
		*spare = false;
		return;
	}
	layer = (u->p[0] & 1u) << 5 | u->p[1] >> 3;
	tid = (u->p[1] & 7) - 1;
	if (type < 32) {
		if (layer)	/* what is coded on top of the base layer is not decoded */
			return;
		r->anew |= type == 19 || type == 20;
		*any = true;
		/* even numbers below 16: no picture of the same sub-layer refers to this one */
		*spare &= type < 16 && !(type & 1) && tid >= n->top;
	} else if (type <= 34) {
		h265_set(n, u->p, u->n);
		add(hash, u->p, u->n);
	} else if (type == 36 || type == 37) {
		*spare = false;
	}
}

static void units(struct cb_needs *n, const struct cb_packet *p, struct cb_need *r)
{
	bool any = false, spare = true;
	uint64_t hash = 0;
	struct cb_nal u;
	size_t pos = 0;
	int k;

	while ((k = cb_nal_next(p->data, p->len, n->nal_length, &pos, &u)) > 0) {
		if (n->codec == CB_NEED_H264)
			h264(&u, r, &hash, &any, &spare);
		else
			h265(n, &u, r, &hash, &any, &spare);
	}
	r->headers = changed(n, hash);
	r->spare = any && spare && !k && !hash;
	r->anew &= !k;
}

/* Parameter sets of hvcC (ISO/IEC 14496-15 8.3.3.1) or of a byte stream. */
static void h265_extradata(struct cb_needs *n, const uint8_t *p, size_t len)
{
	struct cb_nal u;
	size_t pos = 0;

	if (len <= 23 || p[0] != 1) {
		while (cb_annexb_next(p, len, &pos, &u))
			h265_set(n, u.p, u.n);
		return;
	}
	pos = 23;
	for (int arrays = p[22]; arrays && len - pos >= 3; arrays--) {
		int units_of = p[pos + 1] << 8 | p[pos + 2];

		for (pos += 3; units_of && len - pos >= 2; units_of--) {
			size_t size = (size_t)p[pos] << 8 | p[pos + 1];

			pos += 2;
			if (size > len - pos)
				return;
			h265_set(n, p + pos, size);
			pos += size;
		}
	}
}

/* --- AV1 ---------------------------------------------------------------------------------------- */

enum { OBU_SEQUENCE = 1, OBU_FRAME_HEADER = 3, OBU_FRAME = 6, SELECT = 2, AV1_KEY = 0, AV1_INTRA = 2, AV1_SWITCH = 3 };

/* 5.5.1, up to the order hint. */
static void av1_sequence(struct cb_need_av1 *s, const uint8_t *p, size_t len)
{
	struct bits b = { p, len, 0, false };
	unsigned delay_bits = 0, w, h;

	*s = (struct cb_need_av1){ 0 };
	get(&b, 4);			/* profile, still_picture */
	if (get(&b, 1))			/* reduced_still_picture_header: nothing to save there */
		return;
	if (get(&b, 1)) {		/* timing_info */
		get(&b, 32);
		get(&b, 32);
		s->equal_interval = get(&b, 1);
		if (s->equal_interval) {	/* uvlc() */
			unsigned zeros = 0;

			while (!b.bad && !get(&b, 1))
				if (++zeros == 32)
					return;
			get(&b, zeros);
		}
		s->model = get(&b, 1);
		if (s->model) {
			delay_bits = get(&b, 5) + 1;
			get(&b, 32);
			s->removal_bits = (uint8_t)(get(&b, 5) + 1);
			s->time_bits = (uint8_t)(get(&b, 5) + 1);
		}
	}
	w = get(&b, 1);			/* initial_display_delay_present_flag */
	s->points = (uint8_t)(get(&b, 5) + 1);
	for (unsigned i = 0; i < s->points; i++) {
		s->point_idc[i] = (uint16_t)get(&b, 12);
		if (get(&b, 5) > 7)
			get(&b, 1);
		if (s->model && get(&b, 1)) {
			s->point_model[i] = true;
			get(&b, delay_bits);
			get(&b, delay_bits);
			get(&b, 1);
		}
		if (w && get(&b, 1))
			get(&b, 4);
	}
	w = get(&b, 4) + 1;
	h = get(&b, 4) + 1;
	get(&b, w);
	get(&b, h);
	s->ids = get(&b, 1);
	if (s->ids) {
		unsigned delta = get(&b, 4) + 2;

		s->id_bits = (uint8_t)(get(&b, 3) + delta + 1);
	}
	get(&b, 3);			/* 128x128, filter_intra, intra_edge_filter */
	get(&b, 4);			/* interintra, masked compound, warped motion, dual filter */
	s->order = get(&b, 1);
	if (s->order)
		get(&b, 2);
	s->screen = get(&b, 1) ? SELECT : (uint8_t)get(&b, 1);
	s->integer_mv = SELECT;
	if (s->screen && !get(&b, 1))
		s->integer_mv = (uint8_t)get(&b, 1);
	if (s->order)
		s->order_bits = (uint8_t)(get(&b, 3) + 1);
	s->known = !b.bad;
}

struct av1_frame {
	bool key, shown;
	uint32_t refresh;
};

/* 5.9.2, up to refresh_frame_flags. false: an existing frame is shown, or it cannot be read. */
static bool av1_frame(const struct cb_need_av1 *s, const uint8_t *p, size_t len, unsigned temporal,
		      unsigned spatial, struct av1_frame *ret)
{
	struct bits b = { p, len, 0, false };
	bool resilient;
	unsigned type;

	if (!s->known || get(&b, 1))
		return false;
	type = get(&b, 2);
	ret->shown = get(&b, 1);
	ret->key = type == AV1_KEY;
	if (ret->shown && s->model && !s->equal_interval)
		get(&b, s->time_bits);
	if (!ret->shown)
		get(&b, 1);
	resilient = type == AV1_SWITCH || (ret->key && ret->shown) || get(&b, 1);
	get(&b, 1);			/* disable_cdf_update */
	if (s->screen == SELECT ? get(&b, 1) : s->screen)
		if (s->integer_mv == SELECT)
			get(&b, 1);
	if (s->ids)
		get(&b, s->id_bits);
	if (type != AV1_SWITCH)
		get(&b, 1);		/* frame_size_override_flag */
	get(&b, s->order_bits);
	if (!ret->key && type != AV1_INTRA && !resilient)
		get(&b, 3);		/* primary_ref_frame */
	if (s->model && get(&b, 1))
		for (unsigned i = 0; i < s->points; i++) {
			unsigned idc = s->point_idc[i];

			if (s->point_model[i] &&
			    (!idc || ((idc >> temporal & 1) && (idc >> (spatial + 8) & 1))))
				get(&b, s->removal_bits);
		}
	ret->refresh = type == AV1_SWITCH || (ret->key && ret->shown) ? 255 : get(&b, 8);
	return !b.bad;
}

/* The OBUs of a temporal unit, or of an av1C box. */
static void av1(struct cb_needs *n, const uint8_t *p, size_t len, struct cb_need *r)
{
	bool any = false, spare = true, first = true;
	uint64_t hash = 0;

	for (size_t at = 0, size; at < len; at += size) {
		unsigned type = p[at] >> 3 & 15, temporal = 0, spatial = 0;
		bool extension = p[at] & 4, sized = p[at] & 2;
		struct av1_frame f;

		at++;
		if (extension) {
			if (at >= len)
				goto bad;
			temporal = p[at] >> 5;
			spatial = p[at] >> 3 & 3;
			at++;
		}
		size = len - at;
		if (sized) {		/* leb128() */
			uint64_t v = 0;
			unsigned k = 0;

			do {
				if (at >= len || k == 8)
					goto bad;
				v |= (uint64_t)(p[at] & 127) << 7 * k++;
			} while (p[at++] & 128);
			if (v > len - at)
				goto bad;
			size = (size_t)v;
		}
		if (type == OBU_SEQUENCE) {
			av1_sequence(&n->av1, p + at, size);
			add(&hash, p + at, size);
		} else if (type == OBU_FRAME || type == OBU_FRAME_HEADER) {
			any = true;
			if (!av1_frame(&n->av1, p + at, size, temporal, spatial, &f)) {
				spare = first = false;
				continue;
			}
			r->anew |= first && f.key && f.shown;
			first = false;
			spare &= f.shown && !f.refresh;
		}
	}
	r->headers = changed(n, hash);
	r->spare = any && spare && !hash;
	return;
bad:
	r->spare = r->anew = false;
}

/* --- start codes of MPEG ----------------------------------------------------------------------------- */

static void mpeg(const struct cb_needs *n, const struct cb_packet *p, struct cb_need *r)
{
	bool any = false, spare = true;

	for (size_t i = 0; i + 4 < p->len; i++) {
		uint8_t code;

		if (p->data[i] || p->data[i + 1] || p->data[i + 2] != 1)
			continue;
		code = p->data[i + 3];
		if (n->codec == CB_NEED_MPEG12) {
			if (code == 0) {
				any = true;
				spare &= i + 5 < p->len && (p->data[i + 5] >> 3 & 7) == 3;
			} else if (code == 0xb3 || code == 0xb8 || code == 0xb7) {
				r->headers = true;
			}
		} else if (code == 0xb6) {
			any = true;
			spare &= p->data[i + 4] >> 6 == 2;
		} else if (code <= 0x2f || (code >= 0xb0 && code <= 0xb5)) {
			r->headers = true;
		}
		i += 3;
	}
	r->spare = any && spare && !r->headers;
}

/* --- JPEG --------------------------------------------------------------------------------------------- */

/* A picture with all the tables that it uses needs no other; abbreviated ones (T.81 B.4) do. */
static void jpeg(const struct cb_packet *p, struct cb_need *r)
{
	unsigned have_q = 0, have_h = 0, want_q = 0, components = 0;
	const uint8_t *d = p->data;
	size_t n = p->len, at = 2;

	if (n < 4 || d[0] != 0xff || d[1] != 0xd8)
		return;
	while (n - at >= 4 && d[at] == 0xff) {
		unsigned code = d[at + 1];
		size_t len = (size_t)d[at + 2] << 8 | d[at + 3], end = at + 2 + len;

		if (code == 0xff) {		/* fill */
			at++;
			continue;
		}
		if (len < 2 || len > n - at - 2)
			return;
		at += 4;
		if (code == 0xdb) {		/* DQT */
			while (at < end) {
				have_q |= 1u << (d[at] & 15);
				at += 1 + (d[at] >> 4 ? 128 : 64);
			}
		} else if (code == 0xc4) {	/* DHT */
			while (end - at >= 17 && at < end) {
				size_t codes = 0;

				have_h |= 1u << (d[at] >> 4 & 1) * 4 << (d[at] & 3);
				for (size_t i = 1; i <= 16; i++)
					codes += d[at + i];
				if (codes > end - at - 17)
					return;
				at += 17 + codes;
			}
		} else if (code >= 0xc0 && code <= 0xc2) {	/* baseline, extended, progressive */
			if (len < 8 || len < 8 + 3u * d[at + 5])
				return;
			components = code < 0xc2 ? d[at + 5] : 0;
			r->jpeg = d[at] == 8;
			r->height = (uint16_t)(d[at + 1] << 8 | d[at + 2]);
			r->width = (uint16_t)(d[at + 3] << 8 | d[at + 4]);
			for (unsigned i = 0; i < d[at + 5]; i++)
				want_q |= 1u << (d[at + 8 + 3 * i] & 15);
		} else if (code == 0xda) {	/* SOS */
			unsigned want_h = 0;

			if (len < 3 || len < 6 + 2u * d[at])
				return;
			for (unsigned i = 0; i < d[at]; i++) {
				uint8_t t = d[at + 2 + 2 * i];

				want_h |= 1u << (t >> 4 & 3) | 1u << (4 + (t & 3));
			}
			/* what comes in one scan, and not in several that bring tables later */
			r->anew = r->jpeg && components && d[at] == components && !(want_q & ~have_q) && !(want_h & ~have_h);
			return;
		}
		at = end;
	}
}

/* --- all ---------------------------------------------------------------------------------------------- */

void cb_needs_init(struct cb_needs *n, const struct cb_stream *s)
{
	static const struct {
		const char *name;
		enum cb_need_codec codec;
	} table[] = {
		{ "h264", CB_NEED_H264 }, { "hevc", CB_NEED_H265 }, { "av1", CB_NEED_AV1 },
		{ "mpeg1video", CB_NEED_MPEG12 }, { "mpeg2video", CB_NEED_MPEG12 }, { "mpeg4", CB_NEED_MPEG4 },
		{ "vp8", CB_NEED_VP8 }, { "vp9", CB_NEED_VP9 }, { "mjpeg", CB_NEED_JPEG },
		/* coded by themselves, without tables that others carry */
		{ "png", CB_NEED_ALONE }, { "prores", CB_NEED_ALONE }, { "rawvideo", CB_NEED_ALONE },
		{ "dvvideo", CB_NEED_ALONE }, { "jpeg2000", CB_NEED_ALONE },
	};
	struct cb_need r = { 0 };

	*n = (struct cb_needs){ .top = UNKNOWN_TOP, .nal_length = s->nal_length };
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(s->codec, table[i].name))
			n->codec = table[i].codec;
	if ((n->codec == CB_NEED_H264 || n->codec == CB_NEED_H265) && !s->nal_length)
		n->codec = CB_NEED_OTHER;
	if (n->codec == CB_NEED_H265 && s->extradata_len)
		h265_extradata(n, s->extradata, s->extradata_len);
	if (n->codec == CB_NEED_AV1 && s->extradata_len > 4 && s->extradata[0] == 0x81)
		av1(n, s->extradata + 4, s->extradata_len - 4, &r);
}

struct cb_need cb_needs_packet(struct cb_needs *n, const struct cb_packet *p)
{
	struct cb_need r = { 0 };

	if (!p->len)
		return r;
	switch (n->codec) {
	case CB_NEED_H264: case CB_NEED_H265:
		units(n, p, &r);
		break;
	case CB_NEED_AV1:
		av1(n, p->data, p->len, &r);
		break;
	case CB_NEED_MPEG12: case CB_NEED_MPEG4:
		mpeg(n, p, &r);
		break;
	case CB_NEED_VP8:
		r.anew = p->len > 10 && !(p->data[0] & 1) && !memcmp(p->data + 3, "\x9d\1\x2a", 3);
		break;
	case CB_NEED_VP9: {
		struct bits b = { p->data, p->len, 0, false };
		unsigned profile;

		r.anew = get(&b, 2) == 2;
		profile = get(&b, 1);
		profile |= get(&b, 1) << 1;
		if (profile == 3)
			get(&b, 1);
		r.anew = r.anew && !get(&b, 1) && !get(&b, 1) && !b.bad;
		break;
	}
	case CB_NEED_JPEG:
		jpeg(p, &r);
		break;
	case CB_NEED_ALONE:
		r.anew = r.spare = true;
		break;
	case CB_NEED_OTHER:
		break;
	}
	return r;
}
