/* SPDX-License-Identifier: Apache-2.0 */
/* From the journal to the tree that others read: full tiles, checkpoints, pruning. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "log/log-priv.h"
#include "log/note.h"
#include "log/proof.h"

#define KEEP_ROOM ((off_t)4 << 20)	/* a journal file that is larger is cut when it is used again */
#define FILE_MODE 0640

/* --- full tiles -------------------------------------------------------------------------------- */

/* Entries k to k + n - 1 of the journal as a bundle, their leaves as a tile. */
static int gather(const struct cb_journal *j, size_t k, unsigned n, struct cb_buf *bundle, uint8_t *tile)
{
	bundle->len = 0;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *entry;
		size_t len;

		entry = cb_journal_entry(j, k + i, &len);
		if (cb_buf_be16(bundle, (uint16_t)len) < 0 || cb_buf_add(bundle, entry, len) < 0)
			return -1;
		memcpy(tile + i * CB_HASH_LEN, cb_journal_leaf(j, k + i), CB_HASH_LEN);
	}
	return 0;
}

struct rolling {
	struct cb_dirs dirs;
	struct cb_dir_stage stage;
};

static int put_full(void *ctx, unsigned level, uint64_t n, const uint8_t *tile, struct cb_err *err)
{
	struct rolling *r = ctx;
	char path[CB_TILE_PATH];

	cb_tile_path(path, (int)level, n, CB_TILE_WIDTH);
	return cb_dir_stage(&r->stage, path, FILE_MODE, tile, CB_TILE_BYTES, err);
}

static int put_tiles(struct rolling *r, const struct cb_journal *j, struct cb_journal_edge *edge, size_t tiles,
		     struct cb_err *err)
{
	uint8_t tile[CB_TILE_BYTES], root[CB_HASH_LEN];
	struct cb_buf bundle = { 0 };
	char path[CB_TILE_PATH];
	int ret = -1;

	for (size_t i = 0; i < tiles; i++) {
		uint64_t n = j->base / CB_TILE_WIDTH + i;
		struct cb_frontier f = { 0 };

		if (gather(j, i * CB_TILE_WIDTH, CB_TILE_WIDTH, &bundle, tile) < 0) {
			cb_err_nomem(err);
			goto out;
		}
		cb_tile_path(path, CB_TILE_ENTRIES, n, CB_TILE_WIDTH);
		if (cb_dir_stage(&r->stage, path, FILE_MODE, bundle.data, bundle.len, err) < 0 ||
		    put_full(r, 0, n, tile, err) < 0)
			goto out;
		for (unsigned k = 0; k < CB_TILE_WIDTH; k++)
			cb_frontier_push(&f, tile + k * CB_HASH_LEN);
		cb_frontier_root(&f, root);
		if (cb_journal_edge_push(edge, n, root, put_full, r, err) < 0)
			goto out;
	}
	if (cb_dir_commit(&r->stage, err) == 0)
		ret = cb_dirs_sync(&r->dirs, err);
out:
	cb_buf_release(&bundle);
	return ret;
}

/* The next journal, in the other file: what is left goes over to it. */
static int put_journal(struct cb_log *l, const struct cb_journal_edge *edge, size_t from, struct cb_err *err)
{
	static const uint8_t zero[CB_JOURNAL_RECORD];
	struct cb_journal *j = &l->j, next = { 0 };
	struct cb_journal_at at = j->at_base;
	unsigned file = (unsigned)(j->generation + 1) & 1;
	const char *name = file ? "state/journal.1" : "state/journal.0";
	struct stat st;
	int fd = l->file[file];

	/* what was known at its first entry is what the last record before it said */
	at.size = j->base + from;
	for (size_t i = 0; i < from; i++) {
		const uint8_t *p = j->bytes.data + j->where[i];

		at.recorded_us = (int64_t)cb_le64(p + 16);
		at.clamped = cb_le16(p + 6) & 1;
		if (cb_le32(p + 24))
			at.next_epoch = cb_le32(p + 24);
	}
	if (cb_journal_begin(&next, j->generation + 1, &at, edge) < 0)
		goto nomem;
	for (size_t i = from; i < j->n; i++) {
		const uint8_t *p = j->bytes.data + j->where[i];

		if (cb_journal_put(&next, (int64_t)cb_le64(p + 16), cb_le16(p + 6) & 1, cb_le32(p + 24),
				   p + 32, p + CB_JOURNAL_RECORD, cb_le16(p + 4)) < 0)
			goto nomem;
	}
	if (fstat(fd, &st) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "%s", name);
		goto fail;
	}
	if (st.st_size > KEEP_ROOM && ftruncate(fd, 0) == 0)
		st.st_size = 0;
	if (cb_pwrite_all(fd, next.bytes.data, next.tail, 0, name, err) < 0 || cb_sync_fd(fd, true, name, err) < 0) {
		cb_pwrite_all(fd, zero, sizeof(zero), 0, name, NULL);	/* half of it is none */
		goto fail;
	}
	cb_journal_release(j);
	*j = next;
	l->room = st.st_size > (off_t)next.tail ? st.st_size : (off_t)next.tail;
	l->synced = next.tail;
	cb_log_hint(l);
	return 0;
