/* SPDX-License-Identifier: Apache-2.0 */
/* Event files: appending durably, and reading. */
#include "store/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "store/once.h"

#define FILES 64	/* open at a time */
#define SCAN (4 * (size_t)CB_EVENT_LINE_MAX)

struct file {
	char camera[CB_NAME_MAX + 1], day[11], name[16];
	int fd;
	struct cb_buf lines, marks;	/* what waits; a struct mark for each of its lines */
	struct cb_once once;		/* what the file's first `seen` bytes hold */
	off_t seen;
	uint64_t used;
};

struct mark { uint64_t key; uint32_t len; };

struct cb_events {
	const struct cb_store *s;
	struct cb_json *json;
	struct file file[FILES], *last;
	uint64_t clock;
	size_t pending, slots_left;
	bool once;
	struct cb_buf scan;
	struct cb_events_totals total;
};

int cb_events_open(struct cb_events **ret, const struct cb_store *s, bool once, struct cb_err *err)
{
	struct cb_events *e = calloc(1, sizeof(*e));

	if (e)
		e->json = malloc(sizeof(*e->json));	/* large, and touched only as far as used */
	if (!e || !e->json) {
		free(e);
		return cb_err_nomem(err);
	}
	e->s = s;
	e->once = once;
	e->slots_left = CB_ONCE_ALL;
	for (int i = 0; i < FILES; i++)
		e->file[i].fd = -1;
	*ret = e;
	return 0;
}

/* --- what a file holds already ------------------------------------------------------------------- */

static void forget(struct file *f)
{
	cb_once_release(&f->once);
	f->seen = 0;
}

/* Take in what the file has grown by since it was last looked at, by whomever; its lock is
 * held. A set that is full stays as it is: the rest of the file is then not known. */
static int look(struct cb_events *e, struct file *f, off_t size, struct cb_err *err)
{
	struct cb_event ev;

	if (size < f->seen)	/* not the file it was */
		forget(f);
	for (size_t have = 0; f->seen < size;) {
		const char *line, *lf, *end;
		bool whole;
		ssize_t n;

		if (cb_buf_reserve(&e->scan, SCAN) < 0)
			return cb_err_nomem(err);
		n = cb_pread(f->fd, e->scan.data + have, SCAN - have, f->seen + (off_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cb_err_sys(err, CB_E_IO, errno, "read");
		have += (size_t)n;
		end = (const char *)e->scan.data + have;
		whole = n == 0 || f->seen + (off_t)have >= size;
		for (line = (const char *)e->scan.data; line < end; line = lf < end ? lf + 1 : end) {
			lf = memchr(line, '\n', (size_t)(end - line));
			/* a last line without LF counts, because it will get one */
			if (!lf && !whole && (line > (const char *)e->scan.data || have < SCAN))
				break;
			if (!lf)
				lf = end;
			if (cb_event_parse(&ev, e->json, line, (size_t)(lf - line), NULL) == 0)
				cb_once_add(&f->once, cb_once_key(&ev));
		}
		have = (size_t)(end - line);
		f->seen += (off_t)(line - (const char *)e->scan.data);
		memmove(e->scan.data, line, have);
		if (n == 0)
			break;
	}
	return 0;
}

/* Leave of the waiting lines those that are new. */
static void sift(struct file *f, struct cb_events_totals *t)
{
	const struct mark *m = (const struct mark *)f->marks.data;
	size_t n = f->marks.len / sizeof(*m), from = 0, to = 0;

	for (size_t i = 0; i < n; from += m[i++].len) {
		int k = cb_once_add(&f->once, m[i].key);

		if (k == 0) {
			t->known++;
			continue;
		}
		t->stored++;
		t->unwatched += k < 0;
		memmove(f->lines.data + to, f->lines.data + from, m[i].len);
		to += m[i].len;
	}
	f->lines.len = to;
}

/* --- writing -------------------------------------------------------------------------------------- */

static int open_file(struct file *f, const struct cb_store *s, struct cb_err *err)
{
	int dir = cb_day_open(s, f->camera, f->day, true, err);
	struct stat st;

	if (dir < 0)
		return -1;
	f->fd = cb_openat(dir, f->name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
		       0640);
	if (f->fd < 0) {
		cb_err_sys(err, errno == EACCES || errno == EPERM || errno == EROFS ? CB_E_PERM :
			   errno == ENOSPC ? CB_E_IO : CB_E_CANTCREAT, errno, "cameras/%s/%s/%s",
			   f->camera, f->day, f->name);
	} else if (cb_fsync(dir) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "cameras/%s/%s: fsync", f->camera, f->day);
		close(f->fd);
		f->fd = -1;
	} else if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		cb_err_set(err, CB_E_CANTCREAT, "cameras/%s/%s/%s: not a regular file", f->camera, f->day,
			   f->name);
		close(f->fd);
		f->fd = -1;
	}
	close(dir);
	return f->fd < 0 ? -1 : 0;
}

