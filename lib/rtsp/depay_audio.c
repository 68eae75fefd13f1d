/* SPDX-License-Identifier: Apache-2.0 */
/* Audio: AAC in two ways (RFC 3640, RFC 6416), and samples as they are sent (RFC 3551, 7587). */
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "rtsp/depay-priv.h"

#define FRAME_MAX 65536	/* bytes of an AAC frame; the largest there can be has 6144 bits a channel */
#define AUS_MAX 512	/* of one packet */

/* ISO/IEC 14496-3 1.6.3.4 */
static const uint32_t rates[16] = { 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000,
				    11025, 8000, 7350, 0, 0, 0 };

static unsigned object_type(struct depay_bits *b)
{
	unsigned t = cb_depay_bits(b, 5);

	return t == 31 ? 32 + cb_depay_bits(b, 6) : t;
}

static uint32_t frequency(struct depay_bits *b)
{
	unsigned i = cb_depay_bits(b, 4);

	return i == 15 ? cb_depay_bits(b, 24) : rates[i];
}

/* AudioSpecificConfig (14496-3 1.6.2.1) as far as the stream has to be described. false where
 * it is none. On return b stands behind it where that can be told (*ret_known). */
static bool specific_config(struct cb_depay *d, struct depay_bits *b, bool *ret_known)
{
	static const uint16_t channels[16] = { 0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8, 0 };
	struct depay_audio *a = &d->audio;
	struct depay_bits ahead;
	unsigned type = object_type(b), conf, core;
	uint32_t rate = frequency(b), ext = 0;

	conf = cb_depay_bits(b, 4);
	core = type;
	if (type == 5 || type == 29) {	/* SBR, PS: said in front */
		ext = frequency(b);
		core = object_type(b);
		if (core == 22)
			cb_depay_bits(b, 4);
	}
	if (b->bad || !rate || !type)
		return false;
	a->frame_size = 1024;
	*ret_known = false;
	if ((core >= 1 && core <= 4) || core == 6 || core == 7 || core == 17 || (core >= 19 && core <= 23)) {
		if (cb_depay_bits(b, 1))
			a->frame_size = core == 23 ? 480 : 960;
		else if (core == 23)
			a->frame_size = 512;
		if (cb_depay_bits(b, 1))
			cb_depay_bits(b, 14);
		cb_depay_bits(b, 1);
		*ret_known = conf && core == 2;
		/* 1.6.6: SBR and PS said behind, so that old decoders do not see it */
		ahead = *b;
		if (!ext && cb_depay_bits(&ahead, 11) == 0x2b7 && object_type(&ahead) == 5) {
			if (cb_depay_bits(&ahead, 1)) {
				ext = frequency(&ahead);
				*b = ahead;
				if (cb_depay_bits(&ahead, 11) == 0x548) {
					cb_depay_bits(&ahead, 1);
					*b = ahead;
				}
			} else {
				*b = ahead;
			}
			if (b->bad)
				return false;
		}
	}
	d->s.sample_rate = ext ? ext : rate;
	if (ext > rate)
		a->frame_size *= 2;
	d->s.channels = conf ? channels[conf] : d->m->channels;
	d->s.frame_size = a->frame_size;
	d->s.profile = type - 1;
	if (d->s.sample_rate > INT32_MAX)
		d->s.sample_rate = d->m->clock_rate;
	return true;
}

static int take_config(struct cb_depay *d, const uint8_t *p, size_t n, struct cb_err *err)
{
	bool changed;

	if (cb_depay_extradata(d, p, n, &changed, err) < 0)
		return -1;
	d->changed |= changed;
	d->ready = true;
	return 0;
}

/* Hexadecimal digits of a parameter; how many bytes. */
static size_t hex(struct cb_depay *d, const char *name, uint8_t *out, size_t cap)
{
	size_t n, len = 0;
	const char *v = cb_sdp_param(d->m, name, &n);

	if (v && n >= 2 && v[0] == '"' && v[n - 1] == '"')
		v++, n -= 2;
	for (; v && n >= 2 && len < cap; v += 2, n -= 2) {
		char two[3] = { v[0], v[1], '\0' };

		if (!cb_unhex(out + len, 1, two))
			break;
		len++;
	}
	return len;
}

