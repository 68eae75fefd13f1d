/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs: frame streams read to their end through their analyses, one or several at once.
 *
 * Several have a thread each and nothing in common but a crew and the output: one that is
 * slow, silent or broken does not hold another up. Where the output fails all of them end. */
#ifndef CB_DETECT_FEED_H
#define CB_DETECT_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "detect/detect.h"
#include "wire/frame.h"

#define CB_FEEDS_MAX 64

struct cb_feed {
	const char *name;		/* as given */
	struct cb_detect *d;		/* the caller's, set before it is run */
	/* afterwards: */
	bool whole;			/* the input ended as it should */
	uint16_t reason;		/* why, as its END says (CB_END_STOPPED without one) */
	struct cb_err err;		/* why it did not */
	/* private */
	int fd;
	struct cb_reader in;
};

/* A file, a named pipe (nobody need write to it yet), or "-" for stdin. path must live as long.
 * CB_E_NOINPUT or CB_E_PERM where it cannot be opened, named. */
int cb_feed_open(struct cb_feed *f, const char *path, struct cb_err *err);
/* Read it through its analysis, to the end or until somebody wants to stop. -1 with f->err as
 * well. each, if not NULL, is called after every frame. */
int cb_feed_run(struct cb_feed *f, void (*each)(const struct cb_detect_stats *s));
/* All of them. Their sinks share one cb_out and must have a lock. `ended` is called, one feed at
 * a time and in this thread, as each has ended. Some did not end well: err says how many, and has the
 * worst code of theirs. Else as of threads that were not to be had. */
int cb_feeds_run(struct cb_feed *f, int n, void (*ended)(struct cb_feed *f), struct cb_err *err);
void cb_feed_release(struct cb_feed *f);

#endif
