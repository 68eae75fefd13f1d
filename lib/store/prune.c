/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: choosing what goes, saying so, deleting it. */
#include "store/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/again.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "store/daykey.h"
#include "store/describe.h"
#include "store/ballast.h"
#include "store/events.h"
#include "store/hold.h"
#include "wire/event.h"

#define BATCH 64			/* segments whose events share a sync; each holds two descriptors */
#define HOUR_NS (3600 * CB_NS_PER_S)

/* --- choosing ------------------------------------------------------------------------------------------ */

enum rule { STAYS, AGE, AROUND, BYTES, FREE };
static const char *const rule_name[] = { "", "age", "around", "bytes", "free" };

struct choice {
	struct cb_segment g;
	uint64_t bytes;
	enum rule rule;
	bool held;
};

struct prune {
	const struct cb_store *s;
	const struct cb_prune_opts *o;
	struct cb_prune_totals *t;
	struct cb_holds holds;
	struct choice *v;		/* sealed segments, the oldest first */
	size_t n;
	uint64_t total;			/* bytes of all segments that count */
	struct cb_events *events;
	struct cb_buf line;
	uint32_t said;
};

static int by_age(const void *pa, const void *pb)
{
	const struct choice *a = pa, *b = pb;
	int k;

	if (a->g.end.to_ns != b->g.end.to_ns)
		return a->g.end.to_ns < b->g.end.to_ns ? -1 : 1;
	k = strcmp(a->g.camera, b->g.camera);
	return k ? k : strcmp(a->g.name, b->g.name);
}

static int collect(struct prune *p, const char *camera, struct cb_err *err)
{
	struct cb_segments l = { 0 };
	void *v;

	if (cb_store_segments(p->s, camera, INT64_MIN, INT64_MAX, NULL, &l, err) < 0)
		return -1;
	v = l.n ? realloc(p->v, (p->n + l.n) * sizeof(*p->v)) : p->v;
	if (l.n && !v) {
		cb_segments_release(&l);
		return cb_err_nomem(err);
	}
	p->v = v;
	for (size_t i = 0; i < l.n; i++) {
		const struct cb_segment *g = &l.v[i];

		p->total += g->end.bytes;
		if (g->state == CB_SEGMENT_SEALED)
			p->v[p->n++] = (struct choice){
				.g = *g, .bytes = g->end.bytes,
				.held = cb_holds_on(&p->holds, camera, g->end.from_ns, g->end.to_ns) };
	}
	cb_segments_release(&l);
	return 0;
}

static bool ended_before(const struct choice *c, int64_t now_ns, int64_t age_ns)
{
	return c->g.end.to_ns < now_ns - age_ns;
}

/* The oldest that may go, until `want` bytes have. */
static void take_oldest(struct prune *p, enum rule rule, uint64_t want)
{
	const struct cb_prune_opts *o = p->o;
	uint64_t got = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].rule)
			got += p->v[i].bytes;
	for (size_t i = 0; i < p->n && got < want; i++) {
		struct choice *c = &p->v[i];

		if (c->rule || c->held || !ended_before(c, o->now_ns, o->keep_ns))
			continue;
		c->rule = rule;
		got += c->bytes;
	}
	if (got < want && want - got > p->t->missing)
		p->t->missing = want - got;
}

static int choose(struct prune *p, struct cb_err *err)
{
	const struct cb_prune_opts *o = p->o;
	uint64_t free_now, going = 0;
	struct statvfs fs;

	for (size_t i = 0; o->older_ns && i < p->n; i++) {
		struct choice *c = &p->v[i];

		if (!ended_before(c, o->now_ns, o->older_ns))
			continue;
		if (o->around && cb_spans_touch(o->around, c->g.camera, c->g.end.from_ns, c->g.end.to_ns))
			continue;
		if (c->held)
			p->t->held++;
		else
			c->rule = o->around ? AROUND : AGE;
	}
	if (o->bytes < p->total)
		take_oldest(p, BYTES, p->total - o->bytes);
	if (o->free) {
		if (fstatvfs(p->s->fd, &fs) < 0)
			return cb_err_sys(err, CB_E_IO, errno, "statvfs");
		free_now = (uint64_t)fs.f_bavail * fs.f_frsize;
		if (free_now < o->free)
			take_oldest(p, FREE, o->free - free_now);
	}
	for (size_t i = 0; i < p->n; i++)
		going += p->v[i].rule != STAYS;
	if (going > p->n / 2 && !o->force && !o->dry_run)
		return cb_err_set(err, CB_E_NO, "%" PRIu64 " of %zu segments would be deleted, more than half: nothing is, without --force",
				  going, p->n);
	return 0;
}

