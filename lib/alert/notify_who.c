/* SPDX-License-Identifier: Apache-2.0 */
/* Which alerts a route, a silence or an inhibition means. */
#include "alert/notify-priv.h"

#include <stdlib.h>
#include <string.h>

static bool word_met(const struct cb_words_of *w, const char *s)
{
	if (!w->n)
		return true;
	for (uint32_t i = 0; i < w->n; i++) {
		size_t n = strlen(w->at[i]);

		if (n && w->at[i][n - 1] == '*' ? strncmp(s, w->at[i], n - 1) == 0 : strcmp(s, w->at[i]) == 0)
			return true;
	}
	return false;
}

static const char *label_of(const struct about *a, const char *name)
{
	for (uint32_t i = 0; i < a->labels; i++)
		if (strcmp(a->label_name[i], name) == 0)
			return a->label[i];
	return "";
}

bool cb_nt_who_met(const struct cb_who *w, const struct about *a)
{
	if (!word_met(&w->rules, a->rule) || !word_met(&w->cameras, a->subject) ||
	    (w->levels && !(w->levels >> a->level & 1)))
		return false;
	for (uint32_t i = 0; i < w->labels; i++)
		if (!word_met(&w->label[i], label_of(a, w->label_name[i])))
			return false;
	return true;
}

const char *cb_nt_by_value(const char *name, const struct about *a)
{
	if (strcmp(name, "rule") == 0)
		return a->rule;
	if (strcmp(name, "severity") == 0)
		return cb_nt_levels[a->level];
	return strcmp(name, "subject") == 0 ? a->subject : label_of(a, name + 7);
}

void cb_nt_by_digest(uint8_t out[static 16], const void *of, size_t len, const struct cb_by *by,
		     const struct about *a)
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, of, len);
	for (uint32_t i = 0; i < by->n; i++) {
		const char *v = cb_nt_by_value(by->name[i], a);

		cb_sha256_update(&h, v, strlen(v) + 1);
	}
	cb_sha256_final(&h, sum);
	memcpy(out, sum, 16);
}

/* --- alerts ------------------------------------------------------------------------------------------ */

struct about cb_nt_about_of(const struct cb_alert_out *o)
{
	struct about a = { .rule = o->rule->name, .subject = o->subject, .level = o->rule->level,
			   .labels = o->rule->labels };

	for (uint32_t i = 0; i < a.labels; i++) {
		a.label_name[i] = o->rule->label_name[i];
		a.label[i] = o->label[i];
	}
	return a;
}

/* A string member appended to b with a NUL; its place. */
static size_t member(const struct cb_json *j, uint32_t obj, const char *key, struct cb_buf *b)
{
	uint32_t tok = obj == CB_JSON_NONE ? obj : cb_json_get(j, obj, key);
	char text[4 * CB_TEXT_MAX + 1];
	size_t at = b->len;

	if (tok != CB_JSON_NONE && cb_json_str(j, tok, text, sizeof(text)) == 0)
		cb_buf_add(b, text, strlen(text));
	cb_buf_byte(b, 0);
	return at;
}

int cb_nt_about_line(struct cb_notify *n, const char *line, struct about *a, struct cb_err *err)
{
	size_t rule, subject, severity, name[CB_LABELS_MAX], value[CB_LABELS_MAX];
	uint32_t data, labels;
	const char *s;

	*a = (struct about){ 0 };
	if (cb_json_parse(&n->json, line, strlen(line), err) < 0)
		return -1;
	n->about.len = 0;
	data = cb_json_get(&n->json, 0, "data");
	labels = data == CB_JSON_NONE ? data : cb_json_get(&n->json, data, "labels");
	subject = member(&n->json, 0, "subject", &n->about);
	rule = member(&n->json, data, "rule", &n->about);
	severity = member(&n->json, data, "severity", &n->about);
	if (labels != CB_JSON_NONE && n->json.tok[labels].type == CB_JSON_OBJECT)
		for (uint32_t i = labels + 1; i < n->json.tok[labels].next && a->labels < CB_LABELS_MAX;
		     i = n->json.tok[i + 1].next, a->labels++) {
			char key[CB_RULE_NAME_MAX + 1];

			if (cb_json_str(&n->json, i, key, sizeof(key)) < 0)
				break;
			name[a->labels] = n->about.len;
			cb_buf_add(&n->about, key, strlen(key) + 1);
			value[a->labels] = member(&n->json, labels, key, &n->about);
		}
	if (!n->about.len || n->about.data[n->about.len - 1])
		return cb_err_nomem(err);
	s = (char *)n->about.data;
	a->rule = s + rule;
	a->subject = s + subject;
	for (a->level = 0; a->level < 4 && strcmp(cb_nt_levels[a->level], s + severity) != 0;)
		a->level++;
	for (uint32_t i = 0; i < a->labels; i++) {
		a->label_name[i] = s + name[i];
		a->label[i] = s + value[i];
	}
	return 0;
}

/* --- muted ------------------------------------------------------------------------------------------- */

int cb_nt_sources(struct cb_notify *n, const struct cb_alert_out *o, const struct about *a, struct cb_err *err)
{
	for (uint32_t i = 0; i < n->rules->inhibits; i++) {
		const struct cb_inhibit *v = &n->rules->inhibit[i];
		uint8_t digest[16];
		struct cb_group *s;
		bool fresh;

		if (!cb_nt_who_met(&v->by, a))
			continue;
		cb_nt_by_digest(digest, &i, sizeof(i), &v->equal, a);
		if (o->resolved) {
			s = cb_groups_find(n->source, digest);
			if (s && s->text && strcmp(s->text, o->over) == 0)
				s->seen_us = o->t_us;
			continue;
		}
		s = cb_groups_get(n->source, digest, &fresh);
		if (!s)
			return cb_err_nomem(err);
		s->seen_us = cb_rule_lasts(o->rule) ? INT64_MAX : o->t_us + v->for_us;
		free(s->text);
		s->text = strdup(o->id);
		if (!s->text)
			return cb_err_nomem(err);
	}
	return 0;
}

bool cb_nt_inhibited(struct cb_notify *n, const struct about *a, const char *id, int64_t t_us, const char **ret)
{
	for (uint32_t i = 0; i < n->rules->inhibits; i++) {
		const struct cb_inhibit *v = &n->rules->inhibit[i];
		uint8_t digest[16];
		struct cb_group *s;

		if (!cb_nt_who_met(&v->mute, a))
			continue;
		cb_nt_by_digest(digest, &i, sizeof(i), &v->equal, a);
		s = cb_groups_find(n->source, digest);
		if (s && s->seen_us > t_us && s->text && strcmp(s->text, id) != 0) {
			*ret = s->text;
			return true;
		}
	}
	return false;
}

const struct cb_silence *cb_nt_silence_of(const struct cb_notify *n, const struct about *a, int64_t t_us)
{
	for (uint32_t i = 0; n->silences && i < n->silences->n; i++) {
		const struct cb_silence *s = &n->silences->v[i];

		if (t_us >= s->from_us && t_us < s->until_us && cb_nt_who_met(&s->who, a))
			return s;
	}
	return NULL;
}
