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
#include "cli/table.h"
#include "detect/calibrate.h"
#include "detect/inspect.h"
#include "detect/shipped.h"
#include "wire/json.h"

enum verb { INFO, CHECK, BENCH, CONVERT, QUANTIZE, DIGEST, VERBS };

struct opts {
	int verb, table;		/* table -1: as the output is */
	char **models;
	int n;
	const char *output;
	bool force, listed_options;
	unsigned pictures;
	int threads;			/* 0: not said */
	struct cb_model_opts m;
	const char *frames;
	bool quantize_options;
	struct cb_calibrate_opts c;
};

enum {
	OPT_WEIGHTS = CB_OPT_BASE, OPT_NAMES, OPT_FORCE, OPT_FORMAT, OPT_THREADS, OPT_PICTURES, OPT_ISA,
	OPT_SIGNED, OPT_MODELS, OPT_KEY, OPT_CALIBRATE, OPT_EVERY, OPT_METHOD, OPT_KEEP, OPT_LOSS, OPT_RESIZE,
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
	bool writes = o->verb == CONVERT || o->verb == QUANTIZE;

	if (o->verb < 0)
		argp_error(st, "one of info, check, bench, convert, quantize, digest is needed");
	if (!o->n)
		argp_error(st, "no MODEL");
	if (o->n > 1 && o->verb != CHECK && o->verb != DIGEST)
		argp_error(st, "too many operands");
	if (o->n > 1 && (o->m.weights || o->m.names))
		argp_error(st, "--weights and --names go with one MODEL");
	if ((o->output != NULL) != writes || (o->force && !writes))
		argp_error(st, writes ? "no --output" : "--output and --force go with convert and quantize");
	if (n && (n < 5 || (strcmp(o->output + n - 4, ".cbm") && strcmp(o->output + n - 4, ".cfg"))))
		argp_error(st, "--output: '%s' ends neither in .cbm nor in .cfg", o->output);
	if (o->verb == QUANTIZE && strcmp(o->output + n - 4, ".cbm"))
		argp_error(st, "--output: '%s' does not end in .cbm", o->output);
	if (o->verb == QUANTIZE && !o->frames)
		argp_error(st, "no --calibrate");
	if (o->verb != QUANTIZE && (o->frames || o->quantize_options))
		argp_error(st, "--calibrate, --every, --resize, --method, --keep-float and --loss go with quantize");
	if ((o->threads && o->verb != BENCH) || (o->pictures && o->verb != BENCH && o->verb != QUANTIZE))
		argp_error(st, "--threads goes with bench, --pictures with bench and quantize");
	if (o->listed_options && !o->m.listed)
		argp_error(st, "--models and --key go with --require-signed");
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	if (key >= OPT_EVERY && key <= OPT_RESIZE)
		o->quantize_options = true;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct opts){ .verb = -1, .table = -1, .m = { .threshold = 2500 }, .c = { .every = 1 } };
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_WEIGHTS:
		o->m.weights = arg;
		return 0;
	case OPT_NAMES:
		o->m.names = arg;
		return 0;
	case 'o':
		o->output = arg;
		return 0;
	case OPT_FORCE:
		o->force = true;
		return 0;
	case OPT_FORMAT:
		o->table = cb_cli_word(st, "format", "ndjson|table", arg);
		return 0;
	case OPT_THREADS:
		o->threads = (int)cb_cli_u64(st, "threads", arg, 1, CB_NET_THREADS_MAX);
		return 0;
	case OPT_PICTURES:
		o->pictures = (unsigned)cb_cli_u64(st, "pictures", arg, 1, 100000);
		return 0;
	case OPT_CALIBRATE:
		o->frames = arg;
		return 0;
	case OPT_EVERY:
		o->c.every = cb_cli_u64(st, "every", arg, 1, 1000000000);
		return 0;
	case OPT_METHOD:
		o->c.q.method = (enum cb_range_method)cb_cli_word(st, "method", "noise|percentile|entropy", arg);
		return 0;
	case OPT_KEEP:
		o->c.q.keep = arg;
		return 0;
	case OPT_LOSS:
		o->c.q.loss = cb_cli_double(st, "loss", arg, 1e-9, 1);
		return 0;
	case OPT_RESIZE:
		o->m.resize = (enum cb_resize)cb_cli_word(st, "resize", "stretch|letterbox", arg);
		return 0;
	case OPT_ISA:
		o->m.isa = (enum cb_isa)cb_cli_word(st, "isa", "auto|sse41|avx2|avx512", arg);
		return 0;
	case OPT_SIGNED:
		o->m.listed = true;
		return 0;
	case OPT_MODELS:
		o->m.list = arg;
		o->listed_options = true;
		return 0;
	case OPT_KEY:
		o->m.list_key = arg;
		o->listed_options = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->verb < 0) {
			o->verb = cb_cli_word(st, NULL, "info|check|bench|convert|quantize|digest", arg);
			return 0;
		}
		return ARGP_ERR_UNKNOWN;
	case ARGP_KEY_ARGS:
		o->models = st->argv + st->next;
		o->n = st->argc - st->next;
		return 0;
	case ARGP_KEY_END:
		parse_end(st, o);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "info|check|bench|convert|quantize|digest MODEL...",
	.doc = "Say what a model is; check, time, convert, quantize it. A MODEL is a .cfg, a .cbm\n"
	       "or the name of one that came with cb, as cb-objects.",
	.children = cb_cli_children,
};

