/* SPDX-License-Identifier: Apache-2.0 */
/* cb-verify: is it what it claims to be? Bundles, stores, logs, signed files and proofs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "verify/teller.h"

struct opts {
	struct cb_verify v;
	struct cb_trust trust;
	struct cb_minisign_key org;
	char **paths;
	int n, table;			/* table -1: as the output is */
	bool bad_keys;
};

enum {
	OPT_KEY = CB_OPT_BASE, OPT_VKEY, OPT_POLICY, OPT_NEED, OPT_OLDER, OPT_LOG, OPT_FORWARD, OPT_ORG, OPT_MAX_AGE, OPT_PARTIAL,
	OPT_CAMERA, OPT_SIGNATURE, OPT_NAMESPACE, OPT_ENTRY, OPT_FORMAT,
};

static const struct argp_option options[] = {
	{ "key", OPT_KEY, "FILE", 0, "Believe this public key, of minisign or OpenSSH; may be repeated", 1 },
	{ "need", OPT_NEED, "N", 0, "So many of the keys must have signed (1)", 1 },
	{ "vkey", OPT_VKEY, "TEXT", 0, "Believe the log with this verifier key, or those in this file", 1 },
	{ "policy", OPT_POLICY, "FILE", 0, "Believe what this policy of logs and witnesses says", 1 },
	{ "older", OPT_OLDER, "FILE", 0, "The log must go on from this checkpoint; may be repeated", 2 },
	{ "forward-secure", OPT_FORWARD, NULL, 0, "The key of its epoch must have signed the checkpoint", 2 },
	{ "org", OPT_ORG, "FILE", 0, "This organisation's key must have signed the log's enrolment", 2 },
	{ "max-age", OPT_MAX_AGE, "DURATION", 0, "The log's last entry must not be older", 2 },
	{ "log", OPT_LOG, "DIR", 0, "Of a store: its segments must be in this log", 3 },
	{ "partial", OPT_PARTIAL, NULL, 0, "The store need not have all segments of the log", 3 },
	{ "camera", OPT_CAMERA, "NAME", 0, "Of a store, this camera alone", 3 },
	{ "signature", OPT_SIGNATURE, "FILE", 0, "Of a file (beside it: .minisig, .sig)", 4 },
	{ "namespace", OPT_NAMESPACE, "TEXT", 0, "What an OpenSSH signature is for (cb-evidence)", 4 },
	{ "entry", OPT_ENTRY, "FILE", 0, "Of a proof (beside it: .entry)", 4 },
	{ "format", OPT_FORMAT, "TYPE", 0, "ndjson or text (text on a terminal)", 5 },
	{ 0 },
};

static void older(struct argp_state *st, struct opts *o, const char *path)
{
	struct cb_log_older *k = &o->v.older[o->v.n_older];
	struct cb_err err = CB_ERR_INIT;
	uint8_t *text;

	if (o->v.n_older == CB_LOG_OLDER_MAX)
		argp_error(st, "--older: too many");
	if (cb_file_read(path, CB_NOTE_MAX, &text, &k->len, &err) < 0) {
		cb_err_prefix(&err, "%s", path);
		exit(cb_cli_finish(&err));
	}
	*k = (struct cb_log_older){ path, (char *)text, k->len };
	o->v.n_older++;
}