/* --- saying --------------------------------------------------------------------------------------------- */

static void begin(struct prune *p, struct cb_jw *w, const char *type, const char *camera)
{
	int64_t now = cb_now_wall_ns();
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, camera ? camera : "", NULL, now, "", p->said++);
	cb_event_begin(w, &p->line, "cb-store", type, camera, now, id);
	if (p->o->dry_run)
		cb_jw_kbool(w, "dry_run", true);
}

static int say(struct prune *p, struct cb_err *err)
{
	if (!p->o->dry_run && cb_events_add(p->events, NULL, (const char *)p->line.data, p->line.len, err) < 0)
		return -1;
	return p->o->event ? p->o->event(p->o->ctx, &p->line, err) : 0;
}

static int say_deleted(struct prune *p, const char *camera, const char *path, int64_t from_ns,
		       int64_t to_ns, uint64_t bytes, const char *rule, const uint8_t *digest,
		       struct cb_err *err)
{
	char hex[CB_SHA256_HEX];
	struct cb_jw w;

	begin(p, &w, "cb.retention.deleted", camera);
	cb_jw_kstr(&w, "path", path);
	cb_jw_kstr(&w, "rule", rule);
	cb_describe_time(&w, "from", "from_us", from_ns);
	cb_describe_time(&w, "to", "to_us", to_ns);
	cb_jw_ku64(&w, "bytes", bytes);
	if (digest) {
		cb_hex(hex, digest, CB_SHA256_LEN);
		cb_jw_kstr(&w, "manifest_sha256", hex);
	}
	return cb_event_end(&w, err) < 0 ? -1 : say(p, err);
}

static int say_end(struct prune *p, struct cb_err *err)
{
	const struct cb_prune_totals *t = p->t;
	struct cb_jw w;

	if (t->missing) {
		begin(p, &w, "cb.retention.short", p->o->camera);
		cb_jw_ku64(&w, "missing_bytes", t->missing);
		cb_describe_time(&w, "kept_from", "kept_from_us", p->o->now_ns - p->o->keep_ns);
		if (cb_event_end(&w, err) < 0 || say(p, err) < 0)
			return -1;
	}
	begin(p, &w, "cb.retention.done", p->o->camera);
	cb_jw_ku64(&w, "segments", t->segments);
	cb_jw_ku64(&w, "event_files", t->files);
	cb_jw_ku64(&w, "bytes", t->bytes);
	cb_jw_ku64(&w, "held", t->held);
	cb_jw_ku64(&w, "busy", t->busy);
	cb_jw_ku64(&w, "missing_bytes", t->missing);
	cb_jw_kbool(&w, "whole", !cb_stop_wanted());
	return cb_event_end(&w, err) < 0 ? -1 : say(p, err);
}

/* --- deleting -------------------------------------------------------------------------------------------- */

static int drop(int dir, const char *name, const char *suffix, struct cb_err *err)
{
	char file[64];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return cb_err_sys(err, cb_errc_write(errno), errno, "%s", file);
	return 0;
}

/* Both files of a segment. While they go, name.gone says that they have: a reader sees all or
 * nothing, and what is cut short here is finished by the next prune. */
