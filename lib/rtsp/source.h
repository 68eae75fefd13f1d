/* SPDX-License-Identifier: Apache-2.0 */
/* One session with an RTSP camera (RFC 2326, and what of RFC 7826 is used with 1.0) as STREAM and
 * PACKET frames with canonical data (cb-frame(5)), and what there is to tell about it.
 *
 *	cb_rtsp_source_new	the address looked up, certificates read: all that needs files
 *	(a sandbox)
 *	cb_rtsp_source_open	connect, TLS, OPTIONS, DESCRIBE, SETUP, PLAY
 *	cb_rtsp_source_next	until it is not 1
 *	cb_rtsp_source_free	TEARDOWN, at most a second, also after an error
 *
 * One connection, one session: it does not reconnect. Whoever wants that begins anew, in a
 * process of its own best of all. Nothing is printed; one thread; the program's stop flag
 * (base/stop.h) ends every wait.
 *
 * The camera is asked for nothing that it was not seen to do: keep-alive is OPTIONS at half of
 * the session's time, GET_PARAMETER where that goes unanswered; receiver reports go every 5 s, the first one soon. It
 * is redirected on its own host only, and never away from TLS. Time out: by packets of video, or of
 * audio where there is none, however alive the connection is; metadata alone may be silent.
 *
 * Each unit that the camera sends is one PACKET, flagged CB_F_CORRUPT where parts are missing; what
 * was lost before it is a GAP (reason damage, RTP packets) in front. Times are as DESIGN has them:
 * pts is the RTP timestamp in 64 bits, in 1/clock rate; wall is rtsp/clock.h's; mono is arrival. */
#ifndef CB_RTSP_SOURCE_H
#define CB_RTSP_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtsp/oddity.h"
#include "wire/frame.h"

struct cb_rtsp_opts {
	const char *url;		/* rtsp:// or rtsps://[USER:PASSWORD@]HOST[:PORT]/PATH */
	const char *camera;		/* name, for events */
	const char *credentials;	/* "user:password" instead of the address's; or NULL */
	const char *streams;		/* of "v,a,d": which kinds; NULL: all. d: metadata, as events */
	const char *ca_file, *pins;	/* as of cb_tls_trust_load (tls/tls.h); rtsps only */
	const char *agent;		/* User-Agent, or NULL */
	bool udp;			/* ask for UDP; where there is none, TCP is used */
	int64_t timeout_ns;		/* connection, each answer, time without media; 0: 10 s */
};

enum cb_rtsp_what {
	CB_RTSP_STREAM = 1,	/* s: new or changed parameters, before the packet they are for */
	CB_RTSP_PACKET,		/* p */
	CB_RTSP_GAP,		/* g: lost before what comes next of that stream */
	CB_RTSP_EVENT,		/* line: cb.clock, cb.camera.metadata or cb.stream.oddity (cb-event(5)) */
};

/* What pointers lead to lasts until the next call. */
struct cb_rtsp_item {
	enum cb_rtsp_what what;
	uint16_t stream;	/* from 0, in the order of the description */
	struct cb_stream s;
	struct cb_packet p;
	struct cb_gap g;
	const char *line;	/* without LF */
	size_t len;
};

/* Why next gave 0. */
enum cb_rtsp_end {
	CB_RTSP_GOES_ON = 0,
	CB_RTSP_STOPPED,	/* the program was asked to stop */
	CB_RTSP_BYE,		/* the camera ends it: RTCP BYE, or a TEARDOWN or REDIRECT of its own */
};

struct cb_rtsp_totals {
	uint64_t packets, bytes;	/* RTP packets taken, and bytes of their payload */
	uint64_t lost;			/* RTP packets that never came */
	uint64_t units;			/* PACKET items */
	uint64_t corrupt;		/* of them flagged CB_F_CORRUPT */
	struct cb_oddities odd;		/* all of the session */
};

struct cb_rtsp;

/* Errors: CB_E_USAGE for the address, the credentials, the kinds; CB_E_UNAVAIL where the host's name
 * is not known; those of cb_tls_trust_load. Messages name the address without its secrets. */
int cb_rtsp_source_new(struct cb_rtsp **ret, const struct cb_rtsp_opts *o, struct cb_err *err);
/* CB_E_UNAVAIL: no connection, no answer, or the camera is busy: try again later. For a person:
 * CB_E_PERM: name and password are refused, or the server is not whom TLS was told to believe;
 * CB_E_NOINPUT: no such stream (404); CB_E_PROTOCOL: no RTSP there, or none that we can make
 * sense of; CB_E_DATA: no medium that can be taken. CB_E_TEMP: asked to stop. */
int cb_rtsp_source_open(struct cb_rtsp *s, struct cb_err *err);
/* 1 and an item; 0: the end, in good order (cb_rtsp_source_end says which); -1: the connection broke,
 * was closed, or no media came for so long (CB_E_UNAVAIL), or is beyond sense (CB_E_PROTOCOL). What
 * came before was delivered: at its end every unit, and the oddities' totals, come before 0 or -1. */
int cb_rtsp_source_next(struct cb_rtsp *s, struct cb_rtsp_item *ret, struct cb_err *err);
enum cb_rtsp_end cb_rtsp_source_end(const struct cb_rtsp *s);
void cb_rtsp_source_free(struct cb_rtsp *s);

/* For HELLO: live, wall clock, monotonic clock. camera and producer are untouched. */
void cb_rtsp_source_hello(const struct cb_rtsp *s, struct cb_hello *h);
/* The address as it may be shown; the port that is connected to (before open: as the address says). */
const char *cb_rtsp_source_name(const struct cb_rtsp *s);
uint16_t cb_rtsp_source_port(const struct cb_rtsp *s);
/* For people, after open: "TCP, TLS1.3 ..., Digest SHA-256; 2 streams", and what of the description
 * was left out and why ("" nothing). */
const char *cb_rtsp_source_about(const struct cb_rtsp *s);
const char *cb_rtsp_source_left_out(const struct cb_rtsp *s);
/* So far. */
const struct cb_rtsp_totals *cb_rtsp_source_totals(struct cb_rtsp *s);

#endif
