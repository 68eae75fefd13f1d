/* SPDX-License-Identifier: Apache-2.0 */
/* The state machines of the rules. */
#include "track/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "track/watchline.h"

#define NEVER INT64_MIN
#define ZONES_EVERY_US 60000000
#define ASSETS_MAX 32		/* things that a rule "removed" looks after */
#define SAME_PLACE 0.5		/* intersection over union by which a thing is known again */

/* --- state ------------------------------------------------------------------------------------ */

struct in_zone {
	bool in, began;
	int64_t since_us, until_us;	/* entered; last seen inside */
};
struct at_line {
	bool sided;			/* it was outside the band */
	int8_t crossed;			/* in this picture: -1 to the left, 1 to the right */
	int16_t net;			/* crossings since it was outside the band last */
	int64_t side_us, since_us;	/* when that was; for crossed: on the other side */
};
/* of a track in a rule; which kind uses what stands at the kinds */
struct in_rule {
	uint8_t state;
	bool fit, moved;
	int64_t a_us, b_us;
	struct cb_pt ref;
	uint64_t mask;
};
struct tstate {
	uint64_t number;		/* 0: none */
	struct cb_rect box;		/* where it was seen last */
	char other[CB_EVENT_ID_LEN];	/* left: who was last near */
	struct in_zone *zone;
	struct at_line *line;
	struct in_rule *rule;
	int64_t *chain;			/* steps of sequences */
};

struct passed {				/* tailgate: who crossed last */
	int64_t t_us;
	uint64_t number;
	char id[CB_EVENT_ID_LEN];
};
struct asset {				/* removed: a thing that stands there */
	bool used;
	uint64_t number, was;		/* its track, 0: not there now; the last one */
	uint32_t class;
	double score;
	struct cb_rect box;
	int64_t seen_us, missed_us;	/* last; first without it since, or NEVER */
	char id[CB_EVENT_ID_LEN];
};
/* of a rule */
struct whole {
	bool on;			/* for this camera */
	bool open;			/* its schedule, in this picture */
	uint8_t state;
	int64_t a_us, b_us;
	uint64_t in, out, told_in, told_out;
	int64_t inside;
	int64_t from_us;
	struct passed *passed;		/* two for each line: to the left, to the right */
	struct asset *asset;
	uint32_t chain;			/* where its steps begin, of a track's or of the watch's */
};

struct cb_watch {
	const struct cb_track_rules *r;
	cb_watch_fn *fn;
	void *ctx;
	struct whole *rule;
	uint8_t *match;			/* rule x class: 0 unknown, 1 no, 2 yes */
	uint32_t steps;			/* of sequences of one track */
	int64_t *chain;			/* of sequences of any */
	bool any;
	int64_t t_us, zones_us;
	double aspect;
	uint32_t events;		/* of this picture, for ids */
	const struct cb_scene *s;
	struct cb_scene_picture p;
	struct cb_track *const *tracks;
	uint32_t n;
	struct cb_buf line;
	struct tstate *slot[CB_TRACKS_MAX];
	struct cb_watch *next;		/* of a cb_watches */
};

static void *zeroed(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

static int setup(struct cb_watch *w, const char *camera)
{
	uint32_t any = 0;

	w->rule = zeroed(w->r->n, sizeof(*w->rule));
	w->match = zeroed((size_t)w->r->n * CB_TRACK_CLASSES, 1);
	if (!w->rule || !w->match)
		return -1;
	for (uint32_t i = 0; i < w->r->n; i++) {
		const struct cb_track_rule *r = &w->r->rule[i];
		struct whole *h = &w->rule[i];

		h->on = cb_track_rule_for(r, camera);
		h->a_us = h->b_us = h->from_us = NEVER;
		if (r->kind == CB_RULE_TAILGATE && !(h->passed = zeroed(2 * (size_t)r->lines, sizeof(*h->passed))))
			return -1;
		if (r->kind == CB_RULE_REMOVED && !(h->asset = zeroed(ASSETS_MAX, sizeof(*h->asset))))
			return -1;
		if (r->kind == CB_RULE_SEQUENCE) {
			h->chain = r->any_track ? any : w->steps;
			*(r->any_track ? &any : &w->steps) += r->steps;
		}
	}
	w->chain = zeroed(any, sizeof(*w->chain));
	if (!w->chain)
		return -1;
	for (uint32_t i = 0; i < any; i++)
		w->chain[i] = NEVER;
	return 0;
}

int cb_watch_new(struct cb_watch **ret, const struct cb_track_rules *rules, const char *camera,
		 cb_watch_fn *fn, void *ctx, struct cb_err *err)
{
	struct cb_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return cb_err_nomem(err);
	*w = (struct cb_watch){ .r = rules, .fn = fn, .ctx = ctx, .zones_us = NEVER };
	if (setup(w, camera) < 0) {
		cb_watch_free(w);
		return cb_err_nomem(err);
	}
	*ret = w;
	return 0;
}

void cb_watch_free(struct cb_watch *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; w->rule && i < w->r->n; i++) {
		free(w->rule[i].passed);
		free(w->rule[i].asset);
	}
	for (uint32_t i = 0; i < CB_TRACKS_MAX; i++)
		free(w->slot[i]);
	free(w->rule);
	free(w->match);
	free(w->chain);
	cb_buf_release(&w->line);
	free(w);
}

