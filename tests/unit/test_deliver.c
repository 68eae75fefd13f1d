/* SPDX-License-Identifier: Apache-2.0 */
/* lib/deliver: configuration, addresses, the spool and its sums, pauses, mails, signatures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/time.h"
#include "conf/conf.h"
#include "crypto/webhook.h"
#include "deliver/conf.h"
#include "deliver/engine.h"
#include "deliver/guard.h"
#include "deliver/mail.h"
#include "deliver/spool.h"
#include "tap.h"

/* --- configuration ------------------------------------------------------------------------------ */

static int read_conf(const char *text, struct cb_err *err)
{
	struct cb_deliver_conf *d = NULL, *again = NULL;
	struct cb_conf *c = NULL, *c2 = NULL;
	int r = cb_conf_parse(&c, "f", text, strlen(text), err);

	if (!r)
		r = cb_deliver_conf_read(&d, c, cb_conf_root(c), err);
	if (!r && d) {
		/* what the helper gets says the same */
		r = cb_conf_parse(&c2, "g", d->text.data, d->text.len, err);
		if (!r)
			r = cb_deliver_conf_read(&again, c2, cb_conf_root(c2), err);
		if (!r && (again->n != d->n || again->text.len != d->text.len ||
			   memcmp(again->text.data, d->text.data, d->text.len) != 0))
			r = cb_err_set(err, CB_E_BUG, "not the same again");
	}
	cb_deliver_conf_free(again);
	cb_conf_free(c2);
	cb_deliver_conf_free(d);
	cb_conf_free(c);
	return r;
}

