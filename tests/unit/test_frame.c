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
#include "wire/badlines.h"
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
	bad = malloc(len + 1);
	for (size_t n = 0; n <= len; n++)	/* a byte more, everywhere */
		for (int c = 0; c < 3; c++) {
			uint8_t more = c == 0 ? 0 : c == 1 ? 0x89 : n < len ? all[n] : 0xff;
			struct outcome o;

			memcpy(bad, all, n);
			bad[n] = more;
			memcpy(bad + n + 1, all + n, len - n);
			o = read_all(bad, len + 1, NULL, 0, false);
			quiet += o.ret == 0 && o.ended;
			o = read_all(bad, len + 1, all, len, true);
			alien += o.alien;
			quiet += !o.damages;
			quiet += o.frames < 10;
		}
	OK(alien == 0 && quiet == 0);
	free(bad);
	free(all);
}

/* Frames made by hand: numbers and checksums as they should be, the rest as asked. */
struct hand {
	uint8_t p[40000];
	size_t len;
	uint64_t seq;
};

static void add(struct hand *h, uint8_t type, const void *payload, size_t n)
{
	uint8_t *p = h->p + h->len;

	if (n > sizeof(h->p) - h->len - CB_FRAME_HDR)
		abort();
	memset(p, 0, CB_FRAME_HDR);
	memcpy(p, CB_FRAME_MAGIC "\1", 5);
	p[5] = type;
	cb_put_le32(p + 12, (uint32_t)n);
	cb_put_le64(p + 16, h->seq++);
	cb_put_le32(p + 24, cb_crc32c(0, payload, n));
	cb_put_le32(p + 28, cb_crc32c(0, p, 28));
	memcpy(p + CB_FRAME_HDR, payload, n);
	h->len += CB_FRAME_HDR + n;
}

static const uint8_t zero[256];

static void add_hello(struct hand *h)
{
	uint8_t body[154] = { 0 };

	body[89] = 'x';
	add(h, CB_FRAME_HELLO, body, sizeof(body));
}

static void add_end(struct hand *h)
{
	uint8_t body[32] = { 0 };
	uint64_t packets = 0, bytes = 0;
	uint32_t digest = 0;

	for (size_t at = 0; at < h->len; at += CB_FRAME_HDR + cb_le32(h->p + at + 12)) {
		digest = cb_crc32c(digest, h->p + at, CB_FRAME_HDR);
		if (h->p[at + 5] == CB_FRAME_PACKET) {
			packets++;
			bytes += cb_le32(h->p + at + 12) - 56;
		}
	}
	cb_put_le32(body + 4, digest);
	cb_put_le64(body + 8, h->seq);
	cb_put_le64(body + 16, packets);
	cb_put_le64(body + 24, bytes);
	add(h, CB_FRAME_END, body, sizeof(body));
}

/* The strict reader's error, or "" where it takes the stream. */
static const char *strict(const struct hand *h)
{
	static struct cb_err err;
	struct cb_reader r;
	struct cb_frame f;
	int fd = as_fd(h->p, h->len), k;

	err = (struct cb_err)CB_ERR_INIT;
	cb_reader_init(&r, fd);
	while ((k = cb_reader_next(&r, &f, &err)) > 0)
		;
	if (k == 0)
		cb_reader_finish(&r, &err);
	cb_reader_release(&r);
	close(fd);
	return err.msg;
}

