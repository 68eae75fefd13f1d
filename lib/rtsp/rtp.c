/* SPDX-License-Identifier: Apache-2.0 */
/* RTP: the header, and a receiver that holds what is early. */
#include "rtsp/rtp.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define DROPOUT 3000	/* numbers ahead that are a loss, and no new beginning (RFC 3550 A.1) */
#define MISORDER 1000	/* numbers behind that are late */
#define SEEN 64		/* numbers behind of which is known whether they came */

bool cb_rtp_parse(struct cb_rtp *ret, const uint8_t *p, size_t n, struct cb_oddities *odd)
{
	struct cb_rtp r = { 0 };
	size_t at;

	if (n < 12 || n > CB_RTP_MAX || p[0] >> 6 != 2) {
		cb_odd(odd, CB_ODD_RTP_MALFORMED);
		return false;
	}
	r.marker = p[1] >> 7;
	r.payload_type = p[1] & 127;
	r.seq = cb_be16(p + 2);
	r.ts = cb_be32(p + 4);
	r.ssrc = cb_be32(p + 8);
	at = 12 + 4 * (size_t)(p[0] & 15);
	if (p[0] & 0x10) {
		if (n < at + 4) {
			cb_odd(odd, CB_ODD_RTP_MALFORMED);
			return false;
		}
		r.ext_profile = cb_be16(p + at);
		r.ext_len = 4 * (uint32_t)cb_be16(p + at + 2);
		r.ext = p + at + 4;
		at += 4 + (size_t)r.ext_len;
	}
	if (n < at) {
		cb_odd(odd, CB_ODD_RTP_MALFORMED);
		return false;
	}
	if (r.ext)
		cb_odd(odd, CB_ODD_RTP_EXTENSION);
	if (p[0] & 0x20 && n > at) {
		if (p[n - 1] && p[n - 1] <= n - at)
			n -= p[n - 1];
		else
			cb_odd(odd, CB_ODD_RTP_PADDING);
	}
	r.payload = p + at;
	r.len = (uint32_t)(n - at);
	*ret = r;
	return true;
}

bool cb_rtp_is_rtcp(const uint8_t *p, size_t n)
{
	return n >= 2 && p[0] >> 6 == 2 && p[1] >= 192 && p[1] <= 223;
}

/* --- receiver ------------------------------------------------------------------------------- */

/* A packet that waits; r's pointers reach into buf, but for the one that was just pushed. */
struct slot {
	bool used;
	uint64_t seq;
	struct cb_rtp r;
	int64_t wall_ns;
	uint64_t mono_ns;
	uint8_t *buf;
	uint32_t cap;
};

struct cb_rtp_recv {
	struct cb_rtp_opts o;
	struct cb_oddities *odd;
	bool started;		/* a packet was taken: ssrc and next are known */
	uint32_t ssrc;
	int payload_type;	/* -1: not known */
	bool matched;
	uint64_t next;		/* the number to give next */
	uint64_t base, highest;
	uint64_t seen;		/* bit k: number next - 1 - k came */
	uint64_t release;	/* what is missing below this number is given up */
	bool restart;		/* the next to be given begins anew */
	bool have_ts;
	int64_t ts;
	struct slot now;	/* pushed, in order, not copied */
	struct slot odd_one;	/* of another source, or far away: one more like it, and it is taken */
	struct slot *held;	/* o.window + 2 of them */
	unsigned slots, n_held;
	struct cb_rtp_stats st;
	uint64_t expected_prior, received_prior;
	uint64_t received;	/* since base, duplicates not counted */
	double transit, jitter;
	bool have_transit;
};

int cb_rtp_recv_new(struct cb_rtp_recv **ret, const struct cb_rtp_opts *o, struct cb_oddities *odd,
		    struct cb_err *err)
{
	struct cb_rtp_recv *r = calloc(1, sizeof(*r));

	if (!r)
		return cb_err_nomem(err);
	r->o = *o;
	if (r->o.window > CB_RTP_WINDOW_MAX)
		r->o.window = CB_RTP_WINDOW_MAX;
	r->odd = odd;
	r->payload_type = o->payload_type;
	r->slots = r->o.window + 2;
	r->held = calloc(r->slots, sizeof(*r->held));
	if (!r->held) {
		free(r);
		return cb_err_nomem(err);
	}
	*ret = r;
	return 0;
}

