/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling the rules file of cb-track(5). */
#include "track/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"

#define YEAR_US (INT64_C(366) * 86400 * 1000000)

const struct cb_track_kind_info cb_track_kinds[CB_RULE_KINDS] = {
	[CB_RULE_ENTER] = { "enter", "cb.zone.enter", "tns1:RuleEngine/FieldDetector/ObjectsInside" },
	[CB_RULE_EXIT] = { "exit", "cb.zone.exit", "tns1:RuleEngine/FieldDetector/ObjectsInside" },
	[CB_RULE_DWELL] = { "dwell", "cb.zone.dwell", "tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering" },
	[CB_RULE_CROSS] = { "cross", "cb.line.cross", "tns1:RuleEngine/LineDetector/Crossed" },
	[CB_RULE_COUNT] = { "count", "cb.count", "tns1:RuleEngine/CountAggregation/Counter" },
	[CB_RULE_CROWD] = { "crowd", "cb.crowd", NULL },
	[CB_RULE_DIRECTION] = { "direction", "cb.direction", NULL },
	[CB_RULE_SPEED] = { "speed", "cb.speed", NULL },
	[CB_RULE_STOPPED] = { "stopped", "cb.stopped", NULL },
	[CB_RULE_LEFT] = { "left", "cb.object.left", "tns1:RuleEngine/ObjectAbandoned" },
	[CB_RULE_REMOVED] = { "removed", "cb.object.removed", "tns1:RuleEngine/ObjectRemoved" },
	[CB_RULE_SEQUENCE] = { "sequence", "cb.sequence", NULL },
	[CB_RULE_TAILGATE] = { "tailgate", "cb.tailgate", NULL },
};

/* keys of every rule, then those of its type */
#define COMMON "name", "type", "cameras", "class", "not_class", "min_score", "size", "schedule", "silent"
static const char *const keys[CB_RULE_KINDS][20] = {
	[CB_RULE_ENTER] = { COMMON, "zone", "for" },
	[CB_RULE_EXIT] = { COMMON, "zone" },
	[CB_RULE_DWELL] = { COMMON, "zone", "for", "grace" },
	[CB_RULE_CROSS] = { COMMON, "line", "direction" },
	[CB_RULE_COUNT] = { COMMON, "line", "zone", "in", "every", "reset", "pass_all" },
	[CB_RULE_CROWD] = { COMMON, "zone", "count", "density", "for" },
	[CB_RULE_DIRECTION] = { COMMON, "zone", "heading", "tolerance", "distance" },
	[CB_RULE_SPEED] = { COMMON, "zone", "over", "under", "for" },
	[CB_RULE_STOPPED] = { COMMON, "zone", "for", "radius", "moved" },
	[CB_RULE_LEFT] = { COMMON, "zone", "for", "radius", "owner", "distance" },
	[CB_RULE_REMOVED] = { COMMON, "zone", "for", "present", "radius" },
	[CB_RULE_SEQUENCE] = { COMMON, "steps", "within", "same" },
	[CB_RULE_TAILGATE] = { COMMON, "line", "direction", "within" },
};

struct build {
	struct cb_track_rules *r;
	struct cb_conf *c;
	uint32_t points;
	enum cb_anchor anchor;
	struct cb_err *err;
};

/* --- values ------------------------------------------------------------------------------------ */

