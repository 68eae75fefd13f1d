/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to containers, with libavformat. */
#include "media/mux.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "codec/annexb.h"
#include "codec/paramsets.h"
#include "media/avlog.h"

#define IO_BUFFER (64 << 10)
#define REORDER_MAX 16
#define FAR (INT64_MAX / 3)		/* beyond this nothing is a time */
#define NS ((AVRational){ 1, 1000000000 })
#define JITTER_NS (CB_NS_PER_S / 5)	/* back by less is no new beginning */
#define ASTRAY_NS (10 * CB_NS_PER_S)	/* from what the wall clock says, after a GAP */
#define JUMPS_SAID 5
#define PAUSE_MAX (INT32_MAX - (1 << 24))	/* what a sample of MP4 can last, with room to reorder */

struct track {
	bool used, ignored;
	AVStream *st;
	struct cb_stream s;		/* extradata lies in extra */
	struct cb_buf extra, data;
	struct cb_sets sets;
	bool nal, insert;		/* insert: the next keyframe needs the sets put into it */
	int64_t wall0;
	int64_t last, last_in;		/* dts written last, in the container's and in our time base */
	/* where the times of the frames lie on the container's, see place() */
	bool marked;			/* a GAP or a STREAM came: times may begin anew */
	uint64_t epoch;
	int64_t shift;			/* ns, and in the container's time base */
	int64_t shift_out;
	int64_t dts, pts_max;		/* as stated, of this epoch */
	int64_t media, wall;		/* of the packet before, ns; wall 0: unknown */
	int64_t pts[REORDER_MAX + 1];	/* sorted: those from which a missing dts is taken */
	int64_t step;			/* duration, or distance to the packet before */
	int n, seen;
	int reorder;
};

struct cb_mux {
	enum cb_container c;
	int fd;
	bool seekable, begun, finished, guessed;
	off_t base;			/* where in fd the container begins */
	int error;			/* errno of a write that failed */
	AVFormatContext *s;
	AVPacket *pkt;
	struct cb_avlog log;
	struct track t[CB_STREAMS_MAX];
	uint64_t packets, moved;
	uint64_t epoch;			/* how often times began anew, and what is added since */
	int64_t shift;
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

static const struct { const char *name, *format; } containers[] = {
	[CB_MATROSKA] = { "matroska", "matroska" }, [CB_MPEGTS] = { "mpegts", "mpegts" },
	[CB_MP4] = { "mp4", "mp4" }, [CB_MOV] = { "mov", "mov" },
};
#define CONTAINERS ((int)(sizeof(containers) / sizeof(*containers)))

int cb_container_find(const char *name)
{
	for (int i = 0; i < CONTAINERS; i++)
		if (strcmp(name, containers[i].name) == 0)
			return i;
	return -1;
}

static void __attribute__((format(printf, 2, 3))) warn(struct cb_mux *m, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!m->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m->warn(m->ctx, text);
}

/* --- which codec goes where ------------------------------------------------------------------ */

static bool takes(enum cb_container c, enum AVCodecID id)
{
	const struct AVCodecTag *riff[3] = { avformat_get_riff_video_tags(), avformat_get_riff_audio_tags(), NULL };
	const AVOutputFormat *f = av_guess_format(containers[c].format, NULL, NULL);

	if (!f)
		return false;
	switch (c) {
	case CB_MPEGTS:		/* the muxer writes anything; this is what others read back */
		switch (id) {
		case AV_CODEC_ID_H264: case AV_CODEC_ID_HEVC: case AV_CODEC_ID_MPEG1VIDEO:
		case AV_CODEC_ID_MPEG2VIDEO: case AV_CODEC_ID_AAC:
		case AV_CODEC_ID_MP2: case AV_CODEC_ID_MP3: case AV_CODEC_ID_AC3: case AV_CODEC_ID_EAC3:
		case AV_CODEC_ID_OPUS: case AV_CODEC_ID_SMPTE_KLV:
			return true;
		default:
			return false;
		}
	case CB_MOV:
		if (id == AV_CODEC_ID_OPUS || id == AV_CODEC_ID_FLAC || id == AV_CODEC_ID_AV1 ||
		    id == AV_CODEC_ID_VP9 || id == AV_CODEC_ID_VP8)
			return false;
		break;
	case CB_MATROSKA:
		if (av_codec_get_tag(riff, id))
			return true;
		break;
	case CB_MP4:
		break;
	}
	return avformat_query_codec(f, id, FF_COMPLIANCE_NORMAL) == 1;
}

static int refuse(const struct cb_mux *m, uint16_t stream, const struct cb_stream *s, enum AVCodecID id,
		  struct cb_err *err)
{
	static const enum cb_container order[] = { CB_MATROSKA, CB_MOV, CB_MP4, CB_MPEGTS };
	char list[64] = "";

