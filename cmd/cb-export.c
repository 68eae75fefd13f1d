/* SPDX-License-Identifier: Apache-2.0 */
/* cb-export: a clip with everything that proves it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/pass.h"
#include "export/export.h"
#include "store/daykey.h"

struct opts {
	const char *store, *camera, *out, *purpose, *by, *log;
	const char *sign[CB_CASE_KEYS];
	size_t signs;
	int64_t from_ns, to_ns;
	bool require_proofs, no_entry, tar;
	struct cb_age_to to;
	const char *identity[CB_KEYRING_FILES];
	size_t identities;
	struct cb_cli_pass pass;
};

enum { OPT_CAMERA = CB_OPT_BASE, OPT_FROM, OPT_TO, OPT_PURPOSE, OPT_BY, OPT_SIGN, OPT_LOG, OPT_RECIPIENT, OPT_NO_ENTRY, OPT_REQUIRE };

static const struct argp_option options[] = {
	{ "camera", OPT_CAMERA, "NAME", 0, "Which camera; needed where there are several", 0 },
	{ "from", OPT_FROM, "TIME", 0, "Begin at the keyframe before this", 0 },
	{ "to", OPT_TO, "TIME", 0, "End after the group of pictures at this", 0 },
	{ "output", 'o', "FILE", 0, "A new directory, or archive (.tar); or -", 0 },
	{ "purpose", OPT_PURPOSE, "TEXT", 0, "What it is for, in words", 0 },
	{ "by", OPT_BY, "TEXT", 0, "Who exports it, in words", 0 },
	{ "sign", OPT_SIGN, "KEYFILE", 0, "Sign with this secret key; may be repeated", 0 },
	{ "log", OPT_LOG, "DIR", 0, "The log; STORE/log where that is", 0 },
	{ "recipient", OPT_RECIPIENT, "TEXT", 0, "Encrypt the archive for this age1... key", 0 },
	{ "identity", 'i', "KEYFILE", 0, "Read encrypted footage with this age key", 0 },
	{ "no-entry", OPT_NO_ENTRY, NULL, 0, "Do not enter the export in the log", 0 },
	{ "require-proofs", OPT_REQUIRE, NULL, 0, "Refuse where a part is not in the log", 0 },
	CB_CLI_PASS_OPTIONS,
	{ 0 },
};

#define WORDS_MAX 4096		/* bytes of --purpose and --by */

static const char *words(struct argp_state *st, const char *opt, const char *arg)
{
	if (strlen(arg) > WORDS_MAX)
		argp_error(st, "--%s: more than %d bytes", opt, WORDS_MAX);
	return *arg ? arg : NULL;
}

static bool ends_in(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && strcmp(s + n - k, suffix) == 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct cb_err err = CB_ERR_INIT;
	struct opts *o = st->input;

	if (key != ARGP_KEY_INIT && cb_cli_pass_opt(&o->pass, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .from_ns = INT64_MIN, .to_ns = INT64_MAX, .pass = CB_CLI_PASS_INIT };
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		o->camera = arg;
		return 0;
	case OPT_FROM:
		o->from_ns = cb_cli_time_ns(st, "from", arg);
		return 0;
	case OPT_TO:
		o->to_ns = cb_cli_time_ns(st, "to", arg);
		return 0;
	case 'o':
		if (!*arg)
			argp_error(st, "--output: no name");
		o->out = arg;
		return 0;
	case OPT_PURPOSE:
		o->purpose = words(st, "purpose", arg);
		return 0;
	case OPT_BY:
		o->by = words(st, "by", arg);
		return 0;
	case OPT_SIGN:
		if (o->signs == CB_CASE_KEYS)
			argp_error(st, "--sign: more than %d keys", CB_CASE_KEYS);
		o->sign[o->signs++] = arg;
		return 0;
	case OPT_LOG:
		o->log = arg;
		return 0;
	case OPT_RECIPIENT:
		if (cb_age_to_add(&o->to, arg, &err) < 0)
			argp_error(st, "--recipient: %s", err.msg);
		return 0;
	case 'i':
		if (o->identities == CB_KEYRING_FILES)
			argp_error(st, "--identity: more than %d files", CB_KEYRING_FILES);
		o->identity[o->identities++] = arg;
		return 0;
	case OPT_NO_ENTRY:
		o->no_entry = true;
		return 0;
	case OPT_REQUIRE:
		o->require_proofs = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->store)
			argp_error(st, "too many operands");
		o->store = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->store)
			argp_error(st, "no STORE");
		if (!o->out)
			argp_error(st, "no -o: where shall it go?");
		o->tar = strcmp(o->out, "-") == 0 || ends_in(o->out, ".tar") || ends_in(o->out, ".tar.age");
		if (o->to.n && strcmp(o->out, "-") != 0 && !ends_in(o->out, ".tar.age"))
			argp_error(st, "--recipient: only an archive can be encrypted: -o NAME.tar.age");
		if (!o->to.n && ends_in(o->out, ".tar.age"))
			argp_error(st, "-o %s: for whom? --recipient is missing", o->out);
		if (o->from_ns >= o->to_ns)
			argp_error(st, "--from is not before --to");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "STORE",
	.doc = "Export a clip with everything that proves it.\v"
	       "Footage as it was recorded, manifests, events, signatures, how to check them.",
	.children = cb_cli_children,
};

