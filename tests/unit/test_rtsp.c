/* SPDX-License-Identifier: Apache-2.0 */
/* lib/rtsp: addresses, messages, authentication. */
#include "rtsp/auth.h"
#include "rtsp/msg.h"
#include "rtsp/url.h"
#include "crypto/hash.h"
#include "base/num.h"
#include "tap.h"

static struct cb_err err;

/* --- addresses --------------------------------------------------------------------------------- */

static void addresses(void)
{
	static const struct {
		const char *text, *host, *user, *password, *uri;
		uint16_t port;
		bool tls;
	} good[] = {
		{ "rtsp://192.0.2.1/live", "192.0.2.1", "", "", "rtsp://192.0.2.1/live", 554, false },
		{ "RTSP://camera", "camera", "", "", "rtsp://camera/", 554, false },
		{ "rtsps://camera/x", "camera", "", "", "rtsps://camera/x", 322, true },
		{ "rtsp://camera:8554/a?b=c&d", "camera", "", "", "rtsp://camera:8554/a?b=c&d", 8554, false },
		{ "rtsp://camera:/a", "camera", "", "", "rtsp://camera:/a", 554, false },
		{ "rtsp://[2001:db8::1]:554/a", "2001:db8::1", "", "", "rtsp://[2001:db8::1]:554/a", 554, false },
		{ "rtsp://[::1]", "::1", "", "", "rtsp://[::1]/", 554, false },
		{ "rtsp://u:p@camera/a", "camera", "u", "p", "rtsp://camera/a", 554, false },
		{ "rtsp://u%40x:p%3A%2f@camera/a", "camera", "u@x", "p:/", "rtsp://camera/a", 554, false },
		{ "rtsp://u:p@ss:w@camera/a", "camera", "u", "p@ss:w", "rtsp://camera/a", 554, false },
		{ "rtsp://u@camera/a", "camera", "u", "", "rtsp://camera/a", 554, false },
		{ "rtsp://:@camera/a@b", "camera", "", "", "rtsp://camera/a@b", 554, false },
		{ "rtsp://camera?x=1", "camera", "", "", "rtsp://camera?x=1", 554, false },
		{ "rtsp://camera#b", "camera", "", "", "rtsp://camera/", 554, false },
		{ "rtsp://camera/a#b", "camera", "", "", "rtsp://camera/a", 554, false },
	};
	static const char *const bad[] = {
		"", "rtsp:/camera", "http://camera/", "rtsp://", "rtsp:///a", "rtsp://u:p@/a", "rtsp://camera:0/",
		"rtsp://camera:65536/", "rtsp://camera:8x/", "rtsp://[::1/", "rtsp://[::1]x/", "rtsp://camera/a b",
		"rtsp://camera/a\r\nX: y", "rtsp://u%zz:p@camera/", "rtsp://u%00:p@camera/", "rtsp://u%4@camera/", "rtsp://[]/",
		"rtsp://camera/\x7f",
	};
	static char longest[4000];
	struct cb_rtsp_url u;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		OK_NAMED(cb_rtsp_url_parse(&u, good[i].text, &err) == 0, good[i].text);
		OK_STR(u.host, good[i].host);
		OK_STR(u.user, good[i].user);
		OK_STR(u.password, good[i].password);
		OK_STR(u.uri, good[i].uri);
		OK(u.port == good[i].port && u.tls == good[i].tls);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err = (struct cb_err)CB_ERR_INIT;
		OK_NAMED(cb_rtsp_url_parse(&u, bad[i], &err) < 0 && err.code == CB_E_USAGE && *err.msg, bad[i]);
	}
	/* a message never has the password */
	OK(cb_rtsp_url_parse(&u, "rtsp://u:geheim@camera:x/", &err) < 0 && !strstr(err.msg, "geheim"));
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "rtsp://c/", 9);
	OK(cb_rtsp_url_parse(&u, longest, &err) < 0);
	longest[CB_RTSP_URI_MAX - 2] = '\0';
	OK(cb_rtsp_url_parse(&u, longest, &err) == 0);
	memcpy(longest, "rtsp://a", 8);
	longest[8] = 'a';
	OK(cb_rtsp_url_parse(&u, longest, &err) < 0);
}

