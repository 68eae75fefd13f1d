/* SPDX-License-Identifier: Apache-2.0 */
/* What must happen to be an alert, by kind of rule, and what happens when time passes. */
#include "alert/alert-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

/* A rule whose hours are so short that they were not found looks again so much later. */
#define LOOK_US (INT64_C(8) * 86400 * 1000000)

/* Groups may be forgotten before their time comes. */
static bool meant(void *ctx, const struct cb_timer *t)
{
	struct cb_alert *a = ctx;
	const struct cb_group *e = cb_groups_at(a->groups[t->rule], t->entry, t->age);

	return e && e->timer_us == t->at_us;
}

int cb_al_wake(struct cb_alert *a, uint32_t rule, struct cb_group *e, int64_t at_us, struct cb_err *err)
{
	if (e->timer_us <= at_us)
		return 0;
	e->timer_us = at_us;
	cb_timers_tidy(&a->timers, meant, a);
	return cb_timers_add(&a->timers, (struct cb_timer){ .at_us = at_us, .rule = rule, .age = e->age,
			     .tie = cb_le32(e->digest),
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
		cb_al_put_group(a, &w, r);
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
	return r->resolve_us ? cb_al_wake(a, rule, e, e->seen_us + r->resolve_us, err) : 0;
}

/* Of a match's step, or UINT32_MAX. Later steps first: an event is one step only. */
static bool met(struct cb_alert *a, const struct cb_rule *r, const struct cb_match *m)
{
	if ((r->steps > 1 || r->resolve) && !cb_al_type_met(m, a->type, strlen(a->type)))
		return false;
	return cb_al_met(a, m->cond, m->conds, 0, 0) &&
		(!m->alts[0] || cb_al_met(a, m->alt[0], m->alts[0], 0, 0) ||
		 cb_al_met(a, m->alt[1], m->alts[1], 0, 0));
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

	m.event = cb_al_raw(&a->json, a->ev.id, &m.event_len);
	return m;
}

/* The value of a rule's field as JSON, or null; malloc'ed. */
static char *field_json(struct cb_alert *a, const struct cb_rule *r)
{
	uint32_t tok = cb_al_field(a, &r->field[0]);
	const char *s = NULL;
	size_t n = 0;

	if (tok != CB_JSON_NONE)
		s = cb_al_raw(&a->json, tok, &n);
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
		if (cb_al_say_over(a, r, e, a->t_us, "back", err) < 0)
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
	return cb_al_wake(a, i, e, e->seen_us + r->window_us, err);
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
		if (r->down && cb_al_wake(a, i, e, e->since_us + r->window_us, err) < 0)
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
		cb_al_hash_field(a, &h, &r->field[0]);
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
		cb_al_hash_field(a, &h, &r->field[i]);
	cb_sha256_final(&h, sum);
	memcpy(digest, sum, 16);
}

/* Are all of a rule's fields there? */
static bool has_fields(struct cb_alert *a, const struct cb_rule *r)
{
	for (uint32_t i = 0; i < r->fields; i++)
		if (cb_al_field(a, &r->field[i]) == CB_JSON_NONE)
			return false;
	return true;
}

int cb_al_rule(struct cb_alert *a, uint32_t i, uint32_t camera, struct cb_err *err)
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

		cb_al_group_digest(a, r, digest);
		e = cb_groups_get(a->groups[i], digest, &fresh);
		if (!e)
			return cb_err_nomem(err);
		if (e->active)
			return cb_al_say_over(a, r, e, a->t_us, "event", err);
	}
	if (!steps || (r->when && r->kind != CB_RULE_KIND_FLATLINE && !cb_schedule_open(r->when, a->rules->tz, a->t_us)))
		return 0;
	if (r->fields && !has_fields(a, r))
		return 0;
	m = event_moment(a, r);
	if (!a->groups[i]) {
		if (r->groups)
			cb_al_group_digest(a, r, m.digest);
		return cb_al_say(a, &m, err);
	}
	cb_al_group_digest(a, r, m.digest);
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
		ret = cb_al_say(a, &m, err);
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

	m.old = e->text ? cb_al_recall(a, e->text, err) : NULL;
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
	return cb_al_say(a, &m, err);
}

static int flat(struct cb_alert *a, uint32_t i, struct cb_group *e, int64_t t_us, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	int64_t due = e->seen_us + r->window_us;

	if (e->silent)
		return 0;
	if (due > t_us)
		return cb_al_wake(a, i, e, due, err);
	/* outside its hours: when they begin */
	if (r->when && !cb_schedule_open(r->when, a->rules->tz, t_us)) {
		due = cb_schedule_opens(r->when, a->rules->tz, t_us);
		return cb_al_wake(a, i, e, due == INT64_MAX ? t_us + LOOK_US : due, err);
	}
	if (alert_timed(a, r, e, t_us, e->seen_us, 0, -1, err) < 0)
		return -1;
	e->silent = true;
	return lasts(a, r, i, e, t_us, err);
}

int cb_al_ring(struct cb_alert *a, uint32_t i, struct cb_group *e, int64_t t_us, struct cb_err *err)
{
	const struct cb_rule *r = &a->rules->rule[i];
	double low = -1;

	e->timer_us = INT64_MAX;
	if (r->kind == CB_RULE_KIND_FLATLINE)
		return flat(a, i, e, t_us, err);
	if (r->resolve_us && e->active) {
		if (t_us < e->seen_us + r->resolve_us) {
			if (cb_al_wake(a, i, e, e->seen_us + r->resolve_us, err) < 0)
				return -1;
		} else if (cb_al_say_over(a, r, e, t_us, "quiet", err) < 0) {
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
	return cb_al_wake(a, i, e, e->since_us + r->window_us, err);
}

int cb_al_expect(struct cb_alert *a, struct cb_err *err)
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
			cb_al_subject_digest(a->rules->camera[c], digest);
			e = cb_groups_get(a->groups[i], digest, &fresh);
			if (!e)
				return cb_err_nomem(err);
			if (!fresh)
				continue;
			e->seen_us = a->now_us;
			if (remember(a, r, e, a->rules->camera[c], NULL, err) < 0 ||
			    cb_al_wake(a, i, e, e->seen_us + r->window_us, err) < 0)
				return -1;
		}
	}
	return 0;
}

uint32_t cb_al_values(const struct cb_rule *r)
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
