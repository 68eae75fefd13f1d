/* SPDX-License-Identifier: Apache-2.0 */
/* lib/track: the best pairs, the ground, and a tracker's life. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "track/assign.h"
#include "track/ground.h"
#include "track/kalman.h"
#include "track/track.h"

static struct cb_err err;
static uint64_t seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static double unit(void)
{
	return rnd(1 << 24) / (double)(1 << 24);
}

/* --- assignment ------------------------------------------------------------------------------------ */

#define SIDE 6
#define LIMIT 100

static int32_t cost[SIDE][SIDE];	/* LIMIT: no pair */

static int64_t cheapest(uint32_t row, uint32_t rows, uint32_t cols, uint32_t taken)
{
	int64_t best, v;

	if (row == rows)
		return 0;
	best = LIMIT + cheapest(row + 1, rows, cols, taken);
	for (uint32_t c = 0; c < cols; c++) {
		if (cost[row][c] >= LIMIT || (taken & 1u << c))
			continue;
		v = cost[row][c] + cheapest(row + 1, rows, cols, taken | 1u << c);
		if (v < best)
			best = v;
	}
	return best;
}

static void assignment(void)
{
	struct cb_assign a = { 0 };
	uint32_t col[600];
	bool best = true, valid = true;

	for (int n = 0; n < 20000; n++) {
		uint32_t rows = 1 + rnd(SIDE), cols = 1 + rnd(SIDE), dense = 1 + rnd(4), used = 0;
		int64_t sum = 0;

		cb_assign_clear(&a);
		for (uint32_t r = 0; r < rows; r++)
			for (uint32_t c = 0; c < cols; c++) {
				/* few different costs, so that many are equal */
				cost[r][c] = rnd(4) < dense ? (int32_t)rnd(n % 2 ? 5 : LIMIT) : LIMIT;
				if (cost[r][c] < LIMIT)
					cb_assign_add(&a, r, c, cost[r][c], NULL);
			}
		cb_assign_solve(&a, rows, cols, LIMIT, col, NULL);
		for (uint32_t r = 0; r < rows; r++) {
			if (col[r] == CB_ASSIGN_NONE) {
				sum += LIMIT;
				continue;
			}
			valid = valid && col[r] < cols && !(used & 1u << col[r]) && cost[r][col[r]] < LIMIT;
			used |= 1u << col[r];
			sum += cost[r][col[r]];
		}
		best = best && sum == cheapest(0, rows, cols, 0);
	}
	OK_NAMED(valid, "no column twice, no pair that was not given");
	OK_NAMED(best, "20000 random ones: as cheap as trying all");
	cb_assign_clear(&a);
	for (uint32_t r = 0; r < 512; r++)
		for (uint32_t c = 0; c < 600; c++)
			cb_assign_add(&a, r, c, (int32_t)(r * c % 97), NULL);
	OK_NAMED(cb_assign_solve(&a, 512, 600, LIMIT, col, &err) == 0, "a large one");
	cb_assign_clear(&a);
	OK_NAMED(cb_assign_solve(&a, 3, 3, LIMIT, col, &err) == 0 && col[2] == CB_ASSIGN_NONE, "an empty one");
	cb_assign_release(&a);
}

/* --- the filter ------------------------------------------------------------------------------------- */

static bool near(double a, double b, double within)
{
	return fabs(a - b) <= within;
}

static void filter(void)
{
	struct cb_kalman a, b;

	cb_kalman_init(&a, 1, 0.5, 2);
	a.v = 3;
	b = a;
	cb_kalman_predict(&a, 0.7, 0.2, 0.3);
	for (int i = 0; i < 7; i++)
		cb_kalman_predict(&b, 0.1, 0.2, 0.3);
	OK_NAMED(near(a.p, b.p, 1e-12) && near(a.pp, b.pp, 1e-12) && near(a.pv, b.pv, 1e-12) && near(a.vv, b.vv, 1e-12),
	   "one step is as good as seven of its parts");
	cb_kalman_update(&a, 5, 1e-12);
	OK_NAMED(near(a.p, 5, 1e-9) && a.pp < 1e-11, "what is seen exactly is believed");
}

