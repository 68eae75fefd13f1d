/* SPDX-License-Identifier: Apache-2.0 */
/* Holds (cb-store(5)): footage and events that nothing may delete while somebody holds them.
 * One file a hold, holds/<id>.hold, with its cb.hold.set event; several holders may hold the
 * same hours, and each releases only what is his own. */
#ifndef CB_STORE_HOLD_H
#define CB_STORE_HOLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "store/store.h"

#define CB_HOLDER_MAX 128	/* bytes of a holder's name */
#define CB_REASON_MAX 1024	/* of a reason */
#define CB_HOLDS_MAX 100000u

struct cb_hold {
	char id[CB_EVENT_ID_LEN];
	char holder[CB_HOLDER_MAX + 1];
	char camera[CB_NAME_MAX + 1];	/* "": all of them */
	int64_t from_ns, to_ns;		/* INT64_MIN, INT64_MAX: without limit */
	int64_t set_ns;
	char reason[CB_REASON_MAX + 1];
};
struct cb_holds {
	struct cb_hold *v;	/* by set_ns */
	size_t n;
};

/* Nothing is held, released or deleted by another program until the descriptor is closed. */
int cb_holds_lock(const struct cb_store *s, struct cb_err *err);
/* All that there are. A file in holds/ that cannot be understood is CB_E_DATA: it may hold
 * anything. */
int cb_holds_read(const struct cb_store *s, struct cb_holds *ret, struct cb_err *err);
void cb_holds_release(struct cb_holds *l);
/* The first that covers any moment of a stretch, NULL where none does. */
const struct cb_hold *cb_holds_on(const struct cb_holds *l, const char *camera, int64_t from_ns,
				  int64_t to_ns);

/* Hold, and fill id and set_ns; end the holds of this holder, all or the one with this id. Both take the
 * lock, and store an event for each hold, cb.hold.set or cb.hold.released, which event is given when it is
 * on the disk, as is the change; where event fails, that is the end. Errors: NO (this holder
 * holds nothing, or not that), those of the lock, of cb_holds_read and of writing in a store. */
int cb_hold_add(const struct cb_store *s, struct cb_hold *h, cb_line_fn *event, void *ctx, struct cb_err *err);
int cb_holds_drop(const struct cb_store *s, const char *holder, const char *id, cb_line_fn *event, void *ctx,
		  struct cb_err *err);

#endif
