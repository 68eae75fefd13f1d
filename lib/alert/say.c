/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts as texts and events. */
#include "alert/alert-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"

/* --- texts ----------------------------------------------------------------------------------------- */

const struct cb_json *cb_al_recall(struct cb_alert *a, const char *text, struct cb_err *err)
{
	if (!a->old)
		a->old = malloc(sizeof(*a->old));
	if (!a->old) {
		cb_err_nomem(err);
		return NULL;
	}
	return cb_json_parse(a->old, text, strlen(text), err) < 0 ? NULL : a->old;
}

/* A value for people, or as an argument: cut, and safe for a terminal. */
static int put_value(struct cb_alert *a, const struct cb_json *j, uint32_t tok)
{
	char buf[CB_TEXT_MAX + 1], safe[VALUE_MAX + 1];
	const char *s;
	size_t n;

	if (tok == CB_JSON_NONE)
		return 0;
	if (!cb_al_bytes(j, tok, buf, sizeof(buf), &s, &n))
		s = cb_al_raw(j, tok, &n);
	n = cb_text_safe(safe, sizeof(safe), s, n, false);
	return cb_buf_add(&a->text, safe, n);
}

static int put_local(struct cb_alert *a, int64_t t_us)
{
	char s[CB_TIME_LEN];
	int64_t utc = t_us / 1000000 - (t_us % 1000000 < 0);

	cb_time_format_us(s, (utc + (a->rules->tz ? cb_tz_offset(a->rules->tz, utc) : 0)) * 1000000);
	s[10] = ' ';
	return cb_buf_add(&a->text, s, 19);
}

static int put_text_value(struct cb_alert *a, const char *s)
{
	char safe[VALUE_MAX + 1];

	return cb_buf_add(&a->text, safe, cb_text_safe(safe, sizeof(safe), s, strlen(s), false));
}

static int put_field(struct cb_alert *a, const struct moment *m, const struct cb_part *p)
{
	uint32_t tok;

	if (!m->old)
		return put_value(a, &a->json, cb_al_field(a, &p->field));
	tok = cb_json_get(m->old, 0, p->group < m->r->groups ? "group" : "subject");
	if (tok != CB_JSON_NONE && p->group < m->r->groups)
		tok = cb_json_get(m->old, tok, m->r->group_name[p->group]);
	return put_value(a, m->old, tok);
}

/* JSON as people read it: a text without its quotes. */
static int put_json(struct cb_alert *a, const char *json)
{
	const struct cb_json *j = cb_al_recall(a, json, NULL);

	return j ? put_value(a, j, 0) : 0;
}

/* Append the text and a NUL; what goes beyond CB_TEXT_MAX bytes is cut at a character. */
static int put_template(struct cb_alert *a, const struct moment *m, const struct cb_template *t,
			bool argument, struct cb_err *err)
{
	size_t start = a->text.len;
	int k = 0;

	for (uint32_t i = 0; i < t->n && k == 0; i++) {
		const struct cb_part *p = &t->part[i];

		switch (p->kind) {
		case CB_PART_TEXT:
			k = cb_buf_add(&a->text, p->text, strlen(p->text));
			break;
		case CB_PART_RULE:
			k = cb_buf_add(&a->text, m->r->name, strlen(m->r->name));
			break;
		case CB_PART_SEVERITY:
			k = cb_buf_add(&a->text, m->r->severity, strlen(m->r->severity));
			break;
		case CB_PART_COUNT:
			k = cb_buf_printf(&a->text, "%ju", (uintmax_t)m->count);
			break;
		case CB_PART_BEFORE:
			k = m->before ? put_json(a, m->before) : 0;
			break;
		case CB_PART_LISTED:
			k = m->listed ? put_text_value(a, m->listed) : 0;
			break;
		case CB_PART_MEAN:
			k = m->mean >= 0 ? cb_buf_printf(&a->text, "%.1f", m->mean) : 0;
			break;
		case CB_PART_LOCAL:
			k = put_local(a, m->t_us);
			break;
		case CB_PART_FIELD:
			k = put_field(a, m, p);
			break;
		}
		/* an event cannot make an option out of an argument */
		if (argument && i == 0 && p->kind != CB_PART_TEXT && a->text.len > start &&
		    a->text.data[start] == '-')
			a->text.data[start] = '_';
	}
	if (a->text.len - start > CB_TEXT_MAX) {
		a->text.len = start + CB_TEXT_MAX;
		while (a->text.len > start && (a->text.data[a->text.len] & 0xc0) == 0x80)
			a->text.len--;
	}
	return k || cb_buf_byte(&a->text, 0) ? cb_err_nomem(err) : 0;
}

