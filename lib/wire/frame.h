/* SPDX-License-Identifier: Apache-2.0 */
/* The frame stream of cb-frame(5): video, audio and events in one pipe.
 *
 * A stream is HELLO, then STREAM for each elementary stream, then PACKET, PICTURE, EVENT,
 * GAP and again STREAM where parameters change, then END. Every frame has a 32-byte header
 * with its own CRC and a payload with one. A stream that stops without END was cut: its
 * producer died.
 *
 * Integers are little-endian. Times: pts, dts and duration in the elementary stream's time
 * base (CB_NOPTS where there is none; never invented); wall in ns UTC with its source;
 * mono in ns of the producer's CLOCK_MONOTONIC, 0 where it has no meaning (files).
 */
#ifndef CB_WIRE_FRAME_H
#define CB_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CB_FRAME_MAGIC "\x89" "CBF"
#define CB_FRAME_VERSION 1
#define CB_FRAME_HDR 32			/* bytes of a header */
#define CB_FRAME_MAX (64u << 20)	/* largest payload of any frame */
#define CB_STREAMS_MAX 64		/* elementary streams: 0..63 */
#define CB_NAME_MAX 64			/* camera names, bytes */
#define CB_NOPTS INT64_MIN
#define CB_EVENT_LINE_MAX 60000		/* one event line, its LF counted */

enum cb_frame_type {
	CB_FRAME_HELLO = 1,
	CB_FRAME_STREAM = 2,
	CB_FRAME_PACKET = 3,
	CB_FRAME_PICTURE = 4,
	CB_FRAME_EVENT = 5,	/* payload: one event line without its LF */
	CB_FRAME_GAP = 6,
	CB_FRAME_END = 7,
	/* others belong to later versions: delivered, passed on, and else not looked at */
};

/* Header flags. */
enum {
	CB_F_LIVE = 1,		/* HELLO: the source does not wait */
	CB_F_KEY = 1,		/* PACKET: decoding can start here */
	CB_F_DISCARD = 2,	/* PACKET: to be decoded, not shown (edit lists, priming) */
	CB_F_CORRUPT = 4,	/* PACKET: the source says that it is damaged */
	CB_F_DISPOSABLE = 8,	/* PACKET: no other picture refers to it */
};

enum cb_wall_source {
	CB_WALL_NONE = 0,	/* unknown */
	CB_WALL_FILE = 1,	/* the file's own statement, or --start-time, plus media time */
	CB_WALL_ARRIVAL = 2,	/* this machine's clock when the packet arrived */
	CB_WALL_RTCP = 3,	/* the camera's sender reports */
};
enum cb_sync {
	CB_SYNC_UNKNOWN = 0,
	CB_SYNC_YES = 1,	/* that clock was synchronised */
	CB_SYNC_NO = 2,
};

struct cb_hello {
	bool live;
	int64_t wall_ns;	/* of the start */
	uint64_t mono_ns;
	uint8_t wall_source, sync;
	char producer[CB_NAME_MAX + 1];		/* "cb-ingest 0.1.0" */
	char camera[CB_NAME_MAX + 1];		/* [A-Za-z0-9._-]+, not starting with '.' or '-' */
};

enum cb_kind { CB_VIDEO = 1, CB_AUDIO = 2, CB_DATA = 3 };

#define CB_STREAM_FIXED 192	/* bytes of a STREAM payload before the extradata */
#define CB_EXTRADATA_MAX (1u << 20)

struct cb_stream {
	char codec[24];			/* FFmpeg's codec name: h264, hevc, mjpeg, av1, aac, opus, pcm_alaw... */
	uint8_t kind;			/* enum cb_kind */
	uint8_t nal_length;		/* 1..4: packets are NAL units behind big-endian lengths of so many bytes; 0: not */
	bool in_band;			/* parameter sets may stand in the packets */
	bool has_matrix;
	uint32_t tb_num, tb_den;	/* time base, both > 0 */
	uint32_t width, height;		/* video: coded picture shown, pixels */
	uint32_t sar_num, sar_den;	/* sample aspect ratio, 0/x: unknown */
	uint32_t fr_num, fr_den;	/* nominal frame rate, 0/x: unknown */
	uint32_t sample_rate;		/* audio */
	uint16_t channels, bits;	/* audio: channels, bits a coded sample */
	uint32_t block_align, frame_size, initial_padding, trailing_padding, seek_preroll;
	uint32_t profile, level;	/* as the codec numbers them, UINT32_MAX: unknown */
	uint64_t channel_layout;	/* FFmpeg's native mask, 0: unknown */
	uint64_t bit_rate;		/* bit/s, 0: unknown */
	uint32_t codec_tag;		/* the source container's four characters, 0: none */
	uint8_t color_range, color_primaries, color_trc, color_space, chroma_location, field_order;
	int32_t matrix[9];		/* display matrix (ISO/IEC 14496-12 8.5.2), if has_matrix */
	const uint8_t *extradata;	/* avcC, hvcC, AudioSpecificConfig, OpusHead... */
	uint32_t extradata_len;
};

