/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT as a request, then as an order. */
#include "base/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/time.h"

#define GRACE_NS (CB_NS_PER_S * 3 / 2)

volatile int cb_stop_flag;

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal that comes after the flag was looked at and before the call that blocks would be
 * lost: from now on alarms interrupt whatever blocks. */
static void on_stop(int sig)
{
	static const struct itimerval again = { { 0, 100000 }, { 0, 100000 } };
	int e = errno;

	if (cb_stop_flag) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	cb_stop_flag = 1;
	setitimer(ITIMER_REAL, &again, NULL);
	errno = e;
}

void cb_stop_install(bool ignore_pipe)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_stop;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = on_alarm;
	sigaction(SIGALRM, &sa, NULL);
	if (ignore_pipe)
		signal(SIGPIPE, SIG_IGN);
}

void cb_stop_ask(void)
{
	cb_stop_flag = 1;
}

bool cb_stop_wanted(void)
{
	return cb_stop_flag;
}

ssize_t cb_read_to_stop(int fd, void *buf, size_t n)
{
	static _Atomic int64_t stop_at;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t k;

	for (;;) {
		if (cb_stop_wanted()) {
			int64_t now = cb_now_mono_ns();

			if (!stop_at)
				stop_at = now + GRACE_NS;
			if (now >= stop_at || poll(&p, 1, (int)((stop_at - now) / 1000000)) == 0)
				return 0;
		}
		k = read(fd, buf, n);
		if (k >= 0)
			return k;
		if (errno == EAGAIN)	/* somebody else made our input non-blocking */
			poll(&p, 1, -1);
		else if (errno != EINTR)
			return -1;
	}
}
