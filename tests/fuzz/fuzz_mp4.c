/* SPDX-License-Identifier: Apache-2.0 */
/* Segment files. The input is one, cut into its parts where its boxes say; a manifest with the
 * right digests is made for them, as somebody would who wants to be believed. Then all that
 * reads segments reads it: cb_check must end, cb_recover must leave a store that is sealed,
 * and what cb_replay emits must be a whole frame stream to a strict reader. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "store/box.h"
#include "store/check.h"
#include "store/mp4.h"
#include "store/recorder.h"
#include "store/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define CAMERA "c"
#define DAY "2026-01-01"
#define ID "0123456789ab"
#define NAME "000000-" ID

static char dir[64];
static struct cb_store store;

static void want(bool good)
{
	if (!good)
		abort();
}

static void leave(void)
{
	char command[100];

	cb_store_close(&store);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	want(system(command) == 0);
}

static void set_up(void)
{
	struct cb_err err = CB_ERR_INIT;
	int fd;

	if (*dir)
		return;
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/cb-fuzz-XXXXXX" : "/tmp/cb-fuzz-XXXXXX");
	want(mkdtemp(dir) && cb_store_create(&store, dir, &err) == 0);
	fd = cb_day_open(&store, CAMERA, DAY, true, &err);
	want(fd >= 0);
	close(fd);
	atexit(leave);
}

static void put_file(const char *name, const void *p, size_t n)
{
	int day = cb_day_open(&store, CAMERA, DAY, false, NULL);
	int fd = openat(day, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	want(day >= 0 && fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
	close(day);
}

/* Remove what a run left; whatever is .part then was not recovered. */
static bool clean(void)
{
	static const char *const suffix[] = { ".mp4.part", ".mp4", ".manifest", ".mp4.broken",
					      ".manifest.broken" };
	int day = cb_day_open(&store, CAMERA, DAY, false, NULL);
	bool part = false;
	char name[64];

	want(day >= 0);
	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		snprintf(name, sizeof(name), NAME "%s", suffix[i]);
		if (unlinkat(day, name, 0) == 0)
			part |= i == 0;
	}
	close(day);
	return part;
}

static size_t box_end(const uint8_t *p, size_t n, size_t at)
{
	uint32_t len = n - at < 8 ? 0 : cb_be32(p + at);

	return len < 8 || len > n - at ? n : at + len;
}

/* The lines of the manifest: a part ends behind each mdat, the first one behind the uuid box. */
static void make_manifest(struct cb_buf *b, const uint8_t *p, size_t n, bool ended)
{
	struct cb_manifest m = { .camera = CAMERA, .id = ID, .recording = "0123456789abcdef",
				 .start_ns = INT64_C(1767225600000000000),
				 .recording_ns = INT64_C(1767225600000000000) };
	struct cb_manifest_end e = { .reason = "end" };
	struct cb_fragment f = { .pts = CB_NOPTS };
	uint8_t digest[CB_SHA256_LEN];
	struct cb_fragment_view v;
	struct cb_sha256 h;
	size_t at = 0;

	want(cb_manifest_put_head(b, &m, "p", "r") == 0);
	while (at < n && f.number < 100) {
		size_t end = at;

		do {
			size_t type = end + 4;

			end = box_end(p, n, end);
			if (end < n && memcmp(p + type, f.number ? "mdat" : "uuid", 4) == 0)
				break;
		} while (end < n);
		f.offset = at;
		f.length = end - at;
		cb_sha256(f.sha256, p + at, end - at);
		if (f.number) {
			f.packets = f.flags = 0;
			f.wall_ns = m.start_ns + f.number * INT64_C(1000000000);
			f.wall_to_ns = f.wall_ns + 1000000000;
			if (cb_fragment_parse(&v, p + at, end - at, NULL) == 0) {
				f.packets = v.n;
				f.flags = v.flags & 7;
			}
			e.packets += f.packets;
			e.fragments++;
		}
		want(cb_manifest_put_fragment(b, &f) == 0);
		f.number++;
		at = end;
	}
	e.bytes = at;
	e.from_ns = m.start_ns;
	e.to_ns = m.start_ns + 100000000000;
	cb_sha256_init(&h);
	cb_sha256_update(&h, b->data, b->len);
	if (ended)
		want(cb_manifest_put_end(b, &e, &h, digest) == 0);
}

static int on_finding(void *ctx, const char *camera, const char *path, int64_t fragment,
		      const char *text, struct cb_err *err)
{
	(void)ctx;
	(void)fragment;
	(void)err;
	want(strcmp(camera, CAMERA) == 0 && *path && *text);
	return 0;
}

/* Everything that can be parsed without a store, and to the end of the packets. */
static void parse(const uint8_t *p, size_t n)
{
	struct cb_init *in = malloc(sizeof(*in));
	struct cb_err err = CB_ERR_INIT;
	struct cb_fragment_view v;
	struct cb_buf scratch = { 0 };
	struct cb_packet k;
	struct cb_table_entry e;
	struct cb_frame f;
	uint64_t sum = 0;

	want(in != NULL);
	if (cb_init_parse(in, p, n, &err) < 0)
		want(in->n == 0 && err.code == CB_E_DATA);
	free(in);
	if (cb_fragment_parse(&v, p, n, NULL) < 0)
		return;
	while (cb_fragment_next(&v, &e)) {
		want(cb_table_entry_frame(&e, &scratch, &f) == 0 && cb_packet_parse(&k, &f, &err) == 0);
		sum += k.len;
	}
	want(sum == v.data_len);
	cb_buf_release(&scratch);
}

