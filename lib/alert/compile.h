/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the rules' compiler, for each other: conditions (cond.c), texts (text.c), rules
 * (rules.c), routes and silences (route.c). All return -1 with the place in b->err. */
#ifndef CB_ALERT_COMPILE_H
#define CB_ALERT_COMPILE_H

#include "alert/rules.h"

struct cb_compile {
	struct cb_rules *r;
	struct cb_conf *c;
	uint32_t conds;		/* of the rule at hand */
	size_t growth;		/* of all patterns so far */
	const char *dir;	/* of the file, for files that it names; NULL: none may be */
	struct cb_err *err;
};

/* The slot of a path that starts at array's element, or at the event. */
int cb_compile_slot(struct cb_compile *b, const struct cb_conf_node *at, uint32_t array,
		    const char *text, size_t len, uint32_t *ret);
/* A map of fields and values. */
int cb_compile_conds(struct cb_compile *b, const struct cb_conf_node *map, struct cb_cond **ret,
		     uint32_t *ret_n);
/* One field that is at's value, or one of its values, or what a map of comparisons says. */
int cb_compile_is(struct cb_compile *b, const struct cb_conf_node *at, const char *path, struct cb_cond *c);
/* The keys class and confidence: of the event, or of an element of data.objects. */
int cb_compile_what(struct cb_compile *b, const struct cb_conf_node *of_class,
		    const struct cb_conf_node *confidence, struct cb_match *m);
void cb_conds_free(struct cb_cond *c, uint32_t n);

/* A path in a text or a group. */
int cb_compile_field(struct cb_compile *b, const struct cb_conf_node *at, const char *text, size_t len,
		     struct cb_field *f);
/* "text {field} text"; "{{" and "}}" are the characters themselves. */
int cb_compile_text(struct cb_compile *b, const struct cb_conf_node *at, const char *s,
		    struct cb_template *t);
void cb_template_release(struct cb_template *t);

/* A scalar or a list of them as strings, an array to be freed even where it fails. */
int cb_compile_strings(struct cb_compile *b, const struct cb_conf_node *n, size_t max, const char ***ret,
		       uint32_t *ret_n);
/* A name as rules, sinks and labels have them. */
int cb_compile_name(struct cb_compile *b, const struct cb_conf_node *at, const char *name);
int cb_compile_duration(struct cb_compile *b, const struct cb_conf_node *n, int64_t *ret_us);
/* The key, if there is one, "word" being one of words (NULL ends them). */
int cb_compile_word(struct cb_compile *b, const struct cb_conf_node *at, const char *const *words,
		    uint32_t *ret);
/* A schedule's name, or a schedule. */
int cb_compile_schedule(struct cb_compile *b, const struct cb_conf_node *at, const struct cb_schedule **ret,
			struct cb_schedule *own);

#endif
