/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions: lines become strings in a copy, each medium reads those behind its m=. */
#include "rtsp/sdp.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 3551 6, as far as anybody sends it */
static const struct {
	uint8_t payload;
	const char *encoding;
	uint32_t rate;
	uint8_t channels;
} fixed[] = {
	{ 0, "PCMU", 8000, 1 }, { 3, "GSM", 8000, 1 }, { 4, "G723", 8000, 1 },
	{ 5, "DVI4", 8000, 1 }, { 6, "DVI4", 16000, 1 }, { 8, "PCMA", 8000, 1 },
	{ 9, "G722", 8000, 1 }, { 10, "L16", 44100, 2 }, { 11, "L16", 44100, 1 },
	{ 14, "MPA", 90000, 1 }, { 15, "G728", 8000, 1 }, { 18, "G729", 8000, 1 },
	{ 26, "JPEG", 90000, 0 }, { 31, "H261", 90000, 0 }, { 32, "MPV", 90000, 0 },
	{ 33, "MP2T", 90000, 0 }, { 34, "H263", 90000, 0 },
};

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static const char *skip(const char *s)
{
	while (blank(*s))
		s++;
	return s;
}

/* Decimal digits at *s, moved behind them. false: none there, or beyond 32 bits. */
static bool number(const char **s, uint32_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*s = p;
	*ret = (uint32_t)v;
	return true;
}

/* The value of attribute line "a=NAME:VALUE" or "a=NAME"; NULL for another line. */
static const char *attribute(const char *line, const char *name)
{
	size_t n = strlen(name);
	const char *p;

	if (line[0] != 'a' || line[1] != '=')
		return NULL;
	p = skip(line + 2);
	if (strncasecmp(p, name, n) != 0)
		return NULL;
	p = skip(p + n);
	if (*p == ':')
		return skip(p + 1);
	return *p ? NULL : p;
}

/* The line after this one, or end. */
static const char *next(const char *line)
{
	return line + strlen(line) + 1;
}

/* "96 H264/90000/1": false where it is for another type or makes no sense. */
static bool rtpmap(struct cb_sdp_media *m, const char *v, int payload, struct cb_oddities *odd)
{
	uint32_t pt, rate = 0, channels = 0;
	size_t n = 0;

	if (!number(&v, &pt) || pt > 127 || (payload >= 0 && pt != (uint32_t)payload))
		return false;
	v = skip(v);
	while (v[n] && v[n] != '/' && !blank(v[n]))
		n++;
	if (!n || n >= sizeof(m->encoding)) {
		cb_odd(odd, CB_ODD_SDP_RTPMAP);
		return false;
	}
	m->payload = (uint8_t)pt;
	for (size_t i = 0; i < n; i++)
		m->encoding[i] = (char)(v[i] >= 'a' && v[i] <= 'z' ? v[i] - 32 :
					(uint8_t)v[i] < 33 || (uint8_t)v[i] > 126 ? '?' : v[i]);
	m->encoding[n] = '\0';
	v = skip(v + n);
	if (*v == '/') {
		v = skip(v + 1);
		if (number(&v, &rate)) {
			v = skip(v);
			if (*v == '/') {
				v = skip(v + 1);
				number(&v, &channels);
			}
		}
	}
	if (!rate || rate > INT32_MAX || channels > 255) {
		cb_odd(odd, CB_ODD_SDP_RTPMAP);
		rate = m->kind == CB_SDP_AUDIO ? 8000 : 90000;
		channels = channels > 255 ? 0 : channels;
	}
	m->clock_rate = rate;
	m->channels = (uint8_t)(channels ? channels : m->kind == CB_SDP_AUDIO);
	return true;
}

static bool in_table(struct cb_sdp_media *m, uint32_t payload)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (fixed[i].payload == payload) {
			m->payload = fixed[i].payload;
			strcpy(m->encoding, fixed[i].encoding);
			m->clock_rate = fixed[i].rate;
			m->channels = fixed[i].channels;
			return true;
		}
	return false;
}

/* The first payload type of the m= line that has an encoding. */
static void choose(struct cb_sdp_media *m, const char *formats, const char *lines, const char *end,
		   struct cb_oddities *odd)
{
	const char *v;
	uint32_t pt;
	bool first = true, found = false;

	for (const char *p = skip(formats); *p && !found; p = skip(p)) {
		if (!number(&p, &pt) || pt > 127) {
			while (*p && !blank(*p))
				p++;
			cb_odd(odd, CB_ODD_SDP_SYNTAX);
			continue;
		}
		if (first)
			m->payload = (uint8_t)pt;
		first = false;
		for (const char *l = lines; l < end && !found; l = next(l))
			if ((v = attribute(l, "rtpmap")) && rtpmap(m, v, (int)pt, odd))
				found = true;
		if (!found)
			found = in_table(m, pt);
		if (!found)
			cb_odd(odd, CB_ODD_SDP_UNKNOWN_PAYLOAD);
	}
	if (!found && first)
		cb_odd(odd, CB_ODD_SDP_SYNTAX);
	/* an rtpmap for a type that the m= line does not name is still what the camera means */
	for (const char *l = lines; l < end && !found; l = next(l))
		if ((v = attribute(l, "rtpmap")) && rtpmap(m, v, -1, odd)) {
			cb_odd(odd, CB_ODD_SDP_RTPMAP);
			found = true;
		}
}

