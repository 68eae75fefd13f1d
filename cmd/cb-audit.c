/* SPDX-License-Identifier: Apache-2.0 */
/* cb-audit: keep a tamper-evident log, and prove what stands in it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/pass.h"
#include "cli/verbs.h"
#include "crypto/minisign_sign.h"
#include "log/give.h"
#include "log/intake.h"
#include "log/listing.h"
#include "log/log.h"
#include "log/witness.h"
#include "verify/teller.h"

#define WITNESSES_MAX 32

enum verb { INIT, APPEND, CHECKPOINT, PROVE, CONSISTENCY, VERIFY, WITNESS, POLICY, QUERY, EXPORT, PRUNE };

struct opts {
	struct cb_cli_verbs v;		/* LOG, and with some INDEX */
	const char *log, *key, *org, *origin, *after, *reason, *cosignatures, *policy, *name, *state, *older;
	const char *witness[WITNESSES_MAX];
	unsigned witnesses, quorum;
	bool each, receipts, raw;
	int format;
	struct cb_log_query q;
	uint64_t number;		/* what INDEX says */
	uint64_t below;
	uint32_t epoch_s, epochs;
	struct cb_log_opts o;
	struct cb_cli_pass pass;
};

/* What a verb works with. */
struct tool {
	struct opts o;
	struct cb_out out;
	struct cb_log *log;		/* open, of those that keep it */
};

enum { OPT_ORIGIN = CB_OPT_BASE, OPT_ORG, OPT_AFTER, OPT_EPOCH, OPT_EPOCHS, OPT_SYNC, OPT_RECEIPTS, OPT_LEAP,
       OPT_BELOW, OPT_REASON, OPT_NOW, OPT_COSIGNATURES, OPT_POLICY, OPT_NAME, OPT_WITNESS, OPT_QUORUM, OPT_FROM,
       OPT_TO, OPT_TYPE, OPT_CAMERA, OPT_RAW, OPT_FORMAT, OPT_STATE, OPT_OLDER };

/* --- verbs that keep the log ------------------------------------------------------------------------- */

static int load_key(const struct opts *o, const char *path, struct cb_seckey **ret, struct cb_err *err)
{
	struct cb_pass pass = { cb_cli_pass_get, (void *)&o->pass };

	if (cb_seckey_load(ret, path, &pass, err) < 0)
		return -1;
	if (cb_seckey_exposed(*ret))
		cb_cli_warn("%s: others may read this key", path);
	return 0;
}

static int checkpoint(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_seckey *key = NULL;
	unsigned added;
	int ret = -1;

	if (x->o.cosignatures) {
		if (cb_log_cosign_file(x->log, x->o.cosignatures, x->o.log, &added, err) < 0)
			return -1;
		cb_cli_note("%s: %u cosignatures added", x->o.log, added);
		return 0;
	}
	if (load_key(&x->o, x->o.key, &key, err) < 0)
		return -1;
	ret = cb_log_checkpoint(x->log, key, err);
	if (ret < 0)
		cb_err_prefix(err, "%s", x->o.log);
	else
		cb_cli_note("%s: %" PRIu64 " entries", x->o.log, cb_log_size(x->log));
	cb_seckey_free(key);
	return ret;
}

static int append(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_intake_opts in = { .path = x->o.log, .each = x->o.each, .receipts = x->o.receipts,
				     .warn = cb_cli_warn_text };

	return cb_log_intake(x->log, STDIN_FILENO, &x->out, &in, err);
}

static int prune(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	uint64_t n;

	if (cb_log_prune(x->log, x->o.below, x->o.reason, &n, err) < 0)
		return cb_err_prefix(err, "%s", x->o.log);
	cb_cli_note("%s: %" PRIu64 " bundles deleted", x->o.log, n);
	return 0;
}

/* --- what takes no lock: a new one, proofs, witnesses, listings -------------------------------------- */

