/* SPDX-License-Identifier: Apache-2.0 */
/* What the depacketisers share. Private to lib/rtsp.
 *
 * The unit being made stands at the end of `out`, from `start` on, behind units that are done
 * and wait to be pulled. */
#ifndef CB_RTSP_DEPAY_PRIV_H
#define CB_RTSP_DEPAY_PRIV_H

#include "base/buf.h"
#include "codec/paramsets.h"
#include "rtsp/depay.h"

struct depay_bits {
	const uint8_t *p;
	size_t n, pos;		/* bits */
	bool bad;		/* read beyond the end: what came then was 0 */
};
uint32_t cb_depay_bits(struct depay_bits *b, unsigned n);	/* n <= 32 */

struct depay_unit {
	struct cb_au au;	/* data is set when it is pulled */
	size_t at;		/* in out */
};

struct cb_depay;

/* One payload format. */
struct depay_format {
	/* s has kind, time base and codec by default; why not is said in *why */
	int (*open)(struct cb_depay *d, struct cb_err *err);
	int (*push)(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err);
	int (*flush)(struct cb_depay *d, struct cb_err *err);
	/* look at a unit that is pulled: flags, parameters; may be NULL */
	int (*look)(struct cb_depay *d, struct cb_au *u, struct cb_err *err);
	void (*release)(struct cb_depay *d);
};

struct depay_nal {
	bool hevc, donl;
	struct cb_sets sets;
	uint64_t version;	/* of the sets that the stream shows */
	int active, reorder;
	bool fields;		/* H.264: pictures may be single fields */
	uint8_t sub_layers;
	bool from_sdp, in_band;
	bool vcl;		/* the unit has a slice */
	bool marked;		/* its last packet had the marker */
	bool over;		/* it is too large, and said so */
	bool gap;		/* packets were lost, and no slice came since */
	bool fu;		/* a fragmented NAL unit is being put together */
	bool fu_vcl;		/* there was a slice in front of it */
	uint8_t fu_type;
	size_t fu_at;		/* of its length, from start */
	unsigned proven, needed;	/* markers that were right, and how many make one believe them */
	bool have_done;
	int64_t done_ts;	/* of the unit that ended last, by its marker */
	uint16_t don;
	bool have_don;
};

struct depay_jpeg {
	bool begun;
	uint32_t at;		/* bytes of scan data so far */
	size_t head;		/* bytes of headers before them */
	uint32_t width, height;
	uint8_t tables[128][129];	/* by Q - 128: count, then tables of 64 bytes */
};

struct depay_audio {
	uint8_t asc[64];
	uint32_t asc_len, frame_size;
	/* MPEG4-GENERIC */
	uint32_t size_bits, index_bits, delta_bits, cts_bits, dts_bits, state_bits, aux_bits, fixed_size;
	bool random_access;
	uint32_t want;		/* bytes of the access unit in fragments, 0: none */
	/* LATM */
	bool in_band, configured;
	bool gap;		/* what came last may not have been whole */
	bool skip;		/* the rest of what has this timestamp is nothing without its beginning */
	int64_t skip_ts;
	unsigned sub_frames;	/* frames of an element, less one */
	/* samples as sent */
	uint32_t unit_bytes, unit_ticks;	/* so many bytes last so many ticks; 0: unknown */
};

struct cb_depay {
	const struct cb_sdp_media *m;
	struct cb_oddities *odd;
	const struct depay_format *f;
	struct cb_stream s;
	struct cb_buf extra;
	bool ready, told, changed;
	struct cb_buf out;
	size_t start;
	struct depay_unit *unit;
	unsigned units, room, head;
	/* the unit being made */
	bool open;
	struct cb_au au;
	/* since the last unit */
	uint64_t lost;
	bool restart, any;
	union {
		struct depay_nal nal;
		struct depay_jpeg *jpeg;
		struct depay_audio audio;
	};
};

/* Begin a unit with the times of this packet. */
void cb_depay_begin(struct cb_depay *d, const struct cb_rtp_packet *p);
/* Bytes in the unit being made, and where they are ("" where there are none yet). */
size_t cb_depay_have(const struct cb_depay *d);
const uint8_t *cb_depay_bytes(const struct cb_depay *d);
/* Append to it; beyond max the rest is left out: 0 then, as for everything but no memory, and
 * the unit is flagged and counted. */
int cb_depay_add(struct cb_depay *d, const void *p, size_t n, size_t max, struct cb_err *err);
/* It is whole: queue it. Without a byte it vanishes. */
int cb_depay_done(struct cb_depay *d, struct cb_err *err);
/* Throw away what there is of it. */
void cb_depay_drop(struct cb_depay *d);
/* Damaged: flag and count, once a unit. */
void cb_depay_damaged(struct cb_depay *d);
/* The stream's extradata. 0, or -1 without memory. *ret_changed: it was other bytes. */
int cb_depay_extradata(struct cb_depay *d, const void *p, size_t n, bool *ret_changed, struct cb_err *err);

extern const struct depay_format cb_depay_h264, cb_depay_h265, cb_depay_jpeg, cb_depay_aac, cb_depay_latm,
	cb_depay_samples, cb_depay_metadata;

#endif
