/* SPDX-License-Identifier: Apache-2.0 */
/* Strict number parsing and exact rescaling. */
#include "base/num.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Digits at *s into *ret; false where there are none or they overflow. */
static bool digits(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	}
	*s = p;
	*ret = v;
	return true;
}

bool cb_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (!digits(&s, &v) || *s || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool cb_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool neg = *s == '-';
	uint64_t u;
	int64_t v;

	if (neg)
		s++;
	if (!digits(&s, &u) || *s || u > (uint64_t)INT64_MAX + neg)
		return false;
	v = neg ? (int64_t)(0 - u) : (int64_t)u;
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool cb_parse_double(const char *s, double min, double max, double *ret)
{
	char *end;
	double v;

	if (!((*s >= '0' && *s <= '9') || *s == '-' || *s == '.') || strpbrk(s, "xXpP"))
		return false;
	errno = 0;
	v = strtod(s, &end);
	if (*end || errno || !isfinite(v) || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

bool cb_parse_rational(const char *s, uint32_t *ret_num, uint32_t *ret_den)
{
	uint64_t num, den = 1, g;

	if (!digits(&s, &num) || num > UINT32_MAX)
		return false;
	if (*s == '/') {
		s++;
		if (!digits(&s, &den))
			return false;
	} else if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++) {
			if (den > 100000000)
				return false;
			num = num * 10 + (uint64_t)(*s - '0');
			den *= 10;
		}
	}
	if (*s || !num || !den)
		return false;
	g = gcd(num, den);
	num /= g;
	den /= g;
	if (num > UINT32_MAX || den > UINT32_MAX)
		return false;
	*ret_num = (uint32_t)num;
	*ret_den = (uint32_t)den;
	return true;
}

bool cb_parse_bytes(const char *s, uint64_t *ret)
{
	static const char suffix[] = "kMGT";
	const char *at;
	uint64_t v;

	if (!digits(&s, &v))
		return false;
	if (*s) {
		at = strchr(suffix, *s == 'K' ? 'k' : *s);
		if (!at || s[1])
			return false;
		for (int i = 0; i <= at - suffix; i++)
			if (__builtin_mul_overflow(v, 1024, &v))
				return false;
	}
	*ret = v;
	return true;
}

int64_t cb_rescale(int64_t a, int64_t b, int64_t c)
{
	__int128 p = (__int128)a * b;
	__int128 half = c / 2;
	__int128 v = p >= 0 ? (p + half) / c : -((-p + half) / c);

	return v > INT64_MAX ? INT64_MAX : v < -INT64_MAX ? -INT64_MAX : (int64_t)v;
}

void cb_hex(char *out, const uint8_t *p, size_t n)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digit[p[i] >> 4];
		*out++ = digit[p[i] & 15];
	}
	*out = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool cb_unhex(uint8_t *out, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(s[2 * i]), lo = hi < 0 ? -1 : nibble(s[2 * i + 1]);

		if (lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}
