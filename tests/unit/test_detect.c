/* SPDX-License-Identifier: Apache-2.0 */
/* Motion, regions, frame selection and suppression by themselves, on pictures made here. */
#include <math.h>
#include <string.h>

#include "tap.h"

#include "detect/motion.h"
#include "detect/objects.h"
#include "detect/pick.h"
#include "detect/region.h"
#include "detect/shipped.h"

enum { W = 160, H = 120 };

static uint32_t seed;

static int rnd(int n)
{
	seed = seed * 1664525 + 1013904223;
	return (int)(seed >> 8) % n;
}

/* A room: stripes and boxes, different for each kind. */
static void room(uint8_t *p, int kind)
{
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			int v = 60 + x / 4;

			if (kind == 0)
				v += (x / 16 + y / 12) % 2 * 50;
			else
				v += (x + 2 * y) / 20 % 2 * 60;
			p[y * W + x] = (uint8_t)v;
		}
}

static void put(uint8_t *p, int x0, int y0, int w, int h, int v)
{
	for (int y = y0; y < y0 + h; y++)
		for (int x = x0; x < x0 + w; x++)
			if (x >= 0 && y >= 0 && x < W && y < H)
				p[y * W + x] = (uint8_t)v;
}

static void noise(uint8_t *p, int n)
{
	for (int i = 0; i < W * H; i++) {
		int v = p[i] + rnd(2 * n + 1) - n;

		p[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
	}
}

static void motion(void)
{
	static uint8_t p[W * H], mask[W * H];
	struct cb_motion *m = NULL, *twin = NULL, *half = NULL;
	struct cb_motion_result r, s;
	struct cb_err err;
	int starts = 0, ends = 0, seen = 0, right = 0, same = 1, outside = 0;

	for (int i = 0; i < W * H; i++)
		mask[i] = i % W < W / 2;
	OK(cb_motion_new(&m, W, H, NULL, &err) == 0);
	OK(cb_motion_new(&twin, W, H, NULL, &err) == 0);
	OK(cb_motion_new(&half, W, H, mask, &err) == 0);
	seed = 1;
	for (int i = 0; i < 150; i++) {
		int x = (i - 30) * 3;

		room(p, 0);
		if (i >= 30 && i < 80)
			put(p, x, 40, 12, 40, 15);
		noise(p, 5);
		cb_motion_run(m, p, i * 100000, &r);
		cb_motion_run(twin, p, i * 100000, &s);
		same &= !memcmp(&r, &s, sizeof r);
		starts += r.started;
		ends += r.ended;
		if (r.scene || r.lights || (r.score && (i < 30 || i >= 84)))
			starts += 100;
		if (i >= 32 && i < 80) {
			seen += r.n == 1;
			right += r.n == 1 && abs(r.box[0].x - x * CB_UNIT / W) < 300 &&
				 abs(r.box[0].y - 40 * CB_UNIT / H) < 300 &&
				 abs(r.box[0].w - 12 * CB_UNIT / W) < 500 &&
				 abs(r.box[0].h - 40 * CB_UNIT / H) < 500;
		}
		if (r.ended)
			OK(r.duration_us > 4000000 && r.duration_us < 6000000 && r.peak >= r.score);
		cb_motion_run(half, p, i * 100000, &s);
		outside += s.n && s.box[0].x + s.box[0].w > CB_UNIT / 2 + 100;
	}
	OK_INT(starts, 1);
	OK_INT(ends, 1);
	OK(seen >= 46);
	OK(right >= 44);
	OK(same);
	OK_INT(outside, 0);

	/* brighter, darker, back; then another room, and that again in other light */
	starts = ends = seen = 0;
	for (int i = 150; i < 300; i++) {
		room(p, i >= 250);
		for (int k = 0; k < W * H; k++)
			if (i >= 170 && i < 190)
				p[k] = (uint8_t)(p[k] + 50);
			else if ((i >= 210 && i < 230) || i >= 280)
				p[k] = (uint8_t)(p[k] / 2);
		noise(p, 3);
		cb_motion_run(m, p, i * 100000, &r);
		starts += r.started;
		seen += r.scene;
		if (r.scene)
			OK_INT(i, 250);
	}
	OK_INT(starts, 0);
	OK_INT(seen, 1);

	/* times that go nowhere, backwards and far */
	for (int i = 0; i < 40; i++) {
		int64_t t[] = { 0, 0, -5000000, INT64_MAX / 4, INT64_MIN / 4, 7, INT64_MAX / 4 };

		room(p, i & 1);
		put(p, rnd(W), rnd(H), rnd(60), rnd(60), rnd(256));
		cb_motion_run(m, p, t[i % 7], &r);
		OK_NAMED(r.score >= 0 && r.score <= CB_UNIT && r.n >= 0 && r.n <= CB_MOTION_BOXES, "odd times");
	}
	/* and pictures of nothing but noise */
	for (int i = 0; i < 60; i++) {
		for (int k = 0; k < W * H; k++)
			p[k] = (uint8_t)rnd(256);
		cb_motion_run(twin, p, 20000000 + i * 40000, &r);
	}
	OK_INT(r.n, 0);
	memset(&r, 0, sizeof r);
	cb_motion_finish(half, &r);
	cb_motion_finish(half, &r);
	cb_motion_free(m);
	cb_motion_free(twin);
	cb_motion_free(half);
	OK(cb_motion_new(&m, 4, 4, NULL, &err) < 0 && err.code == CB_E_BUG);
}

static void sizes(void)
{
	uint32_t w, h;

	cb_motion_size(1920, 1080, &w, &h);
	OK(w == CB_MOTION_SIDE && h == 99);
	cb_motion_size(16384, 1, &w, &h);
	OK(w == CB_MOTION_SIDE && h == 8);
	cb_motion_size(3, 5, &w, &h);
	OK(w == 8 && h == 8);
}

static void regions(void)
{
	static const char *const bad[] = {
		"", "0", "0,0,1", "0,0,1,1,1", "0,0,2,1", "-0.1,0,1,1", "0,0,0,1", "0.5,0,0.6,1", "0,0,1,1,",
		"a,b,c,d", "nan,0,1,1", "0,0,1,1,0,1,0", "0,0,1e-9,1", ",,,",
		"0,0,0,0.00000000000000000000000000000000000000000000001",
	};
	struct cb_region r[2];
	struct cb_err err;
	struct cb_buf b = { 0 };
	uint8_t mask[16];
	char many[1000] = "0";

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		OK_NAMED(cb_region_parse(&r[0], bad[i], &err) < 0 && err.code == CB_E_USAGE, bad[i]);
	for (int i = 0; i < 2 * CB_REGION_POINTS; i++)
		strcat(many, ",0");
	OK(cb_region_parse(&r[0], many, &err) < 0);
	OK(cb_region_parse(&r[0], "0.25,0.5,0.5,0.5", &err) == 0);
	OK(cb_regions_have(r, 1, 500000, 750000) && !cb_regions_have(r, 1, 500000, 250000));
	OK(!cb_regions_have(r, 1, 100000, 750000) && !cb_regions_have(r, 1, 900000, 750000));
	OK(cb_regions_have(r, 0, 1, 1));
	cb_regions_mask(r, 1, 4, 4, mask);
	OK(!memcmp(mask, "\0\0\0\0" "\0\0\0\0" "\0\1\1\0" "\0\1\1\0", 16));
	/* an L: the notch at the top right is outside */
	OK(cb_region_parse(&r[1], "0,0,0.5,0,0.5,0.5,1,0.5,1,1,0,1", &err) == 0);
	OK(!cb_regions_have(r + 1, 1, 750000, 250000) && cb_regions_have(r + 1, 1, 250000, 250000));
	OK(cb_regions_have(r + 1, 1, 750000, 750000) && cb_regions_have(r, 2, 10, 10));
	OK(cb_region_text(&r[0], &b) == 0 && cb_buf_byte(&b, 0) == 0);
	OK_STR((char *)b.data, "0.250000,0.500000 0.750000,0.500000 0.750000,1.000000 0.250000,1.000000");
	cb_buf_release(&b);
}

static void picks(void)
{
	struct cb_pick p = { .mode = CB_PICK_EVERY, .every = 3 };
	int n = 0;

	for (int i = 0; i < 10; i++)
		n += cb_pick_packet(&p, 0, false);
	OK_INT(n, 4);
	p = (struct cb_pick){ .mode = CB_PICK_KEYFRAMES };
	OK(cb_pick_packet(&p, 0, true) && !cb_pick_packet(&p, 0, false));
	/* 25 pictures a second in the order that B-frames are coded in, 5 wanted */
	p = (struct cb_pick){ .mode = CB_PICK_FPS, .fps_num = 5, .fps_den = 1 };
	n = 0;
	for (int g = 0; g < 100; g += 4)
		for (int k = 0; k < 4; k++)
			n += cb_pick_packet(&p, (g + (k + 3) % 4) * INT64_C(40000), false);
	OK_INT(n, 20);
	/* each fifth of a second has one, also before 0 */
	p = (struct cb_pick){ .mode = CB_PICK_FPS, .fps_num = 5, .fps_den = 1 };
	OK(cb_pick_packet(&p, -1, false) && cb_pick_packet(&p, 0, false) && !cb_pick_packet(&p, 199999, false));
	OK(!cb_pick_packet(&p, -200000, false) && cb_pick_packet(&p, -200001, false));
	OK(cb_pick_packet(&p, INT64_MAX / 4, false) && cb_pick_packet(&p, INT64_MIN / 4, false));
}

static void suppression(void)
{
	struct cb_object o[] = {
		{ { 1000, 1000, 1000, 1000 }, 5000, 0 },
		{ { 1000, 1000, 1000, 1000 }, 9000, 0 },	/* best */
		{ { 1000, 1500, 1000, 1000 }, 8000, 0 },	/* overlap 1/3 with it */
		{ { 1000, 1000, 1000, 1000 }, 7000, 1 },	/* another class */
		{ { -500, 9500, 1000, 1000 }, 6000, 0 },	/* over two edges */
		{ { 12000, 0, 100, 100 }, 6000, 0 },		/* beside the picture */
	}, twice[] = { o[0], o[2] };

	OK_INT(cb_objects_suppress(o, 6, 3333), 3);	/* 1/3 exceeds 0.3333 */
	OK(o[0].score == 9000 && o[1].score == 7000 && o[2].score == 6000);
	OK(o[2].box.x == 0 && o[2].box.y == 9500 && o[2].box.w == 500 && o[2].box.h == 500);
	OK_INT(cb_objects_suppress(twice, 2, 3334), 2);
	OK_INT(cb_objects_suppress(twice, 2, 0), 2);
	OK_INT(cb_objects_suppress(twice, 0, 4500), 0);
}

static double share(const struct cb_ubox *a, const struct cb_ubox *b)
{
	double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
	double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
	double both = w < 0 || h < 0 ? 0 : w * h;

	return both / ((double)a->w * a->h + (double)b->w * b->h - both);
}

/* Crowds of boxes: what is left is what darknet's greedy procedure leaves, by real numbers. */
static void crowds(void)
{
	int wrong = 0, left = 0, dropped = 0;

	seed = 5;
	for (int round = 0; round < 300; round++) {
		struct cb_object o[60], want[60];
		int n = 1 + rnd(60), kept = 0, got, nms = 1 + rnd(CB_UNIT - 1);

		for (int i = 0; i < n; i++) {
			struct cb_ubox b = { rnd(4) * 2000 + rnd(400), rnd(3) * 2500 + rnd(600), 300 + rnd(1500),
					     300 + rnd(1800) };

			/* inside the picture, so that nothing is cut; no two of one score */
			o[i] = (struct cb_object){ b, 100 + i * 150 + rnd(150), rnd(2) };
		}
		for (int i = n - 1; i >= 0; i--) {	/* that is: best first */
			bool drop = false;

			for (int k = 0; k < kept; k++)
				drop |= want[k].class_id == o[i].class_id &&
					share(&want[k].box, &o[i].box) * CB_UNIT > nms;
			if (!drop)
				want[kept++] = o[i];
		}
		for (int i = n - 1; i > 0; i--) {
			int k = rnd(i + 1);
			struct cb_object t = o[i];

			o[i] = o[k];
			o[k] = t;
		}
		got = cb_objects_suppress(o, n, nms);
		wrong += got != kept || memcmp(o, want, (size_t)kept * sizeof *o);
		left += kept;
		dropped += n - kept;
	}
	OK_INT(wrong, 0);
	OK(left > 1000 && dropped > 1000);
}

static void shipped(void)
{
	struct cb_model_opts o = { .cfg = "a.cfg" };
	struct cb_err err = CB_ERR_INIT;
	struct cb_shipped s = { NULL };

	OK(cb_shipped_is("cb-objects") && cb_shipped_is("x") && cb_shipped_is("-"));
	OK(!cb_shipped_is("") && !cb_shipped_is("a.cfg") && !cb_shipped_is("./a") && !cb_shipped_is("a/b") &&
	   !cb_shipped_is(".") && !cb_shipped_is("..") && !cb_shipped_is("/"));
	OK(cb_shipped_find(&s, &o, &err) == 0 && !strcmp(o.cfg, "a.cfg") && !o.listed && !s.cfg);
	o.cfg = "no-such-model";
	OK(cb_shipped_find(&s, &o, &err) < 0 && err.code == CB_E_NOINPUT && !s.cfg && !s.list && !o.listed);
	OK(!strcmp(o.cfg, "no-such-model") && strstr(err.msg, "/share/cb/models/no-such-model.cfg"));
	o.names = "x";
	OK(cb_shipped_find(&s, &o, &err) < 0 && err.code == CB_E_USAGE);
	cb_shipped_release(&s);
	cb_shipped_release(&s);
}

int main(void)
{
	shipped();
	sizes();
	crowds();
	motion();
	regions();
	picks();
	suppression();
	return done();
}
