/* SPDX-License-Identifier: Apache-2.0 */
/* YAML events into a bounded tree. */
#include "conf/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"

#define CHUNK 128

struct chunk {
	struct chunk *next;
	size_t used;
	struct cb_conf_node node[CHUNK];
};

struct cb_conf {
	char *name;
	struct chunk *chunks;
	size_t nodes;
	struct cb_conf_node *root;
};

/* --- errors ----------------------------------------------------------------------------------- */

static __attribute__((format(printf, 5, 0))) int vfail(const char *name, size_t line, size_t col,
						       struct cb_err *err, const char *fmt, va_list ap)
{
	char text[400];

	vsnprintf(text, sizeof(text), fmt, ap);
	return cb_err_set(err, CB_E_CONFIG, "%s:%zu:%zu: %s", name, line, col, text);
}

static __attribute__((format(printf, 4, 5))) int fail(const struct cb_conf *c, yaml_mark_t at,
						      struct cb_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfail(c->name, at.line + 1, at.column + 1, err, fmt, ap);
	va_end(ap);
	return -1;
}

int cb_conf_fail(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_err *err,
		 const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfail(c->name, at->line, at->col, err, fmt, ap);
	va_end(ap);
	return -1;
}

/* --- building ------------------------------------------------------------------------------------ */

static struct cb_conf_node *new_node(struct cb_conf *c, uint8_t kind, yaml_mark_t at,
				     struct cb_err *err)
{
	struct chunk *k = c->chunks;
	struct cb_conf_node *n;

	if (c->nodes == CB_CONF_NODES) {
		fail(c, at, err, "more than %d values", CB_CONF_NODES);
		return NULL;
	}
	if (!k || k->used == CHUNK) {
		k = calloc(1, sizeof(*k));
		if (!k) {
			cb_err_nomem(err);
			return NULL;
		}
		k->next = c->chunks;
		c->chunks = k;
	}
	c->nodes++;
	n = &k->node[k->used++];
	n->kind = kind;
	n->line = (uint32_t)at.line + 1;
	n->col = (uint32_t)at.column + 1;
	return n;
}

void cb_conf_free(struct cb_conf *c)
{
	if (!c)
		return;
	while (c->chunks) {
		struct chunk *k = c->chunks;

		c->chunks = k->next;
		for (size_t i = 0; i < k->used; i++) {
			free((char *)k->node[i].text);
			free((char *)k->node[i].key);
		}
		free(k);
	}
	free(c->name);
	free(c);
}

struct build {
	struct cb_conf *c;
	struct { struct cb_conf_node *node, *last; } open[CB_CONF_DEPTH];
	int depth;
	char *key;			/* read, its value not yet */
	yaml_mark_t key_at;
};

