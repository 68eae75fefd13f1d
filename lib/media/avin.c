/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and addresses as libavformat's input. */
#include "media/avin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/dict.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "base/stop.h"
#include "base/time.h"

#define IO_BUFFER (32 << 10)

static int interrupted(void *ctx)
{
	struct cb_avin *in = ctx;

	if (cb_stop_flag)
		return 1;
	if (in->deadline && cb_now_mono_ns() > in->deadline) {
		in->late = true;
		return 1;
	}
	return 0;
}

static int read_fd(void *ctx, uint8_t *buf, int n)
{
	struct cb_avin *in = ctx;
	ssize_t k;

	for (;;) {
		if (cb_stop_flag)
			return AVERROR_EXIT;
		k = read(in->fd, buf, (size_t)n);
		if (k > 0) {
			in->at += (uint64_t)k;
			return (int)k;
		}
		if (k == 0)
			return AVERROR_EOF;
		if (errno == EAGAIN) {
			struct pollfd p = { .fd = in->fd, .events = POLLIN };

			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			in->error = errno;
			return AVERROR(errno);
		}
	}
}

static int64_t seek_fd(void *ctx, int64_t offset, int whence)
{
	struct cb_avin *in = ctx;
	off_t at;

	if (whence & AVSEEK_SIZE)
		return (int64_t)in->size;
	at = lseek(in->fd, offset, whence & ~AVSEEK_FORCE);
	if (at < 0)
		return AVERROR(errno);
	in->at = (uint64_t)at;
	return at;
}

