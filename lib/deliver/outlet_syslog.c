/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog (RFC 5424) over UDP (RFC 5426), TCP with octet counting (RFC 6587, 3.4.1) and TLS (RFC
 * 5425). The protocol has no answers. What TCP and TLS can know is known: that the other side's
 * kernel has acknowledged every byte; a batch counts as delivered then. Whether the server read
 * them before it ended, nobody says: when a connection is lost, what was sent over it in the last
 * second or two is sent again over the next. */
#include "deliver/outlet.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "base/net.h"
#include "base/time.h"
#include "tls/tls.h"

#define UDP_MAX 65000
#define RECENT_NS CB_NS_PER_S
#define RECENT_BYTES (1u << 20)

struct syslog {
	struct cb_tls_trust *trust;
	struct cb_tls *tls;
	int fd;
	bool lost;			/* the connection before ended, and not by us */
	struct cb_buf old, young;	/* what was sent, each of a second at least */
	int64_t young_since;
	char host[256];
};

static int syslog_open(struct cb_outlet *o, struct cb_err *err)
{
	struct syslog *s = calloc(1, sizeof(*s));

	if (!s)
		return cb_err_nomem(err);
	s->fd = -1;
	if (o->conf->transport == CB_TRANSPORT_TLS &&
	    cb_tls_trust_load(&s->trust, o->conf->ca, NULL, err) < 0) {
		free(s);
		return -1;
	}
	if (o->conf->hostname)
		snprintf(s->host, sizeof(s->host), "%s", o->conf->hostname);
	else if (gethostname(s->host, sizeof(s->host) - 1) < 0)
		s->host[0] = '\0';
	for (char *p = s->host; *p; p++)
		if (*p <= ' ' || *p > '~')
			*p = '?';
	o->own = s;
	return 0;
}

static void hang_up(struct syslog *s, bool bye)
{
	if (s->tls && bye)
		cb_tls_bye(s->tls);
	cb_tls_free(s->tls);
	s->tls = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int resend(struct cb_outlet *o, struct syslog *s);
static bool alive(struct syslog *s);

static void syslog_close(struct cb_outlet *o)
{
	struct syslog *s = o->own;

	if (s->fd >= 0 && o->conf->transport != CB_TRANSPORT_UDP && !alive(s))
		s->lost = true;
	if (s->lost)
		resend(o, s);
	hang_up(s, true);
	cb_buf_release(&s->old);
	cb_buf_release(&s->young);
	cb_tls_trust_free(s->trust);
	free(s);
	o->own = NULL;
}

static int dial(struct cb_outlet *o, struct syslog *s, int64_t deadline, struct cb_err *err)
{
	const struct cb_outlet_conf *c = o->conf;
	bool udp = c->transport == CB_TRANSPORT_UDP;
	struct cb_net_addrs to;

	if (cb_net_resolve(&to, c->host, c->port, udp ? SOCK_DGRAM : SOCK_STREAM, err) < 0)
		return -1;
	if (udp) {
		s->fd = socket(to.a[0].sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to.a[0].sa, to.a[0].len) < 0) {
			cb_err_sys(err, CB_E_UNAVAIL, errno, "%s", c->host);
			hang_up(s, false);
			return -1;
		}
		return 0;
	}
	if (cb_net_connect(&s->fd, &to, deadline, c->timeout_ns, NULL, err) < 0) {
		s->fd = -1;
		return -1;
	}
	if (c->transport == CB_TRANSPORT_TLS &&
	    (cb_tls_open(&s->tls, s->fd, c->host, s->trust, err) < 0 ||
	     cb_tls_handshake_until(s->tls, deadline, err) < 0)) {
		hang_up(s, false);
		return cb_err_prefix(err, "%s", c->host);
	}
	return 0;
}

/* Is the connection of before still one? Nobody says anything to us but that it ends. */
static bool alive(struct syslog *s)
{
	char buf[256];
	ssize_t k;

	if (s->fd < 0)
		return false;
	do {
		if (s->tls) {
			k = cb_tls_read(s->tls, buf, sizeof(buf), NULL);
			if (k == CB_TLS_WANT_READ || k == CB_TLS_WANT_WRITE)
				return true;
		} else {
			k = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
			if (k < 0 && (errno == EAGAIN || errno == EINTR))
				return true;
		}
	} while (k > 0);
	return false;
}

