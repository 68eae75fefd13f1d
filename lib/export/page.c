/* SPDX-License-Identifier: Apache-2.0 */
/* index.html: page.html with a case filled in. What is filled in is text, escaped, but for the
 * tables made here; the one script that may run is the one whose digest the page's policy names. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "crypto/base64.h"
#include "export/case.h"
#include "wire/json.h"

/* the template, as it lies beside this file; make runs where lib/ is */
__asm__(".pushsection .rodata\n"
	"cb_page_begin: .incbin \"lib/export/page.html\"\n"
	"cb_page_end: .byte 0\n"
	".popsection\n");
extern const char cb_page_begin[], cb_page_end[];

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

/* Every failure of these is for lack of memory, and asked for at the end. */
struct page {
	struct cb_buf *b;
	const struct cb_case *c;
	const struct cb_buf *json, *segments;
	bool failed;
};

static void raw(struct page *p, const char *s)
{
	p->failed |= cb_buf_str(p->b, s) < 0;
}

/* Foreign text: no controls, and none of the characters that mean something to HTML. */
static void text(struct page *p, const char *s, size_t n)
{
	char *safe = malloc(n * 3 + 1);
	size_t len;

	if (!safe) {
		p->failed = true;
		return;
	}
	len = cb_text_safe(safe, n * 3 + 1, s, n, false);
	for (size_t i = 0; i < len; i++) {
		const char *e = safe[i] == '&' ? "&amp;" : safe[i] == '<' ? "&lt;" : safe[i] == '>' ? "&gt;" :
				safe[i] == '"' ? "&quot;" : safe[i] == '\'' ? "&#39;" : NULL;

		p->failed |= (e ? cb_buf_str(p->b, e) : cb_buf_byte(p->b, (uint8_t)safe[i])) < 0;
	}
	free(safe);
}

static void str(struct page *p, const char *s)
{
	text(p, s, strlen(s));
}

/* "2026-11-21 07:55:01.25" */
static void moment(struct page *p, int64_t ns)
{
	char t[CB_TIME_LEN];
	size_t n;

	cb_time_format_us(t, us(ns));
	t[10] = ' ';
	n = strlen(t) - 1;
	while (t[n - 1] == '0')
		n--;
	if (t[n - 1] == '.')
		n--;
	text(p, t, n);
}

static void range(struct page *p, int64_t from, int64_t to)
{
	if (from == INT64_MIN)
		raw(p, "the beginning");
	else
		moment(p, from);
	raw(p, " to ");
	if (to == INT64_MAX)
		raw(p, "the end");
	else
		moment(p, to);
	raw(p, " UTC");
}

static void row_n(struct page *p, const char *name, const char *value, size_t n)
{
	raw(p, "<tr><th scope=\"row\">");
	raw(p, name);
	raw(p, "</th><td>");
	text(p, value, n);
	raw(p, "</td></tr>\n");
}

static void row(struct page *p, const char *name, const char *value)
{
	row_n(p, name, value, strlen(value));
}

static void row_range(struct page *p, const char *name, int64_t from, int64_t to)
{
	raw(p, "<tr><th scope=\"row\">");
	raw(p, name);
	raw(p, "</th><td>");
	range(p, from, to);
	raw(p, "</td></tr>\n");
}

/* --- the places of the template ------------------------------------------------------------------- */

static void put_title(struct page *p)
{
	raw(p, "Camera ");
	str(p, p->c->camera);
	raw(p, ", ");
	moment(p, p->c->clip->from_ns);
}

static void put_sub(struct page *p)
{
	range(p, p->c->clip->from_ns, p->c->clip->to_ns);
	if (p->c->purpose) {
		raw(p, " \xc2\xb7 ");
		str(p, p->c->purpose);
	}
}

static void put_case(struct page *p)
{
	const struct cb_case *c = p->c;

	row(p, "Camera", c->camera);
	if (c->purpose)
		row(p, "Purpose", c->purpose);
	if (c->by)
		row(p, "Exported by", c->by);
	raw(p, "<tr><th scope=\"row\">Exported</th><td>");
	moment(p, c->now_ns);
	raw(p, " UTC, with cb-export " CB_VERSION "</td></tr>\n");
	row_range(p, "Asked for", c->asked_from, c->asked_to);
	row_range(p, "Given", c->clip->from_ns, c->clip->to_ns);
	for (size_t i = 0; i < c->keys; i++)
		row(p, i ? "and" : "Signed with the key", c->pub[i]);
	if (!c->keys)
		row(p, "Signed", "by nobody");
	if (c->log->checkpoint)
		row_n(p, "Log's key", (const char *)c->log->vkey.data, c->log->vkey.len);
}

