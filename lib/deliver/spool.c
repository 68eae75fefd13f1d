/* SPDX-License-Identifier: Apache-2.0 */
/* The spool in LMDB. */
#include "deliver/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/time.h"

#define MAGIC 0x31746e63u	/* "cnt1" */
#define FORMAT "cb-spool 1"
#define HEAD 64			/* magic, attempts, times, lengths */
#define TEXTS 6			/* id, group, severity, title, text, reason; then line and jpeg */
#define SAYING "saying"
#define SPARE (UINT64_C(256) << 20)	/* for what is written when notes no longer fit */
#define OWN_TRIES 100			/* of 50 ms */
#define KEY_MAX (CB_NOTE_ID_MAX + 1 + 8)

struct cb_spool {
	MDB_env *env;
	MDB_dbi queue, dead, said, count, meta;
	uint64_t bytes;
	uint64_t heard, kept, forgotten;	/* decisions up to these numbers */
	uint64_t saying, noted;		/* number of what was put to be said, and of what was */
	int dir, lock;
};

static int mdb_err(struct cb_err *err, int rc, const char *what)
{
	if (rc == MDB_MAP_FULL)
		return cb_err_set(err, CB_E_IO, "spool: %s: it is full", what);
	if (rc > 0)
		return cb_err_sys(err, CB_E_IO, rc, "spool: %s", what);
	return cb_err_set(err, CB_E_IO, "spool: %s: %s", what, mdb_strerror(rc));
}

const char *cb_decided_name(enum cb_decided what)
{
	static const char *const name[] = { "", "delivered", "failed", "dead", "dropped", "replayed" };

	return (size_t)what < sizeof(name) / sizeof(*name) ? name[what] : "";
}

/* --- open -------------------------------------------------------------------------------------- */

static int open_tables(struct cb_spool *s, bool create, struct cb_err *err)
{
	static const char *const name[] = { "queue", "dead", "said", "count", "meta" };
	MDB_dbi *const dbi[] = { &s->queue, &s->dead, &s->said, &s->count, &s->meta };
	MDB_val k = { 6, (char[]){ "format" } }, v;
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(s->env, NULL, create ? 0 : MDB_RDONLY, &txn);

	if (rc)
		return mdb_err(err, rc, "open");
	for (int i = 0; i < 5 && !rc; i++)
		rc = mdb_dbi_open(txn, name[i], create ? MDB_CREATE : 0, dbi[i]);
	if (!rc) {
		rc = mdb_get(txn, s->meta, &k, &v);
		if (rc == MDB_NOTFOUND && create) {
			v = (MDB_val){ sizeof(FORMAT) - 1, (char[]){ FORMAT } };
			rc = mdb_put(txn, s->meta, &k, &v, 0);
		} else if (!rc && (v.mv_size != sizeof(FORMAT) - 1 ||
				   memcmp(v.mv_data, FORMAT, v.mv_size) != 0)) {
			mdb_txn_abort(txn);
			return cb_err_set(err, CB_E_DATA, "spool: not one of this version");
		}
	}
	if (rc) {
		mdb_txn_abort(txn);
		return rc == MDB_NOTFOUND ? cb_err_set(err, CB_E_DATA, "spool: not one of ours") :
			mdb_err(err, rc, "open");
	}
	rc = mdb_txn_commit(txn);
	return rc ? mdb_err(err, rc, "open") : 0;
}

/* LMDB reads its file as memory: of one that was cut that would be SIGBUS. With zeros where the end was
 * it finds out itself. (A file may also be short because its last pages were never used.) */
