/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes, and the one who keeps their books. */
#include "deliver/engine.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/stop.h"
#include "base/time.h"
#include "deliver/library.h"
#include "deliver/outlet.h"

#define BATCH 256
#define LOADED 1024			/* notes of a lane in memory */
#define SETTLE_NS 20000000		/* results are gathered so long, to be synced together */
#define SETTLE_MANY 256
#define LOADED_BYTES (8u << 20)
#define IDLE_NS (5 * CB_NS_PER_S)
#define GRACE_NS (2 * CB_NS_PER_S)
#define DAY_NS (86400 * CB_NS_PER_S)

struct engine;

struct lane {
	struct engine *e;
	const struct cb_outlet_ops *ops;
	struct cb_outlet out;
	pthread_t thread;
	bool started, opened;
	uint64_t last;			/* the highest number loaded; of the books' thread */

	pthread_mutex_t lock;		/* for what follows */
	pthread_cond_t cond;
	bool stop;
	bool failing;			/* the first note's failure is not written down yet */
	struct cb_spooled *head, **tail;
	uint32_t loaded;		/* in the list or reported and not written down */
	size_t bytes;
	struct cb_settled *done, **done_tail;
	int64_t not_before;		/* monotonic */
	uint32_t fails;			/* in a row */
};

struct engine {
	struct cb_spool *spool;
	const struct cb_deliver_conf *conf;
	int sock, wake;
	atomic_uint reported;		/* results that are not written down yet */
	int64_t since;			/* when the first of them was seen, monotonic; 0: there is none */
	atomic_bool abort;
	struct lane lane[CB_OUTLETS_MAX];
};

void cb_report_set(struct cb_report *r, enum cb_sent what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
	r->what = what;
}

void cb_report_err(struct cb_report *r, enum cb_sent what, const struct cb_err *err)
{
	cb_report_set(r, what, "%.250s", err->msg);
}

int64_t cb_engine_pause(const struct cb_outlet_conf *c, uint32_t fails, int64_t retry_after_ns,
			uint64_t random)
{
	int64_t p = c->first_ns;

	for (uint32_t i = 1; i < fails && p < c->most_ns; i++)
		p *= 2;
	if (p > c->most_ns)
		p = c->most_ns;
	p = p / 2 + (int64_t)(random % (uint64_t)(p / 2 + 1));
	if (retry_after_ns > DAY_NS)
		retry_after_ns = DAY_NS;
	return retry_after_ns > p ? retry_after_ns : p;
}

static void tell(void *ctx, const char *text)
{
	struct engine *e = ctx;
	char msg[600];
	int n = snprintf(msg, sizeof(msg), "%c%.590s", CB_ENGINE_TEXT, text);

	send(e->sock, msg, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* --- a lane ---------------------------------------------------------------------------------------- */

static void wait_until(struct lane *l, int64_t mono_ns)
{
	struct timespec t = { mono_ns / CB_NS_PER_S, mono_ns % CB_NS_PER_S };

	pthread_cond_timedwait(&l->cond, &l->lock, &t);
}

/* The first note of the list goes to the books as what became of it. */
static void report(struct lane *l, enum cb_decided what, const char *reason, int64_t next_us)
{
	struct cb_spooled *o = l->head;
	struct cb_settled *s = o->result;

	*s = (struct cb_settled){ .note = o, .what = what, .now_us = cb_now_wall_ns() / 1000, .next_us = next_us };
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	if (what == CB_FAILED) {
		l->failing = true;
	} else {
		l->head = o->next;
		if (!l->head)
			l->tail = &l->head;
	}
	*l->done_tail = s;
	l->done_tail = &s->next;
	atomic_fetch_add(&l->e->reported, 1);
}

static void failed(struct lane *l, const struct cb_report *r)
{
	const struct cb_outlet_conf *c = l->out.conf;
	const struct cb_spooled *o = l->head;
	int64_t now_us = cb_now_wall_ns() / 1000, pause;
	uint64_t random = 0;
	char why[256];

	if (r->what == CB_SENT_NEVER) {
		report(l, CB_DEAD, r->reason, 0);
		return;
	}
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)cb_now_mono_ns();
	l->fails++;
	pause = cb_engine_pause(c, l->fails, r->retry_after_ns, random);
	l->not_before = cb_now_mono_ns() + pause;
	if (c->attempts && o->attempts + 1 >= c->attempts) {
		snprintf(why, sizeof(why), "%u attempts: %.230s", o->attempts + 1, r->reason);
		report(l, CB_DEAD, why, 0);
	} else if ((now_us - o->put_us) * 1000 >= c->give_up_ns) {
		snprintf(why, sizeof(why), "too old: %.240s", r->reason);
		report(l, CB_DEAD, why, 0);
	} else {
		report(l, CB_FAILED, r->reason, now_us + pause / 1000);
	}
}

static void deliver(struct lane *l)
{
	struct cb_spooled *batch[BATCH];
	struct cb_report r = { 0 };
	struct cb_err err = CB_ERR_INIT;
	uint32_t n = 0;

	for (struct cb_spooled *o = l->head; o && n < BATCH; o = o->next)
		batch[n++] = o;
	pthread_mutex_unlock(&l->lock);
	if (!l->opened && l->ops->open && l->ops->open(&l->out, &err) < 0) {
		cb_report_err(&r, CB_SENT_LATER, &err);
	} else {
		l->opened = true;
		l->ops->send(&l->out, batch, n, &r);
	}
	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 0; i < r.done && i < n; i++)
		report(l, CB_DELIVERED, "", 0);
	if (r.done)
		l->fails = 0;
	if (r.done < n && (r.what == CB_SENT_LATER || r.what == CB_SENT_NEVER))
		failed(l, &r);
	eventfd_write(l->e->wake, 1);
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	int64_t idle_since = cb_now_mono_ns();

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		int64_t now = cb_now_mono_ns();

		if (!l->head || l->failing) {
			wait_until(l, now + IDLE_NS);
			if (!l->head && l->opened && l->ops->idle && cb_now_mono_ns() - idle_since >= IDLE_NS) {
				pthread_mutex_unlock(&l->lock);
				l->ops->idle(&l->out);
				pthread_mutex_lock(&l->lock);
				idle_since = cb_now_mono_ns();
			}
		} else if (now < l->not_before) {
			wait_until(l, l->not_before);
		} else {
			deliver(l);
			idle_since = cb_now_mono_ns();
		}
	}
	pthread_mutex_unlock(&l->lock);
	if (l->opened && l->ops->close)
		l->ops->close(&l->out);
	return NULL;
}

