/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up segments in a log, newest entries first. */
#include "export/prove.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "log/merkle.h"
#include "log/note.h"
#include "log/proof.h"
#include "log/tile.h"
#include "wire/json.h"

struct prove {
	struct cb_prover *p;
	struct cb_proved *ret;
	const struct cb_clip *clip;
	struct cb_tiles *t;
	struct cb_policy *policy;
	struct cb_json *json;
	size_t wanted;			/* parts without an entry so far */
};

__attribute__((format(printf, 2, 3)))
static void not_proved(struct prove *x, const char *fmt, ...)
{
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < x->clip->n; i++)
		if (!x->ret[i].yes && !x->ret[i].why[0])
			memcpy(x->ret[i].why, why, sizeof(why));
}

/* --- the log's head ------------------------------------------------------------------------------ */

/* The checkpoint, and the policy that it satisfies. 1: both are there; 0: said why not. */
static int head(struct prove *x, const char *path, struct cb_err *err)
{
	struct cb_policy_view view;
	struct cb_note note;
	struct cb_err why = CB_ERR_INIT;
	uint8_t *text = NULL;
	char file[4096];
	const char *cp;
	size_t len;

	cp = cb_tiles_checkpoint(x->t, &len);
	if (!cp) {
		not_proved(x, "the log has no checkpoint yet");
		return 0;
	}
	if (cb_buf_add(&x->p->note, cp, len) < 0)
		return cb_err_nomem(err);
	if ((size_t)snprintf(file, sizeof(file), "%s/policy", path) >= sizeof(file) ||
	    cb_file_read(file, CB_POLICY_MAX, &text, &len, &why) < 0) {
		not_proved(x, "the log has no policy that can be read");
		return 0;
	}
	if (cb_buf_add(&x->p->policy, text, len) < 0) {
		free(text);
		return cb_err_nomem(err);
	}
	free(text);
	if (cb_policy_parse(&x->policy, (const char *)x->p->policy.data, len, err) < 0)
		return cb_err_prefix(err, "%s", file);
	cp = (const char *)x->p->note.data;
	if (cb_note_parse(&note, cp, x->p->note.len, err) < 0 ||
	    (cb_policy_apply(x->policy, &note, &view, err) < 0 && err->code != CB_E_NO)) {
		err->code = err->code == CB_E_OS ? CB_E_OS : CB_E_DATA;
		return cb_err_prefix(err, "%s/checkpoint", path);
	}
	if (err && err->code) {		/* witnesses may be missing; a false signature is said, too */
		not_proved(x, "the log's checkpoint is not accepted: %.150s", err->msg);
		*err = (struct cb_err)CB_ERR_INIT;
		return 0;
	}
	snprintf(x->p->origin, sizeof(x->p->origin), "%s", view.c.origin);
	if (cb_vkey_put(&x->p->vkey, view.log) < 0)
		return cb_err_nomem(err);
	x->p->size = view.c.size;
	x->p->checkpoint = true;
	return 1;
}

/* --- entries ------------------------------------------------------------------------------------- */

/* Which part does an entry speak of? -1: none that is looked for. */
static ssize_t part_of(struct prove *x, const uint8_t *entry, size_t n)
{
	static const char key[] = "\"manifest_sha256\":\"";
	const char *at = memmem(entry, n, key, sizeof(key) - 1);
	uint8_t sum[CB_SHA256_LEN];
	uint32_t tok;
	size_t i;

	/* nearly all entries end here */
	if (!at || (const char *)entry + n - at < (ptrdiff_t)(sizeof(key) - 1 + 2 * CB_SHA256_LEN) ||
	    !cb_unhex(sum, sizeof(sum), at + sizeof(key) - 1))
		return -1;
	for (i = 0; i < x->clip->n; i++)
		if (!x->ret[i].yes && x->clip->v[i].sealed && memcmp(x->clip->v[i].digest, sum, sizeof(sum)) == 0)
			break;
	if (i == x->clip->n || cb_json_parse(x->json, (const char *)entry, n, NULL) < 0)
		return -1;
	tok = cb_json_get(x->json, 0, "type");
	if (!cb_json_eq(x->json, tok, "cb.segment.closed") && !cb_json_eq(x->json, tok, "cb.recording.recovered"))
		return -1;
	tok = cb_json_path(x->json, 0, "data.manifest_sha256");
	return tok != CB_JSON_NONE && x->json->text + x->json->tok[tok].start == at + sizeof(key) - 1 ? (ssize_t)i : -1;
}

