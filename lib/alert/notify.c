/* SPDX-License-Identifier: Apache-2.0 */
/* Routes at work: groups of items that wait, and the decisions about them. */
#include "alert/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/group.h"
#include "alert/timer.h"
#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"
#include "wire/event.h"

#define ACTIVE_MAX 4096		/* alerts of a group that last */
#define RULES_NAMED 8		/* in a summary */
#define DAY_US (INT64_C(86400) * 1000000)

enum what { W_ALERT, W_RESOLVED, W_REPEAT, W_SUMMARY };
static const char *const what_names[] = { "alert", "resolved", "repeat", "summary" };

/* What is to be known of an alert to decide about it. */
struct about {
	const char *rule, *subject;
	uint32_t level;
	const char *label_name[CB_LABELS_MAX], *label[CB_LABELS_MAX];
	uint32_t labels;
};

struct item {
	char id[CB_EVENT_ID_LEN];
	uint64_t number;	/* of all items that ever waited: an event that comes twice has one id */
	enum what what;
	uint32_t level;
	int64_t t_us;
	char *title;
	char *line;		/* NULL where it is one of too many to be named */
};

struct lasting {		/* an alert that lasts, and was told or waits to be */
	char id[CB_EVENT_ID_LEN];
	uint32_t level;
	int64_t t_us;
	char *title;
};

struct group {
	uint8_t digest[16];
	uint64_t age;
	uint32_t route, number;		/* number: of its place */
	char *key;			/* what its items have in common, JSON */
	struct item *item;
	uint32_t items, cap;
	struct lasting *active;
	uint32_t actives, active_cap;
	int64_t due_us;			/* INT64_MAX: nothing waits */
	int64_t told_us;		/* the last notice; INT64_MIN: none yet */
	int64_t timer_us;
	bool deferred, early;		/* early: the quiet hours do not hold it */
	char first[CB_EVENT_ID_LEN];	/* the item that began what waits, by which its notice is called */
	enum what first_what;
	uint32_t chain, newer, older;	/* as in group.c */
};

struct route {
	int64_t *told;			/* ring of the times of notices */
	uint32_t n, at;
	uint64_t limited;		/* items since the last summary */
	uint32_t level;
	char first[CB_EVENT_ID_LEN];	/* of them */
	int64_t since_us, due_us;	/* due: of the summary; INT64_MAX: none */
	struct { char name[CB_RULE_NAME_MAX + 1]; uint64_t n; } rule[RULES_NAMED];
};

#define NONE UINT32_MAX
#define BUCKETS 1024

struct cb_notify {
	const struct cb_rules *rules;
	const struct cb_silences *silences;
	struct cb_notify_ops ops;
	struct route *route;
	struct group **group;		/* CB_NOTIFY_GROUPS places, NULL where free */
	uint32_t used, bucket[BUCKETS], newest, oldest, free_place;
	uint64_t ages;
	int64_t horizon_us;
	uint64_t numbers;
	struct cb_timers timers;	/* rule: route; entry: group, or NONE for its summary */
	struct cb_groups *source;	/* of inhibitions: seen_us is until when */
	struct cb_notify_sum sum;
	struct cb_buf line, text, title, journal, about;
	struct cb_json json;
};

static const char *const levels[] = CB_SEVERITY_NAMES;

/* --- which ------------------------------------------------------------------------------------- */

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

static bool who_met(const struct cb_who *w, const struct about *a)
{
	if (!word_met(&w->rules, a->rule) || !word_met(&w->cameras, a->subject) ||
	    (w->levels && !(w->levels >> a->level & 1)))
		return false;
	for (uint32_t i = 0; i < w->labels; i++)
		if (!word_met(&w->label[i], label_of(a, w->label_name[i])))
			return false;
	return true;
}

static const char *by_value(const char *name, const struct about *a)
{
	if (strcmp(name, "rule") == 0)
		return a->rule;
	if (strcmp(name, "severity") == 0)
		return levels[a->level];
	return strcmp(name, "subject") == 0 ? a->subject : label_of(a, name + 7);
}

static void by_digest(uint8_t out[static 16], const void *of, size_t len, const struct cb_by *by,
		      const struct about *a)
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, of, len);
	for (uint32_t i = 0; i < by->n; i++) {
		const char *v = by_value(by->name[i], a);

		cb_sha256_update(&h, v, strlen(v) + 1);
	}
	cb_sha256_final(&h, sum);
	memcpy(out, sum, 16);
}

static struct about about_of(const struct cb_alert_out *o)
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

/* The same of an alert that was written before; its texts are in n->about. */
static int about_line(struct cb_notify *n, const char *line, struct about *a, struct cb_err *err)
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
	for (a->level = 0; a->level < 4 && strcmp(levels[a->level], s + severity) != 0;)
		a->level++;
	for (uint32_t i = 0; i < a->labels; i++) {
		a->label_name[i] = s + name[i];
		a->label[i] = s + value[i];
	}
	return 0;
}

/* --- decisions ------------------------------------------------------------------------------------ */

struct decision {
	const char *what;		/* the decision */
	const char *sink, *item, *note, *kind, *rule, *subject, *reason;
	uint32_t route, alerts, attempt;
	uint64_t number;
	int64_t t_us, until_us, next_us;
};

static int decide(struct cb_notify *n, const struct decision *d, struct cb_err *err)
{
	uint8_t sum[CB_SHA256_LEN];
	char id[CB_EVENT_ID_LEN];
	struct cb_sha256 h;
	struct cb_jw w;
	const char *const of[] = { d->what, d->sink, d->item, d->note, d->kind };

	cb_sha256_init(&h);
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
		cb_sha256_update(&h, of[i] ? of[i] : "", of[i] ? strlen(of[i]) + 1 : 1);
	cb_sha256_final(&h, sum);
	cb_event_id(id, "cb.alert.decision", d->subject ? d->subject : "", sum, d->t_us, "",
		    (uint32_t)d->number);
	cb_event_begin(&w, &n->line, "cb-alert", "cb.alert.decision", d->subject ? d->subject : "",
		       d->t_us * 1000, id);
	cb_jw_kstr(&w, "decision", d->what);
	if (d->sink)
		cb_jw_kstr(&w, "sink", d->sink);
	if (d->item)
		cb_jw_kstr(&w, "alert", d->item);
	if (d->note)
		cb_jw_kstr(&w, "note", d->note);
	if (d->kind)
		cb_jw_kstr(&w, "what", d->kind);
	if (d->rule)
		cb_jw_kstr(&w, "rule", d->rule);
	if (d->route)
		cb_jw_ku64(&w, "route", d->route);
	if (d->alerts)
		cb_jw_ku64(&w, "alerts", d->alerts);
	if (d->reason && *d->reason)
		cb_jw_kstr(&w, "reason", d->reason);
	if (d->until_us)
		cb_jw_ki64(&w, "until_us", d->until_us);
	if (d->attempt)
		cb_jw_ku64(&w, "attempt", d->attempt);
	if (d->next_us)
		cb_jw_ki64(&w, "next_us", d->next_us);
	if (cb_event_end(&w, err) < 0)
		return -1;
	return n->ops.decide(n->ops.ctx, &n->line, err);
}

int cb_notify_fate(struct cb_notify *n, const struct cb_fate *f, struct cb_err *err)
{
	struct decision d = { .what = f->decision, .sink = f->sink, .note = f->note, .reason = f->reason,
			      .attempt = f->attempt, .t_us = f->t_us, .next_us = f->next_us,
			      .number = f->number };

	return decide(n, &d, err);
}

