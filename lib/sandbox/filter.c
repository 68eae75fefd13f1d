/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp filter: a table of what becomes of each system call, made into a binary search in
 * classic BPF (Documentation/userspace-api/seccomp_filter.rst, include/uapi/linux/seccomp.h). */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#include "sandbox/priv.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifndef ARCH

int cb_filter_install(unsigned may, bool opens, bool writes)
{
	(void)may;
	(void)opens;
	(void)writes;
	errno = ENOSYS;
	return -1;
}

#else

#define CALLS 512		/* numbers in the table; what is above is unknown */
#define PROGRAM_MAX 2048

/* What becomes of a call. UNKNOWN is what the table begins with. */
enum fate {
	UNKNOWN, ALLOW, KILL, EACCES_, EPERM_,
	/* looked at more closely */
	MAP, PROTECT, OPEN, OPENAT, ENDING, CLONE, IOCTL, PRCTL, OWN_PID, LIMIT, SOCKET, PAIR, SENDTO, PERSONALITY,
};

#define CALL(name) __NR_##name

/* What every tool does. */
static const uint16_t plain[] = {
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64), CALL(preadv),
	CALL(pwritev), CALL(preadv2), CALL(pwritev2), CALL(close), CALL(close_range), CALL(fstat), CALL(lseek),
	CALL(newfstatat), CALL(statx), CALL(faccessat), CALL(faccessat2), CALL(readlinkat), CALL(getdents64),
	CALL(fstatfs), CALL(statfs), CALL(getcwd), CALL(fcntl), CALL(dup), CALL(dup3), CALL(pipe2), CALL(fsync),
	CALL(syncfs), CALL(fdatasync), CALL(ftruncate), CALL(fallocate), CALL(fadvise64), CALL(readahead), CALL(sync_file_range),
	CALL(flock), CALL(copy_file_range), CALL(sendfile), CALL(splice), CALL(tee), CALL(vmsplice), CALL(umask),
	CALL(memfd_create), CALL(eventfd2), CALL(timerfd_create), CALL(timerfd_settime), CALL(timerfd_gettime),
	CALL(ppoll), CALL(pselect6), CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_pwait), CALL(epoll_pwait2),
	CALL(munmap), CALL(mremap), CALL(madvise), CALL(brk), CALL(mlock), CALL(mlock2), CALL(munlock), CALL(msync),
	CALL(mincore), CALL(membarrier), CALL(futex), CALL(futex_waitv), CALL(set_robust_list), CALL(get_robust_list),
	CALL(rseq), CALL(set_tid_address), CALL(restart_syscall), CALL(exit), CALL(exit_group), CALL(rt_sigaction),
	CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(rt_sigpending), CALL(rt_sigtimedwait), CALL(rt_sigsuspend),
	CALL(sigaltstack), CALL(sched_yield), CALL(sched_getaffinity), CALL(sched_setaffinity),
	CALL(sched_getparam), CALL(sched_getscheduler), CALL(sched_get_priority_max), CALL(sched_get_priority_min),
	CALL(getpriority), CALL(setpriority), CALL(getcpu), CALL(nanosleep), CALL(clock_nanosleep), CALL(clock_gettime),
	CALL(clock_getres), CALL(gettimeofday),
	/* is the clock kept right? To set it takes a capability that is gone */
	CALL(clock_adjtime), CALL(adjtimex), CALL(setitimer), CALL(getitimer), CALL(timer_create),
	CALL(timer_settime), CALL(timer_delete), CALL(times), CALL(getrusage), CALL(getpid), CALL(gettid),
	CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid), CALL(getresuid), CALL(getresgid),
	CALL(getgroups), CALL(getpgid), CALL(getsid), CALL(uname), CALL(sysinfo), CALL(getrandom),
	/* of sockets that are open: stdout may be one */
	CALL(recvfrom), CALL(recvmsg), CALL(shutdown), CALL(getsockname), CALL(getpeername), CALL(getsockopt),