static int fill_up(struct cb_spool *s)
{
	MDB_envinfo info;
	MDB_stat page;
	struct stat st;
	off_t want;
	int rc, fd;

	rc = mdb_env_info(s->env, &info);
	if (!rc)
		rc = mdb_env_stat(s->env, &page);
	if (rc)
		return rc;
	want = (off_t)(info.me_last_pgno + 1) * page.ms_psize;
	fd = openat(s->dir, "spool.mdb", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno;
	/* this cannot make it shorter, whoever writes meanwhile */
	if (fstat(fd, &st) < 0 || (st.st_size < want && fallocate(fd, 0, want - 1, 1) < 0))
		rc = errno;
	close(fd);
	return rc;
}

int cb_spool_open(struct cb_spool **ret, const char *dir, uint64_t bytes, bool create, struct cb_err *err)
{
	struct cb_spool *s = calloc(1, sizeof(*s));
	char path[64];
	int rc, dead;

	if (!s)
		return cb_err_nomem(err);
	s->lock = -1;
	s->bytes = bytes ? bytes : CB_SPOOL_BYTES;
	if (create && mkdir(dir, 0700) < 0 && errno != EEXIST) {
		cb_err_sys(err, errno == EACCES ? CB_E_PERM : CB_E_CANTCREAT, errno, "spool %s", dir);
		s->dir = -1;
		goto fail;
	}
	s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "spool %s", dir);
		goto fail;
	}
	if (!create && faccessat(s->dir, "spool.mdb", F_OK, 0) < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "spool %s: spool.mdb", dir);
		goto fail;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d/spool.mdb", s->dir);
	rc = mdb_env_create(&s->env);
	if (!rc)
		rc = mdb_env_set_maxdbs(s->env, 8);
	if (!rc)
		rc = mdb_env_set_mapsize(s->env, s->bytes + SPARE);
	if (!rc)
		rc = mdb_env_open(s->env, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
	if (!rc)
		rc = fill_up(s);
	if (!rc)
		rc = mdb_reader_check(s->env, &dead);
	if (rc) {
		mdb_err(err, rc, "open");
		cb_err_prefix(err, "%s", dir);
		goto fail;
	}
	if (open_tables(s, create, err) < 0) {
		cb_err_prefix(err, "%s", dir);
		goto fail;
	}
	*ret = s;
	return 0;
fail:
	cb_spool_close(s);
	return -1;
}

