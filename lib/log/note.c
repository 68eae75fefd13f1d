/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes, verifier keys, checkpoints and cosignatures, read strictly. */
#include "log/note.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "crypto/base64.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"

#define DASH "\xe2\x80\x94 "	/* EM DASH and a blank begin a signature line */
#define DASH_LEN 4
#define BLOB_MAX (4u + 8192u)	/* the largest known kind, ML-DSA-44's, has 4 + 8 + 2420 */

static int bad(struct cb_err *err, const char *why)
{
	return cb_err_set(err, CB_E_DATA, "%s", why);
}

/* --- text -------------------------------------------------------------------------------------- */

/* The next character, shortest form only; -1 for what is none. */
static int32_t utf8(const char *s, size_t n, size_t *pos)
{
	const uint8_t *p = (const uint8_t *)s + *pos;
	size_t left = n - *pos, len;
	int32_t c = *p;

	if (c < 0x80) {
		(*pos)++;
		return c;
	}
	len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || left < len)
		return -1;
	c &= 0xff >> (len + 1);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((len == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
	    (len == 4 && (c < 0x10000 || c > 0x10ffff)))
		return -1;
	*pos += len;
	return c;
}

/* Of Unicode's White_Space. */
static bool blank(int32_t c)
{
	return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

static bool text_ok(const char *p, size_t n)
{
	int32_t c;

	for (size_t pos = 0; pos < n;) {
		c = utf8(p, n, &pos);
		if (c < 0 || (c < ' ' && c != '\n'))
			return false;
	}
	return true;
}

bool cb_key_name_ok(const char *s, size_t n)
{
	int32_t c;

	if (!n || n >= CB_NOTE_NAME)
		return false;
	for (size_t pos = 0; pos < n;) {
		c = utf8(s, n, &pos);
		if (c < ' ' || c == '+' || c == 127 || blank(c))
			return false;
	}
	return true;
}

bool cb_size_text(uint64_t *ret, const char *p, size_t n)
{
	char text[24];

	if (!n || n >= sizeof(text) || (n > 1 && *p == '0') || memchr(p, '\0', n))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return cb_parse_u64(text, 0, CB_TREE_MAX, ret);
}

bool cb_hash_base64(uint8_t out[static CB_HASH_LEN], const char *p, size_t n)
{
	uint8_t sum[CB_HASH_LEN];
	size_t len;

	if (n != 44 || !cb_base64_decode(sum, sizeof(sum), p, n, &len) || len != CB_HASH_LEN)
		return false;
	memcpy(out, sum, CB_HASH_LEN);
	return true;
}

/* --- keys -------------------------------------------------------------------------------------- */

static uint32_t key_id(const char *name, const uint8_t *typed, size_t n)
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, name, strlen(name));
	cb_sha256_update(&h, "\n", 1);
	cb_sha256_update(&h, typed, n);
	cb_sha256_final(&h, sum);
	return cb_be32(sum);
}

int cb_vkey_parse(struct cb_vkey *ret, const char *text, size_t n, struct cb_err *err)
{
	const char *hash = memchr(text, '+', n), *key;
	struct cb_vkey k = { .name = "" };
	uint8_t typed[BLOB_MAX], id[4];
	char hex[9] = "";
	size_t name, len;

	name = hash ? (size_t)(hash - text) : 0;
	if (!hash || n - name < 11 || hash[9] != '+')
		return bad(err, "not a verifier key: NAME+HASH+KEY");
	if (!cb_key_name_ok(text, name))
		return bad(err, "not the name of a key");
	memcpy(k.name, text, name);
	memcpy(hex, hash + 1, 8);
	key = hash + 10;
	if (strspn(hex, "0123456789abcdef") != 8 || !cb_unhex(id, 4, hex) ||
	    !cb_base64_decode(typed, sizeof(typed), key, n - name - 10, &len) || !len)
		return bad(err, "not a verifier key: NAME+HASH+KEY");
	k.id = key_id(k.name, typed, len);
	k.type = typed[0];
	k.known = k.type == CB_KEY_ED25519 || k.type == CB_KEY_COSIGNATURE;
	if (k.id != cb_be32(id))
		return bad(err, "the verifier key's hash is not that of its name and key");
	if (k.known && len != 1 + sizeof(k.key))
		return bad(err, "the verifier key has a wrong length");
	if (k.known)
		memcpy(k.key, typed + 1, sizeof(k.key));
	*ret = k;
	return 0;
}

