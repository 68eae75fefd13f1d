/* SPDX-License-Identifier: Apache-2.0 */
/* SSH signatures, and public keys of OpenSSH a line each: any bytes; what was understood is
 * printable, and a key written again is the same key. */
#include <stdlib.h>
#include <string.h>

#include "crypto/sshsig.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t hash[CB_SHA512_LEN];
	struct cb_err err = CB_ERR_INIT;
	struct cb_ssh_key k, again;
	struct cb_buf b = { 0 };
	struct cb_sshsig s;

	if (cb_sshsig_parse(&s, (const char *)p, n, &err) == 0) {
		want(cb_sshsig_namespace_ok(s.namespace));
		want(cb_sshsig_check(&s, s.pk, s.namespace, hash, hash, &err) < 0 && err.code == CB_E_NO);
		want(cb_sshsig_check(&s, s.pk, "another.one", hash, hash, &err) < 0 && err.code == CB_E_NO);
	} else {
		want(err.code == CB_E_DATA);
	}
	for (const uint8_t *q = p, *end = p + n; q < end;) {
		const uint8_t *lf = memchr(q, '\n', (size_t)(end - q));
		size_t len = (size_t)((lf ? lf : end) - q);
		int r = cb_ssh_key_parse(&k, (const char *)q, len, &err);

		if (r > 0) {
			b.len = 0;
			want(cb_ssh_key_text(k.pk, "w", NULL, &b, &err) == 0);
			want(cb_ssh_key_parse(&again, (char *)b.data, b.len, &err) == 1 && !memcmp(k.pk, again.pk, sizeof(k.pk)));
			cb_ssh_key_signs(&k, "cb-evidence");
		} else {
			want(r == 0 || err.code == CB_E_DATA);
		}
		q += len + 1;
	}
	cb_buf_release(&b);
	return 0;
}
