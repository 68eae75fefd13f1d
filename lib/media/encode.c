/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding with libavcodec: H.264 by libx264, MJPEG, PNG. */
#include "media/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "base/io.h"

static int av_err(struct cb_err *err, int code, const char *what)
{
	char why[AV_ERROR_MAX_STRING_SIZE];

	if (code == AVERROR(ENOMEM))
		return cb_err_nomem(err);
	av_strerror(code, why, sizeof(why));
	return cb_err_set(err, CB_E_DATA, "%s: %s", what, why);
}

/* quality 1..100 to libavcodec's quantiser, 31 (worst) to 2 */
static int qscale(int quality)
{
	return 31 - (quality < 1 ? 1 : quality > 100 ? 100 : quality) * 29 / 100;
}

/* --- one picture ------------------------------------------------------------------------------ */

static int fill_rgb(AVFrame *f, const uint8_t *rgb, struct cb_err *err)
{
	const uint8_t *src[4] = { rgb };
	const int stride[4] = { f->width * 3 };
	const int *matrix = sws_getCoefficients(SWS_CS_ITU601);
	struct SwsContext *sws;
	int r;

	if (f->format == AV_PIX_FMT_RGB24) {
		av_image_copy(f->data, f->linesize, src, stride, f->format, f->width, f->height);
		return 0;
	}
	sws = sws_getContext(f->width, f->height, AV_PIX_FMT_RGB24, f->width, f->height,
			     AV_PIX_FMT_YUV444P, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT,
			     NULL, NULL, NULL);
	if (!sws)
		return cb_err_nomem(err);
	sws_setColorspaceDetails(sws, matrix, 1, matrix, 1, 0, 1 << 16, 1 << 16);
	r = sws_scale(sws, src, stride, 0, f->height, f->data, f->linesize);
	sws_freeContext(sws);
	return r == f->height ? 0 : cb_err_set(err, CB_E_DATA, "cannot convert the picture");
}

int cb_image_encode(struct cb_buf *out, enum cb_image kind, const uint8_t *rgb, uint32_t width,
		    uint32_t height, int quality, struct cb_err *err)
{
	bool jpeg = kind == CB_IMAGE_JPEG;	/* YUVJ444P: JPEG's own, 4:4:4 so that thin lines keep their colour */
	const AVCodec *codec = avcodec_find_encoder(jpeg ? AV_CODEC_ID_MJPEG : AV_CODEC_ID_PNG);
	AVCodecContext *c = NULL;
	AVPacket *pkt = NULL;
	AVFrame *f = NULL;
	int ret = -1, r;

	av_log_set_level(AV_LOG_QUIET);
	if (!codec)
		return cb_err_set(err, CB_E_UNAVAIL, "this libavcodec has no %s encoder",
				  jpeg ? "JPEG" : "PNG");
	if (!width || !height || width > 16384 || height > 16384)
		return cb_err_set(err, CB_E_DATA, "a picture of %ux%u", width, height);
	c = avcodec_alloc_context3(codec);
	f = av_frame_alloc();
	pkt = av_packet_alloc();
	if (!c || !f || !pkt) {
		cb_err_nomem(err);
		goto out;
	}
	c->width = f->width = (int)width;
	c->height = f->height = (int)height;
	c->pix_fmt = jpeg ? AV_PIX_FMT_YUVJ444P : AV_PIX_FMT_RGB24;
	f->format = c->pix_fmt;
	c->color_range = AVCOL_RANGE_JPEG;
	c->time_base = (AVRational){ 1, 25 };
	c->thread_count = 1;
	c->flags |= AV_CODEC_FLAG_BITEXACT;
	if (jpeg) {
		c->flags |= AV_CODEC_FLAG_QSCALE;
		c->global_quality = f->quality = qscale(quality) * FF_QP2LAMBDA;
	}
	if ((r = avcodec_open2(c, codec, NULL)) < 0 || (r = av_frame_get_buffer(f, 0)) < 0) {
		av_err(err, r, "picture");
		goto out;
	}
	if (fill_rgb(f, rgb, err) < 0)
		goto out;
	if ((r = avcodec_send_frame(c, f)) < 0 || (r = avcodec_send_frame(c, NULL)) < 0 ||
	    (r = avcodec_receive_packet(c, pkt)) < 0) {
		av_err(err, r, "picture");
		goto out;
	}
	if (cb_buf_add(out, pkt->data, (size_t)pkt->size) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	ret = 0;
out:
	av_packet_free(&pkt);
	av_frame_free(&f);
	avcodec_free_context(&c);
	return ret;
}

int cb_image_save(const char *path, const struct cb_buf *image, struct cb_err *err)
{
	char *tmp = NULL;
	int fd = -1, ret = -1;

	if (asprintf(&tmp, "%s.%d.part", path, (int)getpid()) < 0)
		return cb_err_nomem(err);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", path);
		free(tmp);
		return -1;
	}
	if (cb_write_all(fd, image->data, image->len, err) < 0)
		cb_err_prefix(err, "%s", path);
	else if (fsync(fd) < 0)
		cb_err_sys(err, CB_E_IO, errno, "%s", path);
	else
		ret = 0;
	if (close(fd) < 0 && ret == 0)
		ret = cb_err_sys(err, CB_E_IO, errno, "%s", path);
	if (ret == 0 && rename(tmp, path) < 0)
		ret = cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", path);
	if (ret < 0)
		unlink(tmp);
	free(tmp);
	return ret;
}

