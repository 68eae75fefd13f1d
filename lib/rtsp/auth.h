/* SPDX-License-Identifier: Apache-2.0 */
/* How a camera wants to know who asks: Basic (RFC 7617) and Digest (RFC 7616, RFC 2617, RFC 2069)
 * with MD5 and SHA-256, their -sess forms, qop auth and auth-int, and userhash.
 *
 * Of several challenges the strongest is answered: Digest SHA-256, Digest MD5, Basic. */
#ifndef CB_RTSP_AUTH_H
#define CB_RTSP_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum cb_auth_scheme { CB_AUTH_NONE = 0, CB_AUTH_BASIC, CB_AUTH_DIGEST_MD5, CB_AUTH_DIGEST_SHA256 };
enum cb_auth_qop { CB_QOP_NONE = 0, CB_QOP_AUTH, CB_QOP_AUTH_INT };

#define CB_AUTH_TEXT 512	/* a realm, nonce or opaque and its NUL; longer ones are not answered */

/* A challenge. All zero: none. */
struct cb_auth {
	enum cb_auth_scheme scheme;
	enum cb_auth_qop qop;
	bool sess, userhash, has_opaque, has_algorithm;
	bool stale;			/* only the nonce was too old: name and password are good */
	char realm[CB_AUTH_TEXT], nonce[CB_AUTH_TEXT], opaque[CB_AUTH_TEXT];
	uint32_t nc;			/* requests answered with this nonce */
	char cnonce[64];
};

/* Look at one WWW-Authenticate header, which may hold several challenges; *a is replaced where one
 * of them is stronger than it. */
void cb_auth_offer(struct cb_auth *a, const char *value, size_t n);

/* Append "Authorization: ...\r\n" for a request. cnonce is random unless set. CB_E_PERM without a
 * challenge that can be answered. */
int cb_auth_answer(struct cb_auth *a, struct cb_buf *out, const char *user, const char *password,
		   const char *method, const char *uri, const void *body, size_t body_len,
		   struct cb_err *err);

/* "Digest SHA-256", "Basic", "no authentication" */
const char *cb_auth_name(const struct cb_auth *a);

#endif
