/* SPDX-License-Identifier: Apache-2.0 */
/* Day keys: made, wrapped, found again, destroyed. */
#include "store/daykey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "base/num.h"
#include "store/keyfile.h"
#include "store/segment.h"

#define MAGIC "cb-day-key 1\n"
#define FILE_MAX_BYTES (CB_AGE_HEADER_MAX + CB_AGE_SMALL + 64)
#define RING 8
#define WAIT_US 10000
#define WAITS 100	/* a second */

/* What a key passes through as text; memory for secrets. */
struct text {
	size_t n;
	char s[512], want[512];
	char hex[2 * CB_SEAL_KEY + 1];
};

/* --- names ------------------------------------------------------------------------------------------ */

void cb_day_key_name(struct cb_day_key *k, const char *day)
{
	uint8_t in[sizeof(MAGIC) - 1 + CB_SEAL_KEY], sum[CB_SHA256_LEN];

	memcpy(in, MAGIC, sizeof(MAGIC) - 1);
	memcpy(in + sizeof(MAGIC) - 1, k->key, CB_SEAL_KEY);
	cb_sha256(sum, in, sizeof(in));
	cb_secret_wipe(in, sizeof(in));
	memcpy(k->name, day, 10);
	k->name[10] = '-';
	cb_hex(k->name + 11, sum, 16);
}

/* As a whole, under a name that nothing has. */
static int write_new(int dir, const char *name, mode_t mode, const void *p, size_t n, struct cb_err *err)
{
	char tmp[80];
	int fd, ret = -1;

	snprintf(tmp, sizeof(tmp), "%.64s.new", name);
	fd = cb_openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode | S_IWUSR);
	if (fd < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, "%s", tmp);
	if (cb_write_all(fd, p, n, err) < 0) {
		if (err && err->sys)
			err->code = cb_errc_write(err->sys);
		cb_err_prefix(err, "%s", tmp);
	} else if (fchmod(fd, mode) < 0 || cb_fsync(fd) < 0 || cb_rename_new(dir, tmp, name) < 0 || cb_fsync(dir) < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "%s", name);
	} else {
		ret = 0;
	}
	close(fd);
	if (ret < 0)
		unlinkat(dir, tmp, 0);
	return ret;
}

static size_t put_text(char *out, size_t cap, const char *camera, const char *day, const char *hex)
{
	return (size_t)snprintf(out, cap, MAGIC "camera %s\nday %.10s\nkey %s\n", camera, day, hex);
}

/* --- recording ---------------------------------------------------------------------------------------- */

struct cb_sealer {
	const struct cb_store *s;
	struct cb_age_to to;
	struct cb_day_key *key;		/* the last one; none where its name is empty */
	char camera[CB_NAME_MAX + 1];
	int lock;
};

static int default_recipients(struct cb_age_to *to, const struct cb_store *s, bool *none, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	char *text = NULL;
	int keys = cb_dir_open(s->fd, CB_KEYS, false, &why), r = -1;
	size_t n;

	*none = false;
	if (keys >= 0 && cb_file_at(keys, "recipients", CB_AGE_KEYS_MAX, &text, &n, &why) == 0) {
		r = cb_age_to_text(to, text, n, err);
		if (r < 0)
			cb_err_prefix(err, CB_KEYS "/recipients");
	} else if (why.sys == ENOENT) {
		*none = true;
		r = 0;
	} else if (err) {
		*err = why;
		cb_err_prefix(err, CB_KEYS);
	}
	free(text);
	if (keys >= 0)
		close(keys);
	return r;
}

int cb_sealer_new(struct cb_sealer **ret, const struct cb_store *s, const struct cb_age_to *to,
		  struct cb_err *err)
{
	struct cb_sealer *k = calloc(1, sizeof(*k));
	bool none = false;

	*ret = NULL;
	if (!k)
		return cb_err_nomem(err);
	k->s = s;
	k->lock = -1;
	if (to->n) {
		k->to.key = malloc(to->n * sizeof(*to->key));
		if (!k->to.key) {
			cb_err_nomem(err);
			goto fail;
		}
		memcpy(k->to.key, to->key, to->n * sizeof(*to->key));
		k->to.n = to->n;
	} else if (default_recipients(&k->to, s, &none, err) < 0) {
		goto fail;
	}
	if (!none && !(k->key = cb_secret_new(sizeof(*k->key), err)))
		goto fail;
	if (none) {
		cb_sealer_free(k);
		return 0;
	}
	*ret = k;
	return 0;
fail:
	cb_sealer_free(k);
	return -1;
}

