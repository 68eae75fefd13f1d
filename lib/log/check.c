/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a log: tile by tile from its first entry on. */
#include "log/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "log/seal.h"

#define W CB_TILE_WIDTH
#define H CB_HASH_LEN

/* A tile of level 0 and its entries. */
struct tile {
	uint64_t k, first;		/* its number; its first entry */
	unsigned n;			/* entries that the log has of it */
	struct cb_buf bundle;		/* the entries, each behind its length */
	unsigned entries;		/* found in it: n, or fewer where it is damaged */
	size_t at[W];
	char file[CB_TILE_PATH];	/* where they come from */
	bool pruned;
	uint8_t leaf[W * H];		/* of the entries */
	bool has_tile;
	uint8_t tile[W * H];		/* as the tile has them */
	char tile_file[CB_TILE_PATH];
	uint8_t true_[W * H];		/* what the tree goes on with */
};

/* What an older checkpoint says. */
struct older {
	struct cb_checkpoint c;
	bool seen;
};

struct check {
	struct cb_tiles *t;
	const struct cb_log_check *o;
	struct cb_log_checked *r;
	struct cb_err *err;
	uint64_t total, signed_size, journal_from, journal_to;
	bool journal, root_known;	/* root_known: the checkpoint is one */
	uint8_t root[H];		/* of the checkpoint */
	struct tile tile;
	struct cb_buf file;
	/* the tree so far: full tiles, and the leaves of the one at work */
	struct cb_frontier upper, local;
	unsigned level_n[CB_TILE_LEVELS];
	uint64_t level_tile[CB_TILE_LEVELS];
	uint8_t *level[CB_TILE_LEVELS];	/* room for W hashes, from 1 up */
	uint64_t pruned_to;		/* what the log says was deleted: all before */
	bool first_found;		/* an entry bundle is there: what misses now was not pruned */
	struct older older[CB_LOG_OLDER_MAX];
	/* what the entries say */
	struct cb_json *json;
	bool foreign;
	struct cb_enrolment enrolment;
	uint32_t next_epoch;
	bool lost;			/* entries were not to be read: which epoch it is, the next seal says */
	uint64_t moved;			/* how far seals stand from where they were made for */
	bool other;			/* a seal's root is not the tree's */
	uint64_t late;			/* last entry since the last seal that lies behind the epoch */
	int64_t late_us;
	uint64_t since;			/* the entry behind the last seal */
	int64_t last_us;
	/* the epoch that signed the checkpoint */
	int64_t cp_epoch;
	uint8_t cp_key[32];
	bool cp_key_known;
};

/* --- findings ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 0)))
static int tell(struct check *c, struct cb_log_finding *f, const char *fmt, va_list ap)
{
	char text[600];

	vsnprintf(text, sizeof(text), fmt, ap);
	f->text = text;
	c->r->findings += f->kind == CB_FOUND_FALSE;
	c->r->unchecked += f->kind == CB_FOUND_UNCHECKED;
	return c->o->found(c->o->ctx, f, c->err);
}

/* About the log as a whole, or one of its files. */
__attribute__((format(printf, 5, 6)))
static int found(struct check *c, enum cb_found kind, const char *code, const char *file, const char *fmt, ...)
{
	struct cb_log_finding f = { kind, code, NULL, file, -1, CB_NO_ENTRY, CB_NO_ENTRY, CB_NO_EPOCH, INT64_MIN };
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = tell(c, &f, fmt, ap);
	va_end(ap);
	return ret;
}

struct place {
	const char *file;
	int64_t byte;
	uint64_t from, to;
	int64_t epoch, recorded_us;
};

/* About entries. */
__attribute__((format(printf, 5, 6)))
static int found_at(struct check *c, enum cb_found kind, const char *code, const struct place *p,
		    const char *fmt, ...)
{
	struct cb_log_finding f = { kind, code, NULL, p->file, p->byte, p->from, p->to, p->epoch, p->recorded_us };
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = tell(c, &f, fmt, ap);
	va_end(ap);
	return ret;
}

static bool cannot_read(const struct cb_err *e)
{
	return e->code != CB_E_NOINPUT && e->code != CB_E_DATA;
}

/* --- the tree ---------------------------------------------------------------------------------- */

static uint64_t size_now(const struct check *c)
{
	return c->upper.size + c->local.size;
}

/* Of full tiles, and leaves behind them. */
static void join(const struct cb_frontier *upper, const struct cb_frontier *local, uint8_t out[static H])
{
	if (!local->size) {
		cb_frontier_root(upper, out);
		return;
	}
	cb_frontier_root(local, out);
	for (unsigned i = 0; i < 64; i++)
		if (upper->size >> i & 1)
			cb_merkle_node(out, upper->node[i], out);
}

/* The hashes of a file of the tree: its width, or 0 where there is none of that name, or one
 * that is not as long as it should be, which is found. */
static int hash_file(struct check *c, int level, uint64_t n, unsigned width, unsigned *ret)
{
	struct cb_err why = CB_ERR_INIT;
	char path[CB_TILE_PATH];

	*ret = 0;
	cb_tile_path(path, level, n, width);
	if (cb_tiles_file(c->t, level, n, width, &c->file, &why) < 0) {
		if (why.code == CB_E_NOINPUT)
			return 0;
		if (cannot_read(&why)) {
			*c->err = why;
			return -1;
		}
		return found(c, CB_FOUND_FALSE, "tile-damaged", path, "%s", why.msg);
	}
	c->r->bytes += c->file.len;
	if (c->file.len != (size_t)width * H)
		return found(c, CB_FOUND_FALSE, "tile-damaged", path, "%s: %zu bytes, not %u", path,
			     c->file.len, width * H);
	*ret = width;
	return 0;
}

