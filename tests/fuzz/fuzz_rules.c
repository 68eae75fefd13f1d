/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: any file is refused with a place or compiled; what compiles is applied to events, the
 * lines after "---events" or some of our own, and whatever it writes is an event again; what is
 * decided adds up, and what is remembered is loaded as it was saved. */
#include <stdlib.h>
#include <string.h>

#include "alert/alert.h"
#include "alert/notify.h"
#include "alert/rules.h"
#include "wire/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char own[] =
	"{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"/x\",\"type\":\"cb.detection\",\"subject\":\"front\",\"data\":"
	"{\"t_us\":1000000,\"objects\":[{\"class\":\"person\",\"score\":0.5,\"box\":[0,0,1,1]},{\"class\":\"c\\u0061r\"}],"
	"\"motion\":{\"score\":0.1},\"s\":\"-x\\u001b\",\"n\":null,\"b\":true}}\n"
	"{\"specversion\":\"1.0\",\"id\":\"b\",\"source\":\"/x\",\"type\":\"cb.detection\",\"data\":{\"t_us\":1500000,"
	"\"objects\":[],\"a\":[[1],[2,[3]]]}}\n"
	"{\"specversion\":\"1.0\",\"id\":\"c\",\"source\":\"/x\",\"type\":\"cb.gap\",\"subject\":\"yard\",\"data\":{\"t_us\":-5}}\n";

static int on_alert(void *ctx, const struct cb_alert_out *o, struct cb_err *err)
{
	static struct cb_json j;
	struct cb_event e;

	(void)ctx;
	if (cb_event_parse(&e, &j, (const char *)o->line->data, o->line->len, err) < 0 ||
	    !cb_json_eq(&j, e.type, o->resolved ? "cb.alert.resolved" : "cb.alert") ||
	    memchr(o->line->data, '\n', o->line->len) || !cb_json_eq(&j, e.id, o->id))
		abort();
	if ((o->argv != NULL) != (o->rule->args > 0 && !o->resolved) || (o->argv && o->argv[0][0] != '/'))
		abort();
	for (uint32_t i = 0; o->argv && i < o->rule->args; i++)
		if (strlen(o->argv[i]) > CB_TEXT_MAX)
			abort();
	if (strlen(o->text) > CB_TEXT_MAX || strlen(o->title) > CB_TEXT_MAX)
		abort();
	return 0;
}

/* --- routes: what is decided is an event, and the sums are right */

struct told {
	struct cb_notify *notify;
	uint64_t fired, suppressed, queued;
};

static int on_decision(void *ctx, const struct cb_buf *line, struct cb_err *err)
{
	static struct cb_json j;
	struct told *t = ctx;
	uint32_t what, alerts;
	struct cb_event e;
	int64_t n = 0;

	if (cb_event_parse(&e, &j, (const char *)line->data, line->len, err) < 0 ||
	    !cb_json_eq(&j, e.type, "cb.alert.decision"))
		abort();
	what = cb_json_get(&j, e.data, "decision");
	alerts = cb_json_get(&j, e.data, "alerts");
	if (what == CB_JSON_NONE || alerts == CB_JSON_NONE || !cb_json_i64(&j, alerts, &n) || n < 1)
		abort();
	if (cb_json_eq(&j, what, "fired"))
		t->fired += (uint64_t)n;
	else if (cb_json_eq(&j, what, "queued"))
		t->queued += (uint64_t)n;
	else if (!cb_json_eq(&j, what, "grouped") && !cb_json_eq(&j, what, "deferred"))
		t->suppressed += (uint64_t)n;
	return 0;
}

static int on_notice(void *ctx, const struct cb_notice *o, struct cb_err *err)
{
	static struct cb_json j;
	struct cb_event e;

	(void)ctx;
	if (cb_event_parse(&e, &j, (const char *)o->line->data, o->line->len, err) < 0 || !o->alerts ||
	    strlen(o->id) != 32)
		abort();
	return 0;
}

static int route_alert(void *ctx, const struct cb_alert_out *o, struct cb_err *err)
{
	struct told *t = ctx;

	on_alert(NULL, o, err);
	if (cb_notify_alert(t->notify, o, err) < 0)
		abort();
	return 0;
}

static void sums(const struct told *t)
{
	struct cb_notify_sum s;

	cb_notify_sum(t->notify, &s);
	if (t->fired != t->queued + t->suppressed + s.waiting || s.fired != t->fired)
		abort();
}

static void due(struct cb_alert *a, struct cb_notify *n, int64_t t_us, struct cb_err *err)
{
	for (int i = 0; i < 10000; i++) {
		int64_t x = cb_alert_next(a), y = cb_notify_next(n), next = x < y ? x : y;

		if (next > t_us)
			return;
		if (cb_alert_until(a, next, err) < 0 || cb_notify_until(n, next, t_us, err) < 0)
			abort();
	}
}

