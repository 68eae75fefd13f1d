/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions, RTP in order, RTCP, and the clocks of live streams. */
#include <math.h>

#include "base/num.h"
#include "base/time.h"
#include "rtsp/clock.h"
#include "rtsp/events.h"
#include "rtsp/rtcp.h"
#include "rtsp/rtp.h"
#include "rtsp/sdp.h"
#include "tap.h"
#include "wire/event.h"

static struct cb_oddities odd;

static void fresh(void)
{
	odd = (struct cb_oddities){ 0 };
}

static unsigned odds(void)
{
	unsigned n = 0;

	for (int i = 0; i < CB_ODD_COUNT; i++)
		n += odd.n[i] > 0;
	return n;
}

/* --- descriptions --------------------------------------------------------------------------- */

static int sdp(struct cb_sdp *s, const char *text)
{
	fresh();
	return cb_sdp_parse(s, text, strlen(text), &odd, NULL);
}

static bool param_is(const struct cb_sdp_media *m, const char *name, const char *want)
{
	size_t n = 0;
	const char *v = cb_sdp_param(m, name, &n);

	return want ? v && n == strlen(want) && memcmp(v, want, n) == 0 : !v;
}

static void descriptions(void)
{
	struct cb_sdp s;
	char *big;
	size_t n;

	OK(!sdp(&s, "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=Media Presentation\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
		    "a=control:rtsp://cam/\r\na=range:npt=0-\r\n"
		    "m=video 0 RTP/AVP 96\r\nb=AS:5000\r\na=control:trackID=1\r\na=rtpmap:96 H264/90000\r\n"
		    "a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z0IA,aM4=\r\n"
		    "a=framerate:29.97\r\na=x-dimensions:1920,1080\r\na=recvonly\r\n"
		    "m=audio 0 RTP/AVP 0\r\na=control:trackID=2\r\n"
		    "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"));
	OK_INT(s.n, 3);
	OK_INT(odds(), 0);
	OK_STR(s.control, "rtsp://cam/");
	OK_STR(s.name, "Media Presentation");
	OK_STR(s.range, "npt=0-");
	OK_STR(s.media[0].encoding, "H264");
	OK_INT(s.media[0].clock_rate, 90000);
	OK_INT(s.media[0].payload, 96);
	OK(s.media[0].rtp && s.media[0].kind == CB_SDP_VIDEO && s.media[0].direction == CB_SDP_RECVONLY);
	OK_STR(s.media[0].control, "trackID=1");
	OK(s.media[0].width == 1920 && s.media[0].height == 1080);
	OK(s.media[0].fr_num == 29970 && s.media[0].fr_den == 1000);
	OK(param_is(&s.media[0], "sprop-parameter-sets", "Z0IA,aM4="));
	OK(param_is(&s.media[0], "PROFILE-level-id", "420029"));
	OK(param_is(&s.media[0], "level-id", NULL));
	OK_INT(cb_sdp_param_u32(&s.media[0], "packetization-mode", 9), 1);
	OK_INT(cb_sdp_param_u32(&s.media[0], "profile", 9), 9);
	OK_STR(s.media[1].encoding, "PCMU");
	OK(s.media[1].clock_rate == 8000 && s.media[1].channels == 1 && s.media[1].fmtp[0] == '\0');
	OK_STR(s.media[2].encoding, "VND.ONVIF.METADATA");
	cb_sdp_release(&s);

	/* what cameras write */
	OK(!sdp(&s, "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000 \na=fmtp:96\na=control:a \n"));
	OK(s.n == 1 && strcmp(s.media[0].encoding, "H264") == 0 && s.media[0].clock_rate == 90000);
	OK_STR(s.media[0].control, "a");
	OK(odd.n[CB_ODD_SDP_BLANKS] == 2 && odd.n[CB_ODD_SDP_FMTP] == 1 && odd.n[CB_ODD_SDP_NO_ORIGIN] == 1);
	OK_INT(odds(), 3);
	cb_sdp_release(&s);
	OK(!sdp(&s, "o=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:97 h265/90000\r\na=fmtp:98 x=y\r\n"));
	OK_STR(s.media[0].encoding, "H265");
	OK(s.media[0].payload == 97 && param_is(&s.media[0], "x", "y"));
	OK(odd.n[CB_ODD_SDP_NO_VERSION] && odd.n[CB_ODD_SDP_RTPMAP] && odd.n[CB_ODD_SDP_FMTP]);
	cb_sdp_release(&s);
	OK(!sdp(&s, "v=0\r\no=x\r\nm=video 0 RTP/AVP 50\r\nm=audio 0 RTP/AVP 50 8 0\r\nm=video 0 RTP/AVP\r\nm=\r\nm=text x y z\r\n"));
	OK(s.n == 5 && !s.media[0].encoding[0] && strcmp(s.media[1].encoding, "PCMA") == 0 && !s.media[2].encoding[0]);
	OK_INT(odd.n[CB_ODD_SDP_UNKNOWN_PAYLOAD], 2);
	cb_sdp_release(&s);
	OK(!sdp(&s, "v=0\r\no=x\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 L16\r\nm=video 0 RTP/AVP 98\r\na=rtpmap:98 H264/0/9999\r\n"
		    "m=video 1 RTP/SAVP 98\r\nm=video 1 RTP/AVPF 26\r\nm=video 1 RTP/AVP/TCP 26\r\nm=video 1 udp 26\r\n"));
	OK(s.media[0].clock_rate == 8000 && s.media[1].clock_rate == 90000 && odd.n[CB_ODD_SDP_RTPMAP] == 2);
	OK(s.media[0].rtp && !s.media[2].rtp && s.media[3].rtp && s.media[4].rtp && !s.media[5].rtp);
	cb_sdp_release(&s);
	OK(!sdp(&s, "\xef\xbb\xbfv=0\r\n\r\n\r\no=x\r\n  s=y\r\nnonsense\r\nm=video 0 RTP/AVP 26\r\na=framesize:26 640-480\r\n"
		    "a=fmtp:26 a = 1 ;;b;c=;=d; a=2\r\nzz\r\n"));
	OK(s.media[0].width == 640 && s.media[0].height == 480);
	OK(param_is(&s.media[0], "a", "1") && param_is(&s.media[0], "b", "") && param_is(&s.media[0], "c", ""));
	OK(odd.n[CB_ODD_SDP_SYNTAX] == 3 && odd.n[CB_ODD_SDP_BLANKS] == 1);
	cb_sdp_release(&s);
	fresh();
	OK(!cb_sdp_parse(&s, "v=0\0\r\nm=video\0 0 RTP/AVP 26\r\n", 30, &odd, NULL));
	OK(s.n == 1 && s.media[0].kind == CB_SDP_VIDEO && odd.n[CB_ODD_SDP_SYNTAX]);
	cb_sdp_release(&s);
	/* bounds */
	OK(sdp(&s, "") < 0 && sdp(&s, "v=0\r\no=x\r\n") < 0 && sdp(&s, "hello") < 0);
	big = malloc(CB_SDP_MAX + 1);
	if (!OK(big))
		return;
	for (n = 0; n + 32 < CB_SDP_MAX;)
		n += (size_t)sprintf(big + n, "m=video 0 RTP/AVP 26\r\n");
	fresh();
	OK(!cb_sdp_parse(&s, big, n, &odd, NULL));
	OK(s.n == CB_SDP_MEDIA && odd.n[CB_ODD_SDP_LIMIT] == 1);
	cb_sdp_release(&s);
	OK(cb_sdp_parse(&s, big, CB_SDP_MAX + 1, &odd, NULL) < 0);
	free(big);
}

