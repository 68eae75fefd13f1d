/* SPDX-License-Identifier: Apache-2.0 */
/* lib/rtsp: whole sessions with a small server in a thread, which does what it is told. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "rtsp/source.h"
#include "tap.h"

/* --- the server ---------------------------------------------------------------------------------- */

#define PACKETS 20
#define MANY_PACKETS 20000	/* many times what a client's buffer holds */
#define SSRC 0x11223344

enum {
	BASIC = 1, DIGEST = 2, STALE = 4, CLOSE_401 = 8, REFUSE = 16,	/* who may look */
	NO_UDP = 32, MUTE = 64,
	BYE = 256, CLOSE = 512, STALL = 1024, TEARDOWN = 2048,		/* how it ends */
	EARLY = 4096, OLD = 8192, NO_RANGE = 1 << 14, NO_SESSION = 1 << 15, DEAF = 1 << 16, FOREIGN = 1 << 17,
	GARBAGE = 1 << 18, KEEP = 1 << 19, SILENT = 1 << 20, REPORT = 1 << 21, LOST = 1 << 22,
	TALK = 1 << 23, VIEW = 1 << 24, BLANKS = 1 << 25, BABBLE = 1 << 26, ENDLESS = 1 << 27, RENEW = 1 << 28, MANY = 1 << 29,
	HEAR = 1 << 30,
};

struct plan {
	unsigned how;
	const char *location;		/* redirect there; # is the port */
	const char *describe;		/* the answer to DESCRIBE, instead */
	bool data;			/* only metadata, and none come; closed at the third keep-alive */
	const char *said;		/* a file: all that it says, whatever it is asked */
};

static const struct plan *plans;	/* one a connection, the last for all that follow */
static unsigned n_plans;
static int listener;
static uint16_t port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char journal[8192];		/* methods, in order */

static void note(const char *what, size_t n)
{
	pthread_mutex_lock(&lock);
	if (strlen(journal) + n + 2 < sizeof(journal)) {
		strncat(journal, what, n);
		strcat(journal, " ");
	}
	pthread_mutex_unlock(&lock);
}

static bool put(int fd, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n) {
		ssize_t r = send(fd, b, n, MSG_NOSIGNAL);

		if (r < 0)
			return false;
		b += r;
		n -= (size_t)r;
	}
	return true;
}

static bool say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool say(int fd, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return put(fd, text, strlen(text));
}

/* Where a stream's packets go. */
struct way {
	int fd;			/* TCP, or UDP where udp */
	bool udp;
	struct sockaddr_in to[2];
	int from[2];		/* sockets for UDP */
};

static void packet(const struct way *w, int rtcp, const void *p, size_t n)
{
	uint8_t head[4] = { '$', (uint8_t)rtcp };

	if (w->udp) {
		sendto(w->from[rtcp], p, n, 0, (const struct sockaddr *)&w->to[rtcp], sizeof(w->to[0]));
		return;
	}
	cb_put_be16(head + 2, (uint16_t)n);
	put(w->fd, head, 4);
	put(w->fd, p, n);
}

static void rtp(const struct way *w, unsigned seq)
{
	uint8_t p[12 + 160] = { 0x80, 0 };

	cb_put_be16(p + 2, (uint16_t)(1000 + seq));
	cb_put_be32(p + 4, 5000 + 160 * seq);
	cb_put_be32(p + 8, SSRC);
	memset(p + 12, (int)seq, 160);
	packet(w, 0, p, sizeof(p));
}