/* What is well-formed by its checksums, and still no frame stream. */
static void test_rules(void)
{
	static struct hand h, two;
	struct outcome o;
	static const struct { uint8_t type; size_t n; bool good; } lengths[] = {
		{ 1, 153, false }, { 1, 155, false }, { 2, 191, false }, { 3, 55, false }, { 3, 56, true },
		{ 4, 79, false }, { 4, 80, true }, { 5, 0, false }, { 5, 1, true }, { 6, 39, false },
		{ 6, 40, true }, { 7, 31, false }, { 7, 33, false }, { 0, 9, false }, { 8, 0, true }, { 255, 99, true },
	};
	char msg[80];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		h = (struct hand){ .len = 0 };
		add_hello(&h);
		add(&h, lengths[i].type, zero, lengths[i].n);
		add_end(&h);
		snprintf(msg, sizeof(msg), "type %u of %zu bytes", lengths[i].type, lengths[i].n);
		if (!OK_NAMED(!*strict(&h) == lengths[i].good, msg))
			NOTE("%s", strict(&h));
		o = read_all(h.p, h.len, h.p, h.len, true);
		OK_NAMED(o.alien == 0 && !o.damages == lengths[i].good && o.frames == 2 + lengths[i].good, msg);
	}
	h = (struct hand){ .len = 0 };
	add_hello(&h);
	add_end(&h);
	OK_STR(strict(&h), "");
	h.p[4] = 2;
	cb_put_le32(h.p + 28, cb_crc32c(0, h.p, 28));
	OK_STR(strict(&h), "frame 0 (byte 0): version of the frame stream is not 1");
	h = (struct hand){ .len = 0 };
	add_hello(&h);
	add(&h, CB_FRAME_EVENT, "{}\n{}", 5);
	add_end(&h);
	OK_STR(strict(&h), "frame 1 (byte 186): an event of more than one line");
	h = (struct hand){ .len = 0 };
	add_hello(&h);
	add_hello(&h);
	add_end(&h);
	OK_STR(strict(&h), "frame 1 (byte 186): HELLO in the middle of the stream");
	o = read_all(h.p, h.len, h.p, h.len, true);
	OK(o.frames == 2 && o.gaps == 1);
	h = (struct hand){ .seq = 5 };
	add_hello(&h);
	add_end(&h);
	OK_STR(strict(&h), "frame 0 (byte 0): frames are missing before it");
	o = read_all(h.p, h.len, h.p, h.len, true);
	OK(o.frames == 2 && o.gaps == 1);
	h = (struct hand){ .len = 0 };
	add(&h, CB_FRAME_EVENT, "{}", 2);
	add_end(&h);
	OK_STR(strict(&h), "frame 0 (byte 0): the stream does not start with HELLO");
	o = read_all(h.p, h.len, h.p, h.len, true);
	OK(o.frames == 2 && o.gaps == 1);

	/* a stream that was cut, and another one behind it */
	h = (struct hand){ .len = 0 };
	add_hello(&h);
	for (int i = 0; i < 3; i++)
		add(&h, CB_FRAME_PACKET, zero, 56);
	two = (struct hand){ .len = 0 };
	add_hello(&two);
	for (int i = 0; i < 9; i++)
		add(&two, CB_FRAME_PACKET, "another camera's bytes, another camera's bytes, and so on", 57);
	add_end(&two);
	memcpy(h.p + h.len, two.p, two.len);
	h.len += two.len;
	OK_STR(strict(&h), "frame 4 (byte 450): another stream begins");
	o = read_all(h.p, h.len, h.p, h.len, true);
	OK(o.frames == 4 && o.gaps == 1 && !o.ended);
	h.len -= 30;
	memmove(h.p + 400, h.p + 430, h.len - 400);	/* cut in the middle of a frame */
	o = read_all(h.p, h.len, h.p, h.len, true);
	OK(o.frames == 3 && o.gaps == 1 && o.damages == 1 && !o.ended && o.alien == 0);

	/* frames that lie in the payload of a frame are not frames, also where that is damaged */
	h = (struct hand){ .len = 0 };
	two = (struct hand){ .seq = 2 };
	memcpy(two.p, zero, 56);
	two.len = 56;
	for (int i = 0; i < 4; i++)
		add(&two, CB_FRAME_EVENT, "{\"forged\":1}", 12);
	add_hello(&h);
	add(&h, CB_FRAME_PACKET, two.p, two.len);
	add(&h, CB_FRAME_EVENT, "{}", 2);
	add_end(&h);
	OK_STR(strict(&h), "");
	h.p[186 + 32 + 3] ^= 1;
	o = read_all(h.p, h.len, h.p, h.len, true);
	OK(o.frames == 3 && o.gaps == 1 && o.ended);
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

