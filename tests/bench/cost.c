/* SPDX-License-Identifier: Apache-2.0 */
/* What a command costs, measured from a small process, so that nothing of the parent's counts.
 *   cost FILE CMD ARG...     run it, and write "CPU_MS MAXRSS_KB WALL_MS" to FILE
 *   cost -N CMD ARG...       run it N times with no input and output, and print the median
 *                            wall time of a run in ms */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double run(char **cmd, posix_spawn_file_actions_t *fa, struct rusage *ru, int *status)
{
	double t0 = now_ms();
	pid_t pid;

	if (posix_spawnp(&pid, cmd[0], fa, NULL, cmd, environ) != 0 || wait4(pid, status, 0, ru) < 0) {
		fprintf(stderr, "cost: cannot run %s\n", cmd[0]);
		exit(71);
	}
	return now_ms() - t0;
}

static double ms(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t quiet;
	struct rusage ru;
	double t[2000];
	int status = 0, n = argc > 1 ? -atoi(argv[1]) : 0;
	FILE *f;

	if (argc < 3 || n > 2000) {
		fprintf(stderr, "usage: cost FILE|-N CMD ARG...\n");
		return 64;
	}
	if (argv[1][0] == '-' && n > 0) {
		posix_spawn_file_actions_init(&quiet);
		posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
		posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
		for (int i = 0; i < n; i++) {
			t[i] = run(argv + 2, &quiet, &ru, &status);
			if (status != 0)
				return 1;
		}
		qsort(t, (size_t)n, sizeof(*t), by_value);
		printf("%.3f\n", t[n / 2]);
		return 0;
	}
	t[0] = run(argv + 2, NULL, &ru, &status);
	f = fopen(argv[1], "we");
	if (!f)
		return 73;
	fprintf(f, "%.3f %ld %.3f\n", ms(ru.ru_utime) + ms(ru.ru_stime), ru.ru_maxrss, t[0]);
	if (fclose(f) != 0)
		return 74;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
