/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing: coverage, both kinds of picture, glyphs, colours, and detections by picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw/dets.h"
#include "draw/overlay.h"
#include "draw/paint.h"
#include "draw/text.h"
#include "media/encode.h"
#include "tap.h"

static const struct cb_rgba red = { 255, 0, 0, 255 }, half_white = { 255, 255, 255, 128 };

static double covered(const struct cb_overlay *o)
{
	double sum = 0;

	for (size_t i = 0; i < (size_t)o->width * o->height; i++)
		sum += o->px[4 * i + 3] / 255.0;
	return sum;
}

static void shapes(void)
{
	struct cb_overlay o;
	struct cb_err err = CB_ERR_INIT;

	OK(cb_overlay_init(&o, 0, 5, &err) < 0 && err.code == CB_E_DATA);
	OK(cb_overlay_init(&o, 16385, 5, &err) < 0);
	OK(cb_overlay_init(&o, 16384, 16384, &err) < 0);
	if (!OK(cb_overlay_init(&o, 100, 80, &err) == 0))
		return;
	cb_overlay_fill(&o, 10.5, 20.25, 30, 20, 0, red);
	OK(fabs(covered(&o) - 600) < 6);
	cb_overlay_clear(&o);
	OK(covered(&o) == 0);
	cb_overlay_fill(&o, 10, 10, 40, 40, 20, red);		/* a disc */
	OK(fabs(covered(&o) - 3.14159265 * 400) < 6);
	cb_overlay_clear(&o);
	cb_overlay_stroke(&o, 10, 10, 60, 50, 0, 4, red);
	OK(fabs(covered(&o) - (64 * 54 - 56 * 46)) < 8);
	OK(o.px[4 * (35 * 100 + 40) + 3] == 0);			/* hollow */
	cb_overlay_clear(&o);
	/* beyond every border, and nonsense: nothing may be written outside */
	cb_overlay_fill(&o, -50, -50, 1e9, 1e9, 5, red);
	OK(fabs(covered(&o) - 8000) < 1);
	cb_overlay_clear(&o);
	cb_overlay_fill(&o, NAN, 0, 5, 5, 0, red);
	cb_overlay_fill(&o, 0, 0, INFINITY, 5, 0, red);
	cb_overlay_stroke(&o, 0, 0, -5, 5, 0, 2, red);
	cb_overlay_stroke(&o, 200, 200, 5, 5, 0, 2, red);
	cb_overlay_stroke(&o, 0, 0, 5, 5, 0, 0, red);
	OK(covered(&o) == 0);
	cb_overlay_release(&o);
}

static void laying(void)
{
	struct cb_overlay o;
	uint8_t rgb[15 * 3 * 9], y[15 * 9], u[8 * 5], v[8 * 5];
	struct cb_yuv p = { { y, u, v }, { 15, 8, 8 }, 0, 0 };

	if (!OK(cb_overlay_init(&o, 15, 9, NULL) == 0))
		return;
	memset(rgb, 10, sizeof(rgb));
	cb_overlay_fill(&o, 4, 2, 6, 4, 0, red);
	cb_overlay_lay_rgb24(&o, rgb, 45);
	OK(rgb[45 * 3 + 3 * 6] == 255 && rgb[45 * 3 + 3 * 6 + 1] == 0);
	OK(rgb[0] == 10 && rgb[45 * 8 + 44] == 10 && rgb[45 * 3 + 3 * 3] == 10);
	memset(y, 126, sizeof(y));
	memset(u, 128, sizeof(u));
	memset(v, 128, sizeof(v));
	cb_overlay_lay_yuv420p(&o, &p);
	/* BT.601 red, 16..235: 81, 90, 240 */
	OK_INT(y[15 * 3 + 6], 81);
	OK_INT(u[8 * 1 + 3], 90);
	OK_INT(v[8 * 1 + 3], 240);
	OK(y[0] == 126 && u[0] == 128 && v[39] == 128);
	p.bt709 = 1;
	p.full = 1;
	cb_overlay_lay_yuv420p(&o, &p);
	OK_INT(y[15 * 3 + 6], 54);
	OK_INT(v[8 * 1 + 3], 255);
	cb_overlay_clear(&o);
	memset(rgb, 0, sizeof(rgb));
	cb_overlay_fill(&o, 0, 0, 15, 9, 0, half_white);
	cb_overlay_lay_rgb24(&o, rgb, 45);
	OK(rgb[0] >= 127 && rgb[0] <= 129 && rgb[404] == rgb[0]);
	/* the odd last column and row have chroma of their own */
	memset(u, 0, sizeof(u));
	p.full = 0;
	cb_overlay_lay_yuv420p(&o, &p);
	OK(u[7] > 60 && u[39] > 60);
	cb_overlay_release(&o);
}

