/* SPDX-License-Identifier: Apache-2.0 */
/* H.264 (RFC 6184) and H.265 (RFC 7798). Section numbers without more are theirs.
 *
 * An access unit ends where the timestamp changes, or where a new picture begins. A marker
 * ends it at once, so that no frame is late, but only from a sender whose markers have been
 * right for a while; one that is wrong about them is no longer believed. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "codec/annexb.h"
#include "rtsp/depay-priv.h"

#define PROVEN 4	/* units whose marker was right, at the beginning */
#define PROVEN_AGAIN 250	/* after one that was not */

#define HEADER(n) ((n)->hevc ? 2u : 1u)

static unsigned type_of(const struct depay_nal *n, const uint8_t *p)
{
	return n->hevc ? p[0] >> 1 & 63 : p[0] & 31;
}

/* Does a slice begin a picture? H.264 7.3.3 (first_mb_in_slice is 0), H.265 7.3.6.1. */
static bool first_slice(const struct depay_nal *n, const uint8_t *p, size_t len)
{
	unsigned t = type_of(n, p);

	if (n->hevc)
		return t < 32 && len > 2 && p[2] >> 7 && !(p[0] & 1) && !(p[1] >> 3);
	return (t == 1 || t == 2 || t == 5) && len > 1 && p[1] >> 7;
}

/* Units that stand before the first slice of a picture: H.264 7.4.1.2.3, H.265 7.4.2.4.4. */
static bool leads(const struct depay_nal *n, unsigned t)
{
	return n->hevc ? (t >= 32 && t <= 35) || t == 39 || (t >= 41 && t <= 44) || (t >= 48 && t <= 55)
		       : t >= 6 && t <= 9;
}

/* --- the unit being made ------------------------------------------------------------------- */

static int finish(struct cb_depay *d, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;

	n->have_done = n->marked;
	n->done_ts = d->au.pts;
	if (n->marked)
		n->proven++;
	else if (!(d->au.flags & CB_F_CORRUPT))
		cb_odd(d->odd, CB_ODD_AU_NO_MARKER);
	n->vcl = n->marked = false;
	return cb_depay_done(d, err);
}

static void doubt(struct cb_depay *d)
{
	cb_odd(d->odd, CB_ODD_AU_EARLY_MARKER);
	d->nal.proven = 0;
	d->nal.needed = PROVEN_AGAIN;
}

/* A NAL unit that begins with these bytes comes next: in the same access unit, or in a new one? */
static int place(struct cb_depay *d, const struct cb_rtp_packet *p, int64_t ts, const uint8_t *nal, size_t len,
		 struct cb_err *err)
{
	struct depay_nal *n = &d->nal;
	unsigned t = type_of(n, nal);
	bool first = first_slice(n, nal, len), slice = cb_sets_is_slice(n->hevc, nal, len);
	bool fresh = false, split = false;

	if (d->open && ts != d->au.pts) {
		if (n->vcl || d->au.flags & CB_F_CORRUPT) {
			if (finish(d, err) < 0)
				return -1;
		} else {
			/* parameter sets and the like go with the picture behind them */
			if (cb_depay_have(d))
				cb_odd(d->odd, CB_ODD_SETS_OTHER_TS);
			d->au.pts = d->au.dts = ts;
			n->marked = false;
		}
	} else if (d->open && n->vcl) {
		fresh = first || leads(n, t);
		/* the second field of a frame has the timestamp of the first */
		if (!n->marked && !n->hevc && n->fields)
			fresh = false;
		if (fresh) {
			if (first)
				cb_odd(d->odd, CB_ODD_TS_REPEATED);
			if (finish(d, err) < 0)
				return -1;
		} else if (n->marked) {
			doubt(d);
			n->marked = false;
		}
	} else if (d->open && n->marked) {	/* a marker on what comes before the slices */
		cb_odd(d->odd, CB_ODD_AU_EARLY_MARKER);
		n->marked = false;
	} else if (!d->open && n->have_done && ts == n->done_ts) {
		if (first)
			cb_odd(d->odd, CB_ODD_TS_REPEATED);
		else if (!leads(n, t))
			doubt(d);
		split = slice && !first;
	}
	if (!d->open) {
		cb_depay_begin(d, p);
		d->au.pts = d->au.dts = ts;
		n->vcl = n->marked = n->over = false;
		n->have_done = false;
	}
	if (slice) {
		if (split || (!n->vcl && n->gap && !first))
			cb_depay_damaged(d);
		n->vcl = true;
		n->gap = false;
	}
	return 0;
}