static int init(void *tool, struct cb_err *err)
{
	const struct opts *o = &((struct tool *)tool)->o;
	struct cb_seckey *key = NULL, *org = NULL;
	struct cb_log_new n = { .origin = o->origin, .epoch_s = o->epoch_s, .epochs = o->epochs, .previous = o->after,
				.now_us = o->o.now_us };
	int ret = -1;

	if (load_key(o, o->key, &key, err) == 0 && (!o->org || load_key(o, o->org, &org, err) == 0)) {
		n.key = key;
		n.org = org;
		ret = cb_log_init(o->log, &n, err);
		if (ret < 0)
			cb_err_prefix(err, "%s", o->log);
	}
	cb_seckey_free(key);
	cb_seckey_free(org);
	return ret;
}

static int prove(void *tool, struct cb_err *err)
{
	struct tool *x = tool;

	return x->o.v.is == PROVE ? cb_give_proof(x->o.log, x->o.number, &x->out, err) :
	       cb_give_consistency(x->o.log, x->o.number, &x->out, err);
}

static int verify(void *tool, struct cb_err *err)
{
	struct tool *x = tool;

	return cb_tell_log(x->o.log, x->o.policy, x->o.older, &x->out, err);
}

static int policy(void *tool, struct cb_err *err)
{
	struct tool *x = tool;

	return cb_give_policy(x->o.log, x->o.witness, x->o.witnesses, x->o.quorum, &x->out, err);
}

static int witness(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_witness w = { .dir = x->o.log, .name = x->o.name,
				.now = (uint64_t)(x->o.o.now_us * CB_NS_PER_US / CB_NS_PER_S) };
	struct cb_seckey *key = NULL;
	struct cb_policy *logs = NULL;
	int ret = -1;

	if (cb_policy_load(&logs, x->o.policy, err) == 0 && load_key(&x->o, x->o.key, &key, err) == 0) {
		w.key = key;
		w.logs = logs;
		ret = cb_witness_stdin(&w, &x->out, err);
	}
	cb_seckey_free(key);
	cb_policy_free(logs);
	return ret;
}

static int list(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	bool query = x->o.v.is == QUERY;
	struct cb_listing l = { .q = x->o.q, .state = x->o.state, .one = query ? cb_cli_operand(&x->o.v, 1) : NULL };

	l.form = !query ? CB_LISTING_SIEM : x->o.raw ? CB_LISTING_RAW : CB_LISTING_NUMBERED;
	if (!query)
		l.siem = (enum cb_siem)x->o.format;
	return cb_log_list(x->o.log, &l, &x->out, err);
}

/* --- options ---------------------------------------------------------------------------------------- */

#define PASS "passphrase-file passphrase-fd"

static const struct cb_cli_verb verbs[] = {
	[INIT] = { "init", "LOG", "org after epoch epochs " PASS, "origin key", init },
	[APPEND] = { "append", "LOG", "sync receipts leap", NULL, append },
	[CHECKPOINT] = { "checkpoint", "LOG", PASS, "key|cosignatures", checkpoint },
	[PROVE] = { "prove", "LOG INDEX", NULL, NULL, prove },
	[CONSISTENCY] = { "consistency", "LOG SIZE", NULL, NULL, prove },
	[VERIFY] = { "verify", "LOG", "policy older", NULL, verify },
	[WITNESS] = { "witness", "DIR", PASS, "key name policy", witness },
	[POLICY] = { "policy", "LOG", "witness quorum", NULL, policy },
	[QUERY] = { "query", "LOG [INDEX]", "from to type camera raw", NULL, list },
	[EXPORT] = { "export", "LOG [INDEX]", "from to type camera state", "format", list },
	[PRUNE] = { "prune", "LOG", NULL, "below reason", prune },
	{ 0 },
};