static void test_conf(void)
{
	static const char *const good[] = {
		"sinks: [{name: a, type: file, path: /x}]",
		"sinks: [{name: a, type: stdout, format: cef}]",
		"sinks: [{name: a, type: exec, argv: [/bin/true, \"$(id) \\\"q\\\" \\\\ \\t {x}\"]}]",
		"sinks: [{name: a, type: exec, argv: [/bin/true, \"\\L \\P\\N \\xe4 \\U0001f600\"]}]",
		"sinks: [{name: a, type: exec, argv: /bin/true, retry: {first: 1s, most: 5m, attempts: 3, give_up: 2d}}]",
		"sinks: [{name: a, type: syslog, transport: tls, host: \"::1\", ca: /c}]",
		"sinks: [{name: a, type: webhook, url: \"https://h/x?y=@\", allow: [10.0.0.0/8, \"::1\"], headers: 'A: b'}]",
		"sinks: [{name: a, type: webhook, url: \"http://h/x\", plain_http: true, header_file: /h}]",
		"sinks: [{name: a, type: mqtt, host: h, topic: \"a/{camera}\", version: '5', tls: false, qos: 2}]",
		"sinks: [{name: a, type: smtp, host: h, from: a@b, to: [c@d, \"e+f@g\"], user: u, password_file: /p}]",
		"sinks: [{name: a, type: stdout}]\ndelivery: {spool: {bytes: 10M}, snapshots: {dir: /d, bytes: 50k, age: 10s}, recordings: {store: /s}}",
		"rules: []",
	};
	static const char *const bad[][2] = {
		{ "sinks: []", "f:1:8: sinks: not a list" },
		{ "sinks: [{name: a}]", "f:1:9: sinks: name and type are needed" },
		{ "sinks: [{name: a, type: pigeon}]", "type: not one of" },
		{ "sinks: [{name: 'a b', type: stdout}]", "f:1:16: name:" },
		{ "sinks: [{name: a, type: stdout}, {name: a, type: stdout}]", "there is one already" },
		{ "sinks: [{name: a, type: file}]", "sink a: path is needed" },
		{ "sinks: [{name: a, type: file, path: x}]", "f:1:37: path: not an absolute path" },
		{ "sinks: [{name: a, type: file, path: /x, url: y}]", "url" },
		{ "sinks: [{name: a, type: exec, argv: [sh]}]", "argv: the program is not an absolute path" },
		{ "sinks: [{name: a, type: exec, argv: []}]", "argv: 1 to" },
		{ "sinks: [{name: a, type: syslog, transport: udp, host: h, ca: /c}]", "ca: for transport tls" },
		{ "sinks: [{name: a, type: syslog, transport: tcp, host: 'h h'}]", "host:" },
		{ "sinks: [{name: a, type: syslog, transport: tcp, host: h, facility: 24}]", "facility" },
		{ "sinks: [{name: a, type: webhook, url: \"http://h/\"}]", "http is not encrypted" },
		{ "sinks: [{name: a, type: webhook, url: \"ftp://h/\"}]", "neither https:// nor http://" },
		{ "sinks: [{name: a, type: webhook, url: \"https://u:p@h/\"}]", "no passwords here" },
		{ "sinks: [{name: a, type: webhook, url: \"https://h/ x\"}]", "characters that a URL has not" },
		{ "sinks: [{name: a, type: webhook, url: \"https://h/\", allow: localhost}]", "allow: localhost" },
		{ "sinks: [{name: a, type: webhook, url: \"https://h/\", allow: 10.0.0.0/33}]", "allow:" },
		{ "sinks: [{name: a, type: webhook, url: \"https://h/\", headers: \"A: b\\r\\nC: d\"}]", "headers:" },
		{ "sinks: [{name: a, type: webhook, url: \"https://h/\", headers: 'Webhook-Id: 1'}]", "headers:" },
		{ "sinks: [{name: a, type: webhook, url: \"https://h/\", headers: 'content-Type: 1'}]", "headers:" },
		{ "sinks: [{name: a, type: webhook, url: \"https://h/\", keys: [k]}]", "keys: not absolute" },
		{ "sinks: [{name: a, type: mqtt, host: h, topic: 'a/#'}]", "topic: not one to publish to" },
		{ "sinks: [{name: a, type: mqtt, host: h, topic: a, version: 4}]", "version" },
		{ "sinks: [{name: a, type: smtp, host: h, from: a@b, to: \"c@d\\r\\nx\"}]", "to: not an address" },
		{ "sinks: [{name: a, type: smtp, host: h, from: a@b, to: [\"<c@d>\"]}]", "to: not an address" },
		{ "sinks: [{name: a, type: smtp, host: h, from: a@b, to: c@d, user: u}]", "go together" },
		{ "sinks: [{name: a, type: smtp, host: h, from: a@b, to: c@d, user: u, password_file: /p, tls: none}]", "in the clear" },
		{ "sinks: [{name: a, type: stdout, timeout: 0s}]", "timeout: too short" },
		{ "sinks: [{name: a, type: stdout, retry: {attempts: 0}}]", "attempts" },
		{ "delivery: {}", "delivery: and no sinks" },
		{ "sinks: [{name: a, type: stdout}]\ndelivery: {snapshots: {dir: d}}", "f:2:29: dir: not an absolute path" },
		{ "sinks: [{name: a, type: stdout}]\ndelivery: {spool: {bytes: 1k}}", "bytes: not a number of bytes" },
	};
	struct cb_err err;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		err = (struct cb_err)CB_ERR_INIT;
		if (!OK_NAMED(read_conf(good[i], &err) == 0, good[i]))
			NOTE("%s", err.msg);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err = (struct cb_err)CB_ERR_INIT;
		if (!OK_NAMED(read_conf(bad[i][0], &err) < 0 && err.code == CB_E_CONFIG && strstr(err.msg, bad[i][1]),
			      bad[i][0]))
			NOTE("%s", err.msg);
	}
}

/* --- addresses ------------------------------------------------------------------------------------- */

static bool allows(const char *text, const char *net)
{
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in s4 = { .sin_family = AF_INET };
	struct cb_cidr c;

	if (net && !cb_cidr_parse(net, &c))
		return false;
	if (inet_pton(AF_INET, text, &s4.sin_addr) == 1)
		return cb_guard_allows((struct sockaddr *)&s4, &c, !!net);
	return inet_pton(AF_INET6, text, &s6.sin6_addr) == 1 && cb_guard_allows((struct sockaddr *)&s6, &c, !!net);
}

