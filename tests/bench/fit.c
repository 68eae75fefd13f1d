/* SPDX-License-Identifier: Apache-2.0 */
/* Time to make a network's input of a picture: fit [RUNS] prints for each size ours and that
 * of libswscale to RGB with a loop after it that makes planes of floats, in microseconds, each
 * the best of RUNS that take turns. */
#include <stdio.h>
#include <stdlib.h>

#include <libavutil/pixfmt.h>

#include "base/time.h"
#include "media/fit.h"
#include "media/fitrow.h"
#include "media/scale.h"

struct job {
	uint32_t w, h, out_w, out_h;
	enum cb_fit_to to;
};

static const struct job jobs[] = {
	{ 1920, 1080, 320, 320, CB_FIT_FLOAT_PLANES }, { 1920, 1080, 416, 416, CB_FIT_FLOAT_PLANES },
	{ 768, 576, 320, 320, CB_FIT_FLOAT_PLANES }, { 768, 576, 416, 416, CB_FIT_FLOAT_PLANES },
	{ 3840, 2160, 416, 416, CB_FIT_FLOAT_PLANES }, { 352, 288, 416, 416, CB_FIT_FLOAT_PLANES },
	{ 1920, 1080, 176, 99, CB_FIT_GRAY }, { 768, 576, 176, 132, CB_FIT_GRAY },
};

static void to_planes(float *out, const uint8_t *rgb, size_t n)
{
	float unit[256];

	for (int i = 0; i < 256; i++)
		unit[i] = (float)i / 255.0f;
	for (size_t i = 0; i < n; i++) {
		out[i] = unit[rgb[3 * i]];
		out[i + n] = unit[rgb[3 * i + 1]];
		out[i + 2 * n] = unit[rgb[3 * i + 2]];
	}
}

static void keep(int64_t *least, int64_t since)
{
	int64_t t = cb_now_mono_ns() - since;

	if (t < *least)
		*least = t;
}

int main(int argc, char **argv)
{
	int runs = argc > 1 ? atoi(argv[1]) : 200;
	struct cb_err err = CB_ERR_INIT;

	for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++) {
		const struct job *b = &jobs[j];
		size_t n = (size_t)b->w * b->h, m = (size_t)b->out_w * b->out_h;
		uint8_t *yuv = malloc(n * 3 / 2), *rgb = malloc(m * 3 + 64);
		float *out = malloc(m * 3 * sizeof *out);
		int64_t ours = INT64_MAX, theirs = INT64_MAX, kernel[3] = { INT64_MAX, INT64_MAX, INT64_MAX };
		struct cb_fit *f = NULL;
		struct cb_scaler *s = NULL;
		uint32_t seed = 1;
		struct cb_picture pic = { .width = b->w, .height = b->h, .format = AV_PIX_FMT_YUV420P,
			.plane = { yuv, yuv + n, yuv + n + n / 4 },
			.stride = { (int)b->w, (int)b->w / 2, (int)b->w / 2 } };

		if (!yuv || !rgb || !out || cb_fit_new(&f, b->out_w, b->out_h, b->to, &err) < 0 ||
		    cb_scaler_new(&s, b->out_w, b->out_h, b->to == CB_FIT_GRAY ? CB_PIXELS_GRAY :
				  CB_PIXELS_RGB24, &err) < 0) {
			fprintf(stderr, "fit: %s\n", err.msg);
			return 71;
		}
		for (size_t i = 0; i < n * 3 / 2; i++)
			yuv[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		for (int i = 0; i < runs; i++) {
			int64_t t = cb_now_mono_ns();

			if (cb_scaler_run(s, &pic, rgb, &err) < 0)
				return err.code;
			if (b->to != CB_FIT_GRAY)
				to_planes(out, rgb, m);
			keep(&theirs, t);
			for (unsigned k = 0; k < 3 && cb_fit_kernels(k); k++) {
				cb_fit_use(f, k);
				t = cb_now_mono_ns();
				if (cb_fit_run(f, &pic, out, b->out_w, m, &err) < 0)
					return err.code;
				keep(&kernel[k], t);
			}
		}
		ours = kernel[0];
		printf("%ux%u to %ux%u %s: %.0f us, swscale %.0f us, ratio %.2f;", b->w, b->h, b->out_w,
		       b->out_h, b->to == CB_FIT_GRAY ? "gray" : "float", (double)ours / 1e3,
		       (double)theirs / 1e3, (double)theirs / (double)ours);
		for (unsigned k = 0; k < 3 && cb_fit_kernels(k); k++)
			printf(" %s %.0f", cb_fit_kernels(k)->name, (double)kernel[k] / 1e3);
		putchar('\n');
		cb_fit_free(f);
		cb_scaler_free(s);
		free(yuv);
		free(rgb);
		free(out);
	}
	return 0;
}
