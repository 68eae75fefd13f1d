/* SPDX-License-Identifier: Apache-2.0 */
/* Matching events. Every field is looked up, and its number parsed, once an event (once an
 * element for the first ELEMS elements of an array), whatever the number of rules. */
#include "alert/alert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/group.h"
#include "alert/timer.h"
#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "wire/event.h"

#define ELEMS 32		/* elements whose fields are remembered */
#define NAME_MAX_BYTES 255	/* of id, type, subject */
#define VALUE_MAX 200		/* bytes of a field's value in a text */
#define REGEX_MAX 1024		/* longer texts are not matched with patterns */
#define YEAR_US (INT64_C(366) * 86400 * 1000000)

enum { NUM_UNKNOWN, NUM_NO, NUM_YES };
struct value {
	uint64_t event;		/* of which this is the value */
	uint32_t tok;
	uint8_t num_state;
	double num;
};

struct slot_state {
	struct value *value;	/* 1, or ELEMS */
	bool elements;		/* one a value; else only one */
	bool remembered;
	uint64_t hit_event;	/* the element that met a rule's conditions */
	uint32_t hit_rule, hit;
};

struct type_list {
	const char *type;
	uint32_t len, n;
	uint32_t *rule;
};

struct cb_alert {
	const struct cb_rules *rules;
	cb_alert_fn *fn;
	void *ctx;
	struct cb_json json, *old;	/* the event; what was remembered of one, allocated when needed */
	struct cb_event ev;
	uint64_t event;			/* number of the one at hand */
	uint32_t at_rule;
	int64_t t_us;			/* of the last event that had one */
	int64_t now_us, back_us;
	uint32_t late;			/* events in a row that were more than an hour behind */
	bool begun;
	int64_t *learn_us;		/* by rule: when it began to learn; INT64_MIN: not yet */
	const char *listed;		/* the entry of the watch-list that was met */
	struct slot_state *slot;
	struct value spare;
	struct type_list *list;		/* open hash table */
	uint32_t lists, list_mask;
	uint32_t *glob;			/* rules that have a type with '*' */
	uint32_t globs;
	struct cb_groups **groups;	/* by rule; NULL where it needs no state */
	struct cb_timers timers;
	struct cb_buf line, text, group;
	char type[NAME_MAX_BYTES + 1], subject[NAME_MAX_BYTES + 1];
};

/* --- types -------------------------------------------------------------------------------------- */

static uint32_t hash_text(const char *s, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 16777619u;
	return h ^ h >> 15;
}

static bool type_met(const struct cb_match *m, const char *type, size_t len)
{
	for (uint32_t i = 0; i < m->types; i++) {
		size_t n = strlen(m->type[i]);

		if (m->type[i][n - 1] == '*' ? len >= n - 1 && memcmp(type, m->type[i], n - 1) == 0 :
					       len == n && memcmp(type, m->type[i], n) == 0)
			return true;
	}
	return false;
}

/* The matches of a rule, one after the other: its steps, and what resolves it. */
static const struct cb_match *match_of(const struct cb_rule *r, uint32_t i)
{
	return i < r->steps ? &r->step[i] : i == r->steps ? r->resolve : NULL;
}

static bool concerns(const struct cb_rule *r, const char *type, size_t len)
{
	const struct cb_match *m;

	for (uint32_t i = 0; (m = match_of(r, i)); i++)
		if (type_met(m, type, len))
			return true;
	return false;
}

static struct type_list *list_of(struct cb_alert *a, const char *type, size_t len)
{
	uint32_t i = hash_text(type, len) & a->list_mask;

	while (a->list[i].type &&
	       (a->list[i].len != len || memcmp(a->list[i].type, type, len) != 0))
		i = (i + 1) & a->list_mask;
	return &a->list[i];
}

/* The list of a type that a rule names, made where there is none. */
static int add_type(struct cb_alert *a, const char *type, size_t len)
{
	const struct cb_rules *rs = a->rules;
	struct type_list *l = list_of(a, type, len);

	if (l->type)
		return 0;
	l->rule = calloc(rs->n, sizeof(*l->rule));
	if (!l->rule)
		return -1;
	l->type = type;
	l->len = (uint32_t)len;
	for (uint32_t u = 0; u < rs->n; u++)
		if (concerns(&rs->rule[u], type, len))
			l->rule[l->n++] = u;
	return 0;
}

/* For every type that a rule names, the rules that it concerns, in their order. */
static int dispatch(struct cb_alert *a)
{
	const struct cb_rules *rs = a->rules;
	const struct cb_match *m;
	uint32_t names = 0;

	for (uint32_t i = 0; i < rs->n; i++)
		for (uint32_t k = 0; (m = match_of(&rs->rule[i], k)); k++)
			names += m->types;
	a->list_mask = 1;
	while (a->list_mask < 2 * names)
		a->list_mask *= 2;
	a->list = calloc(a->list_mask, sizeof(*a->list));
	a->glob = calloc(rs->n, sizeof(*a->glob));
	if (!a->list || !a->glob)
		return -1;
	a->list_mask--;
	for (uint32_t i = 0; i < rs->n; i++) {
		bool glob = false;

		for (uint32_t u = 0; (m = match_of(&rs->rule[i], u)); u++)
			for (uint32_t k = 0; k < m->types; k++) {
				size_t len = strlen(m->type[k]);

				if (m->type[k][len - 1] == '*')
					glob = true;
				else if (add_type(a, m->type[k], len) < 0)
					return -1;
			}
		if (glob)
			a->glob[a->globs++] = i;
	}
	return 0;
}

