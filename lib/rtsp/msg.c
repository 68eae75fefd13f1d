/* SPDX-License-Identifier: Apache-2.0 */
/* A tolerant, total parser: it never reads twice what it has given, and always gets on. */
#include "rtsp/msg.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

static struct cb_rtsp_text trim(const char *p, size_t n)
{
	while (n && blank(*p)) {
		p++;
		n--;
	}
	while (n && blank(p[n - 1]))
		n--;
	return (struct cb_rtsp_text){ p, n };
}

static bool is(struct cb_rtsp_text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

/* The part before the next of the separator, which is taken away as well. */
static bool split(struct cb_rtsp_text *rest, char sep, struct cb_rtsp_text *ret)
{
	const char *at;

	if (!rest->p)
		return false;
	at = memchr(rest->p, sep, rest->n);
	if (at) {
		*ret = trim(rest->p, (size_t)(at - rest->p));
		rest->n -= (size_t)(at - rest->p) + 1;
		rest->p = at + 1;
	} else {
		*ret = trim(rest->p, rest->n);
		rest->p = NULL;
		rest->n = 0;
	}
	return true;
}

/* NAME=VALUE; a value may be in quotes. */
static struct cb_rtsp_text value_of(struct cb_rtsp_text *name)
{
	const char *eq = memchr(name->p, '=', name->n);
	struct cb_rtsp_text v = { NULL, 0 };

	if (!eq)
		return v;
	v = trim(eq + 1, name->n - (size_t)(eq + 1 - name->p));
	if (v.n >= 2 && *v.p == '"' && v.p[v.n - 1] == '"')
		v = trim(v.p + 1, v.n - 2);
	*name = trim(name->p, (size_t)(eq - name->p));
	return v;
}

static bool number(struct cb_rtsp_text t, uint64_t max, uint64_t *ret)
{
	char digits[21];

	if (!t.n || t.n >= sizeof(digits))
		return false;
	memcpy(digits, t.p, t.n);
	digits[t.n] = '\0';
	return cb_parse_u64(digits, 0, max, ret);
}

/* --- messages -------------------------------------------------------------------------------- */

/* Can a message begin with these bytes? 1 yes, 0 not, -1: too few to tell. */
static int begins(const uint8_t *p, size_t n)
{
	size_t i;

	/* a method: capitals, then a blank; or RTSP/ or HTTP/ */
	for (i = 0; i < n && i < 20; i++) {
		uint8_t c = p[i];

		if ((c >= 'A' && c <= 'Z') || c == '_')
			continue;
		if (i == 4 && c == '/' && (memcmp(p, "RTSP", 4) == 0 || memcmp(p, "HTTP", 4) == 0))
			return 1;
		return i >= 3 && c == ' ' ? 1 : 0;
	}
	return i == 20 ? 0 : -1;
}

/* How many bytes belong to nothing: at least one. */
static size_t junk(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (p[i] == '$')
			return i;
		if (p[i] == 'R' && memcmp(p + i, "RTSP/", n - i < 5 ? n - i : 5) == 0)
			return i;
	}
	return n;
}

/* The next line without its end, *pos behind it. false: it does not end yet. */
static bool line(const char *p, size_t n, size_t *pos, struct cb_rtsp_text *ret, bool *bare)
{
	const char *lf = memchr(p + *pos, '\n', n - *pos);
	size_t len;

	if (!lf)
		return false;
	len = (size_t)(lf - (p + *pos));
	*ret = (struct cb_rtsp_text){ p + *pos, len };
	if (len && ret->p[len - 1] == '\r')
		ret->n--;
	else
		*bare = true;
	*pos += len + 1;
	return true;
}

/* "RTSP/1.0 200 OK", "PLAY rtsp://... RTSP/1.0" */
static bool start_line(struct cb_rtsp_msg *m, struct cb_rtsp_text l)
{
	struct cb_rtsp_text rest = trim(l.p, l.n), word;
	uint64_t v;

	split(&rest, ' ', &word);
	if (word.n >= 5 && (memcmp(word.p, "RTSP/", 5) == 0 || memcmp(word.p, "HTTP/", 5) == 0)) {
		m->kind = CB_RTSP_RESPONSE;
		m->http = *word.p == 'H';
		if (!rest.p)
			return false;
		rest = trim(rest.p, rest.n);
		split(&rest, ' ', &word);
		if (!number(word, 999, &v) || v < 100)
			return false;
		m->status = (unsigned)v;
		m->reason = rest.p ? trim(rest.p, rest.n)
				   : (struct cb_rtsp_text){ word.p + word.n, 0 };
		return true;
	}
	m->kind = CB_RTSP_REQUEST;
	m->method = word;
	return rest.p && memmem(rest.p, rest.n, "RTSP/", 5);
}

static int parse_message(struct cb_rtsp_msg *m, const uint8_t *in, size_t n, size_t *used,
			 struct cb_oddities *odd, struct cb_err *err)
{
	const char *p = (const char *)in;
	bool bare = false, sense;
	struct cb_rtsp_text l;
	unsigned wrong = 0;
	size_t pos = 0;
	uint64_t len = 0;

