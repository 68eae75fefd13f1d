/* SPDX-License-Identifier: Apache-2.0 */
/* Options, messages and exit status, the same in every tool. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"

enum { O_DUMP = 0x7001, O_SANDBOX, O_SELF_TEST };

bool cb_cli_quiet, cb_cli_verbose;
enum cb_sandbox_mode cb_cli_sandbox_mode;

static const struct argp *root;
static const char *prog_name;
static int test_fd = -1;	/* where the self-test prints: stdout before it is taken */
static size_t progress_len;	/* columns of the progress line on the screen */

static const struct argp_option common[] = {
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ "quiet", 'q', NULL, 0, "Only report errors", -1 },
	{ "verbose", 'v', NULL, 0, "Say more on stderr", -1 },
	{ "sandbox", O_SANDBOX, "TYPE", 0, "Lock in: auto, require or off (auto)", -1 },
	{ "sandbox-self-test", O_SELF_TEST, NULL, OPTION_HIDDEN, "Try what the sandbox forbids", 0 },
	{ "dump-options", O_DUMP, NULL, OPTION_HIDDEN, "Print the option table as TSV", 0 },
	{ 0 },
};

static void dump(const struct argp *a)
{
	for (const struct argp_option *o = a->options;
	     o && (o->name || o->key || o->doc || o->group); o++)
		if (o->name && !(o->flags & (OPTION_HIDDEN | OPTION_DOC)))
			printf("%s\t%c\t%s\t%s\n", o->name,
			       o->key > ' ' && o->key < 127 ? o->key : '-',
			       o->arg ? o->arg : "-", o->doc);
	for (const struct argp_child *c = a->children; c && c->argp; c++)
		dump(c->argp);
}

void cb_cli_sandbox_set(enum cb_sandbox_mode mode, bool self_test)
{
	cb_cli_sandbox_mode = mode;
	if (self_test && test_fd < 0)
		test_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

bool cb_cli_self_test(void)
{
	return test_fd >= 0;
}

static error_t parse_common(int key, char *arg, struct argp_state *st)
{
	switch (key) {
	case 'h':
		argp_state_help(st, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case 'q':
		cb_cli_quiet = true;
		return 0;
	case 'v':
		cb_cli_verbose = true;
		return 0;
	case O_SANDBOX:
		cb_cli_sandbox_mode = (enum cb_sandbox_mode)cb_cli_word(st, "sandbox", "auto|require|off", arg);
		return 0;
	case O_SELF_TEST:
		cb_cli_sandbox_set(cb_cli_sandbox_mode, true);
		return 0;
	case O_DUMP:
		dump(root);
		exit(EXIT_SUCCESS);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp common_argp = { .options = common, .parser = parse_common };
const struct argp_child cb_cli_children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static void close_stdout(void)
{
	bool failed = ferror(stdout);

	errno = 0;
	failed |= fclose(stdout) != 0;
	if (failed && errno != EPIPE) {
		cb_cli_warn("stdout: %s", strerror(errno ? errno : EIO));
		_exit(EX_IOERR);
	}
}

/* The write function behind stderr: no byte of foreign text steers the terminal. */
static ssize_t write_safe(void *cookie, const char *s, size_t n)
{
	char text[4096];
	size_t done = 0;

	(void)cookie;
	while (done < n) {
		size_t k = n - done < sizeof(text) / 2 ? n - done : sizeof(text) / 2;
		size_t len = cb_text_safe(text, sizeof(text), s + done, k, true);

		if (cb_write_all(STDERR_FILENO, text, len, NULL) < 0)
			break;
		done += k;
	}
	return (ssize_t)n;
}

/* The same while options are parsed: getopt's and argp's complaints quote what was typed, and
 * a line feed in that must not begin a line. The last "\nTry `" is argp's own. */
static ssize_t write_complaint(void *cookie, const char *s, size_t n)
{
	static const char hint[] = "\nTry `";
	const char *end = s + n;
	char text[4096];
	size_t len;

	if (n > 7 && memcmp(s, "Usage: ", 7) == 0)
		return write_safe(cookie, s, n);
	for (const char *p = s; (p = memmem(p, (size_t)(s + n - p), hint, sizeof(hint) - 1)); p++)
		end = p;
	if (end == s + n && n && s[n - 1] == '\n')
		end--;
	for (const char *p = s; p < end;) {
		size_t k = (size_t)(end - p) < sizeof(text) / 2 ? (size_t)(end - p) : sizeof(text) / 2;

		len = cb_text_safe(text, sizeof(text), p, k, false);
		if (cb_write_all(STDERR_FILENO, text, len, NULL) < 0)
			return (ssize_t)n;
		p += k;
	}
	write_safe(cookie, end, (size_t)(s + n - end));
	return (ssize_t)n;
}

static void print_version(FILE *f, struct argp_state *st)
{
	(void)st;
	fprintf(f, "%s %s\n", prog_name, CB_VERSION);
}

void cb_cli_parse(const char *prog, const struct argp *argp, int argc, char **argv, void *opts)
{
	static char err_buf[16384], line_buf[4096];
	FILE *safe;
	bool terse;

	/* a descriptor 0..2 that the caller closed must not become one of our files: it is one
	 * that cannot be read or written, so that its use is an error and not an empty input */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EX_OSERR);
	/* a whole complaint at a time */
	safe = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = write_complaint });
	if (safe) {
		setvbuf(safe, err_buf, _IOFBF, sizeof(err_buf));
		stderr = safe;
	}
	prog_name = prog;
	argv[0] = (char *)prog;
	argp_program_version_hook = print_version;
	argp_err_exit_status = EX_USAGE;
	atexit(close_stdout);
	root = argp;
	/* a screen is short: leave out argp's paragraph on options that have two names */
	terse = setenv("ARGP_HELP_FMT", "no-dup-args-note", 0) == 0 &&
		strcmp(getenv("ARGP_HELP_FMT"), "no-dup-args-note") == 0;
	if (argp_parse(argp, argc, argv, 0, NULL, opts))
		exit(EX_OSERR);
	if (terse)
		unsetenv("ARGP_HELP_FMT");
	if (safe)
		fclose(safe);
	safe = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = write_safe });
	if (!safe)
		exit(EX_OSERR);
	setvbuf(safe, line_buf, _IOLBF, sizeof(line_buf));
	stderr = safe;
}

