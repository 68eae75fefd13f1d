/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter sets: a table, two box formats and two bit-stream parsers. */
#include "codec/paramsets.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "codec/annexb.h"

enum { VPS, SPS, PPS, EXT };

#define RBSP_MAX 4096	/* bytes of a set that are looked at */
#define SETS_BYTES (768u << 10)

/* --- bits ---------------------------------------------------------------------------------- */

struct bits {
	uint8_t data[RBSP_MAX];
	size_t n, pos;		/* bits */
	bool bad;
};

/* Without the emulation prevention bytes. */
static void bits_init(struct bits *b, const uint8_t *p, size_t n)
{
	size_t out = 0;
	int zeros = 0;

	for (size_t i = 0; i < n && out < RBSP_MAX; i++) {
		if (zeros >= 2 && p[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = p[i] ? 0 : zeros + 1;
		b->data[out++] = p[i];
	}
	b->n = out * 8;
	b->pos = 0;
	b->bad = false;
}

static uint32_t u(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	if (n > b->n - b->pos) {
		b->bad = true;
		b->pos = b->n;
		return 0;
	}
	for (; n > 0; n--, b->pos++)
		v = v << 1 | (b->data[b->pos >> 3] >> (7 - (b->pos & 7)) & 1);
	return v;
}

static uint32_t ue(struct bits *b)
{
	unsigned zeros = 0;

	while (!u(b, 1)) {
		if (b->bad || ++zeros > 31) {
			b->bad = true;
			return 0;
		}
	}
	return (uint32_t)((UINT64_C(1) << zeros) - 1) + u(b, zeros);
}

static int32_t se(struct bits *b)
{
	uint32_t v = ue(b);

	return v & 1 ? (int32_t)(v / 2 + 1) : -(int32_t)(v / 2);
}

/* --- H.264 -------------------------------------------------------------------------------- */

static const uint8_t sars[17][2] = {
	{ 0, 1 }, { 1, 1 }, { 12, 11 }, { 10, 11 }, { 16, 11 }, { 40, 33 }, { 24, 11 }, { 20, 11 },
	{ 32, 11 }, { 80, 33 }, { 18, 11 }, { 15, 11 }, { 64, 33 }, { 160, 99 }, { 4, 3 }, { 3, 2 },
	{ 2, 1 },
};

static bool high(uint32_t profile)
{
	switch (profile) {
	case 100: case 110: case 122: case 244: case 44: case 83: case 86: case 118: case 128:
	case 138: case 139: case 134: case 135:
		return true;
	}
	return false;
}

static void skip_scaling(struct bits *b, unsigned size)
{
	int32_t last = 8, next = 8;

	for (unsigned i = 0; i < size && !b->bad; i++) {
		if (next)
			next = (int32_t)(((uint32_t)last + (uint32_t)se(b)) & 255);
		if (next)
			last = next;
	}
}

static void skip_hrd(struct bits *b)
{
	uint32_t count = ue(b);

	u(b, 8);
	if (count > 31)
		b->bad = true;
	for (uint32_t i = 0; i <= count && !b->bad; i++) {
		ue(b);
		ue(b);
		u(b, 1);
	}
	u(b, 20);
}

/* What both standards put first into the VUI. */
static void vui_head(struct bits *b, struct cb_sps *s)
{
	if (u(b, 1)) {
		uint32_t idc = u(b, 8);

		if (idc == 255) {
			s->sar_num = u(b, 16);
			s->sar_den = u(b, 16);
		} else if (idc < 17) {
			s->sar_num = sars[idc][0];
			s->sar_den = sars[idc][1];
		}
	}
	if (u(b, 1))
		u(b, 1);
	if (u(b, 1)) {
		u(b, 3);
		s->full_range = (uint8_t)u(b, 1);
		if (u(b, 1)) {
			s->primaries = (uint8_t)u(b, 8);
			s->trc = (uint8_t)u(b, 8);
			s->matrix = (uint8_t)u(b, 8);
		} else {
			s->primaries = s->trc = s->matrix = 2;
		}
		s->has_color = true;
	}
	if (u(b, 1)) {
		ue(b);
		ue(b);
	}
}

static void vui_264(struct bits *b, struct cb_sps *s)
{
	bool nal, vcl;

	vui_head(b, s);
	if (u(b, 1)) {
		uint32_t tick = u(b, 32), scale = u(b, 32);

		u(b, 1);
		if (tick && scale && tick < UINT32_MAX / 2) {
			s->fr_num = scale;
			s->fr_den = tick * 2;
		}
	}
	nal = u(b, 1);
	if (nal)
		skip_hrd(b);
	vcl = u(b, 1);
	if (vcl)
		skip_hrd(b);
	if (nal || vcl)
		u(b, 1);
	u(b, 1);
	if (u(b, 1)) {
		uint32_t reorder;

		u(b, 1);
		ue(b);
		ue(b);
		ue(b);
		ue(b);
		reorder = ue(b);
		if (!b->bad && reorder <= 16)
			s->reorder = (int)reorder;
	}
}

static bool sps_264(struct cb_sps *s, struct bits *b)
{
	uint32_t constraints, poc, mbs, maps, left = 0, right = 0, top = 0, bottom = 0, cx, cy;
	bool frames;

	s->profile = u(b, 8);
	constraints = u(b, 8);
	s->level = u(b, 8);
	s->id = ue(b);
	s->chroma = 1;
	s->luma_bits = s->chroma_bits = 8;
	if (high(s->profile)) {
		uint32_t v = ue(b);

		if (v > 3)
			return false;
		s->chroma = (uint8_t)v;
		if (v == 3)
			s->separate_planes = u(b, 1);
		v = ue(b);
		if (v > 6)
			return false;
		s->luma_bits = (uint8_t)(8 + v);
		v = ue(b);
		if (v > 6)
			return false;
		s->chroma_bits = (uint8_t)(8 + v);
		u(b, 1);
		if (u(b, 1))
			for (int i = 0; i < (s->chroma == 3 ? 12 : 8); i++)
				if (u(b, 1))
					skip_scaling(b, i < 6 ? 16 : 64);
	}
	mbs = ue(b);
	if (mbs > 12)
		return false;
	s->frame_num_bits = (uint8_t)(mbs + 4);
	poc = ue(b);
	if (poc == 0) {
		ue(b);
	} else if (poc == 1) {
		uint32_t n;

		u(b, 1);
		se(b);
		se(b);
		n = ue(b);
		if (n > 255)
			return false;
		for (; n > 0 && !b->bad; n--)
			se(b);
	} else if (poc > 2) {
		return false;
	}
	ue(b);
	u(b, 1);
	mbs = ue(b);
	maps = ue(b);
	frames = u(b, 1);
	s->fields = !frames;
	if (!frames)
		u(b, 1);
	u(b, 1);
	if (u(b, 1)) {
		left = ue(b);
		right = ue(b);
		top = ue(b);
		bottom = ue(b);
	}
	if (b->bad || s->id > 31 || mbs >= 4096 || maps >= 4096)
		return false;
	cx = s->chroma == 1 || s->chroma == 2 ? 2 : 1;
	cy = (s->chroma == 1 ? 2 : 1) * (frames ? 1 : 2);
	s->width = (mbs + 1) * 16;
	s->height = (maps + 1) * 16 * (frames ? 1 : 2);
	if (s->width > 65535 || s->height > 65535)
		return false;
	if ((uint64_t)(left + (uint64_t)right) * cx < s->width)
		s->width -= (left + right) * cx;
	if ((uint64_t)(top + (uint64_t)bottom) * cy < s->height)
		s->height -= (top + bottom) * cy;
	s->reorder = s->profile == 66 || poc == 2 ||
		     (constraints & 0x10 && high(s->profile)) ? 0 : -1;
	/* what follows is worth having, but a set is good without it */
	if (u(b, 1)) {
		vui_264(b, s);
		b->bad = false;
	}
	return true;
}

/* --- H.265 -------------------------------------------------------------------------------- */

static bool rps(struct bits *b, uint32_t i, uint32_t *counts)
{
	if (i && u(b, 1)) {	/* predicted from the one before */
		uint32_t n = 0;

		u(b, 1);
		ue(b);
		for (uint32_t j = 0; j <= counts[i - 1] && !b->bad; j++)
			n += u(b, 1) || u(b, 1);	/* used, else use_delta */
		counts[i] = n;
	} else {
		uint32_t neg = ue(b), pos = ue(b);

		if (neg > 16 || pos > 16)
			return false;
		for (uint32_t j = 0; j < neg + pos && !b->bad; j++) {
			ue(b);
			u(b, 1);
		}
		counts[i] = neg + pos;
	}
	return !b->bad && counts[i] <= 32;
}

static void skip_scaling_lists(struct bits *b)
{
	for (int size = 0; size < 4; size++)
		for (int m = 0; m < 6 && !b->bad; m += size == 3 ? 3 : 1) {
			if (!u(b, 1)) {
				ue(b);
				continue;
			}
			if (size > 1)
				se(b);
			for (int i = 0; i < (size == 0 ? 16 : 64) && !b->bad; i++)
				se(b);
		}
}

/* From the bit depths on to the VUI; only colours, shape and rate are wanted. */
static void sps_265_tail(struct cb_sps *s, struct bits *b, uint32_t poc_bits)
{
	uint32_t counts[65] = { 0 }, n;

	for (int i = 0; i < 6; i++)
		ue(b);
	if (u(b, 1) && u(b, 1))
		skip_scaling_lists(b);
	u(b, 2);
	if (u(b, 1)) {
		u(b, 8);
		ue(b);
		ue(b);
		u(b, 1);
	}
	n = ue(b);
	if (n > 64)
		return;
	for (uint32_t i = 0; i < n; i++)
		if (!rps(b, i, counts))
			return;
	if (u(b, 1)) {
		n = ue(b);
		if (n > 32)
			return;
		for (; n > 0; n--)
			u(b, poc_bits + 1);
	}
	u(b, 2);
	if (b->bad || !u(b, 1))
		return;
	vui_head(b, s);
	u(b, 3);
	if (u(b, 1))
		for (int i = 0; i < 4; i++)
			ue(b);
	if (u(b, 1)) {
		uint32_t tick = u(b, 32), scale = u(b, 32);

		if (!b->bad && tick && scale) {
			s->fr_num = scale;
			s->fr_den = tick;
		}
	}
}

static bool sps_265(struct cb_sps *s, struct bits *b)
{
	uint32_t layers, poc_bits, reorder = 0, left = 0, right = 0, top = 0, bottom = 0, cx, cy, v;
	bool has[8][2];

	u(b, 4);
	layers = u(b, 3);
	s->nested = u(b, 1);
	s->sub_layers = (uint8_t)(layers + 1);
	if (layers > 6)
		return false;
	for (int i = 0; i < 12; i++)
		s->ptl[i] = (uint8_t)u(b, 8);
	s->profile = s->ptl[0] & 31;
	s->level = s->ptl[11];
	for (uint32_t i = 0; i < layers; i++) {
		has[i][0] = u(b, 1);
		has[i][1] = u(b, 1);
	}
	if (layers)
		u(b, 2 * (8 - layers));
	for (uint32_t i = 0; i < layers; i++) {
		if (has[i][0])
			for (int k = 0; k < 11; k++)
				u(b, 8);
		if (has[i][1])
			u(b, 8);
	}
	s->id = ue(b);
	v = ue(b);
	if (v > 3)
		return false;
	s->chroma = (uint8_t)v;
	if (v == 3)
		s->separate_planes = u(b, 1);
	s->width = ue(b);
	s->height = ue(b);
	if (u(b, 1)) {
		left = ue(b);
		right = ue(b);
		top = ue(b);
		bottom = ue(b);
	}
	v = ue(b);
	if (v > 8)
		return false;
	s->luma_bits = (uint8_t)(8 + v);
	v = ue(b);
	if (v > 8)
		return false;
	s->chroma_bits = (uint8_t)(8 + v);
	poc_bits = ue(b) + 3;
	v = u(b, 1);
	for (uint32_t i = v ? 0 : layers; i <= layers; i++) {
		ue(b);
		reorder = ue(b);
		ue(b);
	}
	if (b->bad || s->id > 15 || poc_bits > 15 || !s->width || !s->height || s->width > 65535 ||
	    s->height > 65535)
		return false;
	s->reorder = reorder <= 16 ? (int)reorder : -1;
	cx = s->chroma == 1 || s->chroma == 2 ? 2 : 1;
	cy = s->chroma == 1 ? 2 : 1;
	if ((left + (uint64_t)right) * cx < s->width)
		s->width -= (left + right) * cx;
	if ((top + (uint64_t)bottom) * cy < s->height)
		s->height -= (top + bottom) * cy;
	sps_265_tail(s, b, poc_bits);
	b->bad = false;
	return true;
}

bool cb_sps_parse(struct cb_sps *ret, bool hevc, const uint8_t *p, size_t n)
{
	struct cb_sps s = { .reorder = -1 };
	struct bits b;
	size_t head = hevc ? 2 : 1;

	if (n <= head)
		return false;
	bits_init(&b, p + head, n - head);
	if (!(hevc ? sps_265(&s, &b) : sps_264(&s, &b)))
		return false;
	if (!s.sar_num || !s.sar_den)
		s.sar_num = 0, s.sar_den = 1;
	if (!s.fr_num || !s.fr_den)
		s.fr_num = 0, s.fr_den = 1;
	*ret = s;
	return true;
}

/* --- the table ---------------------------------------------------------------------------- */

void cb_sets_init(struct cb_sets *s, bool hevc)
{
	*s = (struct cb_sets){ .hevc = hevc, .active = -1 };
}

void cb_sets_release(struct cb_sets *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->set[i].data);
	free(s->set);
	cb_sets_init(s, s->hevc);
}

static unsigned type(bool hevc, const uint8_t *p)
{
	return hevc ? p[0] >> 1 & 63 : p[0] & 31;
}

/* The kind of a parameter set, or -1. */
static int kind(bool hevc, const uint8_t *p, size_t n)
{
	unsigned t;

	if (n < (hevc ? 3u : 2u))
		return -1;
	t = type(hevc, p);
	if (hevc)	/* sets of other layers than the base go on in the packets only */
		return t >= 32 && t <= 34 && !(p[0] & 1) && !(p[1] >> 3) ? (int)t - 32 : -1;
	return t == 7 ? SPS : t == 8 ? PPS : t == 13 ? EXT : -1;
}

bool cb_sets_is_set(bool hevc, const uint8_t *p, size_t n)
{
	return kind(hevc, p, n) >= 0;
}

bool cb_sets_is_slice(bool hevc, const uint8_t *p, size_t n)
{
	unsigned t = n ? type(hevc, p) : 63;

	return hevc ? t < 32 : t >= 1 && t <= 5;
}

/* The number of a set; -1 where it cannot be read. */
static int set_id(bool hevc, int k, const uint8_t *p, size_t n)
{
	struct cb_sps sps;
	struct bits b;
	uint32_t id;

	if (k == SPS)
		return cb_sps_parse(&sps, hevc, p, n) ? (int)sps.id : -1;
	if (k == VPS)
		return p[2] >> 4;
	bits_init(&b, p + (hevc ? 2 : 1), n < 64 ? n - (hevc ? 2 : 1) : 62);
	id = ue(&b);
	if (b.bad || id > (k == EXT ? 31 : hevc ? 63 : 255))
		return -1;
	if (k == PPS && (ue(&b) > (hevc ? 15u : 31u) || b.bad))
		return -1;
	return (int)id;
}

static struct cb_set *find(const struct cb_sets *s, int k, int id)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->set[i].kind == k && (id < 0 || s->set[i].id == id))
			return &s->set[i];
	return NULL;
}

