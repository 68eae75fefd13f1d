/* SPDX-License-Identifier: Apache-2.0 */
/* Events as syslog, CEF, LEEF, OCSF and ECS. */
#include "wire/siem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

#define VENDOR "cb"
#define FIELDS_MAX 64
#define FIELD_MAX 4000
#define NAME_MAX_SD 32		/* of a parameter, RFC 5424 section 6 */

/* What every format needs of an event. */
struct facts {
	const struct cb_event *ev;
	const struct cb_json *j;
	const struct cb_siem_about *about;
	char type[256], id[256], app[64], subject[256], time[CB_TIME_LEN], message[1024];
	int64_t us;		/* INT64_MIN: unknown */
	int level;		/* 1 information, 2 low, 3 medium, 4 high, 5 critical */
	bool alert;
};

static void copy(const struct facts *f, uint32_t tok, char *out, size_t cap)
{
	if (tok == CB_JSON_NONE || cb_json_str(f->j, tok, out, cap) < 0)
		out[0] = '\0';
}

static uint32_t member(const struct facts *f, const char *key)
{
	return cb_json_get(f->j, f->ev->data, key);
}

static int level_of(const struct facts *f)
{
	static const char *const name[] = { "info", "low", "medium", "high", "critical" };
	static const char *const trouble[] = {
		"cb.gap", "cb.store.finding", "cb.recording.recovered", "cb.retention.short", "cb.camera.",
		"cb.verification.failed", "cb.recording.suspended", "cb.clock",
	};
	char text[16];

	copy(f, member(f, "severity"), text, sizeof(text));
	for (int i = 0; i < 5; i++)
		if (strcmp(text, name[i]) == 0)
			return i + 1;
	for (size_t i = 0; i < sizeof(trouble) / sizeof(*trouble); i++)
		if (strncmp(f->type, trouble[i], strlen(trouble[i])) == 0)
			return 3;
	return 1;
}

static void gather(struct facts *f, const struct cb_event *ev, const struct cb_siem_about *about)
{
	char source[64];

	*f = (struct facts){ .ev = ev, .j = ev->json, .about = about, .us = ev->t_us };
	copy(f, ev->type, f->type, sizeof(f->type));
	copy(f, ev->id, f->id, sizeof(f->id));
	copy(f, ev->source, source, sizeof(source));
	memcpy(f->app, source + (source[0] == '/'), sizeof(source) - 1);
	copy(f, ev->subject, f->subject, sizeof(f->subject));
	if (f->us != INT64_MIN)
		cb_time_format_us(f->time, f->us);
	f->alert = strcmp(f->type, "cb.alert") == 0 || strcmp(f->type, "cb.alert.notice") == 0;
	f->level = level_of(f);
	copy(f, member(f, "message"), f->message, sizeof(f->message));
	if (!*f->message)	/* of several alerts at once */
		copy(f, member(f, "title"), f->message, sizeof(f->message));
	if (!*f->message)
		snprintf(f->message, sizeof(f->message), "%s%s%s", *f->type ? f->type : "event",
			 *f->subject ? " " : "", f->subject);
}

/* --- the fields of data, nested ones with dots between -------------------------------------------- */

typedef int field_fn(void *ctx, const char *name, const char *value);

struct walk { const struct cb_json *j; field_fn *fn; void *ctx; unsigned n; };

