/* SPDX-License-Identifier: Apache-2.0 */
/* A witness (C2SP tlog-witness) without a network: it is shown a log's checkpoint and a proof
 * that this continues the one it was shown last, remembers it, and answers with its cosignature
 * (C2SP tlog-cosignature, cosignature/v1). What it remembers of each log is a file in its
 * directory, which can be a USB stick. A log that shows two histories gets no second signature,
 * and what it showed is kept. */
#ifndef CB_LOG_WITNESS_H
#define CB_LOG_WITNESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "crypto/minisign_sign.h"
#include "log/proof.h"

#define CB_WITNESS_BODY_MAX (CB_NOTE_MAX + 8192u)

struct cb_witness {
	const char *dir;
	const struct cb_policy *logs;	/* whose checkpoints it takes */
	const char *name;		/* of its key */
	const struct cb_seckey *key;
	uint64_t now;			/* seconds since 1970 */
};
/* Answer one request, "old SIZE", hashes, an empty line, a checkpoint: append the cosignature's
 * line to out. What is remembered is on the disk before. Errors, with the numbers that a witness
 * on the network has for them:
 *   DATA (400) not such a request; NOINPUT (404) a log that is not known; NO (403) not signed by
 *   it; NO (422) it does not continue what it showed before; TEMP (409) it was another size
 *   before: out has that size and LF; IO, PERM. */
int cb_witness_answer(const struct cb_witness *w, const char *body, size_t n, struct cb_buf *out,
		      struct cb_err *err);
/* The same for the request that stands on stdin, the answer written to out: the cosignature's
 * line, or the size of 409. w->now 0: the time when it was read. IO, DATA, "stdin: reason": it
 * cannot be read, or is too long. */
int cb_witness_stdin(const struct cb_witness *w, struct cb_out *out, struct cb_err *err);

#endif