/* Room for n more bytes? Where there is none the unit gets nothing more. */
static bool fits(struct cb_depay *d, size_t n)
{
	if (!d->nal.over && cb_depay_have(d) + n > CB_AU_MAX) {
		d->nal.over = true;
		cb_odd(d->odd, CB_ODD_AU_TOO_LARGE);
		d->au.flags |= CB_F_CORRUPT;
	}
	return !d->nal.over;
}

static int add(struct cb_depay *d, const void *p, size_t n, struct cb_err *err)
{
	return fits(d, n) ? cb_depay_add(d, p, n, CB_AU_MAX, err) : 0;
}

/* Pictures may be single fields, by the sequence parameter set that came last. */
static void field_coding(struct cb_depay *d, const uint8_t *nal, size_t len)
{
	struct cb_sps sps;

	if (cb_sps_parse(&sps, false, nal, len))
		d->nal.fields = sps.fields;
}

static int put_nal(struct cb_depay *d, const struct cb_rtp_packet *p, int64_t ts, const uint8_t *nal, size_t len,
		   struct cb_err *err)
{
	uint8_t prefix[4];
	unsigned t = type_of(&d->nal, nal);

	if (d->nal.hevc ? t >= 48 : t == 0 || t >= 24)
		cb_odd(d->odd, CB_ODD_NAL_RESERVED);
	if (!d->nal.hevc && t == 7)
		field_coding(d, nal, len);
	if (place(d, p, ts, nal, len, err) < 0)
		return -1;
	if (!fits(d, 4 + len))
		return 0;
	cb_put_be32(prefix, (uint32_t)len);
	return add(d, prefix, 4, err) < 0 || add(d, nal, len, err) < 0 ? -1 : 0;
}

/* A byte stream where one unit should be. */
static int put_stream(struct cb_depay *d, const struct cb_rtp_packet *p, int64_t ts, const uint8_t *b, size_t len,
		      struct cb_err *err)
{
	struct cb_nal u;
	size_t pos = 0;

	cb_odd(d->odd, CB_ODD_NAL_ANNEXB);
	while (cb_annexb_next(b, len, &pos, &u))
		if (put_nal(d, p, ts, u.p, u.n, err) < 0)
			return -1;
	return 0;
}

static bool has_start_code(const uint8_t *p, size_t n)
{
	return n >= 3 && memmem(p, n, "\0\0\1", 3);
}

/* One whole NAL unit. */
static int unit(struct cb_depay *d, const struct cb_rtp_packet *p, int64_t ts, const uint8_t *nal, size_t len,
		struct cb_err *err)
{
	if (!len) {
		cb_odd(d->odd, CB_ODD_NAL_EMPTY);
		return 0;
	}
	if (has_start_code(nal, len))
		return put_stream(d, p, ts, nal, len, err);
	return put_nal(d, p, ts, nal, len, err);
}

/* --- fragments -------------------------------------------------------------------------------- */