/* AudioSpecificConfig of AAC-LC where the description has none. */
static size_t make_config(struct cb_depay *d, uint8_t out[2])
{
	unsigned i = 0, ch = d->m->channels ? d->m->channels : 1;

	while (i < 13 && rates[i] != d->m->clock_rate)
		i++;
	if (i == 13)
		return 0;
	out[0] = (uint8_t)(2 << 3 | i >> 1);
	out[1] = (uint8_t)(i << 7 | (ch > 7 ? 2 : ch) << 3);
	return 2;
}

static int64_t ticks(const struct cb_depay *d)
{
	const struct depay_audio *a = &d->audio;

	return d->s.sample_rate ? cb_rescale(a->frame_size, d->m->clock_rate, d->s.sample_rate) : 0;
}

/* One whole AAC frame. ADTS in front of it is taken off: it says nothing that the stream does not. */
static int frame(struct cb_depay *d, const struct cb_rtp_packet *p, int64_t ts, const uint8_t *b, size_t n,
		 struct cb_err *err)
{
	if (n > 7 && b[0] == 0xff && (b[1] & 0xf6) == 0xf0 &&
	    ((b[3] & 3u) << 11 | b[4] << 3 | b[5] >> 5) == n) {
		size_t head = b[1] & 1 ? 7 : 9;

		cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
		if (n > head)
			b += head, n -= head;
	}
	cb_depay_begin(d, p);
	d->au.pts = d->au.dts = ts;
	d->au.duration = ticks(d);
	d->au.flags |= CB_F_KEY;
	if (cb_depay_add(d, b, n, FRAME_MAX, err) < 0)
		return -1;
	return cb_depay_done(d, err);
}

static void count(struct cb_depay *d, const struct cb_rtp_packet *p)
{
	d->lost += p->lost;
	d->restart |= p->restart;
}

/* What is begun stays unfinished. */
static int cut(struct cb_depay *d, struct cb_err *err)
{
	d->audio.want = 0;
	if (!d->open)
		return 0;
	cb_depay_damaged(d);
	return cb_depay_done(d, err);
}

/* --- MPEG4-GENERIC ----------------------------------------------------------------------------- */

static int open_aac(struct cb_depay *d, struct cb_err *err)
{
	struct depay_audio *a = &d->audio;
	struct depay_bits b;
	size_t n;
	const char *mode = cb_sdp_param(d->m, "mode", &n);
	bool lbr = mode && n == 7 && strncasecmp(mode, "AAC-lbr", 7) == 0, known;
	bool plain = !cb_sdp_param(d->m, "sizelength", &n);

	if (plain)
		cb_odd(d->odd, CB_ODD_SDP_FMTP);
	/* 3.3.5, 3.3.6: what the modes fix, where a camera leaves it out */
	a->fixed_size = cb_sdp_param_u32(d->m, "constantsize", 0);
	a->size_bits = cb_sdp_param_u32(d->m, "sizelength", a->fixed_size ? 0 : lbr ? 6 : 13);
	a->index_bits = cb_sdp_param_u32(d->m, "indexlength", plain ? lbr ? 2 : 3 : 0);
	a->delta_bits = cb_sdp_param_u32(d->m, "indexdeltalength", plain ? lbr ? 2 : 3 : 0);
	a->cts_bits = cb_sdp_param_u32(d->m, "ctsdeltalength", 0);
	a->dts_bits = cb_sdp_param_u32(d->m, "dtsdeltalength", 0);
	a->state_bits = cb_sdp_param_u32(d->m, "streamstateindication", 0);
	a->aux_bits = cb_sdp_param_u32(d->m, "auxiliarydatasizelength", 0);
	a->random_access = cb_sdp_param_u32(d->m, "randomaccessindication", 0) == 1;
	if (a->size_bits > 32 || a->index_bits > 32 || a->delta_bits > 32 || a->cts_bits > 32 || a->dts_bits > 32 ||
	    a->state_bits > 32 || a->aux_bits > 32)
		return cb_err_set(err, CB_E_DATA, "MPEG4-GENERIC with headers of more than 32 bits");
	a->asc_len = (uint32_t)hex(d, "config", a->asc, sizeof(a->asc));
	b = (struct depay_bits){ .p = a->asc, .n = 8 * (size_t)a->asc_len };
	if (!a->asc_len || !specific_config(d, &b, &known)) {
		cb_odd(d->odd, CB_ODD_SDP_FMTP);
		a->asc_len = (uint32_t)make_config(d, a->asc);
		b = (struct depay_bits){ .p = a->asc, .n = 8 * (size_t)a->asc_len };
		if (!a->asc_len || !specific_config(d, &b, &known))
			return cb_err_set(err, CB_E_DATA, "MPEG4-GENERIC without a configuration");
	}
	if (cb_sdp_param_u32(d->m, "constantduration", 0) > 0 &&
	    cb_sdp_param_u32(d->m, "constantduration", 0) <= 65536 && d->s.sample_rate == d->m->clock_rate)
		a->frame_size = cb_sdp_param_u32(d->m, "constantduration", 0);
	return take_config(d, a->asc, a->asc_len, err);
}

