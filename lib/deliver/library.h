/* SPDX-License-Identifier: Apache-2.0 */
/* What libraries of other people want done once, before there are threads. */
#ifndef CB_DELIVER_LIBRARY_H
#define CB_DELIVER_LIBRARY_H

#include "base/err.h"
#include "deliver/conf.h"

/* For the sinks of conf alone. */
int cb_libraries_start(const struct cb_deliver_conf *conf, struct cb_err *err);

#endif
