/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into a bundle, and in which order. */
#include "export/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/time.h"
#include "crypto/sshsig_sign.h"
#include "export/enter.h"

struct export {
	const struct cb_store *s;
	const struct cb_export_opts *o;
	struct cb_export_totals *t;
	struct cb_clip clip;
	struct cb_gathered seen;
	struct cb_case c;
	struct cb_proved *proof;
	struct cb_prover log;
	struct cb_bundle *b;
};

static int put(struct export *x, const char *name, const struct cb_buf *b, struct cb_err *err)
{
	return cb_bundle_put(x->b, name, b->data, b->len, err);
}

/* --- proofs ------------------------------------------------------------------------------------- */

static int prove(struct export *x, struct cb_err *err)
{
	x->proof = calloc(x->clip.n, sizeof(*x->proof));
	if (!x->proof)
		return cb_err_nomem(err);
	x->c.proof = x->proof;
	x->c.log = &x->log;
	if (cb_prove(&x->log, x->proof, x->o->log, &x->clip, err) < 0)
		return cb_err_prefix(err, "%s", x->o->log);
	x->t->log = x->log.log;
	for (size_t i = 0; i < x->clip.n; i++) {
		const struct cb_proved *f = &x->proof[i];

		if (f->yes)
			continue;
		if (x->o->require_proofs)
			return cb_err_set(err, CB_E_NO, "%s has no proof: %s", x->clip.v[i].seg.name, f->why);
		if (!x->t->unproved++)
			memcpy(x->t->why, f->why, sizeof(f->why));
	}
	return 0;
}

/* --- files -------------------------------------------------------------------------------------- */

static int put_clip(struct export *x, struct cb_err *err)
{
	struct cb_buf list = { 0 };
	char name[CB_BUNDLE_NAME];
	int ret = -1;

	for (size_t i = 0; i < x->clip.n; i++) {
		struct cb_clip_part *p = &x->clip.v[i];

		cb_case_name(name, CB_CASE_CLIP, p);
		if (cb_clip_write(p, x->s, x->b, name, err) < 0)
			goto out;
		cb_case_name(name, CB_CASE_MANIFEST, p);
		if (cb_bundle_put(x->b, name, p->manifest, p->manifest_len, err) < 0)
			goto out;
		cb_case_name(name, CB_CASE_SALTS, p);
		if (p->encrypted && put(x, name, &p->salts, err) < 0)
			goto out;
		x->t->segments++;
		x->t->fragments += p->last - p->first + 1;
		x->t->bytes += p->bytes;
		x->t->leading += p->leading;
	}
	if (x->clip.n > 1 && (cb_case_playlist(&list, &x->clip, err) < 0 || put(x, "clip.m3u8", &list, err) < 0))
		goto out;
	ret = 0;
out:
	cb_buf_release(&list);
	return ret;
}

static int put_proofs(struct export *x, struct cb_err *err)
{
	char name[CB_BUNDLE_NAME];

	for (size_t i = 0; i < x->clip.n; i++) {
		const struct cb_clip_part *p = &x->clip.v[i];
		const struct cb_proved *f = &x->proof[i];

		if (!f->yes)
			continue;
		cb_case_name(name, CB_CASE_ENTRY, p);
		if (put(x, name, &f->entry, err) < 0)
			return -1;
		cb_case_name(name, CB_CASE_PROOF, p);
		if (put(x, name, &f->proof, err) < 0)
			return -1;
	}
	if (!x->log.checkpoint)
		return 0;
	if (cb_buf_byte(&x->log.vkey, '\n') < 0)
		return cb_err_nomem(err);
	x->log.vkey.len--;	/* a line in the file alone */
	return put(x, "checkpoint", &x->log.note, err) < 0 || put(x, "policy", &x->log.policy, err) < 0 ||
	       cb_bundle_put(x->b, "keys/log.vkey", x->log.vkey.data, x->log.vkey.len + 1, err) < 0 ? -1 : 0;
}

