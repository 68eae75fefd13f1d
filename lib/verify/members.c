/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a bundle, wherever they lie. */
#include "verify/members.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512
#define PADDING (1u << 20)

struct opening {
	struct cb_members *m;
	cb_members_fn *fn;
	void *ctx;
	struct cb_err *err;
};

static int wrong(struct opening *o, const char *name, int64_t byte, const char *text)
{
	return o->fn(o->ctx, name, byte, text, o->err);
}

/* Relative, without "." and "..", of printable characters; other bytes from 0x80 on may stand. */
static const char *name_wrong(const char *s)
{
	int depth = 0;

	if (!*s || strlen(s) >= CB_MEMBER_NAME)
		return "a name that is empty or too long";
	if (*s == '/')
		return "an absolute name";
	for (const char *p = s;; p += strcspn(p, "/") + 1) {
		size_t n = strcspn(p, "/");

		if (!n)
			return "a name with an empty part";
		if ((n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return "a name with . or .. in it";
		if (++depth > CB_MEMBER_DEPTH + 1)
			return "a name with too many directories";
		if (!p[n])
			break;
	}
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127 || *p == '\\')
			return "a name with control characters";
	return NULL;
}

static int add(struct opening *o, const char *name, uint64_t size, uint64_t at)
{
	struct cb_members *m = o->m;
	void *p;

	if (m->n == CB_MEMBERS_MAX)
		return cb_err_set(o->err, CB_E_DATA, "more than %u files", CB_MEMBERS_MAX);
	if ((m->n & (m->n - 1)) == 0) {
		p = realloc(m->v, (m->n ? 2 * m->n : 1) * sizeof(*m->v));
		if (!p)
			return cb_err_nomem(o->err);
		m->v = p;
	}
	m->v[m->n] = (struct cb_member){ strdup(name), size, at };
	return m->v[m->n].name ? (m->n++, 0) : cb_err_nomem(o->err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cb_member *)a)->name, ((const struct cb_member *)b)->name);
}

/* --- a directory --------------------------------------------------------------------------------- */

static int walk(struct opening *o, int dir, const char *prefix, int depth)
{
	char name[CB_MEMBER_NAME + 260];
	struct dirent *e;
	struct stat st;
	const char *why;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), sub, ret = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		cb_err_sys(o->err, CB_E_IO, errno, "%s: readdir", *prefix ? prefix : ".");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (ret == 0 && (errno = 0, e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s%s", prefix, e->d_name);
		why = name_wrong(name);
		if (why) {
			ret = wrong(o, name, -1, why);
		} else if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			ret = cb_err_sys(o->err, CB_E_IO, errno, "%s", name);
		} else if (S_ISREG(st.st_mode)) {
			ret = add(o, name, (uint64_t)st.st_size, 0);
		} else if (!S_ISDIR(st.st_mode)) {
			ret = wrong(o, name, -1, S_ISLNK(st.st_mode) ? "a symbolic link" :
				    "neither a file nor a directory");
		} else if (depth == CB_MEMBER_DEPTH) {
			ret = wrong(o, name, -1, "a directory too deep");
		} else {
			sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub < 0) {
				ret = cb_err_sys(o->err, cb_errc_open(errno), errno, "%s", name);
			} else {
				strcat(name, "/");
				ret = walk(o, sub, name, depth + 1);
				close(sub);
			}
		}
	}
	if (ret == 0 && errno)
		ret = cb_err_sys(o->err, CB_E_IO, errno, "%s: readdir", *prefix ? prefix : ".");
	closedir(d);
	return ret;
}

/* --- an archive ---------------------------------------------------------------------------------- */

static int read_at(int fd, void *p, size_t n, uint64_t at, struct cb_err *err)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = pread(fd, (uint8_t *)p + got, n - got, (off_t)(at + got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(err, CB_E_IO, errno, "read");
		if (k == 0)
			return cb_err_set(err, CB_E_DATA, "it ends at byte %" PRIu64, at + got);
		got += (size_t)k;
	}
	return 0;
}

/* Octal digits up to a NUL or blank; -1 where it is anything else, base 256 too. */
static int64_t octal(const uint8_t *p, size_t n)
{
	int64_t v = 0;
	size_t i = 0;

	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 57)
			return -1;
		v = v * 8 + (p[i] - '0');
	}
	return i && (i == n || !p[i] || p[i] == ' ') ? v : -1;
}

