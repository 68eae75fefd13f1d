/* SPDX-License-Identifier: Apache-2.0 */
/* Reading inputs, each in a thread where there are several. */
#include "detect/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"

#define NUDGE_MS 100

int cb_feed_open(struct cb_feed *f, const char *path, struct cb_err *err)
{
	bool standard = !path || !strcmp(path, "-");
	/* a pipe without a writer would not be opened before there is one */
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	*f = (struct cb_feed){ .name = standard ? "-" : path, .fd = fd };
	cb_reader_init(&f->in, fd);
	return 0;
}

void cb_feed_release(struct cb_feed *f)
{
	if (!f->name)
		return;
	cb_reader_release(&f->in);
	if (f->fd != STDIN_FILENO)
		close(f->fd);
	f->name = NULL;
}

static void idle(void *feed)
{
	struct cb_feed *f = feed;

	cb_detect_idle(f->d, f->fd);
}

/* Until somebody writes; from then on reading waits. */
static void begin(struct cb_feed *f)
{
	struct pollfd p = { .fd = f->fd, .events = POLLIN };

	if (f->fd == STDIN_FILENO)
		return;
	while (!cb_stop_wanted() && poll(&p, 1, -1) < 0 && errno == EINTR)
		continue;
	fcntl(f->fd, F_SETFL, fcntl(f->fd, F_GETFL) & ~O_NONBLOCK);
}

int cb_feed_run(struct cb_feed *f, void (*each)(const struct cb_detect_stats *s))
{
	const struct cb_detect_stats *s = cb_detect_stats(f->d);
	struct cb_err err = CB_ERR_INIT;
	struct cb_frame frame;
	struct cb_end end;
	int r;

	f->whole = false;
	f->reason = CB_END_STOPPED;
	f->in.before_block = idle;
	f->in.ctx = f;
	begin(f);
	while ((r = cb_reader_next(&f->in, &frame, &err)) > 0) {
		if (frame.type == CB_FRAME_END && !cb_end_parse(&end, &frame, NULL))
			f->reason = end.reason;
		if (cb_detect_frame(f->d, &frame, &f->err) < 0)
			return -1;
		if (each)
			each(s);
	}
	if (!r)
		r = cb_reader_finish(&f->in, &err);
	if (cb_detect_finish(f->d, &f->err) < 0) {
		f->whole = !r && f->err.code == CB_E_DATA;
		return -1;
	}
	f->whole = !r;
	if (r < 0)
		f->err = err;
	return r;
}

/* --- several ------------------------------------------------------------------------------------ */

struct runner {
	struct cb_feed *f;
	pthread_t thread;
	bool under_way;
	_Atomic bool over;
	int wake;
};

static void *run(void *arg)
{
	struct runner *r = arg;
	const uint64_t one = 1;

	cb_feed_run(r->f, NULL);
	cb_detect_flush(r->f->d);	/* nobody else may have a reason to, for long */
	r->over = true;
	while (write(r->wake, &one, sizeof one) < 0 && errno == EINTR)
		continue;
	return NULL;
}

/* Only the first thread takes the signals that stop. What interrupts a read gets through to the
 * others, so that it can hand them on. */
static int start(struct runner *r, struct cb_err *err)
{
	sigset_t most, had;
	int e;

	sigfillset(&most);
	sigdelset(&most, SIGALRM);
	pthread_sigmask(SIG_SETMASK, &most, &had);
	e = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &had, NULL);
	if (e)
		return cb_err_sys(err, CB_E_OS, e, "a thread for %s", r->f->name);
	r->under_way = true;
	return 0;
}

int cb_feeds_run(struct cb_feed *f, int n, void (*ended)(struct cb_feed *f), struct cb_err *err)
{
	struct runner *runner = calloc((size_t)n, sizeof *runner);
	int wake = eventfd(0, EFD_CLOEXEC), running = 0, bad = 0, r = -1;

	if (!runner || wake < 0) {
		cb_err_nomem(err);
		goto out;
	}
	for (; running < n; running++) {
		runner[running].f = &f[running];
		runner[running].wake = wake;
		if (start(&runner[running], err) < 0) {
			cb_stop_ask();
			bad = -1;
			break;
		}
	}
	while (running) {
		struct pollfd p = { .fd = wake, .events = POLLIN };
		uint64_t count;

		if (poll(&p, 1, cb_stop_wanted() ? NUDGE_MS : -1) > 0 && read(wake, &count, sizeof count) < 0)
			continue;
		for (int i = 0; i < n; i++) {
			if (!runner[i].under_way)
				continue;
			if (!runner[i].over) {
				if (cb_stop_wanted())
					pthread_kill(runner[i].thread, SIGALRM);
				continue;
			}
			pthread_join(runner[i].thread, NULL);
			runner[i].under_way = false;
			running--;
			if (bad < 0)
				continue;
			bad += f[i].err.code != 0;
			if (cb_detect_output_failed(f[i].d))
				cb_stop_ask();
			ended(&f[i]);
		}
	}
	if (bad > 0) {
		cb_err_set(err, CB_E_NO, "%d of %d inputs did not end well", bad, n);
		for (int i = 0; i < n; i++)
			if (f[i].err.code > err->code)
				err->code = f[i].err.code;
	}
	r = bad ? -1 : 0;
out:
	if (wake >= 0)
		close(wake);
	free(runner);
	return r;
}
