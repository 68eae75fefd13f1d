/* SPDX-License-Identifier: Apache-2.0 */
/* struct cb_alert, for the files that it is made of: conditions (match.c), what is said (say.c),
 * kinds and time (kinds.c), memory (memory.c), events (alert.c). */
#ifndef CB_ALERT_ALERT_PRIV_H
#define CB_ALERT_ALERT_PRIV_H

#include "alert/alert.h"
#include "alert/group.h"
#include "alert/timer.h"
#include "crypto/hash.h"
#include "wire/event.h"

/* A match older than this before the newest is no straggler: the clock was set back. */
#define SET_BACK_US INT64_C(3600000000)
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
	struct cb_listed_key key;	/* the text that was looked up last, */
	uint64_t key_event;		/* of this event and token */
	uint32_t key_tok;
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

/* --- match.c: fields are looked up, and their numbers parsed, once an event */

bool cb_al_type_met(const struct cb_match *m, const char *type, size_t len);
bool cb_al_met(struct cb_alert *a, const struct cb_cond *cond, uint32_t n, uint32_t base, uint32_t elem);
/* A field of a text or a group: where its path has "[]", of the element that met the rule's
 * conditions, else of the first. */
uint32_t cb_al_field(struct cb_alert *a, const struct cb_field *f);
/* A string value's bytes; buf takes those that are escaped. */
bool cb_al_bytes(const struct cb_json *j, uint32_t tok, char *buf, size_t cap, const char **ret, size_t *ret_len);
/* A token as JSON text, quotes included. */
const char *cb_al_raw(const struct cb_json *j, uint32_t tok, size_t *n);

/* --- say.c */

/* Parse what was remembered. */
const struct cb_json *cb_al_recall(struct cb_alert *a, const char *text, struct cb_err *err);
void cb_al_hash_field(struct cb_alert *a, struct cb_sha256 *h, const struct cb_field *f);
void cb_al_group_digest(struct cb_alert *a, const struct cb_rule *r, uint8_t out[static 16]);
void cb_al_subject_digest(const char *subject, uint8_t out[static 16]);
void cb_al_put_group(struct cb_alert *a, struct cb_jw *w, const struct cb_rule *r);
/* The alert's line is in a->line afterwards, whoever wants to keep it. */
int cb_al_say(struct cb_alert *a, const struct moment *m, struct cb_err *err);
/* The alert of this group is over: say so, from what was remembered of it. */
int cb_al_say_over(struct cb_alert *a, const struct cb_rule *r, struct cb_group *e, int64_t t_us,
		   const char *reason, struct cb_err *err);

/* --- kinds.c */

/* The event at hand for a rule. */
int cb_al_rule(struct cb_alert *a, uint32_t i, uint32_t camera, struct cb_err *err);
/* With the first event: the cameras that a rule expects to hear of. */
int cb_al_expect(struct cb_alert *a, struct cb_err *err);
int cb_al_wake(struct cb_alert *a, uint32_t rule, struct cb_group *e, int64_t at_us, struct cb_err *err);
/* A timer of a group: what is due of it, and the next one. */
int cb_al_ring(struct cb_alert *a, uint32_t i, struct cb_group *e, int64_t t_us, struct cb_err *err);
/* int64_t that a rule's groups have. */
uint32_t cb_al_values(const struct cb_rule *r);

#endif
