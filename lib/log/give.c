/* SPDX-License-Identifier: Apache-2.0 */
/* cb-audit prove, consistency and policy. */
#include "log/give.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"
#include "log/note.h"
#include "log/proof.h"
#include "log/tile.h"

/* The log as its checkpoint has it. */
static int open_signed(const char *path, struct cb_tiles **ret, struct cb_checkpoint *c, const char **ret_note,
		       size_t *ret_len, struct cb_err *err)
{
	struct cb_note *n = malloc(sizeof(*n));
	int k = -1;

	if (!n)
		return cb_err_nomem(err);
	if (cb_tiles_open(ret, path, err) < 0)
		goto out;
	*ret_note = cb_tiles_checkpoint(*ret, ret_len);
	if (!*ret_note)
		cb_err_set(err, CB_E_NOINPUT, "no checkpoint yet (cb-audit checkpoint)");
	else if (cb_note_parse(n, *ret_note, *ret_len, err) < 0 ||
		 cb_checkpoint_parse(c, n->text, n->text_len, err) < 0)
		cb_err_prefix(err, "checkpoint");
	else
		k = 0;
out:
	free(n);
	return k;
}

int cb_give_proof(const char *path, uint64_t index, struct cb_out *out, struct cb_err *err)
{
	uint8_t hashes[CB_PROOF_MAX * CB_HASH_LEN];
	struct cb_tiles *t = NULL;
	struct cb_buf text = { 0 };
	struct cb_checkpoint c;
	const char *note;
	size_t len;
	unsigned n;
	int ret = -1;

	if (open_signed(path, &t, &c, &note, &len, err) < 0)
		goto out;
	if (index >= c.size) {
		cb_err_set(err, CB_E_NOINPUT, "no entry %" PRIu64 " in its checkpoint, which has %" PRIu64, index, c.size);
		goto out;
	}
	if (cb_tiles_inclusion(t, index, c.size, hashes, &n, err) < 0)
		goto out;
	ret = cb_tlog_proof_put(&text, index, hashes, n, note, len) < 0 ? cb_err_nomem(err) :
	      cb_out_write(out, text.data, text.len, err);
out:
	cb_buf_release(&text);
	cb_tiles_close(t);
	return ret < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

static int put_request(struct cb_buf *b, uint64_t old, const uint8_t *hashes, unsigned n, const char *note, size_t len)
{
	if (cb_buf_printf(b, "old %" PRIu64 "\n", old) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++)
		if (cb_base64_put(b, hashes + i * CB_HASH_LEN, CB_HASH_LEN) < 0 || cb_buf_byte(b, '\n') < 0)
			return -1;
	return cb_buf_byte(b, '\n') < 0 ? -1 : cb_buf_add(b, note, len);
}

int cb_give_consistency(const char *path, uint64_t old, struct cb_out *out, struct cb_err *err)
{
	uint8_t hashes[CB_PROOF_MAX * CB_HASH_LEN];
	struct cb_tiles *t = NULL;
	struct cb_buf text = { 0 };
	struct cb_checkpoint c;
	const char *note;
	size_t len;
	unsigned n;
	int ret = -1;

	if (open_signed(path, &t, &c, &note, &len, err) < 0)
		goto out;
	if (old > c.size) {
		cb_err_set(err, CB_E_NOINPUT, "its checkpoint has %" PRIu64 " entries, fewer than %" PRIu64, c.size, old);
		goto out;
	}
	if (cb_tiles_consistency(t, old, c.size, hashes, &n, err) < 0)
		goto out;
	ret = put_request(&text, old, hashes, n, note, len) < 0 ? cb_err_nomem(err) :
	      cb_out_write(out, text.data, text.len, err);
out:
	cb_buf_release(&text);
	cb_tiles_close(t);
	return ret < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int cb_give_policy(const char *log, const char *const *witness, unsigned n, unsigned quorum,
		   struct cb_out *out, struct cb_err *err)
{
	uint8_t *text = NULL;
	struct cb_vkey k;
	char path[PATH_MAX], *end;
	size_t len;
	int ret = -1;

	if (snprintf(path, sizeof(path), "%s/policy", log) >= (int)sizeof(path))
		return cb_err_set(err, CB_E_NOINPUT, "%s: too long", log);
	if (cb_file_read(path, CB_POLICY_MAX, &text, &len, err) < 0)
		return cb_err_prefix(err, "%s", path);
	end = strchr((const char *)text, '\n');
	if (!end || strncmp((const char *)text, "log ", 4) != 0) {
		cb_err_set(err, CB_E_DATA, "%s: its first line is not the log's key", path);
		goto out;
	}
	if (cb_out_write(out, text, (size_t)(end + 1 - (char *)text), err) < 0)
		goto out;
	for (unsigned i = 0; i < n; i++) {
		if (cb_vkey_parse(&k, witness[i], strlen(witness[i]), err) < 0) {
			cb_err_prefix(err, "--witness %s", witness[i]);
			goto out;
		}
		if (cb_out_printf(out, err, "witness w%u %s\n", i + 1, witness[i]) < 0)
			goto out;
	}
	if (n) {
		if (cb_out_printf(out, err, "group witnesses %u", quorum ? quorum : n) < 0)
			goto out;
		for (unsigned i = 0; i < n; i++)
			if (cb_out_printf(out, err, " w%u", i + 1) < 0)
				goto out;
	}
	ret = cb_out_printf(out, err, n ? "\nquorum witnesses\n" : "quorum none\n");
out:
	free(text);
	return ret;
}
