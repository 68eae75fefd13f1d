/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker: prediction, stages of pairing, births and ends. */
#include "track/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "track/assign.h"
#include "track/kalman.h"

#define COST 1000000		/* an integer cost of 1 */
#define VOTES 4			/* classes that a track is remembered to have been */

/* Two filters follow a box. One is slow to believe what it sees, and predicts: jitter does not make
 * it look elsewhere. The other is quick, and says where the object is: when somebody stops before a
 * line, the slow one would walk on over it.
 *
 * Standard deviations, as parts of the box's height; those of what drives a track are of a root
 * second. Found by tests/accuracy/mot.py at several picture rates, where the results hardly change
 * within half and twice of these. */
struct noise {
	double seen, place, speed;	/* of what is detected; driving the place, and the speed */
};
static const struct noise slow[4] = {	/* middle across and down, width, height */
	{ 0.1, 0.12, 0.65 }, { 0.1, 0.12, 0.65 }, { 0.2, 0.1, 0.3 }, { 0.2, 0.1, 0.3 },
};
static const struct noise quick[4] = {
	{ 0.06, 0.27, 1 }, { 0.06, 0.27, 1 }, { 0.1, 0.27, 1 }, { 0.1, 0.27, 1 },
};
#define BORN 0.2		/* of the place of a new track, */
#define BORN_SPEED 1.9		/* of its speed, a second, */
#define BORN_GROWTH 0.95	/* and of that of its size */

#define DRAG 0.3		/* what is not seen slows down: to 1 / (1 + DRAG) in a second */

#define PROOF 0.29		/* of a track that counts: what its scores are above `high`, in all */

#define OVERLAP_LOW 0.5		/* for boxes of a low score */
#define OVERLAP_TENTATIVE 0.3	/* times the score */
#define OVERLAP_NEAR 0.35	/* of boxes that were grown */
#define OVERLAP_OTHER 0.6	/* for a box of another class */
#define OVERLAP_TWIN 0.85	/* two tracks of one object */
#define OVERLAP_SAME 0.75	/* two boxes of different classes that are one object */
#define GROW 2.0		/* boxes grow by so many times their size a second to each side, */
#define GROW_MAX 0.3		/* up to this; of a track without a speed yet */
#define GROW_BORN 0.5
#define SHAPE 0.3		/* weight of equal heights in a pair */
#define LOOK 0.5		/* weight of appearance */
#define LOOK_KEEP 0.9		/* of a track's appearance, what stays with another sight of it */
#define LOOK_ALIKE 0.8		/* cosine from which on a look alone finds a lost track again, */
#define LOOK_REACH 3.0		/* within one of its sizes, and so many more a second, of where it would be */

const struct cb_track_opts cb_track_defaults = {
	.high = 0.5, .low = 0.1, .start = 0.5, .overlap = 0.2, .confirm = 2,
	.lost_us = 2000000, .gap_us = 10000000,
};

struct vote {
	uint32_t class;
	double weight;
};

struct full {
	struct cb_track t;	/* first: a cb_track of ours is a full */
	struct cb_kalman slow[4], quick[4];	/* all in heights of the picture */
	struct vote vote[VOTES];
	double proof;		/* sum of what its scores are above those of no detection */
	float *look;		/* mean appearance, of length 1; or NULL */
	uint32_t look_n, look_room;
};

struct cb_tracker {
	struct cb_track_opts o;
	char *camera, *run;
	bool any;
	int64_t t_us;
	double aspect;
	uint64_t number;
	struct cb_tracker_stats stats;
	struct full *slot[CB_TRACKS_MAX];	/* of all: allocated once, used again */
	uint32_t slots;
	struct full *live[CB_TRACKS_MAX];	/* in the order of their births */
	uint32_t lives;
	struct full *spare[CB_TRACKS_MAX];
	uint32_t spares;
	struct cb_track *counts[CB_TRACKS_MAX], *ended[CB_TRACKS_MAX];
	uint32_t n_counts, n_ended;
	/* of one picture */
	const struct cb_track_det *det[CB_TRACK_DETS_MAX];
	struct cb_rect box[CB_TRACK_DETS_MAX];	/* in heights of the picture */
	uint32_t dets;
	bool used[CB_TRACK_DETS_MAX];
	uint32_t row[CB_TRACKS_MAX], match[CB_TRACKS_MAX];
	struct cb_assign assign;
};