static const struct argp_option options[] = {
	{ "key", 'k', "KEYFILE", 0, "init, checkpoint, witness: the secret key", 0 },
	CB_CLI_PASS_OPTIONS,
	{ "origin", OPT_ORIGIN, "NAME", 0, "init: the log's name, a host and path", 0 },
	{ "org", OPT_ORG, "KEYFILE", 0, "init: a key kept elsewhere that vouches", 0 },
	{ "after", OPT_AFTER, "DIR", 0, "init: the log that this one goes on after", 0 },
	{ "epoch", OPT_EPOCH, "DURATION", 0, "init: how long an epoch is (5m; 1s to 24h)", 0 },
	{ "epochs", OPT_EPOCHS, "N", 0, "init: how many keys are made (315648)", 0 },
	{ "sync", OPT_SYNC, "TYPE", 0, "append: each, or batch (batch)", 0 },
	{ "receipts", OPT_RECEIPTS, NULL, 0, "append: tell the index of each entry", 0 },
	{ "leap", OPT_LEAP, "DURATION", 0, "append: how far the clock may leap (31d)", 0 },
	{ "cosignatures", OPT_COSIGNATURES, "FILE", 0, "checkpoint: add these, sign nothing", 0 },
	{ "name", OPT_NAME, "NAME", 0, "witness: its name", 0 },
	{ "policy", OPT_POLICY, "FILE", 0, "verify, witness: whom to believe", 0 },
	{ "older", OPT_OLDER, "FILE", 0, "verify: it must go on from this one", 0 },
	{ "witness", OPT_WITNESS, "NAME", 0, "policy: a witness's key, name+id+key", 0 },
	{ "quorum", OPT_QUORUM, "N", 0, "policy: so many must have cosigned (all)", 0 },
	{ "from", OPT_FROM, "TIME", 0, "query, export: recorded from then on", 0 },
	{ "to", OPT_TO, "TIME", 0, "query, export: recorded before this time", 0 },
	{ "type", OPT_TYPE, "TYPE", 0, "query, export: this type, or TYPE.*", 0 },
	{ "camera", OPT_CAMERA, "NAME", 0, "query, export: whose subject is this", 0 },
	{ "raw", OPT_RAW, NULL, 0, "query: the entry's bytes alone", 0 },
	{ "format", OPT_FORMAT, "TYPE", 0, "export: " CB_SIEM_NAMES, 0 },
	{ "state", OPT_STATE, "FILE", 0, "export: go on where this file says", 0 },
	{ "below", OPT_BELOW, "N", 0, "prune: delete what is below this index", 0 },
	{ "reason", OPT_REASON, "TEXT", 0, "prune: why; it goes into the log", 0 },
	{ "now", OPT_NOW, "TIME", OPTION_HIDDEN, "for tests: the time", 0 },
	{ 0 },
};

