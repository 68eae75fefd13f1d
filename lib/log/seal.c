/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolments and seals: their text, and whether they are true. */
#include "log/seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "crypto/base64.h"
#include "crypto/ed25519.h"

#define PREFIX "{\"recordedtime\":\""
#define EXACT_MAX (INT64_C(1) << 53)	/* integers that JSON's readers agree on */

/* --- entries ------------------------------------------------------------------------------------ */

bool cb_entry_recorded(const void *entry, size_t n, int64_t *ret_us)
{
	char text[CB_TIME_LEN], again[CB_TIME_LEN];
	const char *p = entry;
	int64_t ns;

	if (n <= CB_RECORDED_LEN || memcmp(p, PREFIX, strlen(PREFIX)) != 0 ||
	    memcmp(p + CB_RECORDED_LEN - 2, "\",", 2) != 0)
		return false;
	memcpy(text, p + strlen(PREFIX), CB_TIME_LEN - 1);
	text[CB_TIME_LEN - 1] = '\0';
	if (!cb_parse_time(text, &ns))
		return false;
	*ret_us = ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
	cb_time_format_us(again, *ret_us);	/* in its one form */
	return strcmp(text, again) == 0;
}

void cb_entry_put_recorded(char out[static CB_RECORDED_LEN + 1], int64_t us)
{
	char text[CB_TIME_LEN];

	_Static_assert(sizeof(PREFIX) - 1 + CB_TIME_LEN - 1 + 2 == CB_RECORDED_LEN, "a time has one length");
	cb_time_format_us(text, us);
	snprintf(out, CB_RECORDED_LEN + 1, PREFIX "%s\",", text);
}

int cb_entry_parse(struct cb_entry *ret, struct cb_json *j, const void *entry, size_t n,
		   struct cb_err *err)
{
	struct cb_entry e = { .json = j, .type = CB_JSON_NONE, .data = CB_JSON_NONE };
	char type[16];

	if (!cb_entry_recorded(entry, n, &e.recorded_us))
		return cb_err_set(err, CB_E_DATA, "does not begin with its recordedtime");
	if (memchr(entry, '\n', n))
		return cb_err_set(err, CB_E_DATA, "more than one line");
	if (cb_json_parse(j, entry, n, err) < 0)
		return -1;
	e.type = cb_json_get(j, 0, "type");
	e.data = cb_json_get(j, 0, "data");
	if (e.type == CB_JSON_NONE || j->tok[e.type].type != CB_JSON_STRING)
		e.kind = CB_ENTRY_OTHER;
	else if (cb_json_eq(j, e.type, "cb.log.enrolled"))
		e.kind = CB_ENTRY_ENROLLED;
	else if (cb_json_eq(j, e.type, "cb.log.seal"))
		e.kind = CB_ENTRY_SEAL;
	else if (j->tok[e.type].escaped)	/* nobody needs an escape to write a type */
		e.kind = cb_json_str(j, e.type, type, sizeof(type)) < 0 || strncmp(type, "cb.log.", 7) == 0 ?
			 CB_ENTRY_OWN : CB_ENTRY_OTHER;
	else
		e.kind = j->tok[e.type].end - j->tok[e.type].start >= 7 &&
			 memcmp(j->text + j->tok[e.type].start, "cb.log.", 7) == 0 ? CB_ENTRY_OWN : CB_ENTRY_OTHER;
	*ret = e;
	return 0;
}

/* --- members of a data object ------------------------------------------------------------------- */

static int whole_number(const struct cb_entry *e, uint32_t obj, const char *key, int64_t min, int64_t max,
			int64_t *ret, struct cb_err *err)
{
	uint32_t t = cb_json_get(e->json, obj, key);

	if (t == CB_JSON_NONE || !cb_json_i64(e->json, t, ret) || *ret < min || *ret > max)
		return cb_err_set(err, CB_E_DATA, "%s: not an integer from %" PRId64 " to %" PRId64, key, min, max);
	return 0;
}

static bool bytes_of(const struct cb_json *j, uint32_t t, uint8_t *out, size_t n)
{
	return t != CB_JSON_NONE && j->tok[t].type == CB_JSON_STRING && !j->tok[t].escaped &&
	       cb_base64_decode_exact(out, n, j->text + j->tok[t].start, j->tok[t].end - j->tok[t].start);
}

