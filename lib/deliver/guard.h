/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses a sink that is given by a URL may connect to. What is asked is the address of
 * the socket that is about to be connected, never a name and never a spelling: 0x7f.1, ::ffff:7f00:1
 * and a name that resolves to it are the same 127.0.0.1.
 *
 * Refused unless allowed: this host (RFC 1122 3.2.1.3: 0/8, 127/8; ::, ::1), link-local (RFC
 * 3927 169.254/16 with its metadata services; fe80::/10), multicast and broadcast, reserved
 * (240/4), the other metadata services of clouds (100.100.100.200, 168.63.129.16, 192.0.0.192,
 * fd00:ec2::254), and every IPv6 address that carries one of those: mapped (RFC 4291 2.5.5),
 * compatible, translated (RFC 6052 64:ff9b::/96, RFC 8215 64:ff9b:1::/48), 6to4 (RFC 3056) and Teredo
 * (RFC 4380).
 * Private networks are not refused: that is where receivers of alarms stand. */
#ifndef CB_DELIVER_GUARD_H
#define CB_DELIVER_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct cb_cidr {			/* IPv4 as ::ffff:a.b.c.d/96+n */
	uint8_t addr[16];
	uint8_t bits;
};
/* "10.0.0.0/8", "::1", "fe80::/10": an address and how many bits of it count. */
bool cb_cidr_parse(const char *s, struct cb_cidr *ret);
bool cb_cidr_has(const struct cb_cidr *n, const uint8_t addr[static 16]);
/* May sa be connected to? Of any family but IPv4 and IPv6: no. */
bool cb_guard_allows(const struct sockaddr *sa, const struct cb_cidr *allow, uint32_t n);

/* "192.0.2.1", for people. */
void cb_guard_text(char out[static 64], const struct sockaddr *sa);

#endif