static void put_parts(struct page *p)
{
	char name[CB_BUNDLE_NAME], hex[CB_SHA256_HEX];

	raw(p, "<tr><th>File</th><th>From</th><th>To (UTC)</th><th>Pieces</th><th>In the log</th></tr>\n");
	for (size_t i = 0; i < p->c->clip->n; i++) {
		const struct cb_clip_part *g = &p->c->clip->v[i];
		const struct cb_proved *f = &p->c->proof[i];

		cb_case_name(name, CB_CASE_CLIP, g);
		raw(p, "<tr><td><a href=\"");
		str(p, name);
		raw(p, "\">");
		str(p, name);
		raw(p, "</a>");
		if (!g->key)
			raw(p, "<br><small>begins without a keyframe: the first pictures cannot be shown</small>");
		if (g->leading)
			p->failed |= cb_buf_printf(p->b, "<br><small>%" PRIu32 " pictures at the beginning refer to "
						   "earlier ones and cannot be shown</small>", g->leading) < 0;
		if (g->sealed) {
			cb_hex(hex, g->digest, CB_SHA256_LEN);
			p->failed |= cb_buf_printf(p->b, "<br><small class=\"mono\">%s</small>", hex) < 0;
		} else {
			raw(p, "<br><small>was still being recorded</small>");
		}
		raw(p, "</td><td>");
		moment(p, g->from_ns);
		raw(p, "</td><td>");
		moment(p, g->to_ns);
		p->failed |= cb_buf_printf(p->b, "</td><td>%" PRIu32 " to %" PRIu32 " of %" PRIu32 "</td><td>",
					   g->first, g->last, g->fragments) < 0;
		if (f->yes)
			p->failed |= cb_buf_printf(p->b, "entry %" PRIu64, f->index) < 0;
		else {
			raw(p, "no: ");
			str(p, f->why);
		}
		raw(p, "</td></tr>\n");
	}
}

/* A member of a line that we have made or checked, as text. */
static void member(struct page *p, const struct cb_json *j, const char *path)
{
	uint32_t tok = cb_json_path(j, 0, path);
	char s[1024];

	if (tok != CB_JSON_NONE && cb_json_str(j, tok, s, sizeof(s)) == 0)
		str(p, s);
}

static void member_time(struct page *p, const struct cb_json *j, const char *path)
{
	uint32_t tok = cb_json_path(j, 0, path);
	int64_t v;

	if (tok != CB_JSON_NONE && cb_json_i64(j, tok, &v) && v > INT64_MIN / 1000 && v < INT64_MAX / 1000)
		moment(p, v * 1000);
}