static void test_guard(void)
{
	static const char *const no[] = {
		"127.0.0.1", "127.255.0.9", "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "240.0.0.1",
		"255.255.255.255", "100.100.100.200", "168.63.129.16", "192.0.0.192", "::", "::1", "::ffff:127.0.0.1",
		"::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::1",
		"2002:7f00:1::1", "2002:a9fe:a9fe::", "2001:0:7f00:1::1", "2001:0:1:2:3:4:80ff:fffe", "fe80::1", "fec0::1",
		"febf::1", "ff02::1", "fd00:ec2::254",
	};
	static const char *const yes[] = {
		"192.0.2.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255",
		"223.255.255.255", "2001:db8::1", "fd00::1", "2606:4700::1", "64:ff9b::192.0.2.1", "::ffff:192.0.2.1",
		"2002:c000:201::1",
	};
	struct sockaddr sa = { .sa_family = AF_UNIX };

	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		OK_NAMED(!allows(no[i], NULL), no[i]);
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		OK_NAMED(allows(yes[i], NULL), yes[i]);
	OK(!cb_guard_allows(&sa, NULL, 0));
	OK(allows("127.0.0.1", "127.0.0.0/8") && !allows("127.0.0.1", "127.0.0.2"));
	OK(allows("::ffff:127.0.0.1", "127.0.0.1") && allows("fe80::1", "fe80::/10") && !allows("::1", "0.0.0.0/0"));
	OK(allows("127.0.0.1", "::/0"));
	OK(!allows("127.0.0.1", "127.0.0.1/") && !allows("127.0.0.1", "127.0.0.1/33") && !allows("::1", "::1/129"));
}

/* --- signatures: the examples of the reference implementation's own tests ------------------------------ */

