/* SPDX-License-Identifier: Apache-2.0 */
/* Events of keys for a log. */
#include "sign/keylife.h"

#include "base/num.h"
#include "wire/event.h"

static int say(struct cb_log *log, struct cb_jw *w, struct cb_buf *line, struct cb_err *err)
{
	int r = cb_event_end(w, err);

	if (r == 0)
		r = cb_log_say(log, line, err);
	cb_buf_release(line);
	return r;
}

int cb_keylife_made(struct cb_log *log, const char *key, bool is_protected, struct cb_err *err)
{
	struct cb_buf line = { 0 };
	struct cb_jw w;

	cb_log_event(&w, &line, "cb-sign", "cb.key.made", NULL);
	cb_jw_kstr(&w, "key", key);
	cb_jw_kbool(&w, "protected", is_protected);
	return say(log, &w, &line, err);
}

int cb_keylife_retired(struct cb_log *log, const char *key, const char *reason, struct cb_err *err)
{
	struct cb_buf line = { 0 };
	struct cb_jw w;

	cb_log_event(&w, &line, "cb-sign", "cb.key.retired", NULL);
	cb_jw_kstr(&w, "key", key);
	if (reason)
		cb_jw_kstr(&w, "reason", reason);
	return say(log, &w, &line, err);
}

int cb_keylife_used(void *log, const struct cb_seckey *k, const struct cb_digests *d, struct cb_err *err)
{
	char key[CB_MINISIGN_ID_HEX], hex[2 * CB_SHA512_LEN + 1];
	uint8_t id[CB_MINISIGN_ID];
	struct cb_buf line = { 0 };
	struct cb_jw w;

	cb_seckey_id(k, id);
	cb_minisign_id_text(key, id);
	cb_log_event(&w, &line, "cb-sign", "cb.key.used", NULL);
	cb_jw_kstr(&w, "key", key);
	cb_hex(hex, d->have & CB_DIGEST_SHA512 ? d->sha512 : d->minisign, CB_SHA512_LEN);
	cb_jw_kstr(&w, d->have & CB_DIGEST_SHA512 ? "sha512" : "blake2b", hex);
	cb_jw_ku64(&w, "bytes", d->size);
	return say(log, &w, &line, err);
}
