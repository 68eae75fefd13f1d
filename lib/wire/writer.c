/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the frame stream: one writev a frame, or a ring and its thread when live. */
#include "wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "wire/frame-priv.h"
#include "wire/ring.h"

#define RING_BYTES (32u << 20)
#define RING_NS (10 * CB_NS_PER_S)

void cb_writer_init(struct cb_writer *w, int fd)
{
	memset(w, 0, sizeof(*w));
	w->fd = fd;
	cb_pipe_grow(fd, 256 << 10);
}

/* Number, checksum and write one frame whose payload is in parts[1..n]; parts[0] is free. */
static int put(struct cb_writer *w, uint8_t type, uint16_t flags, uint16_t stream,
	       struct iovec *parts, int n, struct cb_err *err)
{
	uint8_t hdr[CB_FRAME_HDR];
	uint32_t crc = 0;
	size_t len = 0;

	if (w->broken)
		return 0;
	for (int i = 1; i <= n; i++) {
		crc = cb_crc32c(crc, parts[i].iov_base, parts[i].iov_len);
		len += parts[i].iov_len;
	}
	cb_header_put(hdr, type, flags, stream, (uint32_t)len, w->seq, crc);
	parts[0] = (struct iovec){ hdr, sizeof(hdr) };
	w->digest = cb_crc32c(w->digest, hdr, sizeof(hdr));
	w->seq++;
	if (type == CB_FRAME_PACKET) {
		w->packets++;
		w->bytes += len - CB_PACKET_FIXED;
	}
	if (cb_writev_until(w->fd, parts, n + 1, &w->give_up, err) < 0) {
		if (w->tolerant && err && err->sys == EPIPE) {
			*err = (struct cb_err)CB_ERR_INIT;
			w->broken = true;
			return 0;
		}
		return cb_err_prefix(err, "output");
	}
	return 0;
}

/* END is made when its turn comes, because only then the totals are known. */
static int put_end(struct cb_writer *w, uint16_t reason, struct cb_err *err)
{
	struct cb_end e = { .reason = reason, .frames = w->seq, .packets = w->packets,
			    .bytes = w->bytes, .digest = w->digest };
	uint8_t body[CB_END_LEN];
	struct iovec parts[2];

	cb_end_put(body, &e);
	parts[1] = (struct iovec){ body, sizeof(body) };
	return put(w, CB_FRAME_END, 0, 0, parts, 1, err);
}

static int from_ring(struct cb_writer *w, uint8_t type, uint16_t flags, uint16_t stream,
		     struct iovec *parts, int n, struct cb_err *err)
{
	struct iovec all[2];

	(void)n;
	if (type == CB_FRAME_END)
		return put_end(w, flags, err);
	all[1] = parts[0];
	return put(w, type, flags, stream, all, 1, err);
}

/* parts[0] is left free for the header. */
static int emit(struct cb_writer *w, uint8_t type, uint16_t flags, uint16_t stream, bool video,
		struct iovec *parts, int n, struct cb_err *err)
{
	size_t len = 0;

	for (int i = 1; i <= n; i++)
		len += parts[i].iov_len;
	if (len > CB_FRAME_MAX)
		return cb_err_set(err, CB_E_DATA, "a frame of %zu bytes: the stream holds %u", len,
				  CB_FRAME_MAX);
	if (w->ring)
		return cb_ring_push(w->ring, type, flags, stream, video, parts + 1, n, err);
	return put(w, type, flags, stream, parts, n, err);
}

static int go_live(struct cb_writer *w, struct cb_err *err)
{
	if (w->ring || w->unqueued)
		return 0;
	return cb_ring_start(&w->ring, w, from_ring, w->ring_bytes ? w->ring_bytes : RING_BYTES,
			     w->ring_ns ? w->ring_ns : RING_NS, err);
}

int cb_writer_hello(struct cb_writer *w, const struct cb_hello *h, struct cb_err *err)
{
	uint8_t body[CB_HELLO_LEN];
	struct iovec parts[2];

	if (h->live && go_live(w, err) < 0)
		return -1;
	cb_hello_put(body, h);
	parts[1] = (struct iovec){ body, sizeof(body) };
	return emit(w, CB_FRAME_HELLO, h->live ? CB_F_LIVE : 0, 0, false, parts, 1, err);
}