/* --- alerts ------------------------------------------------------------------------------------------ */

void cb_al_hash_field(struct cb_alert *a, struct cb_sha256 *h, const struct cb_field *f)
{
	uint32_t tok = cb_al_field(a, f);
	char buf[CB_TEXT_MAX + 1];
	uint8_t head[9] = { 0 };
	const char *s = "";
	size_t n = 0;

	if (tok != CB_JSON_NONE) {
		head[0] = a->json.tok[tok].type;
		/* strings by what they say, however they were escaped */
		if (!cb_al_bytes(&a->json, tok, buf, sizeof(buf), &s, &n))
			s = cb_al_raw(&a->json, tok, &n);
	}
	cb_put_le64(head + 1, n);
	cb_sha256_update(h, head, sizeof(head));
	cb_sha256_update(h, s, n);
}

void cb_al_group_digest(struct cb_alert *a, const struct cb_rule *r, uint8_t out[static 16])
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;

	memset(out, 0, 16);
	if (!r->groups)
		return;
	cb_sha256_init(&h);
	for (uint32_t i = 0; i < r->groups; i++)
		cb_al_hash_field(a, &h, &r->group[i]);
	cb_sha256_final(&h, sum);
	memcpy(out, sum, 16);
}

/* As group_digest, of a rule that groups by subject only. */
void cb_al_subject_digest(const char *subject, uint8_t out[static 16])
{
	uint8_t sum[CB_SHA256_LEN], head[9] = { CB_JSON_STRING };
	struct cb_sha256 h;

	cb_put_le64(head + 1, strlen(subject));
	cb_sha256_init(&h);
	cb_sha256_update(&h, head, sizeof(head));
	cb_sha256_update(&h, subject, strlen(subject));
	cb_sha256_final(&h, sum);
	memcpy(out, sum, 16);
}

void cb_al_put_group(struct cb_alert *a, struct cb_jw *w, const struct cb_rule *r)
{
	cb_jw_obj(w);
	for (uint32_t i = 0; i < r->groups; i++) {
		uint32_t tok = cb_al_field(a, &r->group[i]);
		const char *s = NULL;
		size_t n = 0;

		cb_jw_key(w, r->group_name[i]);
		if (tok != CB_JSON_NONE)
			s = cb_al_raw(&a->json, tok, &n);
		if (s && n <= VALUE_MAX)
			cb_jw_raw(w, s, n);
		else
			cb_jw_null(w);
	}
	cb_jw_obj_end(w);
}

/* The group's values as JSON in a->group, with a NUL. */
static int group_json(struct cb_alert *a, const struct moment *m, struct cb_err *err)
{
	struct cb_jw w;
	uint32_t tok;
	const char *s;
	size_t n;

	a->group.len = 0;
	if (m->r->groups) {
		cb_jw_init(&w, &a->group);
		if (!m->old) {
			cb_al_put_group(a, &w, m->r);
		} else if ((tok = cb_json_get(m->old, 0, "group")) != CB_JSON_NONE) {
			s = cb_al_raw(m->old, tok, &n);
			cb_jw_raw(&w, s, n);
		}
		if (cb_jw_done(&w, err) < 0)
			return -1;
	}
	return cb_buf_byte(&a->group, 0) < 0 ? cb_err_nomem(err) : 0;
}

