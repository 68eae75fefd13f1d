/* SPDX-License-Identifier: Apache-2.0 */
/* cb-ingest: a file, pipe, address or device as a frame stream. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "media/demux.h"
#include "wire/frame.h"

enum {
	OPT_CAMERA = CB_OPT_BASE, OPT_START, OPT_REALTIME, OPT_DURATION, OPT_STREAMS, OPT_FPS,
	OPT_CREDENTIALS, OPT_CA, OPT_TIMEOUT,
};

struct opts {
	struct cb_demux_opts d;
	const char *camera, *credentials;
	int64_t duration_ns;
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
static void check_source(struct argp_state *st, const struct opts *o)
{
	enum cb_source_kind kind;

	if (!o->d.source || !*o->d.source)
		argp_error(st, "a source is needed: a file, -, http(s)://, rtsp:// or /dev/videoN");
	if (cb_source_kind(&kind, o->d.source, NULL) < 0 || kind == CB_SOURCE_HTTP ||
	    kind == CB_SOURCE_HTTPS || kind == CB_SOURCE_RTSP)
		return;
	if (o->credentials || o->d.ca_file)
		argp_error(st, "%s goes with an address", o->credentials ? "--credentials" : "--ca-file");
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case OPT_CAMERA:
		if (!cb_camera_name_ok(arg))
			argp_error(st, "--camera: '%s' is not a camera name", arg);
		o->camera = arg;
		return 0;
	case OPT_START:
		o->d.start_ns = cb_cli_time_ns(st, "start-time", arg);
		o->d.have_start = true;
		return 0;
	case OPT_DURATION:
		o->duration_ns = cb_cli_duration_ns(st, "duration", arg);
		if (o->duration_ns <= 0)
			argp_error(st, "--duration: '%s' is not a positive duration", arg);
		return 0;
	case OPT_STREAMS:
		o->d.streams = arg;
		return 0;
	case OPT_FPS:
		if (!cb_parse_rational(arg, &o->d.fps_num, &o->d.fps_den))
			argp_error(st, "--fps: '%s' is not a rate (25, 29.97, 30000/1001)", arg);
		return 0;
	case OPT_REALTIME:
		o->d.realtime = true;
		return 0;
	case OPT_CREDENTIALS:
		o->credentials = arg;
		return 0;
	case OPT_CA:
		o->d.ca_file = arg;
		return 0;
	case OPT_TIMEOUT:
		o->d.timeout_ns = cb_cli_duration_ns(st, "timeout", arg);
		if (o->d.timeout_ns <= 0)
			argp_error(st, "--timeout: '%s' is not a positive duration", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (o->d.source)
			argp_error(st, "more than one source");
		o->d.source = arg;
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

/* Wait until it is time for a packet; false when asked to stop meanwhile. */
static bool pace(int64_t until_mono)
{
	int64_t left;

	while ((left = until_mono - cb_now_mono_ns()) > 0) {
		struct timespec t = { left / CB_NS_PER_S, left % CB_NS_PER_S };

		if (cb_stop_wanted())
			return false;
		nanosleep(&t, NULL);
	}
	return true;
}

static void progress(const struct cb_demux *d, int64_t media_ns, int64_t since_mono)
{
	double wall = (double)(cb_now_mono_ns() - since_mono) / 1e9, media = (double)media_ns / 1e9;
	uint64_t at, size;

	cb_demux_position(d, &at, &size);
	if (wall < 0.2 || media < 0)
		return;
	if (size && at && at <= size)
		cb_cli_progress("%d:%02d  %3.0f %%  %.1fx  %.0f s left", (int)(media / 60), (int)media % 60,
				100.0 * (double)at / (double)size, media / wall,
				wall * (double)(size - at) / (double)at);
	else
		cb_cli_progress("%d:%02d  %.1f MiB  %.1fx", (int)(media / 60), (int)media % 60,
				(double)at / 1048576, media / wall);
}

/* Everything to the writer, END included: -1 with the reason why the source, or the output,
 * failed. */
