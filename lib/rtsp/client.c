/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in, messages out; and the other way round. */
#include "rtsp/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"

#define READ (64u << 10)
#define IN_MAX (CB_RTSP_HEAD_MAX + CB_RTSP_BODY_MAX + 65539 + READ)
#define OUT_MAX (256u << 10)
#define READS_MAX 16 /* in one go: what has no end must not keep us from looking at the clock */

void cb_rtsp_client_init(struct cb_rtsp_client *c, const struct cb_rtsp_peer *peer,
			 struct cb_oddities *odd)
{
	memset(c, 0, sizeof(*c));
	c->peer = peer;
	c->odd = odd;
	c->fd = -1;
}

static void hang_up(struct cb_rtsp_client *c)
{
	if (c->tls) {
		cb_tls_bye(c->tls);
		cb_tls_free(c->tls);
	}
	if (c->fd >= 0)
		close(c->fd);
	c->tls = NULL;
	c->fd = -1;
	c->pos = c->len = c->done = 0;
	c->out.len = 0;
	c->dry = c->eof = c->want_write = c->more = false;
}

void cb_rtsp_client_close(struct cb_rtsp_client *c)
{
	hang_up(c);
	free(c->in);
	c->in = NULL;
	cb_buf_release(&c->out);
	cb_buf_release(&c->early);
	if (c->request.data)
		explicit_bzero(c->request.data, c->request.cap);
	cb_buf_release(&c->request);
	explicit_bzero(&c->auth, sizeof(c->auth));
}

static int dial(struct cb_rtsp_client *c, struct cb_err *err)
{
	const struct cb_rtsp_peer *p = c->peer;
	int64_t deadline = cb_now_mono_ns() + p->timeout_ns;

	if (cb_net_connect(&c->fd, &p->to, deadline, p->timeout_ns, &c->which, err) < 0)
		return -1;
	if (p->trust && (cb_tls_open(&c->tls, c->fd, p->host, p->trust, err) < 0 ||
			 cb_tls_handshake_until(c->tls, deadline, err) < 0))
		return -1;
	return 0;
}

int cb_rtsp_client_connect(struct cb_rtsp_client *c, struct cb_err *err)
{
	if (!c->in)
		c->in = malloc(IN_MAX);
	if (!c->in)
		return cb_err_nomem(err);
	return dial(c, err);
}

/* --- bytes --------------------------------------------------------------------------------------- */

/* Send what there is as far as the socket takes it. */
static int flush(struct cb_rtsp_client *c, struct cb_err *err)
{
	while (c->out.len) {
		ssize_t r;

		c->want_write = false;
		if (c->tls) {
			r = cb_tls_write(c->tls, c->out.data, c->out.len, err);
			if (r == -1)
				return -1;
			if (r < 0) {
				c->want_write = r == CB_TLS_WANT_WRITE;
				return 0;
			}
		} else {
			r = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
			if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
				c->want_write = true;
				return 0;
			}
			if (r < 0)
				return cb_err_sys(err, CB_E_UNAVAIL, errno, "the connection broke");
		}
		cb_buf_drop(&c->out, (size_t)r);
	}
	return 0;
}

/* Read once: bytes there are now: 1; none: 0; the end, or broken: -1. */
static int fill(struct cb_rtsp_client *c, struct cb_err *err)
{
	ssize_t r;

	if (c->eof)
		return cb_err_set(err, CB_E_UNAVAIL, "the camera closed the connection");
	if (c->pos == c->len) {
		c->pos = c->len = 0;
	} else if (IN_MAX - c->len < READ) {
		memmove(c->in, c->in + c->pos, c->len - c->pos);
		c->len -= c->pos;
		c->pos = 0;
	}
	if (c->tls) {
		r = cb_tls_read(c->tls, c->in + c->len, READ, err);
		if (r == -1)
			return -1;
		if (r < -1) {
			c->want_write = r == CB_TLS_WANT_WRITE;
			return 0;
		}
	} else {
		r = recv(c->fd, c->in + c->len, READ, 0);
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return 0;
		if (r < 0)
			return cb_err_sys(err, CB_E_UNAVAIL, errno, "the connection broke");
		c->dry = (size_t)r < READ;
	}
	if (!r) {
		c->eof = true;
		return cb_err_set(err, CB_E_UNAVAIL, "the camera closed the connection");
	}
	c->len += (size_t)r;
	c->wall_ns = cb_now_wall_ns();
	c->mono_ns = (uint64_t)cb_now_mono_ns();
	return 1;
}

