/* SPDX-License-Identifier: Apache-2.0 */
/* Segment files and manifests on the disk. */
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "base/time.h"
#include "store/seal.h"

static int write_error(struct cb_err *err, const struct cb_segment *g, const char *suffix)
{
	if (err && err->sys)
		err->code = cb_errc_write(err->sys);
	return cb_err_prefix(err, "cameras/%s/%s/%s%s", g->camera, g->day, g->name, suffix);
}

/* --- writing ------------------------------------------------------------------------------------ */

static int trouble(struct cb_segment_writer *w, enum cb_segment_trouble t)
{
	w->trouble = t;
	return -1;
}

static int create(int dir, const char *name, const char *suffix, struct cb_err *err)
{
	char file[64];
	int fd;

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	fd = cb_openat(dir, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_APPEND, 0640);
	if (fd < 0)
		return cb_err_sys(err, errno == ENOSPC || errno == EDQUOT || errno == EIO ? CB_E_IO :
				  errno == EEXIST ? CB_E_CANTCREAT : cb_errc_write(errno), errno,
				  "create");
	return fd;
}

static int append_text(struct cb_segment_writer *w, const struct cb_buf *b, struct cb_err *err)
{
	if (cb_write_all(w->manifest, b->data, b->len, err) < 0) {
		if (cb_ftruncate(w->manifest, (off_t)w->text) < 0)	/* recovery sees half a line */
			w->dirty = true;
		write_error(err, &w->seg, ".manifest");
		return trouble(w, CB_TROUBLE_WRITE);
	}
	cb_sha256_update(&w->sofar, b->data, b->len);
	w->text += b->len;
	w->dirty = true;
	return 0;
}

static int append_bytes(struct cb_segment_writer *w, struct iovec *iov, int n, struct cb_err *err)
{
	if (cb_writev_all(w->mp4, iov, n, err) < 0) {
		if (cb_ftruncate(w->mp4, (off_t)w->offset) < 0)	/* recovery cuts it */
			w->dirty = true;
		write_error(err, &w->seg, ".mp4.part");
		return trouble(w, CB_TROUBLE_WRITE);
	}
	w->dirty = true;
	return 0;
}

int cb_segment_writer_open(struct cb_segment_writer *w, const struct cb_store *s,
			   const struct cb_buf *init, const struct cb_buf *head, struct cb_err *err)
{
	struct cb_fragment f = { .pts = CB_NOPTS };
	struct iovec iov = { init->data, init->len };

	w->mp4 = w->manifest = -1;
	w->offset = w->text = 0;
	w->next = 0;
	w->dirty = w->unsynced = false;
	w->trouble = CB_TROUBLE_NONE;
	cb_sha256_init(&w->sofar);
	w->seg.state = CB_SEGMENT_OPEN;
	memset(&w->seg.end, 0, sizeof(w->seg.end));
	w->dir = cb_day_open(s, w->seg.camera, w->seg.day, true, err);
	if (w->dir < 0)
		return trouble(w, CB_TROUBLE_WRITE);
	/* the manifest has the same name while open and after, so it is what claims the name */
	w->manifest = create(w->dir, w->seg.name, ".manifest", err);
	if (w->manifest >= 0)
		w->mp4 = create(w->dir, w->seg.name, ".mp4.part", err);
	if (w->mp4 < 0) {
		write_error(err, &w->seg, "");
		trouble(w, CB_TROUBLE_WRITE);
		goto fail;
	}
	if (append_text(w, head, err) < 0 || cb_segment_writer_fragment(w, &iov, 1, &f, err) < 0 ||
	    cb_segment_writer_sync(w, err) < 0)
		goto fail;
	if (cb_fsync(w->dir) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "fsync");
		write_error(err, &w->seg, "");
		trouble(w, CB_TROUBLE_NAME);
		goto fail;
	}
	return 0;
fail:
	cb_segment_writer_discard(w);
	return -1;
}