nomem:
	cb_err_nomem(err);
fail:
	cb_journal_release(&next);
	return -1;
}

int cb_log_roll(struct cb_log *l, struct cb_err *err)
{
	struct cb_journal_edge edge = { { 0 } };
	struct rolling r = { .dirs = { .n = 0 } };
	size_t tiles = l->j.n / CB_TILE_WIDTH;
	int ret = -1;

	if (!tiles)
		return 0;
	r.stage.root = l->dir;
	r.stage.dirs = &r.dirs;
	r.stage.n = 0;
	if (cb_journal_edge_copy(&edge, &l->j.edge, err) == 0 && put_tiles(&r, &l->j, &edge, tiles, err) == 0 &&
	    put_journal(l, &edge, tiles * CB_TILE_WIDTH, err) == 0)
		ret = 0;
	cb_dir_stage_release(&r.stage);
	cb_dirs_release(&r.dirs);
	cb_journal_edge_release(&edge);
	return ret;
}

/* --- checkpoints --------------------------------------------------------------------------------- */

static int put_partial(struct cb_log *l, struct cb_dirs *d, struct cb_err *err)
{
	const struct cb_journal *j = &l->j;
	uint8_t tile[CB_TILE_BYTES];
	struct cb_buf bundle = { 0 };
	char path[CB_TILE_PATH];
	uint64_t n = j->base / CB_TILE_WIDTH;
	int ret = -1;

	if (j->n) {
		if (gather(j, 0, (unsigned)j->n, &bundle, tile) < 0) {
			cb_err_nomem(err);
			goto out;
		}
		cb_tile_path(path, CB_TILE_ENTRIES, n, (unsigned)j->n);
		if (cb_dir_put(l->dir, path, FILE_MODE, bundle.data, bundle.len, d, err) < 0)
			goto out;
		cb_tile_path(path, 0, n, (unsigned)j->n);
		if (cb_dir_put(l->dir, path, FILE_MODE, tile, j->n * CB_HASH_LEN, d, err) < 0)
			goto out;
	}
	for (unsigned level = 1; level < CB_TILE_LEVELS; level++) {
		n >>= 8;
		if (!j->edge.n[level])
			continue;
		cb_tile_path(path, (int)level, n, j->edge.n[level]);
		if (cb_dir_put(l->dir, path, FILE_MODE, j->edge.hash[level], j->edge.n[level] * CB_HASH_LEN, d, err) < 0)
			goto out;
	}
	ret = cb_dirs_sync(d, err);
out:
	cb_buf_release(&bundle);
	return ret;
}

/* What was signed last, from name: *ret_size 0 where there is none. It must be ours, and what we
 * have must be its continuation. */
static int check_last(struct cb_log *l, struct cb_tiles *t, int dir, const char *name, const char *say,
		      uint64_t *ret_size, struct cb_err *err)
{
	uint8_t root[CB_HASH_LEN];
	struct cb_err why = CB_ERR_INIT;
	struct cb_checkpoint c;
	struct cb_buf b = { 0 };
	struct cb_note *n = NULL;
	int ret = -1;

	*ret_size = 0;
	if (cb_dir_get(dir, name, CB_NOTE_MAX, &b, &why) < 0) {
		if (why.code == CB_E_NOINPUT)
			ret = 0;
		else if (err)
			*err = why;
		goto out;
	}
	n = malloc(sizeof(*n));
	if (!n) {
		cb_err_nomem(err);
		goto out;
	}
	if (cb_note_parse(n, (const char *)b.data, b.len, err) < 0 ||
	    cb_checkpoint_parse(&c, n->text, n->text_len, err) < 0) {
		cb_err_prefix(err, "%s", say);
		goto out;
	}
	if (strcmp(c.origin, l->en.log.name) != 0 || cb_note_signed(n, &l->en.log, NULL) != CB_SIGNED_TRUE) {
		cb_err_set(err, CB_E_DATA, "%s: not signed by this log", say);
		goto out;
	}
	if (c.size > l->j.at.size) {
		cb_err_set(err, CB_E_DATA, "%s: of %" PRIu64 " entries, the log has %" PRIu64 ": entries are lost", say,
			   c.size, l->j.at.size);
		goto out;
	}
	if (cb_tiles_root(t, c.size, root, err) < 0)
		goto out;
	if (memcmp(root, c.root, sizeof(root)) != 0) {
		cb_err_set(err, CB_E_DATA, "%s: the log is not its continuation: entries were changed", say);
		goto out;
	}
	*ret_size = c.size;
	ret = 0;
out:
	free(n);
	cb_buf_release(&b);
	return ret;
}

