/* SPDX-License-Identifier: Apache-2.0 */
/* The spool: notes that wait for their sinks, those that nobody took, and what was decided, in
 * one LMDB file DIR/spool.mdb. Several processes may have it open; each change is a transaction
 * that is on the disk when the call returns, or has not happened.
 *
 *     queue   SINK NUL number[8, BE] -> note       in this order a sink
 *     dead    the same                             notes that were given up
 *     said    number[8, BE] -> decision            until somebody has heard them
 *     count   SINK NUL WORD -> number[8, LE]       in, delivered, failed, dropped, replayed
 *
 * A note's number is never used twice. LMDB asks of its users: no file system of a network, one
 * open of a file a process, no use across fork(2).
 */
#ifndef CB_DELIVER_SPOOL_H
#define CB_DELIVER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CB_NOTE_ID_MAX 64
#define CB_NOTE_TEXT_MAX 4096		/* bytes of group, title, text; more is cut */
#define CB_NOTE_LINE_MAX 65536
#define CB_NOTE_JPEG_MAX (1u << 20)
#define CB_SPOOL_BYTES (UINT64_C(1) << 30)	/* by default */

/* A note for one sink. Texts may be NULL. */
struct cb_note_out {
	const char *id;			/* letters, digits, '-' and '_'; stable: the receiver's key */
	const char *sink;
	const char *group, *severity, *title, *text;
	const char *line;		/* the event */
	size_t len;
	int64_t t_us;			/* its time */
	const uint8_t *jpeg;		/* a thumbnail, or NULL */
	size_t jpeg_len;
};

/* A note in the spool. */
struct cb_spooled {
	uint64_t number;
	uint32_t attempts;		/* made so far */
	int64_t put_us, next_us;	/* wall: when it came; not before */
	struct cb_note_out note;	/* texts are never NULL here */
	const char *reason;		/* of the last failure, "" */
	struct cb_spooled *next;	/* for its owner */
	struct cb_settled *result;
	uint8_t bytes[];
};

enum cb_decided { CB_DELIVERED = 1, CB_FAILED, CB_DEAD, CB_DROPPED, CB_REPLAYED };
struct cb_decision {
	enum cb_decided what;
	uint64_t number;		/* of the decision: grows, never used twice */
	const char *id, *sink, *group, *reason;
	uint32_t attempts;		/* this one included */
	int64_t t_us;			/* wall, when it was decided */
	int64_t next_us;		/* FAILED: when it is tried again */
	int64_t event_us;		/* the note's time */
};
/* "delivered", "failed", "dead", "dropped", "replayed" */
const char *cb_decided_name(enum cb_decided what);

/* What became of a note, to be written down. */
struct cb_settled {
	struct cb_spooled *note;	/* attempts as before this one */
	enum cb_decided what;		/* DELIVERED, FAILED, DEAD */
	int64_t now_us, next_us;
	char reason[256];
	struct cb_settled *next;
};

struct cb_spool;

/* create: the directory is made. Without it a spool that is not there is CB_E_NOINPUT. */
int cb_spool_open(struct cb_spool **ret, const char *dir, uint64_t bytes, bool create, struct cb_err *err);
void cb_spool_close(struct cb_spool *s);
/* Only one process delivers from a spool: CB_E_TEMP where another still does after five seconds.
 * Held until all copies of the descriptor are closed: a helper that has one keeps it. */
int cb_spool_own(struct cb_spool *s, struct cb_err *err);
int cb_spool_owner_fd(const struct cb_spool *s);

/* Append a note to b, as cb_spool_put takes it. CB_E_DATA: too long, or a bad id or sink. */
int cb_spool_pack(struct cb_buf *b, const struct cb_note_out *n, int64_t now_us, struct cb_err *err);
/* Put packed notes, all of b, in one transaction. Those for which there is no room are counted
 * and decided DROPPED. saying, or NULL: bytes that the caller will say about it once this has
 * returned; they are kept in the same transaction, in the place of those of the put before. */
int cb_spool_put(struct cb_spool *s, const struct cb_buf *b, const struct cb_buf *saying, struct cb_err *err);
/* What was put has been said, and what was heard so far was passed on: a process that dies from
 * here on leaves nothing that would have to be said again. Of the one who owns the spool. */
void cb_spool_said(struct cb_spool *s);
/* After cb_spool_own: what the owner before was about to say when it died, appended to ret. */
int cb_spool_unsaid(struct cb_spool *s, struct cb_buf *ret, struct cb_err *err);
/* The first note of a sink behind a number, malloc'ed; *ret NULL: none. */
int cb_spool_next(struct cb_spool *s, const char *sink, uint64_t after, bool dead,
		  struct cb_spooled **ret, struct cb_err *err);
/* Write down a list of what happened. */
int cb_spool_settle(struct cb_spool *s, const struct cb_settled *list, struct cb_err *err);
/* Hear up to max decisions, oldest first, each once an open of the spool. After cb_spool_said they are
 * forgotten with the next put, or by cb_spool_forget; until then another open hears them again.
 * Returns how many, or -1. */
int cb_spool_forget(struct cb_spool *s, struct cb_err *err);
int cb_spool_hear(struct cb_spool *s, uint32_t max,
		  int (*fn)(void *ctx, const struct cb_decision *d, struct cb_err *err), void *ctx,
		  struct cb_err *err);

struct cb_spool_sum {
	uint64_t in, delivered, failed, dropped, replayed;	/* ever; failed: attempts */
	uint64_t queued, dead;					/* now */
	int64_t oldest_us;		/* of what is queued: when it came; 0: nothing */
	uint32_t attempts;		/* of the first that is queued */
	char reason[256];		/* why that was not taken */
};
/* Of a sink; sink NULL: of all, without the last three. */
int cb_spool_sum(struct cb_spool *s, const char *sink, struct cb_spool_sum *ret, struct cb_err *err);
/* Every sink that the spool knows, whether configured or not. fn -1 ends it. */
int cb_spool_sinks(struct cb_spool *s, int (*fn)(void *ctx, const char *sink, struct cb_err *err),
		   void *ctx, struct cb_err *err);
/* Is anything queued for it? */
bool cb_spool_waits(struct cb_spool *s, const char *sink);

/* Dead ones back into the queue, behind what is there, with their attempts forgotten (replay) or
 * away (drop). sink NULL: of all; id NULL: all. Returns how many. */
int64_t cb_spool_revive(struct cb_spool *s, const char *sink, const char *id, bool drop, int64_t now_us,
			struct cb_err *err);

#endif
