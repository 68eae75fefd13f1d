/* SPDX-License-Identifier: Apache-2.0 */
/* Bech32 by sums over the alphabet rather than look-ups in it. */
#include "crypto/bech32.h"

#include <string.h>

#include <sodium.h>

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* All ones where equal, both below 256. */
static unsigned same(unsigned a, unsigned b)
{
	return (((a ^ b) - 1) >> 8) & 0xff;
}

static unsigned step(uint32_t sum, unsigned v)
{
	static const uint32_t gen[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3 };
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ v;
	for (int i = 0; i < 5; i++)
		sum ^= gen[i] & (0u - (top >> i & 1));
	return sum;
}

static uint32_t of_name(const char *name)
{
	uint32_t sum = 1;

	for (const char *c = name; *c; c++)
		sum = step(sum, (unsigned)(uint8_t)*c >> 5);
	sum = step(sum, 0);
	for (const char *c = name; *c; c++)
		sum = step(sum, (unsigned)(uint8_t)*c & 31);
	return sum;
}

static char letter(unsigned v, bool upper)
{
	unsigned c = 0;

	for (unsigned i = 0; i < 32; i++)
		c |= same(v, i) & (uint8_t)alphabet[i];
	/* letters have bit 6, digits do not */
	return (char)(upper ? c - (c >> 1 & 0x20) : c);
}

void cb_bech32(char *out, const char *name, const uint8_t *p, size_t n, bool upper)
{
	uint32_t sum = of_name(name), bits = 0;
	size_t o = 0;
	int have = 0;

	for (const char *c = name; *c; c++)
		out[o++] = upper && *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
	out[o++] = '1';
	for (size_t i = 0; i < n || have > 0;) {
		unsigned v;

		if (have < 5 && i < n) {
			bits = bits << 8 | p[i++];
			have += 8;
		}
		v = have >= 5 ? bits >> (have - 5) & 31 : bits << (5 - have) & 31;
		have -= 5;
		sum = step(sum, v);
		out[o++] = letter(v, upper);
	}
	for (int i = 0; i < 6; i++)
		sum = step(sum, 0);
	sum ^= 1;
	for (int i = 0; i < 6; i++)
		out[o++] = letter(sum >> (5 * (5 - i)) & 31, upper);
	out[o] = '\0';
}

bool cb_bech32_decode(uint8_t *out, size_t len, const char *name, bool upper, const char *s, size_t n)
{
	char head[CB_BECH32_SIZE(CB_BECH32_NAME_MAX, CB_BECH32_DATA_MAX)];
	size_t k = strlen(name), o = 0, digits = (len * 8 + 4) / 5;
	uint32_t sum, bits = 0;
	unsigned bad = 0;
	int have = 0;
	bool ok;

	if (len > CB_BECH32_DATA_MAX || k > CB_BECH32_NAME_MAX || n != CB_BECH32_SIZE(k, len) - 1)
		return false;
	/* the name in the case that is wanted, and the "1" */
	cb_bech32(head, name, NULL, 0, upper);
	if (memcmp(s, head, k + 1))
		return false;
	sum = of_name(name);
	for (size_t i = 0; i < digits + 6; i++) {
		unsigned c = (uint8_t)s[k + 1 + i], v = 0, found = 0;

		for (unsigned j = 0; j < 32; j++) {
			unsigned hit = same(c, (uint8_t)letter(j, upper));

			v |= hit & j;
			found |= hit;
		}
		bad |= ~found & 0xff;
		sum = step(sum, v);
		if (i >= digits)
			continue;
		bits = bits << 5 | v;
		have += 5;
		if (have >= 8) {
			have -= 8;
			out[o++] = (uint8_t)(bits >> have);
		}
	}
	ok = !bad && sum == 1 && !(bits & ((1u << have) - 1));
	if (!ok)
		sodium_memzero(out, len);
	return ok;
}
