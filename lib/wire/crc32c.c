/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: the CPU's instruction in three interleaved lanes, or eight tables without it.
 *
 * A CRC register is linear over GF(2), so crc(A B) = shift(crc(A), |B|) ^ crc0(B), where
 * shift runs |B| zero bytes through the register. Three lanes hide the instruction's latency
 * of three cycles; they are joined with a table of shift for one lane's length. */
#include "wire/frame.h"

#include <pthread.h>

#include "base/num.h"

#define POLY 0x82f63b78u	/* 0x1EDC6F41, bits reversed */
#define LANE 1024		/* bytes a lane */

static uint32_t table[8][256];
static uint32_t shift_lane[4][256];
static uint32_t (*run)(uint32_t crc, const uint8_t *p, size_t n);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t run_tables(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v = cb_le64(p) ^ crc;

		crc = 0;
		for (int i = 0; i < 8; i++)
			crc ^= table[7 - i][v >> (8 * i) & 0xff];
	}
	for (; n; n--, p++)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return crc;
}

#ifdef __x86_64__
static uint32_t shifted(uint32_t crc)
{
	return shift_lane[0][crc & 0xff] ^ shift_lane[1][crc >> 8 & 0xff] ^
	       shift_lane[2][crc >> 16 & 0xff] ^ shift_lane[3][crc >> 24];
}

__attribute__((target("sse4.2")))
static uint32_t run_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t a = crc;

	for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE) {
		uint64_t b = 0, c = 0;

		for (size_t i = 0; i < LANE; i += 8) {
			a = __builtin_ia32_crc32di(a, cb_le64(p + i));
			b = __builtin_ia32_crc32di(b, cb_le64(p + LANE + i));
			c = __builtin_ia32_crc32di(c, cb_le64(p + 2 * LANE + i));
		}
		a = shifted((uint32_t)a) ^ (uint32_t)b;
		a = shifted((uint32_t)a) ^ (uint32_t)c;
	}
	for (; n >= 8; n -= 8, p += 8)
		a = __builtin_ia32_crc32di(a, cb_le64(p));
	crc = (uint32_t)a;
	for (; n; n--, p++)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}
#endif

/* Apply a 32 x 32 matrix over GF(2), column i the image of bit i. */
static uint32_t apply(const uint32_t m[32], uint32_t v)
{
	uint32_t r = 0;

	for (int i = 0; v; v >>= 1, i++)
		if (v & 1)
			r ^= m[i];
	return r;
}

static void setup(void)
{
	uint32_t m[32], sq[32];

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? POLY : 0);
		table[0][i] = c;
	}
	for (int t = 1; t < 8; t++)
		for (int i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];

	/* m: one zero byte; squared log2(LANE) times: LANE zero bytes */
	for (int i = 0; i < 32; i++) {
		uint32_t v = UINT32_C(1) << i;

		m[i] = v >> 8 ^ table[0][v & 0xff];
	}
	for (unsigned bytes = 1; bytes < LANE; bytes *= 2) {
		for (int i = 0; i < 32; i++)
			sq[i] = apply(m, m[i]);
		for (int i = 0; i < 32; i++)
			m[i] = sq[i];
	}
	for (int k = 0; k < 4; k++)
		for (uint32_t b = 0; b < 256; b++)
			shift_lane[k][b] = apply(m, b << (8 * k));
	run = run_tables;
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		run = run_sse42;
#endif
}

uint32_t cb_crc32c(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, setup);
	return ~run(~crc, p, n);
}