static int walk(struct walk *w, uint32_t tok, const char *name)
{
	const struct cb_json_tok *t = &w->j->tok[tok];
	char value[FIELD_MAX + 1], sub[256], key[128];
	uint32_t at = tok + 1;

	if (w->n >= FIELDS_MAX)
		return 0;
	if (t->type == CB_JSON_OBJECT) {
		for (uint32_t i = 0; i < t->size; i++, at = w->j->tok[at + 1].next) {
			if (cb_json_str(w->j, at, key, sizeof(key)) < 0 ||
			    snprintf(sub, sizeof(sub), "%s%s%s", name, *name ? "." : "", key) >= (int)sizeof(sub))
				continue;
			if (walk(w, at + 1, sub) < 0)
				return -1;
		}
		return 0;
	}
	if (t->type == CB_JSON_STRING) {
		if (cb_json_str(w->j, tok, value, sizeof(value)) < 0)
			return 0;
	} else {	/* numbers and words as they stand, arrays as their JSON */
		if (t->end - t->start > FIELD_MAX)
			return 0;
		memcpy(value, w->j->text + t->start, t->end - t->start);
		value[t->end - t->start] = '\0';
	}
	w->n++;
	return w->fn(w->ctx, name, value);
}

static int fields(const struct facts *f, field_fn *fn, void *ctx)
{
	struct walk w = { f->j, fn, ctx, 0 };

	return walk(&w, f->ev->data, "");
}

/* A name of letters, digits, and what else is allowed; anything else becomes '_'. */
static void plain_name(char *out, size_t cap, const char *name, const char *also)
{
	size_t n = 0;

	for (; *name && n + 1 < cap; name++, n++)
		out[n] = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			 (*name >= '0' && *name <= '9') || strchr(also, *name) ? *name : '_';
	out[n] = '\0';
}

/* Text with each of `special` behind a backslash and control characters blank; cut at a whole
 * character. newline: what stands for one, NULL: a blank. */
static int put_text(struct cb_buf *b, const char *s, const char *special, const char *newline)
{
	size_t n = strlen(s);

	if (n > FIELD_MAX)
		for (n = FIELD_MAX; n && ((uint8_t)s[n] & 0xc0) == 0x80; n--)
			;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c == '\n' && newline) {
			if (cb_buf_str(b, newline) < 0)
				return -1;
			continue;
		}
		/* C1 controls are two bytes of UTF-8 */
		if (c == 0xc2 && i + 1 < n && (uint8_t)s[i + 1] < 0xa0) {
			i++;
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f)
			c = ' ';
		if ((strchr(special, c) && cb_buf_byte(b, '\\') < 0) || cb_buf_byte(b, c) < 0)
			return -1;
	}
	return 0;
}

/* --- RFC 5424 ---------------------------------------------------------------------------------------- */

/* A header field: printable ASCII without blanks, "-" where there is none. */
static int put_header(struct cb_buf *b, const char *s, size_t max)
{
	size_t n = 0;

	for (; s && *s && n < max; s++, n++)
		if (cb_buf_byte(b, *s > ' ' && *s < 0x7f ? (uint8_t)*s : '_') < 0)
			return -1;
	return n ? 0 : cb_buf_byte(b, '-');
}

static int put_param(void *ctx, const char *name, const char *value)
{
	struct cb_buf *b = ctx;
	char plain[NAME_MAX_SD + 1];

	plain_name(plain, sizeof(plain), name, "._-");
	if (!*plain)
		return 0;
	return cb_buf_printf(b, " %s=\"", plain) < 0 || put_text(b, value, "\"\\]", NULL) < 0 ||
	       cb_buf_byte(b, '"') < 0 ? -1 : 0;
}

static int rfc5424(struct cb_buf *b, const struct facts *f)
{
	static const uint8_t severity[] = { 6, 6, 5, 4, 3, 2 };
	uint32_t pen = f->about->pen ? f->about->pen : CB_SIEM_PEN;
	char index[24];

	if (cb_buf_printf(b, "<%u>1 ", f->about->facility * 8u + severity[f->level]) < 0 ||
	    put_header(b, f->time, CB_TIME_LEN) < 0 || cb_buf_byte(b, ' ') < 0 ||
	    put_header(b, f->about->host, 255) < 0 || cb_buf_byte(b, ' ') < 0 ||
	    put_header(b, f->app, 48) < 0 || cb_buf_str(b, " - ") < 0 || put_header(b, f->type, 32) < 0 ||
	    cb_buf_printf(b, " [cb@%u", pen) < 0 || put_param(b, "id", f->id) < 0 ||
	    put_param(b, "type", f->type) < 0 || (*f->subject && put_param(b, "subject", f->subject) < 0))
		return -1;
	snprintf(index, sizeof(index), "%" PRId64, f->about->index);
	if ((f->about->index >= 0 && put_param(b, "index", index) < 0) || cb_buf_printf(b, "][cbdata@%u", pen) < 0 ||
	    fields(f, put_param, b) < 0)
		return -1;
	return cb_buf_str(b, "] \xef\xbb\xbf") < 0 ? -1 : put_text(b, f->message, "", NULL);
}

