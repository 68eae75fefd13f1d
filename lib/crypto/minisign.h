/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures as minisign(1) makes them: Ed25519 (RFC 8032) over BLAKE2b-512 (RFC 7693) of the
 * data, algorithm "ED"; a second signature covers the first and the trusted comment. Legacy
 * signatures, over the data itself ("Ed"), are refused. */
#ifndef CB_CRYPTO_MINISIGN_H
#define CB_CRYPTO_MINISIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CB_MINISIGN_KEY_MAX 4096u	/* bytes of a key file, */
#define CB_MINISIGN_SIG_MAX 16384u	/* of a signature file */

/* Is sig, the text of X.minisig, a signature of the n bytes of X with the key in the text of
 * minisign.pub? 0: yes. -1: CB_E_NO where it was checked and is false (changed data, changed
 * comment, another key), CB_E_DATA "key: ..." or "signature: ..." where it could not be. */
int cb_minisign_verify(const char *key, size_t key_len, const char *sig, size_t sig_len,
		       const uint8_t *data, size_t n, struct cb_err *err);

#endif
