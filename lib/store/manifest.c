/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: strict text, one fact a line. */
#include "store/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "store/box.h"
#include "store/daykey.h"

#define MAGIC "cb-manifest "	/* and the version: 1, 2 where encrypted */
#define HEADS 7

/* --- writing ----------------------------------------------------------------------------------- */

/* Text as one word: what is no plain ASCII, and '%', as %XX; "-" for nothing. */
static int put_word(struct cb_buf *b, const char *s)
{
	if (!*s)
		return cb_buf_str(b, "-");
	if (strcmp(s, "-") == 0)
		return cb_buf_str(b, "%2D");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char hex[4];
		int r;

		if (c > ' ' && c < 127 && c != '%') {
			r = cb_buf_byte(b, c);
		} else {
			snprintf(hex, sizeof(hex), "%%%02X", c);
			r = cb_buf_str(b, hex);
		}
		if (r < 0)
			return -1;
	}
	return 0;
}

int cb_manifest_put_head(struct cb_buf *b, const struct cb_manifest *m, const char *producer,
			 const char *recorder)
{
	if (cb_buf_printf(b, MAGIC "%d\ncamera %s\nsegment %s\nrecording %s %" PRIu32 " %" PRId64
			  "\nstart %" PRId64 "\nproducer ", m->sealed ? 2 : 1, m->camera, m->id, m->recording,
			  m->index, m->recording_ns, m->start_ns) < 0 ||
	    put_word(b, producer) < 0 || cb_buf_str(b, "\nrecorder ") < 0 ||
	    put_word(b, recorder) < 0 || cb_buf_byte(b, '\n') < 0)
		return -1;
	return m->sealed ? cb_buf_printf(b, "key %s\n", m->key) : 0;
}

int cb_manifest_put_stream(struct cb_buf *b, uint16_t stream, const struct cb_stream *s, bool playable)
{
	if (cb_buf_printf(b, "stream %u %s ", stream,
			  s->kind == CB_VIDEO ? "video" : s->kind == CB_AUDIO ? "audio" : "data") < 0 ||
	    put_word(b, s->codec) < 0 ||
	    cb_buf_printf(b, " %u/%u %s\n", s->tb_num, s->tb_den, playable ? "track" : "hidden") < 0)
		return -1;
	return 0;
}

static int put_num(struct cb_buf *b, int64_t v)
{
	return v == CB_NOPTS ? cb_buf_str(b, " -") : cb_buf_printf(b, " %" PRId64, v);
}

int cb_manifest_put_fragment(struct cb_buf *b, const struct cb_fragment *f)
{
	char hex[CB_SHA256_HEX], flags[8];
	int n = 0;

	cb_hex(hex, f->sha256, CB_SHA256_LEN);
	if (f->flags & CB_FRAG_KEY)
		flags[n++] = 'K';
	if (f->flags & CB_FRAG_PARTIAL)
		flags[n++] = 'P';
	if (f->flags & CB_FRAG_CLOCK)
		flags[n++] = 'C';
	if (!n)
		flags[n++] = '-';
	flags[n] = '\0';
	if (cb_buf_printf(b, "%" PRIu32 " %" PRIu64 " %" PRIu64 " %s", f->number, f->offset,
			  f->length, hex) < 0 ||
	    put_num(b, f->pts) < 0 ||
	    cb_buf_printf(b, " %" PRId64 " %" PRId64 " %s %" PRIu32 " %" PRId64, f->duration,
			  f->wall_ns, flags, f->packets, f->wall_to_ns) < 0)
		return -1;
	cb_hex(hex, f->commit, CB_SHA256_LEN);
	return f->sealed ? cb_buf_printf(b, " %s\n", hex) : cb_buf_str(b, "\n");
}

int cb_manifest_put_gap(struct cb_buf *b, const struct cb_manifest_gap *g)
{
	if (cb_buf_printf(b, "gap %" PRIu32 " %u %u %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 " ",
			  g->after, g->stream, g->g.reason, g->g.from_ns, g->g.to_ns, g->g.packets,
			  g->g.bytes) < 0 ||
	    put_word(b, g->g.text) < 0 || cb_buf_byte(b, '\n') < 0)
		return -1;
	return 0;
}

int cb_manifest_put_end(struct cb_buf *b, const struct cb_manifest_end *e, struct cb_sha256 *sofar,
			uint8_t ret_digest[static CB_SHA256_LEN])
{
	char hex[CB_SHA256_HEX];
	size_t at = b->len;

	if (cb_buf_printf(b, "end %s %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64
			  " %" PRIu32 " %" PRIu64 "\n", e->reason, e->fragments, e->packets, e->bytes,
			  e->from_ns, e->to_ns, e->gaps, e->lost) < 0)
		return -1;
	cb_sha256_update(sofar, b->data + at, b->len - at);
	cb_sha256_final(sofar, ret_digest);
	cb_hex(hex, ret_digest, CB_SHA256_LEN);
	return cb_buf_printf(b, "digest %s\n", hex);
}

