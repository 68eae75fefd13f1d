/* SPDX-License-Identifier: Apache-2.0 */
/* The analysis loop: which packets to decode, which pictures to look at, what to say. */
#include "detect/detect.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "detect/gate.h"
#include "detect/health.h"
#include "detect/ident.h"
#include "detect/spool.h"
#include "media/decode.h"
#include "media/fit.h"
#include "media/luma.h"

#define TABLE 256		/* packets whose pictures may still come */
#define RUN_EVERY_US 60000000
#define BEHIND_NS (CB_NS_PER_S / 2)		/* then analysis is left out */
#define FAR_BEHIND_NS (3 * CB_NS_PER_S)		/* then decoding, up to the next keyframe */
#define HOLD_LIVE 32		/* packets that may have to be decoded at once */
#define TAINT_US 10000000	/* after damage, where no keyframe comes to end it */
#define AHEAD 6			/* pictures made ready beyond those looked at */
#define HELD_BYTES (8u << 20)	/* of frames behind a picture that is looked at */

/* A packet given to the decoder, as far as its pictures' events need it. */
struct entry {
	uint64_t number;
	int64_t pts, t_us, wall_ns;
	uint8_t digest[CB_SHA256_LEN];
	bool chosen;
	uint32_t pictures;
};

/* A picture on its way through the crew, and what its line says besides the objects. */
struct shot {
	struct cb_task task;
	struct entry e;
	uint32_t width, height;
	bool damaged;
	uint64_t skipped;
	struct cb_motion_result m;
	bool held;		/* what was found in the one before holds */
	uint64_t scene;		/* whose gate wants to know */
};

struct cb_detect {
	const struct cb_detect_opts *o;
	struct cb_pick pick;
	struct cb_crew *crew;
	const struct cb_model *model;
	struct cb_ident id;
	struct cb_sink *sink;
	struct cb_detect_stats stats;
	char camera[CB_NAME_MAX + 1];
	bool live, begun;
	int64_t start_ns;

	/* the stream */
	int stream;			/* -1: not known yet */
	struct cb_buf params;		/* its last STREAM payload */
	uint32_t tb_num, tb_den;
	struct cb_decoder *dec;
	bool wait_key, tainted, failed;		/* failed: its decoder could not be opened */
	struct cb_err why;
	uint64_t number;		/* packets given to the decoder */
	struct entry table[TABLE];
	struct entry last;		/* of the last picture analysed */
	int64_t t_us, run_us, taint_us;
	bool timed;

	/* live */
	bool based;
	int64_t base_ns, based_ns;
	uint64_t skipped;		/* since the last event */

	/* the small picture */
	struct cb_fit *fit;
	struct cb_motion *motion;
	struct cb_health *health;
	uint8_t lines[CB_HEALTH_LINES * CB_HEALTH_LINE_MAX];
	uint32_t pic_w, pic_h, w, h;
	uint8_t *gray;

	/* what is looked at, in its order: the last `open` before `next` in a ring */
	struct cb_prep *prep;
	struct shot *shot;
	int shots, open, next;
	struct cb_gate *gate;
	uint64_t scene;			/* counts gates */
	struct cb_object found[CB_OBJECTS_MAX];	/* in the last one that was written */
	int nfound;
	int wake;			/* an eventfd: one of them is done */
	struct cb_spool spool;
	struct cb_err idle_err;
	struct cb_buf line;
};

int cb_detect_crew(struct cb_crew **ret, struct cb_detect_opts *o, int cores, struct cb_err *err)
{
	o->objects.region = o->region;
	o->objects.regions = o->regions;
	o->objects.floor = o->gate ? cb_gate_floor(o->objects.threshold) : 0;
	return cb_crew_open(ret, o->model ? &o->objects : NULL, cores, err);
}

int cb_detect_open(struct cb_detect **ret, const struct cb_detect_opts *opts, struct cb_crew *crew,
		   struct cb_err *err)
{
	struct cb_detect *d = calloc(1, sizeof *d);