/* --- the ground ------------------------------------------------------------------------------------- */

static void ground(void)
{
	/* a road of 4 by 20 m, seen from one end */
	const struct cb_ground_point road[4] = {
		{ 0.1, 0.9, 0, 0 }, { 0.9, 0.9, 4, 0 }, { 0.6, 0.4, 4, 20 }, { 0.4, 0.4, 0, 20 },
	};
	struct cb_ground_point p[4];
	struct cb_ground g, h;
	double e, n, x, y, e2, n2, ve, vn;
	bool good = true;

	OK_NAMED(cb_ground_make(&g, road, &err) == 0, "four points");
	for (int i = 0; i < 4; i++)
		good = good && cb_ground_at(&g, road[i].x, road[i].y, &e, &n) && near(e, road[i].east, 1e-9) &&
		       near(n, road[i].north, 1e-9);
	OK_NAMED(good, "each where it should be");
	good = true;
	for (int i = 0; i < 1000; i++) {
		double u = unit(), v = 0.4 + 0.6 * unit();

		good = good && cb_ground_at(&g, u, v, &e, &n) && cb_ground_back(&g, e, n, &x, &y) &&
		       near(x, u, 1e-9) && near(y, v, 1e-9);
		good = good && cb_ground_speed(&g, u, v, 0.01, -0.02, &ve, &vn) &&
		       cb_ground_at(&g, u + 0.01e-5, v - 0.02e-5, &e2, &n2) && near((e2 - e) * 1e5, ve, 1e-3 * (1 + fabs(ve))) &&
		       near((n2 - n) * 1e5, vn, 1e-3 * (1 + fabs(vn)));
	}
	OK_NAMED(good, "there and back, and speeds are differences");
	OK_NAMED(!cb_ground_at(&g, 0.5, 0.2, &e, &n), "nothing beyond the horizon");
	OK_NAMED(!cb_ground_back(&g, 2, -50, &x, &y), "nothing behind the camera");
	/* any order of the points gives the same map */
	good = true;
	for (int s = 1; s < 4; s++) {
		for (int i = 0; i < 4; i++)
			p[i] = road[(i + s) % 4];
		good = good && cb_ground_make(&h, p, NULL) == 0 && cb_ground_at(&h, 0.5, 0.6, &e, &n) &&
		       cb_ground_at(&g, 0.5, 0.6, &e2, &n2) && near(e, e2, 1e-9) && near(n, n2, 1e-9);
	}
	for (int i = 0; i < 4; i++)
		p[i] = road[3 - i];
	OK_NAMED(good && cb_ground_make(&h, p, NULL) == 0, "whichever comes first, either way round");
	for (int bad = 0; bad < 7; bad++) {
		memcpy(p, road, sizeof(p));
		switch (bad) {
		case 0: p[1].x = p[0].x; p[1].y = p[0].y; break;
		case 1: p[1].x = 0.25; p[1].y = 0.65; break;	/* on the line from 0 to 3 */
		case 2: p[2].east = 8; p[2].north = 0; break;
		case 3: p[1].x = NAN; break;
		case 4: p[1].east = INFINITY; break;
		case 5: p[0] = road[1]; p[1] = road[0]; p[0].east = 0; p[1].east = 4; break;	/* crossed */
		case 6: p[3].y = -1e300; break;
		}
		err = (struct cb_err)CB_ERR_INIT;
		OK_NAMED(cb_ground_make(&h, p, &err) < 0 && err.code == CB_E_CONFIG, err.msg);
	}
}

/* --- tracks ----------------------------------------------------------------------------------------- */

static struct cb_tracker *tr;