/* --- RTP --------------------------------------------------------------------------------------- */

static size_t packet(uint8_t *p, uint16_t seq, uint32_t ts, uint32_t ssrc)
{
	memset(p, 0, 16);
	p[0] = 0x80;
	p[1] = 96;
	cb_put_be16(p + 2, seq);
	cb_put_be32(p + 4, ts);
	cb_put_be32(p + 8, ssrc);
	p[12] = (uint8_t)seq;
	return 16;
}

struct trace {
	uint64_t seq[256], lost;
	int64_t ts[256];
	unsigned n, restarts;
};

static void drain(struct cb_rtp_recv *r, struct trace *t)
{
	struct cb_rtp_packet p;

	while (cb_rtp_recv_pull(r, &p)) {
		if (t->n < 256) {
			t->seq[t->n] = p.seq;
			t->ts[t->n++] = p.ts;
		}
		t->lost += p.lost;
		t->restarts += p.restart;
		if (p.len != 4 || p.payload[0] != (uint8_t)p.seq)
			t->lost += 1000000;
	}
}

static struct cb_rtp_recv *receiver(unsigned window)
{
	struct cb_rtp_opts o = { .clock_rate = 90000, .payload_type = 96, .window = window, .hold_ns = 50 };
	struct cb_rtp_recv *r = NULL;