	if (!d)
		return cb_err_nomem(err);
	d->o = opts;
	d->pick = opts->pick;
	d->crew = crew;
	d->model = cb_crew_model(crew);
	d->stream = -1;
	d->shots = cb_crew_parallel(crew) ? cb_crew_cores(crew) + AHEAD : 1;
	if (opts->gate && d->shots > CB_GATE_LAG)
		d->shots = CB_GATE_LAG;	/* so that it is told in time */
	d->shot = calloc((size_t)d->shots, sizeof *d->shot);
	d->wake = eventfd(0, EFD_CLOEXEC);
	if (!d->shot)
		cb_err_nomem(err);
	else if (d->wake < 0)
		cb_err_sys(err, CB_E_OS, errno, "eventfd");
	else if ((!d->model || cb_prep_new(&d->prep, d->model, err) == 0) &&
		 cb_ident_make(&d->id, d->o, d->model, err) == 0) {
		*ret = d;
		return 0;
	}
	cb_detect_free(d);
	return -1;
}

void cb_detect_sink(struct cb_detect *d, struct cb_sink *sink)
{
	d->sink = d->spool.sink = sink;
}

void cb_detect_flush(struct cb_detect *d)
{
	cb_sink_flush(d->sink);
}

bool cb_detect_output_failed(const struct cb_detect *d)
{
	bool failed;

	if (!d->sink->ndjson)
		return false;
	if (d->sink->lock)
		pthread_mutex_lock(d->sink->lock);
	failed = d->sink->ndjson->failed;
	if (d->sink->lock)
		pthread_mutex_unlock(d->sink->lock);
	return failed;
}

const struct cb_detect_stats *cb_detect_stats(const struct cb_detect *d)
{
	return &d->stats;
}

static void forget_picture(struct cb_detect *d)
{
	cb_fit_free(d->fit);
	cb_motion_free(d->motion);
	cb_health_free(d->health);
	cb_gate_free(d->gate);
	free(d->gray);
	d->fit = NULL;
	d->motion = NULL;
	d->health = NULL;
	d->gate = NULL;
	d->gray = NULL;
	d->pic_w = d->pic_h = 0;
}

/* Until one of the crew is done with one of ours. */
static void wait_for_crew(struct cb_detect *d)
{
	uint64_t n;

	while (read(d->wake, &n, sizeof n) < 0 && errno == EINTR)
		continue;
}

void cb_detect_free(struct cb_detect *d)
{
	if (!d)
		return;
	for (; d->open; d->open--)
		while (!cb_crew_done(d->crew, &d->shot[(d->next + d->shots - d->open) % d->shots].task))
			wait_for_crew(d);
	for (int i = 0; d->shot && i < d->shots; i++)
		cb_input_release(&d->shot[i].task.in);
	free(d->shot);
	if (d->wake >= 0)
		close(d->wake);
	cb_spool_release(&d->spool);
	cb_prep_free(d->prep);
	cb_decoder_free(d->dec);
	forget_picture(d);
	cb_buf_release(&d->params);
	cb_buf_release(&d->line);
	free(d);
}

/* --- events ------------------------------------------------------------------------------------ */

static int end(struct cb_detect *d, struct cb_jw *w, struct cb_err *err)
{
	return cb_event_end(w, err) < 0 ? -1 : cb_spool_line(&d->spool, &d->line, err);
}

static int emit_run(struct cb_detect *d, int64_t wall_ns, struct cb_err *err)
{
	struct cb_jw w;
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, "cb.run", d->camera, NULL, wall_ns, d->id.run, (uint32_t)d->stats.packets);
	cb_event_begin(&w, &d->line, d->o->tool, "cb.run", d->camera, wall_ns, id);
	cb_ident_write(&w, &d->id, d->o, d->model);
	cb_jw_ku64(&w, "packets", d->stats.packets);
	cb_jw_ku64(&w, "analysed", d->stats.analysed);
	cb_jw_ku64(&w, "skipped", d->stats.skipped);
	if (d->o->gate)
		cb_jw_ku64(&w, "held", d->stats.held);
	cb_jw_ku64(&w, "decode_errors", d->stats.decode_errors);
	return end(d, &w, err);
}

