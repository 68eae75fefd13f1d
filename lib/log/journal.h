/* SPDX-License-Identifier: Apache-2.0 */
/* A log's journal: where an entry lies from its append until its tile is full. Private to
 * lib/log; cb-log(5) describes it under "The journal".
 *
 * There are two files, state/journal.0 and .1. Each begins with a header of a multiple of 64
 * bytes: from which entry on it holds entries (base, a multiple of 256), what the tree was up
 * to there (the hashes of each level's incomplete tile, so that nothing need be read from
 * tiles to go on), and what the log was up to in time. Then records, each at a multiple of 64:
 *
 *     uint32 magic, uint16 length, uint16 flags, uint64 index, int64 recordedtime in us,
 *     uint32 seal (0, or the epoch sealed + 1), uint32 CRC-32C of these with itself 0 and of
 *     the leaf hash, leaf hash[32], the entry, zeros up to the next multiple of 64
 *
 * all little-endian. A record that is not whole, has another index than its place, or another
 * leaf hash than its entry ends the journal: that is how a torn write, and what an earlier use
 * of the file left, are told from entries. Files are used in turn and are never truncated, so
 * that one fdatasync without a change of size makes an append durable. The journal in force
 * is the one that reaches further; of two that reach equally far the one with the later base. */
#ifndef CB_LOG_JOURNAL_H
#define CB_LOG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/merkle.h"
#include "log/tile.h"

#define CB_JOURNAL_MAX (256u << 20)	/* bytes of a journal file that is read */
#define CB_JOURNAL_RECORD 64u		/* bytes of a record before its entry */

/* What is known at an entry: of all before it. */
struct cb_journal_at {
	uint64_t size;
	int64_t recorded_us;		/* of the last entry; INT64_MIN of none */
	uint32_t next_epoch;		/* the one to be sealed next */
	bool clamped;			/* the last entry's time is not the clock's */
};

/* The incomplete tiles of levels 1 and up at a multiple of 256 entries. */
struct cb_journal_edge {
	unsigned n[CB_TILE_LEVELS];	/* hashes; n[0] is always 0 */
	uint8_t *hash[CB_TILE_LEVELS];	/* room for 256 each, or NULL where n is 0 */
};
void cb_journal_edge_release(struct cb_journal_edge *e);
/* The root of one more full tile of level 0. Where it completes a tile, full(ctx) is given that
 * tile, its level and number, before it is passed upwards. */
typedef int cb_journal_full_fn(void *ctx, unsigned level, uint64_t n, const uint8_t *tile,
			       struct cb_err *err);
int cb_journal_edge_push(struct cb_journal_edge *e, uint64_t tile, const uint8_t root[static CB_HASH_LEN],
			 cb_journal_full_fn *full, void *ctx, struct cb_err *err);
int cb_journal_edge_copy(struct cb_journal_edge *to, const struct cb_journal_edge *from, struct cb_err *err);
/* The frontier of the tree of base entries. */
void cb_journal_edge_frontier(const struct cb_journal_edge *e, uint64_t base, struct cb_frontier *ret);

/* --- one file, in memory ------------------------------------------------------------------------ */

struct cb_journal {
	uint64_t base, generation;
	struct cb_journal_at at_base, at;	/* at the header's end, at the last record's end */
	struct cb_journal_edge edge;
	struct cb_buf bytes;		/* of the file, from its first */
	size_t head, tail;		/* where records begin and end */
	size_t n;
	size_t *where;			/* of each record, by its distance from base */
};
void cb_journal_release(struct cb_journal *j);
/* Is there a header? Then take in the records that follow it, from j->bytes. False: no journal
 * (empty, torn, damaged). -1 is not among the answers but for memory. */
int cb_journal_parse(struct cb_journal *j, struct cb_err *err);
/* Go on at the tail, after more was put to bytes: how many records, or -1 for memory. */
int cb_journal_more(struct cb_journal *j, struct cb_err *err);
/* Read the file name below state into j->bytes and parse it: 1, 0 (none), -1. */
int cb_journal_load(struct cb_journal *j, int state, const char *name, struct cb_err *err);
/* Which of two is in force: -1 where neither is one. */
int cb_journal_choose(const struct cb_journal j[2], const bool have[2]);

const uint8_t *cb_journal_leaf(const struct cb_journal *j, size_t k);
const uint8_t *cb_journal_entry(const struct cb_journal *j, size_t k, size_t *ret_len);

/* --- making bytes ------------------------------------------------------------------------------- */

/* Begin j anew with a header, at an entry whose number is a multiple of 256. -1: no memory. */
int cb_journal_begin(struct cb_journal *j, uint64_t generation, const struct cb_journal_at *at,
		     const struct cb_journal_edge *e);
/* One more record at its tail, in memory. seal: the epoch + 1 that the entry seals, or 0. -1: no
 * memory, and j is as it was. */
int cb_journal_put(struct cb_journal *j, int64_t recorded_us, bool clamped, uint32_t seal,
		   const uint8_t leaf[static CB_HASH_LEN], const void *entry, size_t n);
/* A place to come back to, and back. */
struct cb_journal_mark {
	size_t tail, n;
	struct cb_journal_at at;
};
struct cb_journal_mark cb_journal_mark(const struct cb_journal *j);
void cb_journal_back(struct cb_journal *j, const struct cb_journal_mark *m);

#endif