/* --- fields ------------------------------------------------------------------------------------- */

/* A slot's value, from token base, which is element number elem of its array. */
static inline struct value *look_up(struct cb_alert *a, uint32_t slot, uint32_t base, uint32_t elem)
{
	struct slot_state *s = &a->slot[slot];
	struct value *v;

	if (s->remembered && (!s->elements || elem < ELEMS)) {
		v = &s->value[s->elements ? elem : 0];
		if (v->event == a->event)
			return v;
	} else {
		v = &a->spare;
	}
	v->event = a->event;
	v->num_state = NUM_UNKNOWN;
	v->tok = cb_path_find(&a->rules->slot[slot].path, &a->json, base);
	return v;
}

static bool number(struct cb_alert *a, struct value *v, double *ret)
{
	if (v->num_state == NUM_UNKNOWN)
		v->num_state = v->tok != CB_JSON_NONE && cb_json_double(&a->json, v->tok, &v->num) ?
			NUM_YES : NUM_NO;
	*ret = v->num;
	return v->num_state == NUM_YES;
}

static bool text_is(const struct cb_json *j, uint32_t tok, const char *s, uint32_t n)
{
	const struct cb_json_tok *t = &j->tok[tok];

	if (t->escaped)
		return cb_json_eq(j, tok, s);
	return t->end - t->start == n && memcmp(j->text + t->start, s, n) == 0;
}

static bool equal(struct cb_alert *a, struct value *v, const struct cb_operand *o)
{
	double num;

	if (v->tok == CB_JSON_NONE)
		return false;
	switch (a->json.tok[v->tok].type) {
	case CB_JSON_STRING:
		return text_is(&a->json, v->tok, o->text, o->len);
	case CB_JSON_NUMBER:
		return o->number && number(a, v, &num) && num == o->num;
	case CB_JSON_TRUE:
	case CB_JSON_FALSE:
	case CB_JSON_NULL:	/* the token's own text */
		return o->plain && text_is(&a->json, v->tok, o->text, o->len);
	default:
		return false;
	}
}

/* A string value's bytes; buf takes those that are escaped. */
static bool bytes(const struct cb_json *j, uint32_t tok, char *buf, size_t cap, const char **ret,
		  size_t *ret_len)
{
	const struct cb_json_tok *t = &j->tok[tok];

	if (t->type != CB_JSON_STRING)
		return false;
	if (t->escaped) {
		if (cb_json_str(j, tok, buf, cap) < 0)
			return false;
		*ret = buf;
		*ret_len = strlen(buf);
	} else {
		*ret = j->text + t->start;
		*ret_len = t->end - t->start;
	}
	return true;
}

/* A text against a prefix or a pattern. */
static __attribute__((noinline)) bool text_met(struct cb_alert *a, const struct cb_test *t,
					       uint32_t tok)
{
	char buf[CB_TEXT_MAX + 1] __attribute__((uninitialized));
	const char *s;
	regmatch_t m;
	size_t n;

	/* escaped texts beyond the buffer are not looked into */
	if (tok == CB_JSON_NONE || !bytes(&a->json, tok, buf, sizeof(buf), &s, &n))
		return false;
	if (t->op == CB_OP_LISTED) {
		s = cb_listed_find(t->listed, s, n);
		a->listed = s ? s : a->listed;
		return s != NULL;
	}
	if (t->op == CB_OP_PREFIX)
		return n >= t->arg[0].len && memcmp(s, t->arg[0].text, t->arg[0].len) == 0;
	if (n > REGEX_MAX)
		return false;
	m.rm_so = 0;
	m.rm_eo = (regoff_t)n;
	return regexec(&t->re, s, 1, &m, REG_STARTEND) == 0;
}

static inline bool test_met(struct cb_alert *a, const struct cb_test *t, struct value *v)
{
	double num;

	switch (t->op) {
	case CB_OP_EQUAL:
	case CB_OP_NOT:
		for (uint32_t i = 0; i < t->n; i++)
			if (equal(a, v, &t->arg[i]))
				return t->op == CB_OP_EQUAL;
		return t->op == CB_OP_NOT;
	case CB_OP_GE:
		return number(a, v, &num) && num >= t->arg[0].num;
	case CB_OP_LE:
		return number(a, v, &num) && num <= t->arg[0].num;
	case CB_OP_GT:
		return number(a, v, &num) && num > t->arg[0].num;
	case CB_OP_LT:
		return number(a, v, &num) && num < t->arg[0].num;
	case CB_OP_EXISTS:
		return (v->tok != CB_JSON_NONE) == t->want;
	case CB_OP_PREFIX:
	case CB_OP_REGEX:
	case CB_OP_LISTED:
		return text_met(a, t, v->tok);
	}
	return false;
}

