/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles: their names, and hashes, proofs and entries from them. */
#include "log/tile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/time.h"
#include "log/journal.h"
#include "log/note.h"

#define CACHE 8		/* tiles kept in memory */
#define LOCK_NS CB_NS_PER_S	/* that a reader waits for appenders */

/* --- names ------------------------------------------------------------------------------------- */

void cb_tile_path(char out[static CB_TILE_PATH], int level, uint64_t n, unsigned width)
{
	char groups[40] = "", one[8];
	char *end = groups + sizeof(groups) - 1, *p = end;

	*end = '\0';
	for (bool last = true; last || n; n /= 1000, last = false) {
		int k = snprintf(one, sizeof(one), last ? "%03u" : "x%03u/", (unsigned)(n % 1000));

		p -= k;
		memcpy(p, one, (size_t)k);
	}
	if (level == CB_TILE_ENTRIES)
		snprintf(out, CB_TILE_PATH, "tile/entries/%s", p);
	else
		snprintf(out, CB_TILE_PATH, "tile/%d/%s", level, p);
	if (width < CB_TILE_WIDTH)
		snprintf(out + strlen(out), CB_TILE_PATH - strlen(out), ".p/%u", width);
}

unsigned cb_tile_partial(uint64_t size, unsigned level)
{
	return (unsigned)(size >> (8 * level)) % CB_TILE_WIDTH;
}

bool cb_bundle_next(const uint8_t **p, const uint8_t *end, const uint8_t **ret, size_t *ret_len)
{
	size_t n;

	if (end - *p < 2 || (n = cb_be16(*p)) > (size_t)(end - *p) - 2)
		return false;
	*ret = *p + 2;
	*ret_len = n;
	*p += 2 + n;
	return true;
}

/* --- proofs from any store of tiles ------------------------------------------------------------ */

/* The root of the full subtree at index of a level: at most 128 hashes of one tile. */
static int node_at(cb_tile_fn *fn, void *ctx, unsigned level, uint64_t index, uint8_t out[static CB_HASH_LEN],
		   struct cb_err *err)
{
	uint8_t h[CB_TILE_BYTES / 2];
	unsigned n = 1u << level % 8;

	if (fn(ctx, level / 8, index << level % 8, n, h, err) < 0)
		return -1;
	for (; n > 1; n /= 2)
		for (unsigned i = 0; i < n / 2; i++)
			cb_merkle_node(h + i * CB_HASH_LEN, h + 2 * i * CB_HASH_LEN, h + (2 * i + 1) * CB_HASH_LEN);
	memcpy(out, h, CB_HASH_LEN);
	return 0;
}

/* The root of leaves from to to of a tree that ends at to; from is a multiple of the greatest
 * power of two below the count (RFC 6962, 2.1). */
static int range_root(cb_tile_fn *fn, void *ctx, uint64_t from, uint64_t to, uint8_t out[static CB_HASH_LEN],
		      struct cb_err *err)
{
	uint8_t part[64][CB_HASH_LEN];
	unsigned n = 0;

	for (unsigned level = 63; level-- > 0;) {
		if (!((to - from) >> level & 1))
			continue;
		if (node_at(fn, ctx, level, from >> level, part[n++], err) < 0)
			return -1;
		from += (uint64_t)1 << level;
	}
	memcpy(out, part[n - 1], CB_HASH_LEN);
	for (n--; n-- > 0;)
		cb_merkle_node(out, part[n], out);
	return 0;
}

/* The greatest power of two below n > 1. */
static uint64_t split(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* Down the tree to leaf index, or, with seam, to where the tree of index leaves ends: on the
 * way the other half's root is put, root first; turned round afterwards (RFC 9162, 2.1.3.1 and
 * 2.1.4.1). */