/* --- films ---------------------------------------------------------------------------------- */

bool cb_picture_full_range(const struct cb_picture *p)
{
	const AVFrame *f = p->priv;
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get((enum AVPixelFormat)p->format);

	return (f && f->color_range == AVCOL_RANGE_JPEG) ||
		(d && strncmp(d->name, "yuvj", 4) == 0);
}

bool cb_picture_bt709(const struct cb_picture *p)
{
	const AVFrame *f = p->priv;

	if (f && f->colorspace == AVCOL_SPC_BT709)
		return true;
	return p->height >= 720 && !cb_picture_full_range(p) &&
		(!f || f->colorspace == AVCOL_SPC_UNSPECIFIED);
}

struct cb_encoder {
	AVCodecContext *c;
	AVFrame *f;
	AVPacket *pkt;
	struct cb_stream stream;
	struct cb_buf extradata, data;
	int64_t count;
	bool h264, widen;	/* widen: JPEG is of full range, the pictures are not */
	uint8_t luma[256], chroma[256];
};

/* The next NAL unit of Annex B data at *p; its end loses trailing zero bytes. */
static bool nal_next(const uint8_t **p, const uint8_t *end, const uint8_t **nal, size_t *len)
{
	const uint8_t *s = *p, *e;

	while (s + 3 <= end && !(s[0] == 0 && s[1] == 0 && s[2] == 1))
		s++;
	if (s + 3 > end)
		return false;
	s += 3;
	for (e = s; e + 3 <= end && !(e[0] == 0 && e[1] == 0 && e[2] <= 1); )
		e++;
	if (e + 3 > end)
		e = end;
	*p = e;
	while (e > s && e[-1] == 0)
		e--;
	*nal = s;
	*len = (size_t)(e - s);
	return true;
}

/* ISO/IEC 14496-15 AVCDecoderConfigurationRecord from the encoder's parameter sets */
static int avcc(struct cb_buf *b, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n, *nal, *sps = NULL, *pps = NULL;
	size_t len, sps_len = 0, pps_len = 0;
	int bad = 0;

	while (nal_next(&p, end, &nal, &len)) {
		if (len < 4)
			continue;
		if ((nal[0] & 31) == 7 && !sps) {
			sps = nal;
			sps_len = len;
		} else if ((nal[0] & 31) == 8 && !pps) {
			pps = nal;
			pps_len = len;
		}
	}
	if (!sps || !pps || sps_len > 65535 || pps_len > 65535)
		return -1;
	bad |= cb_buf_add(b, (const uint8_t[]){ 1, sps[1], sps[2], sps[3], 0xff, 0xe1 }, 6);
	bad |= cb_buf_be16(b, (uint16_t)sps_len);
	bad |= cb_buf_add(b, sps, sps_len);
	bad |= cb_buf_byte(b, 1);
	bad |= cb_buf_be16(b, (uint16_t)pps_len);
	bad |= cb_buf_add(b, pps, pps_len);
	if (sps[1] == 100 || sps[1] == 110 || sps[1] == 122 || sps[1] == 144)
		/* High: 4:2:0, eight bits, no extension sets */
		bad |= cb_buf_add(b, (const uint8_t[]){ 0xfd, 0xf8, 0xf8, 0 }, 4);
	return bad;
}

static const AVCodec *choose(const char *name, bool *ret_h264)
{
	const AVCodec *c = NULL;

	if (!name || strcmp(name, "h264") == 0)
		c = avcodec_find_encoder_by_name("libx264");
	*ret_h264 = c;
	if (!c && (!name || strcmp(name, "mjpeg") == 0))
		c = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
	return c;
}