static void letters(void)
{
	struct cb_overlay o;
	struct cb_font f;
	double last = -1;
	int blank = 0, alike = 0, beyond = 0;

	if (!OK(cb_overlay_init(&o, 60, 60, NULL) == 0))
		return;
	cb_font_init(&f, 20);
	for (int c = 33; c <= 127; c++) {
		char s[2] = { (char)c, 0 };
		double now;

		cb_overlay_clear(&o);
		cb_font_draw(&f, &o, 10, 40, s, red);
		now = covered(&o);
		blank += now < 4;
		alike += now == last;
		last = now;
		/* what is drawn lies within the width that is promised */
		for (uint32_t y = 0; y < o.height; y++)
			if (o.lo[y] < o.hi[y])
				beyond += o.lo[y] < 8 ||
					o.hi[y] > 10 + cb_font_width(&f, s) + 2;
	}
	OK_INT(blank, 0);
	OK(alike <= 2);		/* mirrored pairs such as ( and ) */
	OK_INT(beyond, 0);
	OK(cb_font_width(&f, "") == 0);
	OK(cb_font_width(&f, "ab") > cb_font_width(&f, "a"));
	OK(cb_font_width(&f, "\xc3\xa9") == cb_font_width(&f, "\x7f"));
	OK(cb_font_width(&f, "\xc3\xa9\xc3\xa9") == cb_font_width(&f, "\x7f\x7f"));
	cb_font_release(&f);
	cb_font_init(&f, -3);
	OK(f.px == 5);
	cb_font_init(&f, 1e6);
	OK(f.px == CB_FONT_PX_MAX);
	cb_font_release(&f);
	cb_overlay_release(&o);
}

static void colours(void)
{
	static const char *const names[] = { "person", "car", "bicycle", "dog", "truck", "bus", "face" };
	int same = 0;

	for (int i = 0; i < 7; i++)
		for (int k = 0; k < i; k++) {
			struct cb_rgba a = cb_class_colour(names[i]), b = cb_class_colour(names[k]);

			same += memcmp(&a, &b, sizeof(a)) == 0;
		}
	OK_INT(same, 0);
	OK(cb_class_colour("zebra").a == 255 && cb_class_colour("").a == 255);
}

static void painting(void)
{
	struct cb_object obj[3] = {
		{ { 0.2f, 0.3f, 0.3f, 0.4f }, 0.9f, "person" },
		{ { -5, -5, 20, 20 }, 0.5f, "everything" },
		{ { 0.9f, 0.0f, 0.5f, 0.0f }, 0.3f, "\xe2\x82\xac long name of a class" },
	};
	struct cb_area area = { 0.6f, 0.6f, 0.2f, 0.2f };
	struct cb_det d = { .n_objects = 1, .objects = obj, .n_areas = 1, .areas = &area };
	struct cb_paint_opts o = { .labels = true, .motion = true };
	struct cb_painter p;
	double with, without;

	if (!OK(cb_painter_init(&p, 320, 240, NULL) == 0))
		return;
	cb_paint(&p, &d, NULL, &o, NULL, 1);
	with = covered(&p.sheet);
	o.motion = false;
	cb_paint(&p, &d, NULL, &o, NULL, 1);
	OK(covered(&p.sheet) < with);
	o.labels = false;
	cb_paint(&p, &d, NULL, &o, NULL, 1);
	without = covered(&p.sheet);
	OK(without > 100 && without < with);
	cb_paint(&p, &d, NULL, &o, NULL, 0.3);
	OK(covered(&p.sheet) < without);
	o.threshold = 0.95;
	cb_paint(&p, &d, NULL, &o, NULL, 1);
	OK(covered(&p.sheet) == 0);
	cb_paint(&p, NULL, NULL, &o, "front  2026-11-21", 1);
	OK(covered(&p.sheet) > 500);
	o = (struct cb_paint_opts){ .labels = true, .motion = true };
	d.n_objects = 3;
	cb_paint(&p, &d, NULL, &o, "x", 1);
	OK(covered(&p.sheet) > with);
	cb_painter_release(&p);
	/* the smallest picture */
	if (OK(cb_painter_init(&p, 1, 1, NULL) == 0))
		cb_paint(&p, &d, NULL, &o, "x", 1);
	cb_painter_release(&p);
}

