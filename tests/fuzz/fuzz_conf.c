/* SPDX-License-Identifier: Apache-2.0 */
/* lib/conf: any bytes give a tree within its limits, or an error that says where. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static size_t walk(const struct cb_conf_node *n, int depth)
{
	size_t sum = 1;

	if (depth > CB_CONF_DEPTH + 1)
		abort();
	for (const struct cb_conf_node *c = n->child; c; c = c->next) {
		if ((n->kind == CB_CONF_MAP) != (c->key != NULL))
			abort();
		sum += walk(c, depth + 1);
	}
	if (n->kind == CB_CONF_SCALAR && (!n->text || n->child))
		abort();
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_conf *c = NULL;

	if (cb_conf_parse(&c, "f", p, n, &err) < 0) {
		if (c || (err.code != CB_E_CONFIG && err.code != CB_E_OS) || strncmp(err.msg, "f:", 2) != 0)
			abort();
		return 0;
	}
	if (walk(cb_conf_root(c), 1) > CB_CONF_NODES)
		abort();
	cb_conf_free(c);
	return 0;
}