static void stream_fill(struct cb_encoder *e, const struct cb_encoder_opts *o,
			const struct cb_stream *like)
{
	struct cb_stream *s = &e->stream;

	*s = *like;
	memset(s->codec, 0, sizeof(s->codec));
	snprintf(s->codec, sizeof(s->codec), "%s", e->h264 ? "h264" : "mjpeg");
	s->kind = CB_VIDEO;
	s->nal_length = e->h264 ? 4 : 0;
	s->in_band = false;
	s->width = o->width;
	s->height = o->height;
	s->profile = e->h264 && e->extradata.len > 3 ? e->extradata.data[1] : UINT32_MAX;
	s->level = e->h264 && e->extradata.len > 3 ? e->extradata.data[3] : UINT32_MAX;
	s->codec_tag = 0;
	s->bit_rate = 0;
	s->field_order = 0;
	s->color_range = o->full_range || !e->h264 ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	s->color_space = o->bt709 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
	s->extradata = e->extradata.data;
	s->extradata_len = (uint32_t)e->extradata.len;
}

static int context_open(struct cb_encoder *e, const AVCodec *codec,
			const struct cb_encoder_opts *o, const struct cb_stream *like)
{
	AVCodecContext *c = e->c;
	AVDictionary *opt = NULL;
	char crf[16];
	int r;

	c->width = (int)o->width;
	c->height = (int)o->height;
	c->pix_fmt = e->h264 ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_YUVJ420P;
	c->color_range = o->full_range || !e->h264 ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	c->colorspace = o->bt709 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
	c->color_primaries = (enum AVColorPrimaries)like->color_primaries;
	c->color_trc = (enum AVColorTransferCharacteristic)like->color_trc;
	/* times travel beside the encoder: it counts pictures */
	c->framerate = (AVRational){ 25, 1 };
	if (like->fr_num && like->fr_den && like->fr_num <= 1000u * like->fr_den &&
	    like->fr_num <= INT32_MAX && like->fr_den <= INT32_MAX)
		c->framerate = (AVRational){ (int)like->fr_num, (int)like->fr_den };
	c->time_base = av_inv_q(c->framerate);
	if (like->sar_num && like->sar_den)
		av_reduce(&c->sample_aspect_ratio.num, &c->sample_aspect_ratio.den,
			  like->sar_num, like->sar_den, 65535);
	c->gop_size = c->framerate.num * 2 / c->framerate.den;
	if (c->gop_size < 1)
		c->gop_size = 1;
	c->max_b_frames = 0;
	c->thread_count = 1;
	c->flags |= AV_CODEC_FLAG_BITEXACT;
	if (e->h264) {
		c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP;
		snprintf(crf, sizeof(crf), "%d", 40 - (o->quality < 1 ? 1 : o->quality) * 24 / 100);
		av_dict_set(&opt, "preset", "veryfast", 0);
		av_dict_set(&opt, "tune", "zerolatency", 0);
		av_dict_set(&opt, "forced-idr", "1", 0);
		av_dict_set(&opt, "crf", crf, 0);
		av_dict_set(&opt, "x264-params", "sliced-threads=0", 0);
	} else {
		c->flags |= AV_CODEC_FLAG_QSCALE;
		c->global_quality = qscale(o->quality) * FF_QP2LAMBDA;
	}
	r = avcodec_open2(c, codec, &opt);
	av_dict_free(&opt);
	return r;
}

