/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON scanner and writer: strict, one pass, no allocation of its own. */
#include "wire/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__) && !defined(CB_JSON_PORTABLE)
#include <emmintrin.h>
#define CB_JSON_SSE2 1
#endif

#include "base/num.h"

#define ONES (~UINT64_C(0) / 255)	/* 0x01 in every byte */
#define KEYS_WALKED 32			/* objects of more keys are checked for twins by sorting */

/* --- scanning ------------------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 sequence at p, whose first byte is >= 0x80; 0: none. */
static unsigned utf8_bytes(const uint8_t *p, const uint8_t *end)
{
	size_t n = (size_t)(end - p);
	uint8_t c = p[0];

	if (c < 0xc2 || c > 0xf4)
		return 0;
	if (n < 2 || (p[1] & 0xc0) != 0x80)
		return 0;
	if (c < 0xe0)
		return 2;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
	    (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	if (n < 3 || (p[2] & 0xc0) != 0x80)
		return 0;
	if (c < 0xf0)
		return 3;
	return n < 4 || (p[3] & 0xc0) != 0x80 ? 0 : 4;
}

static int hex4(const uint8_t *p, const uint8_t *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		uint8_t c = p[i];

		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (c | 0x20) - 'a' + 10;
		else
			return -1;
		v = v << 4 | c;
	}
	return v;
}

/* The escape at p (a backslash): its length, or 0 with the reason. */
static unsigned escape_bytes(const uint8_t *p, const uint8_t *end, const char **why)
{
	int v, w;

	if (end - p < 2) {
		*why = "unfinished string";
		return 0;
	}
	switch (p[1]) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return 2;
	case 'u':
		break;
	default:
		*why = "unknown escape";
		return 0;
	}
	v = hex4(p + 2, end);
	if (v < 0) {
		*why = "\\u without four hexadecimal digits";
		return 0;
	}
	if (v == 0) {
		*why = "NUL in a string";
		return 0;
	}
	if (v < 0xd800 || v > 0xdfff)
		return 6;
	w = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
	if (v < 0xdc00 && w >= 0xdc00 && w <= 0xdfff)
		return 12;
	*why = "lone surrogate";
	return 0;
}

/* The first byte at or after p that ends plain ASCII text, or end. */
static inline const uint8_t *plain_end(const uint8_t *p, const uint8_t *end)
{
#ifdef CB_JSON_SSE2
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i c0 = _mm_set1_epi8(0x1f);

	while (end - p >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)p);
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
		unsigned m;

		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, c0), v));
		m = (unsigned)_mm_movemask_epi8(_mm_or_si128(hit, v));	/* v: bytes >= 0x80 */
		if (m)
			return p + __builtin_ctz(m);
		p += 16;
	}
#endif
	while (end - p >= 8) {
		uint64_t v = cb_le64(p), q = v ^ ONES * '"', b = v ^ ONES * '\\';
		/* the lowest bit set is right; above it borrows may lie */
		uint64_t m = (((q - ONES) & ~q) | ((b - ONES) & ~b) | ((v - ONES * 0x20) & ~v) | v) &
			     ONES * 0x80;

		if (m)
			return p + __builtin_ctzll(m) / 8;
		p += 8;
	}
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* p stands after the opening quote. The closing quote, or NULL with *at and *why. */
static inline const uint8_t *string_end(const uint8_t *p, const uint8_t *end, bool *escaped,
					const uint8_t **at, const char **why)
{
	*escaped = false;
	for (;;) {
		unsigned n;

		p = plain_end(p, end);
		*at = p;
		if (p == end) {
			*why = "unfinished string";
			return NULL;
		}
		if (*p == '"')
			return p;
		if (*p == '\\') {
			*escaped = true;
			n = escape_bytes(p, end, why);
		} else if (*p < 0x20) {
			*why = "control character in a string";
			return NULL;
		} else {
			*why = "invalid UTF-8";
			n = utf8_bytes(p, end);
		}
		if (n == 0)
			return NULL;
		p += n;
	}
}

