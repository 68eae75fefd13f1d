/* SPDX-License-Identifier: Apache-2.0 */
/* Containers to STREAM and PACKET frames, with libavformat. */
#include "media/demux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/mathematics.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "codec/annexb.h"
#include "media/avin.h"
#include "media/avlog.h"
#include "media/lane.h"
#include "media/order.h"
#include "media/v4l2.h"

/* How far to look for parameters before the first packet goes out. */
#define AHEAD_PACKETS 2000
#define AHEAD_FLV 16
#define AHEAD_BYTES (8u << 20)
#define AHEAD_LIVE_NS (5 * CB_NS_PER_S)

/* Containers that cameras, recorders, phones and editors write. The library knows hundreds
 * more, among them playlists that open whatever they name. */
#define FORMATS "mov,matroska,mpegts,flv,live_flv,avi,h264,hevc,mjpeg,mpjpeg,m4v,mpegvideo,mpeg," \
		"vc1,h263,h261,ivf,obu,ogg,wav,w64,aac,mp3,flac,ac3,eac3,amr,asf,mxf,nut,dv,dhav"

struct ahead {
	AVPacket *pkt;
	int64_t wall, mono;
};

struct cb_demux {
	struct cb_demux_opts o;
	char shown[512];
	char *url;
	struct cb_avin in;
	struct cb_avlog log;
	AVFormatContext *s;
	struct cb_v4l2 *device;
	struct cb_order *order;		/* for raw video */
	struct cb_lane *lane;
	unsigned lanes, outs, left_out;
	bool live;
	enum cb_wall_source source;
	int64_t start_ns;		/* wall clock of the start */
	uint64_t start_mono;
	bool has_origin;
	int64_t origin_ns;		/* media time of the first packet */
	struct ahead *queue;		/* read, not yet delivered */
	size_t head, tail, cap;
	AVPacket *pkt;			/* what held's data lie in */
	struct cb_demux_item held;	/* delivered after its STREAM */
	bool holding, ended, ordered;
	int end_error;
	bool corrupt_last;
	uint8_t sync;
	int64_t last_wall;
};

static int64_t add(int64_t a, int64_t b)
{
	int64_t r;

	return __builtin_add_overflow(a, b, &r) ? (b > 0 ? INT64_MAX : INT64_MIN + 1) : r;
}

static int64_t sub(int64_t a, int64_t b)
{
	return b == INT64_MIN ? INT64_MAX : add(a, -b);
}

/* --- streams ------------------------------------------------------------------------------ */

/* Is this stream wanted? */
static bool wanted(const struct cb_demux *d, const AVStream *st)
{
	enum AVMediaType type = st->codecpar->codec_type;
	const char *p = d->o.streams;
	char number[16];
	size_t n;

	if (type == AVMEDIA_TYPE_VIDEO && (st->disposition & AV_DISPOSITION_ATTACHED_PIC) && !p)
		return false;
	if (!p)
		return ((type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO) &&
			st->codecpar->codec_id != AV_CODEC_ID_NONE) ||
		       st->codecpar->codec_id == AV_CODEC_ID_SMPTE_KLV;
	snprintf(number, sizeof(number), "%d", st->index);
	for (;; p += n + 1) {
		n = strcspn(p, ",");
		if (n == strlen(number) && strncmp(p, number, n) == 0)
			return true;
		if (n == 1 && ((*p == 'v' && type == AVMEDIA_TYPE_VIDEO &&
				!(st->disposition & AV_DISPOSITION_ATTACHED_PIC)) ||
			       (*p == 'a' && type == AVMEDIA_TYPE_AUDIO) ||
			       (*p == 'd' && (type == AVMEDIA_TYPE_DATA || type == AVMEDIA_TYPE_SUBTITLE))))
			return true;
		if (!p[n])
			return false;
	}
}

static int check_streams(const char *p, struct cb_err *err)
{
	uint64_t v;
	size_t n;

	for (; p; p += n + 1) {
		char word[12] = "";

		n = strcspn(p, ",");
		if (n < sizeof(word))
			memcpy(word, p, n);
		if (strcmp(word, "v") && strcmp(word, "a") && strcmp(word, "d") &&
		    !cb_parse_u64(word, 0, 100000, &v))
			return cb_err_set(err, CB_E_USAGE, "--streams: '%.*s' is none of v, a, d or a number",
					  (int)(n > 40 ? 40 : n), p);
		if (!p[n])
			break;
	}
	return 0;
}

