/* SPDX-License-Identifier: Apache-2.0 */
/* Stretches of time, from events and from a camera's file `pruned`. */
#include "store/spans.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/again.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "wire/event.h"

#define PRUNED "pruned"
#define PRUNED_MAX ((size_t)64 << 20)
#define SEAM_NS CB_NS_PER_S		/* stretches so close are one in `pruned` */

int cb_spans_add(struct cb_spans *l, const char *camera, int64_t from_ns, int64_t to_ns, struct cb_err *err)
{
	if (l->n >= CB_SPANS_MAX)
		return cb_err_set(err, CB_E_DATA, "more than %u stretches of time", CB_SPANS_MAX);
	if ((l->n & (l->n - 1)) == 0) {
		void *p = realloc(l->v, (l->n ? 2 * l->n : 1) * sizeof(*l->v));

		if (!p)
			return cb_err_nomem(err);
		l->v = p;
	}
	l->v[l->n] = (struct cb_span){ .from_ns = from_ns, .to_ns = to_ns };
	strncat(l->v[l->n].camera, camera, CB_NAME_MAX);
	l->n++;
	return 0;
}

static int by_span(const void *pa, const void *pb)
{
	const struct cb_span *a = pa, *b = pb;
	int k = strcmp(a->camera, b->camera);

	return k ? k : a->from_ns != b->from_ns ? (a->from_ns < b->from_ns ? -1 : 1) : 0;
}

static void merge(struct cb_spans *l, int64_t seam)
{
	size_t n = 0;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_span);
	for (size_t i = 0; i < l->n; i++) {
		struct cb_span *last = n ? &l->v[n - 1] : NULL;

		if (last && strcmp(last->camera, l->v[i].camera) == 0 &&
		    (last->to_ns > INT64_MAX - seam || l->v[i].from_ns <= last->to_ns + seam)) {
			if (l->v[i].to_ns > last->to_ns)
				last->to_ns = l->v[i].to_ns;
		} else {
			l->v[n++] = l->v[i];
		}
	}
	l->n = n;
}

void cb_spans_done(struct cb_spans *l)
{
	merge(l, 0);
}

bool cb_spans_touch(const struct cb_spans *l, const char *camera, int64_t from_ns, int64_t to_ns)
{
	size_t a = 0, z = l->n;

	/* the first that ends after from_ns: merged ones end in the order in which they begin */
	while (a < z) {
		size_t m = a + (z - a) / 2;
		int k = strcmp(l->v[m].camera, camera);

		if (k < 0 || (k == 0 && l->v[m].to_ns < from_ns))
			a = m + 1;
		else
			z = m;
	}
	return a < l->n && strcmp(l->v[a].camera, camera) == 0 && l->v[a].from_ns <= to_ns;
}

void cb_spans_release(struct cb_spans *l)
{
	free(l->v);
	*l = (struct cb_spans){ 0 };
}

/* --- from events ------------------------------------------------------------------------------------ */

static int64_t plus(int64_t a, int64_t b)
{
	int64_t r;

	return __builtin_add_overflow(a, b, &r) ? (b < 0 ? INT64_MIN : INT64_MAX) : r;
}

/* data.from_us and data.to_us where the event is about a stretch, else data.t_us. */
static int span_of(struct cb_spans *l, const struct cb_event *ev, int64_t pre_ns, int64_t post_ns,
		   struct cb_err *err)
{
	char camera[CB_NAME_MAX + 1];
	int64_t from = ev->t_us, to, v;

	if (ev->subject == CB_JSON_NONE || cb_json_str(ev->json, ev->subject, camera, sizeof(camera)) < 0)
		return 0;
	if (ev->t_us == INT64_MIN)
		return cb_err_set(err, CB_E_DATA, "an event without a time");
	to = from;
	if (cb_json_i64(ev->json, cb_json_get(ev->json, ev->data, "from_us"), &v) && v < from)
		from = v;
	if (cb_json_i64(ev->json, cb_json_get(ev->json, ev->data, "to_us"), &v) && v > to)
		to = v;
	if (from < INT64_MIN / CB_NS_PER_US || to > INT64_MAX / CB_NS_PER_US)
		return cb_err_set(err, CB_E_DATA, "an event of a time that cannot be");
	return cb_spans_add(l, camera, plus(from * CB_NS_PER_US, -pre_ns), plus(to * CB_NS_PER_US, post_ns), err);
}

