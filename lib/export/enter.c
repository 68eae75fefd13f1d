/* SPDX-License-Identifier: Apache-2.0 */
/* An export as an entry of the log. */
#include "export/enter.h"

#include "base/num.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "log/log.h"
#include "wire/event.h"

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

int cb_export_enter(const char *log, const struct cb_export_entry *e, struct cb_err *err)
{
	char hex[CB_SHA256_HEX];
	struct cb_log_opts o = { .lock_ns = 30 * CB_NS_PER_S };
	struct cb_log *l = NULL;
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret = 0;

	cb_hex(hex, e->list, CB_SHA256_LEN);
	cb_log_event(&w, &b, "cb-export", "cb.export", e->camera);
	if (e->asked_from != INT64_MIN)
		cb_jw_ki64(&w, "asked_from_us", us(e->asked_from));
	if (e->asked_to != INT64_MAX)
		cb_jw_ki64(&w, "asked_to_us", us(e->asked_to));
	cb_jw_ki64(&w, "from_us", us(e->from_ns));
	cb_jw_ki64(&w, "to_us", us(e->to_ns));
	cb_jw_ku64(&w, "segments", e->segments);
	cb_jw_ku64(&w, "fragments", e->fragments);
	cb_jw_ku64(&w, "bytes", e->bytes);
	cb_jw_kstr(&w, "list_sha256", hex);
	cb_jw_key(&w, "keys");
	cb_jw_arr(&w);
	for (size_t i = 0; i < e->keys; i++)
		cb_jw_str(&w, e->key[i]);
	cb_jw_arr_end(&w);
	cb_jw_kbool(&w, "encrypted", e->encrypted);
	if (cb_event_end(&w, err) < 0 || cb_log_open(&l, log, &o, err) < 0 || cb_log_say(l, &b, err) < 0)
		ret = cb_err_prefix(err, "%s", log);
	cb_log_close(l);
	cb_buf_release(&b);
	return ret;
}