/* The text, signed twice. */
static int make_note(struct cb_log *l, const struct cb_seckey *key, struct cb_buf *b, struct cb_err *err)
{
	uint8_t root[CB_HASH_LEN], sig[64], pk[32];
	char name[CB_NOTE_NAME];
	struct cb_evolve *e = NULL;
	struct cb_vkey k;
	size_t text;
	int ret = -1;

	cb_frontier_root(&l->f, root);
	if (cb_checkpoint_put(b, l->en.log.name, l->j.at.size, root) < 0)
		return cb_err_nomem(err);
	text = b->len;
	cb_seckey_sign(key, b->data, text, sig);
	if (cb_buf_byte(b, '\n') < 0 || cb_note_put_sig(b, &l->en.log, sig, 0) < 0)
		return cb_err_nomem(err);
	if (l->j.at.next_epoch >= l->en.epochs)
		return 0;
	if (cb_seed_get(&e, l->state, l->j.at.next_epoch, err) < 0)
		return -1;
	cb_evolve_public(e, pk);
	cb_evolve_sign(e, b->data, text, sig);
	if (snprintf(name, sizeof(name), "%s/epoch/%" PRIu32, l->en.log.name, l->j.at.next_epoch) >= (int)sizeof(name))
		cb_err_set(err, CB_E_DATA, "enrolment: origin: too long");
	else if (cb_vkey_init(&k, name, CB_KEY_ED25519, pk, err) == 0)
		ret = cb_note_put_sig(b, &k, sig, 0) < 0 ? cb_err_nomem(err) : 0;
	cb_evolve_free(e);
	return ret;
}

