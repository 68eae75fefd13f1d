/* SPDX-License-Identifier: Apache-2.0 */
/* Journal files: their bytes, and what they hold. */
#include "log/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "wire/frame.h"

#define MAGIC 0x6c6a6243u	/* "Cbjl" */
#define RECORD 0x726a6243u	/* "Cbjr" */
#define VERSION 1u
#define FIXED 64u		/* bytes of a header before its hashes */
#define CLAMPED 1u
#define CHUNK ((size_t)128 << 10)	/* that is read first; more than any header */
#define RECORD_MAX (CB_JOURNAL_RECORD + CB_LOG_ENTRY_MAX + 63u)

static size_t round64(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

/* --- the edge --------------------------------------------------------------------------------- */

void cb_journal_edge_release(struct cb_journal_edge *e)
{
	for (unsigned i = 0; i < CB_TILE_LEVELS; i++)
		free(e->hash[i]);
	*e = (struct cb_journal_edge){ 0 };
}

static int room(struct cb_journal_edge *e, unsigned level)
{
	if (!e->hash[level])
		e->hash[level] = malloc(CB_TILE_BYTES);
	return e->hash[level] ? 0 : -1;
}

/* The root of a full tile; spoils it. */
static void tile_root(uint8_t *tile, uint8_t out[static CB_HASH_LEN])
{
	for (unsigned n = CB_TILE_WIDTH; n > 1; n /= 2)
		for (unsigned i = 0; i < n / 2; i++)
			cb_merkle_node(tile + i * CB_HASH_LEN, tile + 2 * i * CB_HASH_LEN,
				       tile + (2 * i + 1) * CB_HASH_LEN);
	memcpy(out, tile, CB_HASH_LEN);
}

int cb_journal_edge_push(struct cb_journal_edge *e, uint64_t tile, const uint8_t root[static CB_HASH_LEN],
			 cb_journal_full_fn *full, void *ctx, struct cb_err *err)
{
	uint8_t h[CB_HASH_LEN];

	memcpy(h, root, CB_HASH_LEN);
	for (unsigned level = 1; level < CB_TILE_LEVELS; level++) {
		tile >>= 8;
		if (room(e, level) < 0)
			return cb_err_nomem(err);
		memcpy(e->hash[level] + e->n[level] * CB_HASH_LEN, h, CB_HASH_LEN);
		if (++e->n[level] < CB_TILE_WIDTH)
			return 0;
		if (full && full(ctx, level, tile, e->hash[level], err) < 0)
			return -1;
		tile_root(e->hash[level], h);
		e->n[level] = 0;
	}
	return 0;
}

int cb_journal_edge_copy(struct cb_journal_edge *to, const struct cb_journal_edge *from, struct cb_err *err)
{
	for (unsigned i = 0; i < CB_TILE_LEVELS; i++) {
		to->n[i] = 0;
		if (!from->n[i])
			continue;
		if (room(to, i) < 0)
			return cb_err_nomem(err);
		memcpy(to->hash[i], from->hash[i], from->n[i] * CB_HASH_LEN);
		to->n[i] = from->n[i];
	}
	return 0;
}

void cb_journal_edge_frontier(const struct cb_journal_edge *e, uint64_t base, struct cb_frontier *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned level = CB_TILE_LEVELS; level-- > 1;)
		for (unsigned i = 0; i < e->n[level]; i++)
			cb_frontier_push_full(ret, 8 * level, e->hash[level] + i * CB_HASH_LEN);
	(void)base;
}

/* --- making bytes --------------------------------------------------------------------------------- */

static int pad(struct cb_buf *b, size_t from)
{
	static const uint8_t zero[64];
	size_t n = b->len - from;

	return cb_buf_add(b, zero, round64(n) - n);
}

int cb_journal_begin(struct cb_journal *j, uint64_t generation, const struct cb_journal_at *at,
		     const struct cb_journal_edge *e)
{
	struct cb_buf *b = &j->bytes;
	uint8_t h[FIXED] = { 0 };
	size_t len = FIXED;

	if (cb_journal_edge_copy(&j->edge, e, NULL) < 0)
		return -1;
	for (unsigned i = 1; i < CB_TILE_LEVELS; i++)
		len += e->n[i] * CB_HASH_LEN;
	len = round64(len);
	cb_put_le32(h, MAGIC);
	cb_put_le32(h + 4, VERSION);
	cb_put_le32(h + 8, (uint32_t)len);
	cb_put_le64(h + 16, at->size);
	cb_put_le64(h + 24, generation);
	cb_put_le64(h + 32, (uint64_t)at->recorded_us);
	cb_put_le32(h + 40, at->next_epoch);
	cb_put_le32(h + 44, at->clamped ? CLAMPED : 0);
	for (unsigned i = 1; i < CB_TILE_LEVELS; i++)
		cb_put_le16(h + 48 + 2 * (i - 1), (uint16_t)e->n[i]);
	b->len = 0;
	if (cb_buf_reserve(b, len + 64) < 0)
		return -1;
	cb_buf_add(b, h, sizeof(h));
	for (unsigned i = 1; i < CB_TILE_LEVELS; i++)
		if (e->n[i])
			cb_buf_add(b, e->hash[i], e->n[i] * CB_HASH_LEN);
	pad(b, 0);
	cb_put_le32(b->data + 12, cb_crc32c(0, b->data, b->len));
	j->base = at->size;
	j->generation = generation;
	j->at_base = j->at = *at;
	j->head = j->tail = b->len;
	j->n = 0;
	return 0;
}

