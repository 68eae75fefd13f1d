/* SPDX-License-Identifier: Apache-2.0 */
/* Storing the events of a stream of lines or frames, and passing them on. */
#ifndef CB_STORE_PUT_H
#define CB_STORE_PUT_H

#include <stdbool.h>

#include "base/err.h"
#include "store/events.h"
#include "store/store.h"

struct cb_put_opts {
	bool tee;	/* pass a whole frame stream on, not its events alone */
	/* Something that a person should know now; never NULL. */
	void (*warn)(const char *text);
	bool quiet;	/* nobody hears warn: what closed the output is then the error */
};
/* Read in to its end. A line is on the disk before it is written to out, but with tee. A
 * reader of out that goes away does not end it. CB_E_DATA: a line was no event, or the stream
 * was cut short; everything else was stored. */
int cb_put(const struct cb_store *s, int in, int out, const struct cb_put_opts *o,
	   struct cb_events_totals *ret, struct cb_err *err);

#endif
