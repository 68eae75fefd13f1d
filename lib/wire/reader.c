/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the frame stream: check, deliver, or say exactly where it is damaged. */
#include "wire/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "wire/frame-priv.h"

#define READ_MIN (256u << 10)	/* bytes asked for at once */

void cb_reader_init(struct cb_reader *r, int fd)
{
	memset(r, 0, sizeof(*r));
	r->fd = fd;
	cb_pipe_grow(fd, 256 << 10);
}

int cb_reader_preload(struct cb_reader *r, const void *p, size_t n, struct cb_err *err)
{
	return cb_buf_add(&r->buf, p, n) < 0 ? cb_err_nomem(err) : 0;
}

void cb_reader_release(struct cb_reader *r)
{
	cb_buf_release(&r->buf);
}

/* More bytes behind those in the buffer: -1, 0 or how many. */
static ssize_t fill(struct cb_reader *r, struct cb_err *err)
{
	ssize_t n;

	if (r->before_block && cb_would_block(r->fd))
		r->before_block(r->ctx);
	n = cb_read_to_stop(r->fd, r->buf.data + r->buf.len, r->buf.cap - 1 - r->buf.len);
	if (n < 0)
		return cb_err_sys(err, CB_E_IO, errno, "read");
	r->buf.len += (size_t)n;
	return n;
}

/* Have n bytes at pos: 1, 0 where the input ends before, -1. The buffer grows only as bytes
 * really arrive, whatever length a header claims. */
static int need(struct cb_reader *r, size_t n, struct cb_err *err)
{
	while (r->buf.len - r->pos < n) {
		ssize_t k;

		if (r->eof)
			return 0;
		if (r->pos && r->buf.len - r->pos < 4096) {
			/* begin again at the front: those bytes are still in the CPU's cache */
			cb_buf_drop(&r->buf, r->pos);
			r->pos = 0;
		}
		if (r->buf.cap < READ_MIN || r->buf.cap - 1 - r->buf.len < 4096) {
			if (r->pos) {
				cb_buf_drop(&r->buf, r->pos);
				r->pos = 0;
			}
			if (cb_buf_reserve(&r->buf, r->buf.len < READ_MIN / 2 ?
					   READ_MIN - r->buf.len : r->buf.len) < 0)
				return cb_err_nomem(err);
		}
		k = fill(r, err);
		if (k < 0)
			return -1;
		if (k == 0)
			r->eof = true;
	}
	return 1;
}

/* The frame at pos, whole and good: 1. 0: the input ends here, between frames. -1 with *why:
 * damaged; -1 without: a read error. */
static int frame_at(struct cb_reader *r, struct cb_frame *f, const char **why, struct cb_err *err)
{
	uint32_t crc;
	int k;

	*why = NULL;
	k = need(r, CB_FRAME_HDR, err);
	if (k < 0)
		return -1;
	if (k == 0) {
		if (r->buf.len == r->pos)
			return 0;
		*why = "truncated in its header";
		return -1;
	}
	*why = cb_header_get(r->buf.data + r->pos, f, &crc);
	if (*why)
		return -1;
	k = need(r, (size_t)CB_FRAME_HDR + f->len, err);
	if (k < 0)
		return -1;
	f->payload = r->buf.data + r->pos + CB_FRAME_HDR;
	if (k == 0) {
		*why = "truncated in its payload";
		return -1;
	}
	if (cb_crc32c(0, f->payload, f->len) != crc) {
		*why = "payload checksum mismatch";
		return -1;
	}
	if (f->type == CB_FRAME_EVENT && memchr(f->payload, '\n', f->len)) {
		*why = "an event of more than one line";
		return -1;
	}
	return 1;
}

