/* SPDX-License-Identifier: Apache-2.0 */
/* Room that is kept for the moment when there is none. */
#include "store/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"

#define NAME "ballast"

/* Bytes that this process may still write there, and how many the ballast is to have. */
static int sizes(const struct cb_store *s, uint64_t *ret_free, uint64_t *ret_size)
{
	struct statvfs v;
	uint64_t size;

	if (fstatvfs(s->fd, &v) < 0)
		return -1;
	*ret_free = (uint64_t)(geteuid() == 0 ? v.f_bfree : v.f_bavail) * v.f_frsize;
	size = (uint64_t)v.f_blocks * v.f_frsize / 16;
	if (size == 0 || size > CB_BALLAST_BYTES)	/* 0: a file system that does not say */
		size = CB_BALLAST_BYTES;
	*ret_size = size;
	return 0;
}

static bool whole(int fd, uint64_t size)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size >= size &&
	       (uint64_t)st.st_blocks * 512 >= size;
}

/* Where there is no fallocate(2), or one that only promises: bytes that nothing can compress. */
static int fill(int fd, uint64_t size, struct cb_err *err)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15), block[8192];

	if (cb_ftruncate(fd, 0) < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, NAME);
	for (uint64_t at = 0; at < size; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block) / sizeof(*block); i++) {	/* xorshift64 */
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			block[i] = x;
		}
		if (cb_write_all(fd, block, size - at < sizeof(block) ? size - at : sizeof(block), err) < 0)
			return cb_err_prefix(err, NAME);
	}
	/* what is not allocated until it is written out would be no reserve */
	if (cb_fdatasync(fd) < 0)
		return cb_err_sys(err, CB_E_IO, errno, NAME);
	return 0;
}

static int make(int fd, uint64_t size, uint64_t want, struct cb_err *err)
{
	int k;

	/* as long as what is wanted, so that a quota is asked too, then cut */
	while ((k = fallocate(fd, 0, 0, (off_t)want)) < 0 && errno == EINTR)
		;
	if (k < 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
		return cb_err_sys(err, cb_errc_write(errno), errno, NAME);
	if (k < 0 || !whole(fd, size)) {
		if (fill(fd, want, err) < 0)
			return -1;
	}
	if (cb_ftruncate(fd, (off_t)size) < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, NAME);
	return 0;
}

int cb_ballast_make(const struct cb_store *s, bool margin, struct cb_err *err)
{
	uint64_t left, size, want;
	int fd, ret = -1;

	if (sizes(s, &left, &size) < 0)
		return cb_err_sys(err, CB_E_IO, errno, NAME);
	fd = cb_openat(s->fd, NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0640);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, NAME);
	if (whole(fd, size)) {
		/* somebody was killed before he had cut it */
		if (lseek(fd, 0, SEEK_END) > (off_t)size && flock(fd, LOCK_EX | LOCK_NB) == 0)
			ret = ftruncate(fd, (off_t)size) < 0 ? cb_err_sys(err, cb_errc_write(errno), errno, NAME) : 0;
		else
			ret = 0;
		goto out;
	}
	if (cb_flock(fd, LOCK_EX | LOCK_NB) < 0) {
		cb_err_sys(err, CB_E_IO, errno == EWOULDBLOCK ? ENOSPC : errno, NAME);
		goto out;
	}
	want = margin ? 2 * size : size;
	/* asked first, so as not to take from others what is too little for us anyway */
	if (left < want) {
		cb_err_sys(err, CB_E_IO, ENOSPC, NAME);
		goto out;
	}
	ret = make(fd, size, want, err);
	if (ret < 0 && cb_ftruncate(fd, 0) < 0)
		cb_err_prefix(err, "truncate");
out:
	close(fd);
	return ret;
}

int cb_ballast_drop(const struct cb_store *s, struct cb_err *err)
{
	int fd = cb_openat(s->fd, NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = 0;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : cb_err_sys(err, cb_errc_write(errno), errno, NAME);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size && cb_ftruncate(fd, 0) < 0)
		ret = cb_err_sys(err, cb_errc_write(errno), errno, NAME);
	close(fd);
	return ret;
}

void cb_ballast_lend(const struct cb_store *s)
{
	uint64_t left, size;

	if (sizes(s, &left, &size) == 0 && left < size / 8)
		cb_ballast_drop(s, NULL);
}

bool cb_ballast_room(const struct cb_store *s, uint64_t bytes)
{
	uint64_t left, size;
	struct stat st;

	if (sizes(s, &left, &size) < 0 || left > bytes + 2 * size)
		return true;
	return fstatat(s->fd, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && (uint64_t)st.st_size >= size;
}
