/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what was parsed is parsed the same again and can stand in a request; what a camera
 * makes of addresses can, too. The input's first line is the address, the second a camera's. */
#include <stdlib.h>
#include <string.h>

#include "rtsp/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

static void sendable(const char *s)
{
	want(strlen(s) < CB_RTSP_URI_MAX);
	for (; *s; s++)
		want((uint8_t)*s > ' ' && *s != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = malloc(n + 1), *other, out[CB_RTSP_URI_MAX];
	static struct cb_rtsp_url u, v;
	struct cb_err err = CB_ERR_INIT;
	bool odd;

	want(text != NULL);
	memcpy(text, p, n);
	text[n] = '\0';
	other = strchr(text, '\n');
	if (other)
		*other++ = '\0';
	else
		other = text;
	if (cb_rtsp_url_parse(&u, text, &err) < 0) {
		want(err.code == CB_E_USAGE && *err.msg);
	} else {
		sendable(u.uri);
		want(*u.host && u.port);
		want(cb_rtsp_url_parse(&v, u.uri, NULL) == 0 && !v.has_user && strcmp(u.uri, v.uri) == 0 &&
		     strcmp(u.host, v.host) == 0 && u.port == v.port && u.tls == v.tls);
		if (cb_rtsp_url_join(out, u.uri, other))
			sendable(out);
		if (cb_rtsp_url_base(out, other, strlen(other), u.uri, &odd))
			sendable(out);
	}
	cb_rtsp_url_show(out, text);
	want(strlen(out) < sizeof(out));
	free(text);
	return 0;
}
