/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store, and what lies where in it. */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "base/time.h"
#include "store/daykey.h"
#include "store/index.h"
#include "store/spans.h"

#define FORMAT "cb-store 1\n"

enum cb_errc cb_errc_write(int errnum)
{
	return errnum == EACCES || errnum == EPERM || errnum == EROFS ? CB_E_PERM : CB_E_IO;
}

static enum cb_errc create_code(int errnum)
{
	return errnum == EACCES || errnum == EPERM || errnum == EROFS ? CB_E_PERM :
	       errnum == ENOSPC || errnum == EDQUOT || errnum == EIO ? CB_E_IO : CB_E_CANTCREAT;
}

/* --- directories -------------------------------------------------------------------------------- */

int cb_dir_open(int at, const char *name, bool make, struct cb_err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = cb_openat(at, name, flags);

	if (fd < 0 && errno == ENOENT && make) {
		bool made = mkdirat(at, name, 0750) == 0;

		if (!made && errno != EEXIST)
			return cb_err_sys(err, create_code(errno), errno, "%s", name);
		if (cb_fsync(at) < 0) {
			cb_err_sys(err, CB_E_IO, errno, "%s: fsync", name);
			/* so that whoever tries again makes it again, and syncs that */
			if (made)
				unlinkat(at, name, AT_REMOVEDIR);
			return -1;
		}
		fd = cb_openat(at, name, flags);
	}
	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", name);
	return fd;
}

