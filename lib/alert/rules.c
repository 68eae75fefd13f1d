/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling rules. */
#include "alert/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/compile.h"
#include "base/buf.h"
#include "crypto/hash.h"

/* --- rules ------------------------------------------------------------------------------------------ */

int cb_compile_strings(struct cb_compile *b, const struct cb_conf_node *n, size_t max, const char ***ret,
		       uint32_t *ret_n)
{
	const struct cb_conf_node *e = n->kind == CB_CONF_SEQ ? n->child : n;
	uint32_t k = n->kind == CB_CONF_SEQ ? n->size : 1;

	if (k == 0)
		return cb_conf_fail(b->c, n, b->err, "%s is an empty list", n->key);
	*ret = calloc(k, sizeof(**ret));
	if (!*ret)
		return cb_err_nomem(b->err);
	for (uint32_t i = 0; i < k; i++, e = e->next)
		if (cb_conf_str(b->c, e, max, &(*ret)[i], b->err) < 0)
			return -1;
	*ret_n = k;
	return 0;
}

static int types(struct cb_compile *b, const struct cb_conf_node *n, struct cb_match *r)
{
	if (cb_compile_strings(b, n, 128, &r->type, &r->types) < 0)
		return -1;
	for (uint32_t i = 0; i < r->types; i++) {
		const char *star = strchr(r->type[i], '*');

		if (!*r->type[i] || (star && star[1]))
			return cb_conf_fail(b->c, n, b->err, "type '%s': a '*' stands at the end only",
					    r->type[i]);
	}
	return 0;
}

static uint32_t camera_number(struct cb_compile *b, const char *name)
{
	uint32_t i = 0;

	while (i < b->r->cameras && strcmp(b->r->camera[i], name) != 0)
		i++;
	return i;
}

/* All cameras of all rules first, so that the rules' bits have one size. */
static int cameras(struct cb_compile *b, const struct cb_conf_node *list)
{
	for (const struct cb_conf_node *n = list->child; n; n = n->next) {
		const struct cb_conf_node *at = cb_conf_get(n, "cameras");
		const char **name = NULL, **more;
		uint32_t k = 0;

		if (!at)
			continue;
		if (cb_compile_strings(b, at, 255, &name, &k) < 0) {
			free(name);
			return -1;
		}
		for (uint32_t i = 0; i < k; i++) {
			if (camera_number(b, name[i]) < b->r->cameras)
				continue;
			more = reallocarray(b->r->camera, b->r->cameras + 1, sizeof(*more));
			if (!more) {
				free(name);
				return cb_err_nomem(b->err);
			}
			b->r->camera = more;
			more[b->r->cameras++] = name[i];
		}
		free(name);
	}
	if (b->r->cameras > 4096)
		return cb_conf_fail(b->c, list, b->err, "more than 4096 cameras");
	return 0;
}

static int rule_cameras(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	const char **name = NULL;
	uint32_t k = 0;

	if (cb_compile_strings(b, n, 255, &name, &k) < 0) {
		free(name);
		return -1;
	}
	r->camera = calloc(b->r->cameras / 64 + 1, sizeof(*r->camera));
	for (uint32_t i = 0; r->camera && i < k; i++) {
		uint32_t c = camera_number(b, name[i]);

		r->camera[c / 64] |= UINT64_C(1) << (c % 64);
	}
	free(name);
	return r->camera ? 0 : cb_err_nomem(b->err);
}

/* A path, or a list of up to max different ones. */
static int fields(struct cb_compile *b, const struct cb_conf_node *n, uint32_t max, struct cb_field *f,
		  const char **names, uint32_t *ret_n)
{
	const char **name = NULL;
	uint32_t k = 0;
	int ret = -1;

	if (cb_compile_strings(b, n, CB_PATH_MAX, &name, &k) < 0)
		goto out;
	if (k > max) {
		cb_conf_fail(b->c, n, b->err, "more than %u fields", max);
		goto out;
	}
	for (uint32_t i = 0; i < k; i++) {
		for (uint32_t h = 0; h < i; h++)
			if (strcmp(name[h], name[i]) == 0) {
				cb_conf_fail(b->c, n, b->err, "'%.100s' is given twice", name[i]);
				goto out;
			}
		*ret_n = i + 1;
		names[i] = name[i];
		if (cb_compile_field(b, n, name[i], strlen(name[i]), &f[i]) < 0)
			goto out;
	}
	ret = 0;
out:
	free(name);
	return ret;
}

