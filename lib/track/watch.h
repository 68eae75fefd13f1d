/* SPDX-License-Identifier: Apache-2.0 */
/* Rules at work: the tracks of one scene, picture after picture, in; events out.
 *
 * What a rule means, and when it fires, is in cb-track(5). In general: only pictures in which a track
 * was seen change its state, by where its anchor then is (the filtered box); all times are those of
 * the pictures, so that the same tracks give the same events; nothing fires twice for the same
 * thing. A track that counts since this picture is taken through the pictures before it, in which
 * it was not told of yet, so that nothing that it did there is lost.
 *
 * Memory: fixed by the rules; each of the tracker's CB_TRACKS_MAX slots has room for the state of
 * each rule, made when first used.
 */
#ifndef CB_TRACK_WATCH_H
#define CB_TRACK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "track/rules.h"
#include "track/scenes.h"

enum cb_watch_state { CB_WATCH_ONCE, CB_WATCH_START, CB_WATCH_END };

/* What happened; pointers last for the call. */
struct cb_watch_event {
	const struct cb_track_rule *rule;
	enum cb_watch_state state;
	int64_t t_us, since_us;
	const char *track;		/* id, or NULL where it is about no single one */
	uint64_t number;		/* of the track */
	const char *class;
	struct cb_rect box;
	double score;
	uint32_t line;			/* number of the rules' line, or CB_NONE */
	enum cb_turn turn;		/* which side it went to */
	bool gone;			/* the track ended there */
	bool began;			/* it was there when it was first seen */
	int64_t until_us;		/* exit: last seen inside */
	/* count */
	uint64_t in, out;
	int64_t occupancy;
	bool reset, interval;
	int64_t from_us, to_us;		/* with interval */
	uint64_t more_in, more_out;	/* in it */
	/* others */
	uint32_t count;
	double density, heading, speed;
	bool metric;
	const char *other;		/* id: tailgate: who went first; left: who was last near */
};

/* line: the event, without LF (cb-event(5)). Return -1 with err set to stop. e is NULL for
 * cb.zones. */
typedef int cb_watch_fn(void *ctx, const struct cb_watch_event *e, const struct cb_buf *line,
			struct cb_err *err);

struct cb_watch;

/* rules must outlive the watch. camera: rules for others are left out. */
int cb_watch_new(struct cb_watch **ret, const struct cb_track_rules *rules, const char *camera,
		 cb_watch_fn *fn, void *ctx, struct cb_err *err);
void cb_watch_free(struct cb_watch *w);
/* One picture: its tracks that count and those that ended with it. */
int cb_watch_picture(struct cb_watch *w, const struct cb_scene *s, const struct cb_scene_picture *p,
		     struct cb_track *const *tracks, uint32_t n, struct cb_track *const *ended,
		     uint32_t n_ended, struct cb_err *err);
/* The stream is over: exits of the tracks that ended with it, and what was counted since the last
 * report. */
int cb_watch_close(struct cb_watch *w, const struct cb_scene *s, struct cb_track *const *ended,
		   uint32_t n_ended, struct cb_err *err);

/* Watches for all scenes of a cb_scenes: its hook makes one for each, with the rules' ground, and
 * keeps it in scene->user. All zero but for the first three is ready for use; release when the
 * scenes are freed. */
struct cb_watches {
	const struct cb_track_rules *rules;
	cb_watch_fn *fn;
	void *ctx;
	uint32_t misfit_w, misfit_h;	/* pictures that the file's size does not fit; 0: none came */
	struct cb_watch *all;		/* private */
};
void cb_watches_hook(struct cb_watches *ws, struct cb_scenes_hook *ret);
void cb_watches_release(struct cb_watches *ws);

/* The zones in which a track is now, as bits by number; for converters. */
uint64_t cb_watch_zones(const struct cb_watch *w, const struct cb_track *t);

#endif
