/* SPDX-License-Identifier: Apache-2.0 */
/* Packets to pictures. One decoder an elementary stream; a STREAM frame with new parameters
 * means a new decoder. Single-threaded, so equal packets give equal pictures. */
#ifndef CB_MEDIA_DECODE_H
#define CB_MEDIA_DECODE_H

#include "base/err.h"
#include "wire/frame.h"

/* A decoded picture; the planes belong to the decoder until its next call. */
struct cb_picture {
	uint32_t width, height;
	int format;		/* the library's pixel format number, for lib/media only */
	const uint8_t *plane[4];
	int stride[4];
	int64_t pts;		/* of the packet it came from, or CB_NOPTS */
	bool key, corrupt;	/* corrupt: the decoder concealed something */
	void *priv;
};

struct cb_decoder;
/* Errors: CB_E_DATA for a codec this library cannot decode or extradata it refuses. */
int cb_decoder_open(struct cb_decoder **ret, const struct cb_stream *s, struct cb_err *err);
/* Feed one packet (NULL: the end, so that the last pictures come out). A packet that cannot
 * be decoded is -1 with CB_E_DATA; the decoder stays usable. */
int cb_decoder_send(struct cb_decoder *d, const struct cb_packet *p, struct cb_err *err);
/* 1 and a picture, 0 for none yet, -1. */
int cb_decoder_next(struct cb_decoder *d, struct cb_picture *ret, struct cb_err *err);
/* Forget references, for a jump to a keyframe. */
void cb_decoder_flush(struct cb_decoder *d);
void cb_decoder_free(struct cb_decoder *d);

#endif
