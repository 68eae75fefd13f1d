/* SPDX-License-Identifier: Apache-2.0 */
/* Where an export goes: a directory, or a tar archive (POSIX.1-1988 ustar) in a file or on a
 * descriptor. Each file is written once, whole, in the order of the calls, and hashed while it
 * is written; the list of them is what SHA256SUMS says.
 *
 * Nothing half-written: a directory or an archive is made beside its place as NAME.part, brought to
 * the disk and renamed by commit, which replaces nothing. What was not committed is removed by
 * free. A descriptor cannot be taken back: there the archive's end, two empty blocks, comes with
 * commit, and so does that of what is encrypted.
 *
 * Equal files give an equal archive: owner 0, mode 0640, one modification time for all. */
#ifndef CB_EXPORT_BUNDLE_H
#define CB_EXPORT_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/age.h"
#include "crypto/hash.h"

#define CB_BUNDLE_NAME 80	/* "manifests/075442-0123456789ab.manifest", with NUL */
#define CB_BUNDLE_TOP 100	/* the archive's one directory, with NUL */

/* A file of the bundle. */
struct cb_bundle_file {
	char name[CB_BUNDLE_NAME];	/* relative, with at most one '/' */
	uint64_t size;
	uint8_t sha256[CB_SHA256_LEN];
};

struct cb_bundle_opts {
	const char *path;	/* what is to be there in the end */
	bool tar;		/* an archive, not a directory */
	int fd;			/* >= 0: the archive goes there, and path only names it */
	const char *top;	/* archive: the directory in it */
	int64_t mtime_s;	/* archive: when its files were modified */
	const struct cb_age_to *to;	/* archive: encrypted for these; NULL or empty: not encrypted */
};

struct cb_bundle;
/* Errors: CANTCREAT (something of that name, or of NAME.part, is there; no such directory), PERM. */
int cb_bundle_create(struct cb_bundle **ret, const struct cb_bundle_opts *o, struct cb_err *err);
/* A file of exactly size bytes: begin, write until they are there, end. Errors: IO, CANTCREAT;
 * USAGE for more than 8 GiB in an archive, which ustar cannot hold. */
int cb_bundle_begin(struct cb_bundle *b, const char *name, uint64_t size, struct cb_err *err);
int cb_bundle_write(struct cb_bundle *b, const void *p, size_t n, struct cb_err *err);
int cb_bundle_end(struct cb_bundle *b, struct cb_err *err);
/* The three at once. */
int cb_bundle_put(struct cb_bundle *b, const char *name, const void *p, size_t n, struct cb_err *err);
/* All files so far; the bundle's, until its next call. */
const struct cb_bundle_file *cb_bundle_files(const struct cb_bundle *b, size_t *ret_n);
/* Everything on the disk and in its place. */
int cb_bundle_commit(struct cb_bundle *b, struct cb_err *err);
/* NULL is fine. */
void cb_bundle_free(struct cb_bundle *b);

#endif