/* Keys that cannot be read are no reason to go on without them. */
static void must(int r, const struct cb_err *err)
{
	if (r < 0)
		exit(cb_cli_finish(err));
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;
	struct cb_err err = CB_ERR_INIT;

	switch (key) {
	case ARGP_KEY_INIT:
		o->table = -1;
		cb_trust_init(&o->trust);
		o->v.trust = &o->trust;
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_KEY:
		must(cb_trust_add_file(&o->trust, arg, &err), &err);
		return 0;
	case OPT_NEED:
		o->trust.need = (unsigned)cb_cli_u64(st, "--need", arg, 1, CB_TRUST_KEYS);
		return 0;
	case OPT_VKEY:
		must(cb_trust_add_log(&o->trust, arg, &err), &err);
		return 0;
	case OPT_POLICY:
		must(cb_trust_policy(&o->trust, arg, &err), &err);
		return 0;
	case OPT_OLDER:
		older(st, o, arg);
		return 0;
	case OPT_FORWARD:
		o->v.forward_secure = true;
		return 0;
	case OPT_ORG:
		must(cb_minisign_key_load(&o->org, arg, &err), &err);
		o->v.org = o->org.pk;
		return 0;
	case OPT_MAX_AGE:
		o->v.max_age_us = cb_cli_duration_ns(st, "--max-age", arg) / CB_NS_PER_US;
		return 0;
	case OPT_LOG:
		o->v.log = arg;
		return 0;
	case OPT_PARTIAL:
		o->v.partial = true;
		return 0;
	case OPT_CAMERA:
		o->v.camera = arg;
		return 0;
	case OPT_SIGNATURE:
		o->v.signature = arg;
		return 0;
	case OPT_NAMESPACE:
		o->v.nspace = arg;
		return 0;
	case OPT_ENTRY:
		o->v.entry = arg;
		return 0;
	case OPT_FORMAT:
		o->table = cb_cli_word(st, "--format", "ndjson|text", arg);
		return 0;
	case ARGP_KEY_ARGS:
		o->paths = st->argv + st->next;
		o->n = st->argc - st->next;
		return 0;
	case ARGP_KEY_END:
		if (!o->n)
			argp_error(st, "nothing to verify");
		if (o->n > 1 && (o->v.signature || o->v.entry))
			argp_error(st, "--signature and --entry are of one file");
		if (o->v.partial && !o->v.log)
			argp_error(st, "--partial goes with --log");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "PATH...",
	.doc = "Verify evidence: bundles, stores, logs, signed files, proofs.\v"
	       "Exit status 0: all was checked, and is true; 1: something is false; 64 and more:\n"
	       "something could not be checked. Keys that lie in what is verified are not believed.",
	.children = cb_cli_children,
};

/* One operand. -1: the output failed; what could not be verified is kept in worst. */
static int one(const struct opts *o, struct cb_teller *t, struct cb_err *worst, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_verified r = { .kind = CB_VERIFIED_FILE };
	enum cb_verified_kind kind;
	bool failed;

	failed = cb_verify_kind(t->path, &kind, &why) < 0 || cb_verify(&o->v, t->path, kind, &r, &why) < 0;
	if (failed && t->out->failed) {
		*err = why;
		return -1;
	}
	if (cb_teller_verdict(t, &r, failed, &why, err) < 0)
		return -1;
	/* false outdoes what could not be checked */
	if (why.code && (!worst->code || (why.code == CB_E_NO && worst->code != CB_E_NO)))
		*worst = why;
	return 0;
}

/* Keys were read with the options. Signatures and entries of files lie beside them. */
static int lock_in(const struct opts *o, struct cb_err *err)
{
	const char *const *paths = (const char *const *)o->paths;

	return cb_cli_sandbox(&(struct cb_sandbox){
		.read = { o->v.log, o->v.signature, o->v.entry },
		.list = { { paths, (size_t)o->n, CB_SANDBOX_READ }, { paths, (size_t)o->n, CB_SANDBOX_READ_BESIDE } },
	}, err);
}

int main(int argc, char **argv)
{
	static struct cb_out out;
	struct cb_err err = CB_ERR_INIT, worst = CB_ERR_INIT, late = CB_ERR_INIT;
	static struct opts o;
	struct cb_teller t = { .out = &out };
	int ofd, ret = 0;

	cb_cli_parse("cb-verify", &argp, argc, argv, &o);
	cb_stop_install(false);
	o.v.found = cb_teller_finding;
	o.v.ctx = &t;
	o.v.now_us = cb_now_wall_ns() / CB_NS_PER_US;
	ofd = cb_stdout_take(&err);
	if (ofd < 0 || lock_in(&o, &err) < 0)
		return cb_cli_finish(&err);
	t.text = o.table < 0 ? isatty(ofd) : o.table;
	cb_out_init(&out, ofd);
	for (int i = 0; i < o.n && ret == 0; i++) {
		t.path = o.paths[i];
		ret = one(&o, &t, &worst, &err);
	}
	if (cb_out_close(&out, &late) < 0 && ret == 0)
		err = late;
	else if (ret == 0)
		err = worst;
	cb_teller_release(&t);
	for (size_t i = 0; i < o.v.n_older; i++)
		free((char *)o.v.older[i].text);
	cb_trust_release(&o.trust);
	return cb_cli_finish(&err);
}
