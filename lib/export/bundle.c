/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and archives that appear whole or not at all. */
#include "export/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#define TAR_BLOCK 512
#define TAR_SIZE_MAX ((UINT64_C(1) << 33) - 1)	/* eleven octal digits */
#define SUBDIRS 8

struct cb_bundle {
	struct cb_bundle_opts o;
	char *path, *part, *parent;	/* in its place; before that; the directory of both */
	const char *top;
	struct cb_age_writer *age;	/* what an archive goes through, or NULL */
	int fd;				/* the directory, or the archive */
	int parent_fd;
	bool made, committed, stream;
	struct cb_bundle_file *file;
	size_t n, cap;
	/* the file that is being written */
	int at;				/* its descriptor, in a directory */
	uint64_t left;
	struct cb_sha256 sha;
	char sub[SUBDIRS][CB_BUNDLE_NAME];	/* directories made */
	int n_sub;
};

static int no_space_is_io(struct cb_err *err, int errnum, const char *name)
{
	enum cb_errc code = errnum == ENOSPC || errnum == EDQUOT || errnum == EIO ? CB_E_IO :
			    errnum == EACCES || errnum == EPERM || errnum == EROFS ? CB_E_PERM : CB_E_CANTCREAT;

	return cb_err_sys(err, code, errnum, "%s", name);
}

static int taken(struct cb_err *err, const char *path)
{
	return cb_err_set(err, CB_E_CANTCREAT, "%s: is there already", path);
}

static int encrypt(struct cb_bundle *b, struct cb_err *err)
{
	if (!b->o.to || !b->o.to->n)
		return 0;
	return cb_age_writer_new(&b->age, b->o.to, NULL, false, b->fd, err) < 0 ? cb_err_prefix(err, "%s", b->path) : 0;
}

