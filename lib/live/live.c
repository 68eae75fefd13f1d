/* SPDX-License-Identifier: Apache-2.0 */
/* Workers one after another behind one output. */
#include "live/live.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/stop.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "live/backoff.h"
#include "live/helper.h"
#include "wire/event.h"

#define TEARDOWN_NS (CB_NS_PER_S * 3 / 2)	/* a worker's time to say good-bye */
#define GRACE_NS (CB_NS_PER_S * 2)		/* at most: its own watchdog comes first */
#define STEADY 10				/* media for so many first waits: all is well again */
#define PROGRESS_PACKETS 64
/* Frames that are no media take room that is never given up (wire/ring.h): so many at once, and a second. */
#define OTHERS_BURST 2000
#define OTHERS_PER_S 200

/* How a worker ended. */
enum end {
	END_SOURCE,	/* it said END: the source ended */
	END_STOPPED,	/* it said END: somebody asked for it, --duration */
	END_ERROR,	/* the source failed, or could not be reached */
	END_SILENT,	/* no media: we ended it */
	END_BROKEN,	/* it died, or sent what it may not */
};
static const char *const end_name[] = { "ended", "stopped", "failed", "silent", "worker" };

struct live {
	const struct cb_live_opts *o;
	struct cb_writer *w;
	struct cb_worker worker;
	struct cb_json *json;
	struct cb_buf line;
	uint32_t events;		/* so many of ours, for their ids */

	/* this worker */
	bool hello, asked, silent;
	bool seen[CB_STREAMS_MAX], video[CB_STREAMS_MAX], any_video;
	int64_t deadline;		/* monotonic: the next media, or the end */
	int64_t first_media, fed;	/* monotonic: the first; the last that feeds the watchdog */
	double others;			/* frames that are no media: so many it may send */
	int64_t others_at;		/* monotonic, when that was so */
	int ended;			/* reason of its END; -1 */

	/* all of them */
	bool begun, live, ever;		/* HELLO is out; is it live; media came at some time */
	int64_t since, last_wall;	/* monotonic of the first media; wall of the last */
	uint64_t packets, bytes;
	struct cb_backoff back;
	bool away;
	int64_t away_mono;
	unsigned attempts;
	enum end why;
};

/* --- our own events ---------------------------------------------------------------------------- */

static void event_begin(struct live *l, struct cb_jw *j, const char *type)
{
	int64_t wall = cb_now_wall_ns();
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, l->o->camera, NULL, wall, "", l->events++);
	cb_event_begin(j, &l->line, "cb-ingest", type, l->o->camera, wall, id);
}

static int event_end(struct live *l, struct cb_jw *j, struct cb_err *err)
{
	if (cb_event_end(j, err) < 0)
		return -1;
	return cb_writer_event(l->w, (const char *)l->line.data, l->line.len, err);
}

static int say_lost(struct live *l, enum end how, const char *text, struct cb_err *err)
{
	struct cb_jw j;

	event_begin(l, &j, "cb.source.lost");
	cb_jw_kstr(&j, "reason", end_name[how]);
	cb_jw_kstr(&j, "text", text);
	return event_end(l, &j, err);
}

static int say_back(struct live *l, struct cb_err *err)
{
	struct cb_jw j;

	event_begin(l, &j, "cb.source.back");
	cb_jw_ki64(&j, "away_us", (cb_now_mono_ns() - l->away_mono) / CB_NS_PER_US);
	cb_jw_ku64(&j, "attempts", l->attempts);
	return event_end(l, &j, err);
}

/* From the last packet on until now nothing came. */
static int say_gap(struct live *l, struct cb_err *err)
{
	int64_t now = cb_now_wall_ns();
	struct cb_gap g = { .reason = l->why == END_BROKEN ? CB_GAP_CUT : CB_GAP_SOURCE,
			    .from_ns = l->last_wall, .to_ns = now > l->last_wall ? now : l->last_wall };

	snprintf(g.text, sizeof(g.text), "the source was away (%s)", end_name[l->why]);
	return cb_writer_gap(l->w, 0, &g, err);
}

/* --- what a worker sends ----------------------------------------------------------------------- */

static bool ours(const char *type, size_t n)
{
	static const char *const may[] = { "cb.clock", "cb.stream.", "cb.camera.metadata" };

	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++) {
		size_t len = strlen(may[i]);

		if (n >= len && memcmp(type, may[i], len) == 0 && (n == len || may[i][len - 1] == '.'))
			return true;
	}
	return false;
}

