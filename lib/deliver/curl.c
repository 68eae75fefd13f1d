/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, held short. */
#include "deliver/curl.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MAX (1u << 20)

int cb_curl_global(struct cb_err *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return cb_err_set(err, CB_E_OS, "libcurl does not start");
	return 0;
}

static size_t answer(char *p, size_t size, size_t n, void *ctx)
{
	struct cb_curl *c = ctx;

	(void)p;
	c->answered += size * n;
	return c->answered > ANSWER_MAX ? 0 : size * n;
}

static int progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e)
{
	const struct cb_curl *c = ctx;

	(void)a, (void)b, (void)d, (void)e;
	return atomic_load(c->o->abort);
}

int cb_curl_open(struct cb_curl *c, const struct cb_outlet *o, const char *protocols, struct cb_err *err)
{
	bool bad;

	c->o = o;
	c->h = curl_easy_init();
	if (!c->h)
		return cb_err_nomem(err);
#define SET(option, value) (curl_easy_setopt(c->h, CURLOPT_##option, value) != CURLE_OK)
	bad = SET(ERRORBUFFER, c->why) || SET(NOSIGNAL, 1L) || SET(PROTOCOLS_STR, protocols) ||
		SET(FOLLOWLOCATION, 0L) || SET(MAXREDIRS, 0L) || SET(PROXY, "") || SET(NOPROXY, "*") ||
		SET(NETRC, (long)CURL_NETRC_IGNORED) || SET(SSL_VERIFYPEER, 1L) || SET(SSL_VERIFYHOST, 2L) ||
		SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ||
		SET(TIMEOUT_MS, (long)(o->conf->timeout_ns / 1000000 + 1)) ||
		SET(CONNECTTIMEOUT_MS, (long)(o->conf->timeout_ns / 1000000 + 1)) ||
		SET(TCP_KEEPALIVE, 1L) || SET(WRITEFUNCTION, answer) || SET(WRITEDATA, c) ||
		SET(NOPROGRESS, 0L) || SET(XFERINFOFUNCTION, progress) || SET(XFERINFODATA, c) ||
		(o->conf->ca && (SET(CAINFO, o->conf->ca) || SET(CAPATH, NULL)));
#undef SET
	if (bad) {
		cb_curl_close(c);
		return cb_err_set(err, CB_E_OS, "libcurl lacks what is needed");
	}
	return 0;
}

void cb_curl_close(struct cb_curl *c)
{
	if (c->h)
		curl_easy_cleanup(c->h);
	c->h = NULL;
}

int cb_curl_perform(struct cb_curl *c, const char *whom, struct cb_report *r)
{
	CURLcode k;

	c->why[0] = '\0';
	c->answered = 0;
	k = curl_easy_perform(c->h);
	/* the answer's first line was read by then */
	if (k == CURLE_OK || (k == CURLE_WRITE_ERROR && c->answered > ANSWER_MAX))
		return 0;
	if (k == CURLE_ABORTED_BY_CALLBACK && atomic_load(c->o->abort))
		cb_report_set(r, CB_SENT_ABORTED, "stopped");
	else
		cb_report_set(r, CB_SENT_LATER, "%.80s: %.160s", whom, *c->why ? c->why : curl_easy_strerror(k));
	return -1;
}
