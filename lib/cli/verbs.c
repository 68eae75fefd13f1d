/* SPDX-License-Identifier: Apache-2.0 */
/* Which verb takes which operands and options. */
#include "cli/verbs.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The next word of a list, and where it goes on; its length is 0 at the end. */
static const char *word(const char **list, const char *between, size_t *ret_len)
{
	const char *w = *list ? *list + strspn(*list, between) : "";

	*ret_len = strcspn(w, between);
	*list = w + *ret_len;
	return w;
}

static bool listed(const char *list, const char *name)
{
	const char *w;
	size_t n;

	while (w = word(&list, " |", &n), n)
		if (strlen(name) == n && memcmp(w, name, n) == 0)
			return true;
	return false;
}

static bool takes(const struct cb_cli_verb *v, const char *option)
{
	return listed(v->takes, option) || listed(v->needs, option);
}

/* What a sentence counts up: "a, b and c". */
struct series {
	char text[400];
	const char *mark, *last;	/* before each; the word that is not in the text yet */
	size_t n;
};

static void flush(struct series *s, const char *between)
{
	size_t n = strlen(s->text);

	if (s->last)
		snprintf(s->text + n, sizeof(s->text) - n, "%s%s%.*s", n ? between : "", s->mark, (int)s->n, s->last);
}

static void count_up(struct series *s, const char *w, size_t n)
{
	flush(s, ", ");
	s->last = w;
	s->n = n;
}

static void all_verbs(const struct cb_cli_verb *v, struct series *s)
{
	for (; v->name; v++)
		count_up(s, v->name, strlen(v->name));
	flush(s, ", ");
}

static int place(const struct argp_option *o, const char *name, size_t len)
{
	for (int i = 0; o[i].name || o[i].key || o[i].doc || o[i].group; i++)
		if (o[i].name && strlen(o[i].name) == len && memcmp(o[i].name, name, len) == 0)
			return i;
	assert(!"an option of verbs' that is none of the tool's");
	return 0;
}

/* A verb is given as the first operand. */
static int find(const struct cb_cli_verb *v, const char *arg, struct argp_state *st)
{
	struct series all = { .mark = "" };

	for (int i = 0; v[i].name; i++)
		if (strcmp(v[i].name, arg) == 0)
			return i;
	all_verbs(v, &all);
	argp_error(st, "'%s' is none of %s", arg, all.text);
	return -1;
}

static void check_operands(const struct cb_cli_verbs *v, struct argp_state *st)
{
	const char *list = v->table[v->is].operands, *w;
	size_t len;
	int n = 0;

	while (w = word(&list, " ", &len), len) {
		bool more = len > 3 && strstr(w, "...") && strstr(w, "...") < w + len;

		if (*w != '[' && n >= v->n)
			argp_error(st, "no %.*s", (int)strcspn(w, ". "), w);
		n = more ? INT_MAX : n + 1;
	}
	if (v->n > n)
		argp_error(st, n ? "too many operands" : "%s takes no operands", v->table[v->is].name);
}

/* With which verbs an option goes, where that is not with the one that is given. */
static void check_option(const struct cb_cli_verbs *v, const char *option, struct argp_state *st)
{
	struct series with = { .mark = "" };

	if (takes(&v->table[v->is], option))
		return;
	for (const struct cb_cli_verb *t = v->table; t->name; t++)
		if (takes(t, option))
			count_up(&with, t->name, strlen(t->name));
	flush(&with, " and ");
	if (with.last)
		argp_error(st, "--%s goes with %s, not with %s", option, with.text, v->table[v->is].name);
}

static void check_needs(const struct cb_cli_verbs *v, struct argp_state *st)
{
	const char *list = v->table[v->is].needs, *w;
	size_t len, n;

	while (w = word(&list, " ", &len), len) {
		struct series any = { .mark = "--" };
		bool there = false;

		for (const char *p = w; p < w + len;) {
			const char *option = word(&p, "| ", &n);

			there |= v->given >> place(v->options, option, n) & 1;
			count_up(&any, option, n);
		}
		flush(&any, " or ");
		if (!there)
			argp_error(st, "%s needs %s", v->table[v->is].name, any.text);
	}
}

/* Every name in the table is an option's. */
static void check_table(const struct cb_cli_verb *v, const struct argp_option *o)
{
	for (; v->name; v++)
		for (int i = 0; i < 2; i++) {
			const char *list = i ? v->needs : v->takes, *w;
			size_t n;

			while (w = word(&list, " |", &n), n)
				place(o, w, n);
		}
}

static void check(const struct cb_cli_verbs *v, struct argp_state *st)
{
	const struct argp_option *o = v->options;
	struct series all = { .mark = "" };

	check_table(v->table, o);
	if (v->is < 0) {
		all_verbs(v->table, &all);
		argp_error(st, "one of %s is needed", all.text);
	}
	for (int i = 0; i < 64; i++)
		if (v->given >> i & 1)
			check_option(v, o[i].name, st);
	check_operands(v, st);
	check_needs(v, st);
}

error_t cb_cli_verb_opt(struct cb_cli_verbs *v, int key, const char *arg, struct argp_state *st)
{
	const struct argp_option *o = v->options;

	switch (key) {
	case ARGP_KEY_INIT:	/* *v is not there yet */
		return ARGP_ERR_UNKNOWN;
	case ARGP_KEY_ARG:
		if (v->is < 0) {
			v->is = find(v->table, arg, st);
			return 0;
		}
		if (!v->n++)
			v->operand = (const char *const *)&st->argv[st->next - 1];
		return 0;
	case ARGP_KEY_END:
		check(v, st);
		return ARGP_ERR_UNKNOWN;
	}
	for (int i = 0; i < 64 && (o[i].name || o[i].key || o[i].doc || o[i].group); i++)
		if (o[i].name && o[i].key == key)
			v->given |= UINT64_C(1) << i;
	return ARGP_ERR_UNKNOWN;
}

const char *cb_cli_operand(const struct cb_cli_verbs *v, int i)
{
	return i < v->n ? v->operand[i] : NULL;
}

int cb_cli_verb_run(const struct cb_cli_verbs *v, void *tool, struct cb_err *err)
{
	return v->table[v->is].run(tool, err);
}
