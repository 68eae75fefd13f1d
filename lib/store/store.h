/* SPDX-License-Identifier: Apache-2.0 */
/* A store (cb-store(5)): a directory of recordings, their manifests and events.
 *
 * Names under it are followed one directory at a time and never through a symbolic link.
 * Reading needs no lock: what is written is only ever appended to, then sealed. */
#ifndef CB_STORE_STORE_H
#define CB_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/box.h"
#include "store/manifest.h"

#define CB_STORE_VERSION 1
#define CB_SEGMENT_NAME 20	/* "HHMMSS-0123456789ab" and NUL */
#define CB_SEGMENT_PATH 160	/* "cameras/<camera>/<day>/<name>.mp4" and NUL */
#define CB_SEGMENT_NS_MAX (24 * 3600 * INT64_C(1000000000))

struct cb_store {
	int fd;			/* the directory */
	int cameras;		/* its cameras/, -1 where there is none yet */
	struct cb_keyring *keys;	/* what opens encrypted footage (store/daykey.h); NULL, or the caller's */
};

/* Given an event, a line without LF; -1 ends what was being done. */
typedef int cb_line_fn(void *ctx, const struct cb_buf *line, struct cb_err *err);

/* Open an existing store. Errors: NOINPUT (there is none), DATA (not a store, or one of a
 * newer version), PERM. */
int cb_store_open(struct cb_store *ret, const char *path, struct cb_err *err);
/* The same, making it where there is nothing or an empty directory. Errors: CANTCREAT, PERM
 * (read-only), DATA. */
int cb_store_create(struct cb_store *ret, const char *path, struct cb_err *err);
void cb_store_close(struct cb_store *s);

/* --- what it holds -------------------------------------------------------------------------- */

/* Sorted names; release with cb_names_release. */
struct cb_names {
	char **v;
	size_t n;
};
void cb_names_release(struct cb_names *l);
int cb_store_cameras(const struct cb_store *s, struct cb_names *ret, struct cb_err *err);
/* The days of a camera that a range can touch. */
int cb_store_days(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		  struct cb_names *ret, struct cb_err *err);

enum cb_segment_state {
	CB_SEGMENT_SEALED,	/* closed, read-only */
	CB_SEGMENT_OPEN,	/* being recorded, or left by a recorder that was killed */
	CB_SEGMENT_DAMAGED,	/* its manifest cannot be understood, or it or its file is missing */
};

/* One segment, as far as its manifest tells. */
struct cb_segment {
	char camera[CB_NAME_MAX + 1], day[11], name[CB_SEGMENT_NAME];
	enum cb_segment_state state;
	char recording[CB_RECORDING_LEN];
	uint32_t index;
	int64_t start_ns, recording_ns;
	struct cb_manifest_end end;
	uint8_t digest[CB_SHA256_LEN];	/* of a sealed one */
	char key[CB_DAY_KEY_NAME];	/* name of the day key; "": not encrypted */
};
struct cb_segments {
	struct cb_segment *v;
	size_t n;
};
struct cb_index;
/* The segments of a camera that a range touches, in the order of recording. index: NULL, or
 * what makes it faster and changes nothing. */
int cb_store_segments(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		      const struct cb_index *index, struct cb_segments *ret, struct cb_err *err);
void cb_segments_release(struct cb_segments *l);
/* "cameras/front/2026-11-21/075442-0123456789ab.mp4", ".part" behind it while it is open */
void cb_segment_path(char out[static CB_SEGMENT_PATH], const struct cb_segment *g);
const char *cb_segment_state_name(enum cb_segment_state s);

/* A stretch without footage. */
struct cb_hole {
	uint16_t reason;	/* CB_GAP_* */
	int64_t from_ns, to_ns;
	uint64_t packets, bytes;
	char text[256];
};
/* Is there a seam between two segments that follow each other (a may be NULL: b is the
 * first)? Fills *ret. */
bool cb_segment_hole(const struct cb_segment *a, const struct cb_segment *b, struct cb_hole *ret);
/* Every hole of a camera in a range, in order. */
typedef int cb_hole_fn(void *ctx, const char *camera, const struct cb_hole *h, struct cb_err *err);
int cb_store_holes(const struct cb_store *s, const char *camera, int64_t from_ns, int64_t to_ns,
		   const struct cb_index *index, cb_hole_fn *fn, void *ctx, struct cb_err *err);

/* --- private to lib/store -------------------------------------------------------------------- */

/* Open the directory name under at, making it where asked (its parent is then synced). */
int cb_dir_open(int at, const char *name, bool make, struct cb_err *err);
/* A camera's directory and one of its days. -1 with NOINPUT where there is none. */
int cb_camera_open(const struct cb_store *s, const char *camera, bool make, struct cb_err *err);
int cb_day_open(const struct cb_store *s, const char *camera, const char *day, bool make,
		struct cb_err *err);
/* A whole file of at most max bytes below dir, NUL-terminated. */
int cb_file_at(int dir, const char *name, size_t max, char **ret, size_t *ret_len, struct cb_err *err);
/* Sorted names in a directory that pass the test. */
int cb_names_read(int dir, bool (*want)(const char *name, const void *ctx), const void *ctx,
		  struct cb_names *ret, struct cb_err *err);
bool cb_day_name_ok(const char *s);
/* Is it "HHMMSS-<12 hex>" followed by suffix? */
bool cb_segment_name_ok(const char *s, const char *suffix);
/* The code for an error while writing in the store. */
enum cb_errc cb_errc_write(int errnum);

#endif
