/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures for alerts, by name. */
#include "deliver/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "wire/event.h"

struct cb_snapshots {
	int dir;
	uint64_t bytes;
	int64_t age_ns;
	struct cb_json json;
};

int cb_snapshots_open(struct cb_snapshots **ret, const struct cb_deliver_conf *conf, struct cb_err *err)
{
	struct cb_snapshots *s;

	*ret = NULL;
	if (!conf->snapshots)
		return 0;
	s = malloc(sizeof(*s));
	if (!s)
		return cb_err_nomem(err);
	s->bytes = conf->snapshot_bytes;
	s->age_ns = conf->snapshot_age_ns;
	s->dir = open(conf->snapshots, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		free(s);
		return cb_err_sys(err, cb_errc_open(errno), errno, "snapshots: %s", conf->snapshots);
	}
	*ret = s;
	return 0;
}

void cb_snapshots_close(struct cb_snapshots *s)
{
	if (!s)
		return;
	close(s->dir);
	free(s);
}

static bool name_ok(const char *s)
{
	return *s && *s != '.' && *s != '-' && strlen(s) <= 100 &&
		strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(s);
}

static bool take(struct cb_snapshots *s, const char *name, int64_t age_ns, struct cb_buf *ret)
{
	size_t start = ret->len;
	struct stat st;
	char path[128];
	bool good = false;
	ssize_t n;
	int fd;

	if (!name_ok(name))
		return false;
	snprintf(path, sizeof(path), "%s.jpg", name);
	fd = openat(s->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 4 && (uint64_t)st.st_size <= s->bytes &&
	    (age_ns < 0 || cb_now_wall_ns() - (st.st_mtim.tv_sec * CB_NS_PER_S + st.st_mtim.tv_nsec) <= age_ns) &&
	    cb_buf_reserve(ret, (size_t)st.st_size) == 0) {
		size_t want = (size_t)st.st_size;

		while (want && ((n = read(fd, ret->data + ret->len, want)) > 0 || (n < 0 && errno == EINTR)))
			if (n > 0) {
				ret->len += (size_t)n;
				want -= (size_t)n;
			}
		n = (ssize_t)(ret->len - start);
		good = !want && memcmp(ret->data + start, "\xff\xd8\xff", 3) == 0 &&
			memcmp(ret->data + ret->len - 2, "\xff\xd9", 2) == 0;
	}
	close(fd);
	if (!good)
		ret->len = start;
	return good;
}

bool cb_snapshots_find(struct cb_snapshots *s, const char *line, size_t len, struct cb_buf *ret)
{
	struct cb_event ev;
	char name[256];
	uint32_t tok;

	if (cb_event_parse(&ev, &s->json, line, len, NULL) < 0)
		return false;
	tok = cb_json_get(&s->json, ev.data, "event");
	if (tok != CB_JSON_NONE && cb_json_str(&s->json, tok, name, sizeof(name)) >= 0 && take(s, name, -1, ret))
		return true;
	return ev.subject != CB_JSON_NONE && cb_json_str(&s->json, ev.subject, name, sizeof(name)) >= 0 &&
		take(s, name, s->age_ns, ret);
}