static int put_key(struct build *b, const yaml_event_t *e, struct cb_err *err)
{
	struct cb_conf_node *map = b->open[b->depth - 1].node;
	const char *key = (const char *)e->data.scalar.value;

	if (strlen(key) != e->data.scalar.length)
		return fail(b->c, e->start_mark, err, "NUL in a key");
	for (const struct cb_conf_node *n = map->child; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return fail(b->c, e->start_mark, err, "'%.100s' is given twice, first in line %u",
				    key, n->key_line);
	if (map->size == CB_CONF_KEYS)
		return fail(b->c, e->start_mark, err, "more than %d keys in a map", CB_CONF_KEYS);
	b->key = strdup(key);
	b->key_at = e->start_mark;
	return b->key ? 0 : cb_err_nomem(err);
}

/* A new node into the open container, or as the root. */
static int attach(struct build *b, struct cb_conf_node *n)
{
	struct cb_conf_node *in;

	if (b->depth == 0) {
		b->c->root = n;
		return 0;
	}
	in = b->open[b->depth - 1].node;
	if (in->kind == CB_CONF_MAP) {
		n->key = b->key;
		n->key_line = (uint32_t)b->key_at.line + 1;
		n->key_col = (uint32_t)b->key_at.column + 1;
		b->key = NULL;
	}
	if (b->open[b->depth - 1].last)
		b->open[b->depth - 1].last->next = n;
	else
		in->child = n;
	b->open[b->depth - 1].last = n;
	in->size++;
	return 0;
}

static int value(struct build *b, const yaml_event_t *e, struct cb_err *err)
{
	bool scalar = e->type == YAML_SCALAR_EVENT;
	const yaml_char_t *anchor = scalar ? e->data.scalar.anchor :
		e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor :
		e->data.mapping_start.anchor;
	const yaml_char_t *tag = scalar ? e->data.scalar.tag :
		e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.tag :
		e->data.mapping_start.tag;
	bool want_key = b->depth && b->open[b->depth - 1].node->kind == CB_CONF_MAP && !b->key;
	struct cb_conf_node *n;

	if (anchor)
		return fail(b->c, e->start_mark, err, "anchors and aliases are not taken");
	if (tag)
		return fail(b->c, e->start_mark, err, "tags are not taken");
	if (want_key && !scalar)
		return fail(b->c, e->start_mark, err, "a key must be a plain word");
	if (want_key)
		return put_key(b, e, err);
	if (!scalar && b->depth == CB_CONF_DEPTH)
		return fail(b->c, e->start_mark, err, "more than %d levels", CB_CONF_DEPTH);
	n = new_node(b->c, scalar ? CB_CONF_SCALAR :
		     e->type == YAML_SEQUENCE_START_EVENT ? CB_CONF_SEQ : CB_CONF_MAP,
		     e->start_mark, err);
	if (!n)
		return -1;
	if (scalar) {
		n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		n->text = strdup((const char *)e->data.scalar.value);
		if (!n->text)
			return cb_err_nomem(err);
		if (strlen(n->text) != e->data.scalar.length)
			return fail(b->c, e->start_mark, err, "NUL in a text");
	}
	attach(b, n);
	if (!scalar) {
		b->open[b->depth].node = n;
		b->open[b->depth].last = NULL;
		b->depth++;
	}
	return 0;
}

/* One event; 1 at the end of the stream. */
static int take(struct build *b, const yaml_event_t *e, struct cb_err *err)
{
	switch (e->type) {
	case YAML_STREAM_END_EVENT:
		return 1;
	case YAML_DOCUMENT_START_EVENT:
		if (b->c->root)
			return fail(b->c, e->start_mark, err, "more than one document");
		return 0;
	case YAML_ALIAS_EVENT:
		return fail(b->c, e->start_mark, err, "anchors and aliases are not taken");
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return value(b, e, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

static int syntax(const struct cb_conf *c, const yaml_parser_t *p, struct cb_err *err)
{
	yaml_mark_t at = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		return cb_err_nomem(err);
	if (p->error == YAML_READER_ERROR)
		/* libyaml counts bytes here; the mark is the last one it understood */
		at = p->mark;
	return fail(c, at, err, "%s%s%s", p->context ? p->context : "", p->context ? ": " : "",
		    p->problem ? p->problem : "not YAML");
}

int cb_conf_parse(struct cb_conf **ret, const char *name, const void *p, size_t n,
		  struct cb_err *err)
{
	struct build b = { 0 };
	yaml_parser_t parser;
	yaml_event_t e;
	int k = -1;

	b.c = calloc(1, sizeof(*b.c));
	if (b.c)
		b.c->name = strdup(name);
	if (!b.c || !b.c->name) {
		cb_conf_free(b.c);
		return cb_err_nomem(err);
	}
	if (n > CB_CONF_SIZE) {
		cb_err_set(err, CB_E_CONFIG, "%s: larger than %u bytes", name, CB_CONF_SIZE);
		cb_conf_free(b.c);
		return -1;
	}
	if (!yaml_parser_initialize(&parser)) {
		cb_conf_free(b.c);
		return cb_err_nomem(err);
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, p, n);
	do {
		if (!yaml_parser_parse(&parser, &e)) {
			k = syntax(b.c, &parser, err);
			break;
		}
		k = take(&b, &e, err);
		yaml_event_delete(&e);
	} while (k == 0);
	yaml_parser_delete(&parser);
	free(b.key);
	if (k > 0 && !b.c->root)
		k = fail(b.c, (yaml_mark_t){ 0 }, err, "nothing in it");
	if (k < 0) {
		cb_conf_free(b.c);
		return -1;
	}
	*ret = b.c;
	return 0;
}

int cb_conf_load(struct cb_conf **ret, const char *path, struct cb_err *err)
{
	uint8_t *p = NULL;
	size_t n = 0;
	int k;

	if (cb_file_read(path, CB_CONF_SIZE, &p, &n, err) < 0) {
		if (err && err->code == CB_E_DATA)
			err->code = CB_E_CONFIG;
		return cb_err_prefix(err, "%s", path);
	}
	k = cb_conf_parse(ret, path, p, n, err);
	free(p);
	return k;
}

/* --- reading it ------------------------------------------------------------------------------------ */

const struct cb_conf_node *cb_conf_root(const struct cb_conf *c)
{
	return c->root;
}

const struct cb_conf_node *cb_conf_get(const struct cb_conf_node *map, const char *key)
{
	if (map->kind != CB_CONF_MAP)
		return NULL;
	for (const struct cb_conf_node *n = map->child; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

int cb_conf_only(const struct cb_conf *c, const struct cb_conf_node *at, const char *what,
		 const char *const *keys, struct cb_err *err)
{
	if (at->kind != CB_CONF_MAP)
		return cb_conf_fail(c, at, err, "%s must be a map of keys and values", what);
	for (const struct cb_conf_node *n = at->child; n; n = n->next) {
		const char *const *k = keys;
		struct cb_conf_node key = { .line = n->key_line, .col = n->key_col };

		while (*k && strcmp(*k, n->key) != 0)
			k++;
		if (!*k)
			return cb_conf_fail(c, &key, err, "%s has no key '%.100s'", what, n->key);
	}
	return 0;
}

static const char *name_of(const struct cb_conf_node *at)
{
	return at->key ? at->key : "value";
}

static int scalar(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_err *err)
{
	if (at->kind != CB_CONF_SCALAR)
		return cb_conf_fail(c, at, err, "%.100s must be a single value", name_of(at));
	if (!at->quoted && (!*at->text || strcmp(at->text, "~") == 0))
		return cb_conf_fail(c, at, err, "%.100s has no value", name_of(at));
	return 0;
}

int cb_conf_str(const struct cb_conf *c, const struct cb_conf_node *at, size_t max,
		const char **ret, struct cb_err *err)
{
	if (scalar(c, at, err) < 0)
		return -1;
	if (strlen(at->text) > max)
		return cb_conf_fail(c, at, err, "%.100s is longer than %zu bytes", name_of(at), max);
	*ret = at->text;
	return 0;
}

int cb_conf_u64(const struct cb_conf *c, const struct cb_conf_node *at, uint64_t min,
		uint64_t max, uint64_t *ret, struct cb_err *err)
{
	if (scalar(c, at, err) < 0)
		return -1;
	if (at->quoted || !cb_parse_u64(at->text, min, max, ret))
		return cb_conf_fail(c, at, err, "%.100s must be a whole number from %ju to %ju",
				    name_of(at), (uintmax_t)min, (uintmax_t)max);
	return 0;
}

int cb_conf_double(const struct cb_conf *c, const struct cb_conf_node *at, double min, double max,
		   double *ret, struct cb_err *err)
{
	if (scalar(c, at, err) < 0)
		return -1;
	if (at->quoted || !cb_parse_double(at->text, min, max, ret))
		return cb_conf_fail(c, at, err, "%.100s must be a number from %g to %g", name_of(at),
				    min, max);
	return 0;
}

int cb_conf_bool(const struct cb_conf *c, const struct cb_conf_node *at, bool *ret,
		 struct cb_err *err)
{
	if (scalar(c, at, err) < 0)
		return -1;
	if (at->quoted || (strcmp(at->text, "true") != 0 && strcmp(at->text, "false") != 0))
		return cb_conf_fail(c, at, err, "%.100s must be true or false", name_of(at));
	*ret = *at->text == 't';
	return 0;
}

int cb_conf_duration(const struct cb_conf *c, const struct cb_conf_node *at, int64_t *ret_ns,
		     struct cb_err *err)
{
	if (scalar(c, at, err) < 0)
		return -1;
	if (!cb_parse_duration(at->text, ret_ns) || *ret_ns < 0)
		return cb_conf_fail(c, at, err, "%.100s must be a duration like 500ms, 10s, 5m",
				    name_of(at));
	return 0;
}
