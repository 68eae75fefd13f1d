/* SPDX-License-Identifier: Apache-2.0 */
/* Matching events. Every field is looked up, and its number parsed, once an event (once an
 * element for the first ELEMS elements of an array), whatever the number of rules. */
#include "alert/alert.h"

#include <stdlib.h>
#include <string.h>

#include "alert/group.h"
#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"
#include "wire/event.h"

#define ELEMS 32		/* elements whose fields are remembered */
#define NAME_MAX_BYTES 255	/* of id, type, subject */
#define VALUE_MAX 200		/* bytes of a field's value in a text */
#define REGEX_MAX 1024		/* longer texts are not matched with patterns */

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
	struct cb_json json;
	struct cb_event ev;
	uint64_t event;			/* number of the one at hand */
	uint32_t at_rule;
	int64_t t_us;			/* of the last event that had one */
	struct slot_state *slot;
	struct value spare;
	struct type_list *list;		/* open hash table */
	uint32_t lists, list_mask;
	uint32_t *glob;			/* rules that have a type with '*' */
	uint32_t globs;
	struct cb_groups **groups;	/* by rule; NULL where it needs no state */
	struct cb_buf line, text;
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

static bool type_met(const struct cb_rule *r, const char *type, size_t len)
{
	for (uint32_t i = 0; i < r->types; i++) {
		size_t n = strlen(r->type[i]);

		if (r->type[i][n - 1] == '*' ? len >= n - 1 && memcmp(type, r->type[i], n - 1) == 0 :
					       len == n && memcmp(type, r->type[i], n) == 0)
			return true;
	}
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

/* For every type that a rule names, the rules that it concerns, in their order. */
static int dispatch(struct cb_alert *a)
{
	const struct cb_rules *rs = a->rules;
	uint32_t names = 0;

	for (uint32_t i = 0; i < rs->n; i++)
		names += rs->rule[i].types;
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

		for (uint32_t k = 0; k < rs->rule[i].types; k++) {
			const char *type = rs->rule[i].type[k];
			size_t len = strlen(type);
			struct type_list *l;

			if (type[len - 1] == '*') {
				glob = true;
				continue;
			}
			l = list_of(a, type, len);
			if (l->type)
				continue;
			l->rule = calloc(rs->n, sizeof(*l->rule));
			if (!l->rule)
				return -1;
			l->type = type;
			l->len = (uint32_t)len;
			for (uint32_t u = 0; u < rs->n; u++)
				if (type_met(&rs->rule[u], type, len))
					l->rule[l->n++] = u;
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

/* A value for people, or as an argument: cut, and safe for a terminal. */
static int put_value(struct cb_alert *a, uint32_t tok)
{
	const struct cb_json *j = &a->json;
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

/* Append the text and a NUL; what goes beyond CB_TEXT_MAX bytes is cut at a character. */
static int put_template(struct cb_alert *a, const struct cb_rule *r, const struct cb_template *t,
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
			k = cb_buf_add(&a->text, r->name, strlen(r->name));
			break;
		case CB_PART_SEVERITY:
			k = cb_buf_add(&a->text, r->severity, strlen(r->severity));
			break;
		case CB_PART_COUNT:
			k = cb_buf_printf(&a->text, "%u", r->count);
			break;
		case CB_PART_FIELD:
			k = put_value(a, field_token(a, &p->field));
			break;
		}
		/* an event cannot make an option out of an argument */
		if (argument && i == 0 && p->kind == CB_PART_FIELD && a->text.len > start &&
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

static void group_digest(struct cb_alert *a, const struct cb_rule *r, uint8_t out[static 16])
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;

	memset(out, 0, 16);
	if (!r->groups)
		return;
	cb_sha256_init(&h);
	for (uint32_t i = 0; i < r->groups; i++) {
		uint32_t tok = field_token(a, &r->group[i]);
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
		cb_sha256_update(&h, head, sizeof(head));
		cb_sha256_update(&h, s, n);
	}
	cb_sha256_final(&h, sum);
	memcpy(out, sum, 16);
}

static int write_alert(struct cb_alert *a, const struct cb_rule *r, const char *message,
		       bool with_data, struct cb_err *err)
{
	uint8_t digest[CB_SHA256_LEN];
	char id[CB_EVENT_ID_LEN];
	struct cb_sha256 h;
	struct cb_jw w;
	const char *s;
	size_t n;

	s = raw(&a->json, a->ev.id, &n);
	cb_sha256_init(&h);
	cb_sha256_update(&h, r->name, strlen(r->name) + 1);
	cb_sha256_update(&h, s, n);
	cb_sha256_final(&h, digest);
	cb_event_id(id, "cb.alert", a->subject, digest, a->t_us, "", 0);
	cb_event_begin(&w, &a->line, "cb-alert", "cb.alert", a->subject, a->t_us * 1000, id);
	cb_jw_kstr(&w, "rule", r->name);
	cb_jw_kstr(&w, "severity", r->severity);
	cb_jw_kstr(&w, "message", message);
	cb_jw_ki64(&w, "count", r->count);
	cb_jw_ki64(&w, "window_us", r->window_us);
	if (r->groups) {
		cb_jw_key(&w, "group");
		cb_jw_obj(&w);
		for (uint32_t i = 0; i < r->groups; i++) {
			uint32_t tok = field_token(a, &r->group[i]);

			cb_jw_key(&w, r->group_name[i]);
			s = tok == CB_JSON_NONE ? NULL : raw(&a->json, tok, &n);
			if (s && n <= VALUE_MAX)
				cb_jw_raw(&w, s, n);
			else
				cb_jw_null(&w);
		}
		cb_jw_obj_end(&w);
	}
	cb_jw_key(&w, "event");
	s = raw(&a->json, a->ev.id, &n);
	cb_jw_raw(&w, s, n);
	cb_jw_kstr(&w, "event_type", a->type);
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

	if (tok[a->ev.data].next - a->ev.data > CB_JSON_TOKENS - 128)
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

static int alert(struct cb_alert *a, const struct cb_rule *r, struct cb_err *err)
{
	char *argv[CB_ARGV_MAX + 1];
	size_t at[CB_ARGV_MAX + 1];
	struct cb_err big = CB_ERR_INIT;

	a->text.len = 0;
	if (put_template(a, r, &r->message, false, err) < 0)
		return -1;
	for (uint32_t i = 0; i < r->args; i++) {
		at[i] = a->text.len;
		if (put_template(a, r, &r->argv[i], true, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < r->args; i++)
		argv[i] = (char *)a->text.data + at[i];
	argv[r->args] = NULL;
	/* data that would make the line too long or too deep stay out */
	if (!r->with_data || !data_fits(a) || write_alert(a, r, (char *)a->text.data, true, &big) < 0) {
		if (big.code && big.code != CB_E_DATA) {
			*err = big;
			return -1;
		}
		if (write_alert(a, r, (char *)a->text.data, false, err) < 0)
			return -1;
	}
	return a->fn(a->ctx, r, &a->line, r->args ? argv : NULL, err);
}

/* --- events ------------------------------------------------------------------------------------------- */

static int apply(struct cb_alert *a, uint32_t i, uint32_t camera, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	uint8_t digest[16];
	bool fire = true;

	if (r->camera && (camera == UINT32_MAX ||
			  !(r->camera[camera / 64] >> (camera % 64) & 1)))
		return 0;
	a->at_rule = i;
	if (!conds_met(a, r->cond, r->conds, 0, 0))
		return 0;
	if (a->groups[i]) {
		group_digest(a, r, digest);
		if (cb_groups_match(a->groups[i], digest, a->t_us, r->window_us, r->cooldown_us, &fire,
				    err) < 0)
			return -1;
	}
	return fire ? alert(a, r, err) : 0;
}

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
	if (a->ev.t_us == INT64_MIN)
		return 0;
	if (a->ev.t_us > INT64_MAX / 1000 || a->ev.t_us < INT64_MIN / 1000)
		return cb_err_set(err, CB_E_DATA, "t_us is beyond the years 1678 to 2262");
	a->t_us = a->ev.t_us;
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
		if (type_met(&a->rules->rule[a->glob[i]], a->type, n) &&
		    apply(a, a->glob[i], camera, err) < 0)
			return -1;
	return 0;
}

uint64_t cb_alert_forgotten(const struct cb_alert *a, uint32_t i)
{
	return a->groups[i] ? cb_groups_forgotten(a->groups[i]) : 0;
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
	a->groups = calloc(rules->n, sizeof(*a->groups));
	a->slot = calloc(rules->slots + 1, sizeof(*a->slot));
	if (!a->groups || !a->slot || dispatch(a) < 0)
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

		if ((r->count > 1 || r->cooldown_us) &&
		    cb_groups_new(&a->groups[i], r->groups ? r->max_groups : 1, r->count, err) < 0) {
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
	for (uint32_t i = 0; a->slot && i < a->rules->slots; i++)
		free(a->slot[i].value);
	free(a->slot);
	for (uint32_t i = 0; a->list && i <= a->list_mask; i++)
		free(a->list[i].rule);
	free(a->list);
	free(a->glob);
	cb_buf_release(&a->line);
	cb_buf_release(&a->text);
	free(a);
}