/* Take in the record that lies at the tail. */
static int take(struct cb_journal *j)
{
	const uint8_t *p = j->bytes.data + j->tail;
	size_t *where;

	if ((j->n & (j->n - 1)) == 0) {
		where = realloc(j->where, (j->n ? 2 * j->n : 1) * sizeof(*where));
		if (!where)
			return -1;
		j->where = where;
	}
	j->where[j->n++] = j->tail;
	j->at.size++;
	j->at.recorded_us = (int64_t)cb_le64(p + 16);
	j->at.clamped = cb_le16(p + 6) & CLAMPED;
	if (cb_le32(p + 24))
		j->at.next_epoch = cb_le32(p + 24);
	j->tail += round64(CB_JOURNAL_RECORD + cb_le16(p + 4));
	return 0;
}

int cb_journal_put(struct cb_journal *j, int64_t recorded_us, bool clamped, uint32_t seal,
		   const uint8_t leaf[static CB_HASH_LEN], const void *entry, size_t n)
{
	uint8_t h[CB_JOURNAL_RECORD];

	j->bytes.len = j->tail;
	cb_put_le32(h, RECORD);
	cb_put_le16(h + 4, (uint16_t)n);
	cb_put_le16(h + 6, clamped ? CLAMPED : 0);
	cb_put_le64(h + 8, j->at.size);
	cb_put_le64(h + 16, (uint64_t)recorded_us);
	cb_put_le32(h + 24, seal);
	cb_put_le32(h + 28, 0);
	memcpy(h + 32, leaf, CB_HASH_LEN);
	cb_put_le32(h + 28, cb_crc32c(0, h, sizeof(h)));
	if (cb_buf_reserve(&j->bytes, sizeof(h) + n + 64) < 0)
		return -1;
	cb_buf_add(&j->bytes, h, sizeof(h));
	cb_buf_add(&j->bytes, entry, n);
	pad(&j->bytes, j->tail);
	if (take(j) < 0) {
		j->bytes.len = j->tail;
		return -1;
	}
	return 0;
}

struct cb_journal_mark cb_journal_mark(const struct cb_journal *j)
{
	return (struct cb_journal_mark){ j->tail, j->n, j->at };
}

/* where has room for n as it has for more */
void cb_journal_back(struct cb_journal *j, const struct cb_journal_mark *m)
{
	j->tail = j->bytes.len = m->tail;
	j->n = m->n;
	j->at = m->at;
}

/* --- reading ---------------------------------------------------------------------------------------- */

void cb_journal_release(struct cb_journal *j)
{
	cb_journal_edge_release(&j->edge);
	cb_buf_release(&j->bytes);
	free(j->where);
	*j = (struct cb_journal){ 0 };
}

/* The header at the beginning of bytes: 1, 0 (none), -1 (no memory). */
static int parse_head(struct cb_journal *j, struct cb_err *err)
{
	const uint8_t *h = j->bytes.data;
	uint8_t sum[4] = { 0 };
	uint64_t tiles;
	uint32_t crc;
	size_t len, want = FIXED;

	if (j->bytes.len < FIXED || cb_le32(h) != MAGIC || cb_le32(h + 4) != VERSION)
		return 0;
	len = cb_le32(h + 8);
	if (len < FIXED || len % 64 || len > j->bytes.len || len > FIXED + CB_TILE_LEVELS * CB_TILE_BYTES)
		return 0;
	crc = cb_crc32c(0, h, 12);
	crc = cb_crc32c(crc, sum, 4);
	if (cb_crc32c(crc, h + 16, len - 16) != cb_le32(h + 12))
		return 0;
	j->base = cb_le64(h + 16);
	j->generation = cb_le64(h + 24);
	j->at_base = (struct cb_journal_at){ .size = j->base, .recorded_us = (int64_t)cb_le64(h + 32),
					     .next_epoch = cb_le32(h + 40), .clamped = cb_le32(h + 44) & CLAMPED };
	if (j->base % CB_TILE_WIDTH || j->base > CB_TREE_MAX)
		return 0;
	tiles = j->base;
	for (unsigned i = 1; i < CB_TILE_LEVELS; i++) {
		unsigned n = cb_le16(h + 48 + 2 * (i - 1));

		tiles >>= 8;
		if (n != tiles % CB_TILE_WIDTH || want + n * CB_HASH_LEN > len)
			return 0;
		if (n && room(&j->edge, i) < 0)
			return cb_err_nomem(err);
		if (n)
			memcpy(j->edge.hash[i], h + want, n * CB_HASH_LEN);
		j->edge.n[i] = n;
		want += n * CB_HASH_LEN;
	}
	if (round64(want) != len)
		return 0;
	j->head = j->tail = len;
	j->n = 0;
	j->at = j->at_base;
	return 1;
}

