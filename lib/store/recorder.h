/* SPDX-License-Identifier: Apache-2.0 */
/* Recording one camera: frames in, segments on the disk, events about them out.
 *
 * A fragment is written when its group of pictures ends (or after 5 s, or 4 MiB), with its
 * line in the manifest; both files are synced, the segment first, when sync_ns has passed.
 * What a sync covered survives a power cut. Whatever timestamps come, recording goes on. */
#ifndef CB_STORE_RECORDER_H
#define CB_STORE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/daykey.h"
#include "store/store.h"
#include "wire/frame.h"

struct cb_recorder_opts {
	const char *recorder;		/* "cb-record 0.1.0" */
	const char *camera;		/* NULL: what HELLO says */
	int64_t segment_ns;		/* cut at the first keyframe after this */
	int64_t sync_ns;
	size_t fragment_bytes;		/* 0: 4 MiB */
	struct cb_sealer *seal;		/* encrypts the footage (store/daykey.h); NULL: nobody does */
	/* The same event for a log, or NULL: before it is in the store, and of a segment that is
	 * closed before it has its name, so that no store has what its log does not know. May come
	 * again after a crash. */
	void (*log)(void *ctx, const struct cb_buf *line);
	/* An event of this recording; it is in the store already. -1 ends the recording. */
	int (*event)(void *ctx, const struct cb_buf *line, struct cb_err *err);
	/* Something odd that is not lost: for people, at most a few times. */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

struct cb_recorder;
/* Take the camera's lock, recover what a killed recorder left, begin. hello: the HELLO frame.
 * Errors: TEMP (another recorder has the camera), PERM, IO, CANTCREAT, DATA. */
int cb_recorder_open(struct cb_recorder **ret, const struct cb_store *s, const struct cb_frame *hello,
		     const struct cb_recorder_opts *o, struct cb_err *err);
/* STREAM, PACKET, GAP; the others are passed over. Errors: DATA (a damaged payload, a packet
 * without STREAM), IO and the like: the recording is then over, what is on the disk is sealed
 * as far as that is possible; call close. */
int cb_recorder_frame(struct cb_recorder *r, const struct cb_frame *f, struct cb_err *err);
/* Is it over, because writing failed? */
bool cb_recorder_dead(const struct cb_recorder *r);
/* Do what is due by the clock. Returns the milliseconds until something is, -1 for never. */
int cb_recorder_idle(struct cb_recorder *r, struct cb_err *err);
/* Seal. reason: "end" (END was seen), "stopped", "died" (no END), "error". */
int cb_recorder_close(struct cb_recorder *r, const char *reason, struct cb_err *err);

struct cb_recorder_totals {
	uint64_t packets, bytes, segments, fragments, gaps;
	uint64_t lost_packets, lost_bytes;	/* while suspended */
	uint64_t suspensions;
	uint64_t unsynced;			/* segments whose durability is unknown */
	uint64_t clock_steps, media_jumps;
};
void cb_recorder_totals(const struct cb_recorder *r, struct cb_recorder_totals *ret);

/* How it goes. The strings are the recorder's. */
struct cb_recorder_status {
	const char *camera, *recording;	/* recording: "" before the first packet */
	bool open, suspended;
	const char *why;		/* suspended */
	struct cb_recorder_totals totals;
	int64_t last_wall_ns, synced_wall_ns;	/* ends of the footage that came, and is on the disk; 0: none */
	int64_t sync_ns;
	uint64_t syncs;			/* of files, and how long they took */
};
void cb_recorder_status(const struct cb_recorder *r, struct cb_recorder_status *ret);
void cb_recorder_free(struct cb_recorder *r);

/* --- recovery ----------------------------------------------------------------------------------- */

enum cb_recover_what {
	CB_RECOVER_DONE,
	CB_RECOVER_NAMING,	/* all but the name of the closed segment is final; DONE follows */
	CB_RECOVER_UNREAD,	/* it could not be read just now (why): left as it is, to be tried again */
};

struct cb_recovered {
	enum cb_recover_what what;
	struct cb_err why;
	struct cb_segment segment;	/* as sealed; fragments 0: nothing could be kept */
	uint64_t lost_bytes;		/* of the segment file, cut off */
	uint32_t lost_fragments;	/* manifest lines that had no such bytes */
};
/* Seal what is open in a camera whose lock the caller holds: the longest prefix whose hashes
 * match stays, to the byte. fn is called for each, first with NAMING where it gets its name. */
int cb_recover(const struct cb_store *s, const char *camera,
	       int (*fn)(void *ctx, const struct cb_recovered *r, struct cb_err *err), void *ctx,
	       struct cb_err *err);

#endif
