/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of frames with a writing thread; overflow drops groups of pictures and says so. */
#include "wire/ring.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/time.h"
#include "wire/frame-priv.h"

#define LOSS_TEXT "the reader was too slow"
#define LOSS_LEN (CB_GAP_FIXED + sizeof(LOSS_TEXT) - 1)

/* What a GAP of ours stands for. */
struct loss {
	uint64_t packets, bytes;	/* packets > 0 in a GAP of ours, 0 in every other entry */
	int64_t from_ns, to_ns;		/* wall time, 0: unknown */
};

struct entry {
	struct entry *next;
	int64_t at;		/* monotonic, when it came */
	uint8_t type;
	uint16_t flags, stream;
	bool begins;		/* a group of pictures begins here */
	uint32_t len, room;	/* of the payload; LOSS_LEN of room at least */
	struct loss lost;
	uint8_t payload[];
};

struct cb_ring {
	struct cb_writer *w;
	cb_ring_write *write;
	size_t max_bytes, bytes, kept;	/* in memory; of frames that are never dropped */
	int64_t max_ns, oldest;	/* when the first media came that waits here; 0: look */
	struct entry *head, *tail, *writing;
	bool skipping;		/* the rest of a group goes, until one begins */
	bool skip[CB_STREAMS_MAX];	/* the same of one stream of pictures, until its next key */
	bool video[CB_STREAMS_MAX];
	int lead;		/* the stream whose keys begin groups; -1: no pictures */
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

static size_t cost(const struct entry *e)
{
	return sizeof(*e) + e->room;
}

/* Before an entry leaves the queue. */
static void uncount(struct cb_ring *r, const struct entry *e)
{
	r->bytes -= cost(e);
	if (!media(e))
		r->kept -= cost(e);
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
		if (media(e))
			r->oldest = 0;
		r->writing = e;
		pthread_mutex_unlock(&r->lock);

		if (e->lost.packets) {
			struct cb_gap g = { .reason = CB_GAP_OVERFLOW, .text = LOSS_TEXT,
					    .packets = e->lost.packets, .bytes = e->lost.bytes,
					    .from_ns = e->lost.from_ns, .to_ns = e->lost.to_ns };

			e->len = (uint32_t)cb_gap_put(e->payload, &g);
		}
		part = (struct iovec){ e->payload, e->len };
		bad = r->write(r->w, e->type, e->flags, e->stream, &part, 1, &err) < 0;

		pthread_mutex_lock(&r->lock);
		r->writing = NULL;
		uncount(r, e);
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
	sigset_t not_ours, was;
	int e;

	if (!r)
		return cb_err_nomem(err);
	r->w = w;
	r->write = write;
	r->max_bytes = max_bytes;
	r->max_ns = max_ns;
	r->lead = -1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&r->more, &ca);
	pthread_cond_init(&r->done, &ca);
	pthread_condattr_destroy(&ca);
	/* requests to stop are for the thread that reads: they shall wake it */
	sigemptyset(&not_ours);
	sigaddset(&not_ours, SIGTERM);
	sigaddset(&not_ours, SIGINT);
	sigaddset(&not_ours, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &not_ours, &was);
	e = pthread_create(&r->thread, NULL, work, r);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (e) {
		free(r);
		return cb_err_sys(err, CB_E_OS, e, "thread");
	}
	*ret = r;
	return 0;
}

static struct entry *entry_new(uint8_t type, uint16_t flags, uint16_t stream, size_t len)
{
	size_t room = len < LOSS_LEN ? LOSS_LEN : len;
	struct entry *e = malloc(sizeof(*e) + room);

	if (e)
		*e = (struct entry){ .at = cb_now_mono_ns(), .type = type, .flags = flags,
				     .stream = stream, .len = (uint32_t)len, .room = (uint32_t)room };
	return e;
}

/* Count a lost frame in a GAP. */
static void add_loss(struct cb_ring *r, struct loss *l, const struct entry *e)
{
	int64_t wall = 0;

	if (e->len >= CB_PACKET_FIXED) {
		l->bytes += e->len - CB_PACKET_FIXED;
		if (e->payload[40] != CB_WALL_NONE)
			wall = (int64_t)cb_le64(e->payload + 24);
	}
	if (wall && (!l->from_ns || wall < l->from_ns))
		l->from_ns = wall;
	if (wall && (!l->to_ns || wall > l->to_ns))
		l->to_ns = wall;
	l->packets++;
	r->w->dropped++;
}

