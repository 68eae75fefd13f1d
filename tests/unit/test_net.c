/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base/net: names, addresses, connections that are made, refused, or never answered. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/net.h"
#include "base/stop.h"
#include "base/time.h"
#include "tap.h"

#define LONG (30 * CB_NS_PER_S)

static struct cb_err err;

/* A listener that takes `backlog` connections and leaves the others unanswered. */
static int listening(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || (backlog >= 0 && listen(fd, backlog) < 0) ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void names(void)
{
	struct cb_net_addrs to;
	char text[CB_NET_TEXT];

	OK(cb_net_resolve(&to, "192.0.2.1", 554, SOCK_STREAM, &err) == 0 && to.n == 1);
	cb_net_text(text, &to.a[0]);
	OK_STR(text, "192.0.2.1:554");
	OK(cb_net_resolve(&to, "2001:db8::1", 65535, SOCK_STREAM, &err) == 0 && to.n == 1);
	cb_net_text(text, &to.a[0]);
	OK_STR(text, "[2001:db8::1]:65535");
	OK(cb_net_resolve(&to, "nobody.invalid", 1, SOCK_STREAM, &err) < 0 && err.code == CB_E_UNAVAIL &&
	   strncmp(err.msg, "nobody.invalid: ", 16) == 0);
	OK(cb_net_resolve(&to, "", 1, SOCK_STREAM, &err) < 0);
	OK(cb_net_is_ip("::1") && cb_net_is_ip("10.0.0.1") && !cb_net_is_ip("localhost") && !cb_net_is_ip("") &&
	   !cb_net_is_ip("10.0.0.1:554") && !cb_net_is_ip("[::1]"));
}

static void connections(void)
{
	struct cb_net_addrs to, two;
	uint16_t port, closed;
	int fd = listening(8, &port), none = listening(-1, &closed), c, type;
	socklen_t len = sizeof(type);
	unsigned which = 9;

	if (!OK(fd >= 0 && none >= 0))
		return;
	OK(cb_net_resolve(&two, "127.0.0.1", closed, SOCK_STREAM, &err) == 0);
	OK(cb_net_connect(&c, &two, cb_now_mono_ns() + LONG, LONG, &which, &err) < 0 && err.code == CB_E_UNAVAIL &&
	   err.sys == ECONNREFUSED);
	/* the second address, where the first one refuses */
	OK(cb_net_resolve(&to, "127.0.0.1", port, SOCK_STREAM, &err) == 0);
	two.a[two.n++] = to.a[0];
	err = (struct cb_err)CB_ERR_INIT;
	if (OK(cb_net_connect(&c, &two, cb_now_mono_ns() + LONG, LONG, &which, &err) == 0 && which == 1)) {
		OK(getsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &type, &len) == 0 && type);
		OK(!cb_net_wait(c, POLLIN, cb_now_mono_ns() + 1000000));
		OK(cb_net_wait(c, POLLOUT, cb_now_mono_ns() + LONG));
		errno = 0;
		OK(read(c, &type, 1) < 0 && errno == EAGAIN);
		close(c);
	}
	to.n = 0;
	OK(cb_net_connect(&c, &to, cb_now_mono_ns() + LONG, 0, NULL, &err) < 0 && err.code == CB_E_UNAVAIL);
	close(fd);
	close(none);
}

/* Somebody who never answers, and somebody who asks to stop. */
static void waits(void)
{
	struct cb_net_addrs to;
	int held[8], c, n = 0, fd;
	uint16_t port;

	fd = listening(0, &port);
	if (!OK(fd >= 0 && cb_net_resolve(&to, "127.0.0.1", port, SOCK_STREAM, &err) == 0))
		return;
	while (n < 8 && cb_net_connect(&held[n], &to, cb_now_mono_ns() + CB_NS_PER_S / 10, 0, NULL, &err) == 0)
		n++;
	if (n == 8)
		SKIP("this kernel takes every connection");
	else
		OK(err.code == CB_E_UNAVAIL && err.sys == ETIMEDOUT);
	cb_stop_flag = 1;
	OK(n == 8 || (cb_net_connect(&c, &to, cb_now_mono_ns() + LONG, 0, NULL, &err) < 0 && err.code == CB_E_TEMP));
	OK(n == 0 || !cb_net_wait(held[0], POLLIN, cb_now_mono_ns() + LONG));
	cb_stop_flag = 0;
	while (n)
		close(held[--n]);
	close(fd);
}

int main(void)
{
	names();
	connections();
	waits();
	return done();
}