static int drop_segment(int dir, const char *name, struct cb_err *err)
{
	char file[64];
	int fd;

	snprintf(file, sizeof(file), "%s.gone", name);
	fd = cb_openat(dir, file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, "%s", file);
	close(fd);
	if (cb_fsync(dir) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "fsync");
	if (drop(dir, name, ".mp4", err) < 0 || drop(dir, name, ".manifest", err) < 0)
		return -1;
	if (cb_fsync(dir) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "fsync");
	return drop(dir, name, ".gone", err);
}

static bool want_gone(const char *name, const void *ctx)
{
	(void)ctx;
	return cb_segment_name_ok(name, ".gone");
}

/* Finish what a prune that was killed has begun, and remove a day that has nothing left. */
static int tidy_day(struct prune *p, const char *camera, const char *day, struct cb_err *err)
{
	int dir = cb_day_open(p->s, camera, day, false, err), parent, ret = 0;
	struct cb_names gone = { 0 };
	char text[32];
	int64_t ns;

	if (dir < 0)
		return -1;
	if (cb_names_read(dir, want_gone, NULL, &gone, err) < 0)
		ret = -1;
	for (size_t i = 0; i < gone.n && ret == 0; i++) {
		gone.v[i][CB_SEGMENT_NAME - 1] = '\0';
		ret = drop_segment(dir, gone.v[i], err);
	}
	cb_names_release(&gone);
	close(dir);
	snprintf(text, sizeof(text), "%s", day);
	if (ret < 0 || !cb_parse_time(text, &ns) || ns > cb_now_wall_ns() - 3 * CB_SEGMENT_NS_MAX)
		return ret;	/* a recorder may be about to use it */
	parent = cb_camera_open(p->s, camera, false, err);
	if (parent < 0)
		return -1;
	unlinkat(parent, day, AT_REMOVEDIR);	/* fails where it is not empty, as it should */
	close(parent);
	return 0;
}

