/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP: packets of a compound, and our own reports. */
#include "rtsp/rtcp.h"

#include <string.h>

#include "base/num.h"
#include "base/time.h"

#define NTP_1970 UINT64_C(2208988800)	/* seconds from 1900 to 1970 */

int cb_rtcp_next(const uint8_t *p, size_t n, size_t *pos, struct cb_rtcp *ret, struct cb_oddities *odd)
{
	struct cb_rtcp r = { 0 };
	const uint8_t *b;
	size_t at = *pos, len;
	unsigned count;

	if (at >= n)
		return 0;
	p += at;
	n -= at;
	if (n < 4 || p[0] >> 6 != 2 || p[1] < 192 || p[1] > 223)
		goto bad;
	len = 4 * (size_t)cb_be16(p + 2) + 4;
	count = p[0] & 31;
	r.type = p[1];
	if (!at && r.type != CB_RTCP_SR && r.type != CB_RTCP_RR)
		cb_odd(odd, CB_ODD_RTCP_NOT_FIRST);
	if (len > n) {
		if (r.type != CB_RTCP_BYE)
			goto bad;
		cb_odd(odd, CB_ODD_RTCP_MALFORMED);
		len = n;
	}
	r.body = b = p + 4;
	r.body_len = (uint32_t)(len - 4);
	switch (r.type) {
	case CB_RTCP_SR:
		if (r.body_len < 24)
			goto bad;
		r.ntp = (uint64_t)cb_be32(b + 4) << 32 | cb_be32(b + 8);
		r.rtp_ts = cb_be32(b + 12);
		r.packets = cb_be32(b + 16);
		r.octets = cb_be32(b + 20);
		break;
	case CB_RTCP_BYE:
		if (r.body_len > 4 * (size_t)count) {
			r.reason = b + 4 * (size_t)count + 1;
			r.reason_len = b[4 * (size_t)count];
			if (r.reason_len > r.body_len - 4 * count - 1)
				r.reason_len = (uint8_t)(r.body_len - 4 * count - 1);
		}
		if (!count)
			r.body_len = 0;
		break;
	case CB_RTCP_APP:
		if (r.body_len < 8)
			goto bad;
		memcpy(r.name, b + 4, 4);
		break;
	}
	if (r.body_len >= 4)
		r.ssrc = cb_be32(b);
	else if (r.type == CB_RTCP_SR || r.type == CB_RTCP_RR)
		goto bad;
	*pos = at + len;
	*ret = r;
	return 1;
bad:
	cb_odd(odd, CB_ODD_RTCP_MALFORMED);
	*pos = at + n;
	return -1;
}

static void put32(uint8_t *p, uint64_t v)
{
	cb_put_be32(p, (uint32_t)v);
}

static int sdes(struct cb_buf *out, uint32_t our_ssrc, const char *cname)
{
	uint8_t p[4 + 4 + 2 + 64 + 4] = { 0x81, CB_RTCP_SDES };
	size_t n = strnlen(cname, 64), len;

	put32(p + 4, our_ssrc);
	p[8] = 1;	/* CNAME */
	p[9] = (uint8_t)n;
	memcpy(p + 10, cname, n);
	len = (10 + n + 4) & ~(size_t)3;	/* at least one NUL */
	cb_put_be16(p + 2, (uint16_t)(len / 4 - 1));
	return cb_buf_add(out, p, len);
}

int cb_rtcp_receiver_report(struct cb_buf *out, uint32_t our_ssrc, const char *cname,
			    const struct cb_rtp_report *report, uint64_t last_sr_ntp,
			    int64_t since_sr_ns, struct cb_err *err)
{
	uint8_t p[32] = { 0x80, CB_RTCP_RR, 0, 1 };
	size_t was = out->len, n = 8;

	put32(p + 4, our_ssrc);
	if (report) {
		n = 32;
		p[0] |= 1;
		p[3] = 7;
		put32(p + 8, report->ssrc);
		put32(p + 12, (uint32_t)report->fraction_lost << 24 |
				  ((uint32_t)report->cumulative_lost & 0xffffff));
		put32(p + 16, report->highest_seq);
		put32(p + 20, report->jitter);
		if (last_sr_ntp && since_sr_ns >= 0) {
			int64_t most = INT64_C(65535) * CB_NS_PER_S;

			put32(p + 24, last_sr_ntp >> 16);
			put32(p + 28, (uint64_t)cb_rescale(since_sr_ns < most ? since_sr_ns : most, 65536,
							   CB_NS_PER_S));
		}
	}
	if (cb_buf_add(out, p, n) < 0 || sdes(out, our_ssrc, cname) < 0) {
		out->len = was;
		return cb_err_nomem(err);
	}
	return 0;
}

int cb_rtcp_bye(struct cb_buf *out, uint32_t our_ssrc, const char *cname, struct cb_err *err)
{
	uint8_t p[8] = { 0x81, CB_RTCP_BYE, 0, 1 };
	size_t was = out->len;

	put32(p + 4, our_ssrc);
	if (cb_rtcp_receiver_report(out, our_ssrc, cname, NULL, 0, 0, err) < 0)
		return -1;
	if (cb_buf_add(out, p, sizeof(p)) < 0) {
		out->len = was;
		return cb_err_nomem(err);
	}
	return 0;
}

int64_t cb_ntp_to_ns(uint64_t ntp)
{
	uint64_t s = ntp >> 32;
	int64_t unix_s = (int64_t)s - (int64_t)NTP_1970 + (s < UINT64_C(0x80000000) ? INT64_C(1) << 32 : 0);

	return unix_s * CB_NS_PER_S + (int64_t)(((ntp & UINT32_MAX) * (uint64_t)CB_NS_PER_S + (1u << 31)) >> 32);
}

uint64_t cb_ns_to_ntp(int64_t ns)
{
	int64_t s = ns / CB_NS_PER_S, rest = ns % CB_NS_PER_S;

	if (rest < 0) {
		rest += CB_NS_PER_S;
		s--;
	}
	return ((uint64_t)s + NTP_1970) << 32 | (((uint64_t)rest << 32) / (uint64_t)CB_NS_PER_S);
}