/* --- groups --------------------------------------------------------------------------------------- */

static void free_item(struct item *i)
{
	free(i->title);
	free(i->line);
}

static void free_group(struct group *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < g->items; i++)
		free_item(&g->item[i]);
	for (uint32_t i = 0; i < g->actives; i++)
		free(g->active[i].title);
	free(g->item);
	free(g->active);
	free(g->key);
	free(g);
}

static uint32_t *bucket_of(struct cb_notify *n, const uint8_t *digest)
{
	return &n->bucket[cb_le32(digest) % BUCKETS];
}

static void unlink_use(struct cb_notify *n, struct group *g)
{
	if (g->newer != NONE)
		n->group[g->newer]->older = g->older;
	else
		n->newest = g->older;
	if (g->older != NONE)
		n->group[g->older]->newer = g->newer;
	else
		n->oldest = g->newer;
}

static void link_use(struct cb_notify *n, struct group *g)
{
	g->newer = NONE;
	g->older = n->newest;
	if (n->newest != NONE)
		n->group[n->newest]->newer = g->number;
	else
		n->oldest = g->number;
	n->newest = g->number;
}

static void drop_group(struct cb_notify *n, struct group *g)
{
	uint32_t *b = bucket_of(n, g->digest);

	while (*b != g->number)
		b = &n->group[*b]->chain;
	*b = g->chain;
	unlink_use(n, g);
	n->group[g->number] = NULL;
	n->free_place = g->number;
	n->used--;
	free_group(g);
}

static struct group *find_group(struct cb_notify *n, const uint8_t digest[static 16])
{
	for (uint32_t i = *bucket_of(n, digest); i != NONE; i = n->group[i]->chain)
		if (memcmp(n->group[i]->digest, digest, 16) == 0)
			return n->group[i];
	return NULL;
}

static int tell(struct cb_notify *n, struct group *g, int64_t t_us, const char *reason, struct cb_err *err);

static int make_group(struct cb_notify *n, const uint8_t digest[static 16], uint32_t route, int64_t t_us,
		      struct group **ret, struct cb_err *err)
{
	struct group *g;
	uint32_t *b;

