/* SPDX-License-Identifier: Apache-2.0 */
/* cb-model: say what a model is; check, time, convert and quantise it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "cli/rows.h"
#include "cli/verbs.h"
#include "detect/calibrate.h"
#include "detect/inspect.h"
#include "detect/shipped.h"

enum verb { INFO, CHECK, BENCH, CONVERT, QUANTIZE, DIGEST, VERBS };

struct opts {
	struct cb_cli_verbs v;		/* operands are models */
	int table;			/* -1: as the output is */
	const char *output;
	bool force;
	unsigned pictures;
	int threads;			/* 0: not said */
	struct cb_model_opts m;
	const char *frames;
	struct cb_calibrate_opts c;
};

/* What a verb works with. */
struct tool {
	struct opts o;
	struct cb_out out;
	struct cb_cli_rows rows;
	struct cb_inspect m;	/* the model, open, but of check and digest */
};

enum {
	OPT_WEIGHTS = CB_OPT_BASE, OPT_NAMES, OPT_FORCE, OPT_FORMAT, OPT_THREADS, OPT_PICTURES, OPT_ISA,
	OPT_SIGNED, OPT_MODELS, OPT_KEY, OPT_CALIBRATE, OPT_EVERY, OPT_METHOD, OPT_KEEP, OPT_LOSS, OPT_RESIZE,
};

/* --- verbs ------------------------------------------------------------------------------------------ */

/* The columns of each table, by the fields of the line that they show. */
static const struct cb_cli_column columns[VERBS][CB_CLI_TABLE_COLUMNS] = {
	[INFO] = { { "layer", "LAYER", 'n' }, { "type", "TYPE", 0 }, { "output", "OUTPUT", 'x' },
		   { "weights", "WEIGHTS", 'n' }, { "macs", "MMACS", 'M' }, { "code", "CODE", 0 } },
	[CHECK] = { { "ok", "OK", 0 }, { "model", "MODEL", 0 }, { "kind", "KIND", 0 },
		    { "sha256", "SHA256", 0 }, { "error", "ERROR", 0 } },
	[BENCH] = { { "threads", "THREADS", 'n' }, { "pictures", "PICTURES", 'n' }, { "min_us", "MIN MS", 'm' },
		    { "median_us", "MEDIAN MS", 'm' }, { "load_us", "LOAD MS", 'm' }, { "bytes", "BYTES", 'n' },
		    { "isa", "ISA", 0 } },
	[QUANTIZE] = { { "layer", "LAYER", 'n' }, { "int8", "INT8", 0 }, { "error", "ERROR", 0 } },
};

static int info(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	int layers = cb_net_layers(cb_model_net(x->m.model));

	for (int i = 0; i < layers; i++)
		if (cb_inspect_layer(&x->rows.line, &x->m, i, err) < 0 || cb_cli_rows_put(&x->rows, err) < 0)
			return -1;
	return cb_inspect_total(&x->rows.line, &x->m, err) < 0 ? -1 : cb_cli_rows_below(&x->rows, err);
}

static int bench(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	const struct opts *o = &x->o;
	int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
	int threads[2] = { o->threads ? o->threads : 1, o->threads ? 0 : processors };

	for (int i = 0; i < 2 && threads[i] > i; i++)
		if (cb_inspect_bench(&x->rows.line, &x->m, o->m.isa, threads[i], o->pictures, err) < 0 ||
		    cb_cli_rows_put(&x->rows, err) < 0)
			return -1;
	return 0;
}

static int convert(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	return cb_pack_convert(x->o.output, &x->m.pack, x->o.force, err);
}

static void progress(void *ctx, const char *what, int done, int of)
{
	(void)ctx;
	cb_cli_progress("%s: %d of %d", what, done, of);
}