/* What is in c->file against hashes that are true. */
static int same_hashes(struct check *c, int level, uint64_t n, unsigned width, const uint8_t *is)
{
	struct place p = { .from = CB_NO_ENTRY, .to = CB_NO_ENTRY, .epoch = CB_NO_EPOCH, .recorded_us = INT64_MIN };
	char path[CB_TILE_PATH];
	unsigned i = 0;

	if (memcmp(c->file.data, is, (size_t)width * H) == 0)
		return 0;
	while (c->file.data[i] == is[i])
		i++;
	cb_tile_path(path, level, n, width);
	p.file = path;
	p.byte = i / H * H;
	p.from = (n * W + i / H) << (8 * level);
	p.to = p.from + ((uint64_t)1 << (8 * level));
	return found_at(c, CB_FOUND_FALSE, "tile-changed", &p, "%s: its hash %u is not that of %s", path,
			i / H, level ? "the tiles below it" : "its entry");
}

/* Every name in DIR.p of a tile: fn is called with its width. */
static int partials(struct check *c, int level, uint64_t n,
		    int (*fn)(struct check *, int, uint64_t, unsigned))
{
	char path[CB_TILE_PATH];
	struct dirent *e;
	uint64_t width;
	int fd, ret = 0;
	DIR *d;

	cb_tile_path(path, level, n, 1);
	path[strlen(path) - 2] = '\0';
	fd = openat(cb_tiles_fd(c->t), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return cb_err_nomem(c->err);
	}
	while (ret == 0 && (e = readdir(d)))
		if (*e->d_name != '0' && cb_parse_u64(e->d_name, 1, W - 1, &width))
			ret = fn(c, level, n, (unsigned)width);
	closedir(d);
	return ret;
}

/* A partial tile above the leaves, while its tile is being made or just full. */
static int upper_partial(struct check *c, int level, uint64_t n, unsigned width)
{
	char path[CB_TILE_PATH];
	unsigned have;

	if (width > c->level_n[level]) {
		if (c->journal)		/* a log that goes on: it was signed since we began */
			return 0;
		cb_tile_path(path, level, n, width);
		return found(c, CB_FOUND_FALSE, "tile-beyond", path, "%s: of entries that the log has not", path);
	}
	if (hash_file(c, level, n, width, &have) < 0)
		return -1;
	return have ? same_hashes(c, level, n, width, c->level[level]) : 0;
}

/* A level's tile n has all of its hashes: see that its file has them, and pass its root up. */
static int add_hash(struct check *c, unsigned level, const uint8_t hash[static H])
{
	uint8_t *h;
	char path[CB_TILE_PATH];
	struct cb_frontier f = { 0 };
	unsigned have;
	uint64_t n;

	if (level >= CB_TILE_LEVELS)
		return 0;
	if (!c->level[level] && !(c->level[level] = malloc(W * H)))
		return cb_err_nomem(c->err);
	h = c->level[level];
	memcpy(h + c->level_n[level]++ * H, hash, H);
	if (c->level_n[level] < W)
		return 0;
	n = c->level_tile[level];
	if (hash_file(c, (int)level, n, W, &have) < 0)
		return -1;
	cb_tile_path(path, (int)level, n, W);
	/* what the journal reaches to need not be a file yet */
	if (!have && (!c->journal || (n + 1) << (8 * (level + 1)) <= c->journal_from) &&
	    found(c, CB_FOUND_FALSE, "tile-missing", path, "%s is missing", path) < 0)
		return -1;
	if (have && same_hashes(c, (int)level, n, W, h) < 0)
		return -1;
	if (partials(c, (int)level, n, upper_partial) < 0)
		return -1;
	for (unsigned i = 0; i < W; i++)
		cb_frontier_push(&f, h + i * H);
	c->level_n[level] = 0;
	c->level_tile[level]++;
	return add_hash(c, level + 1, f.node[8]);
}

/* --- one tile of leaves -------------------------------------------------------------------------- */

/* Take t->bundle apart. */
static int split(struct check *c, struct tile *t, unsigned want)
{
	const uint8_t *p = t->bundle.data, *end = p + t->bundle.len, *entry;
	struct place at = { t->file, 0, 0, 0, CB_NO_EPOCH, INT64_MIN };
	size_t len;

	t->entries = 0;
	while (t->entries < want && cb_bundle_next(&p, end, &entry, &len)) {
		t->at[t->entries] = (size_t)(entry - t->bundle.data);
		cb_merkle_leaf(t->leaf + t->entries * H, entry, len);
		t->entries++;
	}
	if (t->entries == want && p == end)
		return 0;
	at.byte = p - t->bundle.data;
	at.from = t->first + t->entries;
	at.to = t->first + want;
	return t->entries < want ?
	       found_at(c, CB_FOUND_FALSE, "bundle-damaged", &at, "%s: no entry %" PRIu64 " at byte %" PRId64,
			t->file, at.from, at.byte) :
	       found_at(c, CB_FOUND_FALSE, "bundle-damaged", &at, "%s goes on behind its last entry", t->file);
}

static size_t entry_len(const struct tile *t, unsigned i)
{
	return cb_be16(t->bundle.data + t->at[i] - 2);
}

/* The entries: from the journal where it has them, else from their bundle. */
static int load_entries(struct check *c, struct tile *t)
{
	struct cb_err why = CB_ERR_INIT;
	const uint8_t *entry;
	uint8_t be[2];
	size_t len;

	t->bundle.len = 0;
	t->entries = 0;
	t->pruned = false;
	if (c->journal && t->first >= c->journal_from) {
		strcpy(t->file, "state/journal");
		for (unsigned i = 0; i < t->n; i++) {
			if (cb_tiles_entry(c->t, t->first + i, &entry, &len, c->err) < 0)
				return -1;
			cb_put_be16(be, (uint16_t)len);
			if (cb_buf_add(&t->bundle, be, 2) < 0 || cb_buf_add(&t->bundle, entry, len) < 0)
				return cb_err_nomem(c->err);
		}
		return split(c, t, t->n);
	}
	cb_tile_path(t->file, CB_TILE_ENTRIES, t->k, t->n);
	if (cb_tiles_file(c->t, CB_TILE_ENTRIES, t->k, t->n, &t->bundle, &why) < 0 &&
	    why.code == CB_E_NOINPUT && t->n < W) {
		/* a full one holds what a part of it held */
		cb_tile_path(t->file, CB_TILE_ENTRIES, t->k, W);
		why = (struct cb_err)CB_ERR_INIT;
		cb_tiles_file(c->t, CB_TILE_ENTRIES, t->k, W, &t->bundle, &why);
	}
	if (!why.code) {
		c->first_found = true;
		c->r->bytes += t->bundle.len;
		return split(c, t, t->n);
	}
	if (cannot_read(&why)) {
		*c->err = why;
		return -1;
	}
	if (why.code == CB_E_DATA)
		return found(c, CB_FOUND_FALSE, "bundle-damaged", t->file, "%s", why.msg);
	t->pruned = !c->first_found;
	return t->pruned ? 0 :
	       found_at(c, CB_FOUND_FALSE, "entries-missing",
			&(struct place){ t->file, -1, t->first, t->first + t->n, CB_NO_EPOCH, INT64_MIN },
			"%s is missing, and with it %u entries", t->file, t->n);
}