static int take(struct cb_sets *s, int k, const uint8_t *p, size_t n, struct cb_err *err)
{
	struct cb_set *e, *v;
	size_t total = n;
	uint8_t *copy;
	unsigned at;
	int id;

	while (n > 2 && p[n - 1] == 0)	/* avcC boxes with sets padded by zeros exist */
		n--;
	if (n > CB_SET_MAX || (id = set_id(s->hevc, k, p, n)) < 0)
		return 0;
	e = find(s, k, id);
	if (e && e->len == n && memcmp(e->data, p, n) == 0)
		return 0;
	for (unsigned i = 0; i < s->n; i++)
		total += &s->set[i] == e ? 0 : s->set[i].len;
	if (total > SETS_BYTES)
		return 0;
	copy = malloc(n);
	if (!copy)
		return cb_err_nomem(err);
	memcpy(copy, p, n);
	if (!e) {
		v = realloc(s->set, (s->n + 1) * sizeof(*v));
		if (!v) {
			free(copy);
			return cb_err_nomem(err);
		}
		s->set = v;
		for (at = 0; at < s->n; at++)
			if (v[at].kind > k || (v[at].kind == k && v[at].id > id))
				break;
		memmove(v + at + 1, v + at, (s->n - at) * sizeof(*v));
		s->n++;
		e = v + at;
		*e = (struct cb_set){ .kind = (uint8_t)k, .id = (uint16_t)id };
	}
	free(e->data);
	e->data = copy;
	e->len = (uint32_t)n;
	s->version++;
	return 1;
}