static int name_ok(struct build *b, const struct cb_conf_node *at, const char *name)
{
	struct cb_conf_node key = { .line = at->key_line, .col = at->key_col };

	if (*name && strlen(name) <= CB_TRACK_NAME_MAX &&
	    !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")])
		return 0;
	return cb_conf_fail(b->c, at->key && at->key == name ? &key : at, b->err,
			    "a name is made of at most %d letters, digits, '.', '_', '-'", CB_TRACK_NAME_MAX);
}

/* Which of the words between bars? */
static int word(struct build *b, const struct cb_conf_node *at, const char *words, int *ret)
{
	const char *s;
	int i = 0;

	if (cb_conf_str(b->c, at, 64, &s, b->err) < 0)
		return -1;
	for (const char *w = words; *w; i++) {
		size_t n = strcspn(w, "|");

		if (strlen(s) == n && memcmp(w, s, n) == 0) {
			*ret = i;
			return 0;
		}
		w += n + (w[n] == '|');
	}
	return cb_conf_fail(b->c, at, b->err, "%s is one of %s", at->key ? at->key : "this", words);
}

/* A scalar or a list of them. */
static int names(struct build *b, const struct cb_conf_node *at, struct cb_names *ret)
{
	const struct cb_conf_node *e = at->kind == CB_CONF_SEQ ? at->child : at;

	if (at->kind == CB_CONF_SEQ && (at->size == 0 || at->size > CB_TRACK_LIST_MAX))
		return cb_conf_fail(b->c, at, b->err, "%s is a list of 1 to %d", at->key, CB_TRACK_LIST_MAX);
	ret->n = 0;
	for (; e; e = at->kind == CB_CONF_SEQ ? e->next : NULL)
		if (cb_conf_str(b->c, e, 255, &ret->name[ret->n++], b->err) < 0)
			return -1;
	return 0;
}

static int duration(struct build *b, const struct cb_conf_node *at, int64_t *ret_us)
{
	int64_t ns;

	if (cb_conf_duration(b->c, at, &ns, b->err) < 0)
		return -1;
	if (ns / 1000 > YEAR_US)
		return cb_conf_fail(b->c, at, b->err, "%s is longer than a year", at->key);
	*ret_us = ns / 1000;
	return 0;
}

/* "50km/h", "14m/s", "30mph", or picture heights a second "0.2/s" */
static int speed(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	static const struct { const char *unit; double factor; bool metric; } table[] = {
		{ "km/h", 1 / 3.6, true }, { "m/s", 1, true }, { "mph", 0.44704, true }, { "/s", 1, false },
	};
	char number[32];
	const char *s;
	double v;

	if (cb_conf_str(b->c, at, 64, &s, b->err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		size_t n = strlen(s), k = strlen(table[i].unit);

		if (n <= k || n - k >= sizeof(number) || strcmp(s + n - k, table[i].unit) != 0)
			continue;
		memcpy(number, s, n - k);
		number[n - k] = '\0';
		if (n - k > 1 && number[n - k - 1] == ' ')
			number[n - k - 1] = '\0';
		if (!cb_parse_double(number, 0, 10000, &v))
			break;
		r->speed = v * table[i].factor;
		r->metric = table[i].metric;
		if (r->metric && !b->r->has_ground)
			return cb_conf_fail(b->c, at, b->err, "a speed in %s needs ground", table[i].unit);
		return 0;
	}
	return cb_conf_fail(b->c, at, b->err, "'%.40s' is no speed: 50km/h, 14m/s, 30mph, or 0.2/s in picture "
			    "heights", s);
}

/* --- shapes ------------------------------------------------------------------------------------ */

static int coordinate(struct build *b, const struct cb_conf_node *at, uint32_t side, double *ret)
{
	struct cb_err e = CB_ERR_INIT;
	double v;

	if (cb_conf_double(b->c, at, 0, side ? side : 1, &v, &e) < 0) {
		if (e.code != CB_E_CONFIG || at->kind != CB_CONF_SCALAR)
			return cb_conf_fail(b->c, at, b->err, "a point is [x, y]");
		if (side)
			return cb_conf_fail(b->c, at, b->err, "'%.40s' is no number from 0 to %u, the size", at->text,
					    side);
		return cb_conf_fail(b->c, at, b->err, "'%.40s' is no part of the picture from 0 to 1 (for pixels "
				    "say size: WIDTHxHEIGHT)", at->text);
	}
	*ret = side ? v / side : v;
	return 0;
}

static int point(struct build *b, const struct cb_conf_node *at, double *x, double *y)
{
	if (at->kind != CB_CONF_SEQ || at->size != 2)
		return cb_conf_fail(b->c, at, b->err, "a point is [x, y]");
	return coordinate(b, at->child, b->r->width, x) < 0 ||
		coordinate(b, at->child->next, b->r->height, y) < 0 ? -1 : 0;
}

static int shape(struct build *b, const struct cb_conf_node *at, bool closed, struct cb_poly *g)
{
	const struct cb_conf_node *e;
	const char *why;
	uint32_t bad, least = closed ? 3 : 2;
	double x, y;

	g->closed = closed;
	g->n = 0;
	if (at->kind != CB_CONF_SEQ || at->size < least || at->size > CB_POLY_POINTS)
		return cb_conf_fail(b->c, at, b->err, "a %s is a list of %u to %d points [x, y]",
				    closed ? "polygon" : "line", least, CB_POLY_POINTS);
	for (e = at->child; e; e = e->next) {
		if (point(b, e, &x, &y) < 0)
			return -1;
		g->p[g->n++] = cb_pt_of(x, y);
	}
	b->points += g->n;
	if (b->points > CB_POINTS_MAX)
		return cb_conf_fail(b->c, at, b->err, "more than %d points in all zones and lines", CB_POINTS_MAX);
	why = cb_poly_fault(g, &bad);
	if (why) {
		for (e = at->child; bad; bad--)
			e = e->next;
		return cb_conf_fail(b->c, e, b->err, "%s: %s", closed ? "polygon" : "line", why);
	}
	cb_poly_bound(g);
	return 0;
}

static int anchor(struct build *b, const struct cb_conf_node *at, enum cb_anchor *ret)
{
	int i;

	if (word(b, at, "bottom|centre|top|left|right|top-left|top-right|bottom-left|bottom-right", &i) < 0)
		return -1;
	*ret = (enum cb_anchor)i;
	return 0;
}

/* zones or lines: a map of names, each the points, or a map with them and more */
static int one_shape(struct build *b, const struct cb_conf_node *at, bool closed, struct cb_poly *g,
		     enum cb_anchor *a, double *near)
{
	static const char *const zone_keys[] = { "polygon", "anchor", "margin", NULL };
	static const char *const line_keys[] = { "points", "anchor", "band", NULL };
	const struct cb_conf_node *points = at, *n;

	*a = b->anchor;
	*near = -1;
	if (name_ok(b, at, at->key) < 0)
		return -1;
	if (at->kind == CB_CONF_MAP) {
		if (cb_conf_only(b->c, at, closed ? "a zone" : "a line", closed ? zone_keys : line_keys, b->err) < 0)
			return -1;
		points = cb_conf_get(at, closed ? "polygon" : "points");
		if (!points)
			return cb_conf_fail(b->c, at, b->err, closed ? "a zone needs polygon" : "a line needs points");
		if ((n = cb_conf_get(at, "anchor")) && anchor(b, n, a) < 0)
			return -1;
		if ((n = cb_conf_get(at, closed ? "margin" : "band")) &&
		    cb_conf_double(b->c, n, 0, 1, near, b->err) < 0)
			return -1;
	}
	return shape(b, points, closed, g);
}

static int zones(struct build *b, const struct cb_conf_node *at)
{
	if (at->kind != CB_CONF_MAP || at->size > CB_ZONES_MAX)
		return cb_conf_fail(b->c, at, b->err, "zones is a map of at most %d names and polygons", CB_ZONES_MAX);
	b->r->zone = calloc(at->size + 1, sizeof(*b->r->zone));
	if (!b->r->zone)
		return cb_err_nomem(b->err);
	for (const struct cb_conf_node *n = at->child; n; n = n->next) {
		struct cb_zone *z = &b->r->zone[b->r->zones++];

		z->name = n->key;
		if (one_shape(b, n, true, &z->poly, &z->anchor, &z->margin) < 0)
			return -1;
	}
	return 0;
}

static int lines(struct build *b, const struct cb_conf_node *at)
{
	if (at->kind != CB_CONF_MAP || at->size > CB_LINES_MAX)
		return cb_conf_fail(b->c, at, b->err, "lines is a map of at most %d names and points", CB_LINES_MAX);
	b->r->line = calloc(at->size + 1, sizeof(*b->r->line));
	if (!b->r->line)
		return cb_err_nomem(b->err);
	for (const struct cb_conf_node *n = at->child; n; n = n->next) {
		struct cb_line *l = &b->r->line[b->r->lines++];

		l->name = n->key;
		if (one_shape(b, n, false, &l->poly, &l->anchor, &l->band) < 0)
			return -1;
	}
	return 0;
}

static int ground(struct build *b, const struct cb_conf_node *at)
{
	static const char *const point_keys[] = { "at", "metres", NULL };
	struct cb_ground_point p[4];
	struct cb_err why = CB_ERR_INIT;
	int i = 0;

	if (at->kind != CB_CONF_SEQ || at->size != 4)
		return cb_conf_fail(b->c, at, b->err, "ground is a list of four points, each {at: [x, y], metres: [x, y]}");
	for (const struct cb_conf_node *n = at->child; n; n = n->next, i++) {
		const struct cb_conf_node *a, *m;

		if (cb_conf_only(b->c, n, "a point of ground", point_keys, b->err) < 0)
			return -1;
		a = cb_conf_get(n, "at");
		m = cb_conf_get(n, "metres");
		if (!a || !m || m->kind != CB_CONF_SEQ || m->size != 2)
			return cb_conf_fail(b->c, n, b->err, "a point of ground is {at: [x, y], metres: [x, y]}");
		if (point(b, a, &p[i].x, &p[i].y) < 0 ||
		    cb_conf_double(b->c, m->child, -1e5, 1e5, &p[i].east, b->err) < 0 ||
		    cb_conf_double(b->c, m->child->next, -1e5, 1e5, &p[i].north, b->err) < 0)
			return -1;
	}
	if (cb_ground_make(&b->r->ground, p, &why) < 0)
		return cb_conf_fail(b->c, at, b->err, "ground: %s", why.msg);
	b->r->has_ground = true;
	return 0;
}

/* "1920x1080", or a list of the two */
static int size(struct build *b, const struct cb_conf_node *at)
{
	uint64_t v[2] = { 0 };
	const char *s, *x;
	char w[16];

	if (at->kind == CB_CONF_SEQ && at->size == 2) {
		if (cb_conf_u64(b->c, at->child, 1, 16384, &v[0], b->err) < 0 ||
		    cb_conf_u64(b->c, at->child->next, 1, 16384, &v[1], b->err) < 0)
			return -1;
	} else {
		if (cb_conf_str(b->c, at, 64, &s, b->err) < 0)
			return -1;
		x = strchr(s, 'x');
		if (!x || (size_t)(x - s) >= sizeof(w))
			return cb_conf_fail(b->c, at, b->err, "size is WIDTHxHEIGHT");
		memcpy(w, s, (size_t)(x - s));
		w[x - s] = '\0';
		if (!cb_parse_u64(w, 1, 16384, &v[0]) || !cb_parse_u64(x + 1, 1, 16384, &v[1]))
			return cb_conf_fail(b->c, at, b->err, "size is WIDTHxHEIGHT, each 1 to 16384");
	}
	b->r->width = (uint32_t)v[0];
	b->r->height = (uint32_t)v[1];
	return 0;
}

/* --- rules --------------------------------------------------------------------------------------- */

static int zone_ref(struct build *b, const struct cb_conf_node *at, uint32_t *ret)
{
	const char *s;

	if (cb_conf_str(b->c, at, 255, &s, b->err) < 0)
		return -1;
	for (uint32_t i = 0; i < b->r->zones; i++)
		if (strcmp(b->r->zone[i].name, s) == 0) {
			*ret = i;
			return 0;
		}
	return cb_conf_fail(b->c, at, b->err, "no zone is called '%.64s'", s);
}

static int line_refs(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	struct cb_names l;

	if (names(b, at, &l) < 0)
		return -1;
	for (uint32_t i = 0; i < l.n; i++) {
		uint32_t k = 0;

		while (k < b->r->lines && strcmp(b->r->line[k].name, l.name[i]) != 0)
			k++;
		if (k == b->r->lines)
			return cb_conf_fail(b->c, at, b->err, "no line is called '%.64s'", l.name[i]);
		for (uint32_t h = 0; h < r->lines; h++)
			if (r->line[h] == k)
				return cb_conf_fail(b->c, at, b->err, "line '%s' is given twice", l.name[i]);
		r->line[r->lines++] = k;
	}
	return 0;
}

static int sizes(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	static const char *const size_keys[] = { "min_width", "max_width", "min_height", "max_height",
						 "min_area", "max_area", NULL };
	double *const to[] = { &r->min_width, &r->max_width, &r->min_height, &r->max_height,
			       &r->min_area, &r->max_area };
	double w = b->r->width ? b->r->width : 1, h = b->r->height ? b->r->height : 1;
	const double unit[] = { w, w, h, h, w * h, w * h };

	if (cb_conf_only(b->c, at, "size", size_keys, b->err) < 0)
		return -1;
	for (int i = 0; i < 6; i++) {
		const struct cb_conf_node *n = cb_conf_get(at, size_keys[i]);

		if (!n)
			continue;
		if (cb_conf_double(b->c, n, 0, unit[i], to[i], b->err) < 0)
			return -1;
		*to[i] /= unit[i];
	}
	if (r->min_width > r->max_width || r->min_height > r->max_height || r->min_area > r->max_area)
		return cb_conf_fail(b->c, at, b->err, "no object is of that size: a minimum is above its maximum");
	return 0;
}

static int resets(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	struct cb_names l;

	if (names(b, at, &l) < 0)
		return -1;
	for (uint32_t i = 0; i < l.n; i++)
		if (!cb_clock_parse(l.name[i], &r->reset_s[i]) || r->reset_s[i] == 86400)
			return cb_conf_fail(b->c, at, b->err, "'%.40s' is no time of the day (HH:MM)", l.name[i]);
	r->resets = l.n;
	return 0;
}

static int steps(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	struct cb_names l;

	if (names(b, at, &l) < 0)
		return -1;
	if (l.n < 2)
		return cb_conf_fail(b->c, at, b->err, "a sequence has two steps or more");
	for (uint32_t i = 0; i < l.n; i++) {
		uint32_t k = 0, own = (uint32_t)(r - b->r->rule);

		while (k < own && strcmp(b->r->rule[k].name, l.name[i]) != 0)
			k++;
		if (k == own)
			return cb_conf_fail(b->c, at, b->err, "no rule before this one is called '%.64s'", l.name[i]);
		r->step[r->steps++] = k;
	}
	return 0;
}

static int filters(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	const struct cb_conf_node *n;
	const char *s;

	if ((n = cb_conf_get(at, "cameras")) && names(b, n, &r->cameras) < 0)
		return -1;
	if ((n = cb_conf_get(at, "class")) && names(b, n, &r->classes) < 0)
		return -1;
	if ((n = cb_conf_get(at, "not_class")) && names(b, n, &r->not_classes) < 0)
		return -1;
	if ((n = cb_conf_get(at, "min_score")) && cb_conf_double(b->c, n, 0, 1, &r->min_score, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "size")) && sizes(b, n, r) < 0)
		return -1;
	if ((n = cb_conf_get(at, "silent")) && cb_conf_bool(b->c, n, &r->silent, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "schedule"))) {
		if (cb_conf_str(b->c, n, 255, &s, b->err) < 0)
			return -1;
		for (uint32_t i = 0; i < b->r->schedules; i++)
			if (strcmp(b->r->schedule[i].name, s) == 0)
				r->schedule = &b->r->schedule[i];
		if (!r->schedule)
			return cb_conf_fail(b->c, n, b->err, "no schedule is called '%.64s'", s);
	}
	return 0;
}