/* The first access unit of a packet whose size is larger than what is there. */
static int aac_part(struct cb_depay *d, const struct cb_rtp_packet *p, const uint8_t *b, size_t n, uint32_t size,
		    struct cb_err *err)
{
	struct depay_audio *a = &d->audio;

	if (d->open && (p->ts != d->au.pts || size != a->want) && cut(d, err) < 0)
		return -1;
	if (size > FRAME_MAX) {
		cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
		return 0;
	}
	if (!d->open) {
		if (a->skip && a->skip_ts == p->ts)
			return 0;
		if (p->lost || p->restart) {
			/* perhaps not the first part: without that the rest is nothing */
			cb_odd(d->odd, CB_ODD_AU_DAMAGED);
			a->skip = true;
			a->skip_ts = p->ts;
			return 0;
		}
		cb_depay_begin(d, p);
		d->au.duration = ticks(d);
		d->au.flags |= CB_F_KEY;
		a->want = size;
	}
	if (cb_depay_have(d) + n > a->want) {
		cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
		n = a->want - cb_depay_have(d);
	}
	if (cb_depay_add(d, b, n, FRAME_MAX, err) < 0)
		return -1;
	if (cb_depay_have(d) == a->want) {
		a->want = 0;
		return cb_depay_done(d, err);
	}
	return p->marker ? cut(d, err) : 0;
}

static int push_aac(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	struct depay_audio *a = &d->audio;
	const uint8_t *b = p->payload;
	size_t n = p->len, head = 0;
	struct depay_bits h = { 0 };
	int64_t ts = p->ts;
	bool headers = a->size_bits || a->index_bits || a->delta_bits || a->cts_bits || a->dts_bits ||
		       a->state_bits || a->random_access;

	if (d->open && (p->lost || p->restart || p->ts != d->au.pts) && cut(d, err) < 0)
		return -1;
	count(d, p);
	if (!n)
		return 0;
	if (headers) {
		if (n < 2)
			goto bad;
		h = (struct depay_bits){ .p = b + 2, .n = cb_be16(b) };
		head = 2 + (h.n + 7) / 8;
		if (head > n)
			goto bad;
	}
	if (a->aux_bits) {
		struct depay_bits x = { .p = b + head, .n = 8 * (n - head) };
		size_t aux = cb_depay_bits(&x, a->aux_bits);

		aux = (x.pos + aux + 7) / 8;
		if (x.bad || aux > n - head)
			goto bad;
		head += aux;
	}
	b += head;
	n -= head;
	for (unsigned i = 0; i < AUS_MAX && (headers ? h.pos < h.n : n > 0); i++) {
		uint32_t size = a->fixed_size, index;

		if (a->size_bits)
			size = cb_depay_bits(&h, a->size_bits);
		index = cb_depay_bits(&h, i ? a->delta_bits : a->index_bits);
		if (a->cts_bits && cb_depay_bits(&h, 1))
			cb_depay_bits(&h, a->cts_bits);
		if (a->dts_bits && cb_depay_bits(&h, 1))
			cb_depay_bits(&h, a->dts_bits);
		if (a->random_access)
			cb_depay_bits(&h, 1);
		if (a->state_bits)
			cb_depay_bits(&h, a->state_bits);
		if (h.bad)
			goto bad;
		if (!a->size_bits && !a->fixed_size)
			size = (uint32_t)n;
		if (index) {
			cb_odd(d->odd, CB_ODD_AUDIO_INTERLEAVED);
			ts += (int64_t)index * (i ? ticks(d) : 0);
		}
		if (size > n) {
			if (i) {
				cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
				return n ? aac_part(d, p, b, n, size, err) < 0 || cut(d, err) < 0 ? -1 : 0 : 0;
			}
			return aac_part(d, p, b, n, size, err);
		}
		if (d->open)	/* the last part of a fragmented one has the size of the whole: handled above */
			if (cut(d, err) < 0)
				return -1;
		if (size && frame(d, p, ts, b, size, err) < 0)
			return -1;
		b += size;
		n -= size;
		ts += ticks(d);
	}
	if (n)
		cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
	return 0;
bad:
	cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
	cb_odd(d->odd, CB_ODD_AU_DAMAGED);
	return 0;
}

