/* SPDX-License-Identifier: Apache-2.0 */
/* Objects, motion and scene changes in frame streams, as events. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "detect/detect.h"
#include "detect/feed.h"
#include "detect/health.h"
#include "detect/shipped.h"
#include "log/logbook.h"
#include "wire/event.h"
#include "wire/frame.h"

enum {
	/* about objects, to the last of them */
	O_WEIGHTS = CB_OPT_BASE, O_NAMES, O_THRESHOLD, O_NMS, O_CLASSES, O_ISA, O_RESIZE, O_BACKEND, O_GATE, O_SIGNED,
	O_MODELS, O_KEY,
	O_NO_OBJECTS, O_EVERY, O_FPS, O_KEYFRAMES, O_THREADS, O_REGION, O_STREAM, O_NO_HEALTH, O_FROZEN, O_TEE, O_LOG,
};

struct opts {
	struct cb_detect_opts d;
	int threads, inputs;
	const char *input[CB_FEEDS_MAX], *log;
	bool tee, picked, model_given, object_options, engine_options, frozen;
};

static const struct argp_option options[] = {
	{ "model", 'm', "MODEL", 0, "Detect objects with this model (cb-objects)", 1 },
	{ "no-objects", O_NO_OBJECTS, NULL, 0, "Detect no objects: motion, scene, camera alone", 1 },
	{ "weights", O_WEIGHTS, "FILE", 0, "Its weights (the cfg's name with .weights)", 1 },
	{ "names", O_NAMES, "FILE", 0, "Its class names (the cfg's name with .names)", 1 },
	{ "threshold", O_THRESHOLD, "N", 0, "Least score of an object, 0 to 1 (0.25)", 1 },
	{ "nms", O_NMS, "N", 0, "Overlap at which the weaker box goes (0.45)", 1 },
	{ "classes", O_CLASSES, "LIST", 0, "Report only these classes, names between commas", 1 },
	{ "resize", O_RESIZE, "TYPE", 0, "Fit pictures: stretch or letterbox (stretch)", 1 },
	{ "threads", O_THREADS, "N", 0, "Cores to use (1)", 2 },
	{ "isa", O_ISA, "TYPE", 0, "Use no more than sse41, avx2 or avx512 (auto)", 1 },
	{ "backend", O_BACKEND, "TYPE", 0, "What runs the model: cb or darknet (cb)", 1 },
	{ "require-signed", O_SIGNED, NULL, 0, "Refuse a model that is not in the list", 1 },
	{ "models", O_MODELS, "FILE", 0, "The list of models that may be used", 1 },
	{ "key", O_KEY, "FILE", 0, "The list must be signed with this minisign key", 1 },
	{ "gate", O_GATE, "TYPE", 0, "Leave out still pictures: none or motion (none)", 1 },
	{ "every", O_EVERY, "N", 0, "Analyse every Nth picture (1)", 2 },
	{ "fps", O_FPS, "N", 0, "Analyse at most N pictures a second of media time", 2 },
	{ "keyframes", O_KEYFRAMES, NULL, 0, "Analyse keyframes only, and decode nothing else", 2 },
	{ "region", O_REGION, "LIST", 0, "Watch X,Y,W,H or X,Y,X,Y,X,Y... (repeatable)", 2 },
	{ "stream", O_STREAM, "N", 0, "Analyse this elementary stream (the first video)", 2 },
	{ "no-health", O_NO_HEALTH, NULL, 0, "Do not watch the camera (cb.camera events)", 2 },
	{ "frozen", O_FROZEN, "DURATION", 0, "Without a new picture for so long it is frozen, 0: never (30s)", 2 },
	{ "log", O_LOG, "DIR", 0, "Log the run and the camera's health here, see cb-audit(1)", 3 },
	{ "tee", O_TEE, NULL, 0, "Write the frame stream with the events in it", 3 },
	{ 0 },
};

static void pick(struct argp_state *st, struct opts *o, enum cb_pick_mode mode)
{
	if (o->picked)
		argp_error(st, "only one of --every, --fps and --keyframes");
	o->picked = true;
	o->d.pick.mode = mode;
}

