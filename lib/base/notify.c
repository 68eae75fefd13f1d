/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's datagrams. */
#include "base/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"

void cb_notify_open(struct cb_notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET"), *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	uint64_t v;

	*n = (struct cb_notify){ .fd = -1 };
	if (!path || (*path != '/' && *path != '@') || !path[1] || strlen(path) >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, strlen(path));
	if (*path == '@')	/* an abstract name, without a file */
		a.sun_path[0] = '\0';
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd >= 0 && connect(n->fd, (struct sockaddr *)&a,
				  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		cb_notify_close(n);
	if (n->fd < 0 || !us || !cb_parse_u64(us, 1, INT64_MAX / 1000, &v))
		return;
	if (pid) {
		char own[24];

		snprintf(own, sizeof(own), "%ld", (long)getpid());
		if (strcmp(pid, own) != 0)
			return;
	}
	n->watchdog_ns = (int64_t)v * 1000 / 2;
}

void cb_notify_say(struct cb_notify *n, const char *text)
{
	/* a manager that does not read must not stop us: it is told the next time */
	if (n->fd >= 0 && send(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		n->status[0] = '\0';
}

void cb_notify_status(struct cb_notify *n, const char *text)
{
	char safe[sizeof(n->status)] = "", line[sizeof(n->status) + 8];

	cb_text_safe(safe, sizeof(safe), text, strlen(text), false);
	if (n->fd < 0 || strcmp(safe, n->status) == 0)
		return;
	memcpy(n->status, safe, sizeof(safe));
	snprintf(line, sizeof(line), "STATUS=%s", safe);
	cb_notify_say(n, line);
}

int64_t cb_notify_progress(struct cb_notify *n, int64_t mono_ns)
{
	if (n->fd < 0 || !n->watchdog_ns)
		return INT64_MAX;
	if (!n->fed_ns || mono_ns - n->fed_ns >= n->watchdog_ns) {
		n->fed_ns = mono_ns;
		cb_notify_say(n, "WATCHDOG=1");
	}
	return n->fed_ns + n->watchdog_ns;
}

void cb_notify_close(struct cb_notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}