uint64_t cb_cli_u64(struct argp_state *st, const char *opt, const char *arg, uint64_t min,
		    uint64_t max)
{
	uint64_t v = 0;

	if (!cb_parse_u64(arg, min, max, &v))
		argp_error(st, "--%s: '%s' is not a number from %ju to %ju", opt, arg,
			   (uintmax_t)min, (uintmax_t)max);
	return v;
}

double cb_cli_double(struct argp_state *st, const char *opt, const char *arg, double min, double max)
{
	double v = 0;

	if (!cb_parse_double(arg, min, max, &v))
		argp_error(st, "--%s: '%s' is not a number from %g to %g", opt, arg, min, max);
	return v;
}

uint64_t cb_cli_bytes(struct argp_state *st, const char *opt, const char *arg)
{
	uint64_t n = 0;

	if (!cb_parse_bytes(arg, &n))
		argp_error(st, "--%s: '%s' is not a size (1000000, 500M, 20G, 2T)", opt, arg);
	return n;
}

int64_t cb_cli_duration_ns(struct argp_state *st, const char *opt, const char *arg)
{
	int64_t v = 0;

	if (!cb_parse_duration(arg, &v))
		argp_error(st, "--%s: '%s' is not a duration (90, 500ms, 2m, 1:30)", opt, arg);
	return v;
}

int64_t cb_cli_duration_in(struct argp_state *st, const char *opt, const char *arg, int64_t min_ns, int64_t max_ns,
			   const char *need)
{
	int64_t v = cb_cli_duration_ns(st, opt, arg);

	if (v < min_ns || v > max_ns)
		argp_error(st, "--%s: '%s' is not %s", opt, arg, need);
	return v;
}

int64_t cb_cli_time_ns(struct argp_state *st, const char *opt, const char *arg)
{
	int64_t v = 0;

	if (!cb_parse_time(arg, &v))
		argp_error(st, "--%s: '%s' is not a time (2026-11-21T07:54:42Z, 2026-11-21, @SECONDS, now-1h)",
			   opt, arg);
	return v;
}

void cb_cli_text(struct argp_state *st, const char *opt, const char *arg, char *out, size_t cap)
{
	if (!*arg || strlen(arg) >= cap)
		argp_error(st, "--%s: 1 to %zu bytes are needed", opt, cap - 1);
	cb_text_safe(out, cap, arg, strlen(arg), false);
	if (strcmp(out, arg) != 0)
		argp_error(st, "--%s: it has control characters, or is no UTF-8", opt);
}

int cb_cli_word(struct argp_state *st, const char *opt, const char *words, const char *arg)
{
	char list[200] = "";
	size_t n = strlen(arg);
	int i = 0;

	for (const char *p = words;; i++) {
		size_t len = strcspn(p, "|");

		if (len == n && memcmp(p, arg, n) == 0)
			return i;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%.*s", i ? ", " : "", (int)len, p);
		if (!p[len])
			break;
		p += len + 1;
	}
	argp_error(st, "%s%s%s'%s' is none of %s", opt ? "--" : "", opt ? opt : "", opt ? ": " : "", arg, list);
	return 0;
}