/* Lanes for streams that the container has come to know. */
static int add_lanes(struct cb_demux *d, struct cb_err *err)
{
	struct cb_lane *v;

	if (d->lanes >= d->s->nb_streams)
		return 0;
	v = realloc(d->lane, d->s->nb_streams * sizeof(*v));
	if (!v)
		return cb_err_nomem(err);
	d->lane = v;
	while (d->lanes < d->s->nb_streams) {
		AVStream *st = d->s->streams[d->lanes];
		bool want = wanted(d, st) && d->outs < CB_STREAMS_MAX;

		if (!want)
			d->left_out++;
		st->discard = want ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
		d->lanes++;
		if (cb_lane_init(&v[d->lanes - 1], st, want ? (int)d->outs++ : -1, err) < 0)
			return cb_err_prefix(err, "%s: stream %u", d->shown, d->lanes - 1);
		v[d->lanes - 1].raw_time = d->s->iformat && (d->s->iformat->flags & AVFMT_NOTIMESTAMPS);
	}
	return 0;
}

static bool is(const struct cb_demux *d, const char *name)
{
	return d->s->iformat && strncmp(d->s->iformat->name, name, strlen(name)) == 0;
}

/* Codecs whose packets these containers hold whole and state completely. */
static bool plain(enum AVCodecID id)
{
	switch (id) {
	case AV_CODEC_ID_H264: case AV_CODEC_ID_HEVC: case AV_CODEC_ID_AV1: case AV_CODEC_ID_VP8:
	case AV_CODEC_ID_VP9: case AV_CODEC_ID_MJPEG: case AV_CODEC_ID_AAC: case AV_CODEC_ID_OPUS:
	case AV_CODEC_ID_PCM_ALAW: case AV_CODEC_ID_PCM_MULAW: case AV_CODEC_ID_SMPTE_KLV:
		return true;
	default:
		return id >= AV_CODEC_ID_PCM_S16LE && id <= AV_CODEC_ID_PCM_SGA;
	}
}

/* --- time ---------------------------------------------------------------------------------- */

static uint8_t clock_sync(void)
{
	struct timex t = { 0 };
	int r = adjtimex(&t);

	return r < 0 ? CB_SYNC_UNKNOWN : r == TIME_ERROR || (t.status & STA_UNSYNC) ? CB_SYNC_NO : CB_SYNC_YES;
}

static void decide_clock(struct cb_demux *d)
{
	const AVDictionaryEntry *e;
	int64_t ns;
	bool file = d->in.kind == CB_SOURCE_FILE && d->in.regular;

	d->live = d->o.realtime || d->in.kind == CB_SOURCE_V4L2 ||
		  ((d->in.kind == CB_SOURCE_HTTP || d->in.kind == CB_SOURCE_HTTPS) && !d->in.size);
	d->source = CB_WALL_FILE;
	e = d->s ? av_dict_get(d->s->metadata, "creation_time", NULL, 0) : NULL;
	if (d->o.have_start) {
		d->start_ns = d->o.start_ns;
	} else if (d->live || !(file || d->in.size)) {
		d->source = CB_WALL_ARRIVAL;
		d->start_ns = cb_now_wall_ns();
		d->sync = clock_sync();
	} else if (e && cb_parse_time(e->value, &ns) && ns > 0) {
		d->start_ns = ns;
	} else if (file) {
		d->start_ns = d->in.mtime_ns;
	} else {
		d->source = CB_WALL_ARRIVAL;
		d->start_ns = cb_now_wall_ns();
		d->sync = clock_sync();
	}
	if (d->live || d->source == CB_WALL_ARRIVAL)
		d->start_mono = (uint64_t)cb_now_mono_ns();
	d->last_wall = d->start_ns;
}

/* A time in the lane's time base as ns since the first packet. */
static int64_t media_ns(struct cb_demux *d, const struct cb_stream *s, int64_t t)
{
	int64_t ns;

	if (t == CB_NOPTS)
		return CB_NOPTS;
	ns = av_rescale_q(t, (AVRational){ (int)s->tb_num, (int)s->tb_den }, (AVRational){ 1, 1000000000 });
	if (ns == INT64_MIN)	/* does not fit */
		ns = t < 0 ? INT64_MIN + 1 : INT64_MAX;
	if (!d->has_origin) {
		d->has_origin = true;
		d->origin_ns = ns;
	}
	return sub(ns, d->origin_ns);
}

