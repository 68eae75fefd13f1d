/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling rules. */
#include "alert/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define CB_PATTERN_MAX 256
#define REPEATS_MAX 4		/* "{n,m}" in one pattern, and */
#define REPEAT_MAX 64		/* each at most so often: glibc unrolls them, and "+" */
#define REGEX_GROWN 1000	/* characters of a pattern when unrolled */
#define REGEX_GROWTH 16384	/* what all patterns may grow by */

struct build {
	struct cb_rules *r;
	struct cb_conf *c;
	uint32_t conds;		/* of the rule at hand */
	size_t growth;		/* of all patterns so far */
	struct cb_err *err;
};

/* --- slots ---------------------------------------------------------------------------------- */

static int add_slot(struct build *b, const struct cb_conf_node *at, uint32_t array,
		    const char *text, size_t len, uint32_t *ret)
{
	struct cb_slot *s;
	const char *why;

	for (uint32_t i = 0; i < b->r->slots; i++)
		if (b->r->slot[i].array == array && strlen(b->r->slot[i].path.text) == len &&
		    memcmp(b->r->slot[i].path.text, text, len) == 0) {
			*ret = i;
			return 0;
		}
	s = reallocarray(b->r->slot, b->r->slots + 1, sizeof(*s));
	if (!s)
		return cb_err_nomem(b->err);
	b->r->slot = s;
	s += b->r->slots;
	s->array = array;
	why = cb_path_parse(&s->path, text, len);
	if (why)
		return cb_conf_fail(b->c, at, b->err, "path '%.*s': %s", (int)(len < 100 ? len : 100),
				    text, why);
	*ret = b->r->slots++;
	return 0;
}

/* --- conditions ------------------------------------------------------------------------------- */

static int operand(struct build *b, const struct cb_conf_node *n, struct cb_operand *ret)
{
	const char *text;

	if (n->kind == CB_CONF_SCALAR && !n->quoted && strcmp(n->text, "null") == 0)
		text = n->text;
	else if (cb_conf_str(b->c, n, CB_TEXT_MAX, &text, b->err) < 0)
		return -1;
	*ret = (struct cb_operand){ .text = text, .len = (uint32_t)strlen(text), .plain = !n->quoted };
	ret->number = ret->plain && cb_parse_double(text, -1e308, 1e308, &ret->num);
	return 0;
}

/* Behind a bracket expression, or the end of the text where it does not end. */
static const char *bracket_end(const char *p)
{
	p += p[1] == '^' ? 2 : 1;
	if (*p == ']')
		p++;
	for (; *p && *p != ']'; p++) {
		char kind = p[1];

		/* [:alpha:], [.x.], [=x=] */
		if (*p != '[' || !kind || !strchr(".:=", kind))
			continue;
		for (p += 2; *p && !(*p == kind && p[1] == ']'); p++)
			;
		if (!*p)
			return p;
		p++;
	}
	return *p ? p + 1 : p;
}

/* About how many characters a pattern has when what is repeated is written out. */
static size_t grown(const char *p)
{
	size_t open[CB_PATTERN_MAX], depth = 0, sum = 0, last = 0, k;

	while (*p && sum <= REGEX_GROWN) {
		char c = *p;

		if (c == '[') {
			p = bracket_end(p);
		} else {
			p += c == '\\' && p[1] ? 2 : 1;
		}
		switch (c) {
		case '(':
			if (depth == CB_PATTERN_MAX)
				return SIZE_MAX;
			open[depth++] = sum;
			sum = 1;
			last = 0;
			break;
		case ')':
			last = sum;
			if (depth)
				sum += open[--depth];
			break;
		case '+':
			sum += last;
			last *= 2;
			break;
		case '{':
			k = strtoul(p, NULL, 10);
			p += strspn(p, "0123456789");
			if (*p == ',')
				k = p[1] == '}' ? k + 1 : strtoul(p + 1, NULL, 10);
			p += strcspn(p, "}");
			p += *p == '}';
			if (k > 1) {
				sum += last * (k - 1);
				last *= k;
			}
			break;
		case '*':
		case '?':
			break;
		default:
			last = 1;
			sum++;
		}
	}
	return sum;
}