static int walk(cb_tile_fn *fn, void *ctx, uint64_t index, uint64_t size, bool seam,
		uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n, struct cb_err *err)
{
	uint64_t from = 0, to = size;
	uint8_t h[CB_HASH_LEN];
	unsigned n = 0;

	while (seam ? index != to : to - from > 1) {
		uint64_t k = from + split(to - from);
		bool left = seam ? index <= k : index < k;

		if (range_root(fn, ctx, left ? k : from, left ? to : k, path + n++ * CB_HASH_LEN, err) < 0)
			return -1;
		*(left ? &to : &from) = k;
	}
	/* the old tree's own root is known to whoever asks, unless it is only a part of it */
	if (seam && from && range_root(fn, ctx, from, to, path + n++ * CB_HASH_LEN, err) < 0)
		return -1;
	for (unsigned i = 0; i < n / 2; i++) {
		memcpy(h, path + i * CB_HASH_LEN, CB_HASH_LEN);
		memcpy(path + i * CB_HASH_LEN, path + (n - 1 - i) * CB_HASH_LEN, CB_HASH_LEN);
		memcpy(path + (n - 1 - i) * CB_HASH_LEN, h, CB_HASH_LEN);
	}
	*ret_n = n;
	return 0;
}

int cb_tile_inclusion(cb_tile_fn *fn, void *ctx, uint64_t i, uint64_t size,
		      uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
		      struct cb_err *err)
{
	if (size > CB_TREE_MAX || i >= size)
		return cb_err_set(err, CB_E_NOINPUT, "no entry %" PRIu64 " in a log of %" PRIu64, i, size);
	return walk(fn, ctx, i, size, false, path, ret_n, err);
}

int cb_tile_consistency(cb_tile_fn *fn, void *ctx, uint64_t from, uint64_t to,
			uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
			struct cb_err *err)
{
	if (to > CB_TREE_MAX || from > to)
		return cb_err_set(err, CB_E_NOINPUT, "no size %" PRIu64 " in a log of %" PRIu64, from, to);
	*ret_n = 0;
	if (from == 0 || from == to)
		return 0;
	return walk(fn, ctx, from, to, true, path, ret_n, err);
}

int cb_tile_frontier(cb_tile_fn *fn, void *ctx, uint64_t n, struct cb_frontier *ret, struct cb_err *err)
{
	struct cb_frontier f = { 0 };
	uint8_t h[CB_HASH_LEN];

	for (unsigned level = 63; level-- > 0;) {
		if (!(n >> level & 1))
			continue;
		if (node_at(fn, ctx, level, f.size >> level, h, err) < 0)
			return -1;
		cb_frontier_push_full(&f, level, h);
	}
	*ret = f;
	return 0;
}

/* --- a directory --------------------------------------------------------------------------------- */

struct cached {
	unsigned level, width;		/* width 0: nothing */
	uint64_t n, used;
	uint8_t hash[CB_TILE_BYTES];
};

struct cb_tiles {
	int fd;
	uint64_t size, signed_size;	/* of everything, of the checkpoint */
	struct cb_buf checkpoint, file, bundle;
	uint64_t bundle_n;
	unsigned bundle_width;		/* of what is in bundle; 0: nothing */
	size_t entry_at[CB_TILE_WIDTH];
	struct cb_journal journal[2];
	int live;			/* the journal in force, or -1 */
	uint64_t clock;
	struct cached cache[CACHE];
};

/* A whole file of at most max bytes below the log. CB_E_NOINPUT: there is none. */
static int read_file(int dir, const char *name, size_t max, struct cb_buf *b, struct cb_err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = -1;
	struct stat st;
	ssize_t k;

	b->len = 0;
	if (fd < 0)
		return cb_err_sys(err, errno == ENOTDIR ? CB_E_NOINPUT : cb_errc_open(errno), errno, "%s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		cb_err_set(err, CB_E_DATA, "%s: not a regular file", name);
		goto out;
	}
	if (st.st_size > (off_t)max) {
		cb_err_set(err, CB_E_DATA, "%s: %jd bytes, larger than it can be", name, (intmax_t)st.st_size);
		goto out;
	}
	if (cb_buf_reserve(b, (size_t)st.st_size + 1) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	/* what is appended meanwhile is not taken, and what it is shorter by is seen */
	while ((k = read(fd, b->data + b->len, (size_t)st.st_size + 1 - b->len)) != 0) {
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			cb_err_sys(err, CB_E_IO, errno, "%s", name);
			goto out;
		}
		b->len += (size_t)k;
		if (b->len > (size_t)st.st_size) {
			cb_err_set(err, CB_E_DATA, "%s: grows while it is read", name);
			goto out;
		}
	}
	b->data[b->len] = '\0';
	ret = 0;
out:
	close(fd);
	return ret;
}

