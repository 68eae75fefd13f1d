/* SPDX-License-Identifier: Apache-2.0 */
/* Detections by picture. */
#include "draw/dets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "wire/event.h"

static bool area_parse(struct cb_area *ret, const struct cb_json *j, uint32_t tok)
{
	static const char *const part[4] = { "0", "1", "2", "3" };
	double v[4];

	if (tok == CB_JSON_NONE || j->tok[tok].type != CB_JSON_ARRAY || j->tok[tok].size != 4)
		return false;
	for (int i = 0; i < 4; i++)
		if (!cb_json_double(j, cb_json_path(j, tok, part[i]), &v[i]) ||
		    !(fabs(v[i]) <= 16))
			return false;
	*ret = (struct cb_area){ (float)v[0], (float)v[1], (float)v[2], (float)v[3] };
	return true;
}

/* a string cut to what the name holds, at a character's begin */
static bool name_parse(char out[48], const struct cb_json *j, uint32_t tok)
{
	char whole[1024];
	size_t n = 47;

	if (tok == CB_JSON_NONE || j->tok[tok].type != CB_JSON_STRING)
		return false;
	if (cb_json_str(j, tok, whole, sizeof(whole)) < 0)
		memcpy(whole, "(long)", 7);
	if (strlen(whole) <= n)
		n = strlen(whole);
	else
		while (n && ((unsigned char)whole[n] & 0xc0) == 0x80)
			n--;
	memcpy(out, whole, n);
	out[n] = 0;
	return true;
}

static uint32_t member(const struct cb_json *j, uint32_t obj, const char *key)
{
	return obj == CB_JSON_NONE || j->tok[obj].type != CB_JSON_OBJECT ? CB_JSON_NONE :
		cb_json_get(j, obj, key);
}

static int objects_parse(struct cb_det *d, const struct cb_json *j, uint32_t list,
			 struct cb_err *err)
{
	uint32_t n, t;

	if (list == CB_JSON_NONE)
		return 0;
	if (j->tok[list].type != CB_JSON_ARRAY)
		return cb_err_set(err, CB_E_DATA, "data.objects is no array");
	n = j->tok[list].size;
	d->objects = calloc(n ? n : 1, sizeof(*d->objects));
	if (!d->objects)
		return cb_err_nomem(err);
	t = list + 1;
	for (uint32_t i = 0; i < n; i++, t = j->tok[t].next) {
		struct cb_object *o = &d->objects[d->n_objects];
		double score = 0;

		if (!name_parse(o->name, j, member(j, t, "class")) ||
		    !cb_json_double(j, member(j, t, "score"), &score) ||
		    !area_parse(&o->at, j, member(j, t, "box")))
			return cb_err_set(err, CB_E_DATA, "data.objects.%u: not an object with "
					  "class, score and box", i);
		o->score = (float)score;
		d->n_objects++;
	}
	return 0;
}

static int motion_parse(struct cb_det *d, const struct cb_json *j, uint32_t motion,
			struct cb_err *err)
{
	uint32_t list = member(j, motion, "boxes"), t;

	if (motion == CB_JSON_NONE)
		return 0;
	if (!cb_json_double(j, member(j, motion, "score"), &d->motion))
		d->motion = 0;
	if (list == CB_JSON_NONE || j->tok[list].type != CB_JSON_ARRAY)
		return 0;
	d->areas = calloc(j->tok[list].size + 1, sizeof(*d->areas));
	if (!d->areas)
		return cb_err_nomem(err);
	t = list + 1;
	for (uint32_t i = 0; i < j->tok[list].size; i++, t = j->tok[t].next) {
		if (!area_parse(&d->areas[i], j, t))
			return cb_err_set(err, CB_E_DATA, "data.motion.boxes.%u: not a box", i);
		d->n_areas++;
	}
	return 0;
}

int cb_det_parse(struct cb_det **ret, struct cb_json *j, const char *line, size_t len,
		 struct cb_err *err)
{
	struct cb_event e;
	struct cb_det *d;
	uint32_t packet;
	char hex[65];
	int64_t stream;