/* Call fn for each line of b. */
static void each_line(struct page *p, const struct cb_buf *b, struct cb_json *j,
		      void fn(struct page *p, const struct cb_json *j))
{
	const char *at = (const char *)b->data, *end = at + b->len, *lf;

	for (; at < end && (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1)
		if (cb_json_parse(j, at, (size_t)(lf - at), NULL) == 0)
			fn(p, j);
}

static void put_gap(struct page *p, const struct cb_json *j)
{
	raw(p, "<tr><td>");
	member_time(p, j, "from_us");
	raw(p, "</td><td>");
	member_time(p, j, "to_us");
	raw(p, "</td><td>");
	member(p, j, "reason");
	raw(p, "</td><td>");
	member(p, j, "text");
	raw(p, "</td></tr>\n");
}

static void put_gaps(struct page *p, struct cb_json *j)
{
	if (!p->c->seen->n_gaps) {
		raw(p, "<p>None in this range.</p>");
		return;
	}
	raw(p, "<div class=\"scroll\"><table><tr><th>From</th><th>To (UTC)</th><th>Why</th><th></th></tr>\n");
	each_line(p, &p->c->seen->gaps, j, put_gap);
	raw(p, "</table></div>");
}

static void put_run(struct page *p, const struct cb_json *j)
{
	raw(p, "<tr><td>");
	member(p, j, "data.tool");
	raw(p, " ");
	member(p, j, "data.version");
	raw(p, "</td><td>");
	member(p, j, "data.model");
	raw(p, "<br><small class=\"mono\">");
	member(p, j, "data.model_sha256");
	raw(p, "</small></td><td class=\"mono\">");
	member(p, j, "data.run");
	raw(p, "</td></tr>\n");
}

static void put_runs(struct page *p, struct cb_json *j)
{
	const struct cb_clip_part *g = p->c->clip->v;

	raw(p, "<p>Recorded by ");
	str(p, g->recorder);
	raw(p, ", of a stream from ");
	str(p, g->producer);
	raw(p, ".</p>\n");
	if (!p->c->seen->n_runs) {
		raw(p, "<p>No event here says of an analysis.</p>");
		return;
	}
	raw(p, "<div class=\"scroll\"><table><tr><th>Program</th><th>Model</th><th>Run</th></tr>\n");
	each_line(p, &p->c->seen->runs, j, put_run);
	raw(p, "</table></div>");
}

static void put_player(struct page *p)
{
	char name[CB_BUNDLE_NAME];

	cb_case_name(name, CB_CASE_CLIP, p->c->clip->v);
	raw(p, "<video controls playsinline preload=\"metadata\" src=\"");
	str(p, name);
	raw(p, "\"></video>\n<p id=\"parts\" class=\"noprint\"></p>");
}

static void put_gap_mark(struct page *p, const struct cb_json *j)
{
	static const char *const keys[] = { "from_us", "to_us", "reason" };
	struct cb_jw w;

	cb_jw_init(&w, p->b);
	cb_jw_arr(&w);
	for (size_t i = 0; i < 3; i++) {
		char s[64] = "";
		uint32_t tok = cb_json_get(j, 0, keys[i]);
		int64_t v = 0;

		if (tok != CB_JSON_NONE && cb_json_i64(j, tok, &v))
			cb_jw_i64(&w, v);
		else {
			if (cb_json_str(j, tok, s, sizeof(s)) < 0)
				s[0] = '\0';
			cb_jw_str(&w, s);
		}
	}
	cb_jw_arr_end(&w);
	p->failed |= w.failed;
	raw(p, ",");
}

/* What the script reads. '<' as JSON's escape, so that no text can end the element. */
static void put_data(struct page *p, struct cb_json *j)
{
	const struct cb_case *c = p->c;
	struct cb_buf made = { 0 };
	struct page d = { .b = &made, .c = c };
	char name[CB_BUNDLE_NAME];

	raw(&d, "{\"case\":");
	d.failed |= cb_buf_add(&made, p->json->data, p->json->len - 1) < 0;
	raw(&d, ",\n\"segments\":[");
	for (size_t i = 0; i < p->segments->len; i++)	/* lines to elements */
		d.failed |= cb_buf_byte(&made, p->segments->data[i] == '\n' ? ',' : p->segments->data[i]) < 0;
	made.len -= p->segments->len != 0;
	raw(&d, "],\n\"marks\":[");
	d.failed |= cb_buf_add(&made, c->seen->marks.data, c->seen->marks.len) < 0;
	made.len -= c->seen->marks.len != 0;	/* its last comma */
	raw(&d, "],\n\"gaps\":[");
	each_line(&d, &c->seen->gaps, j, put_gap_mark);
	made.len -= c->seen->n_gaps != 0;
	d.failed |= cb_buf_printf(&made, "],\n\"unmarked\":%" PRIu64 ",\"signatures\":[", c->seen->unmarked) < 0;
	for (size_t i = 0; i < c->keys; i++) {
		cb_case_signature(name, i, "minisig");
		d.failed |= cb_buf_printf(&made, "%s\"%s\"", i ? "," : "", name) < 0;
	}
	raw(&d, "],\"keys\":[");
	for (size_t i = 0; i < c->keys; i++)
		d.failed |= cb_buf_printf(&made, "%s\"keys/%s.pub\"", i ? "," : "", c->key[i]) < 0;
	raw(&d, "]}");
	for (size_t i = 0; i < made.len; i++)
		p->failed |= (made.data[i] == '<' ? cb_buf_str(p->b, "\\u003c") : cb_buf_byte(p->b, made.data[i])) < 0;
	p->failed |= d.failed;
	cb_buf_release(&made);
}

/* Content Security Policy level 3: the digest of the one script. */
static void put_script(struct page *p)
{
	const char *a = strstr(cb_page_begin, "<script>\n") + 8, *z = strstr(a, "</script>");
	char b64[CB_BASE64_SIZE(CB_SHA256_LEN)];
	uint8_t sum[CB_SHA256_LEN];

	cb_sha256(sum, a, (size_t)(z - a));
	cb_base64(b64, sum, sizeof(sum));
	raw(p, "sha256-");
	raw(p, b64);
}

int cb_case_page(struct cb_buf *b, const struct cb_case *c, const struct cb_buf *json,
		 const struct cb_buf *segments, struct cb_err *err)
{
	struct page p = { .b = b, .c = c, .json = json, .segments = segments };
	struct cb_json *j = malloc(sizeof(*j));
	const char *at = cb_page_begin, *place;

	if (!j)
		return cb_err_nomem(err);
	while ((place = strstr(at, "@@"))) {
		const char *end = strstr(place + 2, "@@") + 2;
		size_t n = (size_t)(end - place);

		p.failed |= cb_buf_add(b, at, (size_t)(place - at)) < 0;
#define IS(word) (n == sizeof("@@" word "@@") - 1 && memcmp(place, "@@" word "@@", n) == 0)
		if (IS("TITLE") || IS("HEAD"))
			put_title(&p);
		else if (IS("SUB"))
			put_sub(&p);
		else if (IS("SCRIPT"))
			put_script(&p);
		else if (IS("CASE"))
			put_case(&p);
		else if (IS("PARTS"))
			put_parts(&p);
		else if (IS("GAPS"))
			put_gaps(&p, j);
		else if (IS("RUNS"))
			put_runs(&p, j);
		else if (IS("PLAYER"))
			put_player(&p);
		else if (IS("DATA"))
			put_data(&p, j);
#undef IS
		at = end;
	}
	raw(&p, at);
	free(j);
	return p.failed ? cb_err_nomem(err) : 0;
}
