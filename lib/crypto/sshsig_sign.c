/* SPDX-License-Identifier: Apache-2.0 */
/* SSH signatures with keys of ours. */
#include "crypto/sshsig_sign.h"

#include <string.h>

#include "crypto/base64.h"
#include "crypto/sshsig_wire.h"

#define COLUMNS 70	/* as ssh-keygen */

int cb_sshsig_sign(const struct cb_seckey *k, const char *namespace, const uint8_t sha512[static CB_SHA512_LEN],
		   struct cb_buf *out, struct cb_err *err)
{
	uint8_t pk[CB_ED25519_KEY_LEN], sig[CB_ED25519_SIG_LEN];
	struct cb_buf b = { 0 }, text = { 0 };
	int r = -1;

	if (cb_sshsig_signed(&b, namespace, true, sha512, err) < 0)
		return -1;
	cb_seckey_public(k, pk);
	cb_seckey_sign(k, b.data, b.len, sig);
	b.len = 0;
	if (cb_buf_add(&b, CB_SSHSIG_MAGIC, 6) < 0 || cb_buf_be32(&b, 1) < 0 ||
	    cb_buf_be32(&b, 4 + strlen(CB_SSH_ED25519) + 4 + sizeof(pk)) < 0 ||
	    cb_ssh_put(&b, CB_SSH_ED25519, strlen(CB_SSH_ED25519)) < 0 || cb_ssh_put(&b, pk, sizeof(pk)) < 0 ||
	    cb_ssh_put(&b, namespace, strlen(namespace)) < 0 || cb_ssh_put(&b, "", 0) < 0 ||
	    cb_ssh_put(&b, "sha512", 6) < 0 ||
	    cb_buf_be32(&b, 4 + strlen(CB_SSH_ED25519) + 4 + sizeof(sig)) < 0 ||
	    cb_ssh_put(&b, CB_SSH_ED25519, strlen(CB_SSH_ED25519)) < 0 || cb_ssh_put(&b, sig, sizeof(sig)) < 0 ||
	    cb_base64_put(&text, b.data, b.len) < 0 || cb_buf_str(out, CB_SSHSIG_BEGIN "\n") < 0)
		goto nomem;
	for (size_t i = 0; i < text.len; i += COLUMNS)
		if (cb_buf_add(out, text.data + i, text.len - i < COLUMNS ? text.len - i : COLUMNS) < 0 ||
		    cb_buf_byte(out, '\n') < 0)
			goto nomem;
	if (cb_buf_str(out, CB_SSHSIG_END "\n") < 0)
		goto nomem;
	r = 0;
nomem:
	if (r < 0)
		cb_err_nomem(err);
	cb_buf_release(&b);
	cb_buf_release(&text);
	return r;
}