static bool conds_met(struct cb_alert *a, const struct cb_cond *cond, uint32_t n, uint32_t base,
		      uint32_t elem)
{
	for (uint32_t at = 0; at < n; at++) {
		const struct cb_cond *c = &cond[at];
		struct value *v = look_up(a, c->slot, base, elem);
		uint32_t k, size, tok = v->tok;

		for (uint32_t i = 0; i < c->tests; i++)
			if (!test_met(a, &c->test[i], v))
				return false;
		if (!c->inners)
			continue;
		if (tok == CB_JSON_NONE || a->json.tok[tok].type != CB_JSON_ARRAY)
			return false;
		size = a->json.tok[tok].size;
		for (k = 0, tok++; k < size; k++, tok = a->json.tok[tok].next)
			if (conds_met(a, c->inner, c->inners, tok, k))
				break;
		if (k == size)
			return false;
		a->slot[c->slot].hit = tok;
		a->slot[c->slot].hit_event = a->event;
		a->slot[c->slot].hit_rule = a->at_rule;
	}
	return true;
}

/* A field of a text or a group: where its path has "[]", of the element that met the rule's
 * conditions, else of the first. */
static uint32_t field_token(struct cb_alert *a, const struct cb_field *f)
{
	const struct slot_state *s = &a->slot[f->slot];
	uint32_t tok = look_up(a, f->slot, 0, 0)->tok;

	if (!f->element || tok == CB_JSON_NONE)
		return tok;
	if (a->json.tok[tok].type != CB_JSON_ARRAY || !a->json.tok[tok].size)
		return CB_JSON_NONE;
	tok = s->hit_event == a->event && s->hit_rule == a->at_rule ? s->hit : tok + 1;
	return cb_path_find(&f->rest, &a->json, tok);
}

/* A token as JSON text, quotes included. */
static const char *raw(const struct cb_json *j, uint32_t tok, size_t *n)
{
	const struct cb_json_tok *t = &j->tok[tok];
	uint32_t quote = t->type == CB_JSON_STRING;

	*n = t->end - t->start + 2 * quote;
	return j->text + t->start - quote;
}

/* --- texts ----------------------------------------------------------------------------------------- */

/* What an alert speaks of. */
struct moment {
	const struct cb_rule *r;
	int64_t t_us, since_us;		/* since: INT64_MIN: nothing to say */
	const char *subject;
	uint64_t count;
	const char *before;		/* JSON, or NULL */
	const char *listed;		/* or NULL */
	double mean;			/* < 0: none */
	const char *event;		/* raw JSON string, or NULL */
	size_t event_len;
	const char *type;		/* or NULL */
	const struct cb_json *old;	/* no event is at hand: what was remembered of the group */
	uint8_t digest[16];
};

/* Parse what was remembered. */
static const struct cb_json *recall(struct cb_alert *a, const char *text, struct cb_err *err)
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
	if (!bytes(j, tok, buf, sizeof(buf), &s, &n))
		s = raw(j, tok, &n);
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
		return put_value(a, &a->json, field_token(a, &p->field));
	tok = cb_json_get(m->old, 0, p->group < m->r->groups ? "group" : "subject");
	if (tok != CB_JSON_NONE && p->group < m->r->groups)
		tok = cb_json_get(m->old, tok, m->r->group_name[p->group]);
	return put_value(a, m->old, tok);
}

/* JSON as people read it: a text without its quotes. */
static int put_json(struct cb_alert *a, const char *json)
{
	const struct cb_json *j = recall(a, json, NULL);

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

static void hash_field(struct cb_alert *a, struct cb_sha256 *h, const struct cb_field *f)
{
	uint32_t tok = field_token(a, f);
	char buf[CB_TEXT_MAX + 1];
	uint8_t head[9] = { 0 };
	const char *s = "";
	size_t n = 0;

	if (tok != CB_JSON_NONE) {
		head[0] = a->json.tok[tok].type;
		/* strings by what they say, however they were escaped */
		if (!bytes(&a->json, tok, buf, sizeof(buf), &s, &n))
			s = raw(&a->json, tok, &n);
	}
	cb_put_le64(head + 1, n);
	cb_sha256_update(h, head, sizeof(head));
	cb_sha256_update(h, s, n);
}

static void group_digest(struct cb_alert *a, const struct cb_rule *r, uint8_t out[static 16])
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;

	memset(out, 0, 16);
	if (!r->groups)
		return;
	cb_sha256_init(&h);
	for (uint32_t i = 0; i < r->groups; i++)
		hash_field(a, &h, &r->group[i]);
	cb_sha256_final(&h, sum);
	memcpy(out, sum, 16);
}

/* As group_digest, of a rule that groups by subject only. */
static void subject_digest(const char *subject, uint8_t out[static 16])
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