	if (n->used == CB_NOTIFY_GROUPS) {
		g = n->group[n->oldest];
		g->early = true;
		if (g->items && tell(n, g, t_us, "too many groups", err) < 0)
			return -1;
		drop_group(n, g);
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return cb_err_nomem(err);
	memcpy(g->digest, digest, 16);
	g->age = ++n->ages;
	g->route = route;
	g->due_us = g->timer_us = INT64_MAX;
	g->told_us = INT64_MIN;
	for (g->number = n->free_place; n->group[g->number];)
		g->number = (g->number + 1) % CB_NOTIFY_GROUPS;
	n->group[g->number] = g;
	n->free_place = (g->number + 1) % CB_NOTIFY_GROUPS;
	n->used++;
	b = bucket_of(n, digest);
	g->chain = *b;
	*b = g->number;
	link_use(n, g);
	*ret = g;
	return 0;
}

/* A route's summary, or a group that is still there. */
static bool meant(void *ctx, const struct cb_timer *t)
{
	struct cb_notify *n = ctx;
	const struct group *g = t->entry == NONE ? NULL : n->group[t->entry];

	return t->entry == NONE ? n->route[t->rule].due_us == t->at_us :
				  g && g->age == t->age && g->timer_us == t->at_us;
}

static int wake(struct cb_notify *n, struct group *g, int64_t at_us, struct cb_err *err)
{
	if (g->timer_us <= at_us)
		return 0;
	g->timer_us = at_us;
	cb_timers_tidy(&n->timers, meant, n);
	return cb_timers_add(&n->timers, (struct cb_timer){ .at_us = at_us, .rule = g->route,
			     .entry = g->number, .age = g->age, .tie = cb_le32(g->digest) }, err);
}

/* The id of the notice at a sink that an item began; an alert can be repeated. */
static void note_id(char out[static CB_EVENT_ID_LEN], const char *sink, const char *item, enum what what,
		    int64_t t_us, const uint8_t *group)
{
	uint8_t sum[CB_SHA256_LEN], time[8];
	struct cb_sha256 h;

	cb_put_le64(time, what >= W_REPEAT ? (uint64_t)t_us : 0);
	cb_sha256_init(&h);
	cb_sha256_update(&h, "cb.alert.notice", 16);
	cb_sha256_update(&h, sink, strlen(sink) + 1);
	cb_sha256_update(&h, item, strlen(item) + 1);
	cb_sha256_update(&h, what_names[what], strlen(what_names[what]) + 1);
	cb_sha256_update(&h, time, sizeof(time));
	cb_sha256_update(&h, group, 16);
	cb_sha256_final(&h, sum);
	cb_hex(out, sum, 16);
}

/* Of item number i of a group: its own where the route does not group. */
static void note_of(const struct cb_notify *n, const struct group *g, uint32_t i, const char *sink,
		    char out[static CB_EVENT_ID_LEN])
{
	const struct item *it = &g->item[i];

	if (n->rules->route[g->route].grouped)
		note_id(out, sink, g->first, g->first_what, g->item[0].t_us, g->digest);
	else
		note_id(out, sink, it->id, it->what, it->t_us, g->digest);
}

/* The same decision about an item at each of its route's sinks. */
static int each_sink(struct cb_notify *n, const struct group *g, uint32_t i, struct decision d, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	char id[CB_EVENT_ID_LEN];

	d.route = g->route + 1;
	d.item = g->item[i].id;
	d.alerts = 1;
	for (uint32_t k = 0; k < c->sinks; k++) {
		note_of(n, g, i, c->sink[k], id);
		d.sink = c->sink[k];
		d.note = id;
		if (decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

/* --- telling ---------------------------------------------------------------------------------------- */

static const char *prefix_of(const struct item *it)
{
	return it->what == W_RESOLVED ? "resolved: " : it->what == W_REPEAT ? "still: " : "";
}

static int make_texts(struct cb_notify *n, const struct item *it, uint32_t count, struct cb_err *err)
{
	int k;

	n->title.len = n->text.len = 0;
	k = count > 1 ? cb_buf_printf(&n->title, "%u alerts: %s%.256s", count, prefix_of(it), it->title) :
		cb_buf_printf(&n->title, "%s%.256s", prefix_of(it), it->title);
	for (uint32_t i = 0; i < count && i < CB_ITEMS_NAMED && !k; i++)
		k = cb_buf_printf(&n->text, "%s%s%.256s", i ? "\n" : "", prefix_of(&it[i]), it[i].title);
	if (count > CB_ITEMS_NAMED && !k)
		k = cb_buf_printf(&n->text, "\nand %u more", count - CB_ITEMS_NAMED);
	return k || cb_buf_byte(&n->title, 0) < 0 || cb_buf_byte(&n->text, 0) < 0 ? cb_err_nomem(err) : 0;
}

static int notice_line(struct cb_notify *n, const struct group *g, const struct cb_notice *o, const struct item *it,
		       const char *reason, struct cb_err *err)
{
	uint32_t named = o->alerts < CB_ITEMS_NAMED ? o->alerts : CB_ITEMS_NAMED;
	struct cb_jw w;

	cb_event_begin(&w, &n->line, "cb-alert", "cb.alert.notice", "", o->t_us * 1000, o->id);
	cb_jw_kstr(&w, "sink", o->sink);
	cb_jw_kstr(&w, "severity", o->severity);
	cb_jw_kstr(&w, "title", o->title);
	cb_jw_kstr(&w, "text", o->text);
	cb_jw_kstr(&w, "reason", reason);
	cb_jw_key(&w, "group");
	cb_jw_raw(&w, g->key, strlen(g->key));
	cb_jw_ku64(&w, "alerts", o->alerts);
	cb_jw_key(&w, "items");
	cb_jw_arr(&w);
	for (uint32_t i = 0; i < named; i++) {
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "alert", it[i].id);
		cb_jw_kstr(&w, "what", what_names[it[i].what]);
		cb_jw_kstr(&w, "severity", levels[it[i].level]);
		cb_jw_kstr(&w, "title", it[i].title);
		cb_jw_ki64(&w, "t_us", it[i].t_us);
		cb_jw_obj_end(&w);
	}
	cb_jw_arr_end(&w);
	if (o->alerts > named)
		cb_jw_ku64(&w, "more", o->alerts - named);
	return cb_event_end(&w, err);
}

/* Items from and on of a group to one sink, as one notice. */
static int send_one(struct cb_notify *n, struct group *g, const char *sink, uint32_t from, uint32_t count,
		    int64_t t_us, const char *reason, struct cb_err *err)
{
	const struct cb_route *r = &n->rules->route[g->route];
	const struct item *first = &g->item[from];
	struct cb_notice o = { .sink = sink, .t_us = t_us, .alerts = count, .line = &n->line, .group = g->key };
	struct decision d = { .what = "queued", .sink = sink, .route = g->route + 1, .alerts = count, .t_us = t_us,
			      .reason = reason };
	char id[CB_EVENT_ID_LEN];
	struct cb_buf own;
	uint32_t level = 0;

	for (uint32_t i = 0; i < count; i++)
		if (first[i].level > level)
			level = first[i].level;
	note_of(n, g, from, sink, id);
	o.id = d.note = id;
	o.severity = levels[level];
	if (make_texts(n, first, count, err) < 0)
		return -1;
	o.title = (char *)n->title.data;
	o.text = (char *)n->text.data;
	if (count == 1)
		d.item = first->id;
	/* a route that does not group passes on the alert's own event */
	if (!r->grouped && first->line) {
		own = (struct cb_buf){ .data = (uint8_t *)first->line, .len = strlen(first->line) };
		o.line = &own;
	} else if (notice_line(n, g, &o, first, reason, err) < 0) {
		return -1;
	}
	if (n->ops.send(n->ops.ctx, &o, err) < 0)
		return -1;
	n->sum.queued += count;
	n->sum.notices++;
	return decide(n, &d, err);
}

static int journal_gone(struct cb_notify *n, const struct group *g, struct cb_err *err)
{
	char hex[33];

	cb_hex(hex, g->digest, 16);
	return cb_buf_printf(&n->journal, "{\"gone\":\"%s\"}\n", hex) < 0 ? cb_err_nomem(err) : 0;
}

/* Were so many notices told within the time already? */
static bool over_limit(const struct cb_route *c, const struct route *r, int64_t t_us)
{
	/* told[at] is the oldest where the ring is full */
	return c->limit && r->n == c->limit && t_us - r->told[r->at] < c->limit_us;
}

static void count_told(const struct cb_route *c, struct route *r, int64_t t_us)
{
	if (!c->limit)
		return;
	r->told[r->at] = t_us;
	r->at = (r->at + 1) % c->limit;
	if (r->n < c->limit)
		r->n++;
}

static void count_rule(struct route *r, const char *rule)
{
	for (uint32_t i = 0; i < RULES_NAMED; i++) {
		if (!r->rule[i].n)
			snprintf(r->rule[i].name, sizeof(r->rule[i].name), "%s", rule);
		if (strcmp(r->rule[i].name, rule) == 0) {
			r->rule[i].n++;
			return;
		}
	}
}

/* The items of a notice are too many: what is said later is how many they were. */
static int limited(struct cb_notify *n, struct group *g, uint32_t from, uint32_t count, int64_t t_us,
		   struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct route *r = &n->route[g->route];
	struct decision d = { .what = "limited", .route = g->route + 1, .alerts = count, .t_us = t_us };
	char id[CB_EVENT_ID_LEN];
	struct about a;

	for (uint32_t i = from; i < from + count; i++) {
		if (g->item[i].level > r->level)
			r->level = g->item[i].level;
		if (g->item[i].line && about_line(n, g->item[i].line, &a, NULL) == 0)
			count_rule(r, a.rule);
	}
	if (!r->limited) {
		r->since_us = t_us;
		memcpy(r->first, g->item[from].id, sizeof(r->first));
		r->due_us = r->told[r->at] + c->limit_us;
		if (cb_timers_add(&n->timers, (struct cb_timer){ .at_us = r->due_us, .rule = g->route, .entry = NONE },
				  err) < 0)
			return -1;
	}
	r->limited += count;
	d.until_us = r->due_us;
	d.item = count == 1 ? g->item[from].id : NULL;
	for (uint32_t i = 0; i < c->sinks; i++) {
		n->sum.limited += count;
		note_of(n, g, from, c->sink[i], id);
		d.sink = c->sink[i];
		d.note = id;
		if (decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

/* A notice of these items, unless there were too many. */
static int tell_some(struct cb_notify *n, struct group *g, uint32_t from, uint32_t count, int64_t t_us,
		     const char *reason, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct route *r = &n->route[g->route];
	uint32_t level = 0;

	for (uint32_t i = from; i < from + count; i++)
		if (g->item[i].level > level)
			level = g->item[i].level;
	if (level < c->urgent && over_limit(c, r, t_us))
		return limited(n, g, from, count, t_us, err);
	count_told(c, r, t_us);
	for (uint32_t i = 0; i < c->sinks; i++)
		if (send_one(n, g, c->sink[i], from, count, t_us, reason, err) < 0)
			return -1;
	g->told_us = t_us;
	return 0;
}

/* Is an alert muted by another one? *ret: that one's id. */
static bool inhibited(struct cb_notify *n, const struct about *a, const char *id, int64_t t_us, const char **ret)
{
	for (uint32_t i = 0; i < n->rules->inhibits; i++) {
		const struct cb_inhibit *v = &n->rules->inhibit[i];
		uint8_t digest[16];
		struct cb_group *s;

		if (!who_met(&v->mute, a))
			continue;
		by_digest(digest, &i, sizeof(i), &v->equal, a);
		s = cb_groups_find(n->source, digest);
		if (s && s->seen_us > t_us && s->text && strcmp(s->text, id) != 0) {
			*ret = s->text;
			return true;
		}
	}
	return false;
}

/* Take out of a group, from an item on, what another alert mutes. */
static int sift(struct cb_notify *n, struct group *g, uint32_t from, int64_t t_us, struct cb_err *err)
{
	uint32_t to = from;

	for (uint32_t i = from; n->rules->inhibits && i < g->items; i++) {
		struct item *it = &g->item[i];
		const char *by = NULL;
		struct about a;

		if (it->what == W_ALERT && it->line && about_line(n, it->line, &a, err) < 0)
			return -1;
		if (it->what == W_ALERT && it->line && inhibited(n, &a, it->id, t_us, &by)) {
			struct decision d = { .what = "inhibited", .rule = a.rule, .subject = a.subject, .reason = by,
					      .t_us = t_us };

			n->sum.inhibited += n->rules->route[g->route].sinks;
			if (each_sink(n, g, i, d, err) < 0)
				return -1;
			free_item(it);
			continue;
		}
		g->item[to++] = *it;
	}
	if (n->rules->inhibits)
		g->items = to;
	return 0;
}

static bool urgent(const struct cb_route *c, const struct group *g)
{
	for (uint32_t i = 0; i < g->items; i++)
		if (g->item[i].level >= c->urgent)
			return true;
	return false;
}

/* In quiet hours: until when; else t_us. */
static int64_t quiet_until(const struct cb_notify *n, const struct cb_route *c, int64_t t_us)
{
	int64_t until;

	if (!c->quiet || !cb_schedule_open(c->quiet, n->rules->tz, t_us))
		return t_us;
	until = cb_schedule_closes(c->quiet, n->rules->tz, t_us);
	return until == INT64_MAX ? t_us + 8 * DAY_US : until;
}

/* Quiet hours: not now, but when they are over. */
static int defer(struct cb_notify *n, struct group *g, uint32_t from, int64_t t_us, int64_t until_us,
		 struct cb_err *err)
{
	struct decision d = { .what = "deferred", .t_us = t_us, .until_us = until_us };
	const struct cb_route *c = &n->rules->route[g->route];
	char id[CB_EVENT_ID_LEN];

	g->deferred = true;
	g->due_us = until_us;
	for (uint32_t i = from; !c->grouped && i < g->items; i++)
		if (each_sink(n, g, i, d, err) < 0)
			return -1;
	d.route = g->route + 1;
	d.alerts = g->items;
	for (uint32_t k = 0; c->grouped && k < c->sinks; k++) {
		note_of(n, g, 0, c->sink[k], id);
		d.sink = c->sink[k];
		d.note = id;
		if (decide(n, &d, err) < 0)
			return -1;
	}
	return wake(n, g, until_us, err);
}

static void drop_items(struct group *g, uint32_t from)
{
	for (uint32_t i = from; i < g->items; i++)
		free_item(&g->item[i]);
	g->items = from;
	if (from)
		return;
	g->deferred = g->early = false;
	g->due_us = INT64_MAX;
}

/* It is time: what waits in a group is told, or deferred. */
static int tell(struct cb_notify *n, struct group *g, int64_t t_us, const char *reason, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	int64_t until;

	if (sift(n, g, 0, t_us, err) < 0)
		return -1;
	until = quiet_until(n, c, t_us);
	if (g->items && until > t_us && !g->early && !urgent(c, g))
		return defer(n, g, 0, t_us, until, err);
	if (g->deferred && !g->early)
		reason = "quiet hours are over";
	for (uint32_t at = 0; at < g->items; at += c->grouped ? g->items : 1)
		if (tell_some(n, g, at, c->grouped ? g->items : 1, t_us, reason, err) < 0)
			return -1;
	drop_items(g, 0);
	if (journal_gone(n, g, err) < 0)
		return -1;
	return c->repeat_us && g->actives && g->told_us != INT64_MIN ? wake(n, g, g->told_us + c->repeat_us, err) : 0;
}

/* --- items ------------------------------------------------------------------------------------------- */

static int put_item(struct group *g, const struct item *it, struct cb_err *err)
{
	if (g->items == g->cap) {
		uint32_t cap = g->cap ? 2 * g->cap : 4;
		struct item *v = reallocarray(g->item, cap, sizeof(*v));

		if (!v)
			return cb_err_nomem(err);
		g->item = v;
		g->cap = cap;
	}
	if (!g->items) {
		memcpy(g->first, it->id, sizeof(g->first));
		g->first_what = it->what;
	}
	g->item[g->items++] = *it;
	return 0;
}

static int make_item(struct item *it, const char *id, enum what what, uint32_t level, int64_t t_us,
		     const char *title, const void *line, size_t len, struct cb_err *err)
{
	*it = (struct item){ .what = what, .level = level, .t_us = t_us, .title = strndup(title, CB_TEXT_MAX),
			     .line = line ? strndup(line, len) : NULL };
	snprintf(it->id, sizeof(it->id), "%s", id);
	if (it->title && (it->line || !line))
		return 0;
	free_item(it);
	return cb_err_nomem(err);
}

static int journal_item(struct cb_notify *n, const struct group *g, const struct item *it, struct cb_buf *out,
			struct cb_err *err)
{
	char hex[33];
	struct cb_jw w;

	cb_jw_init(&w, out);
	cb_jw_obj(&w);
	cb_hex(hex, g->digest, 16);
	cb_jw_kstr(&w, "waits", hex);
	cb_hex(hex, n->rules->route[g->route].shape, 16);
	cb_jw_kstr(&w, "route", hex);
	cb_jw_kstr(&w, "key", g->key);
	cb_jw_ki64(&w, "due", g->due_us);
	cb_jw_kbool(&w, "deferred", g->deferred);
	cb_jw_kstr(&w, "first", g->first);
	cb_jw_ki64(&w, "first_what", g->first_what);
	cb_jw_kstr(&w, "id", it->id);
	cb_jw_ku64(&w, "number", it->number);
	cb_jw_ki64(&w, "what", it->what);
	cb_jw_ki64(&w, "level", it->level);
	cb_jw_ki64(&w, "t_us", it->t_us);
	cb_jw_kstr(&w, "title", it->title);
	if (it->line)
		cb_jw_kstr(&w, "line", it->line);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err) < 0 || cb_buf_byte(out, '\n') < 0 ? cb_err_nomem(err) : 0;
}

/* Where a route does not group, items only wait for the end of quiet hours. */
static int add_alone(struct cb_notify *n, struct group *g, int64_t t_us, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	uint32_t at = g->items - 1;
	int64_t until = quiet_until(n, c, t_us);

	if (sift(n, g, at, t_us, err) < 0)
		return -1;
	if (at == g->items)
		return 0;
	if (until > t_us && g->item[at].level < c->urgent) {
		if (defer(n, g, at, t_us, until, err) < 0 || journal_item(n, g, &g->item[at], &n->journal, err) < 0)
			return -1;
		if (g->items < CB_ITEMS_MAX)
			return 0;
		g->early = true;
		return tell(n, g, t_us, "full", err);
	}
	if (tell_some(n, g, at, 1, t_us, NULL, err) < 0)
		return -1;
	drop_items(g, at);
	return c->repeat_us && g->actives ? wake(n, g, g->told_us + c->repeat_us, err) : 0;
}

/* An item that was fired into its group, which is told now or later. it is used up. */
static int add(struct cb_notify *n, struct group *g, struct item *it, const struct about *a, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct decision d = { .what = "grouped", .rule = a->rule, .subject = a->subject, .t_us = it->t_us };
	int64_t t_us = it->t_us, due = t_us + c->wait_us, next;

	unlink_use(n, g);
	link_use(n, g);
	/* of many that come together it is enough to know how many */
	if (c->grouped && g->items >= CB_ITEMS_NAMED && !n->rules->inhibits && !c->limit) {
		free(it->line);
		it->line = NULL;
	}
	it->number = ++n->numbers;
	if (put_item(g, it, err) < 0) {
		free_item(it);
		return -1;
	}
	if (!c->grouped)
		return add_alone(n, g, t_us, err);
	if (g->told_us != INT64_MIN) {
		next = g->told_us + c->interval_us;
		due = next > due ? next : t_us > next ? due : next;
	}
	if (g->items == 1)
		g->due_us = due;
	else if (g->deferred && it->level >= c->urgent)
		g->due_us = t_us;
	if (g->due_us > t_us) {
		d.until_us = g->due_us;
		if (each_sink(n, g, g->items - 1, d, err) < 0 || wake(n, g, g->due_us, err) < 0 ||
		    journal_item(n, g, &g->item[g->items - 1], &n->journal, err) < 0)
			return -1;
		if (g->items < CB_ITEMS_MAX)
			return 0;
		g->early = true;
		return tell(n, g, t_us, "full", err);
	}
	if (quiet_until(n, c, t_us) > t_us && !urgent(c, g)) {
		if (tell(n, g, t_us, "", err) < 0)
			return -1;
		return g->items ? journal_item(n, g, &g->item[g->items - 1], &n->journal, err) : 0;
	}
	return tell(n, g, t_us, "at once", err);
}

static int fire(struct cb_notify *n, const struct cb_route *c, uint32_t route, const struct item *it,
		const struct about *a, struct cb_err *err)
{
	struct decision d = { .what = "fired", .item = it->id, .kind = what_names[it->what], .route = route + 1,
			      .alerts = 1, .t_us = it->t_us };

	if (a) {
		d.rule = a->rule;
		d.subject = a->subject;
	}
	for (uint32_t i = 0; i < c->sinks; i++) {
		d.sink = c->sink[i];
		n->sum.fired++;
		if (decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

/* The group of an alert at a route, made where there is none. Where a route does not group, what
 * lasts is a group of its own, with repetitions of its own. */
static int group_of(struct cb_notify *n, uint32_t route, const struct cb_alert_out *o, const struct about *a,
		    bool make, struct group **ret, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[route];
	uint8_t digest[16], seed[32];
	struct cb_by own = { .name = { "rule" }, .n = 1 };
	struct cb_buf key = { 0 };
	struct cb_jw w;

	memcpy(seed, c->shape, 16);
	memcpy(seed + 16, o->digest, 16);
	if (!c->grouped && cb_rule_lasts(o->rule))
		by_digest(digest, seed, sizeof(seed), &own, a);
	else
		by_digest(digest, c->shape, sizeof(c->shape), &c->by, a);
	*ret = find_group(n, digest);
	if (*ret || !make)
		return 0;
	cb_jw_init(&w, &key);
	cb_jw_obj(&w);
	for (uint32_t i = 0; i < c->by.n; i++)
		cb_jw_kstr(&w, c->by.name[i], by_value(c->by.name[i], a));
	cb_jw_obj_end(&w);
	if (cb_jw_done(&w, err) < 0 || cb_buf_byte(&key, 0) < 0 || make_group(n, digest, route, o->t_us, ret, err) < 0) {
		cb_buf_release(&key);
		return err && err->code ? -1 : cb_err_nomem(err);
	}
	(*ret)->key = (char *)key.data;
	return 0;
}

static int add_active(struct group *g, const char *id, uint32_t level, int64_t t_us, const char *title,
		      struct cb_err *err)
{
	if (g->actives == ACTIVE_MAX)
		return 0;
	if (g->actives == g->active_cap) {
		uint32_t cap = g->active_cap ? 2 * g->active_cap : 4;
		struct lasting *v = reallocarray(g->active, cap, sizeof(*v));

		if (!v)
			return cb_err_nomem(err);
		g->active = v;
		g->active_cap = cap;
	}
	g->active[g->actives] = (struct lasting){ .level = level, .t_us = t_us, .title = strndup(title, CB_TEXT_MAX) };
	if (!g->active[g->actives].title)
		return cb_err_nomem(err);
	snprintf(g->active[g->actives++].id, sizeof(g->active->id), "%s", id);
	return 0;
}

/* Is it in the list? Not any more. */
static bool drop_active(struct group *g, const char *id)
{
	for (uint32_t i = 0; i < g->actives; i++)
		if (strcmp(g->active[i].id, id) == 0) {
			free(g->active[i].title);
			memmove(&g->active[i], &g->active[i + 1], (g->actives - i - 1) * sizeof(*g->active));
			g->actives--;
			return true;
		}
	return false;
}

/* --- alerts ------------------------------------------------------------------------------------------- */

/* What mutes others, and until when. */
static int sources(struct cb_notify *n, const struct cb_alert_out *o, const struct about *a, struct cb_err *err)
{
	for (uint32_t i = 0; i < n->rules->inhibits; i++) {
		const struct cb_inhibit *v = &n->rules->inhibit[i];
		uint8_t digest[16];
		struct cb_group *s;
		bool fresh;

		if (!who_met(&v->by, a))
			continue;
		by_digest(digest, &i, sizeof(i), &v->equal, a);
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

static const struct cb_silence *silence_of(const struct cb_notify *n, const struct about *a, int64_t t_us)
{
	for (uint32_t i = 0; n->silences && i < n->silences->n; i++) {
		const struct cb_silence *s = &n->silences->v[i];

		if (t_us >= s->from_us && t_us < s->until_us && who_met(&s->who, a))
			return s;
	}
	return NULL;
}

static int silenced(struct cb_notify *n, const struct cb_route *c, uint32_t route, const struct item *it,
		    const struct about *a, const struct cb_silence *s, struct cb_err *err)
{
	char reason[512];
	struct decision d = { .what = "silenced", .item = it->id, .rule = a->rule, .subject = a->subject,
			      .reason = reason, .route = route + 1, .alerts = 1, .t_us = it->t_us,
			      .until_us = s->until_us };

	snprintf(reason, sizeof(reason), "%.200s: %.200s", s->file, s->author);
	for (uint32_t i = 0; i < c->sinks; i++) {
		d.sink = c->sink[i];
		n->sum.silenced++;
		if (decide(n, &d, err) < 0)
			return -1;
	}
	return 0;
}

/* At one route; *ret_stop: no further one sees it. */
static int at_route(struct cb_notify *n, uint32_t route, const struct cb_alert_out *o, const struct about *a,
		    const struct cb_silence *s, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[route];
	struct group *g;
	struct item it;
	int k;

	if (group_of(n, route, o, a, !o->resolved && !s, &g, err) < 0)
		return -1;
	/* that something is over is said to whom it was told, and who wants to know */
	if (o->resolved && (!g || !drop_active(g, o->over) || !c->resolved))
		return 0;
	if (make_item(&it, o->id, o->resolved ? W_RESOLVED : W_ALERT, o->rule->level, o->t_us, o->title,
		      o->line->data, o->line->len, err) < 0)
		return -1;
	if (fire(n, c, route, &it, a, err) < 0 || s) {
		k = s ? silenced(n, c, route, &it, a, s, err) : -1;
		free_item(&it);
		return k;
	}
	if (!o->resolved && cb_rule_lasts(o->rule) && (c->resolved || c->repeat_us) &&
	    add_active(g, o->id, o->rule->level, o->t_us, o->title, err) < 0) {
		free_item(&it);
		return -1;
	}
	return add(n, g, &it, a, err);
}

int cb_notify_alert(struct cb_notify *n, const struct cb_alert_out *o, struct cb_err *err)
{
	struct about a = about_of(o);
	const struct cb_silence *s = silence_of(n, &a, o->t_us);
	bool any = false;

	if (sources(n, o, &a, err) < 0)
		return -1;
	for (uint32_t i = 0; i < n->rules->routes; i++) {
		if (!who_met(&n->rules->route[i].who, &a))
			continue;
		any = true;
		if (at_route(n, i, o, &a, s, err) < 0)
			return -1;
		if (!n->rules->route[i].go_on)
			break;
	}
	if (!any && !o->resolved) {
		struct decision d = { .what = "fired", .item = o->id, .kind = what_names[W_ALERT], .rule = a.rule,
				      .subject = a.subject, .alerts = 1, .t_us = o->t_us };

		n->sum.fired++;
		n->sum.unrouted++;
		if (decide(n, &d, err) < 0)
			return -1;
		d.what = "unrouted";
		d.kind = NULL;
		return decide(n, &d, err);
	}
	return 0;
}

/* --- time ------------------------------------------------------------------------------------------------ */

/* The limit's time is over: how many there were more. */
static int summary(struct cb_notify *n, uint32_t route, int64_t t_us, bool now, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[route];
	struct route *r = &n->route[route];
	char key[] = "{}", title[512];
	struct group g = { .route = route, .key = key, .told_us = INT64_MIN, .due_us = INT64_MAX };
	int64_t until = quiet_until(n, c, t_us);
	size_t at;
	struct item it;
	int k = -1;

	if (!r->limited || (!now && t_us < r->due_us))
		return 0;
	if (!now && until > t_us && r->level < c->urgent) {
		r->due_us = until;
		return cb_timers_add(&n->timers, (struct cb_timer){ .at_us = until, .rule = route, .entry = NONE }, err);
	}
	at = (size_t)snprintf(title, sizeof(title), "and %ju more", (uintmax_t)r->limited);
	for (uint32_t i = 0; i < RULES_NAMED && r->rule[i].n; i++)
		at += (size_t)snprintf(title + at, sizeof(title) - at, "%s%.40s %ju", i ? ", " : ": ", r->rule[i].name,
				       (uintmax_t)r->rule[i].n);
	memcpy(g.digest, c->shape, sizeof(g.digest));
	if (make_item(&it, r->first, W_SUMMARY, r->level, t_us, title, NULL, 0, err) < 0)
		return -1;
	if (put_item(&g, &it, err) < 0) {
		free_item(&it);
		return -1;
	}
	k = fire(n, c, route, &it, NULL, err);
	for (uint32_t i = 0; i < c->sinks && k == 0; i++)
		k = send_one(n, &g, c->sink[i], 0, 1, t_us, "summary", err);
	drop_items(&g, 0);
	free(g.item);
	r->limited = 0;
	r->level = 0;
	r->due_us = INT64_MAX;
	memset(r->rule, 0, sizeof(r->rule));
	return k;
}

/* What lasts is told again. */
static int repeat(struct cb_notify *n, struct group *g, int64_t t_us, struct cb_err *err)
{
	const struct cb_route *c = &n->rules->route[g->route];
	struct item it;

	/* of several that were due before the next event the last one is enough */
	if (n->horizon_us > t_us && (n->horizon_us - t_us) / c->repeat_us > 0) {
		g->told_us += (n->horizon_us - t_us) / c->repeat_us * c->repeat_us;
		return wake(n, g, g->told_us + c->repeat_us, err);
	}
	/* whatever becomes of it, the next one is that much later */
	g->told_us = t_us;
	for (uint32_t i = 0; i < g->actives; i++) {
		const struct lasting *l = &g->active[i];

		if (make_item(&it, l->id, W_REPEAT, l->level, t_us, l->title, NULL, 0, err) < 0)
			return -1;
		it.number = ++n->numbers;
		if (fire(n, c, g->route, &it, NULL, err) < 0 || put_item(g, &it, err) < 0) {
			free_item(&it);
			return -1;
		}
	}
	g->due_us = t_us;
	return tell(n, g, t_us, "repeat", err);
}

int64_t cb_notify_next(const struct cb_notify *n)
{
	return cb_timers_next(&n->timers);
}

int cb_notify_until(struct cb_notify *n, int64_t t_us, int64_t horizon_us, struct cb_err *err)
{
	struct cb_timer t;

	n->horizon_us = horizon_us;

	while (cb_timers_due(&n->timers, t_us, &t)) {
		const struct cb_route *c = &n->rules->route[t.rule];
		struct group *g;

		if (t.entry == NONE) {
			if (summary(n, t.rule, t.at_us, false, err) < 0)
				return -1;
			continue;
		}
		g = n->group[t.entry];
		if (!g || g->age != t.age)
			continue;
		g->timer_us = INT64_MAX;
		if (g->items) {
			if (g->due_us > t.at_us ? wake(n, g, g->due_us, err) < 0 :
			    tell(n, g, t.at_us, c->grouped && g->told_us != INT64_MIN ? "group_interval" : "group_wait",
				 err) < 0)
				return -1;
		} else if (c->repeat_us && g->actives && g->told_us != INT64_MIN) {
			if (t.at_us < g->told_us + c->repeat_us ? wake(n, g, g->told_us + c->repeat_us, err) < 0 :
								  repeat(n, g, t.at_us, err) < 0)
				return -1;
		}
	}
	return 0;
}

void cb_notify_back(struct cb_notify *n, int64_t by_us)
{
	cb_timers_shift(&n->timers, by_us);
	for (uint32_t i = 0; i < CB_NOTIFY_GROUPS; i++) {
		struct group *g = n->group[i];

		if (!g)
			continue;
		g->due_us -= g->due_us == INT64_MAX ? 0 : by_us;
		g->timer_us -= g->timer_us == INT64_MAX ? 0 : by_us;
		g->told_us -= g->told_us == INT64_MIN ? 0 : by_us;
	}
	for (uint32_t i = 0; i < n->rules->routes; i++) {
		struct route *r = &n->route[i];

		for (uint32_t k = 0; k < r->n; k++)
			r->told[k] -= by_us;
		r->due_us -= r->due_us == INT64_MAX ? 0 : by_us;
	}
	for (struct cb_group *s = NULL; (s = cb_groups_next(n->source, s));)
		s->seen_us -= s->seen_us == INT64_MAX ? 0 : by_us;
}

int cb_notify_flush(struct cb_notify *n, int64_t t_us, struct cb_err *err)
{
	for (uint32_t i = n->oldest; i != NONE; i = n->group[i]->newer) {
		struct group *g = n->group[i];

		if (!g->items)
			continue;
		g->early = true;
		if (tell(n, g, t_us, "end", err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < n->rules->routes; i++)
		if (summary(n, i, t_us, true, err) < 0)
			return -1;
	return 0;
}

/* --- sums ------------------------------------------------------------------------------------------------- */

void cb_notify_sum(const struct cb_notify *n, struct cb_notify_sum *ret)
{
	*ret = n->sum;
	ret->waiting = 0;
	for (uint32_t i = 0; i < CB_NOTIFY_GROUPS; i++)
		if (n->group[i])
			ret->waiting += (uint64_t)n->group[i]->items * n->rules->route[n->group[i]->route].sinks;
}

int cb_notify_account(struct cb_notify *n, int64_t t_us, struct cb_buf *out, struct cb_err *err)
{
	struct cb_notify_sum s;
	uint8_t digest[CB_SHA256_LEN];
	char id[CB_EVENT_ID_LEN];
	struct cb_jw w;

	cb_notify_sum(n, &s);
	cb_sha256(digest, &s, sizeof(s));
	cb_event_id(id, "cb.alert.account", "", digest, t_us, "", 0);
	cb_event_begin(&w, out, "cb-alert", "cb.alert.account", "", t_us * 1000, id);
	cb_jw_ku64(&w, "in", s.fired);
	cb_jw_ku64(&w, "silenced", s.silenced);
	cb_jw_ku64(&w, "inhibited", s.inhibited);
	cb_jw_ku64(&w, "limited", s.limited);
	cb_jw_ku64(&w, "unrouted", s.unrouted);
	cb_jw_ku64(&w, "queued", s.queued);
	cb_jw_ku64(&w, "notices", s.notices);
	cb_jw_ku64(&w, "waiting", s.waiting);
	return cb_event_end(&w, err);
}

/* --- memory ----------------------------------------------------------------------------------------------- */

static int save_group(struct cb_notify *n, const struct group *g, struct cb_buf *out, struct cb_err *err)
{
	char hex[33], shape[33];
	struct cb_jw w;

	cb_hex(hex, g->digest, 16);
	cb_hex(shape, n->rules->route[g->route].shape, 16);
	for (uint32_t i = 0; i <= g->actives; i++) {
		cb_jw_init(&w, out);
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "told", hex);
		cb_jw_kstr(&w, "route", shape);
		cb_jw_kstr(&w, "key", g->key);
		if (g->told_us != INT64_MIN)
			cb_jw_ki64(&w, "at", g->told_us);
		if (i < g->actives) {
			cb_jw_kstr(&w, "lasts", g->active[i].id);
			cb_jw_ki64(&w, "level", g->active[i].level);
			cb_jw_ki64(&w, "t_us", g->active[i].t_us);
			cb_jw_kstr(&w, "title", g->active[i].title);
		}
		cb_jw_obj_end(&w);
		if (cb_jw_done(&w, err) < 0 || cb_buf_byte(out, '\n') < 0)
			return cb_err_nomem(err);
	}
	for (uint32_t i = 0; i < g->items; i++)
		if (journal_item(n, g, &g->item[i], out, err) < 0)
			return -1;
	return 0;
}

int cb_notify_save(struct cb_notify *n, struct cb_buf *out, struct cb_err *err)
{
	struct cb_jw w;
	char hex[33];

	for (uint32_t i = n->oldest; i != NONE; i = n->group[i]->newer)
		if (save_group(n, n->group[i], out, err) < 0)
			return -1;
	for (uint32_t i = 0; i < n->rules->routes; i++) {
		const struct route *r = &n->route[i];

		if (!r->n)
			continue;
		cb_jw_init(&w, out);
		cb_jw_obj(&w);
		cb_hex(hex, n->rules->route[i].shape, 16);
		cb_jw_kstr(&w, "limit", hex);
		cb_jw_key(&w, "times");
		cb_jw_arr(&w);
		for (uint32_t k = 0; k < r->n; k++)	/* oldest first */
			cb_jw_i64(&w, r->told[(r->at + k) % r->n]);
		cb_jw_arr_end(&w);
		cb_jw_ku64(&w, "limited", r->limited);
		if (r->limited) {
			cb_jw_ki64(&w, "due", r->due_us);
			cb_jw_ki64(&w, "level", r->level);
			cb_jw_kstr(&w, "first", r->first);
		}
		cb_jw_obj_end(&w);
		if (cb_jw_done(&w, err) < 0 || cb_buf_byte(out, '\n') < 0)
			return cb_err_nomem(err);
	}
	for (struct cb_group *s = NULL; (s = cb_groups_next(n->source, s));) {
		cb_hex(hex, s->digest, 16);
		if (cb_buf_printf(out, "{\"mutes\":\"%s\",\"until\":%jd,\"alert\":\"%s\"}\n", hex,
				  (intmax_t)(s->seen_us == INT64_MAX ? INT64_MAX / 2 : s->seen_us),
				  s->text ? s->text : "") < 0)
			return cb_err_nomem(err);
	}
	return 0;
}

int cb_notify_journal(struct cb_notify *n, struct cb_buf *out, struct cb_err *err)
{
	int k = n->journal.len && cb_buf_add(out, n->journal.data, n->journal.len) < 0 ? -1 : 0;

	n->journal.len = 0;
	return k ? cb_err_nomem(err) : 0;
}

const struct cb_buf *cb_notify_pending(const struct cb_notify *n)
{
	return &n->journal;
}

void cb_notify_succeed(struct cb_notify *n, struct cb_notify *old)
{
	struct cb_notify_sum now = n->sum;

	n->sum = old->sum;
	n->sum.unrouted += now.unrouted;
	if (old->journal.len)
		cb_buf_add(&n->journal, old->journal.data, old->journal.len);
}

static bool get_text(const struct cb_json *j, const char *key, char *out, size_t cap)
{
	uint32_t tok = cb_json_get(j, 0, key);

	return tok != CB_JSON_NONE && cb_json_str(j, tok, out, cap) == 0;
}

static bool get_number(const struct cb_json *j, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	uint32_t tok = cb_json_get(j, 0, key);

	return tok != CB_JSON_NONE && cb_json_i64(j, tok, ret) && *ret >= min && *ret <= max;
}

static bool get_digest(const struct cb_json *j, const char *key, uint8_t out[static 16])
{
	char hex[40];

	return get_text(j, key, hex, sizeof(hex)) && strlen(hex) == 32 && cb_unhex(out, 16, hex);
}

static int bad_memory(struct cb_err *err)
{
	return cb_err_set(err, CB_E_DATA, "no line of a memory");
}

static uint32_t route_of(const struct cb_notify *n, const struct cb_json *j, const char *key)
{
	uint8_t shape[16];
	uint32_t i = 0;

	if (!get_digest(j, key, shape))
		return NONE;
	while (i < n->rules->routes && memcmp(n->rules->route[i].shape, shape, 16) != 0)
		i++;
	return i;
}

/* The group that a line speaks of; *ret NULL where its route is no more. */
static int load_group(struct cb_notify *n, const struct cb_json *j, const char *which, struct group **ret,
		      struct cb_err *err)
{
	char key[4 * CB_TEXT_MAX];
	uint32_t route = route_of(n, j, "route");
	uint8_t digest[16];

	*ret = NULL;
	if (route == NONE || !get_digest(j, which, digest) || !get_text(j, "key", key, sizeof(key)))
		return bad_memory(err);
	if (route == n->rules->routes)
		return 0;
	*ret = find_group(n, digest);
	if (*ret)
		return 0;
	if (make_group(n, digest, route, 0, ret, err) < 0)
		return -1;
	(*ret)->key = strdup(key);
	return (*ret)->key ? 0 : cb_err_nomem(err);
}

static int load_waits(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	static const int64_t far = INT64_MAX / 1000;
	char id[CB_EVENT_ID_LEN], first[CB_EVENT_ID_LEN], title[4 * CB_TEXT_MAX + 1], *line = NULL;
	int64_t what, level, t_us, due, first_what, number;
	uint32_t tok = cb_json_get(j, 0, "line");
	struct cb_err why = CB_ERR_INIT;
	struct group *g;
	struct item it;
	int k;

	if (load_group(n, j, "waits", &g, err) < 0)
		return -1;
	if (!get_text(j, "id", id, sizeof(id)) || !get_text(j, "first", first, sizeof(first)) ||
	    !get_text(j, "title", title, sizeof(title)) || !get_number(j, "what", 0, W_SUMMARY, &what) ||
	    !get_number(j, "first_what", 0, W_SUMMARY, &first_what) || !get_number(j, "level", 0, 4, &level) ||
	    !get_number(j, "t_us", -far, far, &t_us) || !get_number(j, "due", -far, far, &due) ||
	    !get_number(j, "number", 0, far, &number))
		return bad_memory(err);
	if (!g) {
		struct decision d = { .what = "unrouted", .item = id, .reason = "its route is no more", .alerts = 1,
				      .t_us = t_us };

		n->sum.unrouted++;
		return decide(n, &d, err);
	}
	for (uint32_t i = 0; i < g->items; i++)
		if (g->item[i].number == (uint64_t)number)
			return 0;
	if ((uint64_t)number > n->numbers)
		n->numbers = (uint64_t)number;
	if (tok != CB_JSON_NONE) {
		size_t len = j->tok[tok].end - j->tok[tok].start + 1;

		line = malloc(len);
		if (!line)
			return cb_err_nomem(err);
		if (cb_json_str(j, tok, line, len) < 0) {
			free(line);
			return bad_memory(err);
		}
		/* it will be sent: it must be what it says */
		if (cb_json_parse(&n->json, line, strlen(line), &why) < 0) {
			free(line);
			return bad_memory(err);
		}
	}
	k = make_item(&it, id, (enum what)what, (uint32_t)level, t_us, title, line, line ? strlen(line) : 0, err);
	free(line);
	if (k < 0)
		return -1;
	it.number = (uint64_t)number;
	if (put_item(g, &it, err) < 0) {
		free_item(&it);
		return -1;
	}
	snprintf(g->first, sizeof(g->first), "%s", first);
	g->first_what = (enum what)first_what;
	g->due_us = due;
	tok = cb_json_get(j, 0, "deferred");
	g->deferred = tok != CB_JSON_NONE && j->tok[tok].type == CB_JSON_TRUE;
	return wake(n, g, due, err);
}

static int load_told(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	static const int64_t far = INT64_MAX / 1000;
	char id[CB_EVENT_ID_LEN], title[4 * CB_TEXT_MAX + 1];
	int64_t at, level, t_us;
	struct group *g;

	if (load_group(n, j, "told", &g, err) < 0)
		return -1;
	if (!g)
		return 0;
	if (get_number(j, "at", -far, far, &at))
		g->told_us = at;
	if (cb_json_get(j, 0, "lasts") != CB_JSON_NONE) {
		if (!get_text(j, "lasts", id, sizeof(id)) || !get_text(j, "title", title, sizeof(title)) ||
		    !get_number(j, "level", 0, 4, &level) || !get_number(j, "t_us", -far, far, &t_us))
			return bad_memory(err);
		drop_active(g, id);
		if (add_active(g, id, (uint32_t)level, t_us, title, err) < 0)
			return -1;
	}
	return n->rules->route[g->route].repeat_us && g->actives && g->told_us != INT64_MIN ?
		wake(n, g, g->told_us + n->rules->route[g->route].repeat_us, err) : 0;
}

static int load_limit(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	static const int64_t far = INT64_MAX / 1000;
	uint32_t i = route_of(n, j, "limit"), times = cb_json_get(j, 0, "times"), tok;
	const struct cb_route *c;
	struct route *r;
	int64_t v, level;

	if (i == NONE || times == CB_JSON_NONE || j->tok[times].type != CB_JSON_ARRAY ||
	    !get_number(j, "limited", 0, far, &v))
		return bad_memory(err);
	if (i == n->rules->routes || !n->rules->route[i].limit)
		return 0;
	c = &n->rules->route[i];
	r = &n->route[i];
	r->limited = (uint64_t)v;
	tok = times + 1;
	for (uint32_t k = 0; k < j->tok[times].size; k++, tok = j->tok[tok].next)
		if (cb_json_i64(j, tok, &v) && v > -far && v < far)
			count_told(c, r, v);
	if (!r->limited)
		return 0;
	if (!get_number(j, "due", -far, far, &r->due_us) || !get_number(j, "level", 0, 4, &level) ||
	    !get_text(j, "first", r->first, sizeof(r->first))) {
		r->limited = 0;
		return bad_memory(err);
	}
	r->level = (uint32_t)level;
	return cb_timers_add(&n->timers, (struct cb_timer){ .at_us = r->due_us, .rule = i, .entry = NONE }, err);
}

int cb_notify_load(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	char text[CB_EVENT_ID_LEN];
	uint8_t digest[16];
	struct cb_group *s;
	struct group *g;
	int64_t v;
	bool fresh;

	if (cb_json_get(j, 0, "waits") != CB_JSON_NONE)
		return load_waits(n, j, err);
	if (cb_json_get(j, 0, "told") != CB_JSON_NONE)
		return load_told(n, j, err);
	if (cb_json_get(j, 0, "limit") != CB_JSON_NONE)
		return load_limit(n, j, err);
	if (get_digest(j, "gone", digest)) {
		g = find_group(n, digest);
		if (g)
			drop_items(g, 0);
		return 0;
	}
	if (!get_digest(j, "mutes", digest) || !get_number(j, "until", INT64_MIN / 1000, INT64_MAX, &v) ||
	    !get_text(j, "alert", text, sizeof(text)))
		return bad_memory(err);
	s = cb_groups_get(n->source, digest, &fresh);
	if (!s)
		return cb_err_nomem(err);
	s->seen_us = v == INT64_MAX / 2 ? INT64_MAX : v;
	free(s->text);
	s->text = strdup(text);
	return s->text ? 0 : cb_err_nomem(err);
}

/* --- life --------------------------------------------------------------------------------------------------- */

int cb_notify_new(struct cb_notify **ret, const struct cb_rules *rules, const struct cb_silences *silences,
		  const struct cb_notify_ops *ops, struct cb_err *err)
{
	struct cb_notify *n = calloc(1, sizeof(*n));

	if (!n)
		return cb_err_nomem(err);
	n->rules = rules;
	n->silences = silences;
	n->ops = *ops;
	n->newest = n->oldest = NONE;
	for (uint32_t i = 0; i < BUCKETS; i++)
		n->bucket[i] = NONE;
	n->group = calloc(CB_NOTIFY_GROUPS, sizeof(*n->group));
	n->route = calloc(rules->routes + 1, sizeof(*n->route));
	if (!n->group || !n->route || cb_groups_new(&n->source, 65536, 0, err) < 0)
		goto nomem;
	for (uint32_t i = 0; i < rules->routes; i++) {
		n->route[i].due_us = INT64_MAX;
		n->route[i].told = calloc(rules->route[i].limit + 1, sizeof(int64_t));
		if (!n->route[i].told)
			goto nomem;
	}
	*ret = n;
	return 0;
nomem:
	cb_notify_free(n);
	return cb_err_nomem(err);
}

void cb_notify_free(struct cb_notify *n)
{
	if (!n)
		return;
	for (uint32_t i = 0; n->group && i < CB_NOTIFY_GROUPS; i++)
		free_group(n->group[i]);
	free(n->group);
	for (uint32_t i = 0; n->route && i < n->rules->routes; i++)
		free(n->route[i].told);
	free(n->route);
	if (n->source)
		cb_groups_free(n->source);
	cb_timers_release(&n->timers);
	cb_buf_release(&n->line);
	cb_buf_release(&n->text);
	cb_buf_release(&n->title);
	cb_buf_release(&n->journal);
	cb_buf_release(&n->about);
	free(n);
}
