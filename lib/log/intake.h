/* SPDX-License-Identifier: Apache-2.0 */
/* Appending a stream of lines or frames to a log: many lines share one sync, and whenever the
 * stream has nothing more for now, what was read is on the disk before it is waited for. While it
 * is silent the log's epochs are sealed as they end. */
#ifndef CB_LOG_INTAKE_H
#define CB_LOG_INTAKE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/io.h"
#include "log/log.h"

struct cb_intake_opts {
	const char *path;	/* the log's, for messages */
	bool each;		/* a sync for each line */
	bool receipts;		/* {"line":N,"index":I} and LF to out for each entry, once it is on the disk */
	/* Something that a person should know now: the second line that was refused and some
	 * more, the first being the error. Never NULL. */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};
/* Read in (stdin, in messages) to its end, or to a request to stop: NDJSON, or a frame stream,
 * whose events are taken. CB_E_DATA: a line could not be an entry, and every other one was
 * appended; or a stream was cut short. Else as cb_log_append, or out failed: what has no answer
 * by then may be in the log or not. */
int cb_log_intake(struct cb_log *l, int in, struct cb_out *out, const struct cb_intake_opts *o,
		  struct cb_err *err);

#endif