/* The way to a camera's keys is on the disk: whoever made a directory of it may have died before he
 * synced the one above, and without the key everything that it encrypts is lost. */
static int sync_way(const struct cb_store *s, struct cb_err *err)
{
	int keys = cb_dir_open(s->fd, CB_KEYS, false, err), cameras, ret = 0;

	if (keys < 0)
		return -1;
	cameras = cb_dir_open(keys, "cameras", false, err);
	if (cameras < 0)
		ret = -1;
	else if (cb_fsync(s->fd) < 0 || cb_fsync(keys) < 0 || cb_fsync(cameras) < 0)
		ret = cb_err_sys(err, CB_E_IO, errno, CB_KEYS_CAMERAS ": fsync");
	if (cameras >= 0)
		close(cameras);
	close(keys);
	return ret;
}

static int make_key(struct cb_sealer *k, int dir, const char *camera, const char *day, struct cb_err *err)
{
	struct text *t = cb_secret_new(sizeof(*t), err);
	struct cb_buf b = { 0 };
	char file[64];
	int r = -1;

	if (!t)
		return -1;
	cb_random(k->key->key, sizeof(k->key->key));
	cb_day_key_name(k->key, day);
	cb_hex(t->hex, k->key->key, CB_SEAL_KEY);
	t->n = put_text(t->s, sizeof(t->s), camera, day, t->hex);
	snprintf(file, sizeof(file), "%s" CB_KEY_AGE, k->key->name);
	if (cb_age_wrap(&k->to, t->s, t->n, &b, err) == 0 && sync_way(k->s, err) == 0)
		r = write_new(dir, file, 0440, b.data, b.len, err);
	cb_buf_release(&b);
	cb_secret_free(t);
	if (r < 0) {
		k->key->name[0] = '\0';
		return cb_err_prefix(err, CB_KEYS_CAMERAS "/%s", camera);
	}
	snprintf(k->camera, sizeof(k->camera), "%s", camera);
	return 0;
}

/* A lock on a camera's keys: recorders share it for a moment, who destroys has it alone. False:
 * not within a second. */
