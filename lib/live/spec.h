/* SPDX-License-Identifier: Apache-2.0 */
/* What cb-ingest shall read and how, as its options say it, and the same as the arguments of the
 * programs in libexec that do it: KEY=VALUE, the version first, so that a program of another
 * version refuses them. Options are parsed once, by cb-ingest; this is not for people to type. */
#ifndef CB_LIVE_SPEC_H
#define CB_LIVE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Texts are borrowed; all zero but status and timeout_ns are the defaults. */
struct cb_spec {
	const char *source;
	const char *camera;		/* NULL: by the source's name */
	const char *streams;		/* NULL: the default */
	const char *credentials;	/* FILE or fd:N; NULL: none */
	const char *ca_file;		/* NULL: the system's */
	const char *pin;		/* NULL: none */
	bool udp;
	bool have_start, realtime, quiet, verbose;
	int64_t start_ns, duration_ns;	/* of media; 0: all */
	int64_t timeout_ns;
	uint32_t fps_num, fps_den;	/* 0: not given */
	int32_t sandbox;		/* enum cb_sandbox_mode */
	bool self_test;			/* of the sandbox */
	int32_t status;			/* of a worker: where it says how it ended (live/helper.h); -1: not one */
};

#define CB_SPEC_INIT { .timeout_ns = INT64_C(10000000000), .status = -1 }
#define CB_SPEC_ARGS 24

/* argv for a program of this name, NULL at its end, malloc'ed with its texts. */
int cb_spec_argv(char *ret[static CB_SPEC_ARGS], const struct cb_spec *s, const char *name,
		 struct cb_err *err);
void cb_spec_argv_free(char *argv[static CB_SPEC_ARGS]);
/* One argument into s, which then points into it. CB_E_USAGE for what is none, of another
 * version, or twice there. */
int cb_spec_take(struct cb_spec *s, const char *arg, struct cb_err *err);

#endif
