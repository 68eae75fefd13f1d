/* SPDX-License-Identifier: Apache-2.0 */
/* Within lib/crypto: the words of PROTOCOL.sshsig and the string of RFC 4251, section 5. */
#ifndef CB_CRYPTO_SSHSIG_WIRE_H
#define CB_CRYPTO_SSHSIG_WIRE_H

#include <stdint.h>

#include "base/buf.h"

#define CB_SSHSIG_MAGIC "SSHSIG"
#define CB_SSHSIG_BEGIN "-----BEGIN SSH SIGNATURE-----"
#define CB_SSHSIG_END "-----END SSH SIGNATURE-----"
#define CB_SSH_ED25519 "ssh-ed25519"

static inline int cb_ssh_put(struct cb_buf *b, const void *p, size_t n)
{
	return cb_buf_be32(b, (uint32_t)n) < 0 ? -1 : cb_buf_add(b, p, n);
}

#endif
