/* SPDX-License-Identifier: Apache-2.0 */
/* New files without a name or by a temporary one, fsync, link and rename. */
#include "base/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"

#define NAME_CUT 200	/* bytes of the name that go into the temporary one: NAME_MAX is 255 */

/* Give f->temp names until use takes one: 0. It sets errno as open(2) and linkat(2) do. */
static int with_temp_name(struct cb_newfile *f, int (*use)(struct cb_newfile *f, mode_t mode), mode_t mode)
{
	int e;

	for (int i = 0; i < 100; i++) {
		uint32_t r;

		if (getrandom(&r, sizeof(r), 0) != sizeof(r))
			break;
		free(f->temp);
		if (asprintf(&f->temp, ".%.*s.%08x.tmp", NAME_CUT, f->name, r) < 0) {
			f->temp = NULL;
			errno = ENOMEM;
			return -1;
		}
		if (use(f, mode) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	e = errno;
	free(f->temp);	/* not ours to remove */
	f->temp = NULL;
	errno = e;
	return -1;
}

static int create(struct cb_newfile *f, mode_t mode)
{
	f->fd = cb_openat(f->dir, f->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	return f->fd < 0 ? -1 : 0;
}

static int link_as(const struct cb_newfile *f, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	return linkat(AT_FDCWD, path, f->dir, name, AT_SYMLINK_FOLLOW);
}

static int link_temp(struct cb_newfile *f, mode_t mode)
{
	(void)mode;
	return link_as(f, f->temp);
}

static int temporary(struct cb_newfile *f, mode_t mode)
{
	/* without a name a killed process leaves nothing; not every file system can */
	if (!access("/proc/self/fd", X_OK)) {
		f->fd = cb_openat(f->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, mode);
		if (f->fd >= 0)
			return 0;
	}
	return with_temp_name(f, create, mode);
}

int cb_newfile_open(struct cb_newfile *f, const char *path, mode_t mode, bool replace, struct cb_err *err)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char *dir = NULL;

	*f = (struct cb_newfile)CB_NEWFILE_INIT;
	f->replace = replace;
	f->name = strdup(slash ? slash + 1 : path);
	dir = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!f->name || !dir) {
		cb_err_nomem(err);
		goto fail;
	}
	if (!*f->name || !strcmp(f->name, ".") || !strcmp(f->name, "..")) {
		cb_err_set(err, CB_E_CANTCREAT, "%s: not the name of a file", path);
		goto fail;
	}
	f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", path);
		goto fail;
	}
	if (!fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (!replace) {
			cb_err_sys(err, CB_E_CANTCREAT, EEXIST, "%s", path);
			goto fail;
		}
		if (S_ISDIR(st.st_mode)) {
			cb_err_sys(err, CB_E_CANTCREAT, EISDIR, "%s", path);
			goto fail;
		}
	}
	if (temporary(f, mode) < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", path);
		goto fail;
	}
	free(dir);
	return 0;
fail:
	free(dir);
	cb_newfile_release(f);
	return -1;
}

/* The name, given only if nothing has it; where the file system knows no such rename, by a link. */
static int give_name(struct cb_newfile *f)
{
	if (!f->temp) {
		if (link_as(f, f->name) == 0)
			return 0;
		/* a link never replaces: between these two calls alone a kill leaves the temporary name */
		if (!f->replace || errno != EEXIST || with_temp_name(f, link_temp, 0) < 0)
			return -1;
	}
	if (f->replace)
		return renameat(f->dir, f->temp, f->dir, f->name);
	if (!renameat2(f->dir, f->temp, f->dir, f->name, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(f->dir, f->temp, f->dir, f->name, 0) < 0)
		return -1;
	unlinkat(f->dir, f->temp, 0);
	return 0;
}

int cb_newfile_commit(struct cb_newfile *f, struct cb_err *err)
{
	int ret = -1;

	if (cb_fsync(f->fd) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "%s: sync", f->name);
		goto out;
	}
	if (give_name(f) < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", f->name);
		goto out;
	}
	free(f->temp);
	f->temp = NULL;
	/* it is there and whole; only whether its name outlives a power cut is open now */
	if (cb_fsync(f->dir) < 0 && errno != EINVAL) {
		cb_err_sys(err, CB_E_IO, errno, "%s: sync its directory", f->name);
		goto out;
	}
	ret = close(f->fd);
	f->fd = -1;
	if (ret < 0)
		cb_err_sys(err, CB_E_IO, errno, "%s: close", f->name);
out:
	cb_newfile_release(f);
	return ret;
}

void cb_newfile_release(struct cb_newfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->temp && f->dir >= 0)
		unlinkat(f->dir, f->temp, 0);
	if (f->dir >= 0)
		close(f->dir);
	free(f->temp);
	free(f->name);
	*f = (struct cb_newfile)CB_NEWFILE_INIT;
}

int cb_newfile_write(const char *path, mode_t mode, bool replace, const void *p, size_t n,
		     struct cb_err *err)
{
	struct cb_newfile f;

	if (cb_newfile_open(&f, path, mode, replace, err) < 0)
		return -1;
	if (cb_write_all(f.fd, p, n, err) < 0) {
		cb_newfile_release(&f);
		return cb_err_prefix(err, "%s", path);
	}
	return cb_newfile_commit(&f, err);
}
