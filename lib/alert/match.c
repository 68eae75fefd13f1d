/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of rules on an event. Every field is looked up, and its number parsed, once an event
 * (once an element for the first ELEMS elements of an array), whatever the number of rules. */
#include "alert/alert-priv.h"

#include <string.h>

bool cb_al_type_met(const struct cb_match *m, const char *type, size_t len)
{
	for (uint32_t i = 0; i < m->types; i++) {
		size_t n = strlen(m->type[i]);

		if (m->type[i][n - 1] == '*' ? len >= n - 1 && memcmp(type, m->type[i], n - 1) == 0 :
					       len == n && memcmp(type, m->type[i], n) == 0)
			return true;
	}
	return false;
}

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
	return t->end - t->start == n && (!n || j->text[t->start] == *s) && memcmp(j->text + t->start, s, n) == 0;
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

bool cb_al_bytes(const struct cb_json *j, uint32_t tok, char *buf, size_t cap, const char **ret,
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
	if (tok == CB_JSON_NONE || !cb_al_bytes(&a->json, tok, buf, sizeof(buf), &s, &n))
		return false;
	if (t->op == CB_OP_LISTED) {
		if (a->key_event != a->event || a->key_tok != tok) {
			cb_listed_key(&a->key, s, n);
			a->key_event = a->event;
			a->key_tok = tok;
		}
		s = cb_listed_find(t->listed, &a->key);
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

bool cb_al_met(struct cb_alert *a, const struct cb_cond *cond, uint32_t n, uint32_t base,
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
			if (cb_al_met(a, c->inner, c->inners, tok, k))
				break;
		if (k == size)
			return false;
		a->slot[c->slot].hit = tok;
		a->slot[c->slot].hit_event = a->event;
		a->slot[c->slot].hit_rule = a->at_rule;
	}
	return true;
}

uint32_t cb_al_field(struct cb_alert *a, const struct cb_field *f)
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

const char *cb_al_raw(const struct cb_json *j, uint32_t tok, size_t *n)
{
	const struct cb_json_tok *t = &j->tok[tok];
	uint32_t quote = t->type == CB_JSON_STRING;

	*n = t->end - t->start + 2 * quote;
	return j->text + t->start - quote;
}
