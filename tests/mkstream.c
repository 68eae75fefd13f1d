/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a frame stream from a few letters, whole or deliberately broken, on stdout:
 *
 *   mkstream [-l] [-c CAMERA] [-n BYTES] [-w SECONDS] SCRIPT        mkstream IPPIPPE
 *
 * HELLO and two STREAMs (0 video, 1 audio) come first, then one frame a letter:
 *   I keyframe  P picture  B disposable picture  A audio packet  e event  G gap
 *   S STREAM 0 again, other size  E END
 * and what happens to the frame after it, or to the stream:
 *   ! one bit of its payload flipped   ^ one bit of its header flipped   ~ it is lost
 *   + it comes twice   # 17 stray bytes come first   / it is cut in half and nothing follows
 * A script that begins with '-' has no HELLO and no STREAMs. -l marks it live, -n is the size
 * of a packet's data (100), -w the wall clock of the start (1750000000). The H.264 has the form
 * of H.264 (length-prefixed NAL units, avcC), but does not show anything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "wire/frame.h"

#define MAX_LETTERS 100000

struct maker {
	struct cb_writer w;
	size_t n;		/* bytes of a packet's data */
	int64_t start_ns;
	int64_t frame, sample;	/* counts of video and audio packets */
	uint64_t events;
	uint8_t *data;
};

/* 64x48 baseline, level 1.0 */
static const uint8_t avcc[] = {
	1, 66, 0, 10, 0xff, 0xe1, 0, 8, 0x67, 0x42, 0x00, 0x0a, 0xf8, 0x41, 0x8e, 0x80,
	1, 0, 4, 0x68, 0xce, 0x38, 0x80,
};
static const uint8_t asc[] = { 0x15, 0x88 };	/* AAC-LC, 8 kHz, mono */

static int put_streams(struct maker *m, uint32_t height, bool both, struct cb_err *err)
{
	struct cb_stream v = {
		.codec = "h264", .kind = CB_VIDEO, .nal_length = 4, .tb_num = 1, .tb_den = 90000,
		.width = 64, .height = height, .sar_num = 1, .sar_den = 1, .fr_num = 25, .fr_den = 1,
		.profile = 66, .level = 10, .extradata = avcc, .extradata_len = sizeof(avcc),
	};
	struct cb_stream a = {
		.codec = "aac", .kind = CB_AUDIO, .tb_num = 1, .tb_den = 8000, .sample_rate = 8000,
		.channels = 1, .channel_layout = 4, .frame_size = 1024, .profile = 1,
		.level = UINT32_MAX, .extradata = asc, .extradata_len = sizeof(asc),
	};

	if (cb_writer_stream(&m->w, 0, &v, err) < 0)
		return -1;
	return both ? cb_writer_stream(&m->w, 1, &a, err) : 0;
}

static int put_packet(struct maker *m, char c, struct cb_err *err)
{
	bool video = c != 'A';
	int64_t at = video ? m->frame++ : m->sample++;
	int64_t ns = video ? at * 40000000 : at * 128000000;
	struct cb_packet p = {
		.flags = c == 'I' || c == 'A' ? CB_F_KEY : c == 'B' ? CB_F_DISPOSABLE : 0,
		.pts = video ? at * 3600 : at * 1024, .duration = video ? 3600 : 1024,
		.wall_ns = m->start_ns + ns, .mono_ns = 1000000000u + (uint64_t)ns,
		.wall_source = CB_WALL_ARRIVAL, .sync = CB_SYNC_YES, .data = m->data,
	};

	p.dts = p.pts;
	/* never equal to another packet, never a byte that starts something */
	for (size_t i = 0; i < m->n; i++)
		m->data[i] = (uint8_t)(0x80 | ((at * 31 + (int64_t)i * 7 + c) & 0x7f));
	if (video) {
		cb_put_be32(m->data, (uint32_t)m->n - 4);
		m->data[4] = c == 'I' ? 0x65 : c == 'P' ? 0x41 : 0x01;
	}
	p.len = (uint32_t)m->n;
	return cb_writer_packet(&m->w, video ? 0 : 1, &p, err);
}

static int put_event(struct maker *m, const char *camera, struct cb_err *err)
{
	int64_t us = m->start_ns / CB_NS_PER_US + m->frame * 40000;
	char when[CB_TIME_LEN], line[512];
	int n;

	cb_time_format_us(when, us);
	n = snprintf(line, sizeof(line),
		     "{\"specversion\":\"1.0\",\"id\":\"%032llx\",\"source\":\"/mkstream\","
		     "\"type\":\"cb.scene.change\",\"time\":\"%s\",\"subject\":\"%s\","
		     "\"data\":{\"t_us\":%lld,\"stream\":0,\"pts\":%lld,\"run\":\"0000000000000000\","
		     "\"score\":0.5}}", (unsigned long long)++m->events, when, camera, (long long)us,
		     (long long)(m->frame * 3600));
	return cb_writer_event(&m->w, line, (size_t)n, err);
}