int cb_spool_own(struct cb_spool *s, struct cb_err *err)
{
	int k;

	s->lock = openat(s->dir, "owner", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return cb_err_sys(err, CB_E_CANTCREAT, errno, "spool: owner");
	/* the helper of one who was killed may be about to end */
	for (int i = 0; (k = flock(s->lock, LOCK_EX | LOCK_NB)) < 0 && errno == EWOULDBLOCK && i < OWN_TRIES; i++)
		nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	if (k < 0) {
		close(s->lock);
		s->lock = -1;
		return errno == EWOULDBLOCK ?
			cb_err_set(err, CB_E_TEMP, "spool: another process delivers from it") :
			cb_err_sys(err, CB_E_OS, errno, "spool: owner");
	}
	return 0;
}

int cb_spool_owner_fd(const struct cb_spool *s)
{
	return s->lock;
}

void cb_spool_close(struct cb_spool *s)
{
	if (!s)
		return;
	if (s->env)
		mdb_env_close(s->env);
	if (s->lock >= 0)
		close(s->lock);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}

/* --- numbers ------------------------------------------------------------------------------------- */

static int add(struct cb_spool *s, MDB_txn *txn, const char *sink, const char *word, uint64_t by)
{
	char key[CB_NOTE_ID_MAX + 32];
	MDB_val k = { 0, key }, v;
	uint8_t n[8] = { 0 };
	int rc;

	k.mv_size = (size_t)snprintf(key, sizeof(key), "%s%c%s", sink, 0, word);
	rc = mdb_get(txn, s->count, &k, &v);
	if (!rc && v.mv_size == 8)
		memcpy(n, v.mv_data, 8);
	else if (rc && rc != MDB_NOTFOUND)
		return rc;
	cb_put_le64(n, cb_le64(n) + by);
	v = (MDB_val){ 8, n };
	return mdb_put(txn, s->count, &k, &v, 0);
}

static uint64_t get(struct cb_spool *s, MDB_txn *txn, const char *sink, const char *word)
{
	char key[CB_NOTE_ID_MAX + 32];
	MDB_val k = { 0, key }, v;

	k.mv_size = (size_t)snprintf(key, sizeof(key), "%s%c%s", sink, 0, word);
	return !mdb_get(txn, s->count, &k, &v) && v.mv_size == 8 ? cb_le64(v.mv_data) : 0;
}

/* The next number of a kind ("note", "said"), written back. */
static int take_number(struct cb_spool *s, MDB_txn *txn, const char *what, uint64_t *ret)
{
	MDB_val k = { strlen(what), (void *)(uintptr_t)what }, v;
	uint8_t n[8] = { 0 };
	int rc = mdb_get(txn, s->meta, &k, &v);

	if (!rc && v.mv_size == 8)
		memcpy(n, v.mv_data, 8);
	else if (rc && rc != MDB_NOTFOUND)
		return rc;
	*ret = cb_le64(n) + 1;
	cb_put_le64(n, *ret);
	v = (MDB_val){ 8, n };
	return mdb_put(txn, s->meta, &k, &v, 0);
}

/* --- packing --------------------------------------------------------------------------------------
 * magic, attempts, put, next, event time, lengths of six texts (16 bits), of line and jpeg (32);
 * then the texts, each with a NUL, the line with one, the jpeg. */

static bool word_ok(const char *s, size_t max, bool dot)
{
	size_t n = 0;

	for (; s && s[n]; n++)
		if (n == max || !((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') ||
				  (s[n] >= '0' && s[n] <= '9') || s[n] == '_' || s[n] == '-' ||
				  (dot && s[n] == '.')))
			return false;
	return n > 0;
}

/* Bytes of s, at most max, cut before a character rather than in it. */
static uint16_t length(const char *s, size_t max)
{
	size_t n = s ? strlen(s) : 0;

	if (n > max)
		for (n = max; n && ((uint8_t)s[n] & 0xc0) == 0x80; n--)
			;
	return (uint16_t)n;
}

struct parts {
	const char *text[TEXTS];
	uint16_t len[TEXTS];
	const char *line;
	uint32_t line_len, jpeg_len;
	const uint8_t *jpeg;
};

static int pack(struct cb_buf *b, uint32_t attempts, int64_t put_us, int64_t next_us, int64_t t_us,
		const struct parts *p)
{
	size_t start = b->len, all = HEAD + p->line_len + 1 + p->jpeg_len;

	for (int i = 0; i < TEXTS; i++)
		all += p->len[i] + 1u;
	if (cb_buf_reserve(b, all) < 0)
		return -1;
	cb_buf_le32(b, MAGIC);
	cb_buf_le32(b, attempts);
	cb_buf_le64(b, (uint64_t)put_us);
	cb_buf_le64(b, (uint64_t)next_us);
	cb_buf_le64(b, (uint64_t)t_us);
	for (int i = 0; i < TEXTS; i++)
		cb_buf_le16(b, p->len[i]);
	cb_buf_le32(b, p->line_len);
	cb_buf_le32(b, p->jpeg_len);
	while (b->len < start + HEAD)
		cb_buf_byte(b, 0);
	for (int i = 0; i < TEXTS; i++) {
		cb_buf_add(b, p->text[i], p->len[i]);
		cb_buf_byte(b, 0);
	}
	cb_buf_add(b, p->line, p->line_len);
	cb_buf_byte(b, 0);
	cb_buf_add(b, p->jpeg, p->jpeg_len);
	return 0;
}

int cb_spool_pack(struct cb_buf *b, const struct cb_note_out *n, int64_t now_us, struct cb_err *err)
{
	struct parts p = {
		.text = { n->id, n->group, n->severity, n->title, n->text, "" },
		.line = n->line, .line_len = (uint32_t)n->len, .jpeg = n->jpeg,
		.jpeg_len = n->jpeg ? (uint32_t)n->jpeg_len : 0,
	};
	size_t start = b->len;

	if (!word_ok(n->id, CB_NOTE_ID_MAX, false))
		return cb_err_set(err, CB_E_DATA, "alert: its id cannot be one of a note");
	if (!word_ok(n->sink, CB_NOTE_ID_MAX, true))
		return cb_err_set(err, CB_E_BUG, "alert %s: the sink has no good name", n->id);
	if (!n->line || n->len > CB_NOTE_LINE_MAX || (n->jpeg && n->jpeg_len > CB_NOTE_JPEG_MAX))
		return cb_err_set(err, CB_E_DATA, "alert %s: too long", n->id);
	for (int i = 0; i < TEXTS; i++)
		p.len[i] = length(p.text[i], CB_NOTE_TEXT_MAX);
	/* sink, its NUL, and the length of what follows, in front */
	if (cb_buf_add(b, n->sink, strlen(n->sink) + 1) < 0 || cb_buf_le32(b, 0) < 0)
		goto nomem;
	size_t at = b->len;

	if (pack(b, 0, now_us, 0, n->t_us, &p) < 0)
		goto nomem;
	cb_put_le32(b->data + at - 4, (uint32_t)(b->len - at));
	return 0;
nomem:
	b->len = start;
	return cb_err_nomem(err);
}

/* Find the parts in a record; false where it is none. */
static bool unpack(const uint8_t *p, size_t n, struct parts *ret)
{
	uint64_t at = HEAD;

	if (n < HEAD || cb_le32(p) != MAGIC)
		return false;
	for (int i = 0; i < TEXTS; i++) {
		ret->len[i] = cb_le16(p + 32 + 2 * i);
		ret->text[i] = (const char *)p + at;
		at += ret->len[i] + 1u;
		if (at > n || p[at - 1])
			return false;
	}
	ret->line_len = cb_le32(p + 44);
	ret->jpeg_len = cb_le32(p + 48);
	ret->line = (const char *)p + at;
	at += (uint64_t)ret->line_len + 1;
	if (at > n || p[at - 1])
		return false;
	ret->jpeg = p + at;
	return at + ret->jpeg_len == n;
}

/* --- decisions ------------------------------------------------------------------------------------ */

static int say(struct cb_spool *s, MDB_txn *txn, const struct cb_decision *d)
{
	uint8_t key[8], buf[48 + CB_NOTE_ID_MAX * 2 + 2 + CB_NOTE_TEXT_MAX + 256 + 8];
	const char *text[] = { d->id, d->sink, d->group, d->reason };
	MDB_val k = { 8, key }, v = { 0, buf };
	size_t at = 48;
	uint64_t number;
	int rc = take_number(s, txn, "said", &number);

	if (rc)
		return rc;
	memset(buf, 0, 48);
	cb_put_be64(key, number);
	cb_put_le32(buf, d->what);
	cb_put_le32(buf + 4, d->attempts);
	cb_put_le64(buf + 8, (uint64_t)d->t_us);
	cb_put_le64(buf + 16, (uint64_t)d->next_us);
	cb_put_le64(buf + 24, (uint64_t)d->event_us);
	for (int i = 0; i < 4; i++) {
		size_t n = strlen(text[i]);

		if (at + n + 1 > sizeof(buf))
			n = 0;
		cb_put_le16(buf + 32 + 2 * i, (uint16_t)n);
		memcpy(buf + at, text[i], n);
		buf[at + n] = 0;
		at += n + 1;
	}
	v.mv_size = at;
	return mdb_put(txn, s->said, &k, &v, 0);
}

static bool said_unpack(const MDB_val *k, const MDB_val *v, struct cb_decision *d)
{
	const uint8_t *p = v->mv_data;
	const char **text[] = { &d->id, &d->sink, &d->group, &d->reason };
	size_t at = 48;

	if (k->mv_size != 8 || v->mv_size < 48)
		return false;
	d->number = cb_be64(k->mv_data);
	d->what = (enum cb_decided)cb_le32(p);
	d->attempts = cb_le32(p + 4);
	d->t_us = (int64_t)cb_le64(p + 8);
	d->next_us = (int64_t)cb_le64(p + 16);
	d->event_us = (int64_t)cb_le64(p + 24);
	for (int i = 0; i < 4; i++) {
		*text[i] = (const char *)p + at;
		at += cb_le16(p + 32 + 2 * i) + 1u;
		if (at > v->mv_size || p[at - 1])
			return false;
	}
	return true;
}

/* Take out of the table what was heard. */
static int forget(struct cb_spool *s, MDB_txn *txn)
{
	MDB_cursor *c = NULL;
	MDB_val k, v;
	int rc;

	if (s->forgotten >= s->kept)
		return 0;
	rc = mdb_cursor_open(txn, s->said, &c);
	while (!rc && !(rc = mdb_cursor_get(c, &k, &v, MDB_FIRST)) && k.mv_size == 8 && cb_be64(k.mv_data) <= s->kept)
		rc = mdb_cursor_del(c, 0);
	if (c)
		mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int cb_spool_forget(struct cb_spool *s, struct cb_err *err)
{
	uint64_t upto = s->kept;
	MDB_txn *txn = NULL;
	int rc;

	if (s->forgotten >= upto)
		return 0;
	rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc)
		return mdb_err(err, rc, "write");
	rc = forget(s, txn);
	if (rc)
		mdb_txn_abort(txn);
	else
		rc = mdb_txn_commit(txn);
	if (rc)
		return mdb_err(err, rc, "write");
	s->forgotten = upto;
	return 0;
}

int cb_spool_hear(struct cb_spool *s, uint32_t max,
		  int (*fn)(void *ctx, const struct cb_decision *d, struct cb_err *err), void *ctx,
		  struct cb_err *err)
{
	uint8_t from[8];
	struct cb_decision d;
	MDB_cursor *c = NULL;
	MDB_txn *txn = NULL;
	MDB_val k = { 8, from }, v;
	uint32_t n = 0;
	int rc, ret = 0;

	cb_put_be64(from, s->heard + 1);
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return mdb_err(err, rc, "read");
	rc = mdb_cursor_open(txn, s->said, &c);
	while (!rc && n < max && !(rc = mdb_cursor_get(c, &k, &v, n ? MDB_NEXT : MDB_SET_RANGE))) {
		if (k.mv_size != 8) {
			rc = EBADMSG;
		} else if (said_unpack(&k, &v, &d) && fn && fn(ctx, &d, err) < 0) {
			ret = -1;
			break;
		} else {
			s->heard = cb_be64(k.mv_data);
			n++;
		}
	}
	if (c)
		mdb_cursor_close(c);
	mdb_txn_abort(txn);
	if (rc && rc != MDB_NOTFOUND)
		return mdb_err(err, rc, "read");
	return ret < 0 ? -1 : (int)n;
}

/* --- notes ------------------------------------------------------------------------------------------ */

static size_t key_of(uint8_t out[static KEY_MAX], const char *sink, uint64_t number)
{
	size_t n = strlen(sink) + 1;

	memcpy(out, sink, n);
	cb_put_be64(out + n, number);
	return n + 8;
}

static bool key_is(const MDB_val *k, const char *sink, uint64_t *ret_number)
{
	size_t n = strlen(sink) + 1;

	if (k->mv_size != n + 8 || memcmp(k->mv_data, sink, n) != 0)
		return false;
	*ret_number = cb_be64((const uint8_t *)k->mv_data + n);
	return true;
}

/* Bytes that tables of a spool take now. */
static uint64_t used(struct cb_spool *s, MDB_txn *txn)
{
	const MDB_dbi dbi[] = { s->queue, s->dead, s->said, s->count };
	uint64_t n = 0;
	MDB_stat st;

	for (int i = 0; i < 4; i++)
		if (!mdb_stat(txn, dbi[i], &st))
			n += (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages) * st.ms_psize;
	return n;
}

/* A note for which there is no room: said and counted, so that nobody looks for it in vain. */
static int no_room(struct cb_spool *s, MDB_txn *txn, const char *sink, const struct parts *p, const uint8_t *rec)
{
	struct cb_decision d = {
		.what = CB_DROPPED, .id = p->text[0], .sink = sink, .group = p->text[1],
		.reason = "the spool is full", .t_us = (int64_t)cb_le64(rec + 8),
		.event_us = (int64_t)cb_le64(rec + 24),
	};
	int rc = add(s, txn, sink, "dropped", 1);

	return rc ? rc : say(s, txn, &d);
}

/* Its number, and the bytes. */
static int put_saying(struct cb_spool *s, MDB_txn *txn, const struct cb_buf *saying, uint64_t *ret_number)
{
	MDB_val k = { sizeof(SAYING) - 1, (char[]){ SAYING } }, v = { 8 + saying->len, NULL };
	int rc = take_number(s, txn, "says", ret_number);

	if (!rc)
		rc = mdb_put(txn, s->meta, &k, &v, MDB_RESERVE);
	if (rc)
		return rc;
	cb_put_le64(v.mv_data, *ret_number);
	memcpy((uint8_t *)v.mv_data + 8, saying->data, saying->len);
	return 0;
}

int cb_spool_put(struct cb_spool *s, const struct cb_buf *b, const struct cb_buf *saying, struct cb_err *err)
{
	uint64_t have, number, said = s->saying, upto = s->kept;
	uint8_t key[KEY_MAX];
	MDB_txn *txn = NULL;
	size_t at = 0;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc)
		return mdb_err(err, rc, "write");
	rc = forget(s, txn);
	have = used(s, txn);
	while (!rc && at < b->len) {
		const char *sink = (const char *)b->data + at;
		const uint8_t *rec = b->data + at + strlen(sink) + 5;
		uint32_t n = cb_le32(rec - 4);
		MDB_val k = { 0, key }, v = { n, (void *)(uintptr_t)rec };
		struct parts p;

		at = (size_t)(rec - b->data) + n;
		have += n + 128;
		rc = add(s, txn, sink, "in", 1);
		if (rc)
			break;
		if (have > s->bytes) {
			have -= n + 128;
			if (unpack(rec, n, &p))
				rc = no_room(s, txn, sink, &p, rec);
			continue;
		}
		rc = take_number(s, txn, "note", &number);
		k.mv_size = key_of(key, sink, number);
		if (!rc)
			rc = mdb_put(txn, s->queue, &k, &v, 0);
	}
	if (!rc && saying && saying->len)
		rc = put_saying(s, txn, saying, &said);
	if (rc) {
		mdb_txn_abort(txn);
		return mdb_err(err, rc, "write");
	}
	rc = mdb_txn_commit(txn);
	if (rc)
		return mdb_err(err, rc, "write");
	s->forgotten = upto;
	s->saying = said;
	return 0;
}

/* That it was said is noted where it costs no transaction: in the owner's file. */
void cb_spool_said(struct cb_spool *s)
{
	uint8_t n[8];

	s->kept = s->heard;
	if (s->noted == s->saying)
		return;
	cb_put_le64(n, s->saying);
	/* where that fails it is said again */
	if (pwrite(s->lock, n, sizeof(n), 0) == sizeof(n))
		s->noted = s->saying;
}

int cb_spool_unsaid(struct cb_spool *s, struct cb_buf *ret, struct cb_err *err)
{
	MDB_val k = { sizeof(SAYING) - 1, (char[]){ SAYING } }, v;
	MDB_txn *txn = NULL;
	uint8_t n[8] = { 0 };
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

	if (rc)
		return mdb_err(err, rc, "read");
	if (pread(s->lock, n, sizeof(n), 0) == sizeof(n))
		s->noted = cb_le64(n);
	rc = mdb_get(txn, s->meta, &k, &v);
	if (!rc && v.mv_size < 8)
		rc = EBADMSG;
	if (!rc) {
		s->saying = cb_le64(v.mv_data);
		if (s->saying != s->noted && cb_buf_add(ret, (uint8_t *)v.mv_data + 8, v.mv_size - 8) < 0)
			rc = ENOMEM;
	}
	mdb_txn_abort(txn);
	return rc && rc != MDB_NOTFOUND ? mdb_err(err, rc, "read") : 0;
}

static struct cb_spooled *load(uint64_t number, const char *sink, const MDB_val *v)
{
	size_t sink_len = strlen(sink) + 1;
	struct cb_spooled *o = malloc(sizeof(*o) + v->mv_size + sink_len);
	struct parts p;

	if (!o)
		return NULL;
	memcpy(o->bytes, v->mv_data, v->mv_size);
	memcpy(o->bytes + v->mv_size, sink, sink_len);
	if (!unpack(o->bytes, v->mv_size, &p)) {
		free(o);
		return NULL;
	}
	o->number = number;
	o->attempts = cb_le32(o->bytes + 4);
	o->put_us = (int64_t)cb_le64(o->bytes + 8);
	o->next_us = (int64_t)cb_le64(o->bytes + 16);
	o->note = (struct cb_note_out){
		.id = p.text[0], .sink = (const char *)o->bytes + v->mv_size, .group = p.text[1],
		.severity = p.text[2], .title = p.text[3], .text = p.text[4], .line = p.line,
		.len = p.line_len, .t_us = (int64_t)cb_le64(o->bytes + 24),
		.jpeg = p.jpeg_len ? p.jpeg : NULL, .jpeg_len = p.jpeg_len,
	};
	o->reason = p.text[5];
	o->next = NULL;
	o->result = NULL;
	return o;
}

int cb_spool_next(struct cb_spool *s, const char *sink, uint64_t after, bool dead,
		  struct cb_spooled **ret, struct cb_err *err)
{
	uint8_t key[KEY_MAX];
	MDB_cursor *c = NULL;
	MDB_txn *txn = NULL;
	MDB_val k = { key_of(key, sink, after + 1), key }, v;
	uint64_t number;
	int rc;

	*ret = NULL;
	if (after == UINT64_MAX)
		return 0;
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return mdb_err(err, rc, "read");
	rc = mdb_cursor_open(txn, dead ? s->dead : s->queue, &c);
	if (!rc)
		rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	/* one that cannot be read stays where it is, and holds nobody up */
	for (; !rc && key_is(&k, sink, &number); rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		errno = 0;
		*ret = load(number, sink, &v);
		if (*ret)
			break;
		if (errno == ENOMEM) {
			rc = ENOMEM;
			break;
		}
	}
	if (c)
		mdb_cursor_close(c);
	mdb_txn_abort(txn);
	return rc && rc != MDB_NOTFOUND ? mdb_err(err, rc, "read") : 0;
}

/* The record again with what changes. */
static int rewrite(struct cb_buf *b, const struct cb_spooled *o, uint32_t attempts, int64_t put_us,
		   int64_t next_us, const char *reason)
{
	const struct cb_note_out *n = &o->note;
	struct parts p = {
		.text = { n->id, n->group, n->severity, n->title, n->text, reason },
		.line = n->line, .line_len = (uint32_t)n->len, .jpeg = n->jpeg,
		.jpeg_len = (uint32_t)n->jpeg_len,
	};

	for (int i = 0; i < TEXTS; i++)
		p.len[i] = length(p.text[i], CB_NOTE_TEXT_MAX);
	b->len = 0;
	return pack(b, attempts, put_us, next_us, n->t_us, &p);
}

static int settle(struct cb_spool *s, MDB_txn *txn, const struct cb_settled *l, struct cb_buf *b)
{
	const struct cb_spooled *o = l->note;
	const char *sink = o->note.sink;
	struct cb_decision d = {
		.what = l->what, .id = o->note.id, .sink = sink, .group = o->note.group,
		.reason = l->what == CB_DELIVERED ? "" : l->reason, .attempts = o->attempts + 1,
		.t_us = l->now_us, .next_us = l->what == CB_FAILED ? l->next_us : 0, .event_us = o->note.t_us,
	};
	uint8_t key[KEY_MAX];
	MDB_val k = { key_of(key, sink, o->number), key }, v;
	int rc = mdb_get(txn, s->queue, &k, &v);

	/* somebody has taken it out meanwhile: it is theirs to account for */
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return rc;
	if (l->what == CB_FAILED || l->what == CB_DEAD) {
		if (rewrite(b, o, o->attempts + 1, o->put_us, d.next_us, l->reason) < 0)
			return ENOMEM;
		v = (MDB_val){ b->len, b->data };
		rc = add(s, txn, sink, "failed", 1);
		if (!rc)
			rc = mdb_put(txn, l->what == CB_DEAD ? s->dead : s->queue, &k, &v, 0);
	}
	if (!rc && l->what != CB_FAILED) {
		rc = mdb_del(txn, s->queue, &k, NULL);
		if (!rc && l->what == CB_DELIVERED)
			rc = add(s, txn, sink, "delivered", 1);
	}
	return rc ? rc : say(s, txn, &d);
}

int cb_spool_settle(struct cb_spool *s, const struct cb_settled *list, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	MDB_txn *txn = NULL;
	int rc;

	if (!list)
		return 0;
	rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc)
		return mdb_err(err, rc, "write");
	for (; list && !rc; list = list->next)
		rc = settle(s, txn, list, &b);
	cb_buf_release(&b);
	if (rc) {
		mdb_txn_abort(txn);
		return mdb_err(err, rc, "write");
	}
	rc = mdb_txn_commit(txn);
	return rc ? mdb_err(err, rc, "write") : 0;
}

