/* SPDX-License-Identifier: Apache-2.0 */
/* A source - file, pipe, address or device - as STREAM and PACKET frames with canonical
 * data (cb-frame(5)), in the order in which the source gives them.
 *
 * Nothing is re-encoded, and no time is made up:
 * - Times are those that the container states. Audio has one order, so pts and dts are the
 *   same there, and where a container states the time of every few packets only (MPEG-TS),
 *   the others follow from the number of samples. Video that cannot be reordered has
 *   dts = pts. For other video a time that the container does not state stays CB_NOPTS.
 * - Raw video has no times: with fps, dts counts pictures, and pts is the place in output
 *   order as the picture order counts of the stream give it.
 * The wall clock is, for files, the start (opts.start_ns, else the container's creation time,
 * else the file's modification time) plus the media time since the first packet; for
 * everything else it is the time of arrival. Equal files give equal output.
 *
 * Only the source itself is opened: containers that refer to other files or addresses
 * are refused. The program's stop flag (base/stop.h) ends reading.
 */
#ifndef CB_MEDIA_DEMUX_H
#define CB_MEDIA_DEMUX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/source.h"
#include "wire/frame.h"

struct cb_demux_opts {
	const char *source;
	const char *streams;		/* "v,a,d" or numbers "0,2"; NULL: video, audio, timed metadata */
	uint32_t fps_num, fps_den;	/* of raw files and devices; 0: not given */
	const char *credentials;	/* "user:password" or NULL */
	const char *ca_file;		/* PEM; NULL: those of the system */
	int64_t timeout_ns;		/* for the network and devices */
	bool have_start;
	int64_t start_ns;		/* wall clock of the first packet */
	bool realtime;			/* treat a file as a live source: arrival is what counts */
	void (*log)(void *ctx, const char *text);	/* the library's warnings, made safe; or NULL */
	void *ctx;
};

enum cb_demux_what { CB_DEMUX_STREAM = 1, CB_DEMUX_PACKET = 2 };

/* What pointers lead to lasts until the next call. */
struct cb_demux_item {
	enum cb_demux_what what;
	uint16_t stream;
	struct cb_stream s;		/* STREAM: new or changed parameters, before the packet they are for */
	struct cb_packet p;		/* PACKET */
	int64_t media_ns;		/* PACKET: media time since the first packet, by dts, else pts */
};

struct cb_demux;

/* Errors: CB_E_NOINPUT, CB_E_PERM; CB_E_DATA for what cannot be read as a container or has
 * no stream to deliver; CB_E_USAGE for wrong streams or a missing fps; CB_E_UNAVAIL for the
 * network and busy devices; the message names the source, without its secrets. */
int cb_demux_open(struct cb_demux **ret, const struct cb_demux_opts *o, struct cb_err *err);
void cb_demux_free(struct cb_demux *d);

/* For HELLO: live or not, wall clock, monotonic clock. camera and producer are untouched. */
void cb_demux_hello(const struct cb_demux *d, struct cb_hello *h);
/* 1 and an item; 0 at the end of the source, or when asked to stop; -1: the source failed,
 * everything before was delivered (CB_E_DATA: damaged or truncated; CB_E_UNAVAIL, CB_E_IO). */
int cb_demux_next(struct cb_demux *d, struct cb_demux_item *ret, struct cb_err *err);

/* Bytes read and size of the source, for progress; 0 where unknown. */
void cb_demux_position(const struct cb_demux *d, uint64_t *ret_at, uint64_t *ret_size);
/* How many of the source's streams were left out, and how many packets were damaged. */
unsigned cb_demux_left_out(const struct cb_demux *d);
uint64_t cb_demux_damaged(const struct cb_demux *d);

#endif
