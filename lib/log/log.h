/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a log (cb-log(5)): a directory that several processes append to, without a daemon.
 *
 * An append takes the log's lock, writes to the journal, syncs once, and lets go: what it
 * returned 0 for is on the disk. Whoever appends first after the end of an epoch seals it, and
 * every other that has ended, before its own entry, and destroys the epoch's key. So appending
 * needs no signing key but the epoch's seed in state/; a checkpoint needs the log's.
 *
 * Every call but close takes and gives back the lock; between calls nothing is held. One object
 * is one thread's, and does not live across fork. A process that is killed at any point costs at
 * most entries that it had no answer for; the next one to come finishes what was begun. An entry
 * whose append failed is not in the log, or, after a kill, may be. */
#ifndef CB_LOG_LOG_H
#define CB_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/minisign_sign.h"
#include "log/seal.h"
#include "wire/json.h"

#define CB_LOG_LINE_MAX 59999u		/* bytes of a line to append, without LF */
#define CB_LOG_BATCH_MAX 65536u		/* lines of one append */
#define CB_LOG_EPOCHS 315648u		/* of a new log: three years of five minutes */

struct cb_log;

struct cb_log_opts {
	int64_t lock_ns;	/* wait so long for the lock, then CB_E_TEMP; 0: without end */
	int64_t leap_ns;	/* how far the clock may be ahead of the last entry; 0: 31 days */
	int64_t now_us;		/* for tests: the time, instead of the clock's; 0: none */
	void (*warn)(void *ctx, const char *text);	/* or NULL */
	void *ctx;
};

/* --- making one ---------------------------------------------------------------------------- */

struct cb_log_new {
	const char *origin;		/* its name: a host and path without scheme */
	const struct cb_seckey *key;	/* that will sign its checkpoints */
	const struct cb_seckey *org;	/* that vouches for the epochs; or NULL */
	uint32_t epoch_s, epochs;	/* 0: CB_LOG_EPOCH_S, CB_LOG_EPOCHS */
	const char *previous;		/* directory of a log that has ended and that this one goes on after */
	int64_t now_us;			/* as above */
};
/* Make the directory path (nothing, or an empty one), with entry 0. Whole, or not there.
 * CANTCREAT, DATA (origin), NOINPUT (previous). Takes some microseconds an epoch. */
int cb_log_init(const char *path, const struct cb_log_new *n, struct cb_err *err);

/* --- appending ------------------------------------------------------------------------------- */

/* Open, and finish what a process that was killed had begun. o may be NULL. NOINPUT: no such
 * directory; DATA: no log, one that lost entries that were durable, or one whose seed is ahead
 * of it; PERM; TEMP (locked). */
int cb_log_open(struct cb_log **ret, const char *path, const struct cb_log_opts *o, struct cb_err *err);
/* NULL is fine. */
void cb_log_close(struct cb_log *l);

/* Append n lines, JSON objects without LF, each to become an entry with its recordedtime first;
 * all of them or none, with one sync. *ret_first: the index of the first (may be NULL). An
 * array of line lengths and bytes as of iovec. Errors: DATA "line K: reason" (from 1): not an
 * object, one with recordedtime or a type cb.log.*, too long; TEMP: locked, or the clock is
 * ahead beyond leap_ns; CONFIG: the epochs are used up; IO. */
int cb_log_append(struct cb_log *l, const struct iovec *line, size_t n, uint64_t *ret_first,
		  struct cb_err *err);
/* The same of one line, in b; for events that a tool has made. */
int cb_log_say(struct cb_log *l, const struct cb_buf *b, struct cb_err *err);
/* Begin such an event: cb_event_begin with the time of now and an id of its own. End it with
 * cb_event_end. */
void cb_log_event(struct cb_jw *w, struct cb_buf *b, const char *tool, const char *type, const char *camera);
/* Seal what has ended, and nothing else: 0 where nothing had, or the count of seals. A keeper
 * of a log that is otherwise silent calls it once an epoch: that is the log's heartbeat. */
int cb_log_tick(struct cb_log *l, struct cb_err *err);

/* Entries now (that other processes appended are counted from the next append on). */
uint64_t cb_log_size(const struct cb_log *l);
const struct cb_enrolment *cb_log_enrolment(const struct cb_log *l);

/* --- publishing ---------------------------------------------------------------------------- */

/* Write what tiles are incomplete, and a checkpoint over all entries, signed by key and by the
 * current epoch's. It is a continuation of the last one, or DATA. CONFIG: not the log's key. */
int cb_log_checkpoint(struct cb_log *l, const struct cb_seckey *key, struct cb_err *err);

/* Add witnesses' signature lines to the checkpoint: those that are there already are passed
 * over, those that are not true, or not by a witness of the file policy, are CB_E_NO and nothing
 * is added. *ret_added: how many were. */
int cb_log_cosign(struct cb_log *l, const char *lines, size_t n, unsigned *ret_added, struct cb_err *err);
/* Those of a file, or of stdin ("-"); in errors the file is named, or the log as log has it. */
int cb_log_cosign_file(struct cb_log *l, const char *path, const char *log, unsigned *ret_added, struct cb_err *err);

/* Delete the bundles that lie whole below index, tiles and proofs staying as they are, after an
 * entry that says so: *ret_deleted bundles. Only what a checkpoint covers is deleted (DATA).
 * USAGE: the reason is longer than CB_LOG_REASON_MAX bytes. */
#define CB_LOG_REASON_MAX 1000u
int cb_log_prune(struct cb_log *l, uint64_t below, const char *reason, uint64_t *ret_deleted,
		 struct cb_err *err);

#endif
