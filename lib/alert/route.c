/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling routes, inhibitions and silences. */
#include "alert/route.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alert/compile.h"
#include "base/buf.h"
#include "base/time.h"
#include "crypto/hash.h"

/* --- which alerts ------------------------------------------------------------------------------ */

static int words(struct cb_compile *b, const struct cb_conf_node *n, struct cb_words_of *w)
{
	if (cb_compile_strings(b, n, 255, &w->at, &w->n) < 0)
		return -1;
	if (w->n > CB_WHO_MAX)
		return cb_conf_fail(b->c, n, b->err, "more than %d in a list", CB_WHO_MAX);
	for (uint32_t i = 0; i < w->n; i++) {
		const char *star = strchr(w->at[i], '*');

		if (star && star[1])
			return cb_conf_fail(b->c, n, b->err, "'%.100s': a '*' stands at the end only", w->at[i]);
	}
	return 0;
}

/* Names of rules must be those of some rule. */
static int known_rules(struct cb_compile *b, const struct cb_conf_node *n, const struct cb_words_of *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		size_t len = strcspn(w->at[i], "*");
		bool any = false;

		for (uint32_t k = 0; k < b->r->n && !any; k++)
			any = strncmp(b->r->rule[k].name, w->at[i], len) == 0 &&
				(w->at[i][len] || !b->r->rule[k].name[len]);
		if (!any)
			return cb_conf_fail(b->c, n, b->err, "no rule is called '%.100s'", w->at[i]);
	}
	return 0;
}

static int levels(struct cb_compile *b, const struct cb_conf_node *n, uint32_t *ret)
{
	static const char *const names[] = CB_SEVERITY_NAMES;
	const struct cb_conf_node *e = n->kind == CB_CONF_SEQ ? n->child : n;
	uint32_t k = n->kind == CB_CONF_SEQ ? n->size : 1, v;

	if (!k)
		return cb_conf_fail(b->c, n, b->err, "severity is an empty list");
	for (; k--; e = e->next) {
		/* "high+" is high and above */
		size_t len = e->kind == CB_CONF_SCALAR ? strlen(e->text) : 0;
		struct cb_conf_node plain = *e;
		char text[32];

		if (len > 1 && len < sizeof(text) && e->text[len - 1] == '+') {
			memcpy(text, e->text, len - 1);
			text[len - 1] = '\0';
			plain.text = text;
		}
		if (cb_compile_word(b, &plain, names, &v) < 0)
			return -1;
		*ret |= plain.text == text ? 0x1fu & ~((1u << v) - 1) : 1u << v;
	}
	return 0;
}

#define WHO_KEYS "rules", "cameras", "severity", "labels"

static int who(struct cb_compile *b, const struct cb_conf_node *n, bool known, struct cb_who *w)
{
	const struct cb_conf_node *at;

	if ((at = cb_conf_get(n, "rules")) &&
	    (words(b, at, &w->rules) < 0 || (known && known_rules(b, at, &w->rules) < 0)))
		return -1;
	if ((at = cb_conf_get(n, "cameras")) && words(b, at, &w->cameras) < 0)
		return -1;
	if ((at = cb_conf_get(n, "severity")) && levels(b, at, &w->levels) < 0)
		return -1;
	if (!(at = cb_conf_get(n, "labels")))
		return 0;
	if (at->kind != CB_CONF_MAP || !at->size || at->size > CB_BY_MAX)
		return cb_conf_fail(b->c, at, b->err, "labels is a map of at most %d names and values", CB_BY_MAX);
	for (const struct cb_conf_node *e = at->child; e; e = e->next) {
		w->label_name[w->labels] = e->key;
		if (words(b, e, &w->label[w->labels++]) < 0)
			return -1;
	}
	return 0;
}

static void release_who(struct cb_who *w)
{
	free(w->rules.at);
	free(w->cameras.at);
	for (uint32_t i = 0; i < w->labels; i++)
		free(w->label[i].at);
}

