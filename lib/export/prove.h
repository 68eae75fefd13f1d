/* SPDX-License-Identifier: Apache-2.0 */
/* Where a log says what a store's segments are: their entries, and the proofs that these stand in
 * the tree that its last checkpoint signs. The log is read, never written. */
#ifndef CB_EXPORT_PROVE_H
#define CB_EXPORT_PROVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "export/clip.h"

/* What a log says of a part of a clip. */
struct cb_proved {
	bool yes;			/* entry and proof are there */
	uint64_t index;			/* of the entry */
	char why[200];			/* not proved: why not, for people */
	struct cb_buf entry, proof;	/* bytes of the two files */
};
/* The log, as it was. */
struct cb_prover {
	bool log, checkpoint;		/* there is one */
	char origin[256];
	struct cb_buf vkey;		/* the log's verifier key, without LF */
	uint64_t size;			/* entries under the checkpoint */
	struct cb_buf note, policy;	/* the files checkpoint and policy */
};

/* Fill one *ret a part, from the log in directory path (NULL: there is none). A part that cannot be
 * proved is no error, its reason is in why. Every proof was verified, to the policy that lies in
 * the log. Errors: DATA (the log is damaged: its own proofs are false), NOINPUT (no such directory),
 * PERM, OS. */
int cb_prove(struct cb_prover *p, struct cb_proved *ret, const char *path, const struct cb_clip *clip,
	     struct cb_err *err);
void cb_prover_release(struct cb_prover *p);

#endif