int64_t cb_spool_revive(struct cb_spool *s, const char *sink, const char *id, bool drop, int64_t now_us,
			struct cb_err *err)
{
	struct cb_buf b = { 0 };
	MDB_cursor *c = NULL;
	MDB_txn *txn = NULL;
	int64_t n = 0;
	MDB_val k, v;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc)
		return mdb_err(err, rc, "write");
	rc = mdb_cursor_open(txn, s->dead, &c);
	for (bool first = true; !rc && !(rc = mdb_cursor_get(c, &k, &v, first ? MDB_FIRST : MDB_NEXT)); first = false) {
		char name[CB_NOTE_ID_MAX + 1];
		uint8_t key[KEY_MAX];
		struct cb_spooled *o;
		struct cb_decision d = { .what = drop ? CB_DROPPED : CB_REPLAYED, .t_us = now_us };
		size_t len = strnlen(k.mv_data, k.mv_size);
		uint64_t number;

		if (len > CB_NOTE_ID_MAX || k.mv_size != len + 9)
			continue;
		memcpy(name, k.mv_data, len + 1);
		if (sink && strcmp(sink, name) != 0)
			continue;
		o = load(cb_be64((uint8_t *)k.mv_data + len + 1), name, &v);
		if (!o)
			continue;
		if (id && strcmp(id, o->note.id) != 0) {
			free(o);
			continue;
		}
		d.id = o->note.id;
		d.sink = name;
		d.group = o->note.group;
		d.reason = o->reason;
		d.attempts = o->attempts;
		d.event_us = o->note.t_us;
		if (!drop && !(rc = take_number(s, txn, "note", &number))) {
			MDB_val nk = { key_of(key, name, number), key }, nv;

			if (rewrite(&b, o, 0, now_us, 0, "") < 0)
				rc = ENOMEM;
			nv = (MDB_val){ b.len, b.data };
			if (!rc)
				rc = mdb_put(txn, s->queue, &nk, &nv, 0);
		}
		if (!rc)
			rc = add(s, txn, name, drop ? "dropped" : "replayed", 1);
		if (!rc)
			rc = say(s, txn, &d);
		if (!rc)
			rc = mdb_cursor_del(c, 0);
		free(o);
		n++;
	}
	if (c)
		mdb_cursor_close(c);
	cb_buf_release(&b);
	if (rc && rc != MDB_NOTFOUND) {
		mdb_txn_abort(txn);
		return mdb_err(err, rc, "write");
	}
	rc = mdb_txn_commit(txn);
	return rc ? mdb_err(err, rc, "write") : n;
}

