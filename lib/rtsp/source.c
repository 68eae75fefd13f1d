/* SPDX-License-Identifier: Apache-2.0 */
/* A session's packets, put through receiver and depacketiser, one item at a time. */
#include "rtsp/source.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "rtsp/events.h"
#include "rtsp/rtcp.h"
#include "rtsp/session.h"

#define TIMEOUT_NS (10 * CB_NS_PER_S)
#define REPORT_NS (5 * CB_NS_PER_S)	/* RFC 3550 6.2 */
#define FIRST_REPORT_NS (CB_NS_PER_S / 2)
#define MINUTE_NS (60 * CB_NS_PER_S)
#define FIRST_UDP_NS (5 * CB_NS_PER_S)	/* nothing by then: there is no UDP */
#define UDP_BYE_NS (CB_NS_PER_S / 5)	/* what was sent before a BYE can arrive behind it */
#define QUIET_BYE_NS CB_NS_PER_S
#define CLOCK_NOTES_MAX 60		/* a minute */
#define EVENTS_MAX (1u << 20)
#define CNAME "cb"

/* What of a unit is given next. */
enum step { UNIT_NONE = 0, UNIT_STREAM, UNIT_GAP, UNIT_PACKET };

struct cb_rtsp {
	struct cb_rtsp_session s;
	char *camera, *agent, *user, *password;
	bool udp;			/* wanted */
	/* without either silence is no trouble: metadata come when something happens */
	bool have_video, have_sound;
	char about[160];
	struct cb_rtsp_totals totals;
	uint64_t told[CB_ODD_COUNT];

	struct cb_buf line;		/* of one event */
	struct cb_buf events;		/* lines to give, LF behind each */
	size_t events_pos;

	unsigned initial;		/* streams whose first parameters were looked at */
	struct cb_rtsp_track *active;	/* has packets or units to take */
	unsigned active_i;
	struct cb_au au;
	enum step step;
	uint8_t *datagram;

	/* moments of CLOCK_MONOTONIC */
	int64_t media, keepalive, report, minute, bye, quiet_bye;
	bool any_media;
	bool asked_keepalive;		/* and not answered yet */
	bool renewed;			/* sent again with a new nonce */
	bool by_parameter;		/* GET_PARAMETER instead of OPTIONS */
	uint32_t keepalive_cseq;
	unsigned unanswered;
	uint8_t sync;
	unsigned clock_notes;		/* told in this minute */

	/* at the end */
	bool ending, totals_told;
	unsigned flushed;		/* two steps a stream */
	int rc;
	struct cb_err why;
	enum cb_rtsp_end end;
};

/* --- beginning ----------------------------------------------------------------------------------- */

static int kinds(bool want[4], const char *list, struct cb_err *err)
{
	for (const char *p = list ? list : "v,a,d"; *p; p++) {
		switch (*p) {
		case 'v': want[CB_SDP_VIDEO] = true; break;
		case 'a': want[CB_SDP_AUDIO] = true; break;
		case 'd': want[CB_SDP_APPLICATION] = true; break;
		default: goto wrong;
		}
		if (!p[1])
			return 0;
		if (*++p != ',')
			break;
	}
wrong:
	return cb_err_set(err, CB_E_USAGE, "'%.40s' does not name kinds of streams (v,a,d)", list);
}

static int credentials(struct cb_rtsp *r, const struct cb_rtsp_opts *o, struct cb_err *err)
{
	const struct cb_rtsp_url *u = &r->s.url;
	const char *colon = o->credentials ? strchr(o->credentials, ':') : NULL;

	if (o->credentials && !colon)
		return cb_err_set(err, CB_E_USAGE, "the credentials are not USER:PASSWORD");
	if (!o->credentials && !u->has_user)
		return 0;
	r->user = colon ? strndup(o->credentials, (size_t)(colon - o->credentials))
			: strdup(u->user);
	r->password = strdup(colon ? colon + 1 : u->password);
	if (!r->user || !r->password)
		return cb_err_nomem(err);
	for (const char *p = r->user; *p; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f)
			return cb_err_set(err, CB_E_USAGE,
					  "the user's name has control characters in it");
	return 0;
}