short cb_rtsp_client_events(const struct cb_rtsp_client *c)
{
	return (short)(POLLIN | (c->want_write ? POLLOUT : 0));
}

bool cb_rtsp_client_more(const struct cb_rtsp_client *c)
{
	return c->more;
}

/* --- what arrives --------------------------------------------------------------------------------- */

/* A camera's request, answered. */
static int reply(struct cb_rtsp_client *c, const struct cb_rtsp_msg *m, struct cb_err *err)
{
	static const char *const fine[] = { "OPTIONS",  "GET_PARAMETER", "SET_PARAMETER",
					    "ANNOUNCE", "REDIRECT",      "TEARDOWN" };
	bool known = false;
	uint32_t cseq = 0;

	cb_odd(c->odd, CB_ODD_RTSP_REQUEST);
	for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++)
		known |= m->method.n == strlen(fine[i]) &&
			 memcmp(m->method.p, fine[i], m->method.n) == 0;
	cb_rtsp_header_u32(m, "CSeq", &cseq);
	if (c->out.len > OUT_MAX)
		return cb_err_set(err, CB_E_PROTOCOL,
				  "the camera asks and does not read the answers");
	if (cb_buf_printf(&c->out, "RTSP/1.0 %s\r\nCSeq: %u\r\n%s\r\n",
			  known ? "200 OK" : "501 Not Implemented", cseq,
			  known && *m->method.p == 'O'
				  ? "Public: OPTIONS, GET_PARAMETER, SET_PARAMETER\r\n"
				  : "") < 0)
		return cb_err_nomem(err);
	return flush(c, err);
}

/* The next of what is in memory, read more where that is not whole. */
static int take(struct cb_rtsp_client *c, struct cb_rtsp_msg *ret, struct cb_err *err)
{
	c->pos += c->done;
	c->done = 0;
	c->more = false;
	for (int reads = 0;; reads++) {
		size_t used = 0;
		int r = cb_rtsp_msg_parse(ret, c->in + c->pos, c->len - c->pos, &used, c->odd, err);

		if (r < 0)
			return -1;
		if (r > 0) {
			c->done = used;
			if (ret->kind == CB_RTSP_RESPONSE && ret->http)
				return cb_err_set(err, CB_E_PROTOCOL,
						  "a web server answers there, not RTSP");
			if (ret->kind == CB_RTSP_REQUEST && reply(c, ret, err) < 0)
				return -1;
			return 1;
		}
		c->pos += used;
		/* the last read took all that there was: poll first */
		if (c->dry) {
			c->dry = false;
			return 0;
		}
		if (reads == READS_MAX) {
			c->more = true;
			return 0;
		}
		r = fill(c, err);
		if (r <= 0)
			return r;
	}
}

/* --- frames that come while an answer is awaited ----------------------------------------------------- */

struct early {
	int64_t wall_ns;
	uint64_t mono_ns;
	uint32_t len;
	uint8_t channel;
};

static int keep(struct cb_rtsp_client *c, const struct cb_rtsp_msg *m, struct cb_err *err)
{
	const struct early e = { c->wall_ns, c->mono_ns, (uint32_t)m->body_len, m->channel };

	cb_odd(c->odd, CB_ODD_RTSP_EARLY_DATA);
	if (c->early.len + sizeof(e) + m->body_len > CB_RTSP_EARLY_MAX) {
		c->early_lost++;
		return 0;
	}
	if (cb_buf_reserve(&c->early, sizeof(e) + m->body_len) < 0)
		return cb_err_nomem(err);
	cb_buf_add(&c->early, &e, sizeof(e));
	return cb_buf_add(&c->early, m->body, m->body_len);
}

