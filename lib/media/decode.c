/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding with libavcodec: one thread, bounded sizes, damage reported packet by packet. */
#include "media/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avutil.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>

#include "base/num.h"

#define TABLE 256	/* packets remembered while their pictures are being reordered */
#define ERRORS_MAX 64	/* failures in a row from one packet before it counts as consumed */

struct entry {
	uint64_t number;
	int64_t pts;
	bool discard;
};

struct cb_decoder {
	AVCodecContext *ctx;
	AVPacket *pkt;
	AVFrame *frame;
	int nal;		/* bytes of the lengths before NAL units, or 0 */
	int nal_length;		/* > 0: packets are rewritten to start codes */
	uint64_t number;
	int errors;
	struct entry table[TABLE];
};

/* Codecs that cameras, recorders and phones write. The library has hundreds more, for games
 * and film scanners, and their decoders are the ones that nobody looks at. */
static const char *const codecs[] = {
	"av1", "dvvideo", "ffv1", "flv1", "h261", "h263", "h264", "hevc", "jpeg2000", "jpegls",
	"mjpeg", "mjpegb", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2",
	"msmpeg4v3", "png", "prores", "rawvideo", "theora", "vc1", "vp8", "vp9", "webp", "wmv1",
	"wmv2", "wmv3",
};

static int fail(struct cb_err *err, int av, const char *what)
{
	char text[AV_ERROR_MAX_STRING_SIZE];

	if (av == AVERROR(ENOMEM))
		return cb_err_nomem(err);
	if (av_strerror(av, text, sizeof text) < 0)
		snprintf(text, sizeof text, "error %d", av);
	return cb_err_set(err, CB_E_DATA, "%s: %s", what, text);
}

static const AVCodec *find(const char *name)
{
	const AVCodecDescriptor *desc;

	for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
		if (!strcmp(codecs[i], name)) {
			desc = avcodec_descriptor_get_by_name(name);
			return desc ? avcodec_find_decoder(desc->id) : NULL;
		}
	return NULL;
}

static int set_extradata(AVCodecContext *c, const struct cb_stream *s, struct cb_err *err)
{
	if (!s->extradata_len)
		return 0;
	if (s->extradata_len > CB_EXTRADATA_MAX)
		return cb_err_set(err, CB_E_DATA, "%s: extradata too long", s->codec);
	c->extradata = av_mallocz(s->extradata_len + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!c->extradata)
		return cb_err_nomem(err);
	memcpy(c->extradata, s->extradata, s->extradata_len);
	c->extradata_size = (int)s->extradata_len;
	return 0;
}

int cb_decoder_open(struct cb_decoder **ret, const struct cb_stream *s, struct cb_err *err)
{
	struct cb_decoder *d;
	AVCodecContext *c;
	const AVCodec *codec;
	int r;

	av_log_set_level(AV_LOG_QUIET);
	if (s->kind != CB_VIDEO)
		return cb_err_set(err, CB_E_DATA, "%s: not video", s->codec);
	if (s->width > CB_PICTURE_SIDE_MAX || s->height > CB_PICTURE_SIDE_MAX ||
	    (uint64_t)s->width * s->height > CB_PICTURE_PIXELS_MAX)
		return cb_err_set(err, CB_E_DATA, "%s: pictures of %u x %u are too large",
				  s->codec, s->width, s->height);
	codec = find(s->codec);
	if (!codec)
		return cb_err_set(err, CB_E_DATA, "no decoder for %s", s->codec);

	d = calloc(1, sizeof *d);
	if (!d)
		return cb_err_nomem(err);
	d->ctx = c = avcodec_alloc_context3(codec);
	d->pkt = av_packet_alloc();
	d->frame = av_frame_alloc();
	if (!c || !d->pkt || !d->frame) {
		cb_err_nomem(err);
		goto out;
	}
	c->width = c->coded_width = (int)s->width;
	c->height = c->coded_height = (int)s->height;
	c->codec_tag = s->codec_tag;
	c->pkt_timebase = (AVRational){ (int)(s->tb_num & INT32_MAX), (int)(s->tb_den & INT32_MAX) };
	c->bits_per_coded_sample = s->bits;
	c->thread_count = 1;
	c->max_pixels = CB_PICTURE_PIXELS_MAX;
	c->idct_algo = FF_IDCT_SIMPLE;
	c->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_OUTPUT_CORRUPT;
	if (set_extradata(c, s, err) < 0)
		goto out;
	d->nal = s->nal_length;
	/* without avcC or hvcC the decoder expects start codes */
	if (s->nal_length && !(s->extradata_len > 6 && (s->extradata[0] == 1 ||
	    (!strcmp(s->codec, "hevc") && (s->extradata[0] || s->extradata[1] || s->extradata[2] > 1)))))
		d->nal_length = s->nal_length;
	r = avcodec_open2(c, codec, NULL);
	if (r < 0) {
		fail(err, r, s->codec);
		goto out;
	}
	*ret = d;
	return 0;
out:
	cb_decoder_free(d);
	return -1;
}

/* Length-prefixed NAL units to start codes; a length beyond the packet ends it there. */
static int start_codes(struct cb_decoder *d, const struct cb_packet *p, struct cb_err *err)
{
	size_t nl = (size_t)d->nal_length, units = 0, i = 0, n, out = 0;
	bool bad = false;

	for (int write = 0; write < 2; write++) {
		for (i = 0; i < p->len && !bad; i += n) {
			if (p->len - i < nl) {
				bad = true;
				break;
			}
			n = 0;
			for (size_t k = 0; k < nl; k++)
				n = n << 8 | p->data[i + k];
			i += nl;
			if (n > p->len - i) {
				bad = true;
				break;
			}
			if (write) {
				memcpy(d->pkt->data + out, "\0\0\0\1", 4);
				memcpy(d->pkt->data + out + 4, p->data + i, n);
				out += 4 + n;
			}
			units++;
		}
		if (bad)
			return cb_err_set(err, CB_E_DATA, "a NAL unit reaches beyond its packet");
		if (!write && av_new_packet(d->pkt, (int)(p->len + units * 4 - units * nl)) < 0)
			return cb_err_nomem(err);
	}
	return 0;
}