static int bytes(const struct cb_entry *e, uint32_t obj, const char *key, uint8_t *out, size_t n,
		 struct cb_err *err)
{
	return bytes_of(e->json, cb_json_get(e->json, obj, key), out, n) ? 0 :
	       cb_err_set(err, CB_E_DATA, "%s: not base64 of %zu bytes", key, n);
}

static int data_object(const struct cb_entry *e, struct cb_err *err)
{
	return e->data != CB_JSON_NONE && e->json->tok[e->data].type == CB_JSON_OBJECT ? 0 :
	       cb_err_set(err, CB_E_DATA, "data is not an object");
}

static void put_base64(struct cb_jw *w, const char *key, const uint8_t *p, size_t n)
{
	char text[CB_BASE64_SIZE(64)];

	cb_base64(text, p, n);
	if (key)
		cb_jw_kstr(w, key, text);
	else
		cb_jw_str(w, text);
}

/* --- enrolment --------------------------------------------------------------------------------- */

static int parse_previous(struct cb_enrolment *r, const struct cb_entry *e, uint32_t obj, struct cb_err *err)
{
	const struct cb_json *j = e->json;
	uint32_t t;
	int64_t size;

	if (j->tok[obj].type != CB_JSON_OBJECT)
		return cb_err_set(err, CB_E_DATA, "previous: not an object");
	t = cb_json_get(j, obj, "origin");
	if (t == CB_JSON_NONE || cb_json_str(j, t, r->previous, sizeof(r->previous)) < 0 ||
	    !cb_key_name_ok(r->previous, strlen(r->previous)))
		return cb_err_set(err, CB_E_DATA, "previous: origin: not a name");
	if (whole_number(e, obj, "size", 1, EXACT_MAX, &size, err) < 0 ||
	    bytes(e, obj, "root", r->previous_root, CB_HASH_LEN, err) < 0)
		return cb_err_prefix(err, "previous");
	r->previous_size = (uint64_t)size;
	r->follows = true;
	return 0;
}

static int parse_org(struct cb_enrolment *r, const struct cb_entry *e, uint32_t obj, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	bool good;

	if (e->json->tok[obj].type != CB_JSON_OBJECT)
		return cb_err_set(err, CB_E_DATA, "org: not an object");
	if (bytes(e, obj, "key", r->org_key, 32, err) < 0 || bytes(e, obj, "sig", r->org_sig, 64, err) < 0)
		return cb_err_prefix(err, "org");
	if (cb_enrolment_signed(&b, r) < 0)
		return cb_err_nomem(err);
	good = cb_ed25519_verify(r->org_sig, b.data, b.len, r->org_key);
	cb_buf_release(&b);
	r->org = true;
	return good ? 0 : cb_err_set(err, CB_E_NO, "the organisation's signature is false");
}

int cb_enrolment_parse(struct cb_enrolment *ret, const struct cb_entry *e, struct cb_err *err)
{
	const struct cb_json *j = e->json;
	struct cb_enrolment r = { 0 };
	char origin[CB_NOTE_NAME], vkey[CB_NOTE_NAME + 64];
	int64_t s, n, n0;
	uint32_t t;

	if (e->kind != CB_ENTRY_ENROLLED)
		return cb_err_set(err, CB_E_DATA, "its type is not cb.log.enrolled");
	if (data_object(e, err) < 0)
		return -1;
	t = cb_json_get(j, e->data, "vkey");
	if (t == CB_JSON_NONE || cb_json_str(j, t, vkey, sizeof(vkey)) < 0)
		return cb_err_set(err, CB_E_DATA, "vkey: not a key");
	if (cb_vkey_parse(&r.log, vkey, strlen(vkey), err) < 0)
		return cb_err_prefix(err, "vkey");
	if (!r.log.known || r.log.type != CB_KEY_ED25519)
		return cb_err_set(err, CB_E_DATA, "vkey: not an Ed25519 key of a log");
	t = cb_json_get(j, e->data, "origin");
	if (t == CB_JSON_NONE || cb_json_str(j, t, origin, sizeof(origin)) < 0 || strcmp(origin, r.log.name) != 0)
		return cb_err_set(err, CB_E_DATA, "origin: not the name in vkey");
	if (whole_number(e, e->data, "epoch_s", 1, 86400, &s, err) < 0 ||
	    whole_number(e, e->data, "epochs", 1, CB_LOG_EPOCHS_MAX, &n, err) < 0 ||
	    whole_number(e, e->data, "epoch0", 0, INT64_C(1) << 40, &n0, err) < 0 ||
	    bytes(e, e->data, "epoch_root", r.epoch_root, CB_HASH_LEN, err) < 0)
		return -1;
	r.epoch_s = (uint32_t)s;
	r.epochs = (uint32_t)n;
	r.epoch0 = n0;
	t = cb_json_get(j, e->data, "previous");
	if (t != CB_JSON_NONE && parse_previous(&r, e, t, err) < 0)
		return -1;
	t = cb_json_get(j, e->data, "org");
	if (t != CB_JSON_NONE && parse_org(&r, e, t, err) < 0)
		return -1;
	*ret = r;
	return 0;
}

