/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG (RFC 2435): the scan data comes as it is, the headers are made from what the packets say
 * of them. Tables are those of ITU-T T.81 Annex K. With the header extension 0xFFD8 of ONVIF's
 * streaming specification a packet brings marker segments of the picture's own, which then
 * stand in for those that would be made. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "rtsp/depay-priv.h"

/* K.1, K.2, row by row */
static const uint8_t luma[64] = {
	16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
	14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
	18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
	49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
};
static const uint8_t chroma[64] = {
	17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
	24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
	99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
	99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
};
/* figure A.6: where in the rows the k-th coefficient stands */
static const uint8_t zigzag[64] = {
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,
	6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45,
	38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};
/* K.3 to K.6: how many codes of each length, then their values */
static const uint8_t dc_luma[] = { 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0,
				   0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static const uint8_t dc_chroma[] = { 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0,
				     0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static const uint8_t ac_luma[] = {
	0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d,
	0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
	0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
	0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
	0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
	0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
	0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
	0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
	0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
	0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
	0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
	0xf9, 0xfa,
};
static const uint8_t ac_chroma[] = {
	0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77,
	0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
	0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
	0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
	0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
	0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
	0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
	0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
	0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
	0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
	0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
	0xf9, 0xfa,
};

/* What the first packet of a picture says. */
struct picture {
	uint8_t type, q;
	uint32_t width, height, restart;
	const uint8_t *tables;	/* quantisation, in zigzag order */
	size_t tables_len;
	bool wide;		/* of 16 bits each */
	const uint8_t *own;	/* marker segments of the header extension */
	size_t own_len;
};

/* The next marker segment: its marker, the whole of it in *ret, or 0 at the end. 0xFF fills. */
static uint8_t segment(const uint8_t *p, size_t n, size_t *pos, const uint8_t **ret, size_t *ret_len)
{
	size_t at = *pos, len;

	while (at + 1 < n && p[at] == 0xff && p[at + 1] == 0xff)
		at++;
	while (at + 1 < n && p[at] == 0xff && p[at + 1] == 0xd8)
		at += 2;
	if (at + 4 > n || p[at] != 0xff || p[at + 1] < 0xc0)
		return 0;
	len = cb_be16(p + at + 2);
	if (len < 2 || len > n - at - 2)
		return 0;
	*ret = p + at;
	*ret_len = len + 2;
	*pos = at + len + 2;
	return p[at + 1];
}

static bool is_sof(uint8_t m)
{
	return m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc;
}

static int put_huffman(struct cb_buf *b, uint8_t id, const uint8_t *t, size_t n)
{
	uint8_t head[5] = { 0xff, 0xc4, 0, (uint8_t)(n + 3), id };

	return cb_buf_add(b, head, 5) < 0 || cb_buf_add(b, t, n) < 0 ? -1 : 0;
}

static int put_tables(struct cb_buf *b, const struct picture *k)
{
	uint8_t made[128];
	const uint8_t *t = k->tables;
	size_t each = k->wide ? 128 : 64, n = k->tables_len / each;

	if (!k->tables_len) {	/* RFC 2435 4.2, appendix A */
		uint32_t f = k->q < 50 ? 5000 / k->q : 200u - 2u * k->q;

		for (int i = 0; i < 128; i++) {
			uint32_t v = ((i < 64 ? luma : chroma)[zigzag[i & 63]] * f + 50) / 100;

			made[i] = (uint8_t)(v < 1 ? 1 : v > 255 ? 255 : v);
		}
		t = made;
		each = 64;
		n = 2;
	}
	for (size_t i = 0; i < n && i < 4; i++) {
		uint8_t head[5] = { 0xff, 0xdb, 0, (uint8_t)(each + 3), (uint8_t)((each == 128) << 4 | i) };

		if (cb_buf_add(b, head, 5) < 0 || cb_buf_add(b, t + i * each, each) < 0)
			return -1;
	}
	return 0;
}

static int put_frame(struct cb_buf *b, const struct picture *k, size_t tables)
{
	uint8_t table = tables > 1, sof[19] = { 0xff, 0xc0, 0, 17, 8 };

	cb_put_be16(sof + 5, (uint16_t)k->height);
	cb_put_be16(sof + 7, (uint16_t)k->width);
	sof[9] = 3;
	memcpy(sof + 10, (const uint8_t[]){ 1, k->type & 1 ? 0x22 : 0x21, 0, 2, 0x11, table, 3, 0x11, table }, 9);
	return cb_buf_add(b, sof, sizeof(sof));
}

/* SOI to SOS. */
static int put_headers(struct cb_buf *b, const struct picture *k)
{
	static const uint8_t sos[] = { 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0 };
	bool sof = false, dqt = false, dht = false, dri = false, scan = false;
	const uint8_t *s, *own_scan = NULL;
	size_t n, pos = 0, scan_len = 0;
	uint8_t m;

	if (cb_buf_be16(b, 0xffd8) < 0)
		return -1;
	while ((m = segment(k->own, k->own_len, &pos, &s, &n))) {
		if (m == 0xda) {
			scan = true;
			own_scan = s;
			scan_len = n;
			continue;
		}
		sof |= is_sof(m);
		dqt |= m == 0xdb;
		dht |= m == 0xc4;
		dri |= m == 0xdd;
		if (cb_buf_add(b, s, n) < 0)
			return -1;
	}
	if (k->restart && !dri) {
		uint8_t seg[6] = { 0xff, 0xdd, 0, 4, (uint8_t)(k->restart >> 8), (uint8_t)k->restart };

		if (cb_buf_add(b, seg, 6) < 0)
			return -1;
	}
	if (!dqt && put_tables(b, k) < 0)
		return -1;
	if (!sof && put_frame(b, k, k->tables_len ? k->tables_len / (k->wide ? 128 : 64) : 2) < 0)
		return -1;
	if (!dht && (put_huffman(b, 0x00, dc_luma, sizeof(dc_luma)) < 0 ||
		     put_huffman(b, 0x10, ac_luma, sizeof(ac_luma)) < 0 ||
		     put_huffman(b, 0x01, dc_chroma, sizeof(dc_chroma)) < 0 ||
		     put_huffman(b, 0x11, ac_chroma, sizeof(ac_chroma)) < 0))
		return -1;
	return scan ? cb_buf_add(b, own_scan, scan_len) : cb_buf_add(b, sos, sizeof(sos));
}

/* --- packets ---------------------------------------------------------------------------------- */

static int finish(struct cb_depay *d, bool marked, struct cb_err *err)
{
	struct depay_jpeg *j = d->jpeg;
	const uint8_t *p = cb_depay_bytes(d);
	size_t n = cb_depay_have(d);

	if (!d->open)
		return 0;
	if (!j->begun) {
		cb_depay_drop(d);
		return 0;
	}
	if (!marked)
		cb_odd(d->odd, CB_ODD_AU_NO_MARKER);
	j->begun = false;
	if (n < j->head + 2 || p[n - 2] != 0xff || p[n - 1] != 0xd9)
		if (cb_depay_add(d, "\xff\xd9", 2, CB_AU_MAX + 2, err) < 0)
			return -1;
	d->au.flags |= CB_F_KEY;
	return cb_depay_done(d, err);
}

static int bad(struct cb_depay *d)
{
	cb_odd(d->odd, CB_ODD_JPEG_HEADER);
	if (d->open)
		cb_depay_damaged(d);
	return 0;
}

/* The quantisation tables behind the header of a first packet; how long that is, or -1. */
static int quant(struct depay_jpeg *j, struct picture *k, const uint8_t *b, size_t n)
{
	uint8_t *kept = j->tables[k->q - 128];
	size_t len;

	if (n < 4)
		return -1;
	len = cb_be16(b + 2);
	if (len > n - 4 || len % 64 || len > 256)
		return -1;
	k->wide = b[1] & 1;
	if (k->wide && len % 128)
		return -1;
	k->tables = b + 4;
	k->tables_len = len;
	if (len && len <= 128 && !k->wide) {
		kept[0] = (uint8_t)len;
		memcpy(kept + 1, b + 4, len);
	} else if (!len) {
		if (!kept[0] || k->q == 255)
			return -1;
		k->tables = kept + 1;
		k->tables_len = kept[0];
	}
	return (int)len + 4;
}

/* A width or height that does not fit into eight bits of eight pixels comes as 0, or as what is left
 * of it; the description has the whole. */
static uint32_t side(uint32_t coded, uint32_t said)
{
	return said > 2040 && (!coded || coded == (said / 8 & 255)) ? said : coded * 8;
}

static int push(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	struct depay_jpeg *j = d->jpeg;
	const uint8_t *b = p->payload, *s;
	size_t n = p->len, at, pos = 0, len;
	struct picture k = { 0 };
	uint32_t offset;
	bool gap = p->lost || p->restart;
	uint8_t m;
	int r;

	if (d->open && gap)
		cb_depay_damaged(d);
	if (d->open && p->ts != d->au.pts && finish(d, false, err) < 0)
		return -1;
	d->lost += p->lost;
	d->restart |= p->restart;
	if (!n) {
		if (p->marker && d->open && p->ts == d->au.pts)
			return finish(d, true, err);
		return 0;
	}
	if (n < 8)
		return bad(d);
	offset = (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	k.type = b[4];
	k.q = b[5];
	k.width = side(b[6], d->m->width);
	k.height = side(b[7], d->m->height);
	at = 8;
	if (k.type >= 64 && k.type <= 127) {
		if (n < 12)
			return bad(d);
		k.restart = cb_be16(b + 8);
		at = 12;
	}
	if (!offset) {
		if (d->open) {	/* two pictures with one timestamp */
			cb_odd(d->odd, CB_ODD_TS_REPEATED);
			if (finish(d, false, err) < 0)
				return -1;
		}
		if (p->ext && p->ext_profile == 0xffd8) {
			k.own = p->ext;
			k.own_len = p->ext_len;
		}
		while ((m = segment(k.own, k.own_len, &pos, &s, &len)))
			if (is_sof(m) && len >= 9) {
				k.height = cb_be16(s + 5);
				k.width = cb_be16(s + 7);
			}
		if (k.q >= 128) {
			r = quant(j, &k, b + at, n - at);
			if (r < 0)
				return bad(d);
			at += (size_t)r;
		}
		/* types 2 to 63 and 128 on are nobody's; 0 and 1 say how the planes lie */
		if ((k.q == 0 || (k.q >= 100 && k.q < 128)) || (k.type & 0x3f) > 1 || k.type > 127 || !k.width ||
		    !k.height)
			return bad(d);
		cb_depay_begin(d, p);
		if (put_headers(&d->out, &k) < 0)
			return cb_err_nomem(err);
		j->begun = true;
		j->head = cb_depay_have(d);
		j->at = 0;
		j->width = k.width;
		j->height = k.height;
	} else if (!d->open || !j->begun) {
		/* its beginning, and with it all that makes it a picture, was lost */
		if (!d->open) {
			cb_depay_begin(d, p);
			cb_depay_damaged(d);
		}
		j->begun = false;
		if (p->marker)
			cb_depay_drop(d);
		return 0;
	} else if (offset != j->at) {
		if (offset < j->at)
			return bad(d);
		cb_depay_damaged(d);
		j->at = offset;
	}
	if (cb_depay_add(d, b + at, n - at, CB_AU_MAX, err) < 0)
		return -1;
	j->at += (uint32_t)(n - at);
	return p->marker ? finish(d, true, err) : 0;
}

static int flush(struct cb_depay *d, struct cb_err *err)
{
	if (d->open)
		cb_depay_damaged(d);
	return finish(d, false, err);
}

static int look(struct cb_depay *d, struct cb_au *u, struct cb_err *err)
{
	const uint8_t *s;
	size_t pos = 2, n;
	uint8_t m;

	(void)err;
	while (pos < u->len && (m = segment(u->data, u->len, &pos, &s, &n)) && m != 0xda)
		if (is_sof(m) && n >= 9 && (cb_be16(s + 7) != d->s.width || cb_be16(s + 5) != d->s.height)) {
			d->s.width = cb_be16(s + 7);
			d->s.height = cb_be16(s + 5);
			d->changed = true;
		}
	d->ready = true;
	return 0;
}

static int open_jpeg(struct cb_depay *d, struct cb_err *err)
{
	d->jpeg = calloc(1, sizeof(*d->jpeg));
	return d->jpeg ? 0 : cb_err_nomem(err);
}

static void release(struct cb_depay *d)
{
	free(d->jpeg);
}

const struct depay_format cb_depay_jpeg = { open_jpeg, push, flush, look, release };
