/* SPDX-License-Identifier: Apache-2.0 */
/* cb-store: put events into a store, check it, index it, hold, release and delete. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/pass.h"
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
#define VERBS "put|check|reindex|hold|release|prune|forget-key"

struct opts {
	int verb;
	const char *store, *around, *id, *log;
	bool tee;
	int64_t pre_ns, post_ns;
	struct cb_hold hold;		/* its camera is --camera's of every verb */
	struct cb_prune_opts prune;
	struct cb_forget_opts forget;
	const char *identity[CB_KEYRING_FILES];
	size_t identities;
	struct cb_cli_pass pass;
};

enum {
	OPT_TEE = CB_OPT_BASE, OPT_CAMERA, OPT_HOLDER, OPT_ID, OPT_FROM, OPT_TO, OPT_REASON, OPT_OLDER, OPT_AROUND,
	OPT_PRE, OPT_POST, OPT_EVENTS_OLDER, OPT_BYTES, OPT_FREE, OPT_KEEP, OPT_DRY_RUN, OPT_FORCE, OPT_LOG, OPT_DAY,
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

static int64_t age(struct argp_state *st, const char *opt, const char *arg)
{
	int64_t ns = cb_cli_duration_ns(st, opt, arg);

	if (ns <= 0)
		argp_error(st, "--%s: more than 0 is needed", opt);
	return ns;
}

static uint64_t size(struct argp_state *st, const char *opt, const char *arg)
{
	uint64_t n;

	if (!cb_parse_bytes(arg, &n))
		argp_error(st, "--%s: '%s' is not a size (1000000, 500M, 20G, 2T)", opt, arg);
	return n;
}

static void text(struct argp_state *st, const char *opt, const char *arg, char *out, size_t cap)
{
	if (!*arg || strlen(arg) >= cap)
		argp_error(st, "--%s: 1 to %zu bytes are needed", opt, cap - 1);
	cb_text_safe(out, cap, arg, strlen(arg), false);
	if (strcmp(out, arg) != 0)
		argp_error(st, "--%s: it has control characters, or is no UTF-8", opt);
}

static error_t check_opts(struct argp_state *st, const struct opts *o)
{
	const struct cb_prune_opts *p = &o->prune;
	bool rule = p->older_ns || p->events_older_ns || p->free || p->bytes != UINT64_MAX;

	if (o->verb < 0)
		argp_error(st, "one of put, check, reindex, hold, release, prune, forget-key is needed");
	if (!o->store)
		argp_error(st, "no STORE");
	if (o->log && (o->verb == PUT || o->verb == REINDEX))
		argp_error(st, "--log does not go with put and reindex");
	if ((o->identities || o->pass.file || o->pass.fd >= 0) && o->verb != CHECK)
		argp_error(st, "--identity and its passphrase go with check");
	if (o->tee && o->verb != PUT)
		argp_error(st, "--tee goes with put");
	if (*o->hold.camera && (o->verb == PUT || o->verb == REINDEX || o->verb == RELEASE))
		argp_error(st, "--camera goes with check, hold, prune and forget-key");
	if (o->verb == FORGET ? !*o->forget.day || !*o->hold.camera : *o->forget.day != 0)
		argp_error(st, "--day goes with forget-key, which needs it and --camera");
	if (*o->hold.holder ? o->verb != HOLD && o->verb != RELEASE : o->verb == HOLD || o->verb == RELEASE)
		argp_error(st, "--holder goes with hold and release, and they need it");
	if ((o->hold.from_ns != INT64_MIN || o->hold.to_ns != INT64_MAX) && o->verb != HOLD)
		argp_error(st, "--from and --to go with hold");
	if (*o->hold.reason && o->verb != HOLD && o->verb != FORGET)
		argp_error(st, "--reason goes with hold and forget-key");
	if (o->hold.from_ns >= o->hold.to_ns)
		argp_error(st, "--from is not before --to");
	if (o->id && o->verb != RELEASE)
		argp_error(st, "--id goes with release");
	if ((rule || p->keep_ns || o->around || ((p->dry_run || p->force) && o->verb != FORGET)) && o->verb != PRUNE)
		argp_error(st, "retention's options go with prune");
	if (o->verb == PRUNE && !rule)
		argp_error(st, "prune needs --older, --events-older, --bytes or --free");
	if (o->around && !p->older_ns)
		argp_error(st, "--keep-around says what --older spares, and needs it");
	return 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;
	struct cb_prune_opts *p = &o->prune;

	if (key != ARGP_KEY_INIT && cb_cli_pass_opt(&o->pass, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .verb = -1, .pass = CB_CLI_PASS_INIT, .pre_ns = 10 * CB_NS_PER_S, .post_ns = 30 * CB_NS_PER_S };
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
	case OPT_HOLDER: text(st, "holder", arg, o->hold.holder, sizeof(o->hold.holder)); return 0;
	case OPT_REASON: text(st, "reason", arg, o->hold.reason, sizeof(o->hold.reason)); return 0;
	case OPT_ID: o->id = arg; return 0;
	case OPT_DAY: cb_time_format_day(o->forget.day, cb_cli_time_ns(st, "day", arg)); return 0;
	case OPT_FROM: o->hold.from_ns = cb_cli_time_ns(st, "from", arg); return 0;
	case OPT_TO: o->hold.to_ns = cb_cli_time_ns(st, "to", arg); return 0;
	case OPT_OLDER: p->older_ns = age(st, "older", arg); return 0;
	case OPT_EVENTS_OLDER: p->events_older_ns = age(st, "events-older", arg); return 0;
	case OPT_KEEP: p->keep_ns = age(st, "keep", arg); return 0;
	case OPT_AROUND: o->around = arg; return 0;
	case OPT_PRE: o->pre_ns = cb_cli_duration_ns(st, "pre", arg); return 0;
	case OPT_POST: o->post_ns = cb_cli_duration_ns(st, "post", arg); return 0;
	case OPT_BYTES: p->bytes = size(st, "bytes", arg); return 0;
	case OPT_FREE: p->free = size(st, "free", arg); return 0;
	case OPT_DRY_RUN: p->dry_run = true; return 0;
	case OPT_LOG: o->log = arg; return 0;
	case OPT_FORCE: p->force = true; return 0;
	case 'i':
		if (o->identities == CB_KEYRING_FILES)
			argp_error(st, "--identity: more than %d files", CB_KEYRING_FILES);
		o->identity[o->identities++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->verb < 0)
			o->verb = cb_cli_word(st, NULL, VERBS, arg);
		else if (o->store)
			argp_error(st, "too many operands");
		else
			o->store = arg;
		return 0;
	case ARGP_KEY_END:
		return check_opts(st, o);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = VERBS " STORE",
	.doc = "Keep a store.\v"
	       "put stores the events on stdin and passes them on; check compares everything\n"
	       "with its digests; reindex makes cb-query faster; hold keeps footage from being\n"
	       "deleted, release ends that; prune deletes; forget-key destroys keys of footage.",
	.children = cb_cli_children,
};

/* --- put --------------------------------------------------------------------------------------------- */

static void warn(const char *why)
{
	cb_cli_warn("%s", why);
}

static int put(const struct opts *o, const struct cb_store *s, int ofd, struct cb_err *err)
{
	struct cb_put_opts p = { .tee = o->tee, .warn = warn, .quiet = cb_cli_quiet };
	struct cb_events_totals t;
	int ret = cb_put(s, STDIN_FILENO, ofd, &p, &t, err);

	cb_cli_note("%" PRIu64 " events stored, %" PRIu64 " were there already", t.stored, t.known);
	if (t.unwatched)
		cb_cli_warn("%" PRIu64 " events were not compared, because their hours have so many; some "
			    "may be stored twice", t.unwatched);
	return ret;
}

/* --- check, reindex ------------------------------------------------------------------------------- */

/* Where lines go: into the log first, if there is one. What is not logged is not done. */
struct lines {
	struct cb_out out;
	struct cb_log *log;
	struct cb_buf line;	/* of check */
	uint32_t n;
};

static int put_line(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	struct lines *l = ctx;

	if (l->log && cb_log_say(l->log, line, err) < 0)
		return cb_err_prefix(err, "log");
	return cb_out_write(&l->out, line->data, line->len, err) < 0 || cb_out_write(&l->out, "\n", 1, err) < 0 ? -1 : 0;
}

static int on_finding(void *ctx, const char *camera, const char *path, int64_t fragment,
		      const char *text, struct cb_err *err)
{
	struct lines *l = ctx;

	if (cb_describe_finding(&l->line, l->n++, camera, path, fragment, text, err) < 0)
		return -1;
	return put_line(l, &l->line, err);
}

static int check(const struct opts *o, const struct cb_store *s, struct lines *l, struct cb_err *err)
{
	const char *camera = *o->hold.camera ? o->hold.camera : NULL;
	struct cb_check_totals t;
	int ret = cb_check(s, camera, on_finding, l, &t, err);

	if (ret == 0 && t.encrypted && o->identities)
		cb_cli_warn("%" PRIu64 " segments are encrypted for others: what is in them was not looked at", t.encrypted);
	if (ret == 0)
		ret = cb_describe_checked(&l->line, camera, &t, !cb_stop_wanted(), err) < 0 ? -1 :
		      put_line(l, &l->line, err);
	if (ret == 0 && t.findings)
		ret = cb_err_set(err, CB_E_NO, "%" PRIu64 " things are not what they should be", t.findings);
	return ret;
}

/* --- hold, release, prune ------------------------------------------------------------------------------ */

static int release(const struct opts *o, const struct cb_store *s, struct lines *to, struct cb_err *err)
{
	struct cb_holds l;
	struct cb_buf line = { 0 };
	size_t n = 0;
	int ret;

	ret = cb_holds_read(s, &l, err);
	for (size_t i = 0; ret == 0 && i < l.n; i++) {
		if (strcmp(l.v[i].holder, o->hold.holder) != 0 || (o->id && strcmp(l.v[i].id, o->id) != 0))
			continue;
		n++;
		ret = cb_hold_drop(s, &l.v[i], &line, err) < 0 ? -1 : put_line(to, &line, err);
	}
	if (ret == 0 && !n)
		ret = cb_err_set(err, CB_E_NO, "'%s' holds nothing%s", o->hold.holder, o->id ? " by that name" : "");
	cb_holds_release(&l);
	cb_buf_release(&line);
	return ret;
}

static int hold(const struct opts *o, const struct cb_store *s, struct lines *to, struct cb_err *err)
{
	struct cb_hold h = o->hold;
	struct cb_buf line = { 0 };
	int lock = cb_holds_lock(s, err), ret;

	if (lock < 0)
		return -1;
	if (o->verb == RELEASE)
		ret = release(o, s, to, err);
	else
		ret = cb_hold_set(s, &h, &line, err) < 0 ? -1 : put_line(to, &line, err);
	close(lock);
	cb_buf_release(&line);
	return ret;
}

static int read_around(const struct opts *o, struct cb_spans *ret, struct cb_err *err)
{
	bool in = strcmp(o->around, "-") == 0;
	int fd = in ? STDIN_FILENO : open(o->around, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", o->around);
	r = cb_spans_read(fd, o->pre_ns, o->post_ns, ret, err);
	if (!in)
		close(fd);
	return r < 0 ? cb_err_prefix(err, "%s", in ? "stdin" : o->around) : 0;
}

static int prune(const struct opts *o, const struct cb_store *s, struct lines *l, struct cb_err *err)
{
	struct cb_prune_opts p = o->prune;
	struct cb_spans around = { 0 };
	struct cb_prune_totals t;
	int ret;

	p.camera = *o->hold.camera ? o->hold.camera : NULL;
	p.now_ns = cb_now_wall_ns();
	p.event = put_line;
	p.ctx = l;
	if (o->around) {
		if (read_around(o, &around, err) < 0)
			return -1;
		p.around = &around;
	}
	ret = cb_prune(s, &p, &t, err);
	cb_spans_release(&around);
	if (ret == 0)
		cb_cli_note("%" PRIu64 " segments and %" PRIu64 " event files, %" PRIu64 " bytes; %" PRIu64 " held",
			    t.segments, t.files, t.bytes, t.held);
	if (ret == 0 && t.missing)
		ret = cb_err_set(err, CB_E_NO, "%" PRIu64 " bytes too many are kept: held, in use, or younger than --keep",
				 t.missing);
	return ret;
}

static int forget(const struct opts *o, const struct cb_store *s, struct lines *l, struct cb_err *err)
{
	struct cb_forget_opts f = o->forget;
	struct cb_forget_totals t;
	int ret;

	f.camera = o->hold.camera;
	f.reason = *o->hold.reason ? o->hold.reason : NULL;
	f.force = o->prune.force;
	f.dry_run = o->prune.dry_run;
	f.event = put_line;
	f.ctx = l;
	ret = cb_forget_day(s, &f, &t, err);
	if (ret == 0)
		cb_cli_note("%" PRIu64 " keys, %" PRIu64 " segments", t.keys, t.segments);
	if (ret == 0 && t.plain)
		cb_cli_warn("%" PRIu64 " segments of that day are not encrypted, or damaged, and stay", t.plain);
	return ret;
}

/* The verbs that answer in lines. */
static int answer(const struct opts *o, const struct cb_store *s, int ofd, struct cb_err *err)
{
	static struct lines l;
	struct cb_err late = CB_ERR_INIT;
	int ret;

	if (o->log && cb_log_open(&l.log, o->log, NULL, err) < 0)
		return -1;
	cb_out_init(&l.out, ofd);
	ret = o->verb == CHECK ? check(o, s, &l, err) : o->verb == PRUNE ? prune(o, s, &l, err) :
	      o->verb == FORGET ? forget(o, s, &l, err) : hold(o, s, &l, err);
	if (cb_out_close(&l.out, &late) < 0 && (ret == 0 || err->code == CB_E_NO)) {
		*err = late;
		ret = -1;
	}
	cb_log_close(l.log);
	cb_buf_release(&l.line);
	return ret;
}

/* check alone writes nothing into the store. */
static int lock_in(struct opts *o, struct cb_store *s, struct cb_err *err)
{
	struct cb_pass pass = { cb_cli_pass_get, &o->pass };

	if (cb_keyring_new(&s->keys, o->identity, o->identities, &pass, err) < 0)
		return -1;
	if (cb_keyring_exposed(s->keys))
		cb_cli_warn("others may read the identity's file");
	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = o->tee ? CB_MAY_THREAD : 0,
		.read = { o->store, o->around },
		.write = { o->verb == CHECK ? NULL : o->store, o->log },
		.files = 1024,
	}, err);
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_store s = { .fd = -1, .cameras = -1 };
	struct opts o;
	uint64_t n = 0;
	int ofd, ret = -1;

	cb_cli_parse("cb-store", &argp, argc, argv, &o);
	cb_stop_install(o.verb != CHECK && o.verb != REINDEX);
	if (o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		return cb_cli_finish(&err);
	if ((o.verb == PUT ? cb_store_create(&s, o.store, &err) : cb_store_open(&s, o.store, &err)) < 0)
		return cb_cli_finish(&err);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && lock_in(&o, &s, &err) == 0) {
		if (o.verb == PUT)
			ret = put(&o, &s, ofd, &err);
		else if (o.verb != REINDEX)
			ret = answer(&o, &s, ofd, &err);
		else if ((ret = cb_index_build(&s, &n, &err)) == 0)
			cb_cli_note("%" PRIu64 " segments", n);
		if (ret < 0 && err.code != CB_E_DATA && *err.msg)
			cb_err_prefix(&err, "%s", o.store);
	}
	cb_keyring_free(s.keys);
	cb_store_close(&s);
	return cb_cli_finish(&err);
}
