/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of lines that are passed over. */
#include "wire/badlines.h"

#include <inttypes.h>
#include <stdio.h>

void cb_bad_line(struct cb_bad_lines *b, const char *kind, uint64_t number, const struct cb_err *why)
{
	char text[sizeof(why->msg) + 64];

	if (++b->n > CB_BAD_TOLD) {
		if (b->n == CB_BAD_TOLD + 1)
			b->warn(b->ctx, "further lines like these are only counted");
		return;
	}
	if (kind)
		snprintf(text, sizeof(text), "%s %" PRIu64 ": %s", kind, number, why->msg);
	b->warn(b->ctx, kind ? text : why->msg);
}