int cb_compile_duration(struct cb_compile *b, const struct cb_conf_node *n, int64_t *ret)
{
	int64_t ns;

	if (cb_conf_duration(b->c, n, &ns, b->err) < 0)
		return -1;
	if (ns > INT64_C(366) * 86400 * 1000000000)
		return cb_conf_fail(b->c, n, b->err, "%s is longer than a year", n->key);
	*ret = ns / 1000;
	return 0;
}

static int hook(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	static const char *const keys[] = { "argv", "timeout", NULL };
	const struct cb_conf_node *argv, *t, *e;
	const char *s;

	if (cb_conf_only(b->c, n, "hook", keys, b->err) < 0)
		return -1;
	argv = cb_conf_get(n, "argv");
	t = cb_conf_get(n, "timeout");
	if (!argv || argv->kind != CB_CONF_SEQ || argv->size == 0)
		return cb_conf_fail(b->c, argv ? argv : n, b->err, "hook needs argv, a list of texts");
	if (argv->size > CB_ARGV_MAX)
		return cb_conf_fail(b->c, argv, b->err, "more than %d arguments", CB_ARGV_MAX);
	r->argv = calloc(argv->size, sizeof(*r->argv));
	if (!r->argv)
		return cb_err_nomem(b->err);
	r->args = argv->size;
	e = argv->child;
	for (uint32_t i = 0; i < r->args; i++, e = e->next) {
		/* "" is an argument too */
		if (e->kind != CB_CONF_SCALAR || !(e->quoted && !*e->text)) {
			if (cb_conf_str(b->c, e, CB_TEXT_MAX, &s, b->err) < 0)
				return -1;
		} else {
			s = e->text;
		}
		if (cb_compile_text(b, e, s, &r->argv[i]) < 0)
			return -1;
		if (i == 0 && (*s != '/' || r->argv[0].n != 1))
			return cb_conf_fail(b->c, e, b->err,
					    "the program must be an absolute path, without fields");
	}
	if (t && (cb_conf_duration(b->c, t, &r->timeout_ns, b->err) < 0))
		return -1;
	if (r->timeout_ns < 1000000 || r->timeout_ns > INT64_C(600000000000))
		return cb_conf_fail(b->c, t ? t : n, b->err, "timeout must be from 1ms to 10m");
	return 0;
}

int cb_compile_name(struct cb_compile *b, const struct cb_conf_node *at, const char *name)
{
	struct cb_conf_node key = { .line = at->key_line, .col = at->key_col };

	if (*name && !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] &&
	    strlen(name) <= CB_RULE_NAME_MAX)
		return 0;
	return cb_conf_fail(b->c, at->key && name == at->key ? &key : at, b->err,
			    "a name is made of letters, digits, '.', '_', '-'");
}

int cb_compile_word(struct cb_compile *b, const struct cb_conf_node *at, const char *const *words,
		    uint32_t *ret)
{
	struct cb_buf list = { 0 };
	const char *s;
	uint32_t i = 0;

	if (cb_conf_str(b->c, at, 32, &s, b->err) < 0)
		return -1;
	while (words[i] && strcmp(words[i], s) != 0)
		i++;
	if (words[i]) {
		*ret = i;
		return 0;
	}
	for (i = 0; words[i]; i++)
		cb_buf_printf(&list, "%s%s", i ? ", " : "", words[i]);
	cb_conf_fail(b->c, at, b->err, "%s is one of %s", at->key ? at->key : "it",
		     list.data ? (char *)list.data : "");
	cb_buf_release(&list);
	return -1;
}

int cb_compile_schedule(struct cb_compile *b, const struct cb_conf_node *at, const struct cb_schedule **ret,
			struct cb_schedule *own)
{
	const char *s;

	if (at->kind != CB_CONF_SCALAR) {
		*ret = own;
		return cb_schedule_parse(b->c, at, own, b->err);
	}
	if (cb_conf_str(b->c, at, 255, &s, b->err) < 0)
		return -1;
	for (uint32_t i = 0; i < b->r->schedules; i++)
		if (strcmp(b->r->schedule[i].name, s) == 0) {
			*ret = &b->r->schedule[i];
			return 0;
		}
	return cb_conf_fail(b->c, at, b->err, "no schedule is called '%.64s'", s);
}

