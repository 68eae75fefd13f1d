/* SPDX-License-Identifier: Apache-2.0 */
/* struct cb_notify, for the files that it is made of. An alert comes in with notify.c, which asks
 * notify_who.c whom it concerns; at each route it is fired (notify_decide.c) and becomes an item of
 * a group (notify_group.c), which is told at once, later, or not (notify_tell.c); what is told
 * becomes a notice (notify_say.c). What waits is written down by notify_memory.c.
 *
 * Times are event time, in microseconds. A function that returns int returns -1 with err set, and
 * then nothing goes on; it writes its decisions itself, where it says nothing else. */
#ifndef CB_ALERT_NOTIFY_PRIV_H
#define CB_ALERT_NOTIFY_PRIV_H

#include "alert/group.h"
#include "alert/notify.h"
#include "alert/timer.h"
#include "crypto/hash.h"
#include "wire/event.h"

#define ACTIVE_MAX 4096		/* alerts of a group that last */
#define RULES_NAMED 8		/* in a summary */
#define BUCKETS 1024
#define NONE UINT32_MAX		/* no place of a group, no route, a timer of a route's summary */
#define DAY_US (INT64_C(86400) * 1000000)

/* Their values are in what is remembered. */
enum what { W_ALERT, W_RESOLVED, W_REPEAT, W_SUMMARY };

/* What is to be known of an alert to decide about it; the texts are another's. */
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