static int write_alert(struct cb_alert *a, const struct moment *m, const struct cb_alert_out *o,
		       bool with_data, struct cb_err *err)
{
	const struct cb_rule *r = m->r;
	struct cb_jw w;
	const char *s;
	size_t n;

	cb_event_begin(&w, &a->line, "cb-alert", "cb.alert", m->subject, m->t_us * 1000, o->id);
	cb_jw_kstr(&w, "rule", r->name);
	cb_jw_kstr(&w, "severity", r->severity);
	if (r->has_title)
		cb_jw_kstr(&w, "title", o->title);
	cb_jw_kstr(&w, "message", o->text);
	cb_jw_ku64(&w, "count", m->count);
	cb_jw_ki64(&w, "window_us", r->window_us);
	if (r->labels) {
		cb_jw_key(&w, "labels");
		cb_jw_obj(&w);
		for (uint32_t i = 0; i < r->labels; i++)
			cb_jw_kstr(&w, r->label_name[i], o->label[i]);
		cb_jw_obj_end(&w);
	}
	if (*o->group) {
		cb_jw_key(&w, "group");
		cb_jw_raw(&w, o->group, strlen(o->group));
	}
	if (m->since_us != INT64_MIN)
		cb_jw_ki64(&w, "since_us", m->since_us);
	if (m->before) {
		cb_jw_key(&w, "before");
		cb_jw_raw(&w, m->before, strlen(m->before));
	}
	if (m->listed)
		cb_jw_kstr(&w, "listed", m->listed);
	if (m->mean >= 0)
		cb_jw_kfixed(&w, "mean", m->mean, 2);
	if (m->event) {
		cb_jw_key(&w, "event");
		cb_jw_raw(&w, m->event, m->event_len);
	}
	if (m->type)
		cb_jw_kstr(&w, "event_type", m->type);
	if (with_data) {
		cb_jw_key(&w, "event_data");
		s = cb_al_raw(&a->json, a->ev.data, &n);
		cb_jw_raw(&w, s, n);
	}
	return cb_event_end(&w, err);
}

/* May the event's data stand in an alert? What we write must be read again, one level down. */
static bool data_fits(const struct cb_alert *a)
{
	const struct cb_json_tok *tok = a->json.tok;
	uint32_t open[CB_JSON_DEPTH], depth = 0;

	if (tok[a->ev.data].next - a->ev.data > CB_JSON_TOKENS - 256)
		return false;
	for (uint32_t i = a->ev.data; i < tok[a->ev.data].next; i++) {
		while (depth && open[depth - 1] <= i)
			depth--;
		if (tok[i].type != CB_JSON_OBJECT && tok[i].type != CB_JSON_ARRAY)
			continue;
		if (depth == CB_JSON_DEPTH - 2)
			return false;
		open[depth++] = tok[i].next;
	}
	return true;
}

static void alert_id(struct cb_alert *a, const struct moment *m, char id[static CB_EVENT_ID_LEN])
{
	uint8_t digest[CB_SHA256_LEN];
	struct cb_sha256 h;

	(void)a;
	cb_sha256_init(&h);
	cb_sha256_update(&h, m->r->name, strlen(m->r->name) + 1);
	if (m->old)
		cb_sha256_update(&h, m->digest, sizeof(m->digest));
	else
		cb_sha256_update(&h, m->event, m->event_len);
	cb_sha256_final(&h, digest);
	cb_event_id(id, "cb.alert", m->subject, digest, m->t_us, "", 0);
}