/* The fragmented unit ends here, whole or not. */
static int fu_end(struct cb_depay *d, const struct cb_rtp_packet *p, bool whole, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;
	uint8_t *at;
	size_t len;

	if (!n->fu)
		return 0;
	n->fu = false;
	at = d->out.data + d->start + n->fu_at;
	len = cb_depay_have(d) - n->fu_at - 4;
	if (!whole)
		cb_depay_damaged(d);
	cb_put_be32(at, (uint32_t)len);
	if (has_start_code(at + 4, len)) {
		struct cb_buf b = { 0 };
		int64_t ts = d->au.pts;
		int r;

		if (cb_buf_add(&b, at + 4, len) < 0)
			return cb_err_nomem(err);
		d->out.len = d->start + n->fu_at;
		n->vcl = n->fu_vcl;
		r = put_stream(d, p, ts, b.data, b.len, err);
		cb_buf_release(&b);
		return r;
	}
	return 0;
}

static int fu_begin(struct cb_depay *d, const struct cb_rtp_packet *p, const uint8_t *head, const uint8_t *b,
		    size_t len, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;
	uint8_t first[8] = { 0 };
	size_t h = HEADER(n), k = len < 4 ? len : 4;
	bool vcl = d->open && n->vcl && p->ts == d->au.pts;

	memcpy(first, head, h);
	if (k)
		memcpy(first + h, b, k);
	if (place(d, p, p->ts, first, h + k, err) < 0)
		return -1;
	if (!fits(d, 4 + h))
		return 0;
	n->fu = true;
	n->fu_type = (uint8_t)type_of(n, head);
	n->fu_at = cb_depay_have(d);
	n->fu_vcl = vcl && n->fu_at;	/* nothing in front: it began a unit of its own */
	memset(first, 0, 4);
	if (add(d, first, 4, err) < 0 || add(d, head, h, err) < 0)
		return -1;
	return add(d, b, len, err);
}

/* head: the header of the unit that the fragments make. */
static int fragment(struct cb_depay *d, const struct cb_rtp_packet *p, const uint8_t *head, bool start, bool end,
		    const uint8_t *b, size_t len, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;
	unsigned t = type_of(n, head);

	if (!len)
		cb_odd(d->odd, CB_ODD_NAL_EMPTY);
	if (start && end)
		cb_odd(d->odd, CB_ODD_FU_BOTH);
	if (n->fu && (start || p->ts != d->au.pts)) {
		cb_odd(d->odd, CB_ODD_FU_NO_END);
		if (fu_end(d, p, true, err) < 0)
			return -1;
	}
	if (!start && !n->fu) {
		cb_odd(d->odd, CB_ODD_FU_NO_START);
		if (n->gap || n->over) {
			/* its beginning was lost, and without that it is nothing */
			if (d->open && d->au.pts != p->ts && finish(d, err) < 0)
				return -1;
			if (!d->open) {
				cb_depay_begin(d, p);
				n->vcl = n->marked = n->over = false;
			}
			d->au.pts = d->au.dts = p->ts;
			cb_depay_damaged(d);
			return 0;
		}
		start = true;
	}
	if (start) {
		if (fu_begin(d, p, head, b, len, err) < 0)
			return -1;
	} else {
		if (t != n->fu_type)
			cb_odd(d->odd, CB_ODD_FU_CHANGED);
		if (n->marked) {
			doubt(d);
			n->marked = false;
		}
		if (add(d, b, len, err) < 0)
			return -1;
	}
	return end ? fu_end(d, p, true, err) : 0;
}

/* --- aggregates ------------------------------------------------------------------------------ */

static void don(struct cb_depay *d, uint16_t v)
{
	struct depay_nal *n = &d->nal;

	if (n->have_don && (int16_t)(uint16_t)(v - n->don) < 0)
		cb_odd(d->odd, CB_ODD_NAL_ORDER);
	n->don = v;
	n->have_don = true;
}

/* Units behind 16-bit lengths. don_first, don_next: bytes of a decoding order number in front of
 * the first length, and of the others' (0, 1, 2); behind is what follows a length before its
 * unit (MTAP: order number and time offset). */
