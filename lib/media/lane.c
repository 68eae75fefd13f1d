/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical packets: start codes, ADTS headers, parameters in the stream, times. */
#include "media/lane.h"

#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>

#include "base/num.h"
#include "codec/annexb.h"

/* --- parameters --------------------------------------------------------------------------- */

static void rational(AVRational r, uint32_t *num, uint32_t *den)
{
	bool good = r.num > 0 && r.den > 0;

	av_reduce(&r.num, &r.den, r.num, r.den, INT32_MAX);
	*num = good ? (uint32_t)r.num : 0;
	*den = good ? (uint32_t)r.den : 1;
}

static uint32_t positive(int64_t v)
{
	return v > 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

/* Everything of s that codec parameters and the container state. */
static void fill(struct cb_lane *l, const AVStream *st)
{
	const AVCodecParameters *p = l->par;
	struct cb_stream *s = &l->s;
	const uint8_t *matrix;
	size_t size = 0;

	memset(s, 0, sizeof(*s));
	snprintf(s->codec, sizeof(s->codec), "%s", avcodec_get_name(p->codec_id));
	s->kind = p->codec_type == AVMEDIA_TYPE_VIDEO ? CB_VIDEO :
		  p->codec_type == AVMEDIA_TYPE_AUDIO ? CB_AUDIO : CB_DATA;
	rational(st->time_base, &s->tb_num, &s->tb_den);
	if (!s->tb_num)
		s->tb_num = 1, s->tb_den = 90000;
	s->sar_den = s->fr_den = 1;
	s->profile = p->profile >= 0 ? (uint32_t)p->profile : UINT32_MAX;
	s->level = p->level >= 0 ? (uint32_t)p->level : UINT32_MAX;
	s->bit_rate = p->bit_rate > 0 ? (uint64_t)p->bit_rate : 0;
	s->codec_tag = p->codec_tag;
	s->bits = (uint16_t)(p->bits_per_coded_sample > 0 && p->bits_per_coded_sample < 256 ?
			     p->bits_per_coded_sample : 0);
	if (s->kind == CB_VIDEO) {
		s->width = p->width > 0 && p->width <= 65535 ? (uint32_t)p->width : 0;
		s->height = p->height > 0 && p->height <= 65535 ? (uint32_t)p->height : 0;
		rational(st->sample_aspect_ratio.num ? st->sample_aspect_ratio : p->sample_aspect_ratio,
			 &s->sar_num, &s->sar_den);
		rational(st->avg_frame_rate.num ? st->avg_frame_rate : st->r_frame_rate, &s->fr_num,
			 &s->fr_den);
		s->color_range = (uint8_t)p->color_range;
		s->color_primaries = (uint8_t)p->color_primaries;
		s->color_trc = (uint8_t)p->color_trc;
		s->color_space = (uint8_t)p->color_space;
		s->chroma_location = (uint8_t)p->chroma_location;
		s->field_order = (uint8_t)p->field_order;
		matrix = av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, &size);
		if (matrix && size >= sizeof(s->matrix)) {
			memcpy(s->matrix, matrix, sizeof(s->matrix));
			s->has_matrix = true;
		}
	} else if (s->kind == CB_AUDIO) {
		s->sample_rate = positive(p->sample_rate);
		s->channels = (uint16_t)(p->ch_layout.nb_channels > 0 && p->ch_layout.nb_channels < 65536 ?
					 p->ch_layout.nb_channels : 0);
		if (p->ch_layout.order == AV_CHANNEL_ORDER_NATIVE)
			s->channel_layout = p->ch_layout.u.mask;
		s->block_align = positive(p->block_align);
		s->frame_size = positive(p->frame_size);
		s->initial_padding = positive(p->initial_padding);
		s->trailing_padding = positive(p->trailing_padding);
		s->seek_preroll = positive(p->seek_preroll);
	}
	s->extradata = l->extra.data;
	s->extradata_len = (uint32_t)l->extra.len;
}