static void stamp(struct cb_demux *d, const struct cb_stream *s, struct cb_demux_item *it,
		  int64_t wall, int64_t mono)
{
	struct cb_packet *p = &it->p;
	int64_t shown = media_ns(d, s, p->pts != CB_NOPTS ? p->pts : p->dts);

	it->media_ns = media_ns(d, s, p->dts != CB_NOPTS ? p->dts : p->pts);
	p->wall_source = (uint8_t)d->source;
	p->sync = d->sync;
	if (d->source == CB_WALL_ARRIVAL) {
		p->wall_ns = wall;
	} else {
		p->wall_ns = shown == CB_NOPTS ? d->last_wall : add(d->start_ns, shown);
		d->last_wall = p->wall_ns;
	}
	if (d->live || d->source == CB_WALL_ARRIVAL)
		p->mono_ns = (uint64_t)mono;
}

/* --- reading ------------------------------------------------------------------------------- */

static int enqueue(struct cb_demux *d, AVPacket *pkt, struct cb_err *err)
{
	struct ahead *v;
	size_t cap;

	if (d->tail == d->cap) {
		cap = d->cap ? d->cap * 2 : 64;
		v = realloc(d->queue, cap * sizeof(*v));
		if (!v)
			return cb_err_nomem(err);
		d->queue = v;
		d->cap = cap;
	}
	d->queue[d->tail++] = (struct ahead){ pkt, d->source == CB_WALL_ARRIVAL ? cb_now_wall_ns() : 0,
					      cb_now_mono_ns() };
	return 0;
}

/* Not every driver marks the keyframes of H.264. */
static bool has_idr(const uint8_t *p, size_t n)
{
	struct cb_nal u;
	size_t at = 0;

	while (cb_annexb_next(p, n, &at, &u))
		if (!u.stray && (u.p[0] & 31) == 5)
			return true;
	return false;
}

/* One captured picture as a packet: 1, or 0 at the end. */
static int read_device(struct cb_demux *d, AVPacket *pkt, struct cb_err *err)
{
	struct cb_v4l2_frame f;
	int r = cb_v4l2_next(d->device, d->o.timeout_ns, &f, err);

	if (r <= 0)
		return r;
	if (f.len > CB_FRAME_MAX - CB_PACKET_FIXED || av_new_packet(pkt, (int)f.len) < 0)
		return cb_err_nomem(err);
	memcpy(pkt->data, f.data, f.len);
	if (!f.key && d->s->streams[0]->codecpar->codec_id == AV_CODEC_ID_H264)
		f.key = has_idr(f.data, f.len);
	pkt->flags = (f.key ? AV_PKT_FLAG_KEY : 0) | (f.corrupt ? AV_PKT_FLAG_CORRUPT : 0);
	if (f.mono_ns)
		pkt->pts = f.mono_ns / 1000;
	return 1;
}

/* The next packet of a stream that is wanted: 1, or 0 at the end (see end_error). */
static int read_source(struct cb_demux *d, AVPacket *pkt, struct cb_err *err)
{
	uint64_t errors;
	int r;

	if (d->device)
		return read_device(d, pkt, err);
	while (!d->ended) {
		errors = d->log.errors;
		cb_avin_patience(&d->in);
		r = av_read_frame(d->s, pkt);
		if (r == AVERROR(EAGAIN) && !cb_stop_flag)
			continue;
		if (r >= 0 && !cb_avin_secure(&d->in)) {
			av_packet_unref(pkt);
			r = AVERROR(EPERM);
		}
		if (r < 0) {
			d->ended = true;
			d->end_error = r;
			/* an end of which the demuxer complained is no proper one */
			if (r == AVERROR_EOF && d->log.errors != errors)
				d->end_error = AVERROR_INVALIDDATA;
			return 0;
		}
		if (add_lanes(d, err) < 0) {
			av_packet_unref(pkt);
			return -1;
		}
		if (pkt->stream_index >= 0 && (unsigned)pkt->stream_index < d->lanes &&
		    d->lane[pkt->stream_index].out >= 0 && pkt->size > 0) {
			d->corrupt_last = pkt->flags & AV_PKT_FLAG_CORRUPT;
			return 1;
		}
		av_packet_unref(pkt);
	}
	return 0;
}

