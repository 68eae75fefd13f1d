/* SPDX-License-Identifier: Apache-2.0 */
/* A log that is being written: what log.c, roll.c, init.c and epoch.c share. Private to lib/log. */
#ifndef CB_LOG_LOG_PRIV_H
#define CB_LOG_LOG_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/evolve.h"
#include "log/journal.h"
#include "log/log.h"
#include "log/merkle.h"
#include "log/seal.h"
#include "log/tile.h"

struct cb_log {
	int dir, state, lock;		/* the log, its state/, the lock in it */
	int file[2];			/* state/journal.0 and .1 */
	struct cb_log_opts o;
	struct cb_enrolment en;
	struct cb_json *json;
	bool loaded, warned;
	struct cb_journal j;		/* the one in force */
	off_t room;			/* bytes of its file that are allocated */
	size_t synced;			/* how far it is known to be on the disk */
	struct cb_frontier f;		/* of all its entries */
	int64_t kept;			/* the epoch whose seed is known to be the only one left, or -1 */
};

void cb_log_warn(struct cb_log *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int64_t cb_log_now_us(const struct cb_log *l);

/* --- log.c ------------------------------------------------------------------------------------ */

/* Take the lock and take in what others did meanwhile; give it back. */
int cb_log_lock(struct cb_log *l, struct cb_err *err);
void cb_log_unlock(struct cb_log *l);
/* Seal what has ended; the time that an entry of now gets, and whether it is not the clock's.
 * The lock is held. CB_E_CONFIG: no epoch is left. Returns the seals made. */
int cb_log_seal_due(struct cb_log *l, int64_t *ret_us, bool *ret_clamped, struct cb_err *err);
/* Append one of the log's own events at that time, in memory; commit follows. The data object
 * is open for more. */
void cb_log_own(struct cb_jw *w, struct cb_buf *b, const struct cb_log *l, const char *type, int64_t us);
int cb_log_put_own(struct cb_log *l, struct cb_jw *w, struct cb_buf *b, int64_t us, bool clamped,
		   uint32_t seal, struct cb_err *err);
/* Where the journal was; what was put after it goes to the disk, or is taken back. */
struct cb_log_mark {
	struct cb_journal_mark j;
	struct cb_frontier f;
};
void cb_log_mark(const struct cb_log *l, struct cb_log_mark *ret);
void cb_log_back(struct cb_log *l, const struct cb_log_mark *m);
int cb_log_commit(struct cb_log *l, const struct cb_log_mark *m, struct cb_err *err);
/* Say in the lock file how far the journal is on the disk. */
void cb_log_hint(struct cb_log *l);

/* --- roll.c: from the journal to tiles -------------------------------------------------------- */

/* Write the full tiles and bundles that the journal holds, and begin the next journal. Where
 * it fails nothing is lost: the journal goes on, and is longer. The lock is held. */
int cb_log_roll(struct cb_log *l, struct cb_err *err);

/* --- epoch.c: seeds and the tree of epoch keys ------------------------------------------------- */

#define CB_LOG_EPOCH_FILE "epochs"

/* The public keys of n epochs from e on (which is moved past them): their tree to the file
 * epochs in state, its root. */
int cb_epochs_make(int state, struct cb_evolve *e, uint32_t n, uint8_t ret_root[static CB_HASH_LEN],
		   struct cb_err *err);
/* The proof of an epoch's key. CB_E_DATA where the file does not lead to the enrolled root. */
int cb_epochs_prove(int state, const struct cb_enrolment *en, struct cb_seal *s, struct cb_err *err);

/* The seed of an epoch, from state/seed.N, or made of an earlier one. CB_E_CONFIG: there is
 * none; CB_E_DATA: only later ones are left, or it is damaged. */
int cb_seed_get(struct cb_evolve **ret, int state, uint32_t epoch, struct cb_err *err);
/* Keep e as that epoch's, durably, and destroy the earlier ones: overwritten, synced, removed.
 * e NULL: only destroy those before epoch. */
int cb_seed_keep(int state, uint32_t epoch, const struct cb_evolve *e, struct cb_err *err);
/* Finish what was begun: at the end seed.EPOCH is the only one, or, with epoch == epochs, none. */
int cb_seed_recover(int state, uint32_t epoch, uint32_t epochs, struct cb_err *err);

/* --- dir.c: files that are there whole or not at all ------------------------------------------- */

/* Write a file below root, making its directories: under a temporary name, synced, renamed. The
 * directory is synced, too, unless dirs collects it. mode is as of open(2). */
struct cb_dirs {
	int fd[8];
	char name[8][CB_TILE_PATH];
	unsigned n;
};
int cb_dir_put(int root, const char *path, mode_t mode, const void *p, size_t n, struct cb_dirs *dirs,
	       struct cb_err *err);
/* Several such files at a time, whose syncs cost little more than one: stage writes, commit
 * syncs and renames (not the directories: cb_dirs_sync). stage commits by itself when it is full. */
#define CB_DIR_STAGED 64
struct cb_dir_stage {
	int root;
	struct cb_dirs *dirs;
	unsigned n;
	int fd[CB_DIR_STAGED];
	char path[CB_DIR_STAGED][CB_TILE_PATH];
};
int cb_dir_stage(struct cb_dir_stage *s, const char *path, mode_t mode, const void *p, size_t n, struct cb_err *err);
int cb_dir_commit(struct cb_dir_stage *s, struct cb_err *err);
void cb_dir_stage_release(struct cb_dir_stage *s);

int cb_dirs_sync(struct cb_dirs *d, struct cb_err *err);
void cb_dirs_release(struct cb_dirs *d);
/* Across EINTR. */
int cb_sync_fd(int fd, bool data, const char *what, struct cb_err *err);
int cb_pwrite_all(int fd, const void *p, size_t n, off_t at, const char *what, struct cb_err *err);
/* A small file; CB_E_NOINPUT where there is none. NUL-terminated. */
int cb_dir_get(int root, const char *path, size_t max, struct cb_buf *out, struct cb_err *err);
/* The code for an error while writing. */
enum cb_errc cb_log_errc(int errnum);

#endif