	if (cb_event_parse(&e, j, line, len, err) < 0)
		return -1;
	if (!cb_json_eq(j, e.type, "cb.detection"))
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return cb_err_nomem(err);
	if (!cb_json_i64(j, member(j, e.data, "stream"), &stream) || stream < 0 || stream > 63) {
		cb_err_set(err, CB_E_DATA, "cb.detection: data.stream is not 0 to 63");
		goto fail;
	}
	d->stream = (uint16_t)stream;
	d->pts = CB_NOPTS;
	d->has_pts = cb_json_i64(j, member(j, e.data, "pts"), &d->pts);
	packet = member(j, e.data, "packet");
	d->has_digest = packet != CB_JSON_NONE && j->tok[packet].type == CB_JSON_STRING &&
		cb_json_str(j, packet, hex, sizeof(hex)) >= 0 && strlen(hex) == 64 &&
		cb_unhex(d->digest, 32, hex);
	if (!d->has_pts && !d->has_digest) {
		cb_err_set(err, CB_E_DATA, "cb.detection: neither data.pts nor data.packet");
		goto fail;
	}
	if (objects_parse(d, j, member(j, e.data, "objects"), err) < 0 ||
	    motion_parse(d, j, member(j, e.data, "motion"), err) < 0) {
		cb_err_prefix(err, "cb.detection");
		goto fail;
	}
	*ret = d;
	return 1;
fail:
	cb_det_free(d);
	return -1;
}

void cb_det_free(struct cb_det *d)
{
	if (!d)
		return;
	free(d->objects);
	free(d->areas);
	free(d);
}

static struct cb_det *take_out(struct cb_dets *s, size_t i)
{
	struct cb_det *d = s->v[i];

	memmove(s->v + i, s->v + i + 1, (--s->n - i) * sizeof(*s->v));
	return d;
}

int cb_dets_add(struct cb_dets *s, struct cb_det *d, bool whole, struct cb_err *err)
{
	size_t bytes = sizeof(*d) + (size_t)d->n_objects * sizeof(*d->objects) +
		(size_t)d->n_areas * sizeof(*d->areas) + 3 * sizeof(void *) + 48;

	if (whole && s->bytes + bytes > CB_DETS_BYTES_MAX) {
		cb_det_free(d);
		return cb_err_set(err, CB_E_DATA, "more than %zu detections", s->n);
	}
	if (!whole && s->n >= CB_DETS_WAITING) {
		cb_det_free(take_out(s, 0));
		s->dropped++;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct cb_det **v = reallocarray(s->v, cap, sizeof(*v));

		if (!v) {
			cb_det_free(d);
			return cb_err_nomem(err);
		}
		s->v = v;
		s->cap = cap;
	}
	d->order = s->order++;
	s->bytes += bytes;
	s->v[s->n++] = d;
	return 0;
}

static int compare(const struct cb_det *d, uint16_t stream, int64_t pts, uint64_t order)
{
	if (d->stream != stream)
		return d->stream < stream ? -1 : 1;
	if (d->pts != pts)
		return d->pts < pts ? -1 : 1;
	return d->order < order ? -1 : d->order > order;
}

static int by_picture(const void *a, const void *b)
{
	const struct cb_det *x = *(struct cb_det *const *)a, *y = *(struct cb_det *const *)b;

	return compare(x, y->stream, y->pts, y->order);
}

void cb_dets_sort(struct cb_dets *s)
{
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_picture);
	s->sorted = true;
}

static bool same_packet(struct cb_dets *s, const struct cb_det *d, const uint8_t *digest)
{
	if (!digest || !d->has_digest || memcmp(d->digest, digest, 32) == 0)
		return true;
	s->other_packet++;
	return false;
}

const struct cb_det *cb_dets_find(struct cb_dets *s, uint16_t stream, int64_t pts,
				  const uint8_t *digest)
{
	size_t lo = 0, hi = s->n;

	if (s->sorted) {
		while (lo < hi) {	/* the first one after this picture's */
			size_t mid = lo + (hi - lo) / 2;

			if (compare(s->v[mid], stream, pts, UINT64_MAX) < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		hi = lo;
	}
	while (hi-- > 0) {
		const struct cb_det *d = s->v[hi];

		if (s->sorted && (d->stream != stream || d->pts != pts))
			break;
		if (d->stream != stream || (d->has_pts && d->pts != pts) ||
		    (!d->has_pts && !digest) || !same_packet(s, d, digest))
			continue;
		s->used++;
		if (!s->sorted) {	/* its turn has come; keep it for as long as it shows */
			cb_det_free(s->shown[stream % CB_STREAMS_MAX]);
			s->shown[stream % CB_STREAMS_MAX] = take_out(s, hi);
		}
		return d;
	}
	return NULL;
}

void cb_dets_release(struct cb_dets *s)
{
	for (size_t i = 0; i < s->n; i++)
		cb_det_free(s->v[i]);
	for (size_t i = 0; i < CB_STREAMS_MAX; i++)
		cb_det_free(s->shown[i]);
	free(s->v);
	*s = (struct cb_dets){ 0 };
}
