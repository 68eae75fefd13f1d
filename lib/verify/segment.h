/* SPDX-License-Identifier: Apache-2.0 */
/* A segment file against its manifest, fragment by fragment, in constant memory: each byte is
 * read once and hashed once. The digest of a fragment covers its packet table, its moof and its
 * mdat, so sound as much as pictures. */
#ifndef CB_VERIFY_SEGMENT_H
#define CB_VERIFY_SEGMENT_H

#include "crypto/hash.h"
#include "store/manifest.h"
#include "verify/verify.h"

struct cb_verify_segment {
	/* what it must be */
	const char *camera, *id;	/* of the manifest; NULL: any */
	bool sealed;			/* has its final name: the manifest must be closed */
	const char *path, *manifest_path;	/* for findings */
	/* f's place is filled in but for camera, and path where it is the segment's */
	int (*found)(void *ctx, struct cb_finding *f, const char *text, struct cb_err *err);
	void *ctx;
	/* what it is */
	bool ended;			/* the manifest is closed and its digest is right: */
	uint8_t digest[CB_SHA256_LEN];	/* of it */
	uint64_t fragments, bytes;	/* hashed */
};
/* manifest: its text. fd: the segment file. -1: reading failed, no memory, a request to stop, or
 * found failed. */
int cb_verify_segment(struct cb_verify_segment *s, const char *manifest, size_t len, int fd,
		      struct cb_err *err);

#endif