static void put_group(struct cb_alert *a, struct cb_jw *w, const struct cb_rule *r)
{
	cb_jw_obj(w);
	for (uint32_t i = 0; i < r->groups; i++) {
		uint32_t tok = field_token(a, &r->group[i]);
		const char *s = NULL;
		size_t n = 0;

		cb_jw_key(w, r->group_name[i]);
		if (tok != CB_JSON_NONE)
			s = raw(&a->json, tok, &n);
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
			put_group(a, &w, m->r);
		} else if ((tok = cb_json_get(m->old, 0, "group")) != CB_JSON_NONE) {
			s = raw(m->old, tok, &n);
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
		s = raw(&a->json, a->ev.data, &n);
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

/* The alert's line is in a->line afterwards, whoever wants to keep it. */
static int alert(struct cb_alert *a, const struct moment *m, struct cb_err *err)
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

/* The alert of this group is over: say so, from what was remembered of it. */
static int resolved(struct cb_alert *a, const struct cb_rule *r, struct cb_group *e, int64_t t_us,
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
	if (!e->text || !(j = recall(a, e->text, err)))
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
		s = raw(j, group, &n);
		if (cb_buf_add(&a->group, s, n) < 0)
			return cb_err_nomem(err);
	}
	if (cb_buf_byte(&a->group, 0) < 0)
		return cb_err_nomem(err);
	s = (char *)a->text.data;
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

/* --- kinds ------------------------------------------------------------------------------------------ */

/* A match older than this before the newest is no straggler: the clock was set back. */
#define SET_BACK_US INT64_C(3600000000)
/* A rule that waits for silence outside its hours looks again so much later. */
#define LOOK_US INT64_C(60000000)

static int wake(struct cb_alert *a, uint32_t rule, struct cb_group *e, int64_t at_us, struct cb_err *err)
{
	if (e->timer_us <= at_us)
		return 0;
	e->timer_us = at_us;
	return cb_timers_add(&a->timers, (struct cb_timer){ .at_us = at_us, .rule = rule, .age = e->age,
			     .entry = cb_groups_number(a->groups[rule], e) }, err);
}

/* count matches lie within the window; t: their times, ascending. */
static bool counted(const struct cb_rule *r, struct cb_group *e, int64_t *t, int64_t t_us)
{
	uint32_t k;

	if (e->n && t_us < t[e->n - 1] - r->window_us) {
		if (t_us > t[e->n - 1] - r->window_us - SET_BACK_US)
			return false;
		e->n = 0;
	}
	for (k = e->n; k > 0 && t[k - 1] > t_us; k--)
		;
	if (e->n < r->count) {
		memmove(t + k + 1, t + k, (e->n - k) * sizeof(*t));
		t[k] = t_us;
		e->n++;
	} else if (k > 0) {
		memmove(t, t + 1, (k - 1) * sizeof(*t));
		t[k - 1] = t_us;
	}
	if (e->n < r->count || t[e->n - 1] - t[0] > r->window_us)
		return false;
	e->n = 0;
	return true;
}

/* Matches of the cooldown count for nothing; a time far before the alert is another recording or
 * a clock set back, and no reason to keep silent. */
static bool cooling(const struct cb_rule *r, const struct cb_group *e, int64_t t_us)
{
	return e->alerted && t_us < e->alert_us + r->cooldown_us && t_us > e->alert_us - r->cooldown_us;
}

static double mean_of(const struct cb_rule *r, const int64_t *v)
{
	double sum = 0;

	for (uint32_t i = 0; i < r->windows; i++)
		sum += (double)v[i];
	return sum / r->windows;
}

/* Close the windows that ended until t_us; v is a ring of their counts, e->n of them known.
 * *ret_low: the last that closed has that many times fewer than those before it. */
static void roll(const struct cb_rule *r, struct cb_group *e, int64_t *v, int64_t t_us, double *ret_low)
{
	*ret_low = -1;
	if (!e->began || t_us < e->since_us - SET_BACK_US) {
		e->began = true;
		e->since_us = t_us - (t_us % r->window_us + r->window_us) % r->window_us;
		e->cur = e->n = 0;
		return;
	}
	for (uint32_t i = 0; t_us >= e->since_us + r->window_us; i++) {
		double mean = mean_of(r, v);

		*ret_low = e->n >= r->windows && mean >= r->least && mean >= r->factor * e->cur ? mean : -1;
		v[e->n++ % r->windows] = e->cur;
		if (e->n == 2 * r->windows)	/* stays on the same place of the ring */
			e->n = r->windows;
		e->cur = 0;
		e->since_us += r->window_us;
		if (i > 2 * r->windows)		/* nothing but empty windows on the way */
			e->since_us += (t_us - e->since_us) / r->window_us * r->window_us;
	}
}

/* What is to be known of a group when no event is at hand. */
static int remember(struct cb_alert *a, const struct cb_rule *r, struct cb_group *e, const char *subject,
		    const char *type, struct cb_err *err)
{
	struct cb_jw w;

	a->text.len = 0;
	cb_jw_init(&w, &a->text);
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "subject", subject);
	if (type)
		cb_jw_kstr(&w, "event_type", type);
	cb_jw_key(&w, "group");
	if (type) {
		put_group(a, &w, r);
	} else {		/* a camera that is expected */
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "subject", subject);
		cb_jw_obj_end(&w);
	}
	cb_jw_obj_end(&w);
	if (cb_jw_done(&w, err) < 0)
		return -1;
	free(e->text);
	e->text = strndup((char *)a->text.data, a->text.len);
	return e->text ? 0 : cb_err_nomem(err);
}

/* The alert lasts from now on: keep its line, without the event's data. */
static int lasts(struct cb_alert *a, const struct cb_rule *r, uint32_t rule, struct cb_group *e, int64_t t_us,
		 struct cb_err *err)
{
	static const char data[] = ",\"event_data\":{";
	const char *line = (char *)a->line.data, *cut = memmem(line, a->line.len, data, sizeof(data) - 1);

	e->active = true;
	e->since_us = r->kind == CB_RULE_KIND_SPIKE ? e->since_us : t_us;
	e->hits = 1;
	free(e->text);
	if (asprintf(&e->text, "%.*s%s", (int)(cut ? cut - line : (ptrdiff_t)a->line.len), line, cut ? "}}" : "") < 0) {
		e->text = NULL;
		return cb_err_nomem(err);
	}
	return r->resolve_us ? wake(a, rule, e, e->seen_us + r->resolve_us, err) : 0;
}