static int put_keys(struct export *x, struct cb_err *err)
{
	struct cb_buf b = { 0 }, signers = { 0 };
	char name[CB_BUNDLE_NAME];
	int ret = -1;

	for (size_t i = 0; i < x->o->keys; i++) {
		struct cb_minisign_key k;

		cb_seckey_minisign(x->o->key[i], &k);
		b.len = 0;
		snprintf(name, sizeof(name), "keys/%s.pub", x->c.key[i]);
		if (cb_minisign_key_text(&k, &b, err) < 0 || put(x, name, &b, err) < 0 ||
		    cb_ssh_key_text(k.pk, x->c.key[i], CB_SSHSIG_EVIDENCE, &signers, err) < 0)
			goto out;
		if (cb_buf_byte(&signers, '\n') < 0) {
			cb_err_nomem(err);
			goto out;
		}
	}
	ret = signers.len ? put(x, "keys/allowed_signers", &signers, err) : 0;
out:
	cb_buf_release(&b);
	cb_buf_release(&signers);
	return ret;
}

static int put_case(struct export *x, struct cb_err *err)
{
	struct cb_buf json = { 0 }, segments = { 0 }, b = { 0 };
	int ret = -1;

	if (cb_case_json(&json, &x->c, err) < 0 || put(x, "case.json", &json, err) < 0 ||
	    cb_case_segments(&segments, &x->c, err) < 0 || put(x, "segments.ndjson", &segments, err) < 0 ||
	    cb_case_verify(&b, &x->c, err) < 0 || put(x, "VERIFY.txt", &b, err) < 0)
		goto out;
	b.len = 0;
	if (cb_case_page(&b, &x->c, &json, &segments, err) < 0 || put(x, "index.html", &b, err) < 0)
		goto out;
	ret = 0;
out:
	cb_buf_release(&json);
	cb_buf_release(&segments);
	cb_buf_release(&b);
	return ret;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cb_bundle_file *)a)->name, ((const struct cb_bundle_file *)b)->name);
}

/* The list of all files so far, and its signatures. */
static int put_list(struct export *x, struct cb_err *err)
{
	struct cb_buf list = { 0 }, sig = { 0 };
	struct cb_bundle_file *f = NULL;
	uint8_t hash[CB_MINISIGN_HASH], sha512[CB_SHA512_LEN];
	struct cb_minisign_hash h;
	struct cb_sha512 h512;
	char hex[CB_SHA256_HEX], name[CB_BUNDLE_NAME], trusted[200];
	int ret = -1;
	size_t n;

	cb_bundle_files(x->b, &n);
	f = reallocarray(NULL, n, sizeof(*f));
	if (!f) {
		cb_err_nomem(err);
		goto out;
	}
	memcpy(f, cb_bundle_files(x->b, &n), n * sizeof(*f));
	qsort(f, n, sizeof(*f), by_name);
	for (size_t i = 0; i < n; i++) {
		cb_hex(hex, f[i].sha256, CB_SHA256_LEN);
		if (cb_buf_printf(&list, "%s  %s\n", hex, f[i].name) < 0) {
			cb_err_nomem(err);
			goto out;
		}
	}
	cb_sha256(x->t->list, list.data, list.len);
	if (put(x, "SHA256SUMS", &list, err) < 0)
		goto out;
	cb_minisign_hash_init(&h);
	cb_minisign_hash_update(&h, list.data, list.len);
	cb_minisign_hash_final(&h, hash);
	cb_sha512_init(&h512);
	cb_sha512_update(&h512, list.data, list.len);
	cb_sha512_final(&h512, sha512);
	snprintf(trusted, sizeof(trusted), "cb-export camera:%s exported:%lld", x->o->camera,
		 (long long)(x->o->now_ns / CB_NS_PER_S));
	for (size_t i = 0; i < x->o->keys; i++) {
		sig.len = 0;
		cb_case_signature(name, i, "minisig");
		if (cb_minisign_sign(x->o->key[i], hash, trusted, &sig, err) < 0 || put(x, name, &sig, err) < 0)
			goto out;
		sig.len = 0;
		cb_case_signature(name, i, "sig");
		if (cb_sshsig_sign(x->o->key[i], CB_SSHSIG_EVIDENCE, sha512, &sig, err) < 0 ||
		    put(x, name, &sig, err) < 0)
			goto out;
	}
	ret = 0;
out:
	free(f);
	cb_buf_release(&list);
	cb_buf_release(&sig);
	return ret;
}

/* --- the log's entry ------------------------------------------------------------------------------ */