static void test_sign(void)
{
	static const char head[] = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.", body[] = "{\"test\": 2432232314}";
	static const char sk[] = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
	static const char seed[] = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";
	static const char sig[] = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
	static const char *const no[] = {
		"", "whsec_", "whsec_AAAA", "whsec_not base64!!!!!!!!!!!!!!!!!!!!!!", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
		"whsk_AAAA", "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvw==",
	};
	struct cb_webhook_key k;
	struct cb_buf b = { 0 };
	struct cb_err err = CB_ERR_INIT;

	OK(cb_webhook_key_parse(&k, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &err) == 0);
	OK(cb_webhook_sign(&b, &k, head, body, strlen(body), &err) == 0);
	cb_buf_byte(&b, 0);
	OK_STR((char *)b.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	OK(cb_webhook_key_parse(&k, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &err) == 0 && k.kind == 1);
	for (int i = 0; i < 2; i++) {
		b.len = 0;
		OK(cb_webhook_key_parse(&k, i ? seed : sk, &err) == 0);
		OK(cb_webhook_sign(&b, &k, head, body, strlen(body), &err) == 0);
		cb_buf_byte(&b, 0);
		OK_STR((char *)b.data, sig);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		err.msg[0] = '\0';
		OK_NAMED(cb_webhook_key_parse(&k, no[i], &err) < 0 && err.code == CB_E_DATA, no[i]);
		OK(strlen(no[i]) < 10 || !strstr(err.msg, no[i] + 6));
	}
	cb_webhook_key_wipe(&k);
	cb_buf_release(&b);
}

/* --- pauses -------------------------------------------------------------------------------------------- */

static void test_pause(void)
{
	struct cb_outlet_conf c = { .first_ns = CB_NS_PER_S, .most_ns = 60 * CB_NS_PER_S };
	bool within = true;

	for (uint32_t n = 1; n < 200; n++) {
		int64_t all = n > 6 ? c.most_ns : CB_NS_PER_S << (n - 1);

		for (uint64_t r = 0; r < 1000; r++) {
			int64_t p = cb_engine_pause(&c, n, 0, r * UINT64_C(0x9e3779b97f4a7c15));

			within &= p >= all / 2 && p <= all;
		}
	}
	OK(within);
	OK(cb_engine_pause(&c, 1, 30 * CB_NS_PER_S, 0) == 30 * CB_NS_PER_S);
	OK(cb_engine_pause(&c, 100, CB_NS_PER_S, 0) == 30 * CB_NS_PER_S);
	OK(cb_engine_pause(&c, 1, INT64_MAX, 0) == 86400 * CB_NS_PER_S);
	OK(cb_engine_pause(&c, UINT32_MAX, 0, UINT64_MAX) <= c.most_ns);
}

/* --- the spool -------------------------------------------------------------------------------------------- */

static char dir[64];
static uint64_t heard[8];
static uint64_t last;
static bool grows = true;

static int hear(void *ctx, const struct cb_decision *d, struct cb_err *err)
{
	(void)ctx, (void)err;
	heard[d->what]++;
	grows &= d->number > last;
	last = d->number;
	return 0;
}

static int hear_any(void *ctx, const struct cb_decision *d, struct cb_err *err)
{
	(void)ctx, (void)d, (void)err;
	return 0;
}

static int hear_not(void *ctx, const struct cb_decision *d, struct cb_err *err)
{
	(void)ctx, (void)d;
	return cb_err_set(err, CB_E_IO, "not now");
}

static void put(struct cb_spool *s, const char *sink, int from, int n, size_t jpeg)
{
	struct cb_buf b = { 0 };
	uint8_t *p = calloc(1, jpeg + 1);
	struct cb_err err = CB_ERR_INIT;
	char id[40];

	for (int i = 0; i < n; i++) {
		struct cb_note_out note = { .id = id, .sink = sink, .line = "{}", .len = 2, .t_us = i,
					    .jpeg = jpeg ? p : NULL, .jpeg_len = jpeg };

		snprintf(id, sizeof(id), "%032x", from + i);
		if (cb_spool_pack(&b, &note, 1000, &err) < 0)
			abort();
	}
	if (cb_spool_put(s, &b, NULL, &err) < 0)
		NOTE("%s", err.msg);
	free(p);
	cb_buf_release(&b);
}

static bool balanced(struct cb_spool *s, const char *sink, uint64_t in)
{
	struct cb_spool_sum m;

	return cb_spool_sum(s, sink, &m, NULL) == 0 && m.in == in && m.in == m.delivered + m.dead + m.queued + m.dropped;
}

/* Settle the first note of a sink. */
static void settle(struct cb_spool *s, const char *sink, enum cb_decided what)
{
	struct cb_settled t = { .what = what, .now_us = 2000, .next_us = 3000, .reason = "because" };

	if (cb_spool_next(s, sink, 0, false, &t.note, NULL) < 0 || !t.note)
		abort();
	OK(cb_spool_settle(s, &t, NULL) == 0);
	free(t.note);
}

static void test_spool(void)
{
	struct cb_note_out n = { .id = "a", .sink = "s", .line = "{}", .len = 2 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_spooled *o, *late;
	struct cb_settled t;
	struct cb_spool_sum sum;
	struct cb_buf b = { 0 }, said = { 0 };
	struct cb_spool *s;
	char *text = malloc(70000);

	memset(text, 'x', 69999);
	text[69999] = '\0';
	OK(cb_spool_open(&s, dir, 0, false, &err) < 0 && err.code == CB_E_NOINPUT);
	if (!OK(cb_spool_open(&s, dir, 4 << 20, true, &err) == 0)) {
		NOTE("%s", err.msg);
		return;
	}
	/* what cannot be a note */
	OK(cb_spool_pack(&b, &(struct cb_note_out){ .id = "a.b", .sink = "s", .line = "" }, 0, &err) < 0 && b.len == 0);
	OK(cb_spool_pack(&b, &(struct cb_note_out){ .id = "", .sink = "s", .line = "" }, 0, &err) < 0);
	OK(cb_spool_pack(&b, &(struct cb_note_out){ .id = text, .sink = "s", .line = "" }, 0, &err) < 0);
	OK(cb_spool_pack(&b, &(struct cb_note_out){ .id = "a", .sink = "s/", .line = "" }, 0, &err) < 0);
	OK(cb_spool_pack(&b, &(struct cb_note_out){ .id = "a", .sink = "s", .line = text, .len = 69999 }, 0, &err) < 0);
	n.title = text;
	n.text = "\xc3\xbc";
	n.jpeg = (uint8_t *)text;
	n.jpeg_len = 60000;
	OK(cb_spool_pack(&b, &n, 7, &err) == 0 && cb_spool_put(s, &b, NULL, &err) == 0);
	OK(cb_spool_next(s, "s", 0, false, &o, &err) == 0 && o);
	OK(strlen(o->note.title) == CB_NOTE_TEXT_MAX && strcmp(o->note.text, n.text) == 0 && o->note.jpeg_len == 60000 &&
	   memcmp(o->note.jpeg, text, 60000) == 0 && o->put_us == 7 && o->attempts == 0 && !strcmp(o->note.sink, "s"));
	/* and again while it is under way: taken out by somebody else */
	t = (struct cb_settled){ .note = o, .what = CB_DELIVERED };
	OK(cb_spool_settle(s, &t, &err) == 0 && cb_spool_settle(s, &t, &err) == 0);
	free(o);
	OK(balanced(s, "s", 1));
	OK(cb_spool_next(s, "s", 0, false, &o, &err) == 0 && !o && !cb_spool_waits(s, "s"));

	put(s, "s", 1, 10, 0);
	put(s, "s.2", 1, 3, 0);
	put(s, "s-", 1, 1, 0);
	OK(balanced(s, "s", 11) && balanced(s, "s.2", 3) && balanced(s, "s-", 1) && balanced(s, NULL, 15));
	settle(s, "s", CB_DELIVERED);
	settle(s, "s", CB_FAILED);
	OK(cb_spool_sum(s, "s", &sum, NULL) == 0 && sum.attempts == 1 && !strcmp(sum.reason, "because") && sum.oldest_us == 1000);
	OK(cb_spool_next(s, "s", 0, false, &o, &err) == 0 && o->attempts == 1 && o->next_us == 3000);
	settle(s, "s", CB_DEAD);
	settle(s, "s", CB_DEAD);
	OK(balanced(s, "s", 11));
	OK(cb_spool_sum(s, "s", &sum, NULL) == 0 && sum.dead == 2 && sum.queued == 7 && sum.delivered == 2 && sum.failed == 3);
	OK(cb_spool_next(s, "s", 0, true, &late, &err) == 0 && late && late->attempts == 2);
	OK(cb_spool_revive(s, "other", NULL, false, 5000, &err) == 0);
	OK(cb_spool_revive(s, "s", "00000000000000000000000000000002", false, 5000, &err) == 1);
	OK(balanced(s, "s", 11));
	OK(cb_spool_revive(s, NULL, NULL, true, 5000, &err) == 1);
	OK(balanced(s, "s", 11) && cb_spool_sum(s, "s", &sum, NULL) == 0 && sum.dropped == 1 && sum.replayed == 1 && sum.queued == 8);
	/* a late word on a note that was revived since does not count twice */
	t = (struct cb_settled){ .note = late, .what = CB_DELIVERED };
	OK(cb_spool_settle(s, &t, &err) == 0 && balanced(s, "s", 11));
	free(late);
	free(o);

	OK(cb_spool_hear(s, 100, hear_not, NULL, &err) < 0);
	OK(cb_spool_hear(s, 3, hear, NULL, &err) == 3 && cb_spool_hear(s, 100, hear, NULL, &err) == 4);
	OK(heard[CB_DELIVERED] == 2 && heard[CB_FAILED] == 1 && heard[CB_DEAD] == 2 && heard[CB_REPLAYED] == 1 &&
	   heard[CB_DROPPED] == 1 && grows);
	OK(cb_spool_hear(s, 100, hear, NULL, &err) == 0);
	/* heard, but not said: it comes again, and so does what was to be said */
	b.len = 0;
	OK(cb_spool_forget(s, &err) == 0 && cb_spool_own(s, &err) == 0 && cb_buf_str(&b, "one") == 0);
	OK(cb_spool_put(s, &(struct cb_buf){ 0 }, &b, &err) == 0);
	cb_spool_close(s);
	OK(cb_spool_open(&s, dir, 4 << 20, false, &err) == 0 && cb_spool_own(s, &err) == 0);
	OK(cb_spool_unsaid(s, &said, &err) == 0 && said.len == 3 && memcmp(said.data, "one", 3) == 0);
	/* what was said is gone, and no more than that */
	OK(cb_spool_hear(s, 3, hear_any, NULL, &err) == 3);
	cb_spool_said(s);
	OK(cb_spool_put(s, &(struct cb_buf){ 0 }, &b, &err) == 0);
	cb_spool_close(s);
	said.len = 0;
	OK(cb_spool_open(&s, dir, 4 << 20, false, &err) == 0 && cb_spool_own(s, &err) == 0);
	OK(cb_spool_hear(s, 100, hear_any, NULL, &err) == 4);
	OK(cb_spool_unsaid(s, &said, &err) == 0 && said.len == 3);
	cb_spool_said(s);
	OK(cb_spool_put(s, &(struct cb_buf){ 0 }, &b, &err) == 0);
	cb_spool_said(s);
	cb_spool_close(s);
	said.len = 0;
	OK(cb_spool_open(&s, dir, 4 << 20, false, &err) == 0 && cb_spool_own(s, &err) == 0);
	OK(cb_spool_hear(s, 100, hear_any, NULL, &err) == 0);
	OK(cb_spool_unsaid(s, &said, &err) == 0 && said.len == 0);
	cb_buf_release(&said);

	/* full: what does not fit is said */
	put(s, "full", 1, 50, 200000);
	OK(balanced(s, "full", 50));
	OK(cb_spool_sum(s, "full", &sum, NULL) == 0 && sum.dropped >= 30 && sum.queued >= 15);
	OK((uint64_t)cb_spool_hear(s, 1000, hear, NULL, &err) == sum.dropped);
	while (cb_spool_sum(s, "full", &sum, NULL) == 0 && sum.queued)
		settle(s, "full", CB_DELIVERED);
	put(s, "full", 60, 10, 200000);
	OK(cb_spool_sum(s, "full", &sum, NULL) == 0 && sum.queued == 10 && balanced(s, "full", 60));
	cb_spool_close(s);

	/* and all of it once more */
	OK(cb_spool_open(&s, dir, 4 << 20, false, &err) == 0 && balanced(s, "full", 60) && balanced(s, "s", 11));
	OK(cb_spool_own(s, &err) == 0);
	cb_spool_close(s);
	cb_buf_release(&b);
	free(text);
}

/* --- mails --------------------------------------------------------------------------------------------------- */

static void test_mail(void)
{
	struct cb_buf b = { 0 };

	OK(cb_mail_words(&b, "a\r\nBcc: x") == 0);
	cb_buf_byte(&b, 0);
	OK_STR((char *)b.data, "=?UTF-8?B?YT8/QmNjOiB4?=");
	b.len = 0;
	/* 30 characters of two bytes: two words, cut between characters */
	OK(cb_mail_words(&b, "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüü") == 0);
	cb_buf_byte(&b, 0);
	OK_STR((char *)b.data, "=?UTF-8?B?w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8?=\r\n =?UTF-8?B?w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8?=");
	cb_buf_release(&b);
}

int main(void)
{
	char cmd[100];

	snprintf(dir, sizeof(dir), "/tmp/cb-spool.%d", (int)getpid());
	test_conf();
	test_guard();
	test_sign();
	test_pause();
	test_mail();
	test_spool();
	for (const char *const *f = (const char *const[]){ "spool.mdb", "spool.mdb-lock", "owner", "", NULL }; *f; f++) {
		snprintf(cmd, sizeof(cmd), "%s/%s", dir, *f);
		remove(cmd);
	}
	return done();
}
