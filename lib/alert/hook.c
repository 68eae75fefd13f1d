/* SPDX-License-Identifier: Apache-2.0 */
/* Starting programs, with a bound on their number and their time. */
#include "alert/hook.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/program.h"
#include "base/time.h"

#define HOOKS_MAX 64
#define LOOK_NS 20000000	/* how often poll() looks when it cannot be told */

struct job {
	pid_t pid;
	int pidfd;
	int64_t deadline, timeout;
	bool killed;
	char what[300];
};

struct cb_hooks {
	uint32_t max, n;
	struct job job[HOOKS_MAX];
	int64_t looked;
	void (*tell)(void *, const char *);
	void *ctx;
	struct cb_hooks_stats stats;
};

int cb_hooks_new(struct cb_hooks **ret, uint32_t concurrent,
		 void (*tell)(void *ctx, const char *text), void *ctx, struct cb_err *err)
{
	struct cb_hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return cb_err_nomem(err);
	h->max = concurrent < HOOKS_MAX ? concurrent : HOOKS_MAX;
	h->tell = tell;
	h->ctx = ctx;
	*ret = h;
	return 0;
}

static __attribute__((format(printf, 2, 3))) void say(struct cb_hooks *h, const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	h->tell(h->ctx, text);
}

static void ended(struct cb_hooks *h, uint32_t i, int status)
{
	struct job *j = &h->job[i];

	if (j->killed) {
		h->stats.killed++;
		say(h, "%s: not done after %g s: killed", j->what, (double)j->timeout / 1e9);
	} else if (WIFSIGNALED(status)) {
		say(h, "%s: ended by signal %d", j->what, WTERMSIG(status));
	} else if (WEXITSTATUS(status)) {
		say(h, "%s: exit status %d", j->what, WEXITSTATUS(status));
	}
	h->stats.failed += status != 0;
	if (j->pidfd >= 0)
		close(j->pidfd);
	*j = h->job[--h->n];
}

/* Reap what ended and kill what is late. */
static void look(struct cb_hooks *h, int64_t now)
{
	h->looked = now;
	for (uint32_t i = h->n; i-- > 0; ) {
		struct job *j = &h->job[i];
		int status;

		if (waitpid(j->pid, &status, WNOHANG) == j->pid) {
			/* what it started and left behind goes with it if it was killed */
			ended(h, i, status);
		} else if (!j->killed && now >= j->deadline) {
			kill(-j->pid, SIGKILL);
			kill(j->pid, SIGKILL);
			j->killed = true;
		}
	}
}

void cb_hooks_poll(struct cb_hooks *h)
{
	int64_t now;

	if (!h->n)
		return;
	now = cb_now_mono_ns();
	if (now - h->looked >= LOOK_NS)
		look(h, now);
}

/* Wait for a program, or for fd if it is not -1: true when fd can be read. */
static bool wait_some(struct cb_hooks *h, int fd)
{
	struct pollfd p[HOOKS_MAX + 1];
	int64_t now = cb_now_mono_ns(), until = now + INT64_C(3600000000000);
	int64_t ms;
	int k;

	p[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (uint32_t i = 0; i < h->n; i++) {
		p[i + 1] = (struct pollfd){ .fd = h->job[i].pidfd, .events = POLLIN };
		if (!h->job[i].killed && h->job[i].deadline < until)
			until = h->job[i].deadline;
		if (h->job[i].pidfd < 0 && now + LOOK_NS < until)
			until = now + LOOK_NS;
	}
	ms = until <= now ? 0 : (until - now + 999999) / 1000000;
	k = poll(p, h->n + 1, (int)ms);
	look(h, cb_now_mono_ns());
	return k > 0 && p[0].revents;
}

void cb_hooks_idle(struct cb_hooks *h, int fd)
{
	while (h->n && !wait_some(h, fd))
		if (!cb_would_block(fd))
			return;
}

uint32_t cb_hooks_running(const struct cb_hooks *h)
{
	return h->n;
}

void cb_hooks_drain(struct cb_hooks *h)
{
	while (h->n)
		wait_some(h, -1);
}

int cb_hooks_run(struct cb_hooks *h, const char *rule, char *const argv[], const void *in,
		 size_t len, int64_t timeout_ns, struct cb_err *err)
{
	struct job *j;
	pid_t pid;
	int fd, k;

	cb_hooks_poll(h);
	if (h->n == h->max)
		h->stats.waits++;
	while (h->n == h->max)
		wait_some(h, -1);
	fd = cb_memory_file(in, len, err);
	if (fd < 0)
		return -1;
	k = cb_program_start(&pid, argv, NULL, fd);
	close(fd);
	h->stats.started++;
	if (k) {
		h->stats.failed++;
		say(h, "rule %s: hook %.200s: %s", rule, argv[0], strerror(k));
		return 0;
	}
	j = &h->job[h->n++];
	*j = (struct job){ .pid = pid, .pidfd = pidfd_open(pid, 0), .timeout = timeout_ns };
	j->deadline = cb_now_mono_ns() + timeout_ns;
	snprintf(j->what, sizeof(j->what), "rule %s: hook %.200s", rule, argv[0]);
	return 0;
}

const struct cb_hooks_stats *cb_hooks_stats(const struct cb_hooks *h)
{
	return &h->stats;
}

void cb_hooks_free(struct cb_hooks *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < h->n; i++) {
		kill(-h->job[i].pid, SIGKILL);
		kill(h->job[i].pid, SIGKILL);
		waitpid(h->job[i].pid, NULL, 0);
		if (h->job[i].pidfd >= 0)
			close(h->job[i].pidfd);
	}
	free(h);
}
