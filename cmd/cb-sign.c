/* SPDX-License-Identifier: Apache-2.0 */
/* cb-sign: make keys, sign, verify, encrypt, decrypt, and say what such a file is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/newfile.h"
#include "cli/cli.h"
#include "cli/pass.h"
#include "crypto/age.h"
#include "crypto/bech32.h"
#include "log/log.h"
#include "sign/files.h"
#include "sign/keylife.h"
#include "sign/report.h"

#define LIST_MAX 256u

enum verb { KEYGEN, SIGN, VERIFY, ENCRYPT, DECRYPT, INSPECT, RETIRE };

static const char *const verbs[] = { "keygen", "sign", "verify", "encrypt", "decrypt", "inspect", "retire" };

struct list {
	const char *item[LIST_MAX];
	size_t n;
};

struct opts {
	int verb, format;
	const char *output, *comment, *namespace, *signer, *log;
	bool no_passphrase, encryption, ssh, add, force, passphrase, armor;
	unsigned threshold;
	uint32_t given;		/* bits of of_verb's lines */
	struct list keys, pubs, signatures, recipients, recipient_files, identities, files;
	struct cb_cli_pass pass;
};

enum { OPT_NO_PASS = CB_OPT_BASE, OPT_ENCRYPTION, OPT_PUB, OPT_SSH, OPT_NAMESPACE, OPT_COMMENT, OPT_ADD, OPT_FORCE,
       OPT_SIGNATURE, OPT_THRESHOLD, OPT_ARMOR, OPT_FORMAT, OPT_SIGNER, OPT_LOG };

#define V(verb) (1u << (verb))

