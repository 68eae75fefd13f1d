/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of slots, each some chunks: filled and emptied in order by the caller's thread, sealed
 * or opened by whichever thread is free. */
#include "crypto/agepump.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/num.h"

#define SLOT_CHUNKS 8u
#define WORKERS_MAX 3
#define SLOTS_MAX (2 * WORKERS_MAX + 2)
#define SEALED (CB_AGE_CHUNK + CB_AGE_TAG)

enum state { FREE, READY, BUSY, DONE };

struct slot {
	enum state state;
	uint8_t *in, *out;
	size_t have;			/* bytes in in */
	size_t n, chunks, out_n;	/* bytes of in that are to be done, chunks they are, bytes that came of them */
	uint64_t number;		/* of the first chunk */
	bool last;			/* the last chunk is the last of all */
	const char *wrong;
};

struct cb_age_pump {
	bool encrypt;
	uint8_t key[32];
	int (*put)(void *, const uint8_t *, size_t, struct cb_err *);
	void *ctx;
	size_t unit;			/* bytes of a chunk as it comes in */
	uint64_t number;
	struct slot slot[SLOTS_MAX];
	int slots, cur, oldest;		/* being filled; first that is not put out */
	bool failed;

	int workers, started;
	pthread_t thread[WORKERS_MAX];
	pthread_mutex_t lock;		/* of state and quit */
	pthread_cond_t ready, done;
	bool quit;
};

/* --- chunks ------------------------------------------------------------------------------------ */

static bool open_chunk(const struct cb_age_pump *p, uint8_t *out, const uint8_t *in, size_t n,
		       uint64_t number, bool last)
{
	uint8_t nonce[12] = { 0 };

	cb_put_be64(nonce + 3, number);
	nonce[11] = last;
	return !crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, n, NULL, 0, nonce, p->key);
}

static void decrypt(const struct cb_age_pump *p, struct slot *s)
{
	const uint8_t *in = s->in;
	size_t left = s->n;

	for (size_t i = 0; i < s->chunks; i++) {
		size_t n = left < SEALED ? left : SEALED;
		bool last = s->last && i == s->chunks - 1;
		uint8_t *out = s->out + s->out_n;

		if (n < CB_AGE_TAG || (n == CB_AGE_TAG && s->number + i > 0)) {
			s->wrong = n == CB_AGE_TAG ? "damaged: its last piece is empty" : "cut off";
			return;
		}
		if (!open_chunk(p, out, in, n, s->number + i, last)) {
			s->wrong = last && n < SEALED ? "damaged or cut off" : "damaged";
			/* genuine, but not where it should be? */
			if (n == SEALED && open_chunk(p, out, in, n, s->number + i, !last)) {
				s->out_n += n - CB_AGE_TAG;
				s->wrong = last ? "cut off" : "goes on after its end";
			}
			return;
		}
		s->out_n += n - CB_AGE_TAG;
		in += n;
		left -= n;
	}
}

static void encrypt(const struct cb_age_pump *p, struct slot *s)
{
	const uint8_t *in = s->in;
	size_t left = s->n;

	for (size_t i = 0; i < s->chunks; i++) {
		size_t n = left < CB_AGE_CHUNK ? left : CB_AGE_CHUNK;
		uint8_t nonce[12] = { 0 };

		cb_put_be64(nonce + 3, s->number + i);
		nonce[11] = s->last && i == s->chunks - 1;
		crypto_aead_chacha20poly1305_ietf_encrypt(s->out + s->out_n, NULL, in, n, NULL, 0, NULL,
							  nonce, p->key);
		s->out_n += n + CB_AGE_TAG;
		in += n;
		left -= n;
	}
}

static void work(const struct cb_age_pump *p, struct slot *s)
{
	s->out_n = 0;
	s->wrong = NULL;
	if (p->encrypt)
		encrypt(p, s);
	else
		decrypt(p, s);
}

/* --- threads ------------------------------------------------------------------------------------- */

/* The oldest that nobody is at; the lock is held. */
static struct slot *take(struct cb_age_pump *p)
{
	for (int i = 0; i < p->slots; i++) {
		struct slot *s = &p->slot[(p->oldest + i) % p->slots];

		if (s->state == READY) {
			s->state = BUSY;
			return s;
		}
	}
	return NULL;
}

static void *worker(void *arg)
{
	struct cb_age_pump *p = arg;
	struct slot *s = NULL;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->quit && !(s = take(p)))
			pthread_cond_wait(&p->ready, &p->lock);
		if (p->quit)
			break;
		pthread_mutex_unlock(&p->lock);
		work(p, s);
		pthread_mutex_lock(&p->lock);
		s->state = DONE;
		pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Wait for the oldest slot, working meanwhile, and put it out. */
