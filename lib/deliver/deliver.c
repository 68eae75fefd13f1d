/* SPDX-License-Identifier: Apache-2.0 */
/* The side of the one who puts: the spool, and the helper that is kept alive. */
#include "deliver/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/launch.h"
#include "base/stop.h"
#include "base/time.h"
#include "deliver/engine.h"
#include "deliver/snapshot.h"
#include "deliver/status.h"

#define NAME "cb-deliver"
#define PACKED_MAX (4u << 20)		/* bytes that wait for a sync, at most */
#define HEARD 1024			/* decisions at once */
#define FORGET_NS CB_NS_PER_S
#define FIRST_NS CB_NS_PER_S		/* pauses before the helper is started again */
#define MOST_NS (60 * CB_NS_PER_S)

struct cb_deliver {
	const struct cb_deliver_conf *conf;
	struct cb_deliver_opts o;
	struct cb_spool *spool;
	struct cb_buf packed;
	struct cb_snapshots *snapshots;
	char *dir, *helper;
	pid_t pid;
	int sock;
	int64_t started, again, pause;	/* monotonic */
	int64_t metrics_at, forget_at;
	bool metrics_told;
	bool heard_all;			/* nothing to hear until the helper says so */
};

static void tell(struct cb_deliver *d, const char *text)
{
	if (d->o.tell)
		d->o.tell(d->o.ctx, text);
}

/* --- the helper -------------------------------------------------------------------------------------- */

static int spawn(pid_t *pid, const char *path, char *dir, int sandbox, const int fd[static 3], int out)
{
	static char name[] = NAME, env_path[] = "PATH=/usr/local/bin:/usr/bin:/bin", locale[] = "LC_ALL=C.UTF-8";
	static const char *const keep[] = { "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=" };
	char mode[2] = { (char)('0' + sandbox) }, *argv[] = { name, dir, mode, NULL }, *env[6] = { env_path, locale };
	posix_spawn_file_actions_t f;
	posix_spawnattr_t a;
	sigset_t all, none;
	int k, n = 2;

	for (char **e = environ; *e; e++)
		for (int i = 0; i < 3 && n < 5; i++)
			if (strncmp(*e, keep[i], strlen(keep[i])) == 0)
				env[n++] = *e;
	if (cb_launcher_runs()) {
		int from[4] = { fd[0], fd[1], fd[2], out }, to[4] = { CB_ENGINE_FD, CB_ENGINE_FD + 1, CB_ENGINE_FD + 2, STDOUT_FILENO };

		argv[0] = (char *)path;
		return cb_launch(pid, argv, env, from, to, out >= 0 ? 4 : 3);
	}
	sigfillset(&all);
	sigemptyset(&none);
	if ((k = posix_spawn_file_actions_init(&f)))
		return k;
	if ((k = posix_spawnattr_init(&a))) {
		posix_spawn_file_actions_destroy(&f);
		return k;
	}
	k = posix_spawn_file_actions_addopen(&f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!k)
		k = out >= 0 ? posix_spawn_file_actions_adddup2(&f, out, STDOUT_FILENO) :
			posix_spawn_file_actions_addopen(&f, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < 3 && !k; i++)
		k = posix_spawn_file_actions_adddup2(&f, fd[i], CB_ENGINE_FD + i);
	/* a group of its own: a terminal's signals are for us, and then we end it */
	if (!k && !(k = posix_spawn_file_actions_addclosefrom_np(&f, CB_ENGINE_FD_OWNER + 1)) &&
	    !(k = posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETSIGMASK)) &&
	    !(k = posix_spawnattr_setpgroup(&a, 0)) && !(k = posix_spawnattr_setsigdefault(&a, &all)) &&
	    !(k = posix_spawnattr_setsigmask(&a, &none)))
		k = posix_spawn(pid, path, &f, &a, argv, env);
	posix_spawnattr_destroy(&a);
	posix_spawn_file_actions_destroy(&f);
	return k;
}

