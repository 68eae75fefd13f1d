/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) as events need it: one strict validating pass that leaves a flat token
 * table, look-ups in it, and a writer with deterministic output.
 *
 * Strict: well-formed UTF-8 without surrogates (escaped lone surrogates are refused too), no
 * duplicate keys in an object, no NUL escapes, depth <= CB_JSON_DEPTH, tokens <= CB_JSON_TOKENS,
 * nothing after the value, numbers by the grammar. Nothing is allocated.
 */
#ifndef CB_WIRE_JSON_H
#define CB_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CB_JSON_DEPTH 16
#define CB_JSON_TOKENS 8192

enum cb_json_type {
	CB_JSON_OBJECT = 1, CB_JSON_ARRAY, CB_JSON_STRING, CB_JSON_NUMBER,
	CB_JSON_TRUE, CB_JSON_FALSE, CB_JSON_NULL,
};

/* A value or a key. A key is a STRING token followed by its value's tokens. */
struct cb_json_tok {
	uint8_t type;		/* enum cb_json_type */
	bool escaped;		/* STRING: has backslash escapes */
	uint16_t hash;		/* private */
	uint32_t start, end;	/* in the text; strings without their quotes */
	uint32_t next;		/* index of the token after this one's last descendant */
	uint32_t size;		/* OBJECT: pairs; ARRAY: elements */
};

struct cb_json {
	const char *text;	/* the caller's, not copied */
	size_t len;
	uint32_t n;		/* tokens; tok[0] is the root */
	struct cb_json_tok tok[CB_JSON_TOKENS];
};

/* Parse exactly len bytes. Errors: CB_E_DATA "byte N: reason" (from 0). Only j->n is reset between
 * uses: allocate one and keep it. */
int cb_json_parse(struct cb_json *j, const char *text, size_t len, struct cb_err *err);

#define CB_JSON_NONE UINT32_MAX
/* The value of a key (plain bytes, compared after unescaping) in object token obj, or NONE. */
uint32_t cb_json_get(const struct cb_json *j, uint32_t obj, const char *key);
/* A dotted path from token from, array elements by number: "data.objects.0.class". A key that
 * itself has dots is found by cb_json_get only. */
uint32_t cb_json_path(const struct cb_json *j, uint32_t from, const char *path);
/* Compare a string token with NUL-terminated text. */
bool cb_json_eq(const struct cb_json *j, uint32_t tok, const char *s);
/* Unescape a string token into out (NUL-terminated); -1 if it is none or does not fit. */
int cb_json_str(const struct cb_json *j, uint32_t tok, char *out, size_t cap);
/* A number token as double (the nearest; none for what is too large) or as integer (exact,
 * |v| < 2^63; 1.0 and 1e3 are integers); false if it is none. */
bool cb_json_double(const struct cb_json *j, uint32_t tok, double *ret);
bool cb_json_i64(const struct cb_json *j, uint32_t tok, int64_t *ret);

/* --- writer: appends to a cb_buf, commas and escapes by itself ------------------------------
 * Strings: invalid UTF-8 becomes U+FFFD; C0, DEL, C1, U+2028/9 and bidirectional controls are
 * escaped. Doubles are written in fixed point, rounded half away from zero, trailing zeros
 * cut; a double that is not finite is null. Memory failure sets `failed`, checked once at the
 * end by cb_jw_done. */
struct cb_jw {
	struct cb_buf *b;
	bool comma, failed;
};
void cb_jw_init(struct cb_jw *w, struct cb_buf *b);
void cb_jw_obj(struct cb_jw *w);			/* { */
void cb_jw_obj_end(struct cb_jw *w);			/* } */
void cb_jw_arr(struct cb_jw *w);			/* [ */
void cb_jw_arr_end(struct cb_jw *w);			/* ] */
void cb_jw_key(struct cb_jw *w, const char *key);
void cb_jw_str(struct cb_jw *w, const char *s);
void cb_jw_strn(struct cb_jw *w, const char *s, size_t n);
void cb_jw_i64(struct cb_jw *w, int64_t v);
void cb_jw_u64(struct cb_jw *w, uint64_t v);
void cb_jw_fixed(struct cb_jw *w, double v, int decimals);	/* 0..9 decimals */
void cb_jw_bool(struct cb_jw *w, bool v);
void cb_jw_null(struct cb_jw *w);
void cb_jw_raw(struct cb_jw *w, const char *json, size_t n);	/* one value, already JSON */
/* key and value at once */
void cb_jw_kstr(struct cb_jw *w, const char *key, const char *s);
void cb_jw_ki64(struct cb_jw *w, const char *key, int64_t v);
void cb_jw_ku64(struct cb_jw *w, const char *key, uint64_t v);
void cb_jw_kfixed(struct cb_jw *w, const char *key, double v, int decimals);
void cb_jw_kbool(struct cb_jw *w, const char *key, bool v);
int cb_jw_done(const struct cb_jw *w, struct cb_err *err);

#endif
