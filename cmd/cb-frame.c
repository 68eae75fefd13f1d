/* SPDX-License-Identifier: Apache-2.0 */
/* cb-frame: look into a frame stream: dump, check, hash, events. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "crypto/hash.h"
#include "wire/event.h"
#include "wire/frame.h"
#include "wire/text.h"

enum verb { DUMP, CHECK, HASH, EVENTS };

struct opts {
	int verb;
	const char *path;
	bool streamhash;
};

enum { OPT_STREAMHASH = CB_OPT_BASE };

static const struct argp_option options[] = {
	{ "streamhash", OPT_STREAMHASH, NULL, 0,
	  "hash: print what ffmpeg -c copy -f streamhash prints", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct opts *o = st->input;

	switch (key) {
	case ARGP_KEY_INIT:
		o->verb = -1;
		st->child_inputs[0] = NULL;
		return 0;
	case OPT_STREAMHASH:
		o->streamhash = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->verb < 0) {
			o->verb = cb_cli_word(st, NULL, "dump|check|hash|events", arg);
			return 0;
		}
		if (o->path)
			argp_error(st, "too many operands");
		o->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->verb < 0)
			argp_error(st, "one of dump, check, hash, events is needed");
		if (o->streamhash && o->verb != HASH)
			argp_error(st, "--streamhash goes with hash");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options, .parser = parse_opt, .args_doc = "dump|check|hash|events [FILE]",
	.doc = "Look into a frame stream.\v"
	       "dump prints a line a frame; check reads it all and names every damage; hash\n"
	       "prints digests of what was recorded, equal for equal footage; events prints\n"
	       "the event lines that travel in it.",
	.children = cb_cli_children,
};

/* Per elementary stream, for hash and for the summaries. */
struct tally {
	bool seen;
	struct cb_stream s;
	uint64_t packets, bytes;
	struct cb_sha256 content, data;
};

struct state {
	const struct opts *o;
	struct cb_out *out;
	struct tally t[CB_STREAMS_MAX];
	uint64_t frames, events, gaps;
};

/* Every frame's payload is parsed, whatever the verb: a damaged one is an error here. Events
 * are foreign text to the others, but check looks at them, too. */
static int tally(struct state *st, const struct cb_frame *f, struct cb_err *err)
{
	struct tally *t = &st->t[f->stream < CB_STREAMS_MAX ? f->stream : 0];
	bool hash = st->o->verb == HASH;
	static struct cb_json json;
	struct cb_picture_frame pic;
	struct cb_event event;
	struct cb_packet p;
	struct cb_hello hello;
	uint8_t head[7];
	struct cb_gap g;

	st->frames++;
	switch (f->type) {
	case CB_FRAME_HELLO:
		return cb_hello_parse(&hello, f, err);
	case CB_FRAME_GAP:
		st->gaps++;
		return cb_gap_parse(&g, f, err);
	case CB_FRAME_EVENT:
		st->events++;
		if (st->o->verb == CHECK &&
		    cb_event_parse(&event, &json, (const char *)f->payload, f->len, err) < 0)
			return cb_err_prefix(err, "EVENT");
		return 0;
	case CB_FRAME_STREAM: {
		struct cb_stream s;

		if (cb_stream_parse(&s, f, err) < 0)
			return -1;
		if (!t->seen && hash) {
			cb_sha256_init(&t->content);
			cb_sha256_init(&t->data);
		}
		t->seen = true;
		t->s = s;
		t->s.extradata = NULL;
		break;
	}
	case CB_FRAME_PACKET:
	case CB_FRAME_PICTURE:
		if (f->type == CB_FRAME_PACKET ? cb_packet_parse(&p, f, err) < 0 :
						 cb_picture_parse(&pic, f, err) < 0)
			return -1;
		if (f->type == CB_FRAME_PICTURE)
			p = pic.at;
		if (!t->seen)
			return cb_err_set(err, CB_E_DATA, "a packet of stream %u before its STREAM",
					  f->stream);
		t->packets++;
		t->bytes += p.len;
		if (hash)
			cb_sha256_update(&t->data, p.data, p.len);
		break;
	default:
		return 0;
	}
	if (hash) {
		head[0] = f->type;
		cb_put_le16(head + 1, f->flags);
		cb_put_le32(head + 3, f->len);
		cb_sha256_update(&t->content, head, sizeof(head));
		cb_sha256_update(&t->content, f->payload, f->len);
	}
	return 0;
}

static int print_hashes(struct state *st, struct cb_err *err)
{
	uint8_t sum[CB_SHA256_LEN];
	char content[CB_SHA256_HEX], data[CB_SHA256_HEX], line[512];
	struct cb_sha256 all;
	int n = 0;

	cb_sha256_init(&all);
	for (int i = 0; i < CB_STREAMS_MAX; i++) {
		struct tally *t = &st->t[i];

		if (!t->seen)
			continue;
		n++;
		cb_sha256_final(&t->content, sum);
		cb_hex(content, sum, sizeof(sum));
		cb_sha256_final(&t->data, sum);
		cb_hex(data, sum, sizeof(sum));
		if (st->o->streamhash)
			snprintf(line, sizeof(line), "%d,%c,SHA256=%s\n", n - 1,
				 *cb_kind_name(t->s.kind), data);
		else
			snprintf(line, sizeof(line),
				 "%d %s %s packets=%" PRIu64 " bytes=%" PRIu64 " content=%s data=%s\n", i,
				 cb_kind_name(t->s.kind), t->s.codec, t->packets, t->bytes, content, data);
		cb_sha256_update(&all, line, strlen(line));
		if (cb_out_write(st->out, line, strlen(line), err) < 0)
			return -1;
	}
	if (st->o->streamhash)
		return 0;
	cb_sha256_final(&all, sum);
	cb_hex(content, sum, sizeof(sum));
	return cb_out_printf(st->out, err, "all streams=%d content=%s\n", n, content);
}