/* One block for all of a track's state. */
static struct tstate *state_new(const struct cb_watch *w)
{
	const struct cb_track_rules *r = w->r;
	size_t zones = r->zones * sizeof(struct in_zone), lines = r->lines * sizeof(struct at_line);
	size_t rules = r->n * sizeof(struct in_rule), steps = w->steps * sizeof(int64_t);
	struct tstate *t = malloc(sizeof(*t) + zones + lines + rules + steps);

	if (t) {
		t->zone = (struct in_zone *)(t + 1);
		t->line = (struct at_line *)(t->zone + r->zones);
		t->rule = (struct in_rule *)(t->line + r->lines);
		t->chain = (int64_t *)(t->rule + r->n);
	}
	return t;
}

static void state_begin(const struct cb_watch *w, struct tstate *t, uint64_t number)
{
	t->number = number;
	t->other[0] = '\0';
	memset(t->zone, 0, w->r->zones * sizeof(*t->zone));
	memset(t->line, 0, w->r->lines * sizeof(*t->line));
	memset(t->rule, 0, w->r->n * sizeof(*t->rule));
	for (uint32_t i = 0; i < w->r->n; i++)
		t->rule[i].a_us = t->rule[i].b_us = NEVER;
	for (uint32_t i = 0; i < w->steps; i++)
		t->chain[i] = NEVER;
}

/* The state of a track that is known, or NULL. */
static struct tstate *state_of(const struct cb_watch *w, const struct cb_track *t)
{
	struct tstate *s = t->slot < CB_TRACKS_MAX ? w->slot[t->slot] : NULL;

	return s && s->number == t->number ? s : NULL;
}

uint64_t cb_watch_zones(const struct cb_watch *w, const struct cb_track *t)
{
	const struct tstate *s = state_of(w, t);
	uint64_t bits = 0;

	for (uint32_t i = 0; s && i < w->r->zones; i++)
		bits |= (uint64_t)s->zone[i].in << i;
	return bits;
}

/* --- where a track is ------------------------------------------------------------------------------ */

static struct cb_pt anchor_pt(enum cb_anchor a, const struct cb_rect *box)
{
	double x, y;

	cb_anchor_of(a, box, &x, &y);
	return cb_pt_of(x, y);
}

static void walk_zone(const struct cb_watch *w, struct in_zone *at, const struct cb_zone *z,
		      const struct cb_rect *box, int64_t t_us, bool first)
{
	struct cb_pt p = anchor_pt(z->anchor, box);
	bool in = cb_poly_has(&z->poly, p);

	if (!in && at->in)	/* on the edge it stays where it was */
		in = cb_poly_distance(&z->poly, p, w->aspect) <= cb_near(z->margin, box);
	if (in && !at->in) {
		at->since_us = t_us;
		at->began = first;
	}
	at->in = in;
	if (in)
		at->until_us = t_us;
}

static void walk_line(const struct cb_watch *w, struct at_line *at, const struct cb_line *l,
		      const struct cb_rect *from, const struct cb_rect *to, int64_t t_us, bool first)
{
	struct cb_pt p = anchor_pt(l->anchor, to);
	int net = at->net;

	if (!first)
		net += cb_line_crossings(&l->poly, anchor_pt(l->anchor, from), p);
	net = net > 1000 ? 1000 : net < -1000 ? -1000 : net;
	at->net = (int16_t)net;
	if (cb_poly_distance(&l->poly, p, w->aspect) <= cb_near(l->band, to))
		return;
	/* outside the band: what it crossed since it was there last counts, once */
	if (at->sided && at->net) {
		at->crossed = at->net > 0 ? 1 : -1;
		at->since_us = at->side_us;
	}
	at->sided = true;
	at->net = 0;
	at->side_us = t_us;
}

static void walk(const struct cb_watch *w, struct tstate *t, const struct cb_rect *box, int64_t t_us,
		 bool first)
{
	for (uint32_t i = 0; i < w->r->zones; i++)
		walk_zone(w, &t->zone[i], &w->r->zone[i], box, t_us, first);
	for (uint32_t i = 0; i < w->r->lines; i++)
		walk_line(w, &t->line[i], &w->r->line[i], &t->box, box, t_us, first);
	t->box = *box;
}

/* Take a track to this picture; a new one through all that is remembered of it. */
static int follow(struct cb_watch *w, const struct cb_track *t, struct cb_err *err)
{
	struct tstate *s = state_of(w, t);
	uint64_t old;

	if (s) {
		for (uint32_t i = 0; i < w->r->lines; i++)
			s->line[i].crossed = 0;
		if (t->state == CB_TRACK_SEEN)
			walk(w, s, &t->box, w->t_us, false);
		return 0;
	}
	if (t->slot >= CB_TRACKS_MAX)
		return cb_err_set(err, CB_E_BUG, "track slot %u", t->slot);
	s = w->slot[t->slot];
	if (!s && !(s = w->slot[t->slot] = state_new(w)))
		return cb_err_nomem(err);
	state_begin(w, s, t->number);
	old = t->points < CB_TRACK_PAST ? t->points : CB_TRACK_PAST;
	for (uint64_t i = old; i-- > 0; ) {
		const struct cb_track_point *p = cb_track_point(t, i);

		walk(w, s, &p->box, p->t_us, i == old - 1);
	}
	if (!old)
		walk(w, s, &t->box, w->t_us, true);
	return 0;
}

/* --- filters ------------------------------------------------------------------------------------------ */

static const char *class_of(const struct cb_watch *w, uint32_t class)
{
	return class < w->s->classes && class < CB_TRACK_CLASSES ? w->s->class[class].name : "";
}

