/* SPDX-License-Identifier: Apache-2.0 */
/* The rules file of cb-track(5), compiled: zones, lines and what is to be told of them.
 *
 * A compiled file is read only and may serve any number of watches (watch.h). Names are those
 * of the page; where ONVIF's Analytics Service Specification (Annex A) has the rule, its
 * semantics are kept and its topic is in cb_track_kinds.
 */
#ifndef CB_TRACK_RULES_H
#define CB_TRACK_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/tz.h"
#include "conf/conf.h"
#include "conf/schedule.h"
#include "track/geom.h"
#include "track/ground.h"
#include "track/track.h"

#define CB_ZONES_MAX 64
#define CB_LINES_MAX 64
#define CB_TRACK_RULES_MAX 256
#define CB_TRACK_NAME_MAX 64
#define CB_TRACK_LIST_MAX 32		/* classes, cameras, steps, lines, reset times of a rule */
#define CB_POINTS_MAX 1024		/* of all zones and lines: they fit in one event */

enum cb_track_kind {
	CB_RULE_ENTER, CB_RULE_EXIT, CB_RULE_DWELL, CB_RULE_CROSS, CB_RULE_COUNT, CB_RULE_CROWD,
	CB_RULE_DIRECTION, CB_RULE_SPEED, CB_RULE_STOPPED, CB_RULE_LEFT, CB_RULE_REMOVED,
	CB_RULE_SEQUENCE, CB_RULE_TAILGATE,
	CB_RULE_KINDS
};
struct cb_track_kind_info {
	const char *word;	/* in the file */
	const char *type;	/* of the event */
	const char *onvif;	/* topic, or NULL where ONVIF has no such rule */
};
extern const struct cb_track_kind_info cb_track_kinds[CB_RULE_KINDS];

struct cb_zone {
	const char *name;
	struct cb_poly poly;
	enum cb_anchor anchor;
	double margin;		/* out is farther away than this, in picture heights; < 0: see cb_near */
};
struct cb_line {
	const char *name;
	struct cb_poly poly;
	enum cb_anchor anchor;
	double band;		/* over is farther away than this; likewise */
};

enum cb_turn { CB_TURN_LEFT = -1, CB_TURN_ANY = 0, CB_TURN_RIGHT = 1 };

struct cb_names {
	uint32_t n;
	const char *name[CB_TRACK_LIST_MAX];
};

#define CB_NONE UINT32_MAX

struct cb_track_rule {
	const char *name;
	enum cb_track_kind kind;
	struct cb_names cameras, classes, not_classes;	/* empty: all, all, none */
	double min_score;
	double min_width, max_width, min_height, max_height, min_area, max_area;	/* parts of the picture */
	const struct cb_schedule *schedule;	/* NULL: always */
	bool silent;			/* for sequences only */

	uint32_t zone;			/* or CB_NONE: the whole picture */
	uint32_t line[CB_TRACK_LIST_MAX], lines;
	enum cb_turn turn;		/* cross, tailgate: which; count: which is in */
	bool pass_all;
	int64_t for_us, within_us, every_us, present_us, grace_us;
	int32_t reset_s[CB_TRACK_LIST_MAX];
	uint32_t resets;
	uint32_t count;
	double density;
	double heading, tolerance;	/* degrees; 0 is up, 90 to the right */
	double distance, radius;	/* picture heights */
	double speed;			/* picture heights a second, or m/s with metric */
	bool metric, under, moved;
	struct cb_names owners;
	uint32_t step[CB_TRACK_LIST_MAX], steps;	/* rules before this one */
	bool any_track;
};

struct cb_track_rules {
	struct cb_conf *conf;		/* texts point into it */
	struct cb_tz *tz;
	char sha256[65];		/* of the file's bytes */
	uint32_t width, height;		/* "size", or 0 */
	bool has_ground;
	struct cb_ground ground;
	struct cb_zone *zone;
	uint32_t zones;
	struct cb_line *line;
	uint32_t lines;
	struct cb_schedule *schedule;
	uint32_t schedules;
	struct cb_track_rule *rule;
	uint32_t n;
};

/* Load and compile. Errors: CB_E_CONFIG "FILE:LINE:COLUMN: reason", or the file's. */
int cb_track_rules_load(struct cb_track_rules **ret, const char *path, struct cb_err *err);
int cb_track_rules_parse(struct cb_track_rules **ret, const char *name, const void *p, size_t n,
			 struct cb_err *err);
void cb_track_rules_free(struct cb_track_rules *r);

/* Is the name in the list? */
bool cb_names_have(const struct cb_names *l, const char *name);
/* How near is near: as the file says, else in proportion to the box, for so does a detector tremble. */
double cb_near(double stated, const struct cb_rect *box);
/* Does a rule concern this camera? */
bool cb_track_rule_for(const struct cb_track_rule *r, const char *camera);
/* Was the file written for pictures of another shape than width x height? */
bool cb_track_rules_misfit(const struct cb_track_rules *r, uint32_t width, uint32_t height);

#endif
