/* SPDX-License-Identifier: Apache-2.0 */
/* Forgetting a day: whether it may be, saying so, destroying its keys. */
#include "store/forget.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/again.h"
#include "base/time.h"
#include "store/daykey.h"
#include "store/describe.h"
#include "store/events.h"
#include "store/hold.h"
#include "store/keyfile.h"
#include "wire/event.h"

#define NAMED 500		/* keys that the event names: a recorder that is started anew makes another */

struct forget {
	const struct cb_store *s;
	const struct cb_forget_opts *o;
	struct cb_forget_totals *t;
	struct cb_names keys;		/* of the day */
	struct cb_segments l;		/* all of the camera */
	int64_t from_ns, to_ns;		/* of the day, and of what began on it */
};

static bool of_day(const struct forget *f, const struct cb_segment *g)
{
	return strcmp(g->day, f->o->day) == 0;
}

static int held(struct forget *f, struct cb_err *err)
{
	const struct cb_hold *h;
	struct cb_holds l;
	int ret = 0;

	if (cb_holds_read(f->s, &l, err) < 0)
		return -1;
	h = cb_holds_on(&l, f->o->camera, f->from_ns, f->to_ns);
	if (h)
		ret = cb_err_set(err, CB_E_NO, "%s of camera %s is held by '%s': its keys stay", f->o->day, f->o->camera,
				 h->holder);
	cb_holds_release(&l);
	return ret;
}