/* --- what cb-track says ------------------------------------------------------------------------------ */

static double pixel(const struct cb_overlay *o, int x, int y)
{
	return o->px[4 * ((size_t)y * o->width + (size_t)x) + 3];
}

static void lines_and_polygons(void)
{
	const struct cb_rgba c = { 255, 255, 255, 255 };
	const double triangle[] = { 10, 10, 90, 10, 10, 90 };
	struct cb_overlay o, turned;
	double sum = 0;
	unsigned wrong = 0;

	if (!OK(cb_overlay_init(&o, 100, 100, NULL) == 0) || !OK(cb_overlay_init(&turned, 100, 100, NULL) == 0))
		return;
	cb_overlay_polygon(&o, triangle, 3, c);
	for (int y = 0; y < 100; y++)
		for (int x = 0; x < 100; x++)
			sum += pixel(&o, x, y) / 255;
	NOTE("a triangle of 3200: %.1f", sum);
	OK(sum > 3190 && sum < 3210);
	OK(pixel(&o, 20, 20) == 255 && pixel(&o, 80, 80) == 0 && pixel(&o, 5, 50) == 0);
	/* a line is the same from both ends, and mirrored at the diagonal */
	cb_overlay_clear(&o);
	cb_overlay_line(&o, 20, 30, 80, 47, 5, c);
	cb_overlay_line(&turned, 47, 80, 30, 20, 5, c);
	sum = 0;
	for (int y = 0; y < 100; y++)
		for (int x = 0; x < 100; x++) {
			sum += pixel(&o, x, y) / 255;
			wrong += fabs(pixel(&o, x, y) - pixel(&turned, y, x)) > 1;
		}
	OK_INT(wrong, 0);
	/* length by thickness, and the round ends */
	NOTE("%.1f", sum);
	OK(fabs(sum - (hypot(60, 17) * 5 + M_PI * 2.5 * 2.5)) < 3);
	/* none of these may write outside */
	cb_overlay_line(&o, -1e9, -1e9, 1e9, 1e9, 3, c);
	cb_overlay_line(&o, NAN, 0, 1, 1, 3, c);
	cb_overlay_line(&o, 50, -500, 50, 500, 1, c);
	cb_overlay_line(&o, 99.9, 99.9, 99.9, 99.9, 50, c);
	cb_overlay_polygon(&o, (const double[]){ -1e9, -1e9, 1e9, -1e9, 0, 1e9 }, 3, c);
	cb_overlay_polygon(&o, triangle, 2, c);
	OK(pixel(&o, 50, 50) == 255);
	cb_overlay_release(&o);
	cb_overlay_release(&turned);
}

#define TRACKED(type, data) "{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/cb-track\",\"type\":\"" type \
	"\",\"data\":{\"t_us\":" data "}}"