/* type, match, zone, class and confidence of a rule, a step or what resolves. */
static int match(struct cb_compile *b, const struct cb_conf_node *n, struct cb_match *m)
{
	const struct cb_conf_node *at, *of_class = cb_conf_get(n, "class"),
		*confidence = cb_conf_get(n, "confidence");

	if (types(b, cb_conf_get(n, "type"), m) < 0)
		return -1;
	if ((at = cb_conf_get(n, "match")) && cb_compile_conds(b, at, &m->cond, &m->conds) < 0)
		return -1;
	if ((at = cb_conf_get(n, "zone"))) {
		struct cb_cond *c = reallocarray(m->cond, m->conds + 1, sizeof(*c));

		if (!c)
			return cb_err_nomem(b->err);
		m->cond = c;
		c[m->conds] = (struct cb_cond){ 0 };
		if (cb_compile_is(b, at, "data.zone", &c[m->conds++]) < 0)
			return -1;
	}
	return of_class || confidence ? cb_compile_what(b, of_class, confidence, m) : 0;
}

/* A step, or the event that resolves. */
static int step(struct cb_compile *b, const struct cb_conf_node *n, const char *what, struct cb_match *m)
{
	static const char *const keys[] = { "type", "match", "zone", "class", "confidence", NULL };

	if (cb_conf_only(b->c, n, what, keys, b->err) < 0)
		return -1;
	if (!cb_conf_get(n, "type"))
		return cb_conf_fail(b->c, n, b->err, "%s needs a type", what);
	return match(b, n, m);
}

static int steps(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	if (n->kind != CB_CONF_SEQ || n->size < 2 || n->size > CB_STEPS_MAX)
		return cb_conf_fail(b->c, n, b->err, "steps is a list of 2 to %d steps", CB_STEPS_MAX);
	r->step = calloc(n->size, sizeof(*r->step));
	if (!r->step)
		return cb_err_nomem(b->err);
	for (const struct cb_conf_node *e = n->child; e; e = e->next)
		if (step(b, e, "a step", &r->step[r->steps++]) < 0)
			return -1;
	return 0;
}

static int resolve(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	if (n->kind == CB_CONF_MAP) {
		r->resolve = calloc(1, sizeof(*r->resolve));
		return r->resolve ? step(b, n, "resolve", r->resolve) : cb_err_nomem(b->err);
	}
	if (cb_compile_duration(b, n, &r->resolve_us) < 0)
		return -1;
	return r->resolve_us ? 0 : cb_conf_fail(b->c, n, b->err, "resolve must be longer than nothing");
}

static int duration_key(struct cb_compile *b, const struct cb_conf_node *n, const char *key, int64_t *ret)
{
	const struct cb_conf_node *at = cb_conf_get(n, key);

	return at ? cb_compile_duration(b, at, ret) : 0;
}