int cb_al_say(struct cb_alert *a, const struct moment *m, struct cb_err *err)
{
	const struct cb_rule *r = m->r;
	char id[CB_EVENT_ID_LEN], *argv[CB_ARGV_MAX + 1];
	size_t at[CB_ARGV_MAX + 1], title = 0, label[CB_LABELS_MAX];
	struct cb_alert_out o = { .rule = r, .line = &a->line, .id = id, .subject = m->subject, .t_us = m->t_us };
	struct cb_err big = CB_ERR_INIT;
	bool data = r->with_data && !m->old && data_fits(a);

	a->text.len = 0;
	alert_id(a, m, id);
	if (group_json(a, m, err) < 0 || put_template(a, m, &r->message, false, err) < 0)
		return -1;
	if (r->has_title) {
		title = a->text.len;
		if (put_template(a, m, &r->title, false, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < r->labels; i++) {
		label[i] = a->text.len;
		if (put_template(a, m, &r->label[i], false, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < r->args; i++) {
		at[i] = a->text.len;
		if (put_template(a, m, &r->argv[i], true, err) < 0)
			return -1;
	}
	o.text = (char *)a->text.data;
	o.title = o.text + title;
	o.group = (char *)a->group.data;
	for (uint32_t i = 0; i < r->labels; i++)
		o.label[i] = o.text + label[i];
	for (uint32_t i = 0; i < r->args; i++)
		argv[i] = (char *)a->text.data + at[i];
	argv[r->args] = NULL;
	o.argv = r->args ? argv : NULL;
	memcpy(o.digest, m->digest, sizeof(o.digest));
	/* data that would make the line too long or too deep stay out */
	if (!data || write_alert(a, m, &o, true, &big) < 0) {
		if (big.code && big.code != CB_E_DATA) {
			*err = big;
			return -1;
		}
		if (write_alert(a, m, &o, false, err) < 0)
			return -1;
	}
	return a->fn(a->ctx, &o, err);
}

/* A text member of what was remembered, appended to a->text; its place there. */
static int keep_member(struct cb_alert *a, const struct cb_json *j, uint32_t obj, const char *key, size_t *ret,
		       struct cb_err *err)
{
	uint32_t tok = obj == CB_JSON_NONE ? obj : cb_json_get(j, obj, key);
	char buf[4 * CB_TEXT_MAX + 1];

	*ret = a->text.len;
	if (tok != CB_JSON_NONE && cb_json_str(j, tok, buf, sizeof(buf)) == 0 &&
	    cb_buf_add(&a->text, buf, strlen(buf)) < 0)
		return cb_err_nomem(err);
	return cb_buf_byte(&a->text, 0) < 0 ? cb_err_nomem(err) : 0;
}

int cb_al_say_over(struct cb_alert *a, const struct cb_rule *r, struct cb_group *e, int64_t t_us,
		    const char *reason, struct cb_err *err)
{
	struct cb_alert_out o = { .rule = r, .resolved = true, .line = &a->line, .t_us = t_us };
	size_t alert_of, subject, title, text, label[CB_LABELS_MAX], n;
	uint8_t digest[CB_SHA256_LEN];
	char id[CB_EVENT_ID_LEN];
	const struct cb_json *j;
	struct cb_sha256 h;
	uint32_t data, labels, group;
	struct cb_jw w;
	const char *s;

	e->active = false;
	if (!e->text || !(j = cb_al_recall(a, e->text, err)))
		return e->text ? -1 : 0;
	data = cb_json_get(j, 0, "data");
	labels = data == CB_JSON_NONE ? data : cb_json_get(j, data, "labels");
	group = data == CB_JSON_NONE ? data : cb_json_get(j, data, "group");
	a->text.len = a->group.len = 0;
	if (keep_member(a, j, 0, "id", &alert_of, err) < 0 || keep_member(a, j, 0, "subject", &subject, err) < 0 ||
	    keep_member(a, j, data, r->has_title ? "title" : "message", &title, err) < 0 ||
	    keep_member(a, j, data, "message", &text, err) < 0)
		return -1;
	for (uint32_t i = 0; i < r->labels; i++)
		if (keep_member(a, j, labels, r->label_name[i], &label[i], err) < 0)
			return -1;
	if (group != CB_JSON_NONE) {
		s = cb_al_raw(j, group, &n);
		if (cb_buf_add(&a->group, s, n) < 0)
			return cb_err_nomem(err);
	}
	if (cb_buf_byte(&a->group, 0) < 0)
		return cb_err_nomem(err);
	s = (char *)a->text.data;
	o.over = s + alert_of;
	o.subject = s + subject;
	o.title = s + title;
	o.text = s + text;
	o.group = (char *)a->group.data;
	for (uint32_t i = 0; i < r->labels; i++)
		o.label[i] = s + label[i];
	memcpy(o.digest, e->digest, sizeof(o.digest));
	cb_sha256_init(&h);
	cb_sha256_update(&h, r->name, strlen(r->name) + 1);
	cb_sha256_update(&h, s + alert_of, strlen(s + alert_of));
	cb_sha256_final(&h, digest);
	cb_event_id(id, "cb.alert.resolved", o.subject, digest, t_us, "", 0);
	o.id = id;
	cb_event_begin(&w, &a->line, "cb-alert", "cb.alert.resolved", o.subject, t_us * 1000, id);
	cb_jw_kstr(&w, "rule", r->name);
	cb_jw_kstr(&w, "severity", r->severity);
	if (r->has_title)
		cb_jw_kstr(&w, "title", o.title);
	cb_jw_kstr(&w, "message", o.text);
	if (r->labels) {
		cb_jw_key(&w, "labels");
		cb_jw_obj(&w);
		for (uint32_t i = 0; i < r->labels; i++)
			cb_jw_kstr(&w, r->label_name[i], o.label[i]);
		cb_jw_obj_end(&w);
	}
	if (*o.group) {
		cb_jw_key(&w, "group");
		cb_jw_raw(&w, o.group, strlen(o.group));
	}
	cb_jw_kstr(&w, "alert", s + alert_of);
	cb_jw_kstr(&w, "reason", reason);
	cb_jw_ki64(&w, "since_us", e->since_us);
	cb_jw_ku64(&w, "count", e->hits);
	if (cb_event_end(&w, err) < 0)
		return -1;
	free(e->text);
	e->text = NULL;
	return a->fn(a->ctx, &o, err);
}
