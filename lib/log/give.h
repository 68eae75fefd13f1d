/* SPDX-License-Identifier: Apache-2.0 */
/* What a log gives away as text, for others to check: proofs (C2SP tlog-proof), the requests that
 * witnesses answer (C2SP tlog-witness), and policies (C2SP tlog-policy). All of it is made of the
 * log's public files; no secret is read.
 *
 * path is the log's directory, and messages begin with it. Errors: as cb_tiles_open and
 * cb_tiles_inclusion, CB_E_NOINPUT where there is no checkpoint yet, CB_E_DATA where it is none,
 * and what writing to out gives. */
#ifndef CB_LOG_GIVE_H
#define CB_LOG_GIVE_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"

/* The proof that the entry at index is in the log as its checkpoint has it. CB_E_NOINPUT: the
 * checkpoint has not so many entries. */
int cb_give_proof(const char *path, uint64_t index, struct cb_out *out, struct cb_err *err);

/* "old SIZE", the proof that the checkpoint continues the log's first old entries, an empty
 * line, and the checkpoint: a request for cb_witness_answer. CB_E_NOINPUT: it has fewer. */
int cb_give_consistency(const char *path, uint64_t old, struct cb_out *out, struct cb_err *err);

/* A policy: the log's key, these witnesses (verifier keys, name+id+key), and how many of them
 * it takes, at most n; 0: all. CB_E_DATA: one is no such key, "--witness KEY: reason". What was
 * good of it is then in out already. */
int cb_give_policy(const char *path, const char *const *witness, unsigned n, unsigned quorum,
		   struct cb_out *out, struct cb_err *err);

#endif