static int regex(struct build *b, const struct cb_conf_node *n, struct cb_test *t)
{
	const char *s;
	int k, repeats = 0;
	char why[128];
	size_t size;

	if (cb_conf_str(b->c, n, CB_PATTERN_MAX, &s, b->err) < 0)
		return -1;
	for (const char *p = s; *p; p++) {
		if (*p == '\\' && p[1] >= '1' && p[1] <= '9')
			return cb_conf_fail(b->c, n, b->err, "a pattern without back-references is needed");
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '{' && ++repeats > REPEATS_MAX)
			return cb_conf_fail(b->c, n, b->err, "more than %d repetitions {n,m} in a pattern",
					    REPEATS_MAX);
		else if (*p >= '0' && *p <= '9' && repeats && strtoul(p, NULL, 10) > REPEAT_MAX &&
			 (p[-1] == '{' || p[-1] == ','))
			return cb_conf_fail(b->c, n, b->err, "a repetition of more than %d", REPEAT_MAX);
	}
	size = grown(s);
	if (size > REGEX_GROWN)
		return cb_conf_fail(b->c, n, b->err, "a pattern of more than %d characters when its "
				    "repetitions are written out", REGEX_GROWN);
	b->growth += size > strlen(s) ? size - strlen(s) : 0;
	if (b->growth > REGEX_GROWTH)
		return cb_conf_fail(b->c, n, b->err, "too many repetitions in the patterns of all rules");
	k = regcomp(&t->re, s, REG_EXTENDED | REG_NOSUB);
	if (k) {
		regerror(k, &t->re, why, sizeof(why));
		return cb_conf_fail(b->c, n, b->err, "pattern '%.100s': %s", s, why);
	}
	t->has_re = true;
	return 0;
}

/* A scalar or a list of them. */
static int operands(struct build *b, const struct cb_conf_node *n, struct cb_test *t)
{
	const struct cb_conf_node *e = n;

	if (n->kind == CB_CONF_SEQ) {
		e = n->child;
		if (!e)
			return cb_conf_fail(b->c, n, b->err, "an empty list is never met");
		t->n = n->size;
	} else {
		t->n = 1;
	}
	t->arg = calloc(t->n, sizeof(*t->arg));
	if (!t->arg)
		return cb_err_nomem(b->err);
	for (uint32_t i = 0; i < t->n; i++, e = e->next)
		if (operand(b, e, &t->arg[i]) < 0)
			return -1;
	return 0;
}

static int one_test(struct build *b, const struct cb_conf_node *n, struct cb_test *t)
{
	static const struct { const char *name; enum cb_op op; } table[] = {
		{ "equal", CB_OP_EQUAL }, { "in", CB_OP_EQUAL }, { "not", CB_OP_NOT },
		{ ">=", CB_OP_GE }, { "<=", CB_OP_LE }, { ">", CB_OP_GT }, { "<", CB_OP_LT },
		{ "prefix", CB_OP_PREFIX }, { "regex", CB_OP_REGEX }, { "exists", CB_OP_EXISTS },
	};
	size_t i = 0;

	while (i < sizeof(table) / sizeof(*table) && strcmp(n->key, table[i].name) != 0)
		i++;
	if (i == sizeof(table) / sizeof(*table))
		return cb_conf_fail(b->c, n, b->err, "'%.100s' is none of equal, in, not, >=, <=, >, <, "
				    "prefix, regex, exists", n->key);
	t->op = table[i].op;
	switch (t->op) {
	case CB_OP_EQUAL:
	case CB_OP_NOT:
		return operands(b, n, t);
	case CB_OP_REGEX:
		return regex(b, n, t);
	case CB_OP_EXISTS:
		return cb_conf_bool(b->c, n, &t->want, b->err);
	default:
		if (n->kind != CB_CONF_SCALAR)
			return cb_conf_fail(b->c, n, b->err, "%s takes one value", n->key);
		if (operands(b, n, t) < 0)
			return -1;
		if (t->op != CB_OP_PREFIX && !t->arg[0].number)
			return cb_conf_fail(b->c, n, b->err, "%s takes a number", n->key);
		return 0;
	}
}