/* The PPS that a slice names, and through it the SPS. */
static void activate(struct cb_sets *s, const uint8_t *p, size_t n)
{
	size_t head = s->hevc ? 2 : 1;
	const struct cb_set *pps;
	struct bits b;
	uint32_t id;
	unsigned t = type(s->hevc, p);

	if (n <= head)
		return;
	bits_init(&b, p + head, n - head < 32 ? n - head : 32);
	if (s->hevc) {
		if (!u(&b, 1))
			return;
		if (t >= 16 && t <= 23)
			u(&b, 1);
	} else {
		if (ue(&b) != 0)
			return;
		ue(&b);
	}
	id = ue(&b);
	if (b.bad || id > 255)
		return;
	pps = find(s, PPS, (int)id);
	if (!pps)
		return;
	bits_init(&b, pps->data + head, pps->len < 64 ? pps->len - head : 62);
	ue(&b);
	id = ue(&b);
	if (!b.bad && find(s, SPS, (int)id))
		s->active = (int)id;
}

int cb_sets_unit(struct cb_sets *s, const uint8_t *p, size_t n, struct cb_err *err)
{
	int k = kind(s->hevc, p, n);

	if (k >= 0)
		return take(s, k, p, n, err);
	if (n && cb_sets_is_slice(s->hevc, p, n))
		activate(s, p, n);
	return 0;
}

