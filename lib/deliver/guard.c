/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that may be connected to. */
#include "deliver/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

static void map4(uint8_t out[static 16], const void *a)
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, a, 4);
}

bool cb_cidr_parse(const char *s, struct cb_cidr *ret)
{
	char text[64];
	const char *slash = strchrnul(s, '/');
	struct in_addr a4;
	uint64_t bits;
	bool four;

	if ((size_t)(slash - s) >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)(slash - s), s);
	four = inet_pton(AF_INET, text, &a4) == 1;
	if (four)
		map4(ret->addr, &a4);
	else if (inet_pton(AF_INET6, text, ret->addr) != 1)
		return false;
	bits = four ? 32 : 128;
	if (*slash && !cb_parse_u64(slash + 1, 0, bits, &bits))
		return false;
	ret->bits = (uint8_t)(four ? bits + 96 : bits);
	return true;
}

bool cb_cidr_has(const struct cb_cidr *n, const uint8_t addr[static 16])
{
	uint32_t whole = n->bits / 8, rest = n->bits % 8;

	return memcmp(n->addr, addr, whole) == 0 &&
		(!rest || !((n->addr[whole] ^ addr[whole]) >> (8 - rest)));
}

static bool bad4(const uint8_t *a)
{
	static const uint8_t clouds[][4] = {
		{ 100, 100, 100, 200 }, { 168, 63, 129, 16 }, { 192, 0, 0, 192 },
	};

	for (size_t i = 0; i < sizeof(clouds) / 4; i++)
		if (memcmp(a, clouds[i], 4) == 0)
			return true;
	return a[0] == 0 || a[0] == 127 || (a[0] == 169 && a[1] == 254) || a[0] >= 224;
}

static bool zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static bool bad6(const uint8_t *a)
{
	static const uint8_t ec2[16] = { 0xfd, 0, 0x0e, 0xc2, [14] = 2, [15] = 0x54 };
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const uint8_t nat64_own[6] = { 0, 0x64, 0xff, 0x9b, 0, 1 };
	uint8_t v4[4];

	if (zero(a, 12) || (zero(a, 10) && a[10] == 0xff && a[11] == 0xff) ||
	    (zero(a, 8) && a[8] == 0xff && a[9] == 0xff && !a[10] && !a[11]))
		return (zero(a, 12) && (zero(a + 12, 3) && a[15] < 2)) || bad4(a + 12);
	if (memcmp(a, nat64, 12) == 0)
		return bad4(a + 12);
	if (a[0] == 0x20 && a[1] == 0x02)
		return bad4(a + 2);
	if (a[0] == 0x20 && a[1] == 0x01 && !a[2] && !a[3]) {
		for (int i = 0; i < 4; i++)
			v4[i] = (uint8_t)~a[12 + i];
		return bad4(a + 4) || bad4(v4);
	}
	/* a translator of one's own puts the address where it likes */
	if (memcmp(a, nat64_own, 6) == 0)
		return true;
	return memcmp(a, ec2, 16) == 0 || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
		(a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) || a[0] == 0xff;
}

bool cb_guard_allows(const struct sockaddr *sa, const struct cb_cidr *allow, uint32_t n)
{
	uint8_t a[16];

	if (sa->sa_family == AF_INET) {
		map4(a, &((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(a, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	} else {
		return false;
	}
	for (uint32_t i = 0; i < n; i++)
		if (cb_cidr_has(&allow[i], a))
			return true;
	return !bad6(a);
}

void cb_guard_text(char out[static 64], const struct sockaddr *sa)
{
	const void *a = sa->sa_family == AF_INET ?
		(const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr :
		(const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

	if (!inet_ntop(sa->sa_family, a, out, 64))
		snprintf(out, 64, "an address of family %d", sa->sa_family);
}