/* the keys of the type; cb_conf_only has seen that there are no others */
static int details(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	const struct cb_conf_node *n;
	uint64_t v;
	int i;

	if ((n = cb_conf_get(at, "zone")) && zone_ref(b, n, &r->zone) < 0)
		return -1;
	if ((n = cb_conf_get(at, "line")) && line_refs(b, n, r) < 0)
		return -1;
	if ((n = cb_conf_get(at, "direction"))) {
		if (word(b, n, "left|any|right", &i) < 0)
			return -1;
		r->turn = (enum cb_turn)(i - 1);
	}
	if ((n = cb_conf_get(at, "in"))) {
		if (word(b, n, "left|right", &i) < 0)
			return -1;
		r->turn = i ? CB_TURN_RIGHT : CB_TURN_LEFT;
	}
	if ((n = cb_conf_get(at, "pass_all")) && cb_conf_bool(b->c, n, &r->pass_all, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "for")) && duration(b, n, &r->for_us) < 0)
		return -1;
	if ((n = cb_conf_get(at, "within")) && duration(b, n, &r->within_us) < 0)
		return -1;
	if ((n = cb_conf_get(at, "grace")) && duration(b, n, &r->grace_us) < 0)
		return -1;
	if ((n = cb_conf_get(at, "present")) && duration(b, n, &r->present_us) < 0)
		return -1;
	if ((n = cb_conf_get(at, "every"))) {
		if (duration(b, n, &r->every_us) < 0)
			return -1;
		if (r->every_us < 1000000)
			return cb_conf_fail(b->c, n, b->err, "every is a second at least");
	}
	if ((n = cb_conf_get(at, "reset")) && resets(b, n, r) < 0)
		return -1;
	if ((n = cb_conf_get(at, "count"))) {
		if (cb_conf_u64(b->c, n, 1, CB_TRACKS_MAX, &v, b->err) < 0)
			return -1;
		r->count = (uint32_t)v;
	}
	if ((n = cb_conf_get(at, "density"))) {
		if (cb_conf_double(b->c, n, 0, 1, &r->density, b->err) < 0)
			return -1;
		if (r->density <= 0)
			return cb_conf_fail(b->c, n, b->err, "density is more than 0");
	}
	if ((n = cb_conf_get(at, "heading")) && cb_conf_double(b->c, n, 0, 360, &r->heading, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "tolerance")) && cb_conf_double(b->c, n, 1, 179, &r->tolerance, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "distance")) && cb_conf_double(b->c, n, 0.001, 4, &r->distance, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "radius")) && cb_conf_double(b->c, n, 0.001, 1, &r->radius, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "moved")) && cb_conf_bool(b->c, n, &r->moved, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(at, "owner")) && names(b, n, &r->owners) < 0)
		return -1;
	if ((n = cb_conf_get(at, "steps")) && steps(b, n, r) < 0)
		return -1;
	if ((n = cb_conf_get(at, "same"))) {
		if (word(b, n, "track|any", &i) < 0)
			return -1;
		r->any_track = i == 1;
	}
	r->under = cb_conf_get(at, "under") != NULL;
	if ((n = cb_conf_get(at, r->under ? "under" : "over")) && speed(b, n, r) < 0)
		return -1;
	return 0;
}