int cb_segment_writer_fragment(struct cb_segment_writer *w, struct iovec *iov, int n,
			       struct cb_fragment *f, struct cb_err *err)
{
	struct cb_manifest_end *e = &w->seg.end;
	struct cb_sealed_at at = { w->seg.camera, w->seg.name + 7, w->next };
	struct cb_buf line = { 0 };
	struct cb_sha256 h;
	struct iovec box;
	int ret = -1;

	f->sealed = w->key;
	if (w->key) {
		if (cb_sealed_put(&w->sealed, w->key, &at, iov, n, f->commit, err) < 0)
			return -1;
		box = (struct iovec){ w->sealed.data, w->sealed.len };
		iov = &box;
		n = 1;
	}
	f->number = w->next;
	f->offset = w->offset;
	f->length = 0;
	cb_sha256_init(&h);
	for (int i = 0; i < n; i++) {
		cb_sha256_update(&h, iov[i].iov_base, iov[i].iov_len);
		f->length += iov[i].iov_len;
	}
	cb_sha256_final(&h, f->sha256);
	if (cb_manifest_put_fragment(&line, f) < 0) {
		cb_err_nomem(err);
		trouble(w, CB_TROUBLE_WRITE);
		goto out;
	}
	if (append_bytes(w, iov, n, err) < 0)
		goto out;
	if (append_text(w, &line, err) < 0) {
		if (cb_ftruncate(w->mp4, (off_t)w->offset) < 0)
			w->dirty = true;
		goto out;
	}
	w->offset += f->length;
	e->bytes = w->offset;
	if (w->next) {
		if (!e->fragments || f->wall_ns < e->from_ns)
			e->from_ns = f->wall_ns;
		if (!e->fragments || f->wall_to_ns > e->to_ns)
			e->to_ns = f->wall_to_ns;
		e->fragments++;
		e->packets += f->packets;
	} else {
		e->from_ns = e->to_ns = w->seg.start_ns;
	}
	w->next++;
	ret = 0;
out:
	cb_buf_release(&line);
	return ret;
}

int cb_segment_writer_gap(struct cb_segment_writer *w, const struct cb_manifest_gap *g,
			  struct cb_err *err)
{
	struct cb_manifest_gap at = *g;
	struct cb_buf line = { 0 };
	int ret;

	at.after = w->next - 1;
	if (cb_manifest_put_gap(&line, &at) < 0) {
		cb_err_nomem(err);
		ret = trouble(w, CB_TROUBLE_WRITE);
	} else {
		ret = append_text(w, &line, err);
	}
	if (ret == 0)
		w->seg.end.gaps++;
	cb_buf_release(&line);
	return ret;
}

/* fdatasync, or fsync where the mode changed too; its time goes into the account. */
static int sync_fd(struct cb_segment_writer *w, int fd, bool mode, const char *suffix, struct cb_err *err)
{
	int64_t begun = cb_now_mono_ns();
	int k = mode ? cb_fsync(fd) : cb_fdatasync(fd), sys = errno;

	w->sync_ns += cb_now_mono_ns() - begun;
	w->syncs++;
	if (k == 0)
		return 0;
	w->unsynced = true;
	w->why = (struct cb_err)CB_ERR_INIT;
	cb_err_sys(&w->why, CB_E_IO, sys, mode ? "fsync" : "fdatasync");
	write_error(&w->why, &w->seg, suffix);
	if (err)
		*err = w->why;
	return trouble(w, CB_TROUBLE_SYNC);
}

int cb_segment_writer_sync(struct cb_segment_writer *w, struct cb_err *err)
{
	if (!w->dirty)
		return 0;
	/* in this order: a line that is on the disk speaks of bytes that are */
	if (sync_fd(w, w->mp4, false, ".mp4.part", err) < 0 ||
	    sync_fd(w, w->manifest, false, ".manifest", err) < 0)
		return -1;
	w->dirty = false;
	return 0;
}