static int print_summary(struct state *st, const struct cb_reader *r, struct cb_err *err)
{
	for (int i = 0; i < CB_STREAMS_MAX; i++)
		if (st->t[i].seen &&
		    cb_out_printf(st->out, err,
				  "stream %d: %s %s, %" PRIu64 " packets, %" PRIu64 " bytes\n", i,
				  cb_kind_name(st->t[i].s.kind), st->t[i].s.codec, st->t[i].packets,
				  st->t[i].bytes) < 0)
			return -1;
	return cb_out_printf(st->out, err,
			     "%" PRIu64 " frames, %" PRIu64 " events, %" PRIu64 " gaps, %s\n", st->frames,
			     st->events, st->gaps,
			     r->damages ? "DAMAGED" : r->ended ? "whole" : "CUT: no END");
}

/* What is known is shown before waiting for more. A failure is kept, for the next write. */
static void flush(void *out)
{
	cb_out_flush(out, NULL);
}

static int run(const struct opts *o, int fd, struct cb_out *out, struct cb_err *err)
{
	static struct state st;
	struct cb_err damage = CB_ERR_INIT;
	struct cb_buf text = { 0 };
	struct cb_reader r;
	struct cb_frame f;
	int k, ret = -1;

	st = (struct state){ .o = o, .out = out };
	cb_reader_init(&r, fd);
	r.resync = o->verb == CHECK || o->verb == DUMP;
	r.before_block = flush;
	r.ctx = out;
	while ((k = cb_reader_next(&r, &f, err)) > 0) {
		uint64_t before = r.damages;
		bool own = r.resync && f.type == CB_FRAME_GAP && f.payload == r.gap;

		if (own || tally(&st, &f, err) < 0) {
			struct cb_gap g;

			if (!own && !r.resync)
				goto out;
			if (own && cb_gap_parse(&g, &f, err) < 0)
				goto out;
			if (!own) {
				snprintf(g.text, sizeof(g.text), "frame %" PRIu64 " (byte %" PRIu64 "): %.200s",
					 f.seq, f.offset, err->msg);
				*err = (struct cb_err)CB_ERR_INIT;
				r.damages = before + 1;
			}
			if (!damage.code)
				cb_err_set(&damage, CB_E_DATA, "%s", g.text);
			if (cb_out_printf(out, err, own && (g.packets || g.bytes) ?
					  "damage: %s (%" PRIu64 " frames and %" PRIu64 " bytes skipped)\n" :
					  "damage: %s\n", g.text, g.packets, g.bytes) < 0)
				goto out;
			continue;
		}
		if (o->verb == DUMP) {
			text.len = 0;
			if (cb_frame_text(&text, &f, err) < 0 ||
			    cb_out_write(out, text.data, text.len, err) < 0 ||
			    cb_out_write(out, "\n", 1, err) < 0)
				goto out;
		}
		if (o->verb == EVENTS && f.type == CB_FRAME_EVENT &&
		    (cb_out_write(out, f.payload, f.len, err) < 0 ||
		     cb_out_write(out, "\n", 1, err) < 0))
			goto out;
	}
	if (k < 0)
		goto out;
	if (o->verb == HASH && print_hashes(&st, err) < 0)
		goto out;
	if (o->verb == CHECK && print_summary(&st, &r, err) < 0)
		goto out;
	if (damage.code) {
		*err = damage;
		goto out;
	}
	if (r.damages) {
		cb_err_set(err, CB_E_DATA, "%s", r.trouble ? r.trouble : "damaged");
		goto out;
	}
	ret = cb_reader_finish(&r, err);
out:
	cb_buf_release(&text);
	cb_reader_release(&r);
	return ret;
}

int main(int argc, char **argv)
{
	static struct cb_out out;
	struct cb_err err = CB_ERR_INIT, late = CB_ERR_INIT;
	struct opts o = { 0 };
	int fd = STDIN_FILENO, ofd;

	cb_cli_parse("cb-frame", &argp, argc, argv, &o);
	cb_stop_install(false);
	if (o.path && strcmp(o.path, "-") != 0 &&
	    (fd = open(o.path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
		cb_err_sys(&err, cb_errc_open(errno), errno, "%s", o.path);
		return cb_cli_finish(&err);
	}
	ofd = cb_stdout_take(&err);
	if (ofd >= 0 && cb_cli_sandbox(&(struct cb_sandbox){ 0 }, &err) == 0) {
		cb_out_init(&out, ofd);
		if (run(&o, fd, &out, &err) < 0 && err.code == CB_E_DATA)
			cb_err_prefix(&err, "%s", o.path ? o.path : "stdin");
		if (cb_out_close(&out, &late) < 0 && !err.code)
			err = late;
	}
	return cb_cli_finish(&err);
}
