/* SPDX-License-Identifier: Apache-2.0 */
/* cb-ingest: a file, pipe, address or device as a frame stream. */
#include <unistd.h>

#include "base/num.h"
#include "cli/cli.h"
#include "live/helper.h"
#include "live/spec.h"
#include "wire/frame.h"
#include "wire/source.h"

enum {
	OPT_CAMERA = CB_OPT_BASE, OPT_START, OPT_REALTIME, OPT_DURATION, OPT_STREAMS, OPT_FPS,
	OPT_CREDENTIALS, OPT_CA, OPT_TIMEOUT,
};

static const struct argp_option options[] = {
	{ "camera", OPT_CAMERA, "NAME", 0, "Name of the camera (from the source's name)", 1 },
	{ "start-time", OPT_START, "TIME", 0, "Wall clock of the first packet", 1 },
	{ "duration", OPT_DURATION, "DURATION", 0, "Stop after so much media time", 1 },
	{ "streams", OPT_STREAMS, "LIST", 0, "Only these: v, a, d or numbers, between commas", 1 },
	{ "fps", OPT_FPS, "N", 0, "Pictures a second of raw video or of a device", 1 },
	{ "realtime", OPT_REALTIME, NULL, 0, "Deliver a file at its own pace, as a live source", 1 },
	{ "credentials", OPT_CREDENTIALS, "FILE", 0, "USER:PASSWORD from FILE or fd:N", 2 },
	{ "ca-file", OPT_CA, "FILE", 0, "Certificates (PEM) to trust instead of the system's", 2 },
	{ "timeout", OPT_TIMEOUT, "DURATION", 0, "Give up when nothing comes for so long (10 s)", 2 },
	{ 0 },
};

/* What only an address has a use for is refused elsewhere: it would seem to be in force. */
static void check_source(struct argp_state *st, const struct cb_spec *o)
{
	enum cb_source_kind kind;

	if (!o->source || !*o->source)
		argp_error(st, "a source is needed: a file, -, http(s)://, rtsp:// or /dev/videoN");
	if (cb_source_kind(&kind, o->source, NULL) < 0 || kind == CB_SOURCE_HTTP ||
	    kind == CB_SOURCE_HTTPS || kind == CB_SOURCE_RTSP)
		return;
	if (o->credentials || o->ca_file)
		argp_error(st, "%s goes with an address", o->credentials ? "--credentials" : "--ca-file");
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct cb_spec *o = st->input;

	switch (key) {
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		o->camera = arg;
		return 0;
	case OPT_START:
		o->start_ns = cb_cli_time_ns(st, "start-time", arg);
		o->have_start = true;
		return 0;
	case OPT_DURATION:
		o->duration_ns = cb_cli_duration_ns(st, "duration", arg);
		if (o->duration_ns <= 0)
			argp_error(st, "--duration: '%s' is not a positive duration", arg);
		return 0;
	case OPT_STREAMS:
		o->streams = arg;
		return 0;
	case OPT_FPS:
		if (!cb_parse_rational(arg, &o->fps_num, &o->fps_den))
			argp_error(st, "--fps: '%s' is not a rate (25, 29.97, 30000/1001)", arg);
		return 0;
	case OPT_REALTIME:
		o->realtime = true;
		return 0;
	case OPT_CREDENTIALS:
		o->credentials = arg;
		return 0;
	case OPT_CA:
		o->ca_file = arg;
		return 0;
	case OPT_TIMEOUT:
		o->timeout_ns = cb_cli_duration_ns(st, "timeout", arg);
		if (o->timeout_ns <= 0)
			argp_error(st, "--timeout: '%s' is not a positive duration", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (o->source)
			argp_error(st, "more than one source");
		o->source = arg;
		return 0;
	case ARGP_KEY_END:
		check_source(st, o);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "SOURCE", .children = cb_cli_children,
	.doc = "Turn a file, a container on stdin (-), an address or a V4L2 device into a frame stream.",
};

int main(int argc, char **argv)
{
	struct cb_spec o = CB_SPEC_INIT;
	struct cb_err err = CB_ERR_INIT;

	cb_cli_parse("cb-ingest", &argp, argc, argv, &o);
	o.quiet = cb_cli_quiet;
	o.verbose = cb_cli_verbose;
	if (cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		return cb_cli_finish(&err);
	if (cb_url_has_userinfo(o.source))
		cb_cli_warn("every user of this machine can see the password in the address: use --credentials");
	cb_helper_become("cb-libav", &o, &err);
	return cb_cli_finish(&err);
}