bool cb_decoder_disposable(const struct cb_decoder *d, const struct cb_packet *p)
{
	size_t nl = (size_t)d->nal, n;
	bool slices = false;

	if (p->flags & CB_F_DISPOSABLE)
		return true;
	if (d->ctx->codec_id != AV_CODEC_ID_H264 || !nl)
		return false;
	/* nal_ref_idc 0 in every slice (ISO/IEC 14496-10 7.4.1) */
	for (size_t i = 0; p->len - i > nl; i += n) {
		unsigned type;

		n = 0;
		for (size_t k = 0; k < nl; k++)
			n = n << 8 | p->data[i + k];
		i += nl;
		if (!n || n > p->len - i)
			return false;
		type = p->data[i] & 31;
		if (type >= 1 && type <= 5) {
			if (p->data[i] & 0x60)
				return false;
			slices = true;
		} else if (type == 7 || type == 8 || type == 13 || type == 15) {
			return false;	/* parameter sets must not be missed */
		}
	}
	return slices;
}

int cb_decoder_send(struct cb_decoder *d, const struct cb_packet *p, struct cb_err *err)
{
	struct entry *e;
	int r;

	d->errors = 0;
	if (!p) {
		r = avcodec_send_packet(d->ctx, NULL);
		return r < 0 && r != AVERROR_EOF ? fail(err, r, "decoding") : 0;
	}
	d->number++;
	e = &d->table[d->number % TABLE];
	*e = (struct entry){ d->number, p->pts, p->flags & CB_F_DISCARD };
	if (!p->len)	/* to the library that would be the end */
		return cb_err_set(err, CB_E_DATA, "an empty packet");
	if (p->len > CB_FRAME_MAX)
		return cb_err_set(err, CB_E_DATA, "a packet of %u bytes", p->len);
	if (d->nal_length) {
		if (start_codes(d, p, err) < 0)
			return -1;
	} else {
		if (av_new_packet(d->pkt, (int)p->len) < 0)
			return cb_err_nomem(err);
		memcpy(d->pkt->data, p->data, p->len);
	}
	d->pkt->pts = p->pts;
	d->pkt->dts = p->dts;
	d->pkt->duration = p->duration;
	d->pkt->pos = (int64_t)d->number;	/* comes back with the picture */
	if (p->flags & CB_F_KEY)
		d->pkt->flags |= AV_PKT_FLAG_KEY;
	r = avcodec_send_packet(d->ctx, d->pkt);
	av_packet_unref(d->pkt);
	if (r == AVERROR(EAGAIN))
		return cb_err_set(err, CB_E_BUG, "decoder fed before it was emptied");
	return r < 0 ? fail(err, r, "decoding") : 0;
}

int cb_decoder_next(struct cb_decoder *d, struct cb_picture *ret, struct cb_err *err)
{
	AVFrame *f = d->frame;
	const struct entry *e;
	uint64_t number;
	int r;

	for (;;) {
		av_frame_unref(f);
		r = avcodec_receive_frame(d->ctx, f);
		if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
			return 0;
		if (r < 0) {
			if (++d->errors > ERRORS_MAX) {
				avcodec_flush_buffers(d->ctx);
				return 0;
			}
			return fail(err, r, "decoding");
		}
		number = f->pkt_pos > 0 ? (uint64_t)f->pkt_pos : 0;
		e = &d->table[number % TABLE];
		if (!number || e->number != number)
			e = NULL;
		if (!e || !e->discard)
			break;
	}
	if (f->width <= 0 || f->height <= 0 || f->width > CB_PICTURE_SIDE_MAX ||
	    f->height > CB_PICTURE_SIDE_MAX)
		return cb_err_set(err, CB_E_DATA, "decoding: a picture of %d x %d", f->width, f->height);
	/* its palette is beside the packets of the container, and not in ours */
	if (f->format == AV_PIX_FMT_PAL8 && d->ctx->codec_id == AV_CODEC_ID_RAWVIDEO)
		return cb_err_set(err, CB_E_DATA, "decoding: a picture without its palette");
	*ret = (struct cb_picture){
		.width = (uint32_t)f->width, .height = (uint32_t)f->height, .format = f->format,
		.pts = e ? e->pts : CB_NOPTS, .packet = e ? number : 0, .key = f->key_frame,
		.corrupt = (f->flags & AV_FRAME_FLAG_CORRUPT) || f->decode_error_flags,
		.priv = f,
	};
	for (int i = 0; i < 4; i++) {
		ret->plane[i] = f->data[i];
		ret->stride[i] = f->linesize[i];
	}
	return 1;
}

void cb_decoder_flush(struct cb_decoder *d)
{
	avcodec_flush_buffers(d->ctx);
}

void cb_decoder_free(struct cb_decoder *d)
{
	if (!d)
		return;
	avcodec_free_context(&d->ctx);
	av_packet_free(&d->pkt);
	av_frame_free(&d->frame);
	free(d);
}

const char *cb_decoder_library_version(void)
{
	static char text[96];
	unsigned v = avcodec_version();

	/* the same text from every call and thread */
	snprintf(text, sizeof text, "libavcodec %u.%u.%u (%s)", v >> 16, v >> 8 & 255, v & 255,
		 av_version_info());
	return text;
}
