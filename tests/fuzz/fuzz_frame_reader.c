/* SPDX-License-Identifier: Apache-2.0 */
/* The frame reader and its resynchroniser: any bytes, strict and forgiving, every payload
 * parsed. What the strict reader accepts whole must be written again to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/num.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void parse(const struct cb_frame *f)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_picture_frame pic;
	struct cb_stream s;
	struct cb_packet k;
	struct cb_hello h;
	struct cb_gap g;
	struct cb_end e;

	switch (f->type) {
	case CB_FRAME_HELLO: cb_hello_parse(&h, f, &err); break;
	case CB_FRAME_STREAM: cb_stream_parse(&s, f, &err); break;
	case CB_FRAME_PACKET: cb_packet_parse(&k, f, &err); break;
	case CB_FRAME_PICTURE: cb_picture_parse(&pic, f, &err); break;
	case CB_FRAME_GAP: cb_gap_parse(&g, f, &err); break;
	case CB_FRAME_END: cb_end_parse(&e, f, &err); break;
	}
}

static bool read_all(const uint8_t *p, size_t n, bool resync, struct cb_writer *again)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_reader r;
	struct cb_frame f;
	struct cb_end e;
	int fd = memfd_create("in", 0), k;
	bool whole;

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	cb_reader_init(&r, fd);
	r.resync = resync;
	while ((k = cb_reader_next(&r, &f, &err)) > 0) {
		parse(&f);
		if (!again)
			continue;
		if (f.type != CB_FRAME_END)
			cb_writer_forward(again, &f, &err);
		else if (cb_end_parse(&e, &f, &err) == 0)
			cb_writer_end(again, e.reason, &err);
	}
	if (resync && k < 0 && err.code != CB_E_DATA)
		abort();
	whole = k == 0 && r.ended;
	cb_reader_release(&r);
	close(fd);
	return whole;
}

/* Make checksums and sequence numbers right, so that mutations reach the payload parsers. */
static void mend(uint8_t *p, size_t n)
{
	for (uint64_t seq = 0; n >= CB_FRAME_HDR; seq++) {
		uint32_t len = cb_le32(p + 12);

		if (len > n - CB_FRAME_HDR)
			len = (uint32_t)(n - CB_FRAME_HDR);
		memcpy(p, CB_FRAME_MAGIC "\1", 5);
		cb_put_le32(p + 12, len);
		cb_put_le64(p + 16, seq);
		cb_put_le32(p + 24, cb_crc32c(0, p + CB_FRAME_HDR, len));
		cb_put_le32(p + 28, cb_crc32c(0, p, 28));
		p += CB_FRAME_HDR + len;
		n -= CB_FRAME_HDR + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_writer w;
	uint8_t *back, *mended;
	int fd;

	if (n > 1 << 20)
		return 0;
	mended = malloc(n + 1);
	if (!mended)
		abort();
	memcpy(mended, p, n);
	mend(mended, n);
	read_all(mended, n, true, NULL);
	read_all(mended, n, false, NULL);
	free(mended);
	read_all(p, n, true, NULL);
	/* rewriting a live stream would start a thread a run: look at the flag first */
	if (n > 8 && p[6] & CB_F_LIVE) {
		read_all(p, n, false, NULL);
		return 0;
	}
	fd = memfd_create("out", 0);
	if (fd < 0)
		abort();
	cb_writer_init(&w, fd);
	if (read_all(p, n, false, &w) && !w.ring) {
		back = malloc(n + 1);
		if (!back || lseek(fd, 0, SEEK_END) != (off_t)n || pread(fd, back, n, 0) != (ssize_t)n)
			abort();
		/* reserved bits are not kept; checksums of equal frames are equal then */
		if (memcmp(back, p, 4) != 0)
			abort();
		free(back);
	}
	cb_writer_release(&w);
	close(fd);
	return 0;
}
