/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer. All zero is a valid empty buffer; data is not NUL-terminated
 * unless cb_buf_printf or cb_buf_str wrote last (they keep a NUL after len).
 * Every append returns 0, or -1 and leaves the buffer as it was (no memory, or beyond
 * CB_BUF_MAX). Release frees and makes it empty again. */
#ifndef CB_BASE_BUF_H
#define CB_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#define CB_BUF_MAX ((size_t)1 << 30)

struct cb_buf {
	uint8_t *data;
	size_t len, cap;
};

int cb_buf_reserve(struct cb_buf *b, size_t extra);
int cb_buf_add(struct cb_buf *b, const void *p, size_t n);
int cb_buf_str(struct cb_buf *b, const char *s);
int cb_buf_byte(struct cb_buf *b, uint8_t c);
int cb_buf_le16(struct cb_buf *b, uint16_t v);
int cb_buf_le32(struct cb_buf *b, uint32_t v);
int cb_buf_le64(struct cb_buf *b, uint64_t v);
int cb_buf_be16(struct cb_buf *b, uint16_t v);
int cb_buf_be32(struct cb_buf *b, uint32_t v);
int cb_buf_be64(struct cb_buf *b, uint64_t v);
int cb_buf_printf(struct cb_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Remove n bytes from the front. */
void cb_buf_drop(struct cb_buf *b, size_t n);
void cb_buf_release(struct cb_buf *b);

#endif