/* --- reading ----------------------------------------------------------------------------------- */

struct words { char *w[12]; int n; };

/* Split a line at single blanks. False: too many words, an empty one, or an odd byte. */
static bool split(struct words *w, char *line)
{
	w->n = 0;
	for (char *p = line;; p++) {
		if (w->n == 12)
			return false;
		w->w[w->n++] = p;
		while (*p > ' ' && *p < 127)
			p++;
		if (p == w->w[w->n - 1] || (*p && *p != ' '))
			return false;
		if (!*p)
			return true;
		*p = '\0';
	}
}

static bool num(const char *s, int64_t *ret)
{
	return cb_parse_i64(s, INT64_MIN, INT64_MAX, ret);
}

static bool num_or_none(const char *s, int64_t *ret)
{
	if (strcmp(s, "-") == 0) {
		*ret = CB_NOPTS;
		return true;
	}
	return num(s, ret);
}

static bool u32(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t v;

	if (!cb_parse_u64(s, 0, max, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool hex_id(char *out, size_t cap, const char *s)
{
	if (strlen(s) != cap - 1 || strspn(s, "0123456789abcdef") != cap - 1)
		return false;
	memcpy(out, s, cap);
	return true;
}

/* In its one form: what is written otherwise was changed, and a digest cannot vouch for itself. */
static bool digest(uint8_t out[static CB_SHA256_LEN], const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64 && cb_unhex(out, CB_SHA256_LEN, s);
}

static bool word(char *out, size_t cap, const char *s)
{
	size_t n = 0;

	if (strcmp(s, "-") == 0)
		s = "";
	for (; *s; n++) {
		uint8_t c = (uint8_t)*s++;

		if (n + 1 >= cap)
			return false;
		if (c == '%') {
			if (!s[0] || !s[1] || !cb_unhex(&c, 1, (char[3]){ s[0], s[1], 0 }) || !c)
				return false;
			s += 2;
		}
		out[n] = (char)c;
	}
	out[n] = '\0';
	return true;
}

static const char *parse_fragment(struct cb_manifest *m, const struct words *w)
{
	struct cb_fragment f = { 0 };
	const struct cb_fragment *last = m->n ? &m->frag[m->n - 1] : NULL;
	uint64_t extra = m->sealed ? CB_SEALED_EXTRA : 0;

	f.sealed = m->sealed;
	if (w->n != (f.sealed ? 11 : 10) || (f.sealed && !digest(f.commit, w->w[10])) || !u32(w->w[0], UINT32_MAX, &f.number) ||
	    !cb_parse_u64(w->w[1], 0, INT64_MAX, &f.offset) ||
	    !cb_parse_u64(w->w[2], 1 + extra, CB_FRAGMENT_MAX + extra, &f.length) ||
	    !digest(f.sha256, w->w[3]) || !num_or_none(w->w[4], &f.pts) ||
	    !num(w->w[5], &f.duration) || f.duration < 0 || !num(w->w[6], &f.wall_ns) ||
	    !u32(w->w[8], UINT32_MAX, &f.packets) || !num(w->w[9], &f.wall_to_ns))
		return "not a fragment";
	for (const char *p = w->w[7]; *p && strcmp(w->w[7], "-") != 0; p++) {
		const char *set = "KPC", *at = strchr(set, *p);

		if (!at)
			return "unknown flag";
		f.flags |= (uint8_t)(1 << (at - set));
	}
	if (f.number != m->n)
		return "fragment out of turn";
	if (f.offset != (last ? last->offset + last->length : 0))
		return "fragment does not follow the one before";
	if (m->n == 0 && f.length > CB_INIT_MAX + extra)
		return "the init segment is too large";
	if ((m->n & (m->n - 1)) == 0) {	/* grow at powers of two */
		void *p = realloc(m->frag, (m->n ? 2 * m->n : 1) * sizeof(*m->frag));

		if (!p)
			return "out of memory";
		m->frag = p;
	}
	m->frag[m->n++] = f;
	return NULL;
}

static const char *parse_gap(struct cb_manifest *m, const struct words *w)
{
	struct cb_manifest_gap g = { 0 };
	uint32_t stream, reason;

	if (w->n != 9 || !u32(w->w[1], UINT32_MAX, &g.after) || !u32(w->w[2], 65535, &stream) ||
	    !u32(w->w[3], 65535, &reason) || !num(w->w[4], &g.g.from_ns) ||
	    !num(w->w[5], &g.g.to_ns) || !cb_parse_u64(w->w[6], 0, UINT64_MAX, &g.g.packets) ||
	    !cb_parse_u64(w->w[7], 0, UINT64_MAX, &g.g.bytes) ||
	    !word(g.g.text, sizeof(g.g.text), w->w[8]))
		return "not a gap";
	if (m->n == 0 || g.after != m->n - 1)
		return "gap out of turn";
	g.stream = (uint16_t)stream;
	g.g.reason = (uint16_t)reason;
	if ((m->n_gaps & (m->n_gaps - 1)) == 0) {
		void *p = realloc(m->gap, (m->n_gaps ? 2 * m->n_gaps : 1) * sizeof(*m->gap));

		if (!p)
			return "out of memory";
		m->gap = p;
	}
	m->gap[m->n_gaps++] = g;
	return NULL;
}

static bool parse_end(struct cb_manifest_end *ret, const struct words *w)
{
	struct cb_manifest_end e = { 0 };

	if (w->n != 9 || strlen(w->w[1]) >= sizeof(e.reason) ||
	    strspn(w->w[1], "abcdefghijklmnopqrstuvwxyz") != strlen(w->w[1]) ||
	    !u32(w->w[2], UINT32_MAX, &e.fragments) ||
	    !cb_parse_u64(w->w[3], 0, INT64_MAX, &e.packets) ||
	    !cb_parse_u64(w->w[4], 0, INT64_MAX, &e.bytes) || !num(w->w[5], &e.from_ns) ||
	    !num(w->w[6], &e.to_ns) || !u32(w->w[7], UINT32_MAX, &e.gaps) ||
	    !cb_parse_u64(w->w[8], 0, INT64_MAX, &e.lost))
		return false;
	strcpy(e.reason, w->w[1]);
	*ret = e;
	return true;
}

/* One of the lines before the fragments; they stand in this order. */
static const char *parse_head(struct cb_manifest *m, const struct words *w, unsigned line)
{
	static const char *const keys[] = { "cb-manifest", "camera", "segment", "recording", "start",
					    "producer", "recorder", "key" };
	char text[CB_NAME_MAX * 3 + 1];

	if (strcmp(w->w[0], keys[line]) != 0)
		return line ? "a header line is missing" : "not a manifest";
	if (w->n != (line == 3 ? 4 : 2))
		return "not what a header line has";
	switch (line) {
	case 0:
		m->sealed = strcmp(w->w[1], "2") == 0;
		return m->sealed || strcmp(w->w[1], "1") == 0 ? NULL : "a manifest of another version";
	case 1:
		if (!cb_camera_name_ok(w->w[1]))
			return "not a camera name";
		strcpy(m->camera, w->w[1]);
		return NULL;
	case 2:
		return hex_id(m->id, sizeof(m->id), w->w[1]) ? NULL : "not a segment's id";
	case 3:
		return hex_id(m->recording, sizeof(m->recording), w->w[1]) &&
		       u32(w->w[2], UINT32_MAX, &m->index) && num(w->w[3], &m->recording_ns) ?
		       NULL : "not a recording";
	case 4:
		return num(w->w[1], &m->start_ns) ? NULL : "not a time";
	case HEADS:
		if (!cb_day_key_name_ok(w->w[1]))
			return "not the name of a key";
		strcpy(m->key, w->w[1]);
		return NULL;
	default:
		return word(text, sizeof(text), w->w[1]) ? NULL : "not a word";
	}
}

/* The line at *pos copied to buf without its LF; false at the end or an unfinished one. */
static bool next_line(const char *text, size_t len, size_t *pos, char *buf, const char **why)
{
	const char *lf = *pos < len ? memchr(text + *pos, '\n', len - *pos) : NULL;
	size_t n;

	*why = NULL;
	if (!lf)
		return false;
	n = (size_t)(lf - (text + *pos));
	if (n >= CB_MANIFEST_LINE_MAX || memchr(text + *pos, '\0', n)) {
		*why = "longer than any line, or has a NUL";
		return false;
	}
	memcpy(buf, text + *pos, n);
	buf[n] = '\0';
	*pos += n + 1;
	return true;
}

/* What the end line would say of the lines so far. */
static void sum_up(struct cb_manifest *m)
{
	struct cb_manifest_end e = { .reason = "open", .gaps = (uint32_t)m->n_gaps };

	e.from_ns = e.to_ns = m->start_ns;
	for (size_t i = 0; i < m->n; i++) {
		const struct cb_fragment *f = &m->frag[i];

		e.packets += f->packets;
		e.bytes = f->offset + f->length;
		if (i == 0)
			continue;
		e.fragments++;
		if (i == 1 || f->wall_ns < e.from_ns)
			e.from_ns = f->wall_ns;
		if (i == 1 || f->wall_to_ns > e.to_ns)
			e.to_ns = f->wall_to_ns;
	}
	m->end = e;
}

int cb_manifest_parse(struct cb_manifest *ret, const char *text, size_t len, struct cb_err *err)
{
	struct cb_manifest m = { 0 };
	char buf[CB_MANIFEST_LINE_MAX];
	const char *why = NULL;
	size_t pos = 0, before = 0;
	unsigned line = 0;
	struct words w;
	bool at_end = false;

	while (next_line(text, len, &pos, buf, &why)) {
		if (!split(&w, buf))
			why = "not words between single blanks";
		else if (line < HEADS + (unsigned)m.sealed)
			why = parse_head(&m, &w, line);
		else if (m.ended)
			why = "a line after the digest";
		else if (at_end) {
			struct cb_sha256 h;
			uint8_t sum[CB_SHA256_LEN];

			if (w.n != 2 || strcmp(w.w[0], "digest") != 0 || !digest(m.digest, w.w[1])) {
				why = "not a digest";
			} else {
				cb_sha256_init(&h);
				cb_sha256_update(&h, text, before);
				cb_sha256_final(&h, sum);
				m.ended = true;
				m.digest_ok = memcmp(sum, m.digest, sizeof(sum)) == 0;
			}
		} else if (strcmp(w.w[0], "end") == 0) {
			struct cb_manifest_end e = { 0 };

			sum_up(&m);
			if (!parse_end(&e, &w))
				why = "not an end line";
			else if (e.fragments != m.end.fragments || e.packets != m.end.packets ||
				 e.bytes != m.end.bytes || e.gaps != m.end.gaps)
				why = "the end line's totals are not those of the lines before";
			else {
				m.end = e;
				at_end = true;
			}
		} else if (strcmp(w.w[0], "stream") == 0) {
			if (m.n || w.n != 6)
				why = "a stream out of turn";
		} else if (strcmp(w.w[0], "gap") == 0) {
			why = parse_gap(&m, &w);
		} else {
			why = parse_fragment(&m, &w);
		}
		if (why)
			break;
		line++;
		before = pos;
		if (!at_end || m.ended)
			m.good = pos;
	}
	if (!m.ended)
		sum_up(&m);
	*ret = m;
	if (!why && line < HEADS + (unsigned)m.sealed)
		why = "ends in its header";
	if (why)
		return cb_err_set(err, CB_E_DATA, "line %u: %s", line + 1, why);
	return 0;
}

bool cb_manifest_peek(struct cb_manifest *ret, const char *head, size_t head_len,
		      const char *tail, size_t tail_len)
{
	struct cb_manifest m = { 0 };
	char buf[CB_MANIFEST_LINE_MAX];
	const char *why, *at = NULL;
	size_t pos = 0;
	struct words w;

	for (unsigned line = 0; line < HEADS + (unsigned)m.sealed; line++)
		if (!next_line(head, head_len, &pos, buf, &why) || !split(&w, buf) ||
		    parse_head(&m, &w, line))
			return false;
	for (const char *p = tail; p && p + 5 < tail + tail_len;) {
		p = memmem(p, tail_len - (size_t)(p - tail), "\nend ", 5);
		if (p)
			at = ++p;
	}
	if (!at)
		return false;
	pos = (size_t)(at - tail);
	if (!next_line(tail, tail_len, &pos, buf, &why) || !split(&w, buf) || !parse_end(&m.end, &w) ||
	    !next_line(tail, tail_len, &pos, buf, &why) || !split(&w, buf) || w.n != 2 ||
	    strcmp(w.w[0], "digest") != 0 || !digest(m.digest, w.w[1]) || pos != tail_len)
		return false;
	m.ended = true;
	*ret = m;
	return true;
}

uint64_t cb_fragment_plain(const struct cb_fragment *f)
{
	return f->sealed ? f->length - CB_SEALED_EXTRA : f->length;
}

void cb_manifest_reveal(struct cb_manifest *m)
{
	uint64_t at = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct cb_fragment *f = &m->frag[i];

		if (!f->sealed)
			return;
		f->length = cb_fragment_plain(f);
		f->offset = at;
		memcpy(f->sha256, f->commit, sizeof(f->sha256));
		at += f->length;
	}
}

void cb_manifest_release(struct cb_manifest *m)
{
	free(m->frag);
	free(m->gap);
	m->frag = NULL;
	m->gap = NULL;
	m->n = m->n_gaps = 0;
}