static int by(struct cb_compile *b, const struct cb_conf_node *n, struct cb_by *ret)
{
	const char **name = NULL;
	uint32_t k = 0;

	if (cb_compile_strings(b, n, 128, &name, &k) < 0 || k > CB_BY_MAX) {
		free(name);
		return k > CB_BY_MAX ? cb_conf_fail(b->c, n, b->err, "more than %d names", CB_BY_MAX) : -1;
	}
	for (uint32_t i = 0; i < k; i++) {
		ret->name[i] = name[i];
		if (strcmp(name[i], "rule") != 0 && strcmp(name[i], "severity") != 0 &&
		    strcmp(name[i], "subject") != 0 && strncmp(name[i], "labels.", 7) != 0) {
			cb_conf_fail(b->c, n, b->err, "'%.100s' is none of rule, severity, subject, labels.NAME",
				     name[i]);
			free(name);
			return -1;
		}
	}
	ret->n = k;
	free(name);
	return 0;
}

/* --- routes -------------------------------------------------------------------------------------- */

/* `sinks` is a list of maps, each with a name; what else is in them is lib/deliver's to check. */
static const struct cb_conf_node *sink_name(const struct cb_conf_node *sink)
{
	const struct cb_conf_node *name = cb_conf_get(sink, "name");

	return name && name->kind == CB_CONF_SCALAR ? name : NULL;
}

static bool known_sink(const struct cb_conf_node *all, const char *name)
{
	const struct cb_conf_node *n;

	for (const struct cb_conf_node *e = all && all->kind == CB_CONF_SEQ ? all->child : NULL; e; e = e->next)
		if ((n = sink_name(e)) && strcmp(n->text, name) == 0)
			return true;
	return false;
}

static int sinks(struct cb_compile *b, const struct cb_conf_node *n, struct cb_route *r)
{
	const struct cb_conf_node *all = cb_conf_get(cb_conf_root(b->c), "sinks"),
		*e = n->kind == CB_CONF_SEQ ? n->child : n;
	uint32_t k = n->kind == CB_CONF_SEQ ? n->size : 1;

	if (!k || k > CB_ROUTE_SINKS_MAX)
		return cb_conf_fail(b->c, n, b->err, "sinks are 1 to %d", CB_ROUTE_SINKS_MAX);
	for (; k--; e = e->next) {
		if (cb_conf_str(b->c, e, CB_RULE_NAME_MAX, &r->sink[r->sinks], b->err) < 0)
			return -1;
		if (!known_sink(all, r->sink[r->sinks]))
			return cb_conf_fail(b->c, e, b->err, "no sink is called '%.64s'", r->sink[r->sinks]);
		for (uint32_t i = 0; i < r->sinks; i++)
			if (strcmp(r->sink[i], r->sink[r->sinks]) == 0)
				return cb_conf_fail(b->c, e, b->err, "'%.64s' is given twice", r->sink[i]);
		r->sinks++;
	}
	return 0;
}

static int limit(struct cb_compile *b, const struct cb_conf_node *n, struct cb_route *r)
{
	static const char *const keys[] = { "count", "within", NULL };
	const struct cb_conf_node *count, *within;
	uint64_t v;

	if (cb_conf_only(b->c, n, "limit", keys, b->err) < 0)
		return -1;
	count = cb_conf_get(n, "count");
	within = cb_conf_get(n, "within");
	if (!count || !within)
		return cb_conf_fail(b->c, n, b->err, "limit needs count and within");
	if (cb_conf_u64(b->c, count, 1, CB_LIMIT_MAX, &v, b->err) < 0 ||
	    cb_compile_duration(b, within, &r->limit_us) < 0)
		return -1;
	if (!r->limit_us)
		return cb_conf_fail(b->c, within, b->err, "within must be longer than nothing");
	r->limit = (uint32_t)v;
	return 0;
}