static int lane_start(struct engine *e, struct lane *l, const struct cb_outlet_conf *c, int out_fd,
		      struct cb_err *err)
{
	static const struct cb_outlet_ops *const ops[] = {
		[CB_OUT_FILE] = &cb_outlet_file,
		[CB_OUT_STDOUT] = &cb_outlet_stdout,
		[CB_OUT_EXEC] = &cb_outlet_exec,
		[CB_OUT_SYSLOG] = &cb_outlet_syslog,
		[CB_OUT_WEBHOOK] = &cb_outlet_webhook,
		[CB_OUT_MQTT] = &cb_outlet_mqtt,
		[CB_OUT_SMTP] = &cb_outlet_smtp,
	};
	pthread_condattr_t a;
	int k;

	l->e = e;
	l->ops = ops[c->kind];
	l->out = (struct cb_outlet){ .conf = c, .all = e->conf, .abort = &e->abort, .tell = tell, .tell_ctx = e,
				     .out_fd = out_fd, .json = malloc(sizeof(struct cb_json)) };
	if (!l->out.json)
		return cb_err_nomem(err);
	l->tail = &l->head;
	l->done_tail = &l->done;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&l->cond, &a);
	pthread_condattr_destroy(&a);
	k = pthread_create(&l->thread, NULL, lane_main, l);
	if (k)
		return cb_err_sys(err, CB_E_OS, k, "a thread");
	l->started = true;
	return 0;
}

/* --- the books -------------------------------------------------------------------------------------- */

static void forget(struct cb_spooled *o)
{
	free(o->result);
	free(o);
}

/* Load what a lane has room for. */
static int fill(struct engine *e, struct lane *l, struct cb_err *err)
{
	struct cb_spooled *o;

	for (;;) {
		bool room;

		pthread_mutex_lock(&l->lock);
		room = l->loaded < LOADED && l->bytes < LOADED_BYTES;
		pthread_mutex_unlock(&l->lock);
		if (!room)
			return 0;
		if (cb_spool_next(e->spool, l->out.conf->name, l->last, false, &o, err) < 0)
			return -1;
		if (!o)
			return 0;
		o->result = calloc(1, sizeof(*o->result));
		if (!o->result) {
			free(o);
			return cb_err_nomem(err);
		}
		l->last = o->number;
		pthread_mutex_lock(&l->lock);
		if (!l->head && !l->fails && o->attempts) {
			/* a pause from before we were started; clocks may have been set since */
			int64_t left = o->next_us * 1000 - cb_now_wall_ns();

			l->fails = o->attempts;
			if (left > 0)
				l->not_before = cb_now_mono_ns() + (left < DAY_NS ? left : DAY_NS);
		}
		*l->tail = o;
		l->tail = &o->next;
		l->loaded++;
		l->bytes += o->note.len + o->note.jpeg_len;
		pthread_cond_signal(&l->cond);
		pthread_mutex_unlock(&l->lock);
	}
}

static int fill_all(struct engine *e, struct cb_err *err)
{
	for (uint32_t i = 0; i < e->conf->n; i++)
		if (fill(e, &e->lane[i], err) < 0)
			return -1;
	return 0;
}

