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

/* What is not to be looked at need not be decoded. None of it changes a picture that is
 * wanted, but for small. */
struct cb_decoder_policy {
	/* packets put off at most: see cb_decoder_put_off; 0: none, and up to CB_DECODER_HOLD */
	unsigned hold;
	/* nothing is put off while the picture of a packet that was sent has not come out */
	bool prompt;
	/* pictures no smaller than this in width and height will do; 0: as they are coded. Motion
	 * JPEG is then decoded to 1/2, 1/4 or 1/8, which costs that much less of its
	 * transform; the planes are smaller, the picture's width and height stay. Codecs that
	 * predict from picture to picture would drift. */
	uint32_t width, height;
};
#define CB_DECODER_HOLD 128

/* A decoded picture; the planes belong to the decoder until its next call. */
struct cb_picture {
	uint32_t width, height;
	unsigned shrunk;	/* the planes are 1 / (1 << shrunk) of that, rounded up */
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
/* To be said before the first packet. */
void cb_decoder_policy(struct cb_decoder *d, const struct cb_decoder_policy *policy);
/* May this packet be left out without harm to other pictures? Flagged so, or its own headers
 * say it (media/need.h: H.264, H.265, AV1, MPEG-1, -2 and -4, and what is coded picture by
 * picture). Ask once at most, before the packet is given: packets are looked at in their order. */
bool cb_decoder_disposable(struct cb_decoder *d, const struct cb_packet *p);
/* As cb_decoder_send, for a packet whose own picture is not wanted. It waits until another is
 * sent that may need it, and is never decoded where a picture comes before that from which
 * decoding can begin (of H.264 and H.265 an IDR picture, a key frame of AV1, VP8 and VP9, a
 * JPEG picture with its tables). Its picture comes out where it was decoded. */
int cb_decoder_put_off(struct cb_decoder *d, const struct cb_packet *p, struct cb_err *err);
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