static int tests(struct build *b, const struct cb_conf_node *n, struct cb_cond *c)
{
	const struct cb_conf_node *e = n->child;

	c->tests = n->kind == CB_CONF_MAP ? n->size : 1;
	if (c->tests == 0)
		return cb_conf_fail(b->c, n, b->err, "nothing to compare with");
	c->test = calloc(c->tests, sizeof(*c->test));
	if (!c->test)
		return cb_err_nomem(b->err);
	if (n->kind != CB_CONF_MAP) {
		c->test[0].op = CB_OP_EQUAL;
		return operands(b, n, &c->test[0]);
	}
	for (uint32_t i = 0; i < c->tests; i++, e = e->next)
		if (one_test(b, e, &c->test[i]) < 0)
			return -1;
	return 0;
}

static int cond_list(struct build *b, const struct cb_conf_node *map, uint32_t array,
		     struct cb_cond **ret, uint32_t *ret_n);

/* One condition: path, from array's element, and what its value is compared with. */
static int condition(struct build *b, const struct cb_conf_node *n, uint32_t array,
		     const char *path, struct cb_cond *c)
{
	const char *any = strstr(path, "[]");

	if (++b->conds > CB_CONDS_MAX)
		return cb_conf_fail(b->c, n, b->err, "more than %d conditions in a rule", CB_CONDS_MAX);
	if (!any) {
		if (add_slot(b, n, array, path, strlen(path), &c->slot) < 0)
			return -1;
		return tests(b, n, c);
	}
	if (add_slot(b, n, array, path, (size_t)(any - path), &c->slot) < 0)
		return -1;
	if (any[2] == '\0' && n->kind == CB_CONF_MAP)
		return cond_list(b, n, c->slot, &c->inner, &c->inners);
	c->inner = calloc(1, sizeof(*c->inner));
	if (!c->inner)
		return cb_err_nomem(b->err);
	c->inners = 1;
	if (any[2] && any[2] != '.' && any[2] != '[')
		return cb_conf_fail(b->c, n, b->err, "path '%.100s': '.' or '[' expected after ']'", path);
	return condition(b, n, c->slot, any + 2 + (any[2] == '.' && any[3]), c->inner);
}

static int cond_list(struct build *b, const struct cb_conf_node *map, uint32_t array,
		     struct cb_cond **ret, uint32_t *ret_n)
{
	struct cb_cond *c;

	if (map->kind != CB_CONF_MAP || map->size == 0)
		return cb_conf_fail(b->c, map, b->err, "%s must be a map of fields and values", map->key);
	c = calloc(map->size, sizeof(*c));
	if (!c)
		return cb_err_nomem(b->err);
	*ret = c;
	*ret_n = map->size;
	for (const struct cb_conf_node *n = map->child; n; n = n->next)
		if (condition(b, n, array, n->key, c++) < 0)
			return -1;
	return 0;
}

/* --- templates --------------------------------------------------------------------------------- */

static int field(struct build *b, const struct cb_conf_node *at, const char *text, size_t len,
		 struct cb_field *f)
{
	const char *any = memmem(text, len, "[]", 2), *rest = text + len, *why;

