/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a clip: of each segment that a range touches, its init segment and a contiguous run of its
 * fragments, byte for byte. A fragment is a group of pictures as a rule and cannot be cut, so
 * a clip begins at the keyframe before the beginning of the range and ends after the group that
 * its end falls into. */
#ifndef CB_EXPORT_CLIP_H
#define CB_EXPORT_CLIP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "export/bundle.h"
#include "store/store.h"

/* A segment's part of a clip. */
struct cb_clip_part {
	struct cb_segment seg;
	bool sealed;			/* else its manifest has no end, and no digest */
	uint8_t digest[CB_SHA256_LEN];	/* of the manifest, where sealed */
	char *manifest;			/* its text, as far as it was understood */
	size_t manifest_len;
	bool encrypted;			/* in the store; the clip is not */
	struct cb_buf salts;		/* of the pieces that were written: what ties them to the manifest */
	uint32_t first, last;		/* the fragments taken */
	uint32_t fragments;		/* that the segment has */
	uint64_t init_bytes, bytes;	/* of the init segment; of the clip's file */
	int64_t from_ns, to_ns;		/* wall time of what was taken */
	bool key;			/* begins with a keyframe */
	uint32_t leading;		/* pictures after the first keyframe that refer to ones before it:
					 * they cannot be decoded */
	char producer[CB_NAME_MAX + 1], recorder[CB_NAME_MAX + 1];
};
struct cb_clip {
	struct cb_clip_part *v;		/* in the order of recording */
	size_t n;
	int64_t from_ns, to_ns;		/* wall time from the earliest to the latest */
};

/* What a clip of this range consists of. Segments whose key was destroyed are passed over. Errors:
 * CB_E_NO (nothing was recorded there, or can be read any more), DATA (a segment is damaged), PERM
 * (one is encrypted, and nobody gave an identity), IO. */
int cb_clip_plan(struct cb_clip *ret, const struct cb_store *s, const char *camera, int64_t from_ns,
		 int64_t to_ns, struct cb_err *err);
/* Write a part as file name; every byte is checked against the manifest before it goes out.
 * Errors: DATA, IO; TEMP where somebody asked us to stop. */
int cb_clip_write(struct cb_clip_part *p, const struct cb_store *s, struct cb_bundle *b,
		  const char *name, struct cb_err *err);
void cb_clip_release(struct cb_clip *c);

/* How many pictures of a fragment follow its keyframe, but are shown before it and need what came
 * earlier, so that whoever begins here cannot decode them: of H.265 the RASL pictures behind a CRA or
 * BLA, of H.264 those with an earlier time behind a keyframe that is no IDR picture; 0 for other
 * codecs. Bytes of an init segment and of a fragment. Errors: DATA, OS. */
int cb_clip_leading(const uint8_t *init, size_t init_len, const uint8_t *fragment, size_t len,
		    uint32_t *ret, struct cb_err *err);

#endif
