/* SPDX-License-Identifier: Apache-2.0 */
/* lib/wire's formats for log collectors: golden lines, and hostile text in every field. */
#include "tap.h"
#include "wire/siem.h"

static struct cb_json j;

static const char *put(enum cb_siem format, const char *line, const char *host, int64_t index)
{
	static struct cb_buf b;
	struct cb_siem_about about = { .host = host, .facility = 13, .index = index };
	struct cb_err err = CB_ERR_INIT;
	struct cb_event ev;

	b.len = 0;
	if (cb_event_parse(&ev, &j, line, strlen(line), &err) < 0) {
		NOTE("%s", err.msg);
		return NULL;
	}
	if (cb_siem_put(&b, format, &ev, line, strlen(line), &about, &err) < 0)
		return NULL;
	cb_buf_byte(&b, '\0');
	return (const char *)b.data;
}

#define ALERT "{\"specversion\":\"1.0\",\"id\":\"a1\",\"source\":\"/cb-alert\",\"type\":\"cb.alert\"," \
	"\"time\":\"2026-11-21T07:54:42.123456Z\",\"subject\":\"front\",\"data\":{\"t_us\":1795247682123456," \
	"\"rule\":\"person\",\"severity\":\"high\",\"message\":\"front: person\",\"count\":1,\"group\":{\"subject\":\"front\"}}}"
#define SEALED "{\"recordedtime\":\"2026-11-21T08:00:00.000000Z\",\"specversion\":\"1.0\",\"id\":\"s1\",\"source\":\"/cb-record\"," \
	"\"type\":\"cb.segment.closed\",\"subject\":\"yard\",\"data\":{\"t_us\":1795247682000000," \
	"\"manifest_sha256\":\"ab6f\",\"packets\":3,\"ok\":true,\"list\":[1,2]}}"
/* a camera, a rule and a message that want to be something else */
#define HOSTILE "{\"specversion\":\"1.0\",\"id\":\"x|y=z\\\\\",\"source\":\"/cb|a\\u001b\",\"type\":\"evil|t\\ny]\\\"\"," \
	"\"subject\":\"a\\n<13>1 b]\\\"\",\"data\":{\"t_us\":-1500,\"rule\":\"$(id)\\t%s\",\"message\":\"one\\ntwo=\\\\|\\u0085\\u2028]\"," \
	"\"ke y=\\\"]\":\"v\\\"]\\\\\",\"deep\":{\"er\":{\"x\":null}},\"severity\":\"none\"}}"

#define NOTICE "{\"specversion\":\"1.0\",\"id\":\"n1\",\"source\":\"/cb-alert\",\"type\":\"cb.alert.notice\"," \
	"\"data\":{\"t_us\":1795247682000000,\"severity\":\"critical\",\"title\":\"3 alerts: gate\",\"text\":\"gate\\ngate\"}}"

