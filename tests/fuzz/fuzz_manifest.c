/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: any bytes are understood to some line and no further; what was understood,
 * written again, is understood the same; and looking at head and tail alone (as a query does)
 * says nothing else than reading all of it. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "store/box.h"
#include "store/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

static void same_end(const struct cb_manifest_end *a, const struct cb_manifest_end *b)
{
	want(strcmp(a->reason, b->reason) == 0 && a->fragments == b->fragments && a->gaps == b->gaps &&
	     a->packets == b->packets && a->bytes == b->bytes && a->from_ns == b->from_ns &&
	     a->to_ns == b->to_ns && a->lost == b->lost);
}

static void same(const struct cb_manifest *a, const struct cb_manifest *b)
{
	want(strcmp(a->camera, b->camera) == 0 && strcmp(a->id, b->id) == 0 &&
	     strcmp(a->recording, b->recording) == 0 && a->index == b->index &&
	     a->start_ns == b->start_ns && a->recording_ns == b->recording_ns && a->sealed == b->sealed &&
	     strcmp(a->key, b->key) == 0);
	want(a->n == b->n && a->n_gaps == b->n_gaps && a->ended == b->ended);
	for (size_t i = 0; i < a->n; i++) {
		const struct cb_fragment *f = &a->frag[i], *g = &b->frag[i];

		want(f->number == g->number && f->offset == g->offset && f->length == g->length &&
		     memcmp(f->sha256, g->sha256, CB_SHA256_LEN) == 0 && f->pts == g->pts &&
		     f->duration == g->duration && f->wall_ns == g->wall_ns &&
		     f->wall_to_ns == g->wall_to_ns && f->flags == g->flags && f->packets == g->packets &&
		     f->sealed == g->sealed && memcmp(f->commit, g->commit, CB_SHA256_LEN) == 0);
	}
	for (size_t i = 0; i < a->n_gaps; i++) {
		const struct cb_manifest_gap *f = &a->gap[i], *g = &b->gap[i];

		want(f->after == g->after && f->stream == g->stream && f->g.reason == g->g.reason &&
		     f->g.from_ns == g->g.from_ns && f->g.to_ns == g->g.to_ns &&
		     f->g.packets == g->g.packets && f->g.bytes == g->g.bytes &&
		     strcmp(f->g.text, g->g.text) == 0);
	}
	same_end(&a->end, &b->end);
}

static void invariants(const struct cb_manifest *m, size_t n)
{
	uint64_t at = 0;
	size_t k = 0;

	want(m->good <= n && cb_camera_name_ok(m->camera));
	for (size_t i = 0; i < m->n; i++) {
		want(m->frag[i].number == i && m->frag[i].offset == at && cb_fragment_plain(&m->frag[i]) > 0 &&
		     cb_fragment_plain(&m->frag[i]) <= CB_FRAGMENT_MAX && m->frag[i].sealed == m->sealed);
		at += m->frag[i].length;
	}
	for (size_t i = 0; i < m->n_gaps; i++) {
		want(m->gap[i].after < m->n && m->gap[i].after >= k);
		k = m->gap[i].after;
	}
	want(m->end.fragments == (m->n ? m->n - 1 : 0) && m->end.gaps == m->n_gaps);
	want(m->n == 0 || m->end.bytes == at);
}

/* Write it with the functions that a recorder uses. */
static void again(const struct cb_manifest *m)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_manifest back;
	struct cb_buf b = { 0 };
	struct cb_sha256 h;
	uint8_t digest[CB_SHA256_LEN];
	size_t k = 0;

	want(cb_manifest_put_head(&b, m, "producer 1 \xc3\xa4", "") == 0);
	for (size_t i = 0; i < m->n; i++) {
		want(cb_manifest_put_fragment(&b, &m->frag[i]) == 0);
		for (; k < m->n_gaps && m->gap[k].after == i; k++)
			want(cb_manifest_put_gap(&b, &m->gap[k]) == 0);
	}
	if (m->ended) {
		cb_sha256_init(&h);
		cb_sha256_update(&h, b.data, b.len);
		want(cb_manifest_put_end(&b, &m->end, &h, digest) == 0);
	}
	want(cb_manifest_parse(&back, (const char *)b.data, b.len, &err) == 0);
	same(m, &back);
	want(back.good == b.len && (!back.ended || back.digest_ok));
	cb_manifest_release(&back);
	cb_buf_release(&b);
}

static void peek(const struct cb_manifest *m, bool whole, const char *text, size_t n)
{
	size_t head = n < CB_MANIFEST_LINE_MAX ? n : CB_MANIFEST_LINE_MAX, tail = n < 512 ? n : 512;
	struct cb_manifest q = { 0 };

	if (!cb_manifest_peek(&q, text, head, text + n - tail, tail) || !whole)
		return;
	/* where the whole of it makes sense and ends, the ends say the same */
	want(m->ended && strcmp(q.camera, m->camera) == 0 && strcmp(q.id, m->id) == 0 &&
	     q.start_ns == m->start_ns && strcmp(q.key, m->key) == 0 && memcmp(q.digest, m->digest, CB_SHA256_LEN) == 0);
	same_end(&q.end, &m->end);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_manifest m;
	int k = cb_manifest_parse(&m, (const char *)p, n, &err);

	want(k == 0 ? err.code == CB_OK : err.code == CB_E_DATA && strncmp(err.msg, "line ", 5) == 0);
	if (k == 0 || m.n)
		invariants(&m, n);
	if (k == 0)
		again(&m);
	peek(&m, k == 0, (const char *)p, n);
	cb_manifest_reveal(&m);
	for (size_t i = 1; i < m.n; i++)
		want(m.frag[i].offset == m.frag[i - 1].offset + m.frag[i - 1].length);
	cb_manifest_release(&m);
	return 0;
}