static int write_lines(struct cb_events *e, struct file *f, struct cb_err *err)
{
	struct cb_events_totals t = { 0 };
	struct iovec iov[2];
	struct stat st;
	char last = '\n';
	int ret = -1;

	for (;;) {
		while (flock(f->fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return cb_err_sys(err, CB_E_IO, errno, "lock");
		if (fstat(f->fd, &st) < 0) {
			cb_err_sys(err, CB_E_IO, errno, "read");
			goto out;
		}
		if (st.st_nlink)
			break;
		/* deleted by cb-store prune since it was opened */
		close(f->fd);
		forget(f);
		if (open_file(f, e->s, err) < 0)
			return -1;
	}
	if (st.st_size && cb_pread(f->fd, &last, 1, st.st_size - 1) != 1) {
		cb_err_sys(err, CB_E_IO, errno, "read");
		goto out;
	}
	t.stored = f->marks.len / sizeof(struct mark);
	if (e->once) {
		if (look(e, f, st.st_size, err) < 0)
			goto out;
		t.stored = 0;
		sift(f, &t);
	}
	if (f->lines.len || last != '\n') {
		iov[0] = (struct iovec){ (void *)"\n", last != '\n' };
		iov[1] = (struct iovec){ f->lines.data, f->lines.len };
		if (cb_writev_all(f->fd, iov, 2, err) < 0) {
			if (err && err->sys)
				err->code = cb_errc_write(err->sys);
			if (cb_ftruncate(f->fd, st.st_size) < 0)	/* half a line helps nobody */
				goto out;
			goto out;
		}
		if (cb_fdatasync(f->fd) < 0) {
			cb_err_sys(err, CB_E_IO, errno, "fdatasync");
			goto out;
		}
		f->seen = st.st_size + (last != '\n') + (off_t)f->lines.len;
	}
	e->total.stored += t.stored;
	e->total.known += t.known;
	e->total.unwatched += t.unwatched;
	ret = 0;
out:
	if (ret < 0)		/* the set may have what the file has not */
		forget(f);
	flock(f->fd, LOCK_UN);
	return ret;
}

static int flush_file(struct cb_events *e, struct file *f, struct cb_err *err)
{
	size_t waiting = f->lines.len;
	int ret = 0;

	if (!waiting)
		return 0;
	if (write_lines(e, f, err) < 0)
		ret = cb_err_prefix(err, "cameras/%s/%s/%s", f->camera, f->day, f->name);
	e->pending -= waiting;
	f->lines.len = f->marks.len = 0;
	return ret;
}

static int close_file(struct cb_events *e, struct file *f, struct cb_err *err)
{
	int ret = flush_file(e, f, err);

	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	forget(f);
	cb_buf_release(&f->lines);
	cb_buf_release(&f->marks);
	if (e->last == f)
		e->last = NULL;
	return ret;
}

static bool same_file(const struct file *a, const struct file *b)
{
	return a->fd >= 0 && strcmp(a->name, b->name) == 0 && strcmp(a->day, b->day) == 0 &&
	       strcmp(a->camera, b->camera) == 0;
}

/* The open file of these names, opened in the place of the one not used for longest. */
static struct file *find_file(struct cb_events *e, struct file *want, struct cb_err *err)
{
	struct file *f = NULL, *oldest = &e->file[0];

	if (e->last && same_file(e->last, want))
		f = e->last;
	for (int i = 0; i < FILES && !f; i++) {
		struct file *k = &e->file[i];

		if (same_file(k, want))
			f = k;
		if (k->fd < 0 || (oldest->fd >= 0 && k->used < oldest->used))
			oldest = k;
	}
	if (!f) {
		if (close_file(e, oldest, err) < 0 || open_file(want, e->s, err) < 0)
			return NULL;
		*oldest = *want;
		f = oldest;
		f->once.left = &e->slots_left;
	}
	f->used = ++e->clock;
	e->last = f;
	return f;
}

int cb_events_add(struct cb_events *e, const char *camera, const char *line, size_t len,
		  struct cb_err *err)
{
	struct file want = { .fd = -1 }, *f;
	struct cb_event ev;
	struct mark m;
	int64_t ns;
	char hms[7];

	if (len >= CB_EVENT_LINE_MAX)
		return cb_err_set(err, CB_E_DATA, "longer than %d bytes", CB_EVENT_LINE_MAX - 1);
	/* an LF inside is JSON's blank, and would make two lines of it */
	if (memchr(line, '\n', len))
		return cb_err_set(err, CB_E_DATA, "more than one line");
	if (cb_event_parse(&ev, e->json, line, len, err) < 0)
		return -1;
	if (camera)
		strncat(want.camera, camera, CB_NAME_MAX);
	else if (ev.subject == CB_JSON_NONE ||
		 cb_json_str(e->json, ev.subject, want.camera, sizeof(want.camera)) < 0 ||
		 !cb_camera_name_ok(want.camera))
		strcpy(want.camera, CB_EVENTS_OTHER);
	if (ev.t_us == INT64_MIN || __builtin_mul_overflow(ev.t_us, CB_NS_PER_US, &ns))
		ns = cb_now_wall_ns();
	cb_time_format_day(want.day, ns);
	cb_time_format_hms(hms, ns);
	snprintf(want.name, sizeof(want.name), "%.2s.events", hms);

	f = find_file(e, &want, err);
	if (!f)
		return -1;
	m = (struct mark){ .key = e->once ? cb_once_key(&ev) : 0, .len = (uint32_t)len + 1 };
	if (cb_buf_reserve(&f->lines, len + 1) < 0 || cb_buf_add(&f->marks, &m, sizeof(m)) < 0)
		return cb_err_nomem(err);
	cb_buf_add(&f->lines, line, len);
	cb_buf_byte(&f->lines, '\n');
	e->pending += len + 1;
	return 0;
}

int cb_events_flush(struct cb_events *e, struct cb_err *err)
{
	int ret = 0;

	for (int i = 0; i < FILES; i++)
		if (flush_file(e, &e->file[i], ret ? NULL : err) < 0)
			ret = -1;
	return ret;
}

void cb_events_totals(const struct cb_events *e, struct cb_events_totals *ret)
{
	*ret = e->total;
}

size_t cb_events_pending(const struct cb_events *e)
{
	return e->pending;
}

void cb_events_free(struct cb_events *e)
{
	if (!e)
		return;
	for (int i = 0; i < FILES; i++) {
		e->file[i].lines.len = 0;
		close_file(e, &e->file[i], NULL);
	}
	cb_buf_release(&e->scan);
	free(e->json);
	free(e);
}

/* --- reading -------------------------------------------------------------------------------------- */

static bool want_hour(const char *name, const void *ctx)
{
	(void)ctx;
	return name[0] >= '0' && name[0] <= '2' && name[1] >= '0' && name[1] <= '9' &&
	       strcmp(name + 2, ".events") == 0;
}

struct reading {
	int64_t from_us, to_us;
	cb_event_fn *fn;
	void *ctx;
	struct cb_json *json;
	struct cb_buf buf;
};

/* Can the hour of a file hold anything of the range? */
static bool hour_touches(const struct reading *r, const char *day, const char *name)
{
	char text[32];
	int64_t ns;

	snprintf(text, sizeof(text), "%sT%.2s:00:00Z", day, name);
	if (!cb_parse_time(text, &ns))
		return false;
	return ns / CB_NS_PER_US < r->to_us &&
	       ns / CB_NS_PER_US + INT64_C(3600000000) > r->from_us;
}

/* Read on. The end of the file may be the middle of a line that is being appended, so a line
 * is not called torn before its writer has let go of the lock. */
static ssize_t read_more(int fd, struct cb_buf *b)
{
	ssize_t n = read(fd, b->data + b->len, b->cap - 1 - b->len);

	if (n != 0 || !b->len)
		return n;
	if (flock(fd, LOCK_SH) < 0)
		return -1;
	n = read(fd, b->data + b->len, b->cap - 1 - b->len);
	flock(fd, LOCK_UN);
	return n;
}

static int read_file(struct reading *r, int dir, const char *path, const char *name, struct cb_err *err)
{
	int fd = cb_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = -1;
	uint64_t line_no = 0;
	size_t pos = 0;
	struct stat st;
	bool eof = false;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		cb_err_set(err, CB_E_DATA, "%s: not a regular file", path);
		goto out;
	}
	r->buf.len = 0;
	for (;;) {
		const char *start = (const char *)r->buf.data + pos;
		size_t have = r->buf.len - pos;
		const char *lf = have ? memchr(start, '\n', have) : NULL;
		size_t len = lf ? (size_t)(lf - start) : have;
		struct cb_event ev;
		bool good;
		ssize_t n;

		if (!lf && !eof && have < CB_EVENT_LINE_MAX) {
			cb_buf_drop(&r->buf, pos);
			pos = 0;
			if (cb_buf_reserve(&r->buf, 2 * CB_EVENT_LINE_MAX) < 0) {
				cb_err_nomem(err);
				goto out;
			}
			n = read_more(fd, &r->buf);
			if (n < 0 && errno == EINTR) {
				if (cb_stop_wanted())
					break;
				continue;
			}
			if (n < 0) {
				cb_err_sys(err, CB_E_IO, errno, "%s", path);
				goto out;
			}
			eof = n == 0;
			r->buf.len += (size_t)n;
			continue;
		}
		if (!have || cb_stop_wanted())
			break;
		line_no++;
		pos += len + (lf != NULL);
		/* a last line without LF is one that a crash cut */
		good = lf && len < CB_EVENT_LINE_MAX &&
		       cb_event_parse(&ev, r->json, start, len, NULL) == 0;
		if (good && ev.t_us != INT64_MIN && (ev.t_us < r->from_us || ev.t_us >= r->to_us))
			continue;
		if (r->fn(r->ctx, path, line_no, good ? &ev : NULL, start, len, err) < 0)
			goto out;
	}
	ret = 0;
out:
	close(fd);
	return ret;
}

static int64_t floor_us(int64_t ns)
{
	return ns == INT64_MAX || ns == INT64_MIN ? ns :
	       ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

int cb_events_read(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		   cb_event_fn *fn, void *ctx, struct cb_err *err)
{
	struct reading r = { .from_us = floor_us(from_ns), .to_us = floor_us(to_ns), .fn = fn,
			     .ctx = ctx };
	struct cb_names days = { 0 }, hours = { 0 };
	int dir = -1, ret = -1;

	r.json = malloc(sizeof(*r.json));
	if (!r.json)
		return cb_err_nomem(err);
	if (cb_store_days(s, camera, from_ns, to_ns, &days, err) < 0)
		goto out;
	for (size_t d = 0; d < days.n; d++) {
		dir = cb_day_open(s, camera, days.v[d], false, err);
		if (dir < 0 || cb_names_read(dir, want_hour, NULL, &hours, err) < 0)
			goto out;
		for (size_t h = 0; h < hours.n; h++) {
			char path[CB_SEGMENT_PATH];

			if (!hour_touches(&r, days.v[d], hours.v[h]))
				continue;
			snprintf(path, sizeof(path), "cameras/%s/%s/%s", camera, days.v[d], hours.v[h]);
			if (read_file(&r, dir, path, hours.v[h], err) < 0)
				goto out;
		}
		cb_names_release(&hours);
		close(dir);
		dir = -1;
	}
	ret = 0;
out:
	if (dir >= 0)
		close(dir);
	cb_names_release(&hours);
	cb_names_release(&days);
	cb_buf_release(&r.buf);
	free(r.json);
	return ret;
}
