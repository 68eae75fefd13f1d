/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures into networks: beside a slow reference in floating point, the kernels beside each
 * other, every layout beside libswscale, and sizes that nobody expects. */
#include <math.h>

#include <libavutil/frame.h>
#include <libavutil/pixfmt.h>

#include "tap.h"

#include "media/colour.h"
#include "media/fit.h"
#include "media/fitrow.h"
#include "media/scale.h"

static uint32_t seed = 1;

static uint8_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return (uint8_t)(seed >> 24);
}

/* A picture whose planes end where their memory does, so that a sanitizer sees what reads on. */
struct pic {
	struct cb_picture p;
	uint8_t *mem[3];
	AVFrame frame;
};

enum kind { NOISE, SMOOTH, FLAT };

static void make(struct pic *q, uint32_t w, uint32_t h, enum AVPixelFormat format, enum kind kind)
{
	struct cb_colour c;

	memset(q, 0, sizeof *q);
	q->p = (struct cb_picture){ .width = w, .height = h, .format = format, .priv = &q->frame };
	cb_colour_of(&c, &q->p);
	for (int i = 0; i < 3; i++) {
		uint32_t sx = i ? c.chroma_x : 0, sy = i ? c.chroma_y : 0;
		uint32_t pw = (w + (1u << sx) - 1) >> sx, ph = (h + (1u << sy) - 1) >> sy;

		if ((c.layout == CB_LAYOUT_GRAY && i) || (c.layout >= CB_LAYOUT_UV && i == 2))
			break;
		if (c.layout >= CB_LAYOUT_UV && i)
			pw *= 2;
		q->mem[i] = malloc((size_t)pw * ph);
		q->p.plane[i] = q->mem[i];
		q->p.stride[i] = (int)pw;
		for (uint32_t y = 0; y < ph; y++)
			for (uint32_t x = 0; x < pw; x++)
				q->mem[i][(size_t)y * pw + x] = kind == NOISE ? rnd() : kind == FLAT ? (uint8_t)(90 + 50 * i) :
					(uint8_t)(128 + 60 * sin((double)x / pw * 5 + i) + 40 * cos((double)y / ph * 4 - i));
	}
}

static void drop(struct pic *q)
{
	for (int i = 0; i < 3; i++)
		free(q->mem[i]);
}

/* The definition, in floating point: the triangle's value at result x of out. */
static double sample(const uint8_t *row, ptrdiff_t step, uint32_t n, double spread, double at0, double c,
		     double half)
{
	double sum = 0, all = 0;
	int64_t lo = (int64_t)floor((c - half - at0) / spread), hi = (int64_t)ceil((c + half - at0) / spread);

	for (int64_t j = lo; j <= hi; j++) {
		double d = 1 - fabs((double)j * spread + at0 - c) / half;
		int64_t k = j < 0 ? 0 : j < n ? j : n - 1;

		if (d <= 0)
			continue;
		sum += d * row[k * step];
		all += d;
	}
	return sum / all;
}

static double reference(const struct pic *q, int plane, uint32_t ow, uint32_t oh, uint32_t x, uint32_t y)
{
	struct cb_colour c;
	uint32_t w = q->p.width, h = q->p.height;
	double sx, sy, ax = 0, ay = 0, cx, cy, hx, hy, sum = 0, all = 0;
	ptrdiff_t step = 1, off = 0;
	const uint8_t *base;
	uint32_t pw, ph;
	int stride;

	cb_colour_of(&c, &q->p);
	sx = plane ? 1 << c.chroma_x : 1;
	sy = plane ? 1 << c.chroma_y : 1;
	if (plane && c.centre_x)
		ax = (sx - 1) / 2;
	if (plane && c.centre_y)
		ay = (sy - 1) / 2;
	pw = (uint32_t)ceil(w / sx);
	ph = (uint32_t)ceil(h / sy);
	cx = (x + 0.5) * w / ow - 0.5;
	cy = (y + 0.5) * h / oh - 0.5;
	hx = (double)w / ow > sx ? (double)w / ow : sx;
	hy = (double)h / oh > sy ? (double)h / oh : sy;
	if (plane && c.layout >= CB_LAYOUT_UV) {
		step = 2;
		off = (plane == 2) != (c.layout == CB_LAYOUT_VU);
		plane = 1;
	}
	base = q->p.plane[plane] + off;
	stride = q->p.stride[plane];
	for (int64_t j = (int64_t)floor((cy - hy - ay) / sy); j <= (int64_t)ceil((cy + hy - ay) / sy); j++) {
		double d = 1 - fabs((double)j * sy + ay - cy) / hy;
		int64_t k = j < 0 ? 0 : j < ph ? j : ph - 1;

		if (d <= 0)
			continue;
		sum += d * sample(base + k * stride, step, pw, sx, ax, cx, hx);
		all += d;
	}
	return sum / all;
}

