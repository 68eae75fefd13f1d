/* SPDX-License-Identifier: Apache-2.0 */
/* without landlock|seccomp|landlock,seccomp COMMAND...: run it as on a kernel that lacks them: their
 * system calls fail with ENOSYS. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAIL_IF(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)

static int lack(struct sock_filter *f, unsigned short n)
{
	struct sock_fprog p = { n, f };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
}

int main(int argc, char **argv)
{
	struct sock_filter landlock[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		FAIL_IF(444), FAIL_IF(445), FAIL_IF(446),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_filter seccomp[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		FAIL_IF(__NR_seccomp),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (argc < 3 || (strstr(argv[1], "landlock") && lack(landlock, sizeof(landlock) / sizeof(*landlock))) ||
	    (strstr(argv[1], "seccomp") && lack(seccomp, sizeof(seccomp) / sizeof(*seccomp)))) {
		fputs("without landlock|seccomp|landlock,seccomp COMMAND...\n", stderr);
		return 64;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 71;
}
