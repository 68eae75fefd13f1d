/* SPDX-License-Identifier: Apache-2.0 */
/* A live source for as long as somebody wants it: the frame stream of one worker after another,
 * as one.
 *
 * This side owns the output: its ring, its sequence numbers, HELLO and END. A worker
 * (live/helper.h) has the connection; it is a process of its own, because it reads what
 * strangers send. Of a worker nothing is taken but whole frames whose checksums, lengths and
 * fields are good, of the kinds that it may send (STREAM, PACKET, GAP, and events about its own
 * camera); one that sends anything else is ended like one that died.
 *
 * A worker that ends, dies or sends no media for too long is no end of the stream. The loss is
 * told at once by the event cb.source.lost; after a while (live/backoff.h) another one is
 * started, and with its first STREAM come a GAP over the time between and cb.source.back.
 * The media watchdog counts packets of video, or of anything where there is no video: neither a
 * connection that stays open nor sound nor events keep a dead picture alive. Time in which our
 * own reader did not read is not counted. */
#ifndef CB_LIVE_LIVE_H
#define CB_LIVE_LIVE_H

#include "base/err.h"
#include "live/spec.h"
#include "wire/frame.h"

enum cb_retry {
	CB_RETRY_NEVER,		/* the first failure is the end */
	CB_RETRY_LATER,		/* once media came everything is tried again; before that nothing */
	CB_RETRY_ALWAYS,	/* also before, unless trying again cannot help: a wrong password, a
				 * source that is none */
};

struct cb_live_opts {
	const char *program;		/* the worker, in libexec */
	struct cb_spec spec;		/* status and credentials are set here */
	const char *secret;		/* "user:password" or NULL */
	const char *camera;
	const char *shown;		/* the source, without its secrets */
	enum cb_retry retry;
	int64_t retry_ns;		/* the first wait (live/backoff.h) */
	bool live;			/* certainly: HELLO need not wait for the source */
	void (*warn)(void *ctx, const char *text);
	void (*note)(void *ctx, const char *text);	/* of little interest */
	void (*progress)(void *ctx, int64_t since_ns, uint64_t bytes);	/* now and then, or NULL */
	void *ctx;
};

/* Until the source ends, somebody asks us to stop (base/stop.h), or trying again is not wanted.
 * Writes HELLO and END. -1: the output failed, or why the source did. */
int cb_live_run(const struct cb_live_opts *o, struct cb_writer *w, struct cb_err *err);

#endif
