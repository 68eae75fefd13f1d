/* SPDX-License-Identifier: Apache-2.0 */
/* cb-draw: boxes and labels burnt into the picture, for people to look at. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"
#include "cli/cli.h"
#include "draw/draw.h"

struct opts {
	const char *picture, *events;
	struct cb_draw_opts draw;
};

enum { OPT_AT = CB_OPT_BASE, OPT_CODEC, OPT_HOLD, OPT_LOOSE, OPT_NO_LABELS, OPT_NO_MOTION, OPT_NO_TRACKS,
       OPT_QUALITY, OPT_STREAM, OPT_THRESHOLD };

static const struct argp_option options[] = {
	{ "picture", 'p', "FILE", 0, "Write one picture (.png, .jpg) instead of video", 0 },
	{ "at", OPT_AT, "TIME", 0, "Which: best, first, a number, a time, or a time span", 0 },
	{ "events", 'e', "FILE", 0, "Take detections from this NDJSON file", 0 },
	{ "caption", 'c', NULL, 0, "Write the camera's name and the time as well", 0 },
	{ "threshold", OPT_THRESHOLD, "N", 0, "Leave out objects below this score", 0 },
	{ "hold", OPT_HOLD, "DURATION", 0, "Show a detection on later pictures for so long", 0 },
	{ "stream", OPT_STREAM, "N", 0, "Draw on this elementary stream only", 0 },
	{ "loose", OPT_LOOSE, NULL, 0, "Match detections by time alone, not by packet", 0 },
	{ "no-labels", OPT_NO_LABELS, NULL, 0, "Boxes without text", 0 },
	{ "no-motion", OPT_NO_MOTION, NULL, 0, "Do not show where something moved", 0 },
	{ "no-tracks", OPT_NO_TRACKS, NULL, 0, "No zones, lines, tails and counts", 0 },
	{ "codec", OPT_CODEC, "TYPE", 0, "Encode video as h264 or mjpeg", 0 },
	{ "quality", OPT_QUALITY, "N", 0, "1 to 100 (default 80)", 0 },
	{ 0 },
};

static void parse_at(struct cb_draw_opts *o, const char *arg, struct argp_state *st)
{
	uint64_t n;

	if (strcmp(arg, "best") == 0)
		o->at = CB_AT_BEST;
	else if (strcmp(arg, "first") == 0)
		o->at = CB_AT_FIRST;
	else if (cb_parse_u64(arg, 1, INT64_MAX, &n)) {
		o->at = CB_AT_NUMBER;
		o->when = (int64_t)n;
	} else if (cb_parse_duration(arg, &o->when))
		o->at = CB_AT_OFFSET;
	else if (cb_parse_time(arg, &o->when))
		o->at = CB_AT_TIME;
	else
		argp_error(st, "--at: '%s' is neither best, first, a number, a time nor a time span",
			   arg);
}

static bool suffix(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n > k && strcasecmp(name + n - k, end) == 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case 'p':
		if (!suffix(arg, ".png") && !suffix(arg, ".jpg") && !suffix(arg, ".jpeg"))
			argp_error(st, "--picture: the name must end in .png, .jpg or .jpeg");
		o->picture = arg;
		o->draw.picture = true;
		o->draw.format = suffix(arg, ".png") ? CB_IMAGE_PNG : CB_IMAGE_JPEG;
		return 0;
	case 'e': o->events = arg; return 0;
	case 'c': o->draw.caption = true; return 0;
	case OPT_AT: parse_at(&o->draw, arg, st); return 0;
	case OPT_THRESHOLD: o->draw.paint.threshold = cb_cli_double(st, "threshold", arg, 0, 1); return 0;
	case OPT_HOLD: o->draw.hold_ns = cb_cli_duration_ns(st, "hold", arg); return 0;
	case OPT_STREAM: o->draw.stream = (int)cb_cli_u64(st, "stream", arg, 0, CB_STREAMS_MAX - 1); return 0;
	case OPT_LOOSE: o->draw.loose = true; return 0;
	case OPT_NO_LABELS: o->draw.paint.labels = false; return 0;
	case OPT_NO_MOTION: o->draw.paint.motion = false; return 0;
	case OPT_NO_TRACKS: o->draw.paint.no_tracks = true; return 0;
	case OPT_CODEC:
		if (strcmp(arg, "h264") != 0 && strcmp(arg, "mjpeg") != 0)
			argp_error(st, "--codec: h264 or mjpeg");
		o->draw.codec = arg;
		return 0;
	case OPT_QUALITY: o->draw.quality = (int)cb_cli_u64(st, "quality", arg, 1, 100); return 0;
	case ARGP_KEY_ARG: argp_error(st, "too many operands"); return 0;
	case ARGP_KEY_END:
		if (o->draw.at != CB_AT_BEST && !o->picture)
			argp_error(st, "--at goes with --picture");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .children = cb_cli_children,
	.doc = "Burn boxes and labels into the pictures of a frame stream.",
};

static int picture_save(const struct cb_draw *d, const struct opts *o, struct cb_err *err)
{
	bool by_sight = o->draw.at == CB_AT_BEST || o->draw.at == CB_AT_FIRST;

	if (!d->image.len)
		return cb_err_set(err, CB_E_NO, by_sight ? "no picture in the stream" :
				  "no picture at that time");
	if (d->interest <= 0 && by_sight)
		cb_cli_warn("nothing was detected: %s shows the first picture", o->picture);
	return cb_image_save(o->picture, &d->image, err);
}

static void warn(const struct cb_draw *d)
{
	if (d->bad)
		cb_cli_warn("%ju packets could not be decoded", (uintmax_t)d->bad);
	if (d->dets.other_packet)
		cb_cli_warn("%ju detections speak of other packets than these and are not drawn",
			    (uintmax_t)d->dets.other_packet);
}

static int run(const struct opts *o, struct cb_draw *d, struct cb_reader *in, struct cb_writer *w,
	       struct cb_err *err)
{
	struct cb_err cut = CB_ERR_INIT;
	struct cb_end end = { .reason = CB_END_STOPPED };
	struct cb_frame f;
	int r;

	while ((r = cb_reader_next(in, &f, &cut)) > 0) {
		r = f.type == CB_FRAME_END ? cb_end_parse(&end, &f, err) : cb_draw_frame(d, &f, err);
		if (r < 0)
			return -1;
		if (r > 0)
			break;
	}
	/* a producer that died: what came is drawn and kept, without an END of our own */
	if (r == 0)
		r = cb_reader_finish(in, &cut);
	if (cb_draw_finish(d, err) < 0)
		return -1;
	warn(d);
	if (o->picture && (r >= 0 || d->image.len) && picture_save(d, o, err) < 0)
		return -1;
	if (!o->picture && r == 0 && cb_writer_end(w, end.reason, err) < 0)
		return -1;
	if (r < 0)
		*err = cut;
	return r < 0 ? -1 : 0;
}