/* The hashes that the tile's file has; without entries they are all there is. */
static int load_tile(struct check *c, struct tile *t)
{
	unsigned width = t->n, have = 0;

	if (hash_file(c, 0, t->k, W, &have) < 0)
		return -1;
	if (have)
		width = W;
	else if (t->n < W && hash_file(c, 0, t->k, width, &have) < 0)
		return -1;
	t->has_tile = have >= t->n;
	cb_tile_path(t->tile_file, 0, t->k, width);
	if (t->has_tile) {
		memcpy(t->tile, c->file.data, (size_t)t->n * H);
		return 0;
	}
	cb_tile_path(t->tile_file, 0, t->k, t->n < W && c->journal ? W : t->n);
	if (have || (c->journal && t->first + W > c->journal_from))
		return 0;
	return found(c, CB_FOUND_FALSE, "tile-missing", t->tile_file, "%s is missing", t->tile_file);
}

/* Do these hashes of the tile lead to what is known above them? */
static bool leads_up(struct check *c, const struct tile *t, const uint8_t *leaf)
{
	struct cb_frontier f = { 0 };
	unsigned n = t->n, have = 0, at = (unsigned)(t->k % W), width;
	uint8_t root[H];

	if (c->root_known && c->signed_size > t->first && c->signed_size - t->first < n)
		n = (unsigned)(c->signed_size - t->first);
	for (unsigned i = 0; i < n; i++)
		cb_frontier_push(&f, leaf + i * H);
	if (c->root_known && c->signed_size == t->first + n) {
		if (n < W) {
			join(&c->upper, &f, root);
		} else {
			struct cb_frontier all = c->upper;

			cb_frontier_push_full(&all, 8, f.node[8]);
			cb_frontier_root(&all, root);
		}
		return memcmp(root, c->root, H) == 0;
	}
	if (n < W)
		return false;
	width = (unsigned)(c->signed_size >> 8) % W;
	if (cb_tiles_file(c->t, 1, t->k / W, W, &c->file, NULL) == 0)
		have = W;
	else if (width > at && cb_tiles_file(c->t, 1, t->k / W, width, &c->file, NULL) == 0)
		have = width;
	return have > at && c->file.len == (size_t)have * H && memcmp(c->file.data + at * H, f.node[8], H) == 0;
}

/* Entries and tile against each other; what is believed goes into t->true_. */
static int compare(struct check *c, struct tile *t)
{
	struct place p = { .epoch = CB_NO_EPOCH, .recorded_us = INT64_MIN };
	bool entries = t->entries == t->n, entries_true, tile_true;
	unsigned i, to;

	if (entries && (!t->has_tile || memcmp(t->leaf, t->tile, (size_t)t->n * H) == 0)) {
		memcpy(t->true_, t->leaf, (size_t)t->n * H);
		return 0;
	}
	tile_true = t->has_tile && leads_up(c, t, t->tile);
	entries_true = !tile_true && entries && leads_up(c, t, t->leaf);
	memcpy(t->true_, t->has_tile && !entries_true ? t->tile : t->leaf, (size_t)t->n * H);
	if (!t->has_tile) {	/* and the entries are not all there: nothing to go on with */
		memset(t->true_ + t->entries * H, 0, (size_t)(t->n - t->entries) * H);
		return 0;
	}
	for (i = 0; i < t->entries; i = to) {
		to = i + 1;
		if (memcmp(t->leaf + i * H, t->tile + i * H, H) == 0)
			continue;
		while (to < t->entries && memcmp(t->leaf + to * H, t->tile + to * H, H) != 0)
			to++;
		p.from = t->first + i;
		p.to = t->first + to;
		p.file = entries_true ? t->tile_file : t->file;
		p.byte = entries_true ? (int64_t)i * H : (int64_t)t->at[i];
		if (!cb_entry_recorded(t->bundle.data + t->at[i], entry_len(t, i), &p.recorded_us))
			p.recorded_us = INT64_MIN;
		if (found_at(c, CB_FOUND_FALSE, entries_true ? "tile-changed" : tile_true ? "entry-changed" :
			     "entry-or-tile-changed", &p, entries_true ?
			     "entry %" PRIu64 ": the hash in %s is not its hash" : tile_true ?
			     "entry %" PRIu64 " is not the one that was logged" :
			     "entry %" PRIu64 " and its hash in %s do not agree", p.from, t->tile_file) < 0)
			return -1;
	}
	return 0;
}

/* Other files of the same entries and hashes, which a reader may be given as well. */
static int other_tile(struct check *c, int level, uint64_t n, unsigned width)
{
	const struct tile *t = &c->tile;
	char path[CB_TILE_PATH];
	unsigned have;

	cb_tile_path(path, level, n, width);
	if (strcmp(path, t->tile_file) == 0)
		return 0;
	if (width > t->n)	/* a log that goes on may have been signed since we began */
		return c->journal ? 0 : found(c, CB_FOUND_FALSE, "tile-beyond", path, "%s: of entries that the log has not", path);
	if (hash_file(c, level, n, width, &have) < 0)
		return -1;
	return have ? same_hashes(c, level, n, width, t->true_) : 0;
}