	fresh();
	OK(!cb_rtp_recv_new(&r, &o, &odd, NULL));
	return r;
}

static void push(struct cb_rtp_recv *r, struct trace *t, uint16_t seq, uint32_t ts, uint32_t ssrc, uint64_t mono)
{
	uint8_t p[16];
	uint8_t *exact = malloc(16);

	packet(p, seq, ts, ssrc);
	memcpy(exact, p, 16);
	cb_rtp_recv_push(r, exact, 16, 1, mono, NULL);
	drain(r, t);
	free(exact);
}

static void order(void)
{
	static const int rows[][8] = {	/* orders of eight packets within a window of four */
		{ 0, 1, 2, 3, 4, 5, 6, 7 }, { 0, 2, 1, 4, 3, 6, 5, 7 }, { 0, 3, 2, 1, 4, 7, 6, 5 }, { 0, 1, 4, 2, 3, 5, 7, 6 },
	};
	struct cb_rtp_report rep;
	struct cb_rtp_recv *r;
	int64_t ts;
	uint32_t ssrc;

	for (unsigned k = 0; k < 4; k++) {
		for (unsigned start = 65530; start < 65546; start++) {
			struct trace t = { 0 };
			bool good = true;

			r = receiver(4);
			for (int i = 0; i < 8; i++)
				push(r, &t, (uint16_t)(start + (unsigned)rows[k][i]), 5, 1, 10);
			for (unsigned i = 0; i < t.n; i++)
				good &= t.seq[i] == t.seq[0] + i && (uint16_t)t.seq[i] == (uint16_t)(start + i);
			if (!good || t.n != 8 || t.lost)
				OK_NAMED(false, "order restored, at every place of the wrap");
			cb_rtp_recv_free(r);
		}
	}
	OK_NAMED(true, "order restored, at every place of the wrap, four orders");
	{
		struct trace t = { 0 };

		r = receiver(4);
		push(r, &t, 1, 0, 1, 10);
		push(r, &t, 3, 0, 1, 20);
		OK_INT(t.n, 1);
		OK_INT(cb_rtp_recv_deadline(r), 70);
		cb_rtp_recv_tick(r, 69);
		drain(r, &t);
		OK_INT(t.n, 1);
		cb_rtp_recv_tick(r, 70);
		drain(r, &t);
		OK(t.n == 2 && t.lost == 1 && t.seq[1] == 3);
		OK(cb_rtp_recv_deadline(r) == UINT64_MAX);
		push(r, &t, 2, 0, 1, 80);	/* too late */
		OK(t.n == 2 && odd.n[CB_ODD_RTP_LATE] == 1);
		push(r, &t, 3, 0, 1, 80);
		OK(t.n == 2 && odd.n[CB_ODD_RTP_DUPLICATE] == 1);
		push(r, &t, 7, 0, 1, 90);
		push(r, &t, 8, 0, 1, 90);	/* the window is full: 4 is given up, 5 still can come */
		OK_INT(t.n, 2);
		push(r, &t, 9, 0, 1, 90);
		push(r, &t, 10, 0, 1, 90);
		push(r, &t, 11, 0, 1, 90);
		OK(t.n == 7 && t.lost == 4);
		push(r, &t, 14, 0, 1, 90);
		cb_rtp_recv_flush(r);
		drain(r, &t);
		OK(t.n == 8 && t.lost == 6);
		OK_INT(cb_rtp_recv_stats(r)->lost, 6);
		OK(cb_rtp_recv_report(r, &rep));
		OK_INT(rep.highest_seq, 14);
		OK_INT(rep.cumulative_lost, 6);
		OK_INT(rep.fraction_lost, 6 * 256 / 14);
		cb_rtp_recv_report(r, &rep);
		OK_INT(rep.fraction_lost, 0);
		cb_rtp_recv_free(r);
	}
	{	/* 64 bits of time: forwards over the wrap many times, and back over it */
		struct trace t = { 0 };
		bool good = true;

		r = receiver(0);
		for (unsigned i = 0; i < 200; i++)
			push(r, &t, (uint16_t)i, (uint32_t)(4294900000u + i * 1000000000u), 1, 10);
		for (unsigned i = 0; i < t.n; i++)
			good &= t.ts[i] == INT64_C(4294900000) + i * INT64_C(1000000000);
		OK(good && t.n == 200);
		push(r, &t, 200, 4294900000u + 198u * 1000000000u, 1, 10);
		OK(t.ts[200] == INT64_C(4294900000) + 198 * INT64_C(1000000000));
		OK(cb_rtp_recv_unwrap(r, 4294900000u + 199u * 1000000000u, &ts) &&
		   ts == INT64_C(4294900000) + 199 * INT64_C(1000000000));
		cb_rtp_recv_free(r);
	}
	{	/* a number far away: once is a stray, twice is a new beginning */
		struct trace t = { 0 };

		r = receiver(0);
		OK(!cb_rtp_recv_ssrc(r, &ssrc) && !cb_rtp_recv_unwrap(r, 1, &ts) && !cb_rtp_recv_report(r, &rep));
		for (unsigned i = 0; i < 10; i++)
			push(r, &t, (uint16_t)i, 0, 7, 10);
		push(r, &t, 30000, 0, 7, 10);
		push(r, &t, 10, 0, 7, 10);
		OK(t.n == 11 && t.lost == 0 && t.restarts == 0);
		push(r, &t, 30000, 0, 7, 10);
		push(r, &t, 30001, 0, 7, 10);
		OK(t.n == 13 && t.restarts == 1 && t.seq[11] > t.seq[10] && (uint16_t)t.seq[11] == 30000);
		push(r, &t, 5, 900000, 8, 10);
		OK_INT(t.n, 13);
		push(r, &t, 6, 900000, 8, 10);
		OK(t.n == 15 && t.restarts == 2 && odd.n[CB_ODD_RTP_SSRC] == 1 && odd.n[CB_ODD_RTP_RESTART] == 1);
		OK(cb_rtp_recv_ssrc(r, &ssrc) && ssrc == 8);
		OK(t.seq[14] == t.seq[13] + 1 && t.seq[13] > t.seq[12]);
		cb_rtp_recv_free(r);
	}
	{	/* what waits when a new source begins is not forgotten */
		struct trace t = { 0 };

		r = receiver(8);
		push(r, &t, 1, 0, 7, 10);
		push(r, &t, 3, 0, 7, 10);
		push(r, &t, 100, 0, 9, 10);
		push(r, &t, 101, 0, 9, 10);
		OK(t.n == 4 && (uint16_t)t.seq[1] == 3 && (uint16_t)t.seq[3] == 101 && t.restarts == 1);
		cb_rtp_recv_free(r);
	}
	{	/* the Transport header names another source than the one that sends */
		struct cb_rtp_opts o = { .clock_rate = 90000, .payload_type = -1, .have_ssrc = true, .ssrc = 5 };
		struct trace t = { 0 };

		fresh();
		OK(!cb_rtp_recv_new(&r, &o, &odd, NULL));
		push(r, &t, 1, 0, 6, 10);
		OK_INT(t.n, 0);
		push(r, &t, 2, 0, 6, 10);
		push(r, &t, 3, 0, 6, 10);
		OK(t.n == 3 && t.restarts == 0 && odd.n[CB_ODD_RTP_SSRC] == 1);
		cb_rtp_recv_free(r);
	}
}

