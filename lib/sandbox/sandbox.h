/* SPDX-License-Identifier: Apache-2.0 */
/* What a tool can still do after it has opened its files and before it reads the first byte that
 * somebody else wrote. One struct says what remains allowed; everything else is refused by the
 * kernel for the rest of the process, and for what it starts:
 *
 *  - no new privileges (prctl(2), PR_SET_NO_NEW_PRIVS), and of root's capabilities those alone that
 *    open files of others (capabilities(7));
 *  - the file system: Landlock (landlock(7)), ABI 1 and above: only the paths named here. Newer
 *    rights are used where the kernel has them: truncation (3), TCP ports (4), ioctl(2) of devices
 *    (5), abstract sockets and signals (6);
 *  - system calls: a seccomp filter (seccomp(2)). It looks at the architecture first. What the
 *    profile allows goes on; ptrace, bpf, mount, io_uring and the like end the process at once
 *    (SIGSYS); what is merely not allowed fails with EACCES or EPERM; what is not known fails with
 *    ENOSYS, because that is what libraries have an answer to;
 *  - no memory that is executable, unless CB_MAY_JIT or, never writable at once, CB_MAY_RUN;
 *  - limits (setrlimit(2)): no core files, few descriptors, memory where the tool says how much;
 *  - not dumpable: no other process of the same user reads its memory.
 *
 * Descriptors that are open keep their rights. Enter before threads are made: Landlock takes in
 * the calling thread and those that it makes. What libraries load late (the resolver's modules,
 * time zones) must be loaded before: cb_sandbox_enter reads the time zone; who looks names up calls
 * cb_sandbox_resolver.
 *
 * What it is not: a jail of its own. Files that may be read may all be read; a service's unit
 * (systemd) adds to it what only the starter of a process can take away.
 *
 * A sanitizer's runtime needs what is forbidden here, so in such a build there is no filter and
 * the process stays dumpable; the level says so. */
#ifndef CB_SANDBOX_SANDBOX_H
#define CB_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	CB_MAY_THREAD = 1 << 0,		/* make threads */
	CB_MAY_FORK = 1 << 1,		/* make processes, which stay in here; signal and reap them */
	CB_MAY_RUN = 1 << 2,		/* the same, and start the programs named in run[] */
	CB_MAY_JIT = 1 << 3,		/* make memory executable, as oneDNN does it: writable, too */
	CB_MAY_CONNECT = 1 << 4,	/* IPv4 and IPv6: TCP to port[], UDP */
	CB_MAY_RESOLVE = 1 << 5,	/* look names up, too (goes with CB_MAY_CONNECT) */
	CB_MAY_LOCAL = 1 << 6,		/* sockets of this machine (AF_UNIX): syslog, sd_notify */
	CB_MAY_ASK = 1 << 7,		/* a passphrase, on /dev/tty */
	CB_MAY_END = 1 << 9,		/* reap processes, and end (SIGTERM, SIGKILL) those of the same user: of a
					 * tool whose helpers were started before, or are by base/launch.h */
	CB_MAY_VIDEO = 1 << 8,		/* ioctl(2) of video devices, which are open or in read[] */
};

#define CB_SANDBOX_PATHS 12
#define CB_SANDBOX_LISTS 6

enum cb_sandbox_how { CB_SANDBOX_READ, CB_SANDBOX_READ_BESIDE, CB_SANDBOX_WRITE, CB_SANDBOX_WRITE_BESIDE, CB_SANDBOX_RUN };

/* All zero: nothing but what is open. NULL paths are skipped, so that options that were not given
 * can stand here as they are; paths that are not there give no right to anything. A directory
 * stands for everything below it, and a symbolic link for what it shows to. */
struct cb_sandbox {
	unsigned may;				/* CB_MAY_* */
	const char *read[CB_SANDBOX_PATHS];	/* may be read and listed */
	const char *read_beside[CB_SANDBOX_PATHS];	/* so may the directory that this file is in, and where it is a link */
	const char *write[CB_SANDBOX_PATHS];	/* and written; below directories also made, renamed, removed */
	const char *write_beside[CB_SANDBOX_PATHS];	/* as write[] of the directory that this name is in */
	const char *run[CB_SANDBOX_PATHS];	/* programs, with their interpreters and libraries */
	struct {				/* the same for any number, as operands */
		const char *const *path;
		size_t n;
		enum cb_sandbox_how how;
	} list[CB_SANDBOX_LISTS];
	uint16_t port[4];			/* of TCP to connect to; none: every port */
	unsigned files;				/* descriptors (RLIMIT_NOFILE); 0: 256 */
	uint64_t memory;			/* bytes that it may allocate (RLIMIT_DATA); 0: no limit */
};

enum cb_sandbox_mode {
	CB_SANDBOX_AUTO,	/* as much as the kernel has */
	CB_SANDBOX_REQUIRE,	/* no less than no-new-privs, Landlock's files, seccomp, limits: else CB_E_PERM */
	CB_SANDBOX_OFF,
};

/* What was reached. */
struct cb_sandbox_level {
	int landlock;		/* ABI, 0: none */
	bool no_new_privs, seccomp, limits;
	bool whole;		/* all that CB_SANDBOX_REQUIRE asks for */
	char missing[160];	/* what is not there and why, in words; "" where whole */
};

/* Enter; there is no way back. CB_E_PERM where mode is CB_SANDBOX_REQUIRE and something is missing
 * (the process is then partly locked in: leave); CB_E_OS out of memory. ret may be NULL. */
int cb_sandbox_enter(const struct cb_sandbox *s, enum cb_sandbox_mode mode, struct cb_sandbox_level *ret,
		     struct cb_err *err);
/* Once inside: give up more (CB_MAY_* as of now on, no more than before; paths and ports stay).
 * All threads follow. Without CB_MAY_JIT what was compiled until now stays executable, and can no
 * longer be written. Does nothing where there is no filter. */
int cb_sandbox_narrow(unsigned may, struct cb_err *err);

/* Before: look up the name that will be looked up, so that getaddrinfo loads the modules that know it.
 * For CB_MAY_RESOLVE. */
void cb_sandbox_resolver(const char *host);

#define CB_SANDBOX_TEXT 256
/* "landlock=7 seccomp=1 no-new-privs=1 limits=1", and "; MISSING" where something is missing. */
void cb_sandbox_text(char text[static CB_SANDBOX_TEXT], const struct cb_sandbox_level *l);

/* The self-test: each of some 70 forbidden things is tried by a process of its own that has entered
 * s, and by one that has not. */
enum cb_probe_verdict {
	CB_PROBE_REFUSED,
	CB_PROBE_DONE,		/* it was possible: the sandbox leaks */
	CB_PROBE_ALLOWED,	/* the policy allows this, so it was not tried */
	CB_PROBE_SKIPPED,	/* the kernel has not what would refuse it, or there is nothing to try */
};
struct cb_probe {
	const char *name;	/* of lower-case letters and hyphens */
	enum cb_probe_verdict verdict;
	char inside[24], outside[24];	/* what became of it: "ok", "EACCES", "SIGSYS" ... */
	const char *why;	/* of CB_PROBE_SKIPPED, else NULL */
};
/* Tell each. Returns how many were done that should not have been; -1: it could not be tried. The
 * process itself does not enter. Makes files in a directory of its own below $TMPDIR, /tmp or
 * /var/tmp and removes them. */
int cb_sandbox_test(const struct cb_sandbox *s, enum cb_sandbox_mode mode,
		    void (*tell)(void *ctx, const struct cb_probe *p), void *ctx, struct cb_err *err);

#endif
