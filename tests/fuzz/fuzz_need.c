/* SPDX-License-Identifier: Apache-2.0 */
/* What packets say of what they are needed for. The first byte chooses the codec, the second how
 * much of the rest is extradata; then packets, each behind a byte with its length. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/need.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const codecs[] = { "h264", "hevc", "av1", "mpeg2video", "mpeg4", "vp8", "vp9", "mjpeg" };
	struct cb_stream s = { 0 };
	struct cb_needs needs;
	size_t k;

	if (n < 3)
		return 0;
	snprintf(s.codec, sizeof s.codec, "%s", codecs[p[0] & 7]);
	s.nal_length = (uint8_t)((p[0] >> 3 & 3) + 1);
	k = p[1] < n - 2 ? p[1] : n - 2;
	s.extradata = p + 2;
	s.extradata_len = (uint32_t)k;
	cb_needs_init(&needs, &s);
	p += 2 + k;
	n -= 2 + k;
	while (n) {
		uint8_t *copy;
		struct cb_packet pkt = { 0 };
		struct cb_need r;

		k = p[0] < n - 1 ? p[0] : n - 1;
		copy = malloc(k + !k);	/* where it ends the memory ends */
		if (!copy)
			abort();
		memcpy(copy, p + 1, k);
		pkt.data = copy;
		pkt.len = (uint32_t)k;
		r = cb_needs_packet(&needs, &pkt);
		/* what carries something for others is not spare; sizes are of pictures in blocks */
		if ((r.spare && r.headers) || (!k && (r.spare || r.anew)) || (r.jpeg && strcmp(s.codec, "mjpeg") != 0))
			abort();
		free(copy);
		p += 1 + k;
		n -= 1 + k;
	}
	return 0;
}