/* --- MP4A-LATM ----------------------------------------------------------------------------------- */

/* StreamMuxConfig (14496-3 1.7.3.1) with one program and one layer, as everybody sends it. */
static int mux_config(struct cb_depay *d, struct depay_bits *b, struct cb_err *err)
{
	struct depay_audio *a = &d->audio;
	unsigned version = cb_depay_bits(b, 1);
	size_t at, to;
	bool known = false;

	if (version)
		return cb_err_set(err, CB_E_DATA, "MP4A-LATM of audioMuxVersion 1");
	cb_depay_bits(b, 1);
	a->sub_frames = cb_depay_bits(b, 6);
	if (cb_depay_bits(b, 4) || cb_depay_bits(b, 3))
		return cb_err_set(err, CB_E_DATA, "MP4A-LATM with several programs or layers");
	at = b->pos;
	if (!specific_config(d, b, &known))
		return cb_err_set(err, CB_E_DATA, "MP4A-LATM with a configuration that is none");
	/* in a description nothing of use follows; in the stream the payload does */
	to = b->pos;
	a->asc_len = 0;
	for (size_t i = at; i < to && a->asc_len < sizeof(a->asc); i += 8) {
		struct depay_bits c = { .p = b->p, .n = b->n, .pos = i };
		unsigned k = to - i < 8 ? (unsigned)(to - i) : 8;

		a->asc[a->asc_len++] = (uint8_t)(cb_depay_bits(&c, k) << (8 - k));
	}
	if (cb_depay_bits(b, 3))	/* frameLengthType */
		return cb_err_set(err, CB_E_DATA, "MP4A-LATM with frames of fixed length");
	cb_depay_bits(b, 8);
	if (cb_depay_bits(b, 1)) {	/* otherDataPresent */
		unsigned more;

		do {
			more = cb_depay_bits(b, 1);
			cb_depay_bits(b, 8);
		} while (more && !b->bad);
	}
	if (cb_depay_bits(b, 1))
		cb_depay_bits(b, 8);
	if (a->in_band && (b->bad || !known))
		return cb_err_set(err, CB_E_DATA, "MP4A-LATM with a configuration that is none");
	a->configured = true;
	return take_config(d, a->asc, a->asc_len, err);
}

static int open_latm(struct cb_depay *d, struct cb_err *err)
{
	struct depay_audio *a = &d->audio;
	struct depay_bits b = { 0 };
	uint8_t config[64];

	a->in_band = cb_sdp_param_u32(d->m, "cpresent", 1) != 0;
	d->s.sample_rate = d->m->clock_rate;
	d->s.channels = d->m->channels;
	b.p = config;
	b.n = 8 * hex(d, "config", config, sizeof(config));
	if (!b.n)
		return a->in_band ? 0 : cb_err_set(err, CB_E_DATA, "MP4A-LATM without a configuration");
	if (a->in_band) {	/* here too: only something to begin with */
		a->in_band = false;
		mux_config(d, &b, NULL);
		a->in_band = true;
		return 0;
	}
	return mux_config(d, &b, err);
}