static int feed(int64_t t_us, const struct cb_track_det *d, uint32_t n)
{
	struct cb_track_picture p = { .t_us = t_us, .aspect = 4.0 / 3, .pts = t_us, .det = d, .dets = n };

	return cb_tracker_feed(tr, &p, &err);
}

static void fresh(const struct cb_track_opts *o)
{
	cb_tracker_free(tr);
	tr = NULL;
	cb_tracker_new(&tr, "c", "r", o ? o : &cb_track_defaults, &err);
}

static struct cb_track_det det(double x, double y, double score)
{
	return (struct cb_track_det){ .box = { x, y, 0.1, 0.2 }, .score = score };
}

static uint32_t count(void)
{
	uint32_t n;

	cb_tracker_tracks(tr, &n);
	return n;
}

static struct cb_track *track(uint32_t i)
{
	uint32_t n;
	struct cb_track *const *t = cb_tracker_tracks(tr, &n);

	return i < n ? t[i] : NULL;
}

static void life(void)
{
	struct cb_track_det d = det(0.3, 0.3, 0.9), two[2];
	struct cb_track *const *over;
	uint32_t n;
	int64_t t = 0;

	fresh(NULL);
	feed(t += 100000, &d, 1);
	OK_NAMED(count() == 0, "nothing counts at once");
	feed(t += 100000, &d, 1);
	OK_NAMED(count() == 1 && track(0)->fresh && track(0)->number == 1 && track(0)->points == 2 &&
	   track(0)->born_us == 100000, "with the second sight it does, from the first one on");
	OK_NAMED(feed(t, &d, 1) == CB_TRACK_AGAIN && feed(t - 1, &d, 1) == CB_TRACK_LATE, "again, and late: left out");
	for (int i = 0; i < 100; i++)
		feed(t += 100000, &d, 1);
	OK_NAMED(count() == 1 && track(0)->seen == 102 && track(0)->points == 102 && cb_track_point(track(0), 63) &&
	   !cb_track_point(track(0), 64) && cb_track_point(track(0), 0)->t_us == t, "its newest points are there");
	OK_NAMED(track(0)->trails > 32 && track(0)->trails <= CB_TRACK_TRAIL && track(0)->trail[0].t_us == 100000 &&
	   track(0)->trail_step == 2, "and its whole life, thinned out");
	d = det(0.3, 0.3, 0.15);
	feed(t += 100000, &d, 1);
	OK_NAMED(track(0)->state == CB_TRACK_SEEN, "a low score keeps it");
	feed(t += 100000, NULL, 0);
	OK_NAMED(track(0)->state == CB_TRACK_LOST && track(0)->missed == 1, "lost");
	d = det(0.3, 0.3, 0.9);
	feed(t += 1800000, &d, 1);
	OK_NAMED(track(0)->state == CB_TRACK_SEEN && track(0)->number == 1, "found again");
	feed(t += 2500000, NULL, 0);
	OK_NAMED(count() == 1, "one picture without it is not its end, however late");
	feed(t += 100000, NULL, 0);
	over = cb_tracker_ended(tr, &n);
	OK_NAMED(count() == 0 && n == 1 && over[0]->why == CB_TRACK_WHY_LOST && over[0]->state == CB_TRACK_OVER, "two are");
	feed(t += 100000, &d, 1);
	cb_tracker_ended(tr, &n);
	OK_NAMED(n == 0, "told once");
	feed(t += 100000, &d, 1);
	feed(t += 11000000, &d, 1);
	over = cb_tracker_ended(tr, &n);
	OK_NAMED(n == 1 && over[0]->why == CB_TRACK_WHY_GAP && over[0]->number == 2, "a gap ends all");
	feed(t += 100000, &d, 1);
	OK_NAMED(feed(t - 20000000, &d, 1) == CB_TRACK_BACK && (over = cb_tracker_ended(tr, &n), n == 1), "time goes back");
	fresh(NULL);
	two[0] = det(0.3, 0.3, 0.9);
	two[1] = det(0.305, 0.305, 0.7);
	two[1].class = 1;
	feed(1, two, 2);
	feed(2, two, 2);
	OK_NAMED(count() == 1, "two names for one box are one object");
	feed(3, &two[1], 1);
	feed(4, &two[1], 1);
	OK_NAMED(count() == 1 && track(0)->number == 1 && track(0)->class == 0, "another name does not end it");
	for (int i = 5; i < 12; i++)
		feed(i, &two[1], 1);
	OK_NAMED(track(0)->number == 1 && track(0)->class == 1, "in time it is called so");
	two[0].box = (struct cb_rect){ NAN, 0, 1, 1 };
	two[1].box = (struct cb_rect){ 0.5, 0.5, -1, 1 };
	feed(100, two, 2);
	OK_NAMED(cb_tracker_stats(tr)->boxes == 13, "what is no box is passed over");
	OK_NAMED(feed(INT64_MAX, two, 2) == CB_TRACK_LATE && feed(INT64_MIN, two, 2) == CB_TRACK_LATE, "beyond time");
	OK_NAMED(feed(CB_TRACK_TIME_MAX, two, 2) == CB_TRACK_FED && feed(-CB_TRACK_TIME_MAX, two, 2) == CB_TRACK_BACK,
		 "the ends of time");
}

