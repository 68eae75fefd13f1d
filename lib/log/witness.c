/* SPDX-License-Identifier: Apache-2.0 */
/* A witness's memory and answers. */
#include "log/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/newfile.h"
#include "base/num.h"
#include "base/time.h"
#include "crypto/base64.h"
#include "crypto/hash.h"

#define HASHES_MAX 63		/* of a request's proof */

struct request {
	uint64_t old;
	unsigned n;
	uint8_t path[HASHES_MAX * CB_HASH_LEN];
	const char *note;
	size_t note_len;
};

static int parse(struct request *r, const char *p, size_t n, struct cb_err *err)
{
	const char *end = p + n, *lf = n ? memchr(p, '\n', n) : NULL;

	*r = (struct request){ 0 };
	if (!lf || lf - p < 5 || memcmp(p, "old ", 4) != 0 || !cb_size_text(&r->old, p + 4, (size_t)(lf - p) - 4))
		return cb_err_set(err, CB_E_DATA, "its first line is not \"old SIZE\"");
	for (p = lf + 1; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			break;
		if (lf == p) {
			r->note = p + 1;
			r->note_len = (size_t)(end - p) - 1;
			return 0;
		}
		if (r->n == HASHES_MAX || !cb_hash_base64(r->path + r->n * CB_HASH_LEN, p, (size_t)(lf - p)))
			return cb_err_set(err, CB_E_DATA, "hash %u of the proof is none", r->n + 1);
		r->n++;
	}
	return cb_err_set(err, CB_E_DATA, "no empty line before the checkpoint");
}

/* --- memory -------------------------------------------------------------------------------------- */

/* Its file: the first 16 digits of SHA-256 of the origin, which may have anything in it. */
static int path_of(char **ret, const char *dir, const char *origin, const char *suffix)
{
	uint8_t sum[CB_SHA256_LEN];
	char hex[17];

	cb_sha256(sum, origin, strlen(origin));
	cb_hex(hex, sum, 8);
	return asprintf(ret, "%s/%s%s", dir, hex, suffix);
}

/* What was cosigned last: the tree of no entries where nothing was. */
static int recall(const char *path, const char *origin, struct cb_checkpoint *c, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_note *n;
	uint8_t *p = NULL;
	size_t len;
	int ret = -1;

	*c = (struct cb_checkpoint){ .size = 0 };
	cb_sha256(c->root, "", 0);
	if (cb_file_read(path, CB_NOTE_MAX, &p, &len, &why) < 0) {
		if (why.code == CB_E_NOINPUT)
			return 0;
		if (err)
			*err = why;
		return cb_err_prefix(err, "%s", path);
	}
	n = malloc(sizeof(*n));
	if (!n)
		cb_err_nomem(err);
	else if (cb_note_parse(n, (const char *)p, len, err) < 0 ||
		 cb_checkpoint_parse(c, n->text, n->text_len, err) < 0)
		cb_err_prefix(err, "%s", path);
	else if (strcmp(c->origin, origin) != 0)
		cb_err_set(err, CB_E_DATA, "%s: of another log", path);
	else
		ret = 0;
	c->extra = NULL;
	free(n);
	free(p);
	return ret;
}

/* --- answering ------------------------------------------------------------------------------------ */

/* Nobody believes a contradiction without seeing both sides of it. */
static void keep_conflict(const struct cb_witness *w, const char *origin, const char *body, size_t n)
{
	char suffix[48], *path;

	snprintf(suffix, sizeof(suffix), ".refused.%" PRIu64, w->now);
	if (path_of(&path, w->dir, origin, suffix) < 0)
		return;
	cb_newfile_write(path, 0640, false, body, n, NULL);
	free(path);
}

static int compare(const struct request *r, const struct cb_checkpoint *last, const struct cb_checkpoint *c,
		   struct cb_buf *out, struct cb_err *err)
{
	if (r->old > c->size)
		return cb_err_set(err, CB_E_DATA, "old size %" PRIu64 " is beyond the checkpoint's %" PRIu64, r->old, c->size);
	if (r->old != last->size) {
		if (cb_buf_printf(out, "%" PRIu64 "\n", last->size) < 0)
			return cb_err_nomem(err);
		return cb_err_set(err, CB_E_TEMP, "%s: it had %" PRIu64 " entries when it was here last, not %" PRIu64,
				  c->origin, last->size, r->old);
	}
	if (!cb_merkle_consistent(last->size, c->size, last->root, c->root, r->path, r->n))
		return cb_err_set(err, CB_E_NO, "%s: its %" PRIu64 " entries do not continue the %" PRIu64 " of last time",
				  c->origin, c->size, last->size);
	return 0;
}

