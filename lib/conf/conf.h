/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: YAML reduced to what people write by hand, as a tree whose every node
 * knows its line and column.
 *
 * One document of maps, sequences and scalars in UTF-8; at most CB_CONF_SIZE bytes,
 * CB_CONF_NODES nodes, CB_CONF_KEYS keys a map, CB_CONF_DEPTH levels. Anchors, aliases, tags,
 * keys that are not scalars, keys given twice and NUL are refused. All errors of this layer
 * are CB_E_CONFIG "FILE:LINE:COLUMN: reason", lines and columns counted from 1; a file that
 * cannot be opened is "FILE: reason" with the code of the failed open.
 *
 * Nodes and their texts belong to the tree and last until cb_conf_free.
 */
#ifndef CB_CONF_CONF_H
#define CB_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CB_CONF_SIZE (1u << 20)
#define CB_CONF_NODES 65536
#define CB_CONF_KEYS 1024
#define CB_CONF_DEPTH 16

enum cb_conf_kind { CB_CONF_SCALAR = 1, CB_CONF_MAP, CB_CONF_SEQ };

struct cb_conf_node {
	uint8_t kind;			/* enum cb_conf_kind */
	bool quoted;			/* SCALAR: in quotes or a block, so not a number or word */
	uint32_t line, col;
	uint32_t size;			/* MAP: pairs; SEQ: elements */
	const char *text;		/* SCALAR */
	const char *key;		/* of a value in a MAP, else NULL */
	uint32_t key_line, key_col;
	struct cb_conf_node *child;	/* MAP, SEQ: the first */
	struct cb_conf_node *next;	/* its sibling */
};

struct cb_conf;

int cb_conf_load(struct cb_conf **ret, const char *path, struct cb_err *err);
/* The same from memory; name stands in messages. */
int cb_conf_parse(struct cb_conf **ret, const char *name, const void *p, size_t n,
		  struct cb_err *err);
void cb_conf_free(struct cb_conf *c);
const struct cb_conf_node *cb_conf_root(const struct cb_conf *c);

/* The value of a key in a map, or NULL. */
const struct cb_conf_node *cb_conf_get(const struct cb_conf_node *map, const char *key);
/* Set "FILE:LINE:COLUMN: ..." for a node. Returns -1. */
int cb_conf_fail(const struct cb_conf *c, const struct cb_conf_node *at, struct cb_err *err,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* at is a map, with no keys but these ("what" names it in messages); NULL ends the list. */
int cb_conf_only(const struct cb_conf *c, const struct cb_conf_node *at, const char *what,
		 const char *const *keys, struct cb_err *err);

/* A scalar as a value; the key (or "value") stands in messages. */
int cb_conf_str(const struct cb_conf *c, const struct cb_conf_node *at, size_t max,
		const char **ret, struct cb_err *err);
int cb_conf_u64(const struct cb_conf *c, const struct cb_conf_node *at, uint64_t min,
		uint64_t max, uint64_t *ret, struct cb_err *err);
int cb_conf_double(const struct cb_conf *c, const struct cb_conf_node *at, double min, double max,
		   double *ret, struct cb_err *err);
/* true or false, without quotes */
int cb_conf_bool(const struct cb_conf *c, const struct cb_conf_node *at, bool *ret,
		 struct cb_err *err);
/* DURATION as in cb(7) */
int cb_conf_duration(const struct cb_conf *c, const struct cb_conf_node *at, int64_t *ret_ns,
		     struct cb_err *err);

#endif
