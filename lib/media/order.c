/* SPDX-License-Identifier: Apache-2.0 */
/* Output order of raw H.264 and H.265 by their picture order counts. */
#include "media/order.h"

#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#include "codec/annexb.h"
#include "codec/paramsets.h"

#define HOLD_PACKETS 1024
#define HOLD_BYTES (16u << 20)
#define REORDER_MAX 64	/* half pictures that a picture may wait; more is nonsense */

struct held {
	AVPacket *pkt;
	int32_t poc;
	int64_t dts, pts;	/* half pictures */
	int ticks;		/* 2, or 1 for a field */
};

struct cb_order {
	bool nal, hevc, reorders;
	AVRational tb;
	AVCodecContext *ctx;
	AVCodecParserContext *parser;
	struct cb_sets sets;
	int64_t dts;		/* of the next packet */
	int64_t delay;		/* -1: not known yet */
	bool lost;		/* of this coded sequence the order is not known */
	bool done;
	struct held *v;
	size_t n, out, bytes;	/* v[out..n-1] are waiting, those before `ready` have times */
	size_t ready;
};

int cb_order_new(struct cb_order **ret, const AVCodecParameters *par, uint32_t fps_num,
		 uint32_t fps_den, struct cb_err *err)
{
	const AVCodecDescriptor *desc = avcodec_descriptor_get(par->codec_id);
	struct cb_order *o = calloc(1, sizeof(*o));

	if (!o)
		return cb_err_nomem(err);
	o->nal = par->codec_id == AV_CODEC_ID_H264 || par->codec_id == AV_CODEC_ID_HEVC;
	o->hevc = par->codec_id == AV_CODEC_ID_HEVC;
	o->reorders = !desc || (desc->props & AV_CODEC_PROP_REORDER);
	o->delay = -1;
	cb_sets_init(&o->sets, o->hevc);
	if (fps_num > INT32_MAX / 2 || fps_den > INT32_MAX) {
		cb_order_free(o);
		return cb_err_set(err, CB_E_USAGE, "--fps: out of range");
	}
	av_reduce(&o->tb.num, &o->tb.den, fps_den, 2 * (int64_t)fps_num, INT32_MAX);
	o->v = calloc(HOLD_PACKETS, sizeof(*o->v));
	if (o->nal) {
		o->ctx = avcodec_alloc_context3(NULL);
		o->parser = av_parser_init(par->codec_id);
		if (o->ctx && o->parser) {
			o->ctx->codec_id = par->codec_id;
			o->ctx->codec_type = AVMEDIA_TYPE_VIDEO;
			o->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		}
	}
	if (!o->v || (o->nal && (!o->ctx || !o->parser))) {
		cb_order_free(o);
		return cb_err_nomem(err);
	}
	*ret = o;
	return 0;
}

AVRational cb_order_time_base(const struct cb_order *o)
{
	return o->tb;
}

void cb_order_free(struct cb_order *o)
{
	if (!o)
		return;
	for (size_t i = o->out; o->v && i < o->n; i++)
		av_packet_free(&o->v[i].pkt);
	free(o->v);
	cb_sets_release(&o->sets);
	if (o->parser)
		av_parser_close(o->parser);
	avcodec_free_context(&o->ctx);
	free(o);
}

static int by_poc(const void *a, const void *b)
{
	const struct held *x = *(struct held *const *)a, *y = *(struct held *const *)b;

	return x->poc != y->poc ? (x->poc < y->poc ? -1 : 1) : x->dts < y->dts ? -1 : x->dts > y->dts;
}

/* The coded sequence that is held is complete: give its pictures their places. */
static void settle(struct cb_order *o)
{
	struct held *sorted[HOLD_PACKETS];
	size_t n = o->n - o->ready;
	bool good = !o->lost && n > 0;
	int64_t t, need = 0;

	for (size_t i = 0; i < n; i++)
		sorted[i] = &o->v[o->ready + i];
	if (good) {
		t = sorted[0]->dts;
		qsort(sorted, n, sizeof(*sorted), by_poc);
		for (size_t i = 0; i < n; i++) {
			sorted[i]->pts = t;
			t += sorted[i]->ticks;
			if (sorted[i]->dts - sorted[i]->pts > need)
				need = sorted[i]->dts - sorted[i]->pts;
		}
		if (need > REORDER_MAX)
			good = false;
		else if (o->delay < need && o->delay < 0)
			o->delay = need;
	}
	for (size_t i = 0; i < n; i++)
		if (!good)
			sorted[i]->pts = AV_NOPTS_VALUE;
	o->ready = o->n;
}