bool cb_sets_complete(const struct cb_sets *s)
{
	return find(s, SPS, -1) && find(s, PPS, -1) && (!s->hevc || find(s, VPS, -1));
}

static const struct cb_set *active(const struct cb_sets *s)
{
	const struct cb_set *e = s->active >= 0 ? find(s, SPS, s->active) : NULL;

	return e ? e : find(s, SPS, -1);
}

bool cb_sets_sps(const struct cb_sets *s, struct cb_sps *ret)
{
	const struct cb_set *e = active(s);

	return e && cb_sps_parse(ret, s->hevc, e->data, e->len);
}

/* --- avcC and hvcC -------------------------------------------------------------------------- */

static unsigned count(const struct cb_sets *s, int k)
{
	unsigned c = 0;

	for (unsigned i = 0; i < s->n; i++)
		c += s->set[i].kind == k;
	return c;
}

static int put_sets(const struct cb_sets *s, struct cb_buf *out, int k)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->set[i].kind == k && (cb_buf_be16(out, (uint16_t)s->set[i].len) < 0 ||
					    cb_buf_add(out, s->set[i].data, s->set[i].len) < 0))
			return -1;
	return 0;
}

static int avcc(const struct cb_sets *s, struct cb_buf *out, int nal_length, const struct cb_sps *sps)
{
	const struct cb_set *e = active(s);
	unsigned pps = count(s, PPS), ext = count(s, EXT);
	uint8_t head[6] = { 1, e->data[1], e->data[2], e->data[3], (uint8_t)(0xfc | (nal_length - 1)),
			    (uint8_t)(0xe0 | (count(s, SPS) & 31)) };

	/* 32 sequence parameter sets are allowed, but the box can count 31 */
	if (count(s, SPS) > 31 || pps > 255)
		return -2;
	if (cb_buf_add(out, head, 6) < 0 || put_sets(s, out, SPS) < 0 ||
	    cb_buf_byte(out, (uint8_t)pps) < 0 || put_sets(s, out, PPS) < 0)
		return -1;
	if (!high(sps->profile))
		return 0;
	if (cb_buf_byte(out, 0xfc | sps->chroma) < 0 ||
	    cb_buf_byte(out, (uint8_t)(0xf8 | (sps->luma_bits - 8))) < 0 ||
	    cb_buf_byte(out, (uint8_t)(0xf8 | (sps->chroma_bits - 8))) < 0 ||
	    cb_buf_byte(out, (uint8_t)ext) < 0 || put_sets(s, out, EXT) < 0)
		return -1;
	return 0;
}