/* --- CEF, LEEF ---------------------------------------------------------------------------------------- */

static int put_pair(struct cb_buf *b, const char *key, const char *value)
{
	return cb_buf_printf(b, " %s=", key) < 0 || put_text(b, value, "=\\", "\\n") < 0 ? -1 : 0;
}

static int put_labelled(struct cb_buf *b, const char *key, const char *label, const char *value)
{
	return cb_buf_printf(b, " %sLabel=%s", key, label) < 0 ? -1 : put_pair(b, key, value);
}

/* data as JSON text, where it is not too long for a field. */
static void data_text(const struct facts *f, char out[static FIELD_MAX + 1])
{
	const struct cb_json_tok *t = &f->j->tok[f->ev->data];
	size_t n = t->end - t->start <= FIELD_MAX ? t->end - t->start : 0;

	memcpy(out, f->j->text + t->start, n);
	out[n] = '\0';
}

static int cef(struct cb_buf *b, const struct facts *f)
{
	static const uint8_t severity[] = { 1, 1, 3, 5, 8, 10 };
	char data[FIELD_MAX + 1], text[128];

	if (cb_buf_str(b, "CEF:0|" VENDOR "|") < 0 || put_text(b, f->app, "|\\", NULL) < 0 ||
	    cb_buf_str(b, "|" CB_VERSION "|") < 0 || put_text(b, f->type, "|\\", NULL) < 0 ||
	    cb_buf_byte(b, '|') < 0 || put_text(b, f->message, "|\\", NULL) < 0 ||
	    cb_buf_printf(b, "|%u|", severity[f->level]) < 0)
		return -1;
	if (cb_buf_str(b, "externalId=") < 0 || put_text(b, f->id, "=\\", "\\n") < 0 || put_pair(b, "cat", f->type) < 0)
		return -1;
	if (f->us != INT64_MIN &&
	    cb_buf_printf(b, " rt=%" PRId64, f->us / 1000 - (f->us % 1000 < 0)) < 0)
		return -1;
	if (f->about->host && *f->about->host && put_pair(b, "dvchost", f->about->host) < 0)
		return -1;
	if (*f->subject && put_labelled(b, "cs1", "camera", f->subject) < 0)
		return -1;
	copy(f, member(f, "rule"), text, sizeof(text));
	if (*text && put_labelled(b, "cs2", "rule", text) < 0)
		return -1;
	copy(f, member(f, "manifest_sha256"), text, sizeof(text));
	if (*text && put_pair(b, "fileHash", text) < 0)
		return -1;
	data_text(f, data);
	if (*data && put_labelled(b, "cs3", "data", data) < 0)
		return -1;
	if (f->about->index >= 0 && cb_buf_printf(b, " cn1Label=logIndex cn1=%" PRId64, f->about->index) < 0)
		return -1;
	return put_pair(b, "msg", f->message);
}

static int put_attribute(void *ctx, const char *name, const char *value)
{
	struct cb_buf *b = ctx;
	char plain[64];

	plain_name(plain, sizeof(plain), name, "_");
	if (!*plain)
		return 0;
	return cb_buf_printf(b, "\tcb_%s=", plain) < 0 || put_text(b, value, "", NULL) < 0 ? -1 : 0;
}