/* --- output: lines of JSON, or tables made of them -------------------------------------------------- */

/* The columns of each table, by the fields of the line that they show; of multiply-adds millions,
 * of microseconds milliseconds. */
static const struct cb_cli_column columns[VERBS][CB_CLI_TABLE_COLUMNS] = {
	[INFO] = { { "layer", "LAYER", 'n' }, { "type", "TYPE", 0 }, { "output", "OUTPUT", 'n' },
		   { "weights", "WEIGHTS", 'n' }, { "macs", "MMACS", 'n' }, { "code", "CODE", 0 } },
	[CHECK] = { { "ok", "OK", 0 }, { "model", "MODEL", 0 }, { "kind", "KIND", 0 },
		    { "sha256", "SHA256", 0 }, { "error", "ERROR", 0 } },
	[BENCH] = { { "threads", "THREADS", 'n' }, { "pictures", "PICTURES", 'n' }, { "min_us", "MIN MS", 'n' },
		    { "median_us", "MEDIAN MS", 'n' }, { "load_us", "LOAD MS", 'n' }, { "bytes", "BYTES", 'n' },
		    { "isa", "ISA", 0 } },
	[QUANTIZE] = { { "layer", "LAYER", 'n' }, { "int8", "INT8", 0 }, { "error", "ERROR", 0 } },
};

struct show {
	const struct opts *o;
	struct cb_out *out;
	struct cb_cli_table table;
	struct cb_json *json;
	struct cb_buf line;
};

static void put_cell(struct show *s, const struct cb_cli_column *c)
{
	uint32_t tok = cb_json_path(s->json, 0, c->key);
	char text[1024] = "";
	double v;

	if (tok == CB_JSON_NONE)
		return;
	if (strstr(c->name, " MS") && cb_json_double(s->json, tok, &v)) {
		snprintf(text, sizeof text, "%.2f", v / 1e3);
	} else if (!strcmp(c->name, "MMACS") && cb_json_double(s->json, tok, &v)) {
		snprintf(text, sizeof text, "%.2f", v / 1e6);
	} else if (cb_json_str(s->json, tok, text, sizeof text) < 0) {
		const struct cb_json_tok *t = &s->json->tok[tok];
		size_t n = 0;

		for (uint32_t i = t->start; i < t->end && n < sizeof text - 1; i++)
			if (!strchr("[]", s->json->text[i]))
				text[n++] = s->json->text[i] == ',' ? 'x' : s->json->text[i];
		text[n] = 0;
	}
	cb_cli_table_str(&s->table, c, text, strlen(text));
}

