/* SPDX-License-Identifier: Apache-2.0 */
/* cb-ingest: a file, pipe, address or device as a frame stream. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "live/helper.h"
#include "live/live.h"
#include "live/spec.h"
#include "wire/frame.h"
#include "wire/source.h"

enum {
	OPT_CAMERA = CB_OPT_BASE, OPT_START, OPT_REALTIME, OPT_DURATION, OPT_STREAMS, OPT_FPS,
	OPT_CREDENTIALS, OPT_CA, OPT_TIMEOUT, OPT_RETRY, OPT_RETRY_FIRST,
	OPT_TRANSPORT, OPT_PIN,
};

struct opts {
	struct cb_spec s;
	enum cb_source_kind kind;
	int retry;		/* enum cb_retry; -1: as the source has it */
	int64_t retry_ns;
	bool transport;		/* was given */
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
	{ "pin", OPT_PIN, "LIST", 0, "SHA-256 of the key that rtsps:// must have", 2 },
	{ "transport", OPT_TRANSPORT, "tcp|udp", 0, "How an rtsp:// camera sends its media (tcp)", 2 },
	{ "timeout", OPT_TIMEOUT, "DURATION", 0, "Give up when nothing comes for so long (10 s)", 2 },
	{ "retry", OPT_RETRY, "never|later|always", 0,
	  "Connect again: never, once media has come (rtsp), or always", 2 },
	{ "retry-first", OPT_RETRY_FIRST, "DURATION", OPTION_HIDDEN, "The first wait (for tests)", 2 },
	{ 0 },
};

static bool rtsp(enum cb_source_kind k)
{
	return k == CB_SOURCE_RTSP || k == CB_SOURCE_RTSPS;
}

static bool network(enum cb_source_kind k)
{
	return k == CB_SOURCE_HTTP || k == CB_SOURCE_HTTPS || rtsp(k);
}

/* What only some sources have a use for is refused elsewhere: it would seem to be in force. */
static void check_source(struct argp_state *st, struct opts *o)
{
	if (!o->s.source || !*o->s.source)
		argp_error(st, "a source is needed: a file, -, http(s)://, rtsp(s):// or /dev/videoN");
	if (cb_source_kind(&o->kind, o->s.source, NULL) < 0)
		return;		/* said later, with its reason */
	if ((o->s.credentials || o->s.ca_file) && !network(o->kind))
		argp_error(st, "%s goes with an address", o->s.credentials ? "--credentials" : "--ca-file");
	if ((o->transport && !rtsp(o->kind)) || (o->s.pin && o->kind != CB_SOURCE_RTSPS))
		argp_error(st, "%s goes with rtsp%s://", o->s.pin ? "--pin" : "--transport", o->s.pin ? "s" : "");
	if (o->s.udp && o->kind == CB_SOURCE_RTSPS)
		argp_error(st, "--transport=udp: what goes by UDP would not be encrypted");
	if (o->s.fps_num && rtsp(o->kind))
		argp_error(st, "--fps is for raw video and devices");
	if (o->retry >= 0 && !network(o->kind) && o->kind != CB_SOURCE_V4L2)
		argp_error(st, "--retry goes with an address or a device");
	if (o->retry < 0)
		o->retry = rtsp(o->kind) ? CB_RETRY_LATER : CB_RETRY_NEVER;
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *opts = st->input;
	struct cb_spec *o = &opts->s;

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
	case OPT_RETRY:
		opts->retry = cb_cli_word(st, "retry", "never|later|always", arg);
		return 0;
	case OPT_TRANSPORT:
		opts->transport = true;
		o->udp = cb_cli_word(st, "transport", "tcp|udp", arg) == 1;
		return 0;
	case OPT_PIN:
		o->pin = arg;
		return 0;
	case OPT_RETRY_FIRST:
		opts->retry_ns = cb_cli_duration_ns(st, "retry-first", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (o->source)
			argp_error(st, "more than one source");
		o->source = arg;
		return 0;
	case ARGP_KEY_END:
		check_source(st, opts);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "SOURCE", .children = cb_cli_children,
	.doc = "Turn a file, a container on stdin (-), an address or a V4L2 device into a frame stream.",
};

static void warn(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_warn("%s", text);
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_note("%s", text);
}

static void progress(void *ctx, int64_t since_ns, uint64_t bytes)
{
	int64_t s = since_ns / CB_NS_PER_S;

	(void)ctx;
	if (since_ns > 0)
		cb_cli_progress("%d:%02d:%02d  %.1f MiB  %.2f Mbit/s", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60),
				(double)bytes / 1048576, (double)bytes * 8e3 / (double)since_ns);
}

