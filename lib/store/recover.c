/* SPDX-License-Identifier: Apache-2.0 */
/* What a killed recorder left: keep the longest prefix whose hashes match, say what is lost. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "store/recorder.h"
#include "store/segment.h"

static int open_both(int dir, const char *name, const char *suffix, struct cb_err *err)
{
	char file[64];
	int fd;

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	fd = cb_openat(dir, file, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	/* sealing may have been cut short after it was made read-only */
	if (fd < 0 && errno == EACCES && fchmodat(dir, file, 0640, 0) == 0)
		fd = cb_openat(dir, file, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, "%s", file);
	return fd;
}

/* Rename to "TO", or where that is taken "TO.1" and so on: an earlier recording of the same
 * footage has the same name, and may have ended the same way. */
static int rename_free(int dir, const char *from, const char *to, struct cb_err *err)
{
	char name[80];

	for (int i = 0; i < 1000; i++) {
		if (i)
			snprintf(name, sizeof(name), "%s.%d", to, i);
		else
			snprintf(name, sizeof(name), "%s", to);
		if (cb_rename_new(dir, from, name) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return cb_err_sys(err, cb_errc_write(errno), errno, "%s", from);
}

/* Is there such a file? -1 with errno where that cannot be told: then nothing may be done by it. */
static int there(int dir, const char *file)
{
	return faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 1 : errno == ENOENT ? 0 : -1;
}

/* Nothing of it is vouched for: take it out of the way without destroying it. */
static int set_aside(int dir, const char *name, bool manifest, struct cb_err *err)
{
	char from[64], to[64];
	struct stat st;

	for (int i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s%s", name, i ? ".manifest" : ".mp4.part");
		snprintf(to, sizeof(to), "%s%s", name, i ? ".manifest.broken" : ".mp4.broken");
		if (i && !manifest)
			continue;
		if (fstatat(dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return cb_err_sys(err, CB_E_IO, errno, "%s", from);
		}
		if (st.st_size == 0) {
			if (unlinkat(dir, from, 0) < 0)
				return cb_err_sys(err, cb_errc_write(errno), errno, "%s", from);
		} else if (rename_free(dir, from, to, err) < 0) {
			return -1;
		}
	}
	if (cb_fsync(dir) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "fsync");
	return 0;
}

/* The first line whose bytes are not there or not right, in *ret. -1: they could not be read. */
static int first_bad(struct cb_segment_reader *r, size_t *ret, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	const uint8_t *p;
	size_t len, i;

	for (i = 0; i < r->m.n; i++)
		if (cb_segment_reader_stored(r, i, &p, &len, &why) < 0)
			break;
	*ret = i;
	if (i < r->m.n && why.code != CB_E_DATA) {
		*err = why;
		return -1;
	}
	return 0;
}

/* Bytes of the manifest's text up to and including the line of fragment `last` and the gaps
 * that follow it. */
static size_t text_until(const char *text, size_t len, size_t good, size_t last)
{
	size_t pos = 0, keep = 0, line = 0;

	(void)len;
	while (pos < good) {
		const char *lf = memchr(text + pos, '\n', good - pos);
		size_t next = lf ? (size_t)(lf - text) + 1 : good;
		unsigned long n;

		if (line++ < 7 || strncmp(text + pos, "stream ", 7) == 0 || strncmp(text + pos, "key ", 4) == 0) {
			pos = keep = next;
			continue;
		}
		if (strncmp(text + pos, "gap ", 4) == 0)
			n = strtoul(text + pos + 4, NULL, 10);
		else if (text[pos] >= '0' && text[pos] <= '9')
			n = strtoul(text + pos, NULL, 10);
		else
			break;
		if (n > last)
			break;
		pos = keep = next;
	}
	return keep;
}

typedef int recovered_fn(void *ctx, const struct cb_recovered *k, struct cb_err *err);

static int recover_one(const struct cb_store *s, const char *camera, const char *day, int dir,
		       const char *name, struct cb_recovered *k, recovered_fn *fn, void *ctx, struct cb_err *err)
{
	struct cb_segment *g = &k->segment;
	struct cb_segment_reader r = { .mp4 = -1 };
	struct cb_sha256 h;
	struct cb_buf line = { 0 };
	char file[64], *text = NULL;
	int mp4 = -1, manifest = -1, ret = -1;
	struct cb_err why = CB_ERR_INIT;
	struct stat st;
	size_t len, good, keep;
	uint64_t end;

	memset(k, 0, sizeof(*k));
	strcpy(g->camera, camera);
	strcpy(g->day, day);
	memcpy(g->name, name, CB_SEGMENT_NAME - 1);
	g->state = CB_SEGMENT_OPEN;
	snprintf(file, sizeof(file), "%s.mp4.part", g->name);
	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s", file);
	if (!S_ISREG(st.st_mode))
		return cb_err_set(err, CB_E_DATA, "%s: not a regular file", file);
	snprintf(file, sizeof(file), "%s.mp4", g->name);
	switch (there(dir, file)) {
	case -1:
		cb_err_sys(err, CB_E_IO, errno, "%s", file);
		goto unread;
	case 1:
		/* both names: a seal by link was cut short, or somebody's copy */
		snprintf(file, sizeof(file), "%s.mp4.part", g->name);
		g->state = CB_SEGMENT_SEALED;
		k->lost_bytes = 0;
		if (st.st_nlink > 1 && unlinkat(dir, file, 0) == 0)
			return 0;
		return set_aside(dir, g->name, false, err);
	}
	k->lost_bytes = (uint64_t)st.st_size;
	/* what cannot be read just now may be good */
	good = 0;
	if (cb_segment_reader_open(&r, s, g, &why) < 0) {
		if (why.code != CB_E_DATA && why.code != CB_E_NOINPUT) {
			*err = why;
			goto unread;
		}
	} else if (first_bad(&r, &good, err) < 0) {
		goto unread;
	}
	if (good < 2) {
		k->lost_fragments = r.m.n > 1 ? (uint32_t)r.m.n - 1 : 0;
		g->end.from_ns = g->end.to_ns = r.m.start_ns;
		strcpy(g->end.reason, "recovered");
		g->state = CB_SEGMENT_DAMAGED;
		ret = set_aside(dir, g->name, true, err);
		goto out;
	}
	end = r.m.frag[good - 1].offset + r.m.frag[good - 1].length;
	k->lost_bytes -= end;
	k->lost_fragments = (uint32_t)(r.m.n - good);
	snprintf(file, sizeof(file), "%s.manifest", g->name);
	mp4 = open_both(dir, g->name, ".mp4.part", err);
	manifest = mp4 < 0 ? -1 : open_both(dir, g->name, ".manifest", err);
	if (manifest < 0 || cb_file_at(dir, file, CB_MANIFEST_MAX, &text, &len, err) < 0)
		goto out;
	g->index = r.m.index;
	g->start_ns = r.m.start_ns;
	g->recording_ns = r.m.recording_ns;
	memcpy(g->recording, r.m.recording, sizeof(g->recording));
	if (r.m.ended && r.m.digest_ok && good == r.m.n && !k->lost_bytes) {
		/* only the seal was missing */
		g->end = r.m.end;
		memcpy(g->digest, r.m.digest, sizeof(g->digest));
	} else {
		struct cb_manifest_end *e = &g->end;

		keep = text_until(text, len, r.m.good, good - 1);
		strcpy(e->reason, "recovered");
		e->from_ns = e->to_ns = r.m.start_ns;
		e->bytes = end;
		e->lost = k->lost_bytes;
		for (size_t i = 1; i < good; i++) {
			const struct cb_fragment *f = &r.m.frag[i];

			e->packets += f->packets;
			e->fragments++;
			if (i == 1 || f->wall_ns < e->from_ns)
				e->from_ns = f->wall_ns;
			if (i == 1 || f->wall_to_ns > e->to_ns)
				e->to_ns = f->wall_to_ns;
		}
		for (size_t i = 0; i < r.m.n_gaps; i++)
			e->gaps += r.m.gap[i].after < good;
		cb_sha256_init(&h);
		cb_sha256_update(&h, text, keep);
		if (cb_manifest_put_end(&line, e, &h, g->digest) < 0) {
			cb_err_nomem(err);
			goto out;
		}
		if (cb_ftruncate(mp4, (off_t)end) < 0 || cb_ftruncate(manifest, (off_t)keep) < 0) {
			cb_err_sys(err, cb_errc_write(errno), errno, "%s: truncate", g->name);
			goto out;
		}
		if (cb_write_all(manifest, line.data, line.len, err) < 0) {
			cb_err_prefix(err, "%s", file);
			goto out;
		}
	}
	if (cb_segment_settle(g->name, mp4, manifest, err) < 0)
		goto out;
	k->what = CB_RECOVER_NAMING;
	if (fn && fn(ctx, k, err) < 0)
		goto out;
	k->what = CB_RECOVER_DONE;
	if (cb_segment_name(dir, g->name, err) < 0)
		goto out;
	g->state = CB_SEGMENT_SEALED;
	ret = 0;
out:
	cb_buf_release(&line);
	free(text);
	if (mp4 >= 0)
		close(mp4);
	if (manifest >= 0)
		close(manifest);
	cb_segment_reader_close(&r);
	return ret;
unread:
	k->what = CB_RECOVER_UNREAD;
	k->why = *err;
	cb_err_prefix(&k->why, "cameras/%s/%s/%s", camera, day, g->name);
	*err = (struct cb_err)CB_ERR_INIT;
	ret = 0;
	goto out;
}

static bool want_part(const char *name, const void *ctx)
{
	(void)ctx;
	return cb_segment_name_ok(name, ".mp4.part") || cb_segment_name_ok(name, ".manifest");
}

int cb_recover(const struct cb_store *s, const char *camera,
	       recovered_fn *fn, void *ctx, struct cb_err *err)
{
	struct cb_names days = { 0 }, names = { 0 };
	struct cb_recovered k;
	int dir = -1, ret = -1;

	if (cb_store_days(s, camera, INT64_MIN, INT64_MAX, &days, err) < 0)
		return -1;
	for (size_t d = 0; d < days.n; d++) {
		dir = cb_day_open(s, camera, days.v[d], false, err);
		if (dir < 0 || cb_names_read(dir, want_part, NULL, &names, err) < 0)
			goto out;
		for (size_t i = 0; i < names.n; i++) {
			char file[64];

			if (cb_segment_name_ok(names.v[i], ".mp4.part")) {
				if (recover_one(s, camera, days.v[d], dir, names.v[i], &k, fn, ctx, err) < 0 ||
				    (fn && fn(ctx, &k, err) < 0)) {
					cb_err_prefix(err, "cameras/%s/%s", camera, days.v[d]);
					goto out;
				}
				continue;
			}
			/* a manifest that was created and no more */
			snprintf(file, sizeof(file), "%.19s.mp4", names.v[i]);
			if (there(dir, file) != 0)
				continue;
			strcat(file, ".part");
			if (there(dir, file) != 0)
				continue;
			snprintf(file, sizeof(file), "%.19s", names.v[i]);
			if (set_aside(dir, file, true, err) < 0)
				goto out;
		}
		cb_names_release(&names);
		close(dir);
		dir = -1;
	}
	ret = 0;
out:
	if (dir >= 0)
		close(dir);
	cb_names_release(&names);
	cb_names_release(&days);
	return ret;
}
