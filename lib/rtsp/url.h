/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP addresses (RFC 2326 3.2, RFC 3986) as people type them and cameras write them. */
#ifndef CB_RTSP_URL_H
#define CB_RTSP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CB_RTSP_URI_MAX 2048	/* bytes of an address, and of each part, with a NUL */

struct cb_rtsp_url {
	bool tls;			/* rtsps */
	bool has_user;			/* there was a user[:password]@ */
	uint16_t port;			/* 554, or 322 with TLS, where the address says none */
	char host[256];			/* without brackets */
	char user[256], password[256];	/* percent-decoded; erase when done with */
	char uri[CB_RTSP_URI_MAX];	/* the address without user and password, as it is requested */
};

/* CB_E_USAGE with the reason, never with the address: there may be a password in it. */
int cb_rtsp_url_parse(struct cb_rtsp_url *ret, const char *text, struct cb_err *err);

/* The address for people: control characters and what looks like a password (password=...) replaced. */
void cb_rtsp_url_show(char out[static CB_RTSP_URI_MAX], const char *uri);

/* What a control attribute means (RFC 2326 C.1.1), as cameras mean it: "" and "*" are the base; what has
 * a scheme stands for itself; anything else is appended behind one '/', whatever the base ends
 * with. false: too long, or with bytes that cannot be sent. */
bool cb_rtsp_url_join(char out[static CB_RTSP_URI_MAX], const char *base, const char *control);

/* A Content-Base, Content-Location or Location header as an address: those without a scheme, or
 * without a host, are completed from the request's. *ret_odd: it had to be. false: it makes no sense. */
bool cb_rtsp_url_base(char out[static CB_RTSP_URI_MAX], const char *value, size_t n, const char *request,
		      bool *ret_odd);

#endif
