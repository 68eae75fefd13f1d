/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT 3.1.1 and 5 by libmosquitto, in the lane's own thread. What is published with QoS 1 or 2 is
 * delivered when the broker has said so; with QoS 0, when it was written. A status topic, where
 * one is given, holds "online" or "offline", retained; the latter is the will, too. */
#include "deliver/outlet.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "base/time.h"
#include "wire/event.h"

#define KEEPALIVE 60
#define LOOP_MS 50
#define IN_FLIGHT 64

struct mqtt {
	struct mosquitto *m;
	char *password;
	bool connected, ended;
	int why;			/* of a connection that was refused or ended */
	int mid[IN_FLIGHT];		/* of the batch; 0: acknowledged */
	int reason[IN_FLIGHT];
	uint32_t sent;
};

static void on_connect(struct mosquitto *m, void *ctx, int rc, int flags, const mosquitto_property *p)
{
	struct mqtt *q = ctx;

	(void)m, (void)flags, (void)p;
	q->why = rc;
	q->connected = rc == 0;
	q->ended = rc != 0;
}

static void on_disconnect(struct mosquitto *m, void *ctx, int rc, const mosquitto_property *p)
{
	struct mqtt *q = ctx;

	(void)m, (void)p;
	if (!q->ended && rc)
		q->why = rc;
	q->connected = false;
	q->ended = true;
}

static void on_publish(struct mosquitto *m, void *ctx, int mid, int reason, const mosquitto_property *p)
{
	struct mqtt *q = ctx;

	(void)m, (void)p;
	for (uint32_t i = 0; i < q->sent; i++)
		if (q->mid[i] == mid) {
			q->mid[i] = 0;
			q->reason[i] = reason;
			break;
		}
}

static void hang_up(struct mqtt *q)
{
	if (q->m)
		mosquitto_destroy(q->m);
	q->m = NULL;
	q->connected = q->ended = false;
}

static int mqtt_open(struct cb_outlet *o, struct cb_err *err)
{
	struct mqtt *q = calloc(1, sizeof(*q));

	if (!q)
		return cb_err_nomem(err);
	if (o->conf->password_file && cb_secret_read(o->conf->password_file, &q->password, err) < 0) {
		free(q);
		return -1;
	}
	o->own = q;
	return 0;
}

static void mqtt_close(struct cb_outlet *o)
{
	struct mqtt *q = o->own;
	int64_t until = cb_now_mono_ns() + CB_NS_PER_S;
	int mid = 0;

	if (q->m && q->connected && o->conf->status_topic &&
	    !mosquitto_publish(q->m, &mid, o->conf->status_topic, 7, "offline", 1, true)) {
		q->mid[0] = mid;
		q->sent = 1;
		while (q->connected && q->mid[0] && cb_now_mono_ns() < until)
			if (mosquitto_loop(q->m, LOOP_MS, 1))
				break;
	}
	if (q->m && q->connected) {
		mosquitto_disconnect(q->m);
		mosquitto_loop(q->m, 0, 1);
	}
	hang_up(q);
	cb_secret_free(q->password);
	free(q);
	o->own = NULL;
}

static const char *reason_text(const struct cb_outlet *o, int why)
{
	if (why >= 128)
		return mosquitto_reason_string(why);
	/* of a refused connection in 3.1.1; else of the library */
	return !o->conf->v5 && why > 0 && why < 6 ? mosquitto_connack_string(why) : mosquitto_strerror(why);
}