	for (int i = 0; i < CONTAINERS; i++)
		if (id != AV_CODEC_ID_NONE && takes(order[i], id))
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? " or " : "",
				 containers[order[i]].name);
	return cb_err_set(err, CB_E_DATA, "stream %u: %s does not take %s%s%s", stream,
			  containers[m->c].name, s->codec, *list ? "; use --format " : "", list);
}

/* --- output ------------------------------------------------------------------------------------ */

static int write_fd(void *ctx, uint8_t *buf, int n)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_mux *m = ctx;

	if (m->error)
		return AVERROR(m->error);
	if (cb_write_all(m->fd, buf, (size_t)n, &why) < 0) {
		m->error = why.sys ? why.sys : EIO;
		return AVERROR(m->error);
	}
	return n;
}

static int64_t seek_fd(void *ctx, int64_t offset, int whence)
{
	struct cb_mux *m = ctx;
	off_t at;

	if (whence & AVSEEK_SIZE)
		return AVERROR(ENOSYS);
	at = lseek(m->fd, whence == SEEK_SET ? offset + m->base : offset, whence);
	return at < 0 ? AVERROR(errno) : at - m->base;
}

static int failed(struct cb_mux *m, int averror, const char *what, struct cb_err *err)
{
	if (m->error)
		return cb_err_sys(err, CB_E_IO, m->error, "output: write");
	if (averror == AVERROR(ENOMEM))
		return cb_err_nomem(err);
	return cb_err_set(err, CB_E_DATA, "%s: %s", what, m->log.errors ? m->log.last : cb_averror_text(averror));
}

int cb_mux_new(struct cb_mux **ret, enum cb_container c, int fd, bool seekable, int64_t wall_ns,
	       void (*warning)(void *ctx, const char *text), void *ctx, struct cb_err *err)
{
	struct cb_mux *m = calloc(1, sizeof(*m));
	char text[CB_TIME_LEN];
	uint8_t *buf = NULL;

	if (!m)
		return cb_err_nomem(err);
	m->c = c;
	m->fd = fd;
	m->base = lseek(fd, 0, SEEK_CUR);
	m->seekable = seekable && m->base >= 0;
	m->warn = warning;
	m->ctx = ctx;
	cb_avlog_begin(&m->log);
	m->pkt = av_packet_alloc();
	buf = av_malloc(IO_BUFFER);
	if (!m->pkt || !buf || avformat_alloc_output_context2(&m->s, NULL, containers[c].format, NULL) < 0)
		goto nomem;
	m->s->pb = avio_alloc_context(buf, IO_BUFFER, 1, m, NULL, write_fd, m->seekable ? seek_fd : NULL);
	if (!m->s->pb)
		goto nomem;
	buf = NULL;
	m->s->pb->seekable = m->seekable ? AVIO_SEEKABLE_NORMAL : 0;
	/* equal frames, equal bytes; and no write a packet, cb_mux_flush says when */
	m->s->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
	m->s->flags &= ~AVFMT_FLAG_AUTO_BSF;
	m->s->flush_packets = 0;
	if (wall_ns > 0) {
		cb_time_format_us(text, wall_ns / 1000);
		if (av_dict_set(&m->s->metadata, "creation_time", text, 0) < 0)
			goto nomem;
	}
	cb_avlog_end();
	*ret = m;
	return 0;
nomem:
	cb_avlog_end();
	av_free(buf);
	cb_mux_free(m);
	return cb_err_nomem(err);
}