int cb_vkey_init(struct cb_vkey *ret, const char *name, uint8_t type, const uint8_t key[static 32],
		 struct cb_err *err)
{
	struct cb_vkey k = { .type = type, .known = true };
	size_t n = strlen(name);
	uint8_t typed[33];

	if (!cb_key_name_ok(name, n))
		return bad(err, "not the name of a key");
	memcpy(k.name, name, n + 1);
	memcpy(k.key, key, 32);
	typed[0] = type;
	memcpy(typed + 1, key, 32);
	k.id = key_id(name, typed, sizeof(typed));
	*ret = k;
	return 0;
}

int cb_vkey_put(struct cb_buf *b, const struct cb_vkey *k)
{
	uint8_t typed[33] = { k->type };

	memcpy(typed + 1, k->key, 32);
	return cb_buf_printf(b, "%s+%08" PRIx32 "+", k->name, k->id) < 0 ? -1 :
	       cb_base64_put(b, typed, sizeof(typed));
}

/* --- notes ------------------------------------------------------------------------------------- */

/* One signature line of n bytes with its LF. */
static const char *parse_sig(struct cb_note_sig *ret, const char *p, size_t n)
{
	struct cb_note_sig s = { .line = p, .line_len = n };
	uint8_t blob[BLOB_MAX];
	const char *sp;
	size_t len;

	if (n < DASH_LEN + 1 || memcmp(p, DASH, DASH_LEN) != 0)
		return "a signature line does not begin with a dash";
	p += DASH_LEN;
	n -= DASH_LEN + 1;
	sp = memchr(p, ' ', n);
	if (!sp)
		return "a signature line has no signature";
	s.name = p;
	s.name_len = (size_t)(sp - p);
	s.blob = sp + 1;
	s.blob_len = n - s.name_len - 1;
	if (!cb_key_name_ok(s.name, s.name_len))
		return "a signature line has no key's name";
	if (!cb_base64_decode(blob, sizeof(blob), s.blob, s.blob_len, &len) || len < 5)
		return "a signature is not base64";
	s.id = cb_be32(blob);
	*ret = s;
	return NULL;
}

int cb_note_parse(struct cb_note *ret, const char *p, size_t n, struct cb_err *err)
{
	const char *split = NULL, *line, *end = p + n, *lf, *why;

	ret->n = 0;
	if (n > CB_NOTE_MAX)
		return bad(err, "too large for a signed note");
	if (!text_ok(p, n))
		return bad(err, "not a signed note: it is not text in UTF-8");
	if (!n || p[n - 1] != '\n')
		return bad(err, "not a signed note: it does not end in a line feed");
	for (size_t i = n - 1; i > 0; i--)
		if (p[i] == '\n' && p[i - 1] == '\n') {
			split = p + i;
			break;
		}
	if (!split)
		return bad(err, "not a signed note: it has no empty line");
	if (split + 1 == end)
		return bad(err, "a note without a signature");
	for (line = split + 1; line < end; line = lf + 1) {
		lf = memchr(line, '\n', (size_t)(end - line));
		if (ret->n == CB_NOTE_SIGS)
			return bad(err, "a note with too many signatures");
		why = parse_sig(&ret->sig[ret->n], line, (size_t)(lf + 1 - line));
		if (why) {
			ret->n = 0;
			return bad(err, why);
		}
		ret->n++;
	}
	ret->text = p;
	ret->text_len = (size_t)(split - p);
	return 0;
}

static bool put_cosigned(struct cb_buf *b, uint64_t time, const char *text, size_t n)
{
	return cb_buf_printf(b, "cosignature/v1\ntime %" PRIu64 "\n", time) == 0 &&
	       cb_buf_add(b, text, n) == 0;
}

