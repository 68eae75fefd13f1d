/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of an input that a tool cannot use, and passes over: the first of them are told one by
 * one, all are counted. */
#ifndef CB_WIRE_BADLINES_H
#define CB_WIRE_BADLINES_H

#include <stdint.h>

#include "base/err.h"

#define CB_BAD_TOLD 8		/* one by one */

struct cb_bad_lines {
	/* Something that a person should know now. Never NULL. */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
	uint64_t n;		/* so many */
};
/* One more. kind and number say which ("line", "frame", "stdin: line"); kind is NULL where why has
 * that already. Of the first that is not told it is said that those are only counted. */
void cb_bad_line(struct cb_bad_lines *b, const char *kind, uint64_t number, const struct cb_err *why);

#endif
