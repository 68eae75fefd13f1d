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

#include "base/io.h"
#include "base/time.h"

#define FILES 16	/* open at a time */

struct file {
	char camera[CB_NAME_MAX + 1], day[11], name[16];
	int fd;
	struct cb_buf lines;
	uint64_t used;
};

struct cb_events {
	const struct cb_store *s;
	struct cb_json *json;
	struct file file[FILES];
	uint64_t clock;
	size_t pending;
};

int cb_events_open(struct cb_events **ret, const struct cb_store *s, struct cb_err *err)
{
	struct cb_events *e = calloc(1, sizeof(*e));

	if (e)
		e->json = malloc(sizeof(*e->json));	/* large, and touched only as far as used */
	if (!e || !e->json) {
		free(e);
		return cb_err_nomem(err);
	}
	e->s = s;
	for (int i = 0; i < FILES; i++)
		e->file[i].fd = -1;
	*ret = e;
	return 0;
}

static int write_lines(struct file *f, struct cb_err *err)
{
	struct iovec iov[2];
	struct stat st;
	char last = '\n';
	int ret = -1;

	if (flock(f->fd, LOCK_EX) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "lock");
	if (fstat(f->fd, &st) < 0 ||
	    (st.st_size && pread(f->fd, &last, 1, st.st_size - 1) != 1)) {
		cb_err_sys(err, CB_E_IO, errno, "read");
		goto out;
	}
	iov[0] = (struct iovec){ (void *)"\n", last != '\n' };
	iov[1] = (struct iovec){ f->lines.data, f->lines.len };
	if (cb_writev_all(f->fd, iov, 2, err) < 0) {
		if (err && err->sys)
			err->code = cb_errc_write(err->sys);
		if (ftruncate(f->fd, st.st_size) < 0)	/* half a line helps nobody */
			goto out;
		goto out;
	}
	if (fdatasync(f->fd) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "fdatasync");
		goto out;
	}
	ret = 0;
out:
	flock(f->fd, LOCK_UN);
	return ret;
}

static int flush_file(struct cb_events *e, struct file *f, struct cb_err *err)
{
	int ret = 0;

	if (!f->lines.len)
		return 0;
	if (write_lines(f, err) < 0)
		ret = cb_err_prefix(err, "cameras/%s/%s/%s", f->camera, f->day, f->name);
	e->pending -= f->lines.len;
	f->lines.len = 0;
	return ret;
}

static int close_file(struct cb_events *e, struct file *f, struct cb_err *err)
{
	int ret = flush_file(e, f, err);

	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	cb_buf_release(&f->lines);
	return ret;
}

static int open_file(struct file *f, const struct cb_store *s, struct cb_err *err)
{
	int dir = cb_day_open(s, f->camera, f->day, true, err);

	if (dir < 0)
		return -1;
	f->fd = openat(dir, f->name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
		       0640);
	if (f->fd < 0)
		cb_err_sys(err, errno == EACCES || errno == EPERM || errno == EROFS ? CB_E_PERM :
			   errno == ENOSPC ? CB_E_IO : CB_E_CANTCREAT, errno, "cameras/%s/%s/%s",
			   f->camera, f->day, f->name);
	else if (fsync(dir) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "cameras/%s/%s: fsync", f->camera, f->day);
		close(f->fd);
		f->fd = -1;
	}
	close(dir);
	return f->fd < 0 ? -1 : 0;
}

int cb_events_add(struct cb_events *e, const char *camera, const char *line, size_t len,
		  struct cb_err *err)
{
	struct file want = { .fd = -1 }, *f = NULL, *oldest = &e->file[0];
	struct cb_event ev;
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

	for (int i = 0; i < FILES; i++) {
		struct file *k = &e->file[i];

		if (k->fd >= 0 && strcmp(k->camera, want.camera) == 0 &&
		    strcmp(k->day, want.day) == 0 && strcmp(k->name, want.name) == 0)
			f = k;
		if (k->fd < 0 || (oldest->fd >= 0 && k->used < oldest->used))
			oldest = k;
	}
	if (!f) {
		if (close_file(e, oldest, err) < 0)
			return -1;
		if (open_file(&want, e->s, err) < 0)
			return -1;
		*oldest = want;
		f = oldest;
	}
	f->used = ++e->clock;
	if (cb_buf_reserve(&f->lines, len + 1) < 0)
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

static int read_file(struct reading *r, int dir, const char *path, const char *name, struct cb_err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = -1;
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
			n = read(fd, r->buf.data + r->buf.len, r->buf.cap - 1 - r->buf.len);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0) {
				cb_err_sys(err, CB_E_IO, errno, "%s", path);
				goto out;
			}
			eof = n == 0;
			r->buf.len += (size_t)n;
			continue;
		}
		if (!have)
			break;
		line_no++;
		pos += len + (lf != NULL);
		/* a last line without LF is one that is being written, or that a crash cut */
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
