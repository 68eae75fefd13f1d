/* SPDX-License-Identifier: Apache-2.0 */
/* Capture from a V4L2 device by its ioctls: H.264 or Motion JPEG, whichever it offers first
 * in that order, in the size that it is set to. Private to lib/media. */
#ifndef CB_MEDIA_V4L2_H
#define CB_MEDIA_V4L2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cb_v4l2;

struct cb_v4l2_format {
	bool h264;		/* else Motion JPEG */
	uint32_t width, height;
	uint32_t fr_num, fr_den;	/* frames a second, 0/1: unknown */
};

struct cb_v4l2_frame {
	const uint8_t *data;	/* until the next call */
	size_t len;
	int64_t mono_ns;	/* the driver's stamp, CLOCK_MONOTONIC; 0: it has another clock */
	bool key, corrupt;
};

/* fps 0/x: as the device is set. Errors: CB_E_NOINPUT (no such device, not a capture device),
 * CB_E_PERM, CB_E_UNAVAIL (busy), CB_E_DATA (no coded format), CB_E_IO. */
int cb_v4l2_open(struct cb_v4l2 **ret, const char *path, uint32_t fps_num, uint32_t fps_den,
		 struct cb_v4l2_format *ret_format, struct cb_err *err);
/* 1: a frame; 0: asked to stop; -1: CB_E_UNAVAIL (nothing for timeout_ns, or unplugged), CB_E_IO. */
int cb_v4l2_next(struct cb_v4l2 *v, int64_t timeout_ns, struct cb_v4l2_frame *ret, struct cb_err *err);
void cb_v4l2_free(struct cb_v4l2 *v);

#endif
