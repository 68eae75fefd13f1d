/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying evidence: a log, a store, a bundle, a signed file, a proof. What comes out is
 * findings, each with its place, and a summary; what each means is in cb-verify(1).
 *
 * Three answers are kept apart everywhere: true, checked and false, could not be checked. No
 * secret key and no index is read, nothing is written, and memory does not grow with what is
 * verified but by a few hundred bytes a segment. */
#ifndef CB_VERIFY_VERIFY_H
#define CB_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/check.h"
#include "verify/trust.h"

/* Where and what. What does not apply is NULL, -1, CB_NO_ENTRY or INT64_MIN. */
struct cb_finding {
	enum cb_found kind;
	const char *code;		/* a word for programs */
	const char *text;		/* for people, without the place */
	const char *path;		/* the file, relative to what is verified */
	int64_t byte;			/* in it */
	const char *camera;
	int64_t fragment;		/* of a segment; 0 is its init segment */
	int64_t from_ns, to_ns;		/* wall time of that fragment or segment */
	uint64_t entry, entry_end;	/* of a log: entry <= i < entry_end */
	int64_t epoch;
	int64_t recorded_us;		/* of the entry */
};
#define CB_FINDING_NONE { CB_FOUND_NOTE, NULL, NULL, NULL, -1, NULL, -1, INT64_MIN, INT64_MIN, CB_NO_ENTRY, \
			  CB_NO_ENTRY, CB_NO_EPOCH, INT64_MIN }

enum cb_verified_kind { CB_VERIFIED_LOG, CB_VERIFIED_STORE, CB_VERIFIED_BUNDLE, CB_VERIFIED_FILE, CB_VERIFIED_PROOF };

/* What was verified. */
struct cb_verified {
	enum cb_verified_kind kind;
	uint64_t findings, unchecked, notes;
	uint64_t bytes;			/* read */
	uint64_t files, segments, open, fragments, entries, seals;
	uint64_t logged;		/* segments found in a log */
	char signers[512];		/* names of the keys that signed it, of those given */
	unsigned signatures;
	bool has_log;			/* a checkpoint that the policy accepts: */
	char origin[CB_NOTE_NAME];
	uint64_t log_size;
	uint8_t log_root[CB_HASH_LEN];
	unsigned witnesses;
	uint64_t witnessed_from, witnessed_to;	/* seconds since 1970 */
};

typedef int cb_finding_to(void *ctx, const struct cb_finding *f, struct cb_err *err);

struct cb_verify {
	struct cb_trust *trust;
	struct cb_log_older older[CB_LOG_OLDER_MAX];
	size_t n_older;
	bool forward_secure;
	const uint8_t *org;		/* as in log/check.h */
	int64_t now_us, max_age_us;	/* as in log/check.h; now_us is when verifying began */
	const char *log;		/* a log's directory, for a store; or NULL */
	bool partial;			/* a store may lack segments that the log has */
	const char *camera;		/* of a store, this camera alone; or NULL */
	const char *signature;		/* the signature of a file; NULL: beside it */
	const char *nspace;		/* SSHSIG's namespace; NULL: cb-evidence */
	const char *entry;		/* the entry of a proof; NULL: beside it */
	cb_finding_to *found;
	void *ctx;
};

/* What is it? -1 with CB_E_NOINPUT, or CB_E_DATA where it is nothing that can be verified. */
int cb_verify_kind(const char *path, enum cb_verified_kind *ret, struct cb_err *err);
/* Verify path. -1: it could not be read at all, found failed, no memory, or a request to stop;
 * everything else is a finding, and the answer is in *ret (filled as far as it went). */
int cb_verify(const struct cb_verify *v, const char *path, enum cb_verified_kind kind,
	      struct cb_verified *ret, struct cb_err *err);

/* --- private to lib/verify ------------------------------------------------------------------ */

int cb_verify_log(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err);
int cb_verify_store(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err);
int cb_verify_bundle(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err);
int cb_verify_file(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err);
int cb_verify_proof(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err);
/* Is it encrypted with age? Then there is nothing to see before it was decrypted. */
bool cb_verify_encrypted(int fd);
/* Count it and pass it on; the text is made here. */
int cb_verify_found(const struct cb_verify *v, struct cb_verified *r, struct cb_finding *f,
		    struct cb_err *err, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* A log's findings as findings; prefix goes before its files' names ("" or "DIR/"). check's
 * entry and ctx are the caller's, the rest is filled from v. */
struct cb_verify_log_run {
	const struct cb_verify *v;
	struct cb_verified *r;
	const char *prefix;
	int (*entry)(void *ctx, uint64_t index, const uint8_t *entry, size_t n, bool signed_, struct cb_err *err);
	void *ctx;
};
int cb_verify_log_run(const struct cb_verify_log_run *x, const char *path, struct cb_err *err);
/* What a policy's view says, into the summary. */
void cb_verify_view(struct cb_verified *r, const struct cb_policy_view *view);

#endif