static void golden(void)
{
	OK_STR(put(CB_SIEM_CEF, NOTICE, NULL, -1),
	       "CEF:0|cb|cb-alert|" CB_VERSION "|cb.alert.notice|3 alerts: gate|10|externalId=n1 cat=cb.alert.notice "
	       "rt=1795247682000 cs3Label=data cs3={\"t_us\":1795247682000000,\"severity\":\"critical\",\"title\":"
	       "\"3 alerts: gate\",\"text\":\"gate\\\\ngate\"} msg=3 alerts: gate");
	OK(strstr(put(CB_SIEM_OCSF, NOTICE, NULL, -1), "\"class_uid\":2004") &&
	   strstr(put(CB_SIEM_OCSF, NOTICE, NULL, -1), "\"title\":\"3 alerts: gate\""));
	OK_STR(put(CB_SIEM_RFC5424, ALERT, "nvr1", 7),
	       "<107>1 2026-11-21T07:54:42.123456Z nvr1 cb-alert - cb.alert [cb@32473 id=\"a1\" type=\"cb.alert\" "
	       "subject=\"front\" index=\"7\"][cbdata@32473 t_us=\"1795247682123456\" rule=\"person\" severity=\"high\" "
	       "message=\"front: person\" count=\"1\" group.subject=\"front\"] \xef\xbb\xbf" "front: person");
	OK_STR(put(CB_SIEM_CEF, ALERT, "nvr1", 7),
	       "CEF:0|cb|cb-alert|" CB_VERSION "|cb.alert|front: person|8|externalId=a1 cat=cb.alert rt=1795247682123 dvchost=nvr1 "
	       "cs1Label=camera cs1=front cs2Label=rule cs2=person cs3Label=data cs3={\"t_us\":1795247682123456,\"rule\":\"person\","
	       "\"severity\":\"high\",\"message\":\"front: person\",\"count\":1,\"group\":{\"subject\":\"front\"}} "
	       "cn1Label=logIndex cn1=7 msg=front: person");
	OK_STR(put(CB_SIEM_LEEF, ALERT, NULL, -1),
	       "LEEF:2.0|cb|cb-alert|" CB_VERSION "|cb.alert|x09|cat=cb.alert\tsev=8\tdevTime=1795247682123\tresource=front\t"
	       "eventId=a1\tmsg=front: person\tcb_t_us=1795247682123456\tcb_rule=person\tcb_severity=high\t"
	       "cb_message=front: person\tcb_count=1\tcb_group_subject=front");
	OK_STR(put(CB_SIEM_OCSF, ALERT, NULL, 7),
	       "{\"activity_id\":1,\"activity_name\":\"Create\",\"category_uid\":2,\"category_name\":\"Findings\",\"class_uid\":2004,"
	       "\"class_name\":\"Detection Finding\",\"type_uid\":200401,\"severity_id\":4,\"severity\":\"High\",\"time\":1795247682123,"
	       "\"message\":\"front: person\",\"metadata\":{\"version\":\"1.3.0\",\"uid\":\"a1\",\"event_code\":\"cb.alert\",\"sequence\":7,"
	       "\"product\":{\"name\":\"cb-alert\",\"vendor_name\":\"cb\",\"version\":\"" CB_VERSION "\"}},"
	       "\"finding_info\":{\"uid\":\"a1\",\"title\":\"person\",\"desc\":\"front: person\"},\"status_id\":1,\"status\":\"New\","
	       "\"unmapped\":{\"camera\":\"front\",\"data\":{\"t_us\":1795247682123456,\"rule\":\"person\",\"severity\":\"high\","
	       "\"message\":\"front: person\",\"count\":1,\"group\":{\"subject\":\"front\"}}}}");
	OK_STR(put(CB_SIEM_ECS, SEALED, "nvr1", 0),
	       "{\"@timestamp\":\"2026-11-21T07:54:42.000000Z\",\"message\":\"cb.segment.closed yard\",\"ecs\":{\"version\":\"8.11.0\"},"
	       "\"event\":{\"kind\":\"event\",\"id\":\"s1\",\"action\":\"cb.segment.closed\",\"dataset\":\"cb.events\",\"module\":\"cb\","
	       "\"provider\":\"cb-record\",\"severity\":10,\"sequence\":0,\"created\":\"2026-11-21T08:00:00.000000Z\"},"
	       "\"observer\":{\"vendor\":\"cb\",\"product\":\"cb-record\",\"version\":\"" CB_VERSION "\",\"name\":\"yard\"},"
	       "\"host\":{\"hostname\":\"nvr1\"},\"cb\":{\"t_us\":1795247682000000,\"manifest_sha256\":\"ab6f\",\"packets\":3,\"ok\":true,"
	       "\"list\":[1,2]}}");
	OK_STR(put(CB_SIEM_RFC5424, SEALED, NULL, -1),
	       "<110>1 2026-11-21T07:54:42.000000Z - cb-record - cb.segment.closed [cb@32473 id=\"s1\" type=\"cb.segment.closed\" "
	       "subject=\"yard\"][cbdata@32473 t_us=\"1795247682000000\" manifest_sha256=\"ab6f\" packets=\"3\" ok=\"true\" "
	       "list=\"[1,2\\]\"] \xef\xbb\xbf" "cb.segment.closed yard");
	OK_STR(put(CB_SIEM_JSON, SEALED, NULL, 3), SEALED);
}