static void format_parameters(struct cb_sdp_media *m, const char *lines, const char *end,
			      struct cb_oddities *odd)
{
	const char *v, *any = NULL;
	uint32_t pt;

	for (const char *l = lines; l < end; l = next(l)) {
		if (!(v = attribute(l, "fmtp")))
			continue;
		if (!number(&v, &pt)) {
			cb_odd(odd, CB_ODD_SDP_FMTP);
			continue;
		}
		v = skip(v);
		if (!*v) {
			cb_odd(odd, CB_ODD_SDP_FMTP);
		} else if (pt == m->payload) {
			m->fmtp = v;
			return;
		} else if (!any) {
			any = v;
		}
	}
	if (any && m->encoding[0]) {
		cb_odd(odd, CB_ODD_SDP_FMTP);
		m->fmtp = any;
	}
}

/* "25", "29.97" as a fraction of a thousandth. */
static void framerate(struct cb_sdp_media *m, const char *v)
{
	uint32_t whole, thousandths = 0, unit = 100;

	if (!number(&v, &whole) || whole > 1000)
		return;
	if (*v == '.')
		for (v++; *v >= '0' && *v <= '9' && unit; v++, unit /= 10)
			thousandths += (uint32_t)(*v - '0') * unit;
	m->fr_num = whole * 1000 + thousandths;
	m->fr_den = 1000;
	if (!thousandths) {
		m->fr_num = whole;
		m->fr_den = 1;
	}
	if (!m->fr_num)
		m->fr_den = 1;
}

static void size(struct cb_sdp_media *m, const char *v, char between)
{
	uint32_t w, h;

	if (!number(&v, &w))
		return;
	v = skip(v);
	if (*v++ != between)
		return;
	v = skip(v);
	if (number(&v, &h) && w && h && w <= 65535 && h <= 65535) {
		m->width = w;
		m->height = h;
	}
}

static bool direction(const char *line, enum cb_sdp_direction *ret)
{
	static const char *const names[] = { "sendrecv", "sendonly", "recvonly", "inactive" };

	for (int i = 0; i < 4; i++)
		if (attribute(line, names[i])) {
			*ret = (enum cb_sdp_direction)i;
			return true;
		}
	return false;
}

/* One m= line and those behind it. line is cut apart. */
static void medium(struct cb_sdp_media *m, char *line, const char *lines, const char *end,
		   struct cb_oddities *odd)
{
	static const struct { const char *name; enum cb_sdp_kind kind; } kinds[] = {
		{ "video", CB_SDP_VIDEO }, { "audio", CB_SDP_AUDIO }, { "application", CB_SDP_APPLICATION },
	};
	char *word[3] = { NULL }, *p = line + 2;
	uint32_t port = 0;
	const char *v;
	uint32_t pt;

	for (int i = 0; i < 3; i++) {
		while (blank(*p))
			p++;
		if (!*p)
			break;
		word[i] = p;
		while (*p && !blank(*p))
			p++;
		if (*p)
			*p++ = '\0';
	}
	m->proto = word[2] ? word[2] : "";
	for (size_t i = 0; word[0] && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcasecmp(word[0], kinds[i].name) == 0)
			m->kind = kinds[i].kind;
	v = word[1] ? word[1] : "";
	if (!number(&v, &port) || port > 65535 || (*v && *v != '/'))
		cb_odd(odd, CB_ODD_SDP_SYNTAX);
	m->port = (uint16_t)(port <= 65535 ? port : 0);
	m->rtp = strncasecmp(m->proto, "RTP/AVP", 7) == 0 &&
		 (!m->proto[7] || m->proto[7] == '/' || strcasecmp(m->proto + 7, "F") == 0 ||
		  strncasecmp(m->proto + 7, "F/", 2) == 0);
	if (word[2])
		choose(m, p, lines, end, odd);
	else
		cb_odd(odd, CB_ODD_SDP_SYNTAX);
	format_parameters(m, lines, end, odd);
	for (const char *l = lines; l < end; l = next(l)) {
		direction(l, &m->direction);
		if ((v = attribute(l, "control")) && *v)
			m->control = v;
		else if ((v = attribute(l, "framerate")) || (v = attribute(l, "x-framerate")))
			framerate(m, v);
		else if ((v = attribute(l, "framesize")) && number(&v, &pt))
			size(m, skip(v), '-');
		else if ((v = attribute(l, "x-dimensions")))
			size(m, v, ',');
	}
}

