/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to others: a name looked up once, a socket that never blocks, waits that end.
 * Nothing here listens.
 *
 * Deadlines are points of CLOCK_MONOTONIC in ns (cb_now_mono_ns() + so much). Waiting also ends
 * when the program is asked to stop (base/stop.h). Looking a name up loads libraries and reads
 * files: do it before a sandbox is entered; the rest needs socket, connect, poll and no files. */
#ifndef CB_BASE_NET_H
#define CB_BASE_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define CB_NET_ADDRS 8
#define CB_NET_TEXT 64		/* "[ADDRESS]:PORT" and its NUL */

struct cb_net_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};
struct cb_net_addrs {
	unsigned n;
	struct cb_net_addr a[CB_NET_ADDRS];
};

/* The addresses of a host (a name, an IPv4 or an IPv6 address without brackets), in the order
 * in which the resolver prefers them. socktype: SOCK_STREAM or SOCK_DGRAM. CB_E_UNAVAIL. */
int cb_net_resolve(struct cb_net_addrs *ret, const char *host, uint16_t port, int socktype,
		   struct cb_err *err);
/* "192.0.2.1:554", "[2001:db8::1]:554". */
void cb_net_text(char out[static CB_NET_TEXT], const struct cb_net_addr *a);
/* Is the text an IP address? */
bool cb_net_is_ip(const char *host);

/* A non-blocking, close-on-exec TCP connection to the first address that takes one, with keepalive
 * probes, no Nagle, and TCP_USER_TIMEOUT (dead_ns; 0: the system's). Each address gets its share
 * of the time. *which, where not NULL: the index of that address. CB_E_UNAVAIL with the reason of
 * the last address; CB_E_TEMP where the program is asked to stop. */
int cb_net_connect(int *ret_fd, const struct cb_net_addrs *to, int64_t deadline, int64_t dead_ns,
		   unsigned *which, struct cb_err *err);

/* Wait for poll(2)'s events: 1 (also when the peer hung up: reading tells), 0 when the time is up or
 * the program is asked to stop. */
int cb_net_wait(int fd, short events, int64_t deadline);

#endif