/* --- sums ------------------------------------------------------------------------------------------- */

static uint64_t walk(MDB_txn *txn, MDB_dbi dbi, const char *sink, struct cb_spool_sum *first)
{
	uint8_t key[KEY_MAX];
	MDB_cursor *c = NULL;
	MDB_val k = { key_of(key, sink, 0), key }, v;
	uint64_t n = 0, number;
	struct parts p;
	int rc = mdb_cursor_open(txn, dbi, &c);

	for (bool start = true; !rc && !(rc = mdb_cursor_get(c, &k, &v, start ? MDB_SET_RANGE : MDB_NEXT)); start = false) {
		if (!key_is(&k, sink, &number))
			break;
		if (!n++ && first && unpack(v.mv_data, v.mv_size, &p)) {
			first->oldest_us = (int64_t)cb_le64((uint8_t *)v.mv_data + 8);
			first->attempts = cb_le32((uint8_t *)v.mv_data + 4);
			snprintf(first->reason, sizeof(first->reason), "%s", p.text[5]);
		}
	}
	if (c)
		mdb_cursor_close(c);
	return n;
}

static void sum(struct cb_spool *s, MDB_txn *txn, const char *sink, struct cb_spool_sum *r)
{
	*r = (struct cb_spool_sum){
		.in = get(s, txn, sink, "in"), .delivered = get(s, txn, sink, "delivered"),
		.failed = get(s, txn, sink, "failed"), .dropped = get(s, txn, sink, "dropped"),
		.replayed = get(s, txn, sink, "replayed"),
	};
	r->queued = walk(txn, s->queue, sink, r);
	r->dead = walk(txn, s->dead, sink, NULL);
}