static int other_bundle(struct check *c, int level, uint64_t n, unsigned width)
{
	struct place p = { .epoch = CB_NO_EPOCH, .recorded_us = INT64_MIN };
	const struct tile *t = &c->tile;
	struct cb_err why = CB_ERR_INIT;
	const uint8_t *at, *end, *entry;
	char path[CB_TILE_PATH];
	uint8_t leaf[H];
	unsigned i = 0;
	size_t len;

	cb_tile_path(path, level, n, width);
	if (strcmp(path, t->file) == 0)
		return 0;
	if (width > t->n)	/* a log that goes on may have been signed since we began */
		return c->journal ? 0 : found(c, CB_FOUND_FALSE, "tile-beyond", path, "%s: of entries that the log has not", path);
	if (cb_tiles_file(c->t, level, n, width, &c->file, &why) < 0) {
		if (why.code == CB_E_NOINPUT)
			return 0;
		if (cannot_read(&why)) {
			*c->err = why;
			return -1;
		}
		return found(c, CB_FOUND_FALSE, "bundle-damaged", path, "%s", why.msg);
	}
	c->r->bytes += c->file.len;
	at = c->file.data;
	end = at + c->file.len;
	p.file = path;
	for (; i < width && cb_bundle_next(&at, end, &entry, &len); i++) {
		cb_merkle_leaf(leaf, entry, len);
		if (memcmp(leaf, t->true_ + i * H, H) == 0)
			continue;
		p.from = t->first + i;
		p.to = p.from + 1;
		p.byte = entry - c->file.data;
		return found_at(c, CB_FOUND_FALSE, "entry-changed", &p, "entry %" PRIu64 " in %s is not the one "
				"that was logged", p.from, path);
	}
	p.from = t->first + i;
	p.to = t->first + width;
	p.byte = at - c->file.data;
	return i == width && at == end ? 0 :
	       found_at(c, CB_FOUND_FALSE, "bundle-damaged", &p, "%s: no bundle of %u entries from byte %" PRId64 " on",
			path, width, p.byte);
}

static int other_files(struct check *c, struct tile *t)
{
	if (partials(c, 0, t->k, other_tile) < 0 || partials(c, CB_TILE_ENTRIES, t->k, other_bundle) < 0)
		return -1;
	/* where the journal was read, a full bundle may be there already */
	return t->n == W && c->journal && t->first >= c->journal_from ?
	       other_bundle(c, CB_TILE_ENTRIES, t->k, W) : 0;
}

/* --- what entries say -------------------------------------------------------------------------- */

static int64_t epoch_start_us(const struct check *c, uint64_t epoch)
{
	return (c->enrolment.epoch0 + (int64_t)epoch * c->enrolment.epoch_s) * 1000000;
}

static int enrol(struct check *c, const struct cb_entry *e, const struct place *p)
{
	const struct cb_vkey *log = c->r->view.log;
	struct cb_err why = CB_ERR_INIT;

	if (cb_enrolment_parse(&c->enrolment, e, &why) < 0)
		return found_at(c, CB_FOUND_FALSE, "enrolment-false", p, "entry 0: %s", why.msg);
	c->r->enrolled = true;
	if (c->r->has_checkpoint && strcmp(c->enrolment.log.name, c->r->view.c.origin) != 0)
		return found_at(c, CB_FOUND_FALSE, "other-origin", p, "entry 0 enrols %s, the checkpoint is of %s",
				c->enrolment.log.name, c->r->view.c.origin);
	if (log && memcmp(log->key, c->enrolment.log.key, sizeof(log->key)) != 0)
		return found_at(c, CB_FOUND_FALSE, "enrolment-false", p,
				"entry 0 enrols another key than the one that signed the checkpoint");
	/* that its signature is true was seen when it was parsed */
	if (c->o->org && (!c->enrolment.org || memcmp(c->enrolment.org_key, c->o->org, sizeof(c->enrolment.org_key)) != 0))
		return found_at(c, CB_FOUND_FALSE, "enrolment-unsigned", p, c->enrolment.org ?
				"another organisation's key than the one given signed the enrolment" :
				"no organisation's key signed the enrolment");
	return 0;
}

static int seal(struct check *c, const struct cb_entry *e, struct place *p)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_seal s;
	uint8_t root[H];

	if (cb_seal_parse(&s, e, &why) < 0)
		return found_at(c, CB_FOUND_FALSE, "seal-false", p, "entry %" PRIu64 " is no seal: %s", p->from,
				why.msg);
	p->epoch = s.epoch;
	if (cb_seal_check(&s, &c->enrolment, &why) < 0) {
		c->next_epoch += s.epoch == c->next_epoch;
		return found_at(c, CB_FOUND_FALSE, "seal-false", p, "the seal of epoch %u, entry %" PRIu64 ": %s",
				s.epoch, p->from, why.msg);
	}
	if (c->lost && s.epoch > c->next_epoch)
		c->next_epoch = s.epoch;
	c->lost = false;
	if (s.epoch < c->next_epoch)
		return found_at(c, CB_FOUND_FALSE, "seal-repeated", p, "entry %" PRIu64 " seals epoch %u once more",
				p->from, s.epoch);
	if (s.epoch > c->next_epoch &&
	    found_at(c, CB_FOUND_FALSE, "seal-missing", p, "epoch%s %u%s%.0u is not sealed: the next seal, entry %"
		     PRIu64 ", is of epoch %u", s.epoch - c->next_epoch > 1 ? "s" : "", c->next_epoch,
		     s.epoch - c->next_epoch > 1 ? " and more, up to " : "",
		     s.epoch - c->next_epoch > 1 ? s.epoch - 1 : 0, p->from, s.epoch) < 0)
		return -1;
	c->next_epoch = s.epoch + 1;
	/* what was taken away or put in moves all that follows: said where it begins */
	if (s.size - p->from != c->moved) {
		c->moved = s.size - p->from;
		return found_at(c, CB_FOUND_FALSE, "seal-misplaced", p, "the seal of epoch %u is entry %" PRIu64
				" and was made to be entry %" PRIu64 ": entries before it were %s", s.epoch,
				p->from, s.size, s.size > p->from ? "taken away" : "put in");
	}
	join(&c->upper, &c->local, root);
	if (!c->moved && !c->other && memcmp(root, s.root, H) != 0) {
		struct place span = *p;

		c->other = true;	/* and so will be all roots from here on */
		span.from = c->since;
		span.to = p->from;
		if (found_at(c, CB_FOUND_FALSE, "sealed-changed", &span, "entries %" PRIu64 " to %" PRIu64
			     " are not those that epoch %u sealed", c->since, p->from - 1, s.epoch) < 0)
			return -1;
	}
	if (p->recorded_us < epoch_start_us(c, (uint64_t)s.epoch + 1) &&
	    found_at(c, CB_FOUND_FALSE, "seal-early", p, "epoch %u was sealed before its end", s.epoch) < 0)
		return -1;
	if (c->late != CB_NO_ENTRY && c->late_us >= epoch_start_us(c, (uint64_t)s.epoch + 1)) {
		p->from = c->late;
		p->to = c->late + 1;
		p->recorded_us = c->late_us;
		if (found_at(c, CB_FOUND_FALSE, "outside-epoch", p, "entry %" PRIu64 " is later than epoch %u, whose "
			     "seal covers it", c->late, s.epoch) < 0)
			return -1;
	}
	if (c->cp_epoch == (int64_t)s.epoch) {
		memcpy(c->cp_key, s.key, sizeof(c->cp_key));
		c->cp_key_known = true;
	}
	c->r->seals++;
	c->r->epoch = s.epoch;
	return 0;
}

