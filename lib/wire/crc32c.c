/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: carry-less multiplication of whole cache lines where the CPU has it, else its CRC
 * instruction in three interleaved lanes, else eight tables.
 *
 * A CRC register is linear over GF(2), so crc(A B) = shift(crc(A), |B|) ^ crc0(B), where
 * shift runs |B| zero bytes through the register. Three lanes hide the instruction's latency
 * of three cycles; they are joined with a table of shift for one lane's length. Folding uses
 * the same: 128 bits that stand FOLD bytes earlier count as their product with x^(8 FOLD) mod P,
 * so 256 bytes of registers take in the next 256; what they hold at the end has the CRC of all
 * that went in. */
#include "wire/frame.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <pthread.h>

#include "base/num.h"

#define POLY 0x82f63b78u	/* 0x1EDC6F41, bits reversed */
#define LANE 1024		/* bytes a lane */
#define FOLD 256		/* bytes folded at once */

static uint32_t table[8][256];
static uint32_t shift_lane[4][256];
static uint64_t fold_by[2];	/* for the low and the high half of 128 bits */
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

__attribute__((target("avx512f,vpclmulqdq,sse4.2")))
static uint32_t run_avx512(uint32_t crc, const uint8_t *p, size_t n)
{
	const __m512i k = _mm512_set4_epi64((long long)fold_by[1], (long long)fold_by[0],
					    (long long)fold_by[1], (long long)fold_by[0]);
	uint8_t left[FOLD] __attribute__((aligned(64)));
	__m512i a[4];

	if (n < 2 * FOLD)
		return run_sse42(crc, p, n);
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		a[i] = _mm512_loadu_si512(p + 64 * i);
	a[0] = _mm512_xor_si512(a[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
	for (n -= FOLD, p += FOLD; n >= FOLD; n -= FOLD, p += FOLD) {
		/* unrolled, a lives in registers */
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++) {
			__m512i lo = _mm512_clmulepi64_epi128(a[i], k, 0x00);
			__m512i hi = _mm512_clmulepi64_epi128(a[i], k, 0x11);

			a[i] = _mm512_ternarylogic_epi64(lo, hi, _mm512_loadu_si512(p + 64 * i), 0x96);
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		_mm512_store_si512((void *)(left + 64 * i), a[i]);
	return run_sse42(run_sse42(0, left, FOLD), p, n);
}

__attribute__((target("avx2,vpclmulqdq,sse4.2")))
static uint32_t run_avx2(uint32_t crc, const uint8_t *p, size_t n)
{
	const __m256i k = _mm256_set_epi64x((long long)fold_by[1], (long long)fold_by[0],
					    (long long)fold_by[1], (long long)fold_by[0]);
	uint8_t left[FOLD] __attribute__((aligned(32)));
	__m256i a[8];

	if (n < 2 * FOLD)
		return run_sse42(crc, p, n);
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		a[i] = _mm256_loadu_si256((const __m256i *)(p + 32 * i));
	a[0] = _mm256_xor_si256(a[0], _mm256_zextsi128_si256(_mm_cvtsi32_si128((int)crc)));
	for (n -= FOLD, p += FOLD; n >= FOLD; n -= FOLD, p += FOLD) {
#pragma GCC unroll 8
		for (int i = 0; i < 8; i++) {
			__m256i lo = _mm256_clmulepi64_epi128(a[i], k, 0x00);
			__m256i hi = _mm256_clmulepi64_epi128(a[i], k, 0x11);
			__m256i in = _mm256_loadu_si256((const __m256i *)(p + 32 * i));

			a[i] = _mm256_xor_si256(_mm256_xor_si256(lo, hi), in);
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		_mm256_store_si256((__m256i *)(left + 32 * i), a[i]);
	return run_sse42(run_sse42(0, left, FOLD), p, n);
}

/* x^bits mod P as a factor of reflected halves: its bits reversed, one place up */
static uint64_t power(unsigned bits)
{
	uint32_t v = UINT32_C(1) << 31;		/* x^0 */

	while (bits--)
		v = v >> 1 ^ (v & 1 ? POLY : 0);
	return (uint64_t)v << 1;
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
	fold_by[0] = power(8 * FOLD + 32);
	fold_by[1] = power(8 * FOLD - 32);
	if (__builtin_cpu_supports("sse4.2")) {
		run = run_sse42;
		if (__builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f"))
			run = run_avx512;
		else if (__builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx2"))
			run = run_avx2;
	}
#endif
}

uint32_t cb_crc32c(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, setup);
	return ~run(~crc, p, n);
}
