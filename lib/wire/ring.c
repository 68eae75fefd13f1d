/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of frames with a writing thread; overflow drops groups of pictures and says so. */
#include "wire/ring.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "wire/frame-priv.h"

struct entry {
	struct entry *next;
	int64_t at;		/* monotonic, when it came */
	uint8_t type;
	uint16_t flags, stream;
	bool begins;		/* a group of pictures begins here */
	uint32_t len;
	uint64_t packets, bytes;	/* of a GAP of ours */
	uint8_t payload[];
};

struct cb_ring {
	struct cb_writer *w;
	cb_ring_write *write;
	size_t max_bytes, bytes;
	int64_t max_ns;
	struct entry *head, *tail, *writing;
	bool skipping;		/* the rest of a group goes, until one begins */
	bool video[CB_STREAMS_MAX], any_video;
	bool closing, failed;
	struct cb_err err;
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	pthread_t thread;
};

static bool media(const struct entry *e)
{
	return e->type == CB_FRAME_PACKET || e->type == CB_FRAME_PICTURE;
}

static void *work(void *arg)
{
	struct cb_ring *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->failed) {
		struct cb_err err = CB_ERR_INIT;
		struct entry *e = r->head;
		struct iovec part;
		bool bad;

		if (!e) {
			if (r->closing)
				break;
			pthread_cond_wait(&r->more, &r->lock);
			continue;
		}
		r->head = e->next;
		if (!r->head)
			r->tail = NULL;
		r->writing = e;
		pthread_mutex_unlock(&r->lock);

		if (e->packets || e->bytes) {
			struct cb_gap g = { .reason = CB_GAP_OVERFLOW, .packets = e->packets,
					    .bytes = e->bytes };

			snprintf(g.text, sizeof(g.text), "the reader was too slow");
			e->len = (uint32_t)cb_gap_put(e->payload, &g);
		}
		part = (struct iovec){ e->payload, e->len };
		bad = r->write(r->w, e->type, e->flags, e->stream, &part, 1, &err) < 0;

		pthread_mutex_lock(&r->lock);
		r->writing = NULL;
		r->bytes -= e->len;
		free(e);
		if (bad) {
			r->failed = true;
			r->err = err;
		}
		if (!r->head)
			pthread_cond_broadcast(&r->done);
	}
	pthread_cond_broadcast(&r->done);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int cb_ring_start(struct cb_ring **ret, struct cb_writer *w, cb_ring_write *write,
		  size_t max_bytes, int64_t max_ns, struct cb_err *err)
{
	struct cb_ring *r = calloc(1, sizeof(*r));
	pthread_condattr_t ca;
	int e;

	if (!r)
		return cb_err_nomem(err);
	r->w = w;
	r->write = write;
	r->max_bytes = max_bytes;
	r->max_ns = max_ns;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&r->more, &ca);
	pthread_cond_init(&r->done, &ca);
	pthread_condattr_destroy(&ca);
	e = pthread_create(&r->thread, NULL, work, r);
	if (e) {
		free(r);
		return cb_err_sys(err, CB_E_OS, e, "thread");
	}
	*ret = r;
	return 0;
}

static struct entry *entry_new(uint8_t type, uint16_t flags, uint16_t stream, size_t len)
{
	struct entry *e = malloc(sizeof(*e) + len);

	if (e)
		*e = (struct entry){ .at = cb_now_mono_ns(), .type = type, .flags = flags,
				     .stream = stream, .len = (uint32_t)len };
	return e;
}

/* Does e begin a group? Without any video every packet is a group of its own. */
static bool begins_group(const struct cb_ring *r, const struct entry *e, bool video)
{
	if (e->type == CB_FRAME_PICTURE)
		return true;
	return (e->flags & CB_F_KEY) && (video || !r->any_video);
}

/* A GAP of ours at *at, counting one more lost frame. */
static void count_loss(struct cb_ring *r, struct entry **at, const struct entry *lost)
{
	struct entry *g = *at;

	if (!g || g->type != CB_FRAME_GAP || !g->packets) {
		g = entry_new(CB_FRAME_GAP, 0, lost->stream, CB_GAP_LEN_MAX);
		if (!g) {	/* the loss is still in w->dropped */
			r->w->dropped++;
			return;
		}
		g->next = *at;
		*at = g;
		if (!g->next)
			r->tail = g;
		r->bytes += g->len;
	}
	g->packets++;
	g->bytes += lost->len > CB_PACKET_FIXED ? lost->len - CB_PACKET_FIXED : 0;
	r->w->dropped++;
}