/* --- messages --------------------------------------------------------------------------------------- */

/* A message: the event as one, or another format behind a header of its own. */
static int message(struct cb_outlet *o, struct syslog *s, struct cb_buf *b, const struct cb_spooled *note,
		   struct cb_err *err)
{
	static const char *const name[] = { "critical", "high", "medium", "low" };
	char at[CB_TIME_LEN] = "-";
	int level = 6;

	if (o->conf->format != CB_BODY_RFC5424) {
		for (int i = 0; i < 4; i++)
			if (strcmp(note->note.severity, name[i]) == 0)
				level = 2 + i;
		if (note->note.t_us != INT64_MIN)
			cb_time_format_us(at, note->note.t_us);
		cb_buf_printf(b, "<%d>1 %s %s cb-alert - cb.alert - ", o->conf->facility * 8 + level, at,
			      *s->host ? s->host : "-");
	}
	return cb_body_put(o, b, note, err);
}

static void send_udp(struct cb_outlet *o, struct syslog *s, struct cb_spooled *const *note, uint32_t n,
		     struct cb_report *r)
{
	struct cb_err err = CB_ERR_INIT;
	char c;

	for (; r->done < n; r->done++) {
		o->body.len = 0;
		if (message(o, s, &o->body, note[r->done], &err) < 0) {
			cb_report_err(r, err.code == CB_E_DATA ? CB_SENT_NEVER : CB_SENT_LATER, &err);
			return;
		}
		if (o->body.len > UDP_MAX) {
			cb_report_set(r, CB_SENT_NEVER, "%zu bytes are more than a datagram holds", o->body.len);
			return;
		}
		/* the second asks for what came back by ICMP, which on this machine is at once */
		if (send(s->fd, o->body.data, o->body.len, MSG_NOSIGNAL) < 0 ||
		    (recv(s->fd, &c, 1, MSG_DONTWAIT) < 0 && errno != EAGAIN)) {
			cb_report_set(r, errno == EMSGSIZE ? CB_SENT_NEVER : CB_SENT_LATER, "%s: %s", o->conf->host,
				      strerror(errno));
			hang_up(s, false);
			return;
		}
	}
}

/* Until the other side has acknowledged all that was sent. */
static int acknowledged(struct cb_outlet *o, struct syslog *s, int64_t deadline, struct cb_err *err)
{
	struct timespec pause = { 0, 200000 };

	for (;;) {
		struct tcp_info t = { 0 };
		int e = 0;
		socklen_t len = sizeof(e), t_len = sizeof(t);

		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 || e)
			return cb_err_sys(err, CB_E_UNAVAIL, e ? e : errno, "%s", o->conf->host);
		if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &t, &t_len) < 0)
			return cb_err_sys(err, CB_E_UNAVAIL, errno, "%s", o->conf->host);
		if (!t.tcpi_unacked && !t.tcpi_notsent_bytes)
			break;
		if (cb_now_mono_ns() >= deadline)
			return cb_err_set(err, CB_E_UNAVAIL, "%s: it does not take what is sent", o->conf->host);
		if (atomic_load(o->abort))
			return cb_err_set(err, CB_E_TEMP, "stopped");
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 20000000)
			pause.tv_nsec *= 2;
	}
	/* it may have ended the connection, and thrown away what it had */
	return alive(s) ? 0 : cb_err_set(err, CB_E_UNAVAIL, "%s: the connection was closed", o->conf->host);
}

static int write_all(struct cb_outlet *o, struct syslog *s, const struct cb_buf *b, int64_t deadline,
		     struct cb_err *err)
{
	size_t at = 0;

