/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs that can be given away (C2SP tlog-proof), and whom to believe (C2SP tlog-policy).
 *
 * A proof says that an entry stands at an index of the log whose checkpoint it carries. What
 * the entry is, and whose checkpoint is to be believed, comes from elsewhere: the entry's bytes
 * and a policy. Nothing in the proof itself is trusted. */
#ifndef CB_LOG_PROOF_H
#define CB_LOG_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/note.h"

#define CB_TLOG_PROOF_MAX (CB_NOTE_MAX + (64u << 10))	/* bytes of a .tlog-proof */
#define CB_POLICY_MAX (64u << 10)			/* bytes of a policy */
#define CB_POLICY_LOGS 64
#define CB_POLICY_NODES 128				/* witnesses and groups together */

/* --- the proof --------------------------------------------------------------------------------- */

struct cb_tlog_proof {
	uint64_t index;
	size_t n;				/* hashes, leaf to root */
	uint8_t path[CB_PROOF_MAX * CB_HASH_LEN];
	const char *extra;			/* base64, nobody's word; NULL: none */
	size_t extra_len;
	const char *checkpoint;			/* the note, to its end */
	size_t checkpoint_len;
};
/* Points into text. CB_E_DATA: "not a proof: ...". The checkpoint in it is not looked at. */
int cb_tlog_proof_parse(struct cb_tlog_proof *ret, const char *text, size_t n, struct cb_err *err);
/* Append one without extra data. -1: no memory. */
int cb_tlog_proof_put(struct cb_buf *b, uint64_t index, const uint8_t *path, size_t n,
		      const char *checkpoint, size_t len);

/* --- the policy -------------------------------------------------------------------------------- */

/* A witness, or a group of them; all hang in one tree, members before their group. */
struct cb_policy_node {
	char name[CB_NOTE_NAME];
	struct cb_vkey key;	/* of a witness */
	unsigned k, members;	/* of a group: how many of its members it takes; 0: a witness */
	int group;		/* whose member it is, or -1 */
};
struct cb_policy {
	size_t logs, nodes;
	int quorum;		/* a node, or -1: none is needed */
	struct cb_vkey log[CB_POLICY_LOGS];
	struct cb_policy_node node[CB_POLICY_NODES];
};
/* CB_E_DATA "line N: reason". Release with cb_policy_free. */
int cb_policy_parse(struct cb_policy **ret, const char *text, size_t n, struct cb_err *err);
/* The same from a file, whose path messages begin with. */
int cb_policy_load(struct cb_policy **ret, const char *path, struct cb_err *err);
/* One that knows no log and asks for no witness, to add logs to. */
int cb_policy_new(struct cb_policy **ret, struct cb_err *err);
/* CB_E_DATA: not the key of a log, one that is there already, or too many. */
int cb_policy_add_log(struct cb_policy *p, const struct cb_vkey *k, struct cb_err *err);
void cb_policy_free(struct cb_policy *p);

/* What a policy finds in a note. */
struct cb_policy_view {
	struct cb_checkpoint c;
	const struct cb_vkey *log;	/* the policy's key that signed it */
	unsigned witnesses;		/* that cosigned it, of those in the policy */
	uint64_t from, to;		/* seconds since 1970 of their cosignatures; 0, 0: none */
};
/* Is the note a checkpoint that the policy accepts? 0: yes. CB_E_NO: a signature is false, no
 * log of the policy signed it, or too few witnesses did. CB_E_DATA: it is no checkpoint, or
 * whether it is accepted hangs on a signature of a kind that cannot be checked here. *ret has
 * the checkpoint, not to be believed, wherever the note is one: c.root is zero where not. */
int cb_policy_apply(const struct cb_policy *p, const struct cb_note *n, struct cb_policy_view *ret,
		    struct cb_err *err);

/* All of it: is the leaf with this hash in a log that the policy accepts, as the proof says?
 * CB_E_NO and CB_E_DATA as above; ret as above. */
int cb_tlog_proof_verify(const struct cb_tlog_proof *proof, const struct cb_policy *p,
			 const uint8_t leaf[static CB_HASH_LEN], struct cb_policy_view *ret,
			 struct cb_err *err);

#endif
