/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded set of event identities, so that an event is stored once. An identity is 64 bits
 * of SHA-256 over source and id: nobody meets another's by chance, and to make one that meets
 * a given event's takes 2^64 tries. */
#ifndef CB_STORE_ONCE_H
#define CB_STORE_ONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/event.h"

#define CB_ONCE_MAX (1u << 20)		/* identities in a set: 16 MiB */
#define CB_ONCE_ALL (4u * CB_ONCE_MAX)	/* slots of all sets that share a limit: 32 MiB */

/* All zero is a valid empty set. */
struct cb_once {
	uint64_t *slot;		/* 0: free */
	size_t slots, n;
	size_t *left;		/* NULL, or slots that several sets may still take */
};

/* Never 0. */
uint64_t cb_once_key(const struct cb_event *ev);
bool cb_once_has(const struct cb_once *o, uint64_t key);
/* 1: it is new; 0: it was there; -1: the set is full, or there is no memory for more. */
int cb_once_add(struct cb_once *o, uint64_t key);
void cb_once_release(struct cb_once *o);

#endif