/* The rate of a parameter set, where the container has none. */
static void rate(struct cb_stream *s, const struct cb_sps *sps)
{
	if (!s->fr_num && sps->fr_num && sps->fr_num <= INT32_MAX && sps->fr_den <= INT32_MAX)
		rational((AVRational){ (int)sps->fr_num, (int)sps->fr_den }, &s->fr_num, &s->fr_den);
}

/* What only the active parameter set says, or says better than the container. */
static int fill_sets(struct cb_lane *l, struct cb_err *err)
{
	struct cb_stream *s = &l->s;
	struct cb_sps sps;

	l->version = l->sets.version;
	if (!cb_sets_complete(&l->sets) || !cb_sets_sps(&l->sets, &sps))
		return 0;
	l->sps = (int)sps.id;
	s->width = sps.width;
	s->height = sps.height;
	s->profile = sps.profile;
	s->level = sps.level;
	if (!s->sar_num && sps.sar_num)
		s->sar_num = sps.sar_num, s->sar_den = sps.sar_den;
	rate(s, &sps);
	if (sps.has_color && !s->color_range) {
		s->color_range = sps.full_range ? 2 : 1;
		s->color_primaries = sps.primaries;
		s->color_trc = sps.trc;
		s->color_space = sps.matrix;
	}
	l->extra.len = 0;
	if (cb_sets_extradata(&l->sets, &l->extra, s->nal_length, err) < 0)
		return -1;
	s->extradata = l->extra.data;
	s->extradata_len = (uint32_t)l->extra.len;
	return 0;
}

static int set_extra(struct cb_lane *l, const uint8_t *p, size_t n, struct cb_err *err)
{
	if (n > CB_EXTRADATA_MAX)
		return cb_err_set(err, CB_E_DATA, "%zu bytes of codec parameters", n);
	l->extra.len = 0;
	if (cb_buf_add(&l->extra, p, n) < 0)
		return cb_err_nomem(err);
	l->s.extradata = l->extra.data;
	l->s.extradata_len = (uint32_t)n;
	return 0;
}

static const int aac_rates[13] = {
	96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
};

static void aac_channels(AVCodecParameters *par, unsigned config)
{
	static const uint8_t channels[8] = { 0, 1, 2, 3, 4, 5, 6, 8 };

	if (config > 0 && config < 8 && par->ch_layout.nb_channels != channels[config]) {
		av_channel_layout_uninit(&par->ch_layout);
		av_channel_layout_default(&par->ch_layout, channels[config]);
	}
}

/* Rate, channels and frame length of an AudioSpecificConfig. It knows better than the
 * container (FLV's headers say 44.1 kHz stereo, always), unless that speaks of the output
 * after spectral band replication: twice the rate, perhaps twice the channels. */
static void asc_read(AVCodecParameters *par, const uint8_t *p, size_t n)
{
	unsigned rate, type;

	if (n < 2)
		return;
	type = p[0] >> 3;
	rate = (p[0] & 7) << 1 | p[1] >> 7;
	if (rate < 13 && type != 31) {
		if (type != 5 && type != 29 && par->sample_rate != 2 * aac_rates[rate]) {
			par->sample_rate = aac_rates[rate];
			aac_channels(par, p[1] >> 3 & 15);
		} else if (!par->sample_rate) {
			par->sample_rate = 2 * aac_rates[rate];
		}
		if (!par->ch_layout.nb_channels)
			aac_channels(par, p[1] >> 3 & 15);
		if (!par->frame_size && (type == 1 || type == 2 || type == 4))
			par->frame_size = p[1] & 4 ? 960 : 1024;
	}
	if (!par->frame_size)
		par->frame_size = 1024;
}

/* An ADTS header: its length, or 0. */
static size_t adts_head(const uint8_t *p, size_t n)
{
	if (n < 7 || p[0] != 0xff || (p[1] & 0xf6) != 0xf0 || (p[2] >> 2 & 15) > 12)
		return 0;
	return p[1] & 1 ? 7 : 9;
}