#ifdef __x86_64__
	CALL(stat), CALL(lstat), CALL(access), CALL(readlink), CALL(dup2), CALL(pipe), CALL(poll), CALL(select),
	CALL(epoll_create), CALL(epoll_wait), CALL(eventfd), CALL(getpgrp), CALL(time), CALL(alarm), CALL(pause),
	CALL(arch_prctl), CALL(getdents),
#endif
};

/* What changes a file system. */
static const uint16_t writing[] = {
	CALL(mkdirat), CALL(unlinkat), CALL(renameat2), CALL(linkat), CALL(symlinkat), CALL(fchmod), CALL(fchmodat),
	CALL(utimensat), CALL(truncate),
#ifdef __NR_renameat
	CALL(renameat),
#endif
#ifdef __x86_64__
	CALL(mkdir), CALL(rmdir), CALL(unlink), CALL(rename), CALL(link), CALL(symlink), CALL(chmod), CALL(creat),
	CALL(utime), CALL(utimes), CALL(futimesat),
#endif
};

static const uint16_t forking[] = {
	CALL(wait4), CALL(waitid), CALL(kill), CALL(tgkill), CALL(tkill), CALL(pidfd_open), CALL(pidfd_send_signal),
	CALL(setpgid), CALL(setsid), CALL(chdir), CALL(fchdir),
	/* a child may lock itself in further */
	444, 445, 446,
};

static const uint16_t networking[] = {
	CALL(connect), CALL(bind), CALL(setsockopt), CALL(sendmsg), CALL(sendmmsg), CALL(recvmmsg),
};

/* Not for any tool, and a sign that somebody else is at work. */
static const uint16_t deadly[] = {
	CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(bpf), CALL(userfaultfd),
	CALL(io_uring_setup), CALL(io_uring_enter), CALL(io_uring_register), CALL(keyctl), CALL(add_key),
	CALL(request_key), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(move_mount), CALL(open_tree),
	CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(mount_setattr), CALL(chroot), CALL(setns),
	CALL(unshare), CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(kexec_load), CALL(reboot),
	CALL(swapon), CALL(swapoff), CALL(perf_event_open), CALL(quotactl), CALL(acct), CALL(settimeofday),
	CALL(clock_settime), CALL(sethostname), CALL(setdomainname), CALL(kcmp),
	CALL(pidfd_getfd), CALL(name_to_handle_at), CALL(open_by_handle_at), CALL(lookup_dcookie), CALL(vhangup),
	CALL(syslog), CALL(process_madvise),
#ifdef __NR_kexec_file_load
	CALL(kexec_file_load),
#endif
#ifdef __x86_64__
	CALL(iopl), CALL(ioperm), CALL(modify_ldt), CALL(uselib), CALL(ustat), CALL(sysfs), CALL(_sysctl),
#endif
};

/* Not allowed, and no reason to die: libraries try these. */
static const uint16_t denied[] = {
	CALL(setuid), CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid), CALL(setresgid), CALL(setgroups),
	CALL(setfsuid), CALL(setfsgid), CALL(capset), CALL(fchown), CALL(fchownat), CALL(mknodat), CALL(setxattr),
	CALL(lsetxattr), CALL(fsetxattr), CALL(removexattr), CALL(lremovexattr), CALL(fremovexattr), CALL(kill),
	CALL(tkill), CALL(rt_sigqueueinfo), CALL(rt_tgsigqueueinfo), CALL(pidfd_send_signal), CALL(setpgid),
	CALL(setsid), CALL(sched_setscheduler), CALL(sched_setparam), CALL(sched_setattr), CALL(ioprio_set),
	CALL(shmget), CALL(shmat), CALL(shmctl), CALL(semget), CALL(msgget), CALL(mq_open), CALL(chdir), CALL(fchdir),
	CALL(fanotify_init), CALL(inotify_init1), CALL(accept), CALL(accept4), CALL(listen), CALL(connect), CALL(bind),
	CALL(sendmsg), CALL(sendmmsg), CALL(setsockopt),
#ifdef __x86_64__
	CALL(chown), CALL(lchown), CALL(mknod), CALL(inotify_init),
#endif
};