int cb_enrolment_signed(struct cb_buf *b, const struct cb_enrolment *e)
{
	char root[CB_BASE64_SIZE(CB_HASH_LEN)];

	cb_base64(root, e->epoch_root, CB_HASH_LEN);
	if (cb_buf_str(b, "cb-log-enrol/v1\n") < 0 || cb_vkey_put(b, &e->log) < 0 ||
	    cb_buf_printf(b, "\n%" PRIu32 "\n%" PRId64 "\n%" PRIu32 "\n%s\n", e->epoch_s, e->epoch0,
			  e->epochs, root) < 0)
		return -1;
	if (!e->follows)
		return 0;
	cb_base64(root, e->previous_root, CB_HASH_LEN);
	return cb_buf_printf(b, "%s\n%" PRIu64 "\n%s\n", e->previous, e->previous_size, root);
}

void cb_enrolment_put(struct cb_jw *w, const struct cb_enrolment *e)
{
	struct cb_buf vkey = { 0 };

	if (cb_vkey_put(&vkey, &e->log) < 0)
		w->failed = true;
	cb_jw_kstr(w, "origin", e->log.name);
	cb_jw_key(w, "vkey");
	cb_jw_strn(w, (const char *)vkey.data, vkey.len);
	cb_buf_release(&vkey);
	cb_jw_ku64(w, "epoch_s", e->epoch_s);
	cb_jw_ki64(w, "epoch0", e->epoch0);
	cb_jw_ku64(w, "epochs", e->epochs);
	put_base64(w, "epoch_root", e->epoch_root, CB_HASH_LEN);
	if (e->follows) {
		cb_jw_key(w, "previous");
		cb_jw_obj(w);
		cb_jw_kstr(w, "origin", e->previous);
		cb_jw_ku64(w, "size", e->previous_size);
		put_base64(w, "root", e->previous_root, CB_HASH_LEN);
		cb_jw_obj_end(w);
	}
	if (e->org) {
		cb_jw_key(w, "org");
		cb_jw_obj(w);
		put_base64(w, "key", e->org_key, 32);
		put_base64(w, "sig", e->org_sig, 64);
		cb_jw_obj_end(w);
	}
}

/* --- seals ----------------------------------------------------------------------------------------- */

int cb_seal_parse(struct cb_seal *ret, const struct cb_entry *e, struct cb_err *err)
{
	const struct cb_json *j = e->json;
	struct cb_seal s = { 0 };
	int64_t epoch, size;
	uint32_t path, t;

	if (e->kind != CB_ENTRY_SEAL)
		return cb_err_set(err, CB_E_DATA, "its type is not cb.log.seal");
	if (data_object(e, err) < 0 ||
	    whole_number(e, e->data, "epoch", 0, CB_LOG_EPOCHS_MAX - 1, &epoch, err) < 0 ||
	    whole_number(e, e->data, "size", 1, EXACT_MAX, &size, err) < 0 ||
	    bytes(e, e->data, "root", s.root, CB_HASH_LEN, err) < 0 ||
	    bytes(e, e->data, "key", s.key, 32, err) < 0 || bytes(e, e->data, "sig", s.sig, 64, err) < 0)
		return -1;
	s.epoch = (uint32_t)epoch;
	s.size = (uint64_t)size;
	path = cb_json_get(j, e->data, "path");
	if (path == CB_JSON_NONE || j->tok[path].type != CB_JSON_ARRAY || j->tok[path].size > CB_SEAL_PATH_MAX)
		return cb_err_set(err, CB_E_DATA, "path: not a list of hashes");
	t = path + 1;
	for (; s.path_len < j->tok[path].size; s.path_len++, t = j->tok[t].next)
		if (!bytes_of(j, t, s.path + s.path_len * CB_HASH_LEN, CB_HASH_LEN))
			return cb_err_set(err, CB_E_DATA, "path: not a list of hashes");
	*ret = s;
	return 0;
}