static int put_line(struct show *s, struct cb_err *err)
{
	if (!s->o->table)
		return cb_buf_byte(&s->line, '\n') < 0 ? cb_err_nomem(err) :
			cb_out_write(s->out, s->line.data, s->line.len, err);
	if (cb_json_parse(s->json, (const char *)s->line.data, s->line.len, err) < 0)
		return -1;
	for (const struct cb_cli_column *c = columns[s->o->verb]; c->key; c++)
		put_cell(s, c);
	return cb_cli_table_row(&s->table, err);
}

/* The totals, a line each. */
static int put_fields(struct show *s, struct cb_err *err)
{
	struct cb_json *j = s->json;

	if (!s->o->table)
		return put_line(s, err);
	if (cb_cli_table_end(&s->table, err) < 0 || cb_out_write(s->out, "\n", 1, err) < 0 ||
	    cb_json_parse(j, (const char *)s->line.data, s->line.len, err) < 0)
		return -1;
	for (uint32_t k = 1; k < j->n; k = j->tok[k + 1].next)
		if (cb_out_printf(s->out, err, "%-9.*s %.*s\n", (int)(j->tok[k].end - j->tok[k].start),
				  j->text + j->tok[k].start, (int)(j->tok[k + 1].end - j->tok[k + 1].start),
				  j->text + j->tok[k + 1].start) < 0)
			return -1;
	return 0;
}

/* --- verbs ------------------------------------------------------------------------------------------ */

static int info(struct show *s, struct cb_inspect *m, struct cb_err *err)
{
	int layers = cb_net_layers(cb_model_net(m->model));

	for (int i = 0; i < layers; i++)
		if (cb_inspect_layer(&s->line, m, i, err) < 0 || put_line(s, err) < 0)
			return -1;
	return cb_inspect_total(&s->line, m, err) < 0 ? -1 : put_fields(s, err);
}

static int bench(struct show *s, struct cb_inspect *m, struct cb_err *err)
{
	const struct opts *o = s->o;
	int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
	int threads[2] = { o->threads ? o->threads : 1, o->threads ? 0 : processors };

	for (int i = 0; i < 2 && threads[i] > i; i++)
		if (cb_inspect_bench(&s->line, m, o->m.isa, threads[i], o->pictures ? o->pictures : 100, err) < 0 ||
		    put_line(s, err) < 0)
			return -1;
	return 0;
}

static void progress(void *ctx, const char *what, int done, int of)
{
	(void)ctx;
	cb_cli_progress("%s: %d of %d", what, done, of);
}

