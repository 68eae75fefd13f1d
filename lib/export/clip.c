/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of a store are a clip. */
#include "export/clip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/stop.h"
#include "store/box.h"
#include "store/seal.h"
#include "store/replay.h"
#include "store/segment.h"

/* --- pictures that cannot be decoded ------------------------------------------------------------ */

/* The type of the first slice in a packet of length-prefixed NAL units: H.264 (ITU-T H.264
 * table 7-1) 1 to 5, H.265 (ITU-T H.265 table 7-1) 0 to 31; -1 where there is none. */
static int slice_type(const struct cb_stream *s, const struct cb_table_entry *e)
{
	bool hevc = strcmp(s->codec, "hevc") == 0;
	const uint8_t *p = e->data, *end = e->data + e->len;

	while (s->nal_length && end - p > s->nal_length) {
		uint32_t len = 0;
		int type;

		for (int i = 0; i < s->nal_length; i++)
			len = len << 8 | *p++;
		if (!len || len > (size_t)(end - p))
			return -1;
		type = hevc ? p[0] >> 1 & 0x3f : p[0] & 0x1f;
		if (hevc ? type < 32 : type >= 1 && type <= 5)
			return type;
		p += len;
	}
	return -1;
}

static uint32_t leading(const struct cb_init *in, struct cb_fragment_view v)
{
	struct cb_stream s = { 0 };
	int64_t key_pts = CB_NOPTS;
	uint32_t n = 0;
	int lead = -1, key = -1;
	struct cb_table_entry e;

	for (uint32_t i = 0; i < in->n; i++) {
		struct cb_frame f = { .type = CB_FRAME_STREAM, .stream = in->stream[i].stream,
				      .payload = in->stream[i].payload, .len = in->stream[i].len };

		if ((lead < 0 || lead == in->stream[i].stream) && cb_stream_parse(&s, &f, NULL) == 0 &&
		    s.kind == CB_VIDEO)
			lead = in->stream[i].stream;
	}
	if (lead < 0 || (strcmp(s.codec, "h264") != 0 && strcmp(s.codec, "hevc") != 0))
		return 0;
	while (cb_fragment_next(&v, &e)) {
		int64_t pts = (int64_t)cb_le64(e.head);
		int type;

		if (e.stream != lead)
			continue;
		type = slice_type(&s, &e);
		if (key < 0) {
			key = type;
			key_pts = pts;
			if (key < 0)
				return 0;
		} else if (strcmp(s.codec, "hevc") == 0) {
			n += type == 8 || type == 9;
		} else {
			n += key != 5 && pts != CB_NOPTS && key_pts != CB_NOPTS && pts < key_pts;
		}
	}
	return n;
}

/* --- what is taken ------------------------------------------------------------------------------ */

/* The word of a line of the manifest's head, without its escapes. */
static void head_word(char *out, size_t cap, const char *text, size_t len, const char *key)
{
	const char *at = memmem(text, len, key, strlen(key)), *end = text + len;
	size_t n = 0;
	uint8_t c;

	out[0] = '\0';
	if (!at)
		return;
	for (at += strlen(key); at < end && *at != '\n' && n + 1 < cap; at++) {
		char hex[3] = { 0 };

		if (*at == '%' && end - at > 2) {
			memcpy(hex, at + 1, 2);
			if (cb_unhex(&c, 1, hex)) {
				out[n++] = (char)c;
				at += 2;
				continue;
			}
		}
		out[n++] = *at;
	}
	out[n] = '\0';
}

/* Whether any of the segment belongs to the range, and then which fragments. */
static bool choose(struct cb_clip_part *p, const struct cb_manifest *m, int64_t from_ns, int64_t to_ns)
{
	size_t start = 1, end;

	for (size_t i = 1; i < m->n; i++)
		if ((m->frag[i].flags & CB_FRAG_KEY) && m->frag[i].wall_ns <= from_ns)
			start = i;
	for (end = start; end < m->n && m->frag[end].wall_ns < to_ns; end++)
		;
	if (end == start)
		return false;
	p->first = m->frag[start].number;
	p->last = m->frag[end - 1].number;
	p->fragments = m->frag[m->n - 1].number;
	p->key = m->frag[start].flags & CB_FRAG_KEY;
	p->encrypted = m->sealed;
	p->init_bytes = p->bytes = cb_fragment_plain(&m->frag[0]);
	p->from_ns = INT64_MAX;
	p->to_ns = INT64_MIN;
	for (size_t i = start; i < end; i++) {
		const struct cb_fragment *f = &m->frag[i];

		p->bytes += cb_fragment_plain(f);
		p->from_ns = f->wall_ns < p->from_ns ? f->wall_ns : p->from_ns;
		p->to_ns = f->wall_to_ns > p->to_ns ? f->wall_to_ns : p->to_ns;
	}
	return p->to_ns > from_ns;
}

int cb_clip_leading(const uint8_t *init, size_t init_len, const uint8_t *fragment, size_t len,
		    uint32_t *ret, struct cb_err *err)
{
	struct cb_init *in = malloc(sizeof(*in));
	struct cb_fragment_view v;
	int k;

	if (!in)
		return cb_err_nomem(err);
	k = cb_init_parse(in, init, init_len, err) < 0 || cb_fragment_parse(&v, fragment, len, err) < 0 ? -1 : 0;
	if (k == 0)
		*ret = leading(in, v);
	free(in);
	return k;
}