/* An event that a worker may make: about its camera, in our name. */
static int check_event(struct live *l, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_event e;
	const struct cb_json_tok *t;

	if (!l->json && !(l->json = malloc(sizeof(*l->json))))
		return cb_err_nomem(err);
	if (cb_event_parse(&e, l->json, (const char *)f->payload, f->len, err) < 0)
		return -1;
	t = &l->json->tok[e.type];
	if (!cb_json_eq(l->json, e.source, "/cb-ingest") || e.subject == CB_JSON_NONE ||
	    !cb_json_eq(l->json, e.subject, l->o->camera) || t->escaped ||
	    !ours(l->json->text + t->start, t->end - t->start))
		return cb_err_set(err, CB_E_DATA, "an event that is not the worker's to make");
	return 0;
}

static int on_hello(struct live *l, const struct cb_frame *f, struct cb_err *bad, struct cb_err *err)
{
	struct cb_hello h;

	if (cb_hello_parse(&h, f, bad) < 0)
		return -1;
	l->hello = true;
	if (l->begun)
		return 0;
	snprintf(h.producer, sizeof(h.producer), "cb-ingest " CB_VERSION);
	snprintf(h.camera, sizeof(h.camera), "%s", l->o->camera);
	l->begun = true;
	l->live = h.live;
	return cb_writer_hello(l->w, &h, err);
}

static int on_stream(struct live *l, const struct cb_frame *f, struct cb_err *bad, struct cb_err *err)
{
	struct cb_stream s;

	if (cb_stream_parse(&s, f, bad) < 0)
		return -1;
	l->seen[f->stream] = true;
	l->video[f->stream] = s.kind == CB_VIDEO;
	l->any_video = false;
	for (int i = 0; i < CB_STREAMS_MAX; i++)
		l->any_video |= l->video[i];
	if (l->away) {
		if ((l->ever && say_gap(l, err) < 0) || say_back(l, err) < 0)
			return -1;
		l->away = false;
	}
	return cb_writer_forward(l->w, f, err);
}

/* How long we wait for what may take so many time-outs. */
static int64_t patience(const struct live *l, int times)
{
	int64_t ns = l->o->spec.timeout_ns;

	if (ns > CB_NS_PER_S * 3600 * 24)
		return INT64_MAX / 2;
	return times * ns + (ns < GRACE_NS ? ns : GRACE_NS);
}

static int on_packet(struct live *l, const struct cb_frame *f, struct cb_err *bad, struct cb_err *err)
{
	struct cb_packet p;
	int64_t now;

	if (cb_packet_parse(&p, f, bad) < 0)
		return -1;
	if (!l->seen[f->stream])
		return cb_err_set(bad, CB_E_DATA, "a packet of stream %u before its STREAM", f->stream);
	if (cb_writer_forward(l->w, f, err) < 0)
		return -1;
	now = cb_now_mono_ns();
	if (!l->since)
		l->since = now;
	if (!l->first_media)
		l->first_media = now;
	l->ever = true;
	l->last_wall = p.wall_source == CB_WALL_NONE ? cb_now_wall_ns() : p.wall_ns;
	l->packets++;
	l->bytes += p.len;
	if (l->video[f->stream] || !l->any_video) {
		l->fed = now;
		if (!l->asked)
			l->deadline = now + patience(l, 1);
	}
	if (now - l->first_media >= STEADY * l->o->retry_ns)
		l->back.failed = 0;
	if (l->o->progress && l->packets % PROGRESS_PACKETS == 0)
		l->o->progress(l->o->ctx, now - l->since, l->bytes);
	return 0;
}

/* One more frame that is no media. */
static int one_other(struct live *l, struct cb_err *bad)
{
	int64_t now = cb_now_mono_ns();

	l->others += (double)(now - l->others_at) / 1e9 * OTHERS_PER_S;
	if (l->others > OTHERS_BURST)
		l->others = OTHERS_BURST;
	l->others_at = now;
	if (l->others < 1)
		return cb_err_set(bad, CB_E_DATA, "too many frames that are no media");
	l->others--;
	return 0;
}

/* -1 with err: the output failed; with bad: the worker is no good. */
static int one_frame(struct live *l, const struct cb_frame *f, struct cb_err *bad, struct cb_err *err)
{
	struct cb_gap g;
	struct cb_end e;

	if (f->type != CB_FRAME_PACKET && f->type != CB_FRAME_END && one_other(l, bad) < 0)
		return -1;
	if (f->type == CB_FRAME_HELLO)
		return on_hello(l, f, bad, err);
	switch (f->type) {
	case CB_FRAME_STREAM:
		return on_stream(l, f, bad, err);
	case CB_FRAME_PACKET:
		return on_packet(l, f, bad, err);
	case CB_FRAME_EVENT:
		return check_event(l, f, bad) < 0 ? -1 : cb_writer_forward(l->w, f, err);
	case CB_FRAME_GAP:
		return cb_gap_parse(&g, f, bad) < 0 ? -1 : cb_writer_forward(l->w, f, err);
	case CB_FRAME_END:
		if (cb_end_parse(&e, f, bad) < 0)
			return -1;
		l->ended = e.reason;
		return 0;
	}
	return cb_err_set(bad, CB_E_DATA, "a frame of type %u", f->type);
}

