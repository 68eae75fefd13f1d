/* SPDX-License-Identifier: Apache-2.0 */
/* The frame stream: round trips, every flipped bit, truncation, resynchronising, the ring. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "tap.h"
#include "wire/frame.h"

static const struct cb_hello hello = {
	.wall_ns = INT64_C(1700000000123456789), .mono_ns = 42, .wall_source = CB_WALL_FILE,
	.sync = CB_SYNC_YES, .producer = "test 1.0", .camera = "front-door",
};

static struct cb_stream stream(void)
{
	static const uint8_t extra[] = { 1, 2, 3, 4, 5 };

	return (struct cb_stream){
		.codec = "h264", .kind = CB_VIDEO, .nal_length = 4, .in_band = true,
		.has_matrix = true, .tb_num = 1, .tb_den = 90000, .width = 1920, .height = 1080,
		.fr_num = 25, .fr_den = 1, .profile = 100, .level = 40, .bit_rate = 4000000,
		.matrix = { 65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30 }, .extradata = extra,
		.extradata_len = sizeof(extra),
	};
}

/* A stream of n packets, GOPs of 5, with an event and a gap, as a malloc'ed block. */
static uint8_t *make(int n, size_t size, size_t *len)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_stream s = stream();
	struct cb_gap gap = { .reason = CB_GAP_SOURCE, .from_ns = 5, .to_ns = 9, .packets = 3,
			      .bytes = 77, .text = "away" };
	char path[] = "/tmp/cb-test-XXXXXX";
	uint8_t *data = calloc(1, size), *all;
	struct cb_writer w;
	int fd = mkstemp(path);
	int bad = 0;

	unlink(path);
	cb_writer_init(&w, fd);
	bad |= cb_writer_hello(&w, &hello, &err);
	bad |= cb_writer_stream(&w, 3, &s, &err);
	for (int i = 0; i < n; i++) {
		struct cb_packet p = { .flags = i % 5 ? 0 : CB_F_KEY, .pts = i * 3600 - 100,
				       .dts = i == 1 ? CB_NOPTS : i * 3600, .duration = 3600,
				       .wall_ns = i, .mono_ns = 7, .wall_source = CB_WALL_RTCP,
				       .sync = CB_SYNC_NO, .skip_start = 11, .skip_end = 12,
				       .data = data, .len = (uint32_t)(size - (size_t)i % size) };

		memset(data, i, size);
		bad |= cb_writer_packet(&w, 3, &p, &err);
	}
	bad |= cb_writer_event(&w, "{\"a\":1}", 7, &err);
	bad |= cb_writer_gap(&w, 3, &gap, &err);
	bad |= cb_writer_end(&w, CB_END_EOF, &err);
	cb_writer_release(&w);
	*len = (size_t)lseek(fd, 0, SEEK_END);
	all = malloc(*len);
	if (bad || pread(fd, all, *len, 0) != (ssize_t)*len)
		abort();
	close(fd);
	free(data);
	return all;
}