/* Take the oldest group's packets out; what is no packet stays in its place. */
static void drop_oldest(struct cb_ring *r)
{
	struct entry **at = &r->head, *e, *gap = NULL;
	bool first = true;

	while ((e = *at) != NULL) {
		if (!media(e)) {
			if (e->type == CB_FRAME_GAP && e->packets && first)
				gap = e;
			at = &e->next;
			continue;
		}
		if (e->begins && !first)
			return;
		first = false;
		*at = e->next;
		if (!*at)	/* it was the last: find the new one */
			r->tail = at == &r->head ? NULL :
				  (struct entry *)((char *)at - offsetof(struct entry, next));
		if (gap) {
			gap->packets++;
			gap->bytes += e->len > CB_PACKET_FIXED ? e->len - CB_PACKET_FIXED : 0;
			r->w->dropped++;
		} else {
			count_loss(r, at, e);
			gap = *at;
			if (gap && gap->type == CB_FRAME_GAP)
				at = &gap->next;
			else
				gap = NULL;
		}
		r->bytes -= e->len;
		free(e);
	}
	r->skipping = true;	/* that was everything: the group goes on outside */
}

int cb_ring_push(struct cb_ring *r, uint8_t type, uint16_t flags, uint16_t stream, bool video,
		 const struct iovec *parts, int n, struct cb_err *err)
{
	struct entry *e;
	size_t len = 0;
	uint8_t *at;
	int ret = -1;

	for (int i = 0; i < n; i++)
		len += parts[i].iov_len;
	e = entry_new(type, flags, stream, len);
	if (!e)
		return cb_err_nomem(err);
	at = e->payload;
	for (int i = 0; i < n; i++) {
		if (parts[i].iov_len)
			memcpy(at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	pthread_mutex_lock(&r->lock);
	if (r->failed) {
		if (err)
			*err = r->err;
		free(e);
		goto out;
	}
	if (type == CB_FRAME_STREAM && video && stream < CB_STREAMS_MAX) {
		r->video[stream] = true;
		r->any_video = true;
	}
	if (media(e)) {
		e->begins = begins_group(r, e, stream < CB_STREAMS_MAX && r->video[stream]);
		while (r->head && (r->bytes + len > r->max_bytes ||
				   (media(r->head) && e->at - r->head->at > r->max_ns))) {
			size_t before = r->bytes;

			drop_oldest(r);
			if (r->bytes >= before)
				break;
		}
		if (r->skipping && e->begins)
			r->skipping = false;
		if (r->skipping) {
			if (r->tail && r->tail->type == CB_FRAME_GAP && r->tail->packets) {
				r->tail->packets++;
				r->tail->bytes += len - CB_PACKET_FIXED;
				r->w->dropped++;
			} else {
				count_loss(r, r->tail ? &r->tail->next : &r->head, e);
			}
			free(e);
			pthread_cond_signal(&r->more);
			ret = 0;
			goto out;
		}
	}
	if (r->tail)
		r->tail->next = e;
	else
		r->head = e;
	r->tail = e;
	r->bytes += len;
	pthread_cond_signal(&r->more);
	ret = 0;
out:
	pthread_mutex_unlock(&r->lock);
	return ret;
}

int cb_ring_drain(struct cb_ring *r, int64_t ns, struct cb_err *err)
{
	int64_t until = cb_now_mono_ns() + ns;
	struct timespec ts = { until / CB_NS_PER_S, until % CB_NS_PER_S };
	int ret = 0;

	pthread_mutex_lock(&r->lock);
	while ((r->head || r->writing) && !r->failed && ret == 0)
		if (pthread_cond_timedwait(&r->done, &r->lock, &ts) == ETIMEDOUT)
			ret = cb_err_set(err, CB_E_TEMP, "output: its reader does not read");
	if (r->failed) {
		if (err)
			*err = r->err;
		ret = -1;
	}
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static void nothing(int sig)
{
	(void)sig;
}

/* The thread may sit in a write(2) that will never end: interrupt it until it has left. */
static void join(struct cb_ring *r)
{
	struct sigaction sa = { .sa_handler = nothing }, was;
	struct timespec ts;

	r->w->give_up = true;
	sigaction(SIGURG, &sa, &was);
	do {
		pthread_kill(r->thread, SIGURG);
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += 5000000;
		if (ts.tv_nsec >= CB_NS_PER_S) {
			ts.tv_nsec -= CB_NS_PER_S;
			ts.tv_sec++;
		}
	} while (pthread_timedjoin_np(r->thread, NULL, &ts) == ETIMEDOUT);
	sigaction(SIGURG, &was, NULL);
}

void cb_ring_free(struct cb_ring *r)
{
	bool idle;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->closing = true;
	idle = !r->head && !r->writing;
	if (!idle)
		r->failed = true;
	pthread_cond_broadcast(&r->more);
	pthread_mutex_unlock(&r->lock);
	if (idle)
		pthread_join(r->thread, NULL);
	else
		join(r);
	free(r->writing);
	while (r->head) {
		struct entry *e = r->head;

		r->head = e->next;
		free(e);
	}
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->more);
	pthread_cond_destroy(&r->done);
	free(r);
}