static void media(const struct way *w, unsigned how)
{
	static const uint8_t bye[] = { 0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0x11, 0x22, 0x33, 0x44 };

	if (how & REPORT) {
		uint8_t sr[28] = { 0x80, 200, 0, 6, 0x11, 0x22, 0x33, 0x44 };
		uint64_t ntp = (uint64_t)(cb_now_wall_ns() / CB_NS_PER_S + 2208988800) << 32;

		cb_put_be64(sr + 8, ntp);
		cb_put_be32(sr + 16, 5000);
		packet(w, 1, sr, sizeof(sr));
	}
	if (how & FOREIGN) {	/* from another address of this machine */
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
		struct way other = *w;

		other.from[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (bind(other.from[0], (struct sockaddr *)&a, sizeof(a)) == 0)
			rtp(&other, 0);
		close(other.from[0]);
	}
	for (unsigned i = 0; i < (how & MANY ? MANY_PACKETS : PACKETS); i++) {
		if (how & LOST && i == 7)
			continue;
		if (how & GARBAGE && i == 9)
			put(w->fd, "\0\1\2RTS", 6);
		rtp(w, i);
	}
	if (how & BYE)
		packet(w, 1, bye, sizeof(bye));
}

/* A receiver report: of one source, or empty. */
static void heard(const void *p, size_t n)
{
	const uint8_t *b = p;

	if (n >= 8 && b[0] == 0x80 && b[1] == 201)
		note("RR0", 3);
	else if (n >= 32 && b[0] == 0x81 && b[1] == 201 && cb_be32(b + 8) == SSRC && cb_be16(b + 18) == 1000 + PACKETS - 1)
		note("RR1", 3);
	else
		note("?", 1);
}

static const char *header(const char *req, const char *name)
{
	const char *p = strcasestr(req, name);

	return p ? p + strlen(name) : "";
}

static void udp_sockets(struct way *w, const char *transport, uint16_t ports[2])
{
	const char *c = strstr(transport, "client_port=");
	unsigned a = 0, b = 0;

	w->udp = true;
	if (c)
		sscanf(c, "client_port=%u-%u", &a, &b);
	for (int i = 0; i < 2; i++) {
		struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof(me);

		w->to[i] = me;
		w->to[i].sin_port = htons((uint16_t)(i ? b : a));
		w->from[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (bind(w->from[i], (struct sockaddr *)&me, len) == 0)
			getsockname(w->from[i], (struct sockaddr *)&me, &len);
		ports[i] = ntohs(me.sin_port);
	}
}

/* a loudspeaker in front or behind, in either way of saying so */
#define TALK_SDP(ours, theirs) "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n" \
	"m=audio 0 RTP/AVP 0\r\na=control:a\r\na=" ours "\r\nm=audio 0 RTP/AVP 8\r\na=control:b\r\na=" theirs "\r\n"
#define DATA_SDP "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=application 0 RTP/AVP 107\r\n" \
	"a=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:a\r\n"
#define SDP "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:a\r\n"

/* May this request be answered? Otherwise it is refused here. */
static bool allowed(int fd, const char *req, const char *cseq, unsigned how, unsigned *asked)
{
	const char *auth = header(req, "\r\nAuthorization: ");
	char nonce[40];

	snprintf(nonce, sizeof(nonce), "nonce=\"n%u\"", *asked / (how & STALE ? 2 : 100));
	if (!(how & (BASIC | DIGEST)))
		return true;
	++*asked;
	if (!(how & REFUSE) && ((how & BASIC && strncmp(auth, "Basic dTpw\r\n", 12) == 0) ||
				(how & DIGEST && strncmp(auth, "Digest ", 7) == 0 && strstr(auth, nonce))))
		return true;
	if (how & BASIC)
		say(fd, "RTSP/1.0 401 Unauthorized\r\n%sWWW-Authenticate: Basic realm=\"r\"\r\n\r\n", cseq);
	else
		say(fd, "RTSP/1.0 401 Unauthorized\r\n%sWWW-Authenticate: Digest realm=\"r\", nonce=\"n%u\"%s\r\n\r\n", cseq,
		    *asked / (how & STALE ? 2 : 100), how & STALE ? ", stale=true" : "");
	return false;
}

/* A seed of tests/fuzz: everything at once. */
static void recite(int fd, const char *name)
{
	const char *src = getenv("CB_SRC");
	char path[500], bytes[8192];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/rtsp_session/%s", src ? src : ".", name);
	f = fopen(path, "r");
	if (f) {
		n = fread(bytes, 1, sizeof(bytes), f);
		fclose(f);
		put(fd, bytes, n);
	}
	shutdown(fd, SHUT_WR);
	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
	close(fd);
}

static void serve(int fd, const struct plan *p)
{
	struct way w = { .fd = fd };
	unsigned asked = 0;
	char req[8192];
	size_t n = 0;
	bool playing = false;

	for (;;) {
		char cseq[64] = "", number[16] = "", *end = NULL, method[32] = "";
		ssize_t r;
		size_t head;

		/* receiver reports come in between */
		while (n && req[0] == '$' && n >= 4 && n >= 4u + cb_be16(req + 2)) {
			head = 4u + cb_be16(req + 2);
			if (p->how & HEAR && req[1] == 1)
				heard(req + 4, head - 4);
			memmove(req, req + head, n -= head);
		}
		req[n] = '\0';
		if (n && req[0] != '$')
			end = strstr(req, "\r\n\r\n");
		if (!end) {
			r = recv(fd, req + n, sizeof(req) - 1 - n, 0);
			if (r <= 0)
				break;
			n += (size_t)r;
			continue;
		}
		head = (size_t)(end + 4 - req);
		end[2] = '\0';
		sscanf(req, "%31s", method);
		snprintf(number, sizeof(number), "%u", (unsigned)atoi(header(req, "CSeq: ")));
		snprintf(cseq, sizeof(cseq), "CSeq: %s\r\n", number);
		note(method, strlen(method));
		/* blank lines, or nonsense, without end */
		while ((p->how & BLANKS && playing) || (p->how & BABBLE && strcmp(method, "DESCRIBE") == 0)) {
			char nothing[4096];

			memset(nothing, p->how & BLANKS ? '\n' : 'x', sizeof(nothing));
			if (!put(fd, nothing, sizeof(nothing)))
				goto out;
		}
		while (p->how & ENDLESS && strcmp(method, "SETUP") == 0) {
			static const char frame[] = "$\0\0\4....";

			if (!put(fd, frame, 8))
				goto out;
		}
		if (p->how & RENEW && playing && strcmp(method, "TEARDOWN") != 0) {
			say(fd, "RTSP/1.0 401 Unauthorized\r\n%sWWW-Authenticate: Digest realm=\"r\", nonce=\"m%s\", stale=true\r\n\r\n",
			    cseq, number);
			goto next;
		}
		if (p->how & DEAF && playing && strcmp(method, "TEARDOWN") != 0)
			goto next;
		if (p->how & SILENT)
			goto next;
		if (!allowed(fd, req, cseq, p->how, &asked)) {
			if (p->how & CLOSE_401)
				break;
			goto next;
		}
		if (strcmp(method, "DESCRIBE") == 0 && p->location) {
			int at = (int)strcspn(p->location, "#");

			say(fd, "RTSP/1.0 302 Moved\r\n%sLocation: %.*s", cseq, at, p->location);
			if (p->location[at])
				say(fd, "%u%s", port, p->location + at + 1);
			say(fd, "\r\n\r\n");
		} else if (strcmp(method, "DESCRIBE") == 0 && p->describe) {
			say(fd, "%s\r\n%s\r\n", p->describe, cseq);
		} else if (strcmp(method, "DESCRIBE") == 0) {
			const char *sdp = p->data ? DATA_SDP : !(p->how & TALK) ? SDP : p->how & VIEW ? TALK_SDP("recvonly", "sendonly") :
				TALK_SDP("sendonly", "recvonly");

			say(fd, "RTSP/1.0 200 OK\r\n%sContent-Type: application/sdp\r\nContent-Base: rtsp://127.0.0.1:%u/x/\r\n"
			    "Content-Length: %zu\r\n\r\n%s", cseq, port, strlen(sdp), sdp);
		} else if (strcmp(method, "SETUP") == 0) {
			const char *t = header(req, "Transport: ");
			const char *session = p->how & NO_SESSION ? "" : p->how & KEEP ? "Session: s1;timeout=1\r\n" : "Session: s1\r\n";
			uint16_t ports[2];

			if (strstr(t, "/TCP")) {
				say(fd, "RTSP/1.0 200 OK\r\n%s%sTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", cseq, session);
			} else if (p->how & NO_UDP) {
				say(fd, "RTSP/1.0 461 Unsupported Transport\r\n%s\r\n", cseq);
			} else {
				udp_sockets(&w, t, ports);
				say(fd, "RTSP/1.0 200 OK\r\n%s%sTransport: RTP/AVP;unicast;client_port=1-2;server_port=%u-%u\r\n\r\n",
				    cseq, session, ports[0], ports[1]);
			}
		} else if (strcmp(method, "PLAY") == 0 && p->how & NO_RANGE && strstr(req, "Range")) {
			say(fd, "RTSP/1.0 457 Invalid Range\r\n%s\r\n", cseq);
		} else if (strcmp(method, "PLAY") == 0) {
			if (p->how & OLD)
				rtp(&w, (unsigned)-500);
			if (p->how & EARLY)
				rtp(&w, 0);
			say(fd, "RTSP/1.0 200 OK\r\n%sRTP-Info: url=rtsp://x/a;seq=1000;rtptime=5000\r\n\r\n", cseq);
			playing = true;
			if (!(p->how & MUTE && w.udp) && !p->data) {
				if (p->how & EARLY) {
					for (unsigned i = 1; i < PACKETS; i++)
						rtp(&w, i);
					if (p->how & BYE)
						media(&(struct way){ .fd = fd }, 0);
				} else {
					media(&w, p->how);
				}
			}
			for (int k = 0; w.udp && p->how & HEAR && k < 3; k++) {
				char what[200];
				ssize_t got = recv(w.from[k > 0], what, sizeof(what), 0);

				if (got > 0 && k == 0)
					note(got == 12 ? "PUNCH" : "?", 5);
				else if (got > 0)
					heard(what, (size_t)got);
			}
			if (p->how & TEARDOWN)
				say(fd, "TEARDOWN rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\n\r\n");
			if (p->how & CLOSE)
				break;
		} else if (p->data && playing && strcmp(method, "TEARDOWN") != 0 && ++asked == 3) {
			break;
		} else if (strcmp(method, "RTSP/1.0") != 0) {
			say(fd, "RTSP/1.0 200 OK\r\n%sPublic: OPTIONS, GET_PARAMETER\r\n\r\n", cseq);
		}
		if (p->how & BLANKS && playing)
			continue;
next:
		memmove(req, req + head, n -= head);
	}
out:
	for (int i = 0; w.udp && i < 2; i++)
		close(w.from[i]);
	close(fd);
}

static void *run_server(void *arg)
{
	(void)arg;
	for (unsigned i = 0;; i++) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		pthread_mutex_lock(&lock);
		if (!plans) {
			pthread_mutex_unlock(&lock);
			close(fd);
			return NULL;
		}
		/* a copy: it outlives the session that it is for */
		const struct plan plan = *plans, *p = &plan;

		plans += n_plans > 1;
		n_plans -= n_plans > 1;
		pthread_mutex_unlock(&lock);
		if (p->said)
			recite(fd, p->said);
		else
			serve(fd, p);
	}
}

/* --- sessions -------------------------------------------------------------------------------------- */

struct result {
	int opened, ended;
	enum cb_rtsp_end end;
	unsigned packets, gaps, streams;
	bool bytes;			/* each packet is what was sent, once and in order */
	uint64_t lost, corrupt;
	int sources[4];			/* packets by the source of their wall clock */
	char odd[1000], about[200];	/* names of oddities, " NAME=COUNT" as told at last */
	struct cb_err err;
};

static struct result r;

static void oddity(const char *line, size_t n)
{
	char text[2000], name[60] = "", *at;
	unsigned count = 0;

	snprintf(text, sizeof(text), "%.*s", (int)n, line);
	at = strstr(text, "\"oddity\":\"");
	if (at)
		sscanf(at, "\"oddity\":\"%59[^\"]", name);
	at = strstr(text, "\"count\":");
	if (at)
		sscanf(at, "\"count\":%u", &count);
	at = r.odd + strlen(r.odd);
	snprintf(at, sizeof(r.odd) - (size_t)(at - r.odd), " %s=%u", name, count);
}

static void session(const struct plan *p, unsigned n, struct cb_rtsp_opts o, unsigned stop_after)
{
	char url[100];
	struct cb_rtsp_item it;
	struct cb_rtsp *s = NULL;
	unsigned next = 0;

	memset(&r, 0, sizeof(r));
	r.bytes = true;
	pthread_mutex_lock(&lock);
	plans = p;
	n_plans = n;
	*journal = '\0';
	pthread_mutex_unlock(&lock);
	if (!o.url) {
		snprintf(url, sizeof(url), "rtsp://127.0.0.1:%u/x", port);
		o.url = url;
	}
	o.camera = "cam";
	if (!o.timeout_ns)
		o.timeout_ns = 10 * CB_NS_PER_S;
	r.opened = cb_rtsp_source_new(&s, &o, &r.err);
	if (!r.opened)
		r.opened = cb_rtsp_source_open(s, &r.err);
	if (!r.opened) {
		snprintf(r.about, sizeof(r.about), "%s", cb_rtsp_source_about(s));
		while ((r.ended = cb_rtsp_source_next(s, &it, &r.err)) > 0) {
			if (it.what == CB_RTSP_STREAM)
				r.streams++;
			if (it.what == CB_RTSP_GAP) {
				r.gaps++;
				next += (unsigned)it.g.packets;
			}
			if (it.what == CB_RTSP_EVENT && memmem(it.line, it.len, "cb.stream.oddity", 16))
				oddity(it.line, it.len);
			if (it.what == CB_RTSP_PACKET) {
				r.packets++;
				r.sources[it.p.wall_source & 3]++;
				r.bytes &= it.p.len == 160 && it.p.pts == 5000 + 160 * (int64_t)next;
				for (unsigned i = 0; i < it.p.len; i++)
					r.bytes &= it.p.data[i] == (next & 255);
				next++;
				if (r.packets == stop_after)
					cb_stop_flag = 1;
			}
		}
		r.end = cb_rtsp_source_end(s);
		r.lost = cb_rtsp_source_totals(s)->lost;
		r.corrupt = cb_rtsp_source_totals(s)->corrupt;
	}
	cb_rtsp_source_free(s);
	cb_stop_flag = 0;
}

static void with(unsigned how, struct cb_rtsp_opts o, unsigned stop_after)
{
	struct plan p = { .how = how };

	session(&p, 1, o, stop_after);
}
#define OPTS(...) ((struct cb_rtsp_opts){ __VA_ARGS__ })
#define SHORT (CB_NS_PER_S * 6 / 10)

static bool did(const char *methods)
{
	bool same;

	/* the answer to TEARDOWN was read: the server is through with it */
	pthread_mutex_lock(&lock);
	same = strcmp(journal, methods) == 0;
	if (!same)
		NOTE("%s", journal);
	pthread_mutex_unlock(&lock);
	return same;
}

static bool odd(const char *want)
{
	if (strcmp(r.odd, want) == 0)
		return true;
	NOTE("%s", r.odd);
	return false;
}

static bool says(const char *what)
{
	if (strstr(r.err.msg, what))
		return true;
	NOTE("%s", r.err.msg);
	return false;
}

#define WHOLE "OPTIONS DESCRIBE SETUP PLAY TEARDOWN "

static void plays(void)
{
	with(BYE, OPTS(0), 0);
	OK(r.opened == 0 && r.ended == 0 && r.end == CB_RTSP_BYE);
	OK_INT(r.packets, PACKETS);
	OK(r.bytes && r.streams == 1 && !r.gaps && !r.lost && odd(""));
	OK_STR(r.about, "TCP, no authentication; 1 stream");
	OK(did(WHOLE));
	with(BYE, OPTS(.udp = true), 0);
	OK(r.ended == 0 && r.end == CB_RTSP_BYE && r.packets == PACKETS && r.bytes && odd(""));
	OK_STR(r.about, "UDP, no authentication; 1 stream");
	OK(did(WHOLE));
	/* more than fits anywhere at once */
	with(BYE | MANY, OPTS(0), 0);
	OK_INT(r.packets, MANY_PACKETS);
	OK(r.bytes && !r.lost && odd(""));
	/* receiver reports, and the way through a firewall */
	with(STALL | HEAR, OPTS(.timeout_ns = 2 * CB_NS_PER_S), 0);
	OK(did("OPTIONS DESCRIBE SETUP PLAY RR1 TEARDOWN "));
	with(STALL | HEAR, OPTS(.udp = true, .timeout_ns = 2 * CB_NS_PER_S), 0);
	OK(did("OPTIONS DESCRIBE SETUP PLAY PUNCH RR0 RR1 TEARDOWN "));
	/* asked to stop */
	with(0, OPTS(0), 5);
	OK(r.ended == 0 && r.end == CB_RTSP_STOPPED && r.packets >= 5 && r.bytes && did(WHOLE));
	/* the camera's own clock */
	with(BYE | REPORT, OPTS(0), 0);
	OK(r.packets == PACKETS && r.sources[CB_WALL_RTCP] > 0 && r.sources[CB_WALL_RTCP] + r.sources[CB_WALL_ARRIVAL] == PACKETS);
	/* one stream is ours, the other its loudspeaker */
	for (int view = 0; view < 2; view++) {
		with(BYE | TALK | (view ? VIEW : 0), OPTS(0), 0);
		OK(r.packets == PACKETS && r.streams == 1 && odd("") && did(WHOLE));
	}
	/* what is lost is said, and nothing else is */
	with(BYE | LOST, OPTS(0), 0);
	OK(r.packets == PACKETS - 1 && r.bytes && r.gaps == 1 && r.lost == 1 && odd(" rtp-lost=1"));
	with(BYE | LOST, OPTS(.udp = true), 0);
	OK(r.packets == PACKETS - 1 && r.bytes && r.gaps == 1 && r.lost == 1 && odd(" rtp-lost=1"));
}

static void ends(void)
{
	with(CLOSE, OPTS(0), 0);
	OK(r.ended < 0 && r.err.code == CB_E_UNAVAIL && says("closed") && r.packets == PACKETS);
	with(STALL, OPTS(.timeout_ns = SHORT), 0);
	OK(r.ended < 0 && r.err.code == CB_E_UNAVAIL && says("no media for 0.6 s") && r.packets == PACKETS && did(WHOLE));
	with(TEARDOWN, OPTS(0), 0);
	OK(r.ended == 0 && r.end == CB_RTSP_BYE && r.packets == PACKETS && odd(" rtsp-request=1"));
	/* a camera that does not answer: not at all, or not to TEARDOWN */
	with(SILENT, OPTS(.timeout_ns = SHORT), 0);
	OK(r.opened < 0 && r.err.code == CB_E_UNAVAIL && says("OPTIONS: no answer") && says("rtsp://127.0.0.1:"));
}

static void oddities(void)
{
	with(BYE | EARLY, OPTS(.timeout_ns = SHORT), PACKETS);
	OK(r.packets == PACKETS && r.bytes && odd(" rtsp-early-data=1"));
	with(BYE | OLD, OPTS(0), 0);
	OK(r.packets == PACKETS && r.bytes && !r.lost && odd(" rtsp-early-data=1"));
	with(BYE | NO_RANGE, OPTS(0), 0);
	OK(r.packets == PACKETS && odd(" rtsp-range=1"));
	with(BYE | NO_SESSION, OPTS(0), 0);
	OK(r.packets == PACKETS && odd(" rtsp-session=1"));
	with(BYE | GARBAGE, OPTS(0), 0);
	OK(r.packets == PACKETS && r.bytes && odd(" rtsp-junk=1"));
	/* keep-alive in time, and another way where it is not answered */
	with(STALL | KEEP, OPTS(.timeout_ns = 2 * CB_NS_PER_S), 0);
	OK(r.ended < 0 && says("no media") && odd("") && strstr(journal, "PLAY OPTIONS OPTIONS "));
	with(STALL | KEEP | DEAF, OPTS(.timeout_ns = 2 * CB_NS_PER_S), 0);
	OK(r.ended < 0 && says("no media") && strstr(r.odd, " rtsp-keepalive=") && strstr(journal, "OPTIONS GET_PARAMETER "));
}

/* Metadata come when something happens: silence is no trouble there, but no answer is. */
static void silence(void)
{
	static const struct plan quiet[] = { { .how = KEEP, .data = true } }, dead[] = { { .how = KEEP | DEAF, .data = true } };

	session(quiet, 1, OPTS(.timeout_ns = SHORT), 0);
	OK(r.ended < 0 && says("closed") && odd("") && did("OPTIONS DESCRIBE SETUP PLAY OPTIONS OPTIONS OPTIONS "));
	session(dead, 1, OPTS(.timeout_ns = SHORT), 0);
	OK(r.ended < 0 && r.err.code == CB_E_UNAVAIL && says("no answer to keep-alive") && odd(" rtsp-keepalive=1 rtsp-keepalive=2"));
}

/* Whatever comes without end, the clock is looked at. */
static void floods(void)
{
	with(BLANKS, OPTS(.timeout_ns = SHORT), 0);
	OK(r.ended < 0 && r.err.code == CB_E_UNAVAIL && says("no media") && r.packets == PACKETS && r.bytes);
	with(BABBLE, OPTS(.timeout_ns = SHORT), 0);
	OK(r.opened < 0 && r.err.code == CB_E_UNAVAIL && says("DESCRIBE: no answer"));
	with(ENDLESS, OPTS(.timeout_ns = SHORT), 0);
	OK(r.opened < 0 && r.err.code == CB_E_UNAVAIL && says("SETUP: no answer"));
	/* keep-alive requests are not sent for ever because each answer has another nonce */
	with(STALL | KEEP | DIGEST | RENEW, OPTS(.credentials = "u:p", .timeout_ns = CB_NS_PER_S), 0);
	OK(r.ended < 0 && says("no media") && strstr(r.odd, " rtsp-keepalive=") && strlen(journal) < 200);
}

static void transports(void)
{
	with(BYE | NO_UDP, OPTS(.udp = true), 0);
	OK(r.ended == 0 && r.packets == PACKETS && r.bytes && odd(" udp-refused=1"));
	OK(strncmp(r.about, "TCP", 3) == 0);
	with(BYE | MUTE, OPTS(.udp = true, .timeout_ns = SHORT), 0);
	OK(r.ended == 0 && r.packets == PACKETS && r.bytes && odd(" udp-silent=1"));
	OK(did(WHOLE WHOLE));
	with(BYE | FOREIGN, OPTS(.udp = true), 0);
	OK(r.packets == PACKETS && r.bytes && odd(" udp-foreign=1"));
}

static void authentication(void)
{
	const struct cb_rtsp_opts o = { .credentials = "u:p" }, wrong = { .credentials = "u:wrong" };

	with(BYE | BASIC, o, 0);
	OK(r.packets == PACKETS && odd(" rtsp-basic=1") && did("OPTIONS " WHOLE));
	with(BYE | BASIC, wrong, 0);
	OK(r.opened < 0 && r.err.code == CB_E_PERM && says("refused") && did("OPTIONS OPTIONS "));
	with(BYE | DIGEST, o, 0);
	OK(r.packets == PACKETS && odd("") && did("OPTIONS " WHOLE));
	OK_STR(r.about, "TCP, Digest MD5; 1 stream");
	with(BYE | DIGEST | CLOSE_401, o, 0);
	OK(r.packets == PACKETS && odd(""));
	with(BYE | DIGEST, OPTS(0), 0);
	OK(r.opened < 0 && r.err.code == CB_E_PERM && says("wants a user and a password"));
	with(BYE | DIGEST | REFUSE, o, 0);
	OK(r.opened < 0 && r.err.code == CB_E_PERM && says("refused") && !strstr(r.err.msg, "u:p"));
	/* a nonce that is too old every other time: asked again, and not for ever */
	with(BYE | DIGEST | STALE, o, 0);
	OK(r.packets == PACKETS && odd(""));
	with(BYE | DIGEST | STALE | REFUSE, o, 0);
	OK(r.opened < 0 && r.err.code == CB_E_PERM);
}

static void elsewhere(void)
{
	static const struct plan once[] = { { .location = "rtsp://127.0.0.1:#/y" }, { .how = BYE } };
	static const struct plan relative[] = { { .location = "/y" }, { .how = BYE } };
	static const struct plan loop[] = { { .location = "rtsp://127.0.0.1:#/y" } };
	static const struct plan away[] = { { .location = "rtsp://127.0.0.2:#/y" } };
	static const struct plan web[] = { { .location = "http://127.0.0.1:#/y" } };
	static const struct plan nowhere[] = { { .location = "rtsp://127.0.0.1:1/" } };

	session(once, 2, OPTS(0), 0);
	OK(r.packets == PACKETS && odd(" rtsp-redirect=1"));
	session(relative, 2, OPTS(0), 0);
	OK(r.packets == PACKETS && odd(" rtsp-redirect=1"));
	session(loop, 1, OPTS(0), 0);
	OK(r.opened < 0 && r.err.code == CB_E_PROTOCOL && says("without end"));
	session(away, 1, OPTS(0), 0);
	OK(r.opened < 0 && r.err.code == CB_E_PROTOCOL && says("another host, rtsp://127.0.0.2:"));
	session(web, 1, OPTS(0), 0);
	OK(r.opened < 0 && r.err.code == CB_E_PROTOCOL && says("no RTSP address"));
	session(nowhere, 1, OPTS(0), 0);
	OK(r.opened < 0 && r.err.code == CB_E_UNAVAIL);
}

static void answers(void)
{
	static const struct { const char *describe; enum cb_errc code; const char *says; } t[] = {
		{ "RTSP/1.0 404 Not Found", CB_E_NOINPUT, "404 Not Found" },
		{ "RTSP/1.0 403 Forbidden", CB_E_PERM, "403" },
		{ "RTSP/1.0 453 Not Enough Bandwidth", CB_E_UNAVAIL, "453" },
		{ "RTSP/1.0 503 \x1b[2JBusy", CB_E_UNAVAIL, "503 ?[2JBusy" },
		{ "RTSP/1.0 400 Bad Request", CB_E_PROTOCOL, "400" },
		{ "HTTP/1.0 200 OK", CB_E_PROTOCOL, "web server" },
		{ "RTSP/1.0 200 OK", CB_E_DATA, "description" },
		{ "RTSP/1.0 200 OK\r\nContent-Length: 26\r\n\r\nv=0\r\nm=audio 0 RTP/AVP 18\r\n", CB_E_DATA, "no stream that can be taken" },
		{ "RTSP/1.0 200 OK\r\nContent-Length: 999999", CB_E_PROTOCOL, "999999" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct plan p = { .describe = t[i].describe };

		session(&p, 1, OPTS(.timeout_ns = SHORT), 0);
		OK_NAMED(r.opened < 0 && r.err.code == t[i].code && says(t[i].says), t[i].says);
	}
}

/* What cameras are known to do: each is put up with, and told once. */
static void seeds(void)
{
	static const struct { const char *name; unsigned packets; const char *odd; } t[] = {
		{ "audio", 3, " sdp-no-origin=1" },
		{ "base-schemeless", 2, " rtsp-content-base=1 sender-report-implausible=1" },
		{ "blanks-behind-headers", 2, " rtsp-syntax=1 sender-report-implausible=1" },
		{ "both", 3, " sender-report-implausible=1 rtsp-blank-lines=1" },
		{ "content-type-missing", 2, " rtsp-content-type=1 sender-report-implausible=1" },
		{ "cseq-missing", 2, " rtsp-cseq=1 sender-report-implausible=1" },
		{ "digest", 2, " sender-report-implausible=1" },
		{ "early", 2, " rtsp-early-data=1 sender-report-implausible=1" },
		{ "extension", 2, " rtp-extension=1 rtp-duplicate=1 sender-report-implausible=1 sets-missing=1 sets-missing=2" },
		{ "info-semicolon", 2, " rtsp-info=1 sender-report-implausible=1" },
		{ "info-seq-0", 2, " rtsp-info=1 sender-report-implausible=1" },
		{ "line-ends", 2, " rtsp-blank-lines=1 sender-report-implausible=1 rtsp-blank-lines=5" },
		{ "lost", 2, " sender-report-implausible=1 rtsp-junk=1 rtp-lost=1 unit-damaged=1" },
		{ "metadata", 0, " sdp-no-origin=1" },
		{ "options-refused", 2, " rtsp-options=1 sender-report-implausible=1" },
		{ "range-refused", 2, " rtsp-range=1 sender-report-implausible=1" },
		{ "requests", 2, " rtsp-request=1 sender-report-implausible=1 rtsp-request=2" },
		{ "session-changes", 2, " rtsp-session=1 sender-report-implausible=1" },
		{ "session-missing", 2, " rtsp-session=1 sender-report-implausible=1" },
		{ "setup-refused", 2, " rtsp-setup=1 sender-report-implausible=1" },
		{ "ssrc-blanks", 2, " rtsp-transport=1 sender-report-implausible=1" },
		{ "transport-missing", 2, " rtsp-transport=1 sender-report-implausible=1" },
		{ "unassigned-channel", 2, " sender-report-implausible=1 rtsp-channel=1" },
		{ "video", 2, " sender-report-implausible=1" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct plan p = { .said = t[i].name };

		session(&p, 1, OPTS(.credentials = "u:p"), 0);
		OK_NAMED(r.opened == 0 && r.packets == t[i].packets && odd(t[i].odd), t[i].name);
	}
}

static void arguments(void)
{
	static const struct { struct cb_rtsp_opts o; const char *says; } t[] = {
		{ { .url = "http://x/" }, "not an RTSP address" },
		{ { .url = "rtsp://x/", .streams = "v,x" }, "kinds" },
		{ { .url = "rtsp://x/", .streams = "" }, "kinds" },
		{ { .url = "rtsp://x/", .streams = "v," }, "kinds" },
		{ { .url = "rtsp://x/", .credentials = "nobody" }, "USER:PASSWORD" },
		{ { .url = "rtsp://x/", .pins = "x" }, "rtsps" },
		{ { .url = "rtsps://127.0.0.1/", .pins = "x" }, "pin" },
		{ { .url = "rtsps://127.0.0.1/", .udp = true }, "UDP" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		session(NULL, 0, t[i].o, 0);
		OK_NAMED(r.opened < 0 && r.err.code == CB_E_USAGE && says(t[i].says), t[i].says);
	}
	session(NULL, 0, OPTS(.url = "rtsp://nobody.invalid/"), 0);
	OK(r.opened < 0 && r.err.code == CB_E_UNAVAIL && says("nobody.invalid"));
	cb_rtsp_source_free(NULL);
}

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!OK(listener >= 0 && bind(listener, (struct sockaddr *)&a, len) == 0 && listen(listener, 8) == 0 &&
		getsockname(listener, (struct sockaddr *)&a, &len) == 0))
		return done();
	port = ntohs(a.sin_port);
	if (!OK(pthread_create(&thread, NULL, run_server, NULL) == 0))
		return done();
	arguments();
	plays();
	ends();
	oddities();
	silence();
	floods();
	transports();
	authentication();
	elsewhere();
	answers();
	seeds();
	return done();
}
