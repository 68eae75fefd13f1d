/* SPDX-License-Identifier: Apache-2.0 */
/* Appending: the lock, the journal, the clock, and seals when they are due. */
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "log/log-priv.h"
#include "wire/event.h"
#include "wire/frame.h"

#define HINT 0x68626243u		/* "Cbbh": the lock file's first bytes */
#define HINT_LEN 32
#define GROW ((size_t)256 << 10)	/* a journal is allocated ahead by so much */
#define READ_ON ((size_t)256 << 10)
#define SEALS_AT_ONCE 512u
#define CLAMP_US INT64_C(1000000)	/* a clock that is behind by less is not spoken of */
#define LEAP_NS (31 * 86400 * CB_NS_PER_S)
#define SOON_US (30 * INT64_C(86400000000))

static const char *const journal_name[2] = { "journal.0", "journal.1" };

void cb_log_warn(struct cb_log *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!l->o.warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->o.warn(l->o.ctx, text);
}

int64_t cb_log_now_us(const struct cb_log *l)
{
	return l->o.now_us ? l->o.now_us : cb_now_wall_ns() / CB_NS_PER_US;
}

/* --- the lock, and what others did ---------------------------------------------------------------- */

void cb_log_hint(struct cb_log *l)
{
	uint8_t h[HINT_LEN] = { 0 };

	cb_put_le32(h, HINT);
	cb_put_le64(h + 8, l->j.generation);
	cb_put_le64(h + 16, l->synced);
	cb_put_le32(h + 4, cb_crc32c(0, h + 8, HINT_LEN - 8));
	/* where it fails, the next to come syncs once more */
	while (pwrite(l->lock, h, sizeof(h), 0) < 0 && errno == EINTR)
		;
}

static bool read_hint(const struct cb_log *l, uint64_t *ret_generation, uint64_t *ret_synced)
{
	uint8_t h[HINT_LEN];

	if (pread(l->lock, h, sizeof(h), 0) != sizeof(h) || cb_le32(h) != HINT ||
	    cb_le32(h + 4) != cb_crc32c(0, h + 8, HINT_LEN - 8))
		return false;
	*ret_generation = cb_le64(h + 8);
	*ret_synced = cb_le64(h + 16);
	return true;
}

/* The frontier of everything in the journal. */
static void climb(struct cb_log *l, size_t from)
{
	for (size_t i = from; i < l->j.n; i++)
		cb_frontier_push(&l->f, cb_journal_leaf(&l->j, i));
}

static int load(struct cb_log *l, struct cb_err *err)
{
	struct cb_journal j[2] = { { 0 } };
	bool have[2] = { false };
	struct stat st;
	int live = -1, k = 0;

	l->loaded = false;
	for (int i = 0; i < 2 && k >= 0; i++)
		have[i] = (k = cb_journal_load(&j[i], l->state, journal_name[i], err)) > 0;
	if (k >= 0) {
		live = cb_journal_choose(j, have);
		if (live < 0)
			cb_err_set(err, CB_E_DATA, "state: no journal that is whole");
		else if (fstat(l->file[j[live].generation & 1], &st) < 0)
			live = cb_err_sys(err, CB_E_IO, errno, "state/%s", journal_name[live]);
		else if ((j[live].generation & 1) != (unsigned)live)
			live = cb_err_set(err, CB_E_DATA, "state/%s: it was the other one", journal_name[live]);
	}
	if (live >= 0) {
		cb_journal_release(&l->j);
		l->j = j[live];
		j[live] = (struct cb_journal){ 0 };
		l->room = st.st_size;
		cb_journal_edge_frontier(&l->j.edge, l->j.base, &l->f);
		climb(l, 0);
		l->loaded = true;
	}
	cb_journal_release(&j[0]);
	cb_journal_release(&j[1]);
	return live < 0 ? -1 : 0;
}