static double bound(double v)
{
	return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* The largest difference from the definition, in 8-bit steps, and the mean of its square. */
static double worst(const struct pic *q, const float *out, uint32_t ow, uint32_t oh, size_t stride, size_t plane,
		    double *ret_square)
{
	static const double k[][2] = { { .299, .114 }, { .2126, .0722 }, { .30, .11 }, { .212, .087 }, { .2627, .0593 } };
	struct cb_colour c;
	double most = 0, square = 0, kr, kb, kg;

	cb_colour_of(&c, &q->p);
	kr = k[c.matrix][0];
	kb = k[c.matrix][1];
	kg = 1 - kr - kb;
	for (uint32_t y = 0; y < oh; y++)
		for (uint32_t x = 0; x < ow; x++) {
			double l = reference(q, 0, ow, oh, x, y), u = 128, v = 128, rgb[3];

			if (c.layout != CB_LAYOUT_GRAY) {
				u = reference(q, 1, ow, oh, x, y);
				v = reference(q, 2, ow, oh, x, y);
			}
			l = c.full ? l : (l - 16) * 255 / 219;
			u = (u - 128) * (c.full ? 1 : 255.0 / 224);
			v = (v - 128) * (c.full ? 1 : 255.0 / 224);
			rgb[0] = bound(l + 2 * (1 - kr) * v);
			rgb[1] = bound(l - 2 * (1 - kb) * kb / kg * u - 2 * (1 - kr) * kr / kg * v);
			rgb[2] = bound(l + 2 * (1 - kb) * u);
			for (size_t i = 0; i < 3; i++) {
				double d = fabs(rgb[i] - 255.0 * (double)out[i * plane + y * stride + x]);

				most = d > most ? d : most;
				square += d * d;
			}
		}
	*ret_square = square / (3.0 * ow * oh);
	return most;
}

static void definition(void)
{
	static const struct {
		uint32_t w, h, ow, oh;
	} sizes[] = {
		{ 192, 108, 32, 32 }, { 77, 55, 32, 24 }, { 31, 17, 64, 64 }, { 64, 48, 64, 48 }, { 640, 9, 7, 41 },
		{ 1, 1, 5, 3 }, { 2, 300, 9, 9 }, { 35, 35, 34, 36 },
	};
	static const enum AVPixelFormat formats[] = {
		AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV444P,
		AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV440P, AV_PIX_FMT_YUV411P, AV_PIX_FMT_YUV410P, AV_PIX_FMT_NV12,
		AV_PIX_FMT_NV21, AV_PIX_FMT_NV16, AV_PIX_FMT_NV24, AV_PIX_FMT_GRAY8,
	};
	static float out[64 * 64 * 3];
	char name[120];

	for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
		double s = 0, n = 0, square = 0;
		int runs = 0;

		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			for (int kind = NOISE; kind <= SMOOTH; kind++)
				for (int at = AVCHROMA_LOC_UNSPECIFIED; at <= AVCHROMA_LOC_TOPLEFT; at++) {
					size_t plane = (size_t)sizes[i].ow * sizes[i].oh;
					struct cb_fit *fit = NULL;
					struct pic q;
					double d, two = 0;

					make(&q, sizes[i].w, sizes[i].h, formats[f], (enum kind)kind);
					q.frame.chroma_location = (enum AVChromaLocation)at;
					q.frame.colorspace = i == 1 ? AVCOL_SPC_BT709 : i == 2 ? AVCOL_SPC_BT2020_NCL :
						i == 3 ? AVCOL_SPC_SMPTE240M : AVCOL_SPC_UNSPECIFIED;
					if (cb_fit_new(&fit, sizes[i].ow, sizes[i].oh, CB_FIT_FLOAT_PLANES, NULL) < 0 ||
					    cb_fit_run(fit, &q.p, out, sizes[i].ow, plane, NULL) < 0)
						d = 1e9;
					else
						d = worst(&q, out, sizes[i].ow, sizes[i].oh, sizes[i].ow, plane, &two);
					if (kind == SMOOTH) {
						s = d > s ? d : s;
					} else {
						n = d > n ? d : n;
						square += two;
						runs++;
					}
					cb_fit_free(fit);
					drop(&q);
				}
		square = sqrt(square / runs);
		snprintf(name, sizeof name, "format %d: within %.2f steps of the definition, of the worst noise %.1f, %.2f rms",
			 formats[f], s, n, square);
		/* full-range noise shows what rounding weights to 1/128 costs; pictures do not */
		OK_NAMED(s < 0.4 && n < 14 && square < 1.5, name);
	}
}