/* Without --camera there must be just one. */
static int only_camera(const struct cb_store *s, struct cb_names *names, const char **ret, struct cb_err *err)
{
	size_t n = 0;

	if (cb_store_cameras(s, names, err) < 0)
		return -1;
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i], "_other") != 0) {
			*ret = names->v[i];
			n++;
		}
	if (n == 1)
		return 0;
	return cb_err_set(err, n ? CB_E_USAGE : CB_E_NO,
			  n ? "%zu cameras: --camera must name one" : "%zu cameras are in the store", n);
}

static void report(const struct cb_export_totals *t)
{
	char from[CB_TIME_LEN], to[CB_TIME_LEN];

	cb_time_format_us(from, t->from_ns / CB_NS_PER_US);
	cb_time_format_us(to, t->to_ns / CB_NS_PER_US);
	cb_cli_note("given: %s to %s; %" PRIu64 " fragments of %" PRIu64 " segments, %" PRIu64 " events, %"
		    PRIu64 " gaps", from, to, t->fragments, t->segments, t->events, t->gaps);
	/* where there is a log, what is not in it is odd */
	if (t->unproved)
		(t->log ? cb_cli_warn : cb_cli_note)("%" PRIu64 " of %" PRIu64 " segments without a proof: %s",
						     t->unproved, t->segments, t->why);
	if (t->leading)
		cb_cli_warn("%" PRIu64 " pictures after a keyframe refer to ones before the clip and cannot be shown",
			    t->leading);
	if (t->not_events)
		cb_cli_warn("%" PRIu64 " lines of the store are no events and were left out", t->not_events);
}

static int run(const struct opts *o, int ofd, struct cb_seckey *const *key, struct cb_keyring *keys, struct cb_err *err)
{
	struct cb_export_opts e = {
		.camera = o->camera, .from_ns = o->from_ns, .to_ns = o->to_ns, .purpose = o->purpose, .by = o->by,
		.now_ns = cb_now_wall_ns(), .key = key, .keys = o->signs, .log = o->log, .enter = !o->no_entry, .require_proofs = o->require_proofs,
		.out = { .path = o->out, .fd = ofd, .tar = o->tar, .to = &o->to },
	};
	struct cb_export_totals t = { 0 };
	struct cb_names names = { 0 };
	struct cb_store s = { .fd = -1, .cameras = -1 };
	char *log = NULL;
	int ret = -1;

	if (cb_store_open(&s, o->store, err) < 0)
		return -1;
	s.keys = keys;
	if (!e.camera && only_camera(&s, &names, &e.camera, err) < 0) {
		cb_err_prefix(err, "%s", o->store);
		goto out;
	}
	/* a store may have its log in it */
	if (!e.log && faccessat(s.fd, "log", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (asprintf(&log, "%s/log", o->store) < 0) {
			log = NULL;
			cb_err_nomem(err);
			goto out;
		}
		e.log = log;
	}
	if (cb_cli_sandbox(&(struct cb_sandbox){
			.may = o->to.n ? CB_MAY_THREAD : 0,
			.read = { o->store },
			.write = { e.log },
			.write_beside = { ofd < 0 ? o->out : NULL },
		}, err) < 0 || cb_export(&s, &e, &t, err) < 0)
		goto out;
	report(&t);
	ret = 0;
out:
	free(log);
	cb_names_release(&names);
	cb_store_close(&s);
	return ret;
}

int main(int argc, char **argv)
{
	struct cb_seckey *key[CB_CASE_KEYS] = { NULL };
	struct cb_keyring *keys = NULL;
	struct cb_pass pass;
	struct cb_err err = CB_ERR_INIT;
	int ofd = -1, ret = 0;
	struct opts o;

	cb_cli_parse("cb-export", &argp, argc, argv, &o);
	cb_stop_install(true);
	if (strcmp(o.out, "-") == 0) {
		o.out = "output";
		if (cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0 || (ofd = cb_stdout_take(&err)) < 0)
			return cb_cli_finish(&err);
	}
	pass = (struct cb_pass){ cb_cli_pass_get, &o.pass };
	for (size_t i = 0; i < o.signs && ret == 0; i++)
		ret = cb_seckey_load(&key[i], o.sign[i], &pass, &err);
	if (ret == 0)
		ret = cb_keyring_new(&keys, o.identity, o.identities, &pass, &err);
	if (cb_keyring_exposed(keys))
		cb_cli_warn("others may read the identity's file");
	if (ret == 0)
		run(&o, ofd, key, keys, &err);
	cb_keyring_free(keys);
	for (size_t i = 0; i < o.signs; i++)
		cb_seckey_free(key[i]);
	cb_age_to_release(&o.to);
	if (ofd >= 0 && close(ofd) < 0 && !err.code)
		cb_err_sys(&err, CB_E_IO, EIO, "output: close");
	return cb_cli_finish(&err);
}