/* What others appended behind our tail. */
static int read_on(struct cb_log *l, struct cb_err *err)
{
	int fd = l->file[l->j.generation & 1], n;
	struct cb_journal *j = &l->j;
	size_t before, want = CB_JOURNAL_RECORD;

	for (;;) {
		ssize_t k;

		if (cb_buf_reserve(&j->bytes, want) < 0)
			return cb_err_nomem(err);
		j->bytes.len = j->tail;
		k = pread(fd, j->bytes.data + j->tail, want, (off_t)j->tail);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(err, CB_E_IO, errno, "state/%s", journal_name[j->generation & 1]);
		if ((size_t)k < CB_JOURNAL_RECORD || cb_le64(j->bytes.data + j->tail + 8) != j->at.size) {
			j->bytes.len = j->tail;
			return 0;
		}
		if (want == CB_JOURNAL_RECORD) {
			want = READ_ON;
			continue;
		}
		j->bytes.len += (size_t)k;
		before = j->n;
		n = cb_journal_more(j, err);
		climb(l, before);
		j->bytes.len = j->tail;
		if (n <= 0)
			return n;
	}
}

/* What lies in the journal and is not known to be on the disk, because its writer died or failed
 * between write and sync: write it again, so that it is dirty again, and sync. */
static int resync(struct cb_log *l, struct cb_err *err)
{
	int fd = l->file[l->j.generation & 1];
	const char *name = journal_name[l->j.generation & 1];

	if (l->synced < l->j.tail) {
		if (cb_pwrite_all(fd, l->j.bytes.data + l->synced, l->j.tail - l->synced, (off_t)l->synced, name,
				  err) < 0 || cb_sync_fd(fd, true, name, err) < 0)
			return cb_err_prefix(err, "state");
		l->synced = l->j.tail;
		cb_log_hint(l);
	}
	return 0;
}

static int refresh(struct cb_log *l, struct cb_err *err)
{
	uint64_t generation = 0, synced = 0;
	bool hint = read_hint(l, &generation, &synced);
	struct stat st;

	if (fstat(l->lock, &st) < 0 || st.st_nlink == 0)
		return cb_err_set(err, CB_E_IO, "the log was removed");
	if (l->loaded && hint && generation == l->j.generation ? read_on(l, err) < 0 : load(l, err) < 0)
		return -1;
	if (hint && (generation > l->j.generation || (generation == l->j.generation && synced > l->j.tail)))
		return cb_err_set(err, CB_E_DATA, "state/%s: damaged behind entry %" PRIu64 ": entries that were "
				  "on the disk are lost", journal_name[generation & 1], l->j.at.size);
	l->synced = hint && generation == l->j.generation ? (size_t)synced : 0;
	if (resync(l, err) < 0)
		return -1;
	/* whoever sealed last may not have come to destroying the key */
	if (l->kept != (int64_t)l->j.at.next_epoch) {
		if (cb_seed_recover(l->state, l->j.at.next_epoch, l->en.epochs, err) < 0)
			return -1;
		l->kept = l->j.at.next_epoch;
	}
	return 0;
}