static int aggregate(struct cb_depay *d, const struct cb_rtp_packet *p, const uint8_t *b, size_t len,
		     unsigned don_first, unsigned don_next, unsigned behind, struct cb_err *err)
{
	unsigned skip = don_first;

	while (len) {
		int64_t ts = p->ts;
		size_t k;

		if (len < skip + 2 + behind) {
			/* a byte or three that only fill up are no loss */
			for (k = 0; k < len && !b[k]; k++)
				;
			cb_odd(d->odd, CB_ODD_AGGREGATE);
			if (k < len && d->open)
				cb_depay_damaged(d);
			return 0;
		}
		if (skip == 2)
			don(d, cb_be16(b));
		k = cb_be16(b + skip);
		b += skip + 2;
		len -= skip + 2;
		skip = don_next;
		if (behind) {
			ts += behind == 3 ? cb_be16(b + 1) : (b[1] << 16 | b[2] << 8 | b[3]);
			b += behind;
			len -= behind;
		}
		if (k > len) {
			cb_odd(d->odd, CB_ODD_AGGREGATE);
			if (len && unit(d, p, ts, b, len, err) < 0)
				return -1;
			if (d->open)
				cb_depay_damaged(d);
			return 0;
		}
		if (unit(d, p, ts, b, k, err) < 0)
			return -1;
		b += k;
		len -= k;
	}
	return 0;
}

/* --- packets ----------------------------------------------------------------------------------- */

static int payload_264(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	const uint8_t *b = p->payload;
	size_t n = p->len;
	uint8_t head;
	unsigned t = b[0] & 31;

	if (d->nal.fu && t != 28 && t != 29) {
		cb_odd(d->odd, CB_ODD_FU_NO_END);
		if (fu_end(d, p, true, err) < 0)
			return -1;
	}
	switch (t) {
	case 24:	/* STAP-A, 5.7.1 */
		return aggregate(d, p, b + 1, n - 1, 0, 0, 0, err);
	case 25:	/* STAP-B: one order number for all */
		if (n < 3)
			break;
		don(d, cb_be16(b + 1));
		return aggregate(d, p, b + 3, n - 3, 0, 0, 0, err);
	case 26:	/* MTAP16, MTAP24, 5.7.2 */
	case 27:
		if (n < 3)
			break;
		don(d, cb_be16(b + 1));
		return aggregate(d, p, b + 3, n - 3, 0, 0, t == 26 ? 3 : 4, err);
	case 28:	/* FU-A, FU-B, 5.8 */
	case 29:
		if (n < 2 || (t == 29 && n < 4))
			break;
		if (b[1] & 0x20)
			cb_odd(d->odd, CB_ODD_NAL_RESERVED);
		if (t == 29)
			don(d, cb_be16(b + 2));
		head = (b[0] & 0xe0) | (b[1] & 31);
		n -= t == 29 ? 4 : 2;
		return fragment(d, p, &head, b[1] >> 7, b[1] >> 6 & 1, b + (t == 29 ? 4 : 2), n, err);
	default:
		return unit(d, p, p->ts, b, n, err);
	}
	cb_odd(d->odd, CB_ODD_AGGREGATE);
	return 0;
}

/* A unit whose header is not where it should be: put together in a copy. */
static int spliced(struct cb_depay *d, const struct cb_rtp_packet *p, const uint8_t *head, const uint8_t *b,
		   size_t n, struct cb_err *err)
{
	struct cb_buf whole = { 0 };
	int r;

	if (cb_buf_add(&whole, head, 2) < 0 || (n && cb_buf_add(&whole, b, n) < 0)) {
		cb_buf_release(&whole);
		return cb_err_nomem(err);
	}
	r = unit(d, p, p->ts, whole.data, whole.len, err);
	cb_buf_release(&whole);
	return r;
}

