/* SPDX-License-Identifier: Apache-2.0 */
/* Time of one network run: nn CFG WEIGHTS [RUNS [ISA [THREADS]]] prints the median and the
 * best in ms, the time to open and the memory. WEIGHTS may be empty (beside the cfg, or a model
 * in one file). ISA: auto, sse41, avx2, avx512. With more THREADS so many pictures are run at a
 * time, and the figures are ms a picture. CB_BENCH_STEPS=1 adds what the run consists of, with
 * the least time of each step. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/time.h"
#include "nn/nn.h"

#define THREADS_MAX 16

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct one {
	struct cb_net *net;
	int runs, failed;
};

static void *run(void *ctx)
{
	static const struct cb_err none = CB_ERR_INIT;
	static _Thread_local struct cb_box box[4096];
	struct one *o = ctx;
	struct cb_err err = none;

	for (int i = 0; i < o->runs; i++) {
		o->failed |= cb_net_run(o->net, &err);
		cb_net_boxes(o->net, .25f, .45f, box, 4096);
	}
	return NULL;
}

/* runs on each of n threads: ms a picture. */
static double run_all(struct one *o, int n, int runs)
{
	pthread_t t[THREADS_MAX];
	int64_t t0 = cb_now_mono_ns();

	for (int i = 0; i < n; i++)
		o[i].runs = runs;
	for (int i = 1; i < n; i++)
		if (pthread_create(&t[i], NULL, run, &o[i]))
			exit(71);
	run(&o[0]);
	for (int i = 1; i < n; i++)
		pthread_join(t[i], NULL);
	return (double)(cb_now_mono_ns() - t0) / 1e6 / runs / n;
}

static void fill(struct cb_net *n)
{
	size_t values = (size_t)cb_net_width(n) * cb_net_height(n) * cb_net_channels(n);
	uint8_t *bytes = cb_net_input_bytes(n);
	float *in = bytes ? NULL : cb_net_input(n);
	uint32_t seed = 1;

	for (size_t k = 0; k < values; k++) {
		seed = seed * 1664525 + 1013904223;
		if (bytes)
			bytes[k] = (uint8_t)(seed >> 24);
		else
			in[k] = (float)(seed >> 8) / (1 << 24);
	}
}

int main(int argc, char **argv)
{
	static const char *const isas[] = { "auto", "sse41", "avx2", "avx512" };
	struct cb_net_opts o = { .threads = 1 };
	int runs = argc > 3 ? atoi(argv[3]) : 200, threads = argc > 5 ? atoi(argv[5]) : 1;
	/* a thread's start must not count */
	int each = threads > 1 ? 10 : 1;
	struct one one[THREADS_MAX] = { 0 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_net *n = NULL;
	struct rusage ru;
	int64_t t0;
	double *ms, open_ms;

	if (argc < 3 || runs < 1 || runs > 100000 || threads < 1 || threads > THREADS_MAX) {
		fprintf(stderr, "usage: nn CFG WEIGHTS [RUNS [ISA [THREADS]]]\n");
		return 64;
	}
	for (int i = 0; argc > 4 && i < 4; i++)
		if (!strcmp(argv[4], isas[i]))
			o.isa = (enum cb_isa)i;
	t0 = cb_now_mono_ns();
	if (cb_net_open(&n, argv[1], argv[2][0] ? argv[2] : NULL, &o, &err)) {
		fprintf(stderr, "nn: %s\n", err.msg);
		return err.code;
	}
	open_ms = (double)(cb_now_mono_ns() - t0) / 1e6;
	ms = calloc((size_t)runs, sizeof(*ms));
	if (!ms)
		return 71;
	for (int i = 0; i < threads; i++) {
		if (i && cb_net_share(&one[i].net, n, &err)) {
			fprintf(stderr, "nn: %s\n", err.msg);
			return err.code;
		}
		if (!i)
			one[i].net = n;
		fill(one[i].net);
	}
	run_all(one, threads, 10);
	runs = (runs + each - 1) / each;
	for (int i = 0; i < runs; i++)
		ms[i] = run_all(one, threads, each);
	for (int i = 0; i < threads; i++)
		if (one[i].failed)
			return 70;
	qsort(ms, (size_t)runs, sizeof(*ms), by_value);
	getrusage(RUSAGE_SELF, &ru);
	printf("%.2f ms median, %.2f best of %d, open %.1f ms, %.1f MB resident, %s, %d steps, "
	       "%d threads\n", ms[runs / 2], ms[0], runs, open_ms, (double)ru.ru_maxrss / 1024,
	       cb_net_isa(n), cb_net_steps(n), threads);
	if (getenv("CB_BENCH_STEPS")) {
		int k = cb_net_steps(n);
		int64_t *took = calloc((size_t)k + 1, sizeof(*took)), *best = calloc((size_t)k + 1, sizeof(*best));

		for (int r = 0; took && best && r < runs; r++) {
			if (cb_net_run_timed(n, took, &err))
				return err.code;
			for (int i = 0; i < k; i++)
				if (!r || took[i] < best[i])
					best[i] = took[i];
		}
		for (int i = 0; took && best && i < k; i++) {
			struct cb_net_step s;

			cb_net_step(n, i, &s);
			printf("%d\t%s\t%s\t%.1f us\n", s.layer, s.type, s.impl, (double)best[i] / 1e3);
		}
		free(took);
		free(best);
	}
	free(ms);
	for (int i = 0; i < threads; i++)
		cb_net_free(one[i].net);
	return 0;
}