	f->element = any != NULL;
	if (any) {
		rest = any + 2;
		if (rest < text + len && *rest == '.')
			rest++;
	}
	if (len == 0)
		return cb_conf_fail(b->c, at, b->err, "an empty field");
	if (add_slot(b, at, CB_SLOT_ROOT, text, any ? (size_t)(any - text) : len, &f->slot) < 0)
		return -1;
	why = cb_path_parse(&f->rest, rest, (size_t)(text + len - rest));
	if (why)
		return cb_conf_fail(b->c, at, b->err, "path '%.*s': %s", (int)(len < 100 ? len : 100), text,
				    why);
	return 0;
}

static struct cb_part *add_part(struct build *b, struct cb_template *t, enum cb_part_kind kind)
{
	struct cb_part *p = reallocarray(t->part, t->n + 1, sizeof(*p));

	if (!p) {
		cb_err_nomem(b->err);
		return NULL;
	}
	t->part = p;
	p += t->n++;
	*p = (struct cb_part){ .kind = kind };
	return p;
}

/* "text {field} text"; "{{" and "}}" are the characters themselves. */
static int template(struct build *b, const struct cb_conf_node *at, const char *s,
		    struct cb_template *t)
{
	static const char *const own[] = { "rule", "severity", "count" };
	char lit[CB_TEXT_MAX + 1];
	struct cb_part *p;
	size_t n = 0;

	for (;;) {
		const char *end;
		int kind = CB_PART_FIELD;

		if ((*s == '{' && s[1] == '{') || (*s == '}' && s[1] == '}')) {
			lit[n++] = *s;
			s += 2;
			continue;
		}
		if (*s == '}')
			return cb_conf_fail(b->c, at, b->err, "a '}' without '{': write '}}' for the character");
		if (*s && *s != '{') {
			lit[n++] = *s++;
			continue;
		}
		if (n || (!*s && !t->n)) {
			p = add_part(b, t, CB_PART_TEXT);
			if (!p)
				return -1;
			p->text = strndup(lit, n);
			if (!p->text)
				return cb_err_nomem(b->err);
			n = 0;
		}
		if (!*s)
			return 0;
		end = strchr(++s, '}');
		if (!end)
			return cb_conf_fail(b->c, at, b->err, "a '{' without '}': write '{{' for the character");
		for (int i = 0; i < 3; i++)
			if (strlen(own[i]) == (size_t)(end - s) && memcmp(own[i], s, (size_t)(end - s)) == 0)
				kind = CB_PART_RULE + i;
		p = add_part(b, t, (enum cb_part_kind)kind);
		if (!p)
			return -1;
		if (kind == CB_PART_FIELD && field(b, at, s, (size_t)(end - s), &p->field) < 0)
			return -1;
		s = end + 1;
	}
}

/* --- rules ------------------------------------------------------------------------------------------ */