static void check_opts(struct argp_state *st, struct opts *o)
{
	const char *index = cb_cli_operand(&o->v, 1);

	o->log = cb_cli_operand(&o->v, 0);
	if (o->quorum > o->witnesses)
		argp_error(st, "--quorum: there are not so many --witness");
	if (index && !cb_parse_u64(index, 0, CB_TREE_MAX, &o->number))
		argp_error(st, "'%s' is not a number of entries", index);
	if (index)
		o->q.from = o->number;
	if (index && o->v.is == QUERY)
		o->q.to = o->number + 1;
	if (o->state && index)
		argp_error(st, "--state goes with export, without an index");
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	if (cb_cli_verb_opt(&o->v, key, arg, st) == 0 || cb_cli_pass_opt(&o->pass, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .v = CB_CLI_VERBS(verbs, options), .q = CB_LOG_QUERY_ALL, .pass = CB_CLI_PASS_INIT };
		st->child_inputs[0] = NULL;
		return 0;
	case 'k': o->key = arg; return 0;
	case OPT_ORIGIN: o->origin = arg; return 0;
	case OPT_ORG: o->org = arg; return 0;
	case OPT_AFTER: o->after = arg; return 0;
	case OPT_EPOCH:
		o->epoch_s = (uint32_t)(cb_cli_duration_in(st, "epoch", arg, CB_NS_PER_S, 86400 * CB_NS_PER_S,
							   "from 1s to 24h") / CB_NS_PER_S);
		return 0;
	case OPT_EPOCHS: o->epochs = (uint32_t)cb_cli_u64(st, "epochs", arg, 1, CB_LOG_EPOCHS_MAX); return 0;
	case OPT_SYNC: o->each = cb_cli_word(st, "sync", "each|batch", arg) == 0; return 0;
	case OPT_RECEIPTS: o->receipts = true; return 0;
	case OPT_LEAP: o->o.leap_ns = cb_cli_duration_ns(st, "leap", arg); return 0;
	case OPT_BELOW: o->below = cb_cli_u64(st, "below", arg, 1, CB_TREE_MAX); return 0;
	case OPT_REASON: o->reason = arg; return 0;
	case OPT_COSIGNATURES: o->cosignatures = arg; return 0;
	case OPT_NAME:
		if (!cb_key_name_ok(arg, strlen(arg)))
			argp_error(st, "--name: '%s' cannot be a key's name", arg);
		o->name = arg;
		return 0;
	case OPT_POLICY: o->policy = arg; return 0;
	case OPT_OLDER: o->older = arg; return 0;
	case OPT_WITNESS:
		if (o->witnesses == WITNESSES_MAX)
			argp_error(st, "--witness: at most %d", WITNESSES_MAX);
		o->witness[o->witnesses++] = arg;
		return 0;
	case OPT_QUORUM: o->quorum = (unsigned)cb_cli_u64(st, "quorum", arg, 1, WITNESSES_MAX); return 0;
	case OPT_FROM: o->q.from_us = cb_cli_time_ns(st, "from", arg) / CB_NS_PER_US; return 0;
	case OPT_TO: o->q.to_us = cb_cli_time_ns(st, "to", arg) / CB_NS_PER_US; return 0;
	case OPT_TYPE: o->q.type = arg; return 0;
	case OPT_CAMERA: o->q.camera = arg; return 0;
	case OPT_RAW: o->raw = true; return 0;
	case OPT_FORMAT: o->format = cb_cli_word(st, "format", CB_SIEM_NAMES, arg); return 0;
	case OPT_STATE: o->state = arg; return 0;
	case OPT_NOW: o->o.now_us = cb_cli_time_ns(st, "now", arg) / CB_NS_PER_US; return 0;
	case ARGP_KEY_END: check_opts(st, o); return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "VERB LOG [INDEX]",
	.doc = "Keep a tamper-evident log, and prove what stands in it.\v"
	       "VERB is init, append, checkpoint, prove, consistency, verify, witness,\n"
	       "policy, query, export or prune.",
	.children = cb_cli_children,
};

/* What only looks at the log cannot write it. */
static int lock_in(const struct opts *o, struct cb_err *err)
{
	bool writes = o->v.is == APPEND || o->v.is == CHECKPOINT || o->v.is == WITNESS || o->v.is == PRUNE;

	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = o->key ? CB_MAY_ASK : 0,
		.read = { o->log, o->key, o->org, o->pass.file, o->policy, o->older, o->cosignatures, "/dev/stdin" },
		.write = { writes ? o->log : NULL, o->after },
		.write_beside = { o->v.is == INIT ? o->log : NULL, o->state },
	}, err);
}

static int run(struct tool *x, struct cb_err *err)
{
	struct cb_log_opts lo = x->o.o;

	lo.warn = cb_cli_warn_text;
	if ((x->o.v.is == APPEND || x->o.v.is == CHECKPOINT || x->o.v.is == PRUNE) &&
	    cb_log_open(&x->log, x->o.log, &lo, err) < 0)
		return cb_err_prefix(err, "%s", x->o.log);
	return cb_cli_verb_run(&x->o.v, x, err);
}

int main(int argc, char **argv)
{
	static struct tool x;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	int ofd;

	cb_cli_parse("cb-audit", &argp, argc, argv, &x.o);
	cb_stop_install(true);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && lock_in(&x.o, &err) == 0) {
		cb_out_init(&x.out, ofd);
		run(&x, &err);
		cb_log_close(x.log);
		if (cb_out_close(&x.out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