static int retire(struct cb_age_pump *p, struct cb_err *err)
{
	struct slot *o = &p->slot[p->oldest], *s;

	pthread_mutex_lock(&p->lock);
	while (o->state != DONE) {
		s = take(p);
		if (!s) {
			pthread_cond_wait(&p->done, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		work(p, s);
		pthread_mutex_lock(&p->lock);
		s->state = DONE;
	}
	o->state = FREE;
	p->oldest = (p->oldest + 1) % p->slots;
	pthread_mutex_unlock(&p->lock);
	if (o->out_n && p->put(p->ctx, o->out, o->out_n, err) < 0) {
		p->failed = true;
		return -1;
	}
	if (o->wrong) {
		p->failed = true;
		return cb_err_set(err, CB_E_DATA, "%s", o->wrong);
	}
	return 0;
}

static int slot_new(struct slot *s, struct cb_err *err)
{
	if (s->in)
		return 0;
	s->in = malloc(SLOT_CHUNKS * SEALED + 1);
	s->out = malloc(SLOT_CHUNKS * SEALED);
	if (s->in && s->out)
		return 0;
	free(s->in);
	free(s->out);
	s->in = s->out = NULL;
	return cb_err_nomem(err);
}

/* Hand over the slot being filled, all but what may belong to the last chunk, which goes to the
 * next one; at the end all of it. */
static int submit(struct cb_age_pump *p, bool end, struct cb_err *err)
{
	struct slot *s = &p->slot[p->cur], *next;
	size_t rest;

	if (p->failed)
		return cb_err_set(err, CB_E_BUG, "used after it failed");
	s->chunks = end ? (s->have + p->unit - 1) / p->unit : s->have ? (s->have - 1) / p->unit : 0;
	if (end && !s->have)
		s->chunks = 1;	/* nothing at all: one empty chunk */
	if (!s->chunks)
		return 0;
	s->last = end;
	s->n = end ? s->have : s->chunks * p->unit;
	s->number = p->number;
	p->number += s->chunks;
	rest = s->have - s->n;

	p->cur = (p->cur + 1) % p->slots;
	next = &p->slot[p->cur];
	/* one slot must stay free to be filled */
	if (next == &p->slot[p->oldest] && retire(p, err) < 0)
		return -1;
	if (slot_new(next, err) < 0) {
		p->failed = true;
		return -1;
	}
	memcpy(next->in, s->in + s->n, rest);
	next->have = rest;
	/* a short stream needs no threads */
	if (!end && p->started < p->workers && s->number > 0)
		while (p->started < p->workers &&
		       !pthread_create(&p->thread[p->started], NULL, worker, p))
			p->started++;
	if (p->started < p->workers && s->number > 0)
		p->workers = p->started;
	pthread_mutex_lock(&p->lock);
	s->state = READY;
	pthread_cond_signal(&p->ready);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static int drain(struct cb_age_pump *p, struct cb_err *err)
{
	while (p->oldest != p->cur)
		if (retire(p, err) < 0)
			return -1;
	return 0;
}

/* --- the interface ------------------------------------------------------------------------------- */

int cb_age_pump_new(struct cb_age_pump **ret, bool encrypt, const uint8_t key[static 32],
		    int (*put)(void *, const uint8_t *, size_t, struct cb_err *), void *ctx,
		    struct cb_err *err)
{
	struct cb_age_pump *p = calloc(1, sizeof(*p));
	cpu_set_t cpus;

	if (!p)
		return cb_err_nomem(err);
	p->encrypt = encrypt;
	memcpy(p->key, key, sizeof(p->key));
	p->put = put;
	p->ctx = ctx;
	p->unit = encrypt ? CB_AGE_CHUNK : SEALED;
	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		p->workers = CPU_COUNT(&cpus) - 1;
	if (p->workers > WORKERS_MAX)
		p->workers = WORKERS_MAX;
	p->slots = 2 * p->workers + 2;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->ready, NULL);
	pthread_cond_init(&p->done, NULL);
	if (slot_new(&p->slot[0], err) < 0) {
		cb_age_pump_free(p);
		return -1;
	}
	*ret = p;
	return 0;
}

void cb_age_pump_free(struct cb_age_pump *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->ready);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->started; i++)
		pthread_join(p->thread[i], NULL);
	for (int i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &p->slot[i];

		/* the plain text of a short one may be a key */
		if (s->in && p->number <= 1)
			sodium_memzero(p->encrypt ? s->in : s->out, SLOT_CHUNKS * CB_AGE_CHUNK);
		free(s->in);
		free(s->out);
	}
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->ready);
	pthread_mutex_destroy(&p->lock);
	sodium_memzero(p, sizeof(*p));
	free(p);
}

uint8_t *cb_age_pump_space(struct cb_age_pump *p, size_t *ret_n)
{
	struct slot *s = &p->slot[p->cur];

	*ret_n = SLOT_CHUNKS * p->unit + 1 - s->have;
	return s->in + s->have;
}

int cb_age_pump_filled(struct cb_age_pump *p, size_t n, struct cb_err *err)
{
	struct slot *s = &p->slot[p->cur];

	s->have += n;
	return s->have == SLOT_CHUNKS * p->unit + 1 ? submit(p, false, err) : 0;
}

int cb_age_pump_flush(struct cb_age_pump *p, struct cb_err *err)
{
	return submit(p, false, err) < 0 ? -1 : drain(p, err);
}

int cb_age_pump_end(struct cb_age_pump *p, struct cb_err *err)
{
	return submit(p, true, err) < 0 ? -1 : drain(p, err);
}
