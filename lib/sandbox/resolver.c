/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from the rest, so that a program that looks no names up does not link the resolver. */
#include <netdb.h>
#include <sys/socket.h>

#include "sandbox/sandbox.h"

void cb_sandbox_resolver(const char *host)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *found = NULL;

	if (getaddrinfo(host, NULL, &hint, &found) == 0)
		freeaddrinfo(found);
}