static int open_fd(struct cb_avin *in, const char *path, struct cb_err *err)
{
	struct stat st;
	uint8_t *buf;

	if (in->kind == CB_SOURCE_STDIN) {
		in->fd = STDIN_FILENO;
	} else {
		in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (in->fd < 0)
			return cb_err_sys(err, cb_errc_open(errno), errno, "%s", in->shown);
		in->own = true;
	}
	if (fstat(in->fd, &st) < 0)
		return cb_err_sys(err, CB_E_NOINPUT, errno, "%s", in->shown);
	if (S_ISDIR(st.st_mode))
		return cb_err_set(err, CB_E_NOINPUT, "%s: is a directory", in->shown);
	in->regular = S_ISREG(st.st_mode);
	if (in->regular) {
		in->size = (uint64_t)st.st_size;
		in->mtime_ns = st.st_mtim.tv_sec * CB_NS_PER_S + st.st_mtim.tv_nsec;
		posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	buf = av_malloc(IO_BUFFER);
	if (!buf)
		return cb_err_nomem(err);
	in->pb = avio_alloc_context(buf, IO_BUFFER, 0, in, read_fd, NULL, in->regular ? seek_fd : NULL);
	if (!in->pb) {
		av_free(buf);
		return cb_err_nomem(err);
	}
	in->pb->seekable = in->regular ? AVIO_SEEKABLE_NORMAL : 0;
	return 0;
}

bool cb_avin_secure(struct cb_avin *in)
{
	uint8_t *at = NULL;

	if (in->kind != CB_SOURCE_HTTPS || !in->pb)
		return true;
	/* the library follows redirections before anybody can look at them */
	if (av_opt_get(in->pb, "location", AV_OPT_SEARCH_CHILDREN, &at) < 0 || !at ||
	    strncasecmp((const char *)at, "https://", 8) != 0)
		in->downgraded = true;
	av_free(at);
	return !in->downgraded;
}

static int open_http(struct cb_avin *in, const char *url, const char *ca_file, struct cb_avlog *log,
		     struct cb_err *err)
{
	AVIOInterruptCB cb = { interrupted, in };
	bool tls = in->kind == CB_SOURCE_HTTPS;
	AVDictionary *o = NULL;
	int r;

	/* http may be led to https by a redirection; for the other way see cb_avin_secure() */
	r = av_dict_set(&o, "protocol_whitelist", tls ? "https,tls,tcp" : "http,https,tls,tcp", 0);
	if (r >= 0)
		r = av_dict_set(&o, "tls_verify", "1", 0);
	if (r >= 0 && ca_file)
		r = av_dict_set(&o, "ca_file", ca_file, 0);
	if (r >= 0)
		r = av_dict_set(&o, "user_agent", "cb-ingest/" CB_VERSION, 0);
	if (r >= 0 && in->timeout_ns)
		r = av_dict_set_int(&o, "rw_timeout", in->timeout_ns / 1000, 0);
	/* a proxy from the environment would see everything, and is not what was asked for */
	if (r >= 0)
		r = av_dict_set(&o, "http_proxy", "", 0);
	if (r >= 0) {
		cb_avin_patience(in);
		r = avio_open2(&in->pb, url, AVIO_FLAG_READ, &cb, &o);
	}
	av_dict_free(&o);
	if (r < 0) {
		in->pb = NULL;
		return cb_avin_error(in, r, log, err);
	}
	if (!cb_avin_secure(in))
		return cb_avin_error(in, AVERROR(EPERM), log, err);
	if (avio_size(in->pb) > 0)
		in->size = (uint64_t)avio_size(in->pb);
	return 0;
}

int cb_avin_open(struct cb_avin *in, enum cb_source_kind kind, const char *source, const char *url,
		 const char *shown, const char *ca_file, int64_t timeout_ns,
		 struct cb_avlog *log, struct cb_err *err)
{
	memset(in, 0, sizeof(*in));
	in->fd = -1;
	in->kind = kind;
	in->shown = shown;
	switch (kind) {
	case CB_SOURCE_HTTP:
	case CB_SOURCE_HTTPS:
		in->timeout_ns = timeout_ns;
		return open_http(in, url, ca_file, log, err);
	case CB_SOURCE_RTSP:
	case CB_SOURCE_RTSPS:
		return cb_err_set(err, CB_E_BUG, "%s: not for FFmpeg", shown);
	default:
		return open_fd(in, source, err);
	}
}

static int deny(struct AVFormatContext *s, AVIOContext **pb, const char *url, int flags,
		AVDictionary **options)
{
	struct cb_avin *in = s->opaque;

	(void)pb;
	(void)url;
	(void)flags;
	(void)options;
	in->denied = true;
	return AVERROR(EPERM);
}

void cb_avin_attach(struct cb_avin *in, AVFormatContext *s)
{
	s->interrupt_callback = (AVIOInterruptCB){ interrupted, in };
	s->opaque = in;
	if (!in->pb)
		return;
	s->pb = in->pb;
	s->flags |= AVFMT_FLAG_CUSTOM_IO;
	s->io_open = deny;
	/* demuxers that open things past io_open meet this; no protocol has such a name */
	s->protocol_whitelist = av_strdup("none");
}

void cb_avin_patience(struct cb_avin *in)
{
	in->deadline = in->timeout_ns ? cb_now_mono_ns() + in->timeout_ns : 0;
}

void cb_avin_close(struct cb_avin *in)
{
	if (in->kind == CB_SOURCE_HTTP || in->kind == CB_SOURCE_HTTPS) {
		avio_closep(&in->pb);
	} else if (in->pb) {
		av_freep(&in->pb->buffer);
		avio_context_free(&in->pb);
	}
	if (in->own)
		close(in->fd);
	in->fd = -1;
	in->own = false;
}

int cb_avin_error(const struct cb_avin *in, int averror, const struct cb_avlog *log,
		  struct cb_err *err)
{
	bool net = in->kind == CB_SOURCE_HTTP || in->kind == CB_SOURCE_HTTPS;
	const char *text = cb_averror_text(averror);

	if (averror == AVERROR(ENOMEM))
		return cb_err_nomem(err);
	if (in->downgraded)
		return cb_err_set(err, CB_E_UNAVAIL, "%s: redirected to an address without https://, refused",
				  in->shown);
	if (in->late)
		return cb_err_set(err, CB_E_UNAVAIL, "%s: no data for %.3g s", in->shown,
				  (double)in->timeout_ns / 1e9);
	if (in->error)
		return cb_err_sys(err, CB_E_IO, in->error, "%s: read", in->shown);
	if (in->denied)
		return cb_err_set(err, CB_E_DATA,
				  "%s: refers to other files or addresses, and those are never opened",
				  in->shown);
	switch (averror) {
	case AVERROR_HTTP_UNAUTHORIZED:
	case AVERROR_HTTP_FORBIDDEN:
		return cb_err_set(err, CB_E_PERM, "%s: %s", in->shown, text);
	case AVERROR_HTTP_NOT_FOUND:
	case AVERROR_HTTP_BAD_REQUEST:
	case AVERROR_HTTP_OTHER_4XX:
		return cb_err_set(err, CB_E_NOINPUT, "%s: %s", in->shown, text);
	}
	/* the last message usually knows more than the number: "moov atom not found" */
	if (averror == AVERROR_INVALIDDATA || averror == AVERROR_PATCHWELCOME)
		return cb_err_set(err, CB_E_DATA, "%s: %s", in->shown,
				  log->errors ? log->last : "not a container that can be read");
	if (net)
		return cb_err_set(err, CB_E_UNAVAIL, "%s: %s%s%s", in->shown, text,
				  log->errors ? ": " : "", log->errors ? log->last : "");
	return cb_err_set(err, CB_E_DATA, "%s: %s", in->shown, log->errors ? log->last : text);
}
