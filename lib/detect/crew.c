/* SPDX-License-Identifier: Apache-2.0 */
/* Cores shared out between streams and the workers that look at their pictures. */
#include "detect/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"

#define TURNS 8		/* of streams before tasks that wait */

struct cb_crew {
	int cores, workers;
	struct cb_model *model[CB_CREW_CORES_MAX];
	pthread_t thread[CB_CREW_CORES_MAX];
	pthread_mutex_t lock;
	pthread_cond_t stream, worker;	/* a core is free for one; there may be a task, too */
	int busy;
	int streams;			/* that wait for a core */
	int turns;			/* of streams since a task was begun, while some waited */
	struct cb_task *first, *last;
	int waiting;			/* tasks */
	int64_t took_ns;		/* the last one */
	bool over;
};

struct post {
	struct cb_crew *c;
	struct cb_model *m;
};

/* With the lock: who can go on now? */
static void call_next(struct cb_crew *c)
{
	if (c->busy >= c->cores)
		return;
	if (c->streams && !(c->first && c->turns >= TURNS))
		pthread_cond_signal(&c->stream);
	else if (c->first)
		pthread_cond_signal(&c->worker);
}

static bool task_may_begin(const struct cb_crew *c)
{
	return c->first && c->busy < c->cores && (!c->streams || c->turns >= TURNS);
}

static void *work(void *arg)
{
	struct post post = *(struct post *)arg;
	struct cb_crew *c = post.c;
	const uint64_t one = 1;

	free(arg);
	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct cb_task *t;
		int64_t begin, took;

		while (!c->over && !task_may_begin(c))
			pthread_cond_wait(&c->worker, &c->lock);
		if (c->over)
			break;
		t = c->first;
		c->first = t->next;
		c->waiting--;
		c->turns = 0;
		c->busy++;
		call_next(c);
		pthread_mutex_unlock(&c->lock);

		begin = cb_now_mono_ns();
		t->objects = cb_model_run(post.m, &t->in, t->object, &t->err);
		took = cb_now_mono_ns() - begin;

		pthread_mutex_lock(&c->lock);
		t->done = true;
		if (t->wake >= 0 && write(t->wake, &one, sizeof one) < 0)
			(void)0;	/* full: then it has been told */
		c->took_ns = took;
		c->busy--;
		call_next(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static int hire(struct cb_crew *c, struct cb_err *err)
{
	struct post *p = malloc(sizeof *p);
	sigset_t all, had;
	int e;

	if (!p)
		return cb_err_nomem(err);
	*p = (struct post){ c, c->model[c->workers] };
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &had);
	e = pthread_create(&c->thread[c->workers], NULL, work, p);
	pthread_sigmask(SIG_SETMASK, &had, NULL);
	if (e) {
		free(p);
		return cb_err_sys(err, CB_E_OS, e, "%d threads", c->cores);
	}
	c->workers++;
	return 0;
}

int cb_crew_open(struct cb_crew **ret, const struct cb_model_opts *model, int cores, struct cb_err *err)
{
	struct cb_crew *c = calloc(1, sizeof *c);

	if (!c)
		return cb_err_nomem(err);
	c->cores = cores < 1 ? 1 : cores > CB_CREW_CORES_MAX ? CB_CREW_CORES_MAX : cores;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->stream, NULL);
	pthread_cond_init(&c->worker, NULL);
	if (model && cb_model_open(&c->model[0], model, err) < 0)
		goto fail;
	for (int i = 1; model && i < c->cores; i++)
		if (cb_model_share(&c->model[i], c->model[0], err) < 0)
			goto fail;
	while (model && c->cores > 1 && c->workers < c->cores)
		if (hire(c, err) < 0)
			goto fail;
	*ret = c;
	return 0;
fail:
	cb_crew_free(c);
	return -1;
}

int cb_crew_warm(struct cb_crew *c, struct cb_err *err)
{
	return c->model[0] && cb_model_net(c->model[0]) ? cb_model_warm(c->model[0], err) : 0;
}

void cb_crew_free(struct cb_crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_broadcast(&c->worker);
	pthread_mutex_unlock(&c->lock);
	while (c->workers)
		pthread_join(c->thread[--c->workers], NULL);
	for (int i = c->cores; i--; )
		cb_model_free(c->model[i]);
	pthread_cond_destroy(&c->stream);
	pthread_cond_destroy(&c->worker);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

const struct cb_model *cb_crew_model(const struct cb_crew *c)
{
	return c->model[0];
}

bool cb_crew_parallel(const struct cb_crew *c)
{
	return c->workers > 0;
}

int cb_crew_cores(const struct cb_crew *c)
{
	return c->cores;
}

void cb_crew_enter(struct cb_crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->streams++;
	while (c->busy >= c->cores || (c->first && c->turns >= TURNS)) {
		call_next(c);
		pthread_cond_wait(&c->stream, &c->lock);
	}
	c->streams--;
	c->busy++;
	c->turns += c->first != NULL;
	call_next(c);
	pthread_mutex_unlock(&c->lock);
}

void cb_crew_leave(struct cb_crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->busy--;
	call_next(c);
	pthread_mutex_unlock(&c->lock);
}

void cb_crew_put(struct cb_crew *c, struct cb_task *t)
{
	if (!c->workers) {
		t->objects = !c->model[0] ? 0 : cb_model_run(c->model[0], &t->in, t->object, &t->err);
		t->done = true;
		return;
	}
	pthread_mutex_lock(&c->lock);
	t->done = false;
	t->next = NULL;
	if (c->first)
		c->last->next = t;
	else
		c->first = t;
	c->last = t;
	c->waiting++;
	call_next(c);
	pthread_mutex_unlock(&c->lock);
}

bool cb_crew_done(struct cb_crew *c, const struct cb_task *t)
{
	bool done;

	pthread_mutex_lock(&c->lock);
	done = t->done;
	pthread_mutex_unlock(&c->lock);
	return done;
}

int64_t cb_crew_wait_ns(struct cb_crew *c)
{
	int64_t ns;

	pthread_mutex_lock(&c->lock);
	ns = c->waiting * c->took_ns / c->cores;
	pthread_mutex_unlock(&c->lock);
	return ns;
}