static int hvcc(const struct cb_sets *s, struct cb_buf *out, int nal_length, const struct cb_sps *sps)
{
	if (cb_buf_byte(out, 1) < 0 || cb_buf_add(out, sps->ptl, 12) < 0 ||
	    cb_buf_be16(out, 0xf000) < 0 || cb_buf_byte(out, 0xfc) < 0 ||
	    cb_buf_byte(out, 0xfc | sps->chroma) < 0 ||
	    cb_buf_byte(out, (uint8_t)(0xf8 | (sps->luma_bits - 8))) < 0 ||
	    cb_buf_byte(out, (uint8_t)(0xf8 | (sps->chroma_bits - 8))) < 0 ||
	    cb_buf_be16(out, 0) < 0 ||
	    cb_buf_byte(out, (uint8_t)(sps->sub_layers << 3 | sps->nested << 2 | (nal_length - 1))) < 0 ||
	    cb_buf_byte(out, 3) < 0)
		return -1;
	for (int k = VPS; k <= PPS; k++)
		if (cb_buf_byte(out, (uint8_t)(32 + k)) < 0 ||
		    cb_buf_be16(out, (uint16_t)count(s, k)) < 0 || put_sets(s, out, k) < 0)
			return -1;
	return 0;
}

int cb_sets_extradata(const struct cb_sets *s, struct cb_buf *out, int nal_length,
		      struct cb_err *err)
{
	size_t was = out->len;
	struct cb_sps sps;
	int r;