#define CB_PACKET_FIXED 56	/* bytes of a PACKET payload before the data */

struct cb_packet {
	uint16_t flags;			/* CB_F_* */
	int64_t pts, dts;		/* or CB_NOPTS */
	int64_t duration;		/* 0: unknown */
	int64_t wall_ns;
	uint64_t mono_ns;
	uint8_t wall_source, sync;
	uint32_t skip_start, skip_end;	/* audio samples not to be played */
	const uint8_t *data;
	uint32_t len;
};

#define CB_PICTURE_FIXED 80	/* bytes of a PICTURE payload before the planes */

/* A raw picture: planes one after another, rows without padding. */
struct cb_picture_frame {
	struct cb_packet at;		/* times and flags; data and len are the planes */
	uint32_t width, height;
	char format[16];		/* gray, rgb24, yuv420p */
};
/* Bytes of the planes of a picture, or 0 for an unknown format or sizes beyond 16384. */
size_t cb_picture_bytes(const char *format, uint32_t width, uint32_t height);

enum cb_gap_reason {
	CB_GAP_OVERFLOW = 1,	/* a live reader was too slow; whole groups of pictures dropped */
	CB_GAP_SOURCE = 2,	/* the source was away */
	CB_GAP_DAMAGE = 3,	/* damaged bytes in the stream or the source */
	CB_GAP_CUT = 4,		/* a producer died */
	CB_GAP_STORE = 5,	/* the store has nothing here */
	CB_GAP_SUSPENDED = 6,	/* recording was suspended */
};
struct cb_gap {
	uint16_t reason;
	int64_t from_ns, to_ns;		/* wall time, 0: unknown */
	uint64_t packets, bytes;	/* lost, as far as known */
	char text[256];			/* for people */
};
/* "overflow", "source", ...; "unknown" for another number. */
const char *cb_gap_reason_name(unsigned reason);

enum cb_end_reason {
	CB_END_EOF = 0,		/* the source ended */
	CB_END_STOPPED = 1,	/* somebody asked for it (signal, --duration) */
	CB_END_ERROR = 2,	/* the source failed; what came is complete up to here */
};
struct cb_end {
	uint16_t reason;
	uint64_t frames;	/* before this one */
	uint64_t packets;	/* PACKET frames */
	uint64_t bytes;		/* data bytes of PACKET frames */
	uint32_t digest;	/* CRC-32C over all headers before this one, in order */
};

/* One frame as read. Pointers reach into the reader and last until its next call. */
struct cb_frame {
	uint8_t type;
	uint16_t flags;
	uint16_t stream;
	uint64_t seq;
	uint64_t offset;		/* of the header in the stream, for messages */
	const uint8_t *payload;
	uint32_t len;
};

/* CRC-32C (Castagnoli, RFC 3720 B.4), continuing from crc (0 to begin). */
uint32_t cb_crc32c(uint32_t crc, const void *p, size_t n);

/* --- payloads: parse checks every field and touches nothing on failure ------------------ */

int cb_hello_parse(struct cb_hello *ret, const struct cb_frame *f, struct cb_err *err);
int cb_stream_parse(struct cb_stream *ret, const struct cb_frame *f, struct cb_err *err);
int cb_packet_parse(struct cb_packet *ret, const struct cb_frame *f, struct cb_err *err);
int cb_picture_parse(struct cb_picture_frame *ret, const struct cb_frame *f, struct cb_err *err);
int cb_gap_parse(struct cb_gap *ret, const struct cb_frame *f, struct cb_err *err);
int cb_end_parse(struct cb_end *ret, const struct cb_frame *f, struct cb_err *err);
/* May this be a camera's name? */
bool cb_camera_name_ok(const char *s);