void cb_mux_free(struct cb_mux *m)
{
	if (!m)
		return;
	for (int i = 0; i < CB_STREAMS_MAX; i++) {
		cb_buf_release(&m->t[i].extra);
		cb_buf_release(&m->t[i].data);
		cb_sets_release(&m->t[i].sets);
	}
	if (m->s && m->s->pb) {
		av_freep(&m->s->pb->buffer);
		avio_context_free(&m->s->pb);
	}
	avformat_free_context(m->s);
	av_packet_free(&m->pkt);
	free(m);
}

/* --- numbers ------------------------------------------------------------------------------------- */

static int limited(uint32_t v)
{
	return v > INT32_MAX ? 0 : (int)v;
}

/* Sums of three of these do not overflow. */
static int64_t bound(int64_t v)
{
	return v > FAR ? FAR : v < -FAR ? -FAR : v;
}

static int64_t rescale(int64_t v, AVRational from, AVRational to)
{
	return bound(av_rescale_q_rnd(bound(v), from, to, AV_ROUND_NEAR_INF));
}

static AVRational base_of(const struct track *t)
{
	return (AVRational){ limited(t->s.tb_num), limited(t->s.tb_den) };
}

/* --- streams -------------------------------------------------------------------------------------- */

static enum AVCodecID codec_id(const struct cb_stream *s)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(s->codec);

	return d ? d->id : AV_CODEC_ID_NONE;
}

static int parameters(struct cb_mux *m, struct track *t, struct cb_err *err)
{
	AVCodecParameters *p = t->st->codecpar;
	const struct cb_stream *s = &t->s;
	const struct AVCodecTag *const *tags = m->s->oformat->codec_tag;
	struct cb_sps sps;
	uint8_t *side;

	p->codec_id = codec_id(s);
	p->codec_type = s->kind == CB_VIDEO ? AVMEDIA_TYPE_VIDEO : s->kind == CB_AUDIO ? AVMEDIA_TYPE_AUDIO :
			AVMEDIA_TYPE_DATA;
	/* the source's four characters, where this container knows them for this codec */
	if (tags && s->codec_tag && av_codec_get_id(tags, s->codec_tag) == p->codec_id)
		p->codec_tag = s->codec_tag;
	p->bit_rate = s->bit_rate <= INT64_MAX ? (int64_t)s->bit_rate : 0;
	p->bits_per_coded_sample = s->bits;
	p->profile = s->profile == UINT32_MAX ? FF_PROFILE_UNKNOWN : limited(s->profile);
	if (p->codec_id == AV_CODEC_ID_VP9)	/* MP4 states it; profile 0 is nothing else */
		p->format = AV_PIX_FMT_YUV420P;
	p->level = s->level == UINT32_MAX ? FF_LEVEL_UNKNOWN : limited(s->level);
	if (s->kind == CB_VIDEO) {
		p->width = limited(s->width);
		p->height = limited(s->height);
		p->sample_aspect_ratio = (AVRational){ limited(s->sar_num), limited(s->sar_den) };
		t->st->sample_aspect_ratio = p->sample_aspect_ratio;
		if (s->fr_num && s->fr_num <= INT32_MAX && s->fr_den <= INT32_MAX)
			t->st->avg_frame_rate = (AVRational){ (int)s->fr_num, (int)s->fr_den };
		p->color_range = s->color_range;
		p->color_primaries = s->color_primaries;
		p->color_trc = s->color_trc;
		p->color_space = s->color_space;
		p->chroma_location = s->chroma_location;
		p->field_order = s->field_order;
		p->video_delay = t->reorder;
		if (s->has_matrix) {
			side = av_stream_new_side_data(t->st, AV_PKT_DATA_DISPLAYMATRIX, sizeof(s->matrix));
			if (!side)
				return cb_err_nomem(err);
			memcpy(side, s->matrix, sizeof(s->matrix));
		}
	} else if (s->kind == CB_AUDIO) {
		p->sample_rate = limited(s->sample_rate);
		if (!s->channel_layout || av_channel_layout_from_mask(&p->ch_layout, s->channel_layout) < 0 ||
		    p->ch_layout.nb_channels != s->channels)
			av_channel_layout_default(&p->ch_layout, s->channels);
		p->block_align = limited(s->block_align);
		p->frame_size = limited(s->frame_size);
		p->initial_padding = limited(s->initial_padding);
		p->trailing_padding = limited(s->trailing_padding);
		p->seek_preroll = limited(s->seek_preroll);
		if (!p->bits_per_coded_sample)
			p->bits_per_coded_sample = av_get_bits_per_sample(p->codec_id);
		if (!p->block_align && p->bits_per_coded_sample)
			p->block_align = p->bits_per_coded_sample * s->channels / 8;
	}
	/* MPEG-TS has the sets in its packets */
	if (s->extradata_len && !(m->c == CB_MPEGTS && t->nal)) {
		p->extradata = av_mallocz(s->extradata_len + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!p->extradata)
			return cb_err_nomem(err);
		memcpy(p->extradata, s->extradata, s->extradata_len);
		p->extradata_size = (int)s->extradata_len;
	}
	if (t->nal && !s->width && cb_sets_sps(&t->sets, &sps)) {
		p->width = (int)sps.width;
		p->height = (int)sps.height;
	}
	return 0;
}

