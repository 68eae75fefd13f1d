/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a log's directory (cb-log(5)): the tiles and bundles of C2SP tlog-tiles, and behind
 * them the journal, which holds the entries that no full tile has yet. No secret is read and
 * nothing is written. A copy without state/ is a log, too: one that ends at its checkpoint.
 *
 * What is given is what lies there: nobody has checked it. lib/log/check.h does. */
#ifndef CB_LOG_TILE_H
#define CB_LOG_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/merkle.h"

#define CB_TILE_WIDTH 256u		/* hashes of a full tile, entries of a full bundle */
#define CB_TILE_BYTES (CB_TILE_WIDTH * CB_HASH_LEN)
#define CB_TILE_LEVELS 8u		/* of tiles: 0 to 7 hold any tree */
#define CB_TILE_PATH 80
#define CB_TILE_ENTRIES (-1)		/* the level of entry bundles */
#define CB_LOG_ENTRY_MAX 65535u		/* bytes of an entry that is read; fewer are written */
#define CB_BUNDLE_MAX (CB_TILE_WIDTH * (2u + CB_LOG_ENTRY_MAX))

/* "tile/0/x001/067", or "tile/0/x001/067.p/17" of a width below 256; "tile/entries/..." */
void cb_tile_path(char out[static CB_TILE_PATH], int level, uint64_t n, unsigned width);
/* How many of a tree's hashes the last, incomplete tile of a level holds; 0: there is none. */
unsigned cb_tile_partial(uint64_t size, unsigned level);

/* The entries of a bundle, one after another: uint16, big-endian, and so many bytes. Moves
 * *p on; false at the end, and where what is left is no entry (*p is then before end). */
bool cb_bundle_next(const uint8_t **p, const uint8_t *end, const uint8_t **ret, size_t *ret_len);

struct cb_tiles;

/* Open the directory and take in its journal as it is now; appenders may go on. Errors:
 * NOINPUT (no such directory), DATA (no log, or a journal that cannot be understood), PERM. */
int cb_tiles_open(struct cb_tiles **ret, const char *path, struct cb_err *err);
/* The same from its descriptor (which stays the caller's), for whoever holds the log's lock. */
int cb_tiles_open_held(struct cb_tiles **ret, int dir, struct cb_err *err);
void cb_tiles_close(struct cb_tiles *t);

/* The directory's descriptor; it stays the object's. */
int cb_tiles_fd(const struct cb_tiles *t);
/* Entries that can be read: those of the journal, or, without one, of the checkpoint. */
uint64_t cb_tiles_size(const struct cb_tiles *t);
/* The journal's first entry and the one after its last; both 0 where there is no journal. */
void cb_tiles_journal(const struct cb_tiles *t, uint64_t *ret_from, uint64_t *ret_to);
/* The text of the file checkpoint, NUL-terminated, as it was when the log was opened; NULL
 * and 0 where there is none. */
const char *cb_tiles_checkpoint(const struct cb_tiles *t, size_t *ret_len);

/* A file of the tree as it lies there, into out (emptied first); width 256 is the full one.
 * CB_E_NOINPUT: there is none; CB_E_DATA: larger than it can be. */
int cb_tiles_file(const struct cb_tiles *t, int level, uint64_t n, unsigned width,
		  struct cb_buf *out, struct cb_err *err);

/* Entry i, in memory of t until its next call. CB_E_NOINPUT: not below the size, or its bundle
 * was pruned; CB_E_DATA: the bundle is damaged. */
int cb_tiles_entry(struct cb_tiles *t, uint64_t i, const uint8_t **ret, size_t *ret_len,
		   struct cb_err *err);
/* The first entry that is still there: 0, or what pruning left. */
int cb_tiles_first(struct cb_tiles *t, uint64_t *ret, struct cb_err *err);

/* Hashes from the tiles, without a look at the entries: of the leaf at i, the root of the
 * first n, and the proofs (their roots say whether they are true). size, n, to: at most the
 * size above. path has room for CB_PROOF_MAX hashes, *ret_n of them are filled. CB_E_DATA:
 * a tile is missing or has not its length. */
int cb_tiles_leaf(struct cb_tiles *t, uint64_t i, uint8_t out[static CB_HASH_LEN], struct cb_err *err);
int cb_tiles_root(struct cb_tiles *t, uint64_t n, uint8_t out[static CB_HASH_LEN], struct cb_err *err);
int cb_tiles_frontier(struct cb_tiles *t, uint64_t n, struct cb_frontier *ret, struct cb_err *err);
int cb_tiles_inclusion(struct cb_tiles *t, uint64_t i, uint64_t size,
		       uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
		       struct cb_err *err);
int cb_tiles_consistency(struct cb_tiles *t, uint64_t from, uint64_t to,
			 uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
			 struct cb_err *err);

/* --- the same from any store of hashes in steps of eight levels -------------------------------- */

/* Gives the roots of the full subtrees with 256^level leaves, first to first + n - 1, which lie
 * in one tile. */
typedef int cb_tile_fn(void *ctx, unsigned level, uint64_t first, unsigned n, uint8_t *out,
		       struct cb_err *err);
int cb_tile_inclusion(cb_tile_fn *fn, void *ctx, uint64_t i, uint64_t size,
		      uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
		      struct cb_err *err);
int cb_tile_consistency(cb_tile_fn *fn, void *ctx, uint64_t from, uint64_t to,
			uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
			struct cb_err *err);
int cb_tile_frontier(cb_tile_fn *fn, void *ctx, uint64_t n, struct cb_frontier *ret, struct cb_err *err);

#endif
