/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a log as lines: for people and programs, byte for byte as they lie there, or in the
 * languages of log collectors, going on where the last listing ended. What is given is what lies
 * there; nobody has checked it. */
#ifndef CB_LOG_LISTING_H
#define CB_LOG_LISTING_H

#include "base/err.h"
#include "base/io.h"
#include "log/query.h"

enum cb_listing_form {
	CB_LISTING_NUMBERED,	/* {"index":N,"entry":...} and LF */
	CB_LISTING_RAW,		/* the entry's bytes and LF; of one alone no LF: it is what a proof speaks of */
	CB_LISTING_SIEM,	/* cb_log_siem and LF; syslog's facility is 13, its host this one */
};
struct cb_listing {
	struct cb_log_query q;
	enum cb_listing_form form;
	enum cb_siem siem;
	/* The one entry that was asked for, as it was named (q says which): that it is not there
	 * is CB_E_NOINPUT. NULL: all that q selects, which may be none. */
	const char *one;
	/* A file with the index to begin at instead of q.from, once there is such a file. When
	 * everything is written to out's descriptor, the index to go on at is put there, whole or
	 * not at all, mode 0640. NULL: none. */
	const char *state;
};
/* Of the log in the directory path. Errors: as cb_log_query, "path: reason"; CB_E_DATA: what
 * state holds is no index; out failed. A request to stop ends it early, without an error. */
int cb_log_list(const char *path, const struct cb_listing *o, struct cb_out *out, struct cb_err *err);

#endif
