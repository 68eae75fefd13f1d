/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of Ed25519 keys. */
#include "crypto/evolve.h"

#include <string.h>

#include <sodium.h>

struct cb_evolve {
	uint8_t seed[CB_EVOLVE_SEED];
};

/* What passes through on the way, beside the seed in locked memory. */
struct scratch {
	uint8_t sign[crypto_sign_SEEDBYTES], sk[crypto_sign_SECRETKEYBYTES], next[CB_EVOLVE_SEED];
};

struct whole {
	struct cb_evolve e;
	struct scratch s;
};

_Static_assert(CB_EVOLVE_SEED == crypto_generichash_KEYBYTES, "seeds are BLAKE2b's keys");

static void derive(uint8_t out[static 32], const uint8_t *seed, const char *what)
{
	crypto_generichash(out, 32, (const uint8_t *)what, strlen(what), seed, CB_EVOLVE_SEED);
}

int cb_evolve_new(struct cb_evolve **ret, const uint8_t *seed, struct cb_err *err)
{
	struct whole *w;

	if (sodium_init() < 0)
		return cb_err_set(err, CB_E_OS, "libsodium does not start");
	w = sodium_malloc(sizeof(*w));
	if (!w)
		return cb_err_nomem(err);
	if (seed)
		memcpy(w->e.seed, seed, CB_EVOLVE_SEED);
	else
		randombytes_buf(w->e.seed, CB_EVOLVE_SEED);
	*ret = &w->e;
	return 0;
}

int cb_evolve_copy(struct cb_evolve **ret, const struct cb_evolve *e, struct cb_err *err)
{
	return cb_evolve_new(ret, e->seed, err);
}

void cb_evolve_free(struct cb_evolve *e)
{
	sodium_free(e);		/* wipes; its first member is the whole */
}

/* The scratch space belongs to the object, whose seed does not change. */
static struct scratch *scratch(const struct cb_evolve *e)
{
	return &((struct whole *)e)->s;
}

void cb_evolve_next(struct cb_evolve *e)
{
	struct scratch *s = scratch(e);

	derive(s->next, e->seed, "cb-fs-next");
	memcpy(e->seed, s->next, CB_EVOLVE_SEED);
	sodium_memzero(s, sizeof(*s));
}

void cb_evolve_seed(const struct cb_evolve *e, uint8_t out[static CB_EVOLVE_SEED])
{
	memcpy(out, e->seed, CB_EVOLVE_SEED);
}

static void pair(const struct cb_evolve *e, uint8_t pk[static CB_ED25519_KEY_LEN])
{
	struct scratch *s = scratch(e);

	derive(s->sign, e->seed, "cb-fs-sign");
	crypto_sign_seed_keypair(pk, s->sk, s->sign);
}

void cb_evolve_public(const struct cb_evolve *e, uint8_t out[static CB_ED25519_KEY_LEN])
{
	pair(e, out);
	sodium_memzero(scratch(e), sizeof(struct scratch));
}

void cb_evolve_sign(const struct cb_evolve *e, const void *p, size_t n,
		    uint8_t sig[static CB_ED25519_SIG_LEN])
{
	uint8_t pk[CB_ED25519_KEY_LEN];

	pair(e, pk);
	crypto_sign_detached(sig, NULL, p, n, scratch(e)->sk);
	sodium_memzero(scratch(e), sizeof(struct scratch));
}

void cb_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}
