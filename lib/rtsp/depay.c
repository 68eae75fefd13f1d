/* SPDX-License-Identifier: Apache-2.0 */
/* Depacketisers: which one, and the queue of units that all of them share. */
#include "rtsp/depay.h"

#include <stdlib.h>
#include <string.h>

#include "rtsp/depay-priv.h"

#define UNITS_MAX 4096	/* that one packet can make */

static const struct {
	const char *encoding;
	enum cb_sdp_kind kind;
	const struct depay_format *f;
	const char *codec;
} formats[] = {
	{ "H264", CB_SDP_VIDEO, &cb_depay_h264, "h264" },
	{ "H265", CB_SDP_VIDEO, &cb_depay_h265, "hevc" },
	{ "HEVC", CB_SDP_VIDEO, &cb_depay_h265, "hevc" },
	{ "JPEG", CB_SDP_VIDEO, &cb_depay_jpeg, "mjpeg" },
	{ "MPEG4-GENERIC", CB_SDP_AUDIO, &cb_depay_aac, "aac" },
	{ "MP4A-LATM", CB_SDP_AUDIO, &cb_depay_latm, "aac" },
	{ "PCMU", CB_SDP_AUDIO, &cb_depay_samples, "pcm_mulaw" },
	{ "PCMA", CB_SDP_AUDIO, &cb_depay_samples, "pcm_alaw" },
	{ "L8", CB_SDP_AUDIO, &cb_depay_samples, "pcm_u8" },
	{ "L16", CB_SDP_AUDIO, &cb_depay_samples, "pcm_s16be" },
	{ "L24", CB_SDP_AUDIO, &cb_depay_samples, "pcm_s24be" },
	{ "G722", CB_SDP_AUDIO, &cb_depay_samples, "adpcm_g722" },
	{ "G726-16", CB_SDP_AUDIO, &cb_depay_samples, "adpcm_g726le" },
	{ "G726-24", CB_SDP_AUDIO, &cb_depay_samples, "adpcm_g726le" },
	{ "G726-32", CB_SDP_AUDIO, &cb_depay_samples, "adpcm_g726le" },
	{ "G726-40", CB_SDP_AUDIO, &cb_depay_samples, "adpcm_g726le" },
	{ "OPUS", CB_SDP_AUDIO, &cb_depay_samples, "opus" },
	{ "VND.ONVIF.METADATA", CB_SDP_OTHER, &cb_depay_metadata, "onvif_metadata" },
};

static int find(const struct cb_sdp_media *m, const char **ret_why)
{
	const char *why = "its payload format is not known";

	if (!m->rtp)
		why = "it is not plain RTP";
	else if (!m->encoding[0])
		why = "the description does not say what it is";
	else if (!m->clock_rate)
		why = "it has no clock rate";
	else
		for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
			if (strcmp(m->encoding, formats[i].encoding) == 0)
				return (int)i;
	if (ret_why)
		*ret_why = why;
	return -1;
}

bool cb_depay_supports(const struct cb_sdp_media *m, const char **ret_why)
{
	return find(m, ret_why) >= 0;
}

int cb_depay_open(struct cb_depay **ret, const struct cb_sdp_media *m, struct cb_oddities *odd,
		  struct cb_err *err)
{
	const char *why;
	struct cb_depay *d;
	int i = find(m, &why);