/* Of a match's step, or UINT32_MAX. Later steps first: an event is one step only. */
static bool met(struct cb_alert *a, const struct cb_rule *r, const struct cb_match *m)
{
	if ((r->steps > 1 || r->resolve) && !type_met(m, a->type, strlen(a->type)))
		return false;
	return conds_met(a, m->cond, m->conds, 0, 0) &&
		(!m->alts[0] || conds_met(a, m->alt[0], m->alts[0], 0, 0) ||
		 conds_met(a, m->alt[1], m->alts[1], 0, 0));
}

/* v[i]: 1 + when the newest row of steps that has come as far as step i began; 0: none has. */
static bool sequence(struct cb_alert *a, const struct cb_rule *r, struct cb_group *e, int64_t *v, uint32_t steps)
{
	uint32_t last = r->steps - 1;

	for (uint32_t i = last; i > 0; i--) {
		if (!(steps >> i & 1) || !v[i - 1] || a->t_us < v[i - 1] - 1 || a->t_us - (v[i - 1] - 1) > r->window_us)
			continue;
		if (i == last) {
			e->since_us = v[i - 1] - 1;
			memset(v, 0, r->steps * sizeof(*v));
			return true;
		}
		v[i] = v[i - 1];
		v[i - 1] = 0;
		return false;
	}
	if (steps & 1)
		v[0] = a->t_us + 1;
	return false;
}

static struct moment event_moment(struct cb_alert *a, const struct cb_rule *r)
{
	struct moment m = { .r = r, .t_us = a->t_us, .since_us = INT64_MIN, .subject = a->subject,
			    .count = r->count, .listed = a->listed, .mean = -1, .type = a->type };

	m.event = raw(&a->json, a->ev.id, &m.event_len);
	return m;
}

/* The value of a rule's field as JSON, or null; malloc'ed. */
static char *field_json(struct cb_alert *a, const struct cb_rule *r)
{
	uint32_t tok = field_token(a, &r->field[0]);
	const char *s = NULL;
	size_t n = 0;

	if (tok != CB_JSON_NONE)
		s = raw(&a->json, tok, &n);
	return s && n <= VALUE_MAX ? strndup(s, n) : strdup("null");
}

/* What is late counts by its own time; a clock that is more than an hour behind all others says
 * nothing, but that something came. */
static void heard(const struct cb_alert *a, struct cb_group *e, bool fresh)
{
	int64_t t = a->t_us < a->now_us - SET_BACK_US ? a->now_us : a->t_us;

	if (fresh || t > e->seen_us)
		e->seen_us = t;
}

static int kind_flatline(struct cb_alert *a, uint32_t i, struct cb_group *e, bool fresh, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	const struct cb_json_tok *id = &a->json.tok[a->ev.id];

	if (e->silent) {
		e->silent = false;
		e->hits = 0;
		if (resolved(a, r, e, a->t_us, "back", err) < 0)
			return -1;
	}
	if ((fresh || !e->text) && remember(a, r, e, a->subject, a->type, err) < 0)
		return -1;
	heard(a, e, fresh);
	e->event[0] = '\0';
	if (id->end - id->start < sizeof(e->event) && !id->escaped) {
		memcpy(e->event, a->json.text + id->start, id->end - id->start);
		e->event[id->end - id->start] = '\0';
	}
	return wake(a, i, e, e->seen_us + r->window_us, err);
}

/* A match of a rule that remembers. *m is filled in where it fires. */
static int fires(struct cb_alert *a, uint32_t i, struct cb_group *e, bool fresh, uint32_t steps, bool *fire,
		 struct moment *m, char **ret_before, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	int64_t *v = cb_groups_values(a->groups[i], e);
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;
	double low;

	switch (r->kind) {
	case CB_RULE_KIND_ANY:
		*fire = !cooling(r, e, a->t_us);
		return 0;
	case CB_RULE_KIND_FREQUENCY:
		*fire = !cooling(r, e, a->t_us) && counted(r, e, v, a->t_us);
		return 0;
	case CB_RULE_KIND_SPIKE:
		roll(r, e, v, a->t_us, &low);
		if (fresh && r->down && remember(a, r, e, a->subject, a->type, err) < 0)
			return -1;
		if (r->down && wake(a, i, e, e->since_us + r->window_us, err) < 0)
			return -1;
		if (a->t_us < e->since_us)
			return 0;
		e->cur++;
		m->mean = mean_of(r, v);
		m->count = e->cur;
		/* once a window: e->alert_us is the last one that told */
		*fire = r->up && e->n >= r->windows && e->cur >= r->least && e->cur >= r->factor * m->mean &&
			!(e->alerted && e->alert_us >= e->since_us) && !cooling(r, e, a->t_us);
		return 0;
	case CB_RULE_KIND_CHANGE:
		cb_sha256_init(&h);
		hash_field(a, &h, &r->field[0]);
		cb_sha256_final(&h, sum);
		if (!fresh && memcmp(v, sum, 16) == 0)
			return 0;
		memcpy(v, sum, 16);
		*ret_before = e->text;
		e->text = field_json(a, r);
		if (!e->text)
			return cb_err_nomem(err);
		m->before = *ret_before;
		*fire = !fresh && !cooling(r, e, a->t_us);
		return 0;
	case CB_RULE_KIND_NEW:
		*fire = fresh || (r->forget_us && a->t_us - e->seen_us > r->forget_us);
		e->seen_us = a->t_us;
		return 0;
	case CB_RULE_KIND_SEQUENCE:
		*fire = sequence(a, r, e, v, steps) && !cooling(r, e, a->t_us);
		if (*fire) {
			m->since_us = e->since_us;
			m->count = r->steps;
		}
		return 0;
	case CB_RULE_KIND_FLATLINE:
		break;
	}
	return kind_flatline(a, i, e, fresh, err);
}

