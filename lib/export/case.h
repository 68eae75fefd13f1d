/* SPDX-License-Identifier: Apache-2.0 */
/* The case: what a bundle says of itself, to programs (case.json, segments.ndjson), to people with a shell
 * (VERIFY.txt) and to people with a browser (index.html). cb-bundle(5) describes all three.
 *
 * Foreign text (purpose, names in events) is escaped as each of them asks for, and has no control
 * characters there. */
#ifndef CB_EXPORT_CASE_H
#define CB_EXPORT_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "export/clip.h"
#include "export/gather.h"
#include "export/prove.h"

#define CB_CASE_KEYS 16		/* signatures on one bundle */
#define CB_CASE_KEY_ID 17	/* 16 hexadecimal digits and NUL */

struct cb_case {
	const char *camera, *purpose, *by;	/* the latter two NULL for none */
	int64_t asked_from, asked_to;		/* INT64_MIN, INT64_MAX: not asked */
	int64_t now_ns;				/* when it was exported */
	const struct cb_clip *clip;
	const struct cb_gathered *seen;
	const struct cb_proved *proof;		/* one a part */
	const struct cb_prover *log;
	/* signatures of SHA256SUMS: the keys' numbers, as minisign shows them */
	char key[CB_CASE_KEYS][CB_CASE_KEY_ID];
	char pub[CB_CASE_KEYS][64];		/* base64 of the public key */
	size_t keys;
};

/* Names in the bundle: "clip/%s.mp4" and so on, of a segment's name. */
enum cb_case_name { CB_CASE_CLIP, CB_CASE_MANIFEST, CB_CASE_ENTRY, CB_CASE_PROOF, CB_CASE_SALTS };
void cb_case_name(char out[static CB_BUNDLE_NAME], enum cb_case_name what, const struct cb_clip_part *p);
/* "SHA256SUMS.minisig", "SHA256SUMS.2.minisig" ...; suffix "minisig" or "sig"; i from 0. */
void cb_case_signature(char out[static CB_BUNDLE_NAME], size_t i, const char *suffix);

/* Each appends to b. Errors: OS. */
int cb_case_json(struct cb_buf *b, const struct cb_case *c, struct cb_err *err);
int cb_case_segments(struct cb_buf *b, const struct cb_case *c, struct cb_err *err);
int cb_case_verify(struct cb_buf *b, const struct cb_case *c, struct cb_err *err);
/* json, segments: what cb_case_json and cb_case_segments made. */
int cb_case_page(struct cb_buf *b, const struct cb_case *c, const struct cb_buf *json,
		 const struct cb_buf *segments, struct cb_err *err);
/* An HLS playlist (RFC 8216) of a clip that has several files. */
int cb_case_playlist(struct cb_buf *b, const struct cb_clip *clip, struct cb_err *err);

#endif