static int remember(struct track *t, const struct cb_stream *s, struct cb_err *err)
{
	struct cb_sps sps;
	int nal_length;

	t->extra.len = 0;
	if (cb_buf_add(&t->extra, s->extradata, s->extradata_len) < 0)
		return cb_err_nomem(err);
	t->s = *s;
	t->s.extradata = t->extra.data;
	t->nal = s->nal_length && (!strcmp(s->codec, "h264") || !strcmp(s->codec, "hevc"));
	if (!t->nal)
		return 0;
	t->sets.hevc = !strcmp(s->codec, "hevc");
	if (s->extradata_len)	/* damaged ones: the packets may know better */
		cb_sets_load(&t->sets, s->extradata, s->extradata_len, &nal_length, NULL);
	t->reorder = cb_sets_sps(&t->sets, &sps) && sps.reorder >= 0 ? sps.reorder : REORDER_MAX;
	return 0;
}

/* "h264 640x480", "aac 48000 Hz 2 channels" */
static const char *describe(char text[static 80], const struct cb_stream *s)
{
	if (s->kind == CB_VIDEO)
		snprintf(text, 80, "%s %ux%u", s->codec, s->width, s->height);
	else if (s->kind == CB_AUDIO)
		snprintf(text, 80, "%s %u Hz %u channels", s->codec, s->sample_rate, s->channels);
	else
		snprintf(text, 80, "%s", s->codec);
	return text;
}

/* What is remembered of times, in another time base. */
static void rebase(struct track *t, const struct cb_stream *s)
{
	AVRational from = base_of(t), to = { limited(s->tb_num), limited(s->tb_den) };
	int64_t *const v[] = { &t->dts, &t->pts_max, &t->last_in, &t->step };

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		if (*v[i] != CB_NOPTS)
			*v[i] = rescale(*v[i], from, to);
	for (int i = 0; i < t->n; i++)
		t->pts[i] = rescale(t->pts[i], from, to);
}

/* New parameters in the middle. */
static int change(struct cb_mux *m, uint16_t stream, struct track *t, const struct cb_stream *s,
		  struct cb_err *err)
{
	static const char *const alone[] = { "mjpeg", "vp8", "vp9", "av1", "mpeg2video", "mpeg1video" };
	char was[80], is[80];
	bool same = strcmp(s->codec, t->s.codec) == 0 && s->kind == t->s.kind && s->nal_length == t->s.nal_length &&
		    s->width == t->s.width && s->height == t->s.height && s->sample_rate == t->s.sample_rate &&
		    s->channels == t->s.channels && s->extradata_len == t->s.extradata_len &&
		    (!s->extradata_len || memcmp(s->extradata, t->s.extradata, s->extradata_len) == 0);
	bool fine = t->nal && s->nal_length == t->s.nal_length;