/* The record at p, n bytes at most: its entry's length, or -1. */
static long record_ok(const uint8_t *p, size_t n, uint64_t index)
{
	uint8_t h[CB_JOURNAL_RECORD], leaf[CB_HASH_LEN];
	size_t len;

	if (n < CB_JOURNAL_RECORD || cb_le32(p) != RECORD || cb_le64(p + 8) != index)
		return -1;
	len = cb_le16(p + 4);
	if (round64(CB_JOURNAL_RECORD + len) > n)
		return -1;
	memcpy(h, p, sizeof(h));
	cb_put_le32(h + 28, 0);
	if (cb_crc32c(0, h, sizeof(h)) != cb_le32(p + 28))
		return -1;
	cb_merkle_leaf(leaf, p + CB_JOURNAL_RECORD, len);
	return memcmp(leaf, p + 32, CB_HASH_LEN) == 0 ? (long)len : -1;
}

int cb_journal_more(struct cb_journal *j, struct cb_err *err)
{
	int n = 0;

	for (; j->tail < j->bytes.len; n++) {
		if (record_ok(j->bytes.data + j->tail, j->bytes.len - j->tail, j->at.size) < 0)
			break;
		if (take(j) < 0)
			return cb_err_nomem(err);
	}
	return n;
}

int cb_journal_parse(struct cb_journal *j, struct cb_err *err)
{
	int k = parse_head(j, err);

	if (k > 0 && cb_journal_more(j, err) < 0)
		return -1;
	return k;
}

/* So many more bytes of fd into bytes, or those that there are. */
static int read_some(struct cb_journal *j, int fd, size_t n)
{
	if (cb_buf_reserve(&j->bytes, n + 1) < 0) {
		errno = ENOMEM;
		return -1;
	}
	while (n) {
		ssize_t k = pread(fd, j->bytes.data + j->bytes.len, n, (off_t)j->bytes.len);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		j->bytes.len += (size_t)k;
		n -= (size_t)k;
	}
	return 0;
}

int cb_journal_load(struct cb_journal *j, int state, const char *name, struct cb_err *err)
{
	int fd = openat(state, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = -1;
	struct stat st;
	size_t chunk = CHUNK, size;

	j->bytes.len = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : cb_err_sys(err, cb_errc_open(errno), errno, "state/%s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CB_JOURNAL_MAX) {
		cb_err_set(err, CB_E_DATA, "state/%s: not a journal", name);
		goto out;
	}
	size = (size_t)st.st_size;
	/* a file is longer than what is in it: read as long as records go on */
	for (bool head = false;; chunk *= 2) {
		size_t left = size - j->bytes.len, before = j->bytes.len;

		if (read_some(j, fd, left < chunk ? left : chunk) < 0) {
			cb_err_sys(err, errno == ENOMEM ? CB_E_OS : CB_E_IO, errno, "state/%s", name);
			goto out;
		}
		ret = head ? cb_journal_more(j, err) : cb_journal_parse(j, err);
		if (ret < 0 || (!head && ret == 0))
			break;
		head = true;
		ret = 1;
		if (j->bytes.len == before || j->bytes.len >= size || j->bytes.len - j->tail >= RECORD_MAX)
			break;
	}
out:
	close(fd);
	return ret;
}

int cb_journal_choose(const struct cb_journal j[2], const bool have[2])
{
	if (!have[0] || !have[1])
		return have[0] ? 0 : have[1] ? 1 : -1;
	if (j[0].at.size != j[1].at.size)
		return j[0].at.size > j[1].at.size ? 0 : 1;
	return j[0].base >= j[1].base ? 0 : 1;
}

const uint8_t *cb_journal_leaf(const struct cb_journal *j, size_t k)
{
	return j->bytes.data + j->where[k] + 32;
}

const uint8_t *cb_journal_entry(const struct cb_journal *j, size_t k, size_t *ret_len)
{
	const uint8_t *p = j->bytes.data + j->where[k];

	*ret_len = cb_le16(p + 4);
	return p + CB_JOURNAL_RECORD;
}