static int take_lock(struct cb_log *l, struct cb_err *err)
{
	const struct timespec ms = { 0, 2000000 };
	int64_t end;

	if (!l->o.lock_ns) {
		while (flock(l->lock, LOCK_EX) < 0) {
			if (errno != EINTR)
				return cb_err_sys(err, CB_E_IO, errno, "state/lock");
			if (cb_stop_wanted())
				return cb_err_set(err, CB_E_TEMP, "locked by another process; given up");
		}
		return 0;
	}
	end = cb_now_mono_ns() + l->o.lock_ns;
	while (flock(l->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return cb_err_sys(err, CB_E_IO, errno, "state/lock");
		if (cb_now_mono_ns() >= end)
			return cb_err_set(err, CB_E_TEMP, "locked by another process");
		nanosleep(&ms, NULL);
	}
	return 0;
}

int cb_log_lock(struct cb_log *l, struct cb_err *err)
{
	if (take_lock(l, err) < 0)
		return -1;
	if (refresh(l, err) < 0) {
		l->loaded = false;
		cb_log_unlock(l);
		return -1;
	}
	return 0;
}

void cb_log_unlock(struct cb_log *l)
{
	flock(l->lock, LOCK_UN);
}

/* --- putting entries -------------------------------------------------------------------------------- */

void cb_log_mark(const struct cb_log *l, struct cb_log_mark *ret)
{
	ret->j = cb_journal_mark(&l->j);
	ret->f = l->f;
}

void cb_log_back(struct cb_log *l, const struct cb_log_mark *m)
{
	cb_journal_back(&l->j, &m->j);
	l->f = m->f;
}

static int put(struct cb_log *l, int64_t us, bool clamped, uint32_t seal, const void *entry, size_t n)
{
	uint8_t leaf[CB_HASH_LEN];

	cb_merkle_leaf(leaf, entry, n);
	if (cb_journal_put(&l->j, us, clamped, seal, leaf, entry, n) < 0)
		return -1;
	cb_frontier_push(&l->f, leaf);
	return 0;
}

/* Allocate ahead, in zeros that are really written, so that an append changes no size. Not
 * being able to is no failure: the write itself will tell. */
static void make_room(struct cb_log *l, int fd, size_t end)
{
	static const uint8_t zero[65536];
	off_t want = (off_t)((end + GROW - 1) / GROW * GROW);
	struct stat st;

	/* others may have made room since we looked, and written there */
	if (fstat(fd, &st) < 0)
		return;
	if (st.st_size > l->room)
		l->room = st.st_size;
	for (off_t at = l->room; at < want;) {
		ssize_t k = pwrite(fd, zero, (size_t)(want - at) < sizeof(zero) ? (size_t)(want - at) : sizeof(zero), at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return;
		l->room = at += k;
	}
}

int cb_log_commit(struct cb_log *l, const struct cb_log_mark *m, struct cb_err *err)
{
	static const uint8_t zero[CB_JOURNAL_RECORD];
	struct cb_journal *j = &l->j;
	int fd = l->file[j->generation & 1];
	const char *name = journal_name[j->generation & 1];
	size_t from = m->j.tail;

	if (j->tail > CB_JOURNAL_MAX) {
		cb_err_set(err, CB_E_IO, "state/%s: full: tiles could not be written", name);
		goto fail;
	}
	if ((off_t)j->tail > l->room)
		make_room(l, fd, j->tail);
	if (cb_pwrite_all(fd, j->bytes.data + from, j->tail - from, (off_t)from, name, err) == 0 &&
	    cb_sync_fd(fd, true, name, err) == 0) {
		if ((off_t)j->tail > l->room)
			l->room = (off_t)j->tail;
		l->synced = j->tail;
		cb_log_hint(l);
		return 0;
	}
	cb_err_prefix(err, "state");
	/* nobody may go on behind what may not be there: take it back. Where that fails, too, the
	 * next to come finds it behind what is synced, and writes it again */
	cb_pwrite_all(fd, zero, sizeof(zero), (off_t)from, name, NULL);
fail:
	cb_log_back(l, m);
	return -1;
}

void cb_log_own(struct cb_jw *w, struct cb_buf *b, const struct cb_log *l, const char *type, int64_t us)
{
	char id[CB_EVENT_ID_LEN], head[CB_RECORDED_LEN + 1];
	uint8_t root[CB_HASH_LEN];
	struct cb_buf rest = { 0 };

	cb_frontier_root(&l->f, root);
	cb_event_id(id, type, l->en.log.name, root, us, "", (uint32_t)l->f.size);
	cb_event_begin(w, b, "cb-log", type, NULL, us * CB_NS_PER_US, id);
	/* the same with recordedtime before it */
	cb_entry_put_recorded(head, us);
	if (cb_buf_str(&rest, head) < 0 || (b->len && cb_buf_add(&rest, b->data + 1, b->len - 1) < 0))
		w->failed = true;
	cb_buf_release(b);
	*b = rest;
}

int cb_log_put_own(struct cb_log *l, struct cb_jw *w, struct cb_buf *b, int64_t us, bool clamped,
		   uint32_t seal, struct cb_err *err)
{
	cb_jw_obj_end(w);
	cb_jw_obj_end(w);
	if (cb_jw_done(w, err) < 0)
		return -1;
	if (b->len > CB_LOG_ENTRY_MAX)	/* its length has two bytes */
		return cb_err_set(err, CB_E_DATA, "an entry of %zu bytes", b->len);
	return put(l, us, clamped, seal, b->data, b->len) < 0 ? cb_err_nomem(err) : 0;
}

/* --- epochs ------------------------------------------------------------------------------------------ */

static uint32_t epoch_at(const struct cb_enrolment *en, int64_t us)
{
	int64_t s = us / 1000000 - en->epoch0;

	if (s < 0)
		return 0;
	return s / en->epoch_s >= en->epochs ? en->epochs : (uint32_t)(s / en->epoch_s);
}

/* The time that an entry gets now. */
static int entry_time(struct cb_log *l, int64_t *ret_us, bool *ret_clamped, struct cb_err *err)
{
	int64_t now = cb_log_now_us(l), last = l->j.at.recorded_us;
	int64_t leap = (l->o.leap_ns ? l->o.leap_ns : LEAP_NS) / CB_NS_PER_US;
	char a[CB_TIME_LEN], b[CB_TIME_LEN];

	if (last != INT64_MIN && now - last > leap) {
		cb_time_format_us(a, now);
		cb_time_format_us(b, last);
		return cb_err_set(err, CB_E_TEMP, "the clock says %s, the last entry is of %s: if the clock is right, "
				  "append once with --leap", a, b);
	}
	*ret_clamped = last != INT64_MIN && last - now > CLAMP_US;
	*ret_us = last != INT64_MIN && now < last ? last : now;
	return 0;
}

static int put_seal(struct cb_log *l, const struct cb_evolve *key, int64_t us, bool clamped, struct cb_err *err)
{
	struct cb_seal s = { .epoch = l->j.at.next_epoch, .size = l->j.at.size };
	struct cb_buf text = { 0 }, b = { 0 };
	struct cb_jw w;
	int ret = -1;

	cb_frontier_root(&l->f, s.root);
	cb_evolve_public(key, s.key);
	if (cb_epochs_prove(l->state, &l->en, &s, err) < 0)
		goto out;
	if (cb_seal_signed(&text, &s, l->en.log.name) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	cb_evolve_sign(key, text.data, text.len, s.sig);
	cb_log_own(&w, &b, l, "cb.log.seal", us);
	cb_seal_put(&w, &s);
	ret = cb_log_put_own(l, &w, &b, us, clamped, s.epoch + 1, err);
out:
	cb_buf_release(&text);
	cb_buf_release(&b);
	return ret;
}

static int put_silence(struct cb_log *l, uint32_t from, uint32_t to, int64_t last_us, int64_t us, bool clamped,
		       struct cb_err *err)
{
	struct cb_buf b = { 0 };
	char time[CB_TIME_LEN];
	struct cb_jw w;
	int ret;

	cb_log_own(&w, &b, l, "cb.log.silent", us);
	cb_jw_ku64(&w, "from_epoch", from);
	cb_jw_ku64(&w, "to_epoch", to);
	cb_jw_ku64(&w, "epochs", to - from + 1);
	cb_time_format_us(time, last_us);
	cb_jw_kstr(&w, "last_entry", time);
	ret = cb_log_put_own(l, &w, &b, us, clamped, 0, err);
	cb_buf_release(&b);
	return ret;
}

/* Seal so many epochs with key, which is moved on, and destroy their keys. */
static int seal_some(struct cb_log *l, struct cb_evolve *key, uint32_t n, uint32_t silent_from, bool last,
		     int64_t last_us, int64_t us, bool clamped, struct cb_err *err)
{
	struct cb_log_mark m;
	uint32_t epoch;

	cb_log_mark(l, &m);
	for (uint32_t i = 0; i < n; i++) {
		if (put_seal(l, key, us, clamped, err) < 0) {
			cb_log_back(l, &m);
			return -1;
		}
		cb_evolve_next(key);
	}
	epoch = l->j.at.next_epoch;
	if (last && epoch - silent_from > 1 && epoch < l->en.epochs &&
	    put_silence(l, silent_from, epoch - 1, last_us, us, clamped, err) < 0) {
		cb_log_back(l, &m);
		return -1;
	}
	if (cb_log_commit(l, &m, err) < 0)
		return -1;
	if (cb_seed_keep(l->state, epoch, epoch < l->en.epochs ? key : NULL, err) < 0)
		return -1;
	l->kept = epoch;
	return 0;
}

int cb_log_seal_due(struct cb_log *l, int64_t *ret_us, bool *ret_clamped, struct cb_err *err)
{
	uint32_t first = l->j.at.next_epoch, now, n;
	int64_t last_us = l->j.at.recorded_us;
	struct cb_evolve *key = NULL;
	char end[CB_TIME_LEN];
	int ret = -1;

	if (entry_time(l, ret_us, ret_clamped, err) < 0)
		return -1;
	now = epoch_at(&l->en, *ret_us);
	if (first < now && cb_seed_get(&key, l->state, first, err) < 0)
		return -1;
	while (l->j.at.next_epoch < now) {
		n = now - l->j.at.next_epoch;
		if (n > SEALS_AT_ONCE)
			n = SEALS_AT_ONCE;
		if (seal_some(l, key, n, first, l->j.at.next_epoch + n == now, last_us, *ret_us, *ret_clamped, err) < 0)
			goto out;
		if (l->j.n >= CB_TILE_WIDTH && cb_log_roll(l, err) < 0)
			goto out;
	}
	if (l->j.at.next_epoch >= l->en.epochs) {
		cb_time_format_us(end, (l->en.epoch0 + (int64_t)l->en.epochs * l->en.epoch_s) * 1000000);
		cb_err_set(err, CB_E_CONFIG, "its epochs ended at %s: begin a new log, cb-audit init --after", end);
		goto out;
	}
	ret = (int)(now - first);
out:
	cb_evolve_free(key);
	return ret;
}

/* --- appending --------------------------------------------------------------------------------------- */

/* A line's object, between its braces: what follows the first one, to the end. */
struct span {
	const char *p;
	size_t n;
};

static int look_at(struct cb_log *l, const struct iovec *line, struct span *ret, struct cb_err *err)
{
	const char *p = line->iov_base;
	struct cb_json *j = l->json;
	char type[16];
	uint32_t t;

	if (line->iov_len > CB_LOG_LINE_MAX)
		return cb_err_set(err, CB_E_DATA, "longer than %u bytes", CB_LOG_LINE_MAX);
	if (memchr(p, '\n', line->iov_len))
		return cb_err_set(err, CB_E_DATA, "more than one line");
	if (cb_json_parse(j, p, line->iov_len, err) < 0)
		return -1;
	if (j->tok[0].type != CB_JSON_OBJECT || j->tok[0].size == 0)
		return cb_err_set(err, CB_E_DATA, "not a JSON object with members");
	if (cb_json_get(j, 0, "recordedtime") != CB_JSON_NONE)
		return cb_err_set(err, CB_E_DATA, "it has a recordedtime: that is the log's to give");
	t = cb_json_get(j, 0, "type");
	if (t != CB_JSON_NONE && j->tok[t].type == CB_JSON_STRING) {
		size_t n = j->tok[t].end - j->tok[t].start;
		bool own = !j->tok[t].escaped && n >= 7 && memcmp(p + j->tok[t].start, "cb.log.", 7) == 0;

		if (j->tok[t].escaped)	/* too long for type: it may begin so */
			own = cb_json_str(j, t, type, sizeof(type)) < 0 || strncmp(type, "cb.log.", 7) == 0;
		if (own)
			return cb_err_set(err, CB_E_DATA, "types cb.log.* are the log's own");
	}
	ret->p = p + j->tok[0].start + 1;
	ret->n = j->tok[0].end - j->tok[0].start - 1;
	return 0;
}

static int put_clock(struct cb_log *l, int64_t us, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	char time[CB_TIME_LEN];
	struct cb_jw w;
	int ret;

	cb_log_own(&w, &b, l, "cb.log.clock", us);
	cb_time_format_us(time, cb_log_now_us(l));
	cb_jw_kstr(&w, "clock", time);
	cb_jw_ki64(&w, "behind_us", us - cb_log_now_us(l));
	ret = cb_log_put_own(l, &w, &b, us, true, 0, err);
	cb_buf_release(&b);
	return ret;
}

/* All of them into the journal; the lock is held. */
static int append_held(struct cb_log *l, const struct span *span, size_t n, uint64_t *ret_first, struct cb_err *err)
{
	struct cb_buf entry = { 0 };
	char head[CB_RECORDED_LEN + 1];
	struct cb_err why = CB_ERR_INIT;
	struct cb_log_mark m;
	uint64_t first;
	bool clamped;
	int64_t us;

	if (cb_log_seal_due(l, &us, &clamped, err) < 0)
		return -1;
	cb_log_mark(l, &m);
	if (clamped && !l->j.at.clamped && put_clock(l, us, err) < 0)
		goto fail;
	first = l->j.at.size;
	cb_entry_put_recorded(head, us);
	for (size_t i = 0; i < n; i++) {
		entry.len = 0;
		if (cb_buf_str(&entry, head) < 0 || cb_buf_add(&entry, span[i].p, span[i].n) < 0 ||
		    put(l, us, clamped, 0, entry.data, entry.len) < 0) {
			cb_err_nomem(err);
			goto fail;
		}
	}
	cb_buf_release(&entry);
	if (cb_log_commit(l, &m, err) < 0)
		return -1;
	if (ret_first)
		*ret_first = first;
	/* what was asked for is done: tiles that cannot be written now are written later */
	if (l->j.n >= CB_TILE_WIDTH && cb_log_roll(l, &why) < 0 && !l->warned) {
		l->warned = true;
		cb_log_warn(l, "%s; entries stay in the journal", why.msg);
	}
	return 0;
fail:
	cb_buf_release(&entry);
	cb_log_back(l, &m);
	return -1;
}

int cb_log_append(struct cb_log *l, const struct iovec *line, size_t n, uint64_t *ret_first,
		  struct cb_err *err)
{
	struct span one, *span = n == 1 ? &one : calloc(n ? n : 1, sizeof(*span));
	int ret = -1;

	if (!span)
		return cb_err_nomem(err);
	if (n > CB_LOG_BATCH_MAX) {
		cb_err_set(err, CB_E_USAGE, "more than %u lines at once", CB_LOG_BATCH_MAX);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		if (look_at(l, &line[i], &span[i], err) < 0) {
			cb_err_prefix(err, "line %zu", i + 1);
			goto out;
		}
	if (cb_log_lock(l, err) < 0)
		goto out;
	ret = append_held(l, span, n, ret_first, err);
	cb_log_unlock(l);
out:
	if (span != &one)
		free(span);
	return ret;
}

int cb_log_say(struct cb_log *l, const struct cb_buf *b, struct cb_err *err)
{
	struct iovec line = { b->data, b->len };

	return cb_log_append(l, &line, 1, NULL, err);
}

void cb_log_event(struct cb_jw *w, struct cb_buf *b, const char *tool, const char *type, const char *camera)
{
	static uint32_t count;
	char id[CB_EVENT_ID_LEN], run[32];
	int64_t now = cb_now_wall_ns();

	snprintf(run, sizeof(run), "%jd", (intmax_t)getpid());
	cb_event_id(id, type, camera ? camera : "", NULL, now, run, __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED));
	cb_event_begin(w, b, tool, type, camera, now, id);
}

int cb_log_tick(struct cb_log *l, struct cb_err *err)
{
	bool clamped;
	int64_t us;
	int ret;

	/* most of the time nothing has ended: no lock for that */
	if (l->loaded && epoch_at(&l->en, cb_log_now_us(l)) <= l->j.at.next_epoch)
		return 0;
	if (cb_log_lock(l, err) < 0)
		return -1;
	ret = cb_log_seal_due(l, &us, &clamped, err);
	cb_log_unlock(l);
	return ret;
}

uint64_t cb_log_size(const struct cb_log *l)
{
	return l->j.at.size;
}

const struct cb_enrolment *cb_log_enrolment(const struct cb_log *l)
{
	return &l->en;
}

/* --- opening ----------------------------------------------------------------------------------------- */

static int read_enrolment(struct cb_log *l, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct cb_entry e;
	int ret = -1;

	if (cb_dir_get(l->dir, "enrolment", CB_LOG_ENTRY_MAX, &b, err) < 0) {
		if (err && err->code == CB_E_NOINPUT)
			err->code = CB_E_DATA;	/* a directory that is no log */
		goto out;
	}
	if (cb_entry_parse(&e, l->json, b.data, b.len, err) < 0 || cb_enrolment_parse(&l->en, &e, err) < 0)
		cb_err_prefix(err, "enrolment");
	else
		ret = 0;
out:
	cb_buf_release(&b);
	return ret;
}

static int open_files(struct cb_log *l, const char *path, struct cb_err *err)
{
	l->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "open");
	if (read_enrolment(l, err) < 0)
		return -1;
	l->state = openat(l->dir, "state", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->state < 0)
		return cb_err_sys(err, errno == ENOENT ? CB_E_DATA : cb_errc_open(errno), errno, "state");
	l->lock = openat(l->state, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->lock < 0)
		return cb_err_sys(err, cb_log_errc(errno), errno, "state/lock");
	for (int i = 0; i < 2; i++) {
		l->file[i] = openat(l->state, journal_name[i], O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (l->file[i] < 0)
			return cb_err_sys(err, cb_log_errc(errno), errno, "state/%s", journal_name[i]);
	}
	return 0;
}

int cb_log_open(struct cb_log **ret, const char *path, const struct cb_log_opts *o, struct cb_err *err)
{
	struct cb_log *l = calloc(1, sizeof(*l));
	int64_t end;
	char time[CB_TIME_LEN];

	if (!l)
		return cb_err_nomem(err);
	l->dir = l->state = l->lock = l->file[0] = l->file[1] = -1;
	l->kept = -1;
	if (o)
		l->o = *o;
	l->json = malloc(sizeof(*l->json));
	if (!l->json) {
		cb_err_nomem(err);
		goto fail;
	}
	if (open_files(l, path, err) < 0 || cb_log_lock(l, err) < 0)
		goto fail;
	cb_log_unlock(l);
	end = (l->en.epoch0 + (int64_t)l->en.epochs * l->en.epoch_s) * 1000000;
	if (end - cb_log_now_us(l) < SOON_US && (int64_t)l->en.epochs * l->en.epoch_s > 60 * 86400) {
		cb_time_format_us(time, end);
		cb_log_warn(l, "%s: its epochs end at %s: a new log will be needed, cb-audit init --after", path, time);
	}
	*ret = l;
	return 0;
fail:
	cb_log_close(l);
	return -1;
}

void cb_log_close(struct cb_log *l)
{
	if (!l)
		return;
	for (int i = 0; i < 2; i++)
		if (l->file[i] >= 0)
			close(l->file[i]);
	if (l->lock >= 0)
		close(l->lock);
	if (l->state >= 0)
		close(l->state);
	if (l->dir >= 0)
		close(l->dir);
	cb_journal_release(&l->j);
	free(l->json);
	free(l);
}
