/* SPDX-License-Identifier: Apache-2.0 */
/* minisign's files: any bytes are a key, a signature, or refused; what was understood, written
 * again, is understood the same; and nothing that is not byte for byte right verifies. */
#include <stdlib.h>
#include <string.h>

#include "crypto/minisign.h"
#include "crypto/minisign_sign.h"
#include "sign/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t hash[CB_MINISIGN_HASH];
	struct cb_err err = CB_ERR_INIT;
	struct cb_minisign_key k, again;
	struct cb_seckey_info info;
	struct cb_minisign_sig s;
	struct cb_seckey *sk = NULL;
	struct cb_buf b = { 0 };

	if (cb_minisign_key_parse(&k, (const char *)p, n, &err) == 0) {
		want(cb_minisign_key_text(&k, &b, &err) == 0);
		want(cb_minisign_key_parse(&again, (char *)b.data, b.len, &err) == 0 && !memcmp(&k, &again, sizeof(k)));
	} else {
		want(err.code == CB_E_DATA);
	}
	if (cb_minisign_sig_parse(&s, (const char *)p, n, &err) == 0) {
		want((const uint8_t *)s.trusted >= p && (const uint8_t *)s.trusted + s.trusted_len <= p + n);
		want(!memchr(s.trusted, '\n', s.trusted_len) && !memchr(s.trusted, '\033', s.trusted_len));
		memcpy(k.id, s.id, sizeof(k.id));
		memset(k.pk, 0x55, sizeof(k.pk));
		want(cb_minisign_check(&s, &k, hash, &err) < 0 && err.code == CB_E_NO);
	}
	/* a key that parses without a passphrase signs what its public half verifies */
	if (cb_seckey_parse(&sk, (const char *)p, n, "k", NULL, &err) == 0) {
		want(cb_seckey_describe(&info, (const char *)p, n, &err) == 0 && !info.is_protected);
		cb_seckey_minisign(sk, &k);
		b.len = 0;
		want(cb_minisign_sign(sk, hash, "c", &b, &err) == 0);
		want(cb_minisign_sig_parse(&s, (char *)b.data, b.len, &err) == 0 && cb_minisign_check(&s, &k, hash, &err) == 0);
		cb_seckey_free(sk);
	}
	cb_buf_release(&b);
	return 0;
}