static int put(struct maker *m, char c, const char *camera, struct cb_err *err)
{
	switch (c) {
	case 'I': case 'P': case 'B': case 'A':
		return put_packet(m, c, err);
	case 'e':
		return put_event(m, camera, err);
	case 'G': {
		struct cb_gap g = { .reason = CB_GAP_SOURCE, .packets = 3, .bytes = 300,
				    .from_ns = m->start_ns + m->frame * 40000000,
				    .to_ns = m->start_ns + (m->frame + 3) * 40000000,
				    .text = "the source was away" };

		m->frame += 3;
		return cb_writer_gap(&m->w, 0, &g, err);
	}
	case 'S':
		return put_streams(m, 96, false, err);
	case 'E':
		return cb_writer_end(&m->w, CB_END_EOF, err);
	}
	return cb_err_set(err, CB_E_USAGE, "no such letter: %c", c);
}

/* Copy the first frames of the whole stream to stdout, doing to each what mark says. */
static int deliver(const uint8_t *p, size_t len, size_t frames, const char *mark, struct cb_err *err)
{
	static const uint8_t stray[17] = "stray \x89" "CB bytes.";
	struct cb_out out;
	size_t at = 0;

	cb_out_init(&out, STDOUT_FILENO);
	for (size_t k = 0; at < len && k < frames; k++) {
		size_t n = CB_FRAME_HDR + cb_le32(p + at + 12);
		char what = mark[k];
		uint8_t *f;

		if (n > len - at)
			return cb_err_set(err, CB_E_BUG, "frame %zu: its length is not at byte 12", k);
		f = malloc(n);
		if (!f)
			return cb_err_nomem(err);
		memcpy(f, p + at, n);
		at += n;
		if (what == '!')
			f[n > CB_FRAME_HDR ? CB_FRAME_HDR + (n - CB_FRAME_HDR) / 2 : 9] ^= 0x10;
		if (what == '^')
			f[9] ^= 0x01;
		if ((what == '#' && cb_out_write(&out, stray, sizeof(stray), err) < 0) ||
		    (what == '+' && cb_out_write(&out, f, n, err) < 0) ||
		    (what != '~' && cb_out_write(&out, f, what == '/' ? n / 2 : n, err) < 0)) {
			free(f);
			return -1;
		}
		free(f);
		if (what == '/')
			break;
	}
	return cb_out_flush(&out, err);
}

static int make(struct maker *m, const char *script, const char *camera, bool live, struct cb_err *err)
{
	struct cb_hello h = { .live = live, .wall_ns = m->start_ns, .mono_ns = 1000000000u,
			      .wall_source = CB_WALL_ARRIVAL, .sync = CB_SYNC_YES };
	char *mark = calloc(1, MAX_LETTERS + 4);
	uint8_t *map = MAP_FAILED;
	size_t k = 0;
	off_t len = 0;
	int fd, ret = -1;

	fd = memfd_create("mkstream", MFD_CLOEXEC);
	if (!mark || fd < 0) {
		cb_err_nomem(err);
		goto out;
	}
	cb_writer_init(&m->w, fd);
	/* a live writer must not drop anything here */
	m->w.ring_bytes = (size_t)1 << 30;
	m->w.ring_ns = INT64_C(1000000) * CB_NS_PER_S;
	snprintf(h.producer, sizeof(h.producer), "mkstream 1");
	snprintf(h.camera, sizeof(h.camera), "%s", camera);
	if (*script == '-') {
		script++;
	} else {
		if (cb_writer_hello(&m->w, &h, err) < 0 || put_streams(m, 48, true, err) < 0)
			goto out;
		k = 3;
	}
	for (; *script; script++) {
		if (strchr("!^~+#/", *script)) {
			mark[k] = *script;
			continue;
		}
		if (put(m, *script, camera, err) < 0)
			goto out;
		k++;
	}
	/* only END waits for the ring; it is not among the k frames delivered */
	if (m->w.ring && cb_writer_end(&m->w, CB_END_STOPPED, err) < 0)
		goto out;
	cb_writer_release(&m->w);
	len = lseek(fd, 0, SEEK_END);
	if (len > 0) {
		map = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED) {
			cb_err_nomem(err);
			goto out;
		}
	}
	ret = len > 0 ? deliver(map, (size_t)len, k, mark, err) : 0;
out:
	if (map != MAP_FAILED)
		munmap(map, (size_t)len);
	if (fd >= 0)
		close(fd);
	free(mark);
	return ret;
}

int main(int argc, char **argv)
{
	struct maker m = { .n = 100, .start_ns = INT64_C(1750000000) * CB_NS_PER_S };
	struct cb_err err = CB_ERR_INIT;
	const char *camera = "cam1";
	bool live = false;
	int c;

	while ((c = getopt(argc, argv, "lc:n:w:")) != -1) {
		if (c == 'l')
			live = true;
		else if (c == 'c')
			camera = optarg;
		else if (c == 'n')
			m.n = strtoul(optarg, NULL, 10);
		else if (c == 'w')
			m.start_ns = strtoll(optarg, NULL, 10) * CB_NS_PER_S;
		else
			return 64;
	}
	if (optind != argc - 1 || m.n < 8 || m.n > CB_FRAME_MAX / 2 ||
	    strlen(argv[optind]) > MAX_LETTERS) {
		fprintf(stderr, "usage: mkstream [-l] [-c CAMERA] [-n BYTES] [-w SECONDS] SCRIPT\n");
		return 64;
	}
	m.data = malloc(m.n);
	if (!m.data || make(&m, argv[optind], camera, live, &err) < 0) {
		fprintf(stderr, "mkstream: %s\n", err.msg);
		free(m.data);
		return err.code ? (int)err.code : 71;
	}
	free(m.data);
	return 0;
}