int cb_spans_read(int fd, int64_t pre_ns, int64_t post_ns, struct cb_spans *ret, struct cb_err *err)
{
	struct cb_json *j = malloc(sizeof(*j));
	struct cb_spans l = { 0 };
	struct cb_frame f = { 0 };
	struct cb_event ev;
	struct cb_evin in;
	const char *line;
	size_t len;
	int k, r = -1;

	*ret = l;
	if (!j)
		return cb_err_nomem(err);
	cb_evin_init(&in, fd);
	while ((k = cb_evin_next(&in, &line, &len, &f, err)) > 0) {
		if (line && (cb_event_parse(&ev, j, line, len, err) < 0 ||
			     span_of(&l, &ev, pre_ns, post_ns, err) < 0)) {
			cb_err_prefix(err, in.frames ? "frame %" PRIu64 : "line %" PRIu64, in.line);
			goto out;
		}
	}
	if (k < 0 || cb_evin_finish(&in, err) < 0)
		goto out;
	if (cb_stop_wanted()) {	/* what was not read might have kept something */
		cb_err_set(err, CB_E_TEMP, "stopped before its end");
		goto out;
	}
	cb_spans_done(&l);
	*ret = l;
	l = (struct cb_spans){ 0 };
	r = 0;
out:
	cb_spans_release(&l);
	cb_evin_release(&in);
	free(j);
	return r;
}

int cb_spans_read_file(const char *path, int64_t pre_ns, int64_t post_ns, struct cb_spans *ret, struct cb_err *err)
{
	bool in = strcmp(path, "-") == 0;
	int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	r = cb_spans_read(fd, pre_ns, post_ns, ret, err);
	if (!in)
		close(fd);
	return r < 0 ? cb_err_prefix(err, "%s", in ? "stdin" : path) : 0;
}

/* --- what has gone ------------------------------------------------------------------------------------ */

static int parse_pruned(const char *camera, char *text, struct cb_spans *l, struct cb_err *err)
{
	char *line, *next;
	unsigned n = 0;

	for (line = text; *line; line = next) {
		char *lf = strchr(line, '\n'), *blank;
		int64_t from, to;

		n++;
		if (!lf)
			return cb_err_set(err, CB_E_DATA, "line %u: cut short", n);
		*lf = '\0';
		next = lf + 1;
		blank = strchr(line, ' ');
		if (blank)
			*blank = '\0';
		if (!blank || !cb_parse_i64(line, INT64_MIN, INT64_MAX, &from) ||
		    !cb_parse_i64(blank + 1, INT64_MIN, INT64_MAX, &to))
			return cb_err_set(err, CB_E_DATA, "line %u: not two times", n);
		if (cb_spans_add(l, camera, from, to, err) < 0)
			return -1;
	}
	return 0;
}

int cb_pruned_read(const struct cb_store *s, const char *camera, struct cb_spans *ret, struct cb_err *err)
{
	int dir = cb_camera_open(s, camera, false, err), r = -1;
	struct cb_err why = CB_ERR_INIT;
	struct cb_spans l = { 0 };
	char *text = NULL;
	size_t len;

	*ret = l;
	if (dir < 0)
		return -1;
	if (cb_file_at(dir, PRUNED, PRUNED_MAX, &text, &len, &why) < 0) {
		if (why.sys == ENOENT)
			r = 0;
		else if (err)
			*err = why;
		goto out;
	}
	if (strlen(text) != len)
		cb_err_set(err, CB_E_DATA, "not text");
	else
		r = parse_pruned(camera, text, &l, err);
	if (r < 0) {
		cb_err_prefix(err, "cameras/%s/" PRUNED, camera);
		goto out;
	}
	cb_spans_done(&l);
	*ret = l;
	l = (struct cb_spans){ 0 };
out:
	cb_spans_release(&l);
	free(text);
	close(dir);
	return r;
}

int cb_pruned_write(const struct cb_store *s, const char *camera, struct cb_spans *l, struct cb_err *err)
{
	int dir = cb_camera_open(s, camera, false, err), fd = -1, ret = -1;
	struct cb_buf b = { 0 };

	if (dir < 0)
		return -1;
	merge(l, SEAM_NS);
	for (size_t i = 0; i < l->n; i++)
		if (cb_buf_printf(&b, "%" PRId64 " %" PRId64 "\n", l->v[i].from_ns, l->v[i].to_ns) < 0) {
			cb_err_nomem(err);
			goto out;
		}
	fd = cb_openat(dir, PRUNED ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0) {
		cb_err_sys(err, cb_errc_write(errno), errno, "cameras/%s/" PRUNED, camera);
		goto out;
	}
	if (cb_write_all(fd, b.data, b.len, err) < 0)
		cb_err_prefix(err, "cameras/%s/" PRUNED, camera);
	else if (cb_fsync(fd) < 0 || renameat(dir, PRUNED ".new", dir, PRUNED) < 0 || cb_fsync(dir) < 0)
		cb_err_sys(err, cb_errc_write(errno), errno, "cameras/%s/" PRUNED, camera);
	else
		ret = 0;
	if (ret < 0)
		unlinkat(dir, PRUNED ".new", 0);
out:
	if (fd >= 0)
		close(fd);
	cb_buf_release(&b);
	close(dir);
	return ret;
}