	if (!same) {
		for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++)
			fine |= strcmp(s->codec, alone[i]) == 0;
		if (strcmp(s->codec, t->s.codec) != 0 || !fine)
			return cb_err_set(err, CB_E_DATA,
					  "stream %u: new parameters, %s after %s: %s cannot hold that in its middle",
					  stream, describe(is, s), describe(was, &t->s), containers[m->c].name);
		if (m->c != CB_MPEGTS)
			warn(m, "stream %u: %s from here on: players that read only the beginning will not see it",
			     stream, describe(is, s));
		t->insert = t->nal;
	}
	/* the container keeps the time base that it was told */
	if (s->tb_num != t->s.tb_num || s->tb_den != t->s.tb_den)
		rebase(t, s);
	return remember(t, s, err);
}

int cb_mux_stream(struct cb_mux *m, uint16_t stream, const struct cb_stream *s, struct cb_err *err)
{
	struct track *t = &m->t[stream < CB_STREAMS_MAX ? stream : 0];
	enum AVCodecID id = codec_id(s);
	int ret = -1;

	if (stream >= CB_STREAMS_MAX)
		return cb_err_set(err, CB_E_DATA, "stream %u", stream);
	t->marked = true;
	if (t->used)
		return m->begun ? change(m, stream, t, s, err) : t->ignored ? 0 : remember(t, s, err);
	if (t->ignored)
		return 0;
	if (m->begun) {
		t->ignored = true;
		warn(m, "stream %u (%s) begins after the first packet and is left out", stream, s->codec);
		return 0;
	}
	if (!takes(m->c, id) || (m->c == CB_MP4 && id == AV_CODEC_ID_VP9 && s->profile && s->profile != UINT32_MAX)) {
		if (s->kind != CB_DATA)
			return refuse(m, stream, s, id, err);
		t->ignored = true;
		warn(m, "stream %u: %s does not take %s; left out", stream, containers[m->c].name, s->codec);
		return 0;
	}
	t->used = true;
	t->last = t->last_in = t->dts = t->pts_max = CB_NOPTS;
	cb_sets_init(&t->sets, false);
	cb_avlog_begin(&m->log);
	t->st = avformat_new_stream(m->s, NULL);
	ret = t->st ? remember(t, s, err) : cb_err_nomem(err);
	cb_avlog_end();
	return ret;
}

/* --- packets -------------------------------------------------------------------------------------- */

static int begin(struct cb_mux *m, struct cb_err *err)
{
	AVDictionary *o = NULL;
	bool video = false;
	int r = 0;

	for (int i = 0; i < CB_STREAMS_MAX; i++) {
		struct track *t = &m->t[i];

		if (!t->used)
			continue;
		video |= t->s.kind == CB_VIDEO;
		t->st->time_base = (AVRational){ limited(t->s.tb_num), limited(t->s.tb_den) };
		if (parameters(m, t, err) < 0)
			return -1;
	}
	if ((m->c == CB_MP4 || m->c == CB_MOV) && !m->seekable) {
		r = av_dict_set(&o, "movflags", "frag_keyframe+delay_moov+default_base_moof", 0);
		if (r >= 0 && !video)
			r = av_dict_set(&o, "frag_duration", "2000000", 0);
	}
	if (r >= 0)
		r = avformat_write_header(m->s, &o);
	av_dict_free(&o);
	if (r < 0)
		return failed(m, r, containers[m->c].name, err);
	m->begun = true;
	return 0;
}

static int append_unit(struct cb_buf *b, const uint8_t *p, size_t n, bool bytes, int nal_length)
{
	uint8_t head[4] = { 0, 0, 0, 1 };

	if (!bytes) {
		cb_put_be32(head, (uint32_t)n);
		return cb_buf_add(b, head + 4 - nal_length, (size_t)nal_length) < 0 ? -1 : cb_buf_add(b, p, n);
	}
	return cb_buf_add(b, head, 4) < 0 ? -1 : cb_buf_add(b, p, n);
}

/* NAL units as the container wants them, with the sets before a picture that needs them. */
static int units(struct cb_mux *m, struct track *t, const struct cb_packet *p, bool *ret_own,
		 struct cb_err *err)
{
	bool ts = m->c == CB_MPEGTS, has = false, put = false;
	int nl = t->s.nal_length, k;
	struct cb_nal u;
	size_t pos = 0;

