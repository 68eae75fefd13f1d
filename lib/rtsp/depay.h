/* SPDX-License-Identifier: Apache-2.0 */
/* Depacketisers: the RTP packets of one elementary stream into access units with canonical data
 * (cb-frame(5)): NAL units behind four-byte lengths, raw AAC, whole JPEG pictures, samples as
 * sent, one XML document each.
 *
 *	H264		RFC 6184: single units, STAP-A and B, MTAP16 and 24, FU-A and B
 *	H265		RFC 7798: single units, AP, FU, PACI; with and without DONL
 *	JPEG		RFC 2435, and the header extension of ONVIF's streaming specification
 *	MPEG4-GENERIC	RFC 3640: AAC-hbr, AAC-lbr
 *	MP4A-LATM	RFC 6416 (RFC 3016): AAC, configuration in the description or in the stream
 *	PCMU, PCMA, L8, L16, L24, G722, G726-16 to -40, OPUS
 *	VND.ONVIF.METADATA	ONVIF streaming specification 5.1.2.1
 *
 * They are pure: bytes in, bytes out, no clock, no input or output. Any bytes may be given; memory
 * is bounded by CB_AU_MAX. What cameras do wrong is put up with and counted (rtsp/oddity.h). No
 * byte that arrived is dropped, unless it cannot be placed (a fragment whose beginning was lost);
 * what is incomplete is flagged CB_F_CORRUPT.
 *
 * Units of NAL are neither dropped, added nor reordered. A unit with a start code inside is
 * taken apart there (a camera that sends a byte stream). */
#ifndef CB_RTSP_DEPAY_H
#define CB_RTSP_DEPAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtsp/oddity.h"
#include "rtsp/rtp.h"
#include "rtsp/sdp.h"
#include "wire/frame.h"

#define CB_AU_MAX (16u << 20)	/* bytes of one access unit */

/* An access unit. Data lasts until the next push, pull or flush. */
struct cb_au {
	const uint8_t *data;
	uint32_t len;
	uint16_t flags;		/* CB_F_KEY, CB_F_CORRUPT, CB_F_DISPOSABLE */
	bool changed;		/* its parameters are new: cb_depay_stream has them; true at the first */
	int64_t pts;		/* the RTP timestamp in 64 bits, in 1/clock_rate s; of audio that shares a
				 * packet with others, theirs follow by the number of samples */
	int64_t dts;		/* pts where the stream cannot reorder, else CB_NOPTS: RTP states none */
	int64_t duration;	/* audio, where known, else 0 */
	int64_t wall_ns;	/* arrival of its first packet */
	uint64_t mono_ns;
	uint64_t lost;		/* packets lost since the unit before this one, those within it counted */
	bool restart;		/* the sender began anew within that time: a number of lost packets is not known */
};

struct cb_depay;

/* Can this be depacketised? Otherwise a reason for people in *ret_why (static text), if not NULL. */
bool cb_depay_supports(const struct cb_sdp_media *m, const char **ret_why);
/* CB_E_DATA where it cannot. The description must live as long as the depacketiser. */
int cb_depay_open(struct cb_depay **ret, const struct cb_sdp_media *m, struct cb_oddities *odd,
		  struct cb_err *err);
void cb_depay_free(struct cb_depay *d);

/* Take a packet in order (cb_rtp_recv_pull), then pull until 0. Pull before the next push: a push
 * over units that nobody took discards them. -1: no memory. */
int cb_depay_push(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err);
/* 1: a unit; 0: push more; -1: no memory. */
int cb_depay_pull(struct cb_depay *d, struct cb_au *ret, struct cb_err *err);
/* The end of the stream, or of a connection: what is unfinished becomes a unit; then pull. */
int cb_depay_flush(struct cb_depay *d, struct cb_err *err);

/* The parameters in force for the unit pulled last. Before the first unit: what the description
 * says, where it says enough (H.264 and H.265 without parameter sets: no size, no extradata).
 * Good until the next pull. Metadata is of kind CB_DATA, codec "onvif_metadata". */
const struct cb_stream *cb_depay_stream(const struct cb_depay *d);
/* Are the parameters whole, so that decoding can begin? */
bool cb_depay_ready(const struct cb_depay *d);

#endif
