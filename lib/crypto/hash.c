/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by nettle, which picks the CPU's SHA instructions at run time. */
#include "crypto/hash.h"

#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/num.h"

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(((struct cb_sha256 *)0)->opaque),
	       "struct cb_sha256 is too small for nettle's state");
_Static_assert(sizeof(struct sha512_ctx) <= sizeof(((struct cb_sha512 *)0)->opaque),
	       "struct cb_sha512 is too small for nettle's state");

void cb_sha256_init(struct cb_sha256 *h)
{
	sha256_init((struct sha256_ctx *)h->opaque);
}

void cb_sha256_update(struct cb_sha256 *h, const void *p, size_t n)
{
	sha256_update((struct sha256_ctx *)h->opaque, n, p);
}

void cb_sha256_final(struct cb_sha256 *h, uint8_t out[static CB_SHA256_LEN])
{
	sha256_digest((struct sha256_ctx *)h->opaque, CB_SHA256_LEN, out);
}

void cb_sha256(uint8_t out[static CB_SHA256_LEN], const void *p, size_t n)
{
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, p, n);
	cb_sha256_final(&h, out);
}

void cb_sha512_init(struct cb_sha512 *h)
{
	sha512_init((struct sha512_ctx *)h->opaque);
}

void cb_sha512_update(struct cb_sha512 *h, const void *p, size_t n)
{
	sha512_update((struct sha512_ctx *)h->opaque, n, p);
}

void cb_sha512_final(struct cb_sha512 *h, uint8_t out[static CB_SHA512_LEN])
{
	sha512_digest((struct sha512_ctx *)h->opaque, CB_SHA512_LEN, out);
}

_Static_assert(sizeof(struct md5_ctx) <= sizeof(((struct cb_md5 *)0)->opaque),
	       "struct cb_md5 is too small for nettle's state");

void cb_md5_init(struct cb_md5 *h)
{
	md5_init((struct md5_ctx *)h->opaque);
}

void cb_md5_update(struct cb_md5 *h, const void *p, size_t n)
{
	md5_update((struct md5_ctx *)h->opaque, n, p);
}

void cb_md5_final(struct cb_md5 *h, uint8_t out[static CB_MD5_LEN])
{
	md5_digest((struct md5_ctx *)h->opaque, CB_MD5_LEN, out);
}

void cb_event_id(char out[static CB_EVENT_ID_LEN], const char *type, const char *camera,
		 const uint8_t *digest, int64_t pts, const char *run, uint32_t index)
{
	static const uint8_t none[CB_SHA256_LEN];
	uint8_t sum[CB_SHA256_LEN], num[12];
	struct cb_sha256 h;

	cb_sha256_init(&h);
	cb_sha256_update(&h, type, strlen(type) + 1);
	cb_sha256_update(&h, camera, strlen(camera) + 1);
	cb_sha256_update(&h, digest ? digest : none, CB_SHA256_LEN);
	cb_put_le64(num, (uint64_t)pts);
	cb_sha256_update(&h, num, 8);
	cb_sha256_update(&h, run, strlen(run) + 1);
	cb_put_le32(num, index);
	cb_sha256_update(&h, num, 4);
	cb_sha256_final(&h, sum);
	cb_hex(out, sum, 16);
}