static int enter(struct export *x, struct cb_err *err)
{
	const char *keys[CB_CASE_KEYS];
	struct cb_export_entry e = {
		.camera = x->o->camera, .asked_from = x->o->from_ns, .asked_to = x->o->to_ns,
		.from_ns = x->clip.from_ns, .to_ns = x->clip.to_ns, .segments = x->t->segments,
		.fragments = x->t->fragments, .bytes = x->t->bytes, .list = x->t->list, .key = keys,
		.keys = x->c.keys, .encrypted = x->o->out.to && x->o->out.to->n,
	};

	for (size_t i = 0; i < e.keys; i++)
		keys[i] = x->c.key[i];
	return cb_export_enter(x->o->log, &e, err);
}

/* --- all of it ----------------------------------------------------------------------------------- */

static int say_keys(struct export *x, struct cb_err *err)
{
	x->c.keys = x->o->keys;
	for (size_t i = 0; i < x->o->keys; i++) {
		struct cb_minisign_key k;
		struct cb_buf b = { 0 };
		const char *line;

		cb_seckey_minisign(x->o->key[i], &k);
		cb_minisign_id_text(x->c.key[i], k.id);
		/* files are named by it; twice the same key is no second signer */
		for (size_t j = 0; j < i; j++)
			if (strcmp(x->c.key[j], x->c.key[i]) == 0)
				return cb_err_set(err, CB_E_USAGE, "key %s is given twice", x->c.key[i]);
		/* the second line of the file is the key */
		if (cb_minisign_key_text(&k, &b, NULL) == 0 && cb_buf_byte(&b, '\0') == 0 &&
		    (line = strchr((const char *)b.data, '\n')))
			snprintf(x->c.pub[i], sizeof(x->c.pub[i]), "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
		cb_buf_release(&b);
	}
	return 0;
}

int cb_export(const struct cb_store *s, const struct cb_export_opts *o, struct cb_export_totals *ret,
	      struct cb_err *err)
{
	struct export *x = calloc(1, sizeof(*x));
	struct cb_bundle_opts out = o->out;
	char top[CB_BUNDLE_TOP], day[11], hms[7];
	int k = -1;

	*ret = (struct cb_export_totals){ 0 };
	if (!x)
		return cb_err_nomem(err);
	x->s = s;
	x->o = o;
	x->t = ret;
	if (cb_clip_plan(&x->clip, s, o->camera, o->from_ns, o->to_ns, err) < 0 ||
	    cb_gather(&x->seen, s, o->camera, o->from_ns, o->to_ns, x->clip.from_ns, x->clip.to_ns, err) < 0)
		goto out;
	x->c = (struct cb_case){ .camera = o->camera, .purpose = o->purpose, .by = o->by, .now_ns = o->now_ns,
				 .asked_from = o->from_ns, .asked_to = o->to_ns, .clip = &x->clip, .seen = &x->seen };
	if (say_keys(x, err) < 0 || prove(x, err) < 0)
		goto out;
	ret->from_ns = x->clip.from_ns;
	ret->to_ns = x->clip.to_ns;
	ret->events = x->seen.n_events;
	ret->gaps = x->seen.n_gaps;
	ret->not_events = x->seen.not_events;
	cb_time_format_day(day, x->clip.from_ns);
	cb_time_format_hms(hms, x->clip.from_ns);
	snprintf(top, sizeof(top), "%s-%s-%s", o->camera, day, hms);
	out.top = top;
	out.mtime_s = x->clip.to_ns / CB_NS_PER_S;
	if (cb_bundle_create(&x->b, &out, err) < 0 || put_clip(x, err) < 0 ||
	    put(x, "events.ndjson", &x->seen.events, err) < 0 || put(x, "runs.ndjson", &x->seen.runs, err) < 0 ||
	    put(x, "gaps.ndjson", &x->seen.gaps, err) < 0 || put_proofs(x, err) < 0 || put_keys(x, err) < 0 ||
	    put_case(x, err) < 0 || put_list(x, err) < 0 || (o->log && o->enter && enter(x, err) < 0) ||
	    cb_bundle_commit(x->b, err) < 0)
		goto out;
	k = 0;
out:
	cb_bundle_free(x->b);
	for (size_t i = 0; x->proof && i < x->clip.n; i++) {
		cb_buf_release(&x->proof[i].entry);
		cb_buf_release(&x->proof[i].proof);
	}
	free(x->proof);
	cb_prover_release(&x->log);
	cb_clip_release(&x->clip);
	cb_gathered_release(&x->seen);
	free(x);
	return k;
}
