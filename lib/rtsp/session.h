/* SPDX-License-Identifier: Apache-2.0 */
/* A session being set up, kept and ended: what cb_rtsp_source stands on. Private to lib/rtsp. */
#ifndef CB_RTSP_SESSION_H
#define CB_RTSP_SESSION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtsp/client.h"
#include "rtsp/clock.h"
#include "rtsp/depay.h"
#include "rtsp/oddity.h"
#include "rtsp/rtp.h"
#include "rtsp/sdp.h"
#include "rtsp/source.h"
#include "rtsp/url.h"

/* One elementary stream. */
struct cb_rtsp_track {
	const struct cb_sdp_media *media;
	struct cb_rtp_recv *rtp;
	struct cb_depay *depay;
	struct cb_clock clock;
	char *control;			/* its address */
	int channel[2];			/* RTP, RTCP; -1 */
	int fd[2];			/* sockets, -1 */
	struct sockaddr_storage to[2];	/* the camera's ends of them; ss_family 0: not known */
	uint32_t ours;			/* our source's number, in receiver reports */
	bool metadata;
	bool bye;
	bool have_seq;			/* RTP-Info: the first packet's number */
	uint16_t seq;
	/* the last sender report; early: it came before the first packet */
	bool have_sr, early_sr;
	uint64_t sr_ntp, sr_mono;
	uint32_t sr_ts;
	int64_t sr_wall;
	/* what was last said of its parameters */
	bool told;
	struct cb_stream stream;
	uint8_t extra[32];
};

struct cb_rtsp_session {
	struct cb_rtsp_client c;
	struct cb_rtsp_peer peer;
	struct cb_rtsp_url url;
	struct cb_tls_trust *trust;
	char name[CB_RTSP_URI_MAX];	/* to be shown */
	char uri[CB_RTSP_URI_MAX];	/* of the aggregate, for PLAY, keep-alive and TEARDOWN */
	bool udp;			/* as it was agreed */
	bool want[4];			/* by enum cb_sdp_kind */
	bool playing;
	uint32_t timeout_s;		/* of the session */
	bool can_get_parameter;
	struct cb_sdp sdp;
	struct cb_rtsp_track *track[CB_SDP_MEDIA];
	unsigned n;
	struct cb_oddities *odd;
	char left_out[512];
};

/* From nothing to PLAY, redirections followed. On failure what there is can be closed. */
int cb_rtsp_session_open(struct cb_rtsp_session *s, struct cb_err *err);
/* TEARDOWN where there is something to tear down, at most a second, and everything closed; it
 * can be opened again. */
void cb_rtsp_session_close(struct cb_rtsp_session *s);

/* --- UDP (rtsp/udp.c) ------------------------------------------------------------------------- */

/* Two sockets on neighbouring ports, the first even (RFC 3550 11), for this family. */
int cb_rtsp_udp_open(int fd[2], uint16_t ret_port[2], const struct cb_net_addr *camera,
		     struct cb_err *err);
/* Where to send: the camera's address with the ports of its Transport. */
void cb_rtsp_udp_aim(struct cb_rtsp_track *t, const struct cb_net_addr *camera, const int port[2]);
/* Open the way for the camera's packets through what stands between. */
void cb_rtsp_udp_punch(const struct cb_rtsp_track *t);
/* One datagram of that camera's: its length; -1 nothing now. Others' are counted. */
ssize_t cb_rtsp_udp_read(int fd, void *p, size_t n, const struct cb_net_addr *camera,
			 struct cb_oddities *odd);

#endif
