/* SPDX-License-Identifier: Apache-2.0 */
/* Paths to fields of an event as rules name them: "type", "data.motion.score",
 * "data.objects[0].class"; "[]" stands for some element of an array. */
#ifndef CB_ALERT_PATH_H
#define CB_ALERT_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "wire/json.h"

#define CB_PATH_MAX 256		/* bytes of its text */
#define CB_PATH_SEGS 16
#define CB_PATH_ANY -2		/* index of a segment "[]" */

struct cb_path_seg {
	const char *key;	/* NULL: an index */
	int32_t index;		/* or CB_PATH_ANY */
};
struct cb_path {
	char *text;		/* as written; "" or "." is where it starts from */
	char *keys;		/* what the segments point into */
	unsigned n;
	struct cb_path_seg seg[CB_PATH_SEGS];
};

/* NULL, or what is wrong with the text ("no memory" included). */
const char *cb_path_parse(struct cb_path *ret, const char *text, size_t len);
void cb_path_release(struct cb_path *p);
/* The token, or CB_JSON_NONE. "[]" takes the first element. */
uint32_t cb_path_find(const struct cb_path *p, const struct cb_json *j, uint32_t from);

#endif