static int quantize(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	const struct opts *o = &x->o;
	struct cb_calibrate_opts co = o->c;
	const struct cb_quantize_layer *l;
	struct cb_calibrated c = { 0 };
	int fd, n, r = -1;

	fd = strcmp(o->frames, "-") ? open(o->frames, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", o->frames);
	co.pictures = o->pictures;
	co.q.progress = progress;
	if (cb_calibrate(&c, &x->m, fd, &co, err) < 0)
		goto out;
	cb_cli_progress("%s", "");
	n = cb_quantizer_layers(c.q, &l);
	for (int i = 0; i < n; i++)
		if (cb_calibrated_layer(&x->rows.line, o->output, &l[i], err) < 0 || cb_cli_rows_put(&x->rows, err) < 0)
			goto out;
	if (cb_pack_convert(o->output, &c.pack, o->force, err) == 0 &&
	    cb_calibrated_total(&x->rows.line, &c, o->output, err) == 0)
		r = cb_cli_rows_below(&x->rows, err);
out:
	cb_calibrated_release(&c);
	if (fd != STDIN_FILENO)
		close(fd);
	return r;
}

/* Every model is looked at; the first one's fault is the tool's. */
static int check(void *tool, struct cb_err *err)
{
	struct tool *x = tool;
	struct cb_err first = CB_ERR_INIT;

	for (int i = 0; i < x->o.v.n && !cb_stop_wanted(); i++) {
		struct cb_err why = CB_ERR_INIT;
		struct cb_inspect m;
		int r;

		x->o.m.cfg = x->o.v.operand[i];
		if (cb_inspect_open(&m, &x->o.m, &why) == 0)
			cb_inspect_try(&m, &why);
		r = cb_inspect_verdict(&x->rows.line, &m, &why, err);
		cb_inspect_close(&m);
		if (r < 0 || cb_cli_rows_put(&x->rows, err) < 0)
			return -1;
		if (why.code && !first.code)
			first = why;
	}
	if (first.code)
		*err = first;
	return first.code ? -1 : 0;
}

static int digest(void *tool, struct cb_err *err)
{
	struct tool *x = tool;

	for (int i = 0; i < x->o.v.n; i++) {
		struct cb_model_opts o = x->o.m;
		struct cb_shipped at = { 0 };
		struct cb_pack p = { 0 };
		int r = -1;

		o.cfg = x->o.v.operand[i];
		if (cb_shipped_find(&at, &o, err) == 0 &&
		    cb_pack_read_model(&p, o.cfg, o.weights, o.names, err) == 0)
			r = cb_inspect_listing(&x->rows.line, x->o.v.operand[i], &p, err);
		cb_pack_release(&p);
		cb_shipped_release(&at);
		if (r < 0 || cb_out_write(&x->out, x->rows.line.data, x->rows.line.len, err) < 0)
			return -1;
	}
	return 0;
}

/* --- options ---------------------------------------------------------------------------------------- */

static const struct cb_cli_verb verbs[] = {
	[INFO] = { "info", "MODEL", NULL, NULL, info },
	[CHECK] = { "check", "MODEL...", NULL, NULL, check },
	[BENCH] = { "bench", "MODEL", "threads pictures", NULL, bench },
	[CONVERT] = { "convert", "MODEL", "force", "output", convert },
	[QUANTIZE] = { "quantize", "MODEL", "force pictures every resize method keep-float loss",
		       "output calibrate", quantize },
	[DIGEST] = { "digest", "MODEL...", NULL, NULL, digest },
	{ 0 },
};

static const struct argp_option options[] = {
	{ "weights", OPT_WEIGHTS, "FILE", 0, "Weights of a .cfg (its name with .weights)", 1 },
	{ "names", OPT_NAMES, "FILE", 0, "Class names of a .cfg (its name with .names)", 1 },
	{ "output", 'o', "FILE", 0, "Write this .cbm, or .cfg and files beside it", 1 },
	{ "force", OPT_FORCE, NULL, 0, "Write over what is there", 1 },
	{ "format", OPT_FORMAT, "TYPE", 0, "ndjson or table (table on a terminal)", 2 },
	{ "threads", OPT_THREADS, "N", 0, "bench: threads (1, and as many as processors)", 2 },
	{ "pictures", OPT_PICTURES, "N", 0, "bench, quantize: at most so many pictures (100)", 2 },
	{ "isa", OPT_ISA, "TYPE", 0, "Use no more than sse41, avx2 or avx512 (auto)", 2 },
	{ "calibrate", OPT_CALIBRATE, "FILE", 0, "quantize: a frame stream with pictures to go by", 2 },
	{ "every", OPT_EVERY, "N", 0, "quantize: take every Nth picture of it (1)", 2 },
	{ "resize", OPT_RESIZE, "TYPE", 0, "quantize: stretch or letterbox, as in cb-detect (stretch)", 2 },
	{ "method", OPT_METHOD, "TYPE", 0, "quantize: ranges by noise, percentile or entropy (noise)", 2 },
	{ "keep-float", OPT_KEEP, "LIST", 0, "quantize: layers that stay float, as 0,5-7", 2 },
	{ "loss", OPT_LOSS, "N", 0, "quantize: error that 8 bits may make, 0 to 1 (0.005)", 2 },
	{ "require-signed", OPT_SIGNED, NULL, 0, "Refuse models that are not in the list", 3 },
	{ "models", OPT_MODELS, "FILE", 0, "The list of models that may be used", 3 },
	{ "key", OPT_KEY, "FILE", 0, "The list must be signed with this minisign key", 3 },
	{ 0 },
};

static void parse_end(struct argp_state *st, const struct opts *o)
{
	size_t n = o->output ? strlen(o->output) : 0;

	if (o->v.n > 1 && (o->m.weights || o->m.names))
		argp_error(st, "--weights and --names go with one MODEL");
	if (n && (n < 5 || (strcmp(o->output + n - 4, ".cbm") && strcmp(o->output + n - 4, ".cfg"))))
		argp_error(st, "--output: '%s' ends neither in .cbm nor in .cfg", o->output);
	if (o->v.is == QUANTIZE && strcmp(o->output + n - 4, ".cbm"))
		argp_error(st, "--output: '%s' does not end in .cbm", o->output);
	if ((o->m.list || o->m.list_key) && !o->m.listed)
		argp_error(st, "--models and --key go with --require-signed");
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	if (cb_cli_verb_opt(&o->v, key, arg, st) == 0)
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .v = CB_CLI_VERBS(verbs, options), .table = -1, .pictures = 100,
				    .m = { .threshold = 2500 }, .c = { .every = 1 } };
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_WEIGHTS: o->m.weights = arg; return 0;
	case OPT_NAMES: o->m.names = arg; return 0;
	case 'o': o->output = arg; return 0;
	case OPT_FORCE: o->force = true; return 0;
	case OPT_FORMAT: o->table = cb_cli_word(st, "format", "ndjson|table", arg); return 0;
	case OPT_THREADS: o->threads = (int)cb_cli_u64(st, "threads", arg, 1, CB_NET_THREADS_MAX); return 0;
	case OPT_PICTURES: o->pictures = (unsigned)cb_cli_u64(st, "pictures", arg, 1, 100000); return 0;
	case OPT_CALIBRATE: o->frames = arg; return 0;
	case OPT_EVERY: o->c.every = cb_cli_u64(st, "every", arg, 1, 1000000000); return 0;
	case OPT_METHOD:
		o->c.q.method = (enum cb_range_method)cb_cli_word(st, "method", "noise|percentile|entropy", arg);
		return 0;
	case OPT_KEEP: o->c.q.keep = arg; return 0;
	case OPT_LOSS: o->c.q.loss = cb_cli_double(st, "loss", arg, 1e-9, 1); return 0;
	case OPT_RESIZE: o->m.resize = (enum cb_resize)cb_cli_word(st, "resize", "stretch|letterbox", arg); return 0;
	case OPT_ISA: o->m.isa = (enum cb_isa)cb_cli_word(st, "isa", "auto|sse41|avx2|avx512", arg); return 0;
	case OPT_SIGNED: o->m.listed = true; return 0;
	case OPT_MODELS: o->m.list = arg; return 0;
	case OPT_KEY: o->m.list_key = arg; return 0;
	case ARGP_KEY_END: parse_end(st, o); return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "info|check|bench|convert|quantize|digest MODEL...",
	.doc = "Say what a model is; check, time, convert, quantize it. A MODEL is a .cfg, a .cbm\n"
	       "or the name of one that came with cb, as cb-objects.",
	.children = cb_cli_children,
};

