/* SPDX-License-Identifier: Apache-2.0 */
/* Which programs the rules name: what base/launch.h asks before it starts one. Runs in the launcher,
 * which reads the rules itself, again when the file is another one than before: whoever sends
 * events has no say in it. */
#ifndef CB_ALERT_PROGRAMS_H
#define CB_ALERT_PROGRAMS_H

#include <stdbool.h>
#include <sys/stat.h>

struct cb_programs {
	const char *config;		/* the rules */
	const char *own;		/* one more that may always be started; NULL: none */
	struct stat was;		/* private, as what follows */
	struct cb_rules *rules;
};

/* For cb_launcher_begin; ctx is a struct cb_programs. */
bool cb_programs_may(void *ctx, const char *path);

#endif
