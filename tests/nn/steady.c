/* SPDX-License-Identifier: Apache-2.0 */
/* What a network's runs ask of malloc, of locks and of the kernel once they are under way.
 *
 *   nn-steady count CFG WEIGHTS THREADS  under countcalls.so: prints "OURS allocations outside
 *                                        of primitives, THEIRS in them, FREED freed, LOCKS
 *                                        locks, PRIMITIVES primitives" of five runs
 *   nn-steady quiet CFG WEIGHTS          dies (SIGSYS) when a run with one thread makes any
 *                                        system call; 77: there is no such filter here */
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nn/nn.h"

#define RUNS 5

/* As in tests/countcalls.c. */
struct counted {
	int on;
	unsigned long ours, theirs, freed, locks, primitives;
};

static int die(const char *why)
{
	fprintf(stderr, "nn-steady: %s\n", why);
	return 1;
}

static int runs(struct cb_net *net, int n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_box box[16];

	for (int i = 0; i < n; i++) {
		for (uint32_t k = 0; k < 64; k++)
			cb_net_input(net)[k] = (float)(k + (uint32_t)i) / 99;
		if (cb_net_run(net, &err))
			return -1;
		cb_net_boxes(net, .1f, .45f, box, 16);
	}
	return 0;
}

static int count(struct cb_net *net)
{
	struct counted *c = dlsym(RTLD_DEFAULT, "counted");

	if (!c)
		return die("countcalls.so is not preloaded");
	c->on = 1;
	if (runs(net, RUNS))
		return die("a run fails");
	c->on = 0;
	printf("%lu allocations outside of primitives, %lu in them, %lu freed, %lu locks, "
	       "%lu primitives\n", c->ours, c->theirs, c->freed, c->locks, c->primitives);
	return 0;
}

static int quiet(struct cb_net *net)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return 77;
	_exit(runs(net, RUNS) != 0);
}

int main(int argc, char **argv)
{
	struct cb_net_opts o = { .threads = argc > 4 ? atoi(argv[4]) : 1 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_net *net = NULL;
	int rc;

	if (argc < 4)
		return die("usage: count CFG WEIGHTS THREADS | quiet CFG WEIGHTS");
	if (cb_net_open(&net, argv[2], argv[3], &o, &err))
		return die(err.msg);
	if (runs(net, 2))
		rc = die("a run fails");
	else
		rc = strcmp(argv[1], "quiet") ? count(net) : quiet(net);
	cb_net_free(net);
	return rc;
}
