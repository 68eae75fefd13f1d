/* SPDX-License-Identifier: Apache-2.0 */
/* Events to the rules that they concern. */
#include "alert/alert.h"

#include <stdlib.h>
#include <string.h>

#include "alert/alert-priv.h"

/* --- types -------------------------------------------------------------------------------------- */

static uint32_t hash_text(const char *s, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 16777619u;
	return h ^ h >> 15;
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
		if (cb_al_type_met(m, type, len))
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

int64_t cb_alert_next(const struct cb_alert *a)
{
	return cb_timers_next(&a->timers);
}

int cb_alert_until(struct cb_alert *a, int64_t t_us, struct cb_err *err)
{
	struct cb_timer t;

	while (cb_timers_due(&a->timers, t_us, &t)) {
		struct cb_group *e = cb_groups_at(a->groups[t.rule], t.entry, t.age);

		if (e && cb_al_ring(a, t.rule, e, t.at_us, err) < 0)
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
	if (!a->begun && cb_al_expect(a, err) < 0)
		return -1;
	while (camera < a->rules->cameras && strcmp(a->rules->camera[camera], a->subject) != 0)
		camera++;
	if (camera == a->rules->cameras)
		camera = UINT32_MAX;
	if (l->type) {
		for (uint32_t i = 0; i < l->n; i++)
			if (cb_al_rule(a, l->rule[i], camera, err) < 0)
				return -1;
		return 0;
	}
	for (uint32_t i = 0; i < a->globs; i++)
		if (concerns(&a->rules->rule[a->glob[i]], a->type, n) &&
		    cb_al_rule(a, a->glob[i], camera, err) < 0)
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
				  cb_al_values(r), err) < 0) {
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