static void note_pruned(struct check *c, const struct cb_entry *e)
{
	uint32_t t;
	int64_t to;

	if (e->kind == CB_ENTRY_OWN && e->data != CB_JSON_NONE && cb_json_eq(e->json, e->type, "cb.log.pruned") &&
	    (t = cb_json_get(e->json, e->data, "to")) != CB_JSON_NONE && cb_json_i64(e->json, t, &to) && to > 0 &&
	    (uint64_t)to + 1 > c->pruned_to)
		c->pruned_to = (uint64_t)to + 1;
}

/* An entry that is what the tree says. */
static int entry(struct check *c, const struct tile *t, unsigned i)
{
	const uint8_t *p = t->bundle.data + t->at[i];
	struct place at = { t->file, (int64_t)t->at[i], t->first + i, t->first + i + 1, CB_NO_EPOCH, INT64_MIN };
	struct cb_err why = CB_ERR_INIT;
	size_t n = entry_len(t, i);
	struct cb_entry e;
	int ret = 0;

	c->r->entries++;
	if (c->o->entry && c->o->entry(c->o->ctx, at.from, p, n, c->root_known && at.from < c->signed_size, c->err) < 0)
		return -1;
	if (c->foreign)
		return 0;
	if (cb_entry_parse(&e, c->json, p, n, &why) < 0) {
		if (at.from == 0 && !cb_entry_recorded(p, n, &at.recorded_us)) {
			c->foreign = true;
			return found_at(c, c->o->forward_secure ? CB_FOUND_FALSE : CB_FOUND_NOTE, "foreign-log", &at,
					"a log of another program: its entries are not looked into");
		}
		return found_at(c, CB_FOUND_FALSE, "entry-malformed", &at, "entry %" PRIu64 ": %s", at.from, why.msg);
	}
	at.recorded_us = e.recorded_us;
	if (c->r->first_us == INT64_MIN)
		c->r->first_us = e.recorded_us;
	if (e.kind == CB_ENTRY_ENROLLED) {
		ret = at.from == 0 ? enrol(c, &e, &at) :
		      found_at(c, CB_FOUND_FALSE, "enrolment-false", &at, "entry %" PRIu64 " enrols once more", at.from);
	} else if (at.from == 0) {
		ret = found_at(c, CB_FOUND_FALSE, "enrolment-false", &at, "entry 0 is no enrolment");
	} else if (e.kind == CB_ENTRY_SEAL && c->r->enrolled) {
		ret = seal(c, &e, &at);
		c->late = CB_NO_ENTRY;
		c->since = at.to;
	} else if (e.kind != CB_ENTRY_SEAL && c->r->enrolled) {
		at.epoch = c->next_epoch;
		note_pruned(c, &e);
		if (!c->lost && e.recorded_us < epoch_start_us(c, c->next_epoch)) {
			ret = found_at(c, CB_FOUND_FALSE, "outside-epoch", &at, "entry %" PRIu64 " is earlier than epoch %u, "
				       "which it stands in", at.from, c->next_epoch);
		} else if (!c->lost && e.recorded_us >= epoch_start_us(c, (uint64_t)c->next_epoch + 1)) {
			c->late = at.from;	/* the last of them: times do not fall */
			c->late_us = e.recorded_us;
		}
	}
	if (ret == 0 && c->last_us != INT64_MIN && e.recorded_us < c->last_us)
		ret = found_at(c, CB_FOUND_FALSE, "time-falls", &at, "entry %" PRIu64 " is earlier than the one before "
			       "it", at.from);
	c->r->last_us = e.recorded_us;
	if (e.recorded_us > c->last_us)
		c->last_us = e.recorded_us;
	return ret;
}

/* --- the files beside the tree ------------------------------------------------------------------ */

/* A small file of the log: 1, 0 where there is none or it is no file (found), -1. */
static int small_file(struct check *c, const char *name, size_t max)
{
	int fd = openat(cb_tiles_fd(c->t), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = -1;
	size_t len = 0;
	ssize_t k;

	c->file.len = 0;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return errno == ELOOP ? found(c, CB_FOUND_FALSE, "log-file-changed", name, "%s is a symbolic link", name) :
		       cb_err_sys(c->err, cb_errc_open(errno), errno, "%s", name);
	if (cb_buf_reserve(&c->file, max + 1) < 0) {
		cb_err_nomem(c->err);
		goto out;
	}
	while (len <= max && (k = read(fd, c->file.data + len, max + 1 - len)) != 0) {
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			cb_err_sys(c->err, CB_E_IO, errno, "%s", name);
			goto out;
		}
		len += (size_t)k;
	}
	c->file.len = len;
	c->r->bytes += len;
	ret = len <= max ? 1 : found(c, CB_FOUND_FALSE, "log-file-changed", name, "%s is too large", name);
out:
	close(fd);
	return ret;
}