void cb_rtp_recv_free(struct cb_rtp_recv *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->slots; i++)
		free(r->held[i].buf);
	free(r->odd_one.buf);
	free(r->held);
	free(r);
}

/* Copy a packet into s, which keeps its memory for the next one. */
static int keep(struct slot *s, const struct cb_rtp *p, uint64_t seq, int64_t wall_ns, uint64_t mono_ns,
		struct cb_err *err)
{
	uint32_t need = p->len + p->ext_len;
	uint8_t *buf;

	if (need > s->cap || !s->buf) {
		buf = realloc(s->buf, need + !need);
		if (!buf)
			return cb_err_nomem(err);
		s->buf = buf;
		s->cap = need;
	}
	s->r = *p;
	if (p->len)
		memcpy(s->buf, p->payload, p->len);
	s->r.payload = s->buf;
	if (p->ext) {
		if (p->ext_len)
			memcpy(s->buf + p->len, p->ext, p->ext_len);
		s->r.ext = s->buf + p->len;
	}
	s->seq = seq;
	s->wall_ns = wall_ns;
	s->mono_ns = mono_ns;
	s->used = true;
	return 0;
}

static int hold(struct cb_rtp_recv *r, const struct cb_rtp *p, uint64_t seq, int64_t wall_ns,
		uint64_t mono_ns, struct cb_err *err)
{
	struct slot *free_slot = NULL;

	for (unsigned i = 0; i < r->slots && !free_slot; i++)
		if (!r->held[i].used)
			free_slot = &r->held[i];
	if (!free_slot)		/* nobody pulled */
		return 0;
	if (keep(free_slot, p, seq, wall_ns, mono_ns, err) < 0)
		return -1;
	r->n_held++;
	return 0;
}

/* RFC 3550 6.4.1 and A.8. */
static void jitter(struct cb_rtp_recv *r, uint32_t ts, uint64_t mono_ns)
{
	double arrival = (double)mono_ns * 1e-9 * r->o.clock_rate, transit, d;
	/* against the timestamp before, so that wrapping does not matter */
	int64_t wide = r->have_ts ? r->ts + (int32_t)(ts - (uint32_t)r->ts) : ts;

	transit = arrival - (double)wide;
	if (r->have_transit) {
		d = transit - r->transit;
		d = d < 0 ? -d : d;
		r->jitter += (d - r->jitter) / 16;
		r->st.jitter = r->jitter < 4e9 ? (uint32_t)r->jitter : UINT32_MAX;
	}
	r->transit = transit;
	r->have_transit = true;
}

/* Begin at this packet's number, above all that were. */
static void begin(struct cb_rtp_recv *r, const struct cb_rtp *p)
{
	r->next = r->started ? ((r->highest >> 16) + 1) << 16 | p->seq : p->seq;
	r->release = r->started ? r->next : 0;
	r->restart = r->started;
	r->base = r->highest = r->next;
	r->expected_prior = r->received_prior = r->received = 0;
	r->seen = 0;
	r->ssrc = p->ssrc;
	r->started = true;
	r->have_transit = false;
}

static void arrived(struct cb_rtp_recv *r, const struct cb_rtp *p, uint64_t seq, uint64_t mono_ns)
{
	r->st.packets++;
	r->st.bytes += p->len;
	r->received++;
	if (seq > r->highest)
		r->highest = seq;
	jitter(r, p->ts, mono_ns);
}

static void let_go(struct cb_rtp_recv *r)
{
	/* what waits from before a new beginning is given first */
	r->release = r->highest + 1 > r->release ? r->highest + 1 : r->release;
}

/* A packet that does not belong: of another source, or with a number far off. The second one in a
 * row says that the sender began anew, and then both count. */
static int stranger(struct cb_rtp_recv *r, const struct cb_rtp *p, int64_t wall_ns, uint64_t mono_ns,
		    struct cb_err *err)
{
	struct slot *o = &r->odd_one;
	bool other = !r->started || p->ssrc != r->ssrc;

