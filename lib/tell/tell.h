/* SPDX-License-Identifier: Apache-2.0 */
/* What cb-alert(1) does: events in, alerts and decisions out, hooks run, notices to sinks; rules
 * read again at SIGHUP (which is blocked here, and looked for where input is awaited), time that
 * goes on by itself. Order is what keeps promises: a notice is in the spool, and with it what will be
 * said about it, before the state forgets that it waits, and the state is written before stdout and
 * the log say so. Whoever dies in between leaves the next one to say it, so that what was said can be
 * summed up over kills. With a frame stream on stdout that is not so. */
#ifndef CB_TELL_TELL_H
#define CB_TELL_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "alert/rules.h"
#include "base/err.h"
#include "deliver/conf.h"

struct cb_tell_opts {
	const char *config, *state, *log, *metrics;	/* as of cb-alert(1); NULL: not given */
	bool pass, tee, live, test;
	int64_t drain_ns;
	int in_fd, out_fd;		/* out_fd is closed */
	int sandbox;			/* as of deliver/deliver.h */
	void (*warn)(void *ctx, const char *text);
	void (*note)(void *ctx, const char *text);
	/* Everything is open, and nothing has been read yet. May be NULL; sinks may be. */
	int (*ready)(void *ctx, const struct cb_rules *rules, const struct cb_deliver_conf *sinks,
		     struct cb_err *err);
	void *ctx;
};
/* Until the input ends or a stop is asked. CB_E_DATA in the end where lines were no events. */
int cb_tell_run(const struct cb_tell_opts *o, struct cb_err *err);

struct cb_tell_sizes {
	uint32_t rules, routes, sinks, silences;
};
/* Is the file right, with its lists and silences? */
int cb_tell_check(const char *config, struct cb_tell_sizes *ret, struct cb_err *err);

#endif
