/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling conditions: fields and what they are compared with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alert/compile.h"
#include "base/io.h"
#include "base/num.h"

#define CB_PATTERN_MAX 256
#define REPEATS_MAX 4		/* "{n,m}" in one pattern, and */
#define REPEAT_MAX 64		/* each at most so often: glibc unrolls them, and "+" */
#define REGEX_GROWN 1000	/* characters of a pattern when unrolled */
#define REGEX_GROWTH 16384	/* what all patterns may grow by */
#define LIST_MAX (4u << 20)	/* bytes of a watch-list's file */

/* --- slots ---------------------------------------------------------------------------------- */

int cb_compile_slot(struct cb_compile *b, const struct cb_conf_node *at, uint32_t array,
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

static int operand(struct cb_compile *b, const struct cb_conf_node *n, struct cb_operand *ret)
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

static int regex(struct cb_compile *b, const struct cb_conf_node *n, struct cb_test *t)
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

/* --- watch-lists ------------------------------------------------------------------------------ */

static int remember_file(struct cb_compile *b, const struct cb_conf_node *at, const char *path)
{
	for (uint32_t i = 0; i < b->r->lists; i++)
		if (strcmp(b->r->list[i], path) == 0)
			return 0;
	if (b->r->lists == CB_LISTS_MAX)
		return cb_conf_fail(b->c, at, b->err, "more than %d files of watch-lists", CB_LISTS_MAX);
	b->r->list[b->r->lists] = strdup(path);
	if (!b->r->list[b->r->lists])
		return cb_err_nomem(b->err);
	b->r->lists++;
	return 0;
}

static int listed_file(struct cb_compile *b, const struct cb_conf_node *at, struct cb_listed *l)
{
	const char *name, *why;
	struct cb_err err = CB_ERR_INIT;
	uint8_t *p = NULL;
	char path[4096];
	uint32_t line = 0;
	struct stat st;
	size_t n;

	if (cb_conf_str(b->c, at, 1024, &name, b->err) < 0)
		return -1;
	if (!b->dir)
		return cb_conf_fail(b->c, at, b->err, "no file can be named here");
	snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : b->dir, name);
	if (remember_file(b, at, path) < 0)
		return -1;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return cb_conf_fail(b->c, at, b->err, "%.200s: no regular file", path);
	if (cb_file_read(path, LIST_MAX, &p, &n, &err) < 0)
		return cb_conf_fail(b->c, at, b->err, "%.200s: %.200s", path, err.msg);
	for (const char *s = (char *)p, *end = s + n, *lf; s < end; s = lf + 1) {
		const char *hash, *to;

		lf = memchr(s, '\n', (size_t)(end - s));
		if (!lf)
			lf = end;
		line++;
		hash = memchr(s, '#', (size_t)(lf - s));
		to = hash ? hash : lf;
		while (s < to && strchr(" \t\r", *s))
			s++;
		while (s < to && strchr(" \t\r", to[-1]))
			to--;
		why = s == to ? NULL : cb_listed_add(l, s, (size_t)(to - s));
		if (why) {
			cb_conf_fail(b->c, at, b->err, "%.200s:%u: %s", path, line, why);
			free(p);
			return -1;
		}
	}
	free(p);
	return cb_listed_size(l) ? 0 : cb_conf_fail(b->c, at, b->err, "%.200s: nothing in it", path);
}

/* A text, a list of texts, or a map of plates or file, and tolerance. */
static int listed(struct cb_compile *b, const struct cb_conf_node *n, struct cb_test *t)
{
	static const char *const keys[] = { "plates", "file", "tolerance", NULL };
	const struct cb_conf_node *list = n, *file = NULL, *e;
	uint64_t tolerance = 1;
	const char **text = NULL, *why = NULL;
	uint32_t k = 0;

	if (n->kind == CB_CONF_MAP) {
		if (cb_conf_only(b->c, n, "listed", keys, b->err) < 0)
			return -1;
		list = cb_conf_get(n, "plates");
		file = cb_conf_get(n, "file");
		if (!list == !file)
			return cb_conf_fail(b->c, n, b->err, "listed needs plates or a file");
		if ((e = cb_conf_get(n, "tolerance")) && cb_conf_u64(b->c, e, 0, 1, &tolerance, b->err) < 0)
			return -1;
	}
	if (cb_listed_new(&t->listed, (int)tolerance, b->err) < 0)
		return -1;
	if (file) {
		if (listed_file(b, file, t->listed) < 0)
			return -1;
	} else {
		if (cb_compile_strings(b, list, 256, &text, &k) < 0) {
			free(text);
			return -1;
		}
		e = list->kind == CB_CONF_SEQ ? list->child : list;
		for (uint32_t i = 0; i < k && !why; i++, e = why ? e : e->next)
			why = cb_listed_add(t->listed, text[i], strlen(text[i]));
		free(text);
		if (why)
			return cb_conf_fail(b->c, e, b->err, "%s", why);
	}
	return cb_listed_done(t->listed, b->err);
}

/* A scalar or a list of them. */
static int operands(struct cb_compile *b, const struct cb_conf_node *n, struct cb_test *t)
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

