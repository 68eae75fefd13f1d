/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager how it goes: the datagrams of sd_notify(3), to the socket that
 * NOTIFY_SOCKET names. Without one nothing is sent, and nothing here ever fails or blocks. */
#ifndef CB_BASE_NOTIFY_H
#define CB_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct cb_notify {
	int fd;			/* -1: nobody listens */
	int64_t watchdog_ns;	/* be heard of at least so often (half of WATCHDOG_USEC); 0: no need */
	int64_t fed_ns;		/* monotonic time of the last WATCHDOG=1 */
	char status[160];
};

/* Connect, before a sandbox forbids it. WATCHDOG_USEC counts where WATCHDOG_PID is this process
 * or not set: in a pipeline, the shell has to unset it. */
void cb_notify_open(struct cb_notify *n);
/* "READY=1", "STOPPING=1" ... */
void cb_notify_say(struct cb_notify *n, const char *text);
/* STATUS=text, where it is another than last time; control characters become '?'. */
void cb_notify_status(struct cb_notify *n, const char *text);
/* There was progress: WATCHDOG=1, where one is due. Returns the monotonic time in ns by which to
 * call again, INT64_MAX where there is no watchdog. */
int64_t cb_notify_progress(struct cb_notify *n, int64_t mono_ns);
void cb_notify_close(struct cb_notify *n);

#endif
