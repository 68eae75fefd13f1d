/* SPDX-License-Identifier: Apache-2.0 */
/* Entering: one thing after the other, and what was reached. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/priv.h"

#define FILES 256

static int path_is(void *ctx, enum cb_sandbox_how how, const char *path,
		   int (*fn)(void *ctx, enum cb_sandbox_how how, const char *path))
{
	const char *slash;
	struct stat st;
	size_t n;
	char *dir;
	int ret;

	if (how != CB_SANDBOX_READ_BESIDE && how != CB_SANDBOX_WRITE_BESIDE)
		return fn(ctx, how, path);
	/* of a directory what lies in it, to read; not what lies beside it */
	if (how == CB_SANDBOX_READ_BESIDE && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return fn(ctx, how, path);
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		;
	slash = memrchr(path, '/', n);
	dir = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!dir) {
		errno = ENOMEM;
		return -1;
	}
	ret = fn(ctx, how, dir);
	free(dir);
	/* a link may lead out of it */
	return ret ? ret : fn(ctx, CB_SANDBOX_READ, path);
}

int cb_sandbox_paths(const struct cb_sandbox *s,
		     int (*fn)(void *ctx, enum cb_sandbox_how how, const char *path), void *ctx)
{
	const char *const *own[] = { s->read, s->read_beside, s->write, s->write_beside, s->run };
	int ret = 0;

	for (int how = 0; how <= CB_SANDBOX_RUN; how++)
		for (size_t i = 0; ret == 0 && i < CB_SANDBOX_PATHS; i++)
			if (own[how][i])
				ret = path_is(ctx, (enum cb_sandbox_how)how, own[how][i], fn);
	for (size_t k = 0; k < CB_SANDBOX_LISTS; k++)
		for (size_t i = 0; ret == 0 && i < s->list[k].n; i++)
			if (s->list[k].path[i])
				ret = path_is(ctx, s->list[k].how, s->list[k].path[i], fn);
	return ret;
}

static int is_written(void *ctx, enum cb_sandbox_how how, const char *path)
{
	(void)ctx;
	(void)path;
	return how == CB_SANDBOX_WRITE || how == CB_SANDBOX_WRITE_BESIDE;
}

static int is_any(void *ctx, enum cb_sandbox_how how, const char *path)
{
	(void)ctx;
	(void)how;
	(void)path;
	return 1;
}

bool cb_sandbox_writes(const struct cb_sandbox *s)
{
	/* asking is writing to a terminal, a video device is opened for writing, and programs do what
	 * they do */
	return s->may & (CB_MAY_ASK | CB_MAY_VIDEO | CB_MAY_RUN) || cb_sandbox_paths(s, is_written, NULL);
}

bool cb_sandbox_opens(const struct cb_sandbox *s)
{
	return s->may & CB_MAY_RESOLVE || cb_sandbox_writes(s) || cb_sandbox_paths(s, is_any, NULL);
}

static int lower(int what, rlim_t to)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return -1;
	if (now.rlim_max > to)
		now.rlim_max = to;
	if (now.rlim_cur > now.rlim_max)
		now.rlim_cur = now.rlim_max;
	return setrlimit(what, &now);
}

/* Of root's capabilities those for files that are others' stay, as a store may be. capabilities(7),
 * capset(2): version 3. */
static int drop_capabilities(void)
{
	enum { DAC_OVERRIDE = 1, DAC_READ_SEARCH = 2, FOWNER = 3 };
	static const uint32_t keep = 1u << DAC_OVERRIDE | 1u << DAC_READ_SEARCH | 1u << FOWNER;
	struct { uint32_t version; int32_t pid; } head = { 0x20080522, 0 };
	struct { uint32_t effective, permitted, inheritable; } data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -1;
	data[0].effective &= keep;
	data[0].permitted &= keep;
	data[0].inheritable = 0;
	data[1].effective = data[1].permitted = data[1].inheritable = 0;
	return (int)syscall(SYS_capset, &head, data);
}

static int limits(const struct cb_sandbox *s)
{
	int bad = lower(RLIMIT_CORE, 0) | lower(RLIMIT_NOFILE, s->files ? s->files : FILES);

	/* of processes: threads count as well */
	if (!(s->may & (CB_MAY_THREAD | CB_MAY_FORK | CB_MAY_RUN)) && !CB_SANITIZED)
		bad |= lower(RLIMIT_NPROC, 0);
	/* a sanitizer's shadow of all memory counts */
	if (s->memory && !CB_SANITIZED)
		bad |= lower(RLIMIT_DATA, s->memory);
	return bad;
}