/* The boxes written must fill each other exactly. */
static void walk(const uint8_t *p, size_t n, int depth)
{
	static const char *const inside = "moov trak mdia minf dinf stbl mvex moof traf ";

	while (n) {
		char type[6] = "";
		uint32_t len;

		want(n >= 8);
		len = cb_be32(p);
		want(len >= 8 && len <= n);
		memcpy(type, p + 4, 4);
		type[4] = ' ';
		if (strstr(inside, type) && depth < 8)
			walk(p + 8, len - 8, depth + 1);
		p += len;
		n -= len;
	}
}

/* What a camera says of its streams goes into a file for players. */
static void write_init(const struct cb_init *in)
{
	struct cb_track t[CB_STREAMS_MAX] = { 0 };
	struct cb_mp4_clock clock = { 0 };
	struct cb_sample s[8];
	struct cb_buf b = { 0 };
	struct cb_stream st;
	size_t n = 0;

	for (uint32_t i = 0; i < in->n && n < CB_STREAMS_MAX; i++) {
		struct cb_frame f = { .type = CB_FRAME_STREAM, .stream = in->stream[i].stream,
				      .payload = in->stream[i].payload, .len = in->stream[i].len };

		want(cb_stream_parse(&st, &f, NULL) == 0);
		cb_track_init(&t[n++], in->stream[i].stream, &st);
	}
	want(cb_mp4_init(&b, t, n) == 0);
	walk(b.data, b.len, 0);
	b.len = 0;
	for (uint32_t round = 1; n && round < 4; round++) {
		for (uint32_t i = 0; i < 8; i++) {
			/* odd times, out of what the streams' own bytes are */
			const struct cb_init_stream *k = &in->stream[i % in->n];
			uint32_t at = (i * 24 + round) % (k->len - 24);

			s[i] = (struct cb_sample){ .track = (uint16_t)(i % n), .len = i,
				.flags = k->payload[at] & 9, .pts = (int64_t)cb_le64(k->payload + at),
				.dts = (int64_t)cb_le64(k->payload + at + 8),
				.duration = (int64_t)(cb_le64(k->payload + at + 16) >> 1) };
		}
		want(cb_mp4_fragment(&b, round, t, n, s, 8, &clock) == 0);
		want(cb_buf_add(&b, "0123456701234567012345670123", 28) == 0);
	}
	walk(b.data, b.len, 0);
	cb_buf_release(&b);
}

static void replay(void)
{
	struct cb_replay_opts o = { .camera = CAMERA, .from_ns = INT64_MIN, .to_ns = INT64_MAX,
				    .events = true };
	struct cb_replay_totals t;
	struct cb_err err = CB_ERR_INIT;
	struct cb_packet packet;
	struct cb_stream stream;
	struct cb_hello hello;
	struct cb_reader r;
	struct cb_writer w;
	struct cb_frame f;
	bool seen[CB_STREAMS_MAX] = { false };
	int fd = memfd_create("out", 0), k;

	want(fd >= 0);
	cb_writer_init(&w, fd);
	want(cb_replay(&store, &o, &w, &t, &err) == 0 || err.code == CB_E_NO);
	want(cb_writer_end(&w, 0, &err) == 0);
	want(lseek(fd, 0, SEEK_SET) == 0);
	cb_reader_init(&r, fd);
	while ((k = cb_reader_next(&r, &f, &err)) > 0) {
		if (f.type == CB_FRAME_HELLO)
			want(cb_hello_parse(&hello, &f, &err) == 0 && !hello.live);
		if (f.type == CB_FRAME_STREAM) {
			want(cb_stream_parse(&stream, &f, &err) == 0);
			seen[f.stream] = true;
		}
		if (f.type == CB_FRAME_PACKET)
			want(cb_packet_parse(&packet, &f, &err) == 0 && seen[f.stream]);
	}
	want(k == 0 && r.ended);
	cb_reader_release(&r);
	cb_writer_release(&w);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_init *in = malloc(sizeof(*in));
	struct cb_err err = CB_ERR_INIT;
	struct cb_check_totals totals;
	struct cb_buf manifest = { 0 };
	size_t moov, first;
	bool open = n & 1;

	want(in != NULL);
	if (n > 1 << 20 || n == 0) {
		free(in);
		return 0;
	}
	set_up();
	parse(p, n);
	moov = box_end(p, n, box_end(p, n, 0));
	first = moov < n ? box_end(p, n, moov) : n;
	if (cb_init_parse(in, p, first, NULL) == 0)
		write_init(in);
	free(in);
	if (first < n)
		parse(p + first, n - first);

	make_manifest(&manifest, p, n, !open);
	put_file(open ? NAME ".mp4.part" : NAME ".mp4", p, n);
	put_file(NAME ".manifest", manifest.data, manifest.len);
	cb_buf_release(&manifest);
	want(cb_check(&store, NULL, on_finding, NULL, &totals, &err) == 0);
	replay();
	if (open) {
		want(cb_recover(&store, CAMERA, NULL, NULL, &err) == 0);
		want(cb_check(&store, NULL, on_finding, NULL, &totals, &err) == 0);
		replay();
	}
	want(!clean());
	return 0;
}
