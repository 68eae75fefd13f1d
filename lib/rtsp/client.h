/* SPDX-License-Identifier: Apache-2.0 */
/* One RTSP connection: requests and their answers, with authentication, and what else arrives
 * on it. Private to lib/rtsp; cb_rtsp_source is what others use.
 *
 * All calls but _next wait at most until the deadline, and not at all once the program is asked to
 * stop (CB_E_TEMP). Messages last until the next call. */
#ifndef CB_RTSP_CLIENT_H
#define CB_RTSP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net.h"
#include "rtsp/auth.h"
#include "rtsp/msg.h"
#include "rtsp/oddity.h"
#include "tls/tls.h"

#define CB_RTSP_EARLY_MAX (8u << 20)	/* bytes of media held while an answer is awaited */

/* With whom; all of it must live as long as the client does. */
struct cb_rtsp_peer {
	struct cb_net_addrs to;
	const char *host;
	const struct cb_tls_trust *trust;	/* NULL: without TLS. May go once connected */
	const char *user, *password;		/* NULL: none */
	const char *agent;			/* or NULL */
	int64_t timeout_ns;
};

struct cb_rtsp_client {
	const struct cb_rtsp_peer *peer;
	struct cb_oddities *odd;
	struct cb_auth auth;
	unsigned which;				/* address of the peer */
	char session[CB_RTSP_SESSION_MAX];	/* sent with each request where not "" */
	int64_t wall_ns;			/* when what came last arrived */
	uint64_t mono_ns;
	bool early_data;			/* it came before the answer to a request, PLAY's */
	uint64_t early_lost;			/* frames that did not fit in CB_RTSP_EARLY_MAX */
	/* private */
	int fd;
	struct cb_tls *tls;
	uint32_t cseq;
	uint8_t *in;
	size_t pos, len, done;
	bool dry, eof, want_write, more;
	struct cb_buf out, early, request;
	size_t early_pos;
};

void cb_rtsp_client_init(struct cb_rtsp_client *c, const struct cb_rtsp_peer *peer,
			 struct cb_oddities *odd);
int cb_rtsp_client_connect(struct cb_rtsp_client *c, struct cb_err *err);
void cb_rtsp_client_close(struct cb_rtsp_client *c);

/* A request and its answer, whatever its status; where 401 can be answered, the answer to that.
 * headers: more of them, each with CRLF, or "". Frames that come meanwhile are kept for _next.
 * CB_E_UNAVAIL: no answer, closed; CB_E_PERM: the name or password is refused, or there is none. */
int cb_rtsp_client_request(struct cb_rtsp_client *c, const char *method, const char *uri,
			   const char *headers, struct cb_rtsp_msg *ret, struct cb_err *err);
/* A request whose answer will come from _next. Returns its CSeq. */
int cb_rtsp_client_send(struct cb_rtsp_client *c, const char *method, const char *uri,
			uint32_t *ret_cseq, struct cb_err *err);
/* Take the challenges of a 401. false: there is none that can be answered, or not once more. */
bool cb_rtsp_client_challenge(struct cb_rtsp_client *c, const struct cb_rtsp_msg *m);
/* An interleaved frame. Dropped where the connection does not take it. */
int cb_rtsp_client_frame(struct cb_rtsp_client *c, uint8_t channel, const void *p, size_t n,
			 struct cb_err *err);

/* What is there already: 1; 0: nothing now, poll the descriptor; -1: closed or broken
 * (CB_E_UNAVAIL), or no RTSP (CB_E_PROTOCOL). Requests of the camera are answered before they are
 * given. */
int cb_rtsp_client_next(struct cb_rtsp_client *c, struct cb_rtsp_msg *ret, struct cb_err *err);
short cb_rtsp_client_events(const struct cb_rtsp_client *c);
/* After 0: there may be more at once, whatever the descriptor says. */
bool cb_rtsp_client_more(const struct cb_rtsp_client *c);

/* TEARDOWN, and wait for the answer until the deadline, whether asked to stop or not. */
void cb_rtsp_client_teardown(struct cb_rtsp_client *c, const char *uri, int64_t deadline);

#endif
