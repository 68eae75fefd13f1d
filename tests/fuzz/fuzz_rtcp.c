/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP compounds, and a clock that believes what sender reports say. */
#include <stdlib.h>
#include <string.h>

#include "rtsp/clock.h"
#include "rtsp/rtcp.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define W0 INT64_C(1795251282000000000)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_oddities odd = { 0 };
	struct cb_clock c;
	struct cb_clock_note note;
	struct cb_rtcp k;
	volatile uint8_t sum = 0;
	size_t pos = 0, was = 0;
	int64_t t = 0, wall;
	uint8_t source, sync;
	int r;

	cb_clock_init(&c, 90000, &odd);
	while ((r = cb_rtcp_next(p, n, &pos, &k, &odd)) == 1) {
		if (pos <= was || pos > n || k.body + k.body_len > p + pos)
			abort();
		was = pos;
		for (uint32_t i = 0; i < k.body_len; i++)
			sum += k.body[i];
		for (uint8_t i = 0; k.reason && i < k.reason_len; i++)
			sum += k.reason[i];
		t += INT64_C(40000000);
		if (k.type == CB_RTCP_SR)
			cb_clock_report(&c, cb_ntp_to_ns(k.ntp), (int64_t)((uint64_t)k.octets << 32 | k.rtp_ts), W0 + t, (uint64_t)t);
		wall = cb_clock_unit(&c, (int64_t)(k.ntp ^ k.rtp_ts), W0 + t, (uint64_t)t, CB_SYNC_NO, &source, &sync);
		/* no time of a unit is far from its arrival */
		if (wall < W0 + t - INT64_C(6000000000) || wall > W0 + t + INT64_C(6000000000) ||
		    (source != CB_WALL_ARRIVAL && source != CB_WALL_RTCP))
			abort();
		while (cb_clock_note(&c, &note))
			if (note.what < CB_CLOCK_SYNC || note.what > CB_CLOCK_DRIFT)
				abort();
	}
	if (pos != n)
		abort();
	return 0;
}