/* Envelope, stream, pts: what all events of a picture begin with. */
static void begin_nth(struct cb_detect *d, struct cb_jw *w, const char *type, const struct entry *e, uint32_t n)
{
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, d->camera, e->digest, e->pts, d->id.run, n);
	cb_event_begin(w, &d->line, d->o->tool, type, d->camera, e->wall_ns, id);
	cb_jw_ki64(w, "stream", d->stream);
	if (e->pts == CB_NOPTS) {
		cb_jw_key(w, "pts");
		cb_jw_null(w);
	} else {
		cb_jw_ki64(w, "pts", e->pts);
	}
}

static void begin(struct cb_detect *d, struct cb_jw *w, const char *type, const struct entry *e)
{
	begin_nth(d, w, type, e, e->pictures);
}

static void unit(struct cb_jw *w, int32_t v)
{
	cb_jw_fixed(w, v / (double)CB_UNIT, 4);
}

static void box(struct cb_jw *w, const struct cb_ubox *b)
{
	cb_jw_arr(w);
	unit(w, b->x);
	unit(w, b->y);
	unit(w, b->w);
	unit(w, b->h);
	cb_jw_arr_end(w);
}

static void key_unit(struct cb_jw *w, const char *key, int32_t v)
{
	cb_jw_key(w, key);
	unit(w, v);
}

static int emit_motion(struct cb_detect *d, const char *type, const struct entry *e, int32_t score,
		       int64_t duration_us, struct cb_err *err)
{
	struct cb_jw w;

	begin(d, &w, type, e);
	cb_jw_kstr(&w, "run", d->id.run);
	key_unit(&w, "score", score);
	if (duration_us >= 0)
		cb_jw_ki64(&w, "duration_us", duration_us);
	return end(d, &w, err);
}

/* The line of a picture that was looked at, now that it is its turn. */
static int emit_detection(struct cb_detect *d, const struct shot *s, struct cb_err *err)
{
	const struct cb_task *t = &s->task;
	char hex[CB_SHA256_HEX];
	struct cb_jw w;

	if (t->objects < 0) {
		if (err)
			*err = t->err;
		return -1;
	}
	if (!s->held) {
		if (d->gate && s->scene == d->scene)
			cb_gate_tell(d->gate, t->object, t->objects);
		for (d->nfound = 0; d->nfound < t->objects; d->nfound++) {
			if (t->object[d->nfound].score < d->o->objects.threshold)
				break;
			d->found[d->nfound] = t->object[d->nfound];
		}
	}
	d->stats.objects += (uint64_t)d->nfound;
	begin(d, &w, "cb.detection", &s->e);
	cb_hex(hex, s->e.digest, sizeof s->e.digest);
	cb_jw_kstr(&w, "packet", hex);
	cb_jw_kstr(&w, "run", d->id.run);
	cb_jw_ki64(&w, "width", s->width);
	cb_jw_ki64(&w, "height", s->height);
	cb_jw_key(&w, "objects");
	cb_jw_arr(&w);
	for (int i = 0; i < d->nfound; i++) {
		const struct cb_object *o = &d->found[i];

		cb_jw_obj(&w);
		cb_jw_kstr(&w, "class", cb_model_class(d->model, o->class_id));
		cb_jw_ki64(&w, "class_id", o->class_id);
		key_unit(&w, "score", o->score);
		cb_jw_key(&w, "box");
		box(&w, &o->box);
		cb_jw_obj_end(&w);
	}
	cb_jw_arr_end(&w);
	cb_jw_key(&w, "motion");
	cb_jw_obj(&w);
	key_unit(&w, "score", s->m.score);
	cb_jw_key(&w, "boxes");
	cb_jw_arr(&w);
	for (int i = 0; i < s->m.n; i++)
		box(&w, &s->m.box[i]);
	cb_jw_arr_end(&w);
	cb_jw_obj_end(&w);
	if (s->held)
		cb_jw_kbool(&w, "held", true);
	if (s->damaged)
		cb_jw_kbool(&w, "damaged", true);
	if (s->skipped)
		cb_jw_ku64(&w, "skipped", s->skipped);
	return cb_event_end(&w, err) < 0 ? -1 : cb_sink_event(d->sink, &d->line, err);
}

