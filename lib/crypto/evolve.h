/* SPDX-License-Identifier: Apache-2.0 */
/* Forward-secure signing: a chain of Ed25519 keys (RFC 8032), each made of a seed that is made
 * of the one before it, so that whoever steals a seed can sign with it and its successors and
 * with no earlier one. With keyed BLAKE2b-256 (RFC 7693):
 *
 *     key pair i  = Ed25519 from BLAKE2b(key: seed i, "cb-fs-sign")
 *     seed i + 1  = BLAKE2b(key: seed i, "cb-fs-next")
 *
 * Secrets lie in memory of their own, locked where the system lets us, and are wiped. Whoever
 * keeps a seed in a file destroys that file when the seed has moved on. */
#ifndef CB_CRYPTO_EVOLVE_H
#define CB_CRYPTO_EVOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/ed25519.h"

#define CB_EVOLVE_SEED 32

struct cb_evolve;

/* From a seed, or, where that is NULL, from a new one. */
int cb_evolve_new(struct cb_evolve **ret, const uint8_t *seed, struct cb_err *err);
/* A second one at the same place. */
int cb_evolve_copy(struct cb_evolve **ret, const struct cb_evolve *e, struct cb_err *err);
/* NULL is fine. */
void cb_evolve_free(struct cb_evolve *e);

/* On to the next seed; the old one is gone. */
void cb_evolve_next(struct cb_evolve *e);
void cb_evolve_seed(const struct cb_evolve *e, uint8_t out[static CB_EVOLVE_SEED]);
void cb_evolve_public(const struct cb_evolve *e, uint8_t out[static CB_ED25519_KEY_LEN]);
void cb_evolve_sign(const struct cb_evolve *e, const void *p, size_t n,
		    uint8_t sig[static CB_ED25519_SIG_LEN]);

/* Overwrite so that no compiler leaves it out. */
void cb_wipe(void *p, size_t n);

#endif
