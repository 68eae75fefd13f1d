/* SPDX-License-Identifier: Apache-2.0 */
/* A description and RTP packets in, access units out, as text: for tests of lib/rtsp.
 *
 *	depay [-m MEDIUM] [-w WINDOW] [-o FILE] SDP <PACKETS
 *
 * Packets stand behind 16-bit big-endian lengths (RFC 4571), one millisecond apart. For each unit a
 * line "unit PTS DTS DURATION FLAGS LOST RESTART LENGTH SHA256", before it where the parameters are
 * new "stream CODEC WIDTH HEIGHT RATE CHANNELS READY SHA256-of-extradata", an event line behind one
 * of metadata, and at the end "odd NAME COUNT" for each oddity. With -o the units' bytes go to a
 * file. Exit 1: the description cannot be used; the reason is on stderr. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"
#include "rtsp/depay.h"
#include "rtsp/events.h"

static struct cb_oddities odd;
static struct cb_err err = CB_ERR_INIT;
static FILE *bytes;

static int fail(const char *what)
{
	fprintf(stderr, "depay: %s: %s\n", what, err.msg);
	return 1;
}

static void digest(char hex[65], const uint8_t *p, size_t n)
{
	uint8_t d[CB_SHA256_LEN];

	cb_sha256(d, p, n);
	cb_hex(hex, d, sizeof(d));
}

static int units(struct cb_depay *d)
{
	const struct cb_stream *s;
	struct cb_buf line = { 0 };
	struct cb_au u;
	char hex[65], flags[5];
	int r;

	while ((r = cb_depay_pull(d, &u, &err)) == 1) {
		s = cb_depay_stream(d);
		if (u.changed) {
			digest(hex, s->extradata, s->extradata_len);
			printf("stream %s %u %u %u %u %d %s\n", s->codec, s->width, s->height, s->sample_rate,
			       s->channels, cb_depay_ready(d), s->extradata_len ? hex : "-");
		}
		digest(hex, u.data, u.len);
		snprintf(flags, sizeof(flags), "%s%s%s", u.flags & CB_F_KEY ? "k" : "",
			 u.flags & CB_F_CORRUPT ? "c" : "", u.flags & CB_F_DISPOSABLE ? "d" : "");
		printf("unit %" PRId64 " ", u.pts);
		if (u.dts == CB_NOPTS)
			printf("-");
		else
			printf("%" PRId64, u.dts);
		printf(" %" PRId64 " %s %" PRIu64 " %d %" PRIu32 " %s\n", u.duration, *flags ? flags : "-", u.lost,
		       u.restart, u.len, hex);
		if (bytes && fwrite(u.data, 1, u.len, bytes) != u.len)
			return -1;
		if (strcmp(s->codec, "onvif_metadata") == 0) {
			if (cb_rtsp_event_metadata(&line, "test", 0, INT64_C(1700000000000000000), &u, &err) < 0)
				return -1;
			printf("event %.*s\n", (int)line.len, (const char *)line.data);
		}
	}
	cb_buf_release(&line);
	return r;
}

int main(int argc, char **argv)
{
	struct cb_rtp_opts o = { .payload_type = -1, .hold_ns = INT64_C(50000000) };
	struct cb_rtp_recv *rx;
	struct cb_rtp_packet p;
	struct cb_depay *d;
	struct cb_sdp sdp;
	uint8_t head[2], packet[65535], *text;
	size_t n, medium = 0;
	uint64_t at = 1;
	int c;

	while ((c = getopt(argc, argv, "m:w:o:")) != -1) {
		if (c == 'm')
			medium = strtoul(optarg, NULL, 10);
		else if (c == 'w')
			o.window = (unsigned)strtoul(optarg, NULL, 10);
		else if (c != 'o' || !(bytes = fopen(optarg, "wb")))
			return 64;
	}
	if (optind + 1 != argc)
		return 64;
	if (cb_file_read(argv[optind], CB_SDP_MAX, &text, &n, &err) < 0 ||
	    cb_sdp_parse(&sdp, (char *)text, n, &odd, &err) < 0)
		return fail(argv[optind]);
	free(text);
	if (medium >= sdp.n) {
		fprintf(stderr, "depay: no such medium\n");
		return 1;
	}
	if (cb_depay_open(&d, &sdp.media[medium], &odd, &err) < 0)
		return fail(argv[optind]);
	o.clock_rate = sdp.media[medium].clock_rate;
	o.payload_type = sdp.media[medium].payload;
	if (cb_rtp_recv_new(&rx, &o, &odd, &err) < 0)
		return fail("receiver");
	while (fread(head, 1, 2, stdin) == 2 && (n = cb_be16(head), fread(packet, 1, n, stdin) == n)) {
		uint8_t *exact = malloc(n + !n);	/* so that a sanitizer sees where it ends */

		if (!exact)
			return 71;
		memcpy(exact, packet, n);
		at += 1000000;
		if (cb_rtp_recv_push(rx, exact, n, INT64_C(1700000000000000000) + (int64_t)at, at, &err) < 0)
			return fail("push");
		cb_rtp_recv_tick(rx, at);
		while (cb_rtp_recv_pull(rx, &p))
			if (cb_depay_push(d, &p, &err) < 0 || units(d) < 0)
				return fail("packet");
		free(exact);
	}
	cb_rtp_recv_flush(rx);
	while (cb_rtp_recv_pull(rx, &p))
		if (cb_depay_push(d, &p, &err) < 0 || units(d) < 0)
			return fail("packet");
	if (cb_depay_flush(d, &err) < 0 || units(d) < 0)
		return fail("end");
	for (int i = 0; i < CB_ODD_COUNT; i++)
		if (odd.n[i])
			printf("odd %s %" PRIu64 "\n", cb_oddity_name((enum cb_oddity)i), odd.n[i]);
	cb_depay_free(d);
	cb_rtp_recv_free(rx);
	cb_sdp_release(&sdp);
	if (bytes && fclose(bytes))
		return 74;
	return fflush(stdout) ? 74 : 0;
}