/* what a type cannot do without */
static int complete(struct build *b, const struct cb_conf_node *at, const struct cb_track_rule *r)
{
	const char *what = NULL;

#define HAS(key) (cb_conf_get(at, key) != NULL)
	switch (r->kind) {
	case CB_RULE_ENTER:
	case CB_RULE_EXIT:
		what = HAS("zone") ? NULL : "zone";
		break;
	case CB_RULE_DWELL:
	case CB_RULE_STOPPED:
	case CB_RULE_LEFT:
		what = r->for_us ? NULL : "for";
		break;
	case CB_RULE_CROSS:
		what = HAS("line") ? NULL : "line";
		break;
	case CB_RULE_COUNT:
		what = HAS("line") != HAS("zone") ? NULL : "either line or zone";
		break;
	case CB_RULE_CROWD:
		what = HAS("count") != HAS("density") ? NULL : "either count or density";
		break;
	case CB_RULE_DIRECTION:
		what = HAS("heading") ? NULL : "heading";
		break;
	case CB_RULE_SPEED:
		what = HAS("over") != HAS("under") ? NULL : "either over or under";
		break;
	case CB_RULE_REMOVED:
		what = r->for_us && r->present_us ? NULL : "for and present";
		break;
	case CB_RULE_SEQUENCE:
		what = HAS("steps") && r->within_us ? NULL : "steps and within";
		break;
	case CB_RULE_TAILGATE:
		what = HAS("line") && r->within_us ? NULL : "line and within";
		break;
	case CB_RULE_KINDS:
		break;
	}
#undef HAS
	return what ? cb_conf_fail(b->c, at, b->err, "rule '%s': type %s needs %s", r->name,
				   cb_track_kinds[r->kind].word, what) : 0;
}

