/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: any file is refused with a place or compiled; what compiles is applied to events, the
 * lines after "---events" or some of our own, and whatever it writes is an event again. */
#include <stdlib.h>
#include <string.h>

#include "alert/alert.h"
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
	cb_rules_free(r);
	return 0;
}