static int quantize(struct show *s, struct cb_inspect *m, struct cb_err *err)
{
	const struct opts *o = s->o;
	struct cb_calibrate_opts co = o->c;
	const struct cb_quantize_layer *l;
	struct cb_calibrated c = { 0 };
	int fd, n, r = -1;

	fd = strcmp(o->frames, "-") ? open(o->frames, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", o->frames);
	co.pictures = o->pictures ? o->pictures : 100;
	co.q.progress = progress;
	if (cb_calibrate(&c, m, fd, &co, err) < 0)
		goto out;
	cb_cli_progress("%s", "");
	n = cb_quantizer_layers(c.q, &l);
	for (int i = 0; i < n; i++)
		if (cb_calibrated_layer(&s->line, o->output, &l[i], err) < 0 || put_line(s, err) < 0)
			goto out;
	if (cb_pack_convert(o->output, &c.pack, o->force, err) == 0 &&
	    cb_calibrated_total(&s->line, &c, o->output, err) == 0)
		r = put_fields(s, err);
out:
	cb_calibrated_release(&c);
	if (fd != STDIN_FILENO)
		close(fd);
	return r;
}

/* Every model is looked at; the first one's fault is the tool's. */
static int check(struct show *s, struct cb_model_opts *mo, struct cb_err *err)
{
	struct cb_err first = CB_ERR_INIT;

	for (int i = 0; i < s->o->n && !cb_stop_wanted(); i++) {
		struct cb_err why = CB_ERR_INIT;
		struct cb_inspect m;
		int r;

		mo->cfg = s->o->models[i];
		if (cb_inspect_open(&m, mo, &why) == 0)
			cb_inspect_try(&m, &why);
		r = cb_inspect_verdict(&s->line, &m, &why, err);
		cb_inspect_close(&m);
		if (r < 0 || put_line(s, err) < 0)
			return -1;
		if (why.code && !first.code)
			first = why;
	}
	if (first.code)
		*err = first;
	return first.code ? -1 : 0;
}

static int digest(struct show *s, struct cb_model_opts *mo, struct cb_err *err)
{
	for (int i = 0; i < s->o->n; i++) {
		struct cb_model_opts o = *mo;
		struct cb_shipped at = { 0 };
		struct cb_pack p = { 0 };
		int r = -1;

		o.cfg = s->o->models[i];
		if (cb_shipped_find(&at, &o, err) == 0 &&
		    cb_pack_read_model(&p, o.cfg, o.weights, o.names, err) == 0)
			r = cb_inspect_listing(&s->line, s->o->models[i], &p, err);
		cb_pack_release(&p);
		cb_shipped_release(&at);
		if (r < 0 || cb_out_write(s->out, s->line.data, s->line.len, err) < 0)
			return -1;
	}
	return 0;
}

static int run(struct opts *o, struct cb_out *out, struct cb_err *err)
{
	struct show s = { .o = o, .out = out, .json = malloc(sizeof *s.json) };
	struct cb_inspect m = { 0 };
	int r = -1;

	cb_cli_table_init(&s.table, out, columns[o->verb], cb_terminal_width(out->fd));
	o->m.cfg = o->models[0];
	if (!s.json)
		cb_err_nomem(err);
	else if (o->verb == CHECK)
		r = check(&s, &o->m, err);
	else if (o->verb == DIGEST)
		r = digest(&s, &o->m, err);
	else if (cb_inspect_open(&m, &o->m, err) == 0)
		r = o->verb == INFO ? info(&s, &m, err) : o->verb == BENCH ? bench(&s, &m, err) :
			o->verb == QUANTIZE ? quantize(&s, &m, err) : cb_pack_convert(o->output, &m.pack, o->force, err);
	if (cb_cli_table_end(&s.table, r < 0 ? NULL : err) < 0)
		r = -1;
	cb_inspect_close(&m);
	cb_cli_table_release(&s.table);
	cb_buf_release(&s.line);
	free(s.json);
	return r;
}

/* A model's other files, and the list's signature, lie beside them. Calibrating and timing compile
 * anew all the time. */
static int lock_in(const struct opts *o, struct cb_err *err)
{
	char *shipped = NULL;
	int ret;

	cb_shipped_path(&shipped, CB_SHIPPED_LIST, NULL);
	ret = cb_cli_sandbox(&(struct cb_sandbox){
		.may = CB_MAY_THREAD | (o->verb == DIGEST ? 0 : CB_MAY_JIT),
		.read = { o->m.weights, o->m.names, o->m.list_key, o->frames },
		.read_beside = { shipped, o->m.list },
		.write_beside = { o->output },
		.list = { { (const char *const *)o->models, (size_t)o->n, CB_SANDBOX_READ_BESIDE } },
	}, err);
	free(shipped);
	return ret;
}

int main(int argc, char **argv)
{
	static struct cb_out out;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	struct opts o;
	int ofd;

	cb_cli_parse("cb-model", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (o.table < 0)
		o.table = isatty(STDOUT_FILENO);
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && lock_in(&o, &err) == 0) {
		cb_out_init(&out, ofd);
		run(&o, &out, &err);
		if (cb_out_close(&out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