static int prove_part(struct prove *x, struct cb_proved *f, uint64_t index, const uint8_t *entry, size_t n,
		      struct cb_err *err)
{
	uint8_t path[CB_PROOF_MAX * CB_HASH_LEN], leaf[CB_HASH_LEN];
	struct cb_tlog_proof *proof = malloc(sizeof(*proof));
	struct cb_policy_view view;
	unsigned hashes;
	int ret = -1;

	if (!proof || cb_buf_add(&f->entry, entry, n) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	cb_merkle_leaf(leaf, entry, n);
	if (cb_tiles_inclusion(x->t, index, x->p->size, path, &hashes, err) < 0)
		goto out;
	if (cb_tlog_proof_put(&f->proof, index, path, hashes, (const char *)x->p->note.data, x->p->note.len) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	/* as whoever gets it will read it */
	if (cb_tlog_proof_parse(proof, (const char *)f->proof.data, f->proof.len, err) < 0 ||
	    cb_tlog_proof_verify(proof, x->policy, leaf, &view, err) < 0) {
		if (err && err->code == CB_E_NO)
			err->code = CB_E_DATA;
		cb_err_prefix(err, "entry %" PRIu64 ": its own proof is false", index);
		goto out;
	}
	f->yes = true;
	f->index = index;
	x->wanted--;
	ret = 0;
out:
	free(proof);
	return ret;
}

/* From the newest entry backwards: what is exported was mostly recorded lately. */
static int look_up(struct prove *x, struct cb_err *err)
{
	uint64_t size = cb_tiles_size(x->t), first;
	struct cb_err why = CB_ERR_INIT;
	const uint8_t *entry;
	ssize_t part;
	size_t n;

	if (cb_tiles_first(x->t, &first, err) < 0)
		return -1;
	for (uint64_t i = size; i-- > first && x->wanted;) {
		if (cb_stop_wanted())
			return cb_err_set(err, CB_E_TEMP, "stopped");
		if (cb_tiles_entry(x->t, i, &entry, &n, &why) < 0) {
			if (why.code == CB_E_NOINPUT)	/* pruned while we looked */
				break;
			if (err)
				*err = why;
			return -1;
		}
		part = part_of(x, entry, n);
		if (part < 0)
			continue;
		if (i >= x->p->size)	/* an older entry may speak of it, too */
			snprintf(x->ret[part].why, sizeof(x->ret[part].why),
				 "it is entry %" PRIu64 " of the log, but no checkpoint covers that yet", i);
		else if (prove_part(x, &x->ret[part], i, entry, n, err) < 0)
			return -1;
	}
	if (first)
		not_proved(x, "it is not in the log, of which entries before %" PRIu64 " were pruned", first);
	else
		not_proved(x, "it is not in the log");
	return 0;
}

int cb_prove(struct cb_prover *p, struct cb_proved *ret, const char *path, const struct cb_clip *clip,
	     struct cb_err *err)
{
	struct prove x = { .p = p, .ret = ret, .clip = clip };
	struct cb_err why = CB_ERR_INIT;
	int k = -1;

	*p = (struct cb_prover){ .log = path != NULL };
	for (size_t i = 0; i < clip->n; i++) {
		ret[i] = (struct cb_proved){ 0 };
		x.wanted += clip->v[i].sealed;
		if (!clip->v[i].sealed)
			strcpy(ret[i].why, "it was still being recorded");
	}
	if (!path) {
		not_proved(&x, "there is no log");
		return 0;
	}
	x.json = malloc(sizeof(*x.json));
	if (!x.json)
		return cb_err_nomem(err);
	if (cb_tiles_open(&x.t, path, &why) < 0 || (k = head(&x, path, &why)) < 0 || (k && look_up(&x, &why) < 0)) {
		if (err)
			*err = why;
		k = -1;
	} else {
		k = 0;
	}
	cb_tiles_close(x.t);
	cb_policy_free(x.policy);
	free(x.json);
	return k;
}

void cb_prover_release(struct cb_prover *p)
{
	cb_buf_release(&p->note);
	cb_buf_release(&p->policy);
	cb_buf_release(&p->vkey);
}
