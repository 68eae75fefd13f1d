/* SPDX-License-Identifier: Apache-2.0 */
/* Holds: setting, reading and releasing them. */
#include "store/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "base/time.h"
#include "store/describe.h"
#include "store/events.h"
#include "store/segment.h"
#include "wire/event.h"

#define DIR_NAME "holds"
#define SUFFIX ".hold"

int cb_holds_lock(const struct cb_store *s, struct cb_err *err)
{
	int fd = cb_dir_open(s->fd, DIR_NAME, true, err);

	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			cb_err_sys(err, CB_E_IO, errno, DIR_NAME ": lock");
			close(fd);
			return -1;
		}
	return fd;
}

/* --- the event ---------------------------------------------------------------------------------- */

static int describe(struct cb_buf *line, const char *type, const char *id, int64_t now,
		    const struct cb_hold *h, struct cb_err *err)
{
	struct cb_jw w;

	cb_event_begin(&w, line, "cb-store", type, h->camera, now, id);
	cb_jw_kstr(&w, "hold", h->id);
	cb_jw_kstr(&w, "holder", h->holder);
	cb_describe_time(&w, "from", "from_us", h->from_ns);
	cb_describe_time(&w, "to", "to_us", h->to_ns);
	if (*h->reason)
		cb_jw_kstr(&w, "reason", h->reason);
	return cb_event_end(&w, err);
}

static int store(const struct cb_store *s, const struct cb_buf *line, struct cb_err *err)
{
	struct cb_events *e;
	int ret;

	if (cb_events_open(&e, s, true, err) < 0)
		return -1;
	ret = cb_events_add(e, NULL, (const char *)line->data, line->len, err) < 0 ? -1 :
	      cb_events_flush(e, err);
	cb_events_free(e);
	return ret;
}

/* --- reading ------------------------------------------------------------------------------------- */

static bool time_of(const struct cb_event *ev, const char *key, int64_t none, int64_t *ret_ns)
{
	uint32_t tok = cb_json_get(ev->json, ev->data, key);
	int64_t us;

	*ret_ns = none;
	if (tok == CB_JSON_NONE)
		return true;
	if (!cb_json_i64(ev->json, tok, &us) || us > INT64_MAX / CB_NS_PER_US || us < INT64_MIN / CB_NS_PER_US)
		return false;
	*ret_ns = us * CB_NS_PER_US;
	return true;
}

static int parse(struct cb_hold *h, struct cb_json *j, const char *text, size_t len, struct cb_err *err)
{
	struct cb_event ev;
	uint32_t reason;

	if (len && text[len - 1] == '\n')
		len--;
	*h = (struct cb_hold){ 0 };
	if (cb_event_parse(&ev, j, text, len, err) < 0)
		return -1;
	reason = cb_json_get(j, ev.data, "reason");
	if (!cb_json_eq(j, ev.type, "cb.hold.set") ||
	    cb_json_str(j, cb_json_get(j, ev.data, "hold"), h->id, sizeof(h->id)) < 0 ||
	    cb_json_str(j, cb_json_get(j, ev.data, "holder"), h->holder, sizeof(h->holder)) < 0 ||
	    (ev.subject != CB_JSON_NONE && cb_json_str(j, ev.subject, h->camera, sizeof(h->camera)) < 0) ||
	    (reason != CB_JSON_NONE && cb_json_str(j, reason, h->reason, sizeof(h->reason)) < 0) ||
	    !time_of(&ev, "from_us", INT64_MIN, &h->from_ns) || !time_of(&ev, "to_us", INT64_MAX, &h->to_ns) ||
	    ev.t_us == INT64_MIN || ev.t_us > INT64_MAX / CB_NS_PER_US)
		return cb_err_set(err, CB_E_DATA, "not a hold");
	h->set_ns = ev.t_us * CB_NS_PER_US;
	return 0;
}

static bool want_hold(const char *name, const void *ctx)
{
	size_t n = strlen(name);

	(void)ctx;
	return n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static int by_time(const void *pa, const void *pb)
{
	const struct cb_hold *a = pa, *b = pb;

	return a->set_ns != b->set_ns ? (a->set_ns < b->set_ns ? -1 : 1) : strcmp(a->id, b->id);
}

int cb_holds_read(const struct cb_store *s, struct cb_holds *ret, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_names names = { 0 };
	struct cb_holds l = { 0 };
	struct cb_json *j = NULL;
	int dir, r = -1;

	*ret = l;
	dir = cb_dir_open(s->fd, DIR_NAME, false, &why);
	if (dir < 0 && why.sys == ENOENT)
		return 0;
	if (dir < 0) {
		if (err)
			*err = why;
		return -1;
	}
	if (cb_names_read(dir, want_hold, NULL, &names, err) < 0)
		goto out;
	if (names.n > CB_HOLDS_MAX) {
		cb_err_set(err, CB_E_DATA, "more than %u", CB_HOLDS_MAX);
		goto out;
	}
	j = malloc(sizeof(*j));
	l.v = calloc(names.n ? names.n : 1, sizeof(*l.v));
	if (!j || !l.v) {
		cb_err_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < names.n; i++) {
		char *text = NULL;
		size_t len;

		if (cb_file_at(dir, names.v[i], CB_EVENT_LINE_MAX, &text, &len, &why) < 0) {
			if (why.sys == ENOENT)	/* released since the directory was read */
				continue;
			if (err)
				*err = why;
			goto out;
		}
		r = parse(&l.v[l.n], j, text, len, err);
		free(text);
		if (r < 0) {
			cb_err_prefix(err, "%.60s", names.v[i]);
			goto out;
		}
		l.n++;
		r = -1;
	}
	qsort(l.v, l.n, sizeof(*l.v), by_time);
	*ret = l;
	l = (struct cb_holds){ 0 };
	r = 0;
out:
	if (r < 0)
		cb_err_prefix(err, DIR_NAME);
	cb_holds_release(&l);
	cb_names_release(&names);
	free(j);
	close(dir);
	return r;
}

void cb_holds_release(struct cb_holds *l)
{
	free(l->v);
	*l = (struct cb_holds){ 0 };
}

const struct cb_hold *cb_holds_on(const struct cb_holds *l, const char *camera, int64_t from_ns,
				  int64_t to_ns)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct cb_hold *h = &l->v[i];

		if ((!*h->camera || strcmp(h->camera, camera) == 0) && h->from_ns < to_ns && from_ns < h->to_ns)
			return h;
		/* what takes no time at all, at the beginning of a hold */
		if ((!*h->camera || strcmp(h->camera, camera) == 0) && from_ns == to_ns && h->from_ns == from_ns)
			return h;
	}
	return NULL;
}