static int u32_key(struct cb_compile *b, const struct cb_conf_node *n, const char *key, uint32_t min,
		   uint32_t max, uint32_t *ret)
{
	const struct cb_conf_node *at = cb_conf_get(n, key);
	uint64_t v;

	if (!at)
		return 0;
	if (cb_conf_u64(b->c, at, min, max, &v, b->err) < 0)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

/* The keys that belong to kinds. */
static int kind(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	enum { A = 1 << CB_RULE_KIND_ANY, F = 1 << CB_RULE_KIND_FREQUENCY, S = 1 << CB_RULE_KIND_SPIKE,
	       L = 1 << CB_RULE_KIND_FLATLINE, C = 1 << CB_RULE_KIND_CHANGE, N = 1 << CB_RULE_KIND_NEW,
	       Q = 1 << CB_RULE_KIND_SEQUENCE };
	static const struct { const char *key; unsigned kinds, needed; } table[] = {
		{ "within", F | S | L | Q, F | S | L | Q }, { "count", F, F }, { "windows", S, 0 },
		{ "factor", S, 0 }, { "least", S, 0 }, { "direction", S, 0 }, { "field", C | N, C | N },
		{ "learn", N, 0 }, { "forget", N, 0 }, { "steps", Q, Q }, { "type", A | F | S | L | C | N, 0 },
		{ "match", A | F | S | L | C | N, 0 }, { "zone", A | F | S | L | C | N, 0 },
		{ "class", A | F | S | L | C | N, 0 }, { "confidence", A | F | S | L | C | N, 0 },
		{ "resolve", A | F | S | Q, 0 }, { "cooldown", A | F | S | C | N | Q, 0 },
	};
	static const char *const kinds[] = CB_RULE_KIND_NAMES, *const ways[] = { "up", "down", "both", NULL };
	const struct cb_conf_node *at = cb_conf_get(n, "kind");
	uint32_t k, way = 0;

	if (at) {
		if (cb_compile_word(b, at, kinds, &k) < 0)
			return -1;
		r->kind = (enum cb_rule_kind)k;
	} else if ((at = cb_conf_get(n, "count")) && u32_key(b, n, "count", 1, CB_COUNT_MAX, &k) == 0 && k > 1) {
		r->kind = CB_RULE_KIND_FREQUENCY;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct cb_conf_node *v = cb_conf_get(n, table[i].key);
		struct cb_conf_node key;

		if (!v && table[i].needed >> r->kind & 1 && r->kind != CB_RULE_KIND_FREQUENCY)
			return cb_conf_fail(b->c, n, b->err, "a rule of kind %s needs %s", kinds[r->kind],
					    table[i].key);
		/* count: 1 and within without a count have messages of their own */
		if (!v || table[i].kinds >> r->kind & 1 || (r->kind == CB_RULE_KIND_ANY && i < 2))
			continue;
		key = (struct cb_conf_node){ .line = v->key_line, .col = v->key_col };
		return cb_conf_fail(b->c, &key, b->err, "a rule of kind %s takes no %s", kinds[r->kind],
				    table[i].key);
	}
	if (u32_key(b, n, "count", 1, CB_COUNT_MAX, &r->count) < 0 ||
	    duration_key(b, n, "within", &r->window_us) < 0)
		return -1;
	if (r->kind <= CB_RULE_KIND_FREQUENCY && (r->count > 1) != (cb_conf_get(n, "within") != NULL))
		return cb_conf_fail(b->c, n, b->err, "count (more than 1) and within belong together");
	if (r->kind == CB_RULE_KIND_FREQUENCY && r->count < 2)
		return cb_conf_fail(b->c, n, b->err, "a rule of kind frequency needs count and within");
	if (r->kind > CB_RULE_KIND_FREQUENCY && (at = cb_conf_get(n, "within")) && !r->window_us)
		return cb_conf_fail(b->c, at, b->err, "within must be longer than nothing");
	if (r->kind == CB_RULE_KIND_SPIKE) {
		if ((at = cb_conf_get(n, "direction")) && cb_compile_word(b, at, ways, &way) < 0)
			return -1;
		r->up = way != 1;
		r->down = way != 0;
		r->windows = 6;
		r->least = 10;
		r->factor = 3;
		if (u32_key(b, n, "windows", 1, CB_WINDOWS_MAX, &r->windows) < 0 ||
		    u32_key(b, n, "least", 1, 1000000, &r->least) < 0 ||
		    ((at = cb_conf_get(n, "factor")) &&
		     cb_conf_double(b->c, at, 1, 1000000, &r->factor, b->err) < 0))
			return -1;
	}
	if ((at = cb_conf_get(n, "field")) &&
	    fields(b, at, r->kind == CB_RULE_KIND_CHANGE ? 1 : CB_GROUP_BY_MAX, r->field, r->field_name, &r->fields) < 0)
		return -1;
	if (duration_key(b, n, "learn", &r->learn_us) < 0 || duration_key(b, n, "forget", &r->forget_us) < 0 ||
	    duration_key(b, n, "cooldown", &r->cooldown_us) < 0)
		return -1;
	if ((at = cb_conf_get(n, "steps")))
		return steps(b, at, r);
	r->step = calloc(1, sizeof(*r->step));
	if (!r->step)
		return cb_err_nomem(b->err);
	r->steps = 1;
	return match(b, n, r->step);
}

static int text_key(struct cb_compile *b, const struct cb_conf_node *n, const char *s, size_t max,
		    struct cb_template *t)
{
	return cb_conf_str(b->c, n, max, &s, b->err) < 0 ? -1 : cb_compile_text(b, n, s, t);
}

static int labels(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	if (n->kind != CB_CONF_MAP || !n->size || n->size > CB_LABELS_MAX)
		return cb_conf_fail(b->c, n, b->err, "labels is a map of at most %d names and texts", CB_LABELS_MAX);
	for (const struct cb_conf_node *e = n->child; e; e = e->next) {
		if (cb_compile_name(b, e, e->key) < 0)
			return -1;
		r->label_name[r->labels++] = e->key;
		if (text_key(b, e, NULL, CB_TEXT_MAX, &r->label[r->labels - 1]) < 0)
			return -1;
	}
	return 0;
}

/* The texts of a rule that alerts without an event: of fields they have those of its group. */
static int only_groups(struct cb_compile *b, const struct cb_conf_node *at, const struct cb_rule *r,
		       struct cb_template *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct cb_part *p = &t->part[i];
		uint32_t k = 0;

		if (p->kind != CB_PART_FIELD)
			continue;
		while (k < r->groups &&
		       (r->group[k].slot != p->field.slot || r->group[k].element != p->field.element ||
			strcmp(r->group[k].rest.text, p->field.rest.text) != 0))
			k++;
		p->group = k;
		if (k == r->groups && strcmp(b->r->slot[p->field.slot].path.text, "subject") != 0)
			return cb_conf_fail(b->c, at, b->err, "'%.100s' is not known when nothing comes: of "
					    "fields this rule's texts can have subject and those of group_by",
					    b->r->slot[p->field.slot].path.text);
	}
	return 0;
}

