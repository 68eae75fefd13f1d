/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of groups and routes, and read again. */
#include "alert/notify-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

/* --- writing ----------------------------------------------------------------------------------------- */

int cb_nt_journal_gone(struct cb_notify *n, const struct group *g, struct cb_err *err)
{
	char hex[33];

	cb_hex(hex, g->digest, 16);
	return cb_buf_printf(&n->journal, "{\"gone\":\"%s\"}\n", hex) < 0 ? cb_err_nomem(err) : 0;
}

int cb_nt_journal_item(struct cb_notify *n, const struct group *g, const struct item *it, struct cb_buf *out,
		       struct cb_err *err)
{
	char hex[33];
	struct cb_jw w;

	cb_jw_init(&w, out);
	cb_jw_obj(&w);
	cb_hex(hex, g->digest, 16);
	cb_jw_kstr(&w, "waits", hex);
	cb_hex(hex, n->rules->route[g->route].shape, 16);
	cb_jw_kstr(&w, "route", hex);
	cb_jw_kstr(&w, "key", g->key);
	cb_jw_ki64(&w, "due", g->due_us);
	cb_jw_kbool(&w, "deferred", g->deferred);
	cb_jw_kstr(&w, "first", g->first);
	cb_jw_ki64(&w, "first_what", g->first_what);
	cb_jw_kstr(&w, "id", it->id);
	cb_jw_ku64(&w, "number", it->number);
	cb_jw_ki64(&w, "what", it->what);
	cb_jw_ki64(&w, "level", it->level);
	cb_jw_ki64(&w, "t_us", it->t_us);
	cb_jw_kstr(&w, "title", it->title);
	if (it->line)
		cb_jw_kstr(&w, "line", it->line);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err) < 0 || cb_buf_byte(out, '\n') < 0 ? cb_err_nomem(err) : 0;
}

static int save_group(struct cb_notify *n, const struct group *g, struct cb_buf *out, struct cb_err *err)
{
	char hex[33], shape[33];
	struct cb_jw w;

	cb_hex(hex, g->digest, 16);
	cb_hex(shape, n->rules->route[g->route].shape, 16);
	for (uint32_t i = 0; i <= g->actives; i++) {
		cb_jw_init(&w, out);
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "told", hex);
		cb_jw_kstr(&w, "route", shape);
		cb_jw_kstr(&w, "key", g->key);
		if (g->told_us != INT64_MIN)
			cb_jw_ki64(&w, "at", g->told_us);
		if (i < g->actives) {
			cb_jw_kstr(&w, "lasts", g->active[i].id);
			cb_jw_ki64(&w, "level", g->active[i].level);
			cb_jw_ki64(&w, "t_us", g->active[i].t_us);
			cb_jw_kstr(&w, "title", g->active[i].title);
		}
		cb_jw_obj_end(&w);
		if (cb_jw_done(&w, err) < 0 || cb_buf_byte(out, '\n') < 0)
			return cb_err_nomem(err);
	}
	for (uint32_t i = 0; i < g->items; i++)
		if (cb_nt_journal_item(n, g, &g->item[i], out, err) < 0)
			return -1;
	return 0;
}

int cb_notify_save(struct cb_notify *n, struct cb_buf *out, struct cb_err *err)
{
	struct cb_jw w;
	char hex[33];

	for (uint32_t i = n->oldest; i != NONE; i = n->group[i]->newer)
		if (save_group(n, n->group[i], out, err) < 0)
			return -1;
	for (uint32_t i = 0; i < n->rules->routes; i++) {
		const struct route *r = &n->route[i];

		if (!r->n)
			continue;
		cb_jw_init(&w, out);
		cb_jw_obj(&w);
		cb_hex(hex, n->rules->route[i].shape, 16);
		cb_jw_kstr(&w, "limit", hex);
		cb_jw_key(&w, "times");
		cb_jw_arr(&w);
		for (uint32_t k = 0; k < r->n; k++)	/* oldest first */
			cb_jw_i64(&w, r->told[(r->at + k) % r->n]);
		cb_jw_arr_end(&w);
		cb_jw_ku64(&w, "limited", r->limited);
		if (r->limited) {
			cb_jw_ki64(&w, "due", r->due_us);
			cb_jw_ki64(&w, "level", r->level);
			cb_jw_kstr(&w, "first", r->first);
		}
		cb_jw_obj_end(&w);
		if (cb_jw_done(&w, err) < 0 || cb_buf_byte(out, '\n') < 0)
			return cb_err_nomem(err);
	}
	for (struct cb_group *s = NULL; (s = cb_groups_next(n->source, s));) {
		cb_hex(hex, s->digest, 16);
		if (cb_buf_printf(out, "{\"mutes\":\"%s\",\"until\":%jd,\"alert\":\"%s\"}\n", hex,
				  (intmax_t)(s->seen_us == INT64_MAX ? INT64_MAX / 2 : s->seen_us),
				  s->text ? s->text : "") < 0)
			return cb_err_nomem(err);
	}
	return 0;
}