static void shown(void)
{
	static const struct { const char *uri, *show; } t[] = {
		{ "rtsp://c/a", "rtsp://c/a" },
		{ "rtsp://c/user=admin&password=geheim&channel=1", "rtsp://c/user=admin&password=***&channel=1" },
		{ "rtsp://c/a?PassWD=x", "rtsp://c/a?PassWD=***" },
		{ "rtsp://c/a?pwd=", "rtsp://c/a?pwd=***" },
		{ "rtsp://c/\x1b[2J", "rtsp://c/?[2J" },
	};
	char out[CB_RTSP_URI_MAX], big[CB_RTSP_URI_MAX];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		cb_rtsp_url_show(out, t[i].uri);
		OK_STR(out, t[i].show);
	}
	/* replaced text may be longer than what it replaces, and still fits */
	for (size_t i = 0; i + 5 < sizeof(big); i += 4)
		memcpy(big + i, "pwd=", 5);
	cb_rtsp_url_show(out, big);
	OK(strlen(out) < sizeof(out));
}

static void joined(void)
{
	static const struct { const char *base, *control, *is; } t[] = {
		{ "rtsp://c/a", "", "rtsp://c/a" },
		{ "rtsp://c/a", "*", "rtsp://c/a" },
		{ "rtsp://c/a", "track1", "rtsp://c/a/track1" },
		{ "rtsp://c/a/", "track1", "rtsp://c/a/track1" },
		{ "rtsp://c/a/", "/track1", "rtsp://c/a/track1" },
		{ "rtsp://c/a?x=1", "trackID=2", "rtsp://c/a?x=1/trackID=2" },
		{ "rtsp://c/a", "rtsp://10.0.0.1/a/track1", "rtsp://10.0.0.1/a/track1" },
		{ "rtsp://c/a", "RTSPS://c/b", "RTSPS://c/b" },
	};
	static const struct { const char *value, *is; bool odd; } b[] = {
		{ "rtsp://10.0.0.1/x/", "rtsp://10.0.0.1/x/", false },
		{ "10.0.0.1:554/x/", "rtsp://10.0.0.1:554/x/", true },
		{ "//10.0.0.1/x/", "rtsp://10.0.0.1/x/", true },
		{ "/x/", "rtsp://c:8554/x/", true },
		{ "", NULL, true }, { "x", NULL, true }, { "http://c/x", NULL, true }, { "rtsp://", NULL, true },
		{ "rtsp://c/a b", NULL, true },
	};
	char out[CB_RTSP_URI_MAX], big[CB_RTSP_URI_MAX + 10];
	bool was_odd;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		OK(cb_rtsp_url_join(out, t[i].base, t[i].control));
		OK_STR(out, t[i].is);
	}
	OK(!cb_rtsp_url_join(out, "rtsp://c/a", "x\r\ny"));
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	OK(!cb_rtsp_url_join(out, "rtsp://c/a", big));
	for (size_t i = 0; i < sizeof(b) / sizeof(*b); i++) {
		bool r = cb_rtsp_url_base(out, b[i].value, strlen(b[i].value), "rtsp://c:8554/y?z", &was_odd);

		OK_NAMED(r == (b[i].is != NULL), b[i].value);
		if (r) {
			OK_STR(out, b[i].is);
			OK(was_odd == b[i].odd);
		}
	}
}

/* --- messages ------------------------------------------------------------------------------------ */

static struct cb_oddities odd;
static struct cb_rtsp_msg msg;
static size_t used;

static int parse(const char *text, size_t n)
{
	memset(&odd, 0, sizeof(odd));
	err = (struct cb_err)CB_ERR_INIT;
	return cb_rtsp_msg_parse(&msg, (const uint8_t *)text, n, &used, &odd, &err);
}

static uint64_t odds(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < CB_ODD_COUNT; i++)
		n += odd.n[i];
	return n;
}

static bool same(struct cb_rtsp_text t, const char *s)
{
	return t.p && t.n == strlen(s) && memcmp(t.p, s, t.n) == 0;
}