static void hostile(void)
{
	OK_STR(put(CB_SIEM_RFC5424, HOSTILE, "h\n ost", -1),
	       "<110>1 1969-12-31T23:59:59.998500Z h__ost cb|a_ - evil|t_y]\" [cb@32473 id=\"x|y=z\\\\\" type=\"evil|t y\\]\\\"\" "
	       "subject=\"a <13>1 b\\]\\\"\"][cbdata@32473 t_us=\"-1500\" rule=\"$(id) %s\" message=\"one two=\\\\| \xe2\x80\xa8\\]\" "
	       "ke_y___=\"v\\\"\\]\\\\\" deep.er.x=\"null\" severity=\"none\"] \xef\xbb\xbf" "one two=\\| \xe2\x80\xa8]");
	OK_STR(put(CB_SIEM_CEF, HOSTILE, NULL, -1),
	       "CEF:0|cb|cb\\|a |" CB_VERSION "|evil\\|t y]\"|one two=\\\\\\| \xe2\x80\xa8]|1|externalId=x|y\\=z\\\\ cat=evil|t\\ny]\" rt=-2 "
	       "cs1Label=camera cs1=a\\n<13>1 b]\" cs2Label=rule cs2=$(id) %s cs3Label=data cs3={\"t_us\":-1500,\"rule\":\"$(id)\\\\t%s\","
	       "\"message\":\"one\\\\ntwo\\=\\\\\\\\|\\\\u0085\\\\u2028]\",\"ke y\\=\\\\\"]\":\"v\\\\\"]\\\\\\\\\",\"deep\":{\"er\":{\"x\":null}},"
	       "\"severity\":\"none\"} msg=one\\ntwo\\=\\\\| \xe2\x80\xa8]");
	OK_STR(put(CB_SIEM_LEEF, HOSTILE, NULL, -1),
	       "LEEF:2.0|cb|cb_a_|" CB_VERSION "|evil_t_y__|x09|cat=evil_t_y__\tsev=1\tdevTime=-2\tresource=a <13>1 b]\"\t"
	       "eventId=x|y=z\\\tmsg=one two=\\| \xe2\x80\xa8]\tcb_t_us=-1500\tcb_rule=$(id) %s\tcb_message=one two=\\| \xe2\x80\xa8]\t"
	       "cb_ke_y___=v\"]\\\tcb_deep_er_x=null\tcb_severity=none");
	for (int f = CB_SIEM_RFC5424; f <= CB_SIEM_JSON; f++) {
		const char *s = put(f, HOSTILE, "h\n", 1);

		OK_NAMED(s && !strchr(s, '\n') && !strchr(s, '\x1b'), "one line, and no escapes");
		if (f >= CB_SIEM_OCSF)
			OK_NAMED(s && cb_json_parse(&j, s, strlen(s), NULL) == 0, "JSON");
	}
}

/* More fields, and longer ones, than a line takes. */
static void large(void)
{
	struct cb_buf b = { 0 };
	const char *s;
	size_t n = 0;

	cb_buf_printf(&b, "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\",\"data\":{\"long\":\"");
	for (int i = 0; i < 3001; i++)
		cb_buf_str(&b, "\xc3\xa4");
	cb_buf_str(&b, "\"");
	for (int i = 0; i < 200; i++)
		cb_buf_printf(&b, ",\"f%d\":%d", i, i);
	cb_buf_str(&b, "}}");
	s = put(CB_SIEM_RFC5424, (const char *)b.data, NULL, -1);
	for (const char *p = s; p && (p = strchr(p, '=')); p++)
		n++;
	OK_INT(n, 2 + 64);	/* id, type, and so many fields: not the long one */
	OK(s && !strstr(s, "long") && strstr(s, " f63=\"63\"") && !strstr(s, "f64"));
	OK_STR(put(CB_SIEM_CEF, "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\",\"data\":{}}", NULL, -1),
	       "CEF:0|cb|s|" CB_VERSION "|t|t|1|externalId=i cat=t cs3Label=data cs3={} msg=t");
	cb_buf_release(&b);
}

int main(void)
{
	golden();
	hostile();
	large();
	return done();
}
