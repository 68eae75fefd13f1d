/* SPDX-License-Identifier: Apache-2.0 */
/* RTP put in order. The first byte is the window; then packets behind 16-bit lengths, each with a
 * byte in front of it that says how much time passed. Numbers ascend but for what is said to
 * stand before a new beginning; what was taken is given, once. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "rtsp/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static uint64_t last, given, lost;
static bool any;

static void drain(struct cb_rtp_recv *r)
{
	struct cb_rtp_packet k;
	volatile uint8_t sum = 0;

	while (cb_rtp_recv_pull(r, &k)) {
		if (any && k.seq <= last)
			abort();
		if (any && !k.restart && k.lost && k.seq - last - 1 != k.lost)
			abort();
		last = k.seq;
		any = true;
		given++;
		lost += k.lost;
		for (uint32_t i = 0; i < k.len; i++)
			sum += k.payload[i];
		for (uint32_t i = 0; i < k.ext_len; i++)
			sum += k.ext[i];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_rtp_opts o = { .clock_rate = 90000, .payload_type = -1, .hold_ns = 100 };
	struct cb_oddities odd = { 0 };
	struct cb_rtp_report rep;
	struct cb_rtp_recv *r;
	uint64_t now = 1;
	uint32_t ssrc;
	int64_t ts;

	if (!n)
		return 0;
	last = given = lost = 0;
	any = false;
	o.window = p[0] & 63;
	o.have_ssrc = p[0] >> 6 & 1;
	o.payload_type = p[0] >> 7 ? 96 : -1;
	p++;
	n--;
	if (cb_rtp_recv_new(&r, &o, &odd, NULL) < 0)
		abort();
	while (n >= 3) {
		size_t len = cb_be16(p + 1);
		uint8_t *exact;

		now += p[0];
		p += 3;
		n -= 3;
		len = len < n ? len : n;
		exact = malloc(len + !len);
		if (!exact)
			abort();
		memcpy(exact, p, len);
		p += len;
		n -= len;
		if (cb_rtp_recv_push(r, exact, len, 1, now, NULL) < 0)
			abort();
		drain(r);
		if (cb_rtp_recv_deadline(r) <= now)
			cb_rtp_recv_tick(r, now);
		drain(r);
		free(exact);
	}
	cb_rtp_recv_flush(r);
	drain(r);
	if (given != cb_rtp_recv_stats(r)->packets || lost != cb_rtp_recv_stats(r)->lost || cb_rtp_recv_deadline(r) != UINT64_MAX)
		abort();
	if (cb_rtp_recv_report(r, &rep) != cb_rtp_recv_ssrc(r, &ssrc))
		abort();
	cb_rtp_recv_unwrap(r, 5, &ts);
	cb_rtp_recv_free(r);
	return 0;
}
