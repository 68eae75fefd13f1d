/* SPDX-License-Identifier: Apache-2.0 */
/* Events in, tracks out: cb.detection lines of any number of cameras, each followed by a tracker
 * of its own (a scene), and the cb.track events that come of it (cb-event(5)).
 *
 * A scene is one camera, one elementary stream of it, one run of a detector: what two models see
 * in the same pictures is tracked apart. At most CB_SCENES_MAX are kept, with room for
 * CB_SCENES_TRACKS tracks in all; beyond that the one that had no picture for longest is closed.
 * Times are those of the camera.
 *
 * Whoever looks at tracks (rules, drawings) hooks in: after each picture of a scene, when its
 * cb.track events were emitted, `picture` is called and finds the tracks by cb_tracker_tracks and
 * cb_tracker_ended of scene->tracker. Everything a hook is given belongs to the scenes and lasts for
 * the call, but the scene itself, which lasts until `close` returned. */
#ifndef CB_TRACK_SCENES_H
#define CB_TRACK_SCENES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "track/ground.h"
#include "track/track.h"
#include "wire/json.h"

#define CB_SCENES_MAX 256
#define CB_SCENES_TRACKS 32768
#define CB_SCENE_CAMERA 256	/* bytes of a subject, its NUL counted; longer ones are no camera */
#define CB_SCENE_RUN 65
#define CB_CLASS_NAME 64	/* bytes of a class's name, its NUL counted; longer ones are cut */

struct cb_class {
	char name[CB_CLASS_NAME];
	uint32_t len;
	int64_t id;		/* class_id of its detections, -1: none */
};

struct cb_scene {
	char camera[CB_SCENE_CAMERA];	/* subject, "" where there is none */
	char of[CB_SCENE_RUN];	/* run of the detections, "" where there is none */
	char run[17];		/* of the tracking (cb-event(5)): goes into every event of it */
	int stream;
	uint32_t width, height;	/* of the last picture, 0: unknown */
	struct cb_tracker *tracker;
	struct cb_class class[CB_TRACK_CLASSES];	/* of the tracks; in the order in which they came */
	uint32_t classes;
	const struct cb_ground *ground;	/* for metres, or NULL: for `open` to set, and its setter's */
	void *user;		/* the hook's */
};

/* The picture that was just fed. */
struct cb_scene_picture {
	int64_t t_us;
	bool has_pts;
	int64_t pts;
	bool has_packet;
	uint8_t packet[CB_SHA256_LEN];	/* digest of the packet, zeros without */
	enum cb_track_fed fed;		/* FED or BACK; for others there is no call */
};

/* Each may be NULL. Return -1 with err set to stop. */
struct cb_scenes_hook {
	int (*open)(void *ctx, struct cb_scene *s, struct cb_err *err);
	int (*picture)(void *ctx, struct cb_scene *s, const struct cb_scene_picture *p, struct cb_err *err);
	/* The stream ended, or the scene is forgotten; its last tracks are in cb_tracker_ended. */
	int (*close)(void *ctx, struct cb_scene *s, struct cb_err *err);
	/* an event that is not a cb.detection, parsed: for rules that look at others */
	int (*other)(void *ctx, const struct cb_json *json, struct cb_err *err);
	void *ctx;
};

struct cb_scenes_opts {
	struct cb_track_opts track;
	int64_t update_us;	/* from one cb.track of a track to the next; 0: every picture */
	const char *config;	/* canonical text of what else decides the result (rules), or NULL: goes into `run` */
};

/* An event of ours, without LF. Return -1 with err set to stop. */
typedef int cb_scenes_emit(void *ctx, const struct cb_buf *line, struct cb_err *err);

struct cb_scenes;

/* opts and hook are copied; hook may be NULL. */
int cb_scenes_new(struct cb_scenes **ret, const struct cb_scenes_opts *opts,
		  const struct cb_scenes_hook *hook, cb_scenes_emit *emit, void *emit_ctx,
		  struct cb_err *err);
void cb_scenes_free(struct cb_scenes *s);

/* Parse a line: 1: cb.detection, 0: another event, -1 and CB_E_DATA: no event, or a cb.detection
 * that cannot be tracked (go on with the next line); err says why. */
int cb_scenes_parse(struct cb_scenes *s, const char *line, size_t len, struct cb_err *err);
/* Was the line that was refused an event all the same? It is passed on, then. */
bool cb_scenes_was_event(const struct cb_scenes *s);
/* Track what was just parsed; the line must still be there. -1: emit, a hook or memory failed. */
int cb_scenes_apply(struct cb_scenes *s, struct cb_err *err);
/* The input is over: end all tracks. */
int cb_scenes_finish(struct cb_scenes *s, struct cb_err *err);

/* Write the keys that place an event of a hook's (t_us is cb_event_begin's): stream, pts, packet,
 * run. */
void cb_scene_place(struct cb_jw *w, const struct cb_scene *s, const struct cb_scene_picture *p);

struct cb_scenes_stats {
	uint64_t detections, others;	/* events */
	uint64_t scenes, forgotten;
	struct cb_tracker_stats sum;	/* of all scenes */
};
void cb_scenes_stats(const struct cb_scenes *s, struct cb_scenes_stats *ret);
/* What of that a person should know: what was left out, ended or closed, a text each. */
void cb_scenes_tell(const struct cb_scenes_stats *st, void (*warn)(void *ctx, const char *text), void *ctx);

#endif