/* Wait a little for appenders to let go; without the lock the worst is an older view. */
static int lock_shared(int dir)
{
	int fd = openat(dir, "state/lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	const struct timespec ms = { 0, 1000000 };
	int64_t end = cb_now_mono_ns() + LOCK_NS;

	while (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || cb_now_mono_ns() >= end)
			break;
		nanosleep(&ms, NULL);
	}
	return fd;
}

static int load_journal(struct cb_tiles *t, bool take, struct cb_err *err)
{
	int state = openat(t->fd, "state", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool have[2] = { false };
	int lock, k = 0;

	if (state < 0 && errno != ENOENT && errno != EACCES)
		return cb_err_sys(err, CB_E_DATA, errno, "state");
	if (state < 0)
		return 0;
	lock = take ? lock_shared(t->fd) : -1;
	for (int i = 0; i < 2 && k >= 0; i++) {
		struct cb_err why = CB_ERR_INIT;

		k = cb_journal_load(&t->journal[i], state, i ? "journal.1" : "journal.0", &why);
		have[i] = k > 0;
		if (k < 0 && why.code == CB_E_PERM)	/* private to its writers: a log up to its checkpoint */
			k = 0;
		else if (k < 0 && err)
			*err = why;
	}
	if (lock >= 0)
		close(lock);
	close(state);
	t->live = cb_journal_choose(t->journal, have);
	if (t->live >= 0)
		cb_journal_release(&t->journal[!t->live]);
	return k;
}

/* Of the checkpoint's text only its second line is looked at: who signed it is for others. */
static void read_size(struct cb_tiles *t)
{
	const char *p = (const char *)t->checkpoint.data, *end = p + t->checkpoint.len;
	const char *lf = t->checkpoint.len ? memchr(p, '\n', t->checkpoint.len) : NULL, *lf2;

	if (lf && (lf2 = memchr(lf + 1, '\n', (size_t)(end - lf - 1))))
		cb_size_text(&t->signed_size, lf + 1, (size_t)(lf2 - lf - 1));
}

/* fd becomes the object's. */
static int open_dir(struct cb_tiles **ret, int fd, bool lock, struct cb_err *err)
{
	struct cb_tiles *t = calloc(1, sizeof(*t));
	struct cb_err why = CB_ERR_INIT;

	if (!t) {
		close(fd);
		return cb_err_nomem(err);
	}
	t->fd = fd;
	t->live = -1;
	if (read_file(t->fd, "checkpoint", CB_NOTE_MAX, &t->checkpoint, &why) < 0) {
		if (why.code != CB_E_NOINPUT) {
			if (err)
				*err = why;
			goto fail;
		}
		cb_buf_release(&t->checkpoint);
	}
	read_size(t);
	if (load_journal(t, lock, err) < 0)
		goto fail;
	if (t->live < 0 && !t->checkpoint.data) {
		cb_err_set(err, CB_E_DATA, "not a log: neither checkpoint nor journal");
		goto fail;
	}
	t->size = t->live >= 0 ? t->journal[t->live].at.size : t->signed_size;
	*ret = t;
	return 0;
fail:
	cb_tiles_close(t);
	return -1;
}

int cb_tiles_open(struct cb_tiles **ret, const char *path, struct cb_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return cb_err_sys(err, errno == ENOTDIR ? CB_E_DATA : cb_errc_open(errno), errno, "open");
	return open_dir(ret, fd, true, err);
}

int cb_tiles_open_held(struct cb_tiles **ret, int dir, struct cb_err *err)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? cb_err_sys(err, CB_E_OS, errno, "open") : open_dir(ret, fd, false, err);
}

