/* SPDX-License-Identifier: Apache-2.0 */
/* The keys `sinks` and `delivery`. */
#include "deliver/conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/time.h"
#include "deliver/guard.h"
#include "deliver/spool.h"

#define PATH_LEN 4000
#define WORD_LEN 1024

static const char *const sinks_keys[] = { "name", "type", "format", "timeout", "retry", "thumbnail", NULL };
static const char *const retry_keys[] = { "first", "most", "attempts", "give_up", NULL };
static const char *const delivery_keys[] = { "spool", "snapshots", "recordings", NULL };
static const char *const spool_keys[] = { "bytes", NULL };
static const char *const snapshot_keys[] = { "dir", "bytes", "age", NULL };
static const char *const recording_keys[] = { "store", "before", "after", NULL };

/* What each type takes besides; the first `need` of them must be there. */
static const struct kind {
	uint32_t need;
	enum cb_body format;
	const char *keys[16];
} kinds[] = {
	[CB_OUT_FILE] = { 1, CB_BODY_JSON, { "path" } },
	[CB_OUT_STDOUT] = { 0, CB_BODY_JSON, { NULL } },
	[CB_OUT_EXEC] = { 1, CB_BODY_JSON, { "argv" } },
	[CB_OUT_SYSLOG] = { 2, CB_BODY_RFC5424, { "transport", "host", "port", "facility", "hostname", "ca" } },
	[CB_OUT_WEBHOOK] = { 1, CB_BODY_CLOUDEVENTS,
		{ "url", "keys", "ca", "plain_http", "allow", "headers", "header_file" } },
	[CB_OUT_MQTT] = { 2, CB_BODY_JSON,
		{ "host", "topic", "port", "tls", "ca", "qos", "retain", "version", "client_id", "status_topic",
		  "user", "password_file" } },
	[CB_OUT_SMTP] = { 3, CB_BODY_TEXT,
		{ "host", "from", "to", "port", "tls", "ca", "user", "password_file" } },
};

/* Which of the words between bars; -1. */
static int word(const char *words, const char *s)
{
	size_t n = strlen(s);

	for (int i = 0; ; i++) {
		const char *bar = strchrnul(words, '|');

		if ((size_t)(bar - words) == n && memcmp(words, s, n) == 0)
			return i;
		if (!*bar)
			return -1;
		words = bar + 1;
	}
}

static int get_word(const struct cb_conf *c, const struct cb_conf_node *at, const char *words, int *ret,
		    struct cb_err *err)
{
	const char *s;

	if (!at)
		return 0;
	if (cb_conf_str(c, at, 64, &s, err) < 0)
		return -1;
	if (word(words, s) < 0)
		return cb_conf_fail(c, at, err, "%s: not one of %s", at->key, words);
	*ret = word(words, s);
	return 0;
}

static int get_str(const struct cb_conf *c, const struct cb_conf_node *at, size_t max, const char **ret,
		   struct cb_err *err)
{
	if (!at)
		return 0;
	if (cb_conf_str(c, at, max, ret, err) < 0)
		return -1;
	if (!**ret)
		return cb_conf_fail(c, at, err, "%s: empty", at->key);
	for (const char *p = *ret; *p; p++)
		if ((uint8_t)*p < 0x20 || *p == 0x7f)
			return cb_conf_fail(c, at, err, "%s: control characters", at->key);
	return 0;
}

/* A path that does not depend on where somebody started. */
static int get_path(const struct cb_conf *c, const struct cb_conf_node *at, const char **ret, struct cb_err *err)
{
	if (get_str(c, at, PATH_LEN, ret, err) < 0)
		return -1;
	if (at && **ret != '/')
		return cb_conf_fail(c, at, err, "%s: not an absolute path", at->key);
	return 0;
}

static int get_bool(const struct cb_conf *c, const struct cb_conf_node *at, bool *ret, struct cb_err *err)
{
	return at ? cb_conf_bool(c, at, ret, err) : 0;
}

static int get_time(const struct cb_conf *c, const struct cb_conf_node *at, int64_t min, int64_t max,
		    int64_t *ret, struct cb_err *err)
{
	int64_t v;

	if (!at)
		return 0;
	if (cb_conf_duration(c, at, &v, err) < 0)
		return -1;
	if (v < min || v > max)
		return cb_conf_fail(c, at, err, "%s: too %s", at->key, v < min ? "short" : "long");
	*ret = v;
	return 0;
}