/* Its workers, and nothing else, can be started; they give up more. */
static int lock_in(const struct opts *o, const char *program, struct cb_err *err)
{
	struct cb_sandbox s = {
		/* local sockets: what names are looked up by */
		.may = CB_MAY_RUN | CB_MAY_THREAD | CB_MAY_CONNECT | CB_MAY_RESOLVE | CB_MAY_LOCAL,
		.read = { o->s.ca_file ? o->s.ca_file : "/etc/ssl", "/etc/gnutls" },
	};
	char *path = NULL;
	int ret;

	if (o->kind == CB_SOURCE_V4L2) {
		s.may = CB_MAY_RUN | CB_MAY_THREAD | CB_MAY_VIDEO;
		s.read[0] = o->s.source;
	}
	if (cb_libexec_path(&path, program, err) < 0)
		return -1;
	s.run[0] = path;
	ret = cb_cli_sandbox(&s, err);
	free(path);
	return ret;
}

/* Connections in processes of their own, behind an output that stays. */
static int live(const struct opts *o, struct cb_err *err)
{
	char camera[CB_NAME_MAX + 1], shown[1024], *secret = NULL;
	struct cb_live_opts lo = { .program = rtsp(o->kind) ? "cb-rtsp" : "cb-libav", .spec = o->s, .camera = camera, .shown = shown,
				   .retry = (enum cb_retry)o->retry, .retry_ns = o->retry_ns, .warn = warn, .note = note,
				   .progress = progress };
	struct cb_writer w;
	int fd, ret = -1;

	if (o->s.camera)
		snprintf(camera, sizeof(camera), "%s", o->s.camera);
	else
		cb_source_camera(camera, o->s.source);
	lo.spec.camera = camera;
	cb_url_redact(shown, sizeof(shown), o->s.source);
	lo.live = o->kind != CB_SOURCE_HTTP && o->kind != CB_SOURCE_HTTPS;
	if (o->s.credentials && cb_credentials_read(&secret, o->s.credentials, err) < 0)
		return -1;
	lo.secret = secret;
	fd = cb_stdout_take(err);
	if (fd >= 0 && lock_in(o, lo.program, err) == 0) {
		cb_writer_init(&w, fd);
		ret = cb_live_run(&lo, &w, err);
		if (w.dropped)
			cb_cli_warn("%" PRIu64 " packets dropped: the reader was too slow", w.dropped);
		cb_writer_release(&w);
		if (close(fd) < 0 && ret == 0)
			ret = cb_err_sys(err, CB_E_IO, errno, "output");
	}
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
	return ret;
}

int main(int argc, char **argv)
{
	struct opts o = { .s = CB_SPEC_INIT, .retry = -1, .retry_ns = CB_NS_PER_S };
	struct cb_err err = CB_ERR_INIT;

	cb_cli_parse("cb-ingest", &argp, argc, argv, &o);
	o.s.quiet = cb_cli_quiet;
	o.s.verbose = cb_cli_verbose;
	o.s.sandbox = (int32_t)cb_cli_sandbox_mode;
	o.s.self_test = cb_cli_self_test();
	if (cb_source_kind(&o.kind, o.s.source, &err) < 0 || cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		return cb_cli_finish(&err);
	if (cb_url_has_userinfo(o.s.source))
		cb_cli_warn("every user of this machine can see the password in the address: use --credentials");
	if (rtsp(o.kind) || o.retry != CB_RETRY_NEVER) {
		cb_stop_install(false);
		live(&o, &err);
	} else {	/* a file, a pipe: nothing of it is touched here */
		cb_helper_become("cb-libav", &o.s, &err);
	}
	return cb_cli_finish(&err);
}