/* Do the lengths in it add up? What follows a loss may be the end of an element only. */
static bool latm_whole(const struct depay_bits *whole)
{
	size_t at = 0, n = whole->n / 8, size;

	while (at < n) {
		for (size = 0; at < n && whole->p[at] == 255; at++)
			size += 255;
		if (at == n)
			return false;
		size += whole->p[at++];
		if (size > n - at)
			return false;
		at += size;
	}
	return true;
}

/* AudioMuxElement, 1.7.3: whole in out, where it becomes frames. */
static int latm_element(struct cb_depay *d, struct cb_err *err)
{
	struct depay_audio *a = &d->audio;
	struct cb_buf whole = { 0 };
	struct cb_au at = d->au;
	struct depay_bits b;
	int64_t ts = d->au.pts;
	int ret = -1;

	if (cb_buf_add(&whole, cb_depay_bytes(d), cb_depay_have(d)) < 0)
		return cb_err_nomem(err);
	cb_depay_drop(d);
	b = (struct depay_bits){ .p = whole.data, .n = 8 * whole.len };
	if (a->gap && !a->in_band && !latm_whole(&b))
		goto bad;
	a->gap = false;
	if (a->in_band && !cb_depay_bits(&b, 1)) {
		struct cb_err why = CB_ERR_INIT;

		if (mux_config(d, &b, &why) < 0) {
			if (why.code != CB_E_DATA) {
				if (err)
					*err = why;
				goto out;
			}
			goto bad;
		}
	}
	if (!a->configured)
		goto bad;
	for (unsigned i = 0; i < AUS_MAX && b.n - b.pos >= 16; i++) {
		size_t size = 0, part;

		do {
			part = cb_depay_bits(&b, 8);
			size += part;
		} while (part == 255 && !b.bad);
		if (b.bad || size > FRAME_MAX || 8 * size > b.n - b.pos)
			goto bad;
		if (!size)
			continue;
		d->open = true;
		d->au = at;
		d->au.pts = d->au.dts = ts;
		d->au.duration = ticks(d);
		d->au.flags |= CB_F_KEY;
		for (size_t k = 0; k < size; k++)
			if (cb_buf_byte(&d->out, (uint8_t)cb_depay_bits(&b, 8)) < 0) {
				cb_err_nomem(err);
				goto out;
			}
		if (cb_depay_done(d, err) < 0)
			goto out;
		ts += ticks(d);
		if (a->in_band && i == a->sub_frames)	/* other data may follow */
			break;
	}
	ret = 0;
	goto out;
bad:
	cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
	cb_odd(d->odd, CB_ODD_AU_DAMAGED);
	ret = 0;
out:
	cb_buf_release(&whole);
	return ret;
}

static int push_latm(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	struct depay_audio *a = &d->audio;
	bool gap = p->lost || p->restart || !d->any;

	d->any = true;
	if (d->open && (gap || p->ts != d->au.pts)) {
		/* an element that is not whole cannot be taken apart */
		if (!gap) {
			cb_odd(d->odd, CB_ODD_AU_NO_MARKER);
			if (latm_element(d, err) < 0)
				return -1;
		} else {
			cb_odd(d->odd, CB_ODD_AU_DAMAGED);
			a->skip = true;
			a->skip_ts = d->au.pts;
			cb_depay_drop(d);
		}
	}
	count(d, p);
	a->gap |= gap;
	if (a->skip && a->skip_ts == p->ts)
		return 0;
	a->skip = false;
	if (!d->open)
		cb_depay_begin(d, p);
	if (cb_depay_add(d, p->payload, p->len, FRAME_MAX, err) < 0)
		return -1;
	if (!p->marker)
		return 0;
	return latm_element(d, err);
}

static int flush_latm(struct cb_depay *d, struct cb_err *err)
{
	(void)err;
	if (d->open && cb_depay_have(d))
		cb_odd(d->odd, CB_ODD_AU_DAMAGED);
	cb_depay_drop(d);
	return 0;
}

/* --- samples ---------------------------------------------------------------------------------------- */

