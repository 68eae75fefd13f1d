/* SPDX-License-Identifier: Apache-2.0 */
/* Within lib/crypto: the payload of an age file (https://c2sp.org/age, "Payload"), a stream of
 * chunks sealed with ChaCha20-Poly1305 (RFC 8439), either way. Whole groups of chunks go to
 * threads where there is more than one, and come out in order. */
#ifndef CB_CRYPTO_AGEPUMP_H
#define CB_CRYPTO_AGEPUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CB_AGE_CHUNK 65536u
#define CB_AGE_TAG 16u

struct cb_age_pump;

/* What goes out goes to put, in order, from the thread that calls the functions below. */
int cb_age_pump_new(struct cb_age_pump **ret, bool encrypt, const uint8_t key[static 32],
		    int (*put)(void *ctx, const uint8_t *p, size_t n, struct cb_err *err), void *ctx,
		    struct cb_err *err);
void cb_age_pump_free(struct cb_age_pump *p);

/* Room for input, never none, and how much of it was filled. */
uint8_t *cb_age_pump_space(struct cb_age_pump *p, size_t *ret_n);
int cb_age_pump_filled(struct cb_age_pump *p, size_t n, struct cb_err *err);
/* Put out everything that is known not to be the end: before waiting for more. */
int cb_age_pump_flush(struct cb_age_pump *p, struct cb_err *err);
/* There is no more. Decrypting: CB_E_DATA, here or before, where a chunk is not genuine or the
 * end is not the end; what was before it is out. */
int cb_age_pump_end(struct cb_age_pump *p, struct cb_err *err);

#endif
