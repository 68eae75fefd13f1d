/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, taken apart and put together. */
#include "rtsp/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/io.h"
#include "base/num.h"

#define SCHEME "rtsp://"
#define SCHEME_TLS "rtsps://"

/* Bytes that a request line can carry. */
static bool sendable(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)s[i] <= ' ' || s[i] == 0x7f)
			return false;
	return true;
}

static bool decode(char *out, size_t cap, const char *s, size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];
		char hex[3];

		if (c == '%') {
			if (n - i < 3)
				return false;
			memcpy(hex, s + i + 1, 2);
			hex[2] = '\0';
			if (!cb_unhex(&c, 1, hex) || !c)
				return false;
			i += 2;
		}
		if (o + 1 >= cap)
			return false;
		out[o++] = (char)c;
	}
	out[o] = '\0';
	return true;
}

/* HOST, HOST:PORT, [ADDRESS], [ADDRESS]:PORT */
static bool parse_host(struct cb_rtsp_url *u, const char *s, size_t n)
{
	const char *end = s + n, *host = s, *colon;
	char digits[6];
	size_t len;
	uint64_t v;

	if (n && *s == '[') {
		const char *close = memchr(s, ']', n);

		if (!close)
			return false;
		host = s + 1;
		len = (size_t)(close - host);
		colon = close + 1;
	} else {
		colon = memchr(s, ':', n);
		if (!colon)
			colon = end;
		len = (size_t)(colon - host);
	}
	if (!len || len >= sizeof(u->host))
		return false;
	if (colon < end) {
		size_t d = (size_t)(end - colon - 1);

		if (*colon != ':' || d >= sizeof(digits))
			return false;
		/* "host:" means the usual port */
		memcpy(digits, colon + 1, d);
		digits[d] = '\0';
		if (d) {
			if (!cb_parse_u64(digits, 1, 65535, &v))
				return false;
			u->port = (uint16_t)v;
		}
	}
	memcpy(u->host, host, len);
	u->host[len] = '\0';
	return true;
}

int cb_rtsp_url_parse(struct cb_rtsp_url *ret, const char *text, struct cb_err *err)
{
	struct cb_rtsp_url u = { 0 };
	const char *at, *rest;
	size_t scheme, auth;

	if (strncasecmp(text, SCHEME_TLS, strlen(SCHEME_TLS)) == 0)
		u.tls = true;
	else if (strncasecmp(text, SCHEME, strlen(SCHEME)) != 0)
		return cb_err_set(err, CB_E_USAGE, "not an RTSP address (rtsp:// or rtsps://)");
	scheme = u.tls ? strlen(SCHEME_TLS) : strlen(SCHEME);
	u.port = u.tls ? 322 : 554;
	if (strlen(text) >= sizeof(u.uri) - 1)
		return cb_err_set(err, CB_E_USAGE, "the address is too long");
	if (!sendable(text, strlen(text)))
		return cb_err_set(err, CB_E_USAGE,
				  "blanks or control characters in the address: write them as %%20");
	rest = text + scheme;
	auth = strcspn(rest, "/?#");
	/* a password may have an @ in it that nobody encoded */
	at = memrchr(rest, '@', auth);
	if (at) {
		size_t n = (size_t)(at - rest);
		const char *colon = memchr(rest, ':', n);
		size_t user = colon ? (size_t)(colon - rest) : n;

		u.has_user = true;
		if (!decode(u.user, sizeof(u.user), rest, user) ||
		    (colon && !decode(u.password, sizeof(u.password), colon + 1, n - user - 1))) {
			explicit_bzero(&u, sizeof(u));
			return cb_err_set(err, CB_E_USAGE,
					  "user and password in the address cannot be read");
		}
		auth -= n + 1;
		rest = at + 1;
	}
	if (!parse_host(&u, rest, auth)) {
		explicit_bzero(&u, sizeof(u));
		return cb_err_set(err, CB_E_USAGE, "host or port in the address cannot be read");
	}
	snprintf(u.uri, sizeof(u.uri), "%s%.*s", u.tls ? SCHEME_TLS : SCHEME,
		 (int)strcspn(rest, "#"), rest);
	if (!rest[auth] || rest[auth] == '#')
		strcat(u.uri, "/");
	*ret = u;
	explicit_bzero(&u, sizeof(u));
	return 0;
}

