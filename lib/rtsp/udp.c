/* SPDX-License-Identifier: Apache-2.0 */
/* RTP over UDP: pairs of ports, and whose datagrams are taken. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "rtsp/session.h"

#define RECEIVE_BUFFER (2 << 20)	/* a key picture of a 4K camera arrives in one burst */

static uint16_t *port_of(struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)sa)->sin6_port
					 : &((struct sockaddr_in *)sa)->sin_port;
}

static int bound(int family, uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_storage sa = { .ss_family = (sa_family_t)family };
	socklen_t len = family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in);
	const int want = RECEIVE_BUFFER;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e;

	if (fd < 0)
		return -1;
	*port_of(&sa) = htons(port);
	if (bind(fd, (struct sockaddr *)&sa, len) == 0 &&
	    getsockname(fd, (struct sockaddr *)&sa, &len) == 0) {
		*ret_port = ntohs(*port_of(&sa));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
		return fd;
	}
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

int cb_rtsp_udp_open(int fd[2], uint16_t ret_port[2], const struct cb_net_addr *camera,
		     struct cb_err *err)
{
	/* the kernel gives a free port; its neighbour must be free as well */
	for (int tries = 0; tries < 64; tries++) {
		uint16_t port, other;
		int a = bound(camera->sa.ss_family, 0, &port), b;

		if (a < 0)
			break;
		b = port < 65535 ? bound(camera->sa.ss_family, port ^ 1, &other) : -1;
		if (b < 0) {
			close(a);
			continue;
		}
		fd[port & 1] = a;
		fd[!(port & 1)] = b;
		ret_port[port & 1] = port;
		ret_port[!(port & 1)] = other;
		return 0;
	}
	return cb_err_sys(err, CB_E_OS, errno, "no pair of UDP ports");
}

void cb_rtsp_udp_aim(struct cb_rtsp_track *t, const struct cb_net_addr *camera, const int port[2])
{
	for (int i = 0; i < 2; i++) {
		int p = port[i];

		/* a camera that names one port means its neighbour as well */
		if (p < 0 && i && port[0] > 0 && port[0] < 65535)
			p = port[0] + 1;

		memset(&t->to[i], 0, sizeof(t->to[i]));
		if (p <= 0)
			continue;
		t->to[i] = camera->sa;
		*port_of(&t->to[i]) = htons((uint16_t)p);
	}
}

void cb_rtsp_udp_punch(const struct cb_rtsp_track *t)
{
	/* an RTP packet without payload, an empty receiver report */
	uint8_t rtp[12] = { 0x80, t->media->payload }, rtcp[8] = { 0x80, 201, 0, 1 };

	cb_put_be32(rtp + 8, t->ours);
	cb_put_be32(rtcp + 4, t->ours);
	for (int i = 0; i < 2; i++) {
		socklen_t len = t->to[i].ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							       : sizeof(struct sockaddr_in);

		if (t->to[i].ss_family && t->fd[i] >= 0 &&
		    sendto(t->fd[i], i ? rtcp : rtp, i ? sizeof(rtcp) : sizeof(rtp), MSG_NOSIGNAL,
			   (const struct sockaddr *)&t->to[i], len) < 0)
			continue;	/* it is a courtesy to firewalls */
	}
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
			      &((const struct sockaddr_in6 *)b)->sin6_addr,
			      sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

ssize_t cb_rtsp_udp_read(int fd, void *p, size_t n, const struct cb_net_addr *camera,
			 struct cb_oddities *odd)
{
	for (int tries = 0; tries < 64; tries++) {
		struct sockaddr_storage from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t r = recvfrom(fd, p, n, 0, (struct sockaddr *)&from, &len);

		/* an ICMP error of something that was sent says nothing about what comes */
		if (r < 0 && errno == ECONNREFUSED)
			continue;
		if (r < 0)
			return -1;
		if (same_host(&from, &camera->sa))
			return r;
		cb_odd(odd, CB_ODD_UDP_FOREIGN);
	}
	return -1;
}