static void messages(void)
{
	static const char answer[] = "RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Length: 3\r\nX: a:b \r\n\r\nv=0rest";
	static const char request[] = "OPTIONS rtsp://c/ RTSP/1.0\r\ncseq:8\r\n\r\n";
	uint32_t v;

	OK(parse(answer, sizeof(answer) - 1) == 1 && msg.kind == CB_RTSP_RESPONSE && msg.status == 200 && !msg.http);
	OK(same(msg.reason, "OK") && msg.body_len == 3 && memcmp(msg.body, "v=0", 3) == 0);
	OK(used == sizeof(answer) - 1 - 4);
	OK(cb_rtsp_header_u32(&msg, "CSEQ", &v) && v == 7);
	OK(same(cb_rtsp_header(&msg, "x"), "a:b") && !cb_rtsp_header(&msg, "y").p && !cb_rtsp_header_u32(&msg, "x", &v));
	OK_INT(odd.n[CB_ODD_RTSP_SYNTAX], 1);	/* the blank at the end */
	/* each part of it is too little, and nothing of it goes */
	for (size_t n = 0; n < sizeof(answer) - 1 - 4; n++)
		if (parse(answer, n) != 0 || used != 0 || odds()) {
			OK_NAMED(0, "a part of an answer");
			break;
		}
	OK(parse(request, sizeof(request) - 1) == 1 && msg.kind == CB_RTSP_REQUEST && same(msg.method, "OPTIONS") && !odds());
	OK(parse("RTSP/1.0 200\r\n\r\n", 16) == 1 && msg.status == 200 && !msg.reason.n && !odds());
	OK(parse("HTTP/1.1 400 Bad Request\r\n\r\n", 28) == 1 && msg.http);
	OK(parse("RTSP/2.0 551 Option not supported\nCSeq: 1\n\n", 44) == 1 && msg.status == 551 &&
	   odd.n[CB_ODD_RTSP_SYNTAX] == 1);
	/* a header without a colon, a continued one, blanks before the colon */
	OK(parse("RTSP/1.0 200 OK\r\nnonsense\r\nA: b\r\n c\r\nCSeq : 3\r\n\r\n", 50) == 1 &&
	   cb_rtsp_header_u32(&msg, "CSeq", &v) && v == 3 && same(cb_rtsp_header(&msg, "a"), "b") &&
	   odd.n[CB_ODD_RTSP_SYNTAX] == 1);
}