void cb_rtsp_url_show(char out[static CB_RTSP_URI_MAX], const char *uri)
{
	static const char *const secret[] = { "password=", "passwd=", "pass=", "pwd=", "psw=" };
	size_t o = 0;

	while (*uri && o < CB_RTSP_URI_MAX - 4) {
		size_t key = 0;

		for (size_t i = 0; !key && i < sizeof(secret) / sizeof(*secret); i++)
			if (strncasecmp(uri, secret[i], strlen(secret[i])) == 0)
				key = strlen(secret[i]);
		if (!key) {
			out[o++] = *uri++;
			continue;
		}
		if (o + key + 4 >= CB_RTSP_URI_MAX)
			break;
		memcpy(out + o, uri, key);
		memcpy(out + o + key, "***", 3);
		o += key + 3;
		uri += key;
		uri += strcspn(uri, "&/?#");
	}
	out[o] = '\0';
	{
		char safe[CB_RTSP_URI_MAX];

		cb_text_safe(safe, sizeof(safe), out, o, false);
		memcpy(out, safe, strlen(safe) + 1);
	}
}

static bool has_scheme(const char *s, size_t n)
{
	return (n >= strlen(SCHEME) && strncasecmp(s, SCHEME, strlen(SCHEME)) == 0) ||
		(n >= strlen(SCHEME_TLS) && strncasecmp(s, SCHEME_TLS, strlen(SCHEME_TLS)) == 0);
}

static bool give(char out[static CB_RTSP_URI_MAX], const char *a, size_t an, const char *sep,
		 const char *b, size_t bn)
{
	size_t sn = strlen(sep);

	if (an + sn + bn >= CB_RTSP_URI_MAX || !sendable(a, an) || !sendable(b, bn))
		return false;
	memcpy(out, a, an);
	memcpy(out + an, sep, sn);
	memcpy(out + an + sn, b, bn);
	out[an + sn + bn] = '\0';
	return true;
}

bool cb_rtsp_url_join(char out[static CB_RTSP_URI_MAX], const char *base, const char *control)
{
	size_t b = strlen(base), c = strlen(control);

	if (!c || strcmp(control, "*") == 0)
		return give(out, base, b, "", "", 0);
	if (has_scheme(control, c))
		return give(out, control, c, "", "", 0);
	if (*control == '/') {
		control++;
		c--;
	}
	return give(out, base, b, b && base[b - 1] == '/' ? "" : "/", control, c);
}

bool cb_rtsp_url_base(char out[static CB_RTSP_URI_MAX], const char *value, size_t n,
		      const char *request, bool *ret_odd)
{
	size_t scheme = has_scheme(request, strlen(request))
				? (size_t)(strstr(request, "://") - request) + 3
				: 0;
	size_t host = scheme + strcspn(request + scheme, "/?");

	*ret_odd = false;
	if (has_scheme(value, n) && n > strlen(SCHEME_TLS))
		return give(out, value, n, "", "", 0);
	*ret_odd = true;
	if (!n || !scheme)
		return false;
	if (n > 2 && value[0] == '/' && value[1] == '/')
		return give(out, request, scheme, "", value + 2, n - 2);
	if (*value == '/')
		return give(out, request, host, "", value, n);
	/* "192.0.2.1:554/x/" and "camera/x"; not "x" and not "http://..." */
	if (memmem(value, n, "://", 3) || !memchr(value, '/', n))
		return false;
	return give(out, request, scheme, "", value, n);
}