static int events_load(struct cb_draw *d, const char *path, struct cb_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	r = cb_draw_events(d, fd, err);
	close(fd);
	return r < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int main(int argc, char **argv)
{
	struct opts o = { .draw = {
		.hold_ns = 500000000, .quality = 80, .stream = -1,
		.paint = { .labels = true, .motion = true },
	} };
	struct cb_err err = CB_ERR_INIT;
	struct cb_reader in;
	struct cb_writer w;
	struct cb_draw d;
	int fd;

	cb_cli_parse("cb-draw", &argp, argc, argv, &o);
	cb_stop_install(false);
	cb_reader_init(&in, STDIN_FILENO);
	if (cb_draw_init(&d, &o.draw, &w, &err) < 0 ||
	    (!o.picture && cb_cli_refuse_tty(STDOUT_FILENO, &err) < 0) ||
	    cb_cli_sandbox(&(struct cb_sandbox){ .may = CB_MAY_THREAD, .read = { o.events }, .write_beside = { o.picture },
						 .memory = UINT64_C(4) << 30 }, &err) < 0 ||
	    (o.events && events_load(&d, o.events, &err) < 0) ||
	    (fd = cb_stdout_take(&err)) < 0)
		goto out;
	cb_writer_init(&w, fd);
	(void)run(&o, &d, &in, &w, &err);
	cb_writer_release(&w);
	if (close(fd) < 0 && err.code == CB_OK)
		cb_err_sys(&err, CB_E_IO, errno, "stdout");
out:
	cb_draw_release(&d);
	cb_reader_release(&in);
	return cb_cli_finish(&err);
}