void cb_tiles_close(struct cb_tiles *t)
{
	if (!t)
		return;
	if (t->fd >= 0)
		close(t->fd);
	cb_buf_release(&t->checkpoint);
	cb_buf_release(&t->file);
	cb_buf_release(&t->bundle);
	for (int i = 0; i < 2; i++)
		cb_journal_release(&t->journal[i]);
	free(t);
}

int cb_tiles_fd(const struct cb_tiles *t)
{
	return t->fd;
}

uint64_t cb_tiles_size(const struct cb_tiles *t)
{
	return t->size;
}

void cb_tiles_journal(const struct cb_tiles *t, uint64_t *ret_from, uint64_t *ret_to)
{
	*ret_from = t->live >= 0 ? t->journal[t->live].base : 0;
	*ret_to = t->live >= 0 ? t->journal[t->live].at.size : 0;
}

const char *cb_tiles_checkpoint(const struct cb_tiles *t, size_t *ret_len)
{
	*ret_len = t->checkpoint.len;
	return (const char *)t->checkpoint.data;
}

int cb_tiles_file(const struct cb_tiles *t, int level, uint64_t n, unsigned width,
		  struct cb_buf *out, struct cb_err *err)
{
	char path[CB_TILE_PATH];

	cb_tile_path(path, level, n, width);
	return read_file(t->fd, path, level == CB_TILE_ENTRIES ? (size_t)width * (2 + CB_LOG_ENTRY_MAX) :
			 (size_t)width * CB_HASH_LEN, out, err);
}

/* --- hashes ---------------------------------------------------------------------------------------- */

/* A tile's file of exactly this width, by way of the cache. */
static int tile_file(struct cb_tiles *t, unsigned level, uint64_t n, unsigned width, const uint8_t **ret,
		     struct cb_err *err)
{
	struct cached *c = &t->cache[0];
	char path[CB_TILE_PATH];

	for (int i = 0; i < CACHE; i++) {
		struct cached *k = &t->cache[i];

		if (k->level == level && k->n == n && k->width == width) {
			k->used = ++t->clock;
			*ret = k->hash;
			return 0;
		}
		if (k->used < c->used)
			c = k;
	}
	if (cb_tiles_file(t, (int)level, n, width, &t->file, err) < 0)
		return -1;
	if (t->file.len != (size_t)width * CB_HASH_LEN) {
		cb_tile_path(path, (int)level, n, width);
		return cb_err_set(err, CB_E_DATA, "%s: %zu bytes, not %zu", path, t->file.len,
				  (size_t)width * CB_HASH_LEN);
	}
	memcpy(c->hash, t->file.data, t->file.len);
	c->level = level;
	c->n = n;
	c->width = width;
	c->used = ++t->clock;
	*ret = c->hash;
	return 0;
}

/* Hashes from one tile: the journal's where it has them, for it is what appenders go on from;
 * else the full tile; else the partial one of the checkpoint. */
