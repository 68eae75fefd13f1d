/* SPDX-License-Identifier: Apache-2.0 */
/* The libraries' messages, by thread. */
#include "media/avlog.h"

#include <stdio.h>
#include <string.h>

#include <libavutil/error.h>
#include <libavutil/log.h>

#include "base/io.h"
#include "wire/source.h"

static _Thread_local struct cb_avlog *current;

static void callback(void *ctx, int level, const char *fmt, va_list ap)
{
	static _Thread_local int prefix;
	struct cb_avlog *l = current;
	char raw[512], clean[512];
	size_t n;

	if (!l || level > AV_LOG_WARNING)
		return;
	prefix = 1;
	av_log_format_line2(ctx, level, fmt, ap, raw, sizeof(raw), &prefix);
	n = strlen(raw);
	while (n && (raw[n - 1] == '\n' || raw[n - 1] == ' '))
		raw[--n] = '\0';
	if (!n)
		return;
	cb_url_redact(clean, sizeof(clean), raw);
	if (level <= AV_LOG_ERROR) {
		/* without the "[name @ address] " before it */
		const char *text = clean[0] == '[' && strstr(clean, "] ") ? strstr(clean, "] ") + 2 : clean;

		l->errors++;
		cb_text_safe(l->last, sizeof(l->last), text, strlen(text), false);
	}
	if (l->line) {
		cb_text_safe(raw, sizeof(raw), clean, strlen(clean), false);
		l->line(l->ctx, raw);
	}
}

void cb_avlog_begin(struct cb_avlog *l)
{
	current = l;
	av_log_set_callback(callback);
}

void cb_avlog_end(void)
{
	current = NULL;
}

const char *cb_averror_text(int averror)
{
	static _Thread_local char text[AV_ERROR_MAX_STRING_SIZE];

	if (av_strerror(averror, text, sizeof(text)) < 0)
		snprintf(text, sizeof(text), "error %d", averror);
	return text;
}

int cb_averror(struct cb_err *err, enum cb_errc code, int averror, const char *what)
{
	if (averror == AVERROR(ENOMEM))
		return cb_err_nomem(err);
	return cb_err_set(err, code, "%s: %s", what, cb_averror_text(averror));
}
