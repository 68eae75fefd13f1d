/* SPDX-License-Identifier: Apache-2.0 */
/* What rules remember, as lines of JSON: one for the time, one a group.
 *
 *   {"time":US}
 *   {"rule":NAME,"shape":HEX,"began":US}              when a rule began to learn
 *   {"rule":NAME,"shape":HEX,"group":HEX,...}         the longest unused first
 */
#include "alert/alert-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static const int64_t far = INT64_MAX / 1000;

static void begin(struct cb_jw *w, struct cb_buf *out, const struct cb_rule *r)
{
	char hex[33];

	cb_jw_init(w, out);
	cb_jw_obj(w);
	cb_jw_kstr(w, "rule", r->name);
	cb_hex(hex, r->shape, 16);
	cb_jw_kstr(w, "shape", hex);
}

static int end(struct cb_jw *w, struct cb_buf *out, struct cb_err *err)
{
	cb_jw_obj_end(w);
	return cb_jw_done(w, err) < 0 || cb_buf_byte(out, '\n') < 0 ? cb_err_nomem(err) : 0;
}

static int save_group(const struct cb_rule *r, const struct cb_group *e, const int64_t *v, uint32_t values,
		      struct cb_buf *out, struct cb_err *err)
{
	char hex[33];
	struct cb_jw w;

	begin(&w, out, r);
	cb_hex(hex, e->digest, 16);
	cb_jw_kstr(&w, "group", hex);
	if (e->alerted)
		cb_jw_ki64(&w, "alert_us", e->alert_us);
	cb_jw_ki64(&w, "flags", e->active | e->silent << 1 | e->began << 2);
	cb_jw_ki64(&w, "seen_us", e->seen_us);
	cb_jw_ki64(&w, "since_us", e->since_us);
	if (e->timer_us != INT64_MAX)
		cb_jw_ki64(&w, "timer_us", e->timer_us);
	cb_jw_ku64(&w, "n", e->n);
	cb_jw_ku64(&w, "cur", e->cur);
	cb_jw_ku64(&w, "hits", e->hits);
	if (*e->event)
		cb_jw_kstr(&w, "event", e->event);
	if (e->text)
		cb_jw_kstr(&w, "text", e->text);
	if (values) {
		cb_jw_key(&w, "v");
		cb_jw_arr(&w);
		for (uint32_t i = 0; i < values; i++)
			cb_jw_i64(&w, v[i]);
		cb_jw_arr_end(&w);
	}
	return end(&w, out, err);
}

