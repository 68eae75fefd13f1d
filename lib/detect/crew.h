/* SPDX-License-Identifier: Apache-2.0 */
/* The cores that an analysis may use, and a model that works on them.
 *
 * A network of the size that runs on CPUs gains more from several pictures at once, each on
 * one core, than from several cores for one picture; and the result is then the same whatever
 * their number. So a crew has a worker thread with a network of its own for each core (none
 * where there is one core: then cb_crew_put works by itself), and all of it shares the weights.
 *
 * Any number of streams bring work. What a stream does itself (decoding, resizing) it does
 * between cb_crew_enter and cb_crew_leave: never more threads are at work, of streams and crew
 * together, than there are cores. Streams come first, because decoding is what cannot be
 * divided, but not for ever. Nobody may block for anything else in between, and what waits for a
 * task must be outside.
 *
 * Threads: everything but open and free may be called from any. Workers take no signals. */
#ifndef CB_DETECT_CREW_H
#define CB_DETECT_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "detect/objects.h"

#define CB_CREW_CORES_MAX 64

/* One picture to look at. It belongs to the crew from cb_crew_put until cb_crew_done. */
struct cb_task {
	struct cb_input in;
	int wake;		/* an eventfd that is told when it is done, or -1 */
	int objects;		/* -1: failed, for this reason: */
	struct cb_err err;
	struct cb_object object[CB_OBJECTS_MAX];
	bool done;		/* private (true: one that needs no looking, and is not put) */
	struct cb_task *next;
};

struct cb_crew;
/* model NULL: cores alone. Errors as cb_model_open; CB_E_OS for threads that are not to be had. */
int cb_crew_open(struct cb_crew **ret, const struct cb_model_opts *model, int cores, struct cb_err *err);
/* No task may be under way. */
void cb_crew_free(struct cb_crew *c);
/* For names, digests and cb_prep_new; NULL without one. */
const struct cb_model *cb_crew_model(const struct cb_crew *c);
/* Does cb_crew_put return before the work is done? */
bool cb_crew_parallel(const struct cb_crew *c);
int cb_crew_cores(const struct cb_crew *c);

/* cb_model_warm; before there is work. Nothing without a model, or where it runs elsewhere. */
int cb_crew_warm(struct cb_crew *c, struct cb_err *err);

void cb_crew_enter(struct cb_crew *c);
void cb_crew_leave(struct cb_crew *c);
/* Look at a picture: now (the caller has entered), or as soon as one of the crew can. */
void cb_crew_put(struct cb_crew *c, struct cb_task *t);
/* Is it done? Then nobody else knows of it any more, nor of its eventfd. */
bool cb_crew_done(struct cb_crew *c, const struct cb_task *t);
/* How long a task put now would wait, by what the last ones took: 0 where none waits. */
int64_t cb_crew_wait_ns(struct cb_crew *c);

#endif