static void all(uint8_t fate[CALLS], const uint16_t *call, size_t n, enum fate f)
{
	for (size_t i = 0; i < n; i++)
		fate[call[i]] = (uint8_t)f;
}
#define ALL(list, f) all(fate, list, sizeof(list) / sizeof(*(list)), f)

static void decide(uint8_t fate[CALLS], unsigned may, bool opens, bool writes)
{
	bool forks = may & (CB_MAY_FORK | CB_MAY_RUN);

	memset(fate, UNKNOWN, CALLS);
	ALL(deadly, KILL);
	ALL(denied, EPERM_);
	ALL(plain, ALLOW);
	ALL(writing, writes ? ALLOW : EACCES_);
	if (forks)
		ALL(forking, ALLOW);
	else
		fate[CALL(tgkill)] = OWN_PID;
	if (may & CB_MAY_END && !forks) {
		fate[CALL(wait4)] = fate[CALL(waitid)] = fate[CALL(pidfd_open)] = ALLOW;
		fate[CALL(kill)] = fate[CALL(pidfd_send_signal)] = ENDING;
		fate[CALL(sendmsg)] = ALLOW;	/* descriptors, to base/launch.h's */
	}
	/* more filters forbid more; cb_sandbox_narrow */
	fate[CALL(seccomp)] = ALLOW;
	if (may & (CB_MAY_CONNECT | CB_MAY_LOCAL))
		ALL(networking, ALLOW);
	fate[CALL(execve)] = may & CB_MAY_RUN ? ALLOW : KILL;
	fate[CALL(execveat)] = KILL;
	fate[CALL(openat)] = opens ? OPENAT : EACCES_;
	fate[CALL(mmap)] = MAP;
	fate[CALL(mprotect)] = PROTECT;
	fate[CALL(clone)] = CLONE;
	fate[CALL(ioctl)] = IOCTL;
	fate[CALL(prctl)] = PRCTL;
	fate[CALL(prlimit64)] = LIMIT;
	fate[CALL(socket)] = SOCKET;
	fate[CALL(socketpair)] = PAIR;
	fate[CALL(sendto)] = may & (CB_MAY_CONNECT | CB_MAY_LOCAL) ? ALLOW : SENDTO;
	fate[CALL(personality)] = PERSONALITY;
	fate[CALL(setrlimit)] = forks ? ALLOW : EPERM_;
	fate[CALL(getrlimit)] = ALLOW;
#ifdef __x86_64__
	fate[CALL(open)] = opens ? OPEN : EACCES_;
	fate[CALL(fork)] = fate[CALL(vfork)] = forks ? ALLOW : EPERM_;
#endif
}

/* --- the program ---------------------------------------------------------------------------------- */

struct program {
	unsigned may;
	bool writes;
	unsigned n;
	struct sock_filter at[PROGRAM_MAX];
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (p->n < PROGRAM_MAX)
		p->at[p->n] = (struct sock_filter){ code, jt, jf, k };
	p->n++;
}

static void load(struct program *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* Both architectures are little-endian: the low half comes first. */
static void load_low(struct program *p, int arg)
{
	load(p, offsetof(struct seccomp_data, args) + (size_t)arg * 8);
}

static void load_high(struct program *p, int arg)
{
	load(p, offsetof(struct seccomp_data, args) + (size_t)arg * 8 + 4);
}

static void leave(struct program *p, uint32_t what)
{
	put(p, BPF_RET | BPF_K, what, 0, 0);
}

#define FAIL(e) (SECCOMP_RET_ERRNO | (e))

/* If the loaded value is k: what. */
static void if_is(struct program *p, uint32_t k, uint32_t what)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
	leave(p, what);
}

