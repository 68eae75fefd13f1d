/* SPDX-License-Identifier: Apache-2.0 */
/* Logs and single proofs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "verify/verify.h"

void cb_verify_view(struct cb_verified *r, const struct cb_policy_view *view)
{
	if (!view->log)
		return;
	r->has_log = true;
	strcpy(r->origin, view->c.origin);
	r->log_size = view->c.size;
	memcpy(r->log_root, view->c.root, CB_HASH_LEN);
	r->witnesses = view->witnesses;
	r->witnessed_from = view->from;
	r->witnessed_to = view->to;
}

/* As log/check.h has it, into ours. */
static int pass_on(void *ctx, const struct cb_log_finding *l, struct cb_err *err)
{
	const struct cb_verify_log_run *x = ctx;
	struct cb_finding f = CB_FINDING_NONE;
	char path[4200];

	f.kind = l->kind;
	f.code = l->code;
	f.byte = l->byte;
	f.entry = l->from;
	f.entry_end = l->to;
	f.epoch = l->epoch;
	f.recorded_us = l->recorded_us;
	if (l->file) {
		snprintf(path, sizeof(path), "%s%s", x->prefix, l->file);
		f.path = path;
	}
	return cb_verify_found(x->v, x->r, &f, err, "%s", l->text);
}

static int pass_entry(void *ctx, uint64_t index, const uint8_t *entry, size_t n, bool signed_, struct cb_err *err)
{
	const struct cb_verify_log_run *x = ctx;

	return x->entry(x->ctx, index, entry, n, signed_, err);
}

int cb_verify_log_run(const struct cb_verify_log_run *x, const char *path, struct cb_err *err)
{
	const struct cb_verify *v = x->v;
	struct cb_log_check c = {
		.policy = v->trust->policy, .older = v->older, .n_older = v->n_older,
		.forward_secure = v->forward_secure, .org = v->org, .now_us = v->now_us, .max_age_us = v->max_age_us,
		.entry = x->entry ? pass_entry : NULL, .found = pass_on, .ctx = (void *)x,
	};
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_tiles *t = NULL;
	struct cb_log_checked r;
	int ret;

	if (cb_tiles_open(&t, path, &why) < 0) {
		/* who holds an older checkpoint knows that there was a log */
		if (v->n_older && why.code == CB_E_DATA) {
			f.kind = CB_FOUND_FALSE;
			f.code = "log-gone";
			return cb_verify_found(v, x->r, &f, err, "the log is gone or cannot be read: %s", why.msg);
		}
		if (err)
			*err = why;
		return -1;
	}
	ret = cb_log_check(t, &c, &r, err);
	x->r->entries += r.entries;
	x->r->seals += r.seals;
	x->r->bytes += r.bytes;
	cb_verify_view(x->r, &r.view);
	cb_tiles_close(t);
	return ret;
}

int cb_verify_log(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err)
{
	return cb_verify_log_run(&(struct cb_verify_log_run){ .v = v, .r = ret, .prefix = "" }, path, err);
}

int cb_verify_proof(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err)
{
	struct cb_tlog_proof *p = malloc(sizeof(*p));
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_policy_view view;
	uint8_t *text = NULL, *entry = NULL, leaf[CB_HASH_LEN];
	char beside[4096];
	size_t n, len;
	int k = -1;

	if (!p) {
		cb_err_nomem(err);
		goto out;
	}
	snprintf(beside, sizeof(beside), "%.*s.entry", (int)(strlen(path) - strlen(".tlog-proof")), path);
	if (cb_file_read(path, CB_TLOG_PROOF_MAX, &text, &n, err) < 0)
		goto out;
	if (cb_file_read(v->entry ? v->entry : beside, CB_LOG_ENTRY_MAX, &entry, &len, err) < 0) {
		cb_err_prefix(err, "the entry, %s", v->entry ? v->entry : beside);
		goto out;
	}
	ret->bytes = n + len;
	ret->files = 2;
	f.path = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	/* a file with an entry may end in a line feed, the entry itself does not */
	if (len && entry[len - 1] == '\n')
		len--;
	cb_merkle_leaf(leaf, entry, len);
	if (cb_tlog_proof_parse(p, (char *)text, n, &why) < 0) {
		f.kind = CB_FOUND_FALSE;
		f.code = "proof-damaged";
		k = cb_verify_found(v, ret, &f, err, "%s", why.msg);
		goto out;
	}
	f.entry = p->index;
	f.entry_end = p->index + 1;
	if (!v->trust->policy) {
		f.kind = CB_FOUND_UNCHECKED;
		f.code = "nobody-trusted";
		k = cb_verify_found(v, ret, &f, err, "no key was given that says who may sign the log");
		goto out;
	}
	if (cb_tlog_proof_verify(p, v->trust->policy, leaf, &view, &why) == 0) {
		ret->entries = 1;
		cb_verify_view(ret, &view);
		k = 0;
		if (v->forward_secure) {
			f.kind = CB_FOUND_UNCHECKED;
			f.code = "epoch-unchecked";
			k = cb_verify_found(v, ret, &f, err, "a proof has not the epoch's key: that is checked of the log itself");
		}
		goto out;
	}
	if (why.code != CB_E_NO && why.code != CB_E_DATA) {
		if (err)
			*err = why;
		goto out;
	}
	f.kind = why.code == CB_E_NO ? CB_FOUND_FALSE : CB_FOUND_UNCHECKED;
	f.code = "proof-false";
	k = cb_verify_found(v, ret, &f, err, "%s", why.msg);
out:
	free(p);
	free(text);
	free(entry);
	return k;
}
