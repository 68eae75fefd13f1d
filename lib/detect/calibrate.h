/* SPDX-License-Identifier: Apache-2.0 */
/* A model in 8 bits from a float one and the pictures of a frame stream, decoded and made ready
 * as cb-detect does it (nn/quantize.h does the rest). */
#ifndef CB_DETECT_CALIBRATE_H
#define CB_DETECT_CALIBRATE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "detect/inspect.h"
#include "nn/quantize.h"

struct cb_calibrate_opts {
	uint64_t every;		/* take the first picture and each Nth after it, */
	unsigned pictures;	/* so many at most, then the stream is left */
	struct cb_quantize_opts q;
};

/* All zero is a valid empty one. */
struct cb_calibrated {
	struct cb_pack pack;	/* points into these and into m's */
	struct cb_buf body, json, meta;
	struct cb_quantizer *q;	/* for cb_quantizer_layers and _error */
	unsigned pictures;
};

/* m: a float model, which must live as long as ret; fd: the frame stream, whose first video
 * counts; pictures that the decoder had to make up are passed over. Errors: CB_E_DATA for a
 * stream or model that will not do or is cut short before there were enough pictures, and those
 * of nn/quantize.h. */
int cb_calibrate(struct cb_calibrated *ret, struct cb_inspect *m, int fd, const struct cb_calibrate_opts *o,
		 struct cb_err *err);
/* {"model":..,"layer":N,"int8":bool,"error":X}, "asked":true where it stays float because it was
 * named. */
int cb_calibrated_layer(struct cb_buf *line, const char *name, const struct cb_quantize_layer *l,
			struct cb_err *err);
/* {"model":..,"pictures":N,"int8":N,"float":N,"error":X,"bytes":N} */
int cb_calibrated_total(struct cb_buf *line, const struct cb_calibrated *c, const char *name, struct cb_err *err);
void cb_calibrated_release(struct cb_calibrated *c);

#endif