static bool class_fits(struct cb_watch *w, uint32_t i, uint32_t class)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	const char *name;
	uint8_t *m;

	if (class >= CB_TRACK_CLASSES)
		return false;
	m = &w->match[(size_t)i * CB_TRACK_CLASSES + class];
	if (!*m) {
		name = class_of(w, class);
		*m = (!r->classes.n || cb_names_have(&r->classes, name)) &&
			!cb_names_have(&r->not_classes, name) ? 2 : 1;
	}
	return *m == 2;
}

static bool fits(struct cb_watch *w, uint32_t i, const struct cb_track *t)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	double area = t->box.w * t->box.h;

	return class_fits(w, i, t->class) && t->top >= r->min_score &&
		t->box.w >= r->min_width && (t->box.w <= r->max_width || r->max_width >= 1) &&
		t->box.h >= r->min_height && (t->box.h <= r->max_height || r->max_height >= 1) &&
		area >= r->min_area && (area <= r->max_area || r->max_area >= 1);
}

/* In the rule's zone, of its kind and in its hours? Whoever fitted keeps fitting while inside. */
static bool member(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	bool in = r->zone == CB_NONE || s->zone[r->zone].in;

	if (!in)
		x->fit = false;
	else if (!x->fit)
		x->fit = fits(w, i, t);
	return in && x->fit && w->rule[i].open;
}

static int64_t inside_since(const struct cb_watch *w, uint32_t i, const struct cb_track *t, const struct tstate *s)
{
	uint32_t z = w->r->rule[i].zone;

	return z == CB_NONE ? t->born_us : s->zone[z].since_us;
}

/* the point by which a rule that is about places and speeds goes */
static struct cb_pt place(const struct cb_watch *w, uint32_t i, const struct cb_rect *box)
{
	uint32_t z = w->r->rule[i].zone;

	return anchor_pt(z == CB_NONE ? CB_ANCHOR_BOTTOM : w->r->zone[z].anchor, box);
}

/* --- firing --------------------------------------------------------------------------------------------- */

static int fire(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s,
		struct cb_watch_event *e, struct cb_err *err);