static inline const uint8_t *digits_end(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 8) {
		uint64_t x = cb_le64(p) ^ ONES * '0';
		uint64_t m = ((x + ONES * 0x76) | x) & ONES * 0x80;

		if (m)
			return p + __builtin_ctzll(m) / 8;
		p += 8;
	}
	while (p < end && (uint8_t)(*p - '0') < 10)
		p++;
	return p;
}

/* The end of the number at p, or NULL. */
static inline const uint8_t *number_end(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *q;

	if (p < end && *p == '-')
		p++;
	q = digits_end(p, end);
	if (q == p || (*p == '0' && q != p + 1))
		return NULL;
	p = q;
	if (p < end && *p == '.') {
		q = digits_end(++p, end);
		if (q == p)
			return NULL;
		p = q;
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		q = digits_end(p, end);
		if (q == p)
			return NULL;
		p = q;
	}
	return p;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* The bytes of a string token after unescaping, one at a time. */
struct cursor {
	const uint8_t *p, *end;
	uint8_t out[4];
	unsigned n, i;
};

static unsigned put_utf8(uint8_t *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

static struct cursor cursor(const struct cb_json *j, uint32_t tok)
{
	const uint8_t *s = (const uint8_t *)j->text;

	return (struct cursor){ .p = s + j->tok[tok].start, .end = s + j->tok[tok].end };
}

/* The next byte, or -1 at the end. The text has been validated. */
static int cursor_next(struct cursor *c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at;
	int v;

	if (c->i < c->n)
		return c->out[c->i++];
	if (c->p == c->end)
		return -1;
	if (*c->p != '\\')
		return *c->p++;
	if (c->p[1] != 'u') {
		at = strchr(from, c->p[1]);
		v = at ? to[at - from] : c->p[1];
		c->p += 2;
		return v;
	}
	v = hex4(c->p + 2, c->end);
	c->p += 6;
	if (v >= 0xd800 && v <= 0xdbff) {
		v = 0x10000 + ((v - 0xd800) << 10) + (hex4(c->p + 2, c->end) - 0xdc00);
		c->p += 6;
	}
	c->n = put_utf8(c->out, (unsigned)v);
	c->i = 1;
	return c->out[0];
}

static int key_cmp(const struct cb_json *j, uint32_t a, uint32_t b)
{
	const struct cb_json_tok *x = &j->tok[a], *y = &j->tok[b];
	struct cursor c, d;

	if (!x->escaped && !y->escaped) {
		size_t n = x->end - x->start, m = y->end - y->start;
		int r = memcmp(j->text + x->start, j->text + y->start, n < m ? n : m);

		return r ? r : (n > m) - (n < m);
	}
	c = cursor(j, a);
	d = cursor(j, b);
	for (;;) {
		int u = cursor_next(&c), v = cursor_next(&d);

		if (u != v || u < 0)
			return u - v;
	}
}

static void sift(const struct cb_json *j, uint16_t *h, uint32_t i, uint32_t n)
{
	uint16_t v = h[i];

	for (;;) {
		uint32_t k = 2 * i + 1;

		if (k >= n)
			break;
		if (k + 1 < n && key_cmp(j, h[k], h[k + 1]) < 0)
			k++;
		if (key_cmp(j, v, h[k]) >= 0)
			break;
		h[i] = h[k];
		i = k;
	}
	h[i] = v;
}

_Static_assert(CB_JSON_TOKENS <= 65536, "sort_keys holds token numbers in 16 bits");

/* A heapsort of an object's keys, so that no input costs more than n log n; returns the token
 * of a key that stood there before, or 0. */
static __attribute__((noinline)) uint32_t sort_keys(const struct cb_json *j, uint32_t obj,
						    uint32_t end)
{
	uint16_t h[CB_JSON_TOKENS / 2] __attribute__((uninitialized));
	uint32_t n = 0;

	for (uint32_t k = obj + 1; k < end; k = j->tok[k + 1].next)
		h[n++] = (uint16_t)k;
	for (uint32_t i = n / 2; i-- > 0; )
		sift(j, h, i, n);
	for (uint32_t m = n; m-- > 1; ) {
		uint16_t top = h[0];

		h[0] = h[m];
		h[m] = top;
		sift(j, h, 0, m);
		if (key_cmp(j, h[0], top) == 0)
			return h[0] > top ? h[0] : top;
	}
	return 0;
}

/* Equal plain keys have equal hashes; nothing rests on its quality but speed. */
static inline uint16_t key_hash(const uint8_t *p, size_t n, const uint8_t *end)
{
	uint64_t a = 0;

	if (n >= 8)
		a = cb_le64(p) ^ cb_le64(p + n - 8) * 0x9e3779b97f4a7c15u;
	else if (n && end - p >= 8)
		a = cb_le64(p) << (64 - 8 * n);
	else
		for (size_t i = 0; i < n; i++)
			a |= (uint64_t)p[i] << (64 - 8 * n + 8 * i);
	return (uint16_t)(((a ^ n) * 0xff51afd7ed558ccdu) >> 48);
}

/* --- the parser -------------------------------------------------------------------------------- */

struct open_container {
	uint32_t tok, size;
	uint64_t seen;		/* one bit a key hash */
	bool object, sort;
};

static __attribute__((noinline, cold)) int fail(struct cb_json *j, struct cb_err *err,
						const uint8_t *at, const char *why)
{
	j->n = 0;
	return cb_err_set(err, CB_E_DATA, "byte %zu: %s",
			  (size_t)(at - (const uint8_t *)j->text), why);
}

static inline const uint8_t *skip_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static inline bool literal(const uint8_t *p, const uint8_t *end, const char *word, size_t n)
{
	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

static bool key_seen(const struct cb_json *j, uint32_t obj, uint32_t key)
{
	const struct cb_json_tok *k = &j->tok[key], *t;
	uint32_t n = k->end - k->start;

	for (uint32_t i = obj + 1; i < key; i = j->tok[i + 1].next) {
		t = &j->tok[i];
		if (t->hash == k->hash && t->end - t->start == n && !t->escaped &&
		    memcmp(j->text + t->start, j->text + k->start, n) == 0)
			return true;
	}
	return false;
}

int cb_json_parse(struct cb_json *j, const char *text, size_t len, struct cb_err *err)
{
	const uint8_t *s = (const uint8_t *)text, *p = s, *end, *at;
	/* the first stands for the text itself */
	struct open_container stack[CB_JSON_DEPTH + 1] __attribute__((uninitialized));
	struct open_container *top = stack;
	struct cb_json_tok *t, *tok = j->tok;
	const char *why = NULL;
	uint32_t n = 0, twin;

	j->text = text;
	j->len = len;
	j->n = 0;
	if (len == 0)
		return cb_err_set(err, CB_E_DATA, "byte 0: nothing where a value should be");
	if (len > INT32_MAX)
		return cb_err_set(err, CB_E_DATA, "byte 0: text of more than 2 GiB");
	end = s + len;

value:
	p = skip_space(p, end);
	if (p == end)
		goto cut;
	if (n == CB_JSON_TOKENS)
		goto crowded;
	t = &tok[n];
	t->start = (uint32_t)(p - s);
	t->size = 0;
	t->escaped = false;
	switch (*p) {
	case '"':
		t->type = CB_JSON_STRING;
		t->start++;
		p = string_end(p + 1, end, &t->escaped, &at, &why);
		if (!p)
			return fail(j, err, at, why);
		t->end = (uint32_t)(p++ - s);
		break;
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		t->type = CB_JSON_NUMBER;
		at = p;
		p = number_end(p, end);
		if (!p)
			return fail(j, err, at, "not a number by JSON's grammar");
		t->end = (uint32_t)(p - s);
		break;
	case '{': case '[':
		if (top == stack + CB_JSON_DEPTH)
			return fail(j, err, p, "nested too deeply");
		top++;
		top->object = *p == '{';
		t->type = top->object ? CB_JSON_OBJECT : CB_JSON_ARRAY;
		top->tok = n++;
		top->size = 0;
		top->seen = 0;
		top->sort = false;
		p = skip_space(p + 1, end);
		if (p == end)
			goto cut;
		if (*p == (top->object ? '}' : ']'))
			goto close;
		if (top->object)
			goto key;
		goto value;
	case 't':
		if (!literal(p, end, "true", 4))
			goto unknown;
		t->type = CB_JSON_TRUE;
		t->end = (uint32_t)((p += 4) - s);
		break;
	case 'f':
		if (!literal(p, end, "false", 5))
			goto unknown;
		t->type = CB_JSON_FALSE;
		t->end = (uint32_t)((p += 5) - s);
		break;
	case 'n':
		if (!literal(p, end, "null", 4))
			goto unknown;
		t->type = CB_JSON_NULL;
		t->end = (uint32_t)((p += 4) - s);
		break;
	default:
		goto unknown;
	}
	t->next = ++n;

after:
	p = skip_space(p, end);
	if (top == stack) {
		if (p != end)
			return fail(j, err, p, "text after the value");
		j->n = n;
		return 0;
	}
	if (p == end)
		goto cut;
	top->size++;
	if (*p == ',') {
		p++;
		if (!top->object)
			goto value;
		p = skip_space(p, end);
		if (p == end)
			goto cut;
		goto key;
	}
	if (*p != (top->object ? '}' : ']'))
		return fail(j, err, p, top->object ? "neither ',' nor '}' after a value" :
						     "neither ',' nor ']' after a value");
close:
	p++;
	t = &tok[top->tok];
	t->end = (uint32_t)(p - s);
	t->next = n;
	t->size = top->size;
	if (top->sort) {
		twin = sort_keys(j, top->tok, n);
		if (twin)
			return fail(j, err, s + tok[twin].start - 1, "key given twice");
	}
	top--;
	goto after;

key:
	if (*p != '"')
		return fail(j, err, p, "no key in quotes");
	if (n == CB_JSON_TOKENS)
		goto crowded;
	t = &tok[n];
	t->type = CB_JSON_STRING;
	t->size = 0;
	t->start = (uint32_t)(++p - s);
	p = string_end(p, end, &t->escaped, &at, &why);
	if (!p)
		return fail(j, err, at, why);
	t->end = (uint32_t)(p++ - s);
	if (t->escaped || top->size >= KEYS_WALKED) {
		top->sort = true;
	} else {
		uint64_t bit;

		t->hash = key_hash(s + t->start, t->end - t->start, end);
		bit = UINT64_C(1) << (t->hash & 63);
		if ((top->seen & bit) && key_seen(j, top->tok, n))
			return fail(j, err, s + t->start - 1, "key given twice");
		top->seen |= bit;
	}
	t->next = ++n;
	p = skip_space(p, end);
	if (p == end)
		goto cut;
	if (*p++ != ':')
		return fail(j, err, p - 1, "no ':' after a key");
	goto value;

cut:
	return fail(j, err, end, "text ends too early");
crowded:
	return fail(j, err, p, "too many values");
unknown:
	return fail(j, err, p, "no value");
}

/* --- look-ups ------------------------------------------------------------------------------------ */

static bool equal(const struct cb_json *j, uint32_t tok, const char *s, size_t n)
{
	const struct cb_json_tok *t = &j->tok[tok];
	struct cursor c;

	if (!t->escaped)
		return t->end - t->start == n && memcmp(j->text + t->start, s, n) == 0;
	c = cursor(j, tok);
	for (size_t i = 0; i < n; i++)
		if (cursor_next(&c) != (uint8_t)s[i])
			return false;
	return cursor_next(&c) < 0;
}

static uint32_t get(const struct cb_json *j, uint32_t obj, const char *key, size_t n)
{
	if (obj >= j->n || j->tok[obj].type != CB_JSON_OBJECT)
		return CB_JSON_NONE;
	for (uint32_t k = obj + 1; k < j->tok[obj].next; k = j->tok[k + 1].next)
		if (equal(j, k, key, n))
			return k + 1;
	return CB_JSON_NONE;
}

uint32_t cb_json_get(const struct cb_json *j, uint32_t obj, const char *key)
{
	return get(j, obj, key, strlen(key));
}

uint32_t cb_json_path(const struct cb_json *j, uint32_t from, const char *path)
{
	uint32_t t = from;

	if (from >= j->n)
		return CB_JSON_NONE;
	for (;;) {
		size_t n = strcspn(path, ".");

		if (j->tok[t].type == CB_JSON_ARRAY) {
			uint32_t i = 0, want = 0;

			if (n == 0 || n > 9 || (n > 1 && path[0] == '0'))
				return CB_JSON_NONE;
			for (size_t k = 0; k < n; k++) {
				if (path[k] < '0' || path[k] > '9')
					return CB_JSON_NONE;
				want = want * 10 + (uint32_t)(path[k] - '0');
			}
			if (want >= j->tok[t].size)
				return CB_JSON_NONE;
			for (t++; i < want; i++)
				t = j->tok[t].next;
		} else {
			t = get(j, t, path, n);
			if (t == CB_JSON_NONE)
				return t;
		}
		if (!path[n])
			return t;
		path += n + 1;
	}
}

bool cb_json_eq(const struct cb_json *j, uint32_t tok, const char *s)
{
	return tok < j->n && j->tok[tok].type == CB_JSON_STRING && equal(j, tok, s, strlen(s));
}

int cb_json_str(const struct cb_json *j, uint32_t tok, char *out, size_t cap)
{
	const struct cb_json_tok *t;
	struct cursor c;
	size_t n;

	if (tok >= j->n || j->tok[tok].type != CB_JSON_STRING)
		return -1;
	t = &j->tok[tok];
	if (!t->escaped) {
		n = t->end - t->start;
		if (n >= cap)
			return -1;
		memcpy(out, j->text + t->start, n);
		out[n] = '\0';
		return 0;
	}
	/* twice, so that a text that does not fit leaves out untouched */
	c = cursor(j, tok);
	for (n = 0; cursor_next(&c) >= 0; n++)
		if (n + 1 >= cap)
			return -1;
	c = cursor(j, tok);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)cursor_next(&c);
	out[n] = '\0';
	return 0;
}

/* A number taken apart: +-DIGITS * 10^exp; digits without leading and trailing zeros. */
#define DIGITS_MAX 780	/* more never change the nearest double but by being there or not */
struct decimal {
	bool negative;
	unsigned n;
	int64_t exp;
	char digit[DIGITS_MAX + 32];
};

static bool decimal_of(const struct cb_json *j, uint32_t tok, struct decimal *d)
{
	const char *p, *end;
	bool point = false, more = false;
	int64_t e = 0;

	if (tok >= j->n || j->tok[tok].type != CB_JSON_NUMBER)
		return false;
	p = j->text + j->tok[tok].start;
	end = j->text + j->tok[tok].end;
	d->negative = *p == '-';
	d->n = 0;
	d->exp = 0;
	for (p += d->negative; p < end && (*p | 0x20) != 'e'; p++) {
		if (*p == '.') {
			point = true;
			continue;
		}
		d->exp -= point;
		if (d->n == 0 && *p == '0')
			continue;
		if (d->n < DIGITS_MAX) {
			d->digit[d->n++] = *p;
		} else {
			more |= *p != '0';
			d->exp++;
		}
	}
	if (p < end) {
		bool minus = *++p == '-';

		for (p += *p == '-' || *p == '+'; p < end; p++)
			if (e < 1000000000)
				e = e * 10 + (*p - '0');
		d->exp += minus ? -e : e;
	}
	if (more) {
		d->digit[d->n++] = '1';
		d->exp--;
	}
	while (d->n && d->digit[d->n - 1] == '0') {
		d->n--;
		d->exp++;
	}
	return true;
}

bool cb_json_double(const struct cb_json *j, uint32_t tok, double *ret)
{
	static const double ten[] = {
		1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
	};
	struct decimal d __attribute__((uninitialized));
	uint64_t m = 0;
	double v;

	if (!decimal_of(j, tok, &d))
		return false;
	for (unsigned i = 0; d.n <= 15 && i < d.n; i++)
		m = m * 10 + (uint64_t)(d.digit[i] - '0');
	if (d.n == 0) {
		v = 0;
	} else if (d.n <= 15 && d.exp >= -22 && d.exp <= 22) {
		/* both are exact doubles, so that the one rounding is the right one */
		v = d.exp < 0 ? (double)m / ten[-d.exp] : (double)m * ten[d.exp];
	} else {
		/* no decimal point in it: the locale has no say */
		snprintf(d.digit + d.n, sizeof(d.digit) - d.n, "e%lld",
			 (long long)(d.exp > 99999 ? 99999 : d.exp < -99999 ? -99999 : d.exp));
		v = strtod(d.digit, NULL);
		if (!isfinite(v))
			return false;
	}
	*ret = d.negative ? -v : v;
	return true;
}

bool cb_json_i64(const struct cb_json *j, uint32_t tok, int64_t *ret)
{
	struct decimal d __attribute__((uninitialized));
	uint64_t v = 0;

	if (!decimal_of(j, tok, &d) || (d.n && (d.exp < 0 || d.n + d.exp > 19)))
		return false;
	for (unsigned i = 0; i < d.n; i++)
		v = v * 10 + (uint64_t)(d.digit[i] - '0');
	for (; d.n && d.exp > 0; d.exp--)
		v *= 10;
	if (v > INT64_MAX)
		return false;
	*ret = d.negative ? -(int64_t)v : (int64_t)v;
	return true;
}

/* --- writer ----------------------------------------------------------------------------------------- */

void cb_jw_init(struct cb_jw *w, struct cb_buf *b)
{
	*w = (struct cb_jw){ .b = b };
}

static inline void add(struct cb_jw *w, const void *p, size_t n)
{
	struct cb_buf *b = w->b;

	if (b->cap - b->len > n && b->cap > b->len) {	/* nearly always: nothing is called for a comma */
		memcpy(b->data + b->len, p, n);
		b->len += n;
	} else if (cb_buf_add(w->b, p, n) < 0)
		w->failed = true;
}

static void before(struct cb_jw *w)
{
	if (w->comma)
		add(w, ",", 1);
	w->comma = true;
}

void cb_jw_obj(struct cb_jw *w)
{
	before(w);
	add(w, "{", 1);
	w->comma = false;
}

void cb_jw_obj_end(struct cb_jw *w)
{
	add(w, "}", 1);
	w->comma = true;
}

void cb_jw_arr(struct cb_jw *w)
{
	before(w);
	add(w, "[", 1);
	w->comma = false;
}

void cb_jw_arr_end(struct cb_jw *w)
{
	add(w, "]", 1);
	w->comma = true;
}

/* Characters that could steer what shows them: C1, line separators, bidirectional controls. */
static bool steers(unsigned c)
{
	return (c >= 0x80 && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void escape(struct cb_jw *w, unsigned c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = c && c < 0x80 ? strchr(from, (int)c) : NULL;
	char out[8];

	if (at) {
		out[0] = '\\';
		out[1] = to[at - from];
		add(w, out, 2);
	} else if (c == 0) {
		add(w, "\xef\xbf\xbd", 3);	/* a NUL would not parse again */
	} else {
		snprintf(out, sizeof(out), "\\u%04x", c & 0xffff);
		add(w, out, 6);
	}
}

static void text(struct cb_jw *w, const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s, *run = p, *end = p + len;

	add(w, "\"", 1);
	while (p < end) {
		const uint8_t *plain = plain_end(p, end), *del = memchr(p, 0x7f, (size_t)(plain - p));
		unsigned n = 1, c;

		p = del ? del : plain;
		if (p == end)
			break;
		c = *p;
		if (c >= 0x80) {
			n = utf8_bytes(p, end);
			c = n == 2 ? (c & 31u) << 6 | (p[1] & 63u) :
			    n == 3 ? (c & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u) : 0;
			if (n == 4 || (n && !steers(c))) {
				p += n;
				continue;
			}
		}
		if (p > run)
			add(w, run, (size_t)(p - run));
		if (n == 0) {
			add(w, "\xef\xbf\xbd", 3);
			n = 1;
		} else {
			escape(w, c);
		}
		p += n;
		run = p;
	}
	if (p > run)
		add(w, run, (size_t)(p - run));
	add(w, "\"", 1);
}

void cb_jw_key(struct cb_jw *w, const char *key)
{
	before(w);
	text(w, key, strlen(key));
	add(w, ":", 1);
	w->comma = false;
}

void cb_jw_strn(struct cb_jw *w, const char *s, size_t n)
{
	before(w);
	text(w, s, n);
}

void cb_jw_str(struct cb_jw *w, const char *s)
{
	cb_jw_strn(w, s, strlen(s));
}

/* Decimal digits of v before end; the first one. */
static char *decimal(char *end, uint64_t v)
{
	do
		*--end = (char)('0' + v % 10);
	while (v /= 10);
	return end;
}

static void integer(struct cb_jw *w, uint64_t v, bool negative)
{
	char b[24], *end = b + sizeof(b), *p = decimal(end, v);

	if (negative)
		*--p = '-';
	before(w);
	add(w, p, (size_t)(end - p));
}

void cb_jw_i64(struct cb_jw *w, int64_t v)
{
	integer(w, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
}

void cb_jw_u64(struct cb_jw *w, uint64_t v)
{
	integer(w, v, false);
}

void cb_jw_fixed(struct cb_jw *w, double v, int decimals)
{
	static const uint64_t ten[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
	};
	bool negative = v < 0;
	char b[400], *end, *p;
	uint64_t whole, part;
	double rest;

	if (!isfinite(v)) {
		cb_jw_null(w);
		return;
	}
	if (negative)
		v = -v;
	decimals = decimals < 0 ? 0 : decimals > 9 ? 9 : decimals;
	if (v >= 9007199254740992.0) {	/* 2^53: whole numbers from here on */
		int n = snprintf(b, sizeof(b), "%s%.0f", negative ? "-" : "", v);

		before(w);
		add(w, b, (size_t)n);
		return;
	}
	whole = (uint64_t)v;
	rest = (v - (double)whole) * (double)ten[decimals];
	part = (uint64_t)rest;
	if (rest - (double)part >= 0.5)
		part++;
	if (part == ten[decimals]) {
		whole++;
		part = 0;
	}
	end = p = b + sizeof(b);
	if (part) {
		while (part % 10 == 0) {
			part /= 10;
			decimals--;
		}
		p = decimal(end, part);
		while (end - p < decimals)
			*--p = '0';
		*--p = '.';
	}
	negative = negative && (whole || part);
	p = decimal(p, whole);
	if (negative)
		*--p = '-';
	before(w);
	add(w, p, (size_t)(end - p));
}

void cb_jw_bool(struct cb_jw *w, bool v)
{
	before(w);
	if (v)
		add(w, "true", 4);
	else
		add(w, "false", 5);
}

void cb_jw_null(struct cb_jw *w)
{
	before(w);
	add(w, "null", 4);
}

void cb_jw_raw(struct cb_jw *w, const char *json, size_t n)
{
	before(w);
	add(w, json, n);
}

void cb_jw_kstr(struct cb_jw *w, const char *key, const char *s)
{
	cb_jw_key(w, key);
	cb_jw_str(w, s);
}

void cb_jw_ki64(struct cb_jw *w, const char *key, int64_t v)
{
	cb_jw_key(w, key);
	cb_jw_i64(w, v);
}

void cb_jw_ku64(struct cb_jw *w, const char *key, uint64_t v)
{
	cb_jw_key(w, key);
	cb_jw_u64(w, v);
}

void cb_jw_kfixed(struct cb_jw *w, const char *key, double v, int decimals)
{
	cb_jw_key(w, key);
	cb_jw_fixed(w, v, decimals);
}

void cb_jw_kbool(struct cb_jw *w, const char *key, bool v)
{
	cb_jw_key(w, key);
	cb_jw_bool(w, v);
}

int cb_jw_done(const struct cb_jw *w, struct cb_err *err)
{
	return w->failed ? cb_err_nomem(err) : 0;
}