static uint8_t clip(int v)
{
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* tables from 16..235 and 16..240 to 0..255 */
static void widen_init(struct cb_encoder *e)
{
	for (int i = 0; i < 256; i++) {
		e->luma[i] = clip(((i - 16) * 510 + 219) / 438);
		e->chroma[i] = clip(128 + ((i - 128) * 510 + (i < 128 ? -224 : 224)) / 448);
	}
	e->widen = true;
}

static void widen(AVFrame *f, const struct cb_encoder *e)
{
	for (int p = 0; p < 3; p++) {
		int w = p ? (f->width + 1) / 2 : f->width, h = p ? (f->height + 1) / 2 : f->height;
		const uint8_t *table = p ? e->chroma : e->luma;

		for (int y = 0; y < h; y++) {
			uint8_t *row = f->data[p] + (ptrdiff_t)y * f->linesize[p];

			for (int x = 0; x < w; x++)
				row[x] = table[row[x]];
		}
	}
}

int cb_encoder_open(struct cb_encoder **ret, const struct cb_encoder_opts *o,
		    const struct cb_stream *like, struct cb_err *err)
{
	struct cb_encoder *e = NULL;
	const AVCodec *codec;
	bool h264;
	int r;

	av_log_set_level(AV_LOG_QUIET);	/* libraries do not print */
	codec = choose(o->codec, &h264);
	if (!codec)
		return cb_err_set(err, CB_E_UNAVAIL, "this libavcodec cannot encode %s",
				  o->codec ? o->codec : "video");
	if (!o->width || !o->height || o->width > 16384 || o->height > 16384 ||
	    (h264 && (o->width | o->height) & 1))
		return cb_err_set(err, CB_E_DATA, "%s cannot hold pictures of %ux%u",
				  h264 ? "h264" : "mjpeg", o->width, o->height);
	e = calloc(1, sizeof(*e));
	if (!e)
		return cb_err_nomem(err);
	e->h264 = h264;
	e->c = avcodec_alloc_context3(codec);
	e->f = av_frame_alloc();
	e->pkt = av_packet_alloc();
	if (!e->c || !e->f || !e->pkt) {
		cb_err_nomem(err);
		goto fail;
	}
	r = context_open(e, codec, o, like);
	if (r < 0) {
		av_err(err, r, codec->name);
		goto fail;
	}
	e->f->width = e->c->width;
	e->f->height = e->c->height;
	e->f->format = e->c->pix_fmt;
	e->f->color_range = e->c->color_range;
	e->f->colorspace = e->c->colorspace;
	if ((r = av_frame_get_buffer(e->f, 0)) < 0) {
		av_err(err, r, codec->name);
		goto fail;
	}
	if (h264 && avcc(&e->extradata, e->c->extradata, (size_t)e->c->extradata_size) < 0) {
		cb_err_set(err, CB_E_BUG, "%s gave no parameter sets", codec->name);
		goto fail;
	}
	if (!h264 && !o->full_range)
		widen_init(e);
	stream_fill(e, o, like);
	*ret = e;
	return 0;
fail:
	cb_encoder_free(e);
	return -1;
}

const struct cb_stream *cb_encoder_stream(const struct cb_encoder *e)
{
	return &e->stream;
}

static int picture_fill(struct cb_encoder *e, const uint8_t *yuv, struct cb_err *err)
{
	size_t w = (size_t)e->c->width, h = (size_t)e->c->height;
	size_t cw = (w + 1) / 2, ch = (h + 1) / 2;
	const uint8_t *src[4] = { yuv, yuv + w * h, yuv + w * h + cw * ch };
	const int stride[4] = { (int)w, (int)cw, (int)cw };
	int r = av_frame_make_writable(e->f);

	if (r < 0)
		return av_err(err, r, "encode");
	av_image_copy(e->f->data, e->f->linesize, src, stride, e->c->pix_fmt, (int)w, (int)h);
	if (e->widen)
		widen(e->f, e);
	return 0;
}

/* Annex B as libx264 gives it to canonical, length-prefixed NAL units */
static int lengths(struct cb_buf *b, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n, *nal;
	size_t len;
	int bad = 0;

	b->len = 0;
	while (nal_next(&p, end, &nal, &len)) {
		bad |= cb_buf_be32(b, (uint32_t)len);
		bad |= cb_buf_add(b, nal, len);
	}
	return bad;
}

int cb_encoder_run(struct cb_encoder *e, const uint8_t *yuv, const struct cb_packet *at,
		   struct cb_packet *ret, struct cb_err *err)
{
	int r;

	if (picture_fill(e, yuv, err) < 0)
		return -1;
	e->f->pts = e->count++;
	e->f->pict_type = at->flags & CB_F_KEY ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	e->f->quality = e->c->global_quality;
	av_packet_unref(e->pkt);
	if ((r = avcodec_send_frame(e->c, e->f)) < 0 ||
	    (r = avcodec_receive_packet(e->c, e->pkt)) < 0)
		return av_err(err, r, "encode");
	*ret = *at;
	ret->dts = at->pts;
	ret->skip_start = ret->skip_end = 0;
	ret->flags = e->pkt->flags & AV_PKT_FLAG_KEY ? CB_F_KEY : 0;
	ret->flags |= at->flags & CB_F_CORRUPT;
	ret->data = e->pkt->data;
	ret->len = (uint32_t)e->pkt->size;
	if (e->h264) {
		if (lengths(&e->data, e->pkt->data, (size_t)e->pkt->size) < 0)
			return cb_err_nomem(err);
		ret->data = e->data.data;
		ret->len = (uint32_t)e->data.len;
	}
	return 0;
}

void cb_encoder_free(struct cb_encoder *e)
{
	if (!e)
		return;
	av_packet_free(&e->pkt);
	av_frame_free(&e->f);
	avcodec_free_context(&e->c);
	cb_buf_release(&e->extradata);
	cb_buf_release(&e->data);
	free(e);
}
