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
#include "media/need.h"

#define TABLE 256	/* packets remembered while their pictures are being reordered */
#define HOLD_BYTES (16u << 20)	/* put off at most */
#define OWED_MAX 32	/* packets after which a picture is not waited for any more */
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
	int nal_length;		/* > 0: packets are rewritten to start codes */
	uint64_t number;
	int errors;
	struct entry table[TABLE];

	struct cb_needs needs;
	struct cb_need need;		/* of the packet that was asked about */
	bool asked;
	struct cb_decoder_policy policy;
	char name[24];			/* the codec's, as the stream calls it */
	/* given and not decoded yet: first those that must be now (due), then those put off */
	struct held {
		AVPacket *pkt;		/* NULL: what was decoded comes out before what follows */
		int shrunk;
	} held[CB_DECODER_HOLD + 2];
	unsigned holding, due;
	size_t held_bytes;
	bool headers;			/* some put off have headers */
	bool fed, ending;		/* since the last flush; the decoder is being emptied */
	uint64_t owed;			/* number of the packet sent last, until its picture is there */
	AVCodecParameters *par;
	AVRational timebase;
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

static int parameters(struct cb_decoder *d, const struct cb_stream *s, struct cb_err *err)
{
	AVCodecParameters *par = d->par;

	par->codec_type = AVMEDIA_TYPE_VIDEO;
	par->codec_tag = s->codec_tag;
	par->width = (int)s->width;
	par->height = (int)s->height;
	par->bits_per_coded_sample = s->bits;
	if (!s->extradata_len)
		return 0;
	if (s->extradata_len > CB_EXTRADATA_MAX)
		return cb_err_set(err, CB_E_DATA, "%s: extradata too long", s->codec);
	par->extradata = av_mallocz(s->extradata_len + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!par->extradata)
		return cb_err_nomem(err);
	memcpy(par->extradata, s->extradata, s->extradata_len);
	par->extradata_size = (int)s->extradata_len;
	return 0;
}

/* Open the library's decoder, in place of the one that there may be. */
static int start(struct cb_decoder *d, const AVCodec *codec, int lowres, struct cb_err *err)
{
	AVCodecContext *c = avcodec_alloc_context3(codec);
	int r;

	if (!c)
		return cb_err_nomem(err);
	avcodec_free_context(&d->ctx);
	d->ctx = c;
	r = avcodec_parameters_to_context(c, d->par);
	if (r < 0)
		return fail(err, r, d->name);
	c->codec_id = codec->id;
	c->coded_width = c->width;
	c->coded_height = c->height;
	c->pkt_timebase = d->timebase;
	c->thread_count = 1;
	c->max_pixels = CB_PICTURE_PIXELS_MAX;
	c->idct_algo = FF_IDCT_SIMPLE;
	c->lowres = lowres;
	c->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_OUTPUT_CORRUPT;
	r = avcodec_open2(c, codec, NULL);
	return r < 0 ? fail(err, r, d->name) : 0;
}