/* One line that names the key. */
static enum cb_signed check(const struct cb_note *n, const struct cb_note_sig *s,
			    const struct cb_vkey *k, uint64_t *ret_time)
{
	struct cb_buf b = { 0 };
	uint8_t blob[BLOB_MAX];
	enum cb_signed one;
	size_t len;

	if (!k->known)
		return CB_SIGNED_UNKNOWN;
	*ret_time = 0;
	if (!cb_base64_decode(blob, sizeof(blob), s->blob, s->blob_len, &len))
		return CB_SIGNED_FALSE;
	if (k->type == CB_KEY_ED25519)
		return len == 4 + 64 && cb_ed25519_verify(blob + 4, n->text, n->text_len, k->key) ?
		       CB_SIGNED_TRUE : CB_SIGNED_FALSE;
	if (len != 4 + 8 + 64)
		return CB_SIGNED_FALSE;
	*ret_time = cb_be64(blob + 4);
	if (*ret_time > INT64_MAX)
		return CB_SIGNED_FALSE;
	one = !put_cosigned(&b, *ret_time, n->text, n->text_len) ? CB_SIGNED_UNKNOWN :
	      cb_ed25519_verify(blob + 12, b.data, b.len, k->key) ? CB_SIGNED_TRUE : CB_SIGNED_FALSE;
	cb_buf_release(&b);
	return one;
}

enum cb_signed cb_note_signed(const struct cb_note *n, const struct cb_vkey *k, uint64_t *ret_time)
{
	enum cb_signed ret = CB_SIGNED_NOT, one;
	size_t len = strlen(k->name);
	uint64_t time = 0, latest = 0;

	for (size_t i = 0; i < n->n; i++) {
		const struct cb_note_sig *s = &n->sig[i];

		if (s->id != k->id || s->name_len != len || memcmp(s->name, k->name, len) != 0)
			continue;
		one = check(n, s, k, &time);
		if (one != CB_SIGNED_TRUE)
			return one;
		latest = time > latest ? time : latest;
		ret = one;
	}
	if (ret_time)
		*ret_time = latest;
	return ret;
}

int cb_note_put_sig(struct cb_buf *b, const struct cb_vkey *k, const uint8_t sig[static 64],
		    uint64_t time)
{
	uint8_t blob[4 + 8 + 64];
	size_t n = 4;

	cb_put_be32(blob, k->id);
	if (k->type == CB_KEY_COSIGNATURE) {
		cb_put_be64(blob + 4, time);
		n += 8;
	}
	memcpy(blob + n, sig, 64);
	return cb_buf_printf(b, DASH "%s ", k->name) < 0 || cb_base64_put(b, blob, n + 64) < 0 ? -1 :
	       cb_buf_byte(b, '\n');
}

/* --- checkpoints ------------------------------------------------------------------------------- */

int cb_checkpoint_parse(struct cb_checkpoint *ret, const char *text, size_t n, struct cb_err *err)
{
	struct cb_checkpoint c = { .origin = "" };
	const char *p = text, *end = text + n, *lf, *field[3];
	size_t len[3];

	for (int i = 0; i < 3; i++, p = lf + 1) {
		lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		if (!lf)
			return bad(err, "not a checkpoint: it has not three lines");
		field[i] = p;
		len[i] = (size_t)(lf - p);
	}
	if (!len[0] || len[0] >= sizeof(c.origin) || memchr(field[0], '\0', len[0]))
		return bad(err, "not a checkpoint: its origin is empty or too long");
	memcpy(c.origin, field[0], len[0]);
	if (!cb_size_text(&c.size, field[1], len[1]))
		return bad(err, "not a checkpoint: its second line is not a size");
	if (!cb_hash_base64(c.root, field[2], len[2]))
		return bad(err, "not a checkpoint: its third line is not a root");
	c.extra = p;
	c.extra_len = (size_t)(end - p);
	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf || lf == p)
			return bad(err, "not a checkpoint: an empty line in it");
	}
	*ret = c;
	return 0;
}

int cb_checkpoint_put(struct cb_buf *b, const char *origin, uint64_t size,
		      const uint8_t root[static CB_HASH_LEN])
{
	return cb_buf_printf(b, "%s\n%" PRIu64 "\n", origin, size) < 0 ||
	       cb_base64_put(b, root, CB_HASH_LEN) < 0 ? -1 : cb_buf_byte(b, '\n');
}

int cb_cosignature_put(struct cb_buf *b, uint64_t time, const char *text, size_t n)
{
	return put_cosigned(b, time, text, n) ? 0 : -1;
}