static bool lock(int dir, int how)
{
	for (int i = 0; i < WAITS; i++) {
		if (cb_flock(dir, how | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		usleep(WAIT_US);
	}
	return false;
}

int cb_sealer_day(struct cb_sealer *k, const char *camera, const char *day,
		  const struct cb_day_key **ret, struct cb_err *err)
{
	int dir = cb_keys_open(k->s, camera, true, err);
	bool locked;

	if (dir < 0)
		return -1;
	cb_sealer_settle(k);
	/* who has it for longer must not stop a recording: it goes on with a key of its own */
	locked = lock(dir, LOCK_SH);
	if ((!locked || strcmp(k->camera, camera) != 0 || strncmp(k->key->name, day, 10) != 0 ||
	     cb_key_file(dir, k->key->name, CB_KEY_AGE) != 1 || cb_key_file(dir, k->key->name, CB_KEY_DESTROYED)) &&
	    make_key(k, dir, camera, day, err) < 0) {
		close(dir);
		return -1;
	}
	k->lock = dir;
	*ret = k->key;
	return 0;
}

void cb_sealer_settle(struct cb_sealer *k)
{
	if (k && k->lock >= 0) {
		close(k->lock);
		k->lock = -1;
	}
}

void cb_sealer_free(struct cb_sealer *k)
{
	if (!k)
		return;
	cb_sealer_settle(k);
	cb_secret_free(k->key);
	cb_age_to_release(&k->to);
	free(k);
}

/* --- reading ------------------------------------------------------------------------------------------- */

struct cb_keyring {
	struct cb_age_ids *ids;
	struct {
		char camera[CB_NAME_MAX + 1];
		struct cb_day_key *key;
		uint64_t used;
	} slot[RING];
	uint64_t now;
};

int cb_keyring_new(struct cb_keyring **ret, const char *const *path, size_t n, const struct cb_pass *pass,
		   struct cb_err *err)
{
	struct cb_keyring *r = NULL;

	*ret = NULL;
	if (!n)
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return cb_err_nomem(err);
	if (cb_age_ids_new(&r->ids, err) < 0)
		goto fail;
	for (size_t i = 0; i < n; i++)
		if (cb_age_ids_file(r->ids, path[i], pass, err) < 0)
			goto fail;
	*ret = r;
	return 0;
fail:
	cb_keyring_free(r);
	return -1;
}

bool cb_keyring_exposed(const struct cb_keyring *r)
{
	return r && cb_age_ids_exposed(r->ids);
}

void cb_keyring_free(struct cb_keyring *r)
{
	if (!r)
		return;
	for (int i = 0; i < RING; i++)
		cb_secret_free(r->slot[i].key);
	cb_age_ids_free(r->ids);
	free(r);
}

/* The text of a key file, and what it must be. */
static int parse(struct cb_day_key *k, struct text *t, const char *camera, const char *name, struct cb_err *err)
{
	const size_t line = 4 + 2 * CB_SEAL_KEY + 1;	/* "key " and so on */
	const char *hex = t->s + t->n - line + 4;
	size_t n;

	if (t->n < line || strspn(hex, "0123456789abcdef") != 2 * CB_SEAL_KEY)
		return cb_err_set(err, CB_E_DATA, "not a day key");
	memcpy(t->hex, hex, 2 * CB_SEAL_KEY);
	n = put_text(t->want, sizeof(t->want), camera, name, t->hex);
	if (n != t->n || memcmp(t->want, t->s, n) != 0)
		return cb_err_set(err, CB_E_DATA, "not the key of this camera and day");
	cb_unhex(k->key, CB_SEAL_KEY, t->hex);
	cb_day_key_name(k, name);
	if (strcmp(k->name, name) != 0) {
		k->name[0] = '\0';
		return cb_err_set(err, CB_E_DATA, "another key than that of its name");
	}
	return 0;
}

static int unwrap(struct cb_keyring *r, struct cb_day_key *k, const struct cb_store *s, const char *camera,
		  const char *name, struct cb_err *err)
{
	struct text *t = NULL;
	char file[64], *wrapped = NULL;
	int dir = cb_keys_open(s, camera, false, err), ret = -1;
	size_t n;

	if (dir < 0)
		return -1;
	snprintf(file, sizeof(file), "%s" CB_KEY_AGE, name);
	if (cb_file_at(dir, file, FILE_MAX_BYTES, &wrapped, &n, err) < 0)
		goto out;
	t = cb_secret_new(sizeof(*t), err);
	if (t && (cb_age_unwrap(r->ids, wrapped, n, (uint8_t *)t->s, sizeof(t->s) - 1, &t->n, err) < 0 ||
		  parse(k, t, camera, name, err) < 0))
		cb_err_prefix(err, "%s", file);
	else if (t)
		ret = 0;
out:
	if (ret < 0)
		cb_err_prefix(err, CB_KEYS_CAMERAS "/%s", camera);
	cb_secret_free(t);
	free(wrapped);
	close(dir);
	return ret;
}

int cb_keyring_get(struct cb_keyring *r, const struct cb_store *s, const char *camera, const char *name,
		   const struct cb_day_key **ret, struct cb_err *err)
{
	int at = 0;

	for (int i = 0; r && i < RING; i++) {
		if (r->slot[i].key && strcmp(r->slot[i].key->name, name) == 0 &&
		    strcmp(r->slot[i].camera, camera) == 0) {
			r->slot[i].used = ++r->now;
			*ret = r->slot[i].key;
			return 0;
		}
		if (r->slot[i].used < r->slot[at].used)
			at = i;
	}
	switch (cb_day_key_state(s, camera, name)) {
	case CB_DAY_KEY_DESTROYED:
		return cb_err_set(err, CB_E_NO, "encrypted, and its key was destroyed: " CB_KEYS_CAMERAS "/%s/%s" CB_KEY_DESTROYED, camera,
				  name);
	case CB_DAY_KEY_MISSING:
		return cb_err_set(err, CB_E_DATA, "encrypted, and its key is missing: " CB_KEYS_CAMERAS "/%s/%s" CB_KEY_AGE, camera, name);
	case CB_DAY_KEY_UNKNOWN:
		return cb_err_set(err, CB_E_IO, "encrypted, and its key cannot be looked for: " CB_KEYS_CAMERAS "/%s", camera);
	case CB_DAY_KEY_THERE:
		break;
	}
	if (!r)
		return cb_err_set(err, CB_E_PERM, "encrypted: it takes an identity (--identity) to read it");
	if (!r->slot[at].key && !(r->slot[at].key = cb_secret_new(sizeof(struct cb_day_key), err)))
		return -1;
	r->slot[at].key->name[0] = '\0';
	if (unwrap(r, r->slot[at].key, s, camera, name, err) < 0)
		return -1;
	snprintf(r->slot[at].camera, sizeof(r->slot[at].camera), "%s", camera);
	r->slot[at].used = ++r->now;
	*ret = r->slot[at].key;
	return 0;
}

/* --- destroying ------------------------------------------------------------------------------------------ */

int cb_day_keys_lock(const struct cb_store *s, const char *camera, struct cb_err *err)
{
	int dir = cb_keys_open(s, camera, false, err);

	if (dir < 0)
		return -1;
	if (lock(dir, LOCK_EX))
		return dir;
	close(dir);
	return cb_err_set(err, CB_E_TEMP, CB_KEYS_CAMERAS "/%s: somebody else has it", camera);
}

/* Zeros over it, then no name. What the medium keeps all the same is still wrapped. */
static int wipe(int dir, const char *file, struct cb_err *err)
{
	static const uint8_t zero[4096];
	struct stat st;
	int fd, ret = -1;

	fd = cb_openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno == ELOOP)	/* not ours to write through */
		goto unlink;
	if (fd >= 0) {	/* it is read-only */
		fchmod(fd, 0600);
		close(fd);
		fd = cb_openat(dir, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "%s", file);
		goto out;
	}
	for (off_t at = 0; S_ISREG(st.st_mode) && at < st.st_size; at += (off_t)sizeof(zero)) {
		size_t n = st.st_size - at < (off_t)sizeof(zero) ? (size_t)(st.st_size - at) : sizeof(zero);

		if (cb_pwrite(fd, zero, n, at) != (ssize_t)n) {
			cb_err_sys(err, CB_E_IO, errno, "%s", file);
			goto out;
		}
	}
	if (cb_fsync(fd) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "%s", file);
		goto out;
	}
unlink:
	if (unlinkat(dir, file, 0) < 0 || cb_fsync(dir) < 0)
		cb_err_sys(err, cb_errc_write(errno), errno, "%s", file);
	else
		ret = 0;
out:
	if (fd >= 0)
		close(fd);
	return ret;
}

