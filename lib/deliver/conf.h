/* SPDX-License-Identifier: Apache-2.0 */
/* The keys `sinks` and `delivery` of cb-alert's rules file (cb-alert(5)), checked and compiled.
 * Key files are only named here: the helper that needs them reads them. */
#ifndef CB_DELIVER_CONF_H
#define CB_DELIVER_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

#define CB_OUTLETS_MAX 32
#define CB_OUTLET_NAME_MAX 64
#define CB_OUTLET_LIST_MAX 16		/* recipients, headers, networks, key files */
#define CB_OUTLET_ARGV_MAX 32
#define CB_SNAPSHOT_MAX (1u << 20)	/* bytes of a thumbnail, at most */

enum cb_outlet_kind { CB_OUT_FILE, CB_OUT_STDOUT, CB_OUT_EXEC, CB_OUT_SYSLOG, CB_OUT_WEBHOOK,
		      CB_OUT_MQTT, CB_OUT_SMTP };
#define CB_OUTLET_KINDS "file|stdout|exec|syslog|webhook|mqtt|smtp"
/* cloudevents and json are the alert as it is, they differ in the media type alone */
enum cb_body { CB_BODY_CLOUDEVENTS, CB_BODY_JSON, CB_BODY_CEF, CB_BODY_LEEF, CB_BODY_OCSF,
	       CB_BODY_ECS, CB_BODY_RFC5424, CB_BODY_TEXT };
#define CB_BODIES "cloudevents|json|cef|leef|ocsf|ecs|rfc5424|text"
enum cb_transport { CB_TRANSPORT_UDP, CB_TRANSPORT_TCP, CB_TRANSPORT_TLS };
enum cb_mail_tls { CB_MAIL_TLS, CB_MAIL_STARTTLS, CB_MAIL_PLAIN };

struct cb_words {		/* a list of texts */
	const char *at[CB_OUTLET_ARGV_MAX];
	uint32_t n;
};

/* A sink. Texts point into the configuration's tree; NULL: not given. */
struct cb_outlet_conf {
	const char *name;
	enum cb_outlet_kind kind;
	enum cb_body format;
	int64_t timeout_ns;		/* of one attempt */
	int64_t first_ns, most_ns;	/* pauses between attempts: the first, and the longest */
	int64_t give_up_ns;		/* older notes that fail are dead */
	uint32_t attempts;		/* so many, 0: no bound but the time */
	bool thumbnail;			/* put the JPEG into bodies that can hold one */
	const char *path;		/* file */
	struct cb_words argv;		/* exec */
	const char *host;		/* syslog, mqtt, smtp */
	uint16_t port;
	enum cb_transport transport;	/* syslog */
	uint8_t facility;
	const char *hostname;
	const char *ca;			/* certificates to trust; NULL: the system's */
	const char *url;		/* webhook */
	bool plain;			/* webhook, mqtt, smtp: in the clear, because it says so */
	struct cb_words keys, allow, headers;
	const char *header_file;
	const char *topic, *client_id, *status_topic;	/* mqtt */
	uint8_t qos;
	bool retain, v5;
	const char *user, *password_file;	/* mqtt, smtp */
	enum cb_mail_tls mail_tls;
	const char *from;
	struct cb_words to;
};

struct cb_deliver_conf {
	struct cb_outlet_conf outlet[CB_OUTLETS_MAX];
	uint32_t n;
	uint64_t spool_bytes;
	const char *snapshots;		/* directory; NULL: none */
	uint64_t snapshot_bytes;
	int64_t snapshot_age_ns;
	const char *store;		/* of the recordings, for links; NULL: none */
	int64_t before_ns, after_ns;
	struct cb_buf text;		/* the two keys again, for the helper */
};

/* root is the map that holds `sinks` and `delivery`. *ret is NULL where there are no sinks. c
 * outlives *ret. Errors: CB_E_CONFIG with line and column. */
int cb_deliver_conf_read(struct cb_deliver_conf **ret, const struct cb_conf *c,
			 const struct cb_conf_node *root, struct cb_err *err);
void cb_deliver_conf_free(struct cb_deliver_conf *d);
/* Is it "Name: value", of printable characters, and no header that a webhook sets itself? */
bool cb_outlet_header_ok(const char *s);
/* NULL: there is none of that name. */
const struct cb_outlet_conf *cb_deliver_conf_find(const struct cb_deliver_conf *d, const char *name);

#endif
