/* SPDX-License-Identifier: Apache-2.0 */
/* Stores: every segment against its manifest, every manifest against a log. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "store/daykey.h"
#include "store/store.h"
#include "verify/segment.h"
#include "verify/verify.h"
#include "wire/event.h"

/* What a log is asked about. */
struct asked {
	uint8_t digest[CB_SHA256_LEN];
	uint32_t camera, segment;	/* in run.list */
	bool found, signed_;
	bool nameless;		/* complete, and not yet named so: need not be there */
};

/* A segment that the log has and the store has not: until the log says that it was deleted. So
 * there are never more of them than the store once held, and those that are missing. */
struct gone {
	struct gone *next;
	uint8_t digest[CB_SHA256_LEN];
	int64_t from_us, to_us;
	char camera[CB_NAME_MAX + 1], path[CB_SEGMENT_PATH];
};
#define GONE_BITS 14
#define GONE_TOLD 100		/* of them one by one */

struct run {
	const struct cb_verify *v;
	struct cb_verified *r;
	const struct cb_store *s;
	struct cb_names cameras;
	struct cb_segments *list;	/* one a camera */
	struct asked *ask;
	size_t asks;
	struct cb_json *json;
	struct gone **gone;		/* 2^GONE_BITS lists, by digest */
	uint64_t missing, deleted;	/* deleted: by the log's own word */
	int64_t deleted_from_us, deleted_to_us;
	bool unused;			/* it has a log, and nobody said whom to believe */
	char key[CB_DAY_KEY_NAME];	/* of the encrypted segments looked at last */
	uint64_t next;			/* entry of the log */
	uint64_t listed_at;		/* entries of the log before the store was listed */
};

/* --- one segment --------------------------------------------------------------------------------- */

struct at { struct run *x; const struct cb_segment *g; const char *path; };

static int segment_found(void *ctx, struct cb_finding *f, const char *text, struct cb_err *err)
{
	const struct at *a = ctx;

	f->camera = a->g->camera;
	if (!f->path)
		f->path = a->path;
	if (f->from_ns == INT64_MIN) {
		f->from_ns = a->g->end.from_ns;
		f->to_ns = a->g->end.to_ns;
	}
	return cb_verify_found(a->x->v, a->x->r, f, err, "%s", text);
}

