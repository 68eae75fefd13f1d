/* SPDX-License-Identifier: Apache-2.0 */
/* Whole writes, checked output, and text safe for a terminal. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cb_writev_all(int fd, struct iovec *iov, int n, struct cb_err *err)
{
	return cb_writev_until(fd, iov, n, NULL, err);
}

int cb_writev_until(int fd, struct iovec *iov, int n, const _Atomic bool *give_up,
		    struct cb_err *err)
{
	while (n > 0) {
		ssize_t k;

		if (iov->iov_len == 0) {
			iov++;
			n--;
			continue;
		}
		k = writev(fd, iov, n);
		if (k < 0) {
			int e = errno;

			if (e == EAGAIN) {	/* somebody made our pipe non-blocking */
				struct pollfd p = { .fd = fd, .events = POLLOUT };

				poll(&p, 1, -1);
			} else if (e != EINTR) {
				return cb_err_sys(err, CB_E_IO, e, "write");
			}
			if (give_up && *give_up)
				return cb_err_set(err, CB_E_TEMP, "write: given up");
			continue;
		}
		for (; n > 0 && (size_t)k >= iov->iov_len; iov++, n--)
			k -= (ssize_t)iov->iov_len;
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + k;
			iov->iov_len -= (size_t)k;
		}
	}
	return 0;
}

int cb_write_all(int fd, const void *p, size_t n, struct cb_err *err)
{
	struct iovec iov = { (void *)p, n };

	return cb_writev_all(fd, &iov, 1, err);
}

int cb_stdout_take(struct cb_err *err)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "stdout");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

void cb_pipe_grow(int fd, int bytes)
{
	int now = fcntl(fd, F_GETPIPE_SZ);

	if (now > 0 && now < bytes)
		(void)fcntl(fd, F_SETPIPE_SZ, bytes);
}

bool cb_would_block(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

void cb_out_init(struct cb_out *o, int fd)
{
	o->fd = fd;
	o->failed = 0;
	o->tty = isatty(fd);
	o->len = 0;
}

static int put(struct cb_out *o, const void *p, size_t n, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	char safe[2048];
	int k = 0;

	if (!o->tty)
		k = cb_write_all(o->fd, p, n, &why);
	for (const char *s = p, *end = s + n; o->tty && s < end && k == 0;) {
		size_t part = (size_t)(end - s) < sizeof(safe) - 1 ? (size_t)(end - s) : sizeof(safe) - 1;

		/* a part ends before a character's first byte, or at the end */
		for (size_t i = 0; i < 4 && s + part < end && (s[part] & 0xc0) == 0x80; i++)
			part--;
		k = cb_write_all(o->fd, safe, cb_text_safe(safe, sizeof(safe), s, part, true), &why);
		s += part;
	}
	if (k == 0)
		return 0;
	o->failed = why.sys;
	return cb_err_sys(err, CB_E_IO, why.sys, "output: write");
}

int cb_out_flush(struct cb_out *o, struct cb_err *err)
{
	size_t n = o->len;

	if (o->failed)
		return cb_err_sys(err, CB_E_IO, o->failed, "output: write");
	o->len = 0;
	return n ? put(o, o->buf, n, err) : 0;
}

int cb_out_write(struct cb_out *o, const void *p, size_t n, struct cb_err *err)
{
	if (n > sizeof(o->buf) - o->len && cb_out_flush(o, err) < 0)
		return -1;
	if (n > sizeof(o->buf))
		return o->failed ? cb_out_flush(o, err) : put(o, p, n, err);
	if (n)
		memcpy(o->buf + o->len, p, n);
	o->len += n;
	return 0;
}

int cb_out_printf(struct cb_out *o, struct cb_err *err, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n, ret;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return cb_err_nomem(err);
	ret = cb_out_write(o, text, (size_t)n, err);
	free(text);
	return ret;
}

int cb_out_close(struct cb_out *o, struct cb_err *err)
{
	int ret;

	if (o->fd < 0)
		return 0;
	ret = cb_out_flush(o, err);
	if (close(o->fd) < 0 && ret == 0)
		ret = cb_err_sys(err, CB_E_IO, errno, "output");
	o->fd = -1;
	o->failed = 0;
	return ret;
}

/* Length of the well-formed UTF-8 character at s (n > 0 bytes), or 0. */
static size_t utf8_char(const unsigned char *s, size_t n, uint32_t *cp)
{
	size_t len;
	uint32_t c, min;

	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2, c = s[0] & 0x1f, min = 0x80;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3, c = s[0] & 0x0f, min = 0x800;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4, c = s[0] & 0x07, min = 0x10000;
	else
		return 0;
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return len;
}

static bool steers_terminal(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

size_t cb_text_safe(char *out, size_t cap, const char *s, size_t n, bool keep_lf)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t o = 0;

	while (n > 0) {
		uint32_t c = 0;
		size_t len = utf8_char(p, n, &c);
		bool bad = len == 0 || (steers_terminal(c) && !(keep_lf && c == '\n'));

		if (len == 0)
			len = 1;
		if (o + (bad ? 1 : len) >= cap)
			break;
		if (bad)
			out[o++] = '?';
		else
			for (size_t i = 0; i < len; i++)
				out[o++] = (char)p[i];
		p += len;
		n -= len;
	}
	out[o] = '\0';
	return o;
}

int cb_file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len, struct cb_err *err)
{
	uint8_t *p = NULL, *q;
	size_t len = 0, cap = 0;
	ssize_t n;
	int fd, r = -1;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "open");
	for (;;) {
		if (len == cap) {
			cap = cap ? cap * 2 : 4096;
			if (cap > max + 1)
				cap = max + 1;
			q = realloc(p, cap + 1);
			if (!q) {
				cb_err_nomem(err);
				goto out;
			}
			p = q;
		}
		n = read(fd, p + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
			goto out;
		}
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max) {
			cb_err_set(err, CB_E_DATA, "larger than %zu bytes", max);
			goto out;
		}
	}
	p[len] = '\0';
	*ret = p;
	*ret_len = len;
	p = NULL;
	r = 0;
out:
	free(p);
	close(fd);
	return r;
}

int cb_path_beside(char **ret, const char *rel, struct cb_err *err)
{
	char self[4096], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);

	if (n < 0)
		return cb_err_sys(err, CB_E_OS, errno, "/proc/self/exe");
	if (n == sizeof self || *self != '/')
		return cb_err_set(err, CB_E_OS, "/proc/self/exe: %s", *self == '/' ? "too long a path" : "no path");
	self[n] = 0;
	slash = strrchr(self, '/');
	*slash = 0;
	while (!strncmp(rel, "../", 3)) {
		rel += 3;
		slash = strrchr(self, '/');
		if (slash)
			*slash = 0;
	}
	if (asprintf(&path, "%s/%s", self, rel) < 0)
		return cb_err_nomem(err);
	*ret = path;
	return 0;
}

int cb_libexec_path(char **ret, const char *name, struct cb_err *err)
{
	const char *dir = secure_getenv("CB_LIBEXEC");
	char rel[200];

	if (dir && *dir)
		return asprintf(ret, "%s/%s", dir, name) < 0 ? cb_err_nomem(err) : 0;
	snprintf(rel, sizeof rel, CB_LIBEXEC_REL "/%s", name);
	return cb_path_beside(ret, rel, err);
}
