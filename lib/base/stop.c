/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT as a request, then as an order. */
#include "base/stop.h"

#include <signal.h>
#include <string.h>

volatile int cb_stop_flag;

static void on_stop(int sig)
{
	if (cb_stop_flag) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	cb_stop_flag = 1;
}

void cb_stop_install(bool ignore_pipe)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_stop;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (ignore_pipe)
		signal(SIGPIPE, SIG_IGN);
}

bool cb_stop_wanted(void)
{
	return cb_stop_flag;
}