/* The digest of what makes a group of this route what it is. */
static int shape(struct cb_compile *b, struct cb_route *r)
{
	uint8_t sum[CB_SHA256_LEN];
	struct cb_buf t = { 0 };
	int k = cb_buf_printf(&t, "%d", r->grouped);

	for (uint32_t i = 0; i < r->sinks; i++)
		k |= cb_buf_printf(&t, "\ns%s", r->sink[i]);
	for (uint32_t i = 0; i < r->by.n; i++)
		k |= cb_buf_printf(&t, "\nb%s", r->by.name[i]);
	for (uint32_t i = 0; i < r->who.rules.n; i++)
		k |= cb_buf_printf(&t, "\nr%s", r->who.rules.at[i]);
	for (uint32_t i = 0; i < r->who.cameras.n; i++)
		k |= cb_buf_printf(&t, "\nc%s", r->who.cameras.at[i]);
	for (uint32_t i = 0; i < r->who.labels; i++)
		k |= cb_buf_printf(&t, "\nl%s=%s", r->who.label_name[i], r->who.label[i].at[0]);
	k |= cb_buf_printf(&t, "\nv%u", r->who.levels);
	if (k == 0) {
		cb_sha256(sum, t.data, t.len);
		memcpy(r->shape, sum, sizeof(r->shape));
	}
	cb_buf_release(&t);
	return k ? cb_err_nomem(b->err) : 0;
}

static int one_route(struct cb_compile *b, const struct cb_conf_node *n, struct cb_route *r)
{
	static const char *const keys[] = { "sinks", WHO_KEYS, "group_by", "group_wait", "group_interval",
		"repeat_interval", "resolved", "quiet", "urgent", "limit", "continue", NULL };
	static const char *const names[] = CB_SEVERITY_NAMES;
	const struct cb_conf_node *at, *wait, *interval, *repeat;

	r->urgent = 5;
	if (cb_conf_only(b->c, n, "a route", keys, b->err) < 0)
		return -1;
	if (!(at = cb_conf_get(n, "sinks")))
		return cb_conf_fail(b->c, n, b->err, "a route needs sinks");
	if (sinks(b, at, r) < 0 || who(b, n, true, &r->who) < 0)
		return -1;
	at = cb_conf_get(n, "group_by");
	wait = cb_conf_get(n, "group_wait");
	interval = cb_conf_get(n, "group_interval");
	repeat = cb_conf_get(n, "repeat_interval");
	r->grouped = at || wait || interval;
	/* Alertmanager's, once anything is grouped */
	r->wait_us = r->grouped ? INT64_C(30000000) : 0;
	r->interval_us = r->grouped ? INT64_C(300000000) : 0;
	if ((at && by(b, at, &r->by) < 0) || (wait && cb_compile_duration(b, wait, &r->wait_us) < 0) ||
	    (interval && cb_compile_duration(b, interval, &r->interval_us) < 0) ||
	    (repeat && cb_compile_duration(b, repeat, &r->repeat_us) < 0))
		return -1;
	if (repeat && r->repeat_us < 1000000)
		return cb_conf_fail(b->c, repeat, b->err, "repeat_interval must be a second or more");
	if ((at = cb_conf_get(n, "resolved")) && cb_conf_bool(b->c, at, &r->resolved, b->err) < 0)
		return -1;
	if ((at = cb_conf_get(n, "continue")) && cb_conf_bool(b->c, at, &r->go_on, b->err) < 0)
		return -1;
	if ((at = cb_conf_get(n, "quiet")) && cb_compile_schedule(b, at, &r->quiet, &r->own_quiet) < 0)
		return -1;
	if ((at = cb_conf_get(n, "urgent")) && cb_compile_word(b, at, names, &r->urgent) < 0)
		return -1;
	if ((at = cb_conf_get(n, "limit")) && limit(b, at, r) < 0)
		return -1;
	return shape(b, r);
}

/* What there is where sinks are given and no routes: everything to all of them. */
static int default_route(struct cb_compile *b, const struct cb_conf_node *all)
{
	struct cb_route *r = calloc(1, sizeof(*r));

	if (!r)
		return cb_err_nomem(b->err);
	b->r->route = r;
	b->r->routes = 1;
	r->urgent = 5;
	if (all->kind != CB_CONF_SEQ)
		return cb_conf_fail(b->c, all, b->err, "sinks is a list");
	if (all->size > CB_ROUTE_SINKS_MAX)
		return cb_conf_fail(b->c, all, b->err, "more than %d sinks need routes", CB_ROUTE_SINKS_MAX);
	for (const struct cb_conf_node *e = all->child; e; e = e->next) {
		const struct cb_conf_node *name = sink_name(e);

		if (!name)
			return cb_conf_fail(b->c, e, b->err, "a sink needs a name");
		r->sink[r->sinks++] = name->text;
	}
	return shape(b, r);
}