static void marks(void)
{
	static const char *const lines[] = {
		TRACKED("cb.zones", "1000000,\"stream\":0,\"pts\":10,\"zones\":[{\"name\":\"z\",\"polygon\":[[0,0],[1,0],[0.5,1]]}],"
			"\"lines\":[{\"name\":\"l\",\"points\":[[0.5,0],[0.5,1]]}]"),
		TRACKED("cb.track", "1100000,\"stream\":0,\"pts\":11,\"track\":\"a\",\"number\":1,\"state\":\"new\",\"class\":\"car\","
			"\"since_us\":1000000,\"path\":[[0,0.1,0.1],[100000,0.2,0.1]]"),
		TRACKED("cb.line.cross", "1200000,\"stream\":0,\"pts\":12,\"rule\":\"r\",\"line\":\"l\",\"track\":\"a\""),
		TRACKED("cb.count", "1200000,\"stream\":0,\"pts\":12,\"rule\":\"n\",\"in\":3,\"out\":1,\"occupancy\":2"),
		TRACKED("cb.track", "1300000,\"stream\":1,\"pts\":13,\"track\":\"b\",\"since_us\":1,\"path\":[[0,0,0]]"),
		/* what is not as it should be is passed over */
		TRACKED("cb.track", "1200000,\"stream\":0,\"pts\":12,\"track\":7,\"path\":3"),
		TRACKED("cb.track", "1200000,\"stream\":0,\"pts\":12,\"track\":\"c\",\"since_us\":9223372036854775807,\"path\":[[1,0,0],[2],4]"),
		TRACKED("cb.zones", "9223372036854775807,\"stream\":0,\"zones\":[]"),
		TRACKED("cb.count", "1,\"stream\":64,\"rule\":\"n\""),
		TRACKED("x", "1,\"stream\":0,\"rule\":[]"),
		"/cb-track {",
	};
	static struct cb_json j;
	struct cb_marks m;
	const struct cb_view *v;
	struct cb_painter p;

	for (int whole = 0; whole < 2; whole++) {
		m = (struct cb_marks){ 0 };
		for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
			OK(cb_marks_event(&m, &j, lines[i], strlen(lines[i]), whole, NULL) == 0);
		if (whole)
			cb_marks_sort(&m);
		OK(cb_marks_at(&m, 0, 9, &v, NULL) == 0 && v && !v->zones && !v->tails);
		OK(cb_marks_at(&m, 0, 10, &v, NULL) == 0 && v->zones == 1 && v->lines == 1 && !v->tails);
		OK(v->zone[0].n == 3 && strcmp(v->zone[0].name, "z") == 0 && v->line[0].lit_us == CB_MARK_NEVER);
		OK(cb_marks_at(&m, 0, 11, &v, NULL) == 0 && v->tails == 1 && v->tail[0].n == 2 && v->counts == 0);
		OK(cb_marks_at(&m, 0, 12, &v, NULL) == 0 && v->tails == 1 && v->counts == 1 && v->count[0].in == 3);
		OK(v->line[0].lit_us == 1200000 && v->tail[0].told_us == 1200000 && v->now_us == 1200000);
		if (OK(cb_painter_init(&p, 320, 240, NULL) == 0)) {
			struct cb_paint_opts o = { .labels = true };

			cb_paint(&p, NULL, v, &o, NULL, 1);
			OK(covered(&p.sheet) > 1000);
			o.no_tracks = true;
			cb_paint(&p, NULL, v, &o, NULL, 1);
			OK(covered(&p.sheet) == 0);
			cb_painter_release(&p);
		}
		OK(cb_marks_at(&m, 1, 99, &v, NULL) == 0 && v->tails == 1 && v->tail[0].number == 0);
		cb_marks_release(&m);
	}
}

#define LINE(type, data) "{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/t\",\"type\":\"" type \
	"\",\"data\":" data "}"
#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct cb_det *parse(struct cb_json *j, const char *line, int want)
{
	struct cb_det *d = NULL;
	struct cb_err err = CB_ERR_INIT;

	if (!OK_NAMED(cb_det_parse(&d, j, line, strlen(line), &err) == want, line))
		printf("#   %s\n", err.msg);
	return d;
}

