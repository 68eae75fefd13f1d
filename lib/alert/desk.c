/* SPDX-License-Identifier: Apache-2.0 */
/* Rules at work, and their memory. */
#include "alert/desk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/newfile.h"
#include "base/time.h"

#define MEMORY_MAX (UINT64_C(1) << 29)	/* bytes of a file that is read */
#define JOURNAL_MAX (UINT64_C(1) << 24)	/* then memory is written anew */

/* What belongs together, and is exchanged together. */
struct set {
	struct cb_rules *rules;
	struct cb_silences *silences;
	struct cb_alert *alert;
	struct cb_notify *notify;
};

struct cb_desk {
	struct cb_desk_opts o;
	struct set set;
	struct cb_json json;
	struct cb_buf buf;
	char *memory;		/* path */
	int journal;		/* -1: no state */
	uint64_t journal_bytes;
	int64_t saved_ns, synced_ns;
	int64_t slept_us;
	bool soft;		/* the journal may not be on the disk yet */
	bool dirty;		/* something came since memory was written */
};

static void release_set(struct set *s)
{
	cb_notify_free(s->notify);
	cb_alert_free(s->alert);
	cb_silences_free(s->silences);
	cb_rules_free(s->rules);
	*s = (struct set){ 0 };
}

static int on_alert(void *ctx, const struct cb_alert_out *o, struct cb_err *err)
{
	struct cb_desk *d = ctx;

	if (d->o.alert(d->o.ops.ctx, o, err) < 0)
		return -1;
	return d->set.rules->routes ? cb_notify_alert(d->set.notify, o, err) : 0;
}

static int make_set(struct cb_desk *d, struct set *s, struct cb_err *err)
{
	if (cb_rules_load(&s->rules, d->o.config, err) < 0)
		return -1;
	if (s->rules->silences && cb_silences_load(&s->silences, s->rules->silences, err) < 0)
		return -1;
	if (cb_alert_new(&s->alert, s->rules, on_alert, d, err) < 0)
		return -1;
	return cb_notify_new(&s->notify, s->rules, s->silences, &d->o.ops, err);
}

/* --- memory ------------------------------------------------------------------------------------ */

static int load_line(struct cb_desk *d, struct set *s, const char *line, size_t len, struct cb_err *err)
{
	static const char *const own[] = { "waits", "told", "limit", "gone", "mutes" };
	int64_t then, now;
	uint32_t wall;

	if (cb_json_parse(&d->json, line, len, err) < 0)
		return -1;
	if (d->json.tok[0].type != CB_JSON_OBJECT)
		return cb_err_set(err, CB_E_DATA, "no line of a memory");
	wall = cb_json_get(&d->json, 0, "wall");
	if (wall != CB_JSON_NONE) {
		if (!cb_json_i64(&d->json, wall, &then))
			return cb_err_set(err, CB_E_DATA, "no line of a memory");
		now = cb_now_wall_ns() / 1000;
		d->slept_us = then > 0 && now > then ? now - then : 0;
		return 0;
	}
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (cb_json_get(&d->json, 0, own[i]) != CB_JSON_NONE)
			return cb_notify_load(s->notify, &d->json, err);
	return cb_alert_load(s->alert, &d->json, err);
}

static int load_lines(struct cb_desk *d, struct set *s, const char *p, size_t n, bool cut_ok, struct cb_err *err)
{
	uint64_t line = 0;

	for (const char *end = n ? p + n : p, *lf; p < end; p = lf + 1) {
		line++;
		lf = memchr(p, '\n', (size_t)(end - p));
		/* a line that a crash has cut was never answered for */
		if (!lf)
			return cut_ok ? 0 : cb_err_set(err, CB_E_DATA, "line %ju: truncated", (uintmax_t)line);
		if (load_line(d, s, p, (size_t)(lf - p), err) < 0)
			return err && err->code != CB_E_DATA ? -1 : cb_err_prefix(err, "line %ju", (uintmax_t)line);
	}
	return 0;
}

