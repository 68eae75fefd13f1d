/* SPDX-License-Identifier: Apache-2.0 */
/* A mail for each alert (RFC 5321 by libcurl, RFC 5322, MIME: RFC 2045 to 2047): the text, and the
 * thumbnail beside it. Everything that comes from an event is base64 in the body or in encoded
 * words: it can neither end a header nor begin one. */
#include "deliver/outlet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/time.h"
#include "crypto/base64.h"
#include "deliver/curl.h"
#include "deliver/mail.h"

struct smtp {
	struct cb_curl curl;
	struct curl_slist *to;
	char *password;
	size_t at;			/* of o->body, read so far */
};

static size_t give(char *p, size_t size, size_t n, void *ctx)
{
	struct cb_outlet *o = ctx;
	struct smtp *s = o->own;
	size_t k = size * n;

	if (k > o->body.len - s->at)
		k = o->body.len - s->at;
	memcpy(p, o->body.data + s->at, k);
	s->at += k;
	return k;
}

static void smtp_close(struct cb_outlet *o)
{
	struct smtp *s = o->own;

	if (!s)
		return;
	cb_curl_close(&s->curl);
	curl_slist_free_all(s->to);
	cb_secret_free(s->password);
	free(s);
	o->own = NULL;
}

static int smtp_open(struct cb_outlet *o, struct cb_err *err)
{
	const struct cb_outlet_conf *c = o->conf;
	struct smtp *s = calloc(1, sizeof(*s));
	bool implicit = c->mail_tls == CB_MAIL_TLS;
	char url[400], from[300];

	if (!s)
		return cb_err_nomem(err);
	o->own = s;
	snprintf(url, sizeof(url), strchr(c->host, ':') ? "%s://[%s]:%u/" : "%s://%s:%u/", implicit ? "smtps" : "smtp",
		 c->host, c->port);
	snprintf(from, sizeof(from), "<%s>", c->from);
	if (c->password_file && cb_secret_read(c->password_file, &s->password, err) < 0)
		goto fail;
	for (uint32_t i = 0; i < c->to.n; i++) {
		char to[300];
		struct curl_slist *l;

		snprintf(to, sizeof(to), "<%s>", c->to.at[i]);
		l = curl_slist_append(s->to, to);
		if (!l) {
			cb_err_nomem(err);
			goto fail;
		}
		s->to = l;
	}
	if (cb_curl_open(&s->curl, o, implicit ? "smtps" : "smtp", err) < 0)
		goto fail;
#define SET(option, value) (curl_easy_setopt(s->curl.h, CURLOPT_##option, value) != CURLE_OK)
	if (SET(URL, url) || SET(MAIL_FROM, from) || SET(MAIL_RCPT, s->to) || SET(UPLOAD, 1L) ||
	    SET(READFUNCTION, give) || SET(READDATA, o) ||
	    SET(USE_SSL, (long)(c->mail_tls == CB_MAIL_PLAIN ? CURLUSESSL_NONE : CURLUSESSL_ALL)) ||
	    (c->user && (SET(USERNAME, c->user) || SET(PASSWORD, s->password)))) {
		cb_err_set(err, CB_E_OS, "libcurl lacks what is needed");
		goto fail;
	}
#undef SET
	return 0;
fail:
	smtp_close(o);
	return -1;
}

/* Of this mailbox or this mail, not of the moment (RFC 5321, 4.2.3). */
static bool never(long status)
{
	return status == 550 || status == 551 || status == 552 || status == 553;
}

static bool mail(struct cb_outlet *o, struct smtp *s, const struct cb_spooled *note, struct cb_report *r)
{
	struct cb_err err = CB_ERR_INIT;
	long status = 0;

	o->body.len = s->at = 0;
	if (cb_mail_put(o, &o->body, note, &err) < 0) {
		cb_report_err(r, err.code == CB_E_DATA ? CB_SENT_NEVER : CB_SENT_LATER, &err);
		return false;
	}
	curl_easy_setopt(s->curl.h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)o->body.len);
	if (cb_curl_perform(&s->curl, o->conf->host, r) == 0)
		return true;
	curl_easy_getinfo(s->curl.h, CURLINFO_RESPONSE_CODE, &status);
	if (r->what == CB_SENT_LATER && never(status))
		r->what = CB_SENT_NEVER;
	return false;
}

static void smtp_send(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *r)
{
	int64_t until = cb_now_mono_ns() + CB_NS_PER_S / 20;

	while (r->done < n && mail(o, o->own, note[r->done], r)) {
		r->done++;
		if (cb_now_mono_ns() >= until)
			break;
	}
}

/* Servers do not like connections that say nothing. */
static void smtp_idle(struct cb_outlet *o)
{
	smtp_close(o);
	smtp_open(o, NULL);
}

const struct cb_outlet_ops cb_outlet_smtp = { smtp_open, smtp_send, smtp_idle, smtp_close };
