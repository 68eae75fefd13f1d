/* SPDX-License-Identifier: Apache-2.0 */
/* A whole session with a camera that says this, whatever it is asked: it ends, each item is one that
 * a frame stream can carry, and what it says of itself adds up. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "rtsp/source.h"
#include "wire/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

static int listener = -1;
static uint16_t port;
static const uint8_t *said;
static size_t said_len;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *camera(void *arg)
{
	char drain[4096];

	(void)arg;
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		pthread_mutex_lock(&lock);
		for (size_t at = 0; at < said_len;) {
			ssize_t r = send(fd, said + at, said_len - at, MSG_NOSIGNAL);

			if (r <= 0)
				break;
			at += (size_t)r;
		}
		shutdown(fd, SHUT_WR);
		pthread_mutex_unlock(&lock);
		while (recv(fd, drain, sizeof(drain), 0) > 0)
			;
		close(fd);
	}
}

static void begin(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	want(listener >= 0 && bind(listener, (struct sockaddr *)&a, len) == 0 && listen(listener, 16) == 0 &&
	     getsockname(listener, (struct sockaddr *)&a, &len) == 0);
	port = ntohs(a.sin_port);
	want(pthread_create(&thread, NULL, camera, NULL) == 0);
}

static void check(const struct cb_rtsp_item *it)
{
	static struct cb_json json;
	struct cb_event ev;

	want(it->stream < CB_STREAMS_MAX);
	switch (it->what) {
	case CB_RTSP_STREAM:
		want(it->s.tb_num && it->s.tb_den && *it->s.codec && it->s.extradata_len <= CB_EXTRADATA_MAX && it->s.nal_length <= 4);
		break;
	case CB_RTSP_PACKET:
		want(it->p.len && it->p.len <= CB_FRAME_MAX - CB_PACKET_FIXED && it->p.data && it->p.wall_ns);
		break;
	case CB_RTSP_GAP:
		want(it->g.reason == CB_GAP_DAMAGE && *it->g.text);
		break;
	case CB_RTSP_EVENT:
		want(it->len && it->len < CB_EVENT_LINE_MAX && !memchr(it->line, '\n', it->len));
		want(cb_event_parse(&ev, &json, it->line, it->len, NULL) == 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_rtsp_item it;
	struct cb_rtsp *s = NULL;
	struct cb_rtsp_opts o = { .camera = "cam", .credentials = "u:\1geheim", .timeout_ns = CB_NS_PER_S / 5 };
	uint64_t packets = 0;
	char url[64];
	int r;

	if (listener < 0)
		begin();
	pthread_mutex_lock(&lock);
	said = p;
	said_len = n;
	pthread_mutex_unlock(&lock);
	snprintf(url, sizeof(url), "rtsp://127.0.0.1:%u/x", port);
	o.url = url;
	want(cb_rtsp_source_new(&s, &o, &err) == 0);
	r = cb_rtsp_source_open(s, &err);
	if (r == 0) {
		while ((r = cb_rtsp_source_next(s, &it, &err)) > 0) {
			check(&it);
			packets += it.what == CB_RTSP_PACKET;
		}
		want(cb_rtsp_source_totals(s)->units == packets);
		want(r < 0 || cb_rtsp_source_end(s) == CB_RTSP_BYE);
	}
	want(r == 0 || (err.code && *err.msg && !strstr(err.msg, "\1geheim")));
	cb_rtsp_source_free(s);
	pthread_mutex_lock(&lock);
	said_len = 0;
	pthread_mutex_unlock(&lock);
	return 0;
}