static int payload_265(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	const uint8_t *b = p->payload;
	size_t n = p->len, don_len = d->nal.donl ? 2 : 0;
	uint8_t head[2];
	unsigned t = b[0] >> 1 & 63;

	/* a start code where the header should be */
	if (n >= 3 && !b[0] && !b[1] && (b[2] == 1 || (n >= 4 && !b[2] && b[3] == 1)))
		t = 0, don_len = 0;
	if (d->nal.fu && t != 49) {
		cb_odd(d->odd, CB_ODD_FU_NO_END);
		if (fu_end(d, p, true, err) < 0)
			return -1;
	}
	if (n < 2) {
		cb_odd(d->odd, CB_ODD_NAL_EMPTY);
		return 0;
	}
	if (t == 50 && n > 4) {	/* PACI, 4.4.4: what it carries stands behind its extensions */
		unsigned inner = b[2] >> 1 & 63, skip = (b[2] & 1) << 4 | b[3] >> 4;

		if (n < 4 + (size_t)skip) {
			cb_odd(d->odd, CB_ODD_AGGREGATE);
			return 0;
		}
		head[0] = (uint8_t)((b[2] & 0x80) | inner << 1 | (b[0] & 1));
		head[1] = b[1];
		b += 4 + skip;
		n -= 4 + skip;
		t = inner;
	} else {
		memcpy(head, b, 2);
		b += 2;
		n -= 2;
	}
	switch (t) {
	case 48:	/* AP, 4.4.2 */
		return aggregate(d, p, b, n, d->nal.donl ? 2 : 0, d->nal.donl ? 1 : 0, 0, err);
	case 49: {	/* FU, 4.4.3 */
		uint8_t f;

		if (!n)
			break;
		f = b[0];
		b++;
		n--;
		if (f >> 7 && don_len) {
			if (n < 2)
				break;
			don(d, cb_be16(b));
			b += 2;
			n -= 2;
		}
		head[0] = (uint8_t)((head[0] & 0x81) | (f & 63) << 1);
		return fragment(d, p, head, f >> 7, f >> 6 & 1, b, n, err);
	}
	default:
		if (don_len) {
			if (n < 2)
				break;
			don(d, cb_be16(b));
			return spliced(d, p, head, b + 2, n - 2, err);
		}
		if (b - p->payload != 2)
			return spliced(d, p, head, b, n, err);
		return unit(d, p, p->ts, p->payload, p->len, err);
	}
	cb_odd(d->odd, CB_ODD_AGGREGATE);
	return 0;
}

static int push(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;

	if (p->lost || p->restart || !d->any) {
		if (n->fu && fu_end(d, p, n->marked, err) < 0)
			return -1;
		if (d->open && d->any) {
			if (n->marked && p->ts != d->au.pts && n->vcl) {
				if (finish(d, err) < 0)		/* whole: the loss is behind it */
					return -1;
			} else if (!n->marked || p->ts == d->au.pts) {
				cb_depay_damaged(d);
				if (p->ts != d->au.pts && finish(d, err) < 0)
					return -1;
			}
		}
		n->gap = true;
		n->have_don = false;
	}
	d->any = true;
	d->lost += p->lost;
	d->restart |= p->restart;
	if (p->len && (n->hevc ? payload_265(d, p, err) : payload_264(d, p, err)) < 0)
		return -1;
	if (!p->marker)
		return 0;
	if (!d->open || (!p->len && p->ts != d->au.pts))
		return 0;
	n->marked = true;
	/* with a fragment open: was it the last one, or are all marked? the next one tells */
	if (n->vcl && !n->fu && n->proven >= n->needed)
		return finish(d, err);
	return 0;
}

static int flush(struct cb_depay *d, struct cb_err *err)
{
	static const struct cb_rtp_packet none = { .payload = (const uint8_t *)"" };
	struct depay_nal *n = &d->nal;

	if (n->fu && fu_end(d, &none, n->marked, err) < 0)
		return -1;
	if (d->open && n->vcl && !n->marked)
		cb_depay_damaged(d);	/* its end may be missing */
	n->gap = true;
	d->any = false;
	return d->open ? finish(d, err) : 0;
}

