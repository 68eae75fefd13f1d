/* SPDX-License-Identifier: Apache-2.0 */
/* cb-sign: make keys, sign, verify, encrypt, decrypt, and say what such a file is. */
#include <string.h>

#include "base/io.h"
#include "cli/cli.h"
#include "cli/pass.h"
#include "cli/verbs.h"
#include "log/log.h"
#include "sign/crypt.h"
#include "sign/files.h"
#include "sign/keylife.h"
#include "sign/keys.h"
#include "sign/report.h"

#define LIST_MAX 256u

enum verb { KEYGEN, SIGN, VERIFY, ENCRYPT, DECRYPT, INSPECT, RETIRE };

struct list {
	const char *item[LIST_MAX];
	size_t n;
};

struct opts {
	struct cb_cli_verbs v;		/* operands are files */
	int format;
	const char *output, *comment, *namespace, *signer, *log;
	bool no_passphrase, encryption, ssh, add, force, passphrase, armor;
	unsigned threshold;
	struct list keys, pubs, signatures, recipients, recipient_files, identities;
	struct cb_cli_pass pass_from;
	struct cb_pass pass;
	struct cb_log *to;		/* --log, open */
};

enum { OPT_NO_PASS = CB_OPT_BASE, OPT_ENCRYPTION, OPT_PUB, OPT_SSH, OPT_NAMESPACE, OPT_COMMENT, OPT_ADD, OPT_FORCE,
       OPT_SIGNATURE, OPT_THRESHOLD, OPT_ARMOR, OPT_FORMAT, OPT_SIGNER, OPT_LOG };

/* --- verbs ------------------------------------------------------------------------------------------ */

static void exposed(const char *path)
{
	cb_cli_warn("%s: others can read this unprotected secret key", path);
}

static void made(const char *path, bool encryption, const char *key)
{
	cb_cli_note(encryption ? "%s: for %s" : "%s: key %s", path, key);
}

static int keygen(void *tool, struct cb_err *err)
{
	const struct opts *o = tool;

	return cb_keygen(&(struct cb_keygen){ o->output, o->encryption, o->no_passphrase ? NULL : &o->pass,
					       o->to, made }, err);
}

static int sign(void *tool, struct cb_err *err)
{
	const struct opts *o = tool;
	struct cb_signing s = { .ssh = o->ssh, .namespace = o->namespace, .comment = o->comment, .output = o->output,
				.add = o->add, .force = o->force, .use = o->to ? cb_keylife_used : NULL, .ctx = o->to };
	struct cb_keys keys = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->keys.n; i++)
		r = cb_keys_load(&keys, o->keys.item[i], &o->pass, exposed, err);
	for (int i = 0; r == 0 && i < o->v.n; i++)
		r = cb_sign_file(&s, keys.key, keys.n, o->v.operand[i], err);
	cb_keys_release(&keys);
	return r;
}

static int retire(void *tool, struct cb_err *err)
{
	const struct opts *o = tool;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->pubs.n; i++)
		r = cb_keys_retire(o->to, o->pubs.item[i], o->comment, err);
	return r;
}

static int crypt_file(void *tool, struct cb_err *err)
{
	const struct opts *o = tool;
	bool in = o->v.is == ENCRYPT;
	const struct list *keys = in ? &o->recipient_files : &o->identities;
	struct cb_crypting c = { .in = cb_cli_operand(&o->v, 0), .out = o->output, .force = o->force, .armor = o->armor,
				 .recipient = o->recipients.item, .recipients = o->recipients.n,
				 .key = keys->item, .keys = keys->n, .pass = &o->pass,
				 .binary = cb_cli_refuse_tty, .exposed = exposed };

	return in ? cb_encrypt_file(&c, err) : cb_decrypt_file(&c, err);
}

static int verify(const struct opts *o, struct cb_sign_report *report, struct cb_err *err)
{
	struct cb_signers signers = { 0 };
	struct cb_verifying v = { .signers = &signers, .namespace = o->namespace, .threshold = o->threshold,
				  .signature = o->signatures.item, .n = o->signatures.n };
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->pubs.n; i++)
		r = cb_signers_load(&signers, o->pubs.item[i], err);
	if (r == 0)
		r = cb_report_verify(report, &v, o->v.operand, (size_t)o->v.n, err);
	cb_signers_release(&signers);
	return r;
}

