/* SPDX-License-Identifier: Apache-2.0 */
/* OPTIONS, DESCRIBE, SETUP, PLAY, and what cameras make of them. */
#include "rtsp/session.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/io.h"
#include "base/time.h"

#define REDIRECTS_MAX 3
#define SESSION_S 60		/* RFC 2326 12.37, where the camera says nothing */

static void left_out(struct cb_rtsp_session *s, const struct cb_sdp_media *m, const char *why)
{
	static const char *const kinds[] = { "stream", "video", "audio", "data" };
	size_t n = strlen(s->left_out);

	snprintf(s->left_out + n, sizeof(s->left_out) - n, "%s%s %s%s%s", n ? "; " : "",
		 kinds[m->kind <= CB_SDP_APPLICATION ? m->kind : 0], m->encoding,
		 *m->encoding ? ": " : "", why);
}

/* What a status means to whoever started us. */
static int refused(const char *method, const struct cb_rtsp_msg *m, struct cb_err *err)
{
	enum cb_errc code = CB_E_PROTOCOL;
	char reason[64];

	switch (m->status) {
	case 403: code = CB_E_PERM; break;
	case 404: case 410: code = CB_E_NOINPUT; break;
	case 408: case 453: code = CB_E_UNAVAIL; break;
	default:
		if (m->status >= 500)
			code = CB_E_UNAVAIL;
	}
	cb_text_safe(reason, sizeof(reason), m->reason.p, m->reason.n, false);
	return cb_err_set(err, code, "%s: the camera answers %u%s%s", method, m->status,
			  *reason ? " " : "", reason);
}

static struct cb_rtsp_track *track_new(void)
{
	struct cb_rtsp_track *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->channel[0] = t->channel[1] = t->fd[0] = t->fd[1] = -1;
	if (getrandom(&t->ours, sizeof(t->ours), 0) != (ssize_t)sizeof(t->ours))
		t->ours = 1;
	return t;
}

static void track_free(struct cb_rtsp_track *t)
{
	if (!t)
		return;
	cb_rtp_recv_free(t->rtp);
	cb_depay_free(t->depay);
	free(t->control);
	for (int i = 0; i < 2; i++)
		if (t->fd[i] >= 0)
			close(t->fd[i]);
	free(t);
}

/* --- requests ----------------------------------------------------------------------------------- */

static void options(struct cb_rtsp_session *s, const struct cb_rtsp_msg *m)
{
	struct cb_rtsp_text v;
	unsigned i = 0;

	if (m->status != 200)
		cb_odd(s->odd, CB_ODD_RTSP_OPTIONS);
	while (cb_rtsp_header_next(m, "Public", &i, &v))
		s->can_get_parameter |= cb_rtsp_lists(v, "GET_PARAMETER");
}

/* Somewhere else on the same host, and not without TLS where there was. */
static int redirect(struct cb_rtsp_session *s, const struct cb_rtsp_msg *m, struct cb_err *err)
{
	struct cb_rtsp_text where = cb_rtsp_header(m, "Location");
	char uri[CB_RTSP_URI_MAX], show[CB_RTSP_URI_MAX];
	struct cb_rtsp_url to;
	bool was_odd;

	if (!where.p || !cb_rtsp_url_base(uri, where.p, where.n, s->url.uri, &was_odd) ||
	    cb_rtsp_url_parse(&to, uri, NULL) < 0)
		return cb_err_set(err, CB_E_PROTOCOL,
				  "the camera redirects (%u) to what is no RTSP address", m->status);
	cb_rtsp_url_show(show, to.uri);
	if (strcasecmp(to.host, s->url.host) != 0)
		return cb_err_set(err, CB_E_PROTOCOL,
				  "the camera redirects to another host, %s: if that is right, "
				  "give this address",
				  show);
	if (s->url.tls && !to.tls)
		return cb_err_set(err, CB_E_PROTOCOL,
				  "the camera redirects to an address without TLS, %s", show);
	if (to.tls && !s->trust)
		return cb_err_set(err, CB_E_PROTOCOL, "the camera redirects to TLS: give %s", show);
	cb_odd(s->odd, CB_ODD_RTSP_REDIRECT);
	memcpy(s->url.uri, to.uri, sizeof(s->url.uri));
	s->url.tls = to.tls;
	s->url.port = to.port;
	for (unsigned i = 0; i < s->peer.to.n; i++) {
		struct sockaddr_storage *sa = &s->peer.to.a[i].sa;

		if (sa->ss_family == AF_INET6)
			((struct sockaddr_in6 *)sa)->sin6_port = htons(to.port);
		else
			((struct sockaddr_in *)sa)->sin_port = htons(to.port);
	}
	s->peer.trust = to.tls ? s->trust : NULL;
	return 0;
}

