/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP (RFC 3550 6): compound packets walked, and receiver reports made. */
#ifndef CB_RTSP_RTCP_H
#define CB_RTSP_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "rtsp/oddity.h"
#include "rtsp/rtp.h"

enum cb_rtcp_type {
	CB_RTCP_SR = 200, CB_RTCP_RR = 201, CB_RTCP_SDES = 202, CB_RTCP_BYE = 203, CB_RTCP_APP = 204,
};

/* One packet of a compound. Fields that belong to other types are 0. */
struct cb_rtcp {
	uint8_t type;			/* enum cb_rtcp_type, or another number: to be passed over */
	uint32_t ssrc;			/* of its sender; BYE: the first that leaves; 0 where it has none */
	uint64_t ntp;			/* SR: NTP time, 32.32 bits since 1900 */
	uint32_t rtp_ts;		/* SR: the same moment as an RTP timestamp */
	uint32_t packets, octets;	/* SR: sent so far */
	const uint8_t *reason;		/* BYE: text, not NUL-terminated; or NULL */
	uint8_t reason_len;
	char name[5];			/* APP */
	const uint8_t *body;		/* everything behind the 4-byte header, for others */
	uint32_t body_len;
};

/* The next packet of a compound; *pos is 0 at the beginning. 1; 0 at the end; -1: the rest is no
 * RTCP (counted). A BYE is one also where it is cut short. */
int cb_rtcp_next(const uint8_t *p, size_t n, size_t *pos, struct cb_rtcp *ret, struct cb_oddities *odd);

/* Append a compound of RR (empty where report is NULL) and SDES with our CNAME (1 to 64 bytes).
 * last_sr_ntp, since_sr_ns: NTP time of the last sender report of that source, how long ago it
 * came; 0 where there was none. */
int cb_rtcp_receiver_report(struct cb_buf *out, uint32_t our_ssrc, const char *cname,
			    const struct cb_rtp_report *report, uint64_t last_sr_ntp,
			    int64_t since_sr_ns, struct cb_err *err);
/* The same with BYE behind it. */
int cb_rtcp_bye(struct cb_buf *out, uint32_t our_ssrc, const char *cname, struct cb_err *err);

/* NTP time as ns since 1970 (era 0 until 2036, then 1: a value below 2^63 is of era 1). */
int64_t cb_ntp_to_ns(uint64_t ntp);
uint64_t cb_ns_to_ntp(int64_t ns);

#endif