static void header(void)
{
	static const uint8_t ok[] = { 0xb1, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 'a', 'b', 0, 2 };
	uint8_t p[sizeof ok];
	struct cb_rtp r;

	fresh();
	OK(cb_rtp_parse(&r, ok, sizeof(ok), &odd));
	OK(r.marker && r.payload_type == 96 && r.seq == 1 && r.ts == 2 && r.ssrc == 3 && r.len == 2 && r.payload[0] == 'a');
	OK(r.ext_profile == 0xbede && r.ext_len == 4 && r.ext[3] == 4);
	for (size_t n = 0; n < 24; n++)
		if (cb_rtp_parse(&r, ok, n, &odd))
			OK_NAMED(false, "a header that is cut is none");
	OK_INT(odd.n[CB_ODD_RTP_MALFORMED], 24);
	memcpy(p, ok, sizeof(ok));
	p[sizeof(ok) - 1] = 5;
	OK(cb_rtp_parse(&r, p, sizeof(p), &odd) && r.len == 4 && odd.n[CB_ODD_RTP_PADDING] == 1);
	p[sizeof(ok) - 1] = 4;
	OK(cb_rtp_parse(&r, p, sizeof(p), &odd) && r.len == 0);
	p[0] = 0x40;
	OK(!cb_rtp_parse(&r, p, sizeof(p), &odd));
	OK(cb_rtp_is_rtcp((const uint8_t *)"\x80\xc8", 2) && !cb_rtp_is_rtcp(ok, sizeof(ok)) && !cb_rtp_is_rtcp(ok, 1));
}

