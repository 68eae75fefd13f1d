/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and SHA-512 (FIPS 180-4), from a library that uses the CPU's SHA instructions, and the ids
 * that are made of it. None of these can fail. */
#ifndef CB_CRYPTO_HASH_H
#define CB_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#define CB_SHA256_LEN 32
#define CB_SHA256_HEX 65	/* with its NUL */

struct cb_sha256 {
	_Alignas(16) uint8_t opaque[128];
};

void cb_sha256_init(struct cb_sha256 *h);
void cb_sha256_update(struct cb_sha256 *h, const void *p, size_t n);
/* Give the digest and start anew. */
void cb_sha256_final(struct cb_sha256 *h, uint8_t out[static CB_SHA256_LEN]);
void cb_sha256(uint8_t out[static CB_SHA256_LEN], const void *p, size_t n);

/* SHA-512, the same. */
#define CB_SHA512_LEN 64
struct cb_sha512 {
	_Alignas(16) uint8_t opaque[256];
};
void cb_sha512_init(struct cb_sha512 *h);
void cb_sha512_update(struct cb_sha512 *h, const void *p, size_t n);
void cb_sha512_final(struct cb_sha512 *h, uint8_t out[static CB_SHA512_LEN]);

/* MD5 (RFC 1321). It is broken: for HTTP Digest authentication, where cameras know nothing else,
 * and for nothing besides. */
#define CB_MD5_LEN 16
struct cb_md5 {
	_Alignas(16) uint8_t opaque[128];
};
void cb_md5_init(struct cb_md5 *h);
void cb_md5_update(struct cb_md5 *h, const void *p, size_t n);
void cb_md5_final(struct cb_md5 *h, uint8_t out[static CB_MD5_LEN]);

/* An event's id (cb-event(5)): the first 16 bytes, in hexadecimal, of SHA-256 over
 *   type NUL camera NUL digest[32] pts[8, LE] run NUL index[4, LE]
 * so the same analysis of the same packet gives the same id again. digest may be NULL
 * (32 zero bytes), camera and run may be "". */
#define CB_EVENT_ID_LEN 33
void cb_event_id(char out[static CB_EVENT_ID_LEN], const char *type, const char *camera,
		 const uint8_t *digest, int64_t pts, const char *run, uint32_t index);

#endif
