/* SPDX-License-Identifier: Apache-2.0 */
/* The rules' hooks, by the file as it is now. */
#include "alert/programs.h"

#include <string.h>

#include "alert/rules.h"

static bool named(const struct cb_rules *r, const char *path)
{
	for (uint32_t i = 0; r && i < r->n; i++) {
		const struct cb_template *t = r->rule[i].argv;

		if (r->rule[i].args && t->n == 1 && t->part->kind == CB_PART_TEXT && strcmp(t->part->text, path) == 0)
			return true;
	}
	return false;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool cb_programs_may(void *ctx, const char *path)
{
	struct cb_programs *p = ctx;
	struct cb_rules *now = NULL;
	struct stat st;

	if (p->own && strcmp(path, p->own) == 0)
		return true;
	if (named(p->rules, path))	/* as they were: what waits of them may still go out */
		return true;
	if (stat(p->config, &st) < 0 || (p->rules && same(&st, &p->was)) || cb_rules_load(&now, p->config, NULL) < 0)
		return false;
	p->was = st;
	cb_rules_free(p->rules);
	p->rules = now;
	return named(now, path);
}
