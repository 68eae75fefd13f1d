/* SPDX-License-Identifier: Apache-2.0 */
/* One segment and its manifest: written while it is open, read when and after that. */
#ifndef CB_STORE_SEGMENT_H
#define CB_STORE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

/* --- writing ------------------------------------------------------------------------------------ */

/* What went wrong in the last call that failed, for a caller that wants to go on. */
enum cb_segment_trouble {
	CB_TROUBLE_NONE,
	CB_TROUBLE_WRITE,	/* creating, writing, renaming: what was good before still is */
	CB_TROUBLE_SYNC,	/* fsync: nobody knows what of the segment is on the disk */
	CB_TROUBLE_NAME,	/* fsync of a directory: nor under which names */
};

struct cb_segment_writer {
	struct cb_segment seg;		/* where it lies; seg.end sums up what was written */
	const struct cb_day_key *key;	/* what it is encrypted with, named in the head; NULL: it is not */
	int dir, mp4, manifest;
	uint64_t offset;		/* good bytes of the segment file */
	uint64_t text;			/* good bytes of the manifest */
	uint32_t next;			/* number of the next fragment */
	struct cb_sha256 sofar;		/* over the manifest */
	bool dirty;			/* something was written since the last sync */
	bool unsynced;			/* a sync failed: no later one can tell what it lost */
	struct cb_err why;		/* that failure */
	int64_t sync_ns;		/* how long syncs took, all together */
	uint64_t syncs;
	enum cb_segment_trouble trouble;
	struct cb_buf sealed;		/* the piece being written */
};
/* All of w->seg but end is filled in, and key. Creates both files, writes the init segment and the
 * head lines, syncs. CB_E_CANTCREAT with EEXIST in err->sys: the name is taken. On failure
 * neither file is left, as far as that can be done. */
int cb_segment_writer_open(struct cb_segment_writer *w, const struct cb_store *s,
			   const struct cb_buf *init, const struct cb_buf *head, struct cb_err *err);
/* Append a fragment (its bytes in iov[0..n-1], which is changed) and its line; number, offset,
 * length of *f are set here. On failure both files are cut back to what was good. */
int cb_segment_writer_fragment(struct cb_segment_writer *w, struct iovec *iov, int n,
			       struct cb_fragment *f, struct cb_err *err);
int cb_segment_writer_gap(struct cb_segment_writer *w, const struct cb_manifest_gap *g,
			  struct cb_err *err);
/* The segment, then its manifest, on the disk. A failure sets unsynced for good: Linux reports
 * a lost page once and then calls it clean (fsync(2)), so that trying again proves nothing. */
int cb_segment_writer_sync(struct cb_segment_writer *w, struct cb_err *err);
/* Sync, end line, sync, read-only, final name. Closes the files in any case; on failure the
 * .part stays for recovery. Where a sync fails, now or earlier, the end line gives the reason
 * "unsynced", w->unsynced says so, and that is no failure. w->seg.digest is set. before, or NULL,
 * is called when all but the name is final. */
int cb_segment_writer_seal(struct cb_segment_writer *w, const char *reason,
			   void (*before)(void *ctx), void *ctx, struct cb_err *err);
/* Close the files and leave them as they are. */
void cb_segment_writer_abandon(struct cb_segment_writer *w);
/* Close the files and delete them: of one that has no fragment. */
void cb_segment_writer_discard(struct cb_segment_writer *w);
/* The two halves of it, for whoever holds the files: read-only and on the disk; then name.mp4.part
 * becomes name.mp4, and the directory is synced. */
int cb_segment_settle(const char *name, int mp4, int manifest, struct cb_err *err);
int cb_segment_name(int dir, const char *name, struct cb_err *err);

/* Rename without replacing anything: 0, or -1 with errno (EEXIST: the name is taken). */
int cb_rename_new(int dir, const char *from, const char *to);

/* --- reading ------------------------------------------------------------------------------------ */

struct cb_segment_reader {
	struct cb_manifest m;
	int mp4;
	bool sealed;		/* has its final name */
	uint64_t size;		/* of the segment file */
	bool whole;		/* the manifest was understood to its end */
	struct cb_err why;	/* why not */
	struct cb_buf buf;
	const struct cb_store *s;
	const uint8_t *salt;	/* of what was given last; NULL: not encrypted */
};
/* Open a segment and its manifest; an open one is read as far as its manifest goes. Errors:
 * DATA or NOINPUT where one of the two is missing or no manifest at all. */
int cb_segment_reader_open(struct cb_segment_reader *r, const struct cb_store *s,
			   const struct cb_segment *g, struct cb_err *err);
/* The same for those who do not hold the camera's lock: where a manifest that was written to
 * just now has no lines, a recorder may be making the segment; give it half a second. */
int cb_segment_reader_open_live(struct cb_segment_reader *r, const struct cb_store *s,
				const struct cb_segment *g, struct cb_err *err);
/* Line i (0: the init segment): its bytes after their digest was found right, decrypted where they
 * are encrypted, after their commitment was found right. They last until the next call. CB_E_DATA:
 * they are not what the manifest says. Where they are encrypted, also what cb_keyring_get says. */
int cb_segment_reader_get(struct cb_segment_reader *r, size_t i, const uint8_t **ret,
			  size_t *ret_len, struct cb_err *err);
/* The bytes that are stored, encrypted or not. */
int cb_segment_reader_stored(struct cb_segment_reader *r, size_t i, const uint8_t **ret,
			     size_t *ret_len, struct cb_err *err);
void cb_segment_reader_close(struct cb_segment_reader *r);
/* The text of a segment's manifest, as long as it is now; free it. Errors: NOINPUT, DATA, IO. */
int cb_segment_manifest(const struct cb_store *s, const struct cb_segment *g, char **ret,
			size_t *ret_len, struct cb_err *err);

#endif