const char *cb_track_why_name(enum cb_track_why why)
{
	static const char *const name[] = { "lost", "gap", "closed", "crowd" };

	return (unsigned)why < sizeof(name) / sizeof(*name) ? name[why] : "unknown";
}

const struct cb_track_point *cb_track_point(const struct cb_track *t, uint64_t n)
{
	if (n >= t->points || n >= CB_TRACK_PAST)
		return NULL;
	return &t->past[(t->points - 1 - n) % CB_TRACK_PAST];
}

void cb_anchor_of(enum cb_anchor a, const struct cb_rect *b, double *ret_x, double *ret_y)
{
	static const unsigned char at[][2] = {	/* halves of width and height */
		[CB_ANCHOR_BOTTOM] = { 1, 2 }, [CB_ANCHOR_CENTRE] = { 1, 1 }, [CB_ANCHOR_TOP] = { 1, 0 },
		[CB_ANCHOR_LEFT] = { 0, 1 }, [CB_ANCHOR_RIGHT] = { 2, 1 },
		[CB_ANCHOR_TOP_LEFT] = { 0, 0 }, [CB_ANCHOR_TOP_RIGHT] = { 2, 0 },
		[CB_ANCHOR_BOTTOM_LEFT] = { 0, 2 }, [CB_ANCHOR_BOTTOM_RIGHT] = { 2, 2 },
	};

	*ret_x = b->x + b->w * at[a][0] / 2;
	*ret_y = b->y + b->h * at[a][1] / 2;
}

static inline double min(double a, double b) { return a < b ? a : b; }
static inline double max(double a, double b) { return a > b ? a : b; }

double cb_rect_iou(const struct cb_rect *a, const struct cb_rect *b)
{
	double w = min(a->x + a->w, b->x + b->w) - max(a->x, b->x);
	double h = min(a->y + a->h, b->y + b->h) - max(a->y, b->y);

	if (w <= 0 || h <= 0)
		return 0;
	return w * h / (a->w * a->h + b->w * b->h - w * h);
}

/* --- life ------------------------------------------------------------------------------------ */

int cb_tracker_new(struct cb_tracker **ret, const char *camera, const char *run,
		   const struct cb_track_opts *opts, struct cb_err *err)
{
	struct cb_tracker *tr = calloc(1, sizeof(*tr));

	if (!tr)
		return cb_err_nomem(err);
	tr->o = *opts;
	tr->aspect = 1;
	tr->camera = strdup(camera);
	tr->run = strdup(run);
	if (!tr->camera || !tr->run) {
		cb_tracker_free(tr);
		return cb_err_nomem(err);
	}
	*ret = tr;
	return 0;
}

void cb_tracker_free(struct cb_tracker *tr)
{
	if (!tr)
		return;
	for (uint32_t i = 0; i < tr->slots; i++) {
		free(tr->slot[i]->look);
		free(tr->slot[i]);
	}
	cb_assign_release(&tr->assign);
	free(tr->camera);
	free(tr->run);
	free(tr);
}

/* Where a filter says that the object is, in heights of the picture. */
static struct cb_rect filtered(const struct cb_kalman k[static 4])
{
	double w = max(k[2].p, 1e-6), h = max(k[3].p, 1e-6);

	return (struct cb_rect){ k[0].p - w / 2, k[1].p - h / 2, w, h };
}

static void show(const struct cb_tracker *tr, struct full *f)
{
	struct cb_rect r = filtered(f->t.missed ? f->slow : f->quick);

	f->t.box = (struct cb_rect){ r.x / tr->aspect, r.y, r.w / tr->aspect, r.h };
	f->t.vx = f->quick[0].v / tr->aspect;
	f->t.vy = f->quick[1].v;
}

static void vote(struct full *f, uint32_t class, double score)
{
	struct vote *v = f->vote, *least = v;

	for (int i = 0; i < VOTES; i++) {
		if (v[i].weight > 0 && v[i].class == class) {
			least = &v[i];
			break;
		}
		if (v[i].weight < least->weight)
			least = &v[i];
	}
	if (least->class != class)
		*least = (struct vote){ .class = class };
	least->weight += score;
	for (int i = 0; i < VOTES; i++)
		if (v[i].class == f->t.class && v[i].weight >= least->weight)
			return;
	f->t.class = least->class;
}