static int one_rule(struct build *b, const struct cb_conf_node *at, struct cb_track_rule *r)
{
	const struct cb_conf_node *n;
	const char *s;
	int k = 0;

	*r = (struct cb_track_rule){ .zone = CB_NONE, .max_width = 1, .max_height = 1, .max_area = 1,
				     .tolerance = 90, .distance = 0.05, .radius = 0.02 };
	if (at->kind != CB_CONF_MAP)
		return cb_conf_fail(b->c, at, b->err, "a rule must be a map of keys and values");
	if (!(n = cb_conf_get(at, "name")))
		return cb_conf_fail(b->c, at, b->err, "a rule needs a name");
	if (cb_conf_str(b->c, n, 255, &r->name, b->err) < 0 || name_ok(b, n, r->name) < 0)
		return -1;
	for (const struct cb_track_rule *o = b->r->rule; o < r; o++)
		if (strcmp(o->name, r->name) == 0)
			return cb_conf_fail(b->c, n, b->err, "two rules are called '%s'", r->name);
	if (!(n = cb_conf_get(at, "type")))
		return cb_conf_fail(b->c, at, b->err, "rule '%s' needs a type", r->name);
	if (cb_conf_str(b->c, n, 255, &s, b->err) < 0)
		return -1;
	while (k < CB_RULE_KINDS && strcmp(cb_track_kinds[k].word, s) != 0)
		k++;
	if (k == CB_RULE_KINDS)
		return cb_conf_fail(b->c, n, b->err, "'%.40s' is none of enter, exit, dwell, cross, count, crowd, "
				    "direction, speed, stopped, left, removed, sequence, tailgate", s);
	r->kind = (enum cb_track_kind)k;
	if (r->kind == CB_RULE_COUNT)
		r->turn = CB_TURN_RIGHT;
	if (r->kind == CB_RULE_LEFT) {
		r->owners = (struct cb_names){ 1, { "person" } };
		r->classes = (struct cb_names){ 3, { "backpack", "handbag", "suitcase" } };
		r->distance = 0.25;
	}
	if (r->kind == CB_RULE_DWELL)
		r->grace_us = 1000000;
	if (r->kind == CB_RULE_SPEED)
		r->for_us = 500000;
	if (cb_conf_only(b->c, at, "this type of rule", keys[k], b->err) < 0 || filters(b, at, r) < 0 ||
	    details(b, at, r) < 0)
		return -1;
	return complete(b, at, r);
}