int cb_compile_routes(struct cb_compile *b, const struct cb_conf_node *at)
{
	const struct cb_conf_node *all = cb_conf_get(cb_conf_root(b->c), "sinks");

	if (!at)
		return all ? default_route(b, all) : 0;
	if (at->kind != CB_CONF_SEQ || !at->size || at->size > CB_ROUTES_MAX)
		return cb_conf_fail(b->c, at, b->err, "routes is a list of at most %d routes", CB_ROUTES_MAX);
	b->r->route = calloc(at->size, sizeof(*b->r->route));
	if (!b->r->route)
		return cb_err_nomem(b->err);
	for (const struct cb_conf_node *e = at->child; e; e = e->next)
		if (one_route(b, e, &b->r->route[b->r->routes++]) < 0)
			return -1;
	return 0;
}

void cb_routes_free(struct cb_route *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		release_who(&r[i].who);
	free(r);
}

/* --- inhibitions ---------------------------------------------------------------------------------- */

static int one_inhibit(struct cb_compile *b, const struct cb_conf_node *n, struct cb_inhibit *v)
{
	static const char *const keys[] = { "by", "mute", "equal", "for", NULL };
	static const char *const who_keys[] = { WHO_KEYS, NULL };
	const struct cb_conf_node *source, *target, *at;

	v->for_us = INT64_C(300000000);
	if (cb_conf_only(b->c, n, "an inhibition", keys, b->err) < 0)
		return -1;
	source = cb_conf_get(n, "by");
	target = cb_conf_get(n, "mute");
	if (!source || !target)
		return cb_conf_fail(b->c, n, b->err, "an inhibition needs by and mute");
	if (cb_conf_only(b->c, source, "by", who_keys, b->err) < 0 || who(b, source, true, &v->by) < 0 ||
	    cb_conf_only(b->c, target, "mute", who_keys, b->err) < 0 || who(b, target, true, &v->mute) < 0)
		return -1;
	if ((at = cb_conf_get(n, "equal")) && by(b, at, &v->equal) < 0)
		return -1;
	return (at = cb_conf_get(n, "for")) ? cb_compile_duration(b, at, &v->for_us) : 0;
}

int cb_compile_inhibits(struct cb_compile *b, const struct cb_conf_node *at)
{
	if (at->kind != CB_CONF_SEQ || !at->size || at->size > CB_INHIBITS_MAX)
		return cb_conf_fail(b->c, at, b->err, "inhibit is a list of at most %d inhibitions", CB_INHIBITS_MAX);
	b->r->inhibit = calloc(at->size, sizeof(*b->r->inhibit));
	if (!b->r->inhibit)
		return cb_err_nomem(b->err);
	for (const struct cb_conf_node *e = at->child; e; e = e->next)
		if (one_inhibit(b, e, &b->r->inhibit[b->r->inhibits++]) < 0)
			return -1;
	return 0;
}

void cb_inhibits_free(struct cb_inhibit *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		release_who(&v[i].by);
		release_who(&v[i].mute);
	}
	free(v);
}

/* --- silences --------------------------------------------------------------------------------------- */

static int moment(struct cb_compile *b, const struct cb_conf_node *n, int64_t *ret_us)
{
	const char *s;
	int64_t ns;

	if (cb_conf_str(b->c, n, 64, &s, b->err) < 0)
		return -1;
	/* a file means the same whenever it is read */
	if (!cb_parse_time(s, &ns) || strncmp(s, "now", 3) == 0)
		return cb_conf_fail(b->c, n, b->err, "'%.64s' is no time like 2026-11-21T08:00:00Z", s);
	*ret_us = ns / 1000;
	return 0;
}

