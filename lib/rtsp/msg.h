/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over an RTSP connection (RFC 2326 4 to 12): answers, requests, and interleaved
 * frames, out of a stream of bytes. Any bytes may be given; each liberty that is taken with the
 * standard is counted (rtsp/oddity.h).
 *
 * Put up with: line ends between messages and before '$'; lines that end in LF; blanks around names
 * and values; lines without a colon, and continued ones (passed over); a missing reason; an
 * unknown version; bytes that belong to nothing (passed over up to the next '$' or "RTSP/"). */
#ifndef CB_RTSP_MSG_H
#define CB_RTSP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtsp/oddity.h"

#define CB_RTSP_HEAD_MAX (64u << 10)	/* bytes of a message before its body */
#define CB_RTSP_BODY_MAX (256u << 10)
#define CB_RTSP_HEADERS 64		/* headers looked at */

/* Text is not NUL-terminated and lasts as long as the bytes parsed do. */
struct cb_rtsp_text {
	const char *p;
	size_t n;
};

enum cb_rtsp_kind { CB_RTSP_RESPONSE = 1, CB_RTSP_REQUEST, CB_RTSP_DATA };

struct cb_rtsp_msg {
	enum cb_rtsp_kind kind;
	bool http;			/* RESPONSE: of a web server */
	unsigned status;		/* RESPONSE */
	struct cb_rtsp_text reason;	/* RESPONSE */
	struct cb_rtsp_text method;	/* REQUEST */
	uint8_t channel;		/* DATA */
	const uint8_t *body;		/* DATA: the packet */
	size_t body_len;
	unsigned n;
	struct {
		struct cb_rtsp_text name, value;
	} header[CB_RTSP_HEADERS];
};

/* The next of n bytes: 1, and *ret_used bytes are done with; 0: more bytes are needed, *ret_used of
 * those that are there can go; -1: CB_E_PROTOCOL, a message beyond the bounds. A caller that
 * holds HEAD_MAX + BODY_MAX + 65539 bytes always gets on. */
int cb_rtsp_msg_parse(struct cb_rtsp_msg *ret, const uint8_t *p, size_t n, size_t *ret_used,
		      struct cb_oddities *odd, struct cb_err *err);

/* The first header of that name, without case; p NULL: there is none. */
struct cb_rtsp_text cb_rtsp_header(const struct cb_rtsp_msg *m, const char *name);
/* One after another: *i is 0 at first. false: no more. */
bool cb_rtsp_header_next(const struct cb_rtsp_msg *m, const char *name, unsigned *i,
			 struct cb_rtsp_text *ret);
/* Its number; false: none there, or it is none. */
bool cb_rtsp_header_u32(const struct cb_rtsp_msg *m, const char *name, uint32_t *ret);
/* Does a list between commas or blanks name this word? (Public: OPTIONS, DESCRIBE) */
bool cb_rtsp_lists(struct cb_rtsp_text list, const char *word);

/* Session: ID[;timeout=SECONDS] (RFC 2326 12.37). false: no id, or one that cannot be sent back. */
#define CB_RTSP_SESSION_MAX 256
bool cb_rtsp_session_parse(char id[static CB_RTSP_SESSION_MAX], uint32_t *ret_timeout,
			   struct cb_rtsp_text value);

/* Transport: the first of the list (RFC 2326 12.39). Numbers that are absent are -1. */
struct cb_rtsp_transport {
	bool tcp, multicast;
	int channel[2], client_port[2], server_port[2];
	bool have_ssrc;
	uint32_t ssrc;
};
/* false: nothing in it makes sense. *ret_odd: something in it does not. */
bool cb_rtsp_transport_parse(struct cb_rtsp_transport *ret, struct cb_rtsp_text value,
			     bool *ret_odd);

/* RTP-Info (RFC 2326 12.33): for each stream its address and what its first packet is. Returns how
 * many entries there are, at most max. *ret_odd: something makes no sense. */
struct cb_rtsp_info {
	struct cb_rtsp_text url;
	bool have_seq, have_rtptime;
	uint16_t seq;
	uint32_t rtptime;
};
unsigned cb_rtsp_info_parse(struct cb_rtsp_info *ret, unsigned max, struct cb_rtsp_text value,
			    bool *ret_odd);

#endif