static int one_test(struct cb_compile *b, const struct cb_conf_node *n, struct cb_test *t)
{
	static const struct { const char *name; enum cb_op op; } table[] = {
		{ "equal", CB_OP_EQUAL }, { "in", CB_OP_EQUAL }, { "not", CB_OP_NOT },
		{ ">=", CB_OP_GE }, { "<=", CB_OP_LE }, { ">", CB_OP_GT }, { "<", CB_OP_LT },
		{ "prefix", CB_OP_PREFIX }, { "regex", CB_OP_REGEX }, { "exists", CB_OP_EXISTS },
		{ "listed", CB_OP_LISTED },
	};
	size_t i = 0;

	while (i < sizeof(table) / sizeof(*table) && strcmp(n->key, table[i].name) != 0)
		i++;
	if (i == sizeof(table) / sizeof(*table))
		return cb_conf_fail(b->c, n, b->err, "'%.100s' is none of equal, in, not, >=, <=, >, <, "
				    "prefix, regex, exists, listed", n->key);
	t->op = table[i].op;
	switch (t->op) {
	case CB_OP_EQUAL:
	case CB_OP_NOT:
		return operands(b, n, t);
	case CB_OP_REGEX:
		return regex(b, n, t);
	case CB_OP_EXISTS:
		return cb_conf_bool(b->c, n, &t->want, b->err);
	case CB_OP_LISTED:
		return listed(b, n, t);
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

static int tests(struct cb_compile *b, const struct cb_conf_node *n, struct cb_cond *c)
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

static int cond_list(struct cb_compile *b, const struct cb_conf_node *map, uint32_t array,
		     struct cb_cond **ret, uint32_t *ret_n);

/* One condition: path, from array's element, and what its value is compared with. */
static int condition(struct cb_compile *b, const struct cb_conf_node *n, uint32_t array,
		     const char *path, struct cb_cond *c)
{
	const char *any = strstr(path, "[]");

	if (++b->conds > CB_CONDS_MAX)
		return cb_conf_fail(b->c, n, b->err, "more than %d conditions in a rule", CB_CONDS_MAX);
	if (!any) {
		if (cb_compile_slot(b, n, array, path, strlen(path), &c->slot) < 0)
			return -1;
		return tests(b, n, c);
	}
	if (cb_compile_slot(b, n, array, path, (size_t)(any - path), &c->slot) < 0)
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

static int cond_list(struct cb_compile *b, const struct cb_conf_node *map, uint32_t array,
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

int cb_compile_conds(struct cb_compile *b, const struct cb_conf_node *map, struct cb_cond **ret,
		     uint32_t *ret_n)
{
	return cond_list(b, map, CB_SLOT_ROOT, ret, ret_n);
}

int cb_compile_is(struct cb_compile *b, const struct cb_conf_node *at, const char *path, struct cb_cond *c)
{
	return condition(b, at, CB_SLOT_ROOT, path, c);
}

/* Of what starts at array's element: it is of that class, and sure enough. */
static int what(struct cb_compile *b, const struct cb_conf_node *of_class, const struct cb_conf_node *confidence,
		uint32_t array, const char *prefix, struct cb_cond **ret, uint32_t *ret_n)
{
	struct cb_cond *c = calloc(2, sizeof(*c));
	char path[32];

	if (!c)
		return cb_err_nomem(b->err);
	*ret = c;
	if (of_class) {
		snprintf(path, sizeof(path), "%sclass", prefix);
		if (condition(b, of_class, array, path, &c[(*ret_n)++]) < 0)
			return -1;
	}
	if (confidence) {
		c = &c[(*ret_n)++];
		snprintf(path, sizeof(path), "%sscore", prefix);
		if (cb_compile_slot(b, confidence, array, path, strlen(path), &c->slot) < 0)
			return -1;
		c->test = calloc(1, sizeof(*c->test));
		if (!c->test)
			return cb_err_nomem(b->err);
		c->tests = 1;
		c->test->op = CB_OP_GE;
		c->test->arg = calloc(1, sizeof(*c->test->arg));
		if (!c->test->arg)
			return cb_err_nomem(b->err);
		c->test->n = 1;
		if (cb_conf_double(b->c, confidence, 0, 1, &c->test->arg->num, b->err) < 0)
			return -1;
	}
	return 0;
}

int cb_compile_what(struct cb_compile *b, const struct cb_conf_node *of_class,
		    const struct cb_conf_node *confidence, struct cb_match *m)
{
	const struct cb_conf_node *at = of_class ? of_class : confidence;
	struct cb_cond *objects;

	if (what(b, of_class, confidence, CB_SLOT_ROOT, "data.", &m->alt[0], &m->alts[0]) < 0)
		return -1;
	objects = m->alt[1] = calloc(1, sizeof(*objects));
	if (!objects)
		return cb_err_nomem(b->err);
	m->alts[1] = 1;
	if (cb_compile_slot(b, at, CB_SLOT_ROOT, "data.objects", 12, &objects->slot) < 0)
		return -1;
	return what(b, of_class, confidence, objects->slot, "", &objects->inner, &objects->inners);
}

void cb_conds_free(struct cb_cond *c, uint32_t n)
{
	for (uint32_t i = 0; c && i < n; i++) {
		for (uint32_t k = 0; c[i].test && k < c[i].tests; k++) {
			if (c[i].test[k].has_re)
				regfree(&c[i].test[k].re);
			cb_listed_free(c[i].test[k].listed);
			free(c[i].test[k].arg);
		}
		free(c[i].test);
		cb_conds_free(c[i].inner, c[i].inners);
	}
	free(c);
}