	*ret_own = false;
	if (!ts && !(t->insert && (p->flags & CB_F_KEY)))
		return 0;
	while ((k = cb_nal_next(p->data, p->len, nl, &pos, &u)) > 0 && !has)
		has = cb_sets_is_set(t->sets.hevc, u.p, u.n);
	if (!ts && has) {
		t->insert = false;
		return 0;
	}
	*ret_own = true;
	t->data.len = 0;
	pos = 0;
	while ((k = cb_nal_next(p->data, p->len, nl, &pos, &u)) != 0) {
		/* an access unit delimiter stays first */
		bool aud = u.n && (t->sets.hevc ? (u.p[0] >> 1 & 63) == 35 : (u.p[0] & 31) == 9);

		for (unsigned i = 0; !put && !aud && !has && (p->flags & CB_F_KEY) && i < t->sets.n; i++)
			if (append_unit(&t->data, t->sets.set[i].data, t->sets.set[i].len, ts, nl) < 0)
				return cb_err_nomem(err);
		put |= !aud;
		if (u.n && append_unit(&t->data, u.p, u.n, ts, nl) < 0)
			return cb_err_nomem(err);
		if (k < 0)
			break;
	}
	if (p->flags & CB_F_KEY)
		t->insert = false;
	return 0;
}

/* A decoding time for pictures of which only the presentation time is known: the lowest of the
 * last few of those cannot be beaten by a picture still to come. */
static int64_t derive(struct track *t, int64_t pts, int64_t duration)
{
	int depth = t->nal ? t->reorder : REORDER_MAX, i;
	int64_t step = duration, low;

	if (step <= 0 && t->s.fr_num)
		step = rescale(1, (AVRational){ limited(t->s.fr_den), limited(t->s.fr_num) }, base_of(t));
	if (step <= 0 || step > FAR / REORDER_MAX / 2)
		step = 1;
	for (i = t->n; i > 0 && t->pts[i - 1] > pts; i--)
		t->pts[i] = t->pts[i - 1];
	t->pts[i] = pts;
	t->n++;
	low = t->pts[0];
	if (t->n <= depth)	/* not enough seen: count back from the first */
		return low - (depth - t->n + 1) * step;
	t->n--;
	memmove(t->pts, t->pts + 1, (size_t)t->n * sizeof(*t->pts));
	return low;
}

static void shift_by(struct track *t, uint64_t epoch, int64_t shift)
{
	t->epoch = epoch;
	t->shift = shift;
	t->shift_out = rescale(shift, NS, t->st->time_base);
	t->dts = t->pts_max = t->last_in = CB_NOPTS;
	t->n = 0;
}

/* A camera that was away, or a recorder that was, lets times begin anew, often at 0. What comes
 * then is put where the wall clock says, and where there is none behind what is there. All
 * streams are moved by the same, so that they stay together. */
