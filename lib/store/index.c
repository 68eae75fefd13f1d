/* SPDX-License-Identifier: Apache-2.0 */
/* The index in LMDB. The environment is one file, built under another name and renamed, never
 * written afterwards; so it needs no lock, and a digest beside it tells whether its bytes are
 * still the ones that were built. LMDB would crash on others. */
#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"

#define VERSION "cb-index 2"
#define MAP_MAX (UINT64_C(4) << 30)
#define VALUE_LEN 216

struct index {
	struct cb_index public;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

static int mdb_err(struct cb_err *err, int rc, const char *what)
{
	if (rc > 0)
		return cb_err_sys(err, CB_E_IO, rc, "index: %s", what);
	return cb_err_set(err, CB_E_IO, "index: %s: %s", what, mdb_strerror(rc));
}

/* What says that a file is still the one that was indexed, and what was in it. */
static void put(uint8_t out[static VALUE_LEN], const struct cb_segment *g, const struct stat *st)
{
	memset(out, 0, VALUE_LEN);
	cb_put_le64(out, (uint64_t)st->st_size);
	cb_put_le64(out + 8, (uint64_t)st->st_mtim.tv_sec);
	cb_put_le32(out + 16, (uint32_t)st->st_mtim.tv_nsec);
	cb_put_le32(out + 20, (uint32_t)st->st_ctim.tv_nsec);
	cb_put_le64(out + 24, (uint64_t)st->st_ctim.tv_sec);
	cb_put_le64(out + 32, st->st_ino);
	memcpy(out + 40, g->recording, 16);
	cb_put_le32(out + 56, g->index);
	cb_put_le32(out + 60, g->end.fragments);
	cb_put_le64(out + 64, (uint64_t)g->start_ns);
	cb_put_le64(out + 72, (uint64_t)g->recording_ns);
	cb_put_le64(out + 80, g->end.packets);
	cb_put_le64(out + 88, g->end.bytes);
	cb_put_le64(out + 96, (uint64_t)g->end.from_ns);
	cb_put_le64(out + 104, (uint64_t)g->end.to_ns);
	cb_put_le64(out + 112, g->end.lost);
	memcpy(out + 120, g->end.reason, 16);
	memcpy(out + 136, g->digest, 32);
	memcpy(out + 168, g->key, sizeof(g->key));
	/* gaps share the upper half of a word that never fills it */
	cb_put_le64(out + 80, g->end.packets | (uint64_t)(g->end.gaps > 65535 ? 65535 : g->end.gaps) << 48);
}

static void get(struct cb_segment *g, const uint8_t *p)
{
	memcpy(g->recording, p + 40, 16);
	g->recording[16] = '\0';
	g->index = cb_le32(p + 56);
	g->end.fragments = cb_le32(p + 60);
	g->start_ns = (int64_t)cb_le64(p + 64);
	g->recording_ns = (int64_t)cb_le64(p + 72);
	g->end.packets = cb_le64(p + 80) & ((UINT64_C(1) << 48) - 1);
	g->end.gaps = (uint32_t)(cb_le64(p + 80) >> 48);
	g->end.bytes = cb_le64(p + 88);
	g->end.from_ns = (int64_t)cb_le64(p + 96);
	g->end.to_ns = (int64_t)cb_le64(p + 104);
	g->end.lost = cb_le64(p + 112);
	memcpy(g->end.reason, p + 120, 15);
	g->end.reason[15] = '\0';
	memcpy(g->digest, p + 136, 32);
	memcpy(g->key, p + 168, sizeof(g->key) - 1);
}

static int key_of(char out[static 128], const struct cb_segment *g)
{
	return snprintf(out, 128, "%s/%s/%s", g->camera, g->day, g->name);
}

/* --- reading ---------------------------------------------------------------------------------------- */

static bool digest_file(int dir, const char *name, char hex[static CB_SHA256_HEX])
{
	int fd = cb_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	uint8_t *buf = malloc(1 << 18), sum[CB_SHA256_LEN];
	struct cb_sha256 h;
	ssize_t n = -1;

	cb_sha256_init(&h);
	while (fd >= 0 && buf && (n = read(fd, buf, 1 << 18)) > 0)
		cb_sha256_update(&h, buf, (size_t)n);
	cb_sha256_final(&h, sum);
	cb_hex(hex, sum, sizeof(sum));
	free(buf);
	if (fd >= 0)
		close(fd);
	return n == 0;
}

static bool find(const struct cb_index *public, struct cb_segment *g, const struct stat *st)
{
	const struct index *x = (const struct index *)public;
	char key[128];
	MDB_val k = { (size_t)key_of(key, g), key }, v;
	uint8_t now[VALUE_LEN];

	if (mdb_get(x->txn, x->dbi, &k, &v) || v.mv_size != VALUE_LEN)
		return false;
	put(now, g, st);
	if (memcmp(now, v.mv_data, 40) != 0)
		return false;
	get(g, v.mv_data);
	return true;
}

struct cb_index *cb_index_open(const struct cb_store *s)
{
	struct index *x = NULL;
	char hex[CB_SHA256_HEX], want[128], path[64], *text = NULL;
	int dir = cb_openat(s->fd, "index", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;
	size_t len;

	if (dir < 0)
		return NULL;
	if (cb_file_at(dir, "digest", 256, &text, &len, NULL) < 0 || !digest_file(dir, "segments.mdb", hex))
		goto out;
	snprintf(want, sizeof(want), "%s %s\n", VERSION, hex);
	if (strcmp(text, want) != 0)
		goto out;
	x = calloc(1, sizeof(*x));
	if (!x)
		goto out;
	x->public.get = find;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/segments.mdb", dir);
	rc = mdb_env_create(&x->env);
	if (!rc)
		rc = mdb_env_open(x->env, path, MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK, 0440);
	if (!rc)
		rc = mdb_txn_begin(x->env, NULL, MDB_RDONLY, &x->txn);
	if (!rc)
		rc = mdb_dbi_open(x->txn, NULL, 0, &x->dbi);
	if (rc) {
		cb_index_close(&x->public);
		x = NULL;
	}
out:
	free(text);
	close(dir);
	return x ? &x->public : NULL;
}

void cb_index_close(struct cb_index *public)
{
	struct index *x = (struct index *)public;

	if (!x)
		return;
	if (x->txn)
		mdb_txn_abort(x->txn);
	if (x->env)
		mdb_env_close(x->env);
	free(x);
}

/* --- building --------------------------------------------------------------------------------------- */

static int add_camera(const struct cb_store *s, const char *camera, MDB_txn *txn, MDB_dbi dbi,
		      uint64_t *count, struct cb_err *err)
{
	struct cb_segments l = { 0 };
	int dir = -1, ret = -1, rc;
	char name[64], key[128];
	uint8_t value[VALUE_LEN];
	struct stat st;

	if (cb_store_segments(s, camera, INT64_MIN, INT64_MAX, NULL, &l, err) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++) {
		struct cb_segment *g = &l.v[i];
		MDB_val k = { (size_t)key_of(key, g), key }, v = { VALUE_LEN, value };

		if (g->state != CB_SEGMENT_SEALED || g->end.packets >> 48 || g->end.gaps > 65535)
			continue;
		dir = cb_day_open(s, camera, g->day, false, err);
		if (dir < 0)
			goto out;
		snprintf(name, sizeof(name), "%s.manifest", g->name);
		rc = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
		close(dir);
		if (rc < 0)
			continue;
		put(value, g, &st);
		rc = mdb_put(txn, dbi, &k, &v, 0);
		if (rc) {
			mdb_err(err, rc, "put");
			goto out;
		}
		(*count)++;
	}
	ret = 0;
out:
	cb_segments_release(&l);
	return ret;
}

int cb_index_build(const struct cb_store *s, uint64_t *ret_segments, struct cb_err *err)
{
	int dir = cb_dir_open(s->fd, "index", true, err), ret = -1, rc, fd = -1;
	struct cb_names cameras = { 0 };
	char hex[CB_SHA256_HEX], path[64], text[128];
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	uint64_t count = 0;
	MDB_dbi dbi;

	if (dir < 0)
		return cb_err_prefix(err, "index");
	if (cb_store_cameras(s, &cameras, err) < 0)
		goto out;
	if (unlinkat(dir, "new.mdb", 0) < 0 && errno != ENOENT) {
		cb_err_sys(err, cb_errc_write(errno), errno, "index");
		goto out;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d/new.mdb", dir);
	rc = mdb_env_create(&env);
	if (!rc)
		rc = mdb_env_set_mapsize(env, MAP_MAX);
	if (!rc)
		rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0640);
	if (!rc)
		rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (!rc)
		rc = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (rc) {
		mdb_err(err, rc, "create");
		goto out;
	}
	for (size_t i = 0; i < cameras.n; i++)
		if (add_camera(s, cameras.v[i], txn, dbi, &count, err) < 0)
			goto out;
	rc = mdb_txn_commit(txn);
	txn = NULL;
	if (!rc)
		rc = mdb_env_sync(env, 1);
	if (rc) {
		mdb_err(err, rc, "commit");
		goto out;
	}
	mdb_env_close(env);
	env = NULL;
	if (!digest_file(dir, "new.mdb", hex)) {
		cb_err_set(err, CB_E_IO, "index: cannot be read back");
		goto out;
	}
	/* digest and file change one after the other: between them there is no valid index */
	snprintf(text, sizeof(text), "%s %s\n", VERSION, hex);
	fd = cb_openat(dir, "digest.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "index");
		goto out;
	}
	if (cb_write_all(fd, text, strlen(text), err) < 0) {
		cb_err_prefix(err, "index");
		goto out;
	}
	if (cb_fsync(fd) < 0 || renameat(dir, "new.mdb", dir, "segments.mdb") < 0 ||
	    renameat(dir, "digest.new", dir, "digest") < 0 || cb_fsync(dir) < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "index");
		goto out;
	}
	*ret_segments = count;
	ret = 0;
out:
	if (txn)
		mdb_txn_abort(txn);
	if (env)
		mdb_env_close(env);
	if (fd >= 0)
		close(fd);
	cb_names_release(&cameras);
	close(dir);
	return ret;
}