struct cb_notify {
	const struct cb_rules *rules;
	const struct cb_silences *silences;
	struct cb_notify_ops ops;
	struct route *route;		/* as many as the rules have */
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

extern const char *const cb_nt_levels[];	/* severities, from 0, and NULL */
extern const char *const cb_nt_whats[];	/* by enum what */

/* --- notify_who.c: which alerts a route, a silence, an inhibition means */

bool cb_nt_who_met(const struct cb_who *w, const struct about *a);
/* The value of a word that groups: rule, severity, subject, label.NAME; "" where there is none. */
const char *cb_nt_by_value(const char *name, const struct about *a);
/* Alerts alike in the words of by have the same digest (16 bytes of SHA-256); of: what else is. */
void cb_nt_by_digest(uint8_t out[static 16], const void *of, size_t len, const struct cb_by *by,
		     const struct about *a);
/* Of an alert at hand; of one that was written before: its texts are in n->about until the next. */
struct about cb_nt_about_of(const struct cb_alert_out *o);
int cb_nt_about_line(struct cb_notify *n, const char *line, struct about *a, struct cb_err *err);
/* The alert mutes others from now on, or, where it is over, no more. */
int cb_nt_sources(struct cb_notify *n, const struct cb_alert_out *o, const struct about *a, struct cb_err *err);
/* Is an alert muted by another one? *ret: that one's id. */
bool cb_nt_inhibited(struct cb_notify *n, const struct about *a, const char *id, int64_t t_us, const char **ret);
/* The first that holds then, or NULL. */
const struct cb_silence *cb_nt_silence_of(const struct cb_notify *n, const struct about *a, int64_t t_us);

/* --- notify_decide.c: decisions (cb-event(5)), and sums of them */

struct decision {
	const char *what;		/* the decision */
	const char *sink, *item, *note, *kind, *rule, *subject, *reason;
	uint32_t route, alerts, attempt;	/* route: from 1 */
	uint64_t number;
	int64_t t_us, until_us, next_us;
};

/* Of the members those are written that are not NULL, 0; n->line is used. */
int cb_nt_decide(struct cb_notify *n, const struct decision *d, struct cb_err *err);
/* An item begins, once for each of a route's sinks. a: of its alert, or NULL. */
int cb_nt_fire(struct cb_notify *n, const struct cb_route *c, uint32_t route, const struct item *it,
	       const struct about *a, struct cb_err *err);
/* The same decision about item number i of a group at each of its route's sinks. */
int cb_nt_each_sink(struct cb_notify *n, const struct group *g, uint32_t i, struct decision d, struct cb_err *err);

/* --- notify_group.c: groups, items and what lasts in them; no decisions */

int cb_nt_item_make(struct item *it, const char *id, enum what what, uint32_t level, int64_t t_us,
		    const char *title, const void *line, size_t len, struct cb_err *err);
void cb_nt_item_free(struct item *i);
/* The group has it from then on; not after an error. */
int cb_nt_item_put(struct group *g, const struct item *it, struct cb_err *err);
/* All items from number from on go; with 0 nothing waits any more. */
void cb_nt_items_drop(struct group *g, uint32_t from);
/* Of more than ACTIVE_MAX the later ones are not remembered. */
int cb_nt_active_add(struct group *g, const char *id, uint32_t level, int64_t t_us, const char *title,
		     struct cb_err *err);
/* Is it in the list? Not any more. */
bool cb_nt_active_drop(struct group *g, const char *id);
struct group *cb_nt_group_find(struct cb_notify *n, const uint8_t digest[static 16]);
/* A new one without a key, which the caller sets. Where there are too many already the one used
 * longest ago is told (cb_nt_tell) and goes. */
int cb_nt_group_make(struct cb_notify *n, const uint8_t digest[static 16], uint32_t route, int64_t t_us,
		     struct group **ret, struct cb_err *err);
void cb_nt_group_free(struct group *g);
/* The group of an alert at a route; *ret NULL where there is none and none is to be made. Where a
 * route does not group, what lasts is a group of its own, with repetitions of its own. */
int cb_nt_group_of(struct cb_notify *n, uint32_t route, const struct cb_alert_out *o, const struct about *a,
		   bool make, struct group **ret, struct cb_err *err);
/* It is the one used last. */
void cb_nt_group_use(struct cb_notify *n, struct group *g);
/* Look at it again then, or earlier, where that was said before. */
int cb_nt_group_wake(struct cb_notify *n, struct group *g, int64_t at_us, struct cb_err *err);

/* --- notify_tell.c: when, and whether: waiting, quiet hours, limits, repetitions */

/* An item that was fired into its group, which is told now or later. it is used up. */
int cb_nt_add(struct cb_notify *n, struct group *g, struct item *it, const struct about *a, struct cb_err *err);
/* It is time: what waits in a group is told, or deferred. */
int cb_nt_tell(struct cb_notify *n, struct group *g, int64_t t_us, const char *reason, struct cb_err *err);
/* What lasts in a group is told again. */
int cb_nt_repeat(struct cb_notify *n, struct group *g, int64_t t_us, struct cb_err *err);
/* A limit's time is over, or now: how many there were more. */
int cb_nt_summary(struct cb_notify *n, uint32_t route, int64_t t_us, bool now, struct cb_err *err);
/* A notice for the limit of the route. */
void cb_nt_count_told(const struct cb_route *c, struct route *r, int64_t t_us);

/* --- notify_say.c: what a notice says, and its id */

/* The id of the notice that item number i of a group is in, or would be: its own where the route
 * does not group. The same after a crash (alert/notify.h). */
void cb_nt_note_of(const struct cb_notify *n, const struct group *g, uint32_t i, const char *sink,
		   char out[static CB_EVENT_ID_LEN]);
/* Items from and on of a group to one sink, as one notice. */
int cb_nt_send(struct cb_notify *n, struct group *g, const char *sink, uint32_t from, uint32_t count,
	       int64_t t_us, const char *reason, struct cb_err *err);

/* --- notify_memory.c: lines for cb_notify_load */

/* It waits: to out, which is n->journal or what is saved. */
int cb_nt_journal_item(struct cb_notify *n, const struct group *g, const struct item *it, struct cb_buf *out,
		       struct cb_err *err);
/* Nothing waits in a group any more: to n->journal. */
int cb_nt_journal_gone(struct cb_notify *n, const struct group *g, struct cb_err *err);

#endif
