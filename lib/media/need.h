/* SPDX-License-Identifier: Apache-2.0 */
/* What a coded packet says of its place among the others, from its headers alone: can it be
 * left out, can decoding begin with it. Said only where the format promises it; what cannot be
 * read is neither. Packets are anybody's bytes.
 *
 * Sources: H.264 7.4.1 (nal_ref_idc, IDR pictures); H.265 7.4.2.2 and 7.4.3.2 (sub-layer
 * non-reference pictures, sps_max_sub_layers_minus1); AV1 5.5 and 5.9.2 (refresh_frame_flags);
 * MPEG-1 and -2 6.2.3 and MPEG-4 Part 2 6.2.5 (B pictures, to which nothing refers); VP8 9.1,
 * VP9 6.2 (key frames); ITU-T T.81 B.2 (tables of a JPEG picture).
 *
 * VP8 and VP9 have pictures to which nothing refers too, but VP8 says so only in entropy-coded
 * data, and in VP9 also the motion vectors and probabilities of one may be used by the next. */
#ifndef CB_MEDIA_NEED_H
#define CB_MEDIA_NEED_H

#include "wire/frame.h"

enum cb_need_codec {
	CB_NEED_OTHER, CB_NEED_ALONE, CB_NEED_H264, CB_NEED_H265, CB_NEED_AV1, CB_NEED_MPEG12,
	CB_NEED_MPEG4, CB_NEED_VP8, CB_NEED_VP9, CB_NEED_JPEG,
};

/* Of an AV1 sequence header, what leads to refresh_frame_flags. */
struct cb_need_av1 {
	bool known, model, equal_interval, ids, order;
	uint8_t time_bits, removal_bits, id_bits, order_bits, screen, integer_mv, points;
	bool point_model[32];
	uint16_t point_idc[32];
};

struct cb_needs {
	enum cb_need_codec codec;
	int nal_length;
	int top;		/* H.265: the highest sub-layer that there can be */
	struct cb_need_av1 av1;
	uint64_t headers;	/* a hash of those that came last */
};

struct cb_need {
	bool spare;	/* no other packet needs it, nor anything that it carries */
	bool anew;	/* neither it nor what follows needs anything before it but headers */
	bool headers;	/* it carries headers that later packets may need, and other ones than the
			 * last packet that did */
	bool jpeg;	/* a JPEG picture in 8x8 blocks, of this size: */
	uint16_t width, height;
};

void cb_needs_init(struct cb_needs *n, const struct cb_stream *s);
/* Each packet once, in their order. An empty answer for one that cannot be read. */
struct cb_need cb_needs_packet(struct cb_needs *n, const struct cb_packet *p);

#endif
