/* SPDX-License-Identifier: Apache-2.0 */
/* Passphrases from files, descriptors and terminals. */
#include "cli/pass.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/cli.h"

#define PASS_MAX 1024	/* CB_PASS_MAX of crypto/minisign_sign.h, which lib/cli does not know */

error_t cb_cli_pass_opt(struct cb_cli_pass *p, int key, char *arg, struct argp_state *st)
{
	switch (key) {
	case CB_OPT_PASS_FILE:
		p->file = arg;
		break;
	case CB_OPT_PASS_FD:
		p->fd = (int)cb_cli_u64(st, "passphrase-fd", arg, 0, INT_MAX);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (p->file && p->fd >= 0)
		argp_error(st, "one of --passphrase-file and --passphrase-fd");
	return 0;
}

/* A signal that came while a terminal does not echo: it is raised again when that does. */
static volatile sig_atomic_t came;

static void on_signal(int sig)
{
	came = sig;
}

/* A line, byte by byte: what comes after it is somebody else's. Returns its length, without
 * its end. *ret_eof: there was no end. waiting: NULL, or the signals that are blocked while it
 * waits, where all of note are blocked else: none can come between a look at `came` and a read. */
static int read_line(int fd, const sigset_t *waiting, char *buf, bool *ret_eof, struct cb_err *err)
{
	int n = 0;
	ssize_t k;
	char c;

	*ret_eof = false;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (waiting && ppoll(&p, 1, NULL, waiting) < 0 && errno == EINTR && came)
			return cb_err_set(err, CB_E_NOINPUT, "passphrase: interrupted");
		if (waiting && !p.revents)
			continue;
		k = read(fd, &c, 1);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(err, errno == EBADF || errno == EISDIR ? CB_E_NOINPUT : CB_E_IO,
					  errno, "passphrase: read");
		if (k == 0) {
			*ret_eof = true;
			break;
		}
		if (c == '\n')
			break;
		if (n == PASS_MAX)
			return cb_err_set(err, CB_E_DATA, "passphrase: longer than %d bytes", PASS_MAX);
		buf[n++] = c;
	}
	if (n && buf[n - 1] == '\r')
		n--;
	return n;
}

static int from_file(const char *path, char *buf, struct cb_err *err)
{
	int n, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool eof;
	char c;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	n = read_line(fd, NULL, buf, &eof, err);
	if (n < 0)
		cb_err_prefix(err, "%s", path);
	else if (!eof && read(fd, &c, 1) != 0)
		n = cb_err_set(err, CB_E_DATA, "%s: more than one line: not a passphrase", path);
	close(fd);
	return n;
}

static int ask(int tty, const char *subject, const char *again, char *buf, struct cb_err *err)
{
	char text[512], safe[1024];
	static const int fatal[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction note = { .sa_handler = on_signal }, before[4], stop = { .sa_handler = SIG_IGN }, old_stop;
	struct termios was, quiet;
	sigset_t block, before_mask;
	bool eof;
	int n;

	snprintf(text, sizeof(text), "passphrase for %s%s: ", subject, again);
	cb_text_safe(safe, sizeof(safe), text, strlen(text), false);
	if (tcgetattr(tty, &was) < 0)
		return cb_err_sys(err, CB_E_NOINPUT, errno, "/dev/tty");
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	came = 0;
	sigemptyset(&block);
	for (int i = 0; i < 4; i++)
		sigaddset(&block, fatal[i]);
	sigprocmask(SIG_BLOCK, &block, &before_mask);
	for (int i = 0; i < 4; i++)
		sigaction(fatal[i], &note, &before[i]);
	/* a shell would be left without echo */
	sigaction(SIGTSTP, &stop, &old_stop);
	if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0 || cb_write_all(tty, safe, strlen(safe), NULL) < 0) {
		cb_err_sys(err, CB_E_NOINPUT, errno, "/dev/tty");
		n = -1;
	} else {
		n = read_line(tty, &before_mask, buf, &eof, err);
		if (n == 0 && eof)
			n = cb_err_set(err, CB_E_NOINPUT, "no passphrase for %s", subject);
		cb_write_all(tty, "\n", 1, NULL);
	}
	tcsetattr(tty, TCSAFLUSH, &was);
	for (int i = 0; i < 4; i++)
		sigaction(fatal[i], &before[i], NULL);
	sigaction(SIGTSTP, &old_stop, NULL);
	sigprocmask(SIG_SETMASK, &before_mask, NULL);
	if (came)
		raise(came);
	return n;
}

static int from_tty(const char *subject, bool make, char *buf, struct cb_err *err)
{
	char second[PASS_MAX];
	int n, m, tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty < 0)
		return cb_err_set(err, CB_E_NOINPUT, "%s: no terminal to ask for the passphrase: "
				  "--passphrase-file or --passphrase-fd gives it", subject);
	n = ask(tty, subject, "", buf, err);
	if (n > 0 && make) {
		m = ask(tty, subject, ", again", second, err);
		if (m < 0)
			n = -1;
		else if (m != n || memcmp(buf, second, (size_t)n))
			n = cb_err_set(err, CB_E_USAGE, "the two passphrases are not the same");
		explicit_bzero(second, sizeof(second));
	}
	close(tty);
	return n;
}

int cb_cli_pass_get(void *ctx, const char *subject, bool make, char *buf, struct cb_err *err)
{
	struct cb_cli_pass *p = ctx;
	bool eof;
	int n;

	if (p->file) {
		n = from_file(p->file, buf, err);
	} else if (p->fd >= 0) {
		n = read_line(p->fd, NULL, buf, &eof, err);
		if (n == 0 && eof)
			n = cb_err_set(err, CB_E_NOINPUT, "no passphrase for %s on descriptor %d", subject, p->fd);
	} else {
		n = from_tty(subject, make, buf, err);
	}
	if (n == 0 && make)
		return cb_err_set(err, CB_E_USAGE, "%s: an empty passphrase protects nothing", subject);
	return n;
}