	if (i < 0)
		return cb_err_set(err, CB_E_DATA, "%s cannot be received: %s",
				  m->encoding[0] ? m->encoding : "a medium", why);
	d = calloc(1, sizeof(*d));
	if (!d)
		return cb_err_nomem(err);
	d->m = m;
	d->odd = odd;
	d->f = formats[i].f;
	strcpy(d->s.codec, formats[i].codec);
	d->s.kind = formats[i].kind == CB_SDP_VIDEO ? CB_VIDEO : formats[i].kind == CB_SDP_AUDIO ? CB_AUDIO : CB_DATA;
	d->s.tb_num = 1;
	d->s.tb_den = m->clock_rate;
	d->s.sar_den = 1;
	d->s.fr_num = m->fr_num;
	d->s.fr_den = m->fr_den;
	d->s.profile = d->s.level = UINT32_MAX;
	if (d->s.kind == CB_VIDEO) {
		d->s.width = m->width;
		d->s.height = m->height;
	}
	if (d->f->open(d, err) < 0) {
		cb_depay_free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

void cb_depay_free(struct cb_depay *d)
{
	if (!d)
		return;
	if (d->f->release)
		d->f->release(d);
	cb_buf_release(&d->extra);
	cb_buf_release(&d->out);
	free(d->unit);
	free(d);
}

/* What was pulled makes room. */
static void tidy(struct cb_depay *d)
{
	d->units = d->head = 0;
	if (d->start) {
		cb_buf_drop(&d->out, d->start);
		d->start = 0;
	}
}

int cb_depay_push(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	tidy(d);
	return d->f->push(d, p, err);
}

int cb_depay_flush(struct cb_depay *d, struct cb_err *err)
{
	tidy(d);
	return d->f->flush(d, err);
}

int cb_depay_pull(struct cb_depay *d, struct cb_au *ret, struct cb_err *err)
{
	struct cb_au u;

	if (d->head == d->units)
		return 0;
	u = d->unit[d->head].au;
	u.data = d->out.data + d->unit[d->head].at;
	d->changed |= !d->told;
	if (d->f->look && d->f->look(d, &u, err) < 0)
		return -1;
	d->head++;
	u.changed = d->changed;
	d->told = true;
	d->changed = false;
	*ret = u;
	return 1;
}

const struct cb_stream *cb_depay_stream(const struct cb_depay *d)
{
	return &d->s;
}

bool cb_depay_ready(const struct cb_depay *d)
{
	return d->ready;
}

/* --- for the formats ------------------------------------------------------------------------- */

uint32_t cb_depay_bits(struct depay_bits *b, unsigned n)
{
	uint64_t v = 0;

	if (n > b->n - b->pos) {
		b->bad = true;
		b->pos = b->n;
		return 0;
	}
	while (n) {
		unsigned left = 8 - (b->pos & 7), take = n < left ? n : left;

		v = v << take | ((b->p[b->pos >> 3] >> (left - take)) & ((1u << take) - 1));
		b->pos += take;
		n -= take;
	}
	return (uint32_t)v;
}

void cb_depay_begin(struct cb_depay *d, const struct cb_rtp_packet *p)
{
	d->open = true;
	d->au = (struct cb_au){ .pts = p->ts, .dts = p->ts, .wall_ns = p->wall_ns, .mono_ns = p->mono_ns };
}

size_t cb_depay_have(const struct cb_depay *d)
{
	return d->out.len - d->start;
}

const uint8_t *cb_depay_bytes(const struct cb_depay *d)
{
	return d->out.data ? d->out.data + d->start : (const uint8_t *)"";
}

int cb_depay_add(struct cb_depay *d, const void *p, size_t n, size_t max, struct cb_err *err)
{
	size_t have = cb_depay_have(d);

	if (n > max - (have < max ? have : max)) {
		if (!(d->au.flags & CB_F_CORRUPT))
			cb_odd(d->odd, CB_ODD_AU_TOO_LARGE);
		d->au.flags |= CB_F_CORRUPT;
		return 0;
	}
	return n && cb_buf_add(&d->out, p, n) < 0 ? cb_err_nomem(err) : 0;
}

int cb_depay_done(struct cb_depay *d, struct cb_err *err)
{
	size_t n = cb_depay_have(d);
	struct depay_unit *v;

	d->open = false;
	if (!n)
		return 0;
	if (d->units == d->room) {
		unsigned room = d->room ? d->room * 2 : 4;

		if (d->units >= UNITS_MAX) {
			cb_odd(d->odd, CB_ODD_AU_TOO_LARGE);
			cb_depay_drop(d);
			return 0;
		}
		v = realloc(d->unit, room * sizeof(*v));
		if (!v)
			return cb_err_nomem(err);
		d->unit = v;
		d->room = room;
	}
	d->au.len = (uint32_t)n;
	d->au.lost = d->lost;
	d->au.restart = d->restart;
	d->lost = 0;
	d->restart = false;
	d->unit[d->units++] = (struct depay_unit){ d->au, d->start };
	d->start = d->out.len;
	return 0;
}

void cb_depay_drop(struct cb_depay *d)
{
	d->open = false;
	d->out.len = d->start;
}

void cb_depay_damaged(struct cb_depay *d)
{
	if (!(d->au.flags & CB_F_CORRUPT))
		cb_odd(d->odd, CB_ODD_AU_DAMAGED);
	d->au.flags |= CB_F_CORRUPT;
}

int cb_depay_extradata(struct cb_depay *d, const void *p, size_t n, bool *ret_changed, struct cb_err *err)
{
	struct cb_buf b = { 0 };

	*ret_changed = n != d->extra.len || (n && memcmp(p, d->extra.data, n) != 0);
	if (!*ret_changed)
		return 0;
	if (n > CB_EXTRADATA_MAX)
		n = 0;
	if (n && cb_buf_add(&b, p, n) < 0)
		return cb_err_nomem(err);
	cb_buf_release(&d->extra);
	d->extra = b;
	d->s.extradata = b.data;
	d->s.extradata_len = (uint32_t)b.len;
	return 0;
}