static void base_of(struct cb_rtsp_session *s, char base[static CB_RTSP_URI_MAX],
		    const struct cb_rtsp_msg *m)
{
	static const char *const names[] = { "Content-Base", "Content-Location" };
	bool was_odd;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct cb_rtsp_text v = cb_rtsp_header(m, names[i]);

		if (!v.p || !v.n)
			continue;
		if (cb_rtsp_url_base(base, v.p, v.n, s->url.uri, &was_odd)) {
			if (was_odd)
				cb_odd(s->odd, CB_ODD_RTSP_CONTENT_BASE);
			return;
		}
		cb_odd(s->odd, CB_ODD_RTSP_CONTENT_BASE);
	}
	memcpy(base, s->url.uri, CB_RTSP_URI_MAX);
}

static int add_track(struct cb_rtsp_session *s, const struct cb_sdp_media *m, struct cb_err *err)
{
	struct cb_rtp_opts o = { .clock_rate = m->clock_rate, .payload_type = m->payload };
	struct cb_rtsp_track *t = track_new();
	char uri[CB_RTSP_URI_MAX];

	if (!t)
		return cb_err_nomem(err);
	s->track[s->n++] = t;
	t->media = m;
	t->metadata = m->kind == CB_SDP_APPLICATION;
	if (!cb_rtsp_url_join(uri, s->uri, m->control))
		return cb_err_set(err, CB_E_PROTOCOL,
				  "an address in the camera's description makes no sense");
	t->control = strdup(uri);
	if (!t->control)
		return cb_err_nomem(err);
	if (s->udp) {
		o.window = 256;
		o.hold_ns = CB_NS_PER_S / 5;
	}
	if (cb_rtp_recv_new(&t->rtp, &o, s->odd, err) < 0 ||
	    cb_depay_open(&t->depay, m, s->odd, err) < 0)
		return -1;
	cb_clock_init(&t->clock, m->clock_rate, s->odd);
	return 0;
}

/* Is it what the camera listens to, its loudspeaker? Whose view recvonly and sendonly are is not
 * agreed upon (ONVIF's is the client's, RFC 8866's the sender's); but a camera that gives both means
 * different things, and its pictures come to us. */
static bool backchannel(const struct cb_sdp *sdp, const struct cb_sdp_media *m)
{
	const struct cb_sdp_media *lead = &sdp->media[0];

	for (unsigned i = sdp->n; i--;)
		if (sdp->media[i].kind == CB_SDP_VIDEO)
			lead = &sdp->media[i];
	return (lead->direction == CB_SDP_RECVONLY && m->direction == CB_SDP_SENDONLY) ||
		(lead->direction == CB_SDP_SENDONLY && m->direction == CB_SDP_RECVONLY);
}

/* Which of the media are to be set up. */
static int choose(struct cb_rtsp_session *s, struct cb_err *err)
{
	unsigned wanted = 0;
	char list[600];

	for (unsigned i = 0; i < s->sdp.n; i++) {
		const struct cb_sdp_media *m = &s->sdp.media[i];
		const char *why = "not plain RTP";

		if (m->direction == CB_SDP_INACTIVE || backchannel(&s->sdp, m))
			continue;
		if (m->kind <= CB_SDP_APPLICATION && !s->want[m->kind] && m->kind != CB_SDP_OTHER)
			continue;
		if (m->kind == CB_SDP_OTHER || !m->rtp || !cb_depay_supports(m, &why)) {
			left_out(s, m, why);
			continue;
		}
		wanted++;
		if (add_track(s, m, err) < 0)
			return -1;
	}
	if (wanted)
		return 0;
	cb_text_safe(list, sizeof(list), s->left_out, strlen(s->left_out), false);
	return cb_err_set(err, CB_E_DATA, "the camera has no stream that can be taken%s%.300s%s",
			  *list ? " (" : "", list, *list ? ")" : "");
}

