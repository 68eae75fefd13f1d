/* SPDX-License-Identifier: Apache-2.0 */
/* cb-audit: keep a tamper-evident log, and prove what stands in it. */
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/newfile.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/pass.h"
#include "crypto/base64.h"
#include "crypto/minisign_sign.h"
#include "log/log.h"
#include "log/proof.h"
#include "log/query.h"
#include "log/tile.h"
#include "log/witness.h"
#include "verify/report.h"
#include "wire/event.h"

#define BATCH_LINES 8192u
#define BATCH_BYTES ((size_t)4 << 20)
#define TOLD_MAX 8
#define HEARTBEAT_MS 1000

#define WITNESSES_MAX 32

enum verb { INIT, APPEND, CHECKPOINT, PROVE, CONSISTENCY, VERIFY, WITNESS, POLICY, QUERY, EXPORT, PRUNE };
#define VERBS "init|append|checkpoint|prove|consistency|verify|witness|policy|query|export|prune"

struct opts {
	int verb;
	const char *log, *key, *org, *origin, *after, *reason, *index, *cosignatures, *policy, *name, *state, *older;
	const char *witness[WITNESSES_MAX];
	unsigned witnesses, quorum;
	bool each, receipts, raw;
	int format;
	struct cb_log_query q;
	uint64_t below;
	uint32_t epoch_s, epochs;
	struct cb_log_opts o;
	struct cb_cli_pass pass;
};