	if (s->tls && b->len)
		return cb_tls_write_until(s->tls, b->data, b->len, deadline, err);
	while (at < b->len) {
		ssize_t k = send(s->fd, b->data + at, b->len - at, MSG_NOSIGNAL);

		if (k > 0)
			at += (size_t)k;
		else if (k < 0 && errno != EAGAIN && errno != EINTR)
			return cb_err_sys(err, CB_E_UNAVAIL, errno, "%s", o->conf->host);
		else if (!cb_net_wait(s->fd, POLLOUT, deadline))
			return cb_err_set(err, CB_E_UNAVAIL, "%s: it does not read", o->conf->host);
	}
	return 0;
}

/* Keep what was sent for as long as it may be needed again. */
static void remember(struct syslog *s, const struct cb_buf *sent)
{
	int64_t now = cb_now_mono_ns();

	if (now - s->young_since > RECENT_NS || s->young.len > RECENT_BYTES) {
		struct cb_buf old = s->old;

		s->old = s->young;
		s->young = old;
		s->young.len = 0;
		s->young_since = now;
	}
	/* without memory it is not kept, as with a server that nobody can ask anyway */
	cb_buf_add(&s->young, sent->data, sent->len);
}

/* A connection, and over it what the one before may have lost. */
static int ready(struct cb_outlet *o, struct syslog *s, int64_t deadline, struct cb_err *err)
{
	if (alive(s))
		return 0;
	if (s->fd >= 0)
		s->lost = true;
	hang_up(s, false);
	if (dial(o, s, deadline, err) < 0)
		return -1;
	if (!s->lost || o->conf->transport == CB_TRANSPORT_UDP)
		return 0;
	if (write_all(o, s, &s->old, deadline, err) < 0 || write_all(o, s, &s->young, deadline, err) < 0 ||
	    acknowledged(o, s, deadline, err) < 0) {
		hang_up(s, false);
		return -1;
	}
	s->lost = false;
	return 0;
}

static int resend(struct cb_outlet *o, struct syslog *s)
{
	int64_t most = o->conf->timeout_ns < CB_NS_PER_S ? o->conf->timeout_ns : CB_NS_PER_S;

	return s->old.len + s->young.len ? ready(o, s, cb_now_mono_ns() + most, NULL) : 0;
}

/* Nothing was sent for a while. Who is still there had the time to read. */
static void syslog_idle(struct cb_outlet *o)
{
	struct syslog *s = o->own;

	if (o->conf->transport != CB_TRANSPORT_UDP && (s->fd < 0 ? !s->lost || resend(o, s) == 0 :
						       alive(s) || resend(o, s) == 0))
		s->old.len = s->young.len = 0;
}

static void syslog_send(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *r)
{
	int64_t deadline = cb_now_mono_ns() + o->conf->timeout_ns;
	struct cb_err err = CB_ERR_INIT, bad = CB_ERR_INIT;
	struct syslog *s = o->own;
	struct cb_buf one = { 0 };
	uint32_t made = 0;

	if (ready(o, s, deadline, &err) < 0) {
		cb_report_err(r, atomic_load(o->abort) ? CB_SENT_ABORTED : CB_SENT_LATER, &err);
		return;
	}
	if (o->conf->transport == CB_TRANSPORT_UDP) {
		send_udp(o, s, note, n, r);
		return;
	}
	o->body.len = 0;
	for (; made < n; made++) {
		one.len = 0;
		if (message(o, s, &one, note[made], &bad) < 0)
			break;
		if (cb_buf_printf(&o->body, "%zu ", one.len) < 0 || cb_buf_add(&o->body, one.data, one.len) < 0) {
			cb_err_nomem(&bad);
			break;
		}
	}
	cb_buf_release(&one);
	if (made && (write_all(o, s, &o->body, deadline, &err) < 0 || acknowledged(o, s, deadline, &err) < 0)) {
		s->lost = true;
		hang_up(s, false);
		cb_report_err(r, atomic_load(o->abort) ? CB_SENT_ABORTED : CB_SENT_LATER, &err);
		return;
	}
	if (made)
		remember(s, &o->body);
	r->done = made;
	if (made < n)
		cb_report_err(r, bad.code == CB_E_DATA ? CB_SENT_NEVER : CB_SENT_LATER, &bad);
}

const struct cb_outlet_ops cb_outlet_syslog = { syslog_open, syslog_send, syslog_idle, syslog_close };
