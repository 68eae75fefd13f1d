/* SPDX-License-Identifier: Apache-2.0 */
/* Stretches of time by camera: where something happened, or where footage was deleted. */
#ifndef CB_STORE_SPANS_H
#define CB_STORE_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

#define CB_SPANS_MAX (1u << 22)

/* All zero is empty. */
struct cb_spans {
	struct cb_span { char camera[CB_NAME_MAX + 1]; int64_t from_ns, to_ns; } *v;
	size_t n;
};
int cb_spans_add(struct cb_spans *l, const char *camera, int64_t from_ns, int64_t to_ns, struct cb_err *err);
/* Sort and merge, once, before they are looked up. */
void cb_spans_done(struct cb_spans *l);
bool cb_spans_touch(const struct cb_spans *l, const char *camera, int64_t from_ns, int64_t to_ns);
void cb_spans_release(struct cb_spans *l);

/* Of the events of a stream (lines or frames) that have a subject: from pre_ns before data.t_us,
 * or data.from_us where that is earlier, to post_ns after it or data.to_us. A line that is no
 * event, and a stream that is cut short, is an error: what it leaves out may matter. */
int cb_spans_read(int fd, int64_t pre_ns, int64_t post_ns, struct cb_spans *ret, struct cb_err *err);
/* The same of a file, or of stdin ("-"), which is named in errors. */
int cb_spans_read_file(const char *path, int64_t pre_ns, int64_t post_ns, struct cb_spans *ret, struct cb_err *err);

/* A camera's file `pruned` (cb-store(5)), where the footage was that retention has deleted. A missing
 * file is none. write merges and replaces it; it is on the disk then. */
int cb_pruned_read(const struct cb_store *s, const char *camera, struct cb_spans *ret, struct cb_err *err);
int cb_pruned_write(const struct cb_store *s, const char *camera, struct cb_spans *l, struct cb_err *err);

#endif