/* --- reader -------------------------------------------------------------------------------- */

struct cb_reader {
	int fd;
	bool resync;		/* set before reading: deliver damage as a GAP frame and go on */
	bool ended;		/* END was seen and its totals matched */
	bool live;		/* from HELLO */
	void (*before_block)(void *ctx);	/* called when the next read would block */
	void *ctx;
	uint64_t offset;	/* bytes consumed */
	uint64_t next_seq;
	uint64_t frames, packets, bytes;
	uint32_t digest;
	uint64_t damages;	/* times that damage was found */
	const char *trouble;	/* with resync, at or after END: what is wrong there; or NULL */
	/* private */
	struct cb_buf buf;
	size_t pos;
	bool eof, any;
	bool over;		/* another stream began */
	uint64_t stray;		/* bytes of a frame begun */
	uint8_t gap[512];
};

/* Take over nothing: the caller keeps and closes fd. */
void cb_reader_init(struct cb_reader *r, int fd);
/* Bytes already read from fd (to look at the first ones). */
int cb_reader_preload(struct cb_reader *r, const void *p, size_t n, struct cb_err *err);
/* The next frame: 1; 0 at the end of the stream; -1 on error. Without resync any damage is
 * CB_E_DATA and names frame and byte; a frame whose checksum fails is never delivered.
 * Lengths are those of the type, an EVENT is one line, HELLO comes first and once: where another
 * stream begins, this one is over, without END.
 * At 0, `ended` says whether there was an END. EINTR with cb_stop_wanted() is 0 as well. */
int cb_reader_next(struct cb_reader *r, struct cb_frame *ret, struct cb_err *err);
/* After 0: CB_E_DATA "no END after frame N: the producer died" unless END was seen or the
 * reader was asked to stop. */
int cb_reader_finish(const struct cb_reader *r, struct cb_err *err);
void cb_reader_release(struct cb_reader *r);

/* --- writer -------------------------------------------------------------------------------- */

/* With live set by hello, frames go through a ring with its own thread, so that a slow or
 * stopped reader never holds the caller up: beyond ring_bytes or ring_ns whole groups of
 * pictures are dropped, counted, and announced in a GAP; HELLO, STREAM, EVENT, GAP and END
 * never are. Without live, writes block and nothing is dropped. */
struct cb_ring;
struct cb_writer {
	int fd;
	bool tolerant;		/* set before writing: a vanished reader (EPIPE) only sets broken */
	_Atomic bool broken;
	size_t ring_bytes;	/* 0: the default, 32 MiB */
	int64_t ring_ns;	/* 0: the default, 10 s */
	bool unqueued;		/* set before writing: no ring when live either: whoever reads has one */
	uint64_t seq;
	uint64_t packets, bytes;
	uint64_t dropped;	/* packets, by the ring */
	uint32_t digest;
	struct cb_ring *ring;
	_Atomic bool give_up;	/* the ring's thread shall not finish its write */
};

void cb_writer_init(struct cb_writer *w, int fd);
int cb_writer_hello(struct cb_writer *w, const struct cb_hello *h, struct cb_err *err);
int cb_writer_stream(struct cb_writer *w, uint16_t stream, const struct cb_stream *s, struct cb_err *err);
int cb_writer_packet(struct cb_writer *w, uint16_t stream, const struct cb_packet *p, struct cb_err *err);
int cb_writer_picture(struct cb_writer *w, uint16_t stream, const struct cb_picture_frame *p,
		      struct cb_err *err);
/* A line of 1 to CB_EVENT_LINE_MAX - 1 bytes without LF. */
int cb_writer_event(struct cb_writer *w, const char *line, size_t len, struct cb_err *err);
int cb_writer_gap(struct cb_writer *w, uint16_t stream, const struct cb_gap *g, struct cb_err *err);
/* The last frame; with a ring, waits until everything is written, at most grace_ns (then
 * what is left is dropped and the stream stays without END). */
int cb_writer_end(struct cb_writer *w, uint16_t reason, struct cb_err *err);
/* Pass a frame on as it was read, under this stream's own sequence number. END is not for
 * forwarding: use cb_writer_end. */
int cb_writer_forward(struct cb_writer *w, const struct cb_frame *f, struct cb_err *err);
/* Stop the ring's thread. Does not close fd. */
void cb_writer_release(struct cb_writer *w);

#endif
