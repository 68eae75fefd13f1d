/* SPDX-License-Identifier: Apache-2.0 */
/* cb-replay: a time range of the store, back into the frame stream. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "cli/pass.h"
#include "store/daykey.h"
#include "store/replay.h"

struct opts {
	const char *store;
	struct cb_replay_opts r;
	const char *identity[CB_KEYRING_FILES];
	size_t identities;
	struct cb_cli_pass pass;
};

enum { OPT_CAMERA = CB_OPT_BASE, OPT_FROM, OPT_TO, OPT_EVENTS };

static const struct argp_option options[] = {
	{ "camera", OPT_CAMERA, "NAME", 0, "Which camera; needed where there are several", 0 },
	{ "from", OPT_FROM, "TIME", 0, "Begin at the keyframe before this", 0 },
	{ "to", OPT_TO, "TIME", 0, "End after the group of pictures that this falls into", 0 },
	{ "events", OPT_EVENTS, NULL, 0, "Stored events too, before the segment they are from", 0 },
	{ "identity", 'i', "KEYFILE", 0, "Read encrypted footage with this secret key of age", 0 },
	CB_CLI_PASS_OPTIONS,
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	if (key != ARGP_KEY_INIT && cb_cli_pass_opt(&o->pass, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		o->pass = (struct cb_cli_pass)CB_CLI_PASS_INIT;
		o->r.from_ns = INT64_MIN;
		o->r.to_ns = INT64_MAX;
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		o->r.camera = arg;
		return 0;
	case OPT_FROM:
		o->r.from_ns = cb_cli_time_ns(st, "from", arg);
		return 0;
	case OPT_TO:
		o->r.to_ns = cb_cli_time_ns(st, "to", arg);
		return 0;
	case OPT_EVENTS:
		o->r.events = true;
		return 0;
	case 'i':
		if (o->identities == CB_KEYRING_FILES)
			argp_error(st, "--identity: more than %d files", CB_KEYRING_FILES);
		o->identity[o->identities++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->store)
			argp_error(st, "too many operands");
		o->store = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->store)
			argp_error(st, "no STORE");
		if (o->r.from_ns >= o->r.to_ns)
			argp_error(st, "--from is not before --to");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "STORE",
	.doc = "Give back what was recorded, as a frame stream.\v"
	       "Every fragment is checked against its manifest before it is written; what is\n"
	       "damaged is left out, named in a GAP, and makes the exit status 65.",
	.children = cb_cli_children,
};

/* Without --camera there must be just one. */
static int only_camera(const struct cb_store *s, struct cb_names *names, const char **ret,
		       struct cb_err *err)
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

static int run(const struct opts *o, struct cb_writer *w, struct cb_err *err)
{
	struct cb_replay_totals t = { 0 };
	struct cb_names names = { 0 };
	struct cb_keyring *keys = NULL;
	struct cb_replay_opts r = o->r;
	struct cb_store s = { .fd = -1, .cameras = -1 };
	struct cb_cli_pass given = o->pass;
	struct cb_pass pass = { cb_cli_pass_get, &given };
	int ret = -1;

	if (cb_keyring_new(&keys, o->identity, o->identities, &pass, err) < 0)
		return -1;
	if (cb_keyring_exposed(keys))
		cb_cli_warn("others may read the identity's file");
	if (cb_store_open(&s, o->store, err) < 0)
		goto out;
	s.keys = keys;
	if (cb_cli_sandbox(&(struct cb_sandbox){ .may = CB_MAY_THREAD, .read = { o->store } }, err) < 0)
		goto out;
	if (!r.camera && only_camera(&s, &names, &r.camera, err) < 0)
		goto out;
	ret = cb_replay(&s, &r, w, &t, err);
	if (ret == 0 || err->code == CB_E_NO) {
		struct cb_err late = CB_ERR_INIT;

		if (cb_writer_end(w, cb_stop_wanted() ? CB_END_STOPPED : CB_END_EOF, &late) < 0) {
			*err = late;
			ret = -1;
		}
	}
	cb_cli_note("%" PRIu64 " packets of %" PRIu64 " fragments in %" PRIu64 " segments, %" PRIu64 " gaps",
		    t.packets, t.fragments, t.segments, t.holes);
	if (t.destroyed)
		cb_cli_warn("%" PRIu64 " segments cannot be read any more: their keys were destroyed", t.destroyed);
	if (ret == 0 && t.destroyed && !t.packets)
		ret = cb_err_set(err, CB_E_NO, "camera %s: the keys of all that was recorded there were destroyed",
				 r.camera);
	if (ret == 0 && t.damaged) {
		*err = t.first;
		err->code = CB_E_DATA;
		if (t.damaged > 1)
			cb_cli_warn("%" PRIu64 " damaged places were left out", t.damaged);
		ret = -1;
	}
out:
	if (ret < 0 && s.fd >= 0)
		cb_err_prefix(err, "%s", o->store);
	cb_names_release(&names);
	cb_store_close(&s);
	cb_keyring_free(keys);
	return ret;
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT;
	struct opts o = { 0 };
	struct cb_writer w;
	int ofd;

	cb_cli_parse("cb-replay", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0 || (ofd = cb_stdout_take(&err)) < 0)
		return cb_cli_finish(&err);
	cb_writer_init(&w, ofd);
	run(&o, &w, &err);
	cb_writer_release(&w);
	if (close(ofd) < 0 && !err.code)
		cb_err_set(&err, CB_E_IO, "output: close failed");
	return cb_cli_finish(&err);
}