static void if_any(struct program *p, uint32_t bits, uint32_t what)
{
	put(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
	leave(p, what);
}

static void mask(struct program *p, uint32_t bits)
{
	put(p, BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
}

static void flags(struct program *p, int arg)
{
	load_low(p, arg);
	if (!p->writes)
		if_any(p, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY),
		       FAIL(EACCES));
	leave(p, SECCOMP_RET_ALLOW);
}

/* The memory protection in an argument. */
static void protection(struct program *p, int arg)
{
	load_low(p, arg);
	if (p->may & CB_MAY_JIT) {
		leave(p, SECCOMP_RET_ALLOW);
		return;
	}
	/* a program that is started maps its own code */
	if (p->may & CB_MAY_RUN) {
		mask(p, PROT_WRITE | PROT_EXEC);
		if_is(p, PROT_WRITE | PROT_EXEC, FAIL(EACCES));
	} else {
		if_any(p, PROT_EXEC, FAIL(EACCES));
	}
	leave(p, SECCOMP_RET_ALLOW);
}

static void clone_call(struct program *p)
{
	static const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
		CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE | CLONE_UNTRACED;

	load_low(p, 0);
	if_any(p, namespaces, FAIL(EPERM));
	if (p->may & CB_MAY_THREAD)
		if_any(p, CLONE_THREAD, SECCOMP_RET_ALLOW);
	/* a thread is no process */
	if_any(p, CLONE_THREAD, FAIL(EPERM));
	leave(p, p->may & (CB_MAY_FORK | CB_MAY_RUN) ? SECCOMP_RET_ALLOW : FAIL(EPERM));
}

static void ioctl_call(struct program *p)
{
	/* TCGETS, TCGETS2, TIOCGPGRP, TIOCOUTQ (SIOCOUTQ), TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX */
	static const uint32_t reading[] = { 0x5401, 0x802c542a, 0x540f, 0x5411, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451 };
	/* TCSETS, TCSETSW, TCSETSF, TCFLSH */
	static const uint32_t terminal[] = { 0x5402, 0x5403, 0x5404, 0x540b };

	load_low(p, 1);
	for (size_t i = 0; i < sizeof(reading) / sizeof(*reading); i++)
		if_is(p, reading[i], SECCOMP_RET_ALLOW);
	for (size_t i = 0; p->may & CB_MAY_ASK && i < sizeof(terminal) / sizeof(*terminal); i++)
		if_is(p, terminal[i], SECCOMP_RET_ALLOW);
	if (p->may & CB_MAY_VIDEO) {
		mask(p, 0xff00);
		if_is(p, 'V' << 8, SECCOMP_RET_ALLOW);
	}
	leave(p, FAIL(ENOTTY));
}

static void prctl_call(struct program *p)
{
	/* PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SET_NO_NEW_PRIVS,
	 * PR_GET_NO_NEW_PRIVS, PR_SET_VMA */
	static const uint32_t harmless[] = { 1, 3, 15, 16, 38, 39, 0x53564d41 };

	load_low(p, 0);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		if_is(p, harmless[i], SECCOMP_RET_ALLOW);
	if (p->may & (CB_MAY_FORK | CB_MAY_RUN))
		if_is(p, 4, SECCOMP_RET_ALLOW);	/* PR_SET_DUMPABLE: a child enters, too */
	leave(p, FAIL(EPERM));
}

/* Read, but not set; a child that enters a sandbox of its own sets its own. */
static void limit_call(struct program *p)
{
	if (p->may & (CB_MAY_FORK | CB_MAY_RUN)) {
		load_low(p, 0);
		if_is(p, 0, SECCOMP_RET_ALLOW);
	}
	load_low(p, 2);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	leave(p, FAIL(EPERM));
	load_high(p, 2);
	if_is(p, 0, SECCOMP_RET_ALLOW);
	leave(p, FAIL(EPERM));
}

static void socket_call(struct program *p)
{
	if (p->may & CB_MAY_LOCAL) {
		load_low(p, 0);
		if_is(p, AF_UNIX, SECCOMP_RET_ALLOW);
	}
	if (p->may & CB_MAY_CONNECT) {
		load_low(p, 0);
		put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0);
		put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 5);
		load_low(p, 1);
		mask(p, 0xf);	/* without SOCK_CLOEXEC and SOCK_NONBLOCK */
		put(p, BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 1, 0);
		put(p, BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 0, 1);
		leave(p, SECCOMP_RET_ALLOW);
	}
	leave(p, FAIL(EACCES));
}

static void pair_call(struct program *p)
{
	load_low(p, 0);
	if_is(p, AF_UNIX, SECCOMP_RET_ALLOW);
	leave(p, FAIL(EACCES));
}