static void live_open_ns(struct live *l, size_t ring_bytes, int64_t ring_ns, bool tolerant)
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
	l->w.ring_ns = ring_ns;
	l->w.tolerant = tolerant;
	h.live = true;
	if (cb_writer_hello(&l->w, &h, &err) < 0 || cb_writer_stream(&l->w, 0, &s, &err) < 0)
		abort();
}

static void live_open(struct live *l, size_t ring_bytes, bool tolerant)
{
	live_open_ns(l, ring_bytes, 0, tolerant);
}

static void *end_of(void *arg)
{
	struct cb_err err = CB_ERR_INIT;
	struct live *l = arg;

	if (cb_writer_end(&l->w, CB_END_EOF, &err) < 0)
		abort();
	cb_writer_release(&l->w);
	close(l->wr);
	return NULL;
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

/* Losing and catching up again and again: the queue's idea of what it holds stays right. */
static void test_ring_again(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_packet p = { .flags = CB_F_KEY, .data = (const uint8_t *)"key", .len = 3 };
	struct cb_reader r;
	struct cb_frame f = { 0 };
	int bad = 0, gaps = 0;
	struct live l;

	live_open(&l, 300000, false);
	cb_reader_init(&r, l.rd);
	for (int i = 0; i < 1500 && !bad; i++) {
		int packets = 0;

		bad |= live_packets(&l, 30);
		bad |= cb_writer_event(&l.w, "{}", 2, &err);
		do {
			bad |= cb_reader_next(&r, &f, &err) != 1;
			gaps += f.type == CB_FRAME_GAP;
			packets += f.type == CB_FRAME_PACKET;
		} while (!bad && f.type != CB_FRAME_EVENT);
		bad |= packets < 10;	/* the last group fits */
		/* nothing waits now: the next packet has room */
		bad |= cb_writer_packet(&l.w, 0, &p, &err);
		bad |= cb_reader_next(&r, &f, &err) != 1 || f.type != CB_FRAME_PACKET;
	}
	OK(!bad);
	OK(gaps >= 1500);
	cb_reader_release(&r);
	cb_writer_release(&l.w);
	close(l.wr);
	close(l.rd);
}

/* A reader that stands still: what is too old goes, also when a GAP stands before it. */
static void test_ring_age(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct live l;
	struct counts *c;
	pthread_t t;

	live_open_ns(&l, 0, 1, false);
	OK(live_packets(&l, 403) == 0);
	pthread_create(&t, NULL, drain, &l);
	OK(cb_writer_end(&l.w, CB_END_EOF, &err) == 0);
	cb_writer_release(&l.w);
	close(l.wr);
	pthread_join(t, (void **)&c);
	OK(c->ended && c->broken_gops == 0);
	if (!OK(c->packets < 40))
		NOTE("%d packets", c->packets);
	OK(c->packets + (int)c->gap_packets == 403);
	free(c);
	close(l.rd);
}

/* Two cameras' worth of pictures in one stream, their groups not aligned, and sound. */
static void test_ring_two(void)
{
	static uint8_t data[5000];
	struct cb_err err = CB_ERR_INIT;
	struct cb_stream s = stream();
	int64_t last[3] = { -1, -1, -1 };
	bool gap[3] = { false };
	int bad = 0, broken = 0, wrong_times = 0, seen = 0;
	uint64_t lost = 0;
	struct cb_reader r;
	struct cb_packet p;
	struct cb_frame f;
	struct cb_gap g;
	struct live l;
	pthread_t t;

	live_open(&l, 1 << 20, false);
	bad |= cb_writer_stream(&l.w, 1, &s, &err);
	s.kind = CB_AUDIO;
	bad |= cb_writer_stream(&l.w, 2, &s, &err);
	for (int i = 0; i < 1000; i++)
		for (unsigned k = 0; k < 3; k++) {
			p = (struct cb_packet){ .flags = k == 2 || (i + 7 * (int)k) % 20 == 0 ? CB_F_KEY : 0,
						.pts = i, .dts = i, .wall_ns = 1000000 + i,
						.wall_source = CB_WALL_ARRIVAL, .data = data, .len = sizeof(data) };
			bad |= cb_writer_packet(&l.w, (uint16_t)k, &p, &err);
		}
	OK(!bad);
	pthread_create(&t, NULL, end_of, &l);
	cb_reader_init(&r, l.rd);
	while (cb_reader_next(&r, &f, &err) > 0) {
		if (f.type == CB_FRAME_GAP && cb_gap_parse(&g, &f, &err) == 0) {
			gap[0] = gap[1] = gap[2] = true;
			lost += g.packets;
			wrong_times += g.from_ns < 1000000 || g.to_ns < g.from_ns || g.to_ns >= 1001000 ||
				       g.bytes != g.packets * sizeof(data);
		} else if (f.type == CB_FRAME_PACKET && cb_packet_parse(&p, &f, &err) == 0) {
			seen++;
			if (p.pts != last[f.stream] + 1)
				broken += !gap[f.stream] || !(p.flags & CB_F_KEY);
			last[f.stream] = p.pts;
			gap[f.stream] = false;
		}
	}
	pthread_join(t, NULL);
	OK(r.ended && broken == 0 && wrong_times == 0);
	OK(lost > 1000 && seen + (int)lost == 3000);
	cb_reader_release(&r);
	close(l.rd);
}

/* What may not be dropped is not dropped, and does not eat all memory either. */
static void test_ring_events(void)
{
	static char line[50000];
	struct cb_err err = CB_ERR_INIT;
	struct live l;
	int n = 0;

	memset(line, ' ', sizeof(line));
	live_open(&l, 1 << 20, true);
	while (n < 100 && cb_writer_event(&l.w, line, sizeof(line), &err) == 0)
		n++;
	OK(n >= 20 && n < 30);
	OK(err.code == CB_E_TEMP);
	OK_STR(err.msg, "output: its reader does not read");
	OK(cb_writer_end(&l.w, CB_END_EOF, &err) < 0 && live_packets(&l, 1) < 0);
	cb_writer_release(&l.w);
	close(l.wr);
	close(l.rd);
}

/* --- lines that are passed over ------------------------------------------------------------------ */

struct heard {
	int n;
	char last[400];
};

static void hear(void *ctx, const char *text)
{
	struct heard *h = ctx;

	h->n++;
	snprintf(h->last, sizeof(h->last), "%s", text);
}

static void test_bad_lines(void)
{
	struct heard h = { 0 };
	struct cb_bad_lines b = { .warn = hear, .ctx = &h };
	struct cb_err why = CB_ERR_INIT;

	cb_err_set(&why, CB_E_DATA, "no object");
	cb_bad_line(&b, "line", 7, &why);
	OK_STR(h.last, "line 7: no object");
	cb_bad_line(&b, NULL, 0, &why);
	OK_STR(h.last, "no object");
	while (b.n < CB_BAD_TOLD)
		cb_bad_line(&b, "frame", b.n, &why);
	OK(h.n == CB_BAD_TOLD);
	OK_STR(h.last, "frame 7: no object");
	for (int i = 0; i < 100; i++)
		cb_bad_line(&b, "frame", 9, &why);
	OK(h.n == CB_BAD_TOLD + 1 && b.n == CB_BAD_TOLD + 100);
	OK_STR(h.last, "further lines like these are only counted");
}

int main(void)
{
	test_bad_lines();
	test_crc();
	test_round_trip();
	test_flips();
	test_cuts();
	test_rules();
	test_mutations();
	test_ring_slow();
	test_ring_fast();
	test_ring_again();
	test_ring_age();
	test_ring_two();
	test_ring_events();
	test_ring_dead();
	return done();
}
