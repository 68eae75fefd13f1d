/* SPDX-License-Identifier: Apache-2.0 */
/* A file that appears whole or not at all: it is written without a name (O_TMPFILE), or under
 * a temporary one beside its own where the file system cannot do that; synced; and given its
 * name at the end. Until then nothing has that name, or what had it is untouched. A process that
 * is killed leaves nothing; ".NAME.XXXXXXXX.tmp" where there had to be a temporary name, which
 * where another file is replaced is so between the last two system calls, too. */
#ifndef CB_BASE_NEWFILE_H
#define CB_BASE_NEWFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct cb_newfile {
	int fd;			/* write here; -1: none */
	int dir;
	bool replace;
	char *name, *temp;	/* in dir; temp NULL: it has no name yet */
};
#define CB_NEWFILE_INIT { -1, -1, false, NULL, NULL }

/* Begin. Without replace, a path that is taken is CB_E_CANTCREAT, here already and again at
 * the end. mode is as of open(2). Messages begin with the path. */
int cb_newfile_open(struct cb_newfile *f, const char *path, mode_t mode, bool replace, struct cb_err *err);
/* Sync, name, sync the directory, close. On failure the temporary file is gone, too. */
int cb_newfile_commit(struct cb_newfile *f, struct cb_err *err);
/* Leave nothing, where it was not committed. Any number of times. */
void cb_newfile_release(struct cb_newfile *f);
/* All in one: a small file of these bytes. */
int cb_newfile_write(const char *path, mode_t mode, bool replace, const void *p, size_t n,
		     struct cb_err *err);

#endif
