/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a model in one file. The first half of the inputs' job, checksums, is done for
 * them, so that what lies behind is reached; what parses keeps its bounds and is loaded. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "nn/graph.h"
#include "nn/nn.h"
#include "nn/pack.h"

#define FILE_MAX (256u << 10)
#define VALUES_MAX 200000	/* values of all layers of what is loaded */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *p, size_t n)
{
	for (size_t at = 0; at + 512 <= n; at += 512) {
		unsigned sum = 8 * ' ';

		if (memcmp(p + at + 257, "ustar", 5))
			continue;
		for (int i = 0; i < 512; i++)
			sum += i < 148 || i >= 156 ? p[at + i] : 0;
		snprintf((char *)p + at + 148, 7, "%06o", sum);
	}
}

static void inside(const uint8_t *file, size_t n, struct cb_pack_part part, size_t max)
{
	if (part.p < file || part.n > max || part.n > n || part.p + part.n > file + n)
		abort();
}

static bool small(const struct cb_pack *p)
{
	struct cb_nn_graph g;
	uint64_t values;

	if (cb_nn_graph_parse(&g, (const char *)p->cfg.p, p->cfg.n, 0, 0, NULL) < 0)
		return true;
	values = (uint64_t)g.c * g.h * g.w;
	for (int i = 0; i < g.n; i++)
		values += (uint64_t)g.layer[i].c * g.layer[i].h * g.layer[i].w;
	cb_nn_graph_release(&g);
	return values < VALUES_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_pack_source source;
	struct cb_net *net = NULL;
	struct cb_pack p = { 0 };
	uint8_t *copy;

	if (size > FILE_MAX)
		return 0;
	copy = malloc(size + 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	mend(copy, size);
	if (cb_pack_parse(&p, copy, size, &err) < 0) {
		if (err.code != CB_E_DATA || !err.msg[0] || p.kind)
			abort();
		free(copy);
		return 0;
	}
	inside(copy, size, p.meta, CB_PACK_META_MAX);
	inside(copy, size, p.cfg, CB_PACK_CFG_MAX);
	inside(copy, size, p.name_list, CB_PACK_NAMES_MAX);
	inside(copy, size, p.body, CB_PACK_BYTES_MAX);
	cb_pack_source_get(&p, &source);
	if (small(&p)) {
		struct cb_net_opts o = { .pack = &p };

		if (cb_net_open(&net, "x.cbm", NULL, &o, &err) < 0) {
			if ((err.code != CB_E_DATA && err.code != CB_E_OS) || strncmp(err.msg, "x.cbm: ", 7))
				abort();
		} else if (cb_net_run(net, &err) < 0) {
			abort();
		}
		cb_net_free(net);
	}
	free(copy);
	return 0;
}
