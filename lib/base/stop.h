/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT: the first asks the tool to finish its record, write its end and leave
 * with 0; the second ends it at once. No SA_RESTART, so a blocked read returns EINTR. */
#ifndef CB_BASE_STOP_H
#define CB_BASE_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Install the handlers; with ignore_pipe, also ignore SIGPIPE (for keepers of state). */
void cb_stop_install(bool ignore_pipe);
/* As if SIGTERM had come: we have a reason of our own. */
void cb_stop_ask(void);
/* Has somebody asked us to stop? */
bool cb_stop_wanted(void);
/* read(2) across EINTR and EAGAIN. After a request to stop it still gives what is in the pipe,
 * for at most 1.5 s from then on, and 0 afterwards: in a pipeline the signal reaches everybody,
 * and the producer is just writing its end. */
ssize_t cb_read_to_stop(int fd, void *buf, size_t n);
/* The flag itself, for libraries that poll an int. */
extern volatile int cb_stop_flag;

#endif