/* --- RTCP ------------------------------------------------------------------------------------------ */

static void reports(void)
{
	static const uint8_t sr[] = {
		0x80, 200, 0, 6, 0, 0, 0, 9, 0xe8, 0, 0, 0, 0x80, 0, 0, 0, 0, 1, 0x5f, 0x90, 0, 0, 0, 5, 0, 0, 0, 6,
		0x81, 202, 0, 2, 0, 0, 0, 9, 1, 1, 'x', 0,
		0x80, 204, 0, 2, 0, 0, 0, 9, 'a', 'b', 'c', 'd',
		0x81, 203, 0, 3, 0, 0, 0, 9, 5, 'l', 'a', 't', 'e', 'r', 0, 0,
	};
	struct cb_rtp_report rep = { 9, 12, -2, 70000, 33 };
	struct cb_buf b = { 0 };
	struct cb_rtcp k;
	size_t pos = 0;

	fresh();
	OK(cb_rtcp_next(sr, sizeof(sr), &pos, &k, &odd) == 1 && k.type == CB_RTCP_SR && k.ssrc == 9);
	OK(k.ntp == UINT64_C(0xe800000080000000) && k.rtp_ts == 90000 && k.packets == 5 && k.octets == 6);
	OK(cb_rtcp_next(sr, sizeof(sr), &pos, &k, &odd) == 1 && k.type == CB_RTCP_SDES);
	OK(cb_rtcp_next(sr, sizeof(sr), &pos, &k, &odd) == 1 && k.type == CB_RTCP_APP && strcmp(k.name, "abcd") == 0);
	OK(cb_rtcp_next(sr, sizeof(sr), &pos, &k, &odd) == 1 && k.type == CB_RTCP_BYE && k.ssrc == 9 && k.reason_len == 5 &&
	   memcmp(k.reason, "later", 5) == 0);
	OK(cb_rtcp_next(sr, sizeof(sr), &pos, &k, &odd) == 0 && odds() == 0);
	pos = 0;
	OK(cb_rtcp_next((const uint8_t *)"\x81\xcb\0\5\0\0\0\1", 8, &pos, &k, &odd) == 1 && k.type == CB_RTCP_BYE && k.ssrc == 1);
	OK(odd.n[CB_ODD_RTCP_NOT_FIRST] == 1 && odd.n[CB_ODD_RTCP_MALFORMED] == 1);
	pos = 0;
	OK(cb_rtcp_next((const uint8_t *)"\x80\xcb\0\0", 4, &pos, &k, &odd) == 1 && k.type == CB_RTCP_BYE && k.ssrc == 0);
	for (size_t n = 1; n < sizeof(sr); n++) {
		int r;

		pos = 0;
		while ((r = cb_rtcp_next(sr, n, &pos, &k, &odd)) == 1)
			;
		if (pos != n)
			OK_NAMED(false, "a compound that is cut ends");
	}
	/* ours, read back */
	OK(!cb_rtcp_receiver_report(&b, 77, "cb", &rep, UINT64_C(0x1122334455667788), CB_NS_PER_S / 2, NULL));
	pos = 0;
	OK(cb_rtcp_next(b.data, b.len, &pos, &k, &odd) == 1 && k.type == CB_RTCP_RR && k.ssrc == 77 && k.body_len == 28);
	OK(cb_be32(k.body + 4) == 9 && k.body[8] == 12 && cb_be32(k.body + 8) << 8 >> 8 == 0xfffffe && cb_be32(k.body + 12) == 70000);
	OK(cb_be32(k.body + 20) == 0x33445566 && cb_be32(k.body + 24) == 32768);
	OK(cb_rtcp_next(b.data, b.len, &pos, &k, &odd) == 1 && k.type == CB_RTCP_SDES && k.ssrc == 77);
	OK(cb_rtcp_next(b.data, b.len, &pos, &k, &odd) == 0);
	for (size_t n = 1; n <= 70; n++) {	/* names of every length keep the four-byte grid */
		char name[71];

		memset(name, 'n', n);
		name[n] = '\0';
		b.len = 0;
		pos = 0;
		if (cb_rtcp_bye(&b, 1, name, NULL) || b.len % 4 || cb_rtcp_next(b.data, b.len, &pos, &k, &odd) != 1 ||
		    cb_rtcp_next(b.data, b.len, &pos, &k, &odd) != 1 || cb_rtcp_next(b.data, b.len, &pos, &k, &odd) != 1 ||
		    k.type != CB_RTCP_BYE || k.ssrc != 1 || pos != b.len)
			OK_NAMED(false, "names of every length");
	}
	cb_buf_release(&b);
	/* RFC 3550 and 4330: 2208988800 s from 1900 to 1970; era 1 begins 2036-02-07T06:28:16Z */
	OK_INT(cb_ntp_to_ns(UINT64_C(2208988800) << 32 | 0x80000000), CB_NS_PER_S / 2);
	OK_INT(cb_ntp_to_ns(0), INT64_C(2085978496) * CB_NS_PER_S);
	OK_INT(cb_ntp_to_ns(cb_ns_to_ntp(INT64_C(1795251282123456789))), INT64_C(1795251282123456789));
	OK_INT(cb_ntp_to_ns(cb_ns_to_ntp(INT64_C(2500000000999999999))), INT64_C(2500000000999999999));
}

