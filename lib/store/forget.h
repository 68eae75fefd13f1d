/* SPDX-License-Identifier: Apache-2.0 */
/* Destroying the keys of a day, and with them the day: what was encrypted stays where it is, verifies
 * as before, and nobody can read it any more. */
#ifndef CB_STORE_FORGET_H
#define CB_STORE_FORGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct cb_forget_opts {
	const char *camera;
	char day[11];
	const char *reason;		/* NULL: none is given */
	bool force;			/* also where some of the day is not encrypted */
	bool dry_run;			/* say it, do nothing */
	/* The event cb.key.destroyed; it is in the store already. -1: nothing is destroyed. */
	cb_line_fn *event;
	void *ctx;
};
struct cb_forget_totals {
	uint64_t keys, segments;	/* destroyed; encrypted with them */
	uint64_t plain;			/* segments of the day that are not encrypted: they stay */
};
/* Errors: NO (a hold is on any of it; some of the day is not encrypted and force is not set; all its
 * keys were destroyed before), NOINPUT (no such camera; it has no keys of that day), TEMP (the day is
 * being recorded, or somebody reads it and holds its manifest), those of writing in a store. */
int cb_forget_day(const struct cb_store *s, const struct cb_forget_opts *o, struct cb_forget_totals *ret,
		  struct cb_err *err);

#endif