/* verify and inspect: what is said goes to stdout. */
static int report(void *tool, struct cb_err *err)
{
	const struct opts *o = tool;
	static struct cb_out out;
	struct cb_sign_report r = { .out = &out };
	struct cb_err late = CB_ERR_INIT;
	int ret = 0, ofd = cb_stdout_take(err);

	if (ofd < 0)
		return -1;
	cb_out_init(&out, ofd);
	r.text = o->format < 0 ? out.tty : o->format == 1;
	if (o->v.is == VERIFY)
		ret = verify(o, &r, err);
	else if (o->signer)
		ret = cb_report_signers(&r, o->v.operand, (size_t)o->v.n, o->signer, o->namespace, err);
	else
		for (int i = 0; ret == 0 && i < o->v.n; i++)
			ret = cb_report_inspect(&r, o->v.operand[i], err);
	if (cb_out_close(&out, &late) < 0 && (ret == 0 || err->code == CB_E_NO)) {
		*err = late;
		ret = -1;
	}
	cb_sign_report_release(&r);
	return ret;
}

/* --- options ---------------------------------------------------------------------------------------- */

#define PASS "passphrase-file passphrase-fd"

static const struct cb_cli_verb verbs[] = {
	[KEYGEN] = { "keygen", "", "no-passphrase encryption log " PASS, "output", keygen },
	[SIGN] = { "sign", "FILE...", "output ssh namespace comment add force log " PASS, "key", sign },
	[VERIFY] = { "verify", "FILE...", "namespace signature threshold format", "pub", report },
	[ENCRYPT] = { "encrypt", "[FILE]", "output force armor",
		      "recipient|recipients-file|passphrase|passphrase-file|passphrase-fd", crypt_file },
	[DECRYPT] = { "decrypt", "[FILE]", "output force identity " PASS, NULL, crypt_file },
	[INSPECT] = { "inspect", "FILE...", "namespace format signer", NULL, report },
	[RETIRE] = { "retire", "", "comment", "pub log", retire },
	{ 0 },
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "write here; keygen: FILE.key and FILE.pub", 0 },
	{ "no-passphrase", OPT_NO_PASS, NULL, 0, "keygen: leave the secret key unprotected", 0 },
	{ "encryption", OPT_ENCRYPTION, NULL, 0, "keygen: a key to encrypt for (age), not to sign with", 0 },
	{ "key", 'k', "KEYFILE", 0, "sign: the secret key; again for another signature", 0 },
	{ "ssh", OPT_SSH, NULL, 0, "sign: SSH signatures, not those of minisign", 0 },
	{ "namespace", OPT_NAMESPACE, "TEXT", 0, "what an SSH signature is for (cb-evidence)", 0 },
	{ "comment", OPT_COMMENT, "TEXT", 0, "sign: the trusted comment; retire: the reason", 0 },
	{ "add", OPT_ADD, NULL, 0, "sign: beside the signatures that are there", 0 },
	{ "force", OPT_FORCE, NULL, 0, "write over files that are there", 0 },
	{ "pub", OPT_PUB, "KEYFILE", 0, "verify, retire: a public key of minisign or OpenSSH", 0 },
	{ "signature", OPT_SIGNATURE, "FILE", 0, "verify: the signature, not FILE.minisig and so on", 0 },
	{ "threshold", OPT_THRESHOLD, "N", 0, "verify: so many of the keys must have signed (1)", 0 },
	{ "recipient", 'r', "TEXT", 0, "encrypt: for this age1... recipient", 0 },
	{ "recipients-file", 'R', "FILE", 0, "encrypt: for those in this file", 0 },
	{ "passphrase", 'p', NULL, 0, "encrypt: with a passphrase", 0 },
	{ "armor", OPT_ARMOR, NULL, 0, "encrypt: as text", 0 },
	{ "identity", 'i', "KEYFILE", 0, "decrypt: a secret key of age", 0 },
	CB_CLI_PASS_OPTIONS,
	{ "format", OPT_FORMAT, "TYPE", 0, "ndjson or text (text on a terminal)", 0 },
	{ "signer", OPT_SIGNER, "TEXT", 0, "inspect: the line of a public key for ssh's allowed_signers", 0 },
	{ "log", OPT_LOG, "DIR", 0, "keygen, sign, retire: say so in this log", 0 },
	{ 0 },
};

static void add(struct list *l, const char *item, struct argp_state *st)
{
	if (l->n == LIST_MAX)
		argp_error(st, "more than %u of them", LIST_MAX);
	else
		l->item[l->n++] = item;
}

