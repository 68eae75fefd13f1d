/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate: whatever it says, the answer is one header line. */
#include <stdlib.h>
#include <string.h>

#include "rtsp/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_buf out = { 0 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_auth a = { 0 };

	cb_auth_offer(&a, (const char *)p, n);
	strcpy(a.cnonce, "0123456789abcdef");
	if (cb_auth_answer(&a, &out, "user", "\1geheim", "DESCRIBE", "rtsp://camera/", "", 0, &err) < 0) {
		want(a.scheme == CB_AUTH_NONE && err.code == CB_E_PERM);
	} else {
		want(a.scheme != CB_AUTH_NONE && out.len > 2);
		want(memcmp(out.data + out.len - 2, "\r\n", 2) == 0);
		want(!memchr(out.data, '\r', out.len - 2) && !memchr(out.data, '\n', out.len - 2) &&
		     !memchr(out.data, 0, out.len));
		want(!memmem(out.data, out.len, "\1geheim", 7));
	}
	cb_buf_release(&out);
	return 0;
}