static int dial(struct cb_outlet *o, struct mqtt *q, int64_t deadline, struct cb_err *err)
{
	const struct cb_outlet_conf *c = o->conf;
	int k, mid;

	hang_up(q);
	q->m = mosquitto_new(c->client_id, true, q);
	if (!q->m)
		return cb_err_nomem(err);
	mosquitto_connect_v5_callback_set(q->m, on_connect);
	mosquitto_disconnect_v5_callback_set(q->m, on_disconnect);
	mosquitto_publish_v5_callback_set(q->m, on_publish);
	k = mosquitto_int_option(q->m, MOSQ_OPT_PROTOCOL_VERSION, c->v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
	if (!k)
		k = mosquitto_int_option(q->m, MOSQ_OPT_TCP_NODELAY, 1);
	if (!k && c->user)
		k = mosquitto_username_pw_set(q->m, c->user, q->password);
	if (!k && !c->plain)
		k = mosquitto_tls_set(q->m, c->ca, c->ca ? NULL : "/etc/ssl/certs", NULL, NULL, NULL);
	if (!k && !c->plain)
		k = mosquitto_tls_opts_set(q->m, 1, NULL, NULL);
	if (!k && c->status_topic)
		k = mosquitto_will_set(q->m, c->status_topic, 7, "offline", 1, true);
	if (!k)
		k = mosquitto_connect_async(q->m, c->host, c->port, KEEPALIVE);
	while (!k && !q->connected && !q->ended && cb_now_mono_ns() < deadline && !atomic_load(o->abort))
		k = mosquitto_loop(q->m, LOOP_MS, 1);
	if (!q->connected) {
		if (atomic_load(o->abort))
			cb_err_set(err, CB_E_TEMP, "stopped");
		else if (k == MOSQ_ERR_TLS)
			cb_err_set(err, CB_E_PERM, "%s: its certificate is not one to believe, or it speaks no TLS",
				   c->host);
		else
			cb_err_set(err, CB_E_UNAVAIL, "%s: %s", c->host,
				   q->ended ? reason_text(o, q->why) : k ? mosquitto_strerror(k) : "no answer in time");
		hang_up(q);
		return -1;
	}
	if (c->status_topic)
		mosquitto_publish(q->m, &mid, c->status_topic, 6, "online", 1, true);
	return 0;
}

/* --- topics ------------------------------------------------------------------------------------------ */

static void level(char **p, char *end, const char *s)
{
	/* one level: nothing that divides levels, stands for several, or is no text */
	for (; *s && *p < end; s++)
		*(*p)++ = (uint8_t)*s < 0x20 || *s == 0x7f || strchr("/+#$", *s) ? '_' : *s;
}

/* "{camera}", "{rule}" and "{severity}" filled in. */
static void topic(struct cb_outlet *o, const struct cb_spooled *note, char *out, size_t cap)
{
	char camera[128] = "-", rule[128] = "-", *p = out, *end = out + cap - 1;
	struct cb_event ev;
	uint32_t tok;

	if (strchr(o->conf->topic, '{') &&
	    !cb_event_parse(&ev, o->json, note->note.line, note->note.len, NULL)) {
		if (ev.subject != CB_JSON_NONE && cb_json_str(ev.json, ev.subject, camera, sizeof(camera)) < 0)
			memcpy(camera, "-", 2);
		tok = cb_json_get(ev.json, ev.data, "rule");
		if (tok != CB_JSON_NONE && cb_json_str(ev.json, tok, rule, sizeof(rule)) < 0)
			memcpy(rule, "-", 2);
	}
	for (const char *s = o->conf->topic; *s && p < end; ) {
		if (strncmp(s, "{camera}", 8) == 0) {
			level(&p, end, *camera ? camera : "-");
			s += 8;
		} else if (strncmp(s, "{rule}", 6) == 0) {
			level(&p, end, *rule ? rule : "-");
			s += 6;
		} else if (strncmp(s, "{severity}", 10) == 0) {
			level(&p, end, *note->note.severity ? note->note.severity : "-");
			s += 10;
		} else {
			*p++ = *s++;
		}
	}
	*p = '\0';
}

/* --- publishing --------------------------------------------------------------------------------------- */

/* The first one that the broker did not take, or n. */
static uint32_t taken(const struct mqtt *q, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && !q->mid[i] && q->reason[i] < 128)
		i++;
	return i;
}

