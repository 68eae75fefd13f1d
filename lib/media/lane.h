/* SPDX-License-Identifier: Apache-2.0 */
/* One elementary stream on its way from libavformat's packets to canonical ones, with the
 * parameters that its STREAM frame states. Private to lib/media. */
#ifndef CB_MEDIA_LANE_H
#define CB_MEDIA_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavcodec/packet.h>
#include <libavformat/avformat.h>

#include "base/buf.h"
#include "codec/paramsets.h"
#include "wire/frame.h"

enum cb_framing {
	CB_FRAMING_ASIS,	/* data stays as it came */
	CB_FRAMING_UNITS,	/* NAL units behind lengths: looked into, not changed */
	CB_FRAMING_BYTES,	/* NAL units in a byte stream: converted */
	CB_FRAMING_ADTS,	/* AAC behind ADTS headers: they go */
	CB_FRAMING_JPEG,	/* size in the pictures only */
};

struct cb_lane {
	int out;		/* number in the frame stream, or -1: left out */
	AVCodecParameters *par;	/* our copy, completed as we learn */
	enum cb_framing framing;
	bool nal, hevc;		/* H.264 or H.265 */
	bool set_up;		/* framing is decided */
	bool known;		/* s is complete enough to be announced */
	bool announced;
	bool raw_time;		/* the container has no times; audio then counts from 0 */
	struct cb_stream s;
	struct cb_buf extra;	/* s.extradata */
	struct cb_sets sets;
	uint64_t version;	/* of the sets that s was made from */
	int sps;		/* number of the SPS that s was made from */
	bool one_order;		/* pictures come in the order in which they are shown */
	uint64_t one_version;	/* of the sets that says so */
	int one_sps;
	uint8_t adts[7];	/* header whose parameters s has */
	struct cb_buf data;	/* the packet converted last */
	/* audio without stated times */
	int64_t base, samples;	/* last stated time and samples since; CB_NOPTS: none */
	uint64_t damaged;
	int count;		/* packets so far: the next one's place in the container's index */
};

int cb_lane_init(struct cb_lane *l, const AVStream *st, int out, struct cb_err *err);
void cb_lane_release(struct cb_lane *l);

/* Can what is missing still be learnt from packets by learn()? */
bool cb_lane_learnable(const struct cb_lane *l);
/* Look at a packet that will be given to packet() later, until known. */
int cb_lane_learn(struct cb_lane *l, const AVStream *st, const AVPacket *pkt, struct cb_err *err);

/* Turn a packet into a canonical one: flags, times and data (wall and mono untouched). Where
 * *ret_changed, l->s is new and belongs before this packet. */
int cb_lane_packet(struct cb_lane *l, const AVStream *st, const AVPacket *pkt,
		   struct cb_packet *ret, bool *ret_changed, struct cb_err *err);

#endif
