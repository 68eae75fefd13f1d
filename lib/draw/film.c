/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding, and bringing pictures, packets and detections together. */
#include "draw/film.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "crypto/hash.h"

#define RECENT 64	/* packets remembered: more than any decoder delays */

struct recent {
	struct cb_packet at;
	uint8_t digest[32];
	bool set;
};

struct cb_film {
	const struct cb_film_opts *o;
	struct cb_decoder *dec;
	struct cb_stream params, next;
	uint8_t *extradata, *next_extradata;
	bool changed, holding;
	struct cb_picture held;
	struct recent recent[RECENT];
	uint64_t sent, first_sent;	/* packets in all; when this decoder was opened */
	uint64_t bad, pictures;
	const struct cb_det *last;
	int64_t last_ns, first_ns;
	bool any;
	uint16_t stream;
};

static int params_copy(struct cb_stream *to, uint8_t **extra, const struct cb_stream *s,
		       struct cb_err *err)
{
	uint8_t *e = malloc(s->extradata_len + 1);

	if (!e)
		return cb_err_nomem(err);
	if (s->extradata_len)
		memcpy(e, s->extradata, s->extradata_len);
	free(*extra);
	*extra = e;
	*to = *s;
	to->extradata = e;
	return 0;
}

int cb_film_open(struct cb_film **ret, uint16_t stream, const struct cb_stream *params,
		 const struct cb_film_opts *o, struct cb_err *err)
{
	struct cb_film *f = calloc(1, sizeof(*f));

	if (!f)
		return cb_err_nomem(err);
	f->o = o;
	f->stream = stream;
	if (params_copy(&f->params, &f->extradata, params, err) < 0 ||
	    cb_decoder_open(&f->dec, &f->params, err) < 0) {
		cb_film_free(f);
		return -1;
	}
	*ret = f;
	return 0;
}

int cb_film_params(struct cb_film *f, const struct cb_stream *params, struct cb_err *err)
{
	if (params_copy(&f->next, &f->next_extradata, params, err) < 0)
		return -1;
	f->changed = true;
	return 0;
}

/* the packet that the held picture came from */
static const struct recent *origin(const struct cb_film *f)
{
	uint64_t n = f->first_sent + f->held.packet;

	if (f->held.packet && n <= f->sent && f->sent - n < RECENT)
		return &f->recent[n % RECENT];
	for (int i = 0; i < RECENT; i++)
		if (f->recent[i].set && f->recent[i].at.pts == f->held.pts)
			return &f->recent[i];
	return NULL;
}

/* media time; beyond some seventy years it stands still */
static int64_t media_ns(const struct cb_film *f, int64_t pts)
{
	const int64_t far = INT64_C(1) << 61;
	double ns = (double)pts * f->params.tb_num / f->params.tb_den * 1e9;

	return ns > (double)far ? far : ns < (double)-far ? -far :
		cb_rescale(pts, (int64_t)f->params.tb_num * 1000000000, f->params.tb_den);
}

static int show(struct cb_film *f, struct cb_err *err)
{
	const struct recent *r = origin(f);
	struct cb_shot shot = {
		.stream = f->stream, .params = &f->params, .picture = &f->held,
		.number = ++f->pictures, .strength = 1,
	};
	int64_t now = f->held.pts == CB_NOPTS ? 0 : media_ns(f, f->held.pts);

	f->holding = false;
	shot.at.pts = shot.at.dts = f->held.pts;
	if (r)
		shot.at = r->at;
	shot.at.flags &= (uint16_t)~CB_F_KEY;
	shot.at.flags |= f->held.key ? CB_F_KEY : 0;
	shot.at.flags |= f->held.corrupt ? CB_F_CORRUPT : 0;
	if (!f->any)
		f->first_ns = now;
	f->any = true;
	shot.offset_ns = now - f->first_ns;
	shot.det = cb_dets_find(f->o->dets, f->stream, f->held.pts,
				r && !f->o->loose ? r->digest : NULL);
	if (shot.det) {
		shot.own = true;
		f->last = shot.det;
		f->last_ns = now;
	} else if (f->last && f->o->hold_ns > 0 && now >= f->last_ns &&
		   now - f->last_ns < f->o->hold_ns) {
		double left = 1 - (double)(now - f->last_ns) / (double)f->o->hold_ns;

		shot.det = f->last;
		shot.strength = left > 0.5 ? 1 : 2 * left;
	}
	if (cb_marks_at(f->o->marks, f->stream, f->held.pts, &shot.view, err) < 0)
		return -1;
	return f->o->show(f->o->ctx, &shot, err);
}

/* the decoder's next picture into held: 1, 0; what it cannot decode is counted */
static int pull(struct cb_film *f, struct cb_err *err)
{
	struct cb_err e = CB_ERR_INIT;

	for (int tries = 0; tries < 1000; tries++) {
		int r = cb_decoder_next(f->dec, &f->held, &e);

		if (r >= 0) {
			f->holding = r;
			return r;
		}
		if (e.code != CB_E_DATA) {
			if (err)
				*err = e;
			return -1;
		}
		f->bad++;
	}
	return 0;
}

static int drain(struct cb_film *f, struct cb_err *err)
{
	int r = 0;

	while (r == 0) {
		if (!f->holding && (r = pull(f, err)) <= 0)
			return r;
		r = show(f, err);
	}
	return r;
}

static int send(struct cb_film *f, const struct cb_packet *p, struct cb_err *err)
{
	struct cb_err e = CB_ERR_INIT;

	if (cb_decoder_send(f->dec, p, &e) == 0)
		return 0;
	if (e.code != CB_E_DATA) {
		if (err)
			*err = e;
		return -1;
	}
	f->bad++;
	return 0;
}

static int switch_params(struct cb_film *f, struct cb_err *err)
{
	struct cb_decoder *dec;
	int r = cb_film_finish(f, err);

	if (r)
		return r;
	if (cb_decoder_open(&dec, &f->next, err) < 0)
		return -1;
	cb_decoder_free(f->dec);
	f->dec = dec;
	free(f->extradata);
	f->extradata = f->next_extradata;
	f->next_extradata = NULL;
	f->params = f->next;
	f->changed = false;
	f->first_sent = f->sent;
	return 0;
}

int cb_film_packet(struct cb_film *f, const struct cb_packet *p, struct cb_err *err)
{
	struct recent *rec;
	int r = drain(f, err);

	if (r == 0 && f->changed)
		r = switch_params(f, err);
	if (r)
		return r;
	rec = &f->recent[++f->sent % RECENT];
	*rec = (struct recent){ .at = *p, .set = true };
	rec->at.data = NULL;
	rec->at.len = 0;
	if (!f->o->loose)
		cb_sha256(rec->digest, p->data, p->len);
	if (send(f, p, err) < 0)
		return -1;
	return pull(f, err) < 0 ? -1 : 0;
}

int cb_film_finish(struct cb_film *f, struct cb_err *err)
{
	int r = drain(f, err);

	if (r == 0)
		r = send(f, NULL, err);
	if (r == 0)
		r = drain(f, err);
	return r;
}

uint64_t cb_film_bad(const struct cb_film *f)
{
	return f->bad;
}

uint64_t cb_film_pictures(const struct cb_film *f)
{
	return f->pictures;
}

void cb_film_free(struct cb_film *f)
{
	if (!f)
		return;
	cb_decoder_free(f->dec);
	free(f->extradata);
	free(f->next_extradata);
	free(f);
}