static bool kept(struct cb_rtsp_client *c, struct cb_rtsp_msg *ret)
{
	struct early e;

	if (c->early_pos == c->early.len) {
		if (c->early.data)
			cb_buf_release(&c->early);
		c->early_pos = 0;
		return false;
	}
	memcpy(&e, c->early.data + c->early_pos, sizeof(e));
	ret->kind = CB_RTSP_DATA;
	ret->channel = e.channel;
	ret->n = 0;
	ret->body = c->early.data + c->early_pos + sizeof(e);
	ret->body_len = e.len;
	c->early_pos += sizeof(e) + e.len;
	c->wall_ns = e.wall_ns;
	c->mono_ns = e.mono_ns;
	return true;
}

int cb_rtsp_client_next(struct cb_rtsp_client *c, struct cb_rtsp_msg *ret, struct cb_err *err)
{
	c->early_data = kept(c, ret);
	if (c->early_data)
		return 1;
	if (c->out.len && flush(c, err) < 0)
		return -1;
	return take(c, ret, err);
}

/* --- requests ------------------------------------------------------------------------------------------ */

static int put_request(struct cb_rtsp_client *c, const char *method, const char *uri,
		       const char *headers, struct cb_err *err)
{
	struct cb_buf *b = &c->request;

	if (b->data)
		explicit_bzero(b->data, b->cap);
	b->len = 0;
	if (cb_buf_printf(b, "%s %s RTSP/1.0\r\nCSeq: %u\r\n", method, uri, ++c->cseq) < 0 ||
	    (c->peer->agent && cb_buf_printf(b, "User-Agent: %s\r\n", c->peer->agent) < 0) ||
	    (*c->session && cb_buf_printf(b, "Session: %s\r\n", c->session) < 0))
		return cb_err_nomem(err);
	if (c->auth.scheme && c->peer->user &&
	    cb_auth_answer(&c->auth, b, c->peer->user, c->peer->password, method, uri, "", 0,
			   err) < 0)
		return -1;
	if (c->auth.scheme == CB_AUTH_BASIC && !c->tls && !c->odd->n[CB_ODD_RTSP_BASIC])
		cb_odd(c->odd, CB_ODD_RTSP_BASIC);
	if (cb_buf_str(b, headers) < 0 || cb_buf_str(b, "\r\n") < 0 ||
	    cb_buf_add(&c->out, b->data, b->len) < 0)
		return cb_err_nomem(err);
	return flush(c, err);
}

int cb_rtsp_client_send(struct cb_rtsp_client *c, const char *method, const char *uri,
			uint32_t *ret_cseq, struct cb_err *err)
{
	if (c->out.len > OUT_MAX)
		return cb_err_set(err, CB_E_UNAVAIL, "the camera does not read what is sent");
	if (put_request(c, method, uri, "", err) < 0)
		return -1;
	*ret_cseq = c->cseq;
	return 0;
}

int cb_rtsp_client_frame(struct cb_rtsp_client *c, uint8_t channel, const void *p, size_t n,
			 struct cb_err *err)
{
	if (n > UINT16_MAX || c->out.len)
		return 0;
	if (cb_buf_byte(&c->out, '$') < 0 || cb_buf_byte(&c->out, channel) < 0 ||
	    cb_buf_be16(&c->out, (uint16_t)n) < 0 || cb_buf_add(&c->out, p, n) < 0)
		return cb_err_nomem(err);
	return flush(c, err);
}

bool cb_rtsp_client_challenge(struct cb_rtsp_client *c, const struct cb_rtsp_msg *m)
{
	struct cb_auth a = { 0 };
	struct cb_rtsp_text v;
	unsigned i = 0;

	while (cb_rtsp_header_next(m, "WWW-Authenticate", &i, &v))
		cb_auth_offer(&a, v.p, v.n);
	if (!a.scheme || !c->peer->user)
		return false;
	/* the same question again: the answer was wrong. Another nonce: it may have been too old,
	 * which not every camera says */
	if (c->auth.scheme == a.scheme &&
	    (a.scheme == CB_AUTH_BASIC || strcmp(c->auth.nonce, a.nonce) == 0) && !a.stale)
		return false;
	c->auth = a;
	return true;
}

