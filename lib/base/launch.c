/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers on a pair of sockets; clone with CLONE_PARENT makes siblings. */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 256		/* arguments, and of the environment */

static int sock = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;	/* a request and its answer */

/* Before the texts of a request, each with its NUL. */
struct head {
	uint32_t args, envs, fds;
	int32_t to[CB_LAUNCH_FDS];
};
struct answer {
	int32_t error, pid;
};

/* --- the launcher ---------------------------------------------------------------------------------------- */

/* In the program's process. */
static _Noreturn void become(char **argv, char **env, const struct head *h, const int *got, int status)
{
	static const uint64_t plain[8];		/* the kernel's struct sigaction: SIG_DFL, no flags */
	int fd[CB_LAUNCH_FDS], e, last = 64;
	sigset_t none;

	/* the two that the C library keeps for itself, too: somebody above may have them ignored */
	for (int s = 1; s < NSIG; s++)
		syscall(SYS_rt_sigaction, s, plain, NULL, sizeof(uint64_t));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	/* out of the way of where they go to */
	status = fcntl(status, F_DUPFD_CLOEXEC, last);
	for (uint32_t i = 0; i < h->fds; i++)
		fd[i] = fcntl(got[i], F_DUPFD_CLOEXEC, last);
	close_range(3, (unsigned)last - 1, 0);
	for (uint32_t i = 0; i < h->fds; i++)
		if (dup2(fd[i], h->to[i]) < 0)
			goto failed;
	execve(argv[0], argv, env);
failed:
	e = errno;
	if (write(status, &e, sizeof(e)) < 0)
		_exit(126);
	_exit(127);
}

static struct answer start(char **argv, char **env, const struct head *h, const int *got)
{
	struct answer a = { 0, 0 };
	int status[2], e;
	pid_t p;

	if (pipe2(status, O_CLOEXEC) < 0)
		return (struct answer){ errno, 0 };
	p = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (p == 0)
		become(argv, env, h, got, status[1]);
	a = (struct answer){ p < 0 ? errno : 0, p < 0 ? 0 : p };
	close(status[1]);
	if (p > 0 && read(status[0], &e, sizeof(e)) == sizeof(e))
		a.error = e;
	close(status[0]);
	return a;
}

/* Texts from p on into word, a NULL behind them; the end, or NULL where they are not whole. */
static char *texts(char *p, const char *end, char **word, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		char *nul = memchr(p, '\0', (size_t)(end - p));

		if (!nul)
			return NULL;
		word[i] = p;
		p = nul + 1;
	}
	word[n] = NULL;
	return p;
}

static struct answer request(char *text, size_t n, const int *got, uint32_t gots,
			     bool (*may)(void *ctx, const char *path), void *ctx)
{
	char *argv[WORDS + 1], *env[WORDS + 1], *p = text + sizeof(struct head);
	struct head h;

	if (n < sizeof(h))
		return (struct answer){ EBADMSG, 0 };
	memcpy(&h, text, sizeof(h));
	if (!h.args || h.args > WORDS || h.envs > WORDS || h.fds != gots || gots > CB_LAUNCH_FDS)
		return (struct answer){ EBADMSG, 0 };
	for (uint32_t i = 0; i < h.fds; i++)
		if (h.to[i] < 0 || h.to[i] >= 32)
			return (struct answer){ EBADMSG, 0 };
	p = texts(p, text + n, argv, h.args);
	if (!p || !texts(p, text + n, env, h.envs))
		return (struct answer){ EBADMSG, 0 };
	return may(ctx, argv[0]) ? start(argv, env, &h, got) : (struct answer){ EACCES, 0 };
}