/* One message in one write, after taking a progress line off the screen. */
static void say(const char *kind, const char *fmt, va_list ap)
{
	char raw[2048], text[2048];

	cb_cli_progress("%s", "");
	vsnprintf(raw, sizeof(raw), fmt, ap);
	cb_text_safe(text, sizeof(text), raw, strlen(raw), false);
	fprintf(stderr, "%s: %s%s\n", prog_name, kind, text);
	fflush(stderr);
}

void cb_cli_warn(const char *fmt, ...)
{
	va_list ap;

	if (cb_cli_quiet)
		return;
	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

void cb_cli_warn_text(void *unused, const char *text)
{
	(void)unused;
	cb_cli_warn("%s", text);
}

void cb_cli_note(const char *fmt, ...)
{
	va_list ap;

	if (!cb_cli_verbose)
		return;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void cb_cli_progress(const char *fmt, ...)
{
	static int64_t last;
	static int tty = -1;
	char raw[512], text[512], line[1100];
	int64_t now;
	struct winsize ws = { 0 };
	size_t n, cols;
	va_list ap;
	int k;

	if (tty < 0) {
		const char *term = getenv("TERM");

		tty = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
	}
	if (!tty || cb_cli_quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (!*raw) {
		if (!progress_len)
			return;
	} else {
		now = cb_now_mono_ns();
		if (last && now - last < CB_NS_PER_S / 10)
			return;
		last = now;
	}
	cols = ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 1 ? ws.ws_col - 1u : 79;
	n = cb_text_safe(text, cols < sizeof(text) ? cols + 1 : sizeof(text), raw, strlen(raw), false);
	k = snprintf(line, sizeof(line), "\r%s%*s\r%s", text,
		     progress_len > n ? (int)(progress_len - n) : 0, "", text);
	progress_len = n;
	cb_write_all(STDERR_FILENO, line, (size_t)k, NULL);
}

/* Names and outcomes are our own words: nothing in them is to be escaped. */
static void tell_probe(void *ctx, const struct cb_probe *p)
{
	static const char *const verdict[] = { "refused", "done", "allowed", "skipped" };
	struct cb_err *err = ctx;
	char line[512];
	int n;

	n = snprintf(line, sizeof(line), "{\"tool\":\"%s\",\"probe\":\"%s\",\"verdict\":\"%s\"", prog_name, p->name,
		     verdict[p->verdict]);
	if (*p->inside)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ",\"inside\":\"%s\",\"outside\":\"%s\"", p->inside,
			      p->outside);
	if (p->why)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ",\"why\":\"%s\"", p->why);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "}\n");
	if (!err->code)
		cb_write_all(test_fd, line, (size_t)n, err);
}

static _Noreturn void self_test(const struct cb_sandbox *s)
{
	struct cb_err err = CB_ERR_INIT, out = CB_ERR_INIT;
	int done = cb_sandbox_test(s, cb_cli_sandbox_mode, tell_probe, &out, &err);

	if (done > 0)
		cb_err_set(&err, CB_E_NO, "sandbox: %d forbidden things were possible", done);
	exit(cb_cli_finish(out.code ? &out : &err));
}

int cb_cli_sandbox(const struct cb_sandbox *s, struct cb_err *err)
{
	struct cb_sandbox_level level;
	char text[CB_SANDBOX_TEXT];

	if (test_fd >= 0)
		self_test(s);
	if (cb_sandbox_enter(s, cb_cli_sandbox_mode, &level, err) < 0)
		return -1;
	cb_sandbox_text(text, &level);
	cb_cli_note("sandbox: %s", text);
	return 0;
}

int cb_cli_refuse_tty(int fd, struct cb_err *err)
{
	if (isatty(fd))
		return cb_err_set(err, CB_E_USAGE,
				  "stdout: a terminal cannot show this; pipe it or write it to a file");
	return 0;
}

int cb_cli_finish(const struct cb_err *err)
{
	cb_cli_progress("%s", "");
	if (err->code == CB_OK)
		return 0;
	if (*err->msg) {
		char text[2 * sizeof(err->msg)];

		cb_text_safe(text, sizeof(text), err->msg, strlen(err->msg), false);
		fprintf(stderr, "%s: %s\n", prog_name, text);
		fflush(stderr);
	}
	return (int)err->code;
}