int cb_bundle_create(struct cb_bundle **ret, const struct cb_bundle_opts *o, struct cb_err *err)
{
	struct cb_bundle *b = calloc(1, sizeof(*b));
	struct stat st;
	size_t n = strlen(o->path);
	char *slash;

	if (!b)
		return cb_err_nomem(err);
	b->o = *o;
	b->fd = b->at = b->parent_fd = -1;
	b->top = o->top;
	b->stream = o->fd >= 0;
	while (n > 1 && o->path[n - 1] == '/')
		n--;
	b->path = strndup(o->path, n);
	b->part = malloc(n + 6);
	b->parent = strndup(o->path, n);
	if (!b->path || !b->part || !b->parent) {
		cb_err_nomem(err);
		goto fail;
	}
	snprintf(b->part, n + 6, "%.*s.part", (int)n, o->path);
	slash = strrchr(b->parent, '/');
	if (!slash)
		strcpy(b->parent, ".");	/* a name has one byte at least */
	else
		slash[slash == b->parent] = '\0';
	if (b->stream) {
		b->fd = o->fd;
		if (encrypt(b, err) < 0)
			goto fail;
		*ret = b;
		return 0;
	}
	if (lstat(b->path, &st) == 0) {
		taken(err, b->path);
		goto fail;
	}
	b->parent_fd = open(b->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->parent_fd < 0) {
		no_space_is_io(err, errno, b->parent);
		goto fail;
	}
	if (o->tar)
		b->fd = open(b->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	else if (mkdir(b->part, 0750) == 0) {
		b->made = true;
		b->fd = open(b->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (b->fd < 0 && errno == EEXIST) {
		cb_err_set(err, CB_E_CANTCREAT, "%s: is there already: another export, or what one that was "
			   "killed has left", b->part);
		goto fail;
	}
	if (b->fd < 0) {
		no_space_is_io(err, errno, b->part);
		goto fail;
	}
	b->made = true;
	if (o->tar && encrypt(b, err) < 0)
		goto fail;
	*ret = b;
	return 0;
fail:
	cb_bundle_free(b);
	return -1;
}

/* --- an archive -------------------------------------------------------------------------------- */

static int tar_out(struct cb_bundle *b, const void *p, size_t n, struct cb_err *err)
{
	int ret = b->age ? cb_age_write(b->age, p, n, err) : cb_write_all(b->fd, p, n, err);

	return ret < 0 ? cb_err_prefix(err, "%s", b->path) : 0;
}

static void octal(char *at, int digits, uint64_t v)
{
	at[digits] = '\0';
	while (digits--) {
		at[digits] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

/* POSIX.1-1988, "ustar": name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, link
 * name 100, magic 6, version 2, user 32, group 32, device 16, prefix 155. */
static void tar_header(char h[static TAR_BLOCK], const char *top, const char *name, uint64_t size, int64_t mtime)
{
	unsigned sum = 0;

	memset(h, 0, TAR_BLOCK);
	memcpy(h, name, strlen(name));
	octal(h + 100, 7, 0640);
	octal(h + 108, 7, 0);
	octal(h + 116, 7, 0);
	octal(h + 124, 11, size);
	octal(h + 136, 11, mtime < 0 ? 0 : (uint64_t)mtime & TAR_SIZE_MAX);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\0" "00", 8);
	octal(h + 329, 7, 0);
	octal(h + 337, 7, 0);
	memcpy(h + 345, top, strlen(top));
	for (int i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)h[i];
	octal(h + 148, 6, sum);
}

/* --- a directory ------------------------------------------------------------------------------- */

/* The directory that a file's name begins with. */
static int sub_make(struct cb_bundle *b, const char *name, struct cb_err *err)
{
	const char *slash = strchr(name, '/');
	char sub[CB_BUNDLE_NAME];

	if (!slash)
		return 0;
	snprintf(sub, sizeof(sub), "%.*s", (int)(slash - name), name);
	for (int i = 0; i < b->n_sub; i++)
		if (strcmp(b->sub[i], sub) == 0)
			return 0;
	if (b->n_sub == SUBDIRS)
		return cb_err_set(err, CB_E_BUG, "too many directories in a bundle");
	if (mkdirat(b->fd, sub, 0750) < 0)
		return no_space_is_io(err, errno, sub);
	memcpy(b->sub[b->n_sub++], sub, sizeof(sub));
	return 0;
}

static int sync_dir(int at, const char *name, struct cb_err *err)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	if (fd < 0 || fsync(fd) < 0)
		ret = cb_err_sys(err, CB_E_IO, errno, "%s: fsync", name);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* --- files ------------------------------------------------------------------------------------- */

int cb_bundle_begin(struct cb_bundle *b, const char *name, uint64_t size, struct cb_err *err)
{
	char header[TAR_BLOCK];
	struct cb_bundle_file *f;

	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;

		f = reallocarray(b->file, cap, sizeof(*f));
		if (!f)
			return cb_err_nomem(err);
		b->file = f;
		b->cap = cap;
	}
	f = &b->file[b->n];
	*f = (struct cb_bundle_file){ .size = size };
	snprintf(f->name, sizeof(f->name), "%s", name);
	b->left = size;
	cb_sha256_init(&b->sha);
	if (b->o.tar) {
		if (size > TAR_SIZE_MAX)
			return cb_err_set(err, CB_E_USAGE, "%s: more than the 8 GiB that a tar archive can hold: "
					  "export to a directory", name);
		tar_header(header, b->top, f->name, size, b->o.mtime_s);
		if (tar_out(b, header, sizeof(header), err) < 0)
			return -1;
		b->n++;
		return 0;
	}
	if (sub_make(b, name, err) < 0)
		return cb_err_prefix(err, "%s", b->part);
	b->at = openat(b->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (b->at < 0) {
		no_space_is_io(err, errno, name);
		return cb_err_prefix(err, "%s", b->part);
	}
	b->n++;
	return 0;
}

int cb_bundle_write(struct cb_bundle *b, const void *p, size_t n, struct cb_err *err)
{
	const char *name = b->file[b->n - 1].name;

	if (n > b->left)
		return cb_err_set(err, CB_E_BUG, "%s: more bytes than were announced", name);
	b->left -= n;
	cb_sha256_update(&b->sha, p, n);
	if (b->o.tar)
		return tar_out(b, p, n, err);
	if (cb_write_all(b->at, p, n, err) < 0)
		return cb_err_prefix(err, "%s/%s", b->part, name);
	return 0;
}

int cb_bundle_end(struct cb_bundle *b, struct cb_err *err)
{
	static const char zero[TAR_BLOCK];
	struct cb_bundle_file *f = &b->file[b->n - 1];
	int ret = 0;

	if (b->left)
		return cb_err_set(err, CB_E_BUG, "%s: fewer bytes than were announced", f->name);
	cb_sha256_final(&b->sha, f->sha256);
	if (b->o.tar) {
		size_t pad = (size_t)(-f->size & (TAR_BLOCK - 1));

		return pad ? tar_out(b, zero, pad, err) : 0;
	}
	if (fsync(b->at) < 0)
		ret = cb_err_sys(err, CB_E_IO, errno, "%s/%s: fsync", b->part, f->name);
	if (close(b->at) < 0 && ret == 0)
		ret = cb_err_sys(err, CB_E_IO, errno, "%s/%s: close", b->part, f->name);
	b->at = -1;
	return ret;
}

int cb_bundle_put(struct cb_bundle *b, const char *name, const void *p, size_t n, struct cb_err *err)
{
	return cb_bundle_begin(b, name, n, err) < 0 || (n && cb_bundle_write(b, p, n, err) < 0) ||
	       cb_bundle_end(b, err) < 0 ? -1 : 0;
}

const struct cb_bundle_file *cb_bundle_files(const struct cb_bundle *b, size_t *ret_n)
{
	*ret_n = b->n;
	return b->file;
}

/* --- the end ----------------------------------------------------------------------------------- */

/* NAME.part to NAME, replacing nothing. */
static int into_place(struct cb_bundle *b, struct cb_err *err)
{
	struct stat st;

	if (renameat2(AT_FDCWD, b->part, AT_FDCWD, b->path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return taken(err, b->path);
	/* file systems that cannot do that */
	if (errno == EINVAL || errno == ENOSYS) {
		if (lstat(b->path, &st) == 0)
			return taken(err, b->path);
		if (rename(b->part, b->path) == 0)
			return 0;
	}
	return no_space_is_io(err, errno, b->path);
}

int cb_bundle_commit(struct cb_bundle *b, struct cb_err *err)
{
	static const char zero[2 * TAR_BLOCK];

	if (b->o.tar) {
		if (tar_out(b, zero, sizeof(zero), err) < 0)
			return -1;
		if (b->age && cb_age_writer_finish(b->age, err) < 0)
			return cb_err_prefix(err, "%s", b->path);
		if (b->stream) {
			b->committed = true;
			return 0;
		}
	}
	for (int i = 0; i < b->n_sub; i++)
		if (sync_dir(b->fd, b->sub[i], err) < 0)
			return cb_err_prefix(err, "%s", b->part);
	if (fsync(b->fd) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s: fsync", b->part);
	if (into_place(b, err) < 0)
		return -1;
	b->committed = true;
	if (fsync(b->parent_fd) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s: is there, but perhaps not on the disk: fsync", b->path);
	return 0;
}

/* Everything that we made, and nothing else. */
static void take_back(struct cb_bundle *b)
{
	if (b->o.tar) {
		unlink(b->part);
		return;
	}
	for (size_t i = 0; i < b->n; i++)
		unlinkat(b->fd, b->file[i].name, 0);
	for (int i = 0; i < b->n_sub; i++)
		unlinkat(b->fd, b->sub[i], AT_REMOVEDIR);
	rmdir(b->part);
}

void cb_bundle_free(struct cb_bundle *b)
{
	if (!b)
		return;
	cb_age_writer_free(b->age);
	if (b->at >= 0)
		close(b->at);
	if (b->made && !b->committed)
		take_back(b);
	if (b->fd >= 0 && !b->stream)
		close(b->fd);
	if (b->parent_fd >= 0)
		close(b->parent_fd);
	free(b->path);
	free(b->part);
	free(b->parent);
	free(b->file);
	free(b);
}
