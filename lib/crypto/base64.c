/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 without tables and without leniency. */
#include "crypto/base64.h"

/* All ones where a <= x <= b, all of them below 256; else 0. */
static unsigned in(unsigned x, unsigned a, unsigned b)
{
	return ~(((x - a) | (b - x)) >> 8) & 0xff;
}

static char digit(unsigned v)
{
	return (char)((in(v, 0, 25) & (v + 'A')) | (in(v, 26, 51) & (v - 26 + 'a')) |
		      (in(v, 52, 61) & (v - 52 + '0')) | (in(v, 62, 62) & '+') | (in(v, 63, 63) & '/'));
}

/* 0 to 63, or with bit 8 set where c is no digit. */
static unsigned value(char ch)
{
	unsigned c = (uint8_t)ch, A = in(c, 'A', 'Z'), a = in(c, 'a', 'z'), n = in(c, '0', '9');
	unsigned plus = in(c, '+', '+'), slash = in(c, '/', '/');

	return (A & (c - 'A')) | (a & (c - 'a' + 26)) | (n & (c - '0' + 52)) | (plus & 62) | (slash & 63) |
		((~(A | a | n | plus | slash) & 1) << 8);
}

size_t cb_base64_raw(char *out, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t bits = 0;
	size_t o = 0;
	int have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | b[i];
		for (have += 8; have >= 6; have -= 6)
			out[o++] = digit(bits >> (have - 6) & 63);
	}
	if (have)
		out[o++] = digit(bits << (6 - have) & 63);
	out[o] = '\0';
	return o;
}

size_t cb_base64(char *out, const void *p, size_t n)
{
	size_t o = cb_base64_raw(out, p, n);

	while (o % 4)
		out[o++] = '=';
	out[o] = '\0';
	return o;
}

int cb_base64_put(struct cb_buf *b, const void *p, size_t n)
{
	if (cb_buf_reserve(b, CB_BASE64_SIZE(n)) < 0)
		return -1;
	b->len += cb_base64((char *)b->data + b->len, p, n);
	return 0;
}

bool cb_base64_decode_raw(uint8_t *out, size_t cap, const char *s, size_t n, size_t *ret_len)
{
	size_t len = n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0), o = 0;
	unsigned bad = 0;
	uint32_t bits = 0;
	int have = 0;

	if (n % 4 == 1 || len > cap)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned v = value(s[i]);

		bad |= v;
		bits = bits << 6 | (v & 63);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[o++] = (uint8_t)(bits >> have);
		}
	}
	if ((bad & 0x100) || (bits & ((1u << have) - 1)))
		return false;
	*ret_len = len;
	return true;
}

bool cb_base64_decode(uint8_t *out, size_t cap, const char *s, size_t n, size_t *ret_len)
{
	size_t pad = 0;

	if (n % 4)
		return false;
	while (pad < 2 && pad < n && s[n - 1 - pad] == '=')
		pad++;
	return cb_base64_decode_raw(out, cap, s, n - pad, ret_len);
}

bool cb_base64_decode_exact(uint8_t *out, size_t len, const char *s, size_t n)
{
	size_t got;

	return n == CB_BASE64_LEN(len) && cb_base64_decode(out, len, s, n, &got) && got == len;
}
