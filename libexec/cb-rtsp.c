/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to a camera for cb-ingest (live/live.h), in a process of its own because
 * it reads what strangers send. Not for people: its arguments are those of live/spec.h. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "live/helper.h"
#include "live/spec.h"
#include "rtsp/source.h"
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

/* --duration is of media: of the first stream of pictures, else of the first of all. */
struct lead {
	int stream;		/* -1: none yet */
	bool video;
	uint32_t tb_num, tb_den;
	int64_t first;		/* pts, or CB_NOPTS */
};

static void on_stream(struct lead *l, const struct cb_rtsp_item *it)
{
	bool video = it->s.kind == CB_VIDEO;

	if (l->stream >= 0 && l->stream != it->stream && (l->video || !video))
		return;
	if (l->stream != it->stream)
		l->first = CB_NOPTS;
	l->stream = it->stream;
	l->video = video;
	l->tb_num = it->s.tb_num;
	l->tb_den = it->s.tb_den;
}

static bool over(struct lead *l, const struct cb_rtsp_item *it, int64_t duration_ns)
{
	if (!duration_ns || it->stream != l->stream || it->p.pts == CB_NOPTS)
		return false;
	if (l->first == CB_NOPTS)
		l->first = it->p.pts;
	return (double)(it->p.pts - l->first) * l->tb_num / l->tb_den * 1e9 >= (double)duration_ns;
}

/* Everything to the writer, END included. HELLO waits for the camera: it says when that was. */
static int run(const struct cb_spec *o, struct cb_rtsp *s, struct cb_writer *w, struct cb_err *err)
{
	struct cb_hello hello = { .producer = "cb-ingest " CB_VERSION };
	struct lead lead = { .stream = -1, .first = CB_NOPTS };
	struct cb_err source = CB_ERR_INIT;
	uint16_t reason = CB_END_EOF;
	struct cb_rtsp_item it;
	int r, k = 0;

	snprintf(hello.camera, sizeof(hello.camera), "%s", o->camera);
	cb_rtsp_source_hello(s, &hello);
	if (cb_writer_hello(w, &hello, err) < 0)
		return -1;
	while ((r = cb_rtsp_source_next(s, &it, &source)) > 0) {
		switch (it.what) {
		case CB_RTSP_STREAM:
			on_stream(&lead, &it);
			k = cb_writer_stream(w, it.stream, &it.s, err);
			break;
		case CB_RTSP_PACKET:
			if (over(&lead, &it, o->duration_ns))
				goto stop;
			k = cb_writer_packet(w, it.stream, &it.p, err);
			break;
		case CB_RTSP_GAP:
			k = cb_writer_gap(w, it.stream, &it.g, err);
			break;
		case CB_RTSP_EVENT:
			k = cb_writer_event(w, it.line, it.len, err);
			break;
		}
		if (k < 0)
			return -1;
	}
	if (r == 0 && cb_rtsp_source_end(s) == CB_RTSP_STOPPED)
stop:
		reason = CB_END_STOPPED;
	if (r < 0)
		reason = CB_END_ERROR;
	if (cb_writer_end(w, reason, err) < 0)
		return -1;
	if (r < 0)
		*err = source;
	return r < 0 ? -1 : 0;
}

/* The address was looked up, and certificates were read. A camera that redirects may do so to a port
 * that cameras have. */
static int lock_in(const struct cb_rtsp *s, struct cb_err *err)
{
	return cb_cli_sandbox(&(struct cb_sandbox){
		.may = CB_MAY_CONNECT, .port = { cb_rtsp_source_port(s), 554, 8554, 322 },
		.files = 64, .memory = UINT64_C(512) << 20,
	}, err);
}

int main(int argc, char **argv)
{
	struct cb_spec o = CB_SPEC_INIT;
	struct cb_err err = CB_ERR_INIT;
	struct cb_rtsp_opts ro;
	struct cb_rtsp *s = NULL;
	struct cb_writer w;
	char *secret = NULL;
	int fd = -1;

	cb_cli_parse("cb-ingest", &argp, argc, argv, &o);
	if (!o.source || !o.camera || o.status < 0) {
		cb_err_set(&err, CB_E_USAGE, "a part of cb-ingest: start that");
		return cb_cli_finish(&err);
	}
	cb_cli_verbose = o.verbose;
	if (o.sandbox || o.self_test)
		cb_cli_sandbox_set((enum cb_sandbox_mode)o.sandbox, o.self_test);
	cb_worker_begin(o.status);
	cb_stop_install(true);
	cb_writer_init(&w, -1);
	if (o.credentials && cb_credentials_read(&secret, o.credentials, &err) < 0)
		goto out;
	ro = (struct cb_rtsp_opts){
		.url = o.source, .camera = o.camera, .credentials = secret, .streams = o.streams,
		.ca_file = o.ca_file, .pins = o.pin, .agent = "cb-ingest/" CB_VERSION, .udp = o.udp,
		.timeout_ns = o.timeout_ns,
	};
	fd = cb_stdout_take(&err);
	if (fd < 0 || cb_rtsp_source_new(&s, &ro, &err) < 0 || lock_in(s, &err) < 0)
		goto out;
	if (cb_rtsp_source_open(s, &err) < 0) {
		if (cb_stop_wanted())	/* asked to stop before there was anything: that is no failure */
			err = (struct cb_err)CB_ERR_INIT;
		goto out;
	}
	cb_cli_note("%s: %s", cb_rtsp_source_name(s), cb_rtsp_source_about(s));
	if (*cb_rtsp_source_left_out(s))
		cb_cli_note("%s: left out: %s", cb_rtsp_source_name(s), cb_rtsp_source_left_out(s));
	cb_writer_release(&w);
	cb_writer_init(&w, fd);
	w.unqueued = true;
	run(&o, s, &w, &err);
out:
	cb_writer_release(&w);
	cb_rtsp_source_free(s);
	if (fd >= 0 && close(fd) < 0 && !err.code)
		cb_err_sys(&err, CB_E_IO, errno, "output");
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
	cb_status_write(o.status, &err);
	return (int)err.code;
}
