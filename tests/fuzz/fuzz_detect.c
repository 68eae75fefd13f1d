/* SPDX-License-Identifier: Apache-2.0 */
/* Frames with any payload into the analysis: parameters, extradata, packets, times, gaps.
 * The input is frames of a type byte, a flags byte and two bytes of length. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "detect/detect.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_detect_opts o = { .tool = "cb-detect", .version = "0", .stream = -1 };
	struct cb_detect *d = NULL;
	struct cb_crew *crew = NULL;
	struct cb_writer tee;
	struct cb_sink sink = { .tee = &tee };
	struct cb_err err;
	uint64_t seq = 0;

	if (n < 1)
		return 0;
	o.pick = (struct cb_pick){ .mode = (enum cb_pick_mode)(p[0] % 3), .every = 1 + p[0] / 3 % 4,
				   .fps_num = 1 + p[0] / 16, .fps_den = 1 };
	cb_writer_init(&tee, -1);
	tee.tolerant = tee.broken = true;	/* nobody reads it */
	if (cb_detect_crew(&crew, &o, 1, &err) < 0 || cb_detect_open(&d, &o, crew, &err) < 0)
		abort();
	cb_detect_sink(d, &sink);
	for (size_t i = 1; n - i >= 4;) {
		struct cb_frame f = { .type = p[i] % 8, .flags = p[i + 1], .stream = p[i + 1] >> 7,
				      .seq = seq++, .len = cb_le16(p + i + 2) };

		i += 4;
		if (f.len > n - i)
			f.len = (uint32_t)(n - i);
		f.payload = p + i;
		i += f.len;
		/* time goes into the code around the decoder, not into large pictures */
		if (f.type == CB_FRAME_STREAM && f.len >= CB_STREAM_FIXED &&
		    (cb_le32(f.payload + 36) > 512 || cb_le32(f.payload + 40) > 512))
			continue;
		if (cb_detect_frame(d, &f, &err) < 0)
			break;
	}
	cb_detect_finish(d, &err);
	cb_detect_free(d);
	cb_crew_free(crew);
	cb_writer_release(&tee);
	return 0;
}
