/* SPDX-License-Identifier: Apache-2.0 */
/* posix_spawn with everything taken away that is not meant for the program. */
#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/launch.h"

int cb_memory_file(const void *p, size_t n, struct cb_err *err)
{
	int fd = memfd_create("alert", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return cb_err_sys(err, CB_E_OS, errno, "a file in memory");
	if (cb_write_all(fd, p, n, err) < 0 || cb_write_all(fd, "\n", 1, err) < 0) {
		close(fd);
		return -1;
	}
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		cb_err_sys(err, CB_E_OS, errno, "a file in memory");
		close(fd);
		return -1;
	}
	return fd;
}

int cb_program_start(pid_t *ret, char *const argv[], char *const env[], int in)
{
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", locale[] = "LC_ALL=C.UTF-8";
	char *all[CB_PROGRAM_ENV_MAX + 3] = { path, locale };
	posix_spawn_file_actions_t f;
	posix_spawnattr_t a;
	sigset_t every, none;
	int k;

	for (int i = 0; env && env[i] && i < CB_PROGRAM_ENV_MAX; i++)
		all[2 + i] = env[i];
	if (cb_launcher_runs())
		return cb_launch(ret, argv, all, &in, (const int[]){ STDIN_FILENO }, 1);
	sigfillset(&every);
	sigemptyset(&none);
	if ((k = posix_spawn_file_actions_init(&f)))
		return k;
	if ((k = posix_spawnattr_init(&a))) {
		posix_spawn_file_actions_destroy(&f);
		return k;
	}
	if (!(k = posix_spawn_file_actions_adddup2(&f, in, STDIN_FILENO)) &&
	    !(k = posix_spawn_file_actions_addopen(&f, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)) &&
	    !(k = posix_spawn_file_actions_addclosefrom_np(&f, 3)) &&
	    !(k = posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETSIGMASK)) &&
	    !(k = posix_spawnattr_setpgroup(&a, 0)) && !(k = posix_spawnattr_setsigdefault(&a, &every)) &&
	    !(k = posix_spawnattr_setsigmask(&a, &none)))
		k = posix_spawn(ret, argv[0], &f, &a, argv, all);
	posix_spawnattr_destroy(&a);
	posix_spawn_file_actions_destroy(&f);
	return k;
}
