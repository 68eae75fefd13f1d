/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of cb-track: any file is refused with a place or compiled; what compiles watches the tracks of
 * events, the lines after "---events" or some of our own, and whatever it tells is an event again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "track/convert.h"
#include "track/plot.h"
#include "track/rules.h"
#include "track/scenes.h"
#include "track/watch.h"
#include "wire/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct cb_convert *words[2];
static struct cb_plot *plot;

/* What converters write is JSON. */
static int on_words(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	static struct cb_json j;

	(void)ctx;
	if (memchr(line->data, '\n', line->len) ||
	    cb_json_parse(&j, (const char *)line->data, line->len, err) < 0)
		abort();
	return 0;
}

static int convert(const char *line, size_t len, struct cb_err *err)
{
	return cb_plot_event(plot, line, len, err) < 0 || cb_convert_event(words[0], line, len, err) < 0 ||
		 cb_convert_event(words[1], line, len, err) < 0 ? -1 : 0;
}

static int on_line(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	static struct cb_json j;
	struct cb_event e;

	(void)ctx;
	if (line->len >= CB_EVENT_LINE_MAX || memchr(line->data, '\n', line->len) ||
	    cb_event_parse(&e, &j, (const char *)line->data, line->len, err) < 0)
		abort();
	return convert((const char *)line->data, line->len, err);
}

static int on_rule(void *ctx, const struct cb_watch_event *e, const struct cb_buf *line, struct cb_err *err)
{
	if (e && (!e->rule || e->rule->silent))
		abort();
	return on_line(ctx, line, err);
}

static void feed(struct cb_scenes *s, const char *line, size_t len)
{
	struct cb_err err = CB_ERR_INIT;

	if (convert(line, len, &err) < 0)
		abort();
	if (cb_scenes_parse(s, line, len, &err) < 0) {
		if (err.code != CB_E_DATA)
			abort();
	} else if (cb_scenes_apply(s, &err) < 0) {
		abort();
	}
}

/* Two that walk through the picture, and one that stays for a while. */
static void own(struct cb_scenes *s)
{
	char line[1024];

	for (int i = 0; i < 60; i++) {
		double x = i / 60.0 * 0.9, y = 0.5 + (i % 7) * 0.01;
		int64_t t = INT64_C(1795251282000000) + (i < 50 ? i : i - 49) * (i % 10 == 9 ? 3000000 : 500000);
		int len = snprintf(line, sizeof(line), "{\"specversion\":\"1.0\",\"id\":\"a%d\",\"source\":\"/x\","
				   "\"type\":\"cb.detection\",\"subject\":\"front\",\"data\":{\"t_us\":%lld,\"stream\":0,"
				   "\"pts\":%d,\"run\":\"0123456789abcdef\",\"width\":640,\"height\":480,\"objects\":["
				   "{\"class\":\"person\",\"class_id\":0,\"score\":0.9,\"box\":[%.4f,%.4f,0.1,0.2]},"
				   "{\"class\":\"car\",\"class_id\":1,\"score\":0.9,\"box\":[%.4f,0.2,0.1,0.1]}"
				   "%s]}}", i, (long long)t, i, x, y, 0.9 - x, i > 10 && i < 30 ?
				   ",{\"class\":\"suitcase\",\"class_id\":2,\"score\":0.9,\"box\":[0.5,0.5,0.1,0.1]}" : "");

		feed(s, line, (size_t)len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const uint8_t *ev = memmem(p, n, "---events\n", 10);
	size_t rules_len = ev ? (size_t)(ev - p) : n;
	struct cb_watches watches = { .fn = on_rule };
	struct cb_track_rules *rules = NULL;
	struct cb_scenes_opts o = { .track = cb_track_defaults };
	struct cb_scenes *s = NULL;
	struct cb_scenes_hook hook;
	struct cb_buf svg = { 0 };
	struct cb_err err = CB_ERR_INIT;

	if (n > 65536)
		return 0;
	if (cb_track_rules_parse(&rules, "f", p, rules_len, &err) < 0) {
		if (rules || err.code == CB_OK || (err.code == CB_E_CONFIG && strncmp(err.msg, "f:", 2) != 0))
			abort();
		return 0;
	}
	if (cb_plot_new(&plot, &err) < 0)
		abort();
	if (!ev)
		cb_plot_rules(plot, rules);
	for (int i = 0; i < 2; i++)
		if (cb_convert_new(&words[i], (enum cb_convert_as)i, on_words, NULL, &err) < 0)
			abort();
	watches.rules = rules;
	cb_watches_hook(&watches, &hook);
	if (cb_scenes_new(&s, &o, &hook, on_line, NULL, &err) < 0)
		abort();
	if (ev)
		for (const char *l = (const char *)ev + 10, *end = (const char *)p + n; l < end; ) {
			const char *lf = memchr(l, '\n', (size_t)(end - l));

			feed(s, l, (size_t)((lf ? lf : end) - l));
			l = lf ? lf + 1 : end;
		}
	else
		own(s);
	if (cb_scenes_finish(s, &err) < 0)
		abort();
	for (int i = 0; i < 2; i++) {
		if (cb_convert_flush(words[i], &err) < 0)
			abort();
		cb_convert_free(words[i]);
	}
	if (cb_plot_write(plot, n % 2, &svg, &err) < 0)
		abort();
	cb_buf_release(&svg);
	cb_plot_free(plot);
	cb_scenes_free(s);
	cb_watches_release(&watches);
	cb_track_rules_free(rules);
	return 0;
}
