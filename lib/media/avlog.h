/* SPDX-License-Identifier: Apache-2.0 */
/* What libavformat and libavcodec would print: kept, made safe, never on the terminal by
 * itself. Private to lib/media. */
#ifndef CB_MEDIA_AVLOG_H
#define CB_MEDIA_AVLOG_H

#include <stdint.h>

#include "base/err.h"

struct cb_avlog {
	uint64_t errors;		/* lines of level error or worse */
	char last[256];			/* the last of them, safe for a terminal, without addresses' secrets */
	void (*line)(void *ctx, const char *text);	/* sees warnings and errors, or NULL */
	void *ctx;
};

/* From here on, until end, this thread's messages go to l; before and after they vanish. */
void cb_avlog_begin(struct cb_avlog *l);
void cb_avlog_end(void);

/* An error of theirs as ours: "WHAT: their text for it". No memory is CB_E_OS. */
int cb_averror(struct cb_err *err, enum cb_errc code, int averror, const char *what);
/* The text alone, in a buffer of the thread. */
const char *cb_averror_text(int averror);

#endif
