/* SPDX-License-Identifier: Apache-2.0 */
/* Where the models that came with the programs are. */
#include "detect/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

#define NAME_MAX_BYTES 100

bool cb_shipped_is(const char *model)
{
	return *model && !strpbrk(model, "./");
}

/* Installed; and built, whatever make was told of where to install. */
static const char *const places[] = { CB_SHARE_REL "/models", "../share/cb/models" };

int cb_shipped_path(char **ret, const char *file, struct cb_err *err)
{
	char *path[2] = { NULL };
	int n = 1 + (strcmp(places[0], places[1]) != 0), r = -1;

	for (int i = 0; i < n && r < 0; i++) {
		char *rel;

		if (asprintf(&rel, "%s/%s", places[i], file) < 0) {
			cb_err_nomem(err);
			goto out;
		}
		r = cb_path_beside(&path[i], rel, err);
		free(rel);
		if (r < 0)
			goto out;
		r = access(path[i], R_OK);
		if (r == 0) {
			*ret = path[i];
			path[i] = NULL;
		}
	}
	if (r < 0)
		cb_err_sys(err, CB_E_NOINPUT, errno, "%s%s%s", path[0], n > 1 ? ", " : "", n > 1 ? path[1] : "");
out:
	free(path[0]);
	free(path[1]);
	return r;
}

int cb_shipped_find(struct cb_shipped *ret, struct cb_model_opts *o, struct cb_err *err)
{
	struct cb_shipped s = { NULL };
	char file[NAME_MAX_BYTES + sizeof ".cfg"];

	if (!cb_shipped_is(o->cfg))
		return 0;
	if (o->weights || o->names)
		return cb_err_set(err, CB_E_USAGE, "%s: a model that came with cb has its own weights and names "
				  "(of a file write ./%s)", o->cfg, o->cfg);
	if (strlen(o->cfg) > NAME_MAX_BYTES)
		return cb_err_set(err, CB_E_NOINPUT, "%.*s...: no model that came with cb has such a name",
				  NAME_MAX_BYTES, o->cfg);
	snprintf(file, sizeof file, "%s.cfg", o->cfg);
	if (cb_shipped_path(&s.cfg, file, err) < 0 ||
	    (!o->listed && cb_shipped_path(&s.list, CB_SHIPPED_LIST, err) < 0)) {
		cb_shipped_release(&s);
		return cb_err_prefix(err, "%s", o->cfg);
	}
	o->cfg = s.cfg;
	if (!o->listed)
		o->list = s.list;
	o->listed = true;
	*ret = s;
	return 0;
}

void cb_shipped_release(struct cb_shipped *s)
{
	free(s->cfg);
	free(s->list);
	*s = (struct cb_shipped){ NULL };
}
