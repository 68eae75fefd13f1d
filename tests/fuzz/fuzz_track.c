/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: events as they come, tracked; and what comes out is events again. */
#include <stdlib.h>
#include <string.h>

#include "track/scenes.h"
#include "wire/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cb_json json;

static int emit(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	struct cb_event ev;

	(void)ctx;
	if (cb_event_parse(&ev, &json, (const char *)line->data, line->len, err) < 0)
		abort();
	return 0;
}

static int picture(void *ctx, struct cb_scene *s, const struct cb_scene_picture *p, struct cb_err *err)
{
	uint32_t n;
	struct cb_track *const *t = cb_tracker_tracks(s->tracker, &n);

	(void)ctx, (void)err;
	for (uint32_t i = 0; i < n; i++) {
		double x, y;

		if (t[i]->slot >= CB_TRACKS_MAX || t[i]->class >= s->classes || !t[i]->number ||
		    t[i]->seen_us > p->t_us || (i && t[i]->number <= t[i - 1]->number) ||
		    (t[i]->state == CB_TRACK_SEEN) != (t[i]->seen_us == p->t_us))
			abort();
		cb_anchor_of(CB_ANCHOR_BOTTOM, &t[i]->box, &x, &y);
		if (!(x - x == 0) || !(y - y == 0))	/* not finite */
			abort();
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cb_scenes_opts o = { .track = cb_track_defaults, .update_us = 0 };
	const struct cb_scenes_hook hook = { .picture = picture };
	struct cb_scenes *s = NULL;
	const char *p = (const char *)data, *end = p + size, *lf;

	if (cb_scenes_new(&s, &o, &hook, emit, NULL, NULL) < 0)
		return 0;
	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			break;
		if (cb_scenes_parse(s, p, (size_t)(lf - p), NULL) >= 0 && cb_scenes_apply(s, NULL) < 0)
			break;
	}
	cb_scenes_finish(s, NULL);
	cb_scenes_free(s);
	return 0;
}