static _Noreturn void serve(int s, bool (*may)(void *ctx, const char *path), void *ctx)
{
	union { struct cmsghdr head; char space[CMSG_SPACE(CB_LAUNCH_FDS * sizeof(int))]; } control;
	char *text = malloc(CB_LAUNCH_BYTES);

	while (text) {
		struct iovec v = { text, CB_LAUNCH_BYTES };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		int got[CB_LAUNCH_FDS];
		uint32_t gots = 0;
		struct answer a;
		ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
				gots = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
				memcpy(got, CMSG_DATA(c), gots * sizeof(int));
			}
		a = m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? (struct answer){ E2BIG, 0 } :
			request(text, (size_t)n, got, gots, may, ctx);
		for (uint32_t i = 0; i < gots; i++)
			close(got[i]);
		if (send(s, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
			break;
	}
	_exit(0);
}

int cb_launcher_begin(bool (*may)(void *ctx, const char *path), void *ctx, struct cb_err *err)
{
	int pair[2], null;
	pid_t p;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cb_err_sys(err, CB_E_OS, errno, "launcher");
	fflush(NULL);
	p = fork();
	if (p < 0) {
		close(pair[0]);
		close(pair[1]);
		return cb_err_sys(err, CB_E_OS, errno, "launcher");
	}
	if (p == 0) {
		struct sigaction ignore = { .sa_handler = SIG_IGN };

		/* a terminal's signals are for the tool: it goes when that has gone */
		sigaction(SIGINT, &ignore, NULL);
		sigaction(SIGTERM, &ignore, NULL);
		sigaction(SIGHUP, &ignore, NULL);
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(pair[1], 3) < 0)
			_exit(1);
		close_range(4, ~0u, 0);
		fcntl(3, F_SETFD, FD_CLOEXEC);
		prctl(PR_SET_NAME, "cb-launcher");
		serve(3, may, ctx);
	}
	close(pair[1]);
	sock = pair[0];
	return 0;
}

/* --- the tool ------------------------------------------------------------------------------------------- */

bool cb_launcher_runs(void)
{
	return sock >= 0;
}

static size_t add(char *text, size_t n, char *const word[], uint32_t *ret_words)
{
	for (*ret_words = 0; word && word[*ret_words]; ++*ret_words) {
		size_t k = strlen(word[*ret_words]) + 1;

		if (*ret_words == WORDS || n + k > CB_LAUNCH_BYTES)
			return 0;
		memcpy(text + n, word[*ret_words], k);
		n += k;
	}
	return n;
}

int cb_launch(pid_t *ret, char *const argv[], char *const env[], const int *fd, const int *to, int n)
{
	union { struct cmsghdr head; char space[CMSG_SPACE(CB_LAUNCH_FDS * sizeof(int))]; } control = { 0 };
	char *text = malloc(CB_LAUNCH_BYTES);
	struct iovec v = { text, 0 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
	struct answer a = { E2BIG, 0 };
	struct head h = { 0 };
	ssize_t k;

	if (!text)
		return ENOMEM;
	h.fds = (uint32_t)n;
	for (int i = 0; i < n; i++)
		h.to[i] = to[i];
	v.iov_len = add(text, sizeof(h), argv, &h.args);
	if (v.iov_len)
		v.iov_len = add(text, v.iov_len, env, &h.envs);
	if (!v.iov_len || n > CB_LAUNCH_FDS)
		goto out;
	memcpy(text, &h, sizeof(h));
	control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
					 .cmsg_len = CMSG_LEN((size_t)n * sizeof(int)) };
	if (n)
		memcpy(CMSG_DATA(&control.head), fd, (size_t)n * sizeof(int));
	else
		m.msg_control = NULL, m.msg_controllen = 0;
	pthread_mutex_lock(&turn);
	do
		k = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (k < 0 && errno == EINTR);
	a.error = k < 0 ? errno : EPIPE;
	if (k >= 0)
		do
			k = recv(sock, &a, sizeof(a), 0);
		while (k < 0 && errno == EINTR);
	pthread_mutex_unlock(&turn);
	if (k >= 0 && k != sizeof(a))
		a = (struct answer){ EPIPE, 0 };
	else if (a.error && a.pid > 0)	/* it could not become the program */
		waitpid(a.pid, NULL, 0);
	*ret = a.pid;
out:
	free(text);
	return a.error;
}