int cb_notify_journal(struct cb_notify *n, struct cb_buf *out, struct cb_err *err)
{
	int k = n->journal.len && cb_buf_add(out, n->journal.data, n->journal.len) < 0 ? -1 : 0;

	n->journal.len = 0;
	return k ? cb_err_nomem(err) : 0;
}

const struct cb_buf *cb_notify_pending(const struct cb_notify *n)
{
	return &n->journal;
}

void cb_notify_succeed(struct cb_notify *n, struct cb_notify *old)
{
	struct cb_notify_sum now = n->sum;

	n->sum = old->sum;
	n->sum.unrouted += now.unrouted;
	if (old->journal.len)
		cb_buf_add(&n->journal, old->journal.data, old->journal.len);
}

/* --- reading ----------------------------------------------------------------------------------------- */

static bool get_text(const struct cb_json *j, const char *key, char *out, size_t cap)
{
	uint32_t tok = cb_json_get(j, 0, key);

	return tok != CB_JSON_NONE && cb_json_str(j, tok, out, cap) == 0;
}

static bool get_number(const struct cb_json *j, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	uint32_t tok = cb_json_get(j, 0, key);

	return tok != CB_JSON_NONE && cb_json_i64(j, tok, ret) && *ret >= min && *ret <= max;
}

static bool get_digest(const struct cb_json *j, const char *key, uint8_t out[static 16])
{
	char hex[40];

	return get_text(j, key, hex, sizeof(hex)) && strlen(hex) == 32 && cb_unhex(out, 16, hex);
}

static int bad_memory(struct cb_err *err)
{
	return cb_err_set(err, CB_E_DATA, "no line of a memory");
}

static uint32_t route_of(const struct cb_notify *n, const struct cb_json *j, const char *key)
{
	uint8_t shape[16];
	uint32_t i = 0;

	if (!get_digest(j, key, shape))
		return NONE;
	while (i < n->rules->routes && memcmp(n->rules->route[i].shape, shape, 16) != 0)
		i++;
	return i;
}

/* The group that a line speaks of; *ret NULL where its route is no more. */
static int load_group(struct cb_notify *n, const struct cb_json *j, const char *which, struct group **ret,
		      struct cb_err *err)
{
	char key[4 * CB_TEXT_MAX];
	uint32_t route = route_of(n, j, "route");
	uint8_t digest[16];

	*ret = NULL;
	if (route == NONE || !get_digest(j, which, digest) || !get_text(j, "key", key, sizeof(key)))
		return bad_memory(err);
	if (route == n->rules->routes)
		return 0;
	*ret = cb_nt_group_find(n, digest);
	if (*ret)
		return 0;
	if (cb_nt_group_make(n, digest, route, 0, ret, err) < 0)
		return -1;
	(*ret)->key = strdup(key);
	return (*ret)->key ? 0 : cb_err_nomem(err);
}

static int load_waits(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	static const int64_t far = INT64_MAX / 1000;
	char id[CB_EVENT_ID_LEN], first[CB_EVENT_ID_LEN], title[4 * CB_TEXT_MAX + 1], *line = NULL;
	int64_t what, level, t_us, due, first_what, number;
	uint32_t tok = cb_json_get(j, 0, "line");
	struct cb_err why = CB_ERR_INIT;
	struct group *g;
	struct item it;
	int k;

	if (load_group(n, j, "waits", &g, err) < 0)
		return -1;
	if (!get_text(j, "id", id, sizeof(id)) || !get_text(j, "first", first, sizeof(first)) ||
	    !get_text(j, "title", title, sizeof(title)) || !get_number(j, "what", 0, W_SUMMARY, &what) ||
	    !get_number(j, "first_what", 0, W_SUMMARY, &first_what) || !get_number(j, "level", 0, 4, &level) ||
	    !get_number(j, "t_us", -far, far, &t_us) || !get_number(j, "due", -far, far, &due) ||
	    !get_number(j, "number", 0, far, &number))
		return bad_memory(err);
	if (!g) {
		struct decision d = { .what = "unrouted", .item = id, .reason = "its route is no more", .alerts = 1,
				      .t_us = t_us };

		n->sum.unrouted++;
		return cb_nt_decide(n, &d, err);
	}
	for (uint32_t i = 0; i < g->items; i++)
		if (g->item[i].number == (uint64_t)number)
			return 0;
	if ((uint64_t)number > n->numbers)
		n->numbers = (uint64_t)number;
	if (tok != CB_JSON_NONE) {
		size_t len = j->tok[tok].end - j->tok[tok].start + 1;

		line = malloc(len);
		if (!line)
			return cb_err_nomem(err);
		if (cb_json_str(j, tok, line, len) < 0) {
			free(line);
			return bad_memory(err);
		}
		/* it will be sent: it must be what it says */
		if (cb_json_parse(&n->json, line, strlen(line), &why) < 0) {
			free(line);
			return bad_memory(err);
		}
	}
	k = cb_nt_item_make(&it, id, (enum what)what, (uint32_t)level, t_us, title, line, line ? strlen(line) : 0, err);
	free(line);
	if (k < 0)
		return -1;
	it.number = (uint64_t)number;
	if (cb_nt_item_put(g, &it, err) < 0) {
		cb_nt_item_free(&it);
		return -1;
	}
	snprintf(g->first, sizeof(g->first), "%s", first);
	g->first_what = (enum what)first_what;
	g->due_us = due;
	tok = cb_json_get(j, 0, "deferred");
	g->deferred = tok != CB_JSON_NONE && j->tok[tok].type == CB_JSON_TRUE;
	return cb_nt_group_wake(n, g, due, err);
}

