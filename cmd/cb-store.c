/* SPDX-License-Identifier: Apache-2.0 */
/* cb-store: put events into a store, check it, index it, hold, release and delete. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/pass.h"
#include "cli/verbs.h"
#include "log/log.h"
#include "store/check.h"
#include "store/daykey.h"
#include "store/describe.h"
#include "store/events.h"
#include "store/forget.h"
#include "store/hold.h"
#include "store/index.h"
#include "store/prune.h"
#include "store/put.h"
#include "store/store.h"

enum verb { PUT, CHECK, REINDEX, HOLD, RELEASE, PRUNE, FORGET };

struct opts {
	struct cb_cli_verbs v;
	const char *around, *id, *log;
	bool tee;
	int64_t pre_ns, post_ns;
	struct cb_hold hold;		/* its camera is --camera's of every verb */
	struct cb_prune_opts prune;
	struct cb_forget_opts forget;
	const char *identity[CB_KEYRING_FILES];
	size_t identities;
	struct cb_cli_pass pass;
};

/* What a verb works with. Lines go into the log first, if there is one: what is not logged is not
 * done. */
struct tool {
	struct opts o;
	struct cb_store s;
	struct cb_out out;
	struct cb_log *log;
};

enum {
	OPT_TEE = CB_OPT_BASE, OPT_CAMERA, OPT_HOLDER, OPT_ID, OPT_FROM, OPT_TO, OPT_REASON, OPT_OLDER, OPT_AROUND,
	OPT_PRE, OPT_POST, OPT_EVENTS_OLDER, OPT_BYTES, OPT_FREE, OPT_KEEP, OPT_DRY_RUN, OPT_FORCE, OPT_LOG, OPT_DAY,
};

/* --- verbs ------------------------------------------------------------------------------------------ */

static void warn(const char *why)
{
	cb_cli_warn("%s", why);
}

static int put(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_put_opts p = { .tee = x->o.tee, .warn = warn, .quiet = cb_cli_quiet };
	struct cb_events_totals t;
	int ofd = x->out.fd, ret;

	x->out.fd = -1;		/* cb_put's, which closes it */
	ret = cb_put(&x->s, STDIN_FILENO, ofd, &p, &t, err);
	cb_cli_note("%" PRIu64 " events stored, %" PRIu64 " were there already", t.stored, t.known);
	if (t.unwatched)
		cb_cli_warn("%" PRIu64 " events were not compared, because their hours have so many; some "
			    "may be stored twice", t.unwatched);
	return ret;
}

static int put_line(void *tool, const struct cb_buf *line, struct cb_err *err)
{
	struct tool *x = tool;

	if (x->log && cb_log_say(x->log, line, err) < 0)
		return cb_err_prefix(err, "log");
	return cb_out_write(&x->out, line->data, line->len, err) < 0 || cb_out_write(&x->out, "\n", 1, err) < 0 ? -1 : 0;
}

static int check(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_check_totals t;

	if (cb_check_say(&x->s, *x->o.hold.camera ? x->o.hold.camera : NULL, put_line, x, &t, err) < 0)
		return -1;
	if (t.encrypted && x->o.identities)
		cb_cli_warn("%" PRIu64 " segments are encrypted for others: what is in them was not looked at", t.encrypted);
	return t.findings ? cb_err_set(err, CB_E_NO, "%" PRIu64 " things are not what they should be", t.findings) : 0;
}

static int reindex(void *tool, struct cb_err *err)
{
	uint64_t n;
	int ret = cb_index_build(&((struct tool *)tool)->s, &n, err);

	if (ret == 0)
		cb_cli_note("%" PRIu64 " segments", n);
	return ret;
}

static int hold(void *tool, struct cb_err *err)
{
	struct tool *x = tool;

	return cb_hold_add(&x->s, &x->o.hold, put_line, x, err);
}

static int release(void *tool, struct cb_err *err)
{
	struct tool *x = tool;

	return cb_holds_drop(&x->s, x->o.hold.holder, x->o.id, put_line, x, err);
}

static int prune(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_prune_opts p = x->o.prune;
	struct cb_spans around = { 0 };
	struct cb_prune_totals t;
	int ret;

	p.camera = *x->o.hold.camera ? x->o.hold.camera : NULL;
	p.now_ns = cb_now_wall_ns();
	p.event = put_line;
	p.ctx = x;
	if (x->o.around) {
		if (cb_spans_read_file(x->o.around, x->o.pre_ns, x->o.post_ns, &around, err) < 0)
			return -1;
		p.around = &around;
	}
	ret = cb_prune(&x->s, &p, &t, err);
	cb_spans_release(&around);
	if (ret < 0)
		return -1;
	cb_cli_note("%" PRIu64 " segments and %" PRIu64 " event files, %" PRIu64 " bytes; %" PRIu64 " held",
		    t.segments, t.files, t.bytes, t.held);
	return !t.missing ? 0 :
	       cb_err_set(err, CB_E_NO, "%" PRIu64 " bytes too many are kept: held, in use, or younger than --keep",
			  t.missing);
}