static int load_file(struct cb_desk *d, const char *path, bool journal, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint8_t *p = NULL;
	size_t n = 0;
	int k;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (cb_file_read(path, MEMORY_MAX, &p, &n, &why) < 0) {
		*err = why;
		return cb_err_prefix(err, "%s", path);
	}
	k = load_lines(d, &d->set, (char *)p, n, journal, err);
	free(p);
	return k < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

static int save_set(struct set *s, struct cb_buf *out, struct cb_err *err)
{
	out->len = 0;
	return cb_alert_save(s->alert, out, err) < 0 ? -1 : cb_notify_save(s->notify, out, err);
}

/* Memory whole; what the journal says is in it then. */
static int save(struct cb_desk *d, struct cb_err *err)
{
	if (save_set(&d->set, &d->buf, err) < 0)
		return -1;
	if (cb_buf_printf(&d->buf, "{\"wall\":%jd}\n", (intmax_t)(cb_now_wall_ns() / 1000)) < 0)
		return cb_err_nomem(err);
	if (cb_newfile_write(d->memory, 0600, true, d->buf.data, d->buf.len, err) < 0)
		return -1;
	if (ftruncate(d->journal, 0) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s/waiting.ndjson", d->o.state);
	d->journal_bytes = 0;
	d->saved_ns = cb_now_mono_ns();
	d->dirty = d->soft = false;
	return 0;
}

static int open_state(struct cb_desk *d, struct cb_err *err)
{
	char *path = NULL;
	int ret = -1;

	if (mkdir(d->o.state, 0700) < 0 && errno != EEXIST)
		return cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", d->o.state);
	if (asprintf(&d->memory, "%s/memory.ndjson", d->o.state) < 0) {
		d->memory = NULL;
		return cb_err_nomem(err);
	}
	if (asprintf(&path, "%s/waiting.ndjson", d->o.state) < 0)
		return cb_err_nomem(err);
	d->journal = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (d->journal < 0)
		cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", path);
	else if (flock(d->journal, LOCK_EX | LOCK_NB) < 0)
		cb_err_set(err, CB_E_TEMP, "%s: another process has it", path);
	else if (load_file(d, d->memory, false, err) == 0 && load_file(d, path, true, err) == 0)
		ret = save(d, err);
	free(path);
	return ret;
}

int cb_desk_sync(struct cb_desk *d, bool hard, struct cb_err *err)
{
	int64_t now;

	d->buf.len = 0;
	if (cb_notify_journal(d->set.notify, &d->buf, err) < 0)
		return -1;
	/* without a state it is not kept, and not gathered either */
	if (d->journal < 0)
		return 0;
	now = cb_now_mono_ns();
	if (d->buf.len) {
		d->dirty = true;
		if (cb_write_all(d->journal, d->buf.data, d->buf.len, err) < 0)
			return cb_err_prefix(err, "%s/waiting.ndjson", d->o.state);
		d->journal_bytes += d->buf.len;
		d->soft = true;
	}
	if (d->soft && (hard || now > d->synced_ns + CB_NS_PER_S)) {
		if (fdatasync(d->journal) < 0)
			return cb_err_sys(err, CB_E_IO, errno, "%s/waiting.ndjson", d->o.state);
		d->soft = false;
		d->synced_ns = now;
	}
	if (d->dirty && (d->journal_bytes > JOURNAL_MAX || now > d->saved_ns + CB_DESK_SAVE_NS))
		return save(d, err);
	return 0;
}

const struct cb_buf *cb_desk_pending(const struct cb_desk *d)
{
	return cb_notify_pending(d->set.notify);
}

int cb_desk_recall(struct cb_desk *d, const struct cb_buf *lines, struct cb_err *err)
{
	if (!lines->len || d->journal < 0)
		return 0;
	return load_lines(d, &d->set, (const char *)lines->data, lines->len, false, err) < 0 ? -1 : save(d, err);
}

/* --- life ---------------------------------------------------------------------------------------- */

int cb_desk_open(struct cb_desk **ret, const struct cb_desk_opts *o, struct cb_err *err)
{
	struct cb_desk *d = calloc(1, sizeof(*d));

	if (!d)
		return cb_err_nomem(err);
	d->o = *o;
	d->journal = -1;
	*ret = d;	/* decisions about what was remembered may be made already */
	if (make_set(d, &d->set, err) < 0 || (o->state && open_state(d, err) < 0)) {
		*ret = NULL;
		cb_desk_free(d);
		return -1;
	}
	return 0;
}

void cb_desk_free(struct cb_desk *d)
{
	if (!d)
		return;
	release_set(&d->set);
	if (d->journal >= 0)
		close(d->journal);
	free(d->memory);
	cb_buf_release(&d->buf);
	free(d);
}

const struct cb_rules *cb_desk_rules(const struct cb_desk *d)
{
	return d->set.rules;
}

struct cb_notify *cb_desk_notify(struct cb_desk *d)
{
	return d->set.notify;
}

const struct cb_alert *cb_desk_alerts(const struct cb_desk *d)
{
	return d->set.alert;
}

int cb_desk_reload(struct cb_desk *d, struct cb_err *err)
{
	struct set fresh = { 0 }, old = d->set;
	int k;

	if (make_set(d, &fresh, err) < 0 || save_set(&d->set, &d->buf, err) < 0) {
		release_set(&fresh);
		return -1;
	}
	/* decisions that are made on the way are those of the new ones */
	d->set = fresh;
	k = load_lines(d, &d->set, (char *)d->buf.data, d->buf.len, false, err);
	if (k < 0) {
		d->set = old;
		release_set(&fresh);
		return -1;
	}
	cb_notify_succeed(d->set.notify, old.notify);
	release_set(&old);
	d->dirty = true;
	d->saved_ns = 0;
	return 0;
}

/* --- time ------------------------------------------------------------------------------------------ */

static int until(struct cb_desk *d, int64_t t_us, struct cb_err *err)
{
	for (;;) {
		int64_t a = cb_alert_next(d->set.alert), n = cb_notify_next(d->set.notify), next = a < n ? a : n;

		if (next > t_us)
			return 0;
		/* alerts first: they may be told at that moment, too */
		if (cb_alert_until(d->set.alert, next, err) < 0 || cb_notify_until(d->set.notify, next, t_us, err) < 0)
			return -1;
		d->dirty = true;
	}
}

int cb_desk_parse(struct cb_desk *d, const char *line, size_t len, struct cb_err *err)
{
	return cb_alert_parse(d->set.alert, line, len, err);
}

int cb_desk_due(struct cb_desk *d, struct cb_err *err)
{
	int64_t back, now = cb_alert_now(d->set.alert, &back);

	if (back)
		cb_notify_back(d->set.notify, back);
	return until(d, now - 1, err);
}

int cb_desk_apply(struct cb_desk *d, struct cb_err *err)
{
	d->dirty = true;
	return cb_alert_apply(d->set.alert, err);
}

int cb_desk_pass(struct cb_desk *d, int64_t t_us, struct cb_err *err)
{
	cb_alert_pass(d->set.alert, t_us);
	return until(d, t_us, err);
}

int64_t cb_desk_now(const struct cb_desk *d)
{
	int64_t now = cb_alert_now(d->set.alert, NULL);

	return now <= INT64_MIN / 1000 ? INT64_MIN : now;
}

int64_t cb_desk_slept_us(const struct cb_desk *d)
{
	return d->slept_us;
}

int64_t cb_desk_next(const struct cb_desk *d)
{
	int64_t a = cb_alert_next(d->set.alert), n = cb_notify_next(d->set.notify);

	return a < n ? a : n;
}

int cb_desk_keep(struct cb_desk *d, struct cb_err *err)
{
	if (d->journal < 0)
		return 0;
	return cb_desk_sync(d, true, err) < 0 ? -1 : save(d, err);
}

int cb_desk_end(struct cb_desk *d, struct cb_err *err)
{
	int64_t now = cb_desk_now(d);

	if (now != INT64_MIN && until(d, now, err) < 0)
		return -1;
	if (d->journal < 0)
		return now == INT64_MIN ? 0 : cb_notify_flush(d->set.notify, now, err);
	return cb_desk_keep(d, err);
}
