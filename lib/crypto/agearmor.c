/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of age files, with and without armor. */
#include "crypto/agearmor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/base64.h"

#define BEGIN "-----BEGIN AGE ENCRYPTED FILE-----"
#define END "-----END AGE ENCRYPTED FILE-----"
#define BLANKS_MAX 1024u	/* before and after armor */
#define COLUMNS 64u

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static ssize_t raw(struct cb_age_src *s, uint8_t *p, size_t n, struct cb_err *err)
{
	ssize_t k;

	if (s->fd < 0) {
		k = (ssize_t)(n < s->mem_n ? n : s->mem_n);
		memcpy(p, s->mem, (size_t)k);
		s->mem += k;
		s->mem_n -= (size_t)k;
		return k;
	}
	do
		k = read(s->fd, p, n);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
	return k;
}

/* More into buf; 0 at the end. */
static ssize_t more(struct cb_age_src *s, struct cb_err *err)
{
	ssize_t k;

	if (s->pos == s->len)
		s->pos = s->len = 0;
	k = raw(s, s->buf + s->len, sizeof(s->buf) - s->len, err);
	if (k > 0)
		s->len += (size_t)k;
	return k;
}

static int begin(struct cb_age_src *s, struct cb_err *err)
{
	size_t i = 0;
	ssize_t k;

	for (;;) {
		while (i < s->len && i <= BLANKS_MAX && blank(s->buf[i]))
			i++;
		/* five dashes are armor, and nothing else has them */
		if (s->len >= i + 5 || i > BLANKS_MAX)
			break;
		k = more(s, err);
		if (k < 0)
			return -1;
		if (k == 0)
			break;
	}
	if (s->len >= i + 5 && i <= BLANKS_MAX && !memcmp(s->buf + i, "-----", 5)) {
		s->armor = true;
		s->pos = i;
	}
	return 0;
}

/* A line of armor without its end; -1 also where it is too long. 0: the end, else 1. */
static int line(struct cb_age_src *s, char out[static COLUMNS + 2], size_t *ret_n, struct cb_err *err)
{
	size_t n = 0;
	ssize_t k;

	for (;;) {
		if (s->pos == s->len) {
			k = more(s, err);
			if (k < 0)
				return -1;
			if (k == 0) {
				*ret_n = n;
				return n > 0;
			}
		}
		out[n] = (char)s->buf[s->pos++];
		if (out[n] == '\n')
			break;
		if (++n > COLUMNS + 1)
			return cb_err_set(err, CB_E_DATA, "armor: a line is too long");
	}
	if (n && out[n - 1] == '\r')
		n--;
	*ret_n = n;
	return 1;
}

static int after_end(struct cb_age_src *s, struct cb_err *err)
{
	for (size_t n = 0;;) {
		while (s->pos < s->len) {
			if (!blank(s->buf[s->pos++]) || ++n > BLANKS_MAX)
				return cb_err_set(err, CB_E_DATA, "armor: something follows it");
		}
		ssize_t k = more(s, err);

		if (k <= 0)
			return (int)k;
	}
}