static int forget(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_forget_opts f = x->o.forget;
	struct cb_forget_totals t;

	f.camera = x->o.hold.camera;
	f.reason = *x->o.hold.reason ? x->o.hold.reason : NULL;
	f.force = x->o.prune.force;
	f.dry_run = x->o.prune.dry_run;
	f.event = put_line;
	f.ctx = x;
	if (cb_forget_day(&x->s, &f, &t, err) < 0)
		return -1;
	cb_cli_note("%" PRIu64 " keys, %" PRIu64 " segments", t.keys, t.segments);
	if (t.plain)
		cb_cli_warn("%" PRIu64 " segments of that day are not encrypted, or damaged, and stay", t.plain);
	return 0;
}

/* --- options ---------------------------------------------------------------------------------------- */

static const struct cb_cli_verb verbs[] = {
	[PUT] = { "put", "STORE", "tee", NULL, put },
	[CHECK] = { "check", "STORE", "camera log identity passphrase-file passphrase-fd", NULL, check },
	[REINDEX] = { "reindex", "STORE", NULL, NULL, reindex },
	[HOLD] = { "hold", "STORE", "camera log from to reason", "holder", hold },
	[RELEASE] = { "release", "STORE", "log id", "holder", release },
	[PRUNE] = { "prune", "STORE", "camera log keep-around pre post keep dry-run force",
		    "older|events-older|bytes|free", prune },
	[FORGET] = { "forget-key", "STORE", "log reason dry-run force", "day camera", forget },
	{ 0 },
};

