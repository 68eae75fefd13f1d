/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

int cb_buf_reserve(struct cb_buf *b, size_t extra)
{
	size_t need, cap;
	uint8_t *p;

	if (extra > CB_BUF_MAX || b->len + extra + 1 > CB_BUF_MAX)
		return -1;
	need = b->len + extra + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 256;
	while (cap < need)
		cap *= 2;
	p = realloc(b->data, cap);
	if (!p)
		return -1;
	b->data = p;
	b->cap = cap;
	return 0;
}

int cb_buf_add(struct cb_buf *b, const void *p, size_t n)
{
	if (cb_buf_reserve(b, n) < 0)
		return -1;
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	return 0;
}

int cb_buf_str(struct cb_buf *b, const char *s)
{
	size_t n = strlen(s);

	if (cb_buf_reserve(b, n) < 0)
		return -1;
	memcpy(b->data + b->len, s, n + 1);
	b->len += n;
	return 0;
}

int cb_buf_byte(struct cb_buf *b, uint8_t c)
{
	return cb_buf_add(b, &c, 1);
}

int cb_buf_le16(struct cb_buf *b, uint16_t v)
{
	return cb_buf_add(b, &v, 2);
}

int cb_buf_le32(struct cb_buf *b, uint32_t v)
{
	return cb_buf_add(b, &v, 4);
}

int cb_buf_le64(struct cb_buf *b, uint64_t v)
{
	return cb_buf_add(b, &v, 8);
}

int cb_buf_be16(struct cb_buf *b, uint16_t v)
{
	return cb_buf_le16(b, __builtin_bswap16(v));
}

int cb_buf_be32(struct cb_buf *b, uint32_t v)
{
	return cb_buf_le32(b, __builtin_bswap32(v));
}

int cb_buf_be64(struct cb_buf *b, uint64_t v)
{
	return cb_buf_le64(b, __builtin_bswap64(v));
}

int cb_buf_printf(struct cb_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || cb_buf_reserve(b, (size_t)n) < 0)
		return -1;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void cb_buf_drop(struct cb_buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void cb_buf_release(struct cb_buf *b)
{
	free(b->data);
	*b = (struct cb_buf){ 0 };
}