static int open_at(int dir, const char *name, const char *suffix)
{
	char file[64];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	return openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

static int one_segment(struct run *x, struct cb_segment *g, struct cb_err *err)
{
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_verify_segment vs = { .sealed = true };
	char path[CB_SEGMENT_PATH], manifest[CB_SEGMENT_PATH], name[64], *text = NULL;
	struct at at = { x, g, path };
	int dir, fd = -1, ret = -1;
	bool link;
	size_t len;

	cb_segment_path(path, g);
	snprintf(manifest, sizeof(manifest), "cameras/%s/%s/%s.manifest", g->camera, g->day, g->name);
	snprintf(name, sizeof(name), "%s.manifest", g->name);
	x->r->segments++;
	dir = cb_day_open(x->s, g->camera, g->day, false, err);
	if (dir < 0)
		return -1;
	f.kind = CB_FOUND_FALSE;
	/* the file before its manifest: whoever seals a segment closes its manifest first */
	fd = open_at(dir, g->name, ".mp4");
	if (fd < 0 && errno == ENOENT) {
		fd = open_at(dir, g->name, ".mp4.part");
		if (fd < 0 && errno == ENOENT)	/* sealed meanwhile */
			fd = open_at(dir, g->name, ".mp4");
		else
			vs.sealed = false;
	}
	if (fd < 0 && errno != ENOENT && errno != ELOOP) {
		cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
		goto out;
	}
	link = fd < 0 && errno == ELOOP;
	if (cb_file_at(dir, name, CB_MANIFEST_MAX, &text, &len, &why) < 0) {
		if (why.code != CB_E_NOINPUT && why.code != CB_E_DATA) {
			*err = why;
			goto out;
		}
		if (fd < 0 && !link && why.sys == ENOENT) {	/* both gone since the store was listed */
			x->r->segments--;
			g->state = CB_SEGMENT_DAMAGED;
			ret = 0;
			goto out;
		}
		f.code = "manifest-missing";
		f.path = manifest;
		ret = segment_found(&at, &f, why.msg, err);
		goto out;
	}
	if (fd < 0) {
		f.code = "segment-missing";
		ret = segment_found(&at, &f, link ? "the segment's file is a symbolic link" :
				    "the segment's file is missing, its manifest is there", err);
		goto out;
	}
	vs.camera = g->camera;
	vs.id = g->name + 7;
	vs.path = path;
	vs.manifest_path = manifest;
	vs.found = segment_found;
	vs.ctx = &at;
	ret = cb_verify_segment(&vs, text, len, fd, err);
	memcpy(g->digest, vs.digest, sizeof(g->digest));
	/* what the log is asked about is what was read, not what the list of segments said */
	g->state = !vs.sealed ? CB_SEGMENT_OPEN : vs.ended ? CB_SEGMENT_SEALED : CB_SEGMENT_DAMAGED;
	snprintf(g->end.reason, sizeof(g->end.reason), "%s", vs.ended ? "ended" : "");
	x->r->open += !vs.sealed;
	x->r->fragments += vs.fragments;
	x->r->bytes += vs.bytes + len;
	x->r->files += 2;
out:
	if (fd >= 0)
		close(fd);
	close(dir);
	free(text);
	return ret;
}

/* Between two segments of one recording none may be missing. */
static int sequence(struct run *x, const struct cb_segment *a, const struct cb_segment *b, struct cb_err *err)
{
	struct cb_finding f = CB_FINDING_NONE;
	char path[CB_SEGMENT_PATH];

	if (!a || strcmp(a->recording, b->recording) != 0 || !*b->recording || b->index == a->index + 1)
		return 0;
	cb_segment_path(path, b);
	f.kind = CB_FOUND_FALSE;
	f.code = b->index > a->index ? "segment-missing" : "segment-repeated";
	f.camera = b->camera;
	f.path = path;
	f.from_ns = a->end.to_ns;
	f.to_ns = b->end.from_ns;
	return b->index > a->index ?
	       cb_verify_found(x->v, x->r, &f, err, "segments %" PRIu32 " to %" PRIu32 " of recording %s are missing",
			       a->index + 1, b->index - 1, b->recording) :
	       cb_verify_found(x->v, x->r, &f, err, "recording %s has its segment %" PRIu32 " twice", b->recording,
			       b->index);
}

/* --- the log ------------------------------------------------------------------------------------- */

static int by_digest(const void *a, const void *b)
{
	return memcmp(a, b, CB_SHA256_LEN);
}

static int take_down(struct run *x, struct cb_err *err)
{
	size_t n = 0;

	for (size_t c = 0; c < x->cameras.n; c++)
		n += x->list[c].n;
	x->ask = calloc(n ? n : 1, sizeof(*x->ask));
	if (!x->ask)
		return cb_err_nomem(err);
	for (uint32_t c = 0; c < x->cameras.n; c++)
		for (uint32_t i = 0; i < x->list[c].n; i++)
			/* one that lacks only its name may be in the log already */
			if (x->list[c].v[i].state == CB_SEGMENT_SEALED ||
			    (x->list[c].v[i].state == CB_SEGMENT_OPEN && *x->list[c].v[i].end.reason)) {
				struct asked *a = &x->ask[x->asks++];

				memcpy(a->digest, x->list[c].v[i].digest, sizeof(a->digest));
				a->nameless = x->list[c].v[i].state == CB_SEGMENT_OPEN;
				a->camera = c;
				a->segment = i;
			}
	qsort(x->ask, x->asks, sizeof(*x->ask), by_digest);
	return 0;
}

static int64_t number(const struct cb_json *j, uint32_t data, const char *key)
{
	uint32_t t = cb_json_get(j, data, key);
	int64_t v = 0;

	return t != CB_JSON_NONE && cb_json_i64(j, t, &v) ? v : 0;
}

static struct gone **gone_at(struct run *x, const uint8_t digest[static CB_SHA256_LEN])
{
	struct gone **g = &x->gone[(digest[0] | (unsigned)digest[1] << 8) & ((1u << GONE_BITS) - 1)];

	while (*g && memcmp((*g)->digest, digest, CB_SHA256_LEN) != 0)
		g = &(*g)->next;
	return g;
}

static int remember(struct run *x, const struct gone *is, struct cb_err *err)
{
	struct gone **g = gone_at(x, is->digest);

	if (*g)		/* logged once more */
		return 0;
	*g = malloc(sizeof(**g));
	if (!*g)
		return cb_err_nomem(err);
	**g = *is;
	(*g)->next = NULL;
	x->missing++;
	return 0;
}

static void forget(struct run *x, const uint8_t digest[static CB_SHA256_LEN])
{
	struct gone **g = gone_at(x, digest), *is = *g;

	if (!is)
		return;
	if (!x->deleted++ || is->from_us < x->deleted_from_us)
		x->deleted_from_us = is->from_us;
	if (is->to_us > x->deleted_to_us)
		x->deleted_to_us = is->to_us;
	*g = is->next;
	free(is);
	x->missing--;
}

static void text(const struct cb_json *j, uint32_t of, const char *key, char *out, size_t cap)
{
	uint32_t t = cb_json_get(j, of, key);

	if (t == CB_JSON_NONE || cb_json_str(j, t, out, cap) < 0)
		*out = '\0';
}

static int on_entry(void *ctx, uint64_t index, const uint8_t *entry, size_t n, bool signed_, struct cb_err *err)
{
	struct run *x = ctx;
	static const uint8_t nothing[CB_SHA256_LEN];	/* recovery kept not one fragment: there is no segment */
	struct gone g = { .next = NULL };
	char hex[CB_SHA256_HEX];
	struct asked *a;
	uint32_t data, t;
	bool closed;

	x->next = index + 1;
	if (!memmem(entry, n, "manifest_sha256", 15) || cb_json_parse(x->json, (const char *)entry, n, NULL) < 0)
		return 0;
	t = cb_json_get(x->json, 0, "type");
	data = cb_json_get(x->json, 0, "data");
	if (t == CB_JSON_NONE || data == CB_JSON_NONE)
		return 0;
	/* one that a recorder left open is closed by recovery, which has an event of its own */
	closed = cb_json_eq(x->json, t, "cb.segment.closed") || cb_json_eq(x->json, t, "cb.recording.recovered");
	if (!closed && !cb_json_eq(x->json, t, "cb.retention.deleted"))
		return 0;
	text(x->json, data, "manifest_sha256", hex, sizeof(hex));
	text(x->json, 0, "subject", g.camera, sizeof(g.camera));
	if (strlen(hex) != 64 || !cb_unhex(g.digest, sizeof(g.digest), hex) ||
	    memcmp(g.digest, nothing, sizeof(nothing)) == 0 || (x->v->camera && strcmp(g.camera, x->v->camera) != 0))
		return 0;
	if (!closed) {
		forget(x, g.digest);
		return 0;
	}
	a = bsearch(g.digest, x->ask, x->asks, sizeof(*a), by_digest);
	if (!a && index >= x->listed_at)	/* recorded since the store was listed */
		return 0;
	if (a) {
		a->found = true;
		a->signed_ |= signed_;
		return 0;
	}
	text(x->json, data, "segment", g.path, sizeof(g.path));
	g.from_us = number(x->json, data, "from_us");
	g.to_us = number(x->json, data, "to_us");
	return remember(x, &g, err);
}

/* What the log has, the store has not, and nobody says was deleted. */
static int tell_missing(struct run *x, struct cb_err *err)
{
	struct cb_finding f = CB_FINDING_NONE;
	uint64_t told = 0;

	/* whoever deletes can append that he did: it is true, and to be known */
	if (x->deleted) {
		f.code = "segment-deleted";
		f.from_ns = x->deleted_from_us * 1000;
		f.to_ns = x->deleted_to_us * 1000;
		if (cb_verify_found(x->v, x->r, &f, err, "%" PRIu64 " segment%s of this time %s deleted, says the log", x->deleted,
				    x->deleted == 1 ? "" : "s", x->deleted == 1 ? "was" : "were") < 0)
			return -1;
		f.from_ns = f.to_ns = INT64_MIN;
	}
	f.kind = x->v->partial ? CB_FOUND_NOTE : CB_FOUND_FALSE;
	f.code = "segment-missing";
	for (size_t i = 0; i < (size_t)1 << GONE_BITS && told < GONE_TOLD; i++)
		for (const struct gone *g = x->gone[i]; g && told < GONE_TOLD && !x->v->partial; g = g->next) {
			told++;
			f.path = *g->path ? g->path : NULL;
			f.camera = g->camera;
			f.from_ns = g->from_us * 1000;
			f.to_ns = g->to_us * 1000;
			if (cb_verify_found(x->v, x->r, &f, err, "a segment of the log is not in the store, and no entry says "
					    "that it was deleted") < 0)
				return -1;
		}
	if (x->missing == told)
		return 0;
	f.path = NULL;
	f.camera = NULL;
	f.from_ns = f.to_ns = INT64_MIN;
	return cb_verify_found(x->v, x->r, &f, err, told ? "and %" PRIu64 " segments more of the log are not in the store" :
			       "%" PRIu64 " segments of the log are not in the store", x->missing - told);
}

/* A recorder closes a segment, then enters it in the log: where a few are not in it, and somebody
 * appends to it, wait for a moment. */
static int just_closed(struct run *x, const char *dir, struct cb_err *err)
{
	const struct timespec pause = { 0, 100 * 1000 * 1000 };
	struct cb_tiles *t = NULL;
	uint64_t from, to;
	const uint8_t *entry;
	size_t n, absent;
	int ret = 0;

	for (int i = 0; i < 10 && ret == 0; i++) {
		absent = 0;
		for (size_t k = 0; k < x->asks; k++)
			absent += !x->ask[k].found && !x->ask[k].nameless;
		if (!absent || absent > 16 || cb_tiles_open(&t, dir, NULL) < 0)
			break;
		cb_tiles_journal(t, &from, &to);
		while (ret == 0 && x->next < to && cb_tiles_entry(t, x->next, &entry, &n, NULL) == 0)
			ret = on_entry(x, x->next, entry, n, false, err);
		cb_tiles_close(t);
		if (!to)
			break;
		nanosleep(&pause, NULL);
	}
	return ret;
}

static int against_log(struct run *x, const char *dir, struct cb_err *err)
{
	struct cb_verify_log_run log = { .v = x->v, .r = x->r, .prefix = "log:", .entry = on_entry, .ctx = x };
	struct cb_finding f = CB_FINDING_NONE;
	char path[CB_SEGMENT_PATH];

	x->gone = calloc((size_t)1 << GONE_BITS, sizeof(struct gone *));
	if (!x->gone)
		return cb_err_nomem(err);
	if (take_down(x, err) < 0)
		return -1;
	if (cb_verify_log_run(&log, dir, err) < 0)
		return cb_err_prefix(err, "%s", dir);
	if (just_closed(x, dir, err) < 0)
		return -1;
	for (size_t i = 0; i < x->asks; i++) {
		const struct asked *a = &x->ask[i];
		const struct cb_segment *g = &x->list[a->camera].v[a->segment];

		x->r->logged += a->found && !a->nameless;
		if (a->found || a->nameless)
			continue;
		f = (struct cb_finding)CB_FINDING_NONE;
		f.kind = CB_FOUND_FALSE;
		f.code = "segment-unlogged";
		cb_segment_path(path, g);
		f.path = path;
		f.camera = g->camera;
		f.from_ns = g->end.from_ns;
		f.to_ns = g->end.to_ns;
		if (cb_verify_found(x->v, x->r, &f, err, "the log does not have this segment's manifest") < 0)
			return -1;
	}
	return tell_missing(x, err);
}

/* The log to ask: the one given, or STORE/log, where the store's own tools keep one and a key for it
 * was given. False: none. */
static bool which_log(struct run *x, const char *store, char *dir, size_t cap)
{
	bool own = faccessat(x->s->fd, "log/enrolment", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
		   faccessat(x->s->fd, "log/checkpoint", F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	if (x->v->log)
		return (size_t)snprintf(dir, cap, "%s", x->v->log) < cap;
	x->unused = own && !x->v->trust->policy;
	return own && !x->unused && (size_t)snprintf(dir, cap, "%s/log", store) < cap;
}

/* How many entries it has now. */
static uint64_t log_size(const char *dir)
{
	struct cb_tiles *t = NULL;
	uint64_t n;

	if (cb_tiles_open(&t, dir, NULL) < 0)
		return UINT64_MAX;
	n = cb_tiles_size(t);
	cb_tiles_close(t);
	return n;
}

static int say_unused(struct run *x, struct cb_err *err)
{
	struct cb_finding f = CB_FINDING_NONE;

	f.code = "log-unused";
	f.path = "log";
	return cb_verify_found(x->v, x->r, &f, err, "the store has a log, and no key was given to believe it with");
}

/* --- all of it ----------------------------------------------------------------------------------- */

/* The key of encrypted segments is not needed here; whether it is still there is worth knowing,
 * once a key. */
static int key_of(struct run *x, const struct cb_segment *g, struct cb_err *err)
{
	enum cb_day_key_state st;
	struct cb_finding f = CB_FINDING_NONE;
	char path[CB_SEGMENT_PATH];

	if (!*g->key || strcmp(g->key, x->key) == 0)
		return 0;
	memcpy(x->key, g->key, sizeof(x->key));
	st = cb_day_key_state(x->s, g->camera, g->key);
	if (st == CB_DAY_KEY_THERE)
		return 0;
	snprintf(path, sizeof(path), "keys/cameras/%s/%s.%s", g->camera, g->key,
		 st == CB_DAY_KEY_DESTROYED ? "destroyed" : "age");
	f.code = st == CB_DAY_KEY_DESTROYED ? "key-destroyed" : "key-missing";
	f.path = path;
	f.camera = g->camera;
	return cb_verify_found(x->v, x->r, &f, err, st == CB_DAY_KEY_DESTROYED ?
			       "the key of this day was destroyed: its footage verifies, and cannot be seen any more" :
			       "the key of encrypted footage is not here");
}

static int camera(struct run *x, size_t c, struct cb_err *err)
{
	struct cb_segments *l = &x->list[c];

	if (cb_store_segments(x->s, x->cameras.v[c], INT64_MIN, INT64_MAX, NULL, l, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		if (cb_stop_wanted())
			return cb_err_set(err, CB_E_TEMP, "stopped");
		if (sequence(x, i ? &l->v[i - 1] : NULL, &l->v[i], err) < 0 || key_of(x, &l->v[i], err) < 0 || one_segment(x, &l->v[i], err) < 0)
			return -1;
	}
	return 0;
}

int cb_verify_store(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err)
{
	struct run x = { .v = v, .r = ret };
	struct cb_store s = { -1, -1 };
	char log[4200];
	uint64_t seen = 0;
	bool logged;
	int k = -1;

	if (cb_store_open(&s, path, err) < 0)
		return -1;
	x.s = &s;
	logged = which_log(&x, path, log, sizeof(log));
	if (logged)
		x.listed_at = log_size(log);
	if (cb_store_cameras(&s, &x.cameras, err) < 0)
		goto out;
	x.list = calloc(x.cameras.n ? x.cameras.n : 1, sizeof(*x.list));
	x.json = malloc(sizeof(*x.json));
	if (!x.list || !x.json) {
		cb_err_nomem(err);
		goto out;
	}
	for (size_t c = 0; c < x.cameras.n; c++) {
		if (v->camera && strcmp(v->camera, x.cameras.v[c]) != 0)
			continue;
		seen++;
		if (camera(&x, c, err) < 0)
			goto out;
	}
	if (v->camera && !seen) {
		cb_err_set(err, CB_E_NOINPUT, "no camera %s in the store", v->camera);
		goto out;
	}
	k = logged ? against_log(&x, log, err) : x.unused ? say_unused(&x, err) : 0;
out:
	for (size_t c = 0; x.list && c < x.cameras.n; c++)
		cb_segments_release(&x.list[c]);
	for (size_t i = 0; x.gone && i < (size_t)1 << GONE_BITS; i++)
		while (x.gone[i])
			forget(&x, x.gone[i]->digest);
	free(x.gone);
	free(x.list);
	free(x.ask);
	free(x.json);
	cb_names_release(&x.cameras);
	cb_store_close(&s);
	return k;
}