/* --- clocks ------------------------------------------------------------------------------------------ */

#define W0 (INT64_C(1795251282) * CB_NS_PER_S)
#define MS INT64_C(1000000)

/* A camera and this machine: what each clock says at a moment, ns since the beginning. */
struct world {
	struct cb_clock c;
	int64_t t;
	int64_t camera_off, local_off;	/* of the wall clocks */
	int64_t ts_off;
	double ppm;			/* of the media clock */
	int64_t delay;			/* of the way here */
	uint8_t source, sync;
	int64_t wall, last_wall;
	unsigned backwards, notes[8];
	int64_t by[8];
	enum cb_clock_state state;
	double drift;
};

static void hear(struct world *w)
{
	struct cb_clock_note n;

	while (cb_clock_note(&w->c, &n)) {
		w->notes[n.what]++;
		w->by[n.what] = n.by_ns;
		w->state = n.state;
		if (n.have_drift)
			w->drift = n.drift_ppm;
	}
}

static int64_t media(const struct world *w)
{
	return 90000 + w->ts_off + (int64_t)((double)w->t * (1 + w->ppm * 1e-6) * 90000 / 1e9);
}

static void frame_at(struct world *w, int64_t t)
{
	w->t = t;
	w->wall = cb_clock_unit(&w->c, media(w), W0 + w->local_off + t + w->delay, (uint64_t)(5 * CB_NS_PER_S + t + w->delay),
				CB_SYNC_NO, &w->source, &w->sync);
	w->backwards += w->wall < w->last_wall;
	w->last_wall = w->wall;
	hear(w);
}

static void report_at(struct world *w, int64_t t)
{
	w->t = t;
	cb_clock_report(&w->c, W0 + w->camera_off + t, media(w), W0 + w->local_off + t + w->delay,
			(uint64_t)(5 * CB_NS_PER_S + t + w->delay));
	hear(w);
}