static int hashes(void *ctx, unsigned level, uint64_t first, unsigned n, uint8_t *out, struct cb_err *err)
{
	const struct cb_journal *j;
	struct cb_tiles *t = ctx;
	uint64_t tile = first / CB_TILE_WIDTH, whole;
	unsigned at = (unsigned)(first % CB_TILE_WIDTH), width;
	const uint8_t *h;
	char path[CB_TILE_PATH];
	struct cb_err why = CB_ERR_INIT;

	if (t->live >= 0) {
		j = &t->journal[t->live];
		if (level == 0 && first >= j->base && first + n <= j->at.size) {
			for (unsigned i = 0; i < n; i++)
				memcpy(out + i * CB_HASH_LEN, cb_journal_leaf(j, (size_t)(first + i - j->base)),
				       CB_HASH_LEN);
			return 0;
		}
		whole = level < CB_TILE_LEVELS ? j->base >> (8 * level) : 0;
		if (level && level < CB_TILE_LEVELS && tile == whole / CB_TILE_WIDTH &&
		    at + n <= j->edge.n[level]) {
			memcpy(out, j->edge.hash[level] + at * CB_HASH_LEN, n * CB_HASH_LEN);
			return 0;
		}
		/* above what is full at base: made of what the journal has of the level below */
		if (level && level < CB_TILE_LEVELS && first + n > whole) {
			for (unsigned i = 0; i < n; i++) {
				uint8_t low[CB_TILE_BYTES];

				if (hashes(t, level - 1, (first + i) << 8, CB_TILE_WIDTH, low, err) < 0)
					return -1;
				for (unsigned k = CB_TILE_WIDTH; k > 1; k /= 2)
					for (unsigned m = 0; m < k / 2; m++)
						cb_merkle_node(low + m * CB_HASH_LEN, low + 2 * m * CB_HASH_LEN,
							       low + (2 * m + 1) * CB_HASH_LEN);
				memcpy(out + i * CB_HASH_LEN, low, CB_HASH_LEN);
			}
			return 0;
		}
	}
	if (tile_file(t, level, tile, CB_TILE_WIDTH, &h, &why) == 0) {
		memcpy(out, h + at * CB_HASH_LEN, n * CB_HASH_LEN);
		return 0;
	}
	width = cb_tile_partial(t->signed_size, level);
	whole = level < CB_TILE_LEVELS ? t->signed_size >> (8 * level) : 0;
	if (why.code == CB_E_NOINPUT && tile == whole / CB_TILE_WIDTH && at + n <= width) {
		if (tile_file(t, level, tile, width, &h, err) < 0) {
			if (err && err->code == CB_E_NOINPUT)
				err->code = CB_E_DATA;
			return -1;
		}
		memcpy(out, h + at * CB_HASH_LEN, n * CB_HASH_LEN);
		return 0;
	}
	cb_tile_path(path, (int)level, tile, CB_TILE_WIDTH);
	if (why.code == CB_E_NOINPUT)
		return cb_err_set(err, CB_E_DATA, "%s: missing", path);
	if (err)
		*err = why;
	return -1;
}

static int bounded(const struct cb_tiles *t, uint64_t n, struct cb_err *err)
{
	return n <= t->size ? 0 : cb_err_set(err, CB_E_NOINPUT, "%" PRIu64 " entries are asked for, the log has %" PRIu64,
					     n, t->size);
}

int cb_tiles_leaf(struct cb_tiles *t, uint64_t i, uint8_t out[static CB_HASH_LEN], struct cb_err *err)
{
	return i == UINT64_MAX || bounded(t, i + 1, err) < 0 ? -1 : hashes(t, 0, i, 1, out, err);
}

int cb_tiles_frontier(struct cb_tiles *t, uint64_t n, struct cb_frontier *ret, struct cb_err *err)
{
	return bounded(t, n, err) < 0 ? -1 : cb_tile_frontier(hashes, t, n, ret, err);
}

int cb_tiles_root(struct cb_tiles *t, uint64_t n, uint8_t out[static CB_HASH_LEN], struct cb_err *err)
{
	struct cb_frontier f;

	if (cb_tiles_frontier(t, n, &f, err) < 0)
		return -1;
	cb_frontier_root(&f, out);
	return 0;
}

int cb_tiles_inclusion(struct cb_tiles *t, uint64_t i, uint64_t size,
		       uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
		       struct cb_err *err)
{
	return bounded(t, size, err) < 0 ? -1 : cb_tile_inclusion(hashes, t, i, size, path, ret_n, err);
}

int cb_tiles_consistency(struct cb_tiles *t, uint64_t from, uint64_t to,
			 uint8_t path[static CB_PROOF_MAX * CB_HASH_LEN], unsigned *ret_n,
			 struct cb_err *err)
{
	return bounded(t, to, err) < 0 ? -1 : cb_tile_consistency(hashes, t, from, to, path, ret_n, err);
}