/* A number of 1/10000, which may be more than one. */
static void key_number(struct cb_jw *w, const char *key, int64_t v)
{
	cb_jw_key(w, key);
	cb_jw_fixed(w, (double)v / CB_UNIT, 4);
}

static int emit_health(struct cb_detect *d, const struct entry *e, const struct cb_health_result *r,
		       struct cb_err *err)
{
	static const char *const ends[] = { "over", "accepted", "stream" };
	char hex[CB_SHA256_HEX], type[32];
	struct cb_jw w;

	cb_hex(hex, e->digest, sizeof e->digest);
	for (int i = 0; i < r->n; i++) {
		const struct cb_health_change *c = &r->change[i];

		snprintf(type, sizeof type, "cb.camera.%s", cb_condition_name(c->condition));
		/* one that ended and one that began may stand at one picture */
		begin_nth(d, &w, type, e, e->pictures * 2 + c->start);
		cb_jw_kstr(&w, "packet", hex);
		cb_jw_kstr(&w, "run", d->id.run);
		cb_jw_kstr(&w, "state", c->start ? "start" : "end");
		if (cb_condition_topic(c->condition))
			cb_jw_kstr(&w, "onvif", cb_condition_topic(c->condition));
		cb_jw_ki64(&w, "since_us", e->wall_ns / 1000 - c->ago_us);
		key_number(&w, "value", c->value);
		key_number(&w, "threshold", c->threshold);
		if (c->shifted) {
			cb_jw_key(&w, "shift");
			cb_jw_arr(&w);
			unit(&w, c->dx);
			unit(&w, c->dy);
			cb_jw_arr_end(&w);
		}
		if (!c->start) {
			cb_jw_ki64(&w, "duration_us", c->duration_us);
			cb_jw_kstr(&w, "reason", ends[c->end]);
		}
		if (end(d, &w, err) < 0)
			return -1;
	}
	return 0;
}

/* What was going on when the stream, or its pictures of one size, ended. */
static int emit_ends(struct cb_detect *d, struct cb_err *err)
{
	struct cb_motion_result m = { 0 };
	struct cb_health_result h = { 0 };

	if (d->motion)
		cb_motion_finish(d->motion, &m);
	if (m.ended && emit_motion(d, "cb.motion.end", &d->last, m.peak, m.duration_us, err) < 0)
		return -1;
	if (d->health)
		cb_health_finish(d->health, &h);
	return emit_health(d, &d->last, &h, err);
}

/* Write what can be written. */
static int settle(struct cb_detect *d, struct cb_err *err)
{
	void *at;

	for (;;) {
		struct shot *s;

		if (cb_spool_flush(&d->spool, &at, err) < 0)
			return -1;
		s = at;
		if (!s || !cb_crew_done(d->crew, &s->task))
			return 0;
		if (emit_detection(d, s, err) < 0)
			return -1;
		cb_spool_pop(&d->spool);
		d->open--;
	}
}

/* Write until no more pictures are looked at, nor frames held. */
static int settle_to(struct cb_detect *d, int open, size_t bytes, struct cb_err *err)
{
	for (;;) {
		if (settle(d, err) < 0)
			return -1;
		if (d->open <= open && (d->spool.bytes <= bytes || !d->open))
			return 0;
		wait_for_crew(d);
	}
}

void cb_detect_idle(struct cb_detect *d, int fd)
{
	for (;;) {
		struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = d->wake, .events = POLLIN } };

		if (d->idle_err.code || settle(d, &d->idle_err) < 0)
			return;
		cb_sink_flush(d->sink);
		if (!d->open || cb_stop_wanted() || (poll(p, 2, -1) < 0 && errno != EINTR) || p[0].revents)
			return;
		if (p[1].revents)
			wait_for_crew(d);
	}
}

