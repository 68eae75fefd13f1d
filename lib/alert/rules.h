/* SPDX-License-Identifier: Apache-2.0 */
/* The rules file of cb-alert(1), compiled: every distinct field is a slot that is looked up
 * once an event, however many rules ask for it. */
#ifndef CB_ALERT_RULES_H
#define CB_ALERT_RULES_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "alert/path.h"
#include "base/err.h"
#include "conf/conf.h"

#define CB_RULES_MAX 1000
#define CB_RULE_NAME_MAX 64
#define CB_CONDS_MAX 64			/* conditions of a rule */
#define CB_TEXT_MAX 1024		/* bytes of a template, and of what comes of it */
#define CB_ARGV_MAX 32
#define CB_GROUP_BY_MAX 8
#define CB_COUNT_MAX 1000
#define CB_GROUPS_MAX 65536
#define CB_STATE_MAX (1u << 20)		/* groups times count of one rule */

enum cb_op { CB_OP_EQUAL, CB_OP_NOT, CB_OP_GE, CB_OP_LE, CB_OP_GT, CB_OP_LT,
	     CB_OP_PREFIX, CB_OP_REGEX, CB_OP_EXISTS };

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
enum cb_part_kind { CB_PART_TEXT, CB_PART_RULE, CB_PART_SEVERITY, CB_PART_COUNT, CB_PART_FIELD };
struct cb_field {		/* a path; where it has "[]", slot is the array before it */
	uint32_t slot;
	bool element;
	struct cb_path rest;
};
struct cb_part {
	enum cb_part_kind kind;
	char *text;
	struct cb_field field;
};
struct cb_template {
	struct cb_part *part;
	uint32_t n;
};

struct cb_rule {
	const char *name, *severity;
	uint32_t types, cameras, conds, groups, args;
	const char **type;		/* exact, or a prefix with '*' at its end */
	uint64_t *camera;		/* bits by camera number; NULL: all */
	struct cb_cond *cond;
	uint32_t count;
	int64_t window_us, cooldown_us;
	struct cb_field group[CB_GROUP_BY_MAX];
	const char *group_name[CB_GROUP_BY_MAX];
	uint32_t max_groups;
	bool with_data;
	struct cb_template message;
	struct cb_template *argv;	/* args of them; argv[0] has no fields */
	int64_t timeout_ns;
};

struct cb_rules {
	struct cb_conf *conf;		/* texts point into it */
	struct cb_rule *rule;
	uint32_t n;
	struct cb_slot *slot;
	uint32_t slots;
	const char **camera;
	uint32_t cameras;
	uint32_t hooks_max;		/* at once */
};

/* Load and compile. Errors: CB_E_CONFIG "FILE:LINE:COLUMN: reason", or the file's. */
int cb_rules_load(struct cb_rules **ret, const char *path, struct cb_err *err);
int cb_rules_parse(struct cb_rules **ret, const char *name, const void *p, size_t n,
		   struct cb_err *err);
void cb_rules_free(struct cb_rules *r);

#endif