/* Everything that can be said of a picture, with the kernels at index k. */
static uint8_t *all_of(const struct pic *q, uint32_t w, uint32_t h, unsigned k, size_t *ret_n)
{
	size_t m = (size_t)w * h, n = m * (1 + 3 * sizeof(float) + 3 + 3), at = 0;
	uint8_t *out = calloc(1, n);
	float *floats = calloc(m, 3 * sizeof *floats);

	*ret_n = n;
	for (int to = CB_FIT_GRAY; to <= CB_FIT_U8_PACKED; to++) {
		struct cb_fit *f = NULL;
		size_t size = to == CB_FIT_GRAY ? m : to == CB_FIT_FLOAT_PLANES ? m * 3 * sizeof *floats : m * 3;

		if (cb_fit_new(&f, w, h, (enum cb_fit_to)to, NULL) < 0)
			abort();
		cb_fit_use(f, k);
		if (cb_fit_run(f, &q->p, to == CB_FIT_FLOAT_PLANES ? (void *)floats : out + at,
			       to == CB_FIT_U8_PACKED ? 3 * (size_t)w : w, m, NULL) < 0)
			abort();
		if (to == CB_FIT_FLOAT_PLANES)
			memcpy(out + at, floats, size);
		at += size;
		cb_fit_free(f);
	}
	free(floats);
	return out;
}

/* Every kernel gives the same bytes, whatever the sizes. */
static void kernels(void)
{
	static const enum AVPixelFormat formats[] = { AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_NV12, AV_PIX_FMT_GRAY8 };
	char name[80];

	for (unsigned k = 1; cb_fit_kernels(k); k++) {
		int same = 1, tried = 0;

		seed = 7;
		for (int i = 0; i < 300; i++) {
			uint32_t w = 1 + (uint32_t)rnd() % (i % 3 ? 40 : 250), h = 1 + (uint32_t)rnd() % (i % 5 ? 30 : 200);
			uint32_t ow = 1 + (uint32_t)rnd() % 70, oh = 1 + (uint32_t)rnd() % 50;
			uint8_t *a, *b;
			struct pic q;
			size_t n;

			make(&q, w, h, formats[i % 4], i % 7 ? NOISE : FLAT);
			q.frame.color_range = i % 2 ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
			/* the loudest there is, too */
			for (int j = 0; i % 11 == 0 && j < 3; j++)
				if (q.mem[j])
					memset(q.mem[j], j == i / 11 % 3 ? 0 : 255, (size_t)q.p.stride[j]);
			a = all_of(&q, ow, oh, 0, &n);
			b = all_of(&q, ow, oh, k, &n);
			same &= !memcmp(a, b, n);
			tried++;
			free(a);
			free(b);
			drop(&q);
		}
		snprintf(name, sizeof name, "%s and %s: the same bytes in %d sizes", cb_fit_kernels(0)->name,
			 cb_fit_kernels(k)->name, tried);
		OK_NAMED(same, name);
	}
	if (!cb_fit_kernels(1))
		SKIP("one set of kernels here");
}

/* The bytes of a fixed picture, the same on every machine. */
static void fixed(void)
{
	uint32_t hash = 2166136261;
	struct pic q;
	uint8_t *out;
	size_t n;

	seed = 42;
	make(&q, 123, 77, AV_PIX_FMT_YUV420P, NOISE);
	out = all_of(&q, 45, 51, 0, &n);
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ out[i]) * 16777619;
	NOTE("FNV-1a of %zu bytes: %08x", n, hash);
	OK_INT(hash, 0x62cd430c);
	free(out);
	drop(&q);
}