static int compile(struct build *b)
{
	static const char *const top[] = { "size", "timezone", "anchor", "ground", "zones", "lines", "schedules",
					   "rules", NULL };
	const struct cb_conf_node *root = cb_conf_root(b->c), *n;
	struct cb_err why = CB_ERR_INIT;
	const char *s;

	if (cb_conf_only(b->c, root, "the file", top, b->err) < 0)
		return -1;
	if ((n = cb_conf_get(root, "size")) && size(b, n) < 0)
		return -1;
	if ((n = cb_conf_get(root, "timezone"))) {
		if (cb_conf_str(b->c, n, 100, &s, b->err) < 0)
			return -1;
		if (cb_tz_load(&b->r->tz, s, &why) < 0)
			return cb_conf_fail(b->c, n, b->err, "%s", why.msg);
	}
	if ((n = cb_conf_get(root, "anchor")) && anchor(b, n, &b->anchor) < 0)
		return -1;
	if ((n = cb_conf_get(root, "ground")) && ground(b, n) < 0)
		return -1;
	if ((n = cb_conf_get(root, "zones")) && zones(b, n) < 0)
		return -1;
	if ((n = cb_conf_get(root, "lines")) && lines(b, n) < 0)
		return -1;
	if ((n = cb_conf_get(root, "schedules")) && cb_schedules_parse(b->c, n, &b->r->schedule, &b->r->schedules, b->err) < 0)
		return -1;
	n = cb_conf_get(root, "rules");
	if (!n)
		return 0;
	if (n->kind != CB_CONF_SEQ || n->size > CB_TRACK_RULES_MAX)
		return cb_conf_fail(b->c, n, b->err, "rules is a list of at most %d rules", CB_TRACK_RULES_MAX);
	b->r->rule = calloc(n->size + 1, sizeof(*b->r->rule));
	if (!b->r->rule)
		return cb_err_nomem(b->err);
	for (n = n->child; n; n = n->next, b->r->n++)
		if (one_rule(b, n, &b->r->rule[b->r->n]) < 0)
			return -1;
	return 0;
}