/* --- pictures ---------------------------------------------------------------------------------- */

static int resize(struct cb_detect *d, const struct cb_picture *pic, struct cb_err *err)
{
	uint8_t *mask = NULL;
	int r = -1;

	if (d->motion && d->pic_w == pic->width && d->pic_h == pic->height)
		return 0;
	if (emit_ends(d, err) < 0)
		return -1;
	forget_picture(d);
	cb_motion_size(pic->width, pic->height, &d->w, &d->h);
	d->gray = malloc((size_t)d->w * d->h);
	mask = malloc((size_t)d->w * d->h);
	if (!d->gray || !mask) {
		cb_err_nomem(err);
		goto out;
	}
	cb_regions_mask(d->o->region, d->o->regions, d->w, d->h, mask);
	if (cb_fit_new(&d->fit, d->w, d->h, CB_FIT_GRAY, err) < 0 ||
	    cb_motion_new(&d->motion, d->w, d->h, mask, err) < 0 ||
	    (d->o->gate && cb_gate_new(&d->gate, d->w, d->h, d->o->objects.threshold, err) < 0) ||
	    (d->o->health && cb_health_new(&d->health, d->w, d->h, pic->width, pic->height,
					   d->o->frozen_us, err) < 0))
		goto out;
	d->scene++;
	d->pic_w = pic->width;
	d->pic_h = pic->height;
	r = 0;
out:
	free(mask);
	return r;
}

/* Room for one more picture: 1; 0 on a live stream that is not to wait for it. */
static int have_room(struct cb_detect *d, struct cb_err *err)
{
	int r;

	if (d->open < d->shots && !(d->live && cb_crew_wait_ns(d->crew) > BEHIND_NS))
		return 1;
	cb_crew_leave(d->crew);
	r = d->live ? settle(d, err) : settle_to(d, d->shots - 1, HELD_BYTES, err);
	cb_crew_enter(d->crew);
	if (r < 0)
		return -1;
	return d->open < d->shots && !(d->live && cb_crew_wait_ns(d->crew) > BEHIND_NS);
}

static void look_after(struct cb_detect *d, const struct cb_picture *pic, int64_t t_us,
		       struct cb_health_result *ret)
{
	bool lines = cb_health_due(d->health, t_us);
	uint32_t x, y, n = 0;

	for (int i = 0; lines && i < CB_HEALTH_LINES; i++) {
		n = cb_health_line(d->health, i, &x, &y);
		lines = n && cb_luma_line(pic, x, y, n, d->lines + (size_t)i * n);
	}
	cb_health_run(d->health, d->gray, lines ? d->lines : NULL, t_us, ret);
}