/* A term is remembered as a group: what it is in the group, and what it says. */
static void term_digest(struct cb_alert *a, const struct cb_rule *r, uint8_t digest[static 16])
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, digest, 16);
	for (uint32_t i = 0; i < r->fields; i++)
		hash_field(a, &h, &r->field[i]);
	cb_sha256_final(&h, sum);
	memcpy(digest, sum, 16);
}

/* Are all of a rule's fields there? */
static bool has_fields(struct cb_alert *a, const struct cb_rule *r)
{
	for (uint32_t i = 0; i < r->fields; i++)
		if (field_token(a, &r->field[i]) == CB_JSON_NONE)
			return false;
	return true;
}

static int apply(struct cb_alert *a, uint32_t i, uint32_t camera, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	struct moment m;
	struct cb_group *e = NULL;
	bool fresh = false, fire = true;
	uint32_t steps = 0;
	char *before = NULL;
	int ret = -1;

	if (r->camera && (camera == UINT32_MAX ||
			  !(r->camera[camera / 64] >> (camera % 64) & 1)))
		return 0;
	a->at_rule = i;
	a->listed = NULL;
	for (uint32_t k = 0; k < r->steps; k++)
		if (met(a, r, &r->step[k]))
			steps |= 1u << k;
	if (r->resolve && met(a, r, r->resolve)) {
		uint8_t digest[16];

		group_digest(a, r, digest);
		e = cb_groups_get(a->groups[i], digest, &fresh);
		if (!e)
			return cb_err_nomem(err);
		if (e->active)
			return resolved(a, r, e, a->t_us, "event", err);
	}
	if (!steps || (r->when && r->kind != CB_RULE_KIND_FLATLINE && !cb_schedule_open(r->when, a->rules->tz, a->t_us)))
		return 0;
	if (r->fields && !has_fields(a, r))
		return 0;
	m = event_moment(a, r);
	if (!a->groups[i]) {
		if (r->groups)
			group_digest(a, r, m.digest);
		return alert(a, &m, err);
	}
	group_digest(a, r, m.digest);
	if (r->kind == CB_RULE_KIND_NEW) {
		uint8_t term[16];

		memcpy(term, m.digest, 16);
		term_digest(a, r, term);
		e = cb_groups_get(a->groups[i], term, &fresh);
	} else {
		e = cb_groups_get(a->groups[i], m.digest, &fresh);
	}
	if (!e)
		return cb_err_nomem(err);
	fire = false;
	if (fires(a, i, e, fresh, steps, &fire, &m, &before, err) < 0)
		goto out;
	if (r->kind != CB_RULE_KIND_FLATLINE && cb_rule_lasts(r)) {
		heard(a, e, fresh);
		e->hits += e->active;
		fire = fire && !e->active;
	}
	/* what is learnt is not told */
	if (fire && r->learn_us && a->now_us < a->learn_us[i] + r->learn_us)
		fire = false;
	ret = 0;
	if (fire) {
		e->alerted = true;
		e->alert_us = a->t_us;
		ret = alert(a, &m, err);
		if (ret == 0 && cb_rule_lasts(r)) {
			ret = lasts(a, r, i, e, a->t_us, err);
		}
	}
out:
	free(before);
	return ret;
}

/* --- time ---------------------------------------------------------------------------------------------- */

/* An alert of a group with no event at hand. */
static int alert_timed(struct cb_alert *a, const struct cb_rule *r, struct cb_group *e, int64_t t_us,
		       int64_t since_us, uint64_t count, double mean, struct cb_err *err)
{
	char subject[NAME_MAX_BYTES + 1] = "", type[NAME_MAX_BYTES + 1] = "", event[sizeof(e->event) + 2];
	struct moment m = { .r = r, .t_us = t_us, .since_us = since_us, .count = count, .mean = mean };
	uint32_t tok;

	m.old = e->text ? recall(a, e->text, err) : NULL;
	if (!m.old)
		return e->text ? -1 : 0;
	if ((tok = cb_json_get(m.old, 0, "subject")) != CB_JSON_NONE)
		cb_json_str(m.old, tok, subject, sizeof(subject));
	if ((tok = cb_json_get(m.old, 0, "event_type")) != CB_JSON_NONE)
		cb_json_str(m.old, tok, type, sizeof(type));
	m.subject = subject;
	m.type = *type ? type : NULL;
	if (*e->event) {
		m.event_len = (size_t)snprintf(event, sizeof(event), "\"%s\"", e->event);
		m.event = event;
	}
	memcpy(m.digest, e->digest, sizeof(m.digest));
	e->alerted = true;
	e->alert_us = t_us;
	return alert(a, &m, err);
}

static int flat(struct cb_alert *a, uint32_t i, struct cb_group *e, int64_t t_us, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	int64_t due = e->seen_us + r->window_us;

	if (e->silent)
		return 0;
	if (due > t_us)
		return wake(a, i, e, due, err);
	if (r->when && !cb_schedule_open(r->when, a->rules->tz, t_us))
		return wake(a, i, e, t_us + LOOK_US, err);
	if (alert_timed(a, r, e, t_us, e->seen_us, 0, -1, err) < 0)
		return -1;
	e->silent = true;
	return lasts(a, r, i, e, t_us, err);
}