static int32_t unit(struct argp_state *st, const char *opt, const char *arg)
{
	return (int32_t)(cb_cli_double(st, opt, arg, 0, 1) * CB_UNIT + 0.5);
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;
	struct cb_model_opts *m = &o->d.objects;
	struct cb_err err = CB_ERR_INIT;

	o->object_options |= key >= O_WEIGHTS && key <= O_KEY;
	o->engine_options |= key == O_THREADS || key == O_ISA;
	switch (key) {
	case 'm':
		o->model_given = true;
		m->cfg = arg;
		return 0;
	case O_NO_OBJECTS: o->d.model = false; return 0;
	case O_WEIGHTS: m->weights = arg; return 0;
	case O_NAMES: m->names = arg; return 0;
	case O_CLASSES: m->classes = arg; return 0;
	case O_THRESHOLD: m->threshold = unit(st, "threshold", arg); return 0;
	case O_NMS: m->nms = unit(st, "nms", arg); return 0;
	case O_THREADS: o->threads = (int)cb_cli_u64(st, "threads", arg, 1, CB_CREW_CORES_MAX); return 0;
	case O_RESIZE: m->resize = (enum cb_resize)cb_cli_word(st, "resize", "stretch|letterbox", arg); return 0;
	case O_ISA: m->isa = (enum cb_isa)cb_cli_word(st, "isa", "auto|sse41|avx2|avx512", arg); return 0;
	case O_BACKEND: m->backend = (enum cb_backend)cb_cli_word(st, "backend", "cb|darknet", arg); return 0;
	case O_GATE: o->d.gate = cb_cli_word(st, "gate", "none|motion", arg); return 0;
	case O_EVERY:
		pick(st, o, CB_PICK_EVERY);
		o->d.pick.every = cb_cli_u64(st, "every", arg, 1, 1000000000);
		return 0;
	case O_FPS:
		pick(st, o, CB_PICK_FPS);
		if (!cb_parse_rational(arg, &o->d.pick.fps_num, &o->d.pick.fps_den))
			argp_error(st, "--fps: '%s' is not a rate", arg);
		return 0;
	case O_KEYFRAMES: pick(st, o, CB_PICK_KEYFRAMES); return 0;
	case O_REGION:
		if (o->d.regions == CB_REGIONS_MAX)
			argp_error(st, "more than %d regions", CB_REGIONS_MAX);
		if (cb_region_parse(&o->d.region[o->d.regions++], arg, &err) < 0)
			argp_error(st, "%s", err.msg);
		return 0;
	case O_STREAM: o->d.stream = (int)cb_cli_u64(st, "stream", arg, 0, CB_STREAMS_MAX - 1); return 0;
	case O_SIGNED: m->listed = true; return 0;
	case O_MODELS: m->list = arg; return 0;
	case O_KEY: m->list_key = arg; return 0;
	case O_NO_HEALTH: o->d.health = false; return 0;
	case O_FROZEN:
		o->d.frozen_us = cb_cli_duration_ns(st, "frozen", arg) / 1000;
		if (o->d.frozen_us && (o->d.frozen_us < 1000000 || o->d.frozen_us > INT64_C(86400000000)))
			argp_error(st, "--frozen: '%s' is not 0 and not 1s to 24h", arg);
		o->frozen = true;
		return 0;
	case O_LOG: o->log = arg; return 0;
	case O_TEE: o->tee = true; return 0;
	case ARGP_KEY_ARG:
		if (o->inputs == CB_FEEDS_MAX)
			argp_error(st, "more than %d inputs", CB_FEEDS_MAX);
		for (int i = 0; i < o->inputs; i++)
			if (!strcmp(arg, o->input[i]))
				argp_error(st, "%s: given twice", arg);
		o->input[o->inputs++] = arg;
		return 0;
	case ARGP_KEY_END:
		if ((o->object_options || o->model_given) && !o->d.model)
			argp_error(st, "--model and options for objects do not go with --no-objects");
		if ((m->weights || m->names) && !o->model_given)
			argp_error(st, "--weights and --names need a model of their own (-m)");
		if (o->engine_options && m->backend != CB_BACKEND_CB)
			argp_error(st, "--threads and --isa are for --backend cb");
		if ((m->list || m->list_key) && !m->listed)
			argp_error(st, "--models and --key go with --require-signed");
		if (o->frozen && !o->d.health)
			argp_error(st, "--frozen has no use with --no-health");
		if (o->tee && o->inputs > 1)
			argp_error(st, "--tee passes one stream on, and there are %d", o->inputs);
		o->inputs += !o->inputs;	/* stdin */
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse, .children = cb_cli_children,
	.args_doc = "[FILE...]", .doc = "Write what is seen in frame streams as events.",
};

/* What a backend has to say. */
static void say(void *ctx, bool warning, const char *text)
{
	(void)ctx;
	if (warning)
		cb_cli_warn("%s", text);
	else
		cb_cli_note("darknet: %s", text);
}

static void progress(const struct cb_detect_stats *s)
{
	cb_cli_progress("%ju pictures analysed, %ju objects, %ju with motion", (uintmax_t)s->analysed,
			(uintmax_t)s->objects, (uintmax_t)s->moving);
}

/* What there is to say of an input that has ended, before the one diagnostic. */
static void told(const struct cb_feed *f, const char *name)
{
	const struct cb_detect_stats *s = cb_detect_stats(f->d);
	const char *colon = *name ? ": " : "";

	if (s->decode_errors)
		cb_cli_warn("%s%s%ju of %ju packets could not be decoded whole", name, colon,
			    (uintmax_t)s->decode_errors, (uintmax_t)s->packets);
	if (s->skipped)
		cb_cli_warn("%s%s%ju pictures left out: slower than the live stream", name, colon,
			    (uintmax_t)s->skipped);
	cb_cli_note("%s%s%ju packets, %ju pictures analysed, %ju objects, %ju pictures with motion", name,
		    colon, (uintmax_t)s->packets, (uintmax_t)s->analysed, (uintmax_t)s->objects,
		    (uintmax_t)s->moving);
}

static void ended(struct cb_feed *f)
{
	if (f->err.code)
		cb_cli_warn("%s: %s", f->name, f->err.msg);
	told(f, f->name);
}

static struct cb_logbook_tap tap[CB_FEEDS_MAX];	/* what each says goes into the log */

/* One input: to stdout as lines, or as the stream with the events in it. */
static void run_one(struct cb_feed *f, struct cb_sink *sink, struct cb_err *err)
{
	struct cb_err close_err = CB_ERR_INIT;

	cb_detect_sink(f->d, sink);
	cb_feed_run(f, progress);
	cb_cli_progress("%s", "");
	*err = f->err;
	/* where input or backend fail, what came before is worth having */
	if (err->code && err->code != CB_E_DATA && err->code != CB_E_UNAVAIL && err->code != CB_E_PROTOCOL)
		return;
	if (cb_sink_close(sink, f->whole, f->reason, &close_err) < 0)
		*err = close_err;	/* what was not written is worse than what was not read */
	told(f, "");
}

/* Several inputs: a sink each, one output. */
static void run_all(struct cb_feed *f, int n, struct cb_out *lines, struct cb_err *err)
{
	static struct cb_sink sink[CB_FEEDS_MAX];
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct cb_err close_err = CB_ERR_INIT;

	for (int i = 0; i < n; i++) {
		sink[i] = (struct cb_sink){ .ndjson = lines, .lock = &lock, .each = cb_logbook_tap, .ctx = &tap[i] };
		cb_detect_sink(f[i].d, &sink[i]);
	}
	cb_feeds_run(f, n, ended, err);
	if (cb_out_close(lines, &close_err) < 0)
		*err = close_err;
	pthread_mutex_destroy(&lock);
}

/* Models are compiled when they are loaded, and not after that; their other files, and the list's
 * signature, lie beside them. */
static int lock_in(const struct opts *o, bool loads, struct cb_err *err)
{
	const struct cb_model_opts *m = &o->d.objects;

	if (!loads || !o->d.model)
		return cb_cli_sandbox(&(struct cb_sandbox){ .may = CB_MAY_THREAD | (o->d.model ? CB_MAY_END : 0),
							    .write = { o->log } }, err);
	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = CB_MAY_THREAD | CB_MAY_JIT,
		.read = { m->weights, m->names, m->list_key },
		.read_beside = { m->cfg, m->list },
		.write = { o->log },
	}, err);
}

