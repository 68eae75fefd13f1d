/* SPDX-License-Identifier: Apache-2.0 */
/* What of cb-ingest needs FFmpeg: files, pipes, HTTP and devices, in a program of its own, so
 * that cb-ingest maps nothing of it where it reads a camera. Not for people: its arguments are
 * those of live/spec.h, and what it writes and says is cb-ingest's. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "live/helper.h"
#include "live/spec.h"
#include "media/demux.h"
#include "wire/frame.h"
#include "wire/source.h"

static error_t take(int key, char *arg, struct argp_state *st)
{
	struct cb_err err = CB_ERR_INIT;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (cb_spec_take(st->input, arg, &err) < 0)
		argp_error(st, "%s", err.msg);
	return 0;
}

static const struct argp argp = {
	.parser = take, .args_doc = "KEY=VALUE...",
	.doc = "A part of cb-ingest, which starts it where it is needed.",
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
static int run(const struct cb_spec *o, struct cb_demux *d, struct cb_writer *w, struct cb_err *err)
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
		cb_source_camera(hello.camera, o->source);
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
		if (o->realtime && it.media_ns != CB_NOPTS && !pace(since + it.media_ns))
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

/* A file: itself alone. An address: the network, and the certificates that are trusted. */
static int lock_in(const struct cb_spec *o, struct cb_err *err)
{
	struct cb_sandbox s = { .may = CB_MAY_THREAD, .memory = UINT64_C(4) << 30 };
	enum cb_source_kind kind;
	char host[256];

	if (cb_source_kind(&kind, o->source, err) < 0)
		return -1;
	if (kind == CB_SOURCE_HTTP || kind == CB_SOURCE_HTTPS) {
		s.may |= CB_MAY_CONNECT | CB_MAY_RESOLVE;
		s.read[0] = o->ca_file ? o->ca_file : "/etc/ssl/certs";
		s.read[1] = "/etc/gnutls";
		if (cb_url_host(host, sizeof(host), o->source))
			cb_sandbox_resolver(host);
	} else if (kind != CB_SOURCE_STDIN) {
		s.read[0] = o->source;
		s.may |= kind == CB_SOURCE_V4L2 ? CB_MAY_VIDEO : 0;
	}
	return cb_cli_sandbox(&s, err);
}

int main(int argc, char **argv)
{
	struct cb_spec o = CB_SPEC_INIT;
	struct cb_err err = CB_ERR_INIT;
	struct cb_demux_opts d_opts;
	struct cb_demux *d = NULL;
	struct cb_writer w;
	char *secret = NULL;
	int fd = -1;

	cb_cli_parse("cb-ingest", &argp, argc, argv, &o);
	if (!o.source || !*o.source) {
		cb_err_set(&err, CB_E_USAGE, "a part of cb-ingest: start that");
		return cb_cli_finish(&err);
	}
	cb_cli_quiet = o.quiet || o.status >= 0;
	cb_cli_verbose = o.verbose;
	if (o.sandbox || o.self_test)
		cb_cli_sandbox_set((enum cb_sandbox_mode)o.sandbox, o.self_test);
	if (o.status >= 0)
		cb_worker_begin(o.status);
	cb_stop_install(o.status >= 0);
	cb_writer_init(&w, -1);
	if (o.credentials && cb_credentials_read(&secret, o.credentials, &err) < 0)
		goto out;
	d_opts = (struct cb_demux_opts){
		.source = o.source, .streams = o.streams, .fps_num = o.fps_num, .fps_den = o.fps_den,
		.credentials = secret, .ca_file = o.ca_file, .timeout_ns = o.timeout_ns,
		.have_start = o.have_start, .start_ns = o.start_ns, .realtime = o.realtime, .log = note,
	};
	fd = cb_stdout_take(&err);
	if (fd < 0 || lock_in(&o, &err) < 0)
		goto out;
	if (cb_demux_open(&d, &d_opts, &err) < 0) {
		if (cb_stop_wanted())	/* asked to stop before there was anything: that is no failure */
			err = (struct cb_err)CB_ERR_INIT;
		goto out;
	}
	cb_writer_release(&w);
	cb_writer_init(&w, fd);
	w.unqueued = o.status >= 0;
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
	if (o.status >= 0) {	/* whoever started us says it, or tries again */
		cb_status_write(o.status, &err);
		*err.msg = 0;
	}
	return cb_cli_finish(&err);
}
