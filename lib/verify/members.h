/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a bundle, in a directory or in a tar archive (POSIX.1-1988 ustar) that is never
 * unpacked. What has no place in a bundle is found and left alone: names that are absolute, have
 * "..", control characters or empty parts, or come twice; links, devices, pipes; files that an
 * archive has not the bytes of. Symbolic links are followed nowhere. */
#ifndef CB_VERIFY_MEMBERS_H
#define CB_VERIFY_MEMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/hash.h"

#define CB_MEMBERS_MAX 65536u	/* files of a bundle */
#define CB_MEMBER_NAME 256	/* with NUL; at most CB_MEMBER_DEPTH directories in it */
#define CB_MEMBER_DEPTH 4

struct cb_member {
	char *name;		/* relative, "clip/075442-0123456789ab.mp4" */
	uint64_t size, at;	/* at: of its first byte in an archive */
};
struct cb_members {
	struct cb_member *v;	/* by name */
	size_t n;
	/* private */
	int fd;
	int tar;
	uint64_t end;		/* of an archive */
};

/* What is not as it should be; name is the member's, or what is left of it. */
typedef int cb_members_fn(void *ctx, const char *name, int64_t byte, const char *text, struct cb_err *err);
/* fn is told of each; -1 where it fails, or where it is no bundle at all: CB_E_DATA, NOINPUT, IO. */
int cb_members_open(struct cb_members *m, const char *path, cb_members_fn *fn, void *ctx, struct cb_err *err);
void cb_members_close(struct cb_members *m);
/* NULL: there is none. */
const struct cb_member *cb_members_find(const struct cb_members *m, const char *name);

/* A member's bytes, one after another. CB_E_DATA: it is shorter than it was, or no regular file
 * any more. */
struct cb_member_reader {
	const struct cb_member *f;
	int fd, own;
	uint64_t at, left;
};
int cb_member_open(struct cb_member_reader *r, const struct cb_members *m, const struct cb_member *f,
		   struct cb_err *err);
/* Exactly n bytes, n at most what is left. */
int cb_member_read(struct cb_member_reader *r, void *p, size_t n, struct cb_err *err);
void cb_member_close(struct cb_member_reader *r);
/* A whole small member, malloc'ed and NUL-terminated; more than max is CB_E_DATA. */
int cb_member_load(const struct cb_members *m, const struct cb_member *f, size_t max, char **ret, size_t *ret_len,
		   struct cb_err *err);

#endif
