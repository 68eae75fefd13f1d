/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP POST, signed as Standard Webhooks 1.0.0 asks for, one at a time over one connection that is
 * kept (HTTP/2 where the receiver has it). 2xx is delivered. A redirection is a failure and never
 * followed. 400, 410, 413 and 422 speak of this body: no other try. The rest is tried again. */
#include "deliver/outlet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/time.h"
#include "crypto/webhook.h"
#include "deliver/curl.h"
#include "deliver/guard.h"

struct webhook {
	struct cb_curl curl;
	struct cb_webhook_key key[CB_OUTLET_LIST_MAX];
	uint32_t keys;
	struct cb_cidr allow[CB_OUTLET_LIST_MAX];
	uint32_t allowed;
	struct curl_slist *headers;	/* those of every request */
	char refused[64];		/* an address that the guard did not let through */
	char whom[256];			/* of the URL, without the path: that may be a secret */
};

/* Before the socket is made: who is it that libcurl is about to connect to? */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct webhook *w = ctx;

	(void)purpose;
	if (!cb_guard_allows(&a->addr, w->allow, w->allowed)) {
		cb_guard_text(w->refused, &a->addr);
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void webhook_close(struct cb_outlet *o)
{
	struct webhook *w = o->own;

	if (!w)
		return;
	cb_curl_close(&w->curl);
	curl_slist_free_all(w->headers);
	for (uint32_t i = 0; i < w->keys; i++)
		cb_webhook_key_wipe(&w->key[i]);
	free(w);
	o->own = NULL;
}

static int add(struct curl_slist **list, const char *text, struct cb_err *err)
{
	struct curl_slist *l = curl_slist_append(*list, text);

	if (!l)
		return cb_err_nomem(err);
	*list = l;
	return 0;
}

static int read_key(struct webhook *w, const char *path, struct cb_err *err)
{
	char *text;
	int r;

	if (cb_secret_read(path, &text, err) < 0)
		return -1;
	r = cb_webhook_key_parse(&w->key[w->keys], text, err);
	cb_secret_free(text);
	if (r < 0)
		return cb_err_prefix(err, "%s", path);
	w->keys++;
	return 0;
}

/* Lines "Name: value" that are secret, such as Authorization. */
static int read_headers(struct webhook *w, const char *path, struct cb_err *err)
{
	char *text, *line, *rest;
	int r = 0;

	if (cb_secret_read(path, &text, err) < 0)
		return -1;
	for (rest = text; r == 0 && (line = strsep(&rest, "\n")); ) {
		if (!cb_outlet_header_ok(line))
			r = cb_err_set(err, CB_E_CONFIG, "%s: a line is no header of yours to set", path);
		else
			r = add(&w->headers, line, err);
	}
	cb_secret_free(text);
	return r;
}

static int webhook_open(struct cb_outlet *o, struct cb_err *err)
{
	const struct cb_outlet_conf *c = o->conf;
	struct webhook *w = calloc(1, sizeof(*w));
	char type[128];

	if (!w)
		return cb_err_nomem(err);
	o->own = w;
	snprintf(w->whom, sizeof(w->whom), "%.*s", (int)(strcspn(c->url + 8, "/?") + 8), c->url);
	for (uint32_t i = 0; i < c->allow.n; i++)
		if (cb_cidr_parse(c->allow.at[i], &w->allow[w->allowed]))
			w->allowed++;
	for (uint32_t i = 0; i < c->keys.n; i++)
		if (read_key(w, c->keys.at[i], err) < 0)
			goto fail;
	snprintf(type, sizeof(type), "Content-Type: %s", cb_body_type(c->format));
	if (add(&w->headers, type, err) < 0 || add(&w->headers, "Expect:", err) < 0)
		goto fail;
	for (uint32_t i = 0; i < c->headers.n; i++)
		if (add(&w->headers, c->headers.at[i], err) < 0)
			goto fail;
	if (c->header_file && read_headers(w, c->header_file, err) < 0)
		goto fail;
	if (cb_curl_open(&w->curl, o, c->plain ? "http,https" : "https", err) < 0)
		goto fail;
#define SET(option, value) (curl_easy_setopt(w->curl.h, CURLOPT_##option, value) != CURLE_OK)
	if (SET(URL, c->url) || SET(POST, 1L) || SET(USERAGENT, "cb-deliver/" CB_VERSION) ||
	    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) || SET(OPENSOCKETFUNCTION, open_socket) ||
	    SET(OPENSOCKETDATA, w)) {
		cb_err_set(err, CB_E_OS, "libcurl lacks what is needed");
		goto fail;
	}
#undef SET
	return 0;
fail:
	webhook_close(o);
	return -1;
}