static void frames(void)
{
	static const char two[] = "$\0\0\2ab\r\n$\1\0\0RTSP/1.0 200 OK\r\n\r\n";
	const size_t n = sizeof(two) - 1;
	size_t at = 0;

	OK(parse(two, n) == 1 && msg.kind == CB_RTSP_DATA && msg.channel == 0 && msg.body_len == 2 && used == 6 && !odds());
	at += used;
	OK(parse(two + at, n - at) == 1 && msg.kind == CB_RTSP_DATA && msg.channel == 1 && msg.body_len == 0 && used == 6);
	OK_INT(odd.n[CB_ODD_RTSP_BLANK_LINES], 1);
	at += used;
	OK(parse(two + at, n - at) == 1 && msg.kind == CB_RTSP_RESPONSE && at + used == n);
	OK(parse("$\0\xff\xff", 4) == 0 && used == 0);
	/* what belongs to nothing goes, up to what may begin something */
	OK(parse("garbage$\0\0\1x", 12) == 1 && used == 12 && odd.n[CB_ODD_RTSP_JUNK] == 1);
	OK(parse("\x80\x60zzRTSP/1.0 200 OK\r\n\r\n", 23) == 1 && msg.status == 200 && odd.n[CB_ODD_RTSP_JUNK] == 1);
	OK(parse("\x80\x60zzRT", 6) == 0 && used == 4);
	OK(parse("\x80\x60zz", 4) == 0 && used == 4);
	OK(parse("\r\n\r\n", 4) == 0 && used == 4);
	/* the beginning of a message that is none */
	OK(parse("RTSP/1.0 what\r\nA: b\r\n\r\n$\0\0\0", 27) == 1 && msg.kind == CB_RTSP_DATA && used == 27);
	OK(parse("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 26) == 0 && used == 26);
	OK(parse("AB CD\r\n\r\n", 9) == 0 && used == 9);
}

static void bounds(void)
{
	static char big[CB_RTSP_HEAD_MAX + 100];

	memset(big, 'a', sizeof(big));
	memcpy(big, "RTSP/1.0 200 OK\r\nA: ", 20);
	OK(parse(big, CB_RTSP_HEAD_MAX) == 0);
	OK(parse(big, sizeof(big)) < 0 && err.code == CB_E_PROTOCOL);
	for (size_t i = 17; i + 6 < sizeof(big); i += 6)
		memcpy(big + i, "A: b\r\n", 6);
	memcpy(big + 17 + 6 * 100, "\r\n", 2);
	OK(parse(big, sizeof(big)) == 1 && msg.n == CB_RTSP_HEADERS && odd.n[CB_ODD_RTSP_SYNTAX] == 1);
	OK(parse("RTSP/1.0 200 OK\r\nContent-Length: 262145\r\n\r\n", 44) < 0 && err.code == CB_E_PROTOCOL);
	OK(parse("RTSP/1.0 200 OK\r\nContent-Length: 262144\r\n\r\n", 44) == 0);
	OK(parse("RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", 40) == 1 && msg.body_len == 0 &&
	   odd.n[CB_ODD_RTSP_SYNTAX] == 1);
}

static struct cb_rtsp_text text(const char *s)
{
	return (struct cb_rtsp_text){ s, strlen(s) };
}

static void headers(void)
{
	char id[CB_RTSP_SESSION_MAX], big[300];
	struct cb_rtsp_transport t;
	struct cb_rtsp_info info[4];
	uint32_t s = 60;
	bool was_odd;

	OK(cb_rtsp_lists(text("OPTIONS, DESCRIBE,GET_PARAMETER"), "get_parameter"));
	OK(cb_rtsp_lists(text("OPTIONS GET_PARAMETER"), "GET_PARAMETER"));
	OK(!cb_rtsp_lists(text("OPTIONS, SET_PARAMETER"), "GET_PARAMETER") && !cb_rtsp_lists(text(""), "X"));

	OK(cb_rtsp_session_parse(id, &s, text("12AB;timeout=30")) && strcmp(id, "12AB") == 0 && s == 30);
	OK(cb_rtsp_session_parse(id, &s, text(" 12 ; timeout = 90 ")) && strcmp(id, "12") == 0 && s == 90);
	OK(cb_rtsp_session_parse(id, &s, text("a;timeout=x;b")) && s == 90);
	OK(cb_rtsp_session_parse(id, &s, text("a;timeout=0")) && s == 90);
	OK(!cb_rtsp_session_parse(id, &s, text("")) && !cb_rtsp_session_parse(id, &s, text(";timeout=3")));
	OK(!cb_rtsp_session_parse(id, &s, text("a b")));
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	OK(!cb_rtsp_session_parse(id, &s, text(big)));

	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=4A2B00ff;mode=\"PLAY\""), &was_odd) &&
	   t.tcp && t.channel[0] == 2 && t.channel[1] == 3 && t.have_ssrc && t.ssrc == 0x4a2b00ff && !was_odd);
	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP;unicast;client_port=5000-5001;server_port=6000"), &was_odd) &&
	   !t.tcp && t.client_port[1] == 5001 && t.server_port[0] == 6000 && t.server_port[1] == -1 && !was_odd);
	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP/TCP;interleaved=0-1;ssrc=  4a2b"), &was_odd) && t.ssrc == 0x4a2b && was_odd);
	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP/TCP;interleaved=0-1;ssrc=4a 2b"), &was_odd) && t.ssrc == 0x4a2b && was_odd);
	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP/TCP;interleaved=0-1;ssrc=nonsense"), &was_odd) && !t.have_ssrc && was_odd);
	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP;multicast;port=1-2, RTP/AVP/TCP"), &was_odd) && t.multicast && !t.tcp);
	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP/TCP;interleaved=0-256"), &was_odd) && was_odd);
	OK(cb_rtsp_transport_parse(&t, text("unicast;interleaved=0-1"), &was_odd) && t.tcp && was_odd);
	OK(cb_rtsp_transport_parse(&t, text("RTP/AVP/TCP;unicast;interleaved=0-1;"), &was_odd) && was_odd);
	OK(!cb_rtsp_transport_parse(&t, text("nonsense"), &was_odd) && was_odd);
	OK(!cb_rtsp_transport_parse(&t, (struct cb_rtsp_text){ NULL, 0 }, &was_odd));

	OK_INT(cb_rtsp_info_parse(info, 4, text("url=rtsp://c/a/1;seq=45;rtptime=1234,url=rtsp://c/a/2;seq=2"), &was_odd), 2);
	OK(!was_odd && info[0].have_seq && info[0].seq == 45 && info[0].rtptime == 1234 && info[1].seq == 2 &&
	   !info[1].have_rtptime && same(info[1].url, "rtsp://c/a/2"));
	OK_INT(cb_rtsp_info_parse(info, 4, text("url=rtsp://c/a;seq=45;rtptime=1;"), &was_odd), 1);
	OK(was_odd);
	OK(cb_rtsp_info_parse(info, 4, text("url=rtsp://c/a;seq=70000"), &was_odd) == 1 && was_odd && !info[0].have_seq);
	OK(cb_rtsp_info_parse(info, 4, text("url=rtsp://c/a;rtptime=-1"), &was_odd) == 1 && was_odd);
	OK(cb_rtsp_info_parse(info, 4, text("rtsp://c/a"), &was_odd) == 1 && was_odd);
	OK(cb_rtsp_info_parse(info, 4, text(","), &was_odd) == 0 && was_odd);
	OK(cb_rtsp_info_parse(info, 1, text("url=a;seq=1,url=b;seq=2"), &was_odd) == 1);
}

