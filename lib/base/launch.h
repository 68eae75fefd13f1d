/* SPDX-License-Identifier: Apache-2.0 */
/* Programs started by a process that was made for it: for a tool that locks itself in
 * (sandbox/sandbox.h), and whose programs shall be as free as if a shell had started them.
 *
 * The launcher is forked before the tool reads what others wrote, and reads nothing but requests:
 * which program, with which arguments, environment and descriptors. It starts those alone that
 * `may` knows, whatever the tool has become. They are children of the tool, which waits for them
 * and ends them as its own. It leaves when the tool does. Any thread may ask. */
#ifndef CB_BASE_LAUNCH_H
#define CB_BASE_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define CB_LAUNCH_BYTES 131072	/* of a request: longer ones are E2BIG */
#define CB_LAUNCH_FDS 8

/* Once, while there is one thread. may is asked in the launcher: is this a program that people
 * named? Errors: CB_E_OS. */
int cb_launcher_begin(bool (*may)(void *ctx, const char *path), void *ctx, struct cb_err *err);
bool cb_launcher_runs(void);
/* Start argv[0]. env is all of its environment. fd[i] becomes its descriptor to[i]; 0 to 2 are
 * /dev/null, /dev/null and our stderr where they are not among them; nothing else is open. Default
 * signals, none blocked, a process group of its own. 0, or an errno; EACCES for one that it does
 * not know. */
int cb_launch(pid_t *ret, char *const argv[], char *const env[], const int *fd, const int *to, int n);

#endif