	if (!o->used || o->r.ssrc != p->ssrc || (uint16_t)(o->r.seq + 1) != p->seq) {
		if (o->used && o->r.ssrc == p->ssrc && o->r.seq == p->seq) {
			r->st.duplicates++;
			cb_odd(r->odd, CB_ODD_RTP_DUPLICATE);
			return 0;
		}
		if (o->used)	/* one that nothing followed */
			cb_odd(r->odd, CB_ODD_RTP_LATE);
		return keep(o, p, 0, wall_ns, mono_ns, err);
	}
	cb_odd(r->odd, other ? CB_ODD_RTP_SSRC : CB_ODD_RTP_RESTART);
	let_go(r);
	begin(r, &o->r);
	r->have_ts = r->have_ts && !other;
	o->used = false;
	arrived(r, &o->r, r->next, o->mono_ns);
	/* this one is given next; what was held before it goes first, by its number */
	if (hold(r, &o->r, r->next, o->wall_ns, o->mono_ns, err) < 0)
		return -1;
	arrived(r, p, r->next + 1, mono_ns);
	return hold(r, p, r->next + 1, wall_ns, mono_ns, err);
}

int cb_rtp_recv_push(struct cb_rtp_recv *r, const uint8_t *p, size_t n, int64_t wall_ns,
		     uint64_t mono_ns, struct cb_err *err)
{
	struct cb_rtp k;
	int delta;
	uint64_t seq;

	r->now.used = false;
	if (!cb_rtp_parse(&k, p, n, r->odd))
		return 0;
	if (r->payload_type >= 0 && k.payload_type != r->payload_type) {
		cb_odd(r->odd, CB_ODD_RTP_PAYLOAD_TYPE);
		if (r->matched)
			return 0;
		r->payload_type = k.payload_type;	/* a description that names another one */
	}
	r->matched = true;
	if (!r->started) {
		if (r->o.have_ssrc && k.ssrc != r->o.ssrc && !r->odd_one.used)
			return stranger(r, &k, wall_ns, mono_ns, err);
		if (r->odd_one.used)
			return stranger(r, &k, wall_ns, mono_ns, err);
		begin(r, &k);
	}
	if (k.ssrc != r->ssrc)
		return stranger(r, &k, wall_ns, mono_ns, err);
	delta = (int16_t)(uint16_t)(k.seq - (uint16_t)r->next);
	if (delta >= DROPOUT || delta < -MISORDER)
		return stranger(r, &k, wall_ns, mono_ns, err);
	if (r->odd_one.used) {
		cb_odd(r->odd, r->odd_one.r.ssrc != r->ssrc ? CB_ODD_RTP_SSRC : CB_ODD_RTP_LATE);
		r->odd_one.used = false;
	}
	if (delta < 0) {
		if (-delta <= SEEN && !(r->seen >> (-delta - 1) & 1)) {
			r->st.late++;
			cb_odd(r->odd, CB_ODD_RTP_LATE);
		} else {
			r->st.duplicates++;
			cb_odd(r->odd, CB_ODD_RTP_DUPLICATE);
		}
		return 0;
	}
	seq = r->next + (uint64_t)delta;
	for (unsigned i = 0; r->n_held && i < r->slots; i++)
		if (r->held[i].used && r->held[i].seq == seq) {
			r->st.duplicates++;
			cb_odd(r->odd, CB_ODD_RTP_DUPLICATE);
			return 0;
		}
	if (seq < r->highest) {
		r->st.reordered++;
		cb_odd(r->odd, CB_ODD_RTP_REORDERED);
	}
	arrived(r, &k, seq, mono_ns);
	if (!delta || !r->o.window) {
		r->now = (struct slot){ .used = true, .seq = seq, .r = k, .wall_ns = wall_ns, .mono_ns = mono_ns };
		return 0;
	}
	if (seq - r->next >= r->o.window && seq - r->o.window + 1 > r->release)
		r->release = seq - r->o.window + 1;
	return hold(r, &k, seq, wall_ns, mono_ns, err);
}

