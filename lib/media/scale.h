/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures in other sizes and pixel formats, bit-exact on every machine. */
#ifndef CB_MEDIA_SCALE_H
#define CB_MEDIA_SCALE_H

#include "media/decode.h"

enum cb_pixels { CB_PIXELS_GRAY, CB_PIXELS_RGB24, CB_PIXELS_YUV420P };

struct cb_scaler;
/* To width x height packed rows without padding. Sizes 1..16384. */
int cb_scaler_new(struct cb_scaler **ret, uint32_t width, uint32_t height, enum cb_pixels to,
		  struct cb_err *err);
/* out: width*height (GRAY), *3 (RGB24), *3/2 rounded up a plane (YUV420P) bytes. The input's
 * size, format and colours may change from call to call. GRAY and RGB24 use the full range
 * 0..255, YUV420P keeps the input's range and matrix. */
int cb_scaler_run(struct cb_scaler *s, const struct cb_picture *in, uint8_t *out, struct cb_err *err);
void cb_scaler_free(struct cb_scaler *s);

/* "libswscale 6.7.100" */
const char *cb_scaler_library_version(void);

#endif