	memset(m, 0, offsetof(struct cb_rtsp_msg, header));
	if (!line(p, n, &pos, &l, &bare))
		goto more;
	sense = start_line(m, l);
	for (;;) {
		struct cb_rtsp_text name, value;
		const char *colon;

		if (!line(p, n, &pos, &l, &bare))
			goto more;
		if (!l.n)
			break;
		colon = memchr(l.p, ':', l.n);
		if (!colon || blank(*l.p) || m->n == CB_RTSP_HEADERS) {
			wrong++;
			continue;
		}
		name = trim(l.p, (size_t)(colon - l.p));
		value = trim(colon + 1, l.n - (size_t)(colon + 1 - l.p));
		if (name.n < (size_t)(colon - l.p) || blank(l.p[l.n - 1]))
			wrong++;	/* blanks before the colon, or at the end */
		m->header[m->n].name = name;
		m->header[m->n++].value = value;
	}
	if (pos > CB_RTSP_HEAD_MAX)
		return cb_err_set(err, CB_E_PROTOCOL,
				  "a message of more than %u bytes without its end",
				  CB_RTSP_HEAD_MAX);
	l = cb_rtsp_header(m, "Content-Length");
	if (l.p && !number(l, UINT32_MAX, &len)) {
		len = 0;
		wrong++;
	}
	if (len > CB_RTSP_BODY_MAX)
		return cb_err_set(err, CB_E_PROTOCOL,
				  "a message with %llu bytes in it, more than %u",
				  (unsigned long long)len, CB_RTSP_BODY_MAX);
	if (n - pos < len)
		return 0;
	m->body = in + pos;
	m->body_len = (size_t)len;
	*used = pos + (size_t)len;
	if (wrong || bare)
		cb_odd(odd, CB_ODD_RTSP_SYNTAX);
	if (!sense) {	/* its lines are passed over whole */
		cb_odd(odd, CB_ODD_RTSP_JUNK);
		return 2;
	}
	return 1;
more:
	if (n > CB_RTSP_HEAD_MAX)
		return cb_err_set(err, CB_E_PROTOCOL,
				  "a message of more than %u bytes without its end",
				  CB_RTSP_HEAD_MAX);
	return 0;
}

int cb_rtsp_msg_parse(struct cb_rtsp_msg *ret, const uint8_t *p, size_t n, size_t *ret_used,
		      struct cb_oddities *odd, struct cb_err *err)
{
	size_t at = 0, used = 0;

	for (;;) {
		size_t ends = at;
		int r;

		while (at < n && (p[at] == '\r' || p[at] == '\n'))
			at++;
		if (at > ends)
			cb_odd(odd, CB_ODD_RTSP_BLANK_LINES);
		*ret_used = at;
		if (at == n)
			return 0;
		if (p[at] == '$') {
			size_t len;

			if (n - at < 4)
				return 0;
			len = cb_be16(p + at + 2);
			if (n - at - 4 < len)
				return 0;
			ret->kind = CB_RTSP_DATA;
			ret->channel = p[at + 1];
			ret->body = p + at + 4;
			ret->body_len = len;
			ret->n = 0;
			*ret_used = at + 4 + len;
			return 1;
		}
		r = begins(p + at, n - at);
		if (r < 0)
			return 0;
		if (r == 0) {
			at += junk(p + at, n - at);
			cb_odd(odd, CB_ODD_RTSP_JUNK);
			*ret_used = at;
			continue;
		}
		r = parse_message(ret, p + at, n - at, &used, odd, err);
		if (r == 2) {
			at += used;
			*ret_used = at;
			continue;
		}
		if (r == 1)
			*ret_used = at + used;
		return r;
	}
}

struct cb_rtsp_text cb_rtsp_header(const struct cb_rtsp_msg *m, const char *name)
{
	struct cb_rtsp_text t = { NULL, 0 };
	unsigned i = 0;

	cb_rtsp_header_next(m, name, &i, &t);
	return t;
}

bool cb_rtsp_header_next(const struct cb_rtsp_msg *m, const char *name, unsigned *i,
			 struct cb_rtsp_text *ret)
{
	for (; *i < m->n; ++*i) {
		if (!is(m->header[*i].name, name))
			continue;
		*ret = m->header[*i].value;
		++*i;
		return true;
	}
	return false;
}