int cb_rtp_recv_pull(struct cb_rtp_recv *r, struct cb_rtp_packet *ret)
{
	struct slot *s = r->now.used ? &r->now : NULL;
	struct cb_rtp_packet p = { 0 };
	uint64_t step;

	/* the lowest number that is there */
	for (unsigned i = 0; r->n_held && i < r->slots; i++)
		if (r->held[i].used && (!s || r->held[i].seq < s->seq))
			s = &r->held[i];
	if (!s || (s->seq > r->next && s->seq > r->release && r->o.window))
		return 0;
	s->used = false;
	if (s != &r->now)
		r->n_held--;
	if (s->seq < r->next) {		/* from before a new beginning: its place is past */
		if (s->seq >= r->base)
			return 0;
		step = 0;
	} else {
		step = s->seq - r->next;
		p.lost = step;
		r->seen = step < SEEN ? r->seen << step : 0;
		r->seen = r->seen << 1 | 1;
		r->next = s->seq + 1;
		p.restart = r->restart;
		r->restart = false;
		if (step) {
			r->st.lost += step;
			cb_odd_n(r->odd, CB_ODD_RTP_LOST, step);
		}
	}
	r->ts = r->have_ts ? r->ts + (int32_t)(s->r.ts - (uint32_t)r->ts) : s->r.ts;
	r->have_ts = true;
	p.seq = s->seq;
	p.ts = r->ts;
	p.marker = s->r.marker;
	p.payload = s->r.payload;
	p.len = s->r.len;
	p.ext_profile = s->r.ext_profile;
	p.ext = s->r.ext;
	p.ext_len = s->r.ext_len;
	p.wall_ns = s->wall_ns;
	p.mono_ns = s->mono_ns;
	if (!p.len)
		cb_odd(r->odd, CB_ODD_RTP_EMPTY);
	*ret = p;
	return 1;
}

static const struct slot *oldest(const struct cb_rtp_recv *r)
{
	const struct slot *o = NULL;

	for (unsigned i = 0; r->n_held && i < r->slots; i++)
		if (r->held[i].used && (!o || r->held[i].mono_ns < o->mono_ns))
			o = &r->held[i];
	return o;
}

uint64_t cb_rtp_recv_deadline(const struct cb_rtp_recv *r)
{
	const struct slot *o = oldest(r);

	return o ? o->mono_ns + (uint64_t)(r->o.hold_ns > 0 ? r->o.hold_ns : 0) : UINT64_MAX;
}

void cb_rtp_recv_tick(struct cb_rtp_recv *r, uint64_t mono_ns)
{
	uint64_t hold_ns = (uint64_t)(r->o.hold_ns > 0 ? r->o.hold_ns : 0);

	for (unsigned i = 0; r->n_held && i < r->slots; i++)
		if (r->held[i].used && mono_ns >= r->held[i].mono_ns + hold_ns && r->held[i].seq > r->release)
			r->release = r->held[i].seq;
}

void cb_rtp_recv_flush(struct cb_rtp_recv *r)
{
	let_go(r);
}

const struct cb_rtp_stats *cb_rtp_recv_stats(const struct cb_rtp_recv *r)
{
	return &r->st;
}

bool cb_rtp_recv_unwrap(const struct cb_rtp_recv *r, uint32_t ts, int64_t *ret)
{
	if (!r->have_ts)
		return false;
	*ret = r->ts + (int32_t)(ts - (uint32_t)r->ts);
	return true;
}

bool cb_rtp_recv_ssrc(const struct cb_rtp_recv *r, uint32_t *ret)
{
	if (!r->started)
		return false;
	*ret = r->ssrc;
	return true;
}

bool cb_rtp_recv_report(struct cb_rtp_recv *r, struct cb_rtp_report *ret)
{
	uint64_t expected, interval, got;
	int64_t lost;

	if (!r->started)
		return false;
	expected = r->highest - r->base + 1;
	lost = (int64_t)expected - (int64_t)r->received;
	interval = expected - r->expected_prior;
	got = r->received - r->received_prior;
	ret->ssrc = r->ssrc;
	ret->fraction_lost = interval && interval > got ? (uint8_t)(((interval - got) << 8) / interval) : 0;
	if (interval && !got)
		ret->fraction_lost = 255;
	ret->cumulative_lost = lost > 0x7fffff ? 0x7fffff : lost < -0x800000 ? -0x800000 : (int32_t)lost;
	ret->highest_seq = (uint32_t)r->highest;
	ret->jitter = r->st.jitter;
	r->expected_prior = expected;
	r->received_prior = r->received;
	return true;
}