/* A descriptor above those that have fixed places in the helper. */
static int up(int fd)
{
	int k = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, CB_ENGINE_FD_OWNER + 1);

	if (fd >= 0)
		close(fd);
	return k;
}

static int start(struct cb_deliver *d, struct cb_err *err)
{
	int pair[2] = { -1, -1 }, fd[3] = { -1, -1, -1 }, out = -1, k, ret = -1;

	fd[1] = up(memfd_create("sinks", MFD_CLOEXEC));
	if (fd[1] < 0 || cb_write_all(fd[1], d->conf->text.data, d->conf->text.len, NULL) < 0 ||
	    lseek(fd[1], 0, SEEK_SET) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || (fd[0] = up(pair[1])) < 0 ||
	    (fd[2] = fcntl(cb_spool_owner_fd(d->spool), F_DUPFD_CLOEXEC, CB_ENGINE_FD_OWNER + 1)) < 0 ||
	    (d->o.out_fd >= 0 && (out = fcntl(d->o.out_fd, F_DUPFD_CLOEXEC, CB_ENGINE_FD_OWNER + 1)) < 0)) {
		cb_err_sys(err, CB_E_OS, errno, "descriptors");
		goto out;
	}
	k = spawn(&d->pid, d->helper, d->dir, d->o.sandbox, fd, out);
	if (k) {
		d->pid = 0;
		cb_err_sys(err, k == ENOMEM || k == EAGAIN ? CB_E_OS : CB_E_UNAVAIL, k, "%s", d->helper);
		goto out;
	}
	d->sock = pair[0];
	pair[0] = -1;
	d->started = cb_now_mono_ns();
	d->heard_all = false;
	ret = 0;
out:
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	if (pair[0] >= 0)
		close(pair[0]);
	if (out >= 0)
		close(out);
	return ret;
}

/* It is gone: say how, and when there will be another. */
static void lost(struct cb_deliver *d)
{
	int64_t now = cb_now_mono_ns();
	int status = 0;
	char text[200];

	close(d->sock);
	d->sock = -1;
	while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
		;
	d->pid = 0;
	if (now - d->started > MOST_NS || !d->pause)
		d->pause = FIRST_NS;
	else if ((d->pause *= 2) > MOST_NS)
		d->pause = MOST_NS;
	d->again = now + d->pause;
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), NAME ": ended by signal %d; started again in %d s", WTERMSIG(status),
			 (int)(d->pause / CB_NS_PER_S));
	else
		snprintf(text, sizeof(text), NAME ": ended with status %d; started again in %d s",
			 WEXITSTATUS(status), (int)(d->pause / CB_NS_PER_S));
	tell(d, text);
}