/* enrolment: entry 0 once more, for when its bundle was pruned. */
static int enrolment_file(struct check *c, const struct tile *t)
{
	struct place p = { "enrolment", 0, 0, 1, CB_NO_EPOCH, INT64_MIN };
	uint8_t leaf[H];
	struct cb_entry e;
	int k = small_file(c, "enrolment", CB_LOG_ENTRY_MAX);

	if (k == 0 && t->pruned)
		return found(c, CB_FOUND_FALSE, "log-file-changed", "enrolment", "entry 0 was deleted, and the file enrolment, "
			     "which stands for it, is not there: seals and times cannot be checked");
	if (k <= 0)
		return k;
	cb_merkle_leaf(leaf, c->file.data, c->file.len);
	if (memcmp(leaf, t->true_, H) != 0)
		return found_at(c, CB_FOUND_FALSE, "log-file-changed", &p, "the file enrolment is not entry 0");
	if (t->pruned && cb_entry_parse(&e, c->json, c->file.data, c->file.len, NULL) == 0 &&
	    e.kind == CB_ENTRY_ENROLLED) {
		c->foreign = false;
		return enrol(c, &e, &p);
	}
	return 0;
}

/* policy: what the log proposes to its verifiers. Nobody here believes it; it must be of this log. */
static int policy_file(struct check *c)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_policy *p = NULL;
	bool ours = false;
	int k = small_file(c, "policy", CB_POLICY_MAX);

	if (k <= 0)
		return k;
	if (cb_policy_parse(&p, (const char *)c->file.data, c->file.len, &why) < 0)
		return found(c, CB_FOUND_FALSE, "log-file-changed", "policy", "the file policy is none: %s", why.msg);
	for (size_t i = 0; i < p->logs; i++)
		ours |= memcmp(p->log[i].key, c->enrolment.log.key, sizeof(p->log[i].key)) == 0 &&
			strcmp(p->log[i].name, c->enrolment.log.name) == 0;
	cb_policy_free(p);
	return ours || !c->r->enrolled ? 0 :
	       found(c, CB_FOUND_FALSE, "log-file-changed", "policy", "the file policy does not know the log's own key");
}

/* epoch: the key of the epoch in which the checkpoint was made. */
static int epoch_file(struct check *c)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_seal s;
	int k = c->r->enrolled ? small_file(c, CB_EPOCH_FILE, CB_EPOCH_FILE_MAX) : 0;

	if (k <= 0)
		return k;
	if (cb_epoch_parse(&s, (const char *)c->file.data, c->file.len, &c->enrolment, &why) < 0)
		return found(c, CB_FOUND_FALSE, "log-file-changed", CB_EPOCH_FILE, "the file " CB_EPOCH_FILE ": %s", why.msg);
	if (c->cp_epoch == (int64_t)s.epoch) {
		memcpy(c->cp_key, s.key, sizeof(c->cp_key));
		c->cp_key_known = true;
	}
	return 0;
}

/* --- sizes at which somebody said what the root is --------------------------------------------- */

/* The journal has the last entries, but a reader goes by the files: those of the checkpoint's end
 * must be there, as they were or, since they filled up, whole. */
static int partial_published(struct check *c, uint64_t n)
{
	static const int levels[] = { 0, CB_TILE_ENTRIES };
	unsigned width = cb_tile_partial(n, 0);
	char path[CB_TILE_PATH];

	for (int i = 0; width && i < 2; i++) {
		struct cb_err why = CB_ERR_INIT;

		if ((levels[i] == CB_TILE_ENTRIES && c->tile.pruned) ||
		    cb_tiles_file(c->t, levels[i], n / W, width, &c->file, &why) == 0 || why.code != CB_E_NOINPUT ||
		    cb_tiles_file(c->t, levels[i], n / W, W, &c->file, NULL) == 0)
			continue;
		cb_tile_path(path, levels[i], n / W, width);
		if (found(c, CB_FOUND_FALSE, "tile-missing", path, "%s is missing: the entries are in the journal alone", path) < 0)
			return -1;
	}
	return 0;
}

static int at_size(struct check *c)
{
	uint64_t n = size_now(c);
	uint8_t root[H];
	bool have = false;

	for (size_t i = 0; i < c->o->n_older; i++) {
		if (c->older[i].seen || c->older[i].c.size != n)
			continue;
		c->older[i].seen = true;
		if (!have)
			join(&c->upper, &c->local, root);
		have = true;
		if (memcmp(root, c->older[i].c.root, H) != 0 &&
		    found_at(c, CB_FOUND_FALSE, "forked", &(struct place){ NULL, -1, 0, n, CB_NO_EPOCH, INT64_MIN },
			     "the first %" PRIu64 " entries are not those of %s", n, c->o->older[i].name) < 0)
			return -1;
	}
	if (!c->root_known || n != c->signed_size)
		return 0;
	if (!have)
		join(&c->upper, &c->local, root);
	if (memcmp(root, c->root, H) != 0 &&
	    found_at(c, CB_FOUND_FALSE, "root-differs", &(struct place){ "checkpoint", -1, c->since, n, CB_NO_EPOCH,
		     INT64_MIN }, "the checkpoint is of another tree: its root is not that of the first %" PRIu64
		     " entries", n) < 0)
		return -1;
	if (c->journal && partial_published(c, n) < 0)
		return -1;
	/* the tiles that a reader needs at this size */
	for (unsigned l = 1; l < CB_TILE_LEVELS; l++) {
		unsigned width = cb_tile_partial(n, l), got;
		char path[CB_TILE_PATH];

		if (!width)
			continue;
		cb_tile_path(path, (int)l, c->level_tile[l], width);
		if (hash_file(c, (int)l, c->level_tile[l], width, &got) < 0)
			return -1;
		if (!got && cb_tiles_file(c->t, (int)l, c->level_tile[l], W, &c->file, NULL) < 0 &&
		    found(c, CB_FOUND_FALSE, "tile-missing", path, "%s is missing", path) < 0)
			return -1;
	}
	return 0;
}

