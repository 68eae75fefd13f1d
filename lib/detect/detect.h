/* SPDX-License-Identifier: Apache-2.0 */
/* The analysis of one video stream: frames in; frames and events out.
 *
 * Give every frame of the stream to cb_detect_frame, after cb_detect_sink said where they and
 * the events go; then cb_detect_finish. What a decoder cannot make sense of is counted, never
 * an error.
 *
 * The caller's thread decodes and writes. Pictures are looked at by a crew, which several
 * streams may share; where that has threads of its own, decoding goes on meanwhile. What is
 * written does not depend on it: of a stream that is not live, what comes behind a picture
 * that is still looked at waits (up to some pictures and megabytes, then the stream does).
 *
 * A live stream does not wait. Its frames pass at once; its pictures are left out, and
 * counted, where looking at them falls behind. Offline nothing ever is.
 *
 * A run is (tool and version, model, configuration, instruction set, libraries); its digest
 * stands in every event. Equal footage and equal run give equal bytes. */
#ifndef CB_DETECT_DETECT_H
#define CB_DETECT_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "detect/crew.h"
#include "detect/objects.h"
#include "detect/pick.h"
#include "detect/region.h"
#include "wire/event.h"
#include "wire/frame.h"

struct cb_detect_opts {
	const char *tool, *version;	/* "cb-detect", "0.1.0" */
	bool model;			/* objects as well: */
	struct cb_model_opts objects;	/* its region and regions are set from those below */
	bool gate;		/* with a model: leave still pictures to the last result (detect/gate.h) */
	struct cb_pick pick;
	int stream;			/* elementary stream, or -1: the first that is video */
	struct cb_region region[CB_REGIONS_MAX];
	int regions;
	bool health;			/* watch the camera as well (detect/health.h): */
	int64_t frozen_us;
};

struct cb_detect_stats {
	uint64_t packets;	/* of the analysed stream */
	uint64_t analysed;	/* pictures */
	uint64_t skipped;	/* chosen, but left out: the analysis was behind a live stream */
	uint64_t held;		/* of those analysed, left to the result of one before */
	uint64_t decode_errors;	/* packets that could not be decoded whole */
	uint64_t objects, moving;	/* objects found; pictures with motion */
};

/* A crew for such streams, with the model if there is one. opts must live as long. */
int cb_detect_crew(struct cb_crew **ret, struct cb_detect_opts *opts, int cores, struct cb_err *err);

struct cb_detect;
/* opts and crew must live as long. */
int cb_detect_open(struct cb_detect **ret, const struct cb_detect_opts *opts, struct cb_crew *crew,
		   struct cb_err *err);
void cb_detect_sink(struct cb_detect *d, struct cb_sink *sink);
/* One frame, which is passed on to the sink. An error is the sink's, or CB_E_DATA for a frame
 * that contradicts cb-frame(5) or a stream that cannot be decoded at all. */
int cb_detect_frame(struct cb_detect *d, const struct cb_frame *f, struct cb_err *err);
/* The next frame is not there yet: write what gets ready, until fd can be read, or somebody
 * wants to stop, or there is nothing more to wait for. An error is the next call's. */
void cb_detect_idle(struct cb_detect *d, int fd);
/* No more frames: the last pictures, the end of motion, a closing cb.run. CB_E_DATA where no
 * stream could be analysed. The sink is the caller's to close. */
int cb_detect_finish(struct cb_detect *d, struct cb_err *err);
/* Flush the sink's lines; afterwards: did writing fail? */
void cb_detect_flush(struct cb_detect *d);
bool cb_detect_output_failed(const struct cb_detect *d);
const struct cb_detect_stats *cb_detect_stats(const struct cb_detect *d);
void cb_detect_free(struct cb_detect *d);

#endif