/* Read what the packet says; *ret_first: a coded sequence begins. */
static int look(struct cb_order *o, const AVPacket *pkt, struct held *h, bool *ret_first,
		struct cb_err *err)
{
	struct cb_nal u;
	size_t pos = 0;
	uint8_t *out;
	struct cb_sps sps;
	unsigned t;
	int n;

	h->ticks = 2;
	*ret_first = false;
	if (!o->nal)
		return 0;
	while (cb_annexb_next(pkt->data, (size_t)pkt->size, &pos, &u)) {
		if (cb_sets_unit(&o->sets, u.p, u.n, err) < 0)
			return -1;
		t = o->hevc ? u.p[0] >> 1 & 63 : u.p[0] & 31;
		if (cb_sets_is_slice(o->hevc, u.p, u.n)) {
			*ret_first = o->hevc ? t >= 16 && t <= 20 : t == 5;
			break;
		}
	}
	av_parser_parse2(o->parser, o->ctx, &out, &n, pkt->data, pkt->size, AV_NOPTS_VALUE,
			 AV_NOPTS_VALUE, pkt->pos);
	h->poc = o->parser->output_picture_number;
	if (o->parser->picture_structure == AV_PICTURE_STRUCTURE_TOP_FIELD ||
	    o->parser->picture_structure == AV_PICTURE_STRUCTURE_BOTTOM_FIELD) {
		h->ticks = 1;
		/* the second field of the picture that begins a sequence is no new beginning */
		if (o->n > o->ready && o->n - o->ready == 1 && o->v[o->ready].ticks == 1)
			*ret_first = false;
	}
	if (cb_sets_sps(&o->sets, &sps))
		o->reorders = sps.reorder != 0;
	return 0;
}

int cb_order_push(struct cb_order *o, AVPacket *pkt, struct cb_err *err)
{
	struct held *h;
	bool first;

	if (!pkt) {
		settle(o);
		o->done = true;
		return 0;
	}
	if (o->out > 0 && o->out == o->ready) {
		memmove(o->v, o->v + o->out, (o->n - o->out) * sizeof(*o->v));
		o->n -= o->out;
		o->out = o->ready = 0;
	}
	if (o->n == HOLD_PACKETS || o->bytes + (size_t)pkt->size > HOLD_BYTES) {
		o->lost = o->reorders;
		settle(o);
	}
	if (o->n == HOLD_PACKETS)
		return cb_err_set(err, CB_E_BUG, "packets pushed and not popped");
	h = &o->v[o->n];
	*h = (struct held){ .dts = o->dts, .pts = AV_NOPTS_VALUE };
	if (look(o, pkt, h, &first, err) < 0)
		return -1;
	if (first) {
		settle(o);
		o->lost = false;
	}
	h->pkt = av_packet_alloc();
	if (!h->pkt)
		return cb_err_nomem(err);
	av_packet_move_ref(h->pkt, pkt);
	o->dts += h->ticks;
	o->bytes += (size_t)h->pkt->size;
	o->n++;
	if (!o->reorders) {
		h->pts = h->dts;
		if (o->delay < 0)
			o->delay = 0;
		o->ready = o->n;
	} else if (o->lost || !o->nal) {
		o->ready = o->n;
	}
	return 0;
}

int cb_order_pop(struct cb_order *o, AVPacket *ret)
{
	struct held *h;
	int64_t delay = o->delay > 0 ? o->delay : 0;

	if (o->out >= o->ready)
		return 0;
	h = &o->v[o->out++];
	o->bytes -= (size_t)h->pkt->size;
	av_packet_move_ref(ret, h->pkt);
	av_packet_free(&h->pkt);
	ret->pts = h->pts;
	ret->dts = h->dts - delay;
	if (ret->pts != AV_NOPTS_VALUE && ret->dts > ret->pts)
		ret->dts = AV_NOPTS_VALUE;
	ret->duration = h->ticks;
	return 1;
}