/* A rule fired: sequences that have it as a step go on. A chain is known by when it began. */
static int advance(struct cb_watch *w, uint32_t fired, const struct cb_track *t, struct tstate *s,
		   struct cb_err *err)
{
	for (uint32_t i = fired + 1; i < w->r->n; i++) {
		const struct cb_track_rule *r = &w->r->rule[i];
		int64_t *chain = r->any_track ? w->chain : s ? s->chain : NULL, began = NEVER;

		if (r->kind != CB_RULE_SEQUENCE || !w->rule[i].on || !chain)
			continue;
		chain += w->rule[i].chain;
		/* the last step first, so that one event is one step */
		for (uint32_t k = r->steps; k-- > 0; ) {
			int64_t from = k ? chain[k - 1] : w->t_us;

			if (r->step[k] != fired || from == NEVER || w->t_us - from > r->within_us)
				continue;
			if (k + 1 == r->steps)
				began = from;
			else
				chain[k] = from;
		}
		if (began == NEVER)
			continue;
		for (uint32_t k = 0; k < r->steps; k++)
			chain[k] = NEVER;
		if (w->rule[i].open && (!t || fits(w, i, t))) {
			struct cb_watch_event e = { .since_us = began, .line = CB_NONE };

			if (fire(w, i, t, s, &e, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int tell(struct cb_watch *w, uint32_t i, struct cb_watch_event *e, struct cb_err *err)
{
	e->rule = &w->r->rule[i];
	if (e->rule->silent)
		return 0;
	if (cb_watch_line(&w->line, w->r, w->s, &w->p, e, w->events++, err) < 0)
		return -1;
	return w->fn(w->ctx, e, &w->line, err);
}

/* About a track, or the box and id that e has. */
static int fire(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s,
		struct cb_watch_event *e, struct cb_err *err)
{
	e->t_us = w->t_us;
	if (t) {
		e->track = t->id;
		e->number = t->number;
		e->class = class_of(w, t->class);
		e->box = s ? s->box : t->box;
		e->score = t->score;
	}
	if (tell(w, i, e, err) < 0)
		return -1;
	return e->state == CB_WATCH_END ? 0 : advance(w, i, t, s, err);
}

/* --- zones --------------------------------------------------------------------------------------------- */

/* state: 1 waiting, 2 told */
static int enter(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	struct cb_watch_event e = { .since_us = s->zone[r->zone].since_us, .line = CB_NONE,
				    .began = s->zone[r->zone].began };

	if (!member(w, i, t, s)) {
		x->state = 0;
		return 0;
	}
	if (x->state == 2 || w->t_us - e.since_us < r->for_us)
		return 0;
	x->state = 2;
	return fire(w, i, t, s, &e, err);
}

/* state: 1 inside; a_us, b_us: entered, last seen there */
static int leave(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, bool gone,
		 struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	const struct in_zone *z = &s->zone[r->zone];
	struct in_rule *x = &s->rule[i];
	struct cb_watch_event e = { .line = CB_NONE, .gone = gone };

	if (!gone && z->in) {
		x->state = member(w, i, t, s);
		x->a_us = z->since_us;
		x->b_us = z->until_us;
		return 0;
	}
	x->fit = false;
	if (!x->state)
		return 0;
	x->state = 0;
	if (!w->rule[i].open)
		return 0;
	e.since_us = x->a_us;
	e.until_us = x->b_us;
	return fire(w, i, t, s, &e, err);
}

/* state: 1 waiting, 2 told; a_us: the stay began; b_us: it was seen outside since, or NEVER */
static int dwell(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	struct cb_watch_event e = { .line = CB_NONE };
	bool in = member(w, i, t, s);

	if (x->state && x->b_us == NEVER && !in)
		x->b_us = w->t_us;
	if (x->state && ((x->b_us != NEVER && w->t_us - x->b_us > r->grace_us) || !w->rule[i].open))
		x->state = 0;
	if (!in)
		return 0;
	if (!x->state) {
		x->state = 1;
		x->a_us = inside_since(w, i, t, s);
	}
	x->b_us = NEVER;
	if (x->state == 2 || w->t_us - x->a_us < r->for_us)
		return 0;
	x->state = 2;
	e.since_us = x->a_us;
	return fire(w, i, t, s, &e, err);
}

/* --- lines --------------------------------------------------------------------------------------------- */

static int cross(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];

	for (uint32_t k = 0; k < r->lines; k++) {
		const struct at_line *at = &s->line[r->line[k]];
		struct cb_watch_event e = { .since_us = at->since_us, .line = r->line[k], .turn = at->crossed };

		if (!at->crossed || (r->turn && at->crossed != r->turn) || !w->rule[i].open || !fits(w, i, t))
			continue;
		if (fire(w, i, t, s, &e, err) < 0)
			return -1;
	}
	return 0;
}

static int tailgate(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s,
		    struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];

	for (uint32_t k = 0; k < r->lines; k++) {
		const struct at_line *at = &s->line[r->line[k]];
		struct passed *p = &w->rule[i].passed[2 * k + (at->crossed > 0)];
		struct passed before = *p;
		struct cb_watch_event e = { .since_us = before.t_us, .line = r->line[k], .turn = at->crossed,
					    .other = before.id };

		if (!at->crossed || (r->turn && at->crossed != r->turn) || !w->rule[i].open || !fits(w, i, t))
			continue;
		p->t_us = w->t_us;
		p->number = t->number;
		memcpy(p->id, t->id, sizeof(p->id));
		if (before.number && before.number != t->number && w->t_us - before.t_us <= r->within_us &&
		    fire(w, i, t, s, &e, err) < 0)
			return -1;
	}
	return 0;
}

/* --- counting ------------------------------------------------------------------------------------------ */

static int64_t occupancy(const struct cb_watch *w, uint32_t i)
{
	const struct whole *h = &w->rule[i];

	return w->r->rule[i].zone == CB_NONE ? (int64_t)(h->in - h->out) : h->inside;
}

static void counts(const struct cb_watch *w, uint32_t i, struct cb_watch_event *e)
{
	e->in = w->rule[i].in;
	e->out = w->rule[i].out;
	e->occupancy = occupancy(w, i);
}

static int counted(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, bool in,
		   uint32_t line, struct cb_err *err)
{
	struct whole *h = &w->rule[i];
	struct cb_watch_event e = { .line = line, .turn = line == CB_NONE ? 0 : s->line[line].crossed };

	if (in)
		h->in++;
	else
		h->out++;
	if (w->r->rule[i].every_us)
		return advance(w, i, t, s, err);
	counts(w, i, &e);
	e.since_us = h->a_us;
	return fire(w, i, t, s, &e, err);
}

/* mask: with pass_all the lines crossed, to the right below, to the left above */
static int count_lines(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s,
		       struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];

	for (uint32_t k = 0; k < r->lines; k++) {
		const struct at_line *at = &s->line[r->line[k]];
		unsigned side = at->crossed > 0 ? 0 : 32;
		uint64_t all = (UINT64_C(1) << r->lines) - 1;

		if (!at->crossed || !w->rule[i].open || !fits(w, i, t))
			continue;
		if (r->pass_all) {
			/* back again is not passed */
			x->mask &= ~(UINT64_C(1) << (k + (32 - side)));
			x->mask |= UINT64_C(1) << (k + side);
			if ((x->mask >> side & all) != all)
				continue;
			x->mask &= ~(all << side);
		}
		if (counted(w, i, t, s, at->crossed == (int)r->turn, r->line[k], err) < 0)
			return -1;
	}
	return 0;
}

/* state: 1 inside */
static int count_zone(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, bool gone,
		      struct cb_err *err)
{
	struct in_rule *x = &s->rule[i];
	bool in = !gone && member(w, i, t, s);

	/* who is inside when the hours end is still inside when they begin */
	if (in == x->state || (!gone && !w->rule[i].open))
		return 0;
	x->state = in;
	w->rule[i].inside += in ? 1 : -1;
	return counted(w, i, t, s, in, CB_NONE, err);
}

static int64_t floor_to(int64_t v, int64_t unit)
{
	return v - ((v % unit) + unit) % unit;
}

static int64_t offset_us(const struct cb_watch *w, int64_t t_us)
{
	int64_t s = t_us / 1000000 - (t_us % 1000000 < 0);

	return w->r->tz ? INT64_C(1000000) * cb_tz_offset(w->r->tz, s) : 0;
}

/* the last time of reset at or before t */
static int64_t last_reset(const struct cb_watch *w, const struct cb_track_rule *r, int64_t t_us)
{
	const int64_t day = INT64_C(86400000000);
	int64_t off = offset_us(w, t_us), midnight = floor_to(t_us + off, day) - off, best = NEVER;

	for (uint32_t k = 0; k < r->resets; k++) {
		int64_t at = midnight + INT64_C(1000000) * r->reset_s[k];

		if (at > t_us)
			at -= day;
		best = at > best ? at : best;
	}
	return best;
}

/* What was counted from h->from_us to to_us. */
static int interval(struct cb_watch *w, uint32_t i, int64_t to_us, struct cb_err *err)
{
	struct whole *h = &w->rule[i];
	struct cb_watch_event e = { .t_us = to_us, .since_us = h->from_us, .line = CB_NONE, .interval = true,
				    .from_us = h->from_us, .to_us = to_us, .more_in = h->in - h->told_in,
				    .more_out = h->out - h->told_out };

	counts(w, i, &e);
	h->told_in = h->in;
	h->told_out = h->out;
	h->from_us = to_us;
	return tell(w, i, &e, err);
}

static int reset(struct cb_watch *w, uint32_t i, int64_t at_us, struct cb_err *err)
{
	struct whole *h = &w->rule[i];
	struct cb_watch_event e = { .t_us = at_us, .since_us = h->a_us, .line = CB_NONE, .reset = true };

	counts(w, i, &e);
	h->in = h->out = h->told_in = h->told_out = 0;
	h->a_us = at_us;
	return tell(w, i, &e, err);
}

/* Before a picture's tracks are looked at: intervals that are over, and resets, as they came.
 * a_us: counting since */
static int count_time(struct cb_watch *w, uint32_t i, int64_t before_us, struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct whole *h = &w->rule[i];
	int64_t off = offset_us(w, w->t_us), edge = NEVER, zero;

	if (h->from_us == NEVER)
		h->from_us = h->a_us = w->t_us;
	if (before_us == NEVER)
		return 0;
	zero = last_reset(w, r, w->t_us);
	if (zero <= before_us)
		zero = NEVER;
	if (r->every_us) {
		edge = floor_to(w->t_us + off, r->every_us) - off;
		if (edge <= before_us)
			edge = NEVER;
	}
	/* the report stands before the reset of the same moment */
	if (edge != NEVER && (zero == NEVER || edge <= zero) && interval(w, i, edge, err) < 0)
		return -1;
	if (zero != NEVER) {
		if (r->every_us && h->from_us < zero && edge != zero && interval(w, i, zero, err) < 0)
			return -1;
		if (reset(w, i, zero, err) < 0)
			return -1;
		if (edge != NEVER && edge > zero && interval(w, i, edge, err) < 0)
			return -1;
	}
	return 0;
}

/* --- many at once --------------------------------------------------------------------------------------- */

/* Of the whole picture, after its tracks. state: 1 told; a_us: so many since; b_us: no longer since */
static int crowd(struct cb_watch *w, uint32_t i, struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct whole *h = &w->rule[i];
	struct cb_watch_event e = { .line = CB_NONE };
	double covered = 0, area = r->zone == CB_NONE ? 1 : cb_poly_area(&w->r->zone[r->zone].poly);
	bool full;

	for (uint32_t k = 0; k < w->n; k++) {
		struct tstate *s = state_of(w, w->tracks[k]);

		if (!s || !member(w, i, w->tracks[k], s))
			continue;
		e.count++;
		covered += r->zone == CB_NONE ? s->box.w * s->box.h :
			cb_poly_cover(&w->r->zone[r->zone].poly, s->box.x, s->box.y, s->box.w, s->box.h);
	}
	e.density = covered < area ? covered / area : 1;
	full = h->open && (r->count ? e.count >= r->count : e.density >= r->density);
	if (full) {
		h->b_us = NEVER;
		if (h->a_us == NEVER)
			h->a_us = w->t_us;
		if (h->state || w->t_us - h->a_us < r->for_us)
			return 0;
		h->state = 1;
		e.state = CB_WATCH_START;
		e.since_us = h->a_us;
		return fire(w, i, NULL, NULL, &e, err);
	}
	if (!h->state) {
		h->a_us = NEVER;
		return 0;
	}
	if (h->b_us == NEVER)
		h->b_us = w->t_us;
	if (w->t_us - h->b_us < r->for_us && h->open)
		return 0;
	e.state = CB_WATCH_END;
	e.since_us = h->a_us;
	h->state = 0;
	h->a_us = h->b_us = NEVER;
	return fire(w, i, NULL, NULL, &e, err);
}

/* --- movement -------------------------------------------------------------------------------------------- */

/* 0 is up, 90 to the right */
static double degrees(const struct cb_watch *w, struct cb_pt a, struct cb_pt b)
{
	double d = atan2((b.x - a.x) * w->aspect, a.y - b.y) * 180 / M_PI;

	return d < 0 ? d + 360 : d;
}

/* state: 1 measuring, 2 told; ref, a_us: where and when the measured way begins */
static int direction(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s,
		     struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	struct cb_watch_event e = { .line = CB_NONE };
	struct cb_pt p = place(w, i, &s->box);
	double off;

	if (!member(w, i, t, s)) {
		x->state = 0;
		return 0;
	}
	if (!x->state) {
		x->state = 1;
		x->ref = p;
		x->a_us = w->t_us;
	}
	if (x->state == 2 || cb_pt_distance(x->ref, p, w->aspect) < r->distance)
		return 0;
	e.heading = degrees(w, x->ref, p);
	e.since_us = x->a_us;
	off = fabs(e.heading - r->heading);
	off = off > 180 ? 360 - off : off;
	x->ref = p;
	x->a_us = w->t_us;
	if (off <= r->tolerance)
		return 0;
	x->state = 2;
	return fire(w, i, t, s, &e, err);
}

static bool speed_of(const struct cb_watch *w, uint32_t i, const struct cb_track *t, double *ret)
{
	double x, y, east, north;
	struct cb_pt p;

	if (!w->r->rule[i].metric) {
		x = t->vx * w->aspect;
		*ret = sqrt(x * x + t->vy * t->vy);
		return true;
	}
	p = anchor_pt(CB_ANCHOR_BOTTOM, &t->box);
	x = (double)p.x / CB_PT_ONE;
	y = (double)p.y / CB_PT_ONE;
	if (!cb_ground_speed(&w->r->ground, x, y, t->vx, t->vy, &east, &north))
		return false;
	*ret = sqrt(east * east + north * north);
	return true;
}

/* state: 1 too fast (or slow), 2 told; a_us: since */
static int speed(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	struct cb_watch_event e = { .line = CB_NONE, .metric = r->metric };

	if (!member(w, i, t, s)) {
		x->state = 0;
		return 0;
	}
	if (x->state == 2 || !speed_of(w, i, t, &e.speed))
		return 0;
	if (r->under ? e.speed >= r->speed : e.speed <= r->speed) {
		x->state = 0;
		return 0;
	}
	if (!x->state) {
		x->state = 1;
		x->a_us = w->t_us;
	}
	if (w->t_us - x->a_us < r->for_us)
		return 0;
	x->state = 2;
	e.since_us = x->a_us;
	return fire(w, i, t, s, &e, err);
}

/* Does it stand where it stood? ref, a_us: where, since when; moved: it was elsewhere. */
static bool stands(const struct cb_watch *w, uint32_t i, struct in_rule *x, struct tstate *s, int64_t first_us)
{
	struct cb_pt p = place(w, i, &s->box);

	if (x->a_us == NEVER) {
		x->ref = p;
		x->a_us = first_us;
		return true;
	}
	if (cb_pt_distance(x->ref, p, w->aspect) <= w->r->rule[i].radius)
		return true;
	x->ref = p;
	x->a_us = w->t_us;
	x->moved = true;
	return false;
}

static int ended_standing(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s,
			  int64_t since_us, bool gone, struct cb_err *err)
{
	struct cb_watch_event e = { .state = CB_WATCH_END, .line = CB_NONE, .since_us = since_us, .gone = gone };

	s->rule[i].state = 0;
	return fire(w, i, t, s, &e, err);
}

/* state: 1 told; mask: since when, as told */
static int stopped(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, bool gone,
		   struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	struct cb_watch_event e = { .state = CB_WATCH_START, .line = CB_NONE };
	bool in = !gone && member(w, i, t, s), still = in && stands(w, i, x, s, w->t_us);

	if (!in)
		x->a_us = NEVER;
	if (!still)
		return x->state ? ended_standing(w, i, t, s, (int64_t)x->mask, gone, err) : 0;
	if (x->state || w->t_us - x->a_us < r->for_us || (r->moved && !x->moved))
		return 0;
	x->state = 1;
	x->mask = (uint64_t)x->a_us;
	e.since_us = x->a_us;
	return fire(w, i, t, s, &e, err);
}

/* b_us: an owner was near last; s->other: which */
static int left(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, bool gone,
		struct cb_err *err)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	struct cb_watch_event e = { .state = CB_WATCH_START, .line = CB_NONE, .other = s->other };
	bool in = !gone && member(w, i, t, s), still = in && stands(w, i, x, s, w->t_us);
	struct cb_pt here = place(w, i, &s->box);

	for (uint32_t k = 0; still && k < w->n; k++) {
		const struct cb_track *o = w->tracks[k];

		if (o == t || o->state != CB_TRACK_SEEN || !cb_names_have(&r->owners, class_of(w, o->class)) ||
		    cb_pt_distance(here, place(w, i, &o->box), w->aspect) > r->distance)
			continue;
		x->b_us = w->t_us;
		memcpy(s->other, o->id, sizeof(s->other));
		break;
	}
	if (!in)
		x->a_us = NEVER;
	if (!still)
		return x->state ? ended_standing(w, i, t, s, (int64_t)x->mask, gone, err) : 0;
	e.since_us = x->a_us > x->b_us ? x->a_us : x->b_us;
	if (x->state || w->t_us - e.since_us < r->for_us)
		return 0;
	x->state = 1;
	x->mask = (uint64_t)e.since_us;
	return fire(w, i, t, s, &e, err);
}

/* --- what is no longer there ------------------------------------------------------------------------------ */

static struct asset *asset_of(struct whole *h, uint64_t number)
{
	for (uint32_t k = 0; k < ASSETS_MAX; k++)
		if (h->asset[k].used && h->asset[k].number == number)
			return &h->asset[k];
	return NULL;
}

static void bind(const struct cb_watch *w, struct asset *a, const struct cb_track *t, const struct tstate *s)
{
	a->used = true;
	a->number = a->was = t->number;
	a->class = t->class;
	a->score = t->score;
	a->box = s->box;
	a->seen_us = w->t_us;
	a->missed_us = NEVER;
	memcpy(a->id, t->id, sizeof(a->id));
}

/* Is its track still seen? */
static bool bound(const struct cb_watch *w, const struct asset *a)
{
	for (uint32_t k = 0; a->number && k < w->n; k++)
		if (w->tracks[k]->number == a->number && w->tracks[k]->state == CB_TRACK_SEEN)
			return true;
	return false;
}

/* A track: is it a thing that is looked after, or one that is missed, or a new one? */
static void removed_track(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s)
{
	const struct cb_track_rule *r = &w->r->rule[i];
	struct in_rule *x = &s->rule[i];
	struct whole *h = &w->rule[i];
	struct asset *a = asset_of(h, t->number), *oldest = NULL;
	bool in = member(w, i, t, s), still = in && stands(w, i, x, s, w->t_us);

	if (!in)
		x->a_us = NEVER;
	if (a) {
		if (still) {
			a->seen_us = w->t_us;
			a->missed_us = NEVER;
		} else {
			a->number = 0;	/* it went away itself */
		}
		return;
	}
	if (!in)
		return;
	for (uint32_t k = 0; k < ASSETS_MAX; k++) {
		a = &h->asset[k];
		if (a->used && a->class == t->class && !bound(w, a) &&
		    cb_rect_iou(&a->box, &s->box) >= SAME_PLACE) {
			bind(w, a, t, s);
			return;
		}
		if (!oldest || (oldest->used && (!a->used || a->seen_us < oldest->seen_us)))
			oldest = a;
	}
	if (still && w->t_us - x->a_us >= r->present_us)
		bind(w, oldest, t, s);
}

/* After the tracks: what was not seen for long enough. */
static int removed(struct cb_watch *w, uint32_t i, struct cb_err *err)
{
	struct whole *h = &w->rule[i];

	for (uint32_t k = 0; k < ASSETS_MAX; k++) {
		struct asset *a = &h->asset[k];
		struct cb_watch_event e = { .line = CB_NONE, .since_us = a->seen_us, .track = a->id,
					    .number = a->was, .class = class_of(w, a->class), .box = a->box,
					    .score = a->score };

		if (!a->used || a->seen_us == w->t_us)
			continue;
		if (a->missed_us == NEVER)
			a->missed_us = w->t_us;
		if (w->t_us - a->missed_us < w->r->rule[i].for_us)
			continue;
		a->used = false;
		if (h->open && fire(w, i, NULL, NULL, &e, err) < 0)
			return -1;
	}
	return 0;
}

/* --- pictures ------------------------------------------------------------------------------------------- */

static int apply(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, struct cb_err *err)
{
	switch (w->r->rule[i].kind) {
	case CB_RULE_ENTER:
		return enter(w, i, t, s, err);
	case CB_RULE_EXIT:
		return leave(w, i, t, s, false, err);
	case CB_RULE_DWELL:
		return dwell(w, i, t, s, err);
	case CB_RULE_CROSS:
		return cross(w, i, t, s, err);
	case CB_RULE_TAILGATE:
		return tailgate(w, i, t, s, err);
	case CB_RULE_COUNT:
		return w->r->rule[i].lines ? count_lines(w, i, t, s, err) : count_zone(w, i, t, s, false, err);
	case CB_RULE_DIRECTION:
		return direction(w, i, t, s, err);
	case CB_RULE_SPEED:
		return speed(w, i, t, s, err);
	case CB_RULE_STOPPED:
		return stopped(w, i, t, s, false, err);
	case CB_RULE_LEFT:
		return left(w, i, t, s, false, err);
	case CB_RULE_REMOVED:
		removed_track(w, i, t, s);
		return 0;
	case CB_RULE_CROWD:
	case CB_RULE_SEQUENCE:
	case CB_RULE_KINDS:
		break;
	}
	return 0;
}

static int over(struct cb_watch *w, uint32_t i, const struct cb_track *t, struct tstate *s, struct cb_err *err)
{
	switch (w->r->rule[i].kind) {
	case CB_RULE_EXIT:
		return leave(w, i, t, s, true, err);
	case CB_RULE_COUNT:
		return w->r->rule[i].lines ? 0 : count_zone(w, i, t, s, true, err);
	case CB_RULE_STOPPED:
		return stopped(w, i, t, s, true, err);
	case CB_RULE_LEFT:
		return left(w, i, t, s, true, err);
	case CB_RULE_REMOVED: {
		struct asset *a = asset_of(&w->rule[i], t->number);

		if (a)
			a->number = 0;
		return 0;
	}
	default:
		return 0;
	}
}

static int all_over(struct cb_watch *w, struct cb_track *const *ended, uint32_t n, struct cb_err *err)
{
	for (uint32_t k = 0; k < n; k++) {
		struct tstate *s = state_of(w, ended[k]);

		if (!s)
			continue;
		for (uint32_t i = 0; i < w->r->n; i++)
			if (w->rule[i].on && over(w, i, ended[k], s, err) < 0)
				return -1;
		s->number = 0;
	}
	return 0;
}

/* The clock was set back: what waits for a time waits anew; counts stay. */
static void set_back(struct cb_watch *w)
{
	w->any = false;
	w->zones_us = NEVER;
	for (uint32_t i = 0; i < w->r->n; i++) {
		const struct cb_track_rule *r = &w->r->rule[i];
		struct whole *h = &w->rule[i];

		if (r->kind == CB_RULE_COUNT) {
			h->from_us = NEVER;
			continue;
		}
		h->state = 0;
		h->a_us = h->b_us = NEVER;
		if (h->passed)
			memset(h->passed, 0, 2 * (size_t)r->lines * sizeof(*h->passed));
		if (h->asset)
			memset(h->asset, 0, ASSETS_MAX * sizeof(*h->asset));
		for (uint32_t k = 0; r->any_track && k < r->steps; k++)
			w->chain[h->chain + k] = NEVER;
	}
}

static int zones(struct cb_watch *w, struct cb_err *err)
{
	if (w->zones_us != NEVER && w->t_us - w->zones_us < ZONES_EVERY_US)
		return 0;
	w->zones_us = w->t_us;
	if (cb_watch_zones_line(&w->line, w->r, w->s, &w->p, err) < 0)
		return -1;
	return w->fn(w->ctx, NULL, &w->line, err);
}

static int begin(struct cb_watch *w, const struct cb_scene *s, const struct cb_scene_picture *p,
		 struct cb_err *err)
{
	int64_t before = w->any ? w->t_us : NEVER;

