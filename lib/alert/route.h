/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told of alerts, and when not, compiled: the keys `routes`, `inhibit` and `silences` of
 * the rules file, and the files of silences. */
#ifndef CB_ALERT_ROUTE_H
#define CB_ALERT_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/schedule.h"

#define CB_ROUTES_MAX 64
#define CB_ROUTE_SINKS_MAX 16
#define CB_INHIBITS_MAX 64
#define CB_SILENCES_MAX 1024
#define CB_WHO_MAX 64		/* names in a list, labels */
#define CB_BY_MAX 8
#define CB_LIMIT_MAX 1000

struct cb_words_of {
	const char **at;
	uint32_t n;
};

/* Which alerts are meant; what is not said is met by all. */
struct cb_who {
	struct cb_words_of rules, cameras;	/* with '*' at the end: what begins so */
	uint32_t levels;			/* bits of enum cb_severity; 0: all */
	const char *label_name[CB_BY_MAX];
	struct cb_words_of label[CB_BY_MAX];
	uint32_t labels;
};

/* What alerts have in common: rule, severity, subject or a label's value. */
struct cb_by {
	const char *name[CB_BY_MAX];	/* as written */
	uint32_t n;
};

struct cb_route {
	struct cb_who who;
	const char *sink[CB_ROUTE_SINKS_MAX];
	uint32_t sinks;
	bool grouped;			/* one notice for what comes together */
	struct cb_by by;
	int64_t wait_us, interval_us, repeat_us;
	bool resolved;
	bool go_on;			/* routes after it see the alert, too */
	const struct cb_schedule *quiet;	/* NULL: never */
	struct cb_schedule own_quiet;
	uint32_t urgent;		/* from this severity on nothing is held back; 5: none */
	uint32_t limit;			/* notices within; 0: any number */
	int64_t limit_us;
	uint8_t shape[16];		/* digest: what waits for it waits for the same route */
};

struct cb_inhibit {
	struct cb_who by, mute;
	struct cb_by equal;
	int64_t for_us;			/* after an alert that does not last */
};

struct cb_silence {
	struct cb_who who;
	int64_t from_us, until_us;
	const char *author, *comment, *file;
};
struct cb_silences {
	struct cb_silence *v;
	uint32_t n;
	struct cb_conf **conf;		/* texts point into them */
	char **file;
};

struct cb_compile;
int cb_compile_routes(struct cb_compile *b, const struct cb_conf_node *at);
int cb_compile_inhibits(struct cb_compile *b, const struct cb_conf_node *at);
void cb_routes_free(struct cb_route *r, uint32_t n);
void cb_inhibits_free(struct cb_inhibit *v, uint32_t n);

/* All *.yml and *.yaml of a directory, by name; none that begins with a dot. A file is a silence
 * or a list of them:
 *     author: Ann <ann@example.org>
 *     comment: the gate is being painted
 *     from: 2026-11-21T08:00:00Z       (optional)
 *     until: 2026-11-21T18:00:00Z
 *     rules, cameras, severity, labels     as of a route; at least one of them
 * One that is wrong is an error of its place; what had been read is freed. */
int cb_silences_load(struct cb_silences **ret, const char *dir, struct cb_err *err);
void cb_silences_free(struct cb_silences *s);

#endif