static int leef(struct cb_buf *b, const struct facts *f)
{
	static const uint8_t severity[] = { 1, 1, 3, 5, 8, 10 };
	char app[64], type[256];

	/* the header has no way to write a bar */
	plain_name(app, sizeof(app), f->app, "._-");
	plain_name(type, sizeof(type), f->type, "._-");
	if (cb_buf_printf(b, "LEEF:2.0|" VENDOR "|%s|" CB_VERSION "|%s|x09|", app, type) < 0 ||
	    cb_buf_printf(b, "cat=%s\tsev=%u", type, severity[f->level]) < 0)
		return -1;
	if (f->us != INT64_MIN &&
	    cb_buf_printf(b, "\tdevTime=%" PRId64, f->us / 1000 - (f->us % 1000 < 0)) < 0)
		return -1;
	if (*f->subject && (cb_buf_str(b, "\tresource=") < 0 || put_text(b, f->subject, "", NULL) < 0))
		return -1;
	if (f->about->host && *f->about->host &&
	    (cb_buf_str(b, "\tidentHostName=") < 0 || put_text(b, f->about->host, "", NULL) < 0))
		return -1;
	if (f->about->index >= 0 && cb_buf_printf(b, "\tlogIndex=%" PRId64, f->about->index) < 0)
		return -1;
	return cb_buf_str(b, "\teventId=") < 0 || put_text(b, f->id, "", NULL) < 0 ||
	       cb_buf_str(b, "\tmsg=") < 0 || put_text(b, f->message, "", NULL) < 0 ||
	       fields(f, put_attribute, b) < 0 ? -1 : 0;
}

/* --- OCSF, ECS ------------------------------------------------------------------------------------------ */

static void put_raw(struct cb_jw *w, const struct facts *f, const char *key)
{
	const struct cb_json_tok *t = &f->j->tok[f->ev->data];

	cb_jw_key(w, key);
	cb_jw_raw(w, f->j->text + t->start, t->end - t->start);
}

static int ocsf(struct cb_buf *b, const struct facts *f, struct cb_err *err)
{
	static const char *const severity[] = { "Unknown", "Informational", "Low", "Medium", "High", "Critical" };
	char rule[128];
	struct cb_jw w;

	copy(f, member(f, "rule"), rule, sizeof(rule));
	cb_jw_init(&w, b);
	cb_jw_obj(&w);
	cb_jw_ki64(&w, "activity_id", f->alert ? 1 : 99);
	cb_jw_kstr(&w, "activity_name", f->alert ? "Create" : f->type);
	cb_jw_ki64(&w, "category_uid", f->alert ? 2 : 0);
	cb_jw_kstr(&w, "category_name", f->alert ? "Findings" : "Uncategorized");
	cb_jw_ki64(&w, "class_uid", f->alert ? 2004 : 0);
	cb_jw_kstr(&w, "class_name", f->alert ? "Detection Finding" : "Base Event");
	cb_jw_ki64(&w, "type_uid", f->alert ? 200401 : 99);
	cb_jw_ki64(&w, "severity_id", f->level);
	cb_jw_kstr(&w, "severity", severity[f->level]);
	if (f->us != INT64_MIN)
		cb_jw_ki64(&w, "time", f->us / 1000 - (f->us % 1000 < 0));
	cb_jw_kstr(&w, "message", f->message);
	cb_jw_key(&w, "metadata");
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "version", "1.3.0");
	cb_jw_kstr(&w, "uid", f->id);
	cb_jw_kstr(&w, "event_code", f->type);
	if (f->about->index >= 0)
		cb_jw_ki64(&w, "sequence", f->about->index);
	cb_jw_key(&w, "product");
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "name", f->app);
	cb_jw_kstr(&w, "vendor_name", VENDOR);
	cb_jw_kstr(&w, "version", CB_VERSION);
	cb_jw_obj_end(&w);
	cb_jw_obj_end(&w);
	if (f->alert) {
		cb_jw_key(&w, "finding_info");
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "uid", f->id);
		cb_jw_kstr(&w, "title", *rule ? rule : f->message);
		cb_jw_kstr(&w, "desc", f->message);
		cb_jw_obj_end(&w);
		cb_jw_ki64(&w, "status_id", 1);
		cb_jw_kstr(&w, "status", "New");
	}
	if (f->about->host && *f->about->host) {
		cb_jw_key(&w, "device");
		cb_jw_obj(&w);
		cb_jw_ki64(&w, "type_id", 99);
		cb_jw_kstr(&w, "hostname", f->about->host);
		cb_jw_obj_end(&w);
	}
	cb_jw_key(&w, "unmapped");
	cb_jw_obj(&w);
	if (*f->subject)
		cb_jw_kstr(&w, "camera", f->subject);
	put_raw(&w, f, "data");
	cb_jw_obj_end(&w);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err);
}

