/* SPDX-License-Identifier: Apache-2.0 */
/* What delivers notes to one sink: the interface between the engine, which knows the spool and
 * the clock, and those that know a protocol. Each outlet lives in a thread of its own and is
 * called by it alone. */
#ifndef CB_DELIVER_OUTLET_H
#define CB_DELIVER_OUTLET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "deliver/conf.h"
#include "deliver/spool.h"
#include "wire/json.h"

struct cb_outlet {
	const struct cb_outlet_conf *conf;
	const struct cb_deliver_conf *all;
	const atomic_bool *abort;	/* leave what you do: CB_SENT_ABORTED */
	void (*tell)(void *ctx, const char *text);	/* for people; any thread may */
	void *tell_ctx;
	int out_fd;			/* for CB_OUT_STDOUT */
	struct cb_json *json;		/* to parse with */
	struct cb_buf body;		/* to build in */
	void *own;			/* the protocol's; NULL until open */
};

enum cb_sent { CB_SENT_ALL, CB_SENT_LATER, CB_SENT_NEVER, CB_SENT_ABORTED };
/* The first `done` notes arrived, by the word of the receiver where the protocol has one. What
 * happened to the next one is `what`: LATER: try again, not before retry_after_ns (0: as
 * configured); NEVER: this note is not accepted, whenever it comes. */
struct cb_report {
	uint32_t done;
	enum cb_sent what;
	int64_t retry_after_ns;
	char reason[256];
};

struct cb_outlet_ops {
	/* Make ready what needs no peer: keys, buffers. Tried again with pauses when it fails. */
	int (*open)(struct cb_outlet *o, struct cb_err *err);
	/* Deliver n > 0 notes in their order. Connects when it must. */
	void (*send)(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *ret);
	/* Nothing to do for seconds. May be NULL. */
	void (*idle)(struct cb_outlet *o);
	void (*close)(struct cb_outlet *o);	/* of what open made */
};

extern const struct cb_outlet_ops cb_outlet_file, cb_outlet_stdout, cb_outlet_exec, cb_outlet_syslog,
	cb_outlet_webhook, cb_outlet_mqtt, cb_outlet_smtp;

/* Fill a report: what and why. */
void cb_report_set(struct cb_report *r, enum cb_sent what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void cb_report_err(struct cb_report *r, enum cb_sent what, const struct cb_err *err);

/* The body of a note in a format, appended, without LF where the format is of lines. */
int cb_body_put(struct cb_outlet *o, struct cb_buf *b, const struct cb_spooled *note, struct cb_err *err);
const char *cb_body_type(enum cb_body format);	/* the media type */
/* The command lines that show the recording around a note, appended; each empty where there is
 * no store or no camera. Safe to paste into a shell. */
struct cb_links {
	char replay[512], export[512];
};
void cb_body_links(struct cb_outlet *o, const struct cb_spooled *note, struct cb_links *ret);

/* A secret in a file: regular, ours, for nobody else to read (mode & 077 is CB_E_PERM), at most
 * 4096 bytes; NUL-terminated, its last line end taken off. The caller wipes and frees it. */
int cb_secret_read(const char *path, char **ret, struct cb_err *err);
void cb_secret_free(char *s);

#endif
