/* SPDX-License-Identifier: Apache-2.0 */
/* The frame pipe alone: pipe write MIB | pipe read. The writer sends so many MiB in packets of
 * 64 KiB; the reader checks every header's and every payload's CRC and the totals of END. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "wire/frame.h"

#define SIZE 65536

static int writer(uint64_t mib, struct cb_err *err)
{
	static uint8_t data[SIZE];
	const struct cb_hello hello = { .producer = "bench", .camera = "bench" };
	const struct cb_stream stream = { .codec = "rawvideo", .kind = CB_DATA,
					  .tb_num = 1, .tb_den = 1000 };
	struct cb_packet p = { .flags = CB_F_KEY, .dts = CB_NOPTS, .data = data, .len = SIZE };
	struct cb_writer w;

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	cb_writer_init(&w, STDOUT_FILENO);
	if (cb_writer_hello(&w, &hello, err) < 0 || cb_writer_stream(&w, 0, &stream, err) < 0)
		return -1;
	for (uint64_t i = 0; i < mib * (1048576 / SIZE); i++) {
		p.pts = (int64_t)i;
		if (cb_writer_packet(&w, 0, &p, err) < 0)
			return -1;
	}
	return cb_writer_end(&w, CB_END_EOF, err);
}

static int reader(struct cb_err *err)
{
	struct cb_reader r;
	struct cb_packet p;
	struct cb_frame f;
	uint64_t bytes = 0;
	int k;

	cb_reader_init(&r, STDIN_FILENO);
	while ((k = cb_reader_next(&r, &f, err)) > 0) {
		if (f.type != CB_FRAME_PACKET)
			continue;
		if (cb_packet_parse(&p, &f, err) < 0)
			return -1;
		bytes += p.len;
	}
	if (k == 0)
		k = cb_reader_finish(&r, err);
	cb_reader_release(&r);
	printf("%llu\n", (unsigned long long)bytes);
	return k;
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT;
	uint64_t mib;
	int r;

	if (argc == 3 && strcmp(argv[1], "write") == 0 && cb_parse_u64(argv[2], 1, 1 << 20, &mib))
		r = writer(mib, &err);
	else if (argc == 2 && strcmp(argv[1], "read") == 0)
		r = reader(&err);
	else
		r = cb_err_set(&err, CB_E_USAGE, "usage: pipe write MIB | pipe read");
	if (r < 0)
		fprintf(stderr, "pipe: %s\n", err.msg);
	return err.code;
}