int cb_spool_sinks(struct cb_spool *s, int (*fn)(void *ctx, const char *sink, struct cb_err *err),
		   void *ctx, struct cb_err *err)
{
	char name[CB_NOTE_ID_MAX + 1] = "", next[CB_NOTE_ID_MAX + 1];
	int rc;

	for (;;) {
		MDB_cursor *c = NULL;
		MDB_txn *txn = NULL;
		/* behind every key of the one before */
		char from[CB_NOTE_ID_MAX + 2];
		MDB_val k, v;
		size_t n;

		n = (size_t)snprintf(from, sizeof(from), "%s%c", name, 1);
		k = (MDB_val){ *name ? n : 1, *name ? from : (char[]){ "\1" } };
		rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
		if (rc)
			return mdb_err(err, rc, "read");
		rc = mdb_cursor_open(txn, s->count, &c);
		if (!rc)
			rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
		n = rc ? 0 : strnlen(k.mv_data, k.mv_size);
		if (n > CB_NOTE_ID_MAX)
			rc = EBADMSG;
		if (!rc) {
			memcpy(next, k.mv_data, n);
			next[n] = '\0';
		}
		if (c)
			mdb_cursor_close(c);
		mdb_txn_abort(txn);
		if (rc == MDB_NOTFOUND)
			return 0;
		if (rc)
			return mdb_err(err, rc, "read");
		memcpy(name, next, sizeof(name));
		if (fn(ctx, name, err) < 0)
			return -1;
	}
}