bool cb_rtsp_header_u32(const struct cb_rtsp_msg *m, const char *name, uint32_t *ret)
{
	struct cb_rtsp_text t = cb_rtsp_header(m, name);
	uint64_t v;

	if (!t.p || !number(t, UINT32_MAX, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool cb_rtsp_lists(struct cb_rtsp_text list, const char *word)
{
	struct cb_rtsp_text part, one;

	while (split(&list, ',', &part))
		while (split(&part, ' ', &one))
			if (is(one, word))
				return true;
	return false;
}

bool cb_rtsp_session_parse(char id[static CB_RTSP_SESSION_MAX], uint32_t *ret_timeout,
			   struct cb_rtsp_text value)
{
	struct cb_rtsp_text part, v;
	uint64_t seconds;

	if (!split(&value, ';', &part) || !part.n || part.n >= CB_RTSP_SESSION_MAX)
		return false;
	for (size_t i = 0; i < part.n; i++)
		if ((uint8_t)part.p[i] <= ' ' || part.p[i] == 0x7f)
			return false;
	memcpy(id, part.p, part.n);
	id[part.n] = '\0';
	while (split(&value, ';', &part)) {
		v = value_of(&part);
		if (v.p && is(part, "timeout") && number(v, 86400, &seconds) && seconds)
			*ret_timeout = (uint32_t)seconds;
	}
	return true;
}

/* "0-1" or "0" */
static bool pair(int ret[2], struct cb_rtsp_text v, uint64_t max)
{
	struct cb_rtsp_text one;
	uint64_t a, b;

	split(&v, '-', &one);
	if (!number(one, max, &a))
		return false;
	ret[0] = (int)a;
	if (v.p && split(&v, '-', &one)) {
		if (!number(one, max, &b))
			return false;
		ret[1] = (int)b;
	}
	return true;
}

/* Hexadecimal, as RFC 2326 has it, in whatever blanks; a decimal one of ten digits is met as well. */
static bool ssrc(uint32_t *ret, struct cb_rtsp_text v, bool *odd)
{
	uint64_t x = 0;
	size_t digits = 0;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];
		int d = c >= '0' && c <= '9'                 ? c - '0'
			: (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
							     : -1;

		if (blank(c)) {
			*odd = true;
			continue;
		}
		if (d < 0 || ++digits > 8)
			return false;
		x = x << 4 | (unsigned)d;
	}
	*ret = (uint32_t)x;
	return digits > 0;
}

bool cb_rtsp_transport_parse(struct cb_rtsp_transport *ret, struct cb_rtsp_text value, bool *ret_odd)
{
	struct cb_rtsp_transport t = { .channel = { -1, -1 },
				       .client_port = { -1, -1 },
				       .server_port = { -1, -1 } };
	struct cb_rtsp_text first, part, v, raw;
	bool spec = false;

	*ret_odd = false;
	if (!value.p || !split(&value, ',', &first))
		return false;
	while (split(&first, ';', &part)) {
		if (!part.n) {
			*ret_odd = true;
			continue;
		}
		raw = part;
		v = value_of(&part);
		if (!v.p) {
			if (part.n >= 7 && strncasecmp(part.p, "RTP/AVP", 7) == 0) {
				spec = true;
				t.tcp = part.n > 4 &&
					strncasecmp(part.p + part.n - 4, "/TCP", 4) == 0;
			} else if (is(part, "multicast")) {
				t.multicast = true;
			}
			continue;
		}
		if (is(part, "interleaved"))
			*ret_odd |= !pair(t.channel, v, 255);
		else if (is(part, "client_port"))
			*ret_odd |= !pair(t.client_port, v, 65535);
		else if (is(part, "server_port"))
			*ret_odd |= !pair(t.server_port, v, 65535);
		else if (is(part, "ssrc")) {
			const char *eq = memchr(raw.p, '=', raw.n);

			/* blanks inside, too: "ssrc=  4a2b" */
			if (blank(eq[1]))
				*ret_odd = true;
			if (ssrc(&t.ssrc, v, ret_odd))
				t.have_ssrc = true;
			else
				*ret_odd = true;
		}
	}
	if (!spec)
		*ret_odd = true;
	if (!spec && t.channel[0] < 0 && t.server_port[0] < 0)
		return false;
	if (t.channel[0] >= 0 && !spec)
		t.tcp = true;
	*ret = t;
	return true;
}

unsigned cb_rtsp_info_parse(struct cb_rtsp_info *ret, unsigned max, struct cb_rtsp_text value,
			    bool *ret_odd)
{
	struct cb_rtsp_text entry, part, v;
	unsigned n = 0;
	uint64_t x;

	*ret_odd = false;
	while (split(&value, ',', &entry)) {
		struct cb_rtsp_info i = { 0 };
		bool any = false;

		while (split(&entry, ';', &part)) {
			if (!part.n) {
				*ret_odd = true;	/* a ';' at the end */
				continue;
			}
			any = true;
			v = value_of(&part);
			if (is(part, "url") && v.p) {
				i.url = v;
			} else if (is(part, "seq")) {
				i.have_seq = v.p && number(v, 65535, &x);
				if (i.have_seq)
					i.seq = (uint16_t)x;
				*ret_odd |= !i.have_seq;
			} else if (is(part, "rtptime")) {
				i.have_rtptime = v.p && number(v, UINT32_MAX, &x);
				if (i.have_rtptime)
					i.rtptime = (uint32_t)x;
				*ret_odd |= !i.have_rtptime;
			} else if (!is(part, "ssrc")) {
				*ret_odd = true;
			}
		}
		if (!any || !i.url.p)
			*ret_odd = true;
		if (any && n < max)
			ret[n++] = i;
	}
	return n;
}