/* A timer of a group: what is due of it, and the next one. */
static int ring(struct cb_alert *a, uint32_t i, struct cb_group *e, int64_t t_us, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	double low = -1;

	e->timer_us = INT64_MAX;
	if (r->kind == CB_RULE_KIND_FLATLINE)
		return flat(a, i, e, t_us, err);
	if (r->resolve_us && e->active) {
		if (t_us < e->seen_us + r->resolve_us) {
			if (wake(a, i, e, e->seen_us + r->resolve_us, err) < 0)
				return -1;
		} else if (resolved(a, r, e, t_us, "quiet", err) < 0) {
			return -1;
		}
	}
	if (r->kind != CB_RULE_KIND_SPIKE || !r->down)
		return 0;
	roll(r, e, cb_groups_values(a->groups[i], e), t_us, &low);
	if (low >= 0 && !e->active && !cooling(r, e, t_us) && cb_schedule_open(r->when, a->rules->tz, t_us)) {
		if (!e->text && remember(a, r, e, "", NULL, err) < 0)
			return -1;
		if (alert_timed(a, r, e, t_us, INT64_MIN, 0, low, err) < 0)
			return -1;
	}
	/* a group of which nothing came for all windows sleeps until something does */
	if (mean_of(r, cb_groups_values(a->groups[i], e)) == 0 && !e->cur)
		return 0;
	return wake(a, i, e, e->since_us + r->window_us, err);
}

int64_t cb_alert_next(const struct cb_alert *a)
{
	return cb_timers_next(&a->timers);
}

int cb_alert_until(struct cb_alert *a, int64_t t_us, struct cb_err *err)
{
	struct cb_timer t;

	while (cb_timers_due(&a->timers, t_us, &t)) {
		struct cb_group *e = cb_groups_at(a->groups[t.rule], t.entry, t.age);

		if (e && ring(a, t.rule, e, t.at_us, err) < 0)
			return -1;
	}
	return 0;
}

void cb_alert_pass(struct cb_alert *a, int64_t t_us)
{
	if (t_us > a->now_us)
		a->now_us = t_us;
}

int64_t cb_alert_now(const struct cb_alert *a, int64_t *ret_back)
{
	if (ret_back)
		*ret_back = a->back_us;
	return a->now_us;
}

/* The clock was set back: so is all that waits for a time. */
static void set_back(struct cb_alert *a, int64_t by_us)
{
	cb_timers_shift(&a->timers, by_us);
	for (uint32_t i = 0; i < a->rules->n; i++) {
		const struct cb_rule *r = &a->rules->rule[i];

		if (!a->groups[i] || !(cb_rule_lasts(r) || r->down))
			continue;
		for (struct cb_group *e = NULL; (e = cb_groups_next(a->groups[i], e));) {
			e->seen_us -= by_us;
			if (e->timer_us != INT64_MAX)
				e->timer_us -= by_us;
			if (r->kind == CB_RULE_KIND_SPIKE)
				e->since_us -= by_us - by_us % r->window_us;
		}
	}
}

static void tell_time(struct cb_alert *a)
{
	a->back_us = 0;
	if (a->t_us >= a->now_us - SET_BACK_US) {
		a->late = 0;
		cb_alert_pass(a, a->t_us);
	} else if (++a->late >= CB_LATE_EVENTS) {
		a->back_us = a->now_us - a->t_us;
		set_back(a, a->back_us);
		a->now_us = a->t_us;
		a->late = 0;
	}
}