static int ecs(struct cb_buf *b, const struct facts *f, struct cb_err *err)
{
	static const uint8_t severity[] = { 0, 10, 30, 50, 70, 90 };
	char text[128];
	struct cb_jw w;

	cb_jw_init(&w, b);
	cb_jw_obj(&w);
	if (*f->time)
		cb_jw_kstr(&w, "@timestamp", f->time);
	cb_jw_kstr(&w, "message", f->message);
	cb_jw_key(&w, "ecs");
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "version", "8.11.0");
	cb_jw_obj_end(&w);
	cb_jw_key(&w, "event");
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "kind", f->alert ? "alert" : "event");
	cb_jw_kstr(&w, "id", f->id);
	cb_jw_kstr(&w, "action", f->type);
	cb_jw_kstr(&w, "dataset", "cb.events");
	cb_jw_kstr(&w, "module", VENDOR);
	cb_jw_kstr(&w, "provider", f->app);
	cb_jw_ki64(&w, "severity", severity[f->level]);
	if (f->about->index >= 0)
		cb_jw_ki64(&w, "sequence", f->about->index);
	copy(f, cb_json_get(f->j, 0, "recordedtime"), text, sizeof(text));
	if (*text)
		cb_jw_kstr(&w, "created", text);
	cb_jw_obj_end(&w);
	cb_jw_key(&w, "observer");
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "vendor", VENDOR);
	cb_jw_kstr(&w, "product", f->app);
	cb_jw_kstr(&w, "version", CB_VERSION);
	if (*f->subject)
		cb_jw_kstr(&w, "name", f->subject);
	cb_jw_obj_end(&w);
	if (f->about->host && *f->about->host) {
		cb_jw_key(&w, "host");
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "hostname", f->about->host);
		cb_jw_obj_end(&w);
	}
	copy(f, member(f, "rule"), text, sizeof(text));
	if (*text) {
		cb_jw_key(&w, "rule");
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "name", text);
		cb_jw_obj_end(&w);
	}
	put_raw(&w, f, VENDOR);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err);
}

int cb_siem_put(struct cb_buf *out, enum cb_siem format, const struct cb_event *ev, const char *line, size_t len,
		const struct cb_siem_about *about, struct cb_err *err)
{
	struct facts f;
	int ret = -1;

	if (format == CB_SIEM_JSON)
		return cb_buf_add(out, line, len) < 0 ? cb_err_nomem(err) : 0;
	gather(&f, ev, about);
	switch (format) {
	case CB_SIEM_RFC5424: ret = rfc5424(out, &f); break;
	case CB_SIEM_CEF: ret = cef(out, &f); break;
	case CB_SIEM_LEEF: ret = leef(out, &f); break;
	case CB_SIEM_OCSF: return ocsf(out, &f, err);
	case CB_SIEM_ECS: return ecs(out, &f, err);
	case CB_SIEM_JSON: break;
	}
	return ret < 0 ? cb_err_nomem(err) : 0;
}