int cb_decoder_open(struct cb_decoder **ret, const struct cb_stream *s, struct cb_err *err)
{
	struct cb_decoder *d;
	const AVCodec *codec;

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
	d->par = avcodec_parameters_alloc();
	d->pkt = av_packet_alloc();
	d->frame = av_frame_alloc();
	if (!d->par || !d->pkt || !d->frame) {
		cb_err_nomem(err);
		goto out;
	}
	if (parameters(d, s, err) < 0)
		goto out;
	d->timebase = (AVRational){ (int)(s->tb_num & INT32_MAX), (int)(s->tb_den & INT32_MAX) };
	cb_needs_init(&d->needs, s);
	/* without avcC or hvcC the decoder expects start codes */
	if (s->nal_length && !(s->extradata_len > 6 && (s->extradata[0] == 1 ||
	    (!strcmp(s->codec, "hevc") && (s->extradata[0] || s->extradata[1] || s->extradata[2] > 1)))))
		d->nal_length = s->nal_length;
	snprintf(d->name, sizeof d->name, "%s", s->codec);
	if (start(d, codec, 0, err) < 0)
		goto out;
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

void cb_decoder_policy(struct cb_decoder *d, const struct cb_decoder_policy *policy)
{
	d->policy = *policy;
	if (d->policy.hold > CB_DECODER_HOLD)
		d->policy.hold = CB_DECODER_HOLD;
}

bool cb_decoder_disposable(struct cb_decoder *d, const struct cb_packet *p)
{
	/* containers have been seen to say it of AV1's temporal units that hide a frame which
	 * others need; there the frames themselves know */
	if (p->flags & CB_F_DISPOSABLE && d->needs.codec != CB_NEED_AV1)
		return true;
	d->need = cb_needs_packet(&d->needs, p);
	d->asked = !d->need.spare;
	return d->need.spare;
}

/* --- what waits ------------------------------------------------------------------------------------ */

static void drop(struct cb_decoder *d)
{
	while (d->holding)
		av_packet_free(&d->held[--d->holding].pkt);
	d->due = 0;
	d->held_bytes = 0;
	d->headers = false;
}

/* Nothing before the next packet matters to it: what was put off will never be needed. What
 * was wanted comes out as if nothing were missing. */
static void begin_anew(struct cb_decoder *d)
{
	if (!d->holding)
		return;
	if (d->headers) {
		d->due = d->holding;
		return;
	}
	drop(d);
	if (d->fed)
		d->held[d->holding++] = (struct held){ 0 };
	d->due = d->holding;
}

/* As far as the transform can go without becoming smaller than what is asked for. */
static int shrink(const struct cb_decoder *d, const struct cb_need *need)
{
	uint32_t w = need->width, h = need->height;
	int k = 0;

	/* what has not the stream's size is half a picture, or another camera's */
	if (!need->jpeg || !w || !h || (int)w != d->par->width || (int)h != d->par->height ||
	    !d->policy.width || !d->policy.height)
		return 0;
	while (k < 3 && k < d->ctx->codec->max_lowres && (w - 1) >> (k + 1) >= d->policy.width - 1 &&
	       (h - 1) >> (k + 1) >= d->policy.height - 1)
		k++;
	return k;
}

static int feed(struct cb_decoder *d, AVPacket *pkt, int shrunk, struct cb_err *err)
{
	int r;

	d->errors = 0;
	/* pictures by themselves: another decoder knows as much as this one */
	if (shrunk != d->ctx->lowres && start(d, d->ctx->codec, shrunk, err) < 0)
		return -1;
	d->fed = true;
	r = avcodec_send_packet(d->ctx, pkt);
	if (r == AVERROR(EAGAIN))
		return cb_err_set(err, CB_E_BUG, "decoder fed before it was emptied");
	return r < 0 ? fail(err, r, "decoding") : 0;
}

static int feed_next(struct cb_decoder *d, struct cb_err *err)
{
	struct held h = d->held[0];
	int r = 0;

	memmove(d->held, d->held + 1, --d->holding * sizeof h);
	d->due--;
	if (!h.pkt) {
		d->ending = true;
		avcodec_send_packet(d->ctx, NULL);
		return 0;
	}
	d->held_bytes -= (size_t)h.pkt->size;
	r = feed(d, h.pkt, h.shrunk, err);
	av_packet_free(&h.pkt);
	if (!d->holding)
		d->headers = false;
	return r;
}

static int give(struct cb_decoder *d, const struct cb_packet *p, bool wanted, struct cb_err *err)
{
	struct cb_need need = d->need;
	struct held *h;
	int r;

	d->errors = 0;
	if (!d->asked)
		need = cb_needs_packet(&d->needs, p);
	d->asked = false;
	d->number++;
	d->table[d->number % TABLE] = (struct entry){ d->number, p->pts, p->flags & CB_F_DISCARD };
	if (!p->len)	/* to the library that would be the end */
		return cb_err_set(err, CB_E_DATA, "an empty packet");
	if (p->len > CB_FRAME_MAX)
		return cb_err_set(err, CB_E_DATA, "a packet of %u bytes", p->len);
	if (d->due || d->ending)
		return cb_err_set(err, CB_E_BUG, "decoder fed before it was emptied");
	if (need.anew)
		begin_anew(d);
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
	if (wanted)
		d->owed = d->number;
	else if (d->policy.prompt && d->owed && d->number - d->owed < OWED_MAX)
		wanted = true;
	if (!d->holding && (wanted || !d->policy.hold)) {
		r = feed(d, d->pkt, shrink(d, &need), err);
		av_packet_unref(d->pkt);
		return r;
	}
	h = &d->held[d->holding];
	*h = (struct held){ av_packet_alloc(), shrink(d, &need) };
	if (!h->pkt) {
		av_packet_unref(d->pkt);
		return cb_err_nomem(err);
	}
	av_packet_move_ref(h->pkt, d->pkt);
	d->holding++;
	d->held_bytes += (size_t)h->pkt->size;
	if (wanted || d->held_bytes > HOLD_BYTES)
		d->due = d->holding;
	else if (d->holding - d->due > d->policy.hold)
		d->due = d->holding - d->policy.hold;
	if (d->due < d->holding)
		d->headers |= need.headers;
	return 0;
}

int cb_decoder_send(struct cb_decoder *d, const struct cb_packet *p, struct cb_err *err)
{
	int r;

	if (p)
		return give(d, p, true, err);
	d->errors = 0;
	if (d->due || d->ending)
		return cb_err_set(err, CB_E_BUG, "decoder ended before it was emptied");
	begin_anew(d);		/* headers last, other things do not */
	if (d->holding && d->held[d->holding - 1].pkt)
		d->held[d->holding++] = (struct held){ 0 };
	d->due = d->holding;
	if (d->due)
		return 0;
	r = avcodec_send_packet(d->ctx, NULL);
	return r < 0 && r != AVERROR_EOF ? fail(err, r, "decoding") : 0;
}

int cb_decoder_put_off(struct cb_decoder *d, const struct cb_packet *p, struct cb_err *err)
{
	return give(d, p, false, err);
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
		if (r == AVERROR_EOF && d->ending) {
			avcodec_flush_buffers(d->ctx);
			d->ending = d->fed = false;
			d->owed = 0;
		}
		if (r == AVERROR(EAGAIN) || r == AVERROR_EOF) {
			if (!d->due)
				return 0;
			if (feed_next(d, err) < 0)
				return -1;
			continue;
		}
		if (r < 0) {
			if (++d->errors > ERRORS_MAX) {
				avcodec_flush_buffers(d->ctx);
				d->errors = 0;
				d->ending = false;
				continue;
			}
			return fail(err, r, "decoding");
		}
		number = f->pkt_pos > 0 ? (uint64_t)f->pkt_pos : 0;
		e = &d->table[number % TABLE];
		if (!number || e->number != number)
			e = NULL;
		if (number == d->owed)
			d->owed = 0;
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
		.shrunk = (unsigned)d->ctx->lowres,
		.pts = e ? e->pts : CB_NOPTS, .packet = e ? number : 0, .key = f->key_frame,
		.corrupt = (f->flags & AV_FRAME_FLAG_CORRUPT) || f->decode_error_flags,
		.priv = f,
	};
	if (d->ctx->lowres) {	/* only for pictures of the stream's size, see shrink */
		ret->width = (uint32_t)d->par->width;
		ret->height = (uint32_t)d->par->height;
		if (AV_CEIL_RSHIFT(d->par->width, d->ctx->lowres) != f->width ||
		    AV_CEIL_RSHIFT(d->par->height, d->ctx->lowres) != f->height)
			return cb_err_set(err, CB_E_DATA, "decoding: a picture of %d x %d", f->width, f->height);
	}
	for (int i = 0; i < 4; i++) {
		ret->plane[i] = f->data[i];
		ret->stride[i] = f->linesize[i];
	}
	return 1;
}

void cb_decoder_flush(struct cb_decoder *d)
{
	drop(d);
	d->ending = d->fed = false;
	d->owed = 0;
	avcodec_flush_buffers(d->ctx);
}

void cb_decoder_free(struct cb_decoder *d)
{
	if (!d)
		return;
	drop(d);
	avcodec_free_context(&d->ctx);
	avcodec_parameters_free(&d->par);
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
