/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON scanner against a plain recursive one that shares nothing with it: both accept the
 * same texts. What is accepted has a sound token table, and written again by the writer it
 * parses to the same table. */
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* --- the plain one: RFC 8259's grammar word for word ---------------------------------------- */

struct plain {
	const uint8_t *p, *end;
	unsigned values;
	bool bad;
};
struct text {
	size_t n;
	uint8_t *c;
};

static int peek(struct plain *s)
{
	return s->p < s->end ? *s->p : -1;
}
static bool eat(struct plain *s, int c)
{
	if (peek(s) != c)
		return false;
	s->p++;
	return true;
}
static void blank(struct plain *s)
{
	while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r')
		s->p++;
}
static long hex(struct plain *s)
{
	long v = 0;

	for (int i = 0; i < 4; i++) {
		const char *set = "0123456789abcdef0123456789ABCDEF", *at;
		int c = peek(s);

		if (c <= 0 || !(at = strchr(set, c))) {
			s->bad = true;
			return 0;
		}
		v = v * 16 + (at - set) % 16;
		s->p++;
	}
	return v;
}
static void add(struct text *t, unsigned long c)
{
	uint8_t *o = t->c + t->n;

	if (c < 0x80) {
		t->n += 1;
		o[0] = (uint8_t)c;
	} else if (c < 0x800) {
		t->n += 2;
		o[0] = (uint8_t)(0xc0 + c / 64);
		o[1] = (uint8_t)(0x80 + c % 64);
	} else if (c < 0x10000) {
		t->n += 3;
		o[0] = (uint8_t)(0xe0 + c / 4096);
		o[1] = (uint8_t)(0x80 + c / 64 % 64);
		o[2] = (uint8_t)(0x80 + c % 64);
	} else {
		t->n += 4;
		o[0] = (uint8_t)(0xf0 + c / 262144);
		o[1] = (uint8_t)(0x80 + c / 4096 % 64);
		o[2] = (uint8_t)(0x80 + c / 64 % 64);
		o[3] = (uint8_t)(0x80 + c % 64);
	}
}
/* A character beyond ASCII: decode, and see whether encoding gives the same bytes. */
static void wide(struct plain *s, struct text *t)
{
	uint8_t first = *s->p, back[4];
	int n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	unsigned long c = first & (0xff >> (n + 1));
	struct text b = { 0, back };

	if (first < 0xc0 || first > 0xf7 || s->end - s->p < n) {
		s->bad = true;
		return;
	}
	for (int i = 1; i < n; i++) {
		if (s->p[i] < 0x80 || s->p[i] > 0xbf) {
			s->bad = true;
			return;
		}
		c = c * 64 + s->p[i] % 64;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
		s->bad = true;
		return;
	}
	add(&b, c);
	if (b.n != (size_t)n || memcmp(back, s->p, b.n) != 0) {
		s->bad = true;
		return;
	}
	add(t, c);
	s->p += n;
}
static struct text string(struct plain *s)
{
	struct text t = { 0, malloc((size_t)(s->end - s->p) + 4) };

	if (!t.c)
		abort();
	s->bad |= !eat(s, '"');
	while (!s->bad && !eat(s, '"')) {
		int c = peek(s);

		if (c < 0x20) {		/* and the end */
			s->bad = true;
		} else if (c >= 0x80) {
			wide(s, &t);
		} else if (c != '\\') {
			add(&t, (unsigned long)c);
			s->p++;
		} else {
			static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
			const char *at;

			s->p++;
			c = peek(s);
			if (eat(s, 'u')) {
				long v = hex(s);

				if (v >= 0xd800 && v < 0xdc00) {
					long w;

					s->bad |= !eat(s, '\\') || !eat(s, 'u');
					w = s->bad ? 0 : hex(s);
					s->bad |= w < 0xdc00 || w > 0xdfff;
					v = 0x10000 + (v - 0xd800) * 1024 + (w - 0xdc00);
				} else if (v == 0 || (v >= 0xdc00 && v <= 0xdfff)) {
					s->bad = true;
				}
				if (!s->bad)
					add(&t, (unsigned long)v);
			} else if (c > 0 && (at = strchr(from, c))) {
				add(&t, (unsigned long)to[at - from]);
				s->p++;
			} else {
				s->bad = true;
			}
		}
	}
	s->values++;
	return t;
}
static bool digits(struct plain *s)
{
	const uint8_t *was = s->p;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->p++;
	return s->p > was;
}
static void value(struct plain *s, int depth);
static void object(struct plain *s, int depth)
{
	struct text *key = NULL;
	size_t n = 0;

	blank(s);
	if (eat(s, '}'))
		return;
	do {
		blank(s);
		key = realloc(key, (n + 1) * sizeof(*key));
		if (!key)
			abort();
		key[n++] = string(s);
		for (size_t i = 0; i + 1 < n; i++)
			if (key[i].n == key[n - 1].n && memcmp(key[i].c, key[n - 1].c, key[i].n) == 0)
				s->bad = true;
		blank(s);
		s->bad |= !eat(s, ':');
		if (!s->bad)
			value(s, depth);
		blank(s);
	} while (!s->bad && eat(s, ','));
	s->bad |= !eat(s, '}');
	while (n)
		free(key[--n].c);
	free(key);
}
static void word(struct plain *s, const char *w)
{
	while (*w)
		s->bad |= !eat(s, *w++);
}
static void value(struct plain *s, int depth)
{
	blank(s);
	switch (peek(s)) {
	case '{':
		s->p++;
		s->values++;
		s->bad |= depth == CB_JSON_DEPTH;
		if (!s->bad)
			object(s, depth + 1);
		return;
	case '[':
		s->p++;
		s->values++;
		s->bad |= depth == CB_JSON_DEPTH;
		blank(s);
		if (s->bad || eat(s, ']'))
			return;
		do
			value(s, depth + 1), blank(s);
		while (!s->bad && eat(s, ','));
		s->bad |= !eat(s, ']');
		return;
	case '"':
		free(string(s).c);
		return;
	case 't': word(s, "true"); break;
	case 'f': word(s, "false"); break;
	case 'n': word(s, "null"); break;
	default:
		eat(s, '-');
		if (!eat(s, '0'))
			s->bad |= !digits(s);
		if (eat(s, '.'))
			s->bad |= !digits(s);
		if (eat(s, 'e') || eat(s, 'E')) {
			if (!eat(s, '+'))
				eat(s, '-');
			s->bad |= !digits(s);
		}
	}
	s->values++;
}