static void point(struct full *f, const struct cb_track_picture *pic)
{
	struct cb_track_point p = { pic->t_us, f->t.box };

	if (f->t.points % f->t.trail_step == 0) {
		if (f->t.trails == CB_TRACK_TRAIL) {
			f->t.trails /= 2;
			f->t.trail_step *= 2;
			for (uint32_t i = 1; i < f->t.trails; i++)
				f->t.trail[i] = f->t.trail[2 * i];
		}
		if (f->t.points % f->t.trail_step == 0)
			f->t.trail[f->t.trails++] = p;
	}
	f->t.past[f->t.points++ % CB_TRACK_PAST] = p;
	f->t.pts = pic->pts;
	if (pic->digest)
		memcpy(f->t.packet, pic->digest, sizeof(f->t.packet));
	else
		memset(f->t.packet, 0, sizeof(f->t.packet));
}

/* It stays among the living until bury. */
static void over(struct cb_tracker *tr, struct full *f, enum cb_track_why why)
{
	if (f->t.state != CB_TRACK_TENTATIVE)
		tr->ended[tr->n_ended++] = &f->t;
	else
		tr->spare[tr->spares++] = f;
	f->t.state = CB_TRACK_OVER;
	f->t.why = why;
}

/* Those that ended in the call before are free now. */
static void begin(struct cb_tracker *tr)
{
	for (uint32_t i = 0; i < tr->n_ended; i++)
		tr->spare[tr->spares++] = (struct full *)tr->ended[i];
	tr->n_ended = 0;
	tr->n_counts = 0;
}

/* Take those that are over out of the living. */
static void bury(struct cb_tracker *tr)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < tr->lives; i++)
		if (tr->live[i]->t.state != CB_TRACK_OVER)
			tr->live[n++] = tr->live[i];
	tr->lives = n;
}