static int analyse(struct cb_detect *d, const struct cb_picture *pic, struct entry *e, struct cb_err *err)
{
	struct cb_err odd = CB_ERR_INIT;
	struct cb_health_result h = { 0 };
	struct cb_motion_result *m;
	struct shot *s;
	int r = have_room(d, err);

	if (r < 0)
		return -1;
	if (!r) {
		d->skipped++;
		d->stats.skipped++;
		return 0;
	}
	if (resize(d, pic, err) < 0)
		return -1;
	s = &d->shot[d->next];
	if (d->model && !s->task.in.planes && !s->task.in.packed && cb_input_init(&s->task.in, d->model, err) < 0)
		return -1;
	/* a picture that cannot be converted is as good as one that cannot be decoded */
	if (cb_fit_run(d->fit, pic, d->gray, d->w, 0, &odd) < 0 ||
	    (d->model && !d->gate && cb_prep_run(d->prep, pic, &s->task.in, &odd) < 0)) {
		d->stats.decode_errors++;
		return 0;
	}
	m = &s->m;
	*m = (struct cb_motion_result){ 0 };
	/* what a decoder made up for lost data moves, but nothing in the scene does */
	if (!pic->corrupt)
		cb_motion_run(d->motion, d->gray, e->t_us, m);
	if (!pic->corrupt && d->health)
		look_after(d, pic, e->t_us, &h);
	/* a gate counts looks: having asked it we look */
	s->held = d->gate && !cb_gate_look(d->gate, d->gray, e->t_us,
					   pic->corrupt || m->score || m->scene || m->lights);
	if (d->gate && !s->held && cb_prep_run(d->prep, pic, &s->task.in, err) < 0)
		return -1;
	d->stats.held += s->held;
	d->stats.analysed++;
	d->stats.moving += m->score > 0;
	d->last = *e;
	if (m->ended && emit_motion(d, "cb.motion.end", e, m->peak, m->duration_us, err) < 0)
		return -1;
	if (m->scene && emit_motion(d, "cb.scene.change", e, m->scene_score, -1, err) < 0)
		return -1;
	if (m->started && emit_motion(d, "cb.motion.start", e, m->score, -1, err) < 0)
		return -1;
	if (emit_health(d, e, &h, err) < 0)
		return -1;
	s->e = *e;
	s->width = pic->width;
	s->height = pic->height;
	s->damaged = pic->corrupt;
	s->skipped = d->skipped;
	s->scene = d->scene;
	s->task.wake = d->wake;
	s->task.done = s->held;
	if (cb_spool_place(&d->spool, s, err) < 0)
		return -1;
	d->skipped = 0;
	d->next = (d->next + 1) % d->shots;
	d->open++;
	e->pictures++;
	if (!s->held)
		cb_crew_put(d->crew, &s->task);
	return 0;
}

/* Take what the decoder has; *ret_bad where it complained. */
static int pictures(struct cb_detect *d, bool *ret_bad, struct cb_err *err)
{
	struct cb_picture pic;
	struct cb_err why;
	struct entry *e;
	int r;

	while ((r = cb_decoder_next(d->dec, &pic, &why)) != 0) {
		if (r < 0) {
			if (why.code == CB_E_OS) {
				if (err)
					*err = why;
				return -1;
			}
			*ret_bad = true;
			continue;
		}
		e = &d->table[pic.packet % TABLE];
		if (!pic.packet || e->number != pic.packet) {
			*ret_bad = true;
			continue;
		}
		/* damage stays in what is predicted from it, and decoders do not say so */
		*ret_bad |= pic.corrupt;
		if (*ret_bad) {
			d->tainted = true;
			d->taint_us = e->t_us;
		} else if (pic.key || e->t_us - d->taint_us > TAINT_US || e->t_us < d->taint_us - TAINT_US) {
			d->tainted = false;
		}
		pic.corrupt |= d->tainted;
		if (e->chosen && analyse(d, &pic, e, err) < 0)
			return -1;
	}
	return 0;
}

/* Get the last pictures out and be ready for a packet that follows nothing. */
static int drain(struct cb_detect *d, struct cb_err *err)
{
	bool bad = false;

	if (!d->dec)
		return 0;
	if (cb_decoder_send(d->dec, NULL, NULL) < 0)
		bad = true;
	if (pictures(d, &bad, err) < 0)
		return -1;
	cb_decoder_flush(d->dec);
	d->stats.decode_errors += bad;
	return 0;
}

/* --- packets ------------------------------------------------------------------------------------ */

static int64_t stream_us(const struct cb_detect *d, const struct cb_packet *p)
{
	int64_t ts = p->pts != CB_NOPTS ? p->pts : p->dts;
	__int128 v;

	if (ts == CB_NOPTS)
		return d->timed ? d->t_us + 40000 : 0;
	v = (__int128)ts * d->tb_num * 1000000;
	v /= d->tb_den;
	/* as far as sums of such times still fit */
	return v > INT64_MAX / 4 ? INT64_MAX / 4 : v < INT64_MIN / 4 ? INT64_MIN / 4 : (int64_t)v;
}

/* How far behind the best that was ever reached this packet is. The measure forgets a
 * thousandth a second, so that two clocks that drift apart do not matter. */