static int one_silence(struct cb_compile *b, const struct cb_conf_node *n, struct cb_silence *s)
{
	static const char *const keys[] = { "author", "comment", "from", "until", WHO_KEYS, NULL };
	const struct cb_conf_node *author, *until, *at;

	s->from_us = INT64_MIN;
	s->comment = "";
	if (cb_conf_only(b->c, n, "a silence", keys, b->err) < 0)
		return -1;
	author = cb_conf_get(n, "author");
	until = cb_conf_get(n, "until");
	if (!author || !until)
		return cb_conf_fail(b->c, n, b->err, "a silence needs author and until");
	if (cb_conf_str(b->c, author, 200, &s->author, b->err) < 0 || moment(b, until, &s->until_us) < 0)
		return -1;
	if ((at = cb_conf_get(n, "comment")) && cb_conf_str(b->c, at, 1000, &s->comment, b->err) < 0)
		return -1;
	if ((at = cb_conf_get(n, "from")) && moment(b, at, &s->from_us) < 0)
		return -1;
	if (s->from_us >= s->until_us)
		return cb_conf_fail(b->c, until, b->err, "until is not after from");
	if (who(b, n, false, &s->who) < 0)
		return -1;
	return s->who.rules.n || s->who.cameras.n || s->who.levels || s->who.labels ? 0 :
		cb_conf_fail(b->c, n, b->err, "a silence of everything: name rules, cameras, severity or labels");
}

static int add_file(struct cb_silences *l, uint32_t file, const char *path, struct cb_err *err)
{
	struct cb_compile b = { .err = err };
	const struct cb_conf_node *root, *e;
	struct cb_silence *v;
	struct stat st;
	uint32_t k;

	/* a pipe would be waited for */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return cb_err_set(err, CB_E_CONFIG, "%s: no regular file", path);
	l->file[file] = strdup(path);
	if (!l->file[file])
		return cb_err_nomem(err);
	if (cb_conf_load(&l->conf[file], path, err) < 0)
		return -1;
	b.c = l->conf[file];
	root = cb_conf_root(b.c);
	e = root->kind == CB_CONF_SEQ ? root->child : root;
	k = root->kind == CB_CONF_SEQ ? root->size : 1;
	if (k > CB_SILENCES_MAX - l->n)
		return cb_conf_fail(b.c, root, err, "more than %d silences", CB_SILENCES_MAX);
	v = reallocarray(l->v, l->n + k + 1, sizeof(*v));
	if (!v)
		return cb_err_nomem(err);
	l->v = v;
	for (; k--; e = e->next) {
		l->v[l->n] = (struct cb_silence){ .file = strrchr(l->file[file], '/') + 1 };
		if (one_silence(&b, e, &l->v[l->n++]) < 0)
			return -1;
	}
	return 0;
}

static int is_silence(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return d->d_name[0] != '.' && dot && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

int cb_silences_load(struct cb_silences **ret, const char *dir, struct cb_err *err)
{
	struct cb_silences *l = calloc(1, sizeof(*l));
	struct dirent **list = NULL;
	char path[4096];
	int n, k = -1;

	if (!l)
		return cb_err_nomem(err);
	n = scandir(dir, &list, is_silence, alphasort);
	if (n < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "%s", dir);
		free(l);
		return -1;
	}
	l->conf = calloc((size_t)n + 1, sizeof(*l->conf));
	l->file = calloc((size_t)n + 1, sizeof(*l->file));
	if (!l->conf || !l->file)
		cb_err_nomem(err);
	else if (n > CB_SILENCES_MAX)
		cb_err_set(err, CB_E_CONFIG, "%s: more than %d files", dir, CB_SILENCES_MAX);
	else
		k = 0;
	for (int i = 0; i < n && k == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		k = add_file(l, (uint32_t)i, path, err);
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	if (k < 0) {
		cb_silences_free(l);
		return -1;
	}
	*ret = l;
	return 0;
}

void cb_silences_free(struct cb_silences *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->n; i++)
		release_who(&l->v[i].who);
	for (uint32_t i = 0; l->conf && l->file && l->file[i]; i++) {
		cb_conf_free(l->conf[i]);
		free(l->file[i]);
	}
	free(l->conf);
	free(l->file);
	free(l->v);
	free(l);
}