static const struct argp_option options[] = {
	{ "tee", OPT_TEE, NULL, 0, "put: pass a whole frame stream on", 0 },
	{ "camera", OPT_CAMERA, "NAME", 0, "check, hold, prune, forget-key: this camera", 0 },
	{ "log", OPT_LOG, "DIR", 0, "All but put and reindex: log it, cb-audit(1)", 0 },
	{ "identity", 'i', "KEYFILE", 0, "check: what is encrypted, too; an age key", 0 },
	CB_CLI_PASS_OPTIONS,
	{ "holder", OPT_HOLDER, "NAME", 0, "hold, release: who", 1 },
	{ "from", OPT_FROM, "TIME", 0, "hold: from here on", 1 },
	{ "to", OPT_TO, "TIME", 0, "hold: up to here", 1 },
	{ "reason", OPT_REASON, "TEXT", 0, "hold, forget-key: why", 1 },
	{ "day", OPT_DAY, "TIME", 0, "forget-key: the day in UTC that this is in", 1 },
	{ "id", OPT_ID, "TEXT", 0, "release: only this one", 1 },
	{ "older", OPT_OLDER, "DURATION", 0, "prune: segments that ended longer ago", 2 },
	{ "keep-around", OPT_AROUND, "FILE", 0, "prune: --older spares what is around these events", 2 },
	{ "pre", OPT_PRE, "DURATION", 0, "prune: around begins so long before an event (10s)", 2 },
	{ "post", OPT_POST, "DURATION", 0, "prune: around ends so long after an event (30s)", 2 },
	{ "events-older", OPT_EVENTS_OLDER, "DURATION", 0, "prune: hours of events that ended longer ago", 2 },
	{ "bytes", OPT_BYTES, "BYTES", 0, "prune: the oldest, down to so many bytes (500G)", 2 },
	{ "free", OPT_FREE, "BYTES", 0, "prune: the oldest, until so much is free (20G)", 2 },
	{ "keep", OPT_KEEP, "DURATION", 0, "prune: --bytes and --free spare what is younger", 2 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "prune, forget-key: only say what would go", 2 },
	{ "force", OPT_FORCE, NULL, 0, "prune: even more than half; forget-key: even a part", 2 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;
	struct cb_prune_opts *p = &o->prune;

	if (cb_cli_verb_opt(&o->v, key, arg, st) == 0 || cb_cli_pass_opt(&o->pass, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .v = CB_CLI_VERBS(verbs, options), .pass = CB_CLI_PASS_INIT, .pre_ns = 10 * CB_NS_PER_S,
				    .post_ns = 30 * CB_NS_PER_S };
		o->hold.from_ns = INT64_MIN;
		o->hold.to_ns = INT64_MAX;
		p->bytes = UINT64_MAX;
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_TEE: o->tee = true; return 0;
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		strcpy(o->hold.camera, arg);
		return 0;
	case OPT_HOLDER: cb_cli_text(st, "holder", arg, o->hold.holder, sizeof(o->hold.holder)); return 0;
	case OPT_REASON: cb_cli_text(st, "reason", arg, o->hold.reason, sizeof(o->hold.reason)); return 0;
	case OPT_ID: o->id = arg; return 0;
	case OPT_DAY: cb_time_format_day(o->forget.day, cb_cli_time_ns(st, "day", arg)); return 0;
	case OPT_FROM: o->hold.from_ns = cb_cli_time_ns(st, "from", arg); return 0;
	case OPT_TO: o->hold.to_ns = cb_cli_time_ns(st, "to", arg); return 0;
	case OPT_OLDER: p->older_ns = cb_cli_duration_in(st, "older", arg, 1, INT64_MAX, "more than 0"); return 0;
	case OPT_EVENTS_OLDER:
		p->events_older_ns = cb_cli_duration_in(st, "events-older", arg, 1, INT64_MAX, "more than 0");
		return 0;
	case OPT_KEEP: p->keep_ns = cb_cli_duration_in(st, "keep", arg, 1, INT64_MAX, "more than 0"); return 0;
	case OPT_AROUND: o->around = arg; return 0;
	case OPT_PRE: o->pre_ns = cb_cli_duration_ns(st, "pre", arg); return 0;
	case OPT_POST: o->post_ns = cb_cli_duration_ns(st, "post", arg); return 0;
	case OPT_BYTES: p->bytes = cb_cli_bytes(st, "bytes", arg); return 0;
	case OPT_FREE: p->free = cb_cli_bytes(st, "free", arg); return 0;
	case OPT_DRY_RUN: p->dry_run = true; return 0;
	case OPT_LOG: o->log = arg; return 0;
	case OPT_FORCE: p->force = true; return 0;
	case 'i':
		if (o->identities == CB_KEYRING_FILES)
			argp_error(st, "--identity: more than %d files", CB_KEYRING_FILES);
		o->identity[o->identities++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->hold.from_ns >= o->hold.to_ns)
			argp_error(st, "--from is not before --to");
		if (o->around && !p->older_ns)
			argp_error(st, "--keep-around says what --older spares, and needs it");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "put|check|reindex|hold|release|prune|forget-key STORE",
	.doc = "Keep a store.\v"
	       "put stores the events on stdin and passes them on; check compares everything\n"
	       "with its digests; reindex makes cb-query faster; hold keeps footage from being\n"
	       "deleted, release ends that; prune deletes; forget-key destroys keys of footage.",
	.children = cb_cli_children,
};

/* check alone writes nothing into the store. */
static int lock_in(struct tool *x, struct cb_err *err)
{
	const struct opts *o = &x->o;
	const char *store = cb_cli_operand(&o->v, 0);
	struct cb_pass pass = { cb_cli_pass_get, &x->o.pass };

	if (cb_keyring_new(&x->s.keys, o->identity, o->identities, &pass, err) < 0)
		return -1;
	if (cb_keyring_exposed(x->s.keys))
		cb_cli_warn("others may read the identity's file");
	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = o->tee ? CB_MAY_THREAD : 0,
		.read = { store, o->around },
		.write = { o->v.is == CHECK ? NULL : store, o->log },
		.files = 1024,
	}, err);
}

static int run(struct tool *x, struct cb_err *err)
{
	struct cb_err late = CB_ERR_INIT;
	int ret;

	if (x->o.log && cb_log_open(&x->log, x->o.log, NULL, err) < 0)
		return -1;
	ret = cb_cli_verb_run(&x->o.v, x, err);
	if (cb_out_close(&x->out, &late) < 0 && (ret == 0 || err->code == CB_E_NO)) {
		*err = late;
		ret = -1;
	}
	cb_log_close(x->log);
	return ret;
}

int main(int argc, char **argv)
{
	static struct tool x = { .s = { .fd = -1, .cameras = -1 } };
	struct cb_err err = CB_ERR_INIT;
	const char *store;
	int ofd;

	cb_cli_parse("cb-store", &argp, argc, argv, &x.o);
	store = cb_cli_operand(&x.o.v, 0);
	cb_stop_install(x.o.v.is != CHECK && x.o.v.is != REINDEX);
	if (x.o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		return cb_cli_finish(&err);
	if ((x.o.v.is == PUT ? cb_store_create(&x.s, store, &err) : cb_store_open(&x.s, store, &err)) < 0)
		return cb_cli_finish(&err);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && lock_in(&x, &err) == 0) {
		cb_out_init(&x.out, ofd);
		if (run(&x, &err) < 0 && err.code != CB_E_DATA && *err.msg)
			cb_err_prefix(&err, "%s", store);
	}
	cb_keyring_free(x.s.keys);
	cb_store_close(&x.s);
	return cb_cli_finish(&err);
}
