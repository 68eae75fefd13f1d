/* SPDX-License-Identifier: Apache-2.0 */
/* Events: their envelope, and the two kinds of stream that carry them. */
#include "wire/event.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "base/time.h"

void cb_event_begin(struct cb_jw *w, struct cb_buf *b, const char *tool, const char *type,
		    const char *camera, int64_t wall_ns, const char *id)
{
	char time[CB_TIME_LEN], source[80];
	int64_t us = wall_ns / CB_NS_PER_US - (wall_ns % CB_NS_PER_US < 0);

	b->len = 0;
	cb_time_format_us(time, us);
	source[0] = '/';
	source[1] = '\0';
	strncat(source, tool, sizeof(source) - 2);
	cb_jw_init(w, b);
	cb_jw_obj(w);
	cb_jw_kstr(w, "specversion", "1.0");
	cb_jw_kstr(w, "id", id);
	cb_jw_kstr(w, "source", source);
	cb_jw_kstr(w, "type", type);
	cb_jw_kstr(w, "time", time);
	if (camera && *camera)
		cb_jw_kstr(w, "subject", camera);
	cb_jw_key(w, "data");
	cb_jw_obj(w);
	cb_jw_ki64(w, "t_us", us);
}

int cb_event_end(struct cb_jw *w, struct cb_err *err)
{
	cb_jw_obj_end(w);
	cb_jw_obj_end(w);
	if (cb_jw_done(w, err) < 0)
		return -1;
	if (w->b->len >= CB_EVENT_LINE_MAX)
		return cb_err_set(err, CB_E_DATA, "an event of %zu bytes: %d at most", w->b->len,
				  CB_EVENT_LINE_MAX - 1);
	return 0;
}

static bool text(const struct cb_json *j, uint32_t tok)
{
	return tok != CB_JSON_NONE && j->tok[tok].type == CB_JSON_STRING &&
	       j->tok[tok].end > j->tok[tok].start;
}

int cb_event_parse(struct cb_event *ret, struct cb_json *j, const char *line, size_t len,
		   struct cb_err *err)
{
	struct cb_event e = { .json = j, .t_us = INT64_MIN };
	uint32_t v;
	char time[64];
	int64_t ns;

	if (cb_json_parse(j, line, len, err) < 0)
		return -1;
	if (j->tok[0].type != CB_JSON_OBJECT)
		return cb_err_set(err, CB_E_DATA, "an event is a JSON object");
	v = cb_json_get(j, 0, "specversion");
	if (v == CB_JSON_NONE || !cb_json_eq(j, v, "1.0"))
		return cb_err_set(err, CB_E_DATA, "specversion is not \"1.0\"");
	e.id = cb_json_get(j, 0, "id");
	e.source = cb_json_get(j, 0, "source");
	e.type = cb_json_get(j, 0, "type");
	e.time = cb_json_get(j, 0, "time");
	e.subject = cb_json_get(j, 0, "subject");
	e.data = cb_json_get(j, 0, "data");
	if (!text(j, e.id))
		return cb_err_set(err, CB_E_DATA, "no id");
	if (!text(j, e.source))
		return cb_err_set(err, CB_E_DATA, "no source");
	if (!text(j, e.type))
		return cb_err_set(err, CB_E_DATA, "no type");
	if (e.data == CB_JSON_NONE || j->tok[e.data].type != CB_JSON_OBJECT)
		return cb_err_set(err, CB_E_DATA, "data is not an object");
	v = cb_json_get(j, e.data, "t_us");
	if (v == CB_JSON_NONE || !cb_json_i64(j, v, &e.t_us)) {
		if (e.time != CB_JSON_NONE && cb_json_str(j, e.time, time, sizeof(time)) >= 0 &&
		    cb_parse_time(time, &ns))
			e.t_us = ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
		else
			e.t_us = INT64_MIN;
	}
	*ret = e;
	return 0;
}

/* --- sinks ----------------------------------------------------------------------------------- */

static void lock(struct cb_sink *s)
{
	if (s->lock)
		pthread_mutex_lock(s->lock);
}

static void unlock(struct cb_sink *s)
{
	if (s->lock)
		pthread_mutex_unlock(s->lock);
}

static int put_line(struct cb_sink *s, const char *line, size_t len, struct cb_err *err)
{
	int r;

	if (s->tee)
		return cb_writer_event(s->tee, line, len, err);
	lock(s);
	r = cb_out_write(s->ndjson, line, len, err) < 0 || cb_out_write(s->ndjson, "\n", 1, err) < 0 ? -1 : 0;
	unlock(s);
	return r;
}

int cb_sink_event(struct cb_sink *s, const struct cb_buf *line, struct cb_err *err)
{
	if (s->each)
		s->each(s->ctx, (const char *)line->data, line->len);
	return put_line(s, (const char *)line->data, line->len, err);
}

int cb_sink_frame(struct cb_sink *s, const struct cb_frame *f, struct cb_err *err)
{
	if (f->type == CB_FRAME_END)
		return 0;
	if (s->tee)
		return cb_writer_forward(s->tee, f, err);
	if (f->type == CB_FRAME_EVENT)
		return put_line(s, (const char *)f->payload, f->len, err);
	return 0;
}

