/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the recorder share: recorder.c (frames to fragments to segments),
 * recorder_fault.c (what is done when writing fails), recorder_say.c (events). */
#ifndef CB_STORE_RECORDER_PRIV_H
#define CB_STORE_RECORDER_PRIV_H

#include "base/time.h"
#include "store/events.h"
#include "store/mp4.h"
#include "store/recorder.h"
#include "store/segment.h"
#include "store/walltime.h"
#include "wire/event.h"

#define CB_REC_GAPS_WAITING 16

struct cb_rec_stream {
	uint16_t stream;
	bool fresh;
	uint8_t *payload;
	uint32_t len;
};

/* What is known of an elementary stream across segments. */
struct cb_rec_known {
	bool seen, told;
	bool excused;		/* a gap came: timestamps may begin anywhere */
	int8_t track;		/* index in the open segment, -1: none */
	uint64_t hidden;	/* packets that no player sees */
	struct cb_walltime wall;
};

/* Something that may come with every packet, and is told once a minute. */
struct cb_rec_often {
	uint64_t n, told;
	int64_t at, by, last;	/* when it was told; what the last one was, and when */
	uint16_t stream;
};

struct cb_recorder {
	const struct cb_store *s;
	struct cb_recorder_opts o;
	char camera[CB_NAME_MAX + 1];
	int lock;
	bool live, dead, started;
	struct cb_events *events;
	struct cb_hello hello;
	uint8_t hello_payload[256];
	uint32_t hello_len;
	uint16_t hello_flags;

	char recording[CB_RECORDING_LEN];
	bool named;			/* so, for good */
	int64_t recording_ns;
	uint32_t index;

	struct cb_rec_stream rec[CB_INIT_STREAMS];
	uint32_t n_rec;
	struct cb_rec_known known[CB_STREAMS_MAX];
	struct cb_track track[CB_STREAMS_MAX];
	size_t n_tracks;
	int lead;

	bool open;			/* a segment is */
	struct cb_segment_writer w;
	struct cb_mp4_clock clock;
	int64_t seg_mono;
	struct cb_manifest_gap waiting[CB_REC_GAPS_WAITING];
	int n_waiting;

	/* the fragment being collected */
	struct cb_buf data, table, head;
	struct cb_sample *sample;
	uint32_t n, cap;
	struct cb_fragment frag;
	bool tried;			/* it could not be written, and is complete */
	int64_t frag_mono, lead_end;
	struct cb_rec_often steps, jumps;

	int64_t last_sync, last_wall, synced_wall;
	struct cb_recorder_totals total;

	/* trouble */
	bool suspended, full;		/* full: for want of room */
	bool left;			/* a segment could not be closed */
	bool logged;			/* what is said next is in the log */
	struct cb_err why;		/* of the suspension */
	int64_t trouble_mono;		/* of the last failure but for want of room, 0: none */
	int64_t suspended_mono, probe_mono, backoff_ns;
	struct cb_gap lost;		/* while suspended */
	struct cb_buf late;		/* events that the store would not take, with LF */
	int64_t late_mono;
	uint64_t late_lost;
};

/* --- recorder.c ----------------------------------------------------------------------------- */

int cb_rec_open_segment(struct cb_recorder *r, int64_t wall, struct cb_err *err);
int cb_rec_seal_segment(struct cb_recorder *r, const char *reason, struct cb_err *err);
int cb_rec_write_fragment(struct cb_recorder *r, bool partial, struct cb_err *err);

/* --- recorder_fault.c ----------------------------------------------------------------------- */

/* Something of the above failed with *err. 0: it goes on, in another segment or (r->suspended)
 * without footage; the fragment being collected is kept. -1: it is over; *err is the reason. */
int cb_rec_trouble(struct cb_recorder *r, struct cb_err *err);
/* The end of all: keep what is good, say so. Returns -1 with the error it was given. */
int cb_rec_fail(struct cb_recorder *r, struct cb_err *err);
/* Suspended: is it time to look, and does it go again? now: look in any case. */
bool cb_rec_resume(struct cb_recorder *r, bool now);
/* Count as lost: a packet, or the fragment being collected. */
void cb_rec_lose(struct cb_recorder *r, uint32_t bytes, int64_t from_ns, int64_t to_ns);
void cb_rec_lose_pending(struct cb_recorder *r);
/* What waits for the store, if it is time. -1: it will not have it. */
int cb_rec_late(struct cb_recorder *r, bool now, struct cb_err *err);

/* --- recorder_say.c -------------------------------------------------------------------------- */

int cb_rec_say_gap(struct cb_recorder *r, uint16_t stream, const struct cb_gap *g, struct cb_err *err);
int cb_rec_say_closed(struct cb_recorder *r, struct cb_err *err);
/* The same event, for the log alone; ctx is the recorder. */
void cb_rec_log_closed(void *ctx);
int cb_rec_say_recovered(void *ctx, const struct cb_recovered *k, struct cb_err *err);
/* started, stopped, suspended, resumed */
int cb_rec_say_state(struct cb_recorder *r, const char *type, const char *reason, const char *text,
		     struct cb_err *err);
/* A clock or a timestamp that jumped, by so much. */
int cb_rec_say_clock(struct cb_recorder *r, struct cb_rec_often *o, uint16_t stream, int64_t at,
		     int64_t by, bool followed, struct cb_err *err);
/* Streams that no player sees; with their counts at the end. */
int cb_rec_say_hidden(struct cb_recorder *r, bool end, struct cb_err *err);
/* What was counted since it was last told. */
int cb_rec_say_rest(struct cb_recorder *r, struct cb_err *err);

#endif
