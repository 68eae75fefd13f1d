/* SPDX-License-Identifier: Apache-2.0 */
/* Programs started for alerts: execve of an absolute path, never a shell; the alert on stdin
 * (a file in memory, so that a program that does not read holds nobody up), stdout thrown
 * away, stderr ours, an environment of PATH and LC_ALL, no other descriptors, a process group
 * of its own that is killed when its time is over.
 *
 * So many run at once and no more: cb_hooks_run waits for one to end, which its timeout
 * bounds. Nothing here prints: what happened goes to tell().
 */
#ifndef CB_ALERT_HOOK_H
#define CB_ALERT_HOOK_H

#include <stdint.h>

#include "base/err.h"

struct cb_hooks;
struct cb_hooks_stats {
	uint64_t started, failed, killed, waits;	/* failed: all that did not exit 0 */
};

int cb_hooks_new(struct cb_hooks **ret, uint32_t concurrent,
		 void (*tell)(void *ctx, const char *text), void *ctx, struct cb_err *err);
/* Kills what still runs. */
void cb_hooks_free(struct cb_hooks *h);
/* rule: for messages; it and argv are not kept. A program that cannot be started is told, and
 * is no error; -1 is our own trouble. */
int cb_hooks_run(struct cb_hooks *h, const char *rule, char *const argv[], const void *in,
		 size_t len, int64_t timeout_ns, struct cb_err *err);
/* Look after the programs; returns at once. */
void cb_hooks_poll(struct cb_hooks *h);
/* Look after them until fd can be read, or none runs, or a signal came. */
void cb_hooks_idle(struct cb_hooks *h, int fd);
uint32_t cb_hooks_running(const struct cb_hooks *h);
/* Until none runs. */
void cb_hooks_drain(struct cb_hooks *h);
const struct cb_hooks_stats *cb_hooks_stats(const struct cb_hooks *h);

#endif
