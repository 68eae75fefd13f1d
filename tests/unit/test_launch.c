/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base/launch: programs as they were asked for, children of whoever asked, and no others. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/launch.h"
#include "base/program.h"
#include "sandbox/sandbox.h"
#include "tap.h"

static bool known(void *ctx, const char *path)
{
	(void)ctx;
	return strcmp(path, "/bin/sh") == 0 || strcmp(path, "/nonexistent/program") == 0;
}

/* What a shell says; its status. */
static int shell(const char *script, char *const env[], char *text, size_t cap)
{
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };
	int to[2], status = -1, k;
	size_t n = 0;
	ssize_t r;
	pid_t p;

	if (pipe2(to, O_CLOEXEC) < 0)
		return -1;
	k = cb_launch(&p, argv, env, &to[1], (const int[]){ STDOUT_FILENO }, 1);
	close(to[1]);
	while (!k && n < cap - 1 && (r = read(to[0], text + n, cap - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	close(to[0]);
	if (k || waitpid(p, &status, 0) != p)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Each its own answers: statuses that nobody else asked for. */
static void *many_times(void *p)
{
	int base = *(int *)p;
	static char *none[] = { NULL };
	char script[32], text[16];

	for (int i = 0; i < 15; i++) {
		snprintf(script, sizeof(script), "exit %d", base + i);
		if (shell(script, none, text, sizeof(text)) != base + i)
			return p;
	}
	return NULL;
}

int main(void)
{
	char *none[] = { NULL }, *some[] = { (char *)"A=1", (char *)"B=two words", NULL }, text[4096], *big;
	char *other[] = { (char *)"/bin/true", NULL }, *absent[] = { (char *)"/nonexistent/program", NULL };
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)"cat; exit 3", NULL };
	char *many[300];
	static const uint64_t ignored[8] = { 1 };	/* the kernel's struct sigaction with SIG_IGN */
	struct cb_err err = CB_ERR_INIT;
	int fd, status;
	pid_t p = 0;

	signal(SIGUSR1, SIG_IGN);
	/* as some parents have those that the C library does not let anybody change */
	syscall(SYS_rt_sigaction, 32, ignored, NULL, sizeof(uint64_t));
	syscall(SYS_rt_sigaction, 33, ignored, NULL, sizeof(uint64_t));
	fd = open("/", O_RDONLY | O_DIRECTORY);	/* one that is not close-on-exec */
	OK(!cb_launcher_runs());
	OK_INT(cb_launcher_begin(known, NULL, &err), 0);
	OK(cb_launcher_runs());
	/* from here on we can start nothing ourselves */
	OK_INT(cb_sandbox_enter(&(struct cb_sandbox){ .may = CB_MAY_END | CB_MAY_THREAD }, CB_SANDBOX_AUTO, NULL, &err), 0);

	OK_INT(shell("echo out; exit 7", none, text, sizeof(text)), 7);
	OK_STR(text, "out\n");
	OK_INT(shell("echo $A $B", some, text, sizeof(text)), 0);
	OK_STR(text, "1 two words\n");
	/* a child of ours, in a group of its own, not locked in, with nothing of ours open */
	OK_INT(shell("echo $PPID; exit 0", none, text, sizeof(text)), 0);
	OK_INT(atoi(text), getpid());
	OK_INT(shell("sed -n 's/^NoNewPrivs:.//p; s/^Seccomp:.//p; s/^SigIgn:.//p' /proc/self/status", none, text,
		     sizeof(text)), 0);
	OK_STR(text, "0000000000000000\n0\n0\n");
	OK_INT(shell("ls -l /proc/self/fd | grep -vc -e ' 0 -> /dev/null' -e ' 1 -> ' -e ' 2 -> ' -e ' 3 -> /proc' -e total",
		     none, text, sizeof(text)), 1);
	OK_STR(text, "0\n");
	/* signals of ours reach it */
	OK_INT(cb_launch(&p, (char *[]){ (char *)"/bin/sh", (char *)"-c", (char *)"sleep 60", NULL }, none, NULL, NULL, 0), 0);
	OK_INT(kill(-p, SIGKILL), 0);
	OK(waitpid(p, &status, 0) == p && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* what nobody named is not started, what cannot be says so, and leaves no zombie */
	OK_INT(cb_launch(&p, other, none, NULL, NULL, 0), EACCES);
	OK_INT(cb_launch(&p, absent, none, NULL, NULL, 0), ENOENT);
	OK_INT(waitpid(-1, &status, WNOHANG), 0);	/* the launcher lives, and nothing is left */

	/* stdin, as hooks get it */
	fd = cb_memory_file("line", 4, &err);
	OK(fd >= 0);
	OK_INT(cb_program_start(&p, argv, NULL, fd), 0);
	OK(waitpid(p, &status, 0) == p && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	close(fd);

	/* threads take turns */
	{
		int base[4] = { 1, 21, 41, 61 };
		pthread_t t[4];
		void *wrong;

		for (int i = 0; i < 4; i++)
			OK_INT(pthread_create(&t[i], NULL, many_times, &base[i]), 0);
		for (int i = 0; i < 4; i++)
			OK(pthread_join(t[i], &wrong) == 0 && !wrong);
	}

	/* too much of everything */
	big = malloc(200000);
	memset(big, 'x', 199999);
	big[199999] = '\0';
	argv[2] = big;
	OK_INT(cb_launch(&p, argv, none, NULL, NULL, 0), E2BIG);
	free(big);
	for (int i = 0; i < 299; i++)
		many[i] = (char *)"/bin/sh";
	many[299] = NULL;
	OK_INT(cb_launch(&p, many, none, NULL, NULL, 0), E2BIG);
	OK_INT(shell("exit 5", none, text, sizeof(text)), 5);
	return done();
}