/* A scalar or a list of them as strings; NULL where a text is not to be had. */
static int strings(struct build *b, const struct cb_conf_node *n, size_t max, const char ***ret,
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

static int types(struct build *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	if (strings(b, n, 128, &r->type, &r->types) < 0)
		return -1;
	for (uint32_t i = 0; i < r->types; i++) {
		const char *star = strchr(r->type[i], '*');

		if (!*r->type[i] || (star && star[1]))
			return cb_conf_fail(b->c, n, b->err, "type '%s': a '*' stands at the end only",
					    r->type[i]);
	}
	return 0;
}

static uint32_t camera_number(struct build *b, const char *name)
{
	uint32_t i = 0;

	while (i < b->r->cameras && strcmp(b->r->camera[i], name) != 0)
		i++;
	return i;
}

/* All cameras of all rules first, so that the rules' bits have one size. */
static int cameras(struct build *b, const struct cb_conf_node *list)
{
	for (const struct cb_conf_node *n = list->child; n; n = n->next) {
		const struct cb_conf_node *at = cb_conf_get(n, "cameras");
		const char **name = NULL, **more;
		uint32_t k = 0;

		if (!at)
			continue;
		if (strings(b, at, 255, &name, &k) < 0) {
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

static int rule_cameras(struct build *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	const char **name = NULL;
	uint32_t k = 0;

	if (strings(b, n, 255, &name, &k) < 0) {
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

static int group_by(struct build *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	const char **name = NULL;
	uint32_t k = 0;
	int ret = -1;

	if (strings(b, n, CB_PATH_MAX, &name, &k) < 0)
		goto out;
	if (k > CB_GROUP_BY_MAX) {
		cb_conf_fail(b->c, n, b->err, "more than %d fields", CB_GROUP_BY_MAX);
		goto out;
	}
	for (uint32_t i = 0; i < k; i++) {
		for (uint32_t h = 0; h < i; h++)
			if (strcmp(name[h], name[i]) == 0) {
				cb_conf_fail(b->c, n, b->err, "'%.100s' is given twice", name[i]);
				goto out;
			}
		r->groups = i + 1;
		r->group_name[i] = name[i];
		if (field(b, n, name[i], strlen(name[i]), &r->group[i]) < 0)
			goto out;
	}
	ret = 0;
out:
	free(name);
	return ret;
}

static int duration_us(struct build *b, const struct cb_conf_node *n, int64_t *ret)
{
	int64_t ns;

	if (cb_conf_duration(b->c, n, &ns, b->err) < 0)
		return -1;
	if (ns > INT64_C(366) * 86400 * 1000000000)
		return cb_conf_fail(b->c, n, b->err, "%s is longer than a year", n->key);
	*ret = ns / 1000;
	return 0;
}

static int hook(struct build *b, const struct cb_conf_node *n, struct cb_rule *r)
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
		if (template(b, e, s, &r->argv[i]) < 0)
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

static int one_rule(struct build *b, const struct cb_conf_node *n, struct cb_rule *r)
{
	static const char *const keys[] = { "name", "type", "cameras", "match", "count", "within",
		"cooldown", "group_by", "max_groups", "severity", "message", "data", "hook", NULL };
	static const char *const levels[] = { "info", "low", "medium", "high", "critical", NULL };
	const struct cb_conf_node *at;
	const char *s = "{rule}: {type}";
	uint64_t v;
	int i = 0;

	b->conds = 0;
	*r = (struct cb_rule){ .severity = "medium", .count = 1, .max_groups = 1024, .with_data = true,
			       .timeout_ns = INT64_C(10000000000) };
	if (cb_conf_only(b->c, n, "a rule", keys, b->err) < 0)
		return -1;
	at = cb_conf_get(n, "name");
	if (!at)
		return cb_conf_fail(b->c, n, b->err, "a rule needs a name");
	if (cb_conf_str(b->c, at, CB_RULE_NAME_MAX, &r->name, b->err) < 0)
		return -1;
	if (!*r->name || r->name[strspn(r->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789._-")])
		return cb_conf_fail(b->c, at, b->err, "a name is made of letters, digits, '.', '_', '-'");
	for (const struct cb_rule *o = b->r->rule; o < r; o++)
		if (strcmp(o->name, r->name) == 0)
			return cb_conf_fail(b->c, at, b->err, "two rules are called '%s'", r->name);
	at = cb_conf_get(n, "type");
	if (!at)
		return cb_conf_fail(b->c, n, b->err, "rule '%s' needs a type", r->name);
	if (types(b, at, r) < 0)
		return -1;
	if ((at = cb_conf_get(n, "cameras")) && rule_cameras(b, at, r) < 0)
		return -1;
	if ((at = cb_conf_get(n, "match")) &&
	    cond_list(b, at, CB_SLOT_ROOT, &r->cond, &r->conds) < 0)
		return -1;
	if ((at = cb_conf_get(n, "count"))) {
		if (cb_conf_u64(b->c, at, 1, CB_COUNT_MAX, &v, b->err) < 0)
			return -1;
		r->count = (uint32_t)v;
	}
	if ((at = cb_conf_get(n, "within")) && duration_us(b, at, &r->window_us) < 0)
		return -1;
	if ((r->count > 1) != (at != NULL))
		return cb_conf_fail(b->c, n, b->err, "count (more than 1) and within belong together");
	if ((at = cb_conf_get(n, "cooldown")) && duration_us(b, at, &r->cooldown_us) < 0)
		return -1;
	if ((at = cb_conf_get(n, "group_by")) && group_by(b, at, r) < 0)
		return -1;
	if ((at = cb_conf_get(n, "max_groups"))) {
		if (cb_conf_u64(b->c, at, 1, CB_GROUPS_MAX, &v, b->err) < 0)
			return -1;
		r->max_groups = (uint32_t)v;
	}
	if ((uint64_t)r->max_groups * r->count > CB_STATE_MAX)
		return cb_conf_fail(b->c, n, b->err, "max_groups times count is more than %u", CB_STATE_MAX);
	if ((at = cb_conf_get(n, "severity"))) {
		if (cb_conf_str(b->c, at, 16, &r->severity, b->err) < 0)
			return -1;
		while (levels[i] && strcmp(levels[i], r->severity) != 0)
			i++;
		if (!levels[i])
			return cb_conf_fail(b->c, at, b->err,
					    "severity is one of info, low, medium, high, critical");
	}
	if ((at = cb_conf_get(n, "message")) && cb_conf_str(b->c, at, CB_TEXT_MAX, &s, b->err) < 0)
		return -1;
	if (template(b, at ? at : n, s, &r->message) < 0)
		return -1;
	if ((at = cb_conf_get(n, "data")) && cb_conf_bool(b->c, at, &r->with_data, b->err) < 0)
		return -1;
	if ((at = cb_conf_get(n, "hook")) && hook(b, at, r) < 0)
		return -1;
	return 0;
}

static int compile(struct build *b)
{
	static const char *const keys[] = { "rules", "hooks", NULL };
	static const char *const hook_keys[] = { "concurrent", NULL };
	const struct cb_conf_node *root = cb_conf_root(b->c), *list, *h;
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
	return 0;
}

static int finish(struct cb_rules **ret, struct cb_conf *c, struct cb_err *err)
{
	struct build b = { .c = c, .err = err };

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
	struct cb_conf *c;

	return cb_conf_load(&c, path, err) < 0 ? -1 : finish(ret, c, err);
}

int cb_rules_parse(struct cb_rules **ret, const char *name, const void *p, size_t n,
		   struct cb_err *err)
{
	struct cb_conf *c;

	return cb_conf_parse(&c, name, p, n, err) < 0 ? -1 : finish(ret, c, err);
}

/* --- release ------------------------------------------------------------------------------------------ */

static void free_conds(struct cb_cond *c, uint32_t n)
{
	for (uint32_t i = 0; c && i < n; i++) {
		for (uint32_t k = 0; c[i].test && k < c[i].tests; k++) {
			if (c[i].test[k].has_re)
				regfree(&c[i].test[k].re);
			free(c[i].test[k].arg);
		}
		free(c[i].test);
		free_conds(c[i].inner, c[i].inners);
	}
	free(c);
}

static void release_template(struct cb_template *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->part[i].text);
		cb_path_release(&t->part[i].field.rest);
	}
	free(t->part);
}

void cb_rules_free(struct cb_rules *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->n; i++) {
		struct cb_rule *u = &r->rule[i];

		free(u->type);
		free(u->camera);
		free_conds(u->cond, u->conds);
		for (uint32_t k = 0; k < u->groups; k++)
			cb_path_release(&u->group[k].rest);
		release_template(&u->message);
		for (uint32_t k = 0; k < u->args; k++)
			release_template(&u->argv[k]);
		free(u->argv);
	}
	free(r->rule);
	for (uint32_t i = 0; i < r->slots; i++)
		cb_path_release(&r->slot[i].path);
	free(r->slot);
	free(r->camera);
	cb_conf_free(r->conf);
	free(r);
}
