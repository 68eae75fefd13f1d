/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be written, in its order, while something before it is not known yet.
 *
 * Frames that pass through, lines that are made, and places for lines that will be made. As
 * long as no place is open, frames and lines go to the sink at once. A spool never writes where
 * lines are added: cb_spool_flush does. */
#ifndef CB_DETECT_SPOOL_H
#define CB_DETECT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/event.h"

struct cb_spool_item;
struct cb_spool {
	struct cb_sink *sink;
	bool live;		/* frames do not wait, only lines do */
	size_t bytes;		/* that wait, more or less */
	struct cb_spool_item *first, *last;
};

/* A frame passes: it is written, or copied. */
int cb_spool_frame(struct cb_spool *s, const struct cb_frame *f, struct cb_err *err);
int cb_spool_line(struct cb_spool *s, const struct cb_buf *line, struct cb_err *err);
/* A place that stays open until it is at the front and popped; what means something to the caller. */
int cb_spool_place(struct cb_spool *s, void *what, struct cb_err *err);
/* Write up to the first open place, and say which it is (NULL: none). */
int cb_spool_flush(struct cb_spool *s, void **ret_what, struct cb_err *err);
/* Close the open place at the front. Its line goes to the sink first. */
void cb_spool_pop(struct cb_spool *s);
void cb_spool_release(struct cb_spool *s);

#endif