/* The model is loaded: from here on nothing becomes executable. */
static int compiled(struct cb_crew *crew, struct cb_err *err)
{
	if (cb_cli_sandbox_mode == CB_SANDBOX_OFF)
		return 0;
	return cb_crew_warm(crew, err) < 0 ? -1 : cb_sandbox_narrow(CB_MAY_THREAD, err);
}

int main(int argc, char **argv)
{
	struct opts o = { .d = { .tool = "cb-detect", .version = CB_VERSION, .stream = -1,
				 .health = true, .frozen_us = CB_HEALTH_FROZEN_US,
				 .pick = { .mode = CB_PICK_EVERY, .every = 1 },
				 .model = true,
				 .objects = { .cfg = CB_SHIPPED_OBJECTS, .threshold = 2500, .nms = 4500, .say = say } }, .threads = 1 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_shipped shipped = { 0 };
	struct cb_crew *crew = NULL;
	static struct cb_feed feed[CB_FEEDS_MAX];
	static struct cb_out lines;
	struct cb_writer tee;
	struct cb_sink sink = { .each = cb_logbook_tap, .ctx = tap };
	struct cb_logbook *log = NULL;
	struct cb_err late = CB_ERR_INIT;
	bool elsewhere;		/* the model runs in a process of its own, which must be started first */
	int fd;

	cb_cli_parse("cb-detect", &argp, argc, argv, &o);
	o.d.objects.prints = cb_cli_verbose;
	elsewhere = o.d.model && o.d.objects.backend == CB_BACKEND_DARKNET;
	cb_writer_init(&tee, -1);
	if (o.tee && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		goto out;
	if (cb_logbook_open(&log, o.log, cb_cli_warn_text, NULL, &err) < 0)
		goto out;
	for (int i = 0; i < o.inputs; i++)
		tap[i].log = log;
	for (int i = 0; i < o.inputs; i++)
		if (cb_feed_open(&feed[i], o.input[i], &err) < 0)
			goto out;
	if (o.d.model && cb_shipped_find(&shipped, &o.d.objects, &err) < 0) {
		if (!o.model_given)
			cb_err_prefix(&err, "neither --model nor --no-objects, and no default");
		goto out;
	}
	if (!elsewhere && lock_in(&o, true, &err) < 0)
		goto out;
	if (cb_detect_crew(&crew, &o.d, o.threads, &err) < 0)
		goto out;
	for (int i = 0; i < o.inputs; i++)
		if (cb_detect_open(&feed[i].d, &o.d, crew, &err) < 0)
			goto out;
	fd = cb_stdout_take(&err);
	if (fd < 0 || (elsewhere ? lock_in(&o, false, &err) : compiled(crew, &err)) < 0)
		goto out;
	cb_stop_install(false);
	cb_out_init(&lines, fd);
	tee.fd = fd;
	if (o.tee)
		sink.tee = &tee;
	else
		sink.ndjson = &lines;
	if (o.inputs == 1)
		run_one(&feed[0], &sink, &err);
	else
		run_all(feed, o.inputs, &lines, &err);
out:
	if (cb_logbook_close(log, &late) < 0 && !err.code)
		err = late;
	cb_writer_release(&tee);
	for (int i = 0; i < o.inputs; i++) {
		cb_detect_free(feed[i].d);
		cb_feed_release(&feed[i]);
	}
	cb_crew_free(crew);
	cb_shipped_release(&shipped);
	return cb_cli_finish(&err);
}