/* What it says. */
static void listen_to(struct cb_deliver *d)
{
	struct cb_err err = CB_ERR_INIT;
	char msg[1024];
	ssize_t n;

	while (d->sock >= 0) {
		n = recv(d->sock, msg, sizeof(msg) - 1, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			lost(d);
		if (n <= 0)
			break;
		d->heard_all = false;
		if (msg[0] == CB_ENGINE_TEXT) {
			msg[n] = '\0';
			tell(d, msg + 1);
		}
	}
	if (d->sock < 0 && cb_now_mono_ns() >= d->again && start(d, &err) < 0) {
		d->again = cb_now_mono_ns() + MOST_NS;
		tell(d, err.msg);
	}
}

/* --- the interface ------------------------------------------------------------------------------------ */

/* Of what is in the spool, what nobody will ask for. */
static int orphan(void *ctx, const char *sink, struct cb_err *err)
{
	struct cb_deliver *d = ctx;
	struct cb_spool_sum m;
	char text[200];

	if (cb_deliver_conf_find(d->conf, sink))
		return 0;
	if (cb_spool_sum(d->spool, sink, &m, err) < 0)
		return -1;
	if (m.queued) {
		snprintf(text, sizeof(text), "spool: %llu notices wait for the sink %s, which is not in the rules any more",
			 (unsigned long long)m.queued, sink);
		tell(d, text);
	}
	return 0;
}

int cb_deliver_open(struct cb_deliver **ret, const struct cb_deliver_conf *conf,
		    const struct cb_deliver_opts *opts, struct cb_err *err)
{
	struct cb_deliver *d = calloc(1, sizeof(*d));
	const char *dir = secure_getenv("CB_LIBEXEC");

	if (!d)
		return cb_err_nomem(err);
	d->conf = conf;
	d->o = *opts;
	d->sock = -1;
	d->dir = strdup(opts->dir);
	if (opts->helper)
		d->helper = strdup(opts->helper);
	else if (dir && *dir && asprintf(&d->helper, "%s/" NAME, dir) < 0)
		d->helper = NULL;
	else if (!d->helper && cb_path_beside(&d->helper, CB_LIBEXEC_REL "/" NAME, err) < 0)
		goto fail;
	if (!d->dir || !d->helper) {
		cb_err_nomem(err);
		goto fail;
	}
	if (cb_spool_open(&d->spool, d->dir, conf->spool_bytes, true, err) < 0 ||
	    cb_spool_own(d->spool, err) < 0 || cb_spool_sinks(d->spool, orphan, d, err) < 0 || cb_snapshots_open(&d->snapshots, conf, err) < 0 ||
	    start(d, err) < 0)
		goto fail;
	*ret = d;
	return 0;
fail:
	cb_deliver_close(d, NULL);
	return -1;
}

int cb_deliver_sync(struct cb_deliver *d, struct cb_err *err)
{
	return cb_deliver_sync_saying(d, NULL, err);
}

void cb_deliver_said(struct cb_deliver *d)
{
	cb_spool_said(d->spool);
}

int cb_deliver_unsaid(struct cb_deliver *d, struct cb_buf *ret, struct cb_err *err)
{
	return cb_spool_unsaid(d->spool, ret, err);
}

size_t cb_deliver_unsynced(const struct cb_deliver *d)
{
	return d->packed.len;
}

int cb_deliver_sync_saying(struct cb_deliver *d, const struct cb_buf *saying, struct cb_err *err)
{
	if (!d->packed.len && (!saying || !saying->len))
		return 0;
	if (cb_spool_put(d->spool, &d->packed, saying, err) < 0)
		return -1;
	d->packed.len = 0;
	d->heard_all = false;
	if (d->sock >= 0)
		send(d->sock, (char[]){ CB_ENGINE_WAKE }, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return 0;
}

int cb_deliver_put(struct cb_deliver *d, const struct cb_note_out *n, struct cb_err *err)
{
	struct cb_note_out with = *n;
	struct cb_buf jpeg = { 0 };
	int r;

	if (!n->sink || !cb_deliver_conf_find(d->conf, n->sink))
		return cb_err_set(err, CB_E_BUG, "alert %s: no sink %s", n->id, n->sink ? n->sink : "");
	if (!n->jpeg && d->snapshots && cb_snapshots_find(d->snapshots, n->line, n->len, &jpeg)) {
		with.jpeg = jpeg.data;
		with.jpeg_len = jpeg.len;
	}
	r = cb_spool_pack(&d->packed, &with, cb_now_wall_ns() / 1000, err);
	cb_buf_release(&jpeg);
	if (r == 0 && d->packed.len >= PACKED_MAX)
		r = cb_deliver_sync(d, err);
	return r;
}

static void metrics(struct cb_deliver *d)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_buf b = { 0 };

	if (!d->o.metrics)
		return;
	d->metrics_at = cb_now_mono_ns() + CB_METRICS_NS;
	if ((!d->o.measure || d->o.measure(d->o.ctx, &b, &err) == 0) &&
	    cb_status_metrics_file(d->spool, d->o.metrics, &b, &err) == 0) {
		d->metrics_told = false;
	} else if (!d->metrics_told) {
		d->metrics_told = true;
		tell(d, err.msg);
	}
	cb_buf_release(&b);
}

int cb_deliver_poll(struct cb_deliver *d, struct cb_err *err)
{
	int n;

	listen_to(d);
	if (d->o.metrics && cb_now_mono_ns() >= d->metrics_at)
		metrics(d);
	while (!d->heard_all) {
		n = cb_spool_hear(d->spool, HEARD, d->o.on_event, d->o.ctx, err);
		if (n < 0)
			return -1;
		d->heard_all = n < HEARD;
	}
	/* with the next put, which has to be synced anyway; without one, now and then */
	if (cb_now_mono_ns() < d->forget_at)
		return 0;
	d->forget_at = cb_now_mono_ns() + FORGET_NS;
	return cb_spool_forget(d->spool, err);
}

int cb_deliver_fd(const struct cb_deliver *d)
{
	return d->sock;
}

static bool all_told(struct cb_deliver *d)
{
	for (uint32_t i = 0; i < d->conf->n; i++)
		if (cb_spool_waits(d->spool, d->conf->outlet[i].name))
			return false;
	return true;
}

int cb_deliver_drain(struct cb_deliver *d, int64_t timeout_ns, struct cb_err *err)
{
	int64_t until = cb_now_mono_ns() + timeout_ns;

	if (cb_deliver_sync(d, err) < 0)
		return -1;
	for (;;) {
		struct pollfd p = { .fd = d->sock, .events = POLLIN };
		int64_t left = timeout_ns < 0 ? CB_NS_PER_S : until - cb_now_mono_ns();
		bool empty = all_told(d);

		if (empty)
			d->heard_all = false;
		if (cb_deliver_poll(d, err) < 0)
			return -1;
		if (empty || left <= 0)
			return empty;
		poll(&p, 1, left > CB_NS_PER_S / 5 ? 200 : (int)(left / 1000000) + 1);
	}
}

int cb_deliver_stop(struct cb_deliver *d, struct cb_err *err)
{
	int ret = 0, status = 0;

	if (d->spool && d->packed.len)
		ret = cb_deliver_sync(d, err);
	if (d->sock >= 0) {
		char msg[1024];
		ssize_t n;

		shutdown(d->sock, SHUT_WR);
		while ((n = recv(d->sock, msg, sizeof(msg) - 1, 0)) > 0 || (n < 0 && errno == EINTR))
			if (n > 0 && msg[0] == CB_ENGINE_TEXT) {
				msg[n] = '\0';
				tell(d, msg + 1);
			}
		close(d->sock);
		d->sock = -1;
	}
	if (d->pid) {
		while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
			;
		if (status) {
			char text[80];

			snprintf(text, sizeof(text), NAME ": did not end well: %s %d", WIFSIGNALED(status) ? "signal" :
				 "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
			tell(d, text);
		}
		d->pid = 0;
	}
	while (d->spool && ret == 0) {
		int n = cb_spool_hear(d->spool, HEARD, d->o.on_event, d->o.ctx, err);

		if (n < 0)
			ret = -1;
		if (n < HEARD)
			break;
	}
	return ret;
}

int cb_deliver_close(struct cb_deliver *d, struct cb_err *err)
{
	int ret;

	if (!d)
		return 0;
	ret = cb_deliver_stop(d, err);
	if (d->spool && ret == 0)
		ret = cb_spool_forget(d->spool, err);
	if (d->spool)
		metrics(d);
	cb_spool_close(d->spool);
	cb_snapshots_close(d->snapshots);
	cb_buf_release(&d->packed);
	free(d->dir);
	free(d->helper);
	free(d);
	return ret;
}

struct cb_spool *cb_deliver_spool(const struct cb_deliver *d)
{
	return d->spool;
}