static int begin(struct cb_rtsp *r, const struct cb_rtsp_opts *o, struct cb_err *err)
{
	struct cb_rtsp_session *s = &r->s;

	s->odd = &r->totals.odd;
	s->c.fd = -1;
	if (cb_rtsp_url_parse(&s->url, o->url, err) < 0)
		return -1;
	cb_rtsp_url_show(s->name, s->url.uri);
	if (!o->camera || !*o->camera)
		return cb_err_set(err, CB_E_BUG, "a session without a camera's name");
	if (kinds(s->want, o->streams, err) < 0 || credentials(r, o, err) < 0)
		return -1;
	explicit_bzero(s->url.password, sizeof(s->url.password));
	if (!s->url.tls && (o->ca_file || o->pins))
		return cb_err_set(err, CB_E_USAGE, "certificates and pins go with rtsps://");
	if (s->url.tls && o->udp)
		return cb_err_set(err, CB_E_USAGE,
				  "rtsps:// has no UDP: what comes by it would not be encrypted");
	r->camera = strdup(o->camera);
	r->agent = o->agent ? strdup(o->agent) : NULL;
	if (!r->camera || (o->agent && !r->agent))
		return cb_err_nomem(err);
	r->udp = o->udp;
	s->peer.host = s->url.host;
	s->peer.user = r->user;
	s->peer.password = r->password;
	s->peer.agent = r->agent;
	s->peer.timeout_ns = o->timeout_ns > 0 ? o->timeout_ns : TIMEOUT_NS;
	if (s->url.tls && cb_tls_trust_load(&s->trust, o->ca_file, o->pins, err) < 0)
		return -1;
	s->peer.trust = s->trust;
	return cb_net_resolve(&s->peer.to, s->url.host, s->url.port, SOCK_STREAM, err);
}

int cb_rtsp_source_new(struct cb_rtsp **ret, const struct cb_rtsp_opts *o, struct cb_err *err)
{
	struct cb_rtsp *r = calloc(1, sizeof(*r));

	if (!r)
		return cb_err_nomem(err);
	if (begin(r, o, err) < 0) {
		cb_rtsp_source_free(r);
		return -1;
	}
	*ret = r;
	return 0;
}

