/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a store from end to end. */
#include "store/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"
#include "store/box.h"
#include "store/daykey.h"
#include "store/events.h"
#include "store/segment.h"

struct check {
	const struct cb_store *s;
	const char *camera;
	cb_finding_fn *fn;
	void *ctx;
	struct cb_check_totals *t;
	struct cb_init *init;
	char missing[CB_DAY_KEY_NAME];	/* the key that was found missing last */
};

static int found(struct check *c, const char *path, int64_t fragment, const char *text,
		 struct cb_err *err)
{
	c->t->findings++;
	return c->fn(c->ctx, c->camera, path, fragment, text, err);
}

/* The packets of a fragment whose own digest is right: does its table tell the truth? */
static const char *check_packets(struct check *c, const struct cb_fragment *line, const uint8_t *p,
				 size_t len, char text[static 600])
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_fragment_view v;
	uint8_t sum[CB_SHA256_LEN];
	struct cb_table_entry e;
	bool known;

	if (cb_fragment_parse(&v, p, len, &why) < 0) {
		snprintf(text, 600, "%s", why.msg);
		return text;
	}
	if (v.number != line->number || v.n != line->packets || v.flags != line->flags)
		return "its packet table is not what its line says";
	while (cb_fragment_next(&v, &e)) {
		cb_sha256(sum, e.data, e.len);
		if (memcmp(sum, e.digest, sizeof(sum)) != 0)
			return "a packet is not what its digest says";
		known = false;
		for (uint32_t i = 0; i < c->init->n; i++)
			known |= c->init->stream[i].stream == e.stream;
		if (!known)
			return "a packet of a stream that the init segment does not name";
	}
	c->t->packets += v.n;
	return NULL;
}

/* Can we see what is in a segment? A key that is not as it should be is found once. */
static int look_inside(struct check *c, const struct cb_segment_reader *r, const char *path, bool *ret,
		       struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	const struct cb_day_key *key;

	*ret = !r->m.sealed || cb_keyring_get(c->s->keys, c->s, c->camera, r->m.key, &key, &why) == 0;
	if (*ret)
		return 0;
	switch (why.code) {
	case CB_E_NO:
		c->t->destroyed++;
		return 0;
	case CB_E_PERM:
		c->t->encrypted++;
		return 0;
	case CB_E_DATA:
		if (strcmp(c->missing, r->m.key) == 0)
			return 0;
		memcpy(c->missing, r->m.key, sizeof(c->missing));
		return found(c, path, -1, why.msg, err);
	default:
		if (err)
			*err = why;
		return -1;
	}
}

static int check_segment(struct check *c, const struct cb_segment *g, struct cb_err *err)
{
	struct cb_segment_reader r = { .mp4 = -1 };
	struct cb_err why = CB_ERR_INIT;
	char path[CB_SEGMENT_PATH], text[600];
	const struct cb_fragment *last;
	uint8_t *head = NULL;
	const uint8_t *p;
	size_t len;
	bool inside;
	int ret = -1;

	cb_segment_path(path, g);
	c->t->segments++;
	c->t->open += g->state == CB_SEGMENT_OPEN;
	if (cb_segment_reader_open_live(&r, c->s, g, &why) < 0) {
		if (why.code == CB_E_OS || why.code == CB_E_PERM) {
			if (err)
				*err = why;
			return -1;
		}
		return found(c, path, -1, why.msg, err);
	}
	if (!r.whole && found(c, path, -1, r.why.msg, err) < 0)
		goto out;
	if (r.whole && r.sealed && !r.m.ended &&
	    found(c, path, -1, "its manifest has no end", err) < 0)
		goto out;
	if (look_inside(c, &r, path, &inside, err) < 0)
		goto out;
	for (size_t i = 0; i < r.m.n && !cb_stop_wanted(); i++) {
		const char *what = NULL;

		why = (struct cb_err)CB_ERR_INIT;
		if ((inside ? cb_segment_reader_get : cb_segment_reader_stored)(&r, i, &p, &len, &why) < 0) {
			if (why.code == CB_E_OS) {
				*err = why;
				goto out;
			}
			what = why.msg;
		} else if (!inside) {
			;
		} else if (i == 0) {
			head = malloc(len);	/* the streams' names point into it */
			if (!head) {
				cb_err_nomem(err);
				goto out;
			}
			memcpy(head, p, len);
			if (cb_init_parse(c->init, head, len, &why) < 0)
				what = why.msg;
		} else if (head) {
			what = check_packets(c, &r.m.frag[i], p, len, text);
		}
		if (what && found(c, path, (int64_t)i, what, err) < 0)
			goto out;
		c->t->fragments += i > 0;
		c->t->bytes += r.m.frag[i].length;
	}
	last = &r.m.frag[r.m.n - 1];
	if (r.m.ended && r.size > last->offset + last->length &&
	    found(c, path, -1, "the file goes on after its last fragment", err) < 0)
		goto out;
	ret = 0;
out:
	free(head);
	cb_segment_reader_close(&r);
	return ret;
}

static int on_event(void *ctx, const char *file, uint64_t line_no, const struct cb_event *ev,
		    const char *line, size_t len, struct cb_err *err)
{
	struct check *c = ctx;
	char text[100];

	(void)line;
	c->t->events++;
	if (ev)
		return 0;
	snprintf(text, sizeof(text), "line %ju (%zu bytes) is no event", (uintmax_t)line_no, len);
	return found(c, file, -1, text, err);
}

int cb_check(const struct cb_store *s, const char *camera, cb_finding_fn *fn, void *ctx,
	     struct cb_check_totals *ret, struct cb_err *err)
{
	struct check c = { .s = s, .fn = fn, .ctx = ctx, .t = ret };
	struct cb_names cameras = { 0 };
	struct cb_segments l = { 0 };
	int k = -1;

	*ret = (struct cb_check_totals){ 0 };
	c.init = malloc(sizeof(*c.init));
	if (!c.init)
		return cb_err_nomem(err);
	if (cb_store_cameras(s, &cameras, err) < 0)
		goto out;
	for (size_t i = 0; i < cameras.n; i++) {
		c.camera = cameras.v[i];
		if (camera && strcmp(camera, c.camera) != 0)
			continue;
		ret->cameras++;
		if (cb_store_segments(s, c.camera, INT64_MIN, INT64_MAX, NULL, &l, err) < 0)
			goto out;
		for (size_t n = 0; n < l.n && !cb_stop_wanted(); n++)
			if (check_segment(&c, &l.v[n], err) < 0)
				goto out;
		cb_segments_release(&l);
		if (!cb_stop_wanted() &&
		    cb_events_read(s, c.camera, INT64_MIN, INT64_MAX, on_event, &c, err) < 0)
			goto out;
	}
	if (camera && !ret->cameras) {
		cb_err_set(err, CB_E_NOINPUT, "no camera %s in the store", camera);
		goto out;
	}
	k = 0;
out:
	cb_segments_release(&l);
	cb_names_release(&cameras);
	free(c.init);
	return k;
}