/* --- setting and releasing ------------------------------------------------------------------------ */

static int write_file(int dir, const char *name, const struct cb_buf *line, struct cb_err *err)
{
	char tmp[80];
	int fd, ret = -1;

	snprintf(tmp, sizeof(tmp), "%.64s.new", name);
	fd = cb_openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, "%s", tmp);
	if (cb_write_all(fd, line->data, line->len, err) < 0 || cb_write_all(fd, "\n", 1, err) < 0)
		goto out;
	if (cb_fsync(fd) < 0 || cb_rename_new(dir, tmp, name) < 0 || cb_fsync(dir) < 0)
		cb_err_sys(err, cb_errc_write(errno), errno, "%s", name);
	else
		ret = 0;
out:
	close(fd);
	if (ret < 0)
		unlinkat(dir, tmp, 0);
	return ret;
}

/* Under the lock. The event is left in *line. */
static int set(const struct cb_store *s, struct cb_hold *h, struct cb_buf *line, struct cb_err *err)
{
	int dir = cb_dir_open(s->fd, DIR_NAME, true, err), ret = -1;
	char name[64];

	if (dir < 0)
		return -1;
	h->set_ns = cb_now_wall_ns() / CB_NS_PER_US * CB_NS_PER_US;
	cb_event_id(h->id, "cb.hold.set", h->camera, NULL, cb_now_wall_ns(), h->holder, (uint32_t)getpid());
	snprintf(name, sizeof(name), "%s" SUFFIX, h->id);
	/* the file first: what fails after it leaves a hold too many, and not one too few */
	if (describe(line, "cb.hold.set", h->id, h->set_ns, h, err) == 0 &&
	    write_file(dir, name, line, err) == 0 && store(s, line, err) == 0)
		ret = 0;
	close(dir);
	return ret;
}

static int drop(const struct cb_store *s, const struct cb_hold *h, struct cb_buf *line, struct cb_err *err)
{
	int dir = cb_dir_open(s->fd, DIR_NAME, true, err), ret = -1;
	int64_t now = cb_now_wall_ns();
	char name[64], id[CB_EVENT_ID_LEN];

	if (dir < 0)
		return -1;
	cb_event_id(id, "cb.hold.released", h->camera, NULL, now, h->id, 0);
	snprintf(name, sizeof(name), "%s" SUFFIX, h->id);
	if (describe(line, "cb.hold.released", id, now, h, err) < 0 || store(s, line, err) < 0)
		goto out;
	if (unlinkat(dir, name, 0) < 0 || cb_fsync(dir) < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, DIR_NAME "/%s", name);
		goto out;
	}
	ret = 0;
out:
	close(dir);
	return ret;
}

int cb_hold_add(const struct cb_store *s, struct cb_hold *h, cb_line_fn *event, void *ctx, struct cb_err *err)
{
	struct cb_buf line = { 0 };
	int lock = cb_holds_lock(s, err), ret;

	if (lock < 0)
		return -1;
	ret = set(s, h, &line, err) < 0 ? -1 : event(ctx, &line, err);
	close(lock);
	cb_buf_release(&line);
	return ret;
}

int cb_holds_drop(const struct cb_store *s, const char *holder, const char *id, cb_line_fn *event, void *ctx,
		  struct cb_err *err)
{
	struct cb_buf line = { 0 };
	struct cb_holds l = { 0 };
	int lock = cb_holds_lock(s, err), ret;
	size_t n = 0;

	if (lock < 0)
		return -1;
	ret = cb_holds_read(s, &l, err);
	for (size_t i = 0; ret == 0 && i < l.n; i++) {
		if (strcmp(l.v[i].holder, holder) != 0 || (id && strcmp(l.v[i].id, id) != 0))
			continue;
		n++;
		ret = drop(s, &l.v[i], &line, err) < 0 ? -1 : event(ctx, &line, err);
	}
	if (ret == 0 && !n)
		ret = cb_err_set(err, CB_E_NO, "'%s' holds nothing%s", holder, id ? " by that name" : "");
	cb_holds_release(&l);
	close(lock);
	cb_buf_release(&line);
	return ret;
}