/* Take the good frame at pos. */
static int take(struct cb_reader *r, struct cb_frame *f, struct cb_frame *ret, struct cb_err *err)
{
	const uint8_t *hdr = r->buf.data + r->pos;

	f->offset = r->offset;
	if (f->type == CB_FRAME_END) {
		struct cb_end e;

		if (cb_end_parse(&e, f, err) < 0)
			return -1;
		if (e.frames != r->frames || e.packets != r->packets || e.bytes != r->bytes ||
		    e.digest != r->digest) {
			r->trouble = "END: its totals are not those of the stream";
			if (!r->resync)
				return cb_err_set(err, CB_E_DATA, "%s", r->trouble);
			if (!r->damages)
				r->damages++;
		}
		r->ended = true;
	} else if (f->type == CB_FRAME_HELLO) {
		r->live = f->flags & CB_F_LIVE;
	} else if (f->type == CB_FRAME_PACKET) {
		r->packets++;
		r->bytes += f->len >= CB_PACKET_FIXED ? f->len - CB_PACKET_FIXED : 0;
	}
	r->digest = cb_crc32c(r->digest, hdr, CB_FRAME_HDR);
	r->frames++;
	r->any = true;
	r->next_seq = f->seq + 1;
	r->pos += CB_FRAME_HDR + f->len;
	r->offset += CB_FRAME_HDR + f->len;
	*ret = *f;
	return 1;
}

/* A GAP frame of our own: `bytes` skipped, `frames` missing. */
static int deliver_gap(struct cb_reader *r, uint64_t bytes, uint64_t frames, const char *why,
		       struct cb_frame *ret)
{
	struct cb_gap g = { .reason = CB_GAP_DAMAGE, .packets = frames, .bytes = bytes };

	snprintf(g.text, sizeof(g.text), "frame %ju (byte %ju): %s", (uintmax_t)r->next_seq,
		 (uintmax_t)r->offset, why);
	*ret = (struct cb_frame){
		.type = CB_FRAME_GAP, .seq = r->next_seq, .offset = r->offset,
		.payload = r->gap, .len = (uint32_t)cb_gap_put(r->gap, &g),
	};
	r->damages++;
	r->offset += bytes;
	return 1;
}

/* The frame at pos cannot be taken, but its header is good: is the next one right behind it?
 * Then what lies in its payload, even if it looks like frames, is passed over: 1 with the
 * header behind it. 0: not so. */
static int frame_over(struct cb_reader *r, struct cb_frame *next, uint64_t *skipped, struct cb_err *err)
{
	size_t n = CB_FRAME_HDR;
	struct cb_frame f;
	uint32_t crc;
	int k;

	k = need(r, n, err);
	if (k <= 0 || cb_header_get(r->buf.data + r->pos, &f, &crc))
		return k < 0 ? -1 : 0;
	n += f.len;
	k = need(r, n + CB_FRAME_HDR, err);
	if (k <= 0 || cb_header_get(r->buf.data + r->pos + n, next, &crc) || next->seq != f.seq + 1)
		return k < 0 ? -1 : 0;
	r->pos += n;
	*skipped += n;
	return 1;
}

/* Is the good header at pos, f, that of a stream's beginning? */
static int stream_begins(struct cb_reader *r, struct cb_frame *f, uint32_t crc, struct cb_err *err)
{
	int k;

	if (f->type != CB_FRAME_HELLO || f->seq != 0)
		return 0;
	k = need(r, (size_t)CB_FRAME_HDR + f->len, err);
	return k <= 0 ? k : cb_crc32c(0, r->buf.data + r->pos + CB_FRAME_HDR, f->len) == crc;
}

/* Skip to the next header that is whole, fits the sequence, and lies at least one byte on:
 * 1 with the number of bytes skipped; at the end of the input, or where another stream begins,
 * everything left is skipped. */
static int skip_damage(struct cb_reader *r, uint64_t *skipped, uint64_t *seq, struct cb_err *err)
{
	struct cb_frame f;
	uint32_t crc;
	int k;

	*skipped = 0;
	while ((k = frame_over(r, &f, skipped, err)) > 0)
		if (f.seq >= r->next_seq) {
			*seq = f.seq;
			return 1;
		}
	if (k < 0)
		return -1;
	for (;;) {
		size_t have = r->buf.len - r->pos;
		uint8_t *at, *start = r->buf.data + r->pos;

		at = have > 1 ? memmem(start + 1, have - 1, CB_FRAME_MAGIC, 4) : NULL;
		if (!at) {	/* keep three bytes: the magic may be cut here */
			size_t keep = have > 3 ? 3 : have;

			*skipped += have - keep;
			r->pos += have - keep;
			if (r->eof) {
				*skipped += keep;
				r->pos += keep;
				*seq = r->next_seq;
				return 0;
			}
			if (need(r, keep + 1, err) < 0)
				return -1;
			if (r->eof)
				continue;
			/* the byte before the kept ones is gone: look from here on */
			if (memcmp(r->buf.data + r->pos, CB_FRAME_MAGIC, keep < 4 ? keep : 4) == 0)
				at = r->buf.data + r->pos;
			else
				continue;
			start = at;
		}
		*skipped += (uint64_t)(at - start);
		r->pos += (size_t)(at - start);
		if (need(r, CB_FRAME_HDR, err) < 0)
			return -1;
		if (r->buf.len - r->pos < CB_FRAME_HDR)
			continue;
		if (cb_header_get(r->buf.data + r->pos, &f, &crc))
			continue;
		if (f.seq >= r->next_seq) {
			*seq = f.seq;
			return 1;
		}
		k = stream_begins(r, &f, crc, err);
		if (k < 0)
			return -1;
		if (k) {
			r->over = true;
			*seq = r->next_seq;
			return 0;
		}
	}
}