static int one_tile(struct check *c, uint64_t k)
{
	struct tile *t = &c->tile;
	uint64_t left;

	t->k = k;
	t->first = k * W;
	left = c->total - t->first;
	t->n = left < W ? (unsigned)left : W;
	if (load_entries(c, t) < 0 || load_tile(c, t) < 0)
		return -1;
	/* a checkpoint can say any size: where neither entries nor hashes are left it ends */
	if (!t->entries && !t->has_tile) {
		struct place p = { NULL, -1, t->first, c->total, CB_NO_EPOCH, INT64_MIN };

		c->total = t->first;
		return found_at(c, CB_FOUND_FALSE, "entries-missing", &p, "there is nothing of entry %" PRIu64
				" and those behind it", t->first);
	}
	if (compare(c, t) < 0 || other_files(c, t) < 0)
		return -1;
	c->r->pruned += t->pruned ? t->n : 0;
	if (t->pruned && k == 0)
		c->foreign = true;	/* without its enrolment nothing can be said of its seals */
	if (k == 0 && enrolment_file(c, t) < 0)
		return -1;
	for (unsigned i = 0; i < t->n; i++) {
		if (i >= t->entries || memcmp(t->leaf + i * H, t->true_ + i * H, H) != 0)
			c->lost = true;
		else if (entry(c, t, i) < 0)
			return -1;
		cb_frontier_push(&c->local, t->true_ + i * H);
		if (c->local.size == W) {
			cb_frontier_push_full(&c->upper, 8, c->local.node[8]);
			if (add_hash(c, 1, c->local.node[8]) < 0)
				return -1;
			memset(&c->local, 0, sizeof(c->local));
		}
		if (at_size(c) < 0)
			return -1;
	}
	return 0;
}

/* --- the checkpoint, and older ones ------------------------------------------------------------- */

/* "<origin>/epoch/<n>" among the names of a note's keys: the highest n, or CB_NO_EPOCH. */
static int64_t epoch_of(const struct cb_note *n, const char *origin)
{
	size_t len = strlen(origin);
	int64_t ret = CB_NO_EPOCH;
	uint64_t epoch;

	for (size_t i = 0; i < n->n; i++) {
		const struct cb_note_sig *s = &n->sig[i];

		if (s->name_len > len + 7 && memcmp(s->name, origin, len) == 0 &&
		    memcmp(s->name + len, "/epoch/", 7) == 0 &&
		    cb_size_text(&epoch, s->name + len + 7, s->name_len - len - 7) && (int64_t)epoch > ret)
			ret = (int64_t)epoch;
	}
	return ret;
}

static int checkpoint(struct check *c, struct cb_note *n)
{
	struct cb_err why = CB_ERR_INIT;
	const char *text;
	size_t len;

	text = cb_tiles_checkpoint(c->t, &len);
	if (!text)
		return found(c, c->o->n_older ? CB_FOUND_FALSE : CB_FOUND_UNCHECKED, "no-checkpoint", "checkpoint",
			     "there is no checkpoint: nobody has signed what is in the log");
	c->r->bytes += len;
	if (cb_note_parse(n, text, len, &why) < 0 ||
	    cb_checkpoint_parse(&c->r->view.c, n->text, n->text_len, &why) < 0)
		return found(c, CB_FOUND_FALSE, "checkpoint-damaged", "checkpoint", "%s", why.msg);
	c->root_known = c->r->has_checkpoint = true;
	if (!c->o->policy) {
		if (found(c, CB_FOUND_UNCHECKED, "nobody-trusted", "checkpoint", "no key was given that says who may sign "
			  "the log: its checkpoint's signatures were not checked") < 0)
			return -1;
	} else if (cb_policy_apply(c->o->policy, n, &c->r->view, &why) < 0) {
		if (why.code != CB_E_NO && why.code != CB_E_DATA) {
			*c->err = why;
			return -1;
		}
		if (found(c, why.code == CB_E_NO ? CB_FOUND_FALSE : CB_FOUND_UNCHECKED, "checkpoint-unsigned", "checkpoint",
			  "%s", why.msg) < 0)
			return -1;
	}
	c->r->view.c.extra = NULL;	/* it lies in the log's memory */
	c->r->view.c.extra_len = 0;
	c->signed_size = c->r->view.c.size;
	memcpy(c->root, c->r->view.c.root, H);
	c->cp_epoch = epoch_of(n, c->r->view.c.origin);
	if (c->signed_size > c->total)
		return found_at(c, CB_FOUND_FALSE, "entries-missing", &(struct place){ "checkpoint", -1, c->total,
				c->signed_size, CB_NO_EPOCH, INT64_MIN }, "the checkpoint is of %" PRIu64
				" entries, and only %" PRIu64 " are there", c->signed_size, c->total);
	return 0;
}

static int older(struct check *c, struct cb_note *n, size_t i)
{
	const struct cb_log_older *o = &c->o->older[i];
	struct cb_policy_view v = { 0 };
	struct cb_err why = CB_ERR_INIT;
	struct older *k = &c->older[i];

	k->seen = true;		/* and not looked for, unless it is worth it */
	if (cb_note_parse(n, o->text, o->len, &why) < 0 ||
	    (c->o->policy ? cb_policy_apply(c->o->policy, n, &v, &why) :
	     cb_checkpoint_parse(&v.c, n->text, n->text_len, &why)) < 0)
		return found(c, CB_FOUND_UNCHECKED, "older-unusable", NULL, "%s: %s", o->name, why.msg);
	k->c = v.c;
	if (c->r->has_checkpoint && strcmp(v.c.origin, c->r->view.c.origin) != 0)
		return found(c, CB_FOUND_FALSE, "other-origin", "checkpoint", "this is the log %s, and %s is of %s",
			     c->r->view.c.origin, o->name, v.c.origin);
	if (v.c.size > c->total)
		return found_at(c, CB_FOUND_FALSE, "cut-back", &(struct place){ NULL, -1, c->total, v.c.size,
				CB_NO_EPOCH, INT64_MIN }, "%s has %" PRIu64 " entries, and only %" PRIu64
				" are left", o->name, v.c.size, c->total);
	if (c->r->has_checkpoint && v.c.size > c->signed_size &&
	    found(c, CB_FOUND_FALSE, "checkpoint-replayed", "checkpoint", "the checkpoint, of %" PRIu64 " entries, is "
		  "older than %s, of %" PRIu64, c->signed_size, o->name, v.c.size) < 0)
		return -1;
	k->seen = false;
	return 0;
}

