/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the programs of libexec, and how they say that they failed. */
#include "live/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"

/* A message: exit status, errno, the line. */
#define STATUS_FIXED 8
#define STATUS_MAX (STATUS_FIXED + sizeof(((struct cb_err *)0)->msg))

/* Descriptors of a worker. */
enum { FD_STATUS = 3, FD_SECRET = 4, FD_ABOVE = 5 };

int cb_helper_become(const char *name, const struct cb_spec *s, struct cb_err *err)
{
	char *argv[CB_SPEC_ARGS] = { NULL }, *path;
	int e;

	if (cb_libexec_path(&path, name, err) < 0)
		return -1;
	if (cb_spec_argv(argv, s, "cb-ingest", err) < 0) {
		free(path);
		return -1;
	}
	execv(path, argv);
	e = errno;
	cb_spec_argv_free(argv);
	cb_err_sys(err, CB_E_OS, e, "%s, which is installed with cb-ingest", path);
	free(path);
	return -1;
}

/* Above the numbers that a worker's descriptors get, so that none is overwritten on the way. */
static int two_pipes_up(int p[static 2])
{
	int up;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (p[i] >= FD_ABOVE)
			continue;
		up = fcntl(p[i], F_DUPFD_CLOEXEC, FD_ABOVE);
		if (up < 0)
			return -1;
		close(p[i]);
		p[i] = up;
	}
	return 0;
}

static int spawn(pid_t *pid, const char *path, char **argv, int out, int status, int secret)
{
	posix_spawn_file_actions_t f;
	posix_spawnattr_t a;
	sigset_t all, none;
	int k;

	sigfillset(&all);
	sigemptyset(&none);
	if ((k = posix_spawn_file_actions_init(&f)))
		return k;
	if ((k = posix_spawnattr_init(&a))) {
		posix_spawn_file_actions_destroy(&f);
		return k;
	}
	k = posix_spawn_file_actions_addopen(&f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!k)
		k = posix_spawn_file_actions_adddup2(&f, out, STDOUT_FILENO);
	if (!k)
		k = posix_spawn_file_actions_adddup2(&f, status, FD_STATUS);
	if (!k && secret >= 0)
		k = posix_spawn_file_actions_adddup2(&f, secret, FD_SECRET);
	/* a group of its own: what a terminal sends to stop us is for us to pass on */
	if (!k && !(k = posix_spawn_file_actions_addclosefrom_np(&f, secret >= 0 ? FD_ABOVE : FD_SECRET)) &&
	    !(k = posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETSIGMASK)) &&
	    !(k = posix_spawnattr_setpgroup(&a, 0)) && !(k = posix_spawnattr_setsigdefault(&a, &all)) &&
	    !(k = posix_spawnattr_setsigmask(&a, &none)))
		k = posix_spawn(pid, path, &f, &a, argv, environ);
	posix_spawnattr_destroy(&a);
	posix_spawn_file_actions_destroy(&f);
	return k;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int cb_worker_start(struct cb_worker *ret, const char *name, const struct cb_spec *s, const char *secret,
		    struct cb_err *err)
{
	int out[2] = { -1, -1 }, status[2] = { -1, -1 }, key[2] = { -1, -1 }, r = -1, k;
	char *argv[CB_SPEC_ARGS] = { NULL }, *path = NULL;
	struct cb_spec mine = *s;
	pid_t pid;

	mine.status = FD_STATUS;
	mine.credentials = secret ? "fd:4" : NULL;
	if (cb_libexec_path(&path, name, err) < 0 || cb_spec_argv(argv, &mine, "cb-ingest", err) < 0)
		goto out;
	if (two_pipes_up(out) < 0 || two_pipes_up(status) < 0 || (secret && two_pipes_up(key) < 0)) {
		cb_err_sys(err, CB_E_OS, errno, "descriptors");
		goto out;
	}
	/* a line of it fits any pipe */
	if (secret && (cb_write_all(key[1], secret, strlen(secret), err) < 0 ||
		       cb_write_all(key[1], "\n", 1, err) < 0))
		goto out;
	close_fd(&key[1]);
	k = spawn(&pid, path, argv, out[1], status[1], key[0]);
	if (k) {
		cb_err_sys(err, CB_E_OS, k, "%s, which is installed with cb-ingest", path);
		goto out;
	}
	fcntl(status[0], F_SETFL, O_NONBLOCK);
	*ret = (struct cb_worker){ pid, out[0], status[0] };
	out[0] = status[0] = -1;
	r = 0;
out:
	for (int i = 0; i < 2; i++) {
		close_fd(&out[i]);
		close_fd(&status[i]);
		close_fd(&key[i]);
	}
	cb_spec_argv_free(argv);
	free(path);
	return r;
}