/* Does somebody read it who wants it to stay? */
static int in_use(struct forget *f, const struct cb_segment *g, struct cb_err *err)
{
	int dir = cb_day_open(f->s, g->camera, g->day, false, err), fd, ret = 0;
	char file[64];

	if (dir < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.manifest", g->name);
	fd = cb_openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && cb_flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		ret = cb_err_set(err, CB_E_TEMP, "cameras/%s/%s/%s is being read", g->camera, g->day, file);
	if (fd >= 0)
		close(fd);
	close(dir);
	return ret;
}

/* What the day has, and whether all of it may go. */
static int look(struct forget *f, struct cb_err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%s", f->o->day);
	if (!cb_day_name_ok(text) || !cb_parse_time(text, &f->from_ns))
		return cb_err_set(err, CB_E_USAGE, "%s is not a day", text);
	f->to_ns = f->from_ns + CB_SEGMENT_NS_MAX;
	if (cb_store_segments(f->s, f->o->camera, INT64_MIN, INT64_MAX, NULL, &f->l, err) < 0)
		return -1;
	for (size_t i = 0; i < f->l.n; i++) {
		const struct cb_segment *g = &f->l.v[i];

		if (!of_day(f, g))
			continue;
		if (g->end.from_ns < f->from_ns)
			f->from_ns = g->end.from_ns;
		if (g->end.to_ns > f->to_ns)
			f->to_ns = g->end.to_ns;
		if (g->state == CB_SEGMENT_OPEN)
			return cb_err_set(err, CB_E_TEMP, "%s of camera %s is being recorded, or was when its recorder died",
					  f->o->day, f->o->camera);
		if (*g->key)
			f->t->segments++;
		else
			f->t->plain++;
		if (in_use(f, g, err) < 0)
			return -1;
	}
	if (held(f, err) < 0)
		return -1;
	if (f->t->plain && !f->o->force)
		return cb_err_set(err, CB_E_NO, "%" PRIu64 " segments of that day are not encrypted, or damaged, and would stay: "
				  "nothing is destroyed, without --force", f->t->plain);
	return 0;
}

static int say(struct forget *f, struct cb_buf *line, struct cb_err *err)
{
	struct cb_events *e = NULL;
	int64_t now = cb_now_wall_ns();
	char id[CB_EVENT_ID_LEN];
	struct cb_jw w;
	int ret = -1;

	cb_event_id(id, "cb.key.destroyed", f->o->camera, NULL, now, f->o->day, 0);
	cb_event_begin(&w, line, "cb-store", "cb.key.destroyed", f->o->camera, now, id);
	if (f->o->dry_run)
		cb_jw_kbool(&w, "dry_run", true);
	cb_jw_kstr(&w, "day", f->o->day);
	cb_jw_key(&w, "keys");
	cb_jw_arr(&w);
	for (size_t i = 0; i < f->t->keys && i < NAMED; i++)
		cb_jw_str(&w, f->keys.v[i]);
	cb_jw_arr_end(&w);
	cb_jw_ku64(&w, "destroyed", f->t->keys);
	cb_jw_ku64(&w, "segments", f->t->segments);
	cb_jw_ku64(&w, "unencrypted", f->t->plain);
	cb_describe_time(&w, "from", "from_us", f->from_ns);
	cb_describe_time(&w, "to", "to_us", f->to_ns);
	if (f->o->reason)
		cb_jw_kstr(&w, "reason", f->o->reason);
	if (cb_event_end(&w, err) < 0)
		return -1;
	if (!f->o->dry_run && (cb_events_open(&e, f->s, true, err) < 0 ||
			       cb_events_add(e, NULL, (const char *)line->data, line->len, err) < 0 ||
			       cb_events_flush(e, err) < 0))
		goto out;
	ret = f->o->event ? f->o->event(f->o->ctx, line, err) : 0;
out:
	cb_events_free(e);
	return ret;
}

/* Those that are still there; what a kill left of an earlier time is finished without a word. */
static int choose(struct forget *f, struct cb_err *err)
{
	size_t n = 0, all;

	if (cb_day_keys(f->s, f->o->camera, f->o->day, &f->keys, err) < 0)
		return -1;
	all = f->keys.n;
	for (size_t i = 0; i < all; i++) {
		char *name = f->keys.v[i];

		switch (cb_day_key_state(f->s, f->o->camera, name)) {
		case CB_DAY_KEY_THERE:
			f->keys.v[i] = f->keys.v[n];
			f->keys.v[n++] = name;
			break;
		case CB_DAY_KEY_DESTROYED:
			if (!f->o->dry_run && cb_day_key_destroy(f->s, f->o->camera, name, err) < 0)
				return -1;
			break;
		case CB_DAY_KEY_MISSING:
		case CB_DAY_KEY_UNKNOWN:
			return cb_err_set(err, CB_E_IO, CB_KEYS_CAMERAS "/%s/%s: cannot be looked at: nothing is destroyed",
					  f->o->camera, name);
		}
	}
	/* the others are freed with the rest */
	for (size_t i = n; i < all; i++)
		*f->keys.v[i] = '\0';
	f->t->keys = n;
	if (!all)
		return cb_err_set(err, CB_E_NOINPUT, "camera %s has no keys of %s", f->o->camera, f->o->day);
	return n ? 0 : cb_err_set(err, CB_E_NO, "the keys of camera %s of %s were destroyed before", f->o->camera, f->o->day);
}

int cb_forget_day(const struct cb_store *s, const struct cb_forget_opts *o, struct cb_forget_totals *ret,
		  struct cb_err *err)
{
	struct forget f = { .s = s, .o = o, .t = ret };
	struct cb_buf line = { 0 };
	int holds, keys = -1, k = -1;

	*ret = (struct cb_forget_totals){ 0 };
	holds = cb_holds_lock(s, err);
	if (holds < 0)
		return -1;
	keys = cb_day_keys_lock(s, o->camera, err);
	if (keys < 0) {
		if (err && err->sys == ENOENT)
			cb_err_set(err, CB_E_NOINPUT, "camera %s has no keys", o->camera);
		goto out;
	}
	if (look(&f, err) < 0 || choose(&f, err) < 0 || say(&f, &line, err) < 0)
		goto out;
	for (size_t i = 0; i < ret->keys && !o->dry_run; i++)
		if (cb_day_key_condemn(s, o->camera, f.keys.v[i], &line, err) < 0)
			goto out;
	for (size_t i = 0; i < ret->keys && !o->dry_run; i++)
		if (cb_day_key_destroy(s, o->camera, f.keys.v[i], err) < 0)
			goto out;
	k = 0;
out:
	if (keys >= 0)
		close(keys);
	close(holds);
	cb_segments_release(&f.l);
	cb_names_release(&f.keys);
	cb_buf_release(&line);
	return k;
}