/* webhook-id, -timestamp, -signature. */
static struct curl_slist *sign(struct webhook *w, struct cb_outlet *o, const struct cb_spooled *note,
			       struct cb_err *err)
{
	int64_t now = cb_now_wall_ns() / CB_NS_PER_S;
	struct curl_slist *l = NULL;
	struct cb_buf sig = { 0 };
	char text[CB_NOTE_ID_MAX + 64];
	int r = -1;

	snprintf(text, sizeof(text), "webhook-id: %s", note->note.id);
	if (add(&l, text, err) < 0)
		goto out;
	snprintf(text, sizeof(text), "webhook-timestamp: %" PRId64, now);
	if (add(&l, text, err) < 0)
		goto out;
	snprintf(text, sizeof(text), "%s.%" PRId64 ".", note->note.id, now);
	cb_buf_str(&sig, "webhook-signature:");
	for (uint32_t i = 0; i < w->keys; i++)
		if (cb_buf_byte(&sig, ' ') < 0 ||
		    cb_webhook_sign(&sig, &w->key[i], text, o->body.data, o->body.len, err) < 0)
			goto out;
	cb_buf_byte(&sig, 0);
	if (w->keys && add(&l, (char *)sig.data, err) < 0)
		goto out;
	for (struct curl_slist *h = w->headers; h; h = h->next)
		if (add(&l, h->data, err) < 0)
			goto out;
	r = 0;
out:
	cb_buf_release(&sig);
	if (r == 0)
		return l;
	curl_slist_free_all(l);
	return NULL;
}

static bool post(struct cb_outlet *o, struct webhook *w, const struct cb_spooled *note, struct cb_report *r)
{
	struct cb_err err = CB_ERR_INIT;
	struct curl_slist *headers;
	curl_off_t after = 0;
	long status = 0;
	int k;

	o->body.len = 0;
	if (cb_body_put(o, &o->body, note, &err) < 0 || !(headers = sign(w, o, note, &err))) {
		cb_report_err(r, err.code == CB_E_DATA ? CB_SENT_NEVER : CB_SENT_LATER, &err);
		return false;
	}
	w->refused[0] = '\0';
	curl_easy_setopt(w->curl.h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(w->curl.h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.len);
	curl_easy_setopt(w->curl.h, CURLOPT_POSTFIELDS, o->body.data);
	k = cb_curl_perform(&w->curl, w->whom, r);
	curl_easy_setopt(w->curl.h, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	curl_easy_getinfo(w->curl.h, CURLINFO_RESPONSE_CODE, &status);
	/* with a status it was answered, whatever came after: a server may end a stream whose body it
	 * does not want to read (RFC 9113, 8.1) */
	if (k < 0 && status < 200) {
		if (w->refused[0] && r->what == CB_SENT_LATER)
			cb_report_set(r, CB_SENT_LATER, "%s is an address that is not connected to (allow)", w->refused);
		return false;
	}
	if (status >= 200 && status < 300)
		return true;
	curl_easy_getinfo(w->curl.h, CURLINFO_RETRY_AFTER, &after);
	cb_report_set(r, status == 400 || status == 410 || status == 413 || status == 422 ? CB_SENT_NEVER :
		      CB_SENT_LATER, "HTTP status %ld", status);
	if (after > 0)
		r->retry_after_ns = after > 86400 ? 86400 * CB_NS_PER_S : (int64_t)after * CB_NS_PER_S;
	return false;
}

/* Some, and then back: what arrived is written down while the rest waits. */
static void webhook_send(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *r)
{
	int64_t until = cb_now_mono_ns() + CB_NS_PER_S / 20;

	while (r->done < n && post(o, o->own, note[r->done], r)) {
		r->done++;
		if (cb_now_mono_ns() >= until)
			break;
	}
}

const struct cb_outlet_ops cb_outlet_webhook = { webhook_open, webhook_send, NULL, webhook_close };