/* What the table of verbs does not say. */
static void check(const struct opts *o, struct argp_state *st)
{
	bool pass = o->pass_from.file || o->pass_from.fd >= 0;
	int files = o->v.n;

	if (o->no_passphrase && pass)
		argp_error(st, "--no-passphrase takes no passphrase");
	if (o->v.is == SIGN && o->output && (files > 1 || o->keys.n > 1))
		argp_error(st, "--output is for one signature of one file");
	if (o->add && o->force)
		argp_error(st, "--add writes over nothing: --force does not go with it");
	if (o->ssh && o->comment)
		argp_error(st, "SSH signatures have no comment");
	if (o->namespace && (o->v.is == SIGN ? !o->ssh : o->v.is == INSPECT && !o->signer))
		argp_error(st, "--namespace goes with %s", o->v.is == SIGN ? "--ssh" : "--signer");
	if (o->signatures.n && files > 1)
		argp_error(st, "--signature is for one file");
	if ((o->recipients.n || o->recipient_files.n) && (o->passphrase || pass))
		argp_error(st, "a passphrase stands alone: no recipients beside it");
	if (o->v.is == RETIRE && o->comment && !cb_comment_ok(o->comment, strlen(o->comment), 1024, false))
		argp_error(st, "--comment is a line of printable UTF-8");
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	if (cb_cli_verb_opt(&o->v, key, arg, st) == 0 || cb_cli_pass_opt(&o->pass_from, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .v = CB_CLI_VERBS(verbs, options), .format = -1, .threshold = 1,
				    .pass_from = CB_CLI_PASS_INIT, .pass = { cb_cli_pass_get, &o->pass_from } };
		st->child_inputs[0] = NULL;
		return 0;
	case ARGP_KEY_END:
		check(o, st);
		if (!o->namespace)
			o->namespace = CB_SSHSIG_EVIDENCE;
		return 0;
	case 'o': o->output = arg; break;
	case OPT_NO_PASS: o->no_passphrase = true; break;
	case OPT_ENCRYPTION: o->encryption = true; break;
	case 'k': add(&o->keys, arg, st); break;
	case OPT_SSH: o->ssh = true; break;
	case OPT_NAMESPACE:
		if (!cb_sshsig_namespace_ok(arg))
			argp_error(st, "--namespace: '%s' is none", arg);
		o->namespace = arg;
		break;
	case OPT_COMMENT: o->comment = arg; break;
	case OPT_ADD: o->add = true; break;
	case OPT_FORCE: o->force = true; break;
	case OPT_PUB: add(&o->pubs, arg, st); break;
	case OPT_SIGNATURE: add(&o->signatures, arg, st); break;
	case OPT_THRESHOLD: o->threshold = (unsigned)cb_cli_u64(st, "threshold", arg, 1, CB_SIGNATURES_MAX); break;
	case 'r': add(&o->recipients, arg, st); break;
	case 'R': add(&o->recipient_files, arg, st); break;
	case 'p': o->passphrase = true; break;
	case OPT_ARMOR: o->armor = true; break;
	case 'i': add(&o->identities, arg, st); break;
	case OPT_FORMAT: o->format = cb_cli_word(st, "format", "ndjson|text", arg); break;
	case OPT_SIGNER: o->signer = arg; break;
	case OPT_LOG: o->log = arg; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt,
	.args_doc = "keygen|sign|verify|encrypt|decrypt|inspect|retire [FILE...]",
	.doc = "Sign files, verify them, encrypt and decrypt them.\v"
	       "Keys and signatures are those of minisign and OpenSSH, encrypted files those of age.",
	.children = cb_cli_children,
};

/* Signatures are written and found beside what they are of. */
static int lock_in(const struct opts *o, struct cb_err *err)
{
	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = CB_MAY_ASK | (o->v.is == ENCRYPT || o->v.is == DECRYPT ? CB_MAY_THREAD : 0),
		.read = { o->pass_from.file },
		.write = { o->log },
		.write_beside = { o->output },
		.list = {
			{ o->v.operand, (size_t)o->v.n, o->v.is == SIGN ? CB_SANDBOX_WRITE_BESIDE :
						     o->v.is == VERIFY ? CB_SANDBOX_READ_BESIDE : CB_SANDBOX_READ },
			{ o->keys.item, o->keys.n, CB_SANDBOX_READ },
			{ o->pubs.item, o->pubs.n, CB_SANDBOX_READ },
			{ o->signatures.item, o->signatures.n, CB_SANDBOX_READ },
			{ o->recipient_files.item, o->recipient_files.n, CB_SANDBOX_READ },
			{ o->identities.item, o->identities.n, CB_SANDBOX_READ },
		},
	}, err);
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT;
	static struct opts o;

	cb_cli_parse("cb-sign", &argp, argc, argv, &o);
	if ((!o.log || cb_log_open(&o.to, o.log, NULL, &err) == 0) && lock_in(&o, &err) == 0)
		cb_cli_verb_run(&o.v, &o, &err);
	cb_log_close(o.to);
	return cb_cli_finish(&err);
}
