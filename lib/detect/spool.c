/* SPDX-License-Identifier: Apache-2.0 */
/* A list of things to write. */
#include "detect/spool.h"

#include <stdlib.h>
#include <string.h>

enum kind { FRAME, LINE, PLACE };

struct cb_spool_item {
	struct cb_spool_item *next;
	enum kind kind;
	struct cb_frame frame;
	void *what;
	size_t len;
	uint8_t data[];
};

static struct cb_spool_item *add(struct cb_spool *s, enum kind kind, const void *p, size_t n,
				 struct cb_err *err)
{
	struct cb_spool_item *i = malloc(sizeof *i + n);

	if (!i) {
		cb_err_nomem(err);
		return NULL;
	}
	*i = (struct cb_spool_item){ .kind = kind, .len = n };
	if (n)
		memcpy(i->data, p, n);
	if (s->first)
		s->last->next = i;
	else
		s->first = i;
	s->last = i;
	s->bytes += sizeof *i + n;
	return i;
}

static void drop(struct cb_spool *s)
{
	struct cb_spool_item *i = s->first;

	s->first = i->next;
	s->bytes -= sizeof *i + i->len;
	free(i);
}

int cb_spool_frame(struct cb_spool *s, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_spool_item *i;

	if (!s->first || s->live)
		return cb_sink_frame(s->sink, f, err);
	if (!s->sink->tee && f->type != CB_FRAME_EVENT)
		return 0;
	i = add(s, FRAME, f->payload, f->len, err);
	if (!i)
		return -1;
	i->frame = *f;
	i->frame.payload = i->data;
	return 0;
}

int cb_spool_line(struct cb_spool *s, const struct cb_buf *line, struct cb_err *err)
{
	return add(s, LINE, line->data, line->len, err) ? 0 : -1;
}

int cb_spool_place(struct cb_spool *s, void *what, struct cb_err *err)
{
	struct cb_spool_item *i = add(s, PLACE, NULL, 0, err);

	if (!i)
		return -1;
	i->what = what;
	return 0;
}

int cb_spool_flush(struct cb_spool *s, void **ret_what, struct cb_err *err)
{
	for (struct cb_spool_item *i; (i = s->first); drop(s)) {
		struct cb_buf line = { i->data, i->len, i->len };

		if (i->kind == PLACE) {
			*ret_what = i->what;
			return 0;
		}
		if ((i->kind == FRAME ? cb_sink_frame(s->sink, &i->frame, err) :
		     cb_sink_event(s->sink, &line, err)) < 0)
			return -1;
	}
	*ret_what = NULL;
	return 0;
}

void cb_spool_pop(struct cb_spool *s)
{
	drop(s);
}

void cb_spool_release(struct cb_spool *s)
{
	while (s->first)
		drop(s);
	s->bytes = 0;
}
