/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions (RFC 8866, and what RFC 2326 C.1 and RFC 7826 D add), as cameras write
 * them. Anything that still makes sense is taken; each liberty is counted (rtsp/oddity.h).
 *
 * A description is looked at up to CB_SDP_MAX bytes and CB_SDP_MEDIA media. */
#ifndef CB_RTSP_SDP_H
#define CB_RTSP_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtsp/oddity.h"

#define CB_SDP_MAX (256u << 10)
#define CB_SDP_MEDIA 16

enum cb_sdp_kind { CB_SDP_OTHER = 0, CB_SDP_VIDEO = 1, CB_SDP_AUDIO = 2, CB_SDP_APPLICATION = 3 };
enum cb_sdp_direction { CB_SDP_SENDRECV = 0, CB_SDP_SENDONLY, CB_SDP_RECVONLY, CB_SDP_INACTIVE };

/* Text points into the description's own copy; what is absent is "". Of several payload types
 * in one m= line the first that has an encoding counts. */
struct cb_sdp_media {
	enum cb_sdp_kind kind;
	enum cb_sdp_direction direction;	/* as written. Cameras differ in whose view that is; with
						 * ONVIF what is sendonly is a backchannel, and comes only
						 * to who asked for one */
	const char *proto;		/* "RTP/AVP" */
	bool rtp;			/* plain RTP: RTP/AVP or RTP/AVPF, with or without /TCP, /UDP */
	uint16_t port;
	uint8_t payload;		/* RTP payload type, 0 to 127 */
	char encoding[32];		/* upper case, from rtpmap or the static table: "H264"; "" unknown */
	uint32_t clock_rate;		/* > 0 where encoding is not "" */
	uint8_t channels;		/* audio: 1 where not said */
	const char *fmtp;		/* all parameters of that payload type: "a=1; b=2" */
	const char *control;		/* as written: absolute, relative, "*" */
	uint32_t width, height;		/* a=x-dimensions or a=framesize; 0 unknown */
	uint32_t fr_num, fr_den;	/* a=framerate; 0/1 unknown */
};

struct cb_sdp {
	struct cb_sdp_media media[CB_SDP_MEDIA];
	unsigned n;
	const char *name;		/* s= */
	const char *tool;		/* a=tool */
	const char *control;		/* of the session */
	const char *range;		/* a=range of the session */
	char *text;			/* private: what the others point into */
};

/* CB_E_DATA where there is no medium at all, or beyond CB_SDP_MAX. odd may not be NULL. */
int cb_sdp_parse(struct cb_sdp *ret, const char *text, size_t n, struct cb_oddities *odd,
		 struct cb_err *err);
/* All zero is empty. */
void cb_sdp_release(struct cb_sdp *s);

/* The value of a parameter of fmtp, names compared without case; its length in *ret_len, blanks
 * around it cut off. NULL where it is absent; "" where it has no value. Not NUL-terminated. */
const char *cb_sdp_param(const struct cb_sdp_media *m, const char *name, size_t *ret_len);
/* The same as a number, or otherwise where it is none. */
uint32_t cb_sdp_param_u32(const struct cb_sdp_media *m, const char *name, uint32_t otherwise);

#endif
