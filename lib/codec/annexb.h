/* SPDX-License-Identifier: Apache-2.0 */
/* NAL units: walking byte streams (Annex B of H.264 and H.265) and length-prefixed packets,
 * and turning the first into the second.
 *
 * A unit begins after a start code (00 00 01) and ends where zero bytes lead to the next one
 * or to the end; those zero bytes belong to the byte stream, not to the unit. Nothing is
 * copied by the walkers, and any bytes may be given to them. */
#ifndef CB_CODEC_ANNEXB_H
#define CB_CODEC_ANNEXB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct cb_nal {
	const uint8_t *p;
	size_t n;		/* > 0 */
	bool stray;		/* bytes before the first start code: not written as a unit */
};

/* The next unit of a byte stream; *pos is 0 at the beginning. false: no more. Empty units
 * are passed over. */
bool cb_annexb_next(const uint8_t *p, size_t n, size_t *pos, struct cb_nal *ret);

/* The next unit of a packet of units behind lengths of nal_length (1..4) bytes: 1; 0 at the
 * end; -1 where a length reaches beyond the packet (*ret is then what there is, n may be 0). */
int cb_nal_next(const uint8_t *p, size_t n, int nal_length, size_t *pos, struct cb_nal *ret);

/* Does this look like a byte stream: zero bytes, then a start code? */
bool cb_annexb_is(const uint8_t *p, size_t n);

/* Append the units of a byte stream to out, each behind its length in four bytes. Stray bytes
 * become a unit too, so that nothing is lost; *ret_stray says that there were some. */
int cb_annexb_convert(struct cb_buf *out, const uint8_t *p, size_t n, bool *ret_stray,
		      struct cb_err *err);

#endif