static void place(struct cb_mux *m, uint16_t stream, struct track *t, const struct cb_packet *p, int64_t pts,
		  int64_t dts)
{
	AVRational in = base_of(t);
	int64_t media = rescale(pts != CB_NOPTS ? pts : dts, in, NS), jitter = rescale(JITTER_NS, NS, in);
	int64_t wall = p->wall_source != CB_WALL_NONE && p->wall_ns > 0 ? p->wall_ns : 0;
	bool limited_pause = m->c == CB_MP4 || m->c == CB_MOV;
	bool marked = t->marked, back = false, far;
	int64_t stay, passed, out, low, last, step;

	t->marked = false;
	if (!t->seen) {
		shift_by(t, m->epoch, m->shift);
		goto done;
	}
	if (dts != CB_NOPTS && t->dts != CB_NOPTS)
		back = dts < t->dts - jitter;
	else if (pts != CB_NOPTS && t->pts_max != CB_NOPTS && (p->flags & CB_F_KEY || t->s.kind != CB_VIDEO))
		back = pts < t->pts_max - jitter;
	stay = bound(media - t->media);
	passed = wall && t->wall ? bound(wall - t->wall) : 0;
	far = marked && passed > 0 && llabs(stay - passed) > ASTRAY_NS;
	far |= limited_pause && rescale(stay, NS, t->st->time_base) > PAUSE_MAX;
	if (!back && !far && (!marked || t->epoch == m->epoch))
		goto done;
	if (t->epoch != m->epoch) {	/* another stream was there first */
		out = bound(stay + m->shift - t->shift);
		if (passed <= 0 ? out > -CB_NS_PER_S :
		    llabs(out - passed) < (back ? ASTRAY_NS : llabs(stay - passed))) {
			shift_by(t, m->epoch, m->shift);
			goto done;
		}
		if (!back && !far)
			goto done;
	}
	step = t->step > 0 ? rescale(t->step, in, NS) : 1;
	low = dts != CB_NOPTS && pts != CB_NOPTS ? bound(rescale(dts, in, NS) - media) :
	      dts == CB_NOPTS && t->nal ? bound(step * -t->reorder) : 0;
	last = rescale(t->last, t->st->time_base, NS);
	out = bound(t->media + t->shift + (passed > 0 ? passed : 0));
	if (out + low <= last)
		out = last - low + step;
	if (limited_pause && rescale(out + low, NS, t->st->time_base) - t->last > PAUSE_MAX) {
		out = last - low + step;
		passed = 0;
	}
	m->epoch++;
	m->shift = bound(out - media);
	if (m->epoch <= JUMPS_SAID)
		warn(m, "stream %u: times begin anew: continued %.1f s after the packet before%s", stream,
		     (double)(out - t->media - t->shift) / 1e9, passed > 0 ? ", by the wall clock" : "");
	shift_by(t, m->epoch, m->shift);
done:
	if (dts != CB_NOPTS)
		t->dts = dts;
	if (pts != CB_NOPTS && (t->pts_max == CB_NOPTS || pts > t->pts_max))
		t->pts_max = pts;
	t->media = media;
	t->wall = wall;
}

/* Both times in the container's time base. */
static void times(struct cb_mux *m, uint16_t stream, struct track *t, const struct cb_packet *p,
		  AVPacket *pkt)
{
	int64_t pts = p->pts == CB_NOPTS ? CB_NOPTS : bound(p->pts), dts = p->dts == CB_NOPTS ? CB_NOPTS : bound(p->dts);
	int64_t duration = bound(p->duration);
	AVRational in = base_of(t);

	if (pts != CB_NOPTS || dts != CB_NOPTS)
		place(m, stream, t, p, pts, dts);
	if (pts == CB_NOPTS && dts == CB_NOPTS) {
		if (!t->seen)
			t->wall0 = p->wall_ns > 0 ? p->wall_ns : 0;
		pts = dts = p->wall_ns > 0 ? rescale(p->wall_ns - t->wall0, NS, in) : 0;
	} else if (pts == CB_NOPTS) {
		if (!m->guessed && t->s.kind == CB_VIDEO)
			warn(m, "stream %u: presentation times are not known: those of decoding are taken", stream);
		m->guessed = true;
		pts = dts;
	} else if (dts == CB_NOPTS) {
		const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(t->s.codec);

		dts = t->s.kind == CB_VIDEO && d && (d->props & AV_CODEC_PROP_REORDER) ? derive(t, pts, duration) : pts;
	}
	t->seen = 1;
	/* readers of Matroska take the delay that it states for Opus off the times; libavformat's
	 * writer does not put it on, and sound would come earlier with each copy */
	if (m->c == CB_MATROSKA && t->st->codecpar->codec_id == AV_CODEC_ID_OPUS && t->s.sample_rate) {
		int64_t delay = rescale(t->s.initial_padding, (AVRational){ 1, limited(t->s.sample_rate) }, in);

		pts += delay;
		dts += delay;
	}
	pkt->pts = bound(rescale(pts, in, t->st->time_base) + t->shift_out);
	pkt->dts = bound(rescale(dts, in, t->st->time_base) + t->shift_out);
	/* the last packet's is the only one that matters: a guess is better than none */
	t->step = duration > 0 ? duration : t->last_in != CB_NOPTS && dts > t->last_in ? dts - t->last_in : t->step;
	pkt->duration = rescale(t->step, in, t->st->time_base);
	if (t->last != CB_NOPTS && pkt->dts <= t->last) {
		/* two that are told apart in the source only are no jump */
		if (t->last_in == CB_NOPTS || dts <= t->last_in)
			m->moved++;
		pkt->dts = t->last + 1;
	}
	if (pkt->pts < pkt->dts) {
		if (pts < dts)
			m->moved++;
		pkt->pts = pkt->dts;
	}
	t->last = pkt->dts;
	t->last_in = dts;
}

