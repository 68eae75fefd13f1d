/* SPDX-License-Identifier: Apache-2.0 */
/* Samples over RTP: the first byte says which, then as for the others. */
#include "depay.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const names[] = { "PCMU", "PCMA", "L8", "L16", "L24", "G722", "G726-16", "G726-24", "G726-32",
					     "G726-40", "OPUS" };

	return n ? fuzz_depay(names[p[0] % 11], p + 1, n - 1) : 0;
}
