/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed pieces (cb-store(5), "Encryption"): an init segment or a fragment, encrypted, in a box of
 * its own. Each stands alone, so a segment that was cut short, or is read from its middle, is read
 * as any other. */
#ifndef CB_STORE_SEAL_H
#define CB_STORE_SEAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "store/daykey.h"

#define CB_SALT_LEN 32
#define CB_SEALED_RANDOM (14 + CB_SALT_LEN)

/* Where a piece stands, which is authenticated with it. */
struct cb_sealed_at {
	const char *camera, *id;	/* id: the segment's 12 digits */
	uint32_t number;
};
/* The box of the plaintext in iov to b, emptied first. commit gets SHA-256(salt || plaintext).
 * Errors: OS. */
int cb_sealed_put(struct cb_buf *b, const struct cb_day_key *k, const struct cb_sealed_at *at,
		  const struct iovec *iov, int n, uint8_t commit[static CB_SHA256_LEN], struct cb_err *err);
/* Open the box of n bytes at p, in place. *ret has *ret_len bytes of plaintext, and the salt before
 * them. CB_E_DATA: it is none, it was sealed elsewhere or with another key, or the plaintext is not
 * what was committed to. */
int cb_sealed_open(uint8_t *p, size_t n, const struct cb_day_key *k, const struct cb_sealed_at *at,
		   const uint8_t commit[static CB_SHA256_LEN], const uint8_t **ret, size_t *ret_len,
		   struct cb_err *err);

/* --- for tests ------------------------------------------------------------------------------------- */

/* The same with bytes that should be random: 14 of the nonce, then the salt. */
int cb_sealed_put_with(struct cb_buf *b, const struct cb_day_key *k, const struct cb_sealed_at *at,
		       const struct iovec *iov, int n, const uint8_t random[static CB_SEALED_RANDOM],
		       uint8_t commit[static CB_SHA256_LEN], struct cb_err *err);

#endif