static int packet(struct cb_mux *m, uint16_t stream, struct track *t, const struct cb_packet *p,
		  struct cb_err *err)
{
	AVPacket *pkt = m->pkt;
	const uint8_t *data = p->data;
	size_t n = p->len;
	uint8_t *skip;
	bool own = false;
	int r;

	if (!m->begun && begin(m, err) < 0)
		return -1;
	if (t->nal && units(m, t, p, &own, err) < 0)
		return -1;
	if (own) {
		data = t->data.data;
		n = t->data.len;
	}
	if (!n)
		return 0;
	if (av_new_packet(pkt, (int)n) < 0)
		return cb_err_nomem(err);
	memcpy(pkt->data, data, n);
	pkt->stream_index = t->st->index;
	times(m, stream, t, p, pkt);
	pkt->flags = (p->flags & CB_F_KEY ? AV_PKT_FLAG_KEY : 0) |
		     (p->flags & CB_F_DISCARD ? AV_PKT_FLAG_DISCARD : 0) |
		     (p->flags & CB_F_CORRUPT ? AV_PKT_FLAG_CORRUPT : 0) |
		     (p->flags & CB_F_DISPOSABLE ? AV_PKT_FLAG_DISPOSABLE : 0);
	if (p->skip_start || p->skip_end) {
		skip = av_packet_new_side_data(pkt, AV_PKT_DATA_SKIP_SAMPLES, 10);
		if (!skip) {
			av_packet_unref(pkt);
			return cb_err_nomem(err);
		}
		AV_WL32(skip, p->skip_start);
		AV_WL32(skip + 4, p->skip_end);
		AV_WL16(skip + 8, 0);
	}
	r = av_interleaved_write_frame(m->s, pkt);
	if (r < 0 || m->error) {
		av_packet_unref(pkt);
		return failed(m, r, containers[m->c].name, err);
	}
	m->packets++;
	return 0;
}

int cb_mux_packet(struct cb_mux *m, uint16_t stream, const struct cb_packet *p, struct cb_err *err)
{
	struct track *t = &m->t[stream < CB_STREAMS_MAX ? stream : 0];
	int r;

	if (stream < CB_STREAMS_MAX && t->ignored)
		return 0;
	if (stream >= CB_STREAMS_MAX || !t->used)
		return cb_err_set(err, CB_E_DATA, "a packet of stream %u before its STREAM", stream);
	if (!p->len)
		return 0;
	cb_avlog_begin(&m->log);
	r = packet(m, stream, t, p, err);
	cb_avlog_end();
	return r;
}

void cb_mux_gap(struct cb_mux *m)
{
	for (int i = 0; i < CB_STREAMS_MAX; i++)
		m->t[i].marked = true;
}

void cb_mux_flush(struct cb_mux *m)
{
	if (m->begun && !m->finished && !m->seekable)
		avio_flush(m->s->pb);
}

int cb_mux_finish(struct cb_mux *m, struct cb_err *err)
{
	int r;

	if (m->finished)
		return 0;
	m->finished = true;
	if (!m->begun)
		return cb_err_set(err, CB_E_DATA, "no packet came: nothing to write");
	cb_avlog_begin(&m->log);
	r = av_write_trailer(m->s);
	avio_flush(m->s->pb);
	cb_avlog_end();
	return r < 0 || m->error ? failed(m, r, containers[m->c].name, err) : 0;
}

bool cb_mux_begun(const struct cb_mux *m)
{
	return m->begun;
}

uint64_t cb_mux_moved(const struct cb_mux *m)
{
	return m->moved;
}