/* --- one worker -------------------------------------------------------------------------------- */

/* Ask it to leave; a second time, make it. */
static void end_worker(struct live *l)
{
	kill(l->worker.pid, l->asked ? SIGKILL : SIGTERM);
	l->deadline = l->asked ? INT64_MAX : cb_now_mono_ns() + TEARDOWN_NS;
	l->asked = true;
}

/* The clock has gone on: is anything due? */
static void watch(struct live *l)
{
	if (cb_stop_wanted() && !l->asked) {
		end_worker(l);
	} else if (cb_now_mono_ns() >= l->deadline) {
		l->silent |= !cb_stop_wanted();
		end_worker(l);
	}
}

static void wait_for_worker(void *ctx)
{
	struct live *l = ctx;
	struct pollfd p = { .fd = l->worker.out, .events = POLLIN };
	int64_t ms;

	for (;;) {
		watch(l);
		if (cb_stop_wanted())	/* the reader knows how long to wait then */
			return;
		ms = l->deadline >= INT64_MAX / 2 ? -1 : (l->deadline - cb_now_mono_ns()) / 1000000 + 1;
		if (poll(&p, 1, ms > 3600000 ? 3600000 : (int)ms) > 0)
			return;
	}
}

/* From its first frame to its last. how and what: how it ended. -1: the output failed. */
static int attend(struct live *l, enum end *how, struct cb_err *what, struct cb_err *err)
{
	struct cb_err bad = CB_ERR_INIT, status;
	struct cb_reader r;
	struct cb_frame f;
	int k, ret = 0;

	l->hello = l->asked = l->silent = l->any_video = false;
	l->first_media = l->fed = 0;
	l->others = OTHERS_BURST;
	l->others_at = cb_now_mono_ns();
	l->ended = -1;
	memset(l->seen, 0, sizeof(l->seen));
	memset(l->video, 0, sizeof(l->video));
	/* connecting takes several answers, each of which may take its time */
	l->deadline = cb_now_mono_ns() + patience(l, 4);
	cb_reader_init(&r, l->worker.out);
	r.before_block = wait_for_worker;
	r.ctx = l;
	while ((k = cb_reader_next(&r, &f, &bad)) > 0) {
		ret = one_frame(l, &f, &bad, err);
		if (ret < 0 || l->ended >= 0)
			break;
		watch(l);	/* there may be no time at which nothing comes */
	}
	cb_reader_release(&r);
	if (ret < 0 && !err->code)
		ret = 0;
	else if (ret < 0)
		bad = (struct cb_err)CB_ERR_INIT;
	if (ret < 0 || bad.code || (k == 0 && !l->asked && cb_stop_wanted()))
		kill(l->worker.pid, SIGTERM);
	cb_worker_end(&l->worker, TEARDOWN_NS, &status);
	*what = status;
	if (l->silent) {
		*how = END_SILENT;
		cb_err_set(what, CB_E_UNAVAIL, "%s: no %s for %.3g s", l->o->shown, l->any_video ? "video" : "data",
			   (double)l->o->spec.timeout_ns / 1e9);
	} else if (bad.code) {
		*how = END_BROKEN;
		cb_err_set(what, CB_E_UNAVAIL, "%s: the worker sent what it may not: %.300s", l->o->shown, bad.msg);
	} else if (l->ended == CB_END_EOF && !status.code) {
		*how = END_SOURCE;
	} else if (l->ended == CB_END_STOPPED && !status.code) {
		*how = END_STOPPED;
	} else if (status.code && *status.msg && (l->ended == CB_END_ERROR || !l->hello)) {
		/* the worker has a watchdog, too, which is the first to bark */
		*how = l->fed && cb_now_mono_ns() - l->fed >= l->o->spec.timeout_ns ? END_SILENT : END_ERROR;
	} else {
		*how = END_BROKEN;
		if (!status.code)
			cb_err_set(what, CB_E_UNAVAIL, "the worker left in the middle of its stream");
		cb_err_prefix(what, "%s", l->o->shown);
	}
	return ret;
}

/* --- one after another --------------------------------------------------------------------------- */