/* The same, for raw video in the order and with the times that the order stage gives. */
static int read_packet(struct cb_demux *d, AVPacket *pkt, struct cb_err *err)
{
	int r;

	if (!d->order)
		return read_source(d, pkt, err);
	for (;;) {
		if (cb_order_pop(d->order, pkt))
			return 1;
		if (d->ordered)
			return 0;
		r = read_source(d, pkt, err);
		if (r < 0 || cb_order_push(d->order, r ? pkt : NULL, err) < 0)
			return -1;
		d->ordered = r == 0;
	}
}

static bool all_known(const struct cb_demux *d)
{
	for (unsigned i = 0; i < d->lanes; i++)
		if (d->lane[i].out >= 0 && !d->lane[i].known)
			return false;
	/* FLV tells of sound and of pictures when the first of them comes, and until both are there
	 * libavformat says that there may be more */
	return !(is(d, "flv") && (d->s->ctx_flags & AVFMTCTX_NOHEADER) && d->tail < AHEAD_FLV);
}

/* Read until every stream's parameters are known, or for long enough. */
static int look_ahead(struct cb_demux *d, struct cb_err *err)
{
	int64_t until = cb_now_mono_ns() + AHEAD_LIVE_NS;
	uint64_t bytes = 0;
	AVPacket *pkt;
	int r;

	while (!d->ended && (!all_known(d) || d->outs == 0) && d->tail < AHEAD_PACKETS &&
	       bytes < AHEAD_BYTES && (!d->live || cb_now_mono_ns() < until)) {
		pkt = av_packet_alloc();
		if (!pkt)
			return cb_err_nomem(err);
		r = read_packet(d, pkt, err);
		if (r > 0) {
			bytes += (uint64_t)pkt->size;
			r = av_packet_make_refcounted(pkt) < 0 || enqueue(d, pkt, err) < 0 ? cb_err_nomem(err) : 1;
			if (r > 0 && cb_lane_learn(&d->lane[pkt->stream_index],
						   d->s->streams[pkt->stream_index], pkt, err) < 0)
				return -1;
		}
		if (r <= 0)
			av_packet_free(&pkt);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* Does the library have to decode a little to tell us what is in there? */
static bool needs_probing(const struct cb_demux *d)
{
	for (unsigned i = 0; i < d->lanes; i++) {
		const struct cb_lane *l = &d->lane[i];
		const AVCodecParameters *p = d->s->streams[i]->codecpar;

		if (p->codec_type == AVMEDIA_TYPE_UNKNOWN || p->codec_id == AV_CODEC_ID_PROBE ||
		    (p->codec_id == AV_CODEC_ID_NONE && p->codec_type != AVMEDIA_TYPE_DATA))
			return true;
		if (l->out >= 0 && !l->known && !cb_lane_learnable(l))
			return true;
	}
	return d->lanes == 0 && !(d->s->ctx_flags & AVFMTCTX_NOHEADER);
}

static int probe(struct cb_demux *d, struct cb_err *err)
{
	int r;

	cb_avin_patience(&d->in);
	r = avformat_find_stream_info(d->s, NULL);
	if (r < 0)
		return cb_avin_error(&d->in, r, &d->log, err);
	for (unsigned i = 0; i < d->lanes; i++)
		cb_lane_release(&d->lane[i]);
	d->lanes = d->outs = d->left_out = 0;
	return add_lanes(d, err);
}

static int raw_video(struct cb_demux *d, struct cb_err *err)
{
	static const char *const names[] = { "h264", "hevc", "mjpeg", "m4v", "mpegvideo", "vc1", "h263",
					     "h261", "obu", "mpjpeg" };
	bool raw = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		raw |= strcmp(d->s->iformat->name, names[i]) == 0;
	if (is(d, "mpjpeg") && !d->o.fps_num)
		return 0;
	if (!raw) {
		if (d->o.fps_num)
			return cb_err_set(err, CB_E_USAGE, "%s: has its own times; --fps is for raw video",
					  d->shown);
		return 0;
	}
	if (!d->o.fps_num)
		return cb_err_set(err, CB_E_USAGE, "%s: raw %s video has no times: say --fps N", d->shown,
				  d->s->iformat->name);
	if (cb_order_new(&d->order, d->s->streams[0]->codecpar, d->o.fps_num, d->o.fps_den, err) < 0)
		return -1;
	d->s->streams[0]->time_base = cb_order_time_base(d->order);
	d->s->streams[0]->avg_frame_rate = (AVRational){ (int)d->o.fps_num, (int)d->o.fps_den };
	return 0;
}

/* A device's pictures as a stream of a context without a demuxer. */
static int open_device(struct cb_demux *d, struct cb_err *err)
{
	struct cb_v4l2_format f;
	AVStream *st;

	d->in.kind = CB_SOURCE_V4L2;
	if (cb_v4l2_open(&d->device, d->o.source, d->o.fps_num, d->o.fps_den, &f, err) < 0)
		return -1;
	d->s = avformat_alloc_context();
	st = d->s ? avformat_new_stream(d->s, NULL) : NULL;
	if (!st)
		return cb_err_nomem(err);
	st->time_base = (AVRational){ 1, 1000000 };
	st->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
	st->codecpar->codec_id = f.h264 ? AV_CODEC_ID_H264 : AV_CODEC_ID_MJPEG;
	st->codecpar->width = (int)f.width;
	st->codecpar->height = (int)f.height;
	if (f.fr_num <= INT32_MAX && f.fr_den <= INT32_MAX)
		st->avg_frame_rate = (AVRational){ (int)f.fr_num, (int)f.fr_den };
	decide_clock(d);
	if (add_lanes(d, err) < 0 || look_ahead(d, err) < 0)
		return -1;
	if (!d->outs)
		return cb_err_set(err, CB_E_USAGE, "%s: --streams %s: none of its streams", d->shown, d->o.streams);
	return 0;
}

/* Which demuxer? Pictures in a row look like one picture to the library. */
static int recognise(struct cb_demux *d, const AVInputFormat **ret, struct cb_err *err)
{
	const AVInputFormat *f = NULL;
	int r = av_probe_input_buffer2(d->in.pb, &f, d->in.kind == CB_SOURCE_FILE ? d->o.source : "", NULL, 0, 0);

	if (r < 0)
		return cb_avin_error(&d->in, r, &d->log, err);
	if (strcmp(f->name, "jpeg_pipe") == 0)
		f = av_find_input_format("mjpeg");
	*ret = f;
	return 0;
}

static int open_container(struct cb_demux *d, struct cb_err *err)
{
	const AVInputFormat *format = NULL;
	AVDictionary *o = NULL;
	bool selective;
	int r;

	d->s = avformat_alloc_context();
	if (!d->s)
		return cb_err_nomem(err);
	d->s->flags |= AVFMT_FLAG_NOFILLIN;	/* no time that the container does not state */
	cb_avin_attach(&d->in, d->s);
	r = av_dict_set(&o, "format_whitelist", FORMATS, 0);
	cb_avin_patience(&d->in);
	if (d->in.pb && recognise(d, &format, err) < 0) {
		av_dict_free(&o);
		return -1;
	}
	if (r >= 0)	/* frees the context when it fails */
		r = avformat_open_input(&d->s, d->in.pb ? "" : d->url, format, &o);
	av_dict_free(&o);
	if (r < 0) {
		if (d->in.pb && strstr(d->log.last, "whitelist"))
			return cb_err_set(err, CB_E_DATA, "%s: not a container that is read here", d->shown);
		return cb_avin_error(&d->in, r, &d->log, err);
	}
	if (raw_video(d, err) < 0 || add_lanes(d, err) < 0)
		return -1;
	if (needs_probing(d) && probe(d, err) < 0)
		return -1;
	selective = is(d, "mov") || is(d, "matroska");
	for (unsigned i = 0; i < d->lanes && selective; i++)
		selective = d->lane[i].out < 0 || plain(d->s->streams[i]->codecpar->codec_id);
	if (selective)	/* packets are whole already: spare the parsers' work */
		d->s->flags |= AVFMT_FLAG_NOPARSE;
	decide_clock(d);
	if (look_ahead(d, err) < 0)
		return -1;
	if (d->outs == 0) {
		if (d->ended && d->end_error != AVERROR_EOF && d->end_error != AVERROR_EXIT && !d->o.streams)
			return cb_avin_error(&d->in, d->end_error, &d->log, err);
		return d->o.streams && d->lanes ?
			cb_err_set(err, CB_E_USAGE, "%s: --streams %s: none of its %u streams", d->shown,
				   d->o.streams, d->lanes) :
			cb_err_set(err, CB_E_DATA, "%s: no video or audio in it", d->shown);
	}
	return 0;
}

int cb_demux_open(struct cb_demux **ret, const struct cb_demux_opts *o, struct cb_err *err)
{
	struct cb_demux *d;
	enum cb_source_kind kind;

	if (cb_source_kind(&kind, o->source, err) < 0 || check_streams(o->streams, err) < 0)
		return -1;
	d = calloc(1, sizeof(*d));
	if (!d)
		return cb_err_nomem(err);
	d->o = *o;
	d->in.fd = -1;
	d->log.line = o->log;
	d->log.ctx = o->ctx;
	cb_avlog_begin(&d->log);
	if (kind == CB_SOURCE_STDIN)
		snprintf(d->shown, sizeof(d->shown), "stdin");
	else
		cb_url_redact(d->shown, sizeof(d->shown), o->source);
	d->url = o->credentials ? cb_url_with_userinfo(o->source, o->credentials) : strdup(o->source);
	d->pkt = av_packet_alloc();
	if (!d->url || !d->pkt) {
		cb_err_nomem(err);
		goto out;
	}
	if (kind == CB_SOURCE_V4L2) {
		if (open_device(d, err) < 0)
			goto out;
	} else {
		if (cb_avin_open(&d->in, kind, o->source, d->url, d->shown, o->ca_file, o->timeout_ns, &d->log,
				 err) < 0 || open_container(d, err) < 0)
			goto out;
	}
	cb_avlog_end();
	*ret = d;
	return 0;
out:
	cb_avlog_end();
	cb_demux_free(d);
	return -1;
}

void cb_demux_free(struct cb_demux *d)
{
	if (!d)
		return;
	for (; d->head < d->tail; d->head++)
		av_packet_free(&d->queue[d->head].pkt);
	free(d->queue);
	for (unsigned i = 0; i < d->lanes; i++)
		cb_lane_release(&d->lane[i]);
	free(d->lane);
	cb_order_free(d->order);
	cb_v4l2_free(d->device);
	av_packet_free(&d->pkt);
	avformat_close_input(&d->s);
	cb_avin_close(&d->in);
	if (d->url)
		explicit_bzero(d->url, strlen(d->url));
	free(d->url);
	free(d);
}

/* Does the index promise bytes behind the end of the file? */
static bool index_beyond(const struct cb_demux *d)
{
	for (unsigned i = 0; i < d->s->nb_streams && d->in.regular; i++) {
		int n = d->lane[i].out < 0 ? 0 : avformat_index_get_entries_count(d->s->streams[i]);

		for (int k = n > 16 ? n - 16 : 0; k < n; k++) {
			const AVIndexEntry *e = avformat_index_get_entry(d->s->streams[i], k);

			if (e && e->pos >= 0 && (uint64_t)e->pos + (unsigned)e->size > d->in.size)
				return true;
		}
	}
	return false;
}

/* A server that states no length ends by closing, of which the library complains. */
static bool closed(const struct cb_demux *d)
{
	return (d->in.kind == CB_SOURCE_HTTP || d->in.kind == CB_SOURCE_HTTPS) && !d->in.size &&
	       !d->in.downgraded && strncmp(d->log.last, "Stream ends prematurely", 23) == 0;
}

/* How did it end? */
static int ending(struct cb_demux *d, struct cb_err *err)
{
	if (cb_stop_flag || d->device)
		return 0;
	if (d->in.error || d->in.late || d->in.downgraded)
		return cb_avin_error(&d->in, d->end_error, &d->log, err);
	if (d->corrupt_last && (d->end_error == AVERROR_EOF || d->end_error == AVERROR_INVALIDDATA))
		return cb_err_set(err, CB_E_DATA, "%s: truncated: the last packet is not whole", d->shown);
	if (closed(d))
		return 0;
	if (d->end_error != AVERROR_EOF)
		return cb_avin_error(&d->in, d->end_error, &d->log, err);
	if (d->in.pb && d->in.pb->error < 0 && d->in.pb->error != AVERROR_EOF)
		return cb_avin_error(&d->in, d->in.pb->error, &d->log, err);
	if ((is(d, "mov") || is(d, "avi")) && index_beyond(d))
		return cb_err_set(err, CB_E_DATA, "%s: truncated: its index reaches beyond its end", d->shown);
	return 0;
}

/* MP4 states how long a picture is, but the library does not pass it on where pictures are
 * reordered: the index has the decoding times. */
static void index_duration(const struct cb_demux *d, const AVStream *st, struct cb_lane *l,
			   struct cb_packet *p)
{
	const AVIndexEntry *a, *b;
	int k = l->count;

	if (!is(d, "mov") || k == INT_MAX)
		return;
	l->count++;
	if (p->duration)
		return;
	a = avformat_index_get_entry((AVStream *)st, k);
	b = avformat_index_get_entry((AVStream *)st, k + 1);
	if (a && b && a->timestamp == p->dts && b->timestamp > a->timestamp &&
	    b->timestamp - a->timestamp <= INT32_MAX)
		p->duration = b->timestamp - a->timestamp;
}

/* The next packet, canonical, into d->held. */
static int fetch(struct cb_demux *d, bool *ret_changed, struct cb_err *err)
{
	struct cb_demux_item *it = &d->held;
	struct cb_lane *l;
	int64_t wall = 0, mono = 0;
	AVStream *st;
	int r;

	for (;;) {
		av_packet_unref(d->pkt);
		if (d->head < d->tail) {
			struct ahead *a = &d->queue[d->head++];

			av_packet_move_ref(d->pkt, a->pkt);
			av_packet_free(&a->pkt);
			wall = a->wall;
			mono = a->mono;
			if (d->head == d->tail)
				d->head = d->tail = 0;
		} else {
			r = read_packet(d, d->pkt, err);
			if (r < 0)
				return -1;
			if (r == 0)
				return ending(d, err);
			if (d->source == CB_WALL_ARRIVAL)
				wall = cb_now_wall_ns();
			if (d->live || d->source == CB_WALL_ARRIVAL)
				mono = cb_now_mono_ns();
		}
		st = d->s->streams[d->pkt->stream_index];
		l = &d->lane[d->pkt->stream_index];
		if (cb_lane_packet(l, st, d->pkt, &it->p, ret_changed, err) < 0)
			return cb_err_prefix(err, "%s: stream %d", d->shown, d->pkt->stream_index);
		index_duration(d, st, l, &it->p);
		it->what = CB_DEMUX_PACKET;
		it->stream = (uint16_t)l->out;
		it->s = l->s;
		stamp(d, &l->s, it, wall, mono);
		*ret_changed |= !l->announced;
		l->announced = true;
		return 1;
	}
}

static int next(struct cb_demux *d, struct cb_demux_item *ret, struct cb_err *err)
{
	bool changed = false;
	int r;

	if (d->holding) {
		*ret = d->held;
		d->holding = false;
		return 1;
	}
	/* all that is known goes first, so that readers have the whole list early */
	for (unsigned i = 0; i < d->lanes; i++) {
		struct cb_lane *l = &d->lane[i];

		if (l->out < 0 || !l->known || l->announced)
			continue;
		l->announced = true;
		*ret = (struct cb_demux_item){ .what = CB_DEMUX_STREAM, .stream = (uint16_t)l->out, .s = l->s };
		return 1;
	}
	r = fetch(d, &changed, err);
	if (r <= 0)
		return r;
	*ret = d->held;
	if (changed) {
		ret->what = CB_DEMUX_STREAM;
		d->holding = true;
	}
	return 1;
}

int cb_demux_next(struct cb_demux *d, struct cb_demux_item *ret, struct cb_err *err)
{
	int r;

	cb_avlog_begin(&d->log);
	r = next(d, ret, err);
	cb_avlog_end();
	return r;
}

void cb_demux_hello(const struct cb_demux *d, struct cb_hello *h)
{
	h->live = d->live;
	h->wall_ns = d->start_ns;
	h->mono_ns = d->start_mono;
	h->wall_source = (uint8_t)d->source;
	h->sync = d->sync;
}

void cb_demux_position(const struct cb_demux *d, uint64_t *ret_at, uint64_t *ret_size)
{
	int64_t at = d->in.pb ? avio_tell(d->in.pb) : 0;

	*ret_at = at > 0 ? (uint64_t)at : 0;
	*ret_size = d->in.size;
}

unsigned cb_demux_left_out(const struct cb_demux *d)
{
	return d->left_out;
}

uint64_t cb_demux_damaged(const struct cb_demux *d)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < d->lanes; i++)
		n += d->lane[i].damaged;
	return n;
}