/* Decode the next line; 0: there is none. */
static int next(struct cb_age_src *s, struct cb_err *err)
{
	char text[COLUMNS + 2];
	size_t n;
	int r;

	if (s->ended)
		return 0;
	r = line(s, text, &n, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return cb_err_set(err, CB_E_DATA, "armor: cut off");
	if (n == strlen(END) && !memcmp(text, END, n)) {
		s->ended = true;
		return after_end(s, err);
	}
	if (s->line_last)
		return cb_err_set(err, CB_E_DATA, "armor: a line is too short");
	if (!n || !cb_base64_decode(s->line, sizeof(s->line), text, n, &s->line_len))
		return cb_err_set(err, CB_E_DATA, "armor: a line is not base64");
	s->line_pos = 0;
	s->line_last = s->line_len < sizeof(s->line);
	return 1;
}

static int start(struct cb_age_src *s, struct cb_err *err)
{
	char text[COLUMNS + 2];
	size_t n;
	int r;

	if (begin(s, err) < 0)
		return -1;
	if (!s->armor)
		return 0;
	r = line(s, text, &n, err);
	if (r < 0)
		return -1;
	if (r == 0 || n != strlen(BEGIN) || memcmp(text, BEGIN, n))
		return cb_err_set(err, CB_E_DATA, "armor: not of an age file");
	return 0;
}

int cb_age_src_fd(struct cb_age_src *s, int fd, struct cb_err *err)
{
	memset(s, 0, offsetof(struct cb_age_src, buf));
	s->pos = s->len = s->line_pos = s->line_len = 0;
	s->line_last = false;
	s->fd = fd;
	return start(s, err);
}

int cb_age_src_mem(struct cb_age_src *s, const void *p, size_t n, struct cb_err *err)
{
	memset(s, 0, offsetof(struct cb_age_src, buf));
	s->pos = s->len = s->line_pos = s->line_len = 0;
	s->line_last = false;
	s->fd = -1;
	s->mem = p;
	s->mem_n = n;
	return start(s, err);
}

ssize_t cb_age_src_read(struct cb_age_src *s, uint8_t *p, size_t n, struct cb_err *err)
{
	size_t k = 0;
	int r;

	if (!s->armor) {
		if (s->pos == s->len)
			return raw(s, p, n, err);
		k = s->len - s->pos < n ? s->len - s->pos : n;
		memcpy(p, s->buf + s->pos, k);
		s->pos += k;
		return (ssize_t)k;
	}
	while (k < n) {
		if (s->line_pos == s->line_len) {
			/* what there is, before we wait */
			if (k && s->pos == s->len)
				break;
			r = next(s, err);
			if (r < 0)
				return -1;
			if (r == 0)
				break;
		}
		p[k++] = s->line[s->line_pos++];
	}
	return (ssize_t)k;
}

bool cb_age_src_waits(const struct cb_age_src *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	/* a producer that is only scheduled in turns is not waited for */
	return s->fd >= 0 && s->pos == s->len && cb_would_block(s->fd) && poll(&p, 1, 20) == 0;
}

int cb_age_dst_init(struct cb_age_dst *d, int fd, bool armor, struct cb_err *err)
{
	d->fd = fd;
	d->armor = armor;
	d->part_n = 0;
	return armor ? cb_write_all(fd, BEGIN "\n", strlen(BEGIN) + 1, err) : 0;
}

int cb_age_dst_put(void *dst, const uint8_t *p, size_t n, struct cb_err *err)
{
	struct cb_age_dst *d = dst;
	char text[64 * (COLUMNS + 1) + 1];
	size_t t = 0;

	if (!d->armor)
		return cb_write_all(d->fd, p, n, err);
	while (n) {
		size_t k = sizeof(d->part) - d->part_n;

		if (k > n)
			k = n;
		memcpy(d->part + d->part_n, p, k);
		d->part_n += k;
		p += k;
		n -= k;
		if (d->part_n < sizeof(d->part))
			break;
		t += cb_base64(text + t, d->part, d->part_n);
		text[t++] = '\n';
		d->part_n = 0;
		if (t + COLUMNS + 2 > sizeof(text)) {
			if (cb_write_all(d->fd, text, t, err) < 0)
				return -1;
			t = 0;
		}
	}
	return t ? cb_write_all(d->fd, text, t, err) : 0;
}

int cb_age_dst_end(struct cb_age_dst *d, struct cb_err *err)
{
	char text[COLUMNS + sizeof(END) + 3];
	size_t t = 0;

	if (!d->armor)
		return 0;
	if (d->part_n) {
		t = cb_base64(text, d->part, d->part_n);
		text[t++] = '\n';
	}
	memcpy(text + t, END "\n", strlen(END) + 1);
	return cb_write_all(d->fd, text, t + strlen(END) + 1, err);
}