static int get_bytes(const struct cb_conf *c, const struct cb_conf_node *at, uint64_t min, uint64_t max,
		     uint64_t *ret, struct cb_err *err)
{
	const char *s;
	uint64_t v;

	if (!at)
		return 0;
	if (cb_conf_str(c, at, 32, &s, err) < 0)
		return -1;
	if (!cb_parse_bytes(s, &v) || v < min || v > max)
		return cb_conf_fail(c, at, err, "%s: not a number of bytes from %llu to %llu", at->key,
				    (unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return 0;
}

/* A text or a list of them. */
static int get_list(const struct cb_conf *c, const struct cb_conf_node *at, uint32_t max, struct cb_words *ret,
		    struct cb_err *err)
{
	const struct cb_conf_node *n = at && at->kind == CB_CONF_SEQ ? at->child : at;

	if (!at)
		return 0;
	if (at->kind == CB_CONF_SEQ && (at->size == 0 || at->size > max))
		return cb_conf_fail(c, at, err, "%s: 1 to %u of them", at->key, max);
	for (; n && ret->n < max; n = at->kind == CB_CONF_SEQ ? n->next : NULL)
		if (cb_conf_str(c, n, WORD_LEN, &ret->at[ret->n++], err) < 0)
			return -1;
	return 0;
}

/* --- each type ---------------------------------------------------------------------------------- */

bool cb_outlet_header_ok(const char *s)
{
	static const char *const own[] = { "content-type", "content-length", "host", "transfer-encoding", "connection" };
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	if (!n || s[n] != ':' || strncasecmp(s, "webhook-", 8) == 0)
		return false;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (strlen(own[i]) == n && strncasecmp(s, own[i], n) == 0)
			return false;
	for (; *s; s++)
		if ((uint8_t)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static int read_exec(struct cb_outlet_conf *o, const struct cb_conf *c, const struct cb_conf_node *m,
		     struct cb_err *err)
{
	const struct cb_conf_node *argv = cb_conf_get(m, "argv");

	if (get_list(c, argv, CB_OUTLET_ARGV_MAX - 1, &o->argv, err) < 0)
		return -1;
	if (*o->argv.at[0] != '/')
		return cb_conf_fail(c, argv, err, "argv: the program is not an absolute path");
	return 0;
}

static int read_host(struct cb_outlet_conf *o, const struct cb_conf *c, const struct cb_conf_node *m,
		     struct cb_err *err)
{
	const struct cb_conf_node *port = cb_conf_get(m, "port");
	uint64_t v = 0;

	if (get_str(c, cb_conf_get(m, "host"), 255, &o->host, err) < 0 ||
	    (port && cb_conf_u64(c, port, 1, 65535, &v, err) < 0) ||
	    get_path(c, cb_conf_get(m, "ca"), &o->ca, err) < 0 ||
	    get_str(c, cb_conf_get(m, "user"), 255, &o->user, err) < 0 ||
	    get_path(c, cb_conf_get(m, "password_file"), &o->password_file, err) < 0)
		return -1;
	for (const char *p = o->host; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(".-_:%", *p))
			return cb_conf_fail(c, cb_conf_get(m, "host"), err, "host: not a name or an address");
	o->port = (uint16_t)v;
	return 0;
}

static int read_syslog(struct cb_outlet_conf *o, const struct cb_conf *c, const struct cb_conf_node *m,
		       struct cb_err *err)
{
	const struct cb_conf_node *facility = cb_conf_get(m, "facility"), *ca = cb_conf_get(m, "ca");
	int transport = 0;
	uint64_t v = 16;

	if (read_host(o, c, m, err) < 0 ||
	    get_word(c, cb_conf_get(m, "transport"), "udp|tcp|tls", &transport, err) < 0 ||
	    (facility && cb_conf_u64(c, facility, 0, 23, &v, err) < 0) ||
	    get_str(c, cb_conf_get(m, "hostname"), 255, &o->hostname, err) < 0)
		return -1;
	o->transport = (enum cb_transport)transport;
	o->facility = (uint8_t)v;
	if (!o->port)
		o->port = transport == CB_TRANSPORT_TLS ? 6514 : 514;
	if (ca && transport != CB_TRANSPORT_TLS)
		return cb_conf_fail(c, ca, err, "ca: for transport tls");
	return 0;
}

static int read_webhook(struct cb_outlet_conf *o, const struct cb_conf *c, const struct cb_conf_node *m,
			struct cb_err *err)
{
	const struct cb_conf_node *url = cb_conf_get(m, "url"), *allow = cb_conf_get(m, "allow");
	const struct cb_conf_node *keys = cb_conf_get(m, "keys"), *headers = cb_conf_get(m, "headers");
	struct cb_cidr net;

	if (get_str(c, url, 2048, &o->url, err) < 0 || get_path(c, cb_conf_get(m, "ca"), &o->ca, err) < 0 ||
	    get_bool(c, cb_conf_get(m, "plain_http"), &o->plain, err) < 0 ||
	    get_list(c, keys, CB_OUTLET_LIST_MAX, &o->keys, err) < 0 ||
	    get_list(c, allow, CB_OUTLET_LIST_MAX, &o->allow, err) < 0 ||
	    get_list(c, headers, CB_OUTLET_LIST_MAX, &o->headers, err) < 0 ||
	    get_path(c, cb_conf_get(m, "header_file"), &o->header_file, err) < 0)
		return -1;
	if (strncmp(o->url, "https://", 8) != 0 && strncmp(o->url, "http://", 7) != 0)
		return cb_conf_fail(c, url, err, "url: neither https:// nor http://");
	if (strncmp(o->url, "http://", 7) == 0 && !o->plain)
		return cb_conf_fail(c, url, err, "url: http is not encrypted: https, or say plain_http: true");
	if (strpbrk(o->url + 7, " #\"<>\\^`{|}"))
		return cb_conf_fail(c, url, err, "url: has characters that a URL has not");
	if (memchr(o->url, '@', strcspn(o->url + 8, "/?") + 8))
		return cb_conf_fail(c, url, err, "url: no passwords here, they go into a header file or a key");
	for (uint32_t i = 0; i < o->keys.n; i++)
		if (*o->keys.at[i] != '/')
			return cb_conf_fail(c, keys, err, "keys: not absolute paths of key files");
	for (uint32_t i = 0; i < o->allow.n; i++)
		if (!cb_cidr_parse(o->allow.at[i], &net))
			return cb_conf_fail(c, allow, err, "allow: %.64s: not an address or a network (10.1.0.0/16)",
					    o->allow.at[i]);
	for (uint32_t i = 0; i < o->headers.n; i++)
		if (!cb_outlet_header_ok(o->headers.at[i]))
			return cb_conf_fail(c, headers, err, "headers: \"%.64s\" is no header of yours to set",
					    o->headers.at[i]);
	return 0;
}

static int read_mqtt(struct cb_outlet_conf *o, const struct cb_conf *c, const struct cb_conf_node *m,
		     struct cb_err *err)
{
	const struct cb_conf_node *qos = cb_conf_get(m, "qos"), *topic = cb_conf_get(m, "topic");
	const struct cb_conf_node *status = cb_conf_get(m, "status_topic");
	int version = 0;
	bool tls = true;
	uint64_t v = 1;

	if (read_host(o, c, m, err) < 0 || get_str(c, topic, 255, &o->topic, err) < 0 ||
	    get_bool(c, cb_conf_get(m, "tls"), &tls, err) < 0 ||
	    (qos && cb_conf_u64(c, qos, 0, 2, &v, err) < 0) ||
	    get_bool(c, cb_conf_get(m, "retain"), &o->retain, err) < 0 ||
	    get_word(c, cb_conf_get(m, "version"), "3.1.1|5", &version, err) < 0 ||
	    get_str(c, cb_conf_get(m, "client_id"), 64, &o->client_id, err) < 0 ||
	    get_str(c, status, 255, &o->status_topic, err) < 0)
		return -1;
	o->plain = !tls;
	o->qos = (uint8_t)v;
	o->v5 = version == 1;
	if (!o->port)
		o->port = tls ? 8883 : 1883;
	if (strpbrk(o->topic, "+#") || *o->topic == '$' || *o->topic == '/')
		return cb_conf_fail(c, topic, err, "topic: not one to publish to");
	if (o->status_topic && (strpbrk(o->status_topic, "+#{}") || *o->status_topic == '$'))
		return cb_conf_fail(c, status, err, "status_topic: not one to publish to");
	if (o->password_file && !o->user)
		return cb_conf_fail(c, m, err, "password_file: and no user");
	return 0;
}

static bool address_ok(const char *s)
{
	const char *at = strrchr(s, '@');

	if (!at || at == s || !at[1] || strlen(s) > 254 || *s == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("@.!#$%&'*+-/=?^_`{|}~", *s))
			return false;
	return true;
}

static int read_smtp(struct cb_outlet_conf *o, const struct cb_conf *c, const struct cb_conf_node *m,
		     struct cb_err *err)
{
	const struct cb_conf_node *to = cb_conf_get(m, "to"), *from = cb_conf_get(m, "from");
	int tls = CB_MAIL_STARTTLS;

	if (read_host(o, c, m, err) < 0 || get_str(c, from, 254, &o->from, err) < 0 ||
	    get_word(c, cb_conf_get(m, "tls"), "implicit|starttls|none", &tls, err) < 0 ||
	    get_list(c, to, CB_OUTLET_LIST_MAX, &o->to, err) < 0)
		return -1;
	o->mail_tls = (enum cb_mail_tls)tls;
	if (!o->port)
		o->port = tls == CB_MAIL_TLS ? 465 : tls == CB_MAIL_STARTTLS ? 587 : 25;
	if (!address_ok(o->from))
		return cb_conf_fail(c, from, err, "from: not an address");
	for (uint32_t i = 0; i < o->to.n; i++)
		if (!address_ok(o->to.at[i]))
			return cb_conf_fail(c, to, err, "to: not an address");
	if (!o->user != !o->password_file)
		return cb_conf_fail(c, m, err, "user and password_file go together");
	if (o->user && tls == CB_MAIL_PLAIN)
		return cb_conf_fail(c, m, err, "tls: none, and a password: it would be sent in the clear");
	return 0;
}

static int read_outlet(struct cb_outlet_conf *o, const struct cb_conf *c, const struct cb_conf_node *m,
		       struct cb_err *err)
{
	const struct cb_conf_node *name, *type, *retry, *format;
	const char *keys[32];
	const struct kind *k;
	uint32_t n = 0;
	uint64_t v;
	int kind = -1, body;

	if (m->kind != CB_CONF_MAP)
		return cb_conf_fail(c, m, err, "sinks: not a map");
	name = cb_conf_get(m, "name");
	type = cb_conf_get(m, "type");
	if (!name || !type)
		return cb_conf_fail(c, m, err, "sinks: name and type are needed");
	if (cb_conf_str(c, name, CB_OUTLET_NAME_MAX, &o->name, err) < 0 ||
	    get_word(c, type, CB_OUTLET_KINDS, &kind, err) < 0)
		return -1;
	if (!*o->name || strspn(o->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
	    strlen(o->name))
		return cb_conf_fail(c, name, err, "name: letters, digits, '.', '_' and '-'");
	k = &kinds[kind];
	for (; sinks_keys[n]; n++)
		keys[n] = sinks_keys[n];
	for (uint32_t i = 0; i < 16 && k->keys[i]; i++)
		keys[n++] = k->keys[i];
	keys[n] = NULL;
	if (cb_conf_only(c, m, "this sink", keys, err) < 0)
		return -1;
	for (uint32_t i = 0; i < k->need; i++)
		if (!cb_conf_get(m, k->keys[i]))
			return cb_conf_fail(c, m, err, "sink %s: %s is needed", o->name, k->keys[i]);
	o->kind = (enum cb_outlet_kind)kind;
	body = (int)k->format;
	format = cb_conf_get(m, "format");
	if (get_word(c, format, CB_BODIES, &body, err) < 0)
		return -1;
	o->format = (enum cb_body)body;
	o->timeout_ns = 20 * CB_NS_PER_S;
	o->first_ns = CB_NS_PER_S;
	o->most_ns = 300 * CB_NS_PER_S;
	o->give_up_ns = 3 * 86400 * CB_NS_PER_S;
	if (get_time(c, cb_conf_get(m, "timeout"), 1000000, 600 * CB_NS_PER_S, &o->timeout_ns, err) < 0 ||
	    get_bool(c, cb_conf_get(m, "thumbnail"), &o->thumbnail, err) < 0)
		return -1;
	retry = cb_conf_get(m, "retry");
	if (retry) {
		if (retry->kind != CB_CONF_MAP)
			return cb_conf_fail(c, retry, err, "retry: not a map");
		if (cb_conf_only(c, retry, "retry", retry_keys, err) < 0 ||
		    get_time(c, cb_conf_get(retry, "first"), 1000000, 3600 * CB_NS_PER_S, &o->first_ns, err) < 0 ||
		    get_time(c, cb_conf_get(retry, "most"), 1000000, 86400 * CB_NS_PER_S, &o->most_ns, err) < 0 ||
		    get_time(c, cb_conf_get(retry, "give_up"), 1000000, 365 * 86400 * CB_NS_PER_S, &o->give_up_ns,
			     err) < 0)
			return -1;
		if (o->most_ns < o->first_ns)
			o->most_ns = o->first_ns;
		if (cb_conf_get(retry, "attempts")) {
			if (cb_conf_u64(c, cb_conf_get(retry, "attempts"), 1, 1000000, &v, err) < 0)
				return -1;
			o->attempts = (uint32_t)v;
		}
	}
	switch (o->kind) {
	case CB_OUT_FILE:
		return get_path(c, cb_conf_get(m, "path"), &o->path, err);
	case CB_OUT_EXEC:
		return read_exec(o, c, m, err);
	case CB_OUT_SYSLOG:
		return read_syslog(o, c, m, err);
	case CB_OUT_WEBHOOK:
		return read_webhook(o, c, m, err);
	case CB_OUT_MQTT:
		return read_mqtt(o, c, m, err);
	case CB_OUT_SMTP:
		return read_smtp(o, c, m, err);
	default:
		return 0;
	}
}

static int read_delivery(struct cb_deliver_conf *d, const struct cb_conf *c, const struct cb_conf_node *m,
			 struct cb_err *err)
{
	const struct cb_conf_node *spool, *snaps, *rec;

	if (!m)
		return 0;
	if (m->kind != CB_CONF_MAP)
		return cb_conf_fail(c, m, err, "delivery: not a map");
	if (cb_conf_only(c, m, "delivery", delivery_keys, err) < 0)
		return -1;
	spool = cb_conf_get(m, "spool");
	snaps = cb_conf_get(m, "snapshots");
	rec = cb_conf_get(m, "recordings");
	if ((spool && cb_conf_only(c, spool, "spool", spool_keys, err) < 0) ||
	    (snaps && cb_conf_only(c, snaps, "snapshots", snapshot_keys, err) < 0) ||
	    (rec && cb_conf_only(c, rec, "recordings", recording_keys, err) < 0))
		return -1;
	if (spool && get_bytes(c, cb_conf_get(spool, "bytes"), 1 << 20, UINT64_C(1) << 40, &d->spool_bytes, err) < 0)
		return -1;
	if (snaps) {
		if (!cb_conf_get(snaps, "dir"))
			return cb_conf_fail(c, snaps, err, "snapshots: dir is needed");
		if (get_path(c, cb_conf_get(snaps, "dir"), &d->snapshots, err) < 0 ||
		    get_bytes(c, cb_conf_get(snaps, "bytes"), 1024, CB_SNAPSHOT_MAX, &d->snapshot_bytes, err) < 0 ||
		    get_time(c, cb_conf_get(snaps, "age"), 0, 86400 * CB_NS_PER_S, &d->snapshot_age_ns, err) < 0)
			return -1;
	}
	if (rec) {
		if (!cb_conf_get(rec, "store"))
			return cb_conf_fail(c, rec, err, "recordings: store is needed");
		if (get_path(c, cb_conf_get(rec, "store"), &d->store, err) < 0 ||
		    get_time(c, cb_conf_get(rec, "before"), 0, 3600 * CB_NS_PER_S, &d->before_ns, err) < 0 ||
		    get_time(c, cb_conf_get(rec, "after"), 0, 3600 * CB_NS_PER_S, &d->after_ns, err) < 0)
			return -1;
	}
	return 0;
}

/* --- the same as text -------------------------------------------------------------------------------- */

/* A character behind ASCII as YAML writes it: some of them would be line ends where they stand. The
 * text is UTF-8, as the tree it comes from. Returns its bytes. */
static int emit_wide(struct cb_buf *b, const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	int n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	uint32_t c = *p & (0x7f >> n);

	for (int i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	cb_buf_printf(b, "\\U%08x", c);
	return n;
}

/* Flow style, one line: words stand as they are, everything else in quotes. */
static int emit(struct cb_buf *b, const struct cb_conf_node *n)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";

	if (n->kind == CB_CONF_SCALAR) {
		if (!n->quoted && *n->text && strspn(n->text, plain) == strlen(n->text))
			return cb_buf_str(b, n->text);
		cb_buf_byte(b, '"');
		for (const char *p = n->text; *p; p++)
			if ((uint8_t)*p < 0x20 || *p == 0x7f)
				cb_buf_printf(b, "\\x%02x", (uint8_t)*p);
			else if (*p == '"' || *p == '\\')
				cb_buf_printf(b, "\\%c", *p);
			else if ((uint8_t)*p >= 0x80)
				p += emit_wide(b, p) - 1;
			else
				cb_buf_byte(b, (uint8_t)*p);
		return cb_buf_byte(b, '"');
	}
	cb_buf_byte(b, n->kind == CB_CONF_MAP ? '{' : '[');
	for (const struct cb_conf_node *k = n->child; k; k = k->next) {
		if (n->kind == CB_CONF_MAP)
			cb_buf_printf(b, "%s: ", k->key);
		if (emit(b, k) < 0)
			return -1;
		if (k->next)
			cb_buf_str(b, ", ");
	}
	return cb_buf_byte(b, n->kind == CB_CONF_MAP ? '}' : ']');
}

int cb_deliver_conf_read(struct cb_deliver_conf **ret, const struct cb_conf *c,
			 const struct cb_conf_node *root, struct cb_err *err)
{
	const struct cb_conf_node *sinks = cb_conf_get(root, "sinks"), *delivery = cb_conf_get(root, "delivery");
	struct cb_deliver_conf *d;

	*ret = NULL;
	if (!sinks)
		return delivery ? cb_conf_fail(c, delivery, err, "delivery: and no sinks") : 0;
	if (sinks->kind != CB_CONF_SEQ || sinks->size == 0 || sinks->size > CB_OUTLETS_MAX)
		return cb_conf_fail(c, sinks, err, "sinks: not a list of 1 to %d", CB_OUTLETS_MAX);
	d = calloc(1, sizeof(*d));
	if (!d)
		return cb_err_nomem(err);
	d->spool_bytes = CB_SPOOL_BYTES;
	d->snapshot_bytes = 200 << 10;
	d->snapshot_age_ns = 60 * CB_NS_PER_S;
	d->before_ns = 5 * CB_NS_PER_S;
	d->after_ns = 15 * CB_NS_PER_S;
	for (const struct cb_conf_node *n = sinks->child; n; n = n->next) {
		if (read_outlet(&d->outlet[d->n], c, n, err) < 0)
			goto fail;
		if (cb_deliver_conf_find(d, d->outlet[d->n].name)) {
			cb_conf_fail(c, n, err, "sink %s: there is one already", d->outlet[d->n].name);
			goto fail;
		}
		d->n++;
	}
	if (read_delivery(d, c, delivery, err) < 0)
		goto fail;
	cb_buf_str(&d->text, "{sinks: ");
	emit(&d->text, sinks);
	if (delivery) {
		cb_buf_str(&d->text, ", delivery: ");
		emit(&d->text, delivery);
	}
	if (cb_buf_byte(&d->text, '}') < 0) {
		cb_err_nomem(err);
		goto fail;
	}
	*ret = d;
	return 0;
fail:
	cb_deliver_conf_free(d);
	return -1;
}

void cb_deliver_conf_free(struct cb_deliver_conf *d)
{
	if (!d)
		return;
	cb_buf_release(&d->text);
	free(d);
}

const struct cb_outlet_conf *cb_deliver_conf_find(const struct cb_deliver_conf *d, const char *name)
{
	for (uint32_t i = 0; i < d->n; i++)
		if (strcmp(d->outlet[i].name, name) == 0)
			return &d->outlet[i];
	return NULL;
}