/* --- parameters ------------------------------------------------------------------------------- */

static uint32_t common(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The stream as the sets have it now. */
static int describe(struct cb_depay *d, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;
	struct cb_stream *s = &d->s, was = d->s;
	struct cb_buf b = { 0 };
	struct cb_sps sps;
	uint32_t divisor;
	bool changed = false;

	n->version = n->sets.version;
	n->active = n->sets.active;
	if (!cb_sets_complete(&n->sets) || !cb_sets_sps(&n->sets, &sps))
		return 0;
	if (cb_sets_extradata(&n->sets, &b, 4, NULL) < 0)
		b.len = 0;	/* more sets than fit; they are in the stream */
	if (cb_depay_extradata(d, b.data, b.len, &changed, err) < 0) {
		cb_buf_release(&b);
		return -1;
	}
	cb_buf_release(&b);
	n->reorder = sps.reorder;
	n->fields = sps.fields;
	n->sub_layers = sps.sub_layers;
	s->width = sps.width;
	s->height = sps.height;
	s->sar_num = sps.sar_num;
	s->sar_den = sps.sar_den;
	s->profile = sps.profile;
	s->level = sps.level;
	divisor = common(sps.fr_num, sps.fr_den);
	/* a set can say more than a STREAM frame can */
	if (sps.fr_num && sps.fr_num / divisor <= INT32_MAX && sps.fr_den / divisor <= INT32_MAX) {
		s->fr_num = sps.fr_num / divisor;
		s->fr_den = sps.fr_den / divisor;
	}
	s->color_range = sps.has_color ? sps.full_range ? 2 : 1 : 0;
	s->color_primaries = sps.has_color ? sps.primaries : 0;
	s->color_trc = sps.has_color ? sps.trc : 0;
	s->color_space = sps.has_color ? sps.matrix : 0;
	if (changed || !d->ready || was.width != s->width || was.height != s->height ||
	    was.sar_num != s->sar_num || was.sar_den != s->sar_den || was.fr_num != s->fr_num ||
	    was.fr_den != s->fr_den || was.profile != s->profile || was.level != s->level ||
	    was.color_range != s->color_range || was.color_primaries != s->color_primaries ||
	    was.color_trc != s->color_trc || was.color_space != s->color_space)
		d->changed = true;
	d->ready = true;
	return 0;
}

/* Is this a recovery point that begins at once? SEI (type 6) with payload 6, H.264 D.1.8. */
static bool recovery(const uint8_t *p, size_t n)
{
	size_t at = 1;

	while (at + 2 < n) {
		unsigned type = 0, size = 0;

		while (at < n && p[at] == 255)
			type += p[at++];
		if (at >= n)
			return false;
		type += p[at++];
		while (at < n && p[at] == 255)
			size += p[at++];
		if (at >= n)
			return false;
		size += p[at++];
		if (type == 6)
			return at < n && p[at] >> 7;	/* recovery_frame_cnt, ue(v), is 0 */
		if (size > n - at)
			return false;
		at += size;
	}
	return false;
}

static int look(struct cb_depay *d, struct cb_au *u, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;
	bool key = false, slices = false, refers = false, had = cb_sets_complete(&n->sets), in_band = false;
	struct cb_nal nal;
	size_t pos = 0;

	while (cb_nal_next(u->data, u->len, 4, &pos, &nal) == 1) {
		unsigned t;
		int r;

		if (!nal.n)
			continue;
		t = type_of(n, nal.p);
		r = cb_sets_unit(&n->sets, nal.p, nal.n, err);
		if (r < 0)
			return -1;
		if (r && !n->in_band && n->from_sdp && had)
			cb_odd(d->odd, CB_ODD_SETS_WRONG);
		if (r || cb_sets_is_set(n->hevc, nal.p, nal.n))
			in_band = true;
		if (cb_sets_is_slice(n->hevc, nal.p, nal.n)) {
			slices = true;
			key |= n->hevc ? t >= 16 && t <= 21 : t == 5;
			refers |= n->hevc ? t > 14 || t & 1 : nal.p[0] >> 5 & 3;
		} else if (!n->hevc && t == 6) {
			key |= recovery(nal.p, nal.n);
		}
	}
	if (n->version != n->sets.version || n->active != n->sets.active || !d->told)
		if (describe(d, err) < 0)
			return -1;
	if (!d->ready && slices)
		cb_odd(d->odd, CB_ODD_SETS_MISSING);
	n->in_band |= in_band;
	if (!d->ready || n->reorder != 0)
		u->dts = CB_NOPTS;
	refers |= !d->ready || (n->hevc && n->sub_layers != 1);
	if (key && slices)
		u->flags |= CB_F_KEY;
	if (slices && !refers)
		u->flags |= CB_F_DISPOSABLE;
	return 0;
}

/* Base64 sets, with commas between. Cameras leave out padding and put in blanks. */
static int take_sets(struct cb_depay *d, const char *name, struct cb_err *err)
{
	size_t n, at = 0;
	const char *v = cb_sdp_param(d->m, name, &n);

	while (v && at < n) {
		uint8_t *raw;
		size_t from = at, len = 0;
		uint32_t bits = 0, have = 0;
		int r = 0;

		while (at < n && v[at] != ',')
			at++;
		raw = malloc(at - from + 1);
		if (!raw)
			return cb_err_nomem(err);
		for (size_t i = from; i < at; i++) {
			const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
			const char *c = v[i] ? strchr(digits, v[i]) : NULL;

			if (!c)
				continue;
			bits = bits << 6 | (uint32_t)(c - digits);
			if ((have += 6) >= 8) {
				have -= 8;
				raw[len++] = (uint8_t)(bits >> have);
			}
		}
		at++;
		if (has_start_code(raw, len)) {
			struct cb_nal u;
			size_t pos = 0;

			while (r >= 0 && cb_annexb_next(raw, len, &pos, &u))
				r = cb_sets_unit(&d->nal.sets, u.p, u.n, err) < 0 ? -1 : 1;
		} else if (len) {
			r = cb_sets_is_set(d->nal.hevc, raw, len) ? cb_sets_unit(&d->nal.sets, raw, len, err) : 0;
			if (!r)
				cb_odd(d->odd, CB_ODD_SETS_SDP);
		}
		free(raw);
		if (r < 0)
			return -1;
	}
	return 0;
}

static int open_nal(struct cb_depay *d, bool hevc, struct cb_err *err)
{
	struct depay_nal *n = &d->nal;

	n->hevc = hevc;
	n->needed = PROVEN;
	n->gap = true;
	n->active = -1;
	cb_sets_init(&n->sets, hevc);
	d->s.nal_length = 4;
	d->s.in_band = true;
	if (hevc) {
		n->donl = cb_sdp_param_u32(d->m, "sprop-max-don-diff", 0) > 0;
		if (take_sets(d, "sprop-vps", err) < 0 || take_sets(d, "sprop-sps", err) < 0 ||
		    take_sets(d, "sprop-pps", err) < 0)
			return -1;
	} else if (take_sets(d, "sprop-parameter-sets", err) < 0) {
		return -1;
	}
	n->from_sdp = n->sets.n > 0;
	return describe(d, err);
}

static int open_264(struct cb_depay *d, struct cb_err *err)
{
	return open_nal(d, false, err);
}

static int open_265(struct cb_depay *d, struct cb_err *err)
{
	return open_nal(d, true, err);
}

static void release(struct cb_depay *d)
{
	cb_sets_release(&d->nal.sets);
}

const struct depay_format cb_depay_h264 = { open_264, push, flush, look, release };
const struct depay_format cb_depay_h265 = { open_265, push, flush, look, release };
