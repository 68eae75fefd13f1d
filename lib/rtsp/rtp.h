/* SPDX-License-Identifier: Apache-2.0 */
/* RTP (RFC 3550): one packet read, and the order of a stream's packets put right.
 *
 * A receiver takes the packets of one elementary stream as they arrive and gives them back by
 * sequence number, each once, with 64-bit numbers and timestamps and the count of those that
 * never came. A packet that is early is held until the missing ones are there, until `window`
 * packets are held, or until hold_ns have passed; packets in order are never copied. */
#ifndef CB_RTSP_RTP_H
#define CB_RTSP_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtsp/oddity.h"

#define CB_RTP_MAX 65535	/* bytes of a packet */
#define CB_RTP_WINDOW_MAX 512

/* One packet as it stands in the datagram. Pointers reach into it. */
struct cb_rtp {
	uint8_t payload_type;
	bool marker;
	uint16_t seq;
	uint32_t ts, ssrc;
	const uint8_t *payload;	/* without padding */
	uint32_t len;
	uint16_t ext_profile;	/* of the header extension; ext NULL: there is none */
	const uint8_t *ext;
	uint32_t ext_len;
};

/* false: not RTP version 2, or its lengths do not fit. Padding that claims more than there is,
 * is taken for none, and counted. */
bool cb_rtp_parse(struct cb_rtp *ret, const uint8_t *p, size_t n, struct cb_oddities *odd);
/* Is it RTCP by its payload type (RFC 5761: 192 to 223), where both come on one channel? */
bool cb_rtp_is_rtcp(const uint8_t *p, size_t n);

/* A packet in its place. */
struct cb_rtp_packet {
	uint64_t seq;		/* never wraps; the low 16 bits are those of the packet */
	int64_t ts;		/* never wraps: the value nearest to the last one; low 32 bits as sent */
	uint64_t lost;		/* packets missing right before this one */
	bool restart;		/* numbers began anew here (another source, a jump): how many are lost is unknown */
	bool marker;
	const uint8_t *payload;
	uint32_t len;
	uint16_t ext_profile;
	const uint8_t *ext;
	uint32_t ext_len;
	int64_t wall_ns;	/* of its arrival, as given */
	uint64_t mono_ns;
};

struct cb_rtp_opts {
	uint32_t clock_rate;
	int payload_type;	/* of the description, -1 any; others are dropped and counted */
	unsigned window;	/* packets, at most CB_RTP_WINDOW_MAX; 0: as they come (TCP) */
	int64_t hold_ns;
	bool have_ssrc;		/* that of the Transport header; another one is taken after two packets */
	uint32_t ssrc;
};

struct cb_rtp_stats {
	uint64_t packets, bytes;	/* taken; bytes of payload */
	uint64_t lost;			/* never came: known after they would have been given */
	uint64_t duplicates, reordered, late;
	uint32_t jitter;		/* RFC 3550 6.4.1, clock units */
};

struct cb_rtp_recv;

int cb_rtp_recv_new(struct cb_rtp_recv **ret, const struct cb_rtp_opts *o, struct cb_oddities *odd,
		    struct cb_err *err);
void cb_rtp_recv_free(struct cb_rtp_recv *r);
/* Take one datagram or interleaved frame; then pull until 0. What is no RTP is counted and dropped
 * (0). -1: no memory. */
int cb_rtp_recv_push(struct cb_rtp_recv *r, const uint8_t *p, size_t n, int64_t wall_ns,
		     uint64_t mono_ns, struct cb_err *err);
/* 1: a packet, its pointers good until the next push or pull (and as long as what was pushed). */
int cb_rtp_recv_pull(struct cb_rtp_recv *r, struct cb_rtp_packet *ret);
/* Let go what waited for longer than hold_ns: call it at `deadline`, then pull. UINT64_MAX: none. */
void cb_rtp_recv_tick(struct cb_rtp_recv *r, uint64_t mono_ns);
uint64_t cb_rtp_recv_deadline(const struct cb_rtp_recv *r);
/* At the end: let everything go. */
void cb_rtp_recv_flush(struct cb_rtp_recv *r);

const struct cb_rtp_stats *cb_rtp_recv_stats(const struct cb_rtp_recv *r);
/* What a timestamp of a sender report is in this stream's 64 bits. false before the first packet. */
bool cb_rtp_recv_unwrap(const struct cb_rtp_recv *r, uint32_t ts, int64_t *ret);
/* The source's number; false before the first packet. */
bool cb_rtp_recv_ssrc(const struct cb_rtp_recv *r, uint32_t *ret);

/* What RTCP wants to know (rtsp/rtcp.h): since the last call, and in all. */
struct cb_rtp_report {
	uint32_t ssrc;
	uint8_t fraction_lost;
	int32_t cumulative_lost;	/* RFC 3550 6.4.1: 24 bits, clamped */
	uint32_t highest_seq;
	uint32_t jitter;
};
bool cb_rtp_recv_report(struct cb_rtp_recv *r, struct cb_rtp_report *ret);

#endif
