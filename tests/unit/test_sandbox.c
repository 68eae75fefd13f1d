/* SPDX-License-Identifier: Apache-2.0 */
/* lib/sandbox: what is allowed works, what is not does not, and what is missing is said. Each
 * case is a process of its own, because there is no way back. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static char dir[] = "/tmp/cb-test-sandbox.XXXXXX", path[8][PATH_MAX];

static const char *at(const char *name)
{
	static int turn;
	char *p = path[turn++ % 8];

	snprintf(p, PATH_MAX, "%s/%s", dir, name);
	return p;
}

/* The system calls of a list fail with ENOSYS from here on: an older kernel. */
static void without(const int *call, size_t n)
{
	struct sock_filter f[32];
	struct sock_fprog p = { 0, f };

	f[p.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++) {
		f[p.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call[i], 0, 1);
		f[p.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	f[p.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p))
		_exit(90);
}
static const int landlock_calls[] = { 444, 445, 446 }, seccomp_calls[] = { __NR_seccomp };

static bool have_landlock;

/* What fn says in a process of its own: its value, or 128 and a signal. */
static int apart(int (*fn)(void))
{
	int status = 0;
	pid_t p;

	fflush(stdout);
	p = fork();
	if (p == 0) {
		alarm(20);
		_exit(fn());
	}
	if (p < 0 || waitpid(p, &status, 0) != p)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* In it: leave with the number of the line that is false. */
#define MUST(expr) do { if (!(expr)) { fprintf(stderr, "# line %d: %s: %s\n", __LINE__, #expr, strerror(errno)); return 1; } } while (0)
#define FAILS(expr, e) MUST((expr) < 0 && errno == (e))
/* Where there is no Landlock nothing can be said of paths. */
#define HIDDEN(expr) do { int v_ = (expr); if (have_landlock) MUST(v_ < 0 && errno == EACCES); } while (0)

static int opens(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static int enter(const struct cb_sandbox *s)
{
	struct cb_sandbox_level l;
	struct cb_err err = CB_ERR_INIT;

	return cb_sandbox_enter(s, CB_SANDBOX_AUTO, &l, &err);
}

static int nothing(void)
{
	int fd = open(at("file"), O_RDONLY | O_CLOEXEC), out = open(at("out"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	time_t now = time(NULL);
	struct rlimit l;
	struct tm tm;
	char c;
	void *p;

	MUST(fd >= 0 && out >= 0);
	MUST(enter(&(struct cb_sandbox){ 0 }) == 0);
	/* what is open works on */
	MUST(read(fd, &c, 1) == 1 && c == 's');
	MUST(write(out, "x", 1) == 1 && pread(out, &c, 1, 0) == 1 && fsync(out) == 0 && ftruncate(out, 0) == 0);
	/* and what a program does all the time */
	MUST(localtime_r(&now, &tm));
	MUST((p = malloc(64 << 20)));
	memset(p, 1, 64 << 20);
	free(p);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	MUST(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max == 0);
	MUST(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max <= 256);
	if (!SANITIZED)
		MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	HIDDEN(opens(at("file"), O_RDONLY));
	HIDDEN(opens("/etc/passwd", O_RDONLY));
	HIDDEN(opens(at("new"), O_WRONLY | O_CREAT));
	return 0;
}

static int reading(void)
{
	const char *more[] = { at("more"), NULL, at("nowhere") };
	struct cb_sandbox s = { .read = { at("file"), NULL, at("tree"), at("not-there") },
				.list = { { more, 3, CB_SANDBOX_READ } } };

	MUST(enter(&s) == 0);
	MUST(opens(at("file"), O_RDONLY) == 0);
	MUST(opens(at("more"), O_RDONLY) == 0);
	MUST(opens(at("tree/in"), O_RDONLY) == 0);
	MUST(opens(at("tree"), O_RDONLY | O_DIRECTORY) == 0);
	MUST(opens(at("tree/link"), O_RDONLY) == 0 || have_landlock);	/* shows out of the tree */
	FAILS(opens(at("not-there"), O_RDONLY), ENOENT);
	HIDDEN(opens(at("other"), O_RDONLY));
	HIDDEN(opens(dir, O_RDONLY | O_DIRECTORY));
	if (!SANITIZED) {
		FAILS(opens(at("file"), O_WRONLY), EACCES);
		FAILS(opens(at("file"), O_RDWR), EACCES);
		FAILS(opens(at("tree/new"), O_RDONLY | O_CREAT), EACCES);
		FAILS(opens(at("file"), O_RDONLY | O_TRUNC), EACCES);
		FAILS(opens(at("tree"), O_RDWR | O_TMPFILE), EACCES);
		FAILS(unlink(at("file")), EACCES);
		FAILS(mkdir(at("tree/d"), 0700), EACCES);
	}
	return 0;
}

/* A file that gets its name at the end, as base/newfile.h makes it. */
static int named_late(const char *in, const char *name)
{
	char self[40];
	int fd = open(in, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	r = linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
	close(fd);
	return r;
}

static int writing(void)
{
	struct cb_sandbox s = { .write = { at("tree"), at("file") }, .write_beside = { at("tree2/a-file-to-be") } };

	MUST(enter(&s) == 0);
	MUST(opens(at("tree/new"), O_RDWR | O_CREAT) == 0 && opens(at("tree/in"), O_RDWR | O_TRUNC) == 0);
	MUST(mkdir(at("tree/d"), 0700) == 0 && rename(at("tree/new"), at("tree/d/new")) == 0);
	MUST(link(at("tree/d/new"), at("tree/l")) == 0 && symlink("l", at("tree/s")) == 0);
	MUST(truncate(at("tree/l"), 3) == 0);
	MUST(named_late(at("tree"), at("tree/late")) == 0);
	MUST(unlink(at("tree/late")) == 0 && unlink(at("tree/l")) == 0 && unlink(at("tree/s")) == 0);
	MUST(unlink(at("tree/d/new")) == 0 && rmdir(at("tree/d")) == 0);
	MUST(opens(at("file"), O_RDWR | O_TRUNC) == 0);
	MUST(opens(at("tree2/a-file-to-be"), O_RDWR | O_CREAT) == 0 && named_late(at("tree2"), at("tree2/late")) == 0);
	MUST(opens("/dev/null", O_RDWR) == 0);
	HIDDEN(opens(at("other"), O_RDONLY));
	HIDDEN(opens(at("other"), O_WRONLY));
	HIDDEN(mkdir(at("d"), 0700));
	HIDDEN(rename(at("other"), at("tree/other")));
	HIDDEN(unlink(at("other")));
	FAILS(mknod(at("tree/dev"), S_IFCHR | 0600, 0x103), SANITIZED ? EACCES : EPERM);
	return 0;
}

static void *thread(void *p)
{
	return p;
}

static int threading(void)
{
	pthread_t t;

	MUST(enter(&(struct cb_sandbox){ .may = CB_MAY_THREAD }) == 0);
	MUST(pthread_create(&t, NULL, thread, NULL) == 0 && pthread_join(t, NULL) == 0);
	if (!SANITIZED)
		FAILS(fork(), EPERM);
	return 0;
}

static int running(void)
{
	char *argv[] = { (char *)"true", NULL };
	int status;
	pid_t p;

	MUST(enter(&(struct cb_sandbox){ .may = CB_MAY_RUN, .run = { "/bin/true" } }) == 0);
	MUST((p = fork()) >= 0);
	if (!p) {
		execve("/bin/true", argv, NULL);
		_exit(9);
	}
	MUST(waitpid(p, &status, 0) == p && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	MUST((p = fork()) >= 0);
	if (!p) {
		execve("/bin/sh", argv, NULL);
		_exit(errno == EACCES ? 9 : 8);
	}
	MUST(waitpid(p, &status, 0) == p && WIFEXITED(status) && (WEXITSTATUS(status) == 9 || !have_landlock));
	/* a child may lock itself in further */
	MUST((p = fork()) >= 0);
	if (!p)
		_exit(enter(&(struct cb_sandbox){ 0 }) == 0 && (SANITIZED || (fork() < 0 && errno == EPERM)) ? 9 : 8);
	MUST(waitpid(p, &status, 0) == p && WIFEXITED(status) && WEXITSTATUS(status) == 9);
	return 0;
}

static sigjmp_buf back;

static void segv(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static int jit(void)
{
	void *p;

	MUST(enter(&(struct cb_sandbox){ .may = CB_MAY_JIT }) == 0);
	MUST((p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
	memcpy(p, "\xc3", 1);
	MUST(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	if (SANITIZED)
		return 0;
	/* and after that is done, no more; what was made stays, and cannot be written */
	MUST(cb_sandbox_narrow(0, NULL) == 0);
	FAILS(mprotect(p, 4096, PROT_READ | PROT_EXEC), EACCES);
#ifdef __x86_64__
	((void (*)(void))p)();
#endif
	signal(SIGSEGV, segv);
	if (!sigsetjmp(back, 1)) {
		*(volatile char *)p = 0;
		MUST(!"what was compiled can be written");
	}
	MUST(mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0);
	return 0;
}

static int connects(uint16_t port, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = -1, e;

	if (fd < 0)
		return errno;
	r = connect(fd, (struct sockaddr *)&a, sizeof(a));
	e = errno;
	close(fd);
	return r == 0 || e == EINPROGRESS || e == ECONNREFUSED ? 0 : e;
}

static int connecting(void)
{
	struct cb_sandbox_level l;
	struct cb_err err = CB_ERR_INIT;

	MUST(cb_sandbox_enter(&(struct cb_sandbox){ .may = CB_MAY_CONNECT, .port = { 554 } }, CB_SANDBOX_AUTO, &l, &err) == 0);
	MUST(connects(554, SOCK_STREAM) == 0 && connects(9, SOCK_DGRAM) == 0);
	if (l.landlock >= 4)
		MUST(connects(555, SOCK_STREAM) == EACCES);
	if (!SANITIZED) {
		FAILS(socket(AF_UNIX, SOCK_STREAM, 0), EACCES);
		FAILS(socket(AF_INET, SOCK_RAW, 1), EACCES);
		FAILS(listen(0, 1), EPERM);
	}
	return 0;
}

static int connecting_anywhere(void)
{
	MUST(enter(&(struct cb_sandbox){ .may = CB_MAY_CONNECT }) == 0);
	MUST(connects(555, SOCK_STREAM) == 0);
	return 0;
}

static int aborting(void)
{
	if (enter(&(struct cb_sandbox){ 0 }) < 0)
		return 1;
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* --- older kernels ----------------------------------------------------------------------------------- */

static int old_kernel(void)
{
	struct cb_sandbox_level l;
	struct cb_err err = CB_ERR_INIT;
	char text[CB_SANDBOX_TEXT];

	without(landlock_calls, 3);
	MUST(cb_sandbox_enter(&(struct cb_sandbox){ 0 }, CB_SANDBOX_AUTO, &l, &err) == 0);
	MUST(l.landlock == 0 && l.no_new_privs && l.limits && l.seccomp == !SANITIZED && !l.whole);
	MUST(strstr(l.missing, "Landlock: Function not implemented"));
	cb_sandbox_text(text, &l);
	MUST(strstr(text, "landlock=0 ") && strstr(text, "Landlock: Function"));
	/* the filter alone sees to it that a tool that opens nothing opens nothing */
	if (!SANITIZED)
		FAILS(opens("/etc/passwd", O_RDONLY), EACCES);
	return 0;
}

static int old_kernel_required(void)
{
	struct cb_err err = CB_ERR_INIT;

	without(landlock_calls, 3);
	MUST(cb_sandbox_enter(&(struct cb_sandbox){ 0 }, CB_SANDBOX_REQUIRE, NULL, &err) < 0);
	MUST(err.code == CB_E_PERM && strstr(err.msg, "sandbox: Landlock: "));
	return 0;
}

static int no_filter(void)
{
	struct cb_sandbox_level l;
	struct cb_err err = CB_ERR_INIT;

	without(seccomp_calls, 1);
	MUST(cb_sandbox_enter(&(struct cb_sandbox){ 0 }, CB_SANDBOX_AUTO, &l, &err) == 0);
	MUST(!l.seccomp && !l.whole && strstr(l.missing, "seccomp: "));
	HIDDEN(opens("/etc/passwd", O_RDONLY));
	MUST(cb_sandbox_narrow(0, &err) == 0);
	return 0;
}

static int no_filter_required(void)
{
	struct cb_err err = CB_ERR_INIT;

	without(seccomp_calls, 1);
	MUST(cb_sandbox_enter(&(struct cb_sandbox){ 0 }, CB_SANDBOX_REQUIRE, NULL, &err) < 0);
	MUST(err.code == CB_E_PERM);
	return 0;
}

static void *waits(void *p)
{
	pause();
	return p;
}

static int threads_before(void)
{
	struct cb_sandbox_level l;
	struct cb_err err = CB_ERR_INIT;
	pthread_t t;

	MUST(pthread_create(&t, NULL, waits, NULL) == 0);
	MUST(cb_sandbox_enter(&(struct cb_sandbox){ .may = CB_MAY_THREAD }, CB_SANDBOX_AUTO, &l, &err) == 0);
	MUST(!l.whole && strstr(l.missing, "1 threads"));
	return 0;
}

static int off(void)
{
	struct cb_sandbox_level l;
	struct cb_err err = CB_ERR_INIT;

	MUST(cb_sandbox_enter(&(struct cb_sandbox){ 0 }, CB_SANDBOX_OFF, &l, &err) == 0);
	MUST(!l.whole && !l.seccomp && !l.landlock);
	MUST(opens("/etc/passwd", O_RDONLY) == 0);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	return 0;
}

/* --- the self-test ------------------------------------------------------------------------------------- */

static int counted[4];

static void count(void *ctx, const struct cb_probe *p)
{
	(void)ctx;
	counted[p->verdict]++;
	if (p->verdict == CB_PROBE_DONE)
		NOTE("%s: done: %s inside, %s outside", p->name, p->inside, p->outside);
}

static int probes(const struct cb_sandbox *s)
{
	struct cb_err err = CB_ERR_INIT;
	int r;

	memset(counted, 0, sizeof(counted));
	r = cb_sandbox_test(s, CB_SANDBOX_AUTO, count, NULL, &err);
	if (r < 0)
		NOTE("%s", err.msg);
	return r;
}

static int probes_without(void)
{
	without(landlock_calls, 3);
	MUST(probes(&(struct cb_sandbox){ .read = { at("file") } }) == 0);
	MUST(counted[CB_PROBE_SKIPPED] >= 5 && (SANITIZED || counted[CB_PROBE_REFUSED] >= 60));
	return 0;
}

static void make(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "secret", 6) != 6)
		exit(9);
	close(fd);
}

int main(void)
{
	if (!mkdtemp(dir) || mkdir(at("tree"), 0700) || mkdir(at("tree2"), 0700) || symlink("../other", at("tree/link")))
		return 9;
	make("file");
	make("more");
	make("other");
	make("tree/in");
	have_landlock = syscall(444, NULL, 0, 1u) > 0;
	if (!have_landlock)
		NOTE("no Landlock here: nothing is said of paths");

	OK_INT(apart(nothing), 0);
	OK_INT(apart(reading), 0);
	OK_INT(apart(writing), 0);
	OK_INT(apart(threading), 0);
	OK_INT(apart(running), 0);
	OK_INT(apart(jit), 0);
	OK_INT(apart(connecting), 0);
	OK_INT(apart(connecting_anywhere), 0);
	OK_INT(apart(aborting), 128 + SIGABRT);
	OK_INT(apart(old_kernel), 0);
	OK_INT(apart(old_kernel_required), 0);
	OK_INT(apart(no_filter), 0);
	OK_INT(apart(no_filter_required), 0);
	OK_INT(apart(threads_before), 0);
	OK_INT(apart(off), 0);

	OK_INT(probes(&(struct cb_sandbox){ 0 }), 0);
	if (SANITIZED || !have_landlock)
		SKIP("not all can be refused here");
	else
		OK(counted[CB_PROBE_REFUSED] >= 80 && counted[CB_PROBE_SKIPPED] == 0);
	OK_INT(probes(&(struct cb_sandbox){ .may = CB_MAY_THREAD | CB_MAY_JIT | CB_MAY_CONNECT | CB_MAY_RESOLVE |
				CB_MAY_LOCAL | CB_MAY_ASK | CB_MAY_VIDEO, .write = { at("tree") }, .read = { at("file") } }), 0);
	OK(SANITIZED || counted[CB_PROBE_REFUSED] >= 50);
	OK_INT(probes(&(struct cb_sandbox){ .may = CB_MAY_RUN, .run = { "/bin/true" } }), 0);
	OK(SANITIZED || counted[CB_PROBE_REFUSED] >= 50);
	OK_INT(apart(probes_without), 0);
	snprintf(path[0], sizeof(path[0]), "rm -r '%s'", dir);
	OK_INT(system(path[0]), 0);
	return done();
}