static void detections(void)
{
	static const uint8_t digest[32] = {
		0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
		0xee, 0xff, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
		0xcc, 0xdd, 0xee, 0xff };
	const uint8_t other[32] = { 1 };
	struct cb_json *j = malloc(sizeof(*j));
	struct cb_dets s = { 0 };
	struct cb_det *d;

	if (!OK(j != NULL))
		return;
	parse(j, LINE("cb.alert", "{}"), 0);
	parse(j, LINE("cb.detection", "{}"), -1);
	parse(j, LINE("cb.detection", "{\"stream\":64,\"pts\":1}"), -1);
	parse(j, LINE("cb.detection", "{\"stream\":0}"), -1);
	parse(j, LINE("cb.detection", "{\"stream\":0,\"pts\":1,\"objects\":{}}"), -1);
	parse(j, LINE("cb.detection", "{\"stream\":0,\"pts\":1,\"objects\":[7]}"), -1);
	parse(j, LINE("cb.detection", "{\"stream\":0,\"pts\":1,\"objects\":[{\"class\":\"a\","
	      "\"score\":1,\"box\":[0,0,1]}]}"), -1);
	parse(j, LINE("cb.detection", "{\"stream\":0,\"pts\":1,\"objects\":[{\"class\":\"a\","
	      "\"score\":1,\"box\":[0,0,1,1e300]}]}"), -1);
	parse(j, LINE("cb.detection", "{\"stream\":0,\"pts\":1,\"motion\":{\"boxes\":[1]}}"), -1);
	parse(j, "nonsense", -1);

	d = parse(j, LINE("cb.detection", "{\"stream\":1,\"pts\":-7,\"packet\":\"" DIGEST "\","
		"\"objects\":[{\"class\":\"a\",\"score\":0.25,\"box\":[0.1,0.2,0.3,0.4]},{\"class\":"
		"\"0123456789012345678901234567890123456789012345\xc3\xa9\",\"score\":1,"
		"\"box\":[0,0,1,1]}],\"motion\":{\"score\":0.5,\"boxes\":[[0,0,0.5,0.5]]}}"), 1);
	if (!OK(d && d->n_objects == 2 && d->n_areas == 1 && d->has_digest))
		return;
	OK(d->pts == -7 && d->stream == 1 && fabs(d->motion - 0.5) < 1e-9);
	OK(fabsf(d->objects[0].at.h - 0.4f) < 1e-6f && strcmp(d->objects[0].name, "a") == 0);
	OK(strlen(d->objects[1].name) == 46);	/* cut before the character that does not fit */
	OK(cb_dets_add(&s, d, false, NULL) == 0);
	OK(!cb_dets_find(&s, 0, -7, digest));
	OK(!cb_dets_find(&s, 1, -8, digest));
	OK(!cb_dets_find(&s, 1, -7, other) && s.other_packet == 1);
	OK(cb_dets_find(&s, 1, -7, digest) == d);
	OK(s.n == 0 && d->n_objects == 2);	/* out of the set, still alive */
	for (int i = 0; i < CB_DETS_WAITING + 10; i++)
		cb_dets_add(&s, parse(j, LINE("cb.detection", "{\"stream\":0,\"pts\":5}"), 1), false, NULL);
	OK(s.n == CB_DETS_WAITING && s.dropped == 10);
	OK(cb_dets_find(&s, 0, 5, digest) != NULL);
	cb_dets_release(&s);

	/* a whole file: any order, the later of two lines wins */
	for (int i = 0; i < 100; i++) {
		char line[200];

		snprintf(line, sizeof(line), LINE("cb.detection",
			 "{\"stream\":%d,\"pts\":%d,\"motion\":{\"score\":%d}}"), i % 2, i * 37 % 100, i);
		cb_dets_add(&s, parse(j, line, 1), true, NULL);
	}
	cb_dets_add(&s, parse(j, LINE("cb.detection",
		    "{\"stream\":0,\"pts\":74,\"motion\":{\"score\":1000}}"), 1), true, NULL);
	cb_dets_sort(&s);
	OK(cb_dets_find(&s, 0, 74, digest) && cb_dets_find(&s, 0, 74, NULL)->motion == 1000);
	OK(cb_dets_find(&s, 1, 37, NULL) && cb_dets_find(&s, 1, 37, NULL)->motion == 1);
	OK(!cb_dets_find(&s, 0, 37, NULL) && !cb_dets_find(&s, 0, 100, NULL));
	cb_dets_release(&s);
	free(j);
}