static int look_at_first(struct cb_clip_part *p, struct cb_segment_reader *r, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_buf init = { 0 };
	const uint8_t *at;
	size_t len;
	int ret = -1;

	/* what the reader gives lasts until its next call */
	if (cb_segment_reader_get(r, 0, &at, &len, err) < 0)
		return -1;
	if (cb_buf_add(&init, at, len) < 0)
		cb_err_nomem(err);
	else if (cb_segment_reader_get(r, p->first, &at, &len, err) == 0)
		/* what we do not understand is what was recorded all the same */
		ret = cb_clip_leading(init.data, init.len, at, len, &p->leading, &why) < 0 && why.code != CB_E_DATA ?
		      cb_err_nomem(err) : 0;
	cb_buf_release(&init);
	return ret;
}

/* 1: *p is a part; 0: nothing of the segment is in the range; 2: nobody can read it any more. */
static int plan_segment(struct cb_clip_part *p, const struct cb_store *s, const struct cb_segment *g,
			int64_t from_ns, int64_t to_ns, struct cb_err *err)
{
	struct cb_segment_reader r = { .mp4 = -1 };
	int ret = -1;

	*p = (struct cb_clip_part){ .seg = *g };
	if (cb_segment_reader_open_live(&r, s, g, err) < 0)
		goto out;
	if (!r.whole) {
		*err = r.why;
		err->code = CB_E_DATA;
		goto out;
	}
	ret = 0;
	if (!choose(p, &r.m, from_ns, to_ns))
		goto out;
	if (p->encrypted && cb_day_key_state(s, g->camera, r.m.key) == CB_DAY_KEY_DESTROYED) {
		ret = 2;
		goto out;
	}
	ret = -1;
	p->sealed = r.sealed && r.m.ended;
	memcpy(p->digest, r.m.digest, sizeof(p->digest));
	if (cb_segment_manifest(s, g, &p->manifest, &p->manifest_len, err) < 0)
		goto out;
	/* what was appended since then is not what we have looked at */
	if (p->manifest_len < r.m.good) {
		cb_err_set(err, CB_E_DATA, "%s.manifest: became shorter", g->name);
		goto out;
	}
	p->manifest_len = r.m.good;
	head_word(p->producer, sizeof(p->producer), p->manifest, p->manifest_len, "\nproducer ");
	head_word(p->recorder, sizeof(p->recorder), p->manifest, p->manifest_len, "\nrecorder ");
	if (look_at_first(p, &r, err) < 0)
		goto out;
	ret = 1;
out:
	if (ret < 0)
		cb_err_prefix(err, "cameras/%s/%s", g->camera, g->day);
	if (ret != 1) {
		free(p->manifest);
		p->manifest = NULL;
	}
	cb_segment_reader_close(&r);
	return ret;
}

int cb_clip_plan(struct cb_clip *ret, const struct cb_store *s, const char *camera, int64_t from_ns,
		 int64_t to_ns, struct cb_err *err)
{
	struct cb_segments l = { 0 };
	bool destroyed = false;
	int k = -1;

	*ret = (struct cb_clip){ .from_ns = INT64_MAX, .to_ns = INT64_MIN };
	if (cb_replay_lead(s, camera, from_ns, &from_ns, err) < 0)
		return -1;
	if (cb_store_segments(s, camera, from_ns, to_ns, NULL, &l, err) < 0)
		return -1;
	ret->v = calloc(l.n + 1, sizeof(*ret->v));
	if (!ret->v) {
		cb_err_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < l.n; i++) {
		struct cb_clip_part *p = &ret->v[ret->n];

		k = plan_segment(p, s, &l.v[i], from_ns, to_ns, err);
		if (k < 0)
			goto out;
		destroyed |= k == 2;
		if (k != 1)
			continue;
		ret->n++;
		ret->from_ns = p->from_ns < ret->from_ns ? p->from_ns : ret->from_ns;
		ret->to_ns = p->to_ns > ret->to_ns ? p->to_ns : ret->to_ns;
	}
	k = ret->n ? 0 : cb_err_set(err, CB_E_NO, destroyed ? "camera %s: the key of what was recorded there was destroyed" :
				    "camera %s: nothing was recorded there", camera);
out:
	cb_segments_release(&l);
	if (k < 0)
		cb_clip_release(ret);
	return k;
}

int cb_clip_write(struct cb_clip_part *p, const struct cb_store *s, struct cb_bundle *b,
		  const char *name, struct cb_err *err)
{
	struct cb_segment_reader r = { .mp4 = -1 };
	const uint8_t *at;
	size_t len;
	int ret = -1;

	if (cb_segment_reader_open(&r, s, &p->seg, err) < 0)
		goto out;
	/* the manifest that goes into the bundle is the one that these bytes are checked against */
	if (r.m.n <= p->last || r.m.good < p->manifest_len) {
		cb_err_set(err, CB_E_DATA, "%s.manifest: became shorter", p->seg.name);
		goto out;
	}
	if (cb_bundle_begin(b, name, p->bytes, err) < 0)
		goto out;
	for (uint32_t i = 0; i <= p->last; i = i ? i + 1 : p->first) {
		if (cb_stop_wanted()) {
			cb_err_set(err, CB_E_TEMP, "stopped");
			goto out;
		}
		if (cb_segment_reader_get(&r, i, &at, &len, err) < 0) {
			cb_err_prefix(err, "cameras/%s/%s/%s.mp4", p->seg.camera, p->seg.day, p->seg.name);
			goto out;
		}
		if (cb_bundle_write(b, at, len, err) < 0)
			goto out;
		if (r.salt && cb_buf_add(&p->salts, r.salt, CB_SALT_LEN) < 0) {
			cb_err_nomem(err);
			goto out;
		}
	}
	ret = cb_bundle_end(b, err);
out:
	cb_segment_reader_close(&r);
	return ret;
}

void cb_clip_release(struct cb_clip *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].manifest);
		cb_buf_release(&c->v[i].salts);
	}
	free(c->v);
	*c = (struct cb_clip){ 0 };
}
