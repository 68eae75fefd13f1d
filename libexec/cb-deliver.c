/* SPDX-License-Identifier: Apache-2.0 */
/* Delivers what is in a spool; deliver/engine.h says how. Not for people: cb-alert starts it, with
 * the socket and the configuration open already.
 *
 *     cb-deliver SPOOL SANDBOX
 *
 * It locks itself in before it connects to anybody: to the spool, the directories of files that it
 * appends to, certificates, keys, and the network. Programs of exec sinks are started by a launcher
 * and are free. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/launch.h"
#include "base/num.h"
#include "conf/conf.h"
#include "deliver/conf.h"
#include "deliver/engine.h"
#include "deliver/spool.h"
#include "sandbox/sandbox.h"

static int fail(const struct cb_err *err)
{
	char msg[600];
	int n = snprintf(msg, sizeof(msg), "%ccb-deliver: %.500s", CB_ENGINE_TEXT, err->msg);

	send(CB_ENGINE_FD, msg, (size_t)n, MSG_NOSIGNAL);
	return err->code ? err->code : CB_E_BUG;
}

static bool is_program(void *ctx, const char *path)
{
	const struct cb_deliver_conf *d = ctx;

	for (uint32_t i = 0; i < d->n; i++)
		if (d->outlet[i].kind == CB_OUT_EXEC && strcmp(d->outlet[i].argv.at[0], path) == 0)
			return true;
	return false;
}

/* The name in the nearest directory that is there: one that is made later must not be out of reach. */
static const char *reachable(const char *path)
{
	char *p = strdup(path), *slash;

	while (p && (slash = strrchr(p, '/')) && slash != p) {
		*slash = '\0';
		if (access(p, F_OK) == 0) {
			*slash = '/';
			break;
		}
	}
	return p ? p : path;
}

#define READ_MAX (CB_OUTLETS_MAX * (CB_OUTLET_LIST_MAX + 3))

static int lock_in(struct cb_deliver_conf *d, const char *spool, enum cb_sandbox_mode mode, struct cb_err *err)
{
	static const char *files[CB_OUTLETS_MAX], *secrets[READ_MAX];
	struct cb_sandbox s = {
		.may = CB_MAY_THREAD, .read = { "/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates" },
		.write = { spool }, .files = 1024,
	};
	size_t n_files = 0, n_secrets = 0;

	if (mode == CB_SANDBOX_OFF)
		return 0;
	for (uint32_t i = 0; i < d->n; i++) {
		const struct cb_outlet_conf *o = &d->outlet[i];
		const char *path[] = { o->ca, o->password_file, o->header_file };

		if (o->kind == CB_OUT_FILE)
			files[n_files++] = reachable(o->path);
		else if (o->kind == CB_OUT_EXEC)
			s.may |= CB_MAY_END;
		else if (o->kind != CB_OUT_STDOUT)
			s.may |= CB_MAY_CONNECT | CB_MAY_RESOLVE;
		for (int k = 0; k < 3; k++)
			if (path[k])
				secrets[n_secrets++] = path[k];
		for (uint32_t k = 0; k < o->keys.n; k++)
			secrets[n_secrets++] = o->keys.at[k];
	}
	if (s.may & CB_MAY_END && cb_launcher_begin(is_program, d, err) < 0)
		return -1;
	/* keys are read when a sink is first told something, and may be made anew by then */
	s.list[0].path = files;
	s.list[0].n = n_files;
	s.list[0].how = CB_SANDBOX_WRITE_BESIDE;
	s.list[1].path = secrets;
	s.list[1].n = n_secrets;
	s.list[1].how = CB_SANDBOX_READ_BESIDE;
	return cb_sandbox_enter(&s, mode, NULL, err);
}

int main(int argc, char **argv)
{
	static char text[CB_CONF_SIZE];
	const struct rlimit none = { 0, 0 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_deliver_conf *d = NULL;
	struct cb_spool *s = NULL;
	struct cb_conf *c = NULL;
	uint64_t mode = CB_SANDBOX_AUTO;
	size_t len = 0;
	ssize_t n;
	int ret = 0;

	if (argc != 3) {
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
	cb_parse_u64(argv[2], 0, CB_SANDBOX_OFF, &mode);
	if (!ret && lock_in(d, argv[1], (enum cb_sandbox_mode)mode, &err) < 0)
		ret = fail(&err);
	if (!ret && cb_engine_run(s, d, CB_ENGINE_FD, STDOUT_FILENO, &err) < 0)
		ret = fail(&err);
	cb_spool_close(s);
	cb_deliver_conf_free(d);
	cb_conf_free(c);
	return ret;
}
