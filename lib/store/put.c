/* SPDX-License-Identifier: Apache-2.0 */
/* cb-store put: events to the disk first, then on. */
#include "store/put.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "wire/event.h"

#define BATCH_BYTES (1u << 20)		/* events that share one sync */
#define BATCH_NS (CB_NS_PER_S / 4)

struct put {
	const struct cb_put_opts *o;
	struct cb_events *events;
	struct cb_out *out;	/* lines; holds back what is not yet on the disk */
	struct cb_buf held;
	struct cb_writer *tee;
	int64_t last;
	uint64_t refused;
	bool closed;			/* nobody takes the lines any more: storing goes on */
	/* the first line refused; what failed while flushing; what closed the output */
	struct cb_err first, late, output;
};

static void output_gone(struct put *p, const struct cb_err *why)
{
	char text[600];

	p->closed = true;
	if (why->sys != EPIPE)
		p->output = *why;
	snprintf(text, sizeof(text), "%s; storing goes on",
		 why->sys == EPIPE ? "nobody reads the output any more" : why->msg);
	p->o->warn(text);
	if (!p->o->quiet)	/* said once is enough; the exit status comes at the end */
		p->output.msg[0] = '\0';
}

/* On the disk first, then out: whoever sees a line knows that it is stored. */
static int settle(struct put *p, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;

	p->last = cb_now_mono_ns();
	if (cb_events_flush(p->events, err) < 0)
		return -1;
	if (!p->tee && !p->closed && (cb_out_write(p->out, p->held.data, p->held.len, &why) < 0 ||
				      cb_out_flush(p->out, &why) < 0))
		output_gone(p, &why);
	p->held.len = 0;
	return 0;
}

static void settle_idle(void *ctx)
{
	struct put *p = ctx;

	if (!p->late.code && (cb_events_pending(p->events) || p->held.len))
		settle(p, &p->late);
}

static void refuse(struct put *p, const char *why)
{
	if (!p->refused++)
		cb_err_set(&p->first, CB_E_DATA, "stdin: %.400s", why);
}

static int put_line(struct put *p, uint64_t number, const char *line, size_t len, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;

	if (cb_events_add(p->events, NULL, line, len, &why) < 0) {
		if (why.code != CB_E_DATA) {
			*err = why;
			return -1;
		}
		cb_err_prefix(&why, "line %" PRIu64, number);
		refuse(p, why.msg);
	}
	if (p->tee || p->closed)
		return 0;
	if (cb_buf_add(&p->held, line, len) < 0 || cb_buf_byte(&p->held, '\n') < 0)
		return cb_err_nomem(err);
	return 0;
}

int cb_put(const struct cb_store *s, int ifd, int ofd, const struct cb_put_opts *o,
	   struct cb_events_totals *t, struct cb_err *err)
{
	struct cb_out *out = malloc(sizeof(*out));
	struct cb_writer w;
	struct cb_evin in;
	struct put p = { .o = o, .out = out, .last = cb_now_mono_ns() };
	struct cb_sink sink = { 0 };
	struct cb_end end = { 0 };
	struct cb_frame f = { 0 };
	const char *line;
	size_t len;
	int k, ret = -1;

	*t = (struct cb_events_totals){ 0 };
	if (!out)
		return cb_err_nomem(err);
	cb_out_init(out, ofd);
	cb_writer_init(&w, ofd);
	w.tolerant = true;
	cb_evin_init(&in, ifd);
	in.before_block = settle_idle;
	in.ctx = &p;
	if (cb_events_open(&p.events, s, true, err) < 0)
		goto out;
	sink.ndjson = out;
	for (;;) {
		k = cb_evin_next(&in, &line, &len, &f, err);
		if (k < 0 && err->code == CB_E_DATA && !in.frames) {	/* the next line may do */
			refuse(&p, err->msg);
			*err = (struct cb_err)CB_ERR_INIT;
			continue;
		}
		if (k <= 0)
			break;
		if (o->tee && !in.frames) {
			cb_err_set(err, CB_E_DATA, "stdin: --tee needs a frame stream");
			goto out;
		}
		if (o->tee && !p.tee) {
			p.tee = sink.tee = &w;
			sink.ndjson = NULL;
		}
		if (line && put_line(&p, in.line, line, len, err) < 0)
			goto out;
		if (in.frames && f.type == CB_FRAME_END)
			cb_end_parse(&end, &f, NULL);
		else if (p.tee && !p.closed && cb_sink_frame(&sink, &f, err) < 0)
			goto out;
		if (w.broken && !p.closed)
			output_gone(&p, &(struct cb_err){ .sys = EPIPE });
		if (cb_events_pending(p.events) >= BATCH_BYTES || p.held.len >= BATCH_BYTES ||
		    (cb_events_pending(p.events) && cb_now_mono_ns() - p.last >= BATCH_NS))
			if (settle(&p, err) < 0)
				goto out;
		if (p.late.code)
			break;
	}
	if (p.late.code) {
		*err = p.late;
		goto out;
	}
	if (settle(&p, k < 0 ? NULL : err) < 0 || k < 0) {
		if (k < 0 && err->code == CB_E_DATA)
			cb_err_prefix(err, "stdin");
		goto out;
	}
	ret = cb_evin_finish(&in, err) < 0 ? cb_err_prefix(err, "stdin") : 0;
	cb_events_totals(p.events, t);
	if (ret == 0 && p.refused) {
		char text[64];

		*err = p.first;
		snprintf(text, sizeof(text), "%" PRIu64 " lines were not stored", p.refused);
		if (p.refused > 1)
			o->warn(text);
		ret = -1;
	}
out:
	if (ret == 0 && p.output.code) {
		*err = p.output;
		ret = -1;
	}
	if (!p.closed && (sink.ndjson || sink.tee)) {
		struct cb_err late = CB_ERR_INIT;

		if (cb_sink_close(&sink, in.frames && (in.reader.ended || cb_stop_wanted()),
				  in.reader.ended ? end.reason : CB_END_STOPPED, &late) < 0 && ret == 0) {
			*err = late;
			ret = -1;
		}
	}
	cb_evin_release(&in);
	cb_events_free(p.events);
	cb_buf_release(&p.held);
	free(out);
	return ret;
}