static int run(const struct opts *o, struct cb_demux *d, struct cb_writer *w, struct cb_err *err)
{
	struct cb_hello hello = { .producer = "cb-ingest " CB_VERSION };
	struct cb_err source = CB_ERR_INIT;
	int64_t since = cb_now_mono_ns();
	uint16_t reason = CB_END_EOF;
	int lead = -1, r;	/* the stream that --duration goes by: the first with pictures */
	struct cb_demux_item it;
	int64_t head = 0;	/* how long before the first picture is shown its decoding begins, <= 0 */
	uint64_t n = 0;

	if (o->camera)
		snprintf(hello.camera, sizeof(hello.camera), "%s", o->camera);
	else
		cb_source_camera(hello.camera, o->d.source);
	cb_demux_hello(d, &hello);
	if (cb_writer_hello(w, &hello, err) < 0)
		return -1;
	while ((r = cb_demux_next(d, &it, &source)) > 0) {
		if (it.what == CB_DEMUX_STREAM) {
			if (lead < 0 && it.s.kind == CB_VIDEO)
				lead = it.stream;
			if (cb_writer_stream(w, it.stream, &it.s, err) < 0)
				return -1;
			continue;
		}
		if (it.stream == lead && it.media_ns != CB_NOPTS && it.media_ns < head)
			head = it.media_ns;
		if (o->duration_ns && it.media_ns != CB_NOPTS &&
		    it.media_ns - (it.stream == lead ? head : 0) >= o->duration_ns) {
			if (it.stream != lead && lead >= 0)
				continue;
			reason = CB_END_STOPPED;
			break;
		}
		if (o->d.realtime && it.media_ns != CB_NOPTS && !pace(since + it.media_ns))
			break;
		if (cb_writer_packet(w, it.stream, &it.p, err) < 0)
			return -1;
		if (++n % 64 == 0 && it.media_ns != CB_NOPTS)
			progress(d, it.media_ns, since);
		if (cb_stop_wanted())
			break;
	}
	if (cb_stop_wanted())
		reason = CB_END_STOPPED;
	if (r < 0)
		reason = CB_END_ERROR;
	if (cb_writer_end(w, reason, err) < 0)
		return -1;
	if (r < 0)
		*err = source;
	return r < 0 ? -1 : 0;
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	cb_cli_note("%s", text);
}

int main(int argc, char **argv)
{
	struct opts o = { .d = { .timeout_ns = 10 * CB_NS_PER_S, .log = note } };
	struct cb_err err = CB_ERR_INIT;
	struct cb_demux *d = NULL;
	struct cb_writer w;
	char *secret = NULL;
	int fd = -1;

	cb_cli_parse("cb-ingest", &argp, argc, argv, &o);
	cb_stop_install(false);
	cb_writer_init(&w, -1);
	if (cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0)
		goto out;
	if (o.credentials && cb_credentials_read(&secret, o.credentials, &err) < 0)
		goto out;
	if (cb_url_has_userinfo(o.d.source))
		cb_cli_warn("every user of this machine can see the password in the address: use --credentials");
	o.d.credentials = secret;
	fd = cb_stdout_take(&err);
	if (fd < 0)
		goto out;
	if (cb_demux_open(&d, &o.d, &err) < 0) {
		if (cb_stop_wanted())	/* asked to stop before there was anything: that is no failure */
			err = (struct cb_err)CB_ERR_INIT;
		goto out;
	}
	cb_writer_release(&w);
	cb_writer_init(&w, fd);
	run(&o, d, &w, &err);
	if (w.dropped)
		cb_cli_warn("%" PRIu64 " packets dropped: the reader was too slow", w.dropped);
	if (cb_demux_damaged(d))
		cb_cli_warn("damaged packets: %" PRIu64, cb_demux_damaged(d));
	if (cb_demux_left_out(d))
		cb_cli_note("%u streams of the source left out (--streams)", cb_demux_left_out(d));
out:
	cb_writer_release(&w);
	if (fd >= 0 && close(fd) < 0 && !err.code)
		cb_err_sys(&err, CB_E_IO, errno, "output");
	cb_demux_free(d);
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
	return cb_cli_finish(&err);
}
