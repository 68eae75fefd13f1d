/* SPDX-License-Identifier: Apache-2.0 */
/* The ballast of a store (cb-store(5)): a file that only takes up room, so that there is some
 * when there is none. Who finds the disk full drops it, and has the room to close what is open
 * and to say so; footage is written again when there is room for the ballast and as much more.
 *
 * The recorders of a store share it, so one that drops it stops the others before they fill
 * that room with footage: see cb_ballast_room. */
#ifndef CB_STORE_BALLAST_H
#define CB_STORE_BALLAST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

#define CB_BALLAST_BYTES (UINT64_C(16) << 20)	/* a sixteenth of a file system below 256 MiB */

/* Is it there, whole? If not, make it. margin: only where as much again is free besides.
 * Errors: IO with ENOSPC or EDQUOT in err->sys where there is no room (or somebody else is just
 * looking), IO, PERM, CANTCREAT where it cannot be. */
int cb_ballast_make(const struct cb_store *s, bool margin, struct cb_err *err);
/* Give its room back. A store without it is fine. */
int cb_ballast_drop(const struct cb_store *s, struct cb_err *err);
/* Somebody is going to delete, and has to write that down first: where next to nothing is free,
 * drop it. */
void cb_ballast_lend(const struct cb_store *s);
/* May so many bytes of footage be written? Not where little is left and the ballast is gone:
 * what is left then is for those who have to close and to say something. */
bool cb_ballast_room(const struct cb_store *s, uint64_t bytes);

#endif
