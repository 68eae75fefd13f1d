/* SPDX-License-Identifier: Apache-2.0 */
/* Events (cb-event(5)): one CloudEvents 1.0 object a line, and the ways they travel: as
 * NDJSON, or as EVENT frames inside a frame stream. */
#ifndef CB_WIRE_EVENT_H
#define CB_WIRE_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "wire/frame.h"
#include "wire/json.h"

/* --- making one ---------------------------------------------------------------------------
 * begin writes the envelope up to and including "data":{"t_us":N, ready for keys; end closes
 * both objects. No LF. The buffer is emptied first. id: 32 hex digits (cb_event_id).
 *   {"specversion":"1.0","id":..,"source":"/cb-x","type":..,"time":..,"subject":..,"data":{"t_us":..
 */
void cb_event_begin(struct cb_jw *w, struct cb_buf *b, const char *tool, const char *type,
		    const char *camera, int64_t wall_ns, const char *id);
/* -1: no memory, or the line is longer than CB_EVENT_LINE_MAX - 1. */
int cb_event_end(struct cb_jw *w, struct cb_err *err);

/* --- reading one --------------------------------------------------------------------------- */

struct cb_event {
	const struct cb_json *json;	/* its tokens */
	uint32_t id, source, type, time, subject, data;	/* tokens; subject and time may be NONE */
	int64_t t_us;		/* data.t_us, else `time`, else INT64_MIN */
};
/* Parse with j and check the envelope: specversion "1.0"; id, source, type non-empty strings;
 * data an object. CB_E_DATA with the reason. */
int cb_event_parse(struct cb_event *ret, struct cb_json *j, const char *line, size_t len,
		   struct cb_err *err);

/* --- where a frame tool's events go: NDJSON on its stdout, or EVENT frames of its --tee ----- */

struct cb_sink {
	struct cb_out *ndjson;		/* exactly one of the two is set */
	struct cb_writer *tee;
	pthread_mutex_t *lock;		/* if set: taken for each line, so that several sinks can share ndjson */
	void (*each)(void *ctx, const char *line, size_t len);	/* if set: sees every own event */
	void *ctx;
};
/* An event of this tool. */
int cb_sink_event(struct cb_sink *s, const struct cb_buf *line, struct cb_err *err);
/* A frame from upstream: passed on in a tee; without one, EVENT frames become lines and the
 * others end here. HELLO and STREAM start a tee; END is never passed on. */
int cb_sink_frame(struct cb_sink *s, const struct cb_frame *f, struct cb_err *err);
/* Close the stream properly: END in a tee, flush and close of the lines. Without `whole`
 * (upstream died) a tee gets no END. */
int cb_sink_close(struct cb_sink *s, bool whole, uint16_t reason, struct cb_err *err);
/* For cb_reader.before_block with a sink as ctx: flush what is buffered. */
void cb_sink_flush(void *sink);

/* --- reading events from either kind of stream ------------------------------------------- */

struct cb_evin {
	int fd;
	bool frames;		/* a frame stream (known after the first next) */
	struct cb_reader reader;
	struct cb_buf buf;
	size_t pos;
	bool eof, sniffed;
	bool skip;		/* private */
	uint64_t line;		/* number of the last line or frame, for messages */
	void (*before_block)(void *ctx);
	void *ctx;
};
void cb_evin_init(struct cb_evin *in, int fd);
/* 1: *ret_line (not NUL-terminated, no LF; NULL for a frame that is no event) and, in a frame
 * stream, *ret_frame (else NULL). 0: end. -1: error; a last line without LF or longer than
 * CB_EVENT_LINE_MAX is CB_E_DATA; of lines (not of frames) the next call gives the one after. */
int cb_evin_next(struct cb_evin *in, const char **ret_line, size_t *ret_len,
		 struct cb_frame *ret_frame, struct cb_err *err);
/* After 0: as cb_reader_finish. */
int cb_evin_finish(const struct cb_evin *in, struct cb_err *err);
void cb_evin_release(struct cb_evin *in);

#endif