int cb_track_rules_parse(struct cb_track_rules **ret, const char *name, const void *p, size_t n,
			 struct cb_err *err)
{
	struct build b = { .anchor = CB_ANCHOR_BOTTOM, .err = err };
	uint8_t digest[CB_SHA256_LEN];

	if (cb_conf_parse(&b.c, name, p, n, err) < 0)
		return -1;
	b.r = calloc(1, sizeof(*b.r));
	if (!b.r) {
		cb_conf_free(b.c);
		return cb_err_nomem(err);
	}
	b.r->conf = b.c;
	cb_sha256(digest, p, n);
	cb_hex(b.r->sha256, digest, sizeof(digest));
	if (compile(&b) < 0) {
		cb_track_rules_free(b.r);
		return -1;
	}
	*ret = b.r;
	return 0;
}

int cb_track_rules_load(struct cb_track_rules **ret, const char *path, struct cb_err *err)
{
	uint8_t *p = NULL;
	size_t n = 0;
	int k;

	if (cb_file_read(path, CB_CONF_SIZE, &p, &n, err) < 0) {
		if (err && err->code == CB_E_DATA)
			err->code = CB_E_CONFIG;
		return cb_err_prefix(err, "%s", path);
	}
	k = cb_track_rules_parse(ret, path, p, n, err);
	free(p);
	return k;
}

void cb_track_rules_free(struct cb_track_rules *r)
{
	if (!r)
		return;
	free(r->zone);
	free(r->line);
	free(r->schedule);
	free(r->rule);
	cb_tz_free(r->tz);
	cb_conf_free(r->conf);
	free(r);
}

bool cb_names_have(const struct cb_names *l, const char *name)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->name[i], name) == 0)
			return true;
	return false;
}

double cb_near(double stated, const struct cb_rect *box)
{
	return stated >= 0 ? stated : box->h > 0.1 ? 0.1 * box->h : 0.01;
}

bool cb_track_rule_for(const struct cb_track_rule *r, const char *camera)
{
	return !r->cameras.n || cb_names_have(&r->cameras, camera);
}

bool cb_track_rules_misfit(const struct cb_track_rules *r, uint32_t width, uint32_t height)
{
	double stated, real;

	if (!r->width || !width || !height)
		return false;
	stated = (double)r->width / r->height;
	real = (double)width / height;
	return fabs(stated - real) > 0.01 * real;
}