static void edges(void)
{
	static float out[5 * 7 * 3], *in = out + 5 * 2 + 1;
	static uint8_t bytes[320 * 240 * 3], gray[64];
	struct cb_fit *f = NULL;
	struct cb_err err;
	struct pic q;
	int outside = 1;

	/* white is 1, black is 0, and nothing around the rectangle changes */
	make(&q, 100, 100, AV_PIX_FMT_YUV420P, FLAT);
	memset(q.mem[0], 235, 100 * 100);
	memset(q.mem[1], 128, 50 * 50);
	memset(q.mem[2], 128, 50 * 50);
	for (int i = 0; i < 5 * 7 * 3; i++)
		out[i] = 0.5f;
	OK(cb_fit_new(&f, 3, 4, CB_FIT_FLOAT_PLANES, &err) == 0);
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) == 0);
	for (int c = 0; c < 3; c++)
		for (int y = 0; y < 7; y++)
			for (int x = 0; x < 5; x++) {
				bool inside = x >= 1 && x < 4 && y >= 2 && y < 6;

				outside &= out[c * 35 + y * 5 + x] == (inside ? 1.0f : 0.5f);
			}
	OK_NAMED(outside, "white is 1.0f, and what is around the rectangle stays");
	memset(q.mem[0], 16, 100 * 100);
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) == 0 && in[0] == 0 && in[2 * 35 + 3 * 5 + 2] == 0);
	drop(&q);

	/* formats of all kinds after each other, also those that libswscale reads */
	make(&q, 9, 9, AV_PIX_FMT_GRAY8, FLAT);
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) == 0 && in[0] == in[35] && in[0] == in[70] && in[0] > 0);
	q.p.format = AV_PIX_FMT_RGB24;
	q.p.stride[0] = 9;
	q.p.width = 3;
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) == 0 && in[0] == (float)(90 << 14) * (1.0f / (255 << 14)));
	q.p.format = -1;
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) < 0 && err.code == CB_E_DATA);
	q.p.format = AV_PIX_FMT_YUV420P;
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) < 0 && err.code == CB_E_DATA);
	q.p.width = 0;
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) < 0 && err.code == CB_E_DATA);
	q.p.width = 16385;
	OK(cb_fit_run(f, &q.p, in, 5, 35, &err) < 0 && err.code == CB_E_DATA);
	cb_fit_free(f);
	drop(&q);
	OK(cb_fit_new(&f, 0, 4, CB_FIT_GRAY, &err) < 0 && cb_fit_new(&f, 4, 16385, CB_FIT_GRAY, &err) < 0);

	/* the same size, full range: luma passes as it is */
	make(&q, 8, 8, AV_PIX_FMT_YUVJ420P, NOISE);
	OK(cb_fit_new(&f, 8, 8, CB_FIT_GRAY, &err) == 0 && cb_fit_run(f, &q.p, gray, 8, 0, &err) == 0);
	OK(!memcmp(gray, q.mem[0], 64));
	cb_fit_free(f);
	drop(&q);

	/* as far as sides go, both ways */
	make(&q, 16384, 1, AV_PIX_FMT_YUV420P, NOISE);
	OK(cb_fit_new(&f, 1, 16384, CB_FIT_U8_PLANES, &err) == 0 && cb_fit_run(f, &q.p, bytes, 1, 16384, &err) == 0);
	cb_fit_free(f);
	drop(&q);
	make(&q, 1, 16384, AV_PIX_FMT_NV12, FLAT);
	OK(cb_fit_new(&f, 16384, 1, CB_FIT_U8_PACKED, &err) == 0 && cb_fit_run(f, &q.p, bytes, 0, 0, &err) == 0);
	OK(bytes[0] == bytes[16383 * 3]);
	cb_fit_free(f);
	drop(&q);
	make(&q, 1, 1, AV_PIX_FMT_YUV420P, FLAT);
	OK(cb_fit_new(&f, 320, 240, CB_FIT_U8_PLANES, &err) == 0 &&
	   cb_fit_run(f, &q.p, bytes, 320, 320 * 240, &err) == 0);
	OK(bytes[0] == bytes[320 * 240 - 1]);
	cb_fit_free(f);
	drop(&q);
}

/* Fine stripes become an even grey, and a slope stays one: nothing is skipped, nothing rings. */
static void patterns(void)
{
	static uint8_t bytes[40 * 40];
	struct cb_fit *f = NULL;
	struct pic q;
	int least = 255, most = 0, rising = 1;

	make(&q, 400, 400, AV_PIX_FMT_YUVJ420P, FLAT);
	for (int i = 0; i < 400 * 400; i++)
		q.mem[0][i] = (i % 400 + i / 400) % 2 ? 255 : 0;
	OK(cb_fit_new(&f, 40, 40, CB_FIT_GRAY, NULL) == 0 && cb_fit_run(f, &q.p, bytes, 40, 0, NULL) == 0);
	for (int i = 0; i < 40 * 40; i++) {
		least = bytes[i] < least ? bytes[i] : least;
		most = bytes[i] > most ? bytes[i] : most;
	}
	NOTE("a chequerboard: %d..%d", least, most);
	OK(least >= 124 && most <= 131);
	for (int i = 0; i < 400 * 400; i++)
		q.mem[0][i] = (uint8_t)(i % 400 * 255 / 399);
	OK(cb_fit_run(f, &q.p, bytes, 40, 0, NULL) == 0);
	for (int i = 1; i < 40; i++)
		rising &= bytes[i] > bytes[i - 1];
	OK(rising);
	cb_fit_free(f);
	drop(&q);
}

int main(void)
{
	definition();
	kernels();
	fixed();
	edges();
	patterns();
	return done();
}