int cb_alert_save(struct cb_alert *a, struct cb_buf *out, struct cb_err *err)
{
	struct cb_jw w;

	if (a->now_us > -far) {
		cb_jw_init(&w, out);
		cb_jw_obj(&w);
		cb_jw_ki64(&w, "time", a->now_us);
		if (end(&w, out, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < a->rules->n; i++) {
		const struct cb_rule *r = &a->rules->rule[i];

		if (r->learn_us && a->learn_us[i] != INT64_MIN) {
			begin(&w, out, r);
			cb_jw_ki64(&w, "began", a->learn_us[i]);
			if (end(&w, out, err) < 0)
				return -1;
		}
		if (!a->groups[i])
			continue;
		for (struct cb_group *e = NULL; (e = cb_groups_next(a->groups[i], e));)
			if (save_group(r, e, cb_groups_values(a->groups[i], e), cb_al_values(r), out, err) < 0)
				return -1;
	}
	return 0;
}

static bool number(const struct cb_json *j, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	uint32_t tok = cb_json_get(j, 0, key);
	int64_t v;

	if (tok == CB_JSON_NONE || !cb_json_i64(j, tok, &v) || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

static bool digest(const struct cb_json *j, const char *key, uint8_t out[static 16])
{
	uint32_t tok = cb_json_get(j, 0, key);
	char hex[40];

	return tok != CB_JSON_NONE && cb_json_str(j, tok, hex, sizeof(hex)) == 0 && strlen(hex) == 32 &&
		cb_unhex(out, 16, hex);
}

static int bad(struct cb_err *err)
{
	return cb_err_set(err, CB_E_DATA, "no line of a memory");
}

/* The values of a group as they must be for its kind. */
static bool values_fit(const struct cb_rule *r, const struct cb_group *e, const int64_t *v)
{
	switch (r->kind) {
	case CB_RULE_KIND_FREQUENCY:
		for (uint32_t i = 1; i < e->n; i++)
			if (v[i] < v[i - 1])
				return false;
		return e->n <= r->count;
	case CB_RULE_KIND_SPIKE:
		for (uint32_t i = 0; i < r->windows; i++)
			if (v[i] < 0 || v[i] > UINT32_MAX)
				return false;
		return e->n < 2 * r->windows && e->since_us % r->window_us == 0;
	default:
		return true;
	}
}

static int load_values(const struct cb_json *j, uint32_t values, bool times, int64_t *v)
{
	uint32_t tok = cb_json_get(j, 0, "v"), k;

	if (!values)
		return 0;
	if (tok == CB_JSON_NONE || j->tok[tok].type != CB_JSON_ARRAY || j->tok[tok].size != values)
		return -1;
	k = tok + 1;
	for (uint32_t i = 0; i < values; i++, k = j->tok[k].next)
		if (!cb_json_i64(j, k, &v[i]) || (times && (v[i] < -far || v[i] > far)))
			return -1;
	return 0;
}

static int load_group(struct cb_alert *a, uint32_t i, const struct cb_json *j, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	uint32_t tok = cb_json_get(j, 0, "text"), values = cb_al_values(r);
	struct cb_group got = { .timer_us = INT64_MAX }, *e;
	int64_t flags, n, cur, hits, *v = NULL;
	struct cb_err why = CB_ERR_INIT;
	bool fresh;

	if (!digest(j, "group", got.digest) || !number(j, "flags", 0, 7, &flags) ||
	    !number(j, "seen_us", -far, far, &got.seen_us) || !number(j, "since_us", -far, far, &got.since_us) ||
	    !number(j, "n", 0, UINT32_MAX, &n) || !number(j, "cur", 0, UINT32_MAX, &cur) ||
	    !number(j, "hits", 0, INT64_MAX, &hits))
		return bad(err);
	got.alerted = number(j, "alert_us", -far, far, &got.alert_us);
	got.active = flags & 1;
	got.silent = flags >> 1 & 1;
	got.began = flags >> 2 & 1;
	got.n = (uint32_t)n;
	got.cur = (uint32_t)cur;
	got.hits = (uint64_t)hits;
	if (cb_json_get(j, 0, "event") != CB_JSON_NONE &&
	    cb_json_str(j, cb_json_get(j, 0, "event"), got.event, sizeof(got.event)) < 0)
		return bad(err);
	/* it is made part of an event as it is */
	for (const char *s = got.event; *s; s++)
		if (*s == '"' || *s == '\\' || (unsigned char)*s < 0x20)
			return bad(err);
	v = calloc(values + 1, sizeof(*v));
	if (!v)
		return cb_err_nomem(err);
	if (load_values(j, values, r->kind == CB_RULE_KIND_FREQUENCY || r->kind == CB_RULE_KIND_SEQUENCE, v) < 0 ||
	    !values_fit(r, &got, v)) {
		free(v);
		return bad(err);
	}
	if (tok != CB_JSON_NONE) {
		size_t len = j->tok[tok].type == CB_JSON_STRING ? j->tok[tok].end - j->tok[tok].start + 1 : 0;

		got.text = malloc(len + 1);
		if (!got.text || cb_json_str(j, tok, got.text, len) < 0 || !cb_al_recall(a, got.text, &why)) {
			free(got.text);
			free(v);
			return bad(err);
		}
	}
	if ((r->kind == CB_RULE_KIND_FLATLINE || got.active || r->kind == CB_RULE_KIND_CHANGE) && !got.text) {
		free(v);
		return bad(err);
	}
	e = cb_groups_get(a->groups[i], got.digest, &fresh);
	if (!e) {
		free(got.text);
		free(v);
		return cb_err_nomem(err);
	}
	got.age = e->age;
	free(e->text);
	*e = got;
	if (values)
		memcpy(cb_groups_values(a->groups[i], e), v, values * sizeof(*v));
	free(v);
	return number(j, "timer_us", -far, far, &flags) ? cb_al_wake(a, i, e, flags, err) : 0;
}

int cb_alert_load(struct cb_alert *a, const struct cb_json *j, struct cb_err *err)
{
	uint32_t tok = cb_json_get(j, 0, "rule"), i = 0;
	uint8_t shape[16];
	int64_t v;

	if (number(j, "time", -far, far, &v)) {
		a->now_us = v;
		return 0;
	}
	if (tok == CB_JSON_NONE || !digest(j, "shape", shape))
		return bad(err);
	while (i < a->rules->n && !cb_json_eq(j, tok, a->rules->rule[i].name))
		i++;
	if (i == a->rules->n || memcmp(a->rules->rule[i].shape, shape, 16) != 0)
		return 0;
	if (number(j, "began", -far, far, &v)) {
		a->learn_us[i] = v;
		return 0;
	}
	return a->groups[i] ? load_group(a, i, j, err) : 0;
}