/* Partial tiles that became full need not be kept. What cannot be removed stays, and harms nobody. */
static void remove_partial(struct cb_log *l, int level, uint64_t n)
{
	char path[CB_TILE_PATH];
	struct dirent *e;
	DIR *d;
	int fd;

	cb_tile_path(path, level, n, 1);
	*strrchr(path, '/') = '\0';
	fd = openat(l->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	unlinkat(l->dir, path, AT_REMOVEDIR);
}

static void remove_partials(struct cb_log *l, uint64_t old)
{
	uint64_t size = l->j.at.size;

	for (unsigned level = 0; level < CB_TILE_LEVELS && old >> (8 * level); level++) {
		uint64_t n = old >> (8 * (level + 1));

		if (level == CB_TILE_LEVELS - 1 || n == size >> (8 * (level + 1)) || !cb_tile_partial(old, level))
			continue;
		remove_partial(l, (int)level, n);
		if (level == 0)
			remove_partial(l, CB_TILE_ENTRIES, n);
	}
}

/* The public key of the epoch that signs the checkpoint, and its proof: its seal, which has both,
 * comes later. */
static int put_epoch(struct cb_log *l, struct cb_err *err)
{
	struct cb_seal s = { .epoch = l->j.at.next_epoch };
	struct cb_evolve *e = NULL;
	struct cb_buf b = { 0 };
	int ret;

	if (s.epoch >= l->en.epochs)
		return 0;
	if (cb_seed_get(&e, l->state, s.epoch, err) < 0)
		return -1;
	cb_evolve_public(e, s.key);
	cb_evolve_free(e);
	if (cb_epochs_prove(l->state, &l->en, &s, err) < 0)
		return -1;
	ret = cb_epoch_put(&b, &s) < 0 ? cb_err_nomem(err) :
	      cb_dir_put(l->dir, CB_EPOCH_FILE, FILE_MODE, b.data, b.len, NULL, err);
	cb_buf_release(&b);
	return ret;
}

static int publish(struct cb_log *l, const struct cb_seckey *key, struct cb_err *err)
{
	struct cb_dirs d = { .n = 0 };
	struct cb_buf b = { 0 };
	struct cb_tiles *t = NULL;
	uint64_t old, kept;
	bool clamped;
	int64_t us;
	int ret = -1;

	/* a log whose epochs are used up can still be signed as it is */
	if (cb_log_seal_due(l, &us, &clamped, err) < 0 && l->j.at.next_epoch < l->en.epochs)
		goto out;
	if (err)
		*err = (struct cb_err)CB_ERR_INIT;
	if (cb_log_roll(l, err) < 0 || cb_tiles_open_held(&t, l->dir, err) < 0 ||
	    check_last(l, t, l->dir, "checkpoint", "checkpoint", &old, err) < 0 ||
	    check_last(l, t, l->state, "checkpoint", "state/checkpoint", &kept, err) < 0 ||
	    put_partial(l, &d, err) < 0 || make_note(l, key, &b, err) < 0)
		goto out;
	/* what we have said is remembered before it is said */
	if (cb_dir_put(l->state, "checkpoint", 0600, b.data, b.len, NULL, err) < 0 || put_epoch(l, err) < 0 ||
	    cb_dir_put(l->dir, "checkpoint", FILE_MODE, b.data, b.len, NULL, err) < 0)
		goto out;
	remove_partials(l, old);
	ret = 0;
out:
	cb_dirs_release(&d);
	cb_buf_release(&b);
	cb_tiles_close(t);
	return ret;
}

int cb_log_checkpoint(struct cb_log *l, const struct cb_seckey *key, struct cb_err *err)
{
	uint8_t pk[32];
	int ret;

	cb_seckey_public(key, pk);
	if (memcmp(pk, l->en.log.key, sizeof(pk)) != 0)
		return cb_err_set(err, CB_E_CONFIG, "the key is not the one that the log was made with");
	if (cb_log_lock(l, err) < 0)
		return -1;
	ret = publish(l, key, err);
	cb_log_unlock(l);
	return ret;
}

/* --- cosignatures ---------------------------------------------------------------------------------- */

static const struct cb_vkey *witness_of(const struct cb_policy *p, const struct cb_note_sig *s)
{
	for (size_t i = 0; i < p->nodes; i++)
		if (!p->node[i].members && p->node[i].key.id == s->id && strlen(p->node[i].key.name) == s->name_len &&
		    memcmp(p->node[i].key.name, s->name, s->name_len) == 0)
			return &p->node[i].key;
	return NULL;
}

static bool has_line(const struct cb_note *n, size_t below, const struct cb_note_sig *s)
{
	for (size_t i = 0; i < below; i++)
		if (n->sig[i].line_len == s->line_len && memcmp(n->sig[i].line, s->line, s->line_len) == 0)
			return true;
	return false;
}

/* b is the checkpoint, old bytes of it, with the lines behind it. */
static int take_lines(const struct cb_policy *p, struct cb_buf *b, size_t old, unsigned *ret_added, struct cb_err *err)
{
	struct cb_note *n = malloc(sizeof(*n)), *one = malloc(sizeof(*one));
	struct cb_buf fresh = { 0 };
	int ret = -1;

	if (!n || !one) {
		cb_err_nomem(err);
		goto out;
	}
	if (cb_note_parse(n, (const char *)b->data, b->len, err) < 0)
		goto out;
	for (size_t i = 0; i < n->n; i++) {
		const struct cb_note_sig *s = &n->sig[i];
		const struct cb_vkey *k = witness_of(p, s);

		if ((size_t)(s->line - (const char *)b->data) < old || has_line(n, i, s))
			continue;
		if (!k) {
			cb_err_set(err, CB_E_NO, "%.*s is no witness of this log: the file policy names them",
				   (int)s->name_len, s->name);
			goto out;
		}
		*one = *n;
		one->n = 1;
		one->sig[0] = *s;
		if (cb_note_signed(one, k, NULL) != CB_SIGNED_TRUE) {
			cb_err_set(err, CB_E_NO, "%s: its cosignature is not one of this checkpoint", k->name);
			goto out;
		}
		if (cb_buf_add(&fresh, s->line, s->line_len) < 0) {
			cb_err_nomem(err);
			goto out;
		}
		++*ret_added;
	}
	b->len = old;
	ret = fresh.len && cb_buf_add(b, fresh.data, fresh.len) < 0 ? cb_err_nomem(err) : 0;
out:
	cb_buf_release(&fresh);
	free(n);
	free(one);
	return ret;
}

static int cosign_held(struct cb_log *l, const char *lines, size_t n, unsigned *ret_added, struct cb_err *err)
{
	struct cb_buf b = { 0 }, text = { 0 };
	struct cb_policy *p = NULL;
	size_t old;
	int ret = -1;

	if (cb_dir_get(l->dir, "policy", CB_POLICY_MAX, &text, err) < 0)
		goto out;
	if (cb_policy_parse(&p, (const char *)text.data, text.len, err) < 0) {
		cb_err_prefix(err, "policy");
		goto out;
	}
	if (cb_dir_get(l->dir, "checkpoint", CB_NOTE_MAX, &b, err) < 0)
		goto out;
	old = b.len;
	if (cb_buf_add(&b, lines, n) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	if (take_lines(p, &b, old, ret_added, err) == 0)
		ret = *ret_added ? cb_dir_put(l->dir, "checkpoint", FILE_MODE, b.data, b.len, NULL, err) : 0;
out:
	cb_policy_free(p);
	cb_buf_release(&text);
	cb_buf_release(&b);
	return ret;
}

int cb_log_cosign(struct cb_log *l, const char *lines, size_t n, unsigned *ret_added, struct cb_err *err)
{
	int ret;

	*ret_added = 0;
	if (cb_log_lock(l, err) < 0)
		return -1;
	ret = cosign_held(l, lines, n, ret_added, err);
	cb_log_unlock(l);
	return ret;
}

int cb_log_cosign_file(struct cb_log *l, const char *path, const char *log, unsigned *ret_added, struct cb_err *err)
{
	uint8_t *lines = NULL;
	size_t n;
	int ret;

	if (cb_file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, CB_NOTE_MAX, &lines, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	ret = cb_log_cosign(l, (const char *)lines, n, ret_added, err);
	if (ret < 0)
		cb_err_prefix(err, "%s", log);
	free(lines);
	return ret;
}

/* --- pruning ---------------------------------------------------------------------------------------- */

static int say_pruned(struct cb_log *l, uint64_t from, uint64_t to, const char *reason, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct cb_log_mark m;
	struct cb_jw w;
	bool clamped;
	int64_t us;
	int ret = -1;

	if (cb_log_seal_due(l, &us, &clamped, err) < 0)
		return -1;
	cb_log_mark(l, &m);
	cb_log_own(&w, &b, l, "cb.log.pruned", us);
	cb_jw_ku64(&w, "from", from);
	cb_jw_ku64(&w, "to", to);
	cb_jw_kstr(&w, "reason", reason);
	if (cb_log_put_own(l, &w, &b, us, clamped, 0, err) < 0)
		cb_log_back(l, &m);
	else
		ret = cb_log_commit(l, &m, err);
	cb_buf_release(&b);
	return ret;
}

static int prune_held(struct cb_log *l, uint64_t below, const char *reason, uint64_t *ret_deleted, struct cb_err *err)
{
	struct cb_tiles *t = NULL;
	char path[CB_TILE_PATH];
	uint64_t first, size, n = 0;
	int ret = -1;

	if (cb_tiles_open_held(&t, l->dir, err) < 0 ||
	    check_last(l, t, l->dir, "checkpoint", "checkpoint", &size, err) < 0 || cb_tiles_first(t, &first, err) < 0)
		goto out;
	below -= below % CB_TILE_WIDTH;
	if (below > size - size % CB_TILE_WIDTH) {
		cb_err_set(err, CB_E_DATA, "only what a checkpoint covers can be deleted: %" PRIu64 " entries", size);
		goto out;
	}
	if (first < below && say_pruned(l, first, below - 1, reason, err) < 0)
		goto out;
	/* from the front: what an attempt that is cut off leaves is still one piece */
	for (uint64_t i = first / CB_TILE_WIDTH; i < below / CB_TILE_WIDTH; i++) {
		cb_tile_path(path, CB_TILE_ENTRIES, i, CB_TILE_WIDTH);
		while (unlinkat(l->dir, path, 0) < 0)
			if (errno == ENOENT) {
				break;
			} else if (errno != EINTR) {
				cb_err_sys(err, cb_log_errc(errno), errno, "%s", path);
				goto out;
			}
		n++;
	}
	ret = 0;
out:
	*ret_deleted = n;
	cb_tiles_close(t);
	return ret;
}

int cb_log_prune(struct cb_log *l, uint64_t below, const char *reason, uint64_t *ret_deleted,
		 struct cb_err *err)
{
	int ret;

	*ret_deleted = 0;
	if (strlen(reason) > CB_LOG_REASON_MAX)
		return cb_err_set(err, CB_E_USAGE, "a reason of more than %u bytes", CB_LOG_REASON_MAX);
	if (cb_log_lock(l, err) < 0)
		return -1;
	ret = prune_held(l, below, reason, ret_deleted, err);
	cb_log_unlock(l);
	return ret;
}