static int64_t behind(struct cb_detect *d, const struct cb_packet *p)
{
	int64_t now, late;

	if (!d->live || !p->mono_ns || p->mono_ns > INT64_MAX)
		return 0;
	now = cb_now_mono_ns();
	late = now - (int64_t)p->mono_ns;
	if (d->based)
		d->base_ns += (now - d->based_ns) / 1000;
	if (!d->based || late < d->base_ns)
		d->base_ns = late;
	d->based = true;
	d->based_ns = now;
	return late - d->base_ns;
}

static int on_packet(struct cb_detect *d, const struct cb_packet *p, struct cb_err *err)
{
	bool key = p->flags & CB_F_KEY, chosen, bad = false;
	int64_t t_us = stream_us(d, p), late = behind(d, p);
	struct entry *e;
	struct cb_err why = CB_ERR_INIT;

	d->stats.packets++;
	if (!d->timed || t_us < d->run_us - RUN_EVERY_US)
		d->run_us = t_us;
	d->timed = true;
	d->t_us = t_us;
	if (t_us - d->run_us >= RUN_EVERY_US) {
		d->run_us = t_us;
		if (emit_run(d, p->wall_ns, err) < 0)
			return -1;
	}
	if (!d->dec)
		return 0;
	chosen = !(p->flags & CB_F_DISCARD) && cb_pick_packet(&d->pick, t_us, key);

	if (d->wait_key && (!key || late > BEHIND_NS)) {
		d->skipped += chosen;
		d->stats.skipped += chosen;
		return 0;
	}
	if (late > FAR_BEHIND_NS && !key) {
		if (drain(d, err) < 0)
			return -1;
		d->wait_key = true;
	}
	if (chosen && late > BEHIND_NS) {
		chosen = false;
		d->skipped++;
		d->stats.skipped++;
	}
	if (d->wait_key && !key)
		return 0;
	d->wait_key = false;
	if (!chosen && (d->o->pick.mode == CB_PICK_KEYFRAMES ||
			cb_decoder_disposable(d->dec, p)))
		return 0;

	e = &d->table[++d->number % TABLE];
	*e = (struct entry){ .number = d->number, .pts = p->pts, .t_us = t_us, .wall_ns = p->wall_ns,
			     .chosen = chosen };
	if (chosen)
		cb_sha256(e->digest, p->data, p->len);
	if ((chosen ? cb_decoder_send(d->dec, p, &why) : cb_decoder_put_off(d->dec, p, &why)) < 0) {
		if (why.code == CB_E_OS || why.code == CB_E_BUG) {
			if (err)
				*err = why;
			return -1;
		}
		bad = true;
	}
	if (pictures(d, &bad, err) < 0)
		return -1;
	d->stats.decode_errors += bad;
	d->tainted |= bad && d->o->pick.mode != CB_PICK_KEYFRAMES;
	if (bad)
		d->taint_us = t_us;
	/* keyframes alone follow nothing: have each picture now, not some keyframes later */
	return d->o->pick.mode == CB_PICK_KEYFRAMES ? drain(d, err) : 0;
}

/* What the decoder may leave out: nothing that shows in what is analysed. */
static void decode_less(struct cb_detect *d, const struct cb_stream *s)
{
	struct cb_decoder_policy policy = { .hold = d->live ? HOLD_LIVE : CB_DECODER_HOLD, .prompt = d->live };
	uint32_t w, h;

	/* sharpness is measured at full resolution */
	if (!d->o->health)
		cb_motion_size(s->width, s->height, &policy.width, &policy.height);
	if (!d->o->health && d->model) {
		cb_model_input(d->model, s->width, s->height, &w, &h);
		policy.width = w > policy.width ? w : policy.width;
		policy.height = h > policy.height ? h : policy.height;
	}
	cb_decoder_policy(d->dec, &policy);
}

