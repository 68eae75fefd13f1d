/* SPDX-License-Identifier: Apache-2.0 */
/* What a store holds, in words: each a JSON object on one line without LF, as cb-query(1) gives
 * it. line is emptied first. */
#ifndef CB_STORE_DESCRIBE_H
#define CB_STORE_DESCRIBE_H

#include "base/buf.h"
#include "base/err.h"
#include "store/check.h"
#include "store/daykey.h"
#include "store/hold.h"
#include "store/store.h"
#include "wire/json.h"

/* A camera of which these are the segments asked for. */
int cb_describe_camera(struct cb_buf *line, const char *camera, const struct cb_segments *l,
		       struct cb_err *err);
int cb_describe_segment(struct cb_buf *line, const struct cb_segment *g, struct cb_err *err);
int cb_describe_hole(struct cb_buf *line, const char *camera, const struct cb_hole *h,
		     struct cb_err *err);
int cb_describe_key(struct cb_buf *line, const char *camera, const struct cb_key_use *u,
		    enum cb_day_key_state state, struct cb_err *err);
int cb_describe_hold(struct cb_buf *line, const struct cb_hold *h, struct cb_err *err);

/* A wall time under both names, as text and in microseconds; INT64_MIN and INT64_MAX, which
 * stand for no limit, are left out. */
void cb_describe_time(struct cb_jw *w, const char *key, const char *key_us, int64_t ns);

/* cb_check, told in events: each finding, and as the last what was looked at. */
int cb_check_say(const struct cb_store *s, const char *camera, cb_line_fn *event, void *ctx,
		 struct cb_check_totals *ret, struct cb_err *err);

#endif
