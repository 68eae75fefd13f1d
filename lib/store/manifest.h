/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests (cb-store(5)): the text beside a segment that says, fragment by fragment, what
 * its bytes are. Written line by line while recording; closed by an `end` line and the digest
 * of everything before it. */
#ifndef CB_STORE_MANIFEST_H
#define CB_STORE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "wire/frame.h"

#define CB_MANIFEST_MAX (64u << 20)
#define CB_MANIFEST_LINE_MAX 2048
#define CB_ID_LEN 13		/* of a segment, with NUL */
#define CB_RECORDING_LEN 17	/* of a recording, with NUL */
#define CB_DAY_KEY_NAME 44	/* of a day key, with NUL */
#define CB_SEALED_EXTRA 96	/* bytes that an encrypted piece has more than the plaintext */

/* Line 0 is the init segment; its times are 0 and its flags empty. */
struct cb_fragment {
	uint32_t number, packets;
	uint64_t offset, length;
	uint8_t sha256[CB_SHA256_LEN];
	int64_t pts, duration;		/* of the leading stream, its time base; CB_NOPTS: none */
	int64_t wall_ns, wall_to_ns;	/* first packet; end of the last */
	uint8_t flags;			/* CB_FRAG_* */
	bool sealed;			/* encrypted: length and sha256 are of what is stored, and */
	uint8_t commit[CB_SHA256_LEN];	/* this is SHA-256(salt || plaintext) */
};

/* A GAP frame that came after fragment `after`. */
struct cb_manifest_gap {
	uint32_t after;
	uint16_t stream;
	struct cb_gap g;
};

/* What the `end` line says. */
struct cb_manifest_end {
	char reason[16];		/* length params clock end stopped died error unsynced recovered */
	uint32_t fragments, gaps;
	uint64_t packets, bytes;	/* bytes of the segment file */
	int64_t from_ns, to_ns;
	uint64_t lost;			/* bytes cut off by recovery */
};

struct cb_manifest {
	char camera[CB_NAME_MAX + 1];
	char id[CB_ID_LEN], recording[CB_RECORDING_LEN];
	uint32_t index;			/* of the segment in its recording */
	int64_t start_ns, recording_ns;	/* wall time: of the segment, of its recording */
	bool sealed;			/* encrypted, with the day key of this name: */
	char key[CB_DAY_KEY_NAME];
	struct cb_fragment *frag;
	struct cb_manifest_gap *gap;
	size_t n, n_gaps;
	bool ended;			/* has its end line and digest */
	bool digest_ok;			/* and that digest is true */
	struct cb_manifest_end end;	/* where not ended: made from the lines */
	uint8_t digest[CB_SHA256_LEN];
	size_t good;			/* bytes of whole lines understood */
};

/* --- writing: each appends whole lines to b; -1 for no memory ------------------------------- */

int cb_manifest_put_head(struct cb_buf *b, const struct cb_manifest *m, const char *producer,
			 const char *recorder);
/* A comment for people: what a stream is. */
int cb_manifest_put_stream(struct cb_buf *b, uint16_t stream, const struct cb_stream *s, bool playable);
int cb_manifest_put_fragment(struct cb_buf *b, const struct cb_fragment *f);
int cb_manifest_put_gap(struct cb_buf *b, const struct cb_manifest_gap *g);
/* The end line and the digest line; sofar has hashed every byte before, and is used up. */
int cb_manifest_put_end(struct cb_buf *b, const struct cb_manifest_end *e, struct cb_sha256 *sofar,
			uint8_t ret_digest[static CB_SHA256_LEN]);

/* --- reading ----------------------------------------------------------------------------------- */

/* Parse a whole manifest. 0: understood to its last whole line (a last line without LF is
 * what a crash leaves, and is not counted in `good`). -1 with CB_E_DATA "line N: reason":
 * *ret has the lines before. Release in both cases. */
int cb_manifest_parse(struct cb_manifest *ret, const char *text, size_t len, struct cb_err *err);
/* Bytes of a line's plaintext: what its init segment or fragment has. */
uint64_t cb_fragment_plain(const struct cb_fragment *f);
/* Make the lines of an encrypted segment speak of the plaintext: offset and length are those of the
 * file that it would be, and sha256 is that of the line's salt and its plaintext. */
void cb_manifest_reveal(struct cb_manifest *m);
/* What cb_manifest_parse gives, from a file's beginning and end only: head and end, no fragments. False where
 * there is no end line there; then it takes cb_manifest_parse. */
bool cb_manifest_peek(struct cb_manifest *ret, const char *head, size_t head_len,
		      const char *tail, size_t tail_len);
void cb_manifest_release(struct cb_manifest *m);

#endif
