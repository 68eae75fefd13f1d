/* SPDX-License-Identifier: Apache-2.0 */
/* Times for raw video, from the frame rate alone: dts counts pictures, pts is a picture's
 * place in output order. H.264 and H.265 state that order (picture order count), so a coded
 * sequence is held until it is complete; where one is longer than what is held, or makes no
 * sense, its pts stay unknown. Private to lib/media. */
#ifndef CB_MEDIA_ORDER_H
#define CB_MEDIA_ORDER_H

#include <libavcodec/codec_par.h>
#include <libavcodec/packet.h>
#include <libavutil/rational.h>

#include "base/err.h"

struct cb_order;

/* The time base is half a picture, because a packet can be a single field. */
int cb_order_new(struct cb_order **ret, const AVCodecParameters *par, uint32_t fps_num,
		 uint32_t fps_den, struct cb_err *err);
AVRational cb_order_time_base(const struct cb_order *o);
/* Take over pkt (left blank). NULL: that was the last. */
int cb_order_push(struct cb_order *o, AVPacket *pkt, struct cb_err *err);
/* The next packet with its times: 1; 0: push more. */
int cb_order_pop(struct cb_order *o, AVPacket *ret);
void cb_order_free(struct cb_order *o);

#endif