/* --- properties --------------------------------------------------------------------------------- */

/* Check a token and what belongs to it, and write it. */
static uint32_t copy(const struct cb_json *j, uint32_t t, struct cb_jw *w, uint32_t from, uint32_t to)
{
	const struct cb_json_tok *k = &j->tok[t];
	static char s[65536];
	uint32_t i, n;

	if (t >= j->n || k->start < from || k->end < k->start || k->end > to)
		abort();
	switch (k->type) {
	case CB_JSON_OBJECT:
		cb_jw_obj(w);
		for (n = 0, i = t + 1; i < k->next; n++) {
			if (j->tok[i].type != CB_JSON_STRING || j->tok[i].next != i + 1 ||
			    cb_json_str(j, i, s, sizeof(s)) < 0 || !cb_json_eq(j, i, s) ||
			    cb_json_get(j, t, s) != i + 1)
				abort();
			cb_jw_key(w, s);
			i = copy(j, i + 1, w, j->tok[i].end, k->end);
		}
		cb_jw_obj_end(w);
		break;
	case CB_JSON_ARRAY:
		cb_jw_arr(w);
		for (n = 0, i = t + 1; i < k->next; n++)
			i = copy(j, i, w, k->start, k->end);
		cb_jw_arr_end(w);
		break;
	case CB_JSON_STRING:
		if (cb_json_str(j, t, s, sizeof(s)) < 0 || !cb_json_eq(j, t, s))
			abort();
		cb_jw_str(w, s);
		i = t + 1;
		n = 0;
		break;
	case CB_JSON_NUMBER: {
		char text[400];
		int64_t v;
		double d, e;

		if (k->end - k->start < sizeof(text)) {
			memcpy(text, j->text + k->start, k->end - k->start);
			text[k->end - k->start] = '\0';
			e = strtod(text, NULL);
			if (cb_json_double(j, t, &d) ? d != e : e < 1e308 && e > -1e308)
				abort();
			if (cb_json_i64(j, t, &v) && (double)v != e)
				abort();
		}
		cb_jw_raw(w, j->text + k->start, k->end - k->start);
		i = t + 1;
		n = 0;
		break;
	}
	case CB_JSON_TRUE:
	case CB_JSON_FALSE:
		cb_jw_bool(w, k->type == CB_JSON_TRUE);
		i = t + 1;
		n = 0;
		break;
	case CB_JSON_NULL:
		cb_jw_null(w);
		i = t + 1;
		n = 0;
		break;
	default:
		abort();
	}
	if (i != k->next || n != k->size)
		abort();
	return i;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct cb_json a, b;
	struct cb_err err = CB_ERR_INIT;
	struct plain s = { p, p + n, 0, false };
	struct cb_buf one = { 0 }, two = { 0 };
	struct cb_jw w;
	bool good;

	if (n > 60000)
		return 0;
	value(&s, 0);
	blank(&s);
	good = !s.bad && s.p == s.end && s.values <= CB_JSON_TOKENS;
	if ((cb_json_parse(&a, (const char *)p, n, &err) == 0) != good)
		abort();
	if (!good) {
		if (err.code != CB_E_DATA || strncmp(err.msg, "byte ", 5) != 0 || a.n)
			abort();
		return 0;
	}
	if (a.n != s.values)
		abort();
	cb_jw_init(&w, &one);
	if (copy(&a, 0, &w, 0, (uint32_t)n) != a.n || cb_jw_done(&w, &err) < 0 ||
	    cb_json_parse(&b, (char *)one.data, one.len, &err) < 0 || b.n != a.n)
		abort();
	for (uint32_t i = 0; i < a.n; i++)
		if (a.tok[i].type != b.tok[i].type || a.tok[i].next != b.tok[i].next ||
		    a.tok[i].size != b.tok[i].size)
			abort();
	cb_jw_init(&w, &two);
	copy(&b, 0, &w, 0, (uint32_t)one.len);
	if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
		abort();
	cb_buf_release(&one);
	cb_buf_release(&two);
	return 0;
}