/* The sum in a header: as everybody writes it, six digits, NUL, blank. */
static bool sum_right(const uint8_t h[static BLOCK])
{
	char want[9];
	unsigned sum = 0;

	for (int i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	snprintf(want, sizeof(want), "%06o%c ", sum, 0);
	return memcmp(h + 148, want, 8) == 0;
}

/* From at to end there must be zeros. */
static int zeros(struct opening *o, uint64_t at, uint64_t end, const char *text)
{
	uint8_t buf[BLOCK];

	while (at < end) {
		size_t n = end - at < BLOCK ? (size_t)(end - at) : BLOCK;

		if (read_at(o->m->fd, buf, n, at, o->err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			if (buf[i])
				return wrong(o, "", (int64_t)(at + i), text);
		at += n;
	}
	return 0;
}

static int one_header(struct opening *o, const uint8_t h[static BLOCK], uint64_t at, uint64_t *ret_size)
{
	static const uint8_t none[BLOCK];
	char name[CB_MEMBER_NAME + 8] = "", *p;
	int64_t size = octal(h + 124, 12);
	const char *why;
	size_t n;

	if (!sum_right(h) || memcmp(h + 257, "ustar", 5) != 0)
		return cb_err_set(o->err, CB_E_DATA, "no header of a file at byte %" PRIu64, at);
	if (size < 0)
		return cb_err_set(o->err, CB_E_DATA, "the header at byte %" PRIu64 " has no size", at);
	if (h[345])
		snprintf(name, sizeof(name), "%.155s/", (const char *)h + 345);
	n = strlen(name);
	snprintf(name + n, sizeof(name) - n, "%.100s", (const char *)h);
	*ret_size = (uint64_t)size;
	if ((uint64_t)size > o->m->end - at - BLOCK)
		return cb_err_set(o->err, CB_E_DATA, "%s: %" PRId64 " bytes, and the archive ends before", name, size);
	n = strlen(name);
	/* what says something of the file after it: whoever unpacks sees that, and we would not */
	if (h[156] == 'x' || h[156] == 'g' || h[156] == 'L' || h[156] == 'K' ||
	    (memcmp(h + 257, "ustar", 6) != 0 && h[345]))	/* GNU's has no prefix there */
		return cb_err_set(o->err, CB_E_DATA, "the header at byte %" PRIu64 " is not ustar's (pax or GNU): unpack it, and "
				  "verify the directory", at);
	if (h[156] == '5') {	/* a directory is nothing but a name */
		if (n && name[n - 1] == '/')
			name[n - 1] = '\0';
		why = size ? "a directory with bytes" : name_wrong(name);
		return why ? wrong(o, name, (int64_t)at, why) : 0;
	}
	if (h[156] != '0' && h[156] != '\0')
		return wrong(o, name, (int64_t)at, h[156] == '1' ? "a hard link" : h[156] == '2' ? "a symbolic link" :
			     h[156] >= '3' && h[156] <= '6' ? "a device or pipe" : "a kind of file that ustar has not");
	why = memcmp(h + 157, none, 100) != 0 ? "a file with a link's name" : name_wrong(name);
	if (why)
		return wrong(o, name, (int64_t)at, why);
	/* all lies in one directory, which is not part of the names */
	p = strchr(name, '/');
	if (!p)
		return wrong(o, name, (int64_t)at, "a file outside of the bundle's directory");
	return add(o, name, (uint64_t)size, at + BLOCK);
}

static int archive(struct opening *o)
{
	static const uint8_t none[BLOCK];
	uint64_t at = 0, size = 0, end = o->m->end;
	uint8_t h[BLOCK];
	size_t top;

	for (;;) {
		if (end - at < BLOCK)
			return cb_err_set(o->err, CB_E_DATA, "the archive ends without an end");
		if (read_at(o->m->fd, h, BLOCK, at, o->err) < 0)
			return -1;
		if (memcmp(h, none, BLOCK) == 0)
			break;
		if (one_header(o, h, at, &size) < 0)
			return -1;
		at += BLOCK + size;
		if (zeros(o, at, (at + BLOCK - 1) / BLOCK * BLOCK < end ? (at + BLOCK - 1) / BLOCK * BLOCK : end,
			  "bytes behind a file that belong to none") < 0)
			return -1;
		at = (at + BLOCK - 1) / BLOCK * BLOCK;
		if (at > end)
			return cb_err_set(o->err, CB_E_DATA, "the archive ends in a file");
	}
	if (end - at < 2 * BLOCK && wrong(o, "", (int64_t)end, "the archive has not two empty blocks at its end") < 0)
		return -1;
	/* tar pads its last record; a terabyte of holes is not read */
	if (end - at > PADDING && wrong(o, "", (int64_t)(at + PADDING), "the archive goes on behind its end") < 0)
		return -1;
	if (zeros(o, at, end - at > PADDING ? at + PADDING : end, "bytes behind the archive's end") < 0)
		return -1;
	if (!o->m->n)
		return 0;
	/* take the directory off, if it is the same everywhere */
	top = strcspn(o->m->v[0].name, "/") + 1;
	for (size_t i = 0; i < o->m->n; i++) {
		char *name = o->m->v[i].name;

		if (strncmp(name, o->m->v[0].name, top) != 0) {
			if (wrong(o, name, (int64_t)(o->m->v[i].at - BLOCK), "a file outside of the bundle's directory") < 0)
				return -1;
			free(name);
			memmove(o->m->v + i, o->m->v + i + 1, (--o->m->n - i) * sizeof(*o->m->v));
			i--;
		}
	}
	for (size_t i = 0; i < o->m->n; i++)
		memmove(o->m->v[i].name, o->m->v[i].name + top, strlen(o->m->v[i].name + top) + 1);
	return 0;
}

/* --- both ---------------------------------------------------------------------------------------- */

int cb_members_open(struct cb_members *m, const char *path, cb_members_fn *fn, void *ctx, struct cb_err *err)
{
	struct cb_err own = CB_ERR_INIT;
	struct opening o = { m, fn, ctx, err ? err : &own };
	struct stat st;

	*m = (struct cb_members){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) };
	if (m->fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "open");
	if (fstat(m->fd, &st) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "stat");
		goto fail;
	}
	m->tar = !S_ISDIR(st.st_mode);
	m->end = (uint64_t)st.st_size;
	if (m->tar && !S_ISREG(st.st_mode)) {
		cb_err_set(err, CB_E_DATA, "neither a directory nor a file");
		goto fail;
	}
	if ((m->tar ? archive(&o) : walk(&o, m->fd, "", 0)) < 0)
		goto fail;
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_name);
	for (size_t i = 1; i < m->n; i++)
		if (strcmp(m->v[i].name, m->v[i - 1].name) == 0 &&
		    wrong(&o, m->v[i].name, (int64_t)m->v[i].at - BLOCK, "a name that comes twice") < 0)
			goto fail;
	return 0;
fail:
	cb_members_close(m);
	return -1;
}