static int describe(struct cb_rtsp_session *s, const struct cb_rtsp_msg *m, struct cb_err *err)
{
	struct cb_rtsp_text type = cb_rtsp_header(m, "Content-Type");
	char base[CB_RTSP_URI_MAX];

	if (type.n < 15 || strncasecmp(type.p, "application/sdp", 15) != 0)
		cb_odd(s->odd, CB_ODD_RTSP_CONTENT_TYPE);
	base_of(s, base, m);
	if (cb_sdp_parse(&s->sdp, (const char *)m->body, m->body_len, s->odd, err) < 0)
		return cb_err_prefix(err, "the camera's description");
	if (!cb_rtsp_url_join(s->uri, base, s->sdp.control))
		return cb_err_set(err, CB_E_PROTOCOL,
				  "an address in the camera's description makes no sense");
	return choose(s, err);
}

/* The session's name and how long it lives unasked. */
static void session_header(struct cb_rtsp_session *s, const struct cb_rtsp_msg *m)
{
	struct cb_rtsp_text v = cb_rtsp_header(m, "Session");
	char id[CB_RTSP_SESSION_MAX];

	if (!v.p || !cb_rtsp_session_parse(id, &s->timeout_s, v)) {
		if (!*s->c.session)
			cb_odd(s->odd, CB_ODD_RTSP_SESSION);
		return;
	}
	if (*s->c.session && strcmp(id, s->c.session) != 0)
		cb_odd(s->odd, CB_ODD_RTSP_SESSION);
	memcpy(s->c.session, id, sizeof(id));
}

/* 0: set up; 1: refused, *m says how. */
static int setup(struct cb_rtsp_session *s, struct cb_rtsp_track *t, unsigned i,
		 struct cb_rtsp_msg *m, struct cb_err *err)
{
	struct cb_rtsp_transport tr = { .channel = { -1, -1 }, .server_port = { -1, -1 } };
	char line[160];
	uint16_t port[2];
	bool was_odd = true;

	if (s->udp) {
		if (t->fd[0] < 0 && cb_rtsp_udp_open(t->fd, port, &s->peer.to.a[s->c.which], err) < 0)
			return -1;
		snprintf(line, sizeof(line), "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n",
			 port[0], port[1]);
	} else {
		snprintf(line, sizeof(line), "Transport: RTP/AVP/TCP;unicast;interleaved=%u-%u\r\n",
			 2 * i, 2 * i + 1);
	}
	if (cb_rtsp_client_request(&s->c, "SETUP", t->control, line, m, err) < 0)
		return -1;
	if (m->status != 200)
		return 1;
	session_header(s, m);
	if (!cb_rtsp_transport_parse(&tr, cb_rtsp_header(m, "Transport"), &was_odd) || was_odd ||
	    (!s->udp && tr.channel[0] < 0))
		cb_odd(s->odd, CB_ODD_RTSP_TRANSPORT);
	if (!s->udp) {
		/* a camera that agrees to something else than was asked for sends nothing here */
		t->channel[0] = tr.channel[0] >= 0 ? tr.channel[0] : (int)(2 * i);
		t->channel[1] = tr.channel[1] >= 0 ? tr.channel[1] : t->channel[0] + 1;
		return 0;
	}
	if (tr.tcp || tr.multicast)
		return 1;
	cb_rtsp_udp_aim(t, &s->peer.to.a[s->c.which], tr.server_port);
	return 0;
}

static int setup_all(struct cb_rtsp_session *s, struct cb_err *err)
{
	struct cb_rtsp_msg m;
	unsigned kept = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct cb_rtsp_track *t = s->track[i];
		int r = setup(s, t, i, &m, err);

		if (r < 0)
			return -1;
		if (r > 0) {
			char why[40];

			if (s->udp)
				return 1;
			/* one that is not needed may be missing; a later one may still be there */
			if (m.status == 454 || m.status == 403 ||
			    (t->media->kind == CB_SDP_VIDEO && s->n == 1))
				return refused("SETUP", &m, err);
			cb_odd(s->odd, CB_ODD_RTSP_SETUP);
			snprintf(why, sizeof(why), "SETUP is answered with %u", m.status);
			left_out(s, t->media, why);
			track_free(t);
			s->track[i] = NULL;
			continue;
		}
	}
	for (unsigned i = 0; i < s->n; i++)
		if (s->track[i])
			s->track[kept++] = s->track[i];
	s->n = kept;
	return kept ? 0 : refused("SETUP", &m, err);
}