int cb_camera_open(const struct cb_store *s, const char *camera, bool make, struct cb_err *err)
{
	if (!cb_camera_name_ok(camera))
		return cb_err_set(err, CB_E_DATA, "not a camera name");
	if (s->cameras < 0 ||
	    (!make && faccessat(s->cameras, camera, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT))
		return cb_err_set(err, CB_E_NOINPUT, "no camera %s in the store", camera);
	return cb_dir_open(s->cameras, camera, make, err);
}

int cb_day_open(const struct cb_store *s, const char *camera, const char *day, bool make,
		struct cb_err *err)
{
	int fd = cb_camera_open(s, camera, make, err), ret;

	if (fd < 0)
		return -1;
	ret = cb_dir_open(fd, day, make, err);
	close(fd);
	return ret;
}

int cb_file_at(int dir, const char *name, size_t max, char **ret, size_t *ret_len, struct cb_err *err)
{
	int fd = cb_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	size_t len = 0;
	char *p = NULL;
	int r = -1;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", name);
	if (fstat(fd, &st) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "%s", name);
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max) {
		cb_err_set(err, CB_E_DATA, S_ISREG(st.st_mode) ? "%s: too large" :
			   "%s: not a regular file", name);
		goto out;
	}
	p = malloc((size_t)st.st_size + 1);
	if (!p) {
		cb_err_nomem(err);
		goto out;
	}
	while (len < (size_t)st.st_size) {
		ssize_t n = cb_pread(fd, p + len, (size_t)st.st_size - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			cb_err_sys(err, CB_E_IO, errno, "%s: read", name);
			goto out;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	p[len] = '\0';
	*ret = p;
	*ret_len = len;
	p = NULL;
	r = 0;
out:
	free(p);
	close(fd);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int cb_names_read(int dir, bool (*want)(const char *name, const void *ctx), const void *ctx,
		  struct cb_names *ret, struct cb_err *err)
{
	struct cb_names l = { 0 };
	int fd = cb_openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	void *p;

	if (!d) {
		cb_err_sys(err, CB_E_IO, errno, "readdir");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (!want(e->d_name, ctx))
			continue;
		if ((l.n & (l.n - 1)) == 0) {
			p = realloc(l.v, (l.n ? 2 * l.n : 1) * sizeof(*l.v));
			if (!p)
				goto nomem;
			l.v = p;
		}
		l.v[l.n] = strdup(e->d_name);
		if (!l.v[l.n])
			goto nomem;
		l.n++;
	}
	if (errno) {
		cb_err_sys(err, CB_E_IO, errno, "readdir");
		goto out;
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_name);
	*ret = l;
	l = (struct cb_names){ 0 };
	r = 0;
	goto out;
nomem:
	cb_err_nomem(err);
out:
	closedir(d);
	cb_names_release(&l);
	return r;
}

void cb_names_release(struct cb_names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct cb_names){ 0 };
}

/* --- the store ---------------------------------------------------------------------------------- */

static int check_format(int fd, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	char *text = NULL;
	size_t len;
	unsigned version;
	int ret = 0;

	if (cb_file_at(fd, "format", 4096, &text, &len, &why) < 0) {
		if (why.sys == ENOENT)
			return cb_err_set(err, CB_E_DATA, "not a store: it has no file \"format\"");
		if (err)
			*err = why;
		return -1;
	}
	if (strcmp(text, FORMAT) != 0) {
		if (sscanf(text, "cb-store %9u", &version) == 1 && version > CB_STORE_VERSION)
			ret = cb_err_set(err, CB_E_DATA,
					 "a store of version %u; this program knows version %d (its file \"format\")", version,
					 CB_STORE_VERSION);
		else
			ret = cb_err_set(err, CB_E_DATA, "not a store: its file \"format\" is not ours");
	}
	free(text);
	return ret;
}

static int take(struct cb_store *ret, int fd, bool make, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	int cameras = cb_dir_open(fd, "cameras", make, &why);

	if (cameras < 0 && why.sys != ENOENT) {
		if (err)
			*err = why;
		return -1;
	}
	*ret = (struct cb_store){ .fd = fd, .cameras = cameras };
	return 0;
}

int cb_store_open(struct cb_store *ret, const char *path, struct cb_err *err)
{
	int fd = cb_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	if (check_format(fd, err) < 0 || take(ret, fd, false, err) < 0) {
		cb_err_prefix(err, "%s", path);
		close(fd);
		return -1;
	}
	return 0;
}

static bool any(const char *name, const void *ctx)
{
	(void)ctx;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "lost+found") != 0 &&
	       strcmp(name, "keys") != 0;	/* whose recipients may be there before all else */
}

static int write_format(int fd, struct cb_err *err)
{
	int f = cb_openat(fd, "format.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int ret = -1;

	if (f < 0)
		return cb_err_sys(err, create_code(errno), errno, "format");
	if (cb_write_all(f, FORMAT, strlen(FORMAT), err) < 0)
		goto out;
	if (cb_fsync(f) < 0 || renameat(fd, "format.new", fd, "format") < 0 || cb_fsync(fd) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "format");
		goto out;
	}
	ret = 0;
out:
	if (close(f) < 0 && ret == 0)
		ret = cb_err_sys(err, CB_E_IO, errno, "format");
	if (ret < 0)
		unlinkat(fd, "format.new", 0);
	return ret;
}

/* The name of a new store, on the disk. Where the directory above may not be read, its owner sees to it. */
static int sync_name(int fd, struct cb_err *err)
{
	int up = cb_openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (up < 0)
		return errno == EACCES ? 0 : cb_err_sys(err, CB_E_IO, errno, "..");
	r = cb_fsync(up) < 0 ? cb_err_sys(err, CB_E_IO, errno, "fsync: ..") : 0;
	close(up);
	return r;
}

int cb_store_create(struct cb_store *ret, const char *path, struct cb_err *err)
{
	struct cb_names names = { 0 };
	int fd, r = -1;

	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return cb_err_sys(err, create_code(errno), errno, "%s", path);
	fd = cb_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cb_err_sys(err, errno == EACCES ? CB_E_PERM : CB_E_CANTCREAT, errno, "%s", path);
	/* the programs of one pipeline may all find nothing here at once */
	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	if (faccessat(fd, "format", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		if (cb_names_read(fd, any, NULL, &names, err) < 0)
			goto out;
		if (names.n > 1 || (names.n && strcmp(names.v[0], "format.new") != 0)) {
			cb_err_set(err, CB_E_DATA, "not a store, and not empty");
			goto out;
		}
		if (sync_name(fd, err) < 0 || write_format(fd, err) < 0)
			goto out;
	}
	if (check_format(fd, err) < 0)
		goto out;
	if (faccessat(fd, ".", W_OK, AT_EACCESS) < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "not writable");
		goto out;
	}
	r = take(ret, fd, true, err);
out:
	flock(fd, LOCK_UN);
	cb_names_release(&names);
	if (r < 0) {
		cb_err_prefix(err, "%s", path);
		close(fd);
	}
	return r;
}

void cb_store_close(struct cb_store *s)
{
	if (s->cameras >= 0)
		close(s->cameras);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = s->cameras = -1;
}

/* --- names ---------------------------------------------------------------------------------------- */

bool cb_day_name_ok(const char *s)
{
	for (int i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? s[i] != '-' : s[i] < '0' || s[i] > '9')
			return false;
	return !s[10];
}

bool cb_segment_name_ok(const char *s, const char *suffix)
{
	return strspn(s, "0123456789") >= 6 && s[6] == '-' &&
	       strspn(s + 7, "0123456789abcdef") >= 12 && strcmp(s + 19, suffix) == 0;
}

static bool want_camera(const char *name, const void *ctx)
{
	(void)ctx;
	return cb_camera_name_ok(name);
}

int cb_store_cameras(const struct cb_store *s, struct cb_names *ret, struct cb_err *err)
{
	*ret = (struct cb_names){ 0 };
	if (s->cameras < 0)
		return 0;
	return cb_names_read(s->cameras, want_camera, NULL, ret, err);
}

struct range { char from[11], to[11]; };

static bool want_day(const char *name, const void *ctx)
{
	const struct range *r = ctx;

	return cb_day_name_ok(name) && strcmp(name, r->from) >= 0 && strcmp(name, r->to) <= 0;
}

int cb_store_days(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		  struct cb_names *ret, struct cb_err *err)
{
	/* a segment lasts at most a day, and may have begun on the one before */
	const int64_t margin = 2 * CB_SEGMENT_NS_MAX;
	struct range r = { "0000-00-00", "9999-99-99" };
	int fd = cb_camera_open(s, camera, false, err), k;

	if (fd < 0)
		return -1;
	if (from_ns > INT64_MIN + margin)
		cb_time_format_day(r.from, from_ns - margin);
	if (to_ns < INT64_MAX - margin)
		cb_time_format_day(r.to, to_ns + margin);
	k = cb_names_read(fd, want_day, &r, ret, err);
	close(fd);
	return k;
}

const char *cb_segment_state_name(enum cb_segment_state s)
{
	return s == CB_SEGMENT_SEALED ? "sealed" : s == CB_SEGMENT_OPEN ? "open" : "damaged";
}

void cb_segment_path(char out[static CB_SEGMENT_PATH], const struct cb_segment *g)
{
	snprintf(out, CB_SEGMENT_PATH, "cameras/%s/%s/%s.mp4%s", g->camera, g->day, g->name,
		 g->state == CB_SEGMENT_OPEN ? ".part" : "");
}

/* --- segments --------------------------------------------------------------------------------------- */

static bool want_segment(const char *name, const void *ctx)
{
	(void)ctx;
	return cb_segment_name_ok(name, ".manifest") || cb_segment_name_ok(name, ".mp4") ||
	       cb_segment_name_ok(name, ".mp4.part") || cb_segment_name_ok(name, ".gone");
}

static void from_manifest(struct cb_segment *g, const struct cb_manifest *m)
{
	memcpy(g->recording, m->recording, sizeof(g->recording));
	g->index = m->index;
	g->start_ns = m->start_ns;
	g->recording_ns = m->recording_ns;
	g->end = m->end;
	memcpy(g->digest, m->digest, sizeof(g->digest));
	memcpy(g->key, m->key, sizeof(g->key));
}

/* Read head and tail; a manifest without an end line there is read whole. */
static void load(struct cb_segment *g, int dir, int fd, const struct stat *st)
{
	char name[64], head[CB_MANIFEST_LINE_MAX], tail[512], *text = NULL;
	struct cb_manifest m = { 0 };
	size_t len, want = sizeof(tail);
	ssize_t a, b;

	if ((uint64_t)st->st_size < want)
		want = (size_t)st->st_size;
	a = cb_pread(fd, head, sizeof(head), 0);
	b = cb_pread(fd, tail, want, st->st_size - (off_t)want);
	if (a > 0 && b == (ssize_t)want &&
	    cb_manifest_peek(&m, head, (size_t)a, tail, (size_t)b)) {
		from_manifest(g, &m);
	} else {
		snprintf(name, sizeof(name), "%s.manifest", g->name);
		if (cb_file_at(dir, name, CB_MANIFEST_MAX, &text, &len, NULL) < 0) {
			g->state = CB_SEGMENT_DAMAGED;
			return;
		}
		/* without lines an open one is being made, or was */
		if (cb_manifest_parse(&m, text, len, NULL) < 0 && (m.n || g->state != CB_SEGMENT_OPEN))
			g->state = CB_SEGMENT_DAMAGED;
		if (!m.ended && g->state == CB_SEGMENT_SEALED)
			g->state = CB_SEGMENT_DAMAGED;
		from_manifest(g, &m);
		free(text);
	}
	if (m.n && (strcmp(m.camera, g->camera) != 0 || strcmp(m.id, g->name + 7) != 0))
		g->state = CB_SEGMENT_DAMAGED;
	cb_manifest_release(&m);
}

/* A segment whose manifest says nothing still has a name with a time in it. */
static void time_from_name(struct cb_segment *g)
{
	char text[32];
	int64_t ns = 0;

	snprintf(text, sizeof(text), "%sT%.2s:%.2s:%.2sZ", g->day, g->name, g->name + 2, g->name + 4);
	cb_parse_time(text, &ns);
	if (!g->start_ns)
		g->start_ns = ns;
	if (!g->recording_ns)
		g->recording_ns = ns;
	if (!g->end.from_ns && !g->end.to_ns)
		g->end.from_ns = g->end.to_ns = g->start_ns;
}

static bool file_there(int dir, const char *name, const char *suffix)
{
	char file[64];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	return faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int load_day(const struct cb_store *s, const char *camera, const char *day,
		    const struct cb_index *index, struct cb_segments *l, struct cb_err *err)
{
	struct cb_names names = { 0 };
	int dir = cb_day_open(s, camera, day, false, err), ret = -1;

	if (dir < 0)
		return -1;
	if (cb_names_read(dir, want_segment, NULL, &names, err) < 0)
		goto out;
	for (size_t i = 0; i < names.n;) {
		struct cb_segment g = { .state = CB_SEGMENT_DAMAGED };
		bool mp4 = false, part = false, manifest = false, gone = false;
		char file[64];

		strcpy(g.camera, camera);
		strcpy(g.day, day);
		memcpy(g.name, names.v[i], CB_SEGMENT_NAME - 1);
		for (; i < names.n && strncmp(names.v[i], g.name, CB_SEGMENT_NAME - 1) == 0; i++) {
			const char *suffix = names.v[i] + CB_SEGMENT_NAME - 1;

			mp4 |= strcmp(suffix, ".mp4") == 0;
			part |= strcmp(suffix, ".mp4.part") == 0;
			manifest |= strcmp(suffix, ".manifest") == 0;
			gone |= strcmp(suffix, ".gone") == 0;
		}
		if (gone)	/* being deleted */
			continue;
		if (manifest) {
			struct stat st;
			int fd;

			snprintf(file, sizeof(file), "%s.manifest", g.name);
			fd = cb_openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
			if (fd < 0 || fstat(fd, &st) < 0)
				memset(&st, 0, sizeof(st));
			/* its file may have been made, or renamed, since the directory was read; a
			 * manifest has its first line after it has its file */
			if (!mp4 && !part) {
				part = file_there(dir, g.name, ".mp4.part");
				mp4 = file_there(dir, g.name, ".mp4");
			}
			if (mp4 || part)
				g.state = mp4 ? CB_SEGMENT_SEALED : CB_SEGMENT_OPEN;
			if (!S_ISREG(st.st_mode)) {
				g.state = CB_SEGMENT_DAMAGED;
			} else if (st.st_size == 0 && !mp4 && !part) {
				g.state = CB_SEGMENT_OPEN;	/* what a recorder makes first */
			} else if (!(g.state == CB_SEGMENT_SEALED && index &&
				     index->get(index, &g, &st))) {
				enum cb_segment_state was = g.state;

				load(&g, dir, fd, &st);
				if (was == CB_SEGMENT_DAMAGED)
					g.state = was;
			}
			if (fd >= 0)
				close(fd);
		}
		time_from_name(&g);
		if ((l->n & (l->n - 1)) == 0) {
			void *p = realloc(l->v, (l->n ? 2 * l->n : 1) * sizeof(*l->v));

			if (!p) {
				cb_err_nomem(err);
				goto out;
			}
			l->v = p;
		}
		l->v[l->n++] = g;
	}
	ret = 0;
out:
	cb_names_release(&names);
	close(dir);
	return ret;
}

/* Recordings by their start, segments of one by their number. */
static int by_order(const void *pa, const void *pb)
{
	const struct cb_segment *a = pa, *b = pb;
	int k;

	if (a->recording_ns != b->recording_ns)
		return a->recording_ns < b->recording_ns ? -1 : 1;
	k = strcmp(a->recording, b->recording);
	if (k)
		return k;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	k = strcmp(a->day, b->day);
	return k ? k : strcmp(a->name, b->name);
}

int cb_store_segments(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		      const struct cb_index *index, struct cb_segments *ret, struct cb_err *err)
{
	struct cb_segments l = { 0 };
	struct cb_names days = { 0 };
	size_t k = 0;
	int r = -1;

	if (cb_store_days(s, camera, from_ns, to_ns, &days, err) < 0)
		return -1;
	for (size_t i = 0; i < days.n; i++)
		if (load_day(s, camera, days.v[i], index, &l, err) < 0)
			goto out;
	for (size_t i = 0; i < l.n; i++)
		if ((l.v[i].end.to_ns > from_ns || l.v[i].end.from_ns >= from_ns) &&
		    l.v[i].end.from_ns < to_ns)
			l.v[k++] = l.v[i];
	l.n = k;
	if (k)
		qsort(l.v, k, sizeof(*l.v), by_order);
	*ret = l;
	l = (struct cb_segments){ 0 };
	r = 0;
out:
	cb_names_release(&days);
	cb_segments_release(&l);
	return r;
}

void cb_segments_release(struct cb_segments *l)
{
	free(l->v);
	*l = (struct cb_segments){ 0 };
}

/* --- holes ------------------------------------------------------------------------------------------ */

bool cb_segment_hole(const struct cb_segment *a, const struct cb_segment *b, struct cb_hole *ret)
{
	bool same = a && strcmp(a->recording, b->recording) == 0;
	struct cb_hole h = { .reason = CB_GAP_STORE };

	if (same && b->index == a->index + 1)
		return false;
	if (!a) {
		if (!b->index)
			return false;
		h.from_ns = b->recording_ns;
	} else {
		h.from_ns = a->end.to_ns;
	}
	h.to_ns = b->end.from_ns;
	if (same || (a && b->index) || !a) {
		snprintf(h.text, sizeof(h.text), "segments of the recording are missing");
	} else if (strcmp(a->end.reason, "recovered") == 0) {
		h.reason = CB_GAP_CUT;
		h.bytes = a->end.lost;
		snprintf(h.text, sizeof(h.text), "the recorder died");
	} else {
		snprintf(h.text, sizeof(h.text), "nothing was recorded");
	}
	if (h.to_ns < h.from_ns)	/* recordings that overlap: a seam, and no time without footage */
		h.to_ns = h.from_ns;
	*ret = h;
	return true;
}

static int manifest_holes(const struct cb_store *s, const struct cb_segment *g, int64_t from_ns,
			  int64_t to_ns, cb_hole_fn *fn, void *ctx, struct cb_err *err)
{
	int dir = cb_day_open(s, g->camera, g->day, false, err), ret = 0;
	struct cb_manifest m = { 0 };
	char name[64], *text = NULL;
	size_t len;

	if (dir < 0)
		return -1;
	snprintf(name, sizeof(name), "%s.manifest", g->name);
	if (cb_file_at(dir, name, CB_MANIFEST_MAX, &text, &len, NULL) == 0)
		cb_manifest_parse(&m, text, len, NULL);
	for (size_t i = 0; i < m.n_gaps && ret == 0; i++) {
		const struct cb_gap *p = &m.gap[i].g;
		struct cb_hole h = { .reason = p->reason, .from_ns = p->from_ns, .to_ns = p->to_ns,
				     .packets = p->packets, .bytes = p->bytes };

		if (!h.from_ns)		/* unknown there: after the fragment before it */
			h.from_ns = m.frag[m.gap[i].after].wall_to_ns;
		if (!h.to_ns)
			h.to_ns = m.gap[i].after + 1u < m.n ? m.frag[m.gap[i].after + 1].wall_ns : h.from_ns;
		memcpy(h.text, p->text, sizeof(h.text));
		if (h.to_ns >= from_ns && h.from_ns < to_ns)
			ret = fn(ctx, g->camera, &h, err);
	}
	cb_manifest_release(&m);
	free(text);
	close(dir);
	return ret;
}

int cb_store_holes(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		   const struct cb_index *index, cb_hole_fn *fn, void *ctx, struct cb_err *err)
{
	struct cb_segments l = { 0 };
	struct cb_spans pruned = { 0 };
	char key[CB_DAY_KEY_NAME] = "";
	bool destroyed = false;
	struct cb_hole h;
	int ret = -1;

	/* all of them: a hole lies between two segments that both lie outside the range */
	if (cb_store_segments(s, camera, INT64_MIN, INT64_MAX, index, &l, err) < 0)
		return -1;
	if (cb_pruned_read(s, camera, &pruned, err) < 0)
		goto out;
	for (size_t i = 0; i < l.n; i++) {
		const struct cb_segment *g = &l.v[i];

		if (cb_segment_hole(i ? g - 1 : NULL, g, &h) && h.to_ns >= from_ns &&
		    h.from_ns < to_ns && (h.to_ns > h.from_ns || h.reason != CB_GAP_STORE)) {
			if (h.reason == CB_GAP_STORE && cb_spans_touch(&pruned, camera, h.from_ns, h.to_ns))
				snprintf(h.text, sizeof(h.text), "deleted by retention");
			if (fn(ctx, camera, &h, err) < 0)
				goto out;
		}
		if (*g->key && strcmp(g->key, key) != 0) {
			memcpy(key, g->key, sizeof(key));
			destroyed = cb_day_key_state(s, camera, key) == CB_DAY_KEY_DESTROYED;
		}
		if (*g->key && destroyed) {
			h = (struct cb_hole){ .reason = CB_GAP_STORE, .from_ns = g->end.from_ns,
					      .to_ns = g->end.to_ns, .packets = g->end.packets, .bytes = g->end.bytes };
			snprintf(h.text, sizeof(h.text), "encrypted, and its key was destroyed");
			if (h.to_ns >= from_ns && h.from_ns < to_ns && fn(ctx, camera, &h, err) < 0)
				goto out;
		}
		if (g->end.gaps && manifest_holes(s, g, from_ns, to_ns, fn, ctx, err) < 0)
			goto out;
		if (g->state != CB_SEGMENT_DAMAGED)
			continue;
		h = (struct cb_hole){ .reason = CB_GAP_DAMAGE, .from_ns = g->end.from_ns,
				      .to_ns = g->end.to_ns };
		snprintf(h.text, sizeof(h.text), "segment %s is damaged", g->name);
		if (h.to_ns >= from_ns && h.from_ns < to_ns && fn(ctx, camera, &h, err) < 0)
			goto out;
	}
	ret = 0;
out:
	cb_spans_release(&pruned);
	cb_segments_release(&l);
	return ret;
}