/* Which verbs take which option. */
static const struct {
	int key;
	unsigned verbs;
} of_verb[] = {
	{ 'o', V(KEYGEN) | V(SIGN) | V(ENCRYPT) | V(DECRYPT) }, { OPT_NO_PASS, V(KEYGEN) },
	{ OPT_ENCRYPTION, V(KEYGEN) }, { 'k', V(SIGN) }, { OPT_SSH, V(SIGN) },
	{ OPT_NAMESPACE, V(SIGN) | V(VERIFY) | V(INSPECT) }, { OPT_COMMENT, V(SIGN) | V(RETIRE) }, { OPT_ADD, V(SIGN) },
	{ OPT_FORCE, V(SIGN) | V(ENCRYPT) | V(DECRYPT) }, { OPT_PUB, V(VERIFY) | V(RETIRE) }, { OPT_SIGNATURE, V(VERIFY) },
	{ OPT_THRESHOLD, V(VERIFY) }, { 'r', V(ENCRYPT) }, { 'R', V(ENCRYPT) }, { 'p', V(ENCRYPT) },
	{ OPT_ARMOR, V(ENCRYPT) }, { 'i', V(DECRYPT) }, { OPT_FORMAT, V(VERIFY) | V(INSPECT) },
	{ OPT_SIGNER, V(INSPECT) }, { OPT_LOG, V(KEYGEN) | V(SIGN) | V(RETIRE) },
	{ CB_OPT_PASS_FILE, V(KEYGEN) | V(SIGN) | V(ENCRYPT) | V(DECRYPT) },
	{ CB_OPT_PASS_FD, V(KEYGEN) | V(SIGN) | V(ENCRYPT) | V(DECRYPT) },
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
	{ "pub", OPT_PUB, "KEYFILE", 0, "verify: a public key of minisign or OpenSSH", 0 },
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

static void note_given(struct opts *o, int key)
{
	for (size_t i = 0; i < sizeof(of_verb) / sizeof(*of_verb); i++)
		if (of_verb[i].key == key)
			o->given |= 1u << i;
}

static void check(const struct opts *o, struct argp_state *st)
{
	for (size_t i = 0; i < sizeof(of_verb) / sizeof(*of_verb); i++) {
		const struct argp_option *a = options;

		if (!(o->given & 1u << i) || of_verb[i].verbs & V(o->verb))
			continue;
		while (a->key != of_verb[i].key)
			a++;
		argp_error(st, "--%s does not go with %s", a->name, verbs[o->verb]);
	}
	switch (o->verb) {
	case KEYGEN:
		if (!o->output || o->files.n)
			argp_error(st, "keygen takes --output NAME and no operands");
		if (o->no_passphrase && (o->pass.file || o->pass.fd >= 0))
			argp_error(st, "--no-passphrase takes no passphrase");
		break;
	case SIGN:
		if (!o->keys.n)
			argp_error(st, "sign needs --key");
		if (!o->files.n)
			argp_error(st, "no FILE to sign (- for standard input)");
		if (o->output && (o->files.n > 1 || o->keys.n > 1))
			argp_error(st, "--output is for one signature of one file");
		if (o->add && o->force)
			argp_error(st, "--add writes over nothing: --force does not go with it");
		if (o->ssh && o->comment)
			argp_error(st, "SSH signatures have no comment");
		if (o->namespace && !o->ssh)
			argp_error(st, "--namespace goes with --ssh");
		break;
	case VERIFY:
		if (!o->pubs.n)
			argp_error(st, "verify needs --pub");
		if (!o->files.n || (o->signatures.n && o->files.n > 1))
			argp_error(st, o->files.n ? "--signature is for one file" : "no FILE to verify");
		break;
	case ENCRYPT:
		if (o->files.n > 1)
			argp_error(st, "one FILE at most");
		if (!o->recipients.n && !o->recipient_files.n && !o->passphrase && !o->pass.file && o->pass.fd < 0)
			argp_error(st, "encrypt needs --recipient, --recipients-file or --passphrase");
		if ((o->recipients.n || o->recipient_files.n) && (o->passphrase || o->pass.file || o->pass.fd >= 0))
			argp_error(st, "a passphrase stands alone: no recipients beside it");
		break;
	case DECRYPT:
		if (o->files.n > 1)
			argp_error(st, "one FILE at most");
		break;
	case INSPECT:
		if (!o->files.n)
			argp_error(st, "no FILE");
		if (o->namespace && !o->signer)
			argp_error(st, "--namespace goes with --signer");
		break;
	case RETIRE:
		if (!o->pubs.n || !o->log || o->files.n)
			argp_error(st, "retire takes --pub and --log, and no operands");
		if (o->comment && !cb_comment_ok(o->comment, strlen(o->comment), 1024, false))
			argp_error(st, "--comment is a line of printable UTF-8");
		break;
	}
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	note_given(o, key);
	switch (key) {
	case ARGP_KEY_INIT:
		o->verb = -1;
		o->format = -1;
		o->threshold = 1;
		o->pass = (struct cb_cli_pass)CB_CLI_PASS_INIT;
		st->child_inputs[0] = NULL;
		return 0;
	case ARGP_KEY_ARG:
		if (o->verb < 0)
			o->verb = cb_cli_word(st, NULL, "keygen|sign|verify|encrypt|decrypt|inspect|retire", arg);
		else
			add(&o->files, arg, st);
		return 0;
	case ARGP_KEY_END:
		if (o->verb < 0)
			argp_error(st, "one of keygen, sign, verify, encrypt, decrypt, inspect, retire is needed");
		check(o, st);
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
	default:
		return cb_cli_pass_opt(&o->pass, key, arg, st);
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

/* --- keys ------------------------------------------------------------------------------------------ */

static void warn_exposed(const char *path)
{
	cb_cli_warn("%s: others can read this unprotected secret key", path);
}

/* The public half beside the secret one, which is taken back where that cannot be. */
static int save_public(const char *secret, const char *public, const void *p, size_t n, struct cb_err *err)
{
	if (cb_newfile_write(public, 0666, false, p, n, err) == 0)
		return 0;
	unlink(secret);
	return -1;
}

static int keygen(const struct opts *o, const struct cb_pass *pass, struct cb_log *log, struct cb_err *err)
{
	char *secret = NULL, *public = NULL, recipient[CB_AGE_RECIPIENT_SIZE + 1], id[CB_MINISIGN_ID_HEX];
	struct cb_buf text = { 0 };
	struct cb_minisign_key pub;
	struct cb_seckey *k = NULL;
	int r = -1;

	if (asprintf(&secret, "%s.key", o->output) < 0 || asprintf(&public, "%s.pub", o->output) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	/* nobody is to type a passphrase for nothing */
	if (!access(public, F_OK)) {
		cb_err_sys(err, CB_E_CANTCREAT, EEXIST, "%s", public);
		goto out;
	}
	if (o->encryption) {
		if (cb_age_ids_generate(secret, pass, recipient, err) < 0)
			goto out;
		cb_cli_note("%s: for %s", secret, recipient);
		r = log ? cb_keylife_made(log, recipient, pass != NULL, err) : 0;
		strcat(recipient, "\n");
		if (r == 0)
			r = save_public(secret, public, recipient, strlen(recipient), err);
		else
			unlink(secret);
		goto out;
	}
	if (cb_seckey_generate(&k, err) < 0 || cb_seckey_save(k, secret, pass, err) < 0)
		goto out;
	cb_seckey_minisign(k, &pub);
	cb_minisign_id_text(id, pub.id);
	cb_cli_note("%s: key %s", secret, id);
	if ((log && cb_keylife_made(log, id, pass != NULL, err) < 0) || cb_minisign_key_text(&pub, &text, err) < 0)
		unlink(secret);
	else
		r = save_public(secret, public, text.data, text.len, err);
out:
	cb_seckey_free(k);
	cb_buf_release(&text);
	free(secret);
	free(public);
	return r;
}

/* --- signatures ------------------------------------------------------------------------------------ */

static int used(void *log, const struct cb_seckey *k, const struct cb_digests *d, struct cb_err *err)
{
	return cb_keylife_used(log, k, d, err);
}

static int sign(const struct opts *o, const struct cb_pass *pass, struct cb_log *log, struct cb_err *err)
{
	struct cb_signing s = { .ssh = o->ssh, .namespace = o->namespace ? o->namespace : CB_SSHSIG_EVIDENCE,
				.comment = o->comment, .output = o->output, .add = o->add, .force = o->force,
				.use = log ? used : NULL, .ctx = log };
	struct cb_seckey *keys[LIST_MAX] = { NULL };
	int r = -1;

	for (size_t i = 0; i < o->keys.n; i++) {
		if (cb_seckey_load(&keys[i], o->keys.item[i], pass, err) < 0)
			goto out;
		if (cb_seckey_exposed(keys[i]))
			warn_exposed(o->keys.item[i]);
	}
	for (size_t i = 0; i < o->files.n; i++)
		if (cb_sign_file(&s, keys, o->keys.n, o->files.item[i], err) < 0)
			goto out;
	r = 0;
out:
	for (size_t i = 0; i < o->keys.n; i++)
		cb_seckey_free(keys[i]);
	return r;
}

/* A key's id, or the recipients of a file of age's. */
static int retire(const struct opts *o, struct cb_log *log, struct cb_err *err)
{
	char id[CB_MINISIGN_ID_HEX], recipient[CB_AGE_RECIPIENT_SIZE];
	struct cb_age_to to = { 0 };
	struct cb_minisign_key k;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->pubs.n; i++) {
		const char *pub = o->pubs.item[i];

		to.n = 0;
		if (cb_minisign_key_load(&k, pub, err) == 0) {
			cb_minisign_id_text(id, k.id);
			r = cb_keylife_retired(log, id, o->comment, err);
		} else if (err->code != CB_E_DATA || cb_age_to_file(&to, pub, NULL) < 0) {
			r = -1;
		}
		for (size_t j = 0; r == 0 && j < to.n; j++) {
			cb_bech32(recipient, "age", to.key[j], 32, false);
			r = cb_keylife_retired(log, recipient, o->comment, err);
		}
	}
	cb_age_to_release(&to);
	if (r == 0)
		*err = (struct cb_err)CB_ERR_INIT;
	return r;
}

static int verify(const struct opts *o, struct cb_sign_report *report, struct cb_err *err)
{
	struct cb_signers signers = { 0 };
	struct cb_verifying v = { .signers = &signers, .threshold = o->threshold, .signature = o->signatures.item,
				  .namespace = o->namespace ? o->namespace : CB_SSHSIG_EVIDENCE,
				  .n = o->signatures.n, .each = cb_report_signature, .ctx = report };
	int r = -1;

	for (size_t i = 0; i < o->pubs.n; i++)
		if (cb_signers_load(&signers, o->pubs.item[i], err) < 0)
			goto out;
	r = 0;
	for (size_t i = 0; i < o->files.n; i++) {
		struct cb_err why = CB_ERR_INIT;
		unsigned n = 0;
		int k = cb_verify_file(&v, o->files.item[i], &n, &why);

		if (cb_report_checked(report, o->files.item[i], n, o->threshold, k, &why, err) < 0) {
			r = -1;
			break;
		}
		/* what is false weighs more than what could not be checked; else the first */
		if (k < 0 && (r == 0 || (why.code == CB_E_NO && err->code != CB_E_NO))) {
			*err = why;
			r = -1;
		}
	}
out:
	cb_signers_release(&signers);
	return r;
}

static int signer_line(const struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct cb_signers s = { 0 };
	struct cb_buf line = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->files.n; i++)
		r = cb_signers_load(&s, o->files.item[i], err);
	for (size_t i = 0; r == 0 && i < s.n; i++) {
		line.len = 0;
		r = cb_ssh_key_text(s.signer[i].pk, o->signer, o->namespace ? o->namespace : CB_SSHSIG_EVIDENCE,
				    &line, err);
		if (r == 0)
			r = cb_out_printf(out, err, "%s\n", (char *)line.data);
	}
	cb_buf_release(&line);
	cb_signers_release(&s);
	return r;
}

/* verify and inspect: what is said goes to stdout. */
static int report(const struct opts *o, struct cb_err *err)
{
	static struct cb_out out;
	struct cb_sign_report r = { .out = &out };
	struct cb_err late = CB_ERR_INIT;
	int ofd, ret = 0;

	ofd = cb_stdout_take(err);
	if (ofd < 0)
		return -1;
	cb_out_init(&out, ofd);
	r.text = o->format < 0 ? out.tty : o->format == 1;
	if (o->verb == VERIFY)
		ret = verify(o, &r, err);
	else if (o->signer)
		ret = signer_line(o, &out, err);
	else
		for (size_t i = 0; ret == 0 && i < o->files.n; i++)
			ret = cb_report_inspect(&r, o->files.item[i], err);
	if (cb_out_close(&out, &late) < 0 && (ret == 0 || err->code == CB_E_NO)) {
		*err = late;
		ret = -1;
	}
	cb_sign_report_release(&r);
	return ret;
}

/* --- encrypted files ---------------------------------------------------------------------------------- */

struct flow {
	struct cb_newfile file;
	int in, out;
};

static int flow_open(struct flow *f, const struct opts *o, mode_t mode, bool binary, struct cb_err *err)
{
	const char *path = o->files.n ? o->files.item[0] : "-";

	*f = (struct flow){ CB_NEWFILE_INIT, STDIN_FILENO, -1 };
	if (strcmp(path, "-")) {
		f->in = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (f->in < 0)
			return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
		posix_fadvise(f->in, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	if (o->output && strcmp(o->output, "-")) {
		if (cb_newfile_open(&f->file, o->output, mode, o->force, err) < 0)
			return -1;
		f->out = f->file.fd;
	} else if ((binary && cb_cli_refuse_tty(STDOUT_FILENO, err) < 0) || (f->out = cb_stdout_take(err)) < 0) {
		return -1;
	}
	cb_pipe_grow(f->in, 1 << 20);
	cb_pipe_grow(f->out, 1 << 20);
	return 0;
}

static int flow_close(struct flow *f, const struct opts *o, int r, struct cb_err *err)
{
	if (r < 0)
		cb_err_prefix(err, "%s", o->files.n && strcmp(o->files.item[0], "-") ? o->files.item[0] : "stdin");
	else if (f->file.fd >= 0)
		r = cb_newfile_commit(&f->file, err);
	else if (close(f->out) < 0)
		r = cb_err_sys(err, CB_E_IO, errno, "stdout");
	cb_newfile_release(&f->file);
	return r;
}

static int encrypt(const struct opts *o, const struct cb_pass *pass, struct cb_err *err)
{
	struct cb_age_to to = { 0 };
	struct flow f = { CB_NEWFILE_INIT, -1, -1 };
	int r = -1;

	for (size_t i = 0; i < o->recipients.n; i++)
		if (cb_age_to_add(&to, o->recipients.item[i], err) < 0) {
			cb_err_prefix(err, "--recipient %s", o->recipients.item[i]);
			goto out;
		}
	for (size_t i = 0; i < o->recipient_files.n; i++)
		if (cb_age_to_file(&to, o->recipient_files.item[i], err) < 0)
			goto out;
	if (flow_open(&f, o, 0666, !o->armor, err) == 0)
		r = flow_close(&f, o, cb_age_encrypt_fd(&to, to.n ? NULL : pass, o->armor, f.in, f.out, err), err);
out:
	cb_newfile_release(&f.file);
	cb_age_to_release(&to);
	return r;
}

static int decrypt(const struct opts *o, const struct cb_pass *pass, struct cb_err *err)
{
	struct cb_age_ids *ids = NULL;
	struct flow f = { CB_NEWFILE_INIT, -1, -1 };
	int r = -1;

	if (cb_age_ids_new(&ids, err) < 0)
		return -1;
	for (size_t i = 0; i < o->identities.n; i++)
		if (cb_age_ids_file(ids, o->identities.item[i], pass, err) < 0)
			goto out;
	if (cb_age_ids_exposed(ids))
		warn_exposed(o->identities.item[0]);
	if (flow_open(&f, o, 0600, true, err) == 0)
		r = flow_close(&f, o, cb_age_decrypt_fd(ids, pass, f.in, f.out, err), err);
out:
	cb_newfile_release(&f.file);
	cb_age_ids_free(ids);
	return r;
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT;
	static struct opts o;
	struct cb_pass pass = { cb_cli_pass_get, &o.pass };
	struct cb_log *log = NULL;

	cb_cli_parse("cb-sign", &argp, argc, argv, &o);
	if (o.log && cb_log_open(&log, o.log, NULL, &err) < 0)
		return cb_cli_finish(&err);
	switch (o.verb) {
	case KEYGEN: keygen(&o, o.no_passphrase ? NULL : &pass, log, &err); break;
	case SIGN: sign(&o, &pass, log, &err); break;
	case RETIRE: retire(&o, log, &err); break;
	case ENCRYPT: encrypt(&o, &pass, &err); break;
	case DECRYPT: decrypt(&o, &pass, &err); break;
	default: report(&o, &err);
	}
	cb_log_close(log);
	return cb_cli_finish(&err);
}