/* Make a GAP of a frame that is lost, which takes no memory. The entry may move. */
static struct entry *into_gap(struct cb_ring *r, struct entry *e)
{
	struct loss l = { 0 };
	struct entry *small;

	add_loss(r, &l, e);
	e->lost = l;
	e->type = CB_FRAME_GAP;
	e->flags = 0;
	e->begins = false;
	e->len = LOSS_LEN;
	small = realloc(e, sizeof(*e) + LOSS_LEN);
	if (small) {
		e = small;
		e->room = LOSS_LEN;
	}
	return e;
}

/* Shall this packet of a stream of pictures go, because one before it went? */
static bool unusable(bool *skip, const struct cb_ring *r, const struct entry *e)
{
	bool *s = &skip[e->stream];

	if (e->type != CB_FRAME_PACKET || e->stream >= CB_STREAMS_MAX || !r->video[e->stream])
		return false;
	if (e->flags & CB_F_KEY)
		*s = false;
	return *s;
}

static void now_unusable(bool *skip, const struct entry *e)
{
	if (e->type == CB_FRAME_PACKET && e->stream < CB_STREAMS_MAX)
		skip[e->stream] = true;
}

/* Take the oldest group's packets out, and what refers to them; what is no packet stays in
 * its place. */
static void drop_oldest(struct cb_ring *r)
{
	struct entry **at = &r->head, *e, *gap = NULL, *last = NULL;
	bool skip[CB_STREAMS_MAX] = { false }, first = true, over = false;

	r->oldest = 0;
	while ((e = *at) != NULL) {
		if (media(e) && e->begins && !first)
			over = true;
		if (!media(e) || (over && !unusable(skip, r, e))) {
			if (first && e->lost.packets)
				gap = e;
			last = e;
			at = &e->next;
			continue;
		}
		first = false;
		if (!over)
			now_unusable(skip, e);
		uncount(r, e);
		if (gap) {
			*at = e->next;
			add_loss(r, &gap->lost, e);
			free(e);
			continue;
		}
		gap = last = *at = into_gap(r, e);
		r->bytes += cost(gap);
		r->kept += cost(gap);
		at = &gap->next;
	}
	r->tail = last;
	if (!over)
		r->skipping = true;	/* that was everything: the group goes on outside */
	for (int i = 0; i < CB_STREAMS_MAX; i++)
		r->skip[i] |= skip[i] && r->video[i];
}

/* Is there too much with e, or too old? */
static bool overfull(struct cb_ring *r, const struct entry *e)
{
	if (r->bytes - r->kept + cost(e) > r->max_bytes)
		return r->bytes > r->kept;
	if (!r->oldest) {
		const struct entry *m = r->head;

		while (m && !media(m))
			m = m->next;
		r->oldest = m ? m->at : e->at;
	}
	return e->at - r->oldest > r->max_ns;
}

static void append(struct cb_ring *r, struct entry *e)
{
	e->next = NULL;
	if (r->tail)
		r->tail->next = e;
	else
		r->head = e;
	r->tail = e;
	r->bytes += cost(e);
	if (!media(e))
		r->kept += cost(e);
}

static void push_media(struct cb_ring *r, struct entry *e)
{
	bool lost;

	/* without pictures every packet is a group of its own */
	e->begins = e->type == CB_FRAME_PICTURE || r->lead < 0 ||
		    (e->stream == r->lead && (e->flags & CB_F_KEY));
	while (overfull(r, e)) {
		size_t before = r->bytes - r->kept;

		drop_oldest(r);
		if (r->bytes - r->kept >= before)
			break;
	}
	if (e->begins)
		r->skipping = false;
	lost = r->skipping || unusable(r->skip, r, e);
	if (!lost) {
		append(r, e);
		return;
	}
	now_unusable(r->skip, e);
	if (r->tail && r->tail->lost.packets) {
		add_loss(r, &r->tail->lost, e);
		free(e);
	} else {
		append(r, into_gap(r, e));
	}
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
	if (!media(e) && r->kept + cost(e) > r->max_bytes && !r->failed) {
		/* these may not be dropped, and memory must not grow: give the reader up */
		r->failed = true;
		cb_err_set(&r->err, CB_E_TEMP, "output: its reader does not read");
	}
	if (r->failed) {
		if (err)
			*err = r->err;
		free(e);
		goto out;
	}
	if (type == CB_FRAME_STREAM && stream < CB_STREAMS_MAX) {
		r->video[stream] = video;
		if (video && r->lead < 0)
			r->lead = stream;
	}
	if (media(e))
		push_media(r, e);
	else
		append(r, e);
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