void cb_worker_begin(int status)
{
	struct pollfd p = { .fd = status };

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (poll(&p, 1, 0) > 0 && (p.revents & POLLERR))	/* it was gone before that */
		raise(SIGTERM);
}

void cb_status_write(int fd, const struct cb_err *how)
{
	uint8_t m[STATUS_MAX];
	size_t n = strnlen(how->msg, sizeof(how->msg) - 1);

	if (fd < 0)
		return;
	cb_put_le32(m, (uint32_t)how->code);
	cb_put_le32(m + 4, (uint32_t)how->sys);
	memcpy(m + STATUS_FIXED, how->msg, n);
	cb_write_all(fd, m, STATUS_FIXED + n, NULL);
}

static bool known(uint32_t code)
{
	switch (code) {
	case CB_OK:
	case CB_E_USAGE: case CB_E_DATA: case CB_E_NOINPUT: case CB_E_UNAVAIL: case CB_E_BUG: case CB_E_OS:
	case CB_E_IO: case CB_E_TEMP: case CB_E_PROTOCOL: case CB_E_PERM:
		return true;
	}
	return false;
}

static bool status_read(int fd, struct cb_err *ret)
{
	uint8_t m[STATUS_MAX];
	ssize_t n = read(fd, m, sizeof(m));
	uint32_t code;

	if (n < STATUS_FIXED)
		return false;
	code = cb_le32(m);
	if (!known(code) || memchr(m + STATUS_FIXED, 0, (size_t)n - STATUS_FIXED))
		return false;
	*ret = (struct cb_err){ .code = (enum cb_errc)code, .sys = (int)cb_le32(m + 4) };
	cb_text_safe(ret->msg, sizeof(ret->msg), (char *)m + STATUS_FIXED, (size_t)n - STATUS_FIXED, false);
	return true;
}

/* Has it left? Wait at most until then. */
static bool left(pid_t pid, int64_t until, int *ws)
{
	struct timespec t = { 0, 1000000 };
	pid_t r;

	while ((r = waitpid(pid, ws, WNOHANG)) == 0 || (r < 0 && errno == EINTR)) {
		if (cb_now_mono_ns() >= until)
			return false;
		nanosleep(&t, NULL);
		if (t.tv_nsec < 20000000)
			t.tv_nsec *= 2;
	}
	if (r < 0)	/* somebody else has waited for it */
		*ws = 0;
	return true;
}

void cb_worker_end(struct cb_worker *w, int64_t ns, struct cb_err *ret)
{
	bool killed = false;
	int ws = 0;

	*ret = (struct cb_err)CB_ERR_INIT;
	if (!w->pid)
		return;
	close_fd(&w->out);
	if (!left(w->pid, cb_now_mono_ns() + ns, &ws)) {
		killed = true;
		kill(w->pid, SIGKILL);
		while (waitpid(w->pid, &ws, 0) < 0 && errno == EINTR)
			;
	}
	w->pid = 0;
	if (status_read(w->status, ret))
		goto out;
	if (killed)
		cb_err_set(ret, CB_E_UNAVAIL, "the worker did not answer any more and was killed");
	else if (WIFSIGNALED(ws))
		cb_err_set(ret, CB_E_UNAVAIL, "the worker was killed by signal %d", WTERMSIG(ws));
	else if (WEXITSTATUS(ws))
		cb_err_set(ret, CB_E_UNAVAIL, "the worker left with status %d", WEXITSTATUS(ws));
out:
	close_fd(&w->status);
}
