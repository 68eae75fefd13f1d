/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in Prometheus's text format 0.0.4, and the service manager. */
#include "store/pulse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/time.h"

/* One metric with one value. Names and units are interface: cb-record(1). */
static void put(struct cb_buf *b, const struct cb_recorder_status *s, const char *name, const char *type,
		const char *help, const char *value)
{
	cb_buf_printf(b, "# HELP cb_record_%s %s\n# TYPE cb_record_%s %s\n", name, help, name, type);
	cb_buf_printf(b, "cb_record_%s{camera=\"%s\"} %s\n", name, s->camera, value);
}

static void count(struct cb_buf *b, const struct cb_recorder_status *s, const char *name, const char *help,
		  uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	put(b, s, name, "counter", help, text);
}

/* ns as seconds, exactly. */
static void seconds(struct cb_buf *b, const struct cb_recorder_status *s, const char *name,
		    const char *type, const char *help, int64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64 ".%09" PRId64, ns / CB_NS_PER_S, ns % CB_NS_PER_S);
	put(b, s, name, type, help, text);
}

static void flag(struct cb_buf *b, const struct cb_recorder_status *s, const char *name, const char *help,
		 bool v)
{
	put(b, s, name, "gauge", help, v ? "1" : "0");
}

static int render(struct cb_buf *b, const struct cb_recorder_status *s)
{
	const struct cb_recorder_totals *t = &s->totals;

	/* camera names have nothing that a label would have to escape */
	if (cb_buf_printf(b, "# HELP cb_record_info What is recorded.\n# TYPE cb_record_info gauge\n"
			  "cb_record_info{camera=\"%s\",recording=\"%s\",version=\"" CB_VERSION "\"} 1\n",
			  s->camera, s->recording) < 0 || cb_buf_reserve(b, 16384) < 0)
		return -1;
	count(b, s, "packets_total", "Packets recorded.", t->packets);
	count(b, s, "bytes_total", "Bytes of packets recorded.", t->bytes);
	count(b, s, "fragments_total", "Fragments written.", t->fragments);
	count(b, s, "segments_total", "Segments closed.", t->segments);
	count(b, s, "gaps_total", "Gaps in the recording, of whatever kind.", t->gaps);
	count(b, s, "lost_packets_total", "Packets that came while recording was suspended.", t->lost_packets);
	count(b, s, "lost_bytes_total", "Bytes of those packets.", t->lost_bytes);
	count(b, s, "suspensions_total", "Times that recording was suspended.", t->suspensions);
	count(b, s, "unsynced_segments_total", "Segments whose durability is unknown.", t->unsynced);
	count(b, s, "clock_steps_total", "Steps of the wall clock that packets state.", t->clock_steps);
	count(b, s, "media_jumps_total", "Jumps of timestamps.", t->media_jumps);
	count(b, s, "syncs_total", "Files synced to the disk.", s->syncs);
	seconds(b, s, "sync_seconds_total", "counter", "Time that syncs took.", s->sync_ns);
	flag(b, s, "suspended", "Is recording suspended?", s->suspended);
	flag(b, s, "segment_open", "Is a segment open?", s->open);
	seconds(b, s, "footage_timestamp_seconds", "gauge", "End of the footage that came.", s->last_wall_ns);
	seconds(b, s, "synced_timestamp_seconds", "gauge", "End of the footage that is on the disk.",
		s->synced_wall_ns);
	seconds(b, s, "written_timestamp_seconds", "gauge", "When these metrics were written.",
		cb_now_wall_ns());
	return 0;
}

/* Replaced as a whole, so that no scrape sees half of it; not synced, as it is soon old. */
static int replace(const char *path, const struct cb_buf *b, struct cb_err *err)
{
	char temp[4096];
	int fd;

	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp))
		return cb_err_sys(err, CB_E_CANTCREAT, ENAMETOOLONG, "%s", path);
	/* whatever lies there, it is not followed and not kept */
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return cb_err_sys(err, errno == EACCES || errno == EROFS ? CB_E_PERM : CB_E_CANTCREAT,
				  errno, "%s", path);
	if (cb_write_all(fd, b->data, b->len, err) < 0) {
		cb_err_prefix(err, "%s", path);
	} else if (rename(temp, path) < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "%s", path);
	} else {
		close(fd);
		return 0;
	}
	close(fd);
	unlink(temp);
	return -1;
}

static int write_metrics(struct cb_pulse *p, const struct cb_recorder *r, struct cb_err *err)
{
	struct cb_recorder_status s;
	struct cb_buf b = { 0 };
	int ret;

	if (!p->path)
		return 0;
	if (r)
		cb_recorder_status(r, &s);
	ret = r ? render(&b, &s) : cb_buf_str(&b, "# nothing came yet\n");
	ret = ret < 0 ? cb_err_nomem(err) : replace(p->path, &b, err);
	cb_buf_release(&b);
	return ret;
}

static void tell(struct cb_pulse *p, const struct cb_recorder *r)
{
	struct cb_recorder_status s;
	char text[sizeof(p->notify.status)];

	if (p->notify.fd < 0)
		return;
	if (!r) {
		cb_notify_status(&p->notify, "waits for the stream");
		return;
	}
	cb_recorder_status(r, &s);
	snprintf(text, sizeof(text), "%s: %s%.100s", s.camera, s.suspended ? "suspended: " : "records",
		 s.suspended ? s.why : "");
	cb_notify_status(&p->notify, text);
}

int cb_pulse_open(struct cb_pulse *p, const char *path, void (*warn)(void *ctx, const char *text),
		  void *ctx, struct cb_err *err)
{
	*p = (struct cb_pulse){ .path = path, .warn = warn, .ctx = ctx };
	cb_notify_open(&p->notify);
	if (write_metrics(p, NULL, err) < 0) {
		cb_notify_close(&p->notify);
		return -1;
	}
	p->written_ns = cb_now_mono_ns();
	cb_notify_say(&p->notify, "READY=1");
	tell(p, NULL);
	return 0;
}

static void metrics_now(struct cb_pulse *p, const struct cb_recorder *r)
{
	struct cb_err why = CB_ERR_INIT;

	p->written_ns = cb_now_mono_ns();
	if (write_metrics(p, r, &why) == 0) {
		p->warned = false;
		return;
	}
	if (!p->warned && p->warn)
		p->warn(p->ctx, why.msg);
	p->warned = true;
}

int cb_pulse_beat(struct cb_pulse *p, const struct cb_recorder *r)
{
	int64_t now, due;

	if (!p->path && p->notify.fd < 0)
		return -1;
	now = cb_now_mono_ns();
	tell(p, r);
	due = cb_notify_progress(&p->notify, now);
	if (p->path && r) {
		if (now - p->written_ns >= CB_PULSE_NS)
			metrics_now(p, r);
		if (p->written_ns + CB_PULSE_NS < due)
			due = p->written_ns + CB_PULSE_NS;
	}
	if (due == INT64_MAX)
		return -1;
	return due <= now ? 1 : due - now > 3600 * CB_NS_PER_S ? 3600000 : (int)((due - now) / 1000000 + 1);
}

void cb_pulse_close(struct cb_pulse *p, const struct cb_recorder *r)
{
	if (r)
		metrics_now(p, r);
	cb_notify_say(&p->notify, "STOPPING=1");
	cb_notify_close(&p->notify);
}