/* Channel configuration 0: the layout stands in a program config element in the packet,
 * and belongs into the AudioSpecificConfig. The library's filter knows how. */
static int asc_by_filter(struct cb_lane *l, const AVPacket *pkt, struct cb_err *err)
{
	const AVBitStreamFilter *f = av_bsf_get_by_name("aac_adtstoasc");
	AVBSFContext *bsf = NULL;
	AVPacket *copy = NULL;
	const uint8_t *side;
	size_t size = 0;
	int ret = -1;

	if (!f || av_bsf_alloc(f, &bsf) < 0 || !(copy = av_packet_clone(pkt)) ||
	    avcodec_parameters_copy(bsf->par_in, l->par) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	if (av_bsf_init(bsf) < 0 || av_bsf_send_packet(bsf, copy) < 0 ||
	    av_bsf_receive_packet(bsf, copy) < 0 ||
	    !(side = av_packet_get_side_data(copy, AV_PKT_DATA_NEW_EXTRADATA, &size))) {
		cb_err_set(err, CB_E_DATA, "AAC with a channel layout that cannot be read");
		goto out;
	}
	ret = set_extra(l, side, size, err);
out:
	av_packet_free(&copy);
	av_bsf_free(&bsf);
	return ret;
}

/* Parameters of an ADTS header into s. */
static int adts_learn(struct cb_lane *l, const AVStream *st, const AVPacket *pkt, struct cb_err *err)
{
	const uint8_t *p = pkt->data;
	unsigned type = (p[2] >> 6) + 1u, rate = p[2] >> 2 & 15, config = (p[2] & 1u) << 2 | p[3] >> 6;
	uint8_t asc[2] = { (uint8_t)(type << 3 | rate >> 1), (uint8_t)((rate & 1) << 7 | config << 3) };

	memcpy(l->adts, p, 7);
	l->par->sample_rate = aac_rates[rate];
	l->par->frame_size = 1024;
	aac_channels(l->par, config);
	l->par->profile = (int)type - 1;
	fill(l, st);
	return config ? set_extra(l, asc, sizeof(asc), err) : asc_by_filter(l, pkt, err);
}

/* Width and height from a JPEG's frame header. */
static bool jpeg_size(const uint8_t *p, size_t n, int *w, int *h)
{
	size_t i = 2;

	if (n < 4 || p[0] != 0xff || p[1] != 0xd8)
		return false;
	while (i + 9 < n) {
		if (p[i] != 0xff)
			return false;
		if (p[i + 1] == 0xff) {
			i++;
			continue;
		}
		if (p[i + 1] >= 0xc0 && p[i + 1] <= 0xcf && p[i + 1] != 0xc4 && p[i + 1] != 0xc8 &&
		    p[i + 1] != 0xcc) {
			*h = cb_be16(p + i + 5);
			*w = cb_be16(p + i + 7);
			return *w > 0 && *h > 0;
		}
		i += 2 + (size_t)cb_be16(p + i + 2);
	}
	return false;
}

/* --- setting up ----------------------------------------------------------------------------- */

static bool complete(const struct cb_lane *l)
{
	const struct cb_stream *s = &l->s;

	if (!l->set_up)
		return false;
	switch (s->kind) {
	case CB_VIDEO:
		return s->width && s->height && (!l->nal || s->extradata_len);
	case CB_AUDIO:
		return s->sample_rate && s->channels && (l->framing != CB_FRAMING_ADTS || s->extradata_len);
	}
	return true;
}

/* Decide the framing once there is extradata or, without any, a packet. */
static int set_up(struct cb_lane *l, const AVStream *st, const AVPacket *pkt, struct cb_err *err)
{
	const AVCodecParameters *p = st->codecpar;
	struct cb_err why = CB_ERR_INIT;
	int nal_length = 0;

	if (p->extradata_size > 0 && set_extra(l, p->extradata, (size_t)p->extradata_size, err) < 0)
		return -1;
	l->framing = CB_FRAMING_ASIS;
	if (l->nal) {
		if (!l->extra.len && !pkt)
			return 0;
		if (l->extra.len && cb_sets_load(&l->sets, l->extra.data, l->extra.len, &nal_length, &why) < 0) {
			if (why.code == CB_E_OS) {
				*err = why;
				return -1;
			}
			/* neither: what the packets look like decides */
			if (!nal_length && pkt && !cb_annexb_is(pkt->data, (size_t)pkt->size))
				nal_length = 4;
			if (!nal_length && !pkt)
				return 0;
		}
		l->framing = nal_length ? CB_FRAMING_UNITS : CB_FRAMING_BYTES;
	} else if (p->codec_id == AV_CODEC_ID_AAC && !l->extra.len) {
		if (!pkt)
			return 0;
		if (adts_head(pkt->data, (size_t)pkt->size))
			l->framing = CB_FRAMING_ADTS;
	} else if (p->codec_id == AV_CODEC_ID_AAC) {
		asc_read(l->par, l->extra.data, l->extra.len);
	} else if (p->codec_id == AV_CODEC_ID_MJPEG && !l->par->width) {
		if (!pkt)
			return 0;
		l->framing = CB_FRAMING_JPEG;
	}
	l->set_up = true;
	fill(l, st);
	if (l->nal) {
		l->s.nal_length = (uint8_t)(nal_length ? nal_length : 4);
		l->s.in_band = !nal_length || p->codec_tag == MKTAG('a', 'v', 'c', '3') ||
			       p->codec_tag == MKTAG('h', 'e', 'v', '1');
		if (l->framing == CB_FRAMING_BYTES) {
			l->extra.len = 0;
			l->s.extradata_len = 0;
			if (fill_sets(l, err) < 0)
				return -1;
		} else {
			struct cb_sps sps;

			/* extradata stays as the container has it */
			l->version = l->sets.version;
			if (cb_sets_sps(&l->sets, &sps)) {
				l->sps = (int)sps.id;
				if (!l->s.width)
					l->s.width = sps.width, l->s.height = sps.height;
				rate(&l->s, &sps);
				l->s.profile = sps.profile;
				l->s.level = sps.level;
			}
		}
	}
	l->known = complete(l);
	return 0;
}

int cb_lane_init(struct cb_lane *l, const AVStream *st, int out, struct cb_err *err)
{
	memset(l, 0, sizeof(*l));
	l->out = out;
	l->base = CB_NOPTS;
	l->nal = st->codecpar->codec_id == AV_CODEC_ID_H264 || st->codecpar->codec_id == AV_CODEC_ID_HEVC;
	l->hevc = st->codecpar->codec_id == AV_CODEC_ID_HEVC;
	cb_sets_init(&l->sets, l->hevc);
	if (out < 0)
		return 0;
	l->par = avcodec_parameters_alloc();
	if (!l->par || avcodec_parameters_copy(l->par, st->codecpar) < 0)
		return cb_err_nomem(err);
	fill(l, st);
	return set_up(l, st, NULL, err);
}

void cb_lane_release(struct cb_lane *l)
{
	avcodec_parameters_free(&l->par);
	cb_sets_release(&l->sets);
	cb_buf_release(&l->extra);
	cb_buf_release(&l->data);
}

bool cb_lane_learnable(const struct cb_lane *l)
{
	return l->nal || l->par->codec_id == AV_CODEC_ID_AAC || l->par->codec_id == AV_CODEC_ID_MJPEG;
}

/* Take in the parameter sets of a packet; *ret_key: it holds a picture to start from, by its
 * unit types. *ret_damaged: a length reaches beyond the packet. */
static int scan(struct cb_lane *l, const uint8_t *p, size_t n, bool *ret_damaged, struct cb_err *err)
{
	int nl = l->framing == CB_FRAMING_UNITS ? l->s.nal_length : 0, k = 1;
	bool slice = false;
	struct cb_nal u;
	size_t pos = 0;

	for (;;) {
		k = nl ? cb_nal_next(p, n, nl, &pos, &u) : cb_annexb_next(p, n, &pos, &u);
		if (k <= 0)
			break;
		/* sets stand before the first slice; its successors say nothing new */
		if (slice && cb_sets_is_slice(l->hevc, u.p, u.n))
			continue;
		if (cb_sets_unit(&l->sets, u.p, u.n, err) < 0)
			return -1;
		slice |= cb_sets_is_slice(l->hevc, u.p, u.n);
	}
	*ret_damaged |= k < 0;
	return 0;
}

int cb_lane_learn(struct cb_lane *l, const AVStream *st, const AVPacket *pkt, struct cb_err *err)
{
	bool damaged = false;
	int w, h;

	if (l->known || !pkt->size)
		return 0;
	if (!l->set_up && set_up(l, st, pkt, err) < 0)
		return -1;
	switch (l->framing) {
	case CB_FRAMING_ADTS:
		if (adts_head(pkt->data, (size_t)pkt->size) && adts_learn(l, st, pkt, err) < 0)
			return -1;
		break;
	case CB_FRAMING_BYTES:
	case CB_FRAMING_UNITS:
		if (scan(l, pkt->data, (size_t)pkt->size, &damaged, err) < 0)
			return -1;
		if (cb_sets_complete(&l->sets) && l->sets.active >= 0 && fill_sets(l, err) < 0)
			return -1;
		break;
	case CB_FRAMING_JPEG:
		if (jpeg_size(pkt->data, (size_t)pkt->size, &w, &h)) {
			l->s.width = (uint32_t)w;
			l->s.height = (uint32_t)h;
		}
		break;
	case CB_FRAMING_ASIS:
		break;
	}
	l->known = complete(l);
	return 0;
}

/* --- packets ---------------------------------------------------------------------------------- */

/* Can pictures come in another order than the one they are shown in? */
static bool one_order(struct cb_lane *l, const AVCodecDescriptor *desc)
{
	struct cb_sps sps;

	if (!l->nal)
		return desc && !(desc->props & AV_CODEC_PROP_REORDER);
	if (l->one_version != l->sets.version || l->one_sps != l->sets.active) {
		l->one_order = cb_sets_sps(&l->sets, &sps) && sps.reorder == 0;
		l->one_version = l->sets.version;
		l->one_sps = l->sets.active;
	}
	return l->one_order;
}

/* Samples (48 kHz) in an Opus packet, by its first bytes (RFC 6716, 3.1); 0: damaged. */
static int opus_samples(const uint8_t *p, int n)
{
	unsigned config, frames, size;

	if (n < 1)
		return 0;
	config = p[0] >> 3;
	size = config < 12 ? (config & 3 ? (config & 3) * 960u : 480) :
	       config < 16 ? 480u << (config & 1) : 120u << (config & 3);
	frames = (p[0] & 3) == 0 ? 1 : (p[0] & 3) < 3 ? 2 : n > 1 ? p[1] & 63u : 0;
	return frames * size <= 5760 ? (int)(frames * size) : 0;
}

static void times(struct cb_lane *l, const AVStream *st, const AVPacket *pkt, struct cb_packet *ret)
{
	const AVCodecDescriptor *desc = avcodec_descriptor_get(l->par->codec_id);
	int64_t pts = pkt->pts, dts = pkt->dts;
	int n;

	ret->duration = pkt->duration > 0 ? pkt->duration : 0;
	if (l->s.kind == CB_AUDIO) {
		/* one order, so one time; what is not stated follows from the samples between */
		if (pts == CB_NOPTS)
			pts = dts;
		n = l->par->codec_id == AV_CODEC_ID_OPUS ? opus_samples(pkt->data, pkt->size) :
		    av_get_audio_frame_duration2(l->par, pkt->size);
		if (pts != CB_NOPTS) {
			l->base = pts;
			l->samples = 0;
		} else if (l->base == CB_NOPTS && l->raw_time) {
			l->base = 0;
		}
		if (pts == CB_NOPTS && l->base != CB_NOPTS && l->par->sample_rate > 0) {
			int64_t more = av_rescale_q(l->samples, (AVRational){ 1, l->par->sample_rate },
						    st->time_base);

			if (__builtin_add_overflow(l->base, more, &pts))
				pts = CB_NOPTS;
		}
		if (n > 0 && l->par->sample_rate > 0) {
			l->samples += n;
			if (!ret->duration)
				ret->duration = av_rescale_q(n, (AVRational){ 1, l->par->sample_rate },
							     st->time_base);
			if (ret->duration < 0)
				ret->duration = 0;
		} else {
			l->base = CB_NOPTS;	/* what follows is not known */
		}
		dts = pts;
	} else if (l->s.kind == CB_VIDEO && (pts == CB_NOPTS) != (dts == CB_NOPTS)) {
		if (one_order(l, desc))
			pts = dts = pts == CB_NOPTS ? dts : pts;
	}
	ret->pts = pts;
	ret->dts = dts;
}

/* Side data that says that the codec's parameters are others from here on. */
static int new_extradata(struct cb_lane *l, const AVPacket *pkt, bool *ret_changed, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	const uint8_t *p;
	size_t n = 0;
	int nal_length = 0;

	p = av_packet_get_side_data(pkt, AV_PKT_DATA_NEW_EXTRADATA, &n);
	if (!p || !n || (n == l->extra.len && memcmp(p, l->extra.data, n) == 0))
		return 0;
	if (l->framing == CB_FRAMING_BYTES) {
		struct cb_nal u;
		size_t pos = 0;

		while (cb_annexb_next(p, n, &pos, &u))
			if (cb_sets_unit(&l->sets, u.p, u.n, err) < 0)
				return -1;
		return 0;	/* announced with the next keyframe, if it is news */
	}
	if (l->framing == CB_FRAMING_ADTS)
		return 0;
	if (set_extra(l, p, n, err) < 0)
		return -1;
	if (l->nal) {
		struct cb_sps sps;

		if (cb_sets_load(&l->sets, p, n, &nal_length, &why) < 0 && why.code == CB_E_OS) {
			*err = why;
			return -1;
		}
		if (nal_length)
			l->s.nal_length = (uint8_t)nal_length;
		l->version = l->sets.version;
		if (cb_sets_sps(&l->sets, &sps)) {
			l->s.width = sps.width;
			l->s.height = sps.height;
			l->s.profile = sps.profile;
			l->s.level = sps.level;
			l->sps = (int)sps.id;
		}
	} else if (l->par->codec_id == AV_CODEC_ID_AAC) {
		l->par->sample_rate = 0;
		av_channel_layout_uninit(&l->par->ch_layout);
		asc_read(l->par, p, n);
		if (l->par->sample_rate)
			l->s.sample_rate = (uint32_t)l->par->sample_rate;
		if (l->par->ch_layout.nb_channels) {
			l->s.channels = (uint16_t)l->par->ch_layout.nb_channels;
			l->s.channel_layout = l->par->ch_layout.order == AV_CHANNEL_ORDER_NATIVE ?
					      l->par->ch_layout.u.mask : 0;
		}
	}
	*ret_changed = true;
	return 0;
}

static int units(struct cb_lane *l, const AVPacket *pkt, struct cb_packet *ret, bool *ret_changed,
		 struct cb_err *err)
{
	bool damaged = false, stray = false;
	uint32_t width = l->s.width, height = l->s.height;

	if (scan(l, pkt->data, (size_t)pkt->size, &damaged, err) < 0)
		return -1;
	if (l->framing == CB_FRAMING_BYTES) {
		l->data.len = 0;
		if (cb_annexb_convert(&l->data, pkt->data, (size_t)pkt->size, &stray, err) < 0)
			return -1;
		ret->data = l->data.data;
		ret->len = (uint32_t)l->data.len;
	}
	if (damaged || stray)
		ret->flags |= CB_F_CORRUPT;
	/* sets in the packets speak for themselves from the next keyframe on */
	if ((ret->flags & CB_F_KEY) && cb_sets_complete(&l->sets) &&
	    (l->version != l->sets.version || (l->sets.active >= 0 && l->sets.active != l->sps))) {
		struct cb_buf was = l->extra;
		bool same;

		l->extra = (struct cb_buf){ 0 };
		if (fill_sets(l, err) < 0) {
			cb_buf_release(&was);
			return -1;
		}
		same = l->extra.len == was.len && l->extra.len &&
		       memcmp(l->extra.data, was.data, was.len) == 0;
		cb_buf_release(&was);
		if (!same || width != l->s.width || height != l->s.height) {
			l->s.in_band = true;
			*ret_changed = true;
		}
	}
	return 0;
}

static int adts(struct cb_lane *l, const AVStream *st, const AVPacket *pkt, struct cb_packet *ret,
		bool *ret_changed, struct cb_err *err)
{
	size_t head = adts_head(pkt->data, (size_t)pkt->size);

	if (!head || head > (size_t)pkt->size) {
		ret->flags |= CB_F_CORRUPT;
		return 0;
	}
	/* profile, rate and channels; the other bits change from packet to packet */
	if ((l->adts[2] ^ pkt->data[2]) & 0xfd || (l->adts[3] ^ pkt->data[3]) & 0xc0) {
		if (adts_learn(l, st, pkt, err) < 0)
			return -1;
		l->base = CB_NOPTS;
		*ret_changed = true;
	}
	ret->data += head;
	ret->len -= (uint32_t)head;
	return 0;
}

int cb_lane_packet(struct cb_lane *l, const AVStream *st, const AVPacket *pkt,
		   struct cb_packet *ret, bool *ret_changed, struct cb_err *err)
{
	const AVCodecDescriptor *desc = avcodec_descriptor_get(l->par->codec_id);
	const uint8_t *skip;
	size_t n = 0;
	int w, h;

	*ret_changed = false;
	if (!l->set_up && set_up(l, st, pkt, err) < 0)
		return -1;
	memset(ret, 0, sizeof(*ret));
	ret->data = pkt->data;
	ret->len = (uint32_t)pkt->size;
	if ((pkt->flags & AV_PKT_FLAG_KEY) || l->s.kind != CB_VIDEO ||
	    (desc && (desc->props & AV_CODEC_PROP_INTRA_ONLY)))
		ret->flags |= CB_F_KEY;
	if (pkt->flags & AV_PKT_FLAG_DISCARD)
		ret->flags |= CB_F_DISCARD;
	if (pkt->flags & AV_PKT_FLAG_CORRUPT)
		ret->flags |= CB_F_CORRUPT;
	if (pkt->flags & AV_PKT_FLAG_DISPOSABLE)
		ret->flags |= CB_F_DISPOSABLE;
	skip = av_packet_get_side_data(pkt, AV_PKT_DATA_SKIP_SAMPLES, &n);
	if (skip && n >= 8) {
		ret->skip_start = AV_RL32(skip);
		ret->skip_end = AV_RL32(skip + 4);
	}
	if (new_extradata(l, pkt, ret_changed, err) < 0)
		return -1;
	switch (l->framing) {
	case CB_FRAMING_UNITS:
	case CB_FRAMING_BYTES:
		if (units(l, pkt, ret, ret_changed, err) < 0)
			return -1;
		break;
	case CB_FRAMING_ADTS:
		if (adts(l, st, pkt, ret, ret_changed, err) < 0)
			return -1;
		break;
	case CB_FRAMING_JPEG:
		if (jpeg_size(pkt->data, (size_t)pkt->size, &w, &h) &&
		    ((uint32_t)w != l->s.width || (uint32_t)h != l->s.height)) {
			l->s.width = (uint32_t)w;
			l->s.height = (uint32_t)h;
			*ret_changed = true;
		}
		break;
	case CB_FRAMING_ASIS:
		break;
	}
	times(l, st, pkt, ret);
	if (ret->flags & CB_F_CORRUPT)
		l->damaged++;
	return 0;
}
