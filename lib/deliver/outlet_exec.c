/* SPDX-License-Identifier: Apache-2.0 */
/* A program for each alert: the body on its stdin, delivered when it exits 0. */
#include "deliver/outlet.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/program.h"
#include "base/time.h"

#define EX_DATA 65	/* it says that no other try will do */

/* Wait for it; kill it and all that it has started when its time is over. True: it was killed. */
static bool reap(struct cb_outlet *o, pid_t pid, int64_t deadline, int *status)
{
	int fd = pidfd_open(pid, 0);
	bool killed = false;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - cb_now_mono_ns();

		if (waitpid(pid, status, WNOHANG) != 0)
			break;
		if (!killed && (left <= 0 || atomic_load(o->abort))) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			killed = true;
		}
		poll(&p, fd >= 0, fd < 0 ? 5 : killed || left > 100000000 ? 100 : (int)(left / 1000000) + 1);
	}
	/* what it has left behind in its group goes with it */
	if (killed)
		kill(-pid, SIGKILL);
	if (fd >= 0)
		close(fd);
	return killed;
}

static bool run(struct cb_outlet *o, const struct cb_spooled *note, struct cb_report *r)
{
	char id[CB_NOTE_ID_MAX + 16], sink[CB_OUTLET_NAME_MAX + 16], attempt[32];
	char *env[] = { id, sink, attempt, NULL }, *argv[CB_OUTLET_ARGV_MAX + 1] = { NULL };
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct cb_err err = CB_ERR_INIT;
	int fd, k, status = 0;
	pid_t pid;

	o->body.len = 0;
	if (cb_body_put(o, &o->body, note, &err) < 0) {
		cb_report_err(r, err.code == CB_E_DATA ? CB_SENT_NEVER : CB_SENT_LATER, &err);
		return false;
	}
	for (uint32_t i = 0; i < o->conf->argv.n; i++)
		argv[i] = (char *)(uintptr_t)o->conf->argv.at[i];
	snprintf(id, sizeof(id), "CB_ALERT_ID=%s", note->note.id);
	snprintf(sink, sizeof(sink), "CB_SINK=%s", o->conf->name);
	snprintf(attempt, sizeof(attempt), "CB_ATTEMPT=%u", note->attempts + 1);
	fd = cb_memory_file(o->body.data, o->body.len, &err);
	if (fd < 0) {
		cb_report_err(r, CB_SENT_LATER, &err);
		return false;
	}
	/* the launcher that it may go through has one thread's socket */
	pthread_mutex_lock(&one);
	k = cb_program_start(&pid, argv, env, fd);
	pthread_mutex_unlock(&one);
	close(fd);
	if (k) {
		cb_report_set(r, CB_SENT_LATER, "%.200s: %s", argv[0], strerror(k));
		return false;
	}
	if (reap(o, pid, cb_now_mono_ns() + o->conf->timeout_ns, &status)) {
		if (atomic_load(o->abort))
			cb_report_set(r, CB_SENT_ABORTED, "stopped");
		else
			cb_report_set(r, CB_SENT_LATER, "%.200s: not done after %g s: killed", argv[0],
				      (double)o->conf->timeout_ns / 1e9);
		return false;
	}
	if (WIFSIGNALED(status)) {
		cb_report_set(r, CB_SENT_LATER, "%.200s: ended by signal %d", argv[0], WTERMSIG(status));
		return false;
	}
	if (WEXITSTATUS(status)) {
		cb_report_set(r, WEXITSTATUS(status) == EX_DATA ? CB_SENT_NEVER : CB_SENT_LATER,
			      "%.200s: exit status %d", argv[0], WEXITSTATUS(status));
		return false;
	}
	return true;
}

/* One at a time and then back: each end is written down soon. */
static void exec_send(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *r)
{
	if (run(o, note[0], r))
		r->done = 1;
	(void)n;
}

const struct cb_outlet_ops cb_outlet_exec = { NULL, exec_send, NULL, NULL };