int cb_sink_close(struct cb_sink *s, bool whole, uint16_t reason, struct cb_err *err)
{
	int ret = 0;

	if (!s->tee)
		return cb_out_close(s->ndjson, err);
	if (whole && cb_writer_end(s->tee, reason, err) < 0)
		ret = -1;
	cb_writer_release(s->tee);
	if (s->tee->fd >= 0 && close(s->tee->fd) < 0 && ret == 0 && !s->tee->broken)
		ret = cb_err_sys(err, CB_E_IO, errno, "output");
	s->tee->fd = -1;
	return ret;
}

void cb_sink_flush(void *sink)
{
	struct cb_sink *s = sink;

	if (!s->ndjson)
		return;
	lock(s);	/* a failure is kept, and reported by the next call */
	cb_out_flush(s->ndjson, NULL);
	unlock(s);
}

/* --- events from either kind of stream --------------------------------------------------------- */

void cb_evin_init(struct cb_evin *in, int fd)
{
	memset(in, 0, sizeof(*in));
	in->fd = fd;
}

/* More bytes after what is buffered: 1, 0 at the end, -1. */
static int more(struct cb_evin *in, struct cb_err *err)
{
	ssize_t n;

	if (in->pos) {
		cb_buf_drop(&in->buf, in->pos);
		in->pos = 0;
	}
	if (cb_buf_reserve(&in->buf, 65536) < 0)
		return cb_err_nomem(err);
	if (in->before_block && cb_would_block(in->fd))
		in->before_block(in->ctx);
	n = cb_read_to_stop(in->fd, in->buf.data + in->buf.len, in->buf.cap - 1 - in->buf.len);
	if (n < 0)
		return cb_err_sys(err, CB_E_IO, errno, "read");
	in->buf.len += (size_t)n;
	return n > 0;
}

static int sniff(struct cb_evin *in, struct cb_err *err)
{
	int k;

	while (in->buf.len < 4) {
		k = more(in, err);
		if (k < 0)
			return -1;
		if (k == 0)
			break;
	}
	in->sniffed = true;
	in->frames = in->buf.len >= 4 && memcmp(in->buf.data, CB_FRAME_MAGIC, 4) == 0;
	if (!in->frames)
		return 0;
	cb_reader_init(&in->reader, in->fd);
	in->reader.before_block = in->before_block;
	in->reader.ctx = in->ctx;
	k = cb_reader_preload(&in->reader, in->buf.data, in->buf.len, err);
	in->buf.len = 0;
	return k;
}

int cb_evin_next(struct cb_evin *in, const char **ret_line, size_t *ret_len,
		 struct cb_frame *ret_frame, struct cb_err *err)
{
	int k;

	if (!in->sniffed && sniff(in, err) < 0)
		return -1;
	if (in->frames) {
		k = cb_reader_next(&in->reader, ret_frame, err);
		if (k <= 0)
			return k;
		in->line = ret_frame->seq;
		*ret_line = ret_frame->type == CB_FRAME_EVENT ? (const char *)ret_frame->payload : NULL;
		*ret_len = ret_frame->type == CB_FRAME_EVENT ? ret_frame->len : 0;
		return 1;
	}
	for (;;) {
		size_t have = in->buf.len - in->pos;
		const char *start = (const char *)in->buf.data + in->pos;
		const char *lf = have ? memchr(start, '\n', have) : NULL;

		if (in->skip) {		/* what is left of a line that was too long */
			in->pos += lf ? (size_t)(lf - start) + 1 : have;
			in->skip = !lf;
			if (lf)
				continue;
			have = 0;
		} else if ((lf ? (size_t)(lf - start) : have) >= CB_EVENT_LINE_MAX) {
			in->skip = true;
			in->line++;
			return cb_err_set(err, CB_E_DATA, "line %ju: longer than %d bytes",
					  (uintmax_t)in->line, CB_EVENT_LINE_MAX);
		}
		if (lf) {
			in->line++;
			in->pos += (size_t)(lf - start) + 1;
			*ret_line = start;
			*ret_len = (size_t)(lf - start);
			if (*ret_len == 0)	/* blank lines are nothing */
				continue;
			return 1;
		}
		k = more(in, err);
		if (k < 0)
			return -1;
		if (k == 0) {
			bool cut = in->buf.len > in->pos && !cb_stop_wanted();

			in->pos = in->buf.len;
			return cut ? cb_err_set(err, CB_E_DATA, "line %ju: truncated",
						(uintmax_t)++in->line) : 0;
		}
	}
}

int cb_evin_finish(const struct cb_evin *in, struct cb_err *err)
{
	return in->frames ? cb_reader_finish(&in->reader, err) : 0;
}

void cb_evin_release(struct cb_evin *in)
{
	if (in->frames)
		cb_reader_release(&in->reader);
	cb_buf_release(&in->buf);
}
