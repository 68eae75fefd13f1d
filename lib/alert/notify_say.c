/* SPDX-License-Identifier: Apache-2.0 */
/* What a notice says, and how it is called. */
#include "alert/notify-priv.h"

#include <string.h>

#include "base/num.h"

/* The id of the notice at a sink that an item began; an alert can be repeated. */
static void note_id(char out[static CB_EVENT_ID_LEN], const char *sink, const char *item, enum what what,
		    int64_t t_us, const uint8_t *group)
{
	uint8_t sum[CB_SHA256_LEN], time[8];
	struct cb_sha256 h;

	cb_put_le64(time, what >= W_REPEAT ? (uint64_t)t_us : 0);
	cb_sha256_init(&h);
	cb_sha256_update(&h, "cb.alert.notice", 16);
	cb_sha256_update(&h, sink, strlen(sink) + 1);
	cb_sha256_update(&h, item, strlen(item) + 1);
	cb_sha256_update(&h, cb_nt_whats[what], strlen(cb_nt_whats[what]) + 1);
	cb_sha256_update(&h, time, sizeof(time));
	cb_sha256_update(&h, group, 16);
	cb_sha256_final(&h, sum);
	cb_hex(out, sum, 16);
}

void cb_nt_note_of(const struct cb_notify *n, const struct group *g, uint32_t i, const char *sink,
		   char out[static CB_EVENT_ID_LEN])
{
	const struct item *it = &g->item[i];

	if (n->rules->route[g->route].grouped)
		note_id(out, sink, g->first, g->first_what, g->item[0].t_us, g->digest);
	else
		note_id(out, sink, it->id, it->what, it->t_us, g->digest);
}

static const char *prefix_of(const struct item *it)
{
	return it->what == W_RESOLVED ? "resolved: " : it->what == W_REPEAT ? "still: " : "";
}

static int make_texts(struct cb_notify *n, const struct item *it, uint32_t count, struct cb_err *err)
{
	int k;

	n->title.len = n->text.len = 0;
	k = count > 1 ? cb_buf_printf(&n->title, "%u alerts: %s%.256s", count, prefix_of(it), it->title) :
		cb_buf_printf(&n->title, "%s%.256s", prefix_of(it), it->title);
	for (uint32_t i = 0; i < count && i < CB_ITEMS_NAMED && !k; i++)
		k = cb_buf_printf(&n->text, "%s%s%.256s", i ? "\n" : "", prefix_of(&it[i]), it[i].title);
	if (count > CB_ITEMS_NAMED && !k)
		k = cb_buf_printf(&n->text, "\nand %u more", count - CB_ITEMS_NAMED);
	return k || cb_buf_byte(&n->title, 0) < 0 || cb_buf_byte(&n->text, 0) < 0 ? cb_err_nomem(err) : 0;
}

static int notice_line(struct cb_notify *n, const struct group *g, const struct cb_notice *o, const struct item *it,
		       const char *reason, struct cb_err *err)
{
	uint32_t named = o->alerts < CB_ITEMS_NAMED ? o->alerts : CB_ITEMS_NAMED;
	struct cb_jw w;

	cb_event_begin(&w, &n->line, "cb-alert", "cb.alert.notice", "", o->t_us * 1000, o->id);
	cb_jw_kstr(&w, "sink", o->sink);
	cb_jw_kstr(&w, "severity", o->severity);
	cb_jw_kstr(&w, "title", o->title);
	cb_jw_kstr(&w, "text", o->text);
	cb_jw_kstr(&w, "reason", reason);
	cb_jw_key(&w, "group");
	cb_jw_raw(&w, g->key, strlen(g->key));
	cb_jw_ku64(&w, "alerts", o->alerts);
	cb_jw_key(&w, "items");
	cb_jw_arr(&w);
	for (uint32_t i = 0; i < named; i++) {
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "alert", it[i].id);
		cb_jw_kstr(&w, "what", cb_nt_whats[it[i].what]);
		cb_jw_kstr(&w, "severity", cb_nt_levels[it[i].level]);
		cb_jw_kstr(&w, "title", it[i].title);
		cb_jw_ki64(&w, "t_us", it[i].t_us);
		cb_jw_obj_end(&w);
	}
	cb_jw_arr_end(&w);
	if (o->alerts > named)
		cb_jw_ku64(&w, "more", o->alerts - named);
	return cb_event_end(&w, err);
}

int cb_nt_send(struct cb_notify *n, struct group *g, const char *sink, uint32_t from, uint32_t count,
	       int64_t t_us, const char *reason, struct cb_err *err)
{
	const struct cb_route *r = &n->rules->route[g->route];
	const struct item *first = &g->item[from];
	struct cb_notice o = { .sink = sink, .t_us = t_us, .alerts = count, .line = &n->line, .group = g->key };
	struct decision d = { .what = "queued", .sink = sink, .route = g->route + 1, .alerts = count, .t_us = t_us,
			      .reason = reason };
	char id[CB_EVENT_ID_LEN];
	struct cb_buf own;
	uint32_t level = 0;

	for (uint32_t i = 0; i < count; i++)
		if (first[i].level > level)
			level = first[i].level;
	cb_nt_note_of(n, g, from, sink, id);
	o.id = d.note = id;
	o.severity = cb_nt_levels[level];
	if (make_texts(n, first, count, err) < 0)
		return -1;
	o.title = (char *)n->title.data;
	o.text = (char *)n->text.data;
	if (count == 1)
		d.item = first->id;
	/* a route that does not group passes on the alert's own event */
	if (!r->grouped && first->line) {
		own = (struct cb_buf){ .data = (uint8_t *)first->line, .len = strlen(first->line) };
		o.line = &own;
	} else if (notice_line(n, g, &o, first, reason, err) < 0) {
		return -1;
	}
	if (n->ops.send(n->ops.ctx, &o, err) < 0)
		return -1;
	n->sum.queued += count;
	n->sum.notices++;
	return cb_nt_decide(n, &d, err);
}