int cb_rename_new(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* not every file system can: there a link cannot replace anything either */
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return linkat(dir, from, dir, to, 0) < 0 || unlinkat(dir, from, 0) < 0 ? -1 : 0;
}

/* From name.mp4.part to name.mp4, for good. *ret: what failed. */
static int give_name(int dir, const char *name, enum cb_segment_trouble *ret, struct cb_err *err)
{
	char part[64], final[64];

	snprintf(part, sizeof(part), "%s.mp4.part", name);
	snprintf(final, sizeof(final), "%s.mp4", name);
	*ret = CB_TROUBLE_WRITE;
	if (cb_rename_new(dir, part, final) < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, "%s: rename", name);
	*ret = CB_TROUBLE_NAME;
	if (cb_fsync(dir) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s: fsync", name);
	*ret = CB_TROUBLE_NONE;
	return 0;
}

int cb_segment_settle(const char *name, int mp4, int manifest, struct cb_err *err)
{
	if (fchmod(mp4, 0440) < 0 || fchmod(manifest, 0440) < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, "%s: chmod", name);
	if (cb_fsync(mp4) < 0 || cb_fsync(manifest) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s: fsync", name);
	return 0;
}

int cb_segment_name(int dir, const char *name, struct cb_err *err)
{
	enum cb_segment_trouble t;

	return give_name(dir, name, &t, err);
}

/* The end line, with the reason "unsynced" where that is so. The first of two is taken back. */
static int end_line(struct cb_segment_writer *w, const char *reason, struct cb_err *err)
{
	struct cb_sha256 sofar = w->sofar;
	struct cb_buf line = { 0 };
	int ret = -1;

	snprintf(w->seg.end.reason, sizeof(w->seg.end.reason), "%s", w->unsynced ? "unsynced" : reason);
	if (cb_ftruncate(w->manifest, (off_t)w->text) < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "truncate");
		write_error(err, &w->seg, ".manifest");
	} else if (cb_manifest_put_end(&line, &w->seg.end, &sofar, w->seg.digest) < 0) {
		cb_err_nomem(err);
	} else if (cb_write_all(w->manifest, line.data, line.len, err) < 0) {
		write_error(err, &w->seg, ".manifest");
		if (cb_ftruncate(w->manifest, (off_t)w->text) < 0)	/* recovery sees half a line */
			w->dirty = true;
	} else {
		ret = 0;
	}
	cb_buf_release(&line);
	return ret < 0 ? trouble(w, CB_TROUBLE_WRITE) : 0;
}

int cb_segment_writer_seal(struct cb_segment_writer *w, const char *reason,
			   void (*before)(void *ctx), void *ctx, struct cb_err *err)
{
	int ret = -1;

	if (fchmod(w->mp4, 0440) < 0 || fchmod(w->manifest, 0440) < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "chmod");
		write_error(err, &w->seg, "");
		trouble(w, CB_TROUBLE_WRITE);
		goto out;
	}
	if (!w->unsynced)
		sync_fd(w, w->mp4, true, ".mp4.part", NULL);
	if (end_line(w, reason, err) < 0)
		goto out;
	if (sync_fd(w, w->manifest, true, ".manifest", NULL) < 0 &&
	    strcmp(w->seg.end.reason, "unsynced") != 0 && end_line(w, reason, err) < 0)
		goto out;
	if (before)
		before(ctx);
	if (give_name(w->dir, w->seg.name, &w->trouble, err) < 0) {
		cb_err_prefix(err, "cameras/%s/%s", w->seg.camera, w->seg.day);
		goto out;
	}
	w->seg.state = CB_SEGMENT_SEALED;
	ret = 0;
out:
	cb_segment_writer_abandon(w);
	return ret;
}

