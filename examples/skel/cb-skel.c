/* SPDX-License-Identifier: Apache-2.0 */
/* cb-skel: count the packets of each elementary stream of a frame stream. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "wire/frame.h"

struct opts {
	const char *path;
	uint64_t limit;
};

enum { OPT_LIMIT = CB_OPT_BASE };

static const struct argp_option options[] = {
	{ "limit", OPT_LIMIT, "N", 0, "Stop after N packets", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case OPT_LIMIT:
		o->limit = cb_cli_u64(st, "limit", arg, 1, UINT32_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (o->path)
			argp_error(st, "too many operands");
		o->path = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "[FILE]",
	.doc = "Count the packets of each elementary stream of a frame stream.",
	.children = cb_cli_children,
};

static int run(const struct opts *o, int fd, struct cb_out *out, struct cb_err *err)
{
	uint64_t packets[CB_STREAMS_MAX] = { 0 }, n = 0;
	struct cb_reader r;
	struct cb_frame f;
	struct cb_packet p;
	int k, ret = -1;

	cb_reader_init(&r, fd);
	while ((k = cb_reader_next(&r, &f, err)) > 0) {
		if (f.type != CB_FRAME_PACKET)
			continue;
		if (cb_packet_parse(&p, &f, err) < 0)
			goto out;
		packets[f.stream % CB_STREAMS_MAX]++;
		if (++n == o->limit)
			break;
	}
	if (k < 0)
		goto out;
	for (int i = 0; i < CB_STREAMS_MAX; i++)
		if (packets[i] && cb_out_printf(out, err, "%d %" PRIu64 "\n", i, packets[i]) < 0)
			goto out;
	ret = o->limit && n == o->limit ? 0 : cb_reader_finish(&r, err);
out:
	cb_reader_release(&r);
	return ret;
}

int main(int argc, char **argv)
{
	static struct cb_out out;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	struct opts o = { 0 };
	int fd = STDIN_FILENO, ofd;

	cb_cli_parse("cb-skel", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (o.path && strcmp(o.path, "-") != 0 &&
	    (fd = open(o.path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
		cb_err_sys(&err, cb_errc_open(errno), errno, "%s", o.path);
		return cb_cli_finish(&err);
	}
	ofd = cb_stdout_take(&err);
	/* nothing but what is open */
	if (ofd >= 0 && cb_cli_sandbox(&(struct cb_sandbox){ 0 }, &err) == 0) {
		cb_out_init(&out, ofd);
		if (run(&o, fd, &out, &err) < 0 && err.code == CB_E_DATA)
			cb_err_prefix(&err, "%s", o.path ? o.path : "stdin");
		if (cb_out_close(&out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
