/* SPDX-License-Identifier: Apache-2.0 */
/* Faults on demand: an LD_PRELOAD object in which the Nth call of some kind fails.
 *
 *   FAULT=write:3:ENOSPC LD_PRELOAD=.../faultio.so cb-record STORE
 *
 * KIND is read, write (write, writev, pwrite, pwritev and their 64-bit names), fsync,
 * fdatasync, sync (the last two), rename, open, mkdir, ftruncate, fallocate or malloc (malloc,
 * calloc, realloc). N counts from 1; "3+" means the third and every one after it. FAULT_FD=N looks at
 * that descriptor only, FAULT_UNDER=DIR at those of files in that directory; without either
 * descriptors 0 to 2 are left alone. "short" as error makes
 * a write do half of its work, and "kill" kills the process before it. FAULT_LOG=FILE gets a line once the fault has happened, so that
 * a loop over N knows when to end. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { NONE, READ, WRITE, FSYNC, FDATASYNC, SYNC, RENAME, OPEN, MKDIR, FTRUNCATE, FALLOCATE, MALLOC };

static enum kind want;
static long nth, seen;
static bool onward, half, killed;
static int error_number, only_fd = -1;
static const char *log_path, *under;

static const struct { const char *name; enum kind kind; } kinds[] = {
	{ "read", READ }, { "write", WRITE }, { "fsync", FSYNC }, { "fdatasync", FDATASYNC },
	{ "sync", SYNC }, { "rename", RENAME }, { "open", OPEN }, { "mkdir", MKDIR },
	{ "ftruncate", FTRUNCATE }, { "fallocate", FALLOCATE }, { "malloc", MALLOC },
};
static const struct { const char *name; int number; } errors[] = {
	{ "ENOSPC", ENOSPC }, { "EIO", EIO }, { "ENOMEM", ENOMEM }, { "EDQUOT", EDQUOT },
	{ "EINTR", EINTR }, { "EAGAIN", EAGAIN }, { "EACCES", EACCES }, { "EROFS", EROFS },
	{ "EMFILE", EMFILE }, { "EPIPE", EPIPE }, { "EFBIG", EFBIG }, { "EPERM", EPERM },
	{ "EOPNOTSUPP", EOPNOTSUPP },
};

__attribute__((constructor)) static void setup(void)
{
	const char *f = getenv("FAULT"), *fd = getenv("FAULT_FD"), *colon;
	char *end;

	log_path = getenv("FAULT_LOG");
	under = getenv("FAULT_UNDER");
	if (fd)
		only_fd = atoi(fd);
	if (!f || !(colon = strchr(f, ':')))
		return;
	nth = strtol(colon + 1, &end, 10);
	if (*end == '+') {
		onward = true;
		end++;
	}
	if (*end != ':' || nth < 1)
		return;
	half = strcmp(end + 1, "short") == 0;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (strcmp(end + 1, errors[i].name) == 0)
			error_number = errors[i].number;
	killed = strcmp(end + 1, "kill") == 0;
	if (!half && !killed && !error_number)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strlen(kinds[i].name) == (size_t)(colon - f) && !strncmp(f, kinds[i].name, (size_t)(colon - f)))
			want = kinds[i].kind;
}

static bool lies_under(int fd)
{
	char name[40], to[4096];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, to, sizeof(to));
	return n >= (ssize_t)strlen(under) && strncmp(to, under, strlen(under)) == 0;
}

/* Is it this call's turn to fail? */
static bool turn(enum kind k, int fd)
{
	long n;

	if (want == NONE || (k != want && !(want == SYNC && (k == FSYNC || k == FDATASYNC))))
		return false;
	if (only_fd >= 0 ? fd != only_fd : fd >= 0 && fd <= 2)
		return false;
	if (under && fd >= 0 && !lies_under(fd))
		return false;
	n = __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);
	if (n < nth || (n > nth && !onward))
		return false;
	if (log_path && n == nth) {
		int d = (int)syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);

		if (d >= 0) {
			syscall(SYS_write, d, "fault\n", 6);
			close(d);
		}
	}
	if (killed)
		kill(getpid(), SIGKILL);
	if (error_number)
		errno = error_number;
	return true;
}

#define NEXT(name) \
	static __typeof__(&name) next_; \
	if (!next_) \
		next_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t read(int fd, void *p, size_t n)
{
	NEXT(read);
	return turn(READ, fd) ? -1 : next_(fd, p, n);
}

ssize_t write(int fd, const void *p, size_t n)
{
	NEXT(write);
	if (turn(WRITE, fd)) {
		if (!half)
			return -1;
		n = (n + 1) / 2;
	}
	return next_(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	NEXT(pwrite);
	if (turn(WRITE, fd)) {
		if (!half)
			return -1;
		n = (n + 1) / 2;
	}
	return next_(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite(fd, p, n, at);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	NEXT(writev);
	if (turn(WRITE, fd)) {
		if (!half)
			return -1;
		return syscall(SYS_write, fd, iov->iov_base, (iov->iov_len + 1) / 2);
	}
	return next_(fd, iov, n);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	NEXT(pwritev);
	if (turn(WRITE, fd)) {
		if (!half)
			return -1;
		return pwrite(fd, iov->iov_base, (iov->iov_len + 1) / 2, at);
	}
	return next_(fd, iov, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
	return pwritev(fd, iov, n, at);
}

int fsync(int fd)
{
	NEXT(fsync);
	return turn(FSYNC, fd) ? -1 : next_(fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync);
	return turn(FDATASYNC, fd) ? -1 : next_(fd);
}

int rename(const char *from, const char *to)
{
	NEXT(rename);
	return turn(RENAME, -1) ? -1 : next_(from, to);
}

int renameat(int fd1, const char *from, int fd2, const char *to)
{
	NEXT(renameat);
	return turn(RENAME, -1) ? -1 : next_(fd1, from, fd2, to);
}

int renameat2(int fd1, const char *from, int fd2, const char *to, unsigned flags)
{
	NEXT(renameat2);
	return turn(RENAME, -1) ? -1 : next_(fd1, from, fd2, to, flags);
}

int mkdir(const char *path, mode_t mode)
{
	NEXT(mkdir);
	return turn(MKDIR, -1) ? -1 : next_(path, mode);
}

int mkdirat(int fd, const char *path, mode_t mode)
{
	NEXT(mkdirat);
	return turn(MKDIR, -1) ? -1 : next_(fd, path, mode);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	NEXT(fallocate);
	return turn(FALLOCATE, fd) ? -1 : next_(fd, mode, at, n);
}

int ftruncate(int fd, off_t n)
{
	NEXT(ftruncate);
	return turn(FTRUNCATE, fd) ? -1 : next_(fd, n);
}

int ftruncate64(int fd, off64_t n)
{
	return ftruncate(fd, n);
}

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	NEXT(open);
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return turn(OPEN, -1) ? -1 : next_(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return open(path, flags, mode);
}

int openat(int fd, const char *path, int flags, ...)
{
	NEXT(openat);
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return turn(OPEN, -1) ? -1 : next_(fd, path, flags, mode);
}

int openat64(int fd, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return openat(fd, path, flags, mode);
}

/* the allocator's own names: dlsym allocates, so the next one cannot be looked up here */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t a, size_t b);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	return turn(MALLOC, -1) ? NULL : __libc_malloc(n);
}

void *calloc(size_t a, size_t b)
{
	return turn(MALLOC, -1) ? NULL : __libc_calloc(a, b);
}

void *realloc(void *p, size_t n)
{
	return turn(MALLOC, -1) ? NULL : __libc_realloc(p, n);
}
