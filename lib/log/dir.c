/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a log that appear whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "log/log-priv.h"

#define MANY 16		/* files for which one sync of the file system is cheaper than one of each */
#define TEMP ".new"	/* one at a time: the lock is held */

enum cb_errc cb_log_errc(int errnum)
{
	return errnum == EACCES || errnum == EPERM || errnum == EROFS ? CB_E_PERM : CB_E_IO;
}

int cb_sync_fd(int fd, bool data, const char *what, struct cb_err *err)
{
	while ((data ? fdatasync(fd) : fsync(fd)) < 0)
		if (errno != EINTR)
			return cb_err_sys(err, CB_E_IO, errno, "%s: sync", what);
	return 0;
}

int cb_pwrite_all(int fd, const void *p, size_t n, off_t at, const char *what, struct cb_err *err)
{
	const uint8_t *b = p;

	while (n) {
		ssize_t k = pwrite(fd, b, n, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return cb_err_sys(err, CB_E_IO, k < 0 ? errno : ENOSPC, "%s", what);
		b += k;
		n -= (size_t)k;
		at += k;
	}
	return 0;
}

/* The directories above path, each synced into its parent when it is new. */
static int make_parents(int root, const char *path, struct cb_err *err)
{
	char part[CB_TILE_PATH];
	int up;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		while (mkdirat(root, part, 0777) < 0) {
			if (errno == EEXIST)
				goto next;
			if (errno != EINTR)
				return cb_err_sys(err, cb_log_errc(errno), errno, "%s", part);
		}
		if (strrchr(part, '/'))
			*strrchr(part, '/') = '\0';
		else
			strcpy(part, ".");
		up = openat(root, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (up < 0)
			return cb_err_sys(err, CB_E_IO, errno, "%s", part);
		if (cb_sync_fd(up, false, part, err) < 0) {
			close(up);
			return -1;
		}
		close(up);
next:;
	}
	return 0;
}

int cb_dirs_sync(struct cb_dirs *d, struct cb_err *err)
{
	for (unsigned i = 0; i < d->n; i++)
		if (cb_sync_fd(d->fd[i], false, d->name[i], err) < 0)
			return -1;
	return 0;
}

void cb_dirs_release(struct cb_dirs *d)
{
	while (d->n)
		close(d->fd[--d->n]);
}

/* Have the directory of path open before anything in it changes, so that what goes wrong with
 * it is seen at its sync. */
static int note_dir(struct cb_dirs *d, int root, const char *path, struct cb_err *err)
{
	const char *slash = strrchr(path, '/');
	char name[CB_TILE_PATH];
	int fd;

	snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	for (unsigned i = 0; i < d->n; i++)
		if (strcmp(d->name[i], name) == 0)
			return 0;
	if (d->n == sizeof(d->fd) / sizeof(*d->fd)) {
		if (cb_dirs_sync(d, err) < 0)
			return -1;
		cb_dirs_release(d);
	}
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (make_parents(root, path, err) < 0)
			return -1;
		fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return cb_err_sys(err, cb_log_errc(errno), errno, "%s", name);
	strcpy(d->name[d->n], name);
	d->fd[d->n++] = fd;
	return 0;
}

static void staged_name(char out[static 16], unsigned i)
{
	snprintf(out, 16, TEMP ".%u", i);
}

void cb_dir_stage_release(struct cb_dir_stage *s)
{
	while (s->n)
		close(s->fd[--s->n]);
}

/* Since Linux 5.8 syncfs(2) says what went wrong since the descriptor was opened; before, nothing. */
static bool syncfs_tells(void)
{
	struct utsname u;
	int major, minor;

	return uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 8));
}

int cb_dir_commit(struct cb_dir_stage *s, struct cb_err *err)
{
	char temp[16];
	int ret = 0;

	if (s->n >= MANY && syncfs_tells()) {
		while (ret == 0 && syncfs(s->fd[0]) < 0)
			if (errno != EINTR)
				ret = cb_err_sys(err, CB_E_IO, errno, "tile: sync");
	} else {
		for (unsigned i = 0; i < s->n && ret == 0; i++)
			ret = cb_sync_fd(s->fd[i], false, s->path[i], err);
	}
	for (unsigned i = 0; i < s->n && ret == 0; i++) {
		staged_name(temp, i);
		while (ret == 0 && renameat(s->root, temp, s->root, s->path[i]) < 0)
			if (errno != EINTR)
				ret = cb_err_sys(err, cb_log_errc(errno), errno, "%s", s->path[i]);
	}
	cb_dir_stage_release(s);
	return ret;
}

int cb_dir_stage(struct cb_dir_stage *s, const char *path, mode_t mode, const void *p, size_t n, struct cb_err *err)
{
	char temp[16];
	int fd;

	if (s->n == CB_DIR_STAGED && cb_dir_commit(s, err) < 0)
		return -1;
	/* a full list of directories is synced to make room: what goes into them must be there */
	if (s->dirs->n == sizeof(s->dirs->fd) / sizeof(*s->dirs->fd) && cb_dir_commit(s, err) < 0)
		return -1;
	if (note_dir(s->dirs, s->root, path, err) < 0)
		return -1;
	staged_name(temp, s->n);
	do
		fd = openat(s->root, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return cb_err_sys(err, cb_log_errc(errno), errno, "%s", path);
	snprintf(s->path[s->n], CB_TILE_PATH, "%s", path);
	s->fd[s->n++] = fd;
	if (cb_pwrite_all(fd, p, n, 0, path, err) < 0)
		return -1;
	/* begin to write now; what goes wrong is seen by the sync */
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

int cb_dir_put(int root, const char *path, mode_t mode, const void *p, size_t n, struct cb_dirs *dirs,
	       struct cb_err *err)
{
	struct cb_dirs own = { .n = 0 }, *d = dirs ? dirs : &own;
	int fd = -1, ret = -1;

	if (note_dir(d, root, path, err) < 0)
		goto out;
	do
		fd = openat(root, TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0) {
		cb_err_sys(err, cb_log_errc(errno), errno, "%s", path);
		goto out;
	}
	if (cb_pwrite_all(fd, p, n, 0, path, err) < 0 || cb_sync_fd(fd, false, path, err) < 0)
		goto out;
	while (renameat(root, TEMP, root, path) < 0)
		if (errno != EINTR) {
			cb_err_sys(err, cb_log_errc(errno), errno, "%s", path);
			goto out;
		}
	ret = dirs ? 0 : cb_dirs_sync(d, err);
out:
	if (fd >= 0)
		close(fd);
	cb_dirs_release(&own);
	return ret;
}

int cb_dir_get(int root, const char *path, size_t max, struct cb_buf *out, struct cb_err *err)
{
	int fd = openat(root, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = -1;
	struct stat st;
	ssize_t k;

	out->len = 0;
	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)max) {
		cb_err_set(err, CB_E_DATA, "%s: not what it should be", path);
		goto out;
	}
	if (cb_buf_reserve(out, max + 1) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	while ((k = read(fd, out->data + out->len, max - out->len)) != 0) {
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			cb_err_sys(err, CB_E_IO, errno, "%s", path);
			goto out;
		}
		out->len += (size_t)k;
	}
	out->data[out->len] = '\0';
	ret = 0;
out:
	close(fd);
	return ret;
}
