/* SPDX-License-Identifier: Apache-2.0 */
/* cb-mux: a frame stream as a standard container. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "media/mux.h"
#include "wire/frame.h"

struct opts {
	int format;
	const char *output;
};

static const struct argp_option options[] = {
	{ "format", 'f', "TYPE", 0, "matroska, mpegts, mp4 or mov", 1 },
	{ "output", 'o', "FILE", 0, "Write to FILE (stdout)", 1 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case 'f':
		o->format = cb_container_find(arg);
		if (o->format < 0)
			argp_error(st, "--format: '%s' is none of matroska, mpegts, mp4, mov", arg);
		return 0;
	case 'o':
		o->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(st, "too many operands");
		return 0;
	case ARGP_KEY_END:
		if (o->format < 0)
			argp_error(st, "--format is needed: matroska, mpegts, mp4 or mov");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .children = cb_cli_children,
	.doc = "Write a frame stream as a container that players and other tools read.",
};

static void warning(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_warn("%s", text);
}

/* --- the output ------------------------------------------------------------------------------ */

/* A file appears under its name when its container is complete; until then what stood there
 * stays. What is no regular file, a FIFO or a device, is written as it is. */
struct output {
	const char *name;	/* for messages; NULL: standard output */
	char *path, *part;	/* part: to be renamed to path */
	mode_t mode;		/* of the file that is replaced, or 0 */
	int fd;
};

static int output_open(struct output *o, const char *name, struct cb_err *err)
{
	struct stat st;
	bool there;

	o->name = name;
	there = stat(name, &st) == 0;
	if (there && !S_ISREG(st.st_mode)) {
		o->fd = open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		if (o->fd < 0)
			return cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", name);
		return cb_cli_refuse_tty(o->fd, err);
	}
	/* a link stays, and what it leads to is replaced; a file that may not be written is not */
	o->path = there ? realpath(name, NULL) : strdup(name);
	if (!o->path || (there && access(o->path, W_OK) < 0))
		return cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", name);
	o->mode = there ? st.st_mode & 0777 : 0;
	if (asprintf(&o->part, "%s.%d.part", o->path, (int)getpid()) < 0) {
		o->part = NULL;
		return cb_err_nomem(err);
	}
	o->fd = open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, there ? o->mode & 0600 : 0666);
	if (o->fd < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", name);
		free(o->part);
		o->part = NULL;
		return -1;
	}
	return 0;
}

/* Close, and with keep give the file its name. Standard output is closed as well. */
static int output_close(struct output *o, bool keep, struct cb_err *err)
{
	int ret = 0;

	if (keep && o->part && ((o->mode && fchmod(o->fd, o->mode) < 0) || fsync(o->fd) < 0))
		ret = cb_err_sys(err, CB_E_IO, errno, "%s", o->name);
	if (o->fd >= 0 && close(o->fd) < 0 && ret == 0)
		ret = cb_err_sys(err, CB_E_IO, errno, "%s", o->name ? o->name : "output");
	if (keep && o->part && ret == 0 && rename(o->part, o->path) < 0)
		ret = cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", o->name);
	if (o->part && (!keep || ret < 0))
		unlink(o->part);
	free(o->part);
	free(o->path);
	return ret;
}

static void warn_gap(const struct cb_gap *g)
{
	char missing[48] = "";

	if (g->packets)
		snprintf(missing, sizeof(missing), ", %" PRIu64 " packets missing", g->packets);
	cb_cli_warn("gap (%s)%s: %s", cb_gap_reason_name(g->reason), missing, g->text);
}

/* Can what was written be gone back to? */
static bool seekable(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flags >= 0 && !(flags & O_APPEND);
}

/* --- frames in --------------------------------------------------------------------------------- */

static void flush(void *ctx)
{
	cb_mux_flush(ctx);
}

/* Everything from the reader into the container, which is completed also where the input
 * ended badly; the first reason is what is reported. True: the container is complete. */
static bool run(const struct opts *o, struct cb_reader *in, int fd, struct cb_mux **ret,
		struct cb_err *err)
{
	struct cb_err late = CB_ERR_INIT;
	struct cb_mux *m = NULL;
	struct cb_packet p;
	struct cb_stream s;
	struct cb_hello h;
	struct cb_frame f;
	struct cb_gap g;
	int r;

	while ((r = cb_reader_next(in, &f, err)) > 0) {
		if (!m && f.type != CB_FRAME_HELLO) {
			r = cb_err_set(err, CB_E_DATA, "no HELLO at the beginning");
			break;
		}
		switch (f.type) {
		case CB_FRAME_HELLO:
			r = cb_hello_parse(&h, &f, err);
			if (r == 0 && !m)
				r = cb_mux_new(&m, (enum cb_container)o->format, fd, seekable(fd), h.wall_ns, warning,
					       NULL, err);
			*ret = in->ctx = m;
			in->before_block = m ? flush : NULL;
			break;
		case CB_FRAME_STREAM:
			r = cb_stream_parse(&s, &f, err);
			if (r == 0)
				r = cb_mux_stream(m, f.stream, &s, err);
			break;
		case CB_FRAME_PACKET:
			r = cb_packet_parse(&p, &f, err);
			if (r == 0)
				r = cb_mux_packet(m, f.stream, &p, err);
			break;
		case CB_FRAME_PICTURE:
			r = cb_err_set(err, CB_E_DATA, "stream %u: raw pictures; a container takes coded ones", f.stream);
			break;
		case CB_FRAME_GAP:
			r = cb_gap_parse(&g, &f, err);
			if (r == 0) {
				cb_mux_gap(m);
				warn_gap(&g);
			}
			break;
		default:
			break;
		}
		if (r < 0)
			break;
	}
	if (r == 0)
		r = cb_reader_finish(in, err);
	if (cb_stop_wanted() && !err->code && (!m || !cb_mux_begun(m))) {
		cb_cli_warn("stopped before a packet came: nothing is written");
		return false;
	}
	if (!m)
		return false;
	if (cb_mux_finish(m, &late) == 0)
		return true;
	if (!err->code || late.code == CB_E_IO)
		*err = late;
	return false;
}

int main(int argc, char **argv)
{
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	struct output out = { .fd = -1 };
	struct opts o = { .format = -1 };
	struct cb_mux *m = NULL;
	struct cb_reader in;
	bool keep = false;

	cb_cli_parse("cb-mux", &argp, argc, argv, &o);
	cb_stop_install(false);
	cb_reader_init(&in, STDIN_FILENO);
	if (o.output && strcmp(o.output, "-") != 0) {
		if (output_open(&out, o.output, &err) < 0)
			goto out;
	} else if (cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0 || (out.fd = cb_stdout_take(&err)) < 0) {
		goto out;
	}
	if (cb_cli_sandbox(&(struct cb_sandbox){ .write_beside = { out.path }, .memory = UINT64_C(2) << 30 }, &err) < 0)
		goto out;
	cb_pipe_grow(STDIN_FILENO, 256 << 10);
	cb_pipe_grow(out.fd, 256 << 10);
	keep = run(&o, &in, out.fd, &m, &err);
	if (out.name && !keep && err.code == CB_E_IO)
		cb_err_prefix(&err, "%s", out.name);
	if (m && cb_mux_moved(m))
		cb_cli_warn("times that did not rise were moved: %" PRIu64 " packets", cb_mux_moved(m));
out:
	cb_mux_free(m);
	cb_reader_release(&in);
	if (output_close(&out, keep, &late) < 0 && (!err.code || err.code == CB_E_DATA))
		err = late;
	return cb_cli_finish(&err);
}
