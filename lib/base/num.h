/* SPDX-License-Identifier: Apache-2.0 */
/* Integers at byte addresses, and strict parsing of numbers that people type. */
#ifndef CB_BASE_NUM_H
#define CB_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian hosts only so far"
#endif

static inline uint16_t cb_le16(const void *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t cb_le32(const void *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t cb_le64(const void *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static inline void cb_put_le16(void *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void cb_put_le32(void *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void cb_put_le64(void *p, uint64_t v) { memcpy(p, &v, 8); }
static inline uint16_t cb_be16(const void *p) { return __builtin_bswap16(cb_le16(p)); }
static inline uint32_t cb_be32(const void *p) { return __builtin_bswap32(cb_le32(p)); }
static inline uint64_t cb_be64(const void *p) { return __builtin_bswap64(cb_le64(p)); }
static inline void cb_put_be16(void *p, uint16_t v) { cb_put_le16(p, __builtin_bswap16(v)); }
static inline void cb_put_be32(void *p, uint32_t v) { cb_put_le32(p, __builtin_bswap32(v)); }
static inline void cb_put_be64(void *p, uint64_t v) { cb_put_le64(p, __builtin_bswap64(v)); }

/* Whole-string decimal parsing: no sign for unsigned, no blanks, no trailing text.
 * false, and *ret untouched, where the text is no such number or lies outside min..max. */
bool cb_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
bool cb_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret);
bool cb_parse_double(const char *s, double min, double max, double *ret);
/* "25", "30000/1001", "29.97": a positive rational, reduced to fit 32 bits. */
bool cb_parse_rational(const char *s, uint32_t *ret_num, uint32_t *ret_den);
/* BYTES: a decimal number with an optional suffix k, M, G, T (powers of 1024). */
bool cb_parse_bytes(const char *s, uint64_t *ret);
/* a * b / c without overflow, rounded to nearest (ties away from zero); c > 0. */
int64_t cb_rescale(int64_t a, int64_t b, int64_t c);

/* Lower-case hexadecimal; out holds 2n characters and a NUL. */
void cb_hex(char *out, const uint8_t *p, size_t n);
/* Exactly 2n hexadecimal digits at s; false otherwise. */
bool cb_unhex(uint8_t *out, size_t n, const char *s);

#endif
