/* SPDX-License-Identifier: Apache-2.0 */
/* The models that came with the programs, by name: "cb-objects" instead of a path.
 *
 * They are in share/cb/models seen from the program: where make install put them, or make, in a
 * tree that was built. Each is held against the list of digests that lies with them, so that what
 * runs under the name is what was shipped; a model of one's own is given by its path. */
#ifndef CB_DETECT_SHIPPED_H
#define CB_DETECT_SHIPPED_H

#include <stdbool.h>

#include "base/err.h"
#include "detect/objects.h"

#define CB_SHIPPED_OBJECTS "cb-objects"		/* the one for people, vehicles and animals */
#define CB_SHIPPED_LIST "SHA256SUMS"		/* their digests (detect/known.h) */

/* Is it a name, and not a path? A path has a '/' or a '.'. */
bool cb_shipped_is(const char *model);

/* Where a file of theirs is, malloc'ed. CB_E_NOINPUT naming the paths that were tried. */
int cb_shipped_path(char **ret, const char *file, struct cb_err *err);

/* All zero is a valid empty one. */
struct cb_shipped {
	char *cfg, *list;
};
/* Where o->cfg is a name, let it be the path, and o->list the list if o->listed was not set; else
 * change nothing. What o points to then lives until the release. CB_E_USAGE where o->weights or
 * o->names is set as well. */
int cb_shipped_find(struct cb_shipped *ret, struct cb_model_opts *o, struct cb_err *err);
void cb_shipped_release(struct cb_shipped *s);

#endif