/* RFC 7845 5.1, which players want and RTP does not send. */
static int opus_head(struct cb_depay *d, struct cb_err *err)
{
	size_t n;
	const char *stereo = cb_sdp_param(d->m, "sprop-stereo", &n);
	uint8_t h[19] = "OpusHead\1";

	d->s.channels = h[9] = stereo && n == 1 && *stereo == '0' ? 1 : 2;
	cb_put_le32(h + 12, 48000);
	d->s.sample_rate = 48000;
	return take_config(d, h, sizeof(h), err);
}

static int open_samples(struct cb_depay *d, struct cb_err *err)
{
	static const struct { const char *encoding; uint16_t bits; } list[] = {
		{ "PCMU", 8 }, { "PCMA", 8 }, { "L8", 8 }, { "L16", 16 }, { "L24", 24 }, { "G722", 4 },
		{ "G726-16", 2 }, { "G726-24", 3 }, { "G726-32", 4 }, { "G726-40", 5 },
	};
	struct depay_audio *a = &d->audio;
	struct cb_stream *s = &d->s;

	d->ready = true;
	if (strcmp(d->m->encoding, "OPUS") == 0)
		return opus_head(d, err);
	s->channels = d->m->channels ? d->m->channels : 1;
	s->sample_rate = d->m->clock_rate;
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		if (strcmp(list[i].encoding, d->m->encoding) == 0)
			s->bits = list[i].bits;
	if (s->bits >= 8) {
		s->block_align = (uint32_t)s->channels * s->bits / 8;
		a->unit_bytes = s->block_align;
		a->unit_ticks = 1;
	} else if (s->bits == 4 && d->m->encoding[1] == '7' && d->m->encoding[3] == '2') {
		/* RFC 3551 4.5.2: sampled at 16 kHz, and the clock says 8 */
		s->sample_rate = d->m->clock_rate == 8000 ? 16000 : d->m->clock_rate;
		a->unit_bytes = s->channels;
		a->unit_ticks = d->m->clock_rate == 8000 ? 1 : 2;
	} else {
		a->unit_bytes = s->bits;
		a->unit_ticks = 8;
	}
	s->bit_rate = (uint64_t)s->sample_rate * s->bits * s->channels;
	return 0;
}

/* RFC 6716 3.1: how long an Opus packet is, in 48 kHz samples; 0 where it says nonsense. */
static int64_t opus_ticks(const uint8_t *p, size_t n)
{
	static const uint16_t silk[] = { 480, 960, 1920, 2880 }, celt[] = { 120, 240, 480, 960 };
	unsigned config = p[0] >> 3, frames = p[0] & 3;
	int64_t each = config < 12 ? silk[config & 3] : config < 16 ? silk[config & 1] : celt[config & 3];

	frames = frames == 3 ? n > 1 ? p[1] & 63u : 0 : frames ? 2 : 1;
	return each * frames <= 5760 ? each * frames : 0;
}

static int push_samples(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	struct depay_audio *a = &d->audio;

	count(d, p);
	if (!p->len)
		return 0;
	cb_depay_begin(d, p);
	d->au.flags |= CB_F_KEY;
	if (a->unit_bytes) {
		d->au.duration = (int64_t)(p->len / a->unit_bytes) * a->unit_ticks;
		if (p->len % a->unit_bytes) {
			cb_odd(d->odd, CB_ODD_AUDIO_HEADER);
			d->au.flags |= CB_F_CORRUPT;
		}
	} else {
		d->au.duration = opus_ticks(p->payload, p->len);
	}
	if (cb_depay_add(d, p->payload, p->len, FRAME_MAX, err) < 0)
		return -1;
	return cb_depay_done(d, err);
}

static int flush_samples(struct cb_depay *d, struct cb_err *err)
{
	(void)d;
	(void)err;
	return 0;
}

const struct depay_format cb_depay_aac = { open_aac, push_aac, cut, NULL, NULL };
const struct depay_format cb_depay_latm = { open_latm, push_latm, flush_latm, NULL, NULL };
const struct depay_format cb_depay_samples = { open_samples, push_samples, flush_samples, NULL, NULL };