/* Can it help to try again, although nothing ever came? */
static bool passing(enum cb_errc code)
{
	return code == CB_E_UNAVAIL || code == CB_E_NOINPUT || code == CB_E_PROTOCOL || code == CB_E_TEMP ||
	       code == CB_E_IO;
}

/* false: asked to stop meanwhile. */
static bool sleep_ns(int64_t ns)
{
	int64_t until = cb_now_mono_ns() + ns, left;

	while (!cb_stop_wanted()) {
		left = until - cb_now_mono_ns();
		if (left <= 0)
			return true;
		poll(NULL, 0, (int)(left / 1000000) + 1);
	}
	return false;
}

static int open_stream(struct live *l, struct cb_err *err)
{
	struct cb_hello h = { .live = true, .wall_ns = cb_now_wall_ns(), .mono_ns = (uint64_t)cb_now_mono_ns(),
			      .wall_source = CB_WALL_ARRIVAL, .producer = "cb-ingest " CB_VERSION };

	snprintf(h.camera, sizeof(h.camera), "%s", l->o->camera);
	l->begun = l->live = true;
	return cb_writer_hello(l->w, &h, err);
}

/* The source is gone, or did not come. 1: try again; 0: that is the end; -1: the output failed. */
static int lost(struct live *l, enum end how, const struct cb_err *what, struct cb_err *err)
{
	const char *text = *what->msg ? what->msg : "the source ended";
	uint64_t chance = 0;
	char say[700];
	int64_t ns;

	if (l->o->retry == CB_RETRY_NEVER || (how == END_SOURCE && l->begun && !l->live))
		return 0;
	if (!l->ever && (l->o->retry == CB_RETRY_LATER || (how != END_SOURCE && !passing(what->code))))
		return 0;
	if (!l->away) {
		l->away = true;
		l->away_mono = cb_now_mono_ns();
		l->attempts = 0;
		l->why = how;
		if (!l->begun && l->o->live && open_stream(l, err) < 0)
			return -1;
		if (l->begun && say_lost(l, how, text, err) < 0)
			return -1;
		snprintf(say, sizeof(say), "%s; it is tried again", text);
		l->o->warn(l->o->ctx, say);
	}
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = (uint64_t)cb_now_mono_ns();
	if (what->code == CB_E_PERM && l->back.failed < CB_BACKOFF_LAST)
		l->back.failed = CB_BACKOFF_LAST;	/* too many of those lock an account */
	ns = cb_backoff_next_ns(&l->back, chance);
	snprintf(say, sizeof(say), "%s; again in %.1f s", text, (double)ns / 1e9);
	l->o->note(l->o->ctx, say);
	sleep_ns(ns);
	return 1;
}

/* Media time that is left of --duration: a connection counts its own. */
static bool time_left(const struct live *l, struct cb_spec *s)
{
	*s = l->o->spec;
	if (s->duration_ns && l->since) {
		s->duration_ns -= cb_now_mono_ns() - l->since;
		return s->duration_ns > 0;
	}
	return true;
}

int cb_live_run(const struct cb_live_opts *o, struct cb_writer *w, struct cb_err *err)
{
	struct live l = { .o = o, .w = w, .back = { .first_ns = o->retry_ns } };
	uint16_t reason = CB_END_STOPPED;
	struct cb_err what = CB_ERR_INIT;
	int ret = -1, k;

	while (!cb_stop_wanted()) {
		enum end how = END_ERROR;
		struct cb_spec s;

		if (!time_left(&l, &s))
			break;
		l.attempts++;
		if (cb_worker_start(&l.worker, o->program, &s, o->secret, &what) == 0 &&
		    attend(&l, &how, &what, err) < 0)
			goto out;
		if (how == END_STOPPED || cb_stop_wanted())
			break;
		k = lost(&l, how, &what, err);
		if (k < 0)
			goto out;
		if (k == 0) {
			if (how != END_SOURCE)
				*err = what;
			reason = how == END_SOURCE ? CB_END_EOF : CB_END_ERROR;
			break;
		}
		what = (struct cb_err)CB_ERR_INIT;
	}
	what = (struct cb_err)CB_ERR_INIT;
	/* asked to stop before anything came is no failure, and so there is a stream, if an empty one */
	if (!l.begun && !err->code && reason == CB_END_STOPPED && open_stream(&l, &what) < 0) {
		*err = what;
		goto out;
	}
	if (l.begun && ((l.away && l.ever && say_gap(&l, &what) < 0) || cb_writer_end(w, reason, &what) < 0)) {
		*err = what;
		goto out;
	}
	ret = err->code ? -1 : 0;
out:
	free(l.json);
	cb_buf_release(&l.line);
	return ret;
}
