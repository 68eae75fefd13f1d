/* SPDX-License-Identifier: Apache-2.0 */
/* Names of sources, and credentials kept out of sight. */
#include "wire/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"

#define CREDENTIALS_MAX 1024
/* What ends the part of an address before its path; and, for hiding secrets also in addresses
 * that are wrong (a '/' in a password), what ends an address in a text. */
#define AUTHORITY "/?#"
#define BLANK " \t\r\n\"'"

/* Bytes of a scheme with "://" behind it at the beginning, or 0. */
static size_t scheme(const char *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)s[0]))
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '+' || s[n] == '-' || s[n] == '.')
		n++;
	return strncmp(s + n, "://", 3) == 0 ? n : 0;
}

int cb_source_kind(enum cb_source_kind *ret, const char *source, struct cb_err *err)
{
	size_t n = scheme(source);

	if (strcmp(source, "-") == 0)
		*ret = CB_SOURCE_STDIN;
	else if (n == 4 && strncasecmp(source, "http", n) == 0)
		*ret = CB_SOURCE_HTTP;
	else if (n == 5 && strncasecmp(source, "https", n) == 0)
		*ret = CB_SOURCE_HTTPS;
	else if (n == 4 && strncasecmp(source, "rtsp", n) == 0)
		*ret = CB_SOURCE_RTSP;
	else if (n == 5 && strncasecmp(source, "rtsps", n) == 0)
		*ret = CB_SOURCE_RTSPS;
	else if (n)
		return cb_err_set(err, CB_E_USAGE,
				  "%.*s:// is no source (a file, -, http(s)://, rtsp(s)://, /dev/videoN)",
				  n > 20 ? 20 : (int)n, source);
	else if (strncmp(source, "/dev/video", 10) == 0 || strncmp(source, "/dev/v4l/", 9) == 0)
		*ret = CB_SOURCE_V4L2;
	else
		*ret = CB_SOURCE_FILE;
	return 0;
}

/* The user:password part of the address whose "://" is at p: *ret_end is its '@'. What ends it
 * is in `until`. */
static bool userinfo(const char *p, const char *until, const char **ret_begin, const char **ret_end)
{
	const char *begin = p + 3, *at = NULL;

	for (const char *q = begin; *q && !strchr(until, *q); q++)
		if (*q == '@')
			at = q;
	if (!at)
		return false;
	*ret_begin = begin;
	*ret_end = at;
	return true;
}

bool cb_url_host(char *out, size_t cap, const char *url)
{
	const char *p = strstr(url, "://"), *end, *at;
	size_t n;

	if (!p)
		return false;
	p += 3;
	end = p + strcspn(p, "/?#");
	at = memrchr(p, '@', (size_t)(end - p));
	if (at)
		p = at + 1;
	n = *p == '[' ? strcspn(++p, "]") : strcspn(p, ":");
	if (p + n > end)
		n = (size_t)(end - p);
	if (!n || n >= cap)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

bool cb_url_has_userinfo(const char *url)
{
	const char *b, *e;
	size_t n = scheme(url);

	return n && userinfo(url + n, AUTHORITY, &b, &e);
}

void cb_url_redact(char *out, size_t cap, const char *text)
{
	const char *b, *e;
	size_t o = 0;

	while (*text && o + 1 < cap) {
		if (strncmp(text, "://", 3) == 0 && userinfo(text, BLANK, &b, &e)) {
			o += (size_t)snprintf(out + o, cap - o, "://***");
			text = e;
			if (o >= cap)
				o = cap - 1;
			continue;
		}
		out[o++] = *text++;
	}
	out[o] = '\0';
}

char *cb_url_with_userinfo(const char *url, const char *info)
{
	size_t n = scheme(url) + 3, cap = strlen(url) + 3 * strlen(info) + 2, o;
	const char *b, *e, *rest = url + n;
	char *out = malloc(cap);
	bool colon = false;

	if (!out)
		return NULL;
	if (userinfo(url + n - 3, AUTHORITY, &b, &e))
		rest = e + 1;
	memcpy(out, url, n);
	o = n;
	for (const char *p = info; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == ':' && !colon) {
			colon = true;
			out[o++] = ':';
		} else if (isalnum(c) || strchr("-._~", c)) {
			out[o++] = (char)c;
		} else {
			o += (size_t)snprintf(out + o, cap - o, "%%%02X", c);
		}
	}
	out[o++] = '@';
	strcpy(out + o, rest);
	return out;
}

void cb_source_camera(char out[static CB_NAME_MAX + 1], const char *source)
{
	const char *b, *e, *p = source, *end;
	size_t n = scheme(source), o = 0;

	if (n) {
		p = userinfo(source + n, AUTHORITY, &b, &e) ? e + 1 : source + n + 3;
		end = p + strcspn(p, "/:?#");
	} else if (strcmp(source, "-") == 0) {
		p = "stdin";
		end = p + 5;
	} else {
		if (strrchr(p, '/') && strrchr(p, '/')[1])
			p = strrchr(p, '/') + 1;
		end = strrchr(p, '.');
		if (!end || end == p)
			end = p + strlen(p);
	}
	for (; p < end && o < CB_NAME_MAX; p++) {
		char c = isalnum((unsigned char)*p) || strchr("._-", *p) ? *p : '-';

		if (o == 0 && (c == '-' || c == '.'))
			continue;
		if (c == '-' && out[o - 1] == '-')
			continue;
		out[o++] = c;
	}
	while (o > 0 && out[o - 1] == '-')
		o--;
	out[o] = '\0';
	if (!o)
		strcpy(out, "camera");
}

int cb_credentials_read(char **ret, const char *from, struct cb_err *err)
{
	char text[CREDENTIALS_MAX + 1] = "";
	size_t n = 0, len;
	uint64_t number = 0;
	bool own = true;
	struct stat st;
	ssize_t k;
	int fd, r = -1;

	if (strncmp(from, "fd:", 3) == 0) {
		if (!cb_parse_u64(from + 3, 0, 1 << 20, &number))
			return cb_err_set(err, CB_E_USAGE, "--credentials: '%s' names no descriptor", from);
		fd = (int)number;
		own = false;
		if (fcntl(fd, F_GETFD) < 0)
			return cb_err_sys(err, CB_E_NOINPUT, errno, "--credentials %s", from);
	} else {
		fd = open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return cb_err_sys(err, cb_errc_open(errno), errno, "--credentials %s", from);
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077)) {
			cb_err_set(err, CB_E_PERM, "--credentials %s: other users can read it; chmod 600 it",
				   from);
			goto out;
		}
	}
	while (n < CREDENTIALS_MAX) {
		k = read(fd, text + n, CREDENTIALS_MAX - n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			cb_err_sys(err, CB_E_NOINPUT, errno, "--credentials %s", from);
			goto out;
		}
		if (k == 0)
			break;
		n += (size_t)k;
	}
	len = strcspn(text, "\r\n");
	if (!memchr(text, ':', len) || n == CREDENTIALS_MAX || strlen(text) < len) {
		cb_err_set(err, CB_E_DATA, "--credentials %s: its first line is not USER:PASSWORD", from);
		goto out;
	}
	*ret = strndup(text, len);
	r = *ret ? 0 : cb_err_nomem(err);
out:
	explicit_bzero(text, sizeof(text));
	if (own)
		close(fd);
	return r;
}