static int texts(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	const struct cb_conf_node *title = cb_conf_get(n, "title"), *message = cb_conf_get(n, "message"),
		*label = cb_conf_get(n, "labels"), *h = cb_conf_get(n, "hook");
	const char *s = r->kind == CB_RULE_KIND_FLATLINE ? "{rule}: nothing from {subject}" : "{rule}: {type}";

	if (cb_rule_timed(r) && r->kind != CB_RULE_KIND_FLATLINE)
		s = "{rule}: {subject}";
	if (title) {
		r->has_title = true;
		if (text_key(b, title, NULL, 256, &r->title) < 0)
			return -1;
	}
	if (message ? text_key(b, message, s, CB_TEXT_MAX, &r->message) < 0 :
		      cb_compile_text(b, n, s, &r->message) < 0)
		return -1;
	if ((label && labels(b, label, r) < 0) || (h && hook(b, h, r) < 0))
		return -1;
	if (!cb_rule_timed(r))
		return 0;
	if ((title && only_groups(b, title, r, &r->title) < 0) ||
	    only_groups(b, message ? message : n, r, &r->message) < 0)
		return -1;
	for (uint32_t i = 0; i < r->labels; i++)
		if (only_groups(b, label, r, &r->label[i]) < 0)
			return -1;
	for (uint32_t i = 0; i < r->args; i++)
		if (only_groups(b, h, r, &r->argv[i]) < 0)
			return -1;
	return 0;
}

/* What a rule remembers means the same as long as this is the same. */
static int shape(struct cb_compile *b, struct cb_rule *r)
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_buf t = { 0 };
	int k = cb_buf_printf(&t, "%d %u %u %jd %d", r->kind, r->count, r->windows,
			      r->kind == CB_RULE_KIND_SPIKE ? (intmax_t)r->window_us : 0, cb_rule_lasts(r));

	for (uint32_t i = 0; i < r->groups; i++)
		k |= cb_buf_printf(&t, "\ng%s", r->group_name[i]);
	for (uint32_t i = 0; i < r->fields; i++)
		k |= cb_buf_printf(&t, "\nf%s", r->field_name[i]);
	if (k == 0) {
		cb_sha256(sum, t.data, t.len);
		memcpy(r->shape, sum, sizeof(r->shape));
	}
	cb_buf_release(&t);
	return k ? cb_err_nomem(b->err) : 0;
}

