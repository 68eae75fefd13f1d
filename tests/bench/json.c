/* SPDX-License-Identifier: Apache-2.0 */
/* The rate of the event scanner beside json-c's tokener and jq, on the same lines: cb.detection
 * events of about 400 bytes, or those of FILE. json [FILE] */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/time.h"
#include "wire/event.h"

#define LINES 50000
#define ROUNDS 5

static struct cb_json json;

static void make_lines(struct cb_buf *all)
{
	static const char *const class[] = { "person", "car", "dog" };
	struct cb_buf line = { 0 };
	struct cb_err err;
	uint32_t seed = 1;
	struct cb_jw w;
	char id[40];

	for (int i = 0; i < LINES; i++) {
		snprintf(id, sizeof(id), "%016x%016x", i * 2654435761u, i);
		cb_event_begin(&w, &line, "cb-detect", "cb.detection", "front",
			       INT64_C(1795251282000000000) + i * INT64_C(200000000), id);
		cb_jw_ki64(&w, "stream", 0);
		cb_jw_ki64(&w, "pts", i * 18000);
		cb_jw_kstr(&w, "packet", "7426afc489d0eef99a0b438def226ad139f752350c25cf2c04900281afbb79e0");
		cb_jw_kstr(&w, "run", "5f3a9c0e71d2b846");
		cb_jw_ki64(&w, "width", 1280);
		cb_jw_ki64(&w, "height", 720);
		cb_jw_key(&w, "objects");
		cb_jw_arr(&w);
		for (int k = i % 3; k > 0; k--) {
			cb_jw_obj(&w);
			cb_jw_kstr(&w, "class", class[k]);
			cb_jw_ki64(&w, "class_id", k);
			cb_jw_key(&w, "box");
			cb_jw_arr(&w);
			for (int n = 0; n < 4; n++)
				cb_jw_fixed(&w, ((seed = seed * 1664525 + 1013904223) >> 8) / 16777216.0, 4);
			cb_jw_arr_end(&w);
			cb_jw_obj_end(&w);
		}
		cb_jw_arr_end(&w);
		cb_jw_key(&w, "motion");
		cb_jw_raw(&w, "{\"score\":0.0312,\"boxes\":[]}", 27);
		if (cb_event_end(&w, &err) < 0 || cb_buf_add(all, line.data, line.len) < 0 ||
		    cb_buf_byte(all, '\n') < 0)
			abort();
	}
	cb_buf_release(&line);
}

/* One pass over all lines in ns; 0: ours, 1: ours as events, 2: json-c. */
static int64_t pass(const struct cb_buf *all, int how)
{
	struct json_tokener *tok = json_tokener_new();
	int64_t t0 = cb_now_mono_ns();
	struct cb_err err;
	struct cb_event e;

	for (const char *p = (const char *)all->data, *end = p + all->len; p < end; ) {
		size_t n = (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p);
		struct json_object *o = NULL;
		int bad = how == 0 ? cb_json_parse(&json, p, n, &err) :
			  how == 1 ? cb_event_parse(&e, &json, p, n, &err) : 0;

		if (how == 2) {
			json_tokener_reset(tok);
			o = json_tokener_parse_ex(tok, p, (int)n);
			bad = !o;
			json_object_put(o);
		}
		if (bad) {
			fprintf(stderr, "json: a line is refused\n");
			exit(65);
		}
		p += n + 1;
	}
	json_tokener_free(tok);
	return cb_now_mono_ns() - t0;
}

static double best(const struct cb_buf *all, int how)
{
	int64_t min = INT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t t = pass(all, how);

		min = t < min ? t : min;
	}
	return (double)all->len / (double)min * 1000;	/* MB/s */
}

/* jq -c . of the same lines, less what it needs to start; 0 where there is none. */
static double jq(const struct cb_buf *all)
{
	char path[] = "/tmp/cb-bench-XXXXXX", cmd[100];
	int fd = mkstemp(path);
	double mb = 0;
	int64_t t0, t1, t2;

	if (fd < 0 || cb_write_all(fd, all->data, all->len, NULL) < 0)
		return 0;
	close(fd);
	snprintf(cmd, sizeof(cmd), "jq -c . %s >/dev/null 2>&1", path);
	t0 = cb_now_mono_ns();
	if (system("jq -n 1 >/dev/null 2>&1") == 0) {
		t1 = cb_now_mono_ns();
		if (system(cmd) == 0) {
			t2 = cb_now_mono_ns();
			mb = (double)all->len / (double)(t2 - t1 - (t1 - t0)) * 1000;
		}
	}
	unlink(path);
	return mb;
}

int main(int argc, char **argv)
{
	struct cb_buf all = { 0 };
	double ours, events, c, q;
	size_t lines = 0;

	if (argc > 1) {
		if (cb_file_read(argv[1], CB_BUF_MAX / 2, &all.data, &all.len, NULL) < 0 || !all.len ||
		    all.data[all.len - 1] != '\n') {
			fprintf(stderr, "json: %s: no lines\n", argv[1]);
			return 66;
		}
	} else {
		make_lines(&all);
	}
	for (size_t i = 0; i < all.len; i++)
		lines += all.data[i] == '\n';
	ours = best(&all, 0);
	events = best(&all, 1);
	c = best(&all, 2);
	q = jq(&all);
	printf("event scanner, %zu lines of %zu bytes: %.0f MB/s, %.0f lines/s (as checked events %.0f MB/s)\n",
	       lines, all.len / lines, ours, ours * 1e6 * (double)lines / (double)all.len, events);
	printf("  json-c's tokener: %.0f MB/s, ratio %.1f\n", c, ours / c);
	if (q > 0)
		printf("  jq -c .: %.0f MB/s, ratio %.1f\n", q, ours / q);
	cb_buf_release(&all);
	return 0;
}