static int by_number(const void *a, const void *b)
{
	const struct cb_track *x = *(struct cb_track *const *)a, *y = *(struct cb_track *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

static void end_all(struct cb_tracker *tr, enum cb_track_why why)
{
	for (uint32_t i = 0; i < tr->lives; i++)
		over(tr, tr->live[i], why);
	tr->lives = 0;
}

void cb_tracker_close(struct cb_tracker *tr)
{
	begin(tr);
	end_all(tr, CB_TRACK_WHY_CLOSED);
	qsort(tr->ended, tr->n_ended, sizeof(*tr->ended), by_number);
	tr->any = false;
}

static double dot(const float *a, const float *b, uint32_t n)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

/* How alike they look: the cosine, or -2 where that is not known. */
static double alike(const struct full *f, const struct cb_track_det *d)
{
	double n;

	if (!d->look || !f->look_n || d->look_n != f->look_n)
		return -2;
	n = dot(d->look, d->look, d->look_n);
	return n > 0 && isfinite(n) ? dot(f->look, d->look, d->look_n) / sqrt(n) : -2;
}

/* Take the appearance of a detection into that of its track. */
static int look(struct full *f, const struct cb_track_det *d, struct cb_err *err)
{
	double n, keep = LOOK_KEEP;
	float *p;

	if (!d->look || d->look_n == 0 || d->look_n > CB_TRACK_LOOK_MAX)
		return 0;
	n = dot(d->look, d->look, d->look_n);
	if (!(n > 0) || !isfinite(n))
		return 0;
	if (f->look_room < d->look_n) {
		p = realloc(f->look, d->look_n * sizeof(*p));
		if (!p)
			return cb_err_nomem(err);
		f->look = p;
		f->look_room = d->look_n;
	}
	if (f->look_n != d->look_n) {
		f->look_n = d->look_n;
		keep = 0;
	}
	n = sqrt(n);
	for (uint32_t i = 0; i < d->look_n; i++)
		f->look[i] = (float)((keep ? keep * (double)f->look[i] : 0) + (1 - keep) * (double)d->look[i] / n);
	n = sqrt(dot(f->look, f->look, f->look_n));
	if (!(n > 0))	/* they cancel each other: nothing is known */
		f->look_n = 0;
	for (uint32_t i = 0; i < f->look_n; i++)
		f->look[i] = (float)((double)f->look[i] / n);
	return 0;
}

static int birth(struct cb_tracker *tr, const struct cb_track_picture *p, uint32_t d, struct cb_err *err)
{
	const struct cb_track_det *det = tr->det[d];
	const struct cb_rect *b = &tr->box[d];
	double h2 = b->h * b->h;
	struct full *f, *oldest = NULL, was;

	if (tr->lives == CB_TRACKS_MAX) {
		/* no room: the one that was not seen for longest goes */
		for (uint32_t i = 0; i < tr->lives; i++)
			if (!oldest || tr->live[i]->t.seen_us < oldest->t.seen_us)
				oldest = tr->live[i];
		tr->stats.crowded++;
		over(tr, oldest, CB_TRACK_WHY_CROWD);
		bury(tr);
	}
	if (tr->spares == 0 && tr->slots == CB_TRACKS_MAX)
		return 0;	/* all others ended just now: this one may begin in the next picture */
	if (tr->spares) {
		f = tr->spare[--tr->spares];
	} else {
		f = calloc(1, sizeof(*f));
		if (!f)
			return cb_err_nomem(err);
		f->t.slot = tr->slots;
		tr->slot[tr->slots++] = f;
	}
	tr->used[d] = true;
	was = *f;
	*f = (struct full){ .look = was.look, .look_room = was.look_room, .t = {
		.slot = was.t.slot, .class = det->class, .det = det->box, .det_index = det->index,
		.score = det->score, .top = det->score, .born_us = p->t_us, .seen_us = p->t_us, .seen = 1,
		.trail_step = 1,
	} };
	cb_event_id(f->t.id, "cb.track.id", tr->camera, p->digest, p->pts, tr->run, det->index);
	cb_kalman_init(&f->slow[0], b->x + b->w / 2, BORN * BORN * h2, BORN_SPEED * BORN_SPEED * h2);
	cb_kalman_init(&f->slow[1], b->y + b->h / 2, BORN * BORN * h2, BORN_SPEED * BORN_SPEED * h2);
	cb_kalman_init(&f->slow[2], b->w, BORN * BORN * h2, BORN_GROWTH * BORN_GROWTH * h2);
	cb_kalman_init(&f->slow[3], b->h, BORN * BORN * h2, BORN_GROWTH * BORN_GROWTH * h2);
	memcpy(f->quick, f->slow, sizeof(f->quick));
	vote(f, det->class, det->score);
	f->proof += det->score - tr->o.high;
	show(tr, f);
	point(f, p);
	tr->live[tr->lives++] = f;
	return look(f, det, err);
}

/* --- one picture ---------------------------------------------------------------------------------- */

static void filter_predict(struct cb_kalman k[static 4], const struct noise n[static 4], double h, double dt,
			   bool missed)
{
	if (missed) {	/* it slows down, and keeps its size */
		k[0].v /= 1 + DRAG * dt;
		k[1].v /= 1 + DRAG * dt;
		k[2].v = k[3].v = 0;
	}
	for (int c = 0; c < 4; c++)
		cb_kalman_predict(&k[c], dt, n[c].place * n[c].place * h * h, n[c].speed * n[c].speed * h * h);
}

static void filter_update(struct cb_kalman k[static 4], const struct noise n[static 4], double h,
			  const struct cb_rect *b)
{
	const double z[4] = { b->x + b->w / 2, b->y + b->h / 2, b->w, b->h };

	for (int c = 0; c < 4; c++)
		cb_kalman_update(&k[c], z[c], n[c].seen * n[c].seen * h * h);
}

static void predict(struct cb_tracker *tr, double dt)
{
	for (uint32_t i = 0; i < tr->lives; i++) {
		struct full *f = tr->live[i];
		double h = max(f->slow[3].p, 1e-6);

		filter_predict(f->slow, slow, h, dt, f->t.missed > 0);
		filter_predict(f->quick, quick, h, dt, f->t.missed > 0);
	}
}

static int seen(struct cb_tracker *tr, struct full *f, uint32_t d, const struct cb_track_picture *p,
		struct cb_err *err)
{
	const struct cb_track_det *det = tr->det[d];
	double h = max(f->slow[3].p, 1e-6);

	tr->used[d] = true;
	filter_update(f->slow, slow, h, &tr->box[d]);
	filter_update(f->quick, quick, h, &tr->box[d]);
	f->t.det = det->box;
	f->t.det_index = det->index;
	f->t.score = det->score;
	if (det->score > f->t.top)
		f->t.top = det->score;
	f->t.seen_us = p->t_us;
	f->t.seen++;
	f->t.missed = 0;
	vote(f, det->class, det->score);
	f->proof += det->score - tr->o.high;
	if (f->t.state == CB_TRACK_LOST)
		f->t.state = CB_TRACK_SEEN;
	show(tr, f);
	point(f, p);
	return look(f, det, err);
}

/* The detections worth looking at, by descending score, then by their order. */
static int by_score(const void *a, const void *b)
{
	const struct cb_track_det *x = *(const struct cb_track_det *const *)a;
	const struct cb_track_det *y = *(const struct cb_track_det *const *)b;

	return x->score != y->score ? (x->score < y->score ? 1 : -1) : (x > y) - (x < y);
}

static bool sound(const struct cb_track_det *d)
{
	const struct cb_rect *b = &d->box;

	return isfinite(b->x) && isfinite(b->y) && isfinite(b->w) && isfinite(b->h) &&
	       b->w > 0 && b->h > 0 && b->w <= 4 && b->h <= 4 &&
	       b->x < 1 && b->y < 1 && b->x + b->w > 0 && b->y + b->h > 0 &&
	       d->class < CB_TRACK_CLASSES && d->score <= 1;
}

static void take(struct cb_tracker *tr, const struct cb_track_picture *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->dets; i++) {
		if (!(p->det[i].score >= tr->o.low) || !sound(&p->det[i]))
			continue;
		if (n == CB_TRACK_DETS_MAX) {
			/* the worst of those kept makes room */
			uint32_t worst = 0;

			for (uint32_t k = 1; k < n; k++)
				if (by_score(&tr->det[worst], &tr->det[k]) < 0)
					worst = k;
			if (tr->det[worst]->score < p->det[i].score)
				tr->det[worst] = &p->det[i];
			continue;
		}
		tr->det[n++] = &p->det[i];
	}
	qsort(tr->det, n, sizeof(*tr->det), by_score);
	for (uint32_t i = 0; i < n; i++) {
		const struct cb_rect *b = &tr->det[i]->box;

		tr->box[i] = (struct cb_rect){ b->x * tr->aspect, b->y, b->w * tr->aspect, b->h };
		tr->used[i] = false;
	}
	tr->dets = n;
	tr->stats.boxes += n;
}

/* Which tracks may get which boxes, one after another. */
enum stage {
	HIGH,		/* those that count, and boxes of a high score */
	LOW,		/* those that were seen in the picture before, and boxes of a low one */
	TENTATIVE,	/* those that do not count yet */
	NEAR,		/* all, and boxes nearby: for speeds that are not known, or change */
	OTHER,		/* those seen in the picture before, and boxes of another class */
};

struct chance {			/* what a stage asks for */
	bool low, fused, other;	/* boxes of a low score; the score counts; another class */
	double least, grow;
};

static bool in_stage(const struct full *f, enum stage s, int64_t t_us, int64_t last_us)
{
	bool counts = f->t.state != CB_TRACK_TENTATIVE;

	if (f->t.seen_us == t_us)
		return false;
	switch (s) {
	case HIGH: return counts;
	case LOW: return counts && f->t.seen_us == last_us;
	case TENTATIVE: return !counts;
	case NEAR: return true;
	case OTHER: return f->t.seen_us == last_us;
	}
	return false;
}

static struct cb_rect grown(const struct cb_rect *r, double by)
{
	return (struct cb_rect){ r->x - by * r->w, r->y - by * r->h, r->w * (1 + 2 * by), r->h * (1 + 2 * by) };
}

/* How well a box goes with a track: 0 to 1. r is where the track should be. */
static double affinity(const struct cb_tracker *tr, const struct full *f, const struct cb_rect *r,
		       const struct cb_rect *big, uint32_t d, const struct chance *c, int64_t t_us)
{
	const struct cb_rect *b = &tr->box[d];
	double v, q, cosine;

	if (c->grow > 0) {
		struct cb_rect q_big = grown(b, c->grow);

		v = cb_rect_iou(big, &q_big);
	} else {
		v = cb_rect_iou(r, b);
	}
	if (v <= 0 && !f->look_n)
		return 0;
	q = b->h / r->h;
	v *= 1 - SHAPE + SHAPE * (q < 1 ? q : 1 / q);
	if (c->fused)
		v *= tr->det[d]->score;
	cosine = alike(f, tr->det[d]);
	if (cosine < -1)
		return v;
	cosine = max(cosine, 0);
	if (v <= 0 && cosine >= LOOK_ALIKE && c->grow > 0) {
		struct cb_rect reach = grown(r, 1 + LOOK_REACH * (double)(t_us - f->t.seen_us) / 1e6);

		/* nowhere near its box, but it looks the same and may have come so far */
		return cb_rect_iou(&reach, b) > 0 ? cosine : 0;
	}
	return v * (1 - LOOK + LOOK * cosine);
}

static int pair_up(struct cb_tracker *tr, enum stage s, const struct cb_track_picture *p,
		   int64_t last_us, struct cb_err *err)
{
	double dt = (double)(p->t_us - last_us) / 1e6;
	const struct chance chance[] = {
		[HIGH] = { .fused = true, .least = tr->o.overlap },
		[LOW] = { .low = true, .least = OVERLAP_LOW },
		[TENTATIVE] = { .fused = true, .least = OVERLAP_TENTATIVE, .grow = min(GROW * dt, GROW_BORN) },
		[NEAR] = { .least = OVERLAP_NEAR, .grow = min(GROW * dt, GROW_MAX) },
		[OTHER] = { .other = true, .least = OVERLAP_OTHER },
	}, *c = &chance[s];
	uint32_t from = 0, to = tr->dets, rows = 0;

	while (from < tr->dets && c->low && tr->det[from]->score >= tr->o.high)
		from++;
	while (to > from && !c->low && tr->det[to - 1]->score < tr->o.high)
		to--;
	cb_assign_clear(&tr->assign);
	for (uint32_t i = 0; i < tr->lives; i++) {
		struct full *f = tr->live[i];
		struct cb_rect r, big;

		if (!in_stage(f, s, p->t_us, last_us))
			continue;
		r = filtered(f->slow);
		big = grown(&r, c->grow);
		for (uint32_t d = from; d < to; d++) {
			double v;

			if (tr->used[d] || (tr->det[d]->class == f->t.class) == c->other)
				continue;
			v = affinity(tr, f, &r, &big, d, c, p->t_us);
			if (v > c->least &&
			    cb_assign_add(&tr->assign, rows, d, (int32_t)((1 - v) * COST), err) < 0)
				return -1;
		}
		tr->row[rows++] = i;
	}
	if (cb_assign_solve(&tr->assign, rows, tr->dets, (int32_t)((1 - c->least) * COST) + 1, tr->match,
			    err) < 0)
		return -1;
	for (uint32_t r = 0; r < rows; r++)
		if (tr->match[r] != CB_ASSIGN_NONE &&
		    seen(tr, tr->live[tr->row[r]], tr->match[r], p, err) < 0)
			return -1;
	return 0;
}

/* Of two tracks of one object the younger one ends. */
static void twins(struct cb_tracker *tr, int64_t t_us)
{
	for (uint32_t i = 0; i < tr->lives; i++) {
		struct full *a = tr->live[i];
		struct cb_rect r = filtered(a->slow);

		if (a->t.state == CB_TRACK_OVER)
			continue;
		for (uint32_t k = i + 1; k < tr->lives; k++) {
			struct full *b = tr->live[k];
			struct cb_rect q;

			/* only where one is seen and the other is not */
			if (b->t.state == CB_TRACK_OVER || b->t.class != a->t.class ||
			    (a->t.seen_us == t_us) == (b->t.seen_us == t_us))
				continue;
			q = filtered(b->slow);
			if (cb_rect_iou(&r, &q) > OVERLAP_TWIN) {
				bool keep_a = a->t.seen >= b->t.seen;

				over(tr, keep_a ? b : a, CB_TRACK_WHY_LOST);
				if (!keep_a)
					break;
			}
		}
	}
}

/* Is box d one more name for what has a track already? Detectors suppress within a class only. */
static bool second_name(const struct cb_tracker *tr, uint32_t d)
{
	for (uint32_t k = 0; k < tr->dets; k++)
		if (tr->used[k] && tr->det[k]->class != tr->det[d]->class &&
		    cb_rect_iou(&tr->box[k], &tr->box[d]) > OVERLAP_SAME)
			return true;
	return false;
}

static void account(struct cb_tracker *tr, int64_t t_us)
{
	for (uint32_t i = 0; i < tr->lives; i++) {
		struct full *f = tr->live[i];

		f->t.fresh = false;
		if (f->t.state == CB_TRACK_OVER)
			continue;
		if (f->t.seen_us != t_us) {
			f->t.missed++;
			/* one picture without it says little, however long after the one before it came */
			if (f->t.state == CB_TRACK_TENTATIVE ||
			    (t_us - f->t.seen_us > tr->o.lost_us && f->t.missed > 1)) {
				over(tr, f, CB_TRACK_WHY_LOST);
				continue;
			}
			f->t.state = CB_TRACK_LOST;
			show(tr, f);
		} else if (f->t.state == CB_TRACK_TENTATIVE && f->t.seen >= tr->o.confirm &&
			   f->proof > PROOF) {
			f->t.state = CB_TRACK_SEEN;
			f->t.fresh = true;
			f->t.number = ++tr->number;
			tr->stats.tracks++;
		}
	}
	bury(tr);
	for (uint32_t i = 0; i < tr->lives; i++)
		if (tr->live[i]->t.state != CB_TRACK_TENTATIVE)
			tr->counts[tr->n_counts++] = &tr->live[i]->t;
	qsort(tr->counts, tr->n_counts, sizeof(*tr->counts), by_number);
	qsort(tr->ended, tr->n_ended, sizeof(*tr->ended), by_number);
}

int cb_tracker_feed(struct cb_tracker *tr, const struct cb_track_picture *p, struct cb_err *err)
{
	int64_t last = tr->any ? tr->t_us : p->t_us, dt;
	int ret = CB_TRACK_FED;

	begin(tr);
	if (p->t_us > CB_TRACK_TIME_MAX || p->t_us < -CB_TRACK_TIME_MAX) {
		tr->stats.late++;
		return CB_TRACK_LATE;
	}
	dt = p->t_us - last;
	if (tr->any && dt <= 0 && dt > -tr->o.gap_us) {
		if (dt < 0)
			tr->stats.late++;
		else
			tr->stats.again++;
		return dt < 0 ? CB_TRACK_LATE : CB_TRACK_AGAIN;
	}
	if (dt < 0) {
		tr->stats.back++;
		ret = CB_TRACK_BACK;
	}
	if (dt < 0 || dt > tr->o.gap_us) {
		end_all(tr, CB_TRACK_WHY_GAP);
		dt = 0;
	}
	tr->any = true;
	tr->t_us = p->t_us;
	tr->aspect = p->aspect;
	tr->stats.pictures++;
	take(tr, p);
	predict(tr, (double)dt / 1e6);
	for (enum stage s = HIGH; s <= OTHER; s++)
		if (pair_up(tr, s, p, last, err) < 0)
			return -1;
	twins(tr, p->t_us);
	bury(tr);
	for (uint32_t d = 0; d < tr->dets && tr->det[d]->score >= tr->o.start; d++)
		if (!tr->used[d] && !second_name(tr, d) && birth(tr, p, d, err) < 0)
			return -1;
	account(tr, p->t_us);
	return ret;
}

struct cb_track *const *cb_tracker_tracks(const struct cb_tracker *tr, uint32_t *ret_n)
{
	*ret_n = tr->n_counts;
	return tr->counts;
}

struct cb_track *const *cb_tracker_ended(const struct cb_tracker *tr, uint32_t *ret_n)
{
	*ret_n = tr->n_ended;
	return tr->ended;
}

const struct cb_tracker_stats *cb_tracker_stats(const struct cb_tracker *tr)
{
	return &tr->stats;
}

uint32_t cb_tracker_room(const struct cb_tracker *tr)
{
	return tr->slots;
}
