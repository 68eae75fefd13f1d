/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed pieces: the box, the nonce, the commitment. */
#include "store/seal.h"

#include <string.h>

#include "base/num.h"
#include "store/box.h"

static const uint8_t uuid_sealed[16] = { 0xf4, 0x1b, 0x38, 0x65, 0x41, 0xb0, 0x59, 0x43,
					 0x99, 0x56, 0x74, 0x49, 0x22, 0x50, 0x8a, 0x92 };
#define HEAD 48u
#define VERSION 1
#define TAIL 14u	/* random bytes of the nonce */

_Static_assert(HEAD + CB_SALT_LEN + CB_SEAL_TAG == CB_SEALED_EXTRA, "");
_Static_assert(6 + 4 + TAIL == CB_SEAL_NONCE, "");

/* What goes with a piece in the clear. */
struct with {
	uint8_t nonce[CB_SEAL_NONCE], ad[HEAD + CB_ID_LEN + CB_NAME_MAX + 1];
	size_t ad_n;
};

static void make_with(struct with *w, const uint8_t *head, const struct cb_sealed_at *at)
{
	memset(w->nonce, 0, sizeof(w->nonce));
	cb_unhex(w->nonce, 6, at->id);
	cb_put_le32(w->nonce + 6, at->number);
	memcpy(w->nonce + 10, head + 32, TAIL);
	memcpy(w->ad, head, HEAD);
	w->ad_n = HEAD;
	memcpy(w->ad + w->ad_n, at->id, CB_ID_LEN - 1);
	w->ad_n += CB_ID_LEN - 1;
	memcpy(w->ad + w->ad_n, at->camera, strlen(at->camera));
	w->ad_n += strlen(at->camera);
}

static void put_head(uint8_t out[static HEAD], size_t n, uint32_t number)
{
	memset(out, 0, HEAD);
	cb_put_be32(out, (uint32_t)n);
	memcpy(out + 4, "uuid", 4);
	memcpy(out + 8, uuid_sealed, sizeof(uuid_sealed));
	out[24] = VERSION;
	cb_put_le32(out + 28, number);
}

int cb_sealed_put_with(struct cb_buf *b, const struct cb_day_key *k, const struct cb_sealed_at *at,
		       const struct iovec *iov, int n, const uint8_t random[static CB_SEALED_RANDOM],
		       uint8_t commit[static CB_SHA256_LEN], struct cb_err *err)
{
	size_t len = 0;
	struct cb_sha256 h;
	struct with w;
	uint8_t *p;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	b->len = 0;
	if (len > UINT32_MAX - CB_SEALED_EXTRA || cb_buf_reserve(b, len + CB_SEALED_EXTRA) < 0)
		return cb_err_nomem(err);
	put_head(b->data, len + CB_SEALED_EXTRA, at->number);
	memcpy(b->data + 32, random, TAIL);
	p = b->data + HEAD;
	memcpy(p, random + TAIL, CB_SALT_LEN);
	p += CB_SALT_LEN;
	cb_sha256_init(&h);
	cb_sha256_update(&h, random + TAIL, CB_SALT_LEN);
	for (int i = 0; i < n; i++) {
		memcpy(p, iov[i].iov_base, iov[i].iov_len);
		cb_sha256_update(&h, iov[i].iov_base, iov[i].iov_len);
		p += iov[i].iov_len;
	}
	cb_sha256_final(&h, commit);
	make_with(&w, b->data, at);
	cb_seal(b->data + HEAD, CB_SALT_LEN + len, w.ad, w.ad_n, w.nonce, k->key);
	b->len = len + CB_SEALED_EXTRA;
	return 0;
}

int cb_sealed_put(struct cb_buf *b, const struct cb_day_key *k, const struct cb_sealed_at *at,
		  const struct iovec *iov, int n, uint8_t commit[static CB_SHA256_LEN], struct cb_err *err)
{
	uint8_t random[CB_SEALED_RANDOM];
	int r;

	cb_random(random, sizeof(random));
	r = cb_sealed_put_with(b, k, at, iov, n, random, commit, err);
	cb_secret_wipe(random, sizeof(random));
	return r;
}

int cb_sealed_open(uint8_t *p, size_t n, const struct cb_day_key *k, const struct cb_sealed_at *at,
		   const uint8_t commit[static CB_SHA256_LEN], const uint8_t **ret, size_t *ret_len,
		   struct cb_err *err)
{
	uint8_t head[HEAD], sum[CB_SHA256_LEN];
	struct with w;

	if (n < CB_SEALED_EXTRA)
		return cb_err_set(err, CB_E_DATA, "piece %u: too short to be sealed", at->number);
	put_head(head, n, at->number);
	memcpy(head + 32, p + 32, TAIL);
	if (memcmp(head, p, HEAD) != 0)
		return cb_err_set(err, CB_E_DATA, "piece %u: not sealed as this version does it", at->number);
	make_with(&w, p, at);
	n -= HEAD + CB_SEAL_TAG;
	if (!cb_unseal(p + HEAD, n, w.ad, w.ad_n, w.nonce, k->key))
		return cb_err_set(err, CB_E_DATA, "piece %u: was not sealed here with this key", at->number);
	cb_sha256(sum, p + HEAD, n);
	if (memcmp(sum, commit, sizeof(sum)) != 0)
		return cb_err_set(err, CB_E_DATA, "piece %u: what was sealed is not what its line commits to",
				  at->number);
	*ret = p + HEAD + CB_SALT_LEN;
	*ret_len = n - CB_SALT_LEN;
	return 0;
}