/* With the first event: the cameras that a rule expects to hear of. */
static int begin(struct cb_alert *a, struct cb_err *err)
{
	a->begun = true;
	for (uint32_t i = 0; i < a->rules->n; i++) {
		const struct cb_rule *r = &a->rules->rule[i];

		if (a->learn_us[i] == INT64_MIN)
			a->learn_us[i] = a->now_us;
		if (r->kind != CB_RULE_KIND_FLATLINE || !r->camera || r->groups != 1 ||
		    strcmp(r->group_name[0], "subject") != 0)
			continue;
		for (uint32_t c = 0; c < a->rules->cameras; c++) {
			uint8_t digest[16];
			struct cb_group *e;
			bool fresh;

			if (!(r->camera[c / 64] >> (c % 64) & 1))
				continue;
			subject_digest(a->rules->camera[c], digest);
			e = cb_groups_get(a->groups[i], digest, &fresh);
			if (!e)
				return cb_err_nomem(err);
			if (!fresh)
				continue;
			e->seen_us = a->now_us;
			if (remember(a, r, e, a->rules->camera[c], NULL, err) < 0 ||
			    wake(a, i, e, e->seen_us + r->window_us, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* --- events ------------------------------------------------------------------------------------------- */

static int check(struct cb_alert *a, struct cb_err *err)
{
	const struct cb_json_tok *id = &a->json.tok[a->ev.id];

	if (id->end - id->start > NAME_MAX_BYTES)
		return cb_err_set(err, CB_E_DATA, "id is longer than %d bytes", NAME_MAX_BYTES);
	if (cb_json_str(&a->json, a->ev.type, a->type, sizeof(a->type)) < 0)
		return cb_err_set(err, CB_E_DATA, "type is longer than %d bytes", NAME_MAX_BYTES);
	a->subject[0] = '\0';
	if (a->ev.subject != CB_JSON_NONE &&
	    cb_json_str(&a->json, a->ev.subject, a->subject, sizeof(a->subject)) < 0)
		return cb_err_set(err, CB_E_DATA, "subject is no text of at most %d bytes",
				  NAME_MAX_BYTES);
	a->back_us = 0;
	if (a->ev.t_us == INT64_MIN)
		return 0;
	/* a year is the longest time that a rule may wait */
	if (a->ev.t_us > INT64_MAX / 1000 - YEAR_US || a->ev.t_us < INT64_MIN / 1000 + YEAR_US)
		return cb_err_set(err, CB_E_DATA, "t_us is beyond the years 1679 to 2261");
	a->t_us = a->ev.t_us;
	tell_time(a);
	return 0;
}

int cb_alert_parse(struct cb_alert *a, const char *line, size_t len, struct cb_err *err)
{
	if (memchr(line, '\n', len))
		return cb_err_set(err, CB_E_DATA, "a line break inside an event");
	if (cb_event_parse(&a->ev, &a->json, line, len, err) < 0)
		return -1;
	return check(a, err);
}

int cb_alert_apply(struct cb_alert *a, struct cb_err *err)
{
	size_t n = strlen(a->type);
	struct type_list *l = list_of(a, a->type, n);
	uint32_t camera = 0;

	a->event++;
	if (!a->begun && begin(a, err) < 0)
		return -1;
	while (camera < a->rules->cameras && strcmp(a->rules->camera[camera], a->subject) != 0)
		camera++;
	if (camera == a->rules->cameras)
		camera = UINT32_MAX;
	if (l->type) {
		for (uint32_t i = 0; i < l->n; i++)
			if (apply(a, l->rule[i], camera, err) < 0)
				return -1;
		return 0;
	}
	for (uint32_t i = 0; i < a->globs; i++)
		if (concerns(&a->rules->rule[a->glob[i]], a->type, n) &&
		    apply(a, a->glob[i], camera, err) < 0)
			return -1;
	return 0;
}

uint64_t cb_alert_forgotten(const struct cb_alert *a, uint32_t i)
{
	return a->groups[i] ? cb_groups_forgotten(a->groups[i]) : 0;
}

/* int64_t that a rule's groups have. */
static uint32_t values_of(const struct cb_rule *r)
{
	switch (r->kind) {
	case CB_RULE_KIND_FREQUENCY:
		return r->count;
	case CB_RULE_KIND_SPIKE:
		return r->windows;
	case CB_RULE_KIND_CHANGE:
		return 2;
	case CB_RULE_KIND_SEQUENCE:
		return r->steps;
	default:
		return 0;
	}
}

int cb_alert_new(struct cb_alert **ret, const struct cb_rules *rules, cb_alert_fn *fn, void *ctx,
		 struct cb_err *err)
{
	struct cb_alert *a = calloc(1, sizeof(*a));

	if (!a)
		return cb_err_nomem(err);
	a->rules = rules;
	a->fn = fn;
	a->ctx = ctx;
	a->now_us = INT64_MIN / 1000;
	a->groups = calloc(rules->n, sizeof(*a->groups));
	a->learn_us = calloc(rules->n, sizeof(*a->learn_us));
	a->slot = calloc(rules->slots + 1, sizeof(*a->slot));
	if (!a->groups || !a->learn_us || !a->slot || dispatch(a) < 0)
		goto nomem;
	for (uint32_t i = 0; i < rules->slots; i++) {
		const struct cb_slot *s = &rules->slot[i];

		a->slot[i].elements = s->array != CB_SLOT_ROOT;
		/* elements of arrays in elements of arrays have no number of their own */
		a->slot[i].remembered = s->array == CB_SLOT_ROOT ||
			rules->slot[s->array].array == CB_SLOT_ROOT;
		a->slot[i].value = calloc(a->slot[i].elements ? ELEMS : 1, sizeof(struct value));
		if (!a->slot[i].value)
			goto nomem;
	}
	for (uint32_t i = 0; i < rules->n; i++) {
		const struct cb_rule *r = &rules->rule[i];

		a->learn_us[i] = INT64_MIN;
		if ((r->kind != CB_RULE_KIND_ANY || r->cooldown_us || cb_rule_lasts(r)) &&
		    cb_groups_new(&a->groups[i], r->groups || r->kind == CB_RULE_KIND_NEW ? r->max_groups : 1,
				  values_of(r), err) < 0) {
			cb_alert_free(a);
			return -1;
		}
	}
	*ret = a;
	return 0;
nomem:
	cb_alert_free(a);
	return cb_err_nomem(err);
}

void cb_alert_free(struct cb_alert *a)
{
	if (!a)
		return;
	for (uint32_t i = 0; a->groups && i < a->rules->n; i++)
		cb_groups_free(a->groups[i]);
	free(a->groups);
	free(a->learn_us);
	for (uint32_t i = 0; a->slot && i < a->rules->slots; i++)
		free(a->slot[i].value);
	free(a->slot);
	for (uint32_t i = 0; a->list && i <= a->list_mask; i++)
		free(a->list[i].rule);
	free(a->list);
	free(a->glob);
	free(a->old);
	cb_timers_release(&a->timers);
	cb_buf_release(&a->line);
	cb_buf_release(&a->text);
	cb_buf_release(&a->group);
	free(a);
}
