/* SPDX-License-Identifier: Apache-2.0 */
/* The self-test: forbidden things, each tried by a process that has entered and by one that has
 * not. What would do harm is called so that it cannot succeed: the filter looks first. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/priv.h"

#define SECONDS 5	/* a child takes no longer */

/* --- what is tried, of the network by system calls alone: no tool is to link it for this. Each returns 0 where it was done, else -1 and errno. They run in the directory
 * that was made for them, in which are "file", "program" and "dir". */

static char place[PATH_MAX + 32];

static int opened(long fd)
{
	return fd < 0 ? -1 : 0;
}

static const char *in(const char *name)
{
	static char path[2][PATH_MAX + 64];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", place, name);
	return path[turn];
}

static int read_passwd(void) { return opened(open("/etc/passwd", O_RDONLY | O_CLOEXEC)); }
static int read_file(void) { return opened(open(in("file"), O_RDONLY | O_CLOEXEC)); }
static int read_link(void) { return opened(open(in("link"), O_RDONLY | O_CLOEXEC)); }
static int read_environ(void) { return opened(open("/proc/self/environ", O_RDONLY | O_CLOEXEC)); }
static int write_memory(void) { return opened(open("/proc/self/mem", O_RDWR | O_CLOEXEC)); }
static int read_parent(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)getppid());
	return opened(open(path, O_RDONLY | O_CLOEXEC));
}
static int read_directory(void) { return opened(open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
static int read_root(void) { return opened(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
static int write_file(void) { return opened(open(in("file"), O_WRONLY | O_CLOEXEC)); }
static int append_file(void) { return opened(open(in("file"), O_WRONLY | O_APPEND | O_CLOEXEC)); }
static int cut_file(void) { return opened(open(in("file"), O_WRONLY | O_TRUNC | O_CLOEXEC)); }
static int make_file(void) { return opened(open(in("new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); }
static int make_temporary(void) { return opened(open(place, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)); }
static int make_directory(void) { return mkdir(in("new-dir"), 0700); }
static int make_link(void) { return link(in("file"), in("new-link")); }
static int make_symlink(void) { return symlink("/etc/passwd", in("new-symlink")); }
static int make_fifo(void) { return mknod(in("new-fifo"), S_IFIFO | 0600, 0); }
static int make_device(void) { return mknod(in("new-device"), S_IFCHR | 0600, 0x103); }
static int remove_file(void) { return unlink(in("spare")); }
static int remove_directory(void) { return rmdir(in("dir")); }
static int rename_file(void) { return rename(in("spare"), in("renamed")); }
static int truncate_file(void) { return truncate(in("file"), 0); }
static int change_mode(void) { return chmod(in("file"), 0644); }
static int change_owner(void) { return chown(in("file"), getuid(), getgid()); }
static int change_times(void) { return utimensat(AT_FDCWD, in("file"), NULL, 0); }
static int device(void) { return opened(open("/dev/zero", O_RDWR | O_CLOEXEC)); }
static int open_how(void)
{
	uint64_t how[3] = { O_RDONLY | O_CLOEXEC };

	return opened((int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how)));
}
static int open_handle(void) { return (int)syscall(SYS_open_by_handle_at, -1, NULL, 0); }

static int run_shell(void)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 0", NULL };

	return execve("/bin/sh", argv, NULL);
}
static int run_own(void)
{
	char *argv[] = { (char *)"program", NULL };

	return execve(in("program"), argv, NULL);
}
static int run_memory(void)
{
	static const char script[] = "#!/bin/sh\nexit 0\n";
	char *argv[] = { (char *)"memory", NULL };
	int fd = memfd_create("program", 0);

	if (fd < 0 || write(fd, script, sizeof(script) - 1) < 0)
		return -1;
	return (int)syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH);
}
static int make_process(void)
{
	pid_t p = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (p == 0)
		_exit(0);
	return p < 0 ? -1 : 0;
}
static void *nothing(void *p) { return p; }
static int make_thread(void)
{
	pthread_t t;
	int e = pthread_create(&t, NULL, nothing, NULL);

	if (!e)
		return pthread_join(t, NULL);
	errno = e;
	return -1;
}
static int new_user(void)
{
	pid_t p = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (p == 0)
		_exit(0);
	return p < 0 ? -1 : 0;
}
static int leave_namespace(void) { return unshare(CLONE_NEWNS); }
static int join_namespace(void) { return setns(-1, 0); }

static int mapped(const void *p)
{
	return p == MAP_FAILED ? -1 : 0;
}
static int map_all(void)
{
	return mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
static int map_code(void)
{
	return mapped(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
static int protect_all(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}
static int protect_code(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
static int protect_key(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return (int)syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1);
}
static int read_implies_exec(void) { return personality(READ_IMPLIES_EXEC) < 0 ? -1 : 0; }
static int share_memory(void) { return opened((int)syscall(SYS_shmget, 0, 4096, 0600)); }

static int socket_tcp(void) { return opened((int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
static int socket_tcp6(void) { return opened((int)syscall(SYS_socket, AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
static int socket_udp(void) { return opened((int)syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }
static int socket_local(void) { return opened((int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
static int socket_netlink(void) { return opened((int)syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)); }
static int socket_packet(void) { return opened((int)syscall(SYS_socket, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)); }
static int socket_raw(void) { return opened((int)syscall(SYS_socket, AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1)); }
static int socket_vsock(void) { return opened((int)syscall(SYS_socket, AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
static int socket_alg(void) { return opened((int)syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)); }
static int listen_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 || syscall(SYS_bind, fd, &a, sizeof(a)) < 0 ? -1 : (int)syscall(SYS_listen, fd, 1);
}

static int trace(void) { return (int)ptrace(PTRACE_TRACEME, 0, 0, 0); }
static int read_process(void)
{
	char c;
	struct iovec v = { &c, 1 };

	return process_vm_readv(getppid(), &v, 1, &v, 1, 0) < 0 ? -1 : 0;
}
static int write_process(void)
{
	char c = 0;
	struct iovec v = { &c, 1 };

	return process_vm_writev(getpid(), &v, 1, &v, 1, 0) < 0 ? -1 : 0;
}
static int signal_parent(void) { return kill(getppid(), 0); }
static int signal_thread(void) { return (int)syscall(SYS_tgkill, getppid(), getppid(), 0); }
static int steal_descriptor(void) { return (int)syscall(SYS_pidfd_getfd, -1, 0, 0); }
static int compare(void) { return (int)syscall(SYS_kcmp, getpid(), getppid(), 0, 0, 0); }

static int load_bpf(void) { return (int)syscall(SYS_bpf, 0, NULL, 0); }
static int userfault(void) { return opened((int)syscall(SYS_userfaultfd, 1)); }
static int uring(void) { return (int)syscall(SYS_io_uring_setup, 1, NULL); }
static int perf(void) { return (int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static int key_control(void) { return syscall(SYS_keyctl, 0, -3, 0) < 0 ? -1 : 0; }
static int key_add(void) { return (int)syscall(SYS_add_key, NULL, NULL, NULL, 0, 0); }
static int mount_something(void) { return (int)syscall(SYS_mount, NULL, "/nonexistent", NULL, 0, NULL); }
static int unmount(void) { return (int)syscall(SYS_umount2, "/nonexistent", 0); }
static int mount_new(void) { return (int)syscall(SYS_fsopen, "nonexistent", 0); }
static int change_root(void) { return chroot("/nonexistent"); }
static int pivot(void) { return (int)syscall(SYS_pivot_root, "/nonexistent", "/nonexistent"); }
static int load_module(void) { return (int)syscall(SYS_init_module, NULL, 0, ""); }
static int load_module_file(void) { return (int)syscall(SYS_finit_module, -1, "", 0); }
static int new_kernel(void) { return (int)syscall(SYS_kexec_load, 0, 1ul << 40, NULL, ~0ul); }
static int restart(void) { return (int)syscall(SYS_reboot, 0, 0, 0, NULL); }
static int swap(void) { return (int)syscall(SYS_swapon, "/nonexistent", 0); }
static int account(void) { return (int)syscall(SYS_acct, "/nonexistent"); }
static int quota(void) { return (int)syscall(SYS_quotactl, -1, NULL, 0, NULL); }
static int set_clock(void) { return (int)syscall(SYS_clock_settime, CLOCK_REALTIME, NULL); }
static int adjust_clock(void)
{
	struct timex t = { 0 };

	/* to what it is */
	if (syscall(SYS_clock_adjtime, CLOCK_REALTIME, &t) < 0)
		return -1;
	t.modes = ADJ_TICK;
	return syscall(SYS_clock_adjtime, CLOCK_REALTIME, &t) < 0 ? -1 : 0;
}
static int set_name(void) { return (int)syscall(SYS_sethostname, NULL, -1); }
static int kernel_log(void) { return (int)syscall(SYS_syslog, -1, NULL, 0); }
static int become(void) { return (int)syscall(SYS_setuid, getuid()); }
static int capabilities(void)
{
	uint32_t head[2] = { 0x20080522, 0 }, data[6];

	if (syscall(SYS_capget, head, data) < 0)
		return -1;
	return (int)syscall(SYS_capset, head, data);
}
static int dump_again(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static int more_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return -1;
	return setrlimit(RLIMIT_NOFILE, &l);
}
static int terminal = -1;	/* open before */
static int type_for_user(void)
{
	return ioctl(terminal, TIOCSTI, "x");
}
#ifdef __x86_64__
static int other_table(void) { return (int)syscall(0x40000000 | SYS_getpid) < 0 ? -1 : 0; }
static int other_architecture(void)
{
	long r;

	/* getpid of 32 bits */
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(20l) : "r8", "r9", "r10", "r11", "memory", "cc");
	if (r >= 0)
		return 0;
	errno = (int)-r;
	return -1;
}
static int ports(void) { return (int)syscall(SYS_iopl, 0); }
static int descriptors_table(void) { return (int)syscall(SYS_modify_ldt, 0, NULL, 0); }
#endif

/* --- the list ------------------------------------------------------------------------------------------ */

enum needs {
	PATHS = 1 << 0,		/* Landlock, where the policy opens files at all */
	WRITES = 1 << 1,	/* Landlock, where the policy writes */
	FILTER = 1 << 2,	/* seccomp */
	ABI3 = 1 << 3,		/* Landlock of ABI 3, where the policy writes */
	LANDLOCK = 1 << 4,	/* Landlock, or seccomp */
};

static const struct {
	const char *name;
	int (*try)(void);
	unsigned needs;
	unsigned unless;	/* what the policy may: then it is allowed */
} list[] = {
	{ "read-passwd", read_passwd, PATHS, 0 },
	{ "read-file", read_file, PATHS, 0 },
	{ "read-through-link", read_link, PATHS, 0 },
	{ "read-environment", read_environ, PATHS, 0 },
	{ "write-own-memory", write_memory, PATHS, 0 },
	{ "read-other-process", read_parent, PATHS, 0 },
	{ "list-directory", read_directory, PATHS, 0 },
	{ "list-root", read_root, PATHS, 0 },
	{ "open-device", device, WRITES, 0 },
	{ "write-file", write_file, WRITES, 0 },
	{ "append-to-file", append_file, WRITES, 0 },
	{ "cut-file", cut_file, WRITES, 0 },
	{ "make-file", make_file, WRITES, 0 },
	{ "make-temporary-file", make_temporary, WRITES, 0 },
	{ "make-directory", make_directory, WRITES, 0 },
	{ "make-link", make_link, WRITES, 0 },
	{ "make-symbolic-link", make_symlink, WRITES, 0 },
	{ "make-fifo", make_fifo, FILTER, 0 },
	{ "make-device", make_device, FILTER, 0 },
	{ "remove-file", remove_file, WRITES, 0 },
	{ "remove-directory", remove_directory, WRITES, 0 },
	{ "rename-file", rename_file, WRITES, 0 },
	{ "truncate-file", truncate_file, ABI3, 0 },
	{ "change-owner", change_owner, FILTER, 0 },
	{ "open-by-openat2", open_how, FILTER, 0 },
	{ "open-by-handle", open_handle, FILTER, 0 },
	{ "run-shell", run_shell, LANDLOCK, 0 },
	{ "run-program", run_own, LANDLOCK, 0 },
	{ "run-from-memory", run_memory, FILTER, 0 },
	{ "make-process", make_process, FILTER, CB_MAY_FORK | CB_MAY_RUN },
	{ "make-thread", make_thread, FILTER, CB_MAY_THREAD },
	{ "new-user-namespace", new_user, FILTER, 0 },
	{ "leave-namespace", leave_namespace, FILTER, 0 },
	{ "join-namespace", join_namespace, FILTER, 0 },
	{ "map-writable-code", map_all, FILTER, CB_MAY_JIT },
	{ "map-code", map_code, FILTER, CB_MAY_JIT | CB_MAY_RUN },
	{ "protect-writable-code", protect_all, FILTER, CB_MAY_JIT },
	{ "protect-code", protect_code, FILTER, CB_MAY_JIT | CB_MAY_RUN },
	{ "protect-code-by-key", protect_key, FILTER, 0 },
	{ "read-implies-execute", read_implies_exec, FILTER, 0 },
	{ "share-memory", share_memory, FILTER, 0 },
	{ "socket-tcp", socket_tcp, FILTER, CB_MAY_CONNECT },
	{ "socket-tcp6", socket_tcp6, FILTER, CB_MAY_CONNECT },
	{ "socket-udp", socket_udp, FILTER, CB_MAY_CONNECT },
	{ "socket-local", socket_local, FILTER, CB_MAY_LOCAL },
	{ "socket-netlink", socket_netlink, FILTER, 0 },
	{ "socket-packet", socket_packet, FILTER, 0 },
	{ "socket-raw", socket_raw, FILTER, 0 },
	{ "socket-vsock", socket_vsock, FILTER, 0 },
	{ "socket-alg", socket_alg, FILTER, 0 },
	{ "listen", listen_tcp, FILTER, 0 },
	{ "trace", trace, FILTER, 0 },
	{ "read-process-memory", read_process, FILTER, 0 },
	{ "write-process-memory", write_process, FILTER, 0 },
	{ "signal-parent", signal_parent, FILTER, CB_MAY_FORK | CB_MAY_RUN },
	{ "signal-thread", signal_thread, FILTER, CB_MAY_FORK | CB_MAY_RUN },
	{ "steal-descriptor", steal_descriptor, FILTER, 0 },
	{ "compare-processes", compare, FILTER, 0 },
	{ "load-bpf", load_bpf, FILTER, 0 },
	{ "userfault", userfault, FILTER, 0 },
	{ "io-uring", uring, FILTER, 0 },
	{ "perf", perf, FILTER, 0 },
	{ "keyring", key_control, FILTER, 0 },
	{ "add-key", key_add, FILTER, 0 },
	{ "mount", mount_something, FILTER, 0 },
	{ "unmount", unmount, FILTER, 0 },
	{ "mount-new", mount_new, FILTER, 0 },
	{ "change-root", change_root, FILTER, 0 },
	{ "pivot-root", pivot, FILTER, 0 },
	{ "load-module", load_module, FILTER, 0 },
	{ "load-module-file", load_module_file, FILTER, 0 },
	{ "load-kernel", new_kernel, FILTER, 0 },
	{ "reboot", restart, FILTER, 0 },
	{ "swap", swap, FILTER, 0 },
	{ "process-accounting", account, FILTER, 0 },
	{ "quota", quota, FILTER, 0 },
	{ "set-clock", set_clock, FILTER, 0 },
	{ "adjust-clock", adjust_clock, FILTER, 0 },
	{ "set-host-name", set_name, FILTER, 0 },
	{ "kernel-log", kernel_log, FILTER, 0 },
	{ "change-user", become, FILTER, 0 },
	{ "change-capabilities", capabilities, FILTER, 0 },
	{ "become-dumpable", dump_again, FILTER, CB_MAY_FORK | CB_MAY_RUN },
	{ "change-limits", more_files, FILTER, CB_MAY_FORK | CB_MAY_RUN },
	{ "change-mode", change_mode, FILTER, 0 },
	{ "change-times", change_times, FILTER, 0 },
	{ "type-for-user", type_for_user, FILTER, 0 },
#ifdef __x86_64__
	{ "other-call-table", other_table, FILTER, 0 },
	{ "other-architecture", other_architecture, FILTER, 0 },
	{ "io-ports", ports, FILTER, 0 },
	{ "local-descriptors", descriptors_table, FILTER, 0 },
#endif
};

/* --- one ------------------------------------------------------------------------------------------------ */

/* What a child says: 0 done, an errno, or that it could not enter. */
#define NOT_ENTERED 4096

static void outcome(char text[static 24], int status, int said)
{
	const char *name = said > 0 ? strerrorname_np(said) : NULL;

	if (WIFSIGNALED(status))
		snprintf(text, 24, "SIG%s", sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
	else if (said == NOT_ENTERED)
		strcpy(text, "not entered");
	else if (said == 0)
		strcpy(text, "ok");
	else if (name)
		snprintf(text, 24, "%s", name);
	else
		snprintf(text, 24, "errno %d", said);
}

/* In a process of its own; s NULL: outside. *ret_said: what it said; -1: nothing, so an execve went
 * through, or a signal ended it. */
static int attempt(const struct cb_sandbox *s, int (*try)(void), int *ret_status, int *ret_said)
{
	int to[2], said = -1;
	pid_t p;

	if (pipe2(to, O_CLOEXEC) < 0)
		return -1;
	p = fork();
	if (p < 0) {
		close(to[0]);
		close(to[1]);
		return -1;
	}
	if (p == 0) {
		struct rlimit none = { 0, 0 };
		struct cb_err err = CB_ERR_INIT;

		close(to[0]);
		setrlimit(RLIMIT_CORE, &none);
		alarm(SECONDS);
		if (s && cb_sandbox_enter(s, CB_SANDBOX_AUTO, NULL, &err) < 0) {
			said = NOT_ENTERED;
		} else {
			errno = 0;
			said = try() == 0 ? 0 : errno;
		}
		if (write(to[1], &said, sizeof(said)) != sizeof(said))
			_exit(2);
		_exit(0);
	}
	close(to[1]);
	if (read(to[0], &said, sizeof(said)) != sizeof(said))
		said = -1;
	close(to[0]);
	while (waitpid(p, ret_status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (said < 0 && WIFEXITED(*ret_status))
		said = 0;	/* it is another program now */
	*ret_said = said;
	return 0;
}

/* Is a path, or what it is in, in a list of what is allowed? */
static bool below(const char *path, const char *allowed)
{
	char real[PATH_MAX];
	size_t n;

	if (!allowed || !realpath(allowed, real))
		return false;
	n = strlen(real);
	if (n == 1)
		return true;
	return strncmp(path, real, n) == 0 && (!path[n] || path[n] == '/');
}

struct looking {
	const char *path;
	bool write, run;
};

static int covers(void *ctx, enum cb_sandbox_how how, const char *path)
{
	const struct looking *l = ctx;

	if (how == CB_SANDBOX_RUN ? l->write || !l->run : l->write && (how == CB_SANDBOX_READ || how == CB_SANDBOX_READ_BESIDE))
		return 0;
	return below(l->path, path);
}

static bool covered(const struct cb_sandbox *s, const char *path, bool write)
{
	struct looking l = { path, write, s->may & CB_MAY_RUN };

	return cb_sandbox_paths(s, covers, &l);
}

static int make(const char *name, const char *text, mode_t mode)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), r;

	if (fd < 0)
		return -1;
	r = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return r;
}

static void clean(void)
{
	static const char *const files[] = { "file", "link", "program", "spare", "renamed", "new", "new-link",
					     "new-symlink", "new-fifo", "new-device" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(in(files[i]));
	rmdir(in("dir"));
	rmdir(in("new-dir"));
}

/* As it was before each attempt. */
static int furnish(void)
{
	clean();
	return make("file", "secret\n", 0600) < 0 || make("program", "#!/bin/sh\nexit 0\n", 0700) < 0 ||
		make("spare", "", 0600) < 0 || symlink("file", in("link")) < 0 || mkdir(in("dir"), 0700) < 0 ? -1 : 0;
}

/* A directory that the policy says nothing of. */
static int find_place(const struct cb_sandbox *s, struct cb_err *err)
{
	const char *try[] = { getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm" };

	for (size_t i = 0; i < sizeof(try) / sizeof(*try); i++) {
		char real[PATH_MAX];

		if (!try[i] || !realpath(try[i], real) || strlen(real) > PATH_MAX / 2 || covered(s, real, false))
			continue;
		snprintf(place, sizeof(place), "%s/cb-self-test.XXXXXX", real);
		if (mkdtemp(place))
			return 0;
	}
	return cb_err_set(err, CB_E_CANTCREAT, "self-test: no directory to try things in");
}

/* Is there what would refuse it? NULL, or why not. */
static const char *lacking(const struct cb_sandbox *s, const struct cb_sandbox_level *l, unsigned needs)
{
	bool opens = cb_sandbox_opens(s), writes = cb_sandbox_writes(s);

	if (needs & FILTER && !l->seccomp)
		return "no seccomp filter";
	if (needs & PATHS && !l->landlock && (opens || !l->seccomp))
		return "no Landlock";
	if (needs & WRITES && !l->landlock && (writes || !l->seccomp))
		return "no Landlock";
	if (needs & ABI3 && l->landlock < 3 && (writes || !l->seccomp))
		return "no Landlock of ABI 3";
	if (needs & LANDLOCK && !l->landlock && !l->seccomp)
		return "neither Landlock nor seccomp";
	return NULL;
}

/* Change-mode and change-times are the filter's, which cannot see paths: where the policy writes
 * they are possible on files that the user owns. */
static bool allowed(const struct cb_sandbox *s, size_t i)
{
	bool writes = cb_sandbox_writes(s);

	if (s->may & list[i].unless)
		return true;
	if (list[i].try == read_passwd)
		return covered(s, "/etc/passwd", false);
	if (list[i].try == read_root)
		return covered(s, "/", false);
	if (list[i].try == read_environ || list[i].try == write_memory || list[i].try == read_parent)
		return covered(s, "/proc", list[i].try == write_memory) || CB_SANITIZED;
	if (list[i].try == device)
		return covered(s, "/dev", true);
	if (list[i].try == run_shell)
		return s->may & CB_MAY_RUN && covered(s, "/bin/sh", false);
	if (list[i].try == change_mode || list[i].try == change_times)
		return writes;
	return false;
}

static int one(const struct cb_sandbox *s, const struct cb_sandbox_level *l, size_t i, struct cb_probe *p)
{
	int status, said;

	*p = (struct cb_probe){ .name = list[i].name };
	if (allowed(s, i)) {
		p->verdict = CB_PROBE_ALLOWED;
		return 0;
	}
	p->why = lacking(s, l, list[i].needs);
	if (p->why) {
		p->verdict = CB_PROBE_SKIPPED;
		return 0;
	}
	if (furnish() < 0 || attempt(NULL, list[i].try, &status, &said) < 0)
		return -1;
	outcome(p->outside, status, said);
	if (furnish() < 0 || attempt(s, list[i].try, &status, &said) < 0)
		return -1;
	outcome(p->inside, status, said);
	if (WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS : said == EACCES || said == EPERM || said == ENOSYS ||
	    said == EAGAIN || said == ENOTTY)
		p->verdict = CB_PROBE_REFUSED;
	else
		p->verdict = CB_PROBE_DONE;
	return 0;
}

/* What can be reached, found out by a process that enters. */
static int level(const struct cb_sandbox *s, enum cb_sandbox_mode mode, struct cb_sandbox_level *l,
		 struct cb_err *err)
{
	struct { struct cb_sandbox_level level; struct cb_err err; } got = { .err = CB_ERR_INIT };
	int to[2], status;
	ssize_t n;
	pid_t p;

	if (pipe2(to, O_CLOEXEC) < 0 || (p = fork()) < 0)
		return cb_err_sys(err, CB_E_OS, errno, "self-test");
	if (p == 0) {
		cb_sandbox_enter(s, mode, &got.level, &got.err);
		n = write(to[1], &got, sizeof(got));
		_exit(n == sizeof(got) ? 0 : 2);
	}
	close(to[1]);
	n = read(to[0], &got, sizeof(got));
	close(to[0]);
	while (waitpid(p, &status, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(got))
		return cb_err_set(err, CB_E_BUG, "self-test: the process that entered said nothing");
	if (got.err.code) {
		*err = got.err;
		return -1;
	}
	*l = got.level;
	return 0;
}

int cb_sandbox_test(const struct cb_sandbox *s, enum cb_sandbox_mode mode,
		    void (*tell)(void *ctx, const struct cb_probe *p), void *ctx, struct cb_err *err)
{
	struct cb_sandbox_level l = { 0 };
	struct cb_probe p;
	int done = 0;

	if (mode == CB_SANDBOX_OFF)
		return cb_err_set(err, CB_E_USAGE, "self-test: there is no sandbox to test");
	if (level(s, mode, &l, err) < 0 || find_place(s, err) < 0)
		return -1;
	terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(list) / sizeof(*list) && done >= 0; i++) {
		if (one(s, &l, i, &p) < 0) {
			done = cb_err_sys(err, CB_E_OS, errno, "self-test: %s", list[i].name);
			break;
		}
		done += p.verdict == CB_PROBE_DONE;
		tell(ctx, &p);
	}
	clean();
	rmdir(place);
	if (terminal >= 0)
		close(terminal);
	return done;
}
