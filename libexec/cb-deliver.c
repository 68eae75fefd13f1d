/* SPDX-License-Identifier: Apache-2.0 */
/* Delivers what is in a spool; deliver/engine.h says how. Not for people: cb-alert starts it, with
 * the socket and the configuration open already.
 *
 *     cb-deliver SPOOL
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "deliver/conf.h"
#include "deliver/engine.h"
#include "deliver/spool.h"

static int fail(const struct cb_err *err)
{
	char msg[600];
	int n = snprintf(msg, sizeof(msg), "%ccb-deliver: %.500s", CB_ENGINE_TEXT, err->msg);

	send(CB_ENGINE_FD, msg, (size_t)n, MSG_NOSIGNAL);
	return err->code ? err->code : CB_E_BUG;
}

int main(int argc, char **argv)
{
	static char text[CB_CONF_SIZE];
	const struct rlimit none = { 0, 0 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_deliver_conf *d = NULL;
	struct cb_spool *s = NULL;
	struct cb_conf *c = NULL;
	size_t len = 0;
	ssize_t n;
	int ret = 0;

	if (argc != 2) {
		fputs("cb-deliver: cb-alert starts it\n", stderr);
		return CB_E_USAGE;
	}
	/* who started us ends us, by closing the socket */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (len < sizeof(text) && (n = read(CB_ENGINE_FD_CONF, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	close(CB_ENGINE_FD_CONF);
	if (cb_conf_parse(&c, "sinks", text, len, &err) < 0 ||
	    cb_deliver_conf_read(&d, c, cb_conf_root(c), &err) < 0)
		ret = fail(&err);
	else if (!d)
		ret = CB_E_CONFIG;
	else if (cb_spool_open(&s, argv[1], d->spool_bytes, false, &err) < 0)
		ret = fail(&err);
	/* keys and passwords from here on */
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	if (!ret && cb_engine_run(s, d, CB_ENGINE_FD, STDOUT_FILENO, &err) < 0)
		ret = fail(&err);
	cb_spool_close(s);
	cb_deliver_conf_free(d);
	cb_conf_free(c);
	return ret;
}