static int load_told(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	static const int64_t far = INT64_MAX / 1000;
	char id[CB_EVENT_ID_LEN], title[4 * CB_TEXT_MAX + 1];
	int64_t at, level, t_us;
	struct group *g;

	if (load_group(n, j, "told", &g, err) < 0)
		return -1;
	if (!g)
		return 0;
	if (get_number(j, "at", -far, far, &at))
		g->told_us = at;
	if (cb_json_get(j, 0, "lasts") != CB_JSON_NONE) {
		if (!get_text(j, "lasts", id, sizeof(id)) || !get_text(j, "title", title, sizeof(title)) ||
		    !get_number(j, "level", 0, 4, &level) || !get_number(j, "t_us", -far, far, &t_us))
			return bad_memory(err);
		cb_nt_active_drop(g, id);
		if (cb_nt_active_add(g, id, (uint32_t)level, t_us, title, err) < 0)
			return -1;
	}
	return n->rules->route[g->route].repeat_us && g->actives && g->told_us != INT64_MIN ?
		cb_nt_group_wake(n, g, g->told_us + n->rules->route[g->route].repeat_us, err) : 0;
}

static int load_limit(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	static const int64_t far = INT64_MAX / 1000;
	uint32_t i = route_of(n, j, "limit"), times = cb_json_get(j, 0, "times"), tok;
	const struct cb_route *c;
	struct route *r;
	int64_t v, level;

	if (i == NONE || times == CB_JSON_NONE || j->tok[times].type != CB_JSON_ARRAY ||
	    !get_number(j, "limited", 0, far, &v))
		return bad_memory(err);
	if (i == n->rules->routes || !n->rules->route[i].limit)
		return 0;
	c = &n->rules->route[i];
	r = &n->route[i];
	r->limited = (uint64_t)v;
	tok = times + 1;
	for (uint32_t k = 0; k < j->tok[times].size; k++, tok = j->tok[tok].next)
		if (cb_json_i64(j, tok, &v) && v > -far && v < far)
			cb_nt_count_told(c, r, v);
	if (!r->limited)
		return 0;
	if (!get_number(j, "due", -far, far, &r->due_us) || !get_number(j, "level", 0, 4, &level) ||
	    !get_text(j, "first", r->first, sizeof(r->first))) {
		r->limited = 0;
		return bad_memory(err);
	}
	r->level = (uint32_t)level;
	return cb_timers_add(&n->timers, (struct cb_timer){ .at_us = r->due_us, .rule = i, .entry = NONE }, err);
}

int cb_notify_load(struct cb_notify *n, const struct cb_json *j, struct cb_err *err)
{
	char text[CB_EVENT_ID_LEN];
	uint8_t digest[16];
	struct cb_group *s;
	struct group *g;
	int64_t v;
	bool fresh;

	if (cb_json_get(j, 0, "waits") != CB_JSON_NONE)
		return load_waits(n, j, err);
	if (cb_json_get(j, 0, "told") != CB_JSON_NONE)
		return load_told(n, j, err);
	if (cb_json_get(j, 0, "limit") != CB_JSON_NONE)
		return load_limit(n, j, err);
	if (get_digest(j, "gone", digest)) {
		g = cb_nt_group_find(n, digest);
		if (g)
			cb_nt_items_drop(g, 0);
		return 0;
	}
	if (!get_digest(j, "mutes", digest) || !get_number(j, "until", INT64_MIN / 1000, INT64_MAX, &v) ||
	    !get_text(j, "alert", text, sizeof(text)))
		return bad_memory(err);
	s = cb_groups_get(n->source, digest, &fresh);
	if (!s)
		return cb_err_nomem(err);
	s->seen_us = v == INT64_MAX / 2 ? INT64_MAX : v;
	free(s->text);
	s->text = strdup(text);
	return s->text ? 0 : cb_err_nomem(err);
}