static void mqtt_send(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *r)
{
	int64_t deadline = cb_now_mono_ns() + o->conf->timeout_ns;
	struct cb_err err = CB_ERR_INIT, bad = CB_ERR_INIT;
	struct mqtt *q = o->own;
	char name[700];
	int k = 0;

	/* is it still there? what it said meanwhile is read */
	if (q->m && mosquitto_loop(q->m, 0, 16))
		q->connected = false;
	if (!q->connected && dial(o, q, deadline, &err) < 0) {
		cb_report_err(r, atomic_load(o->abort) ? CB_SENT_ABORTED : CB_SENT_LATER, &err);
		return;
	}
	q->sent = 0;
	while (q->sent < n && q->sent < IN_FLIGHT) {
		o->body.len = 0;
		if (cb_body_put(o, &o->body, note[q->sent], &bad) < 0)
			break;
		topic(o, note[q->sent], name, sizeof(name));
		q->reason[q->sent] = 0;
		/* QoS 0 may be acknowledged before publish returns */
		q->mid[q->sent] = -1;
		q->sent++;
		int mid = 0;
		k = mosquitto_publish(q->m, &mid, name, (int)o->body.len, o->body.data, o->conf->qos, o->conf->retain);
		if (k) {
			q->sent--;
			break;
		}
		q->mid[q->sent - 1] = o->conf->qos ? mid : 0;
	}
	while (taken(q, q->sent) < q->sent && q->connected && cb_now_mono_ns() < deadline && !atomic_load(o->abort)) {
		uint32_t at = taken(q, q->sent);

		if (!q->mid[at])	/* refused */
			break;
		if (mosquitto_loop(q->m, LOOP_MS, 16)) {
			q->connected = false;
			break;
		}
	}
	if (!o->conf->qos)	/* out with it */
		while (q->connected && mosquitto_want_write(q->m) && cb_now_mono_ns() < deadline)
			if (mosquitto_loop(q->m, LOOP_MS, 16))
				q->connected = false;
	r->done = q->connected || o->conf->qos ? taken(q, q->sent) : 0;
	if (r->done == n || (r->done == q->sent && !k && bad.code == CB_OK))
		return;
	if (r->done < q->sent && !q->mid[r->done] && q->reason[r->done] >= 128) {
		int why = q->reason[r->done];

		cb_report_set(r, why == MQTT_RC_PACKET_TOO_LARGE || why == MQTT_RC_TOPIC_NAME_INVALID ||
			      why == MQTT_RC_PAYLOAD_FORMAT_INVALID ? CB_SENT_NEVER : CB_SENT_LATER,
			      "%s: %s", o->conf->host, mosquitto_reason_string(why));
		/* what came behind it was published and will be again, in order */
	} else if (r->done == q->sent && bad.code != CB_OK) {
		cb_report_err(r, bad.code == CB_E_DATA ? CB_SENT_NEVER : CB_SENT_LATER, &bad);
	} else if (r->done == q->sent && (k == MOSQ_ERR_PAYLOAD_SIZE || k == MOSQ_ERR_OVERSIZE_PACKET)) {
		cb_report_set(r, CB_SENT_NEVER, "%s: %s", o->conf->host, mosquitto_strerror(k));
	} else {
		cb_report_set(r, atomic_load(o->abort) ? CB_SENT_ABORTED : CB_SENT_LATER, "%s: %s", o->conf->host,
			      k ? mosquitto_strerror(k) : !q->connected ? "the connection was lost" :
			      "no answer in time");
		hang_up(q);
	}
}

static void mqtt_idle(struct cb_outlet *o)
{
	struct mqtt *q = o->own;

	if (q->m && q->connected && mosquitto_loop(q->m, 0, 16)) {
		/* the status topic should say that we are here, not that we were */
		q->connected = false;
		if (o->conf->status_topic)
			dial(o, q, cb_now_mono_ns() + o->conf->timeout_ns, NULL);
	}
}

const struct cb_outlet_ops cb_outlet_mqtt = { mqtt_open, mqtt_send, mqtt_idle, mqtt_close };
