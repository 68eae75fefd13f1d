/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that somebody asks for, and how a SIEM wants them. */
#include "log/query.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "wire/event.h"

/* Times do not fall, so the first entry of a time or later is found by halving. */
static int first_at(struct cb_tiles *t, uint64_t low, uint64_t high, int64_t us, uint64_t *ret, struct cb_err *err)
{
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		const uint8_t *p;
		int64_t at;
		size_t n;

		if (cb_tiles_entry(t, mid, &p, &n, err) < 0)
			return -1;
		if (!cb_entry_recorded(p, n, &at))
			return cb_err_set(err, CB_E_DATA, "entry %" PRIu64 ": does not begin with its recordedtime", mid);
		if (at < us)
			low = mid + 1;
		else
			high = mid;
	}
	*ret = low;
	return 0;
}

static bool begins(const struct cb_json *j, uint32_t t, const char *want)
{
	size_t n = strlen(want);
	char text[1024];

	return t != CB_JSON_NONE && cb_json_str(j, t, text, sizeof(text)) == 0 && strncmp(text, want, n) == 0 &&
	       (!text[n] || text[n] == '.');
}

static bool wanted(const struct cb_log_query *q, const struct cb_entry *e)
{
	uint32_t subject;

	if (e->recorded_us < q->from_us || (q->type && !begins(e->json, e->type, q->type)))
		return false;
	if (!q->camera)
		return true;
	subject = cb_json_get(e->json, 0, "subject");
	return subject != CB_JSON_NONE && cb_json_eq(e->json, subject, q->camera);
}

int cb_log_query(struct cb_tiles *t, const struct cb_log_query *q, cb_log_entry_fn *fn, void *ctx,
		 uint64_t *ret_next, struct cb_err *err)
{
	struct cb_json *j = malloc(sizeof(*j));
	uint64_t i = 0, end = cb_tiles_size(t);
	int ret = -1;

	if (!j)
		return cb_err_nomem(err);
	if (q->to < end)
		end = q->to;
	if (cb_tiles_first(t, &i, err) < 0)
		goto out;
	if (q->from > i)
		i = q->from < end ? q->from : end;
	if (q->from_us != INT64_MIN && first_at(t, i, end, q->from_us, &i, err) < 0)
		goto out;
	for (; i < end && !cb_stop_wanted(); i++) {
		struct cb_entry e;
		const uint8_t *p;
		size_t n;

		if (cb_tiles_entry(t, i, &p, &n, err) < 0)
			goto out;
		if (cb_entry_parse(&e, j, p, n, err) < 0) {
			cb_err_prefix(err, "entry %" PRIu64, i);
			goto out;
		}
		if (e.recorded_us >= q->to_us)
			break;
		if (wanted(q, &e) && fn(ctx, i, &e, p, n, err) < 0)
			goto out;
	}
	ret = 0;
out:
	if (ret_next)
		*ret_next = i;
	free(j);
	return ret;
}

/* An entry that is no event, as one. */
static int wrap(struct cb_buf *b, const uint8_t *p, size_t n, struct cb_err *err)
{
	uint8_t leaf[CB_HASH_LEN];
	char id[33], time[CB_TIME_LEN];
	struct cb_jw w;
	int64_t us;

	if (!cb_entry_recorded(p, n, &us))
		return cb_err_set(err, CB_E_DATA, "does not begin with its recordedtime");
	cb_merkle_leaf(leaf, p, n);
	cb_hex(id, leaf, 16);
	cb_time_format_us(time, us);
	cb_jw_init(&w, b);
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "specversion", "1.0");
	cb_jw_kstr(&w, "id", id);
	cb_jw_kstr(&w, "source", "/cb-log");
	cb_jw_kstr(&w, "type", "cb.log.entry");
	cb_jw_kstr(&w, "time", time);
	cb_jw_key(&w, "data");
	cb_jw_raw(&w, (const char *)p, n);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err);
}

int cb_log_siem(struct cb_buf *out, enum cb_siem format, struct cb_json *j, const uint8_t *p, size_t n,
		const struct cb_siem_about *about, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct cb_event ev;
	int ret = -1;

	if (cb_event_parse(&ev, j, (const char *)p, n, NULL) == 0)
		return cb_siem_put(out, format, &ev, (const char *)p, n, about, err);
	if (wrap(&b, p, n, err) == 0 && cb_event_parse(&ev, j, (const char *)b.data, b.len, err) == 0)
		ret = cb_siem_put(out, format, &ev, (const char *)b.data, b.len, about, err);
	cb_buf_release(&b);
	return ret;
}