/* --- authentication --------------------------------------------------------------------------------- */

static struct cb_auth offered(const char *value)
{
	struct cb_auth a = { 0 };

	cb_auth_offer(&a, value, strlen(value));
	return a;
}

/* The answer to a challenge with this cnonce, NUL-terminated. */
static const char *answer(const char *challenge, const char *user, const char *password, const char *method,
			  const char *uri, const char *body, const char *cnonce)
{
	static struct cb_buf out;
	struct cb_auth a = offered(challenge);

	out.len = 0;
	if (cnonce)
		snprintf(a.cnonce, sizeof(a.cnonce), "%s", cnonce);
	err = (struct cb_err)CB_ERR_INIT;
	if (cb_auth_answer(&a, &out, user, password, method, uri, body, strlen(body), &err) < 0)
		return "";
	cb_buf_byte(&out, 0);
	return (const char *)out.data;
}

static void vectors(void)
{
	/* RFC 1321 A.5 */
	static const struct { const char *in, *sum; } md5[] = {
		{ "", "d41d8cd98f00b204e9800998ecf8427e" },
		{ "abc", "900150983cd24fb0d6963f7d28e17f72" },
		{ "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		  "57edf4a22be3c955ac49da2e2107b67a" },
	};
	const char *a;

	for (size_t i = 0; i < sizeof(md5) / sizeof(*md5); i++) {
		struct cb_md5 h;
		uint8_t sum[CB_MD5_LEN];
		char hex[2 * CB_MD5_LEN + 1];

		cb_md5_init(&h);
		cb_md5_update(&h, md5[i].in, strlen(md5[i].in));
		cb_md5_final(&h, sum);
		cb_hex(hex, sum, sizeof(sum));
		OK_STR(hex, md5[i].sum);
	}
	/* RFC 7617 2 */
	OK_STR(answer("Basic realm=\"WallyWorld\"", "Aladdin", "open sesame", "GET", "/", "", NULL),
	       "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
	/* RFC 2617 3.5 */
	a = answer("Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
		   "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"", "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "",
		   "0a4f113b");
	OK(strstr(a, "response=\"6629fae49393a05397450978507c4ef1\""));
	OK(strstr(a, "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"") && strstr(a, "qop=auth, nc=00000001") &&
	   !strstr(a, "algorithm"));
	/* RFC 7616 3.9.1, both */
#define C7616 " realm=\"http-auth@example.org\", qop=\"auth, auth-int\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"," \
	" opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
	a = answer("Digest" C7616 ", algorithm=MD5", "Mufasa", "Circle of Life", "GET", "/dir/index.html", "",
		   "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
	OK(strstr(a, "algorithm=MD5") && strstr(a, "response=\"8ca523f5e9506fed4657c9700eebdbec\""));
	a = answer("Digest" C7616 ", algorithm=SHA-256", "Mufasa", "Circle of Life", "GET", "/dir/index.html", "",
		   "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
	OK(strstr(a, "algorithm=SHA-256") &&
	   strstr(a, "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""));
}

static void strength(void)
{
#define MD5C "Digest realm=\"r\", nonce=\"n\""
#define SHAC "Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256"
	OK(offered("Basic realm=\"r\"").scheme == CB_AUTH_BASIC);
	OK(offered("basic").scheme == CB_AUTH_BASIC);
	OK(offered(MD5C).scheme == CB_AUTH_DIGEST_MD5);
	OK(offered(SHAC).scheme == CB_AUTH_DIGEST_SHA256);
	OK(offered("Basic realm=\"r\", " MD5C).scheme == CB_AUTH_DIGEST_MD5);
	OK(offered(MD5C ", Basic realm=\"r\"").scheme == CB_AUTH_DIGEST_MD5);
	OK(offered(MD5C ", " SHAC).scheme == CB_AUTH_DIGEST_SHA256);
	OK(strcmp(offered(SHAC ", " MD5C).nonce, "n2") == 0);
	OK(offered("Negotiate, NTLM TlRMTVNTUA==, " MD5C).scheme == CB_AUTH_DIGEST_MD5);
	/* what cameras write */
	OK(offered("Digest realm=r,nonce=n").scheme == CB_AUTH_DIGEST_MD5);
	OK(offered("Digest realm=\"r\" nonce=\"n\" stale=TRUE").stale);
	OK(offered("DIGEST realm = \"r\" , nonce = \"n\",").scheme == CB_AUTH_DIGEST_MD5);
	OK(offered("Digest realm=\"r\", nonce=\"n").scheme == CB_AUTH_DIGEST_MD5);
	OK(offered(MD5C ", algorithm=\"md5\"").scheme == CB_AUTH_DIGEST_MD5);
	OK(offered(MD5C ", algorithm=MD5-sess").sess);
	OK(strcmp(offered("Digest realm=\"a\\\"b\\\\\", nonce=\"n\"").realm, "a\"b\\") == 0);
	OK(offered(MD5C ", qop=auth").qop == CB_QOP_AUTH && offered(MD5C ", qop=\"auth-int\"").qop == CB_QOP_AUTH_INT);
	OK(offered(MD5C ", qop=\"\"").qop == CB_QOP_NONE && offered(MD5C ", qop=\"\"").scheme == CB_AUTH_DIGEST_MD5);
	/* what cannot be answered */
	OK(!offered("").scheme && !offered("Digest").scheme && !offered("Digest realm=\"r\"").scheme);
	OK(!offered(MD5C ", algorithm=SHA-512-256").scheme && !offered(MD5C ", qop=\"x\"").scheme);
	OK(!offered("Digest realm=\"a\rb\", nonce=\"n\"").scheme);
	OK(!offered("====,,,\"\"").scheme);
	OK(!offered("Bearer realm=\"r\"").scheme);
	OK_STR(answer("Bearer x", "u", "p", "GET", "/", "", NULL), "");
	OK(err.code == CB_E_PERM);
	OK_STR(answer("Basic realm=x", "u:v", "p", "GET", "/", "", NULL), "");
}

static void forms(void)
{
	struct cb_buf out = { 0 };
	struct cb_auth a;
	const char *s;

	/* RFC 2069: without qop neither cnonce nor nc */
	s = answer("Digest realm=\"r\", nonce=\"n\"", "u", "p", "DESCRIBE", "rtsp://c/", "", NULL);
	OK(!strstr(s, "nonce=\"\"") && !strstr(s, "cnonce") && !strstr(s, "nc=") && strstr(s, "uri=\"rtsp://c/\""));
	/* md5(md5(u:r:p):n:md5(DESCRIBE:rtsp://c/)), and so on, by Python's hashlib */
	OK(strstr(s, "response=\"1eb7ac3f4d1d6882c4ed231c560464a9\""));
	s = answer("Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess, qop=auth", "u", "p", "PLAY", "rtsp://c/", "", "cn");
	OK(strstr(s, "response=\"272ec78ae81556a211ca48b9f0799bfc\"") && strstr(s, "algorithm=MD5-sess"));
	s = answer("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=auth-int", "u", "p", "PLAY", "rtsp://c/", "body", "cn");
	OK(strstr(s, "response=\"1ce0d995db38f1c8bfcbba069fc2fd8b77acde2860ab4834ca5c9e2da58ee825\"") && strstr(s, "qop=auth-int"));
	s = answer("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=auth, userhash=true", "u", "p", "PLAY", "rtsp://c/", "", "cn");
	OK(strstr(s, "username=\"1d8a03a6e21a4ce775060ea57360329ac750dea5d847297b42f0d46539af8ab2\"") && strstr(s, "userhash=true"));
	s = answer("Digest realm=\"a\\\"b\", nonce=\"n\"", "u\\v", "p", "PLAY", "rtsp://c/", "", NULL);
	OK(strstr(s, "realm=\"a\\\"b\"") && strstr(s, "username=\"u\\\\v\""));
	/* requests under one nonce are counted, and cnonces are random */
	a = offered("Digest realm=\"r\", nonce=\"n\", qop=auth");
	OK(cb_auth_answer(&a, &out, "u", "p", "PLAY", "x", "", 0, &err) == 0 && a.nc == 1 && strlen(a.cnonce) == 32);
	OK(cb_auth_answer(&a, &out, "u", "p", "PLAY", "x", "", 0, &err) == 0 && a.nc == 2);
	OK(memmem(out.data, out.len, "nc=00000002", 11));
	cb_buf_release(&out);
}

int main(void)
{
	addresses();
	shown();
	joined();
	messages();
	frames();
	bounds();
	headers();
	vectors();
	strength();
	forms();
	return done();
}