/* Why a good frame is not the next one of this stream, or NULL. */
static const char *misplaced(const struct cb_reader *r, const struct cb_frame *f)
{
	if (r->any && f->type == CB_FRAME_HELLO && f->seq == 0)
		return "another stream begins";
	if (f->seq != r->next_seq)
		return f->seq > r->next_seq ? "frames are missing before it" : "an old frame again";
	if (r->any && f->type == CB_FRAME_HELLO)
		return "HELLO in the middle of the stream";
	if (!r->any && f->type != CB_FRAME_HELLO)
		return "the stream does not start with HELLO";
	return NULL;
}

int cb_reader_next(struct cb_reader *r, struct cb_frame *ret, struct cb_err *err)
{
	struct cb_frame f = { 0 };
	const char *why;
	uint64_t skipped = 0, seq = 0, missing;
	int k;

	if (r->over)
		return 0;
	if (r->ended) {
		k = need(r, 1, err);
		if (k <= 0)
			return k;
		r->trouble = "data after END";
		if (!r->resync)
			return cb_err_set(err, CB_E_DATA, "byte %ju: data after END", (uintmax_t)r->offset);
		r->over = true;		/* whatever follows is not ours */
		r->damages++;
		return 0;
	}
	k = frame_at(r, &f, &why, err);
	if (k == 0)
		return 0;
	if (k < 0 && !why)
		return -1;
	if (k < 0 && cb_stop_wanted() && r->eof) {	/* we left in the middle of a frame */
		r->pos = r->buf.len;
		return 0;
	}
	if (k > 0) {
		why = misplaced(r, &f);
		if (!why)
			return take(r, &f, ret, err);
		if (r->resync && f.seq >= r->next_seq && f.type != CB_FRAME_HELLO) {
			/* good, but something should have come before it */
			deliver_gap(r, 0, f.seq - r->next_seq, r->any ? "frames are missing" :
				    "the stream does not start with HELLO", ret);
			r->next_seq = f.seq;
			r->any = true;
			return 1;
		}
		if (r->resync && f.seq > r->next_seq && !r->any) {
			deliver_gap(r, 0, f.seq - r->next_seq, "frames are missing", ret);
			r->next_seq = f.seq;
			return 1;
		}
		if (r->resync && r->any && f.type == CB_FRAME_HELLO && f.seq == 0) {
			deliver_gap(r, 0, 0, why, ret);
			r->over = true;
			return 1;
		}
	}
	if (!r->any && memcmp(r->buf.data + r->pos, CB_FRAME_MAGIC,
			      r->buf.len - r->pos < 4 ? r->buf.len - r->pos : 4) != 0) {
		if (!r->resync)
			return cb_err_set(err, CB_E_DATA, "not a frame stream");
		why = "no frame stream starts here";
	}
	if (!r->resync)
		return cb_err_set(err, CB_E_DATA, "frame %ju (byte %ju): %s",
				  (uintmax_t)r->next_seq, (uintmax_t)r->offset, why);
	if (skip_damage(r, &skipped, &seq, err) < 0)
		return -1;
	missing = seq - r->next_seq;
	deliver_gap(r, skipped, missing, why, ret);
	r->next_seq = seq;
	return 1;
}

int cb_reader_finish(const struct cb_reader *r, struct cb_err *err)
{
	if (r->ended || cb_stop_wanted())
		return 0;
	if (!r->any)
		return cb_err_set(err, CB_E_DATA, "no frame stream: the input is empty");
	return cb_err_set(err, CB_E_DATA, "no END after frame %ju: the producer died",
			  (uintmax_t)(r->next_seq - 1));
}