/* --- entries --------------------------------------------------------------------------------------- */

/* Have bundle n in memory: the full one, else the checkpoint's partial one. */
static int load_bundle(struct cb_tiles *t, uint64_t n, unsigned want, struct cb_err *err)
{
	const uint8_t *p, *end, *entry;
	struct cb_err why = CB_ERR_INIT;
	unsigned width = CB_TILE_WIDTH, have = 0;
	char path[CB_TILE_PATH];
	size_t len;

	if (t->bundle_width && t->bundle_n == n && t->bundle_width > want)
		return 0;
	t->bundle_width = 0;
	if (cb_tiles_file(t, CB_TILE_ENTRIES, n, width, &t->bundle, &why) < 0) {
		width = cb_tile_partial(t->signed_size, 0);
		if (why.code != CB_E_NOINPUT || n != t->signed_size / CB_TILE_WIDTH || want >= width) {
			cb_tile_path(path, CB_TILE_ENTRIES, n, CB_TILE_WIDTH);
			if (why.code == CB_E_NOINPUT)
				return cb_err_set(err, CB_E_NOINPUT, "%s: pruned, or missing", path);
			if (err)
				*err = why;
			return -1;
		}
		if (cb_tiles_file(t, CB_TILE_ENTRIES, n, width, &t->bundle, err) < 0)
			return -1;
	}
	p = t->bundle.data;
	end = p + t->bundle.len;
	while (have < width && cb_bundle_next(&p, end, &entry, &len))
		t->entry_at[have++] = (size_t)(entry - t->bundle.data) - 2;
	if (have < width || p < end) {
		cb_tile_path(path, CB_TILE_ENTRIES, n, width);
		return cb_err_set(err, CB_E_DATA, "%s: not a bundle of %u entries", path, width);
	}
	t->bundle_n = n;
	t->bundle_width = width;
	return 0;
}

int cb_tiles_entry(struct cb_tiles *t, uint64_t i, const uint8_t **ret, size_t *ret_len,
		   struct cb_err *err)
{
	const struct cb_journal *j = &t->journal[t->live < 0 ? 0 : t->live];
	unsigned at = (unsigned)(i % CB_TILE_WIDTH);

	if (i >= t->size)
		return cb_err_set(err, CB_E_NOINPUT, "no entry %" PRIu64 ": the log has %" PRIu64, i, t->size);
	if (t->live >= 0 && i >= j->base) {
		*ret = cb_journal_entry(j, (size_t)(i - j->base), ret_len);
		return 0;
	}
	if (load_bundle(t, i / CB_TILE_WIDTH, at, err) < 0)
		return -1;
	*ret = t->bundle.data + t->entry_at[at] + 2;
	*ret_len = cb_be16(t->bundle.data + t->entry_at[at]);
	return 0;
}

static bool has_bundle(const struct cb_tiles *t, uint64_t n)
{
	char path[CB_TILE_PATH];
	unsigned width = cb_tile_partial(t->signed_size, 0);

	cb_tile_path(path, CB_TILE_ENTRIES, n, CB_TILE_WIDTH);
	if (faccessat(t->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	if (n != t->signed_size / CB_TILE_WIDTH || !width)
		return false;
	cb_tile_path(path, CB_TILE_ENTRIES, n, width);
	return faccessat(t->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int cb_tiles_first(struct cb_tiles *t, uint64_t *ret, struct cb_err *err)
{
	uint64_t end = t->live >= 0 ? t->journal[t->live].base : t->size, low = 0, high, mid;

	(void)err;
	/* what is pruned is a beginning: look for where it ends */
	high = (end + CB_TILE_WIDTH - 1) / CB_TILE_WIDTH;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (has_bundle(t, mid))
			high = mid;
		else
			low = mid + 1;
	}
	*ret = low * CB_TILE_WIDTH < end ? low * CB_TILE_WIDTH : end;
	return 0;
}