static void erase(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void cb_rtsp_source_free(struct cb_rtsp *r)
{
	if (!r)
		return;
	cb_rtsp_session_close(&r->s);
	cb_tls_trust_free(r->s.trust);
	erase(r->user);
	erase(r->password);
	free(r->camera);
	free(r->agent);
	free(r->datagram);
	cb_buf_release(&r->line);
	cb_buf_release(&r->events);
	free(r);
}

static int open_session(struct cb_rtsp *r, struct cb_err *err)
{
	struct cb_rtsp_session *s = &r->s;
	int64_t now;

	if (cb_rtsp_session_open(s, err) < 0)
		return -1;
	if (s->udp && !r->datagram)
		r->datagram = malloc(CB_RTP_MAX + 1);
	if (s->udp && !r->datagram)
		return cb_err_nomem(err);
	r->have_video = r->have_sound = false;
	for (unsigned i = 0; i < s->n; i++) {
		r->have_video |= s->track[i]->media->kind == CB_SDP_VIDEO;
		r->have_sound |= s->track[i]->media->kind == CB_SDP_AUDIO;
	}
	now = cb_now_mono_ns();
	r->media = now;
	r->keepalive = now + (int64_t)s->timeout_s * CB_NS_PER_S / 2;
	r->report = now + FIRST_REPORT_NS;
	r->any_media = r->asked_keepalive = false;
	r->initial = 0;
	snprintf(r->about, sizeof(r->about), "%s%s%s, %s; %u stream%s", s->udp ? "UDP" : "TCP",
		 s->c.tls ? ", " : "", s->c.tls ? cb_tls_describe(s->c.tls) : "",
		 cb_auth_name(&s->c.auth), s->n, s->n == 1 ? "" : "s");
	return 0;
}

int cb_rtsp_source_open(struct cb_rtsp *r, struct cb_err *err)
{
	r->s.udp = r->udp;
	if (open_session(r, err) < 0)
		return cb_err_prefix(err, "%s", r->s.name);
	/* the server is known now; nothing of this is needed any more */
	cb_tls_trust_free(r->s.trust);
	r->s.trust = NULL;
	r->s.peer.trust = NULL;
	r->minute = cb_now_mono_ns() + MINUTE_NS;
	r->sync = cb_clock_local_sync();
	return 0;
}

/* --- events ---------------------------------------------------------------------------------------- */

/* r->line among those to give. */
static int tell(struct cb_rtsp *r, struct cb_err *err)
{
	if (r->events.len + r->line.len + 1 > EVENTS_MAX)
		return 0;
	if (cb_buf_add(&r->events, r->line.data, r->line.len) < 0 ||
	    cb_buf_byte(&r->events, '\n') < 0)
		return cb_err_nomem(err);
	return 0;
}

/* Oddities seen for the first time, or, with all, counted since they were told last. */
static int tell_oddities(struct cb_rtsp *r, bool all, struct cb_err *err)
{
	for (unsigned i = 0; i < CB_ODD_COUNT; i++) {
		uint64_t n = r->totals.odd.n[i];

		if (n == r->told[i] || (r->told[i] && !all))
			continue;
		/* of a first one, 1: how many of them come in a moment is chance */
		if (cb_rtsp_event_oddity(&r->line, r->camera, cb_now_wall_ns(), (enum cb_oddity)i,
					 r->told[i] || all ? n : 1, err) < 0 || tell(r, err) < 0)
			return -1;
		r->told[i] = r->told[i] || all ? n : 1;
	}
	return 0;
}

static int tell_clock(struct cb_rtsp *r, struct cb_rtsp_track *t, unsigned i, struct cb_err *err)
{
	struct cb_clock_note n;

	while (cb_clock_note(&t->clock, &n) > 0) {
		/* this machine's clock is every stream's: one says so */
		if (n.what == CB_CLOCK_LOCAL_STEP && i > 0)
			continue;
		if (r->clock_notes == CLOCK_NOTES_MAX) {
			cb_odd(r->s.odd, CB_ODD_CLOCK_NOTES);
			continue;
		}
		r->clock_notes++;
		if (cb_rtsp_event_clock(&r->line, r->camera, (uint16_t)i, &n, err) < 0 ||
		    tell(r, err) < 0)
			return -1;
	}
	return 0;
}

/* --- what arrives ------------------------------------------------------------------------------------ */

/* Everything up to here, then the end. */
static void finish(struct cb_rtsp *r, int rc, enum cb_rtsp_end end, const struct cb_err *why)
{
	if (r->ending)
		return;
	r->ending = true;
	r->rc = rc;
	r->end = end;
	if (why)
		r->why = *why;
}

static void fail(struct cb_rtsp *r, struct cb_err *why)
{
	cb_err_prefix(why, "%s", r->s.name);
	finish(r, -1, CB_RTSP_GOES_ON, why);
}

static void bye(struct cb_rtsp *r, struct cb_rtsp_track *t, uint32_t ssrc)
{
	bool all = true;
	uint32_t now;

	/* of a source before this one, or of somebody else: believed where nothing comes any more */
	if (ssrc && cb_rtp_recv_ssrc(t->rtp, &now) && now != ssrc) {
		if (!r->have_video || t->media->kind == CB_SDP_VIDEO)
			r->quiet_bye = cb_now_mono_ns() + QUIET_BYE_NS;
		return;
	}
	t->bye = true;
	for (unsigned i = 0; i < r->s.n; i++)
		if (!r->have_video || r->s.track[i]->media->kind == CB_SDP_VIDEO)
			all &= r->s.track[i]->bye;
	if (!all || r->bye)
		return;
	if (r->s.udp)
		r->bye = cb_now_mono_ns() + UDP_BYE_NS;
	else
		finish(r, 0, CB_RTSP_BYE, NULL);
}

static void sender_report(struct cb_rtsp_track *t)
{
	int64_t ts;

	t->early_sr = !cb_rtp_recv_unwrap(t->rtp, t->sr_ts, &ts);
	if (!t->early_sr)
		cb_clock_report(&t->clock, cb_ntp_to_ns(t->sr_ntp), ts, t->sr_wall, t->sr_mono);
}

static int take_rtcp(struct cb_rtsp *r, struct cb_rtsp_track *t, unsigned i, const uint8_t *p,
		     size_t n, int64_t wall_ns, uint64_t mono_ns, struct cb_err *err)
{
	struct cb_rtcp c;
	size_t pos = 0;

	while (cb_rtcp_next(p, n, &pos, &c, r->s.odd) > 0) {
		if (c.type == CB_RTCP_BYE) {
			bye(r, t, c.ssrc);
		} else if (c.type == CB_RTCP_SR) {
			t->have_sr = true;
			t->sr_ntp = c.ntp;
			t->sr_ts = c.rtp_ts;
			t->sr_wall = wall_ns;
			t->sr_mono = mono_ns;
			sender_report(t);
		}
	}
	return tell_clock(r, t, i, err);
}

static int take_rtp(struct cb_rtsp *r, struct cb_rtsp_track *t, unsigned i, const uint8_t *p,
		    size_t n, int64_t wall_ns, uint64_t mono_ns, struct cb_err *err)
{
	struct cb_oddities none = { 0 };
	struct cb_rtp head;

	/* media that overtook the answer to PLAY are its beginning; what stands before the number in that
	 * answer is left from another session */
	if (r->s.c.early_data && t->have_seq && cb_rtp_parse(&head, p, n, &none) &&
	    (int16_t)(head.seq - t->seq) < 0)
		return 0;
	if (cb_rtp_recv_push(t->rtp, p, n, wall_ns, mono_ns, err) < 0)
		return -1;
	if (!r->have_video || t->media->kind == CB_SDP_VIDEO) {
		r->media = (int64_t)mono_ns;
		r->quiet_bye = 0;
	}
	r->any_media = true;
	if (t->early_sr)
		sender_report(t);
	r->active = t;
	r->active_i = i;
	return 0;
}

/* One packet of a stream: 1, or -1. */
static int take(struct cb_rtsp *r, unsigned i, bool rtcp, const uint8_t *p, size_t n,
		int64_t wall_ns, uint64_t mono_ns, struct cb_err *err)
{
	struct cb_rtsp_track *t = r->s.track[i];
	int got = rtcp || cb_rtp_is_rtcp(p, n) ? take_rtcp(r, t, i, p, n, wall_ns, mono_ns, err)
					       : take_rtp(r, t, i, p, n, wall_ns, mono_ns, err);

	return got < 0 ? -1 : 1;
}

static void take_answer(struct cb_rtsp *r, const struct cb_rtsp_msg *m, struct cb_err *err)
{
	uint32_t cseq;

	if (!cb_rtsp_header_u32(m, "CSeq", &cseq) || cseq != r->keepalive_cseq ||
	    !r->asked_keepalive) {
		cb_odd(r->s.odd, CB_ODD_RTSP_CSEQ);
		return;
	}
	r->asked_keepalive = false;
	if (m->status == 401 && !r->renewed && cb_rtsp_client_challenge(&r->s.c, m)) {
		/* the nonce was too old: once more, at once */
		if (cb_rtsp_client_send(&r->s.c, r->by_parameter ? "GET_PARAMETER" : "OPTIONS",
					r->s.uri, &r->keepalive_cseq, err) == 0)
			r->asked_keepalive = true;
		r->renewed = true;
	} else if (m->status != 200) {
		/* media may come all the same; if it does not, that is noticed */
		cb_odd(r->s.odd, CB_ODD_RTSP_KEEPALIVE);
		r->by_parameter = !r->by_parameter;
	}
}

/* One message of the connection: 1 there was one, 0 nothing now, -1 no more. */
static int take_message(struct cb_rtsp *r, struct cb_err *err)
{
	struct cb_rtsp_client *c = &r->s.c;
	struct cb_rtsp_msg m;
	int got = cb_rtsp_client_next(c, &m, err);

	if (got <= 0)
		return got;
	if (m.kind == CB_RTSP_RESPONSE) {
		take_answer(r, &m, err);
		return 1;
	}
	if (m.kind == CB_RTSP_REQUEST) {
		if ((m.method.n == 8 && memcmp(m.method.p, "REDIRECT", 8) == 0) ||
		    (m.method.n == 8 && memcmp(m.method.p, "TEARDOWN", 8) == 0))
			finish(r, 0, CB_RTSP_BYE, NULL);
		return 1;
	}
	for (unsigned i = 0; i < r->s.n; i++)
		for (int k = 0; k < 2; k++)
			if (r->s.track[i]->channel[k] == m.channel)
				return take(r, i, k, m.body, m.body_len, c->wall_ns, c->mono_ns, err);
	cb_odd(r->s.odd, CB_ODD_RTSP_CHANNEL);
	return 1;
}

/* One datagram of any stream: as above. RTP first: what a BYE follows is in before it. */
static int take_datagram(struct cb_rtsp *r, struct cb_err *err)
{
	struct cb_rtsp_session *s = &r->s;

	for (int k = 0; k < 2; k++) {
		for (unsigned i = 0; i < s->n; i++) {
			ssize_t n = cb_rtsp_udp_read(s->track[i]->fd[k], r->datagram, CB_RTP_MAX,
						     &s->peer.to.a[s->c.which], s->odd);

			if (n >= 0)
				return take(r, i, k, r->datagram, (size_t)n, cb_now_wall_ns(),
					    (uint64_t)cb_now_mono_ns(), err);
		}
	}
	return 0;
}

/* --- what we send ------------------------------------------------------------------------------------- */

static int send_report(struct cb_rtsp *r, struct cb_rtsp_track *t, struct cb_err *err)
{
	struct cb_rtp_report rep;
	bool have = cb_rtp_recv_report(t->rtp, &rep);
	int64_t since = t->have_sr ? cb_now_mono_ns() - (int64_t)t->sr_mono : 0;

	r->line.len = 0;
	if (cb_rtcp_receiver_report(&r->line, t->ours, CNAME, have ? &rep : NULL,
				    t->have_sr ? t->sr_ntp : 0, since, err) < 0)
		return -1;
	if (!r->s.udp && t->channel[1] > UINT8_MAX)
		return 0;
	if (!r->s.udp)
		return cb_rtsp_client_frame(&r->s.c, (uint8_t)t->channel[1], r->line.data,
					    r->line.len, err);
	if (t->to[1].ss_family &&
	    sendto(t->fd[1], r->line.data, r->line.len, MSG_NOSIGNAL, (struct sockaddr *)&t->to[1],
		   t->to[1].ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						  : sizeof(struct sockaddr_in)) < 0)
		return 0;	/* the next one will say the same */
	return 0;
}

static int keep_alive(struct cb_rtsp *r, struct cb_err *err)
{
	if (r->asked_keepalive) {
		cb_odd(r->s.odd, CB_ODD_RTSP_KEEPALIVE);
		r->by_parameter = !r->by_parameter;
		/* that is all there is to tell a quiet camera from a dead one */
		if (++r->unanswered == 2 && !r->have_video && !r->have_sound)
			return cb_err_set(err, CB_E_UNAVAIL, "no answer to keep-alive");
	} else {
		r->unanswered = 0;
	}
	if (cb_rtsp_client_send(&r->s.c, r->by_parameter ? "GET_PARAMETER" : "OPTIONS", r->s.uri,
				&r->keepalive_cseq, err) < 0)
		return -1;
	r->asked_keepalive = true;
	r->renewed = false;
	return 0;
}

/* --- time ------------------------------------------------------------------------------------------------ */

/* UDP was asked for, and nothing comes: the same again by TCP. */
static int fall_back(struct cb_rtsp *r, struct cb_err *err)
{
	cb_rtsp_session_close(&r->s);
	cb_odd(r->s.odd, CB_ODD_UDP_SILENT);
	r->active = NULL;
	r->s.udp = false;
	return open_session(r, err);
}

static int64_t first_udp(const struct cb_rtsp *r)
{
	int64_t half = r->s.peer.timeout_ns / 2;

	return half < FIRST_UDP_NS ? half : FIRST_UDP_NS;
}

/* What is due at this moment. -1: it failed, or there is no media. */
static int due(struct cb_rtsp *r, int64_t now, struct cb_err *err)
{
	struct cb_rtsp_session *s = &r->s;

	if (s->udp && !r->any_media && now - r->media >= first_udp(r))
		return fall_back(r, err);
	if ((r->have_video || r->have_sound) && now - r->media >= s->peer.timeout_ns)
		return cb_err_set(err, CB_E_UNAVAIL, "no %s for %.3g s",
				  r->have_video ? "video" : "media",
				  (double)s->peer.timeout_ns / 1e9);
	if ((r->bye && now >= r->bye) || (r->quiet_bye && now >= r->quiet_bye))
		finish(r, 0, CB_RTSP_BYE, NULL);
	if (now >= r->keepalive) {
		r->keepalive = now + (int64_t)s->timeout_s * CB_NS_PER_S / 2;
		if (keep_alive(r, err) < 0)
			return -1;
	}
	if (now >= r->report) {
		r->report = now + REPORT_NS;
		for (unsigned i = 0; i < s->n; i++)
			if (send_report(r, s->track[i], err) < 0)
				return -1;
	}
	if (now >= r->minute) {
		r->minute = now + MINUTE_NS;
		r->clock_notes = 0;
		r->sync = cb_clock_local_sync();
		if (tell_oddities(r, true, err) < 0)
			return -1;
	}
	for (unsigned i = 0; i < s->n && !r->active; i++) {
		if (cb_rtp_recv_deadline(s->track[i]->rtp) > (uint64_t)now)
			continue;
		cb_rtp_recv_tick(s->track[i]->rtp, (uint64_t)now);
		r->active = s->track[i];
		r->active_i = i;
	}
	return 0;
}

/* Until something comes, or is due, or the program is asked to stop. */
static void rest(struct cb_rtsp *r, int64_t now)
{
	struct pollfd p[1 + 2 * CB_SDP_MEDIA];
	const struct cb_rtsp_session *s = &r->s;
	int64_t until = s->udp && !r->any_media          ? r->media + first_udp(r)
			: r->have_video || r->have_sound ? r->media + s->peer.timeout_ns
							 : r->keepalive;
	nfds_t n = 0;

	p[n++] = (struct pollfd){ s->c.fd, cb_rtsp_client_events(&s->c), 0 };
	for (unsigned i = 0; i < s->n; i++) {
		uint64_t hold = cb_rtp_recv_deadline(s->track[i]->rtp);

		if (hold < (uint64_t)until)
			until = (int64_t)hold;
		for (int k = 0; s->udp && k < 2; k++)
			p[n++] = (struct pollfd){ s->track[i]->fd[k], POLLIN, 0 };
	}
	if (r->bye && r->bye < until)
		until = r->bye;
	if (r->quiet_bye && r->quiet_bye < until)
		until = r->quiet_bye;
	if (r->keepalive < until)
		until = r->keepalive;
	if (r->report < until)
		until = r->report;
	if (r->minute < until)
		until = r->minute;
	/* a signal that comes before poll(2) is followed by others: base/stop.h */
	if (until > now && !cb_stop_wanted())
		poll(p, n, (int)((until - now + 999999) / 1000000));
}

/* Take what has come, or wait for it. -1: over. */
static int input(struct cb_rtsp *r, struct cb_err *err)
{
	int64_t now;
	int got;

	if (cb_stop_wanted()) {
		finish(r, 0, CB_RTSP_STOPPED, NULL);
		return 0;
	}
	got = r->s.udp ? take_datagram(r, err) : 0;
	if (!got)
		got = take_message(r, err);
	if (got < 0)
		return -1;
	now = cb_now_mono_ns();
	if (due(r, now, err) < 0)
		return -1;
	if (!got && !r->active && !r->ending && !cb_rtsp_client_more(&r->s.c))
		rest(r, now);
	return tell_oddities(r, false, err);
}

/* --- units ------------------------------------------------------------------------------------------------- */

/* Is this what was said of the stream before? If not, it is now. */
static bool stream_news(struct cb_rtsp_track *t, const struct cb_stream *s)
{
	struct cb_stream plain = *s;
	uint8_t sum[CB_SHA256_LEN];

	cb_sha256(sum, s->extradata, s->extradata_len);
	plain.extradata = NULL;
	if (t->told && memcmp(&plain, &t->stream, sizeof(plain)) == 0 &&
	    memcmp(sum, t->extra, sizeof(sum)) == 0)
		return false;
	t->told = true;
	t->stream = plain;
	memcpy(t->extra, sum, sizeof(sum));
	return true;
}

static void give_stream(const struct cb_rtsp_track *t, unsigned i, struct cb_rtsp_item *ret)
{
	ret->what = CB_RTSP_STREAM;
	ret->stream = (uint16_t)i;
	ret->s = *cb_depay_stream(t->depay);
}

/* A unit was pulled: where it stands in time, and what is to be said with it. */
static int begin_unit(struct cb_rtsp *r, struct cb_err *err)
{
	struct cb_rtsp_track *t = r->active;

	r->totals.units += !t->metadata;
	r->totals.corrupt += !t->metadata && (r->au.flags & CB_F_CORRUPT);
	r->step = UNIT_STREAM;
	if (!t->metadata)
		return 0;
	r->step = UNIT_NONE;
	if (cb_rtsp_event_metadata(&r->line, r->camera, (uint16_t)r->active_i, r->au.wall_ns,
				   &r->au, err) < 0)
		return -1;
	return tell(r, err);
}

/* The next item of the unit: 1; 0 nothing more of it. */
static int give_unit(struct cb_rtsp *r, struct cb_rtsp_item *ret, struct cb_err *err)
{
	struct cb_rtsp_track *t = r->active;
	const struct cb_au *u = &r->au;

	switch (r->step) {
	case UNIT_NONE:
		break;
	case UNIT_STREAM:
		r->step = UNIT_GAP;
		if ((u->changed || !t->told) && stream_news(t, cb_depay_stream(t->depay))) {
			give_stream(t, r->active_i, ret);
			return 1;
		}
		__attribute__((fallthrough));
	case UNIT_GAP:
		r->step = UNIT_PACKET;
		if (u->lost || u->restart) {
			struct cb_gap g = { .reason = CB_GAP_DAMAGE,
					    .to_ns = u->wall_ns,
					    .packets = u->lost };

			if (u->restart && !u->lost)
				snprintf(g.text, sizeof(g.text),
					 "the camera began anew: what was lost is not known");
			else
				snprintf(g.text, sizeof(g.text), "RTP packets lost: %llu",
					 (unsigned long long)u->lost);
			ret->what = CB_RTSP_GAP;
			ret->stream = (uint16_t)r->active_i;
			ret->g = g;
			return 1;
		}
		__attribute__((fallthrough));
	case UNIT_PACKET:
		r->step = UNIT_NONE;
		ret->what = CB_RTSP_PACKET;
		ret->stream = (uint16_t)r->active_i;
		ret->p = (struct cb_packet){ .flags = u->flags,
					     .pts = u->pts,
					     .dts = u->dts,
					     .duration = u->duration,
					     .mono_ns = u->mono_ns,
					     .data = u->data,
					     .len = u->len };
		ret->p.wall_ns = cb_clock_unit(&t->clock, u->pts, u->wall_ns, u->mono_ns, r->sync,
					       &ret->p.wall_source, &ret->p.sync);
		return tell_clock(r, t, r->active_i, err) < 0 ? -1 : 1;
	}
	return 0;
}

/* The active stream's next unit: 1; 0 it has no more, -1. */
static int next_unit(struct cb_rtsp *r, struct cb_err *err)
{
	struct cb_rtsp_track *t = r->active;
	struct cb_rtp_packet p;
	int got;

	while ((got = cb_depay_pull(t->depay, &r->au, err)) == 0) {
		if (!cb_rtp_recv_pull(t->rtp, &p))
			return 0;
		if (cb_depay_push(t->depay, &p, err) < 0)
			return -1;
	}
	return got < 0 || begin_unit(r, err) < 0 ? -1 : 1;
}

/* At the end: what receivers and depacketisers still hold. false: nothing more. */
static bool flush_next(struct cb_rtsp *r, struct cb_err *err, int *ret)
{
	struct cb_rtsp_track *t;

	*ret = 0;
	if (r->flushed == 2 * r->s.n)
		return false;
	r->active_i = r->flushed / 2;
	r->active = t = r->s.track[r->active_i];
	if (r->flushed++ % 2 == 0)
		cb_rtp_recv_flush(t->rtp);
	else
		*ret = cb_depay_flush(t->depay, err);
	return true;
}

int cb_rtsp_source_next(struct cb_rtsp *r, struct cb_rtsp_item *ret, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	int got;

	for (;;) {
		if (r->events_pos < r->events.len) {
			const char *line = (const char *)r->events.data + r->events_pos;
			size_t n = (size_t)((const char *)memchr(line, '\n',
								 r->events.len - r->events_pos) -
					    line);

			r->events_pos += n + 1;
			ret->what = CB_RTSP_EVENT;
			ret->stream = 0;
			ret->line = line;
			ret->len = n;
			return 1;
		}
		r->events.len = r->events_pos = 0;
		while (!r->step && r->initial < r->s.n) {
			struct cb_rtsp_track *t = r->s.track[r->initial++];

			if (t->metadata || !cb_depay_ready(t->depay) ||
			    !stream_news(t, cb_depay_stream(t->depay)))
				continue;
			give_stream(t, r->initial - 1, ret);
			return 1;
		}
		if (r->step) {
			got = give_unit(r, ret, err);
			if (got)
				return got;
			continue;
		}
		if (r->active) {
			got = next_unit(r, err);
			if (got < 0)
				return -1;
			if (!got)
				r->active = NULL;
			continue;
		}
		if (r->ending) {
			if (flush_next(r, err, &got)) {
				if (got < 0)
					return -1;
				continue;
			}
			if (!r->totals_told) {
				r->totals_told = true;
				if (tell_oddities(r, true, err) < 0)
					return -1;
				continue;
			}
			if (r->rc < 0 && err)
				*err = r->why;
			return r->rc;
		}
		if (input(r, &why) < 0)
			fail(r, &why);
	}
}

/* --- what there is to know ------------------------------------------------------------------------------------ */

enum cb_rtsp_end cb_rtsp_source_end(const struct cb_rtsp *r)
{
	return r->end;
}

void cb_rtsp_source_hello(const struct cb_rtsp *r, struct cb_hello *h)
{
	h->live = true;
	h->wall_ns = cb_now_wall_ns();
	h->mono_ns = (uint64_t)cb_now_mono_ns();
	h->wall_source = CB_WALL_ARRIVAL;
	h->sync = r->sync;
}

const char *cb_rtsp_source_name(const struct cb_rtsp *r)
{
	return r->s.name;
}

uint16_t cb_rtsp_source_port(const struct cb_rtsp *r)
{
	return r->s.url.port;
}

const char *cb_rtsp_source_about(const struct cb_rtsp *r)
{
	return r->about;
}

const char *cb_rtsp_source_left_out(const struct cb_rtsp *r)
{
	return r->s.left_out;
}

const struct cb_rtsp_totals *cb_rtsp_source_totals(struct cb_rtsp *r)
{
	struct cb_rtsp_totals *t = &r->totals;

	t->packets = t->bytes = t->lost = 0;
	for (unsigned i = 0; i < r->s.n; i++) {
		const struct cb_rtp_stats *s = cb_rtp_recv_stats(r->s.track[i]->rtp);

		t->packets += s->packets;
		t->bytes += s->bytes;
		t->lost += s->lost;
	}
	return t;
}