/* The first packet's number that the camera announces for each stream; 0 and 1 are what those
 * write that do not know it. */
static void rtp_info(struct cb_rtsp_session *s, const struct cb_rtsp_msg *m)
{
	struct cb_rtsp_text v = cb_rtsp_header(m, "RTP-Info");
	struct cb_rtsp_info info[CB_SDP_MEDIA];
	bool was_odd;
	unsigned n;

	if (!v.p)
		return;
	n = cb_rtsp_info_parse(info, CB_SDP_MEDIA, v, &was_odd);
	for (unsigned i = 0; i < n; i++)
		if (info[i].have_seq && info[i].seq > 1 && n == s->n) {
			s->track[i]->have_seq = true;
			s->track[i]->seq = info[i].seq;
		}
	if (was_odd || n > s->n)
		cb_odd(s->odd, CB_ODD_RTSP_INFO);
}

static int play(struct cb_rtsp_session *s, struct cb_err *err)
{
	struct cb_rtsp_msg m;

	for (unsigned i = 0; s->udp && i < s->n; i++)
		cb_rtsp_udp_punch(s->track[i]);
	if (cb_rtsp_client_request(&s->c, "PLAY", s->uri, "Range: npt=0.000-\r\n", &m, err) < 0)
		return -1;
	if (m.status != 200 && m.status != 403 && m.status != 454 && m.status < 500) {
		cb_odd(s->odd, CB_ODD_RTSP_RANGE);
		if (cb_rtsp_client_request(&s->c, "PLAY", s->uri, "", &m, err) < 0)
			return -1;
	}
	if (m.status != 200)
		return refused("PLAY", &m, err);
	rtp_info(s, &m);
	s->playing = true;
	return 0;
}

/* 0; 1: UDP is not to be had; 2: look elsewhere, *m says where; -1 */
static int attempt(struct cb_rtsp_session *s, struct cb_rtsp_msg *m, struct cb_err *err)
{
	int r;

	if (cb_rtsp_client_connect(&s->c, err) < 0)
		return -1;
	if (cb_rtsp_client_request(&s->c, "OPTIONS", s->url.uri, "", m, err) < 0)
		return -1;
	options(s, m);
	if (cb_rtsp_client_request(&s->c, "DESCRIBE", s->url.uri, "Accept: application/sdp\r\n", m,
				   err) < 0)
		return -1;
	if (m->status >= 300 && m->status < 400)
		return 2;
	if (m->status != 200)
		return refused("DESCRIBE", m, err);
	if (describe(s, m, err) < 0)
		return -1;
	r = setup_all(s, err);
	return r ? r : play(s, err);
}

int cb_rtsp_session_open(struct cb_rtsp_session *s, struct cb_err *err)
{
	struct cb_rtsp_msg m;

	for (int redirects = 0;;) {
		int r;

		cb_rtsp_client_init(&s->c, &s->peer, s->odd);
		s->timeout_s = SESSION_S;
		*s->left_out = '\0';
		r = attempt(s, &m, err);
		if (r <= 0)
			return r;
		if (r == 2) {
			if (redirects++ == REDIRECTS_MAX)
				return cb_err_set(err, CB_E_PROTOCOL,
						  "the camera redirects without end");
			if (redirect(s, &m, err) < 0)
				return -1;
		} else {
			cb_odd(s->odd, CB_ODD_UDP_REFUSED);
			s->udp = false;
		}
		cb_rtsp_session_close(s);
	}
}

void cb_rtsp_session_close(struct cb_rtsp_session *s)
{
	cb_rtsp_client_teardown(&s->c, *s->uri ? s->uri : s->url.uri,
				cb_now_mono_ns() + CB_NS_PER_S);
	cb_rtsp_client_close(&s->c);
	for (unsigned i = 0; i < s->n; i++)
		track_free(s->track[i]);
	s->n = 0;
	cb_sdp_release(&s->sdp);
	s->playing = false;
	*s->uri = '\0';
}