static void run(struct world *w, int64_t from, int64_t to, bool reports_too)
{
	for (int64_t t = from; t < to; t += 40 * MS) {
		if (reports_too && t % (5 * CB_NS_PER_S) == 0)
			report_at(w, t);
		frame_at(w, t);
	}
}

static struct world *world(void)
{
	static struct world w;

	fresh();
	w = (struct world){ .delay = 80 * MS };
	cb_clock_init(&w.c, 90000, &odd);
	return &w;
}

static void clocks(void)
{
	struct world *w = world();
	struct cb_buf b = { 0 };
	struct cb_json *j = malloc(sizeof(*j));
	struct cb_event ev;
	struct cb_clock_note note = { .what = CB_CLOCK_CAMERA_STEP, .state = CB_CLOCK_RTCP, .wall_ns = W0, .by_ns = -5000,
				      .offset_ns = 7000, .drift_ppm = 12.34, .have_drift = true };

	/* arrival, until a report; then the camera's, which the way here is not in */
	run(w, 0, 4 * CB_NS_PER_S, false);
	OK(w->source == CB_WALL_ARRIVAL && w->sync == CB_SYNC_NO && w->wall == W0 + w->t + 80 * MS);
	report_at(w, 4 * CB_NS_PER_S);
	OK(w->notes[CB_CLOCK_SYNC] == 1 && w->state == CB_CLOCK_RTCP);
	frame_at(w, 4 * CB_NS_PER_S);
	OK(w->source == CB_WALL_RTCP && w->sync == CB_SYNC_YES);
	OK(llabs(w->wall - (W0 + w->t)) < MS);
	w->last_wall = w->wall;
	w->backwards = 0;
	w->delay = 500 * MS;		/* the way becomes longer: no matter */
	run(w, 5 * CB_NS_PER_S, 60 * CB_NS_PER_S, true);
	OK(llabs(w->wall - (W0 + w->t)) < MS && w->backwards == 0 && odds() == 0);
	/* the camera's clock is set an hour back: told, not followed */
	w->camera_off = -3600 * CB_NS_PER_S;
	run(w, 60 * CB_NS_PER_S, 600 * CB_NS_PER_S, true);
	OK_INT(w->notes[CB_CLOCK_CAMERA_STEP], 1);
	OK(llabs(w->by[CB_CLOCK_CAMERA_STEP] + 3600 * CB_NS_PER_S) < MS);
	OK(w->source == CB_WALL_RTCP && w->sync == CB_SYNC_NO && w->backwards == 0 && odd.n[CB_ODD_SR_IMPLAUSIBLE] > 0);
	OK(llabs(w->wall - (W0 + w->t)) < 600 * MS);
	/* and right again, one second ahead: slewed to, not jumped */
	w->camera_off = CB_NS_PER_S;
	run(w, 600 * CB_NS_PER_S, 605 * CB_NS_PER_S, true);
	OK(w->wall - (W0 + w->t) < 600 * MS && w->notes[CB_CLOCK_CAMERA_STEP] == 2);
	run(w, 605 * CB_NS_PER_S, 4000 * CB_NS_PER_S, true);
	OK(llabs(w->wall - (W0 + CB_NS_PER_S + w->t)) < 2 * MS && w->backwards == 0 && w->sync == CB_SYNC_YES);

	/* this machine's clock is set: told, not followed */
	w = world();
	run(w, 0, CB_NS_PER_S, false);
	w->local_off = 86400 * CB_NS_PER_S;
	run(w, CB_NS_PER_S, 2 * CB_NS_PER_S, false);
	OK(w->notes[CB_CLOCK_LOCAL_STEP] == 1 && w->by[CB_CLOCK_LOCAL_STEP] == w->local_off);
	OK(w->wall == W0 + w->t + 80 * MS && w->backwards == 0);
	/* a camera that never heard of the date */
	w = world();
	w->camera_off = -W0;
	run(w, 0, 20 * CB_NS_PER_S, true);
	OK(w->state == CB_CLOCK_IMPLAUSIBLE && w->notes[CB_CLOCK_SYNC] == 1 && w->source == CB_WALL_ARRIVAL);
	w->camera_off = 0;		/* and then hears of it */
	run(w, 20 * CB_NS_PER_S, 30 * CB_NS_PER_S, true);
	OK(w->state == CB_CLOCK_RTCP && w->source == CB_WALL_RTCP && w->notes[CB_CLOCK_CAMERA_STEP] == 1);

	/* drift: 20 ppm fast, with a way here that varies */
	w = world();
	w->ppm = 20;
	for (int64_t t = 0; t < 900 * CB_NS_PER_S; t += 40 * MS) {
		w->delay = 5 * MS + (t / (40 * MS) * 7919 % 97) * MS;
		if (t % (5 * CB_NS_PER_S) == 0)
			report_at(w, t);
		frame_at(w, t);
	}
	OK(w->notes[CB_CLOCK_DRIFT] >= 1 && fabs(w->drift - 20) < 2);
	OK(llabs(w->wall - (W0 + w->t)) < 2 * MS);	/* and the camera's reports correct it */
	OK(w->sync == CB_SYNC_YES);

	/* timestamps hours away, every two seconds (a DVR): units keep sane times, and it is told once in a while */
	w = world();
	run(w, 0, 10 * CB_NS_PER_S, true);
	w->backwards = 0;
	for (int k = 0; k < 20; k++) {
		int64_t t = 10 * CB_NS_PER_S + k * 2 * CB_NS_PER_S;

		w->ts_off = (k % 2 ? INT64_C(37600) : INT64_C(-9800)) * 90000;
		frame_at(w, t);
		OK_NAMED(llabs(w->wall - (W0 + w->t)) < CB_NS_PER_S && w->source == CB_WALL_ARRIVAL, "a timestamp hours away");
		w->ts_off = 0;
		run(w, t + 40 * MS, t + 2 * CB_NS_PER_S, true);
	}
	OK(w->notes[CB_CLOCK_MEDIA_JUMP] >= 3 && w->notes[CB_CLOCK_MEDIA_JUMP] <= 6 && odd.n[CB_ODD_TS_JUMP] == 40);
	/* a new timeline for good: the line goes over to it with the next report */
	w = world();
	run(w, 0, 20 * CB_NS_PER_S, true);
	w->ts_off = INT64_C(5000) * 90000;
	run(w, 20 * CB_NS_PER_S, 60 * CB_NS_PER_S, true);
	OK(w->source == CB_WALL_RTCP && llabs(w->wall - (W0 + w->t)) < 3 * MS && w->notes[CB_CLOCK_MEDIA_JUMP] == 1);
	OK_INT(w->notes[CB_CLOCK_CAMERA_STEP], 0);

	/* values that nothing can mean */
	w = world();
	frame_at(w, 0);
	cb_clock_report(&w->c, INT64_MAX / 2, INT64_MAX, W0, 5 * CB_NS_PER_S);
	cb_clock_report(&w->c, INT64_MIN / 2, INT64_MIN, W0, 5 * CB_NS_PER_S);
	w->wall = cb_clock_unit(&w->c, INT64_MIN, W0, 6 * CB_NS_PER_S, 0, &w->source, &w->sync);
	w->wall = cb_clock_unit(&w->c, INT64_MAX, W0, 7 * CB_NS_PER_S, 0, &w->source, &w->sync);
	OK(w->source == CB_WALL_ARRIVAL);

	/* the events */
	OK(!cb_rtsp_event_clock(&b, "front", 3, &note, NULL));
	OK(j && !cb_event_parse(&ev, j, (char *)b.data, b.len, NULL) && cb_json_eq(j, ev.type, "cb.clock"));
	OK(memmem(b.data, b.len, "\"stream\":3,\"what\":\"camera-step\",\"state\":\"rtcp\",\"by_us\":-5,\"camera_offset_us\":7,"
				 "\"drift_ppm\":12.3}", 81));
	OK(!cb_rtsp_event_oddity(&b, "front", W0, CB_ODD_AU_EARLY_MARKER, 5, NULL));
	OK(j && !cb_event_parse(&ev, j, (char *)b.data, b.len, NULL));
	OK(memmem(b.data, b.len, "\"oddity\":\"marker-early\",\"count\":5,\"total\":true,", 47));
	cb_buf_release(&b);
	free(j);
}

int main(void)
{
	descriptions();
	header();
	order();
	reports();
	clocks();
	return done();
}
