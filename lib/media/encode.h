/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures to packets, and one picture to a JPEG or PNG file's bytes.
 *
 * A film encoder gives one packet for each picture, at once and in the same order (no
 * B-frames), single-threaded, so equal pictures give equal packets. Its groups of pictures
 * are closed: decoding can start at every packet with CB_F_KEY.
 */
#ifndef CB_MEDIA_ENCODE_H
#define CB_MEDIA_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "media/decode.h"
#include "wire/frame.h"

enum cb_image { CB_IMAGE_JPEG, CB_IMAGE_PNG };
/* rgb: width * height * 3 bytes. quality 1..100 (JPEG). Appends to out.
 * CB_E_DATA for sizes that the format refuses. */
int cb_image_encode(struct cb_buf *out, enum cb_image kind, const uint8_t *rgb, uint32_t width,
		    uint32_t height, int quality, struct cb_err *err);

/* A file of these bytes under this name, complete or not at all. Errors: CB_E_CANTCREAT, CB_E_IO. */
int cb_image_save(const char *path, const struct cb_buf *image, struct cb_err *err);

/* Colours as cb_scaler keeps them when a picture becomes YUV420P. */
bool cb_picture_full_range(const struct cb_picture *p);
bool cb_picture_bt709(const struct cb_picture *p);

struct cb_encoder_opts {
	const char *codec;		/* "h264", "mjpeg"; NULL: h264 if this library can, else mjpeg */
	int quality;			/* 1..100 */
	uint32_t width, height;		/* of the pictures; h264 wants them even */
	bool full_range, bt709;
};

struct cb_encoder;
/* `like` is the stream that the pictures come from: time base, rates and shape are taken over.
 * Errors: CB_E_UNAVAIL where the library lacks the codec, CB_E_DATA for sizes it refuses. */
int cb_encoder_open(struct cb_encoder **ret, const struct cb_encoder_opts *o,
		    const struct cb_stream *like, struct cb_err *err);
/* The parameters for a STREAM frame; they live as long as the encoder. */
const struct cb_stream *cb_encoder_stream(const struct cb_encoder *e);
/* One picture, YUV420P without padding (cb_scaler_run), to one packet. The times in at are
 * taken over as they are, with dts = pts; at.flags: CB_F_KEY asks for a keyframe. ret's data live
 * until the next call. */
int cb_encoder_run(struct cb_encoder *e, const uint8_t *yuv, const struct cb_packet *at,
		   struct cb_packet *ret, struct cb_err *err);
void cb_encoder_free(struct cb_encoder *e);

#endif
