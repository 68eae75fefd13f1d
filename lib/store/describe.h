/* SPDX-License-Identifier: Apache-2.0 */
/* What a store holds, in words: each a JSON object on one line without LF, as cb-query(1) gives
 * it. line is emptied first. */
#ifndef CB_STORE_DESCRIBE_H
#define CB_STORE_DESCRIBE_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

/* A camera of which these are the segments asked for. */
int cb_describe_camera(struct cb_buf *line, const char *camera, const struct cb_segments *l,
		       struct cb_err *err);
int cb_describe_segment(struct cb_buf *line, const struct cb_segment *g, struct cb_err *err);
int cb_describe_hole(struct cb_buf *line, const char *camera, const struct cb_hole *h,
		     struct cb_err *err);

#endif