	w->any = true;
	w->t_us = p->t_us;
	w->aspect = s->width && s->height ? (double)s->width / s->height : 1;
	if (zones(w, err) < 0)
		return -1;
	for (uint32_t i = 0; i < w->r->n; i++) {
		if (!w->rule[i].on)
			continue;
		w->rule[i].open = cb_schedule_open(w->r->rule[i].schedule, w->r->tz, p->t_us);
		if (w->r->rule[i].kind == CB_RULE_COUNT && count_time(w, i, before, err) < 0)
			return -1;
	}
	return 0;
}

int cb_watch_picture(struct cb_watch *w, const struct cb_scene *s, const struct cb_scene_picture *p,
		     struct cb_track *const *tracks, uint32_t n, struct cb_track *const *ended,
		     uint32_t n_ended, struct cb_err *err)
{
	if (w->any && p->t_us < w->t_us)
		set_back(w);
	w->s = s;
	w->p = *p;
	w->tracks = tracks;
	w->n = n;
	w->events = 0;
	if (begin(w, s, p, err) < 0 || all_over(w, ended, n_ended, err) < 0)
		return -1;
	for (uint32_t k = 0; k < n; k++)
		if (follow(w, tracks[k], err) < 0)
			return -1;
	for (uint32_t k = 0; k < n; k++) {
		struct tstate *t = state_of(w, tracks[k]);

		if (tracks[k]->state != CB_TRACK_SEEN)
			continue;
		for (uint32_t i = 0; i < w->r->n; i++)
			if (w->rule[i].on && apply(w, i, tracks[k], t, err) < 0)
				return -1;
	}
	for (uint32_t i = 0; i < w->r->n; i++) {
		if (!w->rule[i].on)
			continue;
		if ((w->r->rule[i].kind == CB_RULE_CROWD && crowd(w, i, err) < 0) ||
		    (w->r->rule[i].kind == CB_RULE_REMOVED && removed(w, i, err) < 0))
			return -1;
	}
	w->tracks = NULL;
	w->n = 0;
	return 0;
}

int cb_watch_close(struct cb_watch *w, const struct cb_scene *s, struct cb_track *const *ended,
		   uint32_t n_ended, struct cb_err *err)
{
	if (!w->any)
		return 0;
	w->s = s;
	w->tracks = NULL;
	w->n = 0;
	/* ids count on: this is about the last picture still */
	if (all_over(w, ended, n_ended, err) < 0)
		return -1;
	for (uint32_t i = 0; i < w->r->n; i++) {
		const struct whole *h = &w->rule[i];

		if (h->on && w->r->rule[i].every_us && h->from_us != NEVER && h->from_us < w->t_us &&
		    interval(w, i, w->t_us, err) < 0)
			return -1;
	}
	return 0;
}

/* --- all scenes ------------------------------------------------------------------------------------------ */

static int scene_open(void *ctx, struct cb_scene *s, struct cb_err *err)
{
	struct cb_watches *ws = ctx;
	struct cb_watch *w;

	if (cb_watch_new(&w, ws->rules, s->camera, ws->fn, ws->ctx, err) < 0)
		return -1;
	w->next = ws->all;
	ws->all = w;
	s->user = w;
	s->ground = ws->rules->has_ground ? &ws->rules->ground : NULL;
	return 0;
}

static int scene_picture(void *ctx, struct cb_scene *s, const struct cb_scene_picture *p, struct cb_err *err)
{
	uint32_t n, ended;
	struct cb_track *const *t = cb_tracker_tracks(s->tracker, &n), *const *e = cb_tracker_ended(s->tracker, &ended);
	struct cb_watches *ws = ctx;

	if (cb_track_rules_misfit(ws->rules, s->width, s->height)) {
		ws->misfit_w = s->width;
		ws->misfit_h = s->height;
	}
	return cb_watch_picture(s->user, s, p, t, n, e, ended, err);
}

static int scene_close(void *ctx, struct cb_scene *s, struct cb_err *err)
{
	struct cb_watches *ws = ctx;
	struct cb_watch *w = s->user, **at = &ws->all;
	uint32_t n;
	struct cb_track *const *e = cb_tracker_ended(s->tracker, &n);
	int r = cb_watch_close(w, s, e, n, err);

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
	cb_watch_free(w);
	s->user = NULL;
	return r;
}

void cb_watches_hook(struct cb_watches *ws, struct cb_scenes_hook *ret)
{
	*ret = (struct cb_scenes_hook){ .open = scene_open, .picture = scene_picture, .close = scene_close,
					.ctx = ws };
}

void cb_watches_release(struct cb_watches *ws)
{
	struct cb_watch *next;

	for (struct cb_watch *w = ws->all; w; w = next) {
		next = w->next;
		cb_watch_free(w);
	}
	ws->all = NULL;
}
