/* SPDX-License-Identifier: Apache-2.0 */
/* Making SSH signatures (crypto/sshsig.h) with the keys of crypto/minisign_sign.h. */
#ifndef CB_CRYPTO_SSHSIG_SIGN_H
#define CB_CRYPTO_SSHSIG_SIGN_H

#include "crypto/minisign_sign.h"
#include "crypto/sshsig.h"

/* The text of a signature file over data with this SHA-512. CB_E_USAGE: no namespace. */
int cb_sshsig_sign(const struct cb_seckey *k, const char *namespace, const uint8_t sha512[static CB_SHA512_LEN],
		   struct cb_buf *out, struct cb_err *err);

#endif