struct all {
	struct cb_spool *s;
	struct cb_spool_sum *r;
};

static int one_of_all(void *ctx, const char *sink, struct cb_err *err)
{
	struct all *a = ctx;
	struct cb_spool_sum one;

	if (cb_spool_sum(a->s, sink, &one, err) < 0)
		return -1;
	a->r->in += one.in;
	a->r->delivered += one.delivered;
	a->r->failed += one.failed;
	a->r->dropped += one.dropped;
	a->r->replayed += one.replayed;
	a->r->queued += one.queued;
	a->r->dead += one.dead;
	return 0;
}

int cb_spool_sum(struct cb_spool *s, const char *sink, struct cb_spool_sum *ret, struct cb_err *err)
{
	MDB_txn *txn = NULL;
	int rc;

	if (!sink) {
		struct cb_spool_sum all = { 0 };
		struct all a = { s, &all };

		if (cb_spool_sinks(s, one_of_all, &a, err) < 0)
			return -1;
		*ret = all;
		return 0;
	}
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return mdb_err(err, rc, "read");
	sum(s, txn, sink, ret);
	mdb_txn_abort(txn);
	return 0;
}

bool cb_spool_waits(struct cb_spool *s, const char *sink)
{
	uint8_t key[KEY_MAX];
	MDB_val k = { key_of(key, sink, 0), key }, v;
	MDB_cursor *c = NULL;
	MDB_txn *txn = NULL;
	bool waits = true;
	uint64_t number;
	int rc;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn))
		return true;
	rc = mdb_cursor_open(txn, s->queue, &c);
	if (!rc)
		rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	if (rc == MDB_NOTFOUND || (!rc && !key_is(&k, sink, &number)))
		waits = false;
	if (c)
		mdb_cursor_close(c);
	mdb_txn_abort(txn);
	return waits;
}