static int cosign(const struct cb_witness *w, const struct cb_note *n, struct cb_buf *out, struct cb_err *err)
{
	uint8_t pk[32], sig[64];
	struct cb_buf b = { 0 };
	struct cb_vkey k;
	int ret = -1;

	cb_seckey_public(w->key, pk);
	if (cb_vkey_init(&k, w->name, CB_KEY_COSIGNATURE, pk, err) < 0)
		return -1;
	if (cb_cosignature_put(&b, w->now, n->text, n->text_len) < 0)
		cb_err_nomem(err);
	else {
		cb_seckey_sign(w->key, b.data, b.len, sig);
		ret = cb_note_put_sig(out, &k, sig, w->now) < 0 ? cb_err_nomem(err) : 0;
	}
	cb_buf_release(&b);
	return ret;
}

/* The log that names itself so and whose key signed the note. */
static int known(const struct cb_witness *w, const struct cb_note *n, const char *origin, struct cb_err *err)
{
	bool any = false, good = false;

	for (size_t i = 0; i < w->logs->logs; i++) {
		const struct cb_vkey *k = &w->logs->log[i];

		if (strcmp(k->name, origin) != 0)
			continue;
		any = true;
		switch (cb_note_signed(n, k, NULL)) {
		case CB_SIGNED_TRUE:
			good = true;
			break;
		case CB_SIGNED_FALSE:
			return cb_err_set(err, CB_E_NO, "%s: the checkpoint's signature is false", origin);
		default:
			break;
		}
	}
	if (!any)
		return cb_err_set(err, CB_E_NOINPUT, "%s: not a log that is known here", origin);
	return good ? 0 : cb_err_set(err, CB_E_NO, "%s: the checkpoint is not signed by it", origin);
}

static int answer_held(const struct cb_witness *w, const struct request *r, const struct cb_note *n,
		       const struct cb_checkpoint *c, const char *body, size_t len, struct cb_buf *out, struct cb_err *err)
{
	struct cb_checkpoint last;
	struct cb_err why = CB_ERR_INIT;
	struct cb_buf line = { 0 };
	char *path = NULL;
	int ret = -1;

	if (path_of(&path, w->dir, c->origin, "") < 0) {
		path = NULL;
		return cb_err_nomem(err);
	}
	if (recall(path, c->origin, &last, err) < 0)
		goto out;
	if (compare(r, &last, c, out, &why) < 0) {
		if (why.code == CB_E_NO)
			keep_conflict(w, c->origin, body, len);
		if (err)
			*err = why;
		goto out;
	}
	/* on the disk before anybody is told */
	if (cosign(w, n, &line, err) == 0 && cb_newfile_write(path, 0640, true, r->note, r->note_len, err) == 0 &&
	    (ret = cb_buf_add(out, line.data, line.len)) < 0)
		cb_err_nomem(err);
out:
	cb_buf_release(&line);
	free(path);
	return ret;
}

int cb_witness_answer(const struct cb_witness *w, const char *body, size_t n, struct cb_buf *out,
		      struct cb_err *err)
{
	struct cb_note *note = malloc(sizeof(*note));
	struct cb_checkpoint c;
	struct request r;
	int dir = -1, ret = -1;

	if (!note)
		return cb_err_nomem(err);
	if (parse(&r, body, n, err) < 0)
		goto out;
	if (cb_note_parse(note, r.note, r.note_len, err) < 0 ||
	    cb_checkpoint_parse(&c, note->text, note->text_len, err) < 0) {
		cb_err_prefix(err, "checkpoint");
		goto out;
	}
	if (known(w, note, c.origin, err) < 0)
		goto out;
	dir = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "%s", w->dir);
		goto out;
	}
	while (flock(dir, LOCK_EX) < 0)
		if (errno != EINTR) {
			cb_err_sys(err, CB_E_IO, errno, "%s: lock", w->dir);
			goto out;
		}
	ret = answer_held(w, &r, note, &c, body, n, out, err);
out:
	if (dir >= 0)
		close(dir);
	free(note);
	return ret;
}

int cb_witness_stdin(const struct cb_witness *w, struct cb_out *out, struct cb_err *err)
{
	struct cb_witness at = *w;
	struct cb_err late = CB_ERR_INIT;
	struct cb_buf answer = { 0 };
	uint8_t *body = NULL;
	size_t n;
	int ret;

	if (cb_file_read("/dev/stdin", CB_WITNESS_BODY_MAX, &body, &n, err) < 0)
		return cb_err_prefix(err, "stdin");
	if (!at.now)
		at.now = (uint64_t)(cb_now_wall_ns() / CB_NS_PER_S);
	ret = cb_witness_answer(&at, (const char *)body, n, &answer, err);
	if (answer.len && cb_out_write(out, answer.data, answer.len, &late) < 0 && ret == 0) {
		*err = late;
		ret = -1;
	}
	cb_buf_release(&answer);
	free(body);
	return ret;
}
