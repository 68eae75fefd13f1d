/* SPDX-License-Identifier: Apache-2.0 */
/* Puts alerts into a spool and has them delivered, as cb-alert does: for tests of lib/deliver.
 *
 *     deliver-put [-n N [-r RATE] [-s FIRST]] [-d SECONDS] CONF SPOOL [SINK...]
 *
 * Each line of stdin, an event, goes to each SINK (all without one); -n makes N events instead,
 * RATE a second, numbered from FIRST. -d: at the end wait so long for an empty queue. Decisions are lines on stdout:
 *     WHAT ID SINK ATTEMPTS MICROSECONDS REASON
 * the microseconds are from the event's time to the decision. Sinks of type stdout share it.
 * Exit 1: something is left in the queue.
 *
 *     deliver-put -V VERB SPOOL [SINK [ID]]        as cb-alert(1)'s */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/stop.h"
#include "base/time.h"
#include "deliver/deliver.h"
#include "deliver/status.h"
#include "wire/event.h"

static struct cb_json json;
static struct cb_err err = CB_ERR_INIT;

static int die(const char *what)
{
	fprintf(stderr, "deliver-put: %s: %s\n", what, err.msg);
	exit(err.code ? (int)err.code : 70);
}

static int on_event(void *ctx, const struct cb_decision *d, struct cb_err *e)
{
	(void)ctx, (void)e;
	printf("%s %s %s %u %" PRId64 " %s\n", cb_decided_name(d->what), d->id, d->sink, d->attempts,
	       d->t_us - d->event_us, d->reason);
	return 0;
}

static void tell(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

static void put(struct cb_deliver *d, const struct cb_deliver_conf *conf, char **sinks, const char *line, size_t len)
{
	char id[80] = "", message[1024] = "", severity[32] = "", camera[100] = "";
	struct cb_event ev;
	struct cb_note_out n = { .id = id, .group = camera, .severity = severity, .title = message, .text = message,
				 .line = line, .len = len };

	if (cb_event_parse(&ev, &json, line, len, &err) < 0)
		die("stdin");
	cb_json_str(&json, ev.id, id, sizeof(id));
	if (ev.subject != CB_JSON_NONE)
		cb_json_str(&json, ev.subject, camera, sizeof(camera));
	cb_json_str(&json, cb_json_get(&json, ev.data, "message"), message, sizeof(message));
	cb_json_str(&json, cb_json_get(&json, ev.data, "severity"), severity, sizeof(severity));
	n.t_us = ev.t_us;
	for (uint32_t i = 0; *sinks ? !!sinks[i] : i < conf->n; i++) {
		n.sink = *sinks ? sinks[i] : conf->outlet[i].name;
		if (cb_deliver_put(d, &n, &err) < 0)
			die("put");
	}
}

static int verb(const char *name, char **arg)
{
	static const char *const names[] = { "status", "dead", "replay", "drop", "metrics" };
	static struct cb_out out;
	int v = 0;

	while (v < 4 && strcmp(names[v], name) != 0)
		v++;
	cb_out_init(&out, STDOUT_FILENO);
	if (cb_status((enum cb_status_verb)v, arg[0], arg[1], arg[1] ? arg[2] : NULL, &out, &err) < 0) {
		cb_out_flush(&out, NULL);
		die(name);
	}
	return cb_out_flush(&out, &err) < 0;
}

int main(int argc, char **argv)
{
	struct cb_deliver_opts o = { .on_event = on_event, .tell = tell, .out_fd = STDOUT_FILENO };
	struct cb_deliver_conf *conf;
	struct cb_deliver *d;
	struct cb_conf *c;
	uint64_t n = 0, rate = 0, first = 1;
	char line[65536];
	double wait = 0;
	int k, left;

	while ((k = getopt(argc, argv, "n:r:s:d:V:")) != -1) {
		if (k == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (k == 'r')
			rate = strtoull(optarg, NULL, 10);
		else if (k == 's')
			first = strtoull(optarg, NULL, 10);
		else if (k == 'd')
			wait = strtod(optarg, NULL);
		else if (k == 'V')
			return verb(optarg, argv + optind);
		else
			return 64;
	}
	if (argc - optind < 2)
		return 64;
	cb_stop_install(false);
	setlinebuf(stdout);
	if (cb_conf_load(&c, argv[optind], &err) < 0 || cb_deliver_conf_read(&conf, c, cb_conf_root(c), &err) < 0)
		die("conf");
	o.dir = argv[optind + 1];
	if (!conf || cb_deliver_open(&d, conf, &o, &err) < 0)
		die("open");
	if (n) {
		int64_t start = cb_now_mono_ns();

		for (uint64_t i = 0; i < n && !cb_stop_wanted(); i++) {
			int64_t late = rate ? start + (int64_t)(i * (uint64_t)CB_NS_PER_S / rate) - cb_now_mono_ns() : 0;
			int64_t us = cb_now_wall_ns() / 1000;

			if (late > 0 || i % 4096 == 4095) {
				if (cb_deliver_sync(d, &err) < 0 || cb_deliver_poll(d, &err) < 0)
					die("sync");
				cb_deliver_said(d);	/* stdout is line buffered */
				late = rate ? start + (int64_t)(i * (uint64_t)CB_NS_PER_S / rate) - cb_now_mono_ns() : 0;
				if (late > 0)
					usleep((useconds_t)(late / 1000));
				us = cb_now_wall_ns() / 1000;
			}
			k = snprintf(line, sizeof(line), "{\"specversion\":\"1.0\",\"id\":\"%032" PRIx64
				     "\",\"source\":\"/cb-alert\",\"type\":\"cb.alert\",\"subject\":\"yard\",\"data\":"
				     "{\"t_us\":%" PRId64 ",\"rule\":\"storm\",\"severity\":\"low\",\"message\":\"number %"
				     PRIu64 "\"}}", first + i, us, first + i);
			put(d, conf, argv + optind + 2, line, (size_t)k);
		}
	} else {
		while (fgets(line, sizeof(line), stdin))
			put(d, conf, argv + optind + 2, line, strcspn(line, "\n"));
	}
	left = cb_deliver_drain(d, (int64_t)(wait * 1e9), &err);
	if (left < 0 || cb_deliver_stop(d, &err) < 0)
		die("stop");
	cb_deliver_said(d);
	if (cb_deliver_close(d, &err) < 0)
		die("close");
	cb_deliver_conf_free(conf);
	cb_conf_free(c);
	return left != 1;
}
