/* SPDX-License-Identifier: Apache-2.0 */
/* The rules file of cb-alert(1), compiled: every distinct field is a slot that is looked up
 * once an event, however many rules ask for it. */
#ifndef CB_ALERT_RULES_H
#define CB_ALERT_RULES_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "alert/listed.h"
#include "alert/path.h"
#include "alert/route.h"
#include "base/err.h"
#include "base/tz.h"
#include "conf/conf.h"
#include "conf/schedule.h"

#define CB_RULES_MAX 1000
#define CB_RULE_NAME_MAX 64
#define CB_CONDS_MAX 64			/* conditions of a rule */
#define CB_TEXT_MAX 1024		/* bytes of a template, and of what comes of it */
#define CB_ARGV_MAX 32
#define CB_GROUP_BY_MAX 8
#define CB_LABELS_MAX 16
#define CB_STEPS_MAX 8
#define CB_LISTS_MAX 8		/* files of watch-lists */
#define CB_WINDOWS_MAX 96
#define CB_COUNT_MAX 1000
#define CB_GROUPS_MAX 65536
#define CB_STATE_MAX (1u << 20)		/* groups times count of one rule */

enum cb_op { CB_OP_EQUAL, CB_OP_NOT, CB_OP_GE, CB_OP_LE, CB_OP_GT, CB_OP_LT,
	     CB_OP_PREFIX, CB_OP_REGEX, CB_OP_EXISTS, CB_OP_LISTED };

struct cb_operand {
	const char *text;
	uint32_t len;
	bool plain;		/* may be a number, true, false or null */
	bool number;
	double num;
};
struct cb_test {
	enum cb_op op;
	uint32_t n;		/* EQUAL, NOT: one of n */
	struct cb_operand *arg;
	bool want;		/* EXISTS */
	bool has_re;
	regex_t re;
	struct cb_listed *listed;
};
struct cb_cond {
	uint32_t slot;
	struct cb_test *test;	/* all must hold; or, where there are inner ones: */
	uint32_t tests;
	struct cb_cond *inner;	/* some element of the array must meet all of these */
	uint32_t inners;
};

/* A field, from the event or from an element of another slot's array. */
#define CB_SLOT_ROOT UINT32_MAX
struct cb_slot {
	struct cb_path path;
	uint32_t array;		/* slot of the array, or CB_SLOT_ROOT */
};

/* A text with fields in it; parts in order. */
enum cb_part_kind { CB_PART_TEXT, CB_PART_RULE, CB_PART_SEVERITY, CB_PART_COUNT, CB_PART_BEFORE,
		    CB_PART_LISTED, CB_PART_MEAN, CB_PART_LOCAL, CB_PART_FIELD };
struct cb_field {		/* a path; where it has "[]", slot is the array before it */
	uint32_t slot;
	bool element;
	struct cb_path rest;
};
struct cb_part {
	enum cb_part_kind kind;
	char *text;
	struct cb_field field;
	uint32_t group;		/* of a rule that alerts without an event: which of its groups */
};
struct cb_template {
	struct cb_part *part;
	uint32_t n;
};

/* Which events are meant: those of a type that meet all conditions, and one of alt where there
 * are any (class and confidence). */
struct cb_match {
	const char **type;		/* exact, or a prefix with '*' at its end */
	uint32_t types, conds, alts[2];
	struct cb_cond *cond, *alt[2];
};

enum cb_rule_kind { CB_RULE_KIND_ANY, CB_RULE_KIND_FREQUENCY, CB_RULE_KIND_SPIKE, CB_RULE_KIND_FLATLINE, CB_RULE_KIND_CHANGE,
	       CB_RULE_KIND_NEW, CB_RULE_KIND_SEQUENCE };
#define CB_RULE_KIND_NAMES { "any", "frequency", "spike", "flatline", "change", "new", "sequence", NULL }
enum cb_severity { CB_INFO, CB_LOW, CB_MEDIUM, CB_HIGH, CB_CRITICAL };
#define CB_SEVERITY_NAMES { "info", "low", "medium", "high", "critical", NULL }

struct cb_rule {
	const char *name, *severity;
	enum cb_rule_kind kind;
	enum cb_severity level;		/* severity */
	struct cb_match *step;		/* one, or those of a sequence */
	uint32_t steps, cameras, args, groups, fields, labels;
	uint64_t *camera;		/* bits by camera number; NULL: all */
	const struct cb_schedule *when;	/* NULL: always */
	struct cb_schedule own_when;
	uint32_t count;
	int64_t window_us, cooldown_us;
	uint32_t windows, least;	/* spike: windows to compare with, and matches at least */
	double factor;
	bool up, down;
	int64_t learn_us, forget_us;	/* new; 0: not */
	int64_t resolve_us;		/* 0: it does not resolve by itself */
	struct cb_match *resolve;	/* or by this event; NULL */
	struct cb_field group[CB_GROUP_BY_MAX];
	const char *group_name[CB_GROUP_BY_MAX];
	struct cb_field field[CB_GROUP_BY_MAX];	/* change, new */
	const char *field_name[CB_GROUP_BY_MAX];
	uint32_t max_groups;
	bool with_data, has_title;
	struct cb_template title, message, label[CB_LABELS_MAX];
	const char *label_name[CB_LABELS_MAX];
	struct cb_template *argv;	/* args of them; argv[0] has no fields */
	int64_t timeout_ns;
	uint8_t shape[16];		/* digest of all that its memory depends on */
};
/* Does it alert when time passes, with no event at hand? */
static inline bool cb_rule_timed(const struct cb_rule *r)
{
	return r->kind == CB_RULE_KIND_FLATLINE || r->down;
}
/* Has it alerts that last, and end? */
static inline bool cb_rule_lasts(const struct cb_rule *r)
{
	return r->resolve_us || r->resolve || r->kind == CB_RULE_KIND_FLATLINE;
}

struct cb_rules {
	struct cb_conf *conf;		/* texts point into it */
	struct cb_rule *rule;
	uint32_t n;
	struct cb_slot *slot;
	uint32_t slots;
	const char **camera;
	uint32_t cameras;
	uint32_t hooks_max;		/* at once */
	struct cb_tz *tz;		/* NULL: UTC */
	struct cb_schedule *schedule;
	uint32_t schedules;
	struct cb_route *route;		/* none: alerts go to stdout and hooks alone */
	uint32_t routes;
	struct cb_inhibit *inhibit;
	uint32_t inhibits;
	char *list[CB_LISTS_MAX];	/* files that were read for watch-lists */
	uint32_t lists;
	char *silences;			/* directory, as seen from here; NULL: none */
};

/* Load and compile. Errors: CB_E_CONFIG "FILE:LINE:COLUMN: reason", or the file's. */
int cb_rules_load(struct cb_rules **ret, const char *path, struct cb_err *err);
int cb_rules_parse(struct cb_rules **ret, const char *name, const void *p, size_t n,
		   struct cb_err *err);
void cb_rules_free(struct cb_rules *r);

#endif
