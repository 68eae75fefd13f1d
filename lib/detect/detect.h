/* SPDX-License-Identifier: Apache-2.0 */
/* The analysis of one video stream: frames in, events out.
 *
 * Give every frame of the stream to cb_detect_frame, after cb_detect_sink said where events
 * go; then cb_detect_finish. What a decoder cannot make sense of is counted, never an error.
 * On a live stream, analysis is left out (and counted) where it falls behind; offline
 * nothing ever is.
 *
 * A run is (tool and version, model, configuration, instruction set, libraries); its digest
 * stands in every event. Equal footage and equal run give equal bytes. */
#ifndef CB_DETECT_DETECT_H
#define CB_DETECT_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "detect/objects.h"
#include "detect/pick.h"
#include "detect/region.h"
#include "wire/event.h"
#include "wire/frame.h"

struct cb_detect_opts {
	const char *tool, *version;	/* "cb-detect", "0.1.0" */
	bool model;			/* objects as well: */
	struct cb_model_opts objects;	/* its region and regions are set from those below */
	struct cb_pick pick;
	int stream;			/* elementary stream, or -1: the first that is video */
	struct cb_region region[CB_REGIONS_MAX];
	int regions;
};

struct cb_detect_stats {
	uint64_t packets;	/* of the analysed stream */
	uint64_t analysed;	/* pictures */
	uint64_t skipped;	/* chosen, but left out: the analysis was behind a live stream */
	uint64_t decode_errors;	/* packets that could not be decoded whole */
	uint64_t objects, moving;	/* objects found; pictures with motion */
};

struct cb_detect;
/* Opens the model. opts must live as long. Errors as cb_model_open. */
int cb_detect_open(struct cb_detect **ret, const struct cb_detect_opts *opts, struct cb_err *err);
void cb_detect_sink(struct cb_detect *d, struct cb_sink *sink);
/* One frame, already passed on. An error is the sink's, or CB_E_DATA for a frame that
 * contradicts cb-frame(5) or a stream that cannot be decoded at all. */
int cb_detect_frame(struct cb_detect *d, const struct cb_frame *f, struct cb_err *err);
/* No more frames: the last pictures, the end of motion, a closing cb.run. CB_E_DATA where no
 * stream could be analysed. The sink is the caller's to close. */
int cb_detect_finish(struct cb_detect *d, struct cb_err *err);
const struct cb_detect_stats *cb_detect_stats(const struct cb_detect *d);
void cb_detect_free(struct cb_detect *d);

#endif