int cb_writer_stream(struct cb_writer *w, uint16_t stream, const struct cb_stream *s,
		     struct cb_err *err)
{
	uint8_t body[CB_STREAM_FIXED];
	struct iovec parts[3];

	if (s->extradata_len > CB_EXTRADATA_MAX)
		return cb_err_set(err, CB_E_DATA, "stream %u: %u bytes of extradata", stream,
				  s->extradata_len);
	cb_stream_put(body, s);
	parts[1] = (struct iovec){ body, sizeof(body) };
	parts[2] = (struct iovec){ (void *)s->extradata, s->extradata_len };
	return emit(w, CB_FRAME_STREAM, 0, stream, s->kind == CB_VIDEO, parts, 2, err);
}

int cb_writer_packet(struct cb_writer *w, uint16_t stream, const struct cb_packet *p,
		     struct cb_err *err)
{
	uint8_t body[CB_PACKET_FIXED];
	struct iovec parts[3];

	cb_packet_put(body, p);
	parts[1] = (struct iovec){ body, sizeof(body) };
	parts[2] = (struct iovec){ (void *)p->data, p->len };
	return emit(w, CB_FRAME_PACKET, p->flags, stream, false, parts, 2, err);
}

int cb_writer_picture(struct cb_writer *w, uint16_t stream, const struct cb_picture_frame *p,
		      struct cb_err *err)
{
	uint8_t body[CB_PICTURE_FIXED];
	struct iovec parts[3];

	cb_picture_put(body, p);
	parts[1] = (struct iovec){ body, sizeof(body) };
	parts[2] = (struct iovec){ (void *)p->at.data, p->at.len };
	return emit(w, CB_FRAME_PICTURE, p->at.flags, stream, false, parts, 2, err);
}

int cb_writer_event(struct cb_writer *w, const char *line, size_t len, struct cb_err *err)
{
	struct iovec parts[2];

	if (!len || len >= CB_EVENT_LINE_MAX)
		return cb_err_set(err, CB_E_DATA, "an event line of %zu bytes: %d at most", len,
				  CB_EVENT_LINE_MAX - 1);
	parts[1] = (struct iovec){ (void *)line, len };
	return emit(w, CB_FRAME_EVENT, 0, 0, false, parts, 1, err);
}

int cb_writer_gap(struct cb_writer *w, uint16_t stream, const struct cb_gap *g, struct cb_err *err)
{
	uint8_t body[CB_GAP_LEN_MAX];
	struct iovec parts[2];

	parts[1] = (struct iovec){ body, cb_gap_put(body, g) };
	return emit(w, CB_FRAME_GAP, 0, stream, false, parts, 1, err);
}

int cb_writer_end(struct cb_writer *w, uint16_t reason, struct cb_err *err)
{
	static const struct iovec none;

	if (!w->ring)
		return put_end(w, reason, err);
	if (cb_ring_push(w->ring, CB_FRAME_END, reason, 0, false, &none, 0, err) < 0)
		return -1;
	return cb_ring_drain(w->ring, (cb_stop_wanted() ? 2 : 10) * CB_NS_PER_S, err);
}

int cb_writer_forward(struct cb_writer *w, const struct cb_frame *f, struct cb_err *err)
{
	struct iovec parts[2];

	if (f->type == CB_FRAME_END)
		return cb_err_set(err, CB_E_BUG, "END is not for forwarding");
	if (f->type == CB_FRAME_HELLO && (f->flags & CB_F_LIVE) && go_live(w, err) < 0)
		return -1;
	parts[1] = (struct iovec){ (void *)f->payload, f->len };
	return emit(w, f->type, f->flags, f->stream,
		    f->type == CB_FRAME_STREAM && f->len > 24 && f->payload[24] == CB_VIDEO, parts,
		    1, err);
}

void cb_writer_release(struct cb_writer *w)
{
	cb_ring_free(w->ring);
	w->ring = NULL;
}
