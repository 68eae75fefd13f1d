/* SPDX-License-Identifier: Apache-2.0 */
/* Packets to pictures. One decoder an elementary stream; a STREAM frame with new parameters
 * means a new decoder. Single-threaded, so equal packets give equal pictures.
 *
 * Give a packet with send, take pictures with next until it returns 0, then give the next
 * packet. Pictures come out in the order of presentation, so some packets later. */
#ifndef CB_MEDIA_DECODE_H
#define CB_MEDIA_DECODE_H

#include "base/err.h"
#include "wire/frame.h"

/* What a STREAM or its packets may claim at most: a side, and the area. */
#define CB_PICTURE_SIDE_MAX 16384
#define CB_PICTURE_PIXELS_MAX (1 << 26)

/* A decoded picture; the planes belong to the decoder until its next call. */
struct cb_picture {
	uint32_t width, height;
	int format;		/* the library's pixel format number, for lib/media only */
	const uint8_t *plane[4];
	int stride[4];
	int64_t pts;		/* of the packet it came from, or CB_NOPTS */
	uint64_t packet;	/* which send it came from: 1 for the first since open; 0: unknown */
	bool key, corrupt;	/* corrupt: the decoder concealed something */
	void *priv;
};

struct cb_decoder;
/* Errors: CB_E_DATA for a codec this library cannot decode or extradata it refuses. */
int cb_decoder_open(struct cb_decoder **ret, const struct cb_stream *s, struct cb_err *err);
/* Feed one packet (NULL: the end, so that the last pictures come out). A packet that cannot
 * be decoded is -1 with CB_E_DATA; the decoder stays usable. */
int cb_decoder_send(struct cb_decoder *d, const struct cb_packet *p, struct cb_err *err);
/* May this packet be left out without harm to other pictures? Flagged so, or H.264 that says so. */
bool cb_decoder_disposable(const struct cb_decoder *d, const struct cb_packet *p);
/* 1 and a picture, 0 for none yet, -1 (CB_E_DATA: damage in the last packet; go on calling).
 * A packet marked DISCARD gives no picture. */
int cb_decoder_next(struct cb_decoder *d, struct cb_picture *ret, struct cb_err *err);
/* Forget references, for a jump to a keyframe; also the way on after the end was sent. The
 * packets' numbers go on. */
void cb_decoder_flush(struct cb_decoder *d);
void cb_decoder_free(struct cb_decoder *d);

/* "libavcodec 59.37.100 (5.1.9-0+deb12u1)" */
const char *cb_decoder_library_version(void);

#endif