int cb_day_key_condemn(const struct cb_store *s, const char *camera, const char *name, const struct cb_buf *said,
		       struct cb_err *err)
{
	int dir = cb_keys_open(s, camera, false, err), ret = -1;
	struct cb_buf line = { 0 };
	char file[80];

	if (dir < 0)
		return -1;
	snprintf(file, sizeof(file), "%s" CB_KEY_DESTROYED, name);
	if (cb_buf_add(&line, said->data, said->len) < 0 || cb_buf_byte(&line, '\n') < 0)
		cb_err_nomem(err);
	else if (cb_key_file(dir, name, CB_KEY_DESTROYED) == 1 || write_new(dir, file, 0440, line.data, line.len, err) == 0)
		ret = 0;
	if (ret < 0)
		cb_err_prefix(err, CB_KEYS_CAMERAS "/%s", camera);
	cb_buf_release(&line);
	close(dir);
	return ret;
}

int cb_day_key_destroy(const struct cb_store *s, const char *camera, const char *name, struct cb_err *err)
{
	int dir = cb_keys_open(s, camera, false, err), ret;
	char file[80];

	if (dir < 0)
		return -1;
	snprintf(file, sizeof(file), "%s" CB_KEY_AGE, name);
	ret = wipe(dir, file, err);
	if (ret < 0)
		cb_err_prefix(err, CB_KEYS_CAMERAS "/%s", camera);
	close(dir);
	return ret;
}

int cb_day_keys_clear(const struct cb_store *s, const char *camera, const char *day, struct cb_err *err)
{
	struct cb_names l = { 0 };
	char file[80];
	int dir, ret = 0;

	if (cb_day_keys(s, camera, day, &l, err) < 0)
		return -1;
	dir = l.n ? cb_keys_open(s, camera, false, err) : -1;
	if (l.n && dir < 0)
		ret = -1;
	for (size_t i = 0; i < l.n && ret == 0; i++) {
		snprintf(file, sizeof(file), "%s" CB_KEY_AGE, l.v[i]);
		ret = wipe(dir, file, err);
		snprintf(file, sizeof(file), "%s" CB_KEY_DESTROYED, l.v[i]);
		if (ret == 0 && unlinkat(dir, file, 0) < 0 && errno != ENOENT)
			ret = cb_err_sys(err, cb_errc_write(errno), errno, "%s", file);
	}
	if (ret < 0)
		cb_err_prefix(err, CB_KEYS_CAMERAS "/%s", camera);
	if (dir >= 0)
		close(dir);
	cb_names_release(&l);
	return ret;
}