void cb_segment_writer_abandon(struct cb_segment_writer *w)
{
	if (w->mp4 >= 0)
		close(w->mp4);
	if (w->manifest >= 0)
		close(w->manifest);
	if (w->dir >= 0)
		close(w->dir);
	w->mp4 = w->manifest = w->dir = -1;
	cb_buf_release(&w->sealed);
}

void cb_segment_writer_discard(struct cb_segment_writer *w)
{
	char file[64];

	/* the manifest last: without the other file it is what recovery takes for nothing */
	snprintf(file, sizeof(file), "%s.mp4.part", w->seg.name);
	if (w->mp4 >= 0)
		unlinkat(w->dir, file, 0);
	snprintf(file, sizeof(file), "%s.manifest", w->seg.name);
	if (w->manifest >= 0)
		unlinkat(w->dir, file, 0);
	cb_segment_writer_abandon(w);
}

/* --- reading ------------------------------------------------------------------------------------ */

int cb_segment_reader_open(struct cb_segment_reader *r, const struct cb_store *s,
			   const struct cb_segment *g, struct cb_err *err)
{
	int dir = cb_day_open(s, g->camera, g->day, false, err), ret = -1;
	struct cb_err why = CB_ERR_INIT;
	char name[64], *text = NULL;
	struct stat st;
	size_t len;

	*r = (struct cb_segment_reader){ .mp4 = -1, .s = s };
	if (dir < 0)
		return -1;
	/* a recorder may seal it between our looking and our opening */
	snprintf(name, sizeof(name), "%s.mp4", g->name);
	r->mp4 = cb_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	r->sealed = r->mp4 >= 0;
	if (r->mp4 < 0 && errno == ENOENT) {
		strcat(name, ".part");
		r->mp4 = cb_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	}
	if (r->mp4 < 0 && errno == ENOENT) {
		snprintf(name, sizeof(name), "%s.mp4", g->name);
		r->mp4 = cb_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		r->sealed = r->mp4 >= 0;
	}
	if (r->mp4 < 0 || fstat(r->mp4, &st) < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "%s.mp4", g->name);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		cb_err_set(err, CB_E_DATA, "%s: not a regular file", name);
		goto out;
	}
	snprintf(name, sizeof(name), "%s.manifest", g->name);
	if (cb_file_at(dir, name, CB_MANIFEST_MAX, &text, &len, err) < 0)
		goto out;
	/* after the manifest: what its lines name was written before them */
	if (fstat(r->mp4, &st) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "%s.mp4", g->name);
		goto out;
	}
	r->size = (uint64_t)st.st_size;
	r->whole = cb_manifest_parse(&r->m, text, len, &why) == 0;
	if (!r->whole)
		cb_err_prefix(&why, "%s", name);
	else if (r->m.ended && !r->m.digest_ok)
		cb_err_set(&why, CB_E_DATA, "%s: its digest is not that of its lines", name);
	else if (strcmp(r->m.camera, g->camera) != 0 || strcmp(r->m.id, g->name + 7) != 0)
		cb_err_set(&why, CB_E_DATA, "%s: speaks of another segment", name);
	r->whole = why.code == CB_OK;
	r->why = why;
	if (!r->m.n) {
		if (err)
			*err = why;
		if (!why.code)
			cb_err_set(err, CB_E_DATA, "%s: has no lines", name);
		goto out;
	}
	ret = 0;
out:
	free(text);
	close(dir);
	if (ret < 0)
		cb_segment_reader_close(r);
	return ret;
}

/* Is there a manifest of the last few seconds, and nothing in it about any bytes? */
static bool in_the_making(const struct cb_store *s, const struct cb_segment *g)
{
	int dir = cb_day_open(s, g->camera, g->day, false, NULL);
	struct cb_manifest m = { 0 };
	char name[64], *text = NULL;
	struct stat st;
	bool ret = false;
	size_t len;

	snprintf(name, sizeof(name), "%s.manifest", g->name);
	if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    llabs(cb_now_wall_ns() / CB_NS_PER_S - st.st_mtime) <= 5 &&
	    cb_file_at(dir, name, CB_MANIFEST_MAX, &text, &len, NULL) == 0) {
		cb_manifest_parse(&m, text, len, NULL);
		ret = m.n == 0;
	}
	cb_manifest_release(&m);
	free(text);
	if (dir >= 0)
		close(dir);
	return ret;
}

