/* SPDX-License-Identifier: Apache-2.0 */
/* The programs in libexec that do what cb-ingest is asked for: cb-libav (files, HTTP, devices:
 * everything that needs FFmpeg) and cb-rtsp. Either one takes cb-ingest's place (a file: the
 * frames go where cb-ingest's would), or it is the worker of live/live.h.
 *
 * A worker writes a frame stream to its stdout and, where it fails, one message to the
 * descriptor that its arguments name (spec.status): an exit status and a line for people. What
 * comes from a worker is not believed: it may be in the hands of whoever sends the footage. */
#ifndef CB_LIVE_HELPER_H
#define CB_LIVE_HELPER_H

#include <sys/types.h>

#include "base/err.h"
#include "live/spec.h"

/* Become the program: returns -1 with the reason (CB_E_OS), or not at all. */
int cb_helper_become(const char *name, const struct cb_spec *s, struct cb_err *err);

struct cb_worker {
	pid_t pid;		/* 0: none */
	int out, status;	/* to read from; -1 */
};
/* Start it with its stdin on /dev/null, its frames and its status in two pipes. secret, where
 * not NULL, goes to it through a third, as credentials=fd:N. Errors: CB_E_OS. */
int cb_worker_start(struct cb_worker *ret, const char *name, const struct cb_spec *s, const char *secret,
		    struct cb_err *err);
/* Wait for its end, at most ns, then kill it. ret: what it said, or that it was killed, by
 * what; CB_OK where it left with 0. Closes both descriptors. */
void cb_worker_end(struct cb_worker *w, int64_t ns, struct cb_err *ret);

/* The worker's side: do not outlive whoever started it. */
void cb_worker_begin(int status);
/* Say how it ended. Nothing where fd is negative. */
void cb_status_write(int fd, const struct cb_err *how);

#endif