/* A model's other files, and the list's signature, lie beside them. Calibrating and timing compile
 * anew all the time. */
static int lock_in(const struct opts *o, struct cb_err *err)
{
	char *shipped = NULL;
	int ret;

	cb_shipped_path(&shipped, CB_SHIPPED_LIST, NULL);
	ret = cb_cli_sandbox(&(struct cb_sandbox){
		.may = CB_MAY_THREAD | (o->v.is == DIGEST ? 0 : CB_MAY_JIT),
		.read = { o->m.weights, o->m.names, o->m.list_key, o->frames },
		.read_beside = { shipped, o->m.list },
		.write_beside = { o->output },
		.list = { { o->v.operand, (size_t)o->v.n, CB_SANDBOX_READ_BESIDE } },
	}, err);
	free(shipped);
	return ret;
}

static int run(struct tool *x, struct cb_err *err)
{
	bool opens = x->o.v.is != CHECK && x->o.v.is != DIGEST;
	int r = -1;

	x->o.m.cfg = x->o.v.operand[0];
	if (cb_cli_rows_open(&x->rows, &x->out, columns[x->o.v.is], x->o.table, err) == 0 &&
	    (!opens || cb_inspect_open(&x->m, &x->o.m, err) == 0))
		r = cb_cli_verb_run(&x->o.v, x, err);
	r = cb_cli_rows_end(&x->rows, r, err);
	cb_inspect_close(&x->m);
	cb_cli_rows_release(&x->rows);
	return r;
}

int main(int argc, char **argv)
{
	static struct tool x;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	int ofd;

	cb_cli_parse("cb-model", &argp, argc, argv, &x.o);
	cb_stop_install(false);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && lock_in(&x.o, &err) == 0) {
		cb_out_init(&x.out, ofd);
		run(&x, &err);
		if (cb_out_close(&x.out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