int cb_segment_reader_open_live(struct cb_segment_reader *r, const struct cb_store *s,
				const struct cb_segment *g, struct cb_err *err)
{
	for (int i = 0; i < 25; i++) {
		if (cb_segment_reader_open(r, s, g, NULL) == 0)
			return 0;
		if (!in_the_making(s, g))
			break;
		usleep(20000);
	}
	return cb_segment_reader_open(r, s, g, err);
}

int cb_segment_reader_get(struct cb_segment_reader *r, size_t i, const uint8_t **ret,
			  size_t *ret_len, struct cb_err *err)
{
	struct cb_sealed_at at = { r->m.camera, r->m.id, (uint32_t)i };
	const struct cb_day_key *key;

	r->salt = NULL;
	if (!r->m.sealed)
		return cb_segment_reader_stored(r, i, ret, ret_len, err);
	if (cb_keyring_get(r->s->keys, r->s, r->m.camera, r->m.key, &key, err) < 0 ||
	    cb_segment_reader_stored(r, i, ret, ret_len, err) < 0 ||
	    cb_sealed_open(r->buf.data, *ret_len, key, &at, r->m.frag[i].commit, ret, ret_len, err) < 0)
		return -1;
	r->salt = *ret - CB_SALT_LEN;
	return 0;
}

int cb_segment_reader_stored(struct cb_segment_reader *r, size_t i, const uint8_t **ret,
			     size_t *ret_len, struct cb_err *err)
{
	const struct cb_fragment *f = &r->m.frag[i];
	uint8_t sum[CB_SHA256_LEN];
	size_t len = 0;

	r->buf.len = 0;
	if (f->offset > r->size || f->length > r->size - f->offset)
		return cb_err_set(err, CB_E_DATA, "fragment %u: the file ends before it does", f->number);
	if (cb_buf_reserve(&r->buf, (size_t)f->length) < 0)
		return cb_err_nomem(err);
	while (len < f->length) {
		ssize_t n = cb_pread(r->mp4, r->buf.data + len, (size_t)f->length - len,
				  (off_t)(f->offset + len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cb_err_sys(err, CB_E_IO, errno, "fragment %u: read", f->number);
		if (n == 0)
			return cb_err_set(err, CB_E_DATA, "fragment %u: the file ends before it does",
					  f->number);
		len += (size_t)n;
	}
	cb_sha256(sum, r->buf.data, len);
	if (memcmp(sum, f->sha256, sizeof(sum)) != 0)
		return cb_err_set(err, CB_E_DATA, "%s%u: its bytes are not those of the manifest",
				  i ? "fragment " : "init segment, line ", f->number);
	*ret = r->buf.data;
	*ret_len = len;
	return 0;
}

void cb_segment_reader_close(struct cb_segment_reader *r)
{
	cb_manifest_release(&r->m);
	cb_buf_release(&r->buf);
	if (r->mp4 >= 0)
		close(r->mp4);
	r->mp4 = -1;
}

int cb_segment_manifest(const struct cb_store *s, const struct cb_segment *g, char **ret,
			size_t *ret_len, struct cb_err *err)
{
	int dir = cb_day_open(s, g->camera, g->day, false, err), k;
	char name[64];

	if (dir < 0)
		return -1;
	snprintf(name, sizeof(name), "%s.manifest", g->name);
	k = cb_file_at(dir, name, CB_MANIFEST_MAX, ret, ret_len, err);
	close(dir);
	return k;
}
