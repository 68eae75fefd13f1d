/* SPDX-License-Identifier: Apache-2.0 */
/* What cb-export reads of footage itself: NAL units behind their lengths. The input is a segment
 * file: its boxes up to the first uuid are taken for the init segment, each later uuid begins a
 * fragment. */
#include <string.h>

#include "base/num.h"
#include "export/clip.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t at = 0, begin = 0, init = 0;
	uint32_t count;

	while (n - at >= 8) {
		size_t len = cb_be32(p + at);

		if (len < 8 || len > n - at)
			len = n - at;
		at += len;
		if (memcmp(p + at - len + 4, "uuid", 4) == 0 && !init)
			init = begin = at;
		else if (memcmp(p + at - len + 4, "mdat", 4) == 0) {
			cb_clip_leading(p, init, p + begin, at - begin, &count, NULL);
			begin = at;
		}
	}
	return 0;
}