/* Cut into lines, blanks at their ends taken off. Returns how many bytes there are then. */
static size_t lines_of(char *t, size_t n, struct cb_oddities *odd)
{
	size_t out = 0, from = 0;

	for (size_t i = 0; i <= n; i++) {
		size_t start = from, a = from, b = i;

		if (i < n && t[i] != '\n' && t[i] != '\r')
			continue;
		from = i + 1;
		while (a < b && blank(t[a]))
			a++;
		while (b > a && (blank(t[b - 1]) || !t[b - 1]))
			b--;
		if (a == b)
			continue;
		if (a != start || b != i)
			cb_odd(odd, CB_ODD_SDP_BLANKS);
		for (size_t k = a; k < b; k++) {
			if (!t[k]) {
				t[k] = ' ';
				cb_odd(odd, CB_ODD_SDP_SYNTAX);
			}
		}
		memmove(t + out, t + a, b - a);
		out += b - a;
		t[out++] = '\0';
	}
	return out;
}

int cb_sdp_parse(struct cb_sdp *ret, const char *text, size_t n, struct cb_oddities *odd,
		 struct cb_err *err)
{
	struct cb_sdp s = { .name = "", .tool = "", .control = "", .range = "" };
	enum cb_sdp_direction dir = CB_SDP_SENDRECV;
	bool origin = false;
	char *end, *l, *to;
	const char *v;

	if (n > CB_SDP_MAX)
		return cb_err_set(err, CB_E_DATA, "a session description of %zu bytes", n);
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
		cb_odd(odd, CB_ODD_SDP_SYNTAX);
	}
	s.text = malloc(n + 2);
	if (!s.text)
		return cb_err_nomem(err);
	memcpy(s.text, text, n);
	s.text[n] = '\0';
	end = s.text + lines_of(s.text, n, odd);
	if (end - s.text < 2 || s.text[0] != 'v' || s.text[1] != '=')
		cb_odd(odd, CB_ODD_SDP_NO_VERSION);
	for (l = s.text; l < end && l[0] != 'm'; l += strlen(l) + 1) {
		if (l[1] != '=') {
			cb_odd(odd, CB_ODD_SDP_SYNTAX);
			continue;
		}
		origin |= l[0] == 'o';
		if (l[0] == 's')
			s.name = skip(l + 2);
		else if (direction(l, &dir))
			continue;
		else if ((v = attribute(l, "control")))
			s.control = v;
		else if ((v = attribute(l, "tool")))
			s.tool = v;
		else if ((v = attribute(l, "range")))
			s.range = v;
	}
	if (!origin)
		cb_odd(odd, CB_ODD_SDP_NO_ORIGIN);
	for (; l < end; l = to) {
		char *lines = l + strlen(l) + 1;

		for (to = lines; to < end && (to[0] != 'm' || to[1] != '='); to += strlen(to) + 1)
			if (to[1] != '=')
				cb_odd(odd, CB_ODD_SDP_SYNTAX);
		if (l[1] != '=') {
			cb_odd(odd, CB_ODD_SDP_SYNTAX);
			continue;
		}
		if (s.n == CB_SDP_MEDIA) {
			cb_odd(odd, CB_ODD_SDP_LIMIT);
			break;
		}
		s.media[s.n] = (struct cb_sdp_media){ .proto = "", .fmtp = "", .control = "", .fr_den = 1,
						      .direction = dir };
		medium(&s.media[s.n++], l, lines, to, odd);
	}
	if (!s.n) {
		free(s.text);
		return cb_err_set(err, CB_E_DATA, "a session description without media");
	}
	*ret = s;
	return 0;
}

void cb_sdp_release(struct cb_sdp *s)
{
	free(s->text);
	*s = (struct cb_sdp){ 0 };
}

const char *cb_sdp_param(const struct cb_sdp_media *m, const char *name, size_t *ret_len)
{
	size_t want = strlen(name);

	for (const char *p = m->fmtp; p && *p;) {
		const char *to = strchrnul(p, ';'), *eq = memchr(p, '=', (size_t)(to - p)), *key, *value;

		key = skip(p);
		value = eq ? skip(eq + 1) : to;
		eq = eq ? eq : to;
		p = *to ? to + 1 : to;
		while (eq > key && blank(eq[-1]))
			eq--;
		if (eq < key || (size_t)(eq - key) != want || strncasecmp(key, name, want) != 0)
			continue;
		while (to > value && blank(to[-1]))
			to--;
		*ret_len = to > value ? (size_t)(to - value) : 0;
		return value;
	}
	return NULL;
}

uint32_t cb_sdp_param_u32(const struct cb_sdp_media *m, const char *name, uint32_t otherwise)
{
	size_t n;
	const char *v = cb_sdp_param(m, name, &n);
	uint32_t r;

	return v && n && number(&v, &r) ? r : otherwise;
}
