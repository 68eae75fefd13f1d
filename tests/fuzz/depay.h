/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of the depacketisers share: a description up to a NUL byte, then RTP packets
 * behind 16-bit lengths, through a receiver and a depacketiser, whose promises are checked. */
#ifndef CB_TESTS_FUZZ_DEPAY_H
#define CB_TESTS_FUZZ_DEPAY_H

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "codec/annexb.h"
#include "rtsp/depay.h"
#include "rtsp/events.h"
#include "wire/event.h"

static void units(struct cb_depay *d, uint64_t *lost)
{
	const struct cb_stream *s;
	struct cb_au u;

	while (cb_depay_pull(d, &u, NULL) == 1) {
		struct cb_nal nal;
		size_t pos = 0;
		int r = 0;

		s = cb_depay_stream(d);
		*lost += u.lost;
		if (!u.len || u.len > CB_AU_MAX + 2 || u.flags & ~(CB_F_KEY | CB_F_CORRUPT | CB_F_DISPOSABLE) || u.duration < 0)
			abort();
		if (s->width > 65535 || s->height > 65535 || s->channels > 255 || s->extradata_len > CB_EXTRADATA_MAX ||
		    s->sample_rate > INT32_MAX || s->frame_size > INT32_MAX || !s->tb_den || s->tb_den > INT32_MAX ||
		    s->fr_num > INT32_MAX || s->fr_den > INT32_MAX || s->sar_num > INT32_MAX || s->sar_den > INT32_MAX)
			abort();
		/* lengths that lead from unit to unit, to the end */
		while (s->nal_length && (r = cb_nal_next(u.data, u.len, 4, &pos, &nal)) == 1)
			;
		if (r < 0)
			abort();
		if (s->kind == CB_DATA) {
			static struct cb_json json;
			struct cb_buf line = { 0 };
			struct cb_event e;

			/* a strict reader takes what is said of it */
			if (cb_rtsp_event_metadata(&line, "fuzz", 1, 1, &u, NULL) < 0 || line.len >= CB_EVENT_LINE_MAX ||
			    cb_event_parse(&e, &json, (const char *)line.data, line.len, NULL) < 0)
				abort();
			cb_buf_release(&line);
		}
	}
}

static int fuzz_depay(const char *encoding, const uint8_t *p, size_t n)
{
	struct cb_rtp_opts o = { .payload_type = -1, .hold_ns = 5 };
	struct cb_oddities odd = { 0 };
	struct cb_rtp_recv *rx = NULL;
	struct cb_rtp_packet k;
	struct cb_depay *d = NULL;
	struct cb_sdp sdp = { 0 };
	size_t head = strnlen((const char *)p, n);
	uint64_t lost = 0, now = 1;

	if (head == n || cb_sdp_parse(&sdp, (const char *)p, head, &odd, NULL) < 0)
		return 0;
	/* whatever it says, this target is of one format */
	strcpy(sdp.media[0].encoding, encoding);
	sdp.media[0].rtp = true;
	if (!sdp.media[0].clock_rate)
		sdp.media[0].clock_rate = 90000;
	o.clock_rate = sdp.media[0].clock_rate;
	o.window = sdp.media[0].port & 15;
	if (cb_depay_open(&d, &sdp.media[0], &odd, NULL) < 0)
		goto out;
	if (cb_rtp_recv_new(&rx, &o, &odd, NULL) < 0)
		abort();
	p += head + 1;
	n -= head + 1;
	while (n >= 2) {
		size_t len = cb_be16(p);
		uint8_t *exact;

		p += 2;
		n -= 2;
		if (len > n)
			len = n;
		exact = malloc(len + !len);	/* where it ends the memory ends */
		if (!exact)
			abort();
		memcpy(exact, p, len);
		p += len;
		n -= len;
		if (cb_rtp_recv_push(rx, exact, len, 1, now, NULL) < 0)
			abort();
		cb_rtp_recv_tick(rx, now++);
		while (cb_rtp_recv_pull(rx, &k)) {
			if (cb_depay_push(d, &k, NULL) < 0)
				abort();
			units(d, &lost);
		}
		free(exact);
	}
	cb_rtp_recv_flush(rx);
	while (cb_rtp_recv_pull(rx, &k)) {
		if (cb_depay_push(d, &k, NULL) < 0)
			abort();
		units(d, &lost);
	}
	if (cb_depay_flush(d, NULL) < 0)
		abort();
	units(d, &lost);
	/* no loss is said twice */
	if (lost > cb_rtp_recv_stats(rx)->lost)
		abort();
out:
	cb_rtp_recv_free(rx);
	cb_depay_free(d);
	cb_sdp_release(&sdp);
	return 0;
}

#define FUZZ_DEPAY(encoding) \
	int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n); \
	int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) \
	{ \
		return fuzz_depay(encoding, p, n); \
	}

#endif
