/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up, connecting and waiting. */
#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"
#include "base/time.h"

int cb_net_resolve(struct cb_net_addrs *ret, const char *host, uint16_t port, int socktype,
		   struct cb_err *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = socktype,
					.ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char service[8];
	unsigned n = 0;
	int rc;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &list);
	if (rc == EAI_SYSTEM)
		return cb_err_sys(err, CB_E_UNAVAIL, errno, "%s: its address cannot be looked up",
				  host);
	if (rc == EAI_MEMORY)
		return cb_err_nomem(err);
	if (rc)
		return cb_err_set(err, CB_E_UNAVAIL, "%s: its address cannot be looked up: %s",
				  host, gai_strerror(rc));
	memset(ret, 0, sizeof(*ret));
	for (const struct addrinfo *a = list; a && n < CB_NET_ADDRS; a = a->ai_next) {
		if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) ||
		    a->ai_addrlen > sizeof(ret->a[n].sa))
			continue;
		memcpy(&ret->a[n].sa, a->ai_addr, a->ai_addrlen);
		ret->a[n++].len = a->ai_addrlen;
	}
	freeaddrinfo(list);
	ret->n = n;
	return n ? 0 : cb_err_set(err, CB_E_UNAVAIL, "%s: has no IP address", host);
}

void cb_net_text(char out[static CB_NET_TEXT], const struct cb_net_addr *a)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (a->sa.ss_family == AF_INET6) {
		const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)&a->sa;

		inet_ntop(AF_INET6, &s->sin6_addr, ip, sizeof(ip));
		snprintf(out, CB_NET_TEXT, "[%s]:%u", ip, ntohs(s->sin6_port));
	} else {
		const struct sockaddr_in *s = (const struct sockaddr_in *)&a->sa;

		inet_ntop(AF_INET, &s->sin_addr, ip, sizeof(ip));
		snprintf(out, CB_NET_TEXT, "%s:%u", ip, ntohs(s->sin_port));
	}
}

bool cb_net_is_ip(const char *host)
{
	uint8_t ip[16];

	return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

int cb_net_wait(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline - cb_now_mono_ns();
		int ms = left <= 0 ? 0 : left > INT_MAX / 2 * INT64_C(1000000) ? INT_MAX / 2 :
			 (int)((left + 999999) / 1000000);
		int r;

		if (cb_stop_wanted())
			return 0;
		r = poll(&p, 1, ms);
		if (r > 0)
			return 1;
		if (r < 0 && errno != EINTR && errno != EAGAIN)
			return 1;	/* the call that comes next says what is wrong */
		if (r == 0 && left <= 0)
			return 0;
	}
}

static void tune(int fd, int64_t dead_ns)
{
	const int one = 1, idle = 10, every = 5, count = 3;
	unsigned ms = dead_ns / 1000000 > UINT_MAX ? UINT_MAX : (unsigned)(dead_ns / 1000000);

	/* a kernel that refuses one of these still carries the connection */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	if (ms)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static int connect_one(int *ret_fd, const struct cb_net_addr *a, int64_t deadline, int64_t dead_ns,
		       struct cb_err *err)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e = 0;
	char text[CB_NET_TEXT];
	socklen_t len = sizeof(e);

	cb_net_text(text, a);
	if (fd < 0)
		return cb_err_sys(err, errno == EMFILE || errno == ENFILE ? CB_E_OS : CB_E_UNAVAIL,
				  errno, "%s: no socket", text);
	tune(fd, dead_ns);
	if (connect(fd, (const struct sockaddr *)&a->sa, a->len) < 0) {
		e = errno;
		/* interrupted: it goes on in the background, as if it had said EINPROGRESS */
		if (e == EINPROGRESS || e == EINTR) {
			e = 0;
			if (!cb_net_wait(fd, POLLOUT, deadline))
				e = ETIMEDOUT;
			else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
				e = errno;
		}
	}
	if (!e) {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	if (cb_stop_wanted())
		return cb_err_set(err, CB_E_TEMP, "%s: asked to stop", text);
	return cb_err_sys(err, CB_E_UNAVAIL, e, "%s: no connection", text);
}

int cb_net_connect(int *ret_fd, const struct cb_net_addrs *to, int64_t deadline, int64_t dead_ns,
		   unsigned *which, struct cb_err *err)
{
	int r = -1;

	if (!to->n)
		return cb_err_set(err, CB_E_UNAVAIL, "no address");
	for (unsigned i = 0; i < to->n; i++) {
		int64_t now = cb_now_mono_ns(), share = (deadline - now) / (int64_t)(to->n - i);

		r = connect_one(ret_fd, &to->a[i], now + (share > 0 ? share : 0), dead_ns, err);
		if (!r && which)
			*which = i;
		if (!r || cb_stop_wanted())
			break;
	}
	if (!r && err)	/* what other addresses said is over */
		*err = (struct cb_err)CB_ERR_INIT;
	return r;
}