enum { OPT_ORIGIN = CB_OPT_BASE, OPT_ORG, OPT_AFTER, OPT_EPOCH, OPT_EPOCHS, OPT_SYNC, OPT_RECEIPTS, OPT_LEAP,
       OPT_BELOW, OPT_REASON, OPT_NOW, OPT_COSIGNATURES, OPT_POLICY, OPT_NAME, OPT_WITNESS, OPT_QUORUM, OPT_FROM,
       OPT_TO, OPT_TYPE, OPT_CAMERA, OPT_RAW, OPT_FORMAT, OPT_STATE, OPT_OLDER };

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
	uint64_t i;

	if (o->verb < 0)
		argp_error(st, "one of " VERBS " is needed");
	if (!o->log)
		argp_error(st, o->verb == WITNESS ? "no DIR" : "no LOG");
	if (o->verb == INIT && !o->origin)
		argp_error(st, "--origin is needed");
	if ((o->verb == INIT || o->verb == WITNESS || (o->verb == CHECKPOINT && !o->cosignatures)) && !o->key)
		argp_error(st, "--key is needed");
	if (o->verb == WITNESS && (!o->name || !o->policy))
		argp_error(st, "--name and --policy are needed");
	if (o->verb == PRUNE && (!o->below || !o->reason))
		argp_error(st, "--below and --reason are needed");
	if (o->verb == EXPORT && o->format < 0)
		argp_error(st, "--format is needed");
	if (o->quorum > o->witnesses)
		argp_error(st, "--quorum: there are not so many --witness");
	if ((o->verb == PROVE || o->verb == CONSISTENCY) && !o->index)
		argp_error(st, o->verb == PROVE ? "no INDEX" : "no SIZE");
	if (o->index && !cb_parse_u64(o->index, 0, CB_TREE_MAX, &i))
		argp_error(st, "'%s' is not a number of entries", o->index);
	if (o->index && (o->verb == QUERY || o->verb == EXPORT)) {
		o->q.from = i;
		if (o->verb == QUERY)
			o->q.to = i + 1;
	}
	if (o->state && (o->verb != EXPORT || o->index))
		argp_error(st, "--state goes with export, without an index");
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	if (cb_cli_pass_opt(&o->pass, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .verb = -1, .format = -1, .q = CB_LOG_QUERY_ALL };
		o->pass = (struct cb_cli_pass)CB_CLI_PASS_INIT;
		st->child_inputs[0] = NULL;
		return 0;
	case 'k':
		o->key = arg;
		return 0;
	case OPT_ORIGIN:
		o->origin = arg;
		return 0;
	case OPT_ORG:
		o->org = arg;
		return 0;
	case OPT_AFTER:
		o->after = arg;
		return 0;
	case OPT_EPOCH:
		if (cb_cli_duration_ns(st, "epoch", arg) < CB_NS_PER_S ||
		    cb_cli_duration_ns(st, "epoch", arg) > 86400 * CB_NS_PER_S)
			argp_error(st, "--epoch: from 1s to 24h");
		o->epoch_s = (uint32_t)(cb_cli_duration_ns(st, "epoch", arg) / CB_NS_PER_S);
		return 0;
	case OPT_EPOCHS:
		o->epochs = (uint32_t)cb_cli_u64(st, "epochs", arg, 1, CB_LOG_EPOCHS_MAX);
		return 0;
	case OPT_SYNC:
		o->each = cb_cli_word(st, "sync", "each|batch", arg) == 0;
		return 0;
	case OPT_RECEIPTS:
		o->receipts = true;
		return 0;
	case OPT_LEAP:
		o->o.leap_ns = cb_cli_duration_ns(st, "leap", arg);
		return 0;
	case OPT_BELOW:
		o->below = cb_cli_u64(st, "below", arg, 1, CB_TREE_MAX);
		return 0;
	case OPT_REASON:
		o->reason = arg;
		return 0;
	case OPT_COSIGNATURES:
		o->cosignatures = arg;
		return 0;
	case OPT_NAME:
		if (!cb_key_name_ok(arg, strlen(arg)))
			argp_error(st, "--name: '%s' cannot be a key's name", arg);
		o->name = arg;
		return 0;
	case OPT_POLICY:
		o->policy = arg;
		return 0;
	case OPT_OLDER:
		o->older = arg;
		return 0;
	case OPT_WITNESS:
		if (o->witnesses == WITNESSES_MAX)
			argp_error(st, "--witness: at most %d", WITNESSES_MAX);
		o->witness[o->witnesses++] = arg;
		return 0;
	case OPT_QUORUM:
		o->quorum = (unsigned)cb_cli_u64(st, "quorum", arg, 1, WITNESSES_MAX);
		return 0;
	case OPT_FROM:
		o->q.from_us = cb_cli_time_ns(st, "from", arg) / CB_NS_PER_US;
		return 0;
	case OPT_TO:
		o->q.to_us = cb_cli_time_ns(st, "to", arg) / CB_NS_PER_US;
		return 0;
	case OPT_TYPE:
		o->q.type = arg;
		return 0;
	case OPT_CAMERA:
		o->q.camera = arg;
		return 0;
	case OPT_RAW:
		o->raw = true;
		return 0;
	case OPT_FORMAT:
		o->format = cb_cli_word(st, "format", CB_SIEM_NAMES, arg);
		return 0;
	case OPT_STATE:
		o->state = arg;
		return 0;
	case OPT_NOW:
		o->o.now_us = cb_cli_time_ns(st, "now", arg) / CB_NS_PER_US;
		return 0;
	case ARGP_KEY_ARG:
		if (o->verb < 0)
			o->verb = cb_cli_word(st, NULL, VERBS, arg);
		else if (!o->log)
			o->log = arg;
		else if (!o->index && (o->verb == PROVE || o->verb == CONSISTENCY || o->verb == QUERY || o->verb == EXPORT))
			o->index = arg;
		else
			argp_error(st, "too many operands");
		return 0;
	case ARGP_KEY_END:
		check_opts(st, o);
		return 0;
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

static void tell(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_warn("%s", text);
}

static int load_key(const struct opts *o, const char *path, struct cb_seckey **ret, struct cb_err *err)
{
	struct cb_pass pass = { cb_cli_pass_get, (void *)&o->pass };

	if (cb_seckey_load(ret, path, &pass, err) < 0)
		return -1;
	if (cb_seckey_exposed(*ret))
		cb_cli_warn("%s: others may read this key", path);
	return 0;
}

/* --- init, checkpoint ---------------------------------------------------------------------------- */

static int init(const struct opts *o, struct cb_err *err)
{
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

static int cosign(const struct opts *o, struct cb_log *l, struct cb_err *err)
{
	const char *path = strcmp(o->cosignatures, "-") == 0 ? "/dev/stdin" : o->cosignatures;
	uint8_t *lines = NULL;
	unsigned added;
	size_t n;
	int ret;

	if (cb_file_read(path, CB_NOTE_MAX, &lines, &n, err) < 0)
		return cb_err_prefix(err, "%s", o->cosignatures);
	ret = cb_log_cosign(l, (const char *)lines, n, &added, err);
	if (ret < 0)
		cb_err_prefix(err, "%s", o->log);
	else
		cb_cli_note("%s: %u cosignatures added", o->log, added);
	free(lines);
	return ret;
}

static int checkpoint(const struct opts *o, struct cb_log *l, struct cb_err *err)
{
	struct cb_seckey *key = NULL;
	int ret = -1;

	if (o->cosignatures)
		return cosign(o, l, err);
	if (load_key(o, o->key, &key, err) < 0)
		return -1;
	ret = cb_log_checkpoint(l, key, err);
	if (ret < 0)
		cb_err_prefix(err, "%s", o->log);
	else
		cb_cli_note("%s: %" PRIu64 " entries", o->log, cb_log_size(l));
	cb_seckey_free(key);
	return ret;
}

/* --- append ----------------------------------------------------------------------------------------- */

struct append {
	const struct opts *o;
	struct cb_log *l;
	struct cb_out *out;
	struct cb_buf bytes;			/* of the lines that wait */
	struct iovec line[BATCH_LINES];		/* iov_base is an offset until they are appended */
	uint64_t number[BATCH_LINES];
	size_t n;
	uint64_t lines, bad;
	struct cb_err first, late;
};

static void refuse(struct append *a, uint64_t number, const struct cb_err *why)
{
	if (!a->bad++)
		cb_err_set(&a->first, CB_E_DATA, "stdin: line %" PRIu64 ": %.400s", number, why->msg);
	else if (a->bad <= TOLD_MAX)
		cb_cli_warn("stdin: line %" PRIu64 ": %s", number, why->msg);
	else if (a->bad == TOLD_MAX + 1)
		cb_cli_warn("further lines like these are only counted");
}

static int receipt(struct append *a, size_t i, uint64_t index, struct cb_err *err)
{
	if (!a->o->receipts)
		return 0;
	return cb_out_printf(a->out, err, "{\"line\":%" PRIu64 ",\"index\":%" PRIu64 "}\n", a->number[i], index);
}

/* One line by itself: a bad one is told and left out. */
static int append_one(struct append *a, size_t i, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint64_t index;

	if (cb_log_append(a->l, &a->line[i], 1, &index, &why) == 0)
		return receipt(a, i, index, err);
	if (why.code == CB_E_DATA && strncmp(why.msg, "line 1: ", 8) == 0) {
		memmove(why.msg, why.msg + 8, strlen(why.msg + 8) + 1);
		refuse(a, a->number[i], &why);
		return 0;
	}
	*err = why;
	return cb_err_prefix(err, "%s", a->o->log);
}

static int settle(struct append *a, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint64_t index;
	int ret = 0;

	if (!a->n)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		a->line[i].iov_base = a->bytes.data + (uintptr_t)a->line[i].iov_base;
	if (a->n > 1 && cb_log_append(a->l, a->line, a->n, &index, &why) == 0) {
		for (size_t i = 0; i < a->n && ret == 0; i++)
			ret = receipt(a, i, index + i, err);
	} else if (a->n > 1 && why.code != CB_E_DATA) {
		*err = why;
		ret = cb_err_prefix(err, "%s", a->o->log);
	} else {
		for (size_t i = 0; i < a->n && ret == 0; i++)
			ret = append_one(a, i, err);
	}
	a->n = 0;
	a->bytes.len = 0;
	return ret < 0 ? -1 : cb_out_flush(a->out, err);
}

static void settle_idle(void *ctx)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	struct append *a = ctx;

	if (a->late.code || settle(a, &a->late) < 0)
		return;
	/* a log that somebody keeps open is sealed when its epochs end, whether lines come or not */
	while (poll(&p, 1, HEARTBEAT_MS) == 0 && !cb_stop_wanted())
		cb_log_tick(a->l, NULL);
}

static int append_all(struct append *a, struct cb_evin *in, struct cb_err *err)
{
	struct cb_frame f;
	const char *line;
	size_t len;
	int k;

	for (;;) {
		k = cb_evin_next(in, &line, &len, &f, err);
		if (a->late.code) {
			*err = a->late;
			return -1;
		}
		if (k < 0 && err->code == CB_E_DATA && !in->frames) {
			refuse(a, in->line, err);
			*err = (struct cb_err)CB_ERR_INIT;
			continue;
		}
		if (k <= 0)
			break;
		if (!line)
			continue;
		a->lines++;
		a->line[a->n] = (struct iovec){ (void *)(uintptr_t)a->bytes.len, len };
		a->number[a->n++] = in->line;
		if (cb_buf_add(&a->bytes, line, len) < 0)
			return cb_err_nomem(err);
		if ((a->o->each || a->n == BATCH_LINES || a->bytes.len >= BATCH_BYTES) && settle(a, err) < 0)
			return -1;
	}
	if (k < 0 || cb_evin_finish(in, err) < 0)
		return cb_err_prefix(err, "stdin");
	return settle(a, err);
}

static int append(const struct opts *o, struct cb_log *l, struct cb_out *out, struct cb_err *err)
{
	struct append *a = calloc(1, sizeof(*a));
	struct cb_evin in;
	int ret;

	if (!a)
		return cb_err_nomem(err);
	a->o = o;
	a->l = l;
	a->out = out;
	cb_evin_init(&in, STDIN_FILENO);
	in.before_block = settle_idle;
	in.ctx = a;
	ret = append_all(a, &in, err);
	if (ret == 0 && cb_log_tick(l, err) < 0)
		ret = cb_err_prefix(err, "%s", o->log);
	if (ret == 0 && a->bad) {
		*err = a->first;
		if (a->bad > 1)
			cb_err_set(err, CB_E_DATA, "%.400s; %" PRIu64 " more lines were refused", a->first.msg, a->bad - 1);
		ret = -1;
	}
	cb_evin_release(&in);
	cb_buf_release(&a->bytes);
	free(a);
	return ret;
}

/* --- proofs -------------------------------------------------------------------------------------------- */

static int put_hashes(struct cb_out *out, const uint8_t *path, unsigned n, struct cb_err *err)
{
	char text[CB_BASE64_SIZE(CB_HASH_LEN)];

	for (unsigned i = 0; i < n; i++) {
		cb_base64(text, path + i * CB_HASH_LEN, CB_HASH_LEN);
		if (cb_out_printf(out, err, "%s\n", text) < 0)
			return -1;
	}
	return 0;
}

/* The log as its checkpoint has it. */
static int open_signed(const struct opts *o, struct cb_tiles **ret, struct cb_checkpoint *c, const char **ret_note,
		       size_t *ret_len, struct cb_err *err)
{
	struct cb_note *n = malloc(sizeof(*n));
	int k = -1;

	if (!n)
		return cb_err_nomem(err);
	if (cb_tiles_open(ret, o->log, err) < 0)
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

static int prove(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	uint8_t path[CB_PROOF_MAX * CB_HASH_LEN];
	struct cb_tiles *t = NULL;
	struct cb_checkpoint c;
	const char *note;
	uint64_t index = 0;
	size_t len;
	unsigned n;
	int ret = -1;

	cb_parse_u64(o->index, 0, CB_TREE_MAX, &index);
	if (open_signed(o, &t, &c, &note, &len, err) < 0)
		goto out;
	if (index >= c.size)
		cb_err_set(err, CB_E_NOINPUT, "no entry %" PRIu64 " in its checkpoint, which has %" PRIu64, index, c.size);
	else if (cb_tiles_inclusion(t, index, c.size, path, &n, err) == 0 &&
		 cb_out_printf(out, err, "c2sp.org/tlog-proof@v1\nindex %" PRIu64 "\n", index) == 0 &&
		 put_hashes(out, path, n, err) == 0 && cb_out_printf(out, err, "\n") == 0 &&
		 cb_out_write(out, note, len, err) == 0)
		ret = 0;
out:
	cb_tiles_close(t);
	return ret < 0 ? cb_err_prefix(err, "%s", o->log) : 0;
}

static int consistency(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	uint8_t path[CB_PROOF_MAX * CB_HASH_LEN];
	struct cb_tiles *t = NULL;
	struct cb_checkpoint c;
	const char *note;
	uint64_t old = 0;
	size_t len;
	unsigned n;
	int ret = -1;

	cb_parse_u64(o->index, 0, CB_TREE_MAX, &old);
	if (open_signed(o, &t, &c, &note, &len, err) < 0)
		goto out;
	if (old > c.size)
		cb_err_set(err, CB_E_NOINPUT, "its checkpoint has %" PRIu64 " entries, fewer than %" PRIu64, c.size, old);
	else if (cb_tiles_consistency(t, old, c.size, path, &n, err) == 0 &&
		 cb_out_printf(out, err, "old %" PRIu64 "\n", old) == 0 && put_hashes(out, path, n, err) == 0 &&
		 cb_out_printf(out, err, "\n") == 0 && cb_out_write(out, note, len, err) == 0)
		ret = 0;
out:
	cb_tiles_close(t);
	return ret < 0 ? cb_err_prefix(err, "%s", o->log) : 0;
}

/* --- verify --------------------------------------------------------------------------------------------- */

struct telling {
	const char *path;
	struct cb_out *out;
	struct cb_buf line;
	bool text;
	uint32_t n;
};

static int tell_line(struct telling *t, struct cb_err *err)
{
	if (!t->text && cb_buf_byte(&t->line, '\n') < 0)
		return cb_err_nomem(err);
	return cb_out_write(t->out, t->line.data, t->line.len, err);
}

static int on_finding(void *ctx, const struct cb_finding *f, struct cb_err *err)
{
	struct telling *t = ctx;

	return (t->text ? cb_tell_finding(&t->line, t->path, f, err) :
		cb_report_finding(&t->line, t->n++, t->path, f, err)) < 0 ? -1 : tell_line(t, err);
}

static int verify(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct telling t = { .path = o->log, .out = out, .text = out->tty };
	struct cb_verified r = { .kind = CB_VERIFIED_LOG };
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_verify *v = calloc(1, sizeof(*v));
	struct cb_trust trust;
	char own[PATH_MAX];
	uint8_t *older = NULL;
	bool failed;
	int ret = -1;

	if (!v)
		return cb_err_nomem(err);
	cb_trust_init(&trust);
	v->trust = &trust;
	v->now_us = cb_now_wall_ns() / CB_NS_PER_US;
	v->found = on_finding;
	v->ctx = &t;
	snprintf(own, sizeof(own), "%s/policy", o->log);
	if (cb_trust_policy(&trust, o->policy ? o->policy : own, err) < 0)
		goto out;
	if (o->older) {
		if (cb_file_read(o->older, CB_NOTE_MAX, &older, &v->older[0].len, err) < 0) {
			cb_err_prefix(err, "%s", o->older);
			goto out;
		}
		v->older[0].name = o->older;
		v->older[0].text = (const char *)older;
		v->n_older = 1;
	}
	failed = cb_verify(v, o->log, CB_VERIFIED_LOG, &r, &why) < 0;
	f.code = "log-by-own-key";
	if (!o->policy && cb_verify_found(v, &r, &f, err, "the log's own policy was believed: whoever makes a log anew "
					  "makes that, too") < 0)
		goto out;
	if ((t.text ? cb_tell_verdict(&t.line, o->log, &r, failed ? why.msg : NULL, err) :
	     cb_report_verdict(&t.line, t.n++, o->log, &r, failed ? why.msg : NULL, err)) < 0 || tell_line(&t, err) < 0)
		goto out;
	if (r.findings)
		cb_err_set(err, CB_E_NO, "%s: not what it should be", o->log);
	else if (failed)
		cb_err_set(err, why.code, "%s: %.400s", o->log, why.msg);
	else if (r.unchecked)
		cb_err_set(err, CB_E_DATA, "%s: not all of it could be checked", o->log);
	else
		ret = 0;
out:
	cb_buf_release(&t.line);
	cb_trust_release(&trust);
	free(older);
	free(v);
	return ret;
}

/* --- witness, policy ------------------------------------------------------------------------------------ */

static int witness(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct cb_witness w = { .dir = o->log, .name = o->name };
	struct cb_seckey *key = NULL;
	struct cb_policy *logs = NULL;
	struct cb_buf answer = { 0 };
	uint8_t *text = NULL, *body = NULL;
	struct cb_err late = CB_ERR_INIT;
	size_t n, len;
	int ret = -1;

	if (cb_file_read(o->policy, CB_POLICY_MAX, &text, &n, err) < 0 ||
	    cb_policy_parse(&logs, (const char *)text, n, err) < 0) {
		cb_err_prefix(err, "%s", o->policy);
		goto out;
	}
	if (load_key(o, o->key, &key, err) < 0)
		goto out;
	if (cb_file_read("/dev/stdin", CB_WITNESS_BODY_MAX, &body, &len, err) < 0) {
		cb_err_prefix(err, "stdin");
		goto out;
	}
	w.key = key;
	w.logs = logs;
	w.now = (uint64_t)((o->o.now_us ? o->o.now_us * CB_NS_PER_US : cb_now_wall_ns()) / CB_NS_PER_S);
	ret = cb_witness_answer(&w, (const char *)body, len, &answer, err);
	if (answer.len && cb_out_write(out, answer.data, answer.len, &late) < 0 && ret == 0) {
		*err = late;
		ret = -1;
	}
out:
	cb_buf_release(&answer);
	cb_seckey_free(key);
	cb_policy_free(logs);
	free(text);
	free(body);
	return ret;
}

/* A policy for this log: its key, the witnesses given, and how many of them it takes. */
static int policy(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	uint8_t *text = NULL;
	struct cb_vkey k;
	char path[PATH_MAX], *end;
	size_t n;
	int ret = -1;

	if (snprintf(path, sizeof(path), "%s/policy", o->log) >= (int)sizeof(path))
		return cb_err_set(err, CB_E_NOINPUT, "%s: too long", o->log);
	if (cb_file_read(path, CB_POLICY_MAX, &text, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	end = strchr((const char *)text, '\n');
	if (!end || strncmp((const char *)text, "log ", 4) != 0) {
		cb_err_set(err, CB_E_DATA, "%s: its first line is not the log's key", path);
		goto out;
	}
	if (cb_out_write(out, text, (size_t)(end + 1 - (char *)text), err) < 0)
		goto out;
	for (unsigned i = 0; i < o->witnesses; i++) {
		if (cb_vkey_parse(&k, o->witness[i], strlen(o->witness[i]), err) < 0) {
			cb_err_prefix(err, "--witness %s", o->witness[i]);
			goto out;
		}
		if (cb_out_printf(out, err, "witness w%u %s\n", i + 1, o->witness[i]) < 0)
			goto out;
	}
	if (o->witnesses) {
		if (cb_out_printf(out, err, "group witnesses %u", o->quorum ? o->quorum : o->witnesses) < 0)
			goto out;
		for (unsigned i = 0; i < o->witnesses; i++)
			if (cb_out_printf(out, err, " w%u", i + 1) < 0)
				goto out;
	}
	ret = cb_out_printf(out, err, o->witnesses ? "\nquorum witnesses\n" : "quorum none\n");
out:
	free(text);
	return ret;
}

/* --- query, export --------------------------------------------------------------------------------------- */

struct listing {
	const struct opts *o;
	struct cb_out *out;
	struct cb_json *json;
	struct cb_buf line;
	struct cb_siem_about about;
	uint64_t found;
};

static int list_entry(void *ctx, uint64_t index, const struct cb_entry *e, const uint8_t *p, size_t n, struct cb_err *err)
{
	struct listing *l = ctx;

	(void)e;
	l->found++;
	/* one entry alone is what a proof speaks of, to the byte */
	if (l->o->raw)
		return cb_out_write(l->out, p, n, err) < 0 || (!l->o->index && cb_out_write(l->out, "\n", 1, err) < 0) ? -1 : 0;
	return cb_out_printf(l->out, err, "{\"index\":%" PRIu64 ",\"entry\":", index) < 0 ||
	       cb_out_write(l->out, p, n, err) < 0 || cb_out_write(l->out, "}\n", 2, err) < 0 ? -1 : 0;
}

static int export_entry(void *ctx, uint64_t index, const struct cb_entry *e, const uint8_t *p, size_t n,
			struct cb_err *err)
{
	struct listing *l = ctx;

	(void)e;
	l->line.len = 0;
	l->about.index = (int64_t)index;
	if (cb_log_siem(&l->line, (enum cb_siem)l->o->format, l->json, p, n, &l->about, err) < 0)
		return cb_err_prefix(err, "entry %" PRIu64, index);
	return cb_buf_byte(&l->line, '\n') < 0 ? cb_err_nomem(err) : cb_out_write(l->out, l->line.data, l->line.len, err);
}

static int read_state(const struct opts *o, uint64_t *ret, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint8_t *text = NULL;
	bool good;
	size_t n;

	if (cb_file_read(o->state, 64, &text, &n, &why) < 0) {
		if (why.code == CB_E_NOINPUT)
			return 0;
		*err = why;
		return cb_err_prefix(err, "%s", o->state);
	}
	if (n && text[n - 1] == '\n')
		text[n - 1] = '\0';
	good = cb_parse_u64((const char *)text, 0, CB_TREE_MAX, ret);
	free(text);
	return good ? 0 : cb_err_set(err, CB_E_DATA, "%s: not an index", o->state);
}

static int list(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct listing l = { .o = o, .out = out, .json = malloc(sizeof(*l.json)), .about = { .facility = 13 } };
	struct cb_log_query q = o->q;
	struct cb_tiles *t = NULL;
	char host[256] = "", next_text[32];
	uint64_t next = 0;
	int ret = -1;

	if (!l.json)
		return cb_err_nomem(err);
	if (gethostname(host, sizeof(host) - 1) == 0)
		l.about.host = host;
	if (o->state && read_state(o, &q.from, err) < 0)
		goto out;
	if (cb_tiles_open(&t, o->log, err) < 0 ||
	    cb_log_query(t, &q, o->verb == EXPORT ? export_entry : list_entry, &l, &next, err) < 0) {
		cb_err_prefix(err, "%s", o->log);
		goto out;
	}
	if (o->verb == QUERY && o->index && !l.found) {
		cb_err_set(err, CB_E_NOINPUT, "%s: no entry %s, or it was pruned", o->log, o->index);
		goto out;
	}
	/* only what is out is behind us */
	if (cb_out_flush(out, err) < 0)
		goto out;
	snprintf(next_text, sizeof(next_text), "%" PRIu64 "\n", next > q.from ? next : q.from);
	ret = o->state ? cb_newfile_write(o->state, 0640, true, next_text, strlen(next_text), err) : 0;
out:
	cb_tiles_close(t);
	cb_buf_release(&l.line);
	free(l.json);
	return ret;
}

/* --- the rest ---------------------------------------------------------------------------------------- */

static int prune(const struct opts *o, struct cb_log *l, struct cb_err *err)
{
	uint64_t n;

	if (cb_log_prune(l, o->below, o->reason, &n, err) < 0)
		return cb_err_prefix(err, "%s", o->log);
	cb_cli_note("%s: %" PRIu64 " bundles deleted", o->log, n);
	return 0;
}

static int keep(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct cb_log_opts lo = o->o;
	struct cb_log *l = NULL;
	int ret;

	lo.warn = tell;
	if (cb_log_open(&l, o->log, &lo, err) < 0)
		return cb_err_prefix(err, "%s", o->log);
	ret = o->verb == APPEND ? append(o, l, out, err) :
	      o->verb == CHECKPOINT ? checkpoint(o, l, err) : prune(o, l, err);
	cb_log_close(l);
	return ret;
}

static int run(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	switch (o->verb) {
	case INIT:
		return init(o, err);
	case PROVE:
		return prove(o, out, err);
	case CONSISTENCY:
		return consistency(o, out, err);
	case VERIFY:
		return verify(o, out, err);
	case WITNESS:
		return witness(o, out, err);
	case POLICY:
		return policy(o, out, err);
	case QUERY:
	case EXPORT:
		return list(o, out, err);
	}
	return keep(o, out, err);
}

int main(int argc, char **argv)
{
	static struct cb_out out;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	struct opts o = { 0 };
	int ofd;

	cb_cli_parse("cb-audit", &argp, argc, argv, &o);
	cb_stop_install(true);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0) {
		cb_out_init(&out, ofd);
		run(&o, &out, &err);
		if (cb_out_close(&out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