/* A lock of somebody who reads it; the caller closes. -1: it is his, -2: it failed. */
static int take_lock(int dir, const char *name, struct cb_err *err)
{
	char file[64];
	int fd;

	snprintf(file, sizeof(file), "%s.manifest", name);
	fd = cb_openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "%s", file);
		return -2;
	}
	if (cb_flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Some segments of one camera: said, remembered, then deleted. */
static int delete_batch(struct prune *p, struct choice **c, size_t n, struct cb_err *err)
{
	const char *camera = c[0]->g.camera;
	struct cb_spans pruned = { 0 };
	int dir[BATCH], lock[BATCH], ret = -1;
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		dir[i] = lock[i] = -1;
	if (!p->o->dry_run && cb_pruned_read(p->s, camera, &pruned, err) < 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		const struct cb_segment *g = &c[i]->g;
		char path[CB_SEGMENT_PATH];

		if (!p->o->dry_run) {
			dir[i] = cb_day_open(p->s, camera, g->day, false, err);
			if (dir[i] < 0)
				goto out;
			lock[i] = take_lock(dir[i], g->name, err);
			if (lock[i] == -2)
				goto out;
			if (lock[i] < 0) {
				p->t->busy++;
				p->t->missing += c[i]->rule >= BYTES ? c[i]->bytes : 0;
				continue;
			}
			if (cb_spans_add(&pruned, camera, g->end.from_ns, g->end.to_ns, err) < 0)
				goto out;
		}
		cb_segment_path(path, g);
		if (say_deleted(p, camera, path, g->end.from_ns, g->end.to_ns, c[i]->bytes,
				rule_name[c[i]->rule], g->digest, err) < 0)
			goto out;
		k++;
	}
	if (!p->o->dry_run && k && (cb_events_flush(p->events, err) < 0 ||
				    cb_pruned_write(p->s, camera, &pruned, err) < 0))
		goto out;
	for (size_t i = 0; i < n; i++) {
		if (!p->o->dry_run && lock[i] < 0)
			continue;
		if (!p->o->dry_run && drop_segment(dir[i], c[i]->g.name, err) < 0) {
			cb_err_prefix(err, "cameras/%s/%s", camera, c[i]->g.day);
			goto out;
		}
		p->t->segments++;
		p->t->bytes += c[i]->bytes;
	}
	ret = 0;
out:
	for (size_t i = 0; i < n; i++) {
		if (lock[i] >= 0)
			close(lock[i]);
		if (dir[i] >= 0)
			close(dir[i]);
	}
	cb_spans_release(&pruned);
	return ret;
}

static bool want_manifest(const char *name, const void *ctx)
{
	(void)ctx;
	return cb_segment_name_ok(name, ".manifest");
}

/* Keys of days of which we have deleted the last segment: of no use to anybody but one who finds what
 * was deleted. */
static int drop_keys(struct prune *p, const char *camera, const char *day, struct cb_err *err)
{
	int dir, lock, ret = 0;
	struct cb_names left = { 0 };
	bool ours = false;

	for (size_t i = 0; i < p->n && !ours; i++)
		ours = p->v[i].rule && *p->v[i].g.key && strcmp(p->v[i].g.camera, camera) == 0 &&
		       strcmp(p->v[i].g.day, day) == 0;
	if (!ours)
		return 0;
	lock = cb_day_keys_lock(p->s, camera, NULL);
	if (lock < 0)		/* gone, or a recorder is about to use one */
		return 0;
	dir = cb_day_open(p->s, camera, day, false, NULL);
	if (dir >= 0) {
		ret = cb_names_read(dir, want_manifest, NULL, &left, err);
		close(dir);
	}
	if (ret == 0 && !left.n)
		ret = cb_day_keys_clear(p->s, camera, day, err);
	cb_names_release(&left);
	close(lock);
	return ret;
}

static int delete_camera(struct prune *p, const char *camera, struct cb_err *err)
{
	struct choice *batch[BATCH];
	struct cb_names days = { 0 };
	size_t k = 0;
	int ret = 0;

	for (size_t i = 0; i < p->n && ret == 0; i++) {
		if (!p->v[i].rule || strcmp(p->v[i].g.camera, camera) != 0)
			continue;
		if (cb_stop_wanted())
			break;
		batch[k++] = &p->v[i];
		if (k == BATCH) {
			ret = delete_batch(p, batch, k, err);
			k = 0;
		}
	}
	if (k && ret == 0)
		ret = delete_batch(p, batch, k, err);
	if (ret < 0 || p->o->dry_run)
		return ret;
	if (cb_store_days(p->s, camera, INT64_MIN, INT64_MAX, &days, err) < 0)
		return -1;
	for (size_t i = 0; i < days.n && ret == 0 && !cb_stop_wanted(); i++)
		ret = tidy_day(p, camera, days.v[i], err) < 0 ? -1 : drop_keys(p, camera, days.v[i], err);
	cb_names_release(&days);
	return ret;
}

/* --- hours of events ---------------------------------------------------------------------------------------- */

static bool want_hour(const char *name, const void *ctx)
{
	(void)ctx;
	return strspn(name, "0123456789") == 2 && strcmp(name + 2, ".events") == 0;
}

static int event_file(struct prune *p, int dir, const char *camera, const char *day, const char *hour,
		      struct cb_err *err)
{
	char text[32], path[CB_SEGMENT_PATH];
	struct stat st;
	int64_t ns;
	int fd, ret = -1;

	snprintf(text, sizeof(text), "%.10sT%.2s:00:00Z", day, hour);
	if (!cb_parse_time(text, &ns) || ns + HOUR_NS >= p->o->now_ns - p->o->events_older_ns)
		return 0;
	if (cb_holds_on(&p->holds, camera, ns, ns + HOUR_NS)) {
		p->t->held++;
		return 0;
	}
	snprintf(path, sizeof(path), "cameras/%s/%s/%s", camera, day, hour);
	fd = cb_openat(dir, hour, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
		goto out;
	}
	/* whoever appends just now is let finish */
	while (!p->o->dry_run && flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			cb_err_sys(err, CB_E_IO, errno, "%s: lock", path);
			goto out;
		}
	if (say_deleted(p, camera, path, ns, ns + HOUR_NS, (uint64_t)st.st_size, "events", NULL, err) < 0)
		goto out;
	if (!p->o->dry_run) {
		if (cb_events_flush(p->events, err) < 0)
			goto out;
		if (unlinkat(dir, hour, 0) < 0) {
			cb_err_sys(err, cb_errc_write(errno), errno, "%s", path);
			goto out;
		}
	}
	p->t->files++;
	p->t->bytes += (uint64_t)st.st_size;
	ret = 0;
out:
	if (fd >= 0)
		close(fd);
	return ret;
}

static int delete_events(struct prune *p, const char *camera, struct cb_err *err)
{
	struct cb_names days = { 0 }, hours = { 0 };
	int ret = -1;

	if (cb_store_days(p->s, camera, INT64_MIN, p->o->now_ns - p->o->events_older_ns, &days, err) < 0)
		return -1;
	for (size_t d = 0; d < days.n && !cb_stop_wanted(); d++) {
		int dir = cb_day_open(p->s, camera, days.v[d], false, err), k = 0;

		if (dir < 0 || cb_names_read(dir, want_hour, NULL, &hours, err) < 0)
			k = -1;
		for (size_t h = 0; h < hours.n && k == 0 && !cb_stop_wanted(); h++)
			k = event_file(p, dir, camera, days.v[d], hours.v[h], err);
		if (k == 0 && !p->o->dry_run && hours.n && cb_fsync(dir) < 0)
			k = cb_err_sys(err, CB_E_IO, errno, "cameras/%s/%s: fsync", camera, days.v[d]);
		cb_names_release(&hours);
		if (dir >= 0)
			close(dir);
		if (k < 0 || (!p->o->dry_run && tidy_day(p, camera, days.v[d], err) < 0))
			goto out;
	}
	ret = 0;
out:
	cb_names_release(&days);
	return ret;
}

/* --- all of it ------------------------------------------------------------------------------------------------- */

int cb_prune(const struct cb_store *s, const struct cb_prune_opts *o, struct cb_prune_totals *ret,
	     struct cb_err *err)
{
	struct prune p = { .s = s, .o = o, .t = ret };
	struct cb_names cameras = { 0 };
	bool found = !o->camera;
	int lock = -1, r = -1;

	*ret = (struct cb_prune_totals){ 0 };
	if (cb_events_open(&p.events, s, false, err) < 0)
		return -1;
	if (!o->dry_run) {
		cb_ballast_lend(s);
		lock = cb_holds_lock(s, err);
		if (lock < 0)
			goto out;
	}
	if (cb_holds_read(s, &p.holds, err) < 0 || cb_store_cameras(s, &cameras, err) < 0)
		goto out;
	for (size_t i = 0; i < cameras.n; i++) {
		if (o->camera && strcmp(o->camera, cameras.v[i]) != 0)
			continue;
		found = true;
		if (collect(&p, cameras.v[i], err) < 0)
			goto out;
	}
	if (!found) {
		cb_err_set(err, CB_E_NOINPUT, "no camera %s in the store", o->camera);
		goto out;
	}
	if (p.n)
		qsort(p.v, p.n, sizeof(*p.v), by_age);
	if (choose(&p, err) < 0)
		goto out;
	for (size_t i = 0; i < cameras.n; i++) {
		if (o->camera && strcmp(o->camera, cameras.v[i]) != 0)
			continue;
		if (delete_camera(&p, cameras.v[i], err) < 0 ||
		    (o->events_older_ns && delete_events(&p, cameras.v[i], err) < 0))
			goto out;
	}
	if (say_end(&p, err) < 0 || (!o->dry_run && cb_events_flush(p.events, err) < 0))
		goto out;
	r = 0;
out:
	if (lock >= 0)
		close(lock);
	cb_holds_release(&p.holds);
	cb_names_release(&cameras);
	cb_events_free(p.events);
	cb_buf_release(&p.line);
	free(p.v);
	return r;
}