/* Is the checkpoint signed by the key of the epoch in which it was made? */
static int forward_secure(struct check *c, const struct cb_note *n)
{
	char name[CB_NOTE_NAME + 24];
	struct cb_vkey k;

	if (!c->r->enrolled || !c->r->has_checkpoint)
		return found(c, CB_FOUND_UNCHECKED, "epoch-unchecked", "checkpoint", "without an enrolment and a "
			     "checkpoint there is no epoch's key to check");
	if (c->cp_epoch == CB_NO_EPOCH)
		return found(c, CB_FOUND_FALSE, "epoch-unsigned", "checkpoint", "the checkpoint is not signed by an "
			     "epoch's key");
	if (!c->cp_key_known)
		return found(c, CB_FOUND_UNCHECKED, "epoch-unchecked", "checkpoint", "the checkpoint is signed by "
			     "epoch %" PRId64 ", whose key the log does not show yet", c->cp_epoch);
	snprintf(name, sizeof(name), "%s/epoch/%" PRId64, c->r->view.c.origin, c->cp_epoch);
	if (cb_vkey_init(&k, name, CB_KEY_ED25519, c->cp_key, NULL) < 0 ||
	    cb_note_signed(n, &k, NULL) != CB_SIGNED_TRUE)
		return found(c, CB_FOUND_FALSE, "epoch-unsigned", "checkpoint", "the checkpoint's signature by epoch %"
			     PRId64 " is false", c->cp_epoch);
	return 0;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static int at_end(struct check *c, const struct cb_note *n)
{
	char when[CB_TIME_LEN];

	/* the tiles above that are not full: whatever of them lies there */
	for (int l = 1; l < (int)CB_TILE_LEVELS; l++)
		if (c->level_n[l] && partials(c, l, c->level_tile[l], upper_partial) < 0)
			return -1;
	/* without an enrolment, which was found, nothing is known of what entries say */
	if (c->r->pruned && c->r->enrolled && found_at(c, c->pruned_to >= c->r->pruned ? CB_FOUND_NOTE : CB_FOUND_FALSE,
				     c->pruned_to >= c->r->pruned ? "pruned" : "entries-missing",
				     &(struct place){ NULL, -1, 0, c->r->pruned, CB_NO_EPOCH, INT64_MIN },
				     c->pruned_to >= c->r->pruned ?
				     "the first %" PRIu64 " entries were deleted; their hashes are there" :
				     "the first %" PRIu64 " entries are missing, and no entry says that they were deleted",
				     c->r->pruned) < 0)
		return -1;
	if (c->late != CB_NO_ENTRY && c->next_epoch < c->enrolment.epochs &&
	    found_at(c, CB_FOUND_FALSE, "seal-missing", &(struct place){ NULL, -1, c->late, c->late + 1, c->next_epoch,
		     c->late_us }, "epoch %u is not sealed, and entry %" PRIu64 " is later than it", c->next_epoch,
		     c->late) < 0)
		return -1;
	if (c->o->org && !c->r->enrolled &&
	    found(c, CB_FOUND_FALSE, "enrolment-unsigned", NULL, "there is no enrolment that an organisation could have "
		  "signed") < 0)
		return -1;
	if (policy_file(c) < 0 || epoch_file(c) < 0 || (c->o->forward_secure && forward_secure(c, n) < 0))
		return -1;
	if (c->r->has_checkpoint && c->total > c->signed_size &&
	    found_at(c, CB_FOUND_NOTE, "unsigned-tail", &(struct place){ NULL, -1, c->signed_size, c->total, CB_NO_EPOCH,
		     INT64_MIN }, "the last %" PRIu64 " entries came after the checkpoint and are not signed yet",
		     c->total - c->signed_size) < 0)
		return -1;
	if (c->o->max_age_us && c->r->last_us != INT64_MIN && c->o->now_us - c->r->last_us > c->o->max_age_us) {
		cb_time_format_us(when, c->r->last_us);
		return found(c, CB_FOUND_FALSE, "silent", NULL, "the log ends at %s: nothing came since", when);
	}
	return 0;
}

int cb_log_check(struct cb_tiles *t, const struct cb_log_check *o, struct cb_log_checked *ret,
		 struct cb_err *err)
{
	struct cb_err own = CB_ERR_INIT;
	struct check *c = calloc(1, sizeof(*c));
	struct cb_note *n = calloc(2, sizeof(*n));
	int k = -1;

	*ret = (struct cb_log_checked){ .epoch = CB_NO_EPOCH, .first_us = INT64_MIN, .last_us = INT64_MIN };
	if (!c || !n || !(c->json = malloc(sizeof(*c->json)))) {
		cb_err_nomem(err);
		goto out;
	}
	c->t = t;
	c->o = o;
	c->r = ret;
	c->err = err ? err : &own;
	c->total = cb_tiles_size(t);
	cb_tiles_journal(t, &c->journal_from, &c->journal_to);
	c->journal = c->journal_to > 0;
	c->late = CB_NO_ENTRY;
	c->last_us = INT64_MIN;
	c->cp_epoch = CB_NO_EPOCH;
	if (o->n_older > CB_LOG_OLDER_MAX) {
		cb_err_set(err, CB_E_USAGE, "more than %d older checkpoints", CB_LOG_OLDER_MAX);
		goto out;
	}
	if (checkpoint(c, n) < 0)
		goto out;
	for (size_t i = 0; i < o->n_older; i++)
		if (older(c, n + 1, i) < 0)
			goto out;
	if (at_size(c) < 0)		/* of nothing */
		goto out;
	for (uint64_t i = 0; i < c->total; i += W) {
		if (cb_stop_wanted()) {
			cb_err_set(err, CB_E_TEMP, "stopped at entry %" PRIu64, i);
			goto out;
		}
		if (one_tile(c, i / W) < 0)
			goto out;
	}
	k = at_end(c, n);
out:
	if (c) {
		for (unsigned l = 0; l < CB_TILE_LEVELS; l++)
			free(c->level[l]);
		cb_buf_release(&c->tile.bundle);
		cb_buf_release(&c->file);
		free(c->json);
	}
	free(c);
	free(n);
	return k;
}