static int on_stream(struct cb_detect *d, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_stream s;

	if (cb_stream_parse(&s, f, err) < 0)
		return -1;
	if (d->stream < 0 && (d->o->stream < 0 ? s.kind == CB_VIDEO : f->stream == d->o->stream))
		d->stream = f->stream;
	if (f->stream != d->stream)
		return 0;
	/* the same again is nothing new */
	if (d->dec && f->len == d->params.len && !memcmp(f->payload, d->params.data, f->len))
		return 0;
	if (drain(d, err) < 0)
		return -1;
	cb_decoder_free(d->dec);
	d->dec = NULL;
	d->number = 0;
	memset(d->table, 0, sizeof d->table);
	cb_buf_drop(&d->params, d->params.len);
	if (cb_buf_add(&d->params, f->payload, f->len) < 0)
		return cb_err_nomem(err);
	d->tb_num = s.tb_num;
	d->tb_den = s.tb_den;
	d->wait_key = d->tainted = false;
	/* others may need what passes through: go on without analysis, say so at the end */
	if (cb_decoder_open(&d->dec, &s, &d->why) < 0) {
		cb_err_prefix(&d->why, "stream %d", d->stream);
		if (!d->sink->tee || d->why.code == CB_E_OS) {
			if (err)
				*err = d->why;
			return -1;
		}
		d->failed = true;
	} else {
		decode_less(d, &s);
	}
	return 0;
}

static int on_gap(struct cb_detect *d, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_gap g;

	if (cb_gap_parse(&g, f, err) < 0)
		return -1;
	if (f->stream != d->stream || !g.packets)
		return 0;
	return drain(d, err);
}

static int take(struct cb_detect *d, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_hello h;
	struct cb_packet p;

	switch (f->type) {
	case CB_FRAME_HELLO:
		if (cb_hello_parse(&h, f, err) < 0)
			return -1;
		memcpy(d->camera, h.camera, sizeof d->camera);
		d->live = d->spool.live = h.live;
		d->start_ns = h.wall_ns;
		return 0;
	case CB_FRAME_STREAM:
		return on_stream(d, f, err);
	case CB_FRAME_PACKET:
		if (f->stream != d->stream)
			return 0;
		if (cb_packet_parse(&p, f, err) < 0)
			return -1;
		return on_packet(d, &p, err);
	case CB_FRAME_GAP:
		return on_gap(d, f, err);
	default:
		return 0;
	}
}

int cb_detect_frame(struct cb_detect *d, const struct cb_frame *f, struct cb_err *err)
{
	int r;

	if (d->idle_err.code) {
		if (err)
			*err = d->idle_err;
		return -1;
	}
	if (cb_spool_frame(&d->spool, f, err) < 0)
		return -1;
	if (!d->begun && f->type != CB_FRAME_HELLO && f->type != CB_FRAME_STREAM) {
		d->begun = true;
		if (emit_run(d, d->start_ns, err) < 0)
			return -1;
	}
	cb_crew_enter(d->crew);
	r = take(d, f, err);
	cb_crew_leave(d->crew);
	if (r < 0) {	/* what came before is said all the same */
		settle_to(d, 0, 0, NULL);
		return -1;
	}
	return settle_to(d, d->shots, HELD_BYTES, err);
}

int cb_detect_finish(struct cb_detect *d, struct cb_err *err)
{
	int r;

	if (!d->camera[0])	/* not even a HELLO */
		return 0;
	cb_crew_enter(d->crew);
	r = drain(d, err);
	cb_crew_leave(d->crew);
	if (r < 0 || emit_ends(d, err) < 0)
		return -1;
	if (emit_run(d, d->last.number ? d->last.wall_ns : d->start_ns, err) < 0 ||
	    settle_to(d, 0, 0, err) < 0)
		return -1;
	if (d->failed) {
		if (err)
			*err = d->why;
		return -1;
	}
	if (d->stream >= 0)
		return 0;
	if (d->o->stream >= 0)
		return cb_err_set(err, CB_E_DATA, "no stream %d", d->o->stream);
	return cb_err_set(err, CB_E_DATA, "no video stream");
}
