/* SPDX-License-Identifier: Apache-2.0 */
/* A tool's side of a log: what it does goes in, and a log that cannot be written just now does
 * not stop the tool. What could not be appended waits, in order, and is tried again.
 *
 * NULL is a logbook that nothing is written to: what --log was not given for. Threads may share
 * one; opening and closing it is one thread's. */
#ifndef CB_LOG_LOGBOOK_H
#define CB_LOG_LOGBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/log.h"

#define CB_LOGBOOK_WAITING (4u << 20)	/* bytes of lines that may wait */

struct cb_logbook;

/* *ret is NULL where dir is. A log that is not there, or is none, is an error now; one that is
 * locked or full is not. warn: said to people, once for each time that the log fails. */
int cb_logbook_open(struct cb_logbook **ret, const char *dir, void (*warn)(void *ctx, const char *text),
		    void *ctx, struct cb_err *err);
/* An event, which is in the log when this returns, or waits. */
void cb_logbook_say(struct cb_logbook *l, const struct cb_buf *line);
/* cb.config: the tool works by this file from now on, as it is now. At most 1 MiB is read. */
int cb_logbook_config(struct cb_logbook *l, const char *tool, const char *path, struct cb_err *err);
/* For cb_sink.each of a tool that analyses: logs the first cb.run that passes, which says by
 * what model and configuration the tool works, and each cb.camera event; ticks. */
struct cb_logbook_tap {
	struct cb_logbook *log;
	bool run_said;
};
void cb_logbook_tap(void *tap, const char *line, size_t len);
/* Try again what waits, at most once a second, and seal the epochs that have ended. Whoever has
 * time calls it now and then: it is the log's heartbeat. */
void cb_logbook_tick(struct cb_logbook *l);
/* A last try. What is then not in the log is an error that says how many events, and why; they
 * are lost to it. */
int cb_logbook_close(struct cb_logbook *l, struct cb_err *err);

#endif