	if (!cb_sets_complete(s) || !cb_sets_sps(s, &sps))
		return cb_err_set(err, CB_E_DATA, "no complete parameter sets");
	r = s->hevc ? hvcc(s, out, nal_length, &sps) : avcc(s, out, nal_length, &sps);
	if (r < 0)
		out->len = was;
	if (r == -2)
		return cb_err_set(err, CB_E_DATA, "too many parameter sets");
	return r < 0 ? cb_err_nomem(err) : 0;
}

/* One run of (length, set) pairs. Returns the position behind it, or 0 where it ends early. */
static size_t load_run(struct cb_sets *s, const uint8_t *p, size_t n, size_t at, unsigned units,
		       bool *nomem)
{
	for (; units > 0; units--) {
		size_t len;

		if (n - at < 2 || n - at - 2 < (len = cb_be16(p + at)))
			return 0;
		at += 2;
		if (cb_sets_unit(s, p + at, len, NULL) < 0)
			*nomem = true;
		at += len;
	}
	return at;
}

int cb_sets_load(struct cb_sets *s, const uint8_t *p, size_t n, int *ret_nal_length,
		 struct cb_err *err)
{
	uint64_t version = s->version;
	bool nomem = false, whole = true;
	size_t at = 0, pos = 0;
	struct cb_nal nal;

	cb_sets_release(s);
	s->version = version + 1;
	if (cb_annexb_is(p, n)) {
		while (cb_annexb_next(p, n, &pos, &nal))
			if (cb_sets_unit(s, nal.p, nal.n, NULL) < 0)
				nomem = true;
		*ret_nal_length = 0;
	} else if (s->hevc && n >= 23) {
		*ret_nal_length = (p[21] & 3) + 1;
		at = 23;
		for (unsigned i = 0; i < p[22] && whole; i++) {
			if (n - at < 3 || !(at = load_run(s, p, n, at + 3, cb_be16(p + at + 1), &nomem)))
				whole = false;
		}
	} else if (!s->hevc && n >= 7 && p[0] == 1) {
		*ret_nal_length = (p[4] & 3) + 1;
		at = load_run(s, p, n, 6, p[5] & 31, &nomem);
		whole = at && at < n && (at = load_run(s, p, n, at + 1, p[at], &nomem));
		if (whole && n - at >= 4)
			load_run(s, p, n, at + 4, p[at + 3], &nomem);
	} else {
		return cb_err_set(err, CB_E_DATA, "%zu bytes that are no %s configuration", n,
				  s->hevc ? "H.265" : "H.264");
	}
	if (nomem)
		return cb_err_nomem(err);
	if (!whole)
		return cb_err_set(err, CB_E_DATA, "a truncated %s configuration",
				  s->hevc ? "H.265" : "H.264");
	return 0;
}
