/* SPDX-License-Identifier: Apache-2.0 */
/* A tool's side of a log: a queue in front of it. */
#include "log/logbook.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "wire/event.h"

#define LOCK_NS (CB_NS_PER_S / 4)	/* a lock that is held for longer is tried again later */
#define RETRY_NS CB_NS_PER_S
#define BATCH 1024
#define CONFIG_MAX (1u << 20)

struct cb_logbook {
	pthread_mutex_t lock;
	char *dir;
	struct cb_log *log;		/* NULL while it cannot be opened */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
	struct cb_buf waiting;		/* lines with LF, the oldest first */
	uint64_t lines, lost;
	int64_t tried_ns;
	bool failing;
	struct cb_err why;		/* the last failure */
};

static int try_open(struct cb_logbook *l, struct cb_err *err)
{
	struct cb_log_opts o = { .lock_ns = LOCK_NS, .warn = l->warn, .ctx = l->ctx };

	return l->log ? 0 : cb_log_open(&l->log, l->dir, &o, err);
}

static void failed(struct cb_logbook *l, const struct cb_err *why)
{
	char text[700];

	l->why = *why;
	if (l->failing)
		return;
	l->failing = true;
	snprintf(text, sizeof(text), "log: %s; it is tried again", why->msg);
	l->warn(l->ctx, text);
}

/* As many of the first lines as one append takes. */
static size_t batch(const struct cb_logbook *l, struct iovec *v, size_t *bytes)
{
	const char *p = (const char *)l->waiting.data, *end = p + l->waiting.len;
	size_t n = 0;

	while (p < end && n < BATCH) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		v[n++] = (struct iovec){ (void *)p, (size_t)(lf - p) };
		p = lf + 1;
	}
	*bytes = (size_t)(p - (const char *)l->waiting.data);
	return n;
}

/* Is it the line that is bad, and not the log? */
static bool bad_line(const struct cb_err *why)
{
	return why->code == CB_E_DATA && strncmp(why->msg, "line ", 5) == 0;
}

/* What waits into the log. A line that no log takes is left out, and counted. */
static void flush(struct cb_logbook *l)
{
	struct cb_err why = CB_ERR_INIT;
	struct iovec v[BATCH];
	size_t n, bytes;

	l->tried_ns = cb_now_mono_ns();
	if (try_open(l, &why) < 0) {
		failed(l, &why);
		return;
	}
	while (l->waiting.len) {
		n = batch(l, v, &bytes);
		if (cb_log_append(l->log, v, n, NULL, &why) < 0 && bad_line(&why) && n > 1) {
			n = 1;		/* which of them? */
			bytes = v[0].iov_len + 1;
			why = (struct cb_err)CB_ERR_INIT;
			cb_log_append(l->log, v, n, NULL, &why);
		}
		if (bad_line(&why)) {
			failed(l, &why);
			l->failing = false;
			l->lost++;
		} else if (why.code) {
			failed(l, &why);
			return;
		}
		cb_buf_drop(&l->waiting, bytes);
		l->lines -= n;
		why = (struct cb_err)CB_ERR_INIT;
	}
	l->failing = false;
}

static void no_warn(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

int cb_logbook_open(struct cb_logbook **ret, const char *dir, void (*warn)(void *ctx, const char *text),
		    void *ctx, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_logbook *l;

	*ret = NULL;
	if (!dir)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l || !(l->dir = strdup(dir))) {
		free(l);
		return cb_err_nomem(err);
	}
	pthread_mutex_init(&l->lock, NULL);
	l->warn = warn ? warn : no_warn;
	l->ctx = ctx;
	if (try_open(l, &why) < 0) {
		if (why.code == CB_E_NOINPUT || why.code == CB_E_DATA || why.code == CB_E_PERM ||
		    why.code == CB_E_OS) {
			if (err)
				*err = why;
			free(l->dir);
			free(l);
			return -1;
		}
		failed(l, &why);
	}
	*ret = l;
	return 0;
}

static void say(struct cb_logbook *l, const void *line, size_t len)
{
	pthread_mutex_lock(&l->lock);
	if (len >= CB_LOGBOOK_WAITING - l->waiting.len || cb_buf_reserve(&l->waiting, len + 1) < 0) {
		l->lost++;
	} else {
		cb_buf_add(&l->waiting, line, len);
		cb_buf_byte(&l->waiting, '\n');
		l->lines++;
		if (!l->failing || cb_now_mono_ns() - l->tried_ns >= RETRY_NS)
			flush(l);
	}
	pthread_mutex_unlock(&l->lock);
}

void cb_logbook_say(struct cb_logbook *l, const struct cb_buf *line)
{
	if (l)
		say(l, line->data, line->len);
}

/* Lines of cb_event_begin have their type behind id and source, which hold nothing that looks
 * like one. */
static bool of_type(const char *line, size_t len, const char *type)
{
	const char *p = memmem(line, len, "\"type\":\"", 8);

	return p && (size_t)(line + len - p) > 8 + strlen(type) && memcmp(p + 8, type, strlen(type)) == 0;
}

void cb_logbook_tap(void *ctx, const char *line, size_t len)
{
	struct cb_logbook_tap *t = ctx;
	bool run = of_type(line, len, "cb.run\"");

	if (!t->log)
		return;
	if ((run && !t->run_said) || of_type(line, len, "cb.camera."))
		say(t->log, line, len);
	t->run_said |= run;
	cb_logbook_tick(t->log);
}

int cb_logbook_config(struct cb_logbook *l, const char *tool, const char *path, struct cb_err *err)
{
	const char *name = strrchr(path, '/');
	uint8_t digest[CB_SHA256_LEN], *text = NULL;
	char hex[CB_SHA256_HEX];
	struct cb_buf line = { 0 };
	struct cb_jw w;
	size_t len;
	int ret;

	if (!l)
		return 0;
	if (cb_file_read(path, CONFIG_MAX, &text, &len, err) < 0)
		return cb_err_prefix(err, "%s", path);
	cb_sha256(digest, text, len);
	free(text);
	cb_hex(hex, digest, CB_SHA256_LEN);
	cb_log_event(&w, &line, tool, "cb.config", NULL);
	cb_jw_kstr(&w, "tool", tool);
	cb_jw_kstr(&w, "version", CB_VERSION);
	cb_jw_kstr(&w, "name", name ? name + 1 : path);
	cb_jw_kstr(&w, "sha256", hex);
	ret = cb_event_end(&w, err);
	if (ret == 0)
		cb_logbook_say(l, &line);
	cb_buf_release(&line);
	return ret;
}

void cb_logbook_tick(struct cb_logbook *l)
{
	struct cb_err why = CB_ERR_INIT;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	if (cb_now_mono_ns() - l->tried_ns >= RETRY_NS) {
		flush(l);
		if (l->log && !l->failing && cb_log_tick(l->log, &why) < 0)
			failed(l, &why);
	}
	pthread_mutex_unlock(&l->lock);
}

int cb_logbook_close(struct cb_logbook *l, struct cb_err *err)
{
	int ret = 0;

	if (!l)
		return 0;
	if (l->lines)
		flush(l);
	l->lost += l->lines;
	if (l->lost)
		ret = cb_err_set(err, l->why.code ? l->why.code : CB_E_IO, "%" PRIu64 " events are not in the log: %s",
				 l->lost, *l->why.msg ? l->why.msg : "too many at once");
	cb_log_close(l->log);
	pthread_mutex_destroy(&l->lock);
	cb_buf_release(&l->waiting);
	free(l->dir);
	free(l);
	return ret;
}