/* Without an address: what the socket is connected to. */
static void sendto_call(struct program *p)
{
	load_low(p, 4);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	leave(p, FAIL(EACCES));
	load_high(p, 4);
	if_is(p, 0, SECCOMP_RET_ALLOW);
	leave(p, FAIL(EACCES));
}

static void ruling(struct program *p, enum fate f)
{
	switch (f) {
	case UNKNOWN: leave(p, FAIL(ENOSYS)); break;
	case ALLOW: leave(p, SECCOMP_RET_ALLOW); break;
	case KILL: leave(p, SECCOMP_RET_KILL_PROCESS); break;
	case EACCES_: leave(p, FAIL(EACCES)); break;
	case EPERM_: leave(p, FAIL(EPERM)); break;
	case MAP: protection(p, 2); break;
	case PROTECT: protection(p, 2); break;
	case OPEN: flags(p, 1); break;
	case OPENAT: flags(p, 2); break;
	case ENDING:
		load_low(p, 1);
		if_is(p, SIGKILL, SECCOMP_RET_ALLOW);
		if_is(p, SIGTERM, SECCOMP_RET_ALLOW);
		leave(p, FAIL(EPERM));
		break;
	case CLONE: clone_call(p); break;
	case IOCTL: ioctl_call(p); break;
	case PRCTL: prctl_call(p); break;
	case OWN_PID:
		load_low(p, 0);
		if_is(p, (uint32_t)getpid(), SECCOMP_RET_ALLOW);
		leave(p, FAIL(EPERM));
		break;
	case LIMIT: limit_call(p); break;
	case SOCKET: socket_call(p); break;
	case PAIR: pair_call(p); break;
	case SENDTO: sendto_call(p); break;
	case PERSONALITY:
		load_low(p, 0);
		if_is(p, 0xffffffff, SECCOMP_RET_ALLOW);	/* asking */
		leave(p, SECCOMP_RET_KILL_PROCESS);
		break;
	}
}

struct run {
	uint32_t first;
	enum fate fate;
};

/* The runs from lo to hi; the number of the call is loaded. */
static void search(struct program *p, const struct run *run, unsigned lo, unsigned hi)
{
	unsigned mid = lo + (hi - lo) / 2, jump;

	if (hi - lo == 1) {
		ruling(p, run[lo].fate);
		return;
	}
	put(p, BPF_JMP | BPF_JGE | BPF_K, run[mid].first, 0, 1);
	jump = p->n;
	put(p, BPF_JMP | BPF_JA, 0, 0, 0);	/* farther than a byte */
	search(p, run, lo, mid);
	if (jump < PROGRAM_MAX)
		p->at[jump].k = p->n - jump - 1;
	search(p, run, mid, hi);
}

int cb_filter_install(unsigned may, bool opens, bool writes)
{
	struct program p = { .may = may, .writes = writes };
	struct run run[CALLS + 1];
	uint8_t fate[CALLS];
	struct sock_fprog prog;
	unsigned n = 0;

	decide(fate, may, opens, writes);
	for (uint32_t i = 0; i < CALLS; i++)
		if (!n || run[n - 1].fate != (enum fate)fate[i])
			run[n++] = (struct run){ i, (enum fate)fate[i] };
	if (run[n - 1].fate != UNKNOWN)
		run[n++] = (struct run){ CALLS, UNKNOWN };
	load(&p, offsetof(struct seccomp_data, arch));
	put(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	leave(&p, SECCOMP_RET_KILL_PROCESS);
	load(&p, offsetof(struct seccomp_data, nr));
	/* a tracer's: it answers in the kernel's place, as strace does that injects faults */
	if_is(&p, 0xffffffff, SECCOMP_RET_ALLOW);
#ifdef __x86_64__
	put(&p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);	/* x32 */
	leave(&p, SECCOMP_RET_KILL_PROCESS);
#endif
	search(&p, run, 0, n);
	if (p.n > PROGRAM_MAX) {
		errno = E2BIG;
		return -1;
	}
	prog = (struct sock_fprog){ (unsigned short)p.n, p.at };
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) ? -1 : 0;
}

#endif