/* What is saved is loaded again, and saved as it was. */
static void remembered(const struct cb_rules *r, struct cb_alert *a, struct cb_notify *n)
{
	static struct cb_json j;
	struct told t = { 0 };
	struct cb_notify_ops ops = { on_decision, on_notice, &t };
	struct cb_buf one = { 0 }, two = { 0 };
	struct cb_alert *b = NULL;
	struct cb_err err = CB_ERR_INIT;

	if (cb_alert_new(&b, r, route_alert, &t, &err) < 0 || cb_notify_new(&t.notify, r, NULL, &ops, &err) < 0 ||
	    cb_alert_save(a, &one, &err) < 0 || cb_notify_save(n, &one, &err) < 0)
		abort();
	for (const char *s = (char *)one.data, *end = one.len ? s + one.len : s, *lf; s < end; s = lf + 1) {
		lf = memchr(s, '\n', (size_t)(end - s));
		if (!lf || cb_json_parse(&j, s, (size_t)(lf - s), &err) < 0)
			abort();
		if (cb_json_get(&j, 0, "rule") != CB_JSON_NONE || cb_json_get(&j, 0, "time") != CB_JSON_NONE ?
		    cb_alert_load(b, &j, &err) < 0 : cb_notify_load(t.notify, &j, &err) < 0)
			abort();
	}
	if (cb_alert_save(b, &two, &err) < 0 || cb_notify_save(t.notify, &two, &err) < 0 || one.len != two.len ||
	    (one.len && memcmp(one.data, two.data, one.len) != 0))
		abort();
	cb_notify_free(t.notify);
	cb_alert_free(b);
	cb_buf_release(&one);
	cb_buf_release(&two);
}

static void routed(const struct cb_rules *r, const char *s, const char *end)
{
	struct told t = { 0 };
	struct cb_notify_ops ops = { on_decision, on_notice, &t };
	struct cb_alert *a = NULL;
	struct cb_err err = CB_ERR_INIT;
	int64_t back, now;

	if (cb_alert_new(&a, r, route_alert, &t, &err) < 0 || cb_notify_new(&t.notify, r, NULL, &ops, &err) < 0)
		abort();
	for (; s < end; s++) {
		const char *lf = memchr(s, '\n', (size_t)(end - s));
		size_t len = (size_t)((lf ? lf : end) - s);

		if (cb_alert_parse(a, s, len, &err) == 0) {
			now = cb_alert_now(a, &back);
			if (back)
				cb_notify_back(t.notify, back);
			due(a, t.notify, now - 1, &err);
			if (cb_alert_apply(a, &err) < 0)
				abort();
		}
		s += len;
	}
	sums(&t);
	remembered(r, a, t.notify);
	now = cb_alert_now(a, NULL);
	due(a, t.notify, now + INT64_C(86400000000), &err);
	if (cb_notify_flush(t.notify, now + INT64_C(86400000000), &err) < 0)
		abort();
	sums(&t);
	cb_notify_free(t.notify);
	cb_alert_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const uint8_t *ev = memmem(p, n, "---events\n", 10);
	size_t rules_len = ev ? (size_t)(ev - p) : n;
	const char *s = ev ? (const char *)ev + 10 : own, *end = ev ? (const char *)p + n : own + sizeof(own) - 1;
	struct cb_err err = CB_ERR_INIT;
	struct cb_rules *r = NULL;
	struct cb_alert *a = NULL;

	if (n > 65536)
		return 0;
	if (cb_rules_parse(&r, "f", p, rules_len, &err) < 0) {
		if (r || err.code == CB_OK || (err.code == CB_E_CONFIG && strncmp(err.msg, "f:", 2) != 0))
			abort();
		return 0;
	}
	if (cb_alert_new(&a, r, on_alert, NULL, &err) < 0)
		abort();
	while (s < end) {
		const char *lf = memchr(s, '\n', (size_t)(end - s));
		size_t len = (size_t)((lf ? lf : end) - s);

		err = (struct cb_err)CB_ERR_INIT;
		if (cb_alert_parse(a, s, len, &err) == 0 ? cb_alert_until(a, cb_alert_now(a, NULL) - 1, &err) < 0 ||
		    cb_alert_apply(a, &err) < 0 : err.code != CB_E_DATA)
			abort();
		s += len + 1;
	}
	if (cb_alert_until(a, cb_alert_now(a, NULL) + INT64_C(86400000000), &err) < 0)
		abort();
	cb_alert_free(a);
	s = ev ? (const char *)ev + 10 : own;
	if (r->routes)
		routed(r, s, end);
	cb_rules_free(r);
	return 0;
}