/* Is this the answer to our last request? */
static bool ours(struct cb_rtsp_client *c, const struct cb_rtsp_msg *m)
{
	uint32_t cseq;

	if (!cb_rtsp_header_u32(m, "CSeq", &cseq)) {
		cb_odd(c->odd, CB_ODD_RTSP_CSEQ);
		return true;
	}
	if (cseq == c->cseq)
		return true;
	cb_odd(c->odd, CB_ODD_RTSP_CSEQ);
	/* a late answer to an earlier request; any other number is a camera that cannot count */
	return cseq == 0 || cseq > c->cseq;
}

static int await(struct cb_rtsp_client *c, struct cb_rtsp_msg *ret, int64_t deadline,
		 bool stoppable, struct cb_err *err)
{
	for (;;) {
		struct pollfd p;
		int64_t left;
		int r = take(c, ret, err);

		if (r < 0)
			return -1;
		if (r > 0 && ret->kind == CB_RTSP_DATA) {
			if (stoppable && keep(c, ret, err) < 0)
				return -1;
			/* media without end is no answer */
			if (cb_now_mono_ns() < deadline)
				continue;
		}
		if (r > 0 && ret->kind == CB_RTSP_RESPONSE && ours(c, ret))
			return 0;
		if (stoppable && cb_stop_wanted())
			return cb_err_set(err, CB_E_TEMP, "asked to stop");
		left = deadline - cb_now_mono_ns();
		if (left <= 0)
			return cb_err_set(err, CB_E_UNAVAIL, "no answer");
		if (r > 0)
			continue;
		if (c->out.len && flush(c, err) < 0)
			return -1;
		if (c->more)
			continue;
		p = (struct pollfd){ c->fd, cb_rtsp_client_events(c), 0 };
		poll(&p, 1, left / 1000000 >= INT_MAX ? INT_MAX : (int)(left / 1000000) + 1);
	}
}

int cb_rtsp_client_request(struct cb_rtsp_client *c, const char *method, const char *uri,
			   const char *headers, struct cb_rtsp_msg *ret, struct cb_err *err)
{
	bool again = true;

	for (int tries = 0;; tries++) {
		struct cb_err e = CB_ERR_INIT;
		bool asked = c->auth.scheme != CB_AUTH_NONE;

		if (put_request(c, method, uri, headers, &e) < 0 ||
		    await(c, ret, cb_now_mono_ns() + c->peer->timeout_ns, true, &e) < 0) {
			/* closed behind a 401, or because nothing came for a while: once more */
			if (again && !*c->session && e.code == CB_E_UNAVAIL &&
			    (c->eof || e.sys == ECONNRESET || e.sys == EPIPE) && c->cseq > 1) {
				again = false;
				hang_up(c);
				if (dial(c, err) < 0)
					return -1;
				continue;
			}
			if (err)
				*err = e;
			return cb_err_prefix(err, "%s", method);
		}
		if (ret->status != 401)
			return 0;
		if (!c->peer->user)
			return cb_err_set(err, CB_E_PERM,
					  "%s: the camera wants a user and a password", method);
		if (tries == 2 || !cb_rtsp_client_challenge(c, ret)) {
			unsigned i = 0;
			struct cb_rtsp_text v;

			if (!asked && (!cb_rtsp_header_next(ret, "WWW-Authenticate", &i, &v)))
				return cb_err_set(err, CB_E_PERM,
						  "%s: 401, and no way to authenticate is offered",
						  method);
			if (!asked)
				return cb_err_set(err, CB_E_PERM,
						  "%s: no way to authenticate is offered that is known here "
						  "(Basic; Digest with MD5 or SHA-256)", method);
			return cb_err_set(err, CB_E_PERM, "%s: user or password refused", method);
		}
	}
}

void cb_rtsp_client_teardown(struct cb_rtsp_client *c, const char *uri, int64_t deadline)
{
	struct cb_rtsp_msg m;

	if (c->fd < 0 || c->eof || !*c->session)
		return;
	if (put_request(c, "TEARDOWN", uri, "", NULL) == 0)
		await(c, &m, deadline, false, NULL);
	*c->session = '\0';
}