static void images(void)
{
	uint8_t rgb[7 * 5 * 3];
	struct cb_buf b = { 0 };
	struct cb_err err = CB_ERR_INIT;

	memset(rgb, 200, sizeof(rgb));
	OK(cb_image_encode(&b, CB_IMAGE_PNG, rgb, 7, 5, 80, &err) == 0);
	OK(b.len > 20 && memcmp(b.data, "\x89PNG", 4) == 0 && b.data[19] == 7 && b.data[23] == 5);
	b.len = 0;
	OK(cb_image_encode(&b, CB_IMAGE_JPEG, rgb, 7, 5, 80, &err) == 0);
	OK(b.len > 20 && b.data[0] == 0xff && b.data[1] == 0xd8 && b.data[b.len - 1] == 0xd9);
	OK(cb_image_encode(&b, CB_IMAGE_PNG, rgb, 0, 5, 80, &err) < 0 && err.code == CB_E_DATA);
	OK(cb_image_save("/nonexistent/a.png", &b, &err) < 0 && err.code == CB_E_CANTCREAT);
	cb_buf_release(&b);
}

static void films(const char *codec)
{
	struct cb_stream like = { .kind = CB_VIDEO, .tb_num = 1, .tb_den = 1000, .fr_num = 10,
				  .fr_den = 1, .width = 64, .height = 48 };
	struct cb_encoder_opts o = { .codec = codec, .quality = 80, .width = 64, .height = 48 };
	struct cb_encoder *e = NULL;
	struct cb_decoder *d = NULL;
	struct cb_picture pic;
	struct cb_packet at = { .pts = -500, .duration = 7, .wall_ns = 99 }, out;
	struct cb_err err = CB_ERR_INIT;
	uint8_t yuv[64 * 48 * 3 / 2];
	int keys = 0, pictures = 0, times = 0;

	if (cb_encoder_open(&e, &o, &like, &err) < 0) {
		OK_NAMED(err.code == CB_E_UNAVAIL, err.msg);
		return;
	}
	OK(strcmp(cb_encoder_stream(e)->codec, codec) == 0);
	if (!OK(cb_decoder_open(&d, cb_encoder_stream(e), &err) == 0))
		printf("#   %s\n", err.msg);
	for (int i = 0; i < 50 && d; i++) {
		memset(yuv, 60, 64 * 48);
		memset(yuv + 64 * 48, 128, 64 * 24);
		at.flags = i == 30 ? CB_F_KEY : 0;
		if (cb_encoder_run(e, yuv, &at, &out, &err) < 0)
			break;
		keys += (out.flags & CB_F_KEY) != 0;
		times += out.pts == at.pts && out.dts == at.pts && out.wall_ns == 99;
		if (cb_decoder_send(d, &out, &err) < 0)
			break;
		while (cb_decoder_next(d, &pic, &err) == 1)
			pictures++;
		at.pts += 3;
	}
	if (d && cb_decoder_send(d, NULL, &err) == 0)
		while (cb_decoder_next(d, &pic, &err) == 1)
			pictures++;
	OK_INT(pictures, 50);
	OK_INT(times, 50);
	OK_INT(keys, strcmp(codec, "mjpeg") == 0 ? 50 : 3);	/* 0, 20, and 30 as asked */
	cb_decoder_free(d);
	cb_encoder_free(e);
}

int main(void)
{
	struct cb_encoder *e;
	struct cb_encoder_opts o = { .codec = "h264", .quality = 80, .width = 63, .height = 48 };
	struct cb_stream like = { .tb_num = 1, .tb_den = 25 };

	shapes();
	laying();
	letters();
	colours();
	painting();
	lines_and_polygons();
	marks();
	detections();
	images();
	films("h264");
	films("mjpeg");
	OK(cb_encoder_open(&e, &o, &like, NULL) < 0);
	o.codec = "nonsense";
	OK(cb_encoder_open(&e, &o, &like, NULL) < 0);
	return done();
}