void cb_members_close(struct cb_members *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].name);
	free(m->v);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct cb_members){ .fd = -1 };
}

const struct cb_member *cb_members_find(const struct cb_members *m, const char *name)
{
	struct cb_member key = { (char *)name, 0, 0 };

	return m->n ? bsearch(&key, m->v, m->n, sizeof(*m->v), by_name) : NULL;
}

int cb_member_open(struct cb_member_reader *r, const struct cb_members *m, const struct cb_member *f,
		   struct cb_err *err)
{
	char part[CB_MEMBER_NAME];
	struct stat st;
	int dir = m->fd, fd;

	*r = (struct cb_member_reader){ f, m->fd, 0, f->at, f->size };
	if (m->tar)
		return 0;
	for (const char *p = f->name;; p += strlen(part) + 1) {
		bool last = !strchr(p, '/');

		snprintf(part, sizeof(part), "%.*s", (int)strcspn(p, "/"), p);
		fd = openat(dir, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (last ? 0 : O_DIRECTORY));
		if (dir != m->fd)
			close(dir);
		if (fd < 0)
			return cb_err_sys(err, cb_errc_open(errno), errno, "%s", f->name);
		dir = fd;
		if (last)
			break;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return cb_err_set(err, CB_E_DATA, "%s: not a regular file any more", f->name);
	}
	r->fd = fd;
	r->own = 1;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

int cb_member_read(struct cb_member_reader *r, void *p, size_t n, struct cb_err *err)
{
	if (n > r->left)
		return cb_err_set(err, CB_E_DATA, "%s: shorter than it should be", r->f->name);
	if (read_at(r->fd, p, n, r->at, err) < 0)
		return cb_err_prefix(err, "%s", r->f->name);
	r->at += n;
	r->left -= n;
	return 0;
}

void cb_member_close(struct cb_member_reader *r)
{
	if (r->own)
		close(r->fd);
	r->own = 0;
}

int cb_member_load(const struct cb_members *m, const struct cb_member *f, size_t max, char **ret, size_t *ret_len,
		   struct cb_err *err)
{
	struct cb_member_reader r;
	char *p;
	int k;

	if (f->size > max)
		return cb_err_set(err, CB_E_DATA, "%s: %" PRIu64 " bytes, too large", f->name, f->size);
	if (cb_member_open(&r, m, f, err) < 0)
		return -1;
	p = malloc((size_t)f->size + 1);
	k = !p ? cb_err_nomem(err) : cb_member_read(&r, p, (size_t)f->size, err);
	cb_member_close(&r);
	if (k < 0) {
		free(p);
		return -1;
	}
	p[f->size] = '\0';
	*ret = p;
	*ret_len = (size_t)f->size;
	return 0;
}
