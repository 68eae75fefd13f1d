/* SPDX-License-Identifier: Apache-2.0 */
/* Day keys, as far as their files' names tell. */
#include "store/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/daykey.h"
#include "store/store.h"

bool cb_day_key_name_ok(const char *s)
{
	char day[11];

	if (strlen(s) != CB_DAY_KEY_NAME - 1 || s[10] != '-' || strspn(s + 11, "0123456789abcdef") != 32)
		return false;
	memcpy(day, s, 10);
	day[10] = '\0';
	return cb_day_name_ok(day);
}

int cb_keys_open(const struct cb_store *s, const char *camera, bool make, struct cb_err *err)
{
	int keys = cb_dir_open(s->fd, CB_KEYS, make, err), cameras, fd;

	if (keys < 0)
		return -1;
	cameras = cb_dir_open(keys, "cameras", make, err);
	close(keys);
	if (cameras < 0)
		return cb_err_prefix(err, CB_KEYS);
	fd = cb_dir_open(cameras, camera, make, err);
	close(cameras);
	return fd < 0 ? cb_err_prefix(err, CB_KEYS_CAMERAS) : fd;
}

int cb_key_file(int dir, const char *name, const char *suffix)
{
	char file[64];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	return faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 1 : errno == ENOENT ? 0 : -1;
}

enum cb_day_key_state cb_day_key_state(const struct cb_store *s, const char *camera, const char *name)
{
	struct cb_err why = CB_ERR_INIT;
	int dir = cb_keys_open(s, camera, false, &why), destroyed, there;

	if (dir < 0)
		return why.sys == ENOENT ? CB_DAY_KEY_MISSING : CB_DAY_KEY_UNKNOWN;
	destroyed = cb_key_file(dir, name, CB_KEY_DESTROYED);
	there = destroyed ? 0 : cb_key_file(dir, name, CB_KEY_AGE);
	close(dir);
	return destroyed < 0 || there < 0 ? CB_DAY_KEY_UNKNOWN : destroyed ? CB_DAY_KEY_DESTROYED :
	       there ? CB_DAY_KEY_THERE : CB_DAY_KEY_MISSING;
}

static bool want(const char *file, const void *day)
{
	char name[CB_DAY_KEY_NAME];

	if (strlen(file) < CB_DAY_KEY_NAME || strncmp(file, day, 10) != 0)
		return false;
	memcpy(name, file, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	return cb_day_key_name_ok(name) && (strcmp(file + sizeof(name) - 1, CB_KEY_AGE) == 0 ||
					    strcmp(file + sizeof(name) - 1, CB_KEY_DESTROYED) == 0);
}

int cb_day_keys(const struct cb_store *s, const char *camera, const char *day, struct cb_names *ret,
		struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	int dir = cb_keys_open(s, camera, false, &why), r;
	size_t n = 0;

	*ret = (struct cb_names){ 0 };
	if (dir < 0) {
		if (why.sys == ENOENT)
			return 0;
		if (err)
			*err = why;
		return -1;
	}
	r = cb_names_read(dir, want, day, ret, err);
	close(dir);
	/* both files of one key are one name */
	for (size_t i = 0; r == 0 && i < ret->n; i++) {
		char *name = ret->v[i];

		name[CB_DAY_KEY_NAME - 1] = '\0';
		if (n && strcmp(ret->v[n - 1], name) == 0)
			free(name);
		else
			ret->v[n++] = name;
	}
	ret->n = n;
	return r;
}

int cb_key_uses(const struct cb_segments *l, struct cb_key_use **ret, size_t *ret_n, struct cb_err *err)
{
	struct cb_key_use *v = NULL, *u;
	size_t n = 0, k = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct cb_segment *g = &l->v[i];

		if (!*g->key)
			continue;
		if (k >= n || strcmp(v[k].name, g->key) != 0)	/* mostly it is the one before */
			for (k = 0; k < n && strcmp(v[k].name, g->key) != 0; k++)
				;
		if (k == n) {
			if ((n & (n - 1)) == 0) {
				void *p = realloc(v, (n ? 2 * n : 1) * sizeof(*v));

				if (!p) {
					free(v);
					return cb_err_nomem(err);
				}
				v = p;
			}
			v[n] = (struct cb_key_use){ .from_ns = g->end.from_ns, .to_ns = g->end.to_ns };
			memcpy(v[n++].name, g->key, sizeof(v->name));
		}
		u = &v[k];
		u->segments++;
		u->bytes += g->end.bytes;
		if (g->end.from_ns < u->from_ns)
			u->from_ns = g->end.from_ns;
		if (g->end.to_ns > u->to_ns)
			u->to_ns = g->end.to_ns;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}