/* The threads of this process; 1 where nobody can say. */
static unsigned threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) == 0 && st.st_nlink > 2 ? (unsigned)st.st_nlink - 2 : 1;
}

static __attribute__((format(printf, 2, 3))) void lacks(struct cb_sandbox_level *l, const char *fmt, ...)
{
	size_t n = strlen(l->missing);
	va_list ap;

	if (n && n < sizeof(l->missing) - 2) {
		strcpy(l->missing + n, ", ");
		n += 2;
	}
	va_start(ap, fmt);
	vsnprintf(l->missing + n, sizeof(l->missing) - n, fmt, ap);
	va_end(ap);
}

static void enter(const struct cb_sandbox *s, struct cb_sandbox_level *l)
{
	bool opens = cb_sandbox_opens(s), writes = cb_sandbox_writes(s);
	int abi;

	tzset();	/* it would be read late */
	abi = cb_landlock_abi();
	if (abi == 0)
		lacks(l, "Landlock: %s", strerror(errno));
	l->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	if (!l->no_new_privs)
		lacks(l, "no-new-privs: %s", strerror(errno));
	if (!CB_SANITIZED && drop_capabilities() < 0)
		lacks(l, "capabilities: %s", strerror(errno));
	l->limits = limits(s) == 0;
	if (!l->limits)
		lacks(l, "limits: %s", strerror(errno));
	if (threads() > 1)
		lacks(l, "%u threads that were there before", threads() - 1);
	if (abi && cb_landlock_enter(s, abi) < 0) {
		lacks(l, "Landlock: %s", strerror(errno));
		abi = 0;
	}
	l->landlock = abi;
	if (CB_SANITIZED) {
		lacks(l, "seccomp: not in a sanitizer's build");
		return;
	}
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		lacks(l, "not dumpable: %s", strerror(errno));
	l->seccomp = l->no_new_privs && cb_filter_install(s->may, opens, writes) == 0;
	if (!l->seccomp)
		lacks(l, "seccomp: %s", strerror(errno));
}

/* For cb_sandbox_narrow. */
static bool filtered, opening, writing;
static int maps = -1;

int cb_sandbox_enter(const struct cb_sandbox *s, enum cb_sandbox_mode mode, struct cb_sandbox_level *ret,
		     struct cb_err *err)
{
	struct cb_sandbox_level l = { 0 };

	if (mode != CB_SANDBOX_OFF) {
		if (s->may & CB_MAY_JIT && maps < 0)
			maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
		enter(s, &l);
		filtered = l.seccomp;
		opening = cb_sandbox_opens(s);
		writing = cb_sandbox_writes(s);
	} else {
		lacks(&l, "everything: --sandbox=off");
	}
	l.whole = !*l.missing;
	if (ret)
		*ret = l;
	if (mode == CB_SANDBOX_REQUIRE && !l.whole)
		return cb_err_set(err, CB_E_PERM, "sandbox: %s", l.missing);
	return 0;
}

/* What is writable and executable keeps the latter: proc(5), /proc/PID/maps. */
static int harden(void)
{
	FILE *f = maps < 0 ? NULL : fdopen(maps, "r");
	unsigned long from, to;
	char line[512], how[5];
	int bad = 0;

	if (!f)
		return -1;
	maps = -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s", &from, &to, how) == 3 && how[1] == 'w' && how[2] == 'x')
			bad |= mprotect((void *)from, to - from, PROT_READ | PROT_EXEC);	/* NOLINT */
	fclose(f);
	return bad;
}

int cb_sandbox_narrow(unsigned may, struct cb_err *err)
{
	if (!filtered)
		return 0;
	if (!(may & CB_MAY_JIT) && maps >= 0 && harden() < 0)
		return cb_err_sys(err, CB_E_OS, errno, "sandbox: memory");
	if (cb_filter_install(may, opening, writing) < 0)
		return cb_err_sys(err, CB_E_OS, errno, "sandbox: seccomp");
	return 0;
}

void cb_sandbox_text(char text[static CB_SANDBOX_TEXT], const struct cb_sandbox_level *l)
{
	snprintf(text, CB_SANDBOX_TEXT, "landlock=%d seccomp=%d no-new-privs=%d limits=%d%s%s", l->landlock,
		 l->seccomp, l->no_new_privs, l->limits, *l->missing ? "; " : "", l->missing);
}