int cb_seal_signed(struct cb_buf *b, const struct cb_seal *s, const char *origin)
{
	char root[CB_BASE64_SIZE(CB_HASH_LEN)];

	cb_base64(root, s->root, CB_HASH_LEN);
	return cb_buf_printf(b, "cb-log-seal/v1\n%s\n%" PRIu32 "\n%" PRIu64 "\n%s\n", origin, s->epoch,
			     s->size, root);
}

void cb_seal_put(struct cb_jw *w, const struct cb_seal *s)
{
	cb_jw_ku64(w, "epoch", s->epoch);
	cb_jw_ku64(w, "size", s->size);
	put_base64(w, "root", s->root, CB_HASH_LEN);
	put_base64(w, "key", s->key, 32);
	cb_jw_key(w, "path");
	cb_jw_arr(w);
	for (unsigned i = 0; i < s->path_len; i++)
		put_base64(w, NULL, s->path + i * CB_HASH_LEN, CB_HASH_LEN);
	cb_jw_arr_end(w);
	put_base64(w, "sig", s->sig, 64);
}

/* Is the key the one that was enrolled? */
static int check_key(const struct cb_seal *s, const struct cb_enrolment *e, struct cb_err *err)
{
	uint8_t leaf[CB_HASH_LEN];

	if (s->epoch >= e->epochs)
		return cb_err_set(err, CB_E_NO, "epoch %" PRIu32 ": the log was enrolled with %" PRIu32, s->epoch,
				  e->epochs);
	cb_merkle_leaf(leaf, s->key, sizeof(s->key));
	if (!cb_merkle_included(s->epoch, e->epochs, leaf, s->path, s->path_len, e->epoch_root))
		return cb_err_set(err, CB_E_NO, "epoch %" PRIu32 ": its key is not the one that was enrolled",
				  s->epoch);
	return 0;
}

int cb_seal_check(const struct cb_seal *s, const struct cb_enrolment *e, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	bool good;

	if (check_key(s, e, err) < 0)
		return -1;
	if (cb_seal_signed(&b, s, e->log.name) < 0)
		return cb_err_nomem(err);
	good = cb_ed25519_verify(s->sig, b.data, b.len, s->key);
	cb_buf_release(&b);
	return good ? 0 : cb_err_set(err, CB_E_NO, "epoch %" PRIu32 ": its signature is false", s->epoch);
}

#define EPOCH_MAGIC "cb-log-epoch/v1"

int cb_epoch_put(struct cb_buf *b, const struct cb_seal *s)
{
	if (cb_buf_printf(b, EPOCH_MAGIC "\n%" PRIu32 "\n", s->epoch) < 0 ||
	    cb_base64_put(b, s->key, sizeof(s->key)) < 0 || cb_buf_byte(b, '\n') < 0)
		return -1;
	for (unsigned i = 0; i < s->path_len; i++)
		if (cb_base64_put(b, s->path + i * CB_HASH_LEN, CB_HASH_LEN) < 0 || cb_buf_byte(b, '\n') < 0)
			return -1;
	return 0;
}

int cb_epoch_parse(struct cb_seal *ret, const char *text, size_t n, const struct cb_enrolment *e,
		   struct cb_err *err)
{
	const char *end = text + n, *lf;
	struct cb_seal s = { 0 };
	unsigned line = 0;
	uint64_t epoch;
	bool good;

	for (const char *p = text; p < end; p = lf + 1, line++) {
		size_t len;

		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			break;
		len = (size_t)(lf - p);
		if (line == 0) {
			good = len == strlen(EPOCH_MAGIC) && memcmp(p, EPOCH_MAGIC, len) == 0;
		} else if (line == 1) {
			good = cb_size_text(&epoch, p, len) && epoch < CB_LOG_EPOCHS_MAX;
			s.epoch = good ? (uint32_t)epoch : 0;
		} else if (line == 2) {
			good = cb_hash_base64(s.key, p, len);
		} else {
			good = s.path_len < CB_SEAL_PATH_MAX && cb_hash_base64(s.path + s.path_len * CB_HASH_LEN, p, len);
			s.path_len += good;
		}
		if (!good)
			return cb_err_set(err, CB_E_DATA, "line %u: not what it has", line + 1);
	}
	if (line < 3 || text[n - 1] != '\n')
		return cb_err_set(err, CB_E_DATA, "it is cut off");
	if (check_key(&s, e, err) < 0)
		return -1;
	*ret = s;
	return 0;
}