static void crowd(void)
{
	struct cb_track_opts o = cb_track_defaults;
	struct cb_track_det d[600];
	uint32_t n, most = 0;
	int64_t t = 0;
	bool sane = true;

	o.lost_us = 3600000000;
	o.confirm = 1;
	fresh(&o);
	for (int i = 0; i < 60; i++) {
		for (uint32_t k = 0; k < 600; k++) {
			d[k] = det(unit(), unit(), 0.6 + 0.4 * unit());
			d[k].box.w = d[k].box.h = 0.002;
			d[k].index = k;
		}
		sane = sane && feed(t += 1000, d, 600) >= 0;
		most = count() > most ? count() : most;
		sane = sane && count() <= CB_TRACKS_MAX;
	}
	OK_NAMED(sane && most > CB_TRACKS_MAX / 2, "600 boxes a picture: many tracks, and no more than there may be");
	OK_NAMED(cb_tracker_stats(tr)->crowded > 0 && cb_tracker_stats(tr)->boxes == 60 * CB_TRACK_DETS_MAX,
	   "the best boxes, and those that had to go are counted");
	cb_tracker_close(tr);
	cb_tracker_ended(tr, &n);
	OK_NAMED(n <= CB_TRACKS_MAX && count() == 0, "closed");
}

/* Two that meet, stand together for half a second, and go back where they came from. */
static bool swapped(bool looks)
{
	static const float a[3] = { 1, 0.1f, 0 }, b[3] = { 0, 0.2f, 1 };
	struct cb_track_det d[2];
	uint64_t left = 0;

	fresh(NULL);
	for (int i = 0; i < 60; i++) {
		double x = i < 20 ? 0.1 + 0.02 * i : i < 40 ? 0.5 : 0.5 - 0.02 * (i - 40);
		bool hidden = i >= 19 && i < 41;

		d[0] = det(x, 0.3, 0.9);
		d[1] = det(1.0 - x, 0.3, 0.9);
		if (looks) {
			d[0].look = a;
			d[1].look = b;
			d[0].look_n = d[1].look_n = 3;
		}
		feed((i + 1) * 40000, d, hidden ? 0 : 2);
		if (i == 5)
			left = track(0)->box.x < 0.5 ? track(0)->number : track(1)->number;
	}
	for (uint32_t i = 0; i < count(); i++)
		if (track(i)->number == left && track(i)->state == CB_TRACK_SEEN)
			return track(i)->box.x > 0.5;
	return true;
}

int main(void)
{
	assignment();
	filter();
	ground();
	life();
	crowd();
	OK_NAMED(swapped(false) && !swapped(true), "looks tell two apart that places mix up");
	cb_tracker_free(tr);
	return done();
}