static int one_rule(struct cb_compile *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	static const char *const keys[] = { "name", "type", "cameras", "match", "count", "within",
		"cooldown", "group_by", "max_groups", "severity", "message", "data", "hook", "kind", "windows",
		"factor", "least", "direction", "field", "learn", "forget", "steps", "zone", "class", "confidence",
		"when", "resolve", "title", "labels", NULL };
	static const char *const levels[] = CB_SEVERITY_NAMES;
	const struct cb_conf_node *at;
	uint64_t v;
	uint32_t k;

	b->conds = 0;
	*r = (struct cb_rule){ .severity = "medium", .level = CB_MEDIUM, .count = 1, .max_groups = 1024,
			       .with_data = true, .timeout_ns = INT64_C(10000000000) };
	if (cb_conf_only(b->c, n, "a rule", keys, b->err) < 0)
		return -1;
	at = cb_conf_get(n, "name");
	if (!at)
		return cb_conf_fail(b->c, n, b->err, "a rule needs a name");
	if (cb_conf_str(b->c, at, CB_RULE_NAME_MAX, &r->name, b->err) < 0 || cb_compile_name(b, at, r->name) < 0)
		return -1;
	for (const struct cb_rule *o = b->r->rule; o < r; o++)
		if (strcmp(o->name, r->name) == 0)
			return cb_conf_fail(b->c, at, b->err, "two rules are called '%s'", r->name);
	if (!cb_conf_get(n, "type") && !cb_conf_get(n, "steps"))
		return cb_conf_fail(b->c, n, b->err, "rule '%s' needs a type", r->name);
	if (kind(b, n, r) < 0)
		return -1;
	if ((at = cb_conf_get(n, "cameras")) && rule_cameras(b, at, r) < 0)
		return -1;
	if ((at = cb_conf_get(n, "when")) && cb_compile_schedule(b, at, &r->when, &r->own_when) < 0)
		return -1;
	if ((at = cb_conf_get(n, "resolve")) && resolve(b, at, r) < 0)
		return -1;
	at = cb_conf_get(n, "group_by");
	if (at ? fields(b, at, CB_GROUP_BY_MAX, r->group, r->group_name, &r->groups) < 0 : cb_rule_timed(r)) {
		if (at)
			return -1;
		r->groups = 1;
		r->group_name[0] = "subject";
		if (cb_compile_field(b, n, "subject", 7, &r->group[0]) < 0)
			return -1;
	}
	if ((at = cb_conf_get(n, "max_groups"))) {
		if (cb_conf_u64(b->c, at, 1, CB_GROUPS_MAX, &v, b->err) < 0)
			return -1;
		r->max_groups = (uint32_t)v;
	}
	if ((uint64_t)r->max_groups * r->count > CB_STATE_MAX)
		return cb_conf_fail(b->c, n, b->err, "max_groups times count is more than %u", CB_STATE_MAX);
	if ((at = cb_conf_get(n, "severity"))) {
		if (cb_compile_word(b, at, levels, &k) < 0)
			return -1;
		r->level = (enum cb_severity)k;
		r->severity = levels[k];
	}
	if ((at = cb_conf_get(n, "data")) && cb_conf_bool(b->c, at, &r->with_data, b->err) < 0)
		return -1;
	return texts(b, n, r) < 0 ? -1 : shape(b, r);
}

static int compile(struct cb_compile *b)
{
	static const char *const keys[] = { "rules", "hooks", "timezone", "schedules", "sinks",
		"delivery", "routes", "inhibit", "silences", NULL };
	static const char *const hook_keys[] = { "concurrent", NULL };
	const struct cb_conf_node *root = cb_conf_root(b->c), *list, *h;
	struct cb_err why = CB_ERR_INIT;
	const char *s;
	uint64_t v;

	if (cb_conf_only(b->c, root, "the file", keys, b->err) < 0)
		return -1;
	b->r->hooks_max = 4;
	if ((h = cb_conf_get(root, "hooks"))) {
		if (cb_conf_only(b->c, h, "hooks", hook_keys, b->err) < 0)
			return -1;
		if ((h = cb_conf_get(h, "concurrent"))) {
			if (cb_conf_u64(b->c, h, 1, 64, &v, b->err) < 0)
				return -1;
			b->r->hooks_max = (uint32_t)v;
		}
	}
	if ((h = cb_conf_get(root, "timezone"))) {
		if (cb_conf_str(b->c, h, 100, &s, b->err) < 0)
			return -1;
		if (cb_tz_load(&b->r->tz, s, &why) < 0)
			return cb_conf_fail(b->c, h, b->err, "%s", why.msg);
	}
	if ((h = cb_conf_get(root, "schedules")) &&
	    cb_schedules_parse(b->c, h, &b->r->schedule, &b->r->schedules, b->err) < 0)
		return -1;
	list = cb_conf_get(root, "rules");
	if (!list || list->kind != CB_CONF_SEQ || list->size == 0)
		return cb_conf_fail(b->c, list ? list : root, b->err, "rules must be a list of rules");
	if (list->size > CB_RULES_MAX)
		return cb_conf_fail(b->c, list, b->err, "more than %d rules", CB_RULES_MAX);
	if (cameras(b, list) < 0)
		return -1;
	b->r->rule = calloc(list->size, sizeof(*b->r->rule));
	if (!b->r->rule)
		return cb_err_nomem(b->err);
	for (const struct cb_conf_node *n = list->child; n; n = n->next)
		if (one_rule(b, n, &b->r->rule[b->r->n++]) < 0)
			return -1;
	if (cb_compile_routes(b, cb_conf_get(root, "routes")) < 0)
		return -1;
	if ((h = cb_conf_get(root, "inhibit")) && cb_compile_inhibits(b, h) < 0)
		return -1;
	if (!(h = cb_conf_get(root, "silences")))
		return 0;
	if (cb_conf_str(b->c, h, 1024, &s, b->err) < 0)
		return -1;
	if (asprintf(&b->r->silences, "%s%s", *s == '/' || !b->dir ? "" : b->dir, s) < 0) {
		b->r->silences = NULL;
		return cb_err_nomem(b->err);
	}
	return 0;
}