/* Write down what all lanes have reported. */
static int settle(struct engine *e, struct cb_err *err)
{
	struct cb_settled *all = NULL, **tail = &all, *s;

	for (uint32_t i = 0; i < e->conf->n; i++) {
		struct lane *l = &e->lane[i];

		if (!l->started)
			continue;
		pthread_mutex_lock(&l->lock);
		if (l->done) {
			*tail = l->done;
			tail = l->done_tail;
			l->done = NULL;
			l->done_tail = &l->done;
		}
		pthread_mutex_unlock(&l->lock);
	}
	if (!all)
		return 0;
	while (cb_spool_settle(e->spool, all, err) < 0) {
		/* nothing may be handed out twice because it could not be written down */
		tell(e, err->msg);
		if (atomic_load(&e->abort))
			return -1;
		*err = (struct cb_err)CB_ERR_INIT;
		sleep(1);
		if (recv(e->sock, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
			atomic_store(&e->abort, true);
	}
	while ((s = all)) {
		/* as soon as a failure is written down, its lane may use s again */
		bool stays = s->what == CB_FAILED;
		struct lane *l = NULL;

		all = s->next;
		atomic_fetch_sub(&e->reported, 1);
		for (uint32_t i = 0; !l && i < e->conf->n; i++)
			if (strcmp(e->conf->outlet[i].name, s->note->note.sink) == 0)
				l = &e->lane[i];
		pthread_mutex_lock(&l->lock);
		if (stays) {
			s->note->attempts++;
			l->failing = false;
		} else {
			l->loaded--;
			l->bytes -= s->note->note.len + s->note->note.jpeg_len;
		}
		pthread_cond_signal(&l->cond);
		pthread_mutex_unlock(&l->lock);
		if (!stays)
			forget(s->note);
	}
	send(e->sock, (char[]){ CB_ENGINE_SETTLED }, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return 1;
}

static void finish(struct engine *e)
{
	int64_t until = cb_now_mono_ns() + GRACE_NS;
	struct cb_err err = CB_ERR_INIT;

	for (uint32_t i = 0; i < e->conf->n; i++) {
		struct lane *l = &e->lane[i];

		if (!l->started)
			continue;
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->cond);
		pthread_mutex_unlock(&l->lock);
	}
	for (uint32_t i = 0; i < e->conf->n; i++) {
		struct lane *l = &e->lane[i];
		struct timespec t = { 0, 10000000 };

		if (!l->started)
			continue;
		while (pthread_tryjoin_np(l->thread, NULL)) {
			if (cb_now_mono_ns() > until) {
				atomic_store(&e->abort, true);
				cb_stop_ask();	/* for those who wait in lib/base */
			}
			nanosleep(&t, NULL);
		}
	}
	settle(e, &err);
	for (uint32_t i = 0; i < e->conf->n; i++) {
		struct lane *l = &e->lane[i];
		struct cb_spooled *o;

		while ((o = l->head)) {
			l->head = o->next;
			forget(o);
		}
		if (l->started) {
			pthread_mutex_destroy(&l->lock);
			pthread_cond_destroy(&l->cond);
		}
		cb_buf_release(&l->out.body);
		free(l->out.json);
	}
	close(e->wake);
	free(e);
}

int cb_engine_run(struct cb_spool *s, const struct cb_deliver_conf *conf, int sock, int out_fd,
		  struct cb_err *err)
{
	struct engine *e = calloc(1, sizeof(*e));
	int ret = -1;

	if (!e)
		return cb_err_nomem(err);
	if (cb_libraries_start(conf, err) < 0) {
		free(e);
		return -1;
	}
	e->spool = s;
	e->conf = conf;
	e->sock = sock;
	e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->wake < 0) {
		free(e);
		return cb_err_sys(err, CB_E_OS, errno, "eventfd");
	}
	for (uint32_t i = 0; i < conf->n; i++)
		if (lane_start(e, &e->lane[i], &conf->outlet[i], out_fd, err) < 0)
			goto out;
	for (;;) {
		struct pollfd p[] = { { .fd = sock, .events = POLLIN }, { .fd = e->wake, .events = POLLIN } };
		uint32_t reported = atomic_load(&e->reported);
		int64_t now = cb_now_mono_ns();
		int wait_ms = 1000;	/* and then for what others put back: cb-alert replay */
		eventfd_t n;
		char buf[64];
		ssize_t k = 1;

		/* what is new goes out first; what is done can wait a little */
		if (fill_all(e, err) < 0)
			goto out;
		if (reported && !e->since)
			e->since = now;
		if (reported >= SETTLE_MANY || (reported && now - e->since >= SETTLE_NS)) {
			if (settle(e, err) < 0 || fill_all(e, err) < 0)
				goto out;
			e->since = 0;
			wait_ms = atomic_load(&e->reported) ? SETTLE_NS / 1000000 : 1000;
		} else if (reported) {
			wait_ms = (int)((SETTLE_NS - (now - e->since)) / 1000000) + 1;
		}
		if (poll(p, 2, wait_ms) < 0 && errno != EINTR) {
			cb_err_sys(err, CB_E_OS, errno, "poll");
			goto out;
		}
		eventfd_read(e->wake, &n);
		while ((k = recv(sock, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			;
		if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
			break;
	}
	ret = 0;
out:
	finish(e);
	return ret;
}
