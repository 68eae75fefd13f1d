/* SPDX-License-Identifier: Apache-2.0 */
/* Thumbnails from a directory that others write to: DIR/EVENT.jpg, EVENT being the id of the
 * event that completed the alert (data.event), or DIR/CAMERA.jpg, the last picture of the camera,
 * where that is not older than `age`. Regular files alone, no links, and at most `bytes`; what
 * does not begin and end as a JPEG does (ITU-T T.81, B.1.1.3: SOI, EOI) is none. */
#ifndef CB_DELIVER_SNAPSHOT_H
#define CB_DELIVER_SNAPSHOT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "deliver/conf.h"

struct cb_snapshots;

/* *ret is NULL where none are configured. */
int cb_snapshots_open(struct cb_snapshots **ret, const struct cb_deliver_conf *conf, struct cb_err *err);
void cb_snapshots_close(struct cb_snapshots *s);
/* The picture for an alert's line, appended; false: none, for whatever reason. */
bool cb_snapshots_find(struct cb_snapshots *s, const char *line, size_t len, struct cb_buf *ret);

#endif
