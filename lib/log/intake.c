/* SPDX-License-Identifier: Apache-2.0 */
/* cb-audit append: lines in batches, and one by one where a batch is refused. */
#include "log/intake.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/stop.h"
#include "wire/badlines.h"
#include "wire/event.h"

#define BATCH_LINES 8192u
#define BATCH_BYTES ((size_t)4 << 20)
#define HEARTBEAT_MS 1000

struct intake {
	const struct cb_intake_opts *o;
	struct cb_log *l;
	int in;
	struct cb_out *out;
	struct cb_buf bytes;			/* of the lines that wait */
	struct iovec line[BATCH_LINES];		/* iov_base is an offset until they are appended */
	uint64_t number[BATCH_LINES];
	size_t n;
	struct cb_bad_lines bad;
	struct cb_err first, late;	/* first: of the bad lines, which is told as the error */
};

static void refuse(struct intake *a, uint64_t number, const struct cb_err *why)
{
	if (a->first.code)
		cb_bad_line(&a->bad, "stdin: line", number, why);
	else
		cb_err_set(&a->first, CB_E_DATA, "stdin: line %" PRIu64 ": %.400s", number, why->msg);
}

static int receipt(struct intake *a, size_t i, uint64_t index, struct cb_err *err)
{
	if (!a->o->receipts)
		return 0;
	return cb_out_printf(a->out, err, "{\"line\":%" PRIu64 ",\"index\":%" PRIu64 "}\n", a->number[i], index);
}

/* One line by itself: a bad one is told and left out. */
static int append_one(struct intake *a, size_t i, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint64_t index;

	if (cb_log_append(a->l, &a->line[i], 1, &index, &why) == 0)
		return receipt(a, i, index, err);
	if (why.code == CB_E_DATA && strncmp(why.msg, "line 1: ", 8) == 0) {
		memmove(why.msg, why.msg + 8, strlen(why.msg + 8) + 1);
		refuse(a, a->number[i], &why);
		return 0;
	}
	*err = why;
	return cb_err_prefix(err, "%s", a->o->path);
}

static int settle(struct intake *a, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint64_t index;
	int ret = 0;

	if (!a->n)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		a->line[i].iov_base = a->bytes.data + (uintptr_t)a->line[i].iov_base;
	if (a->n > 1 && cb_log_append(a->l, a->line, a->n, &index, &why) == 0) {
		for (size_t i = 0; i < a->n && ret == 0; i++)
			ret = receipt(a, i, index + i, err);
	} else if (a->n > 1 && why.code != CB_E_DATA) {
		*err = why;
		ret = cb_err_prefix(err, "%s", a->o->path);
	} else {
		for (size_t i = 0; i < a->n && ret == 0; i++)
			ret = append_one(a, i, err);
	}
	a->n = 0;
	a->bytes.len = 0;
	return ret < 0 ? -1 : cb_out_flush(a->out, err);
}

static void settle_idle(void *ctx)
{
	struct intake *a = ctx;
	struct pollfd p = { .fd = a->in, .events = POLLIN };

	if (a->late.code || settle(a, &a->late) < 0)
		return;
	/* a log that somebody keeps open is sealed when its epochs end, whether lines come or not */
	while (poll(&p, 1, HEARTBEAT_MS) == 0 && !cb_stop_wanted())
		cb_log_tick(a->l, NULL);
}

static int take_all(struct intake *a, struct cb_evin *in, struct cb_err *err)
{
	struct cb_frame f;
	const char *line;
	size_t len;
	int k;

	for (;;) {
		k = cb_evin_next(in, &line, &len, &f, err);
		if (a->late.code) {
			*err = a->late;
			return -1;
		}
		if (k < 0 && err->code == CB_E_DATA && !in->frames) {
			refuse(a, in->line, err);
			*err = (struct cb_err)CB_ERR_INIT;
			continue;
		}
		if (k <= 0)
			break;
		if (!line)
			continue;
		a->line[a->n] = (struct iovec){ (void *)(uintptr_t)a->bytes.len, len };
		a->number[a->n++] = in->line;
		if (cb_buf_add(&a->bytes, line, len) < 0)
			return cb_err_nomem(err);
		if ((a->o->each || a->n == BATCH_LINES || a->bytes.len >= BATCH_BYTES) && settle(a, err) < 0)
			return -1;
	}
	if (k < 0 || cb_evin_finish(in, err) < 0)
		return cb_err_prefix(err, "stdin");
	return settle(a, err);
}

int cb_log_intake(struct cb_log *l, int fd, struct cb_out *out, const struct cb_intake_opts *o,
		  struct cb_err *err)
{
	struct intake *a = calloc(1, sizeof(*a));
	struct cb_evin in;
	int ret;

	if (!a)
		return cb_err_nomem(err);
	a->o = o;
	a->bad = (struct cb_bad_lines){ .warn = o->warn, .ctx = o->ctx };
	a->l = l;
	a->in = fd;
	a->out = out;
	cb_evin_init(&in, fd);
	in.before_block = settle_idle;
	in.ctx = a;
	ret = take_all(a, &in, err);
	if (ret == 0 && cb_log_tick(l, err) < 0)
		ret = cb_err_prefix(err, "%s", o->path);
	if (ret == 0 && a->first.code) {
		*err = a->first;
		if (a->bad.n)
			cb_err_set(err, CB_E_DATA, "%.400s; %" PRIu64 " more lines were refused", a->first.msg, a->bad.n);
		ret = -1;
	}
	cb_evin_release(&in);
	cb_buf_release(&a->bytes);
	free(a);
	return ret;
}
