/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock by its system calls: the C library has no functions for them, and the headers that
 * are installed may be older than the kernel. Numbers and structures: include/uapi/linux/landlock.h
 * and Documentation/userspace-api/landlock.rst of Linux 6.12. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/priv.h"

enum { CREATE = 444, ADD = 445, RESTRICT = 446 };	/* the same on every architecture */

#define EXECUTE		(UINT64_C(1) << 0)
#define WRITE_FILE	(UINT64_C(1) << 1)
#define READ_FILE	(UINT64_C(1) << 2)
#define READ_DIR	(UINT64_C(1) << 3)
#define REMOVE_DIR	(UINT64_C(1) << 4)
#define REMOVE_FILE	(UINT64_C(1) << 5)
#define MAKE_DIR	(UINT64_C(1) << 7)
#define MAKE_REG	(UINT64_C(1) << 8)
#define MAKE_SYM	(UINT64_C(1) << 12)
#define REFER		(UINT64_C(1) << 13)	/* ABI 2 */
#define TRUNCATE	(UINT64_C(1) << 14)	/* ABI 3 */
#define IOCTL_DEV	(UINT64_C(1) << 15)	/* ABI 5 */
#define OF_FILES	(EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)
#define READING		(READ_FILE | READ_DIR)
#define WRITING		(READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE)

#define BIND_TCP	(UINT64_C(1) << 0)	/* ABI 4 */
#define CONNECT_TCP	(UINT64_C(1) << 1)
#define SCOPE_ABSTRACT	(UINT64_C(1) << 0)	/* ABI 6 */
#define SCOPE_SIGNAL	(UINT64_C(1) << 1)

#define CREATE_VERSION	1u
enum { RULE_PATH = 1, RULE_PORT = 2 };

struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));
struct port_rule {
	uint64_t allowed, port;
};

int cb_landlock_abi(void)
{
	long v = syscall(CREATE, NULL, 0, CREATE_VERSION);

	return v < 0 ? 0 : (int)v;
}

static int allow(int rules, const struct ruleset *r, const char *path, uint64_t rights)
{
	struct path_rule rule = { .allowed = rights & r->fs };
	struct stat st;
	int ret, e;

	if (!path)
		return 0;
	rule.parent = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent < 0)	/* what cannot be found is not allowed */
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -1 : 0;
	if (fstat(rule.parent, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= OF_FILES;
	ret = rule.allowed ? (int)syscall(ADD, rules, RULE_PATH, &rule, 0) : 0;
	e = errno;
	close(rule.parent);
	errno = e;
	return ret < 0 && e == EBADFD ? 0 : ret;	/* a pipe or socket under /proc: it has no rules */
}

struct allowing {
	int rules;
	const struct ruleset *r;
	unsigned may;
};

static int allow_path(void *ctx, enum cb_sandbox_how how, const char *path)
{
	const struct allowing *a = ctx;

	switch (how) {
	case CB_SANDBOX_WRITE:
	case CB_SANDBOX_WRITE_BESIDE:
		return allow(a->rules, a->r, path, WRITING);
	case CB_SANDBOX_RUN:
		return a->may & CB_MAY_RUN ? allow(a->rules, a->r, path, READING | EXECUTE) : 0;
	default:
		return allow(a->rules, a->r, path, a->may & CB_MAY_VIDEO ? READING | WRITE_FILE | IOCTL_DEV : READING);
	}
}

static int allow_port(int rules, uint16_t port)
{
	struct port_rule rule = { CONNECT_TCP, port };

	return (int)syscall(ADD, rules, RULE_PORT, &rule, 0);
}

/* What a resolver reads, once its modules are loaded. */
static const char *const resolver[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
	/* what resolv.conf is where something else writes it: a link that shows there */
	"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
};
/* What any program needs to be started: libraries, which the loader only reads, and the loader. */
static const char *const libraries[] = { "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache" };
static const char *const loader[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1" };
/* What a sanitizer's runtime reads to say where a fault is. */
static const char *const runtime[] = { "/proc", "/usr", "/lib", "/lib64", "/etc/ld.so.cache" };

static int allow_all(int rules, const struct ruleset *r, const struct cb_sandbox *s)
{
	struct allowing a = { rules, r, s->may };
	int bad = allow(rules, r, "/dev/null", READ_FILE | WRITE_FILE | TRUNCATE) | cb_sandbox_paths(s, allow_path, &a);

	if (s->may & CB_MAY_RESOLVE)
		for (size_t i = 0; i < sizeof(resolver) / sizeof(*resolver); i++)
			bad |= allow(rules, r, resolver[i], READING);
	for (size_t i = 0; s->may & CB_MAY_RUN && i < sizeof(libraries) / sizeof(*libraries); i++)
		bad |= allow(rules, r, libraries[i], READING);
	for (size_t i = 0; s->may & CB_MAY_RUN && i < sizeof(loader) / sizeof(*loader); i++)
		bad |= allow(rules, r, loader[i], READING | EXECUTE);
	if (CB_SANITIZED)
		for (size_t i = 0; i < sizeof(runtime) / sizeof(*runtime); i++)
			bad |= allow(rules, r, runtime[i], READING);
	if (s->may & CB_MAY_ASK)
		bad |= allow(rules, r, "/dev/tty", READ_FILE | WRITE_FILE | IOCTL_DEV);
	if (s->may & CB_MAY_CONNECT && r->net & CONNECT_TCP)
		for (size_t i = 0; i < sizeof(s->port) / sizeof(*s->port); i++)
			if (s->port[i])
				bad |= allow_port(rules, s->port[i]);
	return bad ? -1 : 0;
}

int cb_landlock_enter(const struct cb_sandbox *s, int abi)
{
	struct ruleset r = { .fs = (UINT64_C(1) << 13) - 1 };
	size_t size = abi < 4 ? sizeof(r.fs) : abi < 6 ? 2 * sizeof(r.fs) : sizeof(r);
	int rules, ret, e;

	if (abi >= 2)
		r.fs |= REFER;
	if (abi >= 3)
		r.fs |= TRUNCATE;
	if (abi >= 4)
		/* every port where none is named */
		r.net = s->may & CB_MAY_CONNECT && !s->port[0] ? BIND_TCP : BIND_TCP | CONNECT_TCP;
	if (abi >= 5)
		r.fs |= IOCTL_DEV;
	if (abi >= 6)
		r.scoped = s->may & CB_MAY_END ? SCOPE_ABSTRACT : SCOPE_ABSTRACT | SCOPE_SIGNAL;
	rules = (int)syscall(CREATE, &r, size, 0);
	if (rules < 0)
		return -1;
	ret = allow_all(rules, &r, s);
	if (ret == 0)
		ret = (int)syscall(RESTRICT, rules, 0);
	e = errno;
	close(rules);
	errno = e;
	return ret;
}