static int finish(struct cb_rules **ret, struct cb_conf *c, const char *dir, struct cb_err *err)
{
	struct cb_compile b = { .c = c, .dir = dir, .err = err };

	b.r = calloc(1, sizeof(*b.r));
	if (!b.r) {
		cb_conf_free(c);
		return cb_err_nomem(err);
	}
	b.r->conf = c;
	if (compile(&b) < 0) {
		cb_rules_free(b.r);
		return -1;
	}
	*ret = b.r;
	return 0;
}

int cb_rules_load(struct cb_rules **ret, const char *path, struct cb_err *err)
{
	const char *slash = strrchr(path, '/');
	struct cb_conf *c;
	char *dir;
	int k;

	if (cb_conf_load(&c, path, err) < 0)
		return -1;
	dir = strndup(path, slash ? (size_t)(slash + 1 - path) : 0);
	if (!dir) {
		cb_conf_free(c);
		return cb_err_nomem(err);
	}
	k = finish(ret, c, dir, err);
	free(dir);
	return k;
}

int cb_rules_parse(struct cb_rules **ret, const char *name, const void *p, size_t n,
		   struct cb_err *err)
{
	struct cb_conf *c;

	return cb_conf_parse(&c, name, p, n, err) < 0 ? -1 : finish(ret, c, NULL, err);
}

/* --- release ------------------------------------------------------------------------------------------ */

static void release_match(struct cb_match *m)
{
	free(m->type);
	cb_conds_free(m->cond, m->conds);
	cb_conds_free(m->alt[0], m->alts[0]);
	cb_conds_free(m->alt[1], m->alts[1]);
}

static void release_rule(struct cb_rule *r)
{
	for (uint32_t i = 0; i < r->steps; i++)
		release_match(&r->step[i]);
	free(r->step);
	if (r->resolve)
		release_match(r->resolve);
	free(r->resolve);
	free(r->camera);
	for (uint32_t i = 0; i < r->groups; i++)
		cb_path_release(&r->group[i].rest);
	for (uint32_t i = 0; i < r->fields; i++)
		cb_path_release(&r->field[i].rest);
	cb_template_release(&r->title);
	cb_template_release(&r->message);
	for (uint32_t i = 0; i < r->labels; i++)
		cb_template_release(&r->label[i]);
	for (uint32_t i = 0; i < r->args; i++)
		cb_template_release(&r->argv[i]);
	free(r->argv);
}

void cb_rules_free(struct cb_rules *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->n; i++)
		release_rule(&r->rule[i]);
	free(r->rule);
	for (uint32_t i = 0; i < r->slots; i++)
		cb_path_release(&r->slot[i].path);
	free(r->slot);
	free(r->camera);
	free(r->schedule);
	cb_routes_free(r->route, r->routes);
	cb_inhibits_free(r->inhibit, r->inhibits);
	free(r->silences);
	for (uint32_t i = 0; i < r->lists; i++)
		free(r->list[i]);
	cb_tz_free(r->tz);
	cb_conf_free(r->conf);
	free(r);
}