static int as_fd(const uint8_t *p, size_t n)
{
	char path[] = "/tmp/cb-test-XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	if (write(fd, p, n) != (ssize_t)n)
		abort();
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Read it all: number of frames that were delivered and not in the original are `alien`. */
struct outcome { int frames, gaps, alien, ret; bool ended; uint64_t damages; };

static struct outcome read_all(const uint8_t *p, size_t n, const uint8_t *orig, size_t orig_len,
			       bool resync)
{
	struct outcome o = { 0 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_reader r;
	struct cb_frame f;
	int fd = as_fd(p, n);

	cb_reader_init(&r, fd);
	r.resync = resync;
	while ((o.ret = cb_reader_next(&r, &f, &err)) > 0) {
		if (f.payload == r.gap) {
			struct cb_gap g;

			o.gaps += cb_gap_parse(&g, &f, &err) == 0;
			continue;
		}
		o.frames++;
		if (orig && f.len > 4 && !memmem(orig, orig_len, f.payload, f.len))
			o.alien++;
	}
	o.ended = r.ended;
	o.damages = r.damages;
	if (o.ret == 0 && !r.ended && cb_reader_finish(&r, &err) == 0)
		abort();
	cb_reader_release(&r);
	close(fd);
	return o;
}

static void test_crc(void)
{
	static uint8_t big[100001];
	uint8_t zero[32] = { 0 };
	uint32_t whole, parts = 0;

	/* RFC 3720 B.4, and the check value of the catalogue of CRCs */
	OK(cb_crc32c(0, zero, 32) == 0x8a9136aau);
	OK(cb_crc32c(0, "123456789", 9) == 0xe3069283u);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + (i >> 8));
	whole = cb_crc32c(0, big, sizeof(big));
	for (size_t i = 0; i < sizeof(big); i += 997)
		parts = cb_crc32c(parts, big + i, sizeof(big) - i < 997 ? sizeof(big) - i : 997);
	OK(whole == parts);
	parts = 0xffffffff;
	for (size_t i = 0; i < sizeof(big); i++) {
		parts ^= big[i];
		for (int k = 0; k < 8; k++)
			parts = parts >> 1 ^ (parts & 1 ? 0x82f63b78u : 0);
	}
	OK(whole == ~parts);
}

static void test_round_trip(void)
{
	size_t len;
	uint8_t *all = make(12, 300, &len);
	struct cb_err err = CB_ERR_INIT;
	struct cb_stream want = stream(), s;
	struct cb_reader r;
	struct cb_hello h;
	struct cb_packet p;
	struct cb_frame f;
	struct cb_gap g;
	struct cb_end e;
	int fd = as_fd(all, len), packets = 0;

	cb_reader_init(&r, fd);
	OK(cb_reader_next(&r, &f, &err) == 1 && cb_hello_parse(&h, &f, &err) == 0);
	OK(memcmp(&h, &hello, sizeof(h)) == 0);
	OK(cb_reader_next(&r, &f, &err) == 1 && f.stream == 3 && cb_stream_parse(&s, &f, &err) == 0);
	OK(s.extradata_len == 5 && memcmp(s.extradata, want.extradata, 5) == 0);
	s.extradata = want.extradata;
	OK(memcmp(&s, &want, sizeof(s)) == 0);
	while (cb_reader_next(&r, &f, &err) == 1 && f.type == CB_FRAME_PACKET) {
		if (cb_packet_parse(&p, &f, &err) == 0 && p.pts == packets * 3600 - 100 &&
		    p.dts == (packets == 1 ? CB_NOPTS : packets * 3600) && p.skip_end == 12 &&
		    p.len == 300 - (uint32_t)packets && p.data[0] == packets &&
		    p.sync == CB_SYNC_NO && p.flags == (packets % 5 ? 0 : CB_F_KEY))
			packets++;
	}
	OK(packets == 12);
	OK(f.type == CB_FRAME_EVENT && f.len == 7 && memcmp(f.payload, "{\"a\":1}", 7) == 0);
	OK(cb_reader_next(&r, &f, &err) == 1 && cb_gap_parse(&g, &f, &err) == 0 &&
	   strcmp(g.text, "away") == 0 && g.packets == 3);
	OK(cb_reader_next(&r, &f, &err) == 1 && cb_end_parse(&e, &f, &err) == 0 && e.packets == 12);
	OK(cb_reader_next(&r, &f, &err) == 0 && r.ended && cb_reader_finish(&r, &err) == 0);
	cb_reader_release(&r);
	close(fd);
	free(all);
}

/* A flipped bit anywhere is an error for the strict reader, and never a wrong frame for the
 * one that goes on. */
static void test_flips(void)
{
	size_t len;
	uint8_t *all = make(6, 40, &len), *bad = malloc(len);
	int missed = 0, alien = 0, undamaged = 0, lost_too_much = 0;
	struct outcome whole = read_all(all, len, all, len, false), o;

	OK(whole.ret == 0 && whole.ended && whole.frames == 11);
	for (size_t bit = 0; bit < len * 8; bit++) {
		memcpy(bad, all, len);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		o = read_all(bad, len, NULL, 0, false);
		missed += o.ret == 0 && o.ended;
		o = read_all(bad, len, all, len, true);
		alien += o.alien;
		undamaged += o.damages == 0 && o.ended;
		lost_too_much += o.frames < whole.frames - 1;
	}
	OK(missed == 0);
	OK(alien == 0);
	OK(undamaged == 0);
	OK(lost_too_much == 0);
	free(bad);
	free(all);
}

static void test_cuts(void)
{
	size_t len;
	uint8_t *all = make(6, 40, &len), *bad = malloc(len);
	int whole = 0, alien = 0, quiet = 0;

	for (size_t n = 0; n < len; n++) {	/* every truncation */
		struct outcome o = read_all(all, n, NULL, 0, false);

		whole += o.ret == 0 && o.ended;
		o = read_all(all, n, all, len, true);
		alien += o.alien;
		whole += o.ended;
	}
	OK(whole == 0);
	for (size_t n = 0; n < len; n++) {	/* every byte removed */
		struct outcome o;

		memcpy(bad, all, n);
		memcpy(bad + n, all + n + 1, len - n - 1);
		o = read_all(bad, len - 1, all, len, true);
		alien += o.alien;
		quiet += !o.damages && o.ended;
	}
	OK(alien == 0 && quiet == 0);
	free(bad);
	free(all);
}

static void test_mutations(void)
{
	size_t len;
	uint8_t *all = make(10, 200, &len), *bad = malloc(2 * len);
	unsigned seed = 1;
	int alien = 0;

	for (int i = 0; i < 3000; i++) {	/* blocks overwritten, repeated, moved */
		size_t a = (size_t)rand_r(&seed) % len, b = (size_t)rand_r(&seed) % len;
		size_t n = (size_t)rand_r(&seed) % (len - (a > b ? a : b));
		struct outcome o;

		memcpy(bad, all, len);
		memmove(bad + a, all + b, n);
		o = read_all(bad, len, all, len, true);
		alien += o.alien;
		if (o.ret < 0)
			alien++;
	}
	OK(alien == 0);
	free(bad);
	free(all);
}

/* --- the ring --------------------------------------------------------------------------------- */

struct live {
	struct cb_writer w;
	int rd, wr;
};

static void live_open(struct live *l, size_t ring_bytes, bool tolerant)
{
	struct cb_hello h = hello;
	struct cb_err err = CB_ERR_INIT;
	struct cb_stream s = stream();
	int p[2];

	if (pipe(p) < 0)
		abort();
	fcntl(p[1], F_SETPIPE_SZ, 65536);
	l->rd = p[0];
	l->wr = p[1];
	cb_writer_init(&l->w, p[1]);
	l->w.ring_bytes = ring_bytes;
	l->w.tolerant = tolerant;
	h.live = true;
	if (cb_writer_hello(&l->w, &h, &err) < 0 || cb_writer_stream(&l->w, 0, &s, &err) < 0)
		abort();
}

static int live_packets(struct live *l, int n)
{
	static uint8_t data[20000];
	struct cb_err err = CB_ERR_INIT;
	int bad = 0;

	for (int i = 0; i < n; i++) {
		struct cb_packet p = { .flags = i % 10 ? 0 : CB_F_KEY, .pts = i, .dts = i,
				       .data = data, .len = sizeof(data) };

		bad |= cb_writer_packet(&l->w, 0, &p, &err);
	}
	return bad;
}

struct counts { int packets, broken_gops, gaps; uint64_t gap_packets; bool ended; };

static void *drain(void *arg)
{
	struct live *l = arg;
	struct counts *c = calloc(1, sizeof(*c));
	struct cb_err err = CB_ERR_INIT;
	struct cb_reader r;
	struct cb_packet p;
	struct cb_frame f;
	struct cb_gap g;
	int64_t last = -1;
	bool gap = false;

	cb_reader_init(&r, l->rd);
	while (cb_reader_next(&r, &f, &err) > 0) {
		if (f.type == CB_FRAME_GAP && cb_gap_parse(&g, &f, &err) == 0) {
			c->gaps++;
			c->gap_packets += g.packets;
			gap = true;
		} else if (f.type == CB_FRAME_PACKET && cb_packet_parse(&p, &f, &err) == 0) {
			c->packets++;
			/* after a loss, only a keyframe may follow, and a GAP stood before it */
			if (p.pts != last + 1 && (!(p.flags & CB_F_KEY) || !gap))
				c->broken_gops++;
			last = p.pts;
			gap = false;
		}
	}
	c->ended = r.ended;
	cb_reader_release(&r);
	return c;
}

static void test_ring_slow(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct live l;
	struct counts *c;
	pthread_t t;
	int bad;

	live_open(&l, 1 << 20, false);	/* 5 groups of 10 x 20 kB */
	bad = live_packets(&l, 503);	/* nobody reads: this returns all the same */
	OK(bad == 0);
	OK(l.w.dropped > 400);
	pthread_create(&t, NULL, drain, &l);
	OK(cb_writer_end(&l.w, CB_END_EOF, &err) == 0);
	cb_writer_release(&l.w);
	close(l.wr);
	pthread_join(t, (void **)&c);
	OK(c->ended);
	OK(c->gaps >= 1 && c->broken_gops == 0);
	OK(c->packets + (int)c->gap_packets == 503);
	OK(c->gap_packets == l.w.dropped);
	free(c);
	close(l.rd);
}

static void test_ring_fast(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct live l;
	struct counts *c;
	pthread_t t;

	live_open(&l, 0, false);
	pthread_create(&t, NULL, drain, &l);
	OK(live_packets(&l, 500) == 0);
	OK(cb_writer_event(&l.w, "{}", 2, &err) == 0 && cb_writer_end(&l.w, CB_END_EOF, &err) == 0);
	OK(l.w.dropped == 0);
	cb_writer_release(&l.w);
	close(l.wr);
	pthread_join(t, (void **)&c);
	OK(c->ended && c->packets == 500 && c->gaps == 0);
	free(c);
	close(l.rd);
}

static void test_ring_dead(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct live l;

	signal(SIGPIPE, SIG_IGN);
	live_open(&l, 1 << 20, false);		/* strict: the loss of the reader is an error */
	close(l.rd);
	live_packets(&l, 50);
	usleep(50000);
	OK(cb_writer_end(&l.w, CB_END_EOF, &err) < 0 && err.sys == EPIPE);
	cb_writer_release(&l.w);
	close(l.wr);

	err = (struct cb_err)CB_ERR_INIT;
	live_open(&l, 1 << 20, true);	/* tolerant: it only closes the tee */
	close(l.rd);
	OK(live_packets(&l, 50) == 0);
	OK(cb_writer_end(&l.w, CB_END_EOF, &err) == 0 && l.w.broken);
	cb_writer_release(&l.w);
	close(l.wr);

	live_open(&l, 1 << 20, false);		/* stopped for good: release does not hang */
	live_packets(&l, 200);
	cb_writer_release(&l.w);
	OK(l.w.ring == NULL);
	close(l.wr);
	close(l.rd);
}

int main(void)
{
	test_crc();
	test_round_trip();
	test_flips();
	test_cuts();
	test_mutations();
	test_ring_slow();
	test_ring_fast();
	test_ring_dead();
	return done();
}
