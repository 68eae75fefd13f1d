/* SPDX-License-Identifier: Apache-2.0 */
/* What webhook and smtp share of libcurl: a handle that verifies, follows nobody, asks no proxy,
 * reads no .netrc and no environment, and can be told to stop. */
#ifndef CB_DELIVER_CURL_H
#define CB_DELIVER_CURL_H

#include <curl/curl.h>

#include "deliver/outlet.h"

struct cb_curl {
	CURL *h;
	const struct cb_outlet *o;
	char why[CURL_ERROR_SIZE];
	size_t answered;		/* bytes of the answer, which nobody reads */
};

/* Process-wide, before threads. */
int cb_curl_global(struct cb_err *err);
/* protocols: "https", "http,https" ... */
int cb_curl_open(struct cb_curl *c, const struct cb_outlet *o, const char *protocols, struct cb_err *err);
void cb_curl_close(struct cb_curl *c);
/* Perform. 0, or -1 with what it says about the next try filled in. */
int cb_curl_perform(struct cb_curl *c, const char *whom, struct cb_report *r);

#endif
